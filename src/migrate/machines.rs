//! The images on other machines: what they report becomes work, and no window opens without their answer.
//!
//! The rule of `monitors`, over the channel (see [`monitor::remote`](crate::monitor::remote)): copying starts when each of them has answered that it
//! notices every write; each verb begins with hearing what they have to tell; and a look at the sources first asks each of
//! them whether anything is in flight or unreported there. Copying goes on while one of them is silent; no window opens until
//! it answers, or the operator [retires](Migration::retire_image) it.
//!
//! The crash argument: what a report said is in the areas before it is acknowledged. Which incarnation of an image the
//! areas know is in the checkpoint, saved after all was changed for it; an image whose incarnation is not the one in the
//! checkpoint is new again, and all is changed once more. That an image was retired is durable before anybody goes on without
//! it.

use super::Migration;
use super::durable::{Elsewhere, Stored};
use crate::enqueue::AllOf;
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::geometry::Extent;
use crate::host::{Host, Live};
use crate::monitor::{NotQuiet, Subscription};
use crate::name::{DsName, Volser};
use crate::remote::{Machine, MachineEnqueue, MachineReport, Presence};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// All of a migration's images on other machines.
#[derive(Debug, Default)]
pub(super) struct Machines {
    machines: Vec<Machine>,
    migration: [u64; 2],
    /// In whose name data sets are held there.
    owner: String,
    sources: BTreeSet<Volser>,
    /// What an earlier life knew.
    before: Vec<Elsewhere>,
    /// The number of this life.
    life: u32,
    /// Whether what a look asks for is to be sealed.
    is_sealed: AtomicBool,
    /// What was told of each last: how it is, and what keeps it from noticing every write.
    told: Mutex<BTreeMap<String, (Presence, Option<String>)>>,
}

/// That a migration can be led with these machines: all that it knows are there, and none twice.
///
/// Errors: [`Reason::NotCovered`], [`Reason::BadRequest`].
pub(super) fn check_given(machines: &[Machine], stored: &Stored) -> Result<()> {
    for (number, machine) in machines.iter().enumerate() {
        if machines[..number].iter().any(|other| other.name() == machine.name()) {
            let why = format!("image {} on another machine is given twice", machine.name());
            return Err(Error::new(Reason::BadRequest, why));
        }
    }
    let is_given = |image: &str| machines.iter().any(|machine| machine.name() == image);
    let missing = |one: &&Elsewhere| !one.is_retired && !is_given(&one.image);
    match stored.elsewhere.iter().find(missing) {
        Some(missing) if !stored.state.is_ended() => Err(Error::new(
            Reason::NotCovered,
            format!(
                "image {} on another machine belongs to this migration; give it again, with its channel",
                missing.image
            ),
        )),
        _ => Ok(()),
    }
}

/// That what other machines write to the sources is read, and not what this one's caches hold.
///
/// Error: [`Reason::NotDirect`].
pub(super) fn check_past_caches(host: &Host, sources: &BTreeSet<Volser>) -> Result<()> {
    let has_machines = host.live.as_ref().is_some_and(|live| !live.machines.is_empty());
    for volser in sources.iter().filter(|_| has_machines) {
        if let Some(volume) = host.volumes.get(volser)
            && !volume.is_past_caches()
        {
            return Err(Error::new(
                Reason::NotDirect,
                format!(
                    "{} is read through this machine's caches, so that what other machines write to it may not be \
                     seen; open it past them",
                    volume.location()
                ),
            )
            .on_volume(*volser));
        }
    }
    Ok(())
}

impl Machines {
    /// Those that a host gave. They have a part in the close, too.
    pub fn new(live: &mut Live, migration: [u64; 2], sources: &BTreeSet<Volser>) -> Machines {
        // What is known of them belongs to this life of this migration, also if the host gives them to another one.
        let machines: Vec<Machine> = live.machines.iter().map(Machine::anew).collect();
        let [high, low] = migration;
        let owner = format!("migration {high:016x}{low:016x} of another machine");
        if !machines.is_empty() {
            let elsewhere = Arc::new(MachineEnqueue::new(&machines, owner.clone()));
            live.enqueue = Arc::new(AllOf(vec![live.enqueue.clone(), elsewhere]));
        }
        machines.iter().for_each(|machine| machine.set_sources(sources));
        let sources = sources.clone();
        Machines { machines, migration, owner, sources, ..Machines::default() }
    }

    /// What the checkpoint says of them, before anything is watched.
    pub fn remember(&mut self, stored: &[Elsewhere]) {
        self.life = stored.iter().map(|one| one.lives).max().unwrap_or(0).saturating_add(1);
        self.before = stored.to_vec();
        for machine in &self.machines {
            machine.begin(self.migration, self.life);
            if self.before_of(machine).is_some_and(|before| before.is_retired) {
                machine.set_retired();
            }
        }
    }

    /// What the checkpoint is to say of them.
    fn stored(&self) -> Vec<Elsewhere> {
        let stored = |machine: &Machine| {
            let mut elsewhere = Elsewhere {
                image: machine.name().into(),
                is_retired: machine.is_retired(),
                known: machine.known(),
                left: machine.left(),
                lives: self.life,
            };
            // What is not watched yet is what it was.
            if let Some(before) = self.before_of(machine) {
                let is_new = |volser: &Volser| !machine.watches(*volser);
                elsewhere.known.extend(before.known.iter().filter(|(on, _)| is_new(on)));
                elsewhere.left.extend(before.left.iter().filter(|on| is_new(on)));
            }
            elsewhere
        };
        let is_given =
            |one: &&Elsewhere| self.machines.iter().any(|machine| machine.name() == one.image);
        // Who was retired need not be given any more, and stays so all the same.
        let others = self.before.iter().filter(|one| !is_given(one));
        self.machines.iter().map(stored).chain(others.cloned()).collect()
    }

    fn before_of(&self, machine: &Machine) -> Option<&Elsewhere> {
        self.before.iter().find(|one| one.image == machine.name())
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.machines.iter().map(|machine| machine.name().to_string()).collect()
    }

    /// Applies what they report of a volume to its subscription.
    pub fn watch(&self, volser: Volser, subscription: &Subscription) -> Result<()> {
        self.machines.iter().try_for_each(|machine| {
            let before = self.before_of(machine);
            let mut known = before.iter().flat_map(|one| &one.known);
            let known = known.find(|(on, _)| *on == volser).map(|(_, known)| *known);
            machine.watch(self.migration, volser, subscription, known, self.life)?;
            if before.is_some_and(|one| one.left.contains(&volser)) {
                machine.set_left(volser);
            }
            Ok(())
        })
    }

    /// From now on these are the sources; of some volumes nothing is heard any more.
    pub fn set_sources<'a>(
        &mut self,
        sources: &BTreeSet<Volser>,
        gone: impl IntoIterator<Item = &'a Volser>,
    ) {
        self.sources.clone_from(sources);
        let gone: Vec<Volser> = gone.into_iter().copied().collect();
        for machine in &self.machines {
            machine.set_sources(sources);
            gone.iter().for_each(|volser| machine.unwatch(*volser));
        }
    }

    /// That each of them has answered that it notices every write to the sources.
    ///
    /// Error: [`Reason::NotCovered`].
    pub fn check_ready(&self) -> Result<()> {
        self.sources.iter().try_for_each(|volser| self.check_ready_on(*volser))
    }

    /// The same for one volume.
    pub fn check_ready_on(&self, volser: Volser) -> Result<()> {
        self.machines.iter().try_for_each(|machine| machine.check_ready(volser))
    }

    /// What a look asks for is to be sealed from now on, and this is it until the next one.
    pub fn seal(&self, extents: &[(Volser, Extent)]) {
        self.is_sealed.store(true, Ordering::Relaxed);
        self.machines.iter().for_each(|machine| machine.seal(extents));
    }

    /// Lets writes happen again, everywhere.
    pub fn unseal(&self) {
        self.is_sealed.store(false, Ordering::Relaxed);
        self.machines.iter().for_each(Machine::unseal);
    }

    /// Lets writes to these tracks happen again.
    pub fn open_tracks(&self, extents: &[(Volser, Extent)]) {
        self.machines.iter().for_each(|machine| machine.open_tracks(extents));
    }

    /// The first thing of these tracks that is in flight or unreported on another machine, or that it does not answer.
    pub fn barrier(&self, extents: &[(Volser, Extent)]) -> Option<(Volser, NotQuiet)> {
        let is_sealed = self.is_sealed.load(Ordering::Relaxed);
        self.machines.iter().find_map(|machine| machine.barrier(extents, is_sealed))
    }

    /// What is new of them since it was told last.
    fn news(&self) -> Vec<String> {
        let mut told = self.told.lock();
        let mut news = Vec::new();
        for machine in &self.machines {
            let MachineReport { name, presence, unready, .. } = machine.report();
            let now = (presence, unready);
            let before = told.insert(name.clone(), now.clone());
            let (was, had) = before.unwrap_or((Presence::Expected, None));
            if was != presence {
                news.push(format!("image {name} on another machine is {presence}"));
            }
            if let Some(why) =
                now.1.filter(|why| was != Presence::Expected && had.as_ref() != Some(why))
            {
                news.push(format!("another machine: {why}"));
            }
        }
        news
    }

    /// Tells them that the migration has ended, so that whoever was kept out of these data sets is let in.
    pub fn end(&self, data_sets: &[DsName], volumes: &[Volser]) {
        for machine in &self.machines {
            if !machine.end(&self.owner, data_sets, volumes) {
                log::warn!(
                    "image {} on another machine has not heard that the migration has ended; as long as it does not hear \
                     it, its agent goes on watching for it, and what it keeps sealed or held stays so",
                    machine.name()
                );
            }
        }
    }
}

impl Migration {
    /// Hears what other machines report.
    pub(super) fn hear_machines(&self) -> Result<()> {
        let Some(machines) = self.machines_if_any() else { return Ok(()) };
        // The number of this life is durable before anything is asked.
        self.save_machines(machines)?;
        machines.machines.iter().for_each(Machine::pump);
        self.save_machines(machines)?;
        machines.machines.iter().for_each(Machine::confirm_farewells);
        machines.news().into_iter().for_each(|text| self.host.tell(&Event::Remark { text }));
        Ok(())
    }

    fn machines_if_any(&self) -> Option<&Machines> {
        let machines = &self.monitors.as_ref()?.machines;
        (!machines.machines.is_empty()).then_some(machines)
    }

    /// Makes durable what is new of them.
    fn save_machines(&self, machines: &Machines) -> Result<()> {
        let present = machines.stored();
        let mut durable = self.durable.lock();
        if durable.stored.state.is_ended() || durable.stored.elsewhere == present {
            return Ok(());
        }
        let before = std::mem::replace(&mut durable.stored.elsewhere, present);
        durable.save().inspect_err(|_| durable.stored.elsewhere = before)
    }

    /// That no image on another machine is silent, or may write unnoticed: else no window is opened.
    ///
    /// Error: [`Reason::NotCovered`].
    pub(super) fn check_machines(&self) -> Result<()> {
        let Some(machines) = self.machines_if_any() else { return Ok(()) };
        machines.machines.iter().try_for_each(Machine::check_heard)?;
        machines.check_ready()
    }

    /// Whether another machine has not answered the last order.
    pub(super) fn is_order_out(&self) -> bool {
        let machines = self.machines_if_any();
        machines.is_some_and(|machines| machines.machines.iter().any(Machine::is_order_out))
    }

    /// What is known of the images on other machines.
    pub fn machines(&self) -> Vec<MachineReport> {
        let machines = self.machines_if_any();
        machines.iter().flat_map(|machines| &machines.machines).map(Machine::report).collect()
    }

    /// Retires an image: the operator, or a host that has fenced it, confirms that it cannot write any more. What one on
    /// another machine did not report nobody knows, so all is changed; and whatever comes from it is refused from now on.
    /// One of this machine is retired in the areas of the sources, as by [`Area::retire`](crate::monitor::Area::retire).
    ///
    /// Errors: [`Reason::NoSuchImage`]; those of the monitor areas.
    pub fn retire_image(&mut self, name: &str) -> Result<()> {
        // In a life that has only been opened nothing is known yet of what it wrote to: all of that is to be changed.
        if let Some(monitors) = &mut self.monitors {
            monitors.find_subscriptions()?;
        }
        let machine = self
            .machines_if_any()
            .and_then(|machines| machines.machines.iter().find(|machine| machine.name() == name));
        let Some(machine) = machine else {
            if self.monitors.as_mut().is_some_and(|monitors| monitors.has_local(name)) {
                return self.retire_local(name);
            }
            let names = self.machines_if_any().map(Machines::names).unwrap_or_default().join(", ");
            let why = match names.is_empty() {
                true => {
                    format!("no image {name} is registered, and there are none on other machines")
                }
                false => format!("no image {name} on another machine; there are: {names}"),
            };
            return Err(Error::new(Reason::NoSuchImage, why));
        };
        machine.retire();
        if let Some(machines) = self.machines_if_any() {
            self.save_machines(machines)?;
        }
        let text = format!("image {name} on another machine was retired: all is copied again");
        self.host.tell(&Event::Remark { text });
        Ok(())
    }
}
