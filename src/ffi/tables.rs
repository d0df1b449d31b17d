//! What the host's tables of functions have in common: who owns them, how they are called, and the sinks by which they
//! hand over lists.
//!
//! A table is copied when it is given. Its `user` pointer is handed to each of its functions, and `release` is called with it
//! exactly once: when the last part of the library has let go of it. If the call that takes the table fails, the table was not
//! taken, and `release` is not called.

use super::boundary::{guarded, list};
use super::{TMR_DONE, tmr_error};
use crate::error::{Error, Reason, Result};
use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The version that every table of functions carries.
pub const TMR_TABLE_VERSION: u32 = 1;

/// What is called when the library needs a table no more.
pub type tmr_release = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// A table of the host, taken.
pub(super) struct Table<T> {
    /// Its functions.
    pub functions: T,
    user: *mut c_void,
    release: tmr_release,
    /// Until it is, `release` is not called.
    is_taken: Taken,
}

/// Whether a table was taken for good: the call that got it succeeded.
#[derive(Clone, Debug)]
pub(super) struct Taken(Arc<AtomicBool>);

impl Taken {
    /// It is, from now on.
    pub(super) fn confirm(&self) {
        self.0.store(true, Ordering::Release);
    }
}

// SAFETY: the manual says that a table's functions are called by any thread, also by several at a time.
unsafe impl<T: Send> Send for Table<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Table<T> {}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of the host's functions")
    }
}

impl<T> Table<T> {
    /// Takes a table: from now on its `release` will be called.
    pub(super) fn new(functions: T, user: *mut c_void, release: tmr_release) -> Table<T> {
        let table = Table::on_trial(functions, user, release);
        table.is_taken.confirm();
        table
    }

    /// Uses a table before it is certain that it is taken.
    pub(super) fn on_trial(functions: T, user: *mut c_void, release: tmr_release) -> Table<T> {
        Table { functions, user, release, is_taken: Taken(Arc::default()) }
    }

    /// By what it is taken for good.
    pub(super) fn taken(&self) -> Taken {
        self.is_taken.clone()
    }

    /// Calls one of its functions, given as what it is with the user's pointer and an error block.
    pub(super) fn call(
        &self,
        what: &str,
        function: impl FnOnce(*mut c_void, *mut tmr_error) -> i32,
    ) -> Result<i32> {
        let mut error = tmr_error::empty();
        let code = function(self.user, &raw mut error);
        error.result(code, what)
    }

    /// The user's pointer.
    pub(super) fn user(&self) -> *mut c_void {
        self.user
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        if let Some(release) = self.release.filter(|_| self.is_taken.0.load(Ordering::Acquire)) {
            // SAFETY: the host gave it for this pointer, and this is the one time.
            unsafe { release(self.user) };
        }
    }
}

/// That a table is of a version that the library knows, and has the functions that it must have.
pub(super) fn check_table(name: &str, version: u32, needed: &[(&str, bool)]) -> Result<()> {
    if version != TMR_TABLE_VERSION {
        let why = format!(
            "{name}.version is {version}; set it to TMR_TABLE_VERSION, which is {TMR_TABLE_VERSION}"
        );
        return Err(Error::new(Reason::BadStructure, why));
    }
    match needed.iter().find(|(_, is_there)| !is_there) {
        None => Ok(()),
        Some((missing, _)) => {
            Err(Error::new(Reason::NoSuchFunction, format!("{name}.{missing} is NULL")))
        }
    }
}

/// Where a function of the host puts what it found, one after the other, with tmr_sink_put. It is valid during that call only.
pub struct tmr_sink {
    _opaque: [u8; 0],
}

/// What is behind a sink: a function that takes an item's bytes.
pub(super) struct Sink<'a> {
    tag: u64,
    put: &'a mut dyn FnMut(&[u8]) -> Result<()>,
}

const SINK: u64 = 0x746D_725F_7369_6E6B;

impl<'a> Sink<'a> {
    /// A sink for the time of one call: `put` takes each item.
    pub(super) fn new(put: &'a mut dyn FnMut(&[u8]) -> Result<()>) -> Sink<'a> {
        Sink { tag: SINK, put }
    }

    /// What the host gets.
    pub(super) fn pointer(&mut self) -> *mut tmr_sink {
        std::ptr::from_mut(self).cast()
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        self.tag = 0;
    }
}

/// Does: hands one item to the library, inside a function of a host's table that was given this sink. The item is what that
///   function's description says: bytes, or a structure.
/// Gives back: 0, 8 if the item is not right; then the host's function should give that back.
/// Threads: the one in which the host's function was called.
/// When: until the host's function returns.
///
/// # Safety
/// The sink is one that the library gave, and its call has not returned; the item has so many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_sink_put(
    sink: *mut tmr_sink,
    item: *const c_void,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    let put = || {
        let sink = sink.cast::<Sink<'_>>();
        if sink.is_null() {
            return Err(Error::new(Reason::NullPointer, "the sink is NULL"));
        }
        // SAFETY: as the caller promised.
        let sink = unsafe { &mut *sink };
        if sink.tag != SINK {
            return Err(Error::new(Reason::BadHandle, "this is no sink, or its call has ended"));
        }
        // SAFETY: as the caller promised.
        (sink.put)(unsafe { list(item.cast::<u8>(), length, "the item") }?)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, put) }
}
