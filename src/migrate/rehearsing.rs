//! A rehearsal: everything that can be done before the window, and nothing that changes anything.
//!
//! The problem: what would stop a migration shows when it is at work, the rest of it in the window, when users wait; and
//! how long they would wait nobody knows before. To find out by doing it means to allocate space, to subscribe to monitors,
//! to write notes, and to copy everything.
//!
//! The rule: nothing is written but files without names ([`Scratch`]), which are gone when they are closed, whatever happens.
//! Nobody is asked to close, and nothing is made, marked or removed, not even what dead programs left behind. What would
//! refuse is asked where the migration would ask, each thing by itself, so that all obstacles are told at once.
//!
//! How long it would take is *measured* where that can be: tracks of the sources are read, in runs as they are copied, checked,
//! and written to a file without a name beside the target's image, which is flushed; a state of the size that it would have
//! is written where the state would be; the DSCBs and catalog entries are looked at as in the window. What cannot be measured
//! is *assumed*, and told: how many tracks change meanwhile, what a change of a catalog takes, and whatever was refused to the
//! measurement.

use super::durable::MoveOptions;
use super::{Goal, Limits, Migration, check_options, kept_names};
use crate::bytes::encoded;
use crate::clock::Clock;
use crate::enqueue::Opener;
use crate::error::{Code, Error, Reason, Result};
use crate::estimate::{Closing, Estimator, StepMeasure, Window, Work};
use crate::geometry::{Extent, Track};
use crate::host::{Host, Live};
use crate::name::Volser;
use crate::plan::Plan;
use crate::switch::{self, Glance, Ports};
use crate::track;
use crate::volume::intent::NoJournal;
use crate::volume::locks::other_writers;
use crate::volume::{Volume, VolumeExt};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tracks that are read at a time.
const RUN_TRACKS: u32 = 60;
/// How often tracks are read that do not check: somebody may be writing them.
const READS: u32 = 5;
/// How often a small write is measured.
const SMALL_WRITES: u32 = 5;
/// What a save of a state or an intent writes, when the plan does not change.
const SMALL_SAVE_BYTES: usize = 16_384;

/// What is asked of a rehearsal.
#[derive(Clone, Debug)]
pub struct RehearsalOptions {
    /// When it would close, if others write meanwhile.
    pub goal: Goal,
    /// How long the window may be.
    pub limits: Limits,
    /// How many tracks are read at most.
    pub sample_tracks: u32,
    /// Where the state would be; the folder need not exist.
    pub state_folder: Option<PathBuf>,
}

impl Default for RehearsalOptions {
    /// Six hundred tracks, and no state folder.
    fn default() -> RehearsalOptions {
        let (goal, limits) = (Goal::default(), Limits::default());
        RehearsalOptions { goal, limits, sample_tracks: 600, state_folder: None }
    }
}

/// When an obstacle would stop a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Before anything is allocated.
    Begin,
    /// While tracks are copied.
    Copying,
    /// When the data sets are taken away from their users.
    Window,
}

impl Stage {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Begin => "begin",
            Stage::Copying => "copying",
            Stage::Window => "window",
        }
    }
}

/// What would stop a migration, or make it wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// When.
    pub stage: Stage,
    /// What, and what to do about it.
    pub error: Error,
}

impl Obstacle {
    /// Whether it passes if somebody does something meanwhile, and is waited for.
    pub fn is_waited_for(&self) -> bool {
        matches!(self.error.reason(), Reason::NotCovered | Reason::NotClosed)
            || self.error.code() == Code::More
    }
}

/// What was measured, and how long it took each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Source tracks that were read and checked.
    pub read_tracks: u32,
    /// How long a track took to read.
    pub read_track: Option<Duration>,
    /// How long a track took to write beside the target, flushes included.
    pub write_track: Option<Duration>,
    /// How long a small write took there, with its flush.
    pub small_write: Option<Duration>,
    /// How long a save of the state took where it would be.
    pub checkpoint: Option<Duration>,
    /// How long it took to look at every DSCB and catalog entry.
    pub look: Option<Duration>,
}

/// What a rehearsal found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rehearsal {
    /// What would stop it, in the order in which that would show.
    pub obstacles: Vec<Obstacle>,
    /// Who has the data sets open now.
    pub openers: Vec<Opener>,
    /// What was measured.
    pub measured: Measured,
    /// What had to be assumed, each in a sentence.
    pub assumed: Vec<String>,
    /// How long the first copy of everything would take, without a pace.
    pub copying: Option<Window>,
    /// How long the window would be.
    pub window: Option<Window>,
    /// How many tracks are assumed to be left when it opens.
    pub left_tracks: u64,
}

/// Rehearses a migration of this plan. The volumes need only be readable; of a source that
/// nobody has written to under a monitor yet there need be no area.
///
/// Errors: only those after which nothing more can be said; everything else is an obstacle.
pub fn rehearse(
    host: &Host,
    plan: &Plan,
    options: &MoveOptions,
    rehearsal: &RehearsalOptions,
) -> Result<Rehearsal> {
    if plan.data_sets.is_empty() {
        return Err(Error::new(Reason::NothingSelected, "there is no data set to move"));
    }
    let mut found = Rehearsal::default();
    let folder = rehearsal.state_folder.as_deref();
    found.note(Stage::Begin, check_options(plan, options));
    found.note(Stage::Begin, kept_names(host, plan, options).map(drop));
    found.note(Stage::Begin, Migration::check_notes(host, plan, folder));
    for catalog in &host.catalogs {
        let is_used = |set: &crate::plan::PlannedDataSet| {
            set.assessment.cataloged.iter().any(|one| one.catalog == catalog.name())
        };
        if plan.data_sets.iter().any(is_used) {
            found.note(Stage::Window, catalog.check_sound());
        }
    }
    if let Some(live) = &host.live {
        for volser in plan.source_volsers() {
            found.note(Stage::Copying, covered(host, live, volser));
        }
        let names: Vec<_> = plan.data_sets.iter().map(|set| set.assessment.name).collect();
        let volsers: Vec<Volser> = plan.source_volsers().into_iter().collect();
        match live.enqueue.is_closed(&names, &volsers) {
            Ok(openers) => found.openers = openers,
            Err(error) => found.note(Stage::Window, Err(error)),
        }
    }
    let mut estimator = Estimator::new();
    found.measure_look(host, plan, &mut estimator)?;
    found.measure_copy(host, plan, rehearsal.sample_tracks, &mut estimator)?;
    found.measure_checkpoint(host, plan, folder, &mut estimator);
    found.predict(host, plan, rehearsal, &estimator);
    found.obstacles.sort_by_key(|obstacle| obstacle.stage);
    Ok(found)
}

/// That nobody could write to a source unnoticed.
fn covered(host: &Host, live: &Live, volser: Volser) -> Result<()> {
    let images = live.images.get(&volser).map_or(&[][..], |images| images);
    let path = host.volumes.get(&volser).and_then(|volume| volume.path());
    let refuse = |why| Err(Error::new(Reason::NotCovered, why).on_volume(volser));
    let writer = match (live.areas.get(&volser), path) {
        (Some(area), Some(path)) => {
            area.check_coverage(images)?;
            area.unregistered_writers(path)?.into_iter().next()
        }
        (Some(area), None) => return area.check_coverage(images),
        (None, Some(_)) if !images.is_empty() => {
            let names = images.join(", ");
            return refuse(format!(
                "no program has a monitor here yet; start image {names} with it"
            ));
        }
        (None, Some(path)) => other_writers(path)?.into_iter().next(),
        (None, None) => None,
    };
    match writer {
        None => Ok(()),
        Some(writer) => refuse(format!(
            "it is open for writing by {writer}, which no monitor watches; end it, and start it with `trackmirror \
             monitored`"
        )),
    }
}

impl Rehearsal {
    fn note(&mut self, stage: Stage, checked: Result<()>) {
        if let Err(error) = checked {
            self.obstacles.push(Obstacle { stage, error });
        }
    }

    /// Looks at everything that the window looks at, but for the targets, which are not there.
    fn measure_look(&mut self, host: &Host, plan: &Plan, estimator: &mut Estimator) -> Result<()> {
        let glance = Glance::default();
        let ports = Ports { glance: Some(&glance), ..host.ports(&NoJournal) };
        let begun = host.clock.monotonic();
        for data_set in &plan.data_sets {
            self.note(Stage::Begin, switch::sources_stand(data_set, &ports));
            self.note(Stage::Begin, switch::found(data_set, &ports).map(drop));
        }
        for volser in plan.target_volsers() {
            ports.space(volser)?.read()?;
        }
        let taken = host.clock.monotonic().saturating_sub(begun);
        self.measured.look = Some(taken);
        estimator.did(Work::Vtoc, taken);
        Ok(())
    }

    /// Copies a sample of the tracks to where nobody finds it.
    fn measure_copy(
        &mut self,
        host: &Host,
        plan: &Plan,
        sample_tracks: u32,
        estimator: &mut Estimator,
    ) -> Result<()> {
        let table = plan.table()?;
        let sources: Vec<(Volser, Extent)> =
            table.entries().iter().map(|entry| (entry.source_volser, entry.source)).collect();
        let target = plan.target_volsers().into_iter().next();
        let target = target.and_then(|on| host.volumes.get(&on)?.path());
        let scratch = target.and_then(|path| self.scratch(path.parent(), "beside the target"));
        let mut at = 0;
        let (mut reading, mut writing) = (Duration::ZERO, Duration::ZERO);
        let runs = runs(&sources, sample_tracks);
        let mut left: u64 = runs.iter().map(|(_, run)| u64::from(run.track_count)).sum();
        for (volser, run) in runs {
            let ports = host.ports(&NoJournal);
            let volume = ports.volume(volser)?;
            let begun = host.clock.monotonic();
            let bytes = match read_run(volume, run) {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.note(Stage::Copying, Err(error));
                    continue;
                }
            };
            let read = host.clock.monotonic();
            if let Some(scratch) = &scratch {
                scratch.write(&bytes, at)?;
                at += bytes.len() as u64;
                writing += host.clock.monotonic().saturating_sub(read);
            }
            reading += read.saturating_sub(begun);
            self.measured.read_tracks += run.track_count;
            let left_before = left;
            left -= u64::from(run.track_count);
            // What was not measured is assumed to take as long as what was.
            let ended = match scratch {
                Some(_) => host.clock.monotonic(),
                None => read + read.saturating_sub(begun),
            };
            estimator.stepped(&StepMeasure {
                begun,
                ended,
                copied_tracks: run.track_count,
                left_before,
                left_after: left,
                is_paced: false,
            });
        }
        let each = |time: Duration| time.checked_div(self.measured.read_tracks);
        self.measured.read_track = each(reading);
        if let Some(scratch) = scratch {
            self.measured.write_track = each(writing);
            self.measured.small_write = Some(scratch.small_write(&*host.clock)?);
        }
        Ok(())
    }

    /// Saves a state of the size that it would have, where nobody finds it.
    fn measure_checkpoint(
        &mut self,
        host: &Host,
        plan: &Plan,
        folder: Option<&Path>,
        estimator: &mut Estimator,
    ) {
        let place = folder.and_then(|folder| folder.ancestors().find(|above| above.is_dir()));
        let place = match place {
            Some(place) if place.as_os_str().is_empty() => Some(Path::new(".")),
            other => other,
        };
        if let Some(scratch) = self.scratch(place, "where the state would be") {
            let measured =
                scratch.write(&encoded(plan), 0).and_then(|()| scratch.small_write(&*host.clock));
            match measured {
                Ok(taken) => self.measured.checkpoint = Some(taken),
                Err(error) => self.note(Stage::Begin, Err(error)),
            }
        }
        let flush = self.measured.small_write.unwrap_or_default();
        let checkpoint = self.measured.checkpoint.unwrap_or(flush);
        estimator.did(Work::Checkpoint, checkpoint);
        self.assumed
            .push("a change of a catalog takes two saves of the state and two small writes".into());
        estimator.did(Work::Catalog, 2 * checkpoint + 2 * flush);
    }

    /// A file without a name in this folder; without it, what would be measured there is assumed.
    fn scratch(&mut self, folder: Option<&Path>, whereabouts: &str) -> Option<Scratch> {
        let folder = match folder {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => {
                self.assumed.push(format!("to write {whereabouts} takes as long as to read"));
                return None;
            }
        };
        match Scratch::new(folder) {
            Ok(scratch) => Some(scratch),
            Err(error) => {
                self.assumed.push(format!(
                    "to write {whereabouts} takes as long as to read, because no file without a name can be made in {}: \
                     {error}",
                    folder.display()
                ));
                None
            }
        }
    }

    /// What the measurements lead to expect.
    fn predict(
        &mut self,
        host: &Host,
        plan: &Plan,
        options: &RehearsalOptions,
        estimator: &Estimator,
    ) {
        let changes: usize = plan.data_sets.iter().map(|set| set.assessment.cataloged.len()).sum();
        let closing = Closing { catalog_changes: changes as u32, vtoc_looks: 3, checkpoints: 3 };
        let all = plan.track_count();
        let window = |left: u64| estimator.estimate(left, &closing).window;
        self.copying = estimator.estimate(all, &Closing::default()).window;
        self.left_tracks = match (&host.live, options.goal) {
            (None, _) => all,
            (Some(_), Goal::Tracks(tracks)) => tracks.min(all),
            (Some(_), Goal::Millis(ms)) => {
                let goal = Duration::from_millis(ms);
                let fits = |left: u64| window(left).is_some_and(|window| window.likely <= goal);
                let (mut low, mut high) = (0, all);
                while low < high {
                    let middle = low + (high - low).div_ceil(2);
                    if fits(middle) { low = middle } else { high = middle - 1 }
                }
                low
            }
        };
        self.window = window(self.left_tracks);
        self.assumed.push(match &host.live {
            None => "the data sets are away from their users while everything is copied".into(),
            Some(_) => format!(
                "the window opens when the goal is reached, with {} tracks to be copied in it; how fast tracks change is not \
                 known before monitors mark them",
                self.left_tracks
            ),
        });
        if let (Some(_), Some(window)) = (&host.live, self.window)
            && window.likely > options.limits.window
        {
            let why = format!(
                "the window would take {} ms, and is given up after {} ms; allow more, or reach less before",
                window.likely.as_millis(),
                options.limits.window.as_millis()
            );
            self.note(Stage::Window, Err(Error::new(Reason::WindowTooLong, why)));
        }
    }
}

/// Runs of tracks, spread evenly over all of them.
fn runs(sources: &[(Volser, Extent)], sample_tracks: u32) -> Vec<(Volser, Extent)> {
    let pieces: Vec<(Volser, Extent)> = sources
        .iter()
        .flat_map(|&(volser, extent)| {
            (0..extent.track_count).step_by(RUN_TRACKS as usize).map(move |first| {
                let count = RUN_TRACKS.min(extent.track_count - first);
                (volser, Extent::new(extent.first.plus(first), count))
            })
        })
        .collect();
    let mut left = sample_tracks.max(1);
    let wanted = (sample_tracks.div_ceil(RUN_TRACKS) as usize).max(1);
    let mut chosen = Vec::new();
    // With small extents more pieces are needed for as many tracks.
    let average = pieces.iter().map(|(_, piece)| u64::from(piece.track_count)).sum::<u64>()
        / pieces.len().max(1) as u64;
    let wanted = wanted.max((u64::from(sample_tracks) / average.max(1)) as usize);
    let step = pieces.len().div_ceil(wanted).max(1);
    for (volser, piece) in pieces.into_iter().step_by(step) {
        if left == 0 {
            break;
        }
        let count = piece.track_count.min(left);
        left -= count;
        chosen.push((volser, Extent::new(piece.first, count)));
    }
    chosen
}

/// Reads a run of tracks and checks them. One that does not check is damaged only if it stays the same: else somebody is
/// writing it.
fn read_run(volume: &dyn Volume, run: Extent) -> Result<Vec<u8>> {
    let slot_size = volume.slot_size();
    let mut bytes = vec![0; slot_size * run.track_count as usize];
    volume.read(run.first, &mut bytes)?;
    let mut before = bytes.clone();
    for _ in 0..READS {
        let check = |(number, slot): (usize, &[u8])| -> Result<()> {
            let track = Track(run.first.0 + number as u32);
            let checked = track::check(slot, volume.place(track));
            checked.map(drop).map_err(|error| volume.locate(error, track))
        };
        let Err(error) = bytes.chunks(slot_size).enumerate().try_for_each(check) else { break };
        volume.read(run.first, &mut bytes)?;
        if bytes == before {
            return Err(error);
        }
        before.copy_from_slice(&bytes);
    }
    Ok(bytes)
}

/// A file without a name, which is gone when it is closed, whatever happens.
struct Scratch(File);

impl Scratch {
    fn new(folder: &Path) -> std::io::Result<Scratch> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(folder).map(Scratch)
    }

    /// Writes and flushes.
    fn write(&self, bytes: &[u8], at: u64) -> Result<()> {
        let written = self.0.write_all_at(bytes, at).and_then(|()| self.0.sync_data());
        written.map_err(|error| Error::io("a file without a name, for a measurement", &error))
    }

    /// How long it takes to write a few bytes over others, durably: the median of a few times.
    fn small_write(&self, clock: &dyn Clock) -> Result<Duration> {
        let bytes = vec![0x5A; SMALL_SAVE_BYTES];
        self.write(&bytes, 0)?;
        let mut taken = Vec::new();
        for _ in 0..SMALL_WRITES {
            let begun = clock.monotonic();
            self.write(&bytes, 0)?;
            taken.push(clock.monotonic().saturating_sub(begun));
        }
        taken.sort_unstable();
        Ok(taken[taken.len() / 2])
    }
}
