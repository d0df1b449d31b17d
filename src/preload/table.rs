//! Which descriptor leads to which image: one small number for each descriptor, so that a write to any other file costs
//! no more than a look at it.
//!
//! The table belongs to the process, but a child that shares the memory (`vfork`) calls the same functions. What it does
//! to its own descriptors must not be put in: so whatever changes an entry asks the system who it is.

use crate::c::{self, c_int};
use crate::image::Image;
use std::sync::atomic::{AtomicI32, AtomicU16, Ordering};

/// More descriptors than a process has, unless the system's own limit (`fs.nr_open`) was raised.
const CAPACITY: usize = 1 << 20;

/// Leads to no image.
pub const NONE: u16 = 0;
/// Leads to an image that could not be monitored: nothing may be written through it.
pub const FORBIDDEN: u16 = u16::MAX - 1;
/// Is one of our own: a monitor area, its locks.
pub const OURS: u16 = u16::MAX;
/// The most images of a process.
pub const IMAGES_MAX: usize = 1024;

static ENTRIES: [AtomicU16; CAPACITY] = [const { AtomicU16::new(NONE) }; CAPACITY];
/// The process whose table it is.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// What is known of a descriptor: `NONE`, `FORBIDDEN`, `OURS`, or an image's index plus 1.
#[inline]
pub fn get(descriptor: c_int) -> u16 {
    match ENTRIES.get(descriptor as usize) {
        Some(entry) => entry.load(Ordering::Acquire),
        None => NONE,
    }
}

/// Whether the table can hold this descriptor.
pub fn has_room_for(descriptor: c_int) -> bool {
    (descriptor as usize) < CAPACITY
}

/// Puts an entry in, unless this is a child that only shares the memory.
pub fn set(descriptor: c_int, value: u16) {
    if let Some(entry) = ENTRIES.get(descriptor as usize)
        && entry.load(Ordering::Relaxed) != value
        && is_own()
    {
        if let Some(image) = Image::of(entry.load(Ordering::Relaxed)) {
            image.sought.forget();
        }
        entry.store(value, Ordering::Release);
    }
}

/// Makes this process (a new one, or a fork) the table's.
pub fn take_over() {
    // SAFETY: it takes nothing and cannot fail.
    PROCESS.store(unsafe { c::getpid() }, Ordering::Relaxed);
}

/// Whether the table is this process's, and not only seen by it.
pub fn is_own() -> bool {
    // SAFETY: as above.
    PROCESS.load(Ordering::Relaxed) == unsafe { c::getpid() }
}

/// The next descriptor from `first` on, and not behind `last`, of which something is known.
pub fn next_known(first: u32, last: u32) -> Option<(u32, u16)> {
    let end = (last as usize).saturating_add(1).min(CAPACITY);
    (first as usize..end).find_map(|place| {
        let value = ENTRIES[place].load(Ordering::Relaxed);
        (value != NONE).then_some((place as u32, value))
    })
}

/// Whether any descriptor leads to this image.
pub fn leads_to(value: u16) -> bool {
    ENTRIES.iter().any(|entry| entry.load(Ordering::Relaxed) == value)
}
