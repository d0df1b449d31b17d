//! `trackmirror status`: what is known of a migration, without touching it.

use crate::migrate::look;
use crate::output::Answer;
use crate::plan::{table, values};
use crate::state_folder::Request;
use serde_json::json;
use std::path::PathBuf;
use trackmirror::checkpoint::FileStore;
use trackmirror::copy::Volumes;
use trackmirror::{Error, Reason, Result};

const EXAMPLES: &str = "\
Examples:
  trackmirror status --state ~/.local/state/trackmirror/TEST-0badcafe

The file events.log in that folder tells everything that happened. Code 4: the migration is not finished.";

/// Show the state of a migration
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The folder with the state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

/// Shows the state.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let folder = &arguments.state;
    let Some((state, plan)) = look(folder)? else {
        return Err(Error::new(
            Reason::NoCheckpoint,
            format!("there is no migration in {}; name the folder of one", folder.display()),
        ));
    };
    let request = Request::load(folder)?;
    let owner = FileStore::owner(folder);
    let running = match &owner {
        Some(owner) => format!("owned by {owner}"),
        None if state.is_ended() => "ended".into(),
        None => format!(
            "interrupted; `trackmirror resume --state {}` goes on with it",
            folder.display()
        ),
    };
    let volumes = Volumes::new();
    let mut text = format!("state: {state}, {running}\n");
    for file in &request.files {
        text += &format!("image: {}\n", file.display());
    }
    text += &format!("\n{}", table(&plan, &volumes));
    let json = json!({
        "state": state.name(),
        "ended": state.is_ended(),
        "owner": owner,
        "files": request.files,
        "data_sets": values(&plan, &volumes),
    });
    Ok(Answer::with_remarks(!state.is_ended(), text, json))
}
