//! A connection to a server: commands go out, their answers come back, and nothing takes longer than it may.
//!
//! The client's library limits the time of each single read. A server that sends a byte now and then would hold a call
//! for ever, and one that sends without an end would fill the memory. So the connection is made here: each exchange has
//! one limit for all its reads and writes together, and its answers one for their size. The library writes the commands
//! and reads the answers.

use super::server::{Place, RedisServer};
use crate::clock::{Clock, SystemClock};
use redis::{Cmd, Parser, Value};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

/// How long a connection may take.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(1);
/// How long the answers to one exchange may take.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How fast a line is that is worth waiting for: so long more for what has passed.
const BYTES_PER_MS: u64 = 500;
/// The longest that an exchange may take even so.
const EXCHANGE_MAX: Duration = Duration::from_secs(5);
/// How large the answers to one exchange may be.
const ANSWER_BYTES_MAX: usize = 12 << 20;

/// What a server answers, or why there is no answer.
pub(super) type Answered<T> = Result<T, Trouble>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection: it was not made, broke, or took too long.
    Link(String),
    /// What came is no answer that can be meant.
    Rubbish(String),
    /// The server answered that it does not: its code, and the rest.
    Refused { code: String, text: String },
}

impl Trouble {
    fn of_io(what: &str, error: &io::Error) -> Trouble {
        Trouble::Link(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("{what}: it took longer than {} s", ANSWER_MAX.as_secs())
            }
            io::ErrorKind::UnexpectedEof => format!("{what}: the server closed the connection"),
            _ => format!("{what}: {error}"),
        })
    }
}

/// An open connection.
pub(super) struct Link {
    stream: Stream,
    parser: Parser,
}

enum Stream {
    Plain(Limited),
    #[cfg(feature = "redis-tls")]
    Tls(Box<super::tls::TlsStream>),
}

impl Link {
    /// Connects and logs on.
    pub(super) fn open(server: &RedisServer) -> Answered<Link> {
        let stream = match &server.place {
            Place::Unix(path) => Stream::Plain(Limited::new(connect_unix(path)?)),
            Place::Tcp { host, port, tls } => {
                let plain = Limited::new(connect(host, *port)?);
                match tls {
                    None => Stream::Plain(plain),
                    #[cfg(feature = "redis-tls")]
                    Some(files) => Stream::Tls(super::tls::begin(host, files, plain)?),
                    #[cfg(not(feature = "redis-tls"))]
                    Some(_) => return Err(Trouble::Link("built without TLS".into())),
                }
            }
        };
        let mut link = Link { stream, parser: Parser::new() };
        let mut commands = Vec::new();
        if let Some(password) = server.access.password().filter(|password| !password.is_empty()) {
            let mut command = redis::cmd("AUTH");
            if let Some(user) = server.access.username() {
                command.arg(user);
            }
            commands.push(command.arg(password).to_owned());
        }
        if server.access.db() != 0 {
            commands.push(redis::cmd("SELECT").arg(server.access.db()).to_owned());
        }
        for answer in link.exchange(&commands)? {
            accepted(answer)?;
        }
        Ok(link)
    }

    /// Sends these commands at once, and waits for the answer of each: a refusal is an answer. After an error the
    /// connection must not be used any more: whose answer came next would not be known.
    pub(super) fn exchange(&mut self, commands: &[Cmd]) -> Answered<Vec<Value>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        self.limited().begin();
        let bytes: Vec<u8> =
            commands.iter().flat_map(|command| command.get_packed_command()).collect();
        let sent = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(&bytes).and_then(|()| stream.flush()),
            #[cfg(feature = "redis-tls")]
            Stream::Tls(stream) => stream.write_all(&bytes).and_then(|()| stream.flush()),
        };
        sent.map_err(|error| Trouble::of_io("while something was sent", &error))?;
        let mut answers = Vec::with_capacity(commands.len());
        for _ in commands {
            answers.push(self.answer()?);
        }
        Ok(answers)
    }

    fn answer(&mut self) -> Answered<Value> {
        let value = match &mut self.stream {
            Stream::Plain(stream) => self.parser.parse_value(stream),
            #[cfg(feature = "redis-tls")]
            Stream::Tls(stream) => self.parser.parse_value(stream),
        };
        value.map_err(|error| match error.kind() {
            redis::ErrorKind::Io => {
                let io = io::Error::new(io_kind(&error), error.to_string());
                Trouble::of_io("while an answer was waited for", &io)
            }
            _ => {
                Trouble::Rubbish(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
            }
        })
    }

    fn limited(&mut self) -> &mut Limited {
        match &mut self.stream {
            Stream::Plain(stream) => stream,
            #[cfg(feature = "redis-tls")]
            Stream::Tls(stream) => &mut stream.sock,
        }
    }
}

fn io_kind(error: &redis::RedisError) -> io::ErrorKind {
    match (error.is_timeout(), error.is_connection_dropped()) {
        (true, _) => io::ErrorKind::TimedOut,
        (_, true) => io::ErrorKind::UnexpectedEof,
        _ => io::ErrorKind::Other,
    }
}

/// The answer, if it is no refusal.
pub(super) fn accepted(answer: Value) -> Answered<Value> {
    match answer {
        Value::ServerError(error) => Err(Trouble::Refused {
            code: error.code().to_string(),
            text: error.details().unwrap_or_default().to_string(),
        }),
        answer => Ok(answer),
    }
}

/// Looks the name up, and tries its addresses, for a second in all. How long the look takes is the system's affair.
fn connect(host: &str, port: u16) -> Answered<TcpStream> {
    let addresses = (host, port).to_socket_addrs();
    let addresses: Vec<_> = addresses
        .map_err(|error| Trouble::Link(format!("its name cannot be looked up: {error}")))?
        .collect();
    let mut why = String::from("its name has no address");
    let until = SystemClock.monotonic() + CONNECT_MAX;
    for (number, address) in addresses.iter().enumerate() {
        let left = until.saturating_sub(SystemClock.monotonic());
        let share = left / u32::try_from(addresses.len() - number).unwrap_or(u32::MAX);
        // A time-out of nothing is refused by the system's library.
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => {
                // Each exchange is one packet; waiting for a second one helps nobody.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    Err(Trouble::Link(format!("it cannot be connected to: {why}")))
}

/// Connects to a socket of this machine. One whose queue is full is not waited for.
fn connect_unix(path: &Path) -> Answered<Socket> {
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)?;
        socket.set_nonblocking(false)?;
        Ok(socket)
    };
    connect()
        .map_err(|error: io::Error| Trouble::Link(format!("it cannot be connected to: {error}")))
}

/// A connection of which each exchange has a limit for all its reads and writes together.
pub(super) struct Limited {
    socket: Socket,
    /// Since when, by the clock that never goes back.
    since: Duration,
    /// What has passed, both ways.
    bytes_passed: u64,
    bytes_left: usize,
}

impl Limited {
    fn new(socket: impl Into<Socket>) -> Limited {
        let socket = socket.into();
        let mut limited = Limited { socket, since: Duration::ZERO, bytes_passed: 0, bytes_left: 0 };
        limited.begin();
        limited
    }

    /// Another exchange begins.
    fn begin(&mut self) {
        (self.since, self.bytes_passed) = (SystemClock.monotonic(), 0);
        self.bytes_left = ANSWER_BYTES_MAX;
    }

    fn time_left(&self) -> io::Result<Duration> {
        let more = Duration::from_millis(self.bytes_passed / BYTES_PER_MS);
        let until = self.since + (ANSWER_MAX + more).min(EXCHANGE_MAX);
        match until.saturating_sub(SystemClock.monotonic()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            // The kernel takes nothing for no limit, and rounds to its own ticks.
            left => Ok(left.max(Duration::from_millis(1))),
        }
    }
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes_left == 0 {
            return Err(io::Error::other("the server sends more than can be meant"));
        }
        self.socket.set_read_timeout(Some(self.time_left()?))?;
        let length = buffer.len().min(self.bytes_left);
        let read = (&self.socket).read(&mut buffer[..length])?;
        self.bytes_left -= read;
        self.bytes_passed += read as u64;
        Ok(read)
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.time_left()?))?;
        let written = (&self.socket).write(bytes)?;
        self.bytes_passed += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
