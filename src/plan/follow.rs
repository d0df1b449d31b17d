//! The plan follows the allocation changes of its data sets.
//!
//! Pure, as planning is: from what became of each data set and a snapshot of the targets, what each target becomes.
//! The order of a data set's tracks is kept, so a track that comes between others moves all behind it to other places of
//! the target; they are copied again.
//!
//! | the source | the target |
//! |---|---|
//! | has more tracks | uses its slack, the tracks behind the copied end; else it grows: on its last volume, else on another one, else on as many as are needed |
//! | has fewer tracks | is cut to as many, slack included |
//! | was renamed | has the new name |
//! | was deleted | goes |
//! | was made anew | goes, and is planned anew |
//! | is new | is planned |
//!
//! Slack is used up: a data set that grew gets as many tracks as are missing, and no slack again.
//!
//! In [`Mode::ExtentForExtent`] each part follows its own part: it grows on its volume, or goes as a whole to another one.
//!
//! # What its user must do, and in which order
//! The space that some give back is used for others, so everything in [`Followed::released`] is released, for all data
//! sets, before anything in [`Followed::allocated`] is allocated; renames come between (two data sets may have exchanged
//! their names, so one of them needs a third name meanwhile). Then the tracks in [`Followed::joining`] join `taken`, and only
//! then the new table becomes durable: a crash before that finds the old table with too much work, a crash after it the
//! new one with all of its work. The rules for which tracks are read ([`ends`](super::ends)) apply to the new plan too.

mod resize;
#[cfg(test)]
mod tests;

use super::{Mode, Plan, PlannedDataSet, Scope, Target, is_like, parts, plan_one, slice};
use crate::assess::compare::{AllocationChange, Fate};
use crate::assess::{Assessment, Part};
use crate::dscb::Format1;
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::translate::{Run, TranslateTable};
use resize::Resize;
use std::collections::BTreeMap;

/// Runs of tracks on volumes.
type Runs = Vec<(Volser, Extent)>;
/// The extents on each volume of a target, in order.
type Space = Vec<(Volser, Vec<Extent>)>;

/// What becomes of the target of one data set, and of its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// The data set and its target as they are now; nothing if it is deleted, or was not of the plan.
    pub data_set: Option<PlannedDataSet>,
    /// Target tracks that are given back.
    pub released: Runs,
    /// Target tracks that are allocated after that, in the order in which they follow what the target has.
    pub allocated: Runs,
    /// Source tracks that came, or whose target location changed: they are to be copied, whatever was noted of them.
    pub joining: Runs,
    /// Source tracks that left: nothing of them is to be copied any more.
    pub leaving: Runs,
    /// Target tracks to which nothing is copied, and that were not known to be empty: they become empty tracks, before the
    /// new table counts.
    pub emptied: Runs,
}

impl Followed {
    /// The same if only used tracks are copied: tracks that came and hold nothing are not, and those which turned out to be
    /// used are.
    ///
    /// Tracks that were there and go elsewhere are copied wherever they lie, because they may have been written behind the
    /// last used one.
    pub fn cut_to_used(
        &mut self,
        was: Option<&PlannedDataSet>,
        change: &AllocationChange<'_>,
    ) -> Result<()> {
        let Some(now) = &self.data_set else { return Ok(()) };
        let unused = now.unused_source();
        let new: Runs = change.new.iter().map(|run| (run.volser, run.extent)).collect();
        let left_out = without(&new, &without(&new, &unused));
        self.joining = without(&self.joining, &left_out);
        let used_before = match change.fate {
            Fate::Persistent | Fate::Renamed => was.map(PlannedDataSet::used_track_count),
            _ => None,
        };
        if let Some(before) = used_before {
            let further = now.source_between(before, now.used_track_count());
            let further = without(&further, &self.joining);
            self.joining.extend(further);
        }
        let table = TranslateTable::new(now.entries()?)?;
        for (volser, extent) in left_out {
            let mut first = extent.first;
            while first < extent.end() {
                let run = table.run(volser, first, extent.end().since(first)).ok_or_else(|| {
                    Error::new(Reason::Broken, "a track that came is not in the plan")
                })?;
                let target = Extent::new(run.target, run.source.track_count);
                self.emptied.push((run.target_volser, target));
                first = run.source.end();
            }
        }
        Ok(())
    }
}

/// What becomes of the targets of a plan, for each change in turn. The snapshot becomes what it will be; a data set that
/// cannot be followed leaves it as it was.
///
/// A change of a stored data set that is not of the plan is followed by nothing.
///
/// Errors of a data set: what forbids moving it now; [`Reason::NoSpace`], [`Reason::VtocFull`],
/// [`Reason::NameExists`] at the target, [`Reason::CannotSplit`], [`Reason::UnlikeDevices`] or [`Reason::TargetIsSource`]
/// if it cannot stay there; [`Reason::SourceChanged`] if the comparison was not with this plan, or is unclear.
///
/// ```
/// use trackmirror::assess::compare::{Metadata, compare};
/// use trackmirror::assess::{Options, assess};
/// use trackmirror::plan::{Plan, Target, follow::follow};
/// # fn example(plan: &Plan, sources: &[std::sync::Arc<dyn trackmirror::SpaceManager>],
/// #     catalogs: &[std::sync::Arc<dyn trackmirror::Catalog>],
/// #     targets: &mut [Target]) -> trackmirror::Result<()> {
/// let stored = plan.data_sets.iter().map(|data_set| &data_set.assessment);
/// let present = assess(&["**".parse()?], sources, catalogs, &Options::default())?;
/// let changes = compare(stored, &present, &["TEST.**".parse()?], Metadata::Both);
/// for (change, followed) in changes.iter().zip(follow(plan, &changes, targets)) {
///     println!("{change}: {} runs of tracks are copied", followed?.joining.len());
/// }
/// # Ok(())
/// # }
/// ```
pub fn follow(
    plan: &Plan,
    changes: &[AllocationChange<'_>],
    targets: &mut [Target],
) -> Vec<Result<Followed>> {
    let scope = &plan.scope;
    let planned: BTreeMap<DsName, &PlannedDataSet> =
        plan.data_sets.iter().map(|data_set| (data_set.assessment.name, data_set)).collect();
    let planned: Vec<Option<&PlannedDataSet>> = changes
        .iter()
        .map(|change| change.stored.and_then(|stored| planned.get(&stored.name).copied()))
        .collect();
    // A name that its owner gives up may go to another one.
    for (change, data_set) in changes.iter().zip(&planned) {
        if matches!(change.fate, Fate::Deleted | Fate::Renamed | Fate::Recreated) {
            data_set.iter().for_each(|data_set| forget_names(data_set, targets));
        }
    }
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by_key(|&number| turn(&changes[number]));
    let mut followed: Vec<Result<Followed>> =
        changes.iter().map(|_| Ok(Followed::default())).collect();
    for number in order {
        let (change, data_set) = (&changes[number], planned[number]);
        let mut trial = targets.to_vec();
        let result = match data_set {
            None if change.fate != Fate::New => continue,
            None => plan_new(change.present, &mut trial, scope),
            Some(data_set) => follow_one(data_set, change, &mut trial, scope),
        };
        match (&result, data_set) {
            (Ok(_), _) => targets.clone_from_slice(&trial),
            (Err(_), Some(data_set)) => remember_names(data_set, targets),
            (Err(_), None) => {}
        }
        followed[number] = result.map_err(|error| error.of_data_set(change.name()));
    }
    followed
}

/// Those that give space back come before those that need some, and what is there before what is new.
fn turn(change: &AllocationChange<'_>) -> u8 {
    match change.fate {
        Fate::Deleted | Fate::Unclear => 0,
        Fate::Persistent | Fate::Renamed if !change.is_extended() => 1,
        Fate::Persistent | Fate::Renamed => 2,
        Fate::Recreated => 3,
        Fate::New => 4,
    }
}

fn forget_names(data_set: &PlannedDataSet, targets: &mut [Target]) {
    for part in &data_set.parts {
        if let Some(target) = targets.iter_mut().find(|target| target.volser == part.volser) {
            target.names.remove(&part.new.format1.name());
        }
    }
}

fn remember_names(data_set: &PlannedDataSet, targets: &mut [Target]) {
    for part in &data_set.parts {
        if let Some(target) = targets.iter_mut().find(|target| target.volser == part.volser) {
            target.names.insert(part.new.format1.name());
        }
    }
}

fn follow_one(
    data_set: &PlannedDataSet,
    change: &AllocationChange<'_>,
    targets: &mut [Target],
    scope: &Scope,
) -> Result<Followed> {
    if !change.stored.is_some_and(|stored| stored.parts == data_set.assessment.parts) {
        let what = "the comparison is not with what is planned; compare with the plan's assessment";
        return Err(Error::new(Reason::SourceChanged, what));
    }
    let gone = Followed {
        data_set: None,
        released: data_set.target_extents().collect(),
        leaving: data_set.assessment.extents().collect(),
        ..Followed::default()
    };
    let present = match (change.fate, change.present) {
        (Fate::Deleted, _) => {
            give_back(data_set, targets)?;
            return Ok(gone);
        }
        (Fate::Recreated, present @ Some(now)) => {
            give_back(data_set, targets)?;
            let new = plan_new(present, targets, scope)?;
            let leaving = without(&gone.leaving, &now.extents().collect::<Runs>());
            return Ok(Followed { released: gone.released, leaving, ..new });
        }
        (Fate::Persistent | Fate::Renamed, Some(present)) => present,
        _ => {
            let what = "not all of its DSCBs could be read, so nobody can say what became of it; let its system repair \
                        the VTOC";
            return Err(Error::new(Reason::SourceChanged, what));
        }
    };
    refuse(present)?;
    let was: Space =
        data_set.parts.iter().map(|part| (part.volser, part.new.extents.clone())).collect();
    let resize = Resize { data_set, present, targets };
    let now = if change.new.is_empty() && change.gone.is_empty() {
        was.clone()
    } else if scope.mode == Mode::ExtentForExtent && data_set.is_part_for_part() {
        resize.part_for_part(was.clone())?
    } else {
        resize.as_a_whole(was.clone())?
    };
    check_place(present, &now, targets)?;
    let new = planned(data_set, present, &now)?;
    let (released, allocated) =
        (without(&flat(&was), &flat(&now)), without(&flat(&now), &flat(&was)));
    settle(data_set, &new, &released, &allocated, targets)?;
    let mut followed = Followed { data_set: None, released, allocated, ..Followed::default() };
    followed.joining = joining(data_set, &new, change)?;
    let source = |data_set: &PlannedDataSet| data_set.assessment.extents().collect::<Runs>();
    followed.leaving = without(&source(data_set), &source(&new));
    followed.emptied = without(&slack(&new), &slack(data_set));
    followed.data_set = Some(new);
    Ok(followed)
}

/// That nothing forbids moving a data set now.
fn refuse(present: &Assessment) -> Result<()> {
    present.refusals.first().cloned().map_or(Ok(()), Err)
}

/// The target tracks behind the copied ones.
fn slack(data_set: &PlannedDataSet) -> Runs {
    slice(data_set.target_extents(), data_set.assessment.track_count(), u32::MAX)
}

fn plan_new(
    present: Option<&Assessment>,
    targets: &mut [Target],
    scope: &Scope,
) -> Result<Followed> {
    let Some(present) = present else { return Ok(Followed::default()) };
    refuse(present)?;
    let (parts, combines) = plan_one(present, targets, scope)?;
    let new = PlannedDataSet { assessment: present.clone(), parts, combines };
    Ok(Followed {
        allocated: new.target_extents().collect(),
        joining: present.extents().collect(),
        emptied: slack(&new),
        data_set: Some(new),
        ..Followed::default()
    })
}

/// That a source as it is now may lie in this space.
fn check_place(present: &Assessment, space: &Space, targets: &mut [Target]) -> Result<()> {
    let may_be_split = [Format1::DSORG_PS, Format1::DSORG_DA].contains(&present.format1().dsorg());
    if space.len() > 1 && !may_be_split {
        let what = "only sequential and direct data sets can lie on several volumes, as its target does, and it is none \
                    any more; terminate the migration and begin again";
        return Err(Error::new(Reason::CannotSplit, what));
    }
    for (volser, _) in space {
        let target = target_of(*volser, targets)?;
        let is_unlike = |part: &&Part| !is_like(part.device, &target.geometry);
        if let Some(part) = present.parts.iter().find(is_unlike) {
            let what = format!(
                "it lies on {} too now, a {}, and the target is a {}: tracks of the one do not fit the other; terminate \
                 the migration",
                part.volser, part.device.name, target.geometry.device.name
            );
            return Err(Error::new(Reason::UnlikeDevices, what).on_volume(*volser));
        }
    }
    Ok(())
}

/// The plan for a source as it is now, in this space.
fn planned(
    data_set: &PlannedDataSet,
    present: &Assessment,
    space: &Space,
) -> Result<PlannedDataSet> {
    if space.is_empty() {
        let what = "it has no tracks any more, so there is nothing to move";
        return Err(Error::new(Reason::NoExtents, what));
    }
    if data_set.combines && present.parts.len() > 1 {
        let what = "extents are combined on a data set's own volume, and it lies on others too now; terminate the \
                    migration and give another target";
        return Err(Error::new(Reason::TargetIsSource, what));
    }
    parts::check_statistics(present, space)?;
    let name = match data_set.combines {
        true => data_set.parts[0].new.format1.name(),
        false => present.name,
    };
    let count = |(_, extents): &(Volser, Vec<Extent>)| extents.iter().map(|e| e.track_count).sum();
    let source: Vec<u32> = present.parts.iter().map(Part::track_count).collect();
    let part_for_part =
        super::is_part_for_part(&source, &space.iter().map(count).collect::<Vec<u32>>());
    let parts = parts::at_target(present, name, space, part_for_part);
    Ok(PlannedDataSet { assessment: present.clone(), parts, combines: data_set.combines })
}

fn target_of(volser: Volser, targets: &mut [Target]) -> Result<&mut Target> {
    targets.iter_mut().find(|target| target.volser == volser).ok_or_else(|| {
        let what = "the target volume is not among those that are given; give it too";
        Error::new(Reason::NoSuchVolume, what).on_volume(volser)
    })
}

/// DSCBs of a data set with so many extents on a volume.
fn dscb_count(extents: &[Extent]) -> usize {
    1 + usize::from(extents.len() > 3)
}

/// Gives the whole target back to the snapshot.
fn give_back(data_set: &PlannedDataSet, targets: &mut [Target]) -> Result<()> {
    for part in &data_set.parts {
        let target = target_of(part.volser, targets)?;
        part.new.extents.iter().try_for_each(|&extent| target.free.give(extent))?;
        target.free_dscb_count += dscb_count(&part.new.extents);
    }
    Ok(())
}

/// Makes the snapshot what it is when a target was changed.
fn settle(
    was: &PlannedDataSet,
    now: &PlannedDataSet,
    released: &Runs,
    allocated: &Runs,
    targets: &mut [Target],
) -> Result<()> {
    for &(volser, extent) in released {
        target_of(volser, targets)?.free.give(extent)?;
    }
    for &(volser, extent) in allocated {
        target_of(volser, targets)?.free.take(extent)?;
    }
    for part in &was.parts {
        let target = target_of(part.volser, targets)?;
        target.free_dscb_count += dscb_count(&part.new.extents);
    }
    // A renamed one gave its name up already, and another one may have it.
    if was.parts[0].new.format1.name() == now.parts[0].new.format1.name() {
        forget_names(was, targets);
    }
    for part in &now.parts {
        let (name, needed) = (part.new.format1.name(), dscb_count(&part.new.extents));
        let target = target_of(part.volser, targets)?;
        if target.names.contains(&name) {
            let what = "the name exists on the target; scratch or rename that data set";
            return Err(Error::new(Reason::NameExists, what).on_volume(part.volser));
        }
        target.free_dscb_count = target.free_dscb_count.checked_sub(needed).ok_or_else(|| {
            let what = format!(
                "the target needs {needed} DSCBs and there are {}; use a volume with a larger VTOC",
                target.free_dscb_count
            );
            Error::new(Reason::VtocFull, what).on_volume(part.volser)
        })?;
    }
    remember_names(now, targets);
    Ok(())
}

/// The source tracks that are to be copied: those that came, and those whose target location changed.
fn joining(
    was: &PlannedDataSet,
    now: &PlannedDataSet,
    change: &AllocationChange<'_>,
) -> Result<Runs> {
    let (before, after) =
        (TranslateTable::new(was.entries()?)?, TranslateTable::new(now.entries()?)?);
    // A source and its target as two numbers that keep their distance along a run.
    let in_place = |was: &Run, now: &Run| -> Option<(Volser, Extent)> {
        let first = was.source.first.max(now.source.first);
        let end = was.source.end().min(now.source.end());
        let target =
            |run: &Run| (run.target_volser, run.target.plus(first.since(run.source.first)));
        let stays = was.source_volser == now.source_volser && first < end;
        (stays && target(was) == target(now))
            .then(|| (now.source_volser, Extent::new(first, end.since(first))))
    };
    let kept: Runs =
        after.runs().flat_map(|now| before.runs().filter_map(|was| in_place(was, now))).collect();
    let new: Runs = change.new.iter().map(|run| (run.volser, run.extent)).collect();
    let source: Runs = now.assessment.extents().collect();
    Ok(without(&source, &without(&kept, &new)))
}

fn flat(space: &Space) -> Runs {
    space.iter().flat_map(|(on, extents)| extents.iter().map(|extent| (*on, *extent))).collect()
}

/// The tracks that are in the first and not in the second, in the order of the first.
pub(crate) fn without(these: &Runs, those: &Runs) -> Runs {
    let mut left = Runs::new();
    for &(volser, extent) in these {
        let mut cuts: Vec<Extent> = those
            .iter()
            .filter(|(on, cut)| *on == volser && cut.overlaps(extent))
            .map(|(_, cut)| *cut)
            .collect();
        cuts.sort();
        let mut next = extent.first;
        for cut in cuts {
            if next < cut.first {
                left.push((volser, Extent::new(next, cut.first.since(next))));
            }
            next = next.max(cut.end());
        }
        if next < extent.end() {
            left.push((volser, Extent::new(next, extent.end().since(next))));
        }
    }
    left
}
