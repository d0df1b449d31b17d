//! The stage: what time it is, how far the migrating processes have come, and what happens next.
//!
//! # How one thread does what many would
//! The verbs of a migration are synchronous. But every verb works through ports, and every port here first comes to
//! [`World::point`]: there the clock goes on, and everybody else does what his story says for this operation. So others
//! write, close, change their data sets and die between any two operations of the migrating process, inside its verbs.
//!
//! Three locks keep the parts of the world apart: the stage, the disks, the cast. Each is held for a moment only, and no
//! port is called under the stage's or the disks'. What others do on the volumes goes through ports of their own, which
//! do not come to a point. So a point is never inside another one; and a lock that is found taken is a mistake of
//! the simulator, told at once.
//!
//! # How a process dies
//! At the operation at which it is to die the port fails, and from then on every other one too, with nothing done. The
//! areas' words are kept as they were, because the dead process runs on until its last function has returned, and must
//! not be seen to do anything. When all that was its own is dropped, they are put back.

use super::cast::Cast;
use super::counts::Counts;
use super::disk::{Disks, SimVolume, Who};
use super::random::Random;
use super::story::{Act, Fate, Story, When};
use crate::bytes::crc32c;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::event::{Event, EventSink};
use crate::geometry::Track;
use crate::name::Volser;
use crate::state::{State, Verb};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death {
    /// The machine ended with it.
    pub with_power: bool,
    /// So many moments pass until the next one.
    pub down: u8,
}

/// What is to happen to operations.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Fail(Fate),
    FailFlush,
    Die(Fate, Death),
}

/// What kind of operation comes to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Clock,
    Read,
    Write,
    Flush,
    Save,
    Told,
}

/// An operation that was interrupted: its error, what became of it, and its random numbers.
pub(super) type Interrupted = (Error, Fate, Random);

pub(super) struct Stage {
    now: Duration,
    tick: Duration,
    /// The state of the migration as it was told last.
    pub state: State,
    /// Operations so far, for each state; the last is the time in which nobody migrates.
    passed: [u32; 11],
    acts: BTreeMap<(usize, u32), Vec<Act>>,
    faults: VecDeque<Fault>,
    failing_saves: u8,
    /// What the operator wants, when the process asks next.
    pub told: VecDeque<Verb>,
    pub death: Option<Death>,
    random: Random,
    /// Everything that was seen and done, as one number, and in words.
    hash: u32,
    log: Option<Vec<String>>,
    pub counts: Counts,
    /// What must not be.
    pub wrong: Option<String>,
    is_in_point: bool,
    /// No process migrates at this moment.
    pub is_down: bool,
}

/// The world.
pub(super) struct World {
    this: Weak<World>,
    stage: Mutex<Stage>,
    disks: Mutex<Disks>,
    cast: Mutex<Cast>,
}

const DOWN: usize = 0;
/// More moments than anything that has begun needs to end.
const CALM_MAX: u32 = 2000;

fn place(when: When) -> (usize, u32) {
    match when {
        When::In(state, number) => (state as usize, number),
        When::Down(number) => (DOWN, number),
    }
}

fn died() -> Error {
    Error::io("the simulated process", &std::io::Error::other("it has ended"))
}

fn failed(what: &str) -> Error {
    Error::io(what, &std::io::Error::other("this operation fails, as the story has it"))
}

impl World {
    pub fn new(story: &Story, disks: Disks, cast: Cast, keeps_log: bool) -> Arc<World> {
        let mut acts: BTreeMap<(usize, u32), Vec<Act>> = BTreeMap::new();
        for (when, act) in &story.acts {
            acts.entry(place(*when)).or_default().push(*act);
        }
        let stage = Stage {
            now: Duration::from_secs(1_600_000_000),
            tick: Duration::from_micros(story.setup.tick_us.into()),
            state: State::Planned,
            passed: [0; 11],
            acts,
            faults: VecDeque::new(),
            failing_saves: 0,
            told: VecDeque::new(),
            death: None,
            random: Random::new(story.seed ^ 0x5EED),
            hash: 0,
            log: keeps_log.then(Vec::new),
            counts: Counts::default(),
            wrong: None,
            is_in_point: false,
            is_down: true,
        };
        Arc::new_cyclic(|this| World {
            this: this.clone(),
            stage: Mutex::new(stage),
            disks: Mutex::new(disks),
            cast: Mutex::new(cast),
        })
    }

    pub fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.try_lock().expect("the stage is entered by one at a time")
    }

    pub fn disks(&self) -> MutexGuard<'_, Disks> {
        self.disks.try_lock().expect("the disks are used by one at a time")
    }

    pub fn cast(&self) -> MutexGuard<'_, Cast> {
        self.cast.try_lock().expect("the cast does one thing at a time")
    }

    /// A volume as a port.
    pub fn volume_of(&self, volser: Volser, who: Who) -> SimVolume {
        let world = self.this.upgrade().expect("the world lives as long as what is in it");
        SimVolume::new(&world, volser, who)
    }

    /// Notes something that was seen or done.
    pub fn note(&self, text: impl FnOnce() -> String) {
        let mut stage = self.stage();
        let text = text();
        let at = stage.now.as_micros() as u64 - 1_600_000_000_000_000;
        stage.hash = crc32c(stage.hash, &at.to_be_bytes());
        stage.hash = crc32c(stage.hash, text.as_bytes());
        let line = || format!("{:>9}.{:03} {text}", at / 1000, at % 1000);
        let line = stage.log.is_some().then(line);
        if let (Some(log), Some(line)) = (&mut stage.log, line) {
            log.push(line);
        }
    }

    /// Something is as it must not be. The first counts.
    pub fn wrong(&self, what: String) {
        self.note(|| format!("WRONG: {what}"));
        self.stage().wrong.get_or_insert(what);
    }

    pub fn is_wrong(&self) -> bool {
        self.stage().wrong.is_some()
    }

    pub fn random(&self) -> Random {
        Random::new(self.stage().random.next())
    }

    /// Everything that was seen, as one number; and in words, if they were kept.
    pub fn record(&self) -> (u32, Vec<String>) {
        let mut stage = self.stage();
        (stage.hash, stage.log.take().unwrap_or_default())
    }

    pub fn state(&self) -> State {
        self.stage().state
    }

    pub fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.stage().counts);
    }

    pub fn is_dead(&self) -> bool {
        self.stage().death.is_some()
    }

    /// Time goes by without anybody doing anything.
    pub fn wait(&self, time: Duration) {
        self.stage().now += time;
    }

    /// A moment in which no process migrates.
    pub fn moment(&self) {
        self.go_on(true);
    }

    /// A moment in which the migrating process waits.
    pub fn moment_of_waiting(&self) {
        self.go_on(false);
    }

    /// A moment of everybody else's life: the clock goes on, and what is due happens.
    fn go_on(&self, is_down: bool) {
        let due = {
            let mut stage = self.stage();
            if std::mem::replace(&mut stage.is_in_point, true) {
                return;
            }
            let tick = stage.tick;
            stage.now += tick;
            stage.is_down = is_down;
            let key = if is_down { DOWN } else { stage.state as usize };
            let number = stage.passed[key];
            stage.passed[key] += 1;
            stage.acts.remove(&(key, number)).unwrap_or_default()
        };
        for act in due {
            self.happen(act);
        }
        let mut cast = self.cast();
        cast.go_on(self);
        drop(cast);
        self.stage().is_in_point = false;
    }

    fn happen(&self, act: Act) {
        let fault = match act {
            Act::Fail(fate) => Fault::Fail(fate),
            Act::FailFlush => Fault::FailFlush,
            Act::Kill { fate, down } => Fault::Die(fate, Death { with_power: false, down }),
            Act::Power { fate, down } => Fault::Die(fate, Death { with_power: true, down }),
            Act::FillDisk(saves) => {
                self.stage().failing_saves = saves;
                return;
            }
            Act::Slow(milliseconds) => {
                self.wait(Duration::from_millis(milliseconds.into()));
                self.count(|counts| counts.slow += 1);
                return;
            }
            Act::Tell(verb) => {
                self.stage().told.push_back(verb);
                return;
            }
            act => {
                self.cast().act(self, act);
                return;
            }
        };
        self.stage().faults.push_back(fault);
    }

    /// Where every operation of the migrating process comes to. An error: it is interrupted.
    fn point(&self, operation: Operation) -> std::result::Result<(), Interrupted> {
        let gone = |stage: &mut Stage| {
            let random = Random::new(stage.random.next());
            stage.death.is_some().then_some((died(), Fate::Dropped, random))
        };
        if let Some(gone) = gone(&mut self.stage()) {
            return Err(gone);
        }
        self.go_on(false);
        let mut stage = self.stage();
        let random = Random::new(stage.random.next());
        if operation == Operation::Clock {
            return Ok(());
        }
        if operation == Operation::Save && stage.failing_saves > 0 {
            stage.failing_saves -= 1;
            stage.counts.full_disks += 1;
            drop(stage);
            self.note(|| "the checkpoint's disk is full".into());
            return Err((failed("the checkpoint's disk is full"), Fate::Dropped, random));
        }
        let is_due = |fault: &Fault| match fault {
            Fault::FailFlush => operation == Operation::Flush,
            // A tear needs something to be written.
            Fault::Fail(fate) | Fault::Die(fate, _) if fate.is_torn() => {
                matches!(operation, Operation::Write | Operation::Save)
            }
            _ => true,
        };
        if !stage.faults.front().is_some_and(is_due) {
            return Ok(());
        }
        let Some(fault) = stage.faults.pop_front() else { return Ok(()) };
        let interrupted = match fault {
            Fault::Fail(fate) => {
                stage.counts.failures += 1;
                (failed("the simulated device"), fate, random)
            }
            Fault::FailFlush => {
                stage.counts.failed_flushes += 1;
                (failed("the simulated flush"), Fate::Torn, random)
            }
            Fault::Die(fate, death) => {
                stage.death = Some(death);
                if death.with_power {
                    stage.counts.power_failures += 1;
                } else {
                    stage.counts.kills += 1;
                }
                let torn = u64::from(fate.is_torn());
                stage.counts.torn_writes += torn;
                let state = stage.state;
                *stage.counts.deaths_in.entry(state).or_default() += 1;
                (died(), fate, random)
            }
        };
        drop(stage);
        if let Fault::Die(..) = fault {
            self.cast().keep_areas();
        }
        self.note(|| format!("{operation:?}: {fault:?}"));
        Err(interrupted)
    }

    pub fn reads(&self, volser: Volser, _: Track) -> Result<()> {
        self.point(Operation::Read).map_err(|(error, ..)| error.on_volume(volser))
    }

    pub fn writes(&self, volser: Volser, _: Track) -> std::result::Result<(), Interrupted> {
        let on = |(error, fate, random): Interrupted| (error.on_volume(volser), fate, random);
        self.point(Operation::Write).map_err(on)
    }

    pub fn flushes(&self, volser: Volser) -> std::result::Result<(), Interrupted> {
        let on = |(error, fate, random): Interrupted| (error.on_volume(volser), fate, random);
        self.point(Operation::Flush).map_err(on)
    }

    pub fn reads_slot(&self) -> Result<()> {
        self.point(Operation::Read).map_err(|(error, ..)| error)
    }

    pub fn saves(&self) -> std::result::Result<(), Interrupted> {
        self.point(Operation::Save)
    }

    /// Something that others are told: it happens as a whole or not at all, and the answer may be lost.
    pub fn tells<T>(&self, act: impl FnOnce() -> T) -> Result<T> {
        match self.point(Operation::Told) {
            Ok(()) => Ok(act()),
            Err((error, Fate::Done, _)) if !error.sentence().is_empty() => {
                act();
                Err(error)
            }
            Err((error, ..)) => Err(error),
        }
    }

    /// The dead process is gone: its locks have fallen, and what it did after its death is undone.
    pub fn bury(&self) -> Option<Death> {
        let death = self.stage().death.take()?;
        self.stage().faults.clear();
        self.stage().told.clear();
        self.cast().put_areas_back();
        if death.with_power {
            self.cut_power();
        }
        Some(death)
    }

    /// The machine ends and is started again.
    pub fn cut_power(&self) {
        let mut lost = BTreeMap::new();
        {
            let mut random = self.random();
            for (volser, disk) in &mut self.disks().volumes {
                lost.insert(*volser, disk.lose_power(&mut random));
            }
        }
        self.cast().lose_power(self, &lost);
    }

    /// Nothing new happens, and what has begun comes to its end.
    pub fn calm_down(&self) {
        self.stage().acts.clear();
        for _ in 0..CALM_MAX {
            if self.cast().is_calm() {
                return;
            }
            self.moment();
        }
        self.wrong("the others come to no end".into());
    }
}

/// The clock as the port.
pub(super) struct SimClock(pub Arc<World>);

impl Clock for SimClock {
    fn now(&self) -> Duration {
        // A dead process still asks for the time.
        let _ = self.0.point(Operation::Clock);
        self.0.stage().now
    }
}

/// Listens to the migration.
pub(super) struct SimEvents(pub Arc<World>);

impl EventSink for SimEvents {
    fn event(&self, _: Duration, event: &Event) {
        if self.0.is_dead() {
            return;
        }
        self.0.note(|| format!("[{}] {event}", event.name()));
        match event {
            Event::Moved { to, .. } => self.0.stage().state = *to,
            Event::Resumed { state } => self.0.stage().state = *state,
            _ => {}
        }
        let heard = self.0.cast().hear(event);
        if let Err(what) = heard {
            self.0.wrong(what);
        }
        self.0.count(|counts| counts.hear(event));
        if let Event::FinallyResynchronized { .. } = event {
            self.0.check_targets();
        }
    }
}
