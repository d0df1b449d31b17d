//! The promise: no bytes from outside make the library panic, run for ever, or write where it must not: neither
//! arbitrary bytes given to each parser, nor volumes of which some bytes were changed, whatever is then done with them.
//!
//! `PROPTEST_CASES` sets how many cases are tried; seeds that failed once are kept beside this file.

#![cfg(all(feature = "compression", feature = "cli"))]

mod support;
#[path = "damaged/world.rs"]
#[allow(dead_code)] // The other test that uses it needs more of it.
mod world;

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use trackmirror::assess::Assessment;
use trackmirror::bytes::{Decoder, Encode, encoded};
use trackmirror::catalog::CatalogEntry;
use trackmirror::catalog::{Catalog, cvol::CvolCatalog};
use trackmirror::checkpoint::{CheckpointStore, FileStore, MemoryStore, Sections};
use trackmirror::copy::CopyOptions;
use trackmirror::dscb::{Dscb, DscbExtent, Format1, Format3, Format4, Format5, Format7};
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::host::Host;
use trackmirror::migrate::{Migration, MoveOptions, Selection, propose};
use trackmirror::plan::{Mode, Plan};
use trackmirror::state::State;
use trackmirror::track;
use trackmirror::translate::TranslateTable;
use trackmirror::volume::intent::{Intent, TrackImage};
use trackmirror::volume::label::Label;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Held, Lock, Volume, VolumeExt};
use trackmirror::vtoc::check::{Tracks, check, check_vtoc};
use trackmirror::vtoc::{DataSetDscbs, FreeSpace, Vtoc};
use trackmirror::{DsMask, DsName, Result, Volser, registry};

fn geometry() -> Geometry {
    support::geometry(world::DEVICE, world::CYLINDERS)
}

/// A volume in memory that notes which tracks are written.
#[derive(Debug)]
struct Watched {
    volume: MemoryVolume,
    written: parking_lot::Mutex<Vec<Extent>>,
}

impl Watched {
    fn new(volser: &str, image: &[u8]) -> Watched {
        let volume =
            MemoryVolume::from_bytes(support::volser(volser), geometry(), image[512..].to_vec());
        Watched { volume, written: Default::default() }
    }
}

impl Volume for Watched {
    fn volser(&self) -> Volser {
        self.volume.volser()
    }
    fn geometry(&self) -> Geometry {
        self.volume.geometry()
    }
    fn location(&self) -> String {
        self.volume.location()
    }
    fn is_writable(&self) -> bool {
        true
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        self.volume.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let track_count = (buffer.len() / self.volume.slot_size()) as u32;
        self.written.lock().push(Extent::new(first, track_count));
        self.volume.write(first, buffer)
    }
    fn flush(&self) -> Result<()> {
        self.volume.flush()
    }
    fn is_past_caches(&self) -> bool {
        self.volume.is_past_caches()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.volume.lock(lock)
    }
}

/// A change of some bytes of a volume: which track, where on it, and what.
type Mutation = (u32, usize, Vec<u8>);

/// Tracks that matter: label, VTOC, catalog, data; and offsets at which fields begin, or any.
fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let tracks = prop_oneof![
        1 => Just(0u32),
        6 => Just(1u32),
        1 => 2..4u32,
        4 => Just(10u32),
        1 => Just(11u32),
        2 => 20..35u32,
        1 => 0..240u32,
    ];
    let dscb = (1..9usize, 0..140usize).prop_map(|(r, at)| world::dscb_offset(r) + at);
    let field = (1..9usize, prop::sample::select(vec![44, 45, 50, 58, 59, 62, 64, 105, 115, 135]))
        .prop_map(|(r, at)| world::dscb_offset(r) + at);
    let block = (1..5usize, 0..100usize).prop_map(|(r, at)| world::block_offset(r) + at);
    let offsets =
        prop_oneof![4 => dscb, 4 => field, 4 => block, 1 => 0..7680usize, 1 => 0..40usize];
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..4),
        prop::collection::vec(0..4u8, 1..6),
        Just(vec![0xFF; 4]),
        Just(vec![0; 10]),
        // Pointers and limits that lead somewhere.
        (0..3u8, 0..20u8, 1..12u8).prop_map(|(c, h, r)| vec![0, c, 0, h, r]),
        prop::sample::select(vec![0xF1u8, 0xF3, 0xF4, 0xF5, 0xF8, 0xF9, 0x40, 0x80, 0x81])
            .prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec((tracks, offsets, bytes), 1..4)
}

fn mutate(image: &mut [u8], mutations: &[Mutation]) {
    for (track, offset, bytes) in mutations {
        let start = 512 + *track as usize * world::SLOT as usize + offset;
        let end = (start + bytes.len()).min(image.len());
        image[start..end].copy_from_slice(&bytes[..end - start]);
    }
}

/// Reads everything that can be read of a volume.
fn read_all(volume: &Arc<dyn Volume>) {
    let _ = check(&**volume, Tracks::All).unwrap();
    if let Ok(vtoc) = Vtoc::read(&**volume) {
        check_vtoc(&vtoc);
        let _ = FreeSpace::of(&vtoc);
        for (name, found) in vtoc.data_sets() {
            let _ = vtoc.find(&name);
            if let Ok(found) = found {
                let back: DataSetDscbs = Decoder::new(&encoded(&found)).get().unwrap();
                assert_eq!(back, found);
            }
        }
    }
    if let Ok(Some(catalog)) = CvolCatalog::find_on(volume.clone()) {
        let _ = catalog.check();
        let _ = catalog.list(&"**".parse().unwrap());
        let _ = catalog.locate(&world::name("DAMAGE.ONE"));
    }
}

/// Migrates what can be migrated; gives back where it may write.
fn migrate(volumes: &[Arc<dyn Volume>], mode: Mode) -> Result<BTreeMap<Volser, Vec<Extent>>> {
    let host = Host::of_volumes(volumes.to_vec())?;
    let (sources, targets) = ([volumes[0].volser()], [volumes[1].volser()]);
    let masks = ["**".parse()?];
    let selection = Selection {
        masks: &masks,
        sources: &sources,
        targets: &targets,
        mode,
        uncataloged: true,
        slack: 0,
    };
    let (plan, _) = propose(&host, &selection)?;
    let mut allowed: BTreeMap<Volser, Vec<Extent>> = BTreeMap::new();
    for volume in volumes {
        let vtoc = Vtoc::read(&**volume)?;
        let catalog = vtoc.find(&world::name("SYSCTLG"))?;
        let allowed = allowed.entry(volume.volser()).or_default();
        allowed.push(vtoc.extent);
        allowed.extend(catalog.iter().flat_map(|found| found.extents.clone()));
    }
    for (volser, extent) in plan.data_sets.iter().flat_map(|data_set| data_set.target_extents()) {
        allowed.entry(volser).or_default().push(extent);
    }
    let led = || -> Result<()> {
        let store = MemoryStore::default();
        let mut migration = Migration::new(host, plan, MoveOptions::default(), store, None)?;
        while let Some(verb) = migration.next_verb() {
            migration.perform(verb, 10)?;
        }
        Ok(())
    };
    let _ = led();
    Ok(allowed)
}

fn assert_written_only(volume: &Watched, allowed: &[Extent]) {
    for extent in volume.written.lock().iter() {
        for number in 0..extent.track_count {
            let track = extent.first.plus(number);
            assert!(
                track != Track(0) && allowed.iter().any(|allowed| allowed.contains(track)),
                "track {} of {} was written, where only {allowed:?} may be",
                track.0,
                volume.volser()
            );
        }
    }
}

proptest! {
    #[test]
    fn changed_volumes_are_read_and_migrated_without_harm(
        source in mutations(),
        target in prop::option::weighted(0.2, mutations()),
        mode in prop::sample::select(Mode::ALL.map(|(mode, _)| mode).to_vec()),
    ) {
        let [mut source_image, mut target_image] = world::originals().clone();
        mutate(&mut source_image, &source);
        mutate(&mut target_image, &target.unwrap_or_default());
        let watched =
            [Watched::new("SRC001", &source_image), Watched::new("TGT001", &target_image)];
        let watched = watched.map(Arc::new);
        let volumes: Vec<Arc<dyn Volume>> =
            watched.iter().map(|volume| volume.clone() as Arc<dyn Volume>).collect();
        volumes.iter().for_each(read_all);
        let allowed = migrate(&volumes, mode).unwrap_or_default();
        for volume in &watched {
            let allowed = allowed.get(&volume.volser()).map_or(&[][..], Vec::as_slice);
            assert_written_only(volume, allowed);
        }
        volumes.iter().for_each(read_all);
    }
}

proptest! {
    #[test]
    fn any_dscb_is_taken_apart(bytes in prop::collection::vec(any::<u8>(), 140), heads in 1..31u16) {
        let bytes: [u8; 140] = bytes.try_into().unwrap();
        prop_assert_eq!(Dscb::from_bytes(bytes).to_bytes(), bytes);
        let geometry = geometry();
        let (format1, format3) = (Format1::from_bytes(bytes), Format3::from_bytes(bytes));
        let descriptors = format1.extents().into_iter().chain(format3.extents());
        for descriptor in descriptors.chain([DscbExtent::from_bytes(bytes[..10].try_into().unwrap())]) {
            if let Ok(extent) = descriptor.extent(&geometry) {
                prop_assert!(geometry.check(extent).is_ok() && extent.track_count > 0);
            }
            descriptor.limits(heads);
        }
        let _ = (format1.last_used(), format1.name().to_string(), format1.first_volser().to_string());
        Format5::from_bytes(bytes).free(heads);
        Format7::from_bytes(bytes).free();
        let _ = (Format4::from_bytes(bytes).vtoc_extent(), Format4::from_bytes(bytes).highest_f1());
    }

    #[test]
    fn any_label_and_any_vtoc_track_is_read(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        records in prop::collection::vec((prop::sample::select(vec![0u8, 4, 44]), prop::sample::select(vec![0u16, 80, 96])), 0..20),
        pointer in prop::collection::vec(0..4u8, 5),
    ) {
        let _ = Label::find(&bytes);
        let mut image = world::originals()[0].clone();
        // Records of a right form, and behind them anything.
        let mut slot = vec![0; world::SLOT as usize];
        let place = track::Place::new(&geometry(), Track(1));
        let filled: Vec<(Vec<u8>, Vec<u8>)> = records
            .iter()
            .map(|&(key, data)| {
                let byte = |n: usize| bytes.get(n % bytes.len().max(1)).copied().unwrap_or(0);
                ((0..key as usize).map(byte).collect(), (0..data as usize).map(byte).collect())
            })
            .collect();
        let borrowed: Vec<(&[u8], &[u8])> = filled.iter().map(|(k, d)| (&k[..], &d[..])).collect();
        if track::build(&mut slot, place, &borrowed).is_ok() {
            image[512 + 7680..512 + 2 * 7680].copy_from_slice(&slot);
        }
        let at = image.windows(4).position(|b| b == [0xE5, 0xD6, 0xD3, 0xF1]).unwrap();
        let at = image[at + 1..].windows(4).position(|b| b == [0xE5, 0xD6, 0xD3, 0xF1]).map_or(at, |n| at + 1 + n);
        image[at + 11..at + 16].copy_from_slice(&pointer);
        let volume: Arc<dyn Volume> = Arc::new(Watched::new("SRC001", &image));
        read_all(&volume);
    }

    #[test]
    fn any_name_and_any_mask_is_judged(text in ".{0,60}", mask in "[A-Z.*%]{0,50}", bytes in prop::collection::vec(any::<u8>(), 44)) {
        let name = DsName::from_bytes(bytes.clone().try_into().unwrap());
        let _ = (name.to_string(), name.is_regular(), DsName::parse(&text), Volser::parse(&text));
        let _ = (Device::named(&text), text.parse::<Mode>());
        for text in [&text, &mask] {
            if let Ok(mask) = DsMask::parse(text) {
                mask.matches(&name);
                mask.as_name();
            }
        }
    }

    #[test]
    fn any_stored_state_is_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        fn decode<T: Encode>(bytes: &[u8]) {
            let _ = Decoder::new(bytes).get::<T>();
        }
        decode::<Sections>(&bytes);
        decode::<Plan>(&bytes);
        decode::<Intent>(&bytes);
        decode::<Assessment>(&bytes);
        decode::<TranslateTable>(&bytes);
        decode::<CatalogEntry>(&bytes);
        decode::<DataSetDscbs>(&bytes);
        decode::<MoveOptions>(&bytes);
        decode::<State>(&bytes);
    }

    #[test]
    fn any_note_is_told(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        fs::write(&image, "").unwrap();
        fs::write(folder.path().join("image.unfinished-00000000"), &bytes).unwrap();
        let notes = registry::read_notes(&image).unwrap();
        prop_assert_eq!(notes.len(), 1);
        prop_assert!(registry::check_unfinished(&image, Path::new("/another/state")).is_err());
    }

    #[test]
    fn any_checkpoint_file_is_loaded_or_refused(one in any::<Vec<u8>>(), two in prop::option::of(any::<Vec<u8>>())) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("checkpoint.0"), one).unwrap();
        if let Some(two) = two {
            fs::write(folder.path().join("checkpoint.1"), two).unwrap();
        }
        prop_assert!(FileStore::peek(folder.path()).is_err());
    }

    #[test]
    fn any_intent_is_settled_or_refused(
        before in prop::collection::vec((0..260u32, prop::collection::vec(any::<u8>(), 0..60)), 0..3),
        steps in prop::collection::vec((0..260u32, prop::collection::vec(any::<u8>(), 0..60), any::<bool>()), 0..4),
    ) {
        let volume = Watched::new("SRC001", &world::originals()[0]);
        // Half of the images are right ones, so that what lies behind the checks is reached.
        let image = |track: u32, bytes: Vec<u8>, is_right: bool| {
            let image = match volume.read_track(Track(track)) {
                Ok(slot) if is_right => {
                    let length = track::check(&slot, volume.place(Track(track))).unwrap().length;
                    slot[..length].to_vec()
                }
                _ => bytes,
            };
            TrackImage { track: Track(track), image }
        };
        let intent = Intent {
            volser: support::volser("SRC001"),
            what: "a change".into(),
            before: before.into_iter().map(|(track, bytes)| image(track, bytes, track % 2 == 0)).collect(),
            steps: steps.into_iter().map(|(track, bytes, right)| vec![image(track, bytes, right)]).collect(),
        };
        let _ = intent.settle(&volume);
        for extent in volume.written.lock().iter() {
            prop_assert!(intent.before.iter().any(|before| before.track == extent.first), "{}", extent.first.0);
        }
    }

    #[test]
    fn any_change_of_a_checkpoint_is_resumed_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let [source, target] = world::originals();
        let volumes: Vec<Arc<dyn Volume>> =
            vec![Arc::new(Watched::new("SRC001", source)), Arc::new(Watched::new("TGT001", target))];
        let host = Host::of_volumes(volumes.clone()).unwrap();
        let selection = Selection {
            masks: &["DAMAGE.**".parse().unwrap()],
            sources: &[volumes[0].volser()],
            targets: &[volumes[1].volser()],
            mode: Mode::OnePrimary,
            uncataloged: false, slack: 0
        };
        let (plan, _) = propose(&host, &selection).unwrap();
        let store = Arc::new(MemoryStore::default());
        let mut migration =
            Migration::new(host.clone(), plan, MoveOptions::default(), store.clone(), None).unwrap();
        migration.reserve().unwrap();
        drop(migration);
        // The bytes change, and the checksum with them: what a checksum cannot tell must be seen otherwise.
        let mut slot = store.read(0).unwrap().unwrap();
        let field = |slot: &[u8], at: usize| u32::from_be_bytes(slot[at..at + 4].try_into().unwrap()) as usize;
        let (head, tail) = (40 + field(&slot, 20), field(&slot, 28)..field(&slot, 28) + field(&slot, 32));
        for (at, byte) in changes {
            let at = at.index(head - 40 + tail.len());
            slot[if at < head - 40 { 40 + at } else { tail.start + at - (head - 40) }] = byte;
        }
        let crc = trackmirror::bytes::crc32c(0, &slot[tail]);
        slot[36..40].copy_from_slice(&crc.to_be_bytes());
        let crc = trackmirror::bytes::crc32c(0, &slot[..24]);
        let crc = trackmirror::bytes::crc32c(crc, &slot[28..head]);
        slot[24..28].copy_from_slice(&crc.to_be_bytes());
        store.write(0, &slot).unwrap();
        store.write(1, &slot).unwrap();
        if let Ok(mut migration) = Migration::resume(host, store, None, CopyOptions::default()) {
            while let Some(verb) = migration.next_verb() {
                if migration.perform(verb, 1000).is_err() {
                    let _ = migration.terminate();
                    break;
                }
            }
        }
    }
}
