//! The copier: its threads, their batches, the target and its flush.

use crate::monitor::lowest;
use crate::rules::{Broken, Config, Deed, Who};
use crate::steps::Steps;
use crate::world::{Cells, Copier, CopierStep, OwnerStep, World};

pub fn steps(world: &World, config: &Config, steps: &mut Steps) {
    for number in 0..config.copiers {
        let copier = world.copiers[usize::from(number)];
        let mut thread = Thread { world, config, number, copier, steps };
        match copier.step {
            CopierStep::Idle => thread.take(),
            CopierStep::Observed => thread.take_second_half(),
            CopierStep::Reading => thread.read(),
            CopierStep::Read => thread.clear_late(),
            CopierStep::Writing => thread.write(),
            CopierStep::Written => thread.flush_or_retire(),
            CopierStep::Flushed => thread.retire_or_flush(),
            CopierStep::Failed => thread.tell_others(),
        }
        thread.give_up();
    }
}

struct Thread<'a> {
    world: &'a World,
    config: &'a Config,
    number: u8,
    copier: Copier,
    steps: &'a mut Steps,
}

impl Thread<'_> {
    fn step(&mut self, deed: Deed, change: impl FnOnce(&mut World, &mut Copier, &Config)) {
        let mut world = *self.world;
        let mut copier = self.copier;
        change(&mut world, &mut copier, self.config);
        let tracks = if copier.range != 0 { copier.range } else { self.copier.range };
        world.copiers[usize::from(self.number)] = copier;
        self.steps.add(Who::Copier(self.number), deed, tracks, world);
    }

    fn other(&self) -> &Copier {
        &self.world.copiers[usize::from(1 - self.number)]
    }

    fn take(&mut self) {
        if !matches!(self.world.owner, OwnerStep::Running | OwnerStep::Window) {
            return;
        }
        for &range in self.config.ranges() {
            let work = (self.world.changed | self.world.taken) & range;
            let shared = self.config.breaks(Broken::SameTrackInTwoBatches);
            if work != 0 && (self.other().range & range == 0 || shared) {
                self.take_first_half(range);
            }
        }
    }

    fn take_first_half(&mut self, range: u8) {
        let observed = self.world.changed & range;
        if self.config.breaks(Broken::ClearBeforeSet) {
            self.step(Deed::TakeClear, |world, copier, _| {
                world.changed &= !observed;
                *copier = Copier { step: CopierStep::Observed, range, observed, ..Copier::IDLE };
            });
            return;
        }
        self.step(Deed::Take, |world, copier, config| {
            world.taken |= observed;
            *copier = Copier { step: CopierStep::Observed, range, observed, ..Copier::IDLE };
            if config.breaks(Broken::ClearAfterReading) {
                begin_reading(world, copier, config);
            }
        });
    }

    fn take_second_half(&mut self) {
        if self.config.breaks(Broken::ClearBeforeSet) {
            self.step(Deed::TakeSet, |world, copier, config| {
                world.taken |= copier.observed;
                begin_reading(world, copier, config);
            });
            return;
        }
        let whole = self.config.breaks(Broken::ClearWholeBatch);
        let deed = if whole { Deed::ClearWhole } else { Deed::Clear };
        self.step(deed, |world, copier, config| {
            world.changed &= if whole { !copier.range } else { !copier.observed };
            begin_reading(world, copier, config);
        });
    }

    /// The parts of a track may be read in any order.
    fn read(&mut self) {
        for cell in members(self.copier.to_do) {
            self.step(Deed::Read, |_, copier, config| {
                copier.buffer |= cell;
                copier.to_do &= !cell;
                if copier.to_do == 0 {
                    let late = config.breaks(Broken::ClearAfterReading);
                    copier.step = if late { CopierStep::Read } else { CopierStep::Writing };
                    copier.to_do = config.cells_of(copier.snapshot);
                }
            });
        }
    }

    fn clear_late(&mut self) {
        self.step(Deed::Clear, |world, copier, _| {
            world.changed &= !copier.snapshot;
            copier.step = CopierStep::Writing;
        });
    }

    fn write(&mut self) {
        self.step(Deed::Copy, |world, copier, _| {
            let cell = lowest(copier.to_do);
            world.target = world.target & !cell | copier.buffer & cell;
            world.unflushed |= cell;
            copier.buffer &= !cell;
            copier.to_do &= !cell;
            if copier.to_do == 0 {
                copier.step = CopierStep::Written;
            }
        });
    }

    fn flush_or_retire(&mut self) {
        if self.config.breaks(Broken::TakenClearedBeforeFlush) {
            self.step(Deed::Retire, |world, copier, _| {
                world.taken &= !copier.snapshot;
                copier.step = CopierStep::Flushed;
            });
        } else {
            self.flush(|copier| copier.step = CopierStep::Flushed);
        }
    }

    fn retire_or_flush(&mut self) {
        if self.config.breaks(Broken::TakenClearedBeforeFlush) {
            self.flush(|copier| *copier = Copier::IDLE);
        } else {
            self.step(Deed::Retire, |world, copier, _| {
                world.taken &= !copier.snapshot;
                *copier = Copier::IDLE;
            });
        }
    }

    /// A flush that fails may have made some writes durable, and has forgotten the others: the next
    /// flush succeeds without them. Who asks for a flush and is told of the failure tells the others in
    /// the same step, that is, before anyone else can ask for one.
    fn flush(&mut self, then: impl FnOnce(&mut Copier)) {
        self.step(Deed::Flush, |world, copier, _| {
            flush(world, world.unflushed);
            then(copier);
        });
        if !self.config.flushes_fail {
            return;
        }
        for kept in subsets(self.world.unflushed) {
            self.step(Deed::FlushFails, |world, copier, _| {
                flush(world, kept);
                *copier = Copier { step: CopierStep::Failed, ..Copier::IDLE };
            });
            let late = self.config.breaks(Broken::FlushErrorToldLate);
            if !late {
                let failed = self.steps.last_world();
                tell_others(failed, self.number, self.config);
            }
        }
    }

    fn tell_others(&mut self) {
        let (number, config) = (self.number, self.config);
        self.step(Deed::TellOthers, |_, _, _| ());
        tell_others(self.steps.last_world(), number, config);
    }

    fn give_up(&mut self) {
        let busy = matches!(
            self.copier.step,
            CopierStep::Reading | CopierStep::Writing | CopierStep::Written
        );
        if self.config.batches_fail && busy {
            self.step(Deed::GiveBatchUp, |_, copier, _| *copier = Copier::IDLE);
        }
    }
}

fn begin_reading(world: &World, copier: &mut Copier, config: &Config) {
    copier.step = CopierStep::Reading;
    copier.observed = 0;
    copier.snapshot = world.taken & copier.range;
    copier.to_do = config.cells_of(copier.snapshot);
}

/// The thread that was told of the failure, and every other that has written since the last good flush
/// and did not retire its batch, give their batches back to the work: `taken` keeps them.
fn tell_others(world: &mut World, number: u8, config: &Config) {
    world.copiers[usize::from(number)] = Copier::IDLE;
    if config.breaks(Broken::FlushErrorToldToOneThread) {
        return;
    }
    for copier in &mut world.copiers {
        let begun = copier.to_do != config.cells_of(copier.snapshot);
        if copier.step == CopierStep::Written || copier.step == CopierStep::Writing && begun {
            *copier = Copier::IDLE;
        }
    }
}

/// These of the unflushed cells become durable; none stays unflushed.
pub fn flush(world: &mut World, kept: Cells) {
    world.durable = world.durable & !kept | world.target & kept;
    world.unflushed = 0;
}

/// The members of a set, each as a set of its own.
fn members(set: u8) -> impl Iterator<Item = u8> {
    (0..u8::BITS).map(|bit| 1 << bit).filter(move |member| set & member != 0)
}

/// Every subset of a set, the empty one and the set itself among them.
pub fn subsets(set: u8) -> impl Iterator<Item = u8> {
    (0..=set).filter(move |subset| subset & !set == 0)
}
