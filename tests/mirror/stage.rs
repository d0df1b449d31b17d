//! A world with one migration in it, led step by step.

use crate::desk::{Desk, Hooked, Watch};
use crate::world::*;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use trackmirror::Result;
use trackmirror::checkpoint::FileStore;
use trackmirror::copy::{CopyOptions, Volumes};
use trackmirror::enqueue::Enqueue;
use trackmirror::event::{Event, EventLog};
use trackmirror::geometry::{Extent, Track};
use trackmirror::host::Host;
use trackmirror::migrate::{Goal, Migration, MoveOptions};
use trackmirror::monitor::MonitoredVolume;
use trackmirror::state::{State, Verb};
use trackmirror::volume::{self, Access, Volume};

/// What there is apart from the process that migrates.
pub struct Setting {
    pub world: World,
    pub options: MoveOptions,
    pub desk: Arc<Desk>,
    /// Stands in for the desk, if it is there.
    pub enqueue: Option<Arc<dyn Enqueue>>,
    pub watch: Arc<Watch>,
    pub log: Arc<EventLog>,
    pub images: Vec<&'static str>,
    /// There is a monitor area for the target, too.
    pub watches_target: bool,
    pub stranger: Stranger,
    /// OLD001 behind every monitor.
    raw: Arc<dyn Volume>,
}

/// A migration that the test leads.
pub struct Stage {
    pub set: Setting,
    pub migration: Migration,
    pub catalog: Hooked,
    /// The volumes as the migration has them.
    #[allow(dead_code)] // Not every test writes behind its back.
    pub volumes: Volumes,
}

impl std::ops::Deref for Stage {
    type Target = Setting;
    fn deref(&self) -> &Setting {
        &self.set
    }
}

/// A program without a monitor, which may open OLD001 for writing.
#[derive(Clone)]
pub struct Stranger {
    image: PathBuf,
    running: Arc<Mutex<Option<Running>>>,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stranger {
    pub fn open(&self) {
        let file = File::options().read(true).write(true).open(&self.image).unwrap();
        let mut command = Command::new("sleep");
        let child = command.arg("600").stdin(Stdio::from(file)).spawn().unwrap();
        *self.running.lock() = Some(Running(child));
    }

    pub fn end(&self) {
        *self.running.lock() = None;
    }
}

/// A world with these data sets, whose users are at this desk.
pub fn set(data_sets: &[(&str, &[(u32, u32)])], images: &[&'static str]) -> Setting {
    Setting::of(World::new(data_sets), images)
}

impl Setting {
    pub fn of(world: World, images: &[&'static str]) -> Setting {
        let stranger = Stranger { image: world.image("OLD001"), running: Arc::default() };
        let raw = volume::open(&world.image("OLD001"), Access::MonitoredWrite).unwrap();
        Setting {
            raw,
            world,
            options: MoveOptions::default(),
            desk: Desk::new(),
            enqueue: None,
            watch: Arc::default(),
            log: Arc::default(),
            images: images.to_vec(),
            watches_target: false,
            stranger,
        }
    }

    pub fn host(&self) -> (Host, Hooked) {
        let enqueue = self.enqueue.clone().unwrap_or_else(|| self.desk.clone());
        let mut host = self.world.host(&self.images, enqueue, &self.log);
        host.clock = self.watch.clone();
        if let Some(live) = host.live.as_mut().filter(|_| self.watches_target) {
            live.areas.insert(volser("NEW001"), self.world.area_of("NEW001"));
        }
        let catalog = Hooked::new(host.catalogs[0].clone());
        host.catalogs[0] = Arc::new(catalog.clone());
        (host, catalog)
    }

    /// A new migration of everything.
    pub fn begin(self) -> Stage {
        let (host, catalog) = self.host();
        let volumes = host.volumes.clone();
        let mut migration = self.world.migration(host, self.options.clone());
        migration.set_goal(Goal::Tracks(0));
        Stage { set: self, migration, catalog, volumes }
    }

    /// Takes it up.
    pub fn resume(self) -> Result<Stage> {
        let (host, catalog) = self.host();
        let (store, folder) = (FileStore::open(&self.world.state())?, self.world.state());
        let (options, volumes) = (CopyOptions::default(), host.volumes.clone());
        let mut migration = Migration::resume(host, store, Some(folder), options)?;
        migration.set_goal(Goal::Tracks(0));
        Ok(Stage { set: self, migration, catalog, volumes })
    }

    pub fn writer(&self, image: &str) -> Arc<MonitoredVolume> {
        self.world.monitored(image)
    }

    /// Writes a track of OLD001 behind every monitor.
    pub fn write_raw(&self, track: u32, number: u64) {
        write(&*self.raw, track, number).unwrap();
    }

    /// That nobody is held, asked or refused.
    #[track_caller]
    pub fn assert_let_in(&self) {
        assert!(self.desk.is_free(), "somebody is held, or asked to close");
        let volume = self.world.monitored("PROBE");
        // One track of each extent: what is tried here is copied again, and the others shall be only if they must.
        let extents = self.world.data_sets.iter().flat_map(|(_, extents)| extents);
        for track in extents.map(|extent| extent.first) {
            let begun = volume.image().begin(Extent::new(track, 1));
            let begun = begun.unwrap_or_else(|error| panic!("a seal is left: {error}"));
            volume.image().end(begun);
        }
    }

    pub fn events(&self) -> Vec<&'static str> {
        self.log.events().iter().map(Event::name).collect()
    }
}

impl Stage {
    /// Leads it to a state.
    #[track_caller]
    pub fn to(&mut self, state: State) {
        for _ in 0..2000 {
            if self.migration.state() == state {
                return;
            }
            let verb = self.migration.next_verb().expect("it goes on");
            self.migration.perform(verb, 20).unwrap();
        }
        panic!("{state} is not reached, but {}", self.migration.state());
    }

    /// Leads it to where the next verb is the switch.
    #[track_caller]
    pub fn reach_switch(&mut self) {
        self.to(State::Quiesced);
        while self.migration.next_verb() == Some(Verb::Step) {
            self.migration.step(20).unwrap();
        }
    }

    /// Leads it to its end.
    #[track_caller]
    pub fn finish(&mut self) {
        self.to(State::Complete);
    }

    /// The process ends.
    pub fn stop(self) -> Setting {
        self.set
    }

    /// That everything is at the target, with these writes (track of OLD001, number), and nothing is left behind.
    #[track_caller]
    pub fn assert_moved(self, writes: &[(u32, u64)]) {
        let writes: BTreeMap<Track, u64> =
            writes.iter().map(|(track, number)| (Track(*track), *number)).collect();
        assert_eq!(self.migration.state(), State::Complete);
        self.stop().assert_moved(&writes);
    }
}

impl Setting {
    #[track_caller]
    fn assert_moved(&self, writes: &BTreeMap<Track, u64>) {
        assert_all_there(&self.world, "NEW001", writes);
        for (data_set, _) in &self.world.data_sets {
            self.world.assert_cataloged_on(*data_set, "NEW001");
        }
        assert!(self.world.present("OLD001").is_empty(), "the sources are scratched");
        assert!(self.world.area().subscriptions().is_empty(), "a subscription is left");
        assert!(!has_file(self.world.folder.path(), "unfinished"), "a note is left");
        self.assert_let_in();
    }
}

/// Writes a track with this number on it.
pub fn write(volume: &dyn Volume, track: u32, number: u64) -> Result<()> {
    let mut slot = vec![0; volume.geometry().slot_size as usize];
    fill(&mut slot, volume, Track(track), number);
    volume.write(Track(track), &slot)
}
