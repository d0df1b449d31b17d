//! What several integration tests need: the real volumes, the emulator's tools, and the command.
//!
//! The real volumes lie in the folder `volumes` of the shared folder, which `TRACKMIRROR_SHARED` names (by default
//! `../shared` beside the project). Where it is absent, a test that needs it says so and passes. Packed volumes are
//! unpacked once, into the folder that cargo keeps for tests, and each test works on sparse copies in a folder of its
//! own.

#![allow(dead_code)] // Each test uses its own part.

pub mod between;
pub mod desk;
pub mod lead;
pub mod library;
pub mod loops;
pub mod player;
#[cfg(feature = "redis")]
pub mod redis;
pub mod space;
pub mod unflushed;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use trackmirror::geometry::{Device, Geometry};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::{Error, Reason, Result, Volser};

/// One real volume: its file in the shared folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RealVolume {
    /// The file name up to the device: `vs1-clna01`.
    pub name: String,
    /// The device, as in the file name: `3330`.
    pub device: String,
    /// The file as it lies there: `.ckd.xz` or `.cckd`.
    pub file: PathBuf,
}

impl RealVolume {
    /// Whether the file is a compressed image, and can be read as it lies there.
    pub fn is_compressed_image(&self) -> bool {
        self.file.extension() == Some(OsStr::new("cckd"))
    }

    /// The plain image of the volume, made once for all tests. It must not be written; see [`RealVolume::copy_to`].
    pub fn plain(&self) -> PathBuf {
        cached(&format!("{}.{}.ckd", self.name, self.device), |target| {
            if self.is_compressed_image() {
                dasdcopy_plain(&self.file, target);
            } else {
                unpack(&self.file, target);
            }
        })
    }

    /// A plain image of its own for a test, sparse: `<name>.ckd` in the folder.
    pub fn copy_to(&self, folder: &Path) -> PathBuf {
        let copy = folder.join(format!("{}.ckd", self.name));
        copy_sparse(&self.plain(), &copy);
        copy
    }
}

/// The shared folder, or a line on the terminal that says that the test cannot do its work.
pub fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("TRACKMIRROR_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    if folder.join("volumes").is_dir() {
        return Some(folder);
    }
    eprintln!(
        "no real volumes at {} (TRACKMIRROR_SHARED): the part of this test that needs them is left out",
        folder.display()
    );
    None
}

/// Every real volume, by name; none where the shared folder is absent.
pub fn real_volumes() -> Vec<RealVolume> {
    let Some(shared) = shared() else { return Vec::new() };
    let mut volumes: Vec<RealVolume> = fs::read_dir(shared.join("volumes"))
        .expect("the folder of real volumes can be read")
        .filter_map(|entry| real_volume(&entry.expect("an entry").path()))
        .collect();
    assert!(!volumes.is_empty(), "there are volumes in {}", shared.display());
    volumes.sort();
    volumes
}

fn real_volume(file: &Path) -> Option<RealVolume> {
    let file_name = file.file_name()?.to_str()?;
    let stem = file_name.strip_suffix(".ckd.xz").or_else(|| file_name.strip_suffix(".cckd"))?;
    let (name, device) = stem.rsplit_once('.')?;
    Some(RealVolume { name: name.into(), device: device.into(), file: file.into() })
}

/// The real volume of this name; `None` where the shared folder is absent.
pub fn find_volume(name: &str) -> Option<RealVolume> {
    shared()?;
    let volume = real_volumes().into_iter().find(|volume| volume.name == name);
    Some(volume.unwrap_or_else(|| panic!("{name} is a real volume")))
}

/// Copies of some real volumes, in a new folder: the folder, and each image in the order of the names.
pub fn copies(names: &[&str]) -> Option<(TempDir, Vec<PathBuf>)> {
    let volumes = names.iter().map(|name| find_volume(name)).collect::<Option<Vec<_>>>()?;
    let folder = folder();
    let images = volumes.iter().map(|volume| volume.copy_to(folder.path())).collect();
    Some((folder, images))
}

/// A new folder that is removed when it is dropped; on the disk of the build, because images are large.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(cache()).expect("a folder can be made")
}

fn cache() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&folder).expect("cargo's folder for tests can be made");
    folder
}

/// A file in the cache that `make` makes unless it is there. Tests that make it at the same time do not disturb each
/// other: it appears whole, under its name.
fn cached(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let file = cache().join(name);
    if !file.exists() {
        let folder = folder();
        let made = folder.path().join(name);
        make(&made);
        fs::rename(&made, &file).expect("the file can be given its name");
    }
    file
}

/// Unpacks an `.xz` file sparsely.
pub fn unpack(packed: &Path, target: &Path) {
    let mut xz = Command::new("xz")
        .arg("-dc")
        .arg(packed)
        .stdout(Stdio::piped())
        .spawn()
        .expect("xz is installed (package xz-utils)");
    let unpacked = xz.stdout.take().expect("it was piped");
    let copied = Command::new("cp")
        .arg("--sparse=always")
        .arg("/dev/stdin")
        .arg(target)
        .stdin(unpacked)
        .status()
        .expect("cp runs");
    assert!(xz.wait().expect("xz ends").success(), "{} unpacks", packed.display());
    assert!(copied.success(), "{} can be written", target.display());
}

/// Copies a file, sharing or leaving out what the file system can; the copy can be written by its owner.
pub fn copy_sparse(source: &Path, target: &Path) {
    let mut cp = Command::new("cp");
    run(cp.args(["--sparse=always", "--reflink=auto"]).arg(source).arg(target));
    let mut permissions = fs::metadata(target).expect("the copy is there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(target, permissions).expect("the copy's mode can be set");
}

/// Makes a plain image of any image that the emulator can read.
pub fn dasdcopy_plain(source: &Path, target: &Path) {
    // The tool opens what it reads for writing, so it gets a copy of the original.
    let folder = folder();
    let copy = folder.path().join("source.image");
    copy_sparse(source, &copy);
    tool("dasdcopy", [OsStr::new("-o"), OsStr::new("CKD"), copy.as_os_str(), target.as_os_str()]);
}

/// Makes a compressed image of a plain one, and gives back what the tool printed; `how` is its option for the compression.
///
/// When it closes what it made, its own threads still use what it frees (Hercules 3.13): on a busy machine it is ended by a
/// signal once in a hundred times. Then it is run again.
pub fn dasdcopy_compressed(how: &str, source: &Path, target: &Path) -> String {
    let mut command = Command::new("dasdcopy");
    command.args([how, "-o", "CCKD"]).arg(source).arg(target);
    let mut output = ended(&mut command);
    for _ in 0..9 {
        if output.status.signal().is_none() {
            break;
        }
        fs::remove_file(target).expect("the image can be removed");
        output = ended(&mut command);
    }
    said(&command, &output)
}

/// Runs one of the emulator's tools, and gives back what it printed, both streams together. Fails if it is missing or
/// does not succeed.
pub fn tool<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> String {
    run(Command::new(name).args(arguments))
}

/// The built command.
pub fn trackmirror() -> Command {
    let built = option_env!("CARGO_BIN_EXE_trackmirror");
    program(built.expect("the command is built with the feature \"cli\""))
}

/// This test's own program once more, as another process.
pub fn itself() -> Command {
    program(std::env::current_exe().expect("the test has a file"))
}

/// A program that was built for the machine of the tests: run by the emulator that `TRACKMIRROR_RUNNER` names, if this is
/// another machine (see `tests/big_endian`).
pub fn program(path: impl AsRef<OsStr>) -> Command {
    let Some(runner) = std::env::var_os("TRACKMIRROR_RUNNER") else { return Command::new(path) };
    let mut command = Command::new(runner);
    command.arg(path);
    command
}

fn run(command: &mut Command) -> String {
    let output = ended(command);
    said(command, &output)
}

fn ended(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be run, is it installed? {error}"))
}

/// What a program that did succeed has printed, both streams together.
fn said(command: &Command, output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}: {text}", output.status);
    text
}

/// Overwrites bytes of a file.
pub fn patch(file: &Path, offset: u64, bytes: &[u8]) {
    let file = File::options().write(true).open(file).expect("the file can be written");
    file.write_all_at(bytes, offset).expect("the bytes can be written");
}

/// A geometry of so many cylinders.
pub fn geometry(device: &str, cylinders: u32) -> Geometry {
    let device = Device::named(device).unwrap();
    Geometry { device, cylinders, slot_size: device.slot_size() }
}

/// A serial that is one.
pub fn volser(text: &str) -> Volser {
    text.parse().unwrap()
}

/// A new image of ours in the folder; what was opened for making it is closed again.
pub fn made(folder: &Path, name: &str, device: &str, cylinders: u32) -> PathBuf {
    let path = folder.join(name);
    CkdVolume::create(&path, geometry(device, cylinders), volser("MADE01")).unwrap();
    path
}

/// The error of what must fail.
#[track_caller]
pub fn refusal<T>(result: Result<T>) -> Error {
    result.err().expect("it is refused")
}

/// That something is refused for this reason, in a sentence that has these words.
#[track_caller]
pub fn assert_refused<T>(result: Result<T>, reason: Reason, words: &[&str]) {
    let error = refusal(result);
    assert_eq!(error.reason(), reason, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "'{word}' is missing: {error}");
    }
}

/// A compressed image of the tool, 3350 with ten cylinders, and the offsets of its L2 and of its track 0.
pub fn compressed(folder: &Path) -> (PathBuf, u64, u64) {
    let image = folder.join("original.cckd");
    tool("dasdinit", ["-z", image.to_str().unwrap(), "3350", "TOOL01", "10"]);
    let file = File::open(&image).unwrap();
    let at = |offset| {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, offset).unwrap();
        u64::from(u32::from_le_bytes(bytes))
    };
    let l2 = at(1024);
    (image, l2, at(l2))
}
