//! Monitor areas: where it is kept which tracks of a volume are written, and by whom.

use super::boundary::{
    Filled, Handle, Out, Structure, close, guarded, input, shared, text, text_if_any, to_array,
};
use super::{TMR_DONE, TMR_MORE, TMR_NO_TRACK, tmr_error, tmr_volume, tmr_volume_info};
use crate::error::{Error, Reason, Result};
use crate::monitor::{Area, CLAIM_WORDS, Identity, ImageReport, Kind, Locks, Memory, Standing};
use std::ffi::{OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

/// A volume's monitor area, open. Several threads may use it at a time.
pub struct tmr_area {
    _opaque: [u8; 0],
}

impl Handle for tmr_area {
    type Value = Area;
    const NAME: &'static str = "tmr_area";
}

/// The image is just being registered.
pub const TMR_STANDING_REGISTERING: u32 = 1;
/// The image is registered, and may write.
pub const TMR_STANDING_ATTACHED: u32 = 2;
/// The image has ended, with nothing in flight.
pub const TMR_STANDING_FAREWELL: u32 = 3;
/// The image died. What it had in flight counts as changed.
pub const TMR_STANDING_DEAD: u32 = 4;
/// The image fell silent: nobody knows what it writes.
pub const TMR_STANDING_SILENT: u32 = 5;
/// The operator has said that the image cannot write any more.
pub const TMR_STANDING_RETIRED: u32 = 6;
/// The record of the image is damaged.
pub const TMR_STANDING_DAMAGED: u32 = 7;

/// The process is one of the system that this program runs in, and not of a container.
pub const TMR_IMAGE_PROCESS_KNOWN: u32 = 1;

/// What is known of an image.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_image_info {
    /// sizeof (tmr_image_info).
    pub size: u32,
    /// TMR_IMAGE_BRACKETS, TMR_IMAGE_COMPLETIONS or TMR_IMAGE_REMOTE.
    pub kind: u32,
    /// TMR_STANDING_...
    pub standing: u32,
    /// TMR_IMAGE_PROCESS_KNOWN, or 0.
    pub flags: u32,
    /// How many writes are in flight in slots.
    pub slots_in_use: u32,
    /// The track whose write was refused last, or TMR_NO_TRACK.
    pub last_refused: u32,
    /// The number of its registration.
    pub incarnation: u64,
    /// Its process, for messages only.
    pub process: u64,
    /// When it last said that it lives: milliseconds since 1970.
    pub sign_of_life_ms: u64,
    /// How many writes are in flight that found no slot.
    pub writes_without_slot: u64,
    /// How many writes have ended, were refused or were noted, in all.
    pub write_count: u64,
    /// How many writes were refused because a track was sealed.
    pub refused_count: u64,
    /// Its name.
    pub name: [c_char; 64],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_image_info {
    const NAME: &'static str = "tmr_image_info";
    const SIZE_MIN: usize = 136;
}

const _: () = assert!(size_of::<tmr_image_info>() == 136);

impl tmr_image_info {
    fn of(report: &ImageReport) -> tmr_image_info {
        tmr_image_info {
            size: size_of::<tmr_image_info>() as u32,
            kind: match report.kind {
                Kind::Brackets => super::TMR_IMAGE_BRACKETS,
                Kind::Completions => super::TMR_IMAGE_COMPLETIONS,
                Kind::Remote => super::TMR_IMAGE_REMOTE,
            },
            standing: match report.standing {
                // Such a one is not shown.
                Standing::Free => 0,
                Standing::Registering => TMR_STANDING_REGISTERING,
                Standing::Attached => TMR_STANDING_ATTACHED,
                Standing::Farewell => TMR_STANDING_FAREWELL,
                Standing::Dead => TMR_STANDING_DEAD,
                Standing::Silent => TMR_STANDING_SILENT,
                Standing::Retired => TMR_STANDING_RETIRED,
                Standing::Damaged => TMR_STANDING_DAMAGED,
            },
            flags: if report.is_process_known { TMR_IMAGE_PROCESS_KNOWN } else { 0 },
            slots_in_use: report.slots_in_use,
            last_refused: report.last_refused.map_or(TMR_NO_TRACK, |track| track.0),
            incarnation: report.incarnation,
            process: report.process,
            sign_of_life_ms: report.last_sign_of_life.as_millis() as u64,
            writes_without_slot: report.writes_without_slot,
            write_count: report.write_count,
            refused_count: report.refused_count,
            name: to_array(&report.name),
        }
    }
}

/// How much memory the area of a volume with so many tracks needs.
fn memory_size(track_count: u32) -> Result<u64> {
    let size = Area::byte_count(track_count).map(|size| (size + CLAIM_WORDS * 8) as u64);
    size.ok_or_else(|| {
        Error::new(Reason::BadValue, format!("a volume cannot have {track_count} tracks"))
    })
}

/// Does: says how much memory the area of a volume with so many tracks needs (tmr_area_in_memory).
/// Gives back: 0 and the number of bytes; 8 if no volume has so many tracks.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_area_size(
    track_count: u32,
    length: *mut u64,
    error: *mut tmr_error,
) -> i32 {
    let size = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::take(length, "the place for the length") }?;
        out.give(memory_size(track_count)?);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, size) }
}

/// Does: opens the monitor area of a volume that lies in a file or on a device, or makes it; all programs of this machine that
///   name the same folder share it. `folder` is NULL for the one that the commands use.
/// Gives back: 0 and the area, to be closed with tmr_area_close; 8 if the volume is in memory or the host's (tmr_area_in_memory
///   serves those), or the folder is not one that others cannot write.
/// Threads: any.
/// When: while the volume is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_area_open(
    folder: *const c_char,
    volume: *const tmr_volume,
    area: *mut *mut tmr_area,
    error: *mut tmr_error,
) -> i32 {
    let open = || {
        // SAFETY: as the caller promised.
        let (out, volume) = unsafe { (Out::handle(area)?, shared(volume)?) };
        // SAFETY: as the caller promised.
        let folder = unsafe { text_if_any(folder, "folder") }?;
        if volume.path().is_none() {
            // Files are told apart by their inodes.
            let why = "the volume is no file, so no other program can find its area; give memory for it \
                       (tmr_area_in_memory)";
            return Err(Error::new(Reason::BadValue, why).on_volume(volume.volser()));
        }
        out.give_handle(match folder {
            None => Area::open(&**volume)?,
            Some(folder) => {
                let folder = Path::new(OsStr::from_bytes(folder.as_bytes()));
                Area::open_in(folder, Identity::of(&**volume)?)?
            }
        });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, open) }
}

/// Does: opens a monitor area in memory of the program's, or makes it there if the memory is all zero: for volumes that only this
///   process writes. `memory` is aligned to 8 bytes, and has as many as tmr_area_size says; nobody else touches it, and it stays
///   where it is until the area is closed and everything that was made with it. In `info` volser, device and cylinders are
///   needed. Of an area in this memory that was closed, subscriptions can be taken up again.
/// Gives back: 0 and the area, to be closed with tmr_area_close; 8 if the memory has another length, or holds something else or
///   an area of another volume; 12 if the area is open: it can be only once at a time (TMR_R_AREA_BUSY).
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_area_in_memory(
    memory: *mut c_void,
    length: u64,
    info: *const tmr_volume_info,
    area: *mut *mut tmr_area,
    error: *mut tmr_error,
) -> i32 {
    let open = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(area) }?;
        // SAFETY: as the caller promised.
        let (volser, geometry) = unsafe { input(info) }?.described()?;
        let start = NonNull::new(memory.cast::<u64>()).filter(|start| start.is_aligned());
        let start = start.ok_or_else(|| {
            Error::new(Reason::NullPointer, "the memory is NULL, or not aligned to 8 bytes")
        })?;
        let track_count = geometry.track_count();
        let needed = memory_size(track_count)?;
        if length != needed {
            let why = format!(
                "the area of {track_count} tracks needs {needed} bytes of memory, not {length}; see tmr_area_size"
            );
            return Err(Error::new(Reason::ShortBuffer, why).on_volume(volser));
        }
        let word_count = (needed / 8) as usize - CLAIM_WORDS;
        // SAFETY: as the caller promised.
        let memory = unsafe { Memory::of_host_alone(start, word_count) };
        let memory = memory.map_err(|process| {
            let why = if process == u64::from(std::process::id()) {
                "the area in this memory is open; use it, or close it and what was made with it".into()
            } else {
                format!(
                    "the area in this memory is open in process {process}, or that process ended without closing \
                     it; if so, clear the memory"
                )
            };
            Error::new(Reason::AreaBusy, why).on_volume(volser)
        })?;
        let identity = Identity {
            track_count,
            heads: geometry.heads(),
            device_code: geometry.device.code,
            volser: volser.into(),
            ..Identity::unknown()
        };
        out.give_handle(Area::in_memory(memory, Locks::local(), identity)?);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, open) }
}

/// Does: tells of an image, by its place in the list of all that have registered in the area, also those that have ended. The list
///   begins with 0, and changes as they come and go.
/// Gives back: 0; 8 if there is none at this place (TMR_R_NO_MORE).
/// Threads: several may at a time.
/// When: while the area is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_area_image(
    area: *const tmr_area,
    index: u32,
    info: *mut tmr_image_info,
    error: *mut tmr_error,
) -> i32 {
    let tell = || {
        // SAFETY: as the caller promised.
        let (out, area) = unsafe { (Filled::take(info)?, shared(area)?) };
        let images = area.images();
        out.give(&tmr_image_info::of(super::assess::numbered(&images, index, "images")?));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, tell) }
}

/// Does: takes the operator's word that an image cannot write any more. What it had in flight counts as changed, and every write
///   that it begins from now on is refused.
/// Gives back: 0; 4 if nobody knows what it wrote, so that every track counts as changed; 8 if no such image is registered.
/// Threads: several may at a time.
/// When: when an image fell silent and will not come back, or hangs with a write in flight, and somebody has seen to it that it
///   cannot write.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_area_retire(
    area: *const tmr_area,
    image: *const c_char,
    error: *mut tmr_error,
) -> i32 {
    let retire = || {
        // SAFETY: as the caller promised.
        let (area, name) = unsafe { (shared(area)?, text(image, "the image's name")?) };
        Ok(if area.retire(name)?.all_changed { TMR_MORE } else { TMR_DONE })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, retire) }
}

/// Does: ends the use of an area, and clears the pointer. What was made with it (images, subscriptions, a host) keeps it open as
///   long as it needs it.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no area, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_area_close(area: *mut *mut tmr_area) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(area) }
}

#[cfg(test)]
mod tests;
