//! A world of durable bytes in which everything can be interrupted: volumes and the two slots of a checkpoint.
//!
//! Every durable operation of the whole world (write and flush of a volume, write of a slot) has a number. At one of
//! them the process ends in a given way, or the operation fails once. After the end every port fails, so that nothing
//! more is changed; a new process then sees the bytes that survived.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use trackmirror::checkpoint::CheckpointStore;
use trackmirror::geometry::{Geometry, Track};
use trackmirror::volume::{Held, Lock, Volume};
use trackmirror::{Error, Reason, Result, Volser};

/// Pseudo-random numbers from a seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        (0..4).for_each(|_| _ = random.next());
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// What becomes of one write that was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Done,
    Dropped,
    /// A prefix is new, the rest is as it was.
    TornOld,
    /// A prefix is new, the rest is garbage.
    TornGarbage,
}

impl Fate {
    pub const ALL: [Fate; 4] = [Fate::Done, Fate::Dropped, Fate::TornOld, Fate::TornGarbage];

    pub fn is_torn(self) -> bool {
        matches!(self, Fate::TornOld | Fate::TornGarbage)
    }
}

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends; what it wrote before is there.
    Kill(Fate),
    /// The machine ends: so it may be for every write since its volume's last flush, each by itself.
    Power(Fate),
    /// The operation fails, once; the write was not done, was done, or is torn.
    Fail(Fate),
}

/// A fault and where: the number of the operation, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    pub operation: usize,
    pub fault: Fault,
    pub seed: u64,
}

impl At {
    /// In one of so many runs, the end of the process that resumes, at one of its first operations.
    pub fn again(random: &mut Random, one_of: usize, operation_count: usize) -> Option<At> {
        (random.below(one_of) == 0).then(|| At {
            operation: 1 + random.below(operation_count),
            fault: [Fault::Kill, Fault::Power][random.below(2)](Fate::ALL[random.below(4)]),
            seed: random.below(1 << 30) as u64,
        })
    }
}

/// The kind of an operation, for messages and for choosing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Write(Volser, Track),
    Flush(Volser),
    Slot(usize),
    /// A verb of the port `Enqueue`.
    Enqueue(&'static str),
}

/// What happens beside the process: it is called before each of its operations, and before each read.
pub type Meanwhile = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone)]
struct Disk {
    geometry: Geometry,
    /// Shared with the worlds from which this one came, until it is written.
    bytes: Arc<Vec<u8>>,
    /// Each write since the last flush: where, the bytes before, the bytes written.
    pending: Vec<(usize, Vec<u8>, Vec<u8>)>,
}

#[derive(Clone)]
struct State {
    disks: BTreeMap<Volser, Disk>,
    slots: [Option<Vec<u8>>; 2],
    done: Vec<Kind>,
    reads: usize,
    at: Vec<At>,
    failing_read: Option<usize>,
    is_dead: bool,
    /// Tracks whose last write may be torn.
    torn: Vec<(Volser, Track)>,
    has_meddled: bool,
    /// A track that cannot be read.
    unreadable: Option<(Volser, Track)>,
}

/// The world.
pub struct World(Mutex<State>, Mutex<Option<Meanwhile>>);

fn dead() -> Error {
    Error::io("the world", &std::io::Error::other("the process has ended"))
}

fn failed() -> Error {
    Error::io("the world", &std::io::Error::other("this operation fails once"))
}

impl World {
    pub fn new(volumes: &[Arc<dyn Volume>]) -> World {
        let disk = |volume: &Arc<dyn Volume>| {
            let geometry = volume.geometry();
            let mut bytes = vec![0; geometry.track_count() as usize * geometry.slot_size as usize];
            volume.read(Track(0), &mut bytes).unwrap();
            (volume.volser(), Disk { geometry, bytes: Arc::new(bytes), pending: Vec::new() })
        };
        let state = Mutex::new(State {
            disks: volumes.iter().map(disk).collect(),
            slots: [None, None],
            done: Vec::new(),
            reads: 0,
            at: Vec::new(),
            failing_read: None,
            is_dead: false,
            torn: Vec::new(),
            has_meddled: false,
            unreadable: None,
        });
        World(state, Mutex::default())
    }

    /// The bytes as they are now, for a new process, to which this will happen.
    pub fn after(&self, at: Option<At>) -> Arc<World> {
        self.after_all(at.into_iter().collect())
    }

    /// The same, to which all of this will happen.
    pub fn after_all(&self, at: Vec<At>) -> Arc<World> {
        let mut state = self.0.lock().clone();
        state.disks.values_mut().for_each(|disk| disk.pending.clear());
        state.done.clear();
        (state.reads, state.at, state.failing_read) = (0, at, None);
        state.is_dead = false;
        Arc::new(World(Mutex::new(state), Mutex::default()))
    }

    /// What has not happened yet, with the operations counted from now on.
    pub fn pending_faults(&self) -> Vec<At> {
        let state = self.0.lock();
        let later = |at: &At| {
            let operation = at.operation.checked_sub(state.done.len()).filter(|&n| n > 0)?;
            Some(At { operation, ..*at })
        };
        state.at.iter().filter_map(later).collect()
    }

    /// The same, where one read fails once.
    pub fn with_failing_read(&self, number: usize) -> Arc<World> {
        let world = self.after(None);
        world.0.lock().failing_read = Some(number);
        world
    }

    pub fn operations(&self) -> Vec<Kind> {
        self.0.lock().done.clone()
    }

    pub fn read_count(&self) -> usize {
        self.0.lock().reads
    }

    pub fn is_dead(&self) -> bool {
        self.0.lock().is_dead
    }

    /// Tracks of volumes that were torn, and not durably written since.
    pub fn torn(&self) -> Vec<(Volser, Track)> {
        self.0.lock().torn.clone()
    }

    /// Whether somebody meddled before; from now on he has.
    pub fn meddle(&self) -> bool {
        std::mem::replace(&mut self.0.lock().has_meddled, true)
    }

    /// The volumes as ports.
    pub fn volumes(self: &Arc<Self>) -> Vec<Arc<dyn Volume>> {
        self.ports(false)
    }

    /// The volumes as somebody else sees them: he is not interrupted, and what he writes is not counted.
    pub fn foreign_volume(self: &Arc<Self>, volser: Volser) -> Arc<dyn Volume> {
        self.foreign_volumes().into_iter().find(|volume| volume.volser() == volser).unwrap()
    }

    /// All of them.
    pub fn foreign_volumes(self: &Arc<Self>) -> Vec<Arc<dyn Volume>> {
        self.ports(true)
    }

    fn ports(self: &Arc<Self>, is_foreign: bool) -> Vec<Arc<dyn Volume>> {
        let state = self.0.lock();
        let port = |(volser, disk): (&Volser, &Disk)| {
            Arc::new(Port {
                world: self.clone(),
                volser: *volser,
                geometry: disk.geometry,
                is_foreign,
                locks: Default::default(),
            }) as Arc<dyn Volume>
        };
        state.disks.iter().map(port).collect()
    }

    /// This track cannot be read from now on.
    pub fn make_unreadable(&self, on: Volser, track: Track) {
        self.0.lock().unreadable = Some((on, track));
    }

    /// What happens meanwhile from now on.
    pub fn set_meanwhile(&self, meanwhile: Option<Meanwhile>) {
        *self.1.lock() = meanwhile;
    }

    /// A verb of `Enqueue`: done as a whole, or not at all.
    pub fn enqueue(&self, verb: &'static str, effect: impl FnOnce()) -> Result<()> {
        let fault = self.alive()?.count(Kind::Enqueue(verb));
        let is_done = match &fault {
            None => true,
            Some((Fault::Kill(fate) | Fault::Fail(fate) | Fault::Power(fate), _)) => {
                *fate == Fate::Done
            }
        };
        if is_done {
            effect();
        }
        match fault {
            None => Ok(()),
            Some((Fault::Fail(_), _)) => Err(failed()),
            Some((Fault::Kill(_), _)) => Err(dead()),
            Some((Fault::Power(_), mut random)) => {
                self.0.lock().lose_power(&mut random);
                Err(dead())
            }
        }
    }

    fn alive(&self) -> Result<MutexGuard<'_, State>> {
        let meanwhile = self.1.lock().clone().filter(|_| !self.is_dead());
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let state = self.0.lock();
        if state.is_dead { Err(dead()) } else { Ok(state) }
    }
}

impl State {
    /// Counts an operation; the fault that happens at it, with its random numbers.
    fn count(&mut self, kind: Kind) -> Option<(Fault, Random)> {
        self.done.push(kind);
        let at = *self.at.iter().find(|at| at.operation == self.done.len())?;
        self.is_dead = !matches!(at.fault, Fault::Fail(_));
        Some((at.fault, Random::new(at.seed)))
    }

    /// What was written to a volume is durable; what was torn there is whole, unless it was torn again.
    fn settle(&mut self, volser: Volser) {
        let disk = self.disks.get_mut(&volser).unwrap();
        let slot_size = disk.geometry.slot_size as usize;
        let written: Vec<std::ops::Range<usize>> = disk
            .pending
            .drain(..)
            .map(|(offset, _, written)| offset / slot_size..(offset + written.len()) / slot_size)
            .collect();
        self.torn.retain(|(torn_volser, track)| {
            *torn_volser != volser || !written.iter().any(|w| w.contains(&(track.0 as usize)))
        });
    }

    /// The machine ends: every pending write of every disk has its own fate.
    fn lose_power(&mut self, random: &mut Random) {
        for (volser, disk) in &mut self.disks {
            let pending = std::mem::take(&mut disk.pending);
            for (offset, before, _) in pending.iter().rev() {
                let bytes = Arc::make_mut(&mut disk.bytes);
                bytes[*offset..offset + before.len()].copy_from_slice(before);
            }
            for (offset, _, written) in pending {
                let fate = Fate::ALL[random.below(4)];
                let bytes = Arc::make_mut(&mut disk.bytes);
                let present = &mut bytes[offset..offset + written.len()];
                put(present, &written, fate, random);
                if fate.is_torn() {
                    let slot_size = disk.geometry.slot_size as usize;
                    let tracks = offset / slot_size..(offset + written.len()) / slot_size;
                    self.torn.extend(tracks.map(|track| (*volser, Track(track as u32))));
                }
            }
        }
    }
}

/// Lets a write come to its fate.
fn put(present: &mut [u8], written: &[u8], fate: Fate, random: &mut Random) {
    let cut = match fate {
        Fate::Done => written.len(),
        Fate::Dropped => return,
        Fate::TornOld | Fate::TornGarbage => {
            // Mostly inside of what differs, where it matters.
            let differs = |place: &usize| present[*place] != written[*place];
            let first = (0..written.len()).find(differs).unwrap_or(0);
            let last = (0..written.len()).rev().find(differs).unwrap_or(0);
            match random.below(8) {
                0 => random.below(written.len() + 1),
                1 => first,
                2 => last,
                _ => first + random.below(last - first + 1),
            }
        }
    };
    present[..cut].copy_from_slice(&written[..cut]);
    if fate == Fate::TornGarbage {
        present[cut..].iter_mut().for_each(|byte| *byte = random.below(256) as u8);
    }
}

struct Port {
    world: Arc<World>,
    volser: Volser,
    geometry: Geometry,
    is_foreign: bool,
    locks: [Mutex<()>; 2],
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.volser)
    }
}

impl Port {
    fn range(&self, first: Track, length: usize) -> Result<std::ops::Range<usize>> {
        let slot_size = self.geometry.slot_size as usize;
        let start = first.0 as usize * slot_size;
        if start + length > self.geometry.track_count() as usize * slot_size {
            return Err(Error::new(Reason::OutsideVolume, "outside").on_volume(self.volser));
        }
        Ok(start..start + length)
    }
}

impl Volume for Port {
    fn volser(&self) -> Volser {
        self.volser
    }
    fn geometry(&self) -> Geometry {
        self.geometry
    }
    fn location(&self) -> String {
        format!("the world's {}", self.volser)
    }
    fn is_writable(&self) -> bool {
        true
    }

    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        let range = self.range(first, buffer.len())?;
        if self.is_foreign {
            let state = self.world.0.lock();
            buffer.copy_from_slice(&state.disks[&self.volser].bytes[range]);
            return Ok(());
        }
        let mut state = self.world.alive()?;
        state.reads += 1;
        let slot_size = self.geometry.slot_size as usize;
        let tracks = first.0..first.0 + (buffer.len() / slot_size) as u32;
        let is_bad = |(on, track): (Volser, Track)| on == self.volser && tracks.contains(&track.0);
        if state.failing_read == Some(state.reads) || state.unreadable.is_some_and(is_bad) {
            return Err(failed());
        }
        buffer.copy_from_slice(&state.disks[&self.volser].bytes[range]);
        Ok(())
    }

    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let range = self.range(first, buffer.len())?;
        if self.is_foreign {
            let mut state = self.world.0.lock();
            let disk = state.disks.get_mut(&self.volser).unwrap();
            Arc::make_mut(&mut disk.bytes)[range].copy_from_slice(buffer);
            return Ok(());
        }
        let mut state = self.world.alive()?;
        let fault = state.count(Kind::Write(self.volser, first));
        let slot_size = self.geometry.slot_size as usize;
        let tracks = first.0..first.0 + (buffer.len() / slot_size) as u32;
        let (fate, mut random) = match &fault {
            None => (Fate::Done, Random::new(0)),
            Some((Fault::Kill(fate) | Fault::Fail(fate) | Fault::Power(fate), random)) => {
                (*fate, random.clone())
            }
        };
        // What was written before has its fate first, so that no write is torn twice.
        if let Some((Fault::Power(_), random)) = &fault {
            state.lose_power(&mut random.clone());
        }
        let disk = state.disks.get_mut(&self.volser).unwrap();
        let before = disk.bytes[range.clone()].to_vec();
        put(&mut Arc::make_mut(&mut disk.bytes)[range.clone()], buffer, fate, &mut random);
        let written = disk.bytes[range.clone()].to_vec();
        disk.pending.push((range.start, before, written));
        if fate.is_torn() {
            state.torn.extend(tracks.map(|track| (self.volser, Track(track))));
        }
        match fault {
            None => Ok(()),
            Some((Fault::Fail(_), _)) => Err(failed()),
            Some((Fault::Kill(_) | Fault::Power(_), _)) => Err(dead()),
        }
    }

    fn flush(&self) -> Result<()> {
        if self.is_foreign {
            return Ok(());
        }
        let mut state = self.world.alive()?;
        match state.count(Kind::Flush(self.volser)) {
            Some((Fault::Fail(fate), _)) if fate != Fate::Done => Err(failed()),
            Some((Fault::Power(fate), mut random)) if fate != Fate::Done => {
                state.lose_power(&mut random);
                Err(dead())
            }
            fault => {
                state.settle(self.volser);
                match fault {
                    None => Ok(()),
                    Some((Fault::Fail(_), _)) => Err(failed()),
                    Some((Fault::Power(_), mut random)) => {
                        state.lose_power(&mut random);
                        Err(dead())
                    }
                    Some((Fault::Kill(_), _)) => Err(dead()),
                }
            }
        }
    }

    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        let index = match lock {
            Lock::Vtoc => 0,
            Lock::Catalog => 1,
        };
        let held = self.locks[index].try_lock().expect("a lock is never taken twice");
        Ok(Box::new(held))
    }
}

/// The world's slots as a port.
pub struct Slots(pub Arc<World>);

impl CheckpointStore for Slots {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.0.alive()?.slots[slot].clone())
    }

    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let mut state = self.0.alive()?;
        let fault = state.count(Kind::Slot(slot));
        let (fate, mut random) = match &fault {
            None => (Fate::Done, Random::new(0)),
            Some((Fault::Kill(fate) | Fault::Fail(fate) | Fault::Power(fate), random)) => {
                (*fate, random.clone())
            }
        };
        if fate != Fate::Dropped {
            let mut present = state.slots[slot].clone().unwrap_or_default();
            let length = present.len();
            present.resize(bytes.len().max(length), 0);
            put(&mut present[..bytes.len()], bytes, fate, &mut random);
            state.slots[slot] = Some(present);
        }
        match fault {
            None => Ok(()),
            Some((Fault::Fail(_), _)) => Err(failed()),
            Some((Fault::Kill(_), _)) => Err(dead()),
            Some((Fault::Power(_), mut random)) => {
                state.lose_power(&mut random);
                Err(dead())
            }
        }
    }

    fn location(&self) -> String {
        "the world".into()
    }
}
