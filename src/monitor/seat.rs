//! An image's seat in an area: registered under a name, alive as long as the kernel holds its lock, telling each write.
//!
//! *Registration.* Each image record has a lock byte, and who holds it owns the record. A newcomer looks for the record
//! of its own name first (a restart), then for one that was never used, then for one whose image is gone; makes the
//! dead image's slots changed tracks if nobody did so yet; writes its name; and only then looks whether anybody alive
//! has the same name. Two that come with one name at the same moment see each other, and both are refused: safe, and
//! nothing that a second attempt would not heal.
//!
//! *Death.* The lock falls with the process, however it ends, so nobody has to guess from process ids. A process that
//! is merely stopped keeps its lock and its slots.
//!
//! *End.* A program that cannot be changed does not know where its last write is: streams are written out after everything
//! else, and other threads go on meanwhile. So it takes no leave; its monitor only says that the end has begun, by a word
//! that changes nothing for its writes. When its lock has fallen then, and nothing of it is in flight, that is a farewell.
//!
//! *Forks.* A child shares the parent's lock, so it would seem alive when only the parent is. It must not write through
//! this seat: [`Seat::begin`] refuses it, and dropping the seat there changes nothing. It registers itself anew.
//!
//! *Threads.* A slot remembers its thread, by the kernel's number, unless any thread may end the write. A thread that
//! ended inside its write is seen by whoever looks through `/proc/<process>/task/<thread>`, in the same pid namespace.
//! That was preferred to a destructor of thread-local storage, which allocates at its first use and does not run for
//! every way in which a thread can end. The thread's number is asked once, and kept in thread-local words.
//!
//! This file uses nothing but the standard library and its siblings.

use super::file::{Opened, Trouble, image_byte};
use super::flow::{Begun, Kind, Reaped, Refusal, Standing};
use super::layout::{self, NAME_BYTES, header, image};
use super::map::{self, ForkMark, HeldByte};
use super::sync::{AtomicU64, Ordering, fence};
use std::sync::Arc;
use std::sync::atomic::compiler_fence;

/// How often a registration that may have been disturbed by a look at the same record is tried.
const ATTEMPTS: u32 = 50;

/// Who wants to be registered.
#[derive(Clone, Debug)]
pub struct Newcomer<'a> {
    /// Its name: 1 to 32 printable ASCII characters without blanks.
    pub name: &'a str,
    /// What it can tell.
    pub kind: Kind,
    /// Now, in milliseconds since 1970.
    pub now_ms: u64,
}

/// A registered image: see the [module](self).
#[derive(Debug)]
pub struct Seat {
    area: Arc<Opened>,
    index: usize,
    incarnation: u64,
    kind: Kind,
    fork_mark: ForkMark,
    /// Tells this seat from all others that this process, and those it was forked from, ever had.
    number: u64,
    _lock: HeldByte,
}

impl Seat {
    /// Registers an image.
    pub fn register(area: Arc<Opened>, newcomer: &Newcomer) -> Result<Seat, Trouble> {
        let name = name_words(newcomer.name).ok_or(Trouble::BadName)?;
        let mut result = Err(Trouble::Busy);
        for _ in 0..ATTEMPTS {
            result = claim(&area, name, newcomer);
            match &result {
                // Somebody who looks whether an image is dead holds its lock for a moment.
                Err(Trouble::NameInUse(_) | Trouble::Busy) => std::thread::yield_now(),
                _ => break,
            }
        }
        let (index, incarnation, lock) = result?;
        Ok(Seat {
            area,
            index,
            incarnation,
            kind: newcomer.kind,
            fork_mark: ForkMark::new(),
            number: NEXT_SEAT.fetch_add(1, Ordering::Relaxed),
            _lock: lock,
        })
    }

    /// Announces a write of these tracks, which this thread will end. Never blocks or allocates; may be called in a
    /// signal handler.
    #[inline]
    pub fn begin(&self, first: u32, count: u32) -> Result<Begun, Refusal> {
        self.begin_for(first, count, true)
    }

    /// The same for a write that another thread may end.
    pub fn begin_unbound(&self, first: u32, count: u32) -> Result<Begun, Refusal> {
        self.begin_for(first, count, false)
    }

    #[inline]
    fn begin_for(&self, first: u32, count: u32, bound: bool) -> Result<Begun, Refusal> {
        if !self.fork_mark.is_here() {
            return Err(Refusal::Forked);
        }
        let (thread, hint) = MEMORY.with(|memory| memory.recall(self.number));
        let seat = (self.index, self.incarnation);
        let holder = if bound { thread } else { 0 };
        let begun = self.area.flow().begin(seat, (first, count), holder, hint)?;
        if let Some(slot) = begun.slot()
            && slot != hint
        {
            MEMORY.with(|memory| memory.keep(self.number, thread, slot));
        }
        Ok(begun)
    }

    /// Tells that a write has ended, whatever its result. Never blocks or allocates.
    #[inline]
    pub fn end(&self, begun: Begun) {
        // In a fork the slot is the parent's.
        if self.fork_mark.is_here() {
            self.area.flow().end(begun);
        }
    }

    /// Tells that tracks were written; only for an image that cannot tell when a write begins. Never blocks or allocates.
    #[inline]
    pub fn note(&self, first: u32, count: u32) -> Result<(), Refusal> {
        if !self.fork_mark.is_here() {
            return Err(Refusal::Forked);
        }
        if self.kind == Kind::Brackets {
            return Err(Refusal::WrongKind);
        }
        self.area.flow().note(self.index, first, count)
    }

    /// Says that the image lives, now.
    pub fn sign_of_life(&self, now_ms: u64) {
        self.area.flow().image(self.index, image::SIGN_OF_LIFE).store(now_ms, Ordering::Relaxed);
    }

    /// The number of this registration; each has a higher one.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }
}

/// Why a write that somebody outside kept was not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// The process is a fork of the one that registered.
    Forked,
    /// It is none that began at this seat.
    Unknown,
    /// It has ended already, or was given up by the operator's word; its tracks are marked once more.
    Ended,
}

/// In kept words: the write has no slot.
const WITHOUT_SLOT: u64 = 0xFFFF;

/// Writes that have begun, as words that somebody outside keeps, who may give back any others:
///
/// ```text
///  0  the range, as in a slot (bit 63 is one)
///  1  the slot (16 bits), the lower half of this seat's number (16), how many writes had ended in the slot (32)
/// ```
#[allow(dead_code)]
impl Seat {
    /// The words of a write that has begun.
    #[inline]
    pub fn kept(&self, begun: &Begun) -> [u64; 2] {
        let slot = begun.slot().map_or(WITHOUT_SLOT, u64::from);
        let ended = self.area.flow().ended_before(begun) & 0xFFFF_FFFF;
        [begun.range(), slot << 48 | (self.number & 0xFFFF) << 32 | ended]
    }

    /// Tells that the write with these words has ended, whatever its result. Never blocks or allocates.
    #[inline]
    pub fn end_kept(&self, [range, place]: [u64; 2]) -> Result<(), Stray> {
        if !self.fork_mark.is_here() {
            return Err(Stray::Forked);
        }
        let (slot, flow) = (place >> 48, self.area.flow());
        let is_own = place >> 32 & 0xFFFF == self.number & 0xFFFF;
        let is_slot = slot == WITHOUT_SLOT || slot < self.area.shape.slot_capacity() as u64;
        let tracks = layout::range_of(range, self.area.shape.track_count());
        let Some((first, count)) = tracks.filter(|_| is_own && is_slot) else {
            return Err(Stray::Unknown);
        };
        let slot = (slot != WITHOUT_SLOT).then_some(slot as u32);
        let begun = Begun::kept(range, self.index as u32, slot);
        // It may have written in spite of whoever gave it up.
        match flow.end_kept(&begun, (first, count), place as u32) {
            true => Ok(()),
            false => Err(Stray::Ended),
        }
    }
}

/// What only the monitor needs that is loaded into programs.
#[allow(dead_code)]
impl Seat {
    /// Whether this is the process that registered, and no fork of it.
    #[inline]
    pub fn is_here(&self) -> bool {
        self.fork_mark.is_here()
    }

    /// Whether the record is still this registration's.
    pub fn is_attached(&self) -> bool {
        let state = self.area.flow().image(self.index, image::STATE).load(Ordering::Acquire);
        state == Standing::Attached.word(self.incarnation)
            || state == Standing::Silent.word(self.incarnation)
    }

    /// Says that the program has begun to end by itself, or that it has not after all. What it writes still is told as
    /// ever. Does nothing in a fork. May be called in a signal handler.
    pub fn set_ending(&self, is_ending: bool) {
        if self.fork_mark.is_here() {
            let word = self.area.flow().image(self.index, image::ENDING);
            word.store(u64::from(is_ending), Ordering::SeqCst);
        }
    }

    /// Takes leave of the area before the seat is dropped: every further write is refused, and the record is free for
    /// others. `false` if a write is in flight; then nothing has changed.
    pub fn farewell(&self) -> bool {
        if !self.fork_mark.is_here() {
            return false;
        }
        let state = self.area.flow().image(self.index, image::STATE);
        let (own, farewell) = (Standing::Attached, Standing::Farewell);
        let (own, farewell) = (own.word(self.incarnation), farewell.word(self.incarnation));
        let swap = |from, to| state.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed);
        if swap(own, farewell).is_err() {
            return false;
        }
        // Behind the farewell: a write that begins from now on is refused, one that had begun is seen.
        fence(Ordering::SeqCst);
        if self.has_in_flight() {
            let _ = swap(farewell, own);
            return false;
        }
        self._lock.release();
        true
    }

    /// Lets go of the parent's lock, in a fork: else the parent would seem alive as long as the child lives.
    pub fn part_in_fork(&self) {
        if !self.fork_mark.is_here() {
            self._lock.part_in_fork();
        }
    }
}

impl Seat {
    fn has_in_flight(&self) -> bool {
        has_in_flight(&self.area, self.index)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.fork_mark.is_here() {
            return;
        }
        let flow = self.area.flow();
        let state = flow.image(self.index, image::STATE);
        let is_silent = state.load(Ordering::Acquire) == Standing::Silent.word(self.incarnation);
        if self.has_in_flight() || is_silent {
            // A write whose end was never told: as after a death. What was written in silence nobody knows.
            flow.reap(self.index);
        }
        for standing in [Standing::Attached, Standing::Silent] {
            let farewell = Standing::Farewell.word(self.incarnation);
            let own = standing.word(self.incarnation);
            let _ = state.compare_exchange(own, farewell, Ordering::SeqCst, Ordering::Relaxed);
        }
    }
}

/// Finds and fills a record; the lock is held from then on.
fn claim(
    area: &Opened,
    name: [u64; 4],
    newcomer: &Newcomer,
) -> Result<(usize, u64, HeldByte), Trouble> {
    let _table = area.hold_table()?;
    let io = |e| Trouble::Io("cannot lock an image's record".into(), e);
    let flow = area.flow();
    for index in candidates(area, name) {
        if let Some(process) = living_namesake(area, name, None)? {
            return Err(Trouble::NameInUse(process));
        }
        let Some(lock) = area.locks.try_hold(image_byte(index), true).map_err(io)? else {
            continue;
        };
        let state = flow.image(index, image::STATE);
        let before = Standing::of(state.load(Ordering::Acquire));
        if before.may_write() {
            let kind = Kind::of(flow.image(index, image::KIND).load(Ordering::Relaxed));
            if kind == Kind::Remote && name_at(area, index) != name {
                // It may still write on its other machine.
                continue;
            }
            flow.reap(index);
        }
        let last = flow.header(header::INCARNATION).fetch_add(1, Ordering::SeqCst);
        // Eight bits of the record's word are the state.
        let incarnation = last.wrapping_add(1) & (u64::MAX >> 8);
        state.store(Standing::Registering.word(incarnation), Ordering::SeqCst);
        let put = |word, value| flow.image(index, word).store(value, Ordering::Relaxed);
        for (word, part) in name.into_iter().enumerate() {
            put(image::NAME + word, part);
        }
        put(image::PROCESS, u64::from(std::process::id()));
        put(image::PID_NAMESPACE, map::pid_namespace());
        put(image::KIND, newcomer.kind as u64);
        put(image::SIGN_OF_LIFE, newcomer.now_ms);
        for word in [
            image::WITHOUT_SLOT,
            image::REFUSED,
            image::REFUSED_TRACK,
            image::WITHOUT_SLOT_TOTAL,
            image::NOTED,
            image::ENDING,
        ] {
            put(word, 0);
        }
        fence(Ordering::SeqCst);
        if let Some(process) = living_namesake(area, name, Some(index))? {
            state.store(Standing::Farewell.word(incarnation), Ordering::SeqCst);
            return Err(Trouble::NameInUse(process));
        }
        state.store(Standing::Attached.word(incarnation), Ordering::SeqCst);
        return Ok((index, incarnation, lock));
    }
    Err(Trouble::Full)
}

/// The records in the order in which a newcomer tries them.
fn candidates(area: &Opened, name: [u64; 4]) -> Vec<usize> {
    let flow = area.flow();
    let rank = |index: usize| {
        let word = flow.image(index, image::STATE).load(Ordering::Acquire);
        let (standing, incarnation) = (Standing::of(word), word >> 8);
        let rank = match standing {
            Standing::Damaged => return None,
            _ if standing != Standing::Free && name_at(area, index) == name => 0,
            Standing::Free => 1,
            Standing::Farewell => 2,
            Standing::Dead | Standing::Retired => 3,
            Standing::Registering | Standing::Attached | Standing::Silent => 4,
        };
        Some((rank, incarnation, index))
    };
    let mut ranked: Vec<_> = (0..area.shape.image_capacity()).filter_map(rank).collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, index)| index).collect()
}

/// The process of an image of this name that is registered (or just registering) and alive, in another record.
fn living_namesake(
    area: &Opened,
    name: [u64; 4],
    own: Option<usize>,
) -> Result<Option<u64>, Trouble> {
    let flow = area.flow();
    for index in (0..area.shape.image_capacity()).filter(|&index| Some(index) != own) {
        let standing = Standing::of(flow.image(index, image::STATE).load(Ordering::SeqCst));
        if standing.may_write() && name_at(area, index) == name {
            let held = area.locks.is_held(image_byte(index));
            if held.map_err(|e| Trouble::Io("cannot see who lives".into(), e))? {
                let process = flow.image(index, image::PROCESS).load(Ordering::Relaxed);
                return Ok(Some(process));
            }
        }
    }
    Ok(None)
}

/// Looks whether an image has died, and makes what it had in flight changed tracks: what there was, if so. One that has
/// ended by itself, and had nothing in flight, has not died.
pub fn bury_if_dead(area: &Opened, index: usize) -> Result<Option<Reaped>, Trouble> {
    let flow = area.flow();
    let state = flow.image(index, image::STATE);
    let io = |e| Trouble::Io("cannot see who lives".into(), e);
    if !Standing::of(state.load(Ordering::Acquire)).may_write() {
        return Ok(None);
    }
    let Some(_lock) = area.locks.try_hold(image_byte(index), true).map_err(io)? else {
        return Ok(None);
    };
    let word = state.load(Ordering::Acquire);
    let kind = Kind::of(flow.image(index, image::KIND).load(Ordering::Relaxed));
    let has_ended = has_ended(area, index, kind);
    let standing = match (Standing::of(word), kind) {
        (Standing::Silent, Kind::Remote) => return Ok(None),
        (standing, _) if !standing.may_write() => return Ok(None),
        (_, Kind::Remote) => Standing::Silent,
        (Standing::Attached, _) if has_ended => Standing::Farewell,
        _ => Standing::Dead,
    };
    let reaped = flow.reap(index);
    state.store(standing.word(word >> 8), Ordering::SeqCst);
    Ok((standing != Standing::Farewell).then_some(reaped))
}

/// Whether an image whose lock has fallen ended by itself, with everything told.
pub fn has_ended(area: &Opened, index: usize, kind: Kind) -> bool {
    let ending = area.flow().image(index, image::ENDING).load(Ordering::Acquire);
    ending == 1 && kind == Kind::Brackets && !has_in_flight(area, index)
}

fn has_in_flight(area: &Opened, index: usize) -> bool {
    let flow = area.flow();
    (0..area.shape.slot_capacity())
        .any(|slot| flow.slot(index, slot, super::layout::slot::RANGE).load(Ordering::Acquire) != 0)
        || flow.image(index, image::WITHOUT_SLOT).load(Ordering::Acquire) != 0
}

/// A name as its record has it; `None` if it is none.
pub fn name_words(name: &str) -> Option<[u64; 4]> {
    if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let mut bytes = [0; NAME_BYTES];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    let (words, _) = bytes.as_chunks::<8>();
    Some([0, 1, 2, 3].map(|word| u64::from_be_bytes(words[word])))
}

/// The name in a record.
pub fn name_at(area: &Opened, index: usize) -> [u64; 4] {
    let flow = area.flow();
    [0, 1, 2, 3].map(|word| flow.image(index, image::NAME + word).load(Ordering::Relaxed))
}

/// A record's name for reading; what cannot be in a name is shown as `?`.
pub fn name_text(words: [u64; 4]) -> String {
    let bytes = words.into_iter().flat_map(u64::to_be_bytes);
    let shown = |byte: u8| if byte.is_ascii_graphic() { char::from(byte) } else { '?' };
    bytes.take_while(|&byte| byte != 0).map(shown).collect()
}

static NEXT_SEAT: AtomicU64 = AtomicU64::new(1);

/// What a thread remembers of the seats it used last: its own number for the kernel, and its slot. A process that was
/// forked off has other seats, so it never recalls the thread's number of its parent.
struct ThreadMemory([[AtomicU64; 2]; 8]);

thread_local! {
    static MEMORY: ThreadMemory =
        const { ThreadMemory([const { [const { AtomicU64::new(0) }; 2] }; 8]) };
}

impl ThreadMemory {
    /// This thread's number, and the slot it had last.
    #[inline]
    fn recall(&self, seat: u64) -> (u32, u32) {
        let [key, value] = &self.0[seat as usize % 8];
        if key.load(Ordering::Relaxed) == seat {
            compiler_fence(Ordering::SeqCst);
            let value = value.load(Ordering::Relaxed);
            return ((value >> 32) as u32, value as u32);
        }
        self.meet(seat)
    }

    /// The same for a seat that it does not remember.
    #[cold]
    fn meet(&self, seat: u64) -> (u32, u32) {
        let thread = map::thread_id();
        // Threads that start at different slots need not find out that others are there.
        self.keep(seat, thread, thread);
        (thread, thread)
    }

    /// A signal handler may do the same at any point in between: it finds no key, or the right value behind it.
    #[inline]
    fn keep(&self, seat: u64, thread: u32, slot: u32) {
        let [key, value] = &self.0[seat as usize % 8];
        key.store(0, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        value.store(u64::from(thread) << 32 | u64::from(slot), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        key.store(seat, Ordering::Relaxed);
    }
}
