//! The promise for programs that tell nobody what they have open: whatever was started by `trackmirror monitored` counts
//! as one that has open what it has ever written, as long as anything of it lives. So a script that opens the volume anew
//! for each write, and has nothing open in between, never writes to the old place after the switch.

#![cfg(all(feature = "cli", target_os = "linux", target_env = "gnu"))]

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
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use trackmirror::monitor::Area;
use trackmirror::volume::locks::other_writers;
use trackmirror::volume::{self, Access};
use writer::{LONG, Process};

/// A scene in which scripts write into the last block of a data set.
struct Scripts {
    scene: Scene,
    place: u64,
}

/// `write TEXT`: replaces sixteen bytes of the data set by the text, by a program that is started for it.
const WRITE: &str = r#"write() {
    printf '%-16s' "$1" | dd of="$VOLUME" bs=16 seek="$PLACE" oflag=seek_bytes conv=notrunc \
        status=none && echo "$1" >> "$LOG"
}
until_there() {
    while test ! -e "$1"; do sleep 0.02; done
}
"#;

impl Scripts {
    fn new(seed: u64) -> Scripts {
        let scene = Scene::quiet(seed);
        let place = scene.last_block().1 - 16;
        Scripts { scene, place }
    }

    /// Runs a script under the monitor.
    fn start(&self, script: &str) -> Process {
        let world = &self.scene.world;
        let mut command = world.command("monitored");
        command.args(["--", "sh", "-c"]).arg(format!("{WRITE}{script}"));
        command.env("XDG_CACHE_HOME", world.path("cache")).env_remove("LD_PRELOAD");
        command.env("VOLUME", &world.sources[0]).env("PLACE", self.place.to_string());
        command.env("LOG", world.path("log")).current_dir(world.folder.path());
        command.env("WRITE", WRITE);
        Process::start(&mut command)
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.scene.world.path(name), "").unwrap();
    }

    /// What was written, and acknowledged to the scripts.
    fn written(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.scene.world.path("log")).unwrap_or_default();
        log.lines().map(String::from).collect()
    }

    /// Waits until so many writes were acknowledged.
    #[track_caller]
    fn wait_for_writes(&self, count: usize) {
        let until = Instant::now() + LONG;
        while self.written().len() < count {
            assert!(Instant::now() < until, "{:?}", self.written());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn has_window(&self) -> bool {
        self.scene.events().iter().any(|event| event["event"] == "window-opened")
    }

    /// That the last write that was acknowledged is in the data set where it is now.
    #[track_caller]
    fn assert_last_write_moved(&self) {
        let last = format!("{:<16}", self.written().last().expect("something was written"));
        let has = |target: &std::path::PathBuf| {
            std::fs::read(target).unwrap().windows(16).any(|bytes| bytes == last.as_bytes())
        };
        assert!(self.scene.world.targets.iter().any(has), "{last} was lost");
    }
}

fn area(scene: &Scene) -> Area {
    let path: &Path = &scene.world.sources[0];
    let identity =
        trackmirror::monitor::Identity::of(&*volume::open(path, Access::Read).unwrap()).unwrap();
    Area::open_in(&scene.world.registry(), identity).unwrap()
}

#[test]
fn a_script_that_opens_anew_for_each_write_has_the_data_sets_open_until_it_ends() {
    let mut scripts = Scripts::new(31);
    let mut script = scripts
        .start("i=0; while test ! -e stop; do i=$((i + 1)); write \"loop $i\"; sleep 0.05; done");
    scripts.wait_for_writes(1);
    let mut migration = scripts.scene.migrate(&["--live", "--close-when-mirrored"]);
    migration.hear("still open");
    let told = migration.said().join("\n");
    for word in ["sh (it has written", "image sh", &format!("process {}", script.id()), "end it"] {
        assert!(told.contains(word), "{word} in {told}");
    }
    assert!(told.contains("--is-closed"), "{told}");
    // However often it opens and closes meanwhile.
    scripts.wait_for_writes(scripts.written().len() + 10);
    assert!(!scripts.has_window(), "{:#?}", migration.said());
    scripts.touch("stop");
    assert_eq!(script.wait(), 0, "{:#?}", script.said());
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    assert!(scripts.has_window());
    scripts.scene.assert_moved();
    scripts.assert_last_write_moved();
    // Nobody died: each of its programs ended, and said so.
    let events = format!("{:?}", scripts.scene.events());
    assert!(!events.contains("died"), "{events}");
}

#[test]
fn what_a_program_has_left_behind_counts_as_the_program() {
    let mut scripts = Scripts::new(32);
    // The daemon has nothing open, no terminal, and its parent's descriptors but the first three closed.
    let daemon = "until_there go; write \"by the daemon\"; until_there end";
    let mut script = scripts.start(&format!(
        "write 'by the parent'; DAEMON='{daemon}' setsid python3 -c '
import os, subprocess
subprocess.Popen([\"sh\", \"-c\", os.environ[\"WRITE\"] + os.environ[\"DAEMON\"]], close_fds=True,
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)'"
    ));
    assert_eq!(script.wait(), 0, "{:#?}", script.said());
    assert_eq!(scripts.written(), ["by the parent"]);
    let mut migration = scripts.scene.migrate(&["--live", "--close-when-mirrored"]);
    migration.hear("still open");
    let told = migration.said().join("\n");
    let process = format!("process {}", script.id());
    assert!(told.contains("image sh") && !told.contains(&process), "{told}");
    scripts.touch("go");
    scripts.wait_for_writes(2);
    assert!(!scripts.has_window(), "{:#?}", migration.said());
    scripts.touch("end");
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scripts.scene.assert_moved();
    assert_eq!(scripts.written(), ["by the parent", "by the daemon"]);
    scripts.assert_last_write_moved();
}

#[test]
fn a_program_that_is_killed_or_has_written_elsewhere_only_holds_nobody_up() {
    let mut scripts = Scripts::new(33);
    std::fs::copy(&scripts.scene.world.system, scripts.scene.world.path("other")).unwrap();
    let _elsewhere = scripts.start("VOLUME=other PLACE=4096; write other; until_there never");
    scripts.wait_for_writes(1);
    let mut script = scripts.start("write 'before it died'; exec sleep 600");
    scripts.wait_for_writes(2);
    let mut migration = scripts.scene.migrate(&["--live", "--close-when-mirrored"]);
    migration.hear("still open");
    let told = migration.said().join("\n");
    assert!(told.contains(&format!("process {}", script.id())), "{told}");
    assert_eq!(told.matches("has written to").count(), 1, "{told}");
    script.kill();
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scripts.scene.assert_moved();
    scripts.assert_last_write_moved();
    // Only the file of the one that lives is left.
    let registry = std::fs::read_dir(scripts.scene.world.registry()).unwrap();
    let names = registry.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("program-")).count(), 1);
}

#[test]
fn a_command_speaks_for_a_program_that_lives_on() {
    let mut scripts = Scripts::new(34);
    let mut script = scripts.start("write once; until_there end");
    scripts.wait_for_writes(1);
    let mut migration =
        scripts.scene.migrate(&["--live", "--close-when-mirrored", "--is-closed", "true"]);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    assert_eq!(script.ended(), None);
    scripts.scene.assert_moved();
    scripts.assert_last_write_moved();
    scripts.touch("end");
    assert_eq!(script.wait(), 0, "{:#?}", script.said());
}

/// Holds the lock that every registration in an area needs, from another process, until it is dropped.
fn hold_table(area: &Area) -> Process {
    let script = "import fcntl, sys
file = open(sys.argv[1], 'r+b')
fcntl.lockf(file, fcntl.LOCK_EX, 1, (1 << 62) + 900)
print('held', file=sys.stderr)
sys.stdin.read()";
    let mut command = Command::new("python3");
    let mut process = Process::start(command.args(["-c", script]).arg(area.path().unwrap()));
    process.hear("held");
    process
}

#[test]
fn a_volume_is_opened_for_writing_by_nobody_who_is_not_registered() {
    let scripts = Scripts::new(36);
    let area = area(&scripts.scene);
    let source = &scripts.scene.world.sources[0];
    let mut held = hold_table(&area);
    let mut script = scripts.start("write late");
    let until = Instant::now() + LONG;
    // It tells that it will write before it registers, which it cannot.
    while area.living_programs().unwrap().is_empty() {
        assert!(Instant::now() < until, "{:?}", script.said());
        std::thread::sleep(Duration::from_millis(1));
    }
    for _ in 0..5 {
        assert_eq!(other_writers(source).unwrap(), []);
    }
    held.end_input();
    assert_eq!(held.wait(), 0);
    assert_eq!(script.wait(), 0, "{:?}", script.said());
    assert_eq!(scripts.written(), ["late"]);
}

#[test]
fn programs_that_live_for_a_moment_are_no_strangers() {
    let scripts = Scripts::new(35);
    let area = area(&scripts.scene);
    let mut script =
        scripts.start("i=0; while test ! -e stop; do i=$((i + 1)); write \"loop $i\"; done");
    scripts.wait_for_writes(1);
    let source = &scripts.scene.world.sources[0];
    for round in 0..300 {
        assert_eq!(area.unregistered_writers(source).unwrap(), [], "round {round}");
    }
    scripts.wait_for_writes(scripts.written().len() + 1);
    scripts.touch("stop");
    assert_eq!(script.wait(), 0, "{:#?}", script.said());
    assert_eq!(area.reap().unwrap(), []);
}
