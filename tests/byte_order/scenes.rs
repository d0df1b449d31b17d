//! Migrations that are interrupted on one machine, and finished on the other: volumes with VTOC, catalog and data sets, the
//! checkpoint with everything that can be in it, the notes, and a monitor area, which the other machine must not use.
//!
//! A scene is a folder with all of it. Whoever finishes it has the volumes at the same place, as if they were on a disk
//! that was attached to another machine.

use crate::other::OWN_ORDER;
use crate::stage::{Setting, write};
use crate::support::assert_refused;
use crate::world::{self, World, assert_all_there, fill};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use trackmirror::checkpoint::{Checkpoint, CheckpointStore, FileStore, MemoryStore, Sections};
use trackmirror::copy::CopyOptions;
use trackmirror::geometry::{Extent, Track};
use trackmirror::migrate::{Goal, Migration, MoveOptions, status};
use trackmirror::monitor::{Area, Identity};
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{self, SpaceManager};
use trackmirror::{Error, Reason, Result};

const NAME: &str = "TEST.LEDGER";
const EXTENTS: &[(u32, u32)] = &[(15, 20), (60, 40), (120, 60)];
/// What was written while it was copied: track and number.
const WRITES: &[(u32, u64)] = &[(15, 1), (61, 2), (179, 3)];
const EXTENSION: Extent = Extent::new(Track(300), 5);

/// Where a migration is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Forty tracks are copied, and two of them have changed since.
    Copying,
    /// In the window, while a target is extended as its source was: what comes next, and an intent.
    Following,
    /// Inside the change of the catalog: an intent, and the way back.
    Switching,
    /// Behind the point of no return.
    Switched,
}

impl Scene {
    pub const ALL: [Scene; 4] =
        [Scene::Copying, Scene::Following, Scene::Switching, Scene::Switched];

    fn folder(self, all: &Path) -> PathBuf {
        all.join(format!("{self:?}"))
    }

    fn setting(self, world: World) -> Setting {
        let mut setting = Setting::of(world, &["SYSA"]);
        setting.watches_target = self != Scene::Copying;
        setting
    }

    /// Whether a checkpoint is the one with which it is interrupted.
    fn is_reached(self, sections: &Sections) -> bool {
        let has = |tag| sections.tags().any(|other| other == tag);
        match self {
            Scene::Copying => false,
            Scene::Following => has(*b"NEXT") && has(*b"DEED") && has(*b"INTN"),
            Scene::Switching => {
                status(sections).unwrap().0 == State::Switching && has(*b"INTN") && has(*b"BACK")
            }
            Scene::Switched => status(sections).unwrap().0 == State::Switched,
        }
    }

    /// Makes it in a folder of its own.
    pub fn write(self, all: &Path) {
        let made = World::new(&[(NAME, EXTENTS)]);
        let place = self.folder(all);
        let world = World { folder: moved(made.folder.path(), &place), data_sets: made.data_sets };
        let setting = self.setting(world);
        if self == Scene::Copying {
            copy_some(setting)
        } else {
            self.interrupt(&setting)
        }
        fs::write(place.join("order"), OWN_ORDER).unwrap();
    }

    /// Leads a migration until its checkpoint is as it is to be, and no further.
    fn interrupt(self, setting: &Setting) {
        let writer = setting.writer("SYSA");
        let host = setting.host().0;
        let plan = setting.world.plan(&host);
        let (folder, is_reached) = (setting.world.state(), AtomicBool::new(false));
        let store = FileStore::open(&folder).unwrap();
        let store = Arc::new(UntilReached { store, scene: self, is_reached });
        let options = MoveOptions::default();
        let mut migration =
            Migration::new(host, plan, options, store.clone(), Some(folder)).unwrap();
        migration.set_goal(Goal::Tracks(0));
        let mut is_extended = self != Scene::Following;
        while let Some(verb) = migration.next_verb() {
            if migration.state() == State::Mirrored && !is_extended {
                WRITES.iter().for_each(|(track, number)| write(&*writer, *track, *number).unwrap());
                extend(&(writer.clone() as Arc<dyn Volume>));
                is_extended = true;
            }
            match migration.perform(verb, 20) {
                Err(_) if store.is_reached.load(Ordering::SeqCst) => return,
                done => done.unwrap(),
            }
            setting.watch.wait(Duration::from_secs(2));
        }
        panic!("{self:?} is never reached");
    }

    /// Takes it up where it was interrupted, leads it to its end, and sees that everything is at the target.
    pub fn finish(self, all: &Path) {
        let place = self.folder(all);
        let aside = place.with_extension("aside");
        fs::rename(&place, &aside).unwrap();
        let extents = EXTENTS.iter().map(|&(first, count)| Extent::new(Track(first), count));
        let mut extents: Vec<Extent> = extents.collect();
        extents.extend((self == Scene::Following).then_some(EXTENSION));
        let data_sets = vec![(world::name(NAME), extents)];
        let world = World { folder: moved(&aside, &place), data_sets };
        let is_foreign = fs::read_to_string(place.join("order")).unwrap() != OWN_ORDER;
        let setting = self.setting(world);
        if is_foreign {
            refuse_areas(&setting.world);
        }
        let _writer = setting.writer("SYSA");
        let (host, folder) = (setting.host().0, setting.world.state());
        let store = FileStore::open(&folder).unwrap();
        let options = CopyOptions::default();
        let mut migration = Migration::resume(host, store, Some(folder), options).unwrap();
        migration.set_goal(Goal::Tracks(0));
        if self == Scene::Copying {
            migration.step(0).unwrap();
            // Without its areas nobody knows what was written; with them it is what was not copied, and what was since.
            let left = if is_foreign { 120 } else { 120 - 40 + 2 };
            assert_eq!(migration.step(0).unwrap().left_tracks, left);
        }
        for _ in 0..2000 {
            let Some(verb) = migration.next_verb() else { break };
            let done = migration.perform(verb, 50);
            done.unwrap_or_else(|error| panic!("{self:?}, {verb}: {error}"));
        }
        assert_eq!(migration.state(), State::Complete, "{self:?}");
        drop(migration);
        self.judge(&setting);
    }

    fn judge(self, setting: &Setting) {
        let written = matches!(self, Scene::Copying | Scene::Following);
        let writes = WRITES.iter().filter(|_| written);
        let writes: BTreeMap<Track, u64> =
            writes.map(|(track, number)| (Track(*track), *number)).collect();
        let world = &setting.world;
        assert_all_there(world, "NEW001", &writes);
        world.assert_cataloged_on(world::name(NAME), "NEW001");
        assert!(world.present("OLD001").is_empty(), "the source is scratched");
        assert!(world.area().subscriptions().is_empty());
        assert!(!world::has_file(world.folder.path(), "unfinished"));
        setting.assert_let_in();
    }
}

/// A folder with a world in it that comes to another place, with everything in it.
fn moved(from: &Path, place: &Path) -> TempDir {
    let (parent, name) = (place.parent().unwrap(), place.file_name().unwrap());
    let empty = tempfile::Builder::new().prefix(name).rand_bytes(0).tempdir_in(parent).unwrap();
    fs::rename(from, empty.path()).unwrap();
    // It is kept: the other machine goes on with it.
    let mut kept = empty;
    kept.disable_cleanup(true);
    kept
}

/// Copies forty tracks, lowest first; then some are written.
fn copy_some(setting: Setting) {
    let writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(State::Copying);
    for _ in 0..4 {
        stage.migration.step(10).unwrap();
    }
    let _setting = stage.stop();
    WRITES.iter().for_each(|(track, number)| write(&*writer, *track, *number).unwrap());
}

/// Extends the data set, as a system does, and fills what came.
fn extend(volume: &Arc<dyn Volume>) {
    let space = VtocSpaceManager::new(volume.clone());
    let found = space.find(&world::name(NAME)).unwrap().unwrap();
    space.extend(&vtoc::Identity::of(&found), &[EXTENSION], &NoJournal).unwrap();
    let mut slot = vec![0; volume.geometry().slot_size as usize];
    for track in (EXTENSION.first.0..EXTENSION.end().0).map(Track) {
        fill(&mut slot, &**volume, track, 0);
        volume.write(track, &slot).unwrap();
    }
}

/// The areas of the other machine are refused, with the reason and what is to be done; then that is done.
fn refuse_areas(world: &World) {
    let registry = world.folder.path().join("registry");
    let before = areas_of(&registry);
    assert!(!before.is_empty(), "it had areas");
    let volume = volume::open(&world.image("OLD001"), Access::Read).unwrap();
    let opened = Area::open_in(&registry, Identity::of(&*volume).unwrap());
    let words = ["OLD001", "registry/area-", "the other byte order", "remove it"];
    assert_refused(opened, Reason::AreaByteOrder, &words);
    assert!(areas_of(&registry) == before, "they are as they were");
    before.keys().for_each(|file| fs::remove_file(file).unwrap());
}

fn areas_of(registry: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(registry).unwrap().map(|entry| entry.unwrap().path());
    let files =
        files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("area-"));
    files.map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

/// A store that takes nothing any more once the checkpoint is what is wanted: as if the process ended there.
struct UntilReached {
    store: FileStore,
    scene: Scene,
    is_reached: AtomicBool,
}

impl UntilReached {
    fn change(&self, change: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.is_reached.load(Ordering::SeqCst) {
            return Err(Error::new(Reason::Io, "the process has ended"));
        }
        change()?;
        let copy = MemoryStore::default();
        for slot in [0, 1] {
            self.store.read(slot)?.map_or(Ok(()), |bytes| copy.write(slot, &bytes))?;
        }
        let sections = Checkpoint::open(copy)?.1;
        let is_reached = sections.is_some_and(|sections| self.scene.is_reached(&sections));
        self.is_reached.store(is_reached, Ordering::SeqCst);
        Ok(())
    }
}

impl CheckpointStore for UntilReached {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        self.store.read(slot)
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.change(|| self.store.write(slot, bytes))
    }
    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.change(|| self.store.write_head(slot, bytes))
    }
    fn location(&self) -> String {
        self.store.location()
    }
}
