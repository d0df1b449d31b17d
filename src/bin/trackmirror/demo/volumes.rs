//! The volumes of the demonstration: a catalog, data sets in many extents, and an empty target.

use std::path::Path;
use std::sync::Arc;
use trackmirror::bytes::to_ebcdic;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog as _, CatalogEntry, CatalogVolume};
use trackmirror::clock::{Clock, Day, SystemClock};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager};
use trackmirror::{DsName, Result, track};

const CYLINDERS: u32 = 40;
const LRECL: usize = 80;
const RECORDS_PER_BLOCK: usize = 100;
const BLKSIZE: u16 = (LRECL * RECORDS_PER_BLOCK) as u16;

/// The extents of a data set on one volume, as first track and number of tracks.
pub type Extents = &'static [(u32, u32)];

/// A data set: its name, and its extents on each source volume that it lies on, in order.
pub type DataSet = (&'static str, &'static [Extents]);

/// Makes a volume with a catalog, source volumes with these data sets, and an empty volume.
pub fn make(system: &Path, old: &[&Path], new: &Path, data_sets: &[DataSet]) -> Result<()> {
    let catalog = make_catalog(make_volume(system, "SYS001")?)?;
    let old: Vec<Arc<dyn Volume>> = old
        .iter()
        .zip(1..)
        .map(|(path, number)| make_volume(path, &format!("OLD{number:03}")))
        .collect::<Result<_>>()?;
    make_volume(new, "NEW001")?;
    for (name, parts) in data_sets {
        let name = DsName::parse(name)?;
        let mut record = 0;
        for (number, extents) in parts.iter().enumerate() {
            let part = Part { name, number, is_last: number + 1 == parts.len() };
            part.fill(&old[number], &old[0], extents, &mut record)?;
        }
        let volumes = old.iter().take(parts.len()).map(|volume| CatalogVolume {
            unit_type: volume.geometry().device.unit_type(),
            volser: volume.volser(),
            file_sequence: 0,
        });
        let entry = CatalogEntry { name, volumes: volumes.collect(), dscb: None };
        catalog.add(&entry, &NoJournal)?;
    }
    Ok(())
}

/// An empty volume.
fn make_volume(path: &Path, volser: &str) -> Result<Arc<dyn Volume>> {
    let device = Device::named("3390")?;
    let geometry = Geometry { device, cylinders: CYLINDERS, slot_size: device.slot_size() };
    let volser = volser.parse()?;
    let volume: Arc<dyn Volume> = Arc::new(CkdVolume::create(path, geometry, volser)?);
    initialize(volume.as_ref(), volser, None, "DEMO")?;
    Ok(volume)
}

/// An empty catalog of two tracks.
fn make_catalog(volume: Arc<dyn Volume>) -> Result<CvolCatalog> {
    let extents = vec![Extent::new(Track(15), 2)];
    let mut format1 = Format1::new(DsName::parse("SYSCTLG")?);
    format1.set_first_volser(volume.volser());
    format1.set_volume_sequence(1);
    format1.set_creation_date(Day::at(SystemClock.now()).to_bytes());
    format1.set_scal1(0x80);
    let new = NewDataSet { format1, extents: extents.clone() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal)?;
    CvolCatalog::format(volume, extents)
}

/// What of a data set lies on one volume.
struct Part {
    name: DsName,
    number: usize,
    is_last: bool,
}

impl Part {
    /// The attributes of a part that fills so many tracks.
    fn attributes(&self, first: &dyn Volume, track_count: u32) -> Format1 {
        let device = first.geometry().device;
        let blocks_per_track = device.records_per_track(0, BLKSIZE);
        let written = (0..blocks_per_track).map(|_| (0, BLKSIZE));
        let mut format1 = Format1::new(self.name);
        format1.set_first_volser(first.volser());
        format1.set_volume_sequence(self.number as u16 + 1);
        format1.set_creation_date(Day::at(SystemClock.now()).to_bytes());
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_recfm(0x90);
        format1.set_lrecl(LRECL as u16);
        format1.set_blksize(BLKSIZE);
        if self.is_last {
            format1.set_indicators(Format1::DSIND_LAST_VOLUME);
        }
        format1.set_scal1(0x80);
        format1.set_last_used(Some((track_count - 1, blocks_per_track as u8)));
        format1.set_balance(u16::try_from(device.balance(written)).unwrap_or(u16::MAX));
        format1
    }

    /// Allocates it and writes all its tracks.
    fn fill(
        &self,
        volume: &Arc<dyn Volume>,
        first: &Arc<dyn Volume>,
        extents: Extents,
        record: &mut u32,
    ) -> Result<()> {
        let extents: Vec<Extent> =
            extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
        let track_count: u32 = extents.iter().map(|extent| extent.track_count).sum();
        let format1 = self.attributes(first.as_ref(), track_count);
        let new = NewDataSet { format1, extents: extents.clone() };
        VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal)?;
        let blocks_per_track = volume.geometry().device.records_per_track(0, BLKSIZE);
        let mut slot = vec![0; volume.slot_size()];
        for place in extents.iter().flat_map(|extent| extent.first.0..extent.end().0).map(Track) {
            let blocks: Vec<Vec<u8>> =
                (0..blocks_per_track).map(|_| block(&self.name.to_string(), record)).collect();
            let records: Vec<(&[u8], &[u8])> =
                blocks.iter().map(|block| (&[][..], block.as_slice())).collect();
            track::build(&mut slot, volume.place(place), &records)?;
            volume.write(place, &slot)?;
        }
        volume.flush()
    }
}

/// A block of numbered records in EBCDIC.
fn block(name: &str, record: &mut u32) -> Vec<u8> {
    let mut block = Vec::with_capacity(LRECL * RECORDS_PER_BLOCK);
    for _ in 0..RECORDS_PER_BLOCK {
        *record += 1;
        let text = format!("RECORD {record:08} OF {name}");
        block.extend(format!("{text:<LRECL$}").chars().map(|c| to_ebcdic(c).unwrap_or(0x40)));
    }
    block
}
