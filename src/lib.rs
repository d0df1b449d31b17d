//! Moves mainframe data sets between DASD volumes, track by track.

pub mod assess;
pub mod bytes;
pub mod catalog;
pub mod changed;
pub mod checkpoint;
pub mod clock;
pub mod copy;
pub mod dscb;
pub mod error;
pub mod event;
pub mod geometry;
pub mod host;
pub mod migrate;
pub mod name;
pub mod plan;
pub mod registry;
pub mod state;
pub mod switch;
pub mod track;
pub mod translate;
pub mod verify;
pub mod volume;
pub mod vtoc;

pub use catalog::Catalog;
pub use clock::Clock;
pub use error::{Code, Error, Reason, Result};
pub use host::Host;
pub use migrate::Migration;
pub use name::{DsMask, DsName, Volser};
pub use volume::Volume;
pub use vtoc::SpaceManager;
