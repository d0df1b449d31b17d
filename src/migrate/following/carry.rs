//! Carrying out what was decided: see the order in the [module above](super).

use super::deeds::Done;
use super::next::Next;
use crate::copy::write_empty;
use crate::defect::{Defect, defect};
use crate::error::{Code, Error, Reason, Result};
use crate::event::Event;
use crate::migrate::durable::WatchedArea;
use crate::migrate::{Migration, names, paths, touched};
use crate::name::{DsName, Volser};
use crate::plan::Plan;
use crate::registry;
use crate::state::State;
use crate::switch;
use crate::track::NullFormat;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Migration {
    /// Begins what was decided, and carries it out.
    pub(super) fn pursue(&mut self, next: Next) -> Result<()> {
        self.claim(&next.plan)?;
        self.keep_out_of(&next.plan)?;
        if next.is_easy() {
            return self.become_next(next);
        }
        self.durable.lock().change(|stored| stored.next = Some(next))?;
        self.carry_on()
    }

    /// Notes that the data sets of the next plan are moved, besides those of the present one.
    fn claim(&self, next: &Plan) -> Result<()> {
        let is_claimed = |name: &DsName| names(&self.plan).contains(name);
        let is_noted = touched(next).is_subset(&touched(&self.plan));
        if names(next).iter().all(is_claimed) && is_noted {
            return Ok(());
        }
        Migration::check_volumes(&self.host, next, self.notes.as_deref())?;
        let both = Plan {
            data_sets: self.plan.data_sets.iter().chain(&next.data_sets).cloned().collect(),
            ..Plan::default()
        };
        self.write_notes_of(&both, registry::claim_shared)
    }

    /// If openers are kept out, they are kept out of what joins, too.
    ///
    /// Error: [`Reason::NotClosed`] in the window, if somebody has it open.
    fn keep_out_of(&mut self, next: &Plan) -> Result<()> {
        // Outside the window it says only that somebody may not have heard that he is let in.
        let is_window = !matches!(self.state(), State::Copying | State::Mirrored);
        if !self.is_held() || !is_window {
            return Ok(());
        }
        let known: BTreeSet<DsName> = names(&self.plan).into_iter().collect();
        let further: BTreeSet<DsName> = names(next).into_iter().collect();
        let (joining, leaving): (Vec<DsName>, Vec<DsName>) = (
            further.difference(&known).copied().collect(),
            known.difference(&further).copied().collect(),
        );
        if joining.is_empty() && leaving.is_empty() {
            return Ok(());
        }
        self.durable.lock().change(|stored| {
            let held = stored.watched.iter_mut().map(|watched| &mut watched.held_also);
            for names in held {
                names.extend(joining.iter().chain(&leaving).copied());
                names.sort();
                names.dedup();
            }
        })?;
        if joining.is_empty() {
            return Ok(());
        }
        let enqueue = self.enqueue();
        let volsers: Vec<Volser> = next.source_volsers().into_iter().collect();
        enqueue.ask_to_close(&joining, &volsers)?;
        enqueue.hold(&joining, &volsers)?;
        if self.state() != State::Quiesced {
            return Ok(());
        }
        match enqueue.is_closed(&joining, &volsers)?.first() {
            None => Ok(()),
            Some(opener) => {
                let what = format!(
                    "it came to the data sets that are moved while the window was open, and {opener} has it open; let \
                     it be closed, then close again"
                );
                self.give_up(&what)?;
                Err(Error::new(Reason::NotClosed, what).of_data_set(joining[0]))
            }
        }
    }

    /// Carries out what was begun, if something was.
    ///
    /// Errors: those of the environment; [`Reason::TargetChanged`] and what else the targets refuse.
    pub(in crate::migrate) fn carry_on(&mut self) -> Result<()> {
        let Some(next) = self.durable.lock().stored.next.clone() else { return Ok(()) };
        if next.begun == 0 {
            for &(volser, extent) in &next.mended {
                switch::mend(self.ports().volume(volser)?, &[extent])?;
            }
        }
        for number in next.begun as usize..next.deeds.len() {
            self.do_deed(&next, number)?;
        }
        for &(volser, extent) in &next.emptied {
            write_empty(self.ports().volume(volser)?, extent, NullFormat::EndOfFile)?;
        }
        let volsers: BTreeSet<Volser> = next.emptied.iter().map(|(volser, _)| *volser).collect();
        volsers.into_iter().try_for_each(|volser| self.ports().volume(volser)?.flush())?;
        self.become_next(next)
    }

    /// Carries out what was begun. If that is refused in the window, it is given up.
    pub(in crate::migrate) fn carry_on_or_give_up(&mut self) -> Result<()> {
        let carried = self.carry_on();
        if let Err(error) = &carried
            && matches!(self.state(), State::Closing | State::Quiesced)
            && (error.code() == Code::Refused || self.is_window_too_long())
        {
            self.give_up(error.sentence())?;
        }
        carried
    }

    fn do_deed(&self, next: &Next, number: usize) -> Result<()> {
        let note = |begun: usize, is_inside: bool| {
            if let Some(next) = &mut self.durable.lock().stored.next {
                (next.begun, next.is_inside) = (begun as u32, is_inside);
            }
        };
        let deed = &next.deeds[number];
        // It becomes durable with the intent.
        note(number + 1, true);
        let done = match deed.perform(&self.ports()) {
            Ok(done) => done,
            Err(error) => {
                // If the intent is durable, settling it will find whether it is done.
                if self.durable.lock().stored.intent.is_none() {
                    note(number, false);
                }
                return Err(error);
            }
        };
        // Who keeps no journal has left it open whether it is done, and a later deed hides that it was.
        let is_noted = self.durable.lock().stored.next.as_ref().is_none_or(|next| !next.is_inside);
        note(number + 1, false);
        if !is_noted {
            self.durable.lock().save()?;
        }
        let (data_set, volser) = deed.place();
        match done {
            Done::Silently => {}
            Done::Released(extents) => {
                self.host.tell(&Event::TargetReleased { data_set, volser, extents });
            }
            Done::Renamed(to) => self.host.tell(&Event::TargetRenamed { data_set, volser, to }),
            Done::Allocated(extents) => {
                self.host.tell(&Event::Allocated { data_set, volser, extents });
            }
        }
        Ok(())
    }

    /// The next plan becomes the plan: everything at the targets is as it wants.
    fn become_next(&mut self, next: Next) -> Result<()> {
        let sources = next.plan.source_volsers();
        let mut joined: Vec<WatchedArea> = Vec::new();
        if let Some(monitors) = &mut self.monitors {
            let before = self.plan.source_volsers();
            let further: Vec<Volser> = sources.difference(&before).copied().collect();
            for volser in &further {
                monitors.join(*volser, &next.joining, &self.host.volumes)?;
            }
            if !defect(Defect::JoiningIsNotAdded) {
                monitors.add(&next.joining)?;
            }
            joined.extend(monitors.watched().into_iter().filter(|area| further.contains(&area.0)));
        }
        self.durable.lock().change(|stored| {
            let count = next.plan.data_sets.len();
            stored.released.parts = vec![0; count];
            stored.kept_as = next.kept_as.clone();
            stored.plan = next.plan.clone();
            stored.next = None;
            if let Some(watched) = &mut stored.watched {
                watched.areas.retain(|area| sources.contains(&area.0));
                watched.areas.retain(|area| !joined.iter().any(|other| other.0 == area.0));
                watched.areas.extend(joined.iter().copied());
            }
        })?;
        let before = std::mem::replace(&mut self.plan, Arc::new(next.plan));
        for (data_set, what) in next.told {
            self.host.tell(&Event::Accommodated { data_set, what });
        }
        if let Some(monitors) = &mut self.monitors {
            monitors.leave_out(&next.leaving)?;
            monitors.become_sources(sources, &self.plan.possible_sources());
        }
        if self.plan.data_sets.is_empty() {
            return self.end_without_data_sets();
        }
        if self.state() == State::Quiesced {
            self.seal()?;
        }
        self.renew_copier(&before)?;
        self.renew_notes(&before)
    }

    /// The copier goes on with the table of the plan.
    pub(in crate::migrate) fn renew_copier(&mut self, before: &Plan) -> Result<()> {
        let Some(copier) = self.copier.take() else { return Ok(()) };
        let table = self.plan.table()?;
        if table == before.table()? {
            self.copier = Some(copier);
            return Ok(());
        }
        let further = self.monitors.as_ref().map(|monitors| monitors.subscriptions().clone());
        let (volumes, options) = (&self.host.volumes, self.copy_options);
        let further = further.unwrap_or_default();
        self.copier = Some(copier.with_table(table, volumes, volumes, &further, options)?);
        Ok(())
    }

    /// The notes name what is moved now, and stand where something is.
    fn renew_notes(&self, before: &Plan) -> Result<()> {
        let is_same = names(before) == names(&self.plan) && touched(before) == touched(&self.plan);
        let Some(folder) = self.notes.as_ref().filter(|_| !is_same) else { return Ok(()) };
        let left = &touched(before) - &touched(&self.plan);
        for path in paths(&self.host, &left) {
            registry::remove_note(&path, folder)?;
        }
        self.note_shared()
    }

    /// Everything that was to be moved is gone: the migration ends as one that is given up.
    fn end_without_data_sets(&mut self) -> Result<()> {
        let text =
            "every data set that was to be moved is gone, so that the migration ends".to_string();
        self.host.tell(&Event::Remark { text: text.clone() });
        self.copier = None;
        if matches!(self.state(), State::Closing | State::Quiesced) {
            self.give_up(&text)?;
        }
        self.let_in()?;
        self.end_terminated()
    }

    /// Scratches whatever stands of the targets while they are changed.
    pub(in crate::migrate) fn release_between(&mut self) -> Result<()> {
        let Some(next) = self.durable.lock().stored.next.clone() else { return Ok(()) };
        for standing in next.standing(&self.plan) {
            let ports = self.ports();
            if let Some(found) = standing.find(&ports)? {
                switch::scratch(standing.volser, &found, &ports)?;
            }
        }
        Ok(())
    }
}
