//! The C ABI: all of the library for programs in C, and in assembler. `include/trackmirror.h` is made of these files, and
//! `include/trackmirror.mac` of that.
//!
//! | file | what |
//! |---|---|
//! | `boundary` | what every function does first and last: handles, structures, texts, panics |
//! | `error` | the error block |
//! | `extent` | a run of tracks |
//! | `functions` | the list of all functions, their aliases, the call by a list of addresses |
//! | `host` | the ports bundled |
//! | `assess`, `changes`, `plan`, `translate`, `changed`, `copy`, `verify` | the parts alone |
//! | `migration`, `told`, `tuning` | the whole migration; what it tells; what may be changed while it runs |
//! | `monitor`, `image`, `subscription` | monitors |
//! | `remote`, `receiver`, `agent` | what goes between machines |
//! | `volume` | volumes: image files, memory, the host's own |
//! | `space`, `catalog`, `enqueue`, `checkpoint`, `clock`, `events`, `channel` | ports that are the host's own |
//! | `tables` | what the host's tables of functions have in common; sinks |
//!
//! Types are written as C spells them, so that header and source read the same. Whoever writes Rust has no use for any of
//! this.
//!
//! # The manual
//! It stands at the beginning of the header, too.
#![doc = include_str!("manual.md")]
#![allow(unsafe_code)]
#![allow(non_camel_case_types)]

mod agent;
mod assess;
mod boundary;
mod catalog;
mod changed;
mod changes;
mod channel;
mod checkpoint;
mod clock;
mod copy;
mod defect;
mod enqueue;
mod error;
mod events;
mod extent;
mod functions;
mod host;
mod image;
mod migration;
mod monitor;
mod plan;
mod receiver;
mod remote;
mod space;
mod subscription;
mod tables;
mod told;
mod translate;
mod tuning;
mod verify;
mod volume;

pub use agent::*;
pub use assess::*;
pub use catalog::*;
pub use changed::*;
pub use changes::*;
pub use channel::*;
pub use checkpoint::tmr_checkpoint_functions;
pub use clock::*;
pub use copy::*;
#[cfg(feature = "sim-defects")]
pub use defect::while_calls_panic;
pub use enqueue::*;
pub use error::{TMR_ERROR_CAN_PASS, TMR_NO_TRACK, tmr_error};
pub use events::*;
pub use extent::*;
pub use functions::{FUNCTIONS, Function};
pub use host::*;
pub use image::*;
pub use migration::*;
pub use monitor::*;
pub use plan::*;
pub use receiver::*;
pub use remote::*;
pub use space::*;
pub use subscription::*;
pub use tables::*;
pub use told::*;
pub use translate::*;
pub use tuning::*;
pub use verify::*;
pub use volume::*;

/// Done.
pub const TMR_DONE: i32 = 0;
/// Done with remarks, or there is more to do: call again.
pub const TMR_MORE: i32 = 4;
/// Refused; nothing was changed.
pub const TMR_REFUSED: i32 = 8;
/// The environment failed; it can be called again, or resumed.
pub const TMR_ENVIRONMENT: i32 = 12;
/// The library failed. The handle can only be closed.
pub const TMR_INTERNAL: i32 = 16;
