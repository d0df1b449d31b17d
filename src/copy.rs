//! The copier: copies the tracks of a translate table, in steps that can fail and be called again.
//!
//! The problem: a copy takes hours, reads and writes fail in between, and the process may end at any moment. What was
//! copied must not be copied again without need; and no track may ever count as copied that the target does not hold
//! durably.
//!
//! The rule: one set of tracks for each source volume, `taken`, is the work. **A track leaves it only when it was read,
//! relocated and written, and its target was flushed after that.** At the start it has every source track of the table,
//! so the first copy, a copy again after a failure, and the copy of tracks that were put back ([`Copier::retake`]) are
//! one and the same operation: go through `taken`, lowest track first.
//!
//! A *batch* is a run of tracks in one piece on source and target, at most a cylinder by default: one read, the
//! relocation of each track in place ([`track::relocate`]), one write. A *step* ([`Copier::step`]) copies a bounded
//! number of tracks, by one or more threads that it starts and joins, each with one buffer that is used again and
//! again. A batch that was written is noted in a second set, `written`. At the end of the step each target that was
//! written is flushed, and where that succeeds, exactly its tracks in `written` are taken from `taken`. So:
//!
//! * A batch that could not be read, relocated or written stays in `taken`. The step ends with the error, after the
//!   other threads have ended their batches and what they wrote was flushed: their work counts.
//! * When a flush fails, nobody knows which of the writes since the last good flush are durable. All of them, of all
//!   threads, stay in `taken`: they are in `written` since then, because each step ends with a flush.
//! * A step goes through each volume once, upwards. What it has written it does not copy again, although it is still in
//!   `taken`.
//!
//! The crash argument: `taken` says too much at any moment, never too little. A process that ends inside a step loses
//! `written`, not `taken`; whoever keeps `taken` in durable state keeps it as it is after a step, and copies at most
//! one step's tracks twice. Copying a track twice does no harm, because sources and targets are disjoint.
//!
//! What the copier does not do: it does not look who writes to the source meanwhile. A track that is changed after it
//! was read must be put back by the one who knows.
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

use crate::changed::TrackSet;
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::name::Volser;
use crate::track::{self, NullFormat};
use crate::translate::{Run, TranslateTable};
use crate::volume::{Volume, VolumeExt};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Volumes by their serials.
pub type Volumes = BTreeMap<Volser, Arc<dyn Volume>>;

/// The bytes of a batch, unless its tracks are given. Such a buffer fits into the second-level cache of today's
/// processors (1 to 2 MB), with room for what the system copies to and from them. A whole cylinder of a 3390 does not,
/// and takes up to twice the time; much smaller batches cost more calls.
const BATCH_BYTES: u32 = 448 << 10;

/// How a copier works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// How many threads copy inside a step, the caller's included. 0 is taken for 1.
    pub threads: usize,
    /// The most tracks of one read and one write; `None` is a cylinder, or as many tracks as stay in a processor's
    /// cache while they are read, relocated and written (eight of a 3390). Each thread has a buffer for so many.
    pub batch_tracks: Option<u32>,
    /// Whether a digest of each entry is kept: four bytes of memory for each track, and about as much time of the
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
    sources: Vec<Arc<dyn Volume>>,
    targets: Vec<Arc<dyn Volume>>,
    batch_tracks: Option<u32>,
    digests: bool,
}

/// What threads share, each for a moment at a time.
#[derive(Debug)]
struct Work {
    /// For each of the plan's sources.
    sweeps: Vec<Sweep>,
    /// For each of the plan's targets: whether it was written in this step.
    is_written: Vec<bool>,
    /// For each entry, the digest of each of its tracks, if digests are kept.
    digests: Vec<Vec<u32>>,
    totals: Totals,
    /// How many tracks this step may still take.
    budget: u32,
    /// The first failure of this step.
    error: Option<Error>,
}

/// The way of one step through one source volume.
#[derive(Debug)]
struct Sweep {
    /// What is not yet known to be durable on the target.
    taken: TrackSet,
    /// What of it was written in this step.
    written: TrackSet,
    /// Where this step goes on.
    next: Track,
}

/// One batch, and the numbers of its volumes in the plan.
struct Batch {
    source: usize,
    target: usize,
    run: Run,
}

impl Copier {
    /// A copier for this table. A volume may be source and target.
    ///
    /// Errors: [`Reason::NoSuchVolume`], [`Reason::OutsideVolume`], [`Reason::UnlikeDevices`],
    /// [`Reason::ReadOnlyVolume`] for a target.
    pub fn new(
        table: TranslateTable,
        sources: &Volumes,
        targets: &Volumes,
        options: CopyOptions,
    ) -> Result<Copier> {
        let geometry = |volumes: &Volumes, volser| volumes.get(&volser).map(|v| v.geometry());
        table.check_volumes(
            |volser| geometry(sources, volser),
            |volser| geometry(targets, volser),
        )?;
        let sources = chosen(sources, table.source_volsers())?;
        let targets = chosen(targets, table.target_volsers())?;
        if let Some(volume) = targets.iter().find(|volume| !volume.is_writable()) {
            return Err(Error::new(
                Reason::ReadOnlyVolume,
                format!("the target {} can only be read; open it for writing", volume.location()),
            )
            .on_volume(volume.volser()));
        }
        let mut sweeps: Vec<Sweep> = sources.iter().map(|volume| Sweep::new(&**volume)).collect();
        for run in table.runs() {
            let source = number_of(&sources, run.source_volser)?;
            sweeps[source].taken.set(run.source)?;
        }
        let per_track = |count: u32| vec![0; if options.digests { count as usize } else { 0 }];
        let digests = table.entries().iter().map(|e| per_track(e.source.track_count)).collect();
        let (is_written, totals) = (vec![false; targets.len()], Totals::default());
        let work = Work { sweeps, is_written, digests, totals, budget: 0, error: None };
        let batch_tracks = options.batch_tracks.map(|count| count.max(1));
        let plan = Plan { table, sources, targets, batch_tracks, digests: options.digests };
        let length = plan.buffer_length();
        let buffers = (0..options.threads.max(1)).map(|_| vec![0; length]).collect();
        Ok(Copier { plan, work, buffers })
    }

    /// Copies at most `track_count_max` tracks, and flushes the targets. With an error, what failed is still to be
    /// copied, what did not is not, and the step may be called again. A flush waits for the disk: small steps lose less
    /// in a crash and can be paused sooner, large steps are faster.
    ///
    /// Errors: those of the volumes; [`Reason::ForeignTrack`] and [`Reason::DamagedTrack`] for a source track that does
    /// not check, [`Reason::ForeignCount`] for one that cannot go where it should; [`Reason::NotFlushed`].
    pub fn step(&mut self, track_count_max: u32) -> Result<Progress> {
        let left = self.left();
        self.work.budget = track_count_max;
        self.work.sweeps.iter_mut().for_each(|sweep| sweep.next = Track(0));
        let (plan, work) = (&self.plan, Mutex::new(&mut self.work));
        let mut buffers = self.buffers.iter_mut().zip(0..);
        // A few tracks are not worth a thread.
        let batches = left.min(track_count_max.into()).div_ceil(plan.batch_tracks_of(0).into());
        let (first, others) = (buffers.next(), buffers.take(batches.saturating_sub(1) as usize));
        std::thread::scope(|scope| {
            for (buffer, thread) in others {
                let work = &work;
                scope.spawn(move || plan.copy_batches(work, thread, buffer));
            }
            if let Some((buffer, thread)) = first {
                plan.copy_batches(&work, thread, buffer);
            }
        });
        self.flush();
        match self.work.error.take() {
            Some(error) => Err(error),
            None => Ok(Progress {
                copied: (left - self.left()) as u32,
                left: self.left(),
                done: self.left() == 0,
            }),
        }
    }

    /// How many tracks are still to be copied.
    pub fn left(&self) -> u64 {
        self.work.sweeps.iter().map(|sweep| u64::from(sweep.taken.count())).sum()
    }

    /// The tracks of a source volume that are still to be copied; `None` if it is none of the table.
    pub fn taken(&self, volser: Volser) -> Option<&TrackSet> {
        let source = number_of(&self.plan.sources, volser).ok()?;
        Some(&self.work.sweeps[source].taken)
    }

    /// Puts source tracks back to what is still to be copied.
    ///
    /// Error: [`Reason::NotInTable`] if one of them is in no source of the table; then nothing is put back.
    pub fn retake(&mut self, volser: Volser, extent: Extent) -> Result<()> {
        self.sweep_of(volser, extent)?.taken.set(extent)
    }

    /// Takes source tracks from what is still to be copied, without copying them: they were copied before, or they
    /// are not wanted any more.
    ///
    /// Error: [`Reason::NotInTable`] if one of them is in no source of the table; then nothing is taken away.
    pub fn leave_out(&mut self, volser: Volser, extent: Extent) -> Result<()> {
        self.sweep_of(volser, extent)?.taken.clear(extent)
    }

    /// The digest of an entry's tracks, addresses aside ([`track::digest`], [`track::digest_of_run`]); `None` if
    /// digests are not kept, or a track of it is still to be copied.
    pub fn digest(&self, entry: usize) -> Option<u32> {
        let digests = self.work.digests.get(entry).filter(|digests| !digests.is_empty())?;
        let entry = &self.plan.table.entries()[entry];
        let left = self.taken(entry.source_volser)?.count_in(entry.source).ok()?;
        (left == 0).then(|| track::digest_of_run(digests.iter().copied()))
    }

    /// What was done so far.
    pub fn totals(&self) -> Totals {
        self.work.totals
    }

    /// The table.
    pub fn table(&self) -> &TranslateTable {
        &self.plan.table
    }

    fn sweep_of(&mut self, volser: Volser, extent: Extent) -> Result<&mut Sweep> {
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
        let source = number_of(&self.plan.sources, volser)?;
        Ok(&mut self.work.sweeps[source])
    }

    /// Flushes every target that was written, and takes from `taken` what is durable now.
    fn flush(&mut self) {
        let Copier { plan, work, .. } = self;
        let mut durable = vec![false; plan.targets.len()];
        for (target, volume) in plan.targets.iter().enumerate() {
            if !std::mem::take(&mut work.is_written[target]) {
                continue;
            }
            match volume.flush() {
                Ok(()) => durable[target] = true,
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
        if let Err(error) = work.settle(plan, &durable) {
            work.fail(error);
        }
    }
}

impl Sweep {
    fn new(volume: &dyn Volume) -> Sweep {
        let none = TrackSet::new(volume.geometry().track_count());
        Sweep { taken: none.clone(), written: none, next: Track(0) }
    }
}

impl Work {
    /// The next batch for a thread. Each thread begins at another source volume, and goes to the next one when nothing
    /// is left there.
    fn next_batch(&mut self, plan: &Plan, thread: usize) -> Result<Option<Batch>> {
        if self.error.is_some() || self.budget == 0 {
            return Ok(None);
        }
        for turn in 0..self.sweeps.len() {
            let source = (thread + turn) % self.sweeps.len();
            let sweep = &mut self.sweeps[source];
            let track_count_max = plan.batch_tracks_of(source).min(self.budget);
            let Some(tracks) = sweep.taken.first_run(sweep.next, track_count_max) else {
                continue;
            };
            let volser = plan.sources[source].volser();
            let run =
                plan.table.run(volser, tracks.first, tracks.track_count).ok_or_else(|| {
                    let error = Error::new(Reason::Broken, "a track to be copied is in no table");
                    plan.sources[source].locate(error, tracks.first)
                })?;
            let target = number_of(&plan.targets, run.target_volser)?;
            sweep.next = run.source.end();
            self.budget -= run.source.track_count;
            return Ok(Some(Batch { source, target, run }));
        }
        Ok(None)
    }

    /// Notes a batch that was written.
    fn note(&mut self, plan: &Plan, batch: &Batch, totals: Totals, digests: &[u32]) -> Result<()> {
        self.sweeps[batch.source].written.set(batch.run.source)?;
        self.is_written[batch.target] = true;
        self.totals.add(totals);
        for (&digest, number) in digests.iter().zip(0..) {
            let track = batch.run.source.first.plus(number);
            if let Some((entry, place)) = plan.table.position(batch.run.source_volser, track) {
                self.digests[entry][place as usize] = digest;
            }
        }
        Ok(())
    }

    /// Takes what was written to the durable targets from `taken`, and forgets what was written.
    fn settle(&mut self, plan: &Plan, durable: &[bool]) -> Result<()> {
        for run in plan.table.runs() {
            let Sweep { taken, written, .. } =
                &mut self.sweeps[number_of(&plan.sources, run.source_volser)?];
            if !written.is_empty() && durable[number_of(&plan.targets, run.target_volser)?] {
                written.runs_in(run.source)?.try_for_each(|tracks| taken.clear(tracks))?;
            }
        }
        self.sweeps.iter_mut().for_each(|sweep| sweep.written.clear_all());
        Ok(())
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
    /// What one thread does in a step.
    fn copy_batches(&self, work: &Mutex<&mut Work>, thread: usize, buffer: &mut [u8]) {
        let mut digests = Vec::new();
        loop {
            let batch = match work.lock().next_batch(self, thread) {
                Ok(Some(batch)) => batch,
                Ok(None) => return,
                Err(error) => return work.lock().fail(error),
            };
            let copied = self.copy_batch(&batch, buffer, &mut digests);
            let mut work = work.lock();
            if let Err(error) = copied.and_then(|t| work.note(self, &batch, t, &digests)) {
                work.fail(error);
            }
        }
    }

    /// Reads, relocates and writes one batch.
    fn copy_batch(
        &self,
        batch: &Batch,
        buffer: &mut [u8],
        digests: &mut Vec<u32>,
    ) -> Result<Totals> {
        let (source, target) = (&*self.sources[batch.source], &*self.targets[batch.target]);
        let Run { source: tracks, target: first, .. } = batch.run;
        let slot_size = source.slot_size();
        let buffer = &mut buffer[..slot_size * tracks.track_count as usize];
        source.read(tracks.first, buffer).map_err(|e| in_run(source, tracks, "reading", e))?;
        let mut totals = Totals::default();
        digests.clear();
        for (slot, number) in buffer.chunks_exact_mut(slot_size).zip(0..) {
            let (from, to) = (tracks.first.plus(number), first.plus(number));
            let located = |error| source.locate(error, from);
            if self.digests {
                digests.push(track::digest(slot, source.place(from)).map_err(located)?);
            }
            let summary =
                track::relocate(slot, source.place(from), target.place(to)).map_err(located)?;
            totals.track_count += 1;
            totals.byte_count += summary.length as u64;
            totals.record_count += u64::from(summary.record_count);
            totals.foreign_count += u64::from(summary.foreign_count);
        }
        let tracks = Extent::new(first, tracks.track_count);
        target.write(first, buffer).map_err(|e| in_run(target, tracks, "writing", e))?;
        Ok(totals)
    }

    fn batch_tracks_of(&self, source: usize) -> u32 {
        let Some(geometry) = self.sources.get(source).map(|volume| volume.geometry()) else {
            return 1;
        };
        let in_cache = BATCH_BYTES / geometry.slot_size.max(1);
        self.batch_tracks.unwrap_or(in_cache.min(geometry.heads().into())).max(1)
    }

    /// The bytes of the largest batch that can occur.
    fn buffer_length(&self) -> usize {
        let length = |(source, volume): (usize, &Arc<dyn Volume>)| {
            let tracks = self.batch_tracks_of(source).min(volume.geometry().track_count());
            let tracks = u64::from(tracks).min(self.table.track_count());
            tracks as usize * volume.slot_size()
        };
        self.sources.iter().enumerate().map(length).max().unwrap_or(0)
    }
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
    volumes.binary_search_by_key(&volser, |volume| volume.volser()).map_err(|_| {
        let error = Error::new(
            Reason::NotInTable,
            format!("volume {volser} is not in the translate table"),
        );
        error.on_volume(volser)
    })
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
