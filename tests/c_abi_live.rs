//! The promise that a migration that is led by the C ABI alone, with the host's own tables for everything, loses no more than
//! one that is led by the command: nothing.
//!
//! The worlds, the writers, the deeds and the judge are those of `live_writers`, with the same seeds. The migrating process is
//! this test itself, in a role: it calls the C functions as a program in C does, and its tables for volumes, space,
//! catalog, openers, state, clock and events are `extern "C"` functions, served by a second set of the library's own objects.
//! In some worlds the tables are slow, or fail now and then. It asserts that each table is given back once.
//!
//! `TRACKMIRROR_SEEDS=N` tries N seeds (20 by default), `TRACKMIRROR_SEED=K` the one that a failure names (both: N from
//! K on).

#![cfg(all(feature = "cli", target_os = "linux"))]
#![allow(unsafe_code)] // It does what a program in C does.

#[path = "live_writers/allocator.rs"]
mod allocator;
#[path = "c_abi_live/catalog.rs"]
mod catalog;
#[path = "live_writers/chaos.rs"]
mod chaos;
#[path = "c_abi_live/desk.rs"]
mod desk;
#[path = "c_abi_live/host.rs"]
mod host;
#[path = "c_abi_live/journal.rs"]
mod journal;
#[path = "live_writers/judge.rs"]
mod judge;
#[path = "c_abi_live/lies.rs"]
mod lies;
#[path = "live_writers/migrator.rs"]
#[allow(dead_code)] // Another one leads here.
mod migrator;
#[path = "c_abi_live/ports.rs"]
mod ports;
#[path = "c_abi_live/program.rs"]
mod program;
#[path = "c_abi_live/space.rs"]
mod space;
mod support;
#[path = "c_abi_live/volumes.rs"]
mod volumes;
#[path = "live_writers/world.rs"]
#[allow(dead_code)] // It is there for others, too.
mod world;
#[path = "live_writers/writer.rs"]
mod writer;

use chaos::Lead;
use judge::judge;
use lies::Lie;
use migrator::Orders;
use program::{Job, Manner, ORDERS};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use world::{REGISTRY, Random, World};
use writer::{Habits, LONG, Process};

/// What the process that migrates is; nothing where nobody is to migrate.
#[test]
fn a_role_of_another_process() {
    if let Ok(orders) = std::env::var(ORDERS) {
        std::process::exit(program::run(&orders));
    }
}

/// A program leads it by the C ABI, with a host of this seed.
struct ByTheAbi {
    seed: u64,
    lie: Option<Lie>,
    /// Where each life of the program is noted.
    diary: PathBuf,
    /// Whether notes beside the images tell of the migration, if that does not follow from the seed.
    has_notes: Option<bool>,
}

impl Lead for ByTheAbi {
    fn start(&self, world: &World, orders: &Orders) -> Process {
        let manner = Manner::new(self.seed);
        // Without notes nobody knows whether a data set that has gone was moved, or deleted while nobody was watching.
        let is_changed = orders.images.iter().any(|image| image == chaos::ALLOCATOR);
        let job = Job {
            folder: world.folder.path().into(),
            sources: world.sources.clone(),
            targets: world.targets.clone(),
            system: world.system.clone(),
            images: orders.images.clone(),
            goal_tracks: orders.goal_tracks.into(),
            threads: orders.threads,
            pace: orders.pace.map(u64::from),
            options: orders.options.iter().map(ToString::to_string).collect(),
            seed: self.seed,
            lie: self.lie,
            diary: self.diary.clone(),
            has_notes: self.has_notes.unwrap_or(is_changed || manner.has_notes),
            is_changed,
        };
        let mut command = Command::new(std::env::current_exe().expect("the test has a file"));
        command.args(["--exact", "a_role_of_another_process", "--nocapture", "--test-threads=1"]);
        command.env(REGISTRY, world.registry()).env_remove("TRACKMIRROR_OPENERS");
        Process::start(command.env(ORDERS, job.value().to_string()))
    }

    fn close_now(&self, world: &World) -> Option<Process> {
        std::fs::write(Job::close_order(world.folder.path()), "").expect("it can be ordered");
        None
    }
}

/// A number from the environment.
fn from_environment(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

#[test]
fn nothing_is_lost_by_the_c_abi_whoever_is_killed_and_when() {
    let (first, count) =
        (from_environment("TRACKMIRROR_SEED"), from_environment("TRACKMIRROR_SEEDS"));
    let first_seed = first.unwrap_or(0);
    let seeds = first_seed..first_seed + count.unwrap_or(if first.is_some() { 1 } else { 20 });
    let mut seen = chaos::Seen::default();
    let begun = Instant::now();
    let folder = support::folder();
    let diary = folder.path().join("diary");
    for seed in seeds.clone() {
        let lead = ByTheAbi { seed, lie: None, diary: diary.clone(), has_notes: None };
        match std::panic::catch_unwind(|| chaos::run(seed, &lead)) {
            Ok(told) => seen.add(&told),
            Err(panic) => {
                eprintln!(
                    "seed {seed} failed; to repeat it: TRACKMIRROR_SEED={seed} cargo test --test c_abi_live nothing_is_lost"
                );
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{} seeds in {:.1} s: {seen}", seeds.end - seeds.start, begun.elapsed().as_secs_f64());
    let lives = std::fs::read_to_string(&diary).expect("each life is noted");
    let count = |word: &str| lives.lines().filter(|line| line.starts_with(word)).count();
    let manners: Vec<Manner> = seeds.clone().map(Manner::new).collect();
    println!(
        "{} hosts with slow tables, {} whose tables fail; {} lives to the end, {} given up",
        manners.iter().filter(|manner| manner.trouble.slow.is_some()).count(),
        manners.iter().filter(|manner| manner.trouble.fails_every.is_some()).count(),
        count("done"),
        count("given up")
    );
    assert!(count("done") as u64 >= seeds.end - seeds.start);
}

/// What a migration by a host that lies has come to.
struct Found {
    /// The code of the process, and what it said.
    code: i32,
    said: String,
    /// What the judge says.
    verdict: i32,
    judged: String,
}

/// So many writes in a second are done by one who is not to meet the seals.
const SELDOM: u32 = 3;

/// Moves data sets with a host that lies, while two writers write, until it ends. One that forgets is killed behind its
/// switch, and begun again when its users have written at the target. Other writers do not go on there: what was
/// lost would be written anew.
fn believe(lie: Lie, has_notes: bool) -> Found {
    let mut random = Random(21);
    let world = World::new(&mut random);
    let habits: Vec<Habits> = (0..2)
        .map(|number| Habits {
            image: format!("W{}", number + 1),
            share: (number, 2),
            seed: random.next(),
            threads: 2,
            rate: if lie == Lie::NobodyOpens { SELDOM } else { 0 },
            hot: 0,
            run: 2,
            reopen: lie == Lie::ForgottenState,
            unlisted: false,
            slow: None,
            vary: false,
        })
        .collect();
    let mut writers: Vec<Process> = habits.iter().map(|habits| world.writer(habits)).collect();
    writers.iter_mut().for_each(|writer| writer.hear("filled"));
    let orders = Orders {
        images: habits.iter().map(|habits| habits.image.clone()).collect(),
        goal_tracks: 20,
        threads: 1,
        pace: None,
        options: Vec::new(),
    };
    // A host of a seed that has no other troubles.
    let calm = (0..).find(|&seed| is_calm(seed)).expect("there is one");
    let diary = world.path("diary");
    let lead = ByTheAbi { seed: calm, lie: Some(lie), diary, has_notes: Some(has_notes) };
    let mut migrator = lead.start(&world, &orders);
    if lie == Lie::ForgottenState {
        let until = Instant::now() + LONG;
        while !world.has_happened("released") && migrator.ended().is_none() {
            assert!(Instant::now() < until, "{:#?}", migrator.said());
            std::thread::sleep(Duration::from_millis(1));
        }
        migrator.kill();
        writers.iter_mut().for_each(|writer| writer.hear("writing on NEW"));
        std::thread::sleep(Duration::from_millis(100));
        for writer in &mut writers {
            writer.end_input();
            writer.wait();
        }
        migrator = lead.start(&world, &orders);
    }
    let until = Instant::now() + LONG;
    while migrator.ended().is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
        if world.has_happened("not-converging") {
            lead.close_now(&world);
        }
    }
    let code = migrator.ended().unwrap_or(-2);
    // Whoever was not asked to close writes on.
    std::thread::sleep(Duration::from_millis(if lie == Lie::NobodyOpens { 2000 } else { 100 }));
    let said = migrator.said().join("\n");
    drop(migrator);
    for writer in &mut writers {
        writer.end_input();
        writer.wait();
    }
    let volumes = [&world.sources[..], &world.targets[..]].concat();
    let (verdict, judged) = judge(&world, &habits, &volumes, &world.sources, true);
    Found { code, said, verdict, judged }
}

fn is_calm(seed: u64) -> bool {
    let manner = Manner::new(seed);
    manner.trouble.slow.is_none() && manner.trouble.fails_every.is_none() && manner.reads_vtocs
}

/// That the judge finds it, or the library.
#[track_caller]
fn assert_found(lie: Lie, words: &[&str]) -> Found {
    assert_found_with(lie, true, words)
}

#[track_caller]
fn assert_found_with(lie: Lie, has_notes: bool, words: &[&str]) -> Found {
    let found = believe(lie, has_notes);
    let Found { code, said, verdict, judged } = &found;
    assert!(*code > 0 || *verdict == 8, "{lie:?}: {code} {said}\n{verdict} {judged}");
    let all = format!("{said}\n{judged}");
    assert!(
        words.iter().any(|word| all.contains(word)),
        "{lie:?}: {code} {said}\n{verdict} {judged}"
    );
    found
}

#[test]
fn a_volume_that_reads_what_was_there_before_is_found() {
    let found = assert_found(Lie::StaleReads, &["holds the older write"]);
    assert_eq!((found.code, found.verdict), (0, 8));
}

#[test]
fn a_volume_that_does_not_write_everything_is_found() {
    assert_found(Lie::LostWrites, &["it holds nothing", "holds the older write"]);
}

#[test]
fn openers_who_are_not_asked_are_found() {
    assert_found(Lie::NobodyOpens, &["holds the older write"]);
}

#[test]
fn a_state_that_is_older_than_what_was_done_is_found() {
    for has_notes in [true, false] {
        let found = assert_found_with(Lie::ForgottenState, has_notes, &["older", "lead"]);
        assert!(found.code > 0, "{}", found.said);
    }
}

#[test]
fn allocations_that_are_not_made_are_found() {
    let found = assert_found(Lie::UnmadeSpace, &["said that it is done, but"]);
    assert_eq!((found.code, found.verdict), (12, 0), "{}", found.judged);
}

#[test]
fn entries_that_are_not_changed_are_found() {
    let found = assert_found(Lie::UnmadeEntries, &["said that it is done, but"]);
    assert_eq!((found.code, found.verdict), (12, 0), "{}", found.judged);
}
