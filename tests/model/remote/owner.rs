//! The owner: reports, questions, window, switch, look; its death, and that of its machine.
//!
//! It copies a track in one step, and its `changed` and `taken` are one set: that this may be said so is what the other
//! model shows. Its own images are there too.

use super::machine::numbers;
use super::rules::{Broken, Config, Deed, Label, Who};
use super::steps::Steps;
use super::world::{
    Machine, NO_ANSWERS, NO_REPORTS, OwnerStep, Question, Report, Tracks, World, Writer,
};

pub fn steps(world: &World, config: &Config, steps: &mut Steps) {
    let mut owner = Owner { world, config, steps };
    if world.owner != OwnerStep::Done {
        owner.hear();
        owner.go_on();
        owner.die();
    }
}

struct Owner<'a> {
    world: &'a World,
    config: &'a Config,
    steps: &'a mut Steps,
}

fn label(deed: Deed) -> Label {
    Label { who: Who::Owner, deed, with: None, number: None, tracks: 0 }
}

impl Owner<'_> {
    fn add(&mut self, label: Label, change: impl FnOnce(&mut World)) {
        let mut world = *self.world;
        change(&mut world);
        self.steps.add(label, world);
    }

    /// The machines of the plan.
    fn machines(&self) -> &[Machine] {
        &self.world.machines[..usize::from(self.config.machines)]
    }

    fn hear(&mut self) {
        for number in 0..self.config.machines {
            let machine = self.world.machines[usize::from(number)];
            if machine.retired {
                continue;
            }
            self.absorb(number, machine);
            for life in 0..2 {
                let answers = machine.answers[usize::from(life)];
                for counted in 0..=self.config.reports {
                    if answers.ready >> counted & 1 == 1 {
                        self.learn(number, life, counted, false);
                    }
                    if answers.quiet >> counted & 1 == 1 {
                        self.learn(number, life, counted, true);
                    }
                }
            }
            self.hear_farewell(number, machine);
            if self.config.breaks(Broken::Lease) && !machine.answered && !machine.gone {
                self.add(Label { with: Some(number), ..label(Deed::HeardLately) }, |world| {
                    world.machines[usize::from(number)].answered = true;
                });
            }
            if self.config.retired && machine.gone {
                self.retire(number);
            }
        }
    }

    /// Reports of the known incarnation.
    fn absorb(&mut self, number: u8, machine: Machine) {
        let another = self.config.breaks(Broken::ReportOfAnotherLife);
        for life in 0..2 {
            let known = life + 1 == machine.known || another && machine.known != 0;
            let reports = machine.reports[usize::from(life)];
            for (index, report) in reports.into_iter().enumerate() {
                if known && report.tracks != 0 {
                    self.absorb_one(number, index as u8 + 1, report);
                }
            }
        }
    }

    /// Whatever its number, its bits are set. Then what was applied without a gap is acknowledged; but nothing before this
    /// process had an answer: the report may be old, and its numbers with it.
    fn absorb_one(&mut self, number: u8, counted: u8, report: Report) {
        let (config, early) = (self.config, self.config.breaks(Broken::AcknowledgedBeforeApplied));
        let (deed, tracks) = (if early { Deed::AbsorbEarly } else { Deed::Absorb }, report.tracks);
        let label = Label { with: Some(number), number: Some(counted), tracks, ..label(deed) };
        self.add(label, |world| {
            *if early { &mut world.pending } else { &mut world.work } |= tracks;
            let machine = &mut world.machines[usize::from(number)];
            if machine.applied == 0 && !config.breaks(Broken::AnswerTellsNoForgotten) {
                return;
            }
            let all_changed = forgotten(machine, report.forgotten, config);
            machine.applied = machine.applied.max(report.below + 1);
            machine.received |= 1 << (counted - 1);
            while machine.received >> (machine.applied - 1) & 1 == 1 {
                machine.applied += 1;
            }
            if config.breaks(Broken::GapAcknowledged) {
                machine.applied = machine.applied.max(counted + 1);
            }
            let present = machine.life + 1 == machine.known;
            if (present || config.breaks(Broken::AcknowledgementOfAnotherLife))
                && machine.applied > 1
            {
                machine.acknowledgements |= 1 << (machine.applied - 2);
            }
            if all_changed {
                world.work = config.all_tracks();
            }
        });
    }

    /// An answer to the present question: ready, and perhaps quiet; with the number up to which all is acknowledged or
    /// comes again. If it is quiet, that is the last.
    fn learn(&mut self, number: u8, life: u8, counted: u8, quiet: bool) {
        let (config, machine) = (self.config, self.world.machines[usize::from(number)]);
        let known = life + 1;
        if known < machine.known {
            return;
        }
        let first = config.breaks(Broken::KnownBeforeAllChanged);
        let deed = match (known == machine.known, first) {
            (true, _) if quiet => Deed::Answered,
            (true, _) => Deed::Ready,
            (false, true) => Deed::LearnFirst,
            (false, false) => Deed::Learn,
        };
        let waits = matches!(self.world.owner, OwnerStep::Window | OwnerStep::Looking);
        let label = Label { with: Some(number), number: Some(counted), ..label(deed) };
        self.add(label, |world| {
            if machine.known != known {
                if first {
                    world.pending = config.all_tracks();
                } else if !config.breaks(Broken::KnownAndNothingChanged) {
                    world.work = config.all_tracks();
                }
            }
            let machine = &mut world.machines[usize::from(number)];
            if machine.known != known {
                machine.known = known;
                machine.stored = if first { known } else { machine.stored };
                machine.applied = 0;
                machine.received = 0;
                machine.answers[..usize::from(life)].fill(NO_ANSWERS);
            }
            if !quiet {
                if !config.breaks(Broken::AnswerTellsNoForgotten) {
                    machine.applied = machine.applied.max(counted + 1);
                }
                return;
            }
            // Who is quiet has nothing that is not acknowledged. So the comparison of the numbers, last <= applied, only
            // finds what was found already.
            let all_changed = match config.broken {
                Some(Broken::NumberOnly | Broken::AnswerTellsNoForgotten) => false,
                Some(Broken::NumberNotCompared) => false,
                _ => forgotten(machine, counted, config),
            };
            let applied = machine.applied.max(1) > counted;
            machine.answered |= waits && (applied || config.breaks(Broken::NumberNotCompared));
            if all_changed {
                world.work = config.all_tracks();
            }
        });
    }

    /// A farewell is an answer too, and says quiet.
    /// A farewell is an answer too, and says quiet.
    fn hear_farewell(&mut self, number: u8, machine: Machine) {
        let known = machine.known == machine.life + 1;
        if machine.farewell && known && !machine.away {
            self.add(Label { with: Some(number), ..label(Deed::Gone) }, |world| {
                world.machines[usize::from(number)].away = true;
            });
        }
    }

    /// The operator confirms that the machine can write nothing any more.
    fn retire(&mut self, number: u8) {
        if self.world.owner == OwnerStep::Looking {
            return;
        }
        let config = self.config;
        let first = config.breaks(Broken::RetiredBeforeAllChanged);
        let deed = if first { Deed::RetireFirst } else { Deed::Retire };
        self.add(Label { with: Some(number), ..label(deed) }, |world| {
            world.machines[usize::from(number)].retired = true;
            if first {
                world.pending = config.all_tracks();
            } else if !config.breaks(Broken::RetiredAndNothingChanged) {
                world.work = config.all_tracks();
            }
        });
    }

    fn go_on(&mut self) {
        let config = self.config;
        if self.world.pending != 0 {
            self.add(label(Deed::Apply), |world| {
                world.work |= world.pending;
                world.pending = 0;
            });
        }
        if self.machines().iter().any(|machine| machine.known != machine.stored) {
            self.add(label(Deed::Store), |world| {
                for machine in &mut world.machines {
                    machine.stored = machine.known;
                }
            });
        }
        match self.world.owner {
            // One question serves while it copies: it comes as often as the channel likes.
            OwnerStep::Running => {
                self.copy();
                self.close();
            }
            OwnerStep::Window => {
                self.copy();
                self.add(label(Deed::GiveUp), |world| {
                    world.owner = OwnerStep::Running;
                    ask(world, config, Question::Unseal);
                });
                self.look();
            }
            OwnerStep::Looking => {
                self.add(label(Deed::BackOut), |world| {
                    world.switching = false;
                    world.owner = OwnerStep::Running;
                    ask(world, config, Question::Unseal);
                });
                self.look();
            }
            OwnerStep::Done => (),
        }
    }

    /// A track that is in a cache somewhere is copied as it is on the medium.
    fn copy(&mut self) {
        for track in self.config.each_track() {
            if self.world.work & track == 0 {
                continue;
            }
            let current = self.machines().iter().all(|machine| machine.dirty & track == 0);
            self.add(Label { tracks: track, ..label(Deed::Copy) }, |world| {
                world.work &= !track;
                if current {
                    world.target |= track;
                }
            });
        }
    }

    /// Coverage comes first: every machine was ready once.
    fn close(&mut self) {
        let config = self.config;
        let closed = config.close_lies
            || self.machines().iter().all(|machine| machine.writer == Writer::Idle);
        let covered = |machine: &Machine| machine.retired || machine.known != 0;
        if closed && self.machines().iter().all(covered) {
            self.add(label(Deed::Close), |world| {
                world.owner = OwnerStep::Window;
                ask(world, config, Question::Seal);
            });
        }
    }

    /// All have answered; then the owner's own bits.
    fn look(&mut self) {
        let (config, looking) = (self.config, self.world.owner == OwnerStep::Looking);
        let first = config.breaks(Broken::OwnLookFirst);
        let unasked = looking && config.breaks(Broken::NoBarrierInLook);
        let asked = !unasked && !config.breaks(Broken::NoBarrier);
        let answered = |machine: &Machine| machine.answered || machine.away || machine.retired;
        let one = config.breaks(Broken::OneAnswerForAll) && self.machines().iter().any(answered);
        let all_answered = !asked || one || self.machines().iter().all(answered);
        let empty = self.world.work == 0 && self.world.pending == 0;
        if first && empty && !self.world.looked {
            self.add(label(Deed::LookFirst), |world| world.looked = true);
        }
        let looked = if first { self.world.looked } else { empty };
        if !all_answered || !looked {
            return;
        }
        if looking || !config.look {
            self.add(label(Deed::Looked), |world| {
                world.switching = false;
                world.looked = false;
                world.owner = OwnerStep::Done;
            });
        } else {
            self.add(label(Deed::Switch), |world| {
                world.switching = true;
                world.owner = OwnerStep::Looking;
                ask(world, config, Question::Seal);
            });
        }
    }

    /// A process that is started again at once is as good as one that is started later: what happens between may as well
    /// happen after, as all that was sent in the meantime may come late.
    fn die(&mut self) {
        let config = self.config;
        if config.owner_dies {
            self.add(label(Deed::OwnerDies), |world| restart(world, config));
        }
        if config.owner_machine_dies {
            let label = Label { who: Who::OwnerMachine, ..label(Deed::OwnerMachineDies) };
            self.add(label, |world| {
                world.switching = false;
                world.work = config.all_tracks();
                restart(world, config);
            });
        }
    }
}

/// What the process knew of the machines, and did not write, is gone, and its question with it. The new one knows the
/// checkpoint, and what is in its area: while it switches, it looks again.
fn restart(world: &mut World, config: &Config) {
    world.pending = 0;
    let (owner, question) = if world.switching {
        (OwnerStep::Looking, Question::Seal)
    } else {
        (OwnerStep::Running, Question::Unseal)
    };
    world.owner = owner;
    ask(world, config, question);
    for machine in &mut world.machines {
        machine.known = machine.stored;
        machine.applied = 0;
        machine.received = 0;
    }
}

/// A new question to all; no answer to an earlier one counts from now on.
fn ask(world: &mut World, config: &Config, question: Question) {
    world.looked = false;
    for machine in &mut world.machines[..usize::from(config.machines)] {
        ask_one(machine, config, question);
        machine.answered = false;
    }
}

fn ask_one(machine: &mut Machine, config: &Config, question: Question) {
    machine.old |= machine.question.bit();
    if !machine.heard {
        machine.live |= machine.question.bit();
    }
    machine.question = question;
    machine.heard = machine.heard && question == Question::None;
    if !config.breaks(Broken::OldAnswerCounts) {
        machine.answers = [NO_ANSWERS; 2];
    }
    machine.farewell = false;
}

/// What the sender has forgotten was acknowledged to it: by this process, or by one before it, whose bits are in the
/// area. Says whether all is changed.
fn forgotten(machine: &mut Machine, number: u8, config: &Config) -> bool {
    let nothing_applied = machine.applied == 0;
    let unknown = number + 1 > machine.applied;
    machine.applied = machine.applied.max(number + 1);
    unknown && !nothing_applied && !config.breaks(Broken::ForgottenTakenForApplied)
}

/// Drops from the state what can make no difference any more.
pub fn settle(world: &mut World, config: &Config) {
    if !world.is_held() {
        for machine in &mut world.machines {
            machine.fresh = false;
        }
    }
    if config.broken.is_none() {
        let owner = world.owner;
        for machine in &mut world.machines[..usize::from(config.machines)] {
            settle_machine(machine, config, owner);
        }
    }
}

fn settle_machine(machine: &mut Machine, config: &Config, owner: OwnerStep) {
    if !config.owner_dies && !config.owner_machine_dies {
        machine.stored = machine.known;
    }
    if machine.gone {
        let Machine { retired, life, reports, question, answers, .. } = *machine;
        let Machine { farewell, known, stored, applied, received, answered, away, .. } = *machine;
        let gone = Machine { gone: true, retired, ..Machine::START };
        *machine = if retired {
            gone
        } else {
            Machine {
                life,
                reports,
                question,
                answers,
                farewell,
                known,
                stored,
                applied,
                received,
                answered,
                away,
                ..gone
            }
        };
    }
    // An old question that asks for what is so; and one that only a new area would obey, where none is new.
    if machine.live == if machine.sealed { Question::Seal } else { Question::Unseal }.bit() {
        machine.live = 0;
    }
    if !config.machines_die {
        machine.old = 0;
    }
    if !config.agents_die {
        machine.acknowledgements &= !0 << machine.forgotten;
    }
    if machine.applied > 0 {
        machine.received &= !0 << (machine.applied - 1);
    }
    if machine.question == Question::None {
        machine.answers = [NO_ANSWERS; 2];
    }
    for life in 0..2 {
        let known = machine.known > life;
        let answers = &mut machine.answers[usize::from(life)];
        if known {
            // Of those the owner has applied as much.
            let applied = if machine.known > life + 1 { 4 } else { machine.applied };
            answers.ready &= !0 << applied;
        }
        if owner == OwnerStep::Running || machine.answered && known {
            answers.quiet = 0;
        }
    }
    if machine.stored == 2 && machine.known == 2 && machine.life == 1 {
        machine.life = 0;
        machine.known = 1;
        machine.stored = 1;
        machine.reports[0] = machine.reports[1];
        machine.reports[1] = NO_REPORTS;
        machine.answers[0] = machine.answers[1];
        machine.answers[1] = NO_ANSWERS;
    }
    if owner == OwnerStep::Done {
        let (Machine { gone, fresh, covered, writer, range, leaving, .. }, live) =
            (*machine, machine.live);
        let Machine { subscribed, sealed, question, heard, dirty, .. } = *machine;
        *machine = Machine {
            gone,
            fresh,
            covered,
            writer,
            range,
            leaving,
            live,
            subscribed,
            sealed,
            question,
            heard,
            dirty,
            ..Machine::START
        };
    }
}

/// A set of numbers has none above what was sent: a state that breaks this is a mistake of the model.
pub fn is_sound(world: &World, tracks: Tracks) -> bool {
    let machine = |machine: &Machine| {
        numbers(machine.acknowledgements).all(|number| number <= machine.sent)
            && machine.out.iter().all(|&number| number <= machine.sent)
            && machine.out_tracks() & !machine.taken == 0
    };
    world.machines.iter().all(machine) && world.target & !tracks == 0
}
