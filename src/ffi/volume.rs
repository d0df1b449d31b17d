//! Volumes: image files and devices, memory, and the host's own.

use super::boundary::{
    Filled, Handle, Out, Structure, bytes_of_text, check_options, choice, close, guarded, input,
    list, list_to_fill, shared, text, text_if_any, text_in, to_array, volser,
};
use super::tables::{Table, check_table, tmr_release};
use super::{TMR_DONE, tmr_error};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Device, Extent, Geometry, Track};
use crate::name::Volser;
use crate::registry;
use crate::volume::{self, Access, Held, Lock, Volume, memory::MemoryVolume};
use crate::vtoc::{Vtoc, init};
use parking_lot::Mutex;
use std::ffi::{OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// A volume that is open. Several threads may use it at a time.
pub struct tmr_volume {
    _opaque: [u8; 0],
}

impl Handle for tmr_volume {
    type Value = Arc<dyn Volume>;
    const NAME: &'static str = "tmr_volume";
}

/// Open a volume for reading, beside readers and monitored writers.
pub const TMR_READ: u32 = 1;
/// Open a volume for writing beside others, each of which tells a monitor what it writes.
pub const TMR_MONITORED_WRITE: u32 = 2;
/// Open a volume for writing, with nobody else reading or writing.
pub const TMR_EXCLUSIVE: u32 = 3;
/// Added to one of those: past every cache of this machine, because other machines write the volume too.
pub const TMR_PAST_CACHES: u32 = 0x100;

/// The volume can be written.
pub const TMR_VOLUME_WRITABLE: u32 = 1;
/// Every read comes from the medium, past all caches of this machine.
pub const TMR_VOLUME_PAST_CACHES: u32 = 2;
/// `location` is the path of the file or device that the volume lies on. By it the registry finds the monitor area, notes of
/// unfinished migrations are written beside it, and it is seen who has it open for writing without a monitor.
pub const TMR_VOLUME_FILE: u32 = 4;

/// What a volume is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_volume_info {
    /// sizeof (tmr_volume_info).
    pub size: u32,
    /// How many cylinders it has.
    pub cylinders: u32,
    /// How many tracks each of them has. The device tells; a host leaves it 0.
    pub heads: u32,
    /// How many tracks it has. The device and the cylinders tell; a host leaves it 0.
    pub track_count: u32,
    /// How many bytes each track has in a buffer; 0 from a host: as many as the device's tracks need.
    pub slot_size: u32,
    /// TMR_VOLUME_...
    pub flags: u32,
    /// Its serial.
    pub volser: [c_char; 16],
    /// Its device: a model, such as 3390-3; or from a host only its type, 3390: then the cylinders tell the model.
    pub device: [c_char; 16],
    /// Where it lies, for messages: a file's name, or what the host calls it. See TMR_VOLUME_FILE.
    pub location: [c_char; 256],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_volume_info {
    const NAME: &'static str = "tmr_volume_info";
    const SIZE_MIN: usize = 312;

    fn check(&self) -> Result<()> {
        check_options(
            self.flags,
            TMR_VOLUME_WRITABLE | TMR_VOLUME_PAST_CACHES | TMR_VOLUME_FILE,
            "tmr_volume_info.flags",
        )
    }
}

const _: () = assert!(size_of::<tmr_volume_info>() == 312);

impl tmr_volume_info {
    fn of(volume: &dyn Volume) -> tmr_volume_info {
        let geometry = volume.geometry();
        let location = volume.location();
        let flag = |is_so, flag| if is_so { flag } else { 0 };
        tmr_volume_info {
            size: size_of::<tmr_volume_info>() as u32,
            cylinders: geometry.cylinders,
            heads: geometry.heads().into(),
            track_count: geometry.track_count(),
            slot_size: geometry.slot_size,
            flags: flag(volume.is_writable(), TMR_VOLUME_WRITABLE)
                | flag(volume.is_past_caches(), TMR_VOLUME_PAST_CACHES)
                | flag(volume.path().is_some() && location.len() < 256, TMR_VOLUME_FILE),
            volser: to_array(&volume.volser().to_string()),
            device: to_array(geometry.device.name),
            location: to_array(&location),
        }
    }

    /// The volume that a host describes.
    pub(super) fn described(&self) -> Result<(Volser, Geometry)> {
        let volser = volser(text_in(&self.volser, "tmr_volume_info.volser")?)?;
        let device = text_in(&self.device, "tmr_volume_info.device")?;
        let (is_type, device) = (!device.contains('-'), Device::named(device)?);
        let (cylinders, heads) = (self.cylinders, u32::from(device.heads));
        // The models of a type have catalog entries of their own.
        let model = Device::of_image(device.code, device.heads, cylinders).filter(|_| is_type);
        let device = model.unwrap_or(device);
        let slot_size = if self.slot_size == 0 { device.slot_size() } else { self.slot_size };
        let geometry = Geometry { device, cylinders, slot_size };
        let bad = |why: String| Err(Error::new(Reason::BadValue, why).on_volume(volser));
        // As many as a monitor's area may have.
        if cylinders == 0 || cylinders.checked_mul(heads).is_none_or(|tracks| tracks > 1 << 30) {
            return bad(format!("a volume cannot have {cylinders} cylinders"));
        }
        if slot_size < device.slot_size() || slot_size > 1 << 20 {
            let least = device.slot_size();
            return bad(format!(
                "tmr_volume_info.slot_size is {slot_size}; tracks of a {} need {least}",
                device.name
            ));
        }
        if ![0, heads].contains(&self.heads)
            || ![0, geometry.track_count()].contains(&self.track_count)
        {
            return bad(format!(
                "a {} of {cylinders} cylinders has other heads or tracks",
                device.name
            ));
        }
        Ok((volser, geometry))
    }
}

/// The VTOC's lock.
pub const TMR_LOCK_VTOC: u32 = 1;
/// The lock of a catalog on the volume.
pub const TMR_LOCK_CATALOG: u32 = 2;

/// The functions of a host's own volume. Each gives back a return code, and fills the error block in if that is 8 or 12. They
/// are called by any thread, also by several at a time. A buffer has slots of the volume's slot size, one for each track, as they
/// stand in a CKD image: home address (a zero, CCHH), R0, records, end marker of eight bytes FF. A record is CCHH, its number,
/// its key length, its data length in two bytes (the higher one first), its key and its data; R0 is number 0, with eight bytes
/// of data.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_volume_functions {
    /// sizeof (tmr_volume_functions).
    pub size: u32,
    /// TMR_TABLE_VERSION.
    pub version: u32,
    /// Handed to each function.
    pub user: *mut c_void,
    /// Called once with `user`, when the library needs the table no more. May be NULL.
    pub release: tmr_release,
    /// Reads a run of tracks into the buffer.
    pub read: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            first: u32,
            track_count: u32,
            buffer: *mut c_void,
            length: u64,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Writes a run of tracks. They are durable after `flush`. NULL if the volume can only be read.
    pub write: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            first: u32,
            track_count: u32,
            buffer: *const c_void,
            length: u64,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Makes everything that was written durable, also what other programs of this machine wrote.
    pub flush: Option<unsafe extern "C" fn(user: *mut c_void, error: *mut tmr_error) -> i32>,
    /// Waits for TMR_LOCK_VTOC or TMR_LOCK_CATALOG, and takes it. NULL, with `unlock`: locks of this process serve.
    pub lock:
        Option<unsafe extern "C" fn(user: *mut c_void, lock: u32, error: *mut tmr_error) -> i32>,
    /// Lets go of it.
    pub unlock: Option<unsafe extern "C" fn(user: *mut c_void, lock: u32)>,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value but for functions, which are nothing until they are
// called, and its fields leave no bytes between them.
unsafe impl Structure for tmr_volume_functions {
    const NAME: &'static str = "tmr_volume_functions";
    const SIZE_MIN: usize = 64;

    fn check(&self) -> Result<()> {
        let needed = [("read", self.read.is_some()), ("flush", self.flush.is_some())];
        check_table(Self::NAME, self.version, &needed)?;
        if self.lock.is_some() != self.unlock.is_some() {
            let why = "of tmr_volume_functions.lock and unlock one is NULL; give both, or none";
            return Err(Error::new(Reason::NoSuchFunction, why));
        }
        Ok(())
    }
}

// SAFETY: functions, and a pointer that only they use.
unsafe impl Send for tmr_volume_functions {}
// SAFETY: as above.
unsafe impl Sync for tmr_volume_functions {}

/// A volume of the host.
#[derive(Debug)]
struct HostVolume {
    table: Table<tmr_volume_functions>,
    volser: Volser,
    geometry: Geometry,
    location: String,
    is_file: bool,
    is_writable: bool,
    is_past_caches: bool,
    locks: [Mutex<()>; 2],
}

impl HostVolume {
    fn failed(&self, error: Error, first: Track) -> Error {
        error.at_track(first, self.geometry.heads()).on_volume(self.volser)
    }

    fn run(&self, first: Track, length: usize) -> Result<u32> {
        let track_count = (length / self.geometry.slot_size as usize) as u32;
        let extent = Extent::new(first, track_count);
        self.geometry.check(extent).map_err(|error| self.failed(error, first))?;
        Ok(track_count)
    }
}

/// A lock of the host, held.
struct HostLock<'a>(&'a HostVolume, u32);

impl Drop for HostLock<'_> {
    fn drop(&mut self) {
        if let Some(unlock) = self.0.table.functions.unlock {
            // SAFETY: the host's function, with what it wants.
            unsafe { unlock(self.0.table.user(), self.1) };
        }
    }
}

impl Volume for HostVolume {
    fn volser(&self) -> Volser {
        self.volser
    }
    fn geometry(&self) -> Geometry {
        self.geometry
    }
    fn location(&self) -> String {
        self.location.clone()
    }
    fn path(&self) -> Option<&Path> {
        self.is_file.then(|| Path::new(&self.location))
    }
    fn is_writable(&self) -> bool {
        self.is_writable
    }
    fn is_past_caches(&self) -> bool {
        self.is_past_caches
    }

    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        let track_count = self.run(first, buffer.len())?;
        // What a function says it has read, and has not, must not be what was there before.
        buffer.chunks_mut(self.geometry.slot_size as usize).for_each(|slot| slot[..5].fill(0xFF));
        let read = self.table.functions.read;
        let read = self.table.carry_out("read", |user, error| match read {
            // SAFETY: the host's function, with what it wants.
            Some(read) => unsafe {
                read(
                    user,
                    first.0,
                    track_count,
                    buffer.as_mut_ptr().cast(),
                    buffer.len() as u64,
                    error,
                )
            },
            None => super::TMR_REFUSED,
        });
        read.map_err(|error| self.failed(error, first))
    }

    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let track_count = self.run(first, buffer.len())?;
        let write = self.table.functions.write.filter(|_| self.is_writable).ok_or_else(|| {
            let why = format!("{} can only be read", self.location);
            self.failed(Error::new(Reason::ReadOnlyVolume, why), first)
        })?;
        let written = self.table.carry_out("write", |user, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe {
                write(
                    user,
                    first.0,
                    track_count,
                    buffer.as_ptr().cast(),
                    buffer.len() as u64,
                    error,
                )
            }
        });
        written.map_err(|error| self.failed(error, first))
    }

    fn flush(&self) -> Result<()> {
        let flush = self.table.functions.flush;
        let flushed = self.table.carry_out("flush", |user, error| match flush {
            // SAFETY: the host's function, with what it wants.
            Some(flush) => unsafe { flush(user, error) },
            None => super::TMR_REFUSED,
        });
        flushed.map_err(|error| error.on_volume(self.volser))
    }

    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        let number = match lock {
            Lock::Vtoc => TMR_LOCK_VTOC,
            Lock::Catalog => TMR_LOCK_CATALOG,
        };
        let Some(take) = self.table.functions.lock else {
            return Ok(Box::new(self.locks[number as usize - 1].lock()));
        };
        let taken = self.table.carry_out("lock", |user, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe { take(user, number, error) }
        });
        taken.map_err(|error| error.on_volume(self.volser))?;
        Ok(Box::new(HostLock(self, number)))
    }
}

/// Does: opens a volume image or device. `access` is TMR_READ, TMR_MONITORED_WRITE or TMR_EXCLUSIVE, with TMR_PAST_CACHES
///   added if other machines write it.
/// Gives back: 0 and the volume, to be closed with tmr_volume_close; 8 if it is no image, or in use by somebody else.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_volume_open(
    path: *const c_char,
    access: u32,
    volume: *mut *mut tmr_volume,
    error: *mut tmr_error,
) -> i32 {
    let open = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(volume) }?;
        // SAFETY: as the caller promised.
        let path = Path::new(OsStr::from_bytes(unsafe { bytes_of_text(path, "path") }?));
        let kinds = [
            (TMR_READ, Access::Read),
            (TMR_MONITORED_WRITE, Access::MonitoredWrite),
            (TMR_EXCLUSIVE, Access::Exclusive),
        ];
        let kind = choice(access & !TMR_PAST_CACHES, &kinds, "access to a volume")?;
        let open =
            if access & TMR_PAST_CACHES == 0 { volume::open } else { volume::open_past_caches };
        out.give_handle(open(path, kind)?);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, open) }
}

/// Does: makes a volume in memory, all of whose tracks are empty; it has neither label nor VTOC (tmr_volume_initialize).
/// Gives back: 0 and the volume, to be closed with tmr_volume_close; 8 if there is no such device.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_volume_in_memory(
    info: *const tmr_volume_info,
    volume: *mut *mut tmr_volume,
    error: *mut tmr_error,
) -> i32 {
    let make = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(volume) }?;
        // SAFETY: as the caller promised.
        let (volser, geometry) = unsafe { input(info) }?.described()?;
        let byte_count = u64::from(geometry.track_count()) * u64::from(geometry.slot_size);
        if byte_count > 1 << 36 {
            let why = format!("{byte_count} bytes are too much memory for a volume");
            return Err(Error::new(Reason::BadValue, why).on_volume(volser));
        }
        out.give_handle(Arc::new(MemoryVolume::try_new(volser, geometry)?));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, make) }
}

/// Does: makes a volume of the host's own functions. In `info` volser, device and cylinders are needed; TMR_VOLUME_WRITABLE says
///   that it may be written.
/// Gives back: 0 and the volume, to be closed with tmr_volume_close; the table was taken, and its `release` will be called.
///   8: the table was not taken.
/// Threads: any. The functions are called by any thread, also by several at a time.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_volume_of_host(
    info: *const tmr_volume_info,
    functions: *const tmr_volume_functions,
    volume: *mut *mut tmr_volume,
    error: *mut tmr_error,
) -> i32 {
    let make = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(volume) }?;
        // SAFETY: as the caller promised.
        let (info, functions) = unsafe { (input(info)?, input(functions)?) };
        let (volser, geometry) = info.described()?;
        let is_writable = info.flags & TMR_VOLUME_WRITABLE != 0;
        if is_writable && functions.write.is_none() {
            let why = "tmr_volume_functions.write is NULL, and the volume is to be writable";
            return Err(Error::new(Reason::NoSuchFunction, why).on_volume(volser));
        }
        let location = text_in(&info.location, "tmr_volume_info.location")?;
        let is_file = info.flags & TMR_VOLUME_FILE != 0;
        if is_file && location.is_empty() {
            let why = "tmr_volume_info.location is empty, and the flags say that it is a path";
            return Err(Error::new(Reason::BadText, why).on_volume(volser));
        }
        let location =
            if location.is_empty() { format!("volume {volser}") } else { location.into() };
        out.give_handle(Arc::new(HostVolume {
            table: Table::new(functions, functions.user, functions.release),
            volser,
            geometry,
            location,
            is_file,
            is_writable,
            is_past_caches: info.flags & TMR_VOLUME_PAST_CACHES != 0,
            locks: Default::default(),
        }));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, make) }
}

/// Does: says what a volume is.
/// Gives back: 0.
/// Threads: several may at a time.
/// When: while the volume is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_volume_describe(
    volume: *const tmr_volume,
    info: *mut tmr_volume_info,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, volume) = unsafe { (Filled::take(info)?, shared(volume)?) };
        out.give(&tmr_volume_info::of(&**volume));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// That a buffer has a slot for each track.
fn check_length(volume: &dyn Volume, track_count: u32, length: u64) -> Result<()> {
    let needed = u64::from(track_count) * u64::from(volume.geometry().slot_size);
    if track_count == 0 || length != needed {
        let why = format!("{track_count} tracks need a buffer of {needed} bytes, not {length}");
        return Err(Error::new(Reason::ShortBuffer, why).on_volume(volume.volser()));
    }
    Ok(())
}

/// Does: reads tracks, `track_count` from `first` on, into a buffer of exactly so many slots. The images are not checked.
/// Gives back: 0; 8 if a track is outside the volume, or the buffer has another length; 12 if they cannot be read.
/// Threads: several may at a time.
/// When: while the volume is open.
///
/// # Safety
/// The pointers are as the text says; the buffer has `length` bytes, which nobody else uses meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_volume_read(
    volume: *const tmr_volume,
    first: u32,
    track_count: u32,
    buffer: *mut c_void,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    let read = || {
        // SAFETY: as the caller promised.
        let volume = unsafe { shared(volume) }?;
        check_length(&**volume, track_count, length)?;
        volume.geometry().check(Extent::new(Track(first), track_count))?;
        // SAFETY: as the caller promised.
        volume.read(Track(first), unsafe {
            list_to_fill(buffer.cast::<u8>(), length, "the buffer")
        }?)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, read) }
}

/// Does: writes tracks, as many as the buffer has slots. Each image is checked before the first one is written. They are durable
///   after tmr_volume_flush.
/// Gives back: 0; 8 if a track is outside the volume, or the buffer has another length; 12 if one does not check, or they cannot
///   be written.
/// Threads: several may at a time.
/// When: while the volume is open for writing. A volume that is open for TMR_MONITORED_WRITE must be written between
///   tmr_image_begin and tmr_image_end.
///
/// # Safety
/// The pointers are as the text says; the buffer has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_volume_write(
    volume: *const tmr_volume,
    first: u32,
    track_count: u32,
    buffer: *const c_void,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    let write = || {
        // SAFETY: as the caller promised.
        let volume = unsafe { shared(volume) }?;
        check_length(&**volume, track_count, length)?;
        let geometry = volume.geometry();
        geometry.check(Extent::new(Track(first), track_count))?;
        // SAFETY: as the caller promised.
        let buffer = unsafe { list(buffer.cast::<u8>(), length, "the buffer") }?;
        for (slot, track) in buffer.chunks(geometry.slot_size as usize).zip(first..) {
            let place = crate::track::Place::new(&geometry, Track(track));
            crate::track::check(slot, place).map_err(|error| {
                error.at_track(track, geometry.heads()).on_volume(volume.volser())
            })?;
        }
        volume.write(Track(first), buffer)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, write) }
}

/// Does: makes everything durable that was written.
/// Gives back: 0, or 12.
/// Threads: several may at a time.
/// When: while the volume is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_volume_flush(volume: *const tmr_volume, error: *mut tmr_error) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { guarded(error, || shared(volume)?.flush().map(|()| TMR_DONE)) }
}

/// That no data set would be lost by initialising a volume.
fn check_empty(volume: &dyn Volume) -> Result<()> {
    let Ok(vtoc) = Vtoc::read(volume) else { return Ok(()) };
    let Some((name, _)) = vtoc.data_sets().next() else { return Ok(()) };
    let count = vtoc.data_sets().count();
    let why = format!(
        "the volume has {count} data sets, which would be lost; scratch them first, or take a new volume"
    );
    Err(Error::new(Reason::VolumeNotEmpty, why).on_volume(volume.volser()).of_data_set(name))
}

/// Does: writes a label and an empty VTOC. `owner` may be NULL.
/// Gives back: 0; 8 for a serial that no volume can have, or one that is not the one the volume was opened under; 8 if the volume
///   has data sets (TMR_R_VOLUME_NOT_EMPTY), or an unfinished migration.
/// Threads: one.
/// When: while the volume is open for TMR_EXCLUSIVE, or is in memory, or the host's.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_volume_initialize(
    volume: *const tmr_volume,
    volser: *const c_char,
    owner: *const c_char,
    error: *mut tmr_error,
) -> i32 {
    let initialize = || {
        // SAFETY: as the caller promised.
        let (volume, volser) = unsafe { (shared(volume)?, text(volser, "volser")?) };
        // SAFETY: as the caller promised.
        let owner = unsafe { text_if_any(owner, "owner") }?.unwrap_or_default();
        let volser = Volser::parse(volser)?;
        if volser != volume.volser() {
            let why = format!("the volume is {}; give it that serial", volume.volser());
            return Err(Error::new(Reason::BadVolser, why).on_volume(volume.volser()));
        }
        if let Some(path) = volume.path() {
            registry::check_unfinished(path, Path::new(""))?;
        }
        check_empty(&**volume)?;
        init::initialize(&**volume, volser, None, owner)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, initialize) }
}

/// Does: ends the use of a volume, and clears the pointer. What was made with it (a host, a copier) keeps it open as long as it
///   needs it.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no volume, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_volume_close(volume: *mut *mut tmr_volume) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(volume) }
}
