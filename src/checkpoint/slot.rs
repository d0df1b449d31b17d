//! The bytes of a slot: see [the format](super#the-format-of-a-slot).

use super::{Map, SLOT_LENGTH_MAX, Sections, VERSION, put_section, take_sections};
use crate::bytes::{Decoder, Encoder, array, be32, crc32c, put32};
use crate::error::{Error, Reason, Result};
use std::sync::Arc;

pub(super) const MAGIC: [u8; 8] = *b"TMRCHKPT";
pub(super) const HEADER_LENGTH: usize = 40;
/// The tail begins on a multiple of this, so that no sector or page has a byte of both.
pub(super) const TAIL_UNIT: usize = 4096;
/// The least room for the head: a few intents of whole tracks.
const HEAD_ROOM_MIN: usize = 16 * TAIL_UNIT;

/// What a slot was found to be.
pub(super) enum Slot {
    Absent,
    Damaged,
    Newer(u32),
    Valid(u64, Sections),
}

/// The lasting sections, encoded, and where they begin in a slot.
#[derive(Default)]
pub(super) struct Tail {
    /// What is encoded: held, so that it cannot change without being another one.
    sections: Arc<Map>,
    bytes: Vec<u8>,
    crc: u32,
    /// 0 if there is none.
    at: usize,
}

impl Tail {
    /// The bytes of a head over this tail, which becomes that of these sections; if it changes or moves, no slot has it.
    pub fn head(
        &mut self,
        sequence: u64,
        sections: &Sections,
        has_tail: &mut [bool; 2],
    ) -> Result<Vec<u8>> {
        let mut head = Encoder::new();
        head.raw(&MAGIC);
        head.put(&VERSION);
        head.put(&sequence);
        head.raw(&[0; HEADER_LENGTH - 20]);
        for (tag, bytes) in &sections.head {
            put_section(&mut head, *tag, bytes);
        }
        let mut head = head.into_bytes();
        let is_same = Arc::ptr_eq(&self.sections, &sections.tail);
        if !is_same {
            let mut tail = Encoder::new();
            sections.tail.iter().for_each(|(tag, bytes)| put_section(&mut tail, *tag, bytes));
            self.bytes = tail.into_bytes();
            self.crc = crc32c(0, &self.bytes);
            self.sections = sections.tail.clone();
        }
        let has_room = self.bytes.is_empty() || head.len() <= self.at;
        if !has_room {
            // So large that it need not grow again soon.
            self.at = (2 * head.len()).next_multiple_of(TAIL_UNIT).max(HEAD_ROOM_MIN);
        }
        if !is_same || !has_room {
            *has_tail = [false; 2];
        }
        let length = head.len() + self.at + self.bytes.len();
        if length > SLOT_LENGTH_MAX {
            return Err(Error::new(
                Reason::BadRequest,
                format!("a checkpoint of {length} bytes is too large; move fewer data sets"),
            ));
        }
        let head_length = (head.len() - HEADER_LENGTH) as u32;
        put32(&mut head, 20, head_length);
        if !self.bytes.is_empty() {
            put32(&mut head, 28, self.at as u32);
            put32(&mut head, 32, self.bytes.len() as u32);
            put32(&mut head, 36, self.crc);
        }
        let crc = head_crc(&head);
        put32(&mut head, 24, crc);
        Ok(head)
    }

    /// The whole slot with this head.
    pub fn whole(&self, head: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.at.max(head.len()) + self.bytes.len());
        bytes.extend_from_slice(head);
        if !self.bytes.is_empty() {
            bytes.resize(self.at, 0);
            bytes.extend_from_slice(&self.bytes);
        }
        bytes
    }
}

/// The checksum of a head, which begins with the header and ends with its sections.
pub(super) fn head_crc(head: &[u8]) -> u32 {
    crc32c(crc32c(0, &head[..24]), &head[28..])
}

/// What the bytes of a slot are.
pub(super) fn read_slot(bytes: Option<Vec<u8>>) -> Slot {
    let Some(bytes) = bytes else { return Slot::Absent };
    if bytes.len() < HEADER_LENGTH || bytes[..8] != MAGIC {
        return Slot::Damaged;
    }
    let length = be32(&bytes, 20) as usize;
    let Some(head) = bytes.get(..HEADER_LENGTH.saturating_add(length)) else {
        return Slot::Damaged;
    };
    if head_crc(head) != be32(head, 24) {
        return Slot::Damaged;
    }
    let version = be32(head, 8);
    if version > VERSION {
        return Slot::Newer(version);
    }
    match sections_of(head, &bytes) {
        Some(sections) => Slot::Valid(u64::from_be_bytes(array(head, 12)), sections),
        None => Slot::Damaged,
    }
}

fn sections_of(head: &[u8], bytes: &[u8]) -> Option<Sections> {
    let (at, length) = (be32(head, 28) as usize, be32(head, 32) as usize);
    let tail = match at {
        0 if length == 0 && be32(head, 36) == 0 => &[][..],
        _ if at >= head.len() && at.is_multiple_of(TAIL_UNIT) => {
            let tail = bytes.get(at..at.checked_add(length)?)?;
            (crc32c(0, tail) == be32(head, 36)).then_some(tail)?
        }
        _ => return None,
    };
    let head = take_sections(&mut Decoder::new(&head[HEADER_LENGTH..])).ok()?;
    let tail = take_sections(&mut Decoder::new(tail)).ok()?;
    let is_apart = tail.keys().all(|tag| !head.contains_key(tag));
    is_apart.then(|| Sections { head, tail: Arc::new(tail) })
}
