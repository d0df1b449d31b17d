//! The functions that are replaced here, as the program would have got them without this object: the C library's, or
//! those of another object that is loaded before it.
//!
//! They are looked for at the start; who calls one earlier (another object's constructor) finds it then.

use crate::c::{self, FILE, aiocb, c_char, c_int, c_long, c_uint, c_ulong, c_void, iovec, msghdr};
use std::ffi::CStr;
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A list of texts that ends with a null pointer.
pub type Texts = *const *const c_char;

/// A function that is looked for once.
struct Next {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Next {
    const fn new(name: &'static CStr) -> Next {
        Next { name, found: AtomicPtr::new(null_mut()) }
    }

    #[inline]
    fn get(&self) -> *mut c_void {
        let found = self.found.load(Ordering::Relaxed);
        if found.is_null() { self.find() } else { found }
    }

    #[cold]
    fn find(&self) -> *mut c_void {
        // SAFETY: the name ends with a zero.
        let mut found = unsafe { c::dlsym(c::RTLD_NEXT, self.name.as_ptr()) };
        if found.is_null() {
            found = missing as *mut c_void;
        }
        self.found.store(found, Ordering::Relaxed);
        found
    }
}

/// Stands for every function that this C library does not have.
extern "C" fn missing() -> c_long {
    c::set_errno(c::ENOSYS);
    -1
}

macro_rules! functions {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            /// # Safety
            /// As for the C library's function of this name.
            #[inline]
            #[allow(non_snake_case)] // It is called as in C.
            pub unsafe fn $name($($argument: $type),*) -> $result {
                // SAFETY: this is the function's signature; the caller keeps its rules. Where a function takes a variable
                // number of arguments, integers and pointers are handed over as here on all machines that this is
                // built for.
                unsafe {
                    let function = transmute::<
                        *mut c_void,
                        unsafe extern "C" fn($($type),*) -> $result,
                    >(place::$name.get());
                    function($($argument),*)
                }
            }
        )*

        #[allow(non_upper_case_globals)]
        mod place {
            use super::Next;
            use std::ffi::CStr;
            $(pub static $name: Next = Next::new(
                match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => c"",
                }
            );)*
        }

        /// Looks for all of them.
        pub fn find_all() {
            $(place::$name.get();)*
        }
    };
}

functions! {
    fn write(descriptor: c_int, buffer: *const c_void, length: usize) -> isize;
    fn writev(descriptor: c_int, parts: *const iovec, count: c_int) -> isize;
    fn pwrite64(descriptor: c_int, buffer: *const c_void, length: usize, offset: i64) -> isize;
    fn pwritev64(descriptor: c_int, parts: *const iovec, count: c_int, offset: i64) -> isize;
    fn pwritev64v2(
        descriptor: c_int, parts: *const iovec, count: c_int, offset: i64, flags: c_int
    ) -> isize;
    fn read(descriptor: c_int, buffer: *mut c_void, length: usize) -> isize;
    fn readv(descriptor: c_int, parts: *const iovec, count: c_int) -> isize;
    fn preadv64v2(
        descriptor: c_int, parts: *const iovec, count: c_int, offset: i64, flags: c_int
    ) -> isize;
    fn __read_chk(descriptor: c_int, buffer: *mut c_void, length: usize, size: usize) -> isize;
    fn lseek64(descriptor: c_int, offset: i64, from: c_int) -> i64;
    fn copy_file_range(
        from: c_int, from_offset: *mut i64, to: c_int, to_offset: *mut i64, length: usize,
        flags: c_uint
    ) -> isize;
    fn sendfile64(to: c_int, from: c_int, from_offset: *mut i64, length: usize) -> isize;
    fn splice(
        from: c_int, from_offset: *mut i64, to: c_int, to_offset: *mut i64, length: usize,
        flags: c_uint
    ) -> isize;
    fn fallocate64(descriptor: c_int, mode: c_int, offset: i64, length: i64) -> c_int;
    fn posix_fallocate64(descriptor: c_int, offset: i64, length: i64) -> c_int;
    fn ftruncate64(descriptor: c_int, length: i64) -> c_int;
    fn truncate64(path: *const c_char, length: i64) -> c_int;

    fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int;
    fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int;
    fn open_by_handle_at(mount: c_int, handle: *mut c_void, flags: c_int) -> c_int;
    fn close(descriptor: c_int) -> c_int;
    fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int;
    fn dup(descriptor: c_int) -> c_int;
    fn dup2(descriptor: c_int, new: c_int) -> c_int;
    fn dup3(descriptor: c_int, new: c_int, flags: c_int) -> c_int;
    fn fcntl(descriptor: c_int, command: c_int, argument: c_long) -> c_int;

    fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE;
    fn fdopen(descriptor: c_int, mode: *const c_char) -> *mut FILE;
    fn freopen64(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE;
    fn fileno(stream: *mut FILE) -> c_int;

    fn mmap64(
        start: *mut c_void, length: usize, access: c_int, kind: c_int, descriptor: c_int,
        offset: i64
    ) -> *mut c_void;
    fn ioctl(descriptor: c_int, request: c_ulong, argument: c_long) -> c_int;
    fn sendmsg(socket: c_int, message: *const msghdr, flags: c_int) -> isize;
    fn sendmmsg(socket: c_int, messages: *mut c::mmsghdr, count: c_uint, flags: c_int) -> c_int;
    fn aio_write64(operation: *mut aiocb) -> c_int;
    fn lio_listio64(
        mode: c_int, operations: *const *mut aiocb, count: c_int, event: *mut c_void
    ) -> c_int;
    fn io_submit(context: *mut c_void, count: c_long, operations: *mut *mut c::iocb) -> c_int;
    fn posix_spawn(
        process: *mut c_int, path: *const c_char, actions: *const c_void,
        attributes: *const c_void, arguments: Texts, environment: Texts
    ) -> c_int;
    fn posix_spawnp(
        process: *mut c_int, file: *const c_char, actions: *const c_void,
        attributes: *const c_void, arguments: Texts, environment: Texts
    ) -> c_int;
    fn system(command: *const c_char) -> c_int;
    fn popen(command: *const c_char, mode: *const c_char) -> *mut FILE;
    fn clone(
        function: *mut c_void, stack: *mut c_void, flags: c_int, argument: *mut c_void,
        parent: c_long, area: c_long, child: c_long
    ) -> c_int;
    fn execve(path: *const c_char, arguments: Texts, environment: Texts) -> c_int;
    fn execv(path: *const c_char, arguments: Texts) -> c_int;
    fn execvp(file: *const c_char, arguments: Texts) -> c_int;
    fn execvpe(file: *const c_char, arguments: Texts, environment: Texts) -> c_int;
    fn fexecve(descriptor: c_int, arguments: Texts, environment: Texts) -> c_int;
    fn pthread_cancel(thread: c_ulong) -> c_int;
    fn _exit(code: c_int) -> ();
    fn _Exit(code: c_int) -> ();
    fn quick_exit(code: c_int) -> ();

    fn syscall(
        number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long
    ) -> c_long;
}
