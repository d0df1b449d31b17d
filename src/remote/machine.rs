//! The owner's side of one image on another machine: what it tells of all volumes, and whether it answers.

mod orders;

use super::Channel;
use super::order::{Openers, Order};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::monitor::remote::{Absorbed, Envelope, Incarnation, MessageKind, Receiver, check_name};
use crate::monitor::{NotQuiet, Subscription};
use crate::name::Volser;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often an image is asked whether it is there.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// How often an answer that is waited for is asked for again.
const AGAIN: Duration = Duration::from_millis(250);
/// The same, if it was answered that something is in flight or unreported.
const SOON: Duration = Duration::from_millis(5);
/// How long to sleep before looking again whether something has come.
const PAUSE: Duration = Duration::from_micros(500);

/// An image on another machine, which may write every source volume of a migration. Clones are the same image.
///
/// A [migration](crate::migrate::Migration) that is given it asks it by itself, and applies what it reports; nothing
/// happens between its calls.
#[derive(Clone, Debug)]
pub struct Machine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    channel: Arc<dyn Channel>,
    /// How long an answer is waited for.
    patience: Duration,
    /// Who has not been heard for so long is called silent.
    silence: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    migration: [u64; 2],
    receivers: BTreeMap<Volser, Receiver>,
    /// The volumes that it must answer for: what is moved lies there. Others may come to be such.
    sources: BTreeSet<Volser>,
    is_retired: bool,
    refused_count: u64,
    /// What every question asks for now.
    tracks: Vec<(Volser, Extent)>,
    is_sealed: bool,
    /// An earlier life may have sealed something, and nothing was opened since.
    may_be_sealed: bool,
    /// An earlier life may have begun there.
    is_later_life: bool,
    /// Since when it is waited for, if it was never heard.
    since: Option<Duration>,
    last_heard: Option<Duration>,
    /// When it was asked last, and not answered yet.
    asked: Option<Duration>,
    last_asked: Option<Duration>,
    /// How long the last answer took.
    delay: Option<Duration>,
    /// The last order, and its answer.
    order: Option<Order>,
    last_ordered: Option<Duration>,
    openers: Option<Openers>,
    highest_order: u64,
    /// Acknowledgements of farewells, to be sent when those are durable.
    farewells: BTreeMap<Volser, Vec<u8>>,
    /// Why the channel does not carry.
    trouble: Option<String>,
}

/// How an image on another machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was never heard.
    Expected,
    /// It was heard a short while ago, which proves nothing.
    Heard,
    /// It was not heard for a while: no window opens until it answers, or is retired.
    Silent,
    /// It took leave.
    Left,
    /// It was retired: its reports are refused.
    Retired,
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Presence::Expected => "expected",
            Presence::Heard => "heard",
            Presence::Silent => "silent",
            Presence::Left => "left",
            Presence::Retired => "retired",
        })
    }
}

/// What is known of an image on another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineReport {
    /// Its name.
    pub name: String,
    /// How it is.
    pub presence: Presence,
    /// For each volume: every report up to this number was applied.
    pub applied: Vec<(Volser, u64)>,
    /// How long its last answer took.
    pub delay: Option<Duration>,
    /// How long it has not been heard.
    pub silence: Option<Duration>,
    /// How many of its messages were refused because it is retired.
    pub refused_count: u64,
    /// Why it is not certain that all of its writes are noticed.
    pub unready: Option<String>,
    /// The same, or what keeps the channel from carrying.
    pub trouble: Option<String>,
}

impl Machine {
    /// An image of this name at the other end of a channel.
    ///
    /// Error: [`Reason::BadImageName`].
    pub fn new(name: &str, channel: Arc<dyn Channel>) -> Result<Machine> {
        check_name(name)?;
        Ok(Machine {
            inner: Arc::new(Inner {
                name: name.into(),
                channel,
                patience: Duration::from_secs(5),
                silence: Duration::from_secs(10),
                state: Mutex::default(),
            }),
        })
    }

    /// The same, before it is used, with other limits: how long an answer is waited for before the window is given up, and
    /// after which time without a sign it is called silent. By default 5 and 10 seconds.
    #[must_use]
    pub fn with_limits(self, patience: Duration, silence: Duration) -> Machine {
        let Inner { name, channel, .. } = &*self.inner;
        let (name, channel, state) = (name.clone(), channel.clone(), Mutex::default());
        Machine { inner: Arc::new(Inner { name, channel, patience, silence, state }) }
    }

    /// The same image, of which nothing is known yet.
    pub(crate) fn anew(&self) -> Machine {
        self.clone().with_limits(self.inner.patience, self.inner.silence)
    }

    /// This life of a migration begins. An earlier one may have left tracks sealed there.
    pub(crate) fn begin(&self, migration: [u64; 2], life: u32) {
        let mut state = self.state();
        state.migration = migration;
        state.highest_order = state.highest_order.max(u64::from(life) << 32);
        state.is_later_life = life > 1;
        state.may_be_sealed = life > 1;
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock()
    }

    /// Applies what the image reports of a volume to a migration's subscription from now on.
    pub(crate) fn watch(
        &self,
        migration: [u64; 2],
        volser: Volser,
        subscription: &Subscription,
        known: Option<Incarnation>,
        life: u32,
    ) -> Result<()> {
        let mut state = self.state();
        if !state.is_retired && !state.receivers.contains_key(&volser) {
            let receiver = Receiver::new(subscription, migration, &self.inner.name, known, life)?;
            state.receivers.insert(volser, receiver);
            state.since.get_or_insert(now());
            // It is asked at once.
            (state.last_asked, state.asked) = (None, None);
        }
        Ok(())
    }

    /// Whether it is heard of a volume.
    pub(crate) fn watches(&self, volser: Volser) -> bool {
        self.state().receivers.contains_key(&volser)
    }

    /// What is moved lies on these volumes.
    pub(crate) fn set_sources(&self, sources: &BTreeSet<Volser>) {
        self.state().sources.clone_from(sources);
    }

    /// Hears no more of a volume.
    pub(crate) fn unwatch(&self, volser: Volser) {
        self.state().receivers.remove(&volser);
    }

    /// The incarnations whose reports are applied: for the checkpoint.
    pub(crate) fn known(&self) -> Vec<(Volser, Incarnation)> {
        let state = self.state();
        let known = |(volser, one): (&Volser, &Receiver)| Some((*volser, one.known()?));
        state.receivers.iter().filter_map(known).collect()
    }

    /// It is durable who took leave: they may hear it.
    pub(crate) fn confirm_farewells(&self) {
        let mut state = self.state();
        for acknowledgement in std::mem::take(&mut state.farewells).into_values() {
            self.send(&mut state, &acknowledgement);
        }
    }

    /// The volumes of which it took leave.
    pub(crate) fn left(&self) -> Vec<Volser> {
        let state = self.state();
        let left = state.receivers.iter().filter(|(_, one)| one.has_left());
        left.map(|(volser, _)| *volser).collect()
    }

    /// It took leave of a volume in an earlier life of the migration.
    pub(crate) fn set_left(&self, volser: Volser) {
        if let Some(receiver) = self.state().receivers.get_mut(&volser) {
            receiver.set_left();
        }
    }

    /// Whether it was retired.
    pub fn is_retired(&self) -> bool {
        self.state().is_retired
    }

    /// Those volumes that it must answer for.
    fn needed(state: &State) -> impl Iterator<Item = (Volser, &Receiver)> {
        let is_source = |(volser, _): &(&Volser, _)| state.sources.contains(volser);
        state.receivers.iter().filter(is_source).map(|(volser, receiver)| (*volser, receiver))
    }

    /// Whether it took leave of all volumes or was retired: nothing is expected of it any more.
    fn is_gone(state: &State) -> bool {
        let mut needed = Machine::needed(state).peekable();
        state.is_retired || needed.peek().is_some() && needed.all(|(_, one)| one.has_left())
    }

    /// It was retired in an earlier life of the migration.
    pub(crate) fn set_retired(&self) {
        let mut state = self.state();
        state.is_retired = true;
        state.receivers.clear();
    }

    /// The image cannot write any more, by the operator's or the host's word: all is changed, and nothing of it is heard
    /// from now on.
    pub(crate) fn retire(&self) {
        self.state().receivers.values_mut().for_each(Receiver::retire);
        self.set_retired();
    }

    /// Applies what has come, acknowledges it, and asks again whether the image is there if it is time to. Does not wait:
    /// whether all could be sent and received is told by [`report`](Machine::report).
    pub fn pump(&self) {
        let mut state = self.state();
        self.hear(&mut state);
        let due = |last: Option<Duration>| last.is_none_or(|last| now() >= last + ASK_INTERVAL);
        if !state.is_retired && due(state.last_asked) {
            let is_out = state.asked.is_some_and(|asked| now() < asked + self.inner.patience);
            self.ask_again(&mut state, !is_out);
        }
        // An order must arrive, whatever happens on the way.
        if state.order.is_some() && state.openers.is_none() && due(state.last_ordered) {
            self.send_order(&mut state);
        }
    }

    /// Takes what has come.
    fn hear(&self, state: &mut State) {
        let messages = match self.inner.channel.receive() {
            Ok(messages) => messages,
            Err(error) => return state.trouble = Some(error.sentence().into()),
        };
        state.trouble = None;
        let mut acknowledgements = BTreeMap::new();
        for message in messages {
            if state.is_retired {
                state.refused_count += 1;
                continue;
            }
            match self.absorb(state, &message) {
                Ok(Some((volser, acknowledgement))) => {
                    // Each contains all that came before.
                    acknowledgements.insert(volser, acknowledgement);
                }
                Ok(None) => {}
                Err(error) => log::warn!("image {}: {error}", self.inner.name),
            }
        }
        for acknowledgement in acknowledgements.into_values() {
            self.send(state, &acknowledgement);
        }
    }

    fn absorb(&self, state: &mut State, message: &[u8]) -> Result<Option<(Volser, Vec<u8>)>> {
        let envelope = Envelope::of(message)?;
        if envelope.image != self.inner.name || envelope.migration != state.migration {
            return Ok(None);
        }
        if envelope.kind == MessageKind::Openers {
            self.absorb_openers(state, envelope.body()?);
            return Ok(None);
        }
        let volser = envelope.volser;
        let Some(receiver) = state.receivers.get_mut(&volser) else { return Ok(None) };
        let absorbed = receiver.absorb(message)?;
        match absorbed {
            Absorbed::Report { acknowledgement, .. } => {
                state.last_heard = Some(now());
                return Ok(Some((volser, acknowledgement)));
            }
            Absorbed::Farewell { acknowledgement } => {
                state.last_heard = Some(now());
                // That nothing more is expected of it is durable before it hears so.
                state.farewells.insert(volser, acknowledgement);
            }
            Absorbed::Answer | Absorbed::NewIncarnation => {
                state.last_heard = Some(now());
                if Machine::needed(state).all(|(_, one)| one.is_answered())
                    && let Some(asked) = state.asked.take()
                {
                    state.delay = Some(now().saturating_sub(asked));
                }
                if absorbed == Absorbed::NewIncarnation {
                    log::info!(
                        "image {} on another machine is new on volume {volser}: all of it counts as changed",
                        self.inner.name
                    );
                }
            }
            Absorbed::PassedOver(why) => log::debug!("image {}: {why}", self.inner.name),
        }
        Ok(None)
    }

    /// Sends a message; one that is lost is asked for again.
    fn send(&self, state: &mut State, message: &[u8]) {
        if let Err(error) = self.inner.channel.send(message) {
            state.trouble = Some(error.sentence().into());
        }
    }

    /// Asks anew for every volume.
    fn ask(&self, state: &mut State) {
        let (tracks, is_sealed) = (std::mem::take(&mut state.tracks), state.is_sealed);
        let mut questions = Vec::new();
        let present = state.receivers.iter_mut().filter(|(_, one)| !one.has_left());
        for (volser, receiver) in present {
            let on = tracks.iter().filter(|(on, _)| on == volser).map(|(_, extent)| *extent);
            match receiver.question(&on.collect::<Vec<_>>(), is_sealed) {
                Ok(question) => questions.push(question),
                Err(error) => log::warn!("image {}: {error}", self.inner.name),
            }
        }
        state.tracks = tracks;
        questions.iter().for_each(|question| self.send(state, question));
        state.last_asked = Some(now());
        state.asked = state.last_asked;
    }

    /// Asks anew, or, as long as an answer is out, the same once more: it would come too late for ever if each took longer
    /// than the pause between two questions.
    fn ask_again(&self, state: &mut State, is_answered: bool) {
        if is_answered {
            return self.ask(state);
        }
        let questions: Vec<_> = state.receivers.values().filter_map(Receiver::repeated).collect();
        questions.iter().for_each(|question| self.send(state, question));
        state.last_asked = Some(now());
    }

    /// Why it is not certain that the image's writes to a volume become changed tracks.
    ///
    /// Error: [`Reason::NotCovered`].
    pub(crate) fn check_ready(&self, volser: Volser) -> Result<()> {
        let state = self.state();
        let unready = match state.receivers.get(&volser) {
            _ if state.is_retired => None,
            None => Some(format!("image {} was not asked yet", self.inner.name)),
            Some(receiver) => receiver.unready(),
        };
        let Some(why) = unready else { return Ok(()) };
        let why = match &state.trouble {
            Some(trouble) => format!("{why}; {trouble}"),
            None => why,
        };
        Err(Error::new(Reason::NotCovered, why).on_volume(volser))
    }

    /// That the image was heard lately, where it is to be heard.
    ///
    /// Error: [`Reason::NotCovered`].
    pub(crate) fn check_heard(&self) -> Result<()> {
        let report = self.report();
        if report.presence != Presence::Silent {
            return Ok(());
        }
        let since = match report.silence {
            Some(silence) => format!("for {} s", silence.as_secs()),
            None => "since this process began".into(),
        };
        let trouble = report.trouble.map(|why| format!(" ({why})")).unwrap_or_default();
        Err(Error::new(
            Reason::NotCovered,
            format!(
                "image {name} on another machine has not been heard {since}{trouble}; let it answer, or retire it \
                 when it cannot write any more (`trackmirror image retire --state DIR {name}`)",
                name = self.inner.name
            ),
        ))
    }

    /// The barrier: asks whether anything of these tracks is in flight or unreported there, until nothing is, or it takes
    /// too long: then what was found. From now on every question asks for these tracks.
    pub(crate) fn barrier(
        &self,
        tracks: &[(Volser, Extent)],
        is_sealed: bool,
    ) -> Option<(Volser, NotQuiet)> {
        let until = now() + self.inner.patience;
        let mut state = self.state();
        if state.is_retired {
            return None;
        }
        if let Some(volser) = state.sources.iter().find(|on| !state.receivers.contains_key(on)) {
            return Some((*volser, NotQuiet::Unanswered { image: self.inner.name.clone() }));
        }
        (state.tracks, state.is_sealed) = (tracks.to_vec(), is_sealed);
        self.ask(&mut state);
        loop {
            self.hear(&mut state);
            let found =
                Machine::needed(&state).find_map(|(on, one)| Some((on, one.not_quiet()?)))?;
            let time = now();
            if time >= until {
                return Some(found);
            }
            let is_answered = Machine::needed(&state).all(|(_, one)| one.is_answered());
            let again =
                state.last_asked.unwrap_or_default() + if is_answered { SOON } else { AGAIN };
            if time >= again {
                self.ask_again(&mut state, is_answered);
            }
            MutexGuard::unlocked(&mut state, || std::thread::sleep(PAUSE));
        }
    }

    /// Every question asks for these tracks from now on, and seals them.
    pub(crate) fn seal(&self, tracks: &[(Volser, Extent)]) {
        let mut state = self.state();
        (state.tracks, state.is_sealed) = (tracks.to_vec(), true);
    }

    /// Lets writes to what was sealed happen there again.
    pub(crate) fn unseal(&self) {
        self.change_tracks(|_| false);
    }

    /// Lets writes to some of it happen again.
    pub(crate) fn open_tracks(&self, extents: &[(Volser, Extent)]) {
        let is_opened = |(on, extent): &(Volser, Extent)| {
            extents.iter().any(|(volser, opened)| volser == on && opened.overlaps(*extent))
        };
        self.change_tracks(|track| !is_opened(track));
    }

    /// Whoever is let in must not meet a seal: an image that is heard is given the time to answer.
    fn change_tracks(&self, stays: impl Fn(&(Volser, Extent)) -> bool) {
        let mut state = self.state();
        let count = state.tracks.len();
        state.tracks.retain(stays);
        let is_sealed = state.is_sealed && !state.tracks.is_empty();
        let was_sealed = std::mem::replace(&mut state.is_sealed, is_sealed);
        let may_be_sealed = std::mem::take(&mut state.may_be_sealed);
        if !may_be_sealed && (state.tracks.len() == count || !was_sealed) {
            return;
        }
        self.ask(&mut state);
        drop(state);
        // In a new life it was not heard yet.
        if !matches!(self.report().presence, Presence::Heard | Presence::Expected) {
            return;
        }
        let until = now() + self.inner.patience;
        let mut state = self.state();
        loop {
            self.hear(&mut state);
            let mut needed = Machine::needed(&state);
            if needed.all(|(_, one)| one.has_left() || one.is_obeyed()) || now() >= until {
                return;
            }
            drop(needed);
            let is_answered = Machine::needed(&state).all(|(_, one)| one.is_answered());
            if state.last_asked.is_none_or(|last| now() >= last + AGAIN) {
                self.ask_again(&mut state, is_answered);
            }
            MutexGuard::unlocked(&mut state, || std::thread::sleep(PAUSE));
        }
    }

    /// What is known of it.
    pub fn report(&self) -> MachineReport {
        let state = self.state();
        let time = now();
        let silence = state.last_heard.or(state.since).map(|last| time.saturating_sub(last));
        let is_silent = silence.is_some_and(|silence| silence > self.inner.silence);
        let presence = match () {
            () if state.is_retired => Presence::Retired,
            () if Machine::is_gone(&state) => Presence::Left,
            () if is_silent => Presence::Silent,
            () if state.last_heard.is_none() => Presence::Expected,
            () => Presence::Heard,
        };
        let applied = Machine::needed(&state);
        let unready = Machine::needed(&state).find_map(|(_, one)| one.unready());
        MachineReport {
            name: self.inner.name.clone(),
            presence,
            applied: applied.map(|(volser, one)| (volser, one.applied().unwrap_or(0))).collect(),
            delay: state.delay,
            silence: state.last_heard.map(|last| time.saturating_sub(last)),
            refused_count: state.refused_count,
            trouble: state.trouble.clone().or_else(|| unready.clone()),
            unready,
        }
    }
}

/// A time that never goes back.
fn now() -> Duration {
    SystemClock.monotonic()
}
