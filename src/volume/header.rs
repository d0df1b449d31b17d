//! The device header that begins every CKD image file (FORMATS 2.1), and the file that it is in.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | id, ASCII: `CKD_P370` or `CKD_P064` plain, `CKD_C370` compressed |
//! | 8 | 4 | heads |
//! | 12 | 4 | bytes of a track's slot |
//! | 16 | 1 | device type |
//! | 17 | 1 | number of the file, 0 if it is the only one; X'FF' while a tool is making it |
//! | 18 | 2 | last cylinder in this file; 0 in the last or only one |
//!
//! Numbers are little-endian. A header is input from outside: each field is checked before anything is computed from
//! it, and the error names the file, the offset and the value.

use super::medium::{Caches, Medium};
use super::{Access, direct};
use crate::bytes::array;
use crate::error::{Error, Reason, Result};
use crate::geometry::{DEVICES, Device};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of the header, and of the compressed header behind it.
pub(super) const HEADER_SIZE: u64 = 512;

/// The slots that are accepted: a label must fit, and no device comes near the end.
pub(super) const SLOT_SIZES: std::ops::RangeInclusive<u32> = 512..=131_072;

/// How the tracks of an image are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Slot behind slot.
    Plain,
    /// Each track compressed, found through tables.
    Compressed,
}

/// A device header, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: Kind,
    pub heads: u16,
    pub slot_size: u32,
    pub device_code: u8,
    pub file_number: u8,
    pub last_cylinder: u16,
}

impl Header {
    /// The header of a new plain image in one file.
    pub fn plain(device: &Device, slot_size: u32) -> [u8; HEADER_SIZE as usize] {
        let mut bytes = [0; HEADER_SIZE as usize];
        bytes[..8].copy_from_slice(b"CKD_P370");
        bytes[8..12].copy_from_slice(&u32::from(device.heads).to_le_bytes());
        bytes[12..16].copy_from_slice(&slot_size.to_le_bytes());
        bytes[16] = device.code;
        bytes
    }

    pub fn parse(bytes: &[u8; HEADER_SIZE as usize], path: &Path) -> Result<Header> {
        let kind = kind(&bytes[..8], path)?;
        let device_code = bytes[16];
        let of_type = |device: &&Device| device.code == device_code;
        let Some(device) = DEVICES.iter().find(of_type) else {
            return Err(bad(
                Reason::UnknownDevice,
                path,
                16,
                format!("device type X'{device_code:02X}' is not in the device table"),
            ));
        };
        let heads = le32(bytes, 8);
        if heads != u32::from(device.heads) {
            let why = format!("{heads} heads, but a {} has {}", device.type_name(), device.heads);
            return Err(bad(Reason::BadHeader, path, 8, why));
        }
        let slot_size = le32(bytes, 12);
        if !SLOT_SIZES.contains(&slot_size) {
            let (low, high) = (SLOT_SIZES.start(), SLOT_SIZES.end());
            let why = format!("a track size of {slot_size} bytes, not between {low} and {high}");
            return Err(bad(Reason::BadHeader, path, 12, why));
        }
        Ok(Header {
            kind,
            heads: device.heads,
            slot_size,
            device_code,
            file_number: bytes[17],
            last_cylinder: u16::from_le_bytes(array(bytes, 18)),
        })
    }

    /// The model that this is with so many cylinders. There is one: the header was checked.
    pub fn device(&self, cylinders: u32) -> Result<&'static Device> {
        Device::of_image(self.device_code, self.heads, cylinders)
            .ok_or_else(|| Error::new(Reason::UnknownDevice, "the device table has changed"))
    }

    /// The most cylinders that addresses of this device can tell apart. Only a 3390 has addresses of 28 bits.
    pub fn cylinders_max(&self) -> u64 {
        if self.device_code == 0x90 { 1 << 28 } else { 1 << 16 }
    }

    /// Bytes of a cylinder in a plain image.
    pub fn cylinder_size(&self) -> u64 {
        u64::from(self.slot_size) * u64::from(self.heads)
    }
}

fn kind(id: &[u8], path: &Path) -> Result<Kind> {
    let unsupported = |what: &str| Err(bad(Reason::UnsupportedImage, path, 0, what));
    match id {
        b"CKD_P370" | b"CKD_P064" => Ok(Kind::Plain),
        b"CKD_C370" => Ok(Kind::Compressed),
        b"CKD_S370" | b"CKD_S064" => unsupported(
            "a shadow file holds only what was changed since its base; merge it into the base (`sf- force` in \
             Hercules), and give the base",
        ),
        b"CKD_C064" => unsupported(
            "a compressed image with 64-bit offsets; make a plain one with `dasdcopy64 -o CKD`",
        ),
        _ if id.starts_with(b"FBA_") => unsupported(
            "a fixed-block (FBA) image, which has no tracks; only CKD volumes can be used",
        ),
        _ => Err(bad(
            Reason::NotAnImage,
            path,
            0,
            format!(
                "X'{}' is not the id of a CKD image (CKD_P370, CKD_P064, CKD_C370)",
                id.iter().map(|byte| format!("{byte:02X}")).collect::<String>()
            ),
        )),
    }
}

/// The little-endian 32-bit field at `offset`.
pub(super) fn le32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array(bytes, offset))
}

/// An error about a byte of a file.
pub(super) fn bad(reason: Reason, path: &Path, offset: u64, why: impl std::fmt::Display) -> Error {
    Error::new(reason, format!("{}, offset {offset}: {why}", path.display()))
}

/// An image file or device that was opened and has a header.
#[derive(Debug)]
pub(super) struct ImageFile {
    pub path: PathBuf,
    pub medium: Medium,
    pub header: Header,
}

impl ImageFile {
    /// Opens a file or a device, and reads its header.
    pub fn open(path: &Path, access: Access, caches: Caches) -> Result<ImageFile> {
        let io = |e: std::io::Error| Error::io(path.display(), &e);
        let medium = Medium::open(path, access, caches)?;
        let mut header = [0; HEADER_SIZE as usize];
        let size = medium.size().map_err(io)?;
        if size < HEADER_SIZE {
            let why =
                format!("the file ends here, before an image's header of {HEADER_SIZE} bytes");
            return Err(bad(Reason::NotAnImage, path, size, why));
        }
        medium.read_exact_at(&mut header, 0).map_err(|error| match error.kind() {
            // Where the system does not tell which alignment it wants, this has tried it.
            ErrorKind::InvalidInput if medium.is_past_caches() => {
                direct::refuse_header(medium.file(), path)
            }
            _ => io(error),
        })?;
        Ok(ImageFile { path: path.into(), medium, header: Header::parse(&header, path)? })
    }

    /// How many bytes it has now.
    pub fn size(&self) -> Result<u64> {
        self.medium.size().map_err(|e| Error::io(self.path.display(), &e))
    }
}
