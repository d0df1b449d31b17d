//! What applications write: a track says of itself which data set it belongs to, its place in it, and which write it is.
//!
//! It says so twice, at its beginning and at its end, so that a track which is half one write and half another is
//! known. The length changes with the number, so that some of these do not even check.

use crate::error::Result;
use crate::geometry::{Extent, Geometry, Track};
use crate::name::Volser;
use crate::track::{self, Place};

/// Which data set, which of its tracks, which write.
pub(super) type Stamp = (u32, u32, u32);

const LENGTH: usize = 12;

fn stamp_bytes((id, place, number): Stamp) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..4].copy_from_slice(&id.to_be_bytes());
    bytes[4..8].copy_from_slice(&place.to_be_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The slot of a track that holds this.
pub(super) fn image(geometry: &Geometry, track: Track, stamp: Stamp) -> Result<Vec<u8>> {
    let mut slot = vec![0; geometry.slot_size as usize];
    let mut first = stamp_bytes(stamp).to_vec();
    // Filled up with something that depends on the number.
    let fill = 40 + 24 * (stamp.2 % 5) as usize;
    first.resize(LENGTH + fill, stamp.2 as u8);
    let last = stamp_bytes(stamp);
    let records: [(&[u8], &[u8]); 2] = [(&[], &first), (&[], &last)];
    track::build(&mut slot, Place::new(geometry, track), &records)?;
    Ok(slot)
}

/// What a track says of itself; nothing if it is not the whole of one write, or belongs elsewhere on the volume.
pub(super) fn stamp(slot: &[u8], place: Place) -> Option<Stamp> {
    track::check(slot, place).ok()?;
    let mut stamps = track::records(slot).filter_map(|record| {
        let record = record.ok().filter(|record| record.number != 0)?;
        let data = record.data.get(..LENGTH)?;
        let word = |at: usize| {
            let bytes: [u8; 4] = data[at..at + 4].try_into().ok()?;
            Some(u32::from_be_bytes(bytes))
        };
        Some((word(0)?, word(4)?, word(8)?))
    });
    let (first, last) = (stamps.next()?, stamps.next()?);
    (first == last && stamps.next().is_none()).then_some(first)
}

/// The tracks of extents, in order.
pub(super) fn tracks_of(volser: Volser, extents: &[Extent]) -> Vec<(Volser, Track)> {
    let tracks = |extent: &Extent| extent.first.0..extent.end().0;
    extents.iter().flat_map(tracks).map(|track| (volser, Track(track))).collect()
}
