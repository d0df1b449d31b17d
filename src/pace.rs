//! How fast a migration may copy, so that the applications whose volumes it reads do not feel it.
//!
//! A [`Pace`] is what an operator asks for: so many tracks, or so many bytes, in a second. A [`Pacer`] holds it, as a
//! bucket into which the pace flows and from which every copied track is paid: it says how many tracks may be copied
//! now, and how long to wait for more. It never waits itself and looks at no clock: the caller gives the time
//! ([`Clock::monotonic`](crate::Clock::monotonic)), copies, tells what was copied, and waits.
//!
//! * The bucket is empty at first, and after each change of the pace; so a change counts at once.
//! * It holds one second's worth and one batch. A pause is not caught up by a long burst.
//! * What was copied is always paid, also if it was more than was allowed. A debt is paid before anything is allowed.
//! * Time that stands still brings nothing, a jump ahead no more than a full bucket, and after a jump back time counts
//!   from there on.
//!
//! ```
//! use std::time::Duration;
//! use trackmirror::pace::Pacer;
//!
//! let mut pacer = Pacer::new("500".parse()?);
//! let mut now = Duration::from_secs(70);
//! let mut copied_tracks = 0;
//! while now < Duration::from_secs(80) {
//!     let allowance = pacer.allow(now, 1500, 56_832);
//!     copied_tracks += allowance.track_count; // here they are copied
//!     pacer.spent(now, allowance.track_count, 56_832);
//!     now += allowance.wait.max(Duration::from_millis(3)); // here the time goes by
//! }
//! assert!((4_900..=5_100).contains(&copied_tracks));
//! # Ok::<(), trackmirror::Error>(())
//! ```

use crate::error::{Error, Reason, Result};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The least number of tracks that is worth a step, if there are so many: a batch of the copier.
const BATCH_TRACKS: u32 = 12;

const NANOS: i128 = 1_000_000_000;

/// The units of bytes that an operator may type, largest first.
const UNITS: [(&str, u64); 4] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

/// How fast a migration may copy.
///
/// As an operator types it: `unlimited`; `500` or `500t` for tracks in a second; `20MB`, `900kB`, `1GB`, `5000B` for
/// bytes of track images in a second (1 kB is 1000 bytes). `/s` may follow. Capital or small letters do not matter.
///
/// ```
/// use trackmirror::pace::Pace;
/// assert_eq!("20MB".parse::<Pace>()?, Pace::Bytes { per_second: 20_000_000 });
/// assert_eq!("500".parse::<Pace>()?.to_string(), "500t");
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As fast as it goes.
    #[default]
    Unlimited,
    /// So many tracks.
    Tracks {
        /// In a second. 0 is taken for 1.
        per_second: u32,
    },
    /// So many bytes of track images: a track counts with the size of its slot.
    Bytes {
        /// In a second. 0 is taken for 1.
        per_second: u64,
    },
}

impl Pace {
    /// What flows into the bucket in a second, and what a track takes out; `None` if there is no limit.
    fn flow_and_cost(self, track_bytes: u32) -> Option<(i128, i128)> {
        match self {
            Pace::Unlimited => None,
            Pace::Tracks { per_second } => Some((i128::from(per_second.max(1)), 1)),
            Pace::Bytes { per_second } => {
                Some((i128::from(per_second.max(1)), i128::from(track_bytes.max(1))))
            }
        }
    }
}

impl FromStr for Pace {
    type Err = Error;

    fn from_str(text: &str) -> Result<Pace> {
        let refused = |what: &str| {
            let sentence = format!(
                "the pace {text:?} {what}: say unlimited, or how much may be copied in a second, \
                 such as 500 (tracks) or 20MB"
            );
            Error::new(Reason::BadRequest, sentence)
        };
        let typed = text.trim().to_ascii_lowercase();
        if typed == "unlimited" {
            return Ok(Pace::Unlimited);
        }
        let typed = typed.strip_suffix("/s").unwrap_or(&typed);
        let end = typed.find(|c: char| !c.is_ascii_digit()).unwrap_or(typed.len());
        let (digits, unit) = (&typed[..end], typed[end..].trim_start());
        if digits.is_empty() {
            return Err(refused("does not begin with a whole number"));
        }
        let number: u64 = digits.parse().map_err(|_| refused("is too large"))?;
        if number == 0 {
            return Err(refused("would copy nothing for ever"));
        }
        if unit.is_empty() || unit == "t" {
            let per_second = u32::try_from(number).map_err(|_| refused("is too large"))?;
            return Ok(Pace::Tracks { per_second });
        }
        let (_, size) = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .ok_or_else(|| refused("has a unit other than t, B, kB, MB and GB"))?;
        let per_second = number.checked_mul(*size).ok_or_else(|| refused("is too large"))?;
        Ok(Pace::Bytes { per_second })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Pace::Unlimited => f.pad("unlimited"),
            Pace::Tracks { per_second } => f.pad(&format!("{per_second}t")),
            Pace::Bytes { per_second } => {
                let even = |(_, size): &&(&str, u64)| per_second.is_multiple_of(*size);
                let (name, size) = UNITS.iter().find(even).unwrap_or(&("B", 1));
                f.pad(&format!("{}{name}", per_second / size))
            }
        }
    }
}

/// What a [`Pacer`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// So many tracks may be copied now.
    pub track_count: u32,
    /// How long it is until so many are allowed that a step is worth while: twelve, or all that were wanted. Zero if
    /// it is worth while now. A caller that can wait does not copy fewer.
    pub wait: Duration,
}

/// Keeps a [`Pace`]: see the [module](self).
#[derive(Clone, Debug)]
pub struct Pacer {
    pace: Pace,
    /// What may be spent, in billionths of a track or byte; below zero, what is owed.
    credit: i128,
    /// When time was last looked at.
    seen: Option<Duration>,
}

impl Pacer {
    /// One that keeps this pace from the first time on that it is told.
    pub fn new(pace: Pace) -> Pacer {
        Pacer { pace, credit: 0, seen: None }
    }

    /// Changes the pace from `now` on: nothing was saved under it, and nothing is owed. Setting the pace that it has
    /// changes nothing.
    pub fn set(&mut self, pace: Pace, now: Duration) {
        if pace != self.pace {
            *self = Pacer { pace, credit: 0, seen: Some(now) };
        }
    }

    /// The pace that it keeps.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// How many of `wanted_tracks` may be copied now, each with a slot of `track_bytes`, and how long to wait if that
    /// is too few.
    pub fn allow(&mut self, now: Duration, wanted_tracks: u32, track_bytes: u32) -> Allowance {
        let Some((flow, cost)) = self.pace.flow_and_cost(track_bytes) else {
            return Allowance { track_count: wanted_tracks, wait: Duration::ZERO };
        };
        self.fill(now, flow, cost);
        let affordable = (self.credit / (cost * NANOS)).max(0);
        let track_count = u32::try_from(affordable).unwrap_or(u32::MAX).min(wanted_tracks);
        let batch = i128::from(wanted_tracks.min(BATCH_TRACKS));
        let missing = (batch * cost * NANOS - self.credit).max(0);
        // A nanosecond brings `flow` billionths. Rounded up: after the wait it is enough.
        let wait = (missing + flow - 1) / flow;
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX));
        Allowance { track_count, wait: if wanted_tracks == 0 { Duration::ZERO } else { wait } }
    }

    /// So many tracks were copied up to `now`.
    pub fn spent(&mut self, now: Duration, track_count: u32, track_bytes: u32) {
        let Some((flow, cost)) = self.pace.flow_and_cost(track_bytes) else { return };
        // Paid before it is filled: what flows in while tracks are copied must not run over a bucket that is full only
        // because they were not paid yet.
        let price = i128::from(track_count).saturating_mul(cost * NANOS);
        self.credit = self.credit.saturating_sub(price);
        self.fill(now, flow, cost);
    }

    /// Lets in what came since time was last looked at.
    fn fill(&mut self, now: Duration, flow: i128, cost: i128) {
        let elapsed = now.saturating_sub(self.seen.unwrap_or(now));
        let capacity = (flow + i128::from(BATCH_TRACKS) * cost) * NANOS;
        let nanos = i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX);
        self.credit = self.credit.saturating_add(nanos.saturating_mul(flow)).min(capacity);
        self.seen = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACK_BYTES: u32 = 56_832;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// A caller that wants `wanted` tracks at each step, copies one in `track_seconds`, and waits `late` too long.
    /// Gives back how many it copied, and the most in one step.
    fn copies(pace: Pace, wanted: u32, track_seconds: f64, late: f64, end: f64) -> (u64, u32) {
        let (start, mut pacer) = (seconds(1e6), Pacer::new(pace));
        let (mut now, mut copied, mut most) = (start, 0, 0);
        while now < start + seconds(end) {
            let allowance = pacer.allow(now, wanted, TRACK_BYTES);
            if allowance.wait > Duration::ZERO {
                now += allowance.wait + seconds(late);
                continue;
            }
            now += seconds(track_seconds * f64::from(allowance.track_count));
            pacer.spent(now, allowance.track_count, TRACK_BYTES);
            copied += u64::from(allowance.track_count);
            most = most.max(allowance.track_count);
        }
        (copied, most)
    }

    #[test]
    fn operators_type_a_pace() {
        let tracks = |per_second| Pace::Tracks { per_second };
        let bytes = |per_second| Pace::Bytes { per_second };
        for (text, pace, shown) in [
            ("unlimited", Pace::Unlimited, "unlimited"),
            (" Unlimited ", Pace::Unlimited, "unlimited"),
            ("500", tracks(500), "500t"),
            ("500t", tracks(500), "500t"),
            ("7 T/s", tracks(7), "7t"),
            ("4294967295", tracks(u32::MAX), "4294967295t"),
            ("20MB", bytes(20_000_000), "20MB"),
            ("20mb/s", bytes(20_000_000), "20MB"),
            ("900kB", bytes(900_000), "900kB"),
            ("1500 KB", bytes(1_500_000), "1500kB"),
            ("1000MB", bytes(1_000_000_000), "1GB"),
            ("17b", bytes(17), "17B"),
        ] {
            assert_eq!(text.parse::<Pace>().unwrap(), pace, "{text}");
            assert_eq!(pace.to_string(), shown);
            assert_eq!(shown.parse::<Pace>().unwrap(), pace);
        }
        assert_eq!(format!("{:>5}|", tracks(7)), "   7t|");
    }

    #[test]
    fn what_is_no_pace_is_refused_with_what_to_type() {
        for (text, why) in [
            ("", "whole number"),
            ("fast", "whole number"),
            ("-5", "whole number"),
            ("1.5MB", "unit"),
            ("20MiB", "unit"),
            ("20 M B", "unit"),
            ("5\u{b5}", "unit"),
            ("0", "nothing"),
            ("0t", "nothing"),
            ("00MB", "nothing"),
            ("4294967296", "too large"),
            ("18446744073709551615GB", "too large"),
            ("99999999999999999999", "too large"),
        ] {
            let error = text.parse::<Pace>().unwrap_err();
            assert_eq!(error.reason(), Reason::BadRequest);
            assert!(error.sentence().contains(why), "{text}: {error}");
            assert!(error.sentence().contains("500 (tracks) or 20MB"), "{error}");
        }
    }

    #[test]
    fn the_pace_is_kept_over_time() {
        for per_second in [1, 2, 7, 12, 100, 500, 3_000, 40_000] {
            for wanted in [1, 5, 12, 13, 150, 1_500, 100_000] {
                for (track_seconds, late) in [(0.0, 0.0), (0.000_01, 0.002), (0.000_01, 0.4)] {
                    let paces = [
                        Pace::Tracks { per_second },
                        Pace::Bytes { per_second: u64::from(per_second) * u64::from(TRACK_BYTES) },
                    ];
                    for pace in paces {
                        let end = if per_second < 100 { 2_000.0 } else { 150.0 };
                        // A caller that wants little and is late each time cannot copy so much.
                        let reach = f64::from(wanted) / (late + track_seconds + 0.001) * 0.5;
                        if f64::from(per_second) > reach {
                            continue;
                        }
                        let (copied, most) = copies(pace, wanted, track_seconds, late, end);
                        let rate = copied as f64 / end;
                        let wrong = (rate / f64::from(per_second) - 1.0).abs();
                        assert!(wrong < 0.02, "{pace}, {wanted} wanted, {late} late: {rate}");
                        assert!(most <= per_second + BATCH_TRACKS);
                    }
                }
            }
        }
    }

    #[test]
    fn after_the_wait_a_batch_is_allowed_and_not_before() {
        for pace in ["1", "7t", "500", "1B", "333kB", "20MB"] {
            for wanted in [1, 5, 12, 1_500] {
                let mut pacer = Pacer::new(pace.parse().unwrap());
                let first = pacer.allow(seconds(5.0), wanted, TRACK_BYTES);
                assert_eq!(first.track_count, 0);
                assert!(first.wait > Duration::ZERO);
                let until = seconds(5.0) + first.wait;
                let mut other = pacer.clone();
                let early = other.allow(until - Duration::from_nanos(1), wanted, TRACK_BYTES);
                assert!(early.track_count < wanted.min(BATCH_TRACKS));
                assert!(early.wait > Duration::ZERO);
                let then = pacer.allow(until, wanted, TRACK_BYTES);
                assert_eq!(then.track_count, wanted.min(BATCH_TRACKS));
                assert_eq!(then.wait, Duration::ZERO);
            }
        }
    }

    #[test]
    fn fewer_than_a_batch_may_be_copied_at_once() {
        let mut pacer = Pacer::new(Pace::Tracks { per_second: 1 });
        pacer.allow(seconds(0.0), 100, TRACK_BYTES);
        let allowance = pacer.allow(seconds(3.5), 100, TRACK_BYTES);
        assert_eq!(allowance, Allowance { track_count: 3, wait: seconds(8.5) });
        pacer.spent(seconds(3.5), 3, TRACK_BYTES);
        assert_eq!(pacer.allow(seconds(3.5), 100, TRACK_BYTES).wait, seconds(11.5));
    }

    #[test]
    fn a_change_takes_effect_at_once() {
        let mut pacer = Pacer::new(Pace::Tracks { per_second: 10_000 });
        pacer.allow(seconds(0.0), 1_500, TRACK_BYTES);
        assert_eq!(pacer.allow(seconds(9.0), 99_999, TRACK_BYTES).track_count, 10_012);
        // Slower: what was saved under the old pace does not count.
        pacer.set(Pace::Tracks { per_second: 20 }, seconds(9.0));
        assert_eq!(pacer.pace(), Pace::Tracks { per_second: 20 });
        let allowance = pacer.allow(seconds(9.0), 1_500, TRACK_BYTES);
        assert_eq!(allowance, Allowance { track_count: 0, wait: seconds(0.6) });
        // Faster: what is owed under the old pace does not count.
        pacer.spent(seconds(9.0), 1_000_000, TRACK_BYTES);
        assert!(pacer.allow(seconds(9.5), 1_500, TRACK_BYTES).wait > seconds(40_000.0));
        pacer.set(Pace::Tracks { per_second: 1_000 }, seconds(9.5));
        assert_eq!(pacer.allow(seconds(9.6), 1_500, TRACK_BYTES).track_count, 100);
        // The same again is no change.
        pacer.set(Pace::Tracks { per_second: 1_000 }, seconds(9.6));
        assert_eq!(pacer.allow(seconds(9.6), 1_500, TRACK_BYTES).track_count, 100);
        pacer.set(Pace::Unlimited, seconds(9.6));
        assert_eq!(pacer.allow(seconds(9.6), 1_500, TRACK_BYTES).track_count, 1_500);
    }

    #[test]
    fn unlimited_never_waits() {
        let mut pacer = Pacer::new(Pace::default());
        for (time, wanted) in [(0.0, 1), (0.0, u32::MAX), (9e9, 0), (1.0, 1_500)] {
            let allowance = pacer.allow(seconds(time), wanted, u32::MAX);
            assert_eq!(allowance, Allowance { track_count: wanted, wait: Duration::ZERO });
            pacer.spent(seconds(time), u32::MAX, u32::MAX);
        }
    }

    #[test]
    fn a_pause_is_not_caught_up() {
        let mut pacer = Pacer::new(Pace::Tracks { per_second: 500 });
        pacer.allow(seconds(1.0), 10_000, TRACK_BYTES);
        assert_eq!(pacer.allow(seconds(86_400.0), 10_000, TRACK_BYTES).track_count, 512);
        assert_eq!(pacer.allow(Duration::MAX, 10_000, TRACK_BYTES).track_count, 512);
        // Set back by a year: it goes on from there, without that year.
        pacer.spent(seconds(60.0), 512, TRACK_BYTES);
        assert_eq!(pacer.allow(seconds(60.0), 10_000, TRACK_BYTES).track_count, 0);
        assert_eq!(pacer.allow(seconds(60.1), 10_000, TRACK_BYTES).track_count, 50);
    }

    #[test]
    fn a_clock_that_stands_still_allows_nothing_more() {
        let mut pacer = Pacer::new(Pace::Tracks { per_second: 100 });
        pacer.allow(seconds(0.0), 50, TRACK_BYTES);
        assert_eq!(pacer.allow(seconds(0.5), 50, TRACK_BYTES).track_count, 50);
        pacer.spent(seconds(0.5), 50, TRACK_BYTES);
        for _ in 0..1_000 {
            let allowance = pacer.allow(seconds(0.5), 50, TRACK_BYTES);
            assert_eq!(allowance, Allowance { track_count: 0, wait: seconds(0.12) });
        }
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        for pace in [Pace::Tracks { per_second: 0 }, Pace::Bytes { per_second: 0 }] {
            let mut pacer = Pacer::new(pace);
            pacer.spent(Duration::MAX, u32::MAX, 0);
            pacer.spent(Duration::ZERO, u32::MAX, u32::MAX);
            assert!(pacer.allow(Duration::ZERO, 1, 0).wait > Duration::ZERO);
            assert_eq!(pacer.allow(Duration::ZERO, 0, 0).wait, Duration::ZERO);
        }
    }

    proptest! {
        /// Whatever the caller does, it is never allowed more than the pace brings, and one bucket.
        #[test]
        fn never_more_than_the_pace(
            per_second in 1u32..100_000,
            steps in prop::collection::vec((0u64..3_000_000_000, 0u32..5_000), 1..200),
        ) {
            let mut pacer = Pacer::new(Pace::Tracks { per_second });
            let (mut now, mut copied) = (0, 0);
            pacer.allow(Duration::ZERO, 0, TRACK_BYTES);
            for (nanos, wanted) in steps {
                now += nanos;
                let time = Duration::from_nanos(now);
                let allowance = pacer.allow(time, wanted, TRACK_BYTES);
                prop_assert!(allowance.track_count <= wanted);
                pacer.spent(time, allowance.track_count, TRACK_BYTES);
                copied += u128::from(allowance.track_count);
                prop_assert!(copied <= u128::from(now) * u128::from(per_second) / 1_000_000_000);
            }
        }

        /// Text from outside is a pace or an error, and what is shown is read again.
        #[test]
        fn any_text(text in "\\PC{0,12}|[0-9]{1,22}[a-zA-Z/ ]{0,4}") {
            if let Ok(pace) = text.parse::<Pace>() {
                prop_assert_eq!(pace.to_string().parse::<Pace>().unwrap(), pace);
            }
        }
    }
}
