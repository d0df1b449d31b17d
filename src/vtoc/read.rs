//! Reads a VTOC: label, format 4, then all tracks of the VTOC in long runs.
//!
//! Everything here may be damaged: the extent of the VTOC is trusted only as far as its tracks really hold DSCBs.

use super::Vtoc;
use crate::bytes::be16;
use crate::dscb::{DSCB_LENGTH, Dscb, DscbAddress, Format4, KEY_LENGTH};
use crate::error::{Error, Reason, Result};
use crate::geometry::Track;
use crate::track;
use crate::volume::label::Label;
use crate::volume::{Volume, VolumeExt};

/// Tracks are read in runs of at most so many bytes.
const RUN_BYTES_MAX: usize = 4 << 20;

impl Vtoc {
    /// Reads label and VTOC.
    ///
    /// Errors: [`Reason::NoLabel`]; [`Reason::NoVtoc`] if the label points to no VTOC, which is how a volume looks
    /// that was formatted, but not initialised; [`Reason::DamagedVtoc`].
    pub fn read(volume: &dyn Volume) -> Result<Vtoc> {
        Vtoc::read_tracks(volume, |_, _| {})
    }

    /// Reads label and VTOC, and shows the image of each VTOC track, up to its end marker.
    pub(super) fn read_tracks(
        volume: &dyn Volume,
        mut show: impl FnMut(Track, &[u8]),
    ) -> Result<Vtoc> {
        let geometry = volume.geometry();
        let track_0 = volume.read_track(Track(0))?;
        let label = Label::find(&track_0).map_err(|error| volume.locate(error, Track(0)))?;
        let (address, format4) = find_format4(volume, &label)?;
        let damaged =
            |what: String| volume.locate(Error::new(Reason::DamagedVtoc, what), address.track);
        let extent = format4.vtoc_extent().extent(&geometry).map_err(|error| {
            damaged(format!("the format 4 DSCB: {}; restore the volume", error.sentence()))
        })?;
        if extent.first != address.track || address.record != 1 {
            return Err(damaged(
                "the format 4 DSCB is not the first record of the VTOC that it describes; restore the volume".into(),
            ));
        }
        let mut dscbs = Vec::new();
        let slot_size = volume.slot_size();
        let run = (RUN_BYTES_MAX / slot_size).clamp(1, extent.track_count as usize) as u32;
        let mut buffer = vec![0; run as usize * slot_size];
        let mut first = extent.first;
        while first < extent.end() {
            let track_count = run.min(extent.end().since(first));
            let run = &mut buffer[..track_count as usize * slot_size];
            volume.read(first, run)?;
            for (slot, number) in run.chunks_exact(slot_size).zip(0..) {
                let track = first.plus(number);
                let length = read_dscbs(volume, slot, track, &mut dscbs)?;
                show(track, &slot[..length]);
            }
            first = first.plus(track_count);
        }
        let has_ipl_text = has_ipl_text(&track_0);
        Ok(Vtoc { volser: label.volser(), geometry, label, extent, dscbs, has_ipl_text })
    }

    /// A VTOC whose DSCBs somebody else read, free ones included, in the order of their addresses. The label is read here.
    ///
    /// Errors: [`Reason::NoLabel`]; [`Reason::DamagedVtoc`] if these are not all DSCBs of the VTOC that the first one
    /// describes, or the label points to another one.
    pub(crate) fn of_dscbs(volume: &dyn Volume, dscbs: Vec<(DscbAddress, Dscb)>) -> Result<Vtoc> {
        let geometry = volume.geometry();
        let track_0 = volume.read_track(Track(0))?;
        let label = Label::find(&track_0).map_err(|error| volume.locate(error, Track(0)))?;
        let damaged = |what: &str, track: Track| {
            let sentence = format!("the DSCBs that were given are no VTOC: {what}");
            volume.locate(Error::new(Reason::DamagedVtoc, sentence), track)
        };
        let (first, extent) = match dscbs.first() {
            Some((first, Dscb::Format4(format4)))
                if format4.as_bytes()[..KEY_LENGTH] == [4; KEY_LENGTH] =>
            {
                let extent = format4.vtoc_extent().extent(&geometry);
                (*first, extent.map_err(|error| damaged(error.sentence(), first.track))?)
            }
            _ => return Err(damaged("the first is no format 4", Track(0))),
        };
        let labelled = DscbAddress::from_bytes(label.vtoc(), &geometry).ok().flatten();
        if labelled != Some(first) {
            return Err(damaged("the label points to another place", first.track));
        }
        let mut expected = DscbAddress { track: extent.first, record: 1 };
        for &(address, _) in &dscbs {
            let next_track = DscbAddress { track: expected.track.plus(1), record: 1 };
            // A track holds as many as it holds, but at least one.
            let is_next = address == next_track && expected.record != 1;
            if (address != expected && !is_next) || !extent.contains(address.track) {
                let what = format!(
                    "after those before it, that of record {} does not follow",
                    address.record
                );
                return Err(damaged(&what, address.track));
            }
            expected = match address.record.checked_add(1) {
                Some(record) => DscbAddress { track: address.track, record },
                None => DscbAddress { track: address.track.plus(1), record: 1 },
            };
        }
        let last = dscbs.last().map_or(extent.first, |(address, _)| address.track);
        if last.plus(1) != extent.end() {
            return Err(damaged("its last tracks are missing", last));
        }
        let has_ipl_text = has_ipl_text(&track_0);
        Ok(Vtoc { volser: label.volser(), geometry, label, extent, dscbs, has_ipl_text })
    }
}

/// The format 4 that the label points to.
fn find_format4(volume: &dyn Volume, label: &Label) -> Result<(DscbAddress, Format4)> {
    let no_vtoc = |what: &str| {
        Error::new(
            Reason::NoVtoc,
            format!("{what}; restore the volume, or, if it is a new one, initialise it"),
        )
        .on_volume(volume.volser())
    };
    let address = DscbAddress::from_bytes(label.vtoc(), &volume.geometry())
        .ok()
        .flatten()
        .ok_or_else(|| no_vtoc("the label points to no track of the volume"))?;
    let slot = volume.read_track(address.track)?;
    let dscb = track::records(&slot)
        .skip(1)
        .filter_map(Result::ok)
        .find(|record| record.number == address.record)
        .and_then(|record| dscb_of(&record));
    match dscb {
        Some(Dscb::Format4(format4)) if format4.as_bytes()[..KEY_LENGTH] == [4; KEY_LENGTH] => {
            Ok((address, format4))
        }
        _ => Err(volume.locate(no_vtoc("the label points to no format 4 DSCB"), address.track)),
    }
}

fn dscb_of(record: &track::Record<'_>) -> Option<Dscb> {
    if record.key.len() != KEY_LENGTH || record.data.len() != DSCB_LENGTH - KEY_LENGTH {
        return None;
    }
    let mut bytes = [0; DSCB_LENGTH];
    bytes[..KEY_LENGTH].copy_from_slice(record.key);
    bytes[KEY_LENGTH..].copy_from_slice(record.data);
    Some(Dscb::from_bytes(bytes))
}

/// Takes the DSCBs of one track, and returns the length of its image. How many there are is what the track says: real
/// volumes have fewer than the device could hold.
fn read_dscbs(
    volume: &dyn Volume,
    slot: &[u8],
    track: Track,
    dscbs: &mut Vec<(DscbAddress, Dscb)>,
) -> Result<usize> {
    let error = |what: &str| {
        let sentence = format!("the VTOC does not check: {what}");
        volume.locate(Error::new(Reason::DamagedVtoc, sentence), track)
    };
    let damaged = |what: String| error(&format!("{what}; restore the track or the volume"));
    let summary = track::check(slot, volume.place(track)).map_err(|e| error(e.sentence()))?;
    if summary.record_count == 0 {
        return Err(damaged("the track holds no DSCB".into()));
    }
    for (record, expected) in track::records(slot).skip(1).zip(1..) {
        let record = record?;
        let dscb = dscb_of(&record).filter(|_| u32::from(record.number) == expected);
        let Some(dscb) = dscb else {
            return Err(damaged(format!(
                "R{} with key length {} and data length {} stands where DSCB {expected} is expected",
                record.number,
                record.key.len(),
                record.data.len()
            )));
        };
        dscbs.push((DscbAddress { track, record: record.number }, dscb));
    }
    Ok(summary.length)
}

/// The test of MVS for an IPL program that fills more than track 0 (FORMATS 4.8).
fn has_ipl_text(track_0: &[u8]) -> bool {
    let mut records = track::records(track_0).skip(1).filter_map(Result::ok);
    let mut data = |number: u8| records.find(|record| record.number == number).map(|r| r.data);
    let first = data(1).and_then(|data| data.get(16)).is_some_and(|&byte| byte != 0);
    let second = data(2).filter(|data| data.len() >= 42).is_some_and(|data| be16(data, 40) != 0);
    first && second
}
