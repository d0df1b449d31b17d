//! What must hold before a VTOC may be changed, and after it.

use super::Vtoc;
use super::check::{first_difference, overlap_sentence};
use super::claims::overlaps;
use super::free_space::FreeSpace;
use crate::dscb::Format4;
use crate::error::{Error, Reason, Result};
use crate::geometry::Track;
use std::collections::HashSet;

/// Refuses volumes whose VTOC means more than this manager keeps right.
pub(super) fn refuse_kinds(vtoc: &Vtoc) -> Result<()> {
    let format4 = vtoc.format4();
    let on = |bit| format4.indicators() & bit != 0;
    let is_split = format4.f6_pointer() != [0; 5] || vtoc.claims().iter().any(|claim| claim.split);
    let (reason, sentence) = if on(Format4::VTOCI_STACKED) {
        (Reason::StackedVolume, "the volume is a stacked pack of VSE; it can only be read")
    } else if vtoc.is_extended() {
        (
            Reason::EavVolume,
            "the volume is an extended address volume; let its own system change it",
        )
    } else if format4.smsfg() != 0 {
        (Reason::SmsVolume, "the volume is managed by SMS; let its own system change it")
    } else if on(Format4::VTOCI_INDEXED) {
        (
            Reason::IndexedVtoc,
            "the VTOC has an index that would become stale; let its own system change it",
        )
    } else if is_split {
        (
            Reason::SplitCylinderVolume,
            "data sets share cylinders on this volume; let its own system change it",
        )
    } else {
        return Ok(());
    };
    Err(Error::new(reason, sentence).on_volume(vtoc.volser))
}

/// That the VTOC does not contradict itself; returns what is free.
pub(super) fn check_sound(vtoc: &Vtoc) -> Result<FreeSpace> {
    let (heads, format4) = (vtoc.geometry.heads(), vtoc.format4());
    let damaged = |track: Track, what: String| {
        Error::new(Reason::DamagedVtoc, format!("{what}; `trackmirror check` tells more"))
            .on_volume(vtoc.volser)
            .at_track(track.0, heads)
    };
    if format4.heads() != heads
        || u32::from(format4.track_length()) != vtoc.geometry.device.track_length
    {
        let what = "the format 4 DSCB describes another device";
        return Err(damaged(vtoc.extent.first, what.into()));
    }
    let (mut names, mut behind) = (HashSet::new(), HashSet::new());
    for (name, data_set) in vtoc.data_sets() {
        let data_set = data_set.map_err(|error| {
            let track = error.track().map_or(vtoc.extent.first, Track);
            damaged(track, format!("data set {name}: {}", error.sentence()))
        })?;
        let shares = data_set.chain.iter().any(|(address, _)| !behind.insert(*address));
        if shares || !names.insert(name) {
            let what = format!("data set {name} shares its name or a DSCB with another one");
            return Err(damaged(data_set.address.track, what));
        }
    }
    let claims = vtoc.claims();
    if let Some((first, second)) = overlaps(&claims).next() {
        return Err(damaged(second.extent.first, overlap_sentence(vtoc, first, second)));
    }
    let usable = vtoc.usable_track_count();
    if let Some(claim) = claims.last().filter(|claim| claim.extent.end().0 > usable) {
        let what = "an extent reaches beyond the usable tracks";
        return Err(damaged(claim.extent.first, what.into()));
    }
    let complement = FreeSpace::unclaimed(vtoc, &claims);
    let Some(recorded) = FreeSpace::recorded(vtoc)? else {
        return Ok(complement);
    };
    let both = complement.intersection(&recorded);
    if both != recorded {
        let what = first_difference(&recorded, &both);
        return Err(damaged(vtoc.extent.first, format!("recorded as free, but in use: {what}")));
    }
    Ok(recorded)
}
