//! Another machine: its program, its agent (the sender's side of the protocol), its deaths.
//!
//! Its monitor is that of the other model (`../monitor.rs`), where fences and slots are shown to be needed. Here a
//! write has three steps: it is admitted if nothing is sealed, it writes, it ends. The agent's looks and its takings are
//! one step each, for the same reason. Which writes the monitor cannot see is a matter here: those of programs that
//! were there before their image was attached.

use super::rules::{Broken, Config, Deed, Label, Who};
use super::steps::Steps;
use super::world::{Machine, NO_REPORTS, OwnerStep, Question, Report, Tracks, World, Writer};

pub fn steps(world: &World, config: &Config, steps: &mut Steps) {
    for number in 0..config.machines {
        let machine = world.machines[usize::from(number)];
        if machine.gone {
            continue;
        }
        let mut side = Side { world, config, number, machine, steps };
        side.write();
        side.hear();
        if world.owner != OwnerStep::Done {
            side.cover();
            side.report();
            side.forget();
            if number < config.faulty {
                side.send_again();
                side.agent_dies();
                side.leave();
                side.die();
            }
        }
    }
}

struct Side<'a> {
    world: &'a World,
    config: &'a Config,
    number: u8,
    machine: Machine,
    steps: &'a mut Steps,
}

impl Side<'_> {
    fn program(&self, deed: Deed, tracks: Tracks) -> Label {
        Label { who: Who::Program(self.number), deed, with: None, number: None, tracks }
    }

    fn agent(&self, deed: Deed) -> Label {
        Label { who: Who::Agent(self.number), deed, with: None, number: None, tracks: 0 }
    }

    fn add(&mut self, label: Label, change: impl FnOnce(&mut Machine)) {
        self.add_world(label, |world, number| change(&mut world.machines[number]));
    }

    fn add_world(&mut self, label: Label, change: impl FnOnce(&mut World, usize)) {
        let mut world = *self.world;
        change(&mut world, usize::from(self.number));
        self.steps.add(label, world);
    }

    /// A program writes while the data set is open to it; if the close lies, at any time, as long as it is a program
    /// that had the data set open before. A volume of which the machine took leave is open to none.
    fn write(&mut self) {
        match self.machine.writer {
            Writer::Idle => {
                let open = !self.world.is_held() || self.config.close_lies;
                if !open || self.machine.fresh {
                    return;
                }
                for track in self.config.each_track() {
                    if self.machine.covered {
                        self.begin(track);
                    } else if !self.promised() {
                        let acknowledged = self.config.broken.is_some();
                        self.add_world(self.program(Deed::WriteBlind, track), |world, number| {
                            source_changes(world, number, track);
                            if acknowledged {
                                world.acknowledged |= track;
                                world.machines[number].own = 0;
                            }
                        });
                    }
                }
            }
            Writer::Admitted => {
                let (range, cached) = (self.machine.range, self.config.cached);
                let acknowledged = self.config.broken.is_some();
                self.add_world(self.program(Deed::Write, range), |world, number| {
                    source_changes(world, number, range);
                    let machine = &mut world.machines[number];
                    machine.writer = Writer::Written;
                    if acknowledged {
                        machine.own = range;
                    }
                    if cached {
                        machine.dirty |= range;
                    }
                });
            }
            Writer::Written => {
                let label = self.program(Deed::Acknowledge, self.machine.range);
                self.add_world(label, |world, number| {
                    let machine = &mut world.machines[number];
                    if machine.subscribed {
                        machine.changed |= machine.range;
                    }
                    world.acknowledged |= machine.own;
                    machine.writer = Writer::Idle;
                    machine.range = 0;
                    machine.own = 0;
                });
            }
        }
        if self.machine.dirty != 0 {
            self.add(self.agent(Deed::Flush), |machine| machine.dirty = 0);
        }
    }

    fn promised(&self) -> bool {
        self.machine.leaving && !self.config.breaks(Broken::WritesAfterFarewell)
    }

    /// A refusal leaves nothing behind: it is no step here.
    fn begin(&mut self, track: Tracks) {
        if self.machine.sealed || self.promised() {
            return;
        }
        self.add(self.program(Deed::Admit, track), |machine| {
            machine.writer = Writer::Admitted;
            machine.range = track;
        });
    }

    fn cover(&mut self) {
        if !self.machine.covered && self.machine.writer == Writer::Idle {
            self.add(self.agent(Deed::Cover), |machine| machine.covered = true);
        }
        if !self.machine.subscribed {
            self.add(self.agent(Deed::Subscribe), |machine| machine.subscribed = true);
        }
    }

    /// A batch is taken, the cache flushed, the report sent: an agent that is killed between has sent a report that is
    /// lost, and was killed after.
    fn report(&mut self) {
        let machine = self.machine;
        if !machine.subscribed || machine.sent == self.config.reports {
            return;
        }
        let unflushed = self.config.breaks(Broken::ReportedBeforeFlushed);
        let work = (machine.changed | machine.taken) & !machine.out_tracks();
        for tracks in (1..=work).filter(|tracks| tracks & !work == 0) {
            let number = machine.sent + 1;
            let deed = if unflushed { Deed::ReportUnflushed } else { Deed::Report };
            let label = Label { number: Some(number), tracks, ..self.agent(deed) };
            self.add(label, |machine| {
                machine.taken |= tracks;
                machine.changed &= !tracks;
                machine.sent = number;
                for track in 0..2 {
                    if tracks >> track & 1 == 1 {
                        machine.out[track] = number;
                    }
                }
                if !unflushed {
                    machine.dirty = 0;
                }
                let Machine { below, forgotten, .. } = *machine;
                let report = Report { tracks, below, forgotten };
                machine.reports[usize::from(machine.life)][usize::from(number) - 1] = report;
            });
        }
    }

    /// What was reported is work again, under new numbers.
    fn send_again(&mut self) {
        let above = self.config.breaks(Broken::BaseAboveUnacknowledged);
        let may = self.config.agents_die || self.config.reports_time_out;
        if may && self.machine.out != [0; 2] {
            self.add(self.agent(Deed::SendAgain), |machine| {
                machine.out = if above { [0, machine.out[1]] } else { [0; 2] };
                machine.below = machine.sent;
            });
        }
    }

    /// The next one knows what is in the area: which number was the last, and which question.
    fn agent_dies(&mut self) {
        let again = self.config.breaks(Broken::NumbersAgain);
        let forgets = self.config.breaks(Broken::AgentForgetsQuestion);
        if self.config.agents_die && self.machine.subscribed {
            self.add(self.agent(Deed::AgentDies), |machine| {
                if again {
                    machine.sent = 0;
                }
                if forgets {
                    machine.live = machine.old;
                }
                machine.out = [0; 2];
                machine.forgotten = 0;
                machine.below = machine.sent;
            });
        }
    }

    fn forget(&mut self) {
        if !self.machine.subscribed {
            return;
        }
        let all = self.config.breaks(Broken::AcknowledgementForgetsAll);
        let newer = self.config.breaks(Broken::AcknowledgementForgetsNewer);
        for number in numbers(self.machine.acknowledgements) {
            let label = Label { number: Some(number), ..self.agent(Deed::Forget) };
            self.add(label, |machine| {
                for track in 0..2 {
                    let tracks: Tracks = 1 << track;
                    let reports = &machine.reports[usize::from(machine.life)];
                    let reported = reports[..usize::from(number)]
                        .iter()
                        .any(|report| report.tracks & tracks != 0);
                    let out = machine.out[track];
                    if out != 0 && (out <= number || all) || newer && reported {
                        machine.taken &= !tracks;
                        machine.out[track] = 0;
                    }
                }
                machine.forgotten = machine.forgotten.max(number);
            });
        }
    }

    /// The question is obeyed (seal, unseal), what was written is flushed (before the subscription, too: that is in no
    /// report), then the slots, `changed` and `taken` are looked at, and the answer is sent.
    fn hear(&mut self) {
        if !self.machine.subscribed {
            return;
        }
        let no_seal = self.config.breaks(Broken::NoSeal);
        if self.machine.question != Question::None {
            let config = self.config;
            self.add(self.agent(Deed::Hear), |machine| {
                machine.heard = true;
                machine.live = 0;
                if !config.breaks(Broken::ReadyBeforeFlushed) {
                    machine.dirty = 0;
                }
                machine.sealed = machine.question == Question::Seal && !no_seal;
                answer(machine, config);
            });
        }
        let obeyed = self.config.breaks(Broken::OldQuestionObeyed);
        let old = if obeyed { self.machine.old } else { self.machine.live };
        for question in [Question::Unseal, Question::Seal] {
            let sealed = question == Question::Seal && !no_seal;
            if old & question.bit() != 0 && sealed != self.machine.sealed {
                self.add(self.agent(Deed::HearOld), |machine| machine.sealed = sealed);
            }
        }
    }

    /// When no program is left that may write, the operator promises that none will.
    fn leave(&mut self) {
        let open = self.machine.writer != Writer::Idle || self.machine.leaving;
        if self.config.farewell && self.machine.subscribed && !open {
            self.add(self.agent(Deed::Farewell), |machine| machine.leaving = true);
        }
    }

    fn die(&mut self) {
        let label = |deed| Label { who: Who::Machine(self.number), ..self.agent(deed) };
        let (again, gone) = (label(Deed::MachineDies), label(Deed::MachineGone));
        let same = self.config.breaks(Broken::SameIncarnation);
        let other_life = self.config.breaks(Broken::AcknowledgementOfAnotherLife);
        if self.config.machines_die && (!self.machine.subscribed || self.machine.life == 0) {
            let held = self.world.is_held() && !self.config.breaks(Broken::HoldDiesWithMachine);
            self.add(again, |machine| {
                void(machine);
                if machine.subscribed && !same {
                    machine.life = 1;
                    machine.reports[1] = NO_REPORTS;
                    if !other_life {
                        machine.acknowledgements = 0;
                    }
                }
                machine.subscribed = false;
                machine.covered = false;
                machine.fresh = held;
            });
            self.drop_subscription();
        }
        if self.config.retired {
            self.add(gone, |machine| {
                void(machine);
                machine.gone = true;
            });
        }
    }

    /// The programs go on. The volume is not open while they are sealed: who drops that, opens it.
    fn drop_subscription(&mut self) {
        let sealed = self.machine.sealed;
        if !self.machine.subscribed || sealed && !self.config.breaks(Broken::DroppedWhileSealed) {
            return;
        }
        let label = self.agent(Deed::Dropped);
        self.add(label, |machine| {
            let Machine { writer, range, own, .. } = *machine;
            void(machine);
            machine.life = 1;
            machine.reports[1] = NO_REPORTS;
            machine.acknowledgements = 0;
            machine.subscribed = false;
            (machine.writer, machine.range, machine.own) = (writer, range, own);
        });
    }
}

/// The programs are gone, and so is what was in the area and in the agent's memory: also which question was obeyed last.
fn void(machine: &mut Machine) {
    machine.writer = Writer::Idle;
    machine.range = 0;
    machine.own = 0;
    machine.sealed = false;
    machine.changed = 0;
    machine.taken = 0;
    machine.sent = 0;
    machine.forgotten = 0;
    machine.below = 0;
    machine.out = [0; 2];
    machine.heard = false;
    machine.live = machine.old;
}

fn answer(machine: &mut Machine, config: &Config) {
    let ready = machine.covered || config.breaks(Broken::UnreadyAnswers);
    if !ready {
        return;
    }
    let empty = machine.changed == 0 && machine.taken == 0 && machine.writer == Writer::Idle;
    let quiet = empty || config.breaks(Broken::NumberOnly);
    let answers = &mut machine.answers[usize::from(machine.life)];
    let early = config.breaks(Broken::FarewellBeforeQuiet);
    machine.farewell |= machine.leaving && (quiet || early);
    if quiet && machine.question == Question::Seal {
        answers.quiet |= 1 << machine.sent;
    } else {
        answers.ready |= 1 << machine.forgotten.max(machine.below);
    }
}

/// New content of a track: the target has it not, and it is nobody else's.
fn source_changes(world: &mut World, number: usize, tracks: Tracks) {
    world.target &= !tracks;
    for (other, machine) in world.machines.iter_mut().enumerate() {
        if other != number {
            machine.own &= !tracks;
        }
    }
}

/// The numbers in a set of numbers.
pub fn numbers(set: u8) -> impl Iterator<Item = u8> {
    (1..=8).filter(move |number| set >> (number - 1) & 1 == 1)
}
