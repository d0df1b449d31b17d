//! The promise of the changed tracks, for images on other machines: whatever happens to the machines, to the programs and
//! to the messages between them, no acknowledged write is lost.
//!
//! # The rules
//!
//! On every machine that writes to a volume and is not the owner's, an *agent* has a subscription of the migration in its
//! own area, and reports to the owner what was changed there. The flow is longer, and otherwise the same: remote slot,
//! remote `changed`, remote `taken` (in a report that is not acknowledged), the owner's `changed`.
//!
//! * A *report* is taken (`changed` to `taken`), then the volume is flushed, then it is sent. It has a number, counted
//!   under the *incarnation* of the subscription and never used twice; the *base*, from which on the reports have all that is
//!   not acknowledged; and the last number that was *forgotten*, which is: acknowledged to the agent. After too long a
//!   time, or when it was killed, the agent sends all again under new numbers, and raises the base.
//! * The *owner* sets the bits of a report of the known incarnation, then acknowledges the last number up to which it
//!   has all. A new process of it acknowledges nothing before it had an answer: what the agent has forgotten by then, an earlier
//!   process applied, and its bits are in the area. If less was applied than is forgotten, all is changed.
//! * A *question* is the barrier. It tells what to seal (or to unseal all), and the agent obeys it, unless it obeyed a later
//!   one before; flushes; then looks at slots, `changed`, `taken`, and answers: ready (all that write there are attached),
//!   quiet (nothing found), what it has forgotten. Only an answer to the present question counts. The window needs such
//!   answers of all machines, and the owner's own look after them; so does the look before the release.
//! * An incarnation that is new to the owner is learnt from an answer that says ready: all is changed, then it is known.
//! * A machine that is lost for ever is *retired* by the operator: all is changed, then it needs no answers any more.
//! * *Farewell*: a machine on which nothing will write the volume any more, which its operator promises, says so in its
//!   answers; once one of them says quiet, it needs no answers any more.
//!
//! # The model
//!
//! * *The channel* holds all that was ever sent: any message comes at any time, any number of times, in any order, or never.
//!   Nothing bounds how often it is doubled, or how long it is delayed.
//! * *Machines* (`machine.rs`): a program that writes for ever, what it likes, and goes on when the close lies; before its
//!   image is attached, no monitor sees it. The agent may be killed at any point. The machine may die and start again, its
//!   area void, its programs running before the agent; or be lost for ever. The subscription may be dropped and begin anew.
//!   One with a cache has there what it has not flushed.
//! * *The owner* (`owner.rs`) may die at any point, and knows the checkpoint and its area then; or its machine may, and
//!   it knows the checkpoint. It may give up, or back out, at any time: no answer came in time.
//! * One or two machines, one or two tracks. All is explored, with these bounds only: a machine sends one, two or three
//!   reports under one incarnation (this is what makes the states finitely many), and has at most one incarnation that the
//!   checkpoint does not know yet. What was known for good is renumbered, so the number of deaths has no bound.
//!
//! What the other model shows is taken from it: slots, seals and fences, so that a write is admitted in one step, and the
//! agent looks in one; batches and flushes, so that the owner copies a track in one step. What is right is what is right
//! there: when users may open the target, it is what the source is; and a broken rule must lose an acknowledged write.
//!
//! # What it takes for granted
//!
//! * New openers are held on every machine from the window to the release, *also after the machine was started again*; and
//!   a subscription is not dropped while it seals (`what_the_window_relies_on_must_last` shows the loss).
//! * Questions are ordered, also over the lives of the owner, and the agent knows which it obeyed last, also after it was
//!   killed (`to_obey_an_old_question_loses`).
//! * An operator who retires a machine, or lets it say farewell, knows that it writes nothing any more.
//!
//! # What was explored
//!
//! | run | reports | states |
//! |---|---|---|
//! | one machine; all die | two | 955 747 |
//! | one machine, no look; all die | two | 524 060 |
//! | one machine; agent, owner, its machine die | three | 634 825 |
//! | one machine, two tracks; reports time out | two | 1 132 559 |
//! | one machine, two tracks; the owner dies | two | 526 494 |
//! | one machine with a cache; agent, owner, its machine die | two | 114 847 |
//! | one machine that may be retired; all but the agent die | two | 80 737 |
//! | one machine that may say farewell; it and the owner die | one | 53 149 |
//! | two machines; none dies | two | 293 313 |
//! | two machines that may be retired; none else dies | one | 144 360 |
//! | two machines; one of them dies | one | 1 106 896 |
//! | two machines; reports time out | one | 489 090 |
//! | two machines; owner and its machine die | one | 430 330 |
//!
//! Whoever may die in a run dies as often as he likes. Larger runs take optimised code, as in the other model.

#[path = "remote/machine.rs"]
mod machine;
#[path = "remote/owner.rs"]
mod owner;
#[path = "remote/rules.rs"]
mod rules;
#[path = "remote/search.rs"]
mod search;
#[path = "remote/steps.rs"]
mod steps;
#[path = "remote/world.rs"]
mod world;

use rules::{Broken, Config, Deed};
use search::{Outcome, Story, explore, traps};
use std::time::Instant;

/// Whatever may go wrong with one machine that stays, and one track.
const HARSH: Config = Config {
    name: "one machine; all die",
    agents_die: true,
    machines_die: true,
    owner_dies: true,
    owner_machine_dies: true,
    ..Config::SMALL
};

/// Two machines that have begun, one report each.
const TWO: Config = Config { machines: 2, reports: 1, begun: true, ..Config::SMALL };

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
    let always = [Deed::Absorb, Deed::Forget, Deed::GiveUp, Deed::BackOut];
    for &deed in done.iter().chain(&always).chain(&[Deed::Answered, Deed::Looked]) {
        assert!(outcome.deeds[deed as usize] > 0, "{}: never {deed:?}", config.name);
    }
}

/// The broken rule loses an acknowledged write; the shortest story is printed.
fn loses(rule: Broken, config: Config) -> Story {
    let config = Config { broken: Some(rule), ..config };
    let outcome = explored(&config);
    let story = outcome.loss.unwrap_or_else(|| panic!("{rule:?}: no loss was found"));
    println!("{rule:?}:\n{story}");
    story
}

/// The same broken rule does no harm in these circumstances: so it is they that the loss needs.
fn harmless(rule: Broken, circumstances: &'static str, config: Config) {
    let config = Config { name: circumstances, broken: Some(rule), ..config };
    let outcome = explored(&config);
    if let Some(story) = outcome.loss {
        panic!("{rule:?} loses also with {circumstances}:\n{story}");
    }
}

#[test]
fn the_rules_hold_for_one_machine_where_everything_fails() {
    let deaths = [
        Deed::SendAgain,
        Deed::MachineDies,
        Deed::Dropped,
        Deed::WriteBlind,
        Deed::OwnerDies,
        Deed::OwnerMachineDies,
        Deed::Store,
        Deed::HearOld,
    ];
    holds(HARSH, &deaths);
}

#[test]
fn the_rules_hold_for_one_machine_that_reports_three_times() {
    let name = "one machine, three reports; agent, owner, its machine die";
    let config = Config { name, reports: 3, machines_die: false, ..HARSH };
    holds(config, &[Deed::SendAgain, Deed::OwnerDies, Deed::OwnerMachineDies]);
}

#[test]
fn the_rules_hold_for_one_machine_and_two_tracks() {
    let two = Config { tracks: 2, begun: true, ..Config::SMALL };
    let name = "one machine, two tracks; reports time out";
    holds(Config { name, reports_time_out: true, ..two }, &[Deed::SendAgain]);
    let name = "one machine, two tracks; the owner dies";
    holds(Config { name, owner_dies: true, ..two }, &[Deed::OwnerDies]);
}

#[test]
fn the_rules_hold_for_a_machine_with_a_cache() {
    let name = "one machine with a cache; agent, owner, its machine die";
    let config = Config { name, cached: true, machines_die: false, ..HARSH };
    holds(config, &[Deed::Flush, Deed::SendAgain, Deed::OwnerDies]);
}

#[test]
fn the_rules_hold_for_a_machine_that_is_retired() {
    let name = "one machine that may be retired; all but the agent die";
    holds(
        Config { name, retired: true, agents_die: false, ..HARSH },
        &[Deed::MachineGone, Deed::Retire],
    );
}

#[test]
fn the_rules_hold_for_a_machine_that_takes_leave() {
    let name = "one machine that may say farewell; it and the owner die";
    let config = Config { name, farewell: true, reports: 1, ..HARSH };
    let config = Config { agents_die: false, owner_machine_dies: false, ..config };
    holds(config, &[Deed::Farewell, Deed::Gone]);
}

/// As with images of this machine, the look is a second lock on a door that is shut.
#[test]
fn the_rules_hold_without_the_look() {
    let config =
        Config { name: "one machine, no look; all die", look: false, begun: true, ..HARSH };
    let outcome = explored(&config);
    assert!(outcome.loss.is_none() && outcome.deeds[Deed::Looked as usize] > 0);
}

#[test]
fn the_rules_hold_for_two_machines() {
    let config = Config { name: "two machines, two reports each; none dies", reports: 2, ..TWO };
    holds(config, &[]);
    let name = "two machines; reports time out";
    holds(Config { name, reports_time_out: true, ..TWO }, &[Deed::SendAgain]);
    let config =
        Config { name: "two machines that may be retired; none else dies", retired: true, ..TWO };
    holds(config, &[Deed::MachineGone, Deed::Retire]);
}

#[test]
fn the_rules_hold_for_two_machines_one_of_which_dies() {
    let name = "two machines; one of them dies";
    let config = Config { name, machines_die: true, faulty: 1, ..TWO };
    holds(config, &[Deed::MachineDies, Deed::Dropped, Deed::WriteBlind, Deed::Learn]);
}

#[test]
fn the_rules_hold_for_two_machines_and_an_owner_that_dies() {
    let name = "two machines; owner and its machine die";
    let deaths = Config { owner_dies: true, owner_machine_dies: true, ..TWO };
    holds(Config { name, ..deaths }, &[Deed::OwnerDies, Deed::OwnerMachineDies]);
}

/// Nothing that dies leaves a state behind from which there is no way on.
#[test]
fn the_release_can_always_be_reached() {
    let traps = |config: Config| {
        let (states, traps) = traps(&config);
        println!("{}: {states} states, {traps} traps", config.name);
        traps
    };
    let name = "no traps: owner and agent die";
    let config = Config { name, machines_die: false, ..HARSH };
    assert_eq!(traps(config), 0);
    let name = "no traps: a machine is lost, or goes";
    let leaves = Config { name, retired: true, farewell: true, reports: 1, ..Config::SMALL };
    assert_eq!(traps(leaves), 0);
    let name = "traps: an answer tells nothing of what was acknowledged before";
    let broken = Some(Broken::AnswerTellsNoForgotten);
    assert_ne!(traps(Config { name, broken, ..config }), 0);
}

#[test]
fn to_ask_nobody_loses() {
    loses(Broken::NoBarrier, Config::SMALL);
}

#[test]
fn one_answer_for_two_machines_loses() {
    loses(Broken::OneAnswerForAll, Config { name: "two machines", ..TWO });
}

#[test]
fn a_lease_loses() {
    loses(Broken::Lease, Config::SMALL);
}

#[test]
fn to_compare_numbers_only_loses() {
    loses(Broken::NumberOnly, Config::SMALL);
}

#[test]
fn an_answer_to_an_old_question_loses() {
    loses(Broken::OldAnswerCounts, Config::SMALL);
}

#[test]
fn an_answer_of_a_machine_that_is_not_ready_loses() {
    loses(Broken::UnreadyAnswers, Config::SMALL);
}

#[test]
fn a_question_that_seals_nothing_loses() {
    loses(Broken::NoSeal, Config { name: "a close that lies", ..Config::SMALL });
    let honest = Config { close_lies: false, ..HARSH };
    harmless(Broken::NoSeal, "an honest close", Config { machines_die: false, ..honest });
}

#[test]
fn to_obey_an_old_question_loses() {
    let story = loses(Broken::OldQuestionObeyed, Config::SMALL);
    assert!(story.has(Deed::HearOld));
    let story = loses(Broken::AgentForgetsQuestion, Config { agents_die: true, ..Config::SMALL });
    assert!(story.has(Deed::HearOld) && story.has(Deed::AgentDies));
}

#[test]
fn to_look_at_the_own_bits_before_the_answers_loses() {
    let config = Config { name: "without the look", look: false, ..Config::SMALL };
    loses(Broken::OwnLookFirst, config);
    harmless(Broken::OwnLookFirst, "the look", Config { machines_die: false, ..HARSH });
}

#[test]
fn to_acknowledge_before_applying_loses() {
    let config = Config { name: "an owner that dies", owner_dies: true, ..Config::SMALL };
    assert!(loses(Broken::AcknowledgedBeforeApplied, config).has(Deed::OwnerDies));
    let alive = Config { begun: true, owner_dies: false, owner_machine_dies: false, ..HARSH };
    harmless(
        Broken::AcknowledgedBeforeApplied,
        "an owner that lives",
        Config { agents_die: false, ..alive },
    );
}

#[test]
fn to_acknowledge_a_gap_loses() {
    loses(Broken::GapAcknowledged, Config { name: "two tracks", tracks: 2, ..Config::SMALL });
}

#[test]
fn to_go_on_under_the_old_incarnation_loses() {
    let config = Config { name: "a machine that dies", machines_die: true, ..Config::SMALL };
    assert!(loses(Broken::SameIncarnation, config).has(Deed::MachineDies));
}

#[test]
fn an_incarnation_that_is_known_before_all_is_changed_loses() {
    loses(Broken::KnownAndNothingChanged, Config::SMALL);
    let config = Config { name: "an owner that dies", owner_dies: true, ..Config::SMALL };
    assert!(loses(Broken::KnownBeforeAllChanged, config).has(Deed::OwnerDies));
    let alive = Config { owner_dies: false, owner_machine_dies: false, ..HARSH };
    harmless(
        Broken::KnownBeforeAllChanged,
        "an owner that lives",
        Config { agents_die: false, ..alive },
    );
}

#[test]
fn numbers_that_are_used_again_lose() {
    let config = Config { name: "an agent that dies", agents_die: true, ..Config::SMALL };
    loses(Broken::NumbersAgain, config);
}

/// As long as the owner lives and the agent waits, it is seen that less was applied than is forgotten.
#[test]
fn an_acknowledgement_that_forgets_more_loses() {
    let config = Config { name: "an owner that dies", owner_dies: true, ..Config::SMALL };
    for rule in [Broken::AcknowledgementForgetsAll, Broken::AcknowledgementForgetsNewer] {
        assert!(loses(rule, config).has(Deed::OwnerDies));
        let alive = Config { begun: true, owner_dies: false, owner_machine_dies: false, ..HARSH };
        let alive = Config { agents_die: false, ..alive };
        harmless(rule, "an owner that lives and an agent that waits", alive);
    }
}

#[test]
fn what_is_of_another_incarnation_loses() {
    let name = "a machine and an owner that die";
    let config =
        Config { name, machines_die: true, owner_dies: true, begun: true, ..Config::SMALL };
    for rule in [Broken::ReportOfAnotherLife, Broken::AcknowledgementOfAnotherLife] {
        loses(rule, config);
    }
}

#[test]
fn a_base_above_what_is_not_acknowledged_loses() {
    let name = "two tracks, an agent that waits too long";
    let config = Config { name, tracks: 2, reports_time_out: true, begun: true, ..Config::SMALL };
    loses(Broken::BaseAboveUnacknowledged, config);
}

#[test]
fn what_is_not_flushed_is_lost() {
    let config = Config { name: "a machine with a cache", cached: true, ..Config::SMALL };
    loses(Broken::ReportedBeforeFlushed, config);
    loses(Broken::ReadyBeforeFlushed, config);
}

#[test]
fn to_retire_without_changing_all_loses() {
    let config = Config { name: "a machine that is lost", retired: true, ..Config::SMALL };
    loses(Broken::RetiredAndNothingChanged, config);
    let story = loses(Broken::RetiredBeforeAllChanged, Config { owner_dies: true, ..config });
    assert!(story.has(Deed::OwnerDies));
}

/// The seals, and who may open the data set, must outlive what the window relies on.
#[test]
fn what_the_window_relies_on_must_last() {
    let config = Config { name: "a machine that dies", machines_die: true, ..Config::SMALL };
    assert!(loses(Broken::HoldDiesWithMachine, config).has(Deed::MachineDies));
    assert!(loses(Broken::DroppedWhileSealed, config).has(Deed::Dropped));
}

#[test]
fn a_farewell_that_is_not_meant_loses() {
    let config = Config { name: "a machine that goes", farewell: true, ..Config::SMALL };
    loses(Broken::FarewellBeforeQuiet, config);
    loses(Broken::WritesAfterFarewell, config);
}

/// 33 million states: optimised code takes minutes for them.
#[cfg(not(debug_assertions))]
#[test]
fn the_rules_hold_for_larger_configurations() {
    let tracks = Config { tracks: 2, begun: true, agents_die: true, ..Config::SMALL };
    let machines = Config { agents_die: true, ..TWO };
    let owner = Config { owner_dies: true, owner_machine_dies: true, ..machines };
    for config in [
        Config { name: "one machine, two tracks; agents die", ..tracks },
        Config { name: "two machines; agents, owner and its machine die", ..owner },
        Config { name: "two machines; both die, and their agents", machines_die: true, ..machines },
        Config { name: "one machine, three reports; all die", reports: 3, ..HARSH },
    ] {
        holds(config, &[Deed::SendAgain, Deed::AgentDies]);
    }
}

/// Locks on doors that others have shut: each of them alone may be left out.
#[test]
fn the_second_locks_are_second_locks() {
    let begun = Config { begun: true, ..HARSH };
    let one_report = Config { reports: 1, ..begun };
    harmless(Broken::NoBarrierInLook, "no question in the look", one_report);
    let machine_lives = Config { machines_die: false, ..begun };
    harmless(Broken::NumberNotCompared, "the number is not compared", machine_lives);
    let name = "nothing changed for what is forgotten";
    harmless(Broken::ForgottenTakenForApplied, name, machine_lives);
}
