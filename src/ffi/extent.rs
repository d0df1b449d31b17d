//! A run of tracks, as programs in C have it.

use super::boundary::{check_reserved, text_in, to_array, volser};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::name::Volser;
use std::ffi::c_char;

/// A run of tracks of one volume. It stands in lists, and so has no size of its own.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct tmr_extent {
    /// The serial of the volume. It may be empty where only one volume can be meant.
    pub volser: [c_char; 16],
    /// The absolute number of the first track.
    pub first: u32,
    /// How many tracks.
    pub track_count: u32,
    /// Zero.
    pub reserved: [u32; 2],
}

const _: () = assert!(size_of::<tmr_extent>() == 32);

impl tmr_extent {
    /// A run of tracks of this volume.
    pub(super) fn of(volser: Volser, extent: Extent) -> tmr_extent {
        tmr_extent {
            volser: to_array(&volser.to_string()),
            first: extent.first.0,
            track_count: extent.track_count,
            reserved: [0; 2],
        }
    }

    /// The tracks alone, which are on a volume that is known: at least one, and none beyond the highest number there is.
    pub(super) fn tracks(&self) -> Result<Extent> {
        check_reserved("tmr_extent", &self.reserved)?;
        let (first, track_count) = (self.first, self.track_count);
        if track_count == 0 || first.checked_add(track_count).is_none() {
            let why = format!("{track_count} tracks from track {first} on are no extent");
            return Err(Error::new(Reason::BadValue, why));
        }
        Ok(Extent::new(Track(first), track_count))
    }

    /// The volume, and the tracks.
    pub(super) fn on_volume(&self) -> Result<(Volser, Extent)> {
        let volser = volser(text_in(&self.volser, "tmr_extent.volser")?)?;
        Ok((volser, self.tracks().map_err(|error| error.on_volume(volser))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_go_there_and_back_and_impossible_ones_do_not() {
        let (volser, extent) = (Volser::parse("VOL001").unwrap(), Extent::new(Track(7), 3));
        let there = tmr_extent::of(volser, extent);
        assert_eq!(there.on_volume().unwrap(), (volser, extent));
        for (first, track_count) in [(0, 0), (u32::MAX, 1), (2, u32::MAX)] {
            let bad = tmr_extent { first, track_count, ..there };
            assert_eq!(bad.on_volume().unwrap_err().reason(), Reason::BadValue);
        }
        let nowhere = tmr_extent { volser: [0; 16], ..there };
        assert_eq!(nowhere.on_volume().unwrap_err().reason(), Reason::BadVolser);
        let reserved = tmr_extent { reserved: [0, 1], ..there };
        assert_eq!(reserved.tracks().unwrap_err().reason(), Reason::BadStructure);
    }
}
