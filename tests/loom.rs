//! The flow of a change, in every order of execution that the memory model of the language allows.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --test loom
//! ```
//!
//! The very files of the library are built here on atomics that know what every thread may see. A track is one more
//! such word: writes of data are as little ordered as can be, so that all order comes from the monitors.
#![cfg(loom)]
#![allow(dead_code)]

mod sync {
    pub use loom::sync::atomic::{AtomicU64, Ordering, fence};
}
#[path = "../src/changed/shared.rs"]
mod bits;
#[path = "../src/monitor/flow.rs"]
mod flow;
#[path = "../src/monitor/layout.rs"]
mod layout;

use flow::{Flow, Kind, Refusal, Standing};
use layout::{Map, Shape, header, image};
use loom::thread;
use std::sync::Arc;
use sync::{AtomicU64, Ordering};

const SEAT: (usize, u64) = (0, 1);

/// An area with an image and, unless told otherwise, an active subscription; and two tracks.
struct World {
    shape: Shape,
    words: Vec<AtomicU64>,
    tracks: [AtomicU64; 2],
}

impl World {
    fn new(active: bool, changed: u64, taken: u64) -> World {
        let shape = Shape::with(2, 1, 1, 1).unwrap();
        let words: Vec<_> = (0..shape.word_count()).map(|_| AtomicU64::new(0)).collect();
        let world = World { shape, words, tracks: [AtomicU64::new(0), AtomicU64::new(0)] };
        let flow = world.flow();
        let state = Standing::Attached.word(SEAT.1);
        flow.image(0, image::STATE).store(state, Ordering::Relaxed);
        flow.image(0, image::KIND).store(Kind::Brackets as u64, Ordering::Relaxed);
        flow.header(header::ACTIVE).store(u64::from(active), Ordering::Relaxed);
        flow.map(0, Map::Changed).set_word(0, changed);
        flow.map(0, Map::Taken).set_word(0, taken);
        world
    }

    fn flow(&self) -> Flow<'_> {
        Flow::new(&self.words, &self.shape).unwrap()
    }

    /// A write of one track, all of it.
    fn write(&self, track: u32, value: u64) -> Result<(), Refusal> {
        let begun = self.flow().begin(SEAT, (track, 1), 0, 0)?;
        self.tracks[track as usize].store(value, Ordering::Relaxed);
        self.flow().end(begun);
        Ok(())
    }

    /// One batch of both tracks, up to the target's flush.
    fn copy(&self, target: &mut [u64; 2]) {
        let mut snapshot = [0];
        self.flow().take(0, 0, 2, &mut snapshot);
        for track in (0..2).filter(|track| snapshot[0] & 1 << track != 0) {
            target[track] = self.tracks[track].load(Ordering::Relaxed);
        }
        self.flow().done(0, 0, &snapshot);
    }

    /// The look of the window: slots, changed, taken.
    fn is_quiet(&self) -> bool {
        let flow = self.flow();
        let quiet = flow.in_flight().next().is_none();
        let fence = || sync::fence(Ordering::SeqCst);
        fence();
        let quiet = quiet && flow.map(0, Map::Changed).word(0) == 0;
        fence();
        quiet && flow.map(0, Map::Taken).word(0) == 0
    }

    /// What must hold when nobody runs any more: each track is at the target, or is work.
    fn assert_nothing_lost(&self, target: [u64; 2]) {
        let flow = self.flow();
        let left = flow.map(0, Map::Changed).word(0) | flow.map(0, Map::Taken).word(0);
        for track in 0..2 {
            let now = self.tracks[track].load(Ordering::Relaxed);
            let is_work = left & 1 << track != 0;
            assert!(is_work || target[track] == now, "track {track} was lost");
        }
    }
}

/// Two threads more than the one of the test explode; two are enough for every pair of steps.
fn explore(world: fn() -> World, run: fn(Arc<World>)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(move || run(Arc::new(world())));
}

#[test]
fn a_write_beside_a_copy_is_copied_or_is_work() {
    explore(
        || World::new(true, 0b01, 0),
        |world| {
            let writer = thread::spawn({
                let world = world.clone();
                move || (0..2).for_each(|track| world.write(track, 1).unwrap())
            });
            let mut target = [0; 2];
            world.copy(&mut target);
            writer.join().unwrap();
            world.assert_nothing_lost(target);
        },
    );
}

#[test]
fn a_second_write_of_a_marked_track_is_copied_or_is_work() {
    explore(
        || World::new(true, 0b01, 0),
        |world| {
            let writer = thread::spawn({
                let world = world.clone();
                move || (1..3).for_each(|value| world.write(0, value).unwrap())
            });
            let mut target = [0; 2];
            (0..2).for_each(|_| world.copy(&mut target));
            writer.join().unwrap();
            world.assert_nothing_lost(target);
        },
    );
}

#[test]
fn at_every_moment_a_change_is_in_one_of_the_maps() {
    explore(
        || World::new(true, 0b01, 0),
        |world| {
            let observer = thread::spawn({
                let world = world.clone();
                move || world.is_quiet()
            });
            world.flow().take(0, 0, 2, &mut [0]);
            // The track is not copied yet, so nobody may find the window quiet.
            assert!(!observer.join().unwrap());
        },
    );
}

#[test]
fn a_quiet_window_stays_quiet() {
    explore(
        || World::new(true, 0, 0),
        |world| {
            let writer = thread::spawn({
                let world = world.clone();
                move || world.write(0, 1).is_ok()
            });
            world.flow().seal(0, 0, 2);
            let mut target = [0; 2];
            world.copy(&mut target);
            let quiet = world.is_quiet();
            let written = writer.join().unwrap();
            let now = world.tracks[0].load(Ordering::Relaxed);
            assert_eq!(now, u64::from(written));
            assert!(!quiet || target[0] == now, "the window was closed before the last write");
            world.assert_nothing_lost(target);
        },
    );
}

#[test]
fn a_write_around_the_activation_is_waited_for_or_marked() {
    explore(
        || World::new(false, 0, 0),
        |world| {
            let writer = thread::spawn({
                let world = world.clone();
                move || (1..3).for_each(|value| world.write(0, value).unwrap())
            });
            let flow = world.flow();
            flow.activate(0);
            let pending: Vec<_> = flow.in_flight().collect();
            if pending.iter().all(|write| flow.has_ended(write)) {
                flow.map(0, Map::Taken).set_word(0, 0b11);
                let mut target = [0; 2];
                world.copy(&mut target);
                writer.join().unwrap();
                world.assert_nothing_lost(target);
            } else {
                writer.join().unwrap();
            }
        },
    );
}

#[test]
fn a_retired_image_writes_no_more_or_is_found() {
    explore(
        || World::new(true, 0, 0),
        |world| {
            let writer = thread::spawn({
                let world = world.clone();
                move || {
                    let begun = world.flow().begin(SEAT, (0, 1), 0, 0).ok();
                    // It stops inside its write; that it cannot write any more is the operator's word.
                    begun.map(|begun| std::mem::forget(begun)).is_some()
                }
            });
            let flow = world.flow();
            let retired = Standing::Retired.word(SEAT.1);
            flow.image(0, image::STATE).store(retired, Ordering::SeqCst);
            sync::fence(Ordering::SeqCst);
            flow.reap(0);
            let marked = flow.map(0, Map::Changed).word(0) & 1 != 0;
            assert!(!writer.join().unwrap() || marked, "a write began unseen");
        },
    );
}

#[test]
fn writes_without_a_slot_are_seen_too() {
    explore(
        || World::new(true, 0, 0),
        |world| {
            let other = world.flow().begin(SEAT, (1, 1), 0, 0).unwrap();
            let writer = thread::spawn({
                let world = world.clone();
                move || world.write(0, 1).is_ok()
            });
            world.flow().seal(0, 0, 1);
            let in_flight = world.flow().in_flight().any(|write| write.slot.is_none());
            sync::fence(Ordering::SeqCst);
            let changed = world.flow().map(0, Map::Changed).word(0) & 1 != 0;
            let written = writer.join().unwrap();
            assert!(
                !written || in_flight || changed,
                "the window was closed before the last write"
            );
            world.flow().end(other);
        },
    );
}
