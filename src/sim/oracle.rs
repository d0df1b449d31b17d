//! What must be so: every write that reached its data set is in the one copy that everybody finds, and in the end
//! nothing is left over.

use super::cast::{Cast, DataSet, Place};
use super::content;
use super::disk::Who;
use super::scene::{SYSCTLG, VTOC};
use super::world::World;
use crate::catalog::Catalog;
use crate::catalog::cvol::CvolCatalog;
use crate::checkpoint::{Checkpoint, Sections};
use crate::error::{Error, Result};
use crate::geometry::Track;
use crate::migrate::status;
use crate::name::{DsName, Volser};
use crate::plan::{Plan, PlannedDataSet};
use crate::state::State;
use crate::volume::intent::Intent;
use crate::volume::{Volume, VolumeExt};
use crate::vtoc::check::{Severity, Tracks, check};
use crate::vtoc::{FreeSpace, Vtoc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Nothing, or what is wrong.
pub(super) type Checked<T = ()> = std::result::Result<T, String>;

fn told(error: Error) -> String {
    error.to_string()
}

impl World {
    /// What the newest valid slot of the checkpoint holds.
    pub fn sections(&self) -> Option<Sections> {
        let slots = self.disks().slots.clone();
        let store = crate::checkpoint::MemoryStore::default();
        for (number, slot) in slots.into_iter().enumerate() {
            if let Some(slot) = slot {
                let _ = crate::checkpoint::CheckpointStore::write(&store, number, &slot);
            }
        }
        Checkpoint::open(store).ok()?.1
    }

    /// The durable state of the migration.
    pub fn durable_state(&self) -> Option<State> {
        let sections = self.sections()?;
        status(&sections).ok().map(|(state, _)| state)
    }

    /// The volume whose change was interrupted.
    pub fn interrupted_volume(&self) -> Option<Volser> {
        let intent: Option<Intent> = self.sections()?.get(*b"INTN").ok()?;
        intent.map(|intent| intent.volser)
    }

    /// That the targets hold everything: nobody writes any more.
    pub fn check_targets(&self) {
        let plan = self.sections().and_then(|sections| status(&sections).ok());
        let Some((_, plan)) = plan else { return };
        for planned in &plan.data_sets {
            let checked = self.cast().check_target(self, planned);
            if let Err(what) = checked {
                let name = planned.assessment.name;
                self.wrong(format!("the target of {name} is said to hold everything: {what}"));
            }
        }
    }

    /// That everything that may be opened now leads to one complete copy.
    pub fn check_open(&self, when: &str) {
        let cast = self.cast();
        if !cast.is_sound(self) {
            return;
        }
        for data_set in cast.data_sets.iter().filter(|d| d.is_alive && !d.changing) {
            if cast.desk.is_held(&data_set.name) {
                continue;
            }
            if let Err(what) = cast.find(self, data_set) {
                self.wrong(format!("{when}, {}: {what}", data_set.name));
            }
        }
    }
}

impl Cast {
    /// Whether no write of a VTOC or of the catalog is torn: what is on such a track stands in the intent alone.
    pub fn is_sound(&self, world: &World) -> bool {
        let disks = world.disks();
        disks.volumes.iter().all(|(volser, disk)| {
            !disk.torn.iter().any(|&track| {
                VTOC.contains(Track(track))
                    || *volser == self.catalog && SYSCTLG.contains(Track(track))
            })
        })
    }

    pub fn cvol(&self, world: &World) -> Result<CvolCatalog> {
        let volume = world.volume_of(self.catalog, Who::Reader);
        CvolCatalog::open(Arc::new(volume), vec![SYSCTLG])
    }

    /// The volumes on which everybody looks for a data set.
    fn volumes_of(&self, world: &World, data_set: &DataSet) -> Checked<Vec<Volser>> {
        if data_set.is_cataloged {
            let entry = self.cvol(world).and_then(|cvol| cvol.locate(&data_set.name));
            let entry = entry.map_err(told)?.ok_or("it is not cataloged")?;
            return Ok(entry.volumes.iter().map(|volume| volume.volser).collect());
        }
        let durable = world.sections().and_then(|sections| status(&sections).ok());
        let (state, plan) = durable.unwrap_or((State::Planned, Plan::default()));
        // What was taken out stays where it is.
        let mut stays = plan.scope.passed_over.iter();
        if state.is_before_switch()
            || matches!(state, State::Switching | State::Terminated)
            || stays.any(|one| one.assessment.name == data_set.name)
        {
            return Ok(data_set.volsers.clone());
        }
        let mut volsers = Vec::new();
        for &target in &self.targets {
            let volume = world.volume_of(target, Who::Others);
            let vtoc = Vtoc::read(&volume).map_err(told)?;
            if let Some(found) = vtoc.find(&data_set.name).map_err(told)? {
                volsers.push((found.format1.volume_sequence(), target));
            }
        }
        volsers.sort_unstable();
        if volsers.is_empty() {
            return Ok(data_set.volsers.clone());
        }
        Ok(volsers.into_iter().map(|(_, volser)| volser).collect())
    }

    /// Where everybody finds a data set now, and that it holds there what it must.
    pub fn find(&self, world: &World, data_set: &DataSet) -> Checked<Vec<Place>> {
        let volsers = self.volumes_of(world, data_set)?;
        let mut places = Vec::new();
        for (number, &volser) in (1..).zip(&volsers) {
            let volume = world.volume_of(volser, Who::Others);
            let vtoc = Vtoc::read(&volume).map_err(told)?;
            let found = vtoc.find(&data_set.name).map_err(told)?;
            let found = found.ok_or_else(|| format!("it is not on {volser}"))?;
            if found.format1.volume_sequence() != number {
                return Err(format!("its part on {volser} is not number {number}"));
            }
            places.extend(content::tracks_of(volser, &found.extents));
        }
        if places.len() < data_set.truth.len() {
            let count = data_set.truth.len();
            return Err(format!("it has {} tracks on {volsers:?}, not {count}", places.len()));
        }
        self.check_tracks(world, data_set, &places)?;
        Ok(places)
    }

    fn check_target(&self, world: &World, planned: &PlannedDataSet) -> Checked {
        let name = planned.assessment.name;
        let mut alive = self.data_sets.iter().filter(|d| d.is_alive && !d.changing);
        let Some(data_set) = alive.find(|data_set| data_set.name == name) else { return Ok(()) };
        let runs = planned
            .parts
            .iter()
            .flat_map(|part| content::tracks_of(part.volser, &part.new.extents));
        self.check_tracks(world, data_set, &runs.collect::<Vec<Place>>())
    }

    /// That the tracks of a data set hold what they must in these places.
    fn check_tracks(&self, world: &World, data_set: &DataSet, places: &[Place]) -> Checked {
        for (index, (truth, (volser, track))) in data_set.truth.iter().zip(places).enumerate() {
            let Some(number) = truth else { continue };
            let volume = world.volume_of(*volser, Who::Others);
            let mut slot = vec![0; volume.slot_size()];
            volume.read(*track, &mut slot).map_err(told)?;
            let stamp = content::stamp(&slot, volume.place(*track));
            let wanted = (data_set.id, index as u32, *number);
            if stamp != Some(wanted) && !self.is_being_written(data_set.id, index) {
                let holds = stamp.map_or("is torn".to_string(), |(id, index, number)| {
                    format!("holds write {number} of track {index} of data set {id}")
                });
                return Err(format!(
                    "its track {index} has lost write {number}: track {} of {volser} {holds}",
                    track.0
                ));
            }
        }
        Ok(())
    }

    /// What stands on the volumes after the machine ended is the truth, where somebody's own writes were lost.
    pub fn accept_losses(&mut self, world: &World, lost: &BTreeMap<Volser, BTreeSet<u32>>) {
        let switched = world
            .durable_state()
            .is_some_and(|state| matches!(state, State::Switched | State::Complete));
        let is_lost = |(volser, track): &Place| {
            lost.get(volser).is_some_and(|tracks| tracks.contains(&track.0))
        };
        let lie_on: Vec<Option<Vec<Volser>>> =
            self.data_sets.iter().map(|data_set| self.volumes_of(world, data_set).ok()).collect();
        let sources = self.sources.clone();
        for (data_set, lies_on) in self.data_sets.iter_mut().zip(lie_on) {
            for index in 0..data_set.truth.len() {
                let Some(place) = data_set.written_at[index].filter(is_lost) else { continue };
                // What was written where it was before it was moved is nobody's any more.
                let is_left = match &lies_on {
                    Some(volsers) => !volsers.contains(&place.0),
                    None => sources.contains(&place.0),
                };
                if switched && is_left {
                    continue;
                }
                let volume = world.volume_of(place.0, Who::Others);
                let mut slot = vec![0; volume.slot_size()];
                if volume.read(place.1, &mut slot).is_err() {
                    continue;
                }
                let stamp = content::stamp(&slot, volume.place(place.1));
                let own =
                    stamp.filter(|(id, track, _)| *id == data_set.id && *track == index as u32);
                data_set.truth[index] = own.map(|(_, _, number)| number);
                let (name, now) = (data_set.name, data_set.truth[index]);
                world.note(|| format!("{name}, track {index} holds write {now:?} again"));
            }
        }
    }

    /// What must hold when the migration has ended.
    pub fn check_end(&self, world: &World, state: State) -> Checked {
        if let Some(name) = self.desk.left() {
            return Err(format!("{name} is asked for or held for ever"));
        }
        self.check_areas()?;
        self.check_stolen(world)?;
        let mut expected: BTreeMap<(Volser, DsName), &str> = BTreeMap::new();
        for data_set in self.data_sets.iter().filter(|data_set| data_set.is_alive) {
            let places = self.find(world, data_set);
            let places = places.map_err(|what| format!("in the end, {}: {what}", data_set.name))?;
            if places.len() != data_set.truth.len() && self.setup.slack == 0 {
                return Err(format!("{} has {} tracks in the end", data_set.name, places.len()));
            }
            let is_at_source = self.sources.contains(&places[0].0);
            if state == State::Terminated && !is_at_source {
                return Err(format!("{} was moved, though that was given up", data_set.name));
            }
            for (volser, _) in places {
                expected.insert((volser, data_set.name), "moved");
            }
        }
        self.check_volumes(world, &expected)?;
        let checked = self.cvol(world).and_then(|cvol| cvol.check()).map_err(told)?;
        if !checked.damage.is_empty() || !checked.remarks.is_empty() {
            return Err(format!("the catalog: {checked:?}"));
        }
        let cvol = self.cvol(world).map_err(told)?;
        let mask = "SIM.**".parse().map_err(told)?;
        for entry in cvol.list(&mask).map_err(told)? {
            let is_known = |data_set: &&DataSet| data_set.is_alive && data_set.is_cataloged;
            let mut known = self.data_sets.iter().filter(is_known);
            if !known.any(|data_set| data_set.name == entry.name) {
                return Err(format!("{} is cataloged, and is nowhere", entry.name));
            }
        }
        Ok(())
    }

    fn check_volumes(&self, world: &World, expected: &BTreeMap<(Volser, DsName), &str>) -> Checked {
        let mut kept = 0;
        let volsers: Vec<Volser> = world.disks().volumes.keys().copied().collect();
        for volser in volsers {
            let volume = world.volume_of(volser, Who::Others);
            // What a failed flush forgot nobody can write again: where it was to mend a free track, that may come back.
            let has_forgotten = world.stage().counts.failed_flushes > 0;
            let tracks = if has_forgotten { Tracks::Used } else { Tracks::All };
            let findings = check(&volume, tracks).map_err(told)?;
            if let Some(error) = findings.iter().find(|f| f.severity == Severity::Error) {
                return Err(format!("in the end: {error}"));
            }
            let vtoc = Vtoc::read(&volume).map_err(told)?;
            let recorded = FreeSpace::recorded(&vtoc).map_err(told)?;
            let Some(recorded) = recorded else {
                return Err(format!("in the end nobody knows what is free on {volser}"));
            };
            if recorded.runs() != FreeSpace::complement(&vtoc).runs() {
                return Err(format!("in the end the free space of {volser} is not what is free"));
            }
            for (name, _) in vtoc.data_sets() {
                let text = name.to_string();
                let others = text.starts_with("OTHER.") || text == "SYSCTLG";
                if text.ends_with(".OLDCOPY") && self.setup.keep && self.sources.contains(&volser) {
                    kept += 1;
                } else if self.thief == Some(name) && self.stolen[0].0 == volser {
                    continue;
                } else if !others && !expected.contains_key(&(volser, name)) {
                    return Err(format!("in the end {name} is left on {volser}"));
                }
            }
        }
        if kept > 0 && !self.setup.keep {
            return Err("a source was kept that should not be".into());
        }
        Ok(())
    }
}
