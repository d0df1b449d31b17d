//! A VTOC of one track, whose DSCBs are the input: read, checked, and changed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::check::{Tracks, check};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{Expiration, FreeSpace, Identity, NewDataSet, SpaceManager, Vtoc, init};

/// Count and DSCB, behind home address and R0.
const RECORD: usize = 148;

fuzz_target!(|bytes: &[u8]| {
    let device = Device::named("2314").unwrap();
    let geometry = Geometry { device, cylinders: 3, slot_size: device.slot_size() };
    let volser = "VOL001".parse().unwrap();
    let volume = Arc::new(MemoryVolume::new(volser, geometry));
    init::initialize(&*volume, volser, Some(Extent::new(Track(1), 1)), "").unwrap();
    // The DSCBs that were made, with the input laid over them by exclusive or: an empty input is a sound VTOC.
    let mut slot = volume.read_track(Track(1)).unwrap();
    for (number, dscb) in bytes.chunks(140).enumerate().take(25) {
        let at = 21 + number * RECORD + 8;
        slot[at..at + dscb.len()].iter_mut().zip(dscb).for_each(|(to, from)| *to ^= from);
    }
    volume.write(Track(1), &slot).unwrap();
    check(&*volume, Tracks::Used).unwrap();
    let Ok(vtoc) = Vtoc::read(&*volume) else { return };
    let _ = FreeSpace::of(&vtoc);
    let space = VtocSpaceManager::new(volume.clone());
    let new = NewDataSet {
        format1: Format1::new("NEW.DATA".parse().unwrap()),
        extents: vec![Extent::new(Track(30), 1)],
    };
    let _ = space.allocate(&new, &NoJournal);
    for (_, found) in vtoc.data_sets() {
        let Ok(found) = found else { continue };
        let identity = Identity::of(&found);
        let _ = space.extend(&identity, &[Extent::new(Track(33), 2)], &NoJournal);
        let _ = space.release(&identity, 1, &NoJournal);
        let _ = space.scratch(&identity, Expiration::Ignore, &NoJournal);
    }
    check(&*volume, Tracks::All).unwrap();
});
