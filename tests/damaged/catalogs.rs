//! The catalog: its blocks, and what its entries say.

use crate::world::{self, Kind, World, entry, kind};
use trackmirror::Reason;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry};
use trackmirror::volume::intent::NoJournal;

const INDEX: usize = 1;
const NAMES: usize = 2;

/// Where an entry of this name begins in the data of a block.
fn find(world: &World, block: usize, name: &[u8]) -> usize {
    let data = world.block_data(block);
    data.windows(name.len()).position(|bytes| bytes == name).expect("the entry is there")
}

/// DAMAGE, MANY, MORE and ONE.
const DAMAGE: [u8; 8] = [0xC4, 0xC1, 0xD4, 0xC1, 0xC7, 0xC5, 0x40, 0x40];
const MANY: [u8; 8] = [0xD4, 0xC1, 0xD5, 0xE8, 0x40, 0x40, 0x40, 0x40];
const MORE: [u8; 8] = [0xD4, 0xD6, 0xD9, 0xC5, 0x40, 0x40, 0x40, 0x40];
const ONE: [u8; 8] = [0xD6, 0xD5, 0xC5, 0x40, 0x40, 0x40, 0x40, 0x40];

/// Overwrites bytes of an entry.
fn patch(world: &World, block: usize, name: &[u8], offset: usize, bytes: &[u8]) {
    world.block(block, 8 + find(world, block, name) + offset, bytes);
}

/// Makes an entry say something else.
fn recatalog(world: &World, to: CatalogEntry) {
    let volume = world.open(&world.source());
    let catalog = CvolCatalog::find_on(volume).unwrap().unwrap();
    let from = catalog.locate(&to.name).unwrap().unwrap();
    catalog.recatalog(&from, &to, &NoJournal).unwrap();
}

fn on_volumes(volsers: &[&str]) -> CatalogEntry {
    let volumes = volsers.iter().flat_map(|volser| entry("DAMAGE.ONE", volser).volumes);
    CatalogEntry { volumes: volumes.collect(), ..entry("DAMAGE.ONE", "SRC001") }
}

const BLOCK_1: &[&str] = &["SRC001", "track 10 (0/10)", "block 000001"];
const BLOCK_2: &[&str] = &["SRC001", "track 10 (0/10)", "block 000002"];

pub const KINDS: &[Kind] = &[
    kind("the links of an index run in a circle", Reason::DamagedCatalog, BLOCK_2, |w| {
        let used = usize::from(w.block_data(NAMES)[1]);
        w.block(NAMES, 8 + used - 4, &[0, 0, 2]);
    }),
    kind("an index goes on in another one", Reason::DamagedCatalog, BLOCK_1, |w| {
        let used = usize::from(w.block_data(NAMES)[1]);
        w.block(NAMES, 8 + used - 4, &[0, 0, 1]);
    }),
    kind("an index points to the one above it", Reason::DamagedCatalog, BLOCK_1, |w| {
        patch(w, INDEX, &DAMAGE, 8, &[0, 0, 1]);
    }),
    kind("an index points nowhere", Reason::DamagedCatalog, BLOCK_1, |w| {
        patch(w, INDEX, &DAMAGE, 8, &[0, 0, 0]);
    }),
    kind("an index points outside", Reason::DamagedCatalog, &["SRC001", "block 00FF01"], |w| {
        patch(w, INDEX, &DAMAGE, 8, &[0, 0xFF, 1]);
    }),
    kind("an index points to a free block", Reason::DamagedCatalog, &["block 000009"], |w| {
        patch(w, INDEX, &DAMAGE, 8, &[0, 0, 9]);
    }),
    kind("more bytes are used than there are", Reason::DamagedCatalog, BLOCK_2, |w| {
        w.block(NAMES, 8, &[1, 1]);
    }),
    kind("no bytes are used", Reason::DamagedCatalog, BLOCK_2, |w| w.block(NAMES, 8, &[0, 0])),
    kind("an entry is cut", Reason::DamagedCatalog, BLOCK_2, |w| {
        let used = w.block_data(NAMES)[1];
        w.block(NAMES, 9, &[used - 3]);
    }),
    kind("an entry has a wrong length", Reason::DamagedCatalog, BLOCK_2, |w| {
        patch(w, NAMES, &ONE, 11, &[200]);
    }),
    kind("an entry of no kind", Reason::EntryKind, &["SRC001", "DAMAGE.ONE", "recatalog"], |w| {
        patch(w, NAMES, &ONE, 13, &[2]);
    }),
    kind("an index block is free", Reason::DamagedCatalog, BLOCK_2, |w| w.block(NAMES, 0, &[0; 8])),
    kind("the volume index is free", Reason::NoCatalog, &["SRC001", "volume index"], |w| {
        w.block(INDEX, 0, &[0; 8]);
    }),
    kind("the volume index has no control entry", Reason::DamagedCatalog, BLOCK_1, |w| {
        w.block(INDEX, 8 + 2, &[0xC1; 8]);
    }),
    kind("the upper limit is zero", Reason::DamagedCatalog, BLOCK_1, |w| {
        w.block(INDEX, 8 + 2 + 12, &[0; 3]);
    }),
    kind("a key is not that of its block", Reason::DamagedCatalog, BLOCK_2, |w| {
        w.block(NAMES, 0, &MORE);
    }),
    kind("entries are not in order", Reason::DamagedCatalog, BLOCK_2, |w| {
        patch(w, NAMES, &MANY, 0, &[0xE9]);
    }),
    kind("a second index points to one index", Reason::DamagedCatalog, &["SRC001"], |w| {
        second_pointer(w);
    }),
    kind("a track of the catalog has no end", Reason::DamagedTrack, &["SRC001", "track 11"], |w| {
        w.track(11, 21 + 6, &[0xFF, 0xFF]);
    }),
    kind("a track of the catalog is another", Reason::ForeignTrack, &["SRC001", "track 10"], |w| {
        w.track(10, 4, &[99]);
    }),
    kind(
        "the DSCBs of the catalog are damaged",
        Reason::DamagedDscb,
        &["SRC001", "SYSCTLG"],
        |w| {
            w.dscb(3, 59, &[9]);
        },
    ),
    kind(
        "an entry names a volume that lacks the data set",
        Reason::CatalogMismatch,
        &["TGT001", "DAMAGE.ONE", "correct the catalog"],
        |w| {
            recatalog(w, on_volumes(&["SRC001", "TGT001"]));
            w.volumes.push(w.target());
            w.targets = vec![crate::targets::another(w, "TGT002", world::CYLINDERS)];
        },
    ),
    kind("an entry names a volume that is not given", Reason::PartMissing, &["NOVOL1"], |w| {
        recatalog(w, on_volumes(&["SRC001", "NOVOL1"]));
    }),
    kind("an entry names other volumes only", Reason::NotCataloged, &["DAMAGE.ONE"], |w| {
        recatalog(w, on_volumes(&["NOVOL1"]));
    }),
    kind("the volumes of an entry are not all there", Reason::DamagedCatalog, &["SRC001"], |w| {
        recatalog(w, on_volumes(&["SRC001", "A", "B", "C", "D", "E"]));
        let ttr = find(w, NAMES, &ONE) + 8;
        let block = usize::from(w.block_data(NAMES)[ttr + 2]);
        w.block(block, 8, &[0, 60]);
    }),
    kind("a name in no catalog", Reason::NotCataloged, &["DAMAGE.ONE", "catalog"], |w| {
        let volume = w.open(&w.source());
        let catalog = CvolCatalog::find_on(volume).unwrap().unwrap();
        catalog.delete(&world::name("DAMAGE.ONE"), &NoJournal).unwrap();
    }),
    kind(
        "two catalogs disagree",
        Reason::CatalogMismatch,
        &["DAMAGE.ONE", "SYSCTLG on SRC001", "SYSCTLG on TGT001"],
        |w| {
            let volume = w.open(&w.target());
            let catalog = world::catalog(&volume);
            catalog.add(&on_volumes(&["SRC001", "NOVOL1"]), &NoJournal).unwrap();
        },
    ),
];

/// A second entry of the volume index points to the index DAMAGE.
fn second_pointer(world: &World) {
    let volume = world.open(&world.source());
    let catalog = CvolCatalog::find_on(volume).unwrap().unwrap();
    catalog.add(&entry("ZZZ.ONE", "SRC001"), &NoJournal).unwrap();
    drop(catalog);
    patch(world, INDEX, &[0xE9, 0xE9, 0xE9, 0x40], 8, &[0, 0, NAMES as u8]);
}

/// More aliases of one index than the byte counts that counts them.
#[test]
fn hundreds_of_aliases_are_counted() {
    const COUNT: usize = 264;
    let world = World::new();
    let entries: Vec<Vec<u8>> = (0..COUNT)
        .map(|number| {
            let digit = |n: usize| 0xF0 + (n % 10) as u8;
            let name = [
                0xC5,
                digit(number / 100),
                digit(number / 10),
                digit(number),
                0x40,
                0x40,
                0x40,
                0x40,
            ];
            [&name[..], &[0, 0, NAMES as u8, 4], &DAMAGE].concat()
        })
        .collect();
    // Twelve in a block: blocks 3 to 17 of the first track, then those of the second.
    let place =
        |block: usize| if block < 15 { [0, 0, 3 + block as u8] } else { [0, 1, block as u8 - 14] };
    let high = [0xFF; 8];
    let blocks: Vec<&[Vec<u8>]> = entries.chunks(12).collect();
    for (number, entries) in blocks.iter().enumerate() {
        let is_last = number + 1 == blocks.len();
        let link = if is_last { [0; 3] } else { place(number + 1) };
        let mut data = vec![0, 0];
        entries.iter().for_each(|entry| data.extend(entry));
        data.extend([&high[..], &link, &[0]].concat());
        data[1] = data.len() as u8;
        data.resize(256, 0);
        let key = if is_last { &high } else { &entries[entries.len() - 1][..8] };
        let [_, track, record] = place(number);
        let offset = world::block_offset(record.into());
        world.track(10 + u32::from(track), offset, &[key, &data].concat());
    }
    let used = usize::from(world.block_data(INDEX)[1]);
    world.block(INDEX, 8 + used - 4, &place(0));
    let volume = world.open(&world.source());
    let found = CvolCatalog::find_on(volume).unwrap().unwrap().check().unwrap();
    assert!(found.damage.is_empty(), "{:?}", found.damage);
    assert!(found.remarks.iter().any(|remark| remark.contains("aliases")), "{:?}", found.remarks);
    let (code, text) = world.migrate();
    assert_eq!(code, 0, "{text}");
}
