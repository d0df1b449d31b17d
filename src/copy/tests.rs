use super::*;
use crate::geometry::{Device, Geometry};
use crate::track::Place;
use crate::volume::memory::MemoryVolume;
use crate::volume::{Held, Lock};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

const CYLINDERS: u32 = 6;
const HEADS: u32 = 19;

fn geometry() -> Geometry {
    let device = Device::named("3330").unwrap();
    // Small slots, for speed; what stands in them is small too.
    Geometry { device, cylinders: CYLINDERS, slot_size: 1024 }
}

fn volser(name: &str) -> Volser {
    Volser::parse(name).unwrap()
}

fn run(name: &str, first: u32, track_count: u32) -> (Volser, Extent) {
    (volser(name), Extent::new(Track(first), track_count))
}

/// The next number of a generator (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The image that stands for what track `from` of a volume holds, at the address `at`.
fn content(seed: u64, name: Volser, from: Track, at: Place) -> Vec<u8> {
    let volume = name.as_bytes().iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
    let mut state = seed ^ volume.rotate_left(20) ^ u64::from(from.0);
    let records: Vec<(Vec<u8>, Vec<u8>)> = (0..random(&mut state) % 4)
        .map(|_| {
            let (key, data) = (random(&mut state) % 9, random(&mut state) % 100);
            let mut bytes = |count| {
                let mut bytes = Vec::new();
                while bytes.len() < count as usize {
                    bytes.extend_from_slice(&random(&mut state).to_be_bytes());
                }
                bytes.truncate(count as usize);
                bytes
            };
            (bytes(key), bytes(data))
        })
        .collect();
    let identity = state.to_be_bytes();
    let mut records: Vec<(&[u8], &[u8])> = records.iter().map(|(k, d)| (&k[..], &d[..])).collect();
    records.push((b"", &identity));
    let mut slot = vec![0; geometry().slot_size as usize];
    track::build(&mut slot, at, &records).unwrap();
    slot
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Op {
    Read,
    Write,
    Flush,
}

/// A volume whose operations fail when they are told to, and that knows what would survive a crash of the machine:
/// what was written before a flush that succeeded. A flush that fails loses what was written since the one before.
#[derive(Debug)]
struct Faulty {
    volume: MemoryVolume,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// How often each operation was called.
    calls: BTreeMap<Op, u64>,
    /// Which calls fail, counted from 1.
    failing: BTreeSet<(Op, u64)>,
    /// Which calls panic.
    panicking: BTreeSet<(Op, u64)>,
    /// Tracks whose reading fails.
    unreadable: BTreeSet<Track>,
    pending: Vec<(Track, Vec<u8>)>,
    durable: BTreeMap<Track, Vec<u8>>,
    tracks_read: Vec<Track>,
    batch_tracks_max: usize,
    buffers: BTreeSet<usize>,
    read_only: bool,
}

impl Seen {
    fn call(&mut self, op: Op) -> Result<()> {
        let calls = self.calls.entry(op).or_default();
        *calls += 1;
        assert!(!self.panicking.contains(&(op, *calls)), "{op:?} {calls} panics");
        if self.failing.contains(&(op, *calls)) {
            return Err(Error::new(Reason::Io, format!("{op:?} {calls} fails")));
        }
        Ok(())
    }
}

impl Faulty {
    fn new(name: &str, seed: u64) -> Arc<Faulty> {
        let name = volser(name);
        let slots = (0..geometry().track_count())
            .flat_map(|n| content(seed, name, Track(n), Place::new(&geometry(), Track(n))))
            .collect();
        let volume = MemoryVolume::from_bytes(name, geometry(), slots);
        Arc::new(Faulty { volume, seen: Mutex::default() })
    }

    fn slot_count(&self, buffer: &[u8]) -> usize {
        buffer.len() / self.slot_size()
    }
}

impl Volume for Faulty {
    fn volser(&self) -> Volser {
        self.volume.volser()
    }
    fn geometry(&self) -> Geometry {
        self.volume.geometry()
    }
    fn location(&self) -> String {
        self.volume.location()
    }
    fn is_writable(&self) -> bool {
        !self.seen.lock().read_only
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        let count = self.slot_count(buffer);
        {
            let mut seen = self.seen.lock();
            seen.batch_tracks_max = seen.batch_tracks_max.max(count);
            seen.buffers.insert(buffer.as_ptr() as usize);
            seen.tracks_read.extend((0..count as u32).map(|n| first.plus(n)));
            seen.call(Op::Read)?;
            let extent = Extent::new(first, count as u32);
            if let Some(track) = seen.unreadable.iter().find(|track| extent.contains(**track)) {
                return Err(Error::new(Reason::Io, "unreadable").at_track(track.0, HEADS as u16));
            }
        }
        self.volume.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let mut seen = self.seen.lock();
        seen.call(Op::Write)?;
        for (slot, n) in buffer.chunks_exact(self.slot_size()).zip(0..) {
            seen.pending.push((first.plus(n), slot.to_vec()));
        }
        self.volume.write(first, buffer)
    }
    fn flush(&self) -> Result<()> {
        let mut seen = self.seen.lock();
        let pending = std::mem::take(&mut seen.pending);
        seen.call(Op::Flush)?;
        seen.durable.extend(pending);
        Ok(())
    }
    fn is_past_caches(&self) -> bool {
        self.volume.is_past_caches()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.volume.lock(lock)
    }
}

/// Volumes, and a table between them.
struct World {
    seed: u64,
    volumes: BTreeMap<Volser, Arc<Faulty>>,
    table: TranslateTable,
}

impl World {
    fn new(seed: u64, source: &[(Volser, Extent)], target: &[(Volser, Extent)]) -> World {
        let table = TranslateTable::new(TranslateTable::map(source, target).unwrap()).unwrap();
        let names = table.source_volsers().into_iter().chain(table.target_volsers());
        let volumes = names.map(|name| (name, Faulty::new(&name.to_string(), seed))).collect();
        World { seed, volumes, table }
    }

    /// Extents of two volumes go to two others and, combined, to one of the sources.
    fn large(seed: u64) -> World {
        let source = [
            run("SRC001", 20, 33),
            run("SRC002", 5, 50),
            run("SRC001", 3, 1),
            run("SRC001", 60, 19),
            run("SRC002", 90, 20),
        ];
        let target = [
            run("TGT001", 1, 40),
            run("TGT002", 50, 12),
            run("SRC001", 80, 30),
            run("TGT001", 50, 60),
        ];
        World::new(seed, &source, &target)
    }

    fn volume(&self, name: &str) -> &Faulty {
        &self.volumes[&volser(name)]
    }

    fn copier(&self, options: CopyOptions) -> Copier {
        let volumes = self.given();
        Copier::new(self.table.clone(), &volumes, &volumes, options).unwrap()
    }

    fn given(&self) -> Volumes {
        let volume =
            |(&name, volume): (&Volser, &Arc<Faulty>)| (name, volume.clone() as Arc<dyn Volume>);
        self.volumes.iter().map(volume).collect()
    }

    /// Every source track that is not to be copied any more is durable where it belongs, with the right content.
    fn assert_durable(&self, copier: &Copier) {
        for run in self.table.runs() {
            let target = &self.volumes[&run.target_volser];
            for n in 0..run.source.track_count {
                let from = run.source.first.plus(n);
                if copier.left_in(run.source_volser, Extent::new(from, 1)).unwrap() > 0 {
                    continue;
                }
                let to = run.target.plus(n);
                let expected = content(self.seed, run.source_volser, from, target.place(to));
                let durable = target.seen.lock().durable.get(&to) == Some(&expected);
                assert!(
                    durable,
                    "{} {from:?} is not at {} {to:?}",
                    run.source_volser, run.target_volser
                );
            }
        }
    }

    /// Nothing outside the targets of the table was written.
    fn assert_rest_untouched(&self) {
        for (&name, volume) in &self.volumes {
            for track in (0..geometry().track_count()).map(Track) {
                if self.table.to_source(name, track).is_none() {
                    let expected = content(self.seed, name, track, volume.place(track));
                    assert!(
                        volume.volume.read_track(track).unwrap() == expected,
                        "{name} {track:?}"
                    );
                }
            }
        }
    }
}

fn options(threads: usize) -> CopyOptions {
    CopyOptions { threads, batch_tracks: None, digests: true }
}

#[test]
fn every_track_arrives_where_the_table_says_and_nothing_else_changes() {
    for threads in 0..=4 {
        for batch_tracks in [None, Some(0), Some(1), Some(7), Some(u32::MAX)] {
            let world = World::large(u64::from(batch_tracks.unwrap_or(99)) << 8 | threads as u64);
            let mut copier = world.copier(CopyOptions { batch_tracks, ..options(threads) });
            let total = world.table.track_count();
            assert_eq!((copier.left(), total), (123, 123));
            let progress = copier.step(u32::MAX).unwrap();
            assert_eq!(progress, Progress { copied: 123, left: 0, done: true, torn: 0 });
            world.assert_durable(&copier);
            world.assert_rest_untouched();
            assert_eq!((copier.totals().track_count, copier.totals().foreign_count), (123, 0));
            let again = copier.step(u32::MAX).unwrap();
            assert_eq!(again, Progress { copied: 0, left: 0, done: true, torn: 0 });
            let reads: usize =
                world.volumes.values().map(|volume| volume.seen.lock().tracks_read.len()).sum();
            assert_eq!(reads, 123);
        }
    }
}

#[test]
fn a_step_reads_no_more_tracks_than_it_may() {
    for (threads, track_count_max) in [(1, 1), (1, 10), (3, 10), (2, 50), (4, 7)] {
        let world = World::large(7);
        let mut copier = world.copier(options(threads));
        assert_eq!(
            copier.step(0).unwrap(),
            Progress { copied: 0, left: 123, done: false, torn: 0 }
        );
        let mut left = 123;
        while left > 0 {
            let before: usize =
                world.volumes.values().map(|v| v.seen.lock().tracks_read.len()).sum();
            let progress = copier.step(track_count_max).unwrap();
            let after: usize =
                world.volumes.values().map(|v| v.seen.lock().tracks_read.len()).sum();
            let copied = left.min(u64::from(track_count_max));
            assert_eq!((after - before) as u64, copied);
            left -= copied;
            assert_eq!(
                progress,
                Progress { copied: copied as u32, left, done: left == 0, torn: 0 }
            );
            world.assert_durable(&copier);
        }
    }
}

#[test]
fn each_volume_is_read_upwards_and_by_buffers_that_are_used_again() {
    for (threads, batch_tracks) in [(1, 5), (3, 8)] {
        let world = World::large(8);
        let mut copier =
            world.copier(CopyOptions { batch_tracks: Some(batch_tracks), ..options(threads) });
        while !copier.step(30).unwrap().done {}
        let mut buffers = BTreeSet::new();
        for volume in world.volumes.values() {
            let seen = volume.seen.lock();
            assert!(seen.batch_tracks_max <= batch_tracks as usize);
            assert!(threads > 1 || seen.tracks_read.is_sorted());
            buffers.extend(seen.buffers.iter().copied());
        }
        assert!(buffers.len() <= threads, "{} buffers for {threads} threads", buffers.len());
        let bytes: usize = copier.buffers.iter().map(Vec::len).sum();
        assert_eq!(bytes, threads * batch_tracks as usize * geometry().slot_size as usize);
    }
}

#[test]
fn whatever_operation_fails_the_rest_is_durable_and_the_next_step_goes_on() {
    for threads in [1, 3] {
        for (op, names) in [
            (Op::Read, &["SRC001", "SRC002"][..]),
            (Op::Write, &["SRC001", "TGT001", "TGT002"]),
            (Op::Flush, &["SRC001", "TGT001", "TGT002"]),
        ] {
            for name in names {
                for call in 1..9 {
                    let world = World::large(call);
                    world.volume(name).seen.lock().failing.insert((op, call));
                    let mut copier =
                        world.copier(CopyOptions { batch_tracks: Some(6), ..options(threads) });
                    let mut failures = 0;
                    for step in 0.. {
                        assert!(step < 100, "no end");
                        // A step after a failure that does not redo all of it.
                        match copier.step(if step % 2 == 0 { 25 } else { 10 }) {
                            Ok(progress) if progress.done => break,
                            Ok(_) => {}
                            Err(error) => {
                                failures += 1;
                                assert_eq!(error.volser(), Some(*volser(name).as_bytes()));
                                let flush = op == Op::Flush;
                                assert_eq!(error.reason() == Reason::NotFlushed, flush);
                                assert_eq!(error.track().is_none(), flush);
                            }
                        }
                        world.assert_durable(&copier);
                    }
                    let happened = world.volume(name).seen.lock().calls.get(&op) >= Some(&call);
                    // What fails once for several tracks is done again, track by track, in the same step.
                    assert!(failures <= u32::from(happened), "{op:?} {name} {call}");
                    assert!(op != Op::Flush || failures == u32::from(happened), "{name} {call}");
                    world.assert_durable(&copier);
                    world.assert_rest_untouched();
                }
            }
        }
    }
}

#[test]
fn a_panic_in_a_thread_that_copies_ends_the_step_and_counts_nothing_as_copied() {
    for threads in [1, 3] {
        for op in [Op::Read, Op::Write] {
            for call in 1..9 {
                let world = World::large(call);
                world.volume("SRC001").seen.lock().panicking.insert((op, call));
                let mut copier =
                    world.copier(CopyOptions { batch_tracks: Some(6), ..options(threads) });
                let mut panics = 0;
                for step in 0.. {
                    assert!(step < 100, "no end");
                    match catch_unwind(AssertUnwindSafe(|| copier.step(25).unwrap())) {
                        Ok(progress) if progress.done => break,
                        Ok(_) => {}
                        Err(_) => panics += 1,
                    }
                    world.assert_durable(&copier);
                }
                let happened = world.volume("SRC001").seen.lock().calls.get(&op) >= Some(&call);
                assert_eq!(panics, u32::from(happened), "{op:?} {call}");
                world.assert_durable(&copier);
                world.assert_rest_untouched();
            }
        }
    }
}

#[test]
fn a_failed_flush_returns_only_what_went_to_that_target() {
    let world =
        World::new(3, &[run("SRC001", 0, 40)], &[run("TGT001", 9, 10), run("TGT002", 9, 30)]);
    world.volume("TGT002").seen.lock().failing.insert((Op::Flush, 1));
    let mut copier = world.copier(options(2));
    let error = copier.step(25).unwrap_err();
    assert_eq!(error.reason(), Reason::NotFlushed);
    assert!(error.to_string().contains("TGT002"), "{error}");
    assert_eq!(copier.left(), 30);
    assert_eq!(copier.digest(0), None);
    assert_eq!(copier.step(100).unwrap(), Progress { copied: 30, left: 0, done: true, torn: 0 });
    assert!(copier.digest(0).is_some());
    world.assert_durable(&copier);
}

#[test]
fn a_bad_source_track_is_named_and_can_be_left_out() {
    for (damage, reason) in
        [(Some(2), Reason::ForeignTrack), (Some(9), Reason::DamagedTrack), (None, Reason::Io)]
    {
        let world = World::large(11);
        let volume = world.volume("SRC001");
        if let Some(offset) = damage {
            let mut slot = volume.read_track(Track(30)).unwrap();
            slot[offset] = 99;
            volume.volume.write(Track(30), &slot).unwrap();
        } else {
            volume.seen.lock().unreadable.insert(Track(30));
        }
        let mut copier = world.copier(options(1));
        for _ in 0..2 {
            let error = copier.step(u32::MAX).unwrap_err();
            assert_eq!((error.reason(), error.track()), (reason, Some(30)));
            assert_eq!(error.volser(), Some(*volser("SRC001").as_bytes()));
            world.assert_durable(&copier);
            assert_eq!(copier.left(), 1, "every other track is copied");
        }
        assert_eq!(copier.digest(0), None);
        copier.leave_out(volser("SRC001"), Extent::new(Track(30), 1)).unwrap();
        assert!(copier.step(u32::MAX).unwrap().done);
    }
}

#[test]
fn tracks_are_copied_again_when_they_are_put_back() {
    let world = World::large(12);
    let mut copier = world.copier(options(2));
    copier.step(u32::MAX).unwrap();
    let digest = copier.digest(0);
    let (name, volume) = (volser("SRC001"), world.volume("SRC001"));
    // Track 25 gets the content of track 26.
    let changed = content(world.seed, name, Track(26), volume.place(Track(25)));
    volume.volume.write(Track(25), &changed).unwrap();
    copier.retake(name, Extent::new(Track(24), 2)).unwrap();
    assert_eq!((copier.left(), copier.digest(0)), (2, None));
    assert!(copier.step(u32::MAX).unwrap().done);
    assert!(copier.digest(0).is_some() && copier.digest(0) != digest);
    let (target, to) = world.table.to_target(name, Track(25)).unwrap();
    let target = &world.volumes[&target];
    let expected = content(world.seed, name, Track(26), target.place(to));
    assert!(target.seen.lock().durable[&to] == expected);

    for (name, first, count) in
        [("SRC001", 52, 2), ("SRC001", 0, 1), ("TGT001", 1, 1), ("SRC001", u32::MAX, 2)]
    {
        let extent = Extent::new(Track(first), count);
        for result in [copier.retake(volser(name), extent), copier.leave_out(volser(name), extent)]
        {
            assert_eq!(result.unwrap_err().reason(), Reason::NotInTable);
        }
        assert_eq!(copier.left(), 0);
    }
}

#[test]
fn digests_do_not_depend_on_addresses_threads_or_batches() {
    let digests = |threads, batch_tracks, target: &[(Volser, Extent)]| {
        let world = World::new(5, &[run("SRC001", 20, 33), run("SRC001", 5, 10)], target);
        let mut copier = world.copier(CopyOptions { threads, batch_tracks, digests: true });
        while !copier.step(17).unwrap().done {}
        [copier.digest(0).unwrap(), copier.digest(1).unwrap()]
    };
    let expected = digests(1, None, &[run("TGT001", 0, 43)]);
    assert_ne!(expected[0], expected[1]);
    assert_eq!(digests(4, Some(3), &[run("TGT002", 50, 40), run("TGT001", 50, 3)]), expected);
    assert_eq!(digests(2, Some(1), &[run("TGT002", 2, 7), run("SRC001", 60, 50)]), expected);
}

#[test]
fn a_batch_is_a_cylinder_unless_that_is_too_much_for_the_cache() {
    for (name, expected) in [("3330", 19), ("2311", 10), ("3390", 12)] {
        let device = Device::named(name).unwrap();
        let geometry = Geometry { device, cylinders: 4, slot_size: device.slot_size() };
        let names = ["SRC001", "TGT001"];
        let [source, target] = names.map(|name| {
            let volume: Arc<dyn Volume> = Arc::new(MemoryVolume::new(volser(name), geometry));
            Volumes::from([(volser(name), volume)])
        });
        let entries =
            TranslateTable::map(&[run("SRC001", 1, 30)], &[run("TGT001", 2, 30)]).unwrap();
        let table = TranslateTable::new(entries).unwrap();
        let mut copier = Copier::new(table, &source, &target, CopyOptions::default()).unwrap();
        assert_eq!(copier.buffers.len(), 1);
        assert_eq!(copier.buffers[0].len(), expected * device.slot_size() as usize);
        assert!(copier.step(30).unwrap().done);
    }
}

#[test]
fn without_digests_there_are_none() {
    let world = World::large(1);
    let mut copier = world.copier(CopyOptions::default());
    assert!(copier.step(u32::MAX).unwrap().done);
    assert_eq!((copier.digest(0), copier.digest(99)), (None, None));
}

#[test]
fn foreign_counts_are_kept_and_counted() {
    let world = World::new(2, &[run("SRC001", 0, 3)], &[run("TGT001", 30, 3)]);
    let volume = world.volume("SRC001");
    let mut slot = volume.read_track(Track(1)).unwrap();
    slot[21..25].copy_from_slice(&[0, 77, 0, 7]);
    volume.volume.write(Track(1), &slot).unwrap();
    let mut copier = world.copier(options(1));
    copier.step(9).unwrap();
    assert_eq!(copier.totals().foreign_count, 1);
    let copied = world.volume("TGT001").read_track(Track(31)).unwrap();
    assert_eq!(copied[21..25], [0, 77, 0, 7]);
}

#[test]
fn volumes_that_do_not_fit_are_refused() {
    let world = World::large(1);
    let reason = |sources: &Volumes, targets: &Volumes| {
        Copier::new(world.table.clone(), sources, targets, options(1)).unwrap_err().reason()
    };
    let given = world.given();
    let mut lacking = given.clone();
    lacking.remove(&volser("TGT002"));
    assert_eq!(reason(&given, &lacking), Reason::NoSuchVolume);
    let mut mistaken = given.clone();
    mistaken.insert(volser("TGT002"), given[&volser("TGT001")].clone());
    assert_eq!(reason(&given, &mistaken), Reason::NoSuchVolume);
    let device = Device::named("3350").unwrap();
    let unlike = Geometry { device, cylinders: 9, slot_size: device.slot_size() };
    let volume = MemoryVolume::new(volser("TGT002"), unlike);
    let mut other = given.clone();
    other.insert(volser("TGT002"), Arc::new(volume));
    assert_eq!(reason(&given, &other), Reason::UnlikeDevices);
    world.volume("TGT002").seen.lock().read_only = true;
    assert_eq!(reason(&given, &given), Reason::ReadOnlyVolume);
}

#[test]
fn empty_tracks_are_written_over_a_run_and_nowhere_else() {
    for (first, count) in [(0, 0), (0, 1), (17, 45), (113, 1)] {
        let volume = Faulty::new("VOL001", 4);
        let extent = Extent::new(Track(first), count);
        write_empty(&*volume, extent, NullFormat::EndOfFile).unwrap();
        for track in (0..geometry().track_count()).map(Track) {
            let mut expected = content(4, volser("VOL001"), track, volume.place(track));
            if extent.contains(track) {
                NullFormat::EndOfFile.write(&mut expected, volume.place(track));
            }
            assert!(volume.read_track(track).unwrap() == expected, "{track:?}");
        }
        assert_eq!(volume.seen.lock().calls.get(&Op::Flush), None);
    }
    let volume = Faulty::new("VOL001", 4);
    let reason = |first, count, format| {
        write_empty(&*volume, Extent::new(Track(first), count), format).unwrap_err().reason()
    };
    assert_eq!(reason(113, 2, NullFormat::Empty), Reason::OutsideVolume);
    assert_eq!(reason(u32::MAX, 2, NullFormat::Empty), Reason::OutsideVolume);
    assert_eq!(reason(0, 1, NullFormat::Linux), Reason::BadRequest);
    volume.seen.lock().failing.insert((Op::Write, 2));
    let error = write_empty(&*volume, Extent::new(Track(1), 40), NullFormat::Empty).unwrap_err();
    assert_eq!((error.reason(), error.track()), (Reason::Io, Some(20)));
}

/// A world with one source volume and a subscription of its own, and an image that tells what it writes.
fn monitored() -> (World, crate::monitor::Subscription, crate::monitor::Image, Copier) {
    use crate::monitor::{Area, Identity, Image, Kind, Subscription};
    let world = World::new(17, &[run("SRC001", 10, 40)], &[run("TGT001", 20, 40)]);
    let source = world.volume("SRC001");
    let area = Area::in_process(Identity::of(source).unwrap()).unwrap();
    let image = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
    let subscription = Subscription::open(&area, [7, 7]).unwrap();
    let subscriptions = BTreeMap::from([(volser("SRC001"), subscription.clone())]);
    let copier = || {
        let volumes: Volumes = world
            .volumes
            .iter()
            .map(|(name, volume)| (*name, volume.clone() as Arc<dyn Volume>))
            .collect();
        Copier::monitored(world.table.clone(), &volumes, &volumes, &subscriptions, options(1))
    };
    // Nothing is copied before the tracks of the plan are filled in.
    assert_eq!(copier().unwrap_err().reason(), Reason::NotFilled);
    subscription.fill(&[Extent::new(Track(10), 40)]).unwrap();
    let copier = copier().unwrap();
    (world, subscription, image, copier)
}

#[test]
fn what_is_written_meanwhile_is_copied_again_and_nothing_else() {
    let (world, subscription, image, mut copier) = monitored();
    let source = world.volume("SRC001");
    let plan = [Extent::new(Track(10), 40)];
    copier.step(25).unwrap();
    assert_eq!(copier.left(), 15);
    // Ahead of the sweep: no second copy. Behind it: one more. Outside the plan: none.
    for track in [45, 12, 5] {
        let track = Track(track);
        let changed = content(99, volser("SRC001"), track, source.place(track));
        image
            .write(Extent::new(track, 1), || source.volume.write(track, &changed))
            .unwrap()
            .unwrap();
    }
    assert_eq!(copier.left(), 16);
    assert!(copier.step(100).unwrap().done);
    assert_eq!(copier.totals().track_count, 41);
    assert_eq!(subscription.look(&plan).unwrap(), None);
    for track in [45, 12] {
        let (target, to) = world.table.to_target(volser("SRC001"), Track(track)).unwrap();
        let target = &world.volumes[&target];
        let expected = content(99, volser("SRC001"), Track(track), target.place(to));
        assert!(target.seen.lock().durable[&to] == expected);
    }
}

#[test]
fn what_was_written_before_it_is_left_out_is_copied_all_the_same() {
    let (world, _, image, mut copier) = monitored();
    let source = world.volume("SRC001");
    let track = Track(45);
    let changed = content(99, volser("SRC001"), track, source.place(track));
    image.write(Extent::new(track, 1), || source.volume.write(track, &changed)).unwrap().unwrap();
    copier.leave_out(volser("SRC001"), Extent::new(Track(40), 10)).unwrap();
    assert_eq!(copier.left(), 31, "tracks 10 to 39, and 45");
    assert!(copier.step(100).unwrap().done);
    let (target, to) = world.table.to_target(volser("SRC001"), track).unwrap();
    let target = &world.volumes[&target];
    let expected = content(99, volser("SRC001"), track, target.place(to));
    assert!(target.seen.lock().durable[&to] == expected);
}

#[test]
fn a_track_that_does_not_check_while_it_is_written_is_no_error() {
    let (world, _, image, mut copier) = monitored();
    let source = world.volume("SRC001");
    let (track, whole) = (Track(33), source.read_track(Track(33)).unwrap());
    let mut torn = whole.clone();
    torn[9] = 99;
    let begun = image.begin(Extent::new(track, 1)).unwrap();
    source.volume.write(track, &torn).unwrap();
    let progress = copier.step(100).unwrap();
    assert_eq!((progress.left, progress.done, progress.torn), (1, false, 1));
    source.volume.write(track, &whole).unwrap();
    image.end(begun);
    assert!(copier.step(100).unwrap().done);
    // The same track, when nobody writes it, is damaged.
    copier.retake(volser("SRC001"), Extent::new(track, 1)).unwrap();
    source.volume.write(track, &torn).unwrap();
    assert_eq!(copier.step(100).unwrap_err().track(), Some(33));
}

#[test]
fn a_table_that_changes_again_and_again_lets_every_pass_end() {
    let (mut world, subscription, image, mut copier) = monitored();
    let volumes = world.given();
    for round in 0..20_u32 {
        // The first tracks are written again and again, and each step finds another table.
        let source = world.volume("SRC001");
        let hot = Extent::new(Track(10), 4);
        let again = || source.volume.write(hot.first, &source.volume.read_track(hot.first)?);
        image.write(hot, again).unwrap().unwrap();
        copier.step(5).unwrap();
        let track_count = 40 - round % 2;
        let (source, target) = ([run("SRC001", 10, track_count)], [run("TGT001", 20, track_count)]);
        if track_count == 40 {
            subscription.add(&[Extent::new(Track(49), 1)]).unwrap();
        }
        let table = TranslateTable::new(TranslateTable::map(&source, &target).unwrap()).unwrap();
        world.table = table.clone();
        copier =
            copier.with_table(table, &volumes, &volumes, &BTreeMap::new(), options(1)).unwrap();
    }
    assert!(copier.pass_count() >= 2, "{} passes ended", copier.pass_count());
    assert!(copier.left() <= 5, "{} tracks wait for their turn", copier.left());
    world.assert_durable(&copier);
}
