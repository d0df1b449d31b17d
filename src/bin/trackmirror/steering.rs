//! `trackmirror close-now`, `postpone` and `pace`: told at another terminal to the process that leads a migration.
//!
//! The way is the state folder. Who orders puts a file `order-*` there, whole or not at all. The process that owns the folder
//! takes it up at its next step: it puts the answer into `answer-*` and then removes the order. If the order is gone and
//! there is no answer, nobody took it up: a process that begins removes what was meant for the one before it. An answer
//! may come twice: that it was taken up, and later how it ended, for those who wait for that.

use crate::migrate::{advice, look};
use crate::output::{Answer, Failure, Outcome};
use crate::state_folder::{open_own, read, replace};
use crate::terminal::{Interrupt, tell};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trackmirror::checkpoint::FileStore;
use trackmirror::clock::{Clock, SystemClock};
use trackmirror::pace::Pace;
use trackmirror::state::State;
use trackmirror::{Code, Error, Reason, Result};

const ORDER: &str = "order-";
const ANSWER: &str = "answer-";
/// More than any order or answer needs.
const LENGTH_MAX: u64 = 65_536;
/// How often an answer is looked for.
const LOOK: Duration = Duration::from_millis(20);
/// How often it is said that nothing was answered yet, the first time earlier.
const TOLD: Duration = Duration::from_secs(60);
const TOLD_FIRST: Duration = Duration::from_secs(3);

const CLOSE_EXAMPLES: &str = "\
Examples:
  trackmirror close-now --state ~/.local/state/trackmirror/TEST-0badcafe
  trackmirror close-now --state STATE --wait

Before the data sets are mirrored it is noted, and done when they are. Code 8: no process leads the migration.
With --wait: 0 when users were let in at the target; 12 when the window was given up, and mirroring goes on.";

/// Close now: ask everybody to close, and switch as soon as nobody has the data sets open
#[derive(clap::Args)]
#[command(after_help = CLOSE_EXAMPLES)]
pub struct CloseArguments {
    /// The folder with the state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Wait until the window is over
    #[arg(long)]
    wait: bool,
}

const POSTPONE_EXAMPLES: &str = "\
Examples:
  trackmirror postpone --state ~/.local/state/trackmirror/TEST-0badcafe

Whoever was asked to close, or is kept out, is let in again at the source. Mirroring goes on until `trackmirror
close-now`, also where --close-when-mirrored was given. Code 8: no process leads the migration, or it has switched.";

/// Give the close or the window up, and go on mirroring
#[derive(clap::Args)]
#[command(after_help = POSTPONE_EXAMPLES)]
pub struct PostponeArguments {
    /// The folder with the state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

const PACE_EXAMPLES: &str = "\
Examples:
  trackmirror pace --state ~/.local/state/trackmirror/TEST-0badcafe 500     (tracks in a second)
  trackmirror pace --state STATE 20MB     (in a second; 1 MB is 1000000 bytes of track images)
  trackmirror pace --state STATE unlimited

It counts from the next step on, and after `resume`. In the window there is no pace. Code 8: no process leads it.";

/// Change how fast a migration copies
#[derive(clap::Args)]
#[command(after_help = PACE_EXAMPLES)]
pub struct PaceArguments {
    /// The folder with the state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// How fast: tracks in a second, or bytes with kB, MB or GB, or unlimited
    pace: Pace,
}

/// What can be told to a process that leads a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Close and switch.
    CloseNow,
    /// Give the close up.
    Postpone,
    /// Copy so fast.
    Pace(Pace),
    /// Give the migration up.
    Terminate,
    /// Undo the switch.
    BackOut,
    /// The image on another machine that is called so cannot write any more.
    Retire(String),
}

impl Order {
    const fn name(&self) -> &'static str {
        match self {
            Order::CloseNow => "close-now",
            Order::Postpone => "postpone",
            Order::Pace(_) => "pace",
            Order::Terminate => "terminate",
            Order::BackOut => "back-out",
            Order::Retire(_) => "retire",
        }
    }

    fn value(&self, wait: bool) -> Value {
        let mut value = json!({ "version": 1, "verb": self.name(), "wait": wait });
        match self {
            Order::Pace(pace) => value["pace"] = json!(pace.to_string()),
            Order::Retire(image) => value["image"] = json!(image),
            _ => {}
        }
        value
    }

    fn parse(value: &Value) -> Option<Order> {
        if value["version"] != 1 {
            return None;
        }
        match value["verb"].as_str()? {
            "close-now" => Some(Order::CloseNow),
            "postpone" => Some(Order::Postpone),
            "pace" => Some(Order::Pace(value["pace"].as_str()?.parse().ok()?)),
            "terminate" => Some(Order::Terminate),
            "back-out" => Some(Order::BackOut),
            "retire" => Some(Order::Retire(value["image"].as_str()?.into())),
            _ => None,
        }
    }
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whether nothing more will come.
    pub is_final: bool,
    /// How it ended.
    pub code: Code,
    /// Why it failed; the reason's number, if it did.
    pub reason: Option<u32>,
    /// A sentence.
    pub text: String,
    /// The state then.
    pub state: String,
}

impl Reply {
    /// It was done, or noted.
    pub fn done(state: State, text: impl Into<String>) -> Reply {
        let (text, state) = (text.into(), state.name().into());
        Reply { is_final: true, code: Code::Done, reason: None, text, state }
    }

    /// It failed, or is refused.
    pub fn failed(state: State, error: &Error) -> Reply {
        Reply {
            is_final: true,
            code: error.code(),
            reason: Some(error.reason() as u32),
            text: error.sentence().into(),
            state: state.name().into(),
        }
    }

    fn value(&self) -> Value {
        json!({
            "version": 1, "final": self.is_final, "code": self.code as i32, "reason": self.reason,
            "text": self.text, "state": self.state,
        })
    }

    fn parse(text: &str) -> Option<Reply> {
        const CODES: [Code; 5] =
            [Code::Done, Code::More, Code::Refused, Code::Environment, Code::Internal];
        let value: Value = serde_json::from_str(text).ok()?;
        let code = value["code"].as_i64()?;
        Some(Reply {
            is_final: value["final"].as_bool()?,
            code: CODES.into_iter().find(|known| *known as i64 == code)?,
            reason: value["reason"].as_u64().and_then(|reason| u32::try_from(reason).ok()),
            text: value["text"].as_str()?.into(),
            state: value["state"].as_str()?.into(),
        })
    }
}

/// The orders that come to the process that leads a migration.
pub struct Inbox {
    folder: PathBuf,
}

/// One order, by the name under which it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    id: String,
    /// What is wanted; `None` if that is not understood.
    pub order: Option<Order>,
    /// Whether somebody waits for how it ends.
    pub is_waited_for: bool,
}

impl Inbox {
    /// The inbox of a folder that this process owns. What was meant for an earlier process is thrown away.
    pub fn open(folder: &Path) -> Inbox {
        let inbox = Inbox { folder: folder.into() };
        for name in inbox.names(ORDER).into_iter().chain(inbox.names(ANSWER)) {
            inbox.remove(&name);
        }
        inbox
    }

    /// The orders that have come, in their order.
    pub fn look(&self) -> Vec<Received> {
        let received = |name: String| {
            let text = read(&self.folder, &name, LENGTH_MAX).ok().flatten()?;
            let value: Value = serde_json::from_str(&text).unwrap_or_default();
            let id = name.strip_prefix(ORDER)?.to_string();
            let (order, is_waited_for) = (Order::parse(&value), value["wait"] == true);
            Some(Received { id, order, is_waited_for })
        };
        self.names(ORDER).into_iter().filter_map(received).collect()
    }

    /// Answers, and takes the order away.
    pub fn answer(&self, received: &Received, reply: &Reply) {
        let name = format!("{ANSWER}{}", received.id);
        if let Err(error) = replace(&self.folder, &name, &reply.value().to_string(), false) {
            log::warn!("an order could not be answered: {error}");
        }
        self.remove(&format!("{ORDER}{}", received.id));
    }

    /// Names that are whole: what is just being written has another one.
    fn names(&self, prefix: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let is_id =
            |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let mut names: Vec<String> =
            names.filter(|name| name.strip_prefix(prefix).is_some_and(is_id)).collect();
        names.sort();
        names
    }

    fn remove(&self, name: &str) {
        // Who ordered may have taken it back, or have read the answer.
        let _ = std::fs::remove_file(self.folder.join(name));
    }
}

/// An order that was put into a folder; taken back when it is dropped.
struct Sent<'a> {
    folder: &'a Path,
    id: String,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        for prefix in [ORDER, ANSWER] {
            // It may be gone already.
            let _ = std::fs::remove_file(self.folder.join(format!("{prefix}{}", self.id)));
        }
    }
}

impl<'a> Sent<'a> {
    fn put(folder: &'a Path, order: Order, wait: bool) -> Result<Sent<'a>> {
        use std::io::Write;
        let now = SystemClock.now();
        // In the order of time; two of the same process differ, too.
        let id = format!("{:020}-{}", now.as_nanos(), std::process::id());
        let sent = Sent { folder, id };
        let new = folder.join(format!("new-{}", sent.id));
        let io = |error: std::io::Error| Error::io(new.display(), &error);
        let mut file =
            open_own(OpenOptions::new().write(true).create_new(true), &new).map_err(io)?;
        let written = file
            .write_all(order.value(wait).to_string().as_bytes())
            .and_then(|()| std::fs::rename(&new, folder.join(format!("{ORDER}{}", sent.id))));
        written.inspect_err(|_| drop(std::fs::remove_file(&new))).map_err(io)?;
        Ok(sent)
    }

    fn reply(&self) -> Result<Option<Reply>> {
        let text = read(self.folder, &format!("{ANSWER}{}", self.id), LENGTH_MAX)?;
        Ok(text.and_then(|text| Reply::parse(&text)))
    }

    fn is_pending(&self) -> bool {
        self.folder.join(format!("{ORDER}{}", self.id)).exists()
    }
}

/// Orders something of the process that leads the migration in a folder; `wait`: until it has ended, not only begun.
/// `None`: no process leads it.
pub fn order(folder: &Path, order: Order, wait: bool) -> Result<Option<Reply>> {
    let Some(owner) = FileStore::owner(folder) else { return Ok(None) };
    let interrupt = Interrupt::listen()?;
    let sent = Sent::put(folder, order, wait)?;
    let begun = Instant::now();
    let mut told_at = begun;
    let mut is_taken_up = false;
    loop {
        // In this order: whoever leads it answers before he takes the order away, and before he ends.
        let is_owned = FileStore::owner(folder).is_some();
        let is_pending = sent.is_pending();
        let reply = sent.reply()?;
        if let Some(reply) = reply.filter(|reply| reply.is_final || !wait) {
            return Ok(Some(reply));
        }
        if !is_owned && is_taken_up {
            let why = format!("{owner} ended before it was done; resume the migration");
            return Err(Error::new(Reason::Interrupted, why));
        }
        is_taken_up |= !is_pending;
        if !is_owned {
            return Ok(None);
        }
        if !is_pending && sent.reply()?.is_none() {
            let why = format!(
                "the process that led the migration ended; {owner} began anew: order it again"
            );
            return Err(Error::new(Reason::Interrupted, why));
        }
        interrupt.check()?;
        let first = told_at == begun && begun.elapsed() >= TOLD_FIRST;
        if first || told_at.elapsed() >= TOLD {
            told_at = Instant::now();
            let what = if is_taken_up { "carry it out" } else { "take it up" };
            tell(&format!("waiting for {owner} to {what}\n"));
        }
        std::thread::sleep(LOOK);
    }
}

/// Orders, and answers with what became of it.
fn run(folder: &Path, what: Order, wait: bool) -> Outcome<Answer> {
    let Some((state, _)) = look(folder)? else {
        return Err(Error::new(
            Reason::NoCheckpoint,
            format!("there is no migration in {}; name the folder of one", folder.display()),
        )
        .into());
    };
    if state.is_ended() {
        let why = format!("the migration in {} is {state}", folder.display());
        return Err(Error::new(Reason::WrongState, why).into());
    }
    let Some(reply) = order(folder, what, wait)? else {
        let error = Error::new(
            Reason::WrongState,
            format!(
                "no process leads the migration in {}, so nobody takes it up",
                folder.display()
            ),
        );
        return Err(Failure { error, advice: advice(folder) });
    };
    answer(reply)
}

/// A reply as the answer of a verb.
pub fn answer(reply: Reply) -> Outcome<Answer> {
    match reply.reason {
        Some(number) => {
            let reason = Reason::ALL.iter().copied().find(|reason| *reason as u32 == number);
            let reason = reason.unwrap_or(Reason::Interrupted);
            Err(Error::new(reason, reply.text).into())
        }
        None => {
            let json = json!({ "state": reply.state, "text": reply.text });
            Ok(Answer { code: reply.code, text: format!("{}\n", reply.text), json })
        }
    }
}

/// Orders the close.
pub fn close_now(arguments: &CloseArguments) -> Outcome<Answer> {
    run(&arguments.state, Order::CloseNow, arguments.wait)
}

/// Orders to postpone it.
pub fn postpone(arguments: &PostponeArguments) -> Outcome<Answer> {
    run(&arguments.state, Order::Postpone, true)
}

/// Orders another pace.
pub fn pace(arguments: &PaceArguments) -> Outcome<Answer> {
    run(&arguments.state, Order::Pace(arguments.pace), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn orders(inbox: &Inbox) -> Vec<Option<Order>> {
        inbox.look().into_iter().map(|received| received.order).collect()
    }

    #[test]
    fn orders_come_in_their_order_and_are_answered() {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            Order::CloseNow,
            Order::Pace("20MB".parse().unwrap()),
            Order::Postpone,
            Order::Terminate,
            Order::BackOut,
        ];
        let inbox = Inbox::open(folder.path());
        let sent: Vec<Sent> = all
            .iter()
            .map(|order| Sent::put(folder.path(), order.clone(), true).unwrap())
            .collect();
        let received = inbox.look();
        assert_eq!(orders(&inbox), all.map(Some));
        let mode = std::fs::metadata(folder.path().join(format!("order-{}", sent[0].id))).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        let error = Error::new(Reason::WrongState, "too late");
        inbox.answer(&received[0], &Reply::failed(State::Switched, &error));
        inbox.answer(&received[1], &Reply::done(State::Copying, "noted"));
        assert_eq!(orders(&inbox), [Order::Postpone, Order::Terminate, Order::BackOut].map(Some));
        let reply = sent[0].reply().unwrap().unwrap();
        assert_eq!((reply.code, reply.reason), (Code::Refused, Some(106)));
        assert_eq!(sent[1].reply().unwrap().unwrap(), Reply::done(State::Copying, "noted"));
        drop(sent);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn what_was_meant_for_another_process_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let sent = Sent::put(folder.path(), Order::Terminate, false).unwrap();
        let inbox = Inbox::open(folder.path());
        assert!(orders(&inbox).is_empty() && !sent.is_pending());
        // Nobody owns the folder: nobody is waited for.
        assert_eq!(order(folder.path(), Order::CloseNow, true).unwrap(), None);
    }

    #[test]
    fn what_is_no_order_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), r#"{"version":1,"verb":"terminate"}"#).unwrap();
        symlink(secret.path(), folder.path().join("order-1-1")).unwrap();
        std::fs::create_dir(folder.path().join("order-1-2")).unwrap();
        let inbox = Inbox { folder: folder.path().into() };
        assert!(orders(&inbox).is_empty(), "a link is not followed");
        for (name, text) in [
            ("order-2-1", ""),
            ("order-2-2", "{}"),
            ("order-2-3", r#"{"version":2,"verb":"terminate"}"#),
            ("order-2-4", r#"{"version":1,"verb":"pace","pace":"fast"}"#),
            ("order-x.new", r#"{"version":1,"verb":"terminate"}"#),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(orders(&inbox), [None, None, None, None]);
    }
}
