//! Backing out on request: before the users are let in always, and behind that as long as nothing was written at the targets.

use crate::stage::{Setting, Stage, set, write};
use crate::world::has_file;
use crate::{ONE, refused};
use std::sync::Arc;
use trackmirror::Reason;
use trackmirror::event::Event;
use trackmirror::migrate::MoveOptions;
use trackmirror::monitor::MonitoredVolume;
use trackmirror::state::{State, Verb};
use trackmirror::volume::intent::NoJournal;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{Identity, SpaceManager};

fn setting(watches_target: bool) -> (Setting, Arc<MonitoredVolume>) {
    let mut setting = set(ONE, &["SYSA"]);
    setting.watches_target = watches_target;
    let writer = setting.writer("SYSA");
    (setting, writer)
}

fn switched(watches_target: bool) -> (Stage, Arc<MonitoredVolume>) {
    let (setting, writer) = setting(watches_target);
    let mut stage = setting.begin();
    stage.to(State::Mirrored);
    write(&*writer, 20, 1).unwrap();
    stage.to(State::Switched);
    stage.assert_cataloged("NEW001");
    (stage, writer)
}

impl Stage {
    #[track_caller]
    fn assert_cataloged(&self, serial: &str) {
        let host = trackmirror::host::Host::of_volumes(self.volumes.values().cloned().collect());
        let name = self.world.data_sets[0].0;
        let entry = host.unwrap().catalogs[0].locate(&name).unwrap().unwrap();
        assert_eq!(entry.volumes[0].volser, crate::world::volser(serial));
    }
}

/// That it is backed out, goes on as a migration that is mirrored, and comes to its end.
#[track_caller]
fn mirrored_again(stage: Stage, writer: &MonitoredVolume) {
    assert_eq!(stage.migration.state(), State::Mirrored);
    stage.assert_cataloged("OLD001");
    stage.assert_let_in();
    write(writer, 21, 2).unwrap();
    let setting = stage.stop();
    assert!(
        setting.world.area_of("NEW001").subscriptions().is_empty(),
        "nobody watches the target"
    );
    let mut stage = setting.resume().unwrap();
    stage.migration.step(0).unwrap();
    let copied = stage.migration.step(0).unwrap().left_tracks;
    // One track, and those that were tried.
    assert_eq!(copied, 1 + 3);
    write(writer, 22, 3).unwrap();
    stage.finish();
    stage.assert_moved(&[(15, 0), (20, 1), (21, 2), (22, 3)]);
}

#[test]
fn in_the_window_it_is_given_up() {
    let (setting, writer) = setting(false);
    let mut stage = setting.begin();
    stage.to(State::Quiesced);
    stage.migration.back_out().unwrap();
    assert_eq!(stage.migration.state(), State::Mirrored);
    stage.assert_let_in();
    write(&*writer, 20, 1).unwrap();
    stage.finish();
    stage.assert_moved(&[(20, 1)]);
}

#[test]
fn behind_the_release_it_is_undone_and_mirrored_again() {
    let (mut stage, writer) = switched(true);
    // Who only reads, and who writes elsewhere on the volume, has written nothing of it.
    let user = stage.world.monitored_on("NEW001", "SYSA");
    write(&*user, 590, 9).unwrap();
    stage.migration.back_out().unwrap();
    let backed_out =
        |event: &Event| matches!(event, Event::BackedOut { why } if why == "on request");
    assert!(stage.log.events().iter().any(backed_out));
    assert!(stage.migration.must_be_opened_again());
    for verb in [Verb::Step, Verb::Quiesce, Verb::Terminate] {
        refused(
            stage.migration.perform(verb, 9),
            Reason::WrongState,
            &["given to their users", "resume"],
        );
    }
    drop(user);
    mirrored_again(stage, &writer);
}

#[test]
fn it_can_be_terminated_then() {
    let (mut stage, writer) = switched(true);
    stage.migration.back_out().unwrap();
    write(&*writer, 20, 7).unwrap();
    let setting = stage.stop();
    let mut stage = setting.resume().unwrap();
    stage.migration.terminate().unwrap();
    let setting = stage.stop();
    assert!(setting.world.present("NEW001").is_empty());
    assert!(!has_file(setting.world.folder.path(), "unfinished"));
    setting.world.assert_cataloged_on(setting.world.data_sets[0].0, "OLD001");
    for serial in ["OLD001", "NEW001"] {
        assert!(setting.world.area_of(serial).subscriptions().is_empty(), "{serial}");
    }
}

#[test]
fn what_was_written_at_the_target_forbids_it() {
    let (mut stage, _writer) = switched(true);
    let user = stage.world.monitored_on("NEW001", "SYSA");
    let target = stage.migration.plan().data_sets[0].target_extents().next().unwrap().1;
    write(&*user, target.first.0 + 3, 9).unwrap();
    let words = ["TEST.LEDGER", "NEW001", "SYSA", "would lose that"];
    refused(stage.migration.back_out(), Reason::TargetWritten, &words);
    assert_eq!(stage.migration.state(), State::Switched);
    stage.assert_cataloged("NEW001");
    assert!(stage.desk.is_free());
    // Users are not disturbed, and it is completed.
    write(&*user, target.first.0 + 4, 9).unwrap();
    stage.finish();
    assert!(stage.set.world.area_of("NEW001").subscriptions().is_empty());
}

#[test]
fn a_write_that_is_in_flight_forbids_it_too() {
    let (mut stage, _writer) = switched(true);
    let user = stage.world.monitored_on("NEW001", "SYSA");
    let target = stage.migration.plan().data_sets[0].target_extents().next().unwrap().1;
    let begun = user.image().begin(target).unwrap();
    refused(stage.migration.back_out(), Reason::TargetWritten, &["SYSA is writing"]);
    user.image().end(begun);
    refused(stage.migration.back_out(), Reason::TargetWritten, &["SYSA"]);
    assert!(stage.desk.is_free());
}

#[test]
fn whoever_has_the_data_sets_open_forbids_it() {
    let (mut stage, writer) = switched(true);
    stage.desk.open("SYSA");
    refused(stage.migration.back_out(), Reason::NotClosed, &["SYSA", "let it be closed"]);
    assert!(stage.desk.is_free(), "nobody is held");
    // Nothing was sealed for good.
    let user = stage.world.monitored_on("NEW001", "PROBE");
    let target = stage.migration.plan().data_sets[0].target_extents().next().unwrap().1;
    let begun = user.image().begin(target).unwrap();
    user.image().end(begun);
    refused(stage.migration.back_out(), Reason::TargetWritten, &["PROBE"]);
    drop(user);
    drop(stage);
    let (mut stage, again) = switched(true);
    drop(writer);
    stage.desk.open("SYSA");
    stage.desk.close("SYSA");
    stage.migration.back_out().unwrap();
    mirrored_again(stage, &again);
}

#[test]
fn without_monitors_of_the_target_it_is_refused() {
    let (mut stage, _writer) = switched(false);
    refused(
        stage.migration.back_out(),
        Reason::NotMonitored,
        &["--retain", "move the data sets back"],
    );
    stage.finish();
    // Monitors that began anew know nothing.
    let (stage, writer) = switched(true);
    let setting = stage.stop();
    drop(writer);
    for file in std::fs::read_dir(setting.world.folder.path().join("registry")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let _writer = setting.writer("SYSA");
    let mut stage = setting.resume().unwrap();
    refused(
        stage.migration.back_out(),
        Reason::NotMonitored,
        &["NEW001", "not watched all the time"],
    );
    assert!(stage.desk.is_free());
    stage.finish();
}

#[test]
fn after_a_source_was_released_it_is_refused() {
    for keep in [false, true] {
        let (mut setting, _writer) = setting(true);
        setting.options = MoveOptions { keep, ..MoveOptions::default() };
        let mut stage = setting.begin();
        stage.finish();
        refused(stage.migration.back_out(), Reason::WrongState, &["back-out", "complete"]);
    }
    for state in [State::Copying, State::Mirrored] {
        let (setting, _writer) = setting(true);
        let mut stage = setting.begin();
        stage.to(state);
        refused(stage.migration.back_out(), Reason::WrongState, &["back-out"]);
    }
}

#[test]
fn a_dscb_or_an_entry_that_was_changed_since_forbids_it() {
    let (mut stage, _writer) = switched(true);
    let name = stage.world.data_sets[0].0;
    let user = stage.world.monitored_on("NEW001", "SYSA");
    let space = VtocSpaceManager::new(user.clone());
    let found = space.find(&name).unwrap().unwrap();
    let mut format1 = found.format1;
    format1.set_last_used(Some((3, 1)));
    space.update(&Identity::of(&found), &format1, &NoJournal).unwrap();
    refused(stage.migration.back_out(), Reason::TargetWritten, &["DSCB", "TEST.LEDGER"]);
    space.update(&Identity::of(&found), &found.format1, &NoJournal).unwrap();
    // The source, which its users think is of no use any more.
    let host = trackmirror::host::Host::of_volumes(stage.volumes.values().cloned().collect());
    let host = host.unwrap();
    let source = &host.space[&crate::world::volser("OLD001")];
    let identity = Identity::of(&source.find(&name).unwrap().unwrap());
    let ignore = trackmirror::vtoc::Expiration::Ignore;
    source.scratch(&identity, ignore, &NoJournal).unwrap();
    refused(stage.migration.back_out(), Reason::SourceChanged, &["TEST.LEDGER"]);
    assert!(stage.desk.is_free());
    stage.assert_cataloged("NEW001");
}
