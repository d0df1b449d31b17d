//! A world of image files that the emulator's tools can read: sources and a system volume with a catalog that
//! `dasdload` made, targets of our own, and a system that uses them.
//!
//! The system is what an operating system is: it finds data sets by the catalog, writes records, allocates and gives
//! back space, always through monitored volumes, and its applications remember every record that they wrote. Nothing
//! here looks at a migration. In the end the emulator's tools read what the catalog leads to.

use crate::support::desk::{Desk, Watch};
use crate::support::unflushed::Unflushed;
use crate::support::{self, volser};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tempfile::TempDir;
use trackmirror::Host;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::checkpoint::FileStore;
use trackmirror::copy::CopyOptions;
use trackmirror::dscb::Format1;
use trackmirror::enqueue::Enqueue;
use trackmirror::event::{Event, EventLog, EventSink};
use trackmirror::geometry::{Extent, Track};
use trackmirror::host::Live;
use trackmirror::migrate::{Goal, Migration, MoveOptions, Selection, propose};
use trackmirror::monitor::{Area, Identity, MonitoredVolume};
use trackmirror::plan::{Mode, Plan};
use trackmirror::track;
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::check::{Severity, Tracks, check};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{
    DataSetDscbs, Expiration, FreeSpace, Identity as DscbIdentity, NewDataSet, SpaceManager, Vtoc,
};
use trackmirror::{DsMask, DsName, Volser};

pub const DEVICE: &str = "3350";
pub const CYLINDERS: u32 = 20;
const LRECL: usize = 80;
const BLKSIZE: usize = 3120;
/// Blocks on a full track, and on the last one, where an end-of-file record follows them.
const BLOCKS: usize = 5;
const LAST_BLOCKS: usize = 2;
/// The volume with the catalog.
const SYSTEM: &str = "SYS001";
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
struct Ledger {
    volsers: Vec<Volser>,
    is_cataloged: bool,
    numbers: Vec<u64>,
}

/// Something that somebody does later.
pub type Deed = Box<dyn FnOnce() -> trackmirror::Result<()> + Send>;

/// What is asked of a migration.
pub struct Request<'a> {
    pub masks: &'a [&'a str],
    pub mode: Mode,
    pub uncataloged: bool,
    /// The images that must be covered on every source volume.
    pub images: &'a [&'a str],
    pub options: MoveOptions,
    /// Stands in for the desk, if it is there.
    pub enqueue: Option<Arc<dyn Enqueue>>,
    /// What is put around a target volume.
    pub wrap: &'a dyn Fn(Arc<dyn Volume>) -> Arc<dyn Volume>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request {
            masks: &["TEST.**"],
            mode: Mode::OnePrimary,
            uncataloged: false,
            images: &[SYSA],
            options: MoveOptions::default(),
            enqueue: None,
            wrap: &|volume| Arc::new(Unflushed(volume)),
        }
    }
}

/// See the [module](self).
pub struct World {
    folder: TempDir,
    pub sources: Vec<Volser>,
    pub targets: Vec<Volser>,
    pub areas: BTreeMap<Volser, Area>,
    pub desk: Arc<Desk>,
    pub watch: Arc<Watch>,
    pub log: Arc<EventLog>,
    attached: RefCell<BTreeMap<(String, Volser), Arc<dyn Volume>>>,
    /// Targets that a migration has for itself.
    opened: RefCell<BTreeMap<Volser, Weak<dyn Volume>>>,
    ledgers: RefCell<BTreeMap<DsName, Ledger>>,
    last_number: Cell<u64>,
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

    fn monitored(&self, image: &str, serial: Volser) -> Arc<dyn Volume> {
        let volume = self.sharing(&serial.to_string());
        Arc::new(MonitoredVolume::attach_in(volume, &self.areas[&serial], image).unwrap())
    }

    fn sharing(&self, serial: &str) -> Arc<dyn Volume> {
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

    // What the system does.

    pub fn space(&self, on: &str) -> VtocSpaceManager {
        VtocSpaceManager::new(self.volume(SYSA, on))
    }

    pub fn catalog(&self) -> CvolCatalog {
        CvolCatalog::find_on(self.sharing(SYSTEM)).unwrap().expect("dasdload made a SYSCTLG")
    }

    /// A sequential data set with these parts, full of records, and cataloged.
    pub fn make(&self, name: DsName, parts: &[(&str, Extents<'_>)]) {
        self.make_uncataloged(name, parts);
        self.add_entry(name);
    }

    pub fn make_uncataloged(&self, name: DsName, parts: &[(&str, Extents<'_>)]) {
        let volsers: Vec<Volser> = parts.iter().map(|(on, _)| volser(on)).collect();
        let ledger = Ledger { volsers: volsers.clone(), is_cataloged: false, numbers: Vec::new() };
        self.ledgers.borrow_mut().insert(name, ledger);
        for (number, (on, extents)) in parts.iter().enumerate() {
            self.allocate(name, on, volsers[0], number, extents);
        }
        self.fill_from(name, 0);
    }

    /// Space under a name of which no catalog and no application knows.
    pub fn make_stray(&self, name: DsName, on: &str, space: (u32, u32)) {
        self.allocate(name, on, volser(on), 0, &[space]);
    }

    fn allocate(&self, name: DsName, on: &str, first: Volser, number: usize, extents: Extents<'_>) {
        let mut format1 = Format1::new(name);
        format1.set_first_volser(first);
        format1.set_volume_sequence(number as u16 + 1);
        format1.set_creation_date([126, 0, 1]);
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_recfm(0x90);
        format1.set_blksize(BLKSIZE as u16);
        format1.set_lrecl(LRECL as u16);
        format1.set_scal1(0x80);
        format1.set_secondary([0, 0, 5]);
        let extents = extents.iter().copied().map(extent).collect();
        self.space(on).allocate(&NewDataSet { format1, extents }, &NoJournal).unwrap();
    }

    fn ledger(&self, name: DsName) -> Ledger {
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

    /// What a system notes in the F1s when a data set is closed behind its last place.
    fn close(&self, name: DsName) {
        let parts = self.parts(name);
        for (number, (on, found)) in parts.iter().enumerate() {
            let is_last = number + 1 == parts.len();
            let track_count = found.track_count();
            self.note(name, on, |format1| {
                let last_used = (track_count - 1, LAST_BLOCKS as u8);
                let blocks = [(0, BLKSIZE as u16)].repeat(LAST_BLOCKS);
                let balance = support::geometry(DEVICE, CYLINDERS).device.balance(blocks);
                format1.set_last_used(is_last.then_some(last_used));
                format1.set_balance(if is_last { balance as u16 } else { 0 });
                format1.set_indicators(if is_last { Format1::DSIND_LAST_VOLUME } else { 0 });
            });
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

    /// Gives back everything behind so many tracks of its last part, which it keeps one of at least.
    pub fn release(&self, name: DsName, track_count: u32) {
        let (on, found) = self.parts(name).pop().unwrap();
        let lost = (found.track_count() - track_count) as usize;
        let kept = self.ledger(name).numbers.len() - lost;
        self.ledgers.borrow_mut().get_mut(&name).unwrap().numbers.truncate(kept);
        self.write(SYSA, name, kept - 1);
        let identity = DscbIdentity::of(&found);
        self.space(&on).release(&identity, track_count, &NoJournal).unwrap();
        self.close(name);
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

    // What is seen.

    pub fn vtoc(&self, on: &str) -> Vtoc {
        Vtoc::read(&*self.reading(on)).unwrap()
    }

    pub fn find(&self, on: &str, name: DsName) -> Option<DataSetDscbs> {
        self.vtoc(on).find(&name).unwrap()
    }

    /// The extents of a data set on a volume.
    pub fn extents(&self, on: &str, name: DsName) -> Vec<(u32, u32)> {
        let found = self.find(on, name).unwrap_or_else(|| panic!("{name} on {on}"));
        found.extents.iter().map(|extent| (extent.first.0, extent.track_count)).collect()
    }

    /// The volumes to which the catalog leads from a name; none if it is not cataloged.
    pub fn looked_up(&self, name: DsName) -> Vec<String> {
        let entry = self.catalog().locate(&name).unwrap();
        let volumes = entry.map(|entry| entry.volumes).unwrap_or_default();
        volumes.iter().map(|volume| volume.volser.to_string()).collect()
    }

    /// Free tracks of a volume.
    pub fn free(&self, on: &str) -> u32 {
        FreeSpace::of(&self.vtoc(on)).unwrap().track_count()
    }

    /// The data sets of a volume with their tracks and extents, as the emulator's tool lists them.
    pub fn listed(&self, on: &str) -> BTreeMap<String, (u32, u32)> {
        let image = self.image(on);
        let text = support::tool("dasdls", ["-info".as_ref(), image.as_os_str()]);
        let listed = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |from_end: usize| -> Option<u32> {
                words.get(words.len().checked_sub(from_end)?)?.parse().ok()
            };
            // The tail of a line: tracks, percent used, extents, unit and number of the secondary request.
            Some((words.first()?.to_string(), (number(5)?, number(3)?)))
        };
        text.lines().filter_map(listed).collect()
    }

    /// What is listed of one data set.
    pub fn listed_one(&self, on: &str, name: DsName) -> Option<(u32, u32)> {
        self.listed(on).get(&name.to_string()).copied()
    }

    /// What every track of a volume holds: to see which ones somebody wrote.
    pub fn tracks(&self, on: &str) -> Vec<Vec<u8>> {
        let volume = self.reading(on);
        let track = |track| {
            let mut slot = vec![0; volume.slot_size()];
            volume.read(Track(track), &mut slot).unwrap();
            slot
        };
        (0..volume.geometry().track_count()).map(track).collect()
    }

    /// Everything that its applications wrote into it, in order.
    pub fn written(&self, name: DsName) -> Vec<u8> {
        let numbers = self.ledger(name).numbers;
        let (last, full) = numbers.split_last().unwrap();
        let mut bytes: Vec<u8> = full.iter().flat_map(|number| records(*number, BLOCKS)).collect();
        bytes.extend(records(*last, LAST_BLOCKS));
        bytes
    }

    /// What the emulator's tool reads of a data set on these volumes.
    pub fn read_by_tool(&self, name: DsName, on: &[&str]) -> Vec<u8> {
        let read = |serial: &&str| {
            let found = self.find(serial, name).unwrap_or_else(|| panic!("{name} on {serial}"));
            let unloaded = crate::moves::unload(&self.image(serial), &found.format1, name);
            unloaded.expect("the tool reads it").only().to_vec()
        };
        on.iter().flat_map(read).collect()
    }

    /// That a name leads to these volumes, and that the emulator's tools find and read there everything that was ever
    /// written into it.
    #[track_caller]
    pub fn assert_moved(&self, name: DsName, on: &[&str]) {
        if self.ledger(name).is_cataloged {
            assert_eq!(self.looked_up(name), on, "{name} is cataloged elsewhere");
        }
        for serial in on {
            assert!(self.listed(serial).contains_key(&name.to_string()), "{name} on {serial}");
        }
        for serial in self.sources.iter().map(Volser::to_string) {
            assert_eq!(self.listed_one(&serial, name), None, "{name} is still on {serial}");
        }
        assert!(self.read_by_tool(name, on) == self.written(name), "{name} reads otherwise");
    }

    /// That every volume is sound, each track of it belongs to what the emulator's tool lists or is free, and nothing
    /// of a migration is left.
    #[track_caller]
    pub fn assert_clean(&self) {
        let volsers = self.sources.iter().chain(&self.targets);
        for serial in volsers.map(Volser::to_string) {
            let findings = check(&*self.reading(&serial), Tracks::All).unwrap();
            let errors: Vec<_> =
                findings.iter().filter(|f| f.severity == Severity::Error).collect();
            assert!(errors.is_empty(), "{serial}: {errors:?}");
            let vtoc = self.vtoc(&serial);
            let listed: u32 = self.listed(&serial).values().map(|(tracks, _)| tracks).sum();
            let system = 1 + vtoc.extent.track_count;
            assert_eq!(listed + self.free(&serial) + system, vtoc.usable_track_count(), "{serial}");
        }
        assert_eq!(self.catalog().check().unwrap().damage, []);
        assert!(self.desk.is_free(), "somebody is held");
        for (serial, area) in &self.areas {
            assert!(area.subscriptions().is_empty(), "a subscription is left on {serial}");
        }
        let files = fs::read_dir(self.folder.path()).unwrap().flatten();
        let names: Vec<String> =
            files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|name| name.contains("unfinished")), "a note is left: {names:?}");
    }

    // The migration.

    /// Everything outside, for a process that migrates.
    pub fn host(&self, request: &Request<'_>) -> Host {
        let mut volumes: Vec<Arc<dyn Volume>> = vec![self.sharing(SYSTEM)];
        let process = format!("MIGRATOR-{}", self.watch_time());
        volumes.extend(self.sources.iter().map(|serial| self.monitored(&process, *serial)));
        for serial in &self.targets {
            let image = self.image(&serial.to_string());
            let volume = volume::open(&image, Access::Exclusive).unwrap();
            self.opened.borrow_mut().insert(*serial, Arc::downgrade(&volume));
            volumes.push((request.wrap)(volume));
        }
        let names: Vec<String> = request.images.iter().map(ToString::to_string).collect();
        let live = Live {
            areas: self.areas.clone(),
            images: self.sources.iter().map(|serial| (*serial, names.clone())).collect(),
            enqueue: request.enqueue.clone().unwrap_or_else(|| self.desk.clone()),
        };
        let log = self.log.clone();
        let told = move |time: Duration, event: &Event| log.event(time, event);
        let mut host = Host::of_volumes(volumes).unwrap().told_to(told).monitored_by(live);
        host.clock = self.watch.clone();
        host
    }

    fn watch_time(&self) -> u128 {
        trackmirror::clock::Clock::now(&*self.watch).as_millis()
    }

    /// What would be moved where.
    pub fn plan(&self, host: &Host, request: &Request<'_>) -> Plan {
        let masks: Vec<DsMask> = request.masks.iter().map(|mask| mask.parse().unwrap()).collect();
        let selection = Selection {
            masks: &masks,
            sources: &self.sources,
            targets: &self.targets,
            mode: request.mode,
            uncataloged: request.uncataloged,
        };
        let (plan, refusals) = propose(host, &selection).unwrap();
        assert!(refusals.is_empty(), "{refusals:?}");
        plan
    }

    /// A new migration.
    pub fn begin(&self, request: &Request<'_>) -> Migration {
        let host = self.host(request);
        let plan = self.plan(&host, request);
        let state = self.path("state");
        let store = FileStore::open(&state).unwrap();
        let options = request.options.clone();
        let mut migration = Migration::new(host, plan, options, store, Some(state)).unwrap();
        migration.set_goal(Goal::Tracks(0));
        migration
    }

    /// The next process takes it up.
    pub fn resume(&self, request: &Request<'_>) -> Migration {
        let state = self.path("state");
        let store = FileStore::open(&state).unwrap();
        let (host, options) = (self.host(request), CopyOptions::default());
        let mut migration = Migration::resume(host, store, Some(state), options).unwrap();
        migration.set_goal(Goal::Tracks(0));
        migration
    }

    /// The words of what happened so far.
    pub fn events(&self) -> Vec<&'static str> {
        self.log.events().iter().map(Event::name).collect()
    }
}

/// So many blocks of records that follow from a number.
fn records(number: u64, blocks: usize) -> Vec<u8> {
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
