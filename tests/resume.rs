//! The promise that whatever ended, and whatever became of its surroundings meanwhile, a migration goes on with what is
//! left, or is refused with a word of advice: one test for each way in which that can be.

mod support;

#[path = "resume/amount.rs"]
mod amount;
#[path = "resume/back_out.rs"]
mod back_out;
#[path = "resume/command.rs"]
#[cfg(all(feature = "cli", target_os = "linux"))]
mod command;
#[path = "resume/many.rs"]
mod many;
#[path = "resume/older.rs"]
mod older;
#[allow(dead_code)] // It is there for others, too.
#[path = "mirror/stage.rs"]
mod stage;
#[path = "resume/targets.rs"]
mod targets;
#[path = "mirror/world.rs"]
mod world;

use stage::{Setting, Stage, set, write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use support::desk;
use trackmirror::checkpoint::FileStore;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::MonitoredVolume;
use trackmirror::registry::areas::area_file;
use trackmirror::state::{State, Verb};
use trackmirror::{Reason, Result};

const ONE: &[(&str, &[(u32, u32)])] = &[("TEST.LEDGER", &[(15, 20), (60, 40), (120, 60)])];
const TRACK_COUNT: u64 = 120;

/// A migration that was interrupted in this state, and the image that writes.
fn interrupted_in(state: State) -> (Setting, Arc<MonitoredVolume>) {
    let setting = set(ONE, &["SYSA"]);
    let writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(state);
    (stage.stop(), writer)
}

/// What is left after the first look at it, and what was copied until the end.
fn left_and_copied(stage: &mut Stage) -> (u64, u64) {
    stage.migration.step(0).unwrap();
    let left = stage.migration.step(0).unwrap().left_tracks;
    stage.finish();
    (left, stage.migration.receipt().copied_tracks)
}

#[test]
fn after_the_process_died_the_work_left_is_what_the_areas_say() {
    let setting = set(ONE, &["SYSA"]);
    let writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(State::Copying);
    // The first step begins, and each copies ten tracks, lowest first.
    let left = (0..4).map(|_| stage.migration.step(10).unwrap().left_tracks).last().unwrap();
    assert_eq!(left, TRACK_COUNT - 40);
    let setting = stage.stop();
    // Three tracks that were copied, one of them twice, and one that was not.
    for (track, number) in [(15, 1), (16, 2), (60, 3), (60, 4), (179, 5)] {
        write(&*writer, track, number).unwrap();
    }
    let mut stage = setting.resume().unwrap();
    assert_eq!(left_and_copied(&mut stage), (left + 3, left + 3));
    stage.assert_moved(&[(15, 1), (16, 2), (60, 4), (179, 5)]);
}

#[test]
fn after_the_machine_restarted_everything_is_copied_again_and_nobody_stays_held() {
    for state in [State::Copying, State::Mirrored, State::Closing, State::Quiesced] {
        let setting = set(ONE, &["SYSA"]);
        let writer = setting.writer("SYSA");
        if state == State::Closing {
            setting.desk.open("SYSA");
        }
        let mut stage = setting.begin();
        stage.to(state);
        write(&*writer, 20, 1).unwrap_or_else(|_| assert_eq!(state, State::Quiesced));
        let setting = stage.stop();
        drop(writer);
        setting.desk.close("SYSA");
        restart(&setting);
        // Whoever starts first makes the area anew.
        let writer = setting.writer("SYSA");
        write(&*writer, 130, 2).unwrap();
        let mut stage = setting.resume().unwrap();
        assert_eq!(stage.migration.state(), State::Copying, "{state}");
        stage.assert_let_in();
        write(&*writer, 20, 3).unwrap();
        let (left, _) = left_and_copied(&mut stage);
        assert_eq!(left, TRACK_COUNT, "{state}");
        stage.assert_moved(&[(20, 3), (130, 2)]);
    }
}

/// The area becomes one of another boot of the machine.
fn restart(setting: &Setting) {
    const BOOT: u64 = 5;
    let image = std::fs::metadata(setting.world.image("OLD001")).unwrap();
    let folder = setting.world.folder.path().join("registry");
    let area = area_file(&folder, image.dev(), image.ino());
    support::patch(&area, BOOT * 8, &[0xB0; 16]);
}

#[test]
fn what_an_image_was_writing_that_is_gone_since_is_copied() {
    let (setting, writer) = interrupted_in(State::Mirrored);
    let _unfinished = writer.image().begin_unbound(Extent::new(Track(30), 2)).unwrap();
    setting.write_raw(31, 8);
    drop(writer);
    let mut stage = setting.resume().unwrap();
    assert_eq!(left_and_copied(&mut stage), (2, 2));
    stage.assert_moved(&[(31, 8)]);
}

#[test]
fn an_image_that_came_meanwhile_is_covered() {
    let (setting, _writer) = interrupted_in(State::Mirrored);
    let other = setting.writer("SYSB");
    write(&*other, 31, 8).unwrap();
    let mut stage = setting.resume().unwrap();
    write(&*other, 61, 9).unwrap();
    assert_eq!(left_and_copied(&mut stage), (2, 2));
    stage.assert_moved(&[(31, 8), (61, 9)]);
}

#[test]
fn an_image_that_is_needed_from_now_on_is_waited_for() {
    let (mut setting, writer) = interrupted_in(State::Mirrored);
    setting.images.push("SYSB");
    let mut stage = setting.resume().unwrap();
    refused(stage.migration.step(20), Reason::NotCovered, &["SYSB", "OLD001"]);
    let other = stage.writer("SYSB");
    write(&*other, 31, 8).unwrap();
    write(&*writer, 32, 9).unwrap();
    stage.finish();
    stage.assert_moved(&[(31, 8), (32, 9)]);
}

#[test]
fn an_image_that_fell_silent_meanwhile_keeps_the_window_shut_until_it_is_back() {
    let (setting, writer) = interrupted_in(State::Mirrored);
    let area = setting.world.area();
    area.set_silent("SYSA").unwrap();
    let mut stage = setting.resume().unwrap();
    stage.write_raw(62, 5);
    for _ in 0..3 {
        refused(stage.migration.step(200), Reason::NotCovered, &["SYSA", "silent"]);
        assert!(stage.migration.perform(Verb::Quiesce, 20).is_err());
    }
    assert!(stage.migration.state().is_before_switch());
    area.set_back("SYSA").unwrap();
    write(&*writer, 16, 6).unwrap();
    stage.finish();
    stage.assert_moved(&[(62, 5), (16, 6)]);
}

#[test]
fn a_migration_that_somebody_owns_is_refused() {
    let (setting, _writer) = interrupted_in(State::Mirrored);
    let owner = FileStore::open(&setting.world.state()).unwrap();
    let process = format!("process {}", std::process::id());
    refused(FileStore::open(&setting.world.state()), Reason::CheckpointInUse, &[&process]);
    drop(owner);
    setting.resume().unwrap().finish();
}

/// That it is refused for this reason, in a sentence with these words.
#[track_caller]
fn refused<T>(result: Result<T>, reason: Reason, words: &[&str]) {
    support::assert_refused(result, reason, words);
}
