//! The durable state from which a migration resumes: two slots, written in turn.
//!
//! # The problem
//! A migration ends at any moment: the process is killed, the machine loses power, the disk is full. Then the next one
//! must know what was planned, what was allocated, how far it came, and which block it was about to write. A write that
//! is interrupted may leave any prefix of the new bytes, and behind it the old ones or garbage.
//!
//! # The rule
//! There are two slots ([`CheckpointStore`]). Each [`save`](Checkpoint::save) writes the whole state over the older one
//! and makes it durable; the newest slot that checks wins. So whatever happens to the slot that is being written, the
//! other one holds the state before.
//!
//! * *A failed write.* The slot may hold the new state, a part of it, or nothing; the other slot is untouched. The next
//!   save goes to the same slot again, never to the good one. Until one succeeded the caller takes no further step,
//!   because a step relies on what was saved before it ([`Checkpoint::is_saved`]).
//! * *The first save* fills both slots with the same bytes, slot 0 first. From then on both exist. A damaged slot 0
//!   without a slot 1 can therefore only be an interrupted first save: no step followed it, and there is no checkpoint.
//! * *Both slots damaged*, or one damaged where the other should exist, is no crash: it is refused
//!   ([`Reason::CheckpointDamaged`]), because a state that is guessed could switch a catalog to half a copy.
//! * *A newer release* wrote a slot that checks but has a higher version: it is refused, and never passed over in favour
//!   of the older slot, which would be a state of the past.
//!
//! # The crash argument
//! Let n be the last save that returned. Its slot is durable, and only a later save to the *other* slot can have begun.
//! That one is either whole (its checksum says so), and then the state is n + 1, which the caller was about to rely on
//! and may; or it is not, and the state is n. A slot that a torn write damaged cannot pass for whole, but for a
//! collision of CRC-32C. Neither state is older than what the last step relied on.
//!
//! # The format of a slot
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `TMRCHKPT` in ASCII |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 8 | sequence number, from 1 on |
//! | 20 | 4 | length of the sections in bytes |
//! | 24 | 4 | CRC-32C of bytes 0 to 23 and of the sections |
//! | 28 | | the sections; what stands behind them belongs to nobody |
//!
//! A section is a tag of four bytes, the length of its content in four bytes, and the content. Tags ascend. Numbers are
//! big-endian. What a section means is known to its owner alone.

mod file;
#[cfg(test)]
mod tests;

pub use file::FileStore;

use crate::bytes::{Decoder, Encode, Encoder, array, be32, crc32c, encoded, put32};
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;

const MAGIC: [u8; 8] = *b"TMRCHKPT";
const VERSION: u32 = 1;
const HEADER_LENGTH: usize = 28;

/// The largest slot: far more than any migration needs, and little enough to be read whole.
pub const SLOT_LENGTH_MAX: usize = 1 << 28;

/// The port to durable storage: two slots of any length.
pub trait CheckpointStore: Send + Sync {
    /// The bytes of a slot (0 or 1), or `None` if it was never written. Bytes may follow that were written earlier.
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>>;

    /// Replaces a slot (0 or 1). It is durable when this returns. After an error the slot may hold anything, and the
    /// other slot is as it was.
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()>;

    /// Where the state is, for messages.
    fn location(&self) -> String;
}

/// A store in memory: for rehearsals and tests. It does not outlive its process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    slots: Mutex<[Option<Vec<u8>>; 2]>,
}

impl CheckpointStore for MemoryStore {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.slots.lock()[slot].clone())
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.slots.lock()[slot] = Some(bytes.to_vec());
        Ok(())
    }
    fn location(&self) -> String {
        "memory".into()
    }
}

impl<S: CheckpointStore + ?Sized> CheckpointStore for std::sync::Arc<S> {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        (**self).read(slot)
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        (**self).write(slot, bytes)
    }
    fn location(&self) -> String {
        (**self).location()
    }
}

/// What names a section.
pub type Tag = [u8; 4];

/// The content of a checkpoint: byte strings under tags.
///
/// ```
/// use trackmirror::checkpoint::Sections;
/// let mut sections = Sections::default();
/// sections.put(*b"PLAN", &vec![1u32, 2, 3]);
/// assert_eq!(sections.get::<Vec<u32>>(*b"PLAN")?, Some(vec![1, 2, 3]));
/// assert_eq!(sections.get::<u8>(*b"NONE")?, None);
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sections(BTreeMap<Tag, Vec<u8>>);

impl Sections {
    /// Sets a section to a value.
    pub fn put(&mut self, tag: Tag, value: &impl Encode) {
        self.0.insert(tag, encoded(value));
    }

    /// The value of a section, which must fill it exactly; `None` if there is no such section.
    ///
    /// Error: [`Reason::CheckpointDamaged`].
    pub fn get<T: Encode>(&self, tag: Tag) -> Result<Option<T>> {
        let Some(bytes) = self.0.get(&tag) else { return Ok(None) };
        let mut decoder = Decoder::new(bytes);
        let value = decoder.get();
        let why = match value {
            Ok(value) if decoder.is_empty() => return Ok(Some(value)),
            Ok(_) => "bytes are left over".into(),
            Err(error) => error.sentence().to_string(),
        };
        let tag = tag.escape_ascii();
        Err(Error::new(
            Reason::CheckpointDamaged,
            format!("section {tag} of the checkpoint does not check: {why}"),
        ))
    }

    /// The value of a section that must be there.
    ///
    /// Error: [`Reason::CheckpointDamaged`].
    pub fn require<T: Encode>(&self, tag: Tag) -> Result<T> {
        self.get(tag)?.ok_or_else(|| {
            let tag = tag.escape_ascii();
            Error::new(Reason::CheckpointDamaged, format!("the checkpoint has no section {tag}"))
        })
    }

    /// Removes a section.
    pub fn remove(&mut self, tag: Tag) {
        self.0.remove(&tag);
    }

    /// The tags, in ascending order.
    pub fn tags(&self) -> impl Iterator<Item = Tag> {
        self.0.keys().copied()
    }
}

impl Encode for Sections {
    fn encode(&self, to: &mut Encoder) {
        for (tag, bytes) in &self.0 {
            to.raw(tag);
            to.bytes(bytes);
        }
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Sections> {
        let mut sections = BTreeMap::new();
        while !from.is_empty() {
            let tag: Tag = from.get()?;
            if sections.last_key_value().is_some_and(|(last, _)| *last >= tag) {
                return Err(Error::new(Reason::EndOfData, "the tags do not ascend"));
            }
            sections.insert(tag, from.bytes()?.to_vec());
        }
        Ok(Sections(sections))
    }
}

/// What a slot was found to be.
enum Slot {
    Absent,
    Damaged,
    Newer(u32),
    Valid(u64, Sections),
}

/// The bytes of a slot with this content.
fn slot_bytes(sequence: u64, sections: &Sections) -> Result<Vec<u8>> {
    let content = encoded(sections);
    if content.len() > SLOT_LENGTH_MAX - HEADER_LENGTH {
        return Err(Error::new(
            Reason::BadRequest,
            format!("a checkpoint of {} bytes is too large; move fewer data sets", content.len()),
        ));
    }
    let mut bytes = Encoder::new();
    bytes.raw(&MAGIC);
    bytes.put(&VERSION);
    bytes.put(&sequence);
    bytes.put(&(content.len() as u32));
    bytes.put(&0u32);
    bytes.raw(&content);
    let mut bytes = bytes.into_bytes();
    let crc = slot_crc(&bytes);
    put32(&mut bytes, 24, crc);
    Ok(bytes)
}

/// The checksum of a slot, which begins with its header and ends with its sections.
fn slot_crc(bytes: &[u8]) -> u32 {
    crc32c(crc32c(0, &bytes[..24]), &bytes[HEADER_LENGTH..])
}

fn read_slot(bytes: Option<Vec<u8>>) -> Slot {
    let Some(bytes) = bytes else { return Slot::Absent };
    if bytes.len() < HEADER_LENGTH || bytes[..8] != MAGIC {
        return Slot::Damaged;
    }
    let length = be32(&bytes, 20) as usize;
    let Some(slot) = bytes.get(..HEADER_LENGTH.saturating_add(length)) else {
        return Slot::Damaged;
    };
    if slot_crc(slot) != be32(slot, 24) {
        return Slot::Damaged;
    }
    let version = be32(slot, 8);
    if version > VERSION {
        return Slot::Newer(version);
    }
    match Decoder::new(&slot[HEADER_LENGTH..]).get() {
        Ok(sections) => Slot::Valid(u64::from_be_bytes(array(slot, 12)), sections),
        Err(_) => Slot::Damaged,
    }
}

/// What two slots hold together: the sequence number, the slot to be written next (`None` if none was ever written),
/// and what was saved last.
fn newest(
    slots: [Option<Vec<u8>>; 2],
    location: &str,
) -> Result<(u64, Option<usize>, Option<Sections>)> {
    Ok(match slots.map(read_slot) {
        [Slot::Newer(version), _] | [_, Slot::Newer(version)] => {
            return Err(Error::new(
                Reason::CheckpointNewer,
                format!(
                    "the checkpoint in {location} has version {version}, and this release knows only version \
                     {VERSION}; resume with the release that wrote it"
                ),
            ));
        }
        [Slot::Valid(first, sections), Slot::Valid(second, _)] if first >= second => {
            (first, Some(1), Some(sections))
        }
        [Slot::Valid(sequence, sections), Slot::Damaged | Slot::Absent] => {
            (sequence, Some(1), Some(sections))
        }
        [_, Slot::Valid(sequence, sections)] => (sequence, Some(0), Some(sections)),
        [Slot::Absent | Slot::Damaged, Slot::Absent] => (0, None, None),
        [_, Slot::Damaged] => {
            return Err(Error::new(
                Reason::CheckpointDamaged,
                format!(
                    "no slot of the checkpoint in {location} checks; restore one of them, or compare source and \
                     target yourself and remove the folder"
                ),
            ));
        }
    })
}

/// A checkpoint: see the [module](self).
///
/// ```
/// use std::sync::Arc;
/// use trackmirror::checkpoint::{Checkpoint, MemoryStore, Sections};
/// let store = Arc::new(MemoryStore::default());
/// let (mut checkpoint, nothing) = Checkpoint::open(store.clone())?;
/// assert!(nothing.is_none());
/// let mut sections = Sections::default();
/// sections.put(*b"STEP", &7u32);
/// checkpoint.save(&sections)?;
/// let (_, again) = Checkpoint::open(store)?;
/// assert_eq!(again, Some(sections));
/// # Ok::<(), trackmirror::Error>(())
/// ```
pub struct Checkpoint {
    store: Box<dyn CheckpointStore>,
    /// The sequence number of the last attempt to save.
    sequence: u64,
    /// The older slot: the next save goes there. `None` before the first save, which fills both.
    next: Option<usize>,
    saved: bool,
}

impl Checkpoint {
    /// Opens a store, and gives what was saved last, if anything was.
    ///
    /// Errors: [`Reason::CheckpointDamaged`], [`Reason::CheckpointNewer`].
    pub fn open(store: impl CheckpointStore + 'static) -> Result<(Checkpoint, Option<Sections>)> {
        let slots = [store.read(0)?, store.read(1)?];
        let (sequence, next, sections) = newest(slots, &store.location())?;
        let checkpoint = Checkpoint { store: Box::new(store), sequence, next, saved: true };
        Ok((checkpoint, sections))
    }

    /// Replaces what is saved. When this returns without an error it is durable; after an error the last state that
    /// was saved still stands, and no step may follow before a save succeeded.
    pub fn save(&mut self, sections: &Sections) -> Result<()> {
        self.saved = false;
        self.sequence = self.sequence.checked_add(1).ok_or_else(|| {
            Error::new(Reason::CheckpointDamaged, "the checkpoint has the highest sequence number")
        })?;
        let bytes = slot_bytes(self.sequence, sections)?;
        let slot = match self.next {
            Some(slot) => slot,
            None => {
                self.store.write(0, &bytes)?;
                self.next = Some(1);
                1
            }
        };
        let slot = if defect(Defect::CheckpointHasOneSlot) { 0 } else { slot };
        let written = self.store.write(slot, &bytes);
        if !defect(Defect::CheckpointForgetsFailures) {
            written?;
        }
        self.next = Some(1 - slot);
        self.saved = true;
        Ok(())
    }

    /// Whether the last save succeeded, so that a step may follow.
    pub fn is_saved(&self) -> bool {
        self.saved
    }

    /// Where the state is, for messages.
    pub fn location(&self) -> String {
        self.store.location()
    }
}
