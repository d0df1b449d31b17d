//! The same while an application works with the data sets: whenever process or machine ends, the writes that it was told
//! are done are there wherever it looks, nobody is let in too early, and in the end nobody stays out.
//!
//! When only the process ends, the monitors live on, and nothing is copied again but what is left. When the machine
//! ends, its memory is lost, and so are the monitors' areas.

use crate::application::{Application, Asked, IMAGE};
use crate::known::{
    Checked, Known, OPTIONS, View, assert_none_failed, has_torn_structure, propose_all, told,
};
use crate::scenario::{self, Scenario};
use crate::world::{At, Fate, Fault, Kind, Random, Slots, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use trackmirror::checkpoint::Checkpoint;
use trackmirror::clock::Clock;
use trackmirror::host::{Host, Live};
use trackmirror::migrate::{Goal, Migration};
use trackmirror::monitor::MonitoredVolume;
use trackmirror::state::{State, Verb};
use trackmirror::volume::Volume;
use trackmirror::{Error, Reason, Result};

/// A clock on which each look takes a millisecond.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// A run: the world of the present process, and who lives beside all of them.
pub struct Run {
    pub world: Arc<World>,
    pub application: Arc<Application>,
    /// Tracks of data sets that were written to the targets, by all processes together.
    copied: usize,
}

impl Run {
    pub fn new(known: &Known, at: Option<At>) -> Run {
        Run::with(known, at.into_iter().collect())
    }

    fn with(known: &Known, at: Vec<At>) -> Run {
        let seed = at.first().map_or(1, |at| at.seed);
        let world = known.scenario.world.after_all(at);
        let application = Application::new(known, &world, seed);
        Run { world, application, copied: 0 }
    }

    pub fn host(&self) -> Result<Host> {
        let areas = self.application.areas();
        let mut volumes: Vec<Arc<dyn Volume>> = Vec::new();
        for volume in self.world.volumes() {
            volumes.push(match areas.get(&volume.volser()) {
                Some(area) => Arc::new(MonitoredVolume::attach_in(volume, area, "TRACKMIRROR")?),
                None => volume,
            });
        }
        let images = areas.keys().map(|volser| (*volser, vec![IMAGE.to_string()]));
        let images: BTreeMap<_, _> = images.collect();
        let asked = Asked { application: self.application.clone(), world: self.world.clone() };
        let enqueue = Arc::new(asked);
        let mut host = Host::of_volumes(volumes)?.monitored_by(Live {
            areas,
            images,
            enqueue,
            machines: Vec::new(),
        });
        host.clock = Arc::new(Ticks::default());
        Ok(host)
    }

    /// A process: it begins the migration or takes it up, and leads it to its end.
    fn process(&mut self, known: &Known) -> Result<()> {
        self.application.beside(&self.world);
        let done = self.lead(known);
        self.world.set_meanwhile(None);
        let is_copy = |kind: &&Kind| match kind {
            Kind::Write(on, track) => known.scenario.targets.contains(on) && track.0 > 4,
            _ => false,
        };
        self.copied += self.world.operations().iter().filter(is_copy).count();
        done
    }

    fn lead(&self, known: &Known) -> Result<()> {
        let scenario = &known.scenario;
        let store = || Slots(self.world.clone());
        let mut migration = if Checkpoint::open(store())?.1.is_some() {
            let mut migration = Migration::open(self.host()?, store(), None)?;
            if scenario.terminate_in.is_some() {
                if !migration.state().is_ended() {
                    migration.terminate()?;
                }
                return Ok(());
            }
            migration.set_copy_options(OPTIONS);
            migration.take_up()?;
            if migration.state() != State::Switching && self.application.is_held() {
                let what = format!("taken up, {}, and it is still held", migration.state());
                self.application.found_wrong(what);
            }
            migration
        } else {
            let host = self.host()?;
            let plan = propose_all(known, &host)?;
            Migration::new(host, plan, scenario.options.clone(), store(), None)?
        };
        migration.set_copy_options(OPTIONS);
        migration.set_goal(Goal::Tracks(3));
        let mut verb_count = 0;
        while let Some(verb) = migration.next_verb() {
            verb_count += 1;
            assert!(verb_count < 2000, "it comes to no end: {}", migration.state());
            let is_time = scenario.terminate_in.is_some_and(|state| migration.state() >= state);
            let verb = if is_time { Verb::Terminate } else { verb };
            migration.perform(verb, 3)?;
        }
        Ok(())
    }

    /// A process that is told every verb again that failed, and gives back how many did.
    fn stubborn(&self, known: &Known) -> std::result::Result<usize, String> {
        let scenario = &known.scenario;
        let store = || Slots(self.world.clone());
        self.application.beside(&self.world);
        let begin = || -> Result<Migration> {
            let host = self.host()?;
            if Checkpoint::open(store())?.1.is_some() {
                return Migration::resume(host, store(), None, OPTIONS);
            }
            let plan = propose_all(known, &host)?;
            Migration::new(host, plan, scenario.options.clone(), store(), None)
        };
        let mut failed = 0;
        let mut migration = loop {
            match begin() {
                Ok(migration) => break migration,
                Err(error) if failed == 5 => return Err(format!("it does not begin: {error}")),
                Err(_) => failed += 1,
            }
        };
        migration.set_copy_options(OPTIONS);
        migration.set_goal(Goal::Tracks(3));
        let (mut verb_count, mut is_ending) = (0, false);
        while let Some(verb) = migration.next_verb() {
            verb_count += 1;
            let before = migration.state();
            if verb_count == 2000 {
                return Err(format!("it comes to no end: {before}"));
            }
            // A termination that failed half-way is told again.
            is_ending |= scenario.terminate_in.is_some_and(|state| before >= state);
            let verb = if is_ending { Verb::Terminate } else { verb };
            let done = migration.perform(verb, 3);
            if let Err(error) = &done {
                failed += 1;
                if failed == 12 {
                    return Err(format!("again and again: {verb}: {error}"));
                }
            }
            let after = migration.state();
            if done.is_ok()
                && self.application.is_shut_out()
                && !is_window(after)
                && !is_window(before)
            {
                return Err(format!("it is shut out while the migration is {after}"));
            }
        }
        self.world.set_meanwhile(None);
        Ok(failed)
    }

    /// The next process, in a machine that goes on or is started again.
    fn go_on(&mut self, known: &Known, after: Fault, again: Option<At>) {
        self.world = self.world.after(again);
        if matches!(after, Fault::Power(_)) {
            self.application.boot(&self.world, &known.scenario.sources);
        } else if !has_torn_structure(&self.world) {
            (0..4).for_each(|_| self.application.go_on(&self.world));
        }
        if !has_torn_structure(&self.world) {
            self.application.check(&self.world);
        }
    }

    pub fn check_end(&self, known: &mut Known) -> Checked {
        (0..20).for_each(|_| self.application.go_on(&self.world));
        self.application.check(&self.world);
        if let Some(wrong) = self.application.wrongs().first() {
            return Err(format!("the application saw: {wrong}"));
        }
        if self.application.is_held() {
            return Err("the application is held for ever".into());
        }
        for area in self.application.areas().values() {
            if !area.subscriptions().is_empty() {
                return Err("a subscription is left".into());
            }
        }
        let (view, before) = (View::of(&self.world), known.moved.clone());
        for ((name, _, content), ledger) in known.moved.iter_mut().zip(self.application.ledgers()) {
            let present = view.content(*name, view.locate(*name).map_err(told)?).map_err(told)?;
            *content = present.iter().zip(ledger).map(|(is, l)| l.unwrap_or(*is)).collect();
        }
        let checked = known.check_end(&self.world);
        known.moved = before;
        checked
    }
}

fn clean_run(known: &mut Known) -> (Vec<Kind>, usize) {
    let mut run = Run::new(known, None);
    run.process(known).unwrap();
    let operations = run.world.operations();
    run.check_end(known).unwrap();
    (operations, run.application.write_count())
}

fn crash(known: &mut Known, at: At, again: Option<At>) -> Checked {
    let mut run = Run::new(known, Some(at));
    let ended = run.process(known);
    if !run.world.is_dead() {
        // What the application does is not the same in each run: it may have come to its end before.
        ended.map_err(|error| format!("not interrupted: {error}"))?;
    } else {
        run.go_on(known, at.fault, again);
        let mut ended = run.process(known);
        if run.world.is_dead() {
            run.go_on(known, again.unwrap().fault, None);
            ended = run.process(known);
        }
        ended.map_err(|error| format!("resumed: {error}"))?;
    }
    let is_kill = |at: Option<At>| at.is_none_or(|at| matches!(at.fault, Fault::Kill(_)));
    let track_count: usize = run.application.ledgers().iter().map(Vec::len).sum();
    let most = track_count + run.application.write_count() + 3 * 3;
    if is_kill(Some(at)) && is_kill(again) && run.copied > most {
        return Err(format!("{} batches were copied of {track_count} tracks", run.copied));
    }
    run.check_end(known).map_err(|what| format!("in the end: {what}"))
}

/// Whether users may be kept out.
fn is_window(state: State) -> bool {
    (State::Closing..=State::Switching).contains(&state)
}

/// Operations that fail, one or two in a run, in a process that lives on.
fn fail_everywhere(scenario: Scenario) {
    let mut known = Known::of(scenario);
    let run = Run::new(&known, None);
    run.stubborn(&known).unwrap();
    let operations = run.world.operations();
    run.check_end(&mut known).unwrap();
    let (mut run_count, mut failures) = (0, Vec::new());
    for seed in 0..crate::seed_count() {
        for (index, kind) in crate::share(operations.iter().enumerate()) {
            let mut random = Random::new(seed << 20 | index as u64);
            {
                // Twice of three times what is done about the first failure fails too.
                let way = (index + seed as usize) % 3;
                let mut at = |operation| At {
                    operation,
                    fault: Fault::Fail(Fate::ALL[random.below(4)]),
                    seed: random.below(1 << 30) as u64,
                };
                let first = index + 1;
                let mut all = vec![at(first)];
                (way > 0).then(|| all.push(at(first + way)));
                run_count += 1;
                let run = Run::with(&known, all.clone());
                let ended = run.stubborn(&known).and_then(|_| run.check_end(&mut known));
                failures.extend(ended.err().map(|what| format!("{kind:?}, {all:?}: {what}")));
            }
        }
    }
    let name = known.scenario.name;
    eprintln!("{name}, live: {} operations, {run_count} runs", operations.len());
    assert_none_failed(name, run_count, &failures);
}

/// Ends runs at these operations in ways that are drawn, and of one of so many also the process that resumes: how many runs
/// there were, and what failed.
pub fn crash_at(
    operations: &[Kind],
    one_of: usize,
    mut crash: impl FnMut(At, Option<At>) -> Checked,
) -> (usize, Vec<String>) {
    let (mut run_count, mut failures) = (0, Vec::new());
    for seed in 0..crate::seed_count() {
        // Of long runs every other operation, and the others with the next seed.
        let stride = if operations.len() > 100 { 2 } else { 1 };
        let places = operations.iter().enumerate().skip(seed as usize % stride).step_by(stride);
        for (index, kind) in crate::share(places) {
            let operation = index + 1;
            let mut random = Random::new(seed << 20 | operation as u64);
            let faults = [
                Fault::Kill(Fate::Done),
                Fault::Kill([Fate::TornOld, Fate::TornGarbage, Fate::Dropped][random.below(3)]),
                Fault::Power(Fate::ALL[random.below(4)]),
            ];
            // One way for each operation, another with each seed.
            let fault = faults[(operation + seed as usize) % faults.len()];
            let at = At { operation, fault, seed: random.below(1 << 30) as u64 };
            let again = At::again(&mut random, one_of, operations.len().min(30));
            run_count += 1;
            let failed = crash(at, again).err();
            failures.extend(failed.map(|what| format!("{kind:?}, {at:?}, {again:?}: {what}")));
        }
    }
    (run_count, failures)
}

fn crash_everywhere(scenario: Scenario) {
    let mut known = Known::of(scenario);
    let (operations, writes) = clean_run(&mut known);
    let (run_count, failures) = crash_at(&operations, 3, |at, again| crash(&mut known, at, again));
    let name = known.scenario.name;
    eprintln!("{name}, live: {} operations, {writes} writes, {run_count} runs", operations.len());
    assert_none_failed(name, run_count, &failures);
}

/// Verbs in any order, operations that fail, processes that end without a word, and areas that are lost, all drawn from a
/// seed; then it is led to its end.
fn any_order(known: &mut Known, seed: u64) -> Checked {
    let mut random = Random::new(seed);
    let mut at = || At {
        operation: 1 + random.below(150),
        fault: Fault::Fail(Fate::ALL[random.below(4)]),
        seed: random.below(1 << 30) as u64,
    };
    let faults = (0..4).map(|_| at()).collect();
    let mut run = Run::with(known, faults);
    let store = |run: &Run| Slots(run.world.clone());
    let begin = |run: &Run| -> Result<Migration> {
        run.application.beside(&run.world);
        let host = run.host()?;
        let mut migration = if Checkpoint::open(store(run))?.1.is_some() {
            Migration::resume(host, store(run), None, OPTIONS)?
        } else {
            let plan = propose_all(known, &host)?;
            Migration::new(host, plan, known.scenario.options.clone(), store(run), None)?
        };
        migration.set_copy_options(OPTIONS);
        migration.set_goal(Goal::Tracks(3));
        Ok(migration)
    };
    let others: Vec<Verb> = Verb::ALL.iter().copied().filter(|v| *v != Verb::Terminate).collect();
    let mut migration: Option<Migration> = None;
    for _ in 0..60 {
        let Some(present) = &mut migration else {
            migration = begin(&run).ok();
            continue;
        };
        let verb = match random.below(12) {
            0 if random.below(3) == 0 => {
                migration = None;
                run.world = run.world.after_all(run.world.pending_faults());
                if random.below(3) == 0 {
                    run.application.boot(&run.world, &known.scenario.sources);
                }
                continue;
            }
            1 if random.below(8) == 0 => Verb::Terminate,
            0..3 => others[random.below(others.len())],
            _ => match present.next_verb() {
                Some(verb) => verb,
                None => break,
            },
        };
        let _ = present.perform(verb, 1 + random.below(4) as u32);
        let state = present.state();
        if run.application.is_shut_out() && state < State::Copying {
            return Err(format!("it is shut out while the migration is {state}"));
        }
    }
    drop(migration);
    run.world = run.world.after(None);
    // What a termination left half done can only be terminated.
    let ended = |error: Error| format!("in the end: {error}");
    let mut migration = match begin(&run) {
        Err(error) if error.reason() == Reason::TargetChanged => {
            let host = run.host().map_err(ended)?;
            let mut migration = Migration::open(host, store(&run), None).map_err(ended)?;
            migration.terminate().map_err(ended)?;
            migration
        }
        begun => begun.map_err(ended)?,
    };
    let mut verb_count = 0;
    while let Some(verb) = migration.next_verb() {
        verb_count += 1;
        if verb_count == 2000 {
            return Err(format!("it comes to no end: {}", migration.state()));
        }
        if let Err(error) = migration.perform(verb, 3) {
            let before_switch = migration.state().is_before_switch();
            if !(before_switch && error.reason() == Reason::TargetChanged) {
                return Err(format!("in the end: {verb}: {error}"));
            }
            migration.terminate().map_err(ended)?;
        }
    }
    let is_given_up = migration.state() == State::Terminated;
    drop(migration);
    run.world.set_meanwhile(None);
    known.scenario.terminate_in = is_given_up.then_some(State::Planned);
    let checked = run.check_end(known);
    known.scenario.terminate_in = None;
    checked
}

#[test]
fn any_order_of_verbs() {
    let scenarios = [scenario::single, |_| scenario::two_volumes(), |_| scenario::combined()];
    let (mut failures, mut run_count) = (Vec::new(), 0);
    for scenario in scenarios {
        let mut known = Known::of(scenario("any order"));
        for seed in crate::share(0..60 * crate::seed_count()) {
            run_count += 1;
            let failed = any_order(&mut known, seed).err();
            let name = known.scenario.name;
            failures.extend(failed.map(|what| format!("{name}, seed {seed}: {what}")));
        }
    }
    let first = failures.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {run_count} failed:\n{first}", failures.len());
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

#[test]
fn a_source_that_is_erased() {
    crash_everywhere(scenario::erased());
}

#[test]
fn a_source_that_is_kept() {
    crash_everywhere(scenario::kept());
}

#[test]
fn used_tracks_only() {
    crash_everywhere(scenario::used_only());
}

#[test]
fn extents_combined_on_their_own_volume() {
    crash_everywhere(scenario::combined());
}

#[test]
fn given_up_while_it_is_mirrored() {
    crash_everywhere(scenario::terminated("given up, live", State::Mirrored));
}

#[test]
fn given_up_in_the_window() {
    crash_everywhere(scenario::terminated("given up in the window, live", State::Quiesced));
}

#[test]
fn errors_of_one_data_set_do_no_harm() {
    fail_everywhere(scenario::single("errors"));
}

#[test]
fn errors_of_a_group_do_no_harm() {
    fail_everywhere(scenario::terminated("errors of a group", State::Complete).completed());
}

#[test]
fn errors_while_extents_are_combined_do_no_harm() {
    fail_everywhere(scenario::combined());
}

#[test]
fn errors_while_it_is_given_up_do_no_harm() {
    fail_everywhere(scenario::terminated("errors, given up", State::Quiesced));
}

#[test]
fn one_of_two_areas_is_lost_with_the_process() {
    let mut known = Known::of(scenario::two_volumes());
    let (operations, _) = clean_run(&mut known);
    let mut failures = Vec::new();
    for operation in crate::share(1..=operations.len()) {
        let at = At { operation, fault: Fault::Kill(Fate::Done), seed: operation as u64 };
        let mut run = Run::new(&known, Some(at));
        let ended = run.process(&known);
        if run.world.is_dead() {
            run.world = run.world.after(None);
            run.application.lose_areas(&run.world, &known.scenario.sources[..1]);
            run.process(&known).unwrap_or_else(|error| panic!("{at:?}: {error}"));
        } else {
            ended.unwrap();
        }
        failures.extend(run.check_end(&mut known).err().map(|what| format!("{at:?}: {what}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
