//! The promise of the changed tracks: whatever happens, and in whatever order, no acknowledged write is lost.
//!
//! # The problem
//!
//! A data set is copied while programs write to it. A change flows from an in-flight slot to `changed`, to `taken`, to
//! the durable target; the next place is set before the one before it is cleared, and every check scans in the
//! direction of the flow. Whether rules as small as these are right cannot be seen by running the product: a loss
//! needs an order of steps that may come once in a year. So they are stated here once more, as small as they can be,
//! without a line of the product's code, and *every* order of steps is tried. This file is the specification, made
//! executable. It answers two questions: do the rules as written ever lose data (`the rules hold for ...`), and is
//! each of them needed (`... loses`: one rule broken, and the shortest story of the loss that follows).
//!
//! # The model
//!
//! * One or two *tracks*, each of one or two parts; a part is what a write makes visible, and a read sees, at once. A
//!   track of two parts can be seen torn.
//! * *Images* (`monitor.rs`): each writes for ever, what it likes, through `begin` and `end`. Its processor keeps its
//!   plain stores back, in order, as x86 does; a fence waits for them. An image dies at any point, and may be
//!   restarted under its name once its slots were reaped.
//! * *Copying threads* (`copier.rs`): batches in two halves, reading, writing, flush, retirement. A flush may fail: then
//!   any part of what it was to flush is durable, and the rest will never be. A batch may be given up at any time.
//! * The *owner* (`owner.rs`): subscribes, fills `taken`, reaps, seals, scans, switches, looks, releases, or gives up, or
//!   backs out. It dies at any point, and is resumed with nothing but the checkpoint and the area.
//! * The *machine* dies at any point: programs and the area are gone, each unflushed write to the target is lost or kept.
//! * The *close lies*: "closed" is confirmed while programs have the data set open, and they go on writing.
//!
//! A state is right if, whenever users may open the target, a reader finds in it what is in the source, and would find
//! the same if the machine died now. (Until then the source is what the catalog names, and nobody but its users writes
//! it.) That is more than "no acknowledged write is lost": the broken rules are asked for a loss of an acknowledged
//! write, and where they cannot do that harm (a write that was never acknowledged, but others may have read it),
//! for a target that differs.
//!
//! # What is left out, and why that is sound
//!
//! * *Contents.* Copies only copy, and each write brings content that never was before. So of each copy of a part (in
//!   a buffer, seen in the target, durable in the target) all that matters is whether it is the one that the source has
//!   now: one bit, cleared by each write to the source. That is exact, and it makes the states finitely many although
//!   nothing bounds the number of writes, passes, deaths and windows.
//! * *One write at a time in an image.* An image of several threads is several images here, which also die one by one.
//!   A write without a slot is a slot that covers all tracks.
//! * *Several migrations.* A subscription is a pair of bitmaps of its own. What the owner of another migration does to
//!   this one is that it reaps dead images too; that is in the model.
//! * *Steps taken as one.* The load of `changed` and the or into `taken`: only the owner's process writes `taken`. A good
//!   flush, or a failed one and its telling: the rule is that one thread flushes a target at a time, and tells of the
//!   failure before the next may ask (`telling_a_flush_error_late_loses` is what happens else).
//! * *The source after the machine's death* may be older than it was, and the model leaves it as it was: before
//!   *looked* all is copied again whatever it holds; after *looked* nobody reads it.
//! * *The wait for writes that were begun before the subscription.* It is left out on purpose, which only adds orders: an
//!   image that is attached asks after its write whether the subscription is active. Writes begun before the *image*
//!   was attached need the wait; they are matter of coverage, with all writers that no monitor sees.
//! * *Weaker memory than x86's.* There the product has its fences and orderings; they are tested as code, not here.
//! * *Images on other machines*, and images that fall silent: they have a model of their own, in `remote.rs`.
//! * Changes of allocation; torn blocks of checkpoint and catalog (both are written at once here). Of progress only this is
//!   shown: from every state there is a way to the release.
//! * *More tracks, images, threads.* No rule relates more than two of them. That is why two are enough, and it is the
//!   one point here that is reasoned and not explored.
//!
//! The larger configurations take optimised code: `cargo test --release --test model`. `--nocapture` shows the number of
//! states, and the stories.

#[path = "model/copier.rs"]
mod copier;
#[path = "model/monitor.rs"]
mod monitor;
#[path = "model/owner.rs"]
mod owner;
#[path = "model/remote.rs"]
mod remote;
#[path = "model/rules.rs"]
mod rules;
#[path = "model/search.rs"]
mod search;
#[path = "model/steps.rs"]
mod steps;
#[path = "model/world.rs"]
mod world;

use rules::{Broken, Config, Deed};
use search::{Outcome, Story, explore, traps};
use std::time::Instant;

/// Everything may go wrong.
const HARSH: Config = Config {
    images_die: true,
    owner_dies: true,
    machine_dies: true,
    flushes_fail: true,
    batches_fail: true,
    ..Config::SMALL
};

/// Explores, and tells how far it went.
fn explored(config: &Config) -> Outcome {
    let begun = Instant::now();
    let outcome = explore(config);
    let took = begun.elapsed().as_secs_f64();
    println!("{}: {} states, {} steps, {took:.1} s", config.name, outcome.states, outcome.steps);
    outcome
}

/// The right rules lose nothing; and the run was not empty: it did all that it is about.
fn holds(config: Config, done: &[Deed]) {
    let outcome = explored(&config);
    if let Some(story) = outcome.loss {
        panic!("{}: the rules as written lose data:\n{story}", config.name);
    }
    for &deed in done.iter().chain(&[Deed::Note, Deed::Retire, Deed::GiveUp, Deed::Release]) {
        assert!(outcome.deeds[deed as usize] > 0, "{}: never {deed:?}", config.name);
    }
}

/// The broken rule loses an acknowledged write; the shortest story is printed.
fn loses(rule: Broken, config: Config) -> Story {
    differs(rule, Config { acknowledgements: true, ..config })
}

/// The broken rule leaves a target that is not what the source is; the shortest story is printed.
fn differs(rule: Broken, config: Config) -> Story {
    let config = Config { broken: Some(rule), ..config };
    let outcome = explored(&config);
    let story = outcome.loss.unwrap_or_else(|| panic!("{rule:?}: no loss was found"));
    println!("{rule:?}:\n{story}");
    story
}

/// The same broken rule does no harm in these circumstances: so it is they that the loss needs.
fn harmless(rule: Broken, circumstances: &'static str, config: Config) {
    let (name, broken) = (circumstances, Some(rule));
    let config = Config { name, broken, acknowledgements: true, ..config };
    let outcome = explored(&config);
    if let Some(story) = outcome.loss {
        panic!("{rule:?} loses also with {circumstances}:\n{story}");
    }
}

/// What a run must have come to, if images write when they like and everything may go wrong.
const ALL_DONE: &[Deed] = &[
    Deed::Refused,
    Deed::Skip,
    Deed::NotQuiet,
    Deed::LookFinds,
    Deed::BackedOut,
    Deed::Reap,
    Deed::ImageRestarts,
    Deed::OwnerDies,
    Deed::MachineDies,
];

#[test]
fn the_rules_hold_for_two_monitors_and_a_track_of_two_parts() {
    let name = "one track of two parts, two monitors";
    let config = Config { name, parts: 2, monitors: 2, partial_writes: true, ..HARSH };
    holds(config, &[ALL_DONE, &[Deed::FlushFails, Deed::GiveBatchUp]].concat());
}

#[test]
fn the_rules_hold_for_two_monitors_and_two_tracks() {
    let name = "two tracks, two monitors";
    let failures = Config { flushes_fail: false, batches_fail: false, ..HARSH };
    holds(Config { name, tracks: 2, monitors: 2, ..failures }, ALL_DONE);
}

#[test]
fn the_rules_hold_for_two_copiers() {
    let config = Config { name: "two tracks, two copiers", tracks: 2, copiers: 2, ..HARSH };
    holds(config, &[ALL_DONE, &[Deed::FlushFails, Deed::GiveBatchUp]].concat());
}

#[test]
fn the_rules_hold_for_writes_and_batches_of_two_tracks() {
    let name = "two tracks in one write, in one batch";
    let config = Config { name, tracks: 2, ranges: true, ..HARSH };
    holds(config, &[ALL_DONE, &[Deed::FlushFails, Deed::GiveBatchUp]].concat());
}

#[test]
fn the_rules_hold_for_two_tracks_of_two_parts() {
    let name = "two tracks of two parts";
    let failures = Config { flushes_fail: false, batches_fail: false, ..HARSH };
    holds(Config { name, tracks: 2, parts: 2, ..failures }, ALL_DONE);
}

#[test]
fn the_rules_hold_for_a_host_that_tells_only_completions() {
    let name = "two completions, an honest close";
    let config =
        Config { name, parts: 2, monitors: 2, completions: true, close_lies: false, ..HARSH };
    holds(config, &[Deed::Reap, Deed::ImageRestarts, Deed::OwnerDies, Deed::MachineDies]);
}

#[test]
fn the_rules_hold_for_two_owners_that_reap() {
    let name = "two owners that reap, two monitors";
    holds(Config { name, second_owner: true, monitors: 2, ..HARSH }, ALL_DONE);
}

/// Nothing that dies leaves a state behind from which there is no way on. (The machine lives: its death would
/// free whatever is stuck.)
#[test]
fn the_release_can_always_be_reached() {
    let name = "no traps: two tracks, two copiers";
    let two = Config { name, tracks: 2, copiers: 2, ..HARSH };
    let name = "no traps: two monitors, two owners that reap";
    let reaping = Config { name, monitors: 2, second_owner: true, ..HARSH };
    for config in [two, reaping] {
        let (states, traps) = traps(&Config { machine_dies: false, ..config });
        println!("{}: {states} states", config.name);
        assert_eq!(traps, 0, "{}", config.name);
    }
}

/// With slots and seals the look is a second lock on a door that is shut: it finds what no monitor told.
#[test]
fn the_rules_hold_without_the_look_for_monitored_writes() {
    let config = Config { name: "no look, two monitors", look: false, monitors: 2, ..HARSH };
    holds(config, &[Deed::Refused, Deed::NotQuiet, Deed::OwnerDies, Deed::MachineDies]);
}

/// 37 million states: optimised code takes a minute for them, code that is not takes a quarter of an hour.
#[cfg(not(debug_assertions))]
#[test]
fn the_rules_hold_for_larger_configurations() {
    let two = Config { tracks: 2, ..HARSH };
    for config in [
        Config { name: "two tracks of two parts, written together", parts: 2, ranges: true, ..two },
        Config { name: "two tracks of two parts, two copiers", parts: 2, copiers: 2, ..two },
        Config {
            name: "two tracks, two monitors, written together",
            monitors: 2,
            ranges: true,
            ..two
        },
        Config { name: "two tracks, two monitors, two copiers", monitors: 2, copiers: 2, ..two },
    ] {
        holds(config, &[ALL_DONE, &[Deed::FlushFails, Deed::GiveBatchUp]].concat());
    }
}

#[test]
fn clearing_the_whole_batch_in_changed_loses() {
    let config = Config { name: "two tracks in a batch", tracks: 2, ranges: true, ..Config::SMALL };
    loses(Broken::ClearWholeBatch, config);
    harmless(Broken::ClearWholeBatch, "one track", HARSH);
}

#[test]
fn clearing_before_setting_loses() {
    let config = Config { name: "an owner that dies", owner_dies: true, ..Config::SMALL };
    assert!(loses(Broken::ClearBeforeSet, config).has(Deed::OwnerDies));
    let alive = Config { name: "an owner that lives", owner_dies: false, ..HARSH };
    harmless(Broken::ClearBeforeSet, "an owner that lives", alive);
}

#[test]
fn clearing_after_reading_loses() {
    loses(Broken::ClearAfterReading, Config::SMALL);
}

/// Unless the owner waits for the writes that were begun before it subscribed: see the story above.
#[test]
fn asking_for_the_subscription_before_the_write_loses() {
    loses(Broken::SubscriptionAskedAtBegin, Config::SMALL);
}

#[test]
fn plain_stores_lose() {
    let config =
        Config { name: "two tracks, two monitors", tracks: 2, monitors: 2, ..Config::SMALL };
    loses(Broken::PlainStores, config);
    harmless(Broken::PlainStores, "one track", Config { monitors: 2, ..HARSH });
}

#[test]
fn the_same_track_in_two_batches_loses() {
    let config = Config { name: "two copiers", copiers: 2, ..Config::SMALL };
    loses(Broken::SameTrackInTwoBatches, config);
    harmless(Broken::SameTrackInTwoBatches, "one thread", HARSH);
}

#[test]
fn freeing_the_slot_before_setting_changed_loses() {
    loses(Broken::SlotFreedBeforeChanged, Config::SMALL);
}

#[test]
fn dropping_reaped_slots_loses() {
    let config = Config { name: "images that die", images_die: true, ..Config::SMALL };
    differs(Broken::ReapedSlotsDropped, config);
}

#[test]
fn dropping_slots_at_a_restart_loses() {
    let config = Config { name: "images that die", images_die: true, ..Config::SMALL };
    differs(Broken::RestartDropsSlots, config);
}

#[test]
fn reaping_without_the_lock_of_the_name_loses() {
    let name = "two owners that reap";
    let config = Config { name, images_die: true, second_owner: true, ..Config::SMALL };
    loses(Broken::ReapWithoutLock, config);
    let alone = Config { second_owner: false, ..HARSH };
    harmless(Broken::ReapWithoutLock, "one owner", alone);
}

#[test]
fn scanning_against_the_flow_loses() {
    let config = Config { name: "without the look", look: false, ..Config::SMALL };
    loses(Broken::WindowAgainstTheFlow, config);
    harmless(Broken::WindowAgainstTheFlow, "the look", HARSH);
}

#[test]
fn sealing_nothing_loses() {
    loses(Broken::NoSeal, Config { name: "a close that lies", ..Config::SMALL });
    harmless(Broken::NoSeal, "an honest close", Config { close_lies: false, ..HARSH });
}

/// The limit of such a host: its writes are seen neither by the seal nor by the look.
#[test]
fn a_host_that_tells_only_completions_loses_by_a_close_that_lies() {
    let config = Config { completions: true, acknowledgements: true, ..Config::SMALL };
    let story = explored(&config).loss.expect("a loss");
    println!("{story}");
}

#[test]
fn begin_without_a_fence_loses() {
    loses(Broken::BeginWithoutFence, Config::SMALL);
}

#[test]
fn sealing_without_a_fence_loses() {
    let config = Config { name: "without the look", look: false, ..Config::SMALL };
    loses(Broken::SealWithoutFence, config);
    harmless(Broken::SealWithoutFence, "the look", HARSH);
}

#[test]
fn test_and_skip_without_a_fence_loses() {
    loses(Broken::TestAndSkipWithoutFence, Config::SMALL);
}

#[test]
fn clearing_taken_before_the_flush_loses() {
    let deaths =
        Config { owner_dies: true, machine_dies: true, last_flush: false, ..Config::SMALL };
    let story = loses(Broken::TakenClearedBeforeFlush, deaths);
    assert!(story.has(Deed::OwnerDies) && story.has(Deed::MachineDies));
    for (circumstances, config) in [
        ("an owner that lives", Config { owner_dies: false, ..deaths }),
        ("a machine that lives", Config { machine_dies: false, ..deaths }),
        ("a flush before the intent", Config { last_flush: true, ..deaths }),
    ] {
        harmless(Broken::TakenClearedBeforeFlush, circumstances, config);
    }
    loses(
        Broken::TakenClearedBeforeFlush,
        Config { flushes_fail: true, last_flush: true, ..deaths },
    );
}

#[test]
fn telling_a_flush_error_to_one_thread_loses() {
    let config =
        Config { tracks: 2, copiers: 2, flushes_fail: true, machine_dies: true, ..Config::SMALL };
    loses(Broken::FlushErrorToldToOneThread, config);
    harmless(Broken::FlushErrorToldToOneThread, "one thread", HARSH);
}

#[test]
fn telling_a_flush_error_late_loses() {
    let config =
        Config { tracks: 2, copiers: 2, flushes_fail: true, machine_dies: true, ..Config::SMALL };
    loses(Broken::FlushErrorToldLate, config);
}

#[test]
fn taking_a_stopped_writer_for_dead_loses() {
    loses(Broken::StoppedWriterTakenForDead, Config::SMALL);
}

#[test]
fn taking_an_active_subscription_for_a_filled_one_loses() {
    let config = Config { owner_dies: true, ..Config::SMALL };
    loses(Broken::ActiveTakenForFilled, config);
}
