//! What a system keeps of its own changes of a VTOC or a catalog, so that each is whole or not made, whenever it is killed.

use std::path::Path;
use std::sync::{Arc, Mutex};
use trackmirror::Result;
use trackmirror::checkpoint::{Checkpoint, FileStore, Sections};
use trackmirror::volume::Volume;
use trackmirror::volume::intent::{Intent, Journal};

/// The change that is being made on a volume.
pub struct Changes {
    volume: Arc<dyn Volume>,
    kept: Mutex<Checkpoint>,
}

/// Where it stands in what is kept.
const CHANGE: [u8; 4] = *b"CHNG";

impl Changes {
    /// Does the rest of what was begun before this system was killed.
    pub fn open(folder: &Path, volume: Arc<dyn Volume>) -> Result<Changes> {
        let (kept, sections) = Checkpoint::open(FileStore::open(folder)?)?;
        let begun = sections.map(|sections| sections.get::<Intent>(CHANGE)).transpose()?.flatten();
        let changes = Changes { volume, kept: Mutex::new(kept) };
        if let Some(begun) = begun {
            begun.settle(&*changes.volume)?;
            changes.keep(&Sections::default())?;
        }
        Ok(changes)
    }

    /// The volume.
    pub fn volume(&self) -> &Arc<dyn Volume> {
        &self.volume
    }

    fn keep(&self, sections: &Sections) -> Result<()> {
        self.kept.lock().unwrap().save(sections)
    }
}

impl Journal for Changes {
    fn intend(&self, intent: &Intent) -> Result<()> {
        let mut sections = Sections::default();
        sections.put(CHANGE, intent);
        self.keep(&sections)
    }

    fn done(&self, _: &Intent) -> Result<()> {
        self.keep(&Sections::default())
    }
}
