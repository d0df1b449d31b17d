//! What the F1s of a data set are at the target.
//!
//! Attributes, dates and statistics stay as they were; what tells the place follows the place: DS1DSSN is the first
//! target volume, DS1VOLSQ counts the target volumes. The rest follows the last used track:
//!
//! * DS1LSTAR is relative to the start of the data set on its volume, and stands on the volume that holds the track.
//! * The last-volume flag (DS1DSIND) stands on that volume too, if the data set had it.
//! * On the volumes before it, which are full, DS1LSTAR and DS1TRBAL are zero, as OS/VS1 leaves them at the end of a
//!   volume; on the ones behind it, which hold nothing yet, as for a data set just allocated.
//!
//! When each part goes to a volume of its own, extent for extent, each keeps what its own F1 says.

use super::PlannedPart;
use crate::assess::Assessment;
use crate::dscb::Format1;
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::vtoc::NewDataSet;

/// The parts at the target: name, attributes and extents of each.
pub fn at_target(
    data_set: &Assessment,
    name: DsName,
    runs: &[(Volser, Vec<Extent>)],
    part_for_part: bool,
) -> Vec<PlannedPart> {
    let first_volser = runs[0].0;
    let mut parts: Vec<PlannedPart> = runs
        .iter()
        .zip(1..)
        .map(|((volser, extents), sequence)| {
            let source = if part_for_part {
                &data_set.parts[sequence as usize - 1]
            } else {
                &data_set.parts[0]
            };
            let mut format1 = source.dscbs.format1;
            format1.set_name(name);
            format1.set_first_volser(first_volser);
            format1.set_volume_sequence(sequence);
            PlannedPart { volser: *volser, new: NewDataSet { format1, extents: extents.clone() } }
        })
        .collect();
    if !part_for_part && (runs.len() > 1 || data_set.parts.len() > 1) {
        place_statistics(data_set, &mut parts);
    }
    parts
}

/// That the statistics can be placed: a data set that is cut otherwise must have its last used track.
///
/// Error: [`Reason::PartsInconsistent`].
pub(super) fn check_statistics(
    data_set: &Assessment,
    runs: &[(Volser, Vec<Extent>)],
) -> Result<()> {
    let is_cut_otherwise = runs.len() > 1 || data_set.parts.len() > 1;
    let is_beyond = data_set
        .last_used()
        .is_some_and(|(part, track)| track >= data_set.parts[part].track_count());
    if !is_cut_otherwise || !is_beyond {
        return Ok(());
    }
    Err(Error::new(
        Reason::PartsInconsistent,
        "its last used track (DS1LSTAR) lies behind its extents, so that nobody can say where it would be; correct its F1",
    ))
}

/// Sets DS1LSTAR, DS1TRBAL and the last-volume flag of parts that are cut otherwise than the source.
fn place_statistics(data_set: &Assessment, parts: &mut [PlannedPart]) {
    let flag = Format1::DSIND_LAST_VOLUME;
    let had_flag = data_set.parts.iter().any(|part| part.dscbs.format1.indicators() & flag != 0);
    let last_used = data_set.last_used().map(|(part, relative)| {
        let before: u32 = data_set.parts[..part].iter().map(|part| part.track_count()).sum();
        (before + relative, data_set.parts[part].dscbs.format1)
    });
    let mut start = 0;
    let holder = parts.iter().position(|part| {
        let track_count: u32 = part.new.extents.iter().map(|extent| extent.track_count).sum();
        let holds = last_used
            .as_ref()
            .is_none_or(|(track, _)| (start..start + track_count).contains(track));
        if !holds {
            start += track_count;
        }
        holds
    });
    for (index, part) in parts.iter_mut().enumerate() {
        let f1 = &mut part.new.format1;
        f1.set_last_used(None);
        f1.set_balance(0);
        f1.set_indicators(f1.indicators() & !flag);
        if Some(index) == holder {
            if had_flag {
                f1.set_indicators(f1.indicators() | flag);
            }
            if let Some((track, source)) = &last_used {
                f1.set_last_used(source.last_used().map(|(_, record)| (track - start, record)));
                f1.set_balance(source.balance());
            }
        }
    }
}
