//! Images: any file that begins like one is opened and read, or refused. Inputs that do not begin with the id of an
//! image stand behind right headers: an L2 table, and the stored tracks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trackmirror::geometry::Track;
use trackmirror::track;
use trackmirror::volume::{Access, VolumeExt, open};

/// A compressed image of a 2311 with one cylinder, up to its L2 table.
fn with_headers(bytes: &[u8]) -> Vec<u8> {
    const L2_OFFSET: u32 = 1028;
    let mut image = vec![0; L2_OFFSET as usize];
    let mut put = |offset: usize, number: u32| {
        image[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
    };
    put(8, 10);
    put(12, 4096);
    put(16, 0x11);
    put(516, 1);
    put(520, 256);
    put(524, L2_OFFSET + bytes.len() as u32);
    put(552, 1);
    put(1024, L2_OFFSET);
    image[..8].copy_from_slice(b"CKD_C370");
    image.extend(bytes);
    image
}

fuzz_target!(|bytes: &[u8]| {
    let file = std::env::temp_dir().join(format!("trackmirror-fuzz-{}.cckd", std::process::id()));
    let image = if bytes.starts_with(b"CKD_") { bytes.to_vec() } else { with_headers(bytes) };
    std::fs::write(&file, &image).unwrap();
    if let Ok(volume) = open(&file, Access::Read) {
        let mut slot = vec![0; volume.slot_size()];
        for track in (0..volume.geometry().track_count().min(300)).map(Track) {
            if volume.read(track, &mut slot).is_ok() && image.starts_with(b"CKD_C") {
                track::check(&slot, volume.place(track)).unwrap();
            }
        }
    }
});
