//! What a plan becomes: everything that a process needs that goes on where another one died.

use super::deeds::{Deed, Standing};
use crate::bytes::{Decoder, Encode, Encoder};
use crate::error::Result;
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::plan::Plan;

/// Runs of tracks on volumes.
pub(super) type Runs = Vec<(Volser, Extent)>;

/// The next plan of a migration, and the way there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::migrate) struct Next {
    pub plan: Plan,
    /// The name under which each source is kept.
    pub kept_as: Vec<Option<DsName>>,
    /// What is done to the targets, in this order.
    pub deeds: Vec<Deed>,
    /// How many of these are done, the one included whose intent stands in the same checkpoint.
    pub begun: u32,
    /// The last of them is not known to be done.
    pub is_inside: bool,
    /// Target tracks that are given back and may be torn: they are made empty before.
    pub mended: Runs,
    /// Target tracks to which nothing is copied: they are made empty.
    pub emptied: Runs,
    /// Source tracks that become work.
    pub joining: Runs,
    /// Source tracks that are no work any more.
    pub leaving: Runs,
    /// What changed, for those who are told: the data set and what.
    pub told: Vec<(DsName, String)>,
}

impl Next {
    /// What a deed was intended for is done. Gives back whether there was one.
    pub fn end_deed(&mut self) -> bool {
        std::mem::take(&mut self.is_inside)
    }

    /// Nothing was done of the deed that was intended.
    pub fn drop_deed(&mut self) {
        if self.end_deed() {
            self.begun = self.begun.saturating_sub(1);
        }
    }

    /// Whether it fits itself, as it was read.
    pub fn is_sound(&self) -> bool {
        self.begun as usize <= self.deeds.len() && self.kept_as.len() == self.plan.data_sets.len()
    }

    /// Whether nothing is to be done to the targets, so that the plan can change at once.
    pub fn is_easy(&self) -> bool {
        self.deeds.is_empty() && self.emptied.is_empty()
    }

    /// Every part of the targets that may stand now: those before and after the deed that may be under way.
    pub fn standing(&self, was: &Plan) -> Vec<Standing> {
        let parts = was.data_sets.iter().flat_map(|data_set| &data_set.parts);
        let mut standing: Vec<Standing> = parts.map(Standing::of).collect();
        for (number, deed) in self.deeds.iter().enumerate().take(self.begun as usize + 1) {
            // Of the last two it is not certain whether they are done, if somebody keeps no journal.
            let is_certain = number + 1 < self.begun as usize;
            if let Some(before) = deed.before().filter(|_| is_certain) {
                standing.retain(|other| *other != before);
            }
            standing.extend(deed.after());
        }
        standing
    }
}

impl Encode for Next {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.plan);
        to.put(&self.kept_as);
        to.put(&self.deeds);
        to.put(&self.begun);
        to.put(&self.is_inside);
        for runs in [&self.mended, &self.emptied, &self.joining, &self.leaving] {
            to.put(runs);
        }
        to.put(&self.told);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Next> {
        Ok(Next {
            plan: from.get()?,
            kept_as: from.get()?,
            deeds: from.get()?,
            begun: from.get()?,
            is_inside: from.get()?,
            mended: from.get()?,
            emptied: from.get()?,
            joining: from.get()?,
            leaving: from.get()?,
            told: from.get()?,
        })
    }
}
