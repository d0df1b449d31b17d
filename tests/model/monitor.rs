//! The monitor of one image: `begin`, the write, `end`, its death and its restart.
//!
//! Its processor keeps stores back (x86: total store order): the program's plain stores, that is the
//! application's bytes and the freeing of the slot, become visible to the others later, in order.
//! A fence, and any atomic read-modify-write, waits until all are visible. Loads do not wait.

use crate::rules::{Broken, Config, Deed, Who};
use crate::steps::Steps;
use crate::world::{Cells, Monitor, MonitorStep, Phase, World};

pub fn steps(world: &World, config: &Config, steps: &mut Steps) {
    for number in 0..config.monitors {
        let monitor = world.monitors[usize::from(number)];
        let mut image = Image { world, config, number, monitor, steps };
        image.make_visible();
        match monitor.step {
            MonitorStep::Idle => image.begin(),
            MonitorStep::Begun => image.read_seals(),
            MonitorStep::Writing => image.write(),
            MonitorStep::Written => image.fence(),
            MonitorStep::Fenced => image.ask_subscription(),
            MonitorStep::Noting => image.note(),
            MonitorStep::Storing => image.store(),
            MonitorStep::Noted => image.acknowledge(),
            MonitorStep::Dead => image.restart(),
        }
        if config.images_die && !matches!(monitor.step, MonitorStep::Idle | MonitorStep::Dead) {
            image.die();
        }
    }
}

struct Image<'a> {
    world: &'a World,
    config: &'a Config,
    number: u8,
    monitor: Monitor,
    steps: &'a mut Steps,
}

impl Image<'_> {
    fn step(&mut self, deed: Deed, change: impl FnOnce(&mut Monitor, &Config)) {
        self.step_world(deed, |world, number, config| change(&mut world.monitors[number], config));
    }

    fn step_world(&mut self, deed: Deed, change: impl FnOnce(&mut World, usize, &Config)) {
        let mut world = *self.world;
        change(&mut world, usize::from(self.number), self.config);
        self.steps.add(Who::Image(self.number), deed, self.monitor.range, world);
    }

    /// The oldest store that was kept back becomes visible.
    fn make_visible(&mut self) {
        if self.monitor.drained() {
            return;
        }
        let deed = match self.monitor {
            Monitor { unseen_slot: true, .. } => Deed::SlotSeen,
            Monitor { unseen_cells: 1.., .. } => Deed::WriteSeen,
            _ => Deed::FreeSeen,
        };
        self.step_world(deed, make_one_visible);
    }

    /// A write begins: its slot is published. A host that tells only completions has none, and asks no seal.
    ///
    /// A program writes while the data set is open to it. If the close lies, it writes at any time, as
    /// long as it is a program that had the data set open before: one of this boot of the machine.
    fn begin(&mut self) {
        let held = !self.world.open_to_users();
        let fresh_boot = !self.world.active && self.world.phase != Phase::Copying;
        let moved = self.world.cataloged && !self.config.close_lies;
        if fresh_boot || moved || (held && !self.config.close_lies) || !self.monitor.drained() {
            return;
        }
        let unfenced = self.config.breaks(Broken::BeginWithoutFence);
        let completions = self.config.completions;
        for &range in self.config.ranges() {
            for cells in self.config.writes(range) {
                let mut world = *self.world;
                let monitor = &mut world.monitors[usize::from(self.number)];
                monitor.step = if completions { MonitorStep::Writing } else { MonitorStep::Begun };
                monitor.range = range;
                monitor.slot = if unfenced || completions { 0 } else { range };
                monitor.unseen_slot = unfenced;
                monitor.to_write = cells;
                let deed = if completions { Deed::BeginUnseen } else { Deed::Begin };
                self.steps.add(Who::Image(self.number), deed, range, world);
            }
        }
    }

    fn read_seals(&mut self) {
        if self.world.sealed {
            self.step(Deed::Refused, |monitor, _| {
                monitor.to_write = 0;
                monitor.range = 0;
                monitor.unseen_free = true;
                monitor.step = MonitorStep::Idle;
            });
        } else {
            let asked = self.config.breaks(Broken::SubscriptionAskedAtBegin) && self.world.active;
            self.step(Deed::Admitted, |monitor, _| {
                monitor.to_note = if asked { monitor.range } else { 0 };
                monitor.step = MonitorStep::Writing;
            });
        }
    }

    fn write(&mut self) {
        self.step(Deed::Write, |monitor, _| {
            let cell = lowest(monitor.to_write);
            monitor.to_write &= !cell;
            monitor.unseen_cells |= cell;
            if monitor.to_write == 0 {
                monitor.step = MonitorStep::Written;
            }
        });
    }

    fn fence(&mut self) {
        let unfenced = self.config.breaks(Broken::TestAndSkipWithoutFence);
        if !unfenced && !self.monitor.drained() {
            return;
        }
        let deed = if unfenced { Deed::NoFence } else { Deed::Fence };
        self.step(deed, |monitor, _| monitor.step = MonitorStep::Fenced);
    }

    fn ask_subscription(&mut self) {
        if self.config.breaks(Broken::SlotFreedBeforeChanged) && self.monitor.slot != 0 {
            if !self.monitor.unseen_free {
                self.step(Deed::FreeEarly, |monitor, _| monitor.unseen_free = true);
            }
            return;
        }
        let early = self.config.breaks(Broken::SubscriptionAskedAtBegin);
        let active = if early { self.monitor.to_note != 0 } else { self.world.active };
        if !active {
            self.step(Deed::NoSubscription, |monitor, _| monitor.step = MonitorStep::Noted);
        } else {
            self.step(Deed::Subscription, |monitor, _| {
                monitor.to_note = monitor.range;
                monitor.step = MonitorStep::Noting;
            });
        }
    }

    /// One track after the other: a range may span two words. A test before the or is allowed here,
    /// behind the fence; the run in which the or follows without it is one of those explored.
    fn note(&mut self) {
        let track = lowest(self.monitor.to_note);
        let noted = move |monitor: &mut Monitor| {
            monitor.to_note &= !track;
            if monitor.to_note == 0 {
                monitor.step = MonitorStep::Noted;
            }
        };
        if self.world.changed & track != 0 {
            self.step(Deed::Skip, |monitor, _| noted(monitor));
        }
        if self.config.breaks(Broken::PlainStores) {
            self.step_world(Deed::Load, |world, number, _| {
                world.monitors[number].loaded = world.changed;
                world.monitors[number].step = MonitorStep::Storing;
            });
        } else if self.monitor.drained() {
            self.step_world(Deed::Note, |world, number, _| {
                world.changed |= track;
                noted(&mut world.monitors[number]);
            });
        }
    }

    fn store(&mut self) {
        self.step_world(Deed::Store, |world, number, _| {
            let monitor = &mut world.monitors[number];
            let track = lowest(monitor.to_note);
            world.changed = monitor.loaded | track;
            monitor.loaded = 0;
            monitor.to_note &= !track;
            monitor.step =
                if monitor.to_note == 0 { MonitorStep::Noted } else { MonitorStep::Noting };
        });
    }

    /// The slot is freed, and the application learns of it: at the earliest moment that the rules allow.
    fn acknowledge(&mut self) {
        self.step_world(Deed::Acknowledge, |world, number, _| {
            let monitor = &mut world.monitors[number];
            world.acknowledged |= monitor.own_cells;
            monitor.own_cells = 0;
            monitor.unseen_free = monitor.slot != 0;
            monitor.range = 0;
            monitor.step = MonitorStep::Idle;
        });
    }

    /// A process that ends leaves its processor: what it stored is visible then. The death of a host that
    /// tells only completions stands for a slot over all tracks.
    fn die(&mut self) {
        self.step_world(Deed::ImageDies, |world, number, config| {
            while !world.monitors[number].drained() {
                make_one_visible(world, number, config);
            }
            let all_tracks = (1 << config.tracks) - 1;
            let slot = if config.completions { all_tracks } else { world.monitors[number].slot };
            world.monitors[number] = Monitor { step: MonitorStep::Dead, slot, ..Monitor::IDLE };
        });
    }

    /// The same name may register again once the slots of its former life were reaped, and nobody who
    /// reaps holds its lock.
    fn restart(&mut self) {
        if reaper_holds(self.world, self.number, self.config) {
            return;
        }
        if self.monitor.slot == 0 || self.config.breaks(Broken::RestartDropsSlots) {
            self.step(Deed::ImageRestarts, |monitor, _| *monitor = Monitor::IDLE);
        }
    }
}

fn make_one_visible(world: &mut World, number: usize, config: &Config) {
    let monitor = &mut world.monitors[number];
    if monitor.unseen_slot {
        monitor.unseen_slot = false;
        monitor.slot = monitor.range;
    } else if monitor.unseen_cells != 0 {
        let cell = lowest(monitor.unseen_cells);
        monitor.unseen_cells &= !cell;
        let acknowledged = monitor.step == MonitorStep::Idle;
        source_changes(world, cell);
        if config.acknowledgements {
            world.acknowledged &= !cell;
            if acknowledged {
                world.acknowledged |= cell;
            } else {
                world.monitors[number].own_cells |= cell;
            }
        }
    } else {
        monitor.unseen_free = false;
        monitor.slot = 0;
    }
}

/// New content in a cell of the source: no copy of the cell, wherever it is, has it.
fn source_changes(world: &mut World, cell: Cells) {
    world.target &= !cell;
    world.durable &= !cell;
    for copier in &mut world.copiers {
        copier.buffer &= !cell;
    }
    for monitor in &mut world.monitors {
        monitor.own_cells &= !cell;
    }
}

/// Whether an owner holds the lock of this image's name, because it reaps it.
pub fn reaper_holds(world: &World, number: u8, config: &Config) -> bool {
    let reaped = world.reaping == number + 1 || world.second_reaping == number + 1;
    reaped && !config.breaks(Broken::ReapWithoutLock)
}

/// Whether the owner may take the image's slot for that of a dead one.
pub fn seems_dead(monitor: &Monitor, config: &Config) -> bool {
    monitor.step == MonitorStep::Dead || config.breaks(Broken::StoppedWriterTakenForDead)
}

/// Whether the close may be confirmed.
pub fn closed(world: &World, config: &Config) -> bool {
    let quiet = |monitor: &Monitor| matches!(monitor.step, MonitorStep::Idle | MonitorStep::Dead);
    config.close_lies || world.monitors.iter().all(quiet)
}

/// The lowest member of a set.
pub fn lowest(set: u8) -> u8 {
    set & set.wrapping_neg()
}
