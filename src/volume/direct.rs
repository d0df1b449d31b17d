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
//!   data). As far as it tells, it is refused. One that does not tell and that only this machine has mounted does no harm:
//!   whoever reaches its files from elsewhere does it through this machine, and its caches.
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::fs::OpenOptionsExt;

    /// As a medium that wants memory aligned to `memory` bytes.
    fn wants(memory: usize) -> Direct {
        Direct { memory, spare: Mutex::default() }
    }

    fn address(buffer: &[u8]) -> usize {
        buffer.as_ptr().addr()
    }

    #[test]
    fn buffers_begin_at_pages_and_are_as_long_as_asked() {
        for length in [0, 1, 512, 4095, 4096, 57_344] {
            let mut buffers: Vec<_> = (0..5).map(|_| AlignedBuffer::new(length)).collect();
            for buffer in &mut buffers {
                assert_eq!(buffer.length(), length);
                assert_eq!(buffer.bytes().len(), length);
                assert!(address(buffer.bytes()).is_multiple_of(PAGE));
                buffer.bytes().fill(0xA5);
            }
        }
    }

    #[test]
    fn as_many_buffers_are_kept_as_were_in_use_and_no_very_long_one() {
        let direct = wants(512);
        let first = direct.with_aligned(2048, |one| {
            direct.with_aligned(1024, |two| assert_ne!(address(one), address(two)));
            address(one)
        });
        assert_eq!(direct.spare.lock().len(), 2);
        direct.with_aligned(1536, |again| {
            assert_eq!((again.len(), address(again)), (1536, first), "the longer one serves");
        });
        direct.with_aligned(4096, |longer| assert_eq!(longer.len(), 4096));
        assert_eq!(direct.spare.lock().len(), 2, "it took the place of one that was too short");
        direct.with_aligned(KEPT_BYTES_MAX + 512, |_| ());
        assert_eq!(direct.spare.lock().len(), 1);
    }

    #[test]
    fn only_what_is_not_aligned_goes_through_a_buffer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, (0..=255).cycle().take(4096).collect::<Vec<u8>>()).unwrap();
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let direct = wants(512);
        let mut own = AlignedBuffer::new(2048);
        assert_eq!(direct.read_at(&file, &mut own.bytes()[512..1536], 512).unwrap(), 1024);
        assert_eq!(direct.write_at(&file, &own.bytes()[512..1024], 0).unwrap(), 512);
        assert!(direct.spare.lock().is_empty());
        let mut other = vec![0; 1025];
        let at = usize::from(address(&other).is_multiple_of(512));
        assert_eq!(direct.read_at(&file, &mut other[at..][..1024], 512).unwrap(), 1024);
        assert_eq!(other[at..][..1024], own.bytes()[512..1536]);
        assert_eq!(direct.spare.lock().len(), 1);
    }

    #[test]
    fn a_part_of_a_sector_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 1300]).unwrap();
        let file = File::open(&path).unwrap();
        for memory in [1, PAGE] {
            let mut bytes = AlignedBuffer::new(4096);
            // Aligned, and not.
            let bytes = &mut bytes.bytes()[8..2056];
            let direct = wants(memory);
            assert_eq!(direct.read_at(&file, bytes, 0).unwrap(), 1024);
            assert_eq!(direct.read_at(&file, bytes, 1024).unwrap(), 0);
            assert_eq!(direct.read_at(&file, bytes, 2048).unwrap(), 0);
        }
    }

    #[test]
    fn what_the_system_tells_of_a_file_is_what_works() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 4096]).unwrap();
        // Without a way past the caches it cannot be opened, or says so; where the system is silent, it is tried.
        let flags = open_flag(&path).unwrap();
        let Ok(file) = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(&path)
        else {
            return;
        };
        let result = Direct::of(&file, &path);
        match system::alignment(&file) {
            Some(Alignment { offset: 1..=SECTOR, memory }) => {
                assert!(memory.is_power_of_two());
                let mut bytes = [0; 1024 + 1];
                assert_eq!(result.unwrap().read_at(&file, &mut bytes[1..], 512).unwrap(), 1024);
                assert_eq!(bytes[1..], [7; 1024]);
            }
            None => assert!(result.is_ok()),
            Some(_) => assert_eq!(result.unwrap_err().reason(), Reason::NotDirect),
        }
        assert_eq!(system::sector_size(&file), None, "a file has no sectors");
    }

    #[test]
    fn a_header_that_cannot_be_read_so_is_refused_with_the_sectors_if_they_are_known() {
        let path = Path::new("/images/work01.ckd");
        for (alignment, words) in [(Some(4096), "sectors of 4096 bytes"), (None, "larger sectors")]
        {
            let error = too_coarse(path, alignment);
            assert_eq!(error.reason(), Reason::NotDirect);
            assert!(error.sentence().starts_with("/images/work01.ckd: "), "{error}");
            assert!(error.sentence().contains(words), "{error}");
        }
    }
}
