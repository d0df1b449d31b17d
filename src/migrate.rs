//! A migration: one run of one plan, as a state machine that its caller drives.
//!
//! # The problem
//! Data sets move while anything may happen to the process, the machine and the disks. Whenever it stops, somebody must
//! be able to take it up again, and until then every name must lead to one complete copy.
//!
//! # The rule
//! A [`Migration`] is told a *verb*, does it, and moves to the next state ([`State`]); a verb that the state does not allow
//! is refused and changes nothing. An I/O failure never moves the state: the verb may be told again. Every state is
//! durable before the first write that only it allows:
//!
//! | verb | writes | made durable before |
//! |---|---|---|
//! | [`reserve`](Migration::reserve) | the target's DSCBs | the plan, with exactly these extents |
//! | [`step`](Migration::step) | the target's tracks | that they are allocated |
//! | [`switch`](Migration::switch) | catalog entries | the intent, after the targets were flushed |
//! | [`complete`](Migration::complete) | the sources' DSCBs | *looked*: the switch stands |
//!
//! Each single change of a VTOC or a catalog has an intent of its own in the checkpoint, which is settled first when the
//! migration is resumed.
//!
//! # While others write
//! With monitors ([`Host::live`]) the sources are written to while they are copied, and only the last moment is taken
//! away from their users:
//!
//! * copying starts when every image is covered, and what changes is copied again; the migration is *mirrored* when what
//!   is left is below a [`Goal`], or as little as it can become;
//! * [`quiesce`](Migration::quiesce) asks for the close and keeps new openers out, and when nobody has the data sets open
//!   it seals their tracks: this is the *window*. What is left is copied, what else changed at the sources is followed, as
//!   it was before whenever a monitor noted that a VTOC was written;
//! * [`switch`](Migration::switch) looks once more, after the catalogs were changed and before that counts: a write that
//!   nobody should have made backs it out, and is named. Then the users are let in.
//!
//! Each step of the wait and of the window may be given up: the data sets are released where they are, and mirroring
//! goes on. The hold on openers is durable from before they are asked until after the end.
//!
//! # After an interruption
//! With monitors nothing was missed, if their areas are those of the same boot: before the switch it goes on with what is
//! left, and while switching it looks again. If not, everything is copied again, and a switch that had begun is backed
//! out: nobody can have written, because the data sets are held.
//!
//! Without monitors nobody has seen who wrote to the volumes meanwhile. So before the switch everything is copied again. While switching,
//! source and target are compared, track by track: if they are equal the switch goes on; if not, and the catalogs still
//! lead to the source, it is backed out and copied again; and if the catalogs lead to the target already, both may have
//! been written to, which only their owner can settle: nothing is touched. After *looked* there is only forward.
//!
//! ```no_run
//! use trackmirror::checkpoint::FileStore;
//! use trackmirror::host::Host;
//! use trackmirror::migrate::{Migration, MoveOptions, Selection, propose};
//! use trackmirror::plan::Mode;
//! use trackmirror::volume::{self, Access};
//!
//! let host = Host::of_volumes(volume::open_all(&["old.3390", "new.3390"], Access::Exclusive)?)?;
//! let selection = Selection {
//!     masks: &["TEST.**".parse()?],
//!     sources: &["OLD001".parse()?],
//!     targets: &["NEW001".parse()?],
//!     mode: Mode::OnePrimary,
//!     uncataloged: false,
//!     slack: 0,
//! };
//! let (plan, refusals) = propose(&host, &selection)?;
//! assert!(refusals.is_empty(), "{refusals:?}");
//! let store = FileStore::open("state".as_ref())?;
//! let mut migration = Migration::new(host, plan, MoveOptions::default(), store, None)?;
//! while let Some(verb) = migration.next_verb() {
//!     migration.perform(verb, 1500)?;
//! }
//! # Ok::<(), trackmirror::Error>(())
//! ```

mod backing_out;
mod copying;
mod durable;
mod following;
mod leaving;
mod machines;
mod monitors;
mod newest;
mod propose;
mod rehearsing;
mod resume;
mod stopping;
mod switching;
mod window;

pub use copying::{Goal, OnUnreadable, Receipt};
pub use durable::{MoveOptions, are_targets_shared, status};
pub use propose::{Selection, kept_name, propose};
pub use rehearsing::{Measured, Obstacle, Rehearsal, RehearsalOptions, Stage, rehearse};
pub use window::Limits;

use crate::checkpoint::{Checkpoint, CheckpointStore};
use crate::copy::{Copier, CopyOptions};
use crate::error::{Code, Error, Reason, Result};
use crate::estimate::{Estimate, Estimator, Work};
use crate::event::Event;
use crate::host::Host;
use crate::monitor::{self, Subscription};
use crate::name::{DsName, Volser};
use crate::pace::{Pace, Pacer};
use crate::plan::{Plan, PlannedDataSet};
use crate::registry;
use crate::state::{State, Verb};
use crate::switch::{self, Ports};
use crate::translate::TranslateTable;
use crate::verify::{Verification, verify};
use crate::volume::intent::Journal;
use backing_out::WayBack;
use durable::{Durable, Released, Stored, Watched};
use following::Pursuit;
use monitors::Monitors;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A migration: see the [module](self).
pub struct Migration {
    host: Host,
    plan: Arc<Plan>,
    durable: Mutex<Durable>,
    /// None until the next step begins with the whole work.
    copier: Option<Copier>,
    /// Nobody can have written to source or target since they were looked at.
    is_taken_up: bool,
    copy_options: CopyOptions,
    /// The state's folder, as the notes beside the volumes' images name it.
    notes: Option<PathBuf>,
    /// `None` if nobody else writes.
    monitors: Option<Monitors>,
    /// What watches the targets, from the switch until the sources are released.
    targets: BTreeMap<Volser, Subscription>,
    course: Course,
}

/// What this process was asked, and what it has measured so far. It begins anew with each process.
struct Course {
    goal: Goal,
    limits: Limits,
    on_unreadable: OnUnreadable,
    pacer: Pacer,
    estimator: Estimator,
    /// As of the last step.
    estimate: Option<Estimate>,
    pause: Duration,
    receipt: Receipt,
    /// When the close was asked for.
    closing_begun: Option<Duration>,
    /// Everybody was asked to close, and openers are held.
    are_kept_out: bool,
    /// When it was confirmed.
    window_begun: Option<Duration>,
    /// When it was last seen that every writer is covered.
    watched_at: Option<Duration>,
    /// When it was last seen what the window will look at.
    rehearsed_at: Option<Duration>,
    /// How far the sources were followed.
    pursuit: Pursuit,
    /// It is certain that the checkpoint is not older than what was done: no target is the only copy of a data set.
    is_surely_unfinished: bool,
    /// When it was last said that copying waits for writes that began before.
    waiting_since: Option<Duration>,
    /// Who was told to have data sets open still.
    told_openers: Vec<String>,
    passes_told: u64,
    /// Changes come as fast as copies, and when that was told last.
    is_at_distance: bool,
    distance_told_at: Option<Duration>,
    /// How often the copy of a track has failed.
    troubles: BTreeMap<(Volser, u32), u32>,
    /// How often the plan had changed when the notes were marked.
    marked_plan: u64,
    /// The targets were given to their users: this process writes nothing there any more.
    are_targets_shared: bool,
}

impl Course {
    fn new() -> Course {
        Course {
            goal: Goal::default(),
            limits: Limits::default(),
            on_unreadable: OnUnreadable::default(),
            pacer: Pacer::new(Pace::Unlimited),
            estimator: Estimator::new(),
            estimate: None,
            pause: Duration::ZERO,
            receipt: Receipt::default(),
            closing_begun: None,
            are_kept_out: false,
            window_begun: None,
            watched_at: None,
            rehearsed_at: None,
            pursuit: Pursuit::default(),
            is_surely_unfinished: false,
            waiting_since: None,
            told_openers: Vec::new(),
            passes_told: 0,
            is_at_distance: false,
            distance_told_at: None,
            troubles: BTreeMap::new(),
            marked_plan: 0,
            are_targets_shared: false,
        }
    }
}

impl Migration {
    /// A new migration of this plan. Its state is made durable, and a note stands beside each image that it will
    /// change, if `state_folder` says where the state is.
    ///
    /// Errors: [`Reason::NothingSelected`] for an empty plan; [`Reason::PlanDiffers`] if the store holds a migration
    /// already; [`Reason::UnfinishedMigration`] if one of the volumes has another one.
    pub fn new(
        host: Host,
        plan: Plan,
        options: MoveOptions,
        store: impl CheckpointStore + 'static,
        state_folder: Option<PathBuf>,
    ) -> Result<Migration> {
        if plan.data_sets.is_empty() {
            return Err(Error::new(Reason::NothingSelected, "there is no data set to move"));
        }
        plan.table()?;
        check_options(&plan, &options)?;
        let (checkpoint, sections) = Checkpoint::open(store)?;
        if sections.is_some() {
            return Err(Error::new(
                Reason::PlanDiffers,
                format!(
                    "{} holds a migration already; resume it, terminate it, or use another folder if it has ended",
                    checkpoint.location()
                ),
            ));
        }
        let kept_as = kept_names(&host, &plan, &options)?;
        let released = Released { parts: vec![0; plan.data_sets.len()], current: None };
        Migration::check_volumes(&host, &plan, state_folder.as_deref())?;
        let [one, two] = monitor::new_migration()?;
        let id = (one, two);
        let watched = match &host.live {
            None => None,
            Some(live) => {
                let possible = plan.possible_sources();
                Monitors::new(live.clone(), id, plan.source_volsers(), &possible)?;
                machines::check_past_caches(&host, &plan.source_volsers())?;
                Some(Watched { migration: id, ..Watched::default() })
            }
        };
        let (state, intent, leaving) = (State::Planned, None, Vec::new());
        let stored = Stored {
            id,
            plan,
            options,
            kept_as,
            state,
            may_have_reserved: false,
            released,
            intent,
            watched,
            elsewhere: Vec::new(),
            leaving,
            next: None,
            way_back: WayBack::default(),
        };
        let durable = Durable::new(stored, checkpoint)?;
        let mut migration = Migration::over(host, durable, state_folder)?;
        (migration.is_taken_up, migration.course.is_surely_unfinished) = (true, true);
        migration.write_notes(registry::claim_shared)?;
        migration.mark_notes()?;
        Ok(migration)
    }

    fn over(host: Host, durable: Durable, notes: Option<PathBuf>) -> Result<Migration> {
        let plan = Arc::new(durable.stored.plan.clone());
        let monitors = match (&durable.stored.watched, &host.live) {
            (None, _) => None,
            (Some(watched), Some(live)) => {
                let (sources, possible) = (plan.source_volsers(), plan.possible_sources());
                machines::check_given(&live.machines, &durable.stored)?;
                if !durable.stored.state.is_ended() {
                    machines::check_past_caches(&host, &sources)?;
                }
                let id = watched.migration;
                let mut monitors = Monitors::new(live.clone(), id, sources, &possible)?;
                monitors.machines.remember(&durable.stored.elsewhere);
                Some(monitors)
            }
            (Some(_), None) => {
                return Err(Error::new(
                    Reason::NotMonitored,
                    "others may write to the sources of this migration; give their monitors",
                ));
            }
        };
        Ok(Migration {
            host,
            plan,
            durable: Mutex::new(durable),
            copier: None,
            is_taken_up: false,
            copy_options: CopyOptions::default(),
            notes,
            monitors,
            targets: BTreeMap::new(),
            course: Course::new(),
        })
    }

    /// That every volume that the plan changes can be written, and has no unfinished migration but the one whose state
    /// is in this folder. [`new`](Migration::new) sees it too; this is for those who would make the folder first.
    ///
    /// Errors: [`Reason::NoSuchVolume`], [`Reason::ReadOnlyVolume`], [`Reason::UnfinishedMigration`].
    pub fn check_volumes(host: &Host, plan: &Plan, state_folder: Option<&Path>) -> Result<()> {
        check_writable(host, plan)?;
        Migration::check_notes(host, plan, state_folder)
    }

    /// That no volume that the plan changes has another unfinished migration.
    fn check_notes(host: &Host, plan: &Plan, state_folder: Option<&Path>) -> Result<()> {
        let Some(folder) = state_folder else { return Ok(()) };
        let (own, shared) = Migration::own_and_shared(host, plan);
        own.iter().try_for_each(|path| registry::check_unfinished(path, folder))?;
        let names = names(plan);
        shared.iter().try_for_each(|path| registry::check_shared(path, folder, &names))
    }

    /// What is moved.
    pub fn plan(&self) -> Arc<Plan> {
        self.plan.clone()
    }

    /// The state.
    pub fn state(&self) -> State {
        self.durable.lock().stored.state
    }

    /// The name under which a source is kept, for each data set of the plan; `None` if it is scratched.
    pub fn kept_as(&self) -> Vec<Option<DsName>> {
        self.durable.lock().stored.kept_as.clone()
    }

    /// How copying goes, with how many threads.
    pub fn set_copy_options(&mut self, options: CopyOptions) {
        self.copy_options = options;
    }

    /// The verb that leads towards the end; `None` at the end. (Comparing is never needed, and never among them.)
    pub fn next_verb(&self) -> Option<Verb> {
        match self.state() {
            State::Planned => Some(Verb::Reserve),
            State::Copying => Some(Verb::Step),
            State::Mirrored | State::Closing if self.monitors.is_none() && self.left() > 0 => {
                Some(Verb::Step)
            }
            // What is left is not known yet: it may be too much for a window.
            State::Mirrored if self.monitors.is_some() && self.copier.is_none() => Some(Verb::Step),
            State::Quiesced if !self.is_quiet().unwrap_or(false) => Some(Verb::Step),
            State::Mirrored | State::Closing => Some(Verb::Quiesce),
            State::Switching if self.is_backing_out() => Some(Verb::BackOut),
            State::Quiesced | State::Switching => Some(Verb::Switch),
            State::Switched => Some(Verb::Complete),
            State::Complete | State::Terminated => None,
        }
    }

    /// Does what a verb says. A step copies at most `track_count_max` tracks.
    pub fn perform(&mut self, verb: Verb, track_count_max: u32) -> Result<()> {
        match verb {
            Verb::Reserve => self.reserve(),
            Verb::Step => self.step(track_count_max).map(drop),
            Verb::Verify => self.verify().map(drop),
            Verb::Quiesce => self.quiesce().map(drop),
            Verb::Postpone => self.postpone(),
            Verb::Switch => self.switch(),
            Verb::BackOut => self.back_out(),
            Verb::Complete => self.complete(),
            Verb::Terminate => self.terminate(),
            Verb::Accommodate => self.accommodate().map(drop),
        }
    }

    /// Allocates the target. What a former attempt allocated is found by its exact extents, and used. If a part is
    /// refused, what was allocated is released again.
    ///
    /// Errors: those of [`SpaceManager::allocate`](crate::SpaceManager::allocate), [`Reason::TargetChanged`],
    /// [`Reason::SourceChanged`].
    pub fn reserve(&mut self) -> Result<()> {
        self.begin(Verb::Reserve)?;
        let plan = self.plan();
        if !self.may_have_reserved() {
            self.check_unreserved(&plan)?;
            self.durable.lock().set_may_have_reserved(true)?;
        }
        let reserved = plan.data_sets.iter().try_for_each(|data_set| self.reserve_one(data_set));
        if let Err(error) = reserved {
            if error.code() == Code::Refused {
                self.settle()?;
                let ports = self.ports();
                plan.data_sets
                    .iter()
                    .try_for_each(|data_set| switch::release_target(data_set, &ports))?;
                self.durable.lock().set_may_have_reserved(false)?;
            }
            return Err(error);
        }
        self.move_to(State::Copying)
    }

    /// Whether what stands in the planned extents may be this migration's: an earlier attempt allocated it.
    fn may_have_reserved(&self) -> bool {
        self.durable.lock().stored.may_have_reserved
    }

    /// That nobody has allocated what this migration is about to: it would be taken for its own.
    ///
    /// Error: [`Reason::NameExists`].
    fn check_unreserved(&self, plan: &Plan) -> Result<()> {
        let ports = self.ports();
        for part in plan.data_sets.iter().flat_map(|data_set| &data_set.parts) {
            if switch::find_target(part, &ports)?.is_some() {
                let why = "somebody has allocated just what is planned here: another migration of the same data set; plan anew \
                           when that has ended";
                let name = part.new.format1.name();
                return Err(Error::new(Reason::NameExists, why)
                    .on_volume(part.volser)
                    .of_data_set(name));
            }
        }
        Ok(())
    }

    fn reserve_one(&mut self, data_set: &PlannedDataSet) -> Result<()> {
        let ports = self.ports();
        // While others write, what became of it since it was planned is followed before the first track is copied.
        if self.monitors.is_none() {
            switch::sources_stand(data_set, &ports)?;
        } else if switch::leads_to_target(data_set, &ports)? {
            return Err(resume::already_switched().of_data_set(data_set.assessment.name));
        }
        let begun = self.host.clock.monotonic();
        for part in &data_set.parts {
            if switch::find_target(part, &ports)?.is_none() {
                ports.space(part.volser)?.allocate(&part.new, ports.journal).map_err(|error| {
                    error.on_volume(part.volser).of_data_set(data_set.assessment.name)
                })?;
            }
            self.host.tell(&Event::Allocated {
                data_set: part.new.format1.name(),
                volser: part.volser,
                extents: part.new.extents.clone(),
            });
        }
        switch::targets_stand(data_set, &ports).map(drop)?;
        let taken = self.host.clock.monotonic().saturating_sub(begun);
        self.course.estimator.did(Work::Catalog, taken / data_set.parts.len().max(1) as u32);
        Ok(())
    }

    /// Compares source and target, track by track, addresses aside.
    ///
    /// Error: [`Reason::Unequal`] names the first track that differs.
    pub fn verify(&mut self) -> Result<Verification> {
        self.begin(Verb::Verify)?;
        if self.monitors.is_some() && self.state() != State::Quiesced {
            return Err(Error::new(
                Reason::WrongState,
                "the sources are being written to; they can be compared in the window only",
            ));
        }
        let verification = self.compare(self.copy_options.threads)?;
        if let Some(difference) = verification.differences.first() {
            let (volser, track) = difference.source;
            let error = Error::new(
                Reason::Unequal,
                format!("source and target differ: {}; terminate the migration", difference.what),
            );
            let heads =
                self.host.volumes.get(&volser).map_or(1, |volume| volume.geometry().heads());
            let error = error.on_volume(volser).at_track(track, heads);
            return Err(name_data_set(&self.plan(), error, volser, track.0));
        }
        for data_set in &self.plan().data_sets {
            let track_count = data_set
                .copied_entries(self.used_only())?
                .iter()
                .map(|e| u64::from(e.source.track_count))
                .sum();
            self.host.tell(&Event::Verified { data_set: data_set.assessment.name, track_count });
        }
        Ok(verification)
    }

    fn used_only(&self) -> bool {
        self.durable.lock().stored.options.used_only
    }

    fn compare(&self, threads: usize) -> Result<Verification> {
        let mut entries = Vec::new();
        for data_set in &self.plan().data_sets {
            entries.extend(data_set.copied_entries(self.used_only())?);
        }
        let volumes = &self.host.volumes;
        verify(&TranslateTable::new(entries)?, volumes, volumes, threads)
    }

    fn move_to(&mut self, next: State) -> Result<()> {
        let from = self.state();
        let begun = self.host.clock.monotonic();
        self.durable.lock().become_(next)?;
        let taken = self.host.clock.monotonic().saturating_sub(begun);
        self.course.estimator.did(Work::Checkpoint, taken);
        self.host.tell(&Event::Moved { from, to: next });
        Ok(())
    }

    fn ports(&self) -> Ports<'_> {
        let journal: &dyn Journal = &self.durable;
        self.host.ports(journal)
    }

    /// The images of the volumes that the migration has for itself, and of those that it shares with others which move
    /// other data sets: while others write to the sources, all but the targets.
    fn own_and_shared(host: &Host, plan: &Plan) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let volsers = touched(plan);
        if host.live.is_none() {
            return (paths(host, &volsers), Vec::new());
        }
        let targets = plan.target_volsers();
        let shared = volsers.difference(&targets).copied().collect();
        (paths(host, &targets), paths(host, &shared))
    }

    /// Notes the migration beside its images; `claim` does it for those that are shared.
    fn write_notes(
        &self,
        claim: impl Fn(&[PathBuf], &Path, &str, &[DsName]) -> Result<()>,
    ) -> Result<()> {
        self.write_notes_of(&self.plan(), claim)
    }

    /// The same for another plan.
    fn write_notes_of(
        &self,
        plan: &Plan,
        claim: impl Fn(&[PathBuf], &Path, &str, &[DsName]) -> Result<()>,
    ) -> Result<()> {
        let Some(folder) = &self.notes else { return Ok(()) };
        let what = match plan.data_sets.as_slice() {
            [] => "a migration of nothing is not finished".to_string(),
            [only] => format!("the migration of {} is not finished", only.assessment.name),
            [first, others @ ..] => format!(
                "the migration of {} and {} other data sets is not finished",
                first.assessment.name,
                others.len()
            ),
        };
        let (own, shared) = Migration::own_and_shared(&self.host, plan);
        claim(&shared, folder, &what, &names(plan))?;
        own.iter().try_for_each(|path| registry::note_unfinished(path, folder, &what))
    }

    /// Writes the notes, where nobody else can have claimed anything meanwhile.
    fn note_shared(&self) -> Result<()> {
        self.write_notes(|paths, folder, what, names| {
            paths.iter().try_for_each(|path| registry::note_shared(path, folder, what, names))
        })
    }

    /// Whether there are notes beside all targets, which are removed when a migration ends. Who restored an older checkpoint
    /// has not restored them.
    fn has_notes(&self) -> Result<bool> {
        let Some(folder) = &self.notes else { return Ok(false) };
        let targets = paths(&self.host, &self.plan.target_volsers());
        for path in &targets {
            if !registry::has_note(path, folder)? {
                return Ok(false);
            }
        }
        Ok(!targets.is_empty())
    }

    fn remove_notes(&self) -> Result<()> {
        let Some(folder) = &self.notes else { return Ok(()) };
        // Also from volumes on which something was moved for a while.
        let all = self.host.volumes.keys().copied().collect();
        paths(&self.host, &all).iter().try_for_each(|path| registry::remove_note(path, folder))
    }
}

impl std::fmt::Debug for Migration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Migration({} data sets, {})", self.plan().data_sets.len(), self.state())
    }
}

/// Two words as checkpoints have them.
fn pair(words: [u64; 2]) -> (u64, u64) {
    (words[0], words[1])
}

fn names(plan: &Plan) -> Vec<DsName> {
    plan.data_sets.iter().map(|data_set| data_set.assessment.name).collect()
}

/// The volumes that the migration changes.
fn touched(plan: &Plan) -> BTreeSet<Volser> {
    let mut volsers = BTreeSet::new();
    for data_set in &plan.data_sets {
        volsers.extend(data_set.assessment.parts.iter().map(|part| part.volser));
        volsers
            .extend(data_set.assessment.cataloged.iter().filter_map(|cataloged| cataloged.volser));
        volsers.extend(data_set.parts.iter().map(|part| part.volser));
    }
    volsers
}

/// That every volume can be written: better known now than after the copy.
/// A volume that another system changes for us need not be.
fn check_writable(host: &Host, plan: &Plan) -> Result<()> {
    let targets = plan.target_volsers();
    let is_delegated = |volser: &Volser| {
        let space = host.space.get(volser).is_some_and(|space| space.is_delegated());
        let mut catalogs = host.catalogs.iter().filter(|c| c.volser() == Some(*volser));
        let is_source = plan.source_volsers().contains(volser);
        !targets.contains(volser) && (space || !is_source) && catalogs.all(|c| c.is_delegated())
    };
    for volser in &touched(plan) {
        let volume = host.volumes.get(volser).ok_or_else(|| {
            Error::new(Reason::NoSuchVolume, "the volume is not given; add it, or give its image")
                .on_volume(*volser)
        })?;
        if !volume.is_writable() && !is_delegated(volser) {
            return Err(Error::new(
                Reason::ReadOnlyVolume,
                format!(
                    "{} can only be read, and a move changes the source too; make a plain image of it that can be \
                     written (`dasdcopy -lfs -o CKD`), or open it for writing",
                    volume.location()
                ),
            )
            .on_volume(*volser));
        }
    }
    Ok(())
}

fn paths(host: &Host, volsers: &BTreeSet<Volser>) -> Vec<PathBuf> {
    volsers
        .iter()
        .filter_map(|volser| host.volumes.get(volser)?.path().map(PathBuf::from))
        .collect()
}

/// That the options can be kept for every data set.
///
/// Error: [`Reason::BadRequest`]: what is combined on its own volume takes its new space over in one change, after which
/// nobody has the old tracks, to keep or to erase.
fn check_options(plan: &Plan, options: &MoveOptions) -> Result<()> {
    let combined = plan.data_sets.iter().find(|data_set| data_set.combines);
    match combined {
        Some(data_set) if options.keep || options.erase => Err(Error::new(
            Reason::BadRequest,
            "its extents are combined on its own volume, where the source can neither be kept nor erased; ask for \
             neither",
        )
        .of_data_set(data_set.assessment.name)),
        _ => Ok(()),
    }
}

/// The name under which each source is kept. It must be free on the source's volumes after the targets are there, too.
fn kept_names(host: &Host, plan: &Plan, options: &MoveOptions) -> Result<Vec<Option<DsName>>> {
    let targets = plan.data_sets.iter().flat_map(|data_set| &data_set.parts);
    let mut names: BTreeSet<(Volser, DsName)> =
        targets.map(|part| (part.volser, part.new.format1.name())).collect();
    let mut kept_names = Vec::new();
    for data_set in &plan.data_sets {
        if !options.keep {
            kept_names.push(None);
            continue;
        }
        let volsers: BTreeSet<Volser> =
            data_set.assessment.parts.iter().map(|part| part.volser).collect();
        for volser in &volsers {
            for manager in host.space_of(&[*volser])? {
                names.extend(manager.read()?.data_sets().map(|(name, _)| (*volser, name)));
            }
        }
        let is_taken = |kept: &DsName| volsers.iter().any(|on| names.contains(&(*on, *kept)));
        let kept = kept_name(data_set.assessment.name, is_taken).ok_or_else(|| {
            Error::new(
                Reason::NameExists,
                "no name is left under which the source could be kept; scratch or rename the copies that were kept \
                 earlier",
            )
            .of_data_set(data_set.assessment.name)
        })?;
        names.extend(volsers.iter().map(|on| (*on, kept)));
        kept_names.push(Some(kept));
    }
    Ok(kept_names)
}

/// Whether a source track is of this data set.
fn contains(data_set: &PlannedDataSet, volser: Volser, track: crate::geometry::Track) -> bool {
    data_set.assessment.extents().any(|(on, extent)| on == volser && extent.contains(track))
}

/// Adds to an error the data set that has this track, as source or as target.
fn name_data_set(plan: &Plan, error: Error, volser: Volser, track: u32) -> Error {
    let track = crate::geometry::Track(track);
    let has = |data_set: &&PlannedDataSet| {
        contains(data_set, volser, track)
            || data_set.target_extents().any(|(on, extent)| on == volser && extent.contains(track))
    };
    match plan.data_sets.iter().find(has) {
        Some(data_set) => error.of_data_set(data_set.assessment.name),
        None => error,
    }
}
