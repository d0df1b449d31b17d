//! A real `redis-server` on a machine of its own, which can be killed, emptied, filled, and started again with and without
//! its data. The test itself speaks to it past the network.

use super::network::Machine;
use super::writer::LONG;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

pub const PORT: u16 = 6379;

#[derive(Debug)]
pub struct Redis {
    folder: PathBuf,
    child: Option<Child>,
}

impl Redis {
    /// Starts one on this machine that writes down everything at once, in this folder.
    pub fn start(machine: &Machine, folder: PathBuf) -> Redis {
        fs::create_dir_all(&folder).unwrap();
        let mut redis = Redis { folder, child: None };
        redis.restart(machine, true);
        redis
    }

    /// Starts it again, with what it had before it was killed, or empty.
    pub fn restart(&mut self, machine: &Machine, keeps_data: bool) {
        self.kill();
        if !keeps_data {
            fs::remove_dir_all(&self.folder).unwrap();
            fs::create_dir_all(&self.folder).unwrap();
        }
        let _ = fs::remove_file(self.socket());
        let mut command = machine.command("redis-server");
        command.args(["--port", &PORT.to_string(), "--protected-mode", "no", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "no"]);
        command.arg("--dir").arg(&self.folder).arg("--unixsocket").arg(self.socket());
        command.arg("--logfile").arg(self.folder.join("log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("`ip` (package iproute2) can be started"));
        let until = Instant::now() + LONG;
        while self.ask("PING").as_deref() != Some("+PONG") {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert_eq!(ended, None, "redis-server (package redis-server) runs: {}", self.log());
            assert!(Instant::now() < until, "redis-server answers: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills it: what it did not tell its log of changes is lost to it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Forgets everything.
    pub fn empty(&self) {
        assert_eq!(self.ask("FLUSHALL").as_deref(), Some("+OK"));
    }

    /// From now on, it has no room for anything more; or has again.
    pub fn set_full(&self, is_full: bool) {
        let bytes = if is_full { 1 } else { 0 };
        assert_eq!(self.ask("CONFIG SET maxmemory-policy noeviction").as_deref(), Some("+OK"));
        assert_eq!(self.ask(&format!("CONFIG SET maxmemory {bytes}")).as_deref(), Some("+OK"));
    }

    /// The first line of its answer, if it gives one.
    pub fn ask(&self, words: &str) -> Option<String> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(LONG)).ok()?;
        stream.write_all(format!("{words}\r\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned()).filter(|line| !line.is_empty())
    }

    fn socket(&self) -> PathBuf {
        self.folder.with_extension("socket")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
