//! A real `redis-server` of a test's own: on a socket in a folder, and on a port of this machine.

use redis::{Client, Cmd, Connection, Value};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server that ends with this value. It keeps nothing on a disk.
pub struct RedisProcess {
    folder: TempDir,
    port: u16,
    more: Vec<String>,
    process: Option<Child>,
}

impl RedisProcess {
    pub fn start() -> RedisProcess {
        RedisProcess::start_with(|_, _| Vec::new())
    }

    /// With more arguments, made for its folder and port.
    pub fn start_with(more: impl Fn(&Path, u16) -> Vec<String>) -> RedisProcess {
        // Somebody else may take the port before the server does; then it takes another one.
        for _ in 0..20 {
            // In the folder for temporary files: the name of a socket must be short.
            let folder = tempfile::tempdir().expect("a folder can be made");
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let more = more(folder.path(), port);
            let mut server = RedisProcess { folder, port, more, process: None };
            if server.try_run() {
                return server;
            }
        }
        panic!("redis-server finds no port");
    }

    /// Starts it again, after [`RedisProcess::kill`]: it knows nothing.
    pub fn restart(&mut self) {
        assert!(self.try_run(), "redis-server starts again: {}", self.log());
    }

    fn try_run(&mut self) -> bool {
        self.kill();
        let _ = fs::remove_file(self.socket());
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--enable-debug-command", "local"]);
        command.arg("--dir").arg(self.folder.path()).arg("--unixsocket").arg(self.socket());
        command.arg("--logfile").arg(self.folder.path().join("log")).args(&self.more);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = command.spawn();
        self.process = Some(started.expect("`redis-server` (package redis-server) is installed"));
        let until = Instant::now() + Duration::from_secs(20);
        while Client::open(self.socket_url()).unwrap().get_connection().is_err() {
            // With a password it answers as well, and refuses.
            if self.log().contains("Ready to accept connections") {
                return true;
            }
            if self.process.as_mut().unwrap().try_wait().unwrap().is_some() {
                let log = self.log();
                assert!(log.contains("Address already in use"), "redis-server ended: {log}");
                return false;
            }
            assert!(Instant::now() < until, "redis-server answers: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Its address by its socket.
    pub fn socket_url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Its address by its port.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection for the test itself.
    pub fn connection(&self) -> Connection {
        Client::open(self.socket_url()).unwrap().get_connection().unwrap()
    }

    /// The answer to this command, words parted by blanks.
    pub fn ask(&self, words: &str) -> Value {
        command(words)
            .query(&mut self.connection())
            .unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// The same for an answer that is a number.
    pub fn number(&self, words: &str) -> i64 {
        match self.ask(words) {
            Value::Int(number) => number,
            other => panic!("{words}: {other:?}"),
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command of words parted by blanks.
pub fn command(words: &str) -> Cmd {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    words.for_each(|word| _ = command.arg(word));
    command
}
