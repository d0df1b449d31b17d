//! What is told to the outside while a migration runs: everything that happens, in order, with times, so that the
//! whole run can be proven from its log.
//!
//! Events carry names, addresses and counts, never the contents of records. Each is one sentence when displayed.

use crate::error::Reason;
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::state::State;
use parking_lot::Mutex;
use std::fmt;
use std::time::Duration;

/// How far copying has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Tracks written and durable at the target, those copied again included.
    pub copied_tracks: u64,
    /// Tracks that the target does not hold yet in their present state.
    pub left_tracks: u64,
    /// Tracks of the plan.
    pub total_tracks: u64,
    /// Bytes of track images read.
    pub byte_count: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A data set was found movable.
    Assessed {
        /// Its name.
        data_set: DsName,
        /// Its volumes, in order.
        volsers: Vec<Volser>,
        /// How many extents it has.
        extent_count: u32,
        /// How many tracks it occupies.
        track_count: u32,
    },
    /// A data set must not be moved.
    Refused {
        /// Its name.
        data_set: DsName,
        /// Why.
        reason: Reason,
        /// What was seen, and what to do.
        sentence: String,
    },
    /// Space was allocated at the target.
    Allocated {
        /// The data set.
        data_set: DsName,
        /// The volume.
        volser: Volser,
        /// What was got.
        extents: Vec<Extent>,
    },
    /// A target gave back space, because its source has it no more.
    TargetReleased {
        /// The name of the target's data set.
        data_set: DsName,
        /// The volume.
        volser: Volser,
        /// What was given back.
        extents: Vec<Extent>,
    },
    /// A target got another name, because its source has it.
    TargetRenamed {
        /// The name that it had.
        data_set: DsName,
        /// The volume.
        volser: Volser,
        /// The name that it has now.
        to: DsName,
    },
    /// Copying began.
    CopyBegun {
        /// The tracks to copy.
        track_count: u64,
    },
    /// Every image that can write to a source volume is monitored from now on.
    MonitorsStarted {
        /// The volume.
        volser: Volser,
        /// The images that must be covered.
        images: Vec<String>,
    },
    /// Tracks were copied and are durable.
    Copied(Progress),
    /// All work was gone through once.
    Passed {
        /// How many times now.
        pass: u64,
        /// Tracks written and durable at the target since the beginning.
        copied_tracks: u64,
        /// Tracks that were written meanwhile.
        left_tracks: u64,
    },
    /// Tracks change about as fast as they are copied, or faster.
    NotConverging {
        /// Both rates, in words.
        sentence: String,
    },
    /// So little is left that the window would be short enough.
    Resynchronized {
        /// The tracks that are left.
        left_tracks: u64,
        /// What a window now would take, if that is known.
        window_ms: Option<u64>,
    },
    /// A data set cannot be moved, and is left where it is; the others go on.
    TakenOut {
        /// Its name.
        data_set: DsName,
        /// Why.
        sentence: String,
    },
    /// Source and target were compared and are equal, addresses aside.
    Verified {
        /// The data set.
        data_set: DsName,
        /// The tracks that were compared.
        track_count: u64,
    },
    /// Everybody is asked to close, and nobody may open.
    ClosingBegun,
    /// Somebody has a data set open still.
    StillOpen {
        /// Who.
        openers: Vec<String>,
    },
    /// Nobody has the data sets open, on any image.
    Closed {
        /// How long that took.
        waited_ms: u64,
    },
    /// It is confirmed that nobody has the data sets open: the window began.
    WindowOpened,
    /// All that was written before the window began is durable at the target.
    FinallyResynchronized {
        /// The tracks that were copied in the window.
        copied_tracks: u64,
    },
    /// What changed at the source meanwhile was done at the target too.
    Accommodated {
        /// The data set, by the name that it had.
        data_set: DsName,
        /// What changed.
        what: String,
    },
    /// After the final resynchronization catalogs and VTOCs were compared with what is stored of sources and targets, and
    /// nothing differs.
    Compared {
        /// The data sets that were compared.
        data_set_count: u32,
    },
    /// The window was given up.
    Postponed {
        /// Why.
        why: String,
    },
    /// The catalog points to the target.
    Cataloged {
        /// The data set.
        data_set: DsName,
        /// The catalog.
        catalog: String,
        /// The volumes that it names now.
        volsers: Vec<Volser>,
    },
    /// After the catalog was switched nothing was found that forbids to go on: there is no way back.
    Looked,
    /// The data sets may be opened again: the window ended.
    Released {
        /// How long the window was.
        window_ms: u64,
    },
    /// A source was scratched.
    Scratched {
        /// The data set.
        data_set: DsName,
        /// The volume.
        volser: Volser,
        /// Whether its tracks were overwritten before.
        erased: bool,
    },
    /// A source was kept.
    Kept {
        /// The data set.
        data_set: DsName,
        /// The volume.
        volser: Volser,
        /// The name that it has now.
        under: DsName,
    },
    /// The state changed.
    Moved {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
    },
    /// Everything is done.
    Completed,
    /// The migration was given up, and the target is released.
    Terminated,
    /// An interrupted migration goes on.
    Resumed {
        /// The state in which it was interrupted.
        state: State,
    },
    /// The switch was undone.
    BackedOut {
        /// Why.
        why: String,
    },
    /// Something worth knowing that changes nothing.
    Remark {
        /// A sentence.
        text: String,
    },
}

/// Volumes as one text.
fn list(volsers: &[Volser]) -> String {
    volsers.iter().map(Volser::to_string).collect::<Vec<_>>().join(", ")
}

/// A count with its noun.
fn count(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

impl Event {
    /// The word for each kind of event, in the order of their numbers.
    pub const NAMES: &'static [&'static str] = &[
        "assessed",
        "refused",
        "allocated",
        "target-released",
        "target-renamed",
        "copy-begun",
        "monitors-started",
        "copied",
        "pass",
        "not-converging",
        "resynchronized",
        "taken-out",
        "compared",
        "close-requested",
        "still-open",
        "closed",
        "window-opened",
        "finally-resynchronized",
        "accommodated",
        "nothing-differs",
        "postponed",
        "cataloged",
        "looked",
        "released",
        "scratched",
        "kept",
        "moved",
        "completed",
        "terminated",
        "resumed",
        "backed-out",
        "remark",
    ];

    /// A number for the kind of event, from 1 on, which never changes.
    pub const fn number(&self) -> u32 {
        match self {
            Event::Assessed { .. } => 1,
            Event::Refused { .. } => 2,
            Event::Allocated { .. } => 3,
            Event::TargetReleased { .. } => 4,
            Event::TargetRenamed { .. } => 5,
            Event::CopyBegun { .. } => 6,
            Event::MonitorsStarted { .. } => 7,
            Event::Copied(_) => 8,
            Event::Passed { .. } => 9,
            Event::NotConverging { .. } => 10,
            Event::Resynchronized { .. } => 11,
            Event::TakenOut { .. } => 12,
            Event::Verified { .. } => 13,
            Event::ClosingBegun => 14,
            Event::StillOpen { .. } => 15,
            Event::Closed { .. } => 16,
            Event::WindowOpened => 17,
            Event::FinallyResynchronized { .. } => 18,
            Event::Accommodated { .. } => 19,
            Event::Compared { .. } => 20,
            Event::Postponed { .. } => 21,
            Event::Cataloged { .. } => 22,
            Event::Looked => 23,
            Event::Released { .. } => 24,
            Event::Scratched { .. } => 25,
            Event::Kept { .. } => 26,
            Event::Moved { .. } => 27,
            Event::Completed => 28,
            Event::Terminated => 29,
            Event::Resumed { .. } => 30,
            Event::BackedOut { .. } => 31,
            Event::Remark { .. } => 32,
        }
    }

    /// A word for the kind of event, which never changes.
    pub const fn name(&self) -> &'static str {
        Event::NAMES[self.number() as usize - 1]
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Assessed { data_set, volsers, extent_count, track_count } => write!(
                f,
                "{data_set} on {} has {} in {}",
                list(volsers),
                count(*track_count, "track"),
                count(*extent_count, "extent")
            ),
            Event::Refused { data_set, reason, sentence } => {
                write!(f, "{data_set} is refused: {sentence} [{}]", *reason as u32)
            }
            Event::Allocated { data_set, volser, extents } => {
                let tracks: u64 = extents.iter().map(|extent| u64::from(extent.track_count)).sum();
                write!(
                    f,
                    "{data_set} got {} in {} on {volser}",
                    count(tracks, "track"),
                    count(extents.len() as u64, "extent")
                )
            }
            Event::TargetReleased { data_set, volser, extents } => {
                let tracks: u64 = extents.iter().map(|extent| u64::from(extent.track_count)).sum();
                write!(f, "{data_set} gave back {} on {volser}", count(tracks, "track"))
            }
            Event::TargetRenamed { data_set, volser, to } => {
                write!(f, "{data_set} on {volser} is named {to} now")
            }
            Event::CopyBegun { track_count } => {
                write!(f, "copying of {} began", count(*track_count, "track"))
            }
            Event::Copied(progress) => write!(
                f,
                "{} copied, {} left of {}",
                count(progress.copied_tracks, "track"),
                progress.left_tracks,
                progress.total_tracks
            ),
            Event::Verified { data_set, track_count } => {
                write!(f, "{} of {data_set} are equal", count(*track_count, "track"))
            }
            Event::MonitorsStarted { volser, images } if images.is_empty() => {
                write!(f, "what is written on {volser} is monitored")
            }
            Event::MonitorsStarted { volser, images } => {
                let write = if images.len() == 1 { "writes" } else { "write" };
                write!(f, "what {} {write} on {volser} is monitored", images.join(", "))
            }
            Event::Passed { pass, copied_tracks, left_tracks } => write!(
                f,
                "pass {pass} ended: {} copied in all, {left_tracks} left",
                count(*copied_tracks, "track")
            ),
            Event::NotConverging { sentence } => f.write_str(sentence),
            Event::Resynchronized { left_tracks, window_ms: None } => {
                write!(f, "the target is resynchronized but for {}", count(*left_tracks, "track"))
            }
            Event::Resynchronized { left_tracks, window_ms: Some(window_ms) } => write!(
                f,
                "the target is resynchronized but for {}; a window now would take {window_ms} ms",
                count(*left_tracks, "track")
            ),
            Event::TakenOut { data_set, sentence } => {
                write!(f, "{data_set} is left where it is: {sentence}")
            }
            Event::ClosingBegun => {
                write!(f, "everybody is asked to close the data sets, and nobody may open them")
            }
            Event::StillOpen { openers } => write!(f, "still open: {}", openers.join("; ")),
            Event::Closed { waited_ms } => write!(f, "closed everywhere after {waited_ms} ms"),
            Event::FinallyResynchronized { copied_tracks } => write!(
                f,
                "the target holds everything: {} copied in the window",
                count(*copied_tracks, "track")
            ),
            Event::Accommodated { what, .. } => write!(f, "the target follows its source: {what}"),
            Event::Compared { data_set_count } => {
                let what = count(*data_set_count, "data set");
                write!(f, "{what} compared with catalogs and VTOCs: nothing differs")
            }
            Event::WindowOpened => write!(f, "the window began"),
            Event::Postponed { why } => write!(f, "the window was given up: {why}"),
            Event::Cataloged { data_set, catalog, volsers } => {
                write!(f, "{data_set} is cataloged on {} now, in {catalog}", list(volsers))
            }
            Event::Looked => write!(f, "the switch was looked at once more and stands"),
            Event::Released { window_ms } => {
                write!(f, "the data sets may be opened: the window was {window_ms} ms")
            }
            Event::Scratched { data_set, volser, erased } => {
                let erased = if *erased { " and erased" } else { "" };
                write!(f, "{data_set} on {volser} was scratched{erased}")
            }
            Event::Kept { data_set, volser, under } => {
                write!(f, "{data_set} on {volser} is kept as {under}")
            }
            Event::Moved { from, to } => write!(f, "the migration was {from} and is {to}"),
            Event::Completed => write!(f, "the migration is complete"),
            Event::Terminated => write!(f, "the migration was given up; the target is released"),
            Event::Resumed { state } => {
                write!(f, "the migration goes on where it was interrupted: {state}")
            }
            Event::BackedOut { why } => write!(f, "the switch was undone: {why}"),
            Event::Remark { text } => f.write_str(text),
        }
    }
}

/// Who is told. It is called from the thread that does the work, and must not block for long.
pub trait EventSink: Send + Sync {
    /// Something happened, at this time since 1970.
    fn event(&self, time: Duration, event: &Event);
}

/// A function that is told: one that sends it on a channel, for example.
///
/// ```
/// use std::{sync::mpsc, time::Duration};
/// use trackmirror::event::{Event, EventSink};
/// let (sender, receiver) = mpsc::channel();
/// let sink = move |time: Duration, event: &Event| {
///     // Nobody may listen any more.
///     let _ = sender.send((time, event.clone()));
/// };
/// sink.event(Duration::from_secs(1), &Event::Looked);
/// assert_eq!(receiver.recv().unwrap().1.name(), "looked");
/// ```
impl<F: Fn(Duration, &Event) + Send + Sync> EventSink for F {
    fn event(&self, time: Duration, event: &Event) {
        self(time, event);
    }
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn event(&self, _: Duration, _: &Event) {}
}

/// Everything is kept, in order: for tests, and for hosts that look later.
///
/// ```
/// use std::time::Duration;
/// use trackmirror::event::{Event, EventLog, EventSink};
/// let log = EventLog::default();
/// log.event(Duration::from_secs(1), &Event::Looked);
/// assert_eq!(log.events(), [Event::Looked]);
/// ```
#[derive(Debug, Default)]
pub struct EventLog(Mutex<Vec<(Duration, Event)>>);

impl EventLog {
    /// What happened.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().iter().map(|(_, event)| event.clone()).collect()
    }

    /// What happened, and when.
    pub fn timed_events(&self) -> Vec<(Duration, Event)> {
        self.0.lock().clone()
    }
}

impl EventSink for EventLog {
    fn event(&self, time: Duration, event: &Event) {
        self.0.lock().push((time, event.clone()));
    }
}

#[cfg(test)]
pub(crate) use tests::one_of_each;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Track;

    #[test]
    fn events_are_sentences_of_names_and_counts() {
        let data_set = DsName::parse("TEST.SEQ").unwrap();
        let volser = Volser::parse("VOL001").unwrap();
        let extents = vec![Extent::new(Track(19), 1)];
        let allocated = Event::Allocated { data_set, volser, extents };
        assert_eq!(allocated.to_string(), "TEST.SEQ got 1 track in 1 extent on VOL001");
        let assessed = Event::Assessed {
            data_set,
            volsers: vec![volser, volser],
            extent_count: 16,
            track_count: 40,
        };
        assert_eq!(assessed.to_string(), "TEST.SEQ on VOL001, VOL001 has 40 tracks in 16 extents");
        let refused = Event::Refused {
            data_set,
            reason: Reason::Unmovable,
            sentence: "DSORG says unmovable".into(),
        };
        assert_eq!(refused.to_string(), "TEST.SEQ is refused: DSORG says unmovable [606]");
    }

    #[test]
    fn every_kind_has_a_number_and_a_word_of_its_own() {
        let all = one_of_each();
        let numbers: Vec<u32> = all.iter().map(Event::number).collect();
        assert_eq!(numbers, (1..=Event::NAMES.len() as u32).collect::<Vec<_>>());
        let words: std::collections::BTreeSet<&str> = all.iter().map(Event::name).collect();
        assert_eq!(words.len(), all.len());
        // Programs know them by these.
        let known = [
            (1, "assessed"),
            (8, "copied"),
            (13, "compared"),
            (20, "nothing-differs"),
            (32, "remark"),
        ];
        for (number, word) in known {
            assert_eq!(Event::NAMES[number - 1], word);
        }
    }

    #[test]
    fn a_function_is_a_sink() {
        let log = EventLog::default();
        let sink = |time: Duration, event: &Event| log.event(time, event);
        EventSink::event(&sink, Duration::from_millis(5), &Event::Completed);
        NoEvents.event(Duration::ZERO, &Event::Completed);
        assert_eq!(log.timed_events(), [(Duration::from_millis(5), Event::Completed)]);
    }

    /// One event of each kind, in the order of their numbers.
    pub(crate) fn one_of_each() -> Vec<Event> {
        use crate::geometry::Track;
        let data_set = DsName::parse("TEST.SEQ").unwrap();
        let volser = Volser::parse("VOL001").unwrap();
        let (volsers, extents) = (vec![volser], vec![Extent::new(Track(19), 2)]);
        let word = || "for a reason".to_string();
        vec![
            Event::Assessed { data_set, volsers: volsers.clone(), extent_count: 1, track_count: 2 },
            Event::Refused { data_set, reason: Reason::Unmovable, sentence: word() },
            Event::Allocated { data_set, volser, extents: extents.clone() },
            Event::TargetReleased { data_set, volser, extents },
            Event::TargetRenamed { data_set, volser, to: data_set },
            Event::CopyBegun { track_count: 2 },
            Event::MonitorsStarted { volser, images: vec![word()] },
            Event::Copied(Progress {
                copied_tracks: 1,
                left_tracks: 2,
                total_tracks: 3,
                byte_count: 4,
            }),
            Event::Passed { pass: 1, copied_tracks: 2, left_tracks: 3 },
            Event::NotConverging { sentence: word() },
            Event::Resynchronized { left_tracks: 2, window_ms: Some(5) },
            Event::TakenOut { data_set, sentence: word() },
            Event::Verified { data_set, track_count: 2 },
            Event::ClosingBegun,
            Event::StillOpen { openers: vec![word()] },
            Event::Closed { waited_ms: 5 },
            Event::WindowOpened,
            Event::FinallyResynchronized { copied_tracks: 1 },
            Event::Accommodated { data_set, what: word() },
            Event::Compared { data_set_count: 1 },
            Event::Postponed { why: word() },
            Event::Cataloged { data_set, catalog: word(), volsers },
            Event::Looked,
            Event::Released { window_ms: 5 },
            Event::Scratched { data_set, volser, erased: false },
            Event::Kept { data_set, volser, under: data_set },
            Event::Moved { from: State::Planned, to: State::Copying },
            Event::Completed,
            Event::Terminated,
            Event::Resumed { state: State::Copying },
            Event::BackedOut { why: word() },
            Event::Remark { text: word() },
        ]
    }
}
