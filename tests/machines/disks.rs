//! Disks that several machines share: for each machine a loop device of its own over the one file of a volume, so that each
//! machine has a cache of its own for it, as it is where they share a disk. Whoever writes into his cache is not seen by
//! the others, and whoever reads from it does not see them.

use super::network::{PREFIX, is_stale};
use std::fs;
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
    device: String,
}

impl Disk {
    /// Attaches the file; the device gets this name.
    pub fn attach(file: &Path, path: &Path) -> Disk {
        let device = losetup(&[Path::new("--find"), Path::new("--show"), file]).trim().to_owned();
        // A node of its own: what stands beside a volume, and in whose name it is locked, is not shared either.
        let numbers = Command::new("stat").args(["-c", "%t %T", &device]).output().unwrap();
        let numbers = String::from_utf8_lossy(&numbers.stdout).into_owned();
        let number = |text: &str| u32::from_str_radix(text, 16).expect("a device has numbers");
        let numbers: Vec<String> =
            numbers.split_whitespace().map(|text| number(text).to_string()).collect();
        let disk = Disk { path: path.into(), device };
        let made = Command::new("mknod").arg(path).arg("b").args(&numbers).status();
        assert!(made.is_ok_and(|status| status.success()), "{} can be made", path.display());
        disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        detach(&self.device);
    }
}

#[track_caller]
fn losetup(arguments: &[&Path]) -> String {
    let output = Command::new("losetup").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("`losetup` (package mount): {error}"));
    assert!(
        output.status.success(),
        "losetup {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn detach(device: &str) {
    let detached = Command::new("losetup").args(["--detach", device]).status();
    if !detached.is_ok_and(|status| status.success()) {
        eprintln!("{device} could not be detached");
    }
}

/// Detaches what a killed run left, and removes its folders.
pub fn remove_stale() {
    let list = losetup(&["--list", "--noheadings", "--output", "NAME,BACK-FILE"].map(Path::new));
    for line in list.lines() {
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
