//! The migrating processes, one after the other: each begins the migration or takes it up, and leads it on until it ends
//! or dies.

use super::desk::SimEnqueue;
use super::disk::{SimStore, Who};
use super::guest;
use super::scene::MASK;
use super::world::{SimClock, SimEvents, World};
use crate::checkpoint::Checkpoint;
use crate::copy::{CopyOptions, write_empty};
use crate::error::{Code, Reason, Result};
use crate::host::{Host, Live};
use crate::migrate::{Goal, Limits, Migration, MoveOptions, Selection, propose, status};
use crate::monitor::MonitoredVolume;
use crate::name::DsMask;
use crate::state::{State, Verb};
use crate::track::NullFormat;
use crate::volume::Volume;
use crate::volume::intent::NoJournal;
use crate::vtoc::manager::VtocSpaceManager;
use crate::vtoc::{Expiration, Identity, SpaceManager};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The image that the migrating process is.
pub(super) const IMAGE: &str = "TRACKMIRROR";
/// More verbs than any migration here needs.
const VERBS_MAX: u32 = 3000;
/// More processes than any migration here needs.
const PROCESSES_MAX: u32 = 40;
/// So many errors one after the other end a process.
const ERRORS_MAX: u32 = 4;
/// After so many processes that ended with errors the operator gives the migration up.
const FAILURES_MAX: u32 = 4;
/// After so many windows that were given up the operator gives the migration up.
const WINDOWS_MAX: u32 = 8;
const OPTIONS: CopyOptions = CopyOptions { threads: 1, batch_tracks: Some(2), digests: false };

/// Leads the migration of a world to its end.
pub(super) struct Driver {
    world: Arc<World>,
    verb_count: u32,
    /// The last error, for the report.
    last_error: String,
    is_ending: bool,
    given_up: u32,
}

impl Driver {
    pub fn new(world: &Arc<World>) -> Driver {
        let world = world.clone();
        let last_error = String::new();
        Driver { world, verb_count: 0, last_error, is_ending: false, given_up: 0 }
    }

    /// Runs everything; the state in which it ended, or none if something is wrong.
    pub fn run(&mut self) -> Option<State> {
        let mut failures = 0;
        for _ in 0..PROCESSES_MAX {
            let ended = self.process();
            let death = self.world.bury();
            if self.world.is_wrong() {
                return None;
            }
            match (death, ended) {
                (None, Ok(Some(state))) => return Some(state),
                (None, Ok(None)) => {}
                (None, Err(error)) => {
                    if self.is_ending && error.reason() == Reason::SourceChanged {
                        self.scratch_by_hand();
                    }
                    if error.reason() == Reason::NothingSelected {
                        return Some(State::Terminated);
                    }
                    failures += 1;
                    self.is_ending |= failures >= FAILURES_MAX;
                    self.last_error = error.to_string();
                    self.world.note(|| format!("the process ends: {error}"));
                }
                (Some(death), _) => {
                    self.world.check_open("after the process ended");
                    (0..death.down).for_each(|_| self.world.moment());
                    self.world.check_open("while nobody migrates");
                }
            }
        }
        self.world.wrong(format!("it comes to no end; the last error: {}", self.last_error));
        None
    }

    fn host(&self) -> Result<Host> {
        let (areas, names, setup) = {
            let cast = self.world.cast();
            (cast.areas(), cast.image_names(), cast.setup.clone())
        };
        let volsers: Vec<_> = self.world.disks().volumes.keys().copied().collect();
        let mut volumes: Vec<Arc<dyn Volume>> = Vec::new();
        for volser in volsers {
            let volume = Arc::new(self.world.volume_of(volser, Who::Migrator));
            volumes.push(match areas.get(&volser) {
                Some(area) => Arc::new(MonitoredVolume::attach_in(volume, area, IMAGE)?),
                None => volume,
            });
        }
        let images: BTreeMap<_, _> = areas.keys().map(|on| (*on, names.clone())).collect();
        let enqueue = Arc::new(SimEnqueue(self.world.clone()));
        let mut host = Host::of_volumes(volumes)?.monitored_by(Live {
            areas,
            images,
            enqueue,
            machines: Vec::new(),
        });
        host.clock = Arc::new(SimClock(self.world.clone()));
        host.events = Arc::new(SimEvents(self.world.clone()));
        if setup.guest {
            guest::takes_over(&self.world, &mut host);
        }
        Ok(host)
    }

    /// A process. The state in which the migration ended; none if only the process did.
    fn process(&mut self) -> Result<Option<State>> {
        let mut migration = self.begin()?;
        let setup = self.world.cast().setup.clone();
        migration.set_copy_options(OPTIONS);
        migration.set_goal(Goal::Tracks(setup.goal.into()));
        migration.set_metadata(setup.metadata);
        migration.set_limits(Limits {
            wait: Duration::from_millis(200),
            window: Duration::from_millis(1000),
        });
        if migration.state() != State::Switching {
            self.check_let_in(&migration);
        }
        let mut errors = 0;
        while let Some(verb) = migration.next_verb() {
            self.verb_count += 1;
            if self.verb_count > VERBS_MAX {
                let what =
                    format!("it comes to no end: {}; {}", migration.state(), self.last_error);
                self.world.wrong(what);
            }
            if self.world.is_wrong() {
                return Ok(None);
            }
            let verb = self.chosen(&migration, verb);
            let before = migration.state();
            self.world.note(|| format!("{verb}"));
            let done = migration.perform(verb, setup.step.into());
            if self.world.is_dead() {
                return Ok(None);
            }
            let pause = migration.pause();
            if !pause.is_zero() {
                self.world.wait(pause);
                self.world.moment_of_waiting();
            }
            match done {
                Ok(()) => errors = 0,
                Err(error) => {
                    self.world.note(|| format!("{verb} failed: {error}"));
                    if error.code() == Code::Internal {
                        self.world.wrong(format!("{verb}: {error}"));
                    }
                    self.last_error = format!("{verb} while {before}: {error}");
                    errors += 1;
                    if errors >= ERRORS_MAX {
                        return Err(error);
                    }
                }
            }
            let after = migration.state();
            let is_window = (State::Closing..=State::Switching).contains(&before);
            if is_window && after == State::Mirrored {
                self.given_up += 1;
                self.world.cast().give_up_stubborn();
            }
        }
        Ok(Some(migration.state()))
    }

    fn begin(&mut self) -> Result<Migration> {
        let host = self.host()?;
        let store = || SimStore(self.world.clone());
        if Checkpoint::open(store())?.1.is_some() {
            let mut migration = Migration::open(host, store(), None)?;
            if self.is_ending && migration.state().allows(Verb::Terminate) {
                migration.terminate()?;
                return Ok(migration);
            }
            migration.set_copy_options(OPTIONS);
            migration.take_up()?;
            return Ok(migration);
        }
        let setup = self.world.cast().setup.clone();
        let (sources, targets) = {
            let cast = self.world.cast();
            (cast.sources.clone(), cast.targets.clone())
        };
        let masks: [DsMask; 1] = [MASK.parse()?];
        let selection = Selection {
            masks: &masks,
            sources: &sources,
            targets: &targets,
            mode: setup.mode,
            uncataloged: setup.uncataloged,
            slack: setup.slack.into(),
        };
        let (plan, refusals) = propose(&host, &selection)?;
        for refusal in refusals {
            self.world.note(|| format!("refused: {refusal:?}"));
        }
        let options =
            MoveOptions { used_only: setup.used_only, erase: setup.erase, keep: setup.keep };
        Migration::new(host, plan, options, store(), None)
    }

    /// The migration does not know whether its target is the only copy. The operator does, and scratches it himself.
    fn scratch_by_hand(&self) {
        let Some((_, plan)) = self.world.sections().and_then(|s| status(&s).ok()) else { return };
        for part in plan.data_sets.iter().flat_map(|data_set| &data_set.parts) {
            let name = part.new.format1.name();
            let is_free = {
                let cast = self.world.cast();
                let lies_there = cast.stolen.first().is_some_and(|place| place.0 == part.volser);
                let is_thief = cast.thief == Some(name) && lies_there;
                !is_thief
                    && !cast.data_sets.iter().any(|data_set| {
                        let lies_here = data_set.volsers.contains(&part.volser);
                        data_set.is_alive && data_set.name == name && lies_here
                    })
            };
            let volume = Arc::new(self.world.volume_of(part.volser, Who::Others));
            let space = VtocSpaceManager::new(volume.clone());
            if let Ok(Some(found)) = space.find(&name)
                && is_free
            {
                for extent in &found.extents {
                    let _ = write_empty(&*volume, *extent, NullFormat::Empty);
                }
                let identity = Identity::of(&found);
                let scratched = space.scratch(&identity, Expiration::Ignore, &NoJournal);
                self.world.note(|| format!("{name} is scratched by hand: {scratched:?}"));
            }
        }
    }

    /// The operator may want something else.
    fn chosen(&mut self, migration: &Migration, verb: Verb) -> Verb {
        let told = self.world.stage().told.pop_front();
        if let Some(told) = told.filter(|told| migration.state().allows(*told)) {
            self.is_ending |= told == Verb::Terminate;
            return told;
        }
        self.is_ending |= self.given_up >= WINDOWS_MAX;
        if self.is_ending && migration.state().allows(Verb::Terminate) {
            return Verb::Terminate;
        }
        verb
    }

    /// Taken up, and not in a window: nobody may be kept out.
    fn check_let_in(&self, migration: &Migration) {
        let held = self.world.cast().desk.left();
        if let Some(name) = held {
            let state = migration.state();
            self.world.wrong(format!("{name} is still held, though the migration is {state}"));
        }
    }
}
