//! The port `SpaceManager`: finds, allocates, extends, releases, scratches and renames data sets on one volume.

use super::{DataSetDscbs, Vtoc};
use crate::dscb::{DscbAddress, Format1};
use crate::error::{Error, Reason, Result};
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

    /// The data set that is meant, and not another one under its name.
    pub(crate) fn recognise(&self, found: Option<DataSetDscbs>) -> Result<DataSetDscbs> {
        let found = found.ok_or_else(|| {
            Error::new(Reason::NameNotFound, "the volume has no data set of this name")
                .of_data_set(self.name)
        })?;
        if Identity::of(&found) == *self {
            return Ok(found);
        }
        Err(Error::new(
            Reason::IdentityChanged,
            "the data set under this name is not the one that was meant: place of its DSCB, creation date or first \
             extent differ; assess it again",
        )
        .of_data_set(self.name))
    }

    /// Whether what was found under another name is this data set, renamed.
    pub(crate) fn is_renamed(&self, found: &DataSetDscbs) -> bool {
        let now = Identity::of(found);
        now.creation_date == self.creation_date && now.first_extent == self.first_extent
    }
}

fn refused(what: impl Into<String>) -> Error {
    Error::new(Reason::BadRequest, what)
}

impl DataSetDscbs {
    /// How many of its tracks are used.
    fn used_tracks(&self) -> u32 {
        self.format1.last_used().map_or(0, |(track, _)| track.saturating_add(1))
    }

    /// That it can be cut to so many tracks.
    pub(crate) fn check_cut(&self, track_count: u32) -> Result<()> {
        let (has, used) = (self.track_count(), self.used_tracks());
        if (used..=has).contains(&track_count) {
            return Ok(());
        }
        Err(refused(format!(
            "of its {has} tracks {used} are used; it cannot be cut to {track_count}"
        )))
    }

    /// That it can have the space of another one.
    pub(crate) fn check_replacement(&self, other: &DataSetDscbs) -> Result<()> {
        if other.address == self.address {
            return Err(refused("a data set cannot take its own space"));
        }
        if self.user_label.is_some() || other.user_label.is_some() {
            return Err(refused("the track of its user labels would be lost"));
        }
        let (used, has) = (self.used_tracks(), other.track_count());
        if has < used {
            let name = other.format1.name();
            return Err(refused(format!(
                "it uses {used} tracks, and the {has} of {name} are too few"
            )));
        }
        Ok(())
    }
}

impl Vtoc {
    /// That a data set can get this name here.
    pub(crate) fn check_new_name(&self, name: &DsName) -> Result<()> {
        // The keys of DSCBs that are no F1 begin with such bytes.
        if name.as_bytes()[0] <= 0x40 {
            return Err(Error::new(
                Reason::BadName,
                "the name begins with a blank or a control character",
            ));
        }
        if self.format1s().any(|(_, format1)| format1.name() == *name) {
            return Err(Error::new(
                Reason::NameExists,
                format!(
                    "{name} exists on the volume; scratch or rename it, or choose another volume"
                ),
            ));
        }
        Ok(())
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
/// refused with [`Reason::IdentityChanged`].
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
