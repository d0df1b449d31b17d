//! Images on other machines, over any channel.
//!
//! What the machines tell each other, and why nothing is lost, is told in [`monitor::remote`](crate::monitor::remote).

mod agent;
mod enqueue;
mod machine;
mod order;
#[cfg(feature = "redis")]
pub mod redis;

pub use agent::{Agent, Counts, EnqueueOf, Service};
pub use enqueue::MachineEnqueue;
pub use machine::{Machine, MachineReport, Presence};

#[cfg(feature = "redis")]
pub use self::redis::{PASSWORD_VARIABLE, RedisChannel, RedisServer};

use crate::error::Result;
use std::fmt;

/// Carries messages to the other side and back. It may lose, delay, double and reorder them: that costs time, and
/// nothing else.
///
/// Both calls are made between the steps of a migration, and in its window: one that may take long belongs into a thread of
/// the host's, with queues between.
pub trait Channel: Send + Sync + fmt::Debug {
    /// Hands one message over. It does not wait for its arrival, and an error need not be the last word: what matters is
    /// sent again.
    fn send(&self, message: &[u8]) -> Result<()>;

    /// What has come since the last call, in any order. It does not wait.
    fn receive(&self) -> Result<Vec<Vec<u8>>>;
}
