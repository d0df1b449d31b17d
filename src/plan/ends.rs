//! Ends of files inside a data set that is put together.
//!
//! A sequential data set on several volumes is read volume by volume: what ends on one goes on at the start of the
//! next. When its parts are put together on fewer volumes, or cut elsewhere, an end-of-file record or a track without
//! data at the end of a part would end the whole data set there, and hide what follows. Such a data set can still be
//! moved extent for extent, each part to a volume of its own.

use super::PlannedDataSet;
use crate::dscb::Format1;
use crate::error::{Error, Reason, Result};
use crate::name::Volser;
use crate::track;
use crate::volume::{Volume, VolumeExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// That no part before the last used one ends before its last track does.
///
/// Errors: [`Reason::HiddenEnd`], and those of reading.
pub fn check(data_set: &PlannedDataSet, volumes: &BTreeMap<Volser, Arc<dyn Volume>>) -> Result<()> {
    let sources = &data_set.assessment.parts;
    let same_cut = sources.len() == data_set.parts.len()
        && sources.iter().zip(&data_set.parts).all(|(source, target)| {
            let track_count: u32 = target.new.extents.iter().map(|extent| extent.track_count).sum();
            source.track_count() == track_count
        });
    if same_cut || data_set.assessment.format1().dsorg() != Format1::DSORG_PS {
        return Ok(());
    }
    let last_used = data_set.assessment.last_used().map_or(sources.len() - 1, |(part, _)| part);
    for part in &sources[..last_used] {
        let Some(volume) = volumes.get(&part.volser) else {
            return Err(
                Error::new(Reason::NoSuchVolume, "the volume is not given").on_volume(part.volser)
            );
        };
        let Some(extent) = part.dscbs.extents.last() else { continue };
        let track = extent.first.plus(extent.track_count - 1);
        let image = volume.read_track(track)?;
        let last = track::records(&image).map_while(Result::ok).last();
        let is_full = last.is_some_and(|record| record.number != 0 && !record.is_end_of_file());
        let recorded = part
            .dscbs
            .format1
            .last_used()
            .is_none_or(|(relative, _)| relative + 1 == part.track_count());
        if !is_full || !recorded {
            let error = Error::new(
                Reason::HiddenEnd,
                "the part on this volume is not filled to its last track, and put together with the next part it would \
                 end the data set there; move it extent for extent",
            );
            return Err(volume.locate(error, track).of_data_set(data_set.assessment.name));
        }
    }
    Ok(())
}
