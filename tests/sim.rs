//! The promise that nothing is lost, seen by the simulator: thousands of worlds in which everything happens.

use trackmirror::sim::{Counts, Story, rehearse, run};

#[test]
fn probe() {
    let from: u64 = std::env::var("TRACKMIRROR_SIM_SEED").map_or(0, |t| t.parse().unwrap());
    let count: u64 = std::env::var("TRACKMIRROR_SIM_SEEDS").map_or(100, |t| t.parse().unwrap());
    let mut counts = Counts::default();
    let mut bad = 0;
    for seed in from..from + count {
        let report = rehearse(seed);
        counts.add(&report.counts);
        if let Some(wrong) = &report.wrong {
            bad += 1;
            eprintln!("seed {seed}: {wrong}");
            if count == 1 {
                eprintln!("{}", run(&Story::of(seed), true));
            }
        }
    }
    eprintln!("{bad} bad; {counts:#?}\nmissing: {:?}", counts.missing());
}
