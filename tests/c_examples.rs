//! The promise of the examples in C: they compile as C99 without a warning, and do what they say; whatever is in their way
//! they name, and wherever they were interrupted the same command goes on. Who judges what they moved are Hercules' tools, and
//! the writers that wrote to it meanwhile. On the machine of its processor the example in assembler, too.

#![cfg(all(feature = "cli", target_os = "linux"))]

mod moves;
#[allow(dead_code)] // It is there for others, too.
#[path = "kill/process.rs"]
mod process;
#[path = "c_examples/program.rs"]
mod program;
#[allow(dead_code)]
#[path = "live_command/scene.rs"]
mod scene;
mod support;
#[path = "c_examples/world.rs"]
mod volumes;
#[allow(dead_code)]
#[path = "live_writers/world.rs"]
mod world;
#[path = "live_writers/writer.rs"]
mod writer;

use process::{How, call_count, kill};
use program::{compiled, compilers, is_native};
use scene::Scene;
use std::process::{Command, Output};
use std::time::Duration;
use trackmirror::registry::openers::Openers;
use trackmirror::volume::{self, Access};
use trackmirror::vtoc::Vtoc;
use volumes::{MOVED, World};
use writer::Process;

/// At how many of its calls a program is killed: each third one.
const EVERY: usize = 3;

/// `migrate` as the first of the compilers makes it, for this world.
fn migrate(world: &World, options: &[&str]) -> Command {
    migrate_by(&compilers()[0], world, options)
}

fn migrate_by(compiler: &str, world: &World, options: &[&str]) -> Command {
    let mut command = support::program(compiled(compiler, "migrate"));
    command.arg("TEST.**");
    command.args(["old.ckd", "new.ckd", "sys.ckd", "state"].map(|file| world.path(file)));
    command.args(options).env("TRACKMIRROR_REGISTRY", world.folder().join("registry"));
    command
}

/// What it printed, and that it ended with this code.
#[track_caller]
fn expect(code: i32, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{}\n{out}{err}", output.status);
    out + &err
}

/// That it is refused with these words, and nothing is changed.
#[track_caller]
fn assert_refused(world: &World, command: &mut Command, words: &[&str]) {
    let before = world.images();
    let said = expect(8, &command.output().unwrap());
    for word in words {
        assert!(said.contains(word), "'{word}' is missing: {said}");
    }
    assert!(world.images() == before, "nothing is changed");
    assert_eq!(world.left_over(), Vec::<String>::new(), "nothing is left");
}

#[test]
fn migrate_moves_data_sets_that_nobody_else_uses() {
    let world = World::new();
    for (compiler, options) in compilers().iter().zip([&["--verify"][..], &["--erase"]]) {
        let world = world.copy();
        let said = expect(0, &migrate_by(compiler, &world, options).output().unwrap());
        assert!(said.contains("TEST.PDS") && said.contains("TEST.SEQ"), "{said}");
        world.assert_moved();
    }
}

#[test]
fn migrate_keeps_sources_and_extents() {
    let world = World::new();
    let options = ["--keep", "--mode", "extent-for-extent", "--verify"];
    expect(0, &migrate(&world, &options).output().unwrap());
    for data_set in MOVED {
        assert_eq!(world.located(data_set), "NEW001");
    }
    let extents = |file: &str| {
        let volume = volume::open(&world.path(file), Access::Read).unwrap();
        let vtoc = Vtoc::read(&*volume).unwrap();
        let found = vtoc.data_sets().map(|one| one.1.unwrap().extents.len());
        let mut counts: Vec<usize> = found.collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(extents("new.ckd"), [2, 6]);
    assert_eq!(extents("old.ckd"), [1, 2, 6], "the sources are there under other names");
}

#[test]
fn migrate_refuses_what_it_is_not_to_do() {
    let world = World::new();
    let usage = ["usage: migrate MASKS"];
    let program = compiled(&compilers()[0], "migrate");
    assert_refused(&world, &mut support::program(&program), &usage);
    assert_refused(&world, support::program(&program).args(["TEST.**", "old.ckd"]), &usage);
    for options in [&["--unknown"][..], &["--pace", "12x"], &["--pace"], &["--mode", "best"]] {
        assert_refused(&world, &mut migrate(&world, options), &usage);
    }
    assert_refused(&world, &mut migrate(&world, &["--operator", "true"]), &usage);
    let of = |mask: &str, files: [&str; 3]| {
        let mut command = support::program(&program);
        command.arg(mask).args(files.map(|file| world.path(file))).arg(world.path("state"));
        command
    };
    let files = ["old.ckd", "new.ckd", "sys.ckd"];
    assert_refused(&world, &mut of("TEST..X", files), &["TEST..X"]);
    assert_refused(&world, &mut of("NOTHING.HERE", files), &["NOTHING.HERE"]);
    assert_refused(&world, &mut of("TEST.**", ["none.ckd", "new.ckd", "sys.ckd"]), &["none.ckd"]);
    // Not an image; found in the folder afterwards, too, so it lies elsewhere.
    let other = support::folder();
    let text = other.path().join("text");
    std::fs::write(&text, "no image at all".repeat(100)).unwrap();
    let mut command = support::program(&program);
    command.arg("TEST.**").arg(&text).args(["new.ckd", "sys.ckd", "state"].map(|f| world.path(f)));
    assert_refused(&world, &mut command, &["text", "CKD_P370"]);
}

#[test]
fn migrate_says_what_a_full_target_has_no_room_for() {
    let world = World::new();
    world.fill_target();
    let words = ["TEST.SEQ", "NEW001", "not everything can be moved"];
    assert_refused(&world, &mut migrate(&world, &[]), &words);
}

#[test]
fn migrate_names_who_uses_a_volume() {
    let world = World::new();
    let words = ["OLD001", "old.ckd", "TEST.**", "in use by another program", "let that end first"];
    let volume = volume::open(&world.path("old.ckd"), Access::Read).unwrap();
    assert_refused(&world, &mut migrate(&world, &[]), &words);
    drop(volume);

    // Emulators take no locks.
    let script = "exec 3<>\"$1\"; echo ready >&2; read line";
    let mut command = Command::new("bash");
    let mut writer = Process::start(command.args(["-c", script, "-"]).arg(world.path("new.ckd")));
    writer.hear("ready");
    let process = format!("process {}", writer.id());
    let words = ["NEW001", "new.ckd", "TEST.**", &process, "detach the volume there"];
    assert_refused(&world, &mut migrate(&world, &[]), &words);
    writer.end_input();
    writer.wait();
    expect(0, &migrate(&world, &[]).output().unwrap());
    world.assert_moved();
}

#[test]
fn migrate_goes_on_after_it_was_killed_at_any_call() {
    if !is_native() {
        return println!("left out: the calls of a program under an emulator cannot be counted");
    }
    let original = World::new();
    let world = original.copy();
    let count = call_count(&mut migrate(&world, &["--verify"]), world.folder());
    world.assert_moved();
    assert!(count > 40, "{count}");
    let ways = [How::Before, How::Torn, How::After, How::TornGarbage];
    for at in (1..=count).step_by(EVERY) {
        let (world, how) = (original.copy(), ways[at as usize / EVERY % ways.len()]);
        let ended = kill(&mut migrate(&world, &["--verify"]), world.folder(), at, how);
        assert!(ended.is_none(), "call {at} of {count}: {ended:?}");
        if matches!(how, How::Before | How::After) {
            world.assert_each_is_somewhere();
        }
        let output = migrate(&world, &["--verify"]).output().unwrap();
        println!("call {at} {how:?}: {}", output.status);
        expect(0, &output);
        world.assert_moved();
    }
}

/// A program that runs, and of which everything that it prints is heard.
fn heard(command: &Command) -> Process {
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" >&2"]).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Process::start(&mut shell)
}

#[test]
fn migrate_stops_when_told_and_goes_on() {
    let world = World::new();
    let mut running = heard(&migrate(&world, &["--pace", "30"]));
    running.hear("tracks left");
    running.signal("INT");
    assert_eq!(running.wait(), 12, "{:#?}", running.said());
    running.hear("stopped; the same command goes on");
    world.assert_each_is_somewhere();
    let said = expect(0, &migrate(&world, &["--verify"]).output().unwrap());
    assert!(said.contains("going on with the migration"), "{said}");
    world.assert_moved();
}

/// `migrate` for a scene with writers, who register as images, and say in the registry what they have open.
fn migrate_live(scene: &Scene, options: &[&str]) -> Process {
    let list = |files: &[std::path::PathBuf]| {
        let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
        names.join(",")
    };
    let mut command = support::program(compiled(&compilers()[0], "migrate"));
    command.arg("LIVE.**").arg(list(&scene.world.sources)).arg(list(&scene.world.targets));
    command.arg(&scene.world.system).arg(scene.state());
    command.args(["--image", "W1,W2", "--mode", "best-fit"]).args(options);
    command.env("TRACKMIRROR_REGISTRY", scene.world.registry()).env_remove("TRACKMIRROR_OPENERS");
    heard(&command)
}

/// That everything that was acknowledged to the writers is where the catalog leads, and nothing is left at the sources.
#[track_caller]
fn assert_moved_live(scene: &mut Scene) {
    scene.assert_every_write();
    for source in &scene.world.sources {
        let volume = volume::open(source, Access::Read).unwrap();
        assert_eq!(
            Vtoc::read(&*volume).unwrap().data_sets().count(),
            0,
            "the source was scratched"
        );
    }
    scene.assert_nobody_is_held();
}

#[test]
fn migrate_moves_data_sets_while_two_programs_write() {
    let mut scene = Scene::busy(1);
    let mut migration = migrate_live(&scene, &["--goal", "100000", "--verify"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.writers[0].hear("opened again");
    assert_moved_live(&mut scene);
}

#[test]
fn migrate_waits_for_the_sign_to_close_and_for_who_has_data_sets_open() {
    let mut scene = Scene::busy(4);
    let mut migration = migrate_live(&scene, &["--goal", "100000", "--wait", "--pace", "2000"]);
    migration.hear("mirrored");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(migration.ended(), None, "it waits: {:#?}", migration.said());
    migration.signal("USR1");
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.writers[0].hear("opened again");
    assert_moved_live(&mut scene);
}

#[test]
fn migrate_names_who_has_a_data_set_open_and_gives_up() {
    let mut scene = Scene::lazy(5);
    let name = scene.world.data_sets[0];
    let openers = Openers::at(&scene.world.registry().join("openers")).unwrap();
    let opened = openers.open(&name, "STUBBORN").unwrap();
    let mut migration = migrate_live(&scene, &["--goal", "100000", "--limit", "1"]);
    assert_eq!(migration.wait(), 12, "{:#?}", migration.said());
    migration.hear(&format!("on image STUBBORN with {name}"));
    let last = migration.said().pop().unwrap();
    assert!(last.starts_with("migrate LIVE.**: ") && last.contains("STUBBORN"), "{last}");
    drop(opened);
    let mut migration = migrate_live(&scene, &["--goal", "100000"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.writers[0].hear("opened again");
    assert_moved_live(&mut scene);
}

#[test]
fn migrate_goes_on_after_it_was_killed_while_others_write() {
    for (seed, word) in [(11, "copying of"), (12, "mirrored"), (13, "asked to close")] {
        let mut scene = Scene::busy(seed);
        let options = ["--goal", "100000"];
        let mut migration = migrate_live(&scene, &options);
        migration.hear(word);
        migration.kill();
        let mut migration = migrate_live(&scene, &options);
        assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
        scene.writers[0].hear("opened again");
        assert_moved_live(&mut scene);
    }
}

#[test]
fn assess_says_where_data_sets_lie_and_what_forbids_moving_them() {
    let world = World::new();
    let before = world.images();
    for compiler in compilers() {
        let assess = |masks: &str, files: &[&str]| {
            let mut command = support::program(compiled(&compiler, "assess"));
            command.arg(masks).args(files.iter().map(|file| world.path(file)));
            command.output().unwrap()
        };
        let said = expect(0, &assess("TEST.**", &["old.ckd", "sys.ckd"]));
        let words = [
            "TEST.PDS: tracks 5, extents 2",
            "TEST.SEQ: tracks 96, extents 6",
            "OLD001 tracks 120 to 149",
            "in all: data sets 2, tracks 101, volumes 1, can be moved 2",
        ];
        for word in words {
            assert!(said.contains(word), "'{word}' is missing: {said}");
        }
        // Its catalog's volume is not given.
        let said = expect(4, &assess("TEST.SEQ", &["old.ckd"]));
        assert!(said.contains("cannot be moved") && said.contains("catalog"), "{said}");
        expect(8, &assess("TEST..X", &["old.ckd"]));
        expect(8, &assess("TEST.**", &["none.ckd"]));
        expect(8, &assess("TEST.**", &[]));
    }
    assert!(world.images() == before, "nothing is changed");
}

#[test]
fn monitor_loses_nothing_that_is_written_beside_the_copy() {
    for compiler in compilers() {
        let said = expect(0, &support::program(compiled(&compiler, "monitor")).output().unwrap());
        assert!(said.contains("nothing was lost"), "{said}");
    }
}

#[test]
#[cfg(target_arch = "s390x")]
fn translate_calls_the_library_by_lists_of_addresses() {
    let program = compiled(&compilers()[0], "translate");
    let said = expect(0, &support::program(program).output().unwrap());
    assert_eq!(said, "track 505 of the source is track 50 of VOL002\n");
}
