//! Block devices over files (loop devices), and file systems of a kind that a test asks for. Both need root.
//!
//! Two loop devices over one file stand for two machines that a disk is attached to: each of them has caches of its own,
//! and what both have in common is the file.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A loop device, which is detached at the end.
#[derive(Debug)]
pub struct Loop {
    device: PathBuf,
}

impl Loop {
    /// Attaches a file, with sectors of so many bytes.
    pub fn attach(file: &Path, sector_size: u32) -> Loop {
        let mut command = Command::new("losetup");
        command.args(["--find", "--show", "--sector-size", &sector_size.to_string()]).arg(file);
        let device = as_root(&mut command);
        Loop { device: device.trim().into() }
    }

    /// The devices of two machines that one disk is attached to.
    pub fn two_machines(file: &Path) -> (Loop, Loop) {
        (Loop::attach(file, 512), Loop::attach(file, 512))
    }

    /// Its name.
    pub fn device(&self) -> &Path {
        &self.device
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
    }
}

/// A mounted file system, which is unmounted at the end.
#[derive(Debug)]
pub struct Mounted {
    folder: PathBuf,
}

impl Mounted {
    /// Mounts what `mount` is told by these arguments on a new folder.
    pub fn mount<'a>(arguments: impl IntoIterator<Item = &'a str>, folder: PathBuf) -> Mounted {
        std::fs::create_dir(&folder).expect("the folder can be made");
        as_root(Command::new("mount").args(arguments).arg(&folder));
        Mounted { folder }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.folder).status();
    }
}

/// Runs a command that only root can, and gives back what it printed.
fn as_root(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} cannot be run: {error}; install the packages mount and util-linux")
    });
    assert!(
        output.status.success(),
        "{command:?} failed; this test needs root, and a kernel (or a container) with loop devices and mounts: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
