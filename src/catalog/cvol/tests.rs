//! Tests of what only the inside can see: bytes.

use super::block::{Block, IndexBlock, VolumeControlBlock};
use super::entry::{Entry, Kind, Ttr};
use super::tree::Tree;
use super::*;
use crate::catalog::CatalogVolume;
use crate::geometry::{Device, Geometry, Track};
use crate::track;
use crate::volume::intent::NoJournal;
use crate::volume::memory::MemoryVolume;
use proptest::prelude::*;

const EXTENTS: [Extent; 2] = [Extent::new(Track(5), 2), Extent::new(Track(9), 3)];

fn geometry() -> Geometry {
    let device = Device::named("2311").unwrap();
    Geometry { device, cylinders: 2, slot_size: device.slot_size() }
}

fn new_volume() -> Arc<MemoryVolume> {
    Arc::new(MemoryVolume::new("CVOL01".parse().unwrap(), geometry()))
}

fn new_catalog() -> (Arc<MemoryVolume>, CvolCatalog) {
    let volume = new_volume();
    let catalog = CvolCatalog::format(volume.clone(), EXTENTS.to_vec()).unwrap();
    (volume, catalog)
}

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

fn volumes(count: usize) -> Vec<CatalogVolume> {
    let volume = |number| CatalogVolume {
        unit_type: [0x30, 0x50, 0x20, 0x09],
        volser: format!("V{number:05}").parse().unwrap(),
        file_sequence: 0,
    };
    (1..=count).map(volume).collect()
}

fn entry(text: &str, count: usize) -> CatalogEntry {
    CatalogEntry { name: name(text), volumes: volumes(count), dscb: None }
}

/// Changes one block on the volume, past the library.
fn patch(volume: &MemoryVolume, ttr: Ttr, change: impl FnOnce(&mut [u8])) {
    let tree = Tree::read(volume, &EXTENTS).unwrap();
    let track = tree.track(ttr.track).unwrap();
    let mut slot = volume.read_track(track).unwrap();
    let place = track::records(&slot).flatten().find(|r| r.number == ttr.record).unwrap();
    let range = place.offset + 8..place.data_range().end;
    change(&mut slot[range]);
    volume.write(track, &slot).unwrap();
}

fn ttr(record: u8) -> Ttr {
    Ttr { track: 0, record }
}

/// Key and data of an index block with these entries, given in their bytes.
fn index_bytes(control: &[u8], entries: &[&[u8]]) -> Vec<u8> {
    let parse = |bytes: &&[u8]| Entry::parse(bytes).unwrap();
    let block = IndexBlock {
        control: Entry::parse(control),
        entries: entries.iter().map(parse).collect(),
        next: None,
    };
    let block = block.to_block(Ttr::FIRST);
    [&block.key[..], &block.data].concat()
}

fn eight(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x40; 8];
    for (byte, c) in bytes.iter_mut().zip(text.chars()) {
        *byte = crate::bytes::to_ebcdic(c).unwrap();
    }
    bytes
}

/// Volume index: alias ALI of TRUE, TRUE, a pointer to another catalog in the new form, and one in the old form.
/// TRUE: GDG, a generation index of at most 3 with one entry.
fn catalog_with_everything() -> (Arc<MemoryVolume>, CvolCatalog) {
    let (volume, catalog) = new_catalog();
    catalog.add(&entry("TRUE.X", 1), &NoJournal).unwrap();
    catalog.add(&entry("TRUE.GDG.A", 1), &NoJournal).unwrap();
    let alias = [&eight("ALI")[..], &[0, 0, 2, 4], &eight("TRUE")].concat();
    let new =
        [&eight("FAR")[..], &[0, 0, 0, 5, 0x30, 0x50, 0x20, 9], &eight("FARVOL")[..6]].concat();
    let old = [&eight("OLD")[..], &[0, 0, 0, 3], &eight("OLDVOL")[..6]].concat();
    let index = [&eight("TRUE")[..], &[0, 0, 2, 0]].concat();
    patch(&volume, ttr(1), |bytes| {
        let control = bytes[10..32].to_vec();
        bytes.copy_from_slice(&index_bytes(&control, &[&alias, &new, &old, &index]));
    });
    let data_set = Entry::data_set([0x40; 8], &volumes(1), None);
    let data_set = [&eight("X")[..], &data_set.as_bytes()[8..]].concat();
    let generations = [&eight("GDG")[..], &[0, 0, 3, 2, 0, 3, 0, 1]].concat();
    patch(&volume, ttr(2), |bytes| {
        let mut control = bytes[10..28].to_vec();
        control[15] = 1;
        bytes.copy_from_slice(&index_bytes(&control, &[&generations, &data_set]));
    });
    let generation = [&[0xC7, 0x0F, 0x0F, 0x0F, 0x0E, 0xE5, 0xF0, 0xF0], &data_set[8..]].concat();
    patch(&volume, ttr(3), |bytes| {
        let control = bytes[10..28].to_vec();
        bytes.copy_from_slice(&index_bytes(&control, &[&generation]));
    });
    (volume, catalog)
}

#[track_caller]
fn assert_clean(catalog: &CvolCatalog) {
    let check = catalog.check().unwrap();
    assert!(check.damage.is_empty() && check.remarks.is_empty(), "{check:?}");
}

#[test]
fn aliases_generations_and_other_catalogs_are_followed() {
    let (_, catalog) = catalog_with_everything();
    assert_clean(&catalog);
    let names: Vec<String> =
        catalog.list(&"**".parse().unwrap()).unwrap().iter().map(|e| e.name.to_string()).collect();
    assert_eq!(names, ["TRUE.GDG.G0001V00", "TRUE.X"]);
    assert_eq!(catalog.locate(&name("ALI.X")).unwrap(), Some(entry("TRUE.X", 1)));
    assert_eq!(
        catalog.locate(&name("ALI.GDG.G0001V00")).unwrap(),
        Some(entry("TRUE.GDG.G0001V00", 1))
    );
    for absent in ["TRUE", "ALI", "TRUE.GDG", "TRUE.GDG.X", "TRUE.X.Y", "TRUE.GDG.G0001V01"] {
        assert_eq!(catalog.locate(&name(absent)).unwrap(), None, "{absent}");
    }
    for far in ["FAR.A", "OLD.A", "FAR"] {
        let error = catalog.locate(&name(far)).unwrap_err();
        assert_eq!(error.reason(), Reason::EntryKind);
        assert_eq!(error.data_set(), Some(*name(far).as_bytes()));
        assert!(error.sentence().contains("FARVOL") || error.sentence().contains("OLDVOL"));
        assert_eq!(
            catalog.add(&entry(far, 1), &NoJournal).unwrap_err().reason(),
            Reason::EntryKind
        );
    }
}

#[test]
fn entries_below_aliases_and_of_generations_are_changed() {
    let (_, catalog) = catalog_with_everything();
    let three = CatalogEntry { dscb: Some([0, 7, 2]), ..entry("ALI.X", 3) };
    catalog.recatalog(&entry("ALI.X", 1), &three, &NoJournal).unwrap();
    assert_eq!(catalog.locate(&name("TRUE.X")).unwrap().unwrap().dscb, Some([0, 7, 2]));
    let generation = |number: u8| format!("TRUE.GDG.G000{number}V00");
    catalog.recatalog(&entry(&generation(1), 1), &entry(&generation(1), 30), &NoJournal).unwrap();
    assert_clean(&catalog);
    catalog.add(&entry(&generation(3), 1), &NoJournal).unwrap();
    catalog.rename(&name(&generation(3)), &name(&generation(2)), &NoJournal).unwrap();
    catalog.add(&entry(&generation(4), 1), &NoJournal).unwrap();
    assert_clean(&catalog);
    let full = catalog.add(&entry(&generation(5), 1), &NoJournal).unwrap_err();
    assert_eq!(full.reason(), Reason::EntryKind);
    let no_generation = catalog.add(&entry("TRUE.GDG.X", 1), &NoJournal).unwrap_err();
    assert_eq!(no_generation.reason(), Reason::EntryKind);
    for number in [1, 2, 4] {
        catalog.delete(&name(&generation(number)), &NoJournal).unwrap();
        assert_clean(&catalog);
    }
    catalog.add(&entry(&generation(9), 6), &NoJournal).unwrap();
    catalog.delete(&name("ALI.X"), &NoJournal).unwrap();
    assert_clean(&catalog);
    assert_eq!(catalog.list(&"**".parse().unwrap()).unwrap(), [entry(&generation(9), 6)]);
}

#[test]
fn unknown_entries_are_kept_and_only_their_own_name_is_refused() {
    let (volume, catalog) = new_catalog();
    catalog.add(&entry("A.B", 1), &NoJournal).unwrap();
    let unknown = [&eight("K")[..], &[1, 2, 3, 9], &[0xAB; 18]].concat();
    patch(&volume, ttr(2), |bytes| {
        let control = bytes[10..28].to_vec();
        bytes.copy_from_slice(&index_bytes(&control, &[&unknown]));
    });
    assert_eq!(catalog.locate(&name("A.K")).unwrap_err().reason(), Reason::EntryKind);
    catalog.add(&entry("A.Z", 1), &NoJournal).unwrap();
    for count in 1..=9 {
        catalog.add(&entry(&format!("A.A{count}"), 5), &NoJournal).unwrap();
    }
    let tree = Tree::read(&*volume, &EXTENTS).unwrap();
    let chain = tree.chain(ttr(2)).unwrap();
    assert!(chain.len() > 1);
    let mut entries = chain.iter().flat_map(|(_, block)| &block.entries);
    let kept = entries.find(|entry| entry.kind() == Kind::Unknown).unwrap();
    assert_eq!(kept.as_bytes(), unknown);
    assert_eq!(catalog.check().unwrap().damage, []);
}

#[test]
fn damage_is_named_and_nothing_is_changed() {
    type Damage = fn(&mut [u8]);
    let cases: [(u8, Damage, &str); 9] = [
        (1, |b| b[8..10].copy_from_slice(&[1, 44]), "300 bytes are said to be used"),
        (2, |b| b[10 + 11] = 200, "ends behind"),
        (2, |b| b[8 + 20 + 8..8 + 20 + 11].copy_from_slice(&[0, 0, 99]), "no such block"),
        (2, |b| b[8 + 20 + 8..8 + 20 + 11].copy_from_slice(&[0, 0, 9]), "says that it is free"),
        (2, |b| b[8 + 20 + 8..8 + 20 + 11].copy_from_slice(&[0, 0, 2]), "above it"),
        (2, |b| b[8 + 20 + 8..8 + 20 + 11].copy_from_slice(&[0, 0, 0]), "points nowhere"),
        (3, |b| b[..8].fill(0), "says that it is free"),
        (3, |b| b[8 + 20 + 26 + 8..8 + 20 + 26 + 11].copy_from_slice(&[0, 0, 3]), "circle"),
        (3, |b| b[10] = 7, "control entry"),
    ];
    for (record, damage, what) in cases {
        let (volume, catalog) = new_catalog();
        catalog.add(&entry("A.B.C", 1), &NoJournal).unwrap();
        patch(&volume, ttr(record), damage);
        let before = volume.to_bytes();
        let error = catalog.locate(&name("A.B.C")).unwrap_err();
        assert_eq!(error.reason(), Reason::DamagedCatalog, "{error}");
        assert!(error.sentence().contains(what), "{what}: {error}");
        assert_eq!(error.volser(), Some(*volume.volser().as_bytes()));
        assert_eq!((error.track(), error.data_set()), (Some(5), Some(*name("A.B.C").as_bytes())));
        assert!(catalog.list(&"**".parse().unwrap()).is_err());
        for result in [
            catalog.add(&entry("B.C", 1), &NoJournal),
            catalog.delete(&name("A.B.C"), &NoJournal),
            catalog.rename(&name("A.B.C"), &name("D.E"), &NoJournal),
            catalog.recatalog(&entry("A.B.C", 1), &entry("A.B.C", 2), &NoJournal),
        ] {
            assert_eq!(result.unwrap_err().reason(), Reason::DamagedCatalog, "{what}");
        }
        assert!(volume.to_bytes() == before);
    }
}

#[test]
fn volume_control_blocks_that_do_not_add_up_are_damage() {
    let (volume, catalog) = new_catalog();
    catalog.add(&entry("A.B", 45), &NoJournal).unwrap();
    let place = catalog_blocks(&volume, "B");
    for damage in [
        |bytes: &mut [u8]| bytes[9] = 44,
        |bytes: &mut [u8]| bytes[9] = 0,
        |bytes: &mut [u8]| bytes[8 + 252..8 + 255].fill(0),
        |bytes: &mut [u8]| bytes[8 + 252..8 + 255].copy_from_slice(&[0, 0, 200]),
    ] {
        let (volume, catalog) = new_catalog();
        catalog.add(&entry("A.B", 45), &NoJournal).unwrap();
        patch(&volume, place[0], damage);
        assert_eq!(catalog.locate(&name("A.B")).unwrap_err().reason(), Reason::DamagedCatalog);
        assert_eq!(catalog.check().unwrap().damage.len(), 1);
    }
    assert_eq!(catalog.locate(&name("A.B")).unwrap(), Some(entry("A.B", 45)));
}

/// The volume control blocks of a name in the index at block 2 or wherever it is.
fn catalog_blocks(volume: &MemoryVolume, last: &str) -> Vec<Ttr> {
    let tree = Tree::read(volume, &EXTENTS).unwrap();
    let found = tree.blocks().keys().find_map(|ttr| {
        let block = tree.index_block(*ttr).ok()?;
        block.entries.into_iter().find(|e| e.name()[..] == eight(last)[..])
    });
    let blocks = tree.volume_control_blocks(&found.unwrap()).unwrap();
    blocks.into_iter().map(|(ttr, _)| ttr).collect()
}

#[test]
fn many_volumes_in_one_differing_block_are_changed_in_place() {
    let (volume, catalog) = new_catalog();
    catalog.add(&entry("A.B", 45), &NoJournal).unwrap();
    let places = catalog_blocks(&volume, "B");
    let mut to = entry("A.B", 45);
    to.volumes[27].volser = "OTHER".parse().unwrap();
    catalog.recatalog(&entry("A.B", 45), &to, &NoJournal).unwrap();
    assert_eq!(catalog_blocks(&volume, "B"), places);
    let mut further = to.clone();
    further.volumes[3].volser = "OTHER".parse().unwrap();
    further.volumes[40].volser = "OTHER".parse().unwrap();
    catalog.recatalog(&to, &further, &NoJournal).unwrap();
    assert_ne!(catalog_blocks(&volume, "B"), places);
    assert_eq!(catalog.locate(&name("A.B")).unwrap(), Some(further));
    assert_clean(&catalog);
}

/// The real volumes that have a CVOL, unpacked.
fn real(volume: &str) -> Option<(tempfile::TempDir, Arc<dyn Volume>)> {
    let shared = std::env::var_os("TRACKMIRROR_SHARED")
        .map(std::path::PathBuf::from)
        .unwrap_or_else(|| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let packed = shared.join("volumes").join(format!("{volume}.3330.ckd.xz"));
    if !packed.exists() {
        eprintln!("{} is not there: the real volume is not tested", packed.display());
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume.ckd");
    let file = std::fs::File::create(&path).unwrap();
    let unpacked = std::process::Command::new("xz").arg("-dc").arg(&packed).stdout(file).status();
    assert!(unpacked.unwrap().success());
    let volume = crate::volume::open(&path, crate::volume::Access::Read).unwrap();
    Some((folder, volume))
}

#[test]
fn blocks_of_real_systems_are_the_same_when_written_again() {
    for (volume, extent, block_count) in [
        ("vs1-clna01", Extent::new(Track(120), 5), 7),
        ("vs1-dliba1-ready", Extent::new(Track(11), 6), 10),
    ] {
        let Some((_folder, volume)) = real(volume) else { return };
        let tree = Tree::read(&*volume, &[extent]).unwrap();
        assert_eq!(tree.blocks().len(), block_count);
        for (ttr, block) in tree.blocks() {
            let index = IndexBlock::parse(block).unwrap();
            assert!(index.entries.iter().all(|entry| entry.kind() != Kind::Unknown));
            assert_eq!(index.to_block(*ttr), *block, "{ttr}");
        }
        let found = check::check(&tree).unwrap();
        assert!(found.damage.is_empty() && found.remarks.is_empty(), "{found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_catalog_however_hostile_makes_a_call_panic_or_run_on(
        noise in proptest::collection::vec((1u8..12, 0usize..264, any::<u8>()), 1..24),
        pointers in proptest::collection::vec((1u8..12, 0usize..20, 0u8..12), 0..12),
    ) {
        let (volume, catalog) = catalog_with_everything();
        catalog.add(&entry("TRUE.Y.Z", 25), &NoJournal).unwrap();
        for count in 0..12 {
            catalog.add(&entry(&format!("TRUE.Q{count}"), 1), &NoJournal).unwrap();
        }
        for (record, at, byte) in noise {
            let place = Ttr { track: u16::from(record > 10), record: (record - 1) % 10 + 1 };
            patch_if_readable(&volume, place, |bytes| bytes[at] = byte);
        }
        for (record, entry, target) in pointers {
            let place = Ttr { track: u16::from(record > 10), record: (record - 1) % 10 + 1 };
            let at = 8 + 20 + 12 * entry;
            patch_if_readable(&volume, place, |bytes| {
                bytes[at % 252 + 8..at % 252 + 12].copy_from_slice(&[0, 0, target, 0]);
            });
        }
        let _ = catalog.check();
        let _ = catalog.list(&"**".parse().unwrap());
        for text in ["TRUE.Y.Z", "ALI.Q3", "TRUE.GDG.G0001V00", "NEW.NAME"] {
            let _ = catalog.locate(&name(text));
            let _ = catalog.recatalog(&entry(text, 25), &entry(text, 7), &NoJournal);
            let _ = catalog.rename(&name(text), &name("TRUE.RENAMED"), &NoJournal);
            let _ = catalog.delete(&name(text), &NoJournal);
            let _ = catalog.add(&entry(text, 6), &NoJournal);
        }
    }

    #[test]
    fn volume_control_blocks_go_there_and_back(count in 1usize..=255) {
        let places: Vec<Ttr> = (1..=count.div_ceil(20)).map(|n| ttr(n as u8)).collect();
        let chain = VolumeControlBlock::chain(&volumes(count), &places);
        let back: Vec<CatalogVolume> =
            chain.iter().flat_map(|(_, block)| VolumeControlBlock::parse(block).volumes).collect();
        prop_assert_eq!(back, volumes(count));
        prop_assert!(chain.iter().all(|(_, block): &(Ttr, Block)| !block.is_free()));
    }
}

/// Like [`patch`], where an earlier patch may have made the catalog unreadable.
fn patch_if_readable(volume: &MemoryVolume, ttr: Ttr, change: impl FnOnce(&mut [u8])) {
    let track = Track(5 + u32::from(ttr.track));
    let mut slot = volume.read_track(track).unwrap();
    let place = track::records(&slot).flatten().find(|r| r.number == ttr.record).unwrap();
    let range = place.offset + 8..place.data_range().end;
    change(&mut slot[range]);
    volume.write(track, &slot).unwrap();
}
