//! A world with writers, in which the command is run.

use super::support;
use super::world::{Random, World};
use super::writer::{Habits, LONG, Process};
use serde_json::Value;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{Expiration, Identity, SpaceManager, Vtoc};
use trackmirror::{DsName, track};

/// What is written without being told.
const UNSEEN: &[u8] = b"nobody told of this";

/// The world, and who writes in it.
pub struct Scene {
    pub world: World,
    pub writers: Vec<Process>,
    images: Vec<String>,
}

/// What a command answered.
pub struct Answer {
    code: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, code: i32) -> Answer {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }
}

/// A program without monitor that has a source volume open for writing.
pub struct Intruder(Child);

impl Intruder {
    pub fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Intruder {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

impl Scene {
    /// Two writers write as fast as they can; the first one opens again after the move.
    pub fn busy(seed: u64) -> Scene {
        let mut scene = Scene::quiet(seed);
        scene.start_writer(0, 2, 0, true);
        scene.start_writer(1, 2, 0, false);
        scene.filled()
    }

    /// Two writers write now and then.
    pub fn lazy(seed: u64) -> Scene {
        let mut scene = Scene::quiet(seed);
        scene.start_writer(0, 2, 5, true);
        scene.start_writer(1, 2, 5, false);
        scene.filled()
    }

    /// Nobody writes.
    pub fn quiet(seed: u64) -> Scene {
        Scene::quiet_with(seed, |_| true)
    }

    /// Nobody writes in the first world from a seed on that is as wanted.
    pub fn quiet_with(seed: u64, is_wanted: impl Fn(&World) -> bool) -> Scene {
        let mut worlds = (0..).map(|number| World::new(&mut Random(seed * 1000 + number)));
        let world = worlds.find(is_wanted).expect("there are many worlds");
        Scene { world, writers: Vec::new(), images: Vec::new() }
    }

    /// One more empty volume like the first target.
    pub fn add_target(&mut self, volser: &str) {
        let geometry = volume::open(&self.world.targets[0], Access::Read).unwrap().geometry();
        let path = self.world.path(volser);
        let mut init = self.world.command("init");
        init.arg(&path).args(["--device", geometry.device.name, "--volser", volser]);
        init.args(["--cylinders", &geometry.cylinders.to_string()]);
        let made = init.output().unwrap();
        assert!(made.status.success(), "{made:?}");
        self.world.targets.push(path);
    }

    fn filled(mut self) -> Scene {
        self.writers.iter_mut().for_each(|writer| writer.hear("filled"));
        self
    }

    pub fn start_writer(&mut self, number: usize, of: usize, rate: u32, reopen: bool) {
        let image = format!("W{}", number + 1);
        self.writers.push(self.world.writer(&Habits {
            image: image.clone(),
            share: (number, of),
            seed: 7 + number as u64,
            threads: 1,
            rate,
            hot: 2,
            run: 2,
            reopen,
            unlisted: false,
            slow: None,
            vary: false,
        }));
        self.images.push(image);
    }

    pub fn state(&self) -> PathBuf {
        self.world.path("state")
    }

    fn command(&self, words: &[&str]) -> Command {
        // What it answers goes to a file, so that it can be read after its end.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" > \"$ANSWER\""]);
        let trackmirror = support::trackmirror();
        shell.arg(trackmirror.get_program()).args(trackmirror.get_args()).arg("--json").args(words);
        shell.env("ANSWER", self.world.path("answer"));
        shell.env("TRACKMIRROR_REGISTRY", self.world.registry());
        shell.env_remove("TRACKMIRROR_OPENERS").env("TRACKMIRROR_LOG", "error");
        shell
    }

    /// Begins to move everything, with these options, and waits for the images of the writers.
    pub fn migrate(&self, options: &[&str]) -> Process {
        let images: Vec<&str> = self.images.iter().map(String::as_str).collect();
        let needed: &[&str] = if images.is_empty() { &[] } else { &["--image"] };
        // Those that a test names come first.
        let (names, others): (Vec<&str>, Vec<&str>) = match options {
            ["--image", name, others @ ..] => {
                let is_new = !images.contains(name);
                (if is_new { vec![*name] } else { Vec::new() }, others.to_vec())
            }
            _ => (Vec::new(), options.to_vec()),
        };
        let needed = if names.is_empty() { needed } else { &["--image"] };
        self.migrate_plain(&[needed, &images, &names, &others].concat())
    }

    /// Begins to move everything, with these options.
    pub fn migrate_plain(&self, options: &[&str]) -> Process {
        let path = |path: &Path| path.to_str().unwrap().to_string();
        let mut words: Vec<String> = vec!["migrate".into(), "LIVE.**".into(), "--volume".into()];
        words.extend(self.world.sources.iter().map(|source| path(source)));
        words.push("--target".into());
        words.extend(self.world.targets.iter().map(|target| path(target)));
        words.extend(["--catalog".into(), path(&self.world.system), "--yes".into()]);
        words.extend(["--mode".into(), "best-fit".into()]);
        words.extend(["--state".into(), path(&self.state())]);
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain(options.iter().copied()).collect();
        Process::start(&mut self.command(&words))
    }

    /// Begins to move one data set to one of the targets, with a state folder of its own.
    pub fn migrate_one(
        &self,
        data_set: usize,
        target: usize,
        state: &str,
        options: &[&str],
    ) -> Process {
        let name = self.world.data_sets[data_set].to_string();
        let mut command = self.world.command("migrate");
        command.arg(name).arg("--volume").args(&self.world.sources);
        command.arg("--target").arg(&self.world.targets[target]);
        command.arg("--catalog").arg(&self.world.system).args(["--yes", "--mode", "best-fit"]);
        command.arg("--state").arg(self.world.path(state)).args(options);
        Process::start(&mut command)
    }

    /// Goes on with it.
    pub fn resume(&self, options: &[&str]) -> Process {
        let state = self.state();
        let words = [&["resume", "--state", state.to_str().unwrap()], options].concat();
        Process::start(&mut self.command(&words))
    }

    /// What the last one of these answered.
    pub fn answer(&self) -> Value {
        let text = std::fs::read_to_string(self.world.path("answer")).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Runs a verb with this state folder.
    pub fn run(&self, verb: &str, options: &[&str]) -> Answer {
        let mut command = self.world.command(verb);
        let output = command
            .arg("--state")
            .arg(self.state())
            .args(options)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn json(&self, verb: &str, options: &[&str], code: i32) -> Value {
        let answer = self.run(verb, &[&["--json"], options].concat()).expect(code);
        serde_json::from_str(&answer.out).unwrap()
    }

    /// Waits until the process that leads it tells this as its status.
    #[track_caller]
    pub fn wait_for_status(&self, is_so: impl Fn(&Value) -> bool) {
        let until = Instant::now() + LONG;
        loop {
            let now = self.json("status", &[], 4)["result"]["now"].clone();
            if is_so(&now) {
                return;
            }
            assert!(Instant::now() < until, "{now:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn events(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.state().join("events.jsonl")).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Ends the writers, and sees that everything is at the target: every acknowledged write, the catalog, nothing at
    /// the source, and nothing that was only for the move.
    #[track_caller]
    pub fn assert_moved(&mut self) {
        self.assert_every_write();
        for source in &self.world.sources {
            let vtoc = Vtoc::read(&*volume::open(source, Access::Read).unwrap()).unwrap();
            assert_eq!(vtoc.data_sets().count(), 0, "the source was scratched");
        }
        self.assert_no_traces();
    }

    /// Ends the writers, and looks for every write that was acknowledged to them, as the catalog leads to it.
    #[track_caller]
    pub fn assert_every_write(&mut self) {
        for writer in &mut self.writers {
            writer.end_input();
            assert_eq!(writer.wait(), 0, "{:#?}", writer.said());
        }
        let ledgers: Vec<PathBuf> =
            self.images.iter().map(|image| self.world.ledger(image)).collect();
        if ledgers.is_empty() {
            return;
        }
        let mut check = self.world.command("demo-check");
        check.arg("--ledger").args(ledgers).arg("--volume").args(&self.world.targets);
        check.arg("--catalog").arg(&self.world.system);
        let output = check.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    }

    /// That nothing was moved, and nothing is left of the attempt.
    #[track_caller]
    pub fn assert_untouched(&self) {
        for target in &self.world.targets {
            let vtoc = Vtoc::read(&*volume::open(target, Access::Read).unwrap()).unwrap();
            assert_eq!(vtoc.data_sets().count(), 0, "the target was released");
        }
        self.assert_no_traces();
    }

    #[track_caller]
    pub fn assert_no_traces(&self) {
        let entries = std::fs::read_dir(self.state()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        let known =
            ["checkpoint.0", "checkpoint.1", "events.jsonl", "events.log", "owner", "request.json"];
        assert_eq!(names, known);
        self.assert_nobody_is_held();
    }

    /// That nothing stands beside the volumes, and in the registry.
    #[track_caller]
    pub fn assert_nobody_is_held(&self) {
        let entries = std::fs::read_dir(self.world.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let notes: Vec<String> = names.filter(|name| name.contains("unfinished")).collect();
        assert!(notes.is_empty(), "{notes:?}");
        let openers = self.world.registry().join("openers");
        let held = std::fs::read_dir(openers).into_iter().flatten().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
            name.starts_with("hold-") || name.starts_with("ask-")
        });
        assert_eq!(held.count(), 0, "nobody is held");
    }

    /// Where the last block of the first data set's part on the first source begins and ends in its image.
    pub fn last_block(&self) -> (u64, u64) {
        let volume = volume::open(&self.world.sources[0], Access::Read).unwrap();
        let name = self.world.data_sets[0];
        let found = Vtoc::read(&*volume).unwrap().find(&name).unwrap().unwrap();
        let last = found.extents.last().unwrap();
        let track = last.first.plus(last.track_count - 1);
        let slot = volume.read_track(track).unwrap();
        let record = track::records(&slot).last().unwrap().unwrap();
        let offset = 512 + u64::from(track.0) * volume.slot_size() as u64;
        let data = record.data_range();
        (offset + data.start as u64, offset + data.end as u64)
    }

    /// Writes into that block without telling anybody.
    pub fn write_unseen(&self) {
        let place = self.last_block().1 - UNSEEN.len() as u64;
        let file = std::fs::File::options().write(true).open(&self.world.sources[0]).unwrap();
        file.write_all_at(UNSEEN, place).unwrap();
    }

    #[track_caller]
    pub fn assert_unseen_write_moved(&self) {
        let has = |target: &PathBuf| {
            let bytes = std::fs::read(target).unwrap();
            bytes.windows(UNSEEN.len()).any(|bytes| bytes == UNSEEN)
        };
        assert!(self.world.targets.iter().any(has), "what nobody told of was lost");
    }

    /// A program that has the first source open for writing and tells nobody.
    pub fn intruder(&self) -> Intruder {
        let mut child = Command::new("bash")
            .args(["-c", "exec 3<>\"$1\" && echo && exec sleep 600 >&-", "-"])
            .arg(&self.world.sources[0])
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("bash is installed");
        // It has the file open when it has said so, and is `sleep` when its output is closed.
        let mut output = child.stdout.take().expect("it was piped");
        std::io::copy(&mut output, &mut std::io::sink()).unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        while std::fs::read_to_string(&comm).unwrap().trim() != "sleep" {
            std::thread::yield_now();
        }
        Intruder(child)
    }

    /// A program that cannot be changed, under the monitor, as the image EMULATOR on all source volumes.
    pub fn emulator(&self) -> Process {
        let mut command = self.world.command("monitored");
        let script =
            "for image; do exec {file}<>\"$image\"; done; echo ready >&2; read line; exit 0";
        command.args(["--image", "EMULATOR", "--", "bash", "-c", script, "-"]);
        command.args(&self.world.sources);
        command.env("XDG_CACHE_HOME", self.world.path("cache")).env_remove("LD_PRELOAD");
        let mut process = Process::start(&mut command);
        process.hear("ready");
        process
    }

    /// Damages a track of the first data set at its source; gives back the name.
    pub fn spoil_a_track(&self) -> DsName {
        let name = self.world.data_sets[0];
        let volume = volume::open(&self.world.sources[0], Access::Read).unwrap();
        let found = Vtoc::read(&*volume).unwrap().find(&name).unwrap().unwrap();
        let slot_size = u64::from(volume.geometry().slot_size);
        let track = u64::from(found.extents[0].first.0);
        drop(volume);
        let file = std::fs::File::options().write(true).open(&self.world.sources[0]).unwrap();
        // The home address and the first count field.
        file.write_all_at(&[0xEE; 40], 512 + track * slot_size).unwrap();
        name
    }

    /// A script that stands for a running system with OLD001 and SYS001: what it is told it does by putting parts of
    /// images there which were made here. It calls the one data set closed when the file `closed` is there.
    pub fn guest(&self) -> String {
        let [system, source] = [&self.world.system, &self.world.sources[0]];
        let (cataloged, scratched) = (self.world.path("cataloged"), self.world.path("scratched"));
        support::copy_sparse(system, &cataloged);
        support::copy_sparse(source, &scratched);
        let name = self.world.data_sets[0];
        let volume = volume::open(&cataloged, Access::Exclusive).unwrap();
        let catalog = CvolCatalog::find_on(volume).unwrap().unwrap();
        let old = catalog.locate(&name).unwrap().unwrap();
        let volumes = vec![CatalogVolume { volser: support::volser("NEW001"), ..old.volumes[0] }];
        let new = CatalogEntry { volumes, ..old.clone() };
        catalog.recatalog(&old, &new, &NoJournal).unwrap();
        let volume = volume::open(&scratched, Access::Exclusive).unwrap();
        let space = VtocSpaceManager::new(volume.clone());
        let found = space.find(&name).unwrap().unwrap();
        space.scratch(&Identity::of(&found), Expiration::Ignore, &NoJournal).unwrap();
        let script = self.world.path("guest");
        let copy = |from: &Path, to: &Path| {
            format!("dd conv=notrunc bs=64k status=none if={} of={}", from.display(), to.display())
        };
        let text = format!(
            "cd {}\ncat > input\necho $TRACKMIRROR_VERB >> calls\ncase $TRACKMIRROR_VERB in\n\
             is-closed) test -e closed || {{ echo GUEST GUEST-JOB; exit 4; }} ;;\n\
             recatalog) {} ;;\nscratch) {} ;;\nesac\n",
            self.world.folder.path().display(),
            copy(&cataloged, system),
            copy(&scratched, source),
        );
        std::fs::write(&script, text).unwrap();
        format!("sh {}", script.display())
    }
}
