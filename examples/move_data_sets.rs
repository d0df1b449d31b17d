//! Moves data sets from one volume image to another: a complete embedding.
//!
//!     cargo run --example move_data_sets -- 'TEST.**' old.ckd new.ckd state-folder
//!
//! What a storage-management product would replace is the host: each of its ports may be the product's own.

use std::path::PathBuf;
use trackmirror::checkpoint::{CheckpointStore, FileStore};
use trackmirror::copy::CopyOptions;
use trackmirror::event::Event;
use trackmirror::migrate::{MoveOptions, Selection, propose};
use trackmirror::plan::Mode;
use trackmirror::state::Verb;
use trackmirror::volume::{self, Access};
use trackmirror::{Error, Host, Migration, Reason, Result};

/// Tracks between two looks at whether to go on.
const STEP_TRACKS: u32 = 1500;

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::from(error.code() as i32 as u8)
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(mask), Some(source), Some(target), Some(folder)) =
        (arguments.next(), arguments.next(), arguments.next(), arguments.next())
    else {
        return Err(Error::new(
            Reason::BadRequest,
            "usage: move_data_sets MASK SOURCE-IMAGE TARGET-IMAGE STATE-FOLDER",
        ));
    };

    // The volumes are this process's alone until the host is dropped.
    let volumes = volume::open_all(&[&source, &target], Access::Exclusive)?;
    let (from, to) = (volumes[0].volser(), volumes[1].volser());
    let host = Host::of_volumes(volumes)?.told_to(|_time, event: &Event| println!("{event}"));

    // A state that is there already is that of a migration that was interrupted.
    let folder = PathBuf::from(folder);
    let store = FileStore::open(&folder)?;
    let mut migration = if store.read(0)?.is_some() {
        Migration::resume(host, store, Some(folder.clone()), CopyOptions::default())?
    } else {
        let selection = Selection {
            masks: &[mask.parse()?],
            sources: &[from],
            targets: &[to],
            mode: Mode::OnePrimary,
            uncataloged: true,
            slack: 0,
        };
        let (plan, refusals) = propose(&host, &selection)?;
        if let Some(refusal) = refusals.first() {
            return Err(refusal.reasons[0].clone());
        }
        Migration::new(host, plan, MoveOptions::default(), store, Some(folder.clone()))?
    };

    while let Some(verb) = migration.next_verb() {
        if verb == Verb::Quiesce {
            migration.verify()?;
        }
        migration.perform(verb, STEP_TRACKS)?;
    }
    drop(migration);
    std::fs::remove_dir_all(&folder).map_err(|error| Error::io(folder.display(), &error))
}
