//! A channel by way of a Redis server, as most shops have one: any that speaks of streams (5.0 or later, not a cluster).
//!
//! # What is stored
//!
//! Nothing that cannot be lost. Messages lie in streams, one field `m` each:
//!
//! | key | from, to | its reader's group |
//! |---|---|---|
//! | `trackmirror:to-owner:IMAGE:MIGRATION` | the agent of an image, to the owner of one migration | `owner` |
//! | `trackmirror:to-agent:IMAGE` | the owners of all migrations, to the agent of an image | `agent-...`, new for each process |
//!
//! IMAGE is the image's name, MIGRATION the migration's number in 32 hexadecimal digits. A stream holds the last
//! [`MESSAGES_MAX`] messages, and expires [`EXPIRY_S`] seconds after the last one was sent.
//!
//! # What becomes of a message
//!
//! What [`Channel::receive`] has handed out counts as done at the next call, and only then is it acknowledged to the
//! server: an owner that is killed between the two finds it again in his next process. So it is with what was under way in a
//! connection that broke. The owner removes what he has acknowledged. The agents do not: if two of them use one name by
//! mistake, both must get every question, so that the protocol sees it. An agent's group begins with the
//! oldest message that is there: what is late of them changes nothing, and an order that came while no agent was there is
//! carried out. It is removed when the agent ends; groups of agents that were killed are removed by the next one, after [`STALE_MS`] milliseconds in which nobody read by them. A group that is gone, because
//! the server forgot everything or an operator flushed it, is made anew.
//!
//! # What may go wrong
//!
//! Everything, and then calls fail with [`Reason::ChannelFailed`]: at once while a pause lasts ([`PAUSE_MIN`], growing to
//! [`PAUSE_MAX`]), else after a second for the connection, one for the log-on, and one for the answer, at most. How long it
//! takes to look up a host's name is up to the system; give an address where that matters. Whatever is wrong, the next
//! call after the pause connects anew. A send that failed may have arrived. Lost, doubled and late messages are the
//! protocol's business.
//!
//! # What the server must allow
//!
//! For a user of its own: `ACL SETUSER name on >password ~trackmirror:* +xadd +xreadgroup +xack +xdel +xgroup +xinfo
//! +expire`, and `+select` if it is not database 0.

mod link;
mod server;
#[cfg(feature = "redis-tls")]
mod tls;

pub use server::{PASSWORD_VARIABLE, RedisServer};

use super::Channel;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::monitor::remote::{Envelope, MESSAGE_LENGTH_MAX};
use link::{Answered, Link, Trouble, accepted};
use parking_lot::{Mutex, MutexGuard};
use redis::{Cmd, Value};
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// How many messages a stream holds.
pub const MESSAGES_MAX: usize = 64;
/// When a stream expires after its last message.
pub const EXPIRY_S: u64 = 7 * 86_400;
/// When a group of an agent counts as left behind.
pub const STALE_MS: u64 = 3_600_000;
/// The first pause after a failure.
pub const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How many messages are handed out at a time. After a failure it is one, for lines that take long for each.
const COUNT_MAX: usize = 8;
/// How long a call waits for one of another thread.
const OTHERS_MAX: Duration = Duration::from_secs(3);
/// How the names of agents' groups begin.
const AGENT_GROUPS: &str = "agent-";
/// How many groups that were left behind are looked at.
const STALE_MAX: usize = 32;
/// The field of a message.
const FIELD: &str = "m";

impl RedisServer {
    /// That it can be reached, and lets us in. Nothing is changed there.
    ///
    /// Error: [`Reason::ChannelFailed`].
    pub fn check(&self) -> Result<()> {
        let asked = || {
            let answers = Link::open(self)?.exchange(&[redis::cmd("PING")])?;
            match answers.into_iter().try_for_each(|answer| accepted(answer).map(drop)) {
                // Whoever may not ask that may still do what is needed.
                Err(Trouble::Refused { code, .. }) if code == "NOPERM" => Ok(()),
                answered => answered,
            }
        };
        asked().map_err(|trouble| error_of(self, &trouble))
    }
}

/// One end of a channel by way of a Redis server. What it keeps there, and what the server must allow: see the
/// [module](self).
///
/// ```no_run
/// use trackmirror::remote::{Channel, RedisChannel};
/// let server = "redis://redis.example.com".parse()?;
/// let channel = RedisChannel::owner(&server, "SYSB");
/// for message in channel.receive()? {
///     println!("{} bytes", message.len());
/// }
/// # Ok::<(), trackmirror::Error>(())
/// ```
pub struct RedisChannel {
    server: RedisServer,
    end: End,
    state: Mutex<State>,
}

/// Which end it is.
#[derive(Debug)]
enum End {
    Owner { image: String },
    Agent { image: String, group: String },
}

impl End {
    /// The group by which it is read, and its only consumer.
    fn group(&self) -> &str {
        match self {
            End::Owner { .. } => "owner",
            End::Agent { group, .. } => group,
        }
    }

    fn is_owner(&self) -> bool {
        matches!(self, End::Owner { .. })
    }
}

fn key_to_owner(image: &str, migration: [u64; 2]) -> String {
    format!("trackmirror:to-owner:{image}:{:016x}{:016x}", migration[0], migration[1])
}

fn key_to_agent(image: &str) -> String {
    format!("trackmirror:to-agent:{image}")
}

#[derive(Default)]
struct State {
    /// Whose answers an owner reads: of the migration that he sent something of.
    migration: Option<[u64; 2]>,
    link: Option<Link>,
    reader: Reader,
    /// After the connection failed, or receiving did.
    pause: Pause,
    /// After the server refused to take a message: what it holds can be received even so.
    sending: Pause,
}

/// Where the reading of the own stream is.
#[derive(Default)]
struct Reader {
    /// The group is there, as far as is known.
    has_group: bool,
    /// Everything that was handed to the group earlier has been read again on this connection.
    is_new: bool,
    /// How many entries are asked for.
    count: usize,
    /// It was made anew in this call.
    is_remade: bool,
    /// Handed out, and not acknowledged.
    handed_out: Vec<Vec<u8>>,
}

/// Calls fail without trying, until some time.
#[derive(Default)]
struct Pause {
    /// Until when, and why.
    until: Option<(Duration, Error)>,
    length: Duration,
}

impl Pause {
    fn check(&self) -> Result<()> {
        match &self.until {
            Some((until, error)) if SystemClock.monotonic() < *until => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, error: &Error) {
        self.length = (self.length * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        self.until = Some((SystemClock.monotonic() + self.length, error.clone()));
    }

    fn end(&mut self) {
        *self = Pause::default();
    }
}

impl RedisChannel {
    /// The end of a migration's owner, to the agent of this image. Which migration it is, the messages say; before the first
    /// one is sent, nothing comes.
    pub fn owner(server: &RedisServer, image: &str) -> RedisChannel {
        RedisChannel::new(server, End::Owner { image: image.into() })
    }

    /// The end of an image's agent, to the owners of all migrations.
    pub fn agent(server: &RedisServer, image: &str) -> RedisChannel {
        // A number that no other process has: the seed of a hash is drawn by the system.
        let number = std::hash::RandomState::new().build_hasher().finish();
        let group = format!("{AGENT_GROUPS}{}-{number:016x}", std::process::id());
        RedisChannel::new(server, End::Agent { image: image.into(), group })
    }

    fn new(server: &RedisServer, end: End) -> RedisChannel {
        RedisChannel { server: server.clone(), end, state: Mutex::default() }
    }

    /// The server.
    pub fn server(&self) -> &RedisServer {
        &self.server
    }

    fn state(&self) -> Result<MutexGuard<'_, State>> {
        self.state.try_lock_for(OTHERS_MAX).ok_or_else(|| {
            Error::new(
                Reason::ChannelFailed,
                format!("{}: another call takes too long", self.server),
            )
        })
    }

    /// The stream that is read here.
    fn own_key(&self, state: &State) -> Option<String> {
        match &self.end {
            End::Owner { image } => state.migration.map(|of| key_to_owner(image, of)),
            End::Agent { image, .. } => Some(key_to_agent(image)),
        }
    }

    /// The stream that a message belongs into.
    fn key_of(&self, state: &mut State, message: &[u8]) -> Result<String> {
        let migration = Envelope::of(message)?.migration;
        match &self.end {
            End::Agent { image, .. } => Ok(key_to_owner(image, migration)),
            End::Owner { image } => {
                if state.migration.replace(migration) != Some(migration) {
                    state.reader = Reader::default();
                }
                Ok(key_to_agent(image))
            }
        }
    }

    /// Connects, unless there is a connection.
    fn connect<'a>(&self, state: &'a mut State) -> Answered<&'a mut Link> {
        if state.link.is_none() {
            state.link = Some(Link::open(&self.server)?);
            // What was handed to the group, and got lost with the last connection, comes first.
            state.reader.is_new = false;
        }
        state.link.as_mut().ok_or_else(|| Trouble::Link("there is no connection".into()))
    }

    fn add(&self, state: &mut State, key: &str, message: &[u8]) -> Answered<()> {
        let mut add = redis::cmd("XADD");
        add.arg(key).arg("MAXLEN").arg(MESSAGES_MAX).arg("*").arg(FIELD).arg(message);
        for answer in self.connect(state)?.exchange(&[add, expire(key)])? {
            accepted(answer)?;
        }
        Ok(())
    }

    fn received(&self, state: &mut State, key: &str) -> Answered<Vec<Vec<u8>>> {
        self.connect(state)?;
        loop {
            if !state.reader.has_group {
                self.make_group(state, key)?;
                state.reader.has_group = true;
            }
            match self.read(state, key) {
                // Everything that was handed to the group before has been read.
                Ok(entries) if entries.is_empty() && !state.reader.is_new => {
                    state.reader.is_new = true;
                }
                Ok(entries) => {
                    let (ids, messages): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
                    state.reader.handed_out = ids;
                    return Ok(messages.into_iter().flatten().collect());
                }
                Err(Trouble::Refused { code, .. })
                    if code == "NOGROUP" && !state.reader.is_remade =>
                {
                    (state.reader.has_group, state.reader.is_remade) = (false, true);
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Acknowledges what was handed out, and reads more.
    fn read(&self, state: &mut State, key: &str) -> Answered<Vec<Entry>> {
        let group = self.end.group();
        let mut commands = Vec::new();
        if !state.reader.handed_out.is_empty() {
            let ids = &state.reader.handed_out;
            commands.push(redis::cmd("XACK").arg(key).arg(group).arg(ids).to_owned());
            if self.end.is_owner() {
                commands.push(redis::cmd("XDEL").arg(key).arg(ids).to_owned());
            }
        }
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(group).arg(group).arg("COUNT").arg(state.reader.count.max(1));
        read.arg("STREAMS").arg(key).arg(if state.reader.is_new { ">" } else { "0" });
        commands.push(read);
        let mut answers = self.connect(state)?.exchange(&commands)?;
        let read = answers.pop().unwrap_or(Value::Nil);
        for answer in answers {
            accepted(answer)?;
        }
        state.reader.handed_out.clear();
        entries(accepted(read)?)
    }

    fn make_group(&self, state: &mut State, key: &str) -> Answered<()> {
        let group = self.end.group();
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(key).arg(group).arg("0").arg("MKSTREAM");
        // So that it can be seen how long nobody has read; servers before 6.2 do it at the first reading.
        let mut consumer = redis::cmd("XGROUP");
        consumer.arg("CREATECONSUMER").arg(key).arg(group).arg(group);
        let answers = self.connect(state)?.exchange(&[create, consumer, expire(key)])?;
        match answers.into_iter().next().map(accepted) {
            Some(Err(Trouble::Refused { code, .. })) if code == "BUSYGROUP" => {}
            Some(Err(trouble)) => return Err(trouble),
            _ => {}
        }
        match self.end.is_owner() {
            true => Ok(()),
            false => self.remove_stale_groups(state, key),
        }
    }

    /// Removes the groups of agents that were killed. A server that does not tell of them keeps them until it all expires.
    fn remove_stale_groups(&self, state: &mut State, key: &str) -> Answered<()> {
        let link = self.connect(state)?;
        let groups = link.exchange(&[redis::cmd("XINFO").arg("GROUPS").arg(key).to_owned()])?;
        let mut names: Vec<Vec<u8>> =
            groups.iter().flat_map(records).filter_map(|group| text_of(group, "name")).collect();
        names.retain(|name| {
            name.starts_with(AGENT_GROUPS.as_bytes()) && name != self.end.group().as_bytes()
        });
        names.truncate(STALE_MAX);
        let asked = names
            .iter()
            .map(|name| redis::cmd("XINFO").arg("CONSUMERS").arg(key).arg(name).to_owned());
        let answers = link.exchange(&asked.collect::<Vec<_>>())?;
        let stale = names.iter().zip(&answers).filter(|(_, answer)| is_left_behind(answer));
        let removed = stale.map(|(name, _)| destroy(key, name));
        link.exchange(&removed.collect::<Vec<_>>()).map(drop)
    }
}

impl Channel for RedisChannel {
    fn send(&self, message: &[u8]) -> Result<()> {
        let mut state = self.state()?;
        let key = self.key_of(&mut state, message)?;
        state.pause.check()?;
        state.sending.check()?;
        let Err(trouble) = self.add(&mut state, &key, message) else {
            state.sending.end();
            return Ok(());
        };
        let error = error_of(&self.server, &trouble);
        match &trouble {
            // All answers were read, so the connection can be used: who is full gives away what he has even so.
            Trouble::Refused { code, .. } if code == "OOM" => {}
            Trouble::Refused { .. } => state.link = None,
            _ => {
                state.link = None;
                state.pause.begin(&error);
            }
        }
        state.sending.begin(&error);
        Err(error)
    }

    fn receive(&self) -> Result<Vec<Vec<u8>>> {
        let mut state = self.state()?;
        state.pause.check()?;
        let Some(key) = self.own_key(&state) else { return Ok(Vec::new()) };
        state.reader.is_remade = false;
        match self.received(&mut state, &key) {
            Ok(messages) => {
                state.pause.end();
                state.reader.count = (state.reader.count * 2).clamp(2, COUNT_MAX);
                Ok(messages)
            }
            Err(trouble) => {
                let error = error_of(&self.server, &trouble);
                state.link = None;
                state.reader.count = 1;
                state.pause.begin(&error);
                Err(error)
            }
        }
    }
}

impl Drop for RedisChannel {
    /// An agent's group goes with it. If the server does not answer now, the next agent removes it.
    fn drop(&mut self) {
        let End::Agent { image, group } = &self.end else { return };
        let state = self.state.get_mut();
        if let Some(link) = state.link.as_mut().filter(|_| state.reader.has_group) {
            let _ = link.exchange(&[destroy(&key_to_agent(image), group.as_bytes())]);
        }
    }
}

impl fmt::Debug for RedisChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisChannel")
            .field("server", &self.server)
            .field("end", &self.end)
            .finish()
    }
}

fn expire(key: &str) -> Cmd {
    redis::cmd("EXPIRE").arg(key).arg(EXPIRY_S).to_owned()
}

fn destroy(key: &str, group: &[u8]) -> Cmd {
    redis::cmd("XGROUP").arg("DESTROY").arg(key).arg(group).to_owned()
}

/// An entry's id, and its message, unless it was trimmed meanwhile or is none of ours.
type Entry = (Vec<u8>, Option<Vec<u8>>);

/// The entries of an answer to XREADGROUP for one stream.
fn entries(answer: Value) -> Answered<Vec<Entry>> {
    let rubbish = || Trouble::Rubbish("an answer to XREADGROUP of another form".into());
    let streams = match answer {
        Value::Nil => return Ok(Vec::new()),
        Value::Array(streams) => streams,
        _ => return Err(rubbish()),
    };
    let mut entries = Vec::new();
    for stream in streams {
        let Value::Array(parts) = stream else { return Err(rubbish()) };
        let Ok([_, Value::Array(list)]) = <[Value; 2]>::try_from(parts) else {
            return Err(rubbish());
        };
        for entry in list {
            let Value::Array(parts) = entry else { return Err(rubbish()) };
            let Ok([Value::BulkString(id), fields]) = <[Value; 2]>::try_from(parts) else {
                return Err(rubbish());
            };
            entries.push((id, message_of(fields)));
        }
    }
    Ok(entries)
}

fn message_of(fields: Value) -> Option<Vec<u8>> {
    let Value::Array(fields) = fields else { return None };
    match <[Value; 2]>::try_from(fields) {
        Ok([Value::BulkString(name), Value::BulkString(message)])
            if name == FIELD.as_bytes() && message.len() <= MESSAGE_LENGTH_MAX =>
        {
            Some(message)
        }
        _ => None,
    }
}

/// The records of an answer to XINFO, each a list of names and values in turn.
fn records(answer: &Value) -> impl Iterator<Item = &[Value]> {
    let list: &[Value] = if let Value::Array(list) = answer { list } else { &[] };
    list.iter().filter_map(|record| match record {
        Value::Array(record) => Some(record.as_slice()),
        _ => None,
    })
}

/// Whether nobody reads by the group any more of which these are the consumers.
fn is_left_behind(consumers: &Value) -> bool {
    matches!(consumers, Value::Array(_))
        && records(consumers).all(|consumer| number_of(consumer, "idle") > STALE_MS)
}

fn value_of<'a>(record: &'a [Value], name: &str) -> Option<&'a Value> {
    let mut pairs = record.chunks_exact(2);
    pairs.find_map(|pair| match &pair[0] {
        Value::BulkString(of) if of == name.as_bytes() => Some(&pair[1]),
        _ => None,
    })
}

fn text_of(record: &[Value], name: &str) -> Option<Vec<u8>> {
    match value_of(record, name) {
        Some(Value::BulkString(text)) => Some(text.clone()),
        _ => None,
    }
}

fn number_of(record: &[Value], name: &str) -> u64 {
    match value_of(record, name) {
        Some(Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

/// What came from outside, fit to be shown.
fn plain(text: &str) -> String {
    text.chars().take(200).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// What to tell, and to do.
fn error_of(server: &RedisServer, trouble: &Trouble) -> Error {
    let sentence = match trouble {
        Trouble::Link(why) => format!(
            "the Redis server {server}: {}; see that it runs and can be reached from here; meanwhile it is tried \
                 again and again",
            plain(why)
        ),
        Trouble::Rubbish(what) => format!(
            "{server}: what answers there is no Redis server ({}); correct the address",
            plain(what)
        ),
        Trouble::Refused { code, text } => format!(
            "the Redis server {server} refuses: {} {}; {}",
            plain(code),
            plain(text),
            advice(code, text)
        ),
    };
    Error::new(Reason::ChannelFailed, sentence)
}

/// What to do when a server refuses.
fn advice(code: &str, text: &str) -> String {
    let advice = match code {
        "NOAUTH" | "WRONGPASS" => LOG_ON,
        "ERR" if text.contains("AUTH") || text.contains("invalid password") => LOG_ON,
        "ERR" if text.contains("unknown command") => "streams need Redis 5.0 or later",
        "NOPERM" => {
            "allow the user what is needed: ACL SETUSER name ~trackmirror:* +xadd +xreadgroup +xack +xdel +xgroup +xinfo \
             +expire"
        }
        "OOM" => "it is full: raise its maxmemory, or make room",
        "LOADING" => "it is loading its data; that passes",
        "BUSY" => "a script keeps it busy; that passes, or end it by SCRIPT KILL",
        "READONLY" | "MASTERDOWN" | "NOREPLICAS" => {
            "give the address of the server that takes changes"
        }
        "MISCONF" => "it cannot save its data: see its log, and make room on its disk",
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" | "TRYAGAIN" => {
            "a cluster cannot be used: give the address of a server by itself"
        }
        "WRONGTYPE" => {
            "a key that begins with trackmirror: holds something else; delete it, or use another database"
        }
        "DENIED" => "it is in protected mode: give it a password, or an address to bind to",
        _ => "see that server's log",
    };
    advice.into()
}

const LOG_ON: &str = "give its password in the environment variable TRACKMIRROR_REDIS_PASSWORD, or user and password in \
                      the address; or none, if it has none";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn consumer(idle_ms: u64) -> Value {
        let idle = Value::Int(idle_ms as i64);
        Value::Array(vec![
            text("name"),
            text("agent-1"),
            text("pending"),
            Value::Int(0),
            text("idle"),
            idle,
        ])
    }

    #[test]
    fn a_group_is_left_behind_when_nobody_has_read_for_long() {
        let of = |idle: &[u64]| {
            is_left_behind(&Value::Array(idle.iter().map(|idle| consumer(*idle)).collect()))
        };
        assert!(of(&[]) && of(&[STALE_MS + 1]));
        assert!(!of(&[STALE_MS]) && !of(&[0]) && !of(&[STALE_MS + 1, 5]));
        // What is not understood is left alone.
        assert!(
            !is_left_behind(&Value::Nil)
                && !is_left_behind(&Value::Array(vec![Value::Array(vec![])]))
        );
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_end() {
        let (mut pause, error) = (Pause::default(), Error::new(Reason::ChannelFailed, "x"));
        pause.check().unwrap();
        for length_ms in [100, 200, 400, 800, 1600, 2000, 2000] {
            pause.begin(&error);
            assert_eq!(pause.length, Duration::from_millis(length_ms));
            assert_eq!(pause.check().unwrap_err(), error);
        }
        pause.end();
        pause.check().unwrap();
    }
}
