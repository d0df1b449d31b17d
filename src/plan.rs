//! Which data sets go where.
//!
//! Planning is pure: it takes assessments and a snapshot of the target volumes' free space, and gives back the target
//! extents of each data set, checked against every limit, or a refusal. It changes nothing. A data set takes its space
//! from the snapshot before the next one is planned, so a plan as a whole can be allocated.
//!
//! | mode | the target's space |
//! |---|---|
//! | [`Mode::OnePrimary`] | one request of the total space on one volume: the fewest extents, at most 5 |
//! | [`Mode::ExtentForExtent`] | each part on a volume of its own, each extent as it was |
//! | [`Mode::BestFit`] | as few extents as possible, over as many volumes as are needed |
//!
//! What the parts of a data set are at the target follows from what they were (module [`parts`]): the statistics move
//! to where the last used track goes.
//!
//! A target may get *slack*: more tracks than its source has, behind them, for a source that grows. They are empty tracks.
//!
//! If the only volume on which a data set can go is its own, its extents are combined there: the new space stands
//! under a temporary name until the data set takes it over.

pub mod ends;
pub mod follow;
pub mod parts;
pub mod scope;
mod space;
#[cfg(test)]
mod tests;

use crate::assess::Assessment;
use crate::bytes::{Decoder, Encode, Encoder, crc32c};
use crate::dscb::{Dscb, Format1};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Geometry};
use crate::name::{DsName, Volser};
use crate::translate::{Entry, TranslateTable};
use crate::vtoc::free_space::FreeSpace;
use crate::vtoc::{NewDataSet, SpaceManager};
pub use scope::{PassedOver, Scope};
use space::{Shape, best_fit, extent_for_extent, one_primary};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Extents that a data set may have on one volume.
pub const EXTENTS_MAX: usize = 16;
/// Extents that one primary request may be satisfied with.
pub const PRIMARY_EXTENTS_MAX: usize = 5;

/// How the target's space is chosen: see the [module](self).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One request of the total space.
    #[default]
    OnePrimary,
    /// Extent for extent.
    ExtentForExtent,
    /// The best fit over several volumes.
    BestFit,
}

impl Mode {
    /// Every mode with its name.
    pub const ALL: [(Mode, &'static str); 3] = [
        (Mode::OnePrimary, "one-primary"),
        (Mode::ExtentForExtent, "extent-for-extent"),
        (Mode::BestFit, "best-fit"),
    ];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Mode::ALL.iter().find(|(mode, _)| mode == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

impl FromStr for Mode {
    type Err = Error;
    fn from_str(text: &str) -> Result<Mode> {
        Mode::ALL.iter().find(|(_, name)| *name == text).map(|(mode, _)| *mode).ok_or_else(|| {
            Error::new(
                Reason::BadRequest,
                format!("'{text}' is no mode; say one-primary, extent-for-extent or best-fit"),
            )
        })
    }
}

impl Encode for Mode {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.to_string());
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Mode> {
        from.get::<String>()?.parse()
    }
}

/// A snapshot of a target volume.
#[derive(Clone, Debug)]
pub struct Target {
    /// The volume.
    pub volser: Volser,
    /// What it is made of.
    pub geometry: Geometry,
    /// Its free space.
    pub free: FreeSpace,
    /// The names on it.
    pub names: BTreeSet<DsName>,
    /// Its free DSCBs.
    pub free_dscb_count: usize,
    /// What forbids changing it.
    pub refusal: Option<Error>,
}

impl Target {
    /// The volume as it is now.
    pub fn of(manager: &dyn SpaceManager) -> Result<Target> {
        let vtoc = manager.read()?;
        Ok(Target {
            volser: vtoc.volser,
            geometry: vtoc.geometry,
            free: FreeSpace::of(&vtoc)?,
            names: vtoc.data_sets().map(|(name, _)| name).collect(),
            free_dscb_count: vtoc
                .dscbs
                .iter()
                .filter(|(_, dscb)| matches!(dscb, Dscb::Free))
                .count(),
            refusal: manager.check_writable().err(),
        })
    }

    /// Takes extents and DSCBs for a data set from the snapshot.
    fn take(&mut self, name: DsName, extents: &[Extent]) -> Result<()> {
        let dscb_count = 1 + usize::from(extents.len() > 3);
        if dscb_count > self.free_dscb_count {
            return Err(Error::new(
                Reason::VtocFull,
                format!(
                    "{dscb_count} DSCBs are needed and {} are free; use a volume with a larger VTOC",
                    self.free_dscb_count
                ),
            )
            .on_volume(self.volser));
        }
        let mut free = self.free.clone();
        extents.iter().try_for_each(|&extent| free.take(extent))?;
        self.free = free;
        self.free_dscb_count -= dscb_count;
        self.names.insert(name);
        Ok(())
    }
}

/// One volume's part of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPart {
    /// The volume.
    pub volser: Volser,
    /// Name, attributes and extents as they will be allocated.
    pub new: NewDataSet,
}

impl Encode for PlannedPart {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.volser);
        to.put(&self.new.format1);
        to.put(&self.new.extents);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<PlannedPart> {
        Ok(PlannedPart {
            volser: from.get()?,
            new: NewDataSet { format1: from.get()?, extents: from.get()? },
        })
    }
}

/// A data set and its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedDataSet {
    /// What it was when it was planned.
    pub assessment: Assessment,
    /// Its parts at the target, in order.
    pub parts: Vec<PlannedPart>,
    /// Whether its extents are combined on its own volume: then the one part has a temporary name.
    pub combines: bool,
}

impl PlannedDataSet {
    /// Every target extent with its volume, in order.
    pub fn target_extents(&self) -> impl Iterator<Item = (Volser, Extent)> + '_ {
        self.parts
            .iter()
            .flat_map(|part| part.new.extents.iter().map(|&extent| (part.volser, extent)))
    }

    /// The entries of the translate table for this data set.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        TranslateTable::map(
            &self.assessment.extents().collect::<Vec<_>>(),
            &self.target_extents().collect::<Vec<_>>(),
        )
    }

    /// The entries of the translate table for the tracks that are copied: all, or those that hold something.
    pub fn copied_entries(&self, used_only: bool) -> Result<Vec<Entry>> {
        if !used_only {
            return self.entries();
        }
        let count = self.used_track_count();
        TranslateTable::map(
            &slice(self.assessment.extents(), 0, count),
            &slice(self.target_extents(), 0, count),
        )
    }

    /// Whether each part of the source goes to a volume of its own.
    fn is_part_for_part(&self) -> bool {
        let counts = |part: &PlannedPart| -> u32 {
            part.new.extents.iter().map(|extent| extent.track_count).sum()
        };
        let source: Vec<u32> =
            self.assessment.parts.iter().map(|part| part.track_count()).collect();
        is_part_for_part(&source, &self.parts.iter().map(counts).collect::<Vec<u32>>())
    }

    /// The source tracks that hold nothing.
    pub fn unused_source(&self) -> Vec<(Volser, Extent)> {
        slice(self.assessment.extents(), self.used_track_count(), self.assessment.track_count())
    }

    /// The source tracks from one to another (not included), counted from the data set's start.
    pub fn source_between(&self, from: u32, end: u32) -> Vec<(Volser, Extent)> {
        slice(self.assessment.extents(), from, end)
    }

    /// The target tracks behind those that are copied: of slack, and if only used tracks are copied, of the others.
    pub fn unused_target(&self, used_only: bool) -> Vec<(Volser, Extent)> {
        let copied =
            if used_only { self.used_track_count() } else { self.assessment.track_count() };
        slice(self.target_extents(), copied, u32::MAX)
    }

    /// How many tracks from the start on hold something, if only those are to be copied; the others are known to be
    /// unused. It is everything where the DSCBs do not say.
    ///
    /// The track behind the last used one is counted too: the end-of-file record may stand there.
    pub fn used_track_count(&self) -> u32 {
        let whole = self.assessment.track_count();
        if self.assessment.format1().dsorg() == Format1::DSORG_DA {
            return whole;
        }
        self.assessment.last_used().map_or(whole, |(part, relative)| {
            let before: u32 =
                self.assessment.parts[..part].iter().map(|part| part.track_count()).sum();
            whole.min(before.saturating_add(relative).saturating_add(2))
        })
    }
}

impl Encode for PlannedDataSet {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.assessment);
        to.put(&self.parts);
        to.put(&self.combines);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<PlannedDataSet> {
        let data_set =
            PlannedDataSet { assessment: from.get()?, parts: from.get()?, combines: from.get()? };
        let count = |(_, extent): (Volser, Extent)| u64::from(extent.track_count);
        let source: u64 = data_set.assessment.extents().map(count).sum();
        let target: u64 = data_set.target_extents().map(count).sum();
        if target > u64::from(u32::MAX) {
            let what = "a data set whose target has more tracks than there can be";
            return Err(Error::new(Reason::EndOfData, what));
        }
        let single = data_set.parts.len() == 1 && data_set.assessment.parts.len() == 1;
        if data_set.parts.is_empty() || source > target || data_set.combines && !single {
            let what = "a data set whose target has fewer tracks than its source";
            return Err(Error::new(Reason::EndOfData, what));
        }
        Ok(data_set)
    }
}

/// Whether parts with so many tracks go to parts with so many, each to its own. Only the last one may have more.
fn is_part_for_part(source: &[u32], target: &[u32]) -> bool {
    let (Some((last, before)), Some((last_target, before_target))) =
        (source.split_last(), target.split_last())
    else {
        return false;
    };
    before == before_target && last <= last_target
}

/// Tracks `from` to `end` (not included) of extents that follow each other.
fn slice(
    extents: impl Iterator<Item = (Volser, Extent)>,
    from: u32,
    end: u32,
) -> Vec<(Volser, Extent)> {
    let (mut start, mut slices) = (0, Vec::new());
    for (volser, extent) in extents {
        let (first, last) = (from.max(start), end.min(start + extent.track_count));
        if first < last {
            slices.push((volser, Extent::new(extent.first.plus(first - start), last - first)));
        }
        start += extent.track_count;
    }
    slices
}

/// Which data sets go where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The data sets, in the order of their names.
    pub data_sets: Vec<PlannedDataSet>,
    /// What it was made from.
    pub scope: Scope,
}

impl Plan {
    /// The translate table of the whole plan.
    pub fn table(&self) -> Result<TranslateTable> {
        let mut entries = Vec::new();
        for data_set in &self.data_sets {
            entries.extend(data_set.entries()?);
        }
        TranslateTable::new(entries)
    }

    /// Tracks of all data sets.
    pub fn track_count(&self) -> u64 {
        self.data_sets.iter().map(|data_set| u64::from(data_set.assessment.track_count())).sum()
    }
}

impl Encode for Plan {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.data_sets);
        to.put(&self.scope);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Plan> {
        Ok(Plan { data_sets: from.get()?, scope: from.get()? })
    }
}

/// A data set that cannot be moved, with every reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The data set.
    pub name: DsName,
    /// Why; at least one reason.
    pub reasons: Vec<Error>,
}

/// Plans each assessment onto the targets, with so many percent more space. Those that cannot be moved come back as
/// refusals, with the reasons of their assessment, or that of the plan.
pub fn plan(
    assessments: Vec<Assessment>,
    mut targets: Vec<Target>,
    mode: Mode,
    slack: u32,
) -> (Plan, Vec<Refusal>) {
    let catalogs_in_use: BTreeSet<Volser> = assessments
        .iter()
        .flat_map(|data_set| data_set.cataloged.iter().filter_map(|cataloged| cataloged.volser))
        .collect();
    let mut plan = Plan { scope: Scope { mode, slack, ..Scope::default() }, ..Plan::default() };
    let mut refusals = Vec::new();
    for mut assessment in assessments {
        let name = assessment.name;
        let result = if !assessment.is_movable() {
            Err(std::mem::take(&mut assessment.refusals))
        } else if name.starts_with("SYSCTLG ")
            && assessment.parts.iter().any(|part| catalogs_in_use.contains(&part.volser))
        {
            Err(vec![Error::new(
                Reason::IcfCatalog,
                "a catalog cannot move beside data sets whose entries it holds; move it in a migration of its own",
            )])
        } else {
            plan_one(&assessment, &mut targets, &plan.scope).map_err(|error| vec![error])
        };
        match result {
            Ok((parts, combines)) => {
                plan.data_sets.push(PlannedDataSet { assessment, parts, combines });
            }
            Err(reasons) => refusals.push(Refusal {
                name,
                reasons: reasons.into_iter().map(|error| error.of_data_set(name)).collect(),
            }),
        }
    }
    (plan, refusals)
}

/// The target of one data set, and whether it combines extents on the data set's own volume.
fn plan_one(
    data_set: &Assessment,
    targets: &mut [Target],
    scope: &Scope,
) -> Result<(Vec<PlannedPart>, bool)> {
    let candidates = candidates(data_set, targets)?;
    // Candidates are all its own volumes, or none is.
    let is_own = |volser| data_set.parts.iter().any(|part| part.volser == volser);
    let combining = is_own(targets[candidates[0]].volser);
    if combining && data_set.parts.len() > 1 {
        return Err(Error::new(
            Reason::TargetIsSource,
            "extents are combined on a data set's own volume only if it lies on that one volume; give another target",
        )
        .on_volume(targets[candidates[0]].volser));
    }
    let heads = targets[candidates[0]].geometry.heads();
    let shape = Shape::of(data_set, heads).with_slack(scope.slack, heads);
    let space = match scope.mode {
        Mode::OnePrimary => one_primary(&shape, targets, &candidates, PRIMARY_EXTENTS_MAX)?,
        Mode::ExtentForExtent => extent_for_extent(data_set, &shape, targets, &candidates)?,
        Mode::BestFit => best_fit(data_set, &shape, targets, &candidates)?,
    };
    let extent_count: usize = space.iter().map(|(_, extents)| extents.len()).sum();
    if combining && extent_count >= data_set.parts[0].dscbs.extents.len() {
        return Err(Error::new(
            Reason::TargetIsSource,
            match data_set.parts[0].dscbs.extents.len() {
                1 => "it has one extent on this volume, which cannot be less; give another target".into(),
                count => format!(
                    "it has {count} extents on this volume, and the free space there would not give it fewer; give \
                     another target"
                ),
            },
        )
        .on_volume(targets[space[0].0].volser));
    }
    if extent_count > 1 && data_set.name.starts_with("SYS1.NUCLEUS ") {
        return Err(Error::new(
            Reason::NoSpace,
            "the IPL program reads the first extent of SYS1.NUCLEUS only, and no free space holds it in one; give \
             another target",
        )
        .on_volume(targets[space[0].0].volser));
    }
    let name = if combining { temporary_name(data_set.name) } else { data_set.name };
    let runs: Vec<(Volser, Vec<Extent>)> =
        space.iter().map(|(target, extents)| (targets[*target].volser, extents.clone())).collect();
    parts::check_statistics(data_set, &runs)?;
    let parts = parts::at_target(data_set, name, &runs, scope.mode == Mode::ExtentForExtent);
    for (target, extents) in &space {
        targets[*target].take(name, extents)?;
    }
    Ok((parts, combining))
}

/// The targets that a data set can go to at all, in the order in which they were given.
fn candidates(data_set: &Assessment, targets: &[Target]) -> Result<Vec<usize>> {
    let (mut fit, mut own, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (index, target) in targets.iter().enumerate() {
        let is_own = data_set.parts.iter().any(|part| part.volser == target.volser);
        let unlike = data_set.parts.iter().find(|part| !is_like(part.device, &target.geometry));
        if let Some(refusal) = &target.refusal {
            refused.push(refusal.clone());
        } else if let Some(part) = unlike {
            refused.push(
                Error::new(
                    Reason::UnlikeDevices,
                    format!(
                        "{} is a {} and {} is a {}: tracks of the one do not fit the other; give a target of the \
                         same type",
                        part.volser,
                        part.device.name,
                        target.volser,
                        target.geometry.device.name
                    ),
                )
                .on_volume(target.volser),
            );
        } else if is_own {
            own.push(index);
        } else if target.names.contains(&data_set.name) {
            refused.push(
                Error::new(
                    Reason::NameExists,
                    "the name exists on the target; scratch or rename that data set, or give another target",
                )
                .on_volume(target.volser),
            );
        } else {
            fit.push(index);
        }
    }
    match (fit.is_empty(), own.is_empty(), refused.into_iter().next()) {
        (false, ..) => Ok(fit),
        (true, false, _) => Ok(own),
        (true, true, Some(error)) => Err(error),
        (true, true, None) => Err(Error::new(Reason::NoSpace, "no target volume is given")),
    }
}

fn is_like(device: &crate::geometry::Device, target: &Geometry) -> bool {
    device.code == target.device.code
        && device.heads == target.heads()
        && device.track_length == target.device.track_length
}

/// The name under which new space stands on the data set's own volume until the data set takes it over.
fn temporary_name(name: DsName) -> DsName {
    let digest = crc32c(0, name.as_bytes());
    DsName::parse(&format!("TRKMIRR.NEWSPACE.X{:07X}", digest & 0x0FFF_FFFF))
        .expect("the qualifiers keep the rules")
}
