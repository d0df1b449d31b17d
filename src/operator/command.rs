//! Running an operator's command, and seeing that what it was told to do has happened.
//!
//! Input and output are files without names, not pipes: a command that does not read its input, or leaves a program in
//! the background that keeps its output open, blocks nobody. It runs in a process group of its own, which is ended as a
//! whole when the time limit is over. A command that was ended, or refused, may have done its work nevertheless, so the
//! volume is looked at in any case.

use super::task::Task;
use crate::error::{Error, Reason, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How much of a command's output is read.
const OUTPUT_LENGTH_MAX: usize = 65_536;
/// How much of it stands in an error.
const LINE_LENGTH_MAX: usize = 200;
/// How long to wait before a command that said "not yet" is called again.
const CALL_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait between two looks, at a command or at a volume.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(250);

/// A command of the operator, run by `sh -c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorCommand {
    /// What the shell runs.
    pub program: String,
    /// How long it may take, calls after "not yet" included.
    pub time_limit: Duration,
    /// How long after its end the change may take to be seen on the volume.
    pub look_limit: Duration,
}

impl OperatorCommand {
    /// With five minutes for the command, and half a minute for its change to be seen.
    pub fn new(program: impl Into<String>) -> OperatorCommand {
        OperatorCommand {
            program: program.into(),
            time_limit: Duration::from_secs(300),
            look_limit: Duration::from_secs(30),
        }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is done.
    Done,
    /// Somebody is in the way.
    NotYet,
    /// Anything else: how it ended.
    Refused(String),
    /// It was ended when its time was over.
    Late,
}

/// What a command answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub ending: Ending,
    /// What it printed.
    pub output: String,
}

/// Whether a change is seen on the volume.
pub(super) enum Seen<T> {
    /// It is.
    Done(T),
    /// It is not: what is as before.
    Not(String),
}

impl Answer {
    /// The first line that it printed, for a sentence.
    fn line(&self) -> String {
        let line = self.output.lines().map(str::trim).find(|line| !line.is_empty());
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        match line {
            Some(line) => format!(
                ": {}",
                line.chars().take(LINE_LENGTH_MAX).map(printable).collect::<String>()
            ),
            None => ", and printed nothing".into(),
        }
    }

    /// That it is done.
    pub fn check(&self, task: &Task, command: &OperatorCommand) -> Result<()> {
        let (verb, line) = (task.verb, self.line());
        let limit = command.time_limit.as_secs_f32();
        let late = |what: &str| {
            Error::new(
                Reason::CommandLate,
                format!(
                    "the operator's command for `{verb}` {what} after {limit} s{line}; see what is in its way, or \
                     give it more time"
                ),
            )
        };
        match &self.ending {
            Ending::Done => Ok(()),
            Ending::NotYet => Err(late("still said \"not yet\"")),
            Ending::Late => Err(late("had not ended")),
            Ending::Refused(how) => Err(Error::new(
                Reason::CommandRefused,
                format!("the operator's command for `{verb}` {how}{line}"),
            )),
        }
    }
}

impl OperatorCommand {
    /// Runs it once.
    pub(super) fn run(&self, task: &Task) -> Result<Answer> {
        self.run_until(task, Instant::now() + self.time_limit)
    }

    /// Runs it, again and again while it says "not yet".
    pub(super) fn run_until_done(&self, task: &Task) -> Result<Answer> {
        let until = Instant::now() + self.time_limit;
        loop {
            let answer = self.run_until(task, until)?;
            if answer.ending != Ending::NotYet || Instant::now() + CALL_PAUSE >= until {
                return Ok(answer);
            }
            sleep(CALL_PAUSE);
        }
    }

    /// Hands a change over, and looks until it is seen.
    pub(super) fn carry_out<T>(
        &self,
        task: &Task,
        look: impl Fn() -> Result<Seen<T>>,
    ) -> Result<T> {
        let answer = self.run_until_done(task)?;
        let said = answer.check(task, self);
        // Whoever says that he did nothing is looked after once; whoever says that he did is given time.
        let limit = if said.is_ok() { self.look_limit } else { Duration::ZERO };
        let until = Instant::now() + limit;
        let mut pause = Duration::from_millis(10);
        loop {
            // What cannot be read may just be written.
            let seen = look();
            if let (Err(refusal), Ok(Seen::Done(_))) = (&said, &seen) {
                log::warn!("{refusal}; but it has happened");
            }
            let left = until.saturating_duration_since(Instant::now());
            match seen {
                Ok(Seen::Done(value)) => return Ok(value),
                Ok(Seen::Not(_)) | Err(_) if !left.is_zero() => sleep(pause.min(left)),
                Err(error) => return Err(said.err().unwrap_or(error)),
                Ok(Seen::Not(what)) => {
                    let Err(refusal) = said else {
                        return Err(not_seen(task, &what, limit, &answer));
                    };
                    let sentence = format!("{}; {what}", refusal.sentence());
                    return Err(Error::new(refusal.reason(), sentence));
                }
            }
            pause = (pause * 2).min(LOOK_PAUSE_MAX);
        }
    }

    fn run_until(&self, task: &Task, until: Instant) -> Result<Answer> {
        let io = |error| Error::io("cannot run the operator's command", &error);
        let mut input = nameless_file().map_err(io)?;
        let output = nameless_file().map_err(io)?;
        input.write_all(task.input().as_bytes()).and_then(|()| input.rewind()).map_err(io)?;
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&self.program).process_group(0);
        shell.env("TRACKMIRROR_VERB", task.verb);
        for (variable, value) in
            [("TRACKMIRROR_VOLUME", &task.volume), ("TRACKMIRROR_DATA_SET", &task.data_set)]
        {
            match value {
                Some(value) => shell.env(variable, value),
                None => shell.env_remove(variable),
            };
        }
        shell.stdin(Stdio::from(input));
        shell.stdout(Stdio::from(output.try_clone().map_err(io)?));
        shell.stderr(Stdio::from(output.try_clone().map_err(io)?));
        let mut child = shell.spawn().map_err(io)?;
        let ended = wait(&mut child, until).map_err(io)?;
        Ok(Answer {
            ending: ended.map_or(Ending::Late, ending),
            output: beginning(&output).map_err(io)?,
        })
    }
}

fn not_seen(task: &Task, what: &str, limit: Duration, answer: &Answer) -> Error {
    let (verb, limit, line) = (task.verb, limit.as_secs_f32(), answer.line());
    Error::new(
        Reason::ChangeNotSeen,
        format!(
            "the operator's command for `{verb}` said that it is done{line}; but {limit} s later {what}; see what \
             the system did, then try again"
        ),
    )
}

fn ending(status: ExitStatus) -> Ending {
    match status.code() {
        Some(0) => Ending::Done,
        Some(4) => Ending::NotYet,
        Some(code) => Ending::Refused(format!("ended with {code}")),
        None => Ending::Refused(format!("ended by {status}")),
    }
}

/// Waits for a process until then; one that has not ended is ended, with its whole group.
fn wait(child: &mut Child, until: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        sleep(pause.min(left));
        pause = (pause * 2).min(LOOK_PAUSE_MAX);
    }
    // The group's number is that of the child, and is not given to anybody else before the child was waited for.
    let group = format!("kill -s KILL -- -{}", child.id());
    let killed = Command::new("sh").args(["-c", &group]).stderr(Stdio::null()).status();
    if !killed.is_ok_and(|status| status.success()) {
        log::warn!("programs that the operator's command began may still run");
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// A file of our own that nobody finds, and that is gone when it is closed.
fn nameless_file() -> io::Result<File> {
    let mut random = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let name = format!("trackmirror-{:016x}", u64::from_ne_bytes(random));
    let path = std::env::temp_dir().join(name);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn beginning(file: &File) -> io::Result<String> {
    let (mut bytes, mut length) = (vec![0; OUTPUT_LENGTH_MAX], 0);
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(program: &str, seconds: f32) -> OperatorCommand {
        let time_limit = Duration::from_secs_f32(seconds);
        OperatorCommand { time_limit, look_limit: time_limit, ..OperatorCommand::new(program) }
    }

    fn task() -> Task {
        Task::new("hold").data_set(&"A.B".parse().unwrap()).unwrap().cards(vec![" CARD".into()])
    }

    #[test]
    fn a_command_gets_what_was_promised() {
        let program =
            "cat; echo \"$TRACKMIRROR_VERB $TRACKMIRROR_DATA_SET ${TRACKMIRROR_VOLUME-none}\" >&2";
        let answer = command(program, 20.0).run(&task()).unwrap();
        assert_eq!(answer.ending, Ending::Done);
        assert_eq!(
            answer.output,
            " CARD\n\n{\"version\":1,\"verb\":\"hold\",\"data_set\":\"A.B\"}\nhold A.B none\n"
        );
    }

    #[test]
    fn its_ending_is_told() {
        let ending = |program: &str| command(program, 20.0).run(&task()).unwrap().ending;
        assert_eq!(ending("exit 4"), Ending::NotYet);
        assert_eq!(ending("exit 8"), Ending::Refused("ended with 8".into()));
        assert!(
            matches!(ending("kill -s KILL $$"), Ending::Refused(how) if how.contains("signal"))
        );
        let refused = command("echo; echo ' JOB FAILED '; echo more; exit 12", 20.0);
        let answer = refused.run(&task()).unwrap();
        let error = answer.check(&task(), &refused).unwrap_err();
        assert_eq!(error.reason(), Reason::CommandRefused);
        assert!(error.sentence().contains("`hold` ended with 12: JOB FAILED"), "{error}");
    }

    #[test]
    fn one_that_does_not_end_is_ended_with_all_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let slow = command(&format!("sleep 600 & echo $! > {}; wait", pid_file.display()), 1.0);
        let started = Instant::now();
        let answer = slow.run(&task()).unwrap();
        assert_eq!(answer.ending, Ending::Late);
        assert_eq!(answer.check(&task(), &slow).unwrap_err().reason(), Reason::CommandLate);
        assert!(started.elapsed() < Duration::from_secs(60));
        let pid = std::fs::read_to_string(pid_file).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        while !gone() {
            assert!(started.elapsed() < Duration::from_secs(60), "it still runs");
            sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn one_that_leaves_something_in_the_background_is_not_waited_for() {
        let started = Instant::now();
        let answer = command("sleep 5 & echo done", 30.0).run(&task()).unwrap();
        assert_eq!((answer.ending, answer.output.as_str()), (Ending::Done, "done\n"));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn not_yet_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("calls").display().to_string();
        let program = format!("echo >> {file}; test $(wc -l < {file}) -ge 2 || exit 4");
        assert_eq!(command(&program, 30.0).run_until_done(&task()).unwrap().ending, Ending::Done);
        let answer = command("exit 4", 1.5).run_until_done(&task()).unwrap();
        assert_eq!(answer.ending, Ending::NotYet);
    }

    #[test]
    fn what_counts_is_what_is_seen() {
        let not = || Ok(Seen::<()>::Not("it is still there".into()));
        let error = command("true", 0.1).carry_out(&task(), not).unwrap_err();
        assert_eq!(error.reason(), Reason::ChangeNotSeen);
        assert!(error.sentence().contains("it is still there"), "{error}");
        let error = command("exit 8", 5.0).carry_out(&task(), not).unwrap_err();
        assert_eq!(error.reason(), Reason::CommandRefused);
        assert!(error.sentence().contains("it is still there"), "{error}");
        let done = || Ok(Seen::Done(7));
        assert_eq!(command("exit 8", 5.0).carry_out(&task(), done).unwrap(), 7);
        let looks = std::cell::Cell::new(0);
        let later = || {
            looks.set(looks.get() + 1);
            match looks.get() {
                1 => Err(Error::new(Reason::DamagedTrack, "just being written")),
                2 => Ok(Seen::Not("not yet".into())),
                _ => Ok(Seen::Done(())),
            }
        };
        command("true", 20.0).carry_out(&task(), later).unwrap();
        assert_eq!(looks.get(), 3);
    }
}
