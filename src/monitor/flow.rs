//! The flow of a change, on the bare words of an area: in-flight slot, `changed`, `taken`.
//!
//! The problem: many threads of many processes write tracks while another process copies them, and nobody may wait for
//! anybody. A track that is written must be copied afterwards, whatever is interrupted in between. The rules:
//!
//! * A write is announced in a slot before it happens ([`Flow::begin`]), marked in `changed` after it happened, and
//!   only then taken out of its slot ([`Flow::end`]). So at every moment it stands in a slot or in `changed`, and a look
//!   at the slots first and at `changed` second cannot miss it.
//! * The copier sets `taken` before it clears `changed`, clears only what it saw set, and reads the track only then
//!   ([`Flow::take`]). A write that ends later sets `changed` again.
//! * A seal is set, then the slots are looked at. A writer sets its slot, then looks at the seals. Between the two
//!   steps both have a full fence, so at least one sees the other. It is the same between the activation of a
//!   subscription and an end that still finds it inactive.
//! * Marking tests before it sets. The fence at the beginning of `end` makes that right: if the bit was seen set, the
//!   copier had not yet cleared it, and its reading comes after, behind its own fence, and finds what was written.
//!
//! No function here waits, allocates or panics, whatever the words hold.
//!
//! This file uses nothing but the standard library and its siblings `layout`, `bits` and `sync`.

use super::bits::SharedBits;
use super::layout::{self, Map, Shape, header, image, slot, subscription};
use super::sync::{AtomicU64, Ordering, fence};

/// The state of an image's record: the low eight bits of its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Never used.
    Free,
    /// Being registered.
    Registering,
    /// Registered.
    Attached,
    /// Said farewell: nothing of it is in flight.
    Farewell,
    /// Died, and its slots became changed tracks.
    Dead,
    /// Fell silent: nobody knows what it writes.
    Silent,
    /// The operator confirmed that it cannot write any more.
    Retired,
    /// No state that there is.
    Damaged,
}

impl Standing {
    /// From a record's first word.
    pub fn of(word: u64) -> Standing {
        match word & 0xFF {
            0 => Standing::Free,
            1 => Standing::Registering,
            2 => Standing::Attached,
            3 => Standing::Farewell,
            4 => Standing::Dead,
            5 => Standing::Silent,
            6 => Standing::Retired,
            _ => Standing::Damaged,
        }
    }

    /// A record's first word.
    pub fn word(self, incarnation: u64) -> u64 {
        incarnation << 8 | self as u64
    }

    /// Whether there may be a program behind the record that writes.
    pub fn may_write(self) -> bool {
        matches!(self, Standing::Registering | Standing::Attached | Standing::Silent)
    }
}

/// What an image can tell of its writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It tells before and after each write.
    Brackets = 1,
    /// It tells only what was written; when it dies, all is changed.
    Completions = 2,
    /// It is on another machine; when its connection ends, it has fallen silent.
    Remote = 3,
}

impl Kind {
    /// From a record; what is not known is taken for the worse.
    pub fn of(word: u64) -> Kind {
        match word {
            1 => Kind::Brackets,
            2 => Kind::Completions,
            _ => Kind::Remote,
        }
    }
}

/// Why a write must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A track beyond the volume's end.
    OutsideVolume,
    /// This track is sealed.
    Sealed(u32),
    /// The image was retired, or its record belongs to another one.
    NotAttached,
    /// The process is a fork of the one that registered.
    Forked,
    /// An image that brackets its writes noted one.
    WrongKind,
}

/// A write that has begun, and must be ended, whatever becomes of it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a write that is not ended keeps its tracks in flight"]
pub struct Begun {
    range: u64,
    image: u32,
    /// The slot, or `NO_SLOT`.
    slot: u32,
}

const NO_SLOT: u32 = u32::MAX;

impl Begun {
    /// The slot it is in; `None` if there was none left.
    pub fn slot(&self) -> Option<u32> {
        (self.slot != NO_SLOT).then_some(self.slot)
    }

    /// The word in its slot.
    pub fn range(&self) -> u64 {
        self.range
    }

    /// What somebody outside kept of it. The slot is one that there is.
    pub fn kept(range: u64, image: u32, slot: Option<u32>) -> Begun {
        Begun { range, image, slot: slot.unwrap_or(NO_SLOT) }
    }
}

/// What became of a dead image's writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Writes that were in flight.
    pub write_count: u32,
    /// Whether all tracks of the volume were marked as changed.
    pub all_changed: bool,
}

/// A run of tracks that somebody is writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The image's record.
    pub image: usize,
    /// Its slot; `None` for writes without one, whose tracks nobody knows.
    pub slot: Option<usize>,
    /// First track and track count; all tracks, if they are not known.
    pub range: (u32, u32),
    /// How many writes had ended in the slot.
    pub ended: u64,
}

/// The words of an area, with its checked shape.
#[derive(Clone, Copy)]
pub struct Flow<'a> {
    words: &'a [AtomicU64],
    shape: &'a Shape,
}

impl<'a> Flow<'a> {
    /// `None` if there are fewer words than the shape has.
    #[inline]
    pub fn new(words: &'a [AtomicU64], shape: &'a Shape) -> Option<Flow<'a>> {
        (words.len() >= shape.word_count()).then_some(Flow { words, shape })
    }

    /// A word of the header.
    #[inline]
    pub fn header(&self, word: usize) -> &'a AtomicU64 {
        &self.words[word]
    }

    /// A word of an image's record.
    #[inline]
    pub fn image(&self, index: usize, word: usize) -> &'a AtomicU64 {
        &self.words[self.shape.image_at(index) + word]
    }

    /// A word of a slot.
    #[inline]
    pub fn slot(&self, image: usize, slot: usize, word: usize) -> &'a AtomicU64 {
        &self.words[self.shape.slot_at(image, slot) + word]
    }

    /// A word of a subscription's record.
    pub fn subscription(&self, index: usize, word: usize) -> &'a AtomicU64 {
        &self.words[self.shape.subscription_at(index) + word]
    }

    /// A bitmap of a subscription.
    #[inline]
    pub fn map(&self, subscription: usize, map: Map) -> SharedBits<'a> {
        let words = &self.words[self.shape.bitmap_at(subscription, map)..];
        SharedBits::new(words, self.shape.track_count()).expect("the shape was checked")
    }

    // The monitor's side.

    /// Announces a write of these tracks by the image with this record and incarnation. `holder` is the thread that
    /// will end it, or 0 if any thread may; `hint` the slot to try first.
    #[inline]
    pub fn begin(
        &self,
        (index, incarnation): (usize, u64),
        (first, count): (u32, u32),
        holder: u32,
        hint: u32,
    ) -> Result<Begun, Refusal> {
        let range = layout::range_word(first, count, self.shape.track_count())
            .ok_or(Refusal::OutsideVolume)?;
        let slot = self.occupy(index, range, holder, hint);
        let begun = Begun { range, image: index as u32, slot };
        fence(Ordering::SeqCst);
        let standing = self.image(index, image::STATE).load(Ordering::Acquire);
        let refusal = if !is_attached(standing, incarnation) {
            Some(Refusal::NotAttached)
        } else {
            self.first_sealed(first, count).map(Refusal::Sealed)
        };
        let Some(refusal) = refusal else { return Ok(begun) };
        self.vacate(&begun);
        if let Refusal::Sealed(track) = refusal {
            self.image(index, image::REFUSED).fetch_add(1, Ordering::Relaxed);
            let word = self.image(index, image::REFUSED_TRACK);
            word.store(u64::from(track) + 1, Ordering::Relaxed);
        }
        Err(refusal)
    }

    /// [`end`](Flow::end) for a write that somebody outside kept, of these tracks, if it is in flight: in its slot there is
    /// its range, and as many writes had ended (in the lower 32 bits) as when it began. Of those without a slot there is a
    /// count alone. The tracks are marked in any case: that costs time, and nothing else.
    #[inline]
    pub fn end_kept(&self, begun: &Begun, (first, count): (u32, u32), ended_before: u32) -> bool {
        let index = begun.image as usize;
        let is_in_flight = match begun.slot() {
            Some(number) => {
                let range = self.slot(index, number as usize, slot::RANGE).load(Ordering::Relaxed);
                range == begun.range && self.ended_before(begun) as u32 == ended_before
            }
            None => self.image(index, image::WITHOUT_SLOT).load(Ordering::Relaxed) != 0,
        };
        fence(Ordering::SeqCst);
        self.mark(first, count);
        if is_in_flight {
            self.leave(begun);
        }
        is_in_flight
    }

    /// Tells that a write has ended, whatever its result.
    #[inline]
    pub fn end(&self, begun: Begun) {
        fence(Ordering::SeqCst);
        match layout::range_of(begun.range, self.shape.track_count()) {
            Some((first, count)) => self.mark(first, count),
            None => self.mark_all(),
        }
        self.leave(&begun);
    }

    /// Frees what a write that is marked took, and notes what it wrote.
    #[inline]
    fn leave(&self, begun: &Begun) {
        if let Some(number) = begun.slot() {
            let last = self.slot(begun.image as usize, number as usize, slot::LAST);
            last.store(begun.range, Ordering::Relaxed);
        }
        self.vacate(begun);
    }

    /// What tells this write from those before and after it in its slot: how many had ended there.
    #[inline]
    pub fn ended_before(&self, begun: &Begun) -> u64 {
        begun.slot().map_or(0, |number| {
            let word = self.slot(begun.image as usize, number as usize, slot::ENDED);
            word.load(Ordering::Relaxed)
        })
    }

    /// Tells that these tracks were written, by an image that does not say when it begins.
    pub fn note(&self, index: usize, first: u32, count: u32) -> Result<(), Refusal> {
        layout::range_word(first, count, self.shape.track_count()).ok_or(Refusal::OutsideVolume)?;
        fence(Ordering::SeqCst);
        self.mark(first, count);
        self.image(index, image::NOTED).fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes a free slot; if there is none, raises the counter of writes without one.
    #[inline]
    fn occupy(&self, index: usize, range: u64, holder: u32, hint: u32) -> u32 {
        let slot_count = self.shape.slot_capacity();
        let mut number = hint as usize;
        if number >= slot_count {
            number %= slot_count;
        }
        for _ in 0..slot_count {
            let word = self.slot(index, number, slot::RANGE);
            if word.load(Ordering::Relaxed) == 0
                && word.compare_exchange(0, range, Ordering::SeqCst, Ordering::Relaxed).is_ok()
            {
                let word = self.slot(index, number, slot::HOLDER);
                word.store(u64::from(holder), Ordering::Relaxed);
                return number as u32;
            }
            number = if number + 1 == slot_count { 0 } else { number + 1 };
        }
        self.image(index, image::WITHOUT_SLOT).fetch_add(1, Ordering::SeqCst);
        self.image(index, image::WITHOUT_SLOT_TOTAL).fetch_add(1, Ordering::Relaxed);
        NO_SLOT
    }

    /// Frees what `occupy` took. What a reaper already freed belongs to somebody else, and is left alone.
    #[inline]
    fn vacate(&self, begun: &Begun) {
        let index = begun.image as usize;
        let Some(number) = begun.slot().map(|number| number as usize) else {
            self.image(index, image::WITHOUT_SLOT).fetch_sub(1, Ordering::Release);
            return;
        };
        let word = self.slot(index, number, slot::RANGE);
        if word.load(Ordering::Relaxed) == begun.range {
            // While the slot is free it has no holder; a stale one could be taken for a thread that ended.
            self.slot(index, number, slot::HOLDER).store(0, Ordering::Relaxed);
            // Only the holder writes it, so it needs no atomic addition.
            let ended = self.slot(index, number, slot::ENDED);
            ended.store(ended.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
            word.store(0, Ordering::Release);
        }
    }

    /// Marks a run in `changed` of every active subscription. The caller has fenced.
    #[inline]
    pub fn mark(&self, first: u32, count: u32) {
        for subscription in self.bits_of(header::ACTIVE) {
            // The range was checked, so it is not outside.
            let _ = self.map(subscription, Map::Changed).set_range(first, count);
        }
    }

    /// Marks every track of the volume in every active subscription.
    pub fn mark_all(&self) {
        fence(Ordering::SeqCst);
        self.mark(0, self.shape.track_count());
    }

    /// The first track of a run that some subscription sealed.
    #[inline]
    fn first_sealed(&self, first: u32, count: u32) -> Option<u32> {
        let mut sealed = self.bits_of(header::SEALING);
        sealed.find_map(|subscription| {
            self.map(subscription, Map::Sealed).first_in(first, count).ok().flatten()
        })
    }

    /// The subscriptions whose bit is set in a word of the header.
    #[inline]
    fn bits_of(&self, word: usize) -> impl Iterator<Item = usize> + use<> {
        let known = (1u64 << self.shape.subscription_capacity()) - 1;
        let mut bits = self.header(word).load(Ordering::Acquire) & known;
        core::iter::from_fn(move || {
            let number = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
            Some(number)
        })
    }

    // Images that end.

    /// Makes everything that an image has in flight changed tracks, then frees its slots. Only for an image that cannot
    /// write any more, by whoever holds its lock (or the operator's word).
    pub fn reap(&self, index: usize) -> Reaped {
        fence(Ordering::SeqCst);
        // What it wrote while it was silent nobody knows.
        let standing = Standing::of(self.image(index, image::STATE).load(Ordering::Acquire));
        let mut reaped = Reaped {
            all_changed: standing == Standing::Silent
                || Kind::of(self.image(index, image::KIND).load(Ordering::Relaxed))
                    != Kind::Brackets
                || self.image(index, image::WITHOUT_SLOT).load(Ordering::Acquire) != 0,
            ..Reaped::default()
        };
        for number in 0..self.shape.slot_capacity() {
            let word = self.slot(index, number, slot::RANGE).load(Ordering::Acquire);
            if word == 0 {
                continue;
            }
            reaped.write_count += 1;
            match layout::range_of(word, self.shape.track_count()) {
                Some((first, count)) => self.mark(first, count),
                None => reaped.all_changed = true,
            }
        }
        if reaped.all_changed {
            self.mark_all();
        }
        for number in 0..self.shape.slot_capacity() {
            self.slot(index, number, slot::HOLDER).store(0, Ordering::Relaxed);
            self.slot(index, number, slot::RANGE).store(0, Ordering::Release);
        }
        self.image(index, image::WITHOUT_SLOT).store(0, Ordering::Release);
        reaped
    }

    /// Makes what one slot holds changed tracks, then frees it, if it still holds this range for this thread, which has
    /// ended. Only one at a time may do so.
    pub fn reap_slot(&self, index: usize, number: usize, range: u64, holder: u64) -> bool {
        let word = self.slot(index, number, slot::RANGE);
        let held = self.slot(index, number, slot::HOLDER);
        if word.load(Ordering::Acquire) != range || held.load(Ordering::Acquire) != holder {
            return false;
        }
        fence(Ordering::SeqCst);
        match layout::range_of(range, self.shape.track_count()) {
            Some((first, count)) => self.mark(first, count),
            None => self.mark_all(),
        }
        held.store(0, Ordering::Relaxed);
        word.store(0, Ordering::Release);
        true
    }

    // The owner's side.

    /// Empties a subscription's bitmaps, then lets every monitor mark in it. Writes that began before may end unmarked.
    pub fn activate(&self, subscription: usize) {
        for map in [Map::Changed, Map::Taken, Map::Sealed] {
            let map = self.map(subscription, map);
            (0..self.shape.bitmap_words()).for_each(|index| map.clear_word(index, u64::MAX));
        }
        self.header(header::ACTIVE).fetch_or(1 << subscription, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Ends a subscription: its seals first, so that nothing stays sealed that nobody would open.
    pub fn deactivate(&self, subscription: usize) {
        let bit = !(1u64 << subscription);
        self.header(header::SEALING).fetch_and(bit, Ordering::SeqCst);
        self.header(header::ACTIVE).fetch_and(bit, Ordering::SeqCst);
        self.subscription(subscription, subscription::STATE)
            .store(subscription::FREE, Ordering::Release);
    }

    /// Everything in flight now, slots first; nothing of what is in flight at the call is missing.
    pub fn in_flight(&self) -> impl Iterator<Item = InFlight> + use<'a> {
        fence(Ordering::SeqCst);
        let (flow, shape) = (*self, self.shape);
        let all = (0, shape.track_count());
        let slots = (0..shape.image_capacity() * shape.slot_capacity()).filter_map(move |place| {
            let (image, number) = (place / shape.slot_capacity(), place % shape.slot_capacity());
            let word = flow.slot(image, number, slot::RANGE).load(Ordering::Acquire);
            // Read behind the range, so that it never counts a write that is still in the slot.
            let ended = flow.slot(image, number, slot::ENDED).load(Ordering::Acquire);
            (word != 0).then(|| InFlight {
                image,
                slot: Some(number),
                range: layout::range_of(word, shape.track_count()).unwrap_or(all),
                ended,
            })
        });
        let without = (0..shape.image_capacity()).filter_map(move |image| {
            let standing = flow.image(image, image::STATE).load(Ordering::Acquire);
            let count = flow.image(image, image::WITHOUT_SLOT).load(Ordering::Acquire);
            // A retired image may still lower a counter that was emptied for it.
            let counts = count != 0 && Standing::of(standing) != Standing::Retired;
            counts.then_some(InFlight { image, slot: None, range: all, ended: 0 })
        });
        slots.chain(without)
    }

    /// Whether a write that was seen in flight has ended since.
    pub fn has_ended(&self, write: &InFlight) -> bool {
        let Some(number) = write.slot else {
            return self.image(write.image, image::WITHOUT_SLOT).load(Ordering::Acquire) == 0;
        };
        self.slot(write.image, number, slot::RANGE).load(Ordering::Acquire) == 0
            || self.slot(write.image, number, slot::ENDED).load(Ordering::Acquire) != write.ended
    }

    /// Takes a run over from `changed` into `taken`, and gives back what of it is in `taken`: the words from the run's
    /// first one on. Read the tracks only behind this.
    pub fn take(&self, subscription: usize, first: u32, count: u32, snapshot: &mut [u64]) {
        let changed = self.map(subscription, Map::Changed);
        let taken = self.map(subscription, Map::Taken);
        let Ok(masks) = changed.masks(first, count) else { return };
        for (index, mask) in masks.clone() {
            let observed = changed.word(index) & mask;
            if observed != 0 {
                taken.set_word(index, observed);
                changed.clear_word(index, observed);
            }
        }
        fence(Ordering::SeqCst);
        for ((index, mask), word) in masks.zip(snapshot) {
            *word = taken.word(index) & mask;
        }
    }

    /// Clears in `taken` exactly what `take` gave back. Only when the target is flushed.
    pub fn done(&self, subscription: usize, first: u32, snapshot: &[u64]) {
        let taken = self.map(subscription, Map::Taken);
        for (index, &mask) in (first as usize / 64..).zip(snapshot) {
            taken.clear_word(index, mask);
        }
    }

    /// Seals a run: every write that has not yet begun is refused; one that has is found in its slot from now on.
    pub fn seal(&self, subscription: usize, first: u32, count: u32) {
        self.header(header::SEALING).fetch_or(1 << subscription, Ordering::SeqCst);
        let _ = self.map(subscription, Map::Sealed).set_range(first, count);
        fence(Ordering::SeqCst);
    }

    /// Opens all that a subscription sealed.
    pub fn unseal(&self, subscription: usize) {
        self.header(header::SEALING).fetch_and(!(1u64 << subscription), Ordering::SeqCst);
        let sealed = self.map(subscription, Map::Sealed);
        (0..self.shape.bitmap_words()).for_each(|index| sealed.clear_word(index, u64::MAX));
    }
}

/// Whether a record's first word is that of an attached (or silent) image of this incarnation.
#[inline]
fn is_attached(word: u64, incarnation: u64) -> bool {
    word == Standing::Attached.word(incarnation) || word == Standing::Silent.word(incarnation)
}
