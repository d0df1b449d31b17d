//! What a plan was made from: which data sets were asked for, and which of them it passed over.
//!
//! While data sets are mirrored, others may appear that the same question would select. Whoever follows the changes asks
//! it again, and plans what is new as the plan was made.

use super::{Mode, Plan};
use crate::assess::Assessment;
use crate::bytes::{Decoder, Encode, Encoder};
use crate::error::Result;
use crate::name::{DsMask, Volser};
use std::collections::BTreeSet;

/// A data set that was selected, and is not moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// What it was.
    pub assessment: Assessment,
    /// It joins as soon as nothing in its assessment forbids it: it was passed over for what it was, not for want of
    /// space, or because it could not be copied.
    pub may_join: bool,
}

impl PassedOver {
    /// What was assessed so. Why it was refused is told then, and not kept.
    pub fn new(assessment: &Assessment, may_join: bool) -> PassedOver {
        let assessment = Assessment { refusals: Vec::new(), ..assessment.clone() };
        PassedOver { assessment, may_join }
    }
}

impl Encode for PassedOver {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.assessment);
        to.put(&self.may_join);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<PassedOver> {
        Ok(PassedOver { assessment: from.get()?, may_join: from.get()? })
    }
}

/// What was asked for. The default asks for nothing: nothing new joins such a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Which data sets.
    pub masks: Vec<DsMask>,
    /// The volumes that they are on.
    pub sources: Vec<Volser>,
    /// The volumes that they may go to.
    pub targets: Vec<Volser>,
    /// How the target's space is chosen.
    pub mode: Mode,
    /// A data set that no catalog names may be moved.
    pub uncataloged: bool,
    /// How much more space a target gets than its source has, in percent.
    pub slack: u32,
    /// What was selected, and is not moved.
    pub passed_over: Vec<PassedOver>,
}

impl Encode for Scope {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.masks);
        to.put(&self.sources);
        to.put(&self.targets);
        to.put(&self.mode);
        to.put(&self.uncataloged);
        to.put(&self.slack);
        to.put(&self.passed_over);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Scope> {
        Ok(Scope {
            masks: from.get()?,
            sources: from.get()?,
            targets: from.get()?,
            mode: from.get()?,
            uncataloged: from.get()?,
            slack: from.get()?,
            passed_over: from.get()?,
        })
    }
}

impl Plan {
    /// The volumes that its data sets lie on.
    pub fn source_volsers(&self) -> BTreeSet<Volser> {
        let parts = self.data_sets.iter().flat_map(|data_set| &data_set.assessment.parts);
        parts.map(|part| part.volser).collect()
    }

    /// The volumes that they go to.
    pub fn target_volsers(&self) -> BTreeSet<Volser> {
        let parts = self.data_sets.iter().flat_map(|data_set| &data_set.parts);
        parts.map(|part| part.volser).collect()
    }

    /// The volumes that its data sets lie on, or may come to lie on.
    pub fn possible_sources(&self) -> BTreeSet<Volser> {
        self.source_volsers().into_iter().chain(self.scope.sources.iter().copied()).collect()
    }

    /// The volumes that they go to, or may go to.
    pub fn possible_targets(&self) -> BTreeSet<Volser> {
        self.target_volsers().into_iter().chain(self.scope.targets.iter().copied()).collect()
    }

    /// The masks that selected nothing when it was made. (A name that nothing has is refused.)
    pub fn idle_masks(&self) -> impl Iterator<Item = &DsMask> {
        let selects = |mask: &DsMask| {
            self.data_sets.iter().any(|data_set| mask.matches(&data_set.assessment.name))
                || self.scope.passed_over.iter().any(|other| mask.matches(&other.assessment.name))
        };
        let masks = self.scope.masks.iter();
        masks.filter(move |mask| mask.as_name().is_none() && !selects(mask))
    }
}
