//! Coverage: nothing is copied and no window is opened while somebody can write unnoticed, and what he may have written is
//! copied when he is gone.

use crate::stage::{Stage, set, write};
use std::sync::Arc;
use std::time::Duration;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{Image, Kind, MonitoredVolume};
use trackmirror::state::State;
use trackmirror::{Reason, Result};

const ONE: &[(&str, &[(u32, u32)])] = &[("TEST.LEDGER", &[(15, 20), (60, 7)])];
const LOOK: Duration = Duration::from_secs(2);

fn mirrored() -> (Stage, Arc<MonitoredVolume>) {
    let setting = set(ONE, &["SYSA"]);
    let writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(State::Mirrored);
    (stage, writer)
}

#[track_caller]
fn refused<T>(result: Result<T>, words: &[&str]) {
    let error = result.err().expect("it is refused");
    assert_eq!(error.reason(), Reason::NotCovered, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "'{word}' is missing: {error}");
    }
}

#[test]
fn an_image_that_is_missing_at_the_start_is_waited_for() {
    let mut stage = set(ONE, &["SYSA", "SYSB"]).begin();
    let _one = stage.writer("SYSA");
    stage.to(State::Copying);
    for _ in 0..3 {
        refused(stage.migration.step(20), &["SYSB", "OLD001"]);
    }
    assert!(stage.world.area().subscriptions().len() <= 1);
    let other = stage.writer("SYSB");
    stage.migration.step(20).unwrap();
    write(&*other, 15, 2).unwrap();
    stage.finish();
    stage.assert_moved(&[(15, 2)]);
}

#[test]
fn an_image_that_is_silent_keeps_the_window_shut_until_it_is_back() {
    let (mut stage, writer) = mirrored();
    let area = stage.world.area();
    area.set_silent("SYSA").unwrap();
    refused(stage.migration.quiesce(), &["SYSA", "silent"]);
    // What it writes meanwhile is not known to anybody.
    stage.write_raw(62, 5);
    stage.watch.wait(LOOK);
    refused(stage.migration.step(20), &["SYSA"]);
    area.set_back("SYSA").unwrap();
    write(&*writer, 16, 6).unwrap();
    stage.finish();
    stage.assert_moved(&[(62, 5), (16, 6)]);
}

#[test]
fn an_image_that_is_silent_may_be_retired() {
    let (mut stage, writer) = mirrored();
    let area = stage.world.area();
    area.set_silent("SYSA").unwrap();
    refused(stage.migration.quiesce(), &["SYSA"]);
    stage.write_raw(62, 5);
    area.retire("SYSA").unwrap();
    assert_eq!(write(&*writer, 16, 6).unwrap_err().reason(), Reason::ImageDetached);
    stage.finish();
    stage.assert_moved(&[(62, 5)]);
}

#[test]
fn what_an_image_was_writing_when_it_died_is_copied() {
    let (mut stage, writer) = mirrored();
    // Its write reached the disk, and it ended before it could say so.
    let _unfinished = writer.image().begin_unbound(Extent::new(Track(30), 2)).unwrap();
    stage.write_raw(31, 8);
    drop(writer);
    // Restarted under the same name.
    let again = stage.writer("SYSA");
    write(&*again, 64, 9).unwrap();
    stage.finish();
    stage.assert_moved(&[(31, 8), (64, 9)]);
}

#[test]
fn an_image_that_said_farewell_is_not_missed() {
    let (mut stage, writer) = mirrored();
    write(&*writer, 20, 1).unwrap();
    drop(writer);
    stage.finish();
    stage.assert_moved(&[(20, 1)]);
}

#[test]
fn what_an_image_tells_that_only_tells_its_writes_is_copied() {
    let setting = set(ONE, &["GUEST"]);
    let teller = Image::register(&setting.world.area(), "GUEST", Kind::Completions).unwrap();
    let mut stage = setting.begin();
    stage.to(State::Mirrored);
    stage.write_raw(33, 4);
    teller.note(Extent::new(Track(33), 1)).unwrap();
    stage.to(State::Quiesced);
    stage.write_raw(34, 5);
    teller.note(Extent::new(Track(34), 1)).unwrap();
    stage.finish();
    stage.assert_moved(&[(33, 4), (34, 5)]);
}

#[test]
fn a_program_without_monitor_is_refused_at_the_start() {
    let setting = set(ONE, &["SYSA"]);
    let _writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(State::Copying);
    stage.stranger.open();
    refused(stage.migration.step(20), &["sleep", "OLD001"]);
    stage.write_raw(18, 2);
    stage.stranger.end();
    stage.finish();
    stage.assert_moved(&[(18, 2)]);
}

#[test]
fn what_a_program_without_monitor_wrote_while_copying_is_copied() {
    let (mut stage, _writer) = mirrored();
    stage.stranger.open();
    stage.write_raw(18, 2);
    stage.watch.wait(LOOK);
    refused(stage.migration.step(20), &["sleep", "OLD001"]);
    // It writes until it is gone, long after it was seen.
    stage.write_raw(19, 3);
    refused(stage.migration.step(20), &["sleep"]);
    stage.write_raw(61, 4);
    stage.stranger.end();
    stage.finish();
    stage.assert_moved(&[(18, 2), (19, 3), (61, 4)]);
}

#[test]
fn what_a_program_without_monitor_wrote_is_copied_also_by_the_next_process() {
    let (mut stage, _writer) = mirrored();
    stage.stranger.open();
    stage.watch.wait(LOOK);
    refused(stage.migration.step(20), &["sleep"]);
    let setting = stage.stop();
    setting.write_raw(19, 3);
    setting.stranger.end();
    let mut stage = setting.resume().unwrap();
    assert_eq!(stage.migration.state(), State::Copying);
    stage.finish();
    stage.assert_moved(&[(19, 3)]);
}

#[test]
fn a_program_without_monitor_in_the_window_ends_it() {
    let (mut stage, _writer) = mirrored();
    stage.reach_switch();
    stage.stranger.open();
    stage.write_raw(25, 2);
    refused(stage.migration.switch(), &["sleep", "OLD001"]);
    refused(stage.migration.step(20), &["sleep"]);
    stage.stranger.end();
    stage.assert_let_in();
    stage.finish();
    stage.assert_moved(&[(25, 2)]);
}

#[test]
fn a_program_without_monitor_is_seen_before_anybody_is_asked_to_close() {
    let (mut stage, _writer) = mirrored();
    stage.stranger.open();
    refused(stage.migration.quiesce(), &["sleep"]);
    assert!(stage.desk.told().is_empty());
    stage.write_raw(25, 2);
    stage.stranger.end();
    stage.finish();
    stage.assert_moved(&[(25, 2)]);
}

#[test]
fn nothing_is_quiet_before_anybody_was_asked_to_mark() {
    let mut stage = set(ONE, &["SYSA"]).begin();
    for state in [State::Planned, State::Copying] {
        stage.to(state);
        let error = stage.migration.is_quiet().unwrap_err();
        assert_eq!(error.reason(), Reason::NotFilled, "{error}");
    }
}
