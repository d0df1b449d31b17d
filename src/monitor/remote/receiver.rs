//! The owner's side: what one image on another machine writes to one volume.

use super::message::{
    Acknowledgement, Answer, Envelope, Incarnation, MessageKind, Numbers, Question, Report, Runs,
};
use super::reporter::check_name;
use crate::bytes::Encode;
use crate::error::Result;
use crate::geometry::Extent;
use crate::monitor::{NotQuiet, Subscription, new_migration};
use crate::name::Volser;
use std::collections::BTreeSet;

/// How many reports behind a gap are remembered. Those that are not are sent again.
const AHEAD_MAX: usize = 4096;

/// What an image on another machine told of a volume: see the [module](super).
#[derive(Debug)]
pub struct Receiver {
    subscription: Subscription,
    migration: [u64; 2],
    image: String,
    /// The incarnation whose reports are applied.
    known: Option<Incarnation>,
    /// Those that it came after, in the life of this receiver.
    replaced: Vec<Incarnation>,
    /// Two machines answer under this name.
    is_double: bool,
    standing: Standing,
    /// Every report up to this number was applied; `None` before a question was answered in the life of this receiver.
    applied: Option<u64>,
    /// Reports behind a gap.
    ahead: BTreeSet<u64>,
    /// What was asked last.
    asked: Option<Question>,
    /// The answer to that.
    answer: Option<Answer>,
    /// Why it was not ready, when it answered last.
    unready: Option<String>,
    /// The order of the last question.
    order: u64,
    /// What it was when an incarnation was replaced.
    replaced_at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It may write.
    Present,
    /// It took leave: everything it wrote was reported, and nothing more comes.
    Left,
    /// The operator's word that it cannot write any more.
    Retired,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absorbed {
    /// A report was applied.
    Report {
        /// The acknowledgement, to be sent back.
        acknowledgement: Vec<u8>,
        /// How many tracks it named.
        track_count: u32,
    },
    /// The question asked last was answered.
    Answer,
    /// The same, by an incarnation that was not known: all is changed.
    NewIncarnation,
    /// The image took leave for good.
    Farewell {
        /// The acknowledgement, to be sent back when it is durable that nothing more is expected of it.
        acknowledgement: Vec<u8>,
    },
    /// Nothing was changed: why.
    PassedOver(&'static str),
}

impl Receiver {
    /// For a migration's subscription. `known` is the incarnation that an earlier life of the receiver knew, in the same
    /// life of the area; `life` is higher than that of every earlier life that asked anything.
    ///
    /// Error: [`Reason::BadImageName`](crate::error::Reason::BadImageName).
    pub fn new(
        subscription: &Subscription,
        migration: [u64; 2],
        image: &str,
        known: Option<Incarnation>,
        life: u32,
    ) -> Result<Receiver> {
        check_name(image)?;
        Ok(Receiver {
            subscription: subscription.clone(),
            migration,
            image: image.into(),
            known,
            replaced: Vec::new(),
            is_double: false,
            standing: Standing::Present,
            applied: None,
            ahead: BTreeSet::new(),
            asked: None,
            answer: None,
            unready: None,
            order: u64::from(life) << 32,
            replaced_at: 0,
        })
    }

    /// The subscription to which it is applied.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// The incarnation whose reports are applied.
    pub fn known(&self) -> Option<Incarnation> {
        self.known
    }

    /// Every report up to this number was applied.
    pub fn applied(&self) -> Option<u64> {
        self.applied
    }

    /// Whether the image took leave.
    pub fn has_left(&self) -> bool {
        self.standing == Standing::Left
    }

    /// Whether the image was retired.
    pub fn is_retired(&self) -> bool {
        self.standing == Standing::Retired
    }

    /// The operator's or the host's word that the image cannot write any more. What it wrote and did not report, nobody
    /// knows: all is changed. Whatever comes from it is refused from now on.
    pub fn retire(&mut self) {
        self.subscription.all_changed();
        self.standing = Standing::Retired;
    }

    /// The image took leave in an earlier life of the receiver.
    pub fn set_left(&mut self) {
        self.standing = Standing::Left;
    }

    /// Takes a report or an answer. What is not for this receiver, or comes too late to mean anything, is
    /// passed over.
    ///
    /// Error: [`Reason::BadMessage`](crate::error::Reason::BadMessage); then nothing has changed.
    pub fn absorb(&mut self, message: &[u8]) -> Result<Absorbed> {
        let envelope = Envelope::of(message)?;
        if envelope.migration != self.migration
            || envelope.image != self.image
            || envelope.volser != self.volser()
        {
            return Ok(Absorbed::PassedOver("it is not for this migration, image and volume"));
        }
        if self.standing == Standing::Retired {
            return Ok(Absorbed::PassedOver("the image was retired"));
        }
        if self.standing == Standing::Left {
            // It has not heard that it was heard.
            return Ok(Absorbed::Farewell { acknowledgement: self.acknowledgement(true) });
        }
        match envelope.kind {
            MessageKind::Report => self.absorb_report(envelope.body()?),
            MessageKind::Answer => self.absorb_answer(envelope.body()?),
            _ => Ok(Absorbed::PassedOver("it is none of those that an owner gets")),
        }
    }

    fn absorb_report(&mut self, report: Report) -> Result<Absorbed> {
        let track_count = self.subscription.area().identity().track_count;
        if report.track_count != track_count {
            return Ok(Absorbed::PassedOver("the volume has another size there"));
        }
        if self.known != Some(report.incarnation) {
            return Ok(Absorbed::PassedOver("it is of an incarnation that is not known"));
        }
        let extents = report.runs.extents(track_count)?;
        // The bits first: what is acknowledged is set.
        extents.iter().try_for_each(|extent| self.subscription.set_changed(*extent))?;
        if self.applied.is_none() {
            // It may be old, and its numbers with it.
            return Ok(Absorbed::PassedOver(
                "no question was answered yet, so it is not acknowledged",
            ));
        }
        self.advance(report.numbers, Some(report.numbers.last));
        Ok(Absorbed::Report {
            acknowledgement: self.acknowledgement(false),
            track_count: extents.iter().map(|extent| extent.track_count).sum(),
        })
    }

    /// Moves `applied` on as far as there is no gap.
    fn advance(&mut self, numbers: Numbers, number: Option<u64>) {
        // What another life of this receiver acknowledged is set in the area.
        let mut applied = self.applied.unwrap_or(numbers.forgotten);
        if numbers.forgotten > applied {
            // The sender forgot what was never applied here. It cannot be, and if it is, nobody knows what that was.
            self.subscription.all_changed();
            applied = numbers.forgotten;
        }
        applied = applied.max(numbers.base.saturating_sub(1));
        if let Some(number) = number.filter(|number| *number > applied)
            && (self.ahead.len() < AHEAD_MAX || number == applied.saturating_add(1))
        {
            self.ahead.insert(number);
        }
        while self.ahead.first().is_some_and(|next| *next <= applied.saturating_add(1)) {
            applied = self.ahead.pop_first().map_or(applied, |next| applied.max(next));
        }
        self.applied = Some(applied);
    }

    fn absorb_answer(&mut self, answer: Answer) -> Result<Absorbed> {
        if self.asked.as_ref().map(|question| question.nonce) != Some(answer.nonce) {
            return Ok(Absorbed::PassedOver("it answers a question that was not asked last"));
        }
        // An earlier life of this receiver may have asked more often, if its number was lost.
        self.order = self.order.max(answer.order);
        if self.known != Some(answer.incarnation) {
            return Ok(self.absorb_other(answer));
        }
        self.unready.clone_from(&answer.unready);
        self.advance(answer.numbers, None);
        let says_farewell = answer.farewell;
        self.answer = Some(answer);
        if says_farewell && self.not_quiet().is_none() {
            self.standing = Standing::Left;
            return Ok(Absorbed::Farewell { acknowledgement: self.acknowledgement(true) });
        }
        Ok(Absorbed::Answer)
    }

    /// Takes the answer of an incarnation that is not the known one.
    fn absorb_other(&mut self, answer: Answer) -> Absorbed {
        if self.replaced.contains(&answer.incarnation) {
            // One answer to a question may come from before a boot, and another from after it. Two that take turns do not.
            let asked = self.asked.as_ref().map_or(0, |question| question.order);
            self.is_double |= asked > self.replaced_at;
            return Absorbed::PassedOver("it is of an incarnation that was replaced");
        }
        self.unready.clone_from(&answer.unready);
        if answer.unready.is_some() {
            return Absorbed::Answer;
        }
        // What the new one wrote before it was subscribed, and what the old one did not report: all is changed. Then only
        // it is known.
        self.subscription.all_changed();
        self.replaced.extend(self.known.replace(answer.incarnation));
        self.replaced_at = self.order;
        self.ahead.clear();
        self.applied = None;
        self.advance(answer.numbers, None);
        self.answer = Some(answer);
        Absorbed::NewIncarnation
    }

    /// Asks whether anything of these tracks is in flight or unreported there, and wants them sealed, or nothing. Only the
    /// answer to this question counts from now on. With no tracks it only asks whether the image is there.
    pub fn question(&mut self, extents: &[Extent], seal: bool) -> Result<Vec<u8>> {
        let [high, low] = new_migration()?;
        let track_count = self.subscription.area().identity().track_count;
        self.order = self.order.saturating_add(1);
        let (order, runs) = (self.order, Runs::of(extents));
        let question = Question { nonce: (high, low), order, track_count, seal, runs };
        let message = self.message(MessageKind::Question, &question);
        (self.asked, self.answer) = (Some(question), None);
        Ok(message)
    }

    /// The question asked last once more, if it was not answered.
    pub fn repeated(&self) -> Option<Vec<u8>> {
        let is_open = self.standing == Standing::Present && self.answer.is_none();
        let question = self.asked.as_ref().filter(|_| is_open)?;
        Some(self.message(MessageKind::Question, question))
    }

    /// Whether the question asked last was answered, and what it wants sealed is sealed, and nothing else.
    pub fn is_obeyed(&self) -> bool {
        let pair = self.asked.as_ref().zip(self.answer.as_ref());
        pair.is_some_and(|(question, answer)| answer.order <= question.order)
    }

    /// Whether the question asked last was answered.
    pub fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// Why it is not certain that each of the image's writes becomes a changed track; `None` if it is.
    pub fn unready(&self) -> Option<String> {
        match (&self.unready, self.known) {
            _ if self.standing != Standing::Present => None,
            _ if self.is_double => Some(two_machines(&self.image)),
            (Some(why), _) => Some(format!("image {}: {why}", self.image)),
            (None, None) => Some(format!(
                "image {} has not answered yet; start `trackmirror monitor-agent` there",
                self.image
            )),
            (None, Some(_)) => None,
        }
    }

    /// What the answer to the last question leaves open: `None` says that nothing of the tracks that were asked for was in
    /// flight or unreported when it was answered. To be asked before this machine's own area is looked at.
    pub fn not_quiet(&self) -> Option<NotQuiet> {
        if self.standing != Standing::Present {
            return None;
        }
        let image = self.image.clone();
        if let Some(why) =
            self.unready.clone().or_else(|| self.is_double.then(|| two_machines(&image)))
        {
            return Some(NotQuiet::Elsewhere { image, why });
        }
        let Some(answer) = &self.answer else { return Some(NotQuiet::Unanswered { image }) };
        let why = match (&answer.unready, &answer.unquiet) {
            (Some(why), _) | (None, Some(why)) => why.clone(),
            (None, None) if self.known != Some(answer.incarnation) => "it began anew".into(),
            (None, None) if self.applied < Some(answer.numbers.last) => {
                format!("report {} has not come", answer.numbers.last)
            }
            (None, None) => return None,
        };
        Some(NotQuiet::Elsewhere { image, why })
    }

    fn volser(&self) -> Volser {
        Volser::from_bytes(self.subscription.area().identity().volser)
    }

    fn acknowledgement(&self, farewell: bool) -> Vec<u8> {
        let acknowledgement = Acknowledgement {
            incarnation: self.known.unwrap_or_default(),
            number: self.applied.unwrap_or(0),
            farewell,
        };
        self.message(MessageKind::Acknowledgement, &acknowledgement)
    }

    fn message(&self, kind: MessageKind, body: &impl Encode) -> Vec<u8> {
        Envelope::seal((self.migration, &self.image, self.volser()), kind, body)
    }
}

fn two_machines(image: &str) -> String {
    format!(
        "two machines answer as image {image}, so that nobody knows what either of them did not report; end one of them, \
         terminate the migration, and begin it anew with a name for each"
    )
}
