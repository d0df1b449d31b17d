//! The host's own volumes: image files, read and written by position. Locks and the DSCBs are those of the library's own
//! volumes, opened a second time, as an image with a monitor.

use super::desk::{Desk, array, release, serve, size_of_it};
use super::lies::{Lie, Stale};
use std::cell::RefCell;
use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trackmirror::ffi::*;
use trackmirror::monitor::MonitoredVolume;
use trackmirror::volume::{Held, Lock, Volume};
use trackmirror::{Error, Result};

/// What stands before the first track of an image.
const HEADER_LENGTH: u64 = 512;

/// An image file. It is open for reading: whoever has an image open for writing all the time, and holds no lock of it, keeps
/// out programs that know of no monitor when they open it.
pub struct FileVolume {
    path: PathBuf,
    file: File,
    slot_size: u64,
    /// For its locks alone.
    volume: Arc<dyn Volume>,
    stale: Option<Stale>,
    drops_writes: bool,
}

thread_local! {
    /// The locks that this thread holds: the volume's address, which lock.
    static HELD: RefCell<Vec<(usize, u32, Held<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// Opens an image a second time, for what the library's own objects do behind the tables.
pub fn open(path: &Path) -> Result<Arc<dyn Volume>> {
    Ok(Arc::new(MonitoredVolume::open(path, &format!("HOST-{}", std::process::id()))?))
}

/// A volume of the host, and its table.
pub fn table(
    desk: &Desk,
    path: &Path,
    volume: &Arc<dyn Volume>,
    lie: Option<Lie>,
) -> Result<(tmr_volume_info, tmr_volume_functions)> {
    let io = |error| Error::io(path.display(), &error);
    let file = File::open(path).map_err(io)?;
    let geometry = volume.geometry();
    let info = tmr_volume_info {
        size: size_of_it::<tmr_volume_info>(),
        cylinders: geometry.cylinders,
        heads: 0,
        track_count: 0,
        slot_size: geometry.slot_size,
        flags: TMR_VOLUME_WRITABLE | TMR_VOLUME_FILE,
        volser: array(&volume.volser().to_string()),
        device: array(geometry.device.name),
        location: array(&path.to_string_lossy()),
    };
    let is_target = volume.volser().to_string().starts_with("NEW");
    let serves = FileVolume {
        path: path.into(),
        file,
        slot_size: geometry.slot_size.into(),
        volume: volume.clone(),
        stale: (lie == Some(Lie::StaleReads)).then(Stale::default),
        drops_writes: lie == Some(Lie::LostWrites) && is_target,
    };
    let functions = tmr_volume_functions {
        size: size_of_it::<tmr_volume_functions>(),
        version: TMR_TABLE_VERSION,
        user: desk.user(&format!("volume {}", volume.volser()), serves),
        release: Some(release::<FileVolume>),
        read: Some(read),
        write: Some(write),
        flush: Some(flush),
        lock: Some(lock),
        unlock: Some(unlock),
    };
    Ok((info, functions))
}

impl FileVolume {
    fn place(&self, first: u32) -> u64 {
        HEADER_LENGTH + u64::from(first) * self.slot_size
    }
}

unsafe extern "C" fn read(
    user: *mut c_void,
    first: u32,
    track_count: u32,
    buffer: *mut c_void,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    let read = |volume: &FileVolume| {
        assert_eq!(length, u64::from(track_count) * volume.slot_size);
        // SAFETY: the library's buffer is so long.
        let buffer =
            unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length as usize) };
        let read = volume.file.read_exact_at(buffer, volume.place(first));
        read.map_err(|error| Error::io("a read", &error))?;
        if let Some(stale) = &volume.stale {
            stale.read(first, buffer, volume.slot_size as usize);
        }
        Ok(TMR_DONE)
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, read) }
}

unsafe extern "C" fn write(
    user: *mut c_void,
    first: u32,
    track_count: u32,
    buffer: *const c_void,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    let write = |volume: &FileVolume| {
        assert_eq!(length, u64::from(track_count) * volume.slot_size);
        // SAFETY: the library's buffer is so long.
        let mut buffer =
            unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length as usize) };
        if volume.drops_writes && track_count > 1 {
            buffer = &buffer[..buffer.len() - volume.slot_size as usize];
        }
        let file = OpenOptions::new().write(true).open(&volume.path);
        let written = file.and_then(|file| file.write_all_at(buffer, volume.place(first)));
        written.map(|()| TMR_DONE).map_err(|error| Error::io("a write", &error))
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, write) }
}

unsafe extern "C" fn flush(user: *mut c_void, error: *mut tmr_error) -> i32 {
    let flush = |volume: &FileVolume| {
        let flushed = volume.file.sync_data();
        flushed.map(|()| TMR_DONE).map_err(|error| Error::io("a flush", &error))
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, flush) }
}

unsafe extern "C" fn lock(user: *mut c_void, lock: u32, error: *mut tmr_error) -> i32 {
    let take = |volume: &FileVolume| {
        let kind = if lock == TMR_LOCK_VTOC { Lock::Vtoc } else { Lock::Catalog };
        let held = volume.volume.lock(kind)?;
        // SAFETY: the volume outlives the lock: the library lets go of what it holds before it releases the table.
        let held = unsafe { std::mem::transmute::<Held<'_>, Held<'static>>(held) };
        HELD.with_borrow_mut(|all| all.push((user as usize, lock, held)));
        Ok(TMR_DONE)
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, take) }
}

unsafe extern "C" fn unlock(user: *mut c_void, lock: u32) {
    HELD.with_borrow_mut(|all| {
        let is_it =
            |(of, which, _): &(usize, u32, Held<'static>)| (*of, *which) == (user as usize, lock);
        let place = all.iter().rposition(is_it).expect("what is unlocked was locked");
        drop(all.remove(place));
    });
}
