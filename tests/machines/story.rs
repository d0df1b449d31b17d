//! What follows from a seed: who writes where, how the migration is led, and what happens to whom and when.

use super::migrator::Orders;
use super::relay::{Cut, Weather};
use super::site::{HOSTS, REDIS};
use super::world::Random;
use super::writer::Habits;

/// What is done to whom. Whatever is taken from somebody, he gets back after so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A writer is killed; it begins again under the same name, if it does.
    KillWriter(usize, Option<u32>),
    /// A writer is stopped, and goes on.
    StopWriter(usize, u32),
    /// The agent of a machine is killed, and another one is started.
    KillAgent(usize, u32),
    /// It is stopped, and goes on.
    StopAgent(usize, u32),
    /// The migrating process is killed, and another one goes on.
    KillMigrator(u32),
    /// It is stopped, and goes on.
    StopMigrator(u32),
    /// A machine is cut off the network.
    Cut(&'static str, Cut, u32),
    /// The redis-server is killed, and started again, with its data or without.
    KillRedis(u32, bool),
    /// It loses everything that it has.
    EmptyRedis,
    /// It has no room for anything more.
    FillRedis(u32),
}

/// When it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So many milliseconds after the migration began.
    After(u32),
    /// So many milliseconds after the migration told of this.
    Told(&'static str, u32),
}

/// What stands in the way of the events of a migration, where it is worth while to be disturbed.
pub const EVENTS: &[&str] = &[
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
pub struct Story {
    pub host_count: usize,
    /// The writers, and the machines that they are on.
    pub writers: Vec<(usize, Habits)>,
    pub orders: Orders,
    /// For each machine of the network, until `calm_ms` after the beginning.
    pub weather: Vec<(&'static str, Weather)>,
    pub calm_ms: u32,
    pub deeds: Vec<(When, Deed)>,
    /// Whether the migration begins only when every track was written.
    pub is_filled: bool,
    /// A writer that is no opener, so that only the seals stop it.
    pub late: Option<usize>,
}

impl Story {
    pub fn new(random: &mut Random, host_count: usize) -> Story {
        let mut writers = writers(random, host_count);
        let late = random.one_in(6).then(|| random.below(writers.len() as u32) as usize);
        if let Some(late) = late {
            let late = &mut writers[late].1;
            // One thread: it cannot be refused and sleep through the window, both.
            (late.unlisted, late.reopen, late.rate, late.threads) = (true, false, 0, 1);
        }
        let is_filled = !random.one_in(5);
        let own = writers.iter().filter(|(host, _)| *host == 0);
        let orders = Orders {
            images: own.map(|(_, habits)| habits.image.clone()).collect(),
            goal_tracks: random.pick(&[0, 5, 20, 100]),
            threads: random.between(1, 3),
            pace: random.pick(&[None, None, Some(300), Some(1000)]),
            options: random
                .pick::<&[&'static str]>(&[&[], &[], &["--keep"], &["--erase"], &["--verify"]])
                .to_vec(),
        };
        let machines = [REDIS].into_iter().chain(HOSTS.into_iter().take(host_count));
        let weather = machines.map(|machine| (machine, weather(random))).collect();
        let mut story = Story {
            host_count,
            writers,
            orders,
            weather,
            calm_ms: random.between(500, 3000),
            deeds: Vec::new(),
            is_filled,
            late,
        };
        story.deeds = (0..random.between(1, 7)).map(|_| story.deed(random)).collect();
        story
    }

    /// The same with nothing that happens to anybody: who writes writes everything once before, until he is asked to close.
    pub fn quiet(random: &mut Random, host_count: usize) -> Story {
        let mut story = Story::new(random, host_count);
        for (_, habits) in &mut story.writers {
            (habits.unlisted, habits.reopen, habits.slow, habits.rate) = (false, false, None, 200);
        }
        story.weather.iter_mut().for_each(|(_, weather)| *weather = Weather::default());
        story.orders.options.clear();
        Story { deeds: Vec::new(), is_filled: true, late: None, ..story }
    }

    fn deed(&self, random: &mut Random) -> (When, Deed) {
        let when = match random.one_in(2) {
            true => When::After(random.below(1500)),
            false => When::Told(random.pick(EVENTS), random.below(10)),
        };
        let writer = random.below(self.writers.len() as u32) as usize;
        let host = random.between(1, self.host_count as u32 - 1) as usize;
        // Who dies in the midst of the first write of a track leaves one that nobody can read.
        let may_die = self.is_filled || self.writers[writer].1.slow.is_none();
        let deed = match random.below(16) {
            0 | 1 if may_die => {
                Deed::KillWriter(writer, (!random.one_in(3)).then(|| random.below(60)))
            }
            2 if self.late != Some(writer) => Deed::StopWriter(writer, random.between(1, 80)),
            3 | 4 => Deed::KillAgent(host, random.below(300)),
            5 | 6 => Deed::StopAgent(host, random.between(1, 800)),
            7 => Deed::KillMigrator(random.below(40)),
            8 => Deed::StopMigrator(random.between(1, 400)),
            9 => Deed::KillRedis(random.below(300), random.one_in(2)),
            10 => Deed::EmptyRedis,
            11 => Deed::FillRedis(random.between(1, 500)),
            _ => {
                let machines: Vec<&str> = self.weather.iter().map(|(name, _)| *name).collect();
                let cut = random.pick(&[Cut::Both, Cut::Both, Cut::Inward, Cut::Outward]);
                Deed::Cut(random.pick(&machines), cut, random.between(10, 1000))
            }
        };
        (when, deed)
    }
}

/// One writer on each machine, or two; they share all tracks.
fn writers(random: &mut Random, host_count: usize) -> Vec<(usize, Habits)> {
    let mut hosts: Vec<usize> = (0..host_count).collect();
    hosts.extend((0..host_count).filter(|_| random.one_in(4)));
    let count = hosts.len();
    let writer = |(number, host): (usize, usize)| {
        let habits = Habits {
            image: format!("W{}", number + 1),
            share: (number, count),
            seed: random.next(),
            threads: random.between(1, 2),
            rate: random.pick(&[0, 20, 200, 1000]),
            hot: random.pick(&[0, 0, 1, 3]),
            run: random.between(1, 4),
            reopen: random.one_in(2),
            unlisted: false,
            slow: random.one_in(3).then(|| random.pick(&[0, 100, 1000, 5000])),
            vary: false,
        };
        (host, habits)
    };
    hosts.into_iter().enumerate().map(writer).collect()
}

fn weather(random: &mut Random) -> Weather {
    if random.one_in(2) {
        return Weather::default();
    }
    Weather {
        cut: Cut::None,
        lost_permille: random.pick(&[0, 10, 30, 100]),
        doubled_permille: random.pick(&[0, 0, 50]),
        reordered_permille: random.pick(&[0, 50, 300]),
        delay_ms: (0, random.pick(&[0, 1, 3, 10])),
    }
}
