//! Checkpoints, state folders and notes.

use crate::support::patch;
use crate::world::{Kind, World, kind};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use trackmirror::Reason;
use trackmirror::checkpoint::FileStore;

/// A migration that was interrupted: a track of its source could not be read. The track is whole again.
fn interrupted(world: &World) {
    let whole = world.image(22);
    world.track(22, 4, &[0xEE]);
    assert_eq!(world.migrate().0, 12);
    world.track(22, 0, &whole);
}

fn slot(world: &World, number: usize) -> std::path::PathBuf {
    world.state().join(format!("checkpoint.{number}"))
}

const STATE: &[&str] = &["state"];

pub const KINDS: &[Kind] = &[
    kind("both slots damaged", Reason::CheckpointDamaged, &["state", "restore"], |w| {
        interrupted(w);
        (0..2).for_each(|number| patch(&slot(w, number), 40, b"damage"));
    }),
    kind("both slots cut", Reason::CheckpointDamaged, STATE, |w| {
        interrupted(w);
        for number in 0..2 {
            OpenOptions::new().write(true).open(slot(w, number)).unwrap().set_len(100).unwrap();
        }
    }),
    kind("both slots empty", Reason::CheckpointDamaged, STATE, |w| {
        interrupted(w);
        (0..2).for_each(|number| fs::write(slot(w, number), "").unwrap());
    }),
    kind("one slot damaged, the other gone", Reason::CheckpointDamaged, STATE, |w| {
        interrupted(w);
        fs::remove_file(slot(w, 0)).unwrap();
        patch(&slot(w, 1), 0, b"damage");
    }),
    kind("a slot of a newer release", Reason::CheckpointNewer, &["state", "version 7"], |w| {
        interrupted(w);
        let mut bytes = fs::read(slot(w, 0)).unwrap();
        bytes[8..12].copy_from_slice(&[0, 0, 0, 7]);
        let length = u32::from_be_bytes(bytes[20..24].try_into().unwrap()) as usize;
        let crc = trackmirror::bytes::crc32c(0, &bytes[..24]);
        let crc = trackmirror::bytes::crc32c(crc, &bytes[28..40 + length]);
        bytes[24..28].copy_from_slice(&crc.to_be_bytes());
        fs::write(slot(w, 0), bytes).unwrap();
    }),
    kind("a slot that is a symbolic link", Reason::Io, &["checkpoint.0"], |w| {
        interrupted(w);
        let elsewhere = w.folder.path().join("elsewhere");
        fs::rename(slot(w, 0), &elsewhere).unwrap();
        symlink(elsewhere, slot(w, 0)).unwrap();
    }),
    kind("a slot that is a folder", Reason::CheckpointDamaged, &["checkpoint.1"], |w| {
        interrupted(w);
        fs::remove_file(slot(w, 1)).unwrap();
        fs::create_dir(slot(w, 1)).unwrap();
    }),
    kind("a request that is damaged", Reason::CheckpointDamaged, &["request.json"], |w| {
        interrupted(w);
        fs::write(w.state().join("request.json"), "{").unwrap();
    }),
    kind("the checkpoint of another plan", Reason::PlanDiffers, &["DAMAGE.", "resume"], |w| {
        interrupted(w);
        w.options.push("--keep".into());
    }),
    kind(
        "another unfinished migration",
        Reason::UnfinishedMigration,
        &["SRC001.ckd", "state"],
        |w| {
            interrupted(w);
            fs::rename(w.state(), w.folder.path().join("old-state")).unwrap();
            // The target is whole again, so that only the note tells of it.
            fs::create_dir(w.state()).unwrap();
            let state = w.folder.path().join("old-state");
            w.command([
                "terminate".as_ref(),
                "--yes".as_ref(),
                "--state".as_ref(),
                state.as_os_str(),
            ]);
            fs::remove_dir(w.state()).unwrap();
            let note = "trackmirror note 1\nstate=/no/such/state\nwhat=moves something\n";
            fs::write(w.folder.path().join("SRC001.ckd.unfinished-0badcafe"), note).unwrap();
        },
    ),
    kind(
        "a note that cannot be read",
        Reason::UnfinishedMigration,
        &["unfinished-0badcafe"],
        |w| {
            fs::write(w.folder.path().join("TGT001.ckd.unfinished-0badcafe"), "?").unwrap();
        },
    ),
    kind("a state folder that is a file", Reason::Io, &["state", "directory"], |w| {
        fs::write(w.state(), "a file").unwrap();
    }),
    kind("a state folder of everybody", Reason::BadRequest, &["state", "every user"], |w| {
        fs::create_dir(w.state()).unwrap();
        fs::set_permissions(w.state(), fs::Permissions::from_mode(0o777)).unwrap();
    }),
    kind(
        "a state folder with another owner",
        Reason::CheckpointInUse,
        &["state", "process"],
        |w| {
            w.beside.push(Box::new(FileStore::open(&w.state()).unwrap()));
        },
    ),
];
