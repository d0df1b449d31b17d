//! The OS CVOL: the catalog in the data set `SYSCTLG` of a volume (FORMATS 6.1).
//!
//! A CVOL is a tree of indexes, one for each qualifier; each index is a chain of blocks of 256 bytes, its entries in
//! the order of their names. The volume index, which holds the first qualifiers, begins in the first block. What real
//! systems do with it, seen byte by byte on what OS/VS1 wrote:
//!
//! * A block is free if its key is zero, whatever its data. Freed blocks get key and data of zeros. Free blocks are not
//!   chained: the control entry of the volume index names the one nearest to the start, and the upper limit if none
//!   is free.
//! * Cataloging makes the indexes that a name needs; uncataloging removes those that it leaves empty, except those
//!   right below the volume index, and generation indexes.
//! * Keys guide the system's search; what they must be is told in `block`.
//! * More than five volumes are held in volume control blocks, whose key is the highest one.
//! * A generation is held under its complemented number. The pointer to the generation index counts them.
//! * An alias points to the index of its true name, whose control entry counts it. Whoever asks by an alias gets the
//!   true name back.
//! * The counts of unused bytes in control entries stay zero; DS1LSTAR of `SYSCTLG` stays as it is.
//! * A full `SYSCTLG` is extended by its system. This library does not extend it, and says so.
//!
//! How changes are written is told in `change`: at every moment between two block writes the catalog is valid, and says
//! of the name that is changed either the old or the new.

mod block;
mod change;
mod check;
mod entry;
mod tree;

pub use check::CvolCheck;

use super::{Catalog, CatalogEntry};
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::name::{DsMask, DsName, Volser};
use crate::track;
use crate::volume::intent::Journal;
use crate::volume::{Lock, Volume, VolumeExt};
use crate::vtoc::Vtoc;
use block::{Block, IndexBlock};
use change::{Change, other_catalog};
use entry::{Entry, Kind, Ttr};
use std::sync::Arc;
use tree::{End, Path, Tree, dscb_that_fits};

/// The name of a CVOL.
const SYSCTLG: &str = "SYSCTLG";

/// The CVOL of one volume.
///
/// ```no_run
/// use trackmirror::catalog::{Catalog, cvol::CvolCatalog};
/// use trackmirror::volume::{self, Access};
/// let volume = volume::open("clna01.ckd".as_ref(), Access::Read)?;
/// let catalog = CvolCatalog::find_on(volume)?.expect("the volume has a SYSCTLG");
/// for entry in catalog.list(&"PRIV.**".parse()?)? {
///     println!("{} {}", entry.name, entry.volumes[0].volser);
/// }
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Debug)]
pub struct CvolCatalog {
    volume: Arc<dyn Volume>,
    extents: Extents,
}

/// Where `SYSCTLG` lies.
#[derive(Debug)]
enum Extents {
    /// Where the VTOC says, each time anew: its own system may extend it, and it may be moved.
    OfVtoc,
    /// The same, and it may turn out that there is none.
    Assumed,
    /// Here.
    Given(Vec<Extent>),
}

impl CvolCatalog {
    /// The catalog in these extents of a volume.
    pub fn open(volume: Arc<dyn Volume>, extents: Vec<Extent>) -> Result<CvolCatalog> {
        let catalog = CvolCatalog { volume, extents: Extents::Given(extents) };
        catalog.read()?;
        Ok(catalog)
    }

    /// The catalog of a volume, if the volume has a data set `SYSCTLG`.
    pub fn find_on(volume: Arc<dyn Volume>) -> Result<Option<CvolCatalog>> {
        let catalog = CvolCatalog { volume, extents: Extents::OfVtoc };
        let found = catalog.extents()?;
        Ok(found.map(|_| catalog))
    }

    /// The catalog of a volume as far as can be known: one that is [assumed](CvolCatalog::assumed_on) where the VTOC cannot
    /// be read.
    pub(crate) fn of_volume(volume: &Arc<dyn Volume>) -> Option<CvolCatalog> {
        CvolCatalog::find_on(volume.clone())
            .unwrap_or_else(|_| Some(CvolCatalog::assumed_on(volume.clone())))
    }

    /// Makes an empty catalog in these extents of a volume. Whatever is in them is lost.
    ///
    /// Error: [`Reason::BadRequest`] if a catalog cannot have so many tracks, or none.
    pub fn format(volume: Arc<dyn Volume>, extents: Vec<Extent>) -> Result<CvolCatalog> {
        let geometry = volume.geometry();
        let track_count: u64 = extents.iter().map(|extent| u64::from(extent.track_count)).sum();
        let last_track = track_count.checked_sub(1).and_then(|last| u16::try_from(last).ok());
        let last_track = last_track.ok_or_else(|| {
            Error::new(
                Reason::BadRequest,
                format!("SYSCTLG has 1 to 65536 tracks, not {track_count}"),
            )
            .on_volume(volume.volser())
        })?;
        let limit = Ttr { track: last_track, record: geometry.device.directory_blocks_per_track() };
        let control = Some(Entry::volume_control(limit, Ttr { track: 0, record: 2 }));
        let index = IndexBlock { control, entries: Vec::new(), next: None }.to_block(Ttr::FIRST);
        let mut slot = vec![0; volume.slot_size()];
        for (number, track) in
            extents.iter().flat_map(|e| (0..e.track_count).map(|n| e.first.plus(n))).enumerate()
        {
            let mut records: Vec<(&[u8], &[u8])> =
                vec![(&Block::FREE.key, &Block::FREE.data); limit.record.into()];
            if number == 0 {
                records[0] = (&index.key, &index.data);
            }
            track::build(&mut slot, volume.place(track), &records)?;
            volume.write(track, &slot)?;
        }
        volume.flush()?;
        CvolCatalog::open(volume, extents)
    }

    /// The catalog of a volume whose VTOC cannot be read just now, so that nobody knows whether there is one. Until the
    /// VTOC is repaired every call is an error. If it has no `SYSCTLG` then, it is a catalog that names nothing.
    pub fn assumed_on(volume: Arc<dyn Volume>) -> CvolCatalog {
        CvolCatalog { volume, extents: Extents::Assumed }
    }

    /// It was assumed, and there is none.
    fn is_absent(&self) -> Result<bool> {
        Ok(matches!(self.extents, Extents::Assumed) && self.extents()?.is_none())
    }

    /// Checks the whole structure: every block is reachable exactly once or free, keys, order and control entries are
    /// right.
    pub fn check(&self) -> Result<CvolCheck> {
        let _held = self.volume.lock(Lock::Catalog)?;
        check::check(&self.read()?)
    }

    fn extents(&self) -> Result<Option<Vec<Extent>>> {
        match &self.extents {
            Extents::Given(extents) => Ok(Some(extents.clone())),
            Extents::OfVtoc | Extents::Assumed => {
                let data_set = Vtoc::read(&*self.volume)?.find(&DsName::parse(SYSCTLG)?)?;
                Ok(data_set.map(|data_set| data_set.extents))
            }
        }
    }

    fn read(&self) -> Result<Tree> {
        let extents = self.extents()?.unwrap_or_default();
        if extents.is_empty() {
            return Err(Error::new(Reason::NoCatalog, "the volume has no SYSCTLG (any more)")
                .on_volume(self.volume.volser()));
        }
        for extent in &extents {
            let checked = self.volume.geometry().check(*extent);
            checked.map_err(|error| error.on_volume(self.volume.volser()))?;
        }
        Tree::read(&*self.volume, &extents)
    }

    /// Reads it, and refuses it if it is damaged anywhere.
    fn read_sound(&self) -> Result<Tree> {
        let tree = self.read()?;
        match check::check(&tree)?.damage.into_iter().next() {
            Some(damage) => Err(damage),
            None => Ok(tree),
        }
    }

    /// Under the catalog's lock: reads it, lets `edit` change it, and writes that as one intent. A catalog that is
    /// damaged anywhere is not changed: a block that seems to be free, or to be used by one entry, may not be.
    fn change(
        &self,
        what: String,
        journal: &dyn Journal,
        edit: impl FnOnce(&mut Change) -> Result<()>,
    ) -> Result<()> {
        if !self.volume.is_writable() {
            return Err(Error::new(
                Reason::ReadOnlyVolume,
                format!("{what}: the volume was opened for reading only"),
            )
            .on_volume(self.volume.volser()));
        }
        let _held = self.volume.lock(Lock::Catalog)?;
        let tree = self.read_sound()?;
        let mut change = Change::new(tree);
        edit(&mut change)?;
        let what = format!("{what} in {}", self.name());
        change.intent(&*self.volume, what)?.perform(&*self.volume, journal)
    }
}

/// The way to a data set entry, and the entry; `None` if there is none of this name.
fn find(tree: &Tree, name: &DsName) -> Result<Option<(Path, Entry)>> {
    let Some(path) = tree.path(name)? else { return Ok(None) };
    let entry = match &path.end {
        End::Found(entry) => entry.clone(),
        End::OtherCatalog(_) => return Err(other_catalog(&path)),
        End::Missing | End::NoIndex => return Ok(None),
    };
    match entry.kind() {
        Kind::DataSet(_) | Kind::VolumeControlBlock => Ok(Some((path, entry))),
        Kind::Index | Kind::Generations { .. } | Kind::Alias { .. } => Ok(None),
        Kind::OtherCatalog(volser) => {
            Err(other_catalog(&Path { end: End::OtherCatalog(volser), ..path }))
        }
        Kind::VolumeControl | Kind::IndexControl | Kind::Unknown => Err(Error::new(
            Reason::EntryKind,
            format!(
                "the catalog entry is of unknown kind {:02X}; recatalog the data set by its own system",
                entry.halfword_count()
            ),
        )
        .on_volume(tree.volser())),
    }
}

/// The same, where it must exist.
fn find_existing(tree: &Tree, name: &DsName) -> Result<(Path, Entry)> {
    find(tree, name)?.ok_or_else(|| {
        Error::new(Reason::EntryNotFound, "the name is not in this catalog")
            .on_volume(tree.volser())
    })
}

impl Catalog for CvolCatalog {
    fn name(&self) -> String {
        format!("{SYSCTLG} on {}", self.volume.volser())
    }

    fn volser(&self) -> Option<Volser> {
        Some(self.volume.volser())
    }

    fn check_sound(&self) -> Result<()> {
        let _held = self.volume.lock(Lock::Catalog)?;
        if self.is_absent()? {
            return Ok(());
        }
        self.read_sound().map(drop)
    }

    /// Names that the catalog refers to another one are [`Reason::EntryKind`].
    fn locate(&self, name: &DsName) -> Result<Option<CatalogEntry>> {
        self.locate_all(&[*name]).pop().unwrap_or(Ok(None))
    }

    fn locate_all(&self, names: &[DsName]) -> Vec<Result<Option<CatalogEntry>>> {
        let read = || {
            let _held = self.volume.lock(Lock::Catalog)?;
            Ok(if self.is_absent()? { None } else { Some(self.read()?) })
        };
        let tree: Result<Option<Tree>> = read();
        let locate = |name: &DsName| {
            let Some(tree) = tree.as_ref().map_err(Error::clone)? else { return Ok(None) };
            let found = find(tree, name)?;
            found.map(|(path, entry)| tree.catalog_entry(path.name, &entry)).transpose()
        };
        let named = |name: &DsName| locate(name).map_err(|error| error.of_data_set(*name));
        names.iter().map(named).collect()
    }

    /// An entry with volume control blocks has no place for the address of an F1.
    fn as_held(&self, entry: CatalogEntry) -> CatalogEntry {
        CatalogEntry { dscb: dscb_that_fits(&entry.volumes, entry.dscb), ..entry }
    }

    /// Aliases and names that lie in other catalogs are left out.
    fn list(&self, mask: &DsMask) -> Result<Vec<CatalogEntry>> {
        let _held = self.volume.lock(Lock::Catalog)?;
        if self.is_absent()? {
            return Ok(Vec::new());
        }
        let mut entries = self.read()?.data_sets()?;
        entries.retain(|entry| mask.matches(&entry.name));
        Ok(entries)
    }

    fn add(&self, entry: &CatalogEntry, journal: &dyn Journal) -> Result<()> {
        self.change(format!("cataloging {}", entry.name), journal, |change| change.add(entry))
            .map_err(|error| error.of_data_set(entry.name))
    }

    fn recatalog(
        &self,
        from: &CatalogEntry,
        to: &CatalogEntry,
        journal: &dyn Journal,
    ) -> Result<()> {
        let says = |present: &CatalogEntry, entry: &CatalogEntry| {
            present.volumes == entry.volumes
                && present.dscb == dscb_that_fits(&entry.volumes, entry.dscb)
        };
        let edit = |change: &mut Change| {
            if from.name != to.name {
                return Err(Error::new(
                    Reason::BadRequest,
                    format!("{} cannot be recataloged as {}", from.name, to.name),
                ));
            }
            let (path, entry) = find_existing(change.tree(), &from.name)?;
            let present = change.tree().catalog_entry(path.name, &entry)?;
            if says(&present, to) {
                return Ok(());
            }
            if !says(&present, from) {
                let volsers: Vec<String> =
                    present.volumes.iter().map(|volume| volume.volser.to_string()).collect();
                return Err(Error::new(
                    Reason::EntryChanged,
                    format!(
                        "the entry says {} by now, which is neither what was expected nor what it shall say; assess \
                         the data set again",
                        volsers.join(", ")
                    ),
                )
                .on_volume(self.volume.volser()));
            }
            change.recatalog(&path, &entry, to)
        };
        self.change(format!("recataloging {}", from.name), journal, edit)
            .map_err(|error| error.of_data_set(from.name))
    }

    fn rename(&self, from: &DsName, to: &DsName, journal: &dyn Journal) -> Result<()> {
        self.change(format!("renaming {from} to {to}"), journal, |change| {
            let (path, entry) = find_existing(change.tree(), from)?;
            change.rename(&path, &entry, to)
        })
        .map_err(|error| error.of_data_set(*from))
    }

    fn delete(&self, name: &DsName, journal: &dyn Journal) -> Result<()> {
        self.change(format!("uncataloging {name}"), journal, |change| {
            let (path, entry) = find_existing(change.tree(), name)?;
            change.delete(&path, &entry)
        })
        .map_err(|error| error.of_data_set(*name))
    }
}

#[cfg(test)]
mod tests;
