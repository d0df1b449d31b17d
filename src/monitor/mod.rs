//! Monitors: which tracks of a volume are written, by whichever programs, while a migration copies them.
//!
//! Each volume has one [`Area`]: memory that all programs share that write the volume, beside the volume and longer
//! lived than any migration. A program that writes registers in it as an [`Image`] under a name, and tells of each write
//! when it begins and when it has ended; for a Rust program that is one line, [`MonitoredVolume::open`]. A migration
//! has a [`Subscription`] in it: two bitmaps, `changed` and `taken`, from which it takes its work.
//!
//! ```
//! use trackmirror::geometry::{Device, Extent, Geometry, Track};
//! use trackmirror::monitor::{Area, Identity, Image, Kind, Subscription};
//! # fn main() -> trackmirror::Result<()> {
//! let identity = Identity { track_count: 1000, ..Identity::unknown() };
//! let area = Area::in_process(identity)?;
//! let image = Image::register(&area, "WRITER1", Kind::Brackets)?;
//!
//! // A migration of 30 tracks: at first all of them are its work.
//! let extents = [Extent::new(Track(100), 30)];
//! let subscription = Subscription::open(&area, [1, 2])?;
//! assert!(subscription.pending_write()?.is_none());
//! subscription.fill(&extents)?;
//! let batch = subscription.take(extents[0])?;
//! assert_eq!(batch.track_count(), 30);
//! batch.done(); // when the tracks are copied, and durable at the target
//!
//! // A write is work again, but only where it wrote.
//! image.write(Extent::new(Track(107), 2), || ())?;
//! assert_eq!(subscription.next_work(extents[0], 10)?, Some(Extent::new(Track(107), 2)));
//! # Ok(())
//! # }
//! ```
//!
//! | file | has |
//! |---|---|
//! | `layout` | where everything lies in an area |
//! | `flow` | the rules: slot, changed, taken; begin, end, take, done |
//! | `map` | the memory, the kernel's locks: all that is `unsafe` |
//! | `file` | the area's file: found, made, made anew |
//! | `seat` | an image's registration, life and death |
//! | `program` | which programs that were started with a monitor have written a volume, and still live |
//! | `area`, `image`, `owner`, `volume` | the same with this library's errors and types |
//! | [`remote`] | what images on other machines write |
//!
//! The files down to `seat` use nothing else of this library but `changed::shared`, so that a monitor can be built from
//! them that is loaded into programs.

mod area;
mod file;
mod flow;
mod image;
mod layout;
mod map;
mod owner;
pub mod program;
pub mod remote;
mod seat;
#[cfg(feature = "sim")]
mod simulated;
mod volume;

use crate::changed::{shared as bits, sync};

pub use area::{Area, ImageReport, SubscriptionReport};
pub(crate) use flow::Refusal;
pub use flow::{Begun, Kind, Reaped, Standing};
pub use image::Image;
pub use layout::Identity;
pub use map::{CLAIM_WORDS, Locks, Memory};
pub use owner::{Batch, NotQuiet, Subscription};
pub(crate) use seat::Stray;
pub use volume::MonitoredVolume;

/// A name for a migration that no other has, for its [subscriptions](Subscription::open).
pub fn new_migration() -> crate::Result<[u64; 2]> {
    map::random_id().map_err(|e| crate::Error::io("cannot make the name of a migration", &e))
}

#[cfg(test)]
mod tests;
