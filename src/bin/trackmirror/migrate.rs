//! `trackmirror migrate`, `resume` and `terminate`: the main job, from its plan to its end.

mod backing_out;
mod rehearsal;

pub use backing_out::{BackOutArguments, back_out};

use crate::assess::refusals_text;
use crate::driver::{Driver, End, style};
use crate::host_space;
use crate::live::{LiveArguments, LiveOptions, has_expected_images};
use crate::moved::{self, take_moved};
use crate::output::{Answer, Failure, Outcome};
use crate::plan::{Proposal, table, values};
use crate::progress::Teller;
use crate::receipt::summary;
use crate::selection::{Opened, Roles, Sources, Targets, open_roles, reopen};
use crate::span::Span;
use crate::state_folder::{Request, default_folder, identity, owner_name, path_bytes};
use crate::steering::{self, Order};
use crate::terminal::{confirm, tell};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trackmirror::checkpoint::FileStore;
use trackmirror::copy::Volumes;
use trackmirror::event::{Event, EventLog, EventSink};
use trackmirror::host::Host;
use trackmirror::migrate::{Migration, MoveOptions, are_targets_shared, status};
use trackmirror::pace::Pace;
use trackmirror::plan::Plan;
use trackmirror::registry::areas::area_folder;
use trackmirror::registry::{check_unfinished, read_notes};
use trackmirror::state::{State, Verb};
use trackmirror::volume::Access;
use trackmirror::{Code, Error, Reason, Result};

const EXAMPLES: &str = "\
Examples:
  trackmirror migrate 'TEST.**' --volume OLD001.ckd --target NEW001.ckd
  trackmirror migrate PROD.MASTER --volume A.ckd --target B.ckd --catalog SYSRES.ckd --verify --keep
  trackmirror migrate TEST.FRAG --volume A.ckd --target A.ckd     (combines its extents there)
  trackmirror migrate PROD.MASTER --volume A.ckd --target B.ckd --live --rehearse     (changes nothing)
  trackmirror migrate PROD.MASTER --volume A.ckd --target B.ckd --live --close-when-mirrored --pace 20MB
  trackmirror migrate PROD.MASTER --volume /dev/sdb --target B.ckd --image SYSB@redis://redis.example.com
  trackmirror migrate TEST.SEQ.FB --volume CLNA01.ckd --target NEW001.ckd --image VS1 --guest CLNA01='./submit'

The volumes are locked for this process: no guest may have them attached, unless it is asked to move data sets while
others write (--live); then programs with monitors may write the sources until the window. On a terminal it shows what
it will do, and asks. When it is interrupted, the same command again goes on, and so does `trackmirror resume`; without
monitors copying begins anew then. On its own volume a data set gives up its old extents: --keep and --erase need
another target. While it runs: `trackmirror status`, `pace`, `close-now`, `postpone`, `terminate`.
Code 8: something is refused, and nothing was moved; 4: something was left out; 12: interrupted, to be resumed.";

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
    /// Tell a digest of each data set in the end, addresses aside
    #[arg(long)]
    digests: bool,
    /// How many threads copy
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// How fast it copies before the window: 500 (tracks) or 20MB in a second [default: unlimited]
    #[arg(long)]
    pace: Option<Pace>,
    /// The folder for the state [default: in the user's state folder, named after what is moved]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Say what would be moved, and move nothing
    #[arg(long)]
    dry_run: bool,
    /// Say what would stop it, and how long the data sets would be away, and change nothing
    #[arg(long, conflicts_with = "dry_run")]
    rehearse: bool,
    /// Tell what happens in lines of JSON on the standard error, as in events.jsonl
    #[arg(long)]
    events: bool,
    #[command(flatten)]
    live: LiveArguments,
}

const RESUME_EXAMPLES: &str = "\
Examples:
  trackmirror resume --state ~/.local/state/trackmirror/TEST-0badcafe
  trackmirror resume --state STATE --threads 4
  trackmirror resume --state STATE --moved /new/disk/OLD001.ckd     (it lies elsewhere now)

It goes on as it was begun, monitors and commands included. What monitors noted meanwhile is copied, and nothing else
again; without monitors everything is.";

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
    /// How long the sources are kept after the switch, if not as long as before
    #[arg(long, value_name = "TIME")]
    retain: Option<Span>,
    /// Close as soon as the goal is reached, if that was not asked for before (or was postponed)
    #[arg(long)]
    close_when_mirrored: bool,
    /// Images that lie elsewhere now, each known by its serial
    #[arg(long, num_args = 1.., value_name = "FILE")]
    moved: Vec<PathBuf>,
    /// Tell what happens as JSON lines on the standard error
    #[arg(long)]
    events: bool,
}

const TERMINATE_EXAMPLES: &str = "\
Examples:
  trackmirror terminate --state ~/.local/state/trackmirror/TEST-0badcafe --yes

The target is scratched; the source stays as it is. On a terminal it asks first. If a process leads the migration, it
does so and ends. After the catalog was switched a migration can only be resumed.";

/// Give up a migration, and release its target
#[derive(clap::Args)]
#[command(after_help = TERMINATE_EXAMPLES)]
pub struct TerminateArguments {
    /// The folder with the state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Images that lie elsewhere now, each known by its serial
    #[arg(long, num_args = 1.., value_name = "FILE")]
    moved: Vec<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Arguments {
    /// The same text for the same command: what is moved, from where, to where, and how.
    fn identity(&self, roles: &Roles) -> String {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for mask in &self.sources.masks {
            parts.push(mask.to_string().into_bytes());
        }
        for (role, files) in
            [("volume", &roles.sources), ("target", &roles.targets), ("catalog", &roles.catalogs)]
        {
            parts.push(role.into());
            parts.extend(files.iter().map(|path| path_bytes(path)));
        }
        let options = [
            self.sources.uncataloged,
            self.targets.skip_refused,
            self.keep,
            self.erase,
            self.used_only,
        ];
        parts.push(format!("{} {options:?}", self.targets.mode).into_bytes());
        if self.targets.slack > 0 {
            parts.push(format!("slack {}", self.targets.slack).into_bytes());
        }
        identity(&parts)
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

    fn question(&self, proposal: &Proposal, volumes: &Volumes, is_live: bool) -> String {
        let source = match (self.keep, self.erase) {
            (true, _) => "kept under other names",
            (_, true) => "overwritten and scratched",
            _ => "scratched",
        };
        let meanwhile = match is_live {
            true => "Others write meanwhile, until everybody is asked to close. ",
            false => "",
        };
        format!(
            "{}{meanwhile}Then the catalogs are switched, and the sources are {source}.\n",
            proposal.text(volumes)
        )
    }

    /// Opens what is to be moved, and where to: only to be read, for this process alone, or beside those who write.
    fn open(&self, roles: &Roles, live: Option<&LiveOptions>, folder: &Path) -> Outcome<Opened> {
        match live {
            _ if self.dry_run => Ok(open_roles(roles, Access::Read)?),
            Some(live) => live.open(roles, &owner_name(folder)?, false).map_err(|error| {
                let is_used = error.reason() == Reason::VolumeInUse;
                Failure { error, advice: if is_used { other_registry() } else { String::new() } }
            }),
            None => open_roles(roles, Access::Exclusive).map_err(|error| {
                let is_used = error.reason() == Reason::VolumeInUse;
                let advice = "to move data sets while programs with monitors write, see --live in `trackmirror migrate \
                              --help`\n";
                Failure { error, advice: if is_used { advice.into() } else { String::new() } }
            }),
        }
    }

    /// What an interrupted migration goes on with when the same command is typed again.
    fn again(&self, before: Request, live: Option<LiveOptions>) -> Result<Request> {
        if before.live.is_none() && live.is_some() {
            return Err(Error::new(
                Reason::PlanDiffers,
                "the interrupted migration was begun without monitors, so that others must not write; resume it \
                 without --live and what belongs to it, or terminate it",
            ));
        }
        Ok(Request {
            verify: self.verify,
            digests: self.digests,
            threads: self.threads,
            pace: self.pace.unwrap_or(before.pace),
            live: live.or(before.live.clone()),
            ..before
        })
    }
}

/// What else it can be, if a program is told to have no monitor.
fn other_registry() -> String {
    let folder =
        area_folder().map_or_else(|error| error.to_string(), |at| at.display().to_string());
    format!(
        "if it has a monitor, it uses another registry folder: TRACKMIRROR_REGISTRY must be the same for both (here: \
         {folder})\n"
    )
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
    let roles = Roles::new(&arguments.sources, Some(&arguments.targets))?;
    let identity = arguments.identity(&roles);
    let live = arguments.live.options(has_expected_images(&roles.sources))?;
    let folder = match &arguments.state {
        Some(folder) => folder.clone(),
        None => default_folder(&arguments.sources.masks, &identity)?,
    };
    if arguments.rehearse {
        return rehearsal::run(arguments, &roles, &identity, live.as_ref(), &folder);
    }
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
        let request = arguments.again(request, live)?;
        tell(&format!("an interrupted migration goes on; its state is in {}\n", folder.display()));
        return go_on(&folder, request, arguments.events);
    }
    let mut opened = arguments.open(&roles, live.as_ref(), &folder)?;
    // A note that names this folder though there is no state in it tells that the state was moved or lost; no state is
    // ever kept in the root folder.
    let own = if has_state { &folder } else { Path::new("/") };
    // Beside migrations of other data sets it may share the sources, which only the plan tells, later.
    let own_files = if live.is_none() { &opened.files } else { &roles.targets };
    let mut own_files =
        own_files.iter().filter(|file| live.is_none() || !roles.sources.contains(file));
    own_files.try_for_each(|file| check_unfinished(file, own))?;
    // What is told before there is a state folder is logged there afterwards.
    let told = Arc::new(EventLog::default());
    let log = told.clone();
    opened.host.events = Arc::new(move |time: Duration, event: &Event| log.event(time, event));
    let proposal = Proposal::make(&opened, &arguments.sources, &arguments.targets)?;
    arguments.check_combined(&proposal.plan)?;
    let code = proposal.code(arguments.targets.skip_refused);
    let text = proposal.text(&opened.host.volumes);
    let json = proposal.value(&opened.host.volumes);
    if code == Code::Refused || arguments.dry_run {
        return Ok(Answer { code, text: text + "nothing was moved\n", json });
    }
    Migration::check_volumes(&opened.host, &proposal.plan, Some(own))?;
    check_host_space(&opened, &proposal.plan)?;
    let question = arguments.question(&proposal, &opened.host.volumes, live.is_some());
    if !confirm(&question, arguments.yes)? {
        return Ok(Answer { code: Code::Refused, text: "nothing was moved\n".into(), json });
    }
    let request = Request {
        identity,
        files: opened.files.clone(),
        volsers: opened.volsers.clone(),
        roles,
        verify: arguments.verify,
        digests: arguments.digests,
        threads: arguments.threads,
        pace: arguments.pace.unwrap_or_default(),
        live,
        switched_ms: None,
        left_out: Vec::new(),
    };
    let answer = begin(arguments, opened, &told, proposal.plan, request, &folder)?;
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
    told: &EventLog,
    plan: Plan,
    request: Request,
    folder: &Path,
) -> Outcome<Answer> {
    let options = MoveOptions {
        used_only: arguments.used_only,
        erase: arguments.erase,
        keep: arguments.keep,
    };
    let store = FileStore::open(folder)?;
    // From here on nobody else can begin anything there.
    match look(folder)? {
        Some((state, _)) if state.is_ended() => store.clear()?,
        // It was begun, and interrupted, while somebody thought about the question.
        Some((_, plan)) => return Err(other_migration(folder, &plan).into()),
        None => {}
    }
    request.save(folder)?;
    let teller = Teller::new(folder, style(&request, arguments.events))?;
    let host = opened.host.told_to(teller.sink());
    told.timed_events().iter().for_each(|(time, event)| host.events.event(*time, event));
    let migration = Migration::new(host.clone(), plan, options, store, Some(folder.into()))?;
    let driver = Driver::new(migration, &host, request, folder, teller, false)?;
    drive(driver, &host.volumes, folder)
}

/// Takes up the migration of a folder and leads it to its end.
fn go_on(folder: &Path, request: Request, events: bool) -> Outcome<Answer> {
    if let Some((state, _)) = look(folder)?
        && state.is_ended()
    {
        let text = format!("the migration is {state}; nothing is left to do\n");
        return Ok(Answer::done(text, json!({ "state": state.name() })));
    }
    let advise = |error| Failure { error, advice: advice(folder) };
    let (migration, host, teller) = open_again(folder, &request, events)?;
    // What was asked for anew counts for the next time, too.
    request.save(folder).map_err(advise)?;
    let mut driver =
        Driver::new(migration, &host, request, folder, teller, true).map_err(advise)?;
    driver.migration.take_up().map_err(advise)?;
    if driver.migration.must_be_opened_again() {
        // It was interrupted while its switch was undone, which is done now.
        let request = Request::load(folder)?;
        drop(driver);
        return go_on(folder, request, events);
    }
    if driver.migration.state().is_ended() {
        let state = driver.migration.state();
        let text = format!("the migration is {state}; nothing is left to do\n");
        return Ok(Answer::done(text, json!({ "state": state.name() })));
    }
    drive(driver, &host.volumes, folder)
}

/// The migration of a folder, as it was when it was interrupted.
fn open_again(
    folder: &Path,
    request: &Request,
    events: bool,
) -> Outcome<(Migration, Host, Arc<Teller>)> {
    let advise = |error| Failure { error, advice: advice(folder) };
    let store = FileStore::open(folder)?;
    let host = match &request.live {
        None => reopen(&request.files, Access::Exclusive),
        Some(live) => {
            // Behind the point of no return the targets are their users'.
            let is_behind = are_targets_shared(&FileStore::peek(folder)?)?;
            let owner = owner_name(folder)?;
            live.open(&request.roles, &owner, is_behind).map(|opened| opened.host)
        }
    };
    let teller = Teller::new(folder, style(request, events))?;
    let host = host.map_err(|error| Failure {
        error,
        advice: moved::advice(request, folder) + &advice(folder),
    })?;
    let host = host.told_to(teller.sink());
    let migration = Migration::open(host.clone(), store, Some(folder.into())).map_err(advise)?;
    Ok((migration, host, teller))
}

/// Retires an image on another machine in a migration that no process leads.
pub fn retire_elsewhere(folder: &Path, image: &str) -> Outcome<()> {
    let request = Request::load(folder)?;
    let (mut migration, ..) = open_again(folder, &request, false)?;
    let advise = |error| Failure { error, advice: advice(folder) };
    // Only then it is known where what the image wrote is to be copied again.
    migration.take_up().map_err(advise)?;
    migration.retire_image(image).map_err(advise)
}

/// What can be done with a migration that no process leads.
pub fn advice(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "to go on:   trackmirror resume --state {folder}\nto give up: trackmirror terminate --state {folder}\n"
    )
}

const GIVEN_UP: &str =
    "the migration was given up; the target is released, the source is as it was\n";

/// Leads a migration to its end, and tells what it did.
fn drive(mut driver: Driver, volumes: &Volumes, folder: &Path) -> Outcome<Answer> {
    match driver.lead() {
        Ok(End::Complete) => Ok(summary(&driver, volumes, folder)),
        Ok(End::BackedOut) => {
            let json = json!({ "state": driver.migration.state().name() });
            let text = backing_out::BACKED_OUT.to_string() + &advice(folder);
            Ok(Answer { code: Code::More, text, json })
        }
        Ok(End::GivenUp) => {
            let json = json!({ "state": driver.migration.state().name() });
            Ok(Answer { code: Code::Refused, text: GIVEN_UP.into(), json })
        }
        Ok(End::NothingLeft) => {
            let text = "everything that was to be moved was deleted meanwhile, and nothing was moved; the target is \
                        released\n";
            let json = json!({ "state": driver.migration.state().name() });
            Ok(Answer { code: Code::More, text: text.into(), json })
        }
        // A target that was refused leaves nothing behind that anybody would have to go on with; nor does a track that
        // cannot go where it should, which no second attempt would change.
        Err(failure)
            if failure.error.code() == Code::Refused
                && matches!(driver.migration.state(), State::Planned | State::Copying)
                && failure.error.reason() != Reason::NotCovered =>
        {
            driver.migration.terminate()?;
            Err(failure.error.into())
        }
        Err(failure) => Err(failure),
    }
}

/// Goes on with an interrupted migration.
pub fn resume(arguments: &ResumeArguments) -> Outcome<Answer> {
    let folder = &arguments.state;
    let mut request = Request::load(folder)?;
    take_moved(&mut request, &arguments.moved, folder)?;
    request.threads = arguments.threads.unwrap_or(request.threads);
    match &mut request.live {
        Some(live) => {
            live.close_when_mirrored |= arguments.close_when_mirrored;
            live.retain = arguments.retain.map_or(live.retain, |Span(retain)| retain);
        }
        None if arguments.close_when_mirrored || arguments.retain.is_some() => {
            return Err(Error::new(
                Reason::BadRequest,
                "the migration was begun without monitors, so that there is nobody who closes, and nothing is kept; \
                 leave --close-when-mirrored and --retain out",
            )
            .into());
        }
        None => {}
    }
    go_on(folder, request, arguments.events)
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
    let mut request = Request::load(folder)?;
    take_moved(&mut request, &arguments.moved, folder)?;
    let Some((state, plan)) = look(folder)? else {
        return Err(Error::new(
            Reason::NoCheckpoint,
            format!("there is no migration in {}", folder.display()),
        )
        .into());
    };
    if state == State::Terminated && has_notes(folder, &request)? {
        // It was killed before its notes were removed.
        open_again(folder, &request, false)?;
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
    // A process that leads it does so at its next step, and ends; if it has ended just now, it is done here.
    if let Some(reply) = steering::order(folder, Order::Terminate, true)? {
        let answer = steering::answer(reply)?;
        return Ok(Answer { text: GIVEN_UP.into(), ..answer });
    }
    let (mut migration, ..) = open_again(folder, &request, false)?;
    migration.terminate().map_err(|error| Failure { error, advice: advice(folder) })?;
    Ok(Answer::done(GIVEN_UP.into(), json!({ "state": migration.state().name() })))
}
