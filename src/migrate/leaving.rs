//! Data sets that cannot be copied leave the migration; the others go on.
//!
//! A data set leaves before anything is switched, durably, so its target was never more than a copy in the making: it is
//! scratched whatever its owner has done with the source since, unless somebody cataloged it.

use super::Migration;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::name::Volser;
use crate::plan::{PassedOver, Plan};
use crate::registry;
use crate::switch;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Migration {
    /// Takes a data set out of the migration: the others go on with what they have.
    pub(super) fn take_out(&mut self, number: usize, error: &Error) -> Result<()> {
        let gone = self.plan.data_sets[number].clone();
        self.durable.lock().change(|stored| {
            stored.plan.data_sets.remove(number);
            // It is no new one, whatever becomes of it.
            stored.plan.scope.passed_over.push(PassedOver::new(&gone.assessment, false));
            stored.kept_as.remove(number);
            stored.released.parts.remove(number);
            stored.leaving.push(gone.clone());
            let sources = stored.plan.source_volsers();
            if let Some(watched) = &mut stored.watched {
                watched.areas.retain(|(volser, _)| sources.contains(volser));
            }
        })?;
        let new = Arc::new(self.durable.lock().stored.plan.clone());
        let before = std::mem::replace(&mut self.plan, new);
        self.host
            .tell(&Event::TakenOut { data_set: gone.assessment.name, sentence: error.to_string() });
        self.renew_copier(&before)?;
        // The others do not wait for it. In the end it must succeed.
        if let Err(error) = self.settle_leaving() {
            let text =
                format!("the target of {} is not released yet: {error}", gone.assessment.name);
            self.host.tell(&Event::Remark { text });
        }
        Ok(())
    }

    /// Releases the targets of the data sets that were taken out, and leaves the volumes on which nothing else is moved.
    pub(super) fn settle_leaving(&mut self) -> Result<()> {
        let leaving = self.durable.lock().stored.leaving.clone();
        if leaving.is_empty() {
            return Ok(());
        }
        for gone in &leaving {
            let ports = self.ports();
            switch::target_is_uncataloged(gone, &ports)?;
            switch::scratch_target(gone, &ports)?;
        }
        let gone = Plan { data_sets: leaving, ..Plan::default() };
        if let Some(monitors) = &mut self.monitors {
            monitors.become_sources(self.plan.source_volsers(), &self.plan.possible_sources());
        }
        if let Some(folder) = &self.notes {
            let stay = super::touched(&self.plan);
            let left: BTreeSet<Volser> = super::touched(&gone).difference(&stay).copied().collect();
            for path in super::paths(&self.host, &left) {
                registry::remove_note(&path, folder)?;
            }
        }
        self.durable.lock().change(|stored| stored.leaving.clear())
    }
}
