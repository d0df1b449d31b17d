//! Volumes with fragmented data sets and a catalog, made anew for each seed, and writers for them.

use super::support;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{FreeSpace, NewDataSet, SpaceManager, Vtoc};
use trackmirror::{DsName, Volser, track};

/// The environment variable that names the registry's folder.
pub const REGISTRY: &str = "TRACKMIRROR_REGISTRY";

/// Numbers that follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u32) -> u32 {
        (self.next() % u64::from(limit.max(1))) as u32
    }

    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    pub fn one_in(&mut self, count: u32) -> bool {
        self.below(count) == 0
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }
}

/// Devices, the size of their data sets' blocks, and cylinders of a volume with some hundred tracks.
const DEVICES: &[(&str, u16, u32)] = &[
    ("2311", 1000, 40),
    ("2314", 3500, 18),
    ("3330", 3120, 20),
    ("3350", 4628, 12),
    ("3380", 23_476, 20),
    ("3390", 8000, 20),
];

/// A world of one seed.
#[derive(Debug)]
pub struct World {
    pub folder: TempDir,
    pub data_sets: Vec<DsName>,
    pub sources: Vec<PathBuf>,
    pub targets: Vec<PathBuf>,
    pub system: PathBuf,
    pub blksize: u16,
    /// The network namespace that is the machine, if it is not this one. Others write the volumes too, so they are read
    /// and written past its caches.
    pub machine: Option<String>,
}

impl World {
    /// One or two source volumes, on them one to three data sets in several extents each, some on both; a target volume
    /// or two; a volume with the catalog.
    pub fn new(random: &mut Random) -> World {
        let (device, blksize, cylinders) = random.pick(DEVICES);
        let folder = folder();
        let path = |name: &str| folder.path().join(format!("{name}.ckd"));
        let source_count = random.between(1, 2);
        let mut sources = Vec::new();
        for number in 1..=source_count {
            let name = format!("OLD00{number}");
            sources.push((path(&name), make(&path(&name), device, cylinders, &name)));
        }
        let mut targets = vec![path("NEW001")];
        make(&targets[0], device, cylinders * source_count, "NEW001");
        if random.one_in(3) {
            targets.push(path("NEW002"));
            make(&targets[1], device, cylinders, "NEW002");
        }
        let system = path("SYS001");
        let catalog = make_catalog(make(&system, device, 4, "SYS001"));

        let volumes: Vec<Arc<dyn Volume>> =
            sources.iter().map(|(_, volume)| volume.clone()).collect();
        let data_set_count = random.between(1, 3);
        let mut data_sets = Vec::new();
        for number in 1..=data_set_count {
            let name: DsName = format!("LIVE.DATA{number}").parse().unwrap();
            // At least one of several volumes' data sets lies on all of them.
            let on = match number == 1 || random.one_in(2) {
                true => volumes.clone(),
                false => vec![random.pick(&(0..volumes.len()).collect::<Vec<_>>())]
                    .into_iter()
                    .map(|index| volumes[index].clone())
                    .collect(),
            };
            allocate(name, &on, blksize, data_set_count, random);
            let entry = |volume: &Arc<dyn Volume>| CatalogVolume {
                unit_type: volume.geometry().device.unit_type(),
                volser: volume.volser(),
                file_sequence: 0,
            };
            let volumes = on.iter().map(entry).collect();
            catalog.add(&CatalogEntry { name, volumes, dscb: None }, &NoJournal).unwrap();
            data_sets.push(name);
        }
        let sources = sources.into_iter().map(|(path, _)| path).collect();
        World { folder, data_sets, sources, targets, system, blksize, machine: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The registry of areas and openers, for this world alone.
    pub fn registry(&self) -> PathBuf {
        self.path("registry")
    }

    /// The command, in this world, on its machine.
    pub fn command(&self, verb: &str) -> Command {
        let mut command = support::trackmirror();
        if let Some(machine) = &self.machine {
            let program = command;
            command = Command::new("ip");
            command.args(["netns", "exec", machine]).arg(program.get_program());
        }
        command.arg(verb).env(REGISTRY, self.registry()).env_remove("TRACKMIRROR_OPENERS");
        command
    }

    /// The record of an allocator.
    pub fn record(&self) -> PathBuf {
        self.path("record")
    }

    /// The record of a writer.
    pub fn ledger(&self, image: &str) -> PathBuf {
        self.path(&format!("{image}.ledger"))
    }
}

/// A folder in memory, if there is room: what is durable when, others judge, and no time is spent on the disk.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| support::folder())
}

/// An empty volume.
fn make(path: &Path, device: &str, cylinders: u32, volser: &str) -> Arc<dyn Volume> {
    let device = Device::named(device).unwrap();
    let geometry = Geometry { device, cylinders, slot_size: device.slot_size() };
    let volser: Volser = volser.parse().unwrap();
    let volume = CkdVolume::create(path, geometry, volser).unwrap();
    initialize(&volume, volser, None, "TEST").unwrap();
    Arc::new(volume)
}

fn make_catalog(volume: Arc<dyn Volume>) -> CvolCatalog {
    let extent = free_runs(&*volume)[0].first;
    let extents = vec![Extent::new(extent, 2)];
    let mut format1 = Format1::new("SYSCTLG".parse().unwrap());
    format1.set_first_volser(volume.volser());
    format1.set_volume_sequence(1);
    let new = NewDataSet { format1, extents: extents.clone() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
    CvolCatalog::format(volume, extents).unwrap()
}

fn free_runs(volume: &dyn Volume) -> Vec<Extent> {
    FreeSpace::of(&Vtoc::read(volume).unwrap()).unwrap().runs().to_vec()
}

/// Allocates a data set in several extents on each of these volumes, with gaps between them.
fn allocate(
    name: DsName,
    volumes: &[Arc<dyn Volume>],
    blksize: u16,
    share: u32,
    random: &mut Random,
) {
    for (volume, sequence) in volumes.iter().zip(1..) {
        let device = volume.geometry().device;
        let blocks = device.records_per_track(0, blksize);
        let mut left = random.between(20, 150 / share);
        let mut extents = Vec::new();
        // From what is free behind the first gap, so that the parts of several data sets lie between each other.
        for run in free_runs(&**volume) {
            let mut at = run.first.0 + random.below(4);
            while at < run.end().0 && left > 0 && extents.len() < 16 {
                let wanted = random.between(1, 20).min(left).min(run.end().0 - at);
                let wanted = if extents.len() == 15 { left.min(run.end().0 - at) } else { wanted };
                extents.push(Extent::new(Track(at), wanted));
                left -= wanted;
                at += wanted + random.between(1, 6);
            }
        }
        assert!(!extents.is_empty(), "there is room on the volume");
        let track_count: u32 = extents.iter().map(|extent| extent.track_count).sum();
        let mut format1 = Format1::new(name);
        format1.set_first_volser(volumes[0].volser());
        format1.set_volume_sequence(sequence);
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_recfm(0x80);
        format1.set_lrecl(blksize);
        format1.set_blksize(blksize);
        if usize::from(sequence) == volumes.len() {
            format1.set_indicators(Format1::DSIND_LAST_VOLUME);
        }
        format1.set_scal1(0x80);
        format1.set_last_used(Some((track_count - 1, blocks as u8)));
        let balance = device.balance((0..blocks).map(|_| (0, blksize)));
        format1.set_balance(u16::try_from(balance).unwrap_or(u16::MAX));
        let last = extents.last().map(|extent| extent.first.plus(extent.track_count - 1)).unwrap();
        VtocSpaceManager::new(volume.clone())
            .allocate(&NewDataSet { format1, extents }, &NoJournal)
            .unwrap();
        // An end of file on the last track of a part would hide the next part.
        let mut slot = vec![0; volume.slot_size()];
        let block = vec![0x40; usize::from(blksize)];
        let blocks: Vec<(&[u8], &[u8])> = (0..blocks).map(|_| (&[][..], &block[..])).collect();
        track::build(&mut slot, volume.place(last), &blocks).unwrap();
        volume.write(last, &slot).unwrap();
    }
}

/// Where a data set lies on these volumes, in order.
pub fn extents_of(name: &DsName, files: &[PathBuf]) -> Vec<(Volser, Extent)> {
    let mut parts = Vec::new();
    for volume in volume::open_all(files, Access::Read).unwrap() {
        let part = Vtoc::read(&*volume).unwrap().find(name).unwrap();
        parts.extend(part.map(|part| (volume.volser(), part)));
    }
    parts.sort_by_key(|(_, part)| part.format1.volume_sequence());
    let extents = |(volser, part): (Volser, trackmirror::vtoc::DataSetDscbs)| {
        part.extents.into_iter().map(move |extent| (volser, extent))
    };
    parts.into_iter().flat_map(extents).collect()
}
