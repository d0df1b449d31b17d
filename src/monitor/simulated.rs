//! What only the simulator does with an area: small ones, whose words can be put back to what they were when a process
//! died.
//!
//! In one process nobody really dies: what is dropped takes its leave, and whatever runs on after a failed call may still
//! write to the area. So the words are kept at the moment of death, and put back when all that was the dead one's is
//! dropped; its locks have fallen by then, as the kernel would have let them fall.

use super::area::Area;
use super::file::Opened;
use super::image::Image;
use super::layout::{Identity, Shape};
use super::map::{self, Locks, Memory};
use super::sync::Ordering;
use crate::error::{Error, Reason, Result};
use std::sync::Arc;

/// Places for images in a simulated area.
const IMAGES: usize = 8;
/// Places for subscriptions.
const SUBSCRIPTIONS: usize = 2;

impl Area {
    /// A new area of this process with few places: so few slots, so that writes without one happen.
    pub(crate) fn simulated(identity: Identity, slots: usize) -> Result<Area> {
        let broken = |what: &str| Error::new(Reason::Broken, format!("a simulated area: {what}"));
        let shape = Shape::with(identity.track_count, IMAGES, slots, SUBSCRIPTIONS);
        let shape = shape.ok_or_else(|| broken("its volume is too large"))?;
        let memory = Memory::heap(shape.word_count());
        let id = map::random_id().map_err(|_| broken("no id"))?;
        shape.write(memory.words(), &identity, id, map::boot_id());
        let opened = Opened::in_memory(memory, Locks::local(), identity);
        let opened = opened.map_err(|_| broken("it cannot be read"))?;
        Ok(Area { opened: Arc::new(opened) })
    }

    /// Its words as they are now.
    pub(crate) fn snapshot(&self) -> Vec<u64> {
        let words = self.opened.memory.words();
        words.iter().map(|word| word.load(Ordering::SeqCst)).collect()
    }

    /// Puts its words back.
    pub(crate) fn restore(&self, snapshot: &[u64]) {
        for (word, before) in self.opened.memory.words().iter().zip(snapshot) {
            word.store(*before, Ordering::SeqCst);
        }
    }
}

impl Image {
    /// Ends as if its program had been killed: no farewell, and what is in flight stays so.
    pub(crate) fn die(self) {
        let area = self.area().clone();
        let words = area.snapshot();
        drop(self);
        area.restore(&words);
    }
}
