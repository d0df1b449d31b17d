//! The VTOC of a volume, and the port `SpaceManager`.

pub mod space;
pub use space::{NewDataSet, SpaceManager};

use crate::dscb::{Dscb, DscbAddress, Format1, Format3, Format4};
use crate::error::Result;
use crate::geometry::{Extent, Geometry};
use crate::name::{DsName, Volser};
use crate::volume::Volume;
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
    /// Every DSCB of every VTOC track, free ones included, in the order of their addresses.
    pub dscbs: Vec<(DscbAddress, Dscb)>,
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

impl Vtoc {
    /// Reads label and VTOC.
    pub fn read(_volume: &dyn Volume) -> Result<Vtoc> {
        todo!()
    }

    /// The VTOC's own DSCB.
    pub fn format4(&self) -> &Format4 {
        todo!()
    }

    /// The data sets, in the order of their F1s. One whose DSCBs do not check is an error of that data set alone.
    pub fn data_sets(&self) -> impl Iterator<Item = (DsName, Result<DataSetDscbs>)> + '_ {
        std::iter::empty()
    }

    /// The data set of this name.
    pub fn find(&self, _name: &DsName) -> Result<Option<DataSetDscbs>> {
        todo!()
    }
}

#[allow(unused)]
fn _unused(_: Format3) {}
