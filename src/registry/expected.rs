//! Which images must be monitored before data sets of a volume are moved: those that the operator named.
//!
//! An image that is registered in a volume's monitor area tells of itself; one that is not yet started, or that lost its
//! monitor, tells nothing, and a migration would not miss it. So the operator names those that can write a volume, and a
//! migration begins only when each of them is registered and alive.
//!
//! The names of a volume are in the file `images-<file system>-<inode>` beside its area, which may not exist yet: a line
//! `trackmirror images 1`, then one name in each line, in their order. Who changes the file does it under the lock of the
//! folder, and puts a new one in its place, so that others read the old one or the new one.

use super::areas::file_mode;
use crate::volume::locks::lock_folder;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Error, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "trackmirror images 1";
/// The longest name, as in an area.
const NAME_LENGTH_MAX: usize = 32;
/// More than any volume has.
const NAMES_MAX: usize = 1000;
/// The longest file.
const LENGTH_MAX: usize = FIRST_LINE.len() + 1 + NAMES_MAX * (NAME_LENGTH_MAX + 1);

/// Whether an image may have this name: 1 to 32 printable ASCII characters, none of them a blank.
pub fn is_image_name(name: &str) -> bool {
    (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The file with the names for an image that is told by this [key](super::areas::key_of).
pub fn expected_file(folder: &Path, device: u64, inode: u64) -> PathBuf {
    folder.join(format!("images-{device:x}-{inode:x}"))
}

/// The images that must be monitored on a volume, in the order of their names; none where no one was named.
///
/// An error of the kind [`ErrorKind::InvalidData`] says that the file is none of ours: then nobody knows.
///
/// ```
/// use trackmirror::registry::expected::{add_expected, expected_images, remove_expected};
/// # let temporary = tempfile::tempdir().unwrap();
/// # let folder = temporary.path(); // programs use `areas::area_folder`
/// assert!(add_expected(folder, 0xFE01, 77, "PROD1")?);
/// assert_eq!(expected_images(folder, 0xFE01, 77)?, ["PROD1"]);
/// assert!(remove_expected(folder, 0xFE01, 77, "PROD1")?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn expected_images(folder: &Path, device: u64, inode: u64) -> io::Result<Vec<String>> {
    let path = expected_file(folder, device, inode);
    read(&path).map_err(|error| named(&path, error))
}

/// Names an image that must be monitored: whether it was not named before.
///
/// Errors of the kinds [`ErrorKind::InvalidInput`] for a name that [is none](is_image_name), and
/// [`ErrorKind::InvalidData`].
pub fn add_expected(folder: &Path, device: u64, inode: u64, name: &str) -> io::Result<bool> {
    if !is_image_name(name) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "an image's name has 1 to 32 printable ASCII characters and no blanks",
        ));
    }
    change(folder, device, inode, |names| match names.binary_search_by(|old| (**old).cmp(name)) {
        Ok(_) => Ok(false),
        Err(_) if names.len() >= NAMES_MAX => {
            Err(Error::new(ErrorKind::InvalidInput, format!("{NAMES_MAX} images, and no more")))
        }
        Err(place) => {
            names.insert(place, name.into());
            Ok(true)
        }
    })
}

/// Takes an image off the list: whether it was on it.
pub fn remove_expected(folder: &Path, device: u64, inode: u64, name: &str) -> io::Result<bool> {
    change(folder, device, inode, |names| {
        let count = names.len();
        names.retain(|old| old != name);
        Ok(names.len() < count)
    })
}

fn change(
    folder: &Path,
    device: u64,
    inode: u64,
    change: impl FnOnce(&mut Vec<String>) -> io::Result<bool>,
) -> io::Result<bool> {
    let path = expected_file(folder, device, inode);
    let _lock = lock_folder(folder).map_err(|error| Error::other(error.sentence().to_string()))?;
    let change = || {
        let mut names = read(&path)?;
        let is_changed = change(&mut names)?;
        match (is_changed, names.is_empty()) {
            (false, _) => {}
            (true, true) => std::fs::remove_file(&path)?,
            (true, false) => write(folder, &path, &names)?,
        }
        Ok(is_changed)
    };
    change().map_err(|error| named(&path, error))
}

fn named(path: &Path, error: Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn read(path: &Path) -> io::Result<Vec<String>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut text = Vec::new();
    file.take(LENGTH_MAX as u64 + 1).read_to_end(&mut text)?;
    parse(&text).ok_or_else(|| {
        let why = "not a list of images; name them anew after you have removed it";
        Error::new(ErrorKind::InvalidData, why)
    })
}

fn parse(text: &[u8]) -> Option<Vec<String>> {
    if text.len() > LENGTH_MAX || !text.ends_with(b"\n") {
        return None;
    }
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    (lines.next()? == FIRST_LINE).then_some(())?;
    let names: Vec<String> = lines.map(String::from).collect();
    let is_sound = names.iter().all(|name| is_image_name(name)) && names.is_sorted();
    is_sound.then_some(names)
}

/// Writes the list under another name, and gives it its own. The folder is locked, so that this name is nobody else's.
fn write(folder: &Path, path: &Path, names: &[String]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push("-new");
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&temporary)?;
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    file.write_all(format!("{FIRST_LINE}\n{lines}").as_bytes())?;
    file.set_permissions(Permissions::from_mode(file_mode(folder)?))?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn images_are_named_and_taken_off() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        assert!(expected_images(folder, 1, 2).unwrap().is_empty());
        assert!(!remove_expected(folder, 1, 2, "SYSB").unwrap());
        for (name, is_new) in [("SYSB", true), ("SYSA", true), ("SYSB", false), ("SYS", true)] {
            assert_eq!(add_expected(folder, 1, 2, name).unwrap(), is_new);
        }
        assert_eq!(expected_images(folder, 1, 2).unwrap(), ["SYS", "SYSA", "SYSB"]);
        assert!(expected_images(folder, 1, 3).unwrap().is_empty(), "another volume");
        let file = folder.join("images-1-2");
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, "trackmirror images 1\nSYS\nSYSA\nSYSB\n");
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        for name in ["SYSA", "SYS", "SYSB"] {
            assert!(remove_expected(folder, 1, 2, name).unwrap());
        }
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nothing is left over");
    }

    #[test]
    fn only_names_of_images_are_taken() {
        let temporary = tempfile::tempdir().unwrap();
        let long = "X".repeat(32);
        assert!(add_expected(temporary.path(), 1, 2, &long).unwrap());
        for name in ["", "A B", "A\n", "\u{c4}", &format!("{long}X")] {
            let error = add_expected(temporary.path(), 1, 2, name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        }
        assert_eq!(expected_images(temporary.path(), 1, 2).unwrap(), [long]);
    }

    #[test]
    fn a_list_that_is_none_is_an_error_and_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("images-1-2");
        let names = |count: usize| -> String { (0..count).map(|n| format!("{n:032}\n")).collect() };
        for text in [
            "".into(),
            "trackmirror images 1".into(),
            "trackmirror images 2\nA\n".into(),
            "trackmirror images 1\nB\nA\n".into(),
            "trackmirror images 1\nA B\n".into(),
            "trackmirror images 1\nA\nB".into(),
            format!("trackmirror images 1\n{}", names(1001)),
        ] {
            std::fs::write(&file, &text).unwrap();
            for error in [
                expected_images(temporary.path(), 1, 2).unwrap_err(),
                add_expected(temporary.path(), 1, 2, "A").unwrap_err(),
                remove_expected(temporary.path(), 1, 2, "A").unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{text}");
                assert!(error.to_string().contains("images-1-2"), "{error}");
            }
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
        std::fs::write(&file, format!("trackmirror images 1\n{}", names(1000))).unwrap();
        assert_eq!(expected_images(temporary.path(), 1, 2).unwrap().len(), 1000);
        assert!(add_expected(temporary.path(), 1, 2, "A").is_err(), "it would be too long");
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
        assert!(expected_images(temporary.path(), 1, 2).is_err(), "no link is followed");
    }

    #[test]
    fn many_at_once_lose_nobody() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        std::thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || add_expected(folder, 1, 2, &format!("SYS{number}")).unwrap());
            }
        });
        assert_eq!(expected_images(folder, 1, 2).unwrap().len(), 8);
    }

    proptest! {
        #[test]
        fn whatever_a_list_holds_nothing_breaks(text in any::<Vec<u8>>(), lines in "trackmirror images 1\n(.*\n)*") {
            let _ = parse(&text);
            let _ = parse(lines.as_bytes());
        }
    }
}
