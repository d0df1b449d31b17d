//! The promise: a volume that another machine writes is read past every cache of this one, and a volume that cannot be
//! read so is refused, with the reason.
//!
//! Two loop devices over one file are the machines (see `support::loops`). What goes through the cache of one of them is
//! shown to be old there, so that the tests would see it if reading past the caches did not do what it says.

#![cfg(all(target_os = "linux", feature = "cli"))]

#[path = "past_caches/command.rs"]
mod command;
#[path = "past_caches/refusals.rs"]
mod refusals;
mod support;

use proptest::prelude::*;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use support::loops::Loop;
use support::{assert_refused, made, refusal, volser};
use trackmirror::Reason;
use trackmirror::geometry::Track;
use trackmirror::monitor::{Area, Identity, MonitoredVolume};
use trackmirror::track;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Access, Volume, VolumeExt, open, open_past_caches};

/// Rounds of each test with two machines. The system may take something out of a cache at any moment, so that what is
/// old there is asked of one round, and what is new past it of all.
const ROUNDS: u8 = 8;
const TRACK: Track = Track(20);

/// A run of tracks with this number in each of them.
fn tracks(volume: &dyn Volume, first: Track, count: u32, number: u8) -> Vec<u8> {
    let slot_size = volume.slot_size();
    let mut run = vec![0; count as usize * slot_size];
    for (slot, track) in run.chunks_mut(slot_size).zip(first.0..) {
        let data = [number; 4000];
        track::build(slot, volume.place(Track(track)), &[(b"", &data), (b"", &data)]).unwrap();
    }
    run
}

fn read(volume: &dyn Volume, first: Track, count: usize) -> Vec<u8> {
    let mut run = vec![0xEE; count * volume.slot_size()];
    volume.read(first, &mut run).unwrap();
    run
}

/// Machine B writes by `write`; machine A, which has read the tracks before, must read them past its caches as they are
/// now. Through its cache it reads old ones.
fn what_b_writes_is_read_by_a(b: Arc<dyn Volume>, a: &Loop, write: impl Fn(&dyn Volume, &[u8])) {
    let past = open_past_caches(a.device(), Access::Read).unwrap();
    let cached = open(a.device(), Access::Read).unwrap();
    assert!(past.is_past_caches() && !cached.is_past_caches());
    let mut old_count = 0;
    for number in 1..=ROUNDS {
        let new = tracks(&*b, TRACK, 4, number);
        let (known, known_past) = (read(&*cached, TRACK, 4), read(&*past, TRACK, 4));
        assert!(known != new && known_past != new, "A has not read it before it is written");
        write(&*b, &new);
        assert!(read(&*past, TRACK, 4) == new, "A sees write {number} past its caches");
        old_count += u8::from(read(&*cached, TRACK, 4) == known);
    }
    assert!(old_count > 0, "the cache of A was never old, so this test cannot see a loss");
}

#[test]
fn what_another_machine_wrote_past_its_caches_is_read() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3390", 3);
    let (a, b) = Loop::two_machines(&image);
    let volume = open_past_caches(b.device(), Access::Exclusive).unwrap();
    what_b_writes_is_read_by_a(volume, &a, |b, run| b.write(TRACK, run).unwrap());
}

#[test]
fn what_another_machine_wrote_through_its_caches_and_flushed_is_read() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3390", 3);
    let (a, b) = Loop::two_machines(&image);
    let volume = open(b.device(), Access::Exclusive).unwrap();
    what_b_writes_is_read_by_a(volume, &a, |b, run| {
        b.write(TRACK, run).unwrap();
        b.flush().unwrap();
    });
}

#[test]
fn who_only_reads_brings_to_the_medium_what_others_wrote_on_his_machine() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3390", 3);
    for past_caches in [false, true] {
        let (a, b) = Loop::two_machines(&image);
        let (writer, agent) = (open(b.device(), Access::MonitoredWrite).unwrap(), b.device());
        let agent = match past_caches {
            true => open_past_caches(agent, Access::Read).unwrap(),
            false => open(agent, Access::Read).unwrap(),
        };
        let past = open_past_caches(a.device(), Access::Read).unwrap();
        let mut unseen_count = 0;
        for number in 1..=ROUNDS {
            let new = tracks(&*writer, TRACK, 4, number + 100 * u8::from(past_caches));
            writer.write(TRACK, &new).unwrap();
            unseen_count += u8::from(read(&*past, TRACK, 4) != new);
            agent.flush().unwrap();
            assert!(read(&*past, TRACK, 4) == new, "A sees write {number} when it was flushed");
        }
        assert!(unseen_count > 0, "nothing had to be flushed, so this test cannot see a loss");
    }
}

#[test]
fn past_the_caches_is_read_what_programs_of_this_machine_hold_in_them() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3390", 3);
    let device = Loop::attach(&image, 512);
    for path in [&image, device.device()] {
        let cached = open(path, Access::MonitoredWrite).unwrap();
        let past = open_past_caches(path, Access::MonitoredWrite).unwrap();
        for number in 1..=ROUNDS {
            let (writer, reader) =
                if number % 2 == 0 { (&cached, &past) } else { (&past, &cached) };
            let new = tracks(&**writer, TRACK, 3, number);
            writer.write(TRACK, &new).unwrap();
            assert!(read(&**reader, TRACK, 3) == new, "write {number} on {}", path.display());
        }
    }
}

#[test]
fn machines_that_write_neighbouring_tracks_past_their_caches_do_not_disturb_each_other() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3390", 3);
    let (a, b) = Loop::two_machines(&image);
    let machines = [a, b].map(|machine| {
        let volume = open_past_caches(machine.device(), Access::MonitoredWrite).unwrap();
        (machine, volume)
    });
    let write = |index: usize| {
        let volume = &machines[index].1;
        for number in 1..=50 {
            for track in (0..30).filter(|track| track % 2 == index as u32) {
                volume
                    .write(Track(track + 1), &tracks(&**volume, Track(track + 1), 1, number))
                    .unwrap();
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|index| drop(scope.spawn(move || write(index)))));
    for (_, volume) in &machines {
        assert!(read(&**volume, Track(1), 30) == tracks(&**volume, Track(1), 30, 50));
    }
}

#[test]
fn a_monitored_volume_is_past_caches_if_what_it_stands_around_is() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3390", 2);
    let device = Loop::attach(&image, 512);
    for path in [&image, device.device()] {
        for past_caches in [true, false] {
            let volume = match past_caches {
                true => open_past_caches(path, Access::MonitoredWrite).unwrap(),
                false => open(path, Access::MonitoredWrite).unwrap(),
            };
            let area = Area::in_process(Identity::of(&*volume).unwrap()).unwrap();
            let monitored = MonitoredVolume::attach_in(volume, &area, "ONE").unwrap();
            assert_eq!(monitored.is_past_caches(), past_caches);
        }
    }
    let memory = MemoryVolume::new(volser("MEM001"), support::geometry("3390", 1));
    assert!(!memory.is_past_caches());
    assert!(memory.past_caches().is_past_caches());
}

// Volumes on block devices.

/// Another name for a block device.
fn another_name(device: &Path, folder: &Path) -> PathBuf {
    let node = folder.join("node");
    let number = fs::metadata(device).unwrap().rdev();
    let [major, minor] = [libc::major(number), libc::minor(number)].map(|part| part.to_string());
    support::tool("mknod", [node.to_str().unwrap(), "b", &major, &minor]);
    node
}

/// A process that holds a device open for writing until it is dropped.
struct Writer(Child);

impl Writer {
    fn of(device: &Path) -> Writer {
        let mut child = Command::new("sh")
            .args(["-c", "exec 3<>\"$0\"; echo open; read -r end", device.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "open\n");
        Writer(child)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_block_device_is_locked_and_looked_through_as_a_file_is() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3350", 4);
    let device = Loop::attach(&image, 512);
    let path = device.device();
    let volume = open(path, Access::Exclusive).unwrap();
    assert_eq!(volume.geometry().cylinders, 4);
    assert_eq!(volume.volser(), volser("MADE01"));
    assert_refused(open(path, Access::Read), Reason::VolumeInUse, &["in use by"]);
    volume.share().unwrap();
    drop(open(path, Access::MonitoredWrite).unwrap());
    drop(volume);

    // The same device by another name.
    let node = another_name(path, folder.path());
    let both = trackmirror::volume::open_all(&[path, &node], Access::Read);
    assert_refused(both, Reason::SameFileTwice, &["are the same file"]);
    for name in [path, &node] {
        let writer = Writer::of(name);
        let process = writer.0.id().to_string();
        for access in [Access::Exclusive, Access::MonitoredWrite] {
            assert_refused(open(path, access), Reason::VolumeInUse, &["program sh", &process]);
        }
        let found = trackmirror::volume::locks::other_writers(path).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        drop(open(path, Access::Read).unwrap());
    }
    drop(open(path, Access::Exclusive).unwrap());
}

#[test]
fn who_has_a_device_open_by_another_name_is_a_stranger_even_if_he_locks_it() {
    let folder = support::folder();
    let image = command::made_with_data_set(folder.path());
    let device = Loop::attach(&image, 512);
    let node = another_name(device.device(), folder.path());
    let mut other = command::start_writer(&node, folder.path(), "A", "0/1", false);
    other.hear("writing on");
    let error = refusal(open(device.device(), Access::Exclusive));
    assert_eq!(error.reason(), Reason::VolumeInUse, "{error}");
    assert!(error.to_string().contains(&other.id().to_string()), "{error}");
    drop(other);
    drop(open(device.device(), Access::Exclusive).unwrap());
}

// The same, whichever way it goes.

/// One operation on a volume.
#[derive(Clone, Debug)]
enum Step {
    /// First track, tracks, what is in them, where the buffer begins in its memory.
    Write(u32, u32, u8, usize),
    Read(u32, u32, usize),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let run = || (0u32..60, 1u32..40, 0usize..3);
    let step = prop_oneof![
        (run(), any::<u8>())
            .prop_map(|((first, count, at), number)| Step::Write(first, count, number, at)),
        run().prop_map(|(first, count, at)| Step::Read(first, count, at)),
        Just(Step::Flush),
    ];
    proptest::collection::vec(step, 1..12)
}

/// Memory that begins `at` bytes behind a multiple of 4,096, or at one.
fn memory(length: usize, at: usize) -> (Vec<u8>, std::ops::Range<usize>) {
    let memory = vec![0xEE; length + 8192];
    let start = memory.as_ptr().addr().wrapping_neg() % 4096 + [0, 512, 7][at];
    (memory, start..start + length)
}

/// What a step gives: the bytes, or the reason and the track of the refusal.
fn done(volume: &dyn Volume, step: &Step) -> Result<Vec<u8>, (Reason, Option<u32>)> {
    let length = |count: u32| count as usize * volume.slot_size();
    let result = match *step {
        Step::Write(first, count, number, at) => {
            let (mut memory, range) = memory(length(count), at);
            let bytes = (0u32..).map(|n| number.wrapping_add((n / 7) as u8));
            memory[range.clone()].iter_mut().zip(bytes).for_each(|(byte, value)| *byte = value);
            volume.write(Track(first), &memory[range]).map(|()| Vec::new())
        }
        Step::Read(first, count, at) => {
            let (mut memory, range) = memory(length(count), at);
            let result = volume.read(Track(first), &mut memory[range.clone()]);
            result.map(|()| memory[range].to_vec())
        }
        Step::Flush => volume.flush().map(|()| Vec::new()),
    };
    result.map_err(|error| (error.reason(), error.track()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whole_operations_are_the_same_past_the_caches_and_through_them(steps in steps()) {
        let folder = support::folder();
        let paths = ["past.ckd", "cached.ckd"].map(|name| made(folder.path(), name, "3350", 2));
        let past = open_past_caches(&paths[0], Access::Exclusive).unwrap();
        let cached = open(&paths[1], Access::Exclusive).unwrap();
        for step in &steps {
            prop_assert!(done(&*past, step) == done(&*cached, step), "{:?}", step);
        }
        past.flush().unwrap();
        let [past, cached] = paths.map(|path| fs::read(path).unwrap());
        prop_assert!(past == cached);
    }
}

/// The system's calls that this thread has made for reading and for writing.
fn calls() -> (u64, u64) {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap();
    let of = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim().parse().unwrap()
    };
    (of("syscr:"), of("syscw:"))
}

#[test]
fn a_run_is_one_operation_of_the_system() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3390", 3);
    let device = Loop::attach(&image, 512);
    let counted = |work: &dyn Fn()| {
        let before = calls();
        work();
        let after = calls();
        (after.0 - before.0, after.1 - before.1)
    };
    let idle = counted(&|| ());
    for path in [&image, device.device()] {
        let volume = open_past_caches(path, Access::Exclusive).unwrap();
        let run = tracks(&*volume, Track(1), 40, 1);
        let writing = counted(&|| volume.write(Track(1), &run).unwrap());
        assert_eq!((writing.0 - idle.0, writing.1 - idle.1), (0, 1));
        let reading = counted(&|| drop(read(&*volume, Track(1), 40)));
        assert_eq!((reading.0 - idle.0, reading.1 - idle.1), (1, 0));
    }
}

#[test]
fn several_threads_use_a_volume_past_the_caches_at_once() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3350", 4);
    let volume = open_past_caches(&image, Access::Exclusive).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let volume = &volume;
            scope.spawn(move || {
                for number in 0..40 {
                    let (first, count) = (Track(thread * 30), 1 + (u32::from(number) * 7) % 30);
                    let new = tracks(&**volume, first, count, number);
                    volume.write(first, &new).unwrap();
                    assert!(read(&**volume, first, count as usize) == new);
                }
            });
        }
    });
}

#[test]
fn an_image_that_was_cut_is_an_error_at_its_track() {
    let folder = support::folder();
    let slot_size = u64::from(support::geometry("3350", 2).slot_size);
    // In the middle of a sector, at the end of one, and at the end of a track.
    for cut in [1000, 1024, slot_size, slot_size - 1] {
        let image = made(folder.path(), &format!("image{cut}.ckd"), "3350", 2);
        let volumes =
            [open_past_caches(&image, Access::Read).unwrap(), open(&image, Access::Read).unwrap()];
        let file = File::options().write(true).open(&image).unwrap();
        file.set_len(512 + 20 * slot_size + cut).unwrap();
        let errors = volumes.map(|volume| {
            let mut run = vec![0; 5 * volume.slot_size()];
            let error = refusal(volume.read(Track(18), &mut run));
            // What is before the cut can still be read.
            assert!(volume.read(Track(18), &mut run[..2 * volume.slot_size()]).is_ok());
            error
        });
        for error in errors {
            assert_eq!(error.reason(), Reason::Io, "{error}");
            assert_eq!(error.track(), Some(20 + (cut / slot_size) as u32), "{error}");
            assert!(error.to_string().contains("it was cut after it was opened"), "{error}");
        }
    }
}

#[test]
fn an_image_that_ends_in_its_header_or_in_a_sector_is_refused() {
    let folder = support::folder();
    for (length, reason) in [
        (0, Reason::NotAnImage),
        (511, Reason::NotAnImage),
        (512, Reason::BadSize),
        (600, Reason::BadSize),
        (512 + 30 * 19_456 + 1, Reason::BadSize),
    ] {
        let image = made(folder.path(), &format!("image{length}.ckd"), "3350", 2);
        File::options().write(true).open(&image).unwrap().set_len(length).unwrap();
        assert_refused(open_past_caches(&image, Access::Read), reason, &["ends here"]);
    }
    let image = made(folder.path(), "other.ckd", "3350", 2);
    let file = File::options().write(true).open(&image).unwrap();
    file.write_all_at(b"CKD_X370", 0).unwrap();
    assert_refused(open_past_caches(&image, Access::Read), Reason::NotAnImage, &["is not the id"]);
}
