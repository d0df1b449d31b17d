//! What a data set is and occupies, and what forbids moving it.
//!
//! An [`Assessment`] is taken from the catalogs and the VTOCs of the volumes that are given, and from nothing else. It
//! holds everything that a plan needs, and everything that a later comparison needs to tell that the data set is still
//! the same: its DSCBs and its catalog entries as they were.
//!
//! A name is not a data set. The parts of a data set are found like this:
//!
//! * A catalog entry whose volumes are all given names the parts, in order. Several catalogs may say the same.
//! * A data set on a given volume that no such entry names is *uncataloged*. Its parts are the F1s of its name in the
//!   order of their volume sequence numbers, which must be 1 to n.
//!
//! What must not move is not an error of the assessment, but a *refusal* in it ([`Assessment::refusals`]), with the
//! reason (FORMATS 7.2): a data set that would not work, or not be found, at its new place. All refusals are told,
//! not only the first one.
//!
//! ```
//! use trackmirror::assess::{Options, assess};
//! # fn example(space: &[std::sync::Arc<dyn trackmirror::SpaceManager>],
//! #     catalogs: &[std::sync::Arc<dyn trackmirror::Catalog>]) -> trackmirror::Result<()> {
//! for data_set in assess(&["TEST.**".parse()?], space, catalogs, &Options::default())? {
//!     println!("{}: {} tracks in {} extents", data_set.name, data_set.track_count(), data_set.extents().count());
//!     data_set.refusals.iter().for_each(|refusal| println!("    refused: {refusal}"));
//! }
//! # Ok(())
//! # }
//! ```

pub mod compare;
mod rules;
#[cfg(test)]
mod tests;

use crate::bytes::{Decoder, Encode, Encoder};
use crate::catalog::{Catalog, CatalogEntry};
use crate::dscb::Format1;
use crate::error::{Error, Reason, Result};
use crate::geometry::{Device, Extent, Geometry};
use crate::name::{DsMask, DsName, Volser};
use crate::vtoc::{DataSetDscbs, Identity, SpaceManager, Vtoc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One volume's part of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The volume.
    pub volser: Volser,
    /// The volume's model.
    pub device: &'static Device,
    /// The DSCBs on it.
    pub dscbs: DataSetDscbs,
}

impl Part {
    /// Tracks of all extents.
    pub fn track_count(&self) -> u32 {
        self.dscbs.track_count()
    }

    /// What tells it from others of its name.
    pub fn identity(&self) -> Identity {
        Identity::of(&self.dscbs)
    }
}

impl Encode for Part {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.volser);
        to.put(&self.device.name.to_string());
        to.put(&self.dscbs);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Part> {
        Ok(Part {
            volser: from.get()?,
            device: Device::named(&from.get::<String>()?)?,
            dscbs: from.get()?,
        })
    }
}

/// An entry in one of the catalogs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cataloged {
    /// The catalog's name.
    pub catalog: String,
    /// The volume that the catalog lies on.
    pub volser: Option<Volser>,
    /// What it says.
    pub entry: CatalogEntry,
}

impl Encode for Cataloged {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.catalog);
        to.put(&self.volser);
        to.put(&self.entry);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Cataloged> {
        Ok(Cataloged { catalog: from.get()?, volser: from.get()?, entry: from.get()? })
    }
}

/// What a data set is and occupies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// Its name.
    pub name: DsName,
    /// Its parts, in order. Empty if it could not be found as a whole; then there is a refusal.
    pub parts: Vec<Part>,
    /// Its catalog entries.
    pub cataloged: Vec<Cataloged>,
    /// What forbids moving it. They are not part of the stored form.
    pub refusals: Vec<Error>,
}

impl Assessment {
    /// Tracks of all parts.
    pub fn track_count(&self) -> u32 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.track_count()))
    }

    /// Every extent with its volume, in order.
    pub fn extents(&self) -> impl Iterator<Item = (Volser, Extent)> + '_ {
        self.parts
            .iter()
            .flat_map(|part| part.dscbs.extents.iter().map(|&extent| (part.volser, extent)))
    }

    /// The F1 of the first part, which has the attributes that all parts share.
    ///
    /// # Panics
    /// If it has no parts.
    pub fn format1(&self) -> &Format1 {
        &self.parts[0].dscbs.format1
    }

    /// The part that holds the last used track, and that track, relative to the part's start; `None` if the DSCBs do
    /// not say.
    pub fn last_used(&self) -> Option<(usize, u32)> {
        let last = self.parts.iter().rposition(|part| part.dscbs.format1.last_used().is_some())?;
        Some((last, self.parts[last].dscbs.format1.last_used()?.0))
    }

    /// Whether it can be moved, as far as it alone is concerned.
    pub fn is_movable(&self) -> bool {
        self.refusals.is_empty()
    }
}

impl Encode for Assessment {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.name);
        to.put(&self.parts);
        to.put(&self.cataloged);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Assessment> {
        let (name, parts, cataloged) = (from.get()?, from.get::<Vec<Part>>()?, from.get()?);
        let track_count: u64 = parts
            .iter()
            .flat_map(|part| &part.dscbs.extents)
            .map(|extent| u64::from(extent.track_count))
            .sum();
        if parts.is_empty() || track_count > u64::from(u32::MAX) {
            let what = "an assessment without parts, or with more tracks than there can be";
            return Err(Error::new(Reason::EndOfData, what));
        }
        Ok(Assessment { name, parts, cataloged, refusals: Vec::new() })
    }
}

/// What is asked of an assessment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A data set that no catalog names may be moved.
    pub uncataloged: bool,
}

/// Assesses every data set on the volumes of `space` that one of the masks selects, in the order of their names.
///
/// A name without `*` and `%` that only a catalog knows, or nobody, is an assessment with a refusal too.
///
/// Errors are those of reading VTOCs and catalogs as a whole.
pub fn assess(
    masks: &[DsMask],
    space: &[Arc<dyn SpaceManager>],
    catalogs: &[Arc<dyn Catalog>],
    options: &Options,
) -> Result<Vec<Assessment>> {
    let mut volumes = Vec::new();
    for manager in space {
        let is_selected = |name: &DsName| masks.iter().any(|mask| mask.matches(name));
        volumes.push(Given::new(&**manager, |name, _| is_selected(name))?);
    }
    let mut names: BTreeSet<DsName> =
        volumes.iter().flat_map(|volume| volume.selected.keys().copied()).collect();
    names.extend(masks.iter().filter_map(DsMask::as_name));
    let names: Vec<DsName> = names.into_iter().collect();
    let asked = catalogs.iter().map(|catalog| Asked::new(&**catalog, &names));
    let catalogs: Vec<Asked<'_>> =
        asked.map(|asked| Asked { damage: asked.catalog.check_sound().err(), ..asked }).collect();
    names.into_iter().map(|name| assess_one(name, &volumes, &catalogs, options)).collect()
}

/// What became of data sets that were assessed before, and of what the masks select: all that
/// [`compare`](compare::compare) needs, without a look into the catalogs for each of the others.
///
/// These are the data sets that have one of these names, one that the masks select, or an F1 where a part of a stored one
/// had its own; and names whose DSCBs cannot be read. `is_ours` tells of space that belongs to nobody yet, which is
/// passed over.
///
/// Errors are those of reading VTOCs and catalogs as a whole.
pub fn assess_again<'a>(
    stored: impl IntoIterator<Item = &'a Assessment>,
    masks: &[DsMask],
    space: &[Arc<dyn SpaceManager>],
    catalogs: &[Arc<dyn Catalog>],
    options: &Options,
    is_ours: impl Fn(Volser, &DataSetDscbs) -> bool,
) -> Result<Vec<Assessment>> {
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    for data_set in stored {
        names.insert(data_set.name);
        places.extend(data_set.parts.iter().map(|part| (part.volser, part.dscbs.address)));
    }
    let mut volumes = Vec::new();
    for manager in space {
        let is_ours = |found: &Result<DataSetDscbs>| {
            found.as_ref().is_ok_and(|found| is_ours(manager.volser(), found))
        };
        volumes.push(Given::new(&**manager, |_, found| !is_ours(found))?);
    }
    let mut wanted = BTreeSet::new();
    for volume in &volumes {
        let is_wanted = |(name, found): &(&DsName, &Result<DataSetDscbs>)| match found {
            Err(_) => true,
            Ok(found) => {
                names.contains(name)
                    || masks.iter().any(|mask| mask.matches(name))
                    || places.contains(&(volume.volser, found.address))
            }
        };
        wanted.extend(volume.selected.iter().filter(is_wanted).map(|(name, _)| *name));
    }
    volumes.iter_mut().for_each(|volume| volume.selected.retain(|name, _| wanted.contains(name)));
    // That they can be changed was seen before; to see it takes long.
    let names: Vec<DsName> = wanted.into_iter().collect();
    let catalogs: Vec<Asked<'_>> =
        catalogs.iter().map(|catalog| Asked::new(&**catalog, &names)).collect();
    names.into_iter().map(|name| assess_one(name, &volumes, &catalogs, options)).collect()
}

/// A catalog, and what it says of the names that are assessed.
struct Asked<'a> {
    catalog: &'a dyn Catalog,
    /// What forbids changing it.
    damage: Option<Error>,
    entries: BTreeMap<DsName, Result<Option<CatalogEntry>>>,
}

impl<'a> Asked<'a> {
    fn new(catalog: &'a dyn Catalog, names: &[DsName]) -> Asked<'a> {
        let entries = names.iter().copied().zip(catalog.locate_all(names)).collect();
        Asked { catalog, damage: None, entries }
    }

    fn locate(&self, name: &DsName) -> Result<Option<CatalogEntry>> {
        self.entries.get(name).cloned().unwrap_or(Ok(None))
    }
}

/// A volume that is given, with its data sets that are selected.
struct Given {
    volser: Volser,
    geometry: Geometry,
    /// What forbids changing the volume.
    refusal: Option<Error>,
    selected: BTreeMap<DsName, Result<DataSetDscbs>>,
}

impl Given {
    fn new(
        manager: &dyn SpaceManager,
        is_selected: impl Fn(&DsName, &Result<DataSetDscbs>) -> bool,
    ) -> Result<Given> {
        let vtoc: Vtoc = manager.read()?;
        let selected = vtoc.data_sets().filter(|(name, found)| is_selected(name, found)).collect();
        Ok(Given {
            volser: vtoc.volser,
            geometry: vtoc.geometry,
            refusal: manager.check_writable().err(),
            selected,
        })
    }
}

fn assess_one(
    name: DsName,
    volumes: &[Given],
    catalogs: &[Asked<'_>],
    options: &Options,
) -> Result<Assessment> {
    let refuse = |reason, sentence: String| Error::new(reason, sentence).of_data_set(name);
    let holders: Vec<&Given> =
        volumes.iter().filter(|volume| volume.selected.contains_key(&name)).collect();
    let mut data_set = Assessment { name, parts: vec![], cataloged: vec![], refusals: vec![] };
    let mut elsewhere: Vec<Cataloged> = Vec::new();
    for asked in catalogs {
        let (catalog, damage) = (asked.catalog, &asked.damage);
        let entry = match asked.locate(&name) {
            // The entry is that of the true name, and another data set may have it.
            Ok(Some(entry)) if entry.name != name => {
                data_set.refusals.push(refuse(
                    Reason::EntryKind,
                    format!(
                        "{} takes the name for {}, by an alias; say that name, or delete the alias if another data set is \
                         meant",
                        catalog.name(),
                        entry.name
                    ),
                ));
                continue;
            }
            Ok(Some(entry)) => entry,
            Ok(None) => continue,
            // It leaves the name to another catalog, which is asked too.
            Err(error) if refers_to_given(&error, catalog, catalogs) => continue,
            Err(error) if error.reason() == Reason::EntryKind => {
                if !holders.is_empty() {
                    data_set.refusals.push(error);
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        let concerns = entry.volumes.iter().any(|v| holders.iter().any(|h| h.volser == v.volser));
        let cataloged = Cataloged { catalog: catalog.name(), volser: catalog.volser(), entry };
        if concerns {
            data_set.refusals.extend(damage.clone().map(|error| error.of_data_set(name)));
            data_set.cataloged.push(cataloged);
        } else {
            elsewhere.push(cataloged);
        }
    }
    let volsers = |cataloged: &Cataloged| -> Vec<Volser> {
        cataloged.entry.volumes.iter().map(|volume| volume.volser).collect()
    };

    // Which volumes hold the parts, in order.
    let parts: Vec<Volser> = if let Some(first) = data_set.cataloged.first() {
        if let Some(other) = data_set.cataloged.iter().find(|c| volsers(c) != volsers(first)) {
            data_set.refusals.push(refuse(
                Reason::CatalogMismatch,
                format!(
                    "{} and {} name different volumes for it; correct one of them",
                    first.catalog, other.catalog
                ),
            ));
        }
        volsers(first)
    } else {
        match (holders.is_empty(), elsewhere.first()) {
            (true, None) => data_set.refusals.push(refuse(
                Reason::NothingSelected,
                "it is neither on the volumes nor in the catalogs that are given".into(),
            )),
            (true, Some(other)) => data_set.refusals.push(refuse(
                Reason::PartMissing,
                format!(
                    "{} says that it is on {}; give that volume too",
                    other.catalog,
                    volsers(other).iter().map(Volser::to_string).collect::<Vec<_>>().join(", ")
                ),
            )),
            (false, _) if !options.uncataloged => data_set.refusals.push(refuse(
                Reason::NotCataloged,
                match elsewhere.first() {
                    Some(other) => format!(
                        "{} says that it is on other volumes, so the one here is uncataloged; say so to move it",
                        other.catalog
                    ),
                    None => "it is in no catalog that is given; give its catalog's volume, or say that it is to be \
                             moved uncataloged"
                        .into(),
                },
            )),
            (false, _) => {}
        }
        by_volume_sequence(&holders, name, &mut data_set.refusals)
    };

    for volser in parts {
        let Some(volume) = volumes.iter().find(|volume| volume.volser == volser) else {
            data_set.refusals.push(refuse(
                Reason::PartMissing,
                format!("its part on volume {volser} is not given; give that volume too"),
            ));
            continue;
        };
        match volume.selected.get(&name) {
            None => data_set.refusals.push(
                refuse(
                    Reason::CatalogMismatch,
                    "the catalog names this volume, but its VTOC does not have the data set; correct the catalog"
                        .into(),
                )
                .on_volume(volser),
            ),
            Some(Err(error)) => data_set.refusals.push(error.clone().of_data_set(name).on_volume(volser)),
            Some(Ok(dscbs)) => {
                data_set.parts.push(Part { volser, device: volume.geometry.device, dscbs: dscbs.clone() });
                data_set.refusals.extend(volume.refusal.clone().map(|error| error.of_data_set(name)));
            }
        }
    }
    rules::apply(&mut data_set);
    Ok(data_set)
}

/// Whether a catalog did not say where a name is because another one says it, and that is given.
fn refers_to_given(error: &Error, by: &dyn Catalog, catalogs: &[Asked<'_>]) -> bool {
    let referred = error.volser().map(Volser::from_bytes);
    error.reason() == Reason::EntryKind
        && referred.is_some()
        && referred != by.volser()
        && catalogs.iter().any(|asked| asked.catalog.volser() == referred)
}

/// The volumes of a data set that no catalog names, by what its F1s say.
fn by_volume_sequence(holders: &[&Given], name: DsName, refusals: &mut Vec<Error>) -> Vec<Volser> {
    let mut sequences: Vec<(u16, Volser)> = Vec::new();
    for holder in holders {
        match &holder.selected[&name] {
            Ok(dscbs) => sequences.push((dscbs.format1.volume_sequence(), holder.volser)),
            Err(error) => refusals.push(error.clone().of_data_set(name).on_volume(holder.volser)),
        }
    }
    sequences.sort();
    let complete =
        sequences.iter().map(|&(sequence, _)| usize::from(sequence)).eq(1..=sequences.len());
    if !complete && !sequences.is_empty() {
        let found: Vec<String> =
            sequences.iter().map(|(sequence, volser)| format!("{sequence} on {volser}")).collect();
        refusals.push(
            Error::new(
                Reason::PartMissing,
                format!(
                    "its volume sequence numbers are {}, which is no whole data set; give all its volumes, and only \
                     those",
                    found.join(", ")
                ),
            )
            .of_data_set(name),
        );
    }
    sequences.into_iter().map(|(_, volser)| volser).collect()
}
