//! What a run of the model may do: its size, what may go wrong in it, and which rule is broken.

use crate::world::{Cells, Tracks};
use std::fmt;

/// One rule of the changed tracks, broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The whole range of the batch is cleared in `changed`, not the bits that were observed.
    ClearWholeBatch,
    /// `changed` is cleared before `taken` is set.
    ClearBeforeSet,
    /// The batch is read before its bits are cleared in `changed`.
    ClearAfterReading,
    /// `begin` asks whether the subscription is active, and `end` goes by its answer.
    SubscriptionAskedAtBegin,
    /// `end` loads the word of `changed`, and stores it with its bit added.
    PlainStores,
    /// Two threads may hold the same track.
    SameTrackInTwoBatches,
    /// `end` frees the slot before it sets `changed`.
    SlotFreedBeforeChanged,
    /// The slot of a dead image is freed, and that is all.
    ReapedSlotsDropped,
    /// An image that comes back under its name begins with free slots.
    RestartDropsSlots,
    /// Who reaps a dead image does not hold the lock of its name meanwhile.
    ReapWithoutLock,
    /// The scan of the window goes `taken`, `changed`, slots.
    WindowAgainstTheFlow,
    /// Nothing is sealed.
    NoSeal,
    /// `begin` publishes its slot by a plain store and reads the seals without a fence between.
    BeginWithoutFence,
    /// The owner stores the seals and looks at the slots without a fence between.
    SealWithoutFence,
    /// `end` tests `changed`, and skips the atomic or, without the fence before.
    TestAndSkipWithoutFence,
    /// `taken` is cleared when the batch is written, and the flush comes after.
    TakenClearedBeforeFlush,
    /// A failed flush returns to the work only the batch of the thread that asked for it.
    FlushErrorToldToOneThread,
    /// A failed flush is told to all, but other flushes may succeed before it is.
    FlushErrorToldLate,
    /// A stopped process is taken for a dead one.
    StoppedWriterTakenForDead,
    /// An owner that resumes goes on copying where the subscription is active but `taken` not filled.
    ActiveTakenForFilled,
}

/// The size of a run, and what may happen in it.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub name: &'static str,
    pub tracks: u8,
    /// Parts of a track: what a write makes visible, and a read sees, at once.
    pub parts: u8,
    pub monitors: u8,
    pub copiers: u8,
    /// Another migration has a subscription of the same area: its owner reaps dead images too.
    pub second_owner: bool,
    /// Writes and batches may span two tracks.
    pub ranges: bool,
    /// A write may cover only one part of its track.
    pub partial_writes: bool,
    pub images_die: bool,
    pub owner_dies: bool,
    pub machine_dies: bool,
    pub flushes_fail: bool,
    /// Any batch may be given up before its flush: an I/O error, or a torn read.
    pub batches_fail: bool,
    /// "Closed" may be confirmed although programs go on writing.
    pub close_lies: bool,
    /// The images are hosts that tell only completions: no slots, no seals.
    pub completions: bool,
    /// The look between the switch and the release.
    pub look: bool,
    /// The flush of every target before the intent.
    pub last_flush: bool,
    /// Keep account of which content is acknowledged. Without it the run is judged by the stronger
    /// claim that the target equals the source.
    pub acknowledgements: bool,
    pub broken: Option<Broken>,
}

impl Config {
    /// The smallest run, in which nothing goes wrong; the others are made from it.
    pub const SMALL: Config = Config {
        name: "one track, one monitor, one copier",
        tracks: 1,
        parts: 1,
        monitors: 1,
        copiers: 1,
        second_owner: false,
        ranges: false,
        partial_writes: false,
        images_die: false,
        owner_dies: false,
        machine_dies: false,
        flushes_fail: false,
        batches_fail: false,
        close_lies: true,
        completions: false,
        look: true,
        last_flush: true,
        acknowledgements: false,
        broken: None,
    };

    pub fn breaks(&self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }

    pub fn all_cells(&self) -> Cells {
        (1 << (self.tracks * self.parts)) - 1
    }

    pub fn cells_of(&self, tracks: Tracks) -> Cells {
        let part_cells: Cells = (1 << self.parts) - 1;
        let cells = |track: u8| {
            if tracks >> track & 1 == 1 { part_cells << (track * self.parts) } else { 0 }
        };
        cells(0) | cells(1)
    }

    /// The runs of tracks that a write or a batch may be for.
    pub fn ranges(&self) -> &'static [Tracks] {
        match (self.tracks, self.ranges) {
            (1, _) => &[0b01],
            (_, false) => &[0b01, 0b10],
            (_, true) => &[0b01, 0b10, 0b11],
        }
    }

    /// The cells that a write to these tracks may be for.
    pub fn writes(&self, range: Tracks) -> Vec<Cells> {
        let all = self.cells_of(range);
        let one_part = self.partial_writes && range.count_ones() == 1;
        if !one_part { vec![all] } else { (1..=all).filter(|part| part & !all == 0).collect() }
    }
}

/// Who takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Image(u8),
    Copier(u8),
    Owner,
    SecondOwner,
    Machine,
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
    Begin => "begins a write: publishes its slot",
    BeginUnseen => "begins a write that is told only when it is done",
    Refused => "sees the seal: its write is refused",
    Admitted => "sees no seal: may write",
    Write => "writes the next part",
    SlotSeen => "has its slot seen by the others only now",
    WriteSeen => "has a written part seen by the others only now",
    FreeSeen => "has its free slot seen by the others only now",
    Fence => "ends its write: fences",
    NoFence => "ends its write, without a fence",
    NoSubscription => "sees no subscription",
    Subscription => "sees the subscription",
    Note => "sets the track in changed",
    Skip => "sees the track in changed already, and skips it",
    Load => "loads the word of changed",
    Store => "stores the word of changed with its bit",
    FreeEarly => "frees its slot",
    Acknowledge => "frees its slot; the write is acknowledged",
    ImageDies => "dies",
    ImageRestarts => "is restarted under its name",
    Take => "takes a batch: sets in taken what is set in changed",
    Clear => "clears the same in changed",
    ClearWhole => "clears all of the batch in changed",
    TakeClear => "clears the batch in changed",
    TakeSet => "sets in taken what was set in changed",
    Read => "reads the next part",
    Copy => "writes the next part to the target",
    Flush => "flushes the target",
    FlushFails => "is told that its flush failed",
    TellOthers => "tells the others that the flush failed",
    GiveBatchUp => "gives its batch up after an error",
    Retire => "clears its batch in taken",
    Subscribe => "starts: activates the subscription",
    Fill => "fills taken with all tracks of the plan",
    Resume => "resumes where the checkpoint says",
    Reap => "finds an image dead: sets the track of its slot in changed",
    ReapFree => "frees the slot of the image that it found dead",
    Close => "is told that all is closed: seals the tracks",
    SealSeen => "has the seal become visible to the others",
    GiveUp => "gives the window up: unseals",
    Join => "joins the copying threads, and begins to scan",
    SlotFree => "sees the slot free",
    ChangedEmpty => "sees changed empty",
    TakenEmpty => "sees taken empty",
    NotQuiet => "sees work left",
    LastFlush => "flushes the target before the intent",
    LastFlushFails => "is told that the flush before the intent failed",
    Intent => "writes the intent",
    Recatalog => "recatalogs: the catalog names the target",
    LookFinds => "finds something in the look",
    BackOut => "sets the catalog back to the source",
    BackedOut => "writes that it backed out, and unseals",
    Looked => "writes looked: the point of no return",
    Release => "releases the openers",
    OwnerDies => "dies",
    MachineDies => "dies; its shared memory is void, target writes without a flush may be lost",
}

/// One step: who did what to which tracks.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    pub who: Who,
    pub deed: Deed,
    pub tracks: Tracks,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Who::Image(number) => write!(f, "image {}", number + 1)?,
            Who::Copier(number) => write!(f, "copier {}", number + 1)?,
            Who::Owner => f.write_str("the owner")?,
            Who::SecondOwner => f.write_str("the owner of another migration")?,
            Who::Machine => f.write_str("the machine")?,
        }
        write!(f, " {}", self.deed.words())?;
        match self.tracks {
            0 => Ok(()),
            0b01 => f.write_str(" (track 0)"),
            0b10 => f.write_str(" (track 1)"),
            _ => f.write_str(" (tracks 0 and 1)"),
        }
    }
}
