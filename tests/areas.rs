//! Monitor areas between real processes: no mark is lost, the dead are told from the stopped, names and seals hold, and
//! whatever an area's file contains, nothing breaks.
//!
//! The other processes are this test program once more, started with [`ROLE`] in its environment: each test of
//! a role begins with `role()`, does what its role is and says so line by line on its output.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::player::Player;
use support::{assert_refused, folder, made};
use trackmirror::Reason;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{
    Area, Identity, Image, ImageReport, Kind, MonitoredVolume, NotQuiet, Standing, Subscription,
};
use trackmirror::volume::{Access, Volume, ckd::CkdVolume};

const ROLE: &str = "TRACKMIRROR_TEST_ROLE";
const TRACKS: u32 = 10_000;
const MIGRATION: [u64; 2] = [7, 11];

fn identity() -> Identity {
    Identity { track_count: TRACKS, heads: 30, device: 1, inode: 2, ..Identity::unknown() }
}

fn area(folder: &Path) -> Area {
    Area::open_in(folder, identity()).unwrap()
}

fn extent(first: u32, count: u32) -> Extent {
    Extent::new(Track(first), count)
}

fn all() -> Extent {
    extent(0, TRACKS)
}

fn filled(area: &Area) -> Subscription {
    let subscription = Subscription::open(area, MIGRATION).unwrap();
    wait_for(|| subscription.pending_write().unwrap().is_none());
    subscription.fill(&[]).unwrap();
    subscription
}

fn report(area: &Area, name: &str) -> ImageReport {
    area.images().into_iter().find(|image| image.name == name).expect("it registered")
}

/// Waits for what takes a moment: that the kernel has taken a dead process apart.
#[track_caller]
fn wait_for(mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < until, "it never came to that");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Another process that plays a role.
fn player(role: &str, folder: &Path) -> Player {
    let mut command = support::itself();
    command.args(["--exact", "a_role_of_another_process", "--nocapture", "--test-threads=1"]);
    Player::start(command.env(ROLE, format!("{role} {}", folder.display())))
}

fn say(line: impl std::fmt::Display) {
    println!("@{line}");
}

fn heard() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim().into()
}

/// Numbers that differ with the seed.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_role_of_another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, folder) = role.split_once(' ').unwrap();
    let folder = PathBuf::from(folder);
    let area = area(&folder);
    match role {
        "in-flight" => {
            let image = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
            let _begun = image.begin(extent(100, 3)).unwrap();
            let _other = image.begin(extent(4000, 1)).unwrap();
            say("writing");
            heard();
        }
        "without-slots" => {
            let image = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
            let _begun: Vec<_> = (0..65).map(|_| image.begin(extent(5, 1)).unwrap()).collect();
            say("writing");
            heard();
        }
        "idle" => {
            let image = Image::register(&area, "WRITER", Kind::Brackets);
            say(image.as_ref().map_or_else(|e| format!("{:?}", e.reason()), |_| "in".into()));
            heard();
        }
        "completions" => {
            let image = Image::register(&area, "WRITER", Kind::Completions).unwrap();
            image.note(extent(9, 1)).unwrap();
            say("in");
            heard();
        }
        "sealed" => {
            let image = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
            say("in");
            while let line = heard()
                && !line.is_empty()
            {
                let track = line.parse().unwrap();
                match image.begin(extent(track, 2)) {
                    Ok(begun) => {
                        image.end(begun);
                        say("written");
                    }
                    Err(error) => say(error),
                }
            }
        }
        "owner" => {
            let subscription = filled(&area);
            subscription.add(&[extent(50, 4)]).unwrap();
            let _batch = subscription.take(extent(50, 2)).unwrap();
            subscription.seal(&[extent(50, 4)]).unwrap();
            say("filled");
            heard();
        }
        "marks" => {
            let image = Image::register(&area, &format!("P{}", std::process::id()), Kind::Brackets);
            let image = image.unwrap();
            say("in");
            heard();
            let (folder, image) = (&folder, &image);
            let counts = std::thread::scope(|scope| {
                let threads: Vec<_> = (1..=3)
                    .map(|thread| scope.spawn(move || hammer(folder, image, thread)))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
            });
            say(counts);
        }
        "fork" => {
            let image = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
            let begun = image.begin(extent(33, 1)).unwrap();
            // SAFETY: the child uses nothing that another thread may have locked but the allocator, which forks well.
            match unsafe { libc::fork() } {
                0 => {
                    let refused = image.begin(extent(44, 1)).map_err(|error| error.reason());
                    // Neither the end of the parent's write nor the parent's farewell is the child's.
                    image.end(begun);
                    drop(image);
                    let own = Image::register(&area, "CHILD", Kind::Brackets).unwrap();
                    own.write(extent(55, 1), || ()).unwrap();
                    let right = refused == Err(Reason::ImageDetached);
                    // SAFETY: it ends the child at once, without what the test's threads would do.
                    unsafe { libc::_exit(i32::from(!right)) };
                }
                child => {
                    let mut status = -1;
                    // SAFETY: it writes one number, where it was told to.
                    unsafe { libc::waitpid(child, &raw mut status, 0) };
                    say(status);
                    heard();
                    image.end(begun);
                    say("ended");
                    heard();
                }
            }
        }
        "thread-ends" => {
            let image = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| drop(image.begin(extent(77, 1)).unwrap())).join().unwrap();
                scope.spawn(|| drop(image.begin_unbound(extent(88, 1)).unwrap())).join().unwrap();
            });
            let _own = image.begin(extent(99, 1)).unwrap();
            say("writing");
            heard();
        }
        "volume" => {
            let path = folder.join("image");
            let volume = Arc::new(CkdVolume::open(&path, Access::MonitoredWrite).unwrap());
            let area = Area::open_in(&folder, Identity::of(&*volume).unwrap()).unwrap();
            let volume = MonitoredVolume::attach_in(volume, &area, "WRITER").unwrap();
            say("in");
            while let line = heard()
                && !line.is_empty()
            {
                let mut slot = vec![0; volume.geometry().slot_size as usize];
                let track = Track(line.parse().unwrap());
                volume.read(track, &mut slot).unwrap();
                match volume.write(track, &slot) {
                    Ok(()) => say("written"),
                    Err(error) => say(error),
                }
            }
        }
        other => panic!("no role {other}"),
    }
}

/// What one thread does in `no_mark_is_lost`: for each write it raises the track's number in a file, inside a bracket.
/// The number on a track only grows, so whoever reads an older one after the last write was told has lost a write.
fn hammer(folder: &Path, image: &Image, thread: u64) -> u64 {
    let file = File::options().read(true).write(true).open(folder.join("tracks")).unwrap();
    let mut state = thread << 32 | u64::from(std::process::id());
    let (begin, mut count) = (Instant::now(), 0u64);
    while begin.elapsed() < Duration::from_secs(3) {
        for _ in 0..64 {
            // Few tracks, so that writer and copier often meet at the same one.
            let track = (random(&mut state) % 190) as u32;
            let length = 1 + (random(&mut state) % 3) as u32;
            let value = random(&mut state).to_ne_bytes();
            let begun = image.begin(extent(track, length)).unwrap();
            let value = value.repeat(length as usize);
            file.write_all_at(&value, u64::from(track) * 8).unwrap();
            image.end(begun);
            count += 1;
        }
    }
    count
}

#[test]
fn no_mark_is_lost() {
    let folder = folder();
    let tracks = folder.path().join("tracks");
    fs::write(&tracks, vec![0; TRACKS as usize * 8]).unwrap();
    let area = area(folder.path());
    let mut players = [player("marks", folder.path()), player("marks", folder.path())];
    players.iter_mut().for_each(|player| assert_eq!(player.hear(), "in"));
    let plan = extent(0, 200);
    let subscription = filled(&area);
    subscription.add(&[plan]).unwrap();
    let source = File::open(&tracks).unwrap();
    let mut target = vec![0; 200 * 8];
    let mut copied = 0u64;
    let copy = |target: &mut Vec<u8>, copied: &mut u64| {
        let mut from = plan;
        while let Some(run) = subscription.next_work(from, 7).unwrap() {
            let batch = subscription.take(run).unwrap();
            for run in batch.runs() {
                let range = run.first.0 as usize * 8..run.end().0 as usize * 8;
                source.read_exact_at(&mut target[range.clone()], range.start as u64).unwrap();
                *copied += u64::from(run.track_count);
            }
            batch.done();
            from = extent(run.end().0, plan.end().0 - run.end().0);
        }
    };
    players.iter_mut().for_each(|player| player.tell("go"));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(3) {
        copy(&mut target, &mut copied);
    }
    let written: u64 = players.iter_mut().map(|player| player.hear().parse::<u64>().unwrap()).sum();
    // The final resynchronization. It ends, since nobody writes any more.
    while let Some(found) = subscription.look(&[plan]).unwrap() {
        assert!(matches!(found, NotQuiet::Changed { .. }), "{found}");
        copy(&mut target, &mut copied);
    }
    let mut now = vec![0; 200 * 8];
    source.read_exact_at(&mut now, 0).unwrap();
    assert!(target == now, "a write was lost ({written} writes, {copied} copies)");
    println!("{written} writes, {copied} copies");
    assert!(written > 1000 && copied > 200, "{written} writes, {copied} copies");
}

#[test]
fn what_a_killed_image_had_in_flight_is_changed() {
    let folder = folder();
    let area = area(folder.path());
    let subscription = filled(&area);
    let mut player = player("in-flight", folder.path());
    player.hear();
    let image = report(&area, "WRITER");
    assert_eq!((image.standing, image.slots_in_use), (Standing::Attached, 2));
    assert_eq!(image.process, u64::from(player.process.id()));
    let found = subscription.look(&[extent(101, 1)]).unwrap().unwrap();
    assert_eq!(found.to_string(), "image WRITER is writing 3 tracks from track 100 on");
    assert_eq!(subscription.look(&[extent(103, 1)]).unwrap(), None, "nobody writes there");
    assert!(area.reap().unwrap().is_empty(), "it lives");
    assert_eq!(subscription.changed_count(all()).unwrap(), 0);

    player.kill();
    assert_eq!(report(&area, "WRITER").standing, Standing::Dead);
    let dead = area.reap().unwrap();
    assert_eq!((dead.len(), dead[0].0.as_str(), dead[0].1.write_count), (1, "WRITER", 2));
    assert!(!dead[0].1.all_changed);
    let run = subscription.next_work(all(), 100).unwrap();
    assert_eq!((run, subscription.left_count(all()).unwrap()), (Some(extent(100, 3)), 4));
    assert!(area.reap().unwrap().is_empty(), "one death is told once");
    assert_eq!(report(&area, "WRITER").slots_in_use, 0);
}

#[test]
fn a_restart_under_the_same_name_takes_over_what_was_in_flight() {
    let folder = folder();
    let area = area(folder.path());
    let subscription = filled(&area);
    let mut first = player("in-flight", folder.path());
    first.hear();
    let mut second = player("idle", folder.path());
    assert_eq!(second.hear(), "ImageExists");
    assert_refused(
        Image::register(&area, "WRITER", Kind::Brackets),
        Reason::ImageExists,
        &[&first.process.id().to_string()],
    );
    let before = report(&area, "WRITER").incarnation;
    first.kill();
    let mut third = player("idle", folder.path());
    assert_eq!(third.hear(), "in");
    assert!(report(&area, "WRITER").incarnation > before);
    assert_eq!(area.images().len(), 1);
    assert_eq!(subscription.left_count(all()).unwrap(), 4);
    // A name that is misspelt is told beside those that are right.
    let words = ["WIRTER is not registered", "registered are: WRITER"];
    assert_refused(area.check_coverage(&["WIRTER"]), Reason::NotCovered, &words);
    // It ends in peace.
    third.tell("");
    third.process.wait().unwrap();
    assert_eq!(report(&area, "WRITER").standing, Standing::Farewell);
    assert!(area.reap().unwrap().is_empty());
    assert_refused(area.check_coverage(&["WRITER"]), Reason::NotCovered, &["WRITER", "has ended"]);
}

#[test]
fn a_stopped_image_is_not_dead_and_keeps_the_window_shut() {
    let folder = folder();
    let area = area(folder.path());
    let subscription = filled(&area);
    let mut player = player("in-flight", folder.path());
    player.hear();
    player.signal("STOP");
    for _ in 0..20 {
        assert!(area.reap().unwrap().is_empty());
        assert!(subscription.look(&[extent(100, 1)]).unwrap().is_some());
    }
    assert_eq!(report(&area, "WRITER").standing, Standing::Attached);
    assert_refused(
        Image::register(&area, "WRITER", Kind::Brackets),
        Reason::ImageExists,
        &["is alive"],
    );
    // The operator's word ends it: what was in flight is changed, and another may have the name.
    let reaped = area.retire("WRITER").unwrap();
    assert_eq!((reaped.write_count, reaped.all_changed), (2, false));
    assert_eq!(subscription.left_count(all()).unwrap(), 4);
    let again = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
    again.write(extent(1, 1), || ()).unwrap();
    player.signal("CONT");
    player.tell("");
    player.process.wait().unwrap();
    assert_eq!(area.images().len(), 2);
    assert!(area.check_coverage(&["WRITER"]).is_ok());
}

#[test]
fn writes_without_slots_and_completions_mean_all_is_changed() {
    for role in ["without-slots", "completions"] {
        let folder = folder();
        let area = area(folder.path());
        let subscription = filled(&area);
        let mut player = player(role, folder.path());
        player.hear();
        if role == "without-slots" {
            assert_eq!(report(&area, "WRITER").writes_without_slot, 1);
            assert_eq!(
                subscription.in_flight(&[extent(9000, 1)]).unwrap().unwrap().to_string(),
                "image WRITER is writing somewhere on the volume"
            );
        }
        player.kill();
        let dead = area.reap().unwrap();
        assert!(dead[0].1.all_changed, "{role}");
        assert_eq!(subscription.left_count(all()).unwrap(), TRACKS);
    }
}

#[test]
fn a_thread_that_ended_inside_its_write_frees_its_slot() {
    let folder = folder();
    let area = area(folder.path());
    let subscription = filled(&area);
    let mut player = player("thread-ends", folder.path());
    player.hear();
    assert!(area.reap().unwrap().is_empty());
    // The write that any thread may end, and that of the thread that lives, are left alone.
    assert_eq!(subscription.next_work(all(), 9).unwrap(), Some(extent(77, 1)));
    assert_eq!(subscription.left_count(all()).unwrap(), 1);
    assert_eq!(report(&area, "WRITER").slots_in_use, 2);
}

#[test]
fn a_fork_registers_itself_and_leaves_its_parent_alone() {
    let folder = folder();
    let area = area(folder.path());
    let subscription = filled(&area);
    let mut player = player("fork", folder.path());
    assert_eq!(player.hear(), "0");
    assert_eq!(report(&area, "CHILD").standing, Standing::Dead);
    let parent = report(&area, "WRITER");
    assert_eq!((parent.standing, parent.slots_in_use), (Standing::Attached, 1));
    assert_eq!(area.reap().unwrap().len(), 1);
    assert_eq!(report(&area, "WRITER").standing, Standing::Attached);
    assert_eq!(subscription.next_work(all(), 9).unwrap(), Some(extent(55, 1)));
    assert_eq!(subscription.left_count(all()).unwrap(), 1);
    player.tell("");
    assert_eq!(player.hear(), "ended");
    assert_eq!(subscription.left_count(all()).unwrap(), 2);
}

/// The layout that other programs rely on, word by word: the golden file is of an area of 10,000 tracks with one image,
/// which has written, was refused and is writing, and one subscription, which has marks, work and a seal.
#[test]
fn everything_lies_where_the_layout_says() {
    let folder = folder();
    let known = Identity { device_code: 0x90, volser: *b"VOLSER", ..identity() };
    let area = Area::open_in(folder.path(), known).unwrap();
    let subscription = Subscription::open(&area, MIGRATION).unwrap();
    subscription.fill(&[extent(64, 2)]).unwrap();
    subscription.seal(&[extent(0, 1)]).unwrap();
    let image = Image::register(&area, "ABCDEFGHIJ", Kind::Brackets).unwrap();
    image.write(extent(130, 1), || ()).unwrap();
    assert!(image.begin(extent(0, 2)).is_err());
    let _begun = image.begin_unbound(extent(5, 3)).unwrap();
    let bytes = fs::read(area.path().unwrap()).unwrap();
    let words: Vec<u64> =
        bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    let [id, boot] = [area.id(), area.boot()];
    assert_eq!(words[3..7], [id[0], id[1], boot[0], boot[1]]);
    assert_eq!(words.len(), 17_088 + 24 * 160);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/areas/layout-1.txt");
    let golden = fs::read_to_string(&golden).unwrap();
    let rule = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let expected: Vec<&str> = golden.lines().filter(rule).collect();
    assert_eq!(golden_words(&words), expected, "the layout of version 1 never changes");
}

/// Every word that is not zero, by its number; of those that differ from run to run the number alone. Which slot a thread
/// takes is its own affair, so that words of the first image's slots are numbered within their slot.
fn golden_words(words: &[u64]) -> Vec<String> {
    const SLOTS: std::ops::Range<usize> = 576..576 + 64 * 8;
    // The ids of area and boot; process, its namespace and its sign of life; the owner, and since when.
    const VARYING: [usize; 9] = [3, 4, 5, 6, 69, 70, 73, 16_963, 16_964];
    let set = words.iter().enumerate().filter(|(_, word)| **word != 0);
    set.map(|(index, word)| match index {
        _ if VARYING.contains(&index) => format!("{index} varies"),
        _ if SLOTS.contains(&index) => format!("slot {} {word:016x}", (index - 576) % 8),
        _ => format!("{index} {word:016x}"),
    })
    .collect()
}

#[test]
fn seals_refuse_in_every_process_and_name_the_culprit() {
    let folder = folder();
    let area = area(folder.path());
    let subscription = filled(&area);
    let mut player = player("sealed", folder.path());
    player.hear();
    let mut write = |track: u32| {
        player.tell(&track.to_string());
        player.hear()
    };
    assert_eq!(write(500), "written");
    subscription.seal(&[extent(500, 10), extent(700, 1)]).unwrap();
    assert!(write(508).contains("image WRITER must not write here"));
    assert!(write(499).contains("track 500 (16/20)"));
    assert_eq!(write(510), "written");
    assert!(write(699).contains("track 700"));
    let image = report(&area, "WRITER");
    assert_eq!((image.refused_count, image.last_refused), (3, Some(Track(700))));
    assert_eq!(image.slots_in_use, 0, "what is refused is not in flight");
    let batch = subscription.take(extent(500, 10)).unwrap();
    assert_eq!(batch.runs().collect::<Vec<_>>(), [extent(500, 2)]);
    batch.done();
    assert_eq!(subscription.look(&[extent(500, 10)]).unwrap(), None);
    assert_eq!(
        subscription.look(&[extent(511, 1)]).unwrap(),
        Some(NotQuiet::Changed { track: Track(511), image: Some("WRITER".into()) })
    );
    subscription.unseal();
    assert_eq!(write(508), "written");
    // The end of the subscription opens what it had sealed.
    subscription.seal(&[extent(500, 10)]).unwrap();
    subscription.close();
    assert_eq!(write(508), "written");
    assert!(area.subscriptions().is_empty());
}

#[test]
fn a_subscription_outlives_its_process_and_has_one_owner() {
    let folder = folder();
    let area = area(folder.path());
    let mut player = player("owner", folder.path());
    player.hear();
    assert_refused(
        Subscription::open(&area, MIGRATION),
        Reason::SubscriptionInUse,
        &["another process"],
    );
    assert!(area.subscriptions()[0].is_owned);
    assert_refused(
        area.drop_subscription(MIGRATION),
        Reason::SubscriptionInUse,
        &["living process"],
    );
    player.kill();
    let report = area.subscriptions()[0];
    assert!(!report.is_owned && report.migration == MIGRATION, "{report:?}");
    let image = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
    image.write(extent(8000, 1), || ()).unwrap();
    assert_refused(image.begin(extent(53, 1)), Reason::VolumeSealed, &["WRITER"]);

    let subscription = Subscription::open(&area, MIGRATION).unwrap();
    assert!(subscription.is_filled());
    assert_eq!(subscription.left_count(all()).unwrap(), 5, "nothing of it was lost");
    assert_eq!(subscription.take(extent(50, 2)).unwrap().track_count(), 2, "no batch is out");
    subscription.unseal();
    image.write(extent(53, 1), || ()).unwrap();
    // Another migration is another subscription; an abandoned one can be dropped.
    let other = Subscription::open(&area, [1, 1]).unwrap();
    assert_eq!(area.subscriptions().len(), 2);
    drop(other);
    area.drop_subscription([1, 1]).unwrap();
    assert_refused(area.drop_subscription([1, 1]), Reason::BadRequest, &["no such subscription"]);
    let many: Vec<_> = (2..9).map(|n| Subscription::open(&area, [n, n]).unwrap()).collect();
    assert_refused(
        Subscription::open(&area, [9, 9]),
        Reason::TooManySubscriptions,
        &["complete or terminate one"],
    );
    image.write(extent(1234, 1), || ()).unwrap();
    for one in many.iter().chain([&subscription]) {
        assert_eq!(one.changed_count(extent(1234, 1)).unwrap(), 1, "all hear of each write");
    }
}

#[test]
fn copying_starts_when_every_write_begun_before_has_ended() {
    let folder = folder();
    let area = area(folder.path());
    let mut player = player("in-flight", folder.path());
    player.hear();
    let image = Image::register(&area, "OTHER", Kind::Brackets).unwrap();
    let begun = image.begin(extent(10, 1)).unwrap();
    let subscription = Subscription::open(&area, MIGRATION).unwrap();
    image.end(begun);
    // The same slot with the same track again: it began after the subscription.
    let again = image.begin(extent(10, 1)).unwrap();
    let pending = subscription.pending_write().unwrap().expect("it is writing");
    assert!(matches!(&pending, NotQuiet::InFlight { image, .. } if image == "WRITER"));
    // Which of its two writes is named depends on the slots that its thread got.
    assert_refused(subscription.fill(&[all()]), Reason::NotFilled, &["image WRITER is writing"]);
    assert!(!subscription.is_filled());
    player.kill();
    wait_for(|| subscription.pending_write().unwrap().is_none());
    subscription.fill(&[extent(0, 50)]).unwrap();
    assert_eq!(subscription.left_count(extent(0, 50)).unwrap(), 50);
    image.end(again);
}

#[test]
fn a_silent_image_keeps_the_window_shut_until_it_is_back_or_retired() {
    let folder = folder();
    let area = area(folder.path());
    let subscription = filled(&area);
    let image = Image::register(&area, "FAR", Kind::Remote).unwrap();
    assert!(area.check_coverage(&["FAR"]).is_ok());
    area.set_silent("FAR").unwrap();
    assert_eq!(subscription.changed_count(all()).unwrap(), TRACKS);
    subscription.clear_marks(all()).unwrap();
    let silent = Some(NotQuiet::Silent { image: "FAR".into() });
    assert_eq!(subscription.look(&[extent(1, 1)]).unwrap(), silent);
    assert_refused(area.check_coverage::<&str>(&[]), Reason::NotCovered, &["FAR", "silent"]);
    area.set_back("FAR").unwrap();
    assert_eq!(subscription.clear_marks(all()).unwrap(), TRACKS);
    assert_eq!(subscription.look(&[all()]).unwrap(), None);
    // Its connection ends: nobody knows.
    drop(image);
    let image = Image::register(&area, "FAR", Kind::Remote).unwrap();
    std::mem::forget(image);
    area.set_silent("FAR").unwrap();
    area.retire("FAR").unwrap();
    assert_eq!(subscription.clear_marks(all()).unwrap(), TRACKS);
    assert_eq!(subscription.look(&[all()]).unwrap(), None);
    assert_refused(area.retire("FAR"), Reason::NoSuchImage, &["FAR"]);
}

#[test]
fn what_a_silent_image_wrote_before_its_end_nobody_knows() {
    let folder = folder();
    let area = area(folder.path());
    let subscription = filled(&area);
    // It ends, or the operator retires it: in silence it told nothing, though it can tell when its writes begin.
    for is_retired in [false, true] {
        let image = Image::register(&area, "NEAR", Kind::Brackets).unwrap();
        area.set_silent("NEAR").unwrap();
        subscription.clear_marks(all()).unwrap();
        if is_retired {
            assert!(area.retire("NEAR").unwrap().all_changed);
        }
        drop(image);
        assert_eq!(subscription.clear_marks(all()).unwrap(), TRACKS);
    }
}

#[test]
fn an_area_of_another_boot_is_made_anew() {
    let folder = folder();
    let old = area(folder.path());
    let (id, path) = (old.id(), old.path().unwrap().to_path_buf());
    let subscription = filled(&old);
    assert_eq!(area(folder.path()).id(), id, "it is the same while the machine runs");
    drop(subscription);
    // Word 5 is the boot.
    support::patch(&path, 5 * 8, &[0x55; 8]);
    let new = area(folder.path());
    assert_ne!(new.id(), id);
    assert_ne!(new.boot()[0], 0x5555_5555_5555_5555);
    assert!(new.subscriptions().is_empty(), "to every migration all is changed");
    // Who still has the old one cannot get a place in it any more.
    assert_refused(Image::register(&old, "LATE", Kind::Brackets), Reason::AreaBusy, &["again"]);
    assert_refused(Subscription::open(&old, [3, 3]), Reason::AreaBusy, &["again"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn many_that_come_at_once_find_one_area() {
    for round in 0..20 {
        let folder = folder();
        if round % 2 == 1 {
            let path = area(folder.path()).path().unwrap().to_path_buf();
            support::patch(&path, 5 * 8, &[0x55; 8]);
        }
        let ids = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|number| {
                    let path = folder.path();
                    scope.spawn(move || {
                        let area = area(path);
                        let image =
                            Image::register(&area, &format!("I{number}"), Kind::Brackets).unwrap();
                        (area.id(), image)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(ids.iter().all(|(id, _)| *id == ids[0].0));
        assert_eq!(area(folder.path()).images().len(), 6);
    }
}

#[test]
fn an_area_belongs_to_one_volume() {
    let folder = folder();
    let first = area(folder.path());
    let path = first.path().unwrap().to_path_buf();
    assert_eq!(path.file_name().unwrap(), "area-1-2");
    let mode = fs::metadata(&path).unwrap();
    assert_eq!(
        (mode.mode() & 0o777, mode.len()),
        (0o600, Area::byte_count(TRACKS).unwrap() as u64)
    );
    assert!(mode.blocks() * 512 >= mode.len(), "its space is there");
    let other = Identity { volser: [0xC1; 6], track_count: 20_000, ..identity() };
    let image = Image::register(&first, "WRITER", Kind::Brackets).unwrap();
    assert_refused(
        Area::open_in(folder.path(), other),
        Reason::AreaForeign,
        &["in use", "another volume"],
    );
    drop(image);
    // Nobody is there: another volume now lies under this inode.
    assert_eq!(Area::open_in(folder.path(), other).unwrap().identity().track_count, 20_000);
    let known = Identity { volser: [0; 6], ..other };
    assert_eq!(Area::open_in(folder.path(), known).unwrap().identity().volser, [0xC1; 6]);
    assert_refused(
        Area::open_in(folder.path(), Identity { track_count: 0, ..identity() }),
        Reason::AreaDamaged,
        &["0 tracks"],
    );
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
    assert!(Area::open_in(folder.path(), identity()).is_err(), "no link is followed");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_refused(Area::open_in(folder.path(), identity()), Reason::Io, &["everybody"]);
}

#[test]
fn a_track_outside_the_volume_is_an_error_and_never_ignored() {
    let area = Area::in_process(identity()).unwrap();
    let subscription = filled(&area);
    let image = Image::register(&area, "WRITER", Kind::Completions).unwrap();
    for wrong in [extent(TRACKS, 1), extent(TRACKS - 1, 2), extent(u32::MAX, u32::MAX)] {
        assert_refused(image.begin(wrong), Reason::OutsideVolume, &["beyond"]);
        assert_refused(image.begin_unbound(wrong), Reason::OutsideVolume, &["beyond"]);
        assert_refused(image.note(wrong), Reason::OutsideVolume, &["beyond"]);
        assert_refused(subscription.take(wrong), Reason::OutsideVolume, &["beyond"]);
        assert_refused(subscription.next_work(wrong, 1), Reason::OutsideVolume, &["beyond"]);
        assert_refused(subscription.left_count(wrong), Reason::OutsideVolume, &["beyond"]);
        assert_refused(subscription.add(&[wrong]), Reason::OutsideVolume, &["beyond"]);
        assert_refused(subscription.seal(&[wrong]), Reason::OutsideVolume, &["beyond"]);
        assert_refused(subscription.look(&[wrong]), Reason::OutsideVolume, &["beyond"]);
        assert_refused(subscription.clear_marks(wrong), Reason::OutsideVolume, &["beyond"]);
    }
    assert_eq!(subscription.left_count(all()).unwrap(), 0);
    assert_eq!(report(&area, "WRITER").slots_in_use, 0);
}

#[test]
fn a_monitored_volume_tells_each_write_and_refuses_what_is_sealed() {
    let folder = folder();
    let image = made(folder.path(), "image", "3330", 5);
    let volume = CkdVolume::open(&image, Access::Read).unwrap();
    let identity = Identity::of(&volume).unwrap();
    let area = Area::open_in(folder.path(), identity).unwrap();
    let all = extent(0, identity.track_count);
    let subscription = filled(&area);
    let mut player = player("volume", folder.path());
    player.hear();
    player.tell("17");
    assert_eq!(player.hear(), "written");
    assert_eq!(subscription.next_work(all, 5).unwrap(), Some(extent(17, 1)));
    subscription.seal(&[extent(20, 3)]).unwrap();
    player.tell("21");
    assert!(player.hear().starts_with("volume MADE01, track 21 (1/2): image WRITER"));
    assert!(area.unregistered_writers(&image).unwrap().is_empty());
    player.tell("19");
    assert_eq!(player.hear(), "written");
    assert_eq!(subscription.left_count(all).unwrap(), 2);
    let stranger = File::options().write(true).open(&image).unwrap();
    let _child = Command::new("sleep").arg("60").stdout(stranger).spawn().map(Sleeper).unwrap();
    // A child that another test starts just now has the file, too, until it runs its program.
    let until = Instant::now() + Duration::from_secs(10);
    let mut writers = area.unregistered_writers(&image).unwrap();
    while writers.len() > 1 && Instant::now() < until {
        writers = area.unregistered_writers(&image).unwrap();
    }
    assert_eq!(writers.len(), 1, "{writers:?}");
    assert_eq!(writers[0].program, "sleep");
}

struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn one_track_is_in_one_batch_at_a_time() {
    let area = Area::in_process(identity()).unwrap();
    let subscription = filled(&area);
    subscription.add(&[extent(60, 100)]).unwrap();
    let first = subscription.take(extent(60, 10)).unwrap();
    let far = subscription.take(extent(80, 10)).unwrap();
    for overlapping in [extent(60, 1), extent(69, 2), extent(50, 100), extent(75, 6)] {
        assert_refused(subscription.take(overlapping), Reason::TrackInBatch, &["second time"]);
    }
    assert_eq!(subscription.next_work(all(), 50).unwrap(), Some(extent(70, 10)));
    assert_eq!(subscription.next_work(extent(81, 100), 50).unwrap(), Some(extent(90, 50)));
    drop(first);
    assert_eq!(
        subscription.next_work(all(), 50).unwrap(),
        Some(extent(60, 20)),
        "it is work again"
    );
    far.done();
    assert_eq!(subscription.left_count(all()).unwrap(), 90);
    let odd = subscription.take(extent(63, 66)).unwrap();
    assert_eq!(odd.runs().collect::<Vec<_>>(), [extent(63, 17), extent(90, 39)]);
    assert_eq!(odd.track_count(), 56);
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    /// Everything that can be done with an area, whatever it holds. Errors are welcome, panics and endless loops not.
    fn exercise(folder: &Path) {
        let Ok(area) = Area::open_in(folder, Identity { track_count: 300, ..identity() }) else {
            return;
        };
        let extents = [extent(0, 300), extent(64, 1)];
        let _ = (area.images(), area.subscriptions(), area.check_coverage(&["A"]));
        let _ = area.reap();
        let _ = (area.set_silent("A"), area.set_back("A"), area.retire("A"));
        for kind in [Kind::Brackets, Kind::Completions, Kind::Remote] {
            if let Ok(image) = Image::register(&area, "A", kind) {
                let _ = image.write(extents[1], || ());
                let _ = image.note(extents[0]);
            }
        }
        if let Ok(subscription) = Subscription::open(&area, MIGRATION) {
            let _ = subscription.fill(&extents);
            let _ = subscription.look(&extents);
            let _ = subscription.seal(&extents);
            let _ = subscription.next_work(extents[0], 7);
            if let Ok(batch) = subscription.take(extents[0]) {
                let _ = batch.runs().count();
                batch.done();
            }
            subscription.all_changed();
            subscription.close();
        }
        let _ = area.drop_subscription(MIGRATION);
    }

    fn word() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            0..20u64,
            Just(u64::MAX),
            Just(1 << 63),
            (0..9u64, any::<u64>()).prop_map(|(state, rest)| rest << 8 | state),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
        #[test]
        fn whatever_an_area_holds_nothing_breaks(
            head in prop::collection::vec((0..64usize, word()), 0..3),
            records in prop::collection::vec((64..600usize, word()), 0..60),
            body in prop::collection::vec((600..17_300usize, word()), 0..200),
            length in prop::option::weighted(0.2, 0..150_000u64),
        ) {
            let folder = folder();
            let path = {
                let identity = Identity { track_count: 300, ..identity() };
                let area = Area::open_in(folder.path(), identity).unwrap();
                let _ = Image::register(&area, "A", Kind::Brackets).unwrap();
                area.path().unwrap().to_path_buf()
            };
            let file = File::options().write(true).open(&path).unwrap();
            for (word, value) in head.into_iter().chain(records).chain(body) {
                file.write_all_at(&value.to_ne_bytes(), word as u64 * 8).unwrap();
            }
            if let Some(length) = length {
                file.set_len(length).unwrap();
            }
            exercise(folder.path());
        }
    }

    #[test]
    fn every_word_of_the_header_may_be_anything() {
        for word in 0..20 {
            for value in [0, 1, 299, 301, 1 << 16, 1 << 32, 1 << 62, u64::MAX] {
                let folder = folder();
                let identity = Identity { track_count: 300, ..identity() };
                let area = Area::open_in(folder.path(), identity).unwrap();
                support::patch(area.path().unwrap(), word * 8, &u64::to_ne_bytes(value));
                exercise(folder.path());
            }
        }
    }

    #[test]
    fn a_foreign_byte_order_is_told() {
        let folder = folder();
        let path = area(folder.path()).path().unwrap().to_path_buf();
        let mut bytes = fs::read(&path).unwrap();
        bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|word| word.reverse());
        support::patch(&path, 0, &bytes);
        assert_refused(
            Area::open_in(folder.path(), identity()),
            Reason::AreaByteOrder,
            &["the other byte order", "area-1-2", "remove it"],
        );
        assert_eq!(fs::read(&path).unwrap(), bytes, "it is left as it was");
    }
}
