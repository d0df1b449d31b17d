//! Files of durable bytes as text: only what is not zero.

use crate::world::World;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trackmirror::bytes::{be32, crc32c, put32};
use trackmirror::checkpoint::{Checkpoint, CheckpointStore, MemoryStore, Sections};
use trackmirror::monitor::{Area, Identity};
use trackmirror::registry::areas::area_file;
use trackmirror::registry::read_notes;
use trackmirror::volume::{self, Access};

/// Bytes in a line.
const ROW: usize = 32;
/// Words of an area that belong to the machine and the image's place.
const BOOT: usize = 5;
const FILE_DEVICE: usize = 10;

/// What was durable when a migration was interrupted.
pub struct Golden {
    slots: [Vec<u8>; 2],
    area: Vec<u8>,
    /// A note, with `{state}` where the state folder is named.
    note: Option<String>,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn put(text: &mut String, what: &str, bytes: &[u8]) {
    *text += &format!("{what} {}\n", bytes.len());
    for (row, bytes) in bytes.chunks(ROW).enumerate() {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if end > 0 {
            let hex: String = bytes[..end].iter().map(|byte| format!("{byte:02x}")).collect();
            *text += &format!("{:x} {hex}\n", row * ROW);
        }
    }
}

/// The note of the first image that has one.
pub fn note_of(world: &World) -> String {
    let notes = read_notes(&world.image("NEW001")).unwrap();
    let text = std::fs::read_to_string(&notes[0].file).unwrap();
    let state = std::fs::canonicalize(world.state()).unwrap();
    text.replace(state.to_str().unwrap(), "{state}")
}

impl Golden {
    pub fn of(slots: [Vec<u8>; 2], area: &[u8], note: Option<String>) -> Golden {
        Golden { slots, area: turned(area), note }
    }

    /// Keeps it.
    pub fn write(&self, name: &str) {
        let mut text = String::from(
            "# Written by tests/golden.rs when this version of the formats was new. Never change it.\n",
        );
        put(&mut text, "slot", &self.slots[0]);
        put(&mut text, "slot", &self.slots[1]);
        put(&mut text, "area", &self.area);
        for line in self.note.iter().flat_map(|note| note.lines()) {
            text += &format!("note {line}\n");
        }
        assert!(text.len() < 100_000, "{name} has {} bytes", text.len());
        std::fs::write(path(name), text).unwrap();
    }

    pub fn read(name: &str) -> Golden {
        let text = std::fs::read_to_string(path(name)).expect("it was written once");
        let (mut parts, mut note): (Vec<Vec<u8>>, Option<String>) = (Vec::new(), None);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (first, rest) = line.split_once(' ').unwrap();
            match first {
                "slot" | "area" => parts.push(vec![0; rest.parse().unwrap()]),
                "note" => *note.get_or_insert_default() += &format!("{rest}\n"),
                offset => {
                    let offset = usize::from_str_radix(offset, 16).unwrap();
                    let part = parts.last_mut().unwrap();
                    for (at, pair) in rest.as_bytes().chunks(2).enumerate() {
                        let pair = std::str::from_utf8(pair).unwrap();
                        part[offset + at] = u8::from_str_radix(pair, 16).unwrap();
                    }
                }
            }
        }
        let [first, second, area] = parts.try_into().unwrap();
        Golden { slots: [first, second], area, note }
    }

    fn word(&self, number: usize) -> u64 {
        u64::from_le_bytes(self.area[8 * number..8 * number + 8].try_into().unwrap())
    }

    fn store(slots: &[Vec<u8>; 2]) -> Arc<MemoryStore> {
        let store = MemoryStore::default();
        for (number, slot) in slots.iter().enumerate().filter(|(_, slot)| !slot.is_empty()) {
            store.write(number, slot).unwrap();
        }
        Arc::new(store)
    }

    pub fn sections(&self) -> Sections {
        Checkpoint::open(Golden::store(&self.slots)).unwrap().1.unwrap()
    }

    /// The checkpoint, with the present boot of the machine in the place of the one of then.
    pub fn install_checkpoint(&self, world: &World) -> Arc<MemoryStore> {
        let then = [self.word(BOOT), self.word(BOOT + 1)].map(u64::to_be_bytes).concat();
        let now = boot(world).map(u64::to_be_bytes).concat();
        let mut slots = self.slots.clone();
        let mut count = 0;
        for slot in slots.iter_mut().filter(|slot| !slot.is_empty()) {
            let head = 40 + be32(slot, 20) as usize;
            for at in 40..head - 16 {
                if slot[at..at + 16] == then {
                    slot[at..at + 16].copy_from_slice(&now);
                    count += 1;
                }
            }
            let crc = crc32c(crc32c(0, &slot[..24]), &slot[28..head]);
            put32(slot, 24, crc);
        }
        assert!(count > 0, "the checkpoint names the boot");
        Golden::store(&slots)
    }

    /// The area of OLD001, for the present image and the present boot.
    pub fn install_area(&self, world: &World) {
        let metadata = std::fs::metadata(world.image("OLD001")).unwrap();
        let mut area = self.area.clone();
        let mut set = |number: usize, word: u64| {
            area[8 * number..8 * number + 8].copy_from_slice(&word.to_le_bytes());
        };
        let [first, second] = boot(world);
        set(BOOT, first);
        set(BOOT + 1, second);
        set(FILE_DEVICE, metadata.dev());
        set(FILE_DEVICE + 1, metadata.ino());
        let registry = world.folder.path().join("registry");
        std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&registry).unwrap();
        std::fs::write(area_file(&registry, metadata.dev(), metadata.ino()), turned(&area))
            .unwrap();
    }

    /// The note, beside each image.
    pub fn install_notes(&self, world: &World) {
        std::fs::create_dir(world.state()).unwrap();
        let state = std::fs::canonicalize(world.state()).unwrap();
        let text = self.note.as_ref().unwrap().replace("{state}", state.to_str().unwrap());
        let crc = crc32c(0, state.as_os_str().as_bytes());
        let note = |serial: &str| format!("{}.unfinished-{crc:08x}", world.image(serial).display());
        std::fs::write(note("NEW001"), text).unwrap();
    }
}

/// The words of an area, whose bytes stand as in this machine, with bytes as in the golden file, and the other way round.
fn turned(area: &[u8]) -> Vec<u8> {
    let words = area.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
    words.flat_map(u64::to_le_bytes).collect()
}

/// The present boot of the machine, as areas have it.
fn boot(world: &World) -> [u64; 2] {
    let volume = volume::open(&world.image("OLD001"), Access::Read).unwrap();
    Area::in_process(Identity::of(&*volume).unwrap()).unwrap().boot()
}
