//! How long the window is, against how fast the data set changes; beside it what was predicted when it began, and the down
//! time that an offline move of the same data would mean.
//!
//!     cargo bench --bench window            (or: -- RUNS)
//!
//! A data set of 8,000 tracks moves from one file to another while a thread changes tracks of a hot set of 400 at a given
//! rate. It closes as soon as it is mirrored. Each row is the median of several runs; the last column counts the runs in
//! which the window was within a factor of two of what was predicted.

#[path = "../tests/support/mod.rs"]
mod support;
#[path = "../tests/mirror/world.rs"]
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};
use trackmirror::event::EventLog;
use trackmirror::geometry::Track;
use trackmirror::host::Host;
use trackmirror::migrate::{Goal, Migration, MoveOptions, Receipt};
use trackmirror::state::{State, Verb};
use trackmirror::volume::{self, Access};
use world::*;

const TRACKS: u32 = 8000;
const HOT: usize = 400;
const RATES: [u32; 5] = [0, 50, 500, 2000, 8000];
const STEP: u32 = 1500;

fn world() -> World {
    World::of_cylinders(600, &[("TEST.LARGE", &[(15, TRACKS / 2), (4500, TRACKS / 2)])])
}

/// One live move while so many tracks a second change.
fn live(rate: u32) -> Receipt {
    let world = world();
    let hot: Vec<Track> = world.tracks().into_iter().step_by(TRACKS as usize / HOT).collect();
    let writers = Writers::at_rate(&world, "SYSA", &hot, rate);
    let host = world.host(&["SYSA"], writers.enqueue(), &Arc::new(EventLog::default()));
    let mut migration = world.migration(host, MoveOptions::default());
    migration.set_goal(Goal::Tracks(HOT as u64));
    while let Some(verb) = migration.next_verb() {
        // Mirrored for a second, as an operator would leave it, so that rates are known.
        if migration.state() == State::Mirrored {
            let until = Instant::now() + Duration::from_secs(1);
            while Instant::now() < until {
                migration.step(STEP).expect("a step");
                std::thread::sleep(migration.pause());
            }
        }
        migration.perform(verb, STEP).expect("each verb");
        if verb != Verb::Step && migration.state() == State::Closing {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let receipt = migration.receipt();
    drop(migration);
    assert_all_there(&world, "NEW001", &writers.end());
    receipt
}

/// The down time of an offline move.
fn offline() -> Duration {
    let world = world();
    let volumes = ["SYS001", "OLD001", "NEW001"].map(|serial| world.image(serial));
    let host = Host::of_volumes(volume::open_all(&volumes, Access::Exclusive).unwrap()).unwrap();
    let plan = world.plan(&host);
    let store = trackmirror::checkpoint::FileStore::open(&world.state()).unwrap();
    let begun = Instant::now();
    let mut migration =
        Migration::new(host, plan, MoveOptions::default(), store, Some(world.state())).unwrap();
    while migration.state() < State::Switched {
        let verb = migration.next_verb().unwrap();
        migration.perform(verb, STEP).unwrap();
    }
    begun.elapsed()
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

fn main() {
    let runs: usize = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(3);
    let down = median((0..runs).map(|_| offline().as_millis() as u64).collect());
    println!("offline: the data set is away for {down} ms\n");
    println!(
        "| changes in a second | passes | copied again | in the window | predicted | window | within 2x |"
    );
    println!("|---|---|---|---|---|---|---|");
    for rate in RATES {
        let receipts: Vec<Receipt> = (0..runs).map(|_| live(rate)).collect();
        let of = |field: fn(&Receipt) -> u64| median(receipts.iter().map(field).collect());
        let is_near = |receipt: &&Receipt| {
            let (predicted, taken) =
                (receipt.predicted_ms.unwrap_or(0).max(1), receipt.window_ms.unwrap_or(0).max(1));
            predicted <= 2 * taken && taken <= 2 * predicted
        };
        println!(
            "| {rate} | {} | {} | {} | {} ms | {} ms | {} of {runs} |",
            of(|receipt| receipt.pass_count),
            of(|receipt| receipt.again_tracks),
            of(|receipt| receipt.window_tracks),
            of(|receipt| receipt.predicted_ms.unwrap_or(0)),
            of(|receipt| receipt.window_ms.unwrap_or(0)),
            receipts.iter().filter(is_near).count(),
        );
    }
}
