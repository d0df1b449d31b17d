//! The owner of the migration: subscription, window, switch; its death, and that of the machine.

use crate::copier::{flush, subsets};
use crate::monitor::{closed, reaper_holds, seems_dead};
use crate::rules::{Broken, Config, Deed, Who};
use crate::steps::Steps;
use crate::world::{Copier, CopierStep, Monitor, OwnerStep, Phase, Tracks, World};

pub fn steps(world: &World, config: &Config, steps: &mut Steps) {
    let mut owner = Owner { world, config, steps };
    if world.unseen_seal {
        owner.step(Deed::SealSeen, |world| {
            world.unseen_seal = false;
            world.sealed = true;
        });
    }
    if world.reaping != 0 {
        owner.free_reaped();
    } else {
        owner.go_on();
    }
    owner.die();
    if config.second_owner {
        owner.second_owner();
    }
}

struct Owner<'a> {
    world: &'a World,
    config: &'a Config,
    steps: &'a mut Steps,
}

/// What a scan looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Slot(usize),
    Changed,
    Taken,
}

impl Owner<'_> {
    fn step(&mut self, deed: Deed, change: impl FnOnce(&mut World)) {
        let mut world = *self.world;
        change(&mut world);
        self.steps.add(Who::Owner, deed, 0, world);
    }

    fn step_to(&mut self, deed: Deed, next: OwnerStep) {
        self.step(deed, |world| world.owner = next);
    }

    fn go_on(&mut self) {
        match self.world.owner {
            OwnerStep::Down => self.resume(),
            OwnerStep::Subscribed => self.fill(),
            OwnerStep::Running => self.run(),
            OwnerStep::Window => self.window(),
            OwnerStep::Scanning => self.scan(),
            OwnerStep::Quiet => self.last_flush(),
            OwnerStep::Intending => self.step(Deed::Intent, |world| {
                world.phase = Phase::Switching;
                world.owner = OwnerStep::Recataloging;
            }),
            OwnerStep::Recataloging => self.recatalog(),
            OwnerStep::Looking => self.look(),
            OwnerStep::Confirming => self.step(Deed::Looked, |world| {
                world.phase = Phase::Looked;
                world.owner = OwnerStep::Releasing;
            }),
            OwnerStep::Releasing => self.step(Deed::Release, |world| {
                world.phase = Phase::Released;
                world.owner = OwnerStep::Done;
            }),
            OwnerStep::BackingOut => self.step(Deed::BackOut, |world| {
                world.cataloged = false;
                world.owner = OwnerStep::BackedOut;
            }),
            OwnerStep::BackedOut => self.step(Deed::BackedOut, |world| {
                world.phase = Phase::Copying;
                world.sealed = false;
                world.unseen_seal = false;
                world.owner = if world.active { OwnerStep::Running } else { OwnerStep::Down };
            }),
            OwnerStep::Done => (),
        }
    }

    /// A new owner knows the checkpoint, and what is in the area if that is of this boot.
    fn resume(&mut self) {
        let area_alive = self.world.active;
        let ready = self.world.filled || self.config.breaks(Broken::ActiveTakenForFilled);
        match self.world.phase {
            Phase::Copying if !area_alive => self.step(Deed::Subscribe, |world| {
                world.active = true;
                world.owner = OwnerStep::Subscribed;
            }),
            Phase::Copying => self.step(Deed::Resume, |world| {
                world.sealed = false;
                world.owner = if ready { OwnerStep::Running } else { OwnerStep::Subscribed };
            }),
            Phase::Switching if area_alive => self.step_to(Deed::Resume, OwnerStep::Recataloging),
            Phase::Switching => self.step_to(Deed::Resume, OwnerStep::BackingOut),
            Phase::Looked => self.step_to(Deed::Resume, OwnerStep::Releasing),
            Phase::Released => (),
        }
    }

    /// The first copy, and all after the area was void: everything is to be copied.
    fn fill(&mut self) {
        let all = (1 << self.config.tracks) - 1;
        self.step(Deed::Fill, |world| {
            world.taken = all;
            world.filled = true;
            world.owner = OwnerStep::Running;
        });
    }

    fn run(&mut self) {
        self.reap();
        if closed(self.world, self.config) {
            let no_seal = self.config.breaks(Broken::NoSeal);
            let unfenced = self.config.breaks(Broken::SealWithoutFence);
            self.step(Deed::Close, |world| {
                world.sealed = !no_seal && !unfenced;
                world.unseen_seal = unfenced;
                world.owner = OwnerStep::Window;
            });
        }
    }

    fn window(&mut self) {
        self.reap();
        self.step(Deed::GiveUp, |world| {
            world.sealed = false;
            world.unseen_seal = false;
            world.owner = OwnerStep::Running;
        });
        if self.world.copiers.iter().all(|copier| copier.step == CopierStep::Idle) {
            self.step_to(Deed::Join, OwnerStep::Scanning);
        }
    }

    /// Proven dead: what the slot covers becomes changed, then the slot is freed; under the lock of the
    /// image's name, so that no other owner reaps, and no new life of the image begins, between.
    fn reap(&mut self) {
        for number in 0..self.config.monitors {
            if let Some(mut world) = self.reaped(number) {
                world.reaping = number + 1;
                self.steps.add(Who::Owner, Deed::Reap, self.slot(number), world);
            }
        }
    }

    /// The first half of a reaping, if there is something to reap.
    fn reaped(&self, number: u8) -> Option<World> {
        let monitor = &self.world.monitors[usize::from(number)];
        let dead = seems_dead(monitor, self.config) && monitor.slot != 0;
        if !dead || reaper_holds(self.world, number, self.config) {
            return None;
        }
        let mut world = *self.world;
        if world.active && !self.config.breaks(Broken::ReapedSlotsDropped) {
            world.changed |= monitor.slot;
        }
        Some(world)
    }

    fn slot(&self, number: u8) -> Tracks {
        self.world.monitors[usize::from(number)].slot
    }

    fn free_reaped(&mut self) {
        self.step(Deed::ReapFree, |world| {
            world.monitors[usize::from(world.reaping) - 1].slot = 0;
            world.reaping = 0;
        });
    }

    /// The owner of another migration reaps for all subscriptions, whenever it likes; and may die over it.
    fn second_owner(&mut self) {
        let add = |steps: &mut Steps, deed, world| steps.add(Who::SecondOwner, deed, 0, world);
        let mut world = *self.world;
        if world.second_reaping != 0 {
            world.second_reaping = 0;
            add(self.steps, Deed::OwnerDies, world);
            world.monitors[usize::from(self.world.second_reaping) - 1].slot = 0;
            add(self.steps, Deed::ReapFree, world);
            return;
        }
        for number in 0..self.config.monitors {
            if let Some(mut world) = self.reaped(number) {
                world.second_reaping = number + 1;
                add(self.steps, Deed::Reap, world);
            }
        }
    }

    fn place(&self, position: u8) -> Place {
        match position {
            slot if slot < self.config.monitors => Place::Slot(usize::from(slot)),
            slot if slot == self.config.monitors => Place::Changed,
            _ => Place::Taken,
        }
    }

    fn is_empty(&self, place: Place) -> bool {
        match place {
            Place::Slot(number) => self.world.monitors[number].slot == 0,
            Place::Changed => self.world.changed == 0,
            Place::Taken => self.world.taken == 0,
        }
    }

    /// With the flow: slots, then `changed`, then `taken`.
    fn scan(&mut self) {
        let last = self.config.monitors + 1;
        let position = self.world.position;
        let against = self.config.breaks(Broken::WindowAgainstTheFlow);
        let place = self.place(if against { last - position } else { position });
        self.see(place, position == last, OwnerStep::Quiet, (Deed::NotQuiet, OwnerStep::Window));
    }

    /// Slots, then `changed`, once more; `taken` is of this process, which copies no more.
    fn look(&mut self) {
        let position = self.world.position;
        let last = position == self.config.monitors;
        let found = (Deed::LookFinds, OwnerStep::BackingOut);
        self.see(self.place(position), last, OwnerStep::Confirming, found);
    }

    fn see(&mut self, place: Place, last: bool, end: OwnerStep, found: (Deed, OwnerStep)) {
        if !self.is_empty(place) {
            self.step(found.0, |world| {
                world.position = 0;
                world.owner = found.1;
            });
            return;
        }
        let deed = match place {
            Place::Slot(_) => Deed::SlotFree,
            Place::Changed => Deed::ChangedEmpty,
            Place::Taken => Deed::TakenEmpty,
        };
        self.step(deed, |world| {
            world.position = if last { 0 } else { world.position + 1 };
            world.owner = if last { end } else { world.owner };
        });
    }

    /// A system call, like those that follow it: what the owner stored is visible to all by then.
    fn last_flush(&mut self) {
        if self.world.unseen_seal {
            return;
        }
        let on = self.config.last_flush;
        self.step(Deed::LastFlush, |world| {
            if on {
                flush(world, world.unflushed);
            }
            world.owner = OwnerStep::Intending;
        });
        if on && self.config.flushes_fail {
            for kept in subsets(self.world.unflushed) {
                self.step(Deed::LastFlushFails, |world| {
                    flush(world, kept);
                    world.owner = OwnerStep::Window;
                });
            }
        }
    }

    fn recatalog(&mut self) {
        let next = if self.config.look { OwnerStep::Looking } else { OwnerStep::Confirming };
        self.step(Deed::Recatalog, |world| {
            world.cataloged = true;
            world.owner = next;
        });
    }

    fn die(&mut self) {
        let over = matches!(self.world.owner, OwnerStep::Down | OwnerStep::Done);
        if self.config.owner_dies && !over {
            self.step(Deed::OwnerDies, owner_died);
        }
        if self.config.machine_dies {
            for kept in subsets(self.world.unflushed) {
                let mut world = *self.world;
                flush(&mut world, kept);
                world.target = world.durable;
                machine_died(&mut world);
                self.steps.add(Who::Machine, Deed::MachineDies, 0, world);
            }
        }
    }
}

/// The process ends: its threads and their buffers are gone; the kernel keeps what it wrote.
fn owner_died(world: &mut World) {
    world.sealed |= world.unseen_seal;
    world.unseen_seal = false;
    world.copiers = [Copier::IDLE; 2];
    world.position = 0;
    world.reaping = 0;
    if world.owner != OwnerStep::Done {
        world.owner = OwnerStep::Down;
    }
}

/// The machine restarts: every program is gone, and so is what was in the area.
fn machine_died(world: &mut World) {
    owner_died(world);
    world.second_reaping = 0;
    world.monitors = [Monitor::IDLE; 2];
    world.changed = 0;
    world.taken = 0;
    world.active = false;
    world.filled = false;
    world.sealed = false;
    world.unseen_seal = false;
}
