//! The C library's streams on images. Their own way to the system cannot be replaced, so they are given another one.
//!
//! The streams that are there from the start lead to descriptors 0, 1 and 2. If such a descriptor leads to an image, the
//! variables `stdout` and `stderr` get streams as the others. A library that remembered the old one before keeps it;
//! C++ streams write by `writev`, which is seen.

use crate::bracket::say;
use crate::c::{self, FILE, c_char, c_int, c_void};
use crate::image::{Image, Once};
use crate::opens::{bytes_of, image_at};
use crate::table::{self, NONE};
use crate::writes::also;
use crate::{next, opens, writes};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};

/// The most streams on images at a time.
const STREAMS_MAX: usize = 256;

static STREAMS: [(AtomicPtr<FILE>, AtomicI32); STREAMS_MAX] =
    [const { (AtomicPtr::new(null_mut()), AtomicI32::new(-1)) }; STREAMS_MAX];
/// How many there ever were: none, in most programs.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A cookie is the place in the list.
fn descriptor_of(cookie: *mut c_void) -> c_int {
    STREAMS.get(cookie as usize).map_or(-1, |(_, descriptor)| descriptor.load(Ordering::Relaxed))
}

unsafe extern "C" fn read(cookie: *mut c_void, buffer: *mut c_char, length: usize) -> isize {
    // SAFETY: the C library gives a buffer of this length; so below.
    unsafe { writes::read(descriptor_of(cookie), buffer.cast(), length) }
}

unsafe extern "C" fn write(cookie: *mut c_void, buffer: *const c_char, length: usize) -> isize {
    let mut done = 0;
    while done < length {
        // SAFETY: as above.
        let count =
            unsafe { writes::write(descriptor_of(cookie), buffer.add(done).cast(), length - done) };
        if count <= 0 {
            // An error of such a stream is told by having written less, never by a negative number.
            break;
        }
        done += count as usize;
    }
    done as isize
}

unsafe extern "C" fn seek(cookie: *mut c_void, offset: *mut i64, from: c_int) -> c_int {
    // SAFETY: as above.
    unsafe {
        let result = writes::lseek64(descriptor_of(cookie), *offset, from);
        if result == -1 {
            return -1;
        }
        *offset = result;
        0
    }
}

unsafe extern "C" fn close(cookie: *mut c_void) -> c_int {
    let descriptor = descriptor_of(cookie);
    if let Some((stream, place)) = STREAMS.get(cookie as usize) {
        place.store(-1, Ordering::Relaxed);
        stream.store(null_mut(), Ordering::Release);
    }
    // SAFETY: the stream has it for its own.
    unsafe { opens::close(descriptor) }
}

/// A stream on an image's descriptor, which it closes in the end; null if there is none.
unsafe fn stream_on(descriptor: c_int, mode: *const c_char) -> *mut FILE {
    let claimed = STREAMS.iter().position(|(_, place)| {
        place.compare_exchange(-1, descriptor, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    });
    let Some(place) = claimed else {
        c::set_errno(c::EMFILE);
        return null_mut();
    };
    let functions = c::cookie_io_functions_t {
        read: Some(read),
        write: Some(write),
        seek: Some(seek),
        close: Some(close),
    };
    // SAFETY: the mode is the caller's text; the functions stay.
    let stream = unsafe { c::fopencookie(place as *mut c_void, mode, functions) };
    if stream.is_null() {
        STREAMS[place].1.store(-1, Ordering::Relaxed);
    } else {
        MADE.fetch_add(1, Ordering::Relaxed);
        STREAMS[place].0.store(stream, Ordering::Release);
    }
    stream
}

/// The flags of a mode, if it allows writing.
fn writing_flags(mode: &[u8]) -> Option<c_int> {
    let mode = mode.split(|&byte| byte == b',').next()?;
    let has = |letter| mode.contains(&letter);
    let access = if has(b'+') { c::O_RDWR } else { c::O_WRONLY };
    let kind = match mode.first()? {
        b'r' if has(b'+') => 0,
        b'w' => c::O_CREAT | c::O_TRUNC,
        b'a' => c::O_CREAT | c::O_APPEND,
        _ => return None,
    };
    let exclusive = if has(b'x') { c::O_EXCL } else { 0 };
    let at_exec = if has(b'e') { c::O_CLOEXEC } else { 0 };
    Some(access | kind | exclusive | at_exec)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE {
    // SAFETY: as for the C library's function; so everywhere below.
    unsafe {
        let Some(flags) = writing_flags(bytes_of(mode)) else { return next::fopen64(path, mode) };
        match image_at(c::AT_FDCWD, path, 0) {
            Ok(None) => next::fopen64(path, mode),
            Ok(Some(_)) => {
                let descriptor = opens::open64(path, flags, 0o666);
                if descriptor == -1 {
                    return null_mut();
                }
                let stream = stream_on(descriptor, mode);
                if stream.is_null() {
                    let error = c::errno();
                    opens::close(descriptor);
                    c::set_errno(error);
                }
                stream
            }
            Err(error) => {
                c::set_errno(error);
                null_mut()
            }
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdopen(descriptor: c_int, mode: *const c_char) -> *mut FILE {
    unsafe {
        // Also for reading: it moves the offset that writes use.
        if table::get(descriptor) == NONE {
            return next::fdopen(descriptor, mode);
        }
        if bytes_of(mode).first() == Some(&b'a') {
            let flags = next::fcntl(descriptor, c::F_GETFL, 0);
            opens::fcntl(descriptor, c::F_SETFL, i64::from(flags | c::O_APPEND));
        }
        stream_on(descriptor, mode)
    }
}

/// A stream cannot be led to an image: it keeps its own way to the system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn freopen64(
    path: *const c_char,
    mode: *const c_char,
    stream: *mut FILE,
) -> *mut FILE {
    unsafe {
        let refusal = if writing_flags(bytes_of(mode)).is_none() {
            Ok(None)
        } else if path.is_null() {
            Ok(Image::of(table::get(fileno(stream))))
        } else {
            image_at(c::AT_FDCWD, path, 0)
        };
        let error = match refusal {
            Ok(None) => return next::freopen64(path, mode, stream),
            Ok(Some(image)) => {
                if image.tell_once(Once::Stream) {
                    say(&["freopen of ", &image.name, " for writing cannot be monitored, refused"]);
                }
                c::EACCES
            }
            Err(error) => error,
        };
        // The function closes the stream in any case; only its descriptor is left to the caller's `fclose`.
        c::set_errno(error);
        null_mut()
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fileno(stream: *mut FILE) -> c_int {
    if MADE.load(Ordering::Relaxed) != 0
        && !stream.is_null()
        && let Some((_, descriptor)) =
            STREAMS.iter().find(|(other, _)| other.load(Ordering::Acquire) == stream)
    {
        return descriptor.load(Ordering::Relaxed);
    }
    unsafe { next::fileno(stream) }
}

also! {
    fn fopen = fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE;
    fn freopen = freopen64(
        path: *const c_char, mode: *const c_char, stream: *mut FILE
    ) -> *mut FILE;
    fn fileno_unlocked = fileno(stream: *mut FILE) -> c_int;
}

/// The C library's variable of a standard stream.
fn standard(descriptor: c_int) -> Option<*mut *mut FILE> {
    let name = match descriptor {
        0 => c"stdin",
        1 => c"stdout",
        2 => c"stderr",
        _ => return None,
    };
    // SAFETY: the name ends with a zero. What is found is the program's own copy of the variable, if it has one.
    let variable = unsafe { c::dlsym(c::RTLD_DEFAULT, name.as_ptr()) };
    (!variable.is_null()).then_some(variable.cast())
}

/// Writes out what a standard stream holds, before its descriptor leads elsewhere.
pub fn flush_standard(descriptor: c_int) {
    if let Some(variable) = standard(descriptor) {
        // SAFETY: the variable holds a stream, or null, which means all.
        unsafe {
            if !(*variable).is_null() {
                c::fflush(*variable);
            }
        }
    }
}

/// Gives the standard stream of a descriptor that leads to an image a way that is seen.
pub fn replace_standard(descriptor: c_int) {
    const UNBUFFERED: c_int = 2;
    let Some(variable) = standard(descriptor) else { return };
    // SAFETY: as above. The old stream stays as it is, and nothing is in it.
    unsafe {
        let known = STREAMS.iter().any(|(stream, place)| {
            stream.load(Ordering::Acquire) == *variable
                && place.load(Ordering::Relaxed) == descriptor
        });
        if known {
            return;
        }
        let stream = stream_on(descriptor, c"r+".as_ptr());
        if stream.is_null() {
            return;
        }
        if descriptor == 2 {
            c::setvbuf(stream, null_mut(), UNBUFFERED, 0);
        }
        *variable = stream;
    }
}
