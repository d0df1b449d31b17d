//! The process of the other machine, and the lines that it and the test say to each other.

use crate::support;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How this process is run as the one of the other machine: role and folder.
const ROLE: &str = "TRACKMIRROR_TEST_ROLE";
/// What that process is run by.
const MACHINE: &str = "TRACKMIRROR_OTHER_MACHINE";
/// Longer than anything here takes, also under an emulator on a busy machine.
pub const LONG: Duration = Duration::from_secs(300);

/// The byte order of this program.
pub const OWN_ORDER: &str = if cfg!(target_endian = "big") { "big" } else { "little" };

/// The role that is played, and the folder in which.
pub fn role() -> Option<(String, PathBuf)> {
    let role = std::env::var(ROLE).ok()?;
    let (role, folder) = role.split_once(' ').expect("a role and a folder");
    Some((role.into(), folder.into()))
}

/// One end of the lines between the two processes. Lines begin with `@`, because the test harness prints things, too.
pub struct Lines {
    output: Mutex<Box<dyn Write + Send>>,
    input: Mutex<Receiver<String>>,
}

impl Lines {
    fn new(input: impl Read + Send + 'static, output: impl Write + Send + 'static) -> Arc<Lines> {
        let (heard, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(input).lines().map_while(Result::ok) {
                let Some((_, said)) = line.split_once('@') else { continue };
                if heard.send(said.into()).is_err() {
                    return;
                }
            }
        });
        Arc::new(Lines { output: Mutex::new(Box::new(output)), input: Mutex::new(lines) })
    }

    /// Those of a process that plays a role.
    pub fn of_this_process() -> Arc<Lines> {
        Lines::new(std::io::stdin(), std::io::stdout())
    }

    pub fn say(&self, line: impl std::fmt::Display) {
        let mut output = self.output.lock().unwrap();
        writeln!(output, "@{line}").and_then(|()| output.flush()).expect("the other one listens");
    }

    /// The next line; `None` if the other process has ended.
    pub fn hear(&self) -> Option<String> {
        match self.input.lock().unwrap().recv_timeout(LONG) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the other process says nothing"),
        }
    }
}

/// The process of the other machine. It ends with this value.
pub struct Other {
    process: Child,
    pub lines: Arc<Lines>,
}

impl Other {
    /// Has it play a role in a folder.
    pub fn play(role: &str, folder: &Path) -> Other {
        let named = std::env::var(MACHINE).ok();
        let mut command = match &named {
            None => support::itself(),
            Some(line) => {
                let mut words = line.split_whitespace();
                let mut command = Command::new(words.next().expect("the name of a program"));
                command.args(words);
                command
            }
        };
        command.args(["--exact", "a_role_of_the_other_machine", "--nocapture"]);
        command.env(ROLE, format!("{role} {}", folder.display()));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (input, output) = (process.stdout.take().unwrap(), process.stdin.take().unwrap());
        let other = Other { process, lines: Lines::new(input, output) };
        let order = other.lines.hear().expect("it says its byte order");
        if let Some(line) = named {
            assert_ne!(order, OWN_ORDER, "{line} is of the same byte order");
        }
        other
    }

    /// Waits for its end: it has done what it had to, and found nothing wrong.
    pub fn ends(mut self) {
        while self.lines.hear().is_some() {}
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the other machine's process failed, see above: {status}");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
