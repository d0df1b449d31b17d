//! The migrating process: this test program once more, which leads a migration to its end and says on its standard error
//! what happens. It goes on with what it finds in the state's folder.

use super::world::World;
use super::writer::Process;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trackmirror::checkpoint::FileStore;
use trackmirror::copy::CopyOptions;
use trackmirror::enqueue::RegistryEnqueue;
use trackmirror::event::Event;
use trackmirror::host::{Host, Live};
use trackmirror::migrate::{Goal, Limits, Migration, MoveOptions, Selection, propose};
use trackmirror::monitor::{Area, MonitoredVolume};
use trackmirror::plan::Mode;
use trackmirror::registry::openers::Openers;
use trackmirror::volume::Volume;
use trackmirror::{Reason, Result, Volser};

/// The environment variable that makes this program the migrating process.
const ROLE: &str = "TRACKMIRROR_TEST_ROLE";

/// How a migration is to be led.
#[derive(Clone, Debug)]
pub struct Orders {
    pub images: Vec<String>,
    pub goal_tracks: u64,
    pub threads: usize,
    /// The most tracks of a step.
    pub step: u32,
    /// How long it goes on mirroring before it closes.
    pub mirror_ms: u64,
}

impl World {
    /// Starts the migrating process; again, if it died.
    pub fn migrator(&self, orders: &Orders) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let paths = |files: &[PathBuf]| {
            files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(",")
        };
        let role = format!(
            "{} {} {} {} {} {} {} {} {}",
            self.folder.path().display(),
            paths(&self.sources),
            paths(&self.targets),
            self.system.display(),
            orders.images.join(","),
            orders.goal_tracks,
            orders.threads,
            orders.step,
            orders.mirror_ms,
        );
        command
            .args([
                "--exact",
                "migrator::as_the_migrating_process",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(ROLE, role)
            .env(super::world::REGISTRY, self.registry());
        Process::start(&mut command)
    }
}

#[test]
fn as_the_migrating_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split(' ').collect();
    let files = |word: &str| word.split(',').map(PathBuf::from).collect::<Vec<_>>();
    let [folder, sources, targets, system, images, goal, threads, step, mirror_ms] = words[..]
    else {
        panic!("not a role: {role}")
    };
    let orders = Orders {
        images: images.split(',').map(String::from).collect(),
        goal_tracks: goal.parse().unwrap(),
        threads: threads.parse().unwrap(),
        step: step.parse().unwrap(),
        mirror_ms: mirror_ms.parse().unwrap(),
    };
    let state = Path::new(folder).join("state");
    let (sources, targets) = (files(sources), files(targets));
    let begun = Instant::now();
    loop {
        match lead(&state, &sources, &targets, Path::new(system), &orders) {
            Ok(()) => return,
            Err(error) => {
                eprintln!("error: {error}");
                let again = [
                    Reason::NotCovered,
                    Reason::NotFilled,
                    Reason::LateWriter,
                    Reason::ImageExists,
                    Reason::WindowTooLong,
                ];
                assert!(again.contains(&error.reason()), "{error}");
                assert!(begun.elapsed() < super::writer::LONG, "{error}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Leads a migration to its end, a new one or the one of this folder.
fn lead(
    state: &Path,
    sources: &[PathBuf],
    targets: &[PathBuf],
    system: &Path,
    orders: &Orders,
) -> Result<()> {
    let open = |path: &Path| -> Result<Arc<dyn Volume>> {
        Ok(Arc::new(MonitoredVolume::open(path, "TRACKMIRROR")?))
    };
    let volumes = sources.iter().chain(targets).map(PathBuf::as_path).chain([system]);
    let volumes = volumes.map(open).collect::<Result<Vec<_>>>()?;
    let volsers = |from: usize, count: usize| -> Vec<Volser> {
        volumes[from..from + count].iter().map(|volume| volume.volser()).collect()
    };
    let (source_volsers, target_volsers) =
        (volsers(0, sources.len()), volsers(sources.len(), targets.len()));
    let areas = volumes[..sources.len()]
        .iter()
        .map(|volume| Ok((volume.volser(), Area::open(&**volume)?)))
        .collect::<Result<_>>()?;
    let images = |volser: &Volser| (*volser, orders.images.clone());
    let enqueue = RegistryEnqueue::new(Openers::system()?, state.display().to_string());
    let live = Live {
        areas,
        images: source_volsers.iter().map(images).collect(),
        enqueue: Arc::new(enqueue),
    };
    let host = Host::of_volumes(volumes)?.monitored_by(live).told_to(tell);
    let store = FileStore::open(state)?;
    let options = CopyOptions { threads: orders.threads, ..CopyOptions::default() };
    let mut migration = match FileStore::peek(state) {
        Ok(_) => Migration::resume(host, store, Some(state.into()), options)?,
        Err(error) if error.reason() == Reason::NoCheckpoint => {
            let selection = Selection {
                masks: &["LIVE.**".parse()?],
                sources: &source_volsers,
                targets: &target_volsers,
                mode: Mode::OnePrimary,
                uncataloged: false,
            };
            let (plan, refusals) = propose(&host, &selection)?;
            assert!(refusals.is_empty(), "{refusals:?}");
            Migration::new(host, plan, MoveOptions::default(), store, Some(state.into()))?
        }
        Err(error) => return Err(error),
    };
    migration.set_copy_options(options);
    migration.set_goal(Goal::Tracks(orders.goal_tracks));
    migration.set_limits(Limits { wait: Duration::from_secs(50), window: Duration::from_secs(5) });
    let mut mirrored_at = None;
    while let Some(verb) = migration.next_verb() {
        use trackmirror::state::{State, Verb};
        let mirrored_at = match migration.state() {
            State::Mirrored => mirrored_at.get_or_insert_with(Instant::now),
            _ => &mut Instant::now(),
        };
        let is_early = mirrored_at.elapsed() < Duration::from_millis(orders.mirror_ms);
        if verb == Verb::Quiesce && migration.state() == State::Mirrored && is_early {
            migration.step(orders.step)?;
        } else {
            migration.perform(verb, orders.step)?;
        }
        if matches!(verb, Verb::Step | Verb::Quiesce) {
            std::thread::sleep(migration.pause().min(Duration::from_millis(5)));
        }
    }
    Ok(())
}

fn tell(_: Duration, event: &Event) {
    if event.name() != "copied" {
        eprintln!("event {}: {event}", event.name());
    }
}
