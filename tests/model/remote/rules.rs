//! What a run of the remote model may do: its size, what may go wrong in it, and which rule is broken.

use super::world::Tracks;
use std::fmt;

/// One rule of the images on other machines, broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The owner asks nobody: its own look is all.
    NoBarrier,
    /// One machine's answer is enough for all.
    OneAnswerForAll,
    /// Who was heard of lately needs no answer.
    Lease,
    /// The answer tells the last number, and not whether anything is in flight or unreported.
    NumberOnly,
    /// An answer to an earlier question counts.
    OldAnswerCounts,
    /// A machine that is not ready (not all that write there are covered) answers as if it were.
    UnreadyAnswers,
    /// The question seals nothing.
    NoSeal,
    /// A question that was overtaken by a later one is obeyed: its "unseal" opens what the later one sealed.
    OldQuestionObeyed,
    /// An agent that is started again does not know which question it obeyed last.
    AgentForgetsQuestion,
    /// The owner looks at its own bits, and waits for the answers after it.
    OwnLookFirst,
    /// A report is acknowledged when it has come, and applied after.
    AcknowledgedBeforeApplied,
    /// A report is acknowledged although one before it has not come.
    GapAcknowledged,
    /// A machine that was started again goes on under its old incarnation.
    SameIncarnation,
    /// The new incarnation is known, and in the checkpoint, before all is changed.
    KnownBeforeAllChanged,
    /// The new incarnation is known, and nothing is changed.
    KnownAndNothingChanged,
    /// Reports are taken whatever their incarnation is.
    ReportOfAnotherLife,
    /// Acknowledgements are taken whatever their incarnation is.
    AcknowledgementOfAnotherLife,
    /// One report is sent again after its time, and the base is raised above another that is out still.
    BaseAboveUnacknowledged,
    /// An agent that is started again counts from one.
    NumbersAgain,
    /// An acknowledgement forgets all that was reported, whatever its number.
    AcknowledgementForgetsAll,
    /// An acknowledgement forgets the tracks that its report had, though they were reported again since.
    AcknowledgementForgetsNewer,
    /// A report is sent before the writers' cache is flushed.
    ReportedBeforeFlushed,
    /// A machine says that it is ready before the writers' cache is flushed.
    ReadyBeforeFlushed,
    /// Retiring an image changes nothing.
    RetiredAndNothingChanged,
    /// That the image is retired is in the checkpoint before all is changed.
    RetiredBeforeAllChanged,
    /// No question between the switch and *looked*.
    NoBarrierInLook,
    /// The number in the answer is not compared with what was applied.
    NumberNotCompared,
    /// A new process of the owner takes nothing for applied until it gets a report.
    AnswerTellsNoForgotten,
    /// What another life of the owner acknowledged is taken for applied, and nothing is changed for it.
    ForgottenTakenForApplied,
    /// A subscription may be dropped, and begin anew, while it seals.
    DroppedWhileSealed,
    /// On a machine that was started again in the window, programs may open the data set.
    HoldDiesWithMachine,
    /// A machine says farewell before all is acknowledged.
    FarewellBeforeQuiet,
    /// On a machine that said farewell programs write.
    WritesAfterFarewell,
}

/// The size of a run, and what may happen in it.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub name: &'static str,
    pub machines: u8,
    pub tracks: u8,
    /// How many reports a machine may send under one incarnation.
    pub reports: u8,
    /// How many of the machines, from the first on, may have anything happen to them but writes and the channel.
    pub faulty: u8,
    /// When the run begins, the machines are covered and have subscribed, and their incarnations are known.
    pub begun: bool,
    /// A report may time out.
    pub reports_time_out: bool,
    /// The agent may be killed and started again, and a report may time out.
    pub agents_die: bool,
    pub machines_die: bool,
    pub owner_dies: bool,
    pub owner_machine_dies: bool,
    /// A machine may be lost for ever, and be retired.
    pub retired: bool,
    /// A machine may say farewell, for good.
    pub farewell: bool,
    /// What a machine writes stands in its cache until it flushes.
    pub cached: bool,
    /// "Closed" may be confirmed although programs go on writing.
    pub close_lies: bool,
    /// The look between the switch and the release.
    pub look: bool,
    pub broken: Option<Broken>,
}

impl Config {
    /// The smallest run, in which nothing but the channel goes wrong.
    pub const SMALL: Config = Config {
        name: "one machine, one track",
        machines: 1,
        tracks: 1,
        reports: 2,
        faulty: 2,
        begun: false,
        reports_time_out: false,
        agents_die: false,
        machines_die: false,
        owner_dies: false,
        owner_machine_dies: false,
        retired: false,
        farewell: false,
        cached: false,
        close_lies: true,
        look: true,
        broken: None,
    };

    pub fn breaks(&self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }

    pub fn all_tracks(&self) -> Tracks {
        (1 << self.tracks) - 1
    }

    /// Each track alone.
    pub fn each_track(&self) -> impl Iterator<Item = Tracks> {
        (0..self.tracks).map(|track| 1 << track)
    }
}

/// Who takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A program on another machine.
    Program(u8),
    /// The agent on another machine.
    Agent(u8),
    /// Another machine.
    Machine(u8),
    Owner,
    OwnerMachine,
}

macro_rules! deeds {
    ($($deed:ident => $words:literal,)*) => {
        /// What is done in one step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Deed { $($deed,)* }

        impl Deed {
            pub const ALL: &[Deed] = &[$(Deed::$deed,)*];

            fn words(self) -> &'static str {
                match self { $(Deed::$deed => $words,)* }
            }
        }
    };
}

deeds! {
    WriteBlind => "writes, and no monitor sees it",
    Admit => "begins a write: its slot is published, nothing is sealed",
    Write => "writes",
    Acknowledge => "ends its write: set in changed, the slot freed, the write acknowledged",
    Cover => "is covered: all that write there are attached",
    Subscribe => "subscribes: a new incarnation begins",
    Report => "takes changed into taken, flushes, and sends a report",
    ReportUnflushed => "takes changed into taken, and sends a report before the flush",
    Flush => "flushes what it wrote",
    SendAgain => "waited too long: it will send all unacknowledged again",
    AgentDies => "is killed and started again",
    Forget => "gets an acknowledgement",
    Hear => "gets the question",
    HearOld => "gets a question that was overtaken",
    MachineDies => "dies and starts again: its area is void",
    Dropped => "drops its subscription: what was in it is void",
    MachineGone => "is lost for ever",
    Close => "is told that all is closed, and asks: seal, who is quiet?",
    GiveUp => "gives the window up, and has unsealed",
    Absorb => "gets a report, sets its tracks in changed, and acknowledges",
    AbsorbEarly => "gets a report, and acknowledges it",
    Apply => "sets in changed what it is to set",
    Learn => "gets an answer of a new incarnation: all is changed",
    LearnFirst => "gets an answer of a new incarnation, and has it in the checkpoint",
    Ready => "gets an answer: ready",
    Answered => "gets an answer: quiet",
    HeardLately => "has heard of the machine lately",
    Store => "writes the checkpoint: the incarnations are in it",
    Copy => "copies",
    LookFirst => "looks at its own bits, and finds nothing",
    Switch => "finds nothing in its own look: writes the intent, recatalogs, and asks again",
    Looked => "finds nothing in its own look again: looked, and releases",
    BackOut => "backs out, and has unsealed",
    Retire => "retires the image: all is changed, and it is in the checkpoint",
    RetireFirst => "has in the checkpoint that the image is retired",
    Farewell => "is told to take leave: nothing on this machine will write the volume",
    Gone => "gets the farewell: it needs no answers any more",
    OwnerDies => "dies, and is started again",
    OwnerMachineDies => "dies and starts again: the owner's area is void, and all is changed",
}

/// One step: who did what, to which machine, with which number, to which tracks.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    pub who: Who,
    pub deed: Deed,
    /// The machine with which the owner deals, if there is one.
    pub with: Option<u8>,
    pub number: Option<u8>,
    pub tracks: Tracks,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Who::Program(number) => write!(f, "a program on machine {}", number + 1)?,
            Who::Agent(number) => write!(f, "the agent of machine {}", number + 1)?,
            Who::Machine(number) => write!(f, "machine {}", number + 1)?,
            Who::Owner => f.write_str("the owner")?,
            Who::OwnerMachine => f.write_str("the owner's machine")?,
        }
        write!(f, " {}", self.deed.words())?;
        if let Some(machine) = self.with {
            write!(f, " (machine {})", machine + 1)?;
        }
        if let Some(number) = self.number {
            write!(f, " (number {number})")?;
        }
        match self.tracks {
            0 => Ok(()),
            0b01 => f.write_str(" (track 0)"),
            0b10 => f.write_str(" (track 1)"),
            _ => f.write_str(" (tracks 0 and 1)"),
        }
    }
}
