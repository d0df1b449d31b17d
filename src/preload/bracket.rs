//! A write to an image: where it goes, announced, done, told.

use crate::c::{self, c_int};
use crate::image::{self, Image, Once, Seated};
use crate::monitor::flow::{Begun, Refusal};
use crate::table::{self, FORBIDDEN, OURS};
use crate::{next, start};
use std::cell::Cell;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering};

/// The byte of the area's file whose lock is the turn of processes that share an offset.
const OFFSET_BYTE: i64 = (1 << 62) + 903;
/// The most bytes that are copied within the system at a time, so that a short copy marks no more tracks than these.
const COPY_MAX: u64 = 1 << 24;

// Turns.

/// A lock that knows its thread. It is taken over from a thread that has ended, and not waited for by a signal handler
/// that interrupted its holder.
pub struct Turn(AtomicI32);

/// A turn that is held as long as this lives.
pub struct Taken<'a>(&'a Turn);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.give_raw();
    }
}

/// Grows with each fork, so that a child does not take its thread for its parent's.
static GENERATION: AtomicI32 = AtomicI32::new(1);

thread_local! {
    static THREAD: Cell<(c_int, c_int)> = const { Cell::new((0, 0)) };
}

fn thread() -> c_int {
    let generation = GENERATION.load(Ordering::Relaxed);
    match THREAD.get() {
        (known, thread) if known == generation => thread,
        _ => {
            // SAFETY: it takes nothing and cannot fail.
            let thread = unsafe { c::gettid() };
            THREAD.set((generation, thread));
            thread
        }
    }
}

impl Turn {
    /// One that nobody has.
    pub const fn new() -> Turn {
        Turn(AtomicI32::new(0))
    }

    /// Waits for its turn; `None` if this very thread has it already, further out.
    #[inline]
    pub fn take(&self) -> Option<Taken<'_>> {
        self.take_raw().then_some(Taken(self))
    }

    /// The same, to be given back by hand.
    #[inline]
    pub fn take_raw(&self) -> bool {
        let own = thread();
        let free = self.0.compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed);
        match free {
            Ok(_) => true,
            Err(holder) if holder == own => false,
            Err(_) => {
                self.wait(own);
                true
            }
        }
    }

    #[cold]
    fn wait(&self, own: c_int) {
        let _uncancelled = Uncancelled::always();
        let error = c::errno();
        for round in 1u32.. {
            let holder = self.0.load(Ordering::Relaxed);
            let is_free = holder == 0 || round.is_multiple_of(64) && has_ended(holder);
            if is_free
                && self
                    .0
                    .compare_exchange(holder, own, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                break;
            }
            // SAFETY: both only let time pass.
            unsafe {
                if round < 100 {
                    c::sched_yield();
                } else {
                    let time = c::timespec { tv_sec: 0, tv_nsec: 50_000 };
                    c::nanosleep(&raw const time, std::ptr::null_mut());
                }
            }
        }
        c::set_errno(error);
    }

    /// Gives it back.
    #[inline]
    pub fn give_raw(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Makes it free in a child, whose parent's threads are not there.
    pub fn reset(&self) {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        self.0.store(0, Ordering::Relaxed);
    }
}

fn has_ended(thread: c_int) -> bool {
    // SAFETY: signal 0 is none; it is only asked whether there is such a thread.
    unsafe { c::tgkill(c::getpid(), thread, 0) == -1 && c::errno() == c::ESRCH }
}

/// Whether this program ever cancelled a thread.
static CANCELS: AtomicBool = AtomicBool::new(false);

/// Remembers that this program cancels threads. The one that is cancelled first may still be in the middle of a bracket:
/// its turn is then taken over, and its slot is freed by the owner, as of every thread that has ended.
pub fn expect_cancelling() {
    CANCELS.store(true, Ordering::Relaxed);
}

/// Keeps a thread from being cancelled in the middle of something.
pub struct Uncancelled(Option<c_int>);

impl Uncancelled {
    /// For a bracket, which is too short to ask each time. A thread that is to be cancelled is so before it.
    #[inline]
    fn begin() -> Uncancelled {
        if !CANCELS.load(Ordering::Relaxed) {
            return Uncancelled(None);
        }
        // SAFETY: it comes back, or the thread ends while nothing of ours is held.
        unsafe { c::pthread_testcancel() };
        Uncancelled::always()
    }

    /// For what takes longer.
    pub fn always() -> Uncancelled {
        let mut old = 0;
        // SAFETY: it writes the word.
        unsafe { c::pthread_setcancelstate(c::PTHREAD_CANCEL_DISABLE, &raw mut old) };
        Uncancelled(Some(old))
    }
}

impl Drop for Uncancelled {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut state) = self.0 {
            // SAFETY: as above; nobody needs the old state.
            unsafe { c::pthread_setcancelstate(state, &raw mut state) };
        }
    }
}

/// The turn of a file offset, within this process and among those that may share it.
struct Position<'a> {
    _turn: Taken<'a>,
    shared: Option<&'static Seated>,
    offset: i64,
}

impl<'a> Position<'a> {
    #[inline]
    fn take(image: &'a Image, descriptor: c_int) -> Option<Position<'a>> {
        let turn = image.position.take()?;
        let shared = image.is_shared.load(Ordering::Relaxed).then(|| image.seated());
        let sought = image.sought.take(descriptor);
        if let Some(seated) = shared {
            // A child has the parent's open file of the area; it has its own as soon as it sits.
            lock_offset(seated, c::F_WRLCK);
        }
        let offset = match sought {
            Some(offset) if shared.is_none() => offset,
            // SAFETY: it takes no memory.
            _ => unsafe { next::lseek64(descriptor, 0, c::SEEK_CUR) },
        };
        Some(Position { _turn: turn, shared, offset })
    }
}

/// The offset that a program has just sought, until something uses it: the usual way to write is to seek first, and the
/// system need not be asked what it has just said. Only in a process whose open files nobody else can have, and only
/// under the position's turn; whatever closes or replaces a descriptor forgets it.
pub struct Sought {
    descriptor: AtomicI32,
    offset: AtomicI64,
}

impl Sought {
    /// Nothing was sought.
    pub const fn new() -> Sought {
        Sought { descriptor: AtomicI32::new(-1), offset: AtomicI64::new(0) }
    }

    /// What was sought last, if it was by this descriptor. From now on nothing is.
    #[inline]
    fn take(&self, descriptor: c_int) -> Option<i64> {
        let by = self.descriptor.load(Ordering::Relaxed);
        if by != -1 {
            self.descriptor.store(-1, Ordering::Relaxed);
        }
        (by == descriptor).then(|| self.offset.load(Ordering::Relaxed))
    }

    #[inline]
    fn keep(&self, descriptor: c_int, offset: i64) {
        self.offset.store(offset, Ordering::Relaxed);
        self.descriptor.store(descriptor, Ordering::Relaxed);
    }

    /// Forgets it.
    pub fn forget(&self) {
        self.descriptor.store(-1, Ordering::Relaxed);
    }
}

impl Drop for Position<'_> {
    fn drop(&mut self) {
        if let Some(seated) = self.shared {
            lock_offset(seated, c::F_UNLCK);
        }
    }
}

fn lock_offset(seated: &Seated, kind: c_int) {
    let lock = c::flock64 {
        l_type: kind as c::c_short,
        l_whence: c::SEEK_SET as c::c_short,
        l_start: OFFSET_BYTE,
        l_len: 1,
        l_pid: 0,
    };
    let descriptor = image::area_descriptor(seated);
    let lock = &raw const lock as c::c_long;
    // SAFETY: the descriptor is ours, and the struct lives until the call returns.
    while unsafe { next::fcntl(descriptor, c::F_OFD_SETLKW, lock) } == -1 && c::errno() == c::EINTR
    {
    }
}

// Brackets.

/// Where a write goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// To this offset.
    At(i64),
    /// To the file's offset.
    Here,
    /// To the file's end.
    Behind,
}

/// What a function gives back when it failed.
pub trait Failure {
    /// The value; `errno` says why.
    fn failed() -> Self;
}

impl Failure for isize {
    fn failed() -> isize {
        -1
    }
}

impl Failure for c_int {
    fn failed() -> c_int {
        -1
    }
}

/// Fails with this error.
#[cold]
pub fn fail<T: Failure>(error: c_int) -> T {
    c::set_errno(error);
    T::failed()
}

/// The image behind an entry of the table that is not `NONE`, or why nothing can be written through the descriptor:
/// `Err(None)` if it is ours, and we do it.
fn image_of(entry: u16) -> Result<&'static Image, Option<c_int>> {
    match Image::of(entry) {
        Some(image) => Ok(image),
        None if entry == OURS && start::is_busy() => Err(None),
        None if entry == FORBIDDEN => Err(Some(c::EIO)),
        None => Err(Some(c::EBADF)),
    }
}

/// Does a write of `length` bytes to an image.
pub fn write<T: Failure>(
    descriptor: c_int,
    entry: u16,
    place: Place,
    length: u64,
    act: impl FnOnce() -> T,
) -> T {
    copy(descriptor, entry, place, length, false, |_| act())
}

/// Does a write that may write less than was asked for; it is told how much it may.
pub fn write_up_to<T: Failure>(
    descriptor: c_int,
    entry: u16,
    place: Place,
    length: u64,
    act: impl FnOnce(u64) -> T,
) -> T {
    copy(descriptor, entry, place, length, true, act)
}

#[inline]
fn copy<T: Failure>(
    descriptor: c_int,
    entry: u16,
    place: Place,
    length: u64,
    may_clip: bool,
    act: impl FnOnce(u64) -> T,
) -> T {
    let image = match image_of(entry) {
        Ok(image) => image,
        Err(None) => return act(length),
        Err(Some(error)) => return fail(error),
    };
    if length == 0 {
        return act(0);
    }
    let _uncancelled = Uncancelled::begin();
    if !image.seated().seat.is_here() && !sit_anew(image) {
        return fail(c::EIO);
    }
    let format = &image.format;
    let appends = place == Place::Behind || image.appends.load(Ordering::Relaxed);
    // Appending to a device is writing where its offset is.
    let appends = appends && !image.is_on_device();
    let is_append = appends && (place == Place::Behind || is_appending(descriptor));
    let mut position = None;
    let offset = match place {
        _ if is_append => size_of(descriptor),
        Place::At(offset) => offset,
        Place::Here | Place::Behind => {
            let Some(taken) = Position::take(image, descriptor) else { return nested(image) };
            position.insert(taken).offset
        }
    };
    let Ok(offset) = u64::try_from(offset) else {
        // No offset at all: the system says what is wrong.
        if place == Place::Here && !image.is_behind(descriptor) {
            table::set(descriptor, table::NONE);
        }
        return act(length);
    };
    let mut allowed = length;
    if may_clip {
        allowed = length.min(COPY_MAX).min(format.end().saturating_sub(offset));
    }
    let tracks = match format.tracks(offset, allowed) {
        // Others may append at the same time, before or behind this.
        Some(_) if is_append => Some(format.tracks_from(offset)),
        tracks => tracks.filter(|_| allowed != 0),
    };
    let Some(tracks) = tracks else {
        if !image.is_behind(descriptor) {
            table::set(descriptor, table::NONE);
            return act(length);
        }
        if image.tell_once(Once::Outside) {
            say(&["a write beyond the end of ", &image.name, " was refused"]);
        }
        return fail(c::EFBIG);
    };
    let result = track(image, Some(descriptor), tracks, move || act(allowed));
    drop(position);
    result
}

/// Does something that changes these tracks of an image.
pub fn tracked<T: Failure>(
    image: &'static Image,
    descriptor: Option<c_int>,
    tracks: (u32, u32),
    act: impl FnOnce() -> T,
) -> T {
    let _uncancelled = Uncancelled::begin();
    track(image, descriptor, tracks, act)
}

#[inline]
fn track<T: Failure>(
    image: &'static Image,
    descriptor: Option<c_int>,
    tracks: (u32, u32),
    act: impl FnOnce() -> T,
) -> T {
    let (seated, begun) = match announce(image, tracks) {
        Ok(announced) => announced,
        Err(refusal) => {
            if let Some(descriptor) = descriptor
                && !image.is_behind(descriptor)
            {
                table::set(descriptor, table::NONE);
                return act();
            }
            return refused(image, refusal);
        }
    };
    let result = act();
    seated.seat.end(begun);
    result
}

#[inline]
fn announce(
    image: &'static Image,
    (first, count): (u32, u32),
) -> Result<(&'static Seated, Begun), Refusal> {
    let seated = image.seated();
    match seated.seat.begin(first, count) {
        Ok(begun) => Ok((seated, begun)),
        Err(Refusal::Forked) if sit_anew(image) => {
            let seated = image.seated();
            Ok((seated, seated.seat.begin(first, count)?))
        }
        Err(refusal) => Err(refusal),
    }
}

#[cold]
fn sit_anew(image: &Image) -> bool {
    match image.sit_anew() {
        Ok(()) => true,
        Err(why) => {
            if image.tell_once(Once::Forked) {
                say(&["a child cannot be monitored, and cannot write ", &image.name, ": ", &why]);
            }
            false
        }
    }
}

#[cold]
fn refused<T: Failure>(image: &Image, refusal: Refusal) -> T {
    match refusal {
        Refusal::Sealed(track) => {
            if image.tell_once(Once::Sealed) {
                let mut digits = [0; 20];
                let track = decimal(u64::from(track), &mut digits);
                say(&[
                    "a write to track ",
                    track,
                    " of ",
                    &image.name,
                    " was refused: a data set that is just being moved lies there; close and unallocate it",
                ]);
            }
        }
        _ => {
            if image.tell_once(Once::Retired) {
                say(&[
                    "this image was retired by the operator and cannot write ",
                    &image.name,
                    "; open it again to register anew",
                ]);
            }
        }
    }
    fail(c::EIO)
}

#[cold]
fn nested<T: Failure>(image: &Image) -> T {
    if image.tell_once(Once::Nested) {
        say(&["a signal handler must not write ", &image.name, " while its thread does so"]);
    }
    fail(c::EDEADLK)
}

/// Moves the offset of an image's file.
#[inline]
pub fn seek(descriptor: c_int, entry: u16, act: impl FnOnce() -> i64) -> i64 {
    let Some(image) = Image::of(entry) else { return act() };
    let Some(_turn) = image.position.take() else { return nested::<c_int>(image).into() };
    image.sought.forget();
    let offset = act();
    if offset != -1 && !image.is_shared.load(Ordering::Relaxed) {
        image.sought.keep(descriptor, offset);
    }
    offset
}

/// Does something else that moves the offset of an image's file.
pub fn moving(entry: u16, act: impl FnOnce() -> isize) -> isize {
    let Some(image) = Image::of(entry) else { return act() };
    let _uncancelled = Uncancelled::begin();
    let Some(_turn) = image.position.take() else { return nested(image) };
    image.sought.forget();
    act()
}

#[cold]
fn is_appending(descriptor: c_int) -> bool {
    // SAFETY: it takes no memory.
    unsafe { next::fcntl(descriptor, c::F_GETFL, 0) & c::O_APPEND != 0 }
}

#[cold]
fn size_of(descriptor: c_int) -> i64 {
    // SAFETY: it is only asked for its metadata, and not closed.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    file.metadata().map_or(-1, |metadata| metadata.len() as i64)
}

// What is said.

/// Where standard error led at the start.
static TERMINAL: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

fn standard_error() -> Option<[u64; 2]> {
    // SAFETY: as above.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(2) });
    file.metadata().ok().map(|metadata| [metadata.dev(), metadata.ino()])
}

/// Remembers where standard error leads.
pub fn remember_terminal() {
    let Some([device, inode]) = standard_error() else { return };
    TERMINAL[0].store(device, Ordering::Relaxed);
    TERMINAL[1].store(inode, Ordering::Relaxed);
}

/// Says something on standard error, in one piece, unless the program has made something else of it.
#[cold]
pub fn say(parts: &[&str]) {
    let error = c::errno();
    let mut line = [0u8; 512];
    let mut length = 0;
    for part in ["trackmirror: "].iter().chain(parts).chain(&["\n"]) {
        let room = &mut line[length..];
        let count = part.len().min(room.len());
        room[..count].copy_from_slice(&part.as_bytes()[..count]);
        length += count;
    }
    let expected = [0, 1].map(|word| TERMINAL[word].load(Ordering::Relaxed));
    if table::get(2) == table::NONE && standard_error() == Some(expected) {
        // SAFETY: the buffer has so many bytes.
        unsafe { next::write(2, line.as_ptr().cast(), length) };
    }
    c::set_errno(error);
}

fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    while at > 0 {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    std::str::from_utf8(&digits[at..]).unwrap_or("?")
}
