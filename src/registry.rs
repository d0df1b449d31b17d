//! Notes beside volume images: which migration of a volume is not finished, and where its state is. Where the monitor
//! areas of volumes are is in [`areas`]; who has data sets open, in [`openers`].
//!
//! A migration writes a note for each of its volumes before it changes the first one, and removes them when it is
//! complete or terminated. So nobody can forget a half-made move: `check` prints the notes, and another migration
//! refuses the volume.
//!
//! The note of the image `VOL001.ckd` is the file `VOL001.ckd.unfinished-` and the CRC-32C of the state folder's name
//! in hexadecimal: one file for each migration, so that several never change the same one. It is text:
//!
//! ```text
//! trackmirror note 1
//! state=/home/operator/.local/state/trackmirror/test
//! what=moves TEST.** to VOL002
//! ```
//!
//! Bytes other than printable ASCII, and `%`, are written as `%` and two hexadecimal digits.

pub mod areas;
pub mod openers;

use crate::bytes::crc32c;
use crate::error::{Error, Reason, Result};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "trackmirror note 1";
const INFIX: &str = ".unfinished-";
/// Behind the name of a note that is being written.
const NEW: &str = "-new";
/// More than any note needs.
const NOTE_LENGTH_MAX: u64 = 16_384;

/// A note that a volume has an unfinished migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file that it is.
    pub file: PathBuf,
    /// The folder where the migration's state is; `None` if the note cannot be read.
    pub state_folder: Option<PathBuf>,
    /// What the migration does, in a few words; why the note cannot be read, if it cannot.
    pub what: String,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.state_folder {
            Some(folder) => write!(f, "{}; its state is in {}", self.what, folder.display()),
            None => write!(f, "the note {} cannot be read: {}", self.file.display(), self.what),
        }
    }
}

/// Printable ASCII as it is, everything else as `%XX`.
fn escaped(bytes: &[u8]) -> String {
    let one = |&byte: &u8| match byte {
        b'%' => "%25".into(),
        b' '..=b'~' => (byte as char).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

/// The image's file, whatever links lead to it, so that there is one place for its notes.
fn real_path(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|error| Error::io(path.display(), &error))
}

/// The state folder's one name, whether it exists (still) or not.
fn absolute(folder: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(folder)
        .or_else(|_| std::path::absolute(folder))
        .map_err(|error| Error::io(folder.display(), &error))
}

fn with_suffix(image: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(image);
    name.push(suffix);
    name.into()
}

/// The note of this migration beside this image.
fn note_file(image: &Path, state_folder: &Path) -> PathBuf {
    let crc = crc32c(0, state_folder.as_os_str().as_bytes());
    with_suffix(image, &format!("{INFIX}{crc:08x}"))
}

fn sync_folder_of(file: &Path) -> std::io::Result<()> {
    File::open(file.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Notes that the migration whose state is in this folder is not finished. Doing it again changes nothing.
pub fn note_unfinished(image: &Path, state_folder: &Path, what: &str) -> Result<()> {
    let (image, state_folder) = (real_path(image)?, absolute(state_folder)?);
    let file = note_file(&image, &state_folder);
    let text = format!(
        "{FIRST_LINE}\nstate={}\nwhat={}\n",
        escaped(state_folder.as_os_str().as_bytes()),
        escaped(what.as_bytes())
    );
    if let Some(note) = read_note(&file)?
        && note.state_folder.as_ref() == Some(&state_folder)
        && note.what == what
    {
        return Ok(());
    }
    // Only the owner of the state folder writes this note, so that one name is enough.
    let temporary = with_suffix(&file, NEW);
    let io = |error: std::io::Error| Error::io(temporary.display(), &error);
    // A file of this name can only be left over from a process that ended inside these lines.
    remove(&temporary).map_err(io)?;
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&temporary)
        .map_err(io)?;
    new.write_all(text.as_bytes())
        .and_then(|()| new.sync_all())
        .and_then(|()| std::fs::rename(&temporary, &file))
        .and_then(|()| sync_folder_of(&file))
        .map_err(io)
}

/// Removes the note of this migration, if there is one.
pub fn remove_note(image: &Path, state_folder: &Path) -> Result<()> {
    let file = note_file(&real_path(image)?, &absolute(state_folder)?);
    remove(&with_suffix(&file, NEW))
        .and_then(|_| remove(&file))
        .and_then(|is_removed| if is_removed { sync_folder_of(&file) } else { Ok(()) })
        .map_err(|error| Error::io(file.display(), &error))
}

/// Removes a file; false if there is none.
fn remove(file: &Path) -> std::io::Result<bool> {
    match std::fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The notes of every unfinished migration of this volume, by the names of their files. One that cannot be read is
/// among them.
pub fn read_notes(image: &Path) -> Result<Vec<Note>> {
    let image = real_path(image)?;
    let io = |error: std::io::Error| Error::io(image.display(), &error);
    let prefix = with_suffix(&image, INFIX);
    let prefix = prefix.file_name().unwrap_or_default().as_bytes();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(image.parent().unwrap_or(Path::new("/"))).map_err(io)? {
        let entry = entry.map_err(io)?;
        let is_note =
            entry.file_name().as_bytes().strip_prefix(prefix).is_some_and(|digits| {
                digits.len() == 8 && digits.iter().all(u8::is_ascii_hexdigit)
            });
        if is_note {
            files.push(entry.path());
        }
    }
    files.sort();
    files.iter().filter_map(|file| read_note(file).transpose()).collect()
}

/// That the volume has no unfinished migration but this one.
///
/// Error: [`Reason::UnfinishedMigration`], which names the other one's state folder.
pub fn check_unfinished(image: &Path, state_folder: &Path) -> Result<()> {
    refuse_others(image, state_folder, |_| true)
}

/// The same for a migration that exists already, and whose state may have been moved: a note the state of which is not
/// where it says is its own, or that of one which nobody can take up.
pub fn check_taken(image: &Path, state_folder: &Path) -> Result<()> {
    refuse_others(image, state_folder, |note| {
        note.state_folder.as_ref().is_none_or(|folder| folder.exists())
    })
}

fn refuse_others(image: &Path, state_folder: &Path, counts: fn(&Note) -> bool) -> Result<()> {
    let own = absolute(state_folder)?;
    let notes = read_notes(image)?;
    let is_other = |note: &&Note| note.state_folder.as_ref() != Some(&own) && counts(note);
    let Some(note) = notes.iter().find(is_other) else {
        return Ok(());
    };
    let advice = match &note.state_folder {
        Some(folder) if folder.exists() => {
            let folder = folder.display();
            format!("`trackmirror resume --state {folder}` or `terminate` ends it")
        }
        _ => format!("if you are sure that there is none any more, remove {}", note.file.display()),
    };
    Err(Error::new(
        Reason::UnfinishedMigration,
        format!("{} has an unfinished migration: {note}; {advice}", image.display()),
    ))
}

/// Reads one note; `None` if the file does not exist (any more).
fn read_note(file: &Path) -> Result<Option<Note>> {
    let opened =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(file);
    let unreadable = |what: String| Note { file: file.into(), state_folder: None, what };
    let mut text = Vec::new();
    let read = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
        Ok(opened) => opened.take(NOTE_LENGTH_MAX).read_to_end(&mut text),
    };
    Ok(Some(match read {
        Err(error) => unreadable(error.to_string()),
        Ok(_) => parse(&text).map_or_else(
            || unreadable("it has not the form of a note".into()),
            |(state_folder, what)| Note {
                file: file.into(),
                state_folder: Some(state_folder),
                what,
            },
        ),
    }))
}

/// State folder and purpose.
fn parse(text: &[u8]) -> Option<(PathBuf, String)> {
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    if lines.next()? != FIRST_LINE {
        return None;
    }
    let state_folder = unescaped(lines.next()?.strip_prefix("state=")?)?;
    let what = unescaped(lines.next()?.strip_prefix("what=")?)?;
    Some((OsString::from_vec(state_folder).into(), String::from_utf8_lossy(&what).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn notes_of_several_migrations_stand_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("VOL001.ckd");
        std::fs::write(&image, "").unwrap();
        let link = folder.path().join("link");
        symlink(&image, &link).unwrap();
        let (first, second) = (folder.path().join("a\nb %"), folder.path().join("second"));
        assert!(read_notes(&image).unwrap().is_empty());
        check_unfinished(&image, &first).unwrap();

        note_unfinished(&image, &first, "moves A to VOL002").unwrap();
        note_unfinished(&image, &first, "moves A to VOL002").unwrap();
        check_unfinished(&image, &first).unwrap();
        note_unfinished(&link, &second, "moves B to VOL002").unwrap();
        let notes = read_notes(&image).unwrap();
        let mut folders: Vec<_> = notes.iter().flat_map(|note| note.state_folder.clone()).collect();
        folders.sort();
        assert_eq!(folders, [first.clone(), second.clone()]);
        assert_eq!(std::fs::metadata(&notes[0].file).unwrap().mode() & 0o777, 0o600);

        let error = check_unfinished(&image, &first).unwrap_err();
        assert_eq!(error.reason(), Reason::UnfinishedMigration);
        assert!(error.sentence().contains(&second.display().to_string()), "{error}");
        remove_note(&image, &second).unwrap();
        check_unfinished(&image, &first).unwrap();
        remove_note(&image, &first).unwrap();
        remove_note(&image, &first).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
    }

    #[test]
    fn a_note_that_cannot_be_read_counts() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("VOL001.ckd");
        std::fs::write(&image, "").unwrap();
        let note = folder.path().join("VOL001.ckd.unfinished-0badcafe");
        for text in ["", "trackmirror note 1\nstate=/a", "trackmirror note 1\nstate=%4\nwhat=\n"] {
            std::fs::write(&note, text).unwrap();
            let error = check_unfinished(&image, Path::new("/a")).unwrap_err();
            assert_eq!(error.reason(), Reason::UnfinishedMigration);
            assert!(error.sentence().contains("0badcafe"), "{error}");
        }
        std::fs::remove_file(&note).unwrap();
        symlink("/etc/hostname", &note).unwrap();
        assert!(check_unfinished(&image, Path::new("/a")).is_err());
    }

    #[test]
    fn other_files_beside_an_image_are_no_notes() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("VOL001.ckd");
        std::fs::write(&image, "").unwrap();
        for name in ["VOL001.ckd.unfinished-", "VOL001.ckd.bak", "XVOL001.ckd.unfinished-01234567"]
        {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(read_notes(&image).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn names_come_back(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(unescaped(&escaped(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn arbitrary_notes_never_panic(text in any::<Vec<u8>>(), lines in "trackmirror note 1\nstate=.*\nwhat=.*") {
            let _ = parse(&text);
            let _ = parse(lines.as_bytes());
        }
    }
}
