//! Programs that tell a monitor what they write may write one volume beside each other, whether or not they take our locks;
//! who tells nobody is refused by name, and with him the next one who wants to write.
//!
//! The other processes are a shell under `trackmirror monitored`, which stands for an emulator, and this test program once
//! more, with [`ROLE`] in its environment.

#![cfg(all(feature = "cli", target_os = "linux", target_env = "gnu"))]

mod support;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use support::player::Player;
use support::{assert_refused, made};
use tempfile::TempDir;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{Area, Identity, Image, Kind, MonitoredVolume, Standing, Subscription};
use trackmirror::volume::{Access, Holder, Volume, VolumeExt, open, open_beside};
use trackmirror::{Reason, Result};

const ROLE: &str = "TRACKMIRROR_TEST_ROLE";

/// One test at a time: a process that another test just forked has, for a moment, this one's files open too.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(|failed| failed.into_inner())
}

/// An image of 95 tracks, and the folder of its area.
struct World {
    folder: TempDir,
    image: PathBuf,
    area: Area,
}

impl World {
    fn new() -> World {
        let folder = support::folder();
        let image = made(folder.path(), "image", "3330", 5);
        let registry = folder.path().join("registry");
        let identity = Identity::of(&*open(&image, Access::Read).unwrap()).unwrap();
        let area = Area::open_in(&registry, identity).unwrap();
        World { folder, image, area }
    }

    /// Another process with the registry of this world, which says on its output how far it is.
    fn start(&self, command: &mut Command) -> Player {
        command
            .env("TRACKMIRROR_REGISTRY", self.folder.path().join("registry"))
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .env_remove("LD_PRELOAD");
        Player::start(command)
    }

    /// A shell that has the image open for writing, and knows of no lock.
    fn shell(&self, command: &mut Command) -> Player {
        let script =
            "exec 3<>\"$1\" && echo @in && read line && exec 3>&- && echo @out && read line";
        let mut player = self.start(command.args(["sh", "-c", script, "-"]).arg(&self.image));
        assert_eq!(player.hear(), "in");
        player
    }

    fn monitored(&self, name: &str) -> Player {
        self.shell(support::trackmirror().args(["monitored", "--image", name, "--"]))
    }

    fn unmonitored(&self) -> Player {
        self.shell(&mut Command::new("env"))
    }

    /// A Rust program that opens the image under a name, and does what it is told.
    fn program(&self, name: &str) -> Player {
        let role = format!("{name} {}", self.image.display());
        let mut command = support::itself();
        command.args(["--exact", "a_role_of_another_process", "--nocapture", "--test-threads=1"]);
        self.start(command.env(ROLE, role))
    }

    /// As the program does it; but the registry is named here, not in the environment.
    fn open(&self) -> Result<std::sync::Arc<dyn Volume>> {
        let is_registered = |writer: &Holder| self.area.is_registered(writer);
        open_beside(&self.image, Access::MonitoredWrite, &is_registered)
    }
}

#[test]
fn a_role_of_another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (name, image) = role.split_once(' ').unwrap();
    let volume = match MonitoredVolume::open(Path::new(image), name) {
        Ok(volume) => volume,
        Err(error) => return println!("@{:?}: {error}", error.reason()),
    };
    println!("@in");
    for line in std::io::stdin().lines() {
        let track = Track(line.unwrap().parse().unwrap());
        let slot = volume.read_track(track).unwrap();
        volume.write(track, &slot).unwrap();
        println!("@written");
    }
}

#[test]
fn all_that_are_monitored_write_side_by_side() {
    let _alone = alone();
    let world = World::new();
    let all = Extent::new(Track(0), world.area.identity().track_count);
    let subscription = Subscription::open(&world.area, [1, 2]).unwrap();
    subscription.fill(&[]).unwrap();
    let _emulator = world.monitored("SYSA");
    let _other = world.monitored("SYSB");
    let mut first = world.program("BATCH1");
    assert_eq!(first.hear(), "in");
    let mut second = world.program("BATCH2");
    assert_eq!(second.hear(), "in");
    let names: Vec<_> = world.area.images().into_iter().map(|image| image.name).collect();
    assert_eq!(names, ["SYSA", "SYSB", "BATCH1", "BATCH2"]);
    world.area.check_coverage(&names).unwrap();
    for (program, track) in [(&mut first, "17"), (&mut second, "70")] {
        program.tell(track);
        assert_eq!(program.hear(), "written");
        let track = Extent::new(Track(track.parse().unwrap()), 1);
        assert_eq!(subscription.changed_count(track).unwrap(), 1);
    }
    assert_eq!(subscription.changed_count(all).unwrap(), 2);

    let reader = open(&world.image, Access::Read).unwrap();
    reader.read_track(Track(17)).unwrap();
    drop(reader);
    // Who knows of no monitor, or wants the volume for himself, is refused as before.
    let words = ["image", "program sh", "trackmirror monitored -- "];
    assert_refused(open(&world.image, Access::MonitoredWrite), Reason::VolumeInUse, &words);
    let everybody = |_: &Holder| true;
    drop((first, second));
    let exclusive = open_beside(&world.image, Access::Exclusive, &everybody);
    assert_refused(exclusive, Reason::VolumeInUse, &["program sh", "detach the volume there"]);
    // The name of one that lives is refused, whoever asks.
    let refused = world.program("SYSA").hear();
    assert!(refused.starts_with("ImageExists: volume MADE01: "), "{refused}");
}

#[test]
fn one_that_is_not_registered_is_refused_by_program_and_process() {
    let _alone = alone();
    let world = World::new();
    let _emulator = world.monitored("SYSA");
    let mut stranger = world.unmonitored();
    let refused = world.program("BATCH1").hear();
    for word in [
        "VolumeInUse: volume MADE01: ",
        "program sh",
        &stranger.process(),
        "start it with a monitor, by `trackmirror monitored -- COMMAND...`",
    ] {
        assert!(refused.contains(word), "'{word}' is missing: {refused}");
    }
    let writers = world.area.unregistered_writers(&world.image).unwrap();
    assert_eq!(writers.len(), 1, "{writers:?}");
    assert_eq!(writers[0].process, stranger.process.id());
    assert!(open(&world.image, Access::Read).is_ok());
    // It closes the image, and lives on.
    stranger.tell("");
    assert_eq!(stranger.hear(), "out");
    assert_eq!(world.program("BATCH1").hear(), "in");
}

#[test]
fn one_that_was_retired_is_a_stranger_again() {
    let _alone = alone();
    let world = World::new();
    let emulator = world.monitored("SYSA");
    assert!(world.open().is_ok());
    world.area.retire("SYSA").unwrap();
    let process = emulator.process();
    let words = ["program sh", &process, "trackmirror monitored"];
    assert_refused(world.open(), Reason::VolumeInUse, &words);
    drop(emulator);
    assert!(world.open().is_ok());
}

/// A program has the file open a moment before it is registered, and is not refused for that.
#[test]
fn one_that_is_just_coming_is_waited_for() {
    let _alone = alone();
    let world = World::new();
    let coming = world.unmonitored();
    let (begin, looks) = (Instant::now(), Cell::new(0));
    let later = |writer: &Holder| {
        assert_eq!((writer.program.as_str(), writer.process), ("sh", coming.process.id()));
        looks.set(looks.get() + 1);
        begin.elapsed() > Duration::from_millis(100)
    };
    open_beside(&world.image, Access::MonitoredWrite, &later).unwrap();
    assert!(looks.get() > 1, "{looks:?}");
}

/// An exclusive volume looks again for anybody; one that stands beside others has nobody to look for.
#[test]
fn only_who_is_alone_must_stay_alone() {
    let _alone = alone();
    let world = World::new();
    let exclusive = open_beside(&world.image, Access::Exclusive, &|_| true).unwrap();
    exclusive.check_alone().unwrap();
    let stranger = world.unmonitored();
    assert_refused(exclusive.check_alone(), Reason::VolumeInUse, &[&stranger.process()]);
    drop((exclusive, stranger));
    let _emulator = world.monitored("SYSA");
    let beside = world.open().unwrap();
    beside.check_alone().unwrap();
}

/// An area of another boot is replaced by whoever comes first; all come to the same one, and none is refused for it.
#[test]
fn programs_that_meet_an_old_area_come_to_the_new_one_together() {
    let _alone = alone();
    for _ in 0..3 {
        let world = World::new();
        let path = world.area.path().unwrap().to_path_buf();
        let old = world.area.id();
        // Word 5 is the boot.
        support::patch(&path, 5 * 8, &[0x55; 8]);
        let mut players: Vec<_> = (0..3).map(|n| world.program(&format!("BATCH{n}"))).collect();
        for player in &mut players {
            assert_eq!(player.hear(), "in");
        }
        let area = Area::open_in(path.parent().unwrap(), *world.area.identity()).unwrap();
        assert_ne!(area.id(), old);
        assert_eq!(area.images().len(), 3);
        let attached =
            |image: &trackmirror::monitor::ImageReport| image.standing == Standing::Attached;
        assert!(area.images().iter().all(attached));
    }
}

/// A process id is that of one process only within one table of processes.
#[test]
fn a_process_of_another_namespace_is_no_image() {
    let world = World::new();
    let _image = Image::register(&world.area, "SYSA", Kind::Brackets).unwrap();
    let this = Holder { program: "test".into(), process: std::process::id() };
    assert!(world.area.is_registered(&this));
    let bytes = fs::read(world.area.path().unwrap()).unwrap();
    let namespace =
        fs::metadata("/proc/self/ns/pid").map(|n| std::os::unix::fs::MetadataExt::ino(&n));
    let namespace = namespace.unwrap().to_ne_bytes();
    // The record of image 0 begins at word 64.
    let place =
        (64..80).find(|word| bytes[word * 8..][..8] == namespace).expect("it is in the record");
    support::patch(world.area.path().unwrap(), place as u64 * 8, &[1; 8]);
    assert!(!world.area.is_registered(&this));
}
