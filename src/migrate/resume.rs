//! Taking up a migration that was interrupted.

use super::durable::{Durable, Stored};
use super::following::Next;
use super::{Migration, contains};
use crate::checkpoint::{Checkpoint, CheckpointStore};
use crate::copy::CopyOptions;
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::host::Host;
use crate::name::DsName;
use crate::plan::PlannedDataSet;
use crate::registry;
use crate::state::{State, Verb};
use crate::switch::{self, Found, Glance, Ports};
use crate::volume::Lock;
use crate::volume::intent::Settled;
use std::path::PathBuf;

impl Migration {
    /// Opens a migration that was interrupted: the change inside which it was interrupted is done, and nothing else. It
    /// can be [terminated](Migration::terminate) then, or [taken up](Migration::take_up).
    ///
    /// Errors: [`Reason::NoCheckpoint`], [`Reason::CheckpointDamaged`]; [`Reason::CheckpointOld`] if the notes beside the
    /// images tell that more was done since; [`Reason::UnfinishedMigration`] if another one has begun on the same volumes;
    /// [`Reason::IntentConflict`] if somebody else changed the same blocks: then nothing is touched.
    pub fn open(
        host: Host,
        store: impl CheckpointStore + 'static,
        state_folder: Option<PathBuf>,
    ) -> Result<Migration> {
        let (checkpoint, sections) = Checkpoint::open(store)?;
        let Some(sections) = sections else {
            return Err(Error::new(
                Reason::NoCheckpoint,
                format!("{} holds no migration", checkpoint.location()),
            ));
        };
        let durable = Durable::load(checkpoint, sections)?;
        let state = durable.stored.state;
        let mut migration = Migration::over(host, durable, state_folder)?;
        migration.check_newest()?;
        migration.course.is_surely_unfinished = migration.has_notes()?;
        if !state.is_ended()
            && let Some(folder) = &migration.notes
        {
            // It may have ended before its notes were written, or they were removed, so that another one took the volumes.
            let (own, _) = Migration::own_and_shared(&migration.host, &migration.plan);
            own.iter().try_for_each(|path| registry::check_taken(path, folder))?;
            migration.write_notes(registry::claim_taken)?;
        }
        migration.host.tell(&Event::Resumed { state });
        if defect(Defect::HoldEndsWithTheProcess) {
            migration.release_openers()?;
        }
        migration.settle()?;
        migration.settle_leaving()?;
        if state.is_ended() {
            migration.remove_notes()?;
        } else {
            migration.mark_notes()?;
        }
        Ok(migration)
    }

    /// [Opens](Migration::open) a migration and [takes it up](Migration::take_up).
    pub fn resume(
        host: Host,
        store: impl CheckpointStore + 'static,
        state_folder: Option<PathBuf>,
        copy_options: CopyOptions,
    ) -> Result<Migration> {
        let mut migration = Migration::open(host, store, state_folder)?;
        migration.set_copy_options(copy_options);
        migration.take_up()?;
        Ok(migration)
    }

    /// Goes back to where the migration can go on from: see [after an interruption](crate::migrate#after-an-interruption). Doing it
    /// twice changes nothing. Behind the switch it lets the users in, if that failed before.
    ///
    /// Errors: [`Reason::SourceChanged`], [`Reason::TargetChanged`], [`Reason::EntryChanged`] if somebody else changed
    /// what the migration relies on: then nothing is touched, but users who were held are let in, unless a catalog leads
    /// to the target.
    pub fn take_up(&mut self) -> Result<()> {
        self.settle()?;
        self.hear_machines()?;
        match self.state() {
            // The source may be retained for days; nobody shall wait for its end.
            State::Switched => self.end_window()?,
            _ if self.is_taken_up => {}
            State::Planned | State::Complete | State::Terminated => {}
            State::Copying | State::Mirrored | State::Closing | State::Quiesced => {
                if let Some(monitors) = &mut self.monitors {
                    // What is sealed is found, also if another area is void.
                    monitors.find_subscriptions()?;
                }
                if let Err(error) = self.leave_targets() {
                    let text = format!("the targets are watched still: {error}");
                    self.host.tell(&Event::Remark { text });
                }
                let carried = self.carry_on();
                if self.state().is_ended() {
                    return carried;
                }
                let is_alive = self.has_missed_nothing()?;
                self.course.is_surely_unfinished |= is_alive;
                let checked = carried.and_then(|()| self.changed_targets()).and_then(|changed| {
                    let stops = |name: &DsName| changed.iter().any(|(other, _)| other == name);
                    self.check_others_before_copying(stops).map(|()| changed)
                });
                match &checked {
                    // Whatever else became of the sources, their users must not wait for what is done about it.
                    Err(error) if self.is_held() && error.reason() != Reason::EntryChanged => {}
                    Err(error) => return Err(error.clone()),
                    Ok(_) => {}
                }
                if matches!(self.state(), State::Closing | State::Quiesced) {
                    self.move_to(State::Mirrored)?;
                }
                if !is_alive && self.state() == State::Mirrored {
                    self.move_to(State::Copying)?;
                }
                self.copier = None;
                self.let_in()?;
                self.stop_data_sets(&checked?)?;
            }
            State::Switching if self.is_backing_out() => {
                if let Some(monitors) = &mut self.monitors {
                    monitors.find_subscriptions()?;
                }
                self.undo_switch("on request")?;
            }
            State::Switching if self.monitors.is_some() => {
                if let Some(monitors) = &mut self.monitors {
                    monitors.find_subscriptions()?;
                }
                // Other machines learn again what is sealed.
                self.seal()?;
                if !self.has_missed_nothing()? {
                    self.undo_switch("it was interrupted, and so were its monitors")?;
                    self.move_to(State::Copying)?;
                }
            }
            State::Switching => self.resume_switching()?,
        }
        self.is_taken_up = true;
        Ok(())
    }

    /// What every verb begins with: that it is allowed; that the migration is taken up, if it was interrupted, because
    /// nobody has seen who wrote to source and target meanwhile; and that no change is half done, as an error may leave
    /// it.
    pub(super) fn begin(&mut self, verb: Verb) -> Result<()> {
        self.state().check(verb)?;
        if self.must_be_opened_again() {
            return Err(Error::new(
                Reason::WrongState,
                format!(
                    "the targets were given to their users before the switch was undone; resume before {verb}"
                ),
            ));
        }
        if !self.is_taken_up && verb != Verb::Terminate {
            return Err(Error::new(
                Reason::WrongState,
                format!("the migration was interrupted; take it up before {verb}"),
            ));
        }
        self.settle()?;
        self.hear_machines()?;
        if !matches!(verb, Verb::Terminate | Verb::Postpone) {
            self.carry_on_or_give_up()?;
            // Nothing may be left to be moved.
            self.state().check(verb)?;
        }
        Ok(())
    }

    /// Does the rest of a change that was interrupted.
    pub(super) fn settle(&self) -> Result<()> {
        let mut durable = self.durable.lock();
        let Some(intent) = durable.stored.intent.take() else { return Ok(()) };
        let settled = {
            let volume = self.host.volumes.get(&intent.volser).ok_or_else(|| {
                Error::new(
                    Reason::NoSuchVolume,
                    "a change of this volume was interrupted; give its image",
                )
                .on_volume(intent.volser)
            });
            volume.and_then(|volume| {
                let _held = volume.lock(Lock::Vtoc)?;
                let _held = volume.lock(Lock::Catalog)?;
                intent.settle(&**volume)
            })
        };
        let Stored { released, next, .. } = &mut durable.stored;
        match settled {
            Err(error) => {
                durable.stored.intent = Some(intent);
                return Err(error);
            }
            // The source is as it was, so that it is still to be released.
            Ok(Settled::Dropped) => {
                next.iter_mut().for_each(Next::drop_deed);
                if let Some(parts) =
                    released.current.and_then(|set| released.parts.get_mut(set as usize))
                {
                    *parts = parts.saturating_sub(1);
                }
            }
            Ok(Settled::Done) => {}
        }
        released.current = None;
        next.iter_mut().for_each(|next| next.is_inside = false);
        durable.save()
    }

    /// Whether the monitors marked all the time, and what they marked is still there.
    pub(super) fn has_missed_nothing(&mut self) -> Result<bool> {
        let watched = self.durable.lock().stored.watched.clone().unwrap_or_default();
        match &mut self.monitors {
            Some(monitors) => monitors.are_alive(&watched.areas),
            None => Ok(false),
        }
    }

    /// That catalogs, sources and targets are what a migration before its switch relies on, to the byte.
    pub(super) fn check_before_switch(&self) -> Result<()> {
        self.check_before(switch::sources_stand, |_| false)
    }

    /// That targets and catalogs are what a migration relies on that copies. What became of the sources is followed, while
    /// others write; unless they are gone, and nobody has seen where.
    pub(super) fn check_before_copying(&self) -> Result<()> {
        self.check_others_before_copying(|_| false)
    }

    /// The same, apart from the data sets that stop.
    fn check_others_before_copying(&self, stops: impl Fn(&DsName) -> bool) -> Result<()> {
        if self.monitors.is_none() {
            return self.check_before(switch::sources_stand, stops);
        }
        let glance = Glance::default();
        let ports = Ports { glance: Some(&glance), ..self.ports() };
        for data_set in self.plan().data_sets.iter().filter(|set| !stops(&set.assessment.name)) {
            if !defect(Defect::TargetIsNotRechecked) {
                switch::targets_stand(data_set, &ports)?;
            }
            if switch::leads_to_target(data_set, &ports)? {
                return Err(already_switched().of_data_set(data_set.assessment.name));
            }
        }
        if self.course.is_surely_unfinished { Ok(()) } else { self.check_all_spare() }
    }

    /// The same, with a check of each source, apart from the data sets that stop.
    fn check_before(
        &self,
        check_source: impl Fn(&PlannedDataSet, &Ports<'_>) -> Result<()>,
        stops: impl Fn(&DsName) -> bool,
    ) -> Result<()> {
        let glance = Glance::default();
        let ports = Ports { glance: Some(&glance), ..self.ports() };
        for data_set in self.plan().data_sets.iter().filter(|set| !stops(&set.assessment.name)) {
            check_source(data_set, &ports)?;
            switch::targets_stand(data_set, &ports)?;
            if switch::found(data_set, &ports)? != Found::Source {
                return Err(already_switched().of_data_set(data_set.assessment.name));
            }
        }
        Ok(())
    }

    /// Back to copying, with every track to be copied.
    fn copy_again(&mut self) -> Result<()> {
        if matches!(self.state(), State::Closing | State::Quiesced) {
            self.move_to(State::Mirrored)?;
        }
        if self.state() == State::Mirrored {
            self.move_to(State::Copying)?;
        }
        self.copier = None;
        Ok(())
    }

    fn resume_switching(&mut self) -> Result<()> {
        let verification = self.compare(self.copy_options.threads)?;
        if verification.is_equal() {
            return Ok(());
        }
        let plan = self.plan();
        let ports = self.ports();
        let first = &verification.differences[0];
        for data_set in &plan.data_sets {
            let differs = verification
                .differences
                .iter()
                .any(|difference| contains(data_set, difference.source.0, difference.source.1));
            if differs && switch::found(data_set, &ports)? != Found::Source {
                return Err(Error::new(
                    Reason::SourceChanged,
                    format!(
                        "somebody wrote to it while the switch was interrupted: {}. The catalog leads to the target; \
                         only its owner can tell which copy is right: correct the other one, then resume",
                        first.what
                    ),
                )
                .on_volume(first.source.0)
                .of_data_set(data_set.assessment.name));
            }
        }
        self.undo_switch(&format!("the source was written to meanwhile: {}", first.what))?;
        self.copy_again()
    }
}

pub(super) fn already_switched() -> Error {
    Error::new(
        Reason::EntryChanged,
        "the catalog leads to the target already, though it may be incomplete; correct the entry, then resume",
    )
}
