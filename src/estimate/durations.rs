//! How long things took, and from that how long they would take.
//!
//! Durations on a busy machine are mostly about the same, and now and then many times as long: a flush that waits for
//! others. So there are no means here. Each kind of work keeps its last durations as they were ([`History`]), steps of
//! copying sorted by their size ([`Steps`]). What a window would take is *played*: it is put together many times over
//! from durations that were measured ([`play`]), and what most of the plays took is the answer. Work that is done once
//! is then as long as the middle of what was measured; work that is done a hundred times has its share of the long
//! ones, and both without knowing what the durations are like. Good and bad times of a disk come in runs, so a play
//! takes for each kind of work a run of durations, from any place on, as they followed each other.

use super::Window;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The last durations that are kept of each kind of work.
const KEPT: usize = 128;
/// The last steps that are kept of each class.
const STEPS_KEPT: usize = 32;
/// As many steps of about the right size are enough to draw from.
const ENOUGH_STEPS: usize = 16;
/// After so long a class of steps counts half, against one that was measured just now.
const HALF_LIFE_SECONDS: f64 = 60.0;
/// What a step costs whatever its size, until that was measured: a flush of a fast disk.
const FLUSH_SECONDS: f64 = 0.005;

/// Fewer durations than this say little about how often long ones come.
const FEW: usize = 8;

const PLAYS: usize = 201;
/// More draws than this of one kind are scaled up: their sum hardly varies any more.
const DRAWS_MAX: u64 = 32;

/// No duration is taken for shorter or longer, so that nothing is divided by zero and nothing overflows.
fn sane_seconds(duration: Duration) -> f64 {
    duration.as_secs_f64().clamp(1e-9, 1e9)
}

/// A duration of so many seconds; at most 30 years.
pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.min(1e9)).unwrap_or_default()
}

/// The middle one, or the lower of both; `None` if there is none.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// The last durations of one kind of work, in seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct History(VecDeque<f64>);

impl History {
    pub(super) fn add(&mut self, took: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(sane_seconds(took));
    }

    pub(super) fn median(&self) -> Option<f64> {
        median(self.0.iter().copied())
    }

    /// All of them; `None` if nothing was measured.
    pub(super) fn pool(&self) -> Option<Vec<f64>> {
        (!self.0.is_empty()).then(|| self.0.iter().copied().collect())
    }
}

/// One step of copying.
#[derive(Clone, Copy, Debug)]
struct Sample {
    tracks: f64,
    seconds: f64,
}

/// The last steps of one class: sizes from one power of two to below the next.
#[derive(Clone, Debug, Default)]
struct Class {
    samples: VecDeque<Sample>,
    /// When the latest ended.
    latest: Duration,
}

/// The steps of copying, in classes by size: many small steps, as they come while the target follows the source, leave
/// what the large ones took known.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    classes: BTreeMap<u32, Class>,
    largest: u32,
}

/// What a step takes by its size, in seconds: reads and writes for each track, and at its end the flushes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) overhead: f64,
    pub(super) per_track: f64,
}

impl Line {
    pub(super) fn seconds(&self, tracks: f64) -> f64 {
        (self.overhead + self.per_track * tracks).max(1e-9)
    }
}

fn class_of(tracks: u32) -> u32 {
    tracks.max(1).ilog2()
}

impl Steps {
    /// A step that ended at `at` copied so many tracks. One that copied nothing tells nothing.
    pub(super) fn add(&mut self, at: Duration, tracks: u32, took: Duration) {
        if tracks == 0 {
            return;
        }
        self.largest = self.largest.max(tracks);
        let class = self.classes.entry(class_of(tracks)).or_default();
        if class.samples.len() == STEPS_KEPT {
            class.samples.pop_front();
        }
        class.samples.push_back(Sample { tracks: tracks.into(), seconds: sane_seconds(took) });
        class.latest = at;
    }

    /// The tracks of the largest step so far.
    pub(super) fn largest(&self) -> u32 {
        self.largest
    }

    /// Tracks in a second, over the steps of the largest class: with the long ones among them, for they are what a
    /// long run meets.
    pub(super) fn throughput(&self) -> Option<f64> {
        let (_, class) = self.classes.last_key_value()?;
        let tracks: f64 = class.samples.iter().map(|sample| sample.tracks).sum();
        let seconds: f64 = class.samples.iter().map(|sample| sample.seconds).sum();
        Some(tracks / seconds)
    }

    /// The line through the middle of each class, by least squares of the relative errors; a class counts more if it
    /// has more steps and was measured lately. `None` if nothing was copied yet.
    ///
    /// If all steps had about one size they do not tell what a smaller one takes: then a flush is assumed, which takes
    /// `flush_seconds` if that is known, and at most half of what they took.
    pub(super) fn line(&self, flush_seconds: Option<f64>) -> Option<Line> {
        let newest = self.classes.values().map(|class| class.latest).max()?;
        let (mut w, mut wn, mut wnn, mut wd, mut wnd) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for class in self.classes.values() {
            let tracks = median(class.samples.iter().map(|sample| sample.tracks))?;
            let seconds = median(class.samples.iter().map(|sample| sample.seconds))?;
            let age = newest.saturating_sub(class.latest).as_secs_f64();
            let fresh = (-age / HALF_LIFE_SECONDS).exp2().max(0.002);
            let weight = fresh * class.samples.len() as f64 / (seconds * seconds);
            w += weight;
            wn += weight * tracks;
            wnn += weight * tracks * tracks;
            wd += weight * seconds;
            wnd += weight * tracks * seconds;
        }
        let (mean_tracks, mean_seconds) = (wn / w, wd / w);
        let spread = w * wnn - wn * wn;
        if spread < 0.05 * w * wnn {
            let overhead = flush_seconds.unwrap_or(FLUSH_SECONDS).min(mean_seconds / 2.0);
            return Some(Line { overhead, per_track: (mean_seconds - overhead) / mean_tracks });
        }
        let per_track = (w * wnd - wn * wd) / spread;
        let overhead = mean_seconds - per_track * mean_tracks;
        Some(if per_track < 0.0 {
            Line { overhead: mean_seconds, per_track: 0.0 }
        } else if overhead < 0.0 {
            Line { overhead: 0.0, per_track: wnd / wnn }
        } else {
            Line { overhead, per_track }
        })
    }

    /// What steps of so many tracks took: those of about that size, brought to it along the line.
    pub(super) fn pool(&self, tracks: u32, line: &Line) -> Vec<f64> {
        let wanted = class_of(tracks);
        let mut nearest: Vec<(&u32, &Class)> = self.classes.iter().collect();
        nearest.sort_by_key(|(class, _)| wanted.abs_diff(**class));
        let (size, mut pool) = (line.seconds(tracks.into()), Vec::new());
        for (_, class) in nearest {
            if pool.len() >= ENOUGH_STEPS {
                break;
            }
            let brought = |sample: &Sample| sample.seconds * size / line.seconds(sample.tracks);
            pool.extend(class.samples.iter().map(brought));
        }
        pool
    }
}

/// A part of a window: so many times a duration like those in the pool, which is not empty and in order of time.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) count: u64,
    pub(super) pool: Vec<f64>,
}

/// How long all the parts take, one after the other.
///
/// `likely` is what is within a factor of two of most plays; of several such figures the one nearest to the middle.
/// Where few durations were measured the longest is left out there: a single one that is far longer than the others
/// would stand for a large part of all. The bounds are the 10th and the 90th of a hundred plays, but never closer than
/// 0.7 and 1.5 times `likely`, for what is still to come is known less well than what was measured.
pub(super) fn play(mut parts: Vec<Part>) -> Window {
    let all = totals(&parts);
    for Part { pool, .. } in &mut parts {
        let longest = (0..pool.len()).max_by(|one, other| pool[*one].total_cmp(&pool[*other]));
        if let (Some(longest), 2..FEW) = (longest, pool.len()) {
            pool.remove(longest);
        }
    }
    let likely = near_most(&totals(&parts));
    Window {
        low: duration(all[PLAYS / 10].min(likely * 0.7)),
        likely: duration(likely),
        high: duration(all[PLAYS * 9 / 10].max(likely * 1.5)),
    }
}

/// Of figures in order, the one of which most others are at least half and at most twice.
fn near_most(sorted: &[f64]) -> f64 {
    let near = |value: f64| {
        let from = sorted.partition_point(|other| *other < value / 2.0);
        sorted.partition_point(|other| *other <= value * 2.0) - from
    };
    let middle = sorted.len() / 2;
    let best =
        (0..sorted.len()).max_by_key(|at| (near(sorted[*at]), usize::MAX - at.abs_diff(middle)));
    best.map_or(0.0, |at| sorted[at])
}

/// What each play took, shortest first.
fn totals(parts: &[Part]) -> Vec<f64> {
    let mut random = Random(1);
    let mut play = || parts.iter().map(|part| part.total(&mut random)).sum::<f64>().min(1e9);
    let mut totals: Vec<f64> = (0..PLAYS).map(|_| play()).collect();
    totals.sort_by(f64::total_cmp);
    totals
}

impl Part {
    fn total(&self, random: &mut Random) -> f64 {
        let draws = self.count.min(DRAWS_MAX);
        let from = random.below(self.pool.len());
        let run = self.pool.iter().cycle().skip(from).take(draws as usize);
        run.sum::<f64>() * (self.count as f64 / draws.max(1) as f64)
    }
}

/// Numbers without order, the same at each run (SplitMix64): an estimate depends on what was measured alone.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}
