//! `trackmirror` moves mainframe data sets between DASD volumes, track by track.
//!
//! A data set is assessed (catalog, VTOC), space is allocated for it on other volumes under the same name, its tracks
//! are copied there, the catalog is made to point to them, and the source is scratched or kept. Whatever is interrupted,
//! whenever, every name leads to one complete copy, and the migration can be taken up again.
//!
//! | to | see |
//! |---|---|
//! | move data sets from one volume to another | [`migrate`] |
//! | know what a data set is, and what forbids moving it | [`assess`](mod@assess) |
//! | find space for data sets on volumes | [`plan`](mod@plan) |
//! | know where a track goes | [`translate`] |
//! | keep sets of tracks | [`changed`] |
//! | copy tracks, so that it can be stopped and gone on with | [`copy`] |
//! | say how fast to copy | [`pace`] |
//! | know how long the data sets would be taken away, and whether copying catches up | [`estimate`] |
//! | compare two copies | [`verify`](mod@verify) |
//! | read, check, initialise or change a VTOC | [`vtoc`] |
//! | read or change an OS CVOL | [`catalog`] |
//! | read and write volume images | [`volume`] |
//! | tell which tracks a program writes, and ask for it | [`monitor`] |
//! | tell which data sets a program has open, and be asked to close them | [`registry::openers`], [`enqueue`] |
//! | let a running system change its own volumes | [`operator`] |
//! | count programs that tell nobody as openers | [`untold`] |
//! | call all of it from C or assembler | [`ffi`] |
//! | rehearse in simulated worlds in which everything fails | `sim` (feature "sim") |
//!
//! The main job, without its events and options, which [`migrate`] tells of:
//!
//! ```no_run
//! use trackmirror::checkpoint::FileStore;
//! use trackmirror::migrate::{Migration, MoveOptions, Selection, propose};
//! use trackmirror::volume::{self, Access};
//! use trackmirror::{Host, plan::Mode};
//!
//! # fn main() -> trackmirror::Result<()> {
//! let host = Host::of_volumes(volume::open_all(&["old.ckd", "new.ckd"], Access::Exclusive)?)?;
//! let (plan, refusals) = propose(&host, &Selection {
//!     masks: &["TEST.**".parse()?],
//!     sources: &["OLD001".parse()?], // volume serials, as the labels of the images have them
//!     targets: &["NEW001".parse()?],
//!     mode: Mode::OnePrimary,
//!     uncataloged: false,
//!     slack: 0,
//! })?;
//! assert!(refusals.is_empty(), "{refusals:?}"); // or move the others: the plan has them alone
//! let store = FileStore::open("state".as_ref())?; // a folder for this migration alone
//! let mut migration = Migration::new(host, plan, MoveOptions::default(), store, Some("state".into()))?;
//! while let Some(verb) = migration.next_verb() {
//!     migration.perform(verb, 1500)?; // at most 1500 tracks, then it is your turn again
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The outside is reached through ports, and each may be replaced singly: [`Volume`], [`SpaceManager`], [`Catalog`],
//! [`Enqueue`], [`CheckpointStore`], [`Clock`]; a [`Host`] bundles them. The library starts no thread that outlives a call and keeps no
//! global state.

pub mod assess;
pub mod bytes;
pub mod catalog;
pub mod changed;
pub mod checkpoint;
pub mod clock;
pub mod copy;
mod defect;
pub mod dscb;
pub mod enqueue;
pub mod error;
pub mod estimate;
pub mod event;
pub mod ffi;
pub mod geometry;
pub mod host;
pub mod migrate;
pub mod monitor;
pub mod name;
pub mod operator;
pub mod pace;
pub mod plan;
pub mod registry;
pub mod remote;
#[cfg(feature = "sim")]
pub mod sim;
pub mod state;
pub mod switch;
pub mod track;
pub mod translate;
pub mod untold;
pub mod verify;
pub mod volume;
pub mod vtoc;

pub use catalog::Catalog;
pub use checkpoint::CheckpointStore;
pub use clock::Clock;
pub use enqueue::Enqueue;
pub use error::{Code, Error, Reason, Result};
pub use host::Host;
pub use migrate::Migration;
pub use name::{DsMask, DsName, Volser};
pub use volume::Volume;
pub use vtoc::SpaceManager;
