//! A catalog of one track, whose blocks are the input: read, checked, and changed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Volume, VolumeExt};

/// Count, key and data, behind home address and R0.
const RECORD: usize = 272;

fn entry(name: &str) -> CatalogEntry {
    let volume = CatalogVolume {
        unit_type: [0x30, 0xC0, 0x20, 0x08],
        volser: "VOL001".parse().unwrap(),
        file_sequence: 0,
    };
    CatalogEntry { name: name.parse().unwrap(), volumes: vec![volume], dscb: None }
}

fuzz_target!(|bytes: &[u8]| {
    let device = Device::named("2314").unwrap();
    let geometry = Geometry { device, cylinders: 1, slot_size: device.slot_size() };
    let volume = Arc::new(MemoryVolume::new("VOL001".parse().unwrap(), geometry));
    let extents = vec![Extent::new(Track(5), 1)];
    let catalog = CvolCatalog::format(volume.clone(), extents.clone()).unwrap();
    catalog.add(&entry("A.B"), &NoJournal).unwrap();
    catalog.add(&entry("A.C"), &NoJournal).unwrap();
    let mut slot = volume.read_track(Track(5)).unwrap();
    for (number, block) in bytes.chunks(264).enumerate().take(17) {
        let at = 21 + number * RECORD + 8;
        slot[at..at + block.len()].iter_mut().zip(block).for_each(|(to, from)| *to ^= from);
    }
    volume.write(Track(5), &slot).unwrap();
    let Ok(catalog) = CvolCatalog::open(volume, extents) else { return };
    let _ = catalog.check();
    let _ = catalog.list(&"**".parse().unwrap());
    let was_sound = catalog.check_sound().is_ok();
    let _ = catalog.add(&entry("A.D.E"), &NoJournal);
    let _ = catalog.rename(&"A.B".parse().unwrap(), &"A.X".parse().unwrap(), &NoJournal);
    if let Ok(Some(found)) = catalog.locate(&"A.C".parse().unwrap()) {
        let _ = catalog.recatalog(&found, &entry("A.C"), &NoJournal);
    }
    let _ = catalog.delete(&"A.C".parse().unwrap(), &NoJournal);
    assert_eq!(catalog.check_sound().is_ok(), was_sound, "a change neither damages nor repairs");
});
