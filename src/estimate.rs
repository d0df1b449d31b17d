//! How long the window would be, and whether copying ever catches up with the changes.
//!
//! The problem: an operator wants to know, before anybody is asked to close a data set, how long it will be taken away.
//! That depends on how many tracks are left, how fast they are copied here and now, on a catalog and a VTOC that must
//! be read and written, on checkpoints that must be durable: on disks and machines of which nothing is known
//! beforehand, and whose flushes now and then take ten times as long as before. And some migrations never get there:
//! where applications change tracks as fast as they can be copied, copying longer does not help, and somebody must be
//! told.
//!
//! The rule: nothing is assumed that can be measured. The migration tells what each copy step did
//! ([`Estimator::stepped`]), what it sees when there is nothing to copy ([`Estimator::observed`]), and how long its
//! other work took ([`Estimator::did`]); an [`Estimate`] puts that together.
//!
//! *The rate of changes* counts distinct tracks that became work again, between one look at what is left and the next:
//! the growth of what is left, and what was copied meanwhile. A track that is written a hundred times before it is
//! copied again counts once, since it is copied once. Later looks count more, with a time constant of five seconds.
//!
//! *The rate of copying* is what could be kept up: of the largest steps measured, since small ones only mean that there
//! was little to do. Where the pace was what limited the last steps, it is what really came about, waits included.
//!
//! *The verdict.* As long as what is left gets less, it converges, however slowly. When it gets no less, there are two
//! cases. If changes come far slower than copies can go, the target simply follows the source: what is left is what was
//! changed during the last step, and the next step copies it. If they come about as fast (half as fast; a set of tracks
//! that is written again and again is copied again and again), it stays at that distance or falls behind, and only a
//! higher pace, fewer changes, or closing will help. Each of the two questions has one limit to turn the answer on and
//! another to turn it off, so that the verdict does not flap. There is none before three steps and one second, or the
//! first whole pass.
//!
//! *The window* is the copying of what is left, the looks at the VTOC, the changes of catalogs and the checkpoints.
//! Steps are taken to cost something whatever their size, and something for each track; how durations that vary are
//! put together is told in `durations.rs`. Where a kind of work was not measured yet the nearest kind stands in for it.
//!
//! What is assumed: that nobody else writes in the window (it may be shorter than estimated, as the applications then
//! leave the disks alone); that the window is copied without a pace, in steps as large as before; that copying what is
//! left goes as it went lately. How long users take to close is measured ([`Estimate::answer`]), but is no part of the
//! window: they still have their data sets.
//!
//! ```
//! use std::time::Duration;
//! use trackmirror::estimate::{Closing, Estimator, StepMeasure, Verdict, Work};
//!
//! let mut estimator = Estimator::new();
//! let mut left = 60_000;
//! for number in 0..30 {
//!     // A step of 1500 tracks takes 300 ms, in which 60 others are changed.
//!     let begun = Duration::from_millis(300 * number);
//!     let ended = begun + Duration::from_millis(300);
//!     let (left_before, left_after) = (left, left - 1500 + 60);
//!     estimator.stepped(&StepMeasure {
//!         begun, ended, copied_tracks: 1500, left_before, left_after, is_paced: false,
//!     });
//!     left = left_after;
//! }
//! estimator.did(Work::Checkpoint, Duration::from_millis(10));
//! let estimate = estimator.estimate(left, &Closing { catalog_changes: 1, vtoc_looks: 1, checkpoints: 3 });
//! assert_eq!(estimate.verdict, Verdict::Converging);
//! assert_eq!(
//!     estimate.to_string(),
//!     "copies 5000 tracks/s, changes 200 tracks/s, 16800 tracks left; a window now would take 3.4 s (2.4 to 5.1 s)"
//! );
//! ```

mod durations;
#[cfg(test)]
mod tests;

use durations::{History, Line, Part, Steps, play};
use std::fmt;
use std::time::Duration;

/// Rates forget with this time constant.
const RATE_SECONDS: f64 = 5.0;
/// Whether what is left gets less is judged over at least so many looks, however long they are.
const BALANCE_LOOKS: f64 = 16.0;
/// A step of this size stands for a large one, until a step was seen to leave something for the next.
const LARGE_STEP_TRACKS: u32 = 1000;
/// The pace limits copying if it limited one of the last so many steps.
const PACED_STEPS: u32 = 4;

/// What a copy step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepMeasure {
    /// When it began ([`Clock::monotonic`](crate::Clock::monotonic)).
    pub begun: Duration,
    /// When it ended, its flushes included.
    pub ended: Duration,
    /// The tracks that it copied.
    pub copied_tracks: u32,
    /// The tracks that were left before it.
    pub left_before: u64,
    /// The tracks that were left after it.
    pub left_after: u64,
    /// Whether the pace let it copy fewer tracks than it could have.
    pub is_paced: bool,
}

/// Work of a migration other than copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A checkpoint was saved.
    Checkpoint,
    /// The DSCBs of all data sets were read and checked, as before the switch.
    Vtoc,
    /// A catalog or a VTOC was changed once, with its journal.
    Catalog,
    /// Closing was asked for, and closed was confirmed.
    Answer,
}

/// What is to be done in the window, apart from copying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// Changes of catalogs and VTOCs.
    pub catalog_changes: u32,
    /// Looks at the DSCBs of all data sets.
    pub vtoc_looks: u32,
    /// Checkpoints.
    pub checkpoints: u32,
}

/// How long a window would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Nine of ten would take longer.
    pub low: Duration,
    /// As many would take longer as shorter.
    pub likely: Duration,
    /// Nine of ten would be shorter.
    pub high: Duration,
}

/// Whether copying catches up with the changes: see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Too little was measured yet.
    Unknown,
    /// What is left gets less.
    Converging,
    /// What is left is as little as it gets: changes come far slower than copies can go, and are copied as they come.
    /// A goal that is below what is left now will hardly be reached.
    Following,
    /// Changes come about as fast as copies, or faster: what is left stays where it is, or becomes more. It does not
    /// converge.
    AtDistance,
}

/// What was learned, and what follows from it. Every figure is finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Tracks that can be copied in a second, with the pace as it is; `None` if none was copied yet.
    pub copy_rate: Option<f64>,
    /// Distinct tracks that become work again in a second; `None` if that was not seen yet.
    pub change_rate: Option<f64>,
    /// Tracks left.
    pub left_tracks: u64,
    /// Whether the pace is what limits the copying.
    pub is_paced: bool,
    /// How long a window would take now; `None` if too little was measured to say anything.
    pub window: Option<Window>,
    /// How long it takes until closed is confirmed; `None` if it was never asked for.
    pub answer: Option<Duration>,
    /// Whether it converges.
    pub verdict: Verdict,
}

/// Something that happens so many times in a second, the last seconds counting most.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    count: f64,
    seconds: f64,
}

impl Rate {
    /// So many, spread evenly over a time that is not zero.
    fn add(&mut self, count: f64, seconds: f64) {
        let kept = (-seconds / RATE_SECONDS).exp();
        let gain = RATE_SECONDS * -(-seconds / RATE_SECONDS).exp_m1();
        self.count = self.count * kept + count / seconds * gain;
        self.seconds = self.seconds * kept + gain;
    }

    fn per_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.count / self.seconds)
    }
}

/// What was copied and what was changed, the last looks counting most: their difference is what left lost.
#[derive(Clone, Copy, Debug, Default)]
struct Balance {
    copied: f64,
    changed: f64,
}

impl Balance {
    fn add(&mut self, copied: f64, changed: f64, seconds: f64) {
        let kept = (-seconds / RATE_SECONDS).exp().max(1.0 - 1.0 / BALANCE_LOOKS);
        self.copied = self.copied * kept + copied;
        self.changed = self.changed * kept + changed;
    }

    /// Changes for each copy; `None` if nothing happens.
    fn ratio(&self) -> Option<f64> {
        let happens = self.copied + self.changed > 1e-3;
        happens.then(|| self.changed / self.copied.max(1e-6))
    }
}

/// What was left at a time.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Duration,
    left: u64,
}

/// What is learned while a migration runs: see the [module](self).
#[derive(Clone, Debug)]
pub struct Estimator {
    steps: Steps,
    checkpoints: History,
    vtoc_looks: History,
    catalog_changes: History,
    answers: History,

    /// The first look, and the latest.
    first: Option<Look>,
    latest: Option<Look>,
    /// Changes seen at looks that were no time apart.
    waiting_changes: u64,
    changes: Rate,

    /// Copies while the pace limited them, from the end of one step to the end of the next.
    paced_copies: Rate,
    latest_step: Option<Look>,
    /// Steps since the pace limited one.
    unpaced_steps: u32,
    /// Whether a step ever ended because it had copied as much as it was asked for.
    was_limited: bool,

    step_count: u64,
    copied_tracks: u64,
    balance: Balance,
    is_falling: bool,
    is_close: bool,
}

impl Default for Estimator {
    fn default() -> Estimator {
        Estimator::new()
    }
}

impl Estimator {
    /// One that knows nothing yet.
    pub fn new() -> Estimator {
        Estimator {
            steps: Steps::default(),
            checkpoints: History::default(),
            vtoc_looks: History::default(),
            catalog_changes: History::default(),
            answers: History::default(),
            first: None,
            latest: None,
            waiting_changes: 0,
            changes: Rate::default(),
            paced_copies: Rate::default(),
            latest_step: None,
            unpaced_steps: PACED_STEPS,
            was_limited: false,
            step_count: 0,
            copied_tracks: 0,
            balance: Balance::default(),
            is_falling: true,
            is_close: false,
        }
    }

    /// A copy step ended.
    pub fn stepped(&mut self, step: &StepMeasure) {
        if self.latest.is_none() {
            self.look(step.begun, step.left_before, 0);
        }
        self.steps.add(step.ended, step.copied_tracks, step.ended.saturating_sub(step.begun));
        self.step_count = self.step_count.saturating_add(1);
        self.copied_tracks = self.copied_tracks.saturating_add(step.copied_tracks.into());
        if step.is_paced {
            self.paced_step(step);
        } else {
            self.unpaced_steps = self.unpaced_steps.saturating_add(1);
            let copied = u64::from(step.copied_tracks);
            self.was_limited |= copied > 0 && copied < step.left_before;
        }
        self.latest_step = Some(Look { at: step.ended, left: step.left_after });
        self.look(step.ended, step.left_after, step.copied_tracks);
    }

    /// So many tracks were left at this time; no step was running.
    pub fn observed(&mut self, at: Duration, left: u64) {
        self.look(at, left, 0);
    }

    /// Other work was done.
    pub fn did(&mut self, work: Work, took: Duration) {
        let history = match work {
            Work::Checkpoint => &mut self.checkpoints,
            Work::Vtoc => &mut self.vtoc_looks,
            Work::Catalog => &mut self.catalog_changes,
            Work::Answer => &mut self.answers,
        };
        history.add(took);
    }

    /// What is known now, with so many tracks left, and so much to do in the window.
    pub fn estimate(&self, left: u64, closing: &Closing) -> Estimate {
        Estimate {
            copy_rate: self.copy_rate(),
            change_rate: self.changes.per_second(),
            left_tracks: left,
            is_paced: self.is_paced(),
            window: self.window(left, closing),
            answer: self.answers.median().map(durations::duration),
            verdict: self.verdict(),
        }
    }

    /// The wait before a step counts for the pace only if there was something to copy already.
    fn paced_step(&mut self, step: &StepMeasure) {
        let waited = self.latest_step.filter(|latest| latest.left > 0).map(|latest| latest.at);
        let from = waited.unwrap_or(step.begun).min(step.begun);
        let seconds = step.ended.saturating_sub(from).as_secs_f64();
        if seconds > 0.0 {
            self.paced_copies.add(step.copied_tracks.into(), seconds);
        }
        self.unpaced_steps = 0;
    }

    /// What is left, and what was copied since the look before.
    fn look(&mut self, at: Duration, left: u64, copied_tracks: u32) {
        let look = Look { at, left };
        let before = self.latest.replace(look);
        self.first.get_or_insert(look);
        let Some(before) = before else { return };
        let copied = u64::from(copied_tracks);
        let changed = left.saturating_add(copied).saturating_sub(before.left);
        let seconds = at.saturating_sub(before.at).as_secs_f64();
        self.waiting_changes = self.waiting_changes.saturating_add(changed);
        if seconds > 0.0 {
            self.changes.add(self.waiting_changes as f64, seconds);
            self.waiting_changes = 0;
        }
        self.balance.add(copied as f64, changed as f64, seconds);
        if left == 0 {
            // It cannot get less. What was copied to come so far says nothing about what comes now.
            self.balance = Balance::default();
            self.is_falling = false;
        }
        self.judge();
    }

    /// Turns the answers to both questions of the verdict on or off.
    fn judge(&mut self) {
        if let Some(ratio) = self.balance.ratio() {
            self.is_falling = if self.is_falling { ratio < 0.95 } else { ratio < 0.85 };
        }
        if let (Some(copies), Some(changes)) = (self.copy_rate(), self.changes.per_second()) {
            self.is_close = changes >= copies * if self.is_close { 0.4 } else { 0.5 };
        }
    }

    fn verdict(&self) -> Verdict {
        let (Some(first), Some(latest)) = (self.first, self.latest) else {
            return Verdict::Unknown;
        };
        let is_long = latest.at.saturating_sub(first.at) >= Duration::from_secs(1);
        let is_whole_pass = self.copied_tracks >= first.left;
        if self.step_count == 0 || !(self.step_count >= 3 && is_long || is_whole_pass) {
            Verdict::Unknown
        } else if self.is_falling {
            Verdict::Converging
        } else if self.is_close {
            Verdict::AtDistance
        } else {
            Verdict::Following
        }
    }

    fn is_paced(&self) -> bool {
        self.unpaced_steps < PACED_STEPS
    }

    fn copy_rate(&self) -> Option<f64> {
        let could = if self.was_limited {
            self.steps.throughput()
        } else {
            let large = f64::from(self.large_step());
            self.line().map(|line| large / line.seconds(large))
        };
        match self.paced_copies.per_second() {
            Some(paced) if self.is_paced() => could.map(|could| could.min(paced)),
            _ => could,
        }
    }

    fn line(&self) -> Option<Line> {
        self.steps.line(self.checkpoints.median())
    }

    /// How many tracks a step copies if there are enough.
    fn large_step(&self) -> u32 {
        let largest = self.steps.largest();
        if self.was_limited { largest } else { largest.max(LARGE_STEP_TRACKS) }
    }

    fn window(&self, left: u64, closing: &Closing) -> Option<Window> {
        let mut parts = Vec::new();
        let mut part = |count: u64, pool: Vec<f64>| parts.push(Part { count, pool });
        let mut checkpoints = u64::from(closing.checkpoints);
        let mut vtoc_looks = u64::from(closing.vtoc_looks);
        let catalog_changes = u64::from(closing.catalog_changes);
        match self.catalog_changes.pool() {
            Some(pool) => part(catalog_changes, pool),
            // A change reads and checks, as a look does, and is kept in a journal, as a checkpoint is.
            None => {
                checkpoints += catalog_changes;
                vtoc_looks += catalog_changes;
            }
        }
        match self.vtoc_looks.pool() {
            Some(pool) => part(vtoc_looks, pool),
            None => checkpoints += vtoc_looks,
        }
        let line = self.line();
        match (self.checkpoints.pool(), &line) {
            (Some(pool), _) => part(checkpoints, pool),
            // The flush is most of a checkpoint, and of a step of one track.
            (None, Some(line)) => part(checkpoints, self.steps.pool(1, line)),
            (None, None) if checkpoints > 0 => return None,
            (None, None) => {}
        }
        if left > 0 {
            let (line, large) = (line?, self.large_step().max(1));
            part(left / u64::from(large), self.steps.pool(large, &line));
            let rest = (left % u64::from(large)) as u32;
            part(u64::from(rest > 0), self.steps.pool(rest, &line));
        }
        Some(play(parts))
    }
}

impl fmt::Display for Estimate {
    /// A sentence, with both rates if they are known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |rate: Option<f64>| rate.map_or("an unknown number of".into(), rate_text);
        let (copies, changes) = (rate(self.copy_rate), rate(self.change_rate));
        let tracks = if self.left_tracks == 1 { "track" } else { "tracks" };
        let left = format!("{} {tracks} left", self.left_tracks);
        match self.verdict {
            Verdict::AtDistance => {
                let pace = if self.is_paced { "raise the pace, " } else { "" };
                write!(
                    f,
                    "changes come at {changes} tracks/s and copies go at {copies} tracks/s: it does not converge, \
                     {left}; {pace}let fewer programs write to these data sets, or close them now"
                )?;
            }
            Verdict::Unknown => {
                write!(f, "too little is measured yet: copies {copies} tracks/s, ")?;
                write!(f, "changes {changes} tracks/s, {left}")?;
            }
            Verdict::Converging | Verdict::Following => {
                write!(f, "copies {copies} tracks/s, changes {changes} tracks/s, {left}")?;
            }
        }
        match &self.window {
            Some(window) => write!(f, "; a window now would take {window}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Window {
    /// As in `120 ms (60 to 300 ms)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, low_unit) = duration_text(self.low);
        let (likely, unit) = duration_text(self.likely);
        let (high, high_unit) = duration_text(self.high);
        if low_unit == high_unit {
            write!(f, "{likely} {unit} ({low} to {high} {high_unit})")
        } else {
            write!(f, "{likely} {unit} ({low} {low_unit} to {high} {high_unit})")
        }
    }
}

/// Whole numbers, and with one digit behind the point below ten.
fn rate_text(value: f64) -> String {
    if value == 0.0 || value >= 9.95 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// A number and its unit.
fn duration_text(duration: Duration) -> (String, &'static str) {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match seconds {
        0.0..0.9995 => (seconds * 1e3, "ms"),
        0.0..119.5 => (seconds, "s"),
        0.0..7_170.0 => (seconds / 60.0, "min"),
        _ => (seconds / 3_600.0, "h"),
    };
    (rate_text(value), unit)
}
