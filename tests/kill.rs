//! The promise that the command can be killed: real processes on real files, ended by SIGKILL at every call by which
//! they change a file, with the last write torn. After each end `check` says that there is an unfinished migration and
//! where its state is, no cataloged data set is incomplete, and the same command again, or `resume`, finishes.
//!
//! A library that is loaded before the command counts its calls (`kill/kill_at.c`); the command knows nothing of it.
//! What is killed while allocations change has a file of its own, `kill_live.rs`.

#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "kill/process.rs"]
mod process;
mod support;

use process::{How, init, kill, run};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use support::space::make_catalog;
use tempfile::TempDir;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::checkpoint::FileStore;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::migrate::status;
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager, Vtoc};
use trackmirror::{DsName, Volser, track};

const CATALOGED: &str = "MOVE.CATLGD";
const UNCATALOGED: &str = "MOVE.FRAGMENT";
const OTHER: &str = "STAY.HERE";

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

/// Two volumes in a folder, with data sets to be moved on the first.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> World {
        let world = World { folder: support::folder() };
        for (file, volser) in [("old.ckd", "OLD001"), ("new.ckd", "NEW001")] {
            init(&world.path(file), volser, 6);
        }
        let volume = volume::open(&world.path("old.ckd"), Access::Exclusive).unwrap();
        allocate(&volume, CATALOGED, &[(20, 3)]);
        // Its F3 stands on another track of the VTOC than its F1.
        (0..9).for_each(|n| allocate(&volume, &format!("STAY.N{n}"), &[(48 + n, 1)]));
        allocate(&volume, OTHER, &[(58, 1)]);
        allocate(&volume, UNCATALOGED, &[(5, 1), (7, 1), (9, 1), (11, 1), (13, 2)]);
        let catalog = make_catalog(&volume, &[Extent::new(Track(30), 2)]);
        for cataloged in [CATALOGED, OTHER] {
            let unit_type = volume.geometry().device.unit_type();
            let volser = volume.volser();
            let volumes = vec![CatalogVolume { unit_type, volser, file_sequence: 0 }];
            let entry = CatalogEntry { name: name(cataloged), volumes, dscb: None };
            catalog.add(&entry, &NoJournal).unwrap();
        }
        volume.flush().unwrap();
        world
    }

    /// The same volumes in another folder.
    fn copy(&self) -> World {
        let world = World { folder: support::folder() };
        for file in ["old.ckd", "new.ckd"] {
            std::fs::copy(self.path(file), world.path(file)).unwrap();
        }
        world
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn images(&self) -> Vec<Vec<u8>> {
        ["old.ckd", "new.ckd"].map(|file| std::fs::read(self.path(file)).unwrap()).into()
    }

    fn migrate(&self) -> Command {
        let mut command = support::trackmirror();
        command.args(["migrate", "MOVE.**", "--uncataloged", "--yes", "--threads", "1"]);
        command.arg("--volume").arg(self.path("old.ckd"));
        command.arg("--target").arg(self.path("new.ckd"));
        command.arg("--state").arg(self.path("state"));
        command
    }

    fn resume(&self) -> Command {
        let mut command = support::trackmirror();
        command.arg("resume").arg("--state").arg(self.path("state"));
        command
    }

    fn check(&self) -> Command {
        let mut command = support::trackmirror();
        command.args(["check", "--tracks", "all"]).arg(self.path("old.ckd"));
        command.arg(self.path("new.ckd"));
        command
    }

    fn volumes(&self) -> BTreeMap<Volser, Arc<dyn Volume>> {
        let files = [self.path("old.ckd"), self.path("new.ckd")];
        let volumes = volume::open_all(&files, Access::Read).unwrap().into_iter();
        volumes.map(|volume| (volume.volser(), volume)).collect()
    }

    /// Digests of the tracks of a data set on a volume.
    fn content(&self, text: &str, on: Volser) -> trackmirror::Result<Option<Vec<u32>>> {
        let volume = &self.volumes()[&on];
        let Some(found) = Vtoc::read(&**volume)?.find(&name(text))? else { return Ok(None) };
        let tracks = found.extents.iter().flat_map(|e| e.first.0..e.end().0).map(Track);
        let digest = |track| track::digest(&volume.read_track(track)?, volume.place(track));
        tracks.map(digest).collect::<trackmirror::Result<_>>().map(Some)
    }

    /// Where the catalog leads.
    fn located(&self, text: &str) -> trackmirror::Result<Volser> {
        let volume = self.volumes().remove(&support::volser("OLD001")).unwrap();
        let catalog = CvolCatalog::find_on(volume)?.expect("a SYSCTLG");
        Ok(catalog.locate(&name(text))?.expect("an entry").volumes[0].volser)
    }

    /// Everything in the folder of the images, the images and the state aside.
    fn left_over(&self) -> Vec<String> {
        let expected = ["old.ckd", "new.ckd", "state"];
        let of_state =
            ["checkpoint.0", "checkpoint.1", "events.jsonl", "events.log", "owner", "request.json"];
        let list = |folder: &Path, known: &[&str]| -> Vec<String> {
            let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| !known.contains(&name.as_str()))
                .collect()
        };
        let mut left = list(self.folder.path(), &expected);
        left.extend(list(&self.path("state"), &of_state));
        left
    }
}

fn allocate(volume: &Arc<dyn Volume>, text: &str, extents: &[(u32, u32)]) {
    let mut format1 = Format1::new(name(text));
    let extents: Vec<Extent> = extents.iter().map(|&(at, n)| Extent::new(Track(at), n)).collect();
    let track_count: u32 = extents.iter().map(|extent| extent.track_count).sum();
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_recfm(0x80);
    format1.set_blksize(500);
    format1.set_lrecl(500);
    format1.set_scal1(0x80);
    format1.set_volume_sequence(1);
    format1.set_first_volser(volume.volser());
    format1.set_last_used(Some((track_count - 1, 2)));
    let new = NewDataSet { format1, extents };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
    let mut slot = vec![0; volume.slot_size()];
    for track in new.extents.iter().flat_map(|e| e.first.0..e.end().0) {
        let data: Vec<u8> = (0..1000u32).map(|n| (n * track + n / 7) as u8).collect();
        let records: Vec<(&[u8], &[u8])> = data.chunks(500).map(|data| (&[][..], data)).collect();
        track::build(&mut slot, volume.place(Track(track)), &records).unwrap();
        volume.write(Track(track), &slot).unwrap();
    }
}

/// What was in the data sets before.
struct Before {
    images: Vec<Vec<u8>>,
    contents: BTreeMap<&'static str, Vec<u32>>,
}

/// That what was left is as it must be. VTOC and catalog may be torn where a write was.
fn check_left(world: &World, before: &Before, how: How) {
    let (code, text) = run(&mut world.check());
    // In the end nothing is left to do on the volumes, and only the state does not say so yet, or the summary is lost.
    if code == 0 && world.images() != before.images {
        check_end(world, before);
    } else if world.images() != before.images {
        assert_eq!(code, 4, "{text}");
        let state = format!("its state is in {}", world.path("state").display());
        assert!(text.contains("unfinished migration") && text.contains(&state), "{text}");
    }
    for cataloged in [CATALOGED, OTHER] {
        let content = world.located(cataloged).and_then(|on| world.content(cataloged, on));
        match content {
            Ok(content) => assert_eq!(content.as_ref(), before.contents.get(cataloged)),
            Err(error) => assert!(matches!(how, How::Torn | How::TornGarbage), "{error}"),
        }
    }
}

fn check_end(world: &World, before: &Before) {
    let (old, new) = (support::volser("OLD001"), support::volser("NEW001"));
    for moved in [CATALOGED, UNCATALOGED] {
        assert_eq!(world.content(moved, new).unwrap().as_ref(), before.contents.get(moved));
        assert_eq!(world.content(moved, old).unwrap(), None, "the source is scratched");
    }
    assert_eq!(world.content(OTHER, old).unwrap().as_ref(), before.contents.get(OTHER));
    assert_eq!(world.located(CATALOGED).unwrap(), new);
    assert_eq!(world.located(OTHER).unwrap(), old);
    let (code, text) = run(&mut world.check());
    assert_eq!(code, 0, "{text}");
    assert_eq!(world.left_over(), Vec::<String>::new());
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

/// Kills the command at every call; with `again`, the one that takes it up as well.
fn kill_everywhere(hows: &[How], again: bool) {
    let original = World::new();
    let old = support::volser("OLD001");
    let contents = [CATALOGED, UNCATALOGED, OTHER]
        .map(|text| (text, original.content(text, old).unwrap().expect("the data set")));
    let before = Before { images: original.images(), contents: contents.into() };
    let mut failures = Vec::new();
    for at in 1.. {
        let how = hows[at as usize % hows.len()];
        let world = original.copy();
        let what = format!("call {at}, {how:?}");
        let result = std::panic::catch_unwind(|| {
            if let Some(output) = kill(&mut world.migrate(), world.folder.path(), at, how) {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                check_end(&world, &before);
                return false;
            }
            check_left(&world, &before, how);
            if again {
                let mut command =
                    if at.is_multiple_of(2) { world.migrate() } else { world.resume() };
                kill(
                    &mut command,
                    world.folder.path(),
                    1 + at * 7 % 40,
                    hows[at as usize / 2 % hows.len()],
                );
                check_left(&world, &before, How::Torn);
            }
            finish(&world, at);
            check_end(&world, &before);
            true
        });
        match result {
            Ok(true) => {}
            Ok(false) => {
                eprintln!("killed at each of {} calls, {hows:?}", at - 1);
                assert!(at > 60, "every write is a call");
                break;
            }
            Err(_) => failures.push(what),
        }
    }
    assert!(failures.is_empty(), "see above: {}", failures.join("; "));
}

#[test]
fn killed_before_every_call() {
    kill_everywhere(&[How::Before], false);
}

#[test]
fn killed_inside_every_write() {
    kill_everywhere(&[How::TornGarbage, How::Torn], false);
}

#[test]
fn killed_inside_every_write_the_other_way() {
    kill_everywhere(&[How::Torn, How::TornGarbage], false);
}

#[test]
fn killed_and_killed_again_when_it_is_taken_up() {
    kill_everywhere(&[How::After, How::TornGarbage, How::Torn], true);
}

#[test]
fn killed_when_it_is_given_up() {
    const INTERRUPTED_AT: u32 = 150;
    let original = World::new();
    for at in 1.. {
        let world = original.copy();
        assert!(
            kill(&mut world.migrate(), world.folder.path(), INTERRUPTED_AT, How::After).is_none()
        );
        let terminate = || {
            let mut command = support::trackmirror();
            command.args(["terminate", "--yes", "--state"]).arg(world.path("state"));
            command
        };
        let how = [How::TornGarbage, How::Torn, How::Before][at as usize % 3];
        let ended = kill(&mut terminate(), world.folder.path(), at, how);
        if let Some(output) = &ended {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let (code, text) = run(&mut terminate());
        let was_over = text.contains("there is nothing to give up");
        assert!(code == 0 || was_over && code == 8, "call {at}, {how:?}: {text}");
        let (code, text) = run(&mut world.check());
        assert_eq!(code, 0, "call {at}, {how:?}: {text}");
        assert_eq!(world.left_over(), Vec::<String>::new());
        let old = support::volser("OLD001");
        for text in [CATALOGED, UNCATALOGED, OTHER] {
            let content = |world: &World| world.content(text, old).unwrap().expect("the source");
            assert_eq!(content(&world), content(&original), "call {at}, {how:?}");
            assert_eq!(world.content(text, support::volser("NEW001")).unwrap(), None);
        }
        if ended.is_some() {
            assert!(at > 20, "every write is a call");
            return;
        }
    }
}
