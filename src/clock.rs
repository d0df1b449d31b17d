//! The port `Clock`: what time it is, for events, rates, dates and limits.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time since 1970-01-01 00:00 UTC.
    fn now(&self) -> Duration;

    /// A time that never goes back, from any start on: for rates, pace and limits, which a clock that is set must not
    /// disturb. Only differences of it mean something, and only inside one process. By default [`Clock::now`], for
    /// clocks that nobody sets.
    fn monotonic(&self) -> Duration {
        self.now()
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn monotonic(&self) -> Duration {
        // One start for the whole process: the times of two such clocks can be compared.
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A day as the VTOC has it: year and day of the year (FORMATS 8.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// The year, from 1900 on.
    pub year: u16,
    /// The day of the year, from 1 on.
    pub day: u16,
}

impl Day {
    /// The day (UTC) at this time since 1970.
    ///
    /// ```
    /// use trackmirror::clock::Day;
    /// let day = Day::at(std::time::Duration::from_secs(951_782_400));
    /// assert_eq!(day, Day { year: 2000, day: 60 });
    /// ```
    pub fn at(time: Duration) -> Day {
        let mut days = time.as_secs() / 86_400;
        let mut year = 1970;
        loop {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = if leap { 366 } else { 365 };
            // A clock that is wrong by thousands of years stays there.
            if days < length || year == u16::MAX {
                return Day { year, day: days.min(length - 1) as u16 + 1 };
            }
            days -= length;
            year += 1;
        }
    }

    /// From the three bytes YDD of a DSCB; `None` if there is no date.
    pub fn from_bytes(bytes: [u8; 3]) -> Option<Day> {
        let day = u16::from_be_bytes([bytes[1], bytes[2]]);
        (bytes != [0; 3]).then_some(Day { year: 1900 + u16::from(bytes[0]), day })
    }

    /// The three bytes YDD.
    pub fn to_bytes(self) -> [u8; 3] {
        let [high, low] = self.day.to_be_bytes();
        [self.year.saturating_sub(1900).min(255) as u8, high, low]
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}.{:03}", self.year, self.day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back_and_goes_on() {
        let (one, other) = (SystemClock, SystemClock);
        let start = one.monotonic();
        let mut last = start;
        while last < start + Duration::from_millis(2) {
            let next = other.monotonic();
            assert!(next >= last);
            last = next;
        }
        // Time since the first look at the clock of this process, not since 1970.
        assert!(last < one.now());
    }

    #[test]
    fn a_clock_of_the_host_needs_one_function_only() {
        struct Still;
        impl Clock for Still {
            fn now(&self) -> Duration {
                Duration::from_secs(7)
            }
        }
        assert_eq!(Still.monotonic(), Duration::from_secs(7));
    }

    #[test]
    fn no_clock_is_too_wrong() {
        assert_eq!(Day::at(Duration::ZERO), Day { year: 1970, day: 1 });
        assert_eq!(Day::at(Duration::MAX).year, u16::MAX);
        assert_eq!(Day { year: 2156, day: 1 }.to_bytes(), [255, 0, 1]);
    }
}
