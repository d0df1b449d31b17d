//! A program that moves data sets, as one in C does: it knows nothing of the library but its C functions, and brings
//! everything that they need in tables of its own.
//!
//! It lives until the migration has ended, or something fails that it cannot wait for. Where tables fail, it may give up
//! (cleanly: everything is closed, every table was given back once) and begin again, as somebody would who has
//! repaired his system.

use super::desk::{Desk, Trouble, empty_block, size_of_it, text_of};
use super::host::{Host, Life};
use super::lies::Lie;
use super::world::Random;
use serde_json::{Value, json};
use std::ffi::CString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trackmirror::Reason;
use trackmirror::ffi::*;
use trackmirror::state::{State, Verb};

/// The environment variable with the orders of a program.
pub const ORDERS: &str = "TRACKMIRROR_C_ABI_ORDERS";
/// The environment variable that has it tell every event.
pub const TOLD: &str = "TRACKMIRROR_SEED";

/// So many tracks are copied at a time in the window, and outside.
const STEP_IN_WINDOW: u32 = 1500;
const STEP: u32 = 360;
/// How often in a row something may fail that can pass.
const TROUBLES_MAX: u32 = 6;
/// How often the close is tried, and the pause before it is tried again.
const ATTEMPTS: u32 = 5;
const CLOSE_PAUSE: Duration = Duration::from_secs(1);
/// How often it begins again while its tables fail.
const LIVES: u32 = 4;

/// What the program is to do.
#[derive(Clone, Debug)]
pub struct Job {
    pub folder: PathBuf,
    pub sources: Vec<PathBuf>,
    pub targets: Vec<PathBuf>,
    pub system: PathBuf,
    pub images: Vec<String>,
    pub goal_tracks: u64,
    pub threads: u32,
    pub pace: Option<u64>,
    pub options: Vec<String>,
    /// What the host is like follows from it.
    pub seed: u64,
    pub lie: Option<Lie>,
    /// Where it notes its lives.
    pub diary: PathBuf,
    /// Whether notes beside the images tell of the migration.
    pub has_notes: bool,
    /// Somebody changes what is allocated meanwhile.
    pub is_changed: bool,
}

fn paths(value: &Value) -> Vec<PathBuf> {
    texts(value).into_iter().map(PathBuf::from).collect()
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().expect("a list");
    all.iter().map(|text| text.as_str().expect("a text").to_string()).collect()
}

impl Job {
    pub fn value(&self) -> Value {
        json!({
            "folder": self.folder, "sources": self.sources, "targets": self.targets, "system": self.system,
            "images": self.images, "goal_tracks": self.goal_tracks, "threads": self.threads, "pace": self.pace,
            "options": self.options, "seed": self.seed, "lie": self.lie.map(Lie::name),
            "diary": self.diary, "has_notes": self.has_notes, "is_changed": self.is_changed,
        })
    }

    fn parse(text: &str) -> Job {
        let value: Value = serde_json::from_str(text).expect("orders");
        let number = |name: &str| value[name].as_u64();
        Job {
            folder: value["folder"].as_str().expect("a folder").into(),
            sources: paths(&value["sources"]),
            targets: paths(&value["targets"]),
            system: value["system"].as_str().expect("a file").into(),
            images: texts(&value["images"]),
            goal_tracks: number("goal_tracks").expect("a goal"),
            threads: number("threads").expect("threads") as u32,
            pace: number("pace"),
            options: texts(&value["options"]),
            seed: number("seed").expect("a seed"),
            lie: value["lie"].as_str().and_then(Lie::named),
            diary: value["diary"].as_str().expect("a file").into(),
            has_notes: value["has_notes"].as_bool().expect("yes or no"),
            is_changed: value["is_changed"].as_bool().expect("yes or no"),
        }
    }

    /// The folder of the migration's state, and of what happens.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Where somebody orders the close.
    pub fn close_order(folder: &Path) -> PathBuf {
        folder.join("close-now")
    }

    /// Notes that a life has ended, with every table given back.
    fn note(&self, line: &str) {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.diary);
        let noted = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        noted.expect("it can be noted");
    }

    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|given| given == option)
    }
}

/// What a host of a seed is like.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub trouble: Trouble,
    /// The space managers read the VTOC, not the library.
    pub reads_vtocs: bool,
    pub has_monotonic: bool,
    pub replaces_heads: bool,
    /// Notes beside the images tell of the migration.
    pub has_notes: bool,
    /// It calls tmr_migration_advance where it may.
    pub advances: bool,
}

impl Manner {
    pub fn new(seed: u64) -> Manner {
        let mut random = Random(seed ^ 0xC0FF_EE00);
        let ms = Duration::from_millis;
        let (slow, fails_every) = match random.below(6) {
            0 => (Some(ms(random.between(1, 4).into())), None),
            1 => (None, Some(random.between(3, 60).into())),
            2 => (Some(ms(1)), Some(random.between(5, 200).into())),
            _ => (None, None),
        };
        Manner {
            trouble: Trouble { slow, fails_every, fails_after: random.one_in(2) },
            reads_vtocs: !random.one_in(3),
            has_monotonic: random.one_in(2),
            replaces_heads: random.one_in(2),
            has_notes: random.one_in(2),
            advances: random.one_in(2),
        }
    }
}

/// What a call of the library failed with.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: i32,
    pub reason: u32,
    /// The state in which the migration is, if it is about one.
    pub state: u32,
    pub sentence: String,
}

impl Failure {
    pub fn is(&self, reasons: &[Reason]) -> bool {
        reasons.iter().any(|reason| *reason as u32 == self.reason)
    }

    /// A failure of this program's own objects.
    pub fn own(error: &trackmirror::Error) -> Failure {
        Failure {
            code: error.code() as i32,
            reason: error.reason() as u32,
            state: 0,
            sentence: error.to_string(),
        }
    }
}

pub type Done<T> = std::result::Result<T, Failure>;

/// Calls a function of the library: its code, if that is 0 or 4.
pub fn call(function: impl FnOnce(*mut tmr_error) -> i32) -> Done<i32> {
    let mut block = empty_block();
    let code = function(&raw mut block);
    if code == TMR_DONE || code == TMR_MORE {
        return Ok(code);
    }
    assert_eq!(code, block.code, "{}", text_of(&block.sentence));
    let sentence = text_of(&block.sentence);
    assert!(!sentence.is_empty() && block.reason != 0, "code {code} without a word");
    Err(Failure { code, reason: block.reason, state: block.state, sentence })
}

/// What the program is: it ends with the code of its last failure.
pub fn run(orders: &str) -> i32 {
    let job = Job::parse(orders);
    let mut manner = Manner::new(job.seed);
    if std::env::var_os(TOLD).is_some() {
        eprintln!("{manner:?}");
    }
    for life in 1.. {
        if life > LIVES {
            manner.trouble.fails_every = None;
        }
        let desk = Desk::new(manner.trouble);
        let done = Program::live(&job, manner, &desk);
        desk.check_released();
        match done {
            Ok(()) => {
                job.note("done");
                return 0;
            }
            Err(failure) => {
                job.note(&format!("given up: {}", failure.sentence));
                eprintln!("{}", failure.sentence);
                assert!(failure.code < TMR_INTERNAL, "{}", failure.sentence);
                // Whoever has failed tables repairs them, and begins again.
                if manner.trouble.fails_every.is_none() {
                    return failure.code;
                }
            }
        }
    }
    unreachable!()
}

/// A migration under way.
struct Program<'a> {
    job: &'a Job,
    manner: Manner,
    life: &'a Life,
    troubles: u32,
    given_up: u32,
    close_not_before: Option<Instant>,
    is_close_ordered: bool,
    asked_at: Option<(Instant, Duration)>,
    is_verified: bool,
    told: String,
}

impl<'a> Program<'a> {
    /// From its beginning, or where it was interrupted, to its end.
    fn live(job: &Job, manner: Manner, desk: &Desk) -> Done<()> {
        // What is changed every few milliseconds is never seen whole by who needs longer to look at it.
        desk.set_quick(job.is_changed);
        let host = Host::open(job, manner, desk)?;
        let life = match begin(job, &host) {
            Ok(life) => life,
            Err(failure) => {
                host.close();
                return Err(failure);
            }
        };
        desk.set_quick(false);
        let is_over = AtomicBool::new(false);
        let done = std::thread::scope(|scope| {
            let polled = scope.spawn(|| host.poll(&life, &is_over));
            let mut program = Program {
                job,
                manner,
                life: &life,
                troubles: 0,
                given_up: 0,
                close_not_before: None,
                is_close_ordered: false,
                asked_at: None,
                is_verified: false,
                told: String::new(),
            };
            let done = program.lead();
            is_over.store(true, Ordering::SeqCst);
            polled.join().expect("who polls lives");
            done
        });
        life.close();
        host.close();
        done
    }

    fn lead(&mut self) -> Done<()> {
        loop {
            let status = self.life.status()?;
            let state = state_of(&status);
            if state == State::Complete {
                return Ok(());
            }
            if state == State::Terminated {
                return Err(self.own("everything was deleted meanwhile, and nothing was moved"));
            }
            if status.flags & TMR_STATUS_RESUME != 0 {
                return Err(self.own("it must be resumed"));
            }
            let order = Job::close_order(&self.job.folder);
            self.is_close_ordered |= std::fs::remove_file(order).is_ok();
            let verb = self.next_verb(state, &status);
            self.perform(verb, state)?;
        }
    }

    fn own(&self, sentence: &str) -> Failure {
        Failure { code: TMR_REFUSED, reason: 0, state: 0, sentence: sentence.into() }
    }

    /// The library's next verb; but nothing is closed before it is time, and it is not asked too often who has closed.
    fn next_verb(&self, state: State, status: &tmr_status) -> u32 {
        let is_at_goal = status.flags & TMR_STATUS_AT_GOAL != 0;
        let may = self.close_not_before.is_none_or(|at| Instant::now() >= at);
        let wants_close = self.is_close_ordered || may && is_at_goal;
        let is_due = self.asked_at.is_none_or(|(at, pause)| at.elapsed() >= pause);
        match state {
            State::Mirrored if !wants_close => Verb::Step as u32,
            State::Closing if !is_due => Verb::Step as u32,
            _ => status.next_verb,
        }
    }

    fn perform(&mut self, verb: u32, state: State) -> Done<()> {
        let migration = self.life.migration;
        let is = |other: Verb| verb == other as u32;
        if is(Verb::Step) {
            return self.step(state);
        }
        if is(Verb::Quiesce) {
            return self.quiesce();
        }
        if is(Verb::Switch)
            && self.job.has("--verify")
            && state == State::Quiesced
            && !self.is_verified
        {
            let mut count = 0;
            // SAFETY: the migration is open; the place is ours.
            match call(|error| unsafe { tmr_migration_verify(migration, &raw mut count, error) }) {
                Ok(_) => self.is_verified = count > 0,
                Err(failure) => return self.bear(failure),
            }
        }
        // SAFETY: the migration is open.
        let done = call(|error| unsafe {
            match verb {
                _ if self.manner.advances => {
                    tmr_migration_advance(migration, STEP_IN_WINDOW, error)
                }
                _ if is(Verb::Reserve) => tmr_migration_reserve(migration, error),
                _ if is(Verb::Switch) => tmr_migration_switch(migration, error),
                _ if is(Verb::BackOut) => tmr_migration_back_out(migration, error),
                _ if is(Verb::Complete) => tmr_migration_complete(migration, error),
                other => panic!("verb {other} never leads on"),
            }
        });
        match done {
            Ok(_) => self.went_well(),
            Err(failure) if is(Verb::Switch) => {
                if failure.state == State::Mirrored as u32 {
                    self.give_up(failure)
                } else if failure.is(&[Reason::WrongState]) {
                    Ok(())
                } else {
                    self.bear(failure)
                }
            }
            Err(failure) => self.bear(failure),
        }
    }

    fn went_well(&mut self) -> Done<()> {
        self.troubles = 0;
        Ok(())
    }

    fn step(&mut self, state: State) -> Done<()> {
        let is_closing = matches!(state, State::Quiesced | State::Closing);
        let count = if state == State::Quiesced { STEP_IN_WINDOW } else { STEP };
        let mut progress = tmr_migration_progress {
            size: size_of_it::<tmr_migration_progress>(),
            reserved: 0,
            copied_tracks: 0,
            left_tracks: 0,
            total_tracks: 0,
            byte_count: 0,
        };
        let migration = self.life.migration;
        // SAFETY: the migration is open, and the structure is ours.
        let stepped =
            call(|error| unsafe { tmr_migration_step(migration, count, &raw mut progress, error) });
        match stepped {
            Ok(code) => {
                assert_eq!(code == TMR_DONE, progress.left_tracks == 0);
                let status = self.life.status()?;
                if status.state == State::Mirrored as u32 {
                    self.is_verified = false;
                }
                let pause = Duration::from_micros(status.pause_us).min(Duration::from_millis(50));
                std::thread::sleep(pause);
                self.went_well()
            }
            Err(failure) if is_closing && failure.state == State::Mirrored as u32 => {
                self.give_up(failure)
            }
            Err(failure) if failure.is(&[Reason::NotCovered, Reason::VolumeInUse]) => {
                // Somebody has to start it again.
                if self.told != failure.sentence {
                    eprintln!("{}; that is waited for", failure.sentence);
                    self.told = failure.sentence;
                }
                let ms = if state == State::Quiesced { 10 } else { 100 };
                std::thread::sleep(Duration::from_millis(ms));
                Ok(())
            }
            Err(failure) => self.bear(failure),
        }
    }

    fn quiesce(&mut self) -> Done<()> {
        let pause = match self.asked_at {
            None => Duration::from_millis(10),
            Some((_, pause)) => (pause * 2).min(Duration::from_millis(250)),
        };
        let migration = self.life.migration;
        // SAFETY: the migration is open.
        let quiesced = call(|error| unsafe { tmr_migration_quiesce(migration, error) });
        self.asked_at = Some((Instant::now(), pause));
        match quiesced {
            Ok(code) => {
                let status = self.life.status()?;
                assert_eq!(code == TMR_MORE, status.opener_count > 0);
                for index in 0..status.opener_count {
                    assert!(!self.life.opener(index)?.is_empty());
                }
                self.went_well()
            }
            Err(failure) if failure.state == State::Mirrored as u32 => self.give_up(failure),
            Err(failure) => self.bear(failure),
        }
    }

    /// The window was given up, or the close.
    fn give_up(&mut self, failure: Failure) -> Done<()> {
        use Reason::*;
        self.is_verified = false;
        (self.is_close_ordered, self.asked_at) = (false, None);
        let can_pass = failure.code == TMR_ENVIRONMENT
            || failure.is(&[
                NotCovered,
                LateWriter,
                DataSetHeld,
                CommandRefused,
                VolumeInUse,
                TargetChanged,
                NoSpace,
                VtocFull,
                NameExists,
                NotMonitored,
                NotFilled,
                SourceChanged,
                NotCataloged,
                CatalogMismatch,
                PartMissing,
                UnfinishedMigration,
            ]);
        self.given_up += 1;
        if !can_pass || self.given_up >= ATTEMPTS {
            return Err(failure);
        }
        eprintln!("mirroring goes on: {}", failure.sentence);
        self.close_not_before = Some(Instant::now() + CLOSE_PAUSE);
        Ok(())
    }

    /// Something failed, and is tried again if it can pass.
    fn bear(&mut self, failure: Failure) -> Done<()> {
        let state = state_of(&self.life.status()?);
        self.troubles += 1;
        let is_theirs =
            state == State::Switched && failure.is(&[Reason::TargetChanged, Reason::EntryChanged]);
        let can_pass = failure.code == TMR_ENVIRONMENT || is_theirs;
        if can_pass && self.troubles <= TROUBLES_MAX {
            eprintln!("{}; tried again", failure.sentence);
            let is_urgent = matches!(state, State::Quiesced | State::Switching);
            let ms = if is_urgent { 5 } else { 50 } << (self.troubles - 1);
            std::thread::sleep(Duration::from_millis(ms));
            return Ok(());
        }
        if matches!(state, State::Closing | State::Quiesced) {
            let migration = self.life.migration;
            // SAFETY: the migration is open.
            if let Err(other) = call(|error| unsafe { tmr_migration_postpone(migration, error) }) {
                eprintln!("the close could not be given up: {}", other.sentence);
            }
        }
        Err(failure)
    }
}

fn state_of(status: &tmr_status) -> State {
    let state = State::ALL.iter().find(|state| **state as u32 == status.state);
    *state.expect("the library gives states")
}

/// Begins the migration, or goes on with it.
fn begin(job: &Job, host: &Host<'_>) -> Done<Life> {
    let folder = job.state();
    let notes = CString::new(folder.to_str().expect("a path of ours")).expect("no zero");
    let flag = |option, flag| if job.has(option) { flag } else { 0 };
    let options = tmr_migration_options {
        size: size_of_it::<tmr_migration_options>(),
        options: flag("--erase", TMR_ERASE) | flag("--keep", TMR_KEEP),
        threads: job.threads,
        batch_tracks: 0,
        state_folder: if job.has_notes { notes.as_ptr() } else { std::ptr::null() },
    };
    let life = if trackmirror::checkpoint::FileStore::peek(&folder).is_ok() {
        host.resume(&options)?
    } else {
        host.begin(&options)?
    };
    life.tune(job).expect("it can be tuned in every state");
    Ok(life)
}
