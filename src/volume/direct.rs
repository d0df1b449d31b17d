//! Reading and writing past every cache of this machine.
//!
//! The problem: other machines write a volume too, through paths of their own (a disk that several are attached to, a
//! server's files). What this machine read once stays in its caches, and nobody tells it that it is old. A copier that
//! was told of a change on another machine would read the old track again, and take it for the new one. The rule: such
//! a volume is opened with `O_DIRECT`. Every read then comes from the medium, and what programs of this machine wrote
//! through its caches is brought there before. A write is on the medium when it ends (what the medium itself still
//! caches, [`flush`](super::Volume::flush) makes durable).
//!
//! * Offsets, lengths and memory must be aligned as the medium wants it. An image has a header of 512 bytes, and slots
//!   of multiples of 512, so everything lies on multiples of 512 and on no larger ones. A medium that wants more is
//!   refused: writing a track would mean to write back neighbours' bytes that another machine may just have changed.
//!   The system is asked for the alignment; where it does not know, as with network file systems, the header is read so.
//! * Programs' buffers are rarely aligned. What is not goes through an aligned buffer as long as the run, so that a run
//!   stays one operation of the system. As many of these are kept as were in use at the same time.
//! * A file system may accept such an opening and use its caches nevertheless (ext4 does when it keeps a journal of
//!   data). As far as it tells, it is refused.
//! * At a file's end that is not at a multiple of 512 a read ends in the middle of a sector. What is there of that
//!   sector does not count, so that the next attempt begins at a multiple and sees the end.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

use crate::error::{Error, Reason, Result};
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What everything in an image is a multiple of, and so the largest alignment that a medium may want.
pub(super) const SECTOR: usize = 512;
/// The alignment of our own buffers in memory: no system wants more than a page.
const PAGE: usize = 4096;
/// A longer buffer is not kept.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// What a medium wants, as the system tells it. Zero as `offset`: it has no way past the caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alignment {
    memory: usize,
    offset: usize,
}

/// How an open file is read and written past the caches.
#[derive(Debug)]
pub(super) struct Direct {
    /// The alignment that suffices for memory.
    memory: usize,
    spare: Mutex<Vec<AlignedBuffer>>,
}

impl Direct {
    /// For a file that was opened with [`open_flag`].
    ///
    /// Error: [`Reason::NotDirect`] if the system knows that it cannot be, or not by sectors of 512 bytes.
    pub fn of(file: &File, path: &Path) -> Result<Direct> {
        let told = system::alignment(file);
        let memory = match told {
            None => PAGE,
            Some(Alignment { offset: 0, .. }) => return Err(no_way(path)),
            Some(Alignment { offset, .. }) if offset > SECTOR => {
                return Err(too_coarse(path, Some(offset)));
            }
            Some(Alignment { memory, .. }) => memory.clamp(1, PAGE),
        };
        Ok(Direct { memory, spare: Mutex::default() })
    }

    /// Reads once, as the system's call does; whole sectors only.
    pub fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.is_aligned(buffer) {
            return file.read_at(buffer, offset).map(whole_sectors);
        }
        self.with_aligned(buffer.len(), |aligned| {
            let count = whole_sectors(file.read_at(aligned, offset)?);
            buffer[..count].copy_from_slice(&aligned[..count]);
            Ok(count)
        })
    }

    /// Writes once, as the system's call does; whole sectors only.
    pub fn write_at(&self, file: &File, buffer: &[u8], offset: u64) -> io::Result<usize> {
        if self.is_aligned(buffer) {
            return file.write_at(buffer, offset).map(whole_sectors);
        }
        self.with_aligned(buffer.len(), |aligned| {
            aligned.copy_from_slice(buffer);
            file.write_at(aligned, offset).map(whole_sectors)
        })
    }

    fn is_aligned(&self, buffer: &[u8]) -> bool {
        buffer.as_ptr().addr().is_multiple_of(self.memory)
    }

    fn with_aligned<T>(&self, length: usize, work: impl FnOnce(&mut [u8]) -> T) -> T {
        let spare = self.spare.lock().pop().filter(|spare| spare.length() >= length);
        let mut buffer = spare.unwrap_or_else(|| AlignedBuffer::new(length));
        let result = work(&mut buffer.bytes()[..length]);
        if buffer.length() <= KEPT_BYTES_MAX {
            self.spare.lock().push(buffer);
        }
        result
    }
}

fn whole_sectors(count: usize) -> usize {
    count - count % SECTOR
}

/// Memory that begins at a multiple of a page.
struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    fn new(length: usize) -> AlignedBuffer {
        let memory = vec![0; length + PAGE - 1];
        // It is never made longer, so it stays where it is.
        let start = memory.as_ptr().addr().wrapping_neg() % PAGE;
        AlignedBuffer { memory, start }
    }

    fn length(&self) -> usize {
        self.memory.len() - (PAGE - 1)
    }

    fn bytes(&mut self) -> &mut [u8] {
        let end = self.start + self.length();
        &mut self.memory[self.start..end]
    }
}

impl std::fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.length())
    }
}

/// The flag of an opening past the caches.
///
/// Error: [`Reason::NotDirect`] if this system has none.
#[cfg_attr(target_os = "linux", allow(clippy::unnecessary_wraps, unused_variables))]
pub(super) fn open_flag(path: &Path) -> Result<i32> {
    #[cfg(target_os = "linux")]
    return Ok(libc::O_DIRECT);
    #[cfg(not(target_os = "linux"))]
    Err(no_way(path))
}

/// That a medium cannot be read past the caches.
pub(super) fn no_way(path: &Path) -> Error {
    refused(
        path,
        "its file system has no reading past this machine's caches (O_DIRECT); put the image on a block device, or on a \
         file system that has it",
    )
}

/// That a medium is read and written only in larger pieces; of how many bytes, if that is known.
pub(super) fn too_coarse(path: &Path, alignment: Option<usize>) -> Error {
    let sectors = alignment
        .map_or_else(|| "larger sectors".into(), |bytes| format!("sectors of {bytes} bytes"));
    refused(
        path,
        &format!(
            "past this machine's caches it is read and written only in {sectors}, but tracks lie on multiples of \
             {SECTOR}; put the image on a device with sectors of {SECTOR} bytes"
        ),
    )
}

/// That what other machines write could not be seen here, and so no image on another machine may write it.
pub(super) fn refused(path: &Path, why: &str) -> Error {
    let what = "a volume that other machines write cannot be read here as they left it";
    Error::new(Reason::NotDirect, format!("{}: {why} ({what})", path.display()))
}

/// What the system tells of a header that could not be read for its alignment.
pub(super) fn refuse_header(file: &File, path: &Path) -> Error {
    too_coarse(path, system::sector_size(file))
}

#[cfg(target_os = "linux")]
mod system {
    use super::super::medium::device_number;
    use super::Alignment;
    use std::fs::{self, File};
    use std::mem::MaybeUninit;
    use std::os::fd::AsRawFd;

    /// What the medium wants, if the system knows it: kernels before 6.1 and most network file systems do not.
    pub fn alignment(file: &File) -> Option<Alignment> {
        let mut status = MaybeUninit::<libc::statx>::zeroed();
        // SAFETY: the descriptor is open as long as `file` is borrowed, the path is an empty C string that lives for
        // ever, and the call writes only to the struct that the pointer leads to, which lives until it returns.
        let result = unsafe {
            libc::statx(
                file.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_EMPTY_PATH,
                libc::STATX_DIOALIGN,
                status.as_mut_ptr(),
            )
        };
        if result != 0 {
            return None;
        }
        // SAFETY: it was made of zeros, which is a value of this struct of numbers, and the call has filled it.
        let status = unsafe { status.assume_init() };
        (status.stx_mask & libc::STATX_DIOALIGN != 0).then_some(Alignment {
            memory: status.stx_dio_mem_align as usize,
            offset: status.stx_dio_offset_align as usize,
        })
    }

    /// The bytes of a block device's sector, as older kernels tell them too.
    pub fn sector_size(file: &File) -> Option<usize> {
        let number = device_number(&file.metadata().ok()?)?;
        let device = format!("/sys/dev/block/{}:{}", libc::major(number), libc::minor(number));
        // A partition's are told where its disk is.
        ["queue", "../queue"].iter().find_map(|queue| {
            let size = fs::read_to_string(format!("{device}/{queue}/logical_block_size"));
            size.ok()?.trim().parse().ok()
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Alignment;
    use std::fs::File;

    pub fn alignment(_: &File) -> Option<Alignment> {
        None
    }

    pub fn sector_size(_: &File) -> Option<usize> {
        None
    }
}
