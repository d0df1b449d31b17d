//! The promise of the CVOL: after any sequence of changes the catalog is structurally right and says what a plain map
//! says; a crash at any write leaves a catalog that is valid, and settling the intent completes the change; catalogs of
//! real systems and of `dasdload` are read.

mod support;

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use trackmirror::bytes::{Decoder, array, encoded};
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::{Dscb, Format1};
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::volume::intent::{Intent, Journal, NoJournal, Settled};
use trackmirror::volume::label::Label;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{self, Access, Held, Lock, Volume, VolumeExt};
use trackmirror::vtoc::init::initialize;
use trackmirror::{DsName, Error, Reason, Result, Volser, track};

/// Five tracks of ten blocks, in two extents.
const EXTENTS: [Extent; 2] = [Extent::new(Track(5), 2), Extent::new(Track(9), 3)];

type Model = BTreeMap<DsName, CatalogEntry>;

fn geometry() -> Geometry {
    let device = Device::named("2311").unwrap();
    Geometry { device, cylinders: 2, slot_size: device.slot_size() }
}

fn new_volume() -> Arc<MemoryVolume> {
    let volume = Arc::new(MemoryVolume::new("CVOL01".parse().unwrap(), geometry()));
    CvolCatalog::format(volume.clone(), EXTENTS.to_vec()).unwrap();
    volume
}

fn copy(volume: &MemoryVolume) -> Arc<MemoryVolume> {
    Arc::new(MemoryVolume::from_bytes(volume.volser(), geometry(), volume.to_bytes()))
}

fn open(volume: Arc<dyn Volume>) -> CvolCatalog {
    CvolCatalog::open(volume, EXTENTS.to_vec()).unwrap()
}

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

/// Everything the catalog holds; its structure must be right.
#[track_caller]
fn contents(catalog: &CvolCatalog) -> Model {
    let check = catalog.check().unwrap();
    assert!(check.damage.is_empty(), "{check:?}");
    let entries = catalog.list(&"**".parse().unwrap()).unwrap();
    assert_eq!(entries.len(), check.data_set_count as usize);
    entries.into_iter().map(|entry| (entry.name, entry)).collect()
}

/// The same, and nothing is left of any change.
#[track_caller]
fn clean_contents(catalog: &CvolCatalog) -> Model {
    let check = catalog.check().unwrap();
    assert!(check.remarks.is_empty(), "{check:?}");
    assert_eq!(check.used_count + check.free_count, 50);
    contents(catalog)
}

/// How a system of its own finds names, told apart from the library: from the first block of an index it searches the
/// records for a key that is equal or higher, looks for the name in that block, and goes on where the link points.
struct System(BTreeMap<[u8; 3], (Vec<u8>, Vec<u8>)>);

impl System {
    fn of(volume: &dyn Volume) -> System {
        let tracks = EXTENTS.iter().flat_map(|e| (0..e.track_count).map(|n| e.first.plus(n)));
        let mut blocks = BTreeMap::new();
        for (track, relative) in tracks.zip(0u8..) {
            let slot = volume.read_track(track).unwrap();
            for record in track::records(&slot).map(|r| r.unwrap()).filter(|r| r.number > 0) {
                let block = (record.key.to_vec(), record.data.to_vec());
                blocks.insert([0, relative, record.number], block);
            }
        }
        System(blocks)
    }

    fn find(&self, first: [u8; 3], name: &[u8]) -> Option<Vec<u8>> {
        let mut place = first;
        for _ in 0..self.0.len() {
            let (_, (_, data)) = self.0.range(place..).find(|(_, (key, _))| key[..] >= *name)?;
            let mut at = 2;
            loop {
                let length = 12 + 2 * usize::from(data[at + 11]);
                let entry = &data[at..at + length];
                if entry[..8] == *name {
                    return Some(entry.to_vec());
                }
                if entry[..8] == [0xFF; 8] {
                    place = array(entry, 8);
                    break;
                }
                at += length;
            }
        }
        None
    }

    /// How many volumes the entry of a name has, and the first one's 12 bytes.
    fn locate(&self, name: &DsName) -> Option<(u8, Vec<u8>)> {
        let mut index = [0, 0, 1];
        let mut entry = None;
        for qualifier in name.qualifiers() {
            let mut padded = [0x40; 8];
            padded[..qualifier.len()].copy_from_slice(qualifier);
            let found = self.find(index, &padded)?;
            index = array(&found, 8);
            entry = Some(found);
        }
        let entry = entry?;
        match entry[11] {
            0 => None,
            1 => self.0.get(&index).map(|(_, data)| (data[1], data[2..14].to_vec())),
            _ => Some((entry[13], entry[14..26].to_vec())),
        }
    }

    #[track_caller]
    fn assert_finds(&self, model: &Model) {
        for (name, entry) in model {
            let found = self.locate(name);
            let expected = (entry.volumes.len() as u8, encoded(&entry.volumes[0]));
            assert_eq!(found, Some(expected), "{name}");
        }
    }
}

/// Pseudo-random numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }

    fn name(&mut self) -> DsName {
        let depth = [1, 2, 2, 3, 3, 3, 4][self.below(7)];
        let mut text = format!("{}{}", ["A", "BB", "SYS"][self.below(3)], self.below(3));
        for _ in 1..depth {
            text += &format!(".{}{}", ["X", "YYYYYYY"][self.below(2)], self.below(8));
        }
        // A data set of one qualifier must not have the name of an index.
        name(&if depth == 1 { format!("ONE{}", self.below(9)) } else { text })
    }

    fn volumes(&mut self) -> Vec<CatalogVolume> {
        let count = match self.below(6) {
            0..=2 => 1,
            3 => 1 + self.below(5),
            4 => 5 + self.below(3),
            _ => 6 + self.below(40),
        };
        let volume = |_| CatalogVolume {
            unit_type: Device::named("3350").unwrap().unit_type(),
            volser: format!("V{:05}", self.below(100_000)).parse().unwrap(),
            file_sequence: 0,
        };
        (0..count).map(volume).collect()
    }

    fn entry(&mut self, name: DsName) -> CatalogEntry {
        let volumes = self.volumes();
        let dscb = (volumes.len() < 6 && self.below(2) == 0)
            .then(|| [0, self.below(200) as u8, 1 + self.below(30) as u8]);
        CatalogEntry { name, volumes, dscb }
    }
}

/// One change.
#[derive(Clone, Debug)]
enum Change {
    Add(CatalogEntry),
    Delete(DsName),
    Rename(DsName, DsName),
    Recatalog(CatalogEntry, CatalogEntry),
}

impl Change {
    fn random(random: &mut Random, model: &Model) -> Change {
        let at = random.below(model.len().max(1));
        match (random.below(10), model.values().nth(at).cloned()) {
            (0..=3, _) | (_, None) => {
                let name = random.name();
                Change::Add(random.entry(name))
            }
            (4..=5, Some(entry)) => Change::Delete(entry.name),
            (6..=7, Some(entry)) => Change::Rename(entry.name, random.name()),
            (_, Some(entry)) => {
                let mut to = random.entry(entry.name);
                if random.below(2) == 0 {
                    to.volumes = entry.volumes.clone();
                    let at = random.below(to.volumes.len());
                    to.volumes[at].volser = "SWITCH".parse().unwrap();
                    to.dscb = to.dscb.filter(|_| to.volumes.len() < 6);
                }
                Change::Recatalog(entry, to)
            }
        }
    }

    fn perform(&self, catalog: &CvolCatalog, journal: &dyn Journal) -> Result<()> {
        match self {
            Change::Add(entry) => catalog.add(entry, journal),
            Change::Delete(name) => catalog.delete(name, journal),
            Change::Rename(from, to) => catalog.rename(from, to, journal),
            Change::Recatalog(from, to) => catalog.recatalog(from, to, journal),
        }
    }

    fn apply(&self, model: &mut Model) {
        match self {
            Change::Add(entry) => drop(model.insert(entry.name, entry.clone())),
            Change::Delete(name) => drop(model.remove(name)),
            Change::Rename(from, to) => {
                let entry = model.remove(from).unwrap();
                model.insert(*to, CatalogEntry { name: *to, ..entry });
            }
            Change::Recatalog(_, to) => drop(model.insert(to.name, to.clone())),
        }
    }

    /// The name that must not exist yet.
    fn new_name(&self) -> Option<DsName> {
        match self {
            Change::Add(entry) => Some(entry.name),
            Change::Rename(_, to) => Some(*to),
            Change::Delete(_) | Change::Recatalog(..) => None,
        }
    }

    /// That a refusal has its reason in the model.
    fn assert_refusal(&self, error: &Error, model: &Model) {
        let below = |lower: &DsName, upper: &DsName| {
            let count = upper.qualifiers().count();
            lower.qualifiers().count() > count
                && upper.qualifiers().eq(lower.qualifiers().take(count))
        };
        match (error.reason(), self.new_name()) {
            (Reason::EntryExists, Some(name)) => assert!(model.contains_key(&name)),
            (Reason::EntryKind, Some(name)) => {
                let conflict = |other: &DsName| below(other, &name) || below(&name, other);
                assert!(model.keys().any(conflict), "{self:?}: {error}");
            }
            (Reason::CatalogFull, _) => {}
            _ => panic!("{self:?}: {error}"),
        }
    }
}

#[test]
fn random_changes_agree_with_a_map() {
    let (mut full, mut done) = (0, 0);
    for seed in 1..=12u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let volume = new_volume();
        let catalog = open(volume.clone());
        let mut model = Model::new();
        for step in 0..250 {
            let change = Change::random(&mut random, &model);
            let before = volume.to_bytes();
            match change.perform(&catalog, &NoJournal) {
                Ok(()) => {
                    change.apply(&mut model);
                    done += 1;
                }
                Err(error) => {
                    change.assert_refusal(&error, &model);
                    assert!(volume.to_bytes() == before, "a refusal changes nothing");
                    full += u32::from(error.reason() == Reason::CatalogFull);
                }
            }
            assert_eq!(clean_contents(&catalog), model, "seed {seed}, step {step}: {change:?}");
            System::of(&*volume).assert_finds(&model);
            let asked = random.name();
            assert_eq!(catalog.locate(&asked).unwrap().as_ref(), model.get(&asked));
        }
        // Everything goes, and only the indexes below the volume index stay.
        for name in model.keys() {
            catalog.delete(name, &NoJournal).unwrap();
        }
        assert!(clean_contents(&catalog).is_empty());
        assert!(catalog.check().unwrap().used_count <= 10, "seed {seed}");
    }
    assert!(done > 1500 && full > 20, "{done} changes, {full} times full");
}

#[test]
fn a_catalog_is_filled_to_its_last_block_and_emptied() {
    let volume = new_volume();
    let catalog = open(volume.clone());
    let entry = |number: usize| CatalogEntry {
        name: name(&format!("FILL.N{number:03}")),
        volumes: Random(7).volumes()[..1].to_vec(),
        dscb: None,
    };
    let refused = (0..).find_map(|number| {
        catalog.add(&entry(number), &NoJournal).err().map(|error| (number, error))
    });
    let (count, error) = refused.unwrap();
    assert_eq!(error.reason(), Reason::CatalogFull);
    assert!(error.sentence().contains("1 free block"), "{error}");
    assert_eq!(catalog.check().unwrap().free_count, 0);
    // Names in order fill the blocks: 8 in the first block of the index, 9 in each of the other 48.
    assert_eq!(count, 8 + 48 * 9);
    assert_eq!(clean_contents(&catalog).len(), count);
    // Changes that need no block are still possible.
    let mut to = entry(3);
    to.volumes[0].volser = "SWITCH".parse().unwrap();
    catalog.recatalog(&entry(3), &to, &NoJournal).unwrap();
    catalog.rename(&entry(5).name, &name("FILL.N005A"), &NoJournal).unwrap();
    catalog.rename(&name("FILL.N005A"), &entry(5).name, &NoJournal).unwrap();
    for number in (0..count).step_by(2).chain((1..count).step_by(2)) {
        catalog.delete(&entry(number).name, &NoJournal).unwrap();
        assert!(catalog.locate(&entry(number).name).unwrap().is_none());
    }
    assert!(clean_contents(&catalog).is_empty());
    assert_eq!(catalog.check().unwrap().used_count, 2);
}

#[test]
fn recatalog_is_safe_to_repeat_and_refuses_what_it_does_not_expect() {
    let volume = new_volume();
    let catalog = open(volume.clone());
    let mut from = CatalogEntry { dscb: Some([0, 1, 2]), ..Random(99).entry(name("A.B")) };
    from.volumes.truncate(1);
    catalog.add(&from, &NoJournal).unwrap();
    let mut to = from.clone();
    to.volumes[0].volser = "TARGET".parse().unwrap();
    to.dscb = None;
    let log = Log::default();
    catalog.recatalog(&from, &to, &log).unwrap();
    let intent = log.0.lock().take().unwrap();
    assert_eq!(intent.steps.iter().map(Vec::len).collect::<Vec<_>>(), [1], "one block write");
    let bytes = volume.to_bytes();
    catalog.recatalog(&from, &to, &log).unwrap();
    assert!(log.0.lock().is_none() && volume.to_bytes() == bytes);
    let error = catalog.recatalog(&from, &from, &NoJournal).unwrap_err();
    assert_eq!(error.reason(), Reason::EntryChanged);
    assert!(error.sentence().contains("TARGET"), "{error}");
    let absent = CatalogEntry { name: name("A.C"), ..from.clone() };
    let error = catalog.recatalog(&absent, &absent, &NoJournal).unwrap_err();
    assert_eq!(error.reason(), Reason::EntryNotFound);
    let error = catalog.delete(&name("A.C"), &NoJournal).unwrap_err();
    assert_eq!(error.reason(), Reason::EntryNotFound);
    for volumes in [vec![], vec![from.volumes[0]; 256]] {
        let bad = CatalogEntry { name: name("A.D"), volumes, dscb: None };
        assert_eq!(catalog.add(&bad, &NoJournal).unwrap_err().reason(), Reason::BadRequest);
    }
    assert_eq!(catalog.name(), "SYSCTLG on CVOL01");
    assert_eq!(catalog.volser(), Some("CVOL01".parse().unwrap()));
}

/// Keeps the last intent, as a checkpoint does.
#[derive(Default)]
struct Log(Mutex<Option<Intent>>);

impl Journal for Log {
    fn intend(&self, intent: &Intent) -> Result<()> {
        let back: Intent = Decoder::new(&encoded(intent)).get()?;
        assert_eq!(back, *intent);
        *self.0.lock() = Some(back);
        Ok(())
    }
    fn done(&self, _: &Intent) -> Result<()> {
        Ok(())
    }
}

/// What the write at which the machine stops leaves behind.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The old track.
    Dropped,
    /// The first bytes are new, the rest is garbage.
    Torn(usize),
}

/// A volume of a machine that stops at one write.
#[derive(Debug)]
struct Crashing {
    volume: Arc<MemoryVolume>,
    writes_left: AtomicUsize,
    fault: Fault,
}

impl Volume for Crashing {
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
        let left = self.writes_left.load(Ordering::Relaxed);
        if left > 0 {
            self.writes_left.store(left - 1, Ordering::Relaxed);
            return self.volume.write(first, buffer);
        }
        if let Fault::Torn(new) = self.fault {
            let mut torn = buffer.to_vec();
            torn[new..].fill(0xA5);
            self.volume.write(first, &torn)?;
        }
        Err(Error::new(Reason::Io, "the machine stopped"))
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn is_past_caches(&self) -> bool {
        self.volume.is_past_caches()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.volume.lock(lock)
    }
}

/// Every entry says what it said before or what it shall say, and no name is lost.
fn assert_old_or_new(present: &Model, before: &Model, after: &Model, change: &Change) {
    if let Change::Rename(from, to) = change {
        assert!(present.contains_key(from) || present.contains_key(to), "{change:?}");
    }
    for (name, entry) in present {
        let known = [before.get(name), after.get(name)];
        assert!(known.contains(&Some(entry)), "{change:?}: {entry:?}");
    }
    for (name, entry) in before.iter().filter(|(name, _)| after.contains_key(*name)) {
        assert!(present.contains_key(name), "{change:?}: {entry:?} is lost");
    }
}

#[test]
fn a_crash_at_any_write_leaves_the_old_or_the_new() {
    let (mut crashes, mut changes_of_several_writes) = (0, 0);
    for seed in 1..=6u64 {
        let mut random = Random(seed.wrapping_mul(0xD134_2543_DE82_EF95));
        let volume = new_volume();
        let mut model = Model::new();
        for _ in 0..90 {
            let change = Change::random(&mut random, &model);
            let mut after = model.clone();
            let rehearsal = copy(&volume);
            let log = Log::default();
            if change.perform(&open(rehearsal.clone()), &log).is_err() {
                continue;
            }
            change.apply(&mut after);
            let Some(intent) = log.0.into_inner() else { continue };
            let write_count = intent.steps.iter().map(Vec::len).sum::<usize>();
            changes_of_several_writes += u32::from(write_count > 2);
            assert!(intent.steps.iter().all(|step| step.len() == 1), "each write is a step");
            for at in 0..write_count {
                for fault in [Fault::Dropped, Fault::Torn(900), Fault::Torn(2500)] {
                    crash(&volume, &change, (&model, &after), at, fault);
                    crashes += 1;
                }
            }
            model = after;
            volume.write(Track(0), &rehearsal.to_bytes()).unwrap();
        }
    }
    assert!(
        crashes > 2000 && changes_of_several_writes > 50,
        "{crashes} {changes_of_several_writes}"
    );
}

fn crash(
    start: &MemoryVolume,
    change: &Change,
    (before, after): (&Model, &Model),
    at: usize,
    fault: Fault,
) {
    let volume = copy(start);
    let crashing =
        Arc::new(Crashing { volume: volume.clone(), writes_left: AtomicUsize::new(at), fault });
    let log = Log::default();
    let error = change.perform(&open(crashing), &log).unwrap_err();
    assert_eq!(error.reason(), Reason::Io, "{error}");
    if fault == Fault::Dropped {
        // Without the intent: valid as it is, and the change can be made again or is made already.
        let catalog = open(copy(&volume));
        let present = contents(&catalog);
        assert_old_or_new(&present, before, after, change);
        System::of(&*volume).assert_finds(&present);
        match (change, change.perform(&catalog, &NoJournal)) {
            (_, Ok(())) => assert_eq!(contents(&catalog), *after, "{change:?} at {at}"),
            (Change::Recatalog(..), Err(error)) if error.reason() != Reason::CatalogFull => {
                panic!("recatalog is safe to repeat: {error}")
            }
            (_, Err(error)) => assert!(
                matches!(
                    error.reason(),
                    Reason::EntryExists | Reason::EntryNotFound | Reason::CatalogFull
                ),
                "{change:?} at {at}: {error}"
            ),
        }
    }
    let intent = log.0.into_inner().unwrap();
    let is_begun = volume.to_bytes() != start.to_bytes();
    for _ in 0..2 {
        let settled = intent.settle(&*volume).unwrap();
        assert_eq!(settled == Settled::Done, is_begun, "{change:?} at {at} {fault:?}");
        let expected = if is_begun { after } else { before };
        assert_eq!(
            clean_contents(&open(volume.clone())),
            *expected,
            "{change:?} at {at} {fault:?}"
        );
    }
}

/// A copy of a real volume in a folder of its own, if the real volumes are there.
fn real_volume(name: &str) -> Option<(TempDir, Arc<dyn Volume>)> {
    let (folder, images) = support::copies(&[name])?;
    Some((folder, volume::open(&images[0], Access::Exclusive).unwrap()))
}

/// The F1s of a volume by their addresses, as a catalog has them.
fn format1s(volume: &dyn Volume) -> BTreeMap<[u8; 3], Format1> {
    let geometry = volume.geometry();
    let label = Label::find(&volume.read_track(Track(0)).unwrap()).unwrap();
    let vtoc = geometry.track_of_bytes(array(&label.vtoc(), 0)).unwrap();
    let dscbs = |track| {
        let slot = volume.read_track(track).unwrap();
        let records = track::records(&slot).map(|record| record.unwrap());
        let keyed = records.filter(|record| record.key.len() == 44);
        let dscb = |record: track::Record<'_>| {
            let bytes = [record.key, record.data].concat();
            (record.number, Dscb::from_bytes(bytes.try_into().unwrap()))
        };
        keyed.map(dscb).collect::<Vec<_>>()
    };
    let Some((_, Dscb::Format4(format4))) = dscbs(vtoc).into_iter().next() else { panic!("no F4") };
    let extent = format4.vtoc_extent().extent(&geometry).unwrap();
    let mut found = BTreeMap::new();
    for track in (0..extent.track_count).map(|number| extent.first.plus(number)) {
        for (record, dscb) in dscbs(track) {
            if let Dscb::Format1(format1) = dscb {
                let [high, low] = (track.0 as u16).to_be_bytes();
                found.insert([high, low, record], format1);
            }
        }
    }
    found
}

fn sysctlg(volume: Arc<dyn Volume>) -> CvolCatalog {
    let format1s = format1s(&*volume);
    let found = format1s.values().find(|f1| f1.name() == name("SYSCTLG")).unwrap();
    let extents = found.extents().into_iter().filter(|extent| !extent.is_none());
    let extents = extents.map(|extent| extent.extent(&volume.geometry()).unwrap()).collect();
    CvolCatalog::open(volume, extents).unwrap()
}

fn lines(catalog: &CvolCatalog, mask: &str) -> Vec<String> {
    let line = |entry: CatalogEntry| {
        let volsers: Vec<String> = entry.volumes.iter().map(|v| v.volser.to_string()).collect();
        format!("{} {}", entry.name, volsers.join(" "))
    };
    catalog.list(&mask.parse().unwrap()).unwrap().into_iter().map(line).collect()
}

#[test]
fn a_real_catalog_is_read_and_changed() {
    let Some((_folder, volume)) = real_volume("vs1-clna01") else { return };
    let catalog = sysctlg(volume);
    assert_eq!(catalog.name(), "SYSCTLG on CLNA01");
    let all = [
        "PRIV.A.B.C.D.E CLNA01",
        "PRIV.GDG.G0001V00 CLNA01",
        "PRIV.GDG.G0002V00 CLNA01",
        "PRIV.MV CLNA01 CLNA02",
    ];
    assert_eq!(lines(&catalog, "**"), all);
    assert_eq!(lines(&catalog, "PRIV.*"), ["PRIV.MV CLNA01 CLNA02"]);
    let mut random = Random(5);
    let added: Vec<CatalogEntry> = (0..60)
        .map(|number| {
            let name = name(&format!("PRIV.N{}.X{number}", number % 3));
            CatalogEntry { name, volumes: random.volumes(), dscb: None }
        })
        .collect();
    for entry in &added {
        catalog.add(entry, &NoJournal).unwrap();
        assert_eq!(catalog.locate(&entry.name).unwrap().as_ref(), Some(entry));
    }
    let from = catalog.locate(&name("PRIV.MV")).unwrap().unwrap();
    let mut to = from.clone();
    to.volumes.reverse();
    catalog.recatalog(&from, &to, &NoJournal).unwrap();
    catalog.recatalog(&to, &from, &NoJournal).unwrap();
    catalog.rename(&name("PRIV.A.B.C.D.E"), &name("PRIV.OTHER"), &NoJournal).unwrap();
    let check = catalog.check().unwrap();
    assert!(check.damage.is_empty() && check.remarks.is_empty(), "{check:?}");
    for entry in &added {
        catalog.delete(&entry.name, &NoJournal).unwrap();
    }
    catalog.rename(&name("PRIV.OTHER"), &name("PRIV.A.B.C.D.E"), &NoJournal).unwrap();
    assert_eq!(lines(&catalog, "**"), all);
    let check = catalog.check().unwrap();
    assert_eq!((check.used_count, check.free_count, check.data_set_count), (7, 133, 4));
    assert!(check.damage.is_empty() && check.remarks.is_empty(), "{check:?}");
}

#[test]
fn the_addresses_of_f1s_in_a_real_catalog_are_right() {
    let Some((_folder, volume)) = real_volume("vs1-dliba1-ready") else { return };
    let catalog = sysctlg(volume.clone());
    let (_other, clna01) = real_volume("vs1-clna01").unwrap();
    let format1s = [("DLIBA1", format1s(&*volume)), ("CLNA01", format1s(&*clna01))];
    let mut proven = 0;
    for entry in catalog.list(&"**".parse().unwrap()).unwrap() {
        let volser = entry.volumes[0].volser.to_string();
        let known = format1s.iter().find(|(known, _)| *known == volser);
        if let (Some((_, format1s)), Some(dscb)) = (known, entry.dscb) {
            assert_eq!(format1s.get(&dscb).map(Format1::name), Some(entry.name));
            proven += 1;
        }
    }
    assert_eq!(proven, 11);
    let error = catalog.locate(&name("PRIV.MV")).unwrap_err();
    assert_eq!(error.reason(), Reason::EntryKind);
    assert!(error.sentence().contains("CLNA01"), "{error}");
    assert_eq!(lines(&catalog, "SYS1.P*"), ["SYS1.PARMLIB DLIBA1", "SYS1.PROCLIB DLIBA1"]);
    let check = catalog.check().unwrap();
    assert_eq!((check.used_count, check.data_set_count), (10, 26));
    assert!(check.damage.is_empty() && check.remarks.is_empty(), "{check:?}");
}

#[test]
fn a_catalog_made_by_dasdload_is_read_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let outcome = Command::new(program).args(arguments).current_dir(folder.path()).output();
        outcome.map(|output| output.status.success()).unwrap_or(false)
    };
    let control = "LOAD01 3350 *\nsysctlg cvol trk 4 0 0\nsys1.dump empty trk 5 5 0 ps u 0 6144 0\n\
                   sysvtoc vtoc trk 3\nsys1.logrec dip trk 3\n";
    std::fs::write(folder.path().join("control.txt"), control).unwrap();
    if !run("dasdload", &["control.txt", "load.cckd", "1"])
        || !run("dasdcopy", &["-o", "CKD", "load.cckd", "load.ckd"])
    {
        eprintln!("dasdload and dasdcopy are not there: their catalogs are not tested");
        return;
    }
    let volume = volume::open(&folder.path().join("load.ckd"), Access::Exclusive).unwrap();
    let catalog = sysctlg(volume);
    assert_eq!(lines(&catalog, "SYS1.D*"), ["SYS1.DUMP LOAD01"]);
    assert_eq!(lines(&catalog, "**").len(), 8);
    let entry = Random(3).entry(name("SYS1.NEW"));
    catalog.add(&entry, &NoJournal).unwrap();
    catalog.rename(&name("SYS1.DUMP"), &name("SYS1.DUMP.OLD"), &NoJournal).unwrap_err();
    catalog.rename(&name("SYS1.DUMP"), &name("SYS1.OLD.DUMP"), &NoJournal).unwrap();
    let check = catalog.check().unwrap();
    assert!(check.damage.is_empty() && check.remarks.is_empty(), "{check:?}");
    assert_eq!(check.data_set_count, 9);
}

#[test]
fn a_catalog_that_was_only_assumed_names_nothing() {
    let volume = Arc::new(MemoryVolume::new("CVOL01".parse().unwrap(), geometry()));
    let catalog = CvolCatalog::assumed_on(volume.clone());
    let at = name("A.B");
    assert!(catalog.locate(&at).is_err(), "there is no VTOC that could be read");
    initialize(&*volume, volume.volser(), None, "TEST").unwrap();
    assert_eq!(catalog.locate(&at).unwrap(), None);
    assert_eq!(catalog.list(&"**".parse().unwrap()).unwrap(), []);
    catalog.check_sound().unwrap();
    let entry = CatalogEntry { name: at, volumes: Vec::new(), dscb: None };
    assert_eq!(catalog.add(&entry, &NoJournal).unwrap_err().reason(), Reason::NoCatalog);
}
