//! A volume whose writes are monitored: what a Rust program opens, or puts around its own volume, in one line.

use super::area::Area;
use super::flow::Kind;
use super::image::Image;
use super::layout::Identity;
use crate::error::{Reason, Result};
use crate::geometry::{Extent, Geometry, Track};
use crate::name::Volser;
use crate::volume::{self, Access, Held, Holder, Lock, Volume};
use std::path::Path;
use std::sync::Arc;

/// How often an area that was replaced in the very moment of its opening is opened again.
const ATTEMPTS: u32 = 8;

/// How a volume is opened beside programs of which a function knows whether they are registered.
type OpenBeside = fn(&Path, Access, &dyn Fn(&Holder) -> bool) -> Result<Arc<dyn Volume>>;

/// A [`Volume`] whose every write is told to the volume's monitor area.
///
/// A write of sealed tracks is refused with [`Reason::VolumeSealed`] and does not happen.
#[derive(Debug)]
pub struct MonitoredVolume {
    inner: Arc<dyn Volume>,
    image: Image,
}

impl MonitoredVolume {
    /// Opens a plain volume image for writing, and makes this program an image on it, under a name that no living image
    /// has, in the registry's area. Others may write the volume at the same time, each of them monitored too: programs
    /// that do the same, and those that run under `trackmirror monitored`.
    ///
    /// ```no_run
    /// use trackmirror::Volume;
    /// use trackmirror::geometry::Track;
    /// use trackmirror::monitor::MonitoredVolume;
    /// let volume = MonitoredVolume::open("work01.ckd".as_ref(), "BATCH1")?;
    /// let mut slot = vec![0; volume.geometry().slot_size as usize];
    /// volume.read(Track(20), &mut slot)?;
    /// volume.write(Track(20), &slot)?; // a migration that runs, or begins later, copies it again
    /// # Ok::<(), trackmirror::Error>(())
    /// ```
    ///
    /// Errors: [`Reason::VolumeInUse`], naming program and process, if somebody may write who is not registered;
    /// [`Reason::ImageExists`], [`Reason::BadImageName`], [`Reason::TooManyImages`], and those of
    /// [`volume::open`] and [`Area::open`].
    pub fn open(path: &Path, name: &str) -> Result<MonitoredVolume> {
        again_while_busy(|| MonitoredVolume::open_once(path, name, volume::open_beside))
    }

    /// The same for a volume that other machines write too: past every cache of this one, as
    /// [`volume::open_past_caches`] does.
    ///
    /// Errors: [`Reason::NotDirect`], and those of [`MonitoredVolume::open`].
    pub fn open_past_caches(path: &Path, name: &str) -> Result<MonitoredVolume> {
        again_while_busy(|| MonitoredVolume::open_once(path, name, volume::open_past_caches_beside))
    }

    fn open_once(path: &Path, name: &str, open_beside: OpenBeside) -> Result<MonitoredVolume> {
        // As long as this one is open, no other file gets the inode by which the area is found.
        let looked_at = open_beside(path, Access::Read, &|_| false)?;
        let area = Area::open(&*looked_at)?;
        let replaced = |what: &str| {
            area.error(Reason::AreaBusy, format!("{what} was just replaced; open it again"))
        };
        let beside = |writer: &Holder| area.is_registered(writer);
        let volume = match open_beside(path, Access::MonitoredWrite, &beside) {
            // Whoever has registered since then did so in the area's successor.
            Err(error) if error.reason() == Reason::VolumeInUse && !area.is_current() => {
                return Err(replaced("the monitor area"));
            }
            Err(error) => return Err(error.on_volume(looked_at.volser())),
            Ok(volume) => volume,
        };
        if !area.identity().fits(&Identity::of(&*volume)?) {
            return Err(replaced(&path.display().to_string()));
        }
        MonitoredVolume::attach_in(volume, &area, name)
    }

    /// Makes this program an image on the volume, under a name that no living image has, in the registry's area.
    pub fn attach(volume: Arc<dyn Volume>, name: &str) -> Result<MonitoredVolume> {
        again_while_busy(|| {
            MonitoredVolume::attach_in(volume.clone(), &Area::open(&*volume)?, name)
        })
    }

    /// The same in an area of the host's choice.
    pub fn attach_in(volume: Arc<dyn Volume>, area: &Area, name: &str) -> Result<MonitoredVolume> {
        if area.identity().track_count != volume.geometry().track_count() {
            return Err(area.error(
                Reason::AreaForeign,
                format!(
                    "the area has {} tracks, {} has {}",
                    area.identity().track_count,
                    volume.location(),
                    volume.geometry().track_count()
                ),
            ));
        }
        let image = Image::register(area, name, Kind::Brackets)?;
        Ok(MonitoredVolume { inner: volume, image })
    }

    /// The image that this program is.
    pub fn image(&self) -> &Image {
        &self.image
    }
}

/// Tries it again when the area was replaced in between, as it is at most once by each of those who come.
fn again_while_busy<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(error) if error.reason() == Reason::AreaBusy => {}
            result => return result,
        }
    }
    attempt()
}

impl Volume for MonitoredVolume {
    fn volser(&self) -> Volser {
        self.inner.volser()
    }
    fn geometry(&self) -> Geometry {
        self.inner.geometry()
    }
    fn location(&self) -> String {
        self.inner.location()
    }
    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }
    fn is_writable(&self) -> bool {
        self.inner.is_writable()
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        self.inner.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let slot_size = (self.geometry().slot_size as usize).max(1);
        // A part of a slot counts as a whole one here; the volume itself refuses it.
        let count = u32::try_from(buffer.len().div_ceil(slot_size)).unwrap_or(u32::MAX);
        self.image.write(Extent::new(first, count), || self.inner.write(first, buffer))?
    }
    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }
    fn is_past_caches(&self) -> bool {
        self.inner.is_past_caches()
    }
    fn check_alone(&self) -> Result<()> {
        self.inner.check_alone()
    }
    fn share(&self) -> Result<()> {
        self.inner.share()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.inner.lock(lock)
    }
}
