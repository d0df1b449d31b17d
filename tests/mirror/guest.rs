//! A system that goes on with its work while its data sets move: it extends, shortens, deletes, renames and makes them,
//! through its monitor.

use crate::memory::{Extents, Memory};
use crate::world::{PAYLOAD, fill, name, volser};
use std::collections::BTreeMap;
use std::sync::Arc;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::MonitoredVolume;
use trackmirror::volume::Volume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{DataSetDscbs, Expiration, FreeSpace, Identity, NewDataSet, SpaceManager};
use trackmirror::{DsName, Volser};

pub struct Guest {
    memory: Memory,
    volumes: BTreeMap<Volser, Arc<MonitoredVolume>>,
}

impl Guest {
    pub fn new(memory: &Memory) -> Guest {
        let attach = |on: &Volser| (*on, Arc::new(memory.writer(&on.to_string(), "GUEST")));
        Guest { memory: memory.clone(), volumes: memory.areas.keys().map(attach).collect() }
    }

    pub fn volume(&self, on: &str) -> &MonitoredVolume {
        &self.volumes[&volser(on)]
    }

    pub fn space(&self, on: &str) -> VtocSpaceManager {
        let volume: Arc<dyn Volume> = self.volumes[&volser(on)].clone();
        VtocSpaceManager::new(volume)
    }

    fn find(&self, data_set: DsName, on: &str) -> DataSetDscbs {
        self.space(on).find(&data_set).unwrap().unwrap_or_else(|| panic!("{data_set} is on {on}"))
    }

    /// Writes these numbers on tracks from this one on.
    pub fn fill(&self, on: &str, extent: Extent, first: u64) {
        let volume = self.volume(on);
        let mut slot = vec![0; volume.geometry().slot_size as usize];
        for place in 0..extent.track_count {
            let track = extent.first.plus(place);
            fill(&mut slot, volume, track, first + u64::from(place));
            volume.write(track, &slot).unwrap();
        }
    }

    /// Extends a data set by these tracks, and writes numbers on them.
    pub fn extend(&self, data_set: DsName, on: &str, by: (u32, u32), first: u64) {
        let by = Extent::new(Track(by.0), by.1);
        let found = self.find(data_set, on);
        self.space(on).extend(&Identity::of(&found), &[by], &NoJournal).unwrap();
        self.fill(on, by, first);
    }

    /// Gives back what is behind so many tracks.
    pub fn release(&self, data_set: DsName, on: &str, track_count: u32) {
        let found = self.find(data_set, on);
        self.space(on).release(&Identity::of(&found), track_count, &NoJournal).unwrap();
    }

    pub fn note(&self, data_set: DsName, on: &str, change: impl Fn(&mut Format1)) {
        let found = self.find(data_set, on);
        let mut format1 = found.format1;
        change(&mut format1);
        self.space(on).update(&Identity::of(&found), &format1, &NoJournal).unwrap();
    }

    pub fn scratch(&self, data_set: DsName, on: &str) {
        let found = self.find(data_set, on);
        self.space(on).scratch(&Identity::of(&found), Expiration::Ignore, &NoJournal).unwrap();
    }

    pub fn delete(&self, data_set: DsName, on: &str) {
        self.scratch(data_set, on);
        self.memory.catalog.delete(&data_set, &NoJournal).unwrap();
    }

    pub fn rename(&self, data_set: DsName, on: &str, to: &str) -> DsName {
        let to = name(to);
        let found = self.find(data_set, on);
        self.space(on).rename(&Identity::of(&found), &to, &NoJournal).unwrap();
        self.memory.catalog.rename(&data_set, &to, &NoJournal).unwrap();
        to
    }

    /// A part of a data set, with numbers on its tracks.
    pub fn allocate(
        &self,
        data_set: DsName,
        on: &str,
        extents: Extents<'_>,
        place: u16,
        first: u64,
    ) {
        self.allocate_empty(data_set, on, extents, |format1| format1.set_volume_sequence(place));
        let mut number = first;
        for &(first, count) in extents {
            self.fill(on, Extent::new(Track(first), count), number);
            number += u64::from(count);
        }
    }

    /// The same without writing anything there.
    pub fn allocate_empty(
        &self,
        data_set: DsName,
        on: &str,
        extents: Extents<'_>,
        describe: impl Fn(&mut Format1),
    ) {
        let extents: Vec<Extent> =
            extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
        let mut format1 = Format1::new(data_set);
        format1.set_first_volser(volser(on));
        format1.set_volume_sequence(1);
        format1.set_creation_date([126, 0, 1]);
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_recfm(0x80);
        format1.set_blksize(PAYLOAD as u16);
        format1.set_lrecl(PAYLOAD as u16);
        format1.set_scal1(0x80);
        describe(&mut format1);
        let new = NewDataSet { format1, extents };
        self.space(on).allocate(&new, &NoJournal).unwrap();
    }

    pub fn catalog(&self, data_set: DsName, on: &[&str]) {
        let entry = self.entry(data_set, on);
        self.memory.catalog.add(&entry, &NoJournal).unwrap();
    }

    /// The entry of a data set leads to other volumes now.
    pub fn recatalog(&self, data_set: DsName, on: &[&str]) {
        let before = self.memory.catalog.locate(&data_set).unwrap().unwrap();
        let entry = self.entry(data_set, on);
        self.memory.catalog.recatalog(&before, &entry, &NoJournal).unwrap();
    }

    fn entry(&self, data_set: DsName, on: &[&str]) -> CatalogEntry {
        let volume = |on: &&str| CatalogVolume {
            unit_type: self.memory.volumes[&volser(on)].geometry().device.unit_type(),
            volser: volser(on),
            file_sequence: 0,
        };
        let volumes = on.iter().map(volume).collect();
        CatalogEntry { name: data_set, volumes, dscb: None }
    }

    /// A new data set, cataloged.
    pub fn create(&self, text: &str, on: &str, extents: Extents<'_>, first: u64) -> DsName {
        let data_set = name(text);
        self.allocate(data_set, on, extents, 1, first);
        self.catalog(data_set, &[on]);
        data_set
    }
}

/// How many tracks are free on a volume.
pub fn free(memory: &Memory, on: &str) -> u64 {
    let vtoc = VtocSpaceManager::new(memory.volumes[&volser(on)].clone()).read().unwrap();
    let free = FreeSpace::of(&vtoc).unwrap();
    free.runs().iter().map(|run| u64::from(run.track_count)).sum()
}

/// Numbers from one on.
pub fn from(first: u64, count: u64) -> Vec<Option<u64>> {
    (first..first + count).map(Some).collect()
}
