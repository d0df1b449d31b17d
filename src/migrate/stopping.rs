//! Data sets whose target somebody changed: each of them stops, and the others go on.
//!
//! Where a target's DSCBs are not as planned, its tracks may be somebody else's by now, so that nothing is written there any
//! more. That concerns one data set: it is taken out and stays where it is. What of its target is not as planned is left
//! to whoever changed it. The last data set is an error instead, since nothing is left to go on with; so is a data set to
//! whose target a catalog leads already, which nobody may take for a copy that is not needed.

use super::Migration;
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::name::DsName;
use crate::plan::Plan;
use crate::state::State;
use crate::switch::{self, Glance, Ports};

impl Migration {
    /// The data sets whose targets are not allocated as they were planned, and what was seen.
    ///
    /// Errors: [`Reason::TargetChanged`] if these are all; [`Reason::EntryChanged`] if one is cataloged there.
    pub(super) fn changed_targets(&self) -> Result<Vec<(DsName, Error)>> {
        if defect(Defect::TargetIsNotRechecked) {
            return Ok(Vec::new());
        }
        let glance = Glance::default();
        let ports = Ports { glance: Some(&glance), ..self.ports() };
        let mut changed = Vec::new();
        for data_set in &self.plan.data_sets {
            match switch::targets_stand(data_set, &ports) {
                Err(error) if error.reason() == Reason::TargetChanged => {
                    changed.push((data_set, error));
                }
                stand => drop(stand?),
            }
        }
        for (data_set, _) in &changed {
            if switch::leads_to_target(data_set, &ports)? {
                return Err(Error::new(
                    Reason::EntryChanged,
                    "a catalog leads to the target already, which is not as it was planned; correct the entry, then resume",
                )
                .of_data_set(data_set.assessment.name));
            }
        }
        match changed.first() {
            Some((_, error)) if changed.len() == self.plan.data_sets.len() => Err(error.clone()),
            _ => Ok(changed.into_iter().map(|(set, error)| (set.assessment.name, error)).collect()),
        }
    }

    /// Takes these data sets out.
    pub(super) fn stop_data_sets(&mut self, changed: &[(DsName, Error)]) -> Result<()> {
        for (name, error) in changed {
            let is_it =
                |plan: &Plan| plan.data_sets.iter().position(|d| d.assessment.name == *name);
            if let Some(number) = is_it(&self.plan) {
                self.take_out(number, error)?;
            }
        }
        Ok(())
    }

    /// That all targets are allocated as they were planned. Data sets of which that is not so are taken out, where that can
    /// be; where the data sets are just taken away from their users, the window is given up first.
    ///
    /// Error: [`Reason::TargetChanged`].
    pub(super) fn check_targets(&mut self) -> Result<()> {
        let changed = self.changed_targets()?;
        let Some((_, error)) = changed.first() else { return Ok(()) };
        match self.state() {
            State::Copying | State::Mirrored => self.stop_data_sets(&changed),
            State::Closing | State::Quiesced if self.monitors.is_some() => {
                let error = error.clone();
                self.give_up(error.sentence())?;
                Err(error)
            }
            _ => Err(error.clone()),
        }
    }
}
