//! The simulator: migrations in worlds that are made from a seed.
//!
//! # The problem
//! A migration shares its volumes with everybody: applications write while it copies, owners extend, rename and delete,
//! images die, stop and fall silent, disks fail, processes are killed, machines lose power. Each of these may come
//! between any two operations. No test that somebody thinks of has them all, and none that runs on a real system happens
//! the same way twice.
//!
//! # The rule
//! A run depends on its [`Story`] and on nothing else: on the world at first, and on what happens at which operation. It
//! runs in one thread, on volumes in memory, by a clock of its own. The library that it runs is the one that you
//! use: nothing of it is replaced but what it reaches through its ports.
//!
//! The oracle knows every write that reached its data set, and every name. Whenever somebody may open a data set, and in
//! the end, it demands that the name leads to one complete copy, that VTOCs and catalog are sound and nothing is
//! left over, and that everything was told in the order that the method asks for.
//!
//! ```
//! // How a vendor rehearses: some seeds, and what they exercised.
//! use trackmirror::sim::{Counts, rehearse};
//! let mut counts = Counts::default();
//! for seed in 0..5 {
//!     let report = rehearse(seed);
//!     assert!(report.wrong.is_none(), "{report}");
//!     counts.add(&report.counts);
//! }
//! assert_eq!(counts.runs, 5);
//! ```

mod cast;
mod changes;
mod content;
mod counts;
mod desk;
mod disk;
mod driver;
mod guest;
mod oracle;
mod order;
mod random;
mod scene;
mod shrink;
mod story;
mod words;
mod world;
mod writes;

#[cfg(feature = "sim-defects")]
pub use crate::defect::Defect;
pub use counts::Counts;
pub use shrink::shrunk;
pub use story::{Act, Fate, Setup, Story, When};

use crate::state::State;
use driver::Driver;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The story.
    pub story: Story,
    /// What is as it must not be.
    pub wrong: Option<String>,
    /// Everything that was seen and done, as one number: the same for the same story.
    pub hash: u32,
    /// The same in words, if it was asked for.
    pub log: Vec<String>,
    /// What was exercised.
    pub counts: Counts,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.story)?;
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        match &self.wrong {
            Some(wrong) => write!(f, "seed {}: {wrong}", self.story.seed),
            None => write!(f, "seed {}: all is well", self.story.seed),
        }
    }
}

/// Runs the story of a seed.
pub fn rehearse(seed: u64) -> Report {
    run(&Story::of(seed), false)
}

/// Runs a story; with `keeps_log` the report tells everything.
pub fn run(story: &Story, keeps_log: bool) -> Report {
    let built = scene::build(&story.setup);
    let (disks, cast) = match built {
        Ok(built) => built,
        Err(error) => {
            let wrong = Some(format!("the world cannot be made: {error}"));
            let (story, log, counts) = (story.clone(), Vec::new(), Counts::default());
            return Report { story, wrong, hash: 0, log, counts };
        }
    };
    let world = World::new(story, disks, cast, keeps_log);
    world.count(|counts| counts.runs += 1);
    let ran = catch_unwind(AssertUnwindSafe(|| lead(&world)));
    let mut wrong = world.stage().wrong.clone();
    if ran.is_err() {
        wrong.get_or_insert("it panicked".into());
    }
    let counts = world.stage().counts.clone();
    let (hash, log) = world.record();
    Report { story: story.clone(), wrong, hash, log, counts }
}

fn lead(world: &std::sync::Arc<World>) {
    let booted = world.cast().boot(world);
    if let Err(error) = booted {
        return world.wrong(format!("the machine does not start: {error}"));
    }
    let Some(state) = Driver::new(world).run() else { return };
    world.count(|counts| match state {
        State::Complete => counts.completed += 1,
        _ => counts.terminated += 1,
    });
    world.calm_down();
    let checked = world.cast().check_end(world, state);
    if let Err(what) = checked {
        return world.wrong(what);
    }
    // What is not durable now never was.
    world.cut_power();
    world.calm_down();
    let checked = world.cast().check_end(world, state);
    if let Err(what) = checked {
        world.wrong(format!("after a power failure: {what}"));
    }
}
