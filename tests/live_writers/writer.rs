//! Writers: processes of their own that write data sets at full speed.

use super::world::World;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Whatever takes longer than this never happens.
pub const LONG: Duration = Duration::from_secs(60);

/// How a writer writes.
#[derive(Clone, Debug)]
pub struct Habits {
    pub image: String,
    pub share: (usize, usize),
    pub seed: u64,
    pub threads: u32,
    pub rate: u32,
    pub hot: u32,
    pub run: u32,
    pub reopen: bool,
    pub unlisted: bool,
    pub slow: Option<u32>,
    pub vary: bool,
}

/// A process that is told what to do by its standard input and by signals, and what it says on its standard error.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command can be started");
        let input = child.stdin.take();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (error, hears) = (child.stderr.take().expect("it was piped"), said.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(error).lines().map_while(Result::ok) {
                hears.lock().unwrap().push(line);
            }
        });
        Process { child, input, said }
    }

    #[allow(dead_code)] // Not every test that includes this file asks for it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it says something with this word.
    #[track_caller]
    pub fn hear(&mut self, word: &str) {
        let until = Instant::now() + LONG;
        while !self.said().iter().any(|line| line.contains(word)) {
            let ended = self.child.try_wait().unwrap();
            // What it said last may be on its way.
            if let Some(status) = ended {
                std::thread::sleep(Duration::from_millis(50));
                let said = self.said();
                assert!(
                    said.iter().any(|line| line.contains(word)),
                    "it ended ({status}) and never said '{word}': {said:#?}"
                );
                return;
            }
            assert!(Instant::now() < until, "it never said '{word}': {:#?}", self.said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &process]).status().unwrap().success());
    }

    /// Ends its input; a writer takes that for the sign to end.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Whether it has ended, and its code: -1 if it was killed.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits until it ends.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        let until = Instant::now() + LONG;
        loop {
            if let Some(code) = self.ended() {
                return code;
            }
            assert!(Instant::now() < until, "it does not end: {:#?}", self.said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl World {
    /// Starts a writer; again, if it died.
    pub fn writer(&self, habits: &Habits) -> Process {
        let mut command = self.command("demo-writer");
        command.args(["--image", &habits.image, "--fill", "--data-set"]);
        command.args(self.data_sets.iter().map(ToString::to_string));
        command.arg("--volume").args(&self.sources).args(&self.targets);
        command.arg("--catalog").arg(&self.system);
        command.arg("--ledger").arg(self.ledger(&habits.image));
        command.arg("--share").arg(format!("{}/{}", habits.share.0, habits.share.1));
        for (option, value) in [
            ("--seed", habits.seed),
            ("--threads", habits.threads.into()),
            ("--rate", habits.rate.into()),
            ("--hot", habits.hot.into()),
            ("--run", habits.run.into()),
        ] {
            command.arg(option).arg(value.to_string());
        }
        if let Some(pause) = habits.slow {
            command.arg("--slow").arg(pause.to_string());
        }
        for (option, is_set) in [
            ("--reopen", habits.reopen),
            ("--unlisted", habits.unlisted),
            ("--vary", habits.vary),
            ("--direct", self.machine.is_some()),
        ] {
            if is_set {
                command.arg(option);
            }
        }
        Process::start(&mut command)
    }
}
