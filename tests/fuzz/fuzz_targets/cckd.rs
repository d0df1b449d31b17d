//! Images: any file that begins like one is opened and read, or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trackmirror::geometry::Track;
use trackmirror::track;
use trackmirror::volume::{Access, VolumeExt, open};

fuzz_target!(|bytes: &[u8]| {
    let file = std::env::temp_dir().join(format!("trackmirror-fuzz-{}.cckd", std::process::id()));
    std::fs::write(&file, bytes).unwrap();
    if let Ok(volume) = open(&file, Access::Read) {
        let is_compressed = bytes.starts_with(b"CKD_C");
        let mut slot = vec![0; volume.slot_size()];
        for track in (0..volume.geometry().track_count().min(300)).map(Track) {
            if volume.read(track, &mut slot).is_ok() && is_compressed {
                track::check(&slot, volume.place(track)).unwrap();
            }
        }
    }
});
