//! The promise of the rehearsal: it tells what would stop a migration and how long the data sets would be away, and changes
//! nothing, nowhere.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[allow(dead_code)] // It is there for others, too.
#[path = "live_command/scene.rs"]
mod scene;
mod support;
#[allow(dead_code)]
#[path = "live_writers/world.rs"]
mod world;
#[allow(dead_code)]
#[path = "live_writers/writer.rs"]
mod writer;

use scene::Scene;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use trackmirror::volume::{self, Access};

/// Every file and folder below a folder: content, and when it was changed last. The answer aside, which the test itself
/// asks for.
fn everything(folder: &Path) -> BTreeMap<PathBuf, (u64, Option<SystemTime>)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let changed = std::fs::symlink_metadata(&path).unwrap().modified().unwrap();
        if path.is_dir() {
            all.extend(everything(&path));
            all.insert(path, (0, Some(changed)));
        } else if path.file_name().unwrap() != "answer" {
            let mut hasher = DefaultHasher::new();
            hasher.write(&std::fs::read(&path).unwrap());
            // A mapped file gets its time when the kernel likes.
            let is_area = path.to_string_lossy().contains("area-");
            all.insert(path, (hasher.finish(), (!is_area).then_some(changed)));
        }
    }
    all
}

/// Rehearses: the code and the answer, after seeing that nothing changed.
#[track_caller]
fn rehearse(scene: &Scene, options: &[&str]) -> (i32, Value) {
    let before = everything(scene.world.folder.path());
    let mut rehearsal = scene.migrate(&[options, &["--rehearse"]].concat());
    let code = rehearsal.wait();
    assert_eq!(rehearsal.said(), Vec::<String>::new());
    assert_eq!(everything(scene.world.folder.path()), before, "something was changed");
    (code, scene.answer())
}

fn obstacles(answer: &Value) -> Vec<(String, String)> {
    let obstacles = answer["result"]["rehearsal"]["obstacles"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    obstacles.iter().map(|one| (text(&one["stage"]), text(&one["error"]["name"]))).collect()
}

#[track_caller]
fn assert_predicted(answer: &Value) {
    let rehearsal = &answer["result"]["rehearsal"];
    for what in ["window", "copying"] {
        let window = &rehearsal[what];
        let ms = |name: &str| window[name].as_u64().unwrap_or_else(|| panic!("{rehearsal:#}"));
        assert!(ms("low_ms") <= ms("likely_ms") && ms("likely_ms") <= ms("high_ms"), "{window}");
    }
    let measured = &rehearsal["measured"];
    assert!(measured["read_tracks"].as_u64().unwrap() > 0, "{measured}");
    for what in ["read_track_us", "look_us"] {
        assert!(measured[what].is_u64(), "{measured}");
    }
    assert!(!rehearsal["assumed"].as_array().unwrap().is_empty());
}

#[test]
fn where_nobody_writes_it_changes_nothing_and_predicts() {
    let mut scene = Scene::quiet(41);
    for options in [&[][..], &["--live"], &["--live", "--goal-tracks", "7", "--retain", "1h"]] {
        let (code, answer) = rehearse(&scene, options);
        assert_eq!(code, 0, "{answer:#}");
        assert!(obstacles(&answer).is_empty(), "{answer:#}");
        assert_predicted(&answer);
        assert!(!scene.state().exists() && !scene.world.registry().exists());
        let left = answer["result"]["rehearsal"]["left_tracks"].as_u64().unwrap();
        let data_sets = answer["result"]["data_sets"].as_array().unwrap();
        let all: u64 = data_sets.iter().map(|set| set["track_count"].as_u64().unwrap()).sum();
        match options {
            [] => assert_eq!(left, all, "everything is copied while the data sets are away"),
            [_] => assert!(left <= all),
            _ => assert_eq!(left, 7),
        }
    }
    // What was rehearsed is done.
    let mut migration = scene.migrate(&["--live", "--close-when-mirrored"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
}

#[test]
fn who_writes_and_has_data_sets_open_is_told_and_not_disturbed() {
    let mut scene = Scene::lazy(42);
    // While they stand still, nobody but the rehearsal could change anything.
    scene.writers.iter().for_each(|writer| writer.signal("STOP"));
    std::thread::sleep(std::time::Duration::from_millis(200));
    let (code, answer) = rehearse(&scene, &[]);
    assert_eq!(code, 4, "{answer:#}");
    assert!(obstacles(&answer).is_empty(), "{answer:#}");
    assert_predicted(&answer);
    let rehearsal = &answer["result"]["rehearsal"];
    let openers = rehearsal["openers"].to_string();
    assert!(openers.contains("W1") && openers.contains("W2") && openers.contains("LIVE.DATA1"));
    let images = rehearsal["volumes"][0]["images"].to_string();
    assert!(images.contains("W1") && images.contains("alive"), "{images}");
    let (code, answer) = rehearse(&scene, &["--image", "NOBODY"]);
    assert_eq!(code, 4, "{answer:#}");
    let first = &answer["result"]["rehearsal"]["obstacles"][0];
    assert_eq!((&first["stage"], &first["waited_for"]), (&"copying".into(), &true.into()));
    assert!(first["error"]["sentence"].as_str().unwrap().contains("NOBODY"), "{first}");
    scene.writers.iter().for_each(|writer| writer.signal("CONT"));
    let mut migration = scene.migrate(&["--close-when-mirrored"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.writers[0].hear("opened again");
    scene.assert_moved();
}

#[test]
fn what_would_stop_it_is_told_all_at_once() {
    let scene = Scene::quiet(43);
    scene.spoil_a_track();
    let _intruder = scene.intruder();
    let target = volume::open(&scene.world.targets[0], Access::Exclusive).unwrap();
    let note = format!("{}.unfinished-0badcafe", scene.world.sources[0].display());
    let text = "trackmirror note 1\nstate=/no/such/state\nwhat=moves something\n";
    std::fs::write(note, text).unwrap();
    // What is open alone cannot be looked at either.
    let (code, answer) = rehearse(&scene, &["--live"]);
    assert_eq!((code, &answer["error"]["name"]), (8, &"VolumeInUse".into()), "{answer:#}");
    drop(target);
    let (code, answer) = rehearse(&scene, &["--live", "--window-limit", "0s"]);
    assert_eq!(code, 8, "{answer:#}");
    let found = obstacles(&answer);
    for (stage, name) in
        [("begin", "UnfinishedMigration"), ("copying", "NotCovered"), ("window", "WindowTooLong")]
    {
        assert!(found.contains(&(stage.into(), name.into())), "{name}: {found:?}");
    }
    let told = answer["result"]["rehearsal"]["obstacles"].to_string();
    assert!(told.contains("sleep") && told.contains("0badcafe"), "{told}");
    assert!(found.iter().any(|(stage, name)| stage == "copying" && name != "NotCovered"), "{told}");
    // The same for a move without monitors: nobody else may have the volumes.
    let (code, answer) = rehearse(&scene, &[]);
    assert_eq!(code, 8);
    assert!(obstacles(&answer).contains(&("begin".into(), "VolumeInUse".into())), "{answer:#}");
}

#[test]
fn commands_are_looked_for_and_only_the_one_that_tells_is_called() {
    let scene = Scene::quiet(44);
    let told = scene.world.path("told");
    std::fs::write(&told, "").unwrap();
    let commands = [
        "--ask-close",
        "/no/such/command",
        "--is-closed",
        "echo BATCH PAYROLL; exit 4",
        "--hold",
        &format!("touch {}", told.display()),
        "--release",
        "true",
    ];
    let (code, answer) = rehearse(&scene, &commands);
    assert_eq!(code, 4, "{answer:#}");
    let rehearsal = &answer["result"]["rehearsal"];
    let openers = rehearsal["openers"].to_string();
    assert!(openers.contains("PAYROLL") && openers.contains("BATCH"), "{openers}");
    let found: Vec<_> = rehearsal["commands"].as_array().unwrap().iter().collect();
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|one| one["found"] == (one["option"] != "--ask-close")), "{found:?}");
}

#[test]
fn a_migration_that_has_begun_tells_what_it_knows() {
    let mut scene = Scene::lazy(45);
    let mut migration = scene.migrate(&[]);
    migration.hear("is mirrored");
    let mut rehearsal = scene.migrate(&["--rehearse"]);
    assert_eq!(rehearsal.wait(), 4, "{:#?}", rehearsal.said());
    let answer = scene.answer();
    assert_eq!(answer["result"]["state"], "mirrored");
    assert!(answer["result"]["now"]["estimate"].is_object(), "{answer:#}");
    scene.run("close-now", &["--wait"]).expect(0);
    assert_eq!(migration.wait(), 0);
    scene.writers[0].hear("opened again");
    scene.assert_every_write();
}
