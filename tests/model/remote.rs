//! DOC

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

/// Whatever may go wrong with one machine and one track.
const HARSH: Config = Config {
    name: "one machine, everything fails",
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
    let always = [Deed::Absorb, Deed::Forget, Deed::Learn, Deed::GiveUp, Deed::BackOut];
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
    let name = "one machine, three reports, agent and owner die";
    let config = Config { name, reports: 3, machines_die: false, ..HARSH };
    holds(config, &[Deed::SendAgain, Deed::OwnerDies, Deed::OwnerMachineDies]);
}

#[test]
fn the_rules_hold_for_one_machine_and_two_tracks() {
    let two = Config { tracks: 2, begun: true, ..Config::SMALL };
    let name = "one machine, two tracks, the agent dies";
    holds(Config { name, agents_die: true, ..two }, &[Deed::SendAgain]);
    let name = "one machine, two tracks, the owner dies";
    holds(Config { name, owner_dies: true, ..two }, &[Deed::OwnerDies]);
}

#[test]
fn the_rules_hold_for_a_machine_with_a_cache() {
    let name = "one machine with a cache, agent and owner die";
    let config = Config { name, cached: true, machines_die: false, ..HARSH };
    holds(config, &[Deed::Flush, Deed::SendAgain, Deed::OwnerDies]);
}

#[test]
fn the_rules_hold_for_a_machine_that_is_retired() {
    let name = "one machine that may be lost and retired";
    holds(Config { name, retired: true, ..HARSH }, &[Deed::MachineGone, Deed::Retire]);
}

#[test]
fn the_rules_hold_for_a_machine_that_goes_and_returns() {
    let name = "one machine that may say farewell";
    let config = Config { name, farewell: true, reports: 1, ..HARSH };
    let config = Config { agents_die: false, owner_machine_dies: false, ..config };
    holds(config, &[Deed::Farewell, Deed::Gone, Deed::Return, Deed::Welcome, Deed::Enter]);
}

/// As with images of this machine, the look is a second lock on a door that is shut.
#[test]
fn the_rules_hold_without_the_look() {
    let config = Config { name: "one machine, no look", look: false, ..HARSH };
    let outcome = explored(&config);
    assert!(outcome.loss.is_none() && outcome.deeds[Deed::Looked as usize] > 0);
}

#[test]
fn the_rules_hold_for_two_machines() {
    let config = Config { name: "two machines, two reports each", reports: 2, ..TWO };
    holds(config, &[]);
    let config = Config { name: "two machines, their agents die", agents_die: true, ..TWO };
    holds(config, &[Deed::SendAgain]);
    let config = Config { name: "two machines that may be retired", retired: true, ..TWO };
    holds(config, &[Deed::MachineGone, Deed::Retire]);
}

#[test]
fn the_rules_hold_for_two_machines_one_of_which_dies() {
    let name = "two machines, one of which dies, agent and all";
    let config = Config { name, agents_die: true, machines_die: true, faulty: 1, ..TWO };
    holds(config, &[Deed::SendAgain, Deed::MachineDies, Deed::WriteBlind]);
}

#[test]
fn the_rules_hold_for_two_machines_and_an_owner_that_dies() {
    let name = "two machines, the owner and its machine die";
    let config = Config { name, owner_dies: true, owner_machine_dies: true, ..TWO };
    holds(config, &[Deed::OwnerDies, Deed::OwnerMachineDies]);
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
    assert!(story.has(Deed::HearOld) && story.has(Deed::SendAgain));
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
    let alive = Config { owner_dies: false, owner_machine_dies: false, ..HARSH };
    harmless(Broken::AcknowledgedBeforeApplied, "an owner that lives", alive);
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
    harmless(Broken::KnownBeforeAllChanged, "an owner that lives", alive);
}

#[test]
fn numbers_that_are_used_again_lose() {
    let config = Config { name: "an agent that dies", agents_die: true, ..Config::SMALL };
    loses(Broken::NumbersAgain, config);
}

/// As long as its owner lives, it sees that less was applied than is forgotten.
#[test]
fn an_acknowledgement_that_forgets_more_loses() {
    let config = Config { name: "an owner that dies", owner_dies: true, ..Config::SMALL };
    for rule in [Broken::AcknowledgementForgetsAll, Broken::AcknowledgementForgetsNewer] {
        assert!(loses(rule, config).has(Deed::OwnerDies));
        let alive = Config { owner_dies: false, owner_machine_dies: false, ..HARSH };
        harmless(rule, "an owner that lives", alive);
    }
}

#[test]
fn what_is_of_another_incarnation_loses() {
    let name = "a machine and an agent that die";
    let config = Config { name, machines_die: true, agents_die: true, ..Config::SMALL };
    for rule in [Broken::ReportOfAnotherLife, Broken::AcknowledgementOfAnotherLife] {
        loses(rule, Config { begun: true, owner_dies: true, ..config });
    }
}

#[test]
fn a_base_above_what_is_not_acknowledged_loses() {
    let name = "two tracks, three reports, an agent that waits too long";
    let config =
        Config { name, tracks: 2, reports: 3, agents_die: true, begun: true, ..Config::SMALL };
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
fn a_farewell_that_is_not_an_answer_loses() {
    let config = Config { name: "a machine that goes", farewell: true, ..Config::SMALL };
    loses(Broken::OldFarewellCounts, config);
    loses(Broken::ReturnsUnasked, config);
    loses(Broken::OldWelcomeCounts, config);
    let config = Config { machines_die: true, ..config };
    loses(Broken::FarewellDiesWithMachine, config);
}

/// 20 million states, for optimised code.
#[cfg(not(debug_assertions))]
#[test]
fn the_rules_hold_for_larger_configurations() {
    let two = Config { tracks: 2, begun: true, ..HARSH };
    for config in [
        Config { name: "one machine, three reports, everything fails", reports: 3, ..HARSH },
        Config { name: "two tracks, all but a machine dies", machines_die: false, ..two },
        Config { name: "two machines that die", machines_die: true, agents_die: true, ..TWO },
        Config {
            name: "two machines, all but a machine dies",
            machines_die: false,
            machines: 2,
            reports: 1,
            begun: true,
            ..HARSH
        },
        Config {
            name: "two machines, one fails in every way",
            machines: 2,
            faulty: 1,
            reports: 1,
            begun: true,
            ..HARSH
        },
        Config { name: "one machine that goes, everything fails", farewell: true, ..HARSH },
    ] {
        holds(config, &[Deed::SendAgain]);
    }
}

/// Locks on doors that others have shut: each of them alone may be left out.
#[test]
fn the_second_locks_are_second_locks() {
    harmless(Broken::NoBarrierInLook, "no question in the look", HARSH);
    harmless(Broken::NumberNotCompared, "the number is not compared", HARSH);
    harmless(Broken::ForgottenTakenForApplied, "nothing changed for what is forgotten", HARSH);
}
