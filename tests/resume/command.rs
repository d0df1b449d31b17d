//! The same for the command: a process that is killed, images that are moved, and who else has the folder.

#[allow(dead_code)] // It is there for others, too.
#[path = "../live_command/scene.rs"]
mod scene;
#[allow(dead_code)] // It is there for others, too.
#[path = "../live_writers/world.rs"]
mod world;
#[allow(dead_code)] // It is there for others, too.
#[path = "../live_writers/writer.rs"]
mod writer;

use crate::support;
use scene::Scene;
use serde_json::Value;
use std::os::unix::fs::MetadataExt;

#[test]
fn after_a_process_was_killed_while_it_copied_only_its_batches_are_copied_again() {
    let mut scene = Scene::quiet_with(31, |world| {
        let tracks = world.data_sets.iter().map(|name| {
            let extents = world::extents_of(name, &world.sources);
            extents.iter().map(|(_, extent)| u64::from(extent.track_count)).sum::<u64>()
        });
        tracks.sum::<u64>() > 150
    });
    let mut migration = scene.migrate(&["--live", "--pace", "60"]);
    migration.hear("copying of");
    scene.wait_for_status(|now| {
        now["copying"]["copied_tracks"].as_u64().is_some_and(|copied| copied > 20)
    });
    let status = scene.json("status", &[], 4);
    let before = status["result"]["now"]["copying"]["copied_tracks"].as_u64().unwrap();
    migration.kill();
    let mut migration = scene.resume(&["--close-when-mirrored"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    let receipt = &scene.answer()["result"]["receipt"];
    let count = |name: &str| receipt[name].as_u64().unwrap();
    // Two threads had a batch each.
    let most = count("track_count") - before + 2 * 15;
    assert!(count("copied_tracks") <= most, "{before} before, {receipt}");
    scene.assert_moved();
}

#[test]
fn images_that_were_moved_are_found_by_their_serials() {
    let mut scene = Scene::lazy(32);
    let mut migration = scene.migrate(&[]);
    migration.hear("is mirrored");
    migration.kill();
    let elsewhere = scene.world.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let mut moved = Vec::new();
    let inode = std::fs::metadata(&scene.world.sources[0]).unwrap().ino();
    for file in scene.world.sources.iter_mut().chain(&mut scene.world.targets) {
        let to = elsewhere.join(file.file_name().unwrap());
        std::fs::rename(&*file, &to).unwrap();
        *file = to.clone();
        moved.push(to.to_str().unwrap().to_string());
    }
    let mut refused = scene.resume(&[]);
    assert_ne!(refused.wait(), 0);
    let advice = scene.answer()["advice"].as_str().unwrap().to_string();
    assert!(advice.contains("OLD001.ckd is not there") && advice.contains("--moved"), "{advice}");
    let mut words = vec!["--close-when-mirrored", "--moved"];
    words.extend(moved.iter().map(String::as_str));
    let mut migration = scene.resume(&words);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    // It is the same file: what its area says still counts, and nothing else was copied.
    let receipt = &scene.answer()["result"]["receipt"];
    let copied = receipt["copied_tracks"].as_u64().unwrap();
    assert!(copied < receipt["track_count"].as_u64().unwrap() / 2, "{receipt}");
    assert_eq!(std::fs::metadata(&scene.world.sources[0]).unwrap().ino(), inode);
    let notes = std::fs::read_dir(&elsewhere).unwrap();
    let notes: Vec<_> = notes.map(|entry| entry.unwrap().file_name()).collect();
    assert!(notes.iter().all(|name| !name.to_string_lossy().contains("unfinished")), "{notes:?}");
    for writer in &mut scene.writers {
        writer.end_input();
        writer.wait();
    }
    scene.assert_no_traces();
}

#[test]
fn an_image_that_was_copied_to_another_file_is_copied_whole() {
    let mut scene = Scene::quiet(33);
    let mut migration = scene.migrate(&["--live"]);
    migration.hear("is mirrored");
    migration.kill();
    let source = scene.world.sources[0].clone();
    let copy = scene.world.path("copy.ckd");
    support::copy_sparse(&source, &copy);
    // Which of the two is the volume only the operator knows.
    let words = ["--moved", copy.to_str().unwrap(), "--close-when-mirrored"];
    let mut refused = scene.resume(&words);
    assert_eq!(refused.wait(), 8, "{:#?}", refused.said());
    assert_eq!(scene.answer()["error"]["name"], "DuplicateVolser");
    std::fs::remove_file(&source).unwrap();
    scene.world.sources[0] = copy.clone();
    let mut migration = scene.resume(&words);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    let receipt = &scene.answer()["result"]["receipt"];
    assert!(receipt["copied_tracks"].as_u64().unwrap() > 0, "{receipt}");
    scene.assert_moved();
    // A volume that the migration does not have.
    let stranger = scene.world.path("stranger.ckd");
    let mut init = scene.world.command("init");
    init.arg(&stranger).args(["--device", "2311", "--volser", "OTHER1"]);
    assert!(init.output().unwrap().status.success());
    let mut refused = scene.resume(&["--moved", stranger.to_str().unwrap()]);
    assert_eq!(refused.wait(), 8);
    assert_eq!(scene.answer()["error"]["name"], "NoSuchVolume");
}

#[test]
fn a_migration_that_another_process_leads_is_refused_by_name_and_a_stopped_one_too() {
    let scene = Scene::lazy(34);
    let mut migration = scene.migrate(&[]);
    migration.hear("is mirrored");
    for stopped in [false, true] {
        if stopped {
            migration.signal("STOP");
        }
        let mut second = scene.resume(&[]);
        assert_eq!(second.wait(), 8, "{:#?}", second.said());
        let answer: Value = scene.answer();
        assert_eq!(answer["error"]["name"], "CheckpointInUse", "{answer}");
        let sentence = answer["error"]["sentence"].as_str().unwrap();
        assert!(sentence.contains("trackmirror") && sentence.contains("process"), "{sentence}");
    }
    migration.signal("CONT");
    scene.run("close-now", &["--wait"]).expect(0);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
}

#[test]
fn after_the_machine_restarted_the_same_command_goes_on_and_lets_everybody_in() {
    use trackmirror::registry::openers::Openers;
    let mut scene = Scene::busy(35);
    let openers = Openers::at(&scene.world.registry().join("openers")).unwrap();
    let stubborn = openers.open(&scene.world.data_sets[0], "STUBBORN").unwrap();
    let mut migration = scene.migrate(&["--close-when-mirrored", "--goal-tracks", "100000"]);
    migration.hear("still open");
    // The machine stops: no process is left, and nothing of what was in memory.
    migration.kill();
    scene.writers.iter_mut().for_each(|writer| writer.kill());
    drop(stubborn);
    for entry in std::fs::read_dir(scene.world.registry()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("area-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(openers.open(&scene.world.data_sets[0], "LATER").is_err(), "the hold is durable");
    let mut migration = scene.resume(&[]);
    // The images that must be monitored are waited for, and meanwhile nobody is held.
    migration.hear("image W1 is not registered");
    drop(openers.open(&scene.world.data_sets[0], "LATER").expect("nobody is held"));
    scene.writers.clear();
    scene.start_writer(0, 2, 0, true);
    scene.start_writer(1, 2, 0, false);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    let receipt = &scene.answer()["result"]["receipt"];
    let count = |name: &str| receipt[name].as_u64().unwrap();
    assert!(count("copied_tracks") >= count("track_count"), "{receipt}");
    scene.assert_moved();
}

/// A move whose sources are kept, switched, with a writer that has ended when it was asked to close.
fn switched(seed: u64) -> (Scene, writer::Process) {
    let mut scene = Scene::quiet(seed);
    scene.start_writer(0, 1, 0, false);
    scene.writers[0].hear("filled");
    let mut migration = scene.migrate(&["--close-when-mirrored", "--retain", "1h"]);
    migration.hear("the sources are kept until");
    (scene, migration)
}

fn cataloged(scene: &Scene) -> String {
    let mut command = scene.world.command("catalog");
    let output = command.arg(&scene.world.system).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn while_the_sources_are_kept_a_switch_is_backed_out_and_done_later() {
    for killed in [false, true] {
        let (mut scene, mut migration) = switched(36);
        assert!(cataloged(&scene).contains("NEW001"));
        if killed {
            migration.kill();
        }
        let answer = scene.run("back-out", &["--yes"]).expect(0);
        assert!(answer.out.contains("the sources are the data sets again"), "{}", answer.out);
        if !killed {
            assert_eq!(migration.wait(), 4, "{:#?}", migration.said());
            assert_eq!(scene.answer()["result"]["state"], "mirrored");
        }
        assert!(!cataloged(&scene).contains("NEW001"), "{}", cataloged(&scene));
        assert_eq!(scene.json("status", &[], 4)["result"]["state"], "mirrored");
        assert!(scene.run("back-out", &["--yes"]).expect(8).err.contains("mirrored"));
        let mut migration = scene.resume(&["--close-when-mirrored", "--retain", "0"]);
        assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
        scene.assert_moved();
    }
}

#[test]
fn a_switch_is_not_backed_out_when_users_work_at_the_target() {
    let mut scene = Scene::busy(37);
    let mut migration = scene.migrate(&["--close-when-mirrored", "--retain", "1h"]);
    migration.hear("the sources are kept until");
    scene.writers[0].hear("opened again");
    let refused = scene.run("back-out", &["--yes"]);
    let why = &refused.err;
    assert!(why.contains("would lose that") || why.contains("let it be closed"), "{why}");
    migration.signal("INT");
    assert_eq!(migration.wait(), 12);
    let mut migration = scene.resume(&["--retain", "0"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
    assert!(scene.run("back-out", &["--yes"]).expect(8).err.contains("complete"));
}
