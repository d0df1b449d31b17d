//! Estimates over synthetic runs, of which the truth is known.

use super::*;
use proptest::prelude::*;

/// A reproducible source of noise.
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to below 1.
    fn even(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About 1; `width` is the standard deviation of its logarithm.
    fn about_one(&mut self, width: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.even()).sum();
        ((sum - 6.0) * width).exp()
    }
}

/// A disk: seconds for each track, and for a flush, of which some take many times as long.
#[derive(Clone, Copy)]
struct Disk {
    track: f64,
    flush: f64,
    width: f64,
    spikes: f64,
    spike_factor: f64,
}

const STEADY: Disk =
    Disk { track: 0.0002, flush: 0.005, width: 0.0, spikes: 0.0, spike_factor: 1.0 };
const NOISY: Disk = Disk { width: 0.5, spikes: 0.02, spike_factor: 10.0, ..STEADY };

impl Disk {
    fn flush(&self, noise: &mut Noise) -> f64 {
        let spike = if noise.even() < self.spikes { self.spike_factor } else { 1.0 };
        self.flush * noise.about_one(self.width) * spike
    }

    fn step(&self, tracks: u64, noise: &mut Noise) -> f64 {
        tracks as f64 * self.track * noise.about_one(self.width) + self.flush(noise)
    }
}

/// Applications write `writes` times in a second to tracks of a set of `hot` ones, at random; a migration copies.
struct World {
    disk: Disk,
    hot: f64,
    writes: f64,
    step_tracks: u64,
    pace: Option<f64>,
    noise: Noise,
    now: f64,
    /// Tracks in all, tracks never copied, and tracks of the hot set that were changed since they were copied.
    tracks: f64,
    cold_left: f64,
    hot_left: f64,
    estimator: Estimator,
    verdicts: Vec<Verdict>,
}

impl World {
    fn new(disk: Disk, tracks: f64, hot: f64, writes: f64) -> World {
        World {
            disk,
            hot,
            writes,
            step_tracks: 1_500,
            pace: None,
            noise: Noise::new(7),
            now: 1e5,
            tracks,
            cold_left: tracks,
            hot_left: 0.0,
            estimator: Estimator::new(),
            verdicts: Vec::new(),
        }
    }

    fn left(&self) -> u64 {
        (self.cold_left + self.hot_left) as u64
    }

    /// Time goes by, and tracks change: of the hot set, that lies everywhere, those that were copied already.
    fn pass(&mut self, seconds: f64) {
        let copied = self.hot * (1.0 - self.cold_left / self.tracks);
        let clean = (copied - self.hot_left).max(0.0);
        self.hot_left += clean * -(-self.writes * seconds / self.hot.max(1.0)).exp_m1();
        self.now += seconds;
    }

    fn run(&mut self, seconds: f64) -> &mut World {
        let end = self.now + seconds;
        while self.now < end {
            let left_before = self.left();
            if left_before == 0 {
                self.pass(0.05);
                self.estimator.observed(duration(self.now), self.left());
                continue;
            }
            let mut tracks = left_before.min(self.step_tracks);
            let mut is_paced = false;
            if let Some(pace) = self.pace {
                // A batch of tenths of a second, whose time is waited for before.
                let allowed = (pace / 10.0).max(1.0) as u64;
                is_paced = allowed < tracks;
                tracks = tracks.min(allowed);
            }
            let took = self.disk.step(tracks, &mut self.noise);
            if let Some(pace) = self.pace {
                self.pass((tracks as f64 / pace - took).max(0.0));
            }
            let left_before = self.left();
            let begun = duration(self.now);
            let cold = self.cold_left.min(tracks as f64);
            self.cold_left -= cold;
            self.hot_left = (self.hot_left - (tracks as f64 - cold)).max(0.0);
            self.pass(took);
            self.estimator.stepped(&StepMeasure {
                begun,
                ended: duration(self.now),
                copied_tracks: tracks as u32,
                left_before,
                left_after: self.left(),
                is_paced,
            });
            self.verdicts.push(self.estimator.verdict());
        }
        self
    }

    fn estimate(&self) -> Estimate {
        self.estimator.estimate(self.left(), &CLOSING)
    }

    /// How often the verdict became another one.
    fn turns(&self) -> usize {
        self.verdicts.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }
}

const CLOSING: Closing = Closing { catalog_changes: 4, vtoc_looks: 2, checkpoints: 3 };

fn duration(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn near(value: Option<f64>, expected: f64, tolerance: f64) -> bool {
    value.is_some_and(|value| (value / expected - 1.0).abs() <= tolerance)
}

#[test]
fn nothing_is_said_before_anything_is_known() {
    let mut estimator = Estimator::new();
    let estimate = estimator.estimate(100, &CLOSING);
    assert_eq!(estimate.copy_rate, None);
    assert_eq!(estimate.change_rate, None);
    assert_eq!(estimate.window, None);
    assert_eq!(estimate.answer, None);
    assert_eq!(estimate.verdict, Verdict::Unknown);
    assert_eq!(
        estimate.to_string(),
        "too little is measured yet: copies an unknown number of tracks/s, \
         changes an unknown number of tracks/s, 100 tracks left"
    );
    // Nothing to do takes no time, whatever is known.
    let window = estimator.estimate(0, &Closing::default()).window.unwrap();
    assert_eq!(window.high, Duration::ZERO);
    // Work alone, without any step.
    estimator.did(Work::Checkpoint, Duration::from_millis(10));
    assert_eq!(estimator.estimate(1, &CLOSING).window, None);
    let window = estimator.estimate(0, &CLOSING).window.unwrap();
    assert_eq!(window.likely, Duration::from_millis(130));
    estimator.did(Work::Answer, Duration::from_secs(40));
    assert_eq!(estimator.estimate(0, &CLOSING).answer, Some(Duration::from_secs(40)));
}

#[test]
fn a_constant_run_is_estimated_as_it_is() {
    let mut world = World::new(STEADY, 2e5, 5e4, 500.0);
    for (work, millis) in [(Work::Checkpoint, 10), (Work::Vtoc, 4), (Work::Catalog, 20)] {
        world.estimator.did(work, Duration::from_millis(millis));
    }
    let estimate = world.run(10.0).estimate();
    assert_eq!(estimate.verdict, Verdict::Converging);
    assert!(near(estimate.copy_rate, 1_500.0 / 0.305, 0.01), "{estimate:?}");
    // A quarter of the tracks was copied; only there a write makes new work.
    assert!(near(estimate.change_rate, 100.0, 0.3), "{estimate:?}");
    let window = estimate.window.unwrap();
    let truth = world.left() as f64 / (1_500.0 / 0.305) + 0.118;
    assert!(near(Some(window.likely.as_secs_f64()), truth, 0.02), "{window:?}, {truth}");
    // Then the first pass is over, and the target follows the source.
    let estimate = world.run(120.0).estimate();
    assert_eq!(estimate.verdict, Verdict::Following, "{estimate}");
    assert!(estimate.left_tracks < 10);
    assert!(near(estimate.copy_rate, 1_500.0 / 0.305, 0.1), "{estimate:?}");
    assert!(near(estimate.change_rate, 500.0, 0.1), "{estimate:?}");
    let likely = estimate.window.unwrap().likely.as_secs_f64();
    assert!(near(Some(likely), 0.118 + 0.0055, 0.05), "{likely}");
    assert_eq!(world.turns(), 2, "unknown, converging, following");
}

#[test]
fn the_size_of_the_steps_does_not_matter_much() {
    // All steps of one size, and a window with much less: a flush is assumed. Truth: 5 ms and 50 times 0.2 ms.
    let mut world = World::new(STEADY, 1e6, 1.0, 0.0);
    world.run(20.0);
    let copying = |estimator: &Estimator, left| {
        let window = estimator.estimate(left, &Closing::default()).window.unwrap();
        window.likely.as_secs_f64()
    };
    assert!(near(Some(copying(&world.estimator, 50)), 0.015, 0.1));
    assert!(near(Some(copying(&world.estimator, 1_500)), 0.305, 0.01));
    assert!(near(Some(copying(&world.estimator, 150_000)), 30.5, 0.01));
    // Small and large steps: the line is found.
    let mut estimator = Estimator::new();
    for number in 0..40u64 {
        let tracks = [3, 40, 700, 9][number as usize % 4];
        let begun = Duration::from_secs(number);
        let ended = begun + Duration::from_micros(8_000 + tracks * 300);
        estimator.stepped(&StepMeasure {
            begun,
            ended,
            copied_tracks: tracks as u32,
            left_before: tracks,
            left_after: 0,
            is_paced: false,
        });
    }
    for left in [1, 5, 20, 100, 400, 900] {
        let truth = 0.008 + 0.0003 * left as f64;
        assert!(near(Some(copying(&estimator, left)), truth, 0.02), "{left}");
    }
    assert!(near(estimator.estimate(0, &CLOSING).copy_rate, 1_000.0 / 0.308, 0.01));
}

#[test]
fn what_was_not_measured_has_a_stand_in() {
    let mut world = World::new(STEADY, 1e5, 1.0, 0.0);
    world.run(5.0);
    let millis = |estimator: &Estimator| {
        let window = estimator.estimate(0, &CLOSING).window.unwrap();
        window.likely.as_secs_f64() * 1e3
    };
    // Thirteen flushes of about a step with one track.
    assert!(near(Some(millis(&world.estimator)), 13.0 * 5.2, 0.05));
    world.estimator.did(Work::Checkpoint, Duration::from_millis(10));
    assert!(near(Some(millis(&world.estimator)), 130.0, 0.001));
    world.estimator.did(Work::Vtoc, Duration::from_millis(1));
    assert!(near(Some(millis(&world.estimator)), 76.0, 0.001));
    world.estimator.did(Work::Catalog, Duration::from_millis(3));
    assert!(near(Some(millis(&world.estimator)), 44.0, 0.001));
}

/// Runs with noise, and the windows that they would really have had.
fn hits(disk: Disk, writes: f64, seconds: f64) -> (usize, usize, usize) {
    let (mut likely_hits, mut bound_hits, runs) = (0, 0, 300);
    for seed in 0..runs {
        let mut world = World::new(disk, 3e4, 2e4, writes);
        world.noise = Noise::new(seed + 1);
        for _ in 0..30 {
            let took = world.disk.flush(&mut world.noise);
            world.estimator.did(Work::Checkpoint, duration(took));
            let took = world.disk.flush(&mut world.noise) * 2.0;
            world.estimator.did(Work::Catalog, duration(took));
            let took = 0.003 * world.noise.about_one(0.5);
            world.estimator.did(Work::Vtoc, duration(took));
        }
        world.run(seconds);
        let window = world.estimate().window.unwrap();
        let mut left = world.left();
        let mut truth = 0.0;
        while left > 0 {
            let tracks = left.min(1_500);
            truth += disk.step(tracks, &mut world.noise);
            left -= tracks;
        }
        truth += (0..3).map(|_| disk.flush(&mut world.noise)).sum::<f64>();
        truth += (0..4).map(|_| disk.flush(&mut world.noise) * 2.0).sum::<f64>();
        truth += (0..2).map(|_| 0.003 * world.noise.about_one(0.5)).sum::<f64>();
        let likely = window.likely.as_secs_f64();
        likely_hits += usize::from((0.5..=2.0).contains(&(truth / likely)));
        bound_hits += usize::from((window.low..=window.high).contains(&duration(truth)));
    }
    (likely_hits, bound_hits, runs as usize)
}

#[test]
fn on_a_noisy_disk_the_window_is_likely_as_estimated() {
    for (writes, seconds) in [(300.0, 3.0), (300.0, 30.0), (2_000.0, 30.0), (0.0, 30.0)] {
        let (likely, bounds, runs) = hits(NOISY, writes, seconds);
        assert!(likely * 10 >= runs * 9, "{writes}, {seconds}: {likely} of {runs}");
        assert!(bounds * 10 >= runs * 8, "{writes}, {seconds}: {bounds} of {runs} in the bounds");
    }
    // Without spikes hardly any is wrong.
    let (likely, _, runs) = hits(Disk { spikes: 0.0, ..NOISY }, 300.0, 20.0);
    assert!(likely * 100 >= runs * 99, "{likely}");
}

#[test]
fn one_long_flush_among_few_does_not_count() {
    let mut estimator = Estimator::new();
    for millis in [10, 2_000, 11] {
        estimator.did(Work::Checkpoint, Duration::from_millis(millis));
    }
    let closing = Closing { checkpoints: 5, ..Closing::default() };
    let window = estimator.estimate(0, &closing).window.unwrap();
    assert!(window.likely < Duration::from_millis(60), "{window:?}");
    assert!(window.high > Duration::from_secs(2), "{window:?}");
}

#[test]
fn a_disk_that_becomes_slower_is_noticed() {
    let mut world = World::new(STEADY, 1e6, 1.0, 0.0);
    world.run(30.0);
    world.disk.track *= 4.0;
    world.run(60.0);
    let estimate = world.estimate();
    assert!(near(estimate.copy_rate, 1_500.0 / 1.205, 0.01), "{estimate}");
    let truth = world.left() as f64 / 1_500.0 * 1.205;
    assert!(near(estimate.window.map(|window| window.likely.as_secs_f64()), truth, 0.1));
}

#[test]
fn large_steps_of_long_ago_count_little() {
    let mut world = World::new(STEADY, 1e5, 1.0, 0.0);
    world.run(60.0);
    // The disk became slower while there were small steps only.
    let mut at = duration(world.now + 600.0);
    for tracks in [20, 100, 40, 90, 25, 110].repeat(5) {
        let begun = at;
        at += duration(0.005 + tracks as f64 * 0.001);
        world.estimator.stepped(&StepMeasure {
            begun,
            ended: at,
            copied_tracks: tracks as u32,
            left_before: tracks,
            left_after: 0,
            is_paced: false,
        });
    }
    let window = world.estimator.estimate(300, &Closing::default()).window.unwrap();
    assert!(near(Some(window.likely.as_secs_f64()), 0.305, 0.05), "{window}");
}

#[test]
fn changes_faster_than_copies_do_not_converge() {
    // 20000 writes a second over half a million tracks: nearly each is another track.
    let mut world = World::new(STEADY, 1e5, 5e5, 20_000.0);
    let estimate = world.run(60.0).estimate();
    assert_eq!(estimate.verdict, Verdict::AtDistance);
    assert!(estimate.change_rate > estimate.copy_rate);
    let sentence = estimate.to_string();
    assert!(sentence.starts_with("changes come at "), "{sentence}");
    assert!(sentence.contains("copies go at 4918 tracks/s: it does not converge"), "{sentence}");
    assert!(sentence.contains("let fewer programs write"), "{sentence}");
    assert!(!sentence.contains("pace"), "{sentence}");
    assert!(world.turns() <= 2, "{:?}", world.turns());
}

#[test]
fn a_hot_set_that_is_always_written_is_a_distance() {
    for hot in [400.0, 2_000.0, 20_000.0] {
        for disk in [STEADY, NOISY] {
            let mut world = World::new(disk, 6e4, hot, hot * 100.0);
            world.run(60.0);
            let estimate = world.estimate();
            assert_eq!(estimate.verdict, Verdict::AtDistance, "{hot}: {estimate}");
            assert!(world.turns() <= 2, "{hot}: {} turns", world.turns());
            // The writers stop: it converges, and gets there.
            world.writes = 0.0;
            world.run(30.0);
            assert_eq!(world.left(), 0);
            world.estimator.observed(duration(world.now + 60.0), 0);
            assert_eq!(world.estimate().verdict, Verdict::Following, "{hot}");
            assert!(world.estimate().change_rate.unwrap() < 1.0);
        }
    }
}

#[test]
fn a_light_load_is_followed_without_a_turn() {
    for disk in [STEADY, NOISY] {
        for writes in [0.0, 0.3, 20.0, 1_000.0] {
            let mut world = World::new(disk, 3e4, 1e5, writes);
            world.run(90.0);
            assert_eq!(world.estimate().verdict, Verdict::Following, "{writes}");
            assert!(near(world.estimate().copy_rate, 4_500.0, 0.35), "{}", world.estimate());
            let turns = world.turns();
            world.run(200.0);
            assert_eq!(world.turns(), turns, "{writes}");
            assert!(turns <= 2, "{writes}: {turns}");
        }
    }
}

#[test]
fn a_pace_counts_as_it_is_until_it_is_changed() {
    let mut world = World::new(STEADY, 1e5, 1e6, 900.0);
    world.pace = Some(700.0);
    let estimate = world.run(120.0).estimate();
    assert!(estimate.is_paced);
    assert!(near(estimate.copy_rate, 700.0, 0.03), "{estimate}");
    assert_eq!(estimate.verdict, Verdict::AtDistance, "{estimate}");
    assert!(estimate.to_string().contains("raise the pace, let fewer"), "{estimate}");
    assert!(world.turns() <= 2, "{}", world.turns());
    // A window is copied without the pace.
    let likely = estimate.window.unwrap().likely.as_secs_f64();
    assert!(near(Some(likely), world.left() as f64 * 0.0002, 0.4), "{likely}");
    // More pace: it converges within a few seconds.
    world.pace = Some(3_000.0);
    assert_eq!(world.run(4.0).estimate().verdict, Verdict::Converging);
    let estimate = world.run(11.0).estimate();
    assert_eq!(estimate.verdict, Verdict::Converging, "{estimate}");
    assert!(near(estimate.copy_rate, 3_000.0, 0.1), "{estimate}");
    world.pace = None;
    let estimate = world.run(2.0).estimate();
    assert!(!estimate.is_paced);
    assert!(near(estimate.copy_rate, 4_918.0, 0.1), "{estimate}");
}

#[test]
fn changes_are_counted_once_and_over_idle_time() {
    let step = |begun: u64, ended: u64, copied_tracks, left_before, left_after| StepMeasure {
        begun: Duration::from_secs(begun),
        ended: Duration::from_secs(ended),
        copied_tracks,
        left_before,
        left_after,
        is_paced: false,
    };
    let rate = |estimator: &Estimator| estimator.estimate(0, &CLOSING).change_rate.unwrap();
    let mut estimator = Estimator::new();
    // 100 copied, 90 less left: 10 changed in a second.
    estimator.stepped(&step(10, 11, 100, 1_000, 910));
    assert!(near(Some(rate(&estimator)), 10.0, 1e-9));
    estimator.stepped(&step(11, 12, 100, 910, 820));
    assert!(near(Some(rate(&estimator)), 10.0, 1e-9));
    // 1000 idle seconds, in which 100 changed, seen by the step's end alone.
    estimator.stepped(&step(1_010, 1_012, 500, 920, 420));
    assert!(near(Some(rate(&estimator)), 0.1, 0.01), "{}", rate(&estimator));
    // Idle looks: 40 in two seconds, then nothing for a minute.
    estimator.observed(Duration::from_secs(1_014), 460);
    let after_burst = rate(&estimator);
    assert!((6.0..=20.0).contains(&after_burst), "{after_burst}");
    estimator.observed(Duration::from_secs(1_074), 460);
    assert!(rate(&estimator) < 0.001);
    // A data set that is left out changes nothing; what is seen at one time is spread over the next.
    estimator.observed(Duration::from_secs(1_075), 60);
    assert!(rate(&estimator) < 0.001);
    estimator.observed(Duration::from_secs(1_075), 160);
    estimator.observed(Duration::from_secs(1_085), 160);
    assert!((8.0..=12.0).contains(&rate(&estimator)), "{}", rate(&estimator));
}

#[test]
fn there_is_no_verdict_too_early() {
    let step = |millis: u64, left_before: u64| StepMeasure {
        begun: Duration::from_millis(millis),
        ended: Duration::from_millis(millis + 300),
        copied_tracks: 100,
        left_before,
        left_after: left_before - 100,
        is_paced: false,
    };
    let mut estimator = Estimator::new();
    for (number, expected) in [
        (0, Verdict::Unknown),
        (1, Verdict::Unknown),
        (2, Verdict::Unknown), // three steps, 0.9 seconds
        (3, Verdict::Converging),
    ] {
        estimator.stepped(&step(300 * number, 10_000 - 100 * number));
        assert_eq!(estimator.estimate(0, &CLOSING).verdict, expected, "{number}");
    }
    // A whole pass is enough.
    let mut estimator = Estimator::new();
    estimator.stepped(&step(0, 100));
    assert_eq!(estimator.estimate(0, &CLOSING).verdict, Verdict::Following);
}

#[test]
fn bursts_of_changes_do_not_make_the_verdict_flap() {
    // Half a second of writing in each second, at about twice what the limits of the verdict are.
    for writes in [1_000.0, 2_000.0, 4_000.0, 5_000.0, 6_000.0, 8_000.0] {
        let mut world = World::new(STEADY, 5e4, 5e4, writes);
        for _ in 0..300 {
            world.writes = writes - world.writes;
            world.run(0.5);
        }
        assert!(world.turns() <= 3, "{writes}: {} turns", world.turns());
    }
}

#[test]
fn sentences_have_the_figures() {
    let window = |low, likely, high| {
        let millis = Duration::from_millis;
        Window { low: millis(low), likely: millis(likely), high: millis(high) }
    };
    let mut estimate = Estimate {
        copy_rate: Some(5_200.4),
        change_rate: Some(0.5),
        left_tracks: 1,
        is_paced: false,
        window: Some(window(60, 120, 300)),
        answer: None,
        verdict: Verdict::Following,
    };
    assert_eq!(
        estimate.to_string(),
        "copies 5200 tracks/s, changes 0.5 tracks/s, 1 track left; \
         a window now would take 120 ms (60 to 300 ms)"
    );
    estimate.verdict = Verdict::AtDistance;
    (estimate.copy_rate, estimate.change_rate) = (Some(700.0), Some(900.0));
    (estimate.left_tracks, estimate.is_paced) = (38_000, true);
    estimate.window = Some(window(20_000, 40_000, 130_000));
    assert_eq!(
        estimate.to_string(),
        "changes come at 900 tracks/s and copies go at 700 tracks/s: it does not converge, 38000 tracks left; \
         raise the pace, let fewer programs write to these data sets, or close them now; \
         a window now would take 40 s (20 s to 2.2 min)"
    );
    for (window, text) in [
        (window(0, 1, 2), "1.0 ms (0 to 2.0 ms)"),
        (window(900, 999, 1_000), "999 ms (900 ms to 1.0 s)"),
        (window(9_940, 9_960, 119_000), "10 s (9.9 to 119 s)"),
        (window(3_600_000, 7_200_000, 90_000_000), "2.0 h (60 min to 25 h)"),
    ] {
        assert_eq!(window.to_string(), text);
    }
}

/// Every figure is sane.
fn check(estimate: &Estimate) {
    for rate in [estimate.copy_rate, estimate.change_rate].into_iter().flatten() {
        assert!(rate.is_finite() && rate >= 0.0, "{estimate:?}");
    }
    if let Some(Window { low, likely, high }) = estimate.window {
        assert!(low <= likely && likely <= high, "{estimate:?}");
        let likely = likely.as_secs_f64();
        assert!(low.as_secs_f64() <= likely * 0.7 + 1e-8, "{estimate:?}");
        assert!(high.as_secs_f64() >= (likely * 1.5).min(1e9) - 1e-8, "{estimate:?}");
    }
    let sentence = estimate.to_string();
    assert!(!sentence.contains("NaN") && !sentence.contains("inf"), "{sentence}");
}

#[test]
fn numbers_without_measure_do_no_harm() {
    let most = Closing { catalog_changes: u32::MAX, vtoc_looks: u32::MAX, checkpoints: u32::MAX };
    for (begun, ended) in [
        (Duration::ZERO, Duration::ZERO),
        (Duration::ZERO, Duration::MAX),
        (Duration::MAX, Duration::ZERO),
        (Duration::ZERO, Duration::from_nanos(1)),
    ] {
        for copied_tracks in [0, 1, u32::MAX] {
            let mut estimator = Estimator::new();
            for left in [u64::MAX, 0, 1, u64::MAX, 0] {
                for is_paced in [false, true] {
                    estimator.stepped(&StepMeasure {
                        begun,
                        ended,
                        copied_tracks,
                        left_before: u64::MAX - left,
                        left_after: left,
                        is_paced,
                    });
                    estimator.did(Work::Checkpoint, ended);
                    estimator.observed(begun, left);
                    check(&estimator.estimate(left, &most));
                    check(&estimator.estimate(u64::MAX, &CLOSING));
                    check(&estimator.estimate(0, &Closing::default()));
                }
            }
        }
    }
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0u64..5_000_000_000).prop_map(Duration::from_nanos),
        (0u64..10).prop_map(Duration::from_nanos),
        any::<u64>().prop_map(Duration::from_nanos),
        Just(Duration::MAX),
    ]
}

fn tracks() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..10, 0u64..100_000, any::<u64>()]
}

#[derive(Clone, Debug)]
enum Told {
    Stepped(StepMeasure),
    Observed(Duration, u64),
    Did(Work, Duration),
}

fn told() -> impl Strategy<Value = Told> {
    let step = (durations(), durations(), tracks(), tracks(), tracks(), any::<bool>()).prop_map(
        |(begun, ended, copied, left_before, left_after, is_paced)| {
            let copied_tracks = copied.min(u32::MAX.into()) as u32;
            Told::Stepped(StepMeasure {
                begun,
                ended,
                copied_tracks,
                left_before,
                left_after,
                is_paced,
            })
        },
    );
    let works =
        prop::sample::select(vec![Work::Checkpoint, Work::Vtoc, Work::Catalog, Work::Answer]);
    prop_oneof![
        4 => step,
        1 => (durations(), tracks()).prop_map(|(at, left)| Told::Observed(at, left)),
        1 => (works, durations()).prop_map(|(work, took)| Told::Did(work, took)),
    ]
}

proptest! {
    #[test]
    fn whatever_is_told_the_estimate_is_sane(
        all in prop::collection::vec(told(), 0..60),
        left in tracks(),
        counts in any::<(u32, u16, u8)>(),
    ) {
        let mut estimator = Estimator::new();
        for told in all {
            match told {
                Told::Stepped(step) => estimator.stepped(&step),
                Told::Observed(at, left) => estimator.observed(at, left),
                Told::Did(work, took) => estimator.did(work, took),
            }
        }
        check(&estimator.estimate(left, &Closing {
            catalog_changes: counts.0,
            vtoc_looks: counts.1.into(),
            checkpoints: counts.2.into(),
        }));
        let one = estimator.estimate(left, &CLOSING);
        check(&one);
        // The same again says the same.
        prop_assert_eq!(one, estimator.estimate(left, &CLOSING));
    }
}
