//! Sets of tracks of one volume: which tracks are still to be copied.
//!
//! A [`TrackSet`] is one bit for each track of a volume (17.7 million tracks, a volume of 1 TB, are 2.2 MB), and is
//! asked and changed by runs of tracks. It belongs to one owner, who changes it through `&mut`.
//!
//! Two rules hold for all who keep account of tracks with it. A track that the volume does not have is an error, never
//! ignored: whoever names it means another volume, and a change that is lost is a record that is lost. And a set
//! always spans the whole volume, not only the tracks of interest, so that no address needs to be translated before
//! it can be noted.
//!
//! [`SharedBits`] is the same over memory that several threads or processes mark at once.
//!
//! ```
//! use trackmirror::changed::TrackSet;
//! use trackmirror::geometry::{Extent, Track};
//! let mut left = TrackSet::new(1000);
//! left.set(Extent::new(Track(10), 30))?;
//! left.clear(Extent::new(Track(20), 5))?;
//! assert_eq!(left.count(), 25);
//! assert_eq!(left.first_run(Track(0), 1000), Some(Extent::new(Track(10), 10)));
//! assert_eq!(left.first_run(Track(20), 4), Some(Extent::new(Track(25), 4)));
//! assert!(left.set(Extent::new(Track(999), 2)).is_err());
//! # Ok::<(), trackmirror::Error>(())
//! ```

pub mod shared;

/// The atomics of what is shared, in one place, because a test replaces them by its own.
pub(crate) mod sync {
    pub use std::sync::atomic::{AtomicU64, Ordering, fence};
}

pub use shared::SharedBits;

use crate::bytes::{Decoder, Encode, Encoder};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use bitvec::prelude::{BitVec, Lsb0};
use std::fmt;
use std::ops::Range;

/// A set of tracks of one volume: see the [module](self).
#[derive(Clone, PartialEq, Eq)]
pub struct TrackSet {
    bits: BitVec<u64, Lsb0>,
    /// How many bits are set; kept, because it is asked for after every step.
    count: u32,
}

impl TrackSet {
    /// An empty set, for a volume of so many tracks.
    pub fn new(track_count: u32) -> TrackSet {
        TrackSet { bits: BitVec::repeat(false, track_count as usize), count: 0 }
    }

    /// How many tracks the volume has.
    pub fn track_count(&self) -> u32 {
        self.bits.len() as u32
    }

    /// How many tracks are in the set.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether no track is in the set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the track is in the set.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn contains(&self, track: Track) -> Result<bool> {
        let range = self.range(Extent::new(track, 1))?;
        Ok(self.bits[range.start])
    }

    /// How many tracks of the run are in the set.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn count_in(&self, extent: Extent) -> Result<u32> {
        Ok(self.bits[self.range(extent)?].count_ones() as u32)
    }

    /// Adds a run of tracks.
    ///
    /// Error: [`Reason::OutsideVolume`]; then nothing is added.
    pub fn set(&mut self, extent: Extent) -> Result<()> {
        let range = self.range(extent)?;
        let bits = &mut self.bits[range];
        self.count += bits.count_zeros() as u32;
        bits.fill(true);
        Ok(())
    }

    /// Takes a run of tracks away.
    ///
    /// Error: [`Reason::OutsideVolume`]; then nothing is taken away.
    pub fn clear(&mut self, extent: Extent) -> Result<()> {
        let range = self.range(extent)?;
        let bits = &mut self.bits[range];
        self.count -= bits.count_ones() as u32;
        bits.fill(false);
        Ok(())
    }

    /// Takes every track away.
    pub fn clear_all(&mut self) {
        if self.count != 0 {
            self.bits.fill(false);
            self.count = 0;
        }
    }

    /// The first run of tracks in the set that begins at or behind `from`, or its first `track_count_max` tracks.
    pub fn first_run(&self, from: Track, track_count_max: u32) -> Option<Extent> {
        self.first_run_in(from.0 as usize..self.bits.len(), track_count_max)
    }

    /// All runs in the set, in ascending order.
    pub fn runs(&self) -> Runs<'_> {
        Runs { set: self, range: 0..self.bits.len() }
    }

    /// The runs in the set within a run of tracks, in ascending order.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn runs_in(&self, extent: Extent) -> Result<Runs<'_>> {
        Ok(Runs { set: self, range: self.range(extent)? })
    }

    fn first_run_in(&self, range: Range<usize>, track_count_max: u32) -> Option<Extent> {
        let bits = self.bits.get(range.clone())?;
        let first = bits.first_one()?;
        let bits = &bits[first..];
        let bits = &bits[..bits.len().min(track_count_max as usize)];
        let length = bits.first_zero().unwrap_or(bits.len());
        (length > 0).then(|| Extent::new(Track((range.start + first) as u32), length as u32))
    }

    fn range(&self, extent: Extent) -> Result<Range<usize>> {
        let first = extent.first.0 as usize;
        let end = first.checked_add(extent.track_count as usize);
        end.filter(|&end| end <= self.bits.len())
            .map(|end| first..end)
            .ok_or_else(|| outside(extent, self.track_count()))
    }
}

/// The error of a run that is not on the volume.
pub(crate) fn outside(extent: Extent, track_count: u32) -> Error {
    Error::new(
        Reason::OutsideVolume,
        format!(
            "{} tracks from track {} on reach beyond the volume's {track_count} tracks",
            extent.track_count, extent.first.0
        ),
    )
}

impl SharedBits<'_> {
    /// Adds a run of tracks, whatever other threads do meanwhile.
    ///
    /// Error: [`Reason::OutsideVolume`]; then nothing is added.
    pub fn set(&self, extent: Extent) -> Result<()> {
        sync::fence(sync::Ordering::SeqCst);
        let result = self.set_range(extent.first.0, extent.track_count);
        result.map_err(|_| outside(extent, self.track_count()))
    }

    /// Takes a run of tracks away.
    ///
    /// Error: [`Reason::OutsideVolume`]; then nothing is taken away.
    pub fn clear(&self, extent: Extent) -> Result<()> {
        let result = self.clear_range(extent.first.0, extent.track_count);
        result.map_err(|_| outside(extent, self.track_count()))
    }

    /// How many tracks of the run are in the set.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn count_in(&self, extent: Extent) -> Result<u32> {
        let result = self.count_range(extent.first.0, extent.track_count);
        result.map_err(|_| outside(extent, self.track_count()))
    }

    /// What is in the set now, as a set of one's own.
    pub fn snapshot(&self) -> TrackSet {
        let mut set = TrackSet::new(self.track_count());
        let (mut from, end) = (0, self.track_count());
        while let Some((first, count)) =
            shared::first_run(|index| self.word(index), from, end, u32::MAX)
        {
            set.bits[first as usize..(first + count) as usize].fill(true);
            set.count += count;
            from = first + count;
        }
        set
    }
}

impl fmt::Debug for TrackSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackSet({} of {} tracks)", self.count, self.track_count())
    }
}

/// Stored as the volume's track count and the runs.
impl Encode for TrackSet {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.track_count());
        to.put(&self.runs().collect::<Vec<Extent>>());
    }
    fn decode(from: &mut Decoder<'_>) -> Result<TrackSet> {
        let (track_count, runs) = (from.get()?, from.get::<Vec<Extent>>()?);
        let mut set = TrackSet::new(track_count);
        runs.into_iter().try_for_each(|run| set.set(run))?;
        Ok(set)
    }
}

/// The runs of a [`TrackSet`], in ascending order.
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    set: &'a TrackSet,
    range: Range<usize>,
}

impl Iterator for Runs<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        let run = self.set.first_run_in(self.range.clone(), u32::MAX)?;
        self.range.start = run.end().0 as usize;
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::encoded;
    use proptest::prelude::*;

    /// Sizes and places around the boundaries of words.
    const EDGES: [u32; 13] = [0, 1, 2, 31, 63, 64, 65, 127, 128, 129, 191, 192, 200];

    fn shadow_runs(shadow: &[bool]) -> Vec<Extent> {
        let mut runs: Vec<Extent> = Vec::new();
        for (track, _) in shadow.iter().enumerate().filter(|(_, set)| **set) {
            match runs.last_mut() {
                Some(run) if run.end().0 as usize == track => run.track_count += 1,
                _ => runs.push(Extent::new(Track(track as u32), 1)),
            }
        }
        runs
    }

    fn assert_same(set: &TrackSet, shadow: &[bool]) {
        assert_eq!(set.count() as usize, shadow.iter().filter(|set| **set).count());
        assert_eq!(set.is_empty(), !shadow.contains(&true));
        assert_eq!(set.runs().collect::<Vec<_>>(), shadow_runs(shadow));
        for (track, &expected) in shadow.iter().enumerate() {
            assert_eq!(set.contains(Track(track as u32)).unwrap(), expected);
        }
        for from in 0..=shadow.len() {
            let first = (from..shadow.len()).find(|&track| shadow[track]);
            let run = first.map(|first| {
                let length = shadow[first..].iter().take_while(|set| **set).count();
                Extent::new(Track(first as u32), length as u32)
            });
            assert_eq!(set.first_run(Track(from as u32), u32::MAX), run);
            let short = run.map(|run| Extent::new(run.first, run.track_count.min(2)));
            assert_eq!(set.first_run(Track(from as u32), 2), short);
        }
    }

    #[test]
    fn every_run_between_word_boundaries_is_like_a_list_of_truth_values() {
        for track_count in EDGES {
            for (first, end) in EDGES.iter().flat_map(|&a| EDGES.map(|b| (a, b))) {
                if first > end || end > track_count {
                    continue;
                }
                let extent = Extent::new(Track(first), end - first);
                let (mut set, mut shadow) =
                    (TrackSet::new(track_count), vec![false; track_count as usize]);
                set.set(extent).unwrap();
                shadow[first as usize..end as usize].fill(true);
                assert_same(&set, &shadow);
                let hole = Extent::new(Track(first + (end - first) / 2), (end - first).min(1));
                set.clear(hole).unwrap();
                shadow[hole.first.0 as usize..hole.end().0 as usize].fill(false);
                assert_same(&set, &shadow);
                set.clear_all();
                assert_same(&set, &vec![false; track_count as usize]);
            }
        }
    }

    #[test]
    fn a_track_outside_the_volume_is_an_error_and_changes_nothing() {
        for track_count in EDGES {
            let mut set = TrackSet::new(track_count);
            for (first, count) in [(track_count, 1), (0, track_count + 1), (u32::MAX, u32::MAX)] {
                let extent = Extent::new(Track(first), count);
                let outside = |result: Result<()>| {
                    assert_eq!(result.unwrap_err().reason(), Reason::OutsideVolume);
                };
                outside(set.set(extent));
                outside(set.clear(extent));
                outside(set.count_in(extent).map(drop));
                outside(set.runs_in(extent).map(drop));
                outside(set.contains(Track(first.max(track_count))).map(drop));
                assert!(set.is_empty());
            }
            assert_eq!(set.first_run(Track(track_count), 1), None);
            assert_eq!(set.first_run(Track(u32::MAX), 1), None);
        }
    }

    #[test]
    fn shared_bits_are_like_a_private_set() {
        for track_count in EDGES {
            let words: Vec<_> = (0..4).map(|_| sync::AtomicU64::new(0)).collect();
            let bits = SharedBits::new(&words, track_count).unwrap();
            for (first, end) in EDGES.iter().flat_map(|&a| EDGES.map(|b| (a, b))) {
                if first > end {
                    continue;
                }
                let extent = Extent::new(Track(first), end - first);
                let mut set = TrackSet::new(track_count);
                assert_eq!(bits.set(extent).is_ok(), set.set(extent).is_ok());
                assert_eq!(bits.count_in(extent).ok(), set.count_in(extent).ok());
                assert!(bits.snapshot() == set, "{extent:?} of {track_count}");
                for from in 0..=track_count {
                    for count_max in [0, 1, 2, 63, 64, 65, u32::MAX] {
                        let word = |index| bits.word(index);
                        let found = shared::first_run(word, from, track_count, count_max);
                        let expected = set.first_run(Track(from), count_max);
                        let expected = expected.map(|run| (run.first.0, run.track_count));
                        assert_eq!(found, expected, "{extent:?}, {from}, {count_max}");
                    }
                    let expected = set.first_run(Track(from), 1).map(|run| run.first.0);
                    assert_eq!(bits.first_in(from, track_count - from), Ok(expected));
                }
                let hole = Extent::new(Track(first), (end - first).min(1));
                assert_eq!(bits.clear(hole).is_ok(), set.clear(hole).is_ok());
                assert!(bits.snapshot() == set);
                bits.clear_range(0, track_count).unwrap();
                assert!(words.iter().all(|word| word.load(sync::Ordering::Relaxed) == 0));
            }
            assert!(bits.set(Extent::new(Track(u32::MAX), 2)).is_err());
            assert!(SharedBits::new(&words, 257).is_none());
        }
    }

    proptest! {
        #[test]
        fn any_sequence_of_changes_is_like_a_list_of_truth_values(
            track_count in prop::sample::select(&EDGES[3..]),
            changes in prop::collection::vec((any::<bool>(), 0u32..200, 0u32..150), 0..20),
        ) {
            let mut set = TrackSet::new(track_count);
            let mut shadow = vec![false; track_count as usize];
            for (value, first, count) in changes {
                let extent = Extent::new(Track(first), count);
                let result = if value { set.set(extent) } else { set.clear(extent) };
                prop_assert_eq!(result.is_ok(), first + count <= track_count);
                if result.is_ok() {
                    let range = first as usize..(first + count) as usize;
                    shadow[range.clone()].fill(value);
                    prop_assert_eq!(set.count_in(extent).unwrap(), if value { count } else { 0 });
                }
            }
            assert_same(&set, &shadow);
            let bytes = encoded(&set);
            prop_assert!(Decoder::new(&bytes).get::<TrackSet>().unwrap() == set);
            for length in 0..bytes.len() {
                prop_assert!(Decoder::new(&bytes[..length]).get::<TrackSet>().is_err());
            }
        }
    }
}
