//! The boundary: what every function of the C ABI does first and last.
//!
//! *The problem.* Whoever calls from C or assembler can pass anything: NULL, a handle of another kind, a structure of
//! another release. And what comes from Rust must not reach him: a panic above all.
//!
//! *The rule.* Every exported function is one call of [`guarded`] (or [`guarded_as`]), and touches pointers only through
//! what is here: [`shared`] and [`alone`] for handles, [`input`] for structures, [`text`] for texts, [`Out`] and
//! [`Filled`] for outputs. Each of them sees to NULL, alignment, size, kind. Outputs are cleared when they are
//! taken, which is before anything else is done, and are written at the end only. A pointer that is neither NULL nor
//! right cannot be told from a right one; that is the caller's part, as in every C library.
//!
//! *Handles.* What a handle points to begins with a tag, so that one of another kind is refused; and it is never freed, so
//! that one which was closed is refused, too, whoever has a copy of the pointer. It counts the calls that use it: while
//! there is one, the handle is not closed, neither by another thread nor by a function of the host. What only one call may
//! use at a time is in a mutex that nobody waits for: a second call, from another thread or from a function of the host,
//! is refused with [`Reason::HandleInUse`], and nobody is locked up. A panic inside breaks that handle: it can only be
//! closed from then on. What is durable stays so, and a migration is resumed with a new handle.

use super::TMR_REFUSED;
use super::error::tmr_error;
use crate::error::{Error, Reason, Result};
use crate::name::{DsName, Volser};
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Longer texts are none that a caller can mean.
const TEXT_LENGTH_MAX: usize = 1 << 20;

/// Does what a function does, and gives back its code; whatever happens, the error block tells of it.
///
/// # Safety
/// `error` is NULL or can be read and written.
pub(super) unsafe fn guarded(error: *mut tmr_error, body: impl FnOnce() -> Result<i32>) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { guarded_as(error, |_| body()) }
}

/// The same for what has a state: the body says which.
///
/// # Safety
/// `error` is NULL or can be read and written.
pub(super) unsafe fn guarded_as(
    error: *mut tmr_error,
    body: impl FnOnce(&mut u32) -> Result<i32>,
) -> i32 {
    // SAFETY: as the caller promised.
    if unsafe { tmr_error::clear(error) }.is_err() {
        return TMR_REFUSED;
    }
    let mut state = 0;
    let result = catch_unwind(AssertUnwindSafe(|| body(&mut state)));
    let failure = match result {
        Ok(Ok(code)) => return code,
        Ok(Err(failure)) => failure,
        Err(payload) => {
            let said = panic_text(&*payload);
            let why = format!("the library failed: {said}; close the handle, and report this");
            // What a panic carries may panic when it is dropped.
            std::mem::forget(payload);
            Error::new(Reason::Panicked, why)
        }
    };
    // SAFETY: as the caller promised; it was seen to be right above.
    unsafe { tmr_error::fill(error, &failure, state) };
    failure.code() as i32
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no word why")
}

/// That a pointer can be one to a value of this type.
fn check_pointer<T>(pointer: *const T, what: &str) -> Result<()> {
    if pointer.is_null() {
        return Err(Error::new(Reason::NullPointer, format!("{what} is NULL")));
    }
    if !pointer.is_aligned() {
        let why = format!("{what} is not aligned to {} bytes", align_of::<T>());
        return Err(Error::new(Reason::NullPointer, why));
    }
    Ok(())
}

/// A type of which C knows the name alone.
pub(super) trait Handle {
    /// What is behind it.
    type Value: 'static;
    /// Its name in C.
    const NAME: &'static str;
    /// What each of them begins with, and no other kind.
    const TAG: u64 = tag(Self::NAME);
}

/// A digest of a name (FNV-1a, 64 bits).
const fn tag(name: &str) -> u64 {
    let (name, mut hash, mut place) = (name.as_bytes(), 0xCBF2_9CE4_8422_2325_u64, 0);
    while place < name.len() {
        hash = (hash ^ name[place] as u64).wrapping_mul(0x0100_0000_01B3);
        place += 1;
    }
    hash
}

/// What a handle points to. It stays where it is for as long as the process lives, and says of a handle that was closed,
/// and of every copy of it, that it was.
#[repr(C)]
struct Head {
    /// Whose it is; zero while it is nobody's.
    tag: AtomicU64,
    /// How many calls are using it.
    user_count: AtomicU32,
    is_broken: AtomicBool,
    /// A box of what is behind it.
    value: AtomicPtr<()>,
}

/// Heads that are nobody's, those that were closed last behind.
static CLOSED: Mutex<VecDeque<&'static Head>> = Mutex::new(VecDeque::new());

/// So many handles must be closed before the first of their heads is another handle's.
const CLOSED_MIN: usize = 4096;

impl Head {
    /// A head for this value, which is freed by [`close`], or [`Lent`].
    fn give<H: Handle>(value: H::Value) -> &'static Head {
        let mut closed = CLOSED.lock();
        let head = if closed.len() > CLOSED_MIN { closed.pop_front() } else { None };
        drop(closed);
        let head = head.unwrap_or_else(|| {
            Box::leak(Box::new(Head {
                tag: AtomicU64::new(0),
                user_count: AtomicU32::new(0),
                is_broken: AtomicBool::new(false),
                value: AtomicPtr::new(std::ptr::null_mut()),
            }))
        });
        head.is_broken.store(false, Ordering::Relaxed);
        head.value.store(Box::into_raw(Box::new(value)).cast(), Ordering::Relaxed);
        head.tag.store(H::TAG, Ordering::SeqCst);
        head
    }

    /// Frees what is behind a head that is nobody's any more, and that no call is using.
    ///
    /// # Safety
    /// It was given for such a handle, and this is done once.
    unsafe fn free<H: Handle>(&'static self) {
        let value = self.value.swap(std::ptr::null_mut(), Ordering::AcqRel);
        CLOSED.lock().push_back(self);
        // SAFETY: it was made by `give`, for such a handle.
        drop(unsafe { Box::from_raw(value.cast::<H::Value>()) });
    }
}

/// A call that is using a head. As long as there is one the handle cannot be closed: not by another thread, and not inside
/// a function of the host.
struct User(&'static Head);

impl Drop for User {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.is_broken.store(true, Ordering::Release);
        }
        self.0.user_count.fetch_sub(1, Ordering::SeqCst);
    }
}

impl User {
    /// Begins to use what a handle points to.
    ///
    /// # Safety
    /// `handle` is NULL, or one that was given back.
    unsafe fn of<H: Handle>(handle: *const H) -> Result<User> {
        let pointer = handle.cast::<Head>();
        if pointer.is_null() || !pointer.is_aligned() {
            check_pointer(pointer, H::NAME)?;
        }
        // SAFETY: whatever handle it is, it begins with a tag; so does what is no handle and has eight bytes.
        if unsafe { &*pointer.cast::<AtomicU64>() }.load(Ordering::Relaxed) != H::TAG {
            return Err(not_one::<H>());
        }
        // SAFETY: by its tag it is a head, or was one; and they stay.
        let head: &'static Head = unsafe { &*pointer };
        // Whoever closes looks for users behind the tag that he took, and users look for the tag behind their number:
        // one of them sees the other.
        head.user_count.fetch_add(1, Ordering::SeqCst);
        let user = User(head);
        if head.tag.load(Ordering::SeqCst) != H::TAG {
            return Err(not_one::<H>());
        }
        user.check::<H>()?;
        Ok(user)
    }

    fn check<H: Handle>(&self) -> Result<()> {
        if self.0.is_broken.load(Ordering::Acquire) { Err(broken::<H>()) } else { Ok(()) }
    }

    /// What is behind the head.
    ///
    /// # Safety
    /// The head is such a handle's, and what comes of this is used no longer than the user is.
    unsafe fn value<'a, H: Handle>(&self) -> &'a H::Value {
        // SAFETY: as the caller promised; nobody frees it before the user is gone.
        unsafe { &*self.0.value.load(Ordering::Acquire).cast::<H::Value>() }
    }
}

/// What is behind a handle that several threads may use at a time, for calls that must not ask for memory, also when they
/// refuse.
///
/// # Safety
/// `handle` is NULL, or one that was given back; it is not closed meanwhile.
#[inline]
pub(super) unsafe fn found<'a, H: Handle>(
    handle: *const H,
) -> std::result::Result<&'a H::Value, Reason> {
    let pointer = handle.cast::<Head>();
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(Reason::NullPointer);
    }
    // SAFETY: whatever handle it is, it begins with a tag.
    if unsafe { &*pointer.cast::<AtomicU64>() }.load(Ordering::Acquire) != H::TAG {
        return Err(Reason::BadHandle);
    }
    // SAFETY: by its tag it is what was given back as such, and it is not closed meanwhile.
    Ok(unsafe { &*(*pointer).value.load(Ordering::Relaxed).cast::<H::Value>() })
}

#[cold]
fn not_one<H: Handle>() -> Error {
    Error::new(Reason::BadHandle, format!("this is no {}, or it was closed", H::NAME))
}

#[cold]
fn broken<H: Handle>() -> Error {
    let why = format!("the library failed inside an earlier call with this {}; close it", H::NAME);
    Error::new(Reason::Panicked, why)
}

/// What is behind a handle that several threads may use at a time, for as long as this is there.
pub(super) struct Shared<'a, V> {
    value: &'a V,
    _user: User,
}

impl<V> std::ops::Deref for Shared<'_, V> {
    type Target = V;
    fn deref(&self) -> &V {
        self.value
    }
}

/// Takes a handle that several threads may use at a time.
///
/// # Safety
/// `handle` is NULL, or one that was given back.
pub(super) unsafe fn shared<'a, H: Handle>(handle: *const H) -> Result<Shared<'a, H::Value>> {
    // SAFETY: as the caller promised.
    let user = unsafe { User::of(handle) }?;
    super::defect::panic_if_wanted();
    // SAFETY: they stay together.
    Ok(Shared { value: unsafe { user.value::<H>() }, _user: user })
}

/// What is behind a handle that one call uses at a time.
pub(super) struct Alone<'a, V> {
    guard: MutexGuard<'a, V>,
    user: User,
}

/// What is behind a handle that one call uses at a time: a mutex, and perhaps something beside it that all may use.
pub(super) trait OneAtATime {
    /// What one call has for itself.
    type Inner;
    fn mutex(&self) -> &Mutex<Self::Inner>;
}

impl<V> OneAtATime for Mutex<V> {
    type Inner = V;
    fn mutex(&self) -> &Mutex<V> {
        self
    }
}

/// Takes a handle for this call alone.
///
/// # Safety
/// `handle` is NULL, or one that was given back.
pub(super) unsafe fn alone<'a, H, V: 'a>(handle: *const H) -> Result<Alone<'a, V>>
where
    H: Handle,
    H::Value: OneAtATime<Inner = V> + 'a,
{
    // SAFETY: as the caller promised.
    let user = unsafe { User::of(handle) }?;
    // SAFETY: they stay together.
    let guard = unsafe { user.value::<H>() }.mutex().try_lock().ok_or_else(in_use::<H>)?;
    // A call that broke it has let go of it only now.
    user.check::<H>()?;
    let alone = Alone { guard, user };
    super::defect::panic_if_wanted();
    Ok(alone)
}

fn in_use<H: Handle>() -> Error {
    Error::new(
        Reason::HandleInUse,
        format!("this {} is in use by another call, which must end first", H::NAME),
    )
}

impl<V> std::ops::Deref for Alone<'_, V> {
    type Target = V;
    fn deref(&self) -> &V {
        &self.guard
    }
}

impl<V> std::ops::DerefMut for Alone<'_, V> {
    fn deref_mut(&mut self) -> &mut V {
        &mut self.guard
    }
}

impl<V> Drop for Alone<'_, V> {
    fn drop(&mut self) {
        // Before others can take it.
        if std::thread::panicking() {
            self.user.0.is_broken.store(true, Ordering::Release);
        }
    }
}

/// Ends a handle, and clears the caller's pointer. NULL, and a pointer to NULL, are nothing to do. One that a call is
/// using is refused.
///
/// # Safety
/// `handle` is NULL, or points to NULL or to one that was given back.
pub(super) unsafe fn close<H: Handle>(handle: *mut *mut H) -> i32 {
    // SAFETY: as the caller promised; there is no error block.
    unsafe { guarded(std::ptr::null_mut(), || end(handle)) }
}

/// The same for functions that have an error block.
///
/// # Safety
/// As of [`close`].
pub(super) unsafe fn end<H: Handle>(handle: *mut *mut H) -> Result<i32> {
    if handle.is_null() {
        return Ok(super::TMR_DONE);
    }
    check_pointer(handle, &format!("the pointer to the handle {}", H::NAME))?;
    // SAFETY: as the caller promised.
    let inner = unsafe { *handle };
    if inner.is_null() {
        return Ok(super::TMR_DONE);
    }
    // SAFETY: as the caller promised.
    let head = match unsafe { User::of(inner) } {
        Err(error) if error.reason() != Reason::Panicked => return Err(error),
        // SAFETY: a head was found there.
        _ => unsafe { &*inner.cast::<Head>() },
    };
    if head.tag.compare_exchange(H::TAG, 0, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        return Err(not_one::<H>());
    }
    if head.user_count.load(Ordering::SeqCst) != 0 {
        head.tag.store(H::TAG, Ordering::SeqCst);
        return Err(in_use::<H>());
    }
    // SAFETY: as the caller promised.
    unsafe { *handle = std::ptr::null_mut() };
    // SAFETY: by its tag it is such a one, and whoever took the tag is the only one who does this.
    unsafe { head.free::<H>() };
    Ok(super::TMR_DONE)
}

/// A handle that is the host's for the time of one call of a function of his.
pub(super) struct Lent<H: Handle>(&'static Head, PhantomData<H>);

impl<H: Handle> Lent<H> {
    pub(super) fn new(value: H::Value) -> Lent<H> {
        Lent(Head::give::<H>(value), PhantomData)
    }

    /// What the host gets.
    pub(super) fn handle(&self) -> *mut H {
        std::ptr::from_ref(self.0).cast_mut().cast()
    }
}

impl<H: Handle> Drop for Lent<H> {
    fn drop(&mut self) {
        self.0.tag.store(0, Ordering::SeqCst);
        // Another thread of the host's may just be using it. It should not, and is quick.
        while self.0.user_count.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
        // SAFETY: it was given for this handle, and this is the one time.
        unsafe { self.0.free::<H>() };
    }
}

/// A place for an output, cleared.
pub(super) struct Out<T>(*mut T);

impl<T: Copy + Default> Out<T> {
    /// Takes and clears it.
    ///
    /// # Safety
    /// `pointer` is NULL, or can be written.
    pub(super) unsafe fn take(pointer: *mut T, what: &str) -> Result<Out<T>> {
        check_pointer(pointer, what)?;
        // SAFETY: as the caller promised.
        unsafe { pointer.write(T::default()) };
        Ok(Out(pointer))
    }

    /// The same where NULL says that the output is not wanted.
    ///
    /// # Safety
    /// `pointer` is NULL, or can be written.
    pub(super) unsafe fn take_if_any(pointer: *mut T, what: &str) -> Result<Option<Out<T>>> {
        // SAFETY: as the caller promised.
        if pointer.is_null() { Ok(None) } else { unsafe { Out::take(pointer, what) }.map(Some) }
    }

    pub(super) fn give(self, value: T) {
        // SAFETY: as was promised when it was taken.
        unsafe { self.0.write(value) };
    }
}

impl<H: Handle> Out<*mut H> {
    /// Takes and clears the place for a handle.
    ///
    /// # Safety
    /// `pointer` is NULL, or can be written.
    pub(super) unsafe fn handle(pointer: *mut *mut H) -> Result<Out<*mut H>> {
        check_pointer(pointer, &format!("the place for the {}", H::NAME))?;
        // SAFETY: as the caller promised.
        unsafe { pointer.write(std::ptr::null_mut()) };
        Ok(Out(pointer))
    }

    /// Gives a new handle.
    pub(super) fn give_handle(self, value: H::Value) {
        let head = std::ptr::from_ref(Head::give::<H>(value)).cast_mut();
        // SAFETY: as was promised when it was taken.
        unsafe { self.0.write(head.cast()) };
    }
}

/// A structure of the ABI: `repr(C)`, it begins with its size (32 bits), and any bytes are a value of it.
///
/// # Safety
/// All of that is so, and there are no bytes between its fields.
pub(super) unsafe trait Structure: Copy {
    /// Its name in C.
    const NAME: &'static str;
    /// Its size in the first release that had it: a caller of that one passes so much.
    const SIZE_MIN: usize;

    /// That its reserved bytes are zero, and that the library knows what it asks for.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// The size that a structure says it has.
///
/// # Safety
/// `pointer` is NULL, or points to a structure that begins with its size.
unsafe fn size_of_structure<T: Structure>(pointer: *const T) -> Result<usize> {
    check_pointer(pointer, T::NAME)?;
    // SAFETY: as the caller promised.
    let size = unsafe { pointer.cast::<u32>().read() } as usize;
    if size < T::SIZE_MIN {
        let (name, least) = (T::NAME, T::SIZE_MIN);
        let why =
            format!("{name}.size is {size}; set it to sizeof ({name}), which is at least {least}");
        return Err(Error::new(Reason::BadStructure, why));
    }
    Ok(size)
}

/// Reads a structure of the caller. What an earlier release did not have is zero.
///
/// # Safety
/// `pointer` is NULL, or points to as many bytes as the structure there says.
pub(super) unsafe fn input<T: Structure>(pointer: *const T) -> Result<T> {
    // SAFETY: as the caller promised.
    let size = unsafe { size_of_structure(pointer) }?;
    if size > size_of::<T>() {
        let (name, most) = (T::NAME, size_of::<T>());
        let why = format!(
            "{name}.size is {size}, and this release knows {most} bytes; it is of a newer release, or not set"
        );
        return Err(Error::new(Reason::BadStructure, why));
    }
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: so many bytes can be read, as the caller promised, and the value has at least as many; any bytes are a value.
    let value = unsafe {
        let to = value.as_mut_ptr().cast::<u8>();
        std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), to, size);
        value.assume_init()
    };
    value.check()?;
    Ok(value)
}

/// The same where NULL stands for all zero.
///
/// # Safety
/// As of [`input`].
pub(super) unsafe fn input_if_any<T: Structure>(pointer: *const T) -> Result<Option<T>> {
    // SAFETY: as the caller promised.
    if pointer.is_null() { Ok(None) } else { unsafe { input(pointer) }.map(Some) }
}

/// Several values one behind the other.
///
/// # Safety
/// `pointer` is NULL, or points to so many values.
pub(super) unsafe fn list<'a, T: Copy>(
    pointer: *const T,
    count: impl Into<u64>,
    what: &str,
) -> Result<&'a [T]> {
    let count = count.into();
    if count == 0 {
        return Ok(&[]);
    }
    check_pointer(pointer, what)?;
    let is_too_long =
        |count: &usize| count.checked_mul(size_of::<T>()).is_none_or(|n| n > isize::MAX as usize);
    let count =
        usize::try_from(count).ok().filter(|count| !is_too_long(count)).ok_or_else(|| {
            Error::new(Reason::BadValue, format!("{count} is more than {what} can have"))
        })?;
    // SAFETY: as the caller promised; aligned, not NULL, and not longer than memory.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// The same, to be written.
///
/// # Safety
/// `pointer` is NULL, or points to so many values, which nobody else uses meanwhile.
pub(super) unsafe fn list_to_fill<'a, T: Copy>(
    pointer: *mut T,
    count: impl Into<u64>,
    what: &str,
) -> Result<&'a mut [T]> {
    // SAFETY: as the caller promised.
    let found = unsafe { list(pointer.cast_const(), count, what) }?;
    let count = found.len();
    if count == 0 {
        return Ok(&mut []);
    }
    // SAFETY: as the caller promised; `list` has seen that it can be.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
}

/// A structure that the library fills in, cleared.
pub(super) struct Filled<T> {
    pointer: *mut T,
    size: usize,
}

impl<T: Structure> Filled<T> {
    /// Takes and clears it, all but its size.
    ///
    /// # Safety
    /// `pointer` is NULL, or points to as many bytes as the structure there says.
    pub(super) unsafe fn take(pointer: *mut T) -> Result<Filled<T>> {
        // SAFETY: as the caller promised.
        let size = unsafe { size_of_structure(pointer.cast_const()) }?.min(size_of::<T>());
        // SAFETY: as the caller promised.
        unsafe { pointer.cast::<u8>().add(4).write_bytes(0, size - 4) };
        Ok(Filled { pointer, size })
    }

    /// Fills it in, as far as the caller's release knows it. The size stays the caller's.
    pub(super) fn give(self, value: &T) {
        let from = std::ptr::from_ref(value).cast::<u8>();
        // SAFETY: as was promised when it was taken; any bytes of a structure are initialised, as it has none between
        // its fields.
        unsafe {
            let to = self.pointer.cast::<u8>();
            std::ptr::copy_nonoverlapping(from.add(4), to.add(4), self.size - 4);
        }
    }
}

/// A text of the caller.
///
/// # Safety
/// `pointer` is NULL, or points to bytes that end with a zero.
pub(super) unsafe fn bytes_of_text<'a>(pointer: *const c_char, what: &str) -> Result<&'a [u8]> {
    check_pointer(pointer, what)?;
    // SAFETY: as the caller promised.
    let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
    if bytes.len() > TEXT_LENGTH_MAX {
        let why = format!("{what} has {} bytes; at most {TEXT_LENGTH_MAX} are one", bytes.len());
        return Err(Error::new(Reason::BadText, why));
    }
    Ok(bytes)
}

/// The same, as characters.
///
/// # Safety
/// As of [`bytes_of_text`].
pub(super) unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: as the caller promised.
    let bytes = unsafe { bytes_of_text(pointer, what) }?;
    std::str::from_utf8(bytes)
        .map_err(|_| Error::new(Reason::BadText, format!("{what} is not ASCII or UTF-8")))
}

/// The same where NULL stands for none.
///
/// # Safety
/// As of [`bytes_of_text`].
pub(super) unsafe fn text_if_any<'a>(
    pointer: *const c_char,
    what: &str,
) -> Result<Option<&'a str>> {
    // SAFETY: as the caller promised.
    if pointer.is_null() { Ok(None) } else { unsafe { text(pointer, what) }.map(Some) }
}

/// The words of a text, between blanks or commas.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty())
}

/// The text in an array of a structure, up to its first zero.
pub(super) fn text_in<'a>(array: &'a [c_char], what: &str) -> Result<&'a str> {
    // SAFETY: `c_char` is a byte, whatever its sign.
    let bytes = unsafe { std::slice::from_raw_parts(array.as_ptr().cast::<u8>(), array.len()) };
    let end = bytes.iter().position(|&byte| byte == 0);
    let text = end.and_then(|end| std::str::from_utf8(&bytes[..end]).ok());
    text.ok_or_else(|| {
        Error::new(Reason::BadText, format!("{what} is no text that ends with a zero"))
    })
}

/// The text in an array that the library filled in, as far as it is one.
pub(super) fn text_so_far(array: &[c_char]) -> &str {
    // SAFETY: `c_char` is a byte, whatever its sign.
    let bytes = unsafe { std::slice::from_raw_parts(array.as_ptr().cast::<u8>(), array.len()) };
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).unwrap_or_default()
}

/// A text for an array of a structure: cut where it is too long, with a zero at its end.
pub(super) fn to_array<const N: usize>(text: &str) -> [c_char; N] {
    let mut end = text.len().min(N - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(text[..end].bytes()) {
        *to = from as c_char;
    }
    array
}

/// The bytes of a name in the form in which names are shown: characters, or `X'..'` if one does not print.
fn shown<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0x40; N];
    if let Some(digits) = text.strip_prefix("X'").and_then(|rest| rest.strip_suffix('\'')) {
        if digits.len() % 2 != 0 || digits.len() > 2 * N || !digits.is_ascii() {
            return None;
        }
        for (byte, place) in bytes.iter_mut().zip((0..digits.len()).step_by(2)) {
            *byte = u8::from_str_radix(&digits[place..place + 2], 16).ok()?;
        }
    } else {
        if text.is_empty() || text.chars().count() > N {
            return None;
        }
        for (byte, character) in bytes.iter_mut().zip(text.chars()) {
            *byte = crate::bytes::to_ebcdic(character)?;
        }
    }
    Some(bytes)
}

/// A data set name in the form in which it is shown, whatever its bytes.
pub(super) fn data_set(text: &str) -> Result<DsName> {
    shown(text).map(DsName::from_bytes).ok_or_else(|| {
        let why = format!("'{text}' is not a data set name: 1 to 44 characters, or X'..'");
        Error::new(Reason::BadName, why)
    })
}

/// A volume serial in the form in which it is shown, whatever its bytes.
pub(super) fn volser(text: &str) -> Result<Volser> {
    shown(text).map(Volser::from_bytes).ok_or_else(|| {
        let why = format!("'{text}' is not a volume serial: 1 to 6 characters, or X'..'");
        Error::new(Reason::BadVolser, why)
    })
}

/// That bytes kept for later releases are zero.
pub(super) fn check_reserved(structure: &str, words: &[u32]) -> Result<()> {
    if words.iter().all(|&word| word == 0) {
        return Ok(());
    }
    let why = format!(
        "reserved bytes of {structure} are not zero; clear the structure before it is filled in"
    );
    Err(Error::new(Reason::BadStructure, why))
}

/// A value of a set: `what` it is, and which there are, for the message.
pub(super) fn choice<T: Copy>(value: u32, of: &[(u32, T)], what: &str) -> Result<T> {
    of.iter().find(|(number, _)| *number == value).map(|(_, found)| *found).ok_or_else(|| {
        Error::new(Reason::BadValue, format!("{value} is no {what} that this release knows"))
    })
}

/// That no bits are set but these.
pub(super) fn check_options(options: u32, known: u32, what: &str) -> Result<()> {
    if options & !known == 0 {
        return Ok(());
    }
    let why = format!("{what} has bits that this release does not know: {:#X}", options & !known);
    Err(Error::new(Reason::BadValue, why))
}
