//! Notes beside volume images: which migration of a volume is not finished, and where its state is. Where the monitor
//! areas of volumes are is in [`areas`]; which images must be registered in them, in [`expected`]; who has data sets
//! open, in [`openers`].
//!
//! A migration writes a note for each of its volumes before it changes the first one, and removes them when it is
//! complete or terminated. So nobody can forget a half-made move: `check` prints the notes, and another migration
//! refuses the volume. Only those that *share* a volume, because they move other data sets of it while it is in use,
//! stand beside each other: each of their notes claims the data sets that it moves.
//!
//! The note of the image `VOL001.ckd` is the file `VOL001.ckd.unfinished-` and the CRC-32C of the state folder's name
//! in hexadecimal: one file for each migration, so that several never change the same one. It is text:
//!
//! ```text
//! trackmirror note 1
//! state=/home/operator/.local/state/trackmirror/test
//! what=moves TEST.** to VOL002
//! shares=yes
//! claims=TEST.SEQ.FB,TEST.SEQ.VB
//! ```
//!
//! The last two lines are there together or not at all; a note without them claims the whole volume. Bytes other than
//! printable ASCII, and `%`, are written as `%` and two hexadecimal digits; in names, everything that no data set name
//! has.
//!
//! Two that want the same data set must not both find no note and then both write one. So [`claim_shared`] looks and
//! writes under the lock of the image's folder. A migration that wants a volume for itself needs none: it has the volume
//! opened with exclusive access when it looks and writes, and one that shares it has it open too.

pub mod areas;
pub mod expected;
pub mod openers;

use crate::bytes::crc32c;
use crate::error::{Error, Reason, Result};
use crate::name::DsName;
use crate::volume::locks::{FolderLock, lock_folder};
use openers::{name_of, name_text};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "trackmirror note 1";
const SHARES: &str = "shares=yes";
const INFIX: &str = ".unfinished-";
/// Behind the name of a note that is being written.
const NEW: &str = "-new";
/// The longest note, with room for more data sets than are ever moved at a time.
const NOTE_LENGTH_MAX: usize = 1 << 20;

/// A note that a volume has an unfinished migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file that it is.
    pub file: PathBuf,
    /// The folder where the migration's state is; `None` if the note cannot be read.
    pub state_folder: Option<PathBuf>,
    /// What the migration does, in a few words; why the note cannot be read, if it cannot.
    pub what: String,
    /// The data sets that it claims, in their order; `None` if it claims the whole volume, as one does that cannot be
    /// read.
    pub claims: Option<Vec<DsName>>,
}

impl Note {
    /// The first of these data sets that it claims; `None` if they can be moved beside it.
    fn claimed_of<'a>(&self, data_sets: &'a [DsName]) -> Option<&'a DsName> {
        let claims: BTreeSet<&DsName> = self.claims.iter().flatten().collect();
        data_sets.iter().find(|name| claims.contains(name))
    }
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

/// Notes that the migration whose state is in this folder is not finished, and that the volume is for it alone. Doing it
/// again changes nothing.
pub fn note_unfinished(image: &Path, state_folder: &Path, what: &str) -> Result<()> {
    note(image, state_folder, what, None)
}

/// Notes that the migration whose state is in this folder is not finished, and moves only these data sets of a volume
/// that it shares. Doing it again changes nothing; with other names, these stand instead. It does not look whether
/// another one claims them: see [`claim_shared`].
pub fn note_shared(image: &Path, state_folder: &Path, what: &str, claims: &[DsName]) -> Result<()> {
    note(image, state_folder, what, Some(claims))
}

fn note(image: &Path, state_folder: &Path, what: &str, claims: Option<&[DsName]>) -> Result<()> {
    let (image, state_folder) = (real_path(image)?, absolute(state_folder)?);
    let file = note_file(&image, &state_folder);
    let claims = claims.map(|names| Vec::from_iter(names.iter().copied().collect::<BTreeSet<_>>()));
    let new = Note { file, state_folder: Some(state_folder), what: what.into(), claims };
    match read_note(&new.file)? {
        Some(old) if old == new => return Ok(()),
        Some(old) if old.state_folder.is_some() && old.state_folder != new.state_folder => {
            let why = format!(
                "{} is the note of another migration: {old}; choose another state folder",
                new.file.display()
            );
            return Err(Error::new(Reason::UnfinishedMigration, why));
        }
        _ => {}
    }
    write_note(&new)
}

fn write_note(note: &Note) -> Result<()> {
    let text = note_text(note);
    if text.len() > NOTE_LENGTH_MAX {
        let why = format!(
            "a note of {} bytes beside the image, more than {NOTE_LENGTH_MAX}; move fewer data sets at a time",
            text.len()
        );
        return Err(Error::new(Reason::BadRequest, why));
    }
    // Only the owner of the state folder writes this note, so that one name is enough.
    let temporary = with_suffix(&note.file, NEW);
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
        .and_then(|()| std::fs::rename(&temporary, &note.file))
        .and_then(|()| sync_folder_of(&note.file))
        .map_err(io)
}

/// Whether the note of this migration is there: it stands from before the first change until the migration has ended.
pub fn has_note(image: &Path, state_folder: &Path) -> Result<bool> {
    let (image, state_folder) = (real_path(image)?, absolute(state_folder)?);
    let note = read_note(&note_file(&image, &state_folder))?;
    Ok(note.is_some_and(|note| note.state_folder == Some(state_folder)))
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

/// That the volume has no unfinished migration but this one, neither one that wants it alone nor one that shares it.
///
/// Error: [`Reason::UnfinishedMigration`], which names the other one's state folder.
pub fn check_unfinished(image: &Path, state_folder: &Path) -> Result<()> {
    refuse_others(image, state_folder, None, counts_always)
}

/// The same for a migration that exists already, and whose state may have been moved: a note the state of which is not
/// where it says is its own, or that of one which nobody can take up.
pub fn check_taken(image: &Path, state_folder: &Path) -> Result<()> {
    refuse_others(image, state_folder, None, has_state)
}

/// That no other unfinished migration wants the volume for itself, or claims one of these data sets.
///
/// Error: [`Reason::UnfinishedMigration`], which names the data set and the other one's state folder.
pub fn check_shared(image: &Path, state_folder: &Path, claims: &[DsName]) -> Result<()> {
    refuse_others(image, state_folder, Some(claims), counts_always)
}

/// [Checks](check_shared) and [notes](note_shared) in one, on all volumes that a migration shares: of several that want
/// the same data set at the same time exactly one gets it. If one volume refuses, none has a note that was not there
/// before. Doing it again changes nothing; with other names, these stand instead.
///
/// ```
/// use trackmirror::registry::{claim_shared, remove_note};
/// # let folder = tempfile::tempdir().unwrap();
/// # let [image, first, second] = ["vol001.ckd", "first", "second"].map(|name| folder.path().join(name));
/// # std::fs::write(&image, "").unwrap();
/// let (pay, stock) = ("PAY.MASTER".parse()?, "STOCK.MASTER".parse()?);
/// claim_shared(&[&image], &first, "moves PAY.MASTER to VOL002", &[pay])?;
/// claim_shared(&[&image], &second, "moves STOCK.MASTER to VOL003", &[stock])?;
/// assert!(claim_shared(&[&image], &second, "moves both", &[stock, pay]).is_err());
/// remove_note(&image, &first)?;
/// claim_shared(&[&image], &second, "moves both", &[stock, pay])?;
/// # Ok::<(), trackmirror::Error>(())
/// ```
///
/// Errors: as of [`check_shared`]; [`Reason::VolumeInUse`] if others look and write all the time.
pub fn claim_shared<P: AsRef<Path>>(
    images: &[P],
    state_folder: &Path,
    what: &str,
    claims: &[DsName],
) -> Result<()> {
    claim(images, state_folder, what, claims, counts_always)
}

/// The same for a migration that exists already, as [`check_taken`] is to [`check_unfinished`].
pub fn claim_taken<P: AsRef<Path>>(
    images: &[P],
    state_folder: &Path,
    what: &str,
    claims: &[DsName],
) -> Result<()> {
    claim(images, state_folder, what, claims, has_state)
}

fn claim<P: AsRef<Path>>(
    images: &[P],
    state_folder: &Path,
    what: &str,
    claims: &[DsName],
    counts: fn(&Note) -> bool,
) -> Result<()> {
    let images =
        images.iter().map(|image| real_path(image.as_ref())).collect::<Result<Vec<_>>>()?;
    let _locks = lock_folders_of(&images)?;
    for image in &images {
        refuse_others(image, state_folder, Some(claims), counts)?;
    }
    let own = absolute(state_folder)?;
    let mut made: Vec<&Path> = Vec::new();
    for image in &images {
        if !note_file(image, &own).exists() {
            made.push(image);
        }
        if let Err(error) = note_shared(image, state_folder, what, claims) {
            for image in made {
                if let Err(error) = remove_note(image, state_folder) {
                    log::warn!("a note stays: {error}");
                }
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Locks the folders of these images, each once, and everybody in the same order: nobody waits for one who waits for him.
fn lock_folders_of(images: &[PathBuf]) -> Result<Vec<FolderLock>> {
    let mut folders = BTreeMap::new();
    for image in images {
        let folder = image.parent().unwrap_or(Path::new("/"));
        let metadata =
            std::fs::metadata(folder).map_err(|error| Error::io(folder.display(), &error))?;
        folders.insert((metadata.dev(), metadata.ino()), folder);
    }
    folders.into_values().map(lock_folder).collect()
}

fn counts_always(_: &Note) -> bool {
    true
}

fn has_state(note: &Note) -> bool {
    note.state_folder.as_ref().is_none_or(|folder| folder.exists())
}

/// Refuses if another one's note counts and claims the whole volume, or one of these data sets; without these, any.
fn refuse_others(
    image: &Path,
    state_folder: &Path,
    claims: Option<&[DsName]>,
    counts: fn(&Note) -> bool,
) -> Result<()> {
    let own = absolute(state_folder)?;
    let notes = read_notes(image)?;
    for note in &notes {
        if note.state_folder.as_ref() == Some(&own) || !counts(note) {
            continue;
        }
        match (&note.claims, claims) {
            (Some(_), Some(claims)) => {
                if let Some(name) = note.claimed_of(claims) {
                    let what = format!("{} has an unfinished migration of {name}", image.display());
                    return Err(refusal(&what, note).of_data_set(*name));
                }
            }
            _ => {
                let what = format!("{} has an unfinished migration", image.display());
                return Err(refusal(&what, note));
            }
        }
    }
    Ok(())
}

fn refusal(what: &str, note: &Note) -> Error {
    let advice = match &note.state_folder {
        Some(folder) if folder.exists() => {
            let folder = folder.display();
            format!("`trackmirror resume --state {folder}` or `terminate` ends it")
        }
        _ => format!("if you are sure that there is none any more, remove {}", note.file.display()),
    };
    Error::new(Reason::UnfinishedMigration, format!("{what}: {note}; {advice}"))
}

/// Reads one note; `None` if the file does not exist (any more).
fn read_note(file: &Path) -> Result<Option<Note>> {
    let opened =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(file);
    let unreadable =
        |what: String| Note { file: file.into(), state_folder: None, what, claims: None };
    let mut text = Vec::new();
    let read = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
        Ok(opened) => opened.take(NOTE_LENGTH_MAX as u64 + 1).read_to_end(&mut text),
    };
    Ok(Some(match read {
        Err(error) => unreadable(error.to_string()),
        Ok(length) if length > NOTE_LENGTH_MAX => unreadable("it is too long for a note".into()),
        Ok(_) => {
            parse(file, &text).unwrap_or_else(|| unreadable("it has not the form of a note".into()))
        }
    }))
}

fn note_text(note: &Note) -> String {
    let folder = note.state_folder.iter().flat_map(|folder| folder.as_os_str().as_bytes());
    let folder = escaped(&folder.copied().collect::<Vec<u8>>());
    let mut text =
        format!("{FIRST_LINE}\nstate={folder}\nwhat={}\n", escaped(note.what.as_bytes()));
    if let Some(claims) = &note.claims {
        let names: Vec<String> = claims.iter().map(name_text).collect();
        text += &format!("{SHARES}\nclaims={}\n", names.join(","));
    }
    text
}

fn parse(file: &Path, text: &[u8]) -> Option<Note> {
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    if lines.next()? != FIRST_LINE {
        return None;
    }
    let state_folder = unescaped(lines.next()?.strip_prefix("state=")?)?;
    let what = unescaped(lines.next()?.strip_prefix("what=")?)?;
    let claims = match lines.next() {
        Some(SHARES) => {
            let names = lines.next()?.strip_prefix("claims=")?;
            let name = |text: &str| name_of(text).filter(|_| !text.is_empty());
            let names = names.split(',').filter(|_| !names.is_empty());
            Some(names.map(name).collect::<Option<Vec<_>>>()?)
        }
        _ => None,
    };
    Some(Note {
        file: file.into(),
        state_folder: Some(OsString::from_vec(state_folder).into()),
        what: String::from_utf8_lossy(&what).into_owned(),
        claims,
    })
}

#[cfg(test)]
mod tests;
