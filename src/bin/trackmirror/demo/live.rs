//! A move of data sets to which two programs write all the time.

use super::{Story, volumes};
use crate::output::{Failure, Outcome};
use crate::terminal::tell;
use crate::writer::proof;
use crate::{catalog, check, vtoc};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use trackmirror::registry::{areas, openers};
use trackmirror::{Code, Error, Reason, Result};

const DATA_SETS: &[volumes::DataSet] = &[
    (
        "DEMO.LEDGER",
        &[
            &[(15, 20), (60, 7), (75, 13), (110, 5), (150, 25)],
            &[(30, 9), (45, 1), (50, 22), (90, 14)],
        ],
    ),
    ("DEMO.PAYROLL", &[&[(40, 10), (90, 15), (130, 12)]]),
];

/// How long anything is waited for.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How long the programs write before the move, and after it.
const BEFORE: Duration = Duration::from_millis(300);
const AFTER: Duration = Duration::from_millis(700);

/// Makes the volumes, lets two programs write, moves the data sets, and looks for every write.
pub fn show(folder: &Path, story: &mut Story) -> Outcome<Value> {
    let file = |name: &str| folder.join(name).display().to_string();
    let (system, new, state) = (file("sys001.ckd"), file("new001.ckd"), file("state"));
    let (old1, old2) = (file("old001.ckd"), file("old002.ckd"));
    let old: [&Path; 2] = [old1.as_ref(), old2.as_ref()];
    volumes::make(system.as_ref(), &old, new.as_ref(), DATA_SETS)?;
    let registry = folder.join("registry");

    story
        .tell("Four volumes were made. Two data sets lie on OLD001 and OLD002, in twelve extents:");
    story.act(vtoc::run, &["vtoc", "--extents", &old1, &old2])?;
    story.tell("The catalog on SYS001 says where they are:");
    story.act(catalog::run, &["catalog", &system, "DEMO.**"])?;

    tell("two programs write to the data sets ...\n");
    story.tell(
        "Two programs, W1 and W2, write to both as fast as they can. Each is a process and an image of its own, each \
         keeps a record of its writes. W1 will go on when the data sets have moved; W2 will end when it is asked to \
         close:",
    );
    let ledgers = [file("w1.ledger"), file("w2.ledger")];
    let mut programs = Vec::new();
    for (number, ledger) in ledgers.iter().enumerate() {
        let (image, share) = (format!("W{}", number + 1), format!("{number}/2"));
        let words = ["demo-writer", "--image", &image, "--share", &share, "--ledger", ledger];
        let data_sets = ["--data-set", "DEMO.LEDGER", "DEMO.PAYROLL", "--catalog", &system];
        let volumes = ["--volume", &old1, &old2, &new, "--fill", "--run", "3", "--threads", "2"];
        let reopen = ["--reopen"];
        let reopen = if number == 0 { &reopen[..] } else { &[] };
        let words = [&words[..], &data_sets, &volumes, reopen].concat();
        story.command(&words);
        programs.push(Program::start(&words, &registry)?);
    }
    for program in &mut programs {
        program.hear("filled")?;
    }
    std::thread::sleep(BEFORE);

    tell("the data sets move ...\n");
    story.tell(
        "While they write, both data sets move to NEW001, each into one extent. What the programs write meanwhile is \
         copied again. When little is left they are asked to close; the last changes follow, the catalog is switched, \
         and whoever comes may open the data sets again:",
    );
    let words = ["migrate", "DEMO.**", "--volume", &old1, &old2, "--target", &new];
    let live = ["--catalog", &system, "--image", "W1", "W2", "--close-when-mirrored"];
    let words = [&words[..], &live, &["--yes", "--state", &state]].concat();
    story.command(&words);
    let (code, told) = Program::start(&words, &registry)?.end()?;
    story.text += &told;
    if code != Code::Done as i32 {
        return Err(Failure {
            error: Error::new(Reason::Broken, format!("the move ended with code {code}:\n{told}")),
            advice: String::new(),
        });
    }
    std::thread::sleep(AFTER);

    tell("every write is looked for ...\n");
    story.tell("This is what the two programs told meanwhile:");
    for mut program in programs {
        program.end_input();
        let (code, told) = program.end()?;
        story.text += &told;
        if code != Code::Done as i32 {
            return Err(Error::new(Reason::Broken, format!("a program failed:\n{told}")).into());
        }
    }
    story.tell("NEW001 has the data sets now, the catalog says so, the source volumes have their space back, and all is \
                sound:");
    story.act(vtoc::run, &["vtoc", "--extents", &old1, &old2, &new])?;
    story.act(catalog::run, &["catalog", &system, "DEMO.**"])?;
    story.act(check::run, &["check", "--tracks", "all", &system, &old1, &old2, &new])?;
    story.tell(
        "The proof: each write that was acknowledged to one of the two programs is looked for, as its record tells it:",
    );
    let words = ["demo-check", "--ledger", &ledgers[0], &ledgers[1], "--volume", &old1, &old2];
    let words = [&words[..], &[&new, "--catalog", &system]].concat();
    let proof = story.act(proof::run, &words)?;
    story.tell(&format!(
        "Look at the result with the commands above, or with the emulator's tools: dasdls {new}\n\
         What happened, with times, is in {state}/events.log. To run one of the commands above again, set {}={}.\n\
         Remove {} when you are done.",
        areas::VARIABLE,
        registry.display(),
        folder.display()
    ));
    Ok(json!({ "proof": proof }))
}

/// This program once more, with another verb.
struct Program {
    process: Child,
    lines: Receiver<String>,
    told: String,
}

impl Program {
    fn start(words: &[&str], registry: &Path) -> Result<Program> {
        let own = std::env::current_exe().map_err(|error| Error::io("this program", &error))?;
        let mut process = Command::new(own)
            .args(words)
            .env(areas::VARIABLE, registry)
            .env_remove(openers::VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Error::io("starting a program", &error))?;
        let lines = listen(process.stderr.take());
        Ok(Program { process, lines, told: String::new() })
    }

    /// Waits until it tells something with this word.
    fn hear(&mut self, word: &str) -> Result<()> {
        loop {
            let line = match self.lines.recv_timeout(WAIT_MAX) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Err(self.failed("tells nothing")),
                Err(RecvTimeoutError::Disconnected) => return Err(self.failed("ended too early")),
            };
            self.told += &format!("{line}\n");
            if line.contains(word) {
                return Ok(());
            }
        }
    }

    fn end_input(&mut self) {
        drop(self.process.stdin.take());
    }

    /// Waits for its end: its code, and what it told and answered.
    fn end(mut self) -> Result<(i32, String)> {
        loop {
            match self.lines.recv_timeout(WAIT_MAX) {
                Ok(line) => self.told += &format!("{line}\n"),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Err(self.failed("does not end")),
            }
        }
        let mut answer = String::new();
        if let Some(mut out) = self.process.stdout.take() {
            out.read_to_string(&mut answer).map_err(|error| Error::io("a program", &error))?;
        }
        let status = self.process.wait().map_err(|error| Error::io("a program", &error))?;
        Ok((status.code().unwrap_or(-1), std::mem::take(&mut self.told) + &answer))
    }

    fn failed(&self, what: &str) -> Error {
        Error::new(Reason::Broken, format!("a program of the demonstration {what}:\n{}", self.told))
    }
}

impl Drop for Program {
    /// None outlives the demonstration, whatever went wrong.
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill().and_then(|()| self.process.wait());
        }
    }
}

/// The lines that a program tells, as they come.
fn listen(error: Option<ChildStderr>) -> Receiver<String> {
    let (send, lines) = channel();
    if let Some(error) = error {
        std::thread::spawn(move || {
            for line in BufReader::new(error).lines().map_while(std::result::Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
    }
    lines
}
