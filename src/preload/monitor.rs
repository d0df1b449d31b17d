//! The files of the library that a monitor is made of, as they are.

#![allow(dead_code, unused_imports)] // The owner's side is not used here.

#[path = "../registry/areas.rs"]
pub mod areas;
#[path = "../changed/shared.rs"]
pub mod bits;
#[path = "../monitor/file.rs"]
pub mod file;
#[path = "../monitor/flow.rs"]
pub mod flow;
#[path = "../monitor/layout.rs"]
pub mod layout;
#[path = "../monitor/map.rs"]
pub mod map;
#[path = "../monitor/program.rs"]
pub mod program;
#[path = "../monitor/seat.rs"]
pub mod seat;

/// The atomics of what is shared.
pub mod sync {
    pub use std::sync::atomic::{AtomicU64, Ordering, fence};
}
