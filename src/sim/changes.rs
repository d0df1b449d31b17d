//! What owners do with their data sets beside writing: extend, release, delete, create, rename, make anew, note what is
//! used. Most of it has two steps, one in the VTOC and one in the catalog, and others see what is between.
//!
//! Who deletes or renames a data set has it for himself meanwhile: nobody has it open, nobody may open it, and who asks
//! whether it is closed is told that it is not.

use super::cast::{Cast, DataSet, Place};
use super::content;
use super::disk::Who;
use super::scene;
use super::story::Act;
use super::world::World;
use crate::catalog::Catalog;
use crate::copy::write_empty;
use crate::error::{Reason, Result};
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::state::State;
use crate::track::NullFormat;
use crate::volume::intent::NoJournal;
use crate::volume::{Volume, VolumeExt};
use crate::vtoc::manager::VtocSpaceManager;
use crate::vtoc::{DataSetDscbs, Expiration, FreeSpace, Identity, NewDataSet, SpaceManager, Vtoc};
use std::collections::VecDeque;
use std::sync::Arc;

/// Who stands in the place of a target that was stolen.
const STOLEN: &str = "OTHER.STOLEN";
const STOLEN_ID: u32 = u32::MAX;

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Touch,
    Grow { tracks: u32, elsewhere: bool },
    AddVolume,
    Cut { tracks: u32 },
    Scratch,
    Uncatalog,
    Allocate { tracks: u32 },
    Catalog,
    RenameDscbs { to: DsName },
    RenameEntry { to: DsName },
}

/// A change that is under way.
#[derive(Debug)]
pub(super) struct Job {
    id: u32,
    kind: &'static str,
    steps: VecDeque<Step>,
    between: u8,
    left: u8,
    /// Other names that it keeps for itself.
    names: Vec<DsName>,
    is_exclusive: bool,
    has_begun: bool,
}

/// When VTOCs were changed, to know whether that was noticed in time.
#[derive(Debug, Default)]
pub(super) struct Notice {
    last_step: Option<u64>,
    closed: u64,
    /// Catalogs have no monitor.
    has_changed_catalog: bool,
}

/// So many moments pass at most between the last look at the marks and the word that all is closed.
const SLACK: u64 = 6;

impl Notice {
    fn step_done(&mut self, step: &Step, now: u64) {
        self.last_step = Some(now);
        self.has_changed_catalog |= matches!(
            step,
            Step::AddVolume | Step::Uncatalog | Step::Catalog | Step::RenameEntry { .. }
        );
    }

    /// It was told that all is closed.
    pub fn hear_closed(&mut self, now: u64) {
        self.closed = now;
    }

    /// Something was accommodated in the window: a change that was noted before all was closed had to be followed then.
    pub fn check_in_window(&self) -> std::result::Result<(), String> {
        match self.last_step {
            Some(step) if step + SLACK < self.closed && !self.has_changed_catalog => Err(
                "a change was followed in the window only, though a monitor had told of it before"
                    .into(),
            ),
            _ => Ok(()),
        }
    }
}

/// How a step went.
enum Went {
    Done,
    /// It is tried again.
    Later,
    /// It cannot be done, and changed nothing.
    Not,
}

impl Job {
    /// What a system notes at a close.
    pub fn touch(id: u32, is_exclusive: bool) -> Job {
        Job { is_exclusive, ..Job::new(id, "touched", vec![Step::Touch], 0) }
    }

    fn new(id: u32, kind: &'static str, steps: Vec<Step>, between: u8) -> Job {
        let names = Vec::new();
        Job {
            id,
            kind,
            steps: steps.into(),
            between,
            left: 0,
            names,
            is_exclusive: false,
            has_begun: false,
        }
    }

    fn exclusive(self) -> Job {
        Job { is_exclusive: true, ..self }
    }

    /// The machine ended: the owner finishes what he began when it is there again.
    pub fn lose_power(&mut self) {
        self.left = 3;
    }
}

impl Cast {
    /// Whether an owner may not change a data set just now.
    fn is_kept_from(&self, world: &World, name: &DsName) -> bool {
        self.desk.is_held(name) && !(self.setup.rude && world.state() < State::Switching)
    }

    /// Names that changes under way keep for themselves. Who is rude tells nobody.
    pub fn names_of_jobs(&self) -> Vec<DsName> {
        if self.setup.rude {
            return Vec::new();
        }
        let exclusive = self.jobs.iter().filter(|job| job.is_exclusive);
        exclusive
            .flat_map(|job| job.names.iter().copied().chain([self.data_set(job.id).name]))
            .collect()
    }

    /// Begins a change that the story says.
    pub fn change(&mut self, world: &World, act: Act) {
        let kept = world.state() >= State::Switching;
        if let Act::Steal { data_set } = act {
            return self.steal(world, data_set);
        }
        let busy = |cast: &Cast, id: u32| cast.jobs.iter().any(|job| job.id == id);
        let meant = |cast: &Cast, number: u8| {
            let id = cast.meant(number)?;
            let held = cast.is_kept_from(world, &cast.data_set(id).name);
            (!kept && !held && !busy(cast, id)).then_some(id)
        };
        let alone = |cast: &Cast, number: u8| meant(cast, number).filter(|id| !cast.is_in_use(*id));
        let job = match act {
            Act::Touch { data_set } => meant(self, data_set).map(|id| Job::touch(id, false)),
            Act::Extend { data_set, tracks, elsewhere } => meant(self, data_set).map(|id| {
                let tracks = tracks.into();
                let is_cataloged = self.data_set(id).is_cataloged;
                let elsewhere = elsewhere && is_cataloged && self.data_set(id).volsers.len() == 1;
                let mut steps = vec![Step::Grow { tracks, elsewhere }];
                let kind = if elsewhere { "extended elsewhere" } else { "extended" };
                elsewhere.then(|| steps.push(Step::AddVolume));
                let job = Job::new(id, kind, steps, 1);
                if elsewhere { job.exclusive() } else { job }
            }),
            Act::Release { data_set, tracks } => alone(self, data_set).map(|id| {
                Job::new(id, "released", vec![Step::Cut { tracks: tracks.into() }], 0).exclusive()
            }),
            Act::Delete { data_set, between } => alone(self, data_set).map(|id| {
                let mut steps = vec![Step::Scratch];
                if self.data_set(id).is_cataloged {
                    steps.insert(usize::from(between % 2), Step::Uncatalog);
                }
                Job::new(id, "deleted", steps, between).exclusive()
            }),
            Act::Create { tracks, between } => self.new_data_set().map(|id| {
                let steps = vec![Step::Allocate { tracks: tracks.into() }, Step::Catalog];
                Job::new(id, "created", steps, between).exclusive()
            }),
            Act::Rename { data_set, between } => alone(self, data_set).and_then(|id| {
                let data_set = self.data_set(id);
                let to = scene::name(id, data_set.renamed + 1).ok()?;
                let mut steps = vec![Step::RenameDscbs { to }];
                if data_set.is_cataloged {
                    steps.push(Step::RenameEntry { to });
                }
                let job = Job::new(id, "renamed", steps, between).exclusive();
                Some(Job { names: vec![to], ..job })
            }),
            Act::Recreate { data_set, tracks, between } => alone(self, data_set).map(|id| {
                let tracks = tracks.into();
                let steps = if self.data_set(id).is_cataloged {
                    vec![Step::Scratch, Step::Uncatalog, Step::Allocate { tracks }, Step::Catalog]
                } else {
                    vec![Step::Scratch, Step::Allocate { tracks }]
                };
                Job::new(id, "recreated", steps, between).exclusive()
            }),
            _ => None,
        };
        if let Some(job) = job {
            let (name, kind) = (self.data_set(job.id).name, job.kind);
            world.note(|| format!("{name} is being {kind}"));
            self.jobs.push(job);
        }
    }

    fn new_data_set(&mut self) -> Option<u32> {
        let id = self.data_sets.len() as u32;
        let name = scene::name(id, 0).ok()?;
        self.data_sets.push(DataSet {
            id,
            name,
            is_cataloged: true,
            is_alive: false,
            volsers: Vec::new(),
            truth: Vec::new(),
            written_at: Vec::new(),
            home: Vec::new(),
            changing: true,
            renamed: 0,
            day: 20,
        });
        Some(id)
    }

    /// Changes go on, each a step at a time.
    pub fn work(&mut self, world: &World) {
        for mut job in std::mem::take(&mut self.jobs) {
            if job.left > 0 {
                job.left -= 1;
                self.jobs.push(job);
                continue;
            }
            let Some(step) = job.steps.front().cloned() else { continue };
            // Who has not begun finds his data set elsewhere by now, and leaves it.
            let is_late = world.state() >= State::Switching && job.kind != "created";
            if is_late && !job.has_begun {
                continue;
            }
            let went = match self.is_possible(world) {
                true => self.step(world, job.id, &step),
                false => Ok(Went::Later),
            };
            match went {
                Ok(Went::Done) => {
                    self.notice.step_done(&step, self.moment);
                    let name = self.data_set(job.id).name;
                    world.note(|| format!("{name}: {step:?} is done"));
                    job.has_begun = true;
                    job.steps.pop_front();
                    job.left = job.between;
                }
                Ok(Went::Not) => job.steps.clear(),
                Ok(Went::Later) => {}
                Err(error) if error.reason() == Reason::VolumeInUse => {}
                Err(error) => {
                    let name = self.data_set(job.id).name;
                    world.note(|| format!("{name}: {step:?} failed: {error}"));
                    // Who cannot even begin leaves it; who began must end it.
                    if !self.data_set(job.id).changing || !self.data_set(job.id).is_alive {
                        job.steps.clear();
                    }
                }
            }
            if job.steps.is_empty() {
                if job.kind != "touched" {
                    self.data_sets[job.id as usize].changing = false;
                }
                let kind = job.kind;
                world.count(|counts| *counts.changes.entry(kind).or_default() += 1);
            } else {
                self.jobs.push(job);
            }
        }
    }

    /// A volume of which a change was interrupted is left alone until that is settled.
    fn is_possible(&self, world: &World) -> bool {
        let is_switching = world.state() == State::Switching;
        self.is_sound(world) && !is_switching && world.interrupted_volume().is_none()
    }

    /// Somebody scratches a target that is in no catalog, and allocates a data set of his own in its place.
    fn steal(&mut self, world: &World, number: u8) {
        let Some(id) = self.meant(number) else { return };
        let name = self.data_set(id).name;
        // Whoever migrates has the targets for himself.
        let is_free = world.stage().is_down && self.is_possible(world);
        let may = is_free
            && world
                .durable_state()
                .is_some_and(|state| state.is_before_switch() && state > State::Planned);
        if !may || !self.stolen.is_empty() {
            return;
        }
        for &volser in &self.targets {
            let volume = Arc::new(world.volume_of(volser, Who::Others));
            let space = VtocSpaceManager::new(volume.clone());
            let Ok(Some(found)) = space.find(&name) else { continue };
            // Under its own name, or under that of the target.
            let thief = if number.is_multiple_of(2) { DsName::parse(STOLEN) } else { Ok(name) };
            let Ok(thief) = thief else { return };
            let stolen = self.take_place(&*volume, &space, &found, thief);
            world.note(|| format!("the target of {name} on {volser} is stolen: {stolen:?}"));
            if let Ok(stolen) = stolen {
                (self.stolen, self.thief) = (stolen, Some(thief));
                world.count(|counts| counts.stolen += 1);
                return;
            }
        }
    }

    fn take_place(
        &self,
        volume: &dyn Volume,
        space: &VtocSpaceManager,
        found: &DataSetDscbs,
        name: DsName,
    ) -> Result<Vec<Place>> {
        space.scratch(&Identity::of(found), Expiration::Ignore, &NoJournal)?;
        for &extent in &found.extents {
            write_empty(volume, extent, NullFormat::Empty)?;
        }
        let format1 = scene::format1(name, 5, 1, volume.volser());
        let mut extents = found.extents[..1].to_vec();
        extents[0].track_count = extents[0].track_count.div_ceil(2);
        let places = content::tracks_of(volume.volser(), &extents);
        for (index, (_, track)) in (0..).zip(&places) {
            let slot = content::image(&volume.geometry(), *track, (STOLEN_ID, index, 1))?;
            volume.write(*track, &slot)?;
        }
        volume.flush()?;
        space.allocate(&NewDataSet { format1, extents }, &NoJournal)?;
        Ok(places)
    }

    /// That what stands in the place of a target that was stolen is what its owner wrote.
    pub fn check_stolen(&self, world: &World) -> std::result::Result<(), String> {
        if let (Some(thief), Some((volser, _))) = (&self.thief, self.stolen.first()) {
            let vtoc = Vtoc::read(&world.volume_of(*volser, Who::Reader));
            let found = vtoc.and_then(|vtoc| vtoc.find(thief));
            if found.map_err(|error| error.to_string())?.is_none() {
                return Err(format!("{thief} on {volser}, which is somebody else's, is gone"));
            }
        }
        for (index, (volser, track)) in (0..).zip(&self.stolen) {
            let volume = world.volume_of(*volser, Who::Reader);
            let mut slot = vec![0; volume.slot_size()];
            volume.read(*track, &mut slot).map_err(|error| error.to_string())?;
            if content::stamp(&slot, volume.place(*track)) != Some((STOLEN_ID, index, 1)) {
                let what = "which is somebody else's, was written over";
                return Err(format!("track {} of {volser}, {what}", track.0));
            }
        }
        Ok(())
    }

    fn dscbs(&self, world: &World, id: u32, volser: Volser) -> Result<Option<DataSetDscbs>> {
        let volume = world.volume_of(volser, Who::Others);
        Vtoc::read(&volume)?.find(&self.data_set(id).name)
    }

    fn space(&self, world: &World, volser: Volser) -> Option<VtocSpaceManager> {
        self.as_image(world, volser).map(VtocSpaceManager::new)
    }

    /// A run of free tracks on a source volume.
    fn free_run(&self, world: &World, volser: Volser, tracks: u32) -> Result<Option<Extent>> {
        let vtoc = Vtoc::read(&world.volume_of(volser, Who::Others))?;
        Ok(FreeSpace::of(&vtoc)?.fit(tracks, false))
    }

    fn step(&mut self, world: &World, id: u32, step: &Step) -> Result<Went> {
        match step {
            Step::Touch => self.touch(world, id),
            Step::Grow { tracks, elsewhere } => self.grow(world, id, *tracks, *elsewhere),
            Step::Cut { tracks } => self.cut(world, id, *tracks),
            Step::Scratch => self.scratch(world, id),
            Step::Allocate { tracks } => self.allocate(world, id, *tracks),
            Step::RenameDscbs { to } => self.rename(world, id, *to),
            Step::AddVolume | Step::Uncatalog | Step::Catalog | Step::RenameEntry { .. } => {
                self.change_entry(world, id, step)
            }
        }
    }

    fn touch(&mut self, world: &World, id: u32) -> Result<Went> {
        let data_set = self.data_set(id).clone();
        if !data_set.is_alive || world.state() >= State::Switching {
            return Ok(Went::Not);
        }
        let mut before = 0;
        for &volser in &data_set.volsers {
            let Some(found) = self.dscbs(world, id, volser)? else { return Ok(Went::Not) };
            let Some(space) = self.space(world, volser) else { return Ok(Went::Later) };
            let mut format1 = found.format1;
            // DS1REFD, the day.
            let day = &mut format1.as_bytes_mut()[77];
            *day = day.wrapping_add(1);
            let end = (before + found.track_count() as usize).min(data_set.truth.len());
            let last = data_set.truth[before.min(end)..end].iter().rposition(Option::is_some);
            if let Some(last) = last {
                format1.set_last_used(Some((last as u32, 2)));
            }
            before = end;
            space.update(&Identity::of(&found), &format1, &NoJournal)?;
        }
        Ok(Went::Done)
    }

    fn grow(&mut self, world: &World, id: u32, tracks: u32, elsewhere: bool) -> Result<Went> {
        let data_set = self.data_set(id).clone();
        let Some(&last) = data_set.volsers.last() else { return Ok(Went::Not) };
        if self.is_kept_from(world, &data_set.name) {
            return Ok(Went::Not);
        }
        let other = self.sources.iter().copied().find(|on| !data_set.volsers.contains(on));
        let on = match elsewhere {
            true => match other {
                Some(other) => other,
                None => return Ok(Went::Not),
            },
            false => last,
        };
        let Some(run) = self.free_run(world, on, tracks)? else { return Ok(Went::Not) };
        let Some(space) = self.space(world, on) else { return Ok(Went::Later) };
        let new = content::tracks_of(on, &[run]);
        if elsewhere {
            let place = data_set.volsers.len() as u16 + 1;
            let first = data_set.volsers[0];
            let format1 = scene::format1(data_set.name, data_set.day, place, first);
            space.allocate(&NewDataSet { format1, extents: vec![run] }, &NoJournal)?;
        } else {
            let Some(found) = self.dscbs(world, id, on)? else { return Ok(Went::Not) };
            space.extend(&Identity::of(&found), &[run], &NoJournal)?;
        }
        let data_set = &mut self.data_sets[id as usize];
        data_set.home.extend(&new);
        data_set.truth.resize(data_set.home.len(), None);
        data_set.written_at.resize(data_set.home.len(), None);
        if elsewhere {
            data_set.volsers.push(on);
            data_set.changing = true;
        }
        let home = data_set.home.clone();
        self.move_places(id, &home);
        Ok(Went::Done)
    }

    fn cut(&mut self, world: &World, id: u32, tracks: u32) -> Result<Went> {
        let data_set = self.data_set(id).clone();
        let Some(&on) = data_set.volsers.last() else { return Ok(Went::Not) };
        let Some(found) = self.dscbs(world, id, on)? else { return Ok(Went::Not) };
        let stays = found.track_count().saturating_sub(tracks).max(1);
        let gone = (found.track_count() - stays) as usize;
        if gone == 0 || self.is_in_use(id) || self.is_kept_from(world, &data_set.name) {
            return Ok(Went::Not);
        }
        let Some(space) = self.space(world, on) else { return Ok(Went::Later) };
        let mut format1 = found.format1;
        format1.set_last_used(Some((stays - 1, 2)));
        let found = space.update(&Identity::of(&found), &format1, &NoJournal)?;
        space.release(&Identity::of(&found), stays, &NoJournal)?;
        let data_set = &mut self.data_sets[id as usize];
        let left = data_set.home.len() - gone;
        data_set.home.truncate(left);
        data_set.truth.truncate(left);
        data_set.written_at.truncate(left);
        let home = data_set.home.clone();
        self.move_places(id, &home);
        Ok(Went::Done)
    }

    fn scratch(&mut self, world: &World, id: u32) -> Result<Went> {
        let data_set = self.data_set(id).clone();
        if !data_set.changing && (self.is_in_use(id) || self.is_kept_from(world, &data_set.name)) {
            return Ok(Went::Not);
        }
        for &volser in &data_set.volsers {
            let Some(found) = self.dscbs(world, id, volser)? else { continue };
            let Some(space) = self.space(world, volser) else { return Ok(Went::Later) };
            self.data_sets[id as usize].changing = true;
            space.scratch(&Identity::of(&found), Expiration::Ignore, &NoJournal)?;
        }
        let data_set = &mut self.data_sets[id as usize];
        data_set.changing = true;
        data_set.is_alive = false;
        data_set.volsers.truncate(1);
        data_set.home.clear();
        data_set.truth.clear();
        data_set.written_at.clear();
        self.move_places(id, &[]);
        Ok(Went::Done)
    }

    fn allocate(&mut self, world: &World, id: u32, tracks: u32) -> Result<Went> {
        let data_set = self.data_set(id).clone();
        let sources = &self.sources;
        let on = data_set.volsers.first().copied();
        let on = on.unwrap_or(sources[(id as usize) % sources.len()]);
        let Some(run) = self.free_run(world, on, tracks)? else { return Ok(Went::Not) };
        let Some(space) = self.space(world, on) else { return Ok(Went::Later) };
        // Sometimes on the same day, so that only the tracks tell it from the one before.
        let day = data_set.day + (tracks as u16) % 2;
        let format1 = scene::format1(data_set.name, day, 1, on);
        space.allocate(&NewDataSet { format1, extents: vec![run] }, &NoJournal)?;
        let home = content::tracks_of(on, &[run]);
        let data_set = &mut self.data_sets[id as usize];
        data_set.day = day;
        data_set.volsers = vec![on];
        data_set.truth = vec![None; home.len()];
        data_set.written_at = vec![None; home.len()];
        data_set.home = home;
        (data_set.is_alive, data_set.changing) = (true, data_set.is_cataloged);
        Ok(Went::Done)
    }

    fn rename(&mut self, world: &World, id: u32, to: DsName) -> Result<Went> {
        let data_set = self.data_set(id).clone();
        if !data_set.changing && (self.is_in_use(id) || self.is_kept_from(world, &data_set.name)) {
            return Ok(Went::Not);
        }
        for &volser in &data_set.volsers {
            let Some(found) = self.dscbs(world, id, volser)? else { continue };
            let Some(space) = self.space(world, volser) else { return Ok(Went::Later) };
            self.data_sets[id as usize].changing = true;
            space.rename(&Identity::of(&found), &to, &NoJournal)?;
        }
        let data_set = &mut self.data_sets[id as usize];
        data_set.changing = data_set.is_cataloged;
        data_set.renamed += 1;
        if !data_set.is_cataloged {
            data_set.name = to;
        }
        Ok(Went::Done)
    }

    fn change_entry(&mut self, world: &World, id: u32, step: &Step) -> Result<Went> {
        let data_set = self.data_set(id).clone();
        let Some(volume) = self.as_image(world, self.catalog) else { return Ok(Went::Later) };
        let geometry = volume.geometry();
        let cvol = crate::catalog::cvol::CvolCatalog::open(volume, vec![scene::SYSCTLG])?;
        match step {
            Step::Uncatalog => {
                let is_free = data_set.changing
                    || !self.is_in_use(id) && !self.is_kept_from(world, &data_set.name);
                if !is_free {
                    return Ok(Went::Not);
                }
                cvol.delete(&data_set.name, &NoJournal)?;
            }
            Step::Catalog => {
                let entry = scene::entry(data_set.name, &data_set.volsers, &geometry);
                cvol.add(&entry, &NoJournal)?;
            }
            Step::AddVolume => {
                let (_, before) = data_set.volsers.split_last().unwrap_or((&self.catalog, &[]));
                let from = scene::entry(data_set.name, before, &geometry);
                let to = scene::entry(data_set.name, &data_set.volsers, &geometry);
                cvol.recatalog(&from, &to, &NoJournal)?;
            }
            Step::RenameEntry { to } => {
                cvol.rename(&data_set.name, to, &NoJournal)?;
                self.data_sets[id as usize].name = *to;
            }
            _ => return Ok(Went::Not),
        }
        self.data_sets[id as usize].changing = true;
        Ok(Went::Done)
    }
}
