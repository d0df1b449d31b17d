//! Moves mainframe data sets between DASD volumes, track by track.

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
pub mod name;
pub mod registry;
pub mod state;
pub mod track;
pub mod translate;
pub mod verify;
pub mod volume;
pub mod vtoc;

pub use error::{Code, Error, Reason, Result};
pub use name::{DsMask, DsName, Volser};
