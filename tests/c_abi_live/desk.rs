//! What all tables of the host have in common: who serves a table's calls, how the calls are disturbed, and that each table
//! is given back exactly once.

use super::program::Done;
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use trackmirror::bytes::ebcdic_text;
use trackmirror::ffi::*;
use trackmirror::{Error, Reason, Result};

/// How calls of tables are disturbed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Each call takes so long.
    pub slow: Option<Duration>,
    /// Each call whose number is a multiple of this fails, counted for each table.
    pub fails_every: Option<u64>,
    /// Those that fail were carried out all the same, every second time.
    pub fails_after: bool,
}

/// Then somebody has repaired it: what fails all the time may never come nearer to those who write at full speed.
const REPAIR: Duration = Duration::from_secs(8);

/// What is behind a table's `user`.
pub struct Port<T> {
    /// `None` when it was given back.
    serves: RwLock<Option<Arc<T>>>,
    trouble: Trouble,
    is_quick: Arc<AtomicBool>,
    since: Instant,
    calls: AtomicU64,
    releases: Arc<AtomicU32>,
}

/// The tables that were handed out in one life of the host.
#[derive(Default)]
pub struct Desk {
    trouble: Trouble,
    /// For a while nothing is slow.
    is_quick: Arc<AtomicBool>,
    given: Mutex<Vec<Given>>,
}

/// A table that was handed out.
struct Given {
    name: String,
    user: usize,
    releases: Arc<AtomicU32>,
    let_go: unsafe fn(*mut c_void),
}

impl Desk {
    pub fn new(trouble: Trouble) -> Desk {
        Desk { trouble, ..Desk::default() }
    }

    /// Sets whether nothing is slow now.
    pub fn set_quick(&self, is_quick: bool) {
        self.is_quick.store(is_quick, Ordering::SeqCst);
    }

    /// The `user` of a table. What is behind it stays for ever, so that it is seen who calls what was given back.
    pub fn user<T>(&self, name: &str, serves: T) -> *mut c_void {
        self.user_in(self.trouble, name, serves)
    }

    /// The same for one whose calls cannot fail.
    pub fn undisturbed<T>(&self, name: &str, serves: T) -> *mut c_void {
        self.user_in(Trouble::default(), name, serves)
    }

    fn user_in<T>(&self, trouble: Trouble, name: &str, serves: T) -> *mut c_void {
        let releases = Arc::new(AtomicU32::new(0));
        let serves = RwLock::new(Some(Arc::new(serves)));
        let calls = AtomicU64::new(0);
        let is_quick = self.is_quick.clone();
        let (since, count) = (Instant::now(), releases.clone());
        let port = Port { serves, trouble, is_quick, since, calls, releases: count };
        let user: *mut c_void = Box::into_raw(Box::new(port)).cast();
        let given = Given { name: name.into(), user: user as usize, releases, let_go: let_go::<T> };
        self.given.lock().unwrap().push(given);
        user
    }

    /// Hands a table over to a call. If the call fails it was not taken, and stays the host's.
    pub fn hand_over(&self, user: *mut c_void, taken: Done<i32>) -> Done<i32> {
        if taken.is_err() {
            let mut given = self.given.lock().unwrap();
            let place = given.iter().position(|given| given.user == user as usize);
            let given = given.remove(place.expect("it was handed out here"));
            let count = given.releases.load(Ordering::SeqCst);
            assert_eq!(count, 0, "the table of {} was not taken, and released", given.name);
            // SAFETY: it is of this type, and was made here.
            unsafe { (given.let_go)(user) };
        }
        taken
    }

    /// That each table that was taken was given back exactly once.
    pub fn check_released(&self) {
        for Given { name, releases, .. } in &*self.given.lock().unwrap() {
            let count = releases.load(Ordering::SeqCst);
            assert_eq!(count, 1, "the table of {name} was released {count} times");
        }
    }
}

/// The `release` of a table whose calls a `T` serves.
pub unsafe extern "C" fn release<T>(user: *mut c_void) {
    // SAFETY: `Desk::user` made it of such a value.
    let port = unsafe { &*user.cast::<Port<T>>() };
    port.releases.fetch_add(1, Ordering::SeqCst);
    // SAFETY: as above.
    unsafe { let_go::<T>(user) };
}

unsafe fn let_go<T>(user: *mut c_void) {
    // SAFETY: as of `release`.
    let port = unsafe { &*user.cast::<Port<T>>() };
    *port.serves.write().unwrap() = None;
}

/// Serves a call, with the trouble there is.
///
/// # Safety
/// `user` was made by [`Desk::user`] of a `T`; the error block is the library's.
pub unsafe fn serve<T>(
    user: *mut c_void,
    error: *mut tmr_error,
    act: impl FnOnce(&T) -> Result<i32>,
) -> i32 {
    // SAFETY: as the caller promised.
    let port = unsafe { &*user.cast::<Port<T>>() };
    let serves = port.serves.read().unwrap().clone();
    let serves = serves.expect("nobody calls a table that was given back");
    let number = port.calls.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(pause) = port.trouble.slow
        && !port.is_quick.load(Ordering::SeqCst)
    {
        std::thread::sleep(pause);
    }
    let is_repaired = port.since.elapsed() > REPAIR;
    let multiple = port.trouble.fails_every.filter(|every| number % every == 0 && !is_repaired);
    let is_carried_out = match multiple {
        None => true,
        Some(every) => port.trouble.fails_after && number / every % 2 == 0,
    };
    let done = if is_carried_out { act(&serves) } else { Ok(TMR_DONE) };
    let done = match multiple {
        None => done,
        Some(_) => {
            Err(Error::new(Reason::HostFailed, format!("call {number} fails in this world")))
        }
    };
    match done {
        Ok(code) => code,
        Err(why) => {
            // SAFETY: as the caller promised.
            unsafe { fill(error, &why) };
            why.code() as i32
        }
    }
}

/// Fills an error block in, as a program in C does.
unsafe fn fill(error: *mut tmr_error, why: &Error) {
    // SAFETY: the library gave it, and nobody else has it.
    let Some(block) = (unsafe { error.as_mut() }) else { return };
    block.code = why.code() as i32;
    block.reason = why.reason() as u32;
    if let Some(volser) = why.volser() {
        block.volser = array(&ebcdic_text(&volser));
    }
    if let Some(name) = why.data_set() {
        block.data_set = array(&ebcdic_text(&name));
    }
    block.sentence = array(why.sentence());
}

/// A text in an array of a structure.
pub fn array<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    for (to, from) in array[..N - 1].iter_mut().zip(text.bytes()) {
        *to = from as c_char;
    }
    array
}

/// The text that an array of a structure holds.
pub fn text_of(array: &[c_char]) -> String {
    let bytes: Vec<u8> = array.iter().map(|&c| c as u8).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text that the library hands over.
///
/// # Safety
/// It is one.
pub unsafe fn text_at(pointer: *const c_char) -> String {
    // SAFETY: as the caller promised.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// The size of a structure as it stands in it.
pub const fn size_of_it<T>() -> u32 {
    size_of::<T>() as u32
}

/// An error block, cleared.
pub fn empty_block() -> tmr_error {
    // SAFETY: it is a structure of C, of which zeros are a value.
    let mut block: tmr_error = unsafe { std::mem::zeroed() };
    block.size = size_of_it::<tmr_error>();
    block
}

/// Puts an item into a sink.
///
/// # Safety
/// The sink is one that the library gave, in the call that it is in.
pub unsafe fn put(sink: *mut tmr_sink, item: &[u8]) -> Result<()> {
    let mut error = empty_block();
    // SAFETY: as the caller promised.
    let code =
        unsafe { tmr_sink_put(sink, item.as_ptr().cast(), item.len() as u64, &raw mut error) };
    match code {
        TMR_DONE => Ok(()),
        _ => Err(Error::new(Reason::HostRefused, text_of(&error.sentence))),
    }
}

/// Puts a structure into a sink.
///
/// # Safety
/// As of [`put`].
pub unsafe fn put_structure<T: Copy>(sink: *mut tmr_sink, item: &T) -> Result<()> {
    // SAFETY: structures of the ABI have no bytes between their fields.
    let bytes = unsafe {
        std::slice::from_raw_parts(std::ptr::from_ref(item).cast::<u8>(), size_of::<T>())
    };
    // SAFETY: as the caller promised.
    unsafe { put(sink, bytes) }
}
