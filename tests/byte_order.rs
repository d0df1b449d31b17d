//! The promise for machines of the other byte order: what one has made durable the other reads and finishes, they understand
//! each other while a migration runs, and only what lies in the memory of a machine is refused by the other, with the reason.
//!
//! Each test has two processes: itself, and one of the other machine, this program built for that one. What that is run by
//! says `TRACKMIRROR_OTHER_MACHINE`, a line such as `qemu-s390x-static target/…/byte_order-…` (`tests/big_endian/run` sets it).
//! Without it the other process is this program, too: the same in one byte order.

#[path = "byte_order/dialog.rs"]
mod dialog;
#[path = "byte_order/other.rs"]
mod other;
#[path = "byte_order/scenes.rs"]
mod scenes;
#[allow(dead_code)] // It is there for others, too.
#[path = "mirror/stage.rs"]
mod stage;
mod support;
#[path = "mirror/world.rs"]
mod world;

use other::{Lines, Other};
use scenes::Scene;
use support::desk;

/// What the process of the other machine does; nothing where no role is given.
#[test]
fn a_role_of_the_other_machine() {
    let Some((role, folder)) = other::role() else { return };
    let lines = Lines::of_this_process();
    lines.say(other::OWN_ORDER);
    match role.as_str() {
        "write" => Scene::ALL.iter().for_each(|scene| scene.write(&folder)),
        "finish" => Scene::ALL.iter().for_each(|scene| scene.finish(&folder)),
        "own" => dialog::own(&lines, &folder),
        "serve" => dialog::serve(&lines, &folder),
        #[cfg(feature = "sim")]
        "rehearse" => lines.say(stories()),
        _ => panic!("no role: {role}"),
    }
}

#[test]
fn what_the_other_machine_has_made_durable_is_finished_here() {
    let folder = support::folder();
    Other::play("write", folder.path()).ends();
    Scene::ALL.iter().for_each(|scene| scene.finish(folder.path()));
}

#[test]
fn what_is_made_durable_here_is_finished_by_the_other_machine() {
    let folder = support::folder();
    Scene::ALL.iter().for_each(|scene| scene.write(folder.path()));
    Other::play("finish", folder.path()).ends();
}

#[test]
fn an_owner_here_moves_what_the_other_machine_writes() {
    let folder = support::folder();
    let other = Other::play("serve", folder.path());
    dialog::own(&other.lines, folder.path());
    other.ends();
}

#[test]
fn an_owner_on_the_other_machine_moves_what_is_written_here() {
    let folder = support::folder();
    let other = Other::play("own", folder.path());
    dialog::serve(&other.lines, folder.path());
    other.ends();
}

/// The simulator's worlds are the same on every machine, so that a seed that fails on one can be looked at on another.
#[cfg(feature = "sim")]
#[test]
fn the_same_seed_is_the_same_story_there() {
    let other = Other::play("rehearse", support::folder().path());
    assert_eq!(other.lines.hear().unwrap(), stories());
    other.ends();
}

#[cfg(feature = "sim")]
fn stories() -> String {
    let hashes = (0..20).map(|seed| trackmirror::sim::rehearse(seed).hash);
    hashes.map(|hash| format!("{hash:016x} ")).collect()
}
