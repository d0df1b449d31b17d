//! That what an allocator made is there, whole and once, and what it removed is not: its record, compared with catalogs and
//! volumes.

use super::allocator::WRITER;
use super::changes::{Known, Record};
use super::place::{Files, Located};
use super::stamp::Stamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::SpaceManager;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::{DsName, Result, Volser};

/// What the record of an allocator is compared with.
pub struct Court<'a> {
    pub files: &'a Files,
    /// Copies that are not cataloged do not count.
    pub others_too: bool,
    /// Tracks that writers wrote since.
    pub overwritten: BTreeSet<(DsName, u32)>,
}

impl Court<'_> {
    /// How the record and the volumes differ.
    pub fn violations(&self, record: &Record) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        if let Some(change) = record.unfinished() {
            wrong.push(format!("'{change}' never ended"));
        }
        let (known, gone) = record.outcome();
        let volumes = self.files.readable()?;
        for (name, known) in &known {
            match self.files.locate(&[*name]) {
                Ok(located) => wrong.extend(self.differences(&located[0], known, &volumes)?),
                Err(error) => wrong.push(error.to_string()),
            }
        }
        for name in gone {
            if let Some(volsers) = self.files.locate_cataloged(&name)? {
                wrong.push(format!("{name} is gone, but cataloged on {volsers}"));
            }
            wrong.extend(self.further_copies(&name, &[], &volumes)?);
        }
        Ok(wrong)
    }

    fn differences(
        &self,
        located: &Located,
        known: &Known,
        volumes: &BTreeMap<Volser, Arc<dyn Volume>>,
    ) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let (name, has) = (located.name, located.track_count());
        if has != known.track_count {
            wrong.push(format!("{name} has {has} tracks and should have {}", known.track_count));
        }
        for (&number, filled) in &known.tracks {
            let Some((volser, at)) = located.track(number) else { continue };
            if self.overwritten.contains(&(name, number)) {
                continue;
            }
            let volume = &volumes[&volser];
            let (mut should, mut is) = (vec![0; volume.slot_size()], vec![0; volume.slot_size()]);
            let stamp = Stamp { writer: WRITER, write: filled.write, track: number };
            stamp.put(&mut should, volume.place(at), located.shape, &filled.name)?;
            volume.read(at, &mut is)?;
            if !super::proof::same(&is, &should) {
                wrong.push(format!(
                    "{name} track {number} ({volser} track {}) does not hold what change {} put there",
                    at.0, filled.write
                ));
            }
        }
        let on: Vec<Volser> = located.extents.iter().map(|(_, volser, _)| *volser).collect();
        wrong.extend(self.further_copies(&name, &on, volumes)?);
        Ok(wrong)
    }

    /// What stands under a name elsewhere.
    fn further_copies(
        &self,
        name: &DsName,
        on: &[Volser],
        volumes: &BTreeMap<Volser, Arc<dyn Volume>>,
    ) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for (volser, volume) in volumes.iter().filter(|(volser, _)| !on.contains(volser)) {
            if !self.others_too && VtocSpaceManager::new(volume.clone()).find(name)?.is_some() {
                wrong.push(format!("{name} is on {volser}, where it is not cataloged"));
            }
        }
        Ok(wrong)
    }
}
