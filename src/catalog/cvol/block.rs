//! The blocks of `SYSCTLG`: key 8, data 256.
//!
//! | kind of block | key | data |
//! |---|---|---|
//! | index | eight times X'FF', see below | halfword: bytes used, these two included; entries by name; link entry |
//! | volume control | eight times X'FF' | halfword: volumes in this and the following blocks; up to 20 volumes; at 252 the TTR of the next block |
//! | free | zero | anything: the key alone tells |
//!
//! The system looks for a name by searching, from the first block of the index on and over whatever blocks stand behind
//! it, for a key that is equal or higher; in the block found it looks for the name, and follows the link. So the key is
//! the name of the last entry only where the next block of the index is the next record; everywhere else it is the
//! highest key, at which the search stops. (With another key OS/VS1 lands in blocks of other indexes, and catalogs names
//! there.) OS/VS1 counts the first record of the next track as the next record, too; this library writes the highest
//! key there, which is right wherever the track ends.
//!
//! The system that frees a block sets key and data to zero; the last block of a new `SYSCTLG` has a zero key and
//! leftovers as its data.

use super::entry::{
    CONTROL_NAME, Entry, HIGH_NAME, Name, Ttr, VOLUME_LENGTH, volume, volume_bytes,
};
use crate::bytes::{array, be16, put16};
use crate::catalog::CatalogVolume;

/// Bytes of a block's key.
pub(super) const KEY: usize = 8;
/// Bytes of a block's data.
pub(super) const DATA: usize = 256;
/// Volumes in one volume control block.
pub(super) const VOLUMES_IN_BLOCK: usize = 20;
/// Where a volume control block has the address of the next one.
const NEXT: usize = 252;

/// The bytes of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub key: [u8; KEY],
    pub data: [u8; DATA],
}

impl Block {
    /// A block that is not used.
    pub const FREE: Block = Block { key: [0; KEY], data: [0; DATA] };

    pub fn is_free(&self) -> bool {
        self.key == [0; KEY]
    }
}

/// A block of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexBlock {
    /// The control entry, in the first block of an index.
    pub control: Option<Entry>,
    /// The entries between control entry and link.
    pub entries: Vec<Entry>,
    /// The next block of the index.
    pub next: Option<Ttr>,
}

impl IndexBlock {
    /// Takes a block apart. The error says what does not fit.
    pub fn parse(block: &Block) -> Result<IndexBlock, String> {
        let used = usize::from(be16(&block.data, 0));
        let mut rest = block
            .data
            .get(2..used)
            .ok_or_else(|| format!("{used} bytes are said to be used of {DATA}"))?;
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let entry = Entry::parse(rest)
                .ok_or_else(|| format!("an entry ends behind the {used} bytes that are used"))?;
            rest = &rest[entry.length()..];
            entries.push(entry);
        }
        let link = entries.pop().filter(|e| e.name() == HIGH_NAME && e.halfword_count() == 0);
        let link = link.ok_or("there is no link entry at the end of its entries")?;
        let starts = entries.first().is_some_and(|entry| entry.name() == CONTROL_NAME);
        let control = starts.then(|| entries.remove(0));
        Ok(IndexBlock { control, entries, next: link.ttr() })
    }

    /// The bytes that it uses.
    pub fn used(&self) -> usize {
        let entries: usize = self.control.iter().chain(&self.entries).map(Entry::length).sum();
        2 + entries + Entry::HEAD
    }

    /// Whether it fits into a block.
    pub fn fits(&self) -> bool {
        self.used() <= DATA
    }

    /// The key that it must have where it stands.
    pub fn key(&self, place: Ttr) -> Name {
        let is_followed = self.next.is_some_and(|next| {
            next.track == place.track && u16::from(next.record) == u16::from(place.record) + 1
        });
        match self.entries.last().or(self.control.as_ref()) {
            Some(last) if is_followed => last.name(),
            _ => HIGH_NAME,
        }
    }

    /// Whether the system finds its way with this key: with the one that is written here, with the highest one, or with
    /// the name of the last entry before a block at the start of the next track.
    pub fn is_key(&self, place: Ttr, key: Name) -> bool {
        let next_track = place.track.checked_add(1).map(|track| Ttr { track, record: 1 });
        let is_followed = self.next.is_some() && self.next == next_track;
        let last = self.entries.last().filter(|_| is_followed).map(Entry::name);
        key == self.key(place) || key == HIGH_NAME || Some(key) == last
    }

    /// The bytes. It must fit.
    pub fn to_block(&self, place: Ttr) -> Block {
        let mut block = Block { key: self.key(place), data: [0; DATA] };
        put16(&mut block.data, 0, self.used() as u16);
        let link = Entry::index(HIGH_NAME, self.next.unwrap_or(Ttr { track: 0, record: 0 }));
        let mut offset = 2;
        for entry in self.control.iter().chain(&self.entries).chain([&link]) {
            block.data[offset..offset + entry.length()].copy_from_slice(entry.as_bytes());
            offset += entry.length();
        }
        block
    }
}

/// A volume control block: volumes of a data set on more than five.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VolumeControlBlock {
    /// How many volumes there are in this block and those behind it.
    pub remaining: u16,
    /// The volumes in this block.
    pub volumes: Vec<CatalogVolume>,
    /// The next block.
    pub next: Option<Ttr>,
}

impl VolumeControlBlock {
    /// Takes a block apart.
    pub fn parse(block: &Block) -> VolumeControlBlock {
        let remaining = be16(&block.data, 0);
        let here = usize::from(remaining).min(VOLUMES_IN_BLOCK);
        let volumes = block.data[2..2 + here * VOLUME_LENGTH].chunks_exact(VOLUME_LENGTH);
        VolumeControlBlock {
            remaining,
            volumes: volumes.map(volume).collect(),
            next: Ttr::from_bytes(array(&block.data, NEXT)),
        }
    }

    /// The blocks for these volumes, at these places: one place for each 20 volumes.
    pub fn chain(volumes: &[CatalogVolume], places: &[Ttr]) -> Vec<(Ttr, Block)> {
        let chunks = volumes.chunks(VOLUMES_IN_BLOCK);
        let mut remaining = volumes.len() as u16;
        let mut chain = Vec::new();
        for (number, (volumes, place)) in chunks.zip(places).enumerate() {
            let mut block = Block { key: HIGH_NAME, data: [0; DATA] };
            put16(&mut block.data, 0, remaining);
            for (number, volume) in volumes.iter().enumerate() {
                let offset = 2 + number * VOLUME_LENGTH;
                block.data[offset..offset + VOLUME_LENGTH].copy_from_slice(&volume_bytes(volume));
            }
            if let Some(next) = places.get(number + 1) {
                block.data[NEXT..NEXT + 3].copy_from_slice(&next.to_bytes());
            }
            remaining -= volumes.len() as u16;
            chain.push((*place, block));
        }
        chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_or_refused(data in proptest::collection::vec(any::<u8>(), DATA)) {
            let mut block = Block { key: HIGH_NAME, data: [0; DATA] };
            block.data.copy_from_slice(&data);
            VolumeControlBlock::parse(&block);
            if let Ok(index) = IndexBlock::parse(&block) {
                prop_assert_eq!(usize::from(be16(&block.data, 0)), index.used());
            }
        }
    }

    #[test]
    fn volume_control_blocks_are_those_of_the_system() {
        // The chain that OS/VS1 wrote for 25 volumes: 25 in the first block, 5 in the second.
        let volumes: Vec<CatalogVolume> = (1..=25)
            .map(|number| CatalogVolume {
                unit_type: [0x30, 0x50, 0x20, 0x09],
                volser: format!("V{number:05}").parse().unwrap(),
                file_sequence: 0,
            })
            .collect();
        let places = [Ttr { track: 0, record: 10 }, Ttr { track: 0, record: 9 }];
        let chain = VolumeControlBlock::chain(&volumes, &places);
        assert_eq!(chain.len(), 2);
        assert_eq!(chain[0].1.data[..4], [0, 25, 0x30, 0x50]);
        assert_eq!(chain[0].1.data[242..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0]);
        assert_eq!(chain[1].1.data[..2], [0, 5]);
        assert_eq!(VolumeControlBlock::parse(&chain[1].1).volumes, volumes[20..]);
    }

    #[test]
    fn keys_are_those_that_the_system_searches_for() {
        // As OS/VS1 wrote chains: blocks 0B and 0C, block 13 before 15, block 1C before the first of the next track.
        let entry = Entry::index([0xC1; 8], Ttr { track: 0, record: 99 });
        let key = |place: (u16, u8), next: Option<(u16, u8)>| {
            let ttr = |(track, record)| Ttr { track, record };
            let block =
                IndexBlock { control: None, entries: vec![entry.clone()], next: next.map(ttr) };
            let place = ttr(place);
            assert!(block.is_key(place, block.key(place)) && block.is_key(place, HIGH_NAME));
            (block.key(place), block.is_key(place, entry.name()))
        };
        assert_eq!(key((0, 0x0B), Some((0, 0x0C))), (entry.name(), true));
        assert_eq!(key((0, 0x13), Some((0, 0x15))), (HIGH_NAME, false));
        assert_eq!(key((0, 0x13), Some((0, 0x12))), (HIGH_NAME, false));
        assert_eq!(key((0, 0x1C), Some((1, 1))), (HIGH_NAME, true));
        assert_eq!(key((0, 0x1C), Some((2, 1))), (HIGH_NAME, false));
        assert_eq!(key((0, 0x0E), None), (HIGH_NAME, false));
    }

    #[test]
    fn blocks_that_do_not_check_are_refused() {
        let mut block = Block { key: HIGH_NAME, data: [0; DATA] };
        for (used, what) in [(0u16, "used"), (257, "used"), (2, "link"), (14, "link"), (9, "ends")]
        {
            put16(&mut block.data, 0, used);
            assert!(IndexBlock::parse(&block).unwrap_err().contains(what), "{used}");
        }
    }
}
