//! The promise that nothing is lost, seen by the simulator: thousands of worlds in which everything happens.
//!
//! | variable | |
//! |---|---|
//! | `TRACKMIRROR_SIM_SEED` | the first seed, by default 0 |
//! | `TRACKMIRROR_SIM_SEEDS` | how many, by default 10,000; a rehearsal for a night has a million |

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use trackmirror::sim::{Counts, Defect, Story, rehearse, run};

/// Each seed is one thread's; so many of them work side by side.
const THREADS: usize = 2;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Does something with each number, several at a time.
fn each(numbers: std::ops::Range<u64>, act: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(numbers.start);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        break;
                    }
                    act(number);
                }
            });
        }
    });
}

#[test]
fn ten_thousand_worlds() {
    let first = variable("TRACKMIRROR_SIM_SEED", 0);
    let count = variable("TRACKMIRROR_SIM_SEEDS", 10_000);
    let begun = std::time::Instant::now();
    let (counts, failures) = (Mutex::new(Counts::default()), Mutex::new(Vec::new()));
    each(first..first + count, |seed| {
        let report = rehearse(seed);
        counts.lock().unwrap().add(&report.counts);
        if let Some(wrong) = report.wrong {
            eprintln!("seed {seed}: {wrong}");
            failures.lock().unwrap().push(seed);
        }
    });
    let (counts, failures) = (counts.into_inner().unwrap(), failures.into_inner().unwrap());
    eprintln!("{count} seeds in {} s: {counts:#?}", begun.elapsed().as_secs());
    if let Some(&seed) = failures.first() {
        panic!("{} seeds failed; the first is\n{}", failures.len(), run(&Story::of(seed), count == 1));
    }
    let missing = counts.missing();
    assert!(count < 1000 || missing.is_empty(), "it never happened: {}", missing.join(", "));
}

/// The first seed that finds a mistake, and what it says.
fn found(defect: Defect) -> Option<(u64, String)> {
    defect.while_made(|| {
        (0..2000).find_map(|seed| rehearse(seed).wrong.map(|wrong| (seed, wrong)))
    })
}

#[test]
fn every_mistake_is_found() {
    let missed = Mutex::new(Vec::new());
    each(0..Defect::ALL.len() as u64, |number| {
        let defect = Defect::ALL[number as usize];
        match found(defect) {
            Some((seed, wrong)) => eprintln!("{defect:?}: found by seed {seed}: {wrong}"),
            None => missed.lock().unwrap().push(defect),
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
