//! The functions that write, and those that move a file's offset.

use crate::bracket::{Place, fail, moving, seek, tracked, write as bracket, write_up_to};
use crate::c::{self, c_char, c_int, c_uint, c_void, iovec};
use crate::image::{Image, Once};
use crate::table::{self, NONE};
use crate::{bracket, next, opens};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

/// Exports a function under a second name: with a file size of 64 bits both are the same.
macro_rules! also {
    ($(fn $name:ident = $of:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                // SAFETY: as for the other one.
                unsafe { $of($($argument),*) }
            }
        )*
    };
}
pub(crate) use also;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(descriptor: c_int, buffer: *const c_void, length: usize) -> isize {
    let entry = table::get(descriptor);
    // SAFETY: the caller keeps the rules of the function; so everywhere in this file.
    let act = || unsafe { next::write(descriptor, buffer, length) };
    if entry == NONE { act() } else { bracket(descriptor, entry, Place::Here, length as u64, act) }
}

/// How many bytes a list of parts has; `None` if the system will refuse it anyway.
unsafe fn total(parts: *const iovec, count: c_int) -> Option<u64> {
    if parts.is_null() || !(0..=1024).contains(&count) {
        return None;
    }
    // SAFETY: the caller has so many parts.
    let parts = unsafe { std::slice::from_raw_parts(parts, count as usize) };
    parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.iov_len as u64))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(descriptor: c_int, parts: *const iovec, count: c_int) -> isize {
    let entry = table::get(descriptor);
    let act = || unsafe { next::writev(descriptor, parts, count) };
    match unsafe { if entry == NONE { None } else { total(parts, count) } } {
        None if entry == NONE => act(),
        None => fail(c::EINVAL),
        Some(length) => bracket(descriptor, entry, Place::Here, length, act),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(
    descriptor: c_int,
    buffer: *const c_void,
    length: usize,
    offset: i64,
) -> isize {
    let entry = table::get(descriptor);
    let act = || unsafe { next::pwrite64(descriptor, buffer, length, offset) };
    if entry == NONE {
        return act();
    }
    bracket(descriptor, entry, Place::At(offset), length as u64, act)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev64(
    descriptor: c_int,
    parts: *const iovec,
    count: c_int,
    offset: i64,
) -> isize {
    let entry = table::get(descriptor);
    let act = || unsafe { next::pwritev64(descriptor, parts, count, offset) };
    match unsafe { if entry == NONE { None } else { total(parts, count) } } {
        None if entry == NONE => act(),
        None => fail(c::EINVAL),
        Some(length) => bracket(descriptor, entry, Place::At(offset), length, act),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev64v2(
    descriptor: c_int,
    parts: *const iovec,
    count: c_int,
    offset: i64,
    flags: c_int,
) -> isize {
    let entry = table::get(descriptor);
    let act = || unsafe { next::pwritev64v2(descriptor, parts, count, offset, flags) };
    let is_on_device = || Image::of(entry).is_some_and(Image::is_on_device);
    let place = match offset {
        _ if flags & c::RWF_APPEND != 0 && !is_on_device() => Place::Behind,
        -1 => Place::Here,
        _ => Place::At(offset),
    };
    match unsafe { if entry == NONE { None } else { total(parts, count) } } {
        None if entry == NONE => act(),
        None => fail(c::EINVAL),
        Some(length) => bracket(descriptor, entry, place, length, act),
    }
}

// Functions that only move the offset.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(descriptor: c_int, buffer: *mut c_void, length: usize) -> isize {
    let entry = table::get(descriptor);
    let act = || unsafe { next::read(descriptor, buffer, length) };
    if entry == NONE { act() } else { moving(entry, act) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn __read_chk(
    descriptor: c_int,
    buffer: *mut c_void,
    length: usize,
    size: usize,
) -> isize {
    let entry = table::get(descriptor);
    let act = || unsafe { next::__read_chk(descriptor, buffer, length, size) };
    if entry == NONE { act() } else { moving(entry, act) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn readv(descriptor: c_int, parts: *const iovec, count: c_int) -> isize {
    let entry = table::get(descriptor);
    let act = || unsafe { next::readv(descriptor, parts, count) };
    if entry == NONE { act() } else { moving(entry, act) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn preadv64v2(
    descriptor: c_int,
    parts: *const iovec,
    count: c_int,
    offset: i64,
    flags: c_int,
) -> isize {
    let entry = table::get(descriptor);
    let act = || unsafe { next::preadv64v2(descriptor, parts, count, offset, flags) };
    if entry == NONE || offset != -1 { act() } else { moving(entry, act) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lseek64(descriptor: c_int, offset: i64, from: c_int) -> i64 {
    let entry = table::get(descriptor);
    let act = || unsafe { next::lseek64(descriptor, offset, from) };
    if entry == NONE { act() } else { seek(descriptor, entry, act) }
}

// Copies within the system.

/// What a file can still give from an offset on, if it is a regular one.
fn left_in(descriptor: c_int, offset: i64) -> Option<u64> {
    // SAFETY: it is only asked for its metadata, and not closed.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(metadata.len().saturating_sub(u64::try_from(offset).ok()?))
}

/// Does a copy out of a file. If that is an image and its own offset counts, the copy is done with the offset handed
/// over, and moved on afterwards: both turns cannot be had at a time.
unsafe fn from_offset(
    from: c_int,
    offset: *mut i64,
    act: impl FnOnce(*mut i64, Option<u64>) -> isize,
) -> isize {
    unsafe {
        if !offset.is_null() {
            return act(offset, left_in(from, *offset));
        }
        let here = lseek64(from, 0, c::SEEK_CUR);
        if table::get(from) == NONE || here == -1 {
            return act(offset, if here == -1 { None } else { left_in(from, here) });
        }
        let mut moved = here;
        let result = act(&raw mut moved, left_in(from, here));
        if result > 0 {
            lseek64(from, here + result as i64, c::SEEK_SET);
        }
        result
    }
}

unsafe fn place_of(offset: *mut i64) -> Place {
    // SAFETY: it is null or leads to an offset.
    if offset.is_null() { Place::Here } else { Place::At(unsafe { *offset }) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_file_range(
    from: c_int,
    offset: *mut i64,
    to: c_int,
    to_offset: *mut i64,
    length: usize,
    flags: c_uint,
) -> isize {
    let entry = table::get(to);
    let copy = |offset, length: u64| unsafe {
        next::copy_file_range(from, offset, to, to_offset, length as usize, flags)
    };
    unsafe {
        if entry == NONE && table::get(from) == NONE {
            return copy(offset, length as u64);
        }
        from_offset(from, offset, |offset, left| {
            let length = (length as u64).min(left.unwrap_or(u64::MAX));
            if entry == NONE {
                return copy(offset, length);
            }
            write_up_to(to, entry, place_of(to_offset), length, |length| copy(offset, length))
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile64(
    to: c_int,
    from: c_int,
    offset: *mut i64,
    length: usize,
) -> isize {
    let entry = table::get(to);
    let copy = |offset, length: u64| unsafe { next::sendfile64(to, from, offset, length as usize) };
    unsafe {
        if entry == NONE && table::get(from) == NONE {
            return copy(offset, length as u64);
        }
        from_offset(from, offset, |offset, left| {
            let length = (length as u64).min(left.unwrap_or(u64::MAX));
            if entry == NONE {
                return copy(offset, length);
            }
            write_up_to(to, entry, Place::Here, length, |length| copy(offset, length))
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn splice(
    from: c_int,
    offset: *mut i64,
    to: c_int,
    to_offset: *mut i64,
    length: usize,
    flags: c_uint,
) -> isize {
    let entry = table::get(to);
    unsafe {
        if entry == NONE && (table::get(from) == NONE || !offset.is_null()) {
            return next::splice(from, offset, to, to_offset, length, flags);
        }
        if entry == NONE {
            return from_offset(from, offset, |offset, _| {
                next::splice(from, offset, to, to_offset, length, flags)
            });
        }
        loop {
            let may_wait = flags & c::SPLICE_F_NONBLOCK == 0 && !opens::is_nonblocking(from);
            if may_wait {
                // Waited for before the write is announced: tracks must not be in flight until somebody fills a pipe.
                let mut pipe = c::pollfd { fd: from, events: c::POLLIN, revents: 0 };
                if c::poll(&raw mut pipe, 1, -1) == -1 {
                    return -1;
                }
            }
            let flags = flags | c::SPLICE_F_NONBLOCK;
            let place = place_of(to_offset);
            let result = write_up_to(to, entry, place, length.min(1 << 20) as u64, |length| {
                next::splice(from, offset, to, to_offset, length as usize, flags)
            });
            if !(may_wait && result == -1 && c::errno() == c::EAGAIN) {
                return result;
            }
        }
    }
}

// Functions that change a file's length or its holes.

/// The tracks that are changed when a range is allocated, zeroed or punched, or what follows it is moved.
fn allocated(image: &Image, mode: c_int, offset: i64, length: i64) -> Option<(u32, u32)> {
    const COLLAPSE_OR_INSERT: c_int = 0x08 | 0x20;
    let (offset, length) = (u64::try_from(offset).ok()?, u64::try_from(length).ok()?);
    if mode & COLLAPSE_OR_INSERT != 0 {
        return Some(image.format.tracks_from(offset));
    }
    image.format.tracks(offset, length.max(1))
}

fn outside(image: &Image) -> c_int {
    if image.tell_once(Once::Outside) {
        bracket::say(&["a write beyond the end of ", &image.name, " was refused"]);
    }
    c::EFBIG
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fallocate64(
    descriptor: c_int,
    mode: c_int,
    offset: i64,
    length: i64,
) -> c_int {
    let entry = table::get(descriptor);
    let act = || unsafe { next::fallocate64(descriptor, mode, offset, length) };
    let Some(image) = Image::of(entry) else { return unless_ours(entry, act) };
    match allocated(image, mode, offset, length) {
        _ if offset < 0 || length <= 0 => fail(c::EINVAL),
        Some(tracks) => tracked(image, Some(descriptor), tracks, act),
        None => fail(outside(image)),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate64(descriptor: c_int, offset: i64, length: i64) -> c_int {
    let entry = table::get(descriptor);
    let act = || unsafe { next::posix_fallocate64(descriptor, offset, length) };
    let Some(image) = Image::of(entry) else {
        return if entry == NONE { act() } else { c::EBADF };
    };
    match allocated(image, 0, offset, length) {
        _ if offset < 0 || length <= 0 => c::EINVAL,
        // It gives the error back, and leaves `errno`.
        Some(tracks) => {
            let before = c::errno();
            let result = tracked(image, Some(descriptor), tracks, act);
            let error = if result == -1 { c::errno() } else { result };
            c::set_errno(before);
            error
        }
        None => outside(image),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(descriptor: c_int, length: i64) -> c_int {
    let entry = table::get(descriptor);
    let act = || unsafe { next::ftruncate64(descriptor, length) };
    let Some(image) = Image::of(entry) else { return unless_ours(entry, act) };
    match u64::try_from(length) {
        // The system refuses it.
        _ if image.is_on_device() => act(),
        Err(_) => fail(c::EINVAL),
        Ok(length) if length > image.format.end() => fail(outside(image)),
        Ok(length) => tracked(image, Some(descriptor), image.format.tracks_from(length), act),
    }
}

fn unless_ours(entry: u16, act: impl FnOnce() -> c_int) -> c_int {
    match entry {
        table::FORBIDDEN => fail(c::EIO),
        table::OURS if !crate::start::is_busy() => fail(c::EBADF),
        _ => act(),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn truncate64(path: *const c_char, length: i64) -> c_int {
    let act = || unsafe { next::truncate64(path, length) };
    match unsafe { opens::image_at(c::AT_FDCWD, path, 0) } {
        Ok(None) => act(),
        Err(error) => fail(error),
        Ok(Some(image)) => match u64::try_from(length) {
            _ if image.is_on_device() => act(),
            Err(_) => fail(c::EINVAL),
            Ok(length) if length > image.format.end() => fail(outside(image)),
            Ok(length) => tracked(image, None, image.format.tracks_from(length), act),
        },
    }
}

also! {
    fn pwrite = pwrite64(
        descriptor: c_int, buffer: *const c_void, length: usize, offset: i64
    ) -> isize;
    fn pwritev = pwritev64(
        descriptor: c_int, parts: *const iovec, count: c_int, offset: i64
    ) -> isize;
    fn pwritev2 = pwritev64v2(
        descriptor: c_int, parts: *const iovec, count: c_int, offset: i64, flags: c_int
    ) -> isize;
    fn preadv2 = preadv64v2(
        descriptor: c_int, parts: *const iovec, count: c_int, offset: i64, flags: c_int
    ) -> isize;
    fn lseek = lseek64(descriptor: c_int, offset: i64, from: c_int) -> i64;
    fn sendfile = sendfile64(to: c_int, from: c_int, offset: *mut i64, length: usize) -> isize;
    fn fallocate = fallocate64(descriptor: c_int, mode: c_int, offset: i64, length: i64) -> c_int;
    fn posix_fallocate = posix_fallocate64(descriptor: c_int, offset: i64, length: i64) -> c_int;
    fn ftruncate = ftruncate64(descriptor: c_int, length: i64) -> c_int;
    fn truncate = truncate64(path: *const c_char, length: i64) -> c_int;
}
