//! What a system notes in the DSCBs of the source while it is mirrored is in those of the target after the switch; what
//! cannot be followed is refused by name, and nothing is lost.

use crate::memory::{Memory, numbered, to};
use crate::stage::write;
use crate::world::{PAYLOAD, volser};
use trackmirror::Reason;
use trackmirror::dscb::Format1;
use trackmirror::migrate::MoveOptions;
use trackmirror::plan::Mode;
use trackmirror::state::State;

fn used_only() -> MoveOptions {
    MoveOptions { used_only: true, ..MoveOptions::default() }
}

/// Allocated, but never opened: a system notes no format and no end. (What has no organization is not moved at all.)
fn empty(format1: &mut Format1, _: usize) {
    format1.set_recfm(0);
    format1.set_blksize(0);
    format1.set_lrecl(0);
    format1.set_last_used(None);
}

/// Opened, written up to this track, and closed.
fn written(last: u32) -> impl Fn(&mut Format1) {
    move |format1| {
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_recfm(0x90);
        format1.set_blksize(PAYLOAD as u16);
        format1.set_lrecl(80);
        format1.set_last_used(Some((last, 5)));
        format1.set_balance(1234);
        format1.as_bytes_mut()[75..78].copy_from_slice(&[126, 1, 68]);
        format1.set_indicators(Format1::DSIND_LAST_VOLUME | 0x02);
        format1.set_expiration_date([199, 1, 109]);
    }
}

#[track_caller]
fn assert_written(format1: &Format1, last: u32) {
    assert_eq!(format1.dsorg(), Format1::DSORG_PS);
    assert_eq!((format1.recfm(), format1.blksize(), format1.lrecl()), (0x90, PAYLOAD as u16, 80));
    assert_eq!((format1.last_used(), format1.balance()), (Some((last, 5)), 1234));
    assert_eq!(format1.as_bytes()[75..78], [126, 1, 68]);
    assert_eq!(format1.indicators(), Format1::DSIND_LAST_VOLUME | 0x02);
    assert_eq!(format1.expiration_date(), [199, 1, 109]);
    assert_eq!(format1.creation_date(), [126, 0, 1]);
}

#[test]
fn the_first_close_of_a_new_data_set_is_followed() {
    for options in [MoveOptions::default(), used_only()] {
        let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
        let name = memory.data_set("TEST.NEW", &[("OLD001", &[(20, 10)])], empty);
        let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, options);
        to(&mut migration, State::Mirrored);
        let writer = memory.writer("OLD001", "SYSA");
        write(&writer, 26, 77).unwrap();
        memory.note(name, "OLD001", written(6));
        to(&mut migration, State::Complete);
        assert_written(&memory.find(name, "NEW001").unwrap().format1, 6);
        let (on, numbers) = memory.numbers(name);
        assert_eq!((on, numbers), (vec![volser("NEW001")], numbered(10, &[(6, 77)])));
        memory.assert_nothing_left();
    }
}

#[test]
fn a_close_inside_the_window_is_followed_too() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let name = memory.data_set("TEST.NEW", &[("OLD001", &[(20, 10)])], empty);
    let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, used_only());
    to(&mut migration, State::Quiesced);
    memory.note(name, "OLD001", written(3));
    to(&mut migration, State::Complete);
    assert_written(&memory.find(name, "NEW001").unwrap().format1, 3);
}

#[test]
fn tracks_written_before_the_monitors_started_join_when_the_end_is_noted() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let name = memory.data_set("TEST.OPEN", &[("OLD001", &[(20, 10)])], |format1, _| {
        format1.set_last_used(Some((1, 5)));
    });
    // Somebody has it open and wrote five tracks more; the DSCB will tell at the close.
    for place in 2..7 {
        write(&*memory.volumes[&volser("OLD001")], 20 + place, 100 + u64::from(place)).unwrap();
    }
    let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, used_only());
    to(&mut migration, State::Mirrored);
    let copied = migration.receipt().copied_tracks;
    assert!(copied <= 3, "only what is used is copied, not {copied} tracks");
    memory.note(name, "OLD001", written(6));
    to(&mut migration, State::Complete);
    let changes: Vec<(usize, u64)> = (2..7).map(|place| (place, 100 + place as u64)).collect();
    assert_eq!(memory.numbers(name).1[..7], numbered(10, &changes)[..7]);
    memory.assert_nothing_left();
}

#[test]
fn changed_tracks_are_copied_wherever_they_lie_also_by_a_process_that_finds_its_areas_void() {
    let mut memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let name = memory.data_set("TEST.OPEN", &[("OLD001", &[(20, 10)])], |format1, _| {
        format1.set_last_used(Some((1, 5)));
    });
    let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, used_only());
    to(&mut migration, State::Mirrored);
    let writer = memory.writer("OLD001", "SYSA");
    write(&writer, 28, 99).unwrap();
    migration.step(20).unwrap();
    drop((writer, migration));
    // The machine stops, and nobody closes what was open.
    let identity = trackmirror::monitor::Identity::of(&*memory.volumes[&volser("OLD001")]).unwrap();
    let area = trackmirror::monitor::Area::in_process(identity).unwrap();
    memory.areas.insert(volser("OLD001"), area);
    let mut migration = memory.resume(memory.host(|volume| volume)).unwrap();
    to(&mut migration, State::Complete);
    assert_eq!(memory.numbers(name).1[8], Some(99));
    memory.assert_nothing_left();
}

/// A data set on two volumes, the first of which is full, and where it is written to on the second one.
fn on_two_volumes(memory: &Memory) -> trackmirror::DsName {
    memory.data_set(
        "TEST.TWO",
        &[("OLD001", &[(20, 6)]), ("OLD002", &[(30, 4), (40, 6)])],
        |format1, part| {
            format1.set_last_used((part == 1).then_some((0, 1)));
            format1.set_indicators(if part == 1 { Format1::DSIND_LAST_VOLUME } else { 0 });
        },
    )
}

#[test]
fn the_end_of_a_data_set_that_is_cut_otherwise_is_where_its_track_is() {
    for (options, room) in
        [(MoveOptions::default(), 30), (used_only(), 30), (used_only(), 10), (used_only(), 4)]
    {
        let memory = Memory::new(&["OLD001", "OLD002"], &["NEW001", "NEW002"], 10);
        let name = on_two_volumes(&memory);
        // So much is free on the first target.
        let mut filler = 15;
        while filler + room < 150 {
            let count = (150 - room - filler).min(40);
            let other = format!("OTHER.N{filler}");
            memory.data_set(&other, &[("NEW001", &[(filler, count)])], |_, _| {});
            filler += count;
        }
        let mut migration = memory.begin(&["TEST.**"], Mode::BestFit, options);
        to(&mut migration, State::Mirrored);
        let writer = memory.writer("OLD002", "SYSA");
        write(&writer, 41, 500).unwrap();
        memory.note(name, "OLD002", |format1| {
            format1.set_last_used(Some((5, 7)));
            format1.set_balance(432);
        });
        to(&mut migration, State::Complete);
        let (on, numbers) = memory.numbers(name);
        assert_eq!(numbers[..12], numbered(16, &[(11, 500)])[..12], "{on:?}");
        // The last used track is the twelfth.
        let mut before = 0;
        for volser in &on {
            let found = memory.find(name, &volser.to_string()).unwrap();
            let last = found.format1.last_used();
            let has_it = (before..before + found.track_count()).contains(&11);
            assert_eq!(last, has_it.then_some((11u32.wrapping_sub(before), 7)), "{on:?}");
            assert_eq!(found.format1.balance(), if has_it { 432 } else { 0 });
            before += found.track_count();
        }
        assert_eq!(before, 16);
        memory.assert_nothing_left();
    }
}

#[test]
fn a_source_that_became_unmovable_is_refused_by_name() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let name = memory.data_set("TEST.FIXED", &[("OLD001", &[(20, 10)])], |_, _| {});
    let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, MoveOptions::default());
    to(&mut migration, State::Mirrored);
    memory.note(name, "OLD001", |format1| {
        format1.set_dsorg(Format1::DSORG_PS | Format1::DSORG_UNMOVABLE);
    });
    let error = migration.quiesce().unwrap_err();
    assert_eq!(error.reason(), Reason::Unmovable, "{error}");
    assert!(error.to_string().contains("TEST.FIXED"), "{error}");
    assert_eq!(migration.state(), State::Mirrored);
    assert!(memory.desk.is_free());
}
