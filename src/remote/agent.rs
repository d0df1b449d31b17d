//! The other machine's side: reports what its programs write, answers, and closes data sets there.
//!
//! An [`Agent`] is asked to [`serve`](Agent::serve) again and again, by whatever loop or thread its host has. Everything that
//! must not be lost lies in the monitor areas of its machine: it may be killed at any point, and another one goes on.

use super::Channel;
use super::order::{Openers, Order, Stage};
use crate::clock::{Clock, SystemClock};
use crate::enqueue::Enqueue;
use crate::error::{Error, Reason, Result};
use crate::monitor::remote::{Envelope, MessageKind, Reporter, check_name};
use crate::monitor::{Area, Identity};
use crate::name::{DsName, Volser};
use crate::volume::Volume;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// About how long a report is at most.
const REPORT_LENGTH: usize = 32 << 10;
/// How many reports may be on their way at once.
const UNACKNOWLEDGED_MAX: usize = 16;
/// How long an acknowledgement may take before everything is reported once more.
const OVERDUE: Duration = Duration::from_secs(1);

/// Gives what asks and holds data sets on this machine in the name of an owner.
pub type EnqueueOf = Box<dyn Fn(&str) -> Result<Arc<dyn Enqueue>> + Send + Sync>;

/// Serves the migrations that other machines own. See [`monitor::remote`](crate::monitor::remote).
pub struct Agent {
    image: String,
    channel: Arc<dyn Channel>,
    enqueue_of: EnqueueOf,
    volumes: Vec<Site>,
    reporters: BTreeMap<([u64; 2], Volser), Desk>,
    ended: BTreeSet<[u64; 2]>,
    /// What was asked for and held in this life, by migration.
    held: BTreeMap<[u64; 2], (Vec<DsName>, Vec<Volser>)>,
    /// Those in whose name everybody was asked to close.
    asked: BTreeSet<[u64; 2]>,
    is_leaving: bool,
    counts: Counts,
}

/// A volume of this machine.
#[derive(Debug)]
struct Site {
    volume: Arc<dyn Volume>,
    area: Area,
    /// Images that must be registered there.
    expected: Vec<String>,
}

/// A reporter at work.
#[derive(Debug)]
struct Desk {
    reporter: Reporter,
    /// Since when nothing was acknowledged, while something is on its way.
    waiting_since: Option<Duration>,
    /// The last answer that said farewell, and when it was sent.
    farewell: Option<(Duration, Vec<u8>)>,
}

/// What an agent did since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reports sent.
    pub reports: u64,
    /// Their bytes.
    pub report_bytes: u64,
    /// Acknowledgements heard.
    pub acknowledgements: u64,
    /// Questions answered.
    pub answers: u64,
    /// Orders carried out.
    pub orders: u64,
    /// How often everything unacknowledged was reported once more.
    pub repeats: u64,
}

/// What an agent serves of one migration and volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The migration.
    pub migration: [u64; 2],
    /// The volume.
    pub volser: Volser,
    /// The number of its last report.
    pub number: u64,
    /// How many reports are not acknowledged.
    pub unacknowledged: usize,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Agent { image, channel, volumes, reporters, counts, .. } = self;
        f.debug_struct("Agent")
            .field("image", image)
            .field("channel", channel)
            .field("volumes", volumes)
            .field("reporters", reporters)
            .field("counts", counts)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// For this machine, under the name that the owners of migrations know it by. No two machines may have the same.
    ///
    /// Error: [`Reason::BadImageName`].
    pub fn new(image: &str, channel: Arc<dyn Channel>, enqueue_of: EnqueueOf) -> Result<Agent> {
        check_name(image)?;
        Ok(Agent {
            image: image.into(),
            channel,
            enqueue_of,
            volumes: Vec::new(),
            reporters: BTreeMap::new(),
            ended: BTreeSet::new(),
            held: BTreeMap::new(),
            asked: BTreeSet::new(),
            is_leaving: false,
            counts: Counts::default(),
        })
    }

    /// Serves a volume, too: by its monitor area on this machine. What programs here wrote to their cache is flushed
    /// through `volume` before it is reported. These images must be registered there, alive or ended since.
    ///
    /// Errors: [`Reason::AreaForeign`] if the area is of another volume; [`Reason::DuplicateVolser`].
    pub fn add(
        &mut self,
        volume: Arc<dyn Volume>,
        area: Area,
        expected: Vec<String>,
    ) -> Result<()> {
        let volser = volume.volser();
        if !area.identity().fits(&Identity::of(&*volume)?) {
            let why = "the monitor area is of another volume";
            return Err(Error::new(Reason::AreaForeign, why).on_volume(volser));
        }
        if self.volumes.iter().any(|site| site.volume.volser() == volser) {
            let why = "two volumes with this serial are given; give one of them";
            return Err(Error::new(Reason::DuplicateVolser, why).on_volume(volser));
        }
        self.volumes.push(Site { volume, area, expected });
        Ok(())
    }

    /// One round: takes what has come, answers, and reports what was written. Whether anything came or went; if not, it may
    /// wait a little before the next round.
    ///
    /// Errors: those of the channel, and of volumes that cannot be flushed. The next round goes on.
    pub fn serve(&mut self) -> Result<bool> {
        let before = self.counts;
        let messages = self.channel.receive()?;
        let mut result = Ok(());
        for message in &messages {
            // One that cannot be served does not keep the others waiting.
            let served = self.take(message);
            result = result.and(served);
        }
        result = result.and(self.report_all());
        result.map(|()| !messages.is_empty() || self.counts != before)
    }

    /// What it did since it was started.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What it serves.
    pub fn services(&self) -> Vec<Service> {
        let service = |((migration, volser), desk): (&([u64; 2], Volser), &Desk)| Service {
            migration: *migration,
            volser: *volser,
            number: desk.reporter.number(),
            unacknowledged: desk.reporter.unacknowledged(),
        };
        self.reporters.iter().map(service).collect()
    }

    fn take(&mut self, message: &[u8]) -> Result<()> {
        let envelope = match Envelope::of(message) {
            Ok(envelope) if envelope.image == self.image => envelope,
            Ok(_) => return Ok(()),
            Err(error) => {
                log::warn!("{error}");
                return Ok(());
            }
        };
        match envelope.kind {
            MessageKind::Question => self.answer(&envelope, message),
            MessageKind::Order => self.carry_out(&envelope),
            MessageKind::Acknowledgement => self.acknowledge(&envelope, message),
            _ => Ok(()),
        }
    }

    fn acknowledge(&mut self, envelope: &Envelope, message: &[u8]) -> Result<()> {
        if let Some(desk) = self.reporters.get_mut(&(envelope.migration, envelope.volser))
            && desk.reporter.acknowledge(message)?
        {
            self.counts.acknowledgements += 1;
            desk.waiting_since = (desk.reporter.unacknowledged() > 0).then(now);
        }
        Ok(())
    }

    fn answer(&mut self, envelope: &Envelope, message: &[u8]) -> Result<()> {
        let is_served = self.reporters.contains_key(&(envelope.migration, envelope.volser));
        if self.ended.contains(&envelope.migration) || self.is_leaving && !is_served {
            return Ok(());
        }
        let answer = match self.reporter_for(envelope) {
            Ok((reporter, site)) => {
                let uncovered = site.check_covered().err();
                let uncovered = uncovered.as_ref().map(Error::sentence);
                reporter.answer(message, uncovered, || site.volume.flush())?
            }
            Err(why) => Some(Reporter::refuse(message, why.sentence())?),
        };
        if let Some(answer) = answer {
            self.channel.send(&answer)?;
            self.counts.answers += 1;
            let key = (envelope.migration, envelope.volser);
            if let Some(desk) = self.reporters.get_mut(&key).filter(|_| self.is_leaving) {
                desk.farewell = Some((now(), answer));
            }
        }
        Ok(())
    }

    /// The reporter for a question, and its volume.
    fn reporter_for(&mut self, envelope: &Envelope) -> Result<(&mut Reporter, &Site)> {
        let site = self.volumes.iter().find(|site| envelope.volser == site.volume.volser());
        let site = site.ok_or_else(|| {
            let why =
                "the agent there was not given this volume; give it to `trackmirror monitor-agent`";
            Error::new(Reason::NoSuchVolume, why)
        })?;
        let desk = match self.reporters.entry((envelope.migration, envelope.volser)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let reporter = Reporter::open(&site.area, envelope.migration, &self.image)?;
                entry.insert(Desk { reporter, waiting_since: None, farewell: None })
            }
        };
        Ok((&mut desk.reporter, site))
    }

    /// Takes up what an earlier process served of a migration.
    fn take_up(&mut self, migration: [u64; 2]) -> Result<()> {
        for site in &self.volumes {
            let key = (migration, site.volume.volser());
            let mut subscriptions = site.area.subscriptions().into_iter();
            if subscriptions.any(|one| one.migration == migration)
                && let Entry::Vacant(entry) = self.reporters.entry(key)
            {
                let reporter = Reporter::open(&site.area, migration, &self.image)?;
                entry.insert(Desk { reporter, waiting_since: None, farewell: None });
            }
        }
        Ok(())
    }

    /// The highest order of a close that was carried out for a migration: late ones change nothing any more.
    fn close_order(&self, migration: [u64; 2]) -> u64 {
        let of_migration = self.reporters.iter().filter(|((of, _), _)| *of == migration);
        of_migration.map(|(_, desk)| desk.reporter.close_order()).max().unwrap_or(0)
    }

    fn report_all(&mut self) -> Result<()> {
        let mut result = Ok(());
        for ((_, volser), desk) in &mut self.reporters {
            let site = self.volumes.iter().find(|site| site.volume.volser() == *volser);
            let Some(site) = site else { continue };
            if desk.waiting_since.is_some_and(|since| now() > since + OVERDUE) {
                desk.reporter.resend();
                desk.waiting_since = None;
                self.counts.repeats += 1;
            }
            let reported = desk.report(&*self.channel, &*site.volume, &mut self.counts);
            result = result.and(reported);
        }
        result
    }

    fn carry_out(&mut self, envelope: &Envelope) -> Result<()> {
        let order: Order = envelope.body()?;
        let migration = envelope.migration;
        let mut openers = Openers { nonce: order.nonce, order: order.order, ..Openers::default() };
        self.take_up(migration)?;
        let is_served = self.reporters.keys().any(|(of, _)| *of == migration);
        if !is_served && !matches!(order.stage, Stage::Open | Stage::Ended) {
            // It comes after the end, and nobody would let those in again whom it keeps out; or so soon after a boot that the
            // owner has to ask first, and orders it again.
            return Ok(());
        }
        if self.close_order(migration) > order.order {
            // It comes late, or the number of the owner's life was lost: he learns it from the answer.
            openers.order = self.close_order(migration);
        } else {
            let of_migration = self.reporters.iter().filter(|((of, _), _)| *of == migration);
            of_migration.for_each(|(_, desk)| desk.reporter.set_close_order(order.order));
            match self.close(migration, &order) {
                Ok(found) => openers.openers = found,
                Err(error) => openers.trouble = Some(error.to_string()),
            }
            self.counts.orders += 1;
        }
        let head = (migration, self.image.as_str(), Volser::from_bytes([0; 6]));
        self.channel.send(&Envelope::seal(head, MessageKind::Openers, &openers))
    }

    /// Does what an order says, and tells who has the data sets open.
    fn close(&mut self, migration: [u64; 2], order: &Order) -> Result<Vec<crate::enqueue::Opener>> {
        if order.stage == Stage::Ended {
            let of_migration = |(of, _): &([u64; 2], Volser), _: &mut Desk| *of == migration;
            let ended: Vec<_> = self.reporters.extract_if(.., of_migration).collect();
            ended.into_iter().for_each(|(_, desk)| desk.reporter.end());
            // The owner asks no more; a question that comes late must not begin it anew.
            self.ended.insert(migration);
        } else if self.ended.contains(&migration) {
            // It comes late, and nobody would take it back.
            return Ok(Vec::new());
        }
        let (names, volumes) = (order.data_sets.as_slice(), order.volumes.as_slice());
        if order.stage == Stage::Ended && names.is_empty() {
            return Ok(Vec::new());
        }
        let enqueue = (self.enqueue_of)(&order.owner)?;
        match order.stage {
            Stage::Open | Stage::Ended => {
                self.held.remove(&migration);
                self.asked.remove(&migration);
                return match enqueue.release(names, volumes) {
                    // It was never ours, and that does not change when it is tried again.
                    Err(error) if error.reason() == Reason::DataSetHeld => {
                        log::warn!("{error}");
                        Ok(Vec::new())
                    }
                    released => released.map(|()| Vec::new()),
                };
            }
            Stage::Asked => enqueue.ask_to_close(names, volumes)?,
            // It is ordered again with every look at who has them open; and the order to ask may have been lost.
            Stage::Held => {
                let wanted = (order.data_sets.clone(), order.volumes.clone());
                if self.held.get(&migration) != Some(&wanted) {
                    if !self.asked.contains(&migration) {
                        enqueue.ask_to_close(names, volumes)?;
                    }
                    enqueue.hold(names, volumes)?;
                    self.held.insert(migration, wanted);
                }
            }
            Stage::Told => {}
        }
        if matches!(order.stage, Stage::Asked | Stage::Held) {
            self.asked.insert(migration);
        }
        let mut openers = enqueue.is_closed(names, volumes)?;
        for opener in &mut openers {
            opener.image = format!("{} of {}", opener.image, self.image);
        }
        Ok(openers)
    }

    /// Takes leave of every migration: this machine promises that nothing on it writes the volumes any more until those have
    /// ended. To be called again, with [`serve`](Agent::serve) in between, until it gives back true: all owners have heard
    /// it.
    ///
    /// Error: [`Reason::NotCovered`] as long as a program lives that may write.
    pub fn farewell(&mut self) -> Result<bool> {
        self.is_leaving = true;
        for ((migration, _), desk) in &mut self.reporters {
            // Nobody would be here to let them in again.
            if self.held.contains_key(migration) {
                continue;
            }
            desk.reporter.leave()?;
            // An owner who has heard it asks no more: if his acknowledgement was lost, he is to be told again.
            if let Some((sent_at, answer)) = &mut desk.farewell
                && now() > *sent_at + OVERDUE
            {
                *sent_at = now();
                self.channel.send(answer)?;
            }
        }
        let has_left = |_: &([u64; 2], Volser), desk: &mut Desk| desk.reporter.has_left();
        let left: Vec<_> = self.reporters.extract_if(.., has_left).collect();
        left.into_iter().for_each(|(_, desk)| desk.reporter.end());
        Ok(self.reporters.is_empty())
    }
}

impl Site {
    /// That every write on this machine is noticed.
    fn check_covered(&self) -> Result<()> {
        if !self.area.is_current() {
            let why = "the monitor area there was replaced; start the agent there anew";
            return Err(Error::new(Reason::NotCovered, why));
        }
        self.area.check_known(&self.expected)?;
        let Some(path) = self.volume.path() else { return Ok(()) };
        match self.area.unregistered_writers(path)?.first() {
            None => Ok(()),
            Some(writer) => Err(Error::new(
                Reason::NotCovered,
                format!(
                    "{} is open for writing by {writer} there, which no monitor watches; end it, and start it with \
                     `trackmirror monitored`",
                    path.display()
                ),
            )),
        }
    }
}

impl Desk {
    fn report(
        &mut self,
        channel: &dyn Channel,
        volume: &dyn Volume,
        counts: &mut Counts,
    ) -> Result<()> {
        while self.reporter.unacknowledged() < UNACKNOWLEDGED_MAX {
            let Some(report) = self.reporter.report(REPORT_LENGTH, || volume.flush())? else {
                break;
            };
            self.waiting_since.get_or_insert(now());
            counts.reports += 1;
            counts.report_bytes += report.len() as u64;
            channel.send(&report)?;
        }
        Ok(())
    }
}

/// A time that never goes back.
fn now() -> Duration {
    SystemClock.monotonic()
}
