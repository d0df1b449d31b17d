//! The sender's side: what was written on this machine, for a migration that another one owns.

use super::message::{
    Acknowledgement, Answer, Envelope, Farewell, Incarnation, MessageKind, Numbers, Question,
    Report, Runs,
};
use crate::bytes::{Encode, encoded};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::monitor::{Area, Batch, Subscription};
use crate::name::Volser;
use std::collections::BTreeMap;

/// How many tracks one batch spans: while it is not acknowledged, what changes again in them waits.
const BATCH_SPAN: u32 = 64;

/// Reports the changes of one volume on this machine to the one that owns a migration: see the [module](super).
///
/// It is to be asked again and again: [`report`](Reporter::report) until there is nothing, then what came is given to
/// [`acknowledge`](Reporter::acknowledge) and [`answer`](Reporter::answer).
#[derive(Debug)]
pub struct Reporter {
    subscription: Subscription,
    migration: [u64; 2],
    image: String,
    incarnation: Incarnation,
    /// What is reported and not acknowledged, by number.
    out: BTreeMap<u64, Vec<Batch>>,
    base: u64,
    forgotten: u64,
    /// What is sealed for the migration.
    sealed: Vec<Extent>,
    /// The highest order of a question: a late one must not open what a later one sealed.
    order: u64,
}

impl Reporter {
    /// Begins to report under the name of an image, or goes on after a restart.
    ///
    /// Errors: those of [`Subscription::open`]; [`Reason::BadImageName`].
    pub fn open(area: &Area, migration: [u64; 2], image: &str) -> Result<Reporter> {
        check_name(image)?;
        let subscription = Subscription::open(area, migration)?;
        let incarnation = subscription.incarnation()?;
        // An earlier process may have sealed, and nobody knows what.
        subscription.unseal();
        Ok(Reporter {
            incarnation,
            migration,
            image: image.into(),
            out: BTreeMap::new(),
            // What it reported and was not acknowledged is still `taken`.
            base: subscription.report_number() + 1,
            forgotten: 0,
            sealed: Vec::new(),
            order: 0,
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
    /// nothing. `flush` makes what programs of this machine have written visible to other machines; it is called between
    /// taking and sending. If it fails, nothing was reported.
    ///
    /// Errors: those of `flush`.
    pub fn report(
        &mut self,
        byte_count_max: usize,
        flush: impl FnOnce() -> Result<()>,
    ) -> Result<Option<Vec<u8>>> {
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
        let report =
            Report { incarnation: self.incarnation, numbers: self.numbers(), track_count, runs };
        Ok(Some(self.message(MessageKind::Report, &report)))
    }

    /// What was reported and is not acknowledged is reported once more: an acknowledgement is overdue.
    pub fn resend(&mut self) {
        self.out.clear();
        self.base = self.number() + 1;
    }

    /// Takes an acknowledgement: whether it was one for this reporter. Whether the farewell was heard is told by
    /// [`Farewelled`].
    ///
    /// Error: [`Reason::BadMessage`].
    pub fn acknowledge(&mut self, message: &[u8]) -> Result<bool> {
        let envelope = Envelope::of(message)?;
        if !self.is_for_us(&envelope) || envelope.kind != MessageKind::Acknowledgement {
            return Ok(false);
        }
        let acknowledgement: Acknowledgement = envelope.body()?;
        let number = acknowledgement.number;
        if acknowledgement.incarnation != self.incarnation || number > self.number() {
            return Ok(false);
        }
        let later = self.out.split_off(&(number + 1));
        std::mem::replace(&mut self.out, later).into_values().flatten().for_each(Batch::done);
        self.forgotten = self.forgotten.max(number);
        Ok(true)
    }

    /// Answers the owner's question, and seals what it wants sealed: `None` if the question is not for this reporter.
    /// `uncovered` says why it is not certain that every write on this machine is noticed, if it is not.
    ///
    /// Error: [`Reason::BadMessage`].
    pub fn answer(&mut self, message: &[u8], uncovered: Option<String>) -> Result<Option<Vec<u8>>> {
        let envelope = Envelope::of(message)?;
        if !self.is_for_us(&envelope) || envelope.kind != MessageKind::Question {
            return Ok(None);
        }
        let question: Question = envelope.body()?;
        let track_count = self.area().identity().track_count;
        let unready = match question.track_count == track_count {
            true => uncovered.or(self.prepare()?),
            false => Some(format!(
                "the volume has {track_count} tracks there, and {} here",
                question.track_count
            )),
        };
        let mut unquiet = None;
        if question.order < self.order {
            unquiet = Some("a later question came before this one".into());
        } else if unready.is_none() {
            let extents = question.runs.extents(track_count)?;
            self.order = question.order;
            self.seal(if question.seal { &extents } else { &[] })?;
            // Slots, `changed`, `taken`: nothing in flight, nothing unreported, nothing unacknowledged.
            unquiet = self.subscription.look(&extents)?.map(|found| found.to_string());
        }
        let answer = Answer {
            nonce: question.nonce,
            incarnation: self.incarnation,
            numbers: self.numbers(),
            order: self.order,
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
            unready: Some(why.into()),
            unquiet: None,
        };
        Ok(Envelope { kind: MessageKind::Answer, body: encoded(&answer), ..envelope }.to_bytes())
    }

    /// Why it is not certain that each write is marked from now on; `None` if it is.
    fn prepare(&self) -> Result<Option<String>> {
        if self.subscription.is_filled() {
            return Ok(None);
        }
        match self.subscription.fill(&[]) {
            Ok(()) => Ok(None),
            Err(error) if error.reason() == Reason::NotFilled => Ok(Some(error.sentence().into())),
            Err(error) => Err(error),
        }
    }

    fn seal(&mut self, extents: &[Extent]) -> Result<()> {
        if self.sealed != extents {
            self.subscription.unseal();
            self.subscription.seal(extents)?;
            self.sealed = extents.to_vec();
        }
        Ok(())
    }

    /// Lets writes happen again that were refused for the migration. The next question seals anew.
    pub fn unseal(&mut self) {
        self.subscription.unseal();
        self.sealed.clear();
    }

    /// Takes leave for good: this machine promises that nothing on it writes the volume any more. The subscription ends;
    /// what is left sends the farewell until it is heard. If it comes back later, that is another incarnation.
    ///
    /// Error: [`Reason::NotCovered`], with the reporter, as long as a program lives that may write, or anything is not
    /// acknowledged.
    pub fn farewell(self) -> std::result::Result<Farewelled, (Box<Reporter>, Error)> {
        match self.check_farewell() {
            Err(error) => Err((Box::new(self), error)),
            Ok(()) => {
                let farewell = Farewell { incarnation: self.incarnation, number: self.number() };
                let message = self.message(MessageKind::Farewell, &farewell);
                let (migration, incarnation) = (self.migration, self.incarnation);
                self.subscription.close();
                Ok(Farewelled { migration, incarnation, message })
            }
        }
    }

    fn check_farewell(&self) -> Result<()> {
        let area = self.area();
        let refused = |why: String| Err(area.error(Reason::NotCovered, why));
        area.reap()?;
        if let Some(image) = area.images().into_iter().find(|image| image.standing.may_write()) {
            return refused(format!(
                "image {} can still write the volume; end it first",
                image.name
            ));
        }
        let all = Extent::new(Track(0), area.identity().track_count);
        match self.subscription.look(&[all])? {
            Some(found) => refused(format!("{found}, and that is not acknowledged yet; try again")),
            None => Ok(()),
        }
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
        Envelope {
            migration: self.migration,
            image: self.image.clone(),
            volser: self.volser(),
            kind,
            body: encoded(body),
        }
        .to_bytes()
    }
}

/// What is left of a reporter that took leave.
#[derive(Clone, Debug)]
pub struct Farewelled {
    migration: [u64; 2],
    incarnation: Incarnation,
    message: Vec<u8>,
}

impl Farewelled {
    /// The farewell, to be sent until it was heard.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Whether this message tells that it was heard.
    pub fn is_heard(&self, message: &[u8]) -> bool {
        let heard = || -> Result<bool> {
            let envelope = Envelope::of(message)?;
            let is_ours = envelope.migration == self.migration
                && envelope.kind == MessageKind::Acknowledgement;
            let heard =
                |body: Acknowledgement| body.farewell && body.incarnation == self.incarnation;
            Ok(is_ours && heard(envelope.body()?))
        };
        heard().unwrap_or(false)
    }
}

pub(super) fn check_name(image: &str) -> Result<()> {
    match crate::registry::expected::is_image_name(image) {
        true => Ok(()),
        false => Err(Error::new(
            Reason::BadImageName,
            "an image's name has 1 to 32 printable ASCII characters and no blanks",
        )),
    }
}
