//! How much memory a migration of 1 GB needs: the peak of the whole process, from the plan to the end, with two threads
//! and a comparison of the copies.
//!
//! ```text
//! cargo bench --bench memory
//! ```

use std::path::PathBuf;
use trackmirror::checkpoint::MemoryStore;
use trackmirror::copy::CopyOptions;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::migrate::{Migration, MoveOptions, Selection, propose};
use trackmirror::plan::Mode;
use trackmirror::state::Verb;
use trackmirror::track::{self, Place};
use trackmirror::volume::{Access, Volume, ckd::CkdVolume, intent::NoJournal, open_all};
use trackmirror::vtoc::{NewDataSet, init, manager::VtocSpaceManager};
use trackmirror::{Host, Result, SpaceManager, Volser};

/// 1 GB of slots of 56,832 bytes, and a cylinder for label and VTOC.
const CYLINDERS: u32 = 1260;

fn main() -> Result<()> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-memory");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the images");
    let paths = [folder.join("source.3390"), folder.join("target.3390")];
    let device = Device::named("3390-2")?;
    let geometry = Geometry { device, cylinders: CYLINDERS + 1, slot_size: device.slot_size() };
    for (path, name) in paths.iter().zip(["SRC001", "TGT001"]) {
        let volser: Volser = name.parse()?;
        let volume = CkdVolume::create(path, geometry, volser)?;
        init::initialize(&volume, volser, None, "")?;
    }
    fill(&paths[0], &geometry)?;

    let before = peak();
    let host = Host::of_volumes(open_all(&paths, Access::Exclusive)?)?;
    let selection = Selection {
        masks: &["BENCH.DATA".parse()?],
        sources: &["SRC001".parse()?],
        targets: &["TGT001".parse()?],
        mode: Mode::OnePrimary,
        uncataloged: true,
        slack: 0,
    };
    let (plan, refusals) = propose(&host, &selection)?;
    assert!(refusals.is_empty(), "{refusals:?}");
    let mut migration =
        Migration::new(host, plan, MoveOptions::default(), MemoryStore::default(), None)?;
    migration.set_copy_options(CopyOptions { threads: 2, ..CopyOptions::default() });
    while let Some(verb) = migration.next_verb() {
        if verb == Verb::Quiesce {
            migration.verify()?;
        }
        migration.perform(verb, 1500)?;
    }
    let size = u64::from(CYLINDERS * u32::from(geometry.heads())) * u64::from(geometry.slot_size);
    println!(
        "{} MB moved; peak memory {:.1} MB (before: {:.1} MB)",
        size / 1_000_000,
        peak() as f64 / 1e6,
        before as f64 / 1e6
    );
    std::fs::remove_dir_all(&folder).expect("the images are removed");
    Ok(())
}

/// One data set over all cylinders but the first, its tracks full of records.
fn fill(path: &std::path::Path, geometry: &Geometry) -> Result<()> {
    let volume: std::sync::Arc<dyn Volume> =
        std::sync::Arc::new(CkdVolume::open(path, Access::Exclusive)?);
    let heads = u32::from(geometry.heads());
    let mut format1 = Format1::new("BENCH.DATA".parse()?);
    format1.set_volume_sequence(1);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_scal1(0xC0);
    format1.set_indicators(Format1::DSIND_LAST_VOLUME);
    format1.set_last_used(Some((CYLINDERS * heads - 1, 2)));
    let extents = vec![Extent::new(Track(heads), CYLINDERS * heads)];
    VtocSpaceManager::new(volume.clone()).allocate(&NewDataSet { format1, extents }, &NoJournal)?;
    let data = vec![0x5A; 27_998];
    let mut slot = vec![0; geometry.slot_size as usize];
    for track in heads..(CYLINDERS + 1) * heads {
        track::build(&mut slot, Place::new(geometry, Track(track)), &[(b"", &data), (b"", &data)])?;
        volume.write(Track(track), &slot)?;
    }
    Ok(())
}

/// The largest resident memory that this process ever had, in bytes, as Linux counts it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells its figures");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kilobytes: u64 =
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kilobytes * 1024
}
