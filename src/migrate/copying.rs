//! Copying, and copying again what changes, until a window would be short enough.

use super::durable::{NO_AREA, WatchedArea};
use super::monitors::Images;
use super::{Migration, name_data_set};
use crate::copy::{Copier, Totals, write_empty};
use crate::error::{Error, Reason, Result};
use crate::estimate::{Closing, Estimate, StepMeasure, Verdict, Work};
use crate::event::{Event, Progress};
use crate::name::{DsName, Volser};
use crate::pace::Pace;
use crate::plan::PlannedDataSet;
use crate::state::{State, Verb};
use crate::track::{NullFormat, digest_of_run};
use crate::translate::Entry;
use std::collections::BTreeSet;
use std::time::Duration;

/// How near to the source the target must be to be called mirrored, while others write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// At most so many tracks are left.
    Tracks(u64),
    /// A window now would take at most so many milliseconds.
    Millis(u64),
}

impl Default for Goal {
    fn default() -> Goal {
        Goal::Millis(1000)
    }
}

/// What becomes of a data set one of whose tracks cannot be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnreadable {
    /// The step is an error; it may be called again.
    #[default]
    Stop,
    /// After so many attempts it is left where it is, and the others go on. The last one that is left stops.
    TakeOut {
        /// How often the track is tried.
        attempts: u32,
    },
}

/// What a migration did, as far as this process has seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Tracks of the data sets.
    pub track_count: u64,
    /// How often all work was gone through.
    pub pass_count: u64,
    /// Tracks copied.
    pub copied_tracks: u64,
    /// Tracks copied a second time or more.
    pub again_tracks: u64,
    /// Tracks copied in the window.
    pub window_tracks: u64,
    /// What the window was predicted to take when it began.
    pub predicted_ms: Option<u64>,
    /// What it took, from "closed is confirmed" to "may be opened".
    pub window_ms: Option<u64>,
    /// How long it took until everybody had closed.
    pub waited_ms: Option<u64>,
    /// For each data set the digest of its tracks, addresses aside, if digests are kept.
    pub digests: Vec<(DsName, u32)>,
}

/// How often it is seen whether every writer is covered while tracks are copied.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How often the window is rehearsed while the target is mirrored.
const REHEARSAL_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is said for what copying waits.
const WAITING_TOLD: Duration = Duration::from_secs(2);
/// How often it is said at most that it comes no nearer to its goal.
const DISTANCE_TOLD: Duration = Duration::from_secs(60);
/// The least pause when only cold tracks are to be copied, or nothing.
const IDLE_PAUSE: Duration = Duration::from_millis(50);
/// The pause in the window when a write has to end first.
const WINDOW_PAUSE: Duration = Duration::from_millis(1);
/// The pause before a track that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

impl Migration {
    /// How near the target must come, if others write meanwhile.
    pub fn set_goal(&mut self, goal: Goal) {
        self.course.goal = goal;
    }

    /// How fast tracks are copied outside the window. It may be changed at any time.
    pub fn set_pace(&mut self, pace: Pace) {
        self.course.pacer.set(pace, self.host.clock.monotonic());
    }

    /// What becomes of a data set one of whose tracks cannot be copied.
    pub fn set_on_unreadable(&mut self, on_unreadable: OnUnreadable) {
        self.course.on_unreadable = on_unreadable;
    }

    /// How long the caller may wait before the next verb, because of the pace, or because nothing is to be done.
    pub fn pause(&self) -> Duration {
        self.course.pause
    }

    /// How copying goes, and what a window now would take.
    pub fn estimate(&self) -> Estimate {
        let plan = self.plan();
        let catalog_changes: usize =
            plan.data_sets.iter().map(|data_set| data_set.assessment.cataloged.len()).sum();
        let closing =
            Closing { catalog_changes: catalog_changes as u32, vtoc_looks: 3, checkpoints: 3 };
        self.course.estimator.estimate(self.left(), &closing)
    }

    /// Whether the target is as near as it was to be.
    pub fn is_at_goal(&self) -> bool {
        let left = self.left();
        match self.course.goal {
            _ if self.copier.is_none() => false,
            _ if left == 0 => true,
            _ if self.pass_count() == 0 => false,
            Goal::Tracks(most) => left <= most,
            Goal::Millis(most) => {
                let window = self.course.estimate.and_then(|estimate| estimate.window);
                window.is_some_and(|window| window.likely <= Duration::from_millis(most))
            }
        }
    }

    /// The entries of the translate table, each with how many of its tracks are still to be copied: an entry with any is
    /// flagged as changed. Before the first step of a process they are said to be all.
    pub fn entries(&self) -> Result<Vec<(Entry, u64)>> {
        let Some(copier) = &self.copier else {
            let all = |entry: &Entry| (entry.clone(), u64::from(entry.source.track_count));
            return Ok(self.plan.table()?.entries().iter().map(all).collect());
        };
        let left =
            |entry: &Entry| Ok((entry.clone(), copier.left_in(entry.source_volser, entry.source)?));
        copier.table().entries().iter().map(left).collect()
    }

    /// How many tracks the target does not hold yet in their present state; `None` as long as this process has not looked,
    /// before its first step.
    pub fn left_tracks(&self) -> Option<u64> {
        let is_known = self.copier.is_some() || !self.state().is_before_switch();
        is_known.then(|| self.left())
    }

    /// What this migration did so far.
    pub fn receipt(&self) -> Receipt {
        match self.copier {
            Some(_) => Receipt { digests: self.digests(), ..self.counts() },
            // What it was at the end.
            None => self.counts(),
        }
    }

    /// The same without digests, which cost a look at every track.
    pub fn counts(&self) -> Receipt {
        let track_count = self.plan.track_count();
        let Some(copier) = &self.copier else {
            return Receipt { track_count, ..self.course.receipt.clone() };
        };
        let copied_tracks = copier.totals().track_count;
        Receipt {
            track_count,
            pass_count: copier.pass_count(),
            copied_tracks,
            again_tracks: copied_tracks.saturating_sub(track_count),
            ..self.course.receipt.clone()
        }
    }

    /// The digest of each data set all of whose tracks were digested.
    fn digests(&self) -> Vec<(DsName, u32)> {
        let Some(copier) = &self.copier else { return Vec::new() };
        let digest_of = |data_set: &PlannedDataSet| {
            let mut digests = Vec::new();
            for (volser, extent) in data_set.assessment.extents() {
                let mut entries = copier.table().entries().iter();
                let number =
                    entries.position(|e| e.source_volser == volser && e.source == extent)?;
                digests.push(copier.digest(number)?);
            }
            Some((data_set.assessment.name, digest_of_run(digests)))
        };
        self.plan.data_sets.iter().filter_map(digest_of).collect()
    }

    fn totals(&self) -> Totals {
        self.copier.as_ref().map(Copier::totals).unwrap_or_default()
    }

    fn pass_count(&self) -> u64 {
        self.copier.as_ref().map_or(0, Copier::pass_count)
    }

    /// Makes the copier, with all the work before it: the whole, or what monitors still have of it. A target that is not
    /// allocated (any more) is not written to.
    fn begin_copying(&mut self) -> Result<()> {
        self.check_targets()?;
        let plan = self.plan();
        let volumes = &self.host.volumes;
        let copier = if self.monitors.is_some() {
            self.start_monitors()?;
            self.see_sources()?;
            if self.state().is_ended() {
                return Ok(());
            }
            let plan = self.plan();
            let subscriptions = self.monitors.as_ref().map(|m| m.subscriptions());
            let subscriptions = subscriptions.cloned().unwrap_or_default();
            let volumes = &self.host.volumes;
            Copier::monitored(plan.table()?, volumes, volumes, &subscriptions, self.copy_options)?
        } else {
            let mut copier = Copier::new(plan.table()?, volumes, volumes, self.copy_options)?;
            if self.used_only() {
                for (volser, extent) in plan.data_sets.iter().flat_map(|d| d.unused_source()) {
                    copier.leave_out(volser, extent)?;
                }
            }
            self.write_unused()?;
            copier
        };
        self.host.tell(&Event::CopyBegun { track_count: copier.left() });
        self.course.passes_told = 0;
        self.copier = Some(copier);
        Ok(())
    }

    /// Makes empty tracks of what is not copied, durably: here, where an error makes copying begin anew; after a flush that
    /// failed the next one says nothing of them.
    fn write_unused(&self) -> Result<()> {
        let (plan, ports, used_only) = (self.plan(), self.ports(), self.used_only());
        let mut written = BTreeSet::new();
        for (volser, extent) in plan.data_sets.iter().flat_map(|d| d.unused_target(used_only)) {
            write_empty(ports.volume(volser)?, extent, NullFormat::EndOfFile)?;
            written.insert(volser);
        }
        written.into_iter().try_for_each(|volser| ports.volume(volser)?.flush())
    }

    /// Subscribes and fills in the work, unless that was done before and nothing was missed since.
    fn start_monitors(&mut self) -> Result<()> {
        let plan = self.plan();
        let watched = self.durable.lock().stored.watched.clone().unwrap_or_default();
        let Some(monitors) = &mut self.monitors else { return Ok(()) };
        if monitors.are_alive(&watched.areas)? {
            self.course.is_surely_unfinished = true;
            return self.check_covered(Images::Known).map(drop);
        }
        self.check_covered(Images::Attached)?;
        // What was written since the first time may lie behind the last used track, and nobody knows of it any more.
        let is_first = watched.areas.is_empty();
        let used_only = self.used_only() && is_first;
        let Some(monitors) = &mut self.monitors else { return Ok(()) };
        monitors.subscribe()?;
        monitors.check_begun_writes()?;
        if is_first {
            self.write_unused()?;
        }
        let mut extents = Vec::new();
        for data_set in &plan.data_sets {
            let entries = data_set.copied_entries(used_only)?;
            extents.extend(entries.iter().map(|entry| (entry.source_volser, entry.source)));
        }
        if self.state() == State::Mirrored {
            self.move_to(State::Copying)?;
        }
        let Some(monitors) = &mut self.monitors else { return Ok(()) };
        monitors.fill(&extents, &watched.areas)?;
        // Once more: whoever came between the first look and the filling is seen now.
        self.check_covered(Images::Known)?;
        let Some(monitors) = &self.monitors else { return Ok(()) };
        let areas = monitors.watched();
        for (volser, _) in &areas {
            let images = monitors.all_images_of(*volser);
            self.host.tell(&Event::MonitorsStarted { volser: *volser, images });
        }
        self.durable.lock().change(|stored| {
            if let Some(watched) = &mut stored.watched {
                watched.areas = areas;
            }
        })
    }

    /// That nobody can write to a source without being noticed; the images that have died. If somebody could, what he may
    /// have written is changed, and everything of his volume is copied again as soon as he has ended: that is durable.
    ///
    /// Error: [`Reason::NotCovered`].
    pub(super) fn check_covered(&mut self, images: Images) -> Result<Vec<(Volser, String)>> {
        let Some(monitors) = &mut self.monitors else { return Ok(Vec::new()) };
        // Strangers first: whoever is gone when the next look comes has left nothing but this.
        let strangers = monitors.find_strangers(&self.host.volumes)?;
        let Some((_, error)) = strangers.first() else { return monitors.check_images(images) };
        strangers.iter().for_each(|(volser, _)| monitors.lose(*volser));
        self.copier = None;
        let is_lost = |area: &WatchedArea| strangers.iter().any(|(volser, _)| *volser == area.0);
        let mut durable = self.durable.lock();
        let mut areas = durable.stored.watched.iter().flat_map(|watched| &watched.areas);
        if areas.any(|area| is_lost(area) && area.1 != NO_AREA) {
            durable.change(|stored| {
                let areas = stored.watched.iter_mut().flat_map(|watched| &mut watched.areas);
                areas.filter(|area| is_lost(area)).for_each(|area| area.1 = NO_AREA);
            })?;
        }
        Err(error.clone())
    }

    /// From time to time: that every writer is covered, and the targets stand. What a writer who was not covered may have
    /// written is work again.
    fn watch(&mut self, now: Duration) -> Result<()> {
        if self.monitors.is_none() {
            return Ok(());
        }
        if self.course.watched_at.is_some_and(|at| now.saturating_sub(at) < WATCH_INTERVAL) {
            return Ok(());
        }
        for (volser, image) in self.check_covered(Images::Known)? {
            let text =
                format!("image {image} on {volser} has died; what it was writing is copied again");
            self.host.tell(&Event::Remark { text });
        }
        // Where no target stands any more nothing is written: the tracks may be somebody else's by now.
        if let Err(error) = self.check_targets() {
            if error.reason() == Reason::TargetChanged {
                self.copier = None;
            }
            return Err(error);
        }
        self.mark_changed_plan();
        self.course.watched_at = Some(now);
        Ok(())
    }

    /// Copies at most `track_count_max` tracks of what is left. When nothing is left, or little enough while others
    /// write, the migration is mirrored. [`pause`](Migration::pause) tells how long the next step may wait.
    ///
    /// Errors, after each of which it may be called again: those of the volumes; [`Reason::NotCovered`]
    /// while not every writer is monitored; [`Reason::WindowTooLong`] if the window was given up.
    pub fn step(&mut self, track_count_max: u32) -> Result<Progress> {
        self.begin(Verb::Step)?;
        self.check_window_limit()?;
        if matches!(self.state(), State::Copying | State::Mirrored) {
            self.release_openers()?;
        }
        if self.copier.is_none() {
            match self.begin_copying() {
                Err(error) if error.reason() == Reason::NotFilled => {
                    return Ok(self.wait_for(&error));
                }
                begun => begun?,
            }
        } else {
            self.keep_up()?;
        }
        if self.state().is_ended() {
            return Ok(Progress::default());
        }
        let begun = self.host.clock.monotonic();
        self.watch(begun)?;
        let in_window = self.state() == State::Quiesced;
        let waits = matches!(self.state(), State::Mirrored | State::Closing);
        let only_cold = self.monitors.is_some() && waits && self.is_at_goal();
        let track_bytes = self.track_bytes();
        let (track_count, mut pause) = if in_window {
            (track_count_max, Duration::ZERO)
        } else {
            let allowance = self.course.pacer.allow(begun, track_count_max, track_bytes);
            (allowance.track_count, allowance.wait)
        };
        let left_before = self.left();
        let Some(copier) = &mut self.copier else {
            return Err(Error::new(Reason::Broken, "a migration that copies has no copier"));
        };
        let before = copier.totals().track_count;
        let copied = match (track_count, only_cold) {
            (0, _) => Ok(None),
            (_, true) => copier.step_cold(track_count).map(Some),
            (_, false) => copier.step(track_count).map(Some),
        };
        let (ended, left) = (self.host.clock.monotonic(), copier.left());
        let copied_tracks = (copier.totals().track_count - before) as u32;
        self.course.pacer.spent(ended, copied_tracks, track_bytes);
        if in_window {
            self.course.receipt.window_tracks += u64::from(copied_tracks);
        }
        if copied_tracks > 0 {
            self.course.estimator.stepped(&StepMeasure {
                begun,
                ended,
                copied_tracks,
                left_before,
                left_after: left,
                is_paced: u64::from(track_count) < left_before.min(track_count_max.into()),
            });
        } else {
            self.course.estimator.observed(ended, left);
        }
        if self.monitors.is_some() {
            self.course.estimate = Some(self.estimate());
        }
        if copied_tracks == 0 && self.monitors.is_some() {
            pause = pause.max(if in_window { WINDOW_PAUSE } else { IDLE_PAUSE });
        } else if only_cold {
            pause = pause.max(IDLE_PAUSE);
        }
        self.course.pause = pause;
        match copied {
            Err(error) => self.bear(error)?,
            Ok(copied) => self.advance(copied.is_some_and(|progress| progress.done))?,
        }
        let totals = self.totals();
        let progress = Progress {
            copied_tracks: totals.track_count,
            left_tracks: self.left(),
            total_tracks: self.plan.track_count(),
            byte_count: totals.byte_count,
        };
        if !self.state().is_ended() {
            self.host.tell(&Event::Copied(progress));
        }
        Ok(progress)
    }

    /// Copying cannot start yet: it is said, now and then, for what it waits.
    fn wait_for(&mut self, error: &Error) -> Progress {
        let now = self.host.clock.monotonic();
        if self.course.waiting_since.is_none_or(|at| now.saturating_sub(at) > WAITING_TOLD) {
            if self.course.waiting_since.is_some() {
                self.host.tell(&Event::Remark { text: error.to_string() });
            }
            self.course.waiting_since = Some(now);
        }
        self.course.pause = IDLE_PAUSE / 10;
        let total_tracks = self.plan.track_count();
        Progress { left_tracks: total_tracks, total_tracks, ..Progress::default() }
    }

    /// What a track has in an image, for the pace.
    fn track_bytes(&self) -> u32 {
        let source = self.plan.data_sets.first().and_then(|d| d.assessment.parts.first());
        let volume = source.and_then(|part| self.host.volumes.get(&part.volser));
        volume.map_or(1, |volume| volume.geometry().slot_size)
    }

    /// Tells how far it has come, and moves on when that is far enough.
    fn advance(&mut self, is_done: bool) -> Result<()> {
        let (passes, left) = (self.pass_count(), self.left());
        if self.monitors.is_some() && passes > self.course.passes_told {
            self.course.passes_told = passes;
            self.host.tell(&Event::Passed {
                pass: passes,
                copied_tracks: self.totals().track_count,
                left_tracks: left,
            });
        }
        // Not in the window, which it would make longer.
        if self.state() == State::Mirrored || self.state() == State::Copying && passes > 0 {
            self.rehearse();
        }
        if self.state() != State::Copying {
            self.tell_verdict();
            return Ok(());
        }
        if self.monitors.is_none() {
            return if is_done { self.become_mirrored() } else { Ok(()) };
        }
        if self.is_at_goal() {
            let window = self.course.estimate.and_then(|estimate| estimate.window);
            self.host.tell(&Event::Resynchronized {
                left_tracks: left,
                window_ms: window.map(|window| window.likely.as_millis() as u64),
            });
            return self.become_mirrored();
        }
        self.tell_verdict();
        // Nearer it does not come: that is the best that can be had.
        let verdict = self.course.estimate.map(|estimate| estimate.verdict);
        match verdict {
            Some(Verdict::AtDistance | Verdict::Following) if passes > 0 => self.become_mirrored(),
            _ => Ok(()),
        }
    }

    /// Looks at everything that the window will look at, to see early what would be in its way, and how long it takes.
    fn rehearse(&mut self) {
        let begun = self.host.clock.monotonic();
        if self.course.rehearsed_at.is_some_and(|at| begun.saturating_sub(at) < REHEARSAL_INTERVAL)
        {
            return;
        }
        if self.monitors.is_none() {
            return;
        }
        self.course.pursuit.begin_anew();
        let looked = self
            .check_alone()
            .and_then(|()| self.check_before_copying())
            .and_then(|()| self.check_covered(Images::Known))
            .and_then(|_| self.check_machines())
            .and_then(|()| self.keep_up());
        let taken = self.host.clock.monotonic().saturating_sub(begun);
        self.course.rehearsed_at = Some(begun);
        match looked {
            // What is followed now is not followed in the window.
            Ok(()) if self.course.pursuit.is_up_to_date() => {
                self.course.estimator.did(Work::Vtoc, taken);
            }
            Ok(()) => {}
            Err(error) => {
                let text = format!("a window now would be given up: {error}");
                self.host.tell(&Event::Remark { text });
            }
        }
    }

    fn become_mirrored(&mut self) -> Result<()> {
        let foreign_count = self.totals().foreign_count;
        if foreign_count > 0 {
            let text = format!(
                "{foreign_count} count fields do not carry their track's own address; they were copied as they are"
            );
            self.host.tell(&Event::Remark { text });
        }
        self.move_to(State::Mirrored)
    }

    /// Says when it comes no nearer to its goal, and why, once each time it becomes so.
    fn tell_verdict(&mut self) {
        let Some(estimate) = self.course.estimate.filter(|_| self.monitors.is_some()) else {
            return;
        };
        let comes_no_nearer = match estimate.verdict {
            Verdict::AtDistance => true,
            Verdict::Following => self.state() == State::Copying,
            Verdict::Converging | Verdict::Unknown => false,
        };
        let is_at_distance = comes_no_nearer && !self.is_at_goal();
        let now = self.host.clock.monotonic();
        let told = self.course.distance_told_at;
        let is_news = told.is_none_or(|at| now.saturating_sub(at) >= DISTANCE_TOLD);
        if is_at_distance && !self.course.is_at_distance && is_news {
            self.host.tell(&Event::NotConverging { sentence: estimate.to_string() });
            self.course.distance_told_at = Some(now);
        }
        self.course.is_at_distance = is_at_distance;
    }

    /// A step failed: the track is tried again, or its data set is taken out, if that was asked for.
    fn bear(&mut self, error: Error) -> Result<()> {
        let place = error.volser().zip(error.track());
        let Some((volser, track)) = place.map(|(on, track)| (Volser::from_bytes(on), track)) else {
            return Err(error);
        };
        let error = name_data_set(&self.plan, error, volser, track);
        let OnUnreadable::TakeOut { attempts } = self.course.on_unreadable else {
            return Err(error);
        };
        let number =
            self.plan.data_sets.iter().position(|data_set| {
                super::contains(data_set, volser, crate::geometry::Track(track))
            });
        let is_early = matches!(self.state(), State::Copying | State::Mirrored);
        let Some(number) = number.filter(|_| is_early) else { return Err(error) };
        let tried = self.course.troubles.entry((volser, track)).or_default();
        *tried += 1;
        if *tried < attempts.max(1) {
            self.host.tell(&Event::Remark { text: format!("it will be tried again: {error}") });
            self.course.pause = RETRY_PAUSE;
            return Ok(());
        }
        if self.plan.data_sets.len() == 1 {
            return Err(error);
        }
        self.take_out(number, &error)
    }

    /// How many tracks are left, while the copier is at work.
    pub(super) fn left(&self) -> u64 {
        self.copier.as_ref().map_or(0, Copier::left)
    }
}
