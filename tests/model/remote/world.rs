//! The state of the remote model, packed into 256 bits.
//!
//! The channel is what it says on each side of it: *a message that was sent may come at any time, any number of times,
//! or never*. So it is the set of all that was sent, and there are no steps that lose, double or reorder. A message
//! that can do nothing any more is dropped from the set, which makes no difference but to the number of states:
//! answers to an earlier question, what is of an incarnation that the owner has done with, acknowledgements that
//! acknowledge nothing new.

use crate::world::{Coder, Packer, Unpacker};

/// A set of tracks, one bit each.
pub type Tracks = u8;

/// The most reports that an incarnation can have here.
pub const REPORTS: usize = 3;

/// What a program on another machine does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    Idle,
    /// Its slot is published, no track is sealed: it writes next.
    Admitted,
    /// It has written, and ends its write next.
    Written,
}

impl Writer {
    const ALL: [Writer; 3] = [Writer::Idle, Writer::Admitted, Writer::Written];
}

/// What a question asks; and whether there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    None,
    /// Unseal all; are you ready?
    Unseal,
    /// Seal the plan's tracks; are you quiet?
    Seal,
}

impl Question {
    const ALL: [Question; 3] = [Question::None, Question::Unseal, Question::Seal];

    /// The question in a set of questions; no order is kept among those that were overtaken.
    pub fn bit(self) -> u8 {
        match self {
            Question::None => 0,
            Question::Unseal => 1,
            Question::Seal => 2,
        }
    }
}

/// A report, as it was sent under its number; of no track: it was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub tracks: Tracks,
    /// The number before the base: what was reported up to it is acknowledged, or comes again.
    pub below: u8,
    pub forgotten: u8,
}

/// The answers to the present question that were sent under one incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Those that say ready, and no more: one bit for each number up to which all is acknowledged, or comes again.
    pub ready: u8,
    /// Those that say quiet, one bit for each last number.
    pub quiet: u8,
}

/// Another machine with its area, its program and its agent; the channel; and what the owner knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    // The machine.
    /// Which of the two incarnations that may be about at one time is the present one.
    pub life: u8,
    /// It is lost for ever, and writes nothing any more.
    pub gone: bool,
    /// It was started again while the data set was held: no program has it open.
    pub fresh: bool,
    /// All that write there are attached.
    pub covered: bool,
    /// It promised that nothing there writes the volume any more.
    pub leaving: bool,
    pub writer: Writer,
    pub range: Tracks,
    /// Tracks whose present content is of the write under way.
    pub own: Tracks,
    /// Tracks whose newest content is in the cache only.
    pub dirty: Tracks,
    // Its area.
    pub subscribed: bool,
    pub sealed: bool,
    pub changed: Tracks,
    pub taken: Tracks,
    /// The last number.
    pub sent: u8,
    pub forgotten: u8,
    pub below: u8,
    // Its agent's memory: under which number each track is reported; 0: it is not.
    pub out: [u8; 2],
    // The channel.
    pub reports: [[Report; REPORTS]; 2],
    pub acknowledgements: u8,
    pub question: Question,
    /// The agent has obeyed the present question: it obeys no earlier one.
    pub heard: bool,
    /// Questions that were overtaken, and that the agent would obey still.
    pub live: u8,
    /// All questions that were overtaken.
    pub old: u8,
    pub answers: [Answers; 2],
    /// A farewell that answers the present question.
    pub farewell: bool,
    // What the owner knows, and what of it is in the checkpoint: incarnation plus one; 0: none.
    pub known: u8,
    pub stored: u8,
    /// Number plus one; 0: nothing was applied in this process.
    pub applied: u8,
    /// Numbers behind a gap.
    pub received: u8,
    /// Quiet, in answer to the present question.
    pub answered: bool,
    /// It said farewell; in the checkpoint.
    pub away: bool,
    pub retired: bool,
}

impl Machine {
    pub const START: Machine = Machine {
        life: 0,
        gone: false,
        fresh: false,
        covered: false,
        writer: Writer::Idle,
        range: 0,
        own: 0,
        dirty: 0,
        subscribed: false,
        sealed: false,
        changed: 0,
        taken: 0,
        sent: 0,
        forgotten: 0,
        below: 0,
        leaving: false,
        out: [0; 2],
        reports: [NO_REPORTS; 2],
        acknowledgements: 0,
        question: Question::None,
        heard: false,
        live: 0,
        old: 0,
        answers: [NO_ANSWERS; 2],
        farewell: false,
        known: 0,
        stored: 0,
        applied: 0,
        received: 0,
        answered: false,
        away: false,
        retired: false,
    };

    /// Tracks that are in a report that was not acknowledged, as the agent remembers.
    pub fn out_tracks(&self) -> Tracks {
        u8::from(self.out[0] != 0) | u8::from(self.out[1] != 0) << 1
    }

    /// The machine as a number.
    pub fn key(mut self) -> u128 {
        if self == Machine::START {
            return 0;
        }
        let mut packer = Packer::default();
        self.fields(&mut packer);
        packer.key()
    }

    fn fields(&mut self, coder: &mut impl Coder) {
        for flag in [
            &mut self.gone,
            &mut self.fresh,
            &mut self.covered,
            &mut self.subscribed,
            &mut self.sealed,
            &mut self.heard,
            &mut self.farewell,
            &mut self.leaving,
            &mut self.answered,
            &mut self.away,
            &mut self.retired,
        ] {
            coder.flag(flag);
        }
        coder.step(&mut self.writer, |step| step as u8, &Writer::ALL, 2);
        coder.step(&mut self.question, |step| step as u8, &Question::ALL, 2);
        coder.number(&mut self.life, 1);
        for tracks in [
            &mut self.range,
            &mut self.own,
            &mut self.dirty,
            &mut self.changed,
            &mut self.taken,
            &mut self.sent,
            &mut self.forgotten,
            &mut self.below,
            &mut self.live,
            &mut self.old,
            &mut self.known,
            &mut self.stored,
        ] {
            coder.number(tracks, 2);
        }
        coder.number(&mut self.acknowledgements, 3);
        coder.number(&mut self.applied, 3);
        coder.number(&mut self.received, 3);
        for number in &mut self.out {
            coder.number(number, 2);
        }
        for report in self.reports.iter_mut().flatten() {
            coder.number(&mut report.tracks, 2);
            coder.number(&mut report.below, 2);
            coder.number(&mut report.forgotten, 2);
        }
        for answers in &mut self.answers {
            coder.number(&mut answers.ready, 4);
            coder.number(&mut answers.quiet, 4);
        }
    }
}

pub const NO_REPORTS: [Report; REPORTS] = [Report { tracks: 0, below: 0, forgotten: 0 }; REPORTS];
pub const NO_ANSWERS: Answers = Answers { ready: 0, quiet: 0 };

/// What the owner does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerStep {
    /// Copying and mirroring.
    Running,
    /// Closed was confirmed, the question was sent: the last copying, the answers, its own look.
    Window,
    /// The catalog names the target, the question was sent again: the answers, its own look.
    Looking,
    /// *Looked* is durable, the openers are released.
    Done,
}

impl OwnerStep {
    const ALL: [OwnerStep; 4] =
        [OwnerStep::Running, OwnerStep::Window, OwnerStep::Looking, OwnerStep::Done];
}

/// All that the rules speak of, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    pub machines: [Machine; 2],
    pub owner: OwnerStep,
    /// The intent is in the checkpoint, and *looked* is not.
    pub switching: bool,
    /// The owner's `changed` and `taken` in one: it copies in one step here.
    pub work: Tracks,
    /// Only with broken rules: what is still to be set in `work`, in the memory of the process.
    pub pending: Tracks,
    /// Only where the owner looks first: it has.
    pub looked: bool,
    /// Tracks whose newest content is in the target.
    pub target: Tracks,
    /// Tracks whose newest content comes from an acknowledged write.
    pub acknowledged: Tracks,
}

/// A state as a number: the first machine and the owner, and the second machine.
pub type Key = [u128; 2];

impl World {
    pub fn start(tracks: Tracks) -> World {
        World {
            machines: [Machine::START; 2],
            owner: OwnerStep::Running,
            switching: false,
            work: tracks,
            pending: 0,
            looked: false,
            target: 0,
            acknowledged: tracks,
        }
    }

    /// Whether new openers are held. From the intent on that survives the owner and its machine.
    pub fn is_held(&self) -> bool {
        self.switching || matches!(self.owner, OwnerStep::Window | OwnerStep::Done)
    }

    /// The state as a number; equal states have equal numbers, and the number is the state.
    pub fn key(mut self) -> Key {
        let mut first = Packer::default();
        self.machines[0].fields(&mut first);
        self.fields(&mut first);
        [first.key(), self.machines[1].key()]
    }

    pub fn of_key(key: Key) -> World {
        let mut world = World::start(0);
        let mut first = Unpacker::of(key[0]);
        world.machines[0].fields(&mut first);
        world.fields(&mut first);
        if key[1] != 0 {
            world.machines[1].fields(&mut Unpacker::of(key[1]));
        }
        world
    }

    fn fields(&mut self, coder: &mut impl Coder) {
        coder.step(&mut self.owner, |step| step as u8, &OwnerStep::ALL, 2);
        for flag in [&mut self.switching, &mut self.looked] {
            coder.flag(flag);
        }
        for tracks in [&mut self.work, &mut self.pending, &mut self.target, &mut self.acknowledged]
        {
            coder.number(tracks, 2);
        }
    }
}
