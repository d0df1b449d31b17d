//! Where the target of a data set that got another size gets its tracks from.

use super::Space;
use crate::assess::Assessment;
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::name::Volser;
use crate::plan::space::{Shape, VOLUMES_MAX, free_in_pieces, in_few_extents, usable_runs};
use crate::plan::{EXTENTS_MAX, PlannedDataSet, Target, candidates};

fn count(extents: &[Extent]) -> u32 {
    extents.iter().map(|extent| extent.track_count).sum()
}

/// How the target of a data set gets another size.
pub(super) struct Resize<'a> {
    pub data_set: &'a PlannedDataSet,
    pub present: &'a Assessment,
    pub targets: &'a [Target],
}

impl Resize<'_> {
    fn shape(&self, volser: Volser) -> Result<Shape> {
        Ok(Shape::of(self.present, self.target(volser)?.geometry.heads()))
    }

    fn target(&self, volser: Volser) -> Result<&Target> {
        self.targets.iter().find(|target| target.volser == volser).ok_or_else(|| {
            let what = "the target volume is not among those that are given; give it too";
            Error::new(Reason::NoSuchVolume, what).on_volume(volser)
        })
    }

    /// All parts of the target follow each other.
    pub fn as_a_whole(&self, mut space: Space) -> Result<Space> {
        let (was, wanted) = (self.data_set.assessment.track_count(), self.present.track_count());
        let has: u32 = space.iter().map(|(_, extents)| count(extents)).sum();
        if wanted > has {
            return self.grown(space, wanted - has);
        }
        if wanted < was {
            let mut left = wanted;
            for (_, extents) in &mut space {
                *extents = Extent::cut(extents, left).0;
                left -= count(extents);
            }
            space.retain(|(_, extents)| !extents.is_empty());
        }
        Ok(space)
    }

    /// The target with so many more tracks at its end.
    fn grown(&self, mut space: Space, missing: u32) -> Result<Space> {
        let Some((last, extents)) = space.last_mut() else { return Ok(space) };
        let shape = self.shape(*last)?;
        if let Some(by) = self.extension(self.target(*last)?, extents, missing, &shape) {
            *extents = Extent::joined(extents, &by);
            return self.with_nucleus_whole(space);
        }
        let others = if shape.one_volume || shape.extents_max == 1 {
            Vec::new()
        } else {
            self.others(&space)
        };
        let whole = others.iter().filter_map(|target| {
            let by = self.extension(target, &[], missing, &shape)?;
            Some((target.volser, by))
        });
        if let Some(part) = whole.min_by_key(|(_, by)| by.len()) {
            space.push(part);
            return Ok(space);
        }
        self.spread(space, missing, &shape, others)
    }

    /// The target with so many more tracks: what its last volume has, and then the volumes that have most.
    fn spread(
        &self,
        mut space: Space,
        missing: u32,
        shape: &Shape,
        mut others: Vec<&Target>,
    ) -> Result<Space> {
        let room = |target: &Target, extent_count: usize| -> u32 {
            let extents_max = EXTENTS_MAX.saturating_sub(extent_count);
            let runs = usable_runs(target, shape.aligned);
            let tracks: u64 =
                runs.iter().take(extents_max).map(|run| u64::from(run.track_count)).sum();
            u32::try_from(tracks).unwrap_or(u32::MAX)
        };
        others.sort_by_key(|target| std::cmp::Reverse(room(target, 0)));
        let mut left = missing;
        if !others.is_empty()
            && let Some((last, extents)) = space.last_mut()
        {
            let target = self.target(*last)?;
            let here = left.min(room(target, extents.len()));
            if let Some(by) = self.extension(target, extents, here, shape) {
                *extents = Extent::joined(extents, &by);
                left -= here;
            }
        }
        for target in &others {
            let here = left.min(room(target, 0));
            if here > 0
                && let Some(by) = self.extension(target, &[], here, shape)
            {
                space.push((target.volser, by));
                left -= here;
            }
        }
        if left == 0 && space.len() <= VOLUMES_MAX {
            return Ok(space);
        }
        let own = self.data_set.parts.last().map(|part| self.target(part.volser)).transpose()?;
        Err(no_space(missing, shape, own.into_iter().chain(others)))
    }

    /// Space for so many tracks behind these extents of a volume.
    fn extension(
        &self,
        target: &Target,
        behind: &[Extent],
        track_count: u32,
        shape: &Shape,
    ) -> Option<Vec<Extent>> {
        let merged = behind.last().map(|last| Extent::new(last.end(), track_count));
        if let Some(merged) = merged.filter(|merged| target.free.is_free(*merged)) {
            return Some(vec![merged]);
        }
        let extents_max = shape.extents_max.saturating_sub(behind.len());
        in_few_extents(&usable_runs(target, shape.aligned), track_count, extents_max)
    }

    /// The volumes that hold nothing of the data set, and that it can go to.
    fn others(&self, space: &Space) -> Vec<&Target> {
        if self.data_set.combines {
            return Vec::new();
        }
        let is_free = |target: &&Target| {
            !space.iter().any(|(volser, _)| *volser == target.volser)
                && !self.data_set.parts.iter().any(|part| part.volser == target.volser)
                && !self.present.parts.iter().any(|part| part.volser == target.volser)
        };
        let fit = candidates(self.present, self.targets).unwrap_or_default();
        fit.into_iter().map(|index| &self.targets[index]).filter(is_free).collect()
    }

    /// Each part of the target follows the part of the source that lies, or lay, on the same volume.
    pub fn part_for_part(&self, was: Space) -> Result<Space> {
        let mut space = Space::new();
        let stored = &self.data_set.assessment.parts;
        for (number, part) in self.present.parts.iter().enumerate() {
            let wanted = part.track_count();
            let place = stored.iter().position(|stored| stored.volser == part.volser);
            if let Some(place) = place {
                let (volser, extents) = &was[place];
                let shape = self.shape(*volser)?;
                let missing = wanted.saturating_sub(count(extents));
                let by = match missing {
                    0 => Some(Vec::new()),
                    _ => self.extension(self.target(*volser)?, extents, missing, &shape),
                };
                // Slack is behind the last track of all.
                let keeps_slack = number + 1 == self.present.parts.len()
                    && place + 1 == stored.len()
                    && wanted >= stored[place].track_count();
                let kept =
                    if keeps_slack { extents.clone() } else { Extent::cut(extents, wanted).0 };
                if let Some(by) = by {
                    space.push((*volser, Extent::joined(&kept, &by)));
                    continue;
                }
            }
            let others = self.others(&space);
            let heads = part.device.heads;
            let shape = Shape::of(self.present, heads);
            let whole = others.iter().filter_map(|target| {
                Some((target.volser, self.extension(target, &[], wanted, &shape)?))
            });
            match whole.min_by_key(|(_, by)| by.len()) {
                Some(found) => space.push(found),
                None => {
                    let own = place.map(|place| self.target(was[place].0)).transpose()?;
                    return Err(no_space(wanted, &shape, own.into_iter().chain(others)));
                }
            }
        }
        Ok(space)
    }

    /// The IPL program reads the first extent of SYS1.NUCLEUS only.
    fn with_nucleus_whole(&self, space: Space) -> Result<Space> {
        let extent_count: usize = space.iter().map(|(_, extents)| extents.len()).sum();
        if extent_count > 1 && self.present.name.starts_with("SYS1.NUCLEUS ") {
            let what = "SYS1.NUCLEUS must be in one extent, and the space behind its target is not free; terminate the \
                        migration and begin again";
            return Err(Error::new(Reason::NoSpace, what));
        }
        Ok(space)
    }
}

fn no_space<'a>(
    track_count: u32,
    shape: &Shape,
    targets: impl Iterator<Item = &'a Target>,
) -> Error {
    let volumes: Vec<&Target> = targets.collect();
    let seen = free_in_pieces(volumes.iter().copied(), shape);
    let error = Error::new(
        Reason::NoSpace,
        format!(
            "its source grew, and its target needs {track_count} tracks{} for that ({}); free space there, or terminate \
             the migration and give another target",
            if shape.aligned { " in whole cylinders" } else { "" },
            seen
        ),
    );
    match &volumes[..] {
        [only] => error.on_volume(only.volser),
        _ => error,
    }
}
