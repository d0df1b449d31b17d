//! The port `SpaceManager`: finds, allocates, extends, releases, scratches and renames data sets on one volume.

use super::{DataSetDscbs, Vtoc};
use crate::dscb::{DscbAddress, Format1};
use crate::error::Result;
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::volume::intent::Journal;
use std::fmt;

/// What tells a data set from every other one that ever had its name: where its F1 stands, when it was created, and
/// where its first extent begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: DsName,
    /// Where its F1 stands.
    pub address: DscbAddress,
    /// DS1CREDT.
    pub creation_date: [u8; 3],
    /// The first extent, if it has one.
    pub first_extent: Option<Extent>,
}

impl Identity {
    /// The identity of a data set as it was found.
    pub fn of(data_set: &DataSetDscbs) -> Identity {
        Identity {
            name: data_set.format1.name(),
            address: data_set.address,
            creation_date: data_set.format1.creation_date(),
            first_extent: data_set.extents.first().copied(),
        }
    }
}

/// A data set to be allocated: attributes, and exactly these extents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDataSet {
    /// Name and attributes; extents, their number and the pointer are set by the space manager.
    pub format1: Format1,
    /// Its extents, in order; each must be free. None makes an F1 without space.
    pub extents: Vec<Extent>,
}

/// What the expiration date of a data set means for scratch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// A date that has not passed refuses.
    Respect {
        /// Today, as YDD.
        today: [u8; 3],
    },
    /// The date does not matter.
    Ignore,
}

/// Manages the space of one volume. Each change takes the volume's VTOC lock, reads the VTOC again under it, refuses
/// what cannot be kept right, makes its intent durable in the journal, and writes.
///
/// What exists already is found by its [`Identity`]: if the name now stands for another data set, the change is
/// refused with [`Reason::IdentityChanged`](crate::Reason::IdentityChanged).
pub trait SpaceManager: Send + Sync + fmt::Debug {
    /// The volume.
    fn volser(&self) -> Volser;

    /// The whole VTOC, for those who look at all data sets and at the free space.
    fn read(&self) -> Result<Vtoc>;

    /// The data set of this name.
    fn find(&self, name: &DsName) -> Result<Option<DataSetDscbs>> {
        self.read()?.find(name)
    }

    /// That data sets can be allocated and scratched here: neither the VTOC's state nor the volume's kind forbids it.
    /// Whether the volume was opened for writing does not matter, so that a plan can be made by who only reads.
    fn check_writable(&self) -> Result<()>;

    /// Whether another system makes the changes, so that nothing is written through this process's volume: it need not
    /// be open for writing.
    fn is_delegated(&self) -> bool {
        false
    }

    /// Allocates a data set with exactly these extents.
    fn allocate(&self, new: &NewDataSet, journal: &dyn Journal) -> Result<DataSetDscbs>;

    /// Appends space to a data set: exactly these extents; one that begins where the last ends is merged into it.
    fn extend(&self, of: &Identity, by: &[Extent], journal: &dyn Journal) -> Result<DataSetDscbs>;

    /// Gives back the tracks behind the first `track_count` of a data set.
    fn release(
        &self,
        of: &Identity,
        track_count: u32,
        journal: &dyn Journal,
    ) -> Result<DataSetDscbs>;

    /// Removes a data set and frees its space.
    fn scratch(&self, of: &Identity, expiration: Expiration, journal: &dyn Journal) -> Result<()>;

    /// Gives a data set another name.
    fn rename(&self, of: &Identity, to: &DsName, journal: &dyn Journal) -> Result<DataSetDscbs>;

    /// Replaces the attributes of a data set by those of this F1; name, extents and pointer stay.
    fn update(
        &self,
        of: &Identity,
        format1: &Format1,
        journal: &dyn Journal,
    ) -> Result<DataSetDscbs>;

    /// Lets a data set have the space of another one on this volume, which disappears: the F1 of `of` stays where it
    /// is and gets the extents of `placeholder`; the old space of `of` becomes free. One change, under DIRF.
    fn replace_space(
        &self,
        of: &Identity,
        placeholder: &Identity,
        journal: &dyn Journal,
    ) -> Result<DataSetDscbs>;
}
