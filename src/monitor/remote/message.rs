//! What machines tell each other of a volume's changes: the form of the messages.
//!
//! All numbers are big-endian; texts, lists and byte strings begin with a 32-bit length ([`Encode`]).
//!
//! ```text
//! head   "TMRM", version (1 byte), kind (1 byte), migration (2 x 8 bytes), image (text),
//!        volume serial (6 bytes EBCDIC; zeros if the message is of no volume)
//! body   a byte string, by kind:
//!   1 report            incarnation (2 x 8), number, base, forgotten (8 each), tracks of the volume (4), runs
//!   2 acknowledgement   incarnation (2 x 8), number (8), farewell (1)
//!   3 question          nonce (2 x 8), order (8), tracks of the volume (4), seal (1), runs
//!   4 answer            nonce, incarnation (2 x 8 each), number, base, forgotten (8 each), order (8), farewell (1),
//!                       why it is not ready, why it is not quiet (each: 1 byte whether, text)
//!   5 order             nonce (2 x 8), order (8), stage (1: 0 open, 1 asked, 2 held, 3 ended, 4 told), owner (text),
//!                       data set names (list of 44 bytes), volumes (list of 6 bytes)
//!   6 openers           nonce (2 x 8), order (8), trouble (1 byte whether, text), list of: image, program (texts),
//!                       process (1 byte whether, 4), data set (1 byte whether, 44)
//! end    CRC-32C of all that comes before (4 bytes)
//!
//! runs   a byte string: for each run of tracks, in ascending order, how many tracks lie between the end of the last
//!        one and this one, and how many it has. Each number as groups of seven bits, the lowest first; the high bit
//!        says that another group follows.
//! ```
//!
//! A message is believed as little as any input: what is not of this form is [`Reason::BadMessage`].

use crate::bytes::{Decoder, Encode, Encoder, crc32c, encoded};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::name::Volser;

const MAGIC: [u8; 4] = *b"TMRM";
const VERSION: u8 = 1;
/// No message is longer.
pub const MESSAGE_LENGTH_MAX: usize = 1 << 20;

/// The name of a subscription's life on a machine: another one after each boot, and whenever it began anew.
pub type Incarnation = (u64, u64);

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Tracks that changed.
    Report = 1,
    /// Up to which number reports were applied.
    Acknowledgement = 2,
    /// Whether anything is in flight or unreported.
    Question = 3,
    /// The answer to a question.
    Answer = 4,
    /// To close data sets, hold them, or let them be opened.
    Order = 5,
    /// Who has them open: the answer to an order.
    Openers = 6,
}

/// A message with its head, as it goes over a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The migration that it is of.
    pub migration: [u64; 2],
    /// The image that sends it, or is to get it.
    pub image: String,
    /// The volume; zeros if it is of none.
    pub volser: Volser,
    /// What it is.
    pub kind: MessageKind,
    /// The rest, by kind.
    pub body: Vec<u8>,
}

impl Envelope {
    /// The bytes of a message with this head and body.
    pub fn seal(
        (migration, image, volser): ([u64; 2], &str, Volser),
        kind: MessageKind,
        body: &impl Encode,
    ) -> Vec<u8> {
        Envelope { migration, image: image.into(), volser, kind, body: encoded(body) }.to_bytes()
    }

    /// The bytes to be sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Encoder::new();
        to.put(&MAGIC);
        to.put(&VERSION);
        to.put(&(self.kind as u8));
        to.put(&(self.migration[0], self.migration[1]));
        to.put(&self.image);
        to.put(&self.volser);
        to.bytes(&self.body);
        let mut bytes = to.into_bytes();
        let crc = crc32c(0, &bytes);
        bytes.extend(crc.to_be_bytes());
        bytes
    }

    /// Reads a message.
    ///
    /// Error: [`Reason::BadMessage`].
    pub fn of(bytes: &[u8]) -> Result<Envelope> {
        let damaged = || bad("it is damaged, or none");
        if bytes.len() > MESSAGE_LENGTH_MAX {
            return Err(bad("it is too long"));
        }
        let (content, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        if !content.starts_with(&MAGIC) || crc32c(0, content) != u32::from_be_bytes(*crc) {
            return Err(damaged());
        }
        let mut from = Decoder::new(&content[MAGIC.len()..]);
        if from.get::<u8>()? != VERSION {
            return Err(bad("it is of another release; use the same one on all machines"));
        }
        let kind = match from.get::<u8>()? {
            1 => MessageKind::Report,
            2 => MessageKind::Acknowledgement,
            3 => MessageKind::Question,
            4 => MessageKind::Answer,
            5 => MessageKind::Order,
            6 => MessageKind::Openers,
            _ => return Err(bad("it is of a kind that this release does not know")),
        };
        let mut rest = || -> Result<Envelope> {
            let (high, low): (u64, u64) = from.get()?;
            let (image, volser) = (from.get()?, from.get()?);
            let body = from.bytes()?.to_vec();
            Ok(Envelope { migration: [high, low], image, volser, kind, body })
        };
        let envelope = rest().map_err(|_| damaged())?;
        if from.is_empty() { Ok(envelope) } else { Err(damaged()) }
    }

    /// The body as what its kind says.
    ///
    /// Error: [`Reason::BadMessage`].
    pub fn body<T: Encode>(&self) -> Result<T> {
        let mut from = Decoder::new(&self.body);
        let body = from.get().map_err(|_| bad("its content is damaged"))?;
        if from.is_empty() { Ok(body) } else { Err(bad("there is something behind its content")) }
    }
}

fn bad(why: &str) -> Error {
    Error::new(Reason::BadMessage, format!("a message of another machine was passed over: {why}"))
}

/// No order and no number is higher: there is always a next one, and none that was made up can end them.
pub(crate) const ORDER_MAX: u64 = u64::MAX >> 1;

/// Reads an order.
pub(crate) fn take_order(from: &mut Decoder<'_>) -> Result<u64> {
    from.get().and_then(|order| match order {
        0..=ORDER_MAX => Ok(order),
        _ => Err(bad("its order is none that is given")),
    })
}

/// Where a sender's numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The last number given.
    pub last: u64,
    /// What was reported below it and is not acknowledged is contained again in what is reported from it on.
    pub base: u64,
    /// The highest number that was acknowledged to the sender, as far as it remembers.
    pub forgotten: u64,
}

impl Encode for Numbers {
    fn encode(&self, to: &mut Encoder) {
        [self.last, self.base, self.forgotten].iter().for_each(|number| to.put(number));
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Numbers> {
        let numbers = Numbers { last: from.get()?, base: from.get()?, forgotten: from.get()? };
        let Numbers { last, base, forgotten } = numbers;
        // No sender gives such: believed, they would keep the numbers that follow from being applied.
        if last > ORDER_MAX || base > last + 1 || forgotten > last {
            return Err(bad("its numbers contradict each other"));
        }
        Ok(numbers)
    }
}

/// Tracks that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub incarnation: Incarnation,
    /// The report's own number is the last.
    pub numbers: Numbers,
    pub track_count: u32,
    pub runs: Runs,
}

impl Encode for Report {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.incarnation);
        to.put(&self.numbers);
        to.put(&self.track_count);
        to.put(&self.runs);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Report> {
        Ok(Report {
            incarnation: from.get()?,
            numbers: from.get()?,
            track_count: from.get()?,
            runs: from.get()?,
        })
    }
}

/// Up to which number all reports were applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledgement {
    pub incarnation: Incarnation,
    pub number: u64,
    /// The farewell was heard.
    pub farewell: bool,
}

impl Encode for Acknowledgement {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.incarnation);
        to.put(&self.number);
        to.put(&self.farewell);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Acknowledgement> {
        let (incarnation, number) = (from.get()?, from.get()?);
        Ok(Acknowledgement { incarnation, number, farewell: from.get()? })
    }
}

/// Whether anything of these tracks is in flight or unreported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub nonce: (u64, u64),
    /// Higher than that of every question asked before.
    pub order: u64,
    pub track_count: u32,
    /// These tracks are to be sealed, and no others.
    pub seal: bool,
    pub runs: Runs,
}

impl Encode for Question {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.nonce);
        to.put(&self.order);
        to.put(&self.track_count);
        to.put(&self.seal);
        to.put(&self.runs);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Question> {
        Ok(Question {
            nonce: from.get()?,
            order: take_order(from)?,
            track_count: from.get()?,
            seal: from.get()?,
            runs: from.get()?,
        })
    }
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub nonce: (u64, u64),
    pub incarnation: Incarnation,
    pub numbers: Numbers,
    /// The highest order that was seen.
    pub order: u64,
    /// Everything is sealed there by the image itself, and if it is quiet, nothing more will come.
    pub farewell: bool,
    /// Why it is not certain that every write is noticed there.
    pub unready: Option<String>,
    /// What of the tracks is in flight or not acknowledged.
    pub unquiet: Option<String>,
}

impl Encode for Answer {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.nonce);
        to.put(&self.incarnation);
        to.put(&self.numbers);
        to.put(&self.order);
        to.put(&self.farewell);
        to.put(&self.unready);
        to.put(&self.unquiet);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Answer> {
        Ok(Answer {
            nonce: from.get()?,
            incarnation: from.get()?,
            numbers: from.get()?,
            order: take_order(from)?,
            farewell: from.get()?,
            unready: from.get()?,
            unquiet: from.get()?,
        })
    }
}

/// Runs of tracks in ascending order, as they are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    bytes: Vec<u8>,
    /// What was put in last, and is not in the bytes yet: it may grow.
    open: Option<Extent>,
    /// Where the run before it ended.
    end: u32,
}

impl Runs {
    /// Of extents in any order, which may touch or overlap.
    pub fn of(extents: &[Extent]) -> Runs {
        let mut sorted: Vec<Extent> =
            extents.iter().copied().filter(|extent| extent.track_count > 0).collect();
        sorted.sort_unstable_by_key(|extent| extent.first);
        let mut runs = Runs::default();
        sorted.into_iter().for_each(|extent| runs.push(extent));
        runs
    }

    /// Adds a run that begins nowhere before the last one.
    pub fn push(&mut self, run: Extent) {
        match &mut self.open {
            Some(open) if run.first <= open.end() => {
                let end = open.end().max(run.end());
                open.track_count = end.since(open.first);
            }
            _ => {
                self.close();
                self.open = Some(run);
            }
        }
    }

    fn close(&mut self) {
        if let Some(run) = self.open.take() {
            put_number(&mut self.bytes, run.first.0 - self.end);
            put_number(&mut self.bytes, run.track_count);
            self.end = run.end().0;
        }
    }

    /// How many bytes it has, or a few more.
    pub fn length(&self) -> usize {
        self.bytes.len() + 10
    }

    /// The runs, if all lie on a volume of so many tracks.
    pub fn extents(&self, track_count: u32) -> Result<Vec<Extent>> {
        let outside = || bad("it names tracks that the volume does not have");
        let (mut bytes, mut extents, mut end) = (self.bytes.as_slice(), Vec::new(), 0u32);
        while !bytes.is_empty() {
            let first = end.checked_add(take_number(&mut bytes)?).ok_or_else(outside)?;
            let count = take_number(&mut bytes)?;
            end = first.checked_add(count).filter(|&end| end <= track_count).ok_or_else(outside)?;
            extents.push(Extent::new(Track(first), count));
        }
        extents.extend(self.open);
        Ok(extents)
    }
}

impl Encode for Runs {
    fn encode(&self, to: &mut Encoder) {
        let mut whole = self.clone();
        whole.close();
        to.bytes(&whole.bytes);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Runs> {
        Ok(Runs { bytes: from.bytes()?.to_vec(), ..Runs::default() })
    }
}

fn put_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Result<u32> {
    let mut number = 0u64;
    for place in 0..5 {
        let (&byte, rest) = bytes.split_first().ok_or_else(|| bad("its runs are cut"))?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return u32::try_from(number).map_err(|_| bad("a number in it is too large"));
        }
    }
    Err(bad("a number in it is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn envelope(body: Vec<u8>) -> Envelope {
        Envelope {
            migration: [1, 2],
            image: "SYSB".into(),
            volser: Volser::from_bytes([0xE5; 6]),
            kind: MessageKind::Report,
            body,
        }
    }

    #[test]
    fn the_form_of_a_report_stays() {
        let report = Report {
            incarnation: (3, 4),
            numbers: Numbers { last: 7, base: 6, forgotten: 5 },
            track_count: 1000,
            runs: Runs::of(&[Extent::new(Track(300), 2), Extent::new(Track(5), 1)]),
        };
        let bytes = envelope(crate::bytes::encoded(&report)).to_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "544d524d0101\
             00000000000000010000000000000002\
             0000000453595342e5e5e5e5e5e5\
             00000035\
             00000000000000030000000000000004\
             000000000000000700000000000000060000000000000005\
             000003e8\
             000000050501a60202";
        assert_eq!(hex[..hex.len() - 8], *expected);
        assert_eq!(Envelope::of(&bytes).unwrap().body::<Report>().unwrap(), {
            let mut sent = report;
            sent.runs.close();
            sent.runs.end = 0;
            sent
        });
    }

    #[test]
    fn what_is_cut_or_changed_anywhere_is_refused() {
        let bytes = envelope(vec![1, 2, 3]).to_bytes();
        assert_eq!(Envelope::of(&bytes).unwrap(), envelope(vec![1, 2, 3]));
        for length in 0..bytes.len() {
            let error = Envelope::of(&bytes[..length]).unwrap_err();
            assert_eq!(error.reason(), Reason::BadMessage);
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            assert_eq!(Envelope::of(&changed).unwrap_err().reason(), Reason::BadMessage);
        }
        assert!(Envelope::of(&vec![0; MESSAGE_LENGTH_MAX + 1]).is_err());
    }

    #[test]
    fn a_million_scattered_changes_are_two_bytes_each() {
        let mut runs = Runs::default();
        (0..1_000_000).for_each(|n| runs.push(Extent::new(Track(n * 17), 1)));
        assert_eq!(runs.length(), 2 * (1_000_000 - 1) + 10);
    }

    proptest! {
        #[test]
        fn runs_come_back(list in prop::collection::vec((0u32..5000, 0u32..200), 0..60)) {
            let extents: Vec<Extent> =
                list.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
            let bytes = crate::bytes::encoded(&Runs::of(&extents));
            let runs: Runs = Decoder::new(&bytes).get().unwrap();
            let back = runs.extents(5200).unwrap();
            let mut set = crate::changed::TrackSet::new(5200);
            extents.iter().for_each(|extent| set.set(*extent).unwrap());
            prop_assert_eq!(back, set.runs().collect::<Vec<_>>());
            if let Some(last) = set.runs().last() {
                prop_assert!(runs.extents(last.end().0 - 1).is_err());
            }
        }

        #[test]
        fn whatever_runs_and_bodies_hold_nothing_breaks(bytes in any::<Vec<u8>>(), tracks in any::<u32>()) {
            let runs = Runs { bytes: bytes.clone(), ..Runs::default() };
            if let Ok(extents) = runs.extents(tracks) {
                prop_assert!(extents.iter().all(|extent| extent.end().0 <= tracks));
            }
            let envelope = envelope(bytes);
            let _ = envelope.body::<Report>();
            let _ = envelope.body::<Question>();
            let _ = envelope.body::<Answer>();
        }
    }
}
