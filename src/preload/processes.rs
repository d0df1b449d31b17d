//! The functions by which other processes get this one's open files, and by which programs and threads end.
//!
//! From then on a file's offset may be moved by somebody else. Forks are told by the C library itself; what starts a program
//! without one is replaced here. A child that shares the memory until it starts a program (`vfork`) is known by that.

use crate::bracket::expect_cancelling;
use crate::c::{FILE, c_char, c_int, c_long, c_ulong, c_void};
use crate::image::share_all;
use crate::next::{self, Texts};
use crate::start::set_ending;
use crate::table;

/// Puts one step before a function.
macro_rules! first {
    ($step:expr; $(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                $step();
                // SAFETY: the caller keeps the rules of the function.
                unsafe { next::$name($($argument),*) }
            }
        )*
    };
}

first! { share_all;
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
}

/// Another program takes this one's place, unless the function comes back.
macro_rules! becoming {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                share_with_parent();
                set_ending(true);
                // SAFETY: the caller keeps the rules of the function.
                let result = unsafe { next::$name($($argument),*) };
                set_ending(false);
                result
            }
        )*
    };
}

becoming! {
    fn execve(path: *const c_char, arguments: Texts, environment: Texts) -> c_int;
    fn execv(path: *const c_char, arguments: Texts) -> c_int;
    fn execvp(file: *const c_char, arguments: Texts) -> c_int;
    fn execvpe(file: *const c_char, arguments: Texts, environment: Texts) -> c_int;
    fn fexecve(descriptor: c_int, arguments: Texts, environment: Texts) -> c_int;
}

/// The process ends without the destructors, one of which is ours.
macro_rules! ending {
    ($(fn $name:ident as $other:literal;)*) => {
        $(
            #[allow(non_snake_case)] // It is called as in C.
            #[unsafe(export_name = $other)]
            pub unsafe extern "C" fn $name(code: c_int) -> ! {
                set_ending(true);
                // SAFETY: as above.
                unsafe { next::$name(code) };
                // The C library has it, and it does not come back.
                std::process::abort()
            }
        )*
    };
}

ending! {
    fn _exit as "_exit";
    fn _Exit as "_Exit";
    fn quick_exit as "quick_exit";
}

first! { expect_cancelling;
    fn pthread_cancel(thread: c_ulong) -> c_int;
}

/// A child that shares its parent's memory is about to have only its open files.
fn share_with_parent() {
    if !table::is_own() {
        share_all();
    }
}
