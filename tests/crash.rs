//! The promise that a crash loses nothing: whenever the process or the machine ends, and whatever becomes of the write
//! that was under way, each name leads to one complete copy of its data set, and a new process finishes the migration.
//!
//! A clean run of each scenario is counted first. Then, for every durable operation of it, a new run ends right there
//! in several ways; what survived is looked at, then taken up by a new host, sometimes interrupted again, and led to
//! its end. By default the ways are drawn anew for each operation from a fixed seed; `TRACKMIRROR_CRASH_SEEDS=n`
//! repeats everything with n seeds, `TRACKMIRROR_CRASH_EVERY=n` takes every n-th operation alone. A failure names scenario and fault, which is all that is needed to see it again.
//!
//! When is the catalog to be right? After the end of a process whose last write was done or not done: at once. After a
//! torn write of a VTOC or catalog track: when the intent is settled, which is the first thing that a resumed migration
//! does. Nobody could do without it: one torn track takes the DSCBs of dozens of data sets along, and what was on it
//! stands in the intent alone.

#[path = "crash/application.rs"]
mod application;
#[path = "crash/backing_out.rs"]
mod backing_out;
#[path = "crash/errors.rs"]
mod errors;
#[path = "crash/following.rs"]
mod following;
#[path = "crash/host_space.rs"]
mod host_space;
#[path = "crash/known.rs"]
mod known;
#[path = "crash/live.rs"]
mod live;
#[path = "crash/meanwhile.rs"]
mod meanwhile;
#[path = "crash/scenario.rs"]
mod scenario;
#[path = "crash/taken_out.rs"]
mod taken_out;
#[path = "crash/world.rs"]
mod world;

use known::{Checked, Known, assert_none_failed, has_torn_structure, process};
use scenario::Scenario;
use trackmirror::state::State;
use world::{At, Fate, Fault, Kind, Random};

/// The operations of a run that nothing interrupts; its end is checked.
fn clean_run(known: &Known) -> Vec<Kind> {
    let world = known.scenario.world.after(None);
    process(known, &world).unwrap();
    known.check_end(&world).unwrap();
    world.operations()
}

/// How many seeds are tried.
fn seed_count() -> u64 {
    std::env::var("TRACKMIRROR_CRASH_SEEDS").map_or(1, |text| text.parse().expect("a number"))
}

/// Those of the operations at which something happens: all, unless `TRACKMIRROR_CRASH_EVERY` says less.
fn share<I: Iterator>(operations: I) -> std::iter::StepBy<I> {
    let every = std::env::var("TRACKMIRROR_CRASH_EVERY");
    operations.step_by(every.map_or(1, |text| text.parse().expect("a number")))
}

/// Runs to the fault, looks, and finishes; with `again`, another fault happens to the process that finishes.
fn crash(known: &Known, at: At, again: Option<At>) -> Checked {
    let world = known.scenario.world.after(Some(at));
    let ended = process(known, &world);
    if !world.is_dead() {
        return Err(format!("it did not end there, but: {ended:?}"));
    }
    let mut world = world.after(again);
    if !has_torn_structure(&world) {
        known.check_names(&world).map_err(|what| format!("after the end: {what}"))?;
    }
    let mut ended = process(known, &world);
    if world.is_dead() {
        world = world.after(None);
        if !has_torn_structure(&world) {
            known.check_names(&world).map_err(|what| format!("after the second end: {what}"))?;
        }
        ended = process(known, &world);
    }
    ended.map_err(|error| format!("resumed: {error}"))?;
    known.check_end(&world).map_err(|what| format!("in the end: {what}"))
}

/// Every operation of the scenario, in ways that are drawn.
fn crash_everywhere(scenario: Scenario) {
    let known = Known::of(scenario);
    let operations = clean_run(&known);
    let (mut run_count, mut failures) = (0, Vec::new());
    for seed in 0..seed_count() {
        for (index, kind) in share(operations.iter().enumerate()) {
            let operation = index + 1;
            let mut random = Random::new(seed << 20 | operation as u64);
            let faults = [
                Fault::Kill(Fate::Done),
                Fault::Kill([Fate::TornOld, Fate::TornGarbage][random.below(2)]),
                Fault::Power(Fate::ALL[random.below(4)]),
            ];
            // Of long runs one way for each operation.
            let way_count = if operations.len() > 100 { 1 } else { faults.len() };
            for fault in (0..way_count).map(|way| faults[(way + operation) % faults.len()]) {
                let at = At { operation, fault, seed: random.below(1 << 30) as u64 };
                // A second fault, somewhere in the process that resumes, for a third of the runs.
                let again = At::again(&mut random, 3, operations.len().min(30));
                run_count += 1;
                let failed = crash(&known, at, again).err();
                failures.extend(failed.map(|what| format!("{kind:?}, {at:?}, {again:?}: {what}")));
            }
        }
    }
    eprintln!("{}: {} operations, {run_count} runs", known.scenario.name, operations.len());
    assert_none_failed(known.scenario.name, run_count, &failures);
}

#[test]
fn one_data_set() {
    crash_everywhere(scenario::single("single"));
}

#[test]
fn a_data_set_on_two_volumes() {
    crash_everywhere(scenario::two_volumes());
}

#[test]
fn a_group_with_an_entry_in_a_block_of_its_own() {
    crash_everywhere(scenario::group());
}

#[test]
fn a_source_that_is_kept() {
    crash_everywhere(scenario::kept());
}

#[test]
fn a_source_that_is_erased() {
    crash_everywhere(scenario::erased());
}

#[test]
fn used_tracks_only() {
    crash_everywhere(scenario::used_only());
}

#[test]
fn a_data_set_in_no_catalog() {
    crash_everywhere(scenario::uncataloged());
}

#[test]
fn extents_combined_on_their_own_volume() {
    crash_everywhere(scenario::combined());
}

#[test]
fn given_up_while_it_copies() {
    crash_everywhere(scenario::terminated("given up while it copies", State::Copying));
}

#[test]
fn given_up_in_the_window() {
    crash_everywhere(scenario::terminated("given up in the window", State::Quiesced));
}

#[test]
fn a_switch_that_is_refused() {
    crash_everywhere(scenario::refused());
}
