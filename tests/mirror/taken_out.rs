//! A track that cannot be read, and a target that is not there any more: only what is concerned stops.

use crate::memory::{Between, Memory, numbered, to};
use crate::stage::write;
use crate::world::volser;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use trackmirror::geometry::Extent;
use trackmirror::migrate::{Migration, MoveOptions, OnUnreadable};
use trackmirror::plan::Mode;
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{Expiration, Identity, SpaceManager};
use trackmirror::{Error, Reason};

/// A migration of everything, where this track of a volume cannot be read so many times.
fn begin(memory: &Memory, on: &str, track: u32, times: u32) -> (Migration, Arc<AtomicU32>) {
    let left = Arc::new(AtomicU32::new(times));
    let host = memory.host(|inner| match inner.volser() == volser(on) {
        true => {
            let left = left.clone();
            Between::reads(inner, move |first, count| {
                let has_it = (first.0..first.0 + count).contains(&track);
                let lower = |times: u32| times.checked_sub(1);
                if has_it && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lower).is_ok() {
                    return Err(Error::new(Reason::Io, "the disk says no; see the disk"));
                }
                Ok(())
            })
        }
        false => inner,
    });
    let mut migration =
        memory.begin_on(host, &["TEST.**"], Mode::OnePrimary, MoveOptions::default());
    migration.set_on_unreadable(OnUnreadable::TakeOut { attempts: 3 });
    (migration, left)
}

#[test]
fn only_its_data_set_is_taken_out_and_the_volume_is_left() {
    let memory = Memory::new(&["OLD001", "OLD002"], &["NEW001"], 10);
    let one = memory.data_set("TEST.ONE", &[("OLD001", &[(20, 20)])], |_, _| {});
    let bad = memory.data_set("TEST.BAD", &[("OLD002", &[(30, 20)])], |_, _| {});
    let two = memory.data_set("TEST.TWO", &[("OLD001", &[(50, 20)])], |_, _| {});
    let (mut migration, _) = begin(&memory, "OLD002", 41, u32::MAX);
    to(&mut migration, State::Mirrored);
    assert_eq!(migration.plan().data_sets.len(), 2);
    assert!(memory.find(bad, "NEW001").is_none(), "its target is released");
    let events = memory.log.events();
    let told = events.iter().find(|event| event.name() == "taken-out").unwrap().to_string();
    assert!(told.contains("TEST.BAD") && told.contains("OLD002, track 41"), "{told}");
    // It is nobody's business any more: its users go on in the window of the others.
    to(&mut migration, State::Quiesced);
    write(&memory.writer("OLD002", "SYSA"), 35, 500).unwrap();
    to(&mut migration, State::Complete);
    for name in [one, two] {
        assert_eq!(memory.numbers(name), (vec![volser("NEW001")], numbered(20, &[])));
    }
    assert_eq!(memory.numbers(bad), (vec![volser("OLD002")], numbered(20, &[(5, 500)])));
    memory.assert_nothing_left();
}

#[test]
fn a_track_that_can_be_read_again_takes_nothing_out() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let one = memory.data_set("TEST.ONE", &[("OLD001", &[(20, 20)])], |_, _| {});
    let two = memory.data_set("TEST.TWO", &[("OLD001", &[(50, 20)])], |_, _| {});
    // The first attempt reads it in its batch and by itself, the next one once.
    let (mut migration, left) = begin(&memory, "OLD001", 55, 3);
    to(&mut migration, State::Complete);
    assert_eq!(left.load(Ordering::SeqCst), 0);
    for name in [one, two] {
        assert_eq!(memory.numbers(name), (vec![volser("NEW001")], numbered(20, &[])));
    }
    assert!(!memory.log.events().iter().any(|event| event.name() == "taken-out"));
    memory.assert_nothing_left();
}

#[test]
fn the_last_data_set_stops_instead() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let one = memory.data_set("TEST.ONE", &[("OLD001", &[(20, 20)])], |_, _| {});
    let (mut migration, left) = begin(&memory, "OLD001", 25, u32::MAX);
    to(&mut migration, State::Copying);
    let mut errors = 0;
    for _ in 0..6 {
        if let Err(error) = migration.step(50) {
            assert_eq!((error.reason(), error.track()), (Reason::Io, Some(25)), "{error}");
            assert!(error.to_string().contains("TEST.ONE"), "{error}");
            errors += 1;
        }
    }
    assert!(errors >= 3, "it is said each time");
    assert_eq!(migration.state(), State::Copying);
    left.store(0, Ordering::SeqCst);
    to(&mut migration, State::Complete);
    assert_eq!(memory.numbers(one), (vec![volser("NEW001")], numbered(20, &[])));
    memory.assert_nothing_left();
}

#[test]
fn nothing_more_is_written_where_the_target_was() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let one = memory.data_set("TEST.ONE", &[("OLD001", &[(20, 20)])], |_, _| {});
    let (mut migration, _) = begin(&memory, "OLD001", 1, 0);
    to(&mut migration, State::Mirrored);
    // Somebody scratches the target, and allocates something else there.
    let found = memory.find(one, "NEW001").unwrap();
    let space = VtocSpaceManager::new(memory.volumes[&volser("NEW001")].clone());
    space.scratch(&Identity::of(&found), Expiration::Ignore, &NoJournal).unwrap();
    let Extent { first, track_count } = found.extents[0];
    let other = memory.data_set("OTHER.DATA", &[("NEW001", &[(first.0, track_count)])], |_, _| {});
    memory.watch.wait(Duration::from_secs(60));
    let mut errors = 0;
    for turn in 0..5 {
        write(&memory.writer("OLD001", "SYSA"), 25, 100 + turn).unwrap();
        if let Err(error) = migration.step(50) {
            assert_eq!(error.reason(), Reason::TargetChanged, "{error}");
            errors += 1;
        }
    }
    assert_eq!(errors, 5, "it is said each time");
    assert_eq!(memory.numbers(other).1, numbered(20, &[]));
    migration.terminate().unwrap();
    assert_eq!(memory.numbers(other).1, numbered(20, &[]));
    assert_eq!(memory.numbers(one), (vec![volser("OLD001")], numbered(20, &[(5, 104)])));
    memory.assert_nothing_left();
}
