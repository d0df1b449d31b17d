//! `trackmirror image` shows who writes a volume, and takes the operator's word for who must be monitored and who cannot
//! write any more.
//!
//! The other processes are shells, with `trackmirror monitored` or without, and this test program once more, which is a Rust
//! program with a monitored volume.

#![cfg(all(feature = "cli", target_os = "linux", target_env = "gnu"))]

mod support;

use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::player::Player;
use tempfile::TempDir;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{Area, Identity, Image, Kind, MonitoredVolume, Subscription};
use trackmirror::registry::expected::expected_images;
use trackmirror::volume::{Access, Volume, VolumeExt, open};

const ROLE: &str = "TRACKMIRROR_TEST_ROLE";

/// A folder with an image of 95 tracks, and its registry.
struct World {
    folder: TempDir,
    image: PathBuf,
    identity: Identity,
}

impl World {
    fn new() -> World {
        let folder = support::folder();
        let image = support::made(folder.path(), "volume.ckd", "3330", 5);
        let identity = Identity::of(&*open(&image, Access::Read).unwrap()).unwrap();
        World { folder, image, identity }
    }

    fn registry(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    fn area(&self) -> Area {
        Area::open_in(&self.registry(), self.identity).unwrap()
    }

    fn expected(&self) -> Vec<String> {
        expected_images(&self.registry(), self.identity.device, self.identity.inode).unwrap()
    }

    fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(self.folder.path())
            .env("TRACKMIRROR_REGISTRY", self.registry())
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .env_remove("LD_PRELOAD")
    }

    /// Runs `trackmirror image`, and gives back what it printed.
    #[track_caller]
    fn run(&self, code: i32, words: &[&str]) -> String {
        let mut command = support::trackmirror();
        let command = self.prepare(command.arg("image").args(words).stdin(Stdio::null()));
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        text
    }

    /// The same in JSON: its result.
    #[track_caller]
    fn json(&self, code: i32, words: &[&str]) -> Value {
        let text = self.run(code, &[&["--json"], words].concat());
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&answer["verb"], &answer["code"]), (&json!("image"), &json!(code)));
        if code == 8 { answer["error"].clone() } else { answer["result"].clone() }
    }

    /// What is listed of the volume.
    #[track_caller]
    fn listed(&self, code: i32) -> Value {
        let listed = self.json(code, &["list", "volume.ckd"]);
        assert_eq!(listed["volumes"].as_array().unwrap().len(), 1);
        listed["volumes"][0].clone()
    }

    /// What is listed of one image of the volume.
    #[track_caller]
    fn listed_image(&self, code: i32, name: &str) -> Value {
        let listed = self.listed(code);
        let mut images = listed["images"].as_array().unwrap().iter();
        images.find(|image| image["name"] == name).expect("it is listed").clone()
    }

    /// Another process, which says on its output how far it is.
    fn start(&self, command: &mut Command) -> Player {
        let mut player = Player::start(self.prepare(command));
        assert_eq!(player.hear(), "in");
        player
    }

    /// A shell that has the image open for writing, and writes a byte at each line, the first time the one that is
    /// there.
    fn shell(&self, command: &mut Command) -> Player {
        let script = "exec 3<>volume.ckd && echo @in && while read line; do \
                      if printf C >&3; then echo @written; else echo @refused; fi; done";
        self.start(command.args(["sh", "-c", script]))
    }

    fn monitored(&self, name: &str) -> Player {
        self.shell(support::trackmirror().args(["monitored", "--image", name, "--"]))
    }

    fn program(&self, name: &str) -> Player {
        let mut command = support::itself();
        command.args(["--exact", "a_role_of_another_process", "--nocapture", "--test-threads=1"]);
        self.start(command.env(ROLE, format!("{name} {}", self.image.display())))
    }
}

#[test]
fn a_role_of_another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (name, image) = role.split_once(' ').unwrap();
    let volume = MonitoredVolume::open(Path::new(image), name).unwrap();
    let mut begun = Vec::new();
    println!("@in");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        match line.split_once(' ').expect("a verb and a number") {
            ("write", track) => {
                let track = Track(track.parse().unwrap());
                let slot = volume.read_track(track).unwrap();
                let written = volume.write(track, &slot).is_ok();
                println!("@{}", if written { "written" } else { "refused" });
            }
            (_, count) => {
                for track in 0..count.parse().unwrap() {
                    let extent = Extent::new(Track(10 + track % 20), 1);
                    begun.push(volume.image().begin(extent).unwrap());
                }
                println!("@begun");
            }
        }
    }
}

fn all_of(world: &World) -> Extent {
    Extent::new(Track(0), world.identity.track_count)
}

#[test]
fn a_list_shows_every_image_and_what_it_does() {
    let world = World::new();
    assert_eq!(world.listed(0)["images"], json!([]));
    let text = world.run(0, &["list", "volume.ckd"]);
    assert!(text.starts_with("Volume MADE01, in volume.ckd\nno images\n"), "{text}");
    let entries = || std::fs::read_dir(world.registry()).unwrap().count();
    assert_eq!(entries(), 0, "looking makes no area");

    let area = world.area();
    let subscription = Subscription::open(&area, [1, 0xAB]).unwrap();
    subscription.fill(&[]).unwrap();
    let emulator = world.monitored("SYSA");
    let mut program = world.program("BATCH1");
    program.tell("write 17");
    assert_eq!(program.hear(), "written");
    subscription.seal(&[Extent::new(Track(40), 1)]).unwrap();
    program.tell("write 40");
    assert_eq!(program.hear(), "refused");
    program.tell("begin 65");
    assert_eq!(program.hear(), "begun");
    let remote = Image::register(&area, "FAR", Kind::Remote).unwrap();
    let notes = Image::register(&area, "NOTES", Kind::Completions).unwrap();
    notes.note(Extent::new(Track(1), 2)).unwrap();

    let listed = world.listed(0);
    assert_eq!(listed["volser"], "MADE01");
    assert_eq!(listed["area"], area.path().unwrap().to_str().unwrap());
    assert_eq!(listed["unregistered_writers"], json!([]));
    let begun_as = emulator.process.id();
    assert_eq!(listed["programs"], json!([{ "image": "SYSA", "begun_as": begun_as }]));
    let text = world.run(0, &["list", "volume.ckd"]);
    assert!(text.contains(&format!("program SYSA, begun as process {begun_as}\n")), "{text}");
    let watching = &listed["subscriptions"];
    assert_eq!(watching[0]["migration"], "000000000000000100000000000000ab");
    assert_eq!((&watching[0]["owned"], watching.as_array().unwrap().len()), (&json!(true), 1));
    let names: Vec<_> = listed["images"].as_array().unwrap().iter().map(|i| &i["name"]).collect();
    assert_eq!(names, ["SYSA", "BATCH1", "FAR", "NOTES"]);
    let batch = &listed["images"][1];
    for (key, value) in [
        ("state", json!("alive")),
        ("named", json!(false)),
        ("kind", json!("brackets")),
        ("process", json!(program.process.id())),
        ("slots_in_use", json!(64)),
        ("writes_without_slot", json!(1)),
        ("write_count", json!(2)),
        ("refused_count", json!(1)),
        ("last_refused_track", json!(40)),
        ("last_refused", json!("2/2")),
    ] {
        assert_eq!(batch[key], value, "{key} in {batch}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let since = now.as_millis() as u64 - batch["last_sign_of_life_ms"].as_u64().unwrap();
    assert!(since < 60_000, "{since}");
    assert!(batch["incarnation"].as_u64() > listed["images"][0]["incarnation"].as_u64());
    let first = &listed["images"][0];
    assert_eq!(
        (&first["program"], &first["process"]),
        (&json!("sh"), &json!(emulator.process.id()))
    );
    let kinds = [&listed["images"][2]["kind"], &listed["images"][3]["kind"]];
    assert_eq!(kinds, [&json!("remote"), &json!("completions")]);
    assert_eq!(listed["images"][3]["write_count"], 1);

    let text = world.run(0, &["list", "volume.ckd"]);
    let line = text.lines().find(|line| line.starts_with("BATCH1 ")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[..4], ["BATCH1", "alive", "no", "brackets"], "{text}");
    assert!(words.ends_with(&["64", "1", "2", "1", "2/2"]), "{text}");
    let own = std::process::id();
    assert!(text.contains("a migration has watched for "), "{text}");
    assert!(text.contains(&format!("it runs as process {own}\n")), "{text}");
    drop((emulator, remote, subscription));
    program.kill();
    assert_eq!(world.listed_image(0, "BATCH1")["state"], "dead");
    assert_eq!(world.listed_image(0, "BATCH1")["program"], Value::Null);
    drop(notes);
    assert_eq!(world.listed_image(0, "NOTES")["state"], "ended");
    assert_eq!(world.listed_image(0, "FAR")["state"], "ended");
}

#[test]
fn who_writes_without_a_monitor_is_named() {
    let world = World::new();
    let stranger = world.shell(&mut Command::new("env"));
    // Whether or not the volume has an area.
    for has_area in [false, true] {
        let listed = world.listed(4);
        let writer = json!([{ "program": "sh", "process": stranger.process.id() }]);
        assert_eq!(listed["unregistered_writers"], writer);
        assert_eq!(listed["area"].is_string(), has_area);
        let text = world.run(4, &["list", "volume.ckd"]);
        let process = format!("not monitored: program sh, process {}", stranger.process.id());
        assert!(text.contains(&process) && text.contains("trackmirror monitored -- "), "{text}");
        drop(world.area());
    }
    drop(stranger);
    let _monitored = world.monitored("SYSA");
    assert_eq!(world.listed(0)["unregistered_writers"], json!([]));
}

#[test]
fn a_named_image_is_missed_until_it_is_monitored() {
    let world = World::new();
    let added = world.json(0, &["add", "volume.ckd", "SYSA"]);
    assert_eq!((&added["added"], &added["alive"]), (&json!(true), &json!(false)));
    assert_eq!(added["named"], json!(["SYSA"]));
    assert_eq!(world.expected(), ["SYSA"]);
    let area_file = format!("area-{:x}-{:x}", world.identity.device, world.identity.inode);
    assert!(!world.registry().join(area_file).exists(), "naming makes no area");
    let again = world.run(0, &["add", "volume.ckd", "SYSA"]);
    assert!(
        again.contains("was named before") && again.contains("monitored --image SYSA"),
        "{again}"
    );
    assert_eq!(
        world.listed_image(4, "SYSA"),
        json!({ "name": "SYSA", "state": "missing", "named": true })
    );
    let text = world.run(4, &["list", "volume.ckd"]);
    assert!(text.contains("\nSYSA   missing  yes\n"), "{text}");
    assert!(text.contains("not monitored: image SYSA; start it"), "{text}");

    let mut emulator = world.monitored("SYSA");
    let image = world.listed_image(0, "SYSA");
    assert_eq!((&image["state"], &image["named"]), (&json!("alive"), &json!(true)));
    world.area().check_coverage(&world.expected()).unwrap();
    emulator.kill();
    assert_eq!(world.listed(4)["not_monitored"], json!(["SYSA"]));
    assert_eq!(world.listed_image(4, "SYSA")["state"], "dead");
    assert!(world.area().check_coverage(&world.expected()).is_err());

    for name in ["", "A B", &"X".repeat(33)] {
        let error = world.json(8, &["add", "volume.ckd", name]);
        assert_eq!((&error["name"], &error["volser"]), (&json!("BadImageName"), &json!("MADE01")));
    }
    assert_eq!(world.expected(), ["SYSA"]);
    // What is no list of names is not taken for an empty one.
    let list = added["list"].as_str().unwrap();
    std::fs::write(list, "nonsense").unwrap();
    let error = world.json(12, &["list", "volume.ckd"]);
    assert_eq!(error, Value::Null);
    assert!(world.run(12, &["add", "volume.ckd", "SYSB"]).contains("volume MADE01: "));
}

#[test]
fn a_retired_image_writes_no_more_and_is_missed_no_more() {
    let world = World::new();
    let area = world.area();
    let subscription = Subscription::open(&area, [7, 7]).unwrap();
    subscription.fill(&[]).unwrap();
    world.run(0, &["add", "volume.ckd", "BATCH1"]);
    world.run(0, &["add", "volume.ckd", "LATER"]);
    let mut program = world.program("BATCH1");
    program.tell("begin 3");
    assert_eq!(program.hear(), "begun");

    let text = world.run(0, &["retire", "--dry-run", "volume.ckd", "BATCH1"]);
    let process = format!("process {}", program.process.id());
    assert!(text.contains("is alive: program ") && text.contains(&process), "{text}");
    assert!(text.ends_with("nothing was done\n"), "{text}");
    assert_eq!(world.listed_image(4, "BATCH1")["state"], "alive");
    let retired = world.json(0, &["retire", "--yes", "volume.ckd", "BATCH1"]);
    assert_eq!((&retired["retired"], &retired["was_named"]), (&json!(true), &json!(true)));
    assert_eq!((&retired["writes_in_flight"], &retired["all_changed"]), (&json!(3), &json!(false)));
    assert_eq!(retired["named"], json!(["LATER"]));
    assert_eq!(subscription.changed_count(all_of(&world)).unwrap(), 3);
    program.tell("write 5");
    assert_eq!(program.hear(), "refused");
    assert_eq!(world.listed_image(4, "BATCH1")["state"], "retired");

    // One that was only named is taken off; what is not known, or has ended, cannot be retired.
    let text = world.run(0, &["retire", "volume.ckd", "LATER"]);
    assert!(text.contains("image LATER need not be monitored any more"), "{text}");
    assert!(world.expected().is_empty());
    world.listed(0);
    for (name, word) in [("BATCH1", "is retired already"), ("LATER", "there is no image LATER")] {
        let error = world.json(8, &["retire", "--yes", "volume.ckd", name]);
        assert_eq!((&error["name"], &error["volser"]), (&json!("NoSuchImage"), &json!("MADE01")));
        assert!(error["sentence"].as_str().unwrap().contains(word), "{error}");
    }
}

#[test]
fn a_monitored_shell_that_was_retired_cannot_write() {
    let world = World::new();
    let mut shell = world.monitored("SYSA");
    shell.tell("");
    assert_eq!(shell.hear(), "written");
    assert_eq!(world.listed_image(0, "SYSA")["write_count"], 1);
    let text = world.run(0, &["retire", "--yes", "volume.ckd", "SYSA"]);
    assert!(text.contains("image SYSA was retired; it had nothing in flight"), "{text}");
    let before = std::fs::read(&world.image).unwrap();
    shell.tell("");
    assert_eq!(shell.hear(), "refused");
    assert!(std::fs::read(&world.image).unwrap() == before);
    // It has the volume open for writing still, and is nobody's image.
    assert_eq!(world.listed(4)["unregistered_writers"][0]["process"], shell.process.id());
}

#[test]
fn a_silent_image_is_told_until_it_is_retired() {
    let world = World::new();
    let area = world.area();
    std::mem::forget(Image::register(&area, "FAR", Kind::Remote).unwrap());
    area.set_silent("FAR").unwrap();
    assert_eq!(world.listed_image(4, "FAR")["state"], "silent");
    assert!(world.run(4, &["list", "volume.ckd"]).contains("silent: image FAR; let it come back"));
    let retired = world.json(0, &["retire", "volume.ckd", "FAR"]);
    assert_eq!(retired["all_changed"], true);
    assert_eq!(world.listed_image(0, "FAR")["state"], "retired");
}

/// Where somebody is at a terminal, he is asked, and only yes retires.
#[test]
fn at_a_terminal_the_operator_is_asked() {
    let world = World::new();
    let _shell = world.monitored("SYSA");
    let ask = |answer: &str| {
        let mut trackmirror = support::trackmirror();
        trackmirror.args(["image", "retire", "volume.ckd", "SYSA"]);
        let words = std::iter::once(trackmirror.get_program()).chain(trackmirror.get_args());
        let line = words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        let command = world.prepare(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("script is installed (package bsdutils)");
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{answer}").unwrap();
        let output = child.wait_with_output().unwrap();
        drop(input);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = ask("no");
    assert!(text.contains("cannot write the volume any more") && text.contains("Go on?"), "{text}");
    assert!(code == Some(8) && text.contains("nothing was done"), "{text}");
    assert_eq!(world.listed_image(0, "SYSA")["state"], "alive");
    let (code, text) = ask("yes");
    assert!(code == Some(0) && text.contains("was retired"), "{text}");
    assert_eq!(world.listed_image(4, "SYSA")["state"], "retired");
}

#[test]
fn several_volumes_are_listed_and_wrong_ones_refused() {
    let world = World::new();
    let other = world.folder.path().join("other.ckd");
    let (geometry, volser) = (support::geometry("3330", 3), support::volser("MADE02"));
    drop(trackmirror::volume::ckd::CkdVolume::create(&other, geometry, volser).unwrap());
    let _shell = world.monitored("SYSA");
    let listed = world.json(0, &["list", "other.ckd", "volume.ckd"]);
    let counts = listed["volumes"].as_array().unwrap().iter();
    let counts: Vec<_> = counts.map(|volume| volume["images"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [0, 1]);
    for words in [
        &["list"][..],
        &["list", "missing.ckd"],
        &["list", "volume.ckd", "volume.ckd"],
        &["add", "volume.ckd"],
        &["add", "missing.ckd", "A"],
        &["retire", "missing.ckd", "A"],
        &["retire", "volume.ckd"],
        &[],
    ] {
        assert!(!world.run(8, words).is_empty(), "{words:?}");
    }
    for verb in ["list", "add", "retire"] {
        let help = world.run(0, &[verb, "--help"]);
        assert!(help.contains(&format!("\n  trackmirror image {verb} ")), "{help}");
        assert!(help.lines().all(|line| line.len() <= 120), "{help}");
    }
}

/// A process is taken apart some time after it was killed: what is listed of it does not depend on when one looks.
#[test]
fn who_is_killed_is_dead_at_once() {
    let world = World::new();
    let mut shell = world.monitored("SYSA");
    shell.kill();
    let begin = Instant::now();
    assert_eq!(world.listed_image(0, "SYSA")["state"], "dead");
    assert!(begin.elapsed() < Duration::from_secs(20));
}
