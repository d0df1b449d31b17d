//! How large the checkpoint of a large migration is, how long it takes to write it, and what it makes of the window: 500 data
//! sets with 5,000 extents, each cataloged.
//!
//!     cargo bench --bench checkpoint
//!
//! The flush to the disk is left out where it says so: it depends on the disk alone.

#[path = "../tests/resume/many.rs"]
mod many;

use many::{Counted, Many};
use std::sync::Arc;
use std::time::{Duration, Instant};
use trackmirror::checkpoint::{Checkpoint, CheckpointStore, FileStore, MemoryStore};
use trackmirror::event::{Event, EventLog};
use trackmirror::migrate::{Migration, MoveOptions};
use trackmirror::state::State;

const SAVES: u32 = 200;

/// The median of what each of many saves takes, when only a little has changed, and when all is new.
fn saves(store: Arc<dyn CheckpointStore>, of: &Arc<Counted<MemoryStore>>) -> [Duration; 2] {
    let (_, sections) = Checkpoint::open(of.clone()).unwrap();
    let mut sections = sections.unwrap();
    let (mut checkpoint, _) = Checkpoint::open(store).unwrap();
    let mut median_of = |is_little: bool| {
        let mut taken = Vec::new();
        let plan: Vec<u8> = vec![1; of.largest() as usize];
        for number in 0..SAVES {
            if is_little {
                sections.put(*b"STAT", &(1 + number % 2));
            } else {
                let mut plan = plan.clone();
                plan[0] = number as u8;
                sections.put_lasting(*b"PLAN", &plan);
            }
            let begun = Instant::now();
            checkpoint.save(&sections).unwrap();
            taken.push(begun.elapsed());
        }
        taken.sort_unstable();
        taken[taken.len() / 2]
    };
    [median_of(true), median_of(false)]
}

/// One offline move: the time from the window's begin to the switch, and what the store was given.
fn window(many: &Many, store: impl CheckpointStore + 'static) -> Duration {
    let log = Arc::new(EventLog::default());
    let told = log.clone();
    let host = many.host().told_to(move |time, event: &Event| {
        trackmirror::event::EventSink::event(&*told, time, event);
    });
    let plan = many.plan(&host);
    let mut migration = Migration::new(host, plan, MoveOptions::default(), store, None).unwrap();
    many::to(&mut migration, State::Quiesced);
    let begun = Instant::now();
    many::to(&mut migration, State::Switched);
    begun.elapsed()
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let many = Many::new(500, 10);
    let counted = Arc::new(Counted::new(MemoryStore::default()));
    let taken = window(&many, counted.clone());
    println!("largest slot: {} bytes", counted.largest());
    println!("window in memory: {} ms; {}", taken.as_millis(), counted.told());
    let counted_file =
        Arc::new(Counted::new(FileStore::open(&folder.path().join("window")).unwrap()));
    let taken = window(&Many::new(500, 10), counted_file.clone());
    println!("window, files and flushes: {} ms; {}", taken.as_millis(), counted_file.told());
    for (what, store) in [
        ("memory", Arc::new(MemoryStore::default()) as Arc<dyn CheckpointStore>),
        ("file without flush", Arc::new(many::Unflushed::new(folder.path()))),
        ("file with flush", Arc::new(FileStore::open(&folder.path().join("saves")).unwrap())),
    ] {
        let [little, all] = saves(store, &counted);
        println!(
            "{what}: {:.3} ms when little changed, {:.3} ms when all did",
            little.as_secs_f64() * 1e3,
            all.as_secs_f64() * 1e3
        );
    }
}
