//! A checkpoint in a folder: two files, and a lock file that makes its holder the one owner of the migration.
//!
//! | file | what |
//! |---|---|
//! | `checkpoint.0`, `checkpoint.1` | the slots |
//! | `owner` | locked by the kernel while a process owns the migration; its text is the process id, for messages only |
//!
//! The folder is made for its owner only (0700), the files too (0600), and none of them is reached through a symbolic
//! link. The lock file is never removed: a second owner could otherwise lock a file that has no name any more.

use super::{CheckpointStore, SLOT_LENGTH_MAX, Sections, newest};
use crate::error::{Error, Reason, Result};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const OWNER: &str = "owner";

/// Two slots in a folder. The migration is owned as long as this value lives.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    /// Held open for its lock.
    _owner: File,
}

/// Whether others than the owner and his group may write.
const fn is_writable_by_all(mode: u32) -> bool {
    mode & 0o002 != 0
}

/// Makes a folder and those above it that are missing, and makes their names durable.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    match std::fs::metadata(folder) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_folder(parent)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(parent)?.sync_all()
}

impl FileStore {
    /// Opens the folder, which is made if it is missing, and becomes the one owner of what is in it.
    ///
    /// Errors: [`Reason::CheckpointInUse`], which names the owner; those of the host's file system.
    pub fn open(folder: &Path) -> Result<FileStore> {
        let io = |error: std::io::Error| Error::io(folder.display(), &error);
        make_folder(folder).map_err(io)?;
        let metadata = std::fs::metadata(folder).map_err(io)?;
        if !metadata.is_dir() {
            return Err(Error::new(
                Reason::BadRequest,
                format!("{} is no folder; name another one", folder.display()),
            ));
        }
        if is_writable_by_all(metadata.mode()) {
            return Err(Error::new(
                Reason::BadRequest,
                format!(
                    "every user may write to {}, and the state of a migration must not lie there; name a folder of \
                     your own",
                    folder.display()
                ),
            ));
        }
        let owner = lock(folder)?;
        let store = FileStore { folder: folder.into(), _owner: owner };
        store.sync_folder()?;
        Ok(store)
    }

    /// Whether a checkpoint is in this folder, whoever owns it.
    pub fn exists(folder: &Path) -> bool {
        [0, 1].iter().any(|&slot| folder.join(slot_name(slot)).exists())
    }

    /// What was saved last in this folder, without becoming the owner: for those who only want to know the state.
    ///
    /// Errors: [`Reason::NoCheckpoint`], [`Reason::CheckpointDamaged`], [`Reason::CheckpointNewer`].
    pub fn peek(folder: &Path) -> Result<Sections> {
        let read = || -> Result<Option<Sections>> {
            let slots = [0, 1].map(|slot| read_file(&folder.join(slot_name(slot))));
            let [first, second] = slots;
            Ok(newest([first?, second?], &folder.display().to_string())?.2)
        };
        // The owner may write one slot while the other is read, and then the other way round; not again and again.
        let sections = read().or_else(|_| read()).or_else(|_| read())?;
        sections.ok_or_else(|| {
            Error::new(
                Reason::NoCheckpoint,
                format!(
                    "there is no checkpoint in {}; name the folder of a migration",
                    folder.display()
                ),
            )
        })
    }

    /// Who owns the migration in this folder, if anybody does: for messages.
    pub fn owner(folder: &Path) -> Option<String> {
        let options = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).clone();
        let file = options.open(folder.join(OWNER)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder(&file)),
            _ => None,
        }
    }

    /// Forgets what was saved: the folder is as if no migration had ever been in it.
    pub fn clear(&self) -> Result<()> {
        // In this order, so that what an interruption leaves is still the last state.
        for slot in [1, 0] {
            let path = self.folder.join(slot_name(slot));
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io(path.display(), &error));
                }
                _ => self.sync_folder()?,
            }
        }
        Ok(())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn sync_folder(&self) -> Result<()> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| Error::io(self.folder.display(), &error))
    }
}

fn slot_name(slot: usize) -> &'static str {
    ["checkpoint.0", "checkpoint.1"][slot]
}

/// Opens a file of the folder, made for its owner only, never through a symbolic link.
fn open_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(|error| Error::io(path.display(), &error))
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    let io = |error: std::io::Error| Error::io(path.display(), &error);
    let opened =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io)?,
    };
    if !file.metadata().map_err(io)?.is_file() {
        return Err(Error::new(
            Reason::CheckpointDamaged,
            format!("{} is no file; restore it", path.display()),
        ));
    }
    let mut bytes = Vec::new();
    file.take(SLOT_LENGTH_MAX as u64).read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}

/// Locks the folder's lock file and writes this process into it.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(OWNER);
    let io = |error: std::io::Error| Error::io(path.display(), &error);
    let file = open_file(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(io(error)),
        Err(TryLockError::WouldBlock) => {
            return Err(Error::new(
                Reason::CheckpointInUse,
                format!(
                    "the migration in {} is owned by {}; let it end, or stop it",
                    folder.display(),
                    holder(&file)
                ),
            ));
        }
    }
    file.set_len(0).map_err(io)?;
    (&file).write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(io)?;
    Ok(file)
}

/// Who holds the lock, as the lock file says: for messages only.
fn holder(file: &File) -> String {
    let mut text = [0; 16];
    let length = file.read_at(&mut text, 0).unwrap_or(0);
    let pid = String::from_utf8_lossy(&text[..length]).trim().parse::<u32>();
    let Ok(pid) = pid else { return "another process".into() };
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(program) => format!("process {pid} ({})", program.trim().escape_default()),
        Err(_) => format!("process {pid}"),
    }
}

impl CheckpointStore for FileStore {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        read_file(&self.folder.join(slot_name(slot)))
    }

    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(slot_name(slot));
        // It is there, and its name durable, since it was written whole: it is not made anew without its tail.
        let mut options = OpenOptions::new();
        let opened = options.write(true).custom_flags(libc::O_NOFOLLOW).open(&path);
        opened
            .and_then(|file| file.write_all_at(bytes, 0).and_then(|()| file.sync_data()))
            .map_err(|error| Error::io(path.display(), &error))
    }

    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(slot_name(slot));
        let is_new = !path.exists();
        let file = open_file(&path)?;
        file.write_all_at(bytes, 0)
            .and_then(|()| file.set_len(bytes.len() as u64))
            .and_then(|()| file.sync_all())
            .map_err(|error| Error::io(path.display(), &error))?;
        if is_new { self.sync_folder() } else { Ok(()) }
    }

    fn location(&self) -> String {
        self.folder.display().to_string()
    }
}
