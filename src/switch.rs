//! The switch: the target becomes the data set.
//!
//! # The problem
//! A data set is two things: the tracks, and what makes users find them, which is its catalog entry, or where there is
//! none its DSCBs alone. The tracks are at the target already. Now the catalog must point there, and the source must
//! go, and a crash between any two writes must leave exactly one complete copy of each data set that users can find.
//!
//! # The rule
//! 1. Every target is flushed, and its DSCBs are seen to be as planned ([`targets_stand`]); the sources are as they were
//!    assessed ([`sources_stand`]). Then the *intent* to switch is made durable, by the caller.
//! 2. Each catalog entry is changed from exactly what was assessed to exactly the target ([`recatalog`]). At its point
//!    of no return that is one block write; done again, it changes nothing.
//! 3. The *look* ([`look`]): sources, targets and entries once more. Anything found backs everything out
//!    ([`back_out`]). Nothing found: the caller makes *looked* durable. From there on there is only forward.
//! 4. Each source is released ([`release`]): scratched, erased on request, or kept under another name. A data set whose
//!    extents are combined on its own volume takes over the new space instead: its F1 stays where it is.
//!
//! # The crash argument
//! Before *looked* nothing of a source was changed, so an entry that points to the source points to a complete copy.
//! An entry that points to a target was written after that target was flushed. So whichever entries are changed when
//! the crash comes, each name leads to a complete copy. After *looked* every entry points to its target, and only
//! sources are changed. What is released is never found by its name alone: its DSCBs must be the assessed ones to the
//! byte, and the count of parts that are released becomes durable in the same write as the intent that releases one,
//! so that a data set which somebody allocates later under the old name on the old volume is not taken for the source.

use crate::assess::{Cataloged, Part};
use crate::catalog::{Catalog, CatalogEntry, CatalogVolume};
use crate::copy::{Volumes, write_empty};
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::plan::{PlannedDataSet, PlannedPart};
use crate::track::{self, NullFormat};
use crate::volume::intent::Journal;
use crate::volume::{Volume, VolumeExt};
use crate::vtoc::{DataSetDscbs, Expiration, Identity, SpaceManager, Vtoc};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// The space managers of the volumes.
pub type Space = BTreeMap<Volser, Arc<dyn SpaceManager>>;

/// What the switch works on.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The volumes, sources and targets.
    pub volumes: &'a Volumes,
    /// Their space managers.
    pub space: &'a Space,
    /// The catalogs.
    pub catalogs: &'a [Arc<dyn Catalog>],
    /// Where intents are kept.
    pub journal: &'a dyn Journal,
    /// What the VTOCs say at this moment, if many data sets are looked at and nothing is changed meanwhile.
    pub glance: Option<&'a Glance>,
}

/// VTOCs, each read once when it is first asked for.
#[derive(Debug, Default)]
pub struct Glance(Mutex<BTreeMap<Volser, Vtoc>>);

impl Ports<'_> {
    /// The space manager of a volume.
    pub fn space(&self, volser: Volser) -> Result<&dyn SpaceManager> {
        self.space.get(&volser).map(|manager| &**manager).ok_or_else(|| missing(volser))
    }

    /// The DSCBs of a data set on a volume.
    pub fn find(&self, volser: Volser, name: &DsName) -> Result<Option<DataSetDscbs>> {
        let Some(Glance(vtocs)) = self.glance else { return self.space(volser)?.find(name) };
        match vtocs.lock().entry(volser) {
            Entry::Occupied(vtoc) => vtoc.get().find(name),
            Entry::Vacant(place) => place.insert(self.space(volser)?.read()?).find(name),
        }
    }

    /// The names on a volume.
    pub fn names(&self, volser: Volser) -> Result<Vec<DsName>> {
        let names = |vtoc: &Vtoc| vtoc.data_sets().map(|(name, _)| name).collect();
        let Some(Glance(vtocs)) = self.glance else {
            return Ok(names(&self.space(volser)?.read()?));
        };
        Ok(match vtocs.lock().entry(volser) {
            Entry::Occupied(vtoc) => names(vtoc.get()),
            Entry::Vacant(place) => names(place.insert(self.space(volser)?.read()?)),
        })
    }

    /// A volume.
    pub fn volume(&self, volser: Volser) -> Result<&dyn Volume> {
        self.volumes.get(&volser).map(|volume| &**volume).ok_or_else(|| missing(volser))
    }

    fn catalog(&self, name: &str) -> Result<&dyn Catalog> {
        self.catalogs
            .iter()
            .find(|catalog| catalog.name() == name)
            .map(|catalog| &**catalog)
            .ok_or_else(|| {
                Error::new(
                    Reason::NoCatalog,
                    format!("{name} is not among the catalogs that are given; give its volume"),
                )
            })
    }
}

fn missing(volser: Volser) -> Error {
    Error::new(Reason::NoSuchVolume, "the volume is not given; add it, or give its image")
        .on_volume(volser)
}

/// The DSCBs of a target part, if it is allocated: exactly the planned extents under its name.
///
/// Error: [`Reason::TargetChanged`] if another data set has the name there.
pub fn find_target(part: &PlannedPart, ports: &Ports<'_>) -> Result<Option<DataSetDscbs>> {
    let name = part.new.format1.name();
    let Some(found) = ports.find(part.volser, &name)? else { return Ok(None) };
    let planned = &part.new.format1;
    let is_ours = found.extents == part.new.extents
        && found.format1.volume_sequence() == planned.volume_sequence()
        && found.format1.creation_date() == planned.creation_date();
    if is_ours || defect(Defect::ComparedByNameOnly) {
        return Ok(Some(found));
    }
    Err(Error::new(
        Reason::TargetChanged,
        "a data set of this name lies on the target, but not in the planned extents; it is not touched: see what it is, \
         and terminate the migration or scratch it",
    )
    .on_volume(part.volser)
    .of_data_set(name))
}

/// That every part of the target is allocated as it was planned, and gives back their DSCBs.
pub fn targets_stand(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<Vec<DataSetDscbs>> {
    let stand = |part: &PlannedPart| {
        find_target(part, ports)?.ok_or_else(|| {
            Error::new(
                Reason::TargetChanged,
                "the target's DSCB is gone; terminate the migration and begin again",
            )
            .on_volume(part.volser)
            .of_data_set(part.new.format1.name())
        })
    };
    data_set.parts.iter().map(stand).collect()
}

/// Whether a part of the source is still what was assessed, to the byte of its DSCBs; `None` if the name is gone.
fn source_stands(name: &DsName, part: &Part, ports: &Ports<'_>) -> Result<Option<bool>> {
    Ok(ports.find(part.volser, name)?.map(|found| found == part.dscbs))
}

/// That every part of the source is what was assessed.
///
/// Error: [`Reason::SourceChanged`].
pub fn sources_stand(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<()> {
    let name = data_set.assessment.name;
    for part in &data_set.assessment.parts {
        if source_stands(&name, part, ports)? != Some(true) {
            return Err(Error::new(
                Reason::SourceChanged,
                "its DSCBs are not what they were when the migration was planned; terminate the migration and begin again",
            )
            .on_volume(part.volser)
            .of_data_set(name));
        }
    }
    Ok(())
}

/// Gives the target the attributes and statistics that are planned, where it has others.
pub fn update_targets(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<()> {
    for (part, found) in data_set.parts.iter().zip(targets_stand(data_set, ports)?) {
        if part.new.format1.at_place_of(&found.format1) != found.format1 {
            let space = ports.space(part.volser)?;
            space.update(&Identity::of(&found), &part.new.format1, ports.journal)?;
        }
    }
    Ok(())
}

/// What a catalog entry says when it points to the target.
fn target_entry(
    data_set: &PlannedDataSet,
    cataloged: &Cataloged,
    targets: &[DataSetDscbs],
    ports: &Ports<'_>,
) -> Result<CatalogEntry> {
    if data_set.combines {
        return Ok(cataloged.entry.clone());
    }
    let old = &cataloged.entry.volumes;
    let mut volumes = Vec::new();
    for part in &data_set.parts {
        let device = ports.volume(part.volser)?.geometry().device;
        // A catalog may hold other feature bits for the same device; they are kept.
        let known = old.iter().find(|volume| {
            volume.unit_type[2..] == device.unit_type()[2..] && volume.unit_type[0] == 0x30
        });
        let unit_type = known.map_or(device.unit_type(), |volume| volume.unit_type);
        let file_sequence = old.first().map_or(0, |volume| volume.file_sequence);
        volumes.push(CatalogVolume { unit_type, volser: part.volser, file_sequence });
    }
    let dscb = cataloged.entry.dscb.and(targets.first()).map(|dscbs| dscbs.address.to_ttr());
    let dscb = dscb.filter(|ttr| *ttr != [0; 3]);
    let entry = CatalogEntry { name: cataloged.entry.name, volumes, dscb };
    Ok(ports.catalog(&cataloged.catalog)?.as_held(entry))
}

/// Which copy the catalogs lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Every entry says what was assessed (or there is none).
    Source,
    /// Every entry points to the target.
    Target,
    /// Some do and some do not, or one is between the two steps of its change.
    Both,
}

/// Which copy the catalogs lead to now.
///
/// Error: [`Reason::EntryChanged`] if one of them leads to neither.
pub fn found(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<Found> {
    let (mut source, mut target) = (0, 0);
    let targets = target_dscbs(data_set, ports)?;
    for cataloged in &data_set.assessment.cataloged {
        let name = data_set.assessment.name;
        let catalog = ports.catalog(&cataloged.catalog)?;
        let entry = catalog.locate(&name)?;
        let leads_to = |to: &CatalogEntry| entry.as_ref().is_some_and(|now| now.leads_as(to));
        if entry.is_none() && catalog.recatalog_is_two_steps() {
            // Between the two steps, on the way to one or the other.
            (source, target) = (source + 1, target + 1);
        } else if leads_to(&cataloged.entry) {
            source += 1;
        } else if let Some(targets) = &targets
            && leads_to(&target_entry(data_set, cataloged, targets, ports)?)
        {
            target += 1;
        } else {
            return Err(Error::new(
                Reason::EntryChanged,
                format!(
                    "its entry in {} leads neither to the source nor to the target; correct it, then resume or terminate",
                    cataloged.catalog
                ),
            )
            .of_data_set(name));
        }
    }
    Ok(match (source, target) {
        (_, 0) => Found::Source,
        (0, _) => Found::Target,
        _ => Found::Both,
    })
}

/// The DSCBs of all parts of the target, if all are allocated.
fn target_dscbs(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<Option<Vec<DataSetDscbs>>> {
    data_set.parts.iter().map(|part| find_target(part, ports)).collect()
}

/// Makes every entry of a data set point to the target. Each change is told to `told` when it is durable.
pub fn recatalog(
    data_set: &PlannedDataSet,
    ports: &Ports<'_>,
    mut told: impl FnMut(&Cataloged),
) -> Result<()> {
    let targets = targets_stand(data_set, ports)?;
    for cataloged in &data_set.assessment.cataloged {
        let entry = target_entry(data_set, cataloged, &targets, ports)?;
        if entry != cataloged.entry {
            ports.catalog(&cataloged.catalog)?.recatalog(
                &cataloged.entry,
                &entry,
                ports.journal,
            )?;
            told(cataloged);
        }
    }
    Ok(())
}

/// Makes every entry of a data set point to the source again. Where they all do, the target need not stand.
pub fn back_out(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<()> {
    for cataloged in &data_set.assessment.cataloged {
        let catalog = ports.catalog(&cataloged.catalog)?;
        let present = catalog.locate(&cataloged.entry.name)?;
        if present.as_ref().is_some_and(|now| now.leads_as(&cataloged.entry)) {
            continue;
        }
        let entry = target_entry(data_set, cataloged, &targets_stand(data_set, ports)?, ports)?;
        let is_switched = match present {
            Some(now) => now.leads_as(&entry),
            None => catalog.recatalog_is_two_steps(),
        };
        if is_switched {
            catalog.recatalog(&entry, &cataloged.entry, ports.journal)?;
        }
    }
    Ok(())
}

/// The look: source, target and every entry are as the switch wants them.
pub fn look(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<()> {
    sources_stand(data_set, ports)?;
    targets_stand(data_set, ports)?;
    let changes = !data_set.combines && !data_set.assessment.cataloged.is_empty();
    match found(data_set, ports)? {
        Found::Target => Ok(()),
        Found::Source if !changes => Ok(()),
        _ => Err(Error::new(
            Reason::EntryChanged,
            "a catalog entry that was switched leads to the source again",
        )
        .of_data_set(data_set.assessment.name)),
    }
}

/// What becomes of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposal {
    /// It is scratched; with `erase` its tracks are overwritten first.
    Scratch {
        /// Overwrite every track.
        erase: bool,
    },
    /// It stays under this name.
    Keep {
        /// The name.
        under: DsName,
    },
}

/// Releases one part of a source, after *looked*. `begun` is called when it is certain that the part is the source and
/// before anything of it is changed for good: what it notes becomes durable together with the intent of the change.
///
/// A part that is gone, or is another data set, is left alone: then this gives back false. It can only be so when
/// somebody else scratched the source, because a part that this migration released is not asked for again.
pub fn release(
    data_set: &PlannedDataSet,
    part: usize,
    disposal: Disposal,
    ports: &Ports<'_>,
    begun: impl FnOnce(),
) -> Result<bool> {
    let name = data_set.assessment.name;
    let part = &data_set.assessment.parts[part];
    if source_stands(&name, part, ports)? != Some(true) {
        return Ok(false);
    }
    let (space, identity) = (ports.space(part.volser)?, part.identity());
    if !data_set.combines {
        source_is_left(data_set, ports)?;
    }
    if data_set.combines {
        let placeholder = Identity::of(&targets_stand(data_set, ports)?[0]);
        begun();
        space.replace_space(&identity, &placeholder, ports.journal)?;
        return Ok(true);
    }
    match disposal {
        Disposal::Keep { under } => {
            begun();
            space.rename(&identity, &under, ports.journal)?;
        }
        Disposal::Scratch { erase } => {
            if erase {
                let volume = ports.volume(part.volser)?;
                for &extent in &part.dscbs.extents {
                    write_empty(volume, extent, NullFormat::Empty)?;
                }
                volume.flush()?;
            }
            begun();
            // The data set lives on at its target, with its expiration date: to move it is not to delete it.
            space.scratch(&identity, Expiration::Ignore, ports.journal)?;
        }
    }
    Ok(true)
}

/// That users do not find the source any more, and find a target where an entry leads to it. After the switch that is so,
/// unless a volume was restored to what it was before: then to give the source up would lose the data set.
///
/// A target that its owner deleted, renamed or moved since is none of our business.
///
/// Errors: [`Reason::EntryChanged`], [`Reason::TargetChanged`].
fn source_is_left(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<()> {
    let name = data_set.assessment.name;
    let is_gone = || -> Result<bool> {
        for part in &data_set.parts {
            if ports.find(part.volser, &name)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let refuse = |reason, sentence: String| Err(Error::new(reason, sentence).of_data_set(name));
    let mut is_at_target = data_set.assessment.cataloged.is_empty();
    for Cataloged { catalog, entry, .. } in &data_set.assessment.cataloged {
        let Some(present) = ports.catalog(catalog)?.locate(&name)? else { continue };
        if present.volumes == entry.volumes {
            let sentence = format!(
                "its entry in {catalog} leads to the source again, so that the source is kept: if the target is right, \
                 catalog it there, then resume"
            );
            return refuse(Reason::EntryChanged, sentence);
        }
        let planned = data_set.parts.iter().map(|part| part.volser);
        is_at_target |= present.volumes.iter().map(|volume| volume.volser).eq(planned);
    }
    if is_at_target && is_gone()? {
        let sentence = "the target is not there any more, so that the source is kept: see what became of its volume, and \
                        correct the catalog";
        return refuse(Reason::TargetChanged, sentence.into());
    }
    Ok(())
}

/// Whether an entry leads to the target's volumes, whatever is allocated there.
pub fn leads_to_target(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<bool> {
    if data_set.combines {
        return Ok(false);
    }
    let planned = || data_set.parts.iter().map(|part| part.volser);
    for cataloged in &data_set.assessment.cataloged {
        let entry = ports.catalog(&cataloged.catalog)?.locate(&data_set.assessment.name)?;
        if entry.is_some_and(|entry| entry.volumes.iter().any(|v| planned().any(|p| p == v.volser)))
            && !cataloged.entry.volumes.iter().any(|v| planned().any(|p| p == v.volser))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// That no entry leads to the target: what users find is not scratched.
///
/// Error: [`Reason::EntryChanged`].
pub fn target_is_uncataloged(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<()> {
    if !leads_to_target(data_set, ports)? {
        return Ok(());
    }
    let what = "a catalog leads to the target, so that it is not scratched; make its entry lead to the source first";
    Err(Error::new(Reason::EntryChanged, what).of_data_set(data_set.assessment.name))
}

/// Whether the catalogs lead to the source, as they did when it was assessed. Where none does, nobody can say.
pub fn leads_to_source(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<bool> {
    for cataloged in &data_set.assessment.cataloged {
        let entry = ports.catalog(&cataloged.catalog)?.locate(&data_set.assessment.name)?;
        if !entry.is_some_and(|entry| entry.leads_as(&cataloged.entry)) {
            return Ok(false);
        }
    }
    Ok(!data_set.assessment.cataloged.is_empty())
}

/// That the target is not the one copy of its data set that is left, as it may be for a state that is older than what
/// was done: a copy of a state folder, restored later.
///
/// Error: [`Reason::EntryChanged`], [`Reason::SourceChanged`].
fn target_is_spare(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<()> {
    let name = data_set.assessment.name;
    target_is_uncataloged(data_set, ports)?;
    if data_set.combines {
        return Ok(());
    }
    let mut is_source_gone = false;
    for part in &data_set.assessment.parts {
        is_source_gone |= ports.find(part.volser, &name)?.is_none();
    }
    let (mut is_whole, mut is_ours) = (true, false);
    for part in &data_set.parts {
        match find_target(part, ports) {
            // It is not touched in any case.
            Err(error) if error.reason() == Reason::TargetChanged => {}
            Ok(Some(_)) => is_ours = true,
            found => is_whole &= found?.is_some(),
        }
    }
    if is_source_gone && is_whole && is_ours {
        return Err(Error::new(
            Reason::SourceChanged,
            "the source is gone, and the target may be the only copy, so that it is not scratched; see what it is, and \
             scratch it yourself if it is not needed",
        )
        .of_data_set(name));
    }
    Ok(())
}

/// Scratches whatever of a target is allocated: the migration is given up. A data set that somebody else has under the
/// target's name is left alone.
///
/// Errors: [`Reason::EntryChanged`], [`Reason::SourceChanged`] if the target may be the only copy.
pub fn release_target(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<()> {
    target_is_spare(data_set, ports)?;
    scratch_target(data_set, ports)
}

/// The same where it is certain that the target is not the only copy, whatever became of the source.
pub fn scratch_target(data_set: &PlannedDataSet, ports: &Ports<'_>) -> Result<()> {
    for part in &data_set.parts {
        match find_target(part, ports) {
            Ok(Some(found)) => scratch(part.volser, &found, ports)?,
            Ok(None) => {}
            Err(error) if error.reason() == Reason::TargetChanged => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Scratches a part of a target.
pub fn scratch(volser: Volser, found: &DataSetDscbs, ports: &Ports<'_>) -> Result<()> {
    mend(ports.volume(volser)?, &found.extents)?;
    ports.space(volser)?.scratch(&Identity::of(found), Expiration::Ignore, ports.journal)
}

/// Makes every track that does not check an empty one: the copy to it was interrupted, and free space is to be readable.
/// A track that the disk refuses again and again stays as it is: it must not keep the migration from its end.
pub fn mend(volume: &dyn Volume, extents: &[Extent]) -> Result<()> {
    let mut slot = vec![0; volume.slot_size()];
    for track in
        extents.iter().flat_map(|extent| (0..extent.track_count).map(|n| extent.first.plus(n)))
    {
        let read = volume.read(track, &mut slot);
        if read.and_then(|()| track::check(&slot, volume.place(track)).map(drop)).is_ok() {
            continue;
        }
        let empty = || write_empty(volume, Extent::new(track, 1), NullFormat::Empty);
        if let Err(error) = empty().or_else(|_| empty()) {
            log::warn!("a track that is freed stays as it is: {error}");
        }
    }
    volume.flush()
}
