//! The promise that not one write is lost: processes write at full speed through monitored volumes while their data sets
//! are mirrored, each keeps its own record of what was acknowledged, and at the end the target holds all of it.
//!
//! The writers are the command's `demo-writer`, the judge is its `demo-check`, which knows nothing of monitors.
//!
//! `TRACKMIRROR_SEEDS=N` tries N seeds (80 by default), `TRACKMIRROR_SEED=K` the one that a failure names (both: N from
//! K on).

#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "live_writers/allocator.rs"]
mod allocator;
#[path = "live_writers/chaos.rs"]
mod chaos;
#[path = "live_writers/judge.rs"]
mod judge;
#[path = "live_writers/migrator.rs"]
mod migrator;
#[path = "live_writers/mirror.rs"]
mod mirror;
mod support;
#[path = "live_writers/world.rs"]
mod world;
#[path = "live_writers/writer.rs"]
mod writer;

use chaos::Lead;
use judge::judge;
use migrator::Orders;
use mirror::Mirror;
use std::time::Duration;
use trackmirror::geometry::Track;
use trackmirror::track;
use trackmirror::volume::VolumeExt;
use world::{Random, World};
use writer::{Habits, Process};

/// The command leads it.
struct TheCommand;

impl Lead for TheCommand {
    fn start(&self, world: &World, orders: &Orders) -> Process {
        world.migrator(orders)
    }

    fn close_now(&self, world: &World) -> Option<Process> {
        Some(Process::start(world.command("close-now").arg("--state").arg(world.state())))
    }
}

/// Two writers on some data sets.
fn habits(random: &mut Random, count: usize) -> Vec<Habits> {
    let habits = (0..count).map(|number| Habits {
        image: format!("W{}", number + 1),
        share: (number, count),
        seed: random.next(),
        threads: random.between(1, 3),
        rate: 0,
        hot: random.below(4),
        run: random.between(1, 4),
        reopen: false,
        unlisted: false,
        slow: None,
        vary: false,
    });
    habits.collect()
}

/// A world whose writers have written all tracks once, and write on.
fn busy_world(seed: u64) -> (World, Vec<Habits>, Vec<Process>) {
    let mut random = Random(seed);
    let world = World::new(&mut random);
    let habits = habits(&mut random, 2);
    let mut writers: Vec<Process> = habits.iter().map(|habits| world.writer(habits)).collect();
    writers.iter_mut().for_each(|writer| writer.hear("filled"));
    (world, habits, writers)
}

/// A world that was mirrored, closed and copied to the end, without mistake.
fn mirrored_world(seed: u64) -> (World, Vec<Habits>, Mirror) {
    let (world, habits, mut writers) = busy_world(seed);
    let mut mirror = Mirror::new(&world);
    mirror.copy_for(Duration::from_millis(300));
    mirror.close(true);
    mirror.finish();
    for writer in &mut writers {
        assert_eq!(writer.wait(), 0, "{:#?}", writer.said());
        writer.hear("asked to close by the mirror of a test");
    }
    (world, habits, mirror)
}

#[test]
fn every_acknowledged_write_is_in_a_mirror() {
    for seed in 0..5 {
        let (world, habits, mirror) = mirrored_world(seed);
        drop(mirror);
        let (code, said) = judge(&world, &habits, &world.targets[..1], &world.sources, false);
        assert_eq!(code, 0, "seed {seed}: {said}");
    }
}

#[test]
fn lost_marks_are_found() {
    let (world, habits, writers) = busy_world(11);
    let mut mirror = Mirror::new(&world);
    mirror.copy_for(Duration::from_millis(200));
    while mirror.copier.left() < 10 {
        std::thread::yield_now();
    }
    mirror.close(false);
    mirror.forget();
    mirror.finish();
    drop(mirror);
    drop(writers);
    let (code, said) = judge(&world, &habits, &world.targets[..1], &world.sources, false);
    assert!(code == 8 && said.contains("holds the older write"), "{code} {said}");
}

#[test]
fn a_window_without_close_and_seal_is_found() {
    let (world, habits, mut writers) = busy_world(12);
    let mut mirror = Mirror::new(&world);
    mirror.copy_for(Duration::from_millis(200));
    drop(mirror);
    std::thread::sleep(Duration::from_millis(50));
    for writer in &mut writers {
        writer.end_input();
        assert_eq!(writer.wait(), 0);
    }
    let (code, said) = judge(&world, &habits, &world.targets[..1], &world.sources, false);
    assert!(code == 8 && said.contains("holds the older write"), "{code} {said}");
}

/// Damages one track of a mirror as it likes, and sees that just this is found.
fn plant(damage: impl Fn(&Mirror, Track, Track), words: &[&str]) {
    let (world, habits, mirror) = mirrored_world(21);
    let target = mirror.table.entries()[0].targets[0].1;
    damage(&mirror, target.first, target.first.plus(1));
    drop(mirror);
    let (code, said) = judge(&world, &habits, &world.targets[..1], &world.sources, false);
    assert_eq!(code, 8, "{said}");
    for word in words {
        assert!(said.contains(word), "'{word}' is missing: {said}");
    }
    assert_eq!(said.matches("LOST").count(), 1, "{said}");
}

#[test]
fn a_torn_track_is_found() {
    let tear = |mirror: &Mirror, track: Track, other: Track| {
        let volume = mirror.targets.values().next().unwrap();
        let mut slot = volume.read_track(track).unwrap();
        let mut donor = volume.read_track(other).unwrap();
        track::relocate(&mut donor, volume.place(other), volume.place(track)).unwrap();
        let middle = slot.len() / 2;
        slot[middle..].copy_from_slice(&donor[middle..]);
        volume.write(track, &slot).unwrap();
    };
    // Where it was torn within a block, no other block tells of it.
    plant(tear, &["track 0 ", "torn"]);
}

#[test]
fn a_misplaced_track_is_found() {
    let misplace = |mirror: &Mirror, track: Track, other: Track| {
        let volume = mirror.targets.values().next().unwrap();
        let mut slot = volume.read_track(other).unwrap();
        track::relocate(&mut slot, volume.place(other), volume.place(track)).unwrap();
        volume.write(track, &slot).unwrap();
    };
    plant(misplace, &["track 0 ", "of track 1, torn or damaged"]);
}

#[test]
fn one_wrong_byte_is_found() {
    let spoil = |mirror: &Mirror, track: Track, _: Track| {
        let volume = mirror.targets.values().next().unwrap();
        let mut slot = volume.read_track(track).unwrap();
        let last = track::records(&slot).last().unwrap().unwrap().data_range().end - 1;
        slot[last] ^= 1;
        volume.write(track, &slot).unwrap();
    };
    plant(spoil, &["track 0 ", "torn or damaged"]);
}

#[test]
fn a_track_that_was_never_copied_is_found() {
    let empty = |mirror: &Mirror, track: Track, _: Track| {
        let volume = mirror.targets.values().next().unwrap();
        let mut slot = vec![0; volume.slot_size()];
        track::NullFormat::Empty.write(&mut slot, volume.place(track));
        volume.write(track, &slot).unwrap();
    };
    plant(empty, &["track 0 ", "it holds nothing"]);
}

/// A number from the environment.
fn from_environment(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

#[test]
fn nothing_is_lost_whoever_is_killed_and_when() {
    let (first, count) =
        (from_environment("TRACKMIRROR_SEED"), from_environment("TRACKMIRROR_SEEDS"));
    let first_seed = first.unwrap_or(0);
    let seeds = first_seed..first_seed + count.unwrap_or(if first.is_some() { 1 } else { 80 });
    let mut seen = chaos::Seen::default();
    let begun = std::time::Instant::now();
    for seed in seeds.clone() {
        let told = std::panic::catch_unwind(|| chaos::run(seed, &TheCommand));
        match told {
            Ok(told) => seen.add(&told),
            Err(panic) => {
                eprintln!(
                    "seed {seed} failed; to repeat it: TRACKMIRROR_SEED={seed} cargo test --test live_writers nothing_is_lost"
                );
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{} seeds in {:.1} s: {seen}", seeds.end - seeds.start, begun.elapsed().as_secs_f64());
}

#[test]
fn the_demonstration_proves_itself() {
    let folder = support::folder();
    let mut demo = support::trackmirror();
    let output = demo.args(["--json", "demo", "--dir", "demo"]).current_dir(folder.path());
    let output = output.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let proof = &answer["result"]["proof"];
    let number = |name: &str| proof[name].as_u64().unwrap();
    assert_eq!((number("track_count"), number("written_track_count")), (153, 153), "{proof}");
    assert_eq!((number("present_count"), number("violation_count")), (number("done_count"), 0));
    assert!(number("done_count") > 153, "{proof}");
}
