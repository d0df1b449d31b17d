//! `trackmirror back-out`: the sources are the data sets again.

use super::{advice, look, open_again};
use crate::output::{Answer, Failure, Outcome};
use crate::plan::table;
use crate::state_folder::Request;
use crate::steering::{self, Order};
use crate::terminal::confirm;
use serde_json::json;
use std::path::PathBuf;
use trackmirror::copy::Volumes;
use trackmirror::state::{State, Verb};
use trackmirror::{Code, Error, Reason};

const EXAMPLES: &str = "\
Examples:
  trackmirror back-out --state ~/.local/state/trackmirror/TEST-0badcafe --yes

In the window it is given up. Behind the switch the catalogs are turned back to the sources, as long as these are kept
(--retain), all programs on the targets have monitors, nobody has the data sets open, and nothing was written to them at
the targets. After that `resume` goes on mirroring, `terminate` releases the targets. On a terminal it asks first.
Code 8: there is no way back, and why; nothing was changed.";

/// Undo the switch: the sources are the data sets again
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BackOutArguments {
    /// The folder with the state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What is told when it is done.
pub const BACKED_OUT: &str = "the switch was undone; the sources are the data sets again\n";

/// Undoes the switch, or has the process do it that leads the migration.
pub fn back_out(arguments: &BackOutArguments) -> Outcome<Answer> {
    let folder = &arguments.state;
    let request = Request::load(folder)?;
    let Some((state, plan)) = look(folder)? else {
        let why = format!("there is no migration in {}", folder.display());
        return Err(Error::new(Reason::NoCheckpoint, why).into());
    };
    state.check(Verb::BackOut)?;
    let question =
        format!("{}The sources become the data sets again.\n", table(&plan, &Volumes::new()));
    if !confirm(&question, arguments.yes)? {
        let json = json!({ "state": state.name() });
        return Ok(Answer { code: Code::Refused, text: "nothing was changed\n".into(), json });
    }
    if let Some(reply) = steering::order(folder, Order::BackOut, true)? {
        return steering::answer(reply);
    }
    let advise = |error| Failure { error, advice: advice(folder) };
    let (mut migration, ..) = open_again(folder, &request, false)?;
    // In the window, and while switching, that may be all.
    migration.take_up().map_err(advise)?;
    if migration.state().allows(Verb::BackOut) {
        migration.back_out().map_err(advise)?;
    }
    let state = migration.state();
    if state >= State::Switching {
        let why = format!("the migration went on when it was taken up, and is {state}");
        return Err(advise(Error::new(Reason::WrongState, why)));
    }
    let text = BACKED_OUT.to_string() + &advice(folder);
    Ok(Answer::done(text, json!({ "state": state.name() })))
}
