//! Volumes and checkpoint slots that remember what is durable.
//!
//! A volume has two halves: what its readers see, and what the medium holds. A write goes to the first half; a flush
//! brings every write since the last one to the second. A flush that reports failure has brought some of them there, and
//! forgets the others: readers go on seeing what the medium will never hold, as in real systems. When the machine ends,
//! each write that was not flushed is there or not, by itself, and those of the migrating process may be torn.

use super::random::Random;
use super::story::Fate;
use super::world::World;
use crate::checkpoint::CheckpointStore;
use crate::error::{Error, Reason, Result};
use crate::geometry::{Geometry, Track};
use crate::name::Volser;
use crate::volume::{Held, Lock, Volume};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The bytes of a track.
type Slot = Arc<[u8]>;

/// Who reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The migrating process: each of its operations can be interrupted.
    Migrator,
    /// Everybody else.
    Others,
    /// Somebody who only looks things up, and waits for no lock.
    Reader,
    /// Everybody else, a write that is half done: the device ends it before it is durable, or it never was.
    Passing,
}

/// A write that was not flushed yet.
#[derive(Debug)]
struct Unflushed {
    track: u32,
    bytes: Slot,
    who: Who,
    is_torn: bool,
}

/// One volume.
#[derive(Debug)]
pub(super) struct Disk {
    pub geometry: Geometry,
    seen: Vec<Slot>,
    durable: Vec<Slot>,
    unflushed: Vec<Unflushed>,
    held: BTreeSet<u8>,
    /// Tracks whose last write may be torn, as they are seen and as they are durable.
    pub torn: BTreeSet<u32>,
    durable_torn: BTreeSet<u32>,
    /// Tracks that others wrote, and a failed flush forgot.
    forgotten: BTreeSet<u32>,
}

impl Disk {
    /// With these slots, all durable.
    pub fn new(geometry: Geometry, bytes: &[u8]) -> Disk {
        let slots = bytes.chunks_exact(geometry.slot_size as usize).map(Slot::from);
        let seen: Vec<Slot> = slots.collect();
        Disk {
            geometry,
            durable: seen.clone(),
            seen,
            unflushed: Vec::new(),
            held: BTreeSet::new(),
            torn: BTreeSet::new(),
            durable_torn: BTreeSet::new(),
            forgotten: BTreeSet::new(),
        }
    }

    fn check(&self, first: Track, length: usize) -> Result<usize> {
        let slot_size = self.geometry.slot_size as usize;
        let count = length / slot_size;
        if count * slot_size != length || first.0 as usize + count > self.seen.len() {
            let why = "a simulated volume has no such tracks";
            return Err(Error::new(Reason::OutsideVolume, why));
        }
        Ok(count)
    }

    pub fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        self.check(first, buffer.len())?;
        let slots = &self.seen[first.0 as usize..];
        let size = self.geometry.slot_size as usize;
        buffer.chunks_exact_mut(size).zip(slots).for_each(|(to, slot)| to.copy_from_slice(slot));
        Ok(())
    }

    pub fn write(&mut self, first: Track, bytes: &[u8], who: Who) -> Result<()> {
        self.check(first, bytes.len())?;
        self.put(first, bytes, who, false);
        Ok(())
    }

    fn put(&mut self, first: Track, bytes: &[u8], who: Who, is_torn: bool) {
        let size = self.geometry.slot_size as usize;
        for (slot, track) in bytes.chunks_exact(size).zip(first.0..) {
            let bytes = Slot::from(slot);
            self.seen[track as usize] = bytes.clone();
            mark(&mut self.torn, track, is_torn);
            self.unflushed.push(Unflushed { track, bytes, who, is_torn });
        }
    }

    /// A write that is interrupted: so much of it happens.
    pub fn write_in_part(&mut self, first: Track, bytes: &[u8], fate: Fate, random: &mut Random) {
        if self.check(first, bytes.len()).is_err() || fate == Fate::Dropped {
            return;
        }
        let mut result = bytes.to_vec();
        if fate != Fate::Done {
            let cut = random.below(bytes.len() as u32) as usize;
            match fate {
                Fate::Torn => {
                    let mut before = vec![0; bytes.len()];
                    // The run was checked.
                    let _ = self.read(first, &mut before);
                    result[cut..].copy_from_slice(&before[cut..]);
                }
                _ => result[cut..].iter_mut().for_each(|byte| *byte = random.next() as u8),
            }
        }
        self.put(first, &result, Who::Migrator, fate.is_torn());
    }

    pub fn flush(&mut self) {
        for write in std::mem::take(&mut self.unflushed) {
            match write.who {
                Who::Passing => self.unflushed.push(write),
                _ => self.make_durable(write),
            }
        }
    }

    fn make_durable(&mut self, write: Unflushed) {
        mark(&mut self.durable_torn, write.track, write.is_torn);
        self.forgotten.remove(&write.track);
        self.durable[write.track as usize] = write.bytes;
    }

    /// A flush that fails: half of the writes are durable, the others will never be.
    pub fn fail_flush(&mut self, random: &mut Random) {
        for write in std::mem::take(&mut self.unflushed) {
            if write.who == Who::Passing {
                self.unflushed.push(write);
            } else if random.once_in(2) {
                self.make_durable(write);
            } else if write.who == Who::Others {
                self.forgotten.insert(write.track);
            }
        }
    }

    /// The machine ends. The tracks on which others may have lost a write are given back.
    pub fn lose_power(&mut self, random: &mut Random) -> BTreeSet<u32> {
        let mut lost = std::mem::take(&mut self.forgotten);
        for write in std::mem::take(&mut self.unflushed) {
            let fate = match write.who {
                Who::Passing => Fate::Dropped,
                Who::Others | Who::Reader => [Fate::Done, Fate::Dropped][random.below(2) as usize],
                Who::Migrator => random.one_of(&Fate::ALL),
            };
            if write.who == Who::Others && fate == Fate::Dropped {
                lost.insert(write.track);
            }
            let cut = random.below(write.bytes.len() as u32) as usize;
            let mut bytes = write.bytes.to_vec();
            match fate {
                Fate::Done => {}
                Fate::Dropped => continue,
                Fate::Torn => {
                    bytes[cut..].copy_from_slice(&self.durable[write.track as usize][cut..]);
                }
                Fate::Garbage => {
                    bytes[cut..].iter_mut().for_each(|byte| *byte = random.next() as u8);
                }
            }
            let is_torn = write.is_torn || fate.is_torn();
            self.make_durable(Unflushed { bytes: bytes.into(), is_torn, ..write });
        }
        self.seen = self.durable.clone();
        self.torn = self.durable_torn.clone();
        self.held.clear();
        lost
    }
}

fn mark(torn: &mut BTreeSet<u32>, track: u32, is_torn: bool) {
    if is_torn {
        torn.insert(track);
    } else {
        torn.remove(&track);
    }
}

/// All that outlives a process.
#[derive(Debug, Default)]
pub(super) struct Disks {
    pub volumes: BTreeMap<Volser, Disk>,
    /// The checkpoint's slots.
    pub slots: [Option<Vec<u8>>; 2],
}

/// A volume as the port.
pub(super) struct SimVolume {
    world: Arc<World>,
    volser: Volser,
    geometry: Geometry,
    who: Who,
}

impl std::fmt::Debug for SimVolume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimVolume({}, {:?})", self.volser, self.who)
    }
}

impl SimVolume {
    pub fn new(world: &Arc<World>, volser: Volser, who: Who) -> SimVolume {
        let geometry = world.disks().volumes[&volser].geometry;
        SimVolume { world: world.clone(), volser, geometry, who }
    }

    fn disk<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        let mut disks = self.world.disks();
        act(disks.volumes.get_mut(&self.volser).expect("it was made with the volume"))
    }
}

/// A lock of a simulated volume: freed when it is dropped.
struct HeldLock<'a>(&'a SimVolume, u8);

impl Drop for HeldLock<'_> {
    fn drop(&mut self) {
        self.0.disk(|disk| disk.held.remove(&self.1));
    }
}

impl Volume for SimVolume {
    fn volser(&self) -> Volser {
        self.volser
    }

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn location(&self) -> String {
        format!("simulated ({})", self.volser)
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        if self.who == Who::Migrator {
            self.world.reads(self.volser, first)?;
        }
        self.disk(|disk| disk.read(first, buffer))
    }

    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        if self.who == Who::Migrator {
            let interrupted = self.world.writes(self.volser, first);
            if let Err((error, fate, mut random)) = interrupted {
                self.disk(|disk| disk.write_in_part(first, buffer, fate, &mut random));
                return Err(error);
            }
        }
        self.disk(|disk| disk.write(first, buffer, self.who))
    }

    fn flush(&self) -> Result<()> {
        if self.who == Who::Migrator {
            let interrupted = self.world.flushes(self.volser);
            if let Err((error, fate, mut random)) = interrupted {
                self.disk(|disk| match fate {
                    Fate::Done => disk.flush(),
                    Fate::Dropped => {}
                    Fate::Torn | Fate::Garbage => disk.fail_flush(&mut random),
                });
                return Err(error);
            }
        }
        self.disk(Disk::flush);
        Ok(())
    }

    /// In one thread nobody can wait: who finds a lock held comes again later.
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        if self.who == Who::Reader {
            return Ok(Box::new(()));
        }
        let byte = lock as u8;
        if !self.disk(|disk| disk.held.insert(byte)) {
            let why = "the lock is held just now; try again";
            return Err(Error::new(Reason::VolumeInUse, why).on_volume(self.volser));
        }
        Ok(Box::new(HeldLock(self, byte)))
    }
}

/// The checkpoint's slots as the port.
pub(super) struct SimStore(pub Arc<World>);

impl CheckpointStore for SimStore {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        self.0.reads_slot()?;
        Ok(self.0.disks().slots[slot].clone())
    }

    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let interrupted = self.0.saves();
        let mut disks = self.0.disks();
        let Err((error, fate, mut random)) = interrupted else {
            disks.slots[slot] = Some(bytes.to_vec());
            return Ok(());
        };
        let mut result = bytes.to_vec();
        let cut = random.below(bytes.len() as u32) as usize;
        match fate {
            Fate::Done => {}
            Fate::Dropped => return Err(error),
            Fate::Torn => {
                // Behind the cut stands what stood there.
                let before = disks.slots[slot].as_deref().unwrap_or_default();
                result.truncate(cut);
                result.extend_from_slice(before.get(cut..).unwrap_or_default());
            }
            Fate::Garbage => result[cut..].iter_mut().for_each(|byte| *byte = random.next() as u8),
        }
        disks.slots[slot] = Some(result);
        Err(error)
    }

    fn location(&self) -> String {
        "simulated".into()
    }
}
