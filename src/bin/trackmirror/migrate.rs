//! `trackmirror migrate`, `resume` and `terminate`: the main job, from its plan to its end.

use crate::assess::refusals_text;
use crate::host_space;
use crate::output::{Answer, Failure, Outcome, count};
use crate::plan::{Proposal, table, values};
use crate::progress::{Teller, duration, rate};
use crate::selection::{Opened, Sources, Targets, open, reopen};
use crate::state_folder::{Request, default_folder, identity, open_log, path_bytes};
use crate::terminal::{Interrupt, confirm, tell};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trackmirror::checkpoint::FileStore;
use trackmirror::copy::{CopyOptions, Volumes};
use trackmirror::event::Progress;
use trackmirror::migrate::{Migration, MoveOptions, status};
use trackmirror::plan::Plan;
use trackmirror::registry::{check_unfinished, read_notes};
use trackmirror::state::{State, Verb};
use trackmirror::volume::Access;
use trackmirror::{Code, Error, Reason, Result};

/// So many tracks are copied before progress is told and a signal is looked at.
const STEP_TRACK_COUNT: u32 = 1500;

const EXAMPLES: &str = "\
Examples:
  trackmirror migrate 'TEST.**' --volume OLD001.ckd --target NEW001.ckd
  trackmirror migrate PROD.MASTER --volume A.ckd --target B.ckd --catalog SYSRES.ckd --verify --keep
  trackmirror migrate TEST.FRAG --volume A.ckd --target A.ckd     (combines its extents there)

The volumes are locked for this process: no guest may have them attached. On a terminal it shows what it will do, and
asks. When it is interrupted, the same command again goes on, and so does `trackmirror resume`; copying begins
anew then. On its own volume a data set gives up its old extents: --keep and --erase need another target.
Code 8: something is refused, and nothing was moved; 4 with --skip-refused; 12: interrupted, to be resumed.";

/// Move data sets: copy, switch the catalog, and scratch or keep the source
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trackmirror migrate [OPTIONS] <MASK>... --volume <FILE>... --target <FILE>...")]
pub struct Arguments {
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    targets: Targets,
    /// Keep the sources under other names (NAME.OLDCOPY) instead of scratching them
    #[arg(long, conflicts_with = "erase")]
    keep: bool,
    /// Overwrite every track of a source before it is scratched
    #[arg(long)]
    erase: bool,
    /// Copy only up to the last used track
    #[arg(long)]
    used_only: bool,
    /// Compare source and target, track by track, before the catalog is switched
    #[arg(long)]
    verify: bool,
    /// How many threads copy
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// The folder for the state [default: in the user's state folder, named after what is moved]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Say what would be moved, and move nothing
    #[arg(long)]
    dry_run: bool,
}

const RESUME_EXAMPLES: &str = "\
Examples:
  trackmirror resume --state ~/.local/state/trackmirror/TEST-0badcafe
  trackmirror resume --state STATE --threads 4";

/// Go on with a migration that was interrupted
#[derive(clap::Args)]
#[command(after_help = RESUME_EXAMPLES)]
pub struct ResumeArguments {
    /// The folder with the state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// How many threads copy, if not as many as before
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
}

const TERMINATE_EXAMPLES: &str = "\
Examples:
  trackmirror terminate --state ~/.local/state/trackmirror/TEST-0badcafe --yes

The target is scratched; the source stays as it is. After the catalog was switched a migration can only be resumed.";

/// Give up a migration that was interrupted, and release its target
#[derive(clap::Args)]
#[command(after_help = TERMINATE_EXAMPLES)]
pub struct TerminateArguments {
    /// The folder with the state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Arguments {
    /// The same text for the same command: what is moved, from where, to where, and how.
    fn identity(&self) -> Result<String> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for mask in &self.sources.masks {
            parts.push(mask.to_string().into_bytes());
        }
        for (role, files) in [
            ("volume", &self.sources.volumes),
            ("target", &self.targets.targets),
            ("catalog", &self.sources.catalogs),
        ] {
            parts.push(role.into());
            for file in files {
                let path = std::fs::canonicalize(file);
                let path = path.map_err(|error| Error::io(file.display(), &error))?;
                parts.push(path_bytes(&path));
            }
        }
        let options = [
            self.sources.uncataloged,
            self.targets.skip_refused,
            self.keep,
            self.erase,
            self.used_only,
        ];
        parts.push(format!("{} {options:?}", self.targets.mode).into_bytes());
        Ok(identity(&parts))
    }

    /// That nothing is asked of a source that its own volume cannot give: where extents are combined, the data set stays
    /// the same one, and its old extents are free at once.
    fn check_combined(&self, plan: &Plan) -> Result<()> {
        let combined = plan.data_sets.iter().find(|data_set| data_set.combines);
        let option = match (self.keep, self.erase) {
            (true, _) => "--keep",
            (_, true) => "--erase",
            _ => return Ok(()),
        };
        let Some(data_set) = combined else { return Ok(()) };
        Err(Error::new(
            Reason::BadRequest,
            format!(
                "{option} cannot be done where extents are combined on their own volume; leave it out, or give another \
                 target"
            ),
        )
        .of_data_set(data_set.assessment.name))
    }

    fn question(&self, proposal: &Proposal, volumes: &Volumes) -> String {
        let source = match (self.keep, self.erase) {
            (true, _) => "kept under other names",
            (_, true) => "overwritten and scratched",
            _ => "scratched",
        };
        format!(
            "{}Then the catalogs are switched, and the sources are {source}.\n",
            proposal.text(volumes)
        )
    }
}

/// What a folder says of its migration, if there is one.
pub fn look(folder: &Path) -> Result<Option<(State, Plan)>> {
    if folder.exists() && !folder.is_dir() {
        return Err(Error::new(
            Reason::Io,
            format!("{} is not a directory; name another folder with --state", folder.display()),
        ));
    }
    match FileStore::peek(folder) {
        Ok(sections) => status(&sections).map(Some),
        Err(error) if error.reason() == Reason::NoCheckpoint => Ok(None),
        Err(error) => Err(error),
    }
}

/// Moves data sets, or goes on with it.
pub fn run(arguments: &Arguments) -> Outcome<Answer> {
    let identity = arguments.identity()?;
    let folder = match &arguments.state {
        Some(folder) => folder.clone(),
        None => default_folder(&arguments.sources.masks, &identity)?,
    };
    let known = look(&folder)?;
    let has_state = known.is_some();
    if let Some((state, plan)) = known
        && !state.is_ended()
    {
        let request = Request::load(&folder)?;
        if request.identity != identity {
            return Err(other_migration(&folder, &plan).into());
        }
        if arguments.dry_run {
            return Ok(would_go_on(&folder, state, &plan));
        }
        tell(&format!("an interrupted migration goes on; its state is in {}\n", folder.display()));
        let threads = arguments.threads;
        return go_on(&folder, Request { verify: arguments.verify, threads, ..request });
    }
    let access = if arguments.dry_run { Access::Read } else { Access::Exclusive };
    let opened = open(&arguments.sources, Some(&arguments.targets), access)?;
    // A note that names this folder though there is no state in it tells that the state was moved or lost; no state is
    // ever kept in the root folder.
    let own = if has_state { &folder } else { Path::new("/") };
    opened.files.iter().try_for_each(|file| check_unfinished(file, own))?;
    let proposal = Proposal::make(&opened, &arguments.sources, &arguments.targets)?;
    arguments.check_combined(&proposal.plan)?;
    let code = proposal.code(arguments.targets.skip_refused);
    let text = proposal.text(&opened.host.volumes);
    let json = proposal.value(&opened.host.volumes);
    if code == Code::Refused || arguments.dry_run {
        return Ok(Answer { code, text: text + "nothing was moved\n", json });
    }
    check_host_space(&opened, &proposal.plan)?;
    if !confirm(&arguments.question(&proposal, &opened.host.volumes), arguments.yes)? {
        return Ok(Answer { code: Code::Refused, text: "nothing was moved\n".into(), json });
    }
    let answer = begin(arguments, opened, proposal.plan, identity, &folder)?;
    let refused: String =
        proposal.refusals.iter().map(|refusal| refusals_text(&refusal.reasons)).collect();
    let mut result = answer.json;
    result["refusals"] = json["refusals"].clone();
    Ok(Answer { code: answer.code.max(code), text: refused + &answer.text, json: result })
}

/// What is told of an interrupted migration that the same command would take up.
fn would_go_on(folder: &Path, state: State, plan: &Plan) -> Answer {
    let volumes = Volumes::new();
    let text = format!(
        "{}\nan interrupted migration would go on; it is {state}, its state is in {}\nnothing was moved\n",
        table(plan, &volumes),
        folder.display()
    );
    let json = json!({ "state": state.name(), "data_sets": values(plan, &volumes) });
    Answer::with_remarks(true, text, json)
}

fn other_migration(folder: &Path, plan: &Plan) -> Error {
    let first = plan.data_sets.first().map(|data_set| data_set.assessment.name.to_string());
    let folder = folder.display();
    Error::new(
        Reason::PlanDiffers,
        format!(
            "{folder} holds the unfinished migration of {}, which was begun by another command; `trackmirror resume \
             --state {folder}` goes on with it, `trackmirror terminate --state {folder}` gives it up",
            first.unwrap_or_default()
        ),
    )
}

/// That the host's file systems can take everything that is written to the targets.
fn check_host_space(opened: &Opened, plan: &Plan) -> Result<()> {
    let mut writes = Vec::new();
    for (volser, extent) in plan.data_sets.iter().flat_map(|data_set| data_set.target_extents()) {
        let Some(volume) = opened.host.volumes.get(&volser) else { continue };
        if let Some(path) = volume.path() {
            let slot_size = u64::from(volume.geometry().slot_size);
            writes.push((path, u64::from(extent.track_count) * slot_size));
        }
    }
    host_space::check_images(writes)
}

fn begin(
    arguments: &Arguments,
    opened: Opened,
    plan: Plan,
    identity: String,
    folder: &Path,
) -> Outcome<Answer> {
    let options = MoveOptions {
        used_only: arguments.used_only,
        erase: arguments.erase,
        keep: arguments.keep,
    };
    // What would be refused leaves no folder behind.
    Migration::check_volumes(&opened.host, &plan, Some(folder))?;
    let store = FileStore::open(folder)?;
    // From here on nobody else can begin anything there.
    match look(folder)? {
        Some((state, _)) if state.is_ended() => store.clear()?,
        // It was begun, and interrupted, while somebody thought about the question.
        Some((_, plan)) => return Err(other_migration(folder, &plan).into()),
        None => {}
    }
    let request = Request {
        identity,
        files: opened.files,
        verify: arguments.verify,
        threads: arguments.threads,
    };
    request.save(folder)?;
    let host = opened.host.told_to(Teller::new(open_log(folder)?));
    let volumes = host.volumes.clone();
    let mut migration = Migration::new(host, plan, options, store, Some(folder.into()))?;
    migration.set_copy_options(copy_options(request.threads));
    drive(migration, &volumes, request.verify, folder)
}

fn copy_options(threads: u16) -> CopyOptions {
    CopyOptions { threads: threads.into(), ..CopyOptions::default() }
}

/// Takes up the migration of a folder and leads it to its end.
fn go_on(folder: &Path, request: Request) -> Outcome<Answer> {
    if let Some((state, _)) = look(folder)?
        && state.is_ended()
    {
        let text = format!("the migration is {state}; nothing is left to do\n");
        return Ok(Answer::done(text, json!({ "state": state.name() })));
    }
    let (mut migration, volumes) = open_again(folder, &request)?;
    migration.set_copy_options(copy_options(request.threads));
    migration.take_up().map_err(|error| Failure { error, advice: advice(folder) })?;
    if migration.state().is_ended() {
        let text = format!("the migration is {}; nothing is left to do\n", migration.state());
        return Ok(Answer::done(text, json!({ "state": migration.state().name() })));
    }
    drive(migration, &volumes, request.verify, folder)
}

/// The migration of a folder, as it was when it was interrupted.
fn open_again(folder: &Path, request: &Request) -> Outcome<(Migration, Volumes)> {
    let advise = |error| Failure { error, advice: advice(folder) };
    let store = FileStore::open(folder)?;
    let host = reopen(&request.files, Access::Exclusive).map_err(advise)?;
    let host = host.told_to(Teller::new(open_log(folder)?));
    let volumes = host.volumes.clone();
    let migration = Migration::open(host, store, Some(folder.into())).map_err(advise)?;
    Ok((migration, volumes))
}

fn advice(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "to go on:   trackmirror resume --state {folder}\nto give up: trackmirror terminate --state {folder}\n"
    )
}

/// Leads a migration to its end, and tells what it did.
fn drive(
    mut migration: Migration,
    volumes: &Volumes,
    verify: bool,
    folder: &Path,
) -> Outcome<Answer> {
    match lead(&mut migration, verify) {
        Ok(work) => Ok(summary(&migration, volumes, &work, folder)),
        // A target that was refused leaves nothing behind that anybody would have to go on with; nor does a track that
        // cannot go where it should, which no second attempt would change.
        Err(error)
            if error.code() == Code::Refused
                && matches!(migration.state(), State::Planned | State::Copying) =>
        {
            migration.terminate()?;
            Err(error.into())
        }
        Err(error) => Err(Failure { error, advice: advice(folder) }),
    }
}

/// What was done, and how long it took.
struct Work {
    progress: Progress,
    copying: Duration,
    whole: Duration,
}

fn lead(migration: &mut Migration, verify: bool) -> Result<Work> {
    let begun = Instant::now();
    let interrupt = Interrupt::listen()?;
    let (mut progress, mut copying) = (Progress::default(), Duration::ZERO);
    while let Some(verb) = migration.next_verb() {
        interrupt.check()?;
        if verify && migration.state() == State::Quiesced {
            migration.verify()?;
        }
        if verb == Verb::Step {
            let from = Instant::now();
            progress = migration.step(STEP_TRACK_COUNT)?;
            copying += from.elapsed();
        } else {
            migration.perform(verb, STEP_TRACK_COUNT)?;
        }
    }
    Ok(Work { progress, copying, whole: begun.elapsed() })
}

/// What moved from where to where.
fn summary(migration: &Migration, volumes: &Volumes, work: &Work, folder: &Path) -> Answer {
    let plan = migration.plan();
    let mut text = table(&plan, volumes).to_string();
    for (data_set, kept) in plan.data_sets.iter().zip(migration.kept_as()) {
        if let Some(kept) = kept {
            text += &format!("{} is kept as {kept}\n", data_set.assessment.name);
        }
    }
    text += &format!(
        "\nmoved {}, {}, in {}; copied at {:.0} MB/s; the log is in {}\n",
        count(plan.data_sets.len() as u64, "data set"),
        count(plan.track_count(), "track"),
        duration(work.whole.as_secs_f64()),
        rate(work.progress.byte_count, work.copying),
        folder.display(),
    );
    let kept: Vec<Option<String>> =
        migration.kept_as().iter().map(|kept| kept.map(|name| name.to_string())).collect();
    let json = json!({
        "state": migration.state().name(),
        "state_folder": folder.to_string_lossy(),
        "data_sets": values(&plan, volumes),
        "kept_as": kept,
        "copied_track_count": work.progress.copied_tracks,
        "copied_byte_count": work.progress.byte_count,
        "copying_ms": work.copying.as_millis() as u64,
        "whole_ms": work.whole.as_millis() as u64,
    });
    Answer::done(text, json)
}

/// Goes on with an interrupted migration.
pub fn resume(arguments: &ResumeArguments) -> Outcome<Answer> {
    let folder = &arguments.state;
    let request = Request::load(folder)?;
    let threads = arguments.threads.unwrap_or(request.threads);
    go_on(folder, Request { threads, ..request })
}

/// Whether a note of this migration still stands beside one of its images.
fn has_notes(folder: &Path, request: &Request) -> Result<bool> {
    let folder = std::fs::canonicalize(folder).map_err(|e| Error::io(folder.display(), &e))?;
    for file in &request.files {
        if read_notes(file)?.iter().any(|note| note.state_folder.as_ref() == Some(&folder)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives an interrupted migration up.
pub fn terminate(arguments: &TerminateArguments) -> Outcome<Answer> {
    let folder = &arguments.state;
    let request = Request::load(folder)?;
    let Some((state, plan)) = look(folder)? else {
        return Err(Error::new(
            Reason::NoCheckpoint,
            format!("there is no migration in {}", folder.display()),
        )
        .into());
    };
    const GIVEN_UP: &str =
        "the migration was given up; the target is released, the source is as it was\n";
    if state == State::Terminated && has_notes(folder, &request)? {
        // It was killed before its notes were removed.
        open_again(folder, &request)?;
        return Ok(Answer::done(GIVEN_UP.into(), json!({ "state": state.name() })));
    }
    if state.is_ended() {
        return Err(Error::new(
            Reason::WrongState,
            format!(
                "the migration in {} is {state}; there is nothing to give up",
                folder.display()
            ),
        )
        .into());
    }
    state.check(Verb::Terminate)?;
    let question = format!(
        "{}The migration is given up, and the target is scratched; the source stays as it is.\n",
        table(&plan, &Volumes::new())
    );
    if !confirm(&question, arguments.yes)? {
        let json = json!({ "state": state.name() });
        return Ok(Answer { code: Code::Refused, text: "nothing was changed\n".into(), json });
    }
    let (mut migration, _) = open_again(folder, &request)?;
    migration.terminate().map_err(|error| Failure { error, advice: advice(folder) })?;
    Ok(Answer::done(GIVEN_UP.into(), json!({ "state": migration.state().name() })))
}
