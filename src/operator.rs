//! Catalog, space and enqueue of volumes that a running system has attached: by the operator's own commands.
//!
//! # The problem
//! A system that has a volume attached keeps parts of its catalog and VTOC in memory. Whoever writes them from outside
//! destroys them. So each change is handed to a command of the operator, which lets the system make it: it submits a
//! job, types at a console, calls an interface. What such a command says it did is not believed.
//!
//! # The rule
//! A command is run by `sh -c`. In its environment, `TRACKMIRROR_VERB` says what is to be done, `TRACKMIRROR_VOLUME` and
//! `TRACKMIRROR_DATA_SET` where and to what if it is one. Its standard input holds the control statements as cards, ready
//! to be copied behind a `//SYSIN DD *`; an empty line; and one line of JSON that says the same ([`task`]). It
//! ends with 0: it is done; 4: not yet (somebody is in the way: it will be called again); anything else: refused.
//!
//! | verb | statements | JSON besides `version` and `verb` |
//! |---|---|---|
//! | `catalog`, `uncatalog`, `recatalog` | IEHPROGM or IDCAMS | `catalog`, `volume`, `data_set`, `from`, `to`, `two_steps` |
//! | `rename-entry` | the same | and `new_name` |
//! | `scratch`, `rename` | IEHPROGM | `volume`, `data_set`, `new_name` |
//! | `ask-to-close`, `is-closed`, `hold`, `release` | none | `data_sets`, `volumes` |
//!
//! Before a change is handed over, the volume is read: a change that is there already is not made again. Afterwards it is
//! read until the change is seen, up to a limit, since a system writes when it likes; the image is opened anew each time,
//! past whatever was read before. A change that is not seen is [`Reason::ChangeNotSeen`],
//! which says what is still as before.
//!
//! So a command must not say 0 before its change is certain. If it only put a job into a queue, the job could run after
//! the migration has given up and gone back.
//!
//! # Two steps
//! To make an entry point elsewhere, a CVOL system needs `UNCATLG` and `CATLG`. Between them the name leads nowhere.
//! [`Catalog::recatalog_is_two_steps`](crate::Catalog::recatalog_is_two_steps) says so, so that openers stay held through
//! it, and a name that is found uncataloged is taken for what it is: the first step is done. The same change again then
//! does the second.
//!
//! # What is refused
//! What no statement can do for us: allocating at given tracks, extending, releasing, changing attributes. And every name
//! that is not by the rules: nothing but letters, digits, national characters, hyphens and periods reaches a statement, a
//! command's environment or its JSON.

mod catalog;
mod command;
mod enqueue;
mod space;
pub mod statement;
pub mod task;

pub use catalog::{CommandCatalog, Language};
pub use command::OperatorCommand;
pub use enqueue::CommandEnqueue;
pub use space::CommandSpaceManager;

use crate::error::{Error, Reason, Result};
use crate::volume::{self, Access, Volume};
use std::sync::Arc;

/// The volume as it is now, past every cache: an image is opened once more.
fn anew(volume: &Arc<dyn Volume>) -> Result<Arc<dyn Volume>> {
    let Some(path) = volume.path() else { return Ok(volume.clone()) };
    let fresh = volume::open(path, Access::Read)?;
    if fresh.volser() == volume.volser() {
        return Ok(fresh);
    }
    Err(Error::new(
        Reason::IdentityChanged,
        format!("{} is now the volume {}", path.display(), fresh.volser()),
    )
    .on_volume(volume.volser()))
}
