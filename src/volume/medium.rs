//! The medium that holds an image's bytes: a file, or a block device, read and written through the system's caches or
//! past them.
//!
//! A device has no length among its attributes; where it ends is where its last byte is found. It is told from others
//! by its number, whatever name it was opened by.

use super::Access;
use super::direct::{self, Direct};
use crate::error::{Error, Reason, Result};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Which way the bytes of an image go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caches {
    /// Through the system's caches.
    Used,
    /// Past every cache of this machine, because other machines write too.
    Passed,
}

/// An open file or device, read and written by its offsets.
#[derive(Debug)]
pub(super) struct Medium {
    file: File,
    direct: Option<Direct>,
}

impl Medium {
    /// Opens a file or a device. It may be a symbolic link.
    ///
    /// Errors: [`Reason::NotAnImage`] and [`Reason::UnsupportedImage`] for what cannot hold an image,
    /// [`Reason::ReadOnlyVolume`], [`Reason::NotDirect`].
    pub fn open(path: &Path, access: Access, caches: Caches) -> Result<Medium> {
        let io = |e: io::Error| Error::io(path.display(), &e);
        // Looked at before it is opened, because opening a device or a pipe may do something or never return.
        check_kind(path, &std::fs::metadata(path).map_err(io)?.file_type())?;
        let past = match caches {
            Caches::Used => 0,
            Caches::Passed => direct::open_flag(path)?,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(access != Access::Read)
            .custom_flags(libc::O_NONBLOCK | past)
            .open(path)
            .map_err(|error| match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                    if access != Access::Read =>
                {
                    Error::new(
                        Reason::ReadOnlyVolume,
                        format!("{} cannot be opened for writing: {error}", path.display()),
                    )
                }
                ErrorKind::InvalidInput if caches == Caches::Passed => direct::no_way(path),
                _ => io(error),
            })?;
        check_kind(path, &file.metadata().map_err(io)?.file_type())?;
        let direct = match caches {
            Caches::Used => None,
            Caches::Passed => Some(Direct::of(&file, path)?),
        };
        Ok(Medium { file, direct })
    }

    /// The open file itself, for its locks.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// How many bytes it has now.
    pub fn size(&self) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        if metadata.file_type().is_block_device() {
            // Nobody goes by the position that this moves: everything is read and written by offsets.
            return (&self.file).seek(SeekFrom::End(0));
        }
        Ok(metadata.len())
    }

    pub fn is_device(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.file_type().is_block_device())
    }

    pub fn is_past_caches(&self) -> bool {
        self.direct.is_some()
    }

    /// Makes durable what anybody on this machine has written to it.
    pub fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl From<File> for Medium {
    /// A file that was opened through the caches.
    fn from(file: File) -> Medium {
        Medium { file, direct: None }
    }
}

impl FileExt for Medium {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.direct {
            None => self.file.read_at(buffer, offset),
            Some(direct) => direct.read_at(&self.file, buffer, offset),
        }
    }
    fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize> {
        match &self.direct {
            None => self.file.write_at(buffer, offset),
            Some(direct) => direct.write_at(&self.file, buffer, offset),
        }
    }
}

/// The number of a block device; none for a file.
pub(super) fn device_number(metadata: &Metadata) -> Option<u64> {
    metadata.file_type().is_block_device().then(|| metadata.rdev())
}

/// Whether both are one file, or names of one device.
pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
        || device_number(one).is_some_and(|number| device_number(other) == Some(number))
}

fn check_kind(path: &Path, kind: &std::fs::FileType) -> Result<()> {
    if kind.is_file() || kind.is_block_device() {
        return Ok(());
    }
    let (reason, what) = if kind.is_dir() {
        (Reason::NotAnImage, "a folder")
    } else if kind.is_char_device() {
        (Reason::UnsupportedImage, "a device that is read as a stream")
    } else {
        (Reason::NotAnImage, "a pipe or socket")
    };
    Err(Error::new(
        reason,
        format!(
            "{} is {what}; give the regular file, or the block device, of a volume image",
            path.display()
        ),
    ))
}
