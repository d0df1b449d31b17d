//! The translate table: where each source extent goes, and which entries hold changes.

use crate::moving::Request;
use crate::support::between::Between;
use crate::support::lead::to;
use crate::support::unflushed::Unflushed;
use crate::support::{assert_refused, volser};
use crate::world::{SYSA, World, extent, name};
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use trackmirror::geometry::{Extent, Track};
use trackmirror::migrate::Migration;
use trackmirror::state::State;
use trackmirror::track;
use trackmirror::translate::TranslateTable;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::{DsName, Error, Reason, Volser};

fn of_five_extents(world: &World) -> DsName {
    let ledger = name("TEST.LEDGER");
    world.make(
        ledger,
        &[("OLD001", &[(100, 12), (130, 9), (160, 4)]), ("OLD002", &[(90, 8), (120, 7)])],
    );
    ledger
}

/// No entry.
const NONE: [usize; 0] = [];

/// The flagged entries, by their numbers.
fn flagged(migration: &Migration) -> Vec<usize> {
    let entries = migration.entries().unwrap().into_iter().enumerate();
    entries.filter(|(_, (_, left))| *left > 0).map(|(number, _)| number).collect()
}

/// That the target of each track holds what its source holds, addresses aside, the source tracks given aside.
fn differing(world: &World, table: &TranslateTable) -> Vec<(Volser, Track)> {
    let digest = |(on, track): (Volser, Track)| {
        let volume = world.reading(&on.to_string());
        volume.read_track(track).map(|slot| track::digest(&slot, volume.place(track)).unwrap())
    };
    let tracks = table.entries().iter().flat_map(|entry| {
        let tracks = entry.source.first.0..entry.source.end().0;
        tracks.map(|track| (entry.source_volser, Track(track)))
    });
    let differs = |source: &(Volser, Track)| {
        let target = table.to_target(source.0, source.1).expect("it goes somewhere");
        digest(*source).unwrap() != digest(target).unwrap()
    };
    tracks.filter(differs).collect()
}

fn run(serial: &str, run: (u32, u32)) -> (Volser, Extent) {
    (volser(serial), extent(run))
}

#[test]
fn an_entry_for_each_source_extent_points_to_its_target() {
    let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
    let ledger = of_five_extents(&world);
    let mut migration = world.begin(&Request::default());
    let table = migration.plan().table().unwrap();
    let sources: Vec<_> =
        table.entries().iter().map(|entry| (entry.source_volser, entry.source)).collect();
    let expected = [
        run("OLD001", (100, 12)),
        run("OLD001", (130, 9)),
        run("OLD001", (160, 4)),
        run("OLD002", (90, 8)),
        run("OLD002", (120, 7)),
    ];
    assert_eq!(sources, expected);
    to(&mut migration, State::Mirrored);
    // The targets are the one extent that was got, cut at the seams of the sources, in their order.
    let [(first, 40)] = world.extents("NEW001", ledger)[..] else { panic!("one extent") };
    let mut next = first;
    for entry in table.entries() {
        let count = entry.source.track_count;
        assert_eq!(entry.targets, [run("NEW001", (next, count))]);
        next += count;
    }
    // And it is the truth: what stands there is what stood at the source.
    assert_eq!(differing(&world, &table), []);
    assert!(world.read_by_tool(ledger, &["NEW001"]) == world.written(ledger));
}

#[test]
fn an_entry_may_point_to_several_targets() {
    let world = World::new(&["OLD001"], &["NEW001", "NEW002"]);
    let ledger = name("TEST.WIDE");
    world.make(ledger, &[("OLD001", &[(100, 30)])]);
    // Two targets, none of which has thirty tracks free.
    for (serial, hole) in [("NEW001", (200, 17)), ("NEW002", (300, 20))] {
        world.leave_free(serial, hole);
    }
    let mode = trackmirror::plan::Mode::BestFit;
    let mut migration = world.begin(&Request { mode, ..Request::default() });
    let table = migration.plan().table().unwrap();
    let [entry] = table.entries() else { panic!("one extent, one entry") };
    let counts: Vec<u32> = entry.targets.iter().map(|(_, extent)| extent.track_count).collect();
    assert_eq!((counts.len(), counts.iter().sum::<u32>()), (2, 30));
    to(&mut migration, State::Mirrored);
    assert_eq!(differing(&world, &table), []);
    to(&mut migration, State::Complete);
    drop(migration);
    let on: Vec<String> = entry.targets.iter().map(|(on, _)| on.to_string()).collect();
    world.assert_moved(ledger, &[&on[0], &on[1]]);
}

#[test]
fn a_write_flags_its_entry_which_is_copied_again_before_and_in_the_window() {
    let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
    let ledger = of_five_extents(&world);
    let mut migration = world.begin(&Request::default());
    let table = migration.plan().table().unwrap();
    migration.reserve().unwrap();
    migration.step(1).unwrap();
    assert_eq!(flagged(&migration), [0, 1, 2, 3, 4], "at the start everything is to be copied");
    to(&mut migration, State::Mirrored);
    assert_eq!(flagged(&migration), NONE);
    // Each entry by a write of one of its tracks: the first, the last, one in the middle.
    for (entry, place) in [(0, 0), (1, 20), (2, 22), (3, 25), (4, 39)] {
        world.write(SYSA, ledger, place);
        assert_eq!(flagged(&migration), [entry]);
        assert_eq!(differing(&world, &table).len(), 1);
        let copied = migration.receipt().copied_tracks;
        while migration.step(20).unwrap().left_tracks > 0 {}
        assert_eq!(migration.receipt().copied_tracks, copied + 1, "one track, and no other");
        assert_eq!(flagged(&migration), NONE);
        assert_eq!(differing(&world, &table), []);
    }
    // What is written last is copied in the window.
    world.desk.open("SYSA");
    assert_eq!(migration.quiesce().unwrap().len(), 1);
    [11, 12, 30].iter().for_each(|place| world.write(SYSA, ledger, *place));
    world.desk.close("SYSA");
    assert_eq!(migration.quiesce().unwrap(), []);
    assert_eq!(migration.state(), State::Quiesced);
    assert_eq!(flagged(&migration), [0, 1, 3]);
    assert_eq!(differing(&world, &table).len(), 3);
    assert_refused(world.try_write(SYSA, ledger, 11), Reason::VolumeSealed, &[]);
    while migration.step(20).unwrap().left_tracks > 0 {}
    assert_eq!(migration.state(), State::Quiesced);
    assert_eq!(flagged(&migration), NONE);
    assert_eq!(differing(&world, &table), []);
    world.complete(migration, &[ledger]);
}

/// What becomes of a flush of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    Succeeds,
    Fails,
    /// The process dies in it.
    Dies,
}

#[test]
fn a_flag_is_cleared_only_after_a_durable_copy() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, &[("OLD001", &[(100, 12), (130, 8)])]);
    let flush = Arc::new(Mutex::new(Flush::Succeeds));
    let next = flush.clone();
    let wrap = move |volume: Arc<dyn Volume>| -> Arc<dyn Volume> {
        let next = next.clone();
        let flush = move |_, _| match *next.lock() {
            Flush::Succeeds => Ok(()),
            Flush::Fails => Err(Error::new(Reason::Io, "the disk says no")),
            Flush::Dies => panic!("the process dies"),
        };
        let inner = Arc::new(Unflushed(volume));
        let (read, write) = (Box::new(|_, _| Ok(())), Box::new(|_, _| Ok(())));
        Arc::new(Between { inner, read, write, flush: Box::new(flush) })
    };
    let request = Request { wrap: &wrap, ..Request::default() };
    let mut migration = world.begin(&request);
    let table = migration.plan().table().unwrap();
    migration.reserve().unwrap();

    // Everything, then one track, then one track in the window.
    for (turn, entries) in [vec![0, 1], vec![1], vec![1]].into_iter().enumerate() {
        if turn > 0 {
            assert_eq!(flagged(&migration), NONE, "turn {turn}");
        }
        if turn == 2 {
            world.desk.open("SYSA");
            migration.quiesce().unwrap();
            world.write(SYSA, ledger, 15);
            world.desk.close("SYSA");
            to(&mut migration, State::Quiesced);
        } else if turn == 1 {
            world.write(SYSA, ledger, 15);
        }
        // The flush fails: the tracks are at the target, and count as if they were not.
        let state = migration.state();
        *flush.lock() = Flush::Fails;
        for _ in 0..2 {
            assert_refused(migration.step(100), Reason::NotFlushed, &["NEW001"]);
            assert_eq!(differing(&world, &table), [], "the bytes are there");
            assert_eq!(flagged(&migration), entries, "and nobody knows for how long");
            assert_refused(migration.switch(), Reason::WrongState, &[]);
            assert_eq!(migration.state(), state);
        }
        // The process dies in the flush: the next one finds the flags as they were in that moment.
        *flush.lock() = Flush::Dies;
        let died = catch_unwind(AssertUnwindSafe(|| migration.step(100)));
        assert!(died.is_err(), "it was flushed");
        drop(migration);
        *flush.lock() = Flush::Succeeds;
        migration = world.resume(&request);
        migration.step(0).unwrap();
        assert_eq!(flagged(&migration), entries, "turn {turn}");
        assert_eq!(world.looked_up(ledger), ["OLD001"]);
        // It succeeds: that clears them.
        while migration.step(100).unwrap().left_tracks > 0 {}
        assert_eq!(flagged(&migration), NONE);
    }
    world.complete(migration, &[ledger]);
}
