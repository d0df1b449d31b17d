//! `trackmirror monitor-agent`: tells the owners of migrations, who are on other machines, what is written on this one.
//!
//! Everything that must not be lost lies in the monitor areas of this machine, so that the agent may be stopped or killed
//! at any time, and another one goes on. Two of them for one image would take each other's place: a lock in the registry's
//! folder keeps the second one out.

mod telling;

use self::telling::Telling;
use crate::elsewhere::agent_channel;
use crate::live::closing;
use crate::live::{Commands, expected_images_in};
use crate::output::{Answer, Failure, Outcome, count};
use crate::progress::timestamp;
use crate::state_folder::open_own;
use crate::terminal::{Interrupt, tell};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use trackmirror::bytes::crc32c;
use trackmirror::clock::{Clock, SystemClock};
use trackmirror::enqueue::{AllOf, Enqueue, RegistryEnqueue};
use trackmirror::monitor::{Area, Identity};
use trackmirror::registry::areas;
use trackmirror::registry::openers::Openers;
use trackmirror::remote::{Agent, Counts, EnqueueOf, Service};
use trackmirror::volume::{Access, Volume, open_all};
use trackmirror::{Code, Error, Reason, Result, Volser};

/// The pause when nothing came or went a moment ago, and when nothing has for a while: each round looks through the areas.
const NAP: Duration = Duration::from_millis(2);
const LONG_NAP: Duration = Duration::from_millis(10);
/// How long a while is.
const BUSY: Duration = Duration::from_millis(300);
/// The pause after a failure.
const TROUBLE_NAP: Duration = Duration::from_millis(100);
/// The longest it is silent while it serves somebody.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long it is listened for owners before a farewell: they ask every second.
const LISTENED: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  trackmirror monitor-agent --image SYSB --redis redis://redis.example.com VOL001.ckd VOL002.ckd
  TRACKMIRROR_REDIS_PASSWORD=... trackmirror monitor-agent --image SYSB --redis rediss://sysb@redis:6380 /dev/sdb
  trackmirror monitor-agent --farewell --image SYSB --redis redis://redis.example.com VOL001.ckd

It runs on each machine that writes volumes of which another machine moves data sets, beside its programs, which run
under `trackmirror monitored` or have monitors of their own. The owner of the migration gives `migrate --image
SYSB@redis://redis.example.com`. VOLUME are those volumes as this machine sees them, all that the migration moves
from.

It asks programs of this machine to close their data sets, and keeps them out: by the registry of openers, and by the
commands that are given. It runs until SIGTERM or SIGINT. Then everything stays as it is, and an agent that is started
again goes on; until then no window is opened. --farewell says that nothing on this machine writes the volumes any
more: it ends with code 0 when every owner has heard it, and waits for programs that still live.

The server's password is better given in TRACKMIRROR_REDIS_PASSWORD than in the address, which all users of the
machine can see. It may lose everything that it has: that costs time alone.";

/// Tell the owners of migrations on other machines what is written on this one
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The name under which the owners know this machine; no other machine may have it
    #[arg(long, value_name = "NAME")]
    image: String,
    /// The Redis server through which they are reached
    #[arg(long, value_name = "URL")]
    redis: String,
    /// The folder of this machine's registry [default: TRACKMIRROR_REGISTRY, or /run/trackmirror]
    #[arg(long, value_name = "DIR")]
    registry: Option<PathBuf>,
    /// Say that nothing on this machine writes the volumes any more, and end when that is heard
    #[arg(long)]
    farewell: bool,
    /// Asks application and operator of this machine to close and unallocate; needs --is-closed
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
    /// The volumes, as this machine sees them
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<PathBuf>,
}

/// Serves until a signal comes, or the farewell is heard.
pub fn run(arguments: &Arguments) -> Outcome<Answer> {
    let commands = Commands {
        ask_close: arguments.ask_close.clone(),
        is_closed: arguments.is_closed.clone(),
        hold: arguments.hold.clone(),
        release: arguments.release.clone(),
    };
    commands.check()?;
    let io = |error: std::io::Error| Error::io("the registry", &error);
    let registry = match &arguments.registry {
        Some(folder) => areas::checked(folder.clone()),
        None => areas::area_folder(),
    };
    let registry = registry.map_err(io)?;
    let (channel, server) = agent_channel(&arguments.redis, &arguments.image)?;
    let sites = open_sites(&arguments.volumes, &registry)?;
    let here = Here { registry: arguments.registry.clone(), commands, sites: areas_of(&sites) };
    let mut agent = Agent::new(&arguments.image, channel, here.enqueue_of())?;
    let mut names = Vec::new();
    for (volume, area, expected) in sites {
        names.push(volume.volser().to_string());
        agent.add(volume, area, expected)?;
    }
    let _alone = alone(&registry, &arguments.image)?;
    let interrupt = Interrupt::listen()?;
    say(&format!("image {} serves {} by {server}", arguments.image, names.join(", ")));
    let mut round = Round::default();
    let is_heard = if arguments.farewell {
        round.take_leave(&mut agent, &interrupt)
    } else {
        round.serve(&mut agent, &interrupt);
        false
    };
    let counts = agent.counts();
    let json = value(arguments, &server, &names, &counts, is_heard);
    if arguments.farewell && !is_heard {
        let why = "stopped before every owner had heard the farewell; say it again";
        return Err(Failure {
            error: Error::new(Reason::Interrupted, why),
            advice: format!("{}\n", text(&counts)),
        });
    }
    let nobody = is_heard && counts.answers == 0;
    let ending = match (is_heard, nobody) {
        (true, true) => {
            "nobody asked for this image, so that nobody has heard the farewell; if its migration is interrupted, say it \
             again when it goes on"
        }
        (true, false) => "this machine has taken leave",
        (false, _) => "stopped; an agent that is started again goes on",
    };
    let code = if nobody { Code::More } else { Code::Done };
    Ok(Answer { code, text: format!("{ending}: {}\n", text(&counts)), json })
}

/// The volume, its area here, and who must be registered there.
type Site = (Arc<dyn Volume>, Area, Vec<String>);

fn open_sites(paths: &[PathBuf], registry: &Path) -> Result<Vec<Site>> {
    let volumes = open_all(paths, Access::Read)?;
    let site = |(volume, path): (Arc<dyn Volume>, &PathBuf)| {
        let area = Area::open_in(registry, Identity::of(&*volume)?)?;
        Ok((volume, area, expected_images_in(registry, path)?))
    };
    volumes.into_iter().zip(paths).map(site).collect()
}

fn areas_of(sites: &[Site]) -> Vec<(PathBuf, Area)> {
    let of = |(volume, area, _): &Site| Some((volume.path()?.to_path_buf(), area.clone()));
    sites.iter().filter_map(of).collect()
}

/// The lock that keeps a second agent of the image out, as long as it is held.
fn alone(registry: &Path, image: &str) -> Result<File> {
    let path = registry.join(format!("agent-{:08x}.lock", crc32c(0, image.as_bytes())));
    let io = |error: std::io::Error| Error::io(path.display(), &error);
    let file =
        open_own(OpenOptions::new().write(true).create(true).truncate(false), &path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            Reason::ImageExists,
            format!(
                "another agent serves image {image} on this machine; end it first ({} is locked)",
                path.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// What asks, holds and tells on this machine.
struct Here {
    /// The registry's folder, if it is not the one that the environment names.
    registry: Option<PathBuf>,
    commands: Commands,
    sites: Vec<(PathBuf, Area)>,
}

impl Here {
    /// The same one for every order of an owner: what was asked in the background is answered later.
    fn enqueue_of(self) -> EnqueueOf {
        let known: Mutex<BTreeMap<String, Arc<dyn Enqueue>>> = Mutex::default();
        Box::new(move |owner| {
            let mut known = known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if let Some(enqueue) = known.get(owner) {
                return Ok(enqueue.clone());
            }
            let enqueue = self.enqueue(owner)?;
            known.insert(owner.into(), enqueue.clone());
            Ok(enqueue)
        })
    }

    fn enqueue(&self, owner: &str) -> Result<Arc<dyn Enqueue>> {
        let openers = match &self.registry {
            Some(folder) => Openers::at(&folder.join("openers"))?,
            None => Openers::system()?,
        };
        let mut all: Vec<Arc<dyn Enqueue>> = vec![Arc::new(RegistryEnqueue::new(openers, owner))];
        all.extend(self.commands.enqueue());
        if self.commands.is_closed.is_none() {
            all.push(Arc::new(trackmirror::untold::UntoldPrograms {
                volumes: self.sites.clone(),
                advice: closing::ADVICE,
            }));
        }
        Ok(Arc::new(Telling::new(AllOf(all), owner)))
    }
}

/// What was told of the rounds, so that the same is not told twice.
#[derive(Default)]
struct Round {
    served: Vec<([u64; 2], Volser)>,
    trouble: Option<String>,
    told_at: Option<Instant>,
    /// When something came or went last.
    busy_at: Option<Instant>,
}

impl Round {
    /// Serves until a signal comes.
    fn serve(&mut self, agent: &mut Agent, interrupt: &Interrupt) {
        while interrupt.check().is_ok() {
            self.once(agent);
        }
    }

    /// Listens who is there, and then takes leave of them. Whether all have heard it.
    fn take_leave(&mut self, agent: &mut Agent, interrupt: &Interrupt) -> bool {
        let mut listened = Duration::ZERO;
        while interrupt.check().is_ok() {
            let from = Instant::now();
            let went_well = self.once(agent);
            // What was not heard because of a failure says nothing.
            listened = if went_well { listened + from.elapsed() } else { Duration::ZERO };
            if listened < LISTENED {
                continue;
            }
            match agent.farewell() {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => self.tell_trouble(&error),
            }
        }
        false
    }

    /// One round, with the pause behind it: whether it went well.
    fn once(&mut self, agent: &mut Agent) -> bool {
        let served = agent.serve();
        self.tell_services(&agent.services());
        match served {
            Ok(is_busy) => {
                if let Some(trouble) = self.trouble.take() {
                    say(&format!("it works again, after: {trouble}"));
                }
                match self.busy_at {
                    _ if is_busy => self.busy_at = Some(Instant::now()),
                    Some(at) if at.elapsed() < BUSY => std::thread::sleep(NAP),
                    _ => std::thread::sleep(LONG_NAP),
                }
                true
            }
            Err(error) => {
                self.tell_trouble(&error);
                std::thread::sleep(TROUBLE_NAP);
                false
            }
        }
    }

    fn tell_trouble(&mut self, error: &Error) {
        let trouble = error.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            say(&trouble);
            self.trouble = Some(trouble);
        }
    }

    /// Who is served anew, and who no longer; and now and then how far it is.
    fn tell_services(&mut self, services: &[Service]) {
        let served: Vec<_> = services.iter().map(|one| (one.migration, one.volser)).collect();
        for one in served.iter().filter(|one| !self.served.contains(one)) {
            say(&format!("{} is served from now on", named(one)));
        }
        for one in self.served.iter().filter(|one| !served.contains(one)) {
            say(&format!("{} is served no longer", named(one)));
        }
        self.served = served;
        let is_due = self.told_at.is_none_or(|at| at.elapsed() >= SILENCE_MAX);
        if !is_due {
            return;
        }
        if self.told_at.is_some() {
            for one in services {
                say(&format!(
                    "{}: last report {}, {} not acknowledged",
                    named(&(one.migration, one.volser)),
                    one.number,
                    one.unacknowledged
                ));
            }
        }
        self.told_at = Some(Instant::now());
    }
}

fn named((migration, volser): &([u64; 2], Volser)) -> String {
    let [high, low] = migration;
    format!("migration {high:016x}{low:016x} on volume {volser}")
}

fn say(text: &str) {
    tell(&format!("{} {text}\n", timestamp(SystemClock.now())));
}

fn text(counts: &Counts) -> String {
    format!(
        "{} ({} bytes), {} acknowledged; {} answered; {} carried out; {}",
        count(counts.reports, "report"),
        counts.report_bytes,
        counts.acknowledgements,
        count(counts.answers, "question"),
        count(counts.orders, "order"),
        count(counts.repeats, "repetition"),
    )
}

fn value(
    arguments: &Arguments,
    server: &str,
    volsers: &[String],
    counts: &Counts,
    is_heard: bool,
) -> Value {
    json!({
        "image": arguments.image,
        "server": server,
        "volumes": volsers,
        "farewell": is_heard,
        "reports": counts.reports,
        "report_bytes": counts.report_bytes,
        "acknowledgements": counts.acknowledgements,
        "answers": counts.answers,
        "orders": counts.orders,
        "repeats": counts.repeats,
    })
}
