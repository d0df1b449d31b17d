//! One state of the world, packed into 128 bits so that millions of them can be kept and compared exactly.

/// What an image's monitor does next; the order is the order of `begin`, the write, and `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorStep {
    /// No write is under way.
    Idle,
    /// The slot is published; the seals are read next.
    Begun,
    /// Admitted: the application's cells are written one by one.
    Writing,
    /// The write is over; `end` fences next.
    Written,
    /// Fenced: `end` asks next whether the subscription is active.
    Fenced,
    /// The tracks of the range are noted in `changed` one by one.
    Noting,
    /// With plain stores only: the word was loaded, and is stored next.
    Storing,
    /// All is noted: the slot is freed, and the application learns that its write is done.
    Noted,
    /// The image is gone; its slot stays as it was, the kernel's lock does not.
    Dead,
}

impl MonitorStep {
    const ALL: [MonitorStep; 9] = [
        MonitorStep::Idle,
        MonitorStep::Begun,
        MonitorStep::Writing,
        MonitorStep::Written,
        MonitorStep::Fenced,
        MonitorStep::Noting,
        MonitorStep::Storing,
        MonitorStep::Noted,
        MonitorStep::Dead,
    ];
}

/// What one thread of the copier does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopierStep {
    /// It has no batch.
    Idle,
    /// The first half of taking a batch is done (`taken` set); the second (`changed` cleared) is next.
    Observed,
    /// Source cells are read into the buffer one by one.
    Reading,
    /// Only where the bits are cleared after the reading.
    Read,
    /// Buffered cells are written to the target one by one.
    Writing,
    /// All is written: the flush is next.
    Written,
    /// The flush was good: `taken` is cleared for the snapshot next.
    Flushed,
    /// Only where flushes are not serialized: the flush failed, and the others do not know it yet.
    Failed,
}

impl CopierStep {
    const ALL: [CopierStep; 8] = [
        CopierStep::Idle,
        CopierStep::Observed,
        CopierStep::Reading,
        CopierStep::Read,
        CopierStep::Writing,
        CopierStep::Written,
        CopierStep::Flushed,
        CopierStep::Failed,
    ];
}

/// What the owner's main thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerStep {
    /// No process owns the migration: before the first start, or after a death.
    Down,
    /// The subscription is active; `taken` is filled next.
    Subscribed,
    /// Copying and mirroring.
    Running,
    /// Closed was confirmed, the tracks are sealed; the final resynchronization.
    Window,
    /// The copying threads are joined; slots, `changed`, `taken` are looked at, one by one.
    Scanning,
    /// All was seen empty: the target is flushed once more.
    Quiet,
    /// The intent is written to the checkpoint next.
    Intending,
    /// The data set is recataloged next.
    Recataloging,
    /// Slots and `changed` are looked at once more, one by one.
    Looking,
    /// The look found nothing: *looked* is written to the checkpoint next.
    Confirming,
    /// The openers are released next.
    Releasing,
    /// The look found something, or the area is void: the catalog is set back next.
    BackingOut,
    /// The catalog is set back: that is written to the checkpoint next.
    BackedOut,
    /// Released.
    Done,
}

impl OwnerStep {
    const ALL: [OwnerStep; 14] = [
        OwnerStep::Down,
        OwnerStep::Subscribed,
        OwnerStep::Running,
        OwnerStep::Window,
        OwnerStep::Scanning,
        OwnerStep::Quiet,
        OwnerStep::Intending,
        OwnerStep::Recataloging,
        OwnerStep::Looking,
        OwnerStep::Confirming,
        OwnerStep::Releasing,
        OwnerStep::BackingOut,
        OwnerStep::BackedOut,
        OwnerStep::Done,
    ];
}

/// What the checkpoint says: it survives every death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Copying,
    Switching,
    Looked,
    Released,
}

impl Phase {
    const ALL: [Phase; 4] = [Phase::Copying, Phase::Switching, Phase::Looked, Phase::Released];
}

/// A set of tracks, one bit each.
pub type Tracks = u8;

/// A set of cells, one bit each. A cell is one part of one track: what becomes visible at once.
pub type Cells = u8;

/// An image with one thread that writes, its slot in the area, and the stores that its processor
/// has not made visible yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitor {
    pub step: MonitorStep,
    /// The tracks of the write under way.
    pub range: Tracks,
    /// Cells that the program has not written yet.
    pub to_write: Cells,
    /// Cells that the program has written and that no one else sees yet, lowest first.
    pub unseen_cells: Cells,
    /// Only where `begin` does not fence: the slot is published, and no one else sees it yet.
    pub unseen_slot: bool,
    /// The slot is freed, and no one else sees it yet. It comes after all cells.
    pub unseen_free: bool,
    /// Tracks that are still to be noted.
    pub to_note: Tracks,
    /// Only with plain stores: the word as it was loaded.
    pub loaded: Tracks,
    /// The slot as the others see it; no track: it is free.
    pub slot: Tracks,
    /// Cells whose present content is of this write, which is not acknowledged yet.
    pub own_cells: Cells,
}

impl Monitor {
    pub const IDLE: Monitor = Monitor {
        step: MonitorStep::Idle,
        range: 0,
        to_write: 0,
        unseen_cells: 0,
        unseen_slot: false,
        unseen_free: false,
        to_note: 0,
        loaded: 0,
        slot: 0,
        own_cells: 0,
    };

    /// Everything that the program stored is visible to all.
    pub fn drained(&self) -> bool {
        self.unseen_cells == 0 && !self.unseen_slot && !self.unseen_free
    }
}

/// One thread of the copier, with its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copier {
    pub step: CopierStep,
    /// The tracks that the batch may hold: no other thread takes one of these.
    pub range: Tracks,
    /// The bits that were seen in `changed`.
    pub observed: Tracks,
    /// The batch's own snapshot of `taken`: what is copied.
    pub snapshot: Tracks,
    /// Cells still to be read, or to be written.
    pub to_do: Cells,
    /// Cells whose bytes in the buffer are those that the source has now.
    pub buffer: Cells,
}

impl Copier {
    pub const IDLE: Copier =
        Copier { step: CopierStep::Idle, range: 0, observed: 0, snapshot: 0, to_do: 0, buffer: 0 };
}

/// All that the rules speak of, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    // The area: in memory that dies with the machine.
    pub changed: Tracks,
    pub taken: Tracks,
    /// The subscription is active: the monitors note in it.
    pub active: bool,
    /// ... and `taken` has been filled.
    pub filled: bool,
    pub sealed: bool,
    /// Only where the owner does not fence: the seal is stored, and no one else sees it yet.
    pub unseen_seal: bool,
    pub monitors: [Monitor; 2],
    // The migration.
    pub copiers: [Copier; 2],
    pub owner: OwnerStep,
    /// How far the scan or the look has come.
    pub position: u8,
    /// The monitor (from 1) whose slot was added to `changed` and is freed next.
    pub reaping: u8,
    /// The same of the owner of another migration.
    pub second_reaping: u8,
    /// The checkpoint.
    pub phase: Phase,
    /// The catalog names the target.
    pub cataloged: bool,
    // The tracks. Each set tells where the bytes are those that the source has now.
    /// Cells of the target, as a reader sees them.
    pub target: Cells,
    /// Cells of the target, as they will be after the machine died.
    pub durable: Cells,
    /// Cells of the target that were written and not flushed.
    pub unflushed: Cells,
    /// Cells whose present content in the source comes from an acknowledged write.
    pub acknowledged: Cells,
}

impl World {
    /// Before the migration: the images write, the target has nothing.
    pub fn start(cells: Cells) -> World {
        World {
            changed: 0,
            taken: 0,
            active: false,
            filled: false,
            sealed: false,
            unseen_seal: false,
            monitors: [Monitor::IDLE; 2],
            copiers: [Copier::IDLE; 2],
            owner: OwnerStep::Down,
            position: 0,
            reaping: 0,
            second_reaping: 0,
            phase: Phase::Copying,
            cataloged: false,
            target: 0,
            durable: 0,
            unflushed: 0,
            acknowledged: cells,
        }
    }

    /// Whether a program may open the data set, wherever the catalog says that it is.
    pub fn open_to_users(&self) -> bool {
        let window = matches!(
            self.owner,
            OwnerStep::Window | OwnerStep::Scanning | OwnerStep::Quiet | OwnerStep::Intending
        );
        match self.phase {
            Phase::Copying => !window,
            Phase::Switching | Phase::Looked => false,
            Phase::Released => true,
        }
    }

    /// The state as a number; equal states have equal numbers, and the number is the state.
    pub fn key(mut self) -> u128 {
        let mut packer = Packer::default();
        self.fields(&mut packer);
        packer.key()
    }

    pub fn of_key(key: u128) -> World {
        let mut world = World::start(0);
        world.fields(&mut Unpacker::of(key));
        world
    }

    /// Each field, with the bits that it needs.
    fn fields(&mut self, coder: &mut impl Coder) {
        for monitor in &mut self.monitors {
            coder.step(&mut monitor.step, |step| step as u8, &MonitorStep::ALL, 4);
            coder.number(&mut monitor.range, 2);
            coder.number(&mut monitor.to_write, 4);
            coder.number(&mut monitor.unseen_cells, 4);
            coder.flag(&mut monitor.unseen_slot);
            coder.flag(&mut monitor.unseen_free);
            coder.number(&mut monitor.to_note, 2);
            coder.number(&mut monitor.loaded, 2);
            coder.number(&mut monitor.slot, 2);
            coder.number(&mut monitor.own_cells, 4);
        }
        for copier in &mut self.copiers {
            coder.step(&mut copier.step, |step| step as u8, &CopierStep::ALL, 3);
            coder.number(&mut copier.range, 2);
            coder.number(&mut copier.observed, 2);
            coder.number(&mut copier.snapshot, 2);
            coder.number(&mut copier.to_do, 4);
            coder.number(&mut copier.buffer, 4);
        }
        coder.number(&mut self.changed, 2);
        coder.number(&mut self.taken, 2);
        for flag in [&mut self.active, &mut self.filled, &mut self.sealed, &mut self.unseen_seal] {
            coder.flag(flag);
        }
        coder.step(&mut self.owner, |step| step as u8, &OwnerStep::ALL, 4);
        coder.number(&mut self.position, 2);
        coder.number(&mut self.reaping, 2);
        coder.number(&mut self.second_reaping, 2);
        coder.step(&mut self.phase, |step| step as u8, &Phase::ALL, 2);
        coder.flag(&mut self.cataloged);
        coder.number(&mut self.target, 4);
        coder.number(&mut self.durable, 4);
        coder.number(&mut self.unflushed, 4);
        coder.number(&mut self.acknowledged, 4);
    }
}

/// Writes a state into a number, or reads it out of one.
pub trait Coder {
    fn number(&mut self, value: &mut u8, bits: u32);

    fn flag(&mut self, value: &mut bool) {
        let mut number = u8::from(*value);
        self.number(&mut number, 1);
        *value = number != 0;
    }

    /// A step, how to number it, and all steps in the order of their numbers.
    fn step<T: Copy>(&mut self, value: &mut T, number: fn(T) -> u8, all: &[T], bits: u32) {
        let mut number = number(*value);
        self.number(&mut number, bits);
        *value = all[usize::from(number)];
    }
}

#[derive(Default)]
pub struct Packer {
    key: u128,
    at: u32,
}

impl Packer {
    pub fn key(self) -> u128 {
        assert!(self.at <= u128::BITS);
        self.key
    }
}

impl Coder for Packer {
    fn number(&mut self, value: &mut u8, bits: u32) {
        debug_assert!(*value < 1 << bits);
        self.key |= u128::from(*value) << self.at;
        self.at += bits;
    }
}

pub struct Unpacker {
    key: u128,
}

impl Unpacker {
    pub fn of(key: u128) -> Unpacker {
        Unpacker { key }
    }
}

impl Coder for Unpacker {
    fn number(&mut self, value: &mut u8, bits: u32) {
        *value = (self.key & ((1 << bits) - 1)) as u8;
        self.key >>= bits;
    }
}
