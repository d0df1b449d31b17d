//! Volumes with a catalog and data sets, made anew for each test, and what Hercules' tools say of them.

use crate::moves::{Unloaded, listed, unload};
use crate::support;
use crate::support::library::write_members;
use crate::support::space::make_catalog;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::check::{Severity, Tracks, check};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager, Vtoc};
use trackmirror::{DsName, track};

/// A library of several members, and a sequential data set of many extents.
pub const LIBRARY: &str = "TEST.PDS";
pub const SEQUENTIAL: &str = "TEST.SEQ";
pub const MOVED: [&str; 2] = [LIBRARY, SEQUENTIAL];
/// It is not selected.
pub const OTHER: &str = "STAY.HERE";

/// The images, and the serials of the volumes.
const VOLUMES: [(&str, &str); 3] =
    [("old.ckd", "OLD001"), ("new.ckd", "NEW001"), ("sys.ckd", "SYS001")];

const LRECL: u16 = 80;
const BLKSIZE: u16 = 800;

/// A volume with data sets, one without, and one with the catalog.
pub struct World {
    folder: TempDir,
    /// What Hercules' tools read of each data set before.
    pub before: BTreeMap<&'static str, Unloaded>,
}

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

impl World {
    pub fn new() -> World {
        let mut world = World { folder: support::folder(), before: BTreeMap::new() };
        for (file, volser) in VOLUMES {
            let cylinders = if file == "sys.ckd" { 2 } else { 12 };
            let (path, volser) = (world.path(file), support::volser(volser));
            let volume =
                CkdVolume::create(&path, support::geometry("3390", cylinders), volser).unwrap();
            initialize(&volume, volser, None, "TEST").unwrap();
        }
        let old = volume::open(&world.path("old.ckd"), Access::Exclusive).unwrap();
        allocate(&old, LIBRARY, &[(40, 2), (44, 3)]);
        write_members(&old, &name(LIBRARY), [0xC1, 0xC2, 0xC3]);
        let extents = [(20, 7), (30, 5), (50, 20), (71, 9), (90, 25), (120, 30)];
        allocate(&old, SEQUENTIAL, &extents);
        fill(&old, &extents);
        allocate(&old, OTHER, &[(160, 2)]);
        fill(&old, &[(160, 2)]);
        let unit_type = old.geometry().device.unit_type();
        let volumes = vec![CatalogVolume { unit_type, volser: old.volser(), file_sequence: 0 }];
        old.flush().unwrap();
        drop(old);
        let system = volume::open(&world.path("sys.ckd"), Access::Exclusive).unwrap();
        let catalog = make_catalog(&system, &[Extent::new(Track(16), 2)]);
        for cataloged in [LIBRARY, SEQUENTIAL, OTHER] {
            let entry =
                CatalogEntry { name: name(cataloged), volumes: volumes.clone(), dscb: None };
            catalog.add(&entry, &NoJournal).unwrap();
        }
        system.flush().unwrap();
        drop((system, catalog));
        let read = |data_set| (data_set, world.unloaded("old.ckd", data_set));
        world.before = [LIBRARY, SEQUENTIAL, OTHER].map(read).into();
        assert!(world.before.values().all(|read| read.byte_count() > 500), "tools read them");
        world
    }

    /// The same volumes in another folder.
    pub fn copy(&self) -> World {
        let world = World { folder: support::folder(), before: self.before.clone() };
        for (file, _) in VOLUMES {
            support::copy_sparse(&self.path(file), &world.path(file));
        }
        world
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn images(&self) -> Vec<Vec<u8>> {
        VOLUMES.map(|(file, _)| std::fs::read(self.path(file)).unwrap()).into()
    }

    fn unloaded(&self, file: &str, data_set: &str) -> Unloaded {
        let volume = volume::open(&self.path(file), Access::Read).unwrap();
        let found = Vtoc::read(&*volume).unwrap().find(&name(data_set)).unwrap();
        let found = found.unwrap_or_else(|| panic!("{data_set} is not in {file}"));
        drop(volume);
        unload(&self.path(file), &found.format1, name(data_set)).expect("the tool reads it")
    }

    /// Where the catalog leads.
    pub fn located(&self, data_set: &str) -> String {
        let volume = volume::open(&self.path("sys.ckd"), Access::Read).unwrap();
        let catalog = CvolCatalog::find_on(volume).unwrap().expect("a SYSCTLG");
        let entry = catalog.locate(&name(data_set)).unwrap().expect("an entry");
        entry.volumes.iter().map(|volume| volume.volser.to_string()).collect()
    }

    /// That everything that was selected is on the target and nowhere else, by Hercules' tools and the catalog, and all
    /// volumes are sound.
    #[track_caller]
    pub fn assert_moved(&self) {
        let (old, new) = (listed(&self.path("old.ckd")), listed(&self.path("new.ckd")));
        for data_set in MOVED {
            assert!(new.contains(data_set) && !old.contains(data_set), "{old:?}, {new:?}");
            assert_eq!(self.unloaded("new.ckd", data_set), self.before[data_set], "{data_set}");
            assert_eq!(self.located(data_set), "NEW001", "{data_set}");
        }
        assert!(old.contains(OTHER) && !new.contains(OTHER), "{old:?}, {new:?}");
        assert_eq!(self.unloaded("old.ckd", OTHER), self.before[OTHER]);
        assert_eq!(self.located(OTHER), "OLD001");
        self.assert_sound();
        assert_eq!(self.left_over(), ["state"]);
    }

    /// Whatever became of it: the catalog leads from each name to one complete copy.
    #[track_caller]
    pub fn assert_each_is_somewhere(&self) {
        for data_set in [LIBRARY, SEQUENTIAL, OTHER] {
            let file = match self.located(data_set).as_str() {
                "OLD001" => "old.ckd",
                "NEW001" => "new.ckd",
                other => panic!("{data_set} is cataloged on {other}"),
            };
            assert_eq!(self.unloaded(file, data_set), self.before[data_set], "{data_set}");
        }
    }

    #[track_caller]
    fn assert_sound(&self) {
        for (file, _) in VOLUMES {
            let volume = volume::open(&self.path(file), Access::Read).unwrap();
            let found = check(&*volume, Tracks::All).unwrap();
            let errors: Vec<_> =
                found.iter().filter(|one| one.severity == Severity::Error).collect();
            assert!(errors.is_empty(), "{file}: {errors:?}");
        }
    }

    /// Everything in the folder but the images.
    pub fn left_over(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| VOLUMES.iter().all(|(file, _)| name != file)).collect()
    }

    /// Leaves so little room on the target that the library finds it, and the sequential data set does not.
    pub fn fill_target(&self) {
        let volume = volume::open(&self.path("new.ckd"), Access::Exclusive).unwrap();
        support::space::leave_free(volume, &[Extent::new(Track(30), 40)]);
    }
}

fn allocate(volume: &Arc<dyn Volume>, text: &str, extents: &[(u32, u32)]) {
    let mut format1 = Format1::new(name(text));
    let extents: Vec<Extent> = extents.iter().map(|&(at, n)| Extent::new(Track(at), n)).collect();
    let track_count: u32 = extents.iter().map(|extent| extent.track_count).sum();
    let is_library = text == LIBRARY;
    format1.set_dsorg(if is_library { Format1::DSORG_PO } else { Format1::DSORG_PS });
    format1.set_recfm(0x90);
    format1.set_lrecl(LRECL);
    format1.set_blksize(BLKSIZE);
    format1.set_scal1(0x80);
    format1.set_volume_sequence(1);
    format1.set_creation_date([123, 0, 200]);
    format1.set_first_volser(volume.volser());
    format1.set_indicators(Format1::DSIND_LAST_VOLUME);
    format1.set_last_used(Some((track_count - 1, 4)));
    VtocSpaceManager::new(volume.clone())
        .allocate(&NewDataSet { format1, extents }, &NoJournal)
        .unwrap();
}

/// Three blocks on each track, all different, and the end of the file behind the last one.
fn fill(volume: &Arc<dyn Volume>, extents: &[(u32, u32)]) {
    let mut slot = vec![0; volume.slot_size()];
    let tracks: Vec<u32> = extents.iter().flat_map(|&(first, n)| first..first + n).collect();
    let mut number = 0u32;
    for at in &tracks {
        let mut block = || {
            number += 1;
            let text = format!("{number:08}");
            let digits: Vec<u8> = text.bytes().map(|digit| digit - b'0' + 0xF0).collect();
            digits.repeat(usize::from(BLKSIZE) / digits.len())
        };
        let blocks = [block(), block(), block()];
        let mut records: Vec<(&[u8], &[u8])> =
            blocks.iter().map(|block| (&[][..], &block[..])).collect();
        if Some(at) == tracks.last() {
            records.push((&[], &[]));
        }
        track::build(&mut slot, volume.place(Track(*at)), &records).unwrap();
        volume.write(Track(*at), &slot).unwrap();
    }
}
