//! The entries of a CVOL's index blocks: name, TTR, and so many halfwords (FORMATS 6.1).
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | name: a qualifier, in a generation index with its number complemented |
//! | 8 | 3 | TTR: of a block of this catalog, or of an F1 |
//! | 11 | 1 | halfwords behind this byte |
//! | 12 | .. | by kind |
//!
//! An entry keeps its bytes as they are, also those of kinds that the library does not know.

use crate::bytes::{array, be16, put16};
use crate::catalog::CatalogVolume;
use crate::name::Volser;
use std::fmt;

/// A name as an entry has it.
pub(super) type Name = [u8; 8];

/// The name of control entries: lower than every other.
pub(super) const CONTROL_NAME: Name = [0, 0, 0, 0, 0, 0, 0, 1];
/// The name of link entries, and the key of blocks without a successor: higher than every other.
pub(super) const HIGH_NAME: Name = [0xFF; 8];
/// The most volumes that a data set entry holds itself.
pub(super) const VOLUMES_IN_ENTRY_MAX: usize = 5;
/// Bytes of a volume in entries and in volume control blocks.
pub(super) const VOLUME_LENGTH: usize = 12;

/// Where a block stands: the track from the start of `SYSCTLG`, and the record on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ttr {
    pub track: u16,
    pub record: u8,
}

impl Ttr {
    /// The block in which the volume index begins.
    pub const FIRST: Ttr = Ttr { track: 0, record: 1 };

    /// From three bytes; `None` if they are zero.
    pub fn from_bytes(bytes: [u8; 3]) -> Option<Ttr> {
        (bytes != [0; 3]).then_some(Ttr { track: be16(&bytes, 0), record: bytes[2] })
    }

    pub fn to_bytes(self) -> [u8; 3] {
        let [high, low] = self.track.to_be_bytes();
        [high, low, self.record]
    }
}

impl fmt::Display for Ttr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}{:02X}", self.track, self.record)
    }
}

/// One entry, in its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry(Vec<u8>);

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Points to a lower index.
    Index,
    /// A data set on at most five volumes.
    DataSet(Vec<CatalogVolume>),
    /// A data set on more volumes: points to its volume control block.
    VolumeControlBlock,
    /// The index lies in the catalog of another volume.
    OtherCatalog(Volser),
    /// Another name of an index.
    Alias { true_name: Name },
    /// Points to a generation index.
    Generations { count_max: u8, count: u16 },
    /// The first entry of the volume index.
    VolumeControl,
    /// The first entry of every other index.
    IndexControl,
    /// None of these.
    Unknown,
}

impl Entry {
    /// The bytes before those that the kind decides.
    pub const HEAD: usize = 12;

    /// Takes one entry from the start of `bytes`; `None` if it would end behind them.
    pub fn parse(bytes: &[u8]) -> Option<Entry> {
        let length = Entry::HEAD + 2 * usize::from(*bytes.get(11)?);
        bytes.get(..length).map(|bytes| Entry(bytes.to_vec()))
    }

    /// Builds one. `fields` has an even number of bytes, at most 510.
    fn new(name: Name, ttr: Option<Ttr>, fields: &[u8]) -> Entry {
        debug_assert!(fields.len().is_multiple_of(2) && fields.len() <= 510);
        let ttr = ttr.map_or([0; 3], Ttr::to_bytes);
        Entry([&name[..], &ttr, &[(fields.len() / 2) as u8], fields].concat())
    }

    /// A pointer to a lower index.
    pub fn index(name: Name, first: Ttr) -> Entry {
        Entry::new(name, Some(first), &[])
    }

    /// The control entry of a new index.
    pub fn index_control(first: Ttr) -> Entry {
        Entry::new(CONTROL_NAME, Some(first), &[&first.to_bytes()[..], &[0; 3]].concat())
    }

    /// The control entry of a new volume index.
    pub fn volume_control(upper_limit: Ttr, first_free: Ttr) -> Entry {
        let fields = [&upper_limit.to_bytes()[..], &[0], &first_free.to_bytes(), &[0; 3]].concat();
        Entry::new(CONTROL_NAME, Some(Ttr::FIRST), &fields)
    }

    /// A data set on 1 to 5 volumes.
    pub fn data_set(name: Name, volumes: &[CatalogVolume], dscb: Option<[u8; 3]>) -> Entry {
        debug_assert!((1..=VOLUMES_IN_ENTRY_MAX).contains(&volumes.len()));
        let mut fields = (volumes.len() as u16).to_be_bytes().to_vec();
        volumes.iter().for_each(|volume| fields.extend(volume_bytes(volume)));
        let mut entry = Entry::new(name, None, &fields);
        entry.0[8..11].copy_from_slice(&dscb.unwrap_or_default());
        entry
    }

    /// A data set with a volume control block.
    pub fn volume_control_block(name: Name, first: Ttr) -> Entry {
        Entry::new(name, Some(first), &[0; 2])
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn length(&self) -> usize {
        self.0.len()
    }

    pub fn name(&self) -> Name {
        array(&self.0, 0)
    }

    /// The same entry under another name.
    pub fn renamed(&self, name: Name) -> Entry {
        let mut entry = self.clone();
        entry.0[..8].copy_from_slice(&name);
        entry
    }

    /// The three bytes at 8.
    pub fn ttr_bytes(&self) -> [u8; 3] {
        array(&self.0, 8)
    }

    pub fn ttr(&self) -> Option<Ttr> {
        Ttr::from_bytes(self.ttr_bytes())
    }

    /// Halfwords behind the count byte.
    pub fn halfword_count(&self) -> u8 {
        self.0[11]
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        let fields = &self.0[Entry::HEAD..];
        match (self.halfword_count(), self.name() == CONTROL_NAME) {
            (5, true) => Kind::VolumeControl,
            (3, true) => Kind::IndexControl,
            (_, true) => Kind::Unknown,
            (0, _) => Kind::Index,
            (1, _) => Kind::VolumeControlBlock,
            (2, _) => Kind::Generations { count_max: fields[1], count: be16(fields, 2) },
            (3, _) => Kind::OtherCatalog(Volser::from_bytes(array(fields, 0))),
            (4, _) => Kind::Alias { true_name: array(fields, 0) },
            (5, _) => Kind::OtherCatalog(Volser::from_bytes(array(fields, 4))),
            (7 | 13 | 19 | 25 | 31, _) => {
                let volumes = &fields[2..];
                if usize::from(be16(fields, 0)) * VOLUME_LENGTH == volumes.len() {
                    Kind::DataSet(volumes.chunks_exact(VOLUME_LENGTH).map(volume).collect())
                } else {
                    Kind::Unknown
                }
            }
            _ => Kind::Unknown,
        }
    }

    /// Whether it stands for a data set.
    pub fn is_data_set(&self) -> bool {
        matches!(self.kind(), Kind::DataSet(_) | Kind::VolumeControlBlock)
    }

    /// The address of the F1 in a data set entry.
    pub fn dscb(&self) -> Option<[u8; 3]> {
        Some(self.ttr_bytes()).filter(|ttr| *ttr != [0; 3])
    }

    /// In a control entry: the last block of its index.
    pub fn set_last_block(&mut self, last: Ttr) {
        self.0[8..11].copy_from_slice(&last.to_bytes());
    }

    /// In the volume index's control entry: the last block of `SYSCTLG`.
    pub fn upper_limit(&self) -> Option<Ttr> {
        self.0.get(12..15).and_then(|bytes| Ttr::from_bytes(array(bytes, 0)))
    }

    /// In the volume index's control entry: the free block that is nearest to the start.
    pub fn first_free(&self) -> Option<Ttr> {
        self.0.get(16..19).and_then(|bytes| Ttr::from_bytes(array(bytes, 0)))
    }

    /// Sets [`first_free`](Entry::first_free) of a volume index's control entry.
    pub fn set_first_free(&mut self, free: Option<Ttr>) {
        if let Some(field) = self.0.get_mut(16..19) {
            field.copy_from_slice(&free.map_or([0; 3], Ttr::to_bytes));
        }
    }

    /// In the control entry of an index: its first block.
    pub fn first_block(&self) -> Option<Ttr> {
        self.0.get(12..15).and_then(|bytes| Ttr::from_bytes(array(bytes, 0)))
    }

    /// In the control entry of an index: how many aliases it has.
    pub fn alias_count(&self) -> u8 {
        self.0.get(15).copied().unwrap_or_default()
    }

    /// In a generation index pointer: how many generations there are.
    pub fn set_generation_count(&mut self, count: u16) {
        if self.0.len() >= 16 {
            put16(&mut self.0, 14, count);
        }
    }
}

/// A volume from its 12 bytes.
pub(super) fn volume(bytes: &[u8]) -> CatalogVolume {
    CatalogVolume {
        unit_type: array(bytes, 0),
        volser: Volser::from_bytes(array(bytes, 4)),
        file_sequence: be16(bytes, 10),
    }
}

/// The 12 bytes of a volume.
pub(super) fn volume_bytes(volume: &CatalogVolume) -> [u8; VOLUME_LENGTH] {
    let mut bytes = [0; VOLUME_LENGTH];
    bytes[..4].copy_from_slice(&volume.unit_type);
    bytes[4..10].copy_from_slice(volume.volser.as_bytes());
    put16(&mut bytes, 10, volume.file_sequence);
    bytes
}

/// A qualifier as an entry's name; `None` if it is empty or too long.
pub(super) fn name_of_qualifier(qualifier: &[u8]) -> Option<Name> {
    if !(1..=8).contains(&qualifier.len()) {
        return None;
    }
    let mut name = [0x40; 8];
    name[..qualifier.len()].copy_from_slice(qualifier);
    Some(name)
}

/// `GnnnnVmm` as a generation index holds it, and back: the four digits complemented, so that the newest stands first.
/// `None` if it is not of this form.
///
/// ```text
/// G0004V00   C7 F0 F0 F0 F4 E5 F0 F0   is held as   C7 0F 0F 0F 0B E5 F0 F0
/// ```
pub(super) fn generation_name(qualifier: &[u8], stored: bool) -> Option<Name> {
    const G: u8 = 0xC7;
    const V: u8 = 0xE5;
    let mut name: Name = qualifier.try_into().ok()?;
    let digit = |byte: u8, complemented: bool| match complemented {
        true => (0x06..=0x0F).contains(&byte),
        false => (0xF0..=0xF9).contains(&byte),
    };
    let regular = name[0] == G
        && name[5] == V
        && name[1..5].iter().all(|&byte| digit(byte, stored))
        && name[6..].iter().all(|&byte| digit(byte, false));
    name[1..5].iter_mut().for_each(|byte| *byte = !*byte);
    regular.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_complemented_there_and_back() {
        let stored = [0xC7, 0x0F, 0x0F, 0x0F, 0x0B, 0xE5, 0xF0, 0xF0];
        let plain = [0xC7, 0xF0, 0xF0, 0xF0, 0xF4, 0xE5, 0xF0, 0xF0];
        assert_eq!(generation_name(&plain, false), Some(stored));
        assert_eq!(generation_name(&stored, true), Some(plain));
        assert_eq!(generation_name(&stored, false), None);
        assert_eq!(generation_name(&plain[..7], false), None);
    }

    #[test]
    fn every_count_keeps_its_bytes() {
        for count in 0..=255u8 {
            let mut bytes = vec![0xC1; Entry::HEAD + 2 * usize::from(count)];
            bytes[11] = count;
            let entry = Entry::parse(&bytes).unwrap();
            assert_eq!(entry.as_bytes(), bytes);
            entry.kind();
            assert!(Entry::parse(&bytes[..bytes.len() - 1]).is_none());
        }
    }

    #[test]
    fn a_data_set_entry_whose_count_lies_is_of_no_known_kind() {
        let volume = CatalogVolume {
            unit_type: [0x30, 0x50, 0x20, 0x09],
            volser: "CLNA01".parse().unwrap(),
            file_sequence: 0,
        };
        let entry = Entry::data_set([0xC1; 8], &[volume; 2], Some([0, 1, 7]));
        assert_eq!(entry.kind(), Kind::DataSet(vec![volume; 2]));
        assert_eq!((entry.dscb(), entry.length()), (Some([0, 1, 7]), 38));
        let mut bytes = entry.as_bytes().to_vec();
        bytes[13] = 3;
        assert_eq!(Entry::parse(&bytes).unwrap().kind(), Kind::Unknown);
    }
}
