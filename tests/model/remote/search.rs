//! The search: every state that can be reached, breadth first, so that the first story found is a shortest one.

use super::owner::is_sound;
use super::rules::{Config, Deed, Label};
use super::steps::Steps;
use super::world::{Key, Machine, OwnerStep, Question, World, Writer};
use crate::search::Visited;
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

/// What is wrong in this state, if anything. The right rules are held to the stronger claim.
fn wrong(world: &World, config: &Config) -> Option<&'static str> {
    if world.owner != OwnerStep::Done {
        None
    } else if config.broken.is_none() {
        (world.target != config.all_tracks())
            .then_some("the target, open to users, is not what the source is")
    } else {
        (world.acknowledged & !world.target != 0)
            .then_some("the target, open to users, lacks an acknowledged write")
    }
}

/// The owner has filled its work, and asks who is ready.
fn start(config: &Config) -> World {
    let mut world = World::start(config.all_tracks());
    for machine in &mut world.machines[..usize::from(config.machines)] {
        machine.covered = config.begun;
        machine.subscribed = config.begun;
        machine.question = Question::Unseal;
        machine.known = u8::from(config.begun);
        machine.stored = machine.known;
    }
    world
}

/// Visits every state that can be reached; stops at the first that is wrong.
pub fn explore(config: &Config) -> Outcome {
    let mut visited = Visited::new();
    let mut outcome = Outcome { states: 0, steps: 0, deeds: vec![0; Deed::ALL.len()], loss: None };
    visited.insert(start(config).key(), 0);
    let mut steps = Steps::default();
    let mut at = 0;
    while at < visited.keys.len() {
        let world = World::of_key(visited.keys[at]);
        assert!(config.broken.is_some() || is_sound(&world, config.all_tracks()), "{world:?}");
        for &(label, after) in steps.of(&world, config) {
            outcome.steps += 1;
            outcome.deeds[label.deed as usize] += 1;
            let (_, is_new) = visited.insert(canonical(after, config), at as u32);
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

/// How many states can be reached, and how many of them are traps: the openers of the target are never released, unless
/// luck helps (a new write, a report that was acknowledged and comes again). A machine that has more to report than it
/// has numbers in this run is no trap.
pub fn traps(config: &Config) -> (usize, usize) {
    let mut visited = Visited::new();
    visited.insert(start(config).key(), 0);
    let mut before: Vec<Vec<u32>> = Vec::new();
    let mut steps = Steps::default();
    let mut at = 0;
    while at < visited.keys.len() {
        let world = World::of_key(visited.keys[at]);
        for &(label, after) in steps.of(&world, config) {
            let (index, _) = visited.insert(canonical(after, config), at as u32);
            before.resize(visited.keys.len(), Vec::new());
            if !is_luck(&world, label) {
                before[index as usize].push(at as u32);
            }
        }
        at += 1;
    }
    let is_over = |index: &usize| World::of_key(visited.keys[*index]).owner == OwnerStep::Done;
    let mut to_follow: Vec<usize> = (0..visited.keys.len()).filter(is_over).collect();
    let mut hopeful = vec![false; visited.keys.len()];
    while let Some(index) = to_follow.pop() {
        if !std::mem::replace(&mut hopeful[index], true) {
            to_follow.extend(before[index].iter().map(|&index| index as usize));
        }
    }
    let exhausted = |machine: &Machine| {
        let more = machine.changed | machine.taken != 0 || machine.writer != Writer::Idle;
        machine.sent == config.reports && more
    };
    let is_trap = |&(index, hopeful): &(usize, bool)| {
        !hopeful && !World::of_key(visited.keys[index]).machines.iter().any(exhausted)
    };
    let all = hopeful.len();
    (all, hopeful.into_iter().enumerate().filter(is_trap).count())
}

fn is_luck(world: &World, label: Label) -> bool {
    let out = |number: u8| world.machines.iter().any(|machine| machine.out.contains(&number));
    match label.deed {
        Deed::Admit | Deed::WriteBlind => true,
        Deed::Absorb => !label.number.is_some_and(out),
        _ => false,
    }
}

/// The machines are alike. (Stories name them, and so go without this.)
fn canonical(mut world: World, config: &Config) -> Key {
    if config.broken.is_none() && config.machines == 2 && config.faulty != 1 {
        let rank = |number: usize| world.machines[number].key();
        if rank(0) < rank(1) {
            world.machines.swap(0, 1);
        }
    }
    world.key()
}

/// The way from the start to the state that was found last.
fn story(visited: &Visited<Key>, config: &Config) -> Vec<Label> {
    let mut labels = Vec::new();
    let mut steps = Steps::default();
    let mut at = visited.keys.len() - 1;
    while at != 0 {
        let before = visited.parents[at] as usize;
        let world = World::of_key(visited.keys[before]);
        let step = steps
            .of(&world, config)
            .iter()
            .find(|(_, after)| canonical(*after, config) == visited.keys[at]);
        labels.push(step.expect("the step that led here").0);
        at = before;
    }
    labels.reverse();
    labels
}
