//! A volume in memory: for tests, for rehearsals, and as the example of an implementation of [`Volume`].

use super::{Held, Lock, Volume, VolumeExt, run};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Geometry, Track};
use crate::name::Volser;
use crate::track::{NullFormat, Place};
use parking_lot::{Mutex, RwLock};

/// A volume in memory.
#[derive(Debug)]
pub struct MemoryVolume {
    volser: Volser,
    geometry: Geometry,
    bytes: RwLock<Vec<u8>>,
    vtoc_lock: Mutex<()>,
    catalog_lock: Mutex<()>,
    is_past_caches: bool,
}

impl MemoryVolume {
    /// A volume whose tracks are all empty; it has neither label nor VTOC.
    ///
    /// # Panics
    /// If there is too little memory.
    pub fn new(volser: Volser, geometry: Geometry) -> MemoryVolume {
        MemoryVolume::try_new(volser, geometry).expect("a volume in memory")
    }

    /// The same.
    ///
    /// Error: [`Reason::NoMemory`].
    pub fn try_new(volser: Volser, geometry: Geometry) -> Result<MemoryVolume> {
        let slot_size = geometry.slot_size as usize;
        let length = slot_size.checked_mul(geometry.track_count() as usize);
        let mut bytes = Vec::new();
        let got = length.is_some_and(|length| bytes.try_reserve_exact(length).is_ok());
        let Some(length) = length.filter(|_| got) else {
            let tracks = geometry.track_count();
            let why = format!(
                "{tracks} tracks are more than there is memory for; make a smaller volume, or one in a file"
            );
            return Err(Error::new(Reason::NoMemory, why).on_volume(volser));
        };
        bytes.resize(length, 0);
        for (slot, track) in bytes.chunks_exact_mut(slot_size).zip(0..) {
            NullFormat::Empty.write(slot, Place::new(&geometry, Track(track)));
        }
        Ok(MemoryVolume::from_bytes(volser, geometry, bytes))
    }

    /// A volume with these slots, one behind the other.
    ///
    /// # Panics
    /// If they are not as many as the geometry has tracks.
    pub fn from_bytes(volser: Volser, geometry: Geometry, bytes: Vec<u8>) -> MemoryVolume {
        assert_eq!(bytes.len(), geometry.slot_size as usize * geometry.track_count() as usize);
        let bytes = RwLock::new(bytes);
        MemoryVolume {
            volser,
            geometry,
            bytes,
            vtoc_lock: Mutex::new(()),
            catalog_lock: Mutex::new(()),
            is_past_caches: false,
        }
    }

    /// The same volume, which now says that it is read past every cache: for tests, whose machines share the memory.
    #[must_use]
    pub fn past_caches(self) -> MemoryVolume {
        MemoryVolume { is_past_caches: true, ..self }
    }

    /// A copy of another volume: what is tried on it changes nothing there.
    pub fn copy_of(volume: &dyn Volume) -> Result<MemoryVolume> {
        let geometry = volume.geometry();
        let cylinder_size = volume.slot_size() * usize::from(geometry.heads());
        let mut bytes = vec![0; cylinder_size * geometry.cylinders as usize];
        // By cylinders, so that an error names the place.
        for (cylinder, buffer) in (0u32..).zip(bytes.chunks_exact_mut(cylinder_size)) {
            volume.read(Track(cylinder * u32::from(geometry.heads())), buffer)?;
        }
        Ok(MemoryVolume::from_bytes(volume.volser(), geometry, bytes))
    }

    /// All slots as they are now.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.read().clone()
    }

    fn range(&self, first: Track, length: usize) -> Result<std::ops::Range<usize>> {
        let extent = run(self, first, length)?;
        let start = extent.first.0 as usize * self.geometry.slot_size as usize;
        Ok(start..start + length)
    }
}

impl Volume for MemoryVolume {
    fn volser(&self) -> Volser {
        self.volser
    }
    fn geometry(&self) -> Geometry {
        self.geometry
    }
    fn location(&self) -> String {
        format!("memory ({})", self.volser)
    }
    fn is_writable(&self) -> bool {
        true
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        let range = self.range(first, buffer.len())?;
        buffer.copy_from_slice(&self.bytes.read()[range]);
        Ok(())
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let range = self.range(first, buffer.len())?;
        self.bytes.write()[range].copy_from_slice(buffer);
        Ok(())
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn is_past_caches(&self) -> bool {
        self.is_past_caches
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        Ok(Box::new(match lock {
            Lock::Vtoc => self.vtoc_lock.lock(),
            Lock::Catalog => self.catalog_lock.lock(),
        }))
    }
}
