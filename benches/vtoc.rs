//! How long it takes to read a VTOC of 3,000 data sets from an image in the page cache: label, format 4, every DSCB as a
//! value, the extents of every data set, and the free space.
//!
//! ```text
//! cargo bench --bench vtoc
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::volume::{
    Access, Volume, ckd::CkdVolume, intent::NoJournal, memory::MemoryVolume,
};
use trackmirror::vtoc::{FreeSpace, NewDataSet, Vtoc, init, manager::VtocSpaceManager};
use trackmirror::{DsName, Result, SpaceManager};

const DATA_SETS: u32 = 3000;
const VTOC_TRACKS: u32 = 89;

fn main() -> Result<()> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-vtoc.3390");
    make_image(&path)?;
    let volume = CkdVolume::open(&path, Access::Read)?;
    let mut times = Vec::new();
    for _ in 0..101 {
        let started = Instant::now();
        let vtoc = Vtoc::read(&volume)?;
        let found = vtoc.data_sets().filter(|(_, data_set)| data_set.is_ok()).count();
        let free = FreeSpace::of(&vtoc)?;
        times.push(started.elapsed());
        assert_eq!(found, DATA_SETS as usize);
        assert_eq!(free.runs().len(), 1);
    }
    times.sort();
    println!(
        "{DATA_SETS} data sets read in {:.2} ms (median of {}; {:.2} to {:.2} ms)",
        times[times.len() / 2].as_secs_f64() * 1e3,
        times.len(),
        times[0].as_secs_f64() * 1e3,
        times[times.len() - 1].as_secs_f64() * 1e3,
    );
    std::fs::remove_file(&path).expect("the image is removed");
    Ok(())
}

/// A volume of 3,000 data sets of one track each.
fn make_image(path: &std::path::Path) -> Result<()> {
    let device = Device::named("3390")?;
    let geometry = Geometry { device, cylinders: 220, slot_size: device.slot_size() };
    let volser = "VTOC01".parse()?;
    let memory = Arc::new(MemoryVolume::new(volser, geometry));
    init::initialize(&*memory, volser, Some(Extent::new(Track(1), VTOC_TRACKS)), "")?;
    let space = VtocSpaceManager::new(memory.clone());
    for number in 0..DATA_SETS {
        let name = DsName::parse(&format!("BENCH.GROUP{}.D{number:06}", number % 100))?;
        let extents = vec![Extent::new(Track(1 + VTOC_TRACKS + number), 1)];
        space.allocate(&NewDataSet { format1: Format1::new(name), extents }, &NoJournal)?;
    }
    let _ = std::fs::remove_file(path);
    let image = CkdVolume::create(path, geometry, volser)?;
    let mut cylinder = vec![0; geometry.slot_size as usize * usize::from(geometry.heads())];
    for first in (0..geometry.track_count()).step_by(usize::from(geometry.heads())) {
        memory.read(Track(first), &mut cylinder)?;
        image.write(Track(first), &cylinder)?;
    }
    Ok(())
}
