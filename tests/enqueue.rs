//! The promise of the registry of openers, kept between real processes: who died has closed, who is only stopped has
//! not; a hold outlives its maker and lets nobody in; who is asked to close hears it; and nobody slips by.
//!
//! This program runs itself as the other processes: `as_another_process` is what they do.

mod support;

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::assert_refused;
use trackmirror::enqueue::{Enqueue, RegistryEnqueue};
use trackmirror::registry::openers::{Opened, Openers, VARIABLE};
use trackmirror::{DsName, Reason};

const ROLE: &str = "TRACKMIRROR_TEST_ROLE";
const OWNER: &str = "/state/of/the/move";
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(10);

fn name() -> DsName {
    "TEST.SEQ.FB".parse().unwrap()
}

/// Another process with a role, and what it says.
struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(role: &str, folder: &Path) -> Other {
        let mut child = support::itself()
            .args(["--exact", "as_another_process", "--nocapture"])
            .env(ROLE, role)
            .env(VARIABLE, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test can be run again");
        let output = child.stdout.take().expect("it was piped");
        Other { child, lines: BufReader::new(output).lines() }
    }

    /// Waits until it says this, and returns what follows in the line.
    fn says(&mut self, word: &str) -> String {
        let start = format!("SAYS {word}");
        let mut lines = self.lines.by_ref().map(|line| line.expect("its output can be read"));
        // The test harness prints the name of the test in front of the first line.
        let line = lines.find(|line| line.contains(&start));
        let line = line.unwrap_or_else(|| panic!("it never said {word}"));
        line.split_once(&start).unwrap().1.trim().to_string()
    }

    fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it can be ended");
    }
}

/// What the other processes do; nothing where no role is given.
#[test]
fn as_another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    match role.as_str() {
        "opener" => {
            let _opened = Opened::open(&name(), "SYSB").unwrap();
            println!("SAYS opened");
            sleep(LONG);
        }
        "polite opener" => {
            let opened = Opened::open(&name(), "SYSB").unwrap();
            println!("SAYS opened");
            let request = loop {
                match opened.close_requested().unwrap() {
                    Some(request) => break request,
                    None => sleep(SHORT),
                }
            };
            drop(opened);
            println!("SAYS closed {}", request.owner);
        }
        "late opener" => {
            let error = Opened::open(&name(), "SYSB").unwrap_err();
            println!("SAYS refused {error}");
        }
        "holder" => {
            RegistryEnqueue::new(Openers::system().unwrap(), OWNER).hold(&[name()], &[]).unwrap();
            println!("SAYS held");
            sleep(LONG);
        }
        "busy opener" => {
            let window = Openers::system().unwrap().folder().with_file_name("window");
            println!("SAYS ready");
            let (until, mut opened_count) = (Instant::now() + LONG, 0);
            while Instant::now() < until && !window.with_file_name("enough").exists() {
                if let Ok(_opened) = Opened::open(&name(), "SYSB") {
                    opened_count += 1;
                    assert!(!window.exists(), "it is open inside the window");
                    std::thread::yield_now();
                    assert!(!window.exists(), "it is open inside the window");
                }
            }
            println!("SAYS opened {opened_count}");
        }
        other => panic!("no role: {other}"),
    }
}

fn registry() -> (tempfile::TempDir, Openers) {
    let folder = support::folder();
    let openers = Openers::at(&folder.path().join("openers")).unwrap();
    (folder, openers)
}

#[test]
fn who_is_killed_has_closed_and_who_is_stopped_has_not() {
    let (_folder, openers) = registry();
    let enqueue = RegistryEnqueue::new(openers.clone(), OWNER);
    let mut other = Other::start("opener", openers.folder());
    other.says("opened");
    for signal in ["CONT", "STOP"] {
        other.signal(signal);
        let seen = enqueue.is_closed(&[name()], &[]).unwrap();
        assert_eq!(seen.len(), 1, "after {signal}");
        assert_eq!(seen[0].image, "SYSB");
        assert_eq!(seen[0].process, Some(other.child.id()));
        assert_eq!(seen[0].data_set, Some(name()));
        assert!(!seen[0].program.is_empty());
    }
    other.child.kill().unwrap();
    other.child.wait().unwrap();
    assert_eq!(enqueue.is_closed(&[name()], &[]).unwrap(), []);
    let left = std::fs::read_dir(openers.folder()).unwrap().count();
    assert_eq!(left, 0, "what a dead opener left is removed");
}

#[test]
fn a_hold_outlives_its_maker_and_lets_nobody_in() {
    let (_folder, openers) = registry();
    let mut holder = Other::start("holder", openers.folder());
    holder.says("held");
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();

    let refusal = Other::start("late opener", openers.folder()).says("refused");
    for word in ["TEST.SEQ.FB", OWNER, "since", "[540]"] {
        assert!(refusal.contains(word), "'{word}' is missing: {refusal}");
    }
    let enqueue = RegistryEnqueue::new(openers.clone(), OWNER);
    assert_eq!(enqueue.is_closed(&[name()], &[]).unwrap(), []);
    let stranger = RegistryEnqueue::new(openers.clone(), "/another");
    assert_refused(stranger.hold(&[name()], &[]), Reason::DataSetHeld, &[OWNER]);
    assert_refused(stranger.release(&[name()], &[]), Reason::DataSetHeld, &[OWNER]);
    // The same migration, resumed by another process.
    enqueue.hold(&[name()], &[]).unwrap();
    enqueue.release(&[name()], &[]).unwrap();
    enqueue.release(&[name()], &[]).unwrap();
    Other::start("opener", openers.folder()).says("opened");
}

#[test]
fn who_is_asked_to_close_hears_it() {
    let (_folder, openers) = registry();
    let enqueue = RegistryEnqueue::new(openers.clone(), OWNER);
    let mut others: Vec<Other> =
        (0..2).map(|_| Other::start("polite opener", openers.folder())).collect();
    for other in &mut others {
        other.says("opened");
    }
    assert_eq!(enqueue.is_closed(&[name()], &[]).unwrap().len(), 2);
    enqueue.ask_to_close(&["OTHER.DATA".parse().unwrap()], &[]).unwrap();
    enqueue.ask_to_close(&[name()], &[]).unwrap();
    for other in &mut others {
        assert_eq!(other.says("closed"), OWNER);
    }
    assert_eq!(enqueue.is_closed(&[name()], &[]).unwrap(), []);
    enqueue.release(&[name(), "OTHER.DATA".parse().unwrap()], &[]).unwrap();
    assert_eq!(std::fs::read_dir(openers.folder()).unwrap().count(), 0);
}

#[test]
fn nobody_slips_by() {
    let (folder, openers) = registry();
    let enqueue = RegistryEnqueue::new(openers.clone(), OWNER);
    let window = folder.path().join("window");
    let mut others: Vec<Other> =
        (0..3).map(|_| Other::start("busy opener", openers.folder())).collect();
    for other in &mut others {
        other.says("ready");
    }
    for _ in 0..40 {
        enqueue.hold(&[name()], &[]).unwrap();
        let started = Instant::now();
        while !enqueue.is_closed(&[name()], &[]).unwrap().is_empty() {
            assert!(started.elapsed() < LONG, "they never close");
        }
        std::fs::write(&window, "").unwrap();
        sleep(Duration::from_millis(3));
        std::fs::remove_file(&window).unwrap();
        enqueue.release(&[name()], &[]).unwrap();
        sleep(Duration::from_millis(3));
    }
    std::fs::write(folder.path().join("enough"), "").unwrap();
    for other in &mut others {
        let opened_count: u32 = other.says("opened").parse().unwrap();
        assert!(opened_count > 0, "it was let in between the windows");
    }
}
