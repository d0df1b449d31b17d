//! The promise that what a release has written is resumed from by every later one: checkpoints, monitor areas and notes of
//! each version of their formats are kept in tests/golden, and migrations are resumed from them and led to their end.
//!
//! The volumes are made anew by the test, as they were when the migration was interrupted. Of the files only what cannot be
//! the same is replaced: the boot of the machine, the image file's place, the state folder's name.
//!
//! The files are written by `TRACKMIRROR_WRITE_GOLDEN=1 cargo test --test golden -- --test-threads=1`, once, when a version
//! is new; never again.

#[path = "golden/file.rs"]
mod file;
#[allow(dead_code)]
#[path = "mirror/stage.rs"]
mod stage;
mod support;
#[path = "mirror/world.rs"]
mod world;

use file::Golden;
use parking_lot::Mutex;
use stage::{Setting, set, write};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::desk;
use trackmirror::Result;
use trackmirror::checkpoint::{Checkpoint, CheckpointStore, FileStore, MemoryStore, Sections};
use trackmirror::copy::CopyOptions;
use trackmirror::geometry::{Extent, Track};
use trackmirror::migrate::{Goal, Migration, MoveOptions, status};
use trackmirror::plan::Plan;
use trackmirror::state::{State, Verb};
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{Identity, SpaceManager};
use world::{assert_all_there, fill};

const ONE: &[(&str, &[(u32, u32)])] = &[("TEST.LEDGER", &[(15, 20), (60, 40), (120, 60)])];
/// What was written while it was copied: track and number.
const WRITES: &[(u32, u64)] = &[(15, 1), (61, 2), (179, 3)];
const EXTENSION: Extent = Extent::new(Track(300), 5);

fn is_writing() -> bool {
    std::env::var_os("TRACKMIRROR_WRITE_GOLDEN").is_some()
}

/// A store that keeps what it holds at the first moment that is wanted.
struct Capture {
    store: MemoryStore,
    area: std::path::PathBuf,
    is_wanted: fn(&Sections) -> bool,
    golden: Mutex<Option<Golden>>,
}

impl Capture {
    fn look(&self) -> Result<()> {
        let slots = [self.store.read(0)?, self.store.read(1)?];
        let mut golden = self.golden.lock();
        let store = MemoryStore::default();
        for (number, slot) in slots.iter().enumerate() {
            slot.iter().try_for_each(|bytes| store.write(number, bytes))?;
        }
        let sections = Checkpoint::open(store)?.1;
        if golden.is_none() && sections.is_some_and(|sections| (self.is_wanted)(&sections)) {
            let area = std::fs::read(&self.area).unwrap();
            *golden = Some(Golden::of(slots.map(Option::unwrap_or_default), &area, None));
        }
        Ok(())
    }
}

impl CheckpointStore for Capture {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        self.store.read(slot)
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.store.write(slot, bytes).and_then(|()| self.look())
    }
    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.store.write_head(slot, bytes).and_then(|()| self.look())
    }
    fn location(&self) -> String {
        "memory".into()
    }
}

/// Extends the data set, as a system does, and fills what came.
fn extend(volume: &Arc<dyn Volume>) {
    let space = VtocSpaceManager::new(volume.clone());
    let found = space.find(&world::name("TEST.LEDGER")).unwrap().unwrap();
    space.extend(&Identity::of(&found), &[EXTENSION], &NoJournal).unwrap();
    let mut slot = vec![0; volume.geometry().slot_size as usize];
    for track in (EXTENSION.first.0..EXTENSION.end().0).map(Track) {
        fill(&mut slot, &**volume, track, 0);
        volume.write(track, &slot).unwrap();
    }
}

/// Runs a migration until its checkpoint is what is wanted, and keeps that.
fn capture(is_wanted: fn(&Sections) -> bool, extends: bool) -> Golden {
    let mut setting = set(ONE, &["SYSA"]);
    setting.watches_target = true;
    let writer = setting.writer("SYSA");
    let (area, golden) = (setting.world.area().path().unwrap().to_path_buf(), Mutex::new(None));
    let store = Arc::new(Capture { store: MemoryStore::default(), area, is_wanted, golden });
    let host = setting.host().0;
    let plan = setting.world.plan(&host);
    let options = MoveOptions::default();
    let mut migration = Migration::new(host, plan, options, store.clone(), None).unwrap();
    migration.set_goal(Goal::Tracks(0));
    let mut is_extended = !extends;
    while let Some(verb) = migration.next_verb() {
        if migration.state() == State::Mirrored && !is_extended {
            WRITES.iter().for_each(|(track, number)| write(&*writer, *track, *number).unwrap());
            extend(&(writer.clone() as Arc<dyn Volume>));
            is_extended = true;
        }
        migration.perform(verb, 20).unwrap();
        setting.watch.wait(std::time::Duration::from_secs(2));
    }
    drop(migration);
    store.golden.lock().take().expect("the moment came")
}

/// The volumes as they were: the plan's targets allocated, and every track copied but what was written since.
fn rebuild(golden: &Golden, copied: impl Fn(u32) -> bool) -> (Setting, Plan) {
    let mut setting = set(ONE, &["SYSA"]);
    setting.watches_target = true;
    let (_, plan) = status(&golden.sections()).unwrap();
    let open = |serial: &str| {
        let path = setting.world.image(serial);
        volume::open(&path, Access::Exclusive).unwrap()
    };
    let target = open("NEW001");
    let mut slot = vec![0; target.geometry().slot_size as usize];
    for part in plan.data_sets.iter().flat_map(|data_set| &data_set.parts) {
        let space = VtocSpaceManager::new(target.clone());
        space.allocate(&part.new, &NoJournal).unwrap();
    }
    let sources = setting.world.tracks();
    let extents = plan.data_sets.iter().flat_map(|data_set| data_set.target_extents());
    let targets = extents.flat_map(|(_, extent)| extent.first.0..extent.end().0).map(Track);
    for (source, place) in sources.into_iter().zip(targets) {
        let number = if copied(source.0) { 0 } else { 0xDEAD };
        fill(&mut slot, &*target, place, number);
        target.write(place, &slot).unwrap();
    }
    (setting, plan)
}

/// Leads it to its end, and sees that everything is at the target.
fn finish(setting: &Setting, mut migration: Migration, writes: &[(u32, u64)]) {
    migration.set_goal(Goal::Tracks(0));
    for _ in 0..2000 {
        let Some(verb) = migration.next_verb() else { break };
        migration.perform(verb, 50).unwrap_or_else(|error| panic!("{verb}: {error}"));
    }
    assert_eq!(migration.state(), State::Complete);
    drop(migration);
    let writes: BTreeMap<Track, u64> =
        writes.iter().map(|(track, number)| (Track(*track), *number)).collect();
    assert_all_there(&setting.world, "NEW001", &writes);
    setting.world.assert_cataloged_on(setting.world.data_sets[0].0, "NEW001");
    assert!(setting.world.present("OLD001").is_empty(), "the source is scratched");
    assert!(setting.world.area().subscriptions().is_empty());
    assert!(!world::has_file(setting.world.folder.path(), "unfinished"));
    setting.assert_let_in();
}

#[test]
fn a_migration_that_copied_goes_on_with_what_the_area_says() {
    const NAME: &str = "copying-1.txt";
    if is_writing() {
        let setting = set(ONE, &["SYSA"]);
        let writer = setting.writer("SYSA");
        let mut stage = setting.begin();
        stage.to(State::Copying);
        for _ in 0..4 {
            stage.migration.step(10).unwrap();
        }
        let setting = stage.stop();
        WRITES.iter().for_each(|(track, number)| write(&*writer, *track, *number).unwrap());
        drop(writer);
        let slots = [0, 1].map(|slot| FileStore::open(&setting.world.state()).unwrap().read(slot));
        let area = std::fs::read(setting.world.area().path().unwrap()).unwrap();
        let note = file::note_of(&setting.world);
        Golden::of(slots.map(|slot| slot.unwrap().unwrap()), &area, Some(note)).write(NAME);
    }
    let golden = Golden::read(NAME);
    // Forty tracks were copied, lowest first.
    let (setting, _) = rebuild(&golden, |track| track < 35 || (60..80).contains(&track));
    WRITES.iter().for_each(|(track, number)| setting.write_raw(*track, *number));
    golden.install_area(&setting.world);
    golden.install_notes(&setting.world);
    let store = golden.install_checkpoint(&setting.world);
    let host = setting.host().0;
    let folder = Some(setting.world.state());
    let mut migration = Migration::resume(host, store, folder, CopyOptions::default()).unwrap();
    assert_eq!(migration.state(), State::Copying);
    migration.step(0).unwrap();
    // What was not copied, and what was copied and written since.
    assert_eq!(migration.step(0).unwrap().left_tracks, 120 - 40 + 2);
    finish(&setting, migration, WRITES);
}

#[test]
fn a_switch_that_was_interrupted_inside_its_catalog_goes_forward() {
    const NAME: &str = "switching-1.txt";
    if is_writing() {
        let is_wanted = |sections: &Sections| {
            let has = |tag| sections.tags().any(|other| other == tag);
            status(sections).unwrap().0 == State::Switching && has(*b"INTN") && has(*b"BACK")
        };
        capture(is_wanted, false).write(NAME);
    }
    let golden = Golden::read(NAME);
    let (setting, _) = rebuild(&golden, |_| true);
    golden.install_area(&setting.world);
    let store = golden.install_checkpoint(&setting.world);
    let host = setting.host().0;
    let migration = Migration::resume(host, store, None, CopyOptions::default()).unwrap();
    assert_eq!(migration.next_verb(), Some(Verb::Switch));
    finish(&setting, migration, &[]);
}

#[test]
fn a_switch_whose_areas_are_lost_is_backed_out() {
    let golden = Golden::read("switching-1.txt");
    let (setting, _) = rebuild(&golden, |_| true);
    let store = golden.install_checkpoint(&setting.world);
    let _writer = setting.writer("SYSA");
    let host = setting.host().0;
    let migration = Migration::resume(host, store, None, CopyOptions::default()).unwrap();
    assert_eq!(migration.state(), State::Copying);
    finish(&setting, migration, &[]);
}

#[test]
fn a_target_that_was_being_extended_is_extended() {
    const NAME: &str = "following-1.txt";
    if is_writing() {
        let is_wanted = |sections: &Sections| {
            let has = |tag| sections.tags().any(|other| other == tag);
            has(*b"NEXT") && has(*b"DEED") && has(*b"INTN")
        };
        capture(is_wanted, true).write(NAME);
    }
    let golden = Golden::read(NAME);
    let (mut setting, _) = rebuild(&golden, |_| true);
    WRITES.iter().for_each(|(track, number)| setting.write_raw(*track, *number));
    let path = setting.world.image("OLD001");
    extend(&volume::open(&path, Access::MonitoredWrite).unwrap());
    setting.world.data_sets[0].1.push(EXTENSION);
    golden.install_area(&setting.world);
    let store = golden.install_checkpoint(&setting.world);
    let host = setting.host().0;
    let migration = Migration::resume(host, store, None, CopyOptions::default()).unwrap();
    finish(&setting, migration, WRITES);
}
