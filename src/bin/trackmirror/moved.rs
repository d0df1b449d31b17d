//! Images that were moved to another folder or file system while a migration was interrupted: found again by their serials.

use crate::state_folder::Request;
use std::path::{Path, PathBuf};
use trackmirror::checkpoint::FileStore;
use trackmirror::registry::move_note;
use trackmirror::volume::{self, Access};
use trackmirror::{Error, Reason, Result, Volser};

/// Takes the images that are given in the place of those with the same serials, and their notes along. The request is not
/// saved yet.
///
/// Errors: [`Reason::NoSuchVolume`] for an image that the migration does not have; [`Reason::DuplicateVolser`] if the image
/// is where it was, too.
pub fn take_moved(request: &mut Request, moved: &[PathBuf], folder: &Path) -> Result<()> {
    // A process that leads it has the images open, wherever they were moved.
    let moved = if FileStore::owner(folder).is_some() { &[] } else { moved };
    for file in moved {
        let path =
            std::fs::canonicalize(file).map_err(|error| Error::io(file.display(), &error))?;
        let volser = volume::open(&path, Access::Read)?.volser();
        let before = before(request, volser, &path)?;
        if before == path {
            continue;
        }
        if let Ok(there) = volume::open(&before, Access::Read)
            && there.volser() == volser
        {
            let why = format!(
                "{} and {} are both images of this volume; move one of them away, the one that nobody uses any more",
                before.display(),
                path.display()
            );
            return Err(Error::new(Reason::DuplicateVolser, why).on_volume(volser));
        }
        move_note(&before, &path, folder)?;
        let roles = &mut request.roles;
        let lists = [&mut request.files, &mut roles.sources, &mut roles.targets];
        for list in lists.into_iter().chain([&mut roles.catalogs]) {
            list.iter_mut().filter(|other| **other == before).for_each(|it| it.clone_from(&path));
        }
    }
    Ok(())
}

/// Where the image of this volume was.
fn before(request: &Request, volser: Volser, path: &Path) -> Result<PathBuf> {
    let number = request.volsers.iter().position(|other| *other == volser);
    number.and_then(|number| request.files.get(number)).cloned().ok_or_else(|| {
        let known: Vec<String> = request.volsers.iter().map(Volser::to_string).collect();
        let why = format!(
            "{} is no volume of this migration, which has {}; name the image that was moved",
            path.display(),
            known.join(", ")
        );
        Error::new(Reason::NoSuchVolume, why).on_volume(volser)
    })
}

/// What to do about images that are not where they were.
pub fn advice(request: &Request, folder: &Path) -> String {
    let is_gone = |file: &&PathBuf| !file.exists();
    let gone: Vec<&PathBuf> = request.files.iter().filter(is_gone).collect();
    let mut text = String::new();
    for file in &gone {
        text += &format!("{} is not there any more\n", file.display());
    }
    if !gone.is_empty() {
        let folder = folder.display();
        text += &format!(
            "if it was moved: trackmirror resume --state {folder} --moved FILE, with its new place\n"
        );
    }
    text
}
