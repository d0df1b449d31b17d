//! The world as it is at first: volumes, a catalog, data sets, and data sets that are nobody's business.

use super::cast::{Cast, DataSet};
use super::content;
use super::disk::{Disk, Disks};
use super::story::Setup;
use crate::catalog::cvol::CvolCatalog;
use crate::catalog::{Catalog, CatalogEntry, CatalogVolume};
use crate::dscb::Format1;
use crate::error::Result;
use crate::geometry::{Device, Extent, Geometry, Track};
use crate::name::{DsName, Volser};
use crate::volume::Volume;
use crate::volume::intent::NoJournal;
use crate::volume::memory::MemoryVolume;
use crate::vtoc::manager::VtocSpaceManager;
use crate::vtoc::{NewDataSet, SpaceManager, init};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the VTOC lies on each volume.
pub(super) const VTOC: Extent = Extent::new(Track(1), 2);
/// Where the catalog lies on its volume.
pub(super) const SYSCTLG: Extent = Extent::new(Track(10), 3);
const CYLINDERS: u32 = 7;
/// The first track that a data set gets.
const FIRST: u32 = 5;

/// The data sets and volumes that the migration is told to move.
pub(super) const MASK: &str = "SIM.**";

pub(super) fn source(number: u8) -> Result<Volser> {
    Volser::parse(&format!("SRC00{}", number + 1))
}

pub(super) fn target(number: u8) -> Result<Volser> {
    Volser::parse(&format!("TGT00{}", number + 1))
}

pub(super) fn catalog() -> Result<Volser> {
    Volser::parse("CAT001")
}

/// The name of the data set with this number, after so many renamings.
pub(super) fn name(number: u32, renamed: u32) -> Result<DsName> {
    let renamed = if renamed == 0 { String::new() } else { format!("N{renamed}") };
    DsName::parse(&format!("SIM.D{number}{renamed}"))
}

/// The name of a data set that is not of the selection.
fn outside(number: u32) -> Result<DsName> {
    DsName::parse(&format!("OUT.D{number}"))
}

/// An F1 as those who allocate in this world write it.
pub(super) fn format1(name: DsName, day: u16, place: u16, first: Volser) -> Format1 {
    let mut format1 = Format1::new(name);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_recfm(0xC0);
    format1.set_blksize(300);
    format1.set_lrecl(300);
    format1.set_scal1(0x80);
    let [high, low] = day.to_be_bytes();
    format1.set_creation_date([120, high, low]);
    format1.set_volume_sequence(place);
    format1.set_first_volser(first);
    format1
}

/// What a catalog says of a data set on these volumes.
pub(super) fn entry(name: DsName, volsers: &[Volser], geometry: &Geometry) -> CatalogEntry {
    let unit_type = geometry.device.unit_type();
    let volume = |&volser: &Volser| CatalogVolume { unit_type, volser, file_sequence: 0 };
    CatalogEntry { name, volumes: volsers.iter().map(volume).collect(), dscb: None }
}

struct Scene {
    volumes: BTreeMap<Volser, Arc<MemoryVolume>>,
    geometry: Geometry,
    /// The first track of each volume that nobody has.
    next: BTreeMap<Volser, u32>,
}

impl Scene {
    fn add_volume(&mut self, volser: Volser) -> Result<()> {
        let volume = Arc::new(MemoryVolume::new(volser, self.geometry));
        init::initialize(&*volume, volser, Some(VTOC), "")?;
        self.volumes.insert(volser, volume);
        self.next.insert(volser, FIRST);
        Ok(())
    }

    fn allocate(&mut self, format1: Format1, on: Volser, extents: &[u8]) -> Result<Vec<Extent>> {
        let next = self.next.entry(on).or_insert(FIRST);
        let mut given = Vec::new();
        for &count in extents {
            given.push(Extent::new(Track(*next), count.into()));
            *next += u32::from(count) + 1;
        }
        let new = NewDataSet { format1, extents: given.clone() };
        VtocSpaceManager::new(self.volumes[&on].clone()).allocate(&new, &NoJournal)?;
        Ok(given)
    }
}

/// Makes the world of a story.
pub(super) fn build(setup: &Setup) -> Result<(Disks, Cast)> {
    let device = Device::named("2311")?;
    let geometry = Geometry { device, cylinders: CYLINDERS, slot_size: device.slot_size() };
    let mut scene = Scene { volumes: BTreeMap::new(), geometry, next: BTreeMap::new() };
    let sources = (0..setup.sources).map(source).collect::<Result<Vec<Volser>>>()?;
    let targets = (0..setup.targets).map(target).collect::<Result<Vec<Volser>>>()?;
    let on_catalog = catalog()?;
    for &volser in sources.iter().chain(&targets).chain(&[on_catalog]) {
        scene.add_volume(volser)?;
    }
    let volume = scene.volumes[&on_catalog].clone();
    let new = NewDataSet {
        format1: format1(DsName::parse("SYSCTLG")?, 1, 1, on_catalog),
        extents: vec![SYSCTLG],
    };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal)?;
    let catalog = CvolCatalog::format(volume, vec![SYSCTLG])?;
    for &volser in sources.iter().chain(&targets) {
        let name = DsName::parse(&format!("OTHER.{volser}"))?;
        scene.allocate(format1(name, 1, 1, volser), volser, &[1])?;
        catalog.add(&entry(name, &[volser], &geometry), &NoJournal)?;
    }
    let mut data_sets = Vec::new();
    for (number, parts) in setup.data_sets.iter().enumerate() {
        let number = number as u32;
        let is_outside = setup.outsider && number as usize + 1 == setup.data_sets.len();
        let name = if is_outside { outside(number)? } else { name(number, 0)? };
        let is_cataloged = !(setup.uncataloged && number == 0);
        let volsers: Vec<Volser> = parts.iter().map(|(on, _)| sources[usize::from(*on)]).collect();
        let mut home = Vec::new();
        for (place, (on, extents)) in parts.iter().enumerate() {
            let volser = sources[usize::from(*on)];
            let mut format1 = format1(name, 10, place as u16 + 1, volsers[0]);
            let count: u32 = extents.iter().map(|count| u32::from(*count)).sum();
            format1.set_last_used(Some((count - 1, 2)));
            let given = scene.allocate(format1, volser, extents)?;
            home.extend(content::tracks_of(volser, &given));
        }
        for (place, (volser, track)) in home.iter().enumerate() {
            let volume = &scene.volumes[volser];
            let slot = content::image(&geometry, *track, (number, place as u32, 1))?;
            volume.write(*track, &slot)?;
        }
        if is_cataloged {
            catalog.add(&entry(name, &volsers, &geometry), &NoJournal)?;
        }
        data_sets.push(DataSet {
            id: number,
            name,
            is_cataloged,
            is_alive: true,
            volsers,
            truth: vec![Some(1); home.len()],
            written_at: vec![None; home.len()],
            home,
            changing: false,
            renamed: 0,
            day: 10,
        });
    }
    let mut disks = Disks::default();
    for (volser, volume) in &scene.volumes {
        disks.volumes.insert(*volser, Disk::new(geometry, &volume.to_bytes()));
    }
    Ok((disks, Cast::new(setup.clone(), sources, targets, on_catalog, data_sets)))
}
