//! A world of image files that the emulator's tools can read: sources and a system volume with a catalog that
//! `dasdload` made, targets of our own, and a system that uses them.
//!
//! The system is what an operating system is: it finds data sets by the catalog, writes records, allocates and gives
//! back space, always through monitored volumes, and its applications remember every record that they wrote. Nothing
//! here looks at a migration. In the end the emulator's tools read what the catalog leads to.

use crate::support::desk::{Desk, Watch};
use crate::support::library::write_members;
use crate::support::unflushed::Unflushed;
use crate::support::{self, volser};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use tempfile::TempDir;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::event::EventLog;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{Area, Identity, MonitoredVolume};
use trackmirror::track;
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{
    DataSetDscbs, Expiration, Identity as DscbIdentity, NewDataSet, SpaceManager,
};
use trackmirror::{DsName, Volser};

pub const DEVICE: &str = "3350";
pub const CYLINDERS: u32 = 20;
const LRECL: usize = 80;
const BLKSIZE: usize = 3120;
/// Blocks on a full track, and on the last one, where an end-of-file record follows them.
pub const BLOCKS: usize = 5;
pub const LAST_BLOCKS: usize = 2;
/// The volume with the catalog.
pub const SYSTEM: &str = "SYS001";
/// Who makes allocation changes.
pub const SYSA: &str = "SYSA";

/// Extents by first track and number of tracks.
pub type Extents<'a> = &'a [(u32, u32)];

pub fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

pub fn extent((first, count): (u32, u32)) -> Extent {
    Extent::new(Track(first), count)
}

/// What an application knows of its data set: its volumes, and what it wrote last on each used track.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub volsers: Vec<Volser>,
    pub is_cataloged: bool,
    pub numbers: Vec<u64>,
}

/// Something that somebody does later.
pub type Deed = Box<dyn FnOnce() -> trackmirror::Result<()> + Send>;

/// See the [module](self).
pub struct World {
    pub folder: TempDir,
    pub sources: Vec<Volser>,
    pub targets: Vec<Volser>,
    pub areas: BTreeMap<Volser, Area>,
    pub desk: Arc<Desk>,
    pub watch: Arc<Watch>,
    pub log: Arc<EventLog>,
    attached: RefCell<BTreeMap<(String, Volser), Arc<dyn Volume>>>,
    /// Targets that a migration has for itself.
    pub opened: RefCell<BTreeMap<Volser, Weak<dyn Volume>>>,
    ledgers: RefCell<BTreeMap<DsName, Ledger>>,
    last_number: Cell<u64>,
    /// The day of the year 2026 on which data sets are created.
    pub day: Cell<u8>,
}

impl World {
    pub fn new(sources: &[&str], targets: &[&str]) -> World {
        let mut world = World {
            folder: support::folder(),
            sources: sources.iter().map(|serial| volser(serial)).collect(),
            targets: targets.iter().map(|serial| volser(serial)).collect(),
            areas: BTreeMap::new(),
            desk: Desk::new(),
            watch: Arc::default(),
            log: Arc::default(),
            attached: RefCell::default(),
            opened: RefCell::default(),
            ledgers: RefCell::default(),
            last_number: Cell::default(),
            day: Cell::new(1),
        };
        world.load(SYSTEM, "sysctlg cvol trk 4 0 0");
        sources.iter().for_each(|serial| world.load(serial, ""));
        for serial in targets {
            let geometry = support::geometry(DEVICE, CYLINDERS);
            let made = CkdVolume::create(&world.image(serial), geometry, volser(serial)).unwrap();
            initialize(&made, volser(serial), None, "TEST").unwrap();
        }
        for serial in world.sources.clone() {
            let volume = world.reading(&serial.to_string());
            let identity = Identity::of(&*volume).unwrap();
            let area = Area::open_in(&world.path("registry"), identity).unwrap();
            world.areas.insert(serial, area);
        }
        world.attach(SYSA);
        world
    }

    fn load(&self, serial: &str, data_sets: &str) {
        let control = self.path(&format!("{serial}.txt"));
        let text = format!("{serial} {DEVICE} {CYLINDERS}\n{data_sets}\nsysvtoc vtoc trk 3\n");
        fs::write(&control, text).unwrap();
        support::tool("dasdload", [control.as_os_str(), self.image(serial).as_os_str()]);
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn image(&self, serial: &str) -> PathBuf {
        self.path(&format!("{serial}.ckd"))
    }

    /// A volume for looking at it: a target that a migration has for itself, through its eyes.
    pub fn reading(&self, serial: &str) -> Arc<dyn Volume> {
        let target = self.opened.borrow().get(&volser(serial)).and_then(Weak::upgrade);
        if let Some(target) = target {
            return target;
        }
        volume::open(&self.image(serial), Access::Read).unwrap()
    }

    /// Lets an image write to every source volume.
    pub fn attach(&self, image: &str) {
        for serial in &self.sources {
            let volume = self.monitored(image, *serial);
            self.attached.borrow_mut().insert((image.into(), *serial), volume);
        }
    }

    pub fn monitored(&self, image: &str, serial: Volser) -> Arc<dyn Volume> {
        let volume = self.sharing(&serial.to_string());
        Arc::new(MonitoredVolume::attach_in(volume, &self.areas[&serial], image).unwrap())
    }

    pub fn sharing(&self, serial: &str) -> Arc<dyn Volume> {
        let volume = volume::open(&self.image(serial), Access::MonitoredWrite).unwrap();
        Arc::new(Unflushed(volume))
    }

    /// A source volume as this image has it.
    pub fn volume(&self, image: &str, serial: &str) -> Arc<dyn Volume> {
        self.attached.borrow()[&(image.to_string(), volser(serial))].clone()
    }

    /// Leaves only this run of tracks free on a target.
    pub fn leave_free(&self, on: &str, hole: (u32, u32)) {
        let volume = volume::open(&self.image(on), Access::Exclusive).unwrap();
        support::space::leave_free(volume, &[extent(hole)]);
    }

    /// Allocates space on a target that a migration has for itself: its free space is nobody's.
    pub fn take_space(&self, on: &str, name: &str, space: (u32, u32)) {
        let mut format1 = Format1::new(self::name(name));
        format1.set_scal1(0x80);
        let new = NewDataSet { format1, extents: vec![extent(space)] };
        VtocSpaceManager::new(self.reading(on)).allocate(&new, &NoJournal).unwrap();
    }

    // What the system does.

    pub fn space(&self, on: &str) -> VtocSpaceManager {
        VtocSpaceManager::new(self.volume(SYSA, on))
    }

    pub fn catalog(&self) -> CvolCatalog {
        CvolCatalog::find_on(self.sharing(SYSTEM)).unwrap().expect("dasdload made a SYSCTLG")
    }

    /// A sequential data set with these parts, full of records, and cataloged.
    pub fn make(&self, name: DsName, parts: &[(&str, Extents<'_>)]) {
        self.make_as(true, name, parts);
    }

    pub fn make_as(&self, is_cataloged: bool, name: DsName, parts: &[(&str, Extents<'_>)]) {
        let volsers: Vec<Volser> = parts.iter().map(|(on, _)| volser(on)).collect();
        let ledger = Ledger { volsers: volsers.clone(), is_cataloged: false, numbers: Vec::new() };
        self.ledgers.borrow_mut().insert(name, ledger);
        for (number, (on, extents)) in parts.iter().enumerate() {
            self.allocate(name, on, volsers[0], number, extents);
        }
        self.fill_from(name, 0);
        if is_cataloged {
            self.add_entry(name);
        }
    }

    /// Space under a name of which no catalog and no application knows.
    pub fn make_stray(&self, name: DsName, on: &str, space: (u32, u32)) {
        self.allocate(name, on, volser(on), 0, &[space]);
    }

    fn allocate(&self, name: DsName, on: &str, first: Volser, number: usize, extents: Extents<'_>) {
        let mut format1 = Format1::new(name);
        format1.set_first_volser(first);
        format1.set_volume_sequence(number as u16 + 1);
        format1.set_creation_date([126, 0, self.day.get()]);
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_recfm(0x90);
        format1.set_blksize(BLKSIZE as u16);
        format1.set_lrecl(LRECL as u16);
        format1.set_scal1(0x80);
        format1.set_secondary([0, 0, 5]);
        let extents = extents.iter().copied().map(extent).collect();
        self.space(on).allocate(&NewDataSet { format1, extents }, &NoJournal).unwrap();
    }

    pub fn ledger(&self, name: DsName) -> Ledger {
        self.ledgers.borrow()[&name].clone()
    }

    /// Makes the entry that leads to where the data set is.
    fn add_entry(&self, name: DsName) {
        let entry = self.entry(name, &self.ledger(name).volsers);
        self.catalog().add(&entry, &NoJournal).unwrap();
        self.ledgers.borrow_mut().get_mut(&name).unwrap().is_cataloged = true;
    }

    pub fn entry(&self, name: DsName, volsers: &[Volser]) -> CatalogEntry {
        let unit_type = support::geometry(DEVICE, CYLINDERS).device.unit_type();
        let volume =
            |serial: &Volser| CatalogVolume { unit_type, volser: *serial, file_sequence: 0 };
        CatalogEntry { name, volumes: volsers.iter().map(volume).collect(), dscb: None }
    }

    /// Its DSCBs on its source volumes, in order.
    fn parts(&self, name: DsName) -> Vec<(String, DataSetDscbs)> {
        let volsers = self.ledger(name).volsers;
        let found = |serial: &Volser| {
            let on = serial.to_string();
            let found = self.find(&on, name).unwrap_or_else(|| panic!("{name} on {on}"));
            (on, found)
        };
        volsers.iter().map(found).collect()
    }

    /// The volume and track of each of its places.
    pub fn places(&self, name: DsName) -> Vec<(String, Track)> {
        let parts = self.parts(name).into_iter();
        let tracks = |(on, found): (String, DataSetDscbs)| {
            let extents = found.extents.into_iter();
            let tracks = extents.flat_map(|e| e.first.0..e.end().0);
            tracks.map(move |track| (on.clone(), Track(track))).collect::<Vec<_>>()
        };
        parts.flat_map(tracks).collect()
    }

    /// Writes the records of one place anew, as this image.
    pub fn write(&self, image: &str, name: DsName, place: usize) {
        self.later(image, name, place)().unwrap();
    }

    /// The same, whenever it is called, which must be before the place is written again or moves.
    pub fn later(&self, image: &str, name: DsName, place: usize) -> Deed {
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        let deed = self.image_of(image, name, place, number);
        self.ledgers.borrow_mut().get_mut(&name).unwrap().numbers[place] = number;
        deed
    }

    /// A write that must not succeed: it leaves nothing in the application's memory.
    pub fn try_write(&self, image: &str, name: DsName, place: usize) -> trackmirror::Result<()> {
        self.image_of(image, name, place, u64::MAX)()
    }

    fn image_of(&self, image: &str, name: DsName, place: usize, number: u64) -> Deed {
        let (on, track) = self.places(name).swap_remove(place);
        let volume = self.volume(image, &on);
        let is_last = place + 1 == self.ledger(name).numbers.len();
        let bytes = records(number, if is_last { LAST_BLOCKS } else { BLOCKS });
        let mut blocks: Vec<(&[u8], &[u8])> =
            bytes.chunks(BLKSIZE).map(|block| (&[][..], block)).collect();
        if is_last {
            blocks.push((&[], &[]));
        }
        let mut slot = vec![0; volume.slot_size()];
        track::build(&mut slot, volume.place(track), &blocks).unwrap();
        Box::new(move || volume.write(track, &slot))
    }

    /// Writes every place from this one on, and closes.
    fn fill_from(&self, name: DsName, place: usize) {
        let count = self.places(name).len();
        self.ledgers.borrow_mut().get_mut(&name).unwrap().numbers.resize(count, 0);
        (place..count).for_each(|place| self.write(SYSA, name, place));
        self.close(name);
    }

    /// What a system notes in the F1s when a data set is closed behind what was written last.
    fn close(&self, name: DsName) {
        let (parts, mut used) = (self.parts(name), self.ledger(name).numbers.len() as u32);
        for (number, (on, found)) in parts.iter().enumerate() {
            let is_last = number + 1 == parts.len();
            self.note(name, on, |format1| {
                let blocks = [(0, BLKSIZE as u16)].repeat(LAST_BLOCKS);
                let balance = support::geometry(DEVICE, CYLINDERS).device.balance(blocks);
                format1.set_last_used(is_last.then_some((used - 1, LAST_BLOCKS as u8)));
                format1.set_balance(if is_last { balance as u16 } else { 0 });
                format1.set_indicators(if is_last { Format1::DSIND_LAST_VOLUME } else { 0 });
            });
            used = used.saturating_sub(found.track_count());
        }
    }

    /// Changes what an F1 says.
    pub fn note(&self, name: DsName, on: &str, change: impl Fn(&mut Format1)) {
        let found = self.find(on, name).unwrap();
        let mut format1 = found.format1;
        change(&mut format1);
        self.space(on).update(&DscbIdentity::of(&found), &format1, &NoJournal).unwrap();
    }

    /// Extends it by this space, as a part of its own where it has none, and writes to the end.
    pub fn extend(&self, name: DsName, on: &str, by: (u32, u32)) {
        let (before, serial) = (self.ledger(name), volser(on));
        if before.volsers.contains(&serial) {
            let found = self.find(on, name).unwrap();
            let by = [extent(by)];
            self.space(on).extend(&DscbIdentity::of(&found), &by, &NoJournal).unwrap();
        } else {
            self.allocate(name, on, before.volsers[0], before.volsers.len(), &[by]);
            let volsers = [&before.volsers[..], &[serial]].concat();
            if before.is_cataloged {
                let (from, to) = (self.entry(name, &before.volsers), self.entry(name, &volsers));
                self.catalog().recatalog(&from, &to, &NoJournal).unwrap();
            }
            self.ledgers.borrow_mut().get_mut(&name).unwrap().volsers = volsers;
        }
        self.fill_from(name, before.numbers.len() - 1);
    }

    /// Extends a part that is not the last one, and writes what came: everything behind has other places then.
    pub fn extend_inside(&self, name: DsName, on: &str, by: (u32, u32)) {
        let found = self.find(on, name).unwrap();
        let (identity, space) = (DscbIdentity::of(&found), [extent(by)]);
        self.space(on).extend(&identity, &space, &NoJournal).unwrap();
        let places = self.places(name);
        let came: Vec<usize> = (0..places.len())
            .filter(|place| places[*place].0 == on && space[0].contains(places[*place].1))
            .collect();
        let mut ledgers = self.ledgers.borrow_mut();
        let numbers = &mut ledgers.get_mut(&name).unwrap().numbers;
        came.iter().for_each(|place| numbers.insert(*place, 0));
        drop(ledgers);
        came.into_iter().for_each(|place| self.write(SYSA, name, place));
    }

    /// Gives back everything behind so many tracks of its last part, which it keeps one of at least.
    pub fn release(&self, name: DsName, track_count: u32) {
        let (on, found) = self.parts(name).pop().unwrap();
        let lost = (found.track_count() - track_count) as usize;
        let kept = self.ledger(name).numbers.len() - lost;
        self.ledgers.borrow_mut().get_mut(&name).unwrap().numbers.truncate(kept);
        self.write(SYSA, name, kept - 1);
        self.close(name);
        let identity = DscbIdentity::of(&found);
        self.space(&on).release(&identity, track_count, &NoJournal).unwrap();
    }

    /// Scratches its last part, and says so in the catalog.
    pub fn drop_last_part(&self, name: DsName) {
        let before = self.ledger(name);
        let (on, found) = self.parts(name).pop().unwrap();
        self.scratch_part(&on, &found);
        let volsers = before.volsers[..before.volsers.len() - 1].to_vec();
        if before.is_cataloged {
            let (from, to) = (self.entry(name, &before.volsers), self.entry(name, &volsers));
            self.catalog().recatalog(&from, &to, &NoJournal).unwrap();
        }
        let kept = before.numbers.len() - found.track_count() as usize;
        let numbers = before.numbers[..kept].to_vec();
        self.ledgers.borrow_mut().insert(name, Ledger { volsers, numbers, ..before });
        self.write(SYSA, name, kept - 1);
        self.close(name);
    }

    fn scratch_part(&self, on: &str, found: &DataSetDscbs) {
        let identity = DscbIdentity::of(found);
        self.space(on).scratch(&identity, Expiration::Ignore, &NoJournal).unwrap();
    }

    /// Scratches and uncatalogs it.
    pub fn delete(&self, name: DsName) {
        self.parts(name).iter().for_each(|(on, found)| self.scratch_part(on, found));
        let ledger = self.ledgers.borrow_mut().remove(&name).unwrap();
        if ledger.is_cataloged {
            self.catalog().delete(&name, &NoJournal).unwrap();
        }
    }

    /// Renames it on its volumes and in the catalog.
    pub fn rename(&self, from: DsName, to: DsName) {
        for (on, found) in self.parts(from) {
            self.space(&on).rename(&DscbIdentity::of(&found), &to, &NoJournal).unwrap();
        }
        let ledger = self.ledgers.borrow_mut().remove(&from).unwrap();
        if ledger.is_cataloged {
            self.catalog().rename(&from, &to, &NoJournal).unwrap();
        }
        self.ledgers.borrow_mut().insert(to, ledger);
    }

    /// A library with members, cataloged; the characters are those of [`write_members`].
    pub fn make_library(&self, name: DsName, on: &str, space: (u32, u32), characters: [u8; 3]) {
        self.make_stray(name, on, space);
        self.note(name, on, |format1| format1.set_dsorg(Format1::DSORG_PO));
        write_members(&self.volume(SYSA, on), &name, characters);
        let numbers = Vec::new();
        let ledger = Ledger { volsers: vec![volser(on)], is_cataloged: false, numbers };
        self.ledgers.borrow_mut().insert(name, ledger);
        self.add_entry(name);
    }
}

/// So many blocks of records that follow from a number.
pub fn records(number: u64, blocks: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(blocks * BLKSIZE);
    while bytes.len() < blocks * BLKSIZE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_be_bytes());
    }
    bytes
}
