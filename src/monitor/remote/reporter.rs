//! The sender's side: what was written on this machine, for a migration that another one owns.

use super::message::{
    Acknowledgement, Answer, Envelope, Incarnation, MessageKind, Numbers, Question, Report, Runs,
};
use crate::bytes::{Encode, encoded};
use crate::changed::TrackSet;
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::monitor::{Area, Batch, Subscription};
use crate::name::Volser;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// How many tracks one batch spans: while it is not acknowledged, what changes again in them waits.
const BATCH_SPAN: u32 = 64;

/// Reports the changes of one volume on this machine to the one that owns a migration: see the [module](super).
///
/// It is to be asked again and again: [`report`](Reporter::report) until there is nothing, then what came is given to
/// [`acknowledge`](Reporter::acknowledge) and [`answer`](Reporter::answer). Both for reports and for answers it is given
/// a `flush` that makes visible to other machines what programs of this one have written.
#[derive(Debug)]
pub struct Reporter {
    subscription: Subscription,
    migration: [u64; 2],
    image: String,
    /// `None` as long as it is not certain that every write is noticed: then nothing is reported.
    incarnation: Option<Incarnation>,
    /// What is reported and not acknowledged, by number.
    out: BTreeMap<u64, Vec<Batch>>,
    base: u64,
    forgotten: u64,
    /// What is sealed for the migration; `None` if an earlier process sealed it.
    sealed: Option<Vec<Extent>>,
    farewell: Leave,
}

/// How far the image is with taking leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    No,
    Wanted,
    Heard,
}

impl Reporter {
    /// Begins to report under the name of an image, or goes on after a restart, with what is sealed still sealed.
    ///
    /// Errors: those of [`Subscription::open`]; [`Reason::BadImageName`].
    pub fn open(area: &Area, migration: [u64; 2], image: &str) -> Result<Reporter> {
        check_name(image)?;
        let subscription = Subscription::open(area, migration)?;
        Ok(Reporter {
            incarnation: None,
            migration,
            image: image.into(),
            out: BTreeMap::new(),
            // What it reported and was not acknowledged is still `taken`.
            base: subscription.report_number() + 1,
            forgotten: 0,
            sealed: None,
            farewell: Leave::No,
            subscription,
        })
    }

    /// The area.
    pub fn area(&self) -> &Area {
        self.subscription.area()
    }

    /// The subscription from which it reports.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// The number of the last report.
    pub fn number(&self) -> u64 {
        self.subscription.report_number()
    }

    /// How many reports are not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.out.len()
    }

    /// What changed and is not reported yet, in at most about so many bytes, but always something; `None` if there is
    /// nothing. The `flush` comes between taking and sending; if it fails, nothing was reported. Nothing is reported before a
    /// question was answered.
    ///
    /// Errors: those of `flush`.
    pub fn report(
        &mut self,
        byte_count_max: usize,
        flush: impl FnOnce() -> Result<()>,
    ) -> Result<Option<Vec<u8>>> {
        let Some(incarnation) = self.incarnation else { return Ok(None) };
        let track_count = self.area().identity().track_count;
        let (mut batches, mut runs) = (Vec::new(), Runs::default());
        let mut from = Track(0);
        while runs.length() < byte_count_max {
            let rest = Extent::new(from, track_count - from.0);
            let Some(batch) = self.subscription.take_next(rest, BATCH_SPAN)? else { break };
            from = batch.extent().end();
            batch.runs().for_each(|run| runs.push(run));
            batches.push(batch);
        }
        if batches.is_empty() {
            return Ok(None);
        }
        flush()?;
        let number = self.subscription.next_report_number();
        self.out.insert(number, batches);
        let report = Report { incarnation, numbers: self.numbers(), track_count, runs };
        Ok(Some(self.message(MessageKind::Report, &report)))
    }

    /// What was reported and is not acknowledged is reported once more: an acknowledgement is overdue.
    pub fn resend(&mut self) {
        self.out.clear();
        self.base = self.number() + 1;
    }

    /// Takes an acknowledgement: whether it was one for this reporter.
    ///
    /// Error: [`Reason::BadMessage`].
    pub fn acknowledge(&mut self, message: &[u8]) -> Result<bool> {
        let envelope = Envelope::of(message)?;
        if !self.is_for_us(&envelope) || envelope.kind != MessageKind::Acknowledgement {
            return Ok(false);
        }
        let acknowledgement: Acknowledgement = envelope.body()?;
        let number = acknowledgement.number;
        if Some(acknowledgement.incarnation) != self.incarnation || number > self.number() {
            return Ok(false);
        }
        let later = self.out.split_off(&(number + 1));
        std::mem::replace(&mut self.out, later).into_values().flatten().for_each(Batch::done);
        self.forgotten = self.forgotten.max(number);
        if acknowledgement.farewell && self.farewell == Leave::Wanted {
            self.farewell = Leave::Heard;
        }
        Ok(true)
    }

    /// Answers the owner's question, and seals what it wants sealed: `None` if the question is not for this reporter.
    /// `uncovered` says why it is not certain that every write on this machine is noticed, if it is not: from then on, until
    /// it is, nothing is reported, and afterwards it is another incarnation.
    ///
    /// Error: [`Reason::BadMessage`].
    pub fn answer(
        &mut self,
        message: &[u8],
        uncovered: Option<&str>,
        flush: impl FnOnce() -> Result<()>,
    ) -> Result<Option<Vec<u8>>> {
        let envelope = Envelope::of(message)?;
        if !self.is_for_us(&envelope) || envelope.kind != MessageKind::Question {
            return Ok(None);
        }
        let question: Question = envelope.body()?;
        let track_count = self.area().identity().track_count;
        let all = [Extent::new(Track(0), track_count)];
        let unready = match uncovered {
            _ if question.track_count != track_count => Some(format!(
                "the volume has {track_count} tracks there, and {} here",
                question.track_count
            )),
            Some(why) => {
                self.lose();
                Some(why.into())
            }
            None => self.prepare(flush)?,
        };
        let order = self.subscription.question_order();
        let mut unquiet = None;
        if question.order < order.load(Ordering::SeqCst) {
            // What a later one sealed stays so.
            unquiet = Some("a later question came before this one".into());
        } else if question.track_count == track_count {
            // What is damaged is not obeyed, and keeps no later question out.
            let asked = question.runs.extents(track_count)?;
            order.store(question.order, Ordering::SeqCst);
            let is_leaving = self.farewell != Leave::No;
            let looked_at = if is_leaving { &all[..] } else { &asked };
            self.seal(if question.seal || is_leaving { looked_at } else { &[] })?;
            // Slots, `changed`, `taken`: nothing in flight, nothing unreported, nothing unacknowledged.
            unquiet = self.subscription.look(looked_at)?.map(|found| found.to_string());
        }
        let answer = Answer {
            nonce: question.nonce,
            incarnation: self.incarnation.unwrap_or_default(),
            numbers: self.numbers(),
            order: self.subscription.question_order().load(Ordering::SeqCst),
            farewell: self.farewell != Leave::No,
            unready,
            unquiet,
        };
        Ok(Some(self.message(MessageKind::Answer, &answer)))
    }

    /// The answer of somebody who cannot report, to a question: why not.
    ///
    /// Error: [`Reason::BadMessage`].
    pub fn refuse(message: &[u8], why: &str) -> Result<Vec<u8>> {
        let envelope = Envelope::of(message)?;
        let question: Question = envelope.body()?;
        let answer = Answer {
            nonce: question.nonce,
            incarnation: (0, 0),
            numbers: Numbers::default(),
            order: question.order,
            farewell: false,
            unready: Some(why.into()),
            unquiet: None,
        };
        Ok(Envelope { kind: MessageKind::Answer, body: encoded(&answer), ..envelope }.to_bytes())
    }

    /// Why it is not certain that each write is marked from now on; `None` if it is, and what was written before can be
    /// read by others.
    fn prepare(&mut self, flush: impl FnOnce() -> Result<()>) -> Result<Option<String>> {
        if !self.subscription.is_filled() {
            match self.subscription.fill(&[]) {
                Err(error) if error.reason() == Reason::NotFilled => {
                    return Ok(Some(error.sentence().into()));
                }
                filled => filled?,
            }
        }
        if let Err(error) = flush() {
            return Ok(Some(error.sentence().into()));
        }
        self.incarnation = Some(self.subscription.incarnation()?);
        Ok(None)
    }

    /// Somebody may write unnoticed.
    fn lose(&mut self) {
        self.subscription.forget_incarnation();
        self.incarnation = None;
        self.resend();
    }

    /// Seals these tracks and no others; what stays sealed is not open in between.
    fn seal(&mut self, extents: &[Extent]) -> Result<()> {
        if extents.is_empty() {
            self.subscription.unseal();
        } else if self.sealed.as_deref() != Some(extents) {
            self.subscription.seal(extents)?;
            let track_count = self.area().identity().track_count;
            let mut others = TrackSet::new(track_count);
            others.set(Extent::new(Track(0), track_count))?;
            extents.iter().try_for_each(|extent| others.clear(*extent))?;
            others.runs().try_for_each(|run| self.subscription.open_tracks(&[run]))?;
        }
        self.sealed = Some(extents.to_vec());
        Ok(())
    }

    /// Wants to take leave for good: this machine promises that from then on nothing on it writes the volume as long as the
    /// migration goes on. Everything is sealed; the next answers say so, and once all is acknowledged and the owner has
    /// heard that, [`has_left`](Reporter::has_left).
    ///
    /// Error: [`Reason::NotCovered`] as long as a program lives that may write.
    pub fn leave(&mut self) -> Result<()> {
        let area = self.area();
        area.reap()?;
        if let Some(image) = area.images().into_iter().find(|image| image.standing.may_write()) {
            let why = format!("image {} can still write the volume; end it first", image.name);
            return Err(area.error(Reason::NotCovered, why));
        }
        if self.farewell == Leave::No {
            self.farewell = Leave::Wanted;
        }
        Ok(())
    }

    /// Whether the owner has heard the farewell.
    pub fn has_left(&self) -> bool {
        self.farewell == Leave::Heard
    }

    /// The highest order of a close that was carried out here for the migration.
    pub fn close_order(&self) -> u64 {
        self.subscription.close_order().load(Ordering::SeqCst)
    }

    /// A close of this order was carried out here: a lower one comes late.
    pub fn set_close_order(&self, order: u64) {
        self.subscription.close_order().fetch_max(order, Ordering::SeqCst);
    }

    /// Ends the reports: the migration has ended.
    pub fn end(self) {
        self.subscription.close();
    }

    fn numbers(&self) -> Numbers {
        Numbers { last: self.number(), base: self.base, forgotten: self.forgotten }
    }

    fn volser(&self) -> Volser {
        Volser::from_bytes(self.area().identity().volser)
    }

    fn is_for_us(&self, envelope: &Envelope) -> bool {
        envelope.migration == self.migration
            && envelope.image == self.image
            && envelope.volser == self.volser()
    }

    fn message(&self, kind: MessageKind, body: &impl Encode) -> Vec<u8> {
        Envelope::seal((self.migration, &self.image, self.volser()), kind, body)
    }
}

/// That an image may have this name.
///
/// Error: [`Reason::BadImageName`].
pub(crate) fn check_name(image: &str) -> Result<()> {
    match crate::registry::expected::is_image_name(image) {
        true => Ok(()),
        false => Err(Error::new(
            Reason::BadImageName,
            "an image's name has 1 to 32 printable ASCII characters and no blanks",
        )),
    }
}
