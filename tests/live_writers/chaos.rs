//! One seed: a world, writers, a migration, and what happens to them on the way.

use super::judge::judge;
use super::migrator::Orders;
use super::world::{Random, World};
use super::writer::{Habits, LONG, Process};
use std::fmt;
use std::time::{Duration, Instant};
use trackmirror::state::State;

/// What is done to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// A writer is killed; it begins again under the same name after so many milliseconds, if it does.
    KillWriter(usize, Option<u32>),
    /// A writer is stopped, and goes on after so many milliseconds.
    StopWriter(usize, u32),
    /// The migrating process is killed, and another one goes on after so many milliseconds.
    KillMigrator(u32),
    /// It is stopped, and goes on.
    StopMigrator(u32),
    /// Who changes what is allocated is stopped, and goes on.
    StopAllocator(u32),
}

/// When it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// So many milliseconds after the migration began.
    After(u32),
    /// So many milliseconds after the migration told of this.
    Told(&'static str, u32),
}

/// What stands in the way of the events of a migration, where it is worth while to be killed.
const EVENTS: &[&str] = &[
    "allocated",
    "monitors-started",
    "copy-begun",
    "pass",
    "resynchronized",
    "close-requested",
    "still-open",
    "closed",
    "window-opened",
    "finally-resynchronized",
    "cataloged",
    "looked",
    "released",
    "scratched",
];

/// A seed, worked out.
#[derive(Debug)]
struct Story {
    habits: Vec<Habits>,
    orders: Orders,
    deeds: Vec<(When, Deed)>,
    /// Whether the migration begins only when every track was written.
    is_filled: bool,
    /// A writer that is no opener, so that only the seals stop it.
    late: Option<usize>,
    /// Somebody changes what is allocated: his random numbers, and at most so many milliseconds between two changes.
    allocator: Option<(u64, u32)>,
}

/// Who changes what is allocated.
pub const ALLOCATOR: &str = "A1";

impl Story {
    fn new(random: &mut Random) -> Story {
        let count = random.between(1, 3) as usize;
        // Who dies then leaves a track that nobody can read, until he has written it anew.
        let vary = random.one_in(4);
        let mut habits: Vec<Habits> = (0..count)
            .map(|number| Habits {
                image: format!("W{}", number + 1),
                share: (number, count),
                seed: random.next(),
                threads: random.between(1, 3),
                rate: random.pick(&[0, 0, 0, 20, 200]),
                hot: random.pick(&[0, 0, 1, 3]),
                run: random.between(1, 4),
                reopen: random.one_in(2),
                unlisted: false,
                slow: random.one_in(3).then(|| random.pick(&[0, 100, 1000, 5000])),
                vary,
            })
            .collect();
        let late = random.one_in(6).then(|| random.below(count as u32) as usize);
        if let Some(late) = late {
            let late = &mut habits[late];
            // One thread: it cannot be refused and sleep through the window, both.
            (late.unlisted, late.reopen, late.rate, late.threads) = (true, false, 0, 1);
        }
        // Nor can one be read that was half written before it had anything on it.
        let is_filled = !random.one_in(5);
        let allocator = random.one_in(3).then(|| (random.next(), random.pick(&[5, 20, 60])));
        let images = habits.iter().map(|habits| habits.image.clone());
        let orders = Orders {
            images: images.chain(allocator.map(|_| ALLOCATOR.into())).collect(),
            goal_tracks: random.pick(&[0, 5, 20, 100]),
            threads: random.between(1, 3),
            pace: random.pick(&[None, None, Some(300), Some(1000)]),
            options: random
                .pick::<&[&'static str]>(&[
                    &[],
                    &[],
                    &["--keep"],
                    &["--erase"],
                    &["--verify"],
                    &["--mode", "best-fit"],
                ])
                .to_vec(),
        };
        let deeds = (0..random.below(6))
            .map(|_| {
                let when = match random.one_in(2) {
                    true => When::After(random.below(400)),
                    false => When::Told(random.pick(EVENTS), random.below(4)),
                };
                let writer = random.below(count as u32) as usize;
                let deed = match random.below(7) {
                    0..=2 if !vary && (is_filled || habits[writer].slow.is_none()) => {
                        let again = (!random.one_in(3)).then(|| random.below(60));
                        Deed::KillWriter(writer, again)
                    }
                    3 if late != Some(writer) => Deed::StopWriter(writer, random.between(1, 80)),
                    4 => Deed::StopMigrator(random.between(1, 60)),
                    5 if allocator.is_some() => Deed::StopAllocator(random.between(1, 80)),
                    _ => Deed::KillMigrator(random.below(40)),
                };
                (when, deed)
            })
            .collect();
        Story { habits, orders, deeds, is_filled, late, allocator }
    }
}

/// What was seen in one seed, or in all.
#[derive(Debug, Default)]
pub struct Seen {
    writes: u64,
    overslept: u64,
    killed_writers: u64,
    restarted_writers: u64,
    stopped: u64,
    killed_migrators: u64,
    unfinished: u64,
    half_written: u64,
    refused: u64,
    on_target: u64,
    changes: u64,
    followed: u64,
    begun_again: u64,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        self.writes += other.writes;
        self.overslept += other.overslept;
        self.killed_writers += other.killed_writers;
        self.restarted_writers += other.restarted_writers;
        self.stopped += other.stopped;
        self.killed_migrators += other.killed_migrators;
        self.unfinished += other.unfinished;
        self.half_written += other.half_written;
        self.refused += other.refused;
        self.on_target += other.on_target;
        self.changes += other.changes;
        self.followed += other.followed;
        self.begun_again += other.begun_again;
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} acknowledged writes; {} writers killed, {} of them begun again; {} processes stopped; {} migrations \
             killed; {} unfinished writes, {} tracks half written; {} writes refused by seals; {} writers went on at the \
             target; {} slept through a window that they should have met; {} changes of allocations, followed in {} parts; {} times something was half changed when it began",
            self.writes,
            self.killed_writers,
            self.restarted_writers,
            self.stopped,
            self.killed_migrators,
            self.unfinished,
            self.half_written,
            self.refused,
            self.on_target,
            self.overslept,
            self.changes,
            self.followed,
            self.begun_again
        )
    }
}

/// A writer's process, if it lives, and its habits.
struct Actor<'a> {
    habits: &'a Habits,
    process: Process,
    is_killed: bool,
    said_before: Vec<String>,
}

/// Something to be done at a time.
enum Due {
    Restart(usize),
    Continue(usize),
    Resume,
    ContinueMigrator,
    ContinueAllocator,
}

/// Who leads the migration.
pub trait Lead {
    /// Starts the migrating process; again, if it died.
    fn start(&self, world: &World, orders: &Orders) -> Process;

    /// Orders the close, where it does not come by itself. Whoever does so may take his time.
    fn close_now(&self, world: &World) -> Option<Process>;
}

/// The play of a story.
struct Play<'a> {
    world: &'a World,
    story: &'a Story,
    lead: &'a dyn Lead,
    actors: Vec<Actor<'a>>,
    allocator: Option<Process>,
    migrator: Option<Process>,
    migrator_said: Vec<String>,
    due: Vec<(Instant, Due)>,
    seen: Seen,
}

/// How often the command is typed again where it found something half changed.
const BEGINNINGS_MAX: u64 = 5;
/// How often the close is ordered where it does not come by itself.
const CLOSE_AGAIN: Duration = Duration::from_millis(300);

/// Runs a seed, and panics if anything is lost.
pub fn run(seed: u64, lead: &dyn Lead) -> Seen {
    let mut random = Random(seed);
    let world = World::new(&mut random);
    let story = Story::new(&mut random);
    if std::env::var_os("TRACKMIRROR_SEED").is_some() {
        println!("seed {seed}: {story:#?}");
    }
    let mut play = Play::begin(&world, &story, lead);
    play.migrate();
    play.end();
    play.assert_all_there()
}

impl<'a> Play<'a> {
    fn begin(world: &'a World, story: &'a Story, lead: &'a dyn Lead) -> Play<'a> {
        let start = |habits| Actor {
            habits,
            process: world.writer(habits),
            is_killed: false,
            said_before: Vec::new(),
        };
        let mut actors: Vec<Actor<'a>> = story.habits.iter().map(start).collect();
        let word = if story.is_filled { "filled" } else { "opened" };
        actors.iter_mut().for_each(|actor| actor.process.hear(word));
        let start = |(seed, pause)| world.allocator(ALLOCATOR, seed, pause);
        let mut allocator = story.allocator.map(start);
        allocator.iter_mut().for_each(|allocator| allocator.hear("ready"));
        let migrator = Some(lead.start(world, &story.orders));
        let (migrator_said, due, seen) = (Vec::new(), Vec::new(), Seen::default());
        Play { world, story, lead, actors, allocator, migrator, migrator_said, due, seen }
    }

    /// Until the migration has ended.
    fn migrate(&mut self) {
        let (begun, mut closes) = (Instant::now(), Instant::now());
        let mut closing: Option<Process> = None;
        let mut deeds: Vec<(When, Deed, Option<Instant>)> =
            self.story.deeds.iter().map(|&(when, deed)| (when, deed, None)).collect();
        loop {
            assert!(begun.elapsed() < LONG, "it never ends: {self}");
            if let Some(code) = self.migrator.as_mut().and_then(Process::ended) {
                if code != 0 && self.may_begin_again() {
                    continue;
                }
                assert_eq!(code, 0, "{self}");
                assert_eq!(self.world.migration_state(), State::Complete, "{self}");
                break;
            }
            let said = self.migrator.as_ref().map(Process::said).unwrap_or_default();
            self.cover(said.last());
            // It closes by itself at its goal only; where it comes no nearer, somebody has to decide.
            if closes.elapsed() > CLOSE_AGAIN
                && closing.as_mut().is_none_or(|order| order.ended().is_some())
                && (self.world.has_happened("not-converging") || begun.elapsed() > LONG / 4)
            {
                closes = Instant::now();
                // Its answer is not waited for: who gives it may be stopped until this loop lets him go on.
                closing = self.lead.close_now(self.world);
            }
            let world = self.world;
            deeds.retain_mut(|(when, deed, at)| {
                let time = match *when {
                    When::After(ms) => Some(begun + Duration::from_millis(ms.into())),
                    When::Told(event, ms) => {
                        if at.is_none() && world.has_happened(event) {
                            *at = Some(Instant::now() + Duration::from_millis(ms.into()));
                        }
                        *at
                    }
                };
                let is_due = time.is_some_and(|time| time <= Instant::now());
                !is_due || !self.act(*deed)
            });
            self.do_what_is_due();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Does what the operator does when nothing was begun because something was just being changed: he begins again.
    fn may_begin_again(&mut self) -> bool {
        // What it said last may be on its way.
        std::thread::sleep(Duration::from_millis(50));
        let may = self.allocator.is_some()
            && self.seen.begun_again < BEGINNINGS_MAX
            && !self.world.has_state();
        if may {
            self.seen.begun_again += 1;
            self.migrator_said.extend(self.migrator.iter().flat_map(Process::said));
            self.migrator = Some(self.lead.start(self.world, &self.story.orders));
        }
        may
    }

    /// Does what the operator does when the migration says that an image is missing: he starts it.
    fn cover(&mut self, said: Option<&String>) {
        let Some(said) = said.filter(|said| said.contains("start it with its monitor")) else {
            return;
        };
        for number in 0..self.actors.len() {
            let actor = &mut self.actors[number];
            let is_due = |(_, due): &(Instant, Due)| matches!(due, Due::Restart(n) if *n == number);
            if said.contains(&format!("image {} ", actor.habits.image))
                && actor.process.ended().is_some()
                && !self.due.iter().any(is_due)
            {
                self.due.push((Instant::now(), Due::Restart(number)));
            }
        }
    }

    /// Does a deed; false if it cannot be done now.
    fn act(&mut self, deed: Deed) -> bool {
        let at = |ms: u32| Instant::now() + Duration::from_millis(ms.into());
        match deed {
            Deed::KillWriter(number, again) => {
                let actor = &mut self.actors[number];
                if actor.process.ended().is_some() {
                    return true;
                }
                actor.process.kill();
                // It may have come to its own end just before.
                actor.is_killed = actor.process.ended() == Some(-1);
                self.seen.killed_writers += 1;
                self.due.extend(again.map(|ms| (at(ms), Due::Restart(number))));
            }
            Deed::StopWriter(number, ms) => {
                let actor = &mut self.actors[number];
                if actor.process.ended().is_none() {
                    actor.process.signal("STOP");
                    self.seen.stopped += 1;
                    self.due.push((at(ms), Due::Continue(number)));
                }
            }
            Deed::KillMigrator(ms) => {
                let Some(mut migrator) = self.migrator.take() else { return false };
                migrator.kill();
                self.seen.killed_migrators += 1;
                self.migrator_said.extend(migrator.said());
                self.migrator_said.push("-- killed".into());
                self.due.push((at(ms), Due::Resume));
            }
            Deed::StopMigrator(ms) => {
                let Some(migrator) = &mut self.migrator else { return false };
                if migrator.ended().is_none() {
                    migrator.signal("STOP");
                    self.seen.stopped += 1;
                    self.due.push((at(ms), Due::ContinueMigrator));
                }
            }
            Deed::StopAllocator(ms) => {
                if let Some(allocator) = &mut self.allocator {
                    allocator.signal("STOP");
                    self.seen.stopped += 1;
                    self.due.push((at(ms), Due::ContinueAllocator));
                }
            }
        }
        true
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        let (due, later) =
            std::mem::take(&mut self.due).into_iter().partition(|(at, _)| *at <= now);
        self.due = later;
        let due: Vec<(Instant, Due)> = due;
        for (_, what) in due {
            match what {
                Due::Restart(number) => {
                    let actor = &mut self.actors[number];
                    actor.said_before.extend(actor.process.said());
                    actor.process = self.world.writer(actor.habits);
                    actor.is_killed = false;
                    self.seen.restarted_writers += 1;
                }
                Due::Continue(number) => {
                    let actor = &mut self.actors[number];
                    if actor.process.ended().is_none() {
                        actor.process.signal("CONT");
                    }
                }
                Due::ContinueAllocator => {
                    self.allocator.iter().for_each(|allocator| allocator.signal("CONT"));
                }
                Due::Resume => {
                    self.migrator = Some(self.lead.start(self.world, &self.story.orders));
                }
                Due::ContinueMigrator => {
                    if let Some(migrator) = &mut self.migrator
                        && migrator.ended().is_none()
                    {
                        migrator.signal("CONT");
                    }
                }
            }
        }
    }

    /// Lets those who write on at the target do so for a moment, and ends everybody.
    fn end(&mut self) {
        let until = Instant::now() + LONG;
        while !self.due.is_empty() {
            assert!(Instant::now() < until);
            self.do_what_is_due();
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.actors.iter_mut().any(|actor| actor.process.ended().is_none()) {
            std::thread::sleep(Duration::from_millis(100));
        }
        for actor in &mut self.actors {
            actor.process.end_input();
            let code = actor.process.wait();
            let expected = if actor.is_killed { -1 } else { 0 };
            assert_eq!(code, expected, "{}: {:#?}", actor.habits.image, actor.process.said());
        }
        if let Some(allocator) = &mut self.allocator {
            allocator.end_input();
            let code = allocator.wait();
            assert_eq!(code, 0, "{self}");
        }
        let on_target = |actor: &&Actor<'_>| {
            let said = actor.process.said();
            said.iter().any(|line| line.contains("writing on NEW"))
        };
        self.seen.on_target = self.actors.iter().filter(on_target).count() as u64;
    }

    fn assert_all_there(mut self) -> Seen {
        let volumes = [&self.world.sources[..], &self.world.targets[..]].concat();
        // What lies there now may be another one's.
        let is_erased =
            self.story.orders.options.contains(&"--erase") || self.story.allocator.is_some();
        let sources = if is_erased { &[][..] } else { &self.world.sources };
        let (code, said) = judge(self.world, &self.story.habits, &volumes, sources, true);
        let count = |word: &str| -> u64 {
            let key = format!("\"{word}\": ");
            let line = said.lines().find_map(|line| line.trim().strip_prefix(&key));
            line.map_or(0, |line| line.trim_end_matches(',').parse().unwrap())
        };
        self.seen.writes = count("done_count");
        self.seen.unfinished = count("unfinished_count");
        self.seen.half_written = count("half_written_count");
        self.seen.refused = count("refused_count");
        self.seen.changes = count("change_count");
        self.seen.followed = self.world.events("accommodated");
        // Who is no opener, and slept through the whole window, wrote where nothing was any more.
        if let Some(late) = self.story.late
            && code != 0
            && !self.actors[late].is_killed
            && !self.actors[late].process.said().iter().any(|line| line.contains("refused"))
        {
            self.seen.overslept += 1;
            return self.seen;
        }
        assert_eq!(code, 0, "{said}{self}");
        let mut check = self.world.command("check");
        check.args(["--tracks", "all"]).args(&volumes).arg(&self.world.system);
        let checked = check.output().unwrap();
        let told = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(0), "{told}");
        let openers = self.world.registry().join("openers");
        let left: Vec<String> = std::fs::read_dir(openers)
            .map(|entries| entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        // What a killed process was just making may lie there, without a name that counts.
        let is_left = |name: &&String| name.starts_with("hold-") || name.starts_with("ask-");
        assert_eq!(left.iter().find(is_left), None, "nobody stays held: {self}");
        self.seen
    }
}

impl fmt::Display for Play<'_> {
    /// Everything that everybody said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#?}", self.story)?;
        for actor in &self.actors {
            for line in actor.said_before.iter().chain(&actor.process.said()) {
                writeln!(f, "{line}")?;
            }
        }
        let record = std::fs::read_to_string(self.world.record()).unwrap_or_default();
        writeln!(f, "{record}")?;
        for line in self.allocator.iter().flat_map(Process::said) {
            writeln!(f, "{line}")?;
        }
        let now = self.migrator.as_ref().map(Process::said).unwrap_or_default();
        self.migrator_said.iter().chain(&now).try_for_each(|line| writeln!(f, "{line}"))
    }
}
