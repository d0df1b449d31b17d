//! The switch, its undoing, and the end: what makes the target the data set, or leaves the source what it is.
//!
//! The crash argument is that of [`crate::switch`]; what is added here is who is kept out meanwhile. From before the
//! close until after *looked* (or until the switch is undone, durably) the openers are held, and what the plan's tracks
//! hold is sealed until the sources are gone.

use super::monitors::Images;
use super::{Migration, touched};
use crate::defect::{Defect, defect};
use crate::error::{Code, Error, Reason, Result};
use crate::event::Event;
use crate::plan::{Plan, PlannedDataSet};
use crate::state::{State, Verb};
use crate::switch::{self, Disposal, Glance, Ports};

/// Tracks that are copied between two looks at the clock.
const REST_TRACKS: u32 = 600;

impl Migration {
    /// Makes the catalogs point to the target, and looks once more. If something refuses, everything is backed out and
    /// the migration is mirrored again. In the end the openers are let in.
    ///
    /// Errors: [`Reason::LateWriter`], which names image, volume and track of a write after the close, and whatever else
    /// is not as it must be.
    pub fn switch(&mut self) -> Result<()> {
        self.begin(Verb::Switch)?;
        self.check_window_limit()?;
        if self.state() == State::Quiesced {
            let prepared = self.prepare_switch();
            if let Err(error) = &prepared
                && self.monitors.is_some()
                && error.code() == Code::Refused
                && error.reason() != Reason::WrongState
            {
                self.give_up(error.sentence())?;
            }
            prepared?;
            if self.state().is_ended() {
                return Ok(());
            }
            self.watch_targets();
            self.move_to(State::Switching)?;
        }
        if self.is_backing_out() {
            let why = "the switch is being undone; back out, and nothing else";
            return Err(Error::new(Reason::WrongState, why));
        }
        let plan = self.plan();
        let switched = self.switch_all(&plan);
        if let Err(error) = switched {
            if error.code() == Code::Refused {
                self.undo_switch(error.sentence())?;
            }
            return Err(error);
        }
        self.host.tell(&Event::Looked);
        self.move_to(State::Switched)?;
        self.end_window()
    }

    /// That the target holds everything, durably, and that everything else is as it was planned or followed.
    fn prepare_switch(&mut self) -> Result<()> {
        self.check_copied(Verb::Switch)?;
        self.check_alone()?;
        self.accommodate_in_window()?;
        if self.state().is_ended() {
            return Ok(());
        }
        // What that adds is copied here: it can hardly be much, and whoever switches need not try again.
        while self.left() > 0 && !defect(Defect::CatalogedBeforeTheFinalResynchronization) {
            self.copy_rest()?;
            self.accommodate_in_window()?;
            if self.state().is_ended() {
                return Ok(());
            }
        }
        self.check_copied(Verb::Switch)?;
        if self.monitors.is_some() {
            self.check_covered(Images::Known)?;
            let copied_tracks = self.course.receipt.window_tracks;
            self.host.tell(&Event::FinallyResynchronized { copied_tracks });
        }
        for volser in self.plan.table()?.target_volsers() {
            self.ports().volume(volser)?.flush()?;
        }
        self.check_before_switch()?;
        if self.monitors.is_some() {
            self.host.tell(&Event::Compared { data_set_count: self.plan.data_sets.len() as u32 });
        }
        Ok(())
    }

    /// Copies what is left.
    fn copy_rest(&mut self) -> Result<()> {
        while self.left() > 0 {
            let before = self.left();
            let Some(copier) = &mut self.copier else { return Ok(()) };
            let copied = copier.step(REST_TRACKS)?.copied;
            self.course.receipt.window_tracks += u64::from(copied);
            self.check_window_limit()?;
            if self.left() == before {
                // Somebody is writing: it is to be stepped until that has ended.
                return self.check_copied(Verb::Switch);
            }
        }
        Ok(())
    }

    /// That nothing is left to be copied, and nothing in flight.
    pub(super) fn check_copied(&self, verb: Verb) -> Result<()> {
        if defect(Defect::CatalogedBeforeTheFinalResynchronization) && verb == Verb::Switch {
            return Ok(());
        }
        let left = self.left();
        let found = self.look()?;
        if left == 0 && found.is_none() {
            return Ok(());
        }
        let what = found.map(|found| format!(" ({})", found.sentence())).unwrap_or_default();
        Err(Error::new(
            Reason::WrongState,
            format!("{verb} must wait: {left} tracks are still to be copied{what}; step"),
        ))
    }

    fn switch_all(&mut self, plan: &Plan) -> Result<()> {
        // The VTOCs are looked at twice: before any entry is changed, and after all are.
        let (before, after) = (Glance::default(), Glance::default());
        let ports = Ports { glance: Some(&before), ..self.ports() };
        for data_set in &plan.data_sets {
            switch::recatalog(data_set, &ports, |cataloged| {
                self.host.tell(&Event::Cataloged {
                    data_set: data_set.assessment.name,
                    catalog: cataloged.catalog.clone(),
                    volsers: data_set.parts.iter().map(|part| part.volser).collect(),
                });
            })?;
        }
        if defect(Defect::ScratchedBeforeLooked) {
            self.release_sources(|_| true)?;
        }
        let ports = Ports { glance: Some(&after), ..ports };
        plan.data_sets.iter().try_for_each(|data_set| switch::look(data_set, &ports))?;
        if self.monitors.is_some()
            && let Some(name) = self.newcomer(&ports)?
        {
            let what = "it appeared while the catalogs were switched, and is to be moved with the others; close again";
            return Err(Error::new(Reason::SourceChanged, what).of_data_set(name));
        }
        self.check_covered(Images::Known)?;
        match self.look()? {
            Some(_) if defect(Defect::NoLook) => Ok(()),
            Some(late) => Err(late),
            None => self.check_alone(),
        }
    }

    /// Lets the users in: the window has ended. What is combined on its own volume takes over its new space before, since
    /// its DSCB leads to the old one until then. The other targets are their users' from now on.
    pub(super) fn end_window(&mut self) -> Result<()> {
        let begun = self.course.window_begun;
        // Before anybody changes the target: an older state must never copy over it.
        self.try_to_mark_notes();
        if self.monitors.is_some() {
            self.unseal_targets()?;
            self.course.are_targets_shared = true;
            self.release_sources(|data_set| data_set.combines)?;
            for volser in self.plan.target_volsers().difference(&self.plan.source_volsers()) {
                self.ports().volume(*volser)?.share()?;
            }
        }
        self.release_openers()?;
        let now = self.host.clock.monotonic();
        if let Some(taken) = begun.map(|begun| now.saturating_sub(begun)) {
            let window_ms = taken.as_millis() as u64;
            self.course.receipt.window_ms = Some(window_ms);
            self.host.tell(&Event::Released { window_ms });
        }
        self.course.window_begun = None;
        Ok(())
    }

    /// That no emulator was started meanwhile that has one of the volumes.
    pub(super) fn check_alone(&self) -> Result<()> {
        let volsers = touched(&self.plan).into_iter();
        volsers
            .filter_map(|volser| self.host.volumes.get(&volser))
            .try_for_each(|v| v.check_alone())
    }

    /// Turns every entry back to its source; then nobody is kept out any more.
    pub(super) fn undo_switch(&mut self, why: &str) -> Result<()> {
        self.settle()?;
        let ports = self.ports();
        if !defect(Defect::BackOutForgetsTheCatalog) {
            let plan = self.plan();
            plan.data_sets.iter().try_for_each(|data_set| switch::back_out(data_set, &ports))?;
        }
        self.host.tell(&Event::BackedOut { why: why.to_string() });
        let was_under_way = std::mem::take(&mut self.durable.lock().stored.way_back.is_under_way);
        if let Err(error) = self.move_to(State::Mirrored) {
            self.durable.lock().stored.way_back.is_under_way = was_under_way;
            return Err(error);
        }
        if was_under_way {
            self.course.are_targets_shared = true;
            // Before anybody changes the source: an older state would scratch it.
            self.try_to_mark_notes();
        }
        let left = self.leave_targets();
        self.let_in().and(left)
    }

    /// Releases the sources: the migration is complete.
    pub fn complete(&mut self) -> Result<()> {
        self.begin(Verb::Complete)?;
        self.end_window()?;
        self.check_alone()?;
        if let Some(monitors) = &mut self.monitors {
            monitors.find_subscriptions()?;
            // To erase is to write.
            if self.durable.lock().stored.options.erase {
                monitors.unseal();
            }
        }
        self.release_sources(|_| true)?;
        self.settle_leaving()?;
        // Nothing is left to do on the volumes, whatever happens now. In this order, so that a migration which is not
        // complete is found by its state folder, and one that is has left nothing behind.
        self.end_monitors()?;
        self.leave_targets()?;
        self.remove_notes()?;
        self.move_to(State::Complete)?;
        self.host.tell(&Event::Completed);
        Ok(())
    }

    /// Releases what is not yet released of the sources of these data sets.
    fn release_sources(&self, which: impl Fn(&PlannedDataSet) -> bool) -> Result<()> {
        let plan = self.plan();
        for (index, data_set) in plan.data_sets.iter().enumerate().filter(|(_, d)| which(d)) {
            let first = usize::from(self.durable.lock().stored.released.parts[index]);
            for part in first..data_set.assessment.parts.len() {
                self.release(index, data_set, part)?;
            }
        }
        Ok(())
    }

    fn end_monitors(&mut self) -> Result<()> {
        self.course.receipt = self.receipt();
        self.copier = None;
        let (data_sets, volumes) = self.ever_taken_away();
        match &mut self.monitors {
            Some(monitors) => monitors.end(&data_sets, &volumes),
            None => Ok(()),
        }
    }

    fn release(&self, index: usize, data_set: &PlannedDataSet, part: usize) -> Result<()> {
        let (disposal, erase) = {
            let stored = &self.durable.lock().stored;
            let erase = stored.options.erase;
            let kept_as = stored.kept_as[index];
            (kept_as.map_or(Disposal::Scratch { erase }, |under| Disposal::Keep { under }), erase)
        };
        let is_scratched = matches!(disposal, Disposal::Scratch { .. });
        let note = |part: usize, current| {
            let released = &mut self.durable.lock().stored.released;
            (released.parts[index], released.current) = (part as u16, current);
        };
        let begun = || note(part + 1, Some(index as u32));
        // Whoever gets the space may write there at once.
        if let Some(monitors) = self.monitors.as_ref().filter(|_| is_scratched) {
            let source = &data_set.assessment.parts[part];
            let extents = source.dscbs.extents.iter().map(|&extent| (source.volser, extent));
            monitors.open_tracks(&extents.collect::<Vec<_>>())?;
        }
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
        let data_sets = &self.plan().data_sets;
        data_sets.iter().try_for_each(|one| switch::target_is_uncataloged(one, &ports))?;
        self.settle_leaving()?;
        self.copier = None;
        if let Some(monitors) = &mut self.monitors {
            monitors.find_subscriptions()?;
        }
        // What is there as long as a migration tells that no target is anybody's only copy.
        let is_spare = self.course.is_surely_unfinished && self.monitors.is_some()
            || self.has_missed_nothing()?;
        // Durably no window any more, before anybody is let in: if this fails further down, nothing may be switched.
        if self.monitors.is_some() && matches!(self.state(), State::Closing | State::Quiesced) {
            self.give_up("the migration ends")?;
        }
        self.let_in()?;
        self.release_between()?;
        let ports = self.ports();
        let release = if is_spare { switch::scratch_target } else { switch::release_target };
        // What stands there before anything was allocated is somebody else's.
        if self.may_have_reserved() {
            self.plan().data_sets.iter().try_for_each(|data_set| release(data_set, &ports))?;
        }
        self.end_terminated()
    }

    /// The end of a migration that moves nothing, when the targets are released.
    pub(super) fn end_terminated(&mut self) -> Result<()> {
        self.end_monitors()?;
        self.leave_targets()?;
        // The notes keep others away until this state is durable: from an earlier one, a target of exactly these extents
        // would be scratched, though it were another migration's by then.
        self.move_to(State::Terminated)?;
        self.remove_notes()?;
        self.host.tell(&Event::Terminated);
        Ok(())
    }
}
