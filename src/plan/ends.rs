//! What stands at the ends of parts and extents, as far as it forbids a plan: the only rules for which tracks are read.
//!
//! *Ends of files.* A sequential data set on several volumes is read volume by volume: what ends on one goes on at the
//! start of the next. When its parts are put together on fewer volumes, or cut elsewhere, an end-of-file record or a
//! track without data at the end of a part would end the whole data set there, and hide what follows. Such a data set
//! can still be moved extent for extent, each part to a volume of its own.
//!
//! *Half a data set.* If no catalog says how many volumes a data set has, only the last one of those that are given can
//! tell that there are more: it is not marked as the last, says nothing of a last used track, and is full to its end.
//!
//! *Track overflow.* A record may go on on the next track of its extent (FORMATS 1.3). An extent is not cut there.

use super::PlannedDataSet;
use crate::assess::Part;
use crate::dscb::Format1;
use crate::error::{Error, Reason, Result};
use crate::geometry::Track;
use crate::name::Volser;
use crate::track;
use crate::volume::{Volume, VolumeExt};
use std::collections::BTreeMap;
use std::sync::Arc;

type Volumes = BTreeMap<Volser, Arc<dyn Volume>>;

/// That none of these rules forbids the plan of a data set.
///
/// Errors: [`Reason::HiddenEnd`], [`Reason::PartMissing`], [`Reason::TrackOverflow`], and those of reading.
pub fn check(data_set: &PlannedDataSet, volumes: &Volumes) -> Result<()> {
    let checked = check_inner_ends(data_set, volumes)
        .and_then(|()| check_last_end(data_set, volumes))
        .and_then(|()| check_cuts(data_set, volumes));
    checked.map_err(|error| error.of_data_set(data_set.assessment.name))
}

/// That no part before the last used one ends before its last track does.
fn check_inner_ends(data_set: &PlannedDataSet, volumes: &Volumes) -> Result<()> {
    let sources = &data_set.assessment.parts;
    if data_set.is_part_for_part() || data_set.assessment.format1().dsorg() != Format1::DSORG_PS {
        return Ok(());
    }
    let last_used = data_set.assessment.last_used().map_or(sources.len() - 1, |(part, _)| part);
    for part in &sources[..last_used] {
        let Some(track) = last_track(part) else { continue };
        let recorded = part
            .dscbs
            .format1
            .last_used()
            .is_none_or(|(relative, _)| relative + 1 == part.track_count());
        let volume = volume(part.volser, volumes)?;
        if !is_full(volume, track)? || !recorded {
            let error = Error::new(
                Reason::HiddenEnd,
                "the part on this volume is not filled to its last track, and put together with the next part it would \
                 end the data set there; move it extent for extent",
            );
            return Err(volume.locate(error, track));
        }
    }
    Ok(())
}

/// That an uncataloged data set does not go on on a volume that is not given.
fn check_last_end(data_set: &PlannedDataSet, volumes: &Volumes) -> Result<()> {
    let Some(last) = data_set.assessment.parts.last() else { return Ok(()) };
    let format1 = &last.dscbs.format1;
    let can_go_on = [Format1::DSORG_PS, Format1::DSORG_DA].contains(&format1.dsorg());
    let is_last = format1.indicators() & Format1::DSIND_LAST_VOLUME != 0;
    let Some(track) = last_track(last) else { return Ok(()) };
    if !can_go_on
        || is_last
        || format1.last_used().is_some()
        || !data_set.assessment.cataloged.is_empty()
    {
        return Ok(());
    }
    let volume = volume(last.volser, volumes)?;
    if !is_full(volume, track)? {
        return Ok(());
    }
    let error = Error::new(
        Reason::PartMissing,
        "it is full to its last track and not marked as the last part, so it goes on on another volume; give that \
         volume too, or catalog the data set",
    );
    Err(volume.locate(error, track))
}

/// That no extent is cut inside a record.
fn check_cuts(data_set: &PlannedDataSet, volumes: &Volumes) -> Result<()> {
    for entry in data_set.entries()? {
        let mut end = entry.source.first;
        for (_, target) in &entry.targets[..entry.targets.len().saturating_sub(1)] {
            end = end.plus(target.track_count);
            let track = Track(end.0 - 1);
            let volume = volume(entry.source_volser, volumes)?;
            let image = volume.read_track(track)?;
            let last = track::records(&image).map_while(Result::ok).last();
            let goes_on = last.is_some_and(|record| record.cchh[0] & 0x80 != 0);
            if goes_on && volume.geometry().has_overflow_bit() {
                let error = Error::new(
                    Reason::TrackOverflow,
                    "a record goes on on the next track, and the extent would be cut between them; give a target with a \
                     larger free area",
                );
                return Err(volume.locate(error, track));
            }
        }
    }
    Ok(())
}

fn volume(volser: Volser, volumes: &Volumes) -> Result<&dyn Volume> {
    volumes.get(&volser).map(|volume| &**volume).ok_or_else(|| {
        Error::new(Reason::NoSuchVolume, "the volume is not given").on_volume(volser)
    })
}

fn last_track(part: &Part) -> Option<Track> {
    let extent = part.dscbs.extents.last()?;
    Some(extent.first.plus(extent.track_count - 1))
}

/// Whether the last record of a track holds data.
fn is_full(volume: &dyn Volume, track: Track) -> Result<bool> {
    let image = volume.read_track(track)?;
    let last = track::records(&image).map_while(Result::ok).last();
    Ok(last.is_some_and(|record| record.number != 0 && !record.is_end_of_file()))
}
