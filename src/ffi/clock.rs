//! The host's own clock.

use super::boundary::{Structure, alone, guarded, input};
use super::tables::{Table, check_table, tmr_release};
use super::{TMR_DONE, tmr_error, tmr_host};
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use parking_lot::Mutex;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

/// The functions of a host's own clock. They are called by any thread, also by several at a time. While one fails, the library
/// goes on from its last answer with the machine's own clock.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_clock_functions {
    /// sizeof (tmr_clock_functions).
    pub size: u32,
    /// TMR_TABLE_VERSION.
    pub version: u32,
    /// Handed to each function.
    pub user: *mut c_void,
    /// Called once with `user`, when the library needs the table no more. May be NULL.
    pub release: tmr_release,
    /// The time since 1970-01-01 00:00 UTC in microseconds: for events and dates.
    pub now: Option<
        unsafe extern "C" fn(user: *mut c_void, time_us: *mut u64, error: *mut tmr_error) -> i32,
    >,
    /// Microseconds from any start on, of a clock that nobody sets and that does not stand still: for rates and limits. NULL if `now`
    /// is such a clock.
    pub monotonic: Option<
        unsafe extern "C" fn(user: *mut c_void, time_us: *mut u64, error: *mut tmr_error) -> i32,
    >,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value but for functions, which are nothing until they are
// called, and its fields leave no bytes between them.
unsafe impl Structure for tmr_clock_functions {
    const NAME: &'static str = "tmr_clock_functions";
    const SIZE_MIN: usize = 40;

    fn check(&self) -> Result<()> {
        check_table(Self::NAME, self.version, &[("now", self.now.is_some())])
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<tmr_clock_functions>() == 40);

// SAFETY: functions, and a pointer that only they use.
unsafe impl Send for tmr_clock_functions {}
// SAFETY: as above.
unsafe impl Sync for tmr_clock_functions {}

/// A time, and when it was that by the machine's own clock.
type Known = Mutex<Option<(Duration, Duration)>>;

/// The clock of a host.
struct HostClock {
    table: Table<tmr_clock_functions>,
    now: Known,
    monotonic: Known,
}

/// What this function says, or what follows from its last answer. Nothing is held while it is called.
fn ask(
    clock: &HostClock,
    (what, function): (
        &str,
        Option<unsafe extern "C" fn(*mut c_void, *mut u64, *mut tmr_error) -> i32>,
    ),
    known: &Known,
    otherwise: fn() -> Duration,
) -> Duration {
    let mut time_us = 0;
    let answered = clock.table.carry_out(what, |user, error| match function {
        // SAFETY: the host's function, with what it wants.
        Some(function) => unsafe { function(user, &raw mut time_us, error) },
        None => super::TMR_REFUSED,
    });
    match answered {
        Ok(()) => Duration::from_micros(time_us),
        Err(error) => {
            log::warn!("the machine's own clock is taken meanwhile: {error}");
            let now = SystemClock.monotonic();
            let going_on =
                |(time, at): &(Duration, Duration)| time.saturating_add(now.saturating_sub(*at));
            known.lock().as_ref().map_or_else(otherwise, going_on)
        }
    }
}

impl Clock for HostClock {
    fn now(&self) -> Duration {
        let function = ("now", self.table.functions.now);
        let time = ask(self, function, &self.now, || SystemClock.now());
        *self.now.lock() = Some((time, SystemClock.monotonic()));
        time
    }

    /// Never less than before, whatever the host says.
    fn monotonic(&self) -> Duration {
        let functions = &self.table.functions;
        let function = match functions.monotonic {
            None => ("now", functions.now),
            some => ("monotonic", some),
        };
        let time = ask(self, function, &self.monotonic, || SystemClock.monotonic());
        let mut known = self.monotonic.lock();
        let time = known.map_or(time, |(last, _)| time.max(last));
        *known = Some((time, SystemClock.monotonic()));
        time
    }
}

/// Does: gives the host a clock of its own, in the place of the machine's, or of one that was given before.
/// Gives back: 0; the table was taken, and its `release` will be called. 8: the table was not taken.
/// Threads: one at a time.
/// When: before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_set_clock(
    host: *mut tmr_host,
    functions: *const tmr_clock_functions,
    error: *mut tmr_error,
) -> i32 {
    let set = || {
        // SAFETY: as the caller promised.
        let (mut given, functions) = unsafe { (alone(host.cast_const())?, input(functions)?) };
        let table = Table::new(functions, functions.user, functions.release);
        let clock = HostClock { table, now: Mutex::default(), monotonic: Mutex::default() };
        given.clock = Some(Arc::new(clock));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, set) }
}

#[cfg(test)]
mod tests {
    use super::super::tables::TMR_TABLE_VERSION;
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// The next answer in microseconds; 0: it fails.
    unsafe extern "C" fn tell(user: *mut c_void, time_us: *mut u64, _: *mut tmr_error) -> i32 {
        let next = unsafe { &*user.cast::<AtomicU64>() }.load(Ordering::Relaxed);
        unsafe { *time_us = next };
        if next == 0 { 12 } else { 0 }
    }

    fn clock(next: &AtomicU64) -> HostClock {
        let functions = tmr_clock_functions {
            size: size_of::<tmr_clock_functions>() as u32,
            version: TMR_TABLE_VERSION,
            user: std::ptr::from_ref(next).cast_mut().cast(),
            release: None,
            now: Some(tell),
            monotonic: None,
        };
        assert!(functions.check().is_ok());
        let table = Table::new(functions, functions.user, functions.release);
        HostClock { table, now: Mutex::default(), monotonic: Mutex::default() }
    }

    #[test]
    fn a_host_tells_the_time_and_time_never_goes_back() {
        let next = AtomicU64::new(5_000_000);
        let clock = clock(&next);
        assert_eq!(clock.now(), Duration::from_secs(5));
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
        next.store(1, Ordering::Relaxed);
        assert_eq!(clock.now(), Duration::from_micros(1));
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
        next.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(clock.monotonic(), Duration::from_micros(u64::MAX));
    }

    #[test]
    fn a_clock_that_fails_goes_on_with_the_machine_s() {
        let next = AtomicU64::new(0);
        let clock = clock(&next);
        // It never answered: the machine's own time, which is long after 1970.
        assert!(clock.now() > Duration::from_secs(1_000_000_000));
        next.store(7_000_000, Ordering::Relaxed);
        assert_eq!(clock.now(), Duration::from_secs(7));
        next.store(0, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
        let later = clock.now();
        assert!(later >= Duration::from_millis(7002) && later < Duration::from_secs(600));
        let (first, second) = (clock.monotonic(), clock.monotonic());
        assert!(second >= first);
    }
}
