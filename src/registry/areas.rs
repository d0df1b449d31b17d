//! Where the monitor areas of volumes are: one file for each volume image, in a folder of the registry.
//!
//! The folder is the one that the environment variable `TRACKMIRROR_REGISTRY` names; else `/run/trackmirror` if it is
//! there, or can be made; else `trackmirror` in `XDG_RUNTIME_DIR`. All programs that write a volume, and the one that
//! moves data sets, must come to the same folder.
//!
//! It is made for its owner only (0700). An operator who wants images under other user ids to attach makes the folder
//! himself, with a group and its access (2770): then files are made for the group too. A folder that everybody can
//! write, or that belongs to somebody else, is refused, and no symbolic link is followed to a file in it.
//!
//! A file's name says which image it is for: `area-<file system>-<inode>`, hexadecimal. A block device is told by its
//! number, because it may have several nodes, each with an inode of its own, and is one volume by all of them:
//! `area-ffffffffffffffff-<number>`.
//!
//! This file uses nothing but the standard library.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The environment variable that names the folder.
pub const VARIABLE: &str = "TRACKMIRROR_REGISTRY";
/// The system's own folder.
const SYSTEM_FOLDER: &str = "/run/trackmirror";

/// Stands for the file system of a block device, whose number stands for its inode. No file system has this number.
pub const BLOCK_DEVICES: u64 = u64::MAX;

/// What an image is told by, wherever something is kept for it: the file system and inode of its (first) file, or
/// [`BLOCK_DEVICES`] and the number of its device.
pub fn key_of(image: &Metadata) -> (u64, u64) {
    if image.file_type().is_block_device() {
        (BLOCK_DEVICES, image.rdev())
    } else {
        (image.dev(), image.ino())
    }
}

/// The registry's folder, made if it is not there, and checked.
pub fn area_folder() -> io::Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return checked(PathBuf::from(named));
    }
    let system = checked(PathBuf::from(SYSTEM_FOLDER));
    if system.is_ok() {
        return system;
    }
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()) {
        Some(runtime) => checked(Path::new(&runtime).join("trackmirror")),
        None => system.map_err(|error| {
            io::Error::new(error.kind(), format!("{error}; name a folder by {VARIABLE}"))
        }),
    }
}

/// The registry's folder, checked, if it is there: for those who only look, and leave nothing behind.
pub fn existing_folder() -> io::Result<Option<PathBuf>> {
    let named = std::env::var_os(VARIABLE).filter(|named| !named.is_empty());
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    let candidates = match named {
        Some(named) => vec![PathBuf::from(named)],
        None => std::iter::once(PathBuf::from(SYSTEM_FOLDER))
            .chain(runtime.map(|runtime| Path::new(&runtime).join("trackmirror")))
            .collect(),
    };
    candidates.into_iter().find(|folder| folder.exists()).map(checked).transpose()
}

/// Makes the folder unless it is there, and checks that nobody else can put files into it.
pub fn checked(folder: PathBuf) -> io::Result<PathBuf> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("the folder {}: {error}", folder.display()))
    };
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(named(error)),
        _ => {}
    }
    let metadata = std::fs::symlink_metadata(&folder).map_err(named)?;
    let refusal = if !metadata.is_dir() {
        "is no folder"
    } else if !belongs_to_us(&metadata) && !admits_group(&metadata) {
        "belongs to somebody else"
    } else if metadata.mode() & 0o002 != 0 {
        "can be written by everybody"
    } else {
        return Ok(folder);
    };
    let why = format!("the folder {} {refusal}", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// The area's file of an image that is told by this [key](key_of).
pub fn area_file(folder: &Path, device: u64, inode: u64) -> PathBuf {
    folder.join(format!("area-{device:x}-{inode:x}"))
}

/// The mode of files in the folder: for the owner, and for the group if the folder is for it.
pub fn file_mode(folder: &Path) -> io::Result<u32> {
    let metadata = std::fs::symlink_metadata(folder)?;
    Ok(if admits_group(&metadata) { 0o660 } else { 0o600 })
}

fn admits_group(folder: &Metadata) -> bool {
    // Somebody else's folder serves only if its owner is the superuser or we were let in through its group, which the
    // kernel checks when a file is opened.
    folder.mode() & 0o070 == 0o070
}

fn belongs_to_us(folder: &Metadata) -> bool {
    let own = std::fs::metadata("/proc/self").map(|process| process.uid());
    folder.uid() == 0 || own.is_ok_and(|own| own == folder.uid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_is_made_for_its_owner_and_a_group_only_on_request() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = checked(temporary.path().join("registry")).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(file_mode(&folder).unwrap(), 0o600);
        std::fs::set_permissions(&folder, Permissions::from_mode(0o2770)).unwrap();
        assert_eq!(file_mode(&checked(folder.clone()).unwrap()).unwrap(), 0o660);
        std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        assert!(checked(folder).unwrap_err().to_string().contains("everybody"));
    }

    #[test]
    fn a_link_or_a_file_is_no_folder() {
        let temporary = tempfile::tempdir().unwrap();
        let link = temporary.path().join("link");
        std::os::unix::fs::symlink(temporary.path(), &link).unwrap();
        assert!(checked(link).unwrap_err().to_string().contains("is no folder"));
        let file = temporary.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(checked(file).unwrap_err().to_string().contains("is no folder"));
    }

    #[test]
    fn a_file_is_told_by_its_inode_whatever_its_name() {
        let temporary = tempfile::tempdir().unwrap();
        let (one, other) = (temporary.path().join("one"), temporary.path().join("other"));
        std::fs::write(&one, "").unwrap();
        std::fs::hard_link(&one, &other).unwrap();
        let [one, other] = [one, other].map(|path| std::fs::metadata(path).unwrap());
        assert_eq!(key_of(&one), (one.dev(), one.ino()));
        assert_eq!(key_of(&one), key_of(&other));
    }

    #[test]
    fn a_file_is_named_after_its_image() {
        assert_eq!(area_file(Path::new("/r"), 0xFE01, 77), Path::new("/r/area-fe01-4d"));
    }
}
