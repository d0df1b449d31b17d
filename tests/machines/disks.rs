//! Disks that several machines share: for each machine a loop device of its own over the one file of a volume, so that each
//! machine has a cache of its own for it, as it is where they share a disk. Whoever writes into his cache is not seen by
//! the others, and whoever reads from it does not see them.

use super::network::{PREFIX, is_stale};
use super::support::loops::Loop;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Where files are that need not outlive the machine.
pub const MEMORY: &str = "/dev/shm";
/// Where nodes of devices may be, which they may not be everywhere.
pub const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// A new folder of these tests whose name says whose it is.
pub fn folder(within: &str) -> TempDir {
    fs::create_dir_all(within).expect("cargo's folder for tests can be made");
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(within).expect("a folder can be made")
}

/// A disk, as one machine has it.
#[derive(Debug)]
pub struct Disk {
    /// The device, under a name of this machine's own.
    pub path: PathBuf,
    _device: Loop,
}

impl Disk {
    /// Attaches the file; the device gets this name.
    pub fn attach(file: &Path, path: &Path) -> Disk {
        let device = Loop::attach(file, 512);
        // A node of its own: what stands beside a volume, and in whose name it is locked, is not shared either.
        let numbers = fs::metadata(device.device()).expect("it was just attached").rdev();
        let numbers = [libc::major(numbers), libc::minor(numbers)].map(|number| number.to_string());
        let made = Command::new("mknod").arg(path).arg("b").args(&numbers).status();
        assert!(made.is_ok_and(|status| status.success()), "{} can be made", path.display());
        Disk { path: path.into(), _device: device }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn detach(device: &str) {
    let detached = Command::new("losetup").args(["--detach", device]).status();
    if !detached.is_ok_and(|status| status.success()) {
        eprintln!("{device} could not be detached");
    }
}

/// Detaches what a killed run left, and removes its folders.
pub fn remove_stale() {
    let list = ["--list", "--noheadings", "--output", "NAME,BACK-FILE"];
    let list = Command::new("losetup").args(list).output();
    let list = list.unwrap_or_else(|error| panic!("`losetup` (package mount): {error}"));
    for line in String::from_utf8_lossy(&list.stdout).lines() {
        let Some((device, file)) = line.trim().split_once(char::is_whitespace) else { continue };
        let parts = Path::new(file.trim()).components();
        if parts.into_iter().any(|part| part.as_os_str().to_str().is_some_and(is_stale)) {
            detach(device);
        }
    }
    for entry in [MEMORY, DISK].into_iter().flat_map(fs::read_dir).flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_stale) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
