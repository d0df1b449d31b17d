//! Plain CKD images, `CKD_P370` and `CKD_P064` (FORMATS 2.1 and 2.2): a header of 512 bytes, then slot behind slot.
//!
//! Every number is the header's and the file's, none is taken from the device table: the slot size, and the cylinders,
//! which follow from the file's size and must be whole. An image may be split over up to 27 files; such a one is read
//! only. A run of tracks is one operation of the system (one for each file that it lies in).

use super::header::{HEADER_SIZE, Header, ImageFile, Kind, SLOT_SIZES, bad};
use super::label::Label;
use super::locks::{IsRegistered, Locks, NOBODY};
use super::medium::{Caches, Medium};
use super::{Access, Held, Lock, Volume, direct, run};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Geometry, Track};
use crate::name::Volser;
use crate::track::{self, NullFormat, Place};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The most files of one image.
const FILES_MAX: u8 = 27;
/// The file number that a tool leaves in an image that it is making.
const TRANSIENT: u8 = 0xFF;
/// The most cylinders of an image that is made here; emulators open no larger one.
const NEW_CYLINDERS_MAX: u32 = 65_535;

/// A plain CKD image.
#[derive(Debug)]
pub struct CkdVolume {
    files: Vec<Part>,
    volser: Volser,
    geometry: Geometry,
    access: Access,
    /// It was opened for this process alone, and is not any more.
    is_shared: AtomicBool,
    locks: Locks,
}

/// One file (or device) of an image, and the tracks that it holds.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    medium: Medium,
    tracks: Extent,
}

impl CkdVolume {
    /// Opens an image. If it has several files, this is the first one.
    ///
    /// Errors: [`Reason::NotAnImage`], [`Reason::UnsupportedImage`], [`Reason::BadHeader`],
    /// [`Reason::UnknownDevice`], [`Reason::BadSize`], [`Reason::NoLabel`], [`Reason::VolumeInUse`],
    /// [`Reason::ReadOnlyVolume`].
    pub fn open(path: &Path, access: Access) -> Result<CkdVolume> {
        CkdVolume::from_image(ImageFile::open(path, access, Caches::Used)?, access, NOBODY)
    }

    pub(super) fn from_image(
        image: ImageFile,
        access: Access,
        is_registered: IsRegistered,
    ) -> Result<CkdVolume> {
        if image.header.kind != Kind::Plain {
            let why = "a compressed image, where a plain one is expected";
            return Err(bad(Reason::UnsupportedImage, &image.path, 0, why));
        }
        let locks = Locks::take(image.medium.file(), &image.path, access, is_registered)?;
        CkdVolume::with_locks(image, access, locks)
    }

    fn with_locks(image: ImageFile, access: Access, locks: Locks) -> Result<CkdVolume> {
        let header = image.header;
        let (files, cylinders) = open_files(image)?;
        if access != Access::Read && files.len() > 1 {
            return Err(Error::new(
                Reason::UnsupportedImage,
                format!(
                    "{} is the first of {} files of one image, which can only be read; make one file of them with \
                     `dasdcopy -lfs`",
                    files[0].path.display(),
                    files.len()
                ),
            ));
        }
        check_past_caches(&header, &files)?;
        let geometry =
            Geometry { device: header.device(cylinders)?, cylinders, slot_size: header.slot_size };
        let volser = read_label(&files[0], &geometry)?.volser();
        let is_shared = AtomicBool::new(false);
        Ok(CkdVolume { files, volser, geometry, access, is_shared, locks })
    }

    /// Makes a new image in one file, and opens it: every track is empty, but track 0 has a label. The label's pointer
    /// to the VTOC is zero: there is none yet.
    ///
    /// The file is for its owner only, and sparse. Its header is written last, so that what a crash leaves is no image;
    /// what a failure leaves is removed.
    ///
    /// Errors: [`Reason::FileExists`], [`Reason::BadRequest`] for a geometry that no image can have.
    pub fn create(path: &Path, geometry: Geometry, volser: Volser) -> Result<CkdVolume> {
        check_new(&geometry)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => Error::new(
                    Reason::FileExists,
                    format!("{} exists; give another name, or remove it first", path.display()),
                ),
                _ => Error::io(path.display(), &error),
            })?;
        let made = Locks::take(&file, path, Access::Exclusive, NOBODY).and_then(|locks| {
            let header = fill(&file, path, &geometry, volser)?;
            let image = ImageFile { path: path.into(), medium: file.into(), header };
            CkdVolume::with_locks(image, Access::Exclusive, locks)
        });
        if made.is_err()
            && let Err(error) = std::fs::remove_file(path)
        {
            log::warn!("{} was not made, and could not be removed: {error}", path.display());
        }
        made
    }

    /// Reads or writes a run, piece by piece of the files; `step` does what it can of a range of the buffer at an
    /// offset, as the system's calls do.
    fn transfer(
        &self,
        extent: Extent,
        verb: &str,
        mut step: impl FnMut(&Medium, Range<usize>, u64) -> std::io::Result<usize>,
    ) -> Result<()> {
        let slot_size = u64::from(self.geometry.slot_size);
        for part in &self.files {
            let first = extent.first.max(part.tracks.first);
            let end = extent.end().min(part.tracks.end());
            if first >= end {
                continue;
            }
            // The buffer is in memory, so its offsets fit.
            let in_buffer = |track: Track| track.since(extent.first) as usize * slot_size as usize;
            let (mut at, stop) = (in_buffer(first), in_buffer(end));
            let mut offset = HEADER_SIZE + u64::from(first.since(part.tracks.first)) * slot_size;
            while at < stop {
                let error = match step(&part.medium, at..stop, offset) {
                    Ok(0) => {
                        let why = "the file ends here; it was cut after it was opened";
                        std::io::Error::new(ErrorKind::UnexpectedEof, why)
                    }
                    Ok(count) => {
                        at += count;
                        offset += count as u64;
                        continue;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => error,
                };
                let track = extent.first.plus((at as u64 / slot_size) as u32);
                let what = format!("{verb} {}, offset {offset}", part.path.display());
                return Err(Error::io(what, &error)
                    .at_track(track, self.geometry.heads())
                    .on_volume(self.volser));
            }
        }
        Ok(())
    }
}

/// That an image that is opened past the caches can be, as a whole.
fn check_past_caches(header: &Header, files: &[Part]) -> Result<()> {
    let first = &files[0];
    if !first.medium.is_past_caches() {
        return Ok(());
    }
    if files.len() > 1 {
        let why = format!(
            "the first of {} files of one image, which is read only through this machine's caches; make one file of \
             them with `dasdcopy -lfs`",
            files.len()
        );
        return Err(direct::refused(&first.path, &why));
    }
    let slot_size = header.slot_size;
    if !(slot_size as usize).is_multiple_of(direct::SECTOR) {
        let why = format!(
            "its tracks of {slot_size} bytes share sectors of {} bytes; make a new image with `dasdcopy`",
            direct::SECTOR
        );
        return Err(direct::refused(&first.path, &why));
    }
    Ok(())
}

/// The files of an image in order, and its cylinders.
fn open_files(first: ImageFile) -> Result<(Vec<Part>, u32)> {
    let (path_1, header_1) = (first.path.clone(), first.header);
    let (mut parts, mut cylinders_before, mut number) = (Vec::new(), 0u32, 1u8);
    let mut image = first;
    loop {
        check_number(&image, number)?;
        let cylinders = cylinders_of(&image, cylinders_before)?;
        let Header { heads, last_cylinder, file_number, .. } = image.header;
        let end = cylinders_before + cylinders;
        // Some tools number an only file 1, and give its cylinders instead of its last one.
        let counted = number == 1 && file_number == 1 && u32::from(last_cylinder) == cylinders;
        let is_last = last_cylinder == 0 || counted;
        if !is_last && u32::from(last_cylinder) != end - 1 {
            return Err(wrong_size(&image, cylinders_before));
        }
        let heads = u32::from(heads);
        let tracks = Extent::new(Track(cylinders_before * heads), cylinders * heads);
        parts.push(Part { path: image.path, medium: image.medium, tracks });
        if is_last {
            return Ok((parts, end));
        }
        (cylinders_before, number) = (end, number + 1);
        image = open_further(&path_1, header_1, number)?;
    }
}

fn check_number(image: &ImageFile, number: u8) -> Result<()> {
    let Header { file_number, last_cylinder, .. } = image.header;
    let only_yet_not_last = file_number == 0 && last_cylinder != 0;
    if file_number == TRANSIENT || file_number == number || number == 1 && file_number == 0 {
        if only_yet_not_last {
            let why = format!(
                "cylinder {last_cylinder} is the last one here, but there is no other file"
            );
            return Err(bad(Reason::BadHeader, &image.path, 18, why));
        }
        return Ok(());
    }
    let why = if number == 1 {
        format!("this is file {file_number} of an image of several files; give the first one")
    } else {
        format!("this is file {file_number}, where file {number} is expected")
    };
    Err(bad(Reason::BadHeader, &image.path, 17, why))
}

/// The cylinders in a file, from its size.
fn cylinders_of(image: &ImageFile, cylinders_before: u32) -> Result<u32> {
    let (size, cylinder_size) = (image.size()?, image.header.cylinder_size());
    let cylinders = size.saturating_sub(HEADER_SIZE) / cylinder_size;
    if cylinders == 0 || size != HEADER_SIZE + cylinders * cylinder_size {
        return Err(wrong_size(image, cylinders_before));
    }
    let cylinders_max = image.header.cylinders_max();
    if u64::from(cylinders_before) + cylinders > cylinders_max {
        let why = format!("{cylinders} cylinders, but no address reaches beyond {cylinders_max}");
        return Err(bad(Reason::BadSize, &image.path, size, why));
    }
    Ok(cylinders as u32)
}

/// The error for a file whose size fits neither whole cylinders nor its header.
fn wrong_size(image: &ImageFile, cylinders_before: u32) -> Error {
    let Header { heads, slot_size, last_cylinder, .. } = image.header;
    let size = match image.size() {
        Ok(size) => size,
        Err(error) => return error,
    };
    let cylinder_size = image.header.cylinder_size();
    let size_of = |cylinders: u64| HEADER_SIZE + cylinders * cylinder_size;
    let whole = size.saturating_sub(HEADER_SIZE) / cylinder_size;
    let stated = (u64::from(last_cylinder) + 1).saturating_sub(u64::from(cylinders_before));
    let expected = match (last_cylinder, whole) {
        (1.., _) => format!(
            "{} is expected, for cylinders {cylinders_before} to {last_cylinder} as the header says",
            size_of(stated)
        ),
        (0, 0) => format!("{} is expected for one cylinder", size_of(1)),
        (0, _) => format!(
            "{} is expected for {whole} cylinders, {} for {}",
            size_of(whole),
            size_of(whole + 1),
            whole + 1
        ),
    };
    let (what, advice) = if image.medium.is_device() {
        (
            "device",
            "make a device that ends with the image, as `losetup --sizelimit` does, or device-mapper",
        )
    } else {
        ("file", "copy the image again")
    };
    let why = format!(
        "the {what} ends here, which does not fit {heads} tracks of {slot_size} bytes in a cylinder: {expected}; \
         {advice}"
    );
    let track = size.saturating_sub(HEADER_SIZE) / u64::from(slot_size)
        + u64::from(cylinders_before) * u64::from(heads);
    bad(Reason::BadSize, &image.path, size, why)
        .at_track(u32::try_from(track).unwrap_or(u32::MAX), heads)
}

/// Opens file `number` of an image.
fn open_further(path_1: &Path, header_1: Header, number: u8) -> Result<ImageFile> {
    let of = |error: Error| {
        let file = format!("file {number} of the image that begins with {}", path_1.display());
        Error::new(error.reason(), format!("{file}: {}", error.sentence()))
    };
    let path = further_path(path_1, number).ok_or_else(|| {
        of(Error::new(Reason::BadHeader, format!("an image has at most {FILES_MAX} files")))
    })?;
    let image = ImageFile::open(&path, Access::Read, Caches::Used).map_err(of)?;
    let header = image.header;
    for (offset, same) in [
        (0, header.kind == header_1.kind),
        (12, header.slot_size == header_1.slot_size),
        (16, header.device_code == header_1.device_code),
    ] {
        if !same {
            let why =
                "the header differs from that of the first file; the files do not belong together";
            return Err(of(bad(Reason::BadHeader, &path, offset, why)));
        }
    }
    Ok(image)
}

/// The name of a further file: the character before the first period of the name, or the last one, is replaced by the
/// number, which goes on with letters.
fn further_path(path_1: &Path, number: u8) -> Option<PathBuf> {
    let mut name = path_1.file_name()?.as_bytes().to_vec();
    let end = name.iter().position(|&byte| byte == b'.').unwrap_or(name.len());
    *name.get_mut(end.checked_sub(1)?)? = match number {
        1..=9 => b'0' + number,
        10..=FILES_MAX => b'A' + number - 10,
        _ => return None,
    };
    Some(path_1.with_file_name(OsString::from_vec(name)))
}

fn read_label(first: &Part, geometry: &Geometry) -> Result<Label> {
    let mut track_0 = vec![0; geometry.slot_size as usize];
    first
        .medium
        .read_exact_at(&mut track_0, HEADER_SIZE)
        .map_err(|e| Error::io(first.path.display(), &e).at_track(0u32, geometry.heads()))?;
    label_of(&track_0, &first.path, geometry)
}

/// The label on the image of track 0; an error names the file.
pub(super) fn label_of(track_0: &[u8], path: &Path, geometry: &Geometry) -> Result<Label> {
    Label::find(track_0).map_err(|error| {
        Error::new(error.reason(), format!("{}: {}", path.display(), error.sentence()))
            .at_track(0u32, geometry.heads())
    })
}

fn check_new(geometry: &Geometry) -> Result<()> {
    let Geometry { device, cylinders, slot_size } = *geometry;
    let refuse = |why: String| Err(Error::new(Reason::BadRequest, why));
    if !(1..=NEW_CYLINDERS_MAX).contains(&cylinders) {
        return refuse(format!(
            "an image has 1 to {NEW_CYLINDERS_MAX} cylinders, not {cylinders}; emulators open no larger one"
        ));
    }
    if slot_size < device.slot_size() || !SLOT_SIZES.contains(&slot_size) {
        return refuse(format!(
            "a slot of {slot_size} bytes; a track of a {} needs {}",
            device.name,
            device.slot_size()
        ));
    }
    Ok(())
}

/// Writes the tracks of a new image, and then its header.
fn fill(file: &File, path: &Path, geometry: &Geometry, volser: Volser) -> Result<Header> {
    let io = |e: std::io::Error| Error::io(path.display(), &e);
    let slot_size = u64::from(geometry.slot_size);
    file.set_len(HEADER_SIZE + u64::from(geometry.track_count()) * slot_size).map_err(io)?;
    let mut track_0 = vec![0; geometry.slot_size as usize];
    build_label_track(&mut track_0, geometry, volser)?;
    file.write_all_at(&track_0, HEADER_SIZE).map_err(io)?;
    let mut image = [0; NullFormat::Empty.length()];
    for track in 1..geometry.track_count() {
        NullFormat::Empty.write(&mut image, Place::new(geometry, Track(track)));
        file.write_all_at(&image, HEADER_SIZE + u64::from(track) * slot_size).map_err(io)?;
    }
    file.sync_all().map_err(io)?;
    let header = Header::plain(geometry.device, geometry.slot_size);
    file.write_all_at(&header, 0).map_err(io)?;
    file.sync_all().map_err(io)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Header::parse(&header, path)
}

/// Track 0 of a new volume: IPL1 with a PSW that waits and a channel program that does nothing, IPL2, and the label.
fn build_label_track(slot: &mut [u8], geometry: &Geometry, volser: Volser) -> Result<()> {
    const IPL1: [u8; 4] = [0xC9, 0xD7, 0xD3, 0xF1];
    const IPL2: [u8; 4] = [0xC9, 0xD7, 0xD3, 0xF2];
    const VOL1: [u8; 4] = [0xE5, 0xD6, 0xD3, 0xF1];
    let mut ipl_1 = [0; 24];
    ipl_1[..8].copy_from_slice(&[0, 0x06, 0, 0, 0, 0, 0, 0x0F]);
    ipl_1[8..16].copy_from_slice(&[0x03, 0, 0, 0, 0, 0, 0, 0x01]);
    let label = Label::new(volser, [0; 5]);
    let records: [(&[u8], &[u8]); 3] =
        [(&IPL1, &ipl_1), (&IPL2, &[0; 144]), (&VOL1, label.as_bytes())];
    track::build(slot, Place::new(geometry, Track(0)), &records)
}

impl Volume for CkdVolume {
    fn volser(&self) -> Volser {
        self.volser
    }
    fn geometry(&self) -> Geometry {
        self.geometry
    }
    fn location(&self) -> String {
        self.files[0].path.display().to_string()
    }
    fn path(&self) -> Option<&Path> {
        Some(&self.files[0].path)
    }
    fn is_writable(&self) -> bool {
        self.access != Access::Read && !self.is_shared.load(Ordering::Relaxed)
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        let extent = run(self, first, buffer.len())?;
        self.transfer(extent, "reading", |medium, range, offset| {
            medium.read_at(&mut buffer[range], offset)
        })
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        if !self.is_writable() {
            let how =
                if self.access == Access::Read { "opened only for reading" } else { "given back" };
            let why = format!("{} was {how}", self.location());
            let heads = self.geometry.heads();
            return Err(Error::new(Reason::ReadOnlyVolume, why)
                .on_volume(self.volser)
                .at_track(first, heads));
        }
        let extent = run(self, first, buffer.len())?;
        self.transfer(extent, "writing", |medium, range, offset| {
            medium.write_at(&buffer[range], offset)
        })
    }
    fn is_past_caches(&self) -> bool {
        self.files.iter().all(|part| part.medium.is_past_caches())
    }
    /// Also what others wrote who have it open on this machine: the system keeps what was written by the file, not by who
    /// wrote it. So it has a meaning for a volume that was opened only for reading: what programs of this machine wrote
    /// through its caches can be read on others after it.
    fn flush(&self) -> Result<()> {
        self.files.iter().try_for_each(|part| {
            let what = format!("flushing {}", part.path.display());
            part.medium.flush().map_err(|e| Error::io(what, &e).on_volume(self.volser))
        })
    }
    fn check_alone(&self) -> Result<()> {
        if self.access != Access::Exclusive || self.is_shared.load(Ordering::Relaxed) {
            return Ok(());
        }
        let advice = "what it wrote may not be at the target: detach the volume there, then resume";
        self.locks.refuse_other_writers(advice).map_err(|error| error.on_volume(self.volser))
    }
    fn share(&self) -> Result<()> {
        if self.access != Access::Exclusive || self.is_shared.load(Ordering::Relaxed) {
            return Ok(());
        }
        // First, so that no write of ours comes after somebody else's first one.
        self.is_shared.store(true, Ordering::SeqCst);
        self.locks.share().map_err(|error| {
            self.is_shared.store(false, Ordering::SeqCst);
            error.on_volume(self.volser)
        })
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        match self.locks.wait(lock) {
            Ok(held) => Ok(Box::new(held)),
            Err(error) => Err(error.on_volume(self.volser)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_files_are_named_by_the_character_before_the_first_period() {
        for (first, number, further) in [
            ("vol1.ckd", 2, Some("vol2.ckd")),
            ("/a.b/vol1.ckd.img", 10, Some("/a.b/volA.ckd.img")),
            ("/a.b/vol_1", 27, Some("/a.b/vol_R")),
            ("x", 9, Some("9")),
            ("vol1", 28, None),
            ("/a/.ckd", 2, None),
            ("/", 2, None),
        ] {
            assert_eq!(further_path(Path::new(first), number), further.map(PathBuf::from));
        }
    }
}
