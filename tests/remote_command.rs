//! The promise of the command for images on other machines: it moves data sets that another machine writes too, tells how
//! that machine is, waits for it or lets it be retired, and shows no password.
//!
//! It needs what the test `machines` needs: root, `ip` (iproute2), `losetup` (mount) and `redis-server`.

#![cfg(all(feature = "cli", feature = "redis", target_os = "linux"))]

#[path = "machines/disks.rs"]
mod disks;
#[path = "machines/kernel.rs"]
mod kernel;
#[path = "live_writers/migrator.rs"]
#[allow(dead_code)] // It is shared with other tests.
mod migrator;
#[path = "machines/network.rs"]
#[allow(dead_code)]
mod network;
#[path = "machines/redis.rs"]
#[allow(dead_code)]
mod redis;
#[path = "machines/relay.rs"]
#[allow(dead_code)]
mod relay;
#[path = "machines/site.rs"]
#[allow(dead_code)]
mod site;
mod support;
#[path = "live_writers/world.rs"]
#[allow(dead_code)]
mod world;
#[path = "live_writers/writer.rs"]
#[allow(dead_code)]
mod writer;

use serde_json::Value;
use site::Site;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use world::Random;
use writer::{Habits, LONG, Process};

const PASSWORD: &str = "TRACKMIRROR_REDIS_PASSWORD";

/// What a command answered.
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Answer {
    fn of(command: &mut Command) -> Answer {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Answer { code, out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    fn expect(self, code: i32) -> Answer {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn json(self, code: i32) -> Value {
        serde_json::from_str(&self.expect(code).out).unwrap()
    }
}

/// The owner's machine, another one, and a writer on each.
struct Scene {
    writers: Vec<Process>,
    site: Site,
    password: &'static str,
}

impl Scene {
    fn new(seed: u64, password: &'static str) -> Scene {
        let site = Site::new(&mut Random(seed), 2);
        if !password.is_empty() {
            site.redis.ask(&format!("CONFIG SET requirepass {password}"));
        }
        let start = |host: usize| {
            site.hosts[host].world.writer(&Habits {
                image: format!("W{host}"),
                share: (host, 2),
                seed: 7 + host as u64,
                threads: 1,
                rate: 200,
                hot: 2,
                run: 2,
                reopen: false,
                unlisted: false,
                slow: None,
                vary: false,
            })
        };
        let mut writers: Vec<Process> = (0..2).map(start).collect();
        writers.iter_mut().for_each(|writer| writer.hear("filled"));
        Scene { writers, site, password }
    }

    /// A verb on one of the machines.
    fn command(&self, host: usize, verb: &str) -> Command {
        let mut command = self.site.hosts[host].world.command(verb);
        command.env(PASSWORD, self.password);
        command
    }

    fn agent_command(&self) -> Command {
        let mut command = self.command(1, "monitor-agent");
        command.args(["--image", "B", "--redis", &self.site.url()]);
        command.args(&self.site.hosts[1].world.sources);
        command
    }

    fn agent(&self) -> Process {
        Process::start(&mut self.agent_command())
    }

    fn migrate_command(&self, image: &str) -> Command {
        let world = &self.site.owner().world;
        let mut command = self.command(0, "migrate");
        command.args(["LIVE.**", "--yes", "--goal-tracks", "100000", "--image", "W0", image]);
        command.arg("--volume").args(&world.sources).arg("--target").args(&world.targets);
        command.arg("--catalog").arg(&world.system).arg("--state").arg(world.state());
        command
    }

    /// Starts the migration, which goes on until it is mirrored.
    fn mirrored(&self) -> Process {
        let image = format!("B@{}", self.site.url());
        let mut migration = Process::start(&mut self.migrate_command(&image));
        migration.hear("is mirrored");
        migration
    }

    fn steer(&self, verb: &str, options: &[&str]) -> Answer {
        let state = self.site.owner().world.state();
        let mut words = verb.split(' ');
        let mut command = self.command(0, words.next().unwrap());
        Answer::of(command.args(words).arg("--state").arg(state).args(options))
    }

    /// What the status tells of the other machine.
    fn machine(&self) -> Value {
        self.steer("status", &["--json"]).json(4)["result"]["now"]["machines"][0].clone()
    }

    #[track_caller]
    fn wait_for_standing(&self, standing: &str) {
        let until = Instant::now() + LONG;
        while self.machine()["standing"] != standing {
            assert!(Instant::now() < until, "never {standing}: {}", self.machine());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Every data set is at the target, with every write that was acknowledged.
    fn assert_moved(&mut self) {
        for writer in &mut self.writers {
            writer.end_input();
            writer.wait();
        }
        let mut judge = self.site.judge();
        judge.arg("--ledger").args(self.site.ledgers());
        judge.arg("--volume").args(&self.site.disks.targets);
        judge.arg("--catalog").arg(&self.site.disks.system);
        let answer = Answer::of(&mut judge).expect(0);
        assert!(answer.out.contains("are there, whole"), "{}", answer.out);
    }
}

/// The numbers of the last reports, over all volumes.
fn number(machine: &Value) -> u64 {
    let applied = machine["applied"].as_array().unwrap().iter();
    applied.map(|one| one["number"].as_u64().unwrap()).sum()
}

#[test]
fn data_sets_move_that_another_machine_writes_too_and_no_password_is_shown() {
    let mut scene = Scene::new(21, "s3cret");
    let mut agent = scene.agent();
    agent.hear("image B serves");
    let mut migration = scene.mirrored();
    agent.hear("is served from now on");
    scene.wait_for_standing("heard");

    // It writes, so that it has something to report.
    let until = Instant::now() + LONG;
    while number(&scene.machine()) == 0 {
        assert!(Instant::now() < until, "nothing is reported: {}", scene.machine());
        std::thread::sleep(Duration::from_millis(100));
    }
    let machine = scene.machine();
    assert!(machine["delay_ms"].is_u64() && machine["silence_ms"].is_u64(), "{machine}");
    assert!(machine["trouble"].is_null() && machine["needs_answer"] == true, "{machine}");
    assert_eq!(machine["server"], format!("{}/0", scene.site.url()));
    let text = scene.steer("status", &[]).expect(4).out;
    for word in ["ELSEWHERE", "heard", "OLD001: ", &scene.site.url()] {
        assert!(text.contains(word), "{word} in\n{text}");
    }
    let list = scene.steer("image list", &["--json"]).json(0);
    assert_eq!(list["result"]["machines"][0]["name"], "B");
    let request = std::fs::read_to_string(scene.site.owner().world.state().join("request.json"));
    assert!(!request.unwrap().contains("s3cret") && !text.contains("s3cret"));

    println!("{}", scene.steer("close-now", &["--wait"]).expect(0).out);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    agent.hear("is served no longer");
    agent.signal("TERM");
    assert_eq!(agent.wait(), 0, "{:#?}", agent.said());
    let said = format!("{:#?}{:#?}", agent.said(), migration.said());
    assert!(!said.contains("s3cret"), "{said}");
    scene.assert_moved();
}

#[test]
fn an_image_that_is_silent_keeps_the_window_shut_until_it_is_retired() {
    let mut scene = Scene::new(22, "");
    let mut agent = scene.agent();
    let mut migration = scene.mirrored();
    scene.wait_for_standing("heard");
    // Its machine is gone.
    agent.kill();
    scene.writers[1].kill();
    scene.wait_for_standing("silent");
    let list = scene.steer("image list", &[]).expect(4).out;
    assert!(list.contains("silent"), "{list}");
    // What it waits for is told at its next look.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let status = scene.steer("status", &["--json"]).json(4);
        let waits_for = status["result"]["now"]["waits_for"].as_str().unwrap();
        if waits_for.contains("silent") && waits_for.contains("image retire") {
            break;
        }
        assert!(std::time::Instant::now() < until, "{waits_for}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(scene.steer("close-now", &["--wait"]).code, 8);
    migration.hear("no window can be opened now");
    migration.hear("has not been heard");
    migration.hear("mirroring goes on");

    let said = scene.steer("image retire", &["--dry-run", "B"]).expect(0).out;
    assert!(said.contains("nothing was done") && said.contains("silent"), "{said}");
    scene.steer("image retire", &["--yes", "NOBODY"]).expect(8);
    scene.steer("image retire", &["--yes", "B"]).expect(0);
    scene.wait_for_standing("retired");
    scene.steer("image list", &[]).expect(0);
    scene.steer("close-now", &["--wait"]).expect(0);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
}

#[test]
fn an_image_can_be_retired_while_nobody_leads_the_migration() {
    let mut scene = Scene::new(23, "");
    let mut agent = scene.agent();
    let mut migration = scene.mirrored();
    scene.wait_for_standing("heard");
    migration.kill();
    agent.kill();
    scene.writers[1].kill();
    let list = scene.steer("image list", &["--json"]).json(4);
    assert_eq!(list["result"]["machines"][0]["standing"], "unknown");
    let said = scene.steer("image retire", &["--yes", "B"]).expect(0).out;
    assert!(said.contains("resume"), "{said}");
    scene.steer("resume", &["--close-when-mirrored"]).expect(0);
    scene.assert_moved();
}

#[test]
fn an_agent_is_stopped_started_again_and_takes_leave() {
    let mut scene = Scene::new(24, "");
    let mut agent = scene.agent();
    let mut migration = scene.mirrored();
    scene.wait_for_standing("heard");
    let second = Answer::of(&mut scene.agent_command()).expect(8);
    assert!(second.err.contains("another agent serves image B"), "{}", second.err);

    agent.signal("TERM");
    assert_eq!(agent.wait(), 0, "{:#?}", agent.said());
    let before = scene.machine();
    let mut agent = scene.agent();
    agent.hear("is served from now on");
    let until = Instant::now() + LONG;
    while number(&scene.machine()) <= number(&before) {
        assert!(Instant::now() < until, "nothing more is reported: {}", scene.machine());
        std::thread::sleep(Duration::from_millis(100));
    }

    // As long as a program lives that may write, there is no farewell.
    agent.signal("INT");
    assert_eq!(agent.wait(), 0, "{:#?}", agent.said());
    let mut leaving = scene.agent_command();
    let mut leaving = Process::start(leaving.arg("--farewell"));
    leaving.hear("is served from now on");
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(leaving.ended(), None, "{:#?}", leaving.said());
    scene.writers[1].end_input();
    scene.writers[1].wait();
    assert_eq!(leaving.wait(), 0, "{:#?}", leaving.said());
    scene.wait_for_standing("left");
    scene.steer("close-now", &["--wait"]).expect(0);
    assert_eq!(migration.wait(), 0, "{:#?}", migration.said());
    scene.assert_moved();
}

#[test]
fn a_machine_that_was_away_when_the_migration_ended_lets_its_users_in_when_it_is_back() {
    let scene = Scene::new(26, "");
    let mut agent = scene.agent();
    let mut migration = scene.mirrored();
    let held = |scene: &Scene| {
        let folder = scene.site.hosts[1].world.registry().join("openers");
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("hold-")).count()
    };
    // A program there does not close.
    scene.writers[1].signal("STOP");
    scene.steer("close-now", &[]).expect(0);
    let until = Instant::now() + LONG;
    while held(&scene) == 0 {
        assert!(Instant::now() < until, "nobody is kept out there");
        std::thread::sleep(Duration::from_millis(50));
    }
    agent.hear("programs are asked to close LIVE.DATA1");
    agent.hear("nobody may open LIVE.DATA1");
    agent.signal("KILL");
    agent.wait();
    scene.steer("terminate", &["--yes"]);
    migration.wait();
    assert!(held(&scene) > 0);
    let mut agent = scene.agent();
    while held(&scene) > 0 {
        assert!(Instant::now() < until + LONG, "they are kept out for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    agent.hear("programs may open again LIVE.DATA1");
    scene.writers[1].signal("CONT");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let scene = Scene::new(25, "");
    for (image, word) in [
        ("B@http://:s3cret@host", "redis://["),
        ("B@redis://:s3cret@host/x", "redis://["),
        ("B B@redis://a B@redis://b", "given twice"),
    ] {
        let mut command = scene.migrate_command("W1");
        command.arg("--image").args(image.split(' '));
        let answer = Answer::of(&mut command).expect(8);
        assert!(answer.err.contains(word), "{}", answer.err);
        assert!(!answer.err.contains("s3cret"), "{}", answer.err);
    }
    let mut command = scene.agent_command();
    let error = Answer::of(command.args(["--redis", "x", "--json"]));
    assert_eq!(error.code, 8, "{}{}", error.out, error.err);
    let mut command = scene.command(1, "monitor-agent");
    command.args(["--json", "--image", "B", "--redis", "redis://"]);
    let error = Answer::of(command.args(&scene.site.hosts[1].world.sources)).json(8);
    assert_eq!(error["error"]["name"], "BadChannel");
    for (verb, words) in [
        ("image retire", &["FILE", "NAME", "--state", "x"][..]),
        ("image retire", &["NAME"]),
        ("image list", &[]),
    ] {
        let mut command = scene.command(0, verb.split(' ').next().unwrap());
        command.arg(verb.split(' ').next_back().unwrap()).args(words);
        Answer::of(&mut command).expect(8);
    }
}

#[test]
fn a_rehearsal_asks_nobody_and_says_so() {
    let scene = Scene::new(27, "");
    let rehearse = |server: &str| {
        let mut command = scene.migrate_command(&format!("B@{server}"));
        Answer::of(command.arg("--rehearse"))
    };
    let answer = rehearse(&scene.site.url());
    assert!([0, 4].contains(&answer.code), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("image B on another machine answers"), "{}", answer.out);
    assert_eq!(scene.site.redis.ask("DBSIZE").as_deref(), Some(":0"));
    let answer = rehearse("redis://127.0.0.1:1");
    assert!(answer.out.contains("redis://127.0.0.1:1"), "{}{}", answer.out, answer.err);
    assert_ne!(answer.code, 0);
}

#[test]
fn a_server_that_is_not_there_is_named_and_nothing_is_moved() {
    let mut scene = Scene::new(26, "");
    let mut command = scene.migrate_command("B@redis://127.0.0.1:1");
    let answer = Answer::of(command.args(["--wait-limit", "3s"])).expect(8);
    assert!(answer.err.contains("redis://127.0.0.1:1"), "{}", answer.err);
    assert!(answer.err.contains("nothing was moved"), "{}", answer.err);
    scene.writers.iter_mut().for_each(|writer| assert_eq!(writer.ended(), None));
}

#[test]
fn the_help_shows_examples() {
    for verb in ["monitor-agent", "migrate", "image retire", "image list"] {
        let mut command = support::trackmirror();
        let help = Answer::of(command.args(verb.split(' ')).arg("--help")).expect(0).out;
        assert!(help.contains("Examples:") && help.contains("--state") | help.contains("--redis"));
        assert!(help.lines().all(|line| line.len() <= 120), "{help}");
    }
}
