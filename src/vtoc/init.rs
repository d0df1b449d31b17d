//! An empty volume: IPL records, label, and a VTOC with one format 4, the record of free space, and free DSCBs.
//!
//! The format 4 gets the constants of the real device, and counts alternate tracks as the initialisation programs of
//! the systems do: cylinders behind the primary ones are alternates, but on a 3390 and a 9345 they can be used. Free
//! space is recorded in F5s. A volume with more tracks than their 16 bits can hold gets F7s, an empty F5, and the DOS
//! bit and DS4EFVLD on. Extended address volumes are not made: they need an index.

use super::Vtoc;
use super::free_space::{FORMAT5_TRACKS_MAX, FreeSpace};
use crate::bytes::{put16, to_ebcdic};
use crate::dscb::{
    DSCB_LENGTH, Dscb, DscbAddress, DscbExtent, Format4, Format5, Format7, KEY_LENGTH,
};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Geometry, Track};
use crate::name::Volser;
use crate::track::{self, Place};
use crate::volume::label::Label;
use crate::volume::{Lock, Volume};

/// More cylinders need an extended address volume.
const CYLINDERS_MAX: u32 = 65_523;
/// A VTOC by default has one cylinder for so many cylinders of the volume.
const CYLINDERS_PER_VTOC_CYLINDER: u32 = 4_096;

const IPL1: [u8; 4] = [0xC9, 0xD7, 0xD3, 0xF1];
const IPL2: [u8; 4] = [0xC9, 0xD7, 0xD3, 0xF2];
const VOL1: [u8; 4] = [0xE5, 0xD6, 0xD3, 0xF1];

/// Where the VTOC goes unless it is told: behind track 0, to the end of a cylinder; one cylinder, and more on a large
/// volume, but never more than a tenth of it.
pub fn default_vtoc(geometry: &Geometry) -> Extent {
    let heads = u32::from(geometry.heads());
    let cylinders = geometry.cylinders.div_ceil(CYLINDERS_PER_VTOC_CYLINDER);
    let track_count = (cylinders * heads - 1).min(geometry.track_count() / 10).max(1);
    Extent::new(Track(1), track_count)
}

/// Makes a volume empty: what was on it cannot be reached any more. The tracks outside label and VTOC stay as they are.
///
/// Errors: [`Reason::BadRequest`] if the VTOC would lie on track 0 or beyond the usable tracks, or the owner's name is
/// longer than 14 characters; [`Reason::EavVolume`] for more than 65,523 cylinders.
pub fn initialize(
    volume: &dyn Volume,
    volser: Volser,
    vtoc: Option<Extent>,
    owner: &str,
) -> Result<()> {
    let geometry = volume.geometry();
    let extent = vtoc.unwrap_or_else(|| default_vtoc(&geometry));
    let refuse = |reason, what: String| Err(Error::new(reason, what).on_volume(volser));
    if geometry.cylinders > CYLINDERS_MAX {
        return refuse(
            Reason::EavVolume,
            format!(
                "a volume of {} cylinders needs an index; at most {CYLINDERS_MAX} can be initialised",
                geometry.cylinders
            ),
        );
    }
    let usable = geometry.track_count() - alternate_track_count(&geometry);
    let end = u64::from(extent.first.0) + u64::from(extent.track_count);
    if extent.first == Track(0) || extent.track_count == 0 || end > u64::from(usable) {
        return refuse(
            Reason::BadRequest,
            format!(
                "a VTOC of {} tracks from track {} on does not fit; it may lie on tracks 1 to {}",
                extent.track_count,
                extent.first.0,
                usable.saturating_sub(1)
            ),
        );
    }
    let Some(owner) = owner_bytes(owner) else {
        return refuse(
            Reason::BadRequest,
            format!(
                "the owner '{owner}' is longer than 14 characters, or cannot be written in EBCDIC"
            ),
        );
    };
    let _held = volume.lock(Lock::Vtoc)?;
    let mut label = *Label::new(volser, f4_address(extent).to_bytes(&geometry)).as_bytes();
    label[37..51].copy_from_slice(&owner);
    write_vtoc(volume, extent, &dscbs(&geometry, volser, extent))?;
    volume.flush()?;
    // The label comes last: until it is there, nothing points to the VTOC.
    let mut slot = vec![0; geometry.slot_size as usize];
    let records: [(&[u8], &[u8]); 3] = [(&IPL1, &IPL1_DATA), (&IPL2, &[0; 144]), (&VOL1, &label)];
    track::build(&mut slot, Place::new(&geometry, Track(0)), &records)?;
    volume.write(Track(0), &slot)?;
    volume.flush()
}

/// A PSW that waits with code X'00000F', and two CCWs that do nothing.
const IPL1_DATA: [u8; 24] =
    [0, 6, 0, 0, 0, 0, 0, 0, 0x0F, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];

fn owner_bytes(owner: &str) -> Option<[u8; 14]> {
    let mut bytes = [0x40; 14];
    if owner.chars().count() > bytes.len() {
        return None;
    }
    for (byte, character) in bytes.iter_mut().zip(owner.chars()) {
        *byte = to_ebcdic(character)?;
    }
    Some(bytes)
}

fn f4_address(extent: Extent) -> DscbAddress {
    DscbAddress { track: extent.first, record: 1 }
}

/// Tracks of the cylinders behind the primary ones, where they are alternates.
fn alternate_track_count(geometry: &Geometry) -> u32 {
    const USES_ALL_CYLINDERS: u8 = 0x30;
    let device = geometry.device;
    let cylinders = geometry.cylinders.saturating_sub(device.cylinders);
    if device.overheads[3] == USES_ALL_CYLINDERS {
        0
    } else {
        cylinders.min(device.alternate_cylinders) * u32::from(device.heads)
    }
}

fn format4(geometry: &Geometry, extent: Extent) -> Format4 {
    let device = geometry.device;
    let mut bytes = [0; DSCB_LENGTH];
    bytes[..KEY_LENGTH].fill(4);
    bytes[KEY_LENGTH] = 0xF4;
    let mut format4 = Format4::from_bytes(bytes);
    let mut constants = [0; 14];
    put16(&mut constants, 0, geometry.cylinders as u16);
    put16(&mut constants, 2, device.heads);
    put16(&mut constants, 4, device.track_length as u16);
    constants[6..12].copy_from_slice(&device.overheads);
    constants[12] = device.dscbs_per_track();
    constants[13] = device.directory_blocks_per_track();
    format4.set_device_constants(constants);
    let alternates = alternate_track_count(geometry);
    if alternates > 0 {
        let first = Track(geometry.track_count() - alternates);
        format4.as_bytes_mut()[52..56].copy_from_slice(&geometry.cchh_bytes(first));
    }
    format4.set_alternate_tracks(alternates as u16);
    format4.set_vtoc_extent_count(1);
    format4.set_vtoc_extent(DscbExtent::new(extent, 0, geometry));
    format4
}

/// All DSCBs of the new VTOC.
fn dscbs(geometry: &Geometry, volser: Volser, extent: Extent) -> Vec<Dscb> {
    let per_track = u32::from(geometry.device.dscbs_per_track());
    let mut dscbs = vec![Dscb::Free; (extent.track_count * per_track) as usize];
    let mut format4 = format4(geometry, extent);
    dscbs[0] = Dscb::Format4(format4);
    let vtoc = Vtoc {
        volser,
        geometry: *geometry,
        label: Label::new(volser, [0; 5]),
        extent,
        dscbs: vec![(f4_address(extent), dscbs[0])],
        has_ipl_text: false,
    };
    let free = FreeSpace::complement(&vtoc);
    let records: Vec<Dscb> = if vtoc.usable_track_count() > FORMAT5_TRACKS_MAX {
        let address = DscbAddress { track: extent.first, record: 3 };
        format4.set_indicators(Format4::VTOCI_DOS | Format4::VTOCI_EXTENDED_FREE);
        format4.set_extended_free_level(EXTENDED_FREE_LEVEL);
        format4.set_f7_pointer(address.to_bytes(geometry));
        let format7s: Vec<Format7> = free.to_format7s();
        [Dscb::Format5(Format5::new())]
            .into_iter()
            .chain(format7s.into_iter().map(Dscb::Format7))
            .collect()
    } else {
        free.to_format5s().into_iter().map(Dscb::Format5).collect()
    };
    // An empty volume has two runs of free tracks at most, which one DSCB holds.
    dscbs[1..=records.len()].copy_from_slice(&records);
    let free_dscbs = dscbs.len() - 1 - records.len();
    format4.set_free_dscbs(free_dscbs.min(0xFFFF) as u16);
    dscbs[0] = Dscb::Format4(format4);
    dscbs
}

/// DS4EFLVL of a volume with F7s.
pub(super) const EXTENDED_FREE_LEVEL: u8 = 0x07;

fn write_vtoc(volume: &dyn Volume, extent: Extent, dscbs: &[Dscb]) -> Result<()> {
    let geometry = volume.geometry();
    let per_track = usize::from(geometry.device.dscbs_per_track());
    let mut slot = vec![0; geometry.slot_size as usize];
    for (dscbs, number) in dscbs.chunks(per_track).zip(0..) {
        let track = extent.first.plus(number);
        let bytes: Vec<[u8; DSCB_LENGTH]> = dscbs.iter().map(Dscb::to_bytes).collect();
        let records: Vec<(&[u8], &[u8])> =
            bytes.iter().map(|dscb| dscb.split_at(KEY_LENGTH)).collect();
        track::build(&mut slot, Place::new(&geometry, track), &records)?;
        volume.write(track, &slot)?;
    }
    Ok(())
}
