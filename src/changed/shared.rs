//! The bitmap of tracks that several threads, or several processes, mark at once: words of atomics that lie elsewhere.
//!
//! Bit `n % 64` of word `n / 64` stands for track `n`. Bits behind the last track are never set, and never looked at.
//!
//! Marking tests before it writes, so that a track that is changed again and again costs no more than a look at memory
//! that nobody writes. That is only right behind a full fence: without one, the look may be older than the write that
//! is to be marked, and a reader that cleared the bit in between would have read the old track and lost the new one.
//! Whoever marks fences first; [`SharedBits::set_range`] says so again.
//!
//! This file uses nothing but the standard library and its sibling `sync`, so that a monitor that is built without the
//! rest of the crate, and a test that explores all orders of execution, have the very same code.

use super::sync::{AtomicU64, Ordering};

/// A run of tracks reaches beyond the volume's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside;

/// How many words a bitmap of so many tracks has.
pub const fn word_count(track_count: u32) -> usize {
    (track_count as usize).div_ceil(64)
}

/// A shared bitmap with one bit for each track of a volume: see the [module](self).
#[derive(Clone, Copy)]
pub struct SharedBits<'a> {
    words: &'a [AtomicU64],
    track_count: u32,
}

impl<'a> SharedBits<'a> {
    /// The bitmap in these words; `None` if they are too few for so many tracks.
    pub fn new(words: &'a [AtomicU64], track_count: u32) -> Option<SharedBits<'a>> {
        let words = words.get(..word_count(track_count))?;
        Some(SharedBits { words, track_count })
    }

    /// How many tracks the volume has.
    pub fn track_count(&self) -> u32 {
        self.track_count
    }

    /// One word, or zero behind the end.
    #[inline]
    pub fn word(&self, index: usize) -> u64 {
        self.words.get(index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Marks a run. The caller has done a full fence since the writes that it marks.
    #[inline]
    pub fn set_range(&self, first: u32, count: u32) -> Result<(), Outside> {
        for (index, mask) in self.masks(first, count)? {
            self.set_word(index, mask);
        }
        Ok(())
    }

    /// Marks these bits of one word; as for [`set_range`](SharedBits::set_range).
    #[inline]
    pub fn set_word(&self, index: usize, mask: u64) {
        if let Some(word) = self.words.get(index)
            && word.load(Ordering::Relaxed) & mask != mask
        {
            word.fetch_or(mask, Ordering::SeqCst);
        }
    }

    /// Clears these bits of one word, and no others.
    #[inline]
    pub fn clear_word(&self, index: usize, mask: u64) {
        if let Some(word) = self.words.get(index)
            && mask != 0
        {
            word.fetch_and(!mask, Ordering::SeqCst);
        }
    }

    /// Clears a run.
    pub fn clear_range(&self, first: u32, count: u32) -> Result<(), Outside> {
        for (index, mask) in self.masks(first, count)? {
            self.clear_word(index, mask);
        }
        Ok(())
    }

    /// How many tracks of a run are marked.
    pub fn count_range(&self, first: u32, count: u32) -> Result<u32, Outside> {
        let masks = self.masks(first, count)?;
        Ok(masks.map(|(index, mask)| (self.word(index) & mask).count_ones()).sum())
    }

    /// The first marked track of a run.
    #[inline]
    pub fn first_in(&self, first: u32, count: u32) -> Result<Option<u32>, Outside> {
        for (index, mask) in self.masks(first, count)? {
            let bits = self.word(index) & mask;
            if bits != 0 {
                return Ok(Some(index as u32 * 64 + bits.trailing_zeros()));
            }
        }
        Ok(None)
    }

    /// The words that a run touches, each with the mask of the run's bits in it.
    #[inline]
    pub fn masks(&self, first: u32, count: u32) -> Result<Masks, Outside> {
        match first.checked_add(count) {
            Some(end) if end <= self.track_count => Ok(Masks { first, end }),
            _ => Err(Outside),
        }
    }
}

impl core::fmt::Debug for SharedBits<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SharedBits({} tracks)", self.track_count)
    }
}

/// The words of a run with their masks.
#[derive(Clone, Debug)]
pub struct Masks {
    first: u32,
    end: u32,
}

impl Iterator for Masks {
    type Item = (usize, u64);

    #[inline]
    fn next(&mut self) -> Option<(usize, u64)> {
        if self.first >= self.end {
            return None;
        }
        let (index, low) = (self.first / 64, self.first % 64);
        let high = (self.end - index * 64).min(64);
        // 1 to 64 bits, so neither shift is by 64.
        let mask = (u64::MAX >> (64 - (high - low))) << low;
        // No volume has so many tracks that the next word's first one is no number.
        self.first = (index + 1).saturating_mul(64).min(self.end);
        Some((index as usize, mask))
    }
}

/// The first run of set bits from `first` on and below `end`, or its first `count_max` bits: first bit and count. The
/// words come from a function, so that several maps can be searched as one.
#[inline]
pub fn first_run(
    word: impl Fn(usize) -> u64,
    first: u32,
    end: u32,
    count_max: u32,
) -> Option<(u32, u32)> {
    if first >= end || count_max == 0 {
        return None;
    }
    let last_index = (end - 1) as usize / 64;
    let mut index = first as usize / 64;
    let mut bits = word(index) & (u64::MAX << (first % 64));
    while bits == 0 {
        if index == last_index {
            return None;
        }
        index += 1;
        bits = word(index);
    }
    let start = index as u32 * 64 + bits.trailing_zeros();
    if start >= end {
        return None;
    }
    let limit = (end - start).min(count_max);
    let mut count = (!(bits >> (start % 64))).trailing_zeros().min(64 - start % 64);
    while count < limit && (start + count).is_multiple_of(64) {
        index += 1;
        let ones = (!word(index)).trailing_zeros();
        count += ones;
        if ones < 64 {
            break;
        }
    }
    Some((start, count.min(limit)))
}
