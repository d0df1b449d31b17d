//! The structural check of a CVOL: what `check` prints, and what the tests demand after every change.

use super::entry::{Entry, HIGH_NAME, Kind, Name, Ttr};
use super::tree::{Chain, Tree, lost_pointer};
use crate::bytes::ebcdic_text;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What a check of a CVOL found.
#[derive(Clone, Debug, Default)]
pub struct CvolCheck {
    /// What makes names wrong or unreachable, each with its track.
    pub damage: Vec<Error>,
    /// What an interrupted change can leave: harmless to every name.
    pub remarks: Vec<String>,
    /// How many data sets are cataloged.
    pub data_set_count: u32,
    /// How many blocks are used.
    pub used_count: u32,
    /// How many blocks are free.
    pub free_count: u32,
}

pub(super) fn check(tree: &Tree) -> Result<CvolCheck> {
    let limit = tree.upper_limit()?;
    let mut checker = Checker { tree, reached: BTreeSet::new(), found: CvolCheck::default() };
    checker.found.used_count = tree.blocks().len() as u32;
    checker.found.free_count = tree.free().len() as u32;
    checker.index(Ttr::FIRST, None);
    let lost: Vec<Ttr> =
        tree.blocks().keys().filter(|ttr| !checker.reached.contains(ttr)).copied().collect();
    if let Some(first) = lost.first() {
        checker
            .remark(format!("{} used blocks belong to nothing, the first is {first}", lost.len()));
    }
    let control = tree.index_block(Ttr::FIRST)?.control;
    let named = control.as_ref().and_then(Entry::first_free);
    let nearest = tree.free().first().copied().unwrap_or(limit);
    if named != Some(nearest) {
        let named = named.map_or("none".to_string(), |ttr| ttr.to_string());
        checker.remark(format!("the nearest free block is {nearest}, and {named} is named"));
    }
    if tree.track(limit.track).is_none() {
        checker.remark(format!("the upper limit {limit} lies behind the end of SYSCTLG"));
    }
    Ok(checker.found)
}

struct Checker<'a> {
    tree: &'a Tree,
    reached: BTreeSet<Ttr>,
    found: CvolCheck,
}

impl Checker<'_> {
    fn remark(&mut self, what: String) {
        self.found.remarks.push(what);
    }

    fn damage(&mut self, ttr: Ttr, what: String) {
        self.found.damage.push(self.tree.damaged(ttr, what));
    }

    /// Checks all indexes from this one down.
    fn index(&mut self, first: Ttr, generations: Option<u16>) {
        let mut waiting = vec![(first, generations)];
        while let Some((first, generations)) = waiting.pop() {
            match self.tree.chain(first) {
                Ok(chain) => {
                    self.chain(first, &chain);
                    let entry_count = chain.iter().map(|(_, b)| b.entries.len()).sum::<usize>();
                    if generations.is_some_and(|count| usize::from(count) != entry_count) {
                        self.remark(format!(
                            "the generation index at {first} has {entry_count} entries, and another number is named"
                        ));
                    }
                    for (ttr, block) in &chain {
                        for entry in &block.entries {
                            waiting.extend(self.entry(*ttr, entry));
                        }
                    }
                    self.aliases(first, &chain);
                }
                Err(error) => self.found.damage.push(error),
            }
        }
    }

    fn reach(&mut self, ttr: Ttr) {
        if !self.reached.insert(ttr) {
            self.damage(ttr, "it is used twice".to_string());
        }
    }

    /// Control entry, keys and order of one index.
    fn chain(&mut self, first: Ttr, chain: &Chain) {
        let kind = if first == Ttr::FIRST { Kind::VolumeControl } else { Kind::IndexControl };
        match chain[0].1.control.as_ref().filter(|control| control.kind() == kind) {
            None => self.damage(first, "its control entry is of another kind".to_string()),
            Some(control) => {
                let last = chain[chain.len() - 1].0;
                if control.ttr() != Some(last) {
                    self.remark(format!("the index at {first} ends at {last}; another is named"));
                }
                if first != Ttr::FIRST && control.first_block() != Some(first) {
                    self.remark(format!("the index at {first} names another first block"));
                }
            }
        }
        let mut last_name: Option<Name> = None;
        for (ttr, block) in chain {
            self.reach(*ttr);
            let key = self.tree.blocks().get(ttr).map(|block| block.key);
            if !key.is_some_and(|key| block.is_key(*ttr, key)) {
                self.damage(*ttr, "its key is not what its system would search for".to_string());
            }
            for entry in &block.entries {
                if last_name.is_some_and(|last| last >= entry.name()) {
                    self.damage(*ttr, "its entries are not in order".to_string());
                }
                last_name = Some(entry.name());
            }
        }
    }

    /// Checks one entry, and returns the index that it points to.
    fn entry(&mut self, ttr: Ttr, entry: &Entry) -> Option<(Ttr, Option<u16>)> {
        let kind = entry.kind();
        let generations = match kind {
            Kind::Generations { count, .. } => Some(count),
            _ => None,
        };
        match kind {
            Kind::Index | Kind::Generations { .. } => {
                let next = entry.ttr().filter(|next| !self.reached.contains(next));
                if next.is_none() {
                    self.damage(ttr, lost_pointer(entry));
                }
                return next.map(|next| (next, generations));
            }
            Kind::DataSet(_) => self.found.data_set_count += 1,
            Kind::VolumeControlBlock => {
                self.found.data_set_count += 1;
                self.volume_control_blocks(entry);
            }
            Kind::OtherCatalog(_) | Kind::Alias { .. } => {}
            Kind::VolumeControl | Kind::IndexControl | Kind::Unknown => {
                let name = ebcdic_text(&entry.name());
                let count = entry.halfword_count();
                self.remark(format!("{name} in block {ttr} is of unknown kind {count:02X}"));
            }
        }
        None
    }

    fn volume_control_blocks(&mut self, entry: &Entry) {
        match self.tree.volume_control_blocks(entry) {
            Err(error) => self.found.damage.push(error),
            Ok(blocks) => {
                for (ttr, _) in blocks {
                    self.reach(ttr);
                    if self.tree.blocks().get(&ttr).is_some_and(|block| block.key != HIGH_NAME) {
                        self.remark(format!("the volume control block {ttr} has an unusual key"));
                    }
                }
            }
        }
    }

    /// That each alias points to the index of its true name, which counts it.
    fn aliases(&mut self, first: Ttr, chain: &Chain) {
        if first != Ttr::FIRST {
            return;
        }
        let mut counts: BTreeMap<Ttr, u32> = BTreeMap::new();
        let entries = || chain.iter().flat_map(|(_, block)| &block.entries);
        for entry in entries() {
            if let Kind::Alias { true_name } = entry.kind() {
                let target = entries().find(|e| e.name() == true_name).and_then(Entry::ttr);
                match target.filter(|target| entry.ttr() == Some(*target)) {
                    Some(target) => *counts.entry(target).or_default() += 1,
                    None => self.damage(
                        first,
                        format!("the alias {} points elsewhere", ebcdic_text(&entry.name())),
                    ),
                }
            }
        }
        for entry in entries().filter(|entry| entry.kind() == Kind::Index) {
            let Some(index) = entry.ttr() else { continue };
            let counted = self.tree.index_block(index).ok().and_then(|block| block.control);
            let counted = counted.map_or(0, |control| u32::from(control.alias_count()));
            if counted != counts.get(&index).copied().unwrap_or_default() {
                let name = ebcdic_text(&entry.name());
                self.remark(format!("{name} counts {counted} aliases, and has another number"));
            }
        }
    }
}
