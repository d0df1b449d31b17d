//! Runs of tracks, as they stand in lists.

use super::boundary::{list, text_in, to_array, volser};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::name::Volser;
use std::ffi::c_char;

/// A run of tracks of one volume. It stands in lists, one behind the other, and so has no size.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct tmr_extent {
    /// The serial of the volume.
    pub volser: [c_char; 16],
    /// The absolute number of its first track.
    pub first: u32,
    /// How many tracks it has.
    pub track_count: u32,
    /// Zero.
    pub reserved: [u32; 2],
}

const _: () = assert!(size_of::<tmr_extent>() == 32);

impl tmr_extent {
    /// The run of these tracks.
    pub(super) fn of(volser: Volser, extent: Extent) -> tmr_extent {
        tmr_extent {
            volser: to_array(&volser.to_string()),
            first: extent.first.0,
            track_count: extent.track_count,
            reserved: [0; 2],
        }
    }

    /// The volume and the tracks, of which there is at least one, and the last has a number.
    pub(super) fn run(&self) -> Result<(Volser, Extent)> {
        super::boundary::check_reserved("tmr_extent", &self.reserved)?;
        let volser = volser(text_in(&self.volser, "tmr_extent.volser")?)?;
        run_of(self.first, self.track_count)
            .map_err(|error| error.on_volume(volser))
            .map(|run| (volser, run))
    }
}

/// So many tracks from a first one on: at least one, and the last has a number.
pub(super) fn run_of(first: u32, track_count: u32) -> Result<Extent> {
    if track_count == 0 {
        return Err(Error::new(
            Reason::BadValue,
            format!("a run of no tracks from track {first} on"),
        ));
    }
    if first.checked_add(track_count).is_none() {
        let why = format!("{track_count} tracks from track {first} on are on no volume");
        return Err(Error::new(Reason::OutsideVolume, why));
    }
    Ok(Extent::new(Track(first), track_count))
}

/// The runs of a list.
///
/// # Safety
/// `pointer` is NULL, or points to so many of them.
pub(super) unsafe fn runs(
    pointer: *const tmr_extent,
    count: u32,
    what: &str,
) -> Result<Vec<(Volser, Extent)>> {
    // SAFETY: as the caller promised.
    unsafe { list(pointer, count, what) }?.iter().map(tmr_extent::run).collect()
}
