//! What moving data sets while others write to them needs: how it was asked for, and everything opened accordingly.
//!
//! | volume | how it is opened |
//! |---|---|
//! | a target that is no source | for this process alone, until its data sets are cataloged there |
//! | one that `--guest` names | for reading: its own system changes it |
//! | every other | beside others, as an image of its own: what we write is noted for other migrations, too |
//!
//! With images on other machines, all but the targets are read and written past the caches of this one.
//!
//! Whether the data sets are closed is told by all who can: the registry of openers, the commands, the systems of the
//! guests. A program that writes a source volume and tells none of them what it has open (an emulator under `trackmirror
//! monitored`) counts as one that has everything open, as long as anything of it lives and no command speaks for it.

pub mod closing;
pub mod looking;

use crate::elsewhere::{self, Elsewhere};
use crate::selection::{Opened, Roles};
use crate::span::Span;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trackmirror::enqueue::{AllOf, Enqueue, RegistryEnqueue};
use trackmirror::host::{Host, Live};
use trackmirror::migrate::{Goal, Limits};
use trackmirror::monitor::{Area, MonitoredVolume};
use trackmirror::operator::{CommandCatalog, CommandEnqueue, CommandSpaceManager, OperatorCommand};
use trackmirror::registry::areas::{existing_folder, key_of};
use trackmirror::registry::expected;
use trackmirror::registry::openers::Openers;
use trackmirror::volume::{self, Access, Volume, open_all};
use trackmirror::{Error, Reason, Result, Volser};

/// How data sets are moved while others write to them.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(
    next_help_heading = "While others write (any of --live to --close-when-mirrored asks for it)"
)]
pub struct LiveArguments {
    /// Move the data sets while programs with monitors write to their volumes
    #[arg(long)]
    live: bool,
    /// Images that must be monitored, besides those of `image add`; NAME@URL: on another machine
    #[arg(long = "image", num_args = 1.., value_name = "NAME")]
    images: Vec<String>,
    /// A running system has the volume: this command changes it, and tells what is open
    #[arg(long = "guest", value_name = "VOLSER=CMD", value_parser = guest)]
    guests: Vec<(Volser, String)>,
    /// Asks application and operator to close and unallocate; needs --is-closed
    #[arg(long, value_name = "CMD")]
    ask_close: Option<String>,
    /// Tells whether all is closed: ends with 0; or with 4, and lines `IMAGE PROGRAM`
    #[arg(long, value_name = "CMD")]
    is_closed: Option<String>,
    /// Keeps out whoever would open them again; needs --release
    #[arg(long, value_name = "CMD")]
    hold: Option<String>,
    /// Takes back what --ask-close and --hold did
    #[arg(long, value_name = "CMD")]
    release: Option<String>,
    /// Close as soon as the goal is reached, not when `close-now` is typed
    #[arg(long)]
    close_when_mirrored: bool,
    /// The goal: at most so many tracks are left
    #[arg(long, value_name = "N", conflicts_with = "goal_ms")]
    goal_tracks: Option<u64>,
    /// The goal: a window would likely take at most so many milliseconds [default: 1000]
    #[arg(long, value_name = "N")]
    goal_ms: Option<u64>,
    /// How long monitors and openers are waited for: seconds, or with min, h, d [default: 10min]
    #[arg(long, value_name = "TIME")]
    wait_limit: Option<Span>,
    /// How long the window may be before it is given up [default: 1min]
    #[arg(long, value_name = "TIME")]
    window_limit: Option<Span>,
    /// With --close-when-mirrored: how often a close is tried in all [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    attempts: Option<u32>,
    /// How long the sources are kept after the switch, before they are scratched [default: 0s]
    #[arg(long, value_name = "TIME")]
    retain: Option<Span>,
    /// Stop at a track that cannot be copied; else its data set is left out after three attempts
    #[arg(long)]
    stop_on_error: bool,
}

fn guest(text: &str) -> std::result::Result<(Volser, String), String> {
    let (volser, command) = text.split_once('=').ok_or("give it as VOLSER=COMMAND")?;
    let volser = volser.parse::<Volser>().map_err(|error| error.sentence().to_string())?;
    match command.trim().is_empty() {
        true => Err("the command is empty".into()),
        false => Ok((volser, command.into())),
    }
}

/// What was asked for, as it is kept for `resume`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Images that must be monitored on every source volume.
    pub images: Vec<String>,
    /// Images on other machines, each of which can write every source volume.
    pub elsewhere: Vec<Elsewhere>,
    /// Who changes a volume that a running system has attached.
    pub guests: BTreeMap<Volser, String>,
    /// Commands that ask, tell, hold and release.
    pub commands: Commands,
    /// When it is mirrored.
    pub goal: Goal,
    /// How long things may take.
    pub limits: Limits,
    /// How often a close is tried.
    pub attempts: u32,
    /// How long the sources are kept after the switch.
    pub retain: Duration,
    /// Whether it closes by itself.
    pub close_when_mirrored: bool,
    /// Whether a track that cannot be copied stops all.
    pub stop_on_error: bool,
}

/// The operator's commands for the close.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Asks to close.
    pub ask_close: Option<String>,
    /// Tells whether it is closed.
    pub is_closed: Option<String>,
    /// Keeps out new openers.
    pub hold: Option<String>,
    /// Lets them in again.
    pub release: Option<String>,
}

impl LiveArguments {
    /// What is asked for; `None` if nothing asks for moving while others write. Somebody does by an option, or by having
    /// named images of the source volumes.
    ///
    /// Error: [`Reason::BadRequest`] for what makes no sense together.
    pub fn options(&self, has_expected_images: bool) -> Result<Option<LiveOptions>> {
        let given = [&self.ask_close, &self.is_closed, &self.hold, &self.release];
        let is_live = self.live
            || has_expected_images
            || self.close_when_mirrored
            || !self.images.is_empty()
            || !self.guests.is_empty()
            || given.iter().any(|command| command.is_some());
        if !is_live {
            return self.check_unused().map(|()| None);
        }
        let commands = Commands {
            ask_close: self.ask_close.clone(),
            is_closed: self.is_closed.clone(),
            hold: self.hold.clone(),
            release: self.release.clone(),
        };
        commands.check()?;
        let mut guests = BTreeMap::new();
        for (volser, command) in &self.guests {
            if guests.insert(*volser, command.clone()).is_some() {
                return Err(refusal(format!("--guest {volser} is given twice")));
            }
        }
        let (mut images, mut elsewhere) = (Vec::new(), Vec::new());
        for text in &self.images {
            match Elsewhere::parse(text)? {
                Some(there) => elsewhere.push(there),
                None => images.push(text.clone()),
            }
        }
        elsewhere::check_once(&elsewhere)?;
        let (goal, limits) = (Goal::default(), Limits::default());
        let span = |span: Option<Span>, default| span.map_or(default, |Span(span)| span);
        Ok(Some(LiveOptions {
            images,
            elsewhere,
            guests,
            commands,
            goal: match (self.goal_tracks, self.goal_ms) {
                (Some(tracks), _) => Goal::Tracks(tracks),
                (None, Some(ms)) => Goal::Millis(ms),
                (None, None) => goal,
            },
            limits: Limits {
                wait: span(self.wait_limit, limits.wait),
                window: span(self.window_limit, limits.window),
            },
            attempts: self.attempts.unwrap_or(3),
            retain: span(self.retain, Duration::ZERO),
            close_when_mirrored: self.close_when_mirrored,
            stop_on_error: self.stop_on_error,
        }))
    }

    /// That nothing is asked for that means something only while others write.
    fn check_unused(&self) -> Result<()> {
        let unused = [
            ("--goal-tracks", self.goal_tracks.is_some()),
            ("--goal-ms", self.goal_ms.is_some()),
            ("--wait-limit", self.wait_limit.is_some()),
            ("--window-limit", self.window_limit.is_some()),
            ("--attempts", self.attempts.is_some()),
            ("--retain", self.retain.is_some()),
            ("--stop-on-error", self.stop_on_error),
        ];
        match unused.iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((option, _)) => Err(refusal(format!(
                "{option} means something only while others write to the volumes; add --live, or leave it out"
            ))),
        }
    }
}

fn refusal(why: impl Into<String>) -> Error {
    Error::new(Reason::BadRequest, why)
}

impl LiveOptions {
    /// For the request in the state folder.
    pub fn value(&self) -> Value {
        let guests: Vec<Value> = self
            .guests
            .iter()
            .map(|(volser, command)| json!({ "volser": volser.to_string(), "command": command }))
            .collect();
        let (goal, number) = match self.goal {
            Goal::Tracks(tracks) => ("tracks", tracks),
            Goal::Millis(ms) => ("ms", ms),
        };
        let elsewhere: Vec<Value> = self.elsewhere.iter().map(Elsewhere::value).collect();
        json!({
            "images": self.images, "elsewhere": elsewhere, "guests": guests, "ask_close": self.commands.ask_close,
            "is_closed": self.commands.is_closed, "hold": self.commands.hold,
            "release": self.commands.release, "goal": { goal: number },
            "wait_limit_ms": ms(self.limits.wait), "window_limit_ms": ms(self.limits.window),
            "attempts": self.attempts, "retain_ms": ms(self.retain),
            "close_when_mirrored": self.close_when_mirrored, "stop_on_error": self.stop_on_error,
        })
    }

    /// Reads it again; `None` if it is of another form.
    pub fn parse(value: &Value) -> Option<LiveOptions> {
        let texts = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|text| text.as_str().map(String::from)).collect()
        };
        let guest = |value: &Value| -> Option<(Volser, String)> {
            Some((value["volser"].as_str()?.parse().ok()?, value["command"].as_str()?.into()))
        };
        let command = |name: &str| value[name].as_str().map(String::from);
        let span = |name: &str| value[name].as_u64().map(Duration::from_millis);
        let goal = &value["goal"];
        Some(LiveOptions {
            images: texts(&value["images"])?,
            // Older releases knew none.
            elsewhere: match value["elsewhere"].as_array() {
                Some(all) => all.iter().map(Elsewhere::of_value).collect::<Option<_>>()?,
                None => Vec::new(),
            },
            guests: value["guests"].as_array()?.iter().map(guest).collect::<Option<_>>()?,
            commands: Commands {
                ask_close: command("ask_close"),
                is_closed: command("is_closed"),
                hold: command("hold"),
                release: command("release"),
            },
            goal: match (goal["tracks"].as_u64(), goal["ms"].as_u64()) {
                (Some(tracks), _) => Goal::Tracks(tracks),
                (None, ms) => Goal::Millis(ms?),
            },
            limits: Limits { wait: span("wait_limit_ms")?, window: span("window_limit_ms")? },
            attempts: u32::try_from(value["attempts"].as_u64()?).ok()?,
            retain: span("retain_ms")?,
            close_when_mirrored: value["close_when_mirrored"].as_bool()?,
            stop_on_error: value["stop_on_error"].as_bool()?,
        })
    }

    /// Opens sources, targets and catalogs, with everything that watches and changes them. The close is asked for in the
    /// name of `owner`, the state folder. Targets are `given_back` when their data sets are cataloged there.
    pub fn open(&self, roles: &Roles, owner: &Path, given_back: bool) -> Result<Opened> {
        let files = roles.files();
        let volsers = self.volsers(roles, &files)?;
        let image = format!("TRACKMIRROR-{}", std::process::id());
        let mut volumes: Vec<Arc<dyn Volume>> = Vec::new();
        let mut areas = BTreeMap::new();
        for (path, volser) in files.iter().zip(&volsers) {
            let is_source = roles.sources.contains(path);
            let is_target = roles.targets.contains(path);
            if is_target && !is_source {
                let access = if given_back { Access::Read } else { Access::Exclusive };
                let volume = volume::open(path, access)?;
                // While the sources are kept, it is seen whether anything is written at the targets.
                if !self.retain.is_zero() {
                    areas.insert(*volser, Area::open(&*volume)?);
                }
                volumes.push(volume);
            } else if self.guests.contains_key(volser) {
                let volume = match self.elsewhere.is_empty() {
                    true => volume::open(path, Access::Read)?,
                    false => volume::open_past_caches(path, Access::Read)?,
                };
                if is_source {
                    areas.insert(*volser, Area::open(&*volume)?);
                }
                volumes.push(volume);
            } else {
                let volume = match self.elsewhere.is_empty() {
                    true => MonitoredVolume::open(path, &image)?,
                    false => MonitoredVolume::open_past_caches(path, &image)?,
                };
                if is_source {
                    areas.insert(*volser, volume.image().area().clone());
                }
                volumes.push(Arc::new(volume));
            }
        }
        let mut host = Host::of_volumes(volumes)?;
        self.delegate(&mut host)?;
        let mut images = BTreeMap::new();
        for path in &roles.sources {
            let volser = volser_of(&files, &volsers, path);
            let mut names: BTreeSet<String> = self.images.iter().cloned().collect();
            names.extend(expected_images(path)?);
            images.insert(volser, names.into_iter().collect());
        }
        let enqueue = self.enqueue(&host, &areas, owner)?;
        let machines = self.elsewhere.iter().map(Elsewhere::open).collect::<Result<_>>()?;
        let host = host.monitored_by(Live { areas, images, enqueue, machines });
        let of = |paths: &[PathBuf]| -> Vec<Volser> {
            paths.iter().map(|path| volser_of(&files, &volsers, path)).collect()
        };
        let (sources, targets) = (of(&roles.sources), of(&roles.targets));
        Ok(Opened { host, sources, targets, files, volsers })
    }

    /// The serials of the images; that each guest is one of them, and none a target.
    fn volsers(&self, roles: &Roles, files: &[PathBuf]) -> Result<Vec<Volser>> {
        let looked_at = open_all(files, Access::Read)?;
        let volsers: Vec<Volser> = looked_at.iter().map(|volume| volume.volser()).collect();
        for volser in self.guests.keys() {
            let path = volsers.iter().position(|other| other == volser).map(|index| &files[index]);
            let why = match path {
                None => "no image of this volume is given",
                Some(path) if roles.targets.contains(path) => {
                    "a target must not be attached to a running system; detach it there, and attach it again when its \
                     data sets are cataloged"
                }
                Some(_) => continue,
            };
            return Err(refusal(format!("--guest {volser}: {why}")).on_volume(*volser));
        }
        Ok(volsers)
    }

    /// Lets the guests' own systems change their volumes.
    fn delegate(&self, host: &mut Host) -> Result<()> {
        for (volser, command) in &self.guests {
            let Some(volume) = host.volumes.get(volser).cloned() else { continue };
            let command = OperatorCommand::new(command.clone());
            host.catalogs.retain(|catalog| catalog.volser() != Some(*volser));
            if let Some(catalog) = CommandCatalog::cvol_on(volume.clone(), command.clone())? {
                host.catalogs.push(Arc::new(catalog));
            }
            host.space.insert(*volser, Arc::new(CommandSpaceManager::new(volume, command)));
        }
        Ok(())
    }

    /// Everybody who can ask, tell, hold and release.
    fn enqueue(
        &self,
        host: &Host,
        areas: &BTreeMap<Volser, Area>,
        owner: &Path,
    ) -> Result<Arc<dyn Enqueue>> {
        let owner = owner.to_string_lossy();
        let mut all: Vec<Arc<dyn Enqueue>> =
            vec![Arc::new(RegistryEnqueue::new(Openers::system()?, owner))];
        for (volser, command) in self.guests.iter().filter(|(on, _)| areas.contains_key(on)) {
            let system = CommandEnqueue::of_system(&OperatorCommand::new(command), &[*volser]);
            all.push(Arc::new(closing::Patient::new(Arc::new(system))));
        }
        all.extend(self.commands.enqueue());
        if self.commands.is_closed.is_none() {
            let silent = areas.iter().filter(|(volser, _)| !self.guests.contains_key(volser));
            let path = |volser| Some(host.volumes.get(volser)?.path()?.to_path_buf());
            let volumes = silent.filter_map(|(on, area)| Some((path(on)?, area.clone()))).collect();
            all.push(Arc::new(trackmirror::untold::UntoldPrograms {
                volumes,
                advice: closing::ADVICE,
            }));
        }
        Ok(Arc::new(AllOf(all)))
    }
}

impl Commands {
    /// The port that asks, tells, holds and releases by them; `None` if there are none.
    pub fn enqueue(&self) -> Option<Arc<dyn Enqueue>> {
        let Commands { ask_close, is_closed, hold, release } = self;
        if [ask_close, is_closed, hold, release].iter().all(|command| command.is_none()) {
            return None;
        }
        let command = |text: &Option<String>| text.as_deref().map(OperatorCommand::new);
        let commands = CommandEnqueue {
            volumes: Vec::new(),
            ask_to_close: command(ask_close),
            is_closed: command(is_closed),
            hold: command(hold),
            release: command(release),
        };
        Some(Arc::new(closing::Patient::new(Arc::new(commands))))
    }

    /// That whoever is asked can answer, and whoever is held is let in again.
    pub fn check(&self) -> Result<()> {
        if self.ask_close.is_some() && self.is_closed.is_none() {
            return Err(refusal(
                "--ask-close asks programs to close, and nobody would tell whether they have: give --is-closed as well",
            ));
        }
        if self.hold.is_some() && self.release.is_none() {
            return Err(refusal(
                "--hold keeps programs out, and nobody would let them in again: give --release as well",
            ));
        }
        Ok(())
    }
}

fn volser_of(files: &[PathBuf], volsers: &[Volser], path: &PathBuf) -> Volser {
    let index = files.iter().position(|file| file == path);
    volsers[index.expect("every role's file is among the files")]
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The images that the operator named for the volume of this image.
fn expected_images(path: &Path) -> Result<Vec<String>> {
    let folder = existing_folder().map_err(|error| Error::io("the registry", &error))?;
    folder.map_or_else(|| Ok(Vec::new()), |folder| expected_images_in(&folder, path))
}

/// The same in this folder of a registry.
pub fn expected_images_in(folder: &Path, path: &Path) -> Result<Vec<String>> {
    let file = std::fs::metadata(path).map_err(|error| Error::io(path.display(), &error))?;
    let (device, inode) = key_of(&file);
    expected::expected_images(folder, device, inode)
        .map_err(|error| Error::io(path.display(), &error))
}

/// Whether the operator named images for one of these volumes. Where there is no registry, he named none.
pub fn has_expected_images(paths: &[PathBuf]) -> bool {
    paths.iter().any(|path| match expected_images(path) {
        Ok(names) => !names.is_empty(),
        Err(error) => {
            log::info!("no images are taken for named: {error}");
            false
        }
    })
}

#[cfg(test)]
pub use tests::options as unlike_the_defaults;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        arguments: LiveArguments,
    }

    fn parsed(words: &[&str]) -> LiveArguments {
        let words = std::iter::once(&"migrate").chain(words);
        Words::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).arguments
    }

    /// Options of which none is the default.
    pub fn options() -> LiveOptions {
        let words = "--image A B --guest VOL001=submit=x --guest VOL002=y --ask-close a --is-closed b --hold c \
                     --release d --close-when-mirrored --goal-tracks 7 --wait-limit 2h --window-limit 500ms --attempts 9 \
                     --retain 7d --stop-on-error";
        let words: Vec<&str> = words.split_whitespace().collect();
        parsed(&words).options(false).unwrap().unwrap()
    }

    #[test]
    fn options_come_back() {
        for options in [options(), parsed(&["--live"]).options(false).unwrap().unwrap()] {
            assert_eq!(LiveOptions::parse(&options.value()), Some(options));
        }
        assert_eq!(LiveOptions::parse(&json!({})), None);
        let options = options();
        assert_eq!(options.guests[&"VOL001".parse().unwrap()], "submit=x");
    }

    #[test]
    fn it_is_live_if_somebody_asks_for_it() {
        assert_eq!(parsed(&[]).options(false).unwrap(), None);
        for words in [
            &["--live"][..],
            &["--image", "A"],
            &["--guest", "VOL001=x"],
            &["--is-closed", "x"],
            &["--close-when-mirrored"],
        ] {
            assert!(parsed(words).options(false).unwrap().is_some(), "{words:?}");
        }
        assert!(parsed(&["--retain", "1d"]).options(true).unwrap().is_some());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        for (words, why) in [
            (&["--goal-ms", "5"][..], "--live"),
            (&["--retain", "1d"], "--live"),
            (&["--ask-close", "x"], "--is-closed"),
            (&["--hold", "x"], "--release"),
            (&["--guest", "VOL001=x", "--guest", "VOL001=y"], "VOL001"),
        ] {
            let error = parsed(words).options(false).unwrap_err();
            assert!(error.sentence().contains(why), "{words:?}: {error}");
        }
        for guest in ["VOL001", "=x", "TOOLONG=x", "VOL001= "] {
            assert!(Words::try_parse_from(["migrate", "--guest", guest]).is_err(), "{guest}");
        }
    }
}
