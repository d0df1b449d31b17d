//! How much is copied, and how fast: not much more than what changed, not faster than asked for, and what is written again
//! and again not until the end.

use crate::memory::{Between, Memory, numbered, to};
use crate::stage::write;
use crate::world::volser;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use trackmirror::migrate::{Goal, Migration, MoveOptions};
use trackmirror::pace::Pace;
use trackmirror::plan::Mode;
use trackmirror::state::{State, Verb};

const TRACKS: u32 = 600;
const FIRST: u32 = 30;

fn with_data_set() -> (Memory, trackmirror::DsName) {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 50);
    let name = memory.data_set("TEST.DATA", &[("OLD001", &[(FIRST, TRACKS)])], |_, _| {});
    (memory, name)
}

fn random(state: &mut u64) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as u32
}

/// Moves the data set under a load of some writes between two steps of fifty tracks, and closes as soon as it is
/// mirrored.
fn moved_under(load: impl Fn(&mut u64) -> u32) {
    let (memory, name) = with_data_set();
    let written: Arc<Mutex<BTreeSet<u32>>> = Arc::default();
    let host = memory.host(|inner| match inner.volser() == volser("NEW001") {
        true => {
            let written = written.clone();
            Between::writes(inner, move |first, count| {
                written.lock().extend(first.0..first.0 + count);
                Ok(())
            })
        }
        false => inner,
    });
    let mut migration =
        memory.begin_on(host, &["TEST.**"], Mode::OnePrimary, MoveOptions::default());
    migration.set_goal(Goal::Tracks(25));
    to(&mut migration, State::Copying);
    let target = memory.find(name, "NEW001").unwrap().extents[0].first.0;
    let writer = memory.writer("OLD001", "SYSA");
    let (mut state, mut number, mut changed, mut changes) = (7, 10_000, BTreeSet::new(), vec![]);
    while migration.state() == State::Copying {
        migration.step(50).unwrap();
        for _ in 0..6 {
            let place = load(&mut state);
            number += 1;
            write(&writer, FIRST + place, number).unwrap();
            changes.push((place as usize, number));
            if written.lock().contains(&(target + place)) {
                changed.insert(place);
            }
        }
        assert!(changes.len() < 1000, "it does not converge");
    }
    to(&mut migration, State::Complete);
    let copied = migration.receipt().copied_tracks;
    let due = u64::from(TRACKS) + changed.len() as u64;
    eprintln!("{copied} copied, {} changed behind their first copy", changed.len());
    assert!(changed.len() > 20);
    assert!(copied * 10 <= due * 11, "{copied} tracks were copied, and {due} are due");
    assert_eq!(memory.numbers(name).1, numbered(TRACKS.into(), &changes));
}

#[test]
fn little_more_is_copied_than_what_changed_anywhere() {
    moved_under(|state| random(state) % TRACKS);
}

#[test]
fn little_more_is_copied_than_what_changed_mostly_in_one_place() {
    moved_under(|state| {
        let is_hot = !random(state).is_multiple_of(10);
        if is_hot { 100 + random(state) % (TRACKS / 10) } else { random(state) % TRACKS }
    });
}

#[test]
fn what_is_written_again_and_again_waits_for_the_end() {
    let (memory, name) = with_data_set();
    let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, MoveOptions::default());
    migration.set_goal(Goal::Tracks(20));
    to(&mut migration, State::Mirrored);
    let writer = memory.writer("OLD001", "SYSA");
    let before = migration.receipt().copied_tracks;
    for round in 0..50 {
        for place in 0..10 {
            write(&writer, FIRST + place, 5000 + round).unwrap();
        }
        // And a cold one.
        write(&writer, FIRST + 100 + round as u32, 7000).unwrap();
        migration.step(100).unwrap();
        assert!(round == 0 || migration.pause() > Duration::ZERO);
    }
    let copied = migration.receipt().copied_tracks - before;
    assert!((50..=90).contains(&copied), "{copied} tracks were copied");
    to(&mut migration, State::Complete);
    let mut changes: Vec<(usize, u64)> = (0..10).map(|place| (place, 5049)).collect();
    changes.extend((0..50).map(|round| (100 + round, 7000)));
    assert_eq!(memory.numbers(name).1, numbered(TRACKS.into(), &changes));
}

/// Steps until it is mirrored, waiting as long as it is told: for how long.
fn time_of(memory: &Memory, migration: &mut Migration, steps: u32) -> Duration {
    let mut time = Duration::ZERO;
    for _ in 0..steps {
        if migration.state() != State::Copying {
            break;
        }
        migration.step(1000).unwrap();
        memory.watch.wait(migration.pause());
        time += migration.pause();
    }
    time
}

#[test]
fn the_pace_is_kept_and_may_be_changed_while_it_copies() {
    let (memory, _) = with_data_set();
    let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, MoveOptions::default());
    to(&mut migration, State::Copying);
    migration.set_pace(Pace::Tracks { per_second: 50 });
    let time = time_of(&memory, &mut migration, 20);
    let copied = migration.receipt().copied_tracks as f64;
    let rate = copied / time.as_secs_f64();
    assert!((30.0..=75.0).contains(&rate), "{rate} tracks in a second: {copied} in {time:?}");
    assert_eq!(migration.state(), State::Copying);
    migration.set_pace(Pace::Unlimited);
    let time = time_of(&memory, &mut migration, 20);
    assert_eq!((migration.state(), time), (State::Mirrored, Duration::ZERO));
    // In the window there is no pace.
    migration.set_pace(Pace::Tracks { per_second: 1 });
    let writer = memory.writer("OLD001", "SYSA");
    (0..40).for_each(|place| write(&writer, FIRST + place, 3).unwrap());
    to(&mut migration, State::Quiesced);
    assert_eq!(migration.next_verb(), Some(Verb::Step));
    migration.step(1000).unwrap();
    assert_eq!(migration.next_verb(), Some(Verb::Switch));
}

#[test]
fn a_goal_of_tracks_or_of_time_is_where_it_is_mirrored() {
    for (goal, most) in [(Goal::Tracks(30), 30), (Goal::Tracks(0), 0), (Goal::Millis(5000), 600)] {
        let (memory, _) = with_data_set();
        let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, MoveOptions::default());
        migration.set_goal(goal);
        to(&mut migration, State::Copying);
        let writer = memory.writer("OLD001", "SYSA");
        let mut turn = 0;
        while migration.state() == State::Copying {
            turn += 1;
            assert!(turn < 200, "{goal:?} is not reached");
            migration.step(50).unwrap();
            // Less and less.
            for place in 0..40_u32.saturating_sub(turn) {
                write(&writer, FIRST + place, u64::from(turn)).unwrap();
            }
        }
        assert_eq!(migration.state(), State::Mirrored);
        assert!(turn >= 12, "every track is copied once before it is mirrored");
        let left = migration.estimate().left_tracks;
        assert!(left <= most + 40, "{goal:?}: {left} left");
        to(&mut migration, State::Complete);
    }
}
