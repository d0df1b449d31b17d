//! `trackmirror demo`: the main job, shown on volumes that it makes itself.
//!
//! | file | has |
//! |---|---|
//! | `volumes` | the volumes, and what is on them |
//! | `live` | two programs write to data sets while they move |
//! | `offline` | nobody writes: the volumes are this process's own |

mod live;
mod offline;
mod volumes;

use crate::output::{Answer, Failure, Outcome};
use clap::Parser;
use serde_json::{Value, json};
use std::path::PathBuf;
use trackmirror::{Code, Error, Reason};

const EXAMPLES: &str = "\
Examples:
  trackmirror demo
  trackmirror demo --dir /tmp/demo
  trackmirror demo --offline

It makes small 3390 volumes with a catalog and data sets in many extents. Two programs, as two images, write to the data
sets as fast as they can while they are moved. Then every single write that was acknowledged to them is looked for. With
--offline nobody writes, and the copies are compared. Nothing outside its folder is touched; remove the folder when you
are done.";

/// Show the main job on volumes of its own
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The folder for the volumes; it must not exist
    #[arg(long, value_name = "DIR", default_value = "trackmirror-demo")]
    dir: PathBuf,
    /// Nobody writes to the data sets meanwhile
    #[arg(long)]
    offline: bool,
}

/// Makes the volumes, moves the data sets, and tells how to look at the result.
pub fn run(arguments: &Arguments) -> Outcome<Answer> {
    let folder = &arguments.dir;
    std::fs::create_dir(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::new(
            Reason::FileExists,
            format!("{} exists; name another folder with --dir", folder.display()),
        ),
        _ => Error::io(folder.display(), &error),
    })?;
    let mut story = Story { code: Code::Done, text: String::new(), commands: Vec::new() };
    let mut json = match arguments.offline {
        true => offline::show(folder, &mut story)?,
        false => live::show(folder, &mut story)?,
    };
    json["folder"] = json!(folder);
    json["commands"] = json!(story.commands);
    Ok(Answer { code: story.code, text: story.text, json })
}

/// What is shown: commands, and what they answer.
struct Story {
    code: Code,
    text: String,
    commands: Vec<String>,
}

/// Parses the arguments of one verb.
#[derive(Parser)]
struct Words<A: clap::Args> {
    #[command(flatten)]
    arguments: A,
}

impl Story {
    fn tell(&mut self, text: &str) {
        self.text += &format!("{}{text}\n", if self.text.is_empty() { "" } else { "\n" });
    }

    /// Notes a command as it would be typed.
    fn command(&mut self, words: &[&str]) {
        let quote = |word: &&str| match word.contains('*') {
            true => format!("'{word}'"),
            false => (*word).to_string(),
        };
        let quoted: Vec<String> = words.iter().map(quote).collect();
        let command = format!("trackmirror {}", quoted.join(" "));
        self.text += &format!("\n$ {command}\n");
        self.commands.push(command);
    }

    /// Runs a verb as if it had been typed, and gives back what it answers to programs.
    fn act<A: clap::Args, E: Into<Failure>>(
        &mut self,
        verb: impl Fn(&A) -> std::result::Result<Answer, E>,
        words: &[&str],
    ) -> Outcome<Value> {
        let parsed = Words::<A>::try_parse_from(words).map_err(|error| {
            Error::new(Reason::Broken, format!("the demonstration is not up to date: {error}"))
        })?;
        self.command(words);
        let answer = verb(&parsed.arguments).map_err(Into::into)?;
        self.text += &answer.text;
        self.code = self.code.max(answer.code);
        Ok(answer.json)
    }
}
