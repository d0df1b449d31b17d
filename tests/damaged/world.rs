//! The small world that is damaged: two 2314 volumes of twelve cylinders, SRC001 with a catalog and three data sets,
//! and TGT001, which is empty.
//!
//! | tracks of SRC001 | what |
//! |---|---|
//! | 1 to 3 | the VTOC: R1 F4, R2 F5, R3 SYSCTLG, R4 DAMAGE.ONE, R5 and R6 DAMAGE.MANY, R7 and R8 DAMAGE.MORE |
//! | 10 and 11 | SYSCTLG: block 1 the volume index, block 2 the index DAMAGE |
//! | 20 to 24, 30 to 34 | DAMAGE.ONE |
//! | 40 to 61 | DAMAGE.MANY, six extents of two tracks |
//! | 100 to 108 | DAMAGE.MORE, five extents of one track |

use crate::support;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::host::Host;
use trackmirror::migrate::{Selection, propose};
use trackmirror::plan::Mode;
use trackmirror::track;
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager, Vtoc, init};
use trackmirror::{DsName, Error, Reason};

pub const DEVICE: &str = "2314";
pub const CYLINDERS: u32 = 12;
/// Bytes of a slot of a 2314.
pub const SLOT: u64 = 7680;
/// The VTOC of both volumes.
pub const VTOC: Extent = Extent::new(Track(1), 3);

/// A folder with the two images, and how they are moved.
pub struct World {
    pub folder: TempDir,
    /// What is given for `--volume` and `--target`.
    pub volumes: Vec<PathBuf>,
    pub targets: Vec<PathBuf>,
    pub options: Vec<OsString>,
    /// What lives as long as the case: other processes, for example.
    pub beside: Vec<Box<dyn std::any::Any>>,
}

fn extent(first: u32, count: u32) -> Extent {
    Extent::new(Track(first), count)
}

pub fn name(text: &str) -> DsName {
    DsName::parse(text).unwrap()
}

pub fn sequential(text: &str, volser: &str) -> Format1 {
    let mut format1 = Format1::new(name(text));
    format1.set_first_volser(volser.parse().unwrap());
    format1.set_volume_sequence(1);
    format1.set_creation_date([123, 0, 200]);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_recfm(0x90);
    format1.set_blksize(800);
    format1.set_lrecl(80);
    format1.set_scal1(0x80);
    format1.set_indicators(Format1::DSIND_LAST_VOLUME);
    format1
}

pub fn entry(text: &str, volser: &str) -> CatalogEntry {
    let volume = CatalogVolume {
        unit_type: [0x30, 0xC0, 0x20, 0x08],
        volser: volser.parse().unwrap(),
        file_sequence: 0,
    };
    CatalogEntry { name: name(text), volumes: vec![volume], dscb: None }
}

/// A new initialised volume image.
pub fn make(path: &Path, device: &str, cylinders: u32, volser: &str) -> Arc<dyn Volume> {
    let volser = volser.parse().unwrap();
    let volume = CkdVolume::create(path, support::geometry(device, cylinders), volser).unwrap();
    init::initialize(&volume, volser, Some(VTOC), "").unwrap();
    Arc::new(volume)
}

/// Allocates a data set and writes a record on each of its tracks.
pub fn allocate(volume: &Arc<dyn Volume>, format1: Format1, extents: &[Extent]) {
    let track_count: u32 = extents.iter().map(|extent| extent.track_count).sum();
    let mut format1 = format1;
    format1.set_last_used(Some((track_count - 1, 1)));
    let new = NewDataSet { format1, extents: extents.to_vec() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
    let mut slot = vec![0; volume.slot_size()];
    for track in extents.iter().flat_map(|e| (0..e.track_count).map(|n| e.first.plus(n))) {
        let data: Vec<u8> = (0..800).map(|n| (n + track.0 * 7) as u8).collect();
        track::build(&mut slot, volume.place(track), &[(&[], &data)]).unwrap();
        volume.write(track, &slot).unwrap();
    }
    volume.flush().unwrap();
}

/// Makes a catalog on a volume.
pub fn catalog(volume: &Arc<dyn Volume>) -> CvolCatalog {
    let mut format1 = sequential("SYSCTLG", "SRC001");
    format1.set_dsorg(0);
    let extents = vec![extent(10, 2)];
    let new = NewDataSet { format1, extents: extents.clone() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
    CvolCatalog::format(volume.clone(), extents).unwrap()
}

/// The bytes of both images before any damage.
pub fn originals() -> &'static [Vec<u8>; 2] {
    static ORIGINALS: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let folder = support::folder();
        let (source, target) = (folder.path().join("source"), folder.path().join("target"));
        make(&target, DEVICE, CYLINDERS, "TGT001");
        let volume = make(&source, DEVICE, CYLINDERS, "SRC001");
        let catalog = catalog(&volume);
        let many: Vec<Extent> = (0..6).map(|number| extent(40 + 4 * number, 2)).collect();
        let more: Vec<Extent> = (0..5).map(|number| extent(100 + 2 * number, 1)).collect();
        for (text, extents) in [
            ("DAMAGE.ONE", vec![extent(20, 5), extent(30, 5)]),
            ("DAMAGE.MANY", many),
            ("DAMAGE.MORE", more),
        ] {
            allocate(&volume, sequential(text, "SRC001"), &extents);
            catalog.add(&entry(text, "SRC001"), &NoJournal).unwrap();
        }
        drop((catalog, volume));
        [fs::read(source).unwrap(), fs::read(target).unwrap()]
    })
}

impl World {
    pub fn new() -> World {
        let folder = support::folder();
        let (source, target) = (folder.path().join("SRC001.ckd"), folder.path().join("TGT001.ckd"));
        fs::write(&source, &originals()[0]).unwrap();
        fs::write(&target, &originals()[1]).unwrap();
        let (volumes, targets) = (vec![source], vec![target]);
        World { folder, volumes, targets, options: Vec::new(), beside: Vec::new() }
    }

    pub fn source(&self) -> PathBuf {
        self.folder.path().join("SRC001.ckd")
    }

    pub fn target(&self) -> PathBuf {
        self.folder.path().join("TGT001.ckd")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn open(&self, path: &Path) -> Arc<dyn Volume> {
        volume::open(path, Access::Exclusive).unwrap()
    }

    pub fn add_option(&mut self, option: &str, value: impl AsRef<OsStr>) {
        self.options.extend([OsString::from(option), value.as_ref().to_os_string()]);
    }

    /// Overwrites bytes of a track of the source.
    pub fn track(&self, track: u32, offset: usize, bytes: &[u8]) {
        support::patch(&self.source(), 512 + u64::from(track) * SLOT + offset as u64, bytes);
    }

    /// The bytes of a track of the source.
    pub fn image(&self, track: u32) -> Vec<u8> {
        let mut slot = vec![0; SLOT as usize];
        let file = fs::File::open(self.source()).unwrap();
        file.read_exact_at(&mut slot, 512 + u64::from(track) * SLOT).unwrap();
        slot
    }

    /// Overwrites bytes of a DSCB on the first track of the source's VTOC.
    pub fn dscb(&self, record: usize, offset: usize, bytes: &[u8]) {
        self.track(1, dscb_offset(record) + offset, bytes);
    }

    /// Overwrites bytes of a block on the first track of the source's catalog: key, then data.
    pub fn block(&self, record: usize, offset: usize, bytes: &[u8]) {
        self.track(10, block_offset(record) + offset, bytes);
    }

    /// A DSCB of the source.
    pub fn dscb_bytes(&self, record: usize) -> Vec<u8> {
        self.image(1)[dscb_offset(record)..][..140].to_vec()
    }

    /// The data of a block of the catalog.
    pub fn block_data(&self, record: usize) -> Vec<u8> {
        self.image(10)[block_offset(record) + 8..][..256].to_vec()
    }

    /// Runs the command.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> (i32, String) {
        let output = support::trackmirror()
            .args(arguments)
            .env("XDG_STATE_HOME", self.folder.path().join("state-home"))
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let code = output.status.code().unwrap_or_else(|| panic!("{}: {text}", output.status));
        assert!(!text.contains("panicked") && [0, 4, 8, 12].contains(&code), "{code}: {text}");
        (code, text)
    }

    /// Runs `trackmirror migrate`.
    pub fn migrate(&self) -> (i32, String) {
        let mut arguments: Vec<OsString> = ["migrate", "DAMAGE.**"].map(OsString::from).into();
        for (option, files) in [("--volume", &self.volumes), ("--target", &self.targets)] {
            for file in files {
                arguments.extend([option.into(), file.clone().into_os_string()]);
            }
        }
        arguments.extend(["--state".into(), self.state().into_os_string(), "--yes".into()]);
        arguments.extend(self.options.iter().cloned());
        self.command(arguments)
    }

    /// What the library says: the error, or the refusals; none if everything can be moved.
    pub fn propose(&self) -> Vec<Error> {
        let mut paths = self.volumes.clone();
        paths.extend(self.targets.iter().filter(|path| !self.volumes.contains(path)).cloned());
        let proposed = || {
            let volumes = volume::open_all(&paths, Access::Exclusive)?;
            let volsers: Vec<_> = volumes.iter().map(|volume| volume.volser()).collect();
            let (sources, targets) = volsers.split_at(self.volumes.len());
            let host = Host::of_volumes(volumes)?;
            let targets = if targets.is_empty() { sources } else { targets };
            let masks = ["DAMAGE.**".parse()?];
            let mode = Mode::OnePrimary;
            let selection =
                Selection { masks: &masks, sources, targets, mode, uncataloged: false, slack: 0 };
            propose(&host, &selection)
        };
        match proposed() {
            Ok((_, refusals)) => refusals.into_iter().flat_map(|refusal| refusal.reasons).collect(),
            Err(error) => vec![error],
        }
    }

    /// Every file below the folder with its bytes.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        files
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files.insert(path.clone(), Vec::new());
            collect(&path, files);
        } else if kind.is_file() {
            files.insert(path.clone(), fs::read(&path).unwrap());
        } else {
            files.insert(path, b"something else".to_vec());
        }
    }
}

pub fn dscb_offset(record: usize) -> usize {
    21 + (record - 1) * 148 + 8
}

pub fn block_offset(record: usize) -> usize {
    21 + (record - 1) * 272 + 8
}

/// One kind of damage.
pub struct Kind {
    pub name: &'static str,
    pub reason: Reason,
    /// What the message must say besides its number.
    pub words: &'static [&'static str],
    pub damage: fn(&mut World),
}

pub const fn kind(
    name: &'static str,
    reason: Reason,
    words: &'static [&'static str],
    damage: fn(&mut World),
) -> Kind {
    Kind { name, reason, words, damage }
}

/// That each kind is refused for its reason, by the command and by the library, in words that name the place, and that
/// no file is changed, made or removed.
pub fn assert_each_is_refused(kinds: &[Kind]) {
    assert_each(kinds, true);
}

/// The same for what only the command knows: state folders.
pub fn assert_each_is_refused_by_the_command(kinds: &[Kind]) {
    assert_each(kinds, false);
}

fn assert_each(kinds: &[Kind], also_by_library: bool) {
    let mut failures = Vec::new();
    for kind in kinds {
        if let Err(failure) = try_kind(kind, also_by_library) {
            failures.push(format!("{}: {failure}", kind.name));
        }
    }
    let names: std::collections::BTreeSet<&str> = kinds.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), kinds.len(), "each kind has a name of its own");
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), kinds.len(), failures.join("\n"));
    println!("{} kinds of damage", kinds.len());
}

fn try_kind(kind: &Kind, also_by_library: bool) -> Result<(), String> {
    let mut world = World::new();
    (kind.damage)(&mut world);
    let before = world.files();
    let says = |text: &str| {
        let number = format!("[{}]", kind.reason as u32);
        let missing =
            kind.words.iter().copied().chain([number.as_str()]).find(|w| !text.contains(w));
        missing.map_or(Ok(()), |word| Err(format!("'{word}' is missing in: {text}")))
    };
    // Looking at it is always possible, and is no reason to fail otherwise than by a code.
    for verb in ["check", "vtoc", "catalog"] {
        world.command([OsStr::new(verb), world.volumes[0].as_os_str()]);
    }
    let (code, text) = world.migrate();
    let is_environment = kind.reason.code() == trackmirror::Code::Environment;
    if !(code == 8 || code == 12 && is_environment) {
        return Err(format!("code {code}: {text}"));
    }
    says(&text)?;
    if also_by_library && world.options.is_empty() {
        let errors = world.propose();
        let found = errors.iter().find(|error| error.reason() == kind.reason);
        says(&found.ok_or_else(|| format!("the library says {errors:?}"))?.to_string())?;
    }
    let after = world.files();
    if after != before {
        let differing = before.keys().chain(after.keys());
        let differing: Vec<_> = differing.filter(|f| before.get(*f) != after.get(*f)).collect();
        return Err(format!("{differing:?} changed: {text}"));
    }
    Ok(())
}

/// What a VTOC says, without the places of its DSCBs.
pub fn data_sets(path: &Path) -> Vec<(DsName, Vec<Extent>)> {
    let volume = volume::open(path, Access::Read).unwrap();
    let vtoc = Vtoc::read(&*volume).unwrap();
    let extents = vtoc.data_sets().map(|(name, found)| (name, found.unwrap().extents));
    extents.collect()
}
