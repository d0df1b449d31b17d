//! The volumes that the programs' worlds are copies of, and one in a file.

use crate::support::space::make_catalog;
use crate::support::{geometry, volser};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Geometry, Track};
use trackmirror::track;
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager};

/// As `world.h` has it.
const SLOT: u32 = 4096;

/// The data sets on OLD001; the last two are not to be moved, and TEST.ZZZ is in no catalog.
const DATA_SETS: [(&str, &[(u32, u32)]); 4] = [
    ("TEST.PDS", &[(40, 4)]),
    ("TEST.SEQ", &[(20, 5), (30, 3)]),
    ("TEST.ZZZ", &[(45, 1)]),
    ("STAY.HERE", &[(50, 2)]),
];

fn empty(serial: &str, cylinders: u32) -> Arc<MemoryVolume> {
    let geometry = Geometry { slot_size: SLOT, ..geometry("2311", cylinders) };
    let volume = MemoryVolume::new(volser(serial), geometry);
    initialize(&volume, volser(serial), None, "TEST").unwrap();
    Arc::new(volume)
}

fn allocate(volume: &Arc<dyn Volume>, name: &str, extents: &[(u32, u32)]) {
    let extents: Vec<Extent> =
        extents.iter().map(|(first, count)| Extent::new(Track(*first), *count)).collect();
    let mut format1 = Format1::new(name.parse().unwrap());
    format1.set_first_volser(volume.volser());
    format1.set_volume_sequence(1);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_creation_date([99, 0, 100]);
    format1.set_recfm(0x90);
    format1.set_blksize(400);
    format1.set_lrecl(80);
    format1.set_scal1(0x80);
    let new = NewDataSet { format1, extents: extents.clone() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
    let mut slot = vec![0; volume.slot_size()];
    for track in
        extents.iter().flat_map(|extent| (0..extent.track_count).map(|n| extent.first.plus(n)))
    {
        let text: Vec<u8> = (0..400u32).map(|n| (n * 7 + track.0 * 13) as u8).collect();
        let records: Vec<(&[u8], &[u8])> = (0..4).map(|n| (&[][..], &text[n * 50..])).collect();
        track::build(&mut slot, volume.place(track), &records).unwrap();
        volume.write(track, &slot).unwrap();
    }
}

/// Writes them into a folder.
pub fn write_to(folder: &Path) {
    let (old, new, system) = (empty("OLD001", 6), empty("NEW001", 6), empty("SYS001", 3));
    let as_volume = |volume: &Arc<MemoryVolume>| -> Arc<dyn Volume> { volume.clone() };
    for (name, extents) in DATA_SETS {
        allocate(&as_volume(&old), name, extents);
    }
    let catalog = make_catalog(&as_volume(&system), &[Extent::new(Track(10), 4)]);
    let unit_type = old.geometry().device.unit_type();
    for (name, _) in DATA_SETS.iter().filter(|(name, _)| *name != "TEST.ZZZ") {
        let volumes = vec![CatalogVolume { unit_type, volser: old.volser(), file_sequence: 0 }];
        let entry = CatalogEntry { name: name.parse().unwrap(), volumes, dscb: None };
        catalog.add(&entry, &NoJournal).unwrap();
    }
    for volume in [&old, &new, &system] {
        fs::write(folder.join(format!("{}.tracks", volume.volser())), volume.to_bytes()).unwrap();
    }
    let file =
        CkdVolume::create(&folder.join("old.ckd"), geometry("2311", 6), volser("FIL001")).unwrap();
    initialize(&file, volser("FIL001"), None, "TEST").unwrap();
    file.flush().unwrap();
}
