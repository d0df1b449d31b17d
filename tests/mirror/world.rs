//! A small world for migrations of data sets that are written to meanwhile: volumes in a folder, a catalog, the registry,
//! writers, and who remembers what they wrote.

#![allow(dead_code)] // Each test uses its own part.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::checkpoint::FileStore;
use trackmirror::dscb::Format1;
use trackmirror::enqueue::{CallbackEnqueue, Enqueue, Opener};
use trackmirror::event::EventLog;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::host::{Host, Live};
use trackmirror::migrate::{Migration, MoveOptions, Selection, propose};
use trackmirror::monitor::{Area, Identity, MonitoredVolume};
use trackmirror::plan::{Mode, Plan};
use trackmirror::state::{State, Verb};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager};
use trackmirror::{DsName, Result, Volser, track};

pub const CYLINDERS: u32 = 40;
pub const PAYLOAD: usize = 400;

pub fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

pub fn volser(text: &str) -> Volser {
    text.parse().unwrap()
}

/// Volumes in a folder: SYS001 with a catalog, OLD001 with data sets, NEW001.
pub struct World {
    pub folder: TempDir,
    /// Its data sets, and where they lie on OLD001.
    pub data_sets: Vec<(DsName, Vec<Extent>)>,
}

impl World {
    /// With these data sets, each of extents given by first track and number of tracks.
    pub fn new(data_sets: &[(&str, &[(u32, u32)])]) -> World {
        World::of_cylinders(CYLINDERS, data_sets)
    }

    pub fn of_cylinders(cylinders: u32, data_sets: &[(&str, &[(u32, u32)])]) -> World {
        let folder = crate::support::folder();
        let world = World { folder, data_sets: Vec::new() };
        let make = |serial: &str| world.make_volume(serial, cylinders);
        let (system, old) = (make("SYS001"), make("OLD001"));
        make("NEW001");
        let catalog = make_catalog(system);
        let mut made = Vec::new();
        for (data_set, extents) in data_sets {
            let extents: Vec<Extent> =
                extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
            let data_set = name(data_set);
            allocate(&old, data_set, &extents);
            let unit_type = old.geometry().device.unit_type();
            let volumes = vec![CatalogVolume { unit_type, volser: old.volser(), file_sequence: 0 }];
            let entry = CatalogEntry { name: data_set, volumes, dscb: None };
            catalog.add(&entry, &NoJournal).unwrap();
            let mut slot = vec![0; old.slot_size()];
            for track in extents.iter().flat_map(|e| e.first.0..e.end().0).map(Track) {
                fill(&mut slot, &*old, track, 0);
                old.write(track, &slot).unwrap();
            }
            made.push((data_set, extents));
        }
        World { data_sets: made, ..world }
    }

    fn make_volume(&self, serial: &str, cylinders: u32) -> Arc<dyn Volume> {
        let device = Device::named("3390").unwrap();
        let geometry = Geometry { device, cylinders, slot_size: device.slot_size() };
        let made = CkdVolume::create(&self.image(serial), geometry, volser(serial)).unwrap();
        let made: Arc<dyn Volume> = Arc::new(made);
        initialize(&*made, volser(serial), None, "TEST").unwrap();
        made
    }

    pub fn image(&self, serial: &str) -> PathBuf {
        self.folder.path().join(serial)
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn registry(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    /// The monitor area of OLD001.
    pub fn area(&self) -> Area {
        self.area_of("OLD001")
    }

    /// The monitor area of a volume that nobody has for himself alone, or we do.
    pub fn area_of(&self, serial: &str) -> Area {
        let path = self.image(serial);
        let metadata = std::fs::metadata(&path).unwrap();
        let like = volume::open(&self.image("OLD001"), Access::Read).unwrap();
        let (device, inode) = (metadata.dev(), metadata.ino());
        let identity = Identity::of(&*like).unwrap();
        let identity = Identity { volser: *volser(serial).as_bytes(), device, inode, ..identity };
        Area::open_in(&self.registry(), identity).unwrap()
    }

    /// OLD001 for a writer under this name.
    pub fn monitored(&self, image: &str) -> Arc<MonitoredVolume> {
        self.monitored_on("OLD001", image)
    }

    /// A volume for a writer under this name.
    pub fn monitored_on(&self, serial: &str, image: &str) -> Arc<MonitoredVolume> {
        let volume = volume::open(&self.image(serial), Access::MonitoredWrite).unwrap();
        Arc::new(MonitoredVolume::attach_in(volume, &self.area_of(serial), image).unwrap())
    }

    /// Everything outside, for a migration that needs these images.
    pub fn host(&self, images: &[&str], enqueue: Arc<dyn Enqueue>, log: &Arc<EventLog>) -> Host {
        let mut volumes: Vec<Arc<dyn Volume>> = vec![self.monitored("TRACKMIRROR")];
        for serial in ["SYS001", "NEW001"] {
            volumes.push(volume::open(&self.image(serial), Access::Exclusive).unwrap());
        }
        let log = log.clone();
        let live = Live {
            machines: Vec::new(),
            areas: BTreeMap::from([(volser("OLD001"), self.area())]),
            images: BTreeMap::from([(
                volser("OLD001"),
                images.iter().map(ToString::to_string).collect(),
            )]),
            enqueue,
        };
        let told = move |time: Duration, event: &trackmirror::event::Event| {
            trackmirror::event::EventSink::event(&*log, time, event);
        };
        Host::of_volumes(volumes).unwrap().told_to(told).monitored_by(live)
    }

    /// The plan of everything.
    pub fn plan(&self, host: &Host) -> Plan {
        let masks = ["TEST.**".parse().unwrap()];
        let selection = Selection {
            masks: &masks,
            sources: &[volser("OLD001")],
            targets: &[volser("NEW001")],
            mode: Mode::OnePrimary,
            uncataloged: false,
            slack: 0,
        };
        let (plan, refusals) = propose(host, &selection).unwrap();
        assert!(refusals.is_empty(), "{refusals:?}");
        plan
    }

    pub fn migration(&self, host: Host, options: MoveOptions) -> Migration {
        let plan = self.plan(&host);
        let store = FileStore::open(&self.state()).unwrap();
        Migration::new(host, plan, options, store, Some(self.state())).unwrap()
    }

    pub fn tracks(&self) -> Vec<Track> {
        let extents = self.data_sets.iter().flat_map(|(_, extents)| extents);
        extents.flat_map(|extent| extent.first.0..extent.end().0).map(Track).collect()
    }

    /// The sequence number on each track of each data set now, found by its name, with whether it is whole.
    pub fn present(&self, serial: &str) -> BTreeMap<DsName, Vec<Option<u64>>> {
        let volume = volume::open(&self.image(serial), Access::Read).unwrap();
        let vtoc = VtocSpaceManager::new(volume.clone()).read().unwrap();
        let mut present = BTreeMap::new();
        for (data_set, _) in &self.data_sets {
            let Some(found) = vtoc.find(data_set).unwrap() else { continue };
            let tracks = found.extents.iter().flat_map(|e| e.first.0..e.end().0).map(Track);
            present.insert(*data_set, tracks.map(|track| number_on(&*volume, track)).collect());
        }
        present
    }

    /// That the catalog leads here.
    pub fn assert_cataloged_on(&self, data_set: DsName, serial: &str) {
        let system = volume::open(&self.image("SYS001"), Access::Read).unwrap();
        let catalog = CvolCatalog::find_on(system).unwrap().unwrap();
        let entry = catalog.locate(&data_set).unwrap().expect("it is cataloged");
        assert_eq!(entry.volumes[0].volser, volser(serial), "{data_set}");
    }
}

pub fn make_catalog(volume: Arc<dyn Volume>) -> CvolCatalog {
    let extents = vec![Extent::new(Track(15), 45)];
    let mut format1 = Format1::new(name("SYSCTLG"));
    format1.set_first_volser(volume.volser());
    format1.set_volume_sequence(1);
    format1.set_creation_date([126, 0, 1]);
    format1.set_scal1(0x80);
    let new = NewDataSet { format1, extents: extents.clone() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
    CvolCatalog::format(volume, extents).unwrap()
}

pub fn allocate(volume: &Arc<dyn Volume>, data_set: DsName, extents: &[Extent]) {
    let track_count: u32 = extents.iter().map(|extent| extent.track_count).sum();
    let mut format1 = Format1::new(data_set);
    format1.set_first_volser(volume.volser());
    format1.set_volume_sequence(1);
    format1.set_creation_date([126, 0, 1]);
    format1.set_dsorg(Format1::DSORG_DA);
    format1.set_recfm(0x80);
    format1.set_blksize(PAYLOAD as u16);
    format1.set_lrecl(PAYLOAD as u16);
    format1.set_scal1(0x80);
    format1.set_last_used(Some((track_count - 1, 1)));
    let new = NewDataSet { format1, extents: extents.to_vec() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
}

/// Makes the image of a track whose every record carries this number.
pub fn fill(slot: &mut [u8], volume: &dyn Volume, track: Track, number: u64) {
    let record = number.to_be_bytes().repeat(PAYLOAD / 8);
    let records: Vec<(&[u8], &[u8])> = (0..8).map(|_| (&[][..], record.as_slice())).collect();
    track::build(slot, volume.place(track), &records).unwrap();
}

/// The number that all records of a track carry; `None` if it is torn.
pub fn number_on(volume: &dyn Volume, track: Track) -> Option<u64> {
    let slot = volume.read_track(track).ok()?;
    let mut numbers = Vec::new();
    for record in track::records(&slot) {
        let record = record.ok()?;
        if record.number != 0 {
            let words = record.data.chunks_exact(8);
            numbers.extend(words.map(|word| u64::from_be_bytes(word.try_into().unwrap())));
        }
    }
    let first = *numbers.first()?;
    (numbers.len() == 8 * PAYLOAD / 8 && numbers.iter().all(|n| *n == first)).then_some(first)
}

/// Threads that write, each its own tracks, and remember what was acknowledged.
pub struct Writers {
    pub stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeMap<Track, u64>>>,
    running: Arc<Mutex<Vec<String>>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Writers {
    /// Begins to write these tracks, as many at a time as there are images, with a pause between two writes.
    pub fn begin(world: &World, images: &[&str], tracks: &[Track], pause: Duration) -> Writers {
        let volumes = images.iter().map(|image| world.monitored(image)).collect();
        Writers::through(volumes, tracks, pause)
    }

    /// The same through volumes that are monitored already.
    pub fn through(
        volumes: Vec<Arc<MonitoredVolume>>,
        tracks: &[Track],
        pause: Duration,
    ) -> Writers {
        let writers = Writers {
            stop: Arc::default(),
            acknowledged: Arc::default(),
            running: Arc::default(),
            threads: Vec::new(),
        };
        let mut threads = Vec::new();
        let count = volumes.len();
        for (number, volume) in volumes.into_iter().enumerate() {
            let own: Vec<Track> = tracks.iter().copied().skip(number).step_by(count).collect();
            let (stop, acknowledged) = (writers.stop.clone(), writers.acknowledged.clone());
            let (running, image) = (writers.running.clone(), volume.image().name().to_string());
            running.lock().push(image.clone());
            threads.push(std::thread::spawn(move || {
                hammer(&volume, &own, &stop, &acknowledged, pause, number as u64);
                running.lock().retain(|other| *other != image);
            }));
        }
        Writers { threads, ..writers }
    }

    /// One writer that changes these tracks in turn, so many in a second.
    pub fn at_rate(world: &World, image: &str, tracks: &[Track], rate: u32) -> Writers {
        let writers = Writers {
            stop: Arc::default(),
            acknowledged: Arc::default(),
            running: Arc::default(),
            threads: Vec::new(),
        };
        let (stop, acknowledged) = (writers.stop.clone(), writers.acknowledged.clone());
        let (running, image) = (writers.running.clone(), image.to_string());
        let (volume, tracks) = (world.monitored(&image), tracks.to_vec());
        running.lock().push(image);
        let thread = std::thread::spawn(move || {
            let mut slot = vec![0; volume.slot_size()];
            let begun = std::time::Instant::now();
            let mut number = 0u64;
            while !stop.load(Ordering::SeqCst) {
                let due = (begun.elapsed().as_secs_f64() * f64::from(rate)) as u64;
                if number >= due {
                    std::thread::sleep(Duration::from_micros(500));
                    continue;
                }
                let track = tracks[number as usize % tracks.len()];
                number += 1;
                fill(&mut slot, &*volume, track, number);
                volume.write(track, &slot).unwrap();
                acknowledged.lock().insert(track, number);
            }
            running.lock().clear();
        });
        Writers { threads: vec![thread], ..writers }
    }

    /// An enqueue that these writers obey.
    pub fn enqueue(&self) -> Arc<dyn Enqueue> {
        let (stop, running) = (self.stop.clone(), self.running.clone());
        Arc::new(CallbackEnqueue {
            ask_to_close: Box::new(move |_, _| {
                stop.store(true, Ordering::SeqCst);
                Ok(())
            }),
            is_closed: Box::new(move |_, _| {
                let opener = |image: &String| Opener {
                    image: image.clone(),
                    program: "writer".into(),
                    process: None,
                    data_set: None,
                };
                Ok(running.lock().iter().map(opener).collect())
            }),
            hold: Box::new(|_, _| Ok(())),
            release: Box::new(|_, _| Ok(())),
        })
    }

    /// What was acknowledged last on each track, after all writers have ended.
    pub fn end(self) -> BTreeMap<Track, u64> {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        std::mem::take(&mut *self.acknowledged.lock())
    }
}

fn hammer(
    volume: &MonitoredVolume,
    tracks: &[Track],
    stop: &AtomicBool,
    acknowledged: &Mutex<BTreeMap<Track, u64>>,
    pause: Duration,
    seed: u64,
) {
    let mut slot = vec![0; volume.slot_size()];
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut number = 1;
    while !stop.load(Ordering::SeqCst) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let track = tracks[random as usize % tracks.len()];
        fill(&mut slot, volume, track, number);
        volume.write(track, &slot).unwrap();
        acknowledged.lock().insert(track, number);
        number += 1;
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }
}

/// Nobody has anything open.
pub fn nobody() -> Arc<dyn Enqueue> {
    Arc::new(trackmirror::enqueue::NobodyElse)
}

/// Leads a migration to its end.
pub fn lead(migration: &mut Migration) -> Result<()> {
    while let Some(verb) = migration.next_verb() {
        migration.perform(verb, 100)?;
        if verb == Verb::Step && migration.state() != State::Copying {
            std::thread::sleep(migration.pause().min(Duration::from_millis(5)));
        }
    }
    Ok(())
}

/// That every write which was acknowledged is on the volume, whole, and no older one.
pub fn assert_all_there(world: &World, serial: &str, acknowledged: &BTreeMap<Track, u64>) {
    let present = world.present(serial);
    for (data_set, extents) in &world.data_sets {
        let tracks = extents.iter().flat_map(|e| e.first.0..e.end().0).map(Track);
        for (track, found) in tracks.zip(&present[data_set]) {
            let expected = acknowledged.get(&track).copied().unwrap_or(0);
            assert_eq!(*found, Some(expected), "{data_set}, source track {}", track.0);
        }
    }
}

/// Whether a folder holds a file whose name contains this.
pub fn has_file(folder: &Path, part: &str) -> bool {
    let files = std::fs::read_dir(folder).unwrap();
    files.flatten().any(|file| file.file_name().to_string_lossy().contains(part))
}
