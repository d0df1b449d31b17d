//! What is done to the targets, one change of one VTOC after the other.
//!
//! Each deed knows what must stand before it, and what stands after it: a name with exactly these extents. So it can be
//! told at any time whether it is done, and one that finds neither touches nothing.

use crate::bytes::{Decoder, Encode, Encoder, crc32c};
use crate::defect::{Defect, defect};
use crate::dscb::Format1;
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::plan::{PlannedDataSet, PlannedPart};
use crate::switch::Ports;
use crate::vtoc::{DataSetDscbs, Expiration, Identity, NewDataSet};
use std::collections::BTreeSet;

/// A part of a target as it stands in a VTOC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::migrate) struct Standing {
    pub volser: Volser,
    pub name: DsName,
    /// DS1CREDT.
    pub created: [u8; 3],
    pub extents: Vec<Extent>,
}

impl Standing {
    pub fn of(part: &PlannedPart) -> Standing {
        Standing {
            volser: part.volser,
            name: part.new.format1.name(),
            created: part.new.format1.creation_date(),
            extents: part.new.extents.clone(),
        }
    }

    fn track_count(&self) -> u32 {
        self.extents.iter().map(|extent| extent.track_count).sum()
    }

    /// Its DSCBs, if it stands.
    pub fn find(&self, ports: &Ports<'_>) -> Result<Option<DataSetDscbs>> {
        let found = ports.find(self.volser, &self.name)?;
        Ok(found.filter(|found| {
            found.extents == self.extents && found.format1.creation_date() == self.created
        }))
    }
}

impl Encode for Standing {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.volser);
        to.put(&self.name);
        self.created.iter().for_each(|byte| to.put(byte));
        to.put(&self.extents);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Standing> {
        Ok(Standing {
            volser: from.get()?,
            name: from.get()?,
            created: [from.get()?, from.get()?, from.get()?],
            extents: from.get()?,
        })
    }
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Scratch,
    /// Gets these attributes and statistics.
    Update(Format1),
    /// Gives back the tracks behind so many.
    Release(u32),
    Rename(DsName),
    Allocate(Format1),
    /// Gets these tracks behind its own.
    Extend(Vec<Extent>),
}

/// One change of one VTOC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::migrate) struct Deed {
    what: What,
    /// What stands before it; for an allocation, after it.
    standing: Standing,
}

/// What a deed did, for those who are told.
pub(in crate::migrate) enum Done {
    /// Something that nobody needs to be told, or nothing.
    Silently,
    Released(Vec<Extent>),
    Renamed(DsName),
    Allocated(Vec<Extent>),
}

impl Deed {
    fn new(what: What, standing: &Standing) -> Deed {
        Deed { what, standing: standing.clone() }
    }

    /// What stands before it.
    pub fn before(&self) -> Option<Standing> {
        (!matches!(self.what, What::Allocate(_))).then(|| self.standing.clone())
    }

    /// What stands after it.
    pub fn after(&self) -> Option<Standing> {
        let standing = self.standing.clone();
        match &self.what {
            What::Scratch => None,
            What::Update(format1) => {
                Some(Standing { created: format1.creation_date(), ..standing })
            }
            What::Allocate(_) => Some(standing),
            What::Release(count) => {
                Some(Standing { extents: Extent::cut(&standing.extents, *count).0, ..standing })
            }
            What::Rename(to) => Some(Standing { name: *to, ..standing }),
            What::Extend(by) => {
                Some(Standing { extents: Extent::joined(&standing.extents, by), ..standing })
            }
        }
    }

    /// The name under which it is done, and the volume.
    pub fn place(&self) -> (DsName, Volser) {
        (self.standing.name, self.standing.volser)
    }

    /// Does it, unless it is done.
    ///
    /// Error: [`Reason::TargetChanged`] if neither what must stand before it is there, nor what it makes.
    pub fn perform(&self, ports: &Ports<'_>) -> Result<Done> {
        let (space, journal) = (ports.space(self.standing.volser)?, ports.journal);
        if let What::Allocate(format1) = &self.what {
            if self.standing.find(ports)?.is_none() {
                let extents = self.standing.extents.clone();
                space.allocate(&NewDataSet { format1: *format1, extents }, journal)?;
            }
            return Ok(Done::Allocated(self.standing.extents.clone()));
        }
        let Some(found) = self.standing.find(ports)? else {
            let is_done = match self.after() {
                None => true,
                Some(after) => after.find(ports)?.is_some(),
            };
            return if is_done { Ok(self.done()) } else { Err(self.target_changed()) };
        };
        let identity = Identity::of(&found);
        match &self.what {
            What::Scratch if defect(Defect::LeavingTargetStays) => {}
            What::Rename(_) if defect(Defect::RenamedTargetKeepsItsName) => {}
            What::Scratch => space.scratch(&identity, Expiration::Ignore, journal)?,
            What::Update(format1) if format1.at_place_of(&found.format1) == found.format1 => {}
            What::Update(format1) => drop(space.update(&identity, format1, journal)?),
            What::Release(count) => drop(space.release(&identity, *count, journal)?),
            What::Rename(to) => drop(space.rename(&identity, to, journal)?),
            What::Extend(by) => drop(space.extend(&identity, by, journal)?),
            What::Allocate(_) => {}
        }
        Ok(self.done())
    }

    fn done(&self) -> Done {
        let after = self.after().map(|after| after.track_count()).unwrap_or_default();
        match &self.what {
            What::Update(_) | What::Allocate(_) => Done::Silently,
            What::Scratch | What::Release(_) => {
                Done::Released(Extent::cut(&self.standing.extents, after).1)
            }
            What::Rename(to) => Done::Renamed(*to),
            What::Extend(by) => Done::Allocated(by.clone()),
        }
    }

    fn target_changed(&self) -> Error {
        let what = "the target is not what it was while it follows its source; it is not touched: see what it is, and \
                    terminate the migration";
        Error::new(Reason::TargetChanged, what)
            .on_volume(self.standing.volser)
            .of_data_set(self.standing.name)
    }
}

impl Encode for Deed {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.standing);
        match &self.what {
            What::Scratch => to.put(&1u8),
            What::Update(format1) => {
                to.put(&2u8);
                to.put(format1);
            }
            What::Release(count) => {
                to.put(&3u8);
                to.put(count);
            }
            What::Rename(name) => {
                to.put(&4u8);
                to.put(name);
            }
            What::Allocate(format1) => {
                to.put(&5u8);
                to.put(format1);
            }
            What::Extend(by) => {
                to.put(&6u8);
                to.put(by);
            }
        }
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Deed> {
        let standing = from.get()?;
        let what = match from.get::<u8>()? {
            1 => What::Scratch,
            2 => What::Update(from.get()?),
            3 => What::Release(from.get()?),
            4 => What::Rename(from.get()?),
            5 => What::Allocate(from.get()?),
            6 => What::Extend(from.get()?),
            other => {
                return Err(Error::new(Reason::EndOfData, format!("{other} is no deed")));
            }
        };
        Ok(Deed { what, standing })
    }
}

/// What becomes of the target of one data set.
pub(super) struct Turn<'a> {
    pub was: Option<&'a PlannedDataSet>,
    pub now: Option<&'a PlannedDataSet>,
    /// Nothing of it stays, whatever is planned in its place.
    pub is_made_anew: bool,
}

/// What is done so that the targets become what they shall be: all that is given back before anything that is taken, and
/// names in between. Two that exchange their names need a third one.
///
/// Error: [`Reason::PartsInconsistent`] if what would be given back is used.
pub(super) fn deeds(turns: &[Turn<'_>]) -> Result<Vec<Deed>> {
    let (mut releases, mut renames, mut allocations) = (Vec::new(), Vec::new(), Vec::new());
    for turn in turns {
        let was = turn.was.map_or(&[][..], |data_set| &data_set.parts);
        let now = turn.now.map_or(&[][..], |data_set| &data_set.parts);
        let mut stays: BTreeSet<Volser> = BTreeSet::new();
        for part in was {
            let new = now.iter().find(|new| new.volser == part.volser && !turn.is_made_anew);
            let standing = Standing::of(part);
            let kept = new.map_or(0, |new| common(&standing.extents, &new.new.extents));
            let Some(new) = new.filter(|_| kept > 0) else {
                releases.push(Deed::new(What::Scratch, &standing));
                continue;
            };
            stays.insert(part.volser);
            let last = resize(part, new, kept, &mut releases, &mut allocations)
                .map_err(|error| error.of_data_set(part.new.format1.name()))?;
            if last.name != new.new.format1.name() {
                renames.push((last, new.new.format1.name()));
            }
        }
        for part in now.iter().filter(|part| !stays.contains(&part.volser)) {
            allocations.push(Deed::new(What::Allocate(part.new.format1), &Standing::of(part)));
        }
    }
    releases.extend(in_turn(renames));
    releases.extend(allocations);
    Ok(releases)
}

/// What gives a part its new size; what stands after its release is given back.
fn resize(
    part: &PlannedPart,
    new: &PlannedPart,
    kept: u32,
    releases: &mut Vec<Deed>,
    allocations: &mut Vec<Deed>,
) -> Result<Standing> {
    let mut standing = Standing::of(part);
    let is_cut = kept < standing.track_count();
    let (old, format1) = (&part.new.format1, &new.new.format1);
    // Other attributes are brought up to date later. But these tell a part from another, and what is cut must not be used.
    let is_other = old.volume_sequence() != format1.volume_sequence()
        || old.creation_date() != format1.creation_date();
    if is_cut || is_other {
        releases.push(Deed::new(What::Update(*format1), &standing));
        standing.created = format1.creation_date();
    }
    if is_cut {
        let used = format1.last_used().map_or(0, |(track, _)| track.saturating_add(1));
        if used > kept {
            let what = "its last used track (DS1LSTAR) lies behind its extents; correct its F1";
            let error = Error::new(Reason::PartsInconsistent, what);
            return Err(error.on_volume(part.volser));
        }
        let release = Deed::new(What::Release(kept), &standing);
        standing.extents = Extent::cut(&standing.extents, kept).0;
        releases.push(release);
    }
    let (_, by) = Extent::cut(&new.new.extents, kept);
    if !by.is_empty() {
        let named = Standing { name: new.new.format1.name(), ..standing.clone() };
        allocations.push(Deed::new(What::Extend(by), &named));
    }
    Ok(standing)
}

/// Renames in an order in which each new name is free when its turn comes.
fn in_turn(mut renames: Vec<(Standing, DsName)>) -> Vec<Deed> {
    let mut deeds = Vec::new();
    while !renames.is_empty() {
        let is_free = |(standing, to): &(Standing, DsName)| {
            !renames.iter().any(|(other, _)| other.volser == standing.volser && other.name == *to)
        };
        match renames.iter().position(is_free) {
            Some(next) => {
                let (standing, to) = renames.remove(next);
                deeds.push(Deed::new(What::Rename(to), &standing));
            }
            None => {
                let standing = &mut renames[0].0;
                let between = name_between(standing.name);
                deeds.push(Deed::new(What::Rename(between), standing));
                standing.name = between;
            }
        }
    }
    deeds
}

/// The name of a target that gave its own to another one, and cannot have its new one yet.
fn name_between(name: DsName) -> DsName {
    let digest = crc32c(0, name.as_bytes());
    DsName::parse(&format!("TRKMIRR.NEWNAME.X{:07X}", digest & 0x0FFF_FFFF))
        .expect("the qualifiers keep the rules")
}

/// How many tracks from the first one on are the same.
fn common(these: &[Extent], those: &[Extent]) -> u32 {
    let mut count = 0;
    for (this, that) in these.iter().zip(those) {
        if this.first != that.first {
            break;
        }
        count += this.track_count.min(that.track_count);
        if this.track_count != that.track_count {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests;
