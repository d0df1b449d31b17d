//! Moves data sets to other volume images: a complete embedding, the same that `migrate.c` is in C.
//!
//!     cargo run --example migrate -- 'TEST.**' old.ckd new.ckd cat.ckd state-folder
//!     cargo run --example migrate -- 'TEST.**' old.ckd new.ckd cat.ckd state-folder BATCH1,BATCH2
//!
//! Lists have commas between. With names of images at the end, these programs go on writing to the sources; without
//! them, nobody else uses the volumes. The same command again goes on with a migration that was interrupted.
//!
//! What a storage-management product would replace is the host: each of its ports may be the product's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trackmirror::checkpoint::FileStore;
use trackmirror::copy::CopyOptions;
use trackmirror::enqueue::RegistryEnqueue;
use trackmirror::event::Event;
use trackmirror::host::Live;
use trackmirror::migrate::{MoveOptions, Selection, propose};
use trackmirror::monitor::MonitoredVolume;
use trackmirror::plan::Mode;
use trackmirror::registry::openers::Openers;
use trackmirror::state::{State, Verb};
use trackmirror::volume::{self, Access, Volume};
use trackmirror::{Code, Error, Host, Migration, Reason, Result, Volser};

/// Tracks between two looks at whether to go on.
const STEP_TRACKS: u32 = 1500;
/// How often in sequence something may fail that can pass, while others write.
const TROUBLES_MAX: u64 = 6;

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::from(error.code() as i32 as u8)
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let ([masks, sources, targets, catalog, folder], images) = match arguments {
        [a, b, c, d, e] => ([a, b, c, d, e], None),
        [a, b, c, d, e, images] => ([a, b, c, d, e], Some(images)),
        _ => {
            let usage = "usage: migrate MASKS SOURCES TARGETS CATALOG STATE-FOLDER [IMAGES]";
            return Err(Error::new(Reason::BadRequest, usage));
        }
    };
    let [sources, targets] = [sources, targets].map(|list| list.split(',').collect::<Vec<_>>());
    let folder = PathBuf::from(folder);
    let (host, from, to) = match images {
        None => alone(&sources, &targets, catalog)?,
        Some(images) => beside(images, &sources, &targets, catalog, &folder)?,
    };
    let is_live = host.live.is_some();
    let host = host.told_to(|_time, event: &Event| println!("{event}"));

    // A state that is there already is that of a migration that was interrupted, if it came so far as to begin.
    let resumed = match FileStore::exists(&folder) {
        false => None,
        true => {
            let (store, options) = (FileStore::open(&folder)?, CopyOptions::default());
            match Migration::resume(host.clone(), store, Some(folder.clone()), options) {
                Err(error) if error.reason() == Reason::NoCheckpoint => None,
                resumed => Some(resumed?),
            }
        }
    };
    let mut migration = match resumed {
        Some(migration) => migration,
        None => {
            let masks = masks.split(',').map(str::parse).collect::<Result<Vec<_>>>()?;
            let (mode, uncataloged, slack) = (Mode::OnePrimary, false, 0);
            let selection =
                Selection { masks: &masks, sources: &from, targets: &to, mode, uncataloged, slack };
            let (plan, refusals) = propose(&host, &selection)?;
            if let Some(refusal) = refusals.first() {
                return Err(refusal.reasons[0].clone());
            }
            Migration::check_volumes(&host, &plan, Some(&folder))?;
            let store = FileStore::open(&folder)?;
            Migration::new(host, plan, MoveOptions::default(), store, Some(folder.clone()))?
        }
    };

    let mut troubles = 0;
    while let Some(verb) = migration.next_verb() {
        if verb == Verb::Quiesce && !is_live {
            migration.verify()?;
        }
        // Somebody has something open still: what changes meanwhile is copied.
        let closing = verb == Verb::Quiesce && migration.state() == State::Closing;
        let done = if closing { migration.step(STEP_TRACKS).map(drop) } else { Ok(()) };
        match done.and_then(|()| migration.perform(verb, STEP_TRACKS)) {
            Ok(()) => troubles = 0,
            // Monitors that come back, openers that took too long: while others write, what can pass is waited for.
            Err(error)
                if is_live && error.code() == Code::Environment && troubles < TROUBLES_MAX =>
            {
                troubles += 1;
                eprintln!("{error}; it is tried again");
                std::thread::sleep(Duration::from_millis(500 * troubles));
            }
            Err(error) => return Err(error),
        }
        std::thread::sleep(migration.pause());
    }
    println!("done; the folder {} is needed no more", folder.display());
    Ok(())
}

/// The ports, and the serials of sources and targets.
type Ports = (Host, Vec<Volser>, Vec<Volser>);

/// The volumes are this process's alone until the host is dropped.
fn alone(sources: &[&str], targets: &[&str], catalog: &str) -> Result<Ports> {
    let mut paths = [sources, targets].concat();
    if !paths.contains(&catalog) {
        paths.push(catalog);
    }
    let volumes = volume::open_all(&paths, Access::Exclusive)?;
    let volsers: Vec<Volser> = volumes.iter().map(|volume| volume.volser()).collect();
    let (from, to) = volsers.split_at(sources.len());
    Ok((Host::of_volumes(volumes)?, from.to_vec(), to[..targets.len()].to_vec()))
}

/// Others write to the sources and the catalog's volume, and so does this process: each of them tells a monitor. Who has data
/// sets open they tell the registry of openers.
fn beside(
    images: &str,
    sources: &[&str],
    targets: &[&str],
    catalog: &str,
    folder: &Path,
) -> Result<Ports> {
    let own_image = format!("MIGRATE-{}", std::process::id());
    let mut live = Live {
        areas: Default::default(),
        images: Default::default(),
        machines: Vec::new(),
        enqueue: Arc::new(RegistryEnqueue::new(Openers::system()?, folder.to_string_lossy())),
    };
    let (mut volumes, mut from): (Vec<Arc<dyn Volume>>, Vec<Volser>) = Default::default();
    for path in sources {
        let volume = MonitoredVolume::open(path.as_ref(), &own_image)?;
        from.push(volume.volser());
        live.areas.insert(volume.volser(), volume.image().area().clone());
        live.images.insert(volume.volser(), images.split(',').map(String::from).collect());
        volumes.push(Arc::new(volume));
    }
    let opened = volume::open_all(targets, Access::Exclusive)?;
    let to = opened.iter().map(|volume| volume.volser()).collect();
    volumes.extend(opened);
    if !sources.contains(&catalog) {
        volumes.push(Arc::new(MonitoredVolume::open(catalog.as_ref(), &own_image)?));
    }
    Ok((Host::of_volumes(volumes)?.monitored_by(live), from, to))
}
