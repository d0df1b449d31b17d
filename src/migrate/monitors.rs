//! The monitors of a migration: how it knows of every write to its sources while it copies them.
//!
//! The problem: a write that nobody told of is lost, whatever else is done right. So before the first track is copied,
//! and again before the data sets change hands, it must be certain that every image that can write to a source volume
//! tells its monitor, and in between that nothing which was told gets lost with a process or the machine.
//!
//! The rule, in its order:
//!
//! 1. *Covered* ([`Monitors::check_images`], [`Monitors::find_strangers`]): every image that the host lists for a volume is
//!    registered in its area, none has fallen silent, and no process has the image open for writing that is not
//!    registered. Once copying goes on, an image may end: one that ended with its farewell, or died and was buried, writes
//!    nothing any more, and what it had in flight is work. A program without a monitor that is found later may have
//!    written anything: as soon as it has ended, its volume is filled in anew.
//! 2. *Subscribed*: every monitor marks for this migration from now on.
//! 3. Every write that began before has *ended* ([`Monitors::check_begun_writes`]).
//! 4. *Filled*: the tracks of the plan are work. The checkpoint then holds the areas' ids and boots.
//!
//! *Further volumes.* A data set may be extended onto a volume on which nothing is moved yet, or a new one may appear there.
//! All volumes that the host has areas for, and that may come to be sources, are subscribed from the beginning: a mark on a
//! track of their VTOC tells that something changed. What 1 to 4 say is asked of such a volume when it becomes a source
//! ([`Monitors::check_further`], [`Monitors::join`]).
//!
//! *Images on other machines* report to the same subscriptions; see `machines`.
//!
//! The crash argument: a subscription outlives its process. A migration that finds the area of the same id and boot,
//! and its subscription filled there, has missed nothing, and goes on with what is left. If anything of that does not
//! hold, all is changed: it fills in everything anew. The ids become durable only after the filling, so that a process
//! which died in between fills again.

use super::durable::WatchedArea;
use super::machines::Machines;
use super::{Migration, pair};
use crate::copy::Volumes;
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::geometry::{Extent, Track};
use crate::host::Live;
use crate::monitor::{Area, ImageReport, Kind, NotQuiet, Subscription};
use crate::name::{DsName, Volser};
use std::collections::{BTreeMap, BTreeSet};

/// The subscriptions of a migration, and the images that they rely on.
#[derive(Debug)]
pub(super) struct Monitors {
    /// With the areas of all volumes that are sources, or may become one.
    live: Live,
    /// The volumes that the data sets lie on: those that must be covered.
    sources: BTreeSet<Volser>,
    migration: [u64; 2],
    subscriptions: BTreeMap<Volser, Subscription>,
    /// Volumes that somebody had open for writing whom no monitor watches: until they are filled in anew, nobody knows
    /// what he wrote.
    unwatched: BTreeSet<Volser>,
    pub(super) machines: Machines,
}

/// What must be so with the images that the host lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Images {
    /// All of them are attached: copying is about to start.
    Attached,
    /// None of them can write without being noticed: they are attached, or have ended.
    Known,
}

impl Monitors {
    /// Those of a migration whose name in the areas is this, for these sources, and volumes that may become one.
    ///
    /// Error: [`Reason::NotMonitored`] if the host has no area for one of the sources.
    pub fn new(
        mut live: Live,
        migration: (u64, u64),
        sources: BTreeSet<Volser>,
        possible: &BTreeSet<Volser>,
    ) -> Result<Monitors> {
        if let Some(volser) = sources.iter().find(|volser| !live.areas.contains_key(volser)) {
            return Err(not_monitored(*volser));
        }
        live.areas.retain(|volser, _| sources.contains(volser) || possible.contains(volser));
        let (migration, unwatched) = ([migration.0, migration.1], BTreeSet::new());
        let machines = Machines::new(&mut live, migration, &sources);
        let subscriptions = BTreeMap::new();
        Ok(Monitors { live, sources, migration, subscriptions, unwatched, machines })
    }

    /// What the host gave.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The subscriptions, if there are any yet.
    pub fn subscriptions(&self) -> &BTreeMap<Volser, Subscription> {
        &self.subscriptions
    }

    /// The areas of the sources.
    fn areas(&self) -> impl Iterator<Item = (&Volser, &Area)> {
        self.live.areas.iter().filter(|(volser, _)| self.sources.contains(volser))
    }

    /// The subscriptions of the sources, as far as there are any yet.
    fn source_subscriptions(&self) -> impl Iterator<Item = (&Volser, &Subscription)> {
        self.subscriptions.iter().filter(|(volser, _)| self.sources.contains(volser))
    }

    /// Whether an image of this name is registered on this machine, for one of the sources.
    pub fn has_local(&self, name: &str) -> bool {
        let is_it = |image: &ImageReport| image.name == name;
        self.areas().any(|(_, area)| area.images().iter().any(is_it))
    }

    /// The same for the list of images that must be covered.
    pub fn expect(&mut self, volser: Volser, name: &str) {
        let images = self.live.images.entry(volser).or_default();
        if !images.iter().any(|known| known == name) {
            images.push(name.into());
        }
    }

    /// The images that must be covered on a volume.
    pub fn images_of(&self, volser: Volser) -> &[String] {
        self.live.images.get(&volser).map_or(&[], |images| images)
    }

    /// The same, and those on other machines.
    pub fn all_images_of(&self, volser: Volser) -> Vec<String> {
        let elsewhere = self.machines.names();
        self.images_of(volser).iter().cloned().chain(elsewhere).collect()
    }

    /// That no image can write to a source volume without being noticed. What images that died had in flight becomes work;
    /// their names are given back.
    ///
    /// Error: [`Reason::NotCovered`], which names volume and image.
    pub fn check_images(&self, images: Images) -> Result<Vec<(Volser, String)>> {
        let mut died = Vec::new();
        for (volser, area) in self.areas() {
            died.extend(area.reap()?.into_iter().map(|(image, _)| (*volser, image)));
            match images {
                Images::Attached => area.check_coverage(self.images_of(*volser))?,
                Images::Known => area.check_known(self.images_of(*volser))?,
            }
        }
        Ok(died)
    }

    /// The source volumes that a process has open for writing which is no image, each with an error that names it.
    pub fn find_strangers(&self, volumes: &Volumes) -> Result<Vec<(Volser, Error)>> {
        let mut found = Vec::new();
        for (volser, area) in self.areas() {
            found.extend(self.stranger(*volser, area, volumes)?.map(|error| (*volser, error)));
        }
        Ok(found)
    }

    /// A process that has this volume open for writing and is no image.
    fn stranger(&self, volser: Volser, area: &Area, volumes: &Volumes) -> Result<Option<Error>> {
        let Some(path) = volumes.get(&volser).and_then(|volume| volume.path()) else {
            return Ok(None);
        };
        let writers = area.unregistered_writers(path)?;
        Ok(writers.first().map(|writer| {
            let why = format!(
                "{} is open for writing by {writer}, which no monitor watches; end it, and start it with \
                 `trackmirror monitored`",
                path.display()
            );
            Error::new(Reason::NotCovered, why).on_volume(volser)
        }))
    }

    /// Nobody knows what was written to this volume: so much is changed until it is filled in anew.
    pub fn lose(&mut self, volser: Volser) {
        self.unwatched.insert(volser);
        if let Some(subscription) = self.subscriptions.get(&volser) {
            subscription.all_changed();
        }
    }

    /// From now on these are the sources. Of volumes that cannot become one again the subscription ends.
    pub fn become_sources(&mut self, sources: BTreeSet<Volser>, possible: &BTreeSet<Volser>) {
        self.sources = sources;
        let stays = |volser: &Volser| self.sources.contains(volser) || possible.contains(volser);
        self.unwatched.retain(|volser| self.sources.contains(volser));
        let mut gone: BTreeMap<Volser, Area> = BTreeMap::new();
        self.live
            .areas
            .retain(|volser, area| stays(volser) || gone.insert(*volser, area.clone()).is_some());
        self.machines.set_sources(&self.sources, gone.keys());
        for (volser, area) in gone {
            match self.subscriptions.remove(&volser) {
                Some(subscription) => subscription.close(),
                None if is_subscribed(&area, self.migration) => {
                    if let Ok(subscription) = Subscription::open(&area, self.migration) {
                        subscription.close();
                    }
                }
                None => {}
            }
        }
    }

    /// That a volume may become a source: every image is attached, no stranger has it open, and what was being written
    /// when it was subscribed has ended.
    ///
    /// Errors: [`Reason::NotMonitored`], [`Reason::NotCovered`], [`Reason::NotFilled`].
    pub fn check_further(&mut self, volser: Volser, volumes: &Volumes) -> Result<()> {
        let area = self.live.areas.get(&volser).cloned().ok_or_else(|| not_monitored(volser))?;
        let subscription = match self.subscriptions.get(&volser) {
            Some(subscription) => subscription.clone(),
            None => {
                let subscription = Subscription::open(&area, self.migration)?;
                self.machines.watch(volser, &subscription)?;
                self.subscriptions.insert(volser, subscription.clone());
                subscription
            }
        };
        if let Some(stranger) = self.stranger(volser, &area, volumes)? {
            return Err(stranger);
        }
        area.reap()?;
        area.check_coverage(self.images_of(volser))?;
        self.machines.check_ready_on(volser)?;
        check_begun(volser, &subscription)
    }

    /// Makes a volume a source, with these tracks as its work.
    pub fn join(
        &mut self,
        volser: Volser,
        extents: &[(Volser, Extent)],
        volumes: &Volumes,
    ) -> Result<()> {
        self.check_further(volser, volumes)?;
        if let Some(subscription) = self.subscriptions.get(&volser) {
            subscription.fill(&on(extents, volser))?;
        }
        self.sources.insert(volser);
        self.machines.set_sources(&self.sources, []);
        Ok(())
    }

    /// Whether one of these tracks (of VTOCs) was written since the marks were cleared, or is being written.
    pub fn are_marked(&self, tracks: &BTreeMap<Volser, Extent>) -> Result<bool> {
        for (volser, extent) in tracks {
            let Some(subscription) = self.subscriptions.get(volser) else { continue };
            if subscription.in_flight(&[*extent])?.is_some()
                || subscription.changed_count(*extent)? > 0
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Clears the marks of these tracks, which are about to be read.
    pub fn clear_marks(&self, tracks: &BTreeMap<Volser, Extent>) -> Result<()> {
        for (volser, extent) in tracks {
            if let Some(subscription) = self.subscriptions.get(volser) {
                subscription.clear_marks(*extent)?;
            }
        }
        Ok(())
    }

    /// Whether a source track is still to be copied, as far as is known.
    pub fn is_left(&self, volser: Volser, track: Track) -> bool {
        let left = |one: &Subscription| one.left_count(Extent::new(track, 1)).unwrap_or(1) > 0;
        self.subscriptions.get(&volser).is_none_or(left)
    }

    /// Takes tracks from the work that are not of the plan any more, and opens them if they are sealed: they may be
    /// somebody else's by now.
    pub fn leave_out(&self, extents: &[(Volser, Extent)]) -> Result<()> {
        self.machines.open_tracks(extents);
        for (volser, extent) in extents {
            if let Some(subscription) = self.subscriptions.get(volser) {
                subscription.leave_out(*extent)?;
                subscription.open_tracks(&[*extent])?;
            }
        }
        Ok(())
    }

    /// Subscribes to the changes of every source volume, and of those that may become one. What is subscribed already
    /// stays so.
    pub fn subscribe(&mut self) -> Result<()> {
        self.open(|_| true)
    }

    /// Takes up whatever this migration has subscribed before, and nothing else.
    pub fn find_subscriptions(&mut self) -> Result<()> {
        let migration = self.migration;
        self.open(|area| is_subscribed(area, migration))
    }

    fn open(&mut self, which: impl Fn(&Area) -> bool) -> Result<()> {
        for (volser, area) in self.live.areas.iter().filter(|(_, area)| which(area)) {
            if !self.subscriptions.contains_key(volser) {
                match Subscription::open(area, self.migration) {
                    Ok(subscription) => {
                        self.machines.watch(*volser, &subscription)?;
                        self.subscriptions.insert(*volser, subscription);
                    }
                    Err(error) if self.sources.contains(volser) => return Err(error),
                    // It is asked again when something is to be moved from there.
                    Err(error) => log::info!("{volser} is not watched for new data sets: {error}"),
                }
            }
        }
        Ok(())
    }

    /// That every write that began before the subscription has ended, here and on other machines.
    ///
    /// Errors: [`Reason::NotFilled`], which names image and tracks; [`Reason::NotCovered`] as long as another machine has
    /// not answered; to be asked again after a while.
    pub fn check_begun_writes(&self) -> Result<()> {
        self.machines.check_ready()?;
        self.source_subscriptions()
            .try_for_each(|(volser, subscription)| check_begun(*volser, subscription))
    }

    /// Makes these tracks work, where it is not known any more what is, or never was.
    pub fn fill(&mut self, extents: &[(Volser, Extent)], watched: &[WatchedArea]) -> Result<()> {
        for (volser, subscription) in self.source_subscriptions() {
            if !self.is_alive(*volser, watched) || !subscription.is_filled() {
                subscription.fill(&on(extents, *volser))?;
            }
        }
        self.unwatched.clear();
        Ok(())
    }

    /// Makes further tracks work.
    pub fn add(&self, extents: &[(Volser, Extent)]) -> Result<()> {
        self.subscriptions
            .iter()
            .try_for_each(|(volser, subscription)| subscription.add(&on(extents, *volser)))
    }

    /// The areas in which the work is filled in, for the checkpoint.
    pub fn watched(&self) -> Vec<WatchedArea> {
        let areas = self.areas();
        areas.map(|(volser, area)| (*volser, (pair(area.id()), pair(area.boot())))).collect()
    }

    /// Whether this is the area in which the work of the volume was filled in, and everything was noticed since.
    fn is_alive(&self, volser: Volser, watched: &[WatchedArea]) -> bool {
        let present = self.watched();
        let of_volume = |areas: &[WatchedArea]| areas.iter().find(|a| a.0 == volser).copied();
        !self.unwatched.contains(&volser)
            && of_volume(&present).is_some_and(|area| of_volume(watched) == Some(area))
    }

    /// Whether these areas, in which the work was filled in, are the present ones, and still have it.
    pub fn are_alive(&mut self, watched: &[WatchedArea]) -> Result<bool> {
        if defect(Defect::VoidAreasAreTrusted) && !watched.is_empty() {
            self.subscribe()?;
            let mut subscriptions = self.source_subscriptions();
            return subscriptions.try_for_each(|(_, one)| one.fill(&[])).map(|()| true);
        }
        let migration = self.migration;
        let alive = |(volser, area): (&Volser, &Area)| {
            self.is_alive(*volser, watched) && is_subscribed(area, migration)
        };
        if !self.areas().all(alive) {
            return Ok(false);
        }
        self.subscribe()?;
        let mut subscriptions = self.source_subscriptions();
        Ok(subscriptions.all(|(_, subscription)| subscription.is_filled()))
    }

    /// Refuses every write to these tracks that begins from now on.
    pub fn seal(&self, extents: &[(Volser, Extent)]) -> Result<()> {
        self.machines.seal(extents);
        self.subscriptions
            .iter()
            .try_for_each(|(volser, subscription)| subscription.seal(&on(extents, *volser)))
    }

    /// Lets writes to these tracks happen again: they are about to be somebody else's.
    pub fn open_tracks(&self, extents: &[(Volser, Extent)]) -> Result<()> {
        self.machines.open_tracks(extents);
        let mut subscriptions = self.subscriptions.iter();
        subscriptions.try_for_each(|(volser, one)| one.open_tracks(&on(extents, *volser)))
    }

    /// Lets writes happen again.
    pub fn unseal(&self) {
        self.subscriptions.values().for_each(Subscription::unseal);
        self.machines.unseal();
    }

    /// The first thing of these tracks that is in flight, changed, or not known to be at the target: volume and what.
    ///
    /// Error: [`Reason::NotFilled`]: where nobody was asked to mark, or nothing was filled in, that nothing is found says
    /// nothing.
    pub fn look(&self, extents: &[(Volser, Extent)]) -> Result<Option<(Volser, NotQuiet)>> {
        // What other machines report comes into the areas, so they are asked first.
        if let Some(found) = self.machines.barrier(extents) {
            return Ok(Some(found));
        }
        for (volser, _) in self.areas() {
            let subscription = self.subscriptions.get(volser).filter(|one| one.is_filled());
            let subscription = subscription.ok_or_else(|| {
                let why = "no monitor watches the volume for this migration yet; step";
                Error::new(Reason::NotFilled, why).on_volume(*volser)
            })?;
            if let Some(found) = subscription.look(&on(extents, *volser))? {
                return Ok(Some((*volser, found)));
            }
        }
        Ok(None)
    }

    /// What the look found after the data sets were closed, as an error that names image, volume and track.
    pub fn late_writer(&self, volumes: &Volumes, volser: Volser, found: &NotQuiet) -> Error {
        if let NotQuiet::Unanswered { .. } | NotQuiet::Elsewhere { .. } = found {
            let why = format!(
                "it is not certain that everything is copied: {found}; let it answer, or retire it when it cannot write \
                 any more"
            );
            return Error::new(Reason::NotCovered, why).on_volume(volser);
        }
        let by = match found {
            NotQuiet::Changed { image: None, .. } => self.tellers(volser),
            _ => String::new(),
        };
        let error = Error::new(
            Reason::LateWriter,
            format!(
                "somebody wrote after the data sets were closed: {found}{by}; see that it is closed and unallocated \
                 there, then close it again"
            ),
        );
        let heads = volumes.get(&volser).map_or(1, |volume| volume.geometry().heads());
        let at = |track: Track| error.clone().at_track(track, heads);
        found.track().map_or(error.clone(), at).on_volume(volser)
    }

    /// The images that only tell what they wrote: who of them wrote a track is not noted.
    fn tellers(&self, volser: Volser) -> String {
        let images = self.live.areas.get(&volser).map(Area::images).unwrap_or_default();
        let tells =
            |image: &ImageReport| image.kind != Kind::Brackets && image.standing.may_write();
        let names: Vec<String> = images.into_iter().filter(tells).map(|image| image.name).collect();
        if names.is_empty() { String::new() } else { format!(" by image {}", names.join(" or ")) }
    }

    /// Ends every subscription, and opens what was sealed. Other machines let in whoever they keep out of these data sets.
    pub fn end(&mut self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.find_subscriptions()?;
        self.machines.end(data_sets, volumes);
        std::mem::take(&mut self.subscriptions).into_values().for_each(Subscription::close);
        Ok(())
    }
}

fn not_monitored(volser: Volser) -> Error {
    let why = "the volume has no monitor area; open one, or move its data sets while nobody writes";
    Error::new(Reason::NotMonitored, why).on_volume(volser)
}

/// That every write that began before the subscription has ended.
fn check_begun(volser: Volser, subscription: &Subscription) -> Result<()> {
    let Some(write) = subscription.pending_write()? else { return Ok(()) };
    let why = format!(
        "copying cannot start yet: {write}, since before the monitors were asked; let that write end, or end the image"
    );
    Err(Error::new(Reason::NotFilled, why).on_volume(volser))
}

pub(super) fn is_subscribed(area: &Area, migration: [u64; 2]) -> bool {
    area.subscriptions().iter().any(|subscription| subscription.migration == migration)
}

fn on(extents: &[(Volser, Extent)], volser: Volser) -> Vec<Extent> {
    extents.iter().filter(|(on, _)| *on == volser).map(|(_, extent)| *extent).collect()
}

impl Migration {
    /// Tells of one more image of this machine that can write to a source volume. From now on it must be covered there, as
    /// those that the host listed: it is registered already, or an error says that it is not. What it wrote before it was
    /// registered nobody knows.
    ///
    /// Errors: [`Reason::NotMonitored`] if the migration has no monitors there; [`Reason::NotCovered`].
    pub fn add_image(&mut self, volser: Volser, name: &str) -> Result<()> {
        let area = self.monitors.as_ref().and_then(|monitors| monitors.live.areas.get(&volser));
        area.ok_or_else(|| not_monitored(volser))?.check_coverage(&[name])?;
        if let Some(monitors) = &mut self.monitors {
            monitors.expect(volser, name);
        }
        Ok(())
    }

    /// Retires an image of this machine, which is missed no more then.
    pub(super) fn retire_local(&mut self, name: &str) -> Result<()> {
        let Some(monitors) = &mut self.monitors else { return Ok(()) };
        for (volser, area) in &monitors.live.areas {
            match area.retire(name) {
                Ok(_) => {
                    if let Some(images) = monitors.live.images.get_mut(volser) {
                        images.retain(|known| known != name);
                    }
                }
                Err(error) if error.reason() == Reason::NoSuchImage => {}
                Err(error) => return Err(error),
            }
        }
        let text = format!("image {name} was retired: what it had in flight is copied again");
        self.host.tell(&Event::Remark { text });
        Ok(())
    }
}
