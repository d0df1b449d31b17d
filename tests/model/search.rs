//! The search: every state that can be reached, breadth first, so that the first story found is a shortest one.

use crate::rules::{Config, Deed, Label};
use crate::steps::Steps;
use crate::world::{Copier, Phase, World};
use std::fmt;

/// What the search of one configuration found.
pub struct Outcome {
    pub states: usize,
    pub steps: usize,
    /// How often each deed was done, in the order of [`Deed::ALL`].
    pub deeds: Vec<usize>,
    pub loss: Option<Story>,
}

/// How a loss came about.
pub struct Story {
    pub labels: Vec<Label>,
    pub end: &'static str,
}

impl Story {
    pub fn has(&self, deed: Deed) -> bool {
        self.labels.iter().any(|label| label.deed == deed)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, label) in self.labels.iter().enumerate() {
            writeln!(f, "  {:2}. {label}", number + 1)?;
        }
        writeln!(f, "  => {}", self.end)
    }
}

/// What is wrong in this state, if anything.
///
/// The right rules are held to the strongest claim: when users may open the target, what a reader sees of
/// it *and* what the machine's death would leave of it is the source. A broken rule must do real harm: a
/// reader of the target misses an acknowledged write; the machine may die before he reads.
fn wrong(world: &World, config: &Config) -> Option<&'static str> {
    let right = if config.broken.is_none() { world.durable } else { config.all_cells() };
    let whole = world.acknowledged & !(world.target & right) == 0;
    if !world.cataloged || !world.open_to_users() || whole {
        None
    } else if config.acknowledgements {
        Some("the target, open to users, lacks an acknowledged write")
    } else {
        Some("the target, open to users, is not what the source is")
    }
}

/// Visits every state that can be reached; stops at the first that is wrong.
pub fn explore(config: &Config) -> Outcome {
    let mut visited = Visited::new();
    let mut outcome = Outcome { states: 0, steps: 0, deeds: vec![0; Deed::ALL.len()], loss: None };
    visited.insert(World::start(config.all_cells()).key(), 0);
    let mut steps = Steps::default();
    let mut at = 0;
    while at < visited.keys.len() {
        let world = World::of_key(visited.keys[at]);
        for &(label, after) in steps.of(&world, config) {
            outcome.steps += 1;
            outcome.deeds[label.deed as usize] += 1;
            let (_, is_new) = visited.insert(canonical(after, config).key(), at as u32);
            if let Some(end) = is_new.then(|| wrong(&after, config)).flatten() {
                let labels = story(&visited, config);
                outcome.loss = Some(Story { labels, end });
                outcome.states = visited.keys.len();
                return outcome;
            }
        }
        at += 1;
    }
    outcome.states = visited.keys.len();
    outcome
}

/// How many states can be reached, and how many of them are traps: whatever happens, the openers of the
/// target are never released.
pub fn traps(config: &Config) -> (usize, usize) {
    let mut visited = Visited::new();
    visited.insert(World::start(config.all_cells()).key(), 0);
    let mut before: Vec<Vec<u32>> = Vec::new();
    let mut steps = Steps::default();
    let mut at = 0;
    while at < visited.keys.len() {
        let world = World::of_key(visited.keys[at]);
        for &(_, after) in steps.of(&world, config) {
            let (index, _) = visited.insert(canonical(after, config).key(), at as u32);
            before.resize(visited.keys.len(), Vec::new());
            before[index as usize].push(at as u32);
        }
        at += 1;
    }
    let is_released = |index: &usize| World::of_key(visited.keys[*index]).phase == Phase::Released;
    let mut to_follow: Vec<usize> = (0..visited.keys.len()).filter(is_released).collect();
    let mut hopeful = vec![false; visited.keys.len()];
    while let Some(index) = to_follow.pop() {
        if !std::mem::replace(&mut hopeful[index], true) {
            to_follow.extend(before[index].iter().map(|&index| index as usize));
        }
    }
    (hopeful.len(), hopeful.iter().filter(|&&hopeful| !hopeful).count())
}

/// The copying threads are alike: which of them has which batch makes no difference. (Stories name them,
/// and so go without this.)
fn canonical(mut world: World, config: &Config) -> World {
    if config.broken.is_some() || config.copiers < 2 {
        return world;
    }
    let rank = |number: usize| {
        let copier = &world.copiers[number];
        let Copier { step, range, observed, snapshot, to_do, buffer } = *copier;
        u64::from_be_bytes([0, 0, step as u8, range, observed, snapshot, to_do, buffer])
    };
    if rank(0) < rank(1) {
        world.copiers.swap(0, 1);
    }
    world
}

/// The way from the start to the state that was found last.
fn story(visited: &Visited<u128>, config: &Config) -> Vec<Label> {
    let mut labels = Vec::new();
    let mut steps = Steps::default();
    let mut at = visited.keys.len() - 1;
    while at != 0 {
        let before = visited.parents[at] as usize;
        let world = World::of_key(visited.keys[before]);
        let step = steps
            .of(&world, config)
            .iter()
            .find(|(_, after)| canonical(*after, config).key() == visited.keys[at]);
        labels.push(step.expect("the step that led here").0);
        at = before;
    }
    labels.reverse();
    labels
}

/// The states seen so far, each with the one from which it was reached first; and a table by which a
/// state is found again. States are compared whole: no two are ever taken for one.
pub struct Visited<K> {
    pub keys: Vec<K>,
    pub parents: Vec<u32>,
    /// Index into `keys` plus one; 0 is free. A power of two long, at most half full.
    table: Vec<u32>,
}

impl<K: Key> Visited<K> {
    pub fn new() -> Visited<K> {
        Visited { keys: Vec::new(), parents: Vec::new(), table: vec![0; 1 << 12] }
    }

    /// The state's index, and whether it is new.
    pub fn insert(&mut self, key: K, parent: u32) -> (u32, bool) {
        let place = self.place(key);
        if self.table[place] != 0 {
            return (self.table[place] - 1, false);
        }
        let index = self.keys.len() as u32;
        self.keys.push(key);
        self.parents.push(parent);
        self.table[place] = index + 1;
        if self.keys.len() * 2 > self.table.len() {
            self.grow();
        }
        (index, true)
    }

    /// Where the state is in the table, or where it belongs.
    fn place(&self, key: K) -> usize {
        let mask = self.table.len() - 1;
        let mut place = key.hash() as usize & mask;
        while self.table[place] != 0 && self.keys[self.table[place] as usize - 1] != key {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for index in 0..self.keys.len() {
            let place = self.place(self.keys[index]);
            self.table[place] = index as u32 + 1;
        }
    }
}

/// A state as a number.
pub trait Key: Copy + PartialEq {
    fn hash(self) -> u64;
}

impl Key for u128 {
    fn hash(self) -> u64 {
        let low = (self as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let high = ((self >> 64) as u64 ^ low.rotate_left(29)).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        high ^ high >> 32
    }
}

impl Key for [u128; 2] {
    fn hash(self) -> u64 {
        let [first, second] = self;
        (first ^ u128::from(second.hash())).hash()
    }
}
