//! The promise that the command can be killed while it follows changes of allocations: real processes on real files,
//! ended by SIGKILL at the calls by which they change a file, with the last write torn. An application extends data sets
//! of the selection, on the same and onto another volume, releases, deletes, makes, makes anew and renames them, and
//! changes attributes; the first half when it is asked to close, the second one while it closes. After each end every
//! cataloged data set is complete, and the same command again, or `resume`, finishes.
//!
//! The application is the command's `demo-allocator`, the judge its `demo-check`. Both know nothing of migrations.
//!
//! `TRACKMIRROR_KILLS=N` kills about N times (150 by default), evenly spread over the calls; `all`: at every call in every
//! way.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "kill/process.rs"]
mod process;
mod support;

use process::{How, call_count, init, kill, run};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::space::make_catalog;
use tempfile::TempDir;
use trackmirror::catalog::Catalog;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::checkpoint::FileStore;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::migrate::status;
use trackmirror::monitor::{Area, Identity};
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{FreeSpace, Identity as DscbIdentity, NewDataSet, SpaceManager, Vtoc};
use trackmirror::{DsMask, DsName};

/// What there is when the migration begins.
const BEFORE: &[&str] = &[
    "create STAY.HERE OLD001 2",
    "create MOVE.GROWS OLD001 4",
    "create MOVE.SPREADS OLD001 3",
    "create MOVE.SHRINKS OLD001 3",
    "create STAY.BETWEEN OLD001 1",
    "extend MOVE.SHRINKS OLD001 3 3",
    "create MOVE.GOES OLD001 3",
    "create MOVE.ONE OLD002 3",
    "create MOVE.AGAIN OLD002 3",
    "create MOVE.TOUCHED OLD001 2",
    "create MOVE.STAYS OLD002 2",
];
/// What changes when it is asked to close.
const ASKED: &[&str] = &[
    "extend MOVE.GROWS OLD001 3 4",
    "create MOVE.NEW OLD002 3",
    "rename MOVE.ONE MOVE.OTHER",
    "delete MOVE.GOES",
    "touch MOVE.TOUCHED",
    "release MOVE.SHRINKS 2",
];
/// What changes until it has closed.
const CLOSING: &[&str] = &[
    "extend MOVE.SPREADS OLD002 2 3",
    "again MOVE.AGAIN OLD001 4",
    "extend MOVE.GROWS OLD001 2 7",
    "rename MOVE.NEW MOVE.NEWER",
    "create MOVE.LATE OLD001 2",
];
/// The data sets at the target in the end.
const MOVED: &[&str] = &[
    "MOVE.AGAIN",
    "MOVE.GROWS",
    "MOVE.LATE",
    "MOVE.NEWER",
    "MOVE.OTHER",
    "MOVE.SHRINKS",
    "MOVE.SPREADS",
    "MOVE.STAYS",
    "MOVE.TOUCHED",
];
const IMAGES: [(&str, &str); 4] =
    [("old1.ckd", "OLD001"), ("old2.ckd", "OLD002"), ("new.ckd", "NEW001"), ("sys.ckd", "SYS001")];
/// How often it is killed, unless somebody says so.
const KILLS: u32 = 150;
/// Whatever takes longer than this never happens.
const LONG: Duration = Duration::from_secs(60);

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

/// Two volumes that are moved from, one that is moved to, and one with the catalog.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> World {
        let world = World { folder: folder() };
        for (file, volser) in IMAGES {
            init(&world.path(file), volser, 7);
        }
        let system = volume::open(&world.path("sys.ckd"), Access::Exclusive).unwrap();
        make_catalog(&system, &[Extent::new(Track(30), 2)]);
        drop(system);
        let (code, text) = run(&mut world.allocator(&[BEFORE]));
        assert_eq!(code, 0, "{text}");
        // Areas belong to files, and copies are others.
        std::fs::remove_dir_all(world.path("registry")).unwrap();
        world
    }

    /// The same volumes in another folder.
    fn copy(&self) -> World {
        let world = World { folder: folder() };
        for file in IMAGES.iter().map(|(file, _)| *file).chain(["record"]) {
            std::fs::copy(self.path(file), world.path(file)).unwrap();
        }
        world
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = support::trackmirror();
        command.arg(verb).env("TRACKMIRROR_REGISTRY", self.path("registry"));
        command.env_remove("TRACKMIRROR_OPENERS");
        command
    }

    /// The words for the application, up to its changes.
    fn allocator_words(&self) -> Vec<String> {
        let path = |file: &str| self.path(file).display().to_string();
        let words =
            ["demo-allocator", "--image", "A1", "--unlisted", "--blksize", "500", "--record"];
        let mut words: Vec<String> = words.map(String::from).to_vec();
        words.extend([path("record"), "--volume".into()]);
        words.extend([path("old1.ckd"), path("old2.ckd"), "--catalog".into(), path("sys.ckd")]);
        words.push("--do".into());
        words
    }

    fn allocator(&self, changes: &[&[&str]]) -> Command {
        let words = self.allocator_words();
        let mut command = self.command(&words[0]);
        command.args(&words[1..]).args(changes.concat());
        command
    }

    /// The same for a shell.
    fn allocator_line(&self, changes: &[&[&str]]) -> String {
        let mut words = vec![env!("CARGO_BIN_EXE_trackmirror").to_string()];
        words.extend(self.allocator_words());
        words.extend(changes.concat().iter().map(|change| change.to_string()));
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
    }

    fn migrate(&self) -> Command {
        let mut command = self.command("migrate");
        command.args(["MOVE.**", "--yes", "--threads", "1", "--close-when-mirrored"]);
        command.args(["--goal-tracks", "100000", "--wait-limit", "40s", "--window-limit", "40s"]);
        command.arg("--volume").args([self.path("old1.ckd"), self.path("old2.ckd")]);
        command.arg("--target").arg(self.path("new.ckd"));
        command.arg("--catalog").arg(self.path("sys.ckd"));
        command.arg("--ask-close").arg(self.allocator_line(&[BEFORE, ASKED]));
        let all = self.allocator_line(&[BEFORE, ASKED, CLOSING]);
        let asked = self.path("asked");
        let asked = asked.display();
        command.arg("--is-closed").arg(format!(
            "if test -e '{asked}'; then {all}; else touch '{asked}'; echo A1 APPLICATION; exit 4; fi"
        ));
        command.arg("--state").arg(self.path("state"));
        command
    }

    fn resume(&self) -> Command {
        let mut command = self.command("resume");
        command.arg("--state").arg(self.path("state"));
        command
    }

    fn check(&self) -> Command {
        let mut command = self.command("check");
        command.args(["--tracks", "all"]).args(IMAGES.map(|(file, _)| self.path(file)));
        command
    }

    /// The judge. `is_over`: there is one copy of everything.
    fn judge(&self, is_over: bool) -> (i32, String) {
        let mut command = self.command("demo-check");
        command.arg("--allocations").arg(self.path("record"));
        command.arg("--volume").args(IMAGES[..3].iter().map(|(file, _)| self.path(file)));
        command.arg("--catalog").arg(self.path("sys.ckd"));
        if !is_over {
            command.arg("--others-too");
        }
        run(&mut command)
    }

    /// Waits until the application has done what it was just doing: who asked it may be gone.
    fn settle(&self) {
        let until = Instant::now() + LONG;
        let record = File::open(self.path("record")).unwrap();
        while let Err(error) = record.try_lock() {
            assert!(matches!(error, TryLockError::WouldBlock), "{error}");
            assert!(Instant::now() < until, "the application does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn volume(&self, file: &str) -> Arc<dyn Volume> {
        volume::open(&self.path(file), Access::Read).unwrap()
    }

    fn free_tracks(&self) -> BTreeMap<&'static str, u32> {
        let free =
            |file| FreeSpace::of(&Vtoc::read(&*self.volume(file)).unwrap()).unwrap().track_count();
        IMAGES.iter().map(|(file, volser)| (*volser, free(file))).collect()
    }

    /// The data sets of the selection on a volume, and their tracks.
    fn data_sets(&self, file: &str) -> BTreeMap<DsName, u32> {
        let mask = DsMask::parse("MOVE.**").unwrap();
        let vtoc = Vtoc::read(&*self.volume(file)).unwrap();
        let data_sets = vtoc.data_sets().map(|(_, data_set)| data_set.unwrap());
        data_sets
            .filter(|data_set| mask.matches(&data_set.format1.name()))
            .map(|data_set| (data_set.format1.name(), data_set.track_count()))
            .collect()
    }

    /// Everything that nobody should find in the folders.
    fn left_over(&self) -> Vec<String> {
        let known =
            ["old1.ckd", "old2.ckd", "new.ckd", "sys.ckd", "state", "registry", "record", "asked"];
        let of_state =
            ["checkpoint.0", "checkpoint.1", "events.jsonl", "events.log", "owner", "request.json"];
        // Who is killed at his very end leaves what he told last.
        let of_state = [&of_state[..], &["status.json"]].concat();
        let list = |folder: &Path| -> Vec<String> {
            let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        let mut left = list(self.folder.path());
        left.retain(|name| !known.contains(&name.as_str()));
        left.extend(list(&self.path("state")));
        left.retain(|name| !of_state.contains(&name.as_str()));
        let claims = list(&self.path("registry/openers"));
        left.extend(claims.into_iter().filter(|name| !name.starts_with("new-")));
        left
    }
}

/// A folder in memory, if there is room: what is durable when, others judge.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| support::folder())
}

/// That what was left is as it must be: VTOCs and catalog may be torn where a write was.
fn check_left(world: &World, how: How) {
    world.settle();
    let is_torn = matches!(how, How::Torn | How::TornGarbage);
    let (code, text) = run(&mut world.check());
    assert!(code == 0 || code == 4, "{code}: {text}");
    let (code, text) = world.judge(false);
    // What cannot be read is no lost data set.
    assert!(code == 0 || is_torn && !text.contains("does not hold"), "{code}: {text}");
}

fn check_end(
    world: &World,
    free_before: &BTreeMap<&'static str, u32>,
    taken: &BTreeMap<&str, u32>,
) {
    let (code, text) = world.judge(true);
    assert_eq!(code, 0, "{text}");
    let (code, text) = run(&mut world.check());
    assert_eq!(code, 0, "{text}");
    let moved = world.data_sets("new.ckd");
    assert_eq!(
        moved.keys().copied().collect::<BTreeSet<_>>(),
        MOVED.iter().map(|n| name(n)).collect()
    );
    for source in ["old1.ckd", "old2.ckd"] {
        assert_eq!(world.data_sets(source), BTreeMap::new(), "{source}");
    }
    let catalog = CvolCatalog::find_on(world.volume("sys.ckd")).unwrap().unwrap();
    let cataloged = catalog.list(&DsMask::parse("MOVE.**").unwrap()).unwrap();
    let names: Vec<String> = cataloged.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, MOVED);
    let mut free = free_before.clone();
    for (volser, count) in taken {
        *free.get_mut(volser).unwrap() += count;
    }
    *free.get_mut("NEW001").unwrap() -= moved.values().sum::<u32>();
    assert_eq!(world.free_tracks(), free, "space is conserved to the track");
    assert_eq!(world.left_over(), Vec::<String>::new());
    for file in ["old1.ckd", "old2.ckd"] {
        let identity = Identity::of(&*world.volume(file)).unwrap();
        let area = Area::open_in(&world.path("registry"), identity).unwrap();
        assert!(area.subscriptions().is_empty(), "a subscription is left on {file}");
    }
}

/// Takes up what was killed, by the same command or by `resume`, until it has ended.
fn finish(world: &World, at: u32) {
    let state = FileStore::peek(&world.path("state")).and_then(|sections| status(&sections));
    let has_state = state.is_ok();
    if state.is_ok_and(|(state, _)| state == State::Complete) {
        return;
    }
    let mut command =
        if has_state && at.is_multiple_of(2) { world.resume() } else { world.migrate() };
    let (code, text) = run(&mut command);
    assert_eq!(code, 0, "{command:?}: {text}");
}

const HOWS: [How; 4] = [How::Before, How::After, How::Torn, How::TornGarbage];

/// At which calls it is killed, and how.
fn cases(call_count: u32) -> Vec<(u32, How)> {
    let wanted = std::env::var("TRACKMIRROR_KILLS").unwrap_or_else(|_| KILLS.to_string());
    if wanted == "all" {
        return (1..=call_count).flat_map(|at| HOWS.map(|how| (at, how))).collect();
    }
    let wanted: u32 = wanted.parse().expect("TRACKMIRROR_KILLS is a number, or all");
    // An odd one: writes and flushes take turns.
    let stride = (call_count / wanted.max(1)).max(1) | 1;
    let calls = (1..=call_count).step_by(stride as usize);
    calls.zip(0..).map(|(at, case)| (at, HOWS[case % 4])).collect()
}

#[test]
fn killed_while_allocations_change() {
    let begun = Instant::now();
    let original = World::new();
    let free_before = original.free_tracks();
    let taken: BTreeMap<&str, u32> = [("old1.ckd", "OLD001"), ("old2.ckd", "OLD002")]
        .map(|(file, volser)| (volser, original.data_sets(file).values().sum()))
        .into();
    let clean = original.copy();
    let call_count = call_count(&mut clean.migrate(), clean.folder.path());
    check_end(&clean, &free_before, &taken);
    assert!(call_count > 100, "every write is a call: {call_count}");

    let cases = cases(call_count);
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let one = || {
        while let Some(&(at, how)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let what = format!("call {at}, {how:?}");
            let result = std::panic::catch_unwind(|| {
                let world = original.copy();
                if let Some(output) = kill(&mut world.migrate(), world.folder.path(), at, how) {
                    // Not every run has as many calls.
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                } else {
                    check_left(&world, how);
                    if at.is_multiple_of(3) {
                        let mut command =
                            if at.is_multiple_of(2) { world.migrate() } else { world.resume() };
                        let (at, how) = (1 + at * 7 % 60, HOWS[at as usize / 3 % 4]);
                        kill(&mut command, world.folder.path(), at, how);
                        check_left(&world, How::Torn);
                    }
                    finish(&world, at);
                }
                check_end(&world, &free_before, &taken);
            });
            if result.is_err() {
                failures.lock().unwrap().push(what);
            }
        }
    };
    std::thread::scope(|scope| {
        (0..2).for_each(|_| drop(scope.spawn(one)));
    });
    let failures = failures.into_inner().unwrap();
    let seconds = begun.elapsed().as_secs();
    eprintln!("{call_count} calls, killed {} times in {seconds} s", cases.len());
    assert!(failures.is_empty(), "see above: {} failed: {}", failures.len(), failures.join("; "));
}

#[test]
fn the_judge_finds_what_is_wrong() {
    let world = World::new();
    let (code, text) = run(&mut world.allocator(&[BEFORE, ASKED, CLOSING]));
    assert_eq!(code, 0, "{text}");
    assert_eq!(world.judge(true).0, 0, "{}", world.judge(true).1);
    let space = |file: &str| {
        VtocSpaceManager::new(volume::open(&world.path(file), Access::Exclusive).unwrap())
    };
    let plant = |text: &str, extent: Option<Extent>| {
        let mut format1 = Format1::new(name(text));
        format1.set_volume_sequence(1);
        let new = NewDataSet { format1, extents: extent.into_iter().collect() };
        space("new.ckd").allocate(&new, &NoJournal).unwrap();
    };
    let expect = |is_over: bool, words: &[&str]| {
        let (code, text) = world.judge(is_over);
        assert_eq!(code, 8, "{text}");
        assert_eq!(text.matches("LOST").count(), words.len(), "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "'{word}' is missing: {text}"));
    };
    plant("MOVE.GROWS", Some(Extent::new(Track(40), 9)));
    let twice = "MOVE.GROWS is on NEW001, where it is not cataloged";
    expect(true, &[twice]);
    assert_eq!(world.judge(false).0, 0, "while it moves that is so");
    plant("MOVE.GOES", None);
    let again = "MOVE.GOES is on NEW001, where it is not cataloged";
    expect(true, &[twice, again]);
    // One byte of one track of another one, and the end of the last one.
    let volume = volume::open(&world.path("old2.ckd"), Access::Exclusive).unwrap();
    let found = VtocSpaceManager::new(volume.clone()).find(&name("MOVE.STAYS")).unwrap().unwrap();
    let first = found.extents[0].first;
    let mut slot = volume.read_track(first).unwrap();
    let last = trackmirror::track::records(&slot).last().unwrap().unwrap().data_range().end - 1;
    slot[last] ^= 1;
    volume.write(first, &slot).unwrap();
    drop(volume);
    let spoiled = "MOVE.STAYS track 0 (OLD002";
    expect(false, &[spoiled]);
    let late = space("old1.ckd").find(&name("MOVE.LATE")).unwrap().unwrap();
    let mut format1 = late.format1;
    format1.set_last_used(Some((0, 1)));
    let manager = space("old1.ckd");
    manager.update(&DscbIdentity::of(&late), &format1, &NoJournal).unwrap();
    manager.release(&DscbIdentity::of(&late), 1, &NoJournal).unwrap();
    drop(manager);
    expect(false, &[spoiled, "MOVE.LATE has 1 tracks and should have 2"]);
}
