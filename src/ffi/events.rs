//! Events: told to a function of the host, or kept for those who ask.

use super::boundary::{Filled, Structure, alone, guarded, input, shared, to_array};
use super::tables::{Table, check_table, tmr_release};
use super::{TMR_DONE, TMR_MORE, tmr_error, tmr_host};
use crate::error::{Error, Reason, Result};
use crate::event::{Event, EventSink};
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

/// The most events that are kept: far more than a migration tells of between two looks.
const KEPT_MAX: u32 = 1_000_000;

/// Something that happened. Numbers that a kind of event does not have are 0, and texts empty.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_event {
    /// sizeof (tmr_event).
    pub size: u32,
    /// What: one of TMR_EVENT_...
    pub kind: u32,
    /// When: microseconds since 1970-01-01 00:00 UTC.
    pub time_us: u64,
    /// The state that it was in before: one of TMR_STATE_...
    pub state_from: u32,
    /// The state that it is in now.
    pub state_to: u32,
    /// Why a data set is refused: one of TMR_R_...
    pub reason: u32,
    /// Zero.
    pub reserved: u32,
    /// Tracks that were copied, allocated, given back or compared.
    pub track_count: u64,
    /// Tracks that the target does not hold yet in their present state.
    pub left: u64,
    /// Tracks of the plan.
    pub total: u64,
    /// How long the window was or would be, or closing took, in milliseconds.
    pub duration_ms: u64,
    /// How many events before this one are lost because there was no room to keep them. The function of a host gets all.
    pub lost_count: u64,
    /// The volume; the first of several.
    pub volser: [c_char; 16],
    /// The data set.
    pub data_set: [c_char; 96],
    /// What happened, as a sentence; no newline.
    pub sentence: [c_char; 512],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_event {
    const NAME: &'static str = "tmr_event";
    const SIZE_MIN: usize = 696;
}

const _: () = assert!(size_of::<tmr_event>() == 696);

impl tmr_event {
    /// Nothing but when.
    fn at(time: Duration) -> tmr_event {
        tmr_event {
            size: size_of::<tmr_event>() as u32,
            kind: 0,
            time_us: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            state_from: 0,
            state_to: 0,
            reason: 0,
            reserved: 0,
            track_count: 0,
            left: 0,
            total: 0,
            duration_ms: 0,
            lost_count: 0,
            volser: [0; 16],
            data_set: [0; 96],
            sentence: [0; 512],
        }
    }

    /// An event at this time.
    pub(super) fn of(time: Duration, event: &Event) -> tmr_event {
        let mut of = tmr_event {
            kind: event.number(),
            sentence: to_array(&super::tables::printable(&event.to_string())),
            ..tmr_event::at(time)
        };
        let (data_set, volser) = place_of(event);
        of.data_set = data_set.map_or([0; 96], |name| to_array(&name.to_string()));
        of.volser = volser.map_or([0; 16], |volser| to_array(&volser.to_string()));
        let tracks = |extents: &[Extent]| {
            extents.iter().map(|extent| u64::from(extent.track_count)).sum::<u64>()
        };
        match event {
            Event::Assessed { track_count, .. } => of.track_count = (*track_count).into(),
            Event::Refused { reason, .. } => of.reason = *reason as u32,
            Event::Allocated { extents, .. } | Event::TargetReleased { extents, .. } => {
                of.track_count = tracks(extents);
            }
            Event::CopyBegun { track_count } => of.total = *track_count,
            Event::Copied(progress) => {
                of.track_count = progress.copied_tracks;
                (of.left, of.total) = (progress.left_tracks, progress.total_tracks);
            }
            Event::Passed { copied_tracks, left_tracks, .. } => {
                (of.track_count, of.left) = (*copied_tracks, *left_tracks);
            }
            Event::Resynchronized { left_tracks, window_ms } => {
                (of.left, of.duration_ms) = (*left_tracks, window_ms.unwrap_or(0));
            }
            Event::Verified { track_count, .. } => of.track_count = *track_count,
            Event::FinallyResynchronized { copied_tracks } => of.track_count = *copied_tracks,
            Event::Closed { waited_ms: ms } | Event::Released { window_ms: ms } => {
                of.duration_ms = *ms;
            }
            Event::Moved { from, to } => {
                (of.state_from, of.state_to) = (*from as u32, *to as u32);
            }
            Event::Resumed { state } => of.state_to = *state as u32,
            _ => {}
        }
        of
    }
}

/// The data set and the volume that an event is about, if it is about one.
fn place_of(event: &Event) -> (Option<DsName>, Option<Volser>) {
    match event {
        Event::Assessed { data_set, volsers, .. } | Event::Cataloged { data_set, volsers, .. } => {
            (Some(*data_set), volsers.first().copied())
        }
        Event::Allocated { data_set, volser, .. }
        | Event::TargetReleased { data_set, volser, .. }
        | Event::TargetRenamed { data_set, volser, .. }
        | Event::Scratched { data_set, volser, .. }
        | Event::Kept { data_set, volser, .. } => (Some(*data_set), Some(*volser)),
        Event::Refused { data_set, .. }
        | Event::TakenOut { data_set, .. }
        | Event::Verified { data_set, .. }
        | Event::Accommodated { data_set, .. } => (Some(*data_set), None),
        Event::MonitorsStarted { volser, .. } => (None, Some(*volser)),
        _ => (None, None),
    }
}

/// The function of a host that is told what happens.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_event_functions {
    /// sizeof (tmr_event_functions).
    pub size: u32,
    /// TMR_TABLE_VERSION.
    pub version: u32,
    /// Handed to the function.
    pub user: *mut c_void,
    /// Called once with `user`, when the library needs the table no more. May be NULL.
    pub release: tmr_release,
    /// Something happened. The event is valid until this returns. It is called in the thread that does the work, and must not take
    /// long.
    pub event: Option<unsafe extern "C" fn(user: *mut c_void, event: *const tmr_event)>,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value but for functions, which are nothing until they are
// called, and its fields leave no bytes between them.
unsafe impl Structure for tmr_event_functions {
    const NAME: &'static str = "tmr_event_functions";
    const SIZE_MIN: usize = 32;

    fn check(&self) -> Result<()> {
        check_table(Self::NAME, self.version, &[("event", self.event.is_some())])
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<tmr_event_functions>() == 32);

// SAFETY: functions, and a pointer that only they use.
unsafe impl Send for tmr_event_functions {}
// SAFETY: as above.
unsafe impl Sync for tmr_event_functions {}

/// A host's function that is told.
struct HostEvents(Table<tmr_event_functions>);

impl EventSink for HostEvents {
    fn event(&self, time: Duration, event: &Event) {
        if let Some(function) = self.0.functions.event {
            let event = tmr_event::of(time, event);
            // SAFETY: the host's function, with what it wants.
            unsafe { function(self.0.user(), &raw const event) };
        }
    }
}

/// Events for those who ask, the newest ones if there is no room for all.
#[derive(Default)]
pub(super) struct EventQueue(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// None are kept as long as this is 0.
    count_max: usize,
    events: VecDeque<(Duration, Event)>,
    /// How many are lost before the oldest one that is kept.
    lost_count: u64,
}

impl Kept {
    fn make_room_for(&mut self, more: usize) {
        while self.events.len() + more > self.count_max && self.events.pop_front().is_some() {
            self.lost_count += 1;
        }
    }
}

impl EventQueue {
    fn keep(&self, count_max: usize) {
        let mut kept = self.0.lock();
        kept.count_max = count_max;
        if count_max == 0 {
            *kept = Kept::default();
        } else {
            kept.make_room_for(0);
        }
    }

    fn next(&self) -> Option<tmr_event> {
        let mut kept = self.0.lock();
        let (time, event) = kept.events.pop_front()?;
        let lost_count = std::mem::take(&mut kept.lost_count);
        drop(kept);
        Some(tmr_event { lost_count, ..tmr_event::of(time, &event) })
    }
}

impl EventSink for EventQueue {
    fn event(&self, time: Duration, event: &Event) {
        let mut kept = self.0.lock();
        if kept.count_max > 0 {
            kept.make_room_for(1);
            kept.events.push_back((time, event.clone()));
        }
    }
}

/// Who is told of a host's events. No lock is held while the host's function is called.
pub(super) struct Told {
    pub queue: Arc<EventQueue>,
    pub also: Option<Arc<dyn EventSink>>,
}

impl EventSink for Told {
    fn event(&self, time: Duration, event: &Event) {
        self.queue.event(time, event);
        if let Some(also) = &self.also {
            also.event(time, event);
        }
    }
}

/// Does: gives the host a function that is told what happens, in the place of one that was given before.
/// Gives back: 0; the table was taken, and its `release` will be called. 8: the table was not taken.
/// Threads: one at a time.
/// When: before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_set_events(
    host: *mut tmr_host,
    functions: *const tmr_event_functions,
    error: *mut tmr_error,
) -> i32 {
    let set = || {
        // SAFETY: as the caller promised.
        let (mut given, functions) = unsafe { (alone(host.cast_const())?, input(functions)?) };
        let table = Table::new(functions, functions.user, functions.release);
        given.events = Some(Arc::new(HostEvents(table)));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, set) }
}

/// Does: keeps what happens for tmr_host_next_event, the newest `count_max` events. 0 keeps none any more, and forgets those that are
///   kept.
/// Gives back: 0; 8 if `count_max` is over 1,000,000.
/// Threads: any.
/// When: at any time; events from then on are kept.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_keep_events(
    host: *const tmr_host,
    count_max: u32,
    error: *mut tmr_error,
) -> i32 {
    let keep = || {
        // SAFETY: as the caller promised.
        let host = unsafe { shared(host) }?;
        if count_max > KEPT_MAX {
            let why = format!("{count_max} events are more than {KEPT_MAX}");
            return Err(Error::new(Reason::BadValue, why));
        }
        host.queue.keep(count_max as usize);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, keep) }
}

/// Does: gives the oldest event that is kept, which is kept no more. It does not wait.
/// Gives back: 4 and the event; 0 if there is none now.
/// Threads: any, also while another call uses the host, or what was made with it, and inside the host's functions.
/// When: while the host is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_next_event(
    host: *const tmr_host,
    event: *mut tmr_event,
    error: *mut tmr_error,
) -> i32 {
    let next = || {
        // SAFETY: as the caller promised.
        let (out, host) = unsafe { (Filled::take(event)?, shared(host)?) };
        Ok(match host.queue.next() {
            None => TMR_DONE,
            Some(event) => {
                out.give(&event);
                TMR_MORE
            }
        })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, next) }
}

#[cfg(test)]
mod tests {
    use super::super::boundary::text_in;
    use super::super::host::{tmr_host_close, tmr_host_new};
    use super::super::tables::TMR_TABLE_VERSION;
    use super::*;
    use crate::event::one_of_each;
    use std::ptr::null_mut;

    #[test]
    fn every_kind_of_event_reaches_c() {
        for (event, kind) in one_of_each().iter().zip(1..) {
            let of = tmr_event::of(Duration::from_millis(3), event);
            assert_eq!((of.kind, of.time_us), (kind, 3000));
            assert_eq!(text_in(&of.sentence, "it").unwrap(), event.to_string());
        }
        let of = |number: usize| tmr_event::of(Duration::MAX, &one_of_each()[number - 1]);
        assert_eq!(of(1).time_us, u64::MAX);
        let allocated = of(3);
        assert_eq!(allocated.track_count, 2);
        assert_eq!(text_in(&allocated.volser, "it").unwrap(), "VOL001");
        assert_eq!(text_in(&allocated.data_set, "it").unwrap(), "TEST.SEQ");
        assert_eq!(of(2).reason, 606);
        assert_eq!((of(8).track_count, of(8).left, of(8).total), (1, 2, 3));
        assert_eq!((of(11).left, of(11).duration_ms), (2, 5));
        assert_eq!((of(27).state_from, of(27).state_to), (1, 2));
        assert_eq!(of(30).state_to, 2);
    }

    #[test]
    fn a_sentence_that_is_too_long_is_cut() {
        let text = "\u{e9}".repeat(600);
        let of = tmr_event::of(Duration::ZERO, &Event::Remark { text });
        assert_eq!(text_in(&of.sentence, "it").unwrap().len(), 510);
    }

    /// Asks the host for events while it is told of one.
    unsafe extern "C" fn ask(user: *mut c_void, told: *const tmr_event) {
        let (host, heard) = unsafe { &mut *user.cast::<(*mut tmr_host, Vec<u32>)>() };
        let mut event = tmr_event::at(Duration::ZERO);
        let code = unsafe { tmr_host_next_event(*host, &raw mut event, null_mut()) };
        assert_eq!((code, event.kind), (4, unsafe { (*told).kind }));
        heard.push(event.kind);
    }

    #[test]
    fn events_are_told_and_kept_and_can_be_asked_for_meanwhile() {
        let mut host = null_mut();
        assert_eq!(unsafe { tmr_host_new(&raw mut host, null_mut()) }, 0);
        let mut user = (host, Vec::<u32>::new());
        let functions = tmr_event_functions {
            size: size_of::<tmr_event_functions>() as u32,
            version: TMR_TABLE_VERSION,
            user: (&raw mut user).cast(),
            release: None,
            event: Some(ask),
        };
        unsafe {
            assert_eq!(tmr_host_set_events(host, &raw const functions, null_mut()), 0);
            assert_eq!(tmr_host_keep_events(host, KEPT_MAX + 1, null_mut()), 8);
            assert_eq!(tmr_host_keep_events(host, 2, null_mut()), 0);
        }
        // Another call uses the host.
        let given = unsafe { alone::<tmr_host, _>(host.cast_const()) }.unwrap();
        let events = given.ports().unwrap().events;
        events.event(Duration::ZERO, &Event::Looked);
        events.event(Duration::ZERO, &Event::Completed);
        drop((given, events));
        let mut event = tmr_event::at(Duration::ZERO);
        unsafe {
            assert_eq!(tmr_host_next_event(host, &raw mut event, null_mut()), 0);
            assert_eq!(event.kind, 0);
            assert_eq!(tmr_host_close(&raw mut host), 0);
        }
        assert_eq!(user.1, [Event::Looked.number(), Event::Completed.number()]);
    }

    #[test]
    fn the_newest_are_kept_and_what_is_lost_is_counted() {
        let queue = EventQueue::default();
        queue.event(Duration::ZERO, &Event::Looked);
        assert!(queue.next().is_none());
        queue.keep(2);
        for event in one_of_each().iter().take(5) {
            queue.event(Duration::ZERO, event);
        }
        let kept: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        let kept: Vec<_> = kept.iter().map(|event| (event.kind, event.lost_count)).collect();
        assert_eq!(kept, [(4, 3), (5, 0)]);
        queue.event(Duration::ZERO, &Event::Looked);
        queue.keep(0);
        assert!(queue.next().is_none());
    }
}
