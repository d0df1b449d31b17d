//! The copier: copies the tracks of a translate table, in steps that can fail and be called again.
//!
//! The problem: a copy takes hours, applications may write to the source all the while, reads and writes fail in between,
//! and the process may end at any moment. What was copied must not be copied again without need; and no track may ever
//! count as copied that the target does not hold durably in its present state.
//!
//! The rule: the work is what monitors and the copier itself have marked in a [`Subscription`] for each source volume:
//! `changed OR taken`. At the start `taken` has every source track of the table, so the first copy, a copy again after a
//! failure, and the copy of tracks that were written meanwhile are one and the same operation: go through the work,
//! lowest track first. For a *batch*, a run of tracks in one piece on source and target:
//!
//! 1. [`Subscription::take`] moves what is marked from `changed` to `taken`;
//! 2. one read, and the relocation of each track in place ([`track::relocate`]);
//! 3. one write;
//! 4. when the target was flushed after that, [`Batch::done`] takes exactly this batch from `taken`.
//!
//! One going through is a *pass*. The next step goes on where the last one ended, so that a track which is written again
//! and again is copied once in a pass, however many steps the pass has.
//!
//! *Hot and cold.* A track that was copied twice already and was written again is likely to be written once more before
//! anybody wants the target: it is *hot*. As long as the work left is small enough, only cold tracks are worth a copy
//! ([`Copier::step_cold`]); the hot ones wait for the end. Each whole pass halves what is known of
//! them, so that a track which was hot long ago is not so for ever.
//!
//! A *step* ([`Copier::step`]) copies a bounded number of tracks, by one or more threads that it starts and joins, each
//! with one buffer that is used again and again. At its end each target that was written is flushed, and where that
//! succeeds its batches are done. So:
//!
//! * A batch that could not be read, relocated or written stays in `taken`. The other threads end their batches, and what
//!   they wrote is flushed: their work counts.
//! * When a flush fails, nobody knows which of the writes since the last good flush are durable. All of them, of all
//!   threads, stay in `taken`: they are of this step, because each step ends with a flush.
//! * A track is in one batch at a time, until its batch is done or given up.
//! * A batch that fails as a whole is tried again track by track, so that one bad track keeps no other from being copied.
//!
//! *Torn reads.* A track that is being written may be read half old and half new, and not check. That is an error only if
//! it is stable: nobody writes it and nothing is marked before one reading and after another, and neither checks. Else it
//! stays in `taken`, and a later step copies it.
//!
//! The crash argument: the marks say too much at any moment, never too little. A process that ends inside a step leaves
//! its batches in `taken`; whoever takes the subscription up again copies at most one step's tracks twice. Copying a
//! track twice does no harm, because sources and targets are disjoint. Where no monitor watches, the subscriptions are
//! this process's own, and end with it ([`Copier::new`]).
//!
//! ```
//! use std::{collections::BTreeMap, sync::Arc};
//! use trackmirror::Volser;
//! use trackmirror::copy::{Copier, CopyOptions, Volumes};
//! use trackmirror::geometry::{Device, Extent, Geometry, Track};
//! use trackmirror::translate::TranslateTable;
//! use trackmirror::volume::{Volume, memory::MemoryVolume};
//!
//! let device = Device::named("3390")?;
//! let geometry = Geometry { device, cylinders: 4, slot_size: device.slot_size() };
//! let volume = |volser: Volser| -> Volumes {
//!     BTreeMap::from([(volser, Arc::new(MemoryVolume::new(volser, geometry)) as Arc<dyn Volume>)])
//! };
//! let (old, new) = (Volser::parse("OLD001")?, Volser::parse("NEW001")?);
//! let (source, target) = ([(old, Extent::new(Track(1), 40))], [(new, Extent::new(Track(20), 40))]);
//! let table = TranslateTable::new(TranslateTable::map(&source, &target)?)?;
//! let mut copier = Copier::new(table, &volume(old), &volume(new), CopyOptions::default())?;
//! let progress = copier.step(25)?;
//! assert_eq!((progress.copied, progress.left, progress.done), (25, 15, false));
//! while !copier.step(1000)?.done {}
//! # Ok::<(), trackmirror::Error>(())
//! ```

use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::monitor::{Area, Batch, Identity, Subscription};
use crate::name::Volser;
use crate::track::{self, NullFormat};
use crate::translate::{Run, TranslateTable};
use crate::volume::{Volume, VolumeExt};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

mod another_table;
#[cfg(test)]
mod tests;

/// Volumes by their serials.
pub type Volumes = BTreeMap<Volser, Arc<dyn Volume>>;

/// The bytes of a batch, unless its tracks are given. Such a buffer fits into the second-level cache of today's
/// processors (1 to 2 MB), with room for what the system copies to and from them. Larger ones do not, and smaller ones
/// cost more calls.
const BATCH_BYTES: u32 = 704 << 10;

/// How a copier works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// How many threads copy inside a step, the caller's included. 0 is taken for 1.
    pub threads: usize,
    /// The most tracks of one read and one write; `None` is a cylinder, or as many tracks as stay in a processor's
    /// cache while they are read, relocated and written (twelve of a 3390). Each thread has a buffer for so many.
    pub batch_tracks: Option<u32>,
    /// Whether a digest of each entry is kept: eight bytes of memory for each track, and about as much time of the
    /// processor as the copy itself.
    pub digests: bool,
}

impl Default for CopyOptions {
    fn default() -> CopyOptions {
        CopyOptions { threads: 1, batch_tracks: None, digests: false }
    }
}

/// What a step did, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many tracks the step copied and made durable.
    pub copied: u32,
    /// How many tracks are still to be copied.
    pub left: u64,
    /// Whether nothing is left.
    pub done: bool,
    /// How many tracks were left because they were being written when they were read.
    pub torn: u32,
}

/// What a copier did since it was made. A track that was copied twice counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tracks written.
    pub track_count: u64,
    /// Bytes of their images, end markers included.
    pub byte_count: u64,
    /// Their records behind R0.
    pub record_count: u64,
    /// Counts that carried another address than their track's, and were kept as they are.
    pub foreign_count: u64,
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.track_count += other.track_count;
        self.byte_count += other.byte_count;
        self.record_count += other.record_count;
        self.foreign_count += other.foreign_count;
    }
}

/// Copies the tracks of a translate table: see the [module](self).
#[derive(Debug)]
pub struct Copier {
    plan: Plan,
    work: Work,
    buffers: Vec<Vec<u8>>,
}

/// What does not change while threads copy.
#[derive(Debug)]
struct Plan {
    table: TranslateTable,
    sources: Vec<Source>,
    targets: Vec<Arc<dyn Volume>>,
    batch_tracks: Option<u32>,
    digests: bool,
}

/// A source volume, and what is to be copied of it.
#[derive(Debug)]
struct Source {
    volume: Arc<dyn Volume>,
    subscription: Subscription,
    /// The source extents of the table on it, in the order of their tracks.
    extents: Vec<Extent>,
    /// For each extent, how many tracks of the table are in those before it.
    starts: Vec<usize>,
}

/// So many copies make a track that is written again a hot one.
const HOT: u8 = 2;

/// What threads share, each for a moment at a time.
#[derive(Debug)]
struct Work {
    /// For each of the plan's sources, where the pass goes on: which extent, and which track.
    next: Vec<(usize, Track)>,
    /// For each of the plan's sources, how often each of its tracks was copied, halved by each whole pass.
    heat: Vec<Vec<u8>>,
    /// Only cold tracks are copied in this step.
    is_cold_only: bool,
    /// The step began inside a pass: when that ends, it may begin the next one.
    is_inside_pass: bool,
    /// How many passes have ended.
    pass_count: u64,
    /// For each of the plan's targets, the batches that were written in this step.
    written: Vec<Vec<Batch>>,
    /// For each entry, the digest of each of its tracks, if digests are kept; `None` as long as this copier has not
    /// copied the track.
    digests: Vec<Vec<Option<u32>>>,
    totals: Totals,
    /// How many tracks this step may still take.
    budget: u32,
    /// Tracks that were read while they were written.
    torn_count: u64,
    /// The first failure of this step.
    error: Option<Error>,
    /// A target cannot be written: the step ends.
    is_stopped: bool,
}

/// A batch, and where it goes.
#[derive(Debug)]
struct Load {
    batch: Batch,
    source: usize,
    target: usize,
    run: Run,
}

/// Why a load was not copied.
enum Trouble {
    /// A track of it was read while it was written.
    Torn,
    Failed(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Failed(error)
    }
}

impl Copier {
    /// A copier for this table, of sources to which nobody writes. A volume may be source and target.
    ///
    /// Errors: [`Reason::NoSuchVolume`], [`Reason::OutsideVolume`], [`Reason::UnlikeDevices`],
    /// [`Reason::ReadOnlyVolume`] for a target.
    pub fn new(
        table: TranslateTable,
        sources: &Volumes,
        targets: &Volumes,
        options: CopyOptions,
    ) -> Result<Copier> {
        let mut subscriptions = BTreeMap::new();
        for volume in chosen(sources, table.source_volsers())? {
            let area = Area::in_process(Identity::of(&*volume)?)?;
            let subscription = Subscription::open(&area, [1, 1])?;
            subscription.fill(&extents_on(&table, volume.volser()))?;
            subscriptions.insert(volume.volser(), subscription);
        }
        Copier::monitored(table, sources, targets, &subscriptions, options)
    }

    /// A copier for this table, with a subscription for each source volume: they say what is to be copied, now and
    /// whenever a monitor marks a track.
    ///
    /// Errors: those of [`new`](Copier::new); [`Reason::NotFilled`] if the tracks of the plan were not filled in.
    pub fn monitored(
        table: TranslateTable,
        sources: &Volumes,
        targets: &Volumes,
        subscriptions: &BTreeMap<Volser, Subscription>,
        options: CopyOptions,
    ) -> Result<Copier> {
        let geometry = |volumes: &Volumes, volser| volumes.get(&volser).map(|v| v.geometry());
        table.check_volumes(
            |volser| geometry(sources, volser),
            |volser| geometry(targets, volser),
        )?;
        let targets = chosen(targets, table.target_volsers())?;
        if let Some(volume) = targets.iter().find(|volume| !volume.is_writable()) {
            return Err(Error::new(
                Reason::ReadOnlyVolume,
                format!("the target {} can only be read; open it for writing", volume.location()),
            )
            .on_volume(volume.volser()));
        }
        let sources = chosen(sources, table.source_volsers())?
            .into_iter()
            .map(|volume| Source::new(volume, &table, subscriptions))
            .collect::<Result<Vec<Source>>>()?;
        let per_track = |count: u32| vec![None; if options.digests { count as usize } else { 0 }];
        let digests = table.entries().iter().map(|e| per_track(e.source.track_count)).collect();
        let work = Work {
            next: vec![(0, Track(0)); sources.len()],
            heat: sources.iter().map(|source| vec![0; source.track_count()]).collect(),
            is_cold_only: false,
            is_inside_pass: false,
            pass_count: 0,
            written: targets.iter().map(|_| Vec::new()).collect(),
            digests,
            totals: Totals::default(),
            budget: 0,
            torn_count: 0,
            error: None,
            is_stopped: false,
        };
        let batch_tracks = options.batch_tracks.map(|count| count.max(1));
        let plan = Plan { table, sources, targets, batch_tracks, digests: options.digests };
        let length = plan.buffer_length();
        let buffers = (0..options.threads.max(1)).map(|_| vec![0; length]).collect();
        Ok(Copier { plan, work, buffers })
    }

    /// Copies at most `track_count_max` tracks, and flushes the targets. With an error, what failed is still to be
    /// copied, what did not is not, and the step may be called again.
    ///
    /// Errors: those of the volumes; [`Reason::ForeignTrack`] and [`Reason::DamagedTrack`] for a source track that does
    /// not check, [`Reason::ForeignCount`] for one that cannot go where it should; [`Reason::NotFlushed`].
    pub fn step(&mut self, track_count_max: u32) -> Result<Progress> {
        self.step_of(track_count_max, false)
    }

    /// The same, but leaves hot tracks: those that were copied twice already, and were written again.
    pub fn step_cold(&mut self, track_count_max: u32) -> Result<Progress> {
        self.step_of(track_count_max, true)
    }

    fn step_of(&mut self, track_count_max: u32, is_cold_only: bool) -> Result<Progress> {
        let before = self.work.totals.track_count;
        let left = self.left();
        self.work.budget = track_count_max;
        self.work.is_cold_only = is_cold_only;
        (self.work.torn_count, self.work.is_stopped) = (0, false);
        self.work.is_inside_pass = self.work.next.iter().any(|next| *next != (0, Track(0)));
        let (plan, work) = (&self.plan, Mutex::new(&mut self.work));
        let mut buffers = self.buffers.iter_mut().zip(0..);
        // A few tracks are not worth a thread.
        let batches = left.min(track_count_max.into()).div_ceil(plan.batch_tracks_of(0).into());
        let (first, others) = (buffers.next(), buffers.take(batches.saturating_sub(1) as usize));
        std::thread::scope(|scope| {
            for (buffer, thread) in others {
                let work = &work;
                scope.spawn(move || plan.copy_loads(work, thread, buffer));
            }
            if let Some((buffer, thread)) = first {
                plan.copy_loads(&work, thread, buffer);
            }
        });
        self.flush();
        self.work.end_pass(&self.plan);
        if let Some(error) = self.work.error.take() {
            return Err(error);
        }
        let left = self.left();
        Ok(Progress {
            copied: (self.work.totals.track_count - before) as u32,
            left,
            done: left == 0,
            torn: self.work.torn_count as u32,
        })
    }

    /// How many passes have ended.
    pub fn pass_count(&self) -> u64 {
        self.work.pass_count
    }

    /// How many tracks are still to be copied.
    pub fn left(&self) -> u64 {
        let sources = self.plan.sources.iter();
        sources.map(|source| source.extents.iter().map(|&e| source.left_in(e)).sum::<u64>()).sum()
    }

    /// How many tracks of a run of source tracks are still to be copied.
    ///
    /// Error: [`Reason::NotInTable`] if one of them is in no source of the table.
    pub fn left_in(&self, volser: Volser, extent: Extent) -> Result<u64> {
        Ok(self.source_of(volser, extent)?.left_in(extent))
    }

    /// Puts source tracks back to what is still to be copied.
    ///
    /// Error: [`Reason::NotInTable`] if one of them is in no source of the table; then nothing is put back.
    pub fn retake(&mut self, volser: Volser, extent: Extent) -> Result<()> {
        self.source_of(volser, extent)?.subscription.add(&[extent])
    }

    /// Takes source tracks from what is still to be copied, without copying them: they were copied before, or they
    /// hold nothing. One that was written and not copied since, or is written later, is copied all the same.
    ///
    /// Error: [`Reason::NotInTable`] if one of them is in no source of the table; then nothing is taken away.
    pub fn leave_out(&mut self, volser: Volser, extent: Extent) -> Result<()> {
        self.source_of(volser, extent)?.subscription.leave_out(extent)
    }

    /// The digest of an entry's tracks, addresses aside ([`track::digest`], [`track::digest_of_run`]); `None` if digests
    /// are not kept, or a track of it is still to be copied, or was copied by another copier.
    pub fn digest(&self, entry: usize) -> Option<u32> {
        let digests = self.work.digests.get(entry).filter(|digests| !digests.is_empty())?;
        let entry = &self.plan.table.entries()[entry];
        let left = self.left_in(entry.source_volser, entry.source).ok()?;
        if left != 0 {
            return None;
        }
        digests.iter().copied().collect::<Option<Vec<u32>>>().map(track::digest_of_run)
    }

    /// What was done so far.
    pub fn totals(&self) -> Totals {
        self.work.totals
    }

    /// The table.
    pub fn table(&self) -> &TranslateTable {
        &self.plan.table
    }

    /// The source that has these tracks, all of which are in the table.
    fn source_of(&self, volser: Volser, extent: Extent) -> Result<&Source> {
        let mut track_count = 0;
        while track_count < extent.track_count {
            let track = extent.first.0.checked_add(track_count).map(Track);
            let run = track.and_then(|track| {
                self.plan.table.run(volser, track, extent.track_count - track_count)
            });
            let run = run.ok_or_else(|| {
                Error::new(
                    Reason::NotInTable,
                    format!(
                        "track {} is in no source extent of the translate table",
                        u64::from(extent.first.0) + u64::from(track_count)
                    ),
                )
                .on_volume(volser)
            })?;
            track_count += run.source.track_count;
        }
        let number = self.plan.sources.binary_search_by_key(&volser, |s| s.volume.volser());
        number.map(|number| &self.plan.sources[number]).map_err(|_| not_in_table(volser))
    }

    /// Flushes every target that was written, and ends the batches whose tracks are durable now.
    fn flush(&mut self) {
        let Copier { plan, work, .. } = self;
        for (target, volume) in plan.targets.iter().enumerate() {
            let batches = std::mem::take(&mut work.written[target]);
            if batches.is_empty() {
                continue;
            }
            if defect(Defect::DoneBeforeTheFlush) {
                batches.into_iter().for_each(Batch::done);
                continue;
            }
            match volume.flush() {
                Ok(()) => batches.into_iter().for_each(Batch::done),
                Err(error) => work.fail(
                    Error::new(
                        Reason::NotFlushed,
                        format!(
                            "{} could not be flushed, and what was written since its last flush will be copied again: \
                             {}",
                            volume.location(),
                            error.sentence()
                        ),
                    )
                    .on_volume(volume.volser()),
                ),
            }
        }
    }
}

/// The source extents of a table on a volume, in the order of their tracks.
fn extents_on(table: &TranslateTable, volser: Volser) -> Vec<Extent> {
    let entries = table.entries().iter().filter(|entry| entry.source_volser == volser);
    let mut extents: Vec<Extent> = entries.map(|entry| entry.source).collect();
    extents.sort();
    extents
}

impl Source {
    fn new(
        volume: Arc<dyn Volume>,
        table: &TranslateTable,
        subscriptions: &BTreeMap<Volser, Subscription>,
    ) -> Result<Source> {
        let volser = volume.volser();
        let subscription = subscriptions.get(&volser).filter(|s| s.is_filled()).ok_or_else(|| {
            Error::new(
                Reason::NotFilled,
                "no monitor watches the volume for this migration yet; subscribe, and fill in the tracks of the plan",
            )
            .on_volume(volser)
        })?;
        let extents = extents_on(table, volser);
        let starts = extents.iter().scan(0, |start, extent| {
            let this = *start;
            *start += extent.track_count as usize;
            Some(this)
        });
        let starts = starts.collect();
        let source = Source { volume, subscription: subscription.clone(), extents, starts };
        // The area may be of another volume: every extent must lie on it.
        source.extents.iter().try_for_each(|e| source.subscription.left_count(*e).map(drop))?;
        Ok(source)
    }

    /// How many tracks of the table are on it.
    fn track_count(&self) -> usize {
        self.extents.iter().map(|extent| extent.track_count as usize).sum()
    }

    /// The place of a track among the tracks of the table on this volume.
    fn place(&self, track: Track) -> Option<usize> {
        let number = self.extents.partition_point(|extent| extent.end() <= track);
        let extent = self.extents.get(number).filter(|extent| extent.contains(track))?;
        Some(self.starts[number] + track.since(extent.first) as usize)
    }

    fn left_in(&self, extent: Extent) -> u64 {
        // The extents were seen to lie on the area's volume.
        self.subscription.left_count(extent).map_or(u64::from(extent.track_count), u64::from)
    }

    /// Whether nobody writes the track, and nothing tells that somebody did since it was taken.
    fn is_still(&self, track: Track) -> Result<bool> {
        let extent = Extent::new(track, 1);
        Ok(self.subscription.in_flight(&[extent])?.is_none()
            && self.subscription.changed_count(extent)? == 0)
    }

    /// A track that did not check is read twice more: see *torn reads* in the [module](self).
    fn trouble_of(&self, track: Track, slot: &mut [u8], error: Error) -> Trouble {
        let mut read = || -> Result<bool> {
            self.volume.read(track, slot)?;
            Ok(track::check(slot, self.volume.place(track)).is_ok())
        };
        let still = || self.is_still(track);
        let mut stable = || Ok(still()? && !read()? && !read()? && still()?);
        match stable() {
            Ok(true) => Trouble::Failed(self.volume.locate(error, track)),
            Ok(false) => Trouble::Torn,
            Err(error) => Trouble::Failed(self.volume.locate(error, track)),
        }
    }
}

impl Work {
    /// The next load for a thread. Each thread begins at another source volume, and goes to the next one when nothing
    /// is left there.
    fn next_load(&mut self, plan: &Plan, thread: usize) -> Result<Option<Load>> {
        if self.is_stopped || self.budget == 0 {
            return Ok(None);
        }
        for turn in 0..plan.sources.len() {
            let number = (thread + turn) % plan.sources.len();
            if let Some(load) = self.next_load_of(plan, number)? {
                return Ok(Some(load));
            }
        }
        // What fails is not tried again and again in one step.
        if !self.is_inside_pass || self.error.is_some() {
            return Ok(None);
        }
        self.is_inside_pass = false;
        self.end_pass(plan);
        self.next_load(plan, thread)
    }

    fn next_load_of(&mut self, plan: &Plan, number: usize) -> Result<Option<Load>> {
        let source = &plan.sources[number];
        let track_count_max = plan.batch_tracks_of(number).min(self.budget);
        let (extent, track) = &mut self.next[number];
        while let Some(within) = source.extents.get(*extent) {
            let from = (*track).max(within.first);
            let rest = Extent::new(from, within.end().0.saturating_sub(from.0));
            let Some(mut found) = source.subscription.next_work(rest, track_count_max)? else {
                *extent += 1;
                continue;
            };
            *track = found.end();
            if self.is_cold_only {
                let start = source.starts[*extent] + found.first.since(within.first) as usize;
                let heat = &self.heat[number][start..start + found.track_count as usize];
                let hot_count = heat.iter().take_while(|&&heat| heat >= HOT).count();
                let cold_count = heat[hot_count..].iter().take_while(|&&heat| heat < HOT).count();
                if cold_count == 0 {
                    continue;
                }
                found = Extent::new(found.first.plus(hot_count as u32), cold_count as u32);
            }
            let load = plan.load(number, found)?;
            *track = load.run.source.end();
            self.budget -= load.run.source.track_count;
            return Ok(Some(load));
        }
        Ok(None)
    }

    /// If nothing is left in this pass, the next step begins another one.
    fn end_pass(&mut self, plan: &Plan) {
        let is_at_end = |(source, next): (&Source, &(usize, Track))| next.0 >= source.extents.len();
        if !plan.sources.iter().zip(&self.next).all(is_at_end) {
            return;
        }
        self.next.fill((0, Track(0)));
        if !self.is_cold_only {
            self.pass_count += 1;
            self.heat.iter_mut().flatten().for_each(|heat| *heat = heat.div_ceil(2));
        }
    }

    /// Notes a load that was written.
    fn note(&mut self, plan: &Plan, load: Load, totals: Totals, digests: &[u32]) {
        self.totals.add(totals);
        let tracks = load.run.source;
        if let Some(place) = plan.sources[load.source].place(tracks.first) {
            let heat = &mut self.heat[load.source][place..place + tracks.track_count as usize];
            heat.iter_mut().for_each(|heat| *heat = heat.saturating_add(1));
        }
        for (&digest, number) in digests.iter().zip(0..) {
            let track = load.run.source.first.plus(number);
            if let Some((entry, place)) = plan.table.position(load.run.source_volser, track) {
                self.digests[entry][place as usize] = Some(digest);
            }
        }
        self.written[load.target].push(load.batch);
    }

    /// Keeps the first failure of a step; the others are seen again when the work is done again.
    fn fail(&mut self, error: Error) {
        match &self.error {
            None => self.error = Some(error),
            Some(_) => log::warn!("after a failure in the same step: {error}"),
        }
    }
}

impl Plan {
    /// Takes the tracks of a source that are in one piece on the target too.
    fn load(&self, source: usize, tracks: Extent) -> Result<Load> {
        let Source { volume, subscription, .. } = &self.sources[source];
        let volser = volume.volser();
        let run = self.table.run(volser, tracks.first, tracks.track_count).ok_or_else(|| {
            let error = Error::new(Reason::Broken, "a track to be copied is in no table");
            volume.locate(error, tracks.first)
        })?;
        let target = number_of(&self.targets, run.target_volser)?;
        Ok(Load { batch: subscription.take(run.source)?, source, target, run })
    }

    /// What one thread does in a step.
    fn copy_loads(&self, work: &Mutex<&mut Work>, thread: usize, buffer: &mut [u8]) {
        loop {
            let load = match work.lock().next_load(self, thread) {
                Ok(Some(load)) => load,
                Ok(None) => return,
                Err(error) => return work.lock().fail(error),
            };
            let (source, tracks) = (load.source, load.run.source);
            let is_single = tracks.track_count == 1;
            if self.copy_load(work, load, buffer, is_single) || is_single {
                continue;
            }
            // One by one, so that only what cannot be copied is left.
            for number in 0..tracks.track_count {
                match self.load(source, Extent::new(tracks.first.plus(number), 1)) {
                    Ok(load) => drop(self.copy_load(work, load, buffer, true)),
                    Err(error) => work.lock().fail(error),
                }
            }
        }
    }

    /// Copies a load: whether it was written. If not, it is still to be copied, and `tells` says whether its trouble is
    /// that of the step.
    fn copy_load(
        &self,
        work: &Mutex<&mut Work>,
        load: Load,
        buffer: &mut [u8],
        tells: bool,
    ) -> bool {
        let mut digests = Vec::new();
        let read = self.read(&load, buffer, &mut digests);
        let written = read.is_ok().then(|| self.write(&load, buffer));
        let mut work = work.lock();
        match (read, written) {
            (Ok(totals), Some(Ok(()))) => {
                work.note(self, load, totals, &digests);
                return true;
            }
            (_, Some(Err(error))) if tells => {
                if defect(Defect::FailedBatchIsDone) {
                    load.batch.done();
                }
                work.is_stopped = true;
                work.fail(error);
            }
            (Err(Trouble::Torn), _) if tells => work.torn_count += 1,
            (Err(Trouble::Failed(error)), _) if tells => work.fail(error),
            (Err(Trouble::Failed(error)), _) | (_, Some(Err(error))) => {
                log::warn!("tried again track by track: {error}");
            }
            _ => {}
        }
        false
    }

    /// Reads and relocates the tracks of a load.
    fn read(
        &self,
        load: &Load,
        buffer: &mut [u8],
        digests: &mut Vec<u32>,
    ) -> std::result::Result<Totals, Trouble> {
        let (source, target) = (&self.sources[load.source], &*self.targets[load.target]);
        let volume = &*source.volume;
        let Run { source: tracks, target: first, .. } = load.run;
        let slot_size = volume.slot_size();
        let buffer = &mut buffer[..slot_size * tracks.track_count as usize];
        volume.read(tracks.first, buffer).map_err(|e| in_run(volume, tracks, "reading", e))?;
        let mut totals = Totals::default();
        for (slot, number) in buffer.chunks_exact_mut(slot_size).zip(0..) {
            let (from, to) = (tracks.first.plus(number), first.plus(number));
            let place = volume.place(from);
            let digest = if self.digests { track::digest(slot, place).map(Some) } else { Ok(None) };
            let relocated = digest.and_then(|digest| {
                track::relocate(slot, place, target.place(to)).map(|summary| (digest, summary))
            });
            let (digest, summary) = match relocated {
                Ok(relocated) => relocated,
                // It checks, but cannot go where it should.
                Err(error) if error.reason() == Reason::ForeignCount => {
                    return Err(volume.locate(error, from).into());
                }
                Err(error) => return Err(source.trouble_of(from, slot, error)),
            };
            digests.extend(digest);
            totals.track_count += 1;
            totals.byte_count += summary.length as u64;
            totals.record_count += u64::from(summary.record_count);
            totals.foreign_count += u64::from(summary.foreign_count);
        }
        Ok(totals)
    }

    /// Writes the tracks of a load.
    fn write(&self, load: &Load, buffer: &[u8]) -> Result<()> {
        let target = &*self.targets[load.target];
        let tracks = Extent::new(load.run.target, load.run.source.track_count);
        let buffer = &buffer[..target.slot_size() * tracks.track_count as usize];
        target.write(tracks.first, buffer).map_err(|e| in_run(target, tracks, "writing", e))
    }

    fn batch_tracks_of(&self, source: usize) -> u32 {
        let Some(geometry) = self.sources.get(source).map(|source| source.volume.geometry()) else {
            return 1;
        };
        let in_cache = BATCH_BYTES / geometry.slot_size.max(1);
        self.batch_tracks.unwrap_or(in_cache.min(geometry.heads().into())).max(1)
    }

    /// The bytes of the largest batch that can occur.
    fn buffer_length(&self) -> usize {
        let length = |(number, source): (usize, &Source)| {
            let tracks = self.batch_tracks_of(number).min(source.volume.geometry().track_count());
            let tracks = u64::from(tracks).min(self.table.track_count());
            tracks as usize * source.volume.slot_size()
        };
        self.sources.iter().enumerate().map(length).max().unwrap_or(0)
    }
}

fn not_in_table(volser: Volser) -> Error {
    Error::new(Reason::NotInTable, format!("volume {volser} is not in the translate table"))
        .on_volume(volser)
}

/// The volumes with these serials, in the same order. A volume given under a serial that is not its own is refused.
fn chosen(
    volumes: &Volumes,
    volsers: impl IntoIterator<Item = Volser>,
) -> Result<Vec<Arc<dyn Volume>>> {
    let volume = |volser: Volser| {
        let given = volumes.get(&volser).filter(|volume| volume.volser() == volser);
        given.cloned().ok_or_else(|| {
            Error::new(
                Reason::NoSuchVolume,
                format!("the volume that is given as {volser} has another serial"),
            )
            .on_volume(volser)
        })
    };
    volsers.into_iter().map(volume).collect()
}

/// The number of a volume in a list in ascending order of serials.
fn number_of(volumes: &[Arc<dyn Volume>], volser: Volser) -> Result<usize> {
    volumes
        .binary_search_by_key(&volser, |volume| volume.volser())
        .map_err(|_| not_in_table(volser))
}

/// Adds to an error of a volume where it was; a volume that knows the track has named it already.
fn in_run(volume: &dyn Volume, tracks: Extent, what: &str, error: Error) -> Error {
    if tracks.track_count == 1 || error.track().is_some() {
        return volume.locate(error, tracks.first);
    }
    let sentence = format!(
        "{} ({what} tracks {} to {})",
        error.sentence(),
        tracks.first.0,
        tracks.end().0 - 1
    );
    volume.locate(Error::new(error.reason(), sentence), tracks.first)
}

/// Writes a run of tracks without data. It is durable after the volume's [`flush`](Volume::flush), which is left to the
/// caller.
///
/// ```
/// use trackmirror::Volser;
/// use trackmirror::copy::write_empty;
/// use trackmirror::geometry::{Device, Extent, Geometry, Track};
/// use trackmirror::track::NullFormat;
/// use trackmirror::volume::{Volume, VolumeExt, memory::MemoryVolume};
/// let device = Device::named("3330")?;
/// let geometry = Geometry { device, cylinders: 4, slot_size: device.slot_size() };
/// let volume = MemoryVolume::new(Volser::parse("VOL001")?, geometry);
/// write_empty(&volume, Extent::new(Track(10), 50), NullFormat::EndOfFile)?;
/// volume.flush()?;
/// assert!(volume.read_track(Track(59)).is_ok());
/// # Ok::<(), trackmirror::Error>(())
/// ```
///
/// Errors: [`Reason::OutsideVolume`], with nothing written; [`Reason::BadRequest`] for a form that is longer than the
/// volume's slots; those of the volume.
pub fn write_empty(volume: &dyn Volume, extent: Extent, format: NullFormat) -> Result<()> {
    let (geometry, slot_size) = (volume.geometry(), volume.slot_size());
    geometry.check(extent).map_err(|error| error.on_volume(volume.volser()))?;
    if format.length() > slot_size {
        return Err(Error::new(
            Reason::BadRequest,
            format!("an empty track of {} bytes is longer than a slot", format.length()),
        )
        .on_volume(volume.volser()));
    }
    let batch_tracks = u32::from(geometry.heads()).clamp(1, extent.track_count.max(1));
    let mut buffer = vec![0; batch_tracks as usize * slot_size];
    let mut first = extent.first;
    while first < extent.end() {
        let tracks = Extent::new(first, extent.end().since(first).min(batch_tracks));
        let buffer = &mut buffer[..tracks.track_count as usize * slot_size];
        for (slot, number) in buffer.chunks_exact_mut(slot_size).zip(0..) {
            format.write(slot, volume.place(first.plus(number)));
        }
        volume.write(first, buffer).map_err(|error| in_run(volume, tracks, "writing", error))?;
        first = tracks.end();
    }
    Ok(())
}
