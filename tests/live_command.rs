//! The promise of the command while others write: it moves data sets that two programs write to, is steered and watched
//! from another terminal, waits for whom it must, goes on after every interruption, and tells what it did.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "live_command/scene.rs"]
mod scene;
mod support;
#[allow(dead_code)] // It is there for others, too.
#[path = "live_writers/world.rs"]
mod world;
#[path = "live_writers/writer.rs"]
mod writer;

use scene::Scene;
use std::time::Duration;
use trackmirror::registry::openers::Openers;
use trackmirror::volume::{self, Access};
use trackmirror::vtoc::Vtoc;

/// The state folder's lines of events: their words.
fn words(scene: &Scene) -> Vec<String> {
    scene.events().iter().map(|event| event["event"].as_str().unwrap().to_string()).collect()
}

#[test]
fn data_sets_move_while_two_programs_write() {
    let mut scene = Scene::busy(1);
    let mut migration = scene.migrate(&[
        "--close-when-mirrored",
        "--verify",
        "--digests",
        "--goal-tracks",
        "100000",
    ]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.writers[0].hear("opened again");
    scene.assert_moved();
    let result = &scene.answer()["result"];
    let receipt = &result["receipt"];
    let count = |name: &str| receipt[name].as_u64().unwrap_or_else(|| panic!("{name}: {receipt}"));
    assert_eq!(result["state"], "complete");
    assert!(count("pass_count") > 0 && count("copied_tracks") >= count("track_count"));
    assert!(count("window_ms") < 60_000 && count("predicted_ms") < 60_000, "{receipt}");
    let digests = receipt["digests"].as_array().unwrap();
    assert_eq!(digests.len(), scene.world.data_sets.len(), "{receipt}");
    let words = words(&scene);
    let order = [
        "assessed",
        "allocated",
        "monitors-started",
        "copy-begun",
        "pass",
        "resynchronized",
        "close-requested",
        "closed",
        "window-opened",
        "compared",
        "finally-resynchronized",
        "cataloged",
        "looked",
        "released",
        "scratched",
        "completed",
    ];
    let mut left = words.iter();
    for word in order {
        assert!(left.any(|other| other == word), "{word} is not in its place: {words:?}");
    }
    let times: Vec<u64> =
        scene.events().iter().map(|event| event["time_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted());
    assert!(!scene.state().join("status.json").exists(), "nobody leads it any more");
    let status = scene.run("status", &[]).expect(0);
    assert!(status.out.starts_with("state: complete"), "{}", status.out);
}

#[test]
fn another_terminal_watches_steers_and_closes() {
    let mut scene = Scene::busy(2);
    let mut migration = scene.migrate(&["--pace", "100", "--goal-tracks", "1000"]);
    migration.hear("copying of");
    scene.wait_for_status(|now| now["pace"] == "100t");
    scene.run("pace", &["unlimited"]).expect(0);
    migration.hear("the pace is unlimited");
    migration.hear("is mirrored");
    std::thread::sleep(Duration::from_millis(600));

    let status = scene.json("status", &[], 4);
    let now = &status["result"]["now"];
    assert_eq!((&now["state"], &now["pace"]), (&"mirrored".into(), &"unlimited".into()));
    assert!(now["waits_for"].as_str().unwrap().contains("close-now"), "{now:#}");
    assert_eq!(now["goal"]["tracks"], 1000);
    assert!(now["estimate"]["left_tracks"].is_u64() && now["goal"]["reached"].is_boolean());
    for volume in now["volumes"].as_array().unwrap() {
        let images = volume["images"].as_array().unwrap();
        for needed in ["W1", "W2"] {
            let image = images.iter().find(|image| image["name"] == needed).unwrap();
            assert_eq!((&image["standing"], &image["needed"]), (&"alive".into(), &true.into()));
            assert!(image["last_sign_of_life_ms"].as_u64().unwrap() > 0, "{image}");
        }
        assert!(images.iter().any(|one| one["name"].as_str().unwrap().starts_with("TRACKMIRROR-")));
    }
    let text = scene.run("status", &[]).expect(4).out;
    for word in ["state: mirrored, owned by", "rates: ", "goal: 1000 tracks left", "W1", "alive"] {
        assert!(text.contains(word), "{word} in\n{text}");
    }

    let closed = scene.run("close-now", &["--wait"]).expect(0);
    assert!(closed.out.contains("the window was"), "{}", closed.out);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.writers[0].hear("opened again");
    scene.assert_moved();
    for verb in ["close-now", "postpone"] {
        assert!(scene.run(verb, &[]).expect(8).err.contains("complete"));
    }
}

#[test]
fn a_close_is_postponed_or_given_up_and_mirroring_goes_on() {
    let mut scene = Scene::busy(3);
    let openers = Openers::at(&scene.world.registry().join("openers")).unwrap();
    let data_set = scene.world.data_sets[0];
    let stubborn = openers.open(&data_set, "STUBBORN").unwrap();
    let mut migration = scene.migrate(&["--wait-limit", "2s"]);
    migration.hear("is mirrored");
    let noted = scene.run("close-now", &[]).expect(0);
    assert!(noted.out.contains("asked to close"), "{}", noted.out);
    migration.hear("image STUBBORN");
    let openers_told = |now: &serde_json::Value| now["closing"]["openers"].to_string();
    scene.wait_for_status(|now| openers_told(now).contains("STUBBORN"));
    scene.run("postpone", &[]).expect(0);
    migration.hear("the window was given up");
    drop(openers.open(&data_set, "LATER").expect("nobody is held"));

    let given_up = scene.run("close-now", &["--wait"]).expect(12);
    assert!(given_up.err.contains("STUBBORN"), "{}", given_up.err);
    migration.hear("mirroring goes on; to close again: trackmirror close-now");
    drop(openers.open(&data_set, "LATER").expect("nobody is held"));
    assert_eq!(scene.json("status", &[], 4)["result"]["state"], "mirrored");

    drop(stubborn);
    scene.run("close-now", &["--wait"]).expect(0);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
}

#[test]
fn a_close_that_fails_as_often_as_allowed_ends_the_command_to_be_resumed() {
    let mut scene = Scene::busy(4);
    let openers = Openers::at(&scene.world.registry().join("openers")).unwrap();
    let stubborn = openers.open(&scene.world.data_sets[0], "STUBBORN").unwrap();
    let options = ["--close-when-mirrored", "--attempts", "1", "--wait-limit", "1s"];
    let mut migration = scene.migrate(&options);
    assert_eq!(migration.wait(), 12, "{:#?}", migration.said());
    let answer = scene.answer();
    assert_eq!(answer["error"]["name"], "NotClosed");
    assert!(answer["advice"].as_str().unwrap().contains("trackmirror resume --state"), "{answer}");
    assert_eq!(scene.json("status", &[], 4)["result"]["state"], "mirrored");
    drop(stubborn);
    let mut migration = scene.resume(&[]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
}

#[test]
fn by_itself_it_closes_at_its_goal_and_not_before() {
    let mut scene = Scene::busy(6);
    let options = ["--close-when-mirrored", "--goal-tracks", "0", "--pace", "60"];
    let mut migration = scene.migrate(&options);
    migration.hear("it does not converge");
    migration.hear("is mirrored");
    std::thread::sleep(Duration::from_secs(2));
    assert!(!words(&scene).contains(&"close-requested".into()), "{:?}", words(&scene));
    scene.run("close-now", &["--wait"]).expect(0);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
}

#[test]
fn what_was_killed_goes_on_with_what_is_left() {
    let mut scene = Scene::lazy(5);
    let mut migration = scene.migrate(&["--pace", "20MB"]);
    migration.hear("is mirrored");
    migration.kill();
    for verb in ["close-now", "postpone"] {
        let refused = scene.run(verb, &[]).expect(8);
        assert!(refused.err.contains("trackmirror resume --state"), "{}", refused.err);
    }
    let status = scene.run("status", &[]).expect(4).out;
    assert!(status.contains("interrupted") && status.contains("W1"), "{status}");
    let mut migration = scene.resume(&[]);
    migration.hear("copying of");
    scene.wait_for_status(|now| now["pace"] == "20MB");
    scene.run("close-now", &["--wait"]).expect(0);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    let receipt = &scene.answer()["result"]["receipt"];
    assert_eq!(receipt["resumed"], true);
    let copied = receipt["copied_tracks"].as_u64().unwrap();
    assert!(copied < receipt["track_count"].as_u64().unwrap() / 2, "{receipt}");
    scene.assert_moved();
}

#[test]
fn whoever_was_held_by_a_killed_process_is_let_in_by_the_next_one() {
    let mut scene = Scene::lazy(6);
    let openers = Openers::at(&scene.world.registry().join("openers")).unwrap();
    let stubborn = openers.open(&scene.world.data_sets[0], "STUBBORN").unwrap();
    let mut migration = scene.migrate(&[]);
    migration.hear("is mirrored");
    scene.run("close-now", &[]).expect(0);
    migration.hear("still open");
    migration.kill();
    assert!(openers.open(&scene.world.data_sets[0], "LATER").is_err(), "it is held");
    let mut migration = scene.resume(&[]);
    migration.hear("copying of");
    drop(openers.open(&scene.world.data_sets[0], "LATER").expect("nobody is held"));
    drop(stubborn);
    // A signal stops it at a step, and nobody is held meanwhile.
    migration.signal("INT");
    assert_eq!(migration.wait(), 12, "{:#?}", migration.said());
    assert_eq!(scene.answer()["error"]["name"], "Interrupted");
    let mut migration = scene.resume(&["--close-when-mirrored"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
}

#[test]
fn a_signal_in_the_close_lets_everybody_in() {
    let scene = Scene::lazy(7);
    let openers = Openers::at(&scene.world.registry().join("openers")).unwrap();
    let _stubborn = openers.open(&scene.world.data_sets[0], "STUBBORN").unwrap();
    let mut migration = scene.migrate(&["--close-when-mirrored"]);
    migration.hear("still open");
    migration.signal("TERM");
    assert_eq!(migration.wait(), 12, "{:#?}", migration.said());
    drop(openers.open(&scene.world.data_sets[0], "LATER").expect("nobody is held"));
    assert_eq!(scene.json("status", &[], 4)["result"]["state"], "mirrored");
    scene.run("terminate", &["--yes"]).expect(0);
    scene.assert_untouched();
}

#[test]
fn it_is_given_up_from_another_terminal() {
    let mut scene = Scene::busy(8);
    let mut migration = scene.migrate(&[]);
    migration.hear("copying of");
    scene.run("terminate", &["--yes"]).expect(0);
    assert_eq!(migration.wait(), 8, "{:#?}", migration.said());
    scene.assert_untouched();
    // The writers were not disturbed.
    for writer in &mut scene.writers {
        assert_eq!(writer.ended(), None);
    }
}

#[test]
fn a_program_without_monitor_is_refused_by_name_and_process() {
    let mut scene = Scene::quiet(9);
    let intruder = scene.intruder();
    let mut migration = scene.migrate(&["--live"]);
    assert_eq!(migration.wait(), 8, "{:#?}", migration.said());
    let answer = scene.answer();
    let sentence = answer["error"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("sleep") && sentence.contains(&intruder.id()), "{sentence}");
    drop(intruder);

    // One that comes later stops the copying as long as it stays; what it may have written is copied again.
    let mut migration = scene.migrate(&["--live"]);
    migration.hear("is mirrored");
    let intruder = scene.intruder();
    migration.hear(&format!("process {}", intruder.id()));
    scene.write_unseen();
    drop(intruder);
    scene.run("close-now", &["--wait"]).expect(0);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
    scene.assert_unseen_write_moved();
}

#[test]
fn an_image_that_is_missing_is_waited_for_and_then_nothing_is_moved() {
    let scene = Scene::quiet(10);
    let mut migration = scene.migrate(&["--image", "NOBODY", "--wait-limit", "1s"]);
    migration.hear("image NOBODY is not registered");
    assert_eq!(migration.wait(), 8, "{:#?}", migration.said());
    let answer = scene.answer();
    assert_eq!(answer["error"]["name"], "NotCovered");
    assert!(answer["error"]["sentence"].as_str().unwrap().contains("nothing was moved"));
    scene.assert_untouched();
    // One that the operator named by `image add` is missed as well.
    let [source] = [scene.world.sources[0].to_str().unwrap()];
    let added = scene.world.command("image").args(["add", source, "NAMED"]).output().unwrap();
    assert!(added.status.success(), "{added:?}");
    let mut migration = scene.migrate(&["--wait-limit", "1s"]);
    migration.hear("image NAMED is not registered");
    assert_eq!(migration.wait(), 8, "{:#?}", migration.said());
    scene.assert_untouched();
}

#[test]
fn an_image_that_comes_in_time_is_enough() {
    let mut scene = Scene::quiet(11);
    let mut migration = scene.migrate(&["--image", "W1", "--close-when-mirrored"]);
    migration.hear("image W1 is not registered");
    scene.start_writer(0, 1, 0, true);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.writers[0].hear("opened again");
    scene.assert_moved();
}

#[test]
fn sources_are_retained_while_their_users_work_at_the_target() {
    let mut scene = Scene::busy(12);
    let mut migration = scene.migrate(&["--close-when-mirrored", "--retain", "1h"]);
    migration.hear("the sources are kept until");
    scene.writers[0].hear("opened again");
    scene.wait_for_status(|now| now["retained_until_ms"].is_u64() && now["state"] == "switched");
    assert!(scene.run("terminate", &["--yes"]).expect(8).err.contains("switched"));
    assert!(scene.run("close-now", &[]).expect(8).err.contains("switched"));
    migration.signal("INT");
    assert_eq!(migration.wait(), 12, "{:#?}", migration.said());
    for source in &scene.world.sources {
        let vtoc = Vtoc::read(&*volume::open(source, Access::Read).unwrap()).unwrap();
        assert!(vtoc.data_sets().count() > 0, "the sources are there still");
    }
    // The writer has the target open: it is its own now.
    let mut migration = scene.resume(&[]);
    migration.hear("the sources are kept until");
    migration.kill();
    let mut migration = scene.resume(&["--retain", "0"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
}

#[test]
fn a_data_set_that_cannot_be_read_is_left_where_it_is() {
    let scene = Scene::quiet_with(13, |world| world.data_sets.len() > 1);
    let gone = scene.spoil_a_track();
    let mut migration = scene.migrate(&["--live", "--close-when-mirrored"]);
    assert_eq!(migration.wait(), 4, "{:#?}", migration.said());
    let answer = scene.answer();
    let left_out = &answer["result"]["left_out"];
    assert_eq!(left_out[0]["name"], gone.to_string(), "{left_out}");
    let moved = answer["result"]["data_sets"].as_array().unwrap().len();
    assert_eq!(moved + 1, scene.world.data_sets.len());
    assert!(words(&scene).contains(&"taken-out".into()));

    let scene = Scene::quiet_with(13, |world| world.data_sets.len() > 1);
    scene.spoil_a_track();
    let mut migration = scene.migrate(&["--live", "--close-when-mirrored", "--stop-on-error"]);
    migration.hear("tried again");
    migration.signal("INT");
    assert_eq!(migration.wait(), 12, "{:#?}", migration.said());
}

#[test]
fn a_program_that_tells_nobody_what_it_has_open_counts_as_an_opener() {
    let mut scene = Scene::quiet(14);
    let mut emulator = scene.emulator();
    let mut migration = scene.migrate(&["--image", "EMULATOR", "--close-when-mirrored"]);
    migration.hear("still open");
    let told = migration.said().join("\n");
    assert!(told.contains("image EMULATOR") && told.contains("--is-closed"), "{told}");
    emulator.end_input();
    assert_eq!(emulator.wait(), 0);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();

    // A command that speaks for it is believed.
    let mut scene = Scene::quiet(14);
    let _emulator = scene.emulator();
    let told = scene.world.path("told");
    let tell = |verb: &str, act: &str| format!("echo {verb} >> {}; {act}", told.display());
    let ask = tell("ask", "true");
    let closed = scene.world.path("closed");
    let is_closed =
        format!("sleep 0.4; test -e {} || {{ echo EMULATOR JOB7; exit 4; }}", closed.display());
    let (hold, release) = (tell("hold", "true"), tell("release", "true"));
    let commands = ["--ask-close", &ask, "--is-closed", &is_closed, "--hold", &hold];
    let words = [&commands[..], &["--release", &release, "--close-when-mirrored"]].concat();
    let mut migration = scene.migrate(&words);
    migration.hear("JOB7 on image EMULATOR");
    std::fs::write(&closed, "").unwrap();
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "ask\nhold\nrelease\n");
    scene.assert_moved();
}

#[test]
fn a_guest_changes_its_own_volumes() {
    let mut scene =
        Scene::quiet_with(15, |world| world.data_sets.len() == 1 && world.sources.len() == 1);
    scene.start_writer(0, 1, 0, false);
    scene.writers[0].hear("filled");
    let guest = scene.guest();
    let guests = [format!("OLD001={guest}"), format!("SYS001={guest}")];
    let words = ["--image", "W1", "--close-when-mirrored", "--guest", &guests[0]];
    let mut migration = scene.migrate(&[&words[..], &["--guest", &guests[1]]].concat());
    migration.hear("still open: GUEST-JOB on image GUEST");
    scene.writers[0].end_input();
    assert_eq!(scene.writers[0].wait(), 0);
    std::fs::write(scene.world.path("closed"), "").unwrap();
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
    let calls = std::fs::read_to_string(scene.world.path("calls")).unwrap();
    let mut calls: Vec<&str> = calls.lines().collect();
    calls.dedup();
    let order = ["ask-to-close", "hold", "is-closed", "recatalog", "release", "scratch"];
    assert_eq!(calls, order);
}

#[test]
fn extents_are_combined_on_a_volume_that_is_written_to() {
    let mut scene = Scene::quiet_with(19, |world| world.sources.len() == 1);
    scene.world.targets = scene.world.sources.clone();
    scene.start_writer(0, 2, 0, true);
    scene.start_writer(1, 2, 0, false);
    scene.writers.iter_mut().for_each(|writer| writer.hear("filled"));
    let mut migration = scene.migrate(&["--close-when-mirrored"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.writers[0].hear("opened again");
    scene.assert_every_write();
    let volume = volume::open(&scene.world.sources[0], Access::Read).unwrap();
    let vtoc = Vtoc::read(&*volume).unwrap();
    for name in &scene.world.data_sets {
        assert_eq!(vtoc.find(name).unwrap().unwrap().extents.len(), 1, "{name}");
    }
    scene.assert_no_traces();
}

#[test]
fn two_migrations_share_their_sources_at_the_same_time() {
    let is_wanted = |world: &world::World| world.data_sets.len() > 1 && world.targets.len() == 2;
    let mut scene = Scene::quiet_with(20, is_wanted);
    scene.add_target("NEW003");
    scene.start_writer(0, 2, 0, true);
    scene.start_writer(1, 2, 0, false);
    scene.writers.iter_mut().for_each(|writer| writer.hear("filled"));
    let mut one = scene.migrate_one(0, 1, "one", &["--image", "W1", "W2"]);
    let mut other = scene.migrate_one(1, 0, "other", &["--image", "W1", "W2"]);
    for migration in [&mut one, &mut other] {
        migration.hear("is mirrored");
    }
    // A data set that is being moved is nobody else's.
    let mut third = scene.migrate_one(0, 2, "third", &["--live"]);
    assert_eq!(third.wait(), 8, "{:#?}", third.said());
    third.hear("has an unfinished migration of LIVE.DATA1");
    for (migration, state) in [(&mut one, "one"), (&mut other, "other")] {
        let mut close = scene.world.command("close-now");
        close.arg("--wait").arg("--state").arg(scene.world.path(state));
        let closed = close.output().unwrap();
        assert!(closed.status.success(), "{closed:?}");
        assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    }
    scene.assert_every_write();
    for (data_set, target) in
        scene.world.data_sets.iter().zip(scene.world.targets[..2].iter().rev())
    {
        let vtoc = Vtoc::read(&*volume::open(target, Access::Read).unwrap()).unwrap();
        assert!(vtoc.find(data_set).unwrap().is_some(), "{data_set} is on {}", target.display());
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scene = Scene::quiet(16);
    for (words, why) in [
        (&["--guest", "NEW001=true"][..], "must not be attached"),
        (&["--guest", "VOL999=true"], "no image of this volume"),
        (&["--ask-close", "true"], "--is-closed"),
        (&["--hold", "true"], "--release"),
        (&["--retain", "1h"], "--live"),
    ] {
        let mut migration = scene.migrate(words);
        assert_eq!(migration.wait(), 8, "{words:?}: {:#?}", migration.said());
        let sentence = scene.answer()["error"]["sentence"].to_string();
        assert!(sentence.contains(why), "{words:?}: {sentence}");
    }
    assert!(!scene.state().exists(), "nothing was made");
}

#[test]
fn whoever_moves_without_monitors_is_told_of_them() {
    let scene = Scene::busy(17);
    let mut migration = scene.migrate_plain(&[]);
    assert_eq!(migration.wait(), 8, "{:#?}", migration.said());
    let answer = scene.answer();
    assert_eq!(answer["error"]["name"], "VolumeInUse");
    assert!(answer["advice"].as_str().unwrap().contains("--live"), "{answer}");
}

#[test]
fn events_are_told_as_lines_of_json() {
    let mut scene = Scene::quiet(18);
    let mut migration = scene.migrate(&["--live", "--close-when-mirrored", "--events"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
    let said: Vec<serde_json::Value> =
        migration.said().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said, scene.events());
}
