//! The promise that the only copy of a data set is never scratched, whatever older state is taken up: of the migration,
//! or of one of its volumes.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{assert_refused, geometry, volser};
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::checkpoint::{Checkpoint, CheckpointStore, MemoryStore};
use trackmirror::copy::CopyOptions;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Geometry, Track};
use trackmirror::host::Host;
use trackmirror::migrate::{Migration, MoveOptions, Selection, propose, status};
use trackmirror::plan::Mode;
use trackmirror::registry::note_unfinished;
use trackmirror::state::{State, Verb};
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Held, Lock, Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{DataSetDscbs, NewDataSet, SpaceManager, init};
use trackmirror::{DsMask, DsName, Error, Reason, Result, Volser, track};

const NAME: &str = "TEST.DATA";
const EXTENT: Extent = Extent::new(Track(40), 30);
const VOLUME_SIZE: u32 = 12;

fn name() -> DsName {
    NAME.parse().unwrap()
}

/// Every state that was ever saved, in order.
#[derive(Default)]
struct History {
    slots: MemoryStore,
    states: parking_lot::Mutex<Vec<[Option<Vec<u8>>; 2]>>,
}

impl CheckpointStore for History {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        self.slots.read(slot)
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.slots.write(slot, bytes)?;
        self.states.lock().push([self.slots.read(0)?, self.slots.read(1)?]);
        Ok(())
    }
    fn location(&self) -> String {
        "a history".into()
    }
}

impl History {
    /// The first or last time at which the migration was in this state.
    fn at(&self, state: State, is_last: bool) -> MemoryStore {
        let store = |slots: &[Option<Vec<u8>>; 2]| {
            let store = MemoryStore::default();
            for (number, bytes) in slots.iter().enumerate() {
                bytes.iter().for_each(|bytes| store.write(number, bytes).unwrap());
            }
            store
        };
        let is_meant = |slots: &&[Option<Vec<u8>>; 2]| {
            let sections = Checkpoint::open(store(slots)).unwrap().1;
            sections.is_some_and(|sections| status(&sections).unwrap().0 == state)
        };
        let states = self.states.lock();
        let mut meant = states.iter().filter(is_meant);
        store(if is_last { meant.next_back() } else { meant.next() }.expect("it was there"))
    }
}

/// A volume with the data set and a catalog, and empty ones.
struct World {
    volumes: Vec<Arc<MemoryVolume>>,
    targets: Vec<&'static str>,
    is_cataloged: bool,
}

impl World {
    fn new(targets: &[&'static str], target_size: u32, is_cataloged: bool) -> World {
        let mut volumes = vec![empty("SRC001", VOLUME_SIZE)];
        volumes.extend(targets.iter().map(|serial| empty(serial, target_size)));
        let source: Arc<dyn Volume> = volumes[0].clone();
        let space = VtocSpaceManager::new(source.clone());
        let made = allocate(&*source, &space, NAME, &[EXTENT]);
        let mut format1 = Format1::new("SYSCTLG".parse().unwrap());
        format1.set_volume_sequence(1);
        let extents = vec![Extent::new(Track(10), 2)];
        space.allocate(&NewDataSet { format1, extents: extents.clone() }, &NoJournal).unwrap();
        let catalog = CvolCatalog::format(source, extents).unwrap();
        if is_cataloged {
            let volume = CatalogVolume {
                unit_type: [0x30, 0xC0, 0x20, 0x08],
                volser: volser("SRC001"),
                file_sequence: 0,
            };
            let dscb = Some(made.address.to_ttr());
            let entry = CatalogEntry { name: name(), volumes: vec![volume], dscb };
            catalog.add(&entry, &NoJournal).unwrap();
        }
        World { volumes, targets: targets.to_vec(), is_cataloged }
    }

    fn host(&self) -> Host {
        let volumes = self.volumes.iter().map(|volume| volume.clone() as Arc<dyn Volume>);
        Host::of_volumes(volumes.collect()).unwrap()
    }

    /// The same volumes as they are now, apart from these.
    fn copy(&self) -> World {
        let volumes = self.volumes.iter().map(|volume| copy(volume)).collect();
        World { volumes, targets: self.targets.clone(), is_cataloged: self.is_cataloged }
    }

    fn begin(&self, mode: Mode, store: Arc<History>) -> Migration {
        self.begin_at(self.host(), mode, store, None)
    }

    fn begin_at(
        &self,
        host: Host,
        mode: Mode,
        store: Arc<History>,
        folder: Option<PathBuf>,
    ) -> Migration {
        let targets: Vec<_> = self.targets.iter().map(|serial| volser(serial)).collect();
        let selection = Selection {
            masks: &[NAME.parse().unwrap()],
            sources: &[volser("SRC001")],
            targets: &targets,
            mode,
            uncataloged: !self.is_cataloged,
            slack: 0,
        };
        let (plan, refusals) = propose(&host, &selection).unwrap();
        assert!(refusals.is_empty(), "{refusals:?}");
        Migration::new(host, plan, MoveOptions::default(), store, folder).unwrap()
    }

    /// The volumes that have the data set.
    fn holders(&self) -> Vec<String> {
        let has = |volume: &&Arc<MemoryVolume>| {
            let found = VtocSpaceManager::new((*volume).clone()).find(&name()).unwrap();
            found.is_some()
        };
        self.volumes.iter().filter(has).map(|volume| volume.volser().to_string()).collect()
    }

    /// Where the catalog says that it is.
    fn cataloged(&self) -> Vec<String> {
        let entry = self.host().catalogs[0].locate(&name()).unwrap();
        let volumes = entry.map(|entry| entry.volumes).unwrap_or_default();
        volumes.iter().map(|volume| volume.volser.to_string()).collect()
    }
}

/// A sequential data set with a record on each track.
fn allocate(
    volume: &dyn Volume,
    space: &VtocSpaceManager,
    name: &str,
    extents: &[Extent],
) -> DataSetDscbs {
    let track_count: u32 = extents.iter().map(|extent| extent.track_count).sum();
    let mut format1 = Format1::new(name.parse().unwrap());
    format1.set_first_volser(volume.volser());
    format1.set_volume_sequence(1);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_scal1(0x80);
    format1.set_last_used(Some((track_count - 1, 1)));
    let new = NewDataSet { format1, extents: extents.to_vec() };
    let made = space.allocate(&new, &NoJournal).unwrap();
    let mut slot = vec![0; volume.slot_size()];
    for track in extents.iter().flat_map(|e| (0..e.track_count).map(|n| e.first.plus(n))) {
        track::build(&mut slot, volume.place(track), &[(&[], &[track.0 as u8; 99])]).unwrap();
        volume.write(track, &slot).unwrap();
    }
    made
}

fn empty(serial: &str, cylinders: u32) -> Arc<MemoryVolume> {
    let volume = MemoryVolume::new(volser(serial), geometry("2314", cylinders));
    init::initialize(&volume, volser(serial), Some(Extent::new(Track(1), 3)), "").unwrap();
    Arc::new(volume)
}

fn copy(volume: &MemoryVolume) -> Arc<MemoryVolume> {
    Arc::new(MemoryVolume::copy_of(volume).unwrap())
}

/// Leads a migration to a state.
fn lead(migration: &mut Migration, to: State) {
    while migration.state() != to {
        let verb = migration.next_verb().expect("it is not at its end");
        migration.perform(verb, 100).unwrap();
    }
}

#[test]
fn an_older_state_of_the_migration_does_not_scratch_what_it_moved() {
    for is_cataloged in [true, false] {
        let world = World::new(&["TGT001"], VOLUME_SIZE, is_cataloged);
        let history = Arc::new(History::default());
        lead(&mut world.begin(Mode::OnePrimary, history.clone()), State::Complete);
        assert_eq!(world.holders(), ["TGT001"]);
        let states = [State::Planned, State::Copying, State::Mirrored, State::Quiesced];
        for (state, is_last) in states.into_iter().flat_map(|state| [(state, false), (state, true)])
        {
            let open = || Migration::open(world.host(), history.at(state, is_last), None).unwrap();
            // At its very beginning it knows that nothing is its own, and ends without touching the target. The catalog is
            // asked by every state.
            let has_nothing = state == State::Planned && !is_last;
            let may_end = has_nothing && !is_cataloged;
            assert_eq!(open().terminate().is_ok(), may_end, "{state}");
            assert_eq!(world.holders(), ["TGT001"], "{state}, terminated");
            let mut migration = open();
            let taken_up = migration.take_up();
            assert_eq!(taken_up.is_ok(), state == State::Planned);
            assert!(migration.perform(Verb::Reserve, 100).is_err());
            assert_eq!(world.holders(), ["TGT001"], "{state}, taken up");
        }
    }
}

#[test]
fn a_source_is_kept_if_the_catalog_or_the_target_is_what_it_was_before() {
    let world = World::new(&["TGT001"], VOLUME_SIZE, true);
    let before = world.copy();
    let history = Arc::new(History::default());
    lead(&mut world.begin(Mode::OnePrimary, history.clone()), State::Switched);
    let complete = |world: &World| {
        let store = history.at(State::Switched, true);
        let mut migration =
            Migration::resume(world.host(), store, None, CopyOptions::default()).unwrap();
        migration.complete()
    };
    // The volume of source and catalog.
    let mut restored = world.copy();
    restored.volumes[0] = copy(&before.volumes[0]);
    assert_refused(complete(&restored), Reason::EntryChanged, &[NAME, "leads to the source"]);
    assert_eq!(restored.holders(), ["SRC001", "TGT001"]);
    // The volume of the target.
    let mut restored = world.copy();
    restored.volumes[1] = copy(&before.volumes[1]);
    assert_refused(complete(&restored), Reason::TargetChanged, &[NAME]);
    assert_eq!(restored.holders(), ["SRC001"]);
    // A target that its owner deleted meanwhile is no reason to keep the source.
    let deleted = world.copy();
    let host = deleted.host();
    host.catalogs[0].delete(&name(), &NoJournal).unwrap();
    let space = VtocSpaceManager::new(deleted.volumes[1].clone());
    let identity = trackmirror::vtoc::Identity::of(&space.find(&name()).unwrap().unwrap());
    let ignore = trackmirror::vtoc::Expiration::Ignore;
    space.scratch(&identity, ignore, &NoJournal).unwrap();
    complete(&deleted).unwrap();
    assert!(deleted.holders().is_empty());
    complete(&world).unwrap();
    assert_eq!(
        (world.holders(), world.cataloged()),
        (vec!["TGT001".into()], vec!["TGT001".into()])
    );
}

#[test]
fn a_switch_that_lost_its_target_can_be_given_up() {
    let world = World::new(&["TGT001"], VOLUME_SIZE, true);
    let history = Arc::new(History::default());
    let before = world.copy();
    lead(&mut world.begin(Mode::OnePrimary, history.clone()), State::Switched);
    // The intent to switch was durable, nothing else was done, and the target was restored to what it was before.
    let store = history.at(State::Switching, false);
    let mut migration = Migration::open(before.host(), store, None).unwrap();
    migration.take_up().unwrap();
    assert!(migration.state().is_before_switch());
    assert_refused(migration.step(100), Reason::TargetChanged, &[NAME]);
    migration.terminate().unwrap();
    assert_eq!(
        (before.holders(), before.cataloged()),
        (vec!["SRC001".into()], vec!["SRC001".into()])
    );
}

#[test]
fn an_entry_with_the_address_of_its_f1_may_get_more_volumes_than_can_have_one() {
    // Each target has five free tracks.
    let targets = ["TGT001", "TGT002", "TGT003", "TGT004", "TGT005", "TGT006"];
    let world = World::new(&targets, VOLUME_SIZE, true);
    for target in &world.volumes[1..] {
        let mut format1 = Format1::new("FILLER".parse().unwrap());
        format1.set_dsorg(Format1::DSORG_PS);
        let extents = vec![Extent::new(Track(4), target.geometry().track_count() - 9)];
        let space = VtocSpaceManager::new(target.clone());
        space.allocate(&NewDataSet { format1, extents }, &NoJournal).unwrap();
    }
    let mut migration = world.begin(Mode::BestFit, Arc::default());
    lead(&mut migration, State::Complete);
    assert_eq!(
        (world.holders(), world.cataloged()),
        (targets.map(String::from).to_vec(), targets.map(String::from).to_vec())
    );
}

#[test]
fn a_switch_that_was_interrupted_is_backed_out_after_it_was_looked_at() {
    let world = World::new(&["TGT001"], VOLUME_SIZE, true);
    let history = Arc::new(History::default());
    lead(&mut world.begin(Mode::OnePrimary, history.clone()), State::Switched);
    // The catalog leads to the target, and a user has written to it.
    let target: Arc<dyn Volume> = world.volumes[1].clone();
    let space = VtocSpaceManager::new(target.clone());
    let track = space.find(&name()).unwrap().unwrap().extents[0].first;
    let mut slot = vec![0; target.slot_size()];
    track::build(&mut slot, target.place(track), &[(&[], b"new")]).unwrap();
    target.write(track, &slot).unwrap();
    let store = history.at(State::Switching, false);
    let mut migration = Migration::open(world.host(), store, None).unwrap();
    assert_refused(migration.back_out(), Reason::WrongState, &["take it up"]);
    assert_refused(migration.take_up(), Reason::SourceChanged, &[NAME]);
    assert_eq!(world.cataloged(), ["TGT001"]);
    assert_eq!(target.read_track(track).unwrap(), slot);
}

/// Everything on these volumes, to another one of them, or combined on the only one.
fn exchange(options: MoveOptions, targets: &[&str]) -> Result<Vec<Option<DsName>>> {
    let world = World::new(&["TGT001"], VOLUME_SIZE, false);
    let other: Arc<dyn Volume> = world.volumes[1].clone();
    let space = VtocSpaceManager::new(other.clone());
    allocate(
        &*other,
        &space,
        "TEST.DATA.OLDCOPY",
        &[Extent::new(Track(40), 2), Extent::new(Track(60), 2)],
    );
    let host = world.host();
    let masks: Vec<DsMask> = vec!["TEST.**".parse()?];
    let targets: Vec<_> = targets.iter().map(|serial| volser(serial)).collect();
    let (mode, uncataloged) = (Mode::OnePrimary, true);
    let selection = Selection {
        masks: &masks,
        sources: &targets,
        targets: &targets,
        mode,
        uncataloged,
        slack: 0,
    };
    let (plan, refusals) = propose(&host, &selection)?;
    assert!(refusals.is_empty(), "{refusals:?}");
    let mut migration = Migration::new(host, plan, options, MemoryStore::default(), None)?;
    lead(&mut migration, State::Complete);
    Ok(migration.kept_as())
}

#[test]
fn a_source_is_not_kept_under_a_name_that_a_target_gets_on_its_volume() {
    let keep = MoveOptions { keep: true, ..MoveOptions::default() };
    let kept = exchange(keep, &["SRC001", "TGT001"]).unwrap();
    let names: Vec<String> = kept.into_iter().flatten().map(|name| name.to_string()).collect();
    assert_eq!(names, ["TEST.DATA.OLDCOPY2", "TEST.DATA.OLDCOPY.OLDCOPY"]);
}

#[test]
fn what_cannot_be_erased_is_refused() {
    let erase = MoveOptions { erase: true, ..MoveOptions::default() };
    assert_refused(
        exchange(erase, &["TGT001"]),
        Reason::BadRequest,
        &["erased", "TEST.DATA.OLDCOPY"],
    );
    exchange(MoveOptions::default(), &["TGT001"]).unwrap();
}

/// A volume beside which notes can stand, and which an emulator may have opened.
#[derive(Debug)]
struct Image {
    volume: Arc<MemoryVolume>,
    path: PathBuf,
    is_opened: Arc<AtomicBool>,
}

impl Volume for Image {
    fn volser(&self) -> Volser {
        self.volume.volser()
    }
    fn geometry(&self) -> Geometry {
        self.volume.geometry()
    }
    fn location(&self) -> String {
        self.volume.location()
    }
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
    fn is_writable(&self) -> bool {
        true
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        self.volume.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        self.volume.write(first, buffer)
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn check_alone(&self) -> Result<()> {
        match self.is_opened.load(Ordering::Relaxed) {
            true => Err(Error::new(Reason::VolumeInUse, "an emulator has it")),
            false => Ok(()),
        }
    }
    fn is_past_caches(&self) -> bool {
        self.volume.is_past_caches()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.volume.lock(lock)
    }
}

/// The ports over images of the world's volumes, and whether an emulator has the first one.
fn over_images(world: &World, folder: &Path) -> (Host, Arc<AtomicBool>) {
    let is_opened = Arc::new(AtomicBool::new(false));
    let image = |(number, volume): (usize, &Arc<MemoryVolume>)| {
        let path = folder.join(volume.volser().to_string());
        std::fs::write(&path, "").unwrap();
        let is_opened = if number == 0 { is_opened.clone() } else { Arc::default() };
        Arc::new(Image { volume: volume.clone(), path, is_opened }) as Arc<dyn Volume>
    };
    let volumes = world.volumes.iter().enumerate().map(image).collect();
    (Host::of_volumes(volumes).unwrap(), is_opened)
}

#[test]
fn a_plan_whose_volumes_another_migration_took_is_not_taken_up() {
    let world = World::new(&["TGT001"], VOLUME_SIZE, true);
    let history = Arc::new(History::default());
    drop(world.begin(Mode::OnePrimary, history.clone()));
    let folder = support::folder();
    let (host, _) = over_images(&world, folder.path());
    let (own, other) = (folder.path().join("own"), folder.path().join("other"));
    std::fs::create_dir(&other).unwrap();
    note_unfinished(&folder.path().join("TGT001"), &other, "another one").unwrap();
    let opened = Migration::open(host, history.at(State::Planned, true), Some(own));
    assert_refused(opened, Reason::UnfinishedMigration, &["another one"]);
}

#[test]
fn a_state_of_before_the_switch_copies_nothing_over_what_users_wrote_since() {
    // No catalog tells that the target is the data set now.
    let world = World::new(&["TGT001"], VOLUME_SIZE, false);
    let folder = support::folder();
    let (host, _) = over_images(&world, folder.path());
    let state_folder = folder.path().join("state");
    let history = Arc::new(History::default());
    let begun = world.begin_at(host, Mode::OnePrimary, history.clone(), Some(state_folder.clone()));
    lead(&mut { begun }, State::Switched);
    let target: Arc<dyn Volume> = world.volumes[1].clone();
    let space = VtocSpaceManager::new(target.clone());
    let track = space.find(&name()).unwrap().unwrap().extents[0].first;
    let mut slot = vec![0; target.slot_size()];
    track::build(&mut slot, target.place(track), &[(&[], b"new")]).unwrap();
    target.write(track, &slot).unwrap();
    for state in
        [State::Planned, State::Copying, State::Mirrored, State::Quiesced, State::Switching]
    {
        let (host, _) = over_images(&world, folder.path());
        let store = history.at(state, false);
        let opened = Migration::open(host, store, Some(state_folder.clone()));
        assert_refused(opened, Reason::CheckpointOld, &["older than what was done since"]);
    }
    assert_eq!(target.read_track(track).unwrap(), slot);
    let (host, _) = over_images(&world, folder.path());
    let store = history.at(State::Switched, true);
    let mut migration =
        Migration::resume(host, store, Some(state_folder), CopyOptions::default()).unwrap();
    migration.complete().unwrap();
    assert_eq!(target.read_track(track).unwrap(), slot);
    assert_eq!(world.holders(), ["TGT001"]);
}

#[test]
fn what_an_emulator_opened_meanwhile_is_neither_switched_nor_scratched() {
    let world = World::new(&["TGT001"], VOLUME_SIZE, true);
    let history = Arc::new(History::default());
    lead(&mut world.begin(Mode::OnePrimary, history.clone()), State::Switched);
    let before = world.copy();
    let folder = support::folder();
    let (host, is_opened) = over_images(&world, folder.path());
    let mut migration =
        Migration::resume(host, history.at(State::Switched, true), None, CopyOptions::default())
            .unwrap();
    is_opened.store(true, Ordering::Relaxed);
    assert_refused(migration.complete(), Reason::VolumeInUse, &[]);
    assert_eq!(world.holders(), before.holders());
    is_opened.store(false, Ordering::Relaxed);
    migration.complete().unwrap();

    let world = World::new(&["TGT001"], VOLUME_SIZE, true);
    let history = Arc::new(History::default());
    drop(world.begin(Mode::OnePrimary, history.clone()));
    let (host, is_opened) = over_images(&world, folder.path());
    let mut migration =
        Migration::resume(host, history.at(State::Planned, true), None, CopyOptions::default())
            .unwrap();
    lead(&mut migration, State::Quiesced);
    is_opened.store(true, Ordering::Relaxed);
    assert_refused(migration.switch(), Reason::VolumeInUse, &[]);
    assert_eq!(world.cataloged(), ["SRC001"]);
    is_opened.store(false, Ordering::Relaxed);
    lead(&mut migration, State::Complete);
}
