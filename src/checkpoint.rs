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
//! # What seldom changes
//! Most of a checkpoint is the plan, and most saves change little: a state, an intent. So a slot has a *head* and a *tail*
//! on sectors of its own. The tail has the sections that were [put as lasting](Sections::put_lasting). While they stay the
//! same, and the slot's last write succeeded in this process, only the head is written
//! ([`CheckpointStore::write_head`]). The head's checksum covers the length, the place and the checksum of the tail: a torn
//! write of the head leaves a slot that does not check, and never touches a sector of the tail.
//!
//! # The format of a slot
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `TMRCHKPT` in ASCII |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 8 | sequence number, from 1 on |
//! | 20 | 4 | length of the head's sections in bytes |
//! | 24 | 4 | CRC-32C of bytes 0 to 23, of bytes 28 to 39, and of the head's sections |
//! | 28 | 4 | where the tail begins, a multiple of 4096; 0 if there is none |
//! | 32 | 4 | length of the tail in bytes |
//! | 36 | 4 | CRC-32C of the tail |
//! | 40 | | the sections of the head; what stands between them and the tail, and behind the tail, belongs to nobody |
//!
//! A section is a tag of four bytes, the length of its content in four bytes, and the content. In the head and in the tail
//! the tags ascend, and no tag is in both. Numbers are big-endian. What a section means is known to its owner alone.
//!
//! # How later releases read it
//! From the first release on, what was written stays readable for ever; files of each version are kept, and resumed from in
//! a test (`tests/golden.rs`).
//!
//! * The first 40 bytes, and what they say of head and tail, are the same in every version, so that every release can tell
//!   a slot of a newer one from a damaged one. A slot with a higher version is refused ([`Reason::CheckpointNewer`]).
//! * The *version* rises only when the slot's own form changes. A release reads all versions up to its own, and writes its
//!   own.
//! * The content of a section never changes its form: it must be filled exactly. Something new gets a new tag, whose first
//!   letter says what releases do that do not know it ([`Sections::check_known`]): with a capital letter it must be
//!   understood, and the checkpoint is refused as of a newer release; with a small letter it may be passed over, and is gone
//!   with the next save.
//! * Lists of records by tag inside a section, such as what catalogs and VVDS say of a data set, go by the same rule.

mod file;
mod slot;
#[cfg(test)]
mod tests;

pub use file::FileStore;

use crate::bytes::{Decoder, Encode, Encoder, encoded, must_be_known};
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use parking_lot::Mutex;
use slot::{Slot, Tail, read_slot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// The largest slot: far more than any migration needs, and little enough to be read whole.
pub const SLOT_LENGTH_MAX: usize = 1 << 28;

/// The port to durable storage: two slots of any length.
pub trait CheckpointStore: Send + Sync {
    /// The bytes of a slot (0 or 1), or `None` if it was never written. Bytes may follow that were written earlier.
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>>;

    /// Replaces a slot (0 or 1). It is durable when this returns. After an error the slot may hold anything, and the
    /// other slot is as it was.
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()>;

    /// Replaces the first bytes of a slot that was written, and leaves what is behind them as it is. For the rest it is
    /// as [`write`](CheckpointStore::write). Whoever can write a part of a slot does better than what is here, which
    /// writes the whole.
    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let mut whole = self.read(slot)?.unwrap_or_default();
        whole.resize(whole.len().max(bytes.len()), 0);
        whole[..bytes.len()].copy_from_slice(bytes);
        self.write(slot, &whole)
    }

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
    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let mut slots = self.slots.lock();
        let whole = slots[slot].get_or_insert_default();
        whole.resize(whole.len().max(bytes.len()), 0);
        whole[..bytes.len()].copy_from_slice(bytes);
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
    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        (**self).write_head(slot, bytes)
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
pub struct Sections {
    head: Map,
    /// Those that seldom change; the same value as long as they do not.
    tail: Arc<Map>,
}

type Map = BTreeMap<Tag, Vec<u8>>;

impl Sections {
    /// Sets a section to a value.
    pub fn put(&mut self, tag: Tag, value: &impl Encode) {
        self.remove_from_tail(tag);
        self.head.insert(tag, encoded(value));
    }

    /// Sets a section that seldom changes to a value. To set it to the value that it has changes nothing.
    pub fn put_lasting(&mut self, tag: Tag, value: &impl Encode) {
        let bytes = encoded(value);
        self.head.remove(&tag);
        if self.tail.get(&tag) != Some(&bytes) {
            Arc::make_mut(&mut self.tail).insert(tag, bytes);
        }
    }

    /// The value of a section, which must fill it exactly; `None` if there is no such section.
    ///
    /// Error: [`Reason::CheckpointDamaged`].
    pub fn get<T: Encode>(&self, tag: Tag) -> Result<Option<T>> {
        let Some(bytes) = self.head.get(&tag).or_else(|| self.tail.get(&tag)) else {
            return Ok(None);
        };
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

    /// That nothing is among the sections that must be understood, and is not known here: see
    /// [the rule](self#how-later-releases-read-it).
    ///
    /// Error: [`Reason::CheckpointNewer`].
    pub fn check_known(&self, known: &[Tag]) -> Result<()> {
        match self.tags().find(|tag| !known.contains(tag) && must_be_known(*tag)) {
            None => Ok(()),
            Some(tag) => Err(Error::new(
                Reason::CheckpointNewer,
                format!(
                    "the checkpoint has a section {}, which this release does not know; resume with the release that wrote \
                     it",
                    tag.escape_ascii()
                ),
            )),
        }
    }

    /// Removes a section.
    pub fn remove(&mut self, tag: Tag) {
        self.head.remove(&tag);
        self.remove_from_tail(tag);
    }

    fn remove_from_tail(&mut self, tag: Tag) {
        if self.tail.contains_key(&tag) {
            Arc::make_mut(&mut self.tail).remove(&tag);
        }
    }

    /// The tags, in ascending order.
    pub fn tags(&self) -> impl Iterator<Item = Tag> {
        let all: std::collections::BTreeSet<Tag> =
            self.head.keys().chain(self.tail.keys()).copied().collect();
        all.into_iter()
    }
}

/// All sections as one list, in the order of their tags, as if none were lasting.
impl Encode for Sections {
    fn encode(&self, to: &mut Encoder) {
        let all: BTreeMap<_, _> = self.head.iter().chain(&*self.tail).collect();
        all.into_iter().for_each(|(tag, bytes)| put_section(to, *tag, bytes));
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Sections> {
        Ok(Sections { head: take_sections(from)?, tail: Arc::default() })
    }
}

fn put_section(to: &mut Encoder, tag: Tag, bytes: &[u8]) {
    to.raw(&tag);
    to.bytes(bytes);
}

/// Sections up to the end of the bytes.
fn take_sections(from: &mut Decoder<'_>) -> Result<Map> {
    let mut sections = Map::new();
    while !from.is_empty() {
        let tag: Tag = from.get()?;
        if sections.last_key_value().is_some_and(|(last, _)| *last >= tag) {
            return Err(Error::new(Reason::EndOfData, "the tags do not ascend"));
        }
        sections.insert(tag, from.bytes()?.to_vec());
    }
    Ok(sections)
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
                     target yourself and remove the checkpoint"
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
    /// The tail as it was encoded last, and which slots have it for certain.
    tail: Tail,
    has_tail: [bool; 2],
}

impl Checkpoint {
    /// Opens a store, and gives what was saved last, if anything was.
    ///
    /// Errors: [`Reason::CheckpointDamaged`], [`Reason::CheckpointNewer`].
    pub fn open(store: impl CheckpointStore + 'static) -> Result<(Checkpoint, Option<Sections>)> {
        let slots = [store.read(0)?, store.read(1)?];
        let (sequence, next, sections) = newest(slots, &store.location())?;
        let checkpoint = Checkpoint {
            store: Box::new(store),
            sequence,
            next,
            saved: true,
            tail: Tail::default(),
            has_tail: [false; 2],
        };
        Ok((checkpoint, sections))
    }

    /// Replaces what is saved. When this returns without an error it is durable; after an error the last state that
    /// was saved still stands, and no step may follow before a save succeeded.
    pub fn save(&mut self, sections: &Sections) -> Result<()> {
        self.saved = false;
        self.sequence = self.sequence.checked_add(1).ok_or_else(|| {
            Error::new(Reason::CheckpointDamaged, "the checkpoint has the highest sequence number")
        })?;
        let head = self.tail.head(self.sequence, sections, &mut self.has_tail)?;
        let slot = match self.next {
            Some(slot) => slot,
            None => {
                self.write(0, &head)?;
                self.next = Some(1);
                1
            }
        };
        let slot = if defect(Defect::CheckpointHasOneSlot) { 0 } else { slot };
        let written = self.write(slot, &head);
        if !defect(Defect::CheckpointForgetsFailures) {
            written?;
        }
        self.next = Some(1 - slot);
        self.saved = true;
        Ok(())
    }

    /// Writes a slot: the head alone, if it has the tail.
    fn write(&mut self, slot: usize, head: &[u8]) -> Result<()> {
        // Until this has succeeded nobody knows what is there.
        let has_tail = std::mem::replace(&mut self.has_tail[slot], false);
        match has_tail {
            true => self.store.write_head(slot, head)?,
            false => self.store.write(slot, &self.tail.whole(head))?,
        }
        self.has_tail[slot] = true;
        Ok(())
    }

    /// Whether the last save succeeded, so that a step may follow.
    pub fn is_saved(&self) -> bool {
        self.saved
    }

    /// The sequence number of what was saved last; of the attempt, if [it failed](Checkpoint::is_saved).
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Where the state is, for messages.
    pub fn location(&self) -> String {
        self.store.location()
    }
}
