//! The real thing: OS/VS1 under Hercules, with the monitor that is loaded into it, rewrites a data set again and again
//! while the command mirrors it and its neighbours to another volume; in a second partition jobs allocate, rename,
//! scratch, extend and release some of them, and one more appears when the close was asked for. The end of the jobs is the
//! close; the guest's own utilities recatalog, rename, compare and read through the catalog. See `tests/live/mirror.py`.
//! The same once more by the example in C, a program that brings volumes, operator and orders of its own.
//!
//! The volumes and the kit that drives the guest are not part of the project: `TRACKMIRROR_SHARED` names their folder.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[allow(dead_code)] // It is there for others, too.
#[path = "c_examples/program.rs"]
mod program;
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{Area, Identity, Subscription};
use trackmirror::volume::{self, Access, VolumeExt};

/// How often each of the guest's jobs goes through the data set: for some seconds.
const PASSES: &str = "20";

#[test]
fn what_os_vs1_writes_and_allocates_while_its_data_sets_move_is_at_the_target() {
    assert_all_is_moved(None);
}

#[test]
fn what_os_vs1_writes_and_allocates_is_at_the_target_if_a_program_in_c_moves_it() {
    let compiler = program::compilers().remove(0);
    assert_all_is_moved(Some(&program::compiled(&compiler, "migrate")));
}

/// The whole scene: by the command, or by this program.
fn assert_all_is_moved(example: Option<&Path>) {
    let Some(shared) = support::shared() else { return };
    let (folder, copies) =
        support::copies(&["vs1-dliba1-ready", "vs1-clna01", "vs1-clna02"]).unwrap();
    let scratch = folder.path();
    let images = ["dliba1.150", "clna01.151", "clna02.153"].map(|name| scratch.join(name));
    for (copy, image) in copies.iter().zip(&images) {
        std::fs::rename(copy, image).unwrap();
    }
    // A subscription of our own keeps every track that the monitor notes.
    let before = std::fs::read(&images[1]).unwrap();
    let registry = scratch.join("registry");
    let source = volume::open(&images[1], Access::Read).unwrap();
    let area = Area::open_in(&registry, Identity::of(&*source).unwrap()).unwrap();
    let subscription = Subscription::open(&area, [7, 7]).unwrap();
    subscription.fill(&[]).unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/mirror.py");
    let output = Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TRACKMIRROR_REGISTRY", &registry)
        .env("XDG_CACHE_HOME", scratch.join("cache"))
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_trackmirror"))
        .args([scratch, &shared])
        .arg(PASSES)
        .args(example)
        .output()
        .expect("python3 can be run");
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", output.status);

    let told = std::fs::read_to_string(scratch.join("told")).unwrap();
    assert!(told.contains("converge"), "it says that it does not converge, and why:\n{told}");
    let after = std::fs::read(&images[1]).unwrap();
    let (slot, count) = (source.slot_size(), source.geometry().track_count());
    let track = |bytes: &[u8], number: u32| {
        let start = 512 + number as usize * slot;
        bytes[start..start + slot].to_vec()
    };
    let changed: BTreeSet<u32> =
        (0..count).filter(|&number| track(&before, number) != track(&after, number)).collect();
    let noted = subscription.take(Extent::new(Track(0), count)).unwrap();
    let noted: BTreeSet<u32> = noted.runs().flat_map(|run| run.first.0..run.end().0).collect();
    assert_eq!(before[..512], after[..512]);
    assert!(changed.len() >= 20, "{changed:?}");
    let missed: Vec<_> = changed.difference(&noted).collect();
    assert!(missed.is_empty(), "changed, but not noted: {missed:?}");
}
