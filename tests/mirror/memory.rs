//! A world in memory, with as many volumes as a test wants, for what does not depend on files.

use crate::desk::{Desk, Watch};
pub use crate::support::between::Between;
pub use crate::support::lead::to;
use crate::world::{PAYLOAD, fill, name, number_on, volser};
use std::collections::BTreeMap;
use std::sync::Arc;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::checkpoint::MemoryStore;
use trackmirror::clock::Clock;
use trackmirror::copy::CopyOptions;
use trackmirror::dscb::Format1;
use trackmirror::event::{Event, EventLog, EventSink};
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::host::{Host, Live};
use trackmirror::migrate::{Goal, Migration, MoveOptions, Selection, propose};
use trackmirror::monitor::{Area, Identity, MonitoredVolume};
use trackmirror::plan::Mode;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{
    DataSetDscbs, Expiration, Identity as DscbIdentity, NewDataSet, SpaceManager,
};
use trackmirror::{DsName, Result, Volser};

pub type Extents<'a> = &'a [(u32, u32)];

/// Volumes, a catalog on SYS001, and what is told to whom.
#[derive(Clone)]
pub struct Memory {
    pub volumes: BTreeMap<Volser, Arc<dyn Volume>>,
    pub areas: BTreeMap<Volser, Area>,
    pub catalog: Arc<CvolCatalog>,
    pub desk: Arc<Desk>,
    pub watch: Arc<Watch>,
    pub log: Arc<EventLog>,
    pub store: Arc<MemoryStore>,
    pub sources: Vec<Volser>,
    pub targets: Vec<Volser>,
}

impl Memory {
    pub fn new(sources: &[&str], targets: &[&str], cylinders: u32) -> Memory {
        Memory::of_device("3390", sources, targets, cylinders)
    }

    pub fn of_device(device: &str, sources: &[&str], targets: &[&str], cylinders: u32) -> Memory {
        let device = Device::named(device).unwrap();
        let geometry = Geometry { device, cylinders, slot_size: device.slot_size() };
        let make = |serial: &&str| -> (Volser, Arc<dyn Volume>) {
            let made = Arc::new(MemoryVolume::new(volser(serial), geometry));
            initialize(&*made, volser(serial), None, "TEST").unwrap();
            (volser(serial), made)
        };
        let mut volumes: BTreeMap<_, _> = sources.iter().chain(targets).map(make).collect();
        let (serial, system) = make(&"SYS001");
        volumes.insert(serial, system.clone());
        let mut areas = BTreeMap::new();
        for serial in sources.iter().map(|serial| volser(serial)) {
            let identity = Identity::of(&*volumes[&serial]).unwrap();
            areas.insert(serial, Area::in_process(identity).unwrap());
        }
        Memory {
            catalog: Arc::new(crate::world::make_catalog(system)),
            volumes,
            areas,
            desk: Desk::new(),
            watch: Arc::default(),
            log: Arc::default(),
            store: Arc::default(),
            sources: sources.iter().map(|serial| volser(serial)).collect(),
            targets: targets.iter().map(|serial| volser(serial)).collect(),
        }
    }

    fn space(&self, on: &str) -> VtocSpaceManager {
        VtocSpaceManager::new(self.volumes[&volser(on)].clone())
    }

    /// A data set with these parts; what each F1 says is up to `describe`. Its tracks are numbered from 1 on.
    pub fn data_set(
        &self,
        text: &str,
        parts: &[(&str, Extents)],
        describe: impl Fn(&mut Format1, usize),
    ) -> DsName {
        let (mut number, name) = (0, name(text));
        let mut volumes = Vec::new();
        for (place, (on, extents)) in parts.iter().enumerate() {
            let volume = &self.volumes[&volser(on)];
            let extents: Vec<Extent> =
                extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
            let mut format1 = Format1::new(name);
            format1.set_first_volser(volser(parts[0].0));
            format1.set_volume_sequence(place as u16 + 1);
            format1.set_creation_date([126, 0, 1]);
            format1.set_dsorg(Format1::DSORG_PS);
            format1.set_recfm(0x80);
            format1.set_blksize(PAYLOAD as u16);
            format1.set_lrecl(PAYLOAD as u16);
            format1.set_scal1(0x80);
            describe(&mut format1, place);
            let new = NewDataSet { format1, extents: extents.clone() };
            self.space(on).allocate(&new, &NoJournal).unwrap();
            let mut slot = vec![0; volume.slot_size()];
            for track in extents.iter().flat_map(|e| e.first.0..e.end().0).map(Track) {
                number += 1;
                fill(&mut slot, &**volume, track, number);
                volume.write(track, &slot).unwrap();
            }
            let unit_type = volume.geometry().device.unit_type();
            volumes.push(CatalogVolume { unit_type, volser: volser(on), file_sequence: 0 });
        }
        self.catalog.add(&CatalogEntry { name, volumes, dscb: None }, &NoJournal).unwrap();
        name
    }

    /// What a system notes in the F1 at a close.
    pub fn note(&self, name: DsName, on: &str, change: impl Fn(&mut Format1)) {
        let found = self.find(name, on).unwrap();
        let mut format1 = found.format1;
        change(&mut format1);
        self.space(on).update(&DscbIdentity::of(&found), &format1, &NoJournal).unwrap();
    }

    /// Scratches and uncatalogs a data set, behind every monitor.
    pub fn delete(&self, name: DsName, on: &str) {
        let found = self.find(name, on).unwrap();
        let identity = DscbIdentity::of(&found);
        self.space(on).scratch(&identity, Expiration::Ignore, &NoJournal).unwrap();
        self.catalog.delete(&name, &NoJournal).unwrap();
    }

    /// The machine was started again: the areas are gone.
    pub fn new_areas(&mut self) {
        for (serial, area) in &mut self.areas {
            let identity = Identity::of(&*self.volumes[serial]).unwrap();
            *area = Area::in_process(identity).unwrap();
        }
    }

    pub fn find(&self, name: DsName, on: &str) -> Option<DataSetDscbs> {
        self.space(on).find(&name).unwrap()
    }

    pub fn writer(&self, on: &str, image: &str) -> MonitoredVolume {
        let on = volser(on);
        MonitoredVolume::attach_in(self.volumes[&on].clone(), &self.areas[&on], image).unwrap()
    }

    /// A process's ports, over volumes that `wrap` puts something around.
    pub fn host(&self, wrap: impl Fn(Arc<dyn Volume>) -> Arc<dyn Volume>) -> Host {
        let ours = |(serial, volume): (&Volser, &Arc<dyn Volume>)| -> Arc<dyn Volume> {
            let volume = wrap(volume.clone());
            match self.areas.get(serial) {
                Some(area) => {
                    let image = format!("TRACKMIRROR-{}", self.watch.now().as_millis());
                    Arc::new(MonitoredVolume::attach_in(volume, area, &image).unwrap())
                }
                None => volume,
            }
        };
        let log = self.log.clone();
        let told = move |time: std::time::Duration, event: &Event| log.event(time, event);
        let live = Live {
            areas: self.areas.clone(),
            images: BTreeMap::new(),
            enqueue: self.desk.clone(),
            machines: Vec::new(),
        };
        let volumes = self.volumes.iter().map(ours).collect();
        let mut host = Host::of_volumes(volumes).unwrap().told_to(told).monitored_by(live);
        host.clock = self.watch.clone();
        host
    }

    /// A new migration of these data sets.
    pub fn begin(&self, masks: &[&str], mode: Mode, options: MoveOptions) -> Migration {
        self.begin_on(self.host(|volume| volume), masks, mode, options)
    }

    /// One whose targets get so many percent more space.
    pub fn begin_with_slack(&self, masks: &[&str], slack: u32) -> Migration {
        let (host, options) = (self.host(|volume| volume), MoveOptions::default());
        self.begin_as(host, masks, Mode::OnePrimary, options, slack)
    }

    pub fn begin_on(
        &self,
        host: Host,
        masks: &[&str],
        mode: Mode,
        options: MoveOptions,
    ) -> Migration {
        self.begin_as(host, masks, mode, options, 0)
    }

    fn begin_as(
        &self,
        host: Host,
        masks: &[&str],
        mode: Mode,
        options: MoveOptions,
        slack: u32,
    ) -> Migration {
        let masks: Vec<_> = masks.iter().map(|mask| mask.parse().unwrap()).collect();
        let selection = Selection {
            masks: &masks,
            sources: &self.sources,
            targets: &self.targets,
            mode,
            uncataloged: false,
            slack,
        };
        let (plan, refusals) = propose(&host, &selection).unwrap();
        assert!(refusals.is_empty(), "{refusals:?}");
        let mut migration = Migration::new(host, plan, options, self.store.clone(), None).unwrap();
        migration.set_goal(Goal::Tracks(0));
        migration
    }

    pub fn resume(&self, host: Host) -> Result<Migration> {
        let mut migration =
            Migration::resume(host, self.store.clone(), None, CopyOptions::default())?;
        migration.set_goal(Goal::Tracks(0));
        Ok(migration)
    }

    /// The numbers on the tracks of a data set, found by the catalog, and its volumes.
    pub fn numbers(&self, name: DsName) -> (Vec<Volser>, Vec<Option<u64>>) {
        let entry = self.catalog.locate(&name).unwrap().expect("it is cataloged");
        let volsers: Vec<Volser> = entry.volumes.iter().map(|volume| volume.volser).collect();
        let mut numbers = Vec::new();
        for volser in &volsers {
            let volume = &self.volumes[volser];
            let found = VtocSpaceManager::new(volume.clone()).find(&name).unwrap();
            let extents = found.expect("it is where the catalog says").extents;
            let tracks = extents.iter().flat_map(|e| e.first.0..e.end().0).map(Track);
            numbers.extend(tracks.map(|track| number_on(&**volume, track)));
        }
        (volsers, numbers)
    }

    /// That nobody is held, and no subscription or seal is left.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        assert!(self.desk.is_free(), "somebody is held");
        for area in self.areas.values() {
            assert!(area.subscriptions().is_empty(), "a subscription is left");
        }
    }
}

/// Numbers as they were made, with these changes: place and number.
pub fn numbered(count: u64, changes: &[(usize, u64)]) -> Vec<Option<u64>> {
    let mut numbers: Vec<Option<u64>> = (1..=count).map(Some).collect();
    changes.iter().for_each(|(place, number)| numbers[*place] = Some(*number));
    numbers
}
