//! What differs, and what the plan becomes by it. Nothing is changed here, but for the marks of the VTOCs.

use super::deeds::{Turn, deeds};
use super::next::{Next, Runs};
use crate::assess::compare::{AllocationChange, Fate, Metadata, compare};
use crate::assess::{Assessment, Options, assess_again};
use crate::catalog::Catalog;
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::geometry::{Extent, Track};
use crate::migrate::{Migration, check_options, check_writable, kept_names, machines, propose};
use crate::name::{DsName, Volser};
use crate::plan::follow::{Followed, follow, without};
use crate::plan::{PassedOver, Plan, PlannedDataSet, Target};
use crate::switch;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is done about what changed.
#[derive(Default)]
pub(super) struct Decision {
    /// What the plan becomes; nothing if nothing differs, or what differs cannot be followed.
    pub next: Option<Next>,
    /// What cannot be followed.
    pub troubles: Vec<Error>,
}

/// The next plan in the making.
struct Draft<'a> {
    data_sets: Vec<PlannedDataSet>,
    passed_over: Vec<PassedOver>,
    turns: Vec<(Option<&'a PlannedDataSet>, Option<PlannedDataSet>, bool)>,
    released: Runs,
    next: Next,
    troubles: Vec<Error>,
    /// A change that seemed to be followed is not: others may count on what it would have given back.
    is_spoiled: bool,
}

impl Migration {
    /// Compares what was stored with what is there, and decides what becomes of the plan.
    ///
    /// Errors: those of reading; what forbids to believe what is seen.
    pub(super) fn decide(&mut self, metadata: Metadata) -> Result<Decision> {
        let plan = self.plan();
        if !defect(Defect::VtocReadBeforeMarksAreCleared) {
            self.clear_marks()?;
        }
        let present = self.present(&plan)?;
        if defect(Defect::VtocReadBeforeMarksAreCleared) {
            self.clear_marks()?;
        }
        let joins = |one: &&PassedOver| one.may_join && is_movable(&present, &one.assessment.name);
        let (back, staying): (Vec<&PassedOver>, Vec<&PassedOver>) =
            plan.scope.passed_over.iter().partition(joins);
        let planned = plan.data_sets.iter().map(|data_set| &data_set.assessment);
        let stored = planned.chain(staying.iter().map(|one| &one.assessment));
        let changes = compare(stored, &present, &plan.scope.masks, metadata);
        let is_change = |(number, change): (usize, &AllocationChange<'_>)| {
            let is_passed_over = number >= plan.data_sets.len() && change.stored.is_some();
            let is_there = change.fate == Fate::Persistent || change.fate == Fate::Unclear;
            !(change.is_nothing() || is_passed_over && is_there)
        };
        if !changes.iter().enumerate().any(is_change) {
            return Ok(Decision::default());
        }
        for (change, data_set) in changes.iter().zip(&plan.data_sets) {
            self.check_spare(data_set, change)?;
        }
        let mut targets = self.targets(&plan)?;
        let followed = follow(&plan, &changes, &mut targets);
        let mut draft = Draft {
            data_sets: Vec::new(),
            passed_over: Vec::new(),
            turns: Vec::new(),
            released: Runs::new(),
            next: Next::default(),
            troubles: Vec::new(),
            is_spoiled: false,
        };
        for (number, (change, followed)) in changes.iter().zip(followed).enumerate() {
            match (plan.data_sets.get(number), change.stored) {
                (Some(was), _) if change.is_nothing() => draft.data_sets.push(was.clone()),
                (Some(was), _) => self.follow_planned(was, change, followed, &mut draft),
                (None, Some(_)) => {
                    draft.pass_over_again(staying[number - plan.data_sets.len()], change);
                }
                (None, None) => {
                    let was_known = back.iter().any(|one| one.assessment.name == change.name());
                    self.follow_new(change, followed, was_known, &mut draft);
                }
            }
        }
        self.next_of(&plan, draft)
    }

    /// That no target is the only copy of its data set: see [`check_spare`](Migration::check_spare).
    pub(in crate::migrate) fn check_all_spare(&self) -> Result<()> {
        let plan = self.plan();
        let present = self.present(&plan)?;
        let stored = plan.data_sets.iter().map(|data_set| &data_set.assessment);
        let changes = compare(stored, &present, &[], Metadata::Both);
        let mut pairs = changes.iter().zip(&plan.data_sets);
        pairs.try_for_each(|(change, data_set)| self.check_spare(data_set, change))
    }

    /// What is there now. A volume on which nothing is moved need not be readable.
    fn present(&self, plan: &Plan) -> Result<Vec<Assessment>> {
        let sources = plan.source_volsers();
        let is_given =
            |volser: &Volser| sources.contains(volser) || self.host.space.contains_key(volser);
        let mut volsers: Vec<Volser> =
            plan.possible_sources().into_iter().filter(is_given).collect();
        let passed_over = plan.scope.passed_over.iter().map(|one| &one.assessment);
        let stored = plan.data_sets.iter().map(|data_set| &data_set.assessment).chain(passed_over);
        let options = Options { uncataloged: plan.scope.uncataloged };
        let catalogs = self.catalogs(plan);
        loop {
            let space = self.host.space_of(&volsers)?;
            let masks = &plan.scope.masks;
            let assessed = assess_again(
                stored.clone(),
                masks,
                &space,
                &catalogs,
                &options,
                |volser, found| {
                    let name = found.format1.name();
                    let mut parts = plan.data_sets.iter().flat_map(|data_set| &data_set.parts);
                    parts.any(|part| {
                        part.volser == volser
                            && part.new.format1.name() == name
                            && part.new.extents == found.extents
                    })
                },
            );
            match assessed {
                Err(error) => {
                    let on = error.volser().map(Volser::from_bytes);
                    let spare = volsers
                        .iter()
                        .position(|volser| Some(*volser) == on && !sources.contains(volser));
                    match spare {
                        Some(spare) => drop(volsers.remove(spare)),
                        None => return Err(error),
                    }
                }
                assessed => return assessed,
            }
        }
    }

    /// The catalogs, but those that nothing of the plan is in and that are none (any more): their SYSCTLG was scratched since
    /// this process began, or was never used. One that was only assumed knows that itself, and names nothing.
    fn catalogs(&self, plan: &Plan) -> Vec<Arc<dyn Catalog>> {
        let first = plan.data_sets.first().map(|data_set| data_set.assessment.name);
        let known = plan.data_sets.iter().flat_map(|data_set| &data_set.assessment.cataloged);
        let known: BTreeSet<&str> = known.map(|cataloged| cataloged.catalog.as_str()).collect();
        let is_none = |catalog: &Arc<dyn Catalog>| {
            let found = first.map(|name| catalog.locate(&name));
            matches!(found, Some(Err(error)) if error.reason() == Reason::NoCatalog)
        };
        let is_known = |catalog: &Arc<dyn Catalog>| known.contains(catalog.name().as_str());
        let all = self.host.catalogs.iter();
        all.filter(|catalog| is_known(catalog) || !is_none(catalog)).cloned().collect()
    }

    /// The targets as they are. One to which nothing goes need not be there.
    fn targets(&self, plan: &Plan) -> Result<Vec<Target>> {
        let needed = plan.target_volsers();
        let mut targets = Vec::new();
        for volser in plan.possible_targets() {
            let target = self.ports().space(volser).and_then(Target::of);
            match target {
                Err(_) if !needed.contains(&volser) => {}
                target => targets.push(target?),
            }
        }
        Ok(targets)
    }

    /// That a target is given up, or renamed, only because of what became of its source; not because the migration was
    /// completed already, and its checkpoint is older than that.
    ///
    /// Errors: [`Reason::EntryChanged`], [`Reason::SourceChanged`].
    fn check_spare(&self, data_set: &PlannedDataSet, change: &AllocationChange<'_>) -> Result<()> {
        let name = data_set.assessment.name;
        let error = |reason, what| Error::new(reason, what).of_data_set(name);
        if change.fate == Fate::Persistent {
            return Ok(());
        }
        let ports = self.ports();
        if switch::leads_to_target(data_set, &ports)? {
            let what = "a catalog leads to the target, though the migration has not switched it; make its entry lead to \
                        the source, then resume";
            return Err(error(Reason::EntryChanged, what));
        }
        let is_kept = |present: &Assessment| {
            let kept_as = &self.durable.lock().stored.kept_as;
            kept_as.contains(&Some(present.name))
        };
        // Who completes a migration scratches the source, or gives it this name.
        let is_elsewhere = change.fate == Fate::Renamed && !change.present.is_some_and(is_kept);
        // A catalog that leads to what was made anew says that this is the data set.
        let is_made_anew = change.fate == Fate::Recreated
            && change.present.is_some_and(|present| !present.cataloged.is_empty());
        if self.course.is_surely_unfinished
            || is_elsewhere
            || is_made_anew
            || switch::leads_to_source(data_set, &ports)?
        {
            return Ok(());
        }
        let what = "the source is gone, and nobody has seen what became of it: the target may be the only copy, so that it \
                    is not touched; see what it is, and catalog it where it is right";
        Err(error(Reason::SourceChanged, what))
    }

    fn follow_planned<'a>(
        &self,
        was: &'a PlannedDataSet,
        change: &AllocationChange<'_>,
        followed: Result<Followed>,
        draft: &mut Draft<'a>,
    ) {
        match followed {
            Err(error) => {
                draft.troubles.push(error);
                draft.data_sets.push(was.clone());
            }
            Ok(mut followed) => match self.check_followed(Some(was), change, &mut followed) {
                Ok(()) => draft.take(Some(was), change, followed),
                Err(error) => {
                    draft.is_spoiled = true;
                    draft.troubles.push(error.of_data_set(change.name()));
                }
            },
        }
    }

    fn follow_new(
        &self,
        change: &AllocationChange<'_>,
        followed: Result<Followed>,
        was_known: bool,
        draft: &mut Draft<'_>,
    ) {
        let Some(present) = change.present else { return };
        let checked = followed.and_then(|mut followed| {
            self.check_followed(None, change, &mut followed)?;
            Ok(followed)
        });
        match checked {
            Ok(followed) => draft.take(None, change, followed),
            // There is no room for it, which somebody may make.
            Err(error) if present.is_movable() && !was_known && is_of_room(&error) => {
                draft.troubles.push(error.of_data_set(present.name));
            }
            // It stays where it is, as one does that is refused from the beginning.
            Err(error) => {
                if !was_known {
                    self.tell_refused(present, &error);
                }
                draft.passed_over.push(PassedOver::new(present, true));
            }
        }
    }

    /// That the tracks can go where they would, and which of them are copied.
    fn check_followed(
        &self,
        was: Option<&PlannedDataSet>,
        change: &AllocationChange<'_>,
        followed: &mut Followed,
    ) -> Result<()> {
        if let Some(now) = &followed.data_set {
            propose::check_tracks(&self.host, now)?;
        }
        if self.used_only() { followed.cut_to_used(was, change) } else { Ok(()) }
    }

    /// The next plan of a draft, with everything checked that can be checked before it is begun.
    fn next_of(&mut self, plan: &Plan, mut draft: Draft<'_>) -> Result<Decision> {
        let troubles = std::mem::take(&mut draft.troubles);
        draft.data_sets.sort_by_key(|data_set| data_set.assessment.name);
        draft.passed_over.sort_by_key(|one| one.assessment.name);
        let mut scope = plan.scope.clone();
        scope.passed_over = draft.passed_over;
        let new = Plan { data_sets: draft.data_sets, scope };
        if draft.is_spoiled || new == *plan {
            return Ok(Decision { next: None, troubles });
        }
        let options = self.durable.lock().stored.options.clone();
        check_options(&new, &options)?;
        check_writable(&self.host, &new)?;
        let table = new.table()?;
        let further = new.source_volsers();
        machines::check_past_caches(&self.host, &further)?;
        if let Some(monitors) = &mut self.monitors {
            for volser in further.difference(&plan.source_volsers()) {
                monitors.check_further(*volser, &self.host.volumes)?;
            }
        }
        let turns: Vec<Turn<'_>> = draft
            .turns
            .iter()
            .map(|(was, now, is_made_anew)| Turn {
                was: *was,
                now: now.as_ref(),
                is_made_anew: *is_made_anew,
            })
            .collect();
        let sources = table.entries().iter().map(|entry| (entry.source_volser, entry.source));
        let next = Next {
            kept_as: kept_names(&self.host, &new, &options)?,
            deeds: deeds(&turns)?,
            mended: self.torn(plan, &draft.released)?,
            leaving: without(&draft.next.leaving, &sources.collect::<Runs>()),
            plan: new,
            ..draft.next
        };
        Ok(Decision { next: Some(next), troubles })
    }

    /// The target tracks, of those that are given back, that may be torn: those whose copy is not known to be whole.
    fn torn(&self, plan: &Plan, released: &Runs) -> Result<Runs> {
        let table = plan.table()?;
        let mut torn = Runs::new();
        for &(volser, extent) in released {
            for track in (extent.first.0..extent.end().0).map(Track) {
                let source = table.to_source(volser, track);
                let is_left = |(on, track)| {
                    self.monitors.as_ref().is_none_or(|monitors| monitors.is_left(on, track))
                };
                if !source.is_some_and(is_left) {
                    continue;
                }
                match torn.last_mut() {
                    Some((on, last)) if *on == volser && last.end() == track => {
                        last.track_count += 1;
                    }
                    _ => torn.push((volser, Extent::new(track, 1))),
                }
            }
        }
        Ok(torn)
    }

    fn tell_refused(&self, data_set: &Assessment, error: &Error) {
        let all = &data_set.refusals;
        for error in if all.is_empty() { std::slice::from_ref(error) } else { all } {
            self.host.tell(&Event::Refused {
                data_set: data_set.name,
                reason: error.reason(),
                sentence: error.sentence().to_string(),
            });
        }
    }

    /// The first data set that the plan would have, and does not know: it appeared since everything was compared.
    pub(in crate::migrate) fn newcomer(&self, ports: &switch::Ports<'_>) -> Result<Option<DsName>> {
        let plan = self.plan();
        let mut known: BTreeSet<DsName> =
            plan.scope.passed_over.iter().map(|one| one.assessment.name).collect();
        known.extend(plan.data_sets.iter().map(|data_set| data_set.assessment.name));
        let sources = plan.source_volsers();
        for volser in plan.possible_sources() {
            let names = match ports.names(volser) {
                Err(_) if !sources.contains(&volser) => continue,
                names => names?,
            };
            let is_ours = |name: &DsName| {
                let mut parts = plan.data_sets.iter().flat_map(|data_set| &data_set.parts);
                parts.any(|part| part.volser == volser && part.new.format1.name() == *name)
            };
            let is_new = |name: &DsName| {
                !known.contains(name)
                    && !is_ours(name)
                    && plan.scope.masks.iter().any(|mask| mask.matches(name))
            };
            if let Some(name) = names.into_iter().find(is_new) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

fn is_movable(present: &[Assessment], name: &DsName) -> bool {
    let mut found = present.iter().filter(|now| now.name == *name);
    found.any(|now| now.is_movable() && !now.parts.is_empty())
}

/// Whether somebody may make room for what was refused.
fn is_of_room(error: &Error) -> bool {
    matches!(error.reason(), Reason::NoSpace | Reason::VtocFull | Reason::NameExists)
}

impl<'a> Draft<'a> {
    /// Takes what follows a change.
    fn take(
        &mut self,
        was: Option<&'a PlannedDataSet>,
        change: &AllocationChange<'_>,
        followed: Followed,
    ) {
        self.next.told.push((change.name(), change.to_string()));
        self.next.joining.extend(followed.joining);
        self.next.leaving.extend(followed.leaving);
        self.next.emptied.extend(followed.emptied);
        self.released.extend(followed.released);
        self.data_sets.extend(followed.data_set.clone());
        self.turns.push((was, followed.data_set, change.fate == Fate::Recreated));
    }

    /// One that was passed over stays so, whatever became of it; but one that was made anew is another one.
    fn pass_over_again(&mut self, was: &PassedOver, change: &AllocationChange<'_>) {
        let present = change.present.unwrap_or(&was.assessment);
        match change.fate {
            Fate::Deleted => {}
            Fate::Recreated => self.passed_over.push(PassedOver::new(present, true)),
            Fate::Renamed => self.passed_over.push(PassedOver::new(present, was.may_join)),
            Fate::Persistent | Fate::Unclear | Fate::New => self.passed_over.push(was.clone()),
        }
    }
}
