//! The functions by which descriptors come into being, are duplicated, and end.

use crate::bracket::{Uncancelled, fail, say, tracked};
use crate::c::{self, c_char, c_int, c_long, c_uint, c_void};
use crate::image::{self, Image, Recognised};
use crate::start::{Busy, is_busy};
use crate::table::{self, NONE, OURS};
use crate::writes::also;
use crate::{next, streams};
use std::ffi::CStr;
use std::sync::atomic::Ordering;

/// Our own descriptors are put above this, out of the program's way.
const OURS_FROM: c_long = 800;

/// Whether a descriptor is open, and can be written through.
pub fn is_writable(descriptor: c_int) -> bool {
    // SAFETY: it takes no memory.
    let flags = unsafe { next::fcntl(descriptor, c::F_GETFL, 0) };
    flags != -1 && flags & c::O_PATH == 0 && flags & c::O_ACCMODE != c::O_RDONLY
}

/// Whether a descriptor was set not to wait.
pub fn is_nonblocking(descriptor: c_int) -> bool {
    // SAFETY: it takes no memory.
    let flags = unsafe { next::fcntl(descriptor, c::F_GETFL, 0) };
    flags != -1 && flags & c::O_NONBLOCK != 0
}

/// Remembers that writes may go to the file's end.
pub fn note_appending(image: &Image, descriptor: c_int) {
    // SAFETY: it takes no memory.
    let flags = unsafe { next::fcntl(descriptor, c::F_GETFL, 0) };
    if flags == -1 || flags & c::O_APPEND != 0 {
        image.appends.store(true, Ordering::Relaxed);
    }
}

/// What a file is, and its entry in the table if it is an image. The error is what the program gets.
fn entry_of(descriptor: c_int) -> Result<u16, c_int> {
    let recognised = {
        let _busy = Busy::begin();
        image::recognise(descriptor)
    };
    let refuse = |why: &str| {
        say(&["a volume cannot be monitored, so it is not opened for writing: ", why]);
        c::EIO
    };
    match recognised {
        Ok(Recognised::Image(format)) => image::enter(format).map_err(|why| refuse(&why)),
        Ok(Recognised::Unmovable(why)) => Ok(image::known(descriptor).unwrap_or_else(|| {
            say(&["a CKD file is not monitored, because it cannot be moved from: ", why]);
            NONE
        })),
        // Also a file that may be written, but not even read.
        Ok(Recognised::Other) | Err(_) => Ok(image::known(descriptor).unwrap_or(NONE)),
    }
}

/// Looks at a descriptor that just came into being, and closes it again if it cannot be monitored.
pub fn admit(descriptor: c_int) -> c_int {
    if descriptor < 0 {
        return descriptor;
    }
    if is_busy() {
        return keep_for_us(descriptor);
    }
    // The number may have been an image's, closed in a way that was not seen.
    table::set(descriptor, NONE);
    if !is_writable(descriptor) {
        return descriptor;
    }
    let _uncancelled = Uncancelled::always();
    let error = c::errno();
    match entry_of(descriptor) {
        Ok(NONE) => {}
        Ok(entry) if table::has_room_for(descriptor) => {
            if let Some(image) = Image::of(entry) {
                note_appending(image, descriptor);
            }
            table::set(descriptor, entry);
        }
        refused => {
            // SAFETY: it was just opened, and nobody knows it.
            unsafe { next::close(descriptor) };
            return fail(refused.err().unwrap_or(c::EMFILE));
        }
    }
    c::set_errno(error);
    descriptor
}

/// Puts a descriptor of our own where no program looks for one.
fn keep_for_us(descriptor: c_int) -> c_int {
    // SAFETY: it was just opened by us, and nobody knows its first number.
    unsafe {
        let high = next::fcntl(descriptor, c::F_DUPFD_CLOEXEC, OURS_FROM);
        if high == -1 {
            table::set(descriptor, OURS);
            return descriptor;
        }
        next::close(descriptor);
        table::set(high, OURS);
        high
    }
}

/// The image at a path, opened from a folder, if there is one.
pub unsafe fn image_at(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
) -> Result<Option<&'static Image>, c_int> {
    let _uncancelled = Uncancelled::always();
    let flags = flags & c::O_NOFOLLOW | c::O_RDONLY | c::O_NONBLOCK | c::O_CLOEXEC;
    let error = c::errno();
    // SAFETY: the path is the caller's; what is opened is closed again, and nobody else sees it.
    let entry = unsafe {
        // A pipe or a terminal may do something when it is opened, and is no image.
        if !may_be_image(folder, path) {
            return Ok(None);
        }
        let descriptor = next::openat64(folder, path, flags, 0);
        if descriptor == -1 {
            // What cannot be read cannot be recognised; the call itself will tell what is wrong.
            c::set_errno(error);
            return Ok(None);
        }
        let entry = entry_of(descriptor);
        next::close(descriptor);
        entry?
    };
    c::set_errno(error);
    Ok(Image::of(entry))
}

/// Whether a path leads to something that can hold an image.
unsafe fn may_be_image(folder: c_int, path: *const c_char) -> bool {
    // SAFETY: as the caller says.
    unsafe { is_so(folder, path, image::may_be_one) }
}

/// Whether a path leads to a file that somebody watches already.
unsafe fn is_watched(folder: c_int, path: *const c_char) -> bool {
    let error = c::errno();
    // SAFETY: as the caller says.
    let is_watched = unsafe { is_so(folder, path, image::has_area) };
    c::set_errno(error);
    is_watched
}

/// Looks at a file without opening it.
unsafe fn is_so(folder: c_int, path: *const c_char, look: impl FnOnce(c_int) -> bool) -> bool {
    if path.is_null() {
        return false;
    }
    // SAFETY: the caller's path ends with a zero; what is opened is closed again.
    unsafe {
        let flags = c::O_PATH | c::O_CLOEXEC;
        let descriptor = next::openat64(folder, path, flags, 0);
        if descriptor == -1 {
            return false;
        }
        let _busy = Busy::begin();
        let answer = look(descriptor);
        next::close(descriptor);
        answer
    }
}

/// Opens a file for the program.
unsafe fn open_for(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: as for the C library's function; so everywhere in this file.
    let open = || unsafe { next::openat64(folder, path, flags, mode) };
    let truncates = flags & c::O_TRUNC != 0;
    if flags & c::O_PATH != 0 || is_busy() {
        return admit(open());
    }
    if !truncates {
        let writes = flags & c::O_ACCMODE != c::O_RDONLY;
        if writes && unsafe { is_watched(folder, path) } {
            // It is registered before it has the file open for writing: whoever looks for strangers finds none.
            if let Err(error) = unsafe { image_at(folder, path, flags) } {
                return fail(error);
            }
        }
        return admit(open());
    }
    match unsafe { image_at(folder, path, flags) } {
        Ok(None) => admit(open()),
        // It keeps its length, and all that is on it.
        Ok(Some(image)) if image.is_on_device() => admit(open()),
        Ok(Some(image)) => {
            let descriptor = tracked(image, None, image.format.tracks_from(0), open);
            if descriptor >= 0 {
                // It has no header any more by which it could be recognised.
                let same = image.is_behind(descriptor) && is_writable(descriptor);
                return if same { admit_as(image, descriptor) } else { admit(descriptor) };
            }
            descriptor
        }
        Err(error) => fail(error),
    }
}

fn admit_as(image: &'static Image, descriptor: c_int) -> c_int {
    let entry = image::entry_of(image);
    if !table::has_room_for(descriptor) {
        // SAFETY: it was just opened, and nobody knows it.
        unsafe { next::close(descriptor) };
        return fail(c::EMFILE);
    }
    note_appending(image, descriptor);
    table::set(descriptor, entry);
    descriptor
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    unsafe { open_for(c::AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    unsafe { open_for(folder, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat64(path: *const c_char, mode: c_uint) -> c_int {
    let flags = c::O_CREAT | c::O_WRONLY | c::O_TRUNC;
    unsafe { open_for(c::AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    unsafe { open_for(c::AT_FDCWD, path, flags, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn __openat64_2(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    unsafe { open_for(folder, path, flags, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open_by_handle_at(
    mount: c_int,
    handle: *mut c_void,
    flags: c_int,
) -> c_int {
    if flags & c::O_TRUNC != 0 {
        return fail(c::EINVAL);
    }
    admit(unsafe { next::open_by_handle_at(mount, handle, flags) })
}

// Ends.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    let entry = table::get(descriptor);
    if entry == OURS && !is_busy() {
        return fail(c::EBADF);
    }
    if entry != NONE {
        // Before it is closed: afterwards the number may at once be somebody else's.
        table::set(descriptor, NONE);
    }
    unsafe { next::close(descriptor) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    if first > last {
        return unsafe { next::close_range(first, last, flags) };
    }
    let (mut from, mut result) = (first, 0);
    let mut at = first;
    while let Some((descriptor, entry)) = table::next_known(at, last) {
        if entry == OURS {
            if descriptor > from {
                result |= unsafe { next::close_range(from, descriptor - 1, flags) };
            }
            from = descriptor + 1;
        } else if flags & c::CLOSE_RANGE_CLOEXEC == 0 {
            table::set(descriptor as c_int, NONE);
        }
        at = descriptor + 1;
    }
    if from <= last && from >= first {
        result |= unsafe { next::close_range(from, last, flags) };
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn closefrom(first: c_int) {
    unsafe { close_range(first.max(0) as c_uint, c_uint::MAX, 0) };
}

// Copies.

/// Whether a descriptor may be duplicated under any, or under this number.
fn may_copy(entry: u16, new: Option<c_int>) -> Result<(), c_int> {
    let taken = new.is_some_and(|new| table::get(new) == OURS);
    if is_busy() {
        Ok(())
    } else if entry == OURS || taken {
        Err(c::EBADF)
    } else if entry != NONE && new.is_some_and(|new| !table::has_room_for(new)) {
        Err(c::EMFILE)
    } else {
        Ok(())
    }
}

/// Puts in what a new descriptor is.
fn copied(new: c_int, entry: u16) -> c_int {
    if new >= 0 {
        if entry != NONE && !table::has_room_for(new) {
            // SAFETY: it was just made, and nobody knows it.
            unsafe { next::close(new) };
            return fail(c::EMFILE);
        }
        table::set(new, entry);
    }
    new
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup(descriptor: c_int) -> c_int {
    let entry = table::get(descriptor);
    match may_copy(entry, None) {
        Ok(()) => copied(unsafe { next::dup(descriptor) }, entry),
        Err(error) => fail(error),
    }
}

/// Does a duplication to a number that may be in use.
fn copy_to(descriptor: c_int, new: c_int, act: impl FnOnce() -> c_int) -> c_int {
    let entry = table::get(descriptor);
    if let Err(error) = may_copy(entry, Some(new)) {
        return fail(error);
    }
    if descriptor == new {
        return act();
    }
    if entry != NONE && table::is_own() {
        streams::flush_standard(new);
    }
    let before = table::get(new);
    // In between, whichever file it is, a write is taken for one to an image.
    if entry != NONE {
        table::set(new, entry);
    }
    let result = act();
    if result == -1 {
        table::set(new, before);
        return result;
    }
    table::set(new, entry);
    if entry != NONE && table::is_own() {
        streams::replace_standard(new);
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup2(descriptor: c_int, new: c_int) -> c_int {
    copy_to(descriptor, new, || unsafe { next::dup2(descriptor, new) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup3(descriptor: c_int, new: c_int, flags: c_int) -> c_int {
    copy_to(descriptor, new, || unsafe { next::dup3(descriptor, new, flags) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl(descriptor: c_int, command: c_int, argument: c_long) -> c_int {
    let act = || unsafe { next::fcntl(descriptor, command, argument) };
    match command {
        c::F_DUPFD | c::F_DUPFD_CLOEXEC => {
            let entry = table::get(descriptor);
            match may_copy(entry, None) {
                Ok(()) if is_busy() => {
                    let floor = argument.max(OURS_FROM);
                    copied(unsafe { next::fcntl(descriptor, command, floor) }, OURS)
                }
                Ok(()) => copied(act(), entry),
                Err(error) => fail(error),
            }
        }
        // Our lock goes on to the next program.
        c::F_SETFD if table::get(descriptor) == OURS && !is_busy() => fail(c::EBADF),
        c::F_SETFL if argument as c_int & c::O_APPEND != 0 => {
            if let Some(image) = Image::of(table::get(descriptor)) {
                image.appends.store(true, Ordering::Relaxed);
            }
            act()
        }
        _ => act(),
    }
}

also! {
    fn open = open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int;
    fn openat = openat64(
        folder: c_int, path: *const c_char, flags: c_int, mode: c_uint
    ) -> c_int;
    fn creat = creat64(path: *const c_char, mode: c_uint) -> c_int;
    fn __open_2 = __open64_2(path: *const c_char, flags: c_int) -> c_int;
    fn __openat_2 = __openat64_2(folder: c_int, path: *const c_char, flags: c_int) -> c_int;
    fn fcntl64 = fcntl(descriptor: c_int, command: c_int, argument: c_long) -> c_int;
}

/// The bytes of a text.
pub unsafe fn bytes_of<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: the caller's text ends with a zero and lives as long as the call.
    if text.is_null() { &[] } else { unsafe { CStr::from_ptr(text) }.to_bytes() }
}
