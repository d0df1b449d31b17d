//! A volume whose writes are monitored: what a Rust program puts around its own volume, in one line.

use super::area::Area;
use super::flow::Kind;
use super::image::Image;
use crate::error::{Reason, Result};
use crate::geometry::{Extent, Geometry, Track};
use crate::name::Volser;
use crate::volume::{Held, Lock, Volume};
use std::path::Path;
use std::sync::Arc;

/// How often an area that was replaced in the very moment of its opening is opened again.
const ATTEMPTS: u32 = 8;

/// A [`Volume`] whose every write is told to the volume's monitor area.
///
/// A write of sealed tracks is refused with [`Reason::VolumeSealed`] and does not happen.
#[derive(Debug)]
pub struct MonitoredVolume {
    inner: Arc<dyn Volume>,
    image: Image,
}

impl MonitoredVolume {
    /// Makes this program an image on the volume, under a name that no living image has, in the registry's area.
    pub fn attach(volume: Arc<dyn Volume>, name: &str) -> Result<MonitoredVolume> {
        let mut attempt = 1;
        loop {
            match MonitoredVolume::attach_in(volume.clone(), &Area::open(&*volume)?, name) {
                Err(error) if error.reason() == Reason::AreaBusy && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                result => return result,
            }
        }
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
    fn check_alone(&self) -> Result<()> {
        self.inner.check_alone()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.inner.lock(lock)
    }
}
