//! Opening images: which kind a file is, and that no volume is given twice.

use super::ckd::CkdVolume;
use super::header::{ImageFile, Kind};
use super::locks::{Holder, IsRegistered, NOBODY};
use super::medium::{Caches, is_same};
use super::{Access, Volume, direct};
use crate::bytes::ebcdic_text;
use crate::error::{Error, Reason, Result};
use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;

/// Opens an image of any kind, in a file or on a block device.
///
/// ```no_run
/// use trackmirror::volume::{Access, open};
/// let volume = open("work01.ckd".as_ref(), Access::Read)?;
/// println!("{} has {} tracks", volume.volser(), volume.geometry().track_count());
/// # Ok::<(), trackmirror::Error>(())
/// ```
pub fn open(path: &Path, access: Access) -> Result<Arc<dyn Volume>> {
    open_beside(path, access, NOBODY)
}

/// The same beside programs that take none of our locks, but tell a monitor what they write: for
/// [`Access::MonitoredWrite`], a process that has the image open for writing is refused only if `is_registered` says no.
/// It is asked several times, as long as it says so, up to some hundred milliseconds. Exclusive access stands beside
/// nobody, and reading beside everybody.
///
/// [`MonitoredVolume::open`](crate::monitor::MonitoredVolume::open) does all of it for a program that writes.
///
/// Error: [`Reason::VolumeInUse`], naming the program and its process.
pub fn open_beside(
    path: &Path,
    access: Access,
    is_registered: &dyn Fn(&Holder) -> bool,
) -> Result<Arc<dyn Volume>> {
    open_with(path, access, Caches::Used, is_registered)
}

/// Opens an image that other machines write too: it is read and written past every cache of this one
/// ([`Volume::is_past_caches`]). The image is plain, in one file or on a block device.
///
/// All who write such a volume write it so, or through caches that the machines keep alike: a cache holds whole pages,
/// in which neighbouring tracks meet, and what one machine writes back of a page covers what another one has just
/// written of it.
///
/// ```no_run
/// use trackmirror::volume::{Access, open_past_caches};
/// let volume = open_past_caches("/dev/mapper/work01".as_ref(), Access::Read)?;
/// assert!(volume.is_past_caches());
/// # Ok::<(), trackmirror::Error>(())
/// ```
///
/// Errors: [`Reason::NotDirect`] if it cannot be, saying why, and those of [`open`].
pub fn open_past_caches(path: &Path, access: Access) -> Result<Arc<dyn Volume>> {
    open_past_caches_beside(path, access, NOBODY)
}

/// The same beside registered programs, as [`open_beside`].
///
/// [`MonitoredVolume::open_past_caches`](crate::monitor::MonitoredVolume::open_past_caches) does all of it for a program
/// that writes.
pub fn open_past_caches_beside(
    path: &Path,
    access: Access,
    is_registered: &dyn Fn(&Holder) -> bool,
) -> Result<Arc<dyn Volume>> {
    open_with(path, access, Caches::Passed, is_registered)
}

fn open_with(
    path: &Path,
    access: Access,
    caches: Caches,
    is_registered: IsRegistered,
) -> Result<Arc<dyn Volume>> {
    let image = ImageFile::open(path, access, caches)?;
    match image.header.kind {
        Kind::Plain => Ok(Arc::new(CkdVolume::from_image(image, access, is_registered)?)),
        Kind::Compressed if caches == Caches::Passed => Err(direct::refused(
            path,
            "a compressed image, which is read only through this machine's caches; make a plain one with \
             `dasdcopy -lfs -o CKD`",
        )),
        Kind::Compressed => open_compressed(image, access),
    }
}

#[cfg(feature = "compression")]
fn open_compressed(image: ImageFile, access: Access) -> Result<Arc<dyn Volume>> {
    Ok(Arc::new(super::cckd::CckdVolume::from_image(image, access)?))
}

#[cfg(not(feature = "compression"))]
fn open_compressed(image: ImageFile, _: Access) -> Result<Arc<dyn Volume>> {
    Err(Error::new(
        Reason::UnsupportedImage,
        format!(
            "{} is a compressed image, which this build cannot read (feature \"compression\"); make a plain one \
             with `dasdcopy -lfs -o CKD`",
            image.path.display()
        ),
    ))
}

/// Opens several images: no file and no volume serial may be given twice.
///
/// Errors: [`Reason::SameFileTwice`] (also through links), [`Reason::DuplicateVolser`]; both name both files.
pub fn open_all<P: AsRef<Path>>(paths: &[P], access: Access) -> Result<Vec<Arc<dyn Volume>>> {
    refuse_same_file(paths)?;
    let mut volumes: Vec<Arc<dyn Volume>> = Vec::new();
    for path in paths {
        let volume = open(path.as_ref(), access)?;
        if let Some(other) = volumes.iter().find(|other| other.volser() == volume.volser()) {
            return Err(Error::new(
                Reason::DuplicateVolser,
                format!(
                    "{} and {} have the same serial {}; give only one of them",
                    other.location(),
                    volume.location(),
                    ebcdic_text(volume.volser().as_bytes())
                ),
            )
            .on_volume(volume.volser()));
        }
        volumes.push(volume);
    }
    Ok(volumes)
}

/// Before anything is opened: with exclusive access the second opening would only say that the first is in its way.
fn refuse_same_file<P: AsRef<Path>>(paths: &[P]) -> Result<()> {
    let mut seen: Vec<(Metadata, &Path)> = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        let file = std::fs::metadata(path).map_err(|e| Error::io(path.display(), &e))?;
        if let Some((_, other)) = seen.iter().find(|(seen, _)| is_same(seen, &file)) {
            return Err(Error::new(
                Reason::SameFileTwice,
                if *other == path {
                    format!("{} is given twice", path.display())
                } else {
                    format!("{} and {} are the same file", other.display(), path.display())
                },
            ));
        }
        seen.push((file, path));
    }
    Ok(())
}
