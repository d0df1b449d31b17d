//! Durable state: any sections of a checkpoint are resumed or refused, and each part of them decoded or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use trackmirror::bytes::{Decoder, Encode, crc32c, encoded};
use trackmirror::checkpoint::{CheckpointStore, MemoryStore, Sections};
use trackmirror::copy::CopyOptions;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::host::Host;
use trackmirror::migrate::Migration;
use trackmirror::plan::Plan;
use trackmirror::translate::TranslateTable;
use trackmirror::volume::Volume;
use trackmirror::volume::intent::Intent;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::vtoc::init;

/// What decodes is encoded to what decodes to the same.
fn decode<T: Encode + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(value) = Decoder::new(bytes).get::<T>() {
        assert_eq!(Decoder::new(&encoded(&value)).get::<T>().unwrap(), value);
    }
}

fn host() -> Host {
    let device = Device::named("2314").unwrap();
    let geometry = Geometry { device, cylinders: 2, slot_size: device.slot_size() };
    let volume = |volser: &str| -> Arc<dyn Volume> {
        let volser = volser.parse().unwrap();
        let volume = MemoryVolume::new(volser, geometry);
        init::initialize(&volume, volser, Some(Extent::new(Track(1), 1)), "").unwrap();
        Arc::new(volume)
    };
    Host::of_volumes(vec![volume("OLD001"), volume("NEW001")]).unwrap()
}

fuzz_target!(|bytes: &[u8]| {
    decode::<Sections>(bytes);
    decode::<Plan>(bytes);
    decode::<Intent>(bytes);
    decode::<TranslateTable>(bytes);
    // A slot that checks, with any sections.
    let mut slot =
        [&b"TMRCHKPT\0\0\0\x01\0\0\0\0\0\0\0\x01"[..], &(bytes.len() as u32).to_be_bytes()]
            .concat();
    let no_tail = [0; 12];
    let crc = crc32c(crc32c(crc32c(0, &slot), &no_tail), bytes);
    slot.extend(crc.to_be_bytes());
    slot.extend(no_tail);
    slot.extend(bytes);
    let store = Arc::new(MemoryStore::default());
    store.write(0, &slot).unwrap();
    store.write(1, &slot).unwrap();
    if let Ok(mut migration) = Migration::resume(host(), store, None, CopyOptions::default()) {
        let _ = migration.terminate();
    }
});
