//! Plain CKD images (FORMATS 2.1 and 2.2): `CKD_P370` and `CKD_P064`.

use super::label::Label;
use super::{Access, Held, Lock, Volume};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Device, Extent, Geometry, Track};
use crate::name::Volser;
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A plain CKD image.
#[derive(Debug)]
pub struct CkdVolume {
    path: PathBuf,
    file: File,
    volser: Volser,
    geometry: Geometry,
    access: Access,
    vtoc_lock: Mutex<()>,
    catalog_lock: Mutex<()>,
}

impl CkdVolume {
    /// Opens an image.
    pub fn open(path: &Path, access: Access) -> Result<CkdVolume> {
        let io = |e: std::io::Error| Error::io(path.display(), &e);
        let file =
            OpenOptions::new().read(true).write(access != Access::Read).open(path).map_err(io)?;
        let mut header = [0; 512];
        file.read_exact_at(&mut header, 0).map_err(io)?;
        if &header[..8] != b"CKD_P370" && &header[..8] != b"CKD_P064" {
            return Err(Error::new(
                Reason::NotAnImage,
                format!("{} is no CKD image", path.display()),
            ));
        }
        let le32 = |at: usize| u32::from_le_bytes(crate::bytes::array(&header, at));
        let (heads, slot_size) = (le32(8) as u16, le32(12));
        let size = file.metadata().map_err(io)?.len();
        let cylinders = ((size - 512) / u64::from(slot_size) / u64::from(heads)) as u32;
        let device = Device::of_image(header[16], heads, cylinders).ok_or_else(|| {
            Error::new(Reason::BadHeader, format!("{}: unknown device", path.display()))
        })?;
        let geometry = Geometry { device, cylinders, slot_size };
        let mut track_0 = vec![0; slot_size as usize];
        file.read_exact_at(&mut track_0, 512).map_err(io)?;
        let volser = Label::find(&track_0)?.volser();
        let (vtoc_lock, catalog_lock) = Default::default();
        Ok(CkdVolume { path: path.into(), file, volser, geometry, access, vtoc_lock, catalog_lock })
    }

    fn offset(&self, first: Track, length: usize) -> Result<u64> {
        let slot_size = self.geometry.slot_size as usize;
        self.geometry
            .check(Extent::new(first, (length / slot_size) as u32))
            .map_err(|e| e.on_volume(self.volser))?;
        Ok(512 + u64::from(first.0) * slot_size as u64)
    }
}

impl Volume for CkdVolume {
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
        self.access != Access::Read
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        let offset = self.offset(first, buffer.len())?;
        self.file.read_exact_at(buffer, offset).map_err(|e| Error::io(self.location(), &e))
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let offset = self.offset(first, buffer.len())?;
        self.file.write_all_at(buffer, offset).map_err(|e| Error::io(self.location(), &e))
    }
    fn flush(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io(self.location(), &e))
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        Ok(Box::new(match lock {
            Lock::Vtoc => self.vtoc_lock.lock(),
            Lock::Catalog => self.catalog_lock.lock(),
        }))
    }
}
