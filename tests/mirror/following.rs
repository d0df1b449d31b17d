//! Whatever becomes of the sources while they are mirrored, the targets are what the sources are in the end: extended,
//! shortened, deleted, renamed, made anew, and what is new.

use crate::guest::{Guest, free, from};
use crate::memory::{Memory, numbered, to};
use crate::world::{make_catalog, name, volser};
use trackmirror::assess::compare::Metadata;
use trackmirror::catalog::Catalog;
use trackmirror::dscb::Format1;
use trackmirror::event::Event;
use trackmirror::geometry::{Extent, Track};
use trackmirror::migrate::{Migration, MoveOptions};
use trackmirror::plan::Mode;
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::{Expiration, Identity, SpaceManager};
use trackmirror::{DsName, Reason, Volser, track};

/// When the change happens.
const WHEN: [State; 2] = [State::Mirrored, State::Quiesced];

/// A migration of everything that is at this state.
fn at(memory: &Memory, state: State) -> Migration {
    let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, MoveOptions::default());
    to(&mut migration, state);
    migration
}

/// What was followed, in words.
fn told(memory: &Memory) -> Vec<String> {
    let events = memory.log.events();
    let followed = events.iter().filter_map(|event| match event {
        Event::Accommodated { what, .. } => Some(what.clone()),
        _ => None,
    });
    followed.collect()
}

fn words(memory: &Memory) -> Vec<&'static str> {
    memory.log.events().iter().map(Event::name).collect()
}

/// That a data set is at the target, with these numbers, and nothing is left of anything.
#[track_caller]
fn assert_moved(memory: &Memory, data_set: DsName, numbers: &[Option<u64>]) {
    let (on, found) = memory.numbers(data_set);
    assert_eq!(on, [volser("NEW001")], "{data_set}");
    assert_eq!(found, numbers, "{data_set}");
    assert!(memory.find(data_set, "OLD001").is_none(), "{data_set} is still at its source");
}

#[track_caller]
fn assert_free(memory: &Memory, on: &str, before: u64, used: u64) {
    assert_eq!(free(memory, on) + used, before, "tracks of {on}");
}

#[test]
fn an_extension_is_followed() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(20, 10)])], |_, _| {});
        let other = memory.data_set("TEST.OTHER", &[("OLD001", &[(40, 5)])], |_, _| {});
        let (room, guest) = (free(&memory, "NEW001"), Guest::new(&memory));
        let mut migration = at(&memory, state);
        let before = migration.receipt().copied_tracks;
        guest.extend(grows, "OLD001", (50, 5), 100);
        to(&mut migration, State::Complete);
        let again = migration.receipt().copied_tracks - before;
        assert!((5..10).contains(&again), "{again} tracks were copied again, {state}");
        assert_moved(&memory, grows, &[numbered(10, &[]), from(100, 5)].concat());
        assert_moved(&memory, other, &numbered(5, &[]));
        assert_free(&memory, "NEW001", room, 20);
        assert_eq!(told(&memory), ["TEST.GROWS: persistent; 5 tracks more on OLD001"]);
        memory.assert_nothing_left();
    }
}

#[test]
fn slack_is_used_first() {
    for (by, wanted, allocated) in [(3u32, 13u64, false), (4, 14, true)] {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(20, 10)])], |_, _| {});
        let (room, guest) = (free(&memory, "NEW001"), Guest::new(&memory));
        // What lay at the target before is not to be found in the slack.
        let old = memory.data_set("OLD.DATA", &[("NEW001", &[(15, 60)])], |_, _| {});
        memory.delete(old, "NEW001");
        let mut migration = memory.begin_with_slack(&["TEST.**"], 25);
        to(&mut migration, State::Quiesced);
        let target = memory.find(grows, "NEW001").unwrap();
        assert_eq!(target.track_count(), 13);
        for place in 10..13 {
            let image = memory.volumes[&volser("NEW001")]
                .read_track(target.extents[0].first.plus(place))
                .unwrap();
            let records = track::records(&image).skip(1).map(Result::unwrap);
            assert!(records.into_iter().all(|record| record.data.is_empty()));
        }
        let before = words(&memory).len();
        guest.extend(grows, "OLD001", (50, by), 100);
        to(&mut migration, State::Complete);
        assert_eq!(words(&memory)[before..].contains(&"allocated"), allocated);
        assert_moved(&memory, grows, &[numbered(10, &[]), from(100, by.into())].concat());
        assert_free(&memory, "NEW001", room, wanted);
    }
}

#[test]
fn an_extension_onto_a_new_volume_is_followed() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001", "OLD002"], &["NEW001"], 10);
        // A part that is not the last is full.
        let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(20, 10)])], |_, _| {});
        let (room, guest) = (free(&memory, "NEW001"), Guest::new(&memory));
        let mut migration = at(&memory, state);
        guest.allocate(grows, "OLD002", &[(30, 6)], 2, 200);
        guest.note(grows, "OLD002", |format1| format1.set_first_volser(volser("OLD001")));
        guest.recatalog(grows, &["OLD001", "OLD002"]);
        to(&mut migration, State::Mirrored.max(state));
        guest.fill("OLD002", Extent::new(Track(31), 1), 999);
        if state == State::Mirrored {
            to(&mut migration, State::Complete);
            let mut numbers = [numbered(10, &[]), from(200, 6)].concat();
            numbers[11] = Some(999);
            assert_moved(&memory, grows, &numbers);
            assert!(memory.find(grows, "OLD002").is_none());
            assert_free(&memory, "NEW001", room, 16);
            memory.assert_nothing_left();
        } else {
            to(&mut migration, State::Complete);
            let mut numbers = [numbered(10, &[]), from(200, 6)].concat();
            numbers[11] = Some(999);
            assert_moved(&memory, grows, &numbers);
            memory.assert_nothing_left();
        }
    }
}

#[test]
fn an_extension_onto_a_volume_that_nobody_watches_gives_the_window_up() {
    let mut memory = Memory::new(&["OLD001", "OLD002"], &["NEW001"], 10);
    let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(20, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    memory.areas.remove(&volser("OLD002"));
    let mut migration = at(&memory, State::Mirrored);
    guest.allocate(grows, "OLD002", &[(30, 6)], 2, 200);
    guest.recatalog(grows, &["OLD001", "OLD002"]);
    let error = migration.quiesce().unwrap_err();
    assert_eq!(error.reason(), Reason::NotMonitored, "{error}");
    assert!(error.to_string().contains("OLD002"), "{error}");
    assert_eq!(migration.state(), State::Mirrored);
    assert!(memory.desk.is_free());
    migration.terminate().unwrap();
    assert_eq!(memory.numbers(grows).0, [volser("OLD001"), volser("OLD002")]);
    memory.assert_nothing_left();
}

#[test]
fn what_is_released_is_free_at_the_target_too() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let shrinks = memory.data_set("TEST.LESS", &[("OLD001", &[(20, 10), (40, 8)])], |f1, _| {
            f1.set_last_used(Some((16, 2)));
        });
        let (room, guest) = (free(&memory, "NEW001"), Guest::new(&memory));
        let mut migration = at(&memory, state);
        guest.note(shrinks, "OLD001", |format1| format1.set_last_used(Some((5, 1))));
        guest.release(shrinks, "OLD001", 6);
        to(&mut migration, State::Complete);
        assert_moved(&memory, shrinks, &numbered(6, &[]));
        assert_free(&memory, "NEW001", room, 6);
        assert!(words(&memory).contains(&"target-released"));
        memory.assert_nothing_left();
    }
}

#[test]
fn a_deleted_data_set_leaves_nothing_at_the_target() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let goes = memory.data_set("TEST.GOES", &[("OLD001", &[(20, 10)])], |_, _| {});
        let stays = memory.data_set("TEST.STAYS", &[("OLD001", &[(40, 5)])], |_, _| {});
        let (room, guest) = (free(&memory, "NEW001"), Guest::new(&memory));
        let mut migration = at(&memory, state);
        guest.delete(goes, "OLD001");
        to(&mut migration, State::Complete);
        assert!(memory.catalog.locate(&goes).unwrap().is_none());
        assert!(memory.find(goes, "NEW001").is_none());
        assert_moved(&memory, stays, &numbered(5, &[]));
        assert_free(&memory, "NEW001", room, 5);
        memory.assert_nothing_left();
    }
}

#[test]
fn when_everything_is_deleted_the_migration_ends() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let goes = memory.data_set("TEST.GOES", &[("OLD001", &[(20, 10)])], |_, _| {});
        let (room, guest) = (free(&memory, "NEW001"), Guest::new(&memory));
        let mut migration = at(&memory, state);
        guest.delete(goes, "OLD001");
        to(&mut migration, State::Terminated);
        assert_free(&memory, "NEW001", room, 0);
        memory.assert_nothing_left();
        // Nobody who takes it up finds anything to do.
        drop(migration);
        let again = memory.resume(memory.host(|volume| volume)).unwrap();
        assert_eq!(again.next_verb(), None);
    }
}

#[test]
fn a_renamed_data_set_is_cataloged_under_its_new_name() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let before = memory.data_set("TEST.BEFORE", &[("OLD001", &[(20, 10)])], |_, _| {});
        let (room, guest) = (free(&memory, "NEW001"), Guest::new(&memory));
        let mut migration = at(&memory, state);
        let copied = migration.receipt().copied_tracks;
        // Also one that the masks do not select is followed.
        let after = guest.rename(before, "OLD001", "OTHER.AFTER");
        to(&mut migration, State::Complete);
        assert_eq!(migration.receipt().copied_tracks, copied, "it is not copied again");
        assert_moved(&memory, after, &numbered(10, &[]));
        assert!(memory.find(before, "NEW001").is_none());
        assert!(memory.catalog.locate(&before).unwrap().is_none());
        assert_free(&memory, "NEW001", room, 10);
        assert!(words(&memory).contains(&"target-renamed"));
        memory.assert_nothing_left();
    }
}

#[test]
fn two_that_exchange_their_names_are_followed() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let one = memory.data_set("TEST.ONE", &[("OLD001", &[(20, 10)])], |_, _| {});
        let two = memory.data_set("TEST.TWO", &[("OLD001", &[(40, 7)])], |_, _| {});
        let guest = Guest::new(&memory);
        let mut migration = at(&memory, state);
        let third = guest.rename(one, "OLD001", "TEST.THIRD");
        guest.rename(two, "OLD001", "TEST.ONE");
        guest.rename(third, "OLD001", "TEST.TWO");
        to(&mut migration, State::Complete);
        assert_moved(&memory, one, &numbered(7, &[]));
        assert_moved(&memory, two, &numbered(10, &[]));
        memory.assert_nothing_left();
    }
}

#[test]
fn one_that_was_made_anew_is_copied_whole() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let anew = memory.data_set("TEST.ANEW", &[("OLD001", &[(20, 10)])], |_, _| {});
        let (room, guest) = (free(&memory, "NEW001"), Guest::new(&memory));
        let mut migration = at(&memory, state);
        guest.delete(anew, "OLD001");
        guest.create("TEST.ANEW", "OLD001", &[(60, 12)], 300);
        to(&mut migration, State::Complete);
        assert_moved(&memory, anew, &from(300, 12));
        assert_free(&memory, "NEW001", room, 12);
        let told = told(&memory);
        assert!(told[0].contains("deleted and made anew"), "{told:?}");
        memory.assert_nothing_left();
    }
}

#[test]
fn one_that_looks_like_the_old_one_loses_nothing() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let alike = memory.data_set("TEST.ALIKE", &[("OLD001", &[(20, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Mirrored);
    guest.delete(alike, "OLD001");
    guest.create("TEST.ALIKE", "OLD001", &[(20, 10)], 500);
    to(&mut migration, State::Complete);
    assert_moved(&memory, alike, &from(500, 10));
}

#[test]
fn what_is_new_in_the_selection_moves_with_the_others() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001", "OLD002"], &["NEW001"], 10);
        let old = memory.data_set("TEST.OLD", &[("OLD001", &[(20, 10)])], |_, _| {});
        let (room, guest) = (free(&memory, "NEW001"), Guest::new(&memory));
        let mut migration = at(&memory, state);
        // Also on a volume where nothing was moved from so far.
        let near = guest.create("TEST.NEAR", "OLD001", &[(60, 4)], 100);
        let far = guest.create("TEST.FAR", "OLD002", &[(60, 5)], 200);
        let other = guest.create("OTHER.NEW", "OLD001", &[(70, 5)], 300);
        to(&mut migration, State::Complete);
        assert_moved(&memory, old, &numbered(10, &[]));
        assert_moved(&memory, near, &from(100, 4));
        assert_moved(&memory, far, &from(200, 5));
        assert!(memory.find(far, "OLD002").is_none());
        assert_eq!(memory.numbers(other).0, [volser("OLD001")]);
        assert_free(&memory, "NEW001", room, 19);
        memory.assert_nothing_left();
    }
}

#[test]
fn what_is_new_and_cannot_be_moved_stays_until_it_can() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let old = memory.data_set("TEST.OLD", &[("OLD001", &[(20, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Mirrored);
    // A system allocates first, and catalogs later.
    let late = name("TEST.LATE");
    guest.allocate(late, "OLD001", &[(60, 4)], 1, 100);
    guest.allocate(name("TEST.NEVER"), "OLD001", &[(70, 4)], 1, 100);
    for _ in 0..40 {
        migration.step(20).unwrap();
    }
    assert_eq!(migration.plan().data_sets.len(), 1);
    let refused = words(&memory).into_iter().filter(|word| *word == "refused").count();
    assert_eq!(refused, 2, "each is told once");
    guest.catalog(late, &["OLD001"]);
    to(&mut migration, State::Complete);
    assert_moved(&memory, old, &numbered(10, &[]));
    assert_moved(&memory, late, &from(100, 4));
    assert!(memory.find(name("TEST.NEVER"), "OLD001").is_some());
    memory.assert_nothing_left();
}

#[test]
fn attributes_alone_are_followed_outside_the_window_too() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let data_set = memory.data_set("TEST.DATA", &[("OLD001", &[(20, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Mirrored);
    guest.note(data_set, "OLD001", |format1| format1.set_last_used(Some((4, 7))));
    for _ in 0..30 {
        migration.step(20).unwrap();
    }
    let target = memory.find(data_set, "NEW001").unwrap();
    assert_eq!(target.format1.last_used(), Some((4, 7)));
    assert_eq!(migration.state(), State::Mirrored);
    to(&mut migration, State::Complete);
}

#[test]
fn what_is_done_before_the_window_is_not_done_in_it() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(20, 10)])], |_, _| {});
    let goes = memory.data_set("TEST.GOES", &[("OLD001", &[(40, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Mirrored);
    guest.extend(grows, "OLD001", (60, 6), 100);
    guest.delete(goes, "OLD001");
    guest.create("TEST.NEW", "OLD001", &[(70, 3)], 200);
    for _ in 0..60 {
        migration.step(20).unwrap();
    }
    assert_eq!(told(&memory).len(), 3, "{:?}", told(&memory));
    let receipt = migration.receipt();
    to(&mut migration, State::Complete);
    assert_eq!(told(&memory).len(), 3);
    assert_eq!(migration.receipt().copied_tracks, receipt.copied_tracks);
    assert_moved(&memory, grows, &[numbered(10, &[]), from(100, 6)].concat());
    memory.assert_nothing_left();
}

#[test]
fn a_full_target_gives_the_window_up_and_nothing_is_half_done() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(20, 10)])], |_, _| {});
    let goes = memory.data_set("TEST.LESS", &[("OLD001", &[(40, 10)])], |_, _| {});
    let filler: Vec<DsName> = (0..5)
        .map(|n| {
            let on: &[(u32, u32)] = &[(15 + n * 20, 20)];
            memory.data_set(&format!("FILL.N{n}"), &[("NEW001", on)], |_, _| {})
        })
        .collect();
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Mirrored);
    let room = free(&memory, "NEW001");
    guest.extend(grows, "OLD001", (100, 40), 100);
    for turn in 0..3 {
        let error = migration.quiesce().unwrap_err();
        assert_eq!(error.reason(), Reason::NoSpace, "{error}");
        assert!(error.to_string().contains("TEST.GROWS"), "{error}");
        assert_eq!((migration.state(), free(&memory, "NEW001")), (State::Mirrored, room), "{turn}");
        assert!(memory.desk.is_free());
        migration.step(20).unwrap();
    }
    memory.delete(filler[0], "NEW001");
    memory.delete(filler[1], "NEW001");
    to(&mut migration, State::Complete);
    assert_moved(&memory, grows, &[numbered(10, &[]), from(100, 40)].concat());
    assert_moved(&memory, goes, &numbered(10, &[]));
    memory.assert_nothing_left();
}

#[test]
fn what_cannot_be_followed_is_told_once_and_the_rest_is() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let fixed = memory.data_set("TEST.FIXED", &[("OLD001", &[(20, 10)])], |_, _| {});
    let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(40, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Mirrored);
    guest.note(fixed, "OLD001", |format1| {
        format1.set_dsorg(Format1::DSORG_PS | Format1::DSORG_UNMOVABLE);
    });
    guest.extend(grows, "OLD001", (60, 6), 100);
    for _ in 0..60 {
        migration.step(20).unwrap();
    }
    let events = memory.log.events();
    let remarks = events.iter().filter(|event| event.name() == "remark").map(Event::to_string);
    let remarks: Vec<String> = remarks.filter(|text| text.contains("TEST.FIXED")).collect();
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert_eq!(told(&memory).len(), 1);
    guest.note(fixed, "OLD001", |format1| format1.set_dsorg(Format1::DSORG_PS));
    to(&mut migration, State::Complete);
    assert_moved(&memory, fixed, &numbered(10, &[]));
    assert_moved(&memory, grows, &[numbered(10, &[]), from(100, 6)].concat());
}

#[test]
fn each_record_alone_tells_what_it_can() {
    for metadata in [Metadata::Both, Metadata::Catalog, Metadata::Vtoc] {
        let memory = Memory::new(&["OLD001", "OLD002"], &["NEW001"], 10);
        let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(20, 10)])], |_, _| {});
        let far = memory.data_set("TEST.FAR", &[("OLD001", &[(40, 10)])], |_, _| {});
        let before = memory.data_set("TEST.BEFORE", &[("OLD001", &[(60, 3)])], |_, _| {});
        let guest = Guest::new(&memory);
        let mut migration = at(&memory, State::Mirrored);
        migration.set_metadata(metadata);
        guest.extend(grows, "OLD001", (80, 6), 100);
        guest.allocate(far, "OLD002", &[(30, 6)], 2, 200);
        guest.recatalog(far, &["OLD001", "OLD002"]);
        let after = guest.rename(before, "OLD001", "TEST.AFTER");
        for _ in 0..60 {
            migration.step(20).unwrap();
        }
        let count = if metadata == Metadata::Catalog { 2 } else { 3 };
        assert_eq!(told(&memory).len(), count, "{metadata:?}: {:?}", told(&memory));
        to(&mut migration, State::Complete);
        assert_moved(&memory, grows, &[numbered(10, &[]), from(100, 6)].concat());
        assert_moved(&memory, far, &[numbered(10, &[]), from(200, 6)].concat());
        assert_moved(&memory, after, &numbered(3, &[]));
        memory.assert_nothing_left();
    }
}

#[test]
fn openers_are_kept_out_of_what_joins_and_let_in_where_it_left() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let before = memory.data_set("TEST.BEFORE", &[("OLD001", &[(20, 10)])], |_, _| {});
    let goes = memory.data_set("TEST.GOES", &[("OLD001", &[(40, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Quiesced);
    let after = guest.rename(before, "OLD001", "TEST.AFTER");
    guest.delete(goes, "OLD001");
    let new = guest.create("TEST.NEW", "OLD001", &[(60, 4)], 100);
    while migration.state() == State::Quiesced {
        let verb = migration.next_verb().unwrap();
        migration.perform(verb, 20).unwrap();
    }
    let held = memory.desk.held_names();
    assert!([after, new].iter().all(|name| held.contains(name)), "{held:?}");
    to(&mut migration, State::Complete);
    let released = memory.desk.released_names();
    assert!([before, after, goes, new].iter().all(|name| released.contains(name)), "{released:?}");
    memory.assert_nothing_left();
}

#[test]
fn one_that_is_open_when_it_joins_gives_the_window_up() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let old = memory.data_set("TEST.OLD", &[("OLD001", &[(20, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Quiesced);
    let new = guest.create("TEST.NEW", "OLD001", &[(60, 4)], 100);
    memory.desk.open("SYSB");
    let mut given_up = None;
    while migration.state() == State::Quiesced {
        let verb = migration.next_verb().unwrap();
        given_up = migration.perform(verb, 20).err();
    }
    assert_eq!(given_up.unwrap().reason(), Reason::NotClosed);
    assert_eq!(migration.state(), State::Mirrored);
    assert!(memory.desk.is_free());
    memory.desk.close("SYSB");
    to(&mut migration, State::Complete);
    for (data_set, numbers) in [(old, numbered(10, &[])), (new, from(100, 4))] {
        assert_moved(&memory, data_set, &numbers);
    }
    memory.assert_nothing_left();
}

#[test]
fn a_track_that_goes_from_one_to_the_other_is_copied() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let gives = memory.data_set("TEST.GIVES", &[("OLD001", &[(20, 10)])], |_, _| {});
        let takes = memory.data_set("TEST.TAKES", &[("OLD001", &[(40, 5)])], |_, _| {});
        let guest = Guest::new(&memory);
        let mut migration = at(&memory, state);
        guest.release(gives, "OLD001", 6);
        let found = memory.find(takes, "OLD001").unwrap();
        let by = Extent::new(Track(26), 4);
        let identity = trackmirror::vtoc::Identity::of(&found);
        let space = guest.space("OLD001");
        // Nothing is written there: what is on the tracks is what the other one had.
        trackmirror::SpaceManager::extend(
            &space,
            &identity,
            &[by],
            &trackmirror::volume::intent::NoJournal,
        )
        .unwrap();
        to(&mut migration, State::Complete);
        assert_moved(&memory, gives, &numbered(6, &[]));
        assert_moved(&memory, takes, &[numbered(5, &[]), from(7, 4)].concat());
        memory.assert_nothing_left();
    }
}

#[test]
fn what_changed_while_no_process_was_there_is_followed_by_the_next_one() {
    for machine_stops in [false, true] {
        let mut memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(20, 10)])], |_, _| {});
        let before = memory.data_set("TEST.BEFORE", &[("OLD001", &[(40, 5)])], |_, _| {});
        let mut migration = at(&memory, State::Quiesced);
        migration.postpone().unwrap();
        drop(migration);
        let guest = Guest::new(&memory);
        guest.extend(grows, "OLD001", (50, 5), 100);
        drop(guest);
        if machine_stops {
            memory.new_areas();
        }
        let guest = Guest::new(&memory);
        let mut migration = memory.resume(memory.host(|volume| volume)).unwrap();
        assert!(memory.desk.is_free());
        guest.note(before, "OLD001", |format1| format1.set_last_used(Some((2, 2))));
        to(&mut migration, State::Complete);
        assert_moved(&memory, grows, &[numbered(10, &[]), from(100, 5)].concat());
        assert_moved(&memory, before, &numbered(5, &[]));
        memory.assert_nothing_left();
    }
}

#[test]
fn a_source_that_went_while_nobody_looked_keeps_its_target() {
    let mut memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let goes = memory.data_set("TEST.GOES", &[("OLD001", &[(20, 10)])], |_, _| {});
    let stays = memory.data_set("TEST.STAYS", &[("OLD001", &[(40, 5)])], |_, _| {});
    let migration = at(&memory, State::Mirrored);
    drop(migration);
    Guest::new(&memory).delete(goes, "OLD001");
    memory.new_areas();
    let error = memory.resume(memory.host(|volume| volume)).unwrap_err();
    assert_eq!(error.reason(), Reason::SourceChanged, "{error}");
    assert!(error.to_string().contains("TEST.GOES"), "{error}");
    assert!(memory.find(goes, "NEW001").is_some());
    // Whoever knows better says so: where the catalog leads to the source's place, the target is not the only copy.
    Guest::new(&memory).catalog(goes, &["OLD001"]);
    let mut migration = memory.resume(memory.host(|volume| volume)).unwrap();
    to(&mut migration, State::Complete);
    assert!(memory.find(goes, "NEW001").is_none());
    assert_moved(&memory, stays, &numbered(5, &[]));
    memory.assert_nothing_left();
}

#[test]
fn what_appears_while_the_catalogs_are_switched_backs_the_switch_out() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let old = memory.data_set("TEST.OLD", &[("OLD001", &[(20, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut host = memory.host(|volume| volume);
    let catalog = crate::desk::Hooked::new(host.catalogs[0].clone());
    host.catalogs[0] = std::sync::Arc::new(catalog.clone());
    let mut migration =
        memory.begin_on(host, &["TEST.**"], Mode::OnePrimary, MoveOptions::default());
    to(&mut migration, State::Quiesced);
    while migration.next_verb() == Some(trackmirror::state::Verb::Step) {
        migration.step(20).unwrap();
    }
    catalog.then(move || {
        guest.create("TEST.NEW", "OLD001", &[(60, 4)], 100);
    });
    let error = migration.switch().unwrap_err();
    assert_eq!(error.reason(), Reason::SourceChanged, "{error}");
    assert_eq!(migration.state(), State::Mirrored);
    assert_eq!(memory.numbers(old).0, [volser("OLD001")]);
    to(&mut migration, State::Complete);
    assert_moved(&memory, old, &numbered(10, &[]));
    assert_moved(&memory, name("TEST.NEW"), &from(100, 4));
    memory.assert_nothing_left();
}

#[test]
fn only_used_tracks_of_what_comes_are_copied() {
    let options = MoveOptions { used_only: true, ..MoveOptions::default() };
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let old = memory.data_set("TEST.OLD", &[("OLD001", &[(20, 10)])], |format1, _| {
        format1.set_last_used(Some((9, 1)));
    });
    let guest = Guest::new(&memory);
    // Something lay at the target before.
    let earlier = memory.data_set("OLD.DATA", &[("NEW001", &[(15, 100)])], |_, _| {});
    memory.delete(earlier, "NEW001");
    let found = memory.data_set("TEST.NEW", &[("OLD001", &[(60, 20)])], |_, _| {});
    memory.delete(found, "OLD001");
    let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, options);
    to(&mut migration, State::Mirrored);
    // Of its twenty tracks, which hold what somebody else left there, three are used.
    let new = name("TEST.NEW");
    guest.allocate_empty(new, "OLD001", &[(60, 20)], |format1| {
        format1.set_last_used(Some((2, 1)));
    });
    guest.catalog(new, &["OLD001"]);
    guest.fill("OLD001", Extent::new(Track(60), 3), 100);
    let before = migration.receipt().copied_tracks;
    to(&mut migration, State::Complete);
    let copied = migration.receipt().copied_tracks - before;
    assert!(copied <= 5, "{copied} tracks were copied");
    let (on, numbers): (Vec<Volser>, _) = memory.numbers(new);
    assert_eq!(on, [volser("NEW001")]);
    assert_eq!(numbers[..3], from(100, 3)[..]);
    assert!(numbers[4..].iter().all(Option::is_none), "{numbers:?}");
    assert_eq!(memory.numbers(old).1, numbered(10, &[]));
}

#[test]
fn what_is_given_back_in_the_window_may_be_written_by_others_at_once() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let shrinks = memory.data_set("TEST.LESS", &[("OLD001", &[(20, 10)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Quiesced);
    guest.release(shrinks, "OLD001", 6);
    while told(&memory).is_empty() {
        let verb = migration.next_verb().unwrap();
        migration.perform(verb, 20).unwrap();
    }
    // The sources are kept for a while, and somebody else gets these tracks.
    assert_eq!(migration.state(), State::Switched);
    guest.create("OTHER.DATA", "OLD001", &[(26, 4)], 100);
    let sealed = guest.volume("OLD001").image().begin(Extent::new(Track(25), 1));
    assert!(sealed.is_err(), "what is still its own stays sealed");
    to(&mut migration, State::Complete);
    assert_moved(&memory, shrinks, &numbered(6, &[]));
}

#[test]
fn extents_combined_on_their_own_volume_follow_too() {
    for state in WHEN {
        let mut memory = Memory::new(&["OLD001"], &[], 10);
        memory.targets = memory.sources.clone();
        let one = memory.data_set("TEST.ONE", &[("OLD001", &[(20, 3), (25, 3)])], |f1, _| {
            f1.set_last_used(Some((3, 1)));
        });
        let two = memory.data_set("TEST.TWO", &[("OLD001", &[(30, 3), (35, 3)])], |_, _| {});
        let goes = memory.data_set("TEST.GOES", &[("OLD001", &[(40, 3), (45, 3)])], |_, _| {});
        let room = free(&memory, "OLD001");
        let guest = Guest::new(&memory);
        let mut migration = at(&memory, state);
        guest.release(one, "OLD001", 4);
        guest.extend(two, "OLD001", (130, 2), 100);
        guest.delete(goes, "OLD001");
        let renamed = guest.rename(two, "OLD001", "TEST.NEWTWO");
        // One extent cannot become fewer: it stays as it is, and keeps nobody from anything.
        let new = guest.create("TEST.NEW", "OLD001", &[(140, 2)], 200);
        to(&mut migration, State::Complete);
        assert_eq!(memory.numbers(one).1, numbered(4, &[]));
        assert_eq!(memory.numbers(renamed).1, [numbered(6, &[]), from(100, 2)].concat());
        assert_eq!(memory.numbers(new).1, from(200, 2));
        for data_set in [one, renamed] {
            assert_eq!(memory.find(data_set, "OLD001").unwrap().extents.len(), 1);
        }
        assert_free(&memory, "OLD001", room + 18, 4 + 8 + 2);
        memory.assert_nothing_left();
    }
}

#[test]
fn each_extent_goes_with_its_own_part() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001", "OLD002"], &["NEW001", "NEW002"], 10);
        let describe = |format1: &mut Format1, part: usize| {
            format1.set_last_used((part == 1).then_some((0, 1)));
            format1.set_indicators(if part == 1 { Format1::DSIND_LAST_VOLUME } else { 0 });
        };
        let parts: &[(&str, &[(u32, u32)])] = &[("OLD001", &[(20, 6)]), ("OLD002", &[(30, 4)])];
        let two = memory.data_set("TEST.TWO", parts, describe);
        let guest = Guest::new(&memory);
        let mut migration =
            memory.begin(&["TEST.**"], Mode::ExtentForExtent, MoveOptions::default());
        to(&mut migration, state);
        guest.extend(two, "OLD002", (40, 3), 100);
        to(&mut migration, State::Complete);
        let (on, numbers) = memory.numbers(two);
        assert_eq!(on, [volser("NEW001"), volser("NEW002")]);
        assert_eq!(numbers, [numbered(10, &[]), from(100, 3)].concat());
        assert_eq!(memory.find(two, "NEW002").unwrap().track_count(), 7);
        memory.assert_nothing_left();
    }
}

#[test]
fn dscbs_that_cannot_be_read_give_the_window_up_until_they_can() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let extents: &[(u32, u32)] = &[(20, 2), (30, 2), (40, 2), (50, 2)];
    let data_set = memory.data_set("TEST.FOUR", &[("OLD001", extents)], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = at(&memory, State::Mirrored);
    // Its format 3 is overwritten.
    let format3 = memory.find(data_set, "OLD001").unwrap().chain[0].0;
    let volume = guest.volume("OLD001");
    let whole = volume.read_track(format3.track).unwrap();
    let place = track::records(&whole)
        .map(Result::unwrap)
        .find(|record| record.number == format3.record)
        .map(|record| record.data.as_ptr() as usize - whole.as_ptr() as usize)
        .unwrap();
    let mut damaged = whole.clone();
    damaged[place] = 0xF2;
    volume.write(format3.track, &damaged).unwrap();
    let error = migration.quiesce().unwrap_err();
    assert!(error.to_string().contains("TEST.FOUR"), "{error}");
    assert_eq!(migration.state(), State::Mirrored);
    assert!(memory.find(data_set, "NEW001").is_some(), "its target is not given up");
    assert!(memory.desk.is_free());
    volume.write(format3.track, &whole).unwrap();
    to(&mut migration, State::Complete);
    assert_moved(&memory, data_set, &numbered(8, &[]));
    memory.assert_nothing_left();
}

#[test]
fn a_catalog_that_is_scratched_meanwhile_is_asked_no_more() {
    for state in WHEN {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        // It names nothing.
        make_catalog(memory.volumes[&volser("OLD001")].clone());
        let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(70, 10)])], |_, _| {});
        let guest = Guest::new(&memory);
        let mut migration = at(&memory, state);
        let space = guest.space("OLD001");
        let found = space.find(&name("SYSCTLG")).unwrap().unwrap();
        space.scratch(&Identity::of(&found), Expiration::Ignore, &NoJournal).unwrap();
        guest.extend(grows, "OLD001", (90, 5), 100);
        to(&mut migration, State::Complete);
        assert_moved(&memory, grows, &[numbered(10, &[]), from(100, 5)].concat());
        memory.assert_nothing_left();
    }
}
