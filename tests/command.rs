//! The command does what its help says: verbs, codes of return, JSON, interruption and resumption.

#![cfg(feature = "cli")]

mod support;

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

const VERBS: &[&str] = &[
    "init",
    "vtoc",
    "check",
    "catalog",
    "assess",
    "plan",
    "migrate",
    "resume",
    "status",
    "pace",
    "close-now",
    "postpone",
    "back-out",
    "terminate",
    "verify",
    "monitored",
    "monitor-agent",
    "image",
    "demo",
];

/// What a command answered.
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Answer {
        Answer {
            code: output.status.code().expect("it ended by itself"),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Answer {
    #[track_caller]
    fn expect(self, code: i32) -> Answer {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }
}

/// A folder with volumes of the demonstration: OLD001 before the move, and an empty NEW001.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> World {
        // The demonstration makes the volume once for all tests.
        static OLD: OnceLock<Vec<u8>> = OnceLock::new();
        let world = World { folder: support::folder() };
        let old = OLD.get_or_init(|| {
            world.run(&["demo", "--offline", "--dir", "demo"]).expect(0);
            let old = std::fs::read(world.path("demo/before.ckd")).unwrap();
            std::fs::remove_dir_all(world.path("demo")).unwrap();
            old
        });
        std::fs::write(world.path("old.ckd"), old).unwrap();
        std::fs::write(world.path("before.ckd"), old).unwrap();
        world.init("new.ckd", "NEW001");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = support::trackmirror();
        command
            .args(words)
            .current_dir(self.folder.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Answer {
        self.command(words).output().expect("the command runs").into()
    }

    fn init(&self, file: &str, volser: &str) {
        self.run(&["init", file, "--device", "3390", "--cylinders", "40", "--volser", volser])
            .expect(0);
    }

    fn json(&self, words: &[&str]) -> Value {
        let answer = self.run(&[&["--json"], words].concat());
        let value: Value = serde_json::from_str(&answer.out).expect("one JSON value");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["verb"], words[0]);
        assert_eq!(value["code"], answer.code);
        value
    }

    /// Begins to move everything from old.ckd to new.ckd, and sends a signal as soon as the first target is allocated.
    fn interrupt(&self, signal: &str) -> Answer {
        let mut child = self
            .command(&MOVE)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut err = BufReader::new(child.stderr.take().expect("it was piped"));
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        assert!(line.contains(" got "), "{line}");
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        err.lines().for_each(|next| line += &(next.unwrap() + "\n"));
        let code = child.wait().unwrap().code().unwrap_or(-1);
        Answer { code, out: String::new(), err: line }
    }

    /// The one state folder.
    fn state(&self) -> String {
        let mut folders = std::fs::read_dir(self.path("state/trackmirror")).unwrap();
        let folder = folders.next().unwrap().unwrap().path();
        assert!(folders.next().is_none());
        folder.to_str().unwrap().to_string()
    }

    fn notes(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("unfinished")).count()
    }

    /// Gives the volume from before another serial, so that it can be compared with OLD001.
    fn relabel_before(&self) {
        let label = b"\xE5\xD6\xD3\xF1\xD6\xD3\xC4\xF0\xF0\xF1"; // VOL1OLD001
        let image = std::fs::read(self.path("before.ckd")).unwrap();
        let place = image.windows(label.len()).position(|bytes| bytes == label).unwrap();
        support::patch(&self.path("before.ckd"), place as u64 + 9, &[0xF9]);
    }

    fn assert_moved(&self) {
        self.run(&["verify", "DEMO.**", "--volume", "before.ckd", "--target", "new.ckd"]).expect(0);
        self.run(&["check", "--tracks", "all", "old.ckd", "new.ckd"]).expect(0);
        let listing = self.json(&["vtoc", "old.ckd"]);
        assert_eq!(listing["result"]["volumes"][0]["data_sets"], Value::Array(vec![]));
        assert_eq!(self.notes(), 0);
    }
}

const MOVE: [&str; 7] =
    ["migrate", "DEMO.**", "--volume", "old.ckd", "--target", "new.ckd", "--uncataloged"];

#[test]
fn every_verb_has_help_with_examples() {
    let world = World { folder: support::folder() };
    let help = world.run(&["--help"]).expect(0).out;
    for verb in VERBS {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} in\n{help}");
        let help = world.run(&[verb, "--help"]).expect(0).out;
        let example = format!("trackmirror {verb}");
        assert!(
            help.split("Examples:").nth(1).is_some_and(|text| text.contains(&example)),
            "{help}"
        );
        assert!(help.lines().all(|line| line.len() <= 120), "{help}");
    }
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    assert_eq!(listed.take_while(|line| !line.is_empty()).count(), VERBS.len() + 1, "{help}");
}

#[test]
fn a_wrong_command_is_refused_with_8() {
    let world = World { folder: support::folder() };
    for words in [
        &["nonsense"][..],
        &[],
        &["init", "x", "--volser", "VOL001"],
        &["init", "x", "--volser", "TOOLONG1", "--device", "3390"],
        &["init", "x", "--volser", "VOL001", "--device", "1234"],
        &["init", "x", "--volser", "VOL001", "--device", "3390", "--cylinders", "0"],
        &["plan", "A..B", "--volume", "x", "--target", "y"],
        &["migrate", "A", "--volume", "x", "--target", "y", "--keep", "--erase"],
        &["vtoc", "missing.ckd"],
        &["resume", "--state", "missing"],
        &["status", "--state", "missing"],
        &["terminate", "--state", "missing"],
        &["pace", "--state", "missing", "500"],
        &["pace", "--state", "missing", "fast"],
        &["close-now", "--state", "missing"],
        &["postpone", "--state", "missing"],
        &["back-out", "--state", "missing"],
    ] {
        let answer = world.run(words).expect(8);
        assert!(!answer.err.is_empty() && answer.out.is_empty(), "{words:?}");
    }
    assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 0, "nothing was made");
    world.run(&["--version"]).expect(0);
}

#[test]
fn the_code_is_told_where_nobody_reads() {
    for verb in ["vtoc", "status"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let arguments: &[&str] =
            if verb == "vtoc" { &[verb, "nowhere"] } else { &[verb, "--state", "nowhere"] };
        let mut command = support::trackmirror();
        let status = command
            .args(arguments)
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .status()
            .unwrap();
        assert!(matches!(status.code(), Some(8 | 12)), "{verb}: {status}");
    }
}

#[test]
fn a_new_volume_is_empty_sound_private_and_never_overwrites() {
    let world = World { folder: support::folder() };
    let words = ["init", "a.ckd", "--device", "3390", "--cylinders", "40", "--volser", "vol001"];
    world.run(&[&words[..], &["--dry-run"]].concat()).expect(0);
    assert!(!world.path("a.ckd").exists());
    world.run(&words).expect(0);
    let before = std::fs::read(world.path("a.ckd")).unwrap();
    assert_eq!(std::fs::metadata(world.path("a.ckd")).unwrap().mode() & 0o777, 0o600);
    world.run(&words).expect(8);
    world.run(&[&words[..], &["--dry-run"]].concat()).expect(8);
    assert!(std::fs::read(world.path("a.ckd")).unwrap() == before);
    world.run(&["check", "--tracks", "all", "a.ckd"]).expect(0);
    let volume = &world.json(&["vtoc", "a.ckd"])["result"]["volumes"][0];
    assert_eq!(
        (volume["volser"].as_str(), volume["device"].as_str()),
        (Some("VOL001"), Some("3390-1"))
    );
    assert_eq!(volume["free"]["track_count"], 39 * 15);
    // What cannot be initialised leaves no file.
    let words = ["init", "b.ckd", "--device", "3390", "--cylinders", "2", "--volser", "VOL002"];
    world.run(&[&words[..], &["--vtoc-tracks", "30"]].concat()).expect(8);
    assert!(!world.path("b.ckd").exists());
    world.run(&["catalog", "a.ckd"]).expect(8);
}

#[test]
fn errors_in_json_name_reason_and_place() {
    let world = World { folder: support::folder() };
    world.init("a.ckd", "VOL001");
    let value = world.json(&["catalog", "a.ckd"]);
    assert_eq!(value["code"], 8);
    assert_eq!(value["error"]["reason"], 501);
    assert_eq!(value["error"]["name"], "NoCatalog");
    assert_eq!(value["error"]["volser"], "VOL001");
}

#[test]
fn the_main_job_moves_everything_and_its_log_tells_it() {
    let world = World::new();
    let plan = world.json(&[&["plan"], &MOVE[1..]].concat());
    assert_eq!(plan["result"]["data_sets"].as_array().unwrap().len(), 2);
    let before = std::fs::read(world.path("new.ckd")).unwrap();
    world.run(&[&MOVE[..], &["--dry-run"]].concat()).expect(0);
    assert!(std::fs::read(world.path("new.ckd")).unwrap() == before, "planning changes nothing");
    assert!(!world.path("state").exists());

    let moved = world.json(&[&MOVE[..], &["--verify", "--threads", "3"]].concat());
    assert_eq!(moved["code"], 0);
    assert_eq!(moved["result"]["copied_track_count"], 107);
    assert_eq!(moved["result"]["data_sets"], plan["result"]["data_sets"]);
    world.assert_moved();
    let state = world.state();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(Path::new(&state)), 0o700);
    for entry in std::fs::read_dir(&state).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    let log = std::fs::read_to_string(Path::new(&state).join("events.log")).unwrap();
    let mut rest = log.as_str();
    for what in [
        "DEMO.LEDGER got 70 tracks in 1 extent",
        "copying of 107 tracks",
        "mirrored",
        "are equal",
        "looked at",
        "was scratched",
        "complete",
    ] {
        let found = rest.find(what).unwrap_or_else(|| panic!("{what} in its place in\n{log}"));
        rest = &rest[found..];
    }
    let status = world.run(&["status", "--state", &state]).expect(0).out;
    assert!(status.starts_with("state: complete"), "{status}");
    world.run(&["resume", "--state", &state]).expect(0);
    world.run(&["terminate", "--state", &state]).expect(8);
    // There is nothing left to move: the same command begins anew, and says so.
    world.run(&MOVE).expect(8);
}

#[test]
fn extents_are_combined_on_their_own_volume() {
    let world = World::new();
    let own = ["DEMO.**", "--volume", "old.ckd", "--target", "old.ckd", "--uncataloged"];
    world.run(&[&["migrate", "--verify"], &own[..]].concat()).expect(0);
    world.relabel_before();
    world.run(&["verify", "DEMO.**", "--volume", "before.ckd", "--target", "old.ckd"]).expect(0);
    world.run(&["check", "--tracks", "all", "old.ckd"]).expect(0);
    let listing = world.json(&["vtoc", "old.ckd"]);
    for data_set in listing["result"]["volumes"][0]["data_sets"].as_array().unwrap() {
        assert_eq!(data_set["extents"].as_array().unwrap().len(), 1, "{data_set}");
    }
}

#[test]
fn what_combining_cannot_do_is_refused() {
    let world = World::new();
    for option in ["--keep", "--erase"] {
        let own = ["DEMO.**", "--volume", "old.ckd", "--target", "old.ckd", "--uncataloged"];
        let refused = world.run(&[&["migrate", option], &own[..]].concat()).expect(8);
        assert!(refused.err.contains(option) && refused.err.contains("DEMO."), "{}", refused.err);
    }
    let before = std::fs::read(world.path("before.ckd")).unwrap();
    assert!(std::fs::read(world.path("old.ckd")).unwrap() == before, "nothing was changed");
    assert!(!world.path("state").exists());
}

#[test]
fn what_no_catalog_names_is_refused_with_the_option_that_moves_it() {
    let world = World::new();
    let answer = world.run(&MOVE[..MOVE.len() - 1]).expect(8).out;
    assert!(answer.contains("[602]") && answer.contains("--uncataloged"), "{answer}");
    let answer = world.run(&["assess", "DEMO.**", "--volume", "old.ckd"]).expect(4).out;
    assert!(answer.contains("--uncataloged"), "{answer}");
}

#[test]
fn a_mask_that_selects_nothing_beside_others_is_told_of() {
    let world = World::new();
    let told = |answer: &str| answer.contains("remark: NO.SUCH.** selects no data set");
    let words = |verb| [&[verb, "NO.SUCH.**"], &MOVE[1..]].concat();
    let plan = world.run(&words("plan")).expect(4).out;
    assert!(told(&plan) && plan.contains("2 data sets to move"), "{plan}");
    let moved = world.run(&words("migrate")).expect(4);
    assert!(moved.err.contains("NO.SUCH.**"), "{}{}", moved.out, moved.err);
    world.assert_moved();
}

#[test]
fn a_wrong_command_answers_in_json_if_asked_to() {
    let world = World { folder: support::folder() };
    for words in [&["vtoc"][..], &["plan", "--volume", "x", "A"], &["init", "--nonsense"]] {
        let value = world.json(words);
        assert_eq!((&value["code"], &value["error"]["name"]), (&8.into(), &"BadRequest".into()));
        assert!(!value["error"]["sentence"].as_str().unwrap().is_empty());
    }
    let mut command = world.command(&["--json", "plan", "--volume", "x"]);
    let no_text: &OsStr = OsStrExt::from_bytes(b"A\xFF");
    Answer::from(command.arg(no_text).output().unwrap()).expect(8);
}

#[test]
fn a_state_that_is_no_folder_is_refused() {
    let world = World::new();
    let refused = world.run(&[&MOVE[..], &["--state", "before.ckd"]].concat()).expect(12);
    assert!(refused.err.contains("--state"), "{}", refused.err);
}

#[test]
fn sources_are_kept_on_request() {
    let world = World::new();
    world.run(&[&MOVE[..], &["--keep"]].concat()).expect(0);
    let listing = world.run(&["vtoc", "old.ckd"]).expect(0).out;
    assert!(
        listing.contains("DEMO.LEDGER.OLDCOPY ") && !listing.contains("DEMO.LEDGER  "),
        "{listing}"
    );
}

#[test]
fn a_signal_stops_cleanly_and_the_same_command_goes_on() {
    let world = World::new();
    let stopped = world.interrupt("-INT").expect(12);
    let state = world.state();
    assert!(
        stopped.err.contains(&format!("trackmirror resume --state {state}")),
        "{}",
        stopped.err
    );
    assert_eq!(world.notes(), 2);
    let check = world.run(&["check", "new.ckd"]).expect(4).out;
    assert!(check.contains("unfinished migration") && check.contains(&state), "{check}");
    let status = world.run(&["status", "--state", &state]).expect(4).out;
    assert!(status.contains("interrupted"), "{status}");
    let listing = world.run(&["vtoc", "new.ckd"]).expect(0).out;
    assert!(listing.contains("unfinished migration") && listing.contains(&state), "{listing}");
    let dry = world.run(&[&MOVE[..], &["--dry-run"]].concat()).expect(4).out;
    assert!(dry.contains("would go on") && dry.contains(&state), "{dry}");
    // Nobody else may touch these volumes.
    let other =
        ["migrate", "DEMO.LEDGER", "--volume", "old.ckd", "--target", "new.ckd", "--uncataloged"];
    let refused = world.run(&other).expect(8);
    assert!(refused.err.contains(&state) && refused.err.contains("[417]"), "{}", refused.err);
    // Another command with this state folder is not taken for this one.
    let refused = world.run(&[&other[..], &["--state", &state]].concat()).expect(8);
    assert!(refused.err.contains("[1001]"), "{}", refused.err);
    world.run(&MOVE).expect(0);
    world.assert_moved();
}

#[test]
fn what_was_killed_is_resumed() {
    let world = World::new();
    world.interrupt("-KILL").expect(-1);
    world.run(&["resume", "--state", &world.state()]).expect(0);
    world.assert_moved();
}

#[test]
fn a_state_that_was_lost_is_told_of() {
    let world = World::new();
    world.interrupt("-KILL").expect(-1);
    std::fs::rename(world.state(), world.path("elsewhere")).unwrap();
    let refused = world.run(&MOVE).expect(8);
    assert!(refused.err.contains("[417]") && refused.err.contains("remove"), "{}", refused.err);
    world.run(&["terminate", "--state", "elsewhere", "--yes"]).expect(0);
    let listing = world.json(&["vtoc", "new.ckd"]);
    assert_eq!(listing["result"]["volumes"][0]["data_sets"], Value::Array(vec![]));
}

#[test]
fn what_was_killed_can_be_given_up() {
    let world = World::new();
    world.interrupt("-KILL").expect(-1);
    let state = world.state();
    world.run(&["terminate", "--state", &state, "--yes"]).expect(0);
    assert_eq!(world.notes(), 0);
    let listing = world.json(&["vtoc", "new.ckd"]);
    assert_eq!(listing["result"]["volumes"][0]["data_sets"], Value::Array(vec![]));
    world.run(&["check", "--tracks", "all", "old.ckd", "new.ckd"]).expect(0);
    assert!(
        std::fs::read(world.path("old.ckd")).unwrap()
            == std::fs::read(world.path("before.ckd")).unwrap()
    );
    // After that the same command begins anew.
    world.run(&MOVE).expect(0);
    world.assert_moved();
}

#[test]
fn a_byte_that_differs_is_found() {
    let world = World::new();
    world.run(&MOVE).expect(0);
    // A byte in the first record of track 20, which the plan uses.
    support::patch(&world.path("new.ckd"), 512 + 20 * 56_832 + 100, &[0xFF]);
    let answer = world.run(&["verify", "DEMO.**", "--volume", "before.ckd", "--target", "new.ckd"]);
    assert!(answer.expect(8).out.contains("NEW001 1/5"));
    let value = world.json(&["verify", "DEMO.**", "--volume", "before.ckd", "--target", "new.ckd"]);
    assert_eq!(value["result"]["equal"], false);
    assert_eq!(value["result"]["data_sets"][0]["differing_track_count"], 1);
}

#[test]
fn real_data_sets_are_listed_refused_moved_and_found_by_catalog() {
    let Some((folder, images)) = support::copies(&["vs1-clna01", "vs1-clna02"]) else { return };
    let world = World { folder };
    let [a, b] = [images[0].to_str().unwrap(), images[1].to_str().unwrap()];
    world.run(&["init", "new.ckd", "--device", "3330", "--volser", "NEW001"]).expect(0);
    let listing = world.json(&["vtoc", a]);
    let data_sets = listing["result"]["volumes"][0]["data_sets"].as_array().unwrap();
    let sequential = data_sets.iter().find(|one| one["name"] == "TEST.SEQ.VB").unwrap();
    assert_eq!(sequential["extents"].as_array().unwrap().len(), 12);
    assert_eq!((&sequential["recfm"], &sequential["lrecl"]), (&"VB".into(), &204.into()));

    let words = ["TEST.**", "PRIV.**", "--uncataloged", "--volume", a, b, "--target", "new.ckd"];
    let before = std::fs::read(a).unwrap();
    let refused = world.run(&[&["migrate"], &words[..]].concat()).expect(8).out;
    for name in ["TEST.ABSTR", "TEST.EMPTY.NEVER.OPENED"] {
        assert!(refused.contains(&format!("data set {name}: ")), "{refused}");
    }
    assert!(std::fs::read(a).unwrap() == before, "nothing was changed");
    assert!(!world.path("state").exists());

    let assessed = world.json(&[&["assess"], &words[..6]].concat());
    assert_eq!(assessed["code"], 4);
    let before = [world.path("before-a.ckd"), world.path("before-b.ckd")];
    support::copy_sparse(&images[0], &before[0]);
    support::copy_sparse(&images[1], &before[1]);
    let moved = world.run(&[&["migrate", "--skip-refused"], &words[..]].concat()).expect(4).out;
    assert!(moved.contains("moved 11 data sets, 540 tracks"), "{moved}");
    let before = before.each_ref().map(|path| path.to_str().unwrap());
    for name in
        ["TEST.SEQ.**", "TEST.MULTIVOL", "TEST.PDS.SRC", "TEST.LOADLIB", "TEST.BDAM", "PRIV.GDG.*"]
    {
        world
            .run(&["verify", name, "--volume", before[0], before[1], "--target", "new.ckd"])
            .expect(0);
    }
    world.run(&["check", "--tracks", "all", a, b, "new.ckd"]).expect(0);
    let catalog = world.json(&["catalog", a, "PRIV.GDG.*"]);
    let entries = catalog["result"]["data_sets"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry["volumes"][0]["volser"] == "NEW001"));
}
