//! Space of volumes that is taken: what little is left free, and catalogs.

use std::sync::Arc;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::dscb::Format1;
use trackmirror::geometry::Extent;
use trackmirror::volume::Volume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{FreeSpace, NewDataSet, SpaceManager};

/// Leaves only these runs of tracks free on a volume.
pub fn leave_free(volume: Arc<dyn Volume>, holes: &[Extent]) {
    let volser = volume.volser();
    let space = VtocSpaceManager::new(volume);
    let mut free = FreeSpace::of(&space.read().unwrap()).unwrap();
    holes.iter().for_each(|hole| free.take(*hole).unwrap());
    for (number, filler) in free.runs().iter().enumerate() {
        let mut format1 = Format1::new(format!("FILLER.NUMBER{number}").parse().unwrap());
        format1.set_first_volser(volser);
        format1.set_volume_sequence(1);
        format1.set_creation_date([123, 0, 200]);
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_recfm(0x90);
        format1.set_blksize(3120);
        format1.set_lrecl(80);
        format1.set_scal1(0x80);
        let new = NewDataSet { format1, extents: vec![*filler] };
        space.allocate(&new, &NoJournal).unwrap();
    }
}

/// Makes an empty catalog in these extents of a volume.
pub fn make_catalog(volume: &Arc<dyn Volume>, extents: &[Extent]) -> CvolCatalog {
    let mut format1 = Format1::new("SYSCTLG".parse().unwrap());
    format1.set_volume_sequence(1);
    format1.set_first_volser(volume.volser());
    let new = NewDataSet { format1, extents: extents.to_vec() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
    CvolCatalog::format(volume.clone(), extents.to_vec()).unwrap()
}
