//! The tracks of a data set as it was and as it is.

use super::{ChangedRun, Gain, Loss};
use crate::assess::Part;
use crate::geometry::{Extent, Track};

/// A stored extent, and the place of its first track in the stored data set.
#[derive(Clone, Copy)]
struct Piece {
    extent: Extent,
    place: u32,
}

/// The tracks that came, in the present order, and those that left, in the stored order. `partners` has for each present
/// part the number of the stored one that it was, if there is one.
pub(super) fn compare(
    stored: &[Part],
    present: &[Part],
    partners: &[Option<usize>],
) -> (Vec<ChangedRun<Gain>>, Vec<ChangedRun<Loss>>) {
    let pieces = pieces(stored);
    let mut walk = Walk { place: 0, next_stored: 0, kept: Vec::new(), new: Vec::new() };
    for (part, partner) in present.iter().zip(partners) {
        let was = partner.map(|number| {
            let mut pieces: Vec<Piece> =
                pieces[number].iter().copied().filter(|p| p.extent.track_count > 0).collect();
            pieces.sort_by_key(|piece| piece.extent.first);
            pieces
        });
        for &extent in &part.dscbs.extents {
            walk.extent(part, extent, was.as_deref());
        }
    }
    let gone = gone(stored, &pieces, partners, &walk.kept);
    (walk.new, gone)
}

/// The extents of each part with their places.
fn pieces(parts: &[Part]) -> Vec<Vec<Piece>> {
    let mut place = 0u32;
    let mut piece = |&extent: &Extent| {
        let start = place;
        place = place.saturating_add(extent.track_count);
        Piece { extent, place: start }
    };
    parts.iter().map(|part| part.dscbs.extents.iter().map(&mut piece).collect()).collect()
}

/// The present tracks, one after the other.
struct Walk {
    /// The place of the next one.
    place: u32,
    /// The first stored place that can still be kept, so that the order stays.
    next_stored: u32,
    /// The stored places that are kept, in ascending order, each as start and end.
    kept: Vec<(u32, u32)>,
    new: Vec<ChangedRun<Gain>>,
}

impl Walk {
    fn extent(&mut self, part: &Part, extent: Extent, was: Option<&[Piece]>) {
        let mut track = extent.first;
        while track < extent.end() {
            let left = extent.end().since(track);
            let (track_count, kept) = was.map_or((left, None), |pieces| self.step(pieces, track));
            let track_count = track_count.min(left);
            match kept {
                Some(stored) => {
                    self.next_stored = stored.saturating_add(track_count);
                    self.kept.push((stored, self.next_stored));
                }
                None => {
                    let how = match was {
                        None => Gain::Part,
                        Some(_) if track == extent.first => Gain::Extent,
                        Some(_) => Gain::Merged,
                    };
                    self.add(ChangedRun {
                        volser: part.volser,
                        extent: Extent::new(track, track_count),
                        place: self.place,
                        how,
                    });
                }
            }
            self.place = self.place.saturating_add(track_count);
            track = track.plus(track_count);
        }
    }

    /// How many tracks from this one on are alike, at least one, and the stored place of the first one if they are kept.
    fn step(&self, pieces: &[Piece], track: Track) -> (u32, Option<u32>) {
        let next = pieces.partition_point(|piece| piece.extent.first <= track);
        let inside = next.checked_sub(1).map(|last| pieces[last]);
        match inside.filter(|piece| piece.extent.contains(track)) {
            Some(piece) => {
                let left = piece.extent.end().since(track);
                let stored = piece.place.saturating_add(track.since(piece.extent.first));
                match self.next_stored.checked_sub(stored) {
                    None | Some(0) => (left, Some(stored)),
                    // It comes in another order than before: it is not kept.
                    Some(passed) => (left.min(passed), None),
                }
            }
            None => {
                (pieces.get(next).map_or(u32::MAX, |piece| piece.extent.first.since(track)), None)
            }
        }
    }

    /// Adds a run, or lengthens the last one.
    fn add(&mut self, run: ChangedRun<Gain>) {
        match self.new.last_mut() {
            // Only a run that begins its extent is no continuation.
            Some(last)
                if last.volser == run.volser
                    && run.how == Gain::Merged
                    && last.extent.end() == run.extent.first
                    && last.place.saturating_add(last.extent.track_count) == run.place =>
            {
                last.extent.track_count += run.extent.track_count;
            }
            _ => self.new.push(run),
        }
    }
}

/// The stored tracks that are not kept.
fn gone(
    stored: &[Part],
    pieces: &[Vec<Piece>],
    partners: &[Option<usize>],
    kept: &[(u32, u32)],
) -> Vec<ChangedRun<Loss>> {
    let mut gone = Vec::new();
    for (number, (part, pieces)) in stored.iter().zip(pieces).enumerate() {
        let first = pieces.first().map_or(0, |piece| piece.place);
        let end = |piece: &Piece| piece.place.saturating_add(piece.extent.track_count);
        let behind = pieces.last().map_or(0, end);
        // Where the part's last kept track ends.
        let kept_end = kept.iter().rfind(|(start, _)| (first..behind).contains(start));
        let kept_end = kept_end.map_or(first, |(_, end)| *end);
        for piece in pieces {
            let mut place = piece.place;
            while place < end(piece) {
                let next = kept.partition_point(|(_, end)| *end <= place);
                let (start, kept_to) = kept.get(next).copied().unwrap_or((u32::MAX, u32::MAX));
                if start <= place {
                    place = kept_to;
                    continue;
                }
                let track_count = start.min(end(piece)) - place;
                let how = match partners.contains(&Some(number)) {
                    false => Loss::Part,
                    true if place >= kept_end => Loss::Released,
                    true => Loss::Inside,
                };
                let first = piece.extent.first.plus(place - piece.place);
                let extent = Extent::new(first, track_count);
                gone.push(ChangedRun { volser: part.volser, extent, place, how });
                place += track_count;
            }
        }
    }
    gone
}
