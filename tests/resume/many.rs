//! Many data sets in many extents, in memory, and stores that count what they are given: for tests and benches.

#![allow(dead_code)] // Each of them uses its own part.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::checkpoint::CheckpointStore;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::host::Host;
use trackmirror::migrate::{Migration, Selection, propose};
use trackmirror::plan::{Mode, Plan};
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager, init};
use trackmirror::{DsName, Result, Volser, track};

/// A volume with data sets and a catalog, and an empty one.
pub struct Many {
    volumes: Vec<Arc<dyn Volume>>,
}

impl Many {
    /// So many data sets, each in so many extents of one track.
    pub fn new(count: u32, extent_count: u32) -> Many {
        let tracks = count * extent_count * 2 + 600;
        let device = Device::named("2314").unwrap();
        let heads = u32::from(device.heads);
        let geometry =
            Geometry { device, cylinders: tracks.div_ceil(heads), slot_size: device.slot_size() };
        let make = |serial: &str| -> Arc<dyn Volume> {
            let volser: Volser = serial.parse().unwrap();
            let volume = MemoryVolume::new(volser, geometry);
            init::initialize(&volume, volser, Some(Extent::new(Track(1), 199)), "").unwrap();
            Arc::new(volume)
        };
        let volumes = vec![make("OLD001"), make("NEW001")];
        let old = &volumes[0];
        let space = VtocSpaceManager::new(old.clone());
        let mut format1 = Format1::new("SYSCTLG".parse().unwrap());
        format1.set_volume_sequence(1);
        let extents = vec![Extent::new(Track(200), 100)];
        space.allocate(&NewDataSet { format1, extents: extents.clone() }, &NoJournal).unwrap();
        let catalog = CvolCatalog::format(old.clone(), extents).unwrap();
        let mut slot = vec![0; old.slot_size()];
        for number in 0..count {
            let name: DsName = format!("MANY.G{}.N{number}", number % 7).parse().unwrap();
            let first = 400 + number * extent_count * 2;
            let extents: Vec<Extent> =
                (0..extent_count).map(|n| Extent::new(Track(first + 2 * n), 1)).collect();
            let mut format1 = Format1::new(name);
            format1.set_first_volser(old.volser());
            format1.set_volume_sequence(1);
            format1.set_dsorg(Format1::DSORG_PS);
            format1.set_scal1(0x80);
            format1.set_last_used(Some((extent_count - 1, 1)));
            let new = NewDataSet { format1, extents };
            space.allocate(&new, &NoJournal).unwrap();
            for track in new.extents.iter().map(|extent| extent.first) {
                let data = [number as u8; 99];
                track::build(&mut slot, old.place(track), &[(&[], &data)]).unwrap();
                old.write(track, &slot).unwrap();
            }
            let unit_type = device.unit_type();
            let volumes = vec![CatalogVolume { unit_type, volser: old.volser(), file_sequence: 0 }];
            catalog.add(&CatalogEntry { name, volumes, dscb: None }, &NoJournal).unwrap();
        }
        Many { volumes }
    }

    /// The ports.
    pub fn host(&self) -> Host {
        Host::of_volumes(self.volumes.clone()).unwrap()
    }

    /// Everything, extent for extent: the most that a plan can hold.
    pub fn plan(&self, host: &Host) -> Plan {
        let selection = Selection {
            masks: &["MANY.**".parse().unwrap()],
            sources: &["OLD001".parse().unwrap()],
            targets: &["NEW001".parse().unwrap()],
            mode: Mode::ExtentForExtent,
            uncataloged: false,
            slack: 0,
        };
        let (plan, refusals) = propose(host, &selection).unwrap();
        assert!(refusals.is_empty(), "{refusals:?}");
        plan
    }
}

/// Leads a migration to a state.
pub fn to(migration: &mut Migration, state: State) {
    while migration.state() != state {
        let verb = migration.next_verb().expect("it goes on");
        migration.perform(verb, 2000).unwrap();
    }
}

/// A store that counts.
#[derive(Default)]
pub struct Counted<S> {
    store: S,
    writes: AtomicU64,
    bytes: AtomicU64,
    largest: AtomicU64,
}

impl<S> Counted<S> {
    /// Nothing was written to it.
    pub fn new(store: S) -> Counted<S> {
        let zero = AtomicU64::default;
        Counted { store, writes: zero(), bytes: zero(), largest: zero() }
    }

    /// The bytes of the largest slot.
    pub fn largest(&self) -> u64 {
        self.largest.load(Ordering::Relaxed)
    }

    /// How often it was written, and how many bytes.
    pub fn counts(&self) -> (u64, u64) {
        (self.writes.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// The same in words.
    pub fn told(&self) -> String {
        let (writes, bytes) = self.counts();
        format!("{writes} writes of {} bytes on average", bytes / writes.max(1))
    }

    fn count(&self, length: usize) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(length as u64, Ordering::Relaxed);
        self.largest.fetch_max(length as u64, Ordering::Relaxed);
    }
}

impl<S: CheckpointStore> CheckpointStore for Counted<S> {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        self.store.read(slot)
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.count(bytes.len());
        self.store.write(slot, bytes)
    }
    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.count(bytes.len());
        self.store.write_head(slot, bytes)
    }
    fn location(&self) -> String {
        self.store.location()
    }
}

/// Two files that are written and not flushed.
pub struct Unflushed {
    files: [PathBuf; 2],
}

impl Unflushed {
    /// In this folder.
    pub fn new(folder: &Path) -> Unflushed {
        Unflushed { files: ["unflushed.0", "unflushed.1"].map(|name| folder.join(name)) }
    }

    fn put(&self, slot: usize, bytes: &[u8]) -> std::io::Result<()> {
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(false).open(&self.files[slot])?;
        file.write_all_at(bytes, 0)
    }
}

impl CheckpointStore for Unflushed {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        Ok(std::fs::read(&self.files[slot]).ok())
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.put(slot, bytes).expect("the file can be written");
        Ok(())
    }
    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.write(slot, bytes)
    }
    fn location(&self) -> String {
        "files that are not flushed".into()
    }
}
