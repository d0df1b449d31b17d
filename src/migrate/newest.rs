//! Whether the state that is taken up is the newest one.
//!
//! The problem: a state folder is a folder, and comes back from a backup, is copied, or is on a disk that was put back
//! to what it was. A state of the past has forgotten what was done since: that the users work at the target, whose tracks
//! it would copy over; that the source was scratched on purpose, so that the target is the only copy.
//!
//! The rule: the notes beside the images are [marked](registry::Mark) with the migration's number and with the sequence
//! number of a checkpoint that is durable: whenever a process begins to lead it, when its plan has changed, and when it has
//! switched, before anybody is let in. They are removed when it has ended. So before anything is touched
//!
//! * a state that is older than one of its notes is refused;
//! * a state that has no note at all, though it wrote them, is refused: it has ended since, or every image was replaced;
//! * a state whose note says that it lies in another folder, where one is still, is a copy, and is refused.
//!
//! What lies between two marks needs none: what was copied since is what the monitors' areas say, and whatever else was
//! done is seen at DSCBs and catalogs. An image that was moved without its note, or came back from a backup, has none;
//! the notes of the others tell.

use super::{Migration, touched};
use crate::checkpoint::FileStore;
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::registry::{self, Mark, Note, mark_note, read_notes};
use crate::state::State;
use std::path::{Path, PathBuf};

impl Migration {
    /// That nothing shows that the migration has come further than this state, or ended, or has its state elsewhere.
    ///
    /// Error: [`Reason::CheckpointOld`].
    pub(super) fn check_newest(&self) -> Result<()> {
        let Some(folder) = &self.notes else { return Ok(()) };
        let (state, mark) = (self.state(), self.mark());
        if state.is_ended() {
            return Ok(());
        }
        let images = super::paths(&self.host, &touched(&self.plan));
        let mut has_note = images.is_empty();
        for (image, note) in self.own_notes(&images, folder, mark)? {
            has_note = true;
            let sequence = note.mark.map_or(0, |mark| mark.sequence);
            if sequence > mark.sequence {
                return Err(Error::new(
                    Reason::CheckpointOld,
                    format!(
                        "the state in {} is number {}, and the note beside {} knows number {sequence}: it is older than what \
                         was done since; put the newest state back. If it is lost, see where the catalog leads and which \
                         copy is whole, then remove the notes (`trackmirror check` names them) and the state",
                        folder.display(),
                        mark.sequence,
                        image.display()
                    ),
                ));
            }
            self.check_place(&note, folder)?;
        }
        // The first state is saved before the notes are written, and the last but one when they are removed.
        if has_note || matches!(state, State::Planned | State::Switched) {
            return Ok(());
        }
        Err(Error::new(
            Reason::CheckpointOld,
            format!(
                "the state in {} says that the migration is {state}, and no image has its note any more: it has ended since, \
                 or the images were replaced; see where the catalog leads and which copy is whole, then remove the state",
                folder.display()
            ),
        ))
    }

    /// That the state is not a copy of one in another folder.
    fn check_place(&self, note: &Note, folder: &Path) -> Result<()> {
        let Some(other) = note.state_folder.as_ref().filter(|other| is_other(other, folder)) else {
            return Ok(());
        };
        if !FileStore::exists(other) {
            return Ok(());
        }
        Err(Error::new(
            Reason::CheckpointOld,
            format!(
                "the state in {} is a copy: the migration has its state in {}; resume that one, and remove the copy",
                folder.display(),
                other.display()
            ),
        ))
    }

    /// This migration's notes, wherever its state was when they were written.
    fn own_notes(
        &self,
        images: &[PathBuf],
        folder: &Path,
        mark: Mark,
    ) -> Result<Vec<(PathBuf, Note)>> {
        let mut own = Vec::new();
        for image in images {
            for note in read_notes(image)? {
                let is_own = match (note.mark, &note.state_folder) {
                    (Some(other), _) => other.migration == mark.migration,
                    (None, Some(other)) => !is_other(other, folder),
                    (None, None) => false,
                };
                if is_own {
                    own.push((image.clone(), note));
                }
            }
        }
        Ok(own)
    }

    fn mark(&self) -> Mark {
        let durable = self.durable.lock();
        Mark { migration: durable.stored.id, sequence: durable.sequence() }
    }

    /// Marks the notes with the present state, which is durable. Those that name a folder where the state was before are
    /// removed.
    pub(super) fn mark_notes(&mut self) -> Result<()> {
        let Some(folder) = self.notes.clone() else { return Ok(()) };
        if !self.durable.lock().is_saved() {
            return Ok(());
        }
        let mark = self.mark();
        let images = super::paths(&self.host, &touched(&self.plan));
        images.iter().try_for_each(|image| mark_note(image, &folder, mark))?;
        for (image, note) in self.own_notes(&images, &folder, mark)? {
            if let Some(before) = note.state_folder.filter(|before| is_other(before, &folder)) {
                registry::remove_note(&image, &before)?;
            }
        }
        self.course.marked_plan = self.durable.lock().plan_count();
        Ok(())
    }

    /// The same, where something more urgent must not fail because of it.
    pub(super) fn try_to_mark_notes(&mut self) {
        if let Err(error) = self.mark_notes() {
            let text = format!("the notes beside the images could not be marked: {error}");
            self.host.tell(&Event::Remark { text });
        }
    }

    /// Marks the notes if the plan has changed since.
    pub(super) fn mark_changed_plan(&mut self) {
        if self.course.marked_plan != self.durable.lock().plan_count() {
            self.try_to_mark_notes();
        }
    }
}

/// Whether these are two folders.
fn is_other(one: &Path, other: &Path) -> bool {
    let real = |folder: &Path| {
        std::fs::canonicalize(folder)
            .or_else(|_| std::path::absolute(folder))
            .unwrap_or_else(|_| folder.into())
    };
    real(one) != real(other)
}
