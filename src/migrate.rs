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
//! # After an interruption
//! Nobody has seen who wrote to the volumes meanwhile. So before the switch everything is copied again. While switching,
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

mod durable;
mod propose;
mod resume;

pub use durable::{MoveOptions, status};
pub use propose::{Selection, kept_name, propose};

use crate::checkpoint::{Checkpoint, CheckpointStore};
use crate::copy::{Copier, CopyOptions, write_empty};
use crate::error::{Code, Error, Reason, Result};
use crate::event::{Event, Progress};
use crate::host::Host;
use crate::name::{DsName, Volser};
use crate::plan::{Plan, PlannedDataSet};
use crate::registry;
use crate::state::{State, Verb};
use crate::switch::{self, Disposal, Ports};
use crate::track::NullFormat;
use crate::translate::TranslateTable;
use crate::verify::{Verification, verify};
use crate::volume::intent::Journal;
use durable::{Durable, Released, Stored};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        let stored =
            Stored { plan, options, kept_as, state: State::Planned, released, intent: None };
        let durable = Durable::new(stored, checkpoint)?;
        let mut migration = Migration::over(host, durable, state_folder);
        migration.is_taken_up = true;
        migration.write_notes()?;
        Ok(migration)
    }

    fn over(host: Host, durable: Durable, notes: Option<PathBuf>) -> Migration {
        let plan = Arc::new(durable.stored.plan.clone());
        let (durable, copy_options) = (Mutex::new(durable), CopyOptions::default());
        let is_taken_up = false;
        Migration { host, plan, durable, copier: None, is_taken_up, copy_options, notes }
    }

    /// That every volume that the plan changes can be written, and has no unfinished migration but the one whose state
    /// is in this folder. [`new`](Migration::new) sees it too; this is for those who would make the folder first.
    ///
    /// Errors: [`Reason::NoSuchVolume`], [`Reason::ReadOnlyVolume`], [`Reason::UnfinishedMigration`].
    pub fn check_volumes(host: &Host, plan: &Plan, state_folder: Option<&Path>) -> Result<()> {
        let volsers = touched(plan);
        check_writable(host, &volsers)?;
        let Some(folder) = state_folder else { return Ok(()) };
        paths(host, &volsers).iter().try_for_each(|path| registry::check_unfinished(path, folder))
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
            State::Mirrored | State::Closing | State::Quiesced if self.left() > 0 => {
                Some(Verb::Step)
            }
            State::Mirrored | State::Closing => Some(Verb::Quiesce),
            State::Quiesced | State::Switching => Some(Verb::Switch),
            State::Switched => Some(Verb::Complete),
            State::Complete | State::Terminated => None,
        }
    }

    /// How many tracks are begun to be copied, and not copied yet.
    fn left(&self) -> u64 {
        self.copier.as_ref().map_or(0, Copier::left)
    }

    /// That nothing is left to be copied.
    fn check_copied(&self, verb: Verb) -> Result<()> {
        match self.left() {
            0 => Ok(()),
            left => Err(Error::new(
                Reason::WrongState,
                format!("{verb} must wait: {left} tracks are still to be copied; step"),
            )),
        }
    }

    /// Does what a verb says. A step copies at most `track_count_max` tracks.
    pub fn perform(&mut self, verb: Verb, track_count_max: u32) -> Result<()> {
        match verb {
            Verb::Reserve => self.reserve(),
            Verb::Step => self.step(track_count_max).map(drop),
            Verb::Verify => self.verify().map(drop),
            Verb::Quiesce => self.quiesce(),
            Verb::Postpone => self.postpone(),
            Verb::Switch => self.switch(),
            Verb::BackOut => self.back_out(),
            Verb::Complete => self.complete(),
            Verb::Terminate => self.terminate(),
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
        let reserved = plan.data_sets.iter().try_for_each(|data_set| self.reserve_one(data_set));
        if let Err(error) = reserved {
            if error.code() == Code::Refused {
                self.settle()?;
                let ports = self.ports();
                plan.data_sets
                    .iter()
                    .try_for_each(|data_set| switch::release_target(data_set, &ports))?;
            }
            return Err(error);
        }
        self.move_to(State::Copying)
    }

    fn reserve_one(&self, data_set: &PlannedDataSet) -> Result<()> {
        let ports = self.ports();
        switch::sources_stand(data_set, &ports)?;
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
        switch::targets_stand(data_set, &ports).map(drop)
    }

    /// Makes the copier, with the whole work before it. A target that is not allocated (any more) is not written to.
    fn begin_copying(&mut self) -> Result<()> {
        let plan = self.plan();
        for data_set in &plan.data_sets {
            switch::targets_stand(data_set, &self.ports())?;
        }
        let volumes = &self.host.volumes;
        let mut copier = Copier::new(plan.table()?, volumes, volumes, self.copy_options)?;
        if self.durable.lock().stored.options.used_only {
            for data_set in &plan.data_sets {
                for (volser, extent) in data_set.unused_source() {
                    copier.leave_out(volser, extent)?;
                }
                for (volser, extent) in data_set.unused_target() {
                    write_empty(self.ports().volume(volser)?, extent, NullFormat::EndOfFile)?;
                }
            }
            // Here, where an error makes it begin anew: after a flush that failed the next one says nothing of them.
            for volser in copier.table().target_volsers() {
                self.ports().volume(volser)?.flush()?;
            }
        }
        self.host.tell(&Event::CopyBegun { track_count: copier.left() });
        self.copier = Some(copier);
        Ok(())
    }

    /// Copies at most `track_count_max` tracks. When nothing is left the migration is mirrored.
    pub fn step(&mut self, track_count_max: u32) -> Result<Progress> {
        self.begin(Verb::Step)?;
        let plan = self.plan();
        if self.copier.is_none() {
            self.begin_copying()?;
        }
        let Some(copier) = &mut self.copier else {
            return Err(Error::new(Reason::Broken, "a migration that copies has no copier"));
        };
        let copied = copier.step(track_count_max).map_err(|error| {
            match (error.volser(), error.track()) {
                (Some(volser), Some(track)) => {
                    name_data_set(&plan, error, Volser::from_bytes(volser), track)
                }
                _ => error,
            }
        })?;
        let totals = copier.totals();
        let progress = Progress {
            copied_tracks: totals.track_count,
            left_tracks: copied.left,
            total_tracks: plan.track_count(),
            byte_count: totals.byte_count,
        };
        self.host.tell(&Event::Copied(progress));
        if copied.done && self.state() == State::Copying {
            if totals.foreign_count > 0 {
                self.host.tell(&Event::Remark {
                    text: format!(
                        "{} count fields do not carry their track's own address; they were copied as they are",
                        totals.foreign_count
                    ),
                });
            }
            self.move_to(State::Mirrored)?;
        }
        Ok(progress)
    }

    /// Compares source and target, track by track, addresses aside.
    ///
    /// Error: [`Reason::Unequal`] names the first track that differs.
    pub fn verify(&mut self) -> Result<Verification> {
        self.begin(Verb::Verify)?;
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

    /// Opens the window. The volumes are open for this process alone, so that nobody has the data sets open.
    pub fn quiesce(&mut self) -> Result<()> {
        self.begin(Verb::Quiesce)?;
        self.check_copied(Verb::Quiesce)?;
        if self.state() == State::Mirrored {
            self.move_to(State::Closing)?;
            self.host.tell(&Event::ClosingBegun);
        }
        self.move_to(State::Quiesced)?;
        self.host.tell(&Event::WindowOpened);
        Ok(())
    }

    /// Gives the window up.
    pub fn postpone(&mut self) -> Result<()> {
        self.begin(Verb::Postpone)?;
        self.move_to(State::Mirrored)?;
        self.host.tell(&Event::Postponed { why: "on request".into() });
        Ok(())
    }

    /// Makes the catalogs point to the target, and looks once more. If something refuses, everything is backed out and
    /// the migration is mirrored again.
    pub fn switch(&mut self) -> Result<()> {
        self.begin(Verb::Switch)?;
        let plan = self.plan();
        if self.state() == State::Quiesced {
            self.check_copied(Verb::Switch)?;
            self.check_alone()?;
            for volser in plan.table()?.target_volsers() {
                self.ports().volume(volser)?.flush()?;
            }
            self.check_before_switch()?;
            self.move_to(State::Switching)?;
        }
        let switched = self.switch_all(&plan);
        if let Err(error) = switched {
            if error.code() == Code::Refused {
                self.undo_switch(error.sentence())?;
            }
            return Err(error);
        }
        self.host.tell(&Event::Looked);
        self.move_to(State::Switched)
    }

    fn switch_all(&self, plan: &Plan) -> Result<()> {
        let ports = self.ports();
        for data_set in &plan.data_sets {
            switch::recatalog(data_set, &ports, |cataloged| {
                self.host.tell(&Event::Cataloged {
                    data_set: data_set.assessment.name,
                    catalog: cataloged.catalog.clone(),
                    volsers: data_set.parts.iter().map(|part| part.volser).collect(),
                });
            })?;
        }
        plan.data_sets.iter().try_for_each(|data_set| switch::look(data_set, &ports))?;
        self.check_alone()
    }

    /// That no emulator was started meanwhile that has one of the volumes.
    fn check_alone(&self) -> Result<()> {
        let volsers = touched(&self.plan).into_iter();
        volsers
            .filter_map(|volser| self.host.volumes.get(&volser))
            .try_for_each(|v| v.check_alone())
    }

    /// Undoes a switch that did not reach its point of no return.
    pub fn back_out(&mut self) -> Result<()> {
        self.begin(Verb::BackOut)?;
        self.undo_switch("on request")
    }

    fn undo_switch(&mut self, why: &str) -> Result<()> {
        self.settle()?;
        let ports = self.ports();
        self.plan().data_sets.iter().try_for_each(|data_set| switch::back_out(data_set, &ports))?;
        self.host.tell(&Event::BackedOut { why: why.to_string() });
        self.move_to(State::Mirrored)
    }

    /// Releases the sources: the migration is complete.
    pub fn complete(&mut self) -> Result<()> {
        self.begin(Verb::Complete)?;
        self.check_alone()?;
        let plan = self.plan();
        for (index, data_set) in plan.data_sets.iter().enumerate() {
            let first = usize::from(self.durable.lock().stored.released.parts[index]);
            for part in first..data_set.assessment.parts.len() {
                self.release(index, data_set, part)?;
            }
        }
        // Nothing is left to do on the volumes, whatever happens now. In this order, so that a migration which is not
        // complete is found by its state folder, and one that is has left nothing behind.
        self.remove_notes()?;
        self.move_to(State::Complete)?;
        self.host.tell(&Event::Completed);
        Ok(())
    }

    fn release(&self, index: usize, data_set: &PlannedDataSet, part: usize) -> Result<()> {
        let (disposal, erase) = {
            let stored = &self.durable.lock().stored;
            let erase = stored.options.erase;
            let kept_as = stored.kept_as[index];
            (kept_as.map_or(Disposal::Scratch { erase }, |under| Disposal::Keep { under }), erase)
        };
        let note = |part: usize, current| {
            let released = &mut self.durable.lock().stored.released;
            (released.parts[index], released.current) = (part as u16, current);
        };
        let begun = || note(part + 1, Some(index as u32));
        let released = switch::release(data_set, part, disposal, &self.ports(), begun);
        let volser = data_set.assessment.parts[part].volser;
        let name = data_set.assessment.name;
        match released {
            Err(error) => {
                // If the intent is durable, settling it will find that the part is released.
                if self.durable.lock().stored.intent.is_none() {
                    note(part, None);
                }
                return Err(error);
            }
            Ok(true) if data_set.combines => {}
            Ok(true) => self.host.tell(&match disposal {
                Disposal::Keep { under } => Event::Kept { data_set: name, volser, under },
                Disposal::Scratch { .. } => {
                    Event::Scratched { data_set: name, volser, erased: erase }
                }
            }),
            Ok(false) => self.host.tell(&Event::Remark {
                text: format!("{name} on {volser} is not the source any more; it was left alone"),
            }),
        }
        note(part + 1, None);
        self.durable.lock().save()
    }

    /// Gives the migration up: the target is scratched, the source stays as it is.
    ///
    /// Error: [`Reason::EntryChanged`] if somebody cataloged the target.
    pub fn terminate(&mut self) -> Result<()> {
        self.begin(Verb::Terminate)?;
        let ports = self.ports();
        for data_set in &self.plan().data_sets {
            if switch::leads_to_target(data_set, &ports)? {
                return Err(Error::new(
                    Reason::EntryChanged,
                    "a catalog leads to the target, which would be scratched; make its entry lead to the source first",
                )
                .of_data_set(data_set.assessment.name));
            }
        }
        self.copier = None;
        let ports = self.ports();
        self.plan()
            .data_sets
            .iter()
            .try_for_each(|data_set| switch::release_target(data_set, &ports))?;
        // The notes keep others away until this state is durable: from an earlier one, a target of exactly these extents
        // would be scratched, though it were another migration's by then.
        self.move_to(State::Terminated)?;
        self.remove_notes()?;
        self.host.tell(&Event::Terminated);
        Ok(())
    }

    fn move_to(&self, next: State) -> Result<()> {
        let from = self.state();
        self.durable.lock().become_(next)?;
        self.host.tell(&Event::Moved { from, to: next });
        Ok(())
    }

    fn ports(&self) -> Ports<'_> {
        let journal: &dyn Journal = &self.durable;
        self.host.ports(journal)
    }

    fn write_notes(&self) -> Result<()> {
        let plan = self.plan();
        let Some(folder) = &self.notes else { return Ok(()) };
        let what = match plan.data_sets.as_slice() {
            [only] => format!("the migration of {} is not finished", only.assessment.name),
            all => format!(
                "the migration of {} and {} other data sets is not finished",
                all[0].assessment.name,
                all.len() - 1
            ),
        };
        for path in paths(&self.host, &touched(&plan)) {
            registry::note_unfinished(&path, folder, &what)?;
        }
        Ok(())
    }

    fn remove_notes(&self) -> Result<()> {
        let Some(folder) = &self.notes else { return Ok(()) };
        for path in paths(&self.host, &touched(&self.plan())) {
            registry::remove_note(&path, folder)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Migration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Migration({} data sets, {})", self.plan().data_sets.len(), self.state())
    }
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
fn check_writable(host: &Host, volsers: &BTreeSet<Volser>) -> Result<()> {
    for volser in volsers {
        let volume = host.volumes.get(volser).ok_or_else(|| {
            Error::new(Reason::NoSuchVolume, "the volume is not given; give its image")
                .on_volume(*volser)
        })?;
        if !volume.is_writable() {
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
