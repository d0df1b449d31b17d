//! The VTOC of a volume, and the port `SpaceManager`.
//!
//! | file | does |
//! |---|---|
//! | `read` | label, format 4, every track of the VTOC: a [`Vtoc`] |
//! | `chain` | the DSCBs and extents of one data set |
//! | `claims` | who has which tracks |
//! | `sound` | what must hold before a VTOC is changed |
//! | `edit` | a copy of the VTOC on which a change is worked out |
//! | [`free_space`] | the runs of free tracks |
//! | [`check`](mod@check) | whether a whole volume is sound |
//! | [`init`] | an empty volume |
//! | [`space`], [`manager`] | the port, and its implementation that writes the VTOC |

mod chain;
pub mod check;
mod claims;
mod edit;
pub mod free_space;
pub mod init;
pub mod manager;
mod read;
mod sound;
pub mod space;

pub use free_space::FreeSpace;
pub use space::{Expiration, Identity, NewDataSet, SpaceManager};

use crate::bytes::{Decoder, Encode, Encoder};
use crate::dscb::{Dscb, DscbAddress, Format1, Format4};
use crate::error::Result;
use crate::geometry::{Extent, Geometry};
use crate::name::Volser;
use crate::volume::label::Label;

/// A whole VTOC, as values.
#[derive(Clone, Debug)]
pub struct Vtoc {
    /// The volume's serial.
    pub volser: Volser,
    /// The volume's geometry.
    pub geometry: Geometry,
    /// The volume's label.
    pub label: Label,
    /// The tracks of the VTOC.
    pub extent: Extent,
    /// Every DSCB of every VTOC track, free ones included, in the order of their addresses. The first is the format 4.
    pub dscbs: Vec<(DscbAddress, Dscb)>,
    /// Whether the text of an IPL program goes on on track 1, which then is not free.
    pub has_ipl_text: bool,
}

/// The DSCBs of one data set on one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSetDscbs {
    /// Where its F1 stands.
    pub address: DscbAddress,
    /// Its F1 (or F8).
    pub format1: Format1,
    /// The DSCBs behind it, in the order of the chain: F9, F2, F3.
    pub chain: Vec<(DscbAddress, Dscb)>,
    /// Its data extents in the order of their sequence numbers (the user label's track is not among them).
    pub extents: Vec<Extent>,
    /// The track of its user labels.
    pub user_label: Option<Extent>,
}

impl Encode for DataSetDscbs {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.address);
        to.put(&self.format1);
        to.put(&self.chain);
        to.put(&self.extents);
        to.put(&self.user_label);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<DataSetDscbs> {
        Ok(DataSetDscbs {
            address: from.get()?,
            format1: from.get()?,
            chain: from.get()?,
            extents: from.get()?,
            user_label: from.get()?,
        })
    }
}

impl DataSetDscbs {
    /// The tracks of its data extents.
    pub fn track_count(&self) -> u32 {
        self.extents.iter().fold(0, |sum, extent| sum.saturating_add(extent.track_count))
    }
}

/// What stands for the format 4 of a VTOC that was not read and has none.
static NO_FORMAT4: Format4 = Format4::from_bytes([0; crate::dscb::DSCB_LENGTH]);

impl Vtoc {
    /// The VTOC's own DSCB. All its fields are zero if the VTOC does not begin with one; one that was read does.
    pub fn format4(&self) -> &Format4 {
        match self.dscbs.first() {
            Some((_, Dscb::Format4(format4))) => format4,
            _ => &NO_FORMAT4,
        }
    }

    /// The DSCB at this address.
    pub fn dscb(&self, address: DscbAddress) -> Option<&Dscb> {
        self.index(address).map(|index| &self.dscbs[index].1)
    }

    fn index(&self, address: DscbAddress) -> Option<usize> {
        self.dscbs.binary_search_by_key(&address, |(address, _)| *address).ok()
    }

    /// How many tracks can be allocated: the first ones of the volume, without alternates (FORMATS 4.3).
    pub fn usable_track_count(&self) -> u32 {
        const ALTERNATE_CYLINDERS_VALID: u8 = 0x10;
        let format4 = self.format4();
        let heads = u64::from(format4.heads());
        let mut tracks = if self.is_extended() {
            u64::from(format4.extended_cylinders()) * heads
        } else {
            (u64::from(format4.cylinders()) * heads)
                .saturating_sub(format4.alternate_tracks().into())
        };
        if format4.device_flags() & ALTERNATE_CYLINDERS_VALID != 0 {
            tracks = tracks.saturating_sub(u64::from(format4.alternate_cylinders()) * heads);
        }
        // Both are numbers of tracks, and the smaller one has 32 bits.
        tracks.min(self.geometry.track_count().into()) as u32
    }

    /// Whether this is an extended address volume.
    pub fn is_extended(&self) -> bool {
        const EXTENDED_CYLINDERS: u16 = 0xFFFE;
        const CYLINDER_MANAGED_OR_EXTENDED_DSCBS: u8 = 0xC0;
        self.format4().cylinders() == EXTENDED_CYLINDERS
            || self.format4().device_flags2() & CYLINDER_MANAGED_OR_EXTENDED_DSCBS != 0
    }
}

#[cfg(test)]
mod tests;
