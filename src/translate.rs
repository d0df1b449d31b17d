//! The translate table: where each track of the plan's source extents goes.
//!
//! The problem: the data sets of one migration lie in many extents on several volumes, and get other extents (fewer,
//! more, of other sizes) on other volumes. The copier, which gets a track of a source volume, must know at once where
//! it belongs, and must not go wrong at the seams, where an extent ends on one side and goes on on the other.
//!
//! The rule: the order of a data set's tracks is kept. So a table is made by laying two lists of runs of tracks, one of
//! sources and one of targets, beside each other, and cutting where either side has a seam ([`TranslateTable::map`]).
//! An [`Entry`] is one source extent with the target runs that hold its tracks, in order. A table is checked as a whole
//! when it is made, and never changes:
//!
//! * The targets of an entry have as many tracks as its source.
//! * No track is in two sources or in two targets: it would be copied to two places, or two tracks to one.
//! * No track is in a source and in a target: the copy would destroy what is still to be read. Source and target may
//!   lie on the same volume (when extents are combined), but never on each other.
//!
//! Volumes are named by their serials, never by numbers of one run of the program, so that a table that was stored
//! ([`Encode`]) means the same when it is read back. A table of a checkpoint is input from outside and is checked like
//! a new one. The table does not need the volumes; [`TranslateTable::check_volumes`] compares it with their geometries.
//!
//! ```
//! use trackmirror::Volser;
//! use trackmirror::geometry::{Extent, Track};
//! use trackmirror::translate::TranslateTable;
//! let (old, new) = (Volser::parse("OLD001")?, Volser::parse("NEW001")?);
//! // Two extents of 30 and 20 tracks are combined into one of 50.
//! let source = [(old, Extent::new(Track(300), 30)), (old, Extent::new(Track(75), 20))];
//! let target = [(new, Extent::new(Track(15), 50))];
//! let table = TranslateTable::new(TranslateTable::map(&source, &target)?)?;
//! assert_eq!(table.to_target(old, Track(329)), Some((new, Track(44))));
//! assert_eq!(table.to_target(old, Track(75)), Some((new, Track(45))));
//! assert_eq!(table.to_source(new, Track(64)), Some((old, Track(94))));
//! assert_eq!(table.to_target(old, Track(330)), None);
//! # Ok::<(), trackmirror::Error>(())
//! ```

use crate::bytes::{Decoder, Encode, Encoder};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Geometry, Track};
use crate::name::Volser;
use std::collections::BTreeSet;

/// One source extent and where its tracks go, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The volume of the source.
    pub source_volser: Volser,
    /// The source.
    pub source: Extent,
    /// The runs of tracks that its tracks go to; together as many.
    pub targets: Vec<(Volser, Extent)>,
}

impl Encode for Entry {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.source_volser);
        to.put(&self.source);
        to.put(&(self.targets.len() as u32));
        for (volser, extent) in &self.targets {
            to.put(volser);
            to.put(extent);
        }
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Entry> {
        Ok(Entry {
            source_volser: from.get()?,
            source: from.get()?,
            targets: (0..from.get::<u32>()?)
                .map(|_| Ok((from.get()?, from.get()?)))
                .collect::<Result<_>>()?,
        })
    }
}

/// A run of tracks that is in one piece on the source and on the target: what one read and one write can copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The volume of the source.
    pub source_volser: Volser,
    /// The tracks of the source.
    pub source: Extent,
    /// The volume of the target.
    pub target_volser: Volser,
    /// The first track of the target; the others follow it.
    pub target: Track,
}

/// A run, and where it stands in the table.
#[derive(Clone, Copy, Debug)]
struct Piece {
    run: Run,
    entry: usize,
    /// The place of the run's first track in the entry's source.
    offset: u32,
}

/// The translate table: see the [module](self).
#[derive(Clone, Debug)]
pub struct TranslateTable {
    entries: Vec<Entry>,
    /// In ascending order of source volume and track.
    pieces: Vec<Piece>,
    /// The pieces' numbers, in ascending order of target volume and track.
    by_target: Vec<usize>,
}

impl TranslateTable {
    /// A table of these entries.
    ///
    /// Errors: [`Reason::TableOverlap`], [`Reason::TableMismatch`], [`Reason::OutsideVolume`] for an extent that no
    /// volume can have.
    pub fn new(entries: Vec<Entry>) -> Result<TranslateTable> {
        check_sizes(&entries)?;
        check_overlaps(&entries)?;
        let mut pieces = Vec::new();
        for (entry, Entry { source_volser, source, targets }) in entries.iter().enumerate() {
            let mut offset = 0;
            for &(target_volser, target) in targets {
                let run = Run {
                    source_volser: *source_volser,
                    source: Extent::new(source.first.plus(offset), target.track_count),
                    target_volser,
                    target: target.first,
                };
                pieces.push(Piece { run, entry, offset });
                offset += target.track_count;
            }
        }
        pieces.sort_unstable_by_key(|piece| (piece.run.source_volser, piece.run.source.first));
        let mut by_target: Vec<usize> = (0..pieces.len()).collect();
        by_target.sort_unstable_by_key(|&piece| {
            (pieces[piece].run.target_volser, pieces[piece].run.target)
        });
        Ok(TranslateTable { entries, pieces, by_target })
    }

    /// Lays two lists of runs of tracks beside each other: one entry for each source extent, whose tracks go, in order,
    /// to the next unused tracks of the targets. Targets that are left over stay unused.
    ///
    /// Error: [`Reason::TableMismatch`] if the targets have fewer tracks than the sources.
    pub fn map(source: &[(Volser, Extent)], target: &[(Volser, Extent)]) -> Result<Vec<Entry>> {
        let mut unused = target.iter().copied();
        let (mut volser, mut rest) = (Volser::from_bytes([0; 6]), Extent::new(Track(0), 0));
        let mut entries = Vec::with_capacity(source.len());
        for &(source_volser, source) in source.iter().filter(|(_, extent)| extent.track_count > 0) {
            let mut targets = Vec::new();
            let mut missing = source.track_count;
            while missing > 0 {
                while rest.track_count == 0 {
                    (volser, rest) = unused.next().ok_or_else(|| {
                        Error::new(
                            Reason::TableMismatch,
                            format!(
                                "the targets are used up with {missing} tracks left of the {} from track {} on; \
                                 give at least as many target tracks as source tracks",
                                source.track_count, source.first.0
                            ),
                        )
                        .on_volume(source_volser)
                    })?;
                    check_extent(volser, rest)?;
                }
                let track_count = missing.min(rest.track_count);
                targets.push((volser, Extent::new(rest.first, track_count)));
                rest = Extent::new(rest.first.plus(track_count), rest.track_count - track_count);
                missing -= track_count;
            }
            entries.push(Entry { source_volser, source, targets });
        }
        Ok(entries)
    }

    /// The entries, in the order in which they were given.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many tracks the sources have together.
    pub fn track_count(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.source.track_count)).sum()
    }

    /// The source volumes, each once, in ascending order.
    pub fn source_volsers(&self) -> BTreeSet<Volser> {
        self.entries.iter().map(|entry| entry.source_volser).collect()
    }

    /// The target volumes, each once, in ascending order.
    pub fn target_volsers(&self) -> BTreeSet<Volser> {
        self.entries.iter().flat_map(|entry| &entry.targets).map(|(volser, _)| *volser).collect()
    }

    /// Where a source track goes; `None` if it is in no source.
    pub fn to_target(&self, volser: Volser, track: Track) -> Option<(Volser, Track)> {
        let Run { source, target_volser, target, .. } =
            self.pieces[self.source_piece(volser, track)?].run;
        Some((target_volser, target.plus(track.since(source.first))))
    }

    /// Where what belongs on a target track comes from; `None` if it is in no target.
    pub fn to_source(&self, volser: Volser, track: Track) -> Option<(Volser, Track)> {
        let next = self.by_target.partition_point(|&piece| {
            let run = &self.pieces[piece].run;
            (run.target_volser, run.target) <= (volser, track)
        });
        let Run { source_volser, source, target_volser, target } =
            self.pieces[self.by_target[next.checked_sub(1)?]].run;
        let offset = track.0.checked_sub(target.0)?;
        (target_volser == volser && offset < source.track_count)
            .then(|| (source_volser, source.first.plus(offset)))
    }

    /// The number of the entry that a source track is in, and the track's place in it; `None` if it is in no source.
    pub fn position(&self, volser: Volser, track: Track) -> Option<(usize, u32)> {
        let piece = &self.pieces[self.source_piece(volser, track)?];
        Some((piece.entry, piece.offset + track.since(piece.run.source.first)))
    }

    /// The longest run of tracks from a source track on that is in one piece on source and target, or its first
    /// `track_count_max` tracks; `None` if the track is in no source. It may reach over several entries.
    pub fn run(&self, volser: Volser, track: Track, track_count_max: u32) -> Option<Run> {
        let first = self.source_piece(volser, track)?;
        let Run { source, target_volser, target, .. } = self.pieces[first].run;
        let target = target.plus(track.since(source.first));
        let mut track_count = source.end().since(track);
        for Piece { run: next, .. } in &self.pieces[first + 1..] {
            let in_one_piece = next.source_volser == volser
                && next.source.first == track.plus(track_count)
                && next.target_volser == target_volser
                && next.target == target.plus(track_count);
            if !in_one_piece || track_count >= track_count_max {
                break;
            }
            track_count += next.source.track_count;
        }
        let source = Extent::new(track, track_count.min(track_count_max));
        Some(Run { source_volser: volser, source, target_volser, target })
    }

    /// Every run of the table that is in one piece and in one entry, in ascending order of the source.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.pieces.iter().map(|piece| &piece.run)
    }

    /// How many [runs](TranslateTable::runs) it has.
    pub fn run_count(&self) -> usize {
        self.pieces.len()
    }

    /// One of the [runs](TranslateTable::runs), by its number.
    pub fn run_at(&self, number: usize) -> Option<&Run> {
        self.pieces.get(number).map(|piece| &piece.run)
    }

    /// That every volume of the table is given, that each extent lies on its volume, and that each source track has the
    /// form of the track where it goes.
    ///
    /// Errors: [`Reason::NoSuchVolume`], [`Reason::OutsideVolume`], [`Reason::UnlikeDevices`].
    pub fn check_volumes(
        &self,
        source: impl Fn(Volser) -> Option<Geometry>,
        target: impl Fn(Volser) -> Option<Geometry>,
    ) -> Result<()> {
        let missing = |volser: Volser, what: &str| {
            let error = Error::new(
                Reason::NoSuchVolume,
                format!("{what} volume {volser} of the translate table is not given; add it"),
            );
            error.on_volume(volser)
        };
        for Run { source_volser, source: extent, target_volser, target: first } in self.runs() {
            let from = source(*source_volser).ok_or_else(|| missing(*source_volser, "source"))?;
            let to = target(*target_volser).ok_or_else(|| missing(*target_volser, "target"))?;
            from.check(*extent).map_err(|error| error.on_volume(*source_volser))?;
            to.check(Extent::new(*first, extent.track_count))
                .map_err(|error| error.on_volume(*target_volser))?;
            if !from.is_like(&to) {
                return Err(Error::new(
                    Reason::UnlikeDevices,
                    format!(
                        "source {source_volser} is a {} with slots of {} bytes, target {target_volser} a {} with slots \
                         of {} bytes; choose a target of the same type",
                        from.device.name, from.slot_size, to.device.name, to.slot_size
                    ),
                )
                .on_volume(*target_volser));
            }
        }
        Ok(())
    }

    fn source_piece(&self, volser: Volser, track: Track) -> Option<usize> {
        let next = self.pieces.partition_point(|piece| {
            (piece.run.source_volser, piece.run.source.first) <= (volser, track)
        });
        let piece = next.checked_sub(1)?;
        let run = &self.pieces[piece].run;
        (run.source_volser == volser && run.source.contains(track)).then_some(piece)
    }
}

/// The order of entries is part of what a table is; the rest follows from them.
impl PartialEq for TranslateTable {
    fn eq(&self, other: &TranslateTable) -> bool {
        self.entries == other.entries
    }
}

impl Eq for TranslateTable {}

impl Encode for TranslateTable {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.entries);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<TranslateTable> {
        TranslateTable::new(from.get()?)
    }
}

/// That the extent has tracks, and a last one.
fn check_extent(volser: Volser, extent: Extent) -> Result<()> {
    match extent.first.0.checked_add(extent.track_count) {
        Some(_) => Ok(()),
        None => Err(Error::new(
            Reason::OutsideVolume,
            format!(
                "{} tracks from track {} on are on no volume",
                extent.track_count, extent.first.0
            ),
        )
        .on_volume(volser)),
    }
}

fn check_sizes(entries: &[Entry]) -> Result<()> {
    for Entry { source_volser, source, targets } in entries {
        check_extent(*source_volser, *source)?;
        targets.iter().try_for_each(|(volser, target)| check_extent(*volser, *target))?;
        let empty = source.track_count == 0 || targets.iter().any(|(_, t)| t.track_count == 0);
        let target_count: u64 = targets.iter().map(|(_, t)| u64::from(t.track_count)).sum();
        if empty || target_count != u64::from(source.track_count) {
            return Err(Error::new(
                Reason::TableMismatch,
                format!(
                    "the {} tracks from track {} on have {target_count} target tracks in {} runs; give exactly as \
                     many, in runs that are not empty",
                    source.track_count,
                    source.first.0,
                    targets.len()
                ),
            )
            .on_volume(*source_volser));
        }
    }
    Ok(())
}

fn check_overlaps(entries: &[Entry]) -> Result<()> {
    let mut used: Vec<(Volser, Extent, &str)> = Vec::new();
    for entry in entries {
        used.push((entry.source_volser, entry.source, "source"));
        used.extend(entry.targets.iter().map(|&(volser, extent)| (volser, extent, "target")));
    }
    used.sort_unstable_by_key(|&(volser, extent, _)| (volser, extent.first));
    for pair in used.windows(2) {
        let [(volser, one, one_is), (other_volser, two, two_is)] = [pair[0], pair[1]];
        if volser == other_volser && one.overlaps(two) {
            let name = |extent: Extent, is: &str| {
                format!("{is} tracks {} to {}", extent.first.0, extent.end().0 - 1)
            };
            return Err(Error::new(
                Reason::TableOverlap,
                format!("{} overlap {}", name(one, one_is), name(two, two_is)),
            )
            .on_volume(volser));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::encoded;
    use crate::geometry::Device;
    use proptest::prelude::*;

    fn volser(number: u8) -> Volser {
        Volser::parse(&format!("VOL{number:03}")).unwrap()
    }

    fn run(volume: u8, first: u32, track_count: u32) -> (Volser, Extent) {
        (volser(volume), Extent::new(Track(first), track_count))
    }

    fn table(source: &[(Volser, Extent)], target: &[(Volser, Extent)]) -> Result<TranslateTable> {
        TranslateTable::new(TranslateTable::map(source, target)?)
    }

    #[test]
    fn entries_are_cut_at_the_seams_of_both_sides() {
        let source = [run(1, 100, 10), run(1, 0, 0), run(2, 50, 5), run(1, 90, 5)];
        let target = [run(3, 0, 4), run(4, 7, 0), run(4, 20, 13), run(3, 10, 9)];
        let entries = TranslateTable::map(&source, &target).unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].targets, [run(3, 0, 4), run(4, 20, 6)]);
        assert_eq!(entries[1].targets, [run(4, 26, 5)]);
        assert_eq!(entries[2].targets, [run(4, 31, 2), run(3, 10, 3)]);
        let table = TranslateTable::new(entries).unwrap();
        assert_eq!(table.track_count(), 20);
        assert_eq!(table.source_volsers().into_iter().collect::<Vec<_>>(), [volser(1), volser(2)]);
        assert_eq!(table.target_volsers().into_iter().collect::<Vec<_>>(), [volser(3), volser(4)]);
        assert_eq!(table.position(volser(1), Track(94)), Some((2, 4)));
        assert_eq!(table.position(volser(1), Track(95)), None);
        assert_eq!(table.position(volser(2), Track(94)), None);
        assert_eq!(
            TranslateTable::map(&source, &target[..3]).unwrap_err().reason(),
            Reason::TableMismatch
        );
    }

    #[test]
    fn runs_go_on_over_entries_that_are_in_one_piece_on_both_sides() {
        let source = [run(1, 10, 5), run(1, 15, 5), run(1, 20, 5), run(1, 25, 5)];
        let table = table(&source, &[run(2, 0, 15), run(2, 16, 5)]).unwrap();
        let track_count = |first, max| {
            table.run(volser(1), Track(first), max).map_or(0, |run| run.source.track_count)
        };
        assert_eq!(track_count(10, u32::MAX), 15);
        assert_eq!(track_count(12, u32::MAX), 13);
        assert_eq!((track_count(12, 13), track_count(12, 3), track_count(12, 4)), (13, 3, 4));
        assert_eq!((track_count(25, 9), track_count(30, 9), track_count(9, 9)), (5, 0, 0));
        assert_eq!(table.run(volser(1), Track(17), 9).unwrap().target, Track(7));
    }

    #[test]
    fn overlaps_are_refused_on_either_side_and_between_them() {
        for (source, target) in [
            ([run(1, 0, 10), run(1, 9, 1)], [run(2, 0, 11), run(2, 20, 1)]),
            ([run(1, 0, 10), run(1, 20, 10)], [run(2, 0, 10), run(2, 5, 10)]),
            ([run(1, 0, 10), run(1, 20, 10)], [run(2, 0, 10), run(1, 29, 10)]),
            ([run(1, 0, 10), run(1, 0, 10)], [run(2, 0, 10), run(2, 10, 10)]),
            ([run(1, 0, 100), run(1, 40, 10)], [run(2, 0, 100), run(2, 100, 10)]),
        ] {
            let error = table(&source, &target).unwrap_err();
            assert_eq!(error.reason(), Reason::TableOverlap, "{source:?} {target:?}");
        }
        assert!(table(&[run(1, 0, 10)], &[run(1, 10, 10)]).is_ok());
    }

    #[test]
    fn entries_that_do_not_fit_are_refused() {
        let reason = |source: (Volser, Extent), targets: &[(Volser, Extent)]| {
            let entry =
                Entry { source_volser: source.0, source: source.1, targets: targets.to_vec() };
            TranslateTable::new(vec![entry]).unwrap_err().reason()
        };
        assert_eq!(reason(run(1, 0, 5), &[run(2, 0, 4)]), Reason::TableMismatch);
        assert_eq!(reason(run(1, 0, 5), &[run(2, 0, 4), run(2, 9, 2)]), Reason::TableMismatch);
        assert_eq!(reason(run(1, 0, 5), &[]), Reason::TableMismatch);
        assert_eq!(reason(run(1, 0, 0), &[]), Reason::TableMismatch);
        assert_eq!(reason(run(1, 0, 5), &[run(2, 0, 5), run(2, 9, 0)]), Reason::TableMismatch);
        assert_eq!(reason(run(1, u32::MAX, 2), &[run(2, 0, 2)]), Reason::OutsideVolume);
        assert_eq!(reason(run(1, 0, 2), &[run(2, u32::MAX - 1, 2)]), Reason::OutsideVolume);
        assert!(table(&[run(1, 0, 2)], &[run(2, u32::MAX, 2)]).is_err());
    }

    #[test]
    fn the_volumes_must_be_there_be_large_enough_and_be_alike() {
        let table = table(&[run(1, 0, 15)], &[run(2, 30, 15)]).unwrap();
        let geometry = |name, cylinders| {
            let device = Device::named(name).unwrap();
            Some(Geometry { device, cylinders, slot_size: device.slot_size() })
        };
        let reason = |source, target| {
            let result = table.check_volumes(|_| source, |_| target);
            result.err().map(|error| (error.reason(), error.volser()))
        };
        let on = |reason, volume| Some((reason, Some(*volser(volume).as_bytes())));
        let large = geometry("3390", 3);
        assert_eq!(reason(large, large), None);
        assert_eq!(reason(large, geometry("3390", 2)), on(Reason::OutsideVolume, 2));
        assert_eq!(reason(geometry("3390", 0), large), on(Reason::OutsideVolume, 1));
        assert_eq!(reason(None, large), on(Reason::NoSuchVolume, 1));
        assert_eq!(reason(large, None), on(Reason::NoSuchVolume, 2));
        assert_eq!(reason(large, geometry("3380", 9)), on(Reason::UnlikeDevices, 2));
    }

    proptest! {
        #[test]
        fn every_track_goes_there_and_comes_back(
            source in prop::collection::vec((1u8..3, 1u32..20), 1..12),
            target in prop::collection::vec((3u8..5, 1u32..30, 0u32..3), 1..12),
            max in 1u32..40,
        ) {
            // Extents one behind the other on each volume, those of the target with gaps.
            let mut free = [0u32; 6];
            let mut place = |volume: u8, track_count, gap| {
                let first = free[volume as usize] + gap;
                free[volume as usize] = first + track_count;
                run(volume, first, track_count)
            };
            let source: Vec<_> = source.into_iter().rev().map(|(v, n)| place(v, n, 0)).rev().collect();
            let mut target: Vec<_> = target.into_iter().map(|(v, n, gap)| place(v, n, gap)).collect();
            target.push(place(5, 300, 0));
            let table = table(&source, &target).unwrap();
            let tracks = |runs: &[(Volser, Extent)]| -> Vec<(Volser, Track)> {
                let all = |&(v, e): &(Volser, Extent)| (0..e.track_count).map(move |n| (v, e.first.plus(n)));
                runs.iter().flat_map(all).collect()
            };
            let pairs: Vec<_> = tracks(&source).into_iter().zip(tracks(&target)).collect();
            prop_assert_eq!(table.track_count(), pairs.len() as u64);
            let expected = |v, t| pairs.iter().find(|(from, _)| *from == (v, t)).map(|(_, to)| *to);
            for ((from, to), number) in pairs.iter().zip(0..) {
                prop_assert_eq!(table.to_target(from.0, from.1), Some(*to));
                prop_assert_eq!(table.to_source(to.0, to.1), Some(*from));
                let (entry, offset) = table.position(from.0, from.1).unwrap();
                let before: u32 = source[..entry].iter().map(|(_, extent)| extent.track_count).sum();
                prop_assert_eq!(before + offset, number);
                let run = table.run(from.0, from.1, max).unwrap();
                let in_one_piece = (0..max).take_while(|&n| {
                    expected(from.0, from.1.plus(n)) == Some((to.0, to.1.plus(n)))
                });
                prop_assert_eq!(run.source, Extent::new(from.1, in_one_piece.count() as u32));
                prop_assert_eq!((run.target_volser, run.target), *to);
            }
            for volume in 0..7 {
                for track in (0..free.iter().max().unwrap() + 2).map(Track) {
                    let volser = volser(volume);
                    prop_assert_eq!(table.to_target(volser, track), expected(volser, track));
                    let back = pairs.iter().find(|(_, to)| *to == (volser, track)).map(|(from, _)| *from);
                    prop_assert_eq!(table.to_source(volser, track), back);
                }
            }
            let bytes = encoded(&table);
            prop_assert!(Decoder::new(&bytes).get::<TranslateTable>().unwrap() == table);
            prop_assert!(Decoder::new(&bytes[..bytes.len() - 1]).get::<TranslateTable>().is_err());
        }
    }
}
