//! Processes that are ended by SIGKILL at one of the calls by which they change files.

use super::support;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;
use tempfile::TempDir;

const SIGKILL: i32 = 9;
/// Whatever takes longer than this never happens.
const LONG: Duration = Duration::from_secs(60);

/// The library that ends processes.
fn killer() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = BUILT.get_or_init(|| {
        let folder = support::folder();
        let library = folder.path().join("kill_at.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kill/kill_at.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let built = compiler.arg(&library).arg(source).output().expect("a C compiler");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        (folder, library)
    });
    library
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Before,
    After,
    Torn,
    TornGarbage,
}

/// Runs a command until its call `at` that changes something under a folder; nothing if it came to its end before.
pub fn kill(command: &mut Command, under: &Path, at: u32, how: How) -> Option<Output> {
    let (word, garbage) = match how {
        How::Before => ("before", "0"),
        How::After => ("after", "0"),
        How::Torn => ("torn", "0"),
        How::TornGarbage => ("torn", "1"),
    };
    command
        .env("LD_PRELOAD", killer())
        .env("KILL_UNDER", under)
        .env("KILL_AT", at.to_string())
        .env("KILL_HOW", word)
        .env("KILL_GARBAGE", garbage);
    let output = ended(command);
    if output.status.signal() == Some(SIGKILL) {
        return None;
    }
    Some(output)
}

/// How many calls a command makes that runs to its end.
#[allow(dead_code)] // Not everybody wants to know.
pub fn call_count(command: &mut Command, under: &Path) -> u32 {
    let output =
        kill(command.env("KILL_TELL", "1"), under, 0, How::Before).expect("nobody kills it");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stdout));
    let count = told.lines().find_map(|line| line.strip_prefix("calls: "));
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{told}"))
}

/// Waits for the end of a command, and panics if it does not come.
fn ended(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the command can be started");
    let (process, (ended, ends)) = (child.id().to_string(), mpsc::channel::<()>());
    let watchdog = std::thread::spawn(move || {
        let is_late = ends.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Timeout);
        if is_late {
            let _ = Command::new("kill").args(["-s", "KILL", &process]).status();
        }
        is_late
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!watchdog.join().unwrap(), "it did not end in {LONG:?}: {command:?}: {said}");
    output
}

/// Makes an image of a small volume.
pub fn init(image: &Path, volser: &str, cylinders: u32) {
    let mut init = support::trackmirror();
    init.arg("init").arg(image).args(["--device", "2311", "--volser", volser]);
    init.args(["--vtoc-tracks", "2", "--cylinders", &cylinders.to_string()]);
    let (code, text) = run(&mut init);
    assert_eq!(code, 0, "{text}");
}

/// Runs a command to its end: its code, and what it said.
pub fn run(command: &mut Command) -> (i32, String) {
    let output = ended(command);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text.into_owned())
}
