//! The free tracks of a volume, as ascending runs that do not touch each other.
//!
//! Free space is known twice: as what no DSCB claims (the *complement*), and as what the F5 or F7 DSCBs record. The
//! record is void while DIRF is on, and while the DOS bit is on without F7s; then the complement counts, as it does for
//! the volume's own system. Where the record is valid, a track is free only if both agree: a track that the record
//! withholds may hold something that no DSCB tells of.

use super::Vtoc;
use super::claims::Claim;
use crate::bytes::array;
use crate::dscb::{Dscb, DscbAddress, Format4, Format5, Format7};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use std::collections::HashSet;

/// Entries of one F5.
const FORMAT5_ENTRIES: usize = 26;
/// Entries of one F7.
const FORMAT7_ENTRIES: usize = 16;
/// F5 DSCBs hold track numbers of 16 bits.
pub(super) const FORMAT5_TRACKS_MAX: u32 = 65_535;

/// A set of free tracks: a value, without any input or output.
///
/// ```
/// use trackmirror::geometry::{Extent, Track};
/// use trackmirror::vtoc::FreeSpace;
/// let mut free = FreeSpace::new(15);
/// free.give(Extent::new(Track(20), 40))?;
/// assert_eq!(free.fit(15, true), Some(Extent::new(Track(30), 15)));
/// free.take(Extent::new(Track(30), 15))?;
/// assert_eq!(free.runs(), [Extent::new(Track(20), 10), Extent::new(Track(45), 15)]);
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    heads: u16,
    /// Ascending; none is empty, overlaps another or touches it.
    runs: Vec<Extent>,
}

impl FreeSpace {
    /// No free track, on a volume with so many tracks in a cylinder.
    pub fn new(heads: u16) -> FreeSpace {
        FreeSpace { heads: heads.max(1), runs: Vec::new() }
    }

    /// What can be allocated on a volume: what no DSCB claims, and what the F5 or F7 DSCBs, if they are valid, do not
    /// withhold.
    ///
    /// Error: [`Reason::DamagedVtoc`], as of [`recorded`](FreeSpace::recorded).
    pub fn of(vtoc: &Vtoc) -> Result<FreeSpace> {
        let complement = FreeSpace::complement(vtoc);
        Ok(match FreeSpace::recorded(vtoc)? {
            Some(recorded) => complement.intersection(&recorded),
            None => complement,
        })
    }

    /// The usable tracks that neither label, VTOC nor any extent of any F1, F8 or F3 claims.
    pub fn complement(vtoc: &Vtoc) -> FreeSpace {
        FreeSpace::unclaimed(vtoc, &vtoc.claims())
    }

    /// As [`complement`](FreeSpace::complement), for one who has the claims already.
    pub(super) fn unclaimed(vtoc: &Vtoc, claims: &[Claim]) -> FreeSpace {
        let mut free = FreeSpace::new(vtoc.geometry.heads());
        let usable = Track(vtoc.usable_track_count());
        let mut next = Track(0);
        for extent in claims.iter().map(|claim| claim.extent) {
            let end = extent.first.min(usable);
            if next < end {
                free.runs.push(Extent::new(next, end.since(next)));
            }
            next = next.max(extent.end());
        }
        if next < usable {
            free.runs.push(Extent::new(next, usable.since(next)));
        }
        free
    }

    /// What the F5 or F7 DSCBs record as free; `None` if the format 4 says that they are void.
    ///
    /// Error: [`Reason::DamagedVtoc`] if the chain is broken, or its entries overlap or reach beyond the volume.
    pub fn recorded(vtoc: &Vtoc) -> Result<Option<FreeSpace>> {
        let (chain, entries): (Vec<DscbAddress>, Vec<Extent>) = match Record::of(vtoc.format4()) {
            Record::Void => return Ok(None),
            Record::Format5 => {
                let chain = format5_chain(vtoc)?;
                let entries = chain.iter().filter_map(|&address| match vtoc.dscb(address) {
                    Some(Dscb::Format5(format5)) => Some(format5.free(vtoc.geometry.heads())),
                    _ => None,
                });
                let entries = entries.flatten().collect();
                (chain, entries)
            }
            Record::Format7 => {
                let chain = format7_chain(vtoc)?;
                let entries = chain.iter().filter_map(|&address| match vtoc.dscb(address) {
                    Some(Dscb::Format7(format7)) => Some(format7.free()),
                    _ => None,
                });
                let entries = entries.flatten().collect();
                (chain, entries)
            }
        };
        let mut free = FreeSpace::new(vtoc.geometry.heads());
        for extent in entries {
            let check = vtoc.geometry.check(extent).and_then(|()| free.give(extent));
            check.map_err(|error| {
                let track = chain.first().map_or(vtoc.extent.first, |address| address.track);
                damaged(vtoc, track, &format!("an entry for free space: {}", error.sentence()))
            })?;
        }
        Ok(Some(free))
    }

    /// The runs, ascending.
    pub fn runs(&self) -> &[Extent] {
        &self.runs
    }

    /// The runs trimmed to cylinder boundaries, ascending; those that hold no whole cylinder are left out.
    pub fn aligned_runs(&self) -> impl Iterator<Item = Extent> + '_ {
        self.runs.iter().filter_map(|&run| self.aligned(run))
    }

    fn aligned(&self, run: Extent) -> Option<Extent> {
        let heads = u32::from(self.heads);
        let (first, end) = (run.first.0.div_ceil(heads), run.end().0 / heads);
        (first < end).then(|| Extent::new(Track(first * heads), (end - first) * heads))
    }

    /// The number of free tracks.
    pub fn track_count(&self) -> u32 {
        self.runs.iter().map(|run| run.track_count).sum()
    }

    /// The largest run; of equal ones the first.
    pub fn largest(&self) -> Option<Extent> {
        largest(self.runs.iter().copied())
    }

    /// The largest run of whole cylinders; of equal ones the first.
    pub fn largest_aligned(&self) -> Option<Extent> {
        largest(self.aligned_runs())
    }

    /// Whether all tracks of the extent are free. No extent without tracks is.
    pub fn is_free(&self, extent: Extent) -> bool {
        self.holder(extent).is_some()
    }

    /// The place of the run that holds the whole extent.
    fn holder(&self, extent: Extent) -> Option<usize> {
        let behind = self.runs.partition_point(|run| run.first <= extent.first);
        let place = behind.checked_sub(1)?;
        let run = self.runs[place];
        let room = run.track_count.saturating_sub(extent.first.since(run.first));
        (extent.track_count > 0 && extent.track_count <= room).then_some(place)
    }

    /// Takes an extent out.
    ///
    /// Error: [`Reason::ExtentNotFree`] if not all of it is free; then nothing is taken.
    pub fn take(&mut self, extent: Extent) -> Result<()> {
        let Some(place) = self.holder(extent) else {
            return Err(Error::new(
                Reason::ExtentNotFree,
                format!(
                    "not all of the {} tracks from track {} on are free",
                    extent.track_count, extent.first.0
                ),
            ));
        };
        let run = self.runs[place];
        let before = Extent::new(run.first, extent.first.since(run.first));
        let behind = Extent::new(extent.end(), run.end().since(extent.end()));
        let rest = [before, behind].into_iter().filter(|extent| extent.track_count > 0);
        self.runs.splice(place..=place, rest);
        Ok(())
    }

    /// Puts an extent in, and merges it with its neighbours.
    ///
    /// Error: [`Reason::BadRequest`] if a part of it is free already, or it has no tracks; then nothing is given.
    pub fn give(&mut self, extent: Extent) -> Result<()> {
        let refused = |what: &str| {
            let (first, count) = (extent.first.0, extent.track_count);
            Err(Error::new(
                Reason::BadRequest,
                format!("the {count} tracks from track {first} on cannot be freed: {what}"),
            ))
        };
        if extent.track_count == 0 || extent.first.0.checked_add(extent.track_count).is_none() {
            return refused("that is no run of tracks");
        }
        let place = self.runs.partition_point(|run| run.first < extent.first);
        let before = place.checked_sub(1).map(|place| self.runs[place]);
        let behind = self.runs.get(place).copied();
        if before.is_some_and(|run| run.overlaps(extent))
            || behind.is_some_and(|run| run.overlaps(extent))
        {
            return refused("some of them are free already");
        }
        let (mut merged, mut replaced) = (extent, place..place);
        if let Some(run) = before.filter(|run| run.end() == extent.first) {
            merged = Extent::new(run.first, run.track_count + merged.track_count);
            replaced.start -= 1;
        }
        if let Some(run) = behind.filter(|run| run.first == extent.end()) {
            merged.track_count += run.track_count;
            replaced.end += 1;
        }
        self.runs.splice(replaced, [merged]);
        Ok(())
    }

    /// The best fit: so many tracks at the start of the smallest run that has them (of equal ones the first). With
    /// `cylinder_aligned` they begin on a cylinder boundary, and only whole cylinders of the runs count.
    pub fn fit(&self, track_count: u32, cylinder_aligned: bool) -> Option<Extent> {
        let runs = self.runs.iter().filter_map(|&run| match cylinder_aligned {
            true => self.aligned(run),
            false => Some(run),
        });
        runs.filter(|run| track_count > 0 && run.track_count >= track_count)
            .min_by_key(|run| run.track_count)
            .map(|run| Extent::new(run.first, track_count))
    }

    /// The tracks that are free in both.
    #[must_use]
    pub fn intersection(&self, other: &FreeSpace) -> FreeSpace {
        let mut common = FreeSpace::new(self.heads);
        let (mut ours, mut theirs) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        while let (Some(&&a), Some(&&b)) = (ours.peek(), theirs.peek()) {
            let (first, end) = (a.first.max(b.first), a.end().min(b.end()));
            if first < end {
                common.runs.push(Extent::new(first, end.since(first)));
            }
            if a.end() <= b.end() {
                ours.next();
            } else {
                theirs.next();
            }
        }
        common
    }

    /// The F5 DSCBs that record these runs in the form of MVS; at least one, pointers not set.
    pub(super) fn to_format5s(&self) -> Vec<Format5> {
        let mut dscbs: Vec<Format5> = self
            .runs
            .chunks(FORMAT5_ENTRIES)
            .map(|runs| {
                let mut format5 = Format5::new();
                for (entry, run) in runs.iter().enumerate() {
                    format5.set_free(entry, *run, self.heads);
                }
                format5
            })
            .collect();
        if dscbs.is_empty() {
            dscbs.push(Format5::new());
        }
        dscbs
    }

    /// The F7 DSCBs that record these runs; at least one, pointers not set.
    pub(super) fn to_format7s(&self) -> Vec<Format7> {
        let mut dscbs: Vec<Format7> = self
            .runs
            .chunks(FORMAT7_ENTRIES)
            .map(|runs| {
                let mut format7 = Format7::new();
                for (entry, run) in runs.iter().enumerate() {
                    format7.set_free(entry, *run);
                }
                format7
            })
            .collect();
        if dscbs.is_empty() {
            dscbs.push(Format7::new());
        }
        dscbs
    }
}

fn largest(runs: impl Iterator<Item = Extent>) -> Option<Extent> {
    runs.reduce(|best, run| if run.track_count > best.track_count { run } else { best })
}

/// Where free space is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Nowhere that could be trusted.
    Void,
    /// In F5 DSCBs.
    Format5,
    /// In F7 DSCBs.
    Format7,
}

impl Record {
    pub(super) fn of(format4: &Format4) -> Record {
        let on = |bit| format4.indicators() & bit != 0;
        if on(Format4::VTOCI_DIRF) {
            Record::Void
        } else if on(Format4::VTOCI_EXTENDED_FREE) {
            Record::Format7
        } else if on(Format4::VTOCI_DOS) {
            Record::Void
        } else {
            Record::Format5
        }
    }
}

/// The addresses of the F5s: the first one is always the second record of the VTOC.
pub(super) fn format5_chain(vtoc: &Vtoc) -> Result<Vec<DscbAddress>> {
    let first = DscbAddress { track: vtoc.extent.first, record: 2 };
    chain(vtoc, first.to_bytes(&vtoc.geometry), "format 5", |dscb| matches!(dscb, Dscb::Format5(_)))
}

/// The addresses of the F7s, from DS4EFPTR on.
pub(super) fn format7_chain(vtoc: &Vtoc) -> Result<Vec<DscbAddress>> {
    chain(vtoc, vtoc.format4().f7_pointer(), "format 7", |dscb| matches!(dscb, Dscb::Format7(_)))
}

fn chain(
    vtoc: &Vtoc,
    mut pointer: [u8; 5],
    format: &str,
    is_right: impl Fn(&Dscb) -> bool,
) -> Result<Vec<DscbAddress>> {
    let (mut chain, mut seen) = (Vec::new(), HashSet::new());
    while pointer != [0; 5] {
        let address = DscbAddress::from_bytes(pointer, &vtoc.geometry).ok().flatten();
        let found = address.and_then(|address| Some((address, vtoc.dscb(address)?)));
        let Some((address, dscb)) = found.filter(|(_, dscb)| is_right(dscb)) else {
            let track = chain.last().map_or(vtoc.extent.first, |last: &DscbAddress| last.track);
            return Err(damaged(vtoc, track, &format!("a pointer leads to no {format} DSCB")));
        };
        if !seen.insert(address) {
            return Err(damaged(
                vtoc,
                address.track,
                &format!("the chain of the {format} DSCBs has no end"),
            ));
        }
        chain.push(address);
        pointer = array(&dscb.to_bytes(), 135);
    }
    Ok(chain)
}

fn damaged(vtoc: &Vtoc, track: Track, what: &str) -> Error {
    Error::new(
        Reason::DamagedVtoc,
        format!("{what}; let the volume's own system rebuild its free space"),
    )
    .on_volume(vtoc.volser)
    .at_track(track.0, vtoc.geometry.heads())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn free(heads: u16, runs: &[(u32, u32)]) -> FreeSpace {
        let mut free = FreeSpace::new(heads);
        runs.iter()
            .for_each(|&(first, count)| free.give(Extent::new(Track(first), count)).unwrap());
        free
    }

    #[test]
    fn the_best_fit_is_the_smallest_run_that_is_large_enough() {
        let free = free(15, &[(1, 50), (60, 14), (90, 30), (200, 29)]);
        let at = |first, count| Some(Extent::new(Track(first), count));
        assert_eq!(free.fit(10, false), at(60, 10));
        assert_eq!(free.fit(29, false), at(200, 29));
        assert_eq!(free.fit(51, false), None);
        assert_eq!(free.fit(15, true), at(210, 15));
        assert_eq!(free.fit(30, true), at(15, 30));
        assert_eq!(free.fit(45, true), None);
        assert_eq!((free.fit(0, false), free.fit(0, true)), (None, None));
        assert_eq!((free.largest(), free.largest_aligned()), (at(1, 50), at(15, 30)));
        assert_eq!(free.aligned_runs().map(|run| run.first.0).collect::<Vec<_>>(), [15, 90, 210]);
    }

    #[test]
    fn extents_at_the_end_of_all_numbers_do_not_overflow() {
        let mut free = free(15, &[(u32::MAX - 10, 10)]);
        assert!(free.is_free(Extent::new(Track(u32::MAX - 1), 1)));
        assert!(!free.is_free(Extent::new(Track(u32::MAX - 1), 2)));
        assert!(!free.is_free(Extent::new(Track(u32::MAX), u32::MAX)));
        assert!(free.give(Extent::new(Track(u32::MAX - 1), 2)).is_err());
        assert!(free.take(Extent::new(Track(0), u32::MAX)).is_err());
    }

    proptest! {
        #[test]
        fn takes_and_gives_are_those_of_single_tracks(
            steps in prop::collection::vec((any::<bool>(), 0u32..120, 0u32..20), 1..80)
        ) {
            let mut free = FreeSpace::new(15);
            let mut tracks = [false; 140];
            for (is_give, first, count) in steps {
                let extent = Extent::new(Track(first), count);
                let range = first as usize..(first + count) as usize;
                let fits = count > 0 && tracks[range.clone()].iter().all(|&track| track != is_give);
                let done = if is_give { free.give(extent) } else { free.take(extent) };
                prop_assert_eq!(done.is_ok(), fits);
                if fits {
                    tracks[range].fill(is_give);
                }
                let all = tracks.iter().filter(|&&track| track).count();
                prop_assert_eq!(free.track_count() as usize, all);
                prop_assert!(free.runs().windows(2).all(|pair| pair[0].end() < pair[1].first));
                for run in free.runs() {
                    prop_assert!((run.first.0..run.end().0).all(|track| tracks[track as usize]));
                }
            }
            // What is written into F5s and F7s is read back.
            let format5s = free.to_format5s();
            let read: Vec<Extent> = format5s.iter().flat_map(|format5| format5.free(15)).collect();
            prop_assert_eq!(&read, free.runs());
            let format7s = free.to_format7s();
            let read: Vec<Extent> = format7s.iter().flat_map(Format7::free).collect();
            prop_assert_eq!(&read, free.runs());
        }
    }
}
