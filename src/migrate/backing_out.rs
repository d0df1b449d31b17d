//! Backing out on request: in the window, while switching, and behind the point of no return as long as there is a way back.
//!
//! # The problem
//! Behind *looked* the users are at the target, and what they write there is nowhere else: to turn the catalogs back to the
//! sources would lose it. But an operator who sees at once that something is wrong with the new volume wants the old state
//! of things, and as long as nobody wrote there the sources hold everything.
//!
//! # The rule
//! There is a *way back* if every target volume has been watched since before its users were let in: then each of them has a
//! monitor area with a subscription of this migration that was filled while the volume was for this process alone
//! ([`Migration::watch_targets`]). Its ids stand in the checkpoint with the intent to switch. Behind the release
//! [`back_out`](Migration::back_out)
//!
//! 1. holds new openers (durably noted before), and sees that nobody has the data sets open; nobody is asked;
//! 2. seals the targets, and looks: nothing of them is in flight or changed since, sources and targets are to the byte what
//!    they were, and all entries lead to the targets. Whatever is found lets everybody in again, and is the refusal;
//! 3. makes durable that it is *under way*, in one write with the state `switching`; from here on it only goes back;
//! 4. turns the entries, and is mirrored again; then seals are opened, and openers let in at the sources.
//!
//! It must be done before a source is released. What is combined on its own volume has no way back.
//!
//! # The crash argument
//! Before 3 the state is `switched`: who takes it up opens the seals of the targets and lets everybody in there. From 3 on
//! the openers are held and the targets sealed, so that nobody writes there; who takes it up goes on with 4, whether the
//! monitors live or not, because no write can have happened since the look. The state `mirrored` is durable before anybody
//! is let in at a source. At each moment each entry leads to a complete copy: both are the same.
//!
//! The targets were given back to their users: this process does not have them alone any more, and writes nothing there.
//! To go on mirroring the migration is opened again.

use super::durable::WatchedArea;
use super::monitors::is_subscribed;
use super::{Migration, pair};
use crate::bytes::{Decoder, Encode, Encoder};
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::monitor::{Area, NotQuiet, Subscription};
use crate::name::Volser;
use crate::state::{State, Verb};
use crate::switch::{self, Glance, Ports};
use std::collections::BTreeMap;

/// The way back from the targets, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WayBack {
    /// The areas in which the targets are watched; none if there is no way back.
    pub targets: Vec<WatchedArea>,
    /// It is only gone back.
    pub is_under_way: bool,
}

impl Encode for WayBack {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.targets);
        to.put(&self.is_under_way);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<WayBack> {
        Ok(WayBack { targets: from.get()?, is_under_way: from.get()? })
    }
}

impl Migration {
    /// Gives the window up, or undoes the switch: before its users are let in always, and behind that as long as there is a
    /// way back, which needs a monitor area for each target volume ([`Live::areas`](crate::host::Live::areas)) and that
    /// nothing was written there. After that it is to be [opened](Migration::open) again, because the targets are not this
    /// process's own any more.
    ///
    /// Errors: [`Reason::WrongState`], also if a source is released already; [`Reason::NotMonitored`] if nobody watched the
    /// targets; [`Reason::TargetWritten`]; [`Reason::NotClosed`] if somebody has the data sets open; whatever else is not
    /// as it was left. Then nothing is changed, and the users stay at the targets.
    pub fn back_out(&mut self) -> Result<()> {
        self.begin(Verb::BackOut)?;
        match self.state() {
            State::Quiesced => self.give_up("on request"),
            State::Switched => self.back_out_released(),
            _ => self.undo_switch("on request"),
        }
    }

    /// Whether it can go on only when it is [opened](Migration::open) again: its switch was undone after the targets were
    /// given to their users.
    pub fn must_be_opened_again(&self) -> bool {
        self.course.are_targets_shared && self.state().is_before_switch()
    }

    /// Whether it is only gone back.
    pub(super) fn is_backing_out(&self) -> bool {
        self.durable.lock().stored.way_back.is_under_way
    }

    /// Before the switch, while nobody else can write to the targets: they are watched from now on, if they can be. It
    /// becomes durable with the intent to switch.
    pub(super) fn watch_targets(&mut self) {
        let watched = self.subscribe_targets();
        let targets = watched.unwrap_or_else(|why| {
            log::info!("there will be no way back from the targets: {why}");
            Vec::new()
        });
        self.durable.lock().stored.way_back.targets = targets;
    }

    fn subscribe_targets(&mut self) -> Result<Vec<WatchedArea>> {
        let id = self.durable.lock().stored.id;
        let sources = self.plan.possible_sources();
        let Some(live) = &self.host.live else { return Ok(Vec::new()) };
        if !live.machines.is_empty() {
            let why = "other machines may write to the targets, and report only of the sources";
            return Err(Error::new(Reason::NotMonitored, why));
        }
        let mut targets = Vec::new();
        for volser in self.plan.target_volsers() {
            let area = live.areas.get(&volser).filter(|_| !sources.contains(&volser));
            let Some(area) = area else { return Err(unwatched(volser)) };
            area.check_coverage(live.images.get(&volser).map_or(&[], |images| images))?;
            let subscription = match self.targets.remove(&volser) {
                Some(subscription) => subscription,
                None => Subscription::open(area, [id.0, id.1])?,
            };
            if !subscription.is_filled() {
                subscription.fill(&[])?;
            }
            // What an earlier window has left.
            for (_, extent) in self.target_extents().into_iter().filter(|(on, _)| *on == volser) {
                subscription.clear_marks(extent)?;
            }
            targets.push((volser, (pair(area.id()), pair(area.boot()))));
            self.targets.insert(volser, subscription);
        }
        Ok(targets)
    }

    fn target_extents(&self) -> Vec<(Volser, Extent)> {
        self.plan.data_sets.iter().flat_map(|data_set| data_set.target_extents()).collect()
    }

    /// Takes up the subscriptions of the targets, if there are any still; each with whether it is the one from before the
    /// release.
    fn find_targets(&mut self) -> Result<BTreeMap<Volser, bool>> {
        let (id, targets) = {
            let stored = &self.durable.lock().stored;
            ([stored.id.0, stored.id.1], stored.way_back.targets.clone())
        };
        let mut found = BTreeMap::new();
        for (volser, ids) in targets {
            let area = self.host.live.as_ref().and_then(|live| live.areas.get(&volser));
            let area = area.filter(|area| is_subscribed(area, id));
            if let Some(area) = area
                && !self.targets.contains_key(&volser)
            {
                self.targets.insert(volser, Subscription::open(area, id)?);
            }
            let is_same = |area: &Area| (pair(area.id()), pair(area.boot())) == ids;
            let subscription = self.targets.get(&volser);
            let is_alive =
                area.is_some_and(is_same) && subscription.is_some_and(Subscription::is_filled);
            found.insert(volser, is_alive);
        }
        Ok(found)
    }

    /// Before users are let in at the targets: nothing is sealed there.
    pub(super) fn unseal_targets(&mut self) -> Result<()> {
        self.find_targets()?;
        self.targets.values().for_each(Subscription::unseal);
        Ok(())
    }

    /// Nobody watches the targets any more. It becomes durable with what is saved next.
    pub(super) fn leave_targets(&mut self) -> Result<()> {
        self.find_targets()?;
        std::mem::take(&mut self.targets).into_values().for_each(Subscription::close);
        self.durable.lock().stored.way_back = WayBack::default();
        Ok(())
    }

    fn back_out_released(&mut self) -> Result<()> {
        self.check_way_back()?;
        self.set_held(true);
        self.durable.lock().save()?;
        if let Err(error) = self.close_way_back() {
            self.unseal_targets()?;
            self.release_openers()?;
            return Err(error);
        }
        self.durable.lock().stored.way_back.is_under_way = true;
        if let Err(error) = self.move_to(State::Switching) {
            self.durable.lock().stored.way_back.is_under_way = false;
            self.unseal_targets()?;
            self.release_openers()?;
            return Err(error);
        }
        self.undo_switch("on request")
    }

    /// Keeps everybody out, and sees that nothing was written, nor will be.
    fn close_way_back(&mut self) -> Result<()> {
        let names = super::names(&self.plan);
        let mut volsers = self.plan.source_volsers();
        volsers.extend(self.plan.target_volsers());
        let volsers: Vec<Volser> = volsers.into_iter().collect();
        let enqueue = self.enqueue();
        enqueue.hold(&names, &volsers)?;
        if let Some(opener) = enqueue.is_closed(&names, &volsers)?.first() {
            let why = format!(
                "{opener}; let it be closed, then back out again (what is written until then cannot be taken back)"
            );
            return Err(Error::new(Reason::NotClosed, why));
        }
        for (volser, extent) in self.target_extents() {
            self.targets.get(&volser).ok_or_else(|| unwatched(volser))?.seal(&[extent])?;
        }
        self.check_way_back()
    }

    /// That there is a way back: see the [module](self).
    fn check_way_back(&mut self) -> Result<()> {
        let refuse = |reason, why: &str| Err(Error::new(reason, why));
        let (is_released, has_targets) = {
            let stored = &self.durable.lock().stored;
            let is_released = stored.released.parts.iter().any(|count| *count > 0);
            (is_released, !stored.way_back.targets.is_empty())
        };
        if is_released {
            let why = "a source is released already, so that only the targets are left; move the data sets back instead";
            return refuse(Reason::WrongState, why);
        }
        if self.monitors.is_none() {
            let why = "the data sets were moved without monitors, so that nobody knows what was written since; move them \
                       back instead";
            return refuse(Reason::NotMonitored, why);
        }
        if !has_targets {
            let why = "no monitor watched the targets before their users were let in (the command does so with --retain), so \
                       that nobody knows what was written there since; move the data sets back instead";
            return refuse(Reason::NotMonitored, why);
        }
        if let Some(monitors) = &mut self.monitors {
            monitors.find_subscriptions()?;
        }
        for (volser, is_alive) in self.find_targets()? {
            if !is_alive {
                return Err(unwatched(volser));
            }
        }
        self.check_targets_unwritten()?;
        self.check_as_left()
    }

    /// That nobody wrote to the targets since their users were let in, nor could have unnoticed.
    fn check_targets_unwritten(&self) -> Result<()> {
        let live = self.host.live.as_ref();
        for (volser, subscription) in &self.targets {
            let area = subscription.area();
            let images = live.and_then(|live| live.images.get(volser));
            area.check_known(images.map_or(&[], |images| images))?;
            let path = self.host.volumes.get(volser).and_then(|volume| volume.path());
            if let Some(path) = path
                && let Some(writer) = area.unregistered_writers(path)?.first()
            {
                let why = format!(
                    "{} is open for writing by {writer}, which no monitor watches, so that nobody knows what it wrote",
                    path.display()
                );
                return Err(Error::new(Reason::NotCovered, why).on_volume(*volser));
            }
            let own = self.target_extents().into_iter().filter(|(on, _)| on == volser);
            let own: Vec<Extent> = own.map(|(_, extent)| extent).collect();
            if let Some(found) = subscription.look(&own)? {
                return Err(self.written(*volser, &found));
            }
        }
        Ok(())
    }

    fn written(&self, volser: Volser, found: &NotQuiet) -> Error {
        let why = format!(
            "the users have written at the target since they were let in: {found}. To go back would lose that; move the \
             data sets back instead"
        );
        let error = Error::new(Reason::TargetWritten, why).on_volume(volser);
        let Some(track) = found.track() else { return error };
        let heads = self.host.volumes.get(&volser).map_or(1, |volume| volume.geometry().heads());
        super::name_data_set(&self.plan, error.at_track(track.0, heads), volser, track.0)
    }

    /// That sources, targets and catalogs are as the switch left them, to the byte, and that the catalogs can be changed.
    fn check_as_left(&self) -> Result<()> {
        let glance = Glance::default();
        let ports = Ports { glance: Some(&glance), ..self.ports() };
        let targets = self.plan.target_volsers();
        for data_set in &self.plan.data_sets {
            let name = data_set.assessment.name;
            switch::look(data_set, &ports)?;
            for (part, found) in data_set.parts.iter().zip(switch::targets_stand(data_set, &ports)?)
            {
                if part.new.format1.at_place_of(&found.format1) != found.format1 {
                    let why = "its DSCB at the target was changed since its users were let in; move it back instead";
                    let error = Error::new(Reason::TargetWritten, why);
                    return Err(error.on_volume(part.volser).of_data_set(name));
                }
            }
            let mut volsers = data_set.assessment.cataloged.iter().filter_map(|one| one.volser);
            if let Some(volser) = volsers.find(|volser| targets.contains(volser)) {
                let why = "its catalog lies on a target volume, which is its users' own; move it back instead";
                let error = Error::new(Reason::WrongState, why);
                return Err(error.on_volume(volser).of_data_set(name));
            }
        }
        match self.look()? {
            Some(found) => Err(found),
            None => Ok(()),
        }
    }
}

fn unwatched(volser: Volser) -> Error {
    let why = "the volume was not watched all the time since its users were let in, so that nobody knows what was written \
               there; move the data sets back instead";
    Error::new(Reason::NotMonitored, why).on_volume(volser)
}
