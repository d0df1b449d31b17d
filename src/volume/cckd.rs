//! Compressed CCKD images, `CKD_C370` (FORMATS 2.3), read only.
//!
//! | offset | what |
//! |---|---|
//! | 0 | device header |
//! | 512 | compressed header: options, sizes of the tables, cylinders, form of tracks without data |
//! | 1,024 | L1: for each 256 tracks the offset of an L2, 0 if all of them are without data |
//! | | L2s: for each track offset, length and reserved length; offset 0 if it is without data |
//! | | tracks: home address, whose first byte says how the rest is compressed, and the rest |
//!
//! Numbers are little-endian. Everything is input from outside: tables must lie inside the file, a track must be where
//! its table says and be itself, and it must decompress to exactly one track image that fits into a slot. What of this
//! concerns one track is checked when the track is read, so that a damaged track leaves the others readable.
//!
//! Tracks move about inside such a file while it is written. So an image is refused that somebody has open for writing
//! or that was not closed properly, and a read is in vain if the compressed header (in which a writer says so before
//! it writes) is not what it was at opening.

use super::ckd::label_of;
use super::header::{HEADER_SIZE, ImageFile, Kind, bad, le32};
use super::locks::{Locks, NOBODY};
use super::medium::{Caches, Medium};
use super::{Access, Held, Lock, Volume, VolumeExt, run};
use crate::bytes::array;
use crate::error::{Error, Reason, Result};
use crate::geometry::{Geometry, Track};
use crate::name::Volser;
use crate::track::{self, NullFormat, Place};
use std::fmt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where the L1 table begins.
const L1_OFFSET: u64 = 2 * HEADER_SIZE;
/// Tracks of an L2, and bytes of one entry.
const L2_ENTRIES: u32 = 256;
const L2_ENTRY_SIZE: usize = 8;
/// What nobody can do here, and what to do instead.
const READ_ONLY: &str =
    "a compressed image can only be read; make a plain image of it with `dasdcopy -lfs -o CKD`";

/// A compressed CCKD image.
#[derive(Debug)]
pub struct CckdVolume {
    path: PathBuf,
    medium: Medium,
    volser: Volser,
    geometry: Geometry,
    /// The compressed header at opening.
    header: [u8; HEADER_SIZE as usize],
    /// The end of what the header says belongs to the image.
    end: u64,
    /// The offset of each L2.
    l1: Vec<u32>,
    null_format: NullFormat,
    locks: Locks,
}

/// Where a track is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Null(NullFormat),
    Stored { offset: u64, length: usize },
}

impl CckdVolume {
    /// Opens an image; the access must be [`Access::Read`].
    ///
    /// Errors: as of [`CkdVolume::open`](super::ckd::CkdVolume::open), and [`Reason::ImageOpen`],
    /// [`Reason::DamagedImage`].
    pub fn open(path: &Path, access: Access) -> Result<CckdVolume> {
        CckdVolume::from_image(ImageFile::open(path, access, Caches::Used)?, access)
    }

    pub(super) fn from_image(image: ImageFile, access: Access) -> Result<CckdVolume> {
        let ImageFile { path, medium, header } = &image;
        if header.kind != Kind::Compressed {
            let why = "a plain image, where a compressed one is expected";
            return Err(bad(Reason::UnsupportedImage, path, 0, why));
        }
        if access != Access::Read {
            let why = format!("{}: {READ_ONLY}", path.display());
            return Err(Error::new(Reason::ReadOnlyVolume, why));
        }
        for (offset, value) in [(17, header.file_number.into()), (18, header.last_cylinder)] {
            if value != 0 {
                let why = format!("{value}, but a compressed image has only one file");
                return Err(bad(Reason::BadHeader, path, offset, why));
            }
        }
        let locks = Locks::take(medium.file(), path, access, NOBODY)?;
        locks.refuse_other_writers(
            "a compressed image cannot be read while it may be written: detach the volume there",
        )?;
        let compressed = read_header(medium, path)?;
        let cylinders = check_header(&compressed, &image)?;
        let geometry =
            Geometry { device: header.device(cylinders)?, cylinders, slot_size: header.slot_size };
        let l1 = read_l1(medium, path, &geometry)?;
        let mut volume = CckdVolume {
            volser: Volser::from_bytes([0x40; 6]),
            geometry,
            header: compressed,
            end: le32(&compressed, 12).into(),
            l1,
            null_format: NullFormat::from_number(compressed[44]).unwrap_or(NullFormat::Empty),
            locks,
            path: image.path,
            medium: image.medium,
        };
        let mut track_0 = vec![0; volume.slot_size()];
        volume.read_tracks(Track(0), &mut track_0)?;
        volume.volser = label_of(&track_0, &volume.path, &geometry)?.volser();
        Ok(volume)
    }

    /// Reads a run that lies on the volume. The errors name no volume.
    fn read_tracks(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        let mut stored = Vec::new();
        let mut unpacker = Unpacker::default();
        let mut l2: Option<(u32, Vec<u8>)> = None;
        for (count, slot) in (0u32..).zip(buffer.chunks_exact_mut(self.slot_size())) {
            let track = first.plus(count);
            let group = track.0 / L2_ENTRIES;
            if l2.as_ref().is_none_or(|(present, _)| *present != group) {
                l2 = Some((group, self.read_l2(track)?));
            }
            let table = l2.as_ref().map_or(&[][..], |(_, table)| table);
            match self.entry(table, track)? {
                Entry::Null(format) if format.length() > slot.len() => {
                    return Err(self.damaged(
                        track,
                        0,
                        format!("a track of form {format:?} is longer than its slot"),
                    ));
                }
                Entry::Null(format) => format.write(slot, self.place(track)),
                Entry::Stored { offset, length } => {
                    stored.resize(length, 0);
                    self.read_at(track, offset, &mut stored)?;
                    unpacker
                        .unpack(&stored, slot, self.place(track))
                        .map_err(|why| self.damaged(track, offset, why))?;
                }
            }
        }
        Ok(())
    }

    /// The L2 of a track; empty if all its tracks are without data.
    fn read_l2(&self, track: Track) -> Result<Vec<u8>> {
        let group = (track.0 / L2_ENTRIES) as usize;
        // L1 has an entry for every track of the volume: it was checked.
        let offset = u64::from(self.l1.get(group).copied().unwrap_or(0));
        if offset == 0 {
            return Ok(Vec::new());
        }
        let mut table = vec![0; L2_ENTRIES as usize * L2_ENTRY_SIZE];
        if offset < self.tables_end() || offset + table.len() as u64 > self.end {
            let place = L1_OFFSET + 4 * group as u64;
            let why = format!(
                "the L1 table has offset {offset} for an L2 table, which is not between {} and the end at {}",
                self.tables_end(),
                self.end
            );
            return Err(self.damaged(track, place, why));
        }
        self.read_at(track, offset, &mut table)?;
        Ok(table)
    }

    fn tables_end(&self) -> u64 {
        L1_OFFSET + 4 * self.l1.len() as u64
    }

    /// What an L2 says of a track.
    fn entry(&self, l2: &[u8], track: Track) -> Result<Entry> {
        let index = (track.0 % L2_ENTRIES) as usize * L2_ENTRY_SIZE;
        let Some(entry) = l2.get(index..index + L2_ENTRY_SIZE) else {
            return Ok(Entry::Null(self.null_format));
        };
        let le16 = |offset| u16::from_le_bytes(array(entry, offset));
        let (offset, length, size) = (u64::from(le32(entry, 0)), le16(4), le16(6));
        if offset == 0 {
            let stated = u8::try_from(length).ok().and_then(NullFormat::from_number);
            return Ok(Entry::Null(match (stated, self.null_format) {
                (Some(NullFormat::EndOfFile), NullFormat::Linux) | (None, _) => self.null_format,
                (Some(format), _) => format,
            }));
        }
        let why = if length < 5 || length > size {
            format!("an L2 entry has length {length} in {size} reserved bytes")
        } else if offset < self.tables_end() || offset + u64::from(length) > self.end {
            format!(
                "an L2 entry has offset {offset} and length {length}, which is not between {} and the end at {}",
                self.tables_end(),
                self.end
            )
        } else {
            return Ok(Entry::Stored { offset, length: length.into() });
        };
        let group = (track.0 / L2_ENTRIES) as usize;
        let table = u64::from(self.l1.get(group).copied().unwrap_or(0));
        Err(self.damaged(track, table + index as u64, why))
    }

    fn read_at(&self, track: Track, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.medium.read_exact_at(buffer, offset).map_err(|error| {
            let what =
                format!("reading {}, offset {offset}, {} bytes", self.path.display(), buffer.len());
            Error::io(what, &error).at_track(track, self.geometry.heads())
        })
    }

    fn damaged(&self, track: Track, offset: u64, why: impl fmt::Display) -> Error {
        let why = format!("{why}; let `cckdcdsk -3` repair a copy of the image, or restore it");
        bad(Reason::DamagedImage, &self.path, offset, why).at_track(track, self.geometry.heads())
    }

    /// That nobody has begun to write the image since it was opened.
    fn check_unchanged(&self) -> Result<()> {
        if read_header(&self.medium, &self.path)? == self.header {
            return Ok(());
        }
        let why =
            "the image was opened for writing while it was read; detach it there, and start again";
        Err(bad(Reason::ImageOpen, &self.path, HEADER_SIZE, why))
    }
}

fn read_header(medium: &Medium, path: &Path) -> Result<[u8; HEADER_SIZE as usize]> {
    let mut header = [0; HEADER_SIZE as usize];
    medium.read_exact_at(&mut header, HEADER_SIZE).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            bad(Reason::BadSize, path, HEADER_SIZE, "the file ends inside the compressed header")
        }
        _ => Error::io(path.display(), &error),
    })?;
    Ok(header)
}

/// Checks what can be checked of the compressed header alone, and gives the cylinders.
fn check_header(compressed: &[u8; HEADER_SIZE as usize], image: &ImageFile) -> Result<u32> {
    let refuse =
        |reason, offset: u64, why: String| Err(bad(reason, &image.path, HEADER_SIZE + offset, why));
    let options = compressed[3];
    if options & 0x02 != 0 {
        let why = format!(
            "options X'{options:02X}' say that its numbers are big-endian, as very old tools wrote them; convert \
             it with `cckdswap`"
        );
        return refuse(Reason::UnsupportedImage, 3, why);
    }
    if options & 0x80 != 0 {
        let why = format!(
            "options X'{options:02X}' say that the image is open for writing; detach the volume, or, if its \
             emulator died, let `cckdcdsk -3` check a copy of it"
        );
        return refuse(Reason::ImageOpen, 3, why);
    }
    let l2_entries = le32(compressed, 8);
    if l2_entries != L2_ENTRIES {
        let why = format!("{l2_entries} entries in an L2 table instead of {L2_ENTRIES}");
        return refuse(Reason::BadHeader, 8, why);
    }
    let cylinders = le32(compressed, 40);
    let cylinders_max = 1 << 16;
    if !(1..=cylinders_max).contains(&cylinders) {
        let why = format!("{cylinders} cylinders, not 1 to {cylinders_max}");
        return refuse(Reason::BadHeader, 40, why);
    }
    let l1_entries = le32(compressed, 4);
    let groups = (cylinders * u32::from(image.header.heads)).div_ceil(L2_ENTRIES);
    if l1_entries != groups {
        let why = format!(
            "{l1_entries} entries in the L1 table, but {cylinders} cylinders need {groups}"
        );
        return refuse(Reason::BadHeader, 4, why);
    }
    if NullFormat::from_number(compressed[44]).is_none() {
        let why = format!("{} is no form of tracks without data", compressed[44]);
        return refuse(Reason::BadHeader, 44, why);
    }
    if compressed[45] > 2 {
        let why = format!("{} is no method of compression", compressed[45]);
        return refuse(Reason::BadHeader, 45, why);
    }
    let (end, size) = (u64::from(le32(compressed, 12)), image.size()?);
    if end > size || end < L1_OFFSET + 4 * u64::from(l1_entries) {
        let why = format!(
            "the header says that the image has {end} bytes, but the file has {size}; copy it again"
        );
        return refuse(Reason::BadSize, 12, why);
    }
    Ok(cylinders)
}

/// Reads the L1 table, which lies inside the file and has an entry for each 256 tracks.
fn read_l1(medium: &Medium, path: &Path, geometry: &Geometry) -> Result<Vec<u32>> {
    let mut table = vec![0; geometry.track_count().div_ceil(L2_ENTRIES) as usize * 4];
    medium.read_exact_at(&mut table, L1_OFFSET).map_err(|e| Error::io(path.display(), &e))?;
    Ok(table.chunks_exact(4).map(|entry| le32(entry, 0)).collect())
}

/// An error is what is wrong with a stored track; its reader knows where it is.
type Unpacked<T> = std::result::Result<T, String>;

/// Makes track images of stored tracks. What it needs is made once for a run.
#[derive(Default)]
struct Unpacker {
    zlib: Option<flate2::Decompress>,
}

impl Unpacker {
    /// Unpacks a stored track (at least 5 bytes) into a slot.
    fn unpack(&mut self, stored: &[u8], slot: &mut [u8], place: Place) -> Unpacked<()> {
        let (home_address, packed) = stored.split_at(5);
        if home_address[1..] != place.cchh() {
            return Err(format!(
                "the stored track is X'{:08X}', not X'{:08X}'",
                u32::from_be_bytes(array(home_address, 1)),
                u32::from_be_bytes(place.cchh())
            ));
        }
        let (head, rest) = slot.split_at_mut(5);
        head[0] = 0;
        head[1..].copy_from_slice(&home_address[1..]);
        let length = match home_address[0] {
            0 => copy(packed, rest),
            1 => self.inflate(packed, rest),
            2 => bunzip2(packed, rest),
            other => Err(format!("X'{other:02X}' is no method of compression")),
        }?;
        rest[length..].fill(0);
        let image = &slot[..5 + length];
        match track::check(image, place) {
            Ok(summary) if summary.length == image.len() => Ok(()),
            Ok(summary) => Err(format!(
                "the stored track has {} bytes, but its image ends after {}",
                image.len(),
                summary.length
            )),
            Err(error) => Err(error.sentence().to_owned()),
        }
    }

    fn inflate(&mut self, packed: &[u8], to: &mut [u8]) -> Unpacked<usize> {
        let zlib = self.zlib.get_or_insert_with(|| flate2::Decompress::new(true));
        zlib.reset(true);
        match zlib.decompress(packed, to, flate2::FlushDecompress::Finish) {
            // Not more than the slice that it was put into.
            Ok(flate2::Status::StreamEnd) => Ok(zlib.total_out() as usize),
            Ok(_) => Err(unfinished(zlib.total_out(), to)),
            Err(error) => Err(format!("zlib: {error}")),
        }
    }
}

fn copy(stored: &[u8], to: &mut [u8]) -> Unpacked<usize> {
    let Some(to) = to.get_mut(..stored.len()) else {
        return Err("the stored track is longer than its slot".into());
    };
    to.copy_from_slice(stored);
    Ok(stored.len())
}

fn bunzip2(packed: &[u8], to: &mut [u8]) -> Unpacked<usize> {
    let mut bzip2 = bzip2::Decompress::new(false);
    match bzip2.decompress(packed, to) {
        Ok(bzip2::Status::StreamEnd) => Ok(bzip2.total_out() as usize),
        Ok(_) => Err(unfinished(bzip2.total_out(), to)),
        Err(error) => Err(format!("bzip2: {error}")),
    }
}

fn unfinished(length: u64, to: &[u8]) -> String {
    if length == to.len() as u64 {
        "the compressed track is longer than its slot".into()
    } else {
        format!("the compressed track ends early, after {length} bytes of its image")
    }
}

impl Volume for CckdVolume {
    fn volser(&self) -> Volser {
        self.volser
    }
    fn geometry(&self) -> Geometry {
        self.geometry
    }
    fn location(&self) -> String {
        self.path.display().to_string()
    }
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
    fn is_writable(&self) -> bool {
        false
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        run(self, first, buffer.len())?;
        // A change explains a track that does not check, so it is looked for after the reading, and told first.
        let read = self.read_tracks(first, buffer);
        self.check_unchanged().and(read).map_err(|error| error.on_volume(self.volser))
    }
    fn write(&self, first: Track, _: &[u8]) -> Result<()> {
        let why = format!("{}: {READ_ONLY}", self.path.display());
        Err(self.locate(Error::new(Reason::ReadOnlyVolume, why), first))
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        match self.locks.wait(lock) {
            Ok(held) => Ok(Box::new(held)),
            Err(error) => Err(error.on_volume(self.volser)),
        }
    }
}
