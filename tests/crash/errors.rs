//! Operations that fail, once, in a process that lives on: the verb ends with the error, the state does not move, and
//! the same verb told again finishes the job.

use crate::known::{Known, assert_none_failed, host, propose_all};
use crate::scenario::{self, Scenario};
use crate::world::{At, Fate, Fault, Random, Slots, World};
use std::sync::Arc;
use trackmirror::Result;
use trackmirror::migrate::Migration;
use trackmirror::state::{State, Verb};

/// Leads a migration to its end, telling every verb again that failed. Gives back how many did.
fn stubborn(known: &Known, world: &Arc<World>) -> std::result::Result<usize, String> {
    let mut failed = 0;
    let mut again = |result: Result<()>| match result {
        Ok(()) => Ok(()),
        Err(_) if failed == 0 => {
            failed += 1;
            Ok(())
        }
        Err(error) => Err(format!("a second time: {error}")),
    };
    let mut begun = begin(known, world);
    if begun.is_err() {
        again(begun.map(drop))?;
        begun = begin(known, world);
    }
    let mut migration = begun.map_err(|error| error.to_string())?;
    while let Some(verb) = migration.next_verb() {
        let before = migration.state();
        let is_time = known.scenario.terminate_in.is_some_and(|state| before >= state);
        let verb = if is_time { Verb::Terminate } else { verb };
        let done = migration.perform(verb, 3);
        let after = migration.state();
        // Closing and switching are way stations of their verbs, which go on from there.
        let may_stay = after.allows(verb) || after.is_ended();
        if let Err(error) = &done
            && before != after
            && !may_stay
        {
            return Err(format!("{verb} failed ({error}), but {before} became {after}"));
        }
        again(done)?;
    }
    Ok(failed)
}

fn begin(known: &Known, world: &Arc<World>) -> Result<Migration> {
    let host = host(known, world)?;
    let plan = propose_all(known, &host)?;
    let store = Slots(world.clone());
    match Migration::new(host, plan, known.scenario.options.clone(), store, None) {
        // What failed may have been durable.
        Err(error) if error.reason() == trackmirror::Reason::PlanDiffers => Migration::resume(
            self::host(known, world)?,
            Slots(world.clone()),
            None,
            crate::known::OPTIONS,
        ),
        other => other,
    }
}

fn fail_everywhere(scenario: Scenario) {
    let known = Known::of(scenario);
    let clean = known.scenario.world.after(None);
    stubborn(&known, &clean).unwrap();
    known.check_end(&clean).unwrap();
    let (operations, read_count) = (clean.operations(), clean.read_count());
    let (mut failures, mut run_count) = (Vec::new(), 0);
    let mut run = |world: Arc<World>, what: String, operation: Option<usize>| {
        run_count += 1;
        let mut result = stubborn(&known, &world).and_then(|failed| match failed {
            0 => Err("nothing failed".into()),
            _ => known.check_end(&world),
        });
        // A read that fails where it is only a hint need not fail the verb, nor a write that is done again at once: tracks
        // that cannot be copied together are copied one by one.
        let done = world.operations();
        let is_again = operation.is_none_or(|at| done.get(at) == done.get(at + 1));
        if is_again && result == Err("nothing failed".into()) {
            result = known.check_end(&world);
        }
        failures.extend(result.err().map(|why| format!("{what}: {why}")));
    };
    for (index, kind) in crate::share(operations.iter().enumerate()) {
        let mut random = Random::new(index as u64);
        for fate in [Fate::Done, [Fate::Dropped, Fate::TornOld, Fate::TornGarbage][random.below(3)]]
        {
            let seed = random.below(1 << 30) as u64;
            let at = At { operation: index + 1, fault: Fault::Fail(fate), seed };
            run(known.scenario.world.after(Some(at)), format!("{kind:?}, {at:?}"), Some(index));
        }
    }
    // Reads are many, and most of them alike.
    let step = read_count.div_ceil(120);
    for number in crate::share((1..=read_count).step_by(step)) {
        run(known.scenario.world.with_failing_read(number), format!("read {number}"), None);
    }
    let name = known.scenario.name;
    eprintln!("{name}: {run_count} operations failed, one of each run");
    assert_none_failed(name, run_count, &failures);
}

#[test]
fn errors_of_a_group_do_no_harm() {
    fail_everywhere(scenario::terminated("a group of two", State::Complete).completed());
}

#[test]
fn errors_while_extents_are_combined_do_no_harm() {
    fail_everywhere(scenario::combined());
}

#[test]
fn errors_while_a_source_is_erased_do_no_harm() {
    fail_everywhere(scenario::erased());
}

#[test]
fn errors_with_used_tracks_only_do_no_harm() {
    fail_everywhere(scenario::used_only());
}

#[test]
fn errors_while_it_is_given_up_do_no_harm() {
    fail_everywhere(scenario::terminated("given up", State::Mirrored));
}
