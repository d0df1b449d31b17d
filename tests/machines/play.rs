//! One seed: a site, writers on all its machines, a migration, and what happens to them on the way.

use super::relay::{Cut, Fates, Weather};
use super::site::{HOSTS, REDIS, Site};
use super::story::{Deed, EVENTS, Story, When};
use super::world::Random;
use super::writer::{Habits, LONG, Process};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trackmirror::state::State;

/// How often the command is typed again where it could not begin.
const BEGINNINGS_MAX: u64 = 5;
/// How often the close is ordered where it does not come by itself.
const CLOSE_AGAIN: Duration = Duration::from_millis(300);

/// What was seen in one seed, or in all.
#[derive(Debug, Default)]
pub struct Seen {
    writes: u64,
    killed: u64,
    stopped: u64,
    killed_agents: u64,
    killed_migrators: u64,
    cuts: u64,
    redis: u64,
    refused: u64,
    half_written: u64,
    on_target: u64,
    overslept: u64,
    begun_again: u64,
    fates: Fates,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        for (total, more) in [
            (&mut self.writes, other.writes),
            (&mut self.killed, other.killed),
            (&mut self.stopped, other.stopped),
            (&mut self.killed_agents, other.killed_agents),
            (&mut self.killed_migrators, other.killed_migrators),
            (&mut self.cuts, other.cuts),
            (&mut self.redis, other.redis),
            (&mut self.refused, other.refused),
            (&mut self.half_written, other.half_written),
            (&mut self.on_target, other.on_target),
            (&mut self.overslept, other.overslept),
            (&mut self.begun_again, other.begun_again),
        ] {
            *total += more;
        }
        self.fates.add(&other.fates);
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fates { delivered, cut, lost, doubled, reordered } = self.fates;
        write!(
            f,
            "{} acknowledged writes; {} writers, {} agents and {} migrations killed; {} processes stopped; {} machines \
             cut off; {} times something happened to redis; {} tracks half written; {} writes refused by seals; {} writers \
             went on at the target; {} slept through a window that they should have met; {} migrations typed again; {} \
             packets arrived, {} not since a machine was cut off, {} were lost, {} doubled, {} out of order",
            self.writes,
            self.killed,
            self.killed_agents,
            self.killed_migrators,
            self.stopped,
            self.cuts,
            self.redis,
            self.half_written,
            self.refused,
            self.on_target,
            self.overslept,
            self.begun_again,
            delivered,
            cut,
            lost,
            doubled,
            reordered
        )
    }
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Writer(usize),
    Agent(usize),
    Migrator,
}

/// A process, if it lives, and what those before it said.
pub struct Actor {
    pub process: Process,
    is_killed: bool,
    said_before: Vec<String>,
}

impl Actor {
    fn new(process: Process) -> Actor {
        Actor { process, is_killed: false, said_before: Vec::new() }
    }

    fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    pub fn kill(&mut self) {
        self.process.kill();
        // It may have come to its own end just before.
        self.is_killed = self.process.ended() == Some(-1);
    }

    fn replace(&mut self, process: Process) {
        self.said_before.extend(self.process.said());
        self.said_before.push("-- again".into());
        (self.process, self.is_killed) = (process, false);
    }
}

/// Something to be done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Restart(Role),
    Continue(Role),
    Heal(&'static str),
    Calm,
    RestartRedis(bool),
    EmptyRedis,
}

/// The play of a story. Who acts is ended before the site is taken down.
pub struct Play {
    pub story: Story,
    actors: BTreeMap<Role, Actor>,
    pub site: Site,
    /// The machines whose agents the migration is told of.
    named: Vec<usize>,
    is_calm: bool,
    due: Vec<(Instant, Due)>,
    seen: Seen,
}

/// Runs a seed, and panics if anything is lost.
pub fn run(seed: u64) -> Seen {
    let mut random = Random(seed);
    let host_count = random.between(2, 3) as usize;
    let site = Site::new(&mut random, host_count);
    let mut story = Story::new(&mut random, host_count);
    story.deeds.extend(long_cut(seed, host_count));
    if std::env::var_os("TRACKMIRROR_SEED").is_some() {
        println!("seed {seed}: {story:#?}");
    }
    let named = (1..host_count).collect();
    let mut play = Play::begin(site, story, named);
    play.migrate();
    play.end();
    play.assert_all_there()
}

/// In some seeds a machine is away for longer than anybody is patient.
fn long_cut(seed: u64, host_count: usize) -> Option<(When, Deed)> {
    let mut random = Random(!seed);
    let is_long = random.one_in(20);
    let machine =
        [REDIS].into_iter().chain(HOSTS).nth(random.below(host_count as u32 + 1) as usize);
    let when = When::Told(random.pick(EVENTS), random.below(10));
    let cut = Deed::Cut(machine?, Cut::Both, random.between(5000, 8000));
    is_long.then_some((when, cut))
}

/// The same story, in which nothing happens, but the migration is told of these machines only: what the judge says.
pub fn naming(seed: u64, named: &[usize]) -> (i32, String) {
    let mut random = Random(seed);
    let site = Site::new(&mut random, 2);
    let story = Story::quiet(&mut random, 2);
    let mut play = Play::begin(site, story, named.to_vec());
    play.migrate();
    play.end();
    play.judge(true)
}

impl Play {
    /// Starts everybody. Nothing happens to the network before the migration begins.
    pub fn begin(site: Site, story: Story, named: Vec<usize>) -> Play {
        let (due, seen) = (Vec::new(), Seen::default());
        let actors = BTreeMap::new();
        let mut play = Play { story, actors, site, named, is_calm: false, due, seen };
        for number in 0..play.story.writers.len() {
            play.start(Role::Writer(number));
        }
        for host in 1..play.story.host_count {
            play.start(Role::Agent(host));
        }
        let word = if play.story.is_filled { "filled" } else { "opened" };
        for number in 0..play.story.writers.len() {
            play.actor(Role::Writer(number)).process.hear(word);
        }
        play.start(Role::Migrator);
        play
    }

    fn start(&mut self, role: Role) {
        let process = match role {
            Role::Writer(number) => {
                let (host, habits) = &self.story.writers[number];
                self.site.hosts[*host].world.writer(habits)
            }
            Role::Agent(host) => self.site.agent(host),
            Role::Migrator => {
                let orders = self.site.orders(&self.story.orders, &self.named);
                self.site.owner().world.migrator(&orders)
            }
        };
        match self.actors.get_mut(&role) {
            Some(actor) => actor.replace(process),
            None => drop(self.actors.insert(role, Actor::new(process))),
        }
    }

    pub fn actor(&mut self, role: Role) -> &mut Actor {
        self.actors.get_mut(&role).expect("everybody was started")
    }

    /// Until the migration has ended.
    pub fn migrate(&mut self) {
        let (begun, mut closes) = (Instant::now(), Instant::now());
        for (machine, weather) in &self.story.weather {
            self.site.network.set(machine, *weather);
        }
        self.later(self.story.calm_ms, Due::Calm);
        let mut closing: Option<Process> = None;
        let mut deeds: Vec<(When, Deed, Option<Instant>)> =
            self.story.deeds.iter().map(|&(when, deed)| (when, deed, None)).collect();
        loop {
            assert!(begun.elapsed() < LONG, "it never ends: {self}");
            if let Some(code) = self.actor(Role::Migrator).process.ended()
                && !self.is_due(Due::Restart(Role::Migrator))
            {
                if code != 0 && self.may_begin_again() {
                    continue;
                }
                assert_eq!(code, 0, "{self}");
                assert_eq!(self.site.owner().world.migration_state(), State::Complete, "{self}");
                return;
            }
            self.cover();
            let world = &self.site.hosts[0].world;
            // It closes by itself at its goal only; where it comes no nearer, somebody has to decide.
            if closes.elapsed() > CLOSE_AGAIN
                && closing.as_mut().is_none_or(|order| order.ended().is_some())
                && world.has_happened("not-converging")
            {
                closes = Instant::now();
                // Its answer is not waited for: who gives it may be stopped until this loop lets him go on.
                let mut order = world.command("close-now");
                closing = Some(Process::start(order.arg("--state").arg(world.state())));
            }
            deeds.retain_mut(|(when, deed, at)| {
                let time = match *when {
                    When::After(ms) => Some(begun + Duration::from_millis(ms.into())),
                    When::Told(event, ms) => {
                        if at.is_none() && self.site.owner().world.has_happened(event) {
                            *at = Some(Instant::now() + Duration::from_millis(ms.into()));
                        }
                        *at
                    }
                };
                let is_due = time.is_some_and(|time| time <= Instant::now());
                if is_due {
                    self.act(*deed);
                }
                !is_due
            });
            self.do_what_is_due();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Does what the operator does when nothing was begun because it could not be: he begins again.
    fn may_begin_again(&mut self) -> bool {
        let may = self.seen.begun_again < BEGINNINGS_MAX && !self.site.owner().world.has_state();
        if may {
            self.seen.begun_again += 1;
            self.start(Role::Migrator);
        }
        may
    }

    /// Does what the operator does when the migration says that an image is missing: he starts it.
    fn cover(&mut self) {
        let said = self.actor(Role::Migrator).process.said();
        let Some(said) = said.last().filter(|said| said.contains("start it with its monitor"))
        else {
            return;
        };
        for number in 0..self.story.writers.len() {
            let role = Role::Writer(number);
            let image = &self.story.writers[number].1.image;
            if said.contains(&format!("image {image} "))
                && !self.actor(role).is_running()
                && !self.is_due(Due::Restart(role))
            {
                self.later(0, Due::Restart(role));
            }
        }
    }

    fn later(&mut self, ms: u32, due: Due) {
        self.due.push((Instant::now() + Duration::from_millis(ms.into()), due));
    }

    fn is_due(&self, due: Due) -> bool {
        self.due.iter().any(|(_, other)| *other == due)
    }

    fn kill(&mut self, role: Role, again: Option<u32>) -> bool {
        if !self.actor(role).is_running() {
            return false;
        }
        self.actor(role).kill();
        if let Some(ms) = again {
            self.later(ms, Due::Restart(role));
        }
        true
    }

    fn stop(&mut self, role: Role, ms: u32) {
        if self.actor(role).is_running() {
            self.actor(role).process.signal("STOP");
            self.seen.stopped += 1;
            self.later(ms, Due::Continue(role));
        }
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::KillWriter(number, again) => {
                self.seen.killed += u64::from(self.kill(Role::Writer(number), again));
            }
            Deed::StopWriter(number, ms) => self.stop(Role::Writer(number), ms),
            Deed::KillAgent(host, ms) => {
                self.seen.killed_agents += u64::from(self.kill(Role::Agent(host), Some(ms)));
            }
            Deed::StopAgent(host, ms) => self.stop(Role::Agent(host), ms),
            Deed::KillMigrator(ms) => {
                self.seen.killed_migrators += u64::from(self.kill(Role::Migrator, Some(ms)));
            }
            Deed::StopMigrator(ms) => self.stop(Role::Migrator, ms),
            Deed::Cut(machine, cut, ms) => {
                let weather = Weather { cut, ..self.weather(machine) };
                self.site.network.set(machine, weather);
                self.seen.cuts += 1;
                self.later(ms, Due::Heal(machine));
            }
            Deed::KillRedis(ms, keeps_data) => {
                self.site.redis.kill();
                self.seen.redis += 1;
                self.later(ms, Due::RestartRedis(keeps_data));
            }
            Deed::EmptyRedis if self.site.redis.is_running() => {
                self.site.redis.empty();
                self.seen.redis += 1;
            }
            Deed::FillRedis(ms) if self.site.redis.is_running() => {
                self.site.redis.set_full(true);
                self.seen.redis += 1;
                self.later(ms, Due::EmptyRedis);
            }
            Deed::EmptyRedis | Deed::FillRedis(_) => {}
        }
    }

    /// What is the weather at a machine, if it is not cut off.
    fn weather(&self, machine: &str) -> Weather {
        let mut weather = self.story.weather.iter().filter(|(name, _)| *name == machine);
        weather.next().filter(|_| !self.is_calm).map(|(_, weather)| *weather).unwrap_or_default()
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.due).into_iter().partition(|(at, _)| *at <= now);
        self.due = later;
        for (_, what) in due {
            match what {
                Due::Restart(role) => self.start(role),
                Due::Continue(role) => {
                    if self.actor(role).is_running() {
                        self.actor(role).process.signal("CONT");
                    }
                }
                Due::Heal(machine) => self.site.network.set(machine, self.weather(machine)),
                Due::Calm => {
                    self.is_calm = true;
                    // Who is cut off stays so until he is healed.
                    for (machine, _) in &self.story.weather {
                        if !self.is_due(Due::Heal(machine)) {
                            self.site.network.set(machine, Weather::default());
                        }
                    }
                }
                Due::RestartRedis(keeps_data) => self.site.restart_redis(keeps_data),
                Due::EmptyRedis if self.site.redis.is_running() => self.site.redis.set_full(false),
                Due::EmptyRedis => {}
            }
        }
    }

    /// Lets those who write on at the target do so for a moment, and ends everybody.
    pub fn end(&mut self) {
        let until = Instant::now() + LONG;
        while !self.due.is_empty() {
            assert!(Instant::now() < until);
            self.do_what_is_due();
            std::thread::sleep(Duration::from_millis(2));
        }
        self.assert_nobody_stays_held();
        let count = self.story.writers.len();
        if (0..count).any(|number| self.actor(Role::Writer(number)).is_running()) {
            std::thread::sleep(Duration::from_millis(100));
        }
        for number in 0..count {
            let actor = self.actor(Role::Writer(number));
            actor.process.end_input();
            let code = actor.process.wait();
            let expected = if actor.is_killed { -1 } else { 0 };
            assert_eq!(code, expected, "writer {}: {self}", number + 1);
        }
        let on_target = |actor: &&Actor| {
            actor.process.said().iter().any(|line| line.contains("writing on NEW"))
        };
        self.seen.on_target = self.actors.values().filter(on_target).count() as u64;
        self.seen.fates = self.site.network.fates();
    }

    /// On no machine anybody is asked to close or kept out any more, as soon as its agent has heard of the end.
    fn assert_nobody_stays_held(&self) {
        let until = Instant::now() + LONG;
        loop {
            let held = |host: &super::site::Host| held(&host.world.registry());
            let left: Vec<PathBuf> = self.site.hosts.iter().flat_map(held).collect();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "{left:?} stay held: {self}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the judge says, by the catalog: the code, and all in words.
    pub fn judge(&self, has_sources: bool) -> (i32, String) {
        let disks = &self.site.disks;
        let mut command = self.site.judge();
        command.arg("--ledger").args(self.site.ledgers());
        command.arg("--volume").args(&disks.sources).args(&disks.targets);
        if has_sources {
            command.arg("--source").args(&disks.sources);
        }
        let output = command.arg("--json").arg("--catalog").arg(&disks.system).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }

    fn assert_all_there(mut self) -> Seen {
        // What lies there now may be another one's.
        let is_erased = self.story.orders.options.contains(&"--erase");
        let (code, said) = self.judge(!is_erased);
        let count = |word: &str| -> u64 {
            let key = format!("\"{word}\": ");
            let line = said.lines().find_map(|line| line.trim().strip_prefix(&key));
            line.map_or(0, |line| line.trim_end_matches(',').parse().unwrap())
        };
        self.seen.writes = count("done_count");
        self.seen.half_written = count("half_written_count");
        self.seen.refused = count("refused_count");
        // Who is no opener, and slept through the whole window, wrote where nothing was any more.
        if let Some(late) = self.story.late
            && code != 0
        {
            let late = self.actor(Role::Writer(late));
            if !late.is_killed && !late.process.said().iter().any(|line| line.contains("refused")) {
                self.seen.overslept += 1;
                return self.seen;
            }
        }
        assert_eq!(code, 0, "{said}{self}");
        // The late one is no opener, and nobody asks him.
        let late = self.story.late.map(Role::Writer);
        for (role, actor) in self.actors.iter().filter(|(role, _)| Some(**role) != late) {
            let said = actor.process.said();
            let refused = said.iter().find(|line| line.contains("refused:"));
            assert_eq!(
                refused, None,
                "{role:?} closes when it is asked to, and meets no seal: {self}"
            );
        }
        let disks = &self.site.disks;
        let mut check = disks.command("check");
        check.args(["--tracks", "all"]).args(&disks.sources).args(&disks.targets);
        let checked = check.arg(&disks.system).output().unwrap();
        let told = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(0), "{told}");
        self.seen
    }
}

/// The data sets that somebody is asked to close or kept out of, on the machine of this registry.
fn held(registry: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(registry.join("openers")).into_iter().flatten();
    // What a killed process was just making may lie there, without a name that counts.
    let is_held = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("hold-") || name.starts_with("ask-")
    };
    entries.map(|entry| entry.unwrap().path()).filter(is_held).collect()
}

impl fmt::Display for Play {
    /// Everything that everybody said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#?}", self.story)?;
        for (role, actor) in &self.actors {
            let who = match role {
                Role::Writer(number) => {
                    let (host, Habits { image, .. }) = &self.story.writers[*number];
                    format!("{image} on {}", self.site.hosts[*host].name)
                }
                Role::Agent(host) => format!("agent of {}", self.site.hosts[*host].name),
                Role::Migrator => "migration".into(),
            };
            for line in actor.said_before.iter().chain(&actor.process.said()) {
                writeln!(f, "{who}: {line}")?;
            }
        }
        Ok(())
    }
}
