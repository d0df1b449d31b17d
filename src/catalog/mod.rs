//! The port `Catalog`: maps data set names to volumes.
//!
//! | catalog | module | |
//! |---|---|---|
//! | OS CVOL: `SYSCTLG` on a volume | [`cvol`] | read and changed |

pub mod cvol;
pub(crate) mod delegated;

use crate::bytes::{Decoder, Encode, Encoder};
use crate::error::Result;
use crate::name::{DsMask, DsName, Volser};
use crate::volume::intent::Journal;
use std::fmt;

/// One volume of a catalog entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogVolume {
    /// The unit type (FORMATS 3.3).
    pub unit_type: [u8; 4],
    /// The serial.
    pub volser: Volser,
    /// The file sequence number; zero on DASD.
    pub file_sequence: u16,
}

impl Encode for CatalogVolume {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.unit_type);
        to.put(&self.volser);
        to.put(&self.file_sequence);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<CatalogVolume> {
        Ok(CatalogVolume {
            unit_type: from.get()?,
            volser: from.get()?,
            file_sequence: from.get()?,
        })
    }
}

/// What a catalog says of one data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The name.
    pub name: DsName,
    /// Its volumes, in order.
    pub volumes: Vec<CatalogVolume>,
    /// The address of its F1 on the first volume, absolute track and record, if the entry holds one (FORMATS 14.4).
    pub dscb: Option<[u8; 3]>,
}

impl Encode for CatalogEntry {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.name);
        to.put(&self.volumes);
        to.put(&self.dscb);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<CatalogEntry> {
        Ok(CatalogEntry { name: from.get()?, volumes: from.get()?, dscb: from.get()? })
    }
}

impl CatalogEntry {
    /// Whether both lead to the same place: the same volumes in the same order. A catalog's own system may leave out the
    /// address of the F1, and may hold other feature bits for the same device.
    pub fn leads_as(&self, other: &CatalogEntry) -> bool {
        let place = |volume: &CatalogVolume| {
            (volume.volser, [volume.unit_type[2], volume.unit_type[3]], volume.file_sequence)
        };
        self.name == other.name
            && self.volumes.iter().map(place).eq(other.volumes.iter().map(place))
            && (self.dscb.is_none() || other.dscb.is_none() || self.dscb == other.dscb)
    }
}

/// One catalog.
pub trait Catalog: Send + Sync + fmt::Debug {
    /// What it is called in messages and in checkpoints: for a CVOL, `SYSCTLG` and its volume. Unique among the
    /// catalogs of a migration, and the same in every run.
    fn name(&self) -> String;

    /// The volume that it lies on, if it lies on one: a migration does not move a catalog beside its entries.
    fn volser(&self) -> Option<Volser>;

    /// That its entries can be changed as far as its own form is concerned: damage must be known before anything is
    /// copied, not when the copy is to be cataloged.
    fn check_sound(&self) -> Result<()> {
        Ok(())
    }

    /// The entry of this name, if there is one.
    ///
    /// A name that this catalog refers to another one is [`Reason::EntryKind`](crate::Reason::EntryKind), on the volume
    /// of that other one.
    fn locate(&self, name: &DsName) -> Result<Option<CatalogEntry>>;

    /// The entry of each of these names, in their order: what [`locate`](Catalog::locate) says, without reading the catalog
    /// for each of them, where it can.
    fn locate_all(&self, names: &[DsName]) -> Vec<Result<Option<CatalogEntry>>> {
        names.iter().map(|name| self.locate(name)).collect()
    }

    /// An entry as this catalog holds it, and gives it back: without what it has no place for.
    fn as_held(&self, entry: CatalogEntry) -> CatalogEntry {
        entry
    }

    /// Every entry that the mask selects, by name.
    fn list(&self, mask: &DsMask) -> Result<Vec<CatalogEntry>>;

    /// Makes an entry.
    fn add(&self, entry: &CatalogEntry, journal: &dyn Journal) -> Result<()>;

    /// Makes an existing entry point to other volumes. `from` is what it says now; if it says `to` already nothing is
    /// changed, and if it says anything else it is refused. At its point of no return it is one block write.
    fn recatalog(
        &self,
        from: &CatalogEntry,
        to: &CatalogEntry,
        journal: &dyn Journal,
    ) -> Result<()>;

    /// Whether [`recatalog`](Catalog::recatalog) removes the entry first and makes it anew, so that for a while the name
    /// leads nowhere. Openers must be held through it, and a name that is found uncataloged after a crash is one whose
    /// first step is done: the same change again does the second.
    fn recatalog_is_two_steps(&self) -> bool {
        false
    }

    /// Whether another system makes the changes, so that nothing is written through this process's volume: it need not
    /// be open for writing.
    fn is_delegated(&self) -> bool {
        false
    }

    /// Gives an entry another name.
    fn rename(&self, from: &DsName, to: &DsName, journal: &dyn Journal) -> Result<()>;

    /// Removes an entry.
    fn delete(&self, name: &DsName, journal: &dyn Journal) -> Result<()>;
}
