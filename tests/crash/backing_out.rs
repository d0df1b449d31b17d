//! The same while a switch is undone on request, after its users could have been let in at the targets: whenever process or
//! machine ends, each name leads to one complete copy, and nobody stays held. Then it is moved after all.

use crate::known::{Checked, Known, OPTIONS, assert_none_failed, has_torn_structure, propose_all};
use crate::live::{Run, crash_at};
use crate::scenario::{self, Scenario};
use crate::world::{At, Fault, Kind, Slots};
use trackmirror::checkpoint::Checkpoint;
use trackmirror::migrate::{Goal, Migration};
use trackmirror::state::State;
use trackmirror::{Reason, Result};

/// What the processes of a run have tried.
#[derive(Default)]
struct Tried {
    /// How often it was backed out on request.
    done: usize,
    /// It was refused, because nobody knows any more what was written.
    is_refused: bool,
}

/// A run in which the targets are watched, too.
fn begin(known: &Known, at: Option<At>) -> Run {
    let run = Run::new(known, at);
    run.application.lose_areas(&run.world, &known.scenario.targets);
    run
}

fn open(run: &Run, known: &Known) -> Result<Migration> {
    let store = || Slots(run.world.clone());
    let mut migration = if Checkpoint::open(store())?.1.is_some() {
        let mut migration = Migration::resume(run.host()?, store(), None, OPTIONS)?;
        if migration.must_be_opened_again() {
            drop(migration);
            migration = Migration::resume(run.host()?, store(), None, OPTIONS)?;
        }
        migration
    } else {
        let host = run.host()?;
        let plan = propose_all(known, &host)?;
        Migration::new(host, plan, known.scenario.options.clone(), store(), None)?
    };
    migration.set_copy_options(OPTIONS);
    migration.set_goal(Goal::Tracks(3));
    Ok(migration)
}

/// A process: it goes on until the switch is done, backs out, once, and is led to its end.
fn process(run: &Run, known: &Known, tried: &mut Tried) -> Result<()> {
    run.application.beside(&run.world);
    let done = lead(run, known, tried);
    run.world.set_meanwhile(None);
    done
}

fn lead(run: &Run, known: &Known, tried: &mut Tried) -> Result<()> {
    let mut migration = open(run, known)?;
    for _ in 0..3000 {
        let is_over = tried.done > 0 || tried.is_refused;
        // Until it is backed out it leaves the targets alone.
        run.application.stay_away(!is_over && migration.state() >= State::Closing);
        let Some(verb) = migration.next_verb() else { return Ok(()) };
        if migration.state() != State::Switched || is_over {
            migration.perform(verb, 3)?;
            continue;
        }
        match migration.back_out() {
            Err(error) if error.reason() == Reason::NotMonitored => tried.is_refused = true,
            backed_out => {
                backed_out?;
                tried.done += 1;
                assert_eq!(migration.state(), State::Mirrored);
                assert!(!run.application.is_held());
                drop(migration);
                migration = open(run, known)?;
            }
        }
    }
    panic!("it comes to no end: {}", migration.state());
}

fn go_on(run: &mut Run, known: &Known, after: Fault, again: Option<At>) {
    run.world = run.world.after(again);
    if matches!(after, Fault::Power(_)) {
        let all = [&known.scenario.sources[..], &known.scenario.targets].concat();
        run.application.boot(&run.world, &all);
    } else if !has_torn_structure(&run.world) {
        (0..4).for_each(|_| run.application.go_on(&run.world));
    }
    if !has_torn_structure(&run.world) {
        run.application.check(&run.world);
    }
}

fn clean_run(known: &mut Known) -> Vec<Kind> {
    let (run, mut tried) = (begin(known, None), Tried::default());
    process(&run, known, &mut tried).unwrap();
    assert_eq!((tried.done, tried.is_refused), (1, false));
    let operations = run.world.operations();
    run.check_end(known).unwrap();
    operations
}

fn crash(known: &mut Known, at: At, again: Option<At>) -> Checked {
    let (mut run, mut tried) = (begin(known, Some(at)), Tried::default());
    let ended = process(&run, known, &mut tried);
    if !run.world.is_dead() {
        ended.map_err(|error| format!("not interrupted: {error}"))?;
        return run.check_end(known);
    }
    go_on(&mut run, known, at.fault, again);
    let mut ended = process(&run, known, &mut tried);
    if run.world.is_dead() {
        go_on(&mut run, known, again.unwrap().fault, None);
        ended = process(&run, known, &mut tried);
    }
    ended.map_err(|error| format!("resumed: {error}"))?;
    run.check_end(known).map_err(|what| format!("in the end: {what}"))
}

fn crash_everywhere(scenario: Scenario) {
    let mut known = Known::of(scenario);
    let operations = clean_run(&mut known);
    let (run_count, failures) = crash_at(&operations, 2, |at, again| crash(&mut known, at, again));
    let name = known.scenario.name;
    eprintln!("{name}, backed out: {} operations, {run_count} runs", operations.len());
    assert_none_failed(name, run_count, &failures);
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
fn a_group_of_three() {
    crash_everywhere(scenario::group());
}
