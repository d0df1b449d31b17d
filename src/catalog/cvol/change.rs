//! Changes of a CVOL, as block writes in an order of which every prefix is a valid catalog.
//!
//! The problem: one change touches several blocks (the entry's own, a new block of a split, volume control blocks,
//! the control entries), and the machine may stop between any two writes. The rule: whatever is new is written into
//! free blocks first, where nothing points to it; then *one* write of one index block makes it visible and what is old
//! invisible; only then blocks that nothing points to any more are cleared.
//!
//! * The control entry names the free block nearest to the start. It moves on *before* a block is used, and comes back
//!   *after* one was cleared: it never names a used block (except the very last one, when none is free: that is what
//!   OS/VS1 does).
//! * A block that overflows is split: the upper part goes to a free block; the write of the lower part, with its new
//!   key and link, is the one that counts.
//! * A block that would be left with little is joined with its neighbour in the same write that removes the entry.
//! * A new name whose indexes do not exist gets them from below: each in a free block, and the pointer to the highest
//!   last. An index that a removal would leave empty goes with it, except one right below the volume index, and
//!   generation indexes: so does OS/VS1.
//! * Another name is first added, then the old one is removed: in between both are right.
//!
//! What a crash can leave behind is a used block that nothing points to, and a control entry whose last block, free
//! block or count is one change old: none of them makes a name wrong, `check` shows them, and settling the intent
//! removes them.

use super::block::{Block, DATA, IndexBlock, VOLUMES_IN_BLOCK, VolumeControlBlock};
use super::entry::{Entry, Name, Ttr, VOLUMES_IN_ENTRY_MAX, generation_name};
use super::tree::{Chain, End, Path, Tree, dscb_that_fits};
use crate::catalog::CatalogEntry;
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::geometry::Track;
use crate::name::DsName;
use crate::track;
use crate::volume::intent::{Intent, TrackImage};
use crate::volume::{Volume, VolumeExt};
use std::collections::{BTreeMap, BTreeSet, btree_map};

/// The most volumes of a data set.
const VOLUMES_MAX: usize = 255;

/// A catalog while it is changed: its new state, and the writes that lead there.
pub(super) struct Change {
    tree: Tree,
    taken: BTreeSet<Ttr>,
    writes: Vec<(Ttr, Block)>,
}

impl Change {
    pub fn new(tree: Tree) -> Change {
        Change { tree, taken: BTreeSet::new(), writes: Vec::new() }
    }

    /// The present state.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Makes an entry that does not exist.
    pub fn add(&mut self, entry: &CatalogEntry) -> Result<()> {
        check_volumes(entry)?;
        let path = self.tree.path(&entry.name)?.filter(|path| path.name.is_regular());
        let path = path.ok_or_else(|| {
            Error::new(
                Reason::BadName,
                "not a name that can be cataloged: qualifiers of 1 to 8 characters that begin with A-Z, #, @ or $",
            )
        })?;
        match &path.end {
            End::Missing => {}
            End::Found(found) if found.is_data_set() => {
                return Err(Error::new(
                    Reason::EntryExists,
                    format!("the name is cataloged already on {}", self.tree.volser()),
                ));
            }
            End::Found(_) | End::NoIndex => {
                return Err(Error::new(
                    Reason::EntryKind,
                    "a data set and an index cannot have the same name; choose another name",
                ));
            }
            End::OtherCatalog(_) => return Err(other_catalog(&path)),
        }
        let depth = path.levels.len() - 1;
        let generations = path.levels[depth].generations;
        if let Some((count_max, count)) = generations {
            check_generation(&path, count_max, count)?;
        }
        let volume_blocks = volume_block_count(entry);
        let places = self.take(volume_blocks + path.names.len() - 1 - depth)?;
        let (volume_places, index_places) = places.split_at(volume_blocks);
        let name = path.names[path.names.len() - 1];
        let mut child = self.put_volumes(name, entry, volume_places);
        for (names, place) in path.names[depth..].windows(2).zip(index_places).rev() {
            let control = Some(Entry::index_control(*place));
            self.put_index(*place, &IndexBlock { control, entries: vec![child], next: None });
            child = Entry::index(names[0], *place);
        }
        self.insert(path.levels[depth].first, child)?;
        if let Some((_, count)) = generations {
            self.set_generation_count(&path, count + 1)?;
        }
        Ok(())
    }

    /// Removes an entry.
    pub fn delete(&mut self, path: &Path, entry: &Entry) -> Result<()> {
        let volume_blocks = self.tree.volume_control_blocks(entry)?;
        let mut cleared: Vec<Ttr> = volume_blocks.into_iter().map(|(ttr, _)| ttr).collect();
        let mut depth = path.levels.len() - 1;
        while depth >= 2 && path.levels[depth].generations.is_none() {
            let chain = self.tree.chain(path.levels[depth].first)?;
            if chain.iter().map(|(_, block)| block.entries.len()).sum::<usize>() != 1 {
                break;
            }
            cleared.extend(chain.iter().map(|(ttr, _)| *ttr));
            depth -= 1;
        }
        self.remove(path.levels[depth].first, path.names[depth])?;
        if let Some((_, count)) = path.levels[path.levels.len() - 1].generations {
            self.set_generation_count(path, count.saturating_sub(1))?;
        }
        self.give_back(&cleared)
    }

    /// Makes an entry say what `to` says.
    pub fn recatalog(&mut self, path: &Path, entry: &Entry, to: &CatalogEntry) -> Result<()> {
        check_volumes(to)?;
        let mut wrong = to.clone();
        if defect(Defect::CatalogKeepsTheFirstVolume)
            && let Some(first) = wrong.volumes.first_mut()
        {
            let present = self.tree.catalog_entry(path.name, entry)?;
            present.volumes.first().into_iter().for_each(|volume| *first = *volume);
        }
        let to = if defect(Defect::CatalogKeepsTheFirstVolume) { &wrong } else { to };
        let old = self.tree.volume_control_blocks(entry)?;
        let old_places: Vec<Ttr> = old.iter().map(|(ttr, _)| *ttr).collect();
        let count = old.iter().map(|(_, block)| block.volumes.len()).sum::<usize>();
        if count == to.volumes.len() {
            // The same number of volumes in blocks of their own: if they differ in one block, it is written in place.
            let new = VolumeControlBlock::chain(&to.volumes, &old_places);
            let differing: Vec<_> = new
                .into_iter()
                .zip(&old)
                .filter(|((_, new), (_, old))| VolumeControlBlock::parse(new) != *old)
                .collect();
            if let [((ttr, block), _)] = differing.as_slice() {
                let mut present = self.tree.block(*ttr)?.clone();
                present.data[..242].copy_from_slice(&block.data[..242]);
                self.put(*ttr, present);
                return Ok(());
            }
        }
        let places = self.take(volume_block_count(to))?;
        let new = self.put_volumes(entry.name(), to, &places);
        let first = path.levels[path.levels.len() - 1].first;
        self.replace(first, new)?;
        self.give_back(&old_places)
    }

    /// Gives an entry another name.
    pub fn rename(&mut self, path: &Path, entry: &Entry, to: &DsName) -> Result<()> {
        if let Some(target) = self.tree.path(to)?
            && to.is_regular()
            && target.end == End::Missing
            && target.levels == path.levels
            && target.names.len() == path.names.len()
            && self.rename_in_block(path, entry, target.names[target.names.len() - 1])?
        {
            return Ok(());
        }
        let present = self.tree.catalog_entry(*to, entry)?;
        self.add(&present)?;
        // The way to the old name may have changed: its block may have been split.
        match self.tree.path(&path.name)? {
            Some(path) => self.delete(&path, entry),
            None => Ok(()),
        }
    }

    /// Gives an entry another name in the block where it is, if the new name belongs there too.
    fn rename_in_block(&mut self, path: &Path, entry: &Entry, name: Name) -> Result<bool> {
        let level = &path.levels[path.levels.len() - 1];
        if level.generations.is_some() && generation_name(&name, true).is_none() {
            return Ok(false);
        }
        let chain = self.sorted_chain(level.first)?;
        let (place, at) = position(&chain, name);
        let (ttr, block) = &chain[place];
        if block.entries.iter().all(|present| present.name() != entry.name()) {
            return Ok(false);
        }
        let mut block = block.clone();
        block.entries.insert(at, entry.renamed(name));
        block.entries.retain(|present| present.name() != entry.name());
        self.put_index(*ttr, &block);
        Ok(true)
    }

    /// The change as an intent: one step for each write; those that follow each other on one track are one.
    pub fn intent(&self, volume: &dyn Volume, what: String) -> Result<Intent> {
        let mut before = Vec::new();
        let mut slots: BTreeMap<Track, Vec<u8>> = BTreeMap::new();
        let mut steps: Vec<Vec<TrackImage>> = Vec::new();
        for (ttr, block) in &self.writes {
            let track = self
                .tree
                .track(ttr.track)
                .ok_or_else(|| self.tree.damaged(*ttr, "its track is not one of the data set"))?;
            let slot = match slots.entry(track) {
                btree_map::Entry::Occupied(known) => known.into_mut(),
                btree_map::Entry::Vacant(place) => {
                    let mut slot = volume.read_track(track)?;
                    let summary = track::check(&slot, volume.place(track))?;
                    slot.truncate(summary.length);
                    before.push(TrackImage { track, image: slot.clone() });
                    place.insert(slot)
                }
            };
            let record = track::records(slot).map_while(Result::ok).find(|record| {
                record.number == ttr.record
                    && record.key.len() == block.key.len()
                    && record.data.len() == DATA
            });
            let data = record
                .map(|record| record.data_range())
                .ok_or_else(|| self.tree.damaged(*ttr, "there is no such block"))?;
            slot[data.start - block.key.len()..data.start].copy_from_slice(&block.key);
            slot[data].copy_from_slice(&block.data);
            let image = TrackImage { track, image: slot.clone() };
            match steps.last_mut() {
                Some(step) if step[0].track == track => step[0] = image,
                _ => steps.push(vec![image]),
            }
        }
        Ok(Intent { volser: volume.volser(), what, before, steps })
    }

    fn put(&mut self, ttr: Ttr, block: Block) {
        if self.tree.blocks().get(&ttr) != Some(&block) {
            self.taken.remove(&ttr);
            self.tree.set(ttr, block.clone());
            self.writes.push((ttr, block));
        }
    }

    fn put_index(&mut self, ttr: Ttr, block: &IndexBlock) {
        self.put(ttr, block.to_block(ttr));
    }

    /// Writes the volumes of an entry as far as they need blocks of their own, and returns the entry.
    fn put_volumes(&mut self, name: Name, entry: &CatalogEntry, places: &[Ttr]) -> Entry {
        match places.first() {
            None => {
                Entry::data_set(name, &entry.volumes, dscb_that_fits(&entry.volumes, entry.dscb))
            }
            Some(first) => {
                for (ttr, block) in VolumeControlBlock::chain(&entry.volumes, places) {
                    self.put(ttr, block);
                }
                Entry::volume_control_block(name, *first)
            }
        }
    }

    /// Takes free blocks, the nearest to the start first. The control entry is moved on before they are used.
    fn take(&mut self, count: usize) -> Result<Vec<Ttr>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let free = self.tree.free().difference(&self.taken);
        let taken: Vec<Ttr> = free.take(count).copied().collect();
        if taken.len() < count {
            return Err(Error::new(
                Reason::CatalogFull,
                format!(
                    "the change needs {count} free blocks of SYSCTLG, and there are {}; uncatalog what is not needed, \
                     or let its own system extend SYSCTLG",
                    taken.len()
                ),
            )
            .on_volume(self.tree.volser()));
        }
        self.taken.extend(&taken);
        self.set_first_free()?;
        Ok(taken)
    }

    /// Clears blocks to which nothing points any more.
    fn give_back(&mut self, blocks: &[Ttr]) -> Result<()> {
        blocks.iter().for_each(|ttr| self.put(*ttr, Block::FREE));
        self.set_first_free()
    }

    fn set_first_free(&mut self) -> Result<()> {
        let limit = self.tree.upper_limit()?;
        let free = self.tree.free().difference(&self.taken).next().copied();
        self.set_control(Ttr::FIRST, |control| control.set_first_free(Some(free.unwrap_or(limit))))
    }

    fn set_control(&mut self, first: Ttr, set: impl FnOnce(&mut Entry)) -> Result<()> {
        let mut block = self.tree.index_block(first)?;
        if let Some(control) = &mut block.control {
            set(control);
        }
        self.put_index(first, &block);
        Ok(())
    }

    /// In the pointer to the generation index to which a name belongs: how many generations there are.
    fn set_generation_count(&mut self, path: &Path, count: u16) -> Result<()> {
        let depth = path.levels.len() - 2;
        let (first, name) = (path.levels[depth].first, path.names[depth]);
        for (ttr, mut block) in self.tree.chain(first)? {
            if let Some(entry) = block.entries.iter_mut().find(|entry| entry.name() == name) {
                entry.set_generation_count(count);
                self.put_index(ttr, &block);
                break;
            }
        }
        Ok(())
    }

    /// The blocks of an index whose entries are in order: else its system would not find them either.
    fn sorted_chain(&self, first: Ttr) -> Result<Chain> {
        let chain = self.tree.chain(first)?;
        let mut last = None;
        for (ttr, block) in &chain {
            for entry in &block.entries {
                if last.is_some_and(|last| last >= entry.name()) {
                    return Err(self.tree.damaged(*ttr, "its entries are not in order"));
                }
                last = Some(entry.name());
            }
        }
        Ok(chain)
    }

    fn insert(&mut self, first: Ttr, entry: Entry) -> Result<()> {
        let chain = self.sorted_chain(first)?;
        let (place, at) = position(&chain, entry.name());
        let mut entries = chain[place].1.entries.clone();
        entries.insert(at, entry);
        let is_appended = place + 1 == chain.len() && at + 1 == entries.len();
        self.put_entries(first, place, entries, is_appended)
    }

    fn replace(&mut self, first: Ttr, entry: Entry) -> Result<()> {
        let chain = self.sorted_chain(first)?;
        let (place, at) = position(&chain, entry.name());
        let mut entries = chain[place].1.entries.clone();
        match entries.get_mut(at).filter(|present| present.name() == entry.name()) {
            Some(present) => *present = entry,
            None => return Err(self.tree.damaged(chain[place].0, "an entry vanished")),
        }
        self.put_entries(first, place, entries, false)
    }

    /// Gives the block at `place` of an index these entries, in two blocks if they do not fit into one.
    fn put_entries(
        &mut self,
        first: Ttr,
        place: usize,
        entries: Vec<Entry>,
        is_appended: bool,
    ) -> Result<()> {
        let (ttr, block) = self.tree.chain(first)?.swap_remove(place);
        let whole = IndexBlock { entries, ..block };
        if whole.fits() {
            self.put_index(ttr, &whole);
            return Ok(());
        }
        let cut = cut(&whole, is_appended)
            .ok_or_else(|| self.tree.damaged(ttr, "its entries are too long to be divided"))?;
        let upper_place = self.take(1)?[0];
        // Read again: taking a block changed the volume index's control entry, which may be this block's.
        let control = self.tree.index_block(ttr)?.control;
        let (lower, upper) = whole.entries.split_at(cut);
        let upper = IndexBlock { control: None, entries: upper.to_vec(), next: whole.next };
        let mut lower = IndexBlock { control, entries: lower.to_vec(), next: Some(upper_place) };
        let is_last = upper.next.is_none();
        if let Some(control) = lower.control.as_mut().filter(|_| is_last) {
            control.set_last_block(upper_place);
        }
        self.put_index(upper_place, &upper);
        self.put_index(ttr, &lower);
        if is_last {
            self.set_control(first, |control| control.set_last_block(upper_place))?;
        }
        Ok(())
    }

    fn remove(&mut self, first: Ttr, name: Name) -> Result<()> {
        let chain = self.sorted_chain(first)?;
        let (place, _) = position(&chain, name);
        let (ttr, block) = &chain[place];
        let mut rest = block.clone();
        rest.entries.retain(|entry| entry.name() != name);
        if let Some((before, lower)) = place.checked_sub(1).map(|before| &chain[before]) {
            let joined = joined(lower, &rest);
            if joined.fits() {
                return self.put_joined(first, *before, joined, *ttr);
            }
        }
        if let Some((next, upper)) = chain.get(place + 1) {
            let joined = joined(&rest, upper);
            if joined.fits() {
                return self.put_joined(first, *ttr, joined, *next);
            }
            let cut = cut(&joined, false).filter(|_| rest.entries.is_empty());
            if let (Some(cut), false) = (cut, self.tree.free().is_empty()) {
                return self.refill(first, *next, upper, cut);
            }
        }
        self.put_index(*ttr, &rest);
        Ok(())
    }

    /// Writes the block that holds the entries of two, and clears the other one.
    fn put_joined(
        &mut self,
        first: Ttr,
        ttr: Ttr,
        mut joined: IndexBlock,
        gone: Ttr,
    ) -> Result<()> {
        let is_last = joined.next.is_none();
        if let Some(control) = joined.control.as_mut().filter(|_| is_last) {
            control.set_last_block(ttr);
        }
        self.put_index(ttr, &joined);
        if is_last {
            self.set_control(first, |control| control.set_last_block(ttr))?;
        }
        self.give_back(&[gone])
    }

    /// The first block of an index has lost its only entry, and the next one is too full to be joined with it: it gets
    /// the entries before `cut`, and a new block with the others takes the place of the next one.
    fn refill(&mut self, first: Ttr, next: Ttr, full: &IndexBlock, cut: usize) -> Result<()> {
        let place = self.take(1)?[0];
        let (moved, rest) = full.entries.split_at(cut);
        let rest = IndexBlock { control: None, entries: rest.to_vec(), next: full.next };
        let mut lower = self.tree.index_block(first)?;
        lower.entries = moved.to_vec();
        lower.next = Some(place);
        if let Some(control) = lower.control.as_mut().filter(|_| rest.next.is_none()) {
            control.set_last_block(place);
        }
        self.put_index(place, &rest);
        self.put_index(first, &lower);
        self.give_back(&[next])
    }
}

/// Which block of an index a name belongs to, and where in the block.
fn position(chain: &Chain, name: Name) -> (usize, usize) {
    let reaches = |block: &IndexBlock| block.entries.last().is_some_and(|last| last.name() >= name);
    let place = chain.iter().position(|(_, block)| reaches(block)).unwrap_or(chain.len() - 1);
    (place, chain[place].1.entries.partition_point(|entry| entry.name() < name))
}

/// The entries of two blocks of an index in one.
fn joined(lower: &IndexBlock, upper: &IndexBlock) -> IndexBlock {
    let entries = [&lower.entries[..], &upper.entries[..]].concat();
    IndexBlock { control: lower.control.clone(), entries, next: upper.next }
}

/// Where to divide a block that overflows: in the middle; or as late as possible if names are added in order.
fn cut(whole: &IndexBlock, is_appended: bool) -> Option<usize> {
    let used = |control: &Option<Entry>, entries: &[Entry]| {
        let block = IndexBlock { control: control.clone(), entries: entries.to_vec(), next: None };
        block.used()
    };
    (1..whole.entries.len())
        .map(|cut| {
            let (lower, upper) = whole.entries.split_at(cut);
            (cut, used(&whole.control, lower), used(&None, upper))
        })
        .filter(|(_, lower, upper)| *lower <= DATA && *upper <= DATA)
        .min_by_key(|(_, lower, upper)| if is_appended { *upper } else { lower.abs_diff(*upper) })
        .map(|(cut, ..)| cut)
}

fn volume_block_count(entry: &CatalogEntry) -> usize {
    match entry.volumes.len() {
        ..=VOLUMES_IN_ENTRY_MAX => 0,
        count => count.div_ceil(VOLUMES_IN_BLOCK),
    }
}

fn check_volumes(entry: &CatalogEntry) -> Result<()> {
    if (1..=VOLUMES_MAX).contains(&entry.volumes.len()) {
        return Ok(());
    }
    Err(Error::new(
        Reason::BadRequest,
        format!(
            "a data set is cataloged on 1 to {VOLUMES_MAX} volumes, not on {}",
            entry.volumes.len()
        ),
    ))
}

fn check_generation(path: &Path, count_max: u8, count: u16) -> Result<()> {
    let depth = path.levels.len() - 1;
    if depth + 1 != path.names.len() || generation_name(&path.names[depth], true).is_none() {
        return Err(Error::new(
            Reason::EntryKind,
            "a generation index holds names of the form GnnnnVmm only; choose another name",
        ));
    }
    if count >= u16::from(count_max) {
        return Err(Error::new(
            Reason::EntryKind,
            format!(
                "the generation index holds its {count_max} generations already; let its own system catalog the next \
                 one, and decide what becomes of the oldest"
            ),
        ));
    }
    Ok(())
}

/// The name is a matter of the catalog of another volume.
pub(super) fn other_catalog(path: &Path) -> Error {
    let volser = match path.end {
        End::OtherCatalog(volser) => Some(volser),
        _ => None,
    };
    let place = volser.map_or("another volume".to_string(), |volser| volser.to_string());
    let error = Error::new(
        Reason::EntryKind,
        format!("a catalog refers the name to the one on {place}; give that volume, too"),
    );
    volser.into_iter().fold(error, Error::on_volume)
}
