//! The command `trackmirror`: moves mainframe data sets between volume images, and looks at them.
//!
//! Every verb has a file of its own, with its arguments and a function `run` that gives an [`Answer`]; only this file
//! prints it and ends the process. Codes of return: 0 done; 4 done with remarks, or more to do; 8 refused, nothing was
//! changed; 12 the environment failed, what was begun can be resumed; 16 the library failed.

mod assess;
mod attributes;
mod catalog;
mod check;
mod demo;
mod driver;
mod elsewhere;
mod event_json;
mod host_space;
mod image;
mod init;
mod live;
mod migrate;
mod monitor_agent;
mod monitored;
mod moved;
mod output;
mod plan;
mod progress;
mod receipt;
mod selection;
mod span;
mod state_folder;
mod status;
mod steering;
mod terminal;
mod verify;
mod vtoc;
mod writer;

use clap::{CommandFactory, Parser, Subcommand};
use output::{Answer, Outcome};
use std::io::Write;
use trackmirror::{Code, Error, Reason};

const CODES: &str = "\
Codes of return:
  0   done
  4   done with remarks, or there is more to do
  8   refused, and nothing was changed (also for a wrong command)
  12  the environment failed (input or output, space on the host); what was begun can be resumed
  16  the library failed; please report it

With --json the answer is one object: schema (1), verb, code, and either result, with what the verb shows, or error
(reason, name, volser, track, data_set, sentence) and advice. What happens meanwhile is told on the standard error.

`trackmirror VERB --help` shows examples. `trackmirror demo` shows the main job on volumes of its own.";

/// Moves mainframe data sets between DASD volume images, track by track
#[derive(Parser)]
#[command(version, after_help = CODES, max_term_width = 100)]
struct Command {
    /// Answer in JSON, in one object with the version of its schema
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Init(init::Arguments),
    Vtoc(vtoc::Arguments),
    Check(check::Arguments),
    Catalog(catalog::Arguments),
    Assess(assess::Arguments),
    Plan(plan::Arguments),
    Migrate(Box<migrate::Arguments>),
    Resume(migrate::ResumeArguments),
    Status(status::Arguments),
    Pace(steering::PaceArguments),
    CloseNow(steering::CloseArguments),
    Postpone(steering::PostponeArguments),
    BackOut(migrate::BackOutArguments),
    Terminate(migrate::TerminateArguments),
    Verify(verify::Arguments),
    Monitored(monitored::Arguments),
    MonitorAgent(Box<monitor_agent::Arguments>),
    Image(image::Arguments),
    Demo(demo::Arguments),
    #[command(hide = true)]
    DemoWriter(writer::Arguments),
    #[command(hide = true)]
    DemoAllocator(writer::allocator::Arguments),
    #[command(hide = true)]
    DemoCheck(writer::proof::Arguments),
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Verb::Init(_) => "init",
            Verb::Vtoc(_) => "vtoc",
            Verb::Check(_) => "check",
            Verb::Catalog(_) => "catalog",
            Verb::Assess(_) => "assess",
            Verb::Plan(_) => "plan",
            Verb::Migrate(_) => "migrate",
            Verb::Resume(_) => "resume",
            Verb::Status(_) => "status",
            Verb::Pace(_) => "pace",
            Verb::CloseNow(_) => "close-now",
            Verb::Postpone(_) => "postpone",
            Verb::BackOut(_) => "back-out",
            Verb::Terminate(_) => "terminate",
            Verb::Verify(_) => "verify",
            Verb::Monitored(_) => "monitored",
            Verb::MonitorAgent(_) => "monitor-agent",
            Verb::Image(_) => "image",
            Verb::Demo(_) => "demo",
            Verb::DemoWriter(_) => "demo-writer",
            Verb::DemoAllocator(_) => "demo-allocator",
            Verb::DemoCheck(_) => "demo-check",
        }
    }

    fn run(&self) -> Outcome<Answer> {
        Ok(match self {
            Verb::Init(arguments) => init::run(arguments)?,
            Verb::Vtoc(arguments) => vtoc::run(arguments)?,
            Verb::Check(arguments) => check::run(arguments)?,
            Verb::Catalog(arguments) => catalog::run(arguments)?,
            Verb::Assess(arguments) => assess::run(arguments)?,
            Verb::Plan(arguments) => plan::run(arguments)?,
            Verb::Migrate(arguments) => migrate::run(arguments)?,
            Verb::Resume(arguments) => migrate::resume(arguments)?,
            Verb::Status(arguments) => status::run(arguments)?,
            Verb::Pace(arguments) => steering::pace(arguments)?,
            Verb::CloseNow(arguments) => steering::close_now(arguments)?,
            Verb::Postpone(arguments) => steering::postpone(arguments)?,
            Verb::BackOut(arguments) => migrate::back_out(arguments)?,
            Verb::Terminate(arguments) => migrate::terminate(arguments)?,
            Verb::Verify(arguments) => verify::run(arguments)?,
            Verb::Monitored(arguments) => monitored::run(arguments)?,
            Verb::MonitorAgent(arguments) => monitor_agent::run(arguments)?,
            Verb::Image(arguments) => image::run(arguments)?,
            Verb::Demo(arguments) => demo::run(arguments)?,
            Verb::DemoWriter(arguments) => writer::run(arguments)?,
            Verb::DemoAllocator(arguments) => writer::allocator::run(arguments)?,
            Verb::DemoCheck(arguments) => writer::proof::run(arguments)?,
        })
    }
}

impl Command {
    fn has_verb(word: &str) -> bool {
        Command::command().get_subcommands().any(|verb| verb.get_name() == word)
    }
}

/// Prints what is answered, and ends the process.
fn end(code: Code, text: &str) -> ! {
    // Who reads may have gone (`trackmirror vtoc ... | head`); the code still tells what happened.
    let _ = std::io::stdout().write_all(text.as_bytes());
    std::process::exit(code as i32)
}

/// Parses the command; a wrong one is refused like everything else that is refused.
fn parse() -> Command {
    Command::try_parse().unwrap_or_else(|error| {
        if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
            let text = error.render().to_string();
            let sentence = text.trim_start_matches("error: ").trim_end();
            let failure = Error::new(Reason::BadRequest, sentence).into();
            let mut words = std::env::args_os().filter_map(|word| word.into_string().ok());
            let verb = words.find(|word| Command::has_verb(word)).unwrap_or_default();
            end(Code::Refused, &output::json_failure(&verb, &failure))
        }
        // What clap prints cannot go anywhere else if this fails.
        let _ = error.print();
        if error.kind() == clap::error::ErrorKind::MissingRequiredArgument
            && error.to_string().split("Usage").next().is_some_and(|what| what.contains("<MASK>"))
        {
            terminal::tell(
                "hint: masks come before --volume, which takes every word after it for an image\n",
            );
        }
        let code = if error.use_stderr() { Code::Refused } else { Code::Done };
        std::process::exit(code as i32)
    })
}

fn main() {
    let command = parse();
    let log = env_logger::Env::new().filter_or("TRACKMIRROR_LOG", "warn");
    env_logger::Builder::from_env(log).init();
    let answer = command.verb.run();
    let (code, text) = match (&answer, command.json) {
        (Ok(answer), true) => (answer.code, output::json(command.verb.name(), answer)),
        (Err(failure), true) => {
            (failure.error.code(), output::json_failure(command.verb.name(), failure))
        }
        (Ok(answer), false) => (answer.code, answer.text.clone()),
        (Err(failure), false) => {
            terminal::tell(&format!("trackmirror: {}\n{}", failure.error, failure.advice));
            (failure.error.code(), String::new())
        }
    };
    end(code, &text)
}
