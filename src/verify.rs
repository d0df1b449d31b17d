//! Verification: two copies of data sets compared track by track, wherever they lie.
//!
//! Each source track of a translate table is read, relocated in memory to where the table says, and compared with what
//! stands there. The two are equal if they have the same records in the same order, each with the same address (the
//! track's own aside), number, key and data. What lies behind an end marker belongs to nobody and is not compared. A
//! track that cannot be read or does not check is a difference too, and says on which side.
//!
//! Nothing is written. Messages say where records differ, never what is in them.

use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::name::Volser;
use crate::track::{self, Record};
use crate::translate::{Run, TranslateTable};
use crate::volume::{Volume, VolumeExt};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// How many differences are listed; all are counted.
pub const DIFFERENCES_MAX: usize = 1000;

/// A track that is not the same on source and target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The track of the source.
    pub source: (Volser, Track),
    /// Where it should be.
    pub target: (Volser, Track),
    /// What differs.
    pub what: String,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// How many tracks were compared.
    pub track_count: u64,
    /// How many of them differ.
    pub difference_count: u64,
    /// The first [`DIFFERENCES_MAX`] of them, in ascending order of the source.
    pub differences: Vec<Difference>,
    /// For each entry of the table the digest of its source tracks, addresses aside ([`track::digest`],
    /// [`track::digest_of_run`]); `None` if one of them cannot be read or does not check.
    pub digests: Vec<Option<u32>>,
}

impl Verification {
    /// Whether the copies are equal.
    pub fn is_equal(&self) -> bool {
        self.difference_count == 0
    }
}

/// Compares the sources of a table with its targets, by so many threads.
///
/// ```
/// use std::{collections::BTreeMap, sync::Arc};
/// use trackmirror::Volser;
/// use trackmirror::geometry::{Device, Extent, Geometry, Track};
/// use trackmirror::translate::TranslateTable;
/// use trackmirror::verify::verify;
/// use trackmirror::volume::{Volume, memory::MemoryVolume};
///
/// let device = Device::named("3390")?;
/// let geometry = Geometry { device, cylinders: 2, slot_size: device.slot_size() };
/// let volume = Volser::parse("VOL001")?;
/// let (source, target) = ([(volume, Extent::new(Track(1), 9))], [(volume, Extent::new(Track(20), 9))]);
/// let table = TranslateTable::new(TranslateTable::map(&source, &target)?)?;
/// let volumes: BTreeMap<Volser, Arc<dyn Volume>> =
///     BTreeMap::from([(volume, Arc::new(MemoryVolume::new(volume, geometry)) as Arc<dyn Volume>)]);
/// assert!(verify(&table, &volumes, &volumes, 2)?.is_equal());
/// # Ok::<(), trackmirror::Error>(())
/// ```
///
/// Errors: [`Reason::NoSuchVolume`], [`Reason::OutsideVolume`], [`Reason::UnlikeDevices`].
pub fn verify(
    table: &TranslateTable,
    sources: &BTreeMap<Volser, Arc<dyn Volume>>,
    targets: &BTreeMap<Volser, Arc<dyn Volume>>,
    threads: usize,
) -> Result<Verification> {
    let geometry = |volumes: &BTreeMap<Volser, Arc<dyn Volume>>, volser| {
        volumes.get(&volser).map(|volume| volume.geometry())
    };
    table.check_volumes(|volser| geometry(sources, volser), |volser| geometry(targets, volser))?;
    let work = Mutex::new(Work::new(table));
    std::thread::scope(|scope| {
        let compare = || compare_batches(&work, sources, targets);
        for _ in 1..threads {
            scope.spawn(compare);
        }
        compare();
    });
    work.into_inner().finish()
}

/// What threads share, each for a moment at a time.
struct Work<'a> {
    table: &'a TranslateTable,
    runs: Vec<&'a Run>,
    /// The next run, and the next track in it.
    next: (usize, u32),
    /// For each entry, the digests of its tracks.
    digests: Vec<Vec<Option<u32>>>,
    difference_count: u64,
    /// By source, so that the first ones stay, whichever thread finds them.
    differences: BTreeMap<(Volser, Track), Difference>,
    error: Option<Error>,
}

impl<'a> Work<'a> {
    fn new(table: &'a TranslateTable) -> Work<'a> {
        let tracks =
            |entry: &crate::translate::Entry| vec![None; entry.source.track_count as usize];
        Work {
            table,
            runs: table.runs().collect(),
            next: (0, 0),
            digests: table.entries().iter().map(tracks).collect(),
            difference_count: 0,
            differences: BTreeMap::new(),
            error: None,
        }
    }

    /// The next run of at most a cylinder.
    fn next_batch(&mut self, heads: impl Fn(Volser) -> u16) -> Option<Run> {
        let &&Run { source_volser, source, target_volser, target } = self.runs.get(self.next.0)?;
        let (first, left) = (self.next.1, source.track_count - self.next.1);
        let track_count = left.min(u32::from(heads(source_volser)).max(1));
        self.next = if track_count == left {
            (self.next.0 + 1, 0)
        } else {
            (self.next.0, first + track_count)
        };
        let source = Extent::new(source.first.plus(first), track_count);
        Some(Run { source_volser, source, target_volser, target: target.plus(first) })
    }

    fn note(&mut self, run: &Run, number: u32, compared: Compared) {
        let source = (run.source_volser, run.source.first.plus(number));
        if let Some((entry, place)) = self.table.position(source.0, source.1) {
            self.digests[entry][place as usize] = compared.digest;
        }
        if let Some(what) = compared.difference {
            self.difference_count += 1;
            let target = (run.target_volser, run.target.plus(number));
            self.differences.insert(source, Difference { source, target, what });
            if self.differences.len() > DIFFERENCES_MAX {
                self.differences.pop_last();
            }
        }
    }

    fn finish(self) -> Result<Verification> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let digest = |digests: Vec<Option<u32>>| {
            digests.into_iter().collect::<Option<Vec<u32>>>().map(track::digest_of_run)
        };
        Ok(Verification {
            track_count: self.table.track_count(),
            difference_count: self.difference_count,
            differences: self.differences.into_values().collect(),
            digests: self.digests.into_iter().map(digest).collect(),
        })
    }
}

/// What the comparison of one track found.
struct Compared {
    digest: Option<u32>,
    difference: Option<String>,
}

type Volumes = BTreeMap<Volser, Arc<dyn Volume>>;

/// What one thread does.
fn compare_batches(work: &Mutex<Work<'_>>, sources: &Volumes, targets: &Volumes) {
    let heads = |volser| sources.get(&volser).map_or(1, |volume| volume.geometry().heads());
    let mut buffers = (Vec::new(), Vec::new());
    loop {
        let Some(run) = work.lock().next_batch(heads) else {
            return;
        };
        let (Some(source), Some(target)) =
            (sources.get(&run.source_volser), targets.get(&run.target_volser))
        else {
            work.lock().error = Some(Error::new(Reason::NoSuchVolume, "a volume is not given"));
            return;
        };
        compare_batch(&**source, &**target, &run, &mut buffers, |number, compared| {
            work.lock().note(&run, number, compared);
        });
    }
}

fn compare_batch(
    source: &dyn Volume,
    target: &dyn Volume,
    run: &Run,
    (ours, theirs): &mut (Vec<u8>, Vec<u8>),
    mut note: impl FnMut(u32, Compared),
) {
    let slot_size = source.slot_size();
    let length = slot_size * run.source.track_count as usize;
    ours.resize(length, 0);
    theirs.resize(length, 0);
    // One read for all; if it fails, each track alone, to know which.
    let together = [source.read(run.source.first, ours), target.read(run.target, theirs)];
    let slots = ours.chunks_exact_mut(slot_size).zip(theirs.chunks_exact_mut(slot_size));
    for ((ours, theirs), number) in slots.zip(0..) {
        let (from, to) = (run.source.first.plus(number), run.target.plus(number));
        let again = |failed: bool, volume: &dyn Volume, track, slot: &mut [u8]| {
            if failed { volume.read(track, slot) } else { Ok(()) }
        };
        let source_read = again(together[0].is_err(), source, from, ours);
        let target_read = again(together[1].is_err(), target, to, theirs);
        let source_read = source_read.and_then(|()| track::digest(ours, source.place(from)));
        let digest = source_read.as_ref().ok().copied();
        let difference = source_read
            .and_then(|_| track::relocate(ours, source.place(from), target.place(to)))
            .map_err(|error| format!("the source: {}", error.sentence()))
            .and_then(|summary| {
                target_read
                    .and_then(|()| track::check(theirs, target.place(to)))
                    .map_err(|error| format!("the target: {}", error.sentence()))?;
                if ours[..summary.length] == theirs[..summary.length] {
                    return Ok(());
                }
                Err(first_difference(ours, theirs))
            });
        note(number, Compared { digest, difference: difference.err() });
    }
}

/// The first record in which two images at the same address differ. Both check.
fn first_difference(source: &[u8], target: &[u8]) -> String {
    let (mut ours, mut theirs) =
        (track::records(source).flatten(), track::records(target).flatten());
    for place in 0.. {
        match (ours.next(), theirs.next()) {
            (Some(one), Some(other)) => {
                if let Some(what) = record_difference(&one, &other) {
                    return format!(
                        "record {place} of the track (R{}) differs: {what}",
                        one.number
                    );
                }
            }
            (Some(one), None) => {
                return format!("the target lacks record {place} of the track (R{})", one.number);
            }
            (None, Some(other)) => {
                return format!(
                    "the target has one more record than the source, R{}",
                    other.number
                );
            }
            (None, None) => break,
        }
    }
    "the images differ".to_string()
}

fn record_difference(one: &Record<'_>, other: &Record<'_>) -> Option<String> {
    let bytes = |what: &str, one: &[u8], other: &[u8]| {
        if one.len() != other.len() {
            return Some(format!(
                "{what} length {} on the source, {} on the target",
                one.len(),
                other.len()
            ));
        }
        let place = one.iter().zip(other).position(|(a, b)| a != b)?;
        Some(format!("{what} from byte {place} on"))
    };
    if one.number != other.number {
        return Some(format!("R{} on the source, R{} on the target", one.number, other.number));
    }
    bytes("key", one.key, other.key)
        .or_else(|| bytes("data", one.data, other.data))
        .or_else(|| bytes("the address in the count", &one.cchh, &other.cchh))
}
