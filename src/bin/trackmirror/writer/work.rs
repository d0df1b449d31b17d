//! The threads of a writer.
//!
//! The tracks of each data set are in groups of neighbours; the groups go round among all writers, and the groups of a
//! writer among its threads. So a track has one writer in all its lives, and one thread in each: its writes come one after
//! another, and their numbers ascend.

use super::ledger::{Entry, Kind, Pen};
use super::place::Located;
use super::stamp::{Stamp, mixed};
use super::{Arguments, End, broken};
use crate::terminal::tell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use trackmirror::geometry::Extent;
use trackmirror::monitor::MonitoredVolume;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::{Error, Reason, Result};

/// How many neighbouring tracks belong to one writer.
pub const GROUP: u32 = 4;

/// What a writer has open: where everything is, until it closes.
pub struct Session {
    pub data_sets: Vec<Located>,
    pub volumes: BTreeMap<PathBuf, Arc<MonitoredVolume>>,
}

/// Some neighbouring tracks of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tracks {
    data_set: usize,
    first: u32,
    count: u32,
}

/// How many writes there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub done: u64,
    pub refused: u64,
}

/// What the ledger tells of all lives so far.
#[derive(Debug, Default)]
pub struct History {
    last_write: AtomicU64,
    done: AtomicU64,
    refused: AtomicU64,
    /// Tracks that were written, and tracks whose write never ended because its writer died.
    written: BTreeSet<(u8, u32)>,
    unfinished: BTreeSet<(u8, u32)>,
}

impl History {
    pub fn new(entries: &[Entry]) -> History {
        let mut history = History::default();
        for entry in entries {
            *history.last_write.get_mut() = entry.write.max(*history.last_write.get_mut());
            let tracks = (0..u32::from(entry.count)).map(|n| (entry.data_set, entry.first + n));
            match entry.kind {
                Kind::Begun => history.unfinished.extend(tracks),
                Kind::Done => {
                    *history.done.get_mut() += 1;
                    tracks.for_each(|track| {
                        history.unfinished.remove(&track);
                        history.written.insert(track);
                    });
                }
                Kind::Refused => {
                    *history.refused.get_mut() += 1;
                    // It did not happen; whatever is unfinished from before is written again with the next one.
                }
                Kind::Failed | Kind::Opened | Kind::Closed => {}
            }
        }
        history
    }

    pub fn totals(&self) -> Totals {
        Totals {
            done: self.done.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// An entry that is no write.
    pub fn event(&self, kind: Kind, first: u32) -> Entry {
        let write = self.last_write.load(Ordering::Relaxed);
        Entry { kind, data_set: 0, first, count: 0, write, incarnation: 0, time_us: 0 }
    }
}

/// The threads, and what they share.
pub struct Crew<'a> {
    pub arguments: &'a Arguments,
    pub session: &'a Session,
    pub pen: &'a Pen,
    pub history: &'a History,
    /// It opened for the first time in this life.
    pub is_first: bool,
}

/// What one write came to.
enum Written {
    Done,
    Sealed(Error),
}

impl Crew<'_> {
    /// Writes with all threads until `ask` gives an end, or a write is refused.
    pub fn work(&self, mut ask: impl FnMut() -> Result<Option<End>>) -> Result<End> {
        let stop = AtomicBool::new(false);
        let filling = AtomicU32::new(self.arguments.threads);
        let (told, hear) = mpsc::channel();
        std::thread::scope(|scope| {
            for thread in 0..self.arguments.threads {
                let (told, stop, filling) = (told.clone(), &stop, &filling);
                scope.spawn(move || {
                    let ended = self.thread(thread, stop, filling);
                    // Nobody hears it once the first one has told the end.
                    let _ = told.send(ended);
                });
            }
            drop(told);
            let end = loop {
                match hear.try_recv() {
                    Ok(Ok(Some(error))) => break Ok(End::Sealed(error.to_string())),
                    Ok(Err(error)) => break Err(error),
                    Ok(Ok(None)) | Err(mpsc::TryRecvError::Disconnected) => {
                        break Err(broken("a writing thread ended by itself"));
                    }
                    Err(mpsc::TryRecvError::Empty) => {}
                }
                match ask() {
                    Ok(None) => {}
                    Ok(Some(end)) => break Ok(end),
                    Err(error) => break Err(error),
                }
            };
            stop.store(true, Ordering::Relaxed);
            // A refusal that came in the same moment is in the ledger; a failure counts.
            hear.iter().try_for_each(|ended| ended.map(drop))?;
            end
        })
    }

    /// What one thread does: first what has to be written before all else, then at random. Gives back the refusal that
    /// ended it, if one did.
    fn thread(&self, thread: u32, stop: &AtomicBool, filling: &AtomicU32) -> Result<Option<Error>> {
        let groups = self.groups(thread);
        let mut hand = Hand { crew: self, buffer: Vec::new() };
        for tracks in self.first_work(&groups) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if let Written::Sealed(error) = hand.write(tracks)? {
                return Ok(Some(error));
            }
        }
        if filling.fetch_sub(1, Ordering::Relaxed) == 1 && self.is_first && self.arguments.fill {
            tell(&format!("{}: filled\n", self.arguments.image));
        }
        let mut random = mixed(self.arguments.seed ^ mixed(u64::from(thread)));
        random ^= u64::from(self.pen.incarnation()) << 32;
        let (begun, mut count) = (Instant::now(), 0u32);
        while !stop.load(Ordering::Relaxed) {
            if groups.is_empty() {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            if let Written::Sealed(error) = hand.write(self.choose(&groups, &mut random))? {
                return Ok(Some(error));
            }
            count += 1;
            if self.arguments.rate > 0 {
                let each = f64::from(self.arguments.threads) / f64::from(self.arguments.rate);
                let due = begun + Duration::from_secs_f64(each * f64::from(count));
                while !stop.load(Ordering::Relaxed) && Instant::now() < due {
                    let left = due.saturating_duration_since(Instant::now());
                    std::thread::sleep(left.min(Duration::from_millis(5)));
                }
            }
        }
        Ok(None)
    }

    /// The groups of tracks that are a thread's.
    fn groups(&self, thread: u32) -> Vec<Tracks> {
        let (number, of) = self.arguments.share;
        let mut groups = Vec::new();
        for (data_set, located) in self.session.data_sets.iter().enumerate() {
            let track_count = located.track_count();
            for group in (number..track_count.div_ceil(GROUP)).step_by(of as usize) {
                if group / of % self.arguments.threads == thread {
                    let first = group * GROUP;
                    groups.push(Tracks { data_set, first, count: GROUP.min(track_count - first) });
                }
            }
        }
        groups
    }

    /// Tracks that were never written, if all are to be filled, and those that an earlier life was just writing when it
    /// died: they may be half written.
    fn first_work(&self, groups: &[Tracks]) -> Vec<Tracks> {
        let mut work = Vec::new();
        for group in groups {
            let is_due = |track: u32| {
                let key = (group.data_set as u8, track);
                self.history.unfinished.contains(&key)
                    || self.arguments.fill && !self.history.written.contains(&key)
            };
            let end = group.first + group.count;
            let mut first = group.first;
            while first < end {
                let count = (first..end).take_while(|&track| is_due(track)).count() as u32;
                if count > 0 {
                    work.push(Tracks { first, count, ..*group });
                }
                first += count.max(1);
            }
        }
        work
    }

    /// Where the next write goes.
    fn choose(&self, groups: &[Tracks], random: &mut u64) -> Tracks {
        let mut below = |limit: usize| {
            *random = random.wrapping_add(1);
            (mixed(*random) % limit.max(1) as u64) as usize
        };
        let hot = (self.arguments.hot as usize).min(groups.len());
        let among = if hot > 0 && below(10) < 9 { hot } else { groups.len() };
        let group = groups[below(among)];
        let first = below(group.count as usize) as u32;
        let count = 1 + below(self.arguments.run as usize) as u32;
        Tracks { first: group.first + first, count: count.min(group.count - first), ..group }
    }
}

/// One thread's own things.
struct Hand<'a> {
    crew: &'a Crew<'a>,
    buffer: Vec<u8>,
}

impl Hand<'_> {
    /// Writes tracks, as far as they are neighbours on the volume; the others are writes of their own.
    fn write(&mut self, tracks: Tracks) -> Result<Written> {
        let mut left = tracks;
        while left.count > 0 {
            let data_set = &self.crew.session.data_sets[left.data_set];
            let run = data_set.run(left.first, left.count);
            let (extent, run) = run.ok_or_else(|| broken("a track behind the data set's end"))?;
            let count = run.track_count;
            let written = self.write_run(Tracks { count, ..left }, extent, run)?;
            if let Written::Sealed(_) = written {
                return Ok(written);
            }
            left = Tracks { first: left.first + count, count: left.count - count, ..left };
        }
        Ok(Written::Done)
    }

    fn write_run(&mut self, tracks: Tracks, extent: usize, run: Extent) -> Result<Written> {
        let Crew { session, history, pen, arguments, .. } = self.crew;
        let data_set = &session.data_sets[tracks.data_set];
        let volume = &session.volumes[&data_set.extents[extent].0];
        let write = history.last_write.fetch_add(1, Ordering::Relaxed) + 1;
        let entry = |kind| Entry {
            kind,
            data_set: tracks.data_set as u8,
            first: tracks.first,
            count: tracks.count as u16,
            write,
            incarnation: 0,
            time_us: 0,
        };
        let slot_size = volume.slot_size();
        let shape = data_set.shape.of_write(write, arguments.vary);
        self.buffer.resize(slot_size * tracks.count as usize, 0);
        for (slot, n) in self.buffer.chunks_exact_mut(slot_size).zip(0..) {
            let stamp = Stamp { writer: arguments.share.0, write, track: tracks.first + n };
            stamp.put(slot, volume.place(run.first.plus(n)), shape, &data_set.name)?;
        }
        pen.put(entry(Kind::Begun))?;
        match volume.write(run.first, &self.buffer) {
            Ok(()) => {
                pen.put(entry(Kind::Done))?;
                history.done.fetch_add(1, Ordering::Relaxed);
                Ok(Written::Done)
            }
            Err(error) if error.reason() == Reason::VolumeSealed => {
                pen.put(entry(Kind::Refused))?;
                history.refused.fetch_add(1, Ordering::Relaxed);
                Ok(Written::Sealed(error))
            }
            Err(error) => {
                pen.put(entry(Kind::Failed))?;
                Err(error)
            }
        }
    }
}
