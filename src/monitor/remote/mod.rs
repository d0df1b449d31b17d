//! Images on other machines: how what they write becomes changed tracks here.
//!
//! The problem: a volume is written by several machines, each with a monitor area of its own; the machine that *owns* the
//! migration must know of every write of the others, over a channel that may lose, delay, double and reorder whatever is
//! sent, and each side may be restarted at any time.
//!
//! The rule is that of the areas, one machine further: a change flows
//!
//! ```text
//! slot there -> `changed` there -> `taken` there, in a report -> `changed` here -> `taken` here -> the target
//! ```
//!
//! the next place is set before the one before it is cleared, and every check scans in this direction. So the sender is
//! nothing but a [`Subscription`](super::Subscription) of the migration in its machine's area: what it takes is a report, what is acknowledged is
//! done. Four calls carry it over any channel:
//!
//! | call | where | does |
//! |---|---|---|
//! | [`Reporter::report`] | there | what is newly changed, as bytes |
//! | [`Receiver::absorb`] | here | applies them; gives back the bytes of an acknowledgement |
//! | [`Reporter::acknowledge`] | there | forgets what was applied |
//! | [`Receiver::question`], [`Reporter::answer`] | here, there | the barrier: is nothing in flight or unreported? |
//!
//! *Numbers.* Each report has a number that is never given twice, also by a sender that was restarted: it is counted in the
//! area. Applied is what was applied without a gap, and only that is acknowledged. A sender that waits too long reports
//! all that is not acknowledged once more, under new numbers, and says from which number on all of it is there (`base`), so that
//! the receiver need not wait for what was lost. A report that comes twice, late or out of order sets bits again: that costs
//! time, and nothing else.
//!
//! *Incarnations.* An area ends with the machine's boot, and with it everything that was noticed and not reported. So each
//! life of a subscription has a name, which was never heard before. It becomes known here only by an answer to the
//! question that was asked last (an old answer must not bring back an old incarnation), and only when every write that began
//! before it has ended there; then *all is changed first*, and it is known afterwards. One that was replaced and comes back is a
//! second machine under the same name: nothing is certain any more. So is a machine on which somebody writes whom no monitor
//! watches: as soon as he is gone, it is another incarnation.
//!
//! *The barrier.* Silence says nothing, and that somebody was heard a moment ago says nothing either. Before the
//! window closes, every other machine answers a question that nobody could have answered before it was asked: slots,
//! `changed` and `taken` were seen empty there, in this order, for the tracks of the plan. Only behind that does this machine look at its
//! own. What it wants sealed is sealed there by the same question; so questions have an order, which outlives both sides'
//! processes, and one that was overtaken opens nothing.
//!
//! *Leaving.* An image that is not wanted any more says so in the answer to a question, when everything on its machine is
//! sealed, reported and acknowledged. From then on nothing is heard of it, as if it had been retired, but nothing has to be
//! copied again either. That it writes no more is its operator's word.
//!
//! *Crashes.* A sender that dies leaves `taken`: whoever takes the subscription up reports it again. A receiver that dies has
//! set its bits in an area that outlives it, before it acknowledged them; where the area is gone, everything is changed
//! anyway. So neither side writes anything to a disk, and an acknowledgement that arrives late is true for ever.
//!
//! *Caches.* A program on the other machine may have written to that machine's cache. The sender flushes the volume between
//! taking and sending, and before it says that it is ready: what is reported, or was written before, can be read by others.
//!
//! ```
//! use trackmirror::geometry::{Extent, Track};
//! use trackmirror::monitor::remote::{Absorbed, Receiver, Reporter};
//! use trackmirror::monitor::{Area, Identity, Image, Kind, Subscription};
//! # fn main() -> trackmirror::Result<()> {
//! # let identity = Identity { track_count: 1000, ..Identity::unknown() };
//! let (there, here) = (Area::in_process(identity)?, Area::in_process(identity)?);
//! let migration = [1, 2];
//! let subscription = Subscription::open(&here, migration)?;
//! let mut receiver = Receiver::new(&subscription, migration, "SYSB", None, 1)?;
//! let mut reporter = Reporter::open(&there, migration, "SYSB")?;
//! let flush = || Ok(()); // or: || volume.flush()
//!
//! // The first answer makes the other machine known. What it wrote before, nobody knows: all is changed.
//! let answer = reporter.answer(&receiver.question(&[], false)?, None, flush)?.unwrap();
//! assert_eq!(receiver.absorb(&answer)?, Absorbed::NewIncarnation);
//! subscription.clear_marks(Extent::new(Track(0), 1000))?; // as if it were copied
//!
//! // A write there is a changed track here.
//! let image = Image::register(&there, "PAYROLL", Kind::Brackets)?;
//! image.write(Extent::new(Track(107), 1), || ())?;
//! let report = reporter.report(32 << 10, flush)?.unwrap();
//! if let Absorbed::Report { acknowledgement, .. } = receiver.absorb(&report)? {
//!     assert_eq!(subscription.changed_count(Extent::new(Track(107), 1))?, 1);
//!     reporter.acknowledge(&acknowledgement)?;
//! }
//!
//! // The barrier, for the tracks that are moved, sealed there from now on.
//! let extents = [Extent::new(Track(100), 30)];
//! let answer = reporter.answer(&receiver.question(&extents, true)?, None, flush)?.unwrap();
//! receiver.absorb(&answer)?;
//! assert_eq!(receiver.not_quiet(), None);
//! assert!(image.write(extents[0], || ()).is_err());
//! # Ok(())
//! # }
//! ```

mod message;
mod receiver;
mod reporter;

pub(crate) use message::take_order;
pub use message::{Envelope, Incarnation, MESSAGE_LENGTH_MAX, MessageKind};
pub use receiver::{Absorbed, Receiver};
pub use reporter::Reporter;
pub(crate) use reporter::check_name;

#[cfg(test)]
mod tests;
