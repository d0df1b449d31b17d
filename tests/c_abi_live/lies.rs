//! Mistakes of a host, to see that each is found.

use std::collections::HashMap;
use std::sync::Mutex;

/// What a host does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// What was read once is given again for ever, as by a cache that nobody tells of writes.
    StaleReads,
    /// The last track of each write to a target that has several is not written.
    LostWrites,
    /// Nobody is asked to close, held, or said to have anything open.
    NobodyOpens,
    /// What is saved after the first few times is gone with the process.
    ForgottenState,
    /// The space manager says that it is done, and does nothing.
    UnmadeSpace,
    /// The catalog says that it is done, and does nothing.
    UnmadeEntries,
}

impl Lie {
    /// Each of them, by name.
    pub const ALL: [(&'static str, Lie); 6] = [
        ("stale reads", Lie::StaleReads),
        ("lost writes", Lie::LostWrites),
        ("nobody opens", Lie::NobodyOpens),
        ("forgotten state", Lie::ForgottenState),
        ("unmade space", Lie::UnmadeSpace),
        ("unmade entries", Lie::UnmadeEntries),
    ];

    pub fn named(name: &str) -> Option<Lie> {
        Lie::ALL.iter().find(|(known, _)| *known == name).map(|(_, lie)| *lie)
    }

    pub fn name(self) -> &'static str {
        Lie::ALL.iter().find(|(_, lie)| *lie == self).map_or("", |(name, _)| *name)
    }
}

/// Tracks as they were read first.
#[derive(Default)]
pub struct Stale(Mutex<HashMap<u32, Vec<u8>>>);

impl Stale {
    /// Puts what was read first into the place of what was read now.
    pub fn read(&self, first: u32, buffer: &mut [u8], slot_size: usize) {
        let mut known = self.0.lock().unwrap();
        for (slot, track) in buffer.chunks_mut(slot_size).zip(first..) {
            let kept = known.entry(track).or_insert_with(|| slot.to_vec());
            slot.copy_from_slice(kept);
        }
    }
}
