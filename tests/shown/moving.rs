//! Migrations in a world: what is asked of them, and the processes that lead them.

use crate::support::between::Between;
use crate::support::lead::to;
use crate::support::unflushed::Unflushed;
use crate::world::{SYSA, SYSTEM, World};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use trackmirror::assess::compare::Metadata;
use trackmirror::checkpoint::FileStore;
use trackmirror::clock::Clock;
use trackmirror::copy::CopyOptions;
use trackmirror::enqueue::Enqueue;
use trackmirror::event::{Event, EventSink};
use trackmirror::geometry::Extent;
use trackmirror::host::Live;
use trackmirror::migrate::{Goal, Migration, MoveOptions, Selection, propose};
use trackmirror::plan::{Mode, Plan};
use trackmirror::state::State;
use trackmirror::volume::{self, Access, Volume};
use trackmirror::vtoc::Vtoc;
use trackmirror::{DsMask, DsName, Host, Volser};

/// What is asked of a migration.
pub struct Request<'a> {
    pub masks: &'a [&'a str],
    pub mode: Mode,
    pub uncataloged: bool,
    /// In percent.
    pub slack: u32,
    /// What tells that something changed.
    pub metadata: Metadata,
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
            slack: 0,
            metadata: Metadata::Both,
            images: &[SYSA],
            options: MoveOptions::default(),
            enqueue: None,
            wrap: &|volume| Arc::new(Unflushed(volume)),
        }
    }
}

/// When something happens to a source that is mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// While nobody was asked for anything yet: it is followed before the window.
    Mirrored,
    /// While it is waited for an application that has it open still: it is followed in the window.
    Closing,
    /// When the window is open, by somebody who needs no track that is sealed.
    Window,
}

impl When {
    pub const ALL: [When; 3] = [When::Mirrored, When::Closing, When::Window];
}

/// Which tracks were written to the targets since it was asked last, VTOCs aside.
#[derive(Clone, Default)]
pub struct Copies(Arc<Mutex<Vec<(Volser, Extent)>>>);

impl Copies {
    pub fn watch(&self, volume: Arc<dyn Volume>) -> Arc<dyn Volume> {
        let (copies, serial) = (self.0.clone(), volume.volser());
        let vtoc = Vtoc::read(&*volume).unwrap().extent;
        Between::writes(Arc::new(Unflushed(volume)), move |first, count| {
            if !vtoc.contains(first) {
                copies.lock().push((serial, Extent::new(first, count)));
            }
            Ok(())
        })
    }

    /// The runs of tracks, in the order in which they were written; those that touch each other are one, because a pass goes
    /// on where the last one ended.
    pub fn take(&self) -> Vec<(String, u32, u32)> {
        let mut runs: Vec<(String, u32, u32)> = Vec::new();
        for (on, run) in std::mem::take(&mut *self.0.lock()) {
            match runs.last_mut() {
                Some((last, first, count))
                    if *last == on.to_string() && *first + *count == run.first.0 =>
                {
                    *count += run.track_count;
                }
                Some((last, first, count)) if *last == on.to_string() && run.end().0 == *first => {
                    *first = run.first.0;
                    *count += run.track_count;
                }
                _ => runs.push((on.to_string(), run.first.0, run.track_count)),
            }
        }
        runs
    }

    /// How many tracks that were.
    pub fn count(&self) -> u32 {
        self.take().iter().map(|(_, _, count)| count).sum()
    }
}

impl World {
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
            machines: Vec::new(),
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
        self.watch.now().as_millis()
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
            slack: request.slack,
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
        migration.set_metadata(request.metadata);
        migration
    }

    /// A migration that is mirrored, whose copies from now on are watched.
    #[track_caller]
    pub fn mirrored(&self, copies: &Copies) -> Migration {
        self.mirrored_with(copies, 0)
    }

    /// The same with so many percent of slack.
    #[track_caller]
    pub fn mirrored_with(&self, copies: &Copies, slack: u32) -> Migration {
        let wrap = |volume| copies.watch(volume);
        let mut migration = self.begin(&Request { slack, wrap: &wrap, ..Request::default() });
        to(&mut migration, State::Mirrored);
        copies.take();
        migration
    }

    /// Lets something happen to the sources of a migration that is mirrored, and be followed.
    #[track_caller]
    pub fn during(&self, migration: &mut Migration, when: When, change: impl FnOnce()) {
        match when {
            When::Mirrored => {
                change();
                return self.catch_up(migration);
            }
            When::Closing => {
                self.desk.open(SYSA);
                assert_eq!(migration.quiesce().unwrap().len(), 1);
                change();
                self.desk.close(SYSA);
            }
            When::Window => {
                to(migration, State::Quiesced);
                change();
            }
        }
        to(migration, State::Switched);
    }

    /// Leads it to its end, where these data sets are on NEW001, and everything is clean.
    #[track_caller]
    pub fn complete(&self, mut migration: Migration, moved: &[DsName]) {
        to(&mut migration, State::Complete);
        drop(migration);
        moved.iter().for_each(|name| self.assert_moved(*name, &["NEW001"]));
        self.assert_clean();
    }

    /// Steps until nothing is left, after a while: changes of allocation are looked for now and then only.
    #[track_caller]
    pub fn catch_up(&self, migration: &mut Migration) {
        self.watch.wait(Duration::from_secs(20));
        while migration.step(100).unwrap().left_tracks > 0 {}
    }

    /// The next process takes it up.
    pub fn resume(&self, request: &Request<'_>) -> Migration {
        let state = self.path("state");
        let store = FileStore::open(&state).unwrap();
        let (host, options) = (self.host(request), CopyOptions::default());
        let mut migration = Migration::resume(host, store, Some(state), options).unwrap();
        migration.set_goal(Goal::Tracks(0));
        migration.set_metadata(request.metadata);
        migration
    }

    /// The words of what happened so far.
    pub fn events(&self) -> Vec<&'static str> {
        self.log.events().iter().map(Event::name).collect()
    }
}
