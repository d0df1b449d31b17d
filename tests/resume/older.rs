//! A state that is older than reality: a state folder that came back from a copy.

use crate::stage::{Setting, set};
use crate::{ONE, refused};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use trackmirror::Reason;
use trackmirror::checkpoint::FileStore;
use trackmirror::copy::CopyOptions;
use trackmirror::migrate::Migration;
use trackmirror::state::State;

/// What every file below a folder holds, apart from what is named after who looks, and the area and its locks.
pub fn digests(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut digests = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "registry" {
            digests.extend(self::digests(&path));
        } else if path.is_file() && name != "owner" {
            let mut hasher = DefaultHasher::new();
            hasher.write(&std::fs::read(&path).unwrap());
            digests.insert(path, hasher.finish());
        }
    }
    digests
}

fn copy_state(setting: &Setting, name: &str) -> PathBuf {
    let to = setting.world.folder.path().join(name);
    std::fs::create_dir(&to).unwrap();
    copy_slots(&setting.world.state(), &to);
    to
}

fn copy_slots(from: &Path, to: &Path) {
    for slot in ["checkpoint.0", "checkpoint.1"] {
        std::fs::copy(from.join(slot), to.join(slot)).unwrap();
    }
}

/// A state that was copied while it was `then`; reality went on until it was `now`.
fn put_back(then: State, now: State) -> Setting {
    let setting = set(ONE, &["SYSA"]);
    let writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(then);
    let copy = copy_state(&stage, "copy");
    match now {
        State::Terminated => stage.migration.terminate().unwrap(),
        _ => stage.to(now),
    }
    let setting = stage.stop();
    drop(writer);
    copy_slots(&copy, &setting.world.state());
    std::fs::remove_dir_all(copy).unwrap();
    setting
}

#[test]
fn a_checkpoint_older_than_the_switch_is_refused_and_nothing_is_touched() {
    use State::*;
    for then in [Planned, Copying, Mirrored, Closing, Quiesced, Switching] {
        if matches!(then, Closing | Switching) {
            // They are passed through inside one verb here.
            continue;
        }
        let setting = put_back(then, Switched);
        let before = digests(setting.world.folder.path());
        let folder = setting.world.state().display().to_string();
        let world = &setting.world;
        let open = |terminate: bool| {
            let host = setting.host().0;
            let store = FileStore::open(&world.state()).unwrap();
            let opened = Migration::open(host, store, Some(world.state()));
            opened.and_then(|mut migration| match terminate {
                true => migration.terminate(),
                false => migration.take_up(),
            })
        };
        for terminate in [false, true] {
            refused(open(terminate), Reason::CheckpointOld, &[&folder, "older", "newest state"]);
        }
        assert_eq!(digests(world.folder.path()), before, "{then}");
        world.assert_cataloged_on(world.data_sets[0].0, "NEW001");
    }
}

#[test]
fn a_checkpoint_of_a_migration_that_has_ended_since_is_refused() {
    for then in [State::Copying, State::Mirrored, State::Quiesced] {
        for now in [State::Complete, State::Terminated] {
            let setting = put_back(then, now);
            refused(
                setting.resume(),
                Reason::CheckpointOld,
                &["has ended since", "remove the state"],
            );
        }
    }
}

#[test]
fn a_plan_of_before_an_end_finds_its_data_sets_as_they_are() {
    // Nothing had been done yet, so that nothing tells; its first verb sees what became of the source.
    let setting = put_back(State::Planned, State::Complete);
    let mut stage = setting.resume().unwrap();
    assert!(stage.migration.reserve().is_err());
    let setting = stage.stop();
    let world = &setting.world;
    assert_eq!(world.present("NEW001").len(), 1);
    world.assert_cataloged_on(world.data_sets[0].0, "NEW001");
}

#[test]
fn a_copy_of_a_state_folder_is_refused_and_a_folder_that_was_moved_is_not() {
    let setting = set(ONE, &["SYSA"]);
    let _writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(State::Mirrored);
    let copy = copy_state(&stage, "copy");
    let setting = stage.stop();
    let resume = || {
        let store = FileStore::open(&copy).unwrap();
        let host = setting.host().0;
        Migration::resume(host, store, Some(copy.clone()), CopyOptions::default())
    };
    let state = setting.world.state().display().to_string();
    refused(resume(), Reason::CheckpointOld, &["is a copy", &state]);
    std::fs::remove_dir_all(setting.world.state()).unwrap();
    let mut migration = resume().unwrap();
    crate::world::lead(&mut migration).unwrap();
    drop(migration);
    assert!(!crate::world::has_file(setting.world.folder.path(), "unfinished"), "no note is left");
    setting.world.assert_cataloged_on(setting.world.data_sets[0].0, "NEW001");
}

#[test]
fn a_target_that_is_cataloged_while_the_state_is_earlier_is_refused() {
    let setting = set(ONE, &["SYSA"]);
    let _writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(State::Mirrored);
    let copy = copy_state(&stage, "copy");
    stage.to(State::Switched);
    let setting = stage.stop();
    // Whoever keeps no notes beside images is protected by the catalog.
    let store = FileStore::open(&copy).unwrap();
    let host = setting.host().0;
    let resumed = Migration::resume(host, store, None, CopyOptions::default());
    refused(resumed, Reason::EntryChanged, &["TEST.LEDGER", "leads to the target already"]);
    setting.world.assert_cataloged_on(setting.world.data_sets[0].0, "NEW001");
}
