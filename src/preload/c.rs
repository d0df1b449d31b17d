//! What the C library has (glibc on 64-bit Linux), as far as it is used here, under the names that the crate `libc` has.

#![allow(non_camel_case_types, missing_docs)]

pub use std::ffi::{c_char, c_int, c_long, c_short, c_uint, c_ulong, c_void};

pub const EPERM: c_int = 1;
pub const ESRCH: c_int = 3;
pub const EINTR: c_int = 4;
pub const EIO: c_int = 5;
pub const EBADF: c_int = 9;
pub const EAGAIN: c_int = 11;
pub const EACCES: c_int = 13;
pub const EINVAL: c_int = 22;
pub const EMFILE: c_int = 24;
pub const EFBIG: c_int = 27;
pub const EDEADLK: c_int = 35;
pub const ENOSYS: c_int = 38;
pub const EOPNOTSUPP: c_int = 95;

pub const O_ACCMODE: c_int = 3;
pub const O_RDONLY: c_int = 0;
pub const O_WRONLY: c_int = 1;
pub const O_RDWR: c_int = 2;
pub const O_CREAT: c_int = 0o100;
pub const O_EXCL: c_int = 0o200;
pub const O_TRUNC: c_int = 0o1000;
pub const O_APPEND: c_int = 0o2000;
pub const O_NONBLOCK: c_int = 0o4000;
pub const O_CLOEXEC: c_int = 0o2000000;
pub const O_PATH: c_int = 0o10000000;
#[cfg(target_arch = "aarch64")]
pub const O_NOFOLLOW: c_int = 0o100000;
#[cfg(not(target_arch = "aarch64"))]
pub const O_NOFOLLOW: c_int = 0o400000;
pub const AT_FDCWD: c_int = -100;

pub const SEEK_SET: c_int = 0;
pub const SEEK_CUR: c_int = 1;
pub const SEEK_END: c_int = 2;

pub const F_DUPFD: c_int = 0;
pub const F_SETFD: c_int = 2;
pub const F_GETFL: c_int = 3;
pub const F_SETFL: c_int = 4;
pub const F_OFD_GETLK: c_int = 36;
pub const F_OFD_SETLK: c_int = 37;
pub const F_OFD_SETLKW: c_int = 38;
pub const F_DUPFD_CLOEXEC: c_int = 1030;
pub const F_RDLCK: c_int = 0;
pub const F_WRLCK: c_int = 1;
pub const F_UNLCK: c_int = 2;

pub const PROT_READ: c_int = 1;
pub const PROT_WRITE: c_int = 2;
pub const MAP_SHARED: c_int = 1;
pub const MAP_PRIVATE: c_int = 2;
pub const MAP_TYPE: c_int = 0xF;
pub const MAP_ANONYMOUS: c_int = 0x20;
pub const MAP_FAILED: *mut c_void = !0 as *mut c_void;
pub const MADV_WIPEONFORK: c_int = 18;

pub const CLOSE_RANGE_CLOEXEC: c_int = 4;
pub const SPLICE_F_NONBLOCK: c_uint = 2;
pub const RWF_APPEND: c_int = 0x10;
pub const POLLIN: c_short = 1;
pub const CLOCK_REALTIME: c_int = 0;
pub const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// Asks for the size of a block device.
pub const BLKGETSIZE64: c_ulong = 0x8008_1272;

pub const RTLD_NEXT: *mut c_void = !0 as *mut c_void;
pub const RTLD_DEFAULT: *mut c_void = std::ptr::null_mut();

/// A lock of a byte range.
#[repr(C)]
pub struct flock64 {
    pub l_type: c_short,
    pub l_whence: c_short,
    pub l_start: i64,
    pub l_len: i64,
    pub l_pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct iovec {
    pub iov_base: *mut c_void,
    pub iov_len: usize,
}

#[repr(C)]
pub struct timespec {
    pub tv_sec: i64,
    pub tv_nsec: c_long,
}

#[repr(C)]
pub struct pollfd {
    pub fd: c_int,
    pub events: c_short,
    pub revents: c_short,
}

#[repr(C)]
pub struct msghdr {
    pub msg_name: *mut c_void,
    pub msg_namelen: c_uint,
    pub msg_iov: *mut iovec,
    pub msg_iovlen: usize,
    pub msg_control: *mut c_void,
    pub msg_controllen: usize,
    pub msg_flags: c_int,
}

#[repr(C)]
pub struct mmsghdr {
    pub msg_hdr: msghdr,
    pub msg_len: c_uint,
}

#[repr(C)]
pub struct cmsghdr {
    pub cmsg_len: usize,
    pub cmsg_level: c_int,
    pub cmsg_type: c_int,
}

/// The beginning of an asynchronous operation of POSIX.
#[repr(C)]
pub struct aiocb {
    pub aio_fildes: c_int,
    pub aio_lio_opcode: c_int,
}

/// An asynchronous operation of Linux, up to its descriptor.
#[repr(C)]
pub struct iocb {
    pub aio_data: u64,
    pub aio_key_and_flags: u64,
    pub aio_lio_opcode: u16,
    pub aio_reqprio: i16,
    pub aio_fildes: c_uint,
}

/// A stream, of which nothing is known.
pub enum FILE {}

#[repr(C)]
pub struct cookie_io_functions_t {
    pub read: Option<unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> isize>,
    pub write: Option<unsafe extern "C" fn(*mut c_void, *const c_char, usize) -> isize>,
    pub seek: Option<unsafe extern "C" fn(*mut c_void, *mut i64, c_int) -> c_int>,
    pub close: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
}

unsafe extern "C" {
    pub static program_invocation_short_name: *const c_char;

    pub fn __errno_location() -> *mut c_int;
    pub fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
    pub fn fopencookie(
        cookie: *mut c_void,
        mode: *const c_char,
        functions: cookie_io_functions_t,
    ) -> *mut FILE;
    pub fn fflush(stream: *mut FILE) -> c_int;
    pub fn setvbuf(stream: *mut FILE, buffer: *mut c_char, mode: c_int, size: usize) -> c_int;
    pub fn getpid() -> c_int;
    pub fn gettid() -> c_int;
    pub fn tgkill(process: c_int, thread: c_int, signal: c_int) -> c_int;
    pub fn sched_yield() -> c_int;
    pub fn nanosleep(time: *const timespec, left: *mut timespec) -> c_int;
    pub fn clock_gettime(clock: c_int, time: *mut timespec) -> c_int;
    pub fn poll(descriptors: *mut pollfd, count: c_ulong, timeout_ms: c_int) -> c_int;
    pub fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    /// Ends the thread by unwinding it, if it is to be cancelled. Declared as all other functions that can do the same:
    /// the frames of this object have nothing to drop then, and tables by which they are passed.
    pub fn pthread_testcancel();
    pub fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> c_int;
    pub fn munmap(start: *mut c_void, length: usize) -> c_int;
    pub fn madvise(start: *mut c_void, length: usize, advice: c_int) -> c_int;
}

/// The C library's function, as the program would call it: replaced by the one in this object.
pub use super::others::mmap;

pub use super::opens::dup3;

/// As above; callers hand over whatever the command takes.
///
/// # Safety
/// As for the C library's.
pub unsafe fn fcntl<T>(descriptor: c_int, command: c_int, argument: *const T) -> c_int {
    // SAFETY: as the caller says.
    unsafe { super::opens::fcntl(descriptor, command, argument as c_long) }
}

/// The error of the last call.
pub fn errno() -> c_int {
    // SAFETY: it always gives a thread's own word.
    unsafe { *__errno_location() }
}

/// Sets what the program sees as the error.
pub fn set_errno(error: c_int) {
    // SAFETY: as above.
    unsafe { *__errno_location() = error }
}
