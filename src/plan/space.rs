//! Where the space of one data set is taken from: the three modes.

use super::{EXTENTS_MAX, Target};
use crate::assess::Assessment;
use crate::dscb::Format1;
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;

/// Volumes that a catalog entry may name, as users of the old systems know it.
pub(super) const VOLUMES_MAX: usize = 59;

/// The target of one data set: for each volume, by its place among the targets, the extents.
pub(super) type Space = Vec<(usize, Vec<Extent>)>;

/// What space a data set needs.
pub(super) struct Shape {
    /// With slack.
    pub track_count: u32,
    /// How many of these are slack.
    pub slack_count: u32,
    /// The space must begin and end on cylinder boundaries: it was requested in cylinders, and secondary extents will be.
    pub aligned: bool,
    /// All of it must be on one volume.
    pub one_volume: bool,
    /// The most extents that the space may have.
    pub extents_max: usize,
}

impl Shape {
    pub fn of(data_set: &Assessment, heads: u16) -> Shape {
        let f1 = data_set.format1();
        let in_cylinders = f1.is_cylinder_allocated() || f1.scal1() & 0x01 != 0;
        let aligned = data_set.extents().all(|(_, extent)| extent.is_cylinder_aligned(heads));
        Shape {
            track_count: data_set.track_count(),
            slack_count: 0,
            aligned: in_cylinders && aligned,
            one_volume: f1.dsorg() != Format1::DSORG_PS && f1.dsorg() != Format1::DSORG_DA,
            extents_max: if is_contiguous(data_set) { 1 } else { EXTENTS_MAX },
        }
    }

    /// With so many percent more tracks, in whole cylinders if all of it is.
    pub fn with_slack(self, percent: u32, heads: u16) -> Shape {
        let wanted = (u64::from(self.track_count) * u64::from(percent)).div_ceil(100);
        let heads = u64::from(heads.max(1));
        let wanted = if self.aligned { wanted.div_ceil(heads) * heads } else { wanted };
        let track_count = (u64::from(self.track_count) + wanted).min(u32::MAX.into()) as u32;
        Shape { track_count, slack_count: track_count - self.track_count, ..self }
    }
}

/// Whether contiguous space was requested for a data set, and it still is.
fn is_contiguous(data_set: &Assessment) -> bool {
    const CONTIGUOUS: u8 = 0x08;
    data_set.extents().count() == 1 && data_set.format1().scal1() & CONTIGUOUS != 0
}

/// The free runs that can be used for this shape, longest first: whole cylinders if it is aligned.
pub(super) fn usable_runs(target: &Target, aligned: bool) -> Vec<Extent> {
    let mut runs: Vec<Extent> =
        if aligned { target.free.aligned_runs().collect() } else { target.free.runs().to_vec() };
    runs.sort_by_key(|run| (std::cmp::Reverse(run.track_count), run.first));
    runs
}

/// Space of `track_count` tracks in at most `extents_max` extents: the shortest run that holds all of it, else the
/// longest runs, and the shortest one that holds the rest.
pub(super) fn in_few_extents(
    runs: &[Extent],
    track_count: u32,
    extents_max: usize,
) -> Option<Vec<Extent>> {
    let (mut runs, mut left, mut extents) = (runs.to_vec(), track_count, Vec::new());
    while left > 0 {
        if extents.len() == extents_max || runs.is_empty() {
            return None;
        }
        let index = runs.iter().rposition(|run| run.track_count >= left).unwrap_or(0);
        let run = runs.remove(index);
        extents.push(Extent::new(run.first, run.track_count.min(left)));
        left -= run.track_count.min(left);
    }
    extents.sort();
    Some(extents)
}

/// What is free on each of these targets, for a sentence.
pub(super) fn free_in_pieces<'a>(
    targets: impl Iterator<Item = &'a Target>,
    shape: &Shape,
) -> String {
    let seen = targets.map(|target| {
        let runs = usable_runs(target, shape.aligned);
        format!(
            "{}: {} tracks free in pieces, the largest of {}",
            target.volser,
            runs.iter().map(|run| u64::from(run.track_count)).sum::<u64>(),
            runs.first().map_or(0, |run| run.track_count)
        )
    });
    seen.collect::<Vec<String>>().join("; ")
}

fn no_space(shape: &Shape, targets: &[Target], candidates: &[usize], what: &str) -> Error {
    let seen = free_in_pieces(candidates.iter().map(|&index| &targets[index]), shape);
    let error = Error::new(
        Reason::NoSpace,
        format!(
            "{} tracks{} are needed {what} ({}); give another target or another mode",
            shape.track_count,
            if shape.aligned { " in whole cylinders" } else { "" },
            seen
        ),
    );
    match candidates {
        [only] => error.on_volume(targets[*only].volser),
        _ => error,
    }
}

pub(super) fn one_primary(
    shape: &Shape,
    targets: &[Target],
    candidates: &[usize],
    extents_max: usize,
) -> Result<Space> {
    let extents_max = extents_max.min(shape.extents_max);
    let found = candidates.iter().filter_map(|&index| {
        let runs = usable_runs(&targets[index], shape.aligned);
        in_few_extents(&runs, shape.track_count, extents_max).map(|extents| (index, extents))
    });
    found.min_by_key(|(_, extents)| extents.len()).map(|space| vec![space]).ok_or_else(|| {
        let what = format!("on one volume in at most {extents_max} extents");
        no_space(shape, targets, candidates, &what)
    })
}

pub(super) fn extent_for_extent(
    data_set: &Assessment,
    shape: &Shape,
    targets: &[Target],
    candidates: &[usize],
) -> Result<Space> {
    let mut left = candidates.to_vec();
    let mut space = Vec::new();
    for (number, part) in data_set.parts.iter().enumerate() {
        // What is behind the last track of all is slack.
        let is_last = number + 1 == data_set.parts.len();
        let mut wanted: Vec<u32> = part.dscbs.extents.iter().map(|e| e.track_count).collect();
        if let Some(last) = wanted.last_mut().filter(|_| is_last) {
            *last = last.saturating_add(shape.slack_count);
        }
        if part.dscbs.extents.len() > EXTENTS_MAX {
            return Err(Error::new(
                Reason::TooManyExtents,
                format!(
                    "its part has {} extents, where {EXTENTS_MAX} are allowed; combine them by another mode",
                    part.dscbs.extents.len()
                ),
            )
            .on_volume(part.volser));
        }
        let found = left.iter().enumerate().find_map(|(place, &index)| {
            let mut trial = targets[index].clone();
            let extents: Option<Vec<Extent>> = wanted
                .iter()
                .map(|&track_count| {
                    let runs = usable_runs(&trial, shape.aligned);
                    let taken = in_few_extents(&runs, track_count, 1)?[0];
                    trial.free.take(taken).ok().map(|()| taken)
                })
                .collect();
            extents.map(|extents| (place, index, extents))
        });
        let Some((place, index, extents)) = found else {
            let what = format!(
                "extent for extent, and the part of {} finds no place of its own for its {} extents",
                part.volser,
                part.dscbs.extents.len()
            );
            return Err(no_space(shape, targets, candidates, &what));
        };
        left.remove(place);
        space.push((index, extents));
    }
    Ok(space)
}

pub(super) fn best_fit(
    data_set: &Assessment,
    shape: &Shape,
    targets: &[Target],
    candidates: &[usize],
) -> Result<Space> {
    if let Ok(space) = one_primary(shape, targets, candidates, EXTENTS_MAX) {
        return Ok(space);
    }
    if shape.extents_max == 1 {
        return one_primary(shape, targets, candidates, 1);
    }
    if shape.one_volume {
        let seen = no_space(shape, targets, candidates, "on one volume");
        return Err(Error::new(
            Reason::CannotSplit,
            format!(
                "only sequential and direct data sets can lie on several volumes: {}",
                seen.sentence()
            ),
        ));
    }
    // The volumes with the most usable space first, so that they are few.
    let mut by_space: Vec<(u64, usize, Vec<Extent>)> = candidates
        .iter()
        .map(|&index| {
            let mut runs = usable_runs(&targets[index], shape.aligned);
            runs.truncate(EXTENTS_MAX);
            (runs.iter().map(|run| u64::from(run.track_count)).sum(), index, runs)
        })
        .collect();
    by_space.sort_by_key(|(tracks, index, _)| (std::cmp::Reverse(*tracks), *index));
    let (mut left, mut space) = (shape.track_count, Space::new());
    for (tracks, index, runs) in by_space {
        if left == 0 || tracks == 0 {
            break;
        }
        let here = left.min(u32::try_from(tracks).unwrap_or(u32::MAX));
        let extents = in_few_extents(&runs, here, EXTENTS_MAX)
            .expect("the runs of a volume, at most 16, hold what they hold");
        left -= here;
        space.push((index, extents));
    }
    if left > 0 || space.len() > VOLUMES_MAX {
        let what =
            format!("over {} volumes of at most {EXTENTS_MAX} extents each", candidates.len());
        return Err(no_space(shape, targets, candidates, &what).of_data_set(data_set.name));
    }
    Ok(space)
}
