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
use crate::name::Volser;
use crate::remote::{Machine, MachineEnqueue, MachineReport};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// All of a migration's images on other machines.
#[derive(Debug, Default)]
pub(super) struct Machines {
    machines: Vec<Machine>,
    migration: [u64; 2],
    sources: BTreeSet<Volser>,
    /// What an earlier life knew.
    before: Vec<Elsewhere>,
    /// The number of this life.
    life: u32,
    /// Whether what a look asks for is to be sealed.
    is_sealed: AtomicBool,
}

/// The machines that a migration can be led with: all that it knows are there, and those that were retired are not
/// heard.
///
/// Error: [`Reason::NotCovered`].
pub(super) fn of_migration(machines: Vec<Machine>, stored: &Stored) -> Result<Vec<Machine>> {
    for elsewhere in &stored.elsewhere {
        let machine = machines.iter().find(|machine| machine.name() == elsewhere.image);
        match machine {
            Some(machine) if elsewhere.is_retired => machine.set_retired(),
            None if !elsewhere.is_retired && !stored.state.is_ended() => {
                return Err(Error::new(
                    Reason::NotCovered,
                    format!(
                        "image {} on another machine belongs to this migration; give it again, with its channel",
                        elsewhere.image
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(machines)
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
        let machines = live.machines.clone();
        if !machines.is_empty() {
            let [high, low] = migration;
            let owner = format!("migration {high:016x}{low:016x} of another machine");
            let elsewhere = Arc::new(MachineEnqueue::new(&machines, owner));
            live.enqueue = Arc::new(AllOf(vec![live.enqueue.clone(), elsewhere]));
        }
        machines.iter().for_each(|machine| machine.set_sources(sources));
        Machines { machines, migration, sources: sources.clone(), ..Machines::default() }
    }

    /// What the checkpoint says of them, before anything is watched.
    pub fn remember(&mut self, stored: &[Elsewhere]) {
        self.life = stored.iter().map(|one| one.lives).max().unwrap_or(0).saturating_add(1);
        self.before = stored.to_vec();
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
        self.machines.iter().map(stored).collect()
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

    /// What a look asks for is to be sealed from now on.
    pub fn seal(&self) {
        self.is_sealed.store(true, Ordering::Relaxed);
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

    /// Tells them that the migration has ended.
    pub fn end(&self) {
        for machine in &self.machines {
            if !machine.end() {
                log::warn!(
                    "image {} on another machine has not heard that the migration has ended; its agent goes on \
                     watching for it until it is started anew",
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

    /// What is known of the images on other machines.
    pub fn machines(&self) -> Vec<MachineReport> {
        let machines = self.machines_if_any();
        machines.iter().flat_map(|machines| &machines.machines).map(Machine::report).collect()
    }

    /// Retires an image on another machine: the operator, or a host that has fenced it, confirms that it cannot write any
    /// more. What it did not report nobody knows, so all is changed; and whatever comes from it is refused from now on.
    ///
    /// Error: [`Reason::NoSuchImage`].
    pub fn retire_image(&mut self, name: &str) -> Result<()> {
        let machine = self
            .machines_if_any()
            .and_then(|machines| machines.machines.iter().find(|machine| machine.name() == name));
        let Some(machine) = machine else {
            let names = self.machines_if_any().map(Machines::names).unwrap_or_default().join(", ");
            let why = match names.is_empty() {
                true => "the migration has no images on other machines".into(),
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
