//! The list of all functions: each with its number, its name, its alias of at most eight characters, and the types of
//! what it takes. From it come the aliases that the library exports, the call by a list of addresses, what
//! the header says of both (the z/OS compiler's `#pragma map` among it), the assembler macro, and what the tests call.

use super::boundary::{guarded, list};
use super::*;
use crate::error::{Error, Reason, Result};
use std::ffi::{c_char, c_void};

/// A function of the C ABI.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its number in calls by a list of addresses; it never changes, and is never used again.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// The same function under a name that fits every binder.
    pub alias: &'static str,
    /// Its parameters: name, and type as Rust has it.
    pub parameters: &'static [(&'static str, &'static str)],
    call: unsafe fn(&[*const c_void]) -> Result<i32>,
}

/// A parameter, behind its address. Calls by list have them where the caller has them, aligned or not.
///
/// # Safety
/// The address is that of such a value.
unsafe fn behind<T: Copy>(address: *const c_void) -> Result<T> {
    if address.is_null() {
        let why =
            "the address of a parameter is NULL; a parameter that is NULL has an address, too";
        return Err(Error::new(Reason::NullPointer, why));
    }
    // SAFETY: as the caller promised.
    Ok(unsafe { address.cast::<T>().read_unaligned() })
}

macro_rules! functions {
    ($( $number:literal $name:ident $alias:ident ( $( $parameter:ident: $type:ty ),* $(,)? ); )*) => {
        /// Every function, in the order of their numbers.
        pub const FUNCTIONS: &[Function] = &[ $( Function {
            number: $number,
            name: stringify!($name),
            alias: stringify!($alias),
            parameters: &[ $( (stringify!($parameter), stringify!($type)), )* ],
            call: {
                #[allow(unused_mut, unused_variables, unused_assignments)]
                unsafe fn call(addresses: &[*const c_void]) -> Result<i32> {
                    let mut next = 0;
                    $(
                        // SAFETY: the caller of `tmr_call` promised that the list has what the function takes.
                        let $parameter: $type = unsafe { behind(addresses[next]) }?;
                        next += 1;
                    )*
                    // SAFETY: as for the function itself.
                    Ok(unsafe { $name($($parameter),*) })
                }
                call
            },
        }, )* ];

        mod aliases {
            use super::*;
            $(
                #[unsafe(no_mangle)]
                #[allow(non_snake_case, clippy::too_many_arguments)]
                pub unsafe extern "C" fn $alias($( $parameter: $type ),*) -> i32 {
                    // SAFETY: it is the same function.
                    unsafe { $name($($parameter),*) }
                }
            )*
        }
    };
}

functions! {
    1 tmr_version TMRVERS (major: *mut u32, minor: *mut u32, patch: *mut u32);
    2 tmr_call TMRCALL (function: u32, addresses: *const *const c_void);
    3 tmr_reason_text TMRRSNT (reason: u32, text: *mut c_char, length: u64, error: *mut tmr_error);
    4 tmr_sink_put TMRSINK (sink: *mut tmr_sink, item: *const c_void, length: u64, error: *mut tmr_error);

    10 tmr_volume_open TMRVOPN (path: *const c_char, access: u32, volume: *mut *mut tmr_volume, error: *mut tmr_error);
    11 tmr_volume_in_memory TMRVMEM (info: *const tmr_volume_info, volume: *mut *mut tmr_volume, error: *mut tmr_error);
    12 tmr_volume_of_host TMRVHST (info: *const tmr_volume_info, functions: *const tmr_volume_functions, volume: *mut *mut tmr_volume, error: *mut tmr_error);
    13 tmr_volume_describe TMRVDSC (volume: *const tmr_volume, info: *mut tmr_volume_info, error: *mut tmr_error);
    14 tmr_volume_read TMRVRED (volume: *const tmr_volume, first: u32, track_count: u32, buffer: *mut c_void, length: u64, error: *mut tmr_error);
    15 tmr_volume_write TMRVWRT (volume: *const tmr_volume, first: u32, track_count: u32, buffer: *const c_void, length: u64, error: *mut tmr_error);
    16 tmr_volume_flush TMRVFLS (volume: *const tmr_volume, error: *mut tmr_error);
    17 tmr_volume_initialize TMRVINI (volume: *const tmr_volume, volser: *const c_char, owner: *const c_char, error: *mut tmr_error);
    18 tmr_volume_close TMRVCLS (volume: *mut *mut tmr_volume);

    30 tmr_host_new TMRHNEW (host: *mut *mut tmr_host, error: *mut tmr_error);
    31 tmr_host_add_volume TMRHVOL (host: *mut tmr_host, volume: *const tmr_volume, error: *mut tmr_error);
    32 tmr_host_set_space_manager TMRHSPC (host: *mut tmr_host, volser: *const c_char, functions: *const tmr_space_functions, error: *mut tmr_error);
    33 tmr_host_add_catalog TMRHCAT (host: *mut tmr_host, functions: *const tmr_catalog_functions, error: *mut tmr_error);
    34 tmr_host_find_catalogs TMRHFCT (host: *mut tmr_host, error: *mut tmr_error);
    35 tmr_host_set_clock TMRHCLK (host: *mut tmr_host, functions: *const tmr_clock_functions, error: *mut tmr_error);
    36 tmr_host_set_events TMRHEVT (host: *mut tmr_host, functions: *const tmr_event_functions, error: *mut tmr_error);
    37 tmr_host_keep_events TMRHKEV (host: *const tmr_host, count_max: u32, error: *mut tmr_error);
    38 tmr_host_next_event TMRHNEV (host: *const tmr_host, event: *mut tmr_event, error: *mut tmr_error);
    39 tmr_host_set_enqueue TMRHENQ (host: *mut tmr_host, functions: *const tmr_enqueue_functions, error: *mut tmr_error);
    40 tmr_host_use_registry TMRHREG (host: *mut tmr_host, owner: *const c_char, error: *mut tmr_error);
    42 tmr_host_add_image TMRHIMG (host: *mut tmr_host, volser: *const c_char, image: *const c_char, error: *mut tmr_error);
    43 tmr_host_add_machine TMRHMAC (host: *mut tmr_host, image: *const c_char, functions: *const tmr_channel_functions, patience_ms: u32, silence_ms: u32, error: *mut tmr_error);
    45 tmr_host_close TMRHCLS (host: *mut *mut tmr_host);
}

/// Does: says which release of the library this is.
/// Gives back: 0; its version in `major`, `minor` and `patch`, each of which may be NULL.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_version(major: *mut u32, minor: *mut u32, patch: *mut u32) -> i32 {
    let version = || {
        let parts = [
            (major, env!("CARGO_PKG_VERSION_MAJOR")),
            (minor, env!("CARGO_PKG_VERSION_MINOR")),
            (patch, env!("CARGO_PKG_VERSION_PATCH")),
        ];
        for (place, part) in parts {
            // SAFETY: as the caller promised.
            if let Some(out) =
                unsafe { boundary::Out::take_if_any(place, "a part of the version") }?
            {
                out.give(part.parse().unwrap_or_default());
            }
        }
        Ok(TMR_DONE)
    };
    // SAFETY: there is no error block.
    unsafe { guarded(std::ptr::null_mut(), version) }
}

/// Does: calls another function by its number (TMR_F_...), with the addresses of its parameters in a list, as assembler
///   programs pass them. Each address leads to the parameter as the function takes it: a pointer, or an integer of 32 or 64 bits.
/// Gives back: what that function gives back; 8 if there is none of this number, or an address is NULL.
/// Threads: as that function.
/// When: as that function.
///
/// # Safety
/// The list has as many addresses as the function has parameters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_call(function: u32, addresses: *const *const c_void) -> i32 {
    let call = || {
        let found = FUNCTIONS.iter().find(|known| known.number == function);
        let found = found.ok_or_else(|| {
            Error::new(Reason::BadValue, format!("{function} is the number of no function"))
        })?;
        // SAFETY: as the caller promised.
        let addresses =
            unsafe { list(addresses, found.parameters.len() as u64, "the list of addresses") }?;
        // SAFETY: as the caller promised.
        unsafe { (found.call)(addresses) }
    };
    // SAFETY: there is no error block.
    unsafe { guarded(std::ptr::null_mut(), call) }
}

/// Does: says in a few words what a reason code means.
/// Gives back: 0, the words in `text`, cut if they are longer than `length` bytes with the zero at their end; 8 if there is no
///   such reason.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reason_text(
    reason: u32,
    text: *mut c_char,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    let say = || {
        // SAFETY: as the caller promised.
        let to = unsafe { boundary::list_to_fill(text, length, "the place for the text") }?;
        let Some(first) = to.first_mut() else {
            return Err(Error::new(Reason::ShortBuffer, "the place for the text has no byte"));
        };
        *first = 0;
        let found = Reason::ALL.iter().find(|known| **known as u32 == reason);
        let found = found.ok_or_else(|| {
            Error::new(Reason::BadValue, format!("{reason} is no reason of this release"))
        })?;
        let words = found.text().as_bytes();
        let end = words.len().min(to.len() - 1);
        for (place, byte) in to.iter_mut().zip(&words[..end]) {
            *place = *byte as c_char;
        }
        to[end] = 0;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, say) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_aliases_fit() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].number < pair[1].number));
        let mut aliases: Vec<&str> = FUNCTIONS.iter().map(|function| function.alias).collect();
        for alias in &aliases {
            let is_right = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
            assert!(alias.len() <= 8 && alias.starts_with("TMR") && alias.chars().all(is_right));
        }
        aliases.sort_unstable();
        assert!(aliases.windows(2).all(|pair| pair[0] != pair[1]));
        for function in FUNCTIONS {
            assert!(function.parameters.len() <= 6, "{}", function.name);
        }
    }
}
