//! What must hold in a world, and the process that moves its data sets.

use crate::host_space::HostSpace;
use crate::scenario::{CATALOG, Scenario, volser};
use crate::world::{Slots, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry};
use trackmirror::checkpoint::Checkpoint;
use trackmirror::copy::CopyOptions;
use trackmirror::event::{Event, EventSink};
use trackmirror::geometry::{Extent, Track};
use trackmirror::host::Host;
use trackmirror::migrate::{Migration, Selection, propose, status};
use trackmirror::plan::{Mode, Plan};
use trackmirror::state::{State, Verb};
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::check::{Severity, Tracks, check};
use trackmirror::vtoc::{FreeSpace, Vtoc};
use trackmirror::{DsName, Error, Reason, Result, Volser, track};

pub const OPTIONS: CopyOptions = CopyOptions { threads: 1, batch_tracks: Some(2), digests: false };

/// Nothing, or what is wrong.
pub type Checked = std::result::Result<(), String>;

/// That no run failed; if some did, what was wrong with the first ones.
#[track_caller]
pub fn assert_none_failed(what: &str, run_count: usize, failures: &[String]) {
    let first = failures.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{what}: {} of {run_count} runs failed:\n{first}", failures.len());
}

/// What a data set holds: the digest of each track.
pub type Content = Vec<u32>;

/// What the VTOCs and the catalog of a world say, each read once.
pub struct View {
    pub vtocs: BTreeMap<Volser, (Arc<dyn Volume>, Result<Vtoc>)>,
    pub entries: Result<BTreeMap<DsName, Vec<Volser>>>,
}

impl View {
    pub fn of(world: &Arc<World>) -> View {
        let volumes = world.foreign_volumes().into_iter();
        let vtocs = volumes.map(|volume| {
            let vtoc = Vtoc::read(&*volume);
            (volume.volser(), (volume, vtoc))
        });
        let list = || catalog(world)?.list(&"**".parse()?);
        let volsers = |entry: CatalogEntry| {
            (entry.name, entry.volumes.iter().map(|volume| volume.volser).collect())
        };
        View {
            vtocs: vtocs.collect(),
            entries: list().map(|entries| entries.into_iter().map(volsers).collect()),
        }
    }

    pub fn vtoc(&self, on: Volser) -> Result<&Vtoc> {
        self.vtocs[&on].1.as_ref().map_err(Clone::clone)
    }

    /// Content of a data set on these volumes in their order, by their VTOCs.
    pub fn content(&self, name: DsName, volsers: &[Volser]) -> Result<Content> {
        let mut digests = Vec::new();
        for &volser in volsers {
            let volume = &*self.vtocs[&volser].0;
            let found = self.vtoc(volser)?.find(&name)?.ok_or_else(|| {
                Error::new(Reason::NameNotFound, "not in the VTOC").on_volume(volser)
            })?;
            for extent in found.extents {
                for track in (extent.first.0..extent.end().0).map(Track) {
                    let slot = volume.read_track(track)?;
                    digests.push(track::digest(&slot, volume.place(track))?);
                }
            }
        }
        Ok(digests)
    }

    pub fn locate(&self, name: DsName) -> Result<&[Volser]> {
        let entry = self.entries.as_ref().map_err(Clone::clone)?.get(&name);
        entry
            .map(Vec::as_slice)
            .ok_or_else(|| Error::new(Reason::EntryNotFound, "not cataloged").of_data_set(name))
    }

    pub fn free(&self, on: Volser) -> Result<u32> {
        let vtoc = self.vtoc(on)?;
        let wrong = |what| Error::new(Reason::DamagedVtoc, what).on_volume(on);
        let recorded = FreeSpace::recorded(vtoc)?.ok_or_else(|| wrong("DIRF is on"))?;
        if recorded.track_count() != FreeSpace::complement(vtoc).track_count() {
            return Err(wrong("the record of free space is wrong"));
        }
        Ok(recorded.track_count())
    }
}

/// Whether a track of a VTOC or of the catalog may be torn.
pub fn has_torn_structure(world: &Arc<World>) -> bool {
    let structure = |(on, track): &(Volser, Track)| {
        track.0 <= 2 || *on == volser(CATALOG) && Extent::new(Track(45), 4).contains(*track)
    };
    world.torn().iter().any(structure)
}

pub fn catalog(world: &Arc<World>) -> Result<CvolCatalog> {
    Ok(CvolCatalog::find_on(world.foreign_volume(volser(CATALOG)))?.expect("a SYSCTLG"))
}

/// What is known of a scenario before it begins.
pub struct Known {
    pub scenario: Scenario,
    /// Volumes and content of each data set that moves; only its used tracks, if only those are moved.
    pub moved: Vec<(DsName, Vec<Volser>, Content)>,
    pub others: Vec<(DsName, Volser, Content)>,
    pub free: Vec<(Volser, u32)>,
    pub view: View,
}

impl Known {
    pub fn of(scenario: Scenario) -> Known {
        let view = View::of(&scenario.world);
        let moved = scenario.moved.iter().map(|&name| {
            let volsers = match scenario.is_cataloged {
                true => view.locate(name).unwrap().to_vec(),
                false => scenario.sources.clone(),
            };
            let mut content = view.content(name, &volsers).unwrap();
            if scenario.options.used_only {
                content.truncate(3);
            }
            (name, volsers, content)
        });
        let others = scenario.others.iter();
        let others = others.map(|&(name, on)| (name, on, view.content(name, &[on]).unwrap()));
        let free = view.vtocs.keys().map(|&volser| (volser, view.free(volser).unwrap()));
        let (moved, others, free) = (moved.collect(), others.collect(), free.collect());
        Known { moved, others, free, view, scenario }
    }

    /// The state in the checkpoint; nothing if there is none.
    pub fn state(&self, world: &Arc<World>) -> Option<State> {
        let (_, sections) = Checkpoint::open(Slots(world.clone())).expect("a checkpoint");
        sections.map(|sections| status(&sections).expect("a state").0)
    }

    fn holds(&self, view: &View, place: usize, volsers: &[Volser]) -> Checked {
        let (name, _, expected) = &self.moved[place];
        match view.content(*name, volsers).map_err(told)?.starts_with(expected) {
            true => Ok(()),
            false => Err(format!("{name} on {volsers:?} has another content")),
        }
    }

    /// That each name leads to one complete copy.
    pub fn check_names(&self, world: &Arc<World>) -> Checked {
        let view = View::of(world);
        let state = self.state(world).unwrap_or(State::Planned);
        for (place, (name, source, _)) in self.moved.iter().enumerate() {
            if self.scenario.is_cataloged {
                self.holds(&view, place, view.locate(*name).map_err(told)?)?;
                continue;
            }
            // The VTOC alone leads to it: the source until the switch, then the target, in between to both.
            if state <= State::Switching || state == State::Terminated {
                self.holds(&view, place, source)?;
            }
            if !state.is_before_switch() && state != State::Terminated {
                self.holds(&view, place, &self.scenario.targets)?;
            }
        }
        for (name, on, expected) in &self.others {
            if view.content(*name, &[*on]).map_err(told)? != *expected
                || view.locate(*name).map_err(told)? != [*on]
            {
                return Err(format!("{name} is not what it was"));
            }
        }
        Ok(())
    }

    /// That everything is as it should be in the end.
    pub fn check_end(&self, world: &Arc<World>) -> Checked {
        let scenario = &self.scenario;
        self.check_names(world)?;
        let ended = self.state(world);
        let is_moved = scenario.terminate_in.is_none();
        let expected = if is_moved { State::Complete } else { State::Terminated };
        if ended != Some(expected) {
            return Err(format!("the state is {ended:?}"));
        }
        for volume in world.foreign_volumes() {
            let findings = check(&*volume, Tracks::All).map_err(told)?;
            if let Some(error) = findings.iter().find(|f| f.severity == Severity::Error) {
                return Err(error.to_string());
            }
        }
        let checked = catalog(world).and_then(|catalog| catalog.check()).map_err(told)?;
        if !checked.damage.is_empty() || !checked.remarks.is_empty() {
            return Err(format!("{checked:?}"));
        }
        let view = View::of(world);
        for &(volser, before) in &self.free {
            let mut expected = i64::from(before);
            for (name, source, _) in self.moved.iter().filter(|_| is_moved) {
                let tracks = |view: &View, on: &[Volser]| match view.content(*name, on) {
                    Ok(content) => Ok(content.len() as i64),
                    Err(error) => Err(told(error)),
                };
                if source.contains(&volser) && !scenario.options.keep {
                    expected += tracks(&self.view, &[volser])?;
                }
                if scenario.targets.contains(&volser) {
                    expected -= tracks(&view, &scenario.targets)?;
                }
            }
            let present = view.free(volser).map_err(told)?;
            if i64::from(present) != expected {
                return Err(format!("{volser} has {present} free tracks and not {expected}"));
            }
        }
        if is_moved && scenario.sources != scenario.targets {
            return self.check_sources(&view);
        }
        Ok(())
    }

    /// That the sources are scratched, and erased or kept if that was asked for.
    fn check_sources(&self, view: &View) -> Checked {
        for (name, source, _) in &self.moved {
            if self.scenario.is_cataloged
                && view.locate(*name).map_err(told)? != self.scenario.targets
            {
                return Err(format!("the catalog does not lead {name} to the target"));
            }
            for &on in source {
                let vtoc = view.vtoc(on).map_err(told)?;
                if vtoc.find(name).map_err(told)?.is_some() {
                    return Err(format!("{name} is still on {on}"));
                }
                let kept = format!("{name}.OLDCOPY").parse().unwrap();
                let is_kept = vtoc.find(&kept).map_err(told)?.is_some();
                if is_kept != self.scenario.options.keep {
                    return Err(format!("{kept} on {on}: {is_kept}"));
                }
                if self.scenario.options.erase {
                    self.check_erased(view, *name, on)?;
                }
            }
        }
        Ok(())
    }

    fn check_erased(&self, view: &View, name: DsName, on: Volser) -> Checked {
        let old = self.view.vtoc(on).and_then(|vtoc| vtoc.find(&name)).unwrap().unwrap();
        for track in old.extents.iter().flat_map(|e| e.first.0..e.end().0) {
            let slot = view.vtocs[&on].0.read_track(Track(track)).map_err(told)?;
            if track::records(&slot).flatten().any(|record| record.number != 0) {
                return Err(format!("track {track} of {on} is not erased"));
            }
        }
        Ok(())
    }
}

pub fn told(error: Error) -> String {
    error.to_string()
}

/// Somebody who changes the last entry of the group when the switch begins.
struct Meddler(Arc<World>, DsName);

/// What the entry says when he is through: the same volumes, but not what was assessed.
fn meddled(entry: &CatalogEntry, file_sequence: u16) -> CatalogEntry {
    let mut entry = entry.clone();
    entry.volumes.iter_mut().for_each(|volume| volume.file_sequence = file_sequence);
    entry
}

pub fn meddle(world: &Arc<World>, name: DsName, file_sequence: u16) {
    let catalog = catalog(world).unwrap();
    let entry = catalog.locate(&name).unwrap().unwrap();
    catalog.recatalog(&entry, &meddled(&entry, file_sequence), &NoJournal).unwrap();
}

impl EventSink for Meddler {
    fn event(&self, _: Duration, event: &Event) {
        if matches!(event, Event::Moved { to: State::Switching, .. }) && !self.0.meddle() {
            meddle(&self.0, self.1, 5);
        }
    }
}

/// A process: it begins the migration or takes it up, and goes on to the end.
pub fn process(known: &Known, world: &Arc<World>) -> Result<()> {
    let scenario = &known.scenario;
    let mut migration = match take_up(known, world) {
        Err(error) if error.reason() == Reason::EntryChanged && scenario.meddles => {
            meddle(world, *scenario.moved.last().unwrap(), 0);
            take_up(known, world)?
        }
        other => other?,
    };
    let Some(migration) = &mut migration else { return Ok(()) };
    migration.set_copy_options(OPTIONS);
    let mut verb_count = 0;
    while let Some(verb) = migration.next_verb() {
        verb_count += 1;
        assert!(verb_count < 100, "it comes to no end");
        let is_time = scenario.terminate_in.is_some_and(|state| migration.state() >= state);
        let verb = if is_time { Verb::Terminate } else { verb };
        match migration.perform(verb, 3) {
            Err(error) if error.reason() == Reason::EntryChanged && scenario.meddles => {
                meddle(world, *scenario.moved.last().unwrap(), 0);
            }
            other => other?,
        }
    }
    Ok(())
}

pub fn host(known: &Known, world: &Arc<World>) -> Result<Host> {
    let mut host = Host::of_volumes(world.volumes())?;
    if known.scenario.manages_space {
        HostSpace::manage(&mut host, world);
    }
    Ok(match known.scenario.meddles {
        true => host.told_to(Meddler(world.clone(), *known.scenario.moved.last().unwrap())),
        false => host,
    })
}

pub fn take_up(known: &Known, world: &Arc<World>) -> Result<Option<Migration>> {
    let scenario = &known.scenario;
    let host = host(known, world)?;
    let store = Slots(world.clone());
    if Checkpoint::open(Slots(world.clone()))?.1.is_some() {
        if scenario.terminate_in.is_some() {
            let mut migration = Migration::open(host, store, None)?;
            if !migration.state().is_ended() {
                migration.terminate()?;
            }
            return Ok(None);
        }
        return Migration::resume(host, store, None, OPTIONS).map(Some);
    }
    let plan = propose_all(known, &host)?;
    Migration::new(host, plan, scenario.options.clone(), store, None).map(Some)
}

/// The plan for all data sets that move.
pub fn propose_all(known: &Known, host: &Host) -> Result<Plan> {
    let scenario = &known.scenario;
    let masks: Vec<_> =
        scenario.moved.iter().map(|name| name.to_string().parse().unwrap()).collect();
    let selection = Selection {
        masks: &masks,
        sources: &scenario.sources,
        targets: &scenario.targets,
        mode: Mode::OnePrimary,
        uncataloged: !scenario.is_cataloged,
        slack: 0,
    };
    let (plan, refusals) = propose(host, &selection)?;
    match refusals.into_iter().flat_map(|refusal| refusal.reasons).next() {
        Some(error) => Err(error),
        None => Ok(plan),
    }
}
