//! Leads a migration to its end, and tells meanwhile what it does and what it waits for.
//!
//! Without others who write, everything is done at once, and whatever fails ends the command. With them the migration lives
//! as long as it takes, and what can pass is waited for:
//!
//! | what | then |
//! |---|---|
//! | monitors are missing before copying begins | waited for, up to the wait limit; then the target is released |
//! | they are missing later | nothing is copied until they are back |
//! | input or output fails | tried again, with longer and longer pauses, at most [`TROUBLES_MAX`] times in a row |
//! | the close or the window is given up | mirroring goes on; it is tried again if it is to close by itself |
//! | somebody changed source or target, or a catalog | nobody can wait for that: the command ends |
//!
//! Between two steps orders from other terminals and signals are looked at. A signal gives up a close or a window that has
//! begun: nobody stays held because of a process that is not there. Only a switch that has begun stays as it is.

pub mod board;
mod orders;
mod watchdog;

use crate::live::LiveOptions;
use crate::migrate::advice;
use crate::output::{Failure, Outcome};
use crate::progress::{Style, Teller, timestamp};
use crate::state_folder::Request;
use crate::steering::{Inbox, Received, Reply};
use crate::terminal::Interrupt;
use board::Board;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use trackmirror::clock::{Clock, SystemClock};
use trackmirror::copy::CopyOptions;
use trackmirror::enqueue::Opener;
use trackmirror::event::Progress;
use trackmirror::host::Host;
use trackmirror::migrate::{Migration, OnUnreadable};
use trackmirror::remote::{MachineReport, Presence};
use trackmirror::state::{State, Verb};
use trackmirror::{Code, Error, Reason, Result};
use watchdog::Watchdog;

/// So many tracks are copied before progress is told and a signal is looked at.
const STEP_TRACK_COUNT: u32 = 1500;
/// The same while others write, outside the window.
const LIVE_STEP_TRACK_COUNT: u32 = 360;
/// How often in a row something may fail that can pass.
const TROUBLES_MAX: u32 = 6;
/// How often a track is tried before its data set is left out.
const TRACK_ATTEMPTS: u32 = 3;
/// How soon it is asked again whether everything is closed: at first at once, since programs answer at once and cannot work
/// until it is seen; later more seldom, since people take their time.
const CLOSED_ASKED_FIRST: Duration = Duration::from_millis(10);
const CLOSED_ASKED: Duration = Duration::from_millis(250);
/// The pause before a close is tried again.
const CLOSE_PAUSE: Duration = Duration::from_secs(10);
/// The longest the command is silent while it waits.
const SILENCE_MAX: Duration = Duration::from_secs(55);
/// How long is slept at a time: so long an order or a signal waits.
const NAP: Duration = Duration::from_millis(50);
/// How often missing monitors are looked for.
const COVERAGE_PAUSE: Duration = Duration::from_millis(300);
/// What a close waits for; who they are is said behind it.
pub const OPENERS: &str = "those who have data sets open";

/// What was done, and how long it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// How far copying came.
    pub progress: Progress,
    /// The time in steps.
    pub copying: Duration,
    /// The time in all.
    pub whole: Duration,
}

/// How it ended.
pub enum End {
    /// Everything is done.
    Complete,
    /// It was given up on request.
    GivenUp,
    /// Its switch was undone, after its users could have been let in.
    BackedOut,
    /// Everything that was to be moved was deleted meanwhile.
    NothingLeft,
}

/// Who leads a migration.
pub struct Driver {
    /// The migration.
    pub migration: Migration,
    /// What was asked for.
    pub request: Request,
    /// What was done.
    pub work: Work,
    folder: PathBuf,
    teller: Arc<Teller>,
    inbox: Inbox,
    board: Board,
    interrupt: Interrupt,
    /// It was interrupted before, and taken up.
    is_resumed: bool,
    begun: Instant,
    close: Close,
    /// Failures in a row.
    troubles: u32,
    /// Since when monitors are missing.
    uncovered_since: Option<Instant>,
    /// The copies were compared in this window.
    is_verified: bool,
    /// What it waits for, in words.
    waits_for: Watchdog,
}

/// The close: who wants it, and how it goes.
#[derive(Default)]
struct Close {
    /// `close-now` was typed.
    is_ordered: bool,
    /// Not before this time, after it was given up.
    not_before: Option<Instant>,
    /// How often it was given up.
    given_up: u32,
    /// When it was asked last whether everything is closed.
    asked_at: Option<Instant>,
    /// How soon it is asked again.
    asked_pause: Duration,
    /// Who has data sets open.
    openers: Vec<Opener>,
    /// Who wants to know how it ends.
    waiting: Vec<Received>,
}

impl Close {
    /// How long until it is asked again whether everything is closed.
    fn asked_again_in(&self) -> Duration {
        self.asked_at.map_or(Duration::ZERO, |at| self.asked_pause.saturating_sub(at.elapsed()))
    }
}

/// What a step of the driver leads to.
type Flow = Outcome<Option<End>>;

impl Driver {
    /// Leads this migration, whose state is in this folder. `style` says how it is told.
    pub fn new(
        mut migration: Migration,
        host: &Host,
        request: Request,
        folder: &Path,
        teller: Arc<Teller>,
        is_resumed: bool,
    ) -> Result<Driver> {
        migration.set_copy_options(CopyOptions {
            threads: request.threads.into(),
            digests: request.digests,
            ..CopyOptions::default()
        });
        migration.set_pace(request.pace);
        if let Some(live) = &request.live {
            migration.set_goal(live.goal);
            migration.set_limits(live.limits);
            migration.set_on_unreadable(match live.stop_on_error {
                true => OnUnreadable::Stop,
                false => OnUnreadable::TakeOut { attempts: TRACK_ATTEMPTS },
            });
        }
        Ok(Driver {
            migration,
            work: Work::default(),
            folder: folder.into(),
            inbox: Inbox::open(folder),
            board: Board::new(folder, host, request.live.is_some()),
            interrupt: Interrupt::listen()?,
            is_resumed,
            begun: Instant::now(),
            close: Close::default(),
            troubles: 0,
            uncovered_since: None,
            is_verified: false,
            waits_for: Watchdog::new(&teller, SILENCE_MAX + SILENCE_MAX / 10),
            teller,
            request,
        })
    }

    /// Leads it to its end.
    pub fn lead(&mut self) -> Outcome<End> {
        let end = self.lead_on();
        self.work.whole = self.begun.elapsed();
        if let Err(failure) = &end {
            self.answer_waiting(&Reply::failed(self.migration.state(), &failure.error));
        }
        self.note_left_out();
        end
    }

    fn lead_on(&mut self) -> Outcome<End> {
        loop {
            if let Err(error) = self.interrupt.check() {
                return Err(self.stop(error));
            }
            if let Some(end) = self.take_orders()? {
                return Ok(end);
            }
            let Some(verb) = self.next_verb() else {
                let is_terminated = self.state() == State::Terminated;
                return Ok(if is_terminated { End::NothingLeft } else { End::Complete });
            };
            self.publish(false);
            self.break_silence();
            if let Some(end) = self.perform(verb)? {
                return Ok(end);
            }
        }
    }

    /// Whether it was interrupted before.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    fn live(&self) -> Option<&LiveOptions> {
        self.request.live.as_ref()
    }

    fn state(&self) -> State {
        self.migration.state()
    }

    /// What is to be done next: while others write, nothing is closed before somebody wants it, and who still has something
    /// open is asked now and then, with steps in between.
    fn next_verb(&self) -> Option<Verb> {
        let is_due = self.close.asked_again_in().is_zero();
        match self.state() {
            State::Mirrored if self.live().is_some() && !self.wants_close() => Some(Verb::Step),
            State::Closing if self.live().is_some() && !is_due => Some(Verb::Step),
            _ => self.migration.next_verb(),
        }
    }

    fn wants_close(&self) -> bool {
        let may = self.close.not_before.is_none_or(|at| Instant::now() >= at);
        let by_itself = self.live().is_some_and(|live| live.close_when_mirrored);
        // As near as it can come is mirrored too, but longer than its goal no window is opened unasked.
        self.close.is_ordered || may && by_itself && self.migration.is_at_goal()
    }

    fn perform(&mut self, verb: Verb) -> Flow {
        match verb {
            Verb::Step => self.step(),
            Verb::Quiesce => self.quiesce(),
            Verb::Switch => self.switch(),
            Verb::Complete => self.complete(),
            other => match self.migration.perform(other, STEP_TRACK_COUNT) {
                Ok(()) => self.went_well(),
                Err(error) => self.bear(error),
            },
        }
    }

    fn went_well(&mut self) -> Flow {
        self.troubles = 0;
        Ok(None)
    }

    fn step(&mut self) -> Flow {
        let in_window = self.state() == State::Quiesced;
        let is_closing = in_window || self.state() == State::Closing;
        let is_large = in_window || self.live().is_none();
        let from = Instant::now();
        let stepped =
            self.migration.step(if is_large { STEP_TRACK_COUNT } else { LIVE_STEP_TRACK_COUNT });
        self.work.copying += from.elapsed();
        match stepped {
            Ok(progress) => {
                self.work.progress = progress;
                self.uncovered_since = None;
                if self.state() == State::Mirrored {
                    self.is_verified = false;
                }
                self.say_what_it_waits_for();
                let is_closing = self.state() == State::Closing;
                let until = is_closing.then(|| self.close.asked_again_in());
                self.nap(self.migration.pause().min(until.unwrap_or(Duration::MAX)));
                self.went_well()
            }
            Err(error) if self.live().is_none() => Err(self.failure(error)),
            Err(error) if is_closing && self.state() == State::Mirrored => self.given_up(error),
            Err(error) if is_of_coverage(&error) => self.wait_for_coverage(error),
            Err(error) => self.bear(error),
        }
    }

    /// The outcome of a window that was given up, or of a close: mirroring goes on, unless it makes no sense.
    fn given_up(&mut self, error: Error) -> Flow {
        self.is_verified = false;
        self.close.openers.clear();
        (self.close.is_ordered, self.close.asked_at) = (false, None);
        self.answer_waiting(&Reply::failed(self.state(), &error));
        if !error.can_pass() {
            return Err(self.failure(error));
        }
        if error.reason() == Reason::NotCovered {
            self.teller.tell(&format!("no window can be opened now: {error}"));
        }
        let folder = self.folder.display();
        let Some(live) = self.live().filter(|live| live.close_when_mirrored) else {
            self.teller.tell(&format!(
                "mirroring goes on; to close again: trackmirror close-now --state {folder}"
            ));
            return Ok(None);
        };
        let attempts = live.attempts;
        self.close.given_up += 1;
        if self.close.given_up >= attempts {
            let reason = match error.code() {
                Code::Environment => error.reason(),
                _ => Reason::NotClosed,
            };
            let why = format!("the close was given up {attempts} times, at last: {error}");
            return Err(self.failure(Error::new(reason, why)));
        }
        self.close.not_before = Some(Instant::now() + CLOSE_PAUSE);
        self.teller.tell(&format!(
            "mirroring goes on; in {} s it is closed again, attempt {} of {attempts}",
            CLOSE_PAUSE.as_secs(),
            self.close.given_up + 1
        ));
        Ok(None)
    }

    fn quiesce(&mut self) -> Flow {
        if self.state() == State::Mirrored && self.live().is_some() {
            self.waits_for.set("the answer of those who are asked to close");
            self.publish(true);
        }
        let quiesced = self.migration.quiesce();
        self.close.asked_pause = match self.close.asked_at {
            None => CLOSED_ASKED_FIRST,
            Some(_) => (self.close.asked_pause * 2).min(CLOSED_ASKED),
        };
        self.close.asked_at = Some(Instant::now());
        match quiesced {
            Ok(openers) => {
                let is_new = self.close.openers != openers;
                self.close.openers = openers;
                self.say_what_it_waits_for();
                self.publish(is_new);
                self.went_well()
            }
            Err(error) if self.live().is_none() => Err(self.failure(error)),
            Err(error) if self.state() == State::Mirrored => self.given_up(error),
            Err(error) => self.bear(error),
        }
    }

    fn switch(&mut self) -> Flow {
        if self.request.verify && self.state() == State::Quiesced && !self.is_verified {
            self.waits_for.set("the comparison of source and target");
            self.publish(true);
            match self.migration.verify() {
                Ok(_) => self.is_verified = true,
                Err(error) if error.code() == Code::Refused => return Err(self.stop(error)),
                Err(error) => return self.bear(error),
            }
        }
        self.waits_for.set("the switch of the catalogs");
        self.publish(true);
        match self.migration.switch() {
            Ok(()) => self.switched(),
            Err(error) if self.live().is_none() => Err(self.failure(error)),
            Err(error) if self.state() == State::Mirrored => self.given_up(error),
            // Something is left to be copied after all.
            Err(error) if error.reason() == Reason::WrongState => Ok(None),
            Err(error) => self.bear(error),
        }
    }

    /// The users have their data sets at the target.
    fn switched(&mut self) -> Flow {
        self.close.openers.clear();
        if self.live().is_some() {
            self.request.switched_ms = Some(now_ms());
            self.request.save(&self.folder).map_err(|error| self.failure(error))?;
            let window_ms = self.migration.receipt().window_ms.unwrap_or_default();
            let text =
                format!("the data sets may be opened at the target: the window was {window_ms} ms");
            self.answer_waiting(&Reply::done(self.state(), text));
        }
        self.went_well()
    }

    /// Releases the sources, after they were kept as long as was asked for.
    fn complete(&mut self) -> Flow {
        if let Some(live) = &self.request.live {
            let switched_ms = match self.request.switched_ms {
                Some(ms) => ms,
                // It was interrupted before that was noted: the time begins now, rather than end too early.
                None => {
                    self.request.switched_ms = Some(now_ms());
                    self.request.save(&self.folder).map_err(|error| self.failure(error))?;
                    now_ms()
                }
            };
            let until = Duration::from_millis(switched_ms) + live.retain;
            let left = until.saturating_sub(SystemClock.now());
            if !left.is_zero() {
                let what = format!("the end of the retention at {} UTC", timestamp(until));
                if self.waits_for.what() != what {
                    self.teller.tell(&format!(
                        "the sources are kept until {} UTC, then scratched or renamed",
                        timestamp(until)
                    ));
                    self.waits_for.set(what);
                }
                self.nap(left.min(NAP));
                return Ok(None);
            }
        }
        self.waits_for.set("the release of the sources");
        self.publish(true);
        match self.migration.complete() {
            Ok(()) => self.went_well(),
            Err(error) => self.bear(error),
        }
    }

    /// Something failed. While others write, it is tried again if it can pass.
    fn bear(&mut self, error: Error) -> Flow {
        self.troubles += 1;
        // At the target its users may be just renaming or deleting it.
        let is_theirs = self.state() == State::Switched
            && matches!(error.reason(), Reason::TargetChanged | Reason::EntryChanged);
        let can_pass = error.code() == Code::Environment || is_theirs;
        let is_over = self.troubles > TROUBLES_MAX || !can_pass;
        if self.live().is_none() || is_over {
            return Err(self.stop(error));
        }
        let is_urgent = matches!(self.state(), State::Quiesced | State::Switching);
        let pause = Duration::from_millis(if is_urgent { 20 } else { 500 } << (self.troubles - 1));
        self.teller.tell(&format!(
            "{error}; tried again in {} ms, attempt {} of {TROUBLES_MAX}",
            pause.as_millis(),
            self.troubles
        ));
        self.waits_for.set(format!("another attempt: {error}"));
        self.publish(true);
        self.nap(pause);
        Ok(None)
    }

    /// Not everybody who can write is monitored.
    fn wait_for_coverage(&mut self, error: Error) -> Flow {
        let is_new = self.uncovered_since.is_none();
        let since = *self.uncovered_since.get_or_insert_with(Instant::now);
        let has_begun = self.teller.facts().has_begun;
        let limit = self.live().map_or(Duration::ZERO, |live| live.limits.wait);
        if !has_begun && since.elapsed() >= limit {
            if self.is_resumed {
                return Err(self.failure(error));
            }
            self.migration.terminate().map_err(|error| self.failure(error))?;
            let why = format!(
                "{}; after {} s it was given up, nothing was moved, and the target is released",
                error.sentence(),
                since.elapsed().as_secs()
            );
            let told = Error::new(error.reason(), why);
            return Err(match error.volser() {
                Some(volser) => told.on_volume(volser),
                None => told,
            }
            .into());
        }
        let what = error.to_string();
        if is_new || self.waits_for.what() != what {
            let until = if has_begun { "" } else { ", up to the wait limit" };
            self.teller.tell(&format!("{what}; that is waited for{until}"));
            self.waits_for.set(what);
        }
        let in_window = self.state() == State::Quiesced;
        self.nap(if in_window { Duration::from_millis(10) } else { COVERAGE_PAUSE });
        Ok(None)
    }

    fn failure(&self, error: Error) -> Failure {
        Failure { error, advice: advice(&self.folder) }
    }

    /// Ends the command at a point from which it can be resumed: a close that has begun is given up.
    fn stop(&mut self, error: Error) -> Failure {
        let is_held = matches!(self.state(), State::Closing | State::Quiesced);
        if self.live().is_some()
            && is_held
            && let Err(other) = self.migration.postpone()
        {
            self.teller.tell(&format!("the close could not be given up: {other}"));
        }
        let mut failure = self.failure(error);
        if self.state() == State::Switching && self.live().is_some() {
            failure.advice += "the data sets stay held until it is resumed\n";
        }
        failure
    }

    fn say_what_it_waits_for(&mut self) {
        let Some(live) = self.live() else { return };
        let left = self.work.progress.left_tracks;
        let openers = || self.close.openers.iter().map(Opener::to_string).collect::<Vec<_>>();
        let retry = self.close.not_before.map(|at| at.saturating_duration_since(Instant::now()));
        let what = match self.state() {
            State::Mirrored if self.close.is_ordered => "the close".into(),
            State::Mirrored if live.close_when_mirrored => match retry {
                Some(retry) if !retry.is_zero() => {
                    format!("the next attempt to close, in {} s", retry.as_secs() + 1)
                }
                _ => "the close".into(),
            },
            State::Mirrored => match self.machine_in_the_way() {
                Some(why) => why,
                None => format!("trackmirror close-now --state {}", self.folder.display()),
            },
            State::Closing => format!("{OPENERS}: {}", openers().join("; ")),
            State::Copying | State::Quiesced => format!("{left} tracks to be copied"),
            _ => String::new(),
        };
        self.waits_for.set(what);
    }

    /// The first image on another machine that lets no window open now, and why.
    fn machine_in_the_way(&self) -> Option<String> {
        self.migration.machines().into_iter().find_map(|machine| {
            let MachineReport { name, presence, trouble, .. } = machine;
            let folder = self.folder.display();
            match (presence, trouble) {
                (Presence::Left | Presence::Retired, _) => None,
                (Presence::Silent | Presence::Expected, trouble) => Some(format!(
                    "image {name} on another machine, which is {presence}{}: no window opens before it answers; start its \
                     agent, or, when it cannot write any more: trackmirror image retire --state {folder} {name}",
                    trouble.map(|why| format!(" ({why})")).unwrap_or_default()
                )),
                (Presence::Heard, trouble) => trouble.map(|why| format!("another machine: {why}")),
            }
        })
    }

    /// A line on the standard error when there was none for a while.
    fn break_silence(&self) {
        if self.live().is_none() || self.teller.silence() < SILENCE_MAX {
            return;
        }
        let mut text = format!("it is {}", self.state());
        if self.state().is_before_switch() {
            text += &format!("; {}", self.migration.estimate());
        }
        let what = self.waits_for.what();
        if !what.is_empty() {
            text += &format!("; it waits for {what}");
        }
        self.teller.tell(&text);
    }

    fn publish(&mut self, at_once: bool) {
        let waits_for = self.waits_for.what();
        let closing = board::Closing {
            is_ordered: self.close.is_ordered,
            openers: &self.close.openers,
            waits_for: &waits_for,
        };
        self.board.publish(&self.migration, &self.request, &self.work, &closing, at_once);
    }

    /// Sleeps, but not through orders and signals for long.
    fn nap(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.interrupt.check().is_err() || !self.inbox.look().is_empty() {
                return;
            }
            std::thread::sleep(left.min(NAP));
            self.publish(false);
            self.break_silence();
        }
    }

    /// Keeps for `resume` and the end which data sets were left out.
    fn note_left_out(&mut self) {
        let left_out = self.teller.facts().left_out;
        if left_out.is_empty() {
            return;
        }
        self.request.left_out.extend(left_out);
        if let Err(error) = self.request.save(&self.folder) {
            self.teller.tell(&format!("what was left out could not be noted: {error}"));
        }
    }
}

/// How it is told what a request leads to.
pub fn style(request: &Request, json: bool) -> Style {
    Style { live: request.live.is_some(), json }
}

fn now_ms() -> u64 {
    SystemClock.now().as_millis() as u64
}

fn is_of_coverage(error: &Error) -> bool {
    matches!(error.reason(), Reason::NotCovered | Reason::VolumeInUse)
}
