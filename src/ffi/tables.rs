//! What the host's tables of functions have in common: who owns them, how they are called, and the sinks by which they
//! hand over lists.
//!
//! A table is copied when it is given. Its `user` pointer is handed to each of its functions, and `release` is called with it
//! exactly once: when the last part of the library has let go of it. If the call that takes the table fails, the table was not
//! taken, and `release` is not called.

use super::boundary::{Handle, Lent, Structure, alone, guarded, list};
use super::{TMR_DONE, tmr_error};
use crate::error::{Error, Reason, Result};
use parking_lot::Mutex;
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
    /// Whether the call that takes the table has succeeded; `None`: it has.
    is_taken: Option<Arc<AtomicBool>>,
}

/// To be said when the call that takes a table has succeeded. Until then the table is the host's, whatever becomes of
/// what was made of it.
#[must_use]
pub(super) struct Taken(Arc<AtomicBool>);

impl Taken {
    /// The call succeeds: from now on the table's `release` will be called.
    pub(super) fn now(self) {
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
        Table { functions, user, release, is_taken: None }
    }

    /// The same for a call that may fail after the table was put to use: `release` is called only if [`Taken::now`] was.
    pub(super) fn for_now(
        functions: T,
        user: *mut c_void,
        release: tmr_release,
    ) -> (Table<T>, Taken) {
        let is_taken = Arc::new(AtomicBool::new(false));
        let table = Table { functions, user, release, is_taken: Some(is_taken.clone()) };
        (table, Taken(is_taken))
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

    /// The same for a function that has nothing to remark: it has done it, or it failed.
    pub(super) fn carry_out(
        &self,
        what: &str,
        function: impl FnOnce(*mut c_void, *mut tmr_error) -> i32,
    ) -> Result<()> {
        match self.call(what, function)? {
            TMR_DONE => Ok(()),
            code => Err(lied(what, format!("gave back {code}, which it has no meaning for"))),
        }
    }

    /// Calls a function that puts items into a sink. One that is refused ends it, whatever the function gives back then.
    pub(super) fn gather(
        &self,
        what: &str,
        mut take: impl FnMut(&[u8]) -> Result<()>,
        function: impl FnOnce(*mut c_void, *mut tmr_sink, *mut tmr_error) -> i32,
    ) -> Result<i32> {
        let mut refused = None;
        let mut put = |item: &[u8]| match &refused {
            Some(error) => Err(Error::clone(error)),
            None => take(item).inspect_err(|error| refused = Some(error.clone())),
        };
        let sink = Sink::new(&mut put);
        let code = self.call(what, |user, error| function(user, sink.pointer(), error));
        drop(sink);
        match refused {
            None => code,
            Some(error) if error.reason() == Reason::HostLied => Err(error),
            Some(error) => Err(at_place_of(&error, lied(what, error.sentence()))),
        }
    }

    /// The user's pointer.
    pub(super) fn user(&self) -> *mut c_void {
        self.user
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        let is_taken = self.is_taken.as_ref().is_none_or(|taken| taken.load(Ordering::Acquire));
        if let Some(release) = self.release.filter(|_| is_taken) {
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

/// A function of a table, which was seen to be there when the table was taken, if it is needed.
pub(super) fn given<F>(function: Option<F>, what: &str) -> Result<F> {
    function.ok_or_else(|| Error::new(Reason::NoSuchFunction, format!("the host gave no {what}")))
}

/// What a function of the host answered cannot be.
pub(super) fn lied(what: &str, seen: impl fmt::Display) -> Error {
    Error::new(Reason::HostLied, format!("the host's function {what}: {seen}"))
}

/// An error, with the volume and the data set of another one.
fn at_place_of(other: &Error, mut error: Error) -> Error {
    if let Some(volser) = other.volser() {
        error = error.on_volume(volser);
    }
    match other.data_set() {
        Some(data_set) => error.of_data_set(data_set),
        None => error,
    }
}

/// A text of the host for messages: on one line, without surprises for a terminal.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(shown).collect()
}

/// The structure that a function of the host put into a sink, wherever its bytes lie.
pub(super) fn item<T: Structure>(bytes: &[u8]) -> Result<T> {
    let (name, known) = (T::NAME, size_of::<T>());
    let size = bytes.first_chunk().map_or(0, |size| u32::from_ne_bytes(*size) as usize);
    if size != bytes.len() || size < T::SIZE_MIN || size > known {
        let why = format!(
            "an item of {} bytes whose {name}.size is {size}; both are sizeof ({name}), which is {known} in this release",
            bytes.len()
        );
        return Err(Error::new(Reason::BadStructure, why));
    }
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: there are so many bytes, and the value has at least as many; any bytes are a value.
    let value = unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), value.as_mut_ptr().cast::<u8>(), size);
        value.assume_init()
    };
    value.check()?;
    Ok(value)
}

/// Where a function of the host puts what it found, one after the other, with tmr_sink_put. It is valid during that call only.
pub struct tmr_sink {
    _opaque: [u8; 0],
}

type Put<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// What is behind a sink: where the function is that takes an item's bytes, a `&mut Put`.
pub(super) struct Putting(*mut c_void);

impl Handle for tmr_sink {
    type Value = Mutex<Putting>;
    const NAME: &'static str = "tmr_sink";
}

/// A sink for the time of one call. Afterwards it is refused, also if the host has kept it.
pub(super) struct Sink<'a> {
    /// It ends before the function does: fields go in their order.
    lent: Lent<tmr_sink>,
    _put: Kept<'a>,
}

/// The function, at a place that does not move.
struct Kept<'a>(*mut &'a mut Put<'a>);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        // SAFETY: it was made by `Sink::new`, and this is the one time.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl<'a> Sink<'a> {
    /// `put` takes each item.
    pub(super) fn new(put: &'a mut Put<'a>) -> Sink<'a> {
        let kept = Kept(Box::into_raw(Box::new(put)));
        Sink { lent: Lent::new(Mutex::new(Putting(kept.0.cast()))), _put: kept }
    }

    /// What the host gets.
    pub(super) fn pointer(&self) -> *mut tmr_sink {
        self.lent.handle()
    }
}

/// Does: hands one item to the library, inside a function of a host's table that was given this sink. The item is what that
///   function's description says: bytes, or a structure.
/// Gives back: 0, 8 if the item is not right; then the host's function should give that back.
/// Threads: the one in which the host's function was called.
/// When: until the host's function returns.
///
/// # Safety
/// The sink is NULL, or one that the library gave; the item has so many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_sink_put(
    sink: *mut tmr_sink,
    item: *const c_void,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    let put = || {
        // SAFETY: as the caller promised.
        let (sink, item) =
            unsafe { (alone(sink.cast_const())?, list(item.cast::<u8>(), length, "the item")?) };
        let put = sink.0.cast::<&mut Put<'_>>();
        // SAFETY: the function is there as long as the sink is, and the sink is this call's alone.
        unsafe { (*put)(item) }?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, put) }
}
