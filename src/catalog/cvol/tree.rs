//! A whole CVOL as it is at one moment: its blocks, the indexes that they make, and the names in them.
//!
//! Everything here is input from a volume, possibly damaged or hostile. Each walk visits a block at most once, so no
//! loop of links, and no two pointers to the same index, can make it run on; what does not check is
//! [`Reason::DamagedCatalog`], with the track.

use super::block::{Block, IndexBlock, VolumeControlBlock};
use super::entry::{Entry, Kind, Name, Ttr, generation_name, name_of_qualifier};
use crate::bytes::ebcdic_text;
use crate::catalog::{CatalogEntry, CatalogVolume};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Geometry, Track};
use crate::name::{DsName, Volser};
use crate::track;
use crate::volume::{Volume, VolumeExt};
use std::collections::{BTreeMap, BTreeSet};

const PERIOD: u8 = 0x4B;

/// The blocks of `SYSCTLG`.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    volser: Volser,
    geometry: Geometry,
    extents: Vec<Extent>,
    /// Those that are used.
    blocks: BTreeMap<Ttr, Block>,
    /// Those that are free.
    free: BTreeSet<Ttr>,
}

/// One index on the way to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// Its first block.
    pub first: Ttr,
    /// For a generation index: the most generations, and how many there are.
    pub generations: Option<(u8, u16)>,
}

/// Where the way to a name ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At this entry, in the last of the levels.
    Found(Entry),
    /// The last of the levels does not have the next qualifier.
    Missing,
    /// The next qualifier is in the catalog of another volume.
    OtherCatalog(Volser),
    /// The next qualifier is not the last one, but no index either.
    NoIndex,
}

/// The way to a name.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The name without aliases.
    pub name: DsName,
    /// Its qualifiers, as far as the levels go as their entries have them.
    pub names: Vec<Name>,
    /// The indexes, from the volume index on.
    pub levels: Vec<Level>,
    /// Where it ends.
    pub end: End,
}

/// The blocks of one index, in the order of their links.
pub(super) type Chain = Vec<(Ttr, IndexBlock)>;

impl Tree {
    /// Reads the blocks up to the upper limit that the catalog names.
    pub fn read(volume: &dyn Volume, extents: &[Extent]) -> Result<Tree> {
        let mut tree = Tree {
            volser: volume.volser(),
            geometry: volume.geometry(),
            extents: extents.to_vec(),
            blocks: BTreeMap::new(),
            free: BTreeSet::new(),
        };
        let mut limit = Ttr { track: u16::MAX, record: u8::MAX };
        for track in 0..=u16::MAX {
            let Some(place) = tree.track(track).filter(|_| track <= limit.track) else { break };
            tree.take_track(track, &volume.read_track(place)?, limit);
            if track == 0 {
                limit = tree.upper_limit()?;
                let Tree { blocks, free, .. } = &mut tree;
                blocks.retain(|ttr, _| *ttr <= limit);
                free.retain(|ttr| *ttr <= limit);
            }
        }
        Ok(tree)
    }

    fn take_track(&mut self, track: u16, slot: &[u8], limit: Ttr) {
        for record in track::records(slot).map_while(Result::ok) {
            let ttr = Ttr { track, record: record.number };
            let known = self.free.contains(&ttr) || self.blocks.contains_key(&ttr);
            if known || record.number == 0 || ttr > limit {
                continue;
            }
            if let (Ok(key), Ok(data)) = (record.key.try_into(), record.data.try_into()) {
                let block = Block { key, data };
                if block.is_free() {
                    self.free.insert(ttr);
                } else {
                    self.blocks.insert(ttr, block);
                }
            }
        }
    }

    /// The last block that may be used.
    pub fn upper_limit(&self) -> Result<Ttr> {
        if !self.blocks.contains_key(&Ttr::FIRST) {
            return Err(Error::new(
                Reason::NoCatalog,
                "SYSCTLG has no volume index: it was never used; let its own system catalog a first data set in it",
            )
            .on_volume(self.volser));
        }
        let first = self.index_block(Ttr::FIRST)?;
        let control = first.control.filter(|control| control.kind() == Kind::VolumeControl);
        control.and_then(|control| control.upper_limit()).ok_or_else(|| {
            self.damaged(Ttr::FIRST, "the volume index does not begin with its control entry")
        })
    }

    /// The track of the volume that is this far behind the start of `SYSCTLG`.
    pub fn track(&self, relative: u16) -> Option<Track> {
        let mut left = u32::from(relative);
        for extent in &self.extents {
            if left < extent.track_count {
                return Some(extent.first.plus(left));
            }
            left -= extent.track_count;
        }
        None
    }

    /// What does not check, and where.
    pub fn damaged(&self, ttr: Ttr, what: impl std::fmt::Display) -> Error {
        let error = Error::new(
            Reason::DamagedCatalog,
            format!(
                "block {ttr} of SYSCTLG: {what}; restore the catalog, or let its own system list and repair it"
            ),
        )
        .on_volume(self.volser);
        match self.track(ttr.track) {
            Some(track) => error.at_track(track, self.geometry.heads()),
            None => error,
        }
    }

    /// The serial of the volume.
    pub fn volser(&self) -> Volser {
        self.volser
    }

    /// The free blocks.
    pub fn free(&self) -> &BTreeSet<Ttr> {
        &self.free
    }

    /// The used blocks.
    pub fn blocks(&self) -> &BTreeMap<Ttr, Block> {
        &self.blocks
    }

    /// Changes one block, in memory.
    pub fn set(&mut self, ttr: Ttr, block: Block) {
        if block.is_free() {
            self.blocks.remove(&ttr);
            self.free.insert(ttr);
        } else {
            self.free.remove(&ttr);
            self.blocks.insert(ttr, block);
        }
    }

    /// A used block.
    pub fn block(&self, ttr: Ttr) -> Result<&Block> {
        self.blocks.get(&ttr).ok_or_else(|| {
            let what = match self.free.contains(&ttr) {
                true => "it is in use, but its key says that it is free",
                false => "there is no such block",
            };
            self.damaged(ttr, what)
        })
    }

    /// A used block, as one of an index.
    pub fn index_block(&self, ttr: Ttr) -> Result<IndexBlock> {
        IndexBlock::parse(self.block(ttr)?).map_err(|what| self.damaged(ttr, what))
    }

    /// The blocks of the index that begins here.
    pub fn chain(&self, first: Ttr) -> Result<Chain> {
        let mut chain = Chain::new();
        let mut visited = BTreeSet::new();
        let mut next = Some(first);
        while let Some(ttr) = next {
            if !visited.insert(ttr) {
                return Err(self.damaged(ttr, "the links of its index run in a circle"));
            }
            let block = self.index_block(ttr)?;
            if block.control.is_some() != chain.is_empty() {
                return Err(self.damaged(
                    ttr,
                    "a control entry must stand in the first block of an index, and in no other",
                ));
            }
            next = block.next;
            chain.push((ttr, block));
        }
        Ok(chain)
    }

    /// The entry of this name in the index that begins here.
    fn find_entry(&self, first: Ttr, name: Name) -> Result<Option<Entry>> {
        let chain = self.chain(first)?;
        let mut entries = chain.into_iter().flat_map(|(_, block)| block.entries);
        Ok(entries.find(|entry| entry.name() == name))
    }

    /// The way to a name; `None` if no catalog can hold such a name.
    pub fn path(&self, name: &DsName) -> Result<Option<Path>> {
        let qualifiers: Option<Vec<Name>> = name.qualifiers().map(name_of_qualifier).collect();
        let Some(names) = qualifiers else { return Ok(None) };
        let volume_index = Level { first: Ttr::FIRST, generations: None };
        let mut path = Path { name: *name, names, levels: vec![volume_index], end: End::Missing };
        for place in 0..path.names.len() {
            let level = &path.levels[place];
            if level.generations.is_some() {
                match generation_name(&path.names[place], false) {
                    Some(stored) => path.names[place] = stored,
                    None => return Ok(Some(path)),
                }
            }
            let Some(entry) = self.find_entry(level.first, path.names[place])? else { break };
            if place + 1 == path.names.len() {
                path.end = End::Found(entry);
                break;
            }
            let generations = match entry.kind() {
                Kind::Index => None,
                Kind::Generations { count_max, count } => Some((count_max, count)),
                Kind::Alias { true_name } if place == 0 => {
                    path.names[0] = true_name;
                    match joined(&path.names) {
                        Some(name) => path.name = name,
                        None => return Ok(None),
                    }
                    None
                }
                Kind::OtherCatalog(volser) => {
                    path.end = End::OtherCatalog(volser);
                    break;
                }
                _ => {
                    path.end = End::NoIndex;
                    break;
                }
            };
            let first = entry.ttr().ok_or_else(|| {
                self.damaged(level.first, format!("{} points nowhere", ebcdic_text(&entry.name())))
            })?;
            if path.levels.iter().any(|level| level.first == first) {
                return Err(self.damaged(first, "an index points to one above it"));
            }
            path.levels.push(Level { first, generations });
        }
        Ok(Some(path))
    }

    /// What a data set entry says.
    pub fn catalog_entry(&self, name: DsName, entry: &Entry) -> Result<CatalogEntry> {
        match entry.kind() {
            Kind::DataSet(volumes) => Ok(CatalogEntry { name, volumes, dscb: entry.dscb() }),
            _ => {
                let volumes = self
                    .volume_control_blocks(entry)?
                    .into_iter()
                    .flat_map(|(_, block)| block.volumes)
                    .collect();
                Ok(CatalogEntry { name, volumes, dscb: None })
            }
        }
    }

    /// The volume control blocks of an entry; none unless it points to one.
    pub fn volume_control_blocks(&self, entry: &Entry) -> Result<Vec<(Ttr, VolumeControlBlock)>> {
        let mut blocks: Vec<(Ttr, VolumeControlBlock)> = Vec::new();
        if entry.kind() != Kind::VolumeControlBlock {
            return Ok(blocks);
        }
        let mut next = entry.ttr();
        let mut remaining = None;
        while let Some(ttr) = next {
            let block = VolumeControlBlock::parse(self.block(ttr)?);
            if remaining.is_some_and(|remaining| remaining != block.remaining) {
                return Err(self.damaged(
                    ttr,
                    format!("{} volumes do not continue the block before", block.remaining),
                ));
            }
            // The count falls from block to block, so that the chain ends.
            let left = block.remaining - block.volumes.len() as u16;
            remaining = Some(left);
            next = block.next.filter(|_| left > 0);
            blocks.push((ttr, block));
        }
        match remaining {
            Some(0) if !blocks[0].1.volumes.is_empty() => Ok(blocks),
            _ => Err(self.damaged(
                blocks.last().map_or(Ttr::FIRST, |(ttr, _)| *ttr),
                format!("the volumes of {} are not all there", ebcdic_text(&entry.name())),
            )),
        }
    }

    /// Every data set, by name.
    pub fn data_sets(&self) -> Result<Vec<CatalogEntry>> {
        let mut data_sets = Vec::new();
        let mut visited = BTreeSet::from([Ttr::FIRST]);
        let mut waiting = vec![(Vec::<Name>::new(), Ttr::FIRST, false)];
        while let Some((qualifiers, first, is_generation)) = waiting.pop() {
            for (place, block) in self.chain(first)? {
                for entry in block.entries {
                    let plain = match is_generation {
                        true => generation_name(&entry.name(), true).unwrap_or(entry.name()),
                        false => entry.name(),
                    };
                    let mut names = qualifiers.clone();
                    names.push(plain);
                    let name = joined(&names)
                        .ok_or_else(|| self.damaged(place, "a name of more than 44 bytes"))?;
                    let kind = entry.kind();
                    if entry.is_data_set() {
                        let catalog_entry = self.catalog_entry(name, &entry);
                        data_sets.push(catalog_entry.map_err(|e| e.of_data_set(name))?);
                    } else if matches!(kind, Kind::Index | Kind::Generations { .. }) {
                        let next = entry
                            .ttr()
                            .filter(|ttr| visited.insert(*ttr))
                            .ok_or_else(|| self.damaged(place, lost_pointer(&entry)))?;
                        waiting.push((names, next, kind != Kind::Index));
                    }
                }
            }
        }
        data_sets.sort_by_key(|entry| entry.name);
        Ok(data_sets)
    }
}

/// What is wrong with a pointer to nowhere, or to an index that another entry points to.
pub(super) fn lost_pointer(entry: &Entry) -> String {
    let name = ebcdic_text(&entry.name());
    match entry.ttr() {
        Some(ttr) => format!("{name} points to block {ttr}, to which another entry points too"),
        None => format!("{name} points nowhere"),
    }
}

/// Qualifiers joined to a name, if it has at most 44 bytes.
fn joined(names: &[Name]) -> Option<DsName> {
    let trimmed = |name: &Name| {
        let end = name.iter().rposition(|&byte| byte != 0x40).map_or(0, |last| last + 1);
        name[..end].to_vec()
    };
    let bytes = names.iter().map(trimmed).collect::<Vec<_>>().join(&PERIOD);
    let mut name = [0x40; 44];
    name.get_mut(..bytes.len())?.copy_from_slice(&bytes);
    Some(DsName::from_bytes(name))
}

/// The address of the F1 as far as an entry can hold it: one of many volumes cannot.
pub(super) fn dscb_that_fits(volumes: &[CatalogVolume], dscb: Option<[u8; 3]>) -> Option<[u8; 3]> {
    dscb.filter(|dscb| volumes.len() <= super::entry::VOLUMES_IN_ENTRY_MAX && *dscb != [0; 3])
}
