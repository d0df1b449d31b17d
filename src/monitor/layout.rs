//! Where everything lies in a monitor area.
//!
//! An area is an array of 64-bit words in the byte order of the machine. All places are in words:
//!
//! ```text
//! header, 64 words
//!    0  ready: the magic, written last              10  image file: device
//!    1  version                                     11  image file: inode
//!    2  how many words the area has                 12  image capacity I
//!  3-4  the area's id                               13  slots of an image S
//!  5-6  boot of the machine                         14  subscription capacity R, at most 8
//!    7  tracks of the volume                        15  words of a bitmap B (tracks / 64, rounded up to 8 words)
//!    8  heads | device code << 16                   16  active: bit s is set while subscription s wants changes
//!    9  volser, EBCDIC, in the low 48 bits          17  sealing: bit s is set while subscription s has sealed tracks
//!                                                   24  the last incarnation given
//! I image records of 16 words
//!    0  state | incarnation << 8                     8  writes in flight without a slot
//!  1-4  name, ASCII, filled up with zeros            9  last sign of life, ms since 1970
//!    5  process id                                  10  writes refused
//!    6  its pid namespace                           11  the track refused last, plus 1
//!    7  kind                                        12  writes without a slot, in all
//!                                                   13  writes noted
//!                                                   14  ending: 1 when its program has begun to end by itself
//! I times S slots of 8 words
//!    0  free: 0; else first track | tracks << 32 | 1 << 63
//!    1  the thread that holds it, 0 if it is not bound to a thread
//!    2  writes ended in this slot
//!    3  the range written last, as word 0
//! R subscription records of 16 words
//!    0  state                                        3  process id of the owner
//!  1-2  migration                                    4  since when, ms since 1970
//!  5-6  its incarnation, if it reports to another     7  the last number of a report
//!       machine                                       8  the highest order of a question
//!                                                     9  the highest order of a close
//! R times 3 bitmaps of B words: changed, taken, sealed
//! ```
//!
//! A slot fills a cache line, so that threads do not disturb each other; of an image record and of the header, what every
//! write reads and what some writes change lie in different lines. Words that are not named are zero.
//!
//! Areas are shared by the programs of one machine, which are of one byte order; the magic tells an area of the other one,
//! and it is refused.
//!
//! # How later releases read it
//! Programs of several releases may have monitors in one area at the same time, for as long as the machine runs: an area of
//! another boot is made anew. So this layout is frozen (`tests/areas/layout-1.txt`), and
//!
//! * a release that needs another one gives it a new version, and its areas another name in the registry's folder; it
//!   attaches to areas of this version too, as long as programs may come that know no other. Who finds a higher version
//!   than he knows does not attach;
//! * words that are not named stay zero. A later release may give one a meaning only if whoever does not know it loses
//!   nothing and breaks nothing.
//!
//! Whoever opens an area believes nothing of this but what [`Shape::read`] has checked, and keeps the checked copy: the
//! header may change behind his back.

use super::bits::word_count;
use super::sync::{AtomicU64, Ordering};

/// The ready word: "TMRAREA" and a byte that is not the same backwards.
pub const MAGIC: u64 = 0x544D_5241_5245_4101;
/// The version of the layout.
pub const VERSION: u64 = 1;
/// Words of the header.
pub const HEADER_WORDS: usize = 64;
/// Words of an image record.
pub const IMAGE_WORDS: usize = 16;
/// Words of a slot.
pub const SLOT_WORDS: usize = 8;
/// Words of a subscription record.
pub const SUBSCRIPTION_WORDS: usize = 16;
/// Bytes of an image's name.
pub const NAME_BYTES: usize = 32;
/// More tracks than any volume has.
pub const TRACK_COUNT_MAX: u32 = 1 << 30;
/// More images, and more slots of an image, than any area has.
pub const CAPACITY_MAX: usize = 1024;

/// Words of the header.
#[allow(missing_docs)]
pub mod header {
    pub const READY: usize = 0;
    pub const VERSION: usize = 1;
    pub const WORD_COUNT: usize = 2;
    pub const AREA_ID: usize = 3;
    pub const BOOT: usize = 5;
    pub const TRACK_COUNT: usize = 7;
    pub const DEVICE: usize = 8;
    pub const VOLSER: usize = 9;
    pub const FILE_DEVICE: usize = 10;
    pub const FILE_INODE: usize = 11;
    pub const IMAGE_CAPACITY: usize = 12;
    pub const SLOT_CAPACITY: usize = 13;
    pub const SUBSCRIPTION_CAPACITY: usize = 14;
    pub const BITMAP_WORDS: usize = 15;
    pub const ACTIVE: usize = 16;
    pub const SEALING: usize = 17;
    pub const INCARNATION: usize = 24;
}

/// Words of an image record.
#[allow(missing_docs)]
pub mod image {
    pub const STATE: usize = 0;
    pub const NAME: usize = 1;
    pub const PROCESS: usize = 5;
    pub const PID_NAMESPACE: usize = 6;
    pub const KIND: usize = 7;
    pub const WITHOUT_SLOT: usize = 8;
    pub const SIGN_OF_LIFE: usize = 9;
    pub const REFUSED: usize = 10;
    pub const REFUSED_TRACK: usize = 11;
    pub const WITHOUT_SLOT_TOTAL: usize = 12;
    pub const NOTED: usize = 13;
    pub const ENDING: usize = 14;
}

/// Words of a slot.
#[allow(missing_docs)]
pub mod slot {
    pub const RANGE: usize = 0;
    pub const HOLDER: usize = 1;
    pub const ENDED: usize = 2;
    pub const LAST: usize = 3;
}

/// Words of a subscription record, and its states.
#[allow(missing_docs)]
pub mod subscription {
    pub const STATE: usize = 0;
    pub const MIGRATION: usize = 1;
    pub const PROCESS: usize = 3;
    pub const SINCE: usize = 4;
    pub const INCARNATION: usize = 5;
    pub const REPORT_NUMBER: usize = 7;
    pub const QUESTION: usize = 8;
    pub const CLOSE: usize = 9;

    pub const FREE: u64 = 0;
    /// Claimed; the writes begun before are not known to have ended.
    pub const FILLING: u64 = 1;
    /// `taken` was filled.
    pub const FILLED: u64 = 2;
}

/// Which of a subscription's three bitmaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Tracks that changed and were not taken since.
    Changed = 0,
    /// Tracks that are not known to be durable at the target.
    Taken = 1,
    /// Tracks that must not be written.
    Sealed = 2,
}

/// What an area belongs to: one volume, in one image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Tracks of the volume.
    pub track_count: u32,
    /// Tracks of a cylinder.
    pub heads: u16,
    /// The device type's code.
    pub device_code: u8,
    /// The serial, as EBCDIC bytes; zeros if it is not known.
    pub volser: [u8; 6],
    /// The file system of the image's (first) file; 0 if it is no file, all ones if it is a block device.
    pub device: u64,
    /// Its inode, or the number of the block device.
    pub inode: u64,
}

impl Identity {
    /// Whether an area of the other identity serves for this one: all that both know is the same.
    pub fn fits(&self, other: &Identity) -> bool {
        let known = |volser: [u8; 6]| volser != [0; 6];
        let same_volser =
            !known(self.volser) || !known(other.volser) || self.volser == other.volser;
        same_volser && Identity { volser: other.volser, ..*self } == *other
    }
}

/// The checked sizes of an area, and where its parts begin. There is none with sizes beyond their limits, so a place
/// that it tells is within [`Shape::word_count`] words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    track_count: u32,
    image_capacity: usize,
    slot_capacity: usize,
    subscription_capacity: usize,
    // What follows from these, kept because every write asks for it.
    bitmap_words: usize,
    slots_at: usize,
    bitmaps_at: usize,
    word_count: usize,
}

impl Shape {
    /// The shape of new areas; `None` if no volume has so many tracks.
    pub fn new(track_count: u32) -> Option<Shape> {
        Shape::with(track_count, 32, 64, 8)
    }

    /// A shape with room for so many images, slots of each, and subscriptions; `None` beyond the limits.
    pub fn with(
        track_count: u32,
        images: usize,
        slots: usize,
        subscriptions: usize,
    ) -> Option<Shape> {
        let is_sound = (1..=TRACK_COUNT_MAX).contains(&track_count)
            && (1..=CAPACITY_MAX).contains(&images)
            && (1..=CAPACITY_MAX).contains(&slots)
            && (1..=8).contains(&subscriptions);
        if !is_sound {
            return None;
        }
        // Whole cache lines.
        let bitmap_words = word_count(track_count).next_multiple_of(8);
        let slots_at = HEADER_WORDS + images * IMAGE_WORDS;
        let bitmaps_at =
            slots_at + images * slots * SLOT_WORDS + subscriptions * SUBSCRIPTION_WORDS;
        Some(Shape {
            track_count,
            image_capacity: images,
            slot_capacity: slots,
            subscription_capacity: subscriptions,
            bitmap_words,
            slots_at,
            bitmaps_at,
            word_count: bitmaps_at + subscriptions * 3 * bitmap_words,
        })
    }

    /// Tracks of the volume.
    #[inline]
    pub fn track_count(&self) -> u32 {
        self.track_count
    }

    /// How many images there is room for.
    pub fn image_capacity(&self) -> usize {
        self.image_capacity
    }

    /// Slots of each image.
    #[inline]
    pub fn slot_capacity(&self) -> usize {
        self.slot_capacity
    }

    /// How many subscriptions there is room for.
    #[inline]
    pub fn subscription_capacity(&self) -> usize {
        self.subscription_capacity
    }

    /// Words of one bitmap.
    pub fn bitmap_words(&self) -> usize {
        self.bitmap_words
    }

    /// Where an image's record begins.
    #[inline]
    pub fn image_at(&self, index: usize) -> usize {
        HEADER_WORDS + index * IMAGE_WORDS
    }

    /// Where a slot of an image begins.
    #[inline]
    pub fn slot_at(&self, image: usize, slot: usize) -> usize {
        self.slots_at + (image * self.slot_capacity + slot) * SLOT_WORDS
    }

    /// Where a subscription's record begins.
    pub fn subscription_at(&self, index: usize) -> usize {
        self.bitmaps_at - (self.subscription_capacity - index) * SUBSCRIPTION_WORDS
    }

    /// Where a bitmap of a subscription begins.
    #[inline]
    pub fn bitmap_at(&self, subscription: usize, map: Map) -> usize {
        self.bitmaps_at + (subscription * 3 + map as usize) * self.bitmap_words
    }

    /// Words of the whole area.
    #[inline]
    pub fn word_count(&self) -> usize {
        self.word_count
    }

    /// Writes the header of a new area into words that are all zero, and the ready word last.
    pub fn write(&self, words: &[AtomicU64], identity: &Identity, id: [u64; 2], boot: [u64; 2]) {
        let put = |place: usize, value: u64| words[place].store(value, Ordering::Relaxed);
        put(header::VERSION, VERSION);
        put(header::WORD_COUNT, self.word_count() as u64);
        put(header::AREA_ID, id[0]);
        put(header::AREA_ID + 1, id[1]);
        put(header::BOOT, boot[0]);
        put(header::BOOT + 1, boot[1]);
        put(header::TRACK_COUNT, u64::from(self.track_count));
        put(header::DEVICE, u64::from(identity.heads) | u64::from(identity.device_code) << 16);
        put(header::VOLSER, volser_word(identity.volser));
        put(header::FILE_DEVICE, identity.device);
        put(header::FILE_INODE, identity.inode);
        put(header::IMAGE_CAPACITY, self.image_capacity as u64);
        put(header::SLOT_CAPACITY, self.slot_capacity as u64);
        put(header::SUBSCRIPTION_CAPACITY, self.subscription_capacity as u64);
        put(header::BITMAP_WORDS, self.bitmap_words() as u64);
        words[header::READY].store(MAGIC, Ordering::Release);
    }

    /// The shape that a header tells, if these words are an area of exactly that shape; why not, if not.
    pub fn read(words: &[AtomicU64]) -> Result<Shape, &'static str> {
        let Some(head) = words.get(..HEADER_WORDS) else { return Err("it is too short") };
        match head[header::READY].load(Ordering::Acquire) {
            MAGIC => {}
            0 => return Err("it was never completed"),
            _ => return Err("it does not begin as one"),
        }
        let get = |place: usize| head[place].load(Ordering::Relaxed);
        if get(header::VERSION) != VERSION {
            return Err("it was made by another version of this program");
        }
        let capacity = |place: usize| usize::try_from(get(place)).unwrap_or(usize::MAX);
        let Some(shape) = Shape::with(
            u32::try_from(get(header::TRACK_COUNT)).unwrap_or(u32::MAX),
            capacity(header::IMAGE_CAPACITY),
            capacity(header::SLOT_CAPACITY),
            capacity(header::SUBSCRIPTION_CAPACITY),
        ) else {
            return Err("its sizes are beyond every limit");
        };
        if get(header::BITMAP_WORDS) != shape.bitmap_words() as u64
            || get(header::WORD_COUNT) != shape.word_count() as u64
            || words.len() != shape.word_count()
        {
            return Err("its sizes do not fit together");
        }
        Ok(shape)
    }
}

/// Whether these words are an area of a machine of the other byte order. To mark tracks in it would mark others, and nobody
/// there would see who is here.
pub fn is_of_other_byte_order(words: &[AtomicU64]) -> bool {
    let ready = words.get(header::READY).map_or(0, |word| word.load(Ordering::Acquire));
    ready == MAGIC.swap_bytes()
}

/// The identity that a header tells, its track count apart, which the checked shape has.
pub fn read_identity(words: &[AtomicU64], shape: &Shape) -> Identity {
    let get = |place: usize| words[place].load(Ordering::Relaxed);
    let [_, _, volser @ ..] = get(header::VOLSER).to_be_bytes();
    Identity {
        track_count: shape.track_count,
        heads: get(header::DEVICE) as u16,
        device_code: (get(header::DEVICE) >> 16) as u8,
        volser,
        device: get(header::FILE_DEVICE),
        inode: get(header::FILE_INODE),
    }
}

fn volser_word(volser: [u8; 6]) -> u64 {
    volser.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The word that stands for a run of tracks in a slot; `None` if it is not on a volume of so many tracks.
#[inline]
pub fn range_word(first: u32, count: u32, track_count: u32) -> Option<u64> {
    let end = first.checked_add(count)?;
    (end <= track_count).then_some(1 << 63 | u64::from(count) << 32 | u64::from(first))
}

/// The run of tracks that a slot's word stands for: `None` for a word that this volume's monitors cannot have written.
#[inline]
pub fn range_of(word: u64, track_count: u32) -> Option<(u32, u32)> {
    let (first, count) = (word as u32, (word >> 32) as u32 & 0x7FFF_FFFF);
    (range_word(first, count, track_count) == Some(word)).then_some((first, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_follow_each_other_on_cache_lines() {
        for track_count in [1, 63, 64, 65, 512, 513, 7676, 17_700_000, TRACK_COUNT_MAX] {
            let shape = Shape::new(track_count).unwrap();
            assert_eq!(shape.image_at(0), 64);
            assert_eq!(shape.slot_at(0, 0), 64 + 32 * 16);
            assert_eq!(shape.subscription_at(0), 576 + 32 * 64 * 8);
            assert_eq!(shape.bitmap_at(0, Map::Changed), 16_960 + 8 * 16);
            let bitmap = shape.bitmap_words();
            assert!(bitmap * 64 >= track_count as usize && bitmap.is_multiple_of(8));
            assert_eq!(shape.bitmap_at(0, Map::Sealed), 17_088 + 2 * bitmap);
            assert_eq!(shape.bitmap_at(1, Map::Changed), 17_088 + 3 * bitmap);
            assert_eq!(shape.word_count(), 17_088 + 24 * bitmap);
        }
        assert_eq!(Shape::new(0), None);
        assert_eq!(Shape::new(TRACK_COUNT_MAX + 1), None);
        assert_eq!(Shape::with(1, 1, 1, 9), None);
        assert_eq!(Shape::with(1, usize::MAX, 1, 1), None);
    }

    #[test]
    fn a_slot_holds_every_range_of_its_volume_and_no_other() {
        for track_count in [1, 64, 17_700_000, TRACK_COUNT_MAX] {
            for first in [0, 1, track_count - 1, track_count, u32::MAX] {
                for count in [0, 1, track_count, u32::MAX] {
                    let fits = u64::from(first) + u64::from(count) <= u64::from(track_count);
                    let word = range_word(first, count, track_count);
                    assert_eq!(word.is_some(), fits);
                    let Some(word) = word else { continue };
                    assert_ne!(word, 0);
                    assert_eq!(range_of(word, track_count), Some((first, count)));
                    assert_eq!(range_of(word & !(1 << 63), track_count), None);
                }
            }
            assert_eq!(range_of(u64::MAX, track_count), None);
        }
    }
}
