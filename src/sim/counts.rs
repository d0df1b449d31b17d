//! What was exercised: so that a rehearsal which never lost power is not taken for one that survived it.

use crate::event::Event;
use crate::state::State;
use std::collections::BTreeMap;

/// How often each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Runs.
    pub runs: u64,
    /// Writes of applications that were told to be done.
    pub writes: u64,
    /// Writes that a seal refused.
    pub refused_writes: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// Power failures.
    pub power_failures: u64,
    /// Writes that were torn.
    pub torn_writes: u64,
    /// Operations that failed.
    pub failures: u64,
    /// Flushes that reported failure.
    pub failed_flushes: u64,
    /// Saves for which there was no room.
    pub full_disks: u64,
    /// Operations that took long.
    pub slow: u64,
    /// Images that were killed.
    pub image_deaths: u64,
    /// Images that were stopped.
    pub image_stops: u64,
    /// Images that fell silent.
    pub image_silences: u64,
    /// Targets in whose place somebody else put a data set of his own.
    pub stolen: u64,
    /// Deaths, by the state of the migration.
    pub deaths_in: BTreeMap<State, u64>,
    /// Events, by their names.
    pub events: BTreeMap<&'static str, u64>,
    /// Changes of allocation, by their kinds.
    pub changes: BTreeMap<&'static str, u64>,
    /// Changes of allocation that a migration followed, by what became of the data set.
    pub followed: BTreeMap<&'static str, u64>,
    /// Migrations that were completed.
    pub completed: u64,
    /// Migrations that were terminated.
    pub terminated: u64,
}

impl Counts {
    pub(super) fn hear(&mut self, event: &Event) {
        *self.events.entry(event.name()).or_default() += 1;
        let Event::Accommodated { what, .. } = event else { return };
        let fates = [
            ("made anew", "made anew"),
            ("renamed to", "renamed"),
            (": deleted", "deleted"),
            (": new", "new"),
            ("more on", "extended"),
            ("fewer on", "released"),
        ];
        // The first that fits: what is made anew has other tracks, too.
        if let Some((_, fate)) = fates.iter().find(|(word, _)| what.contains(word)) {
            *self.followed.entry(fate).or_default() += 1;
        }
    }

    /// Adds those of other runs.
    pub fn add(&mut self, other: &Counts) {
        let pairs = [
            (&mut self.runs, other.runs),
            (&mut self.writes, other.writes),
            (&mut self.refused_writes, other.refused_writes),
            (&mut self.kills, other.kills),
            (&mut self.power_failures, other.power_failures),
            (&mut self.torn_writes, other.torn_writes),
            (&mut self.failures, other.failures),
            (&mut self.failed_flushes, other.failed_flushes),
            (&mut self.full_disks, other.full_disks),
            (&mut self.slow, other.slow),
            (&mut self.image_deaths, other.image_deaths),
            (&mut self.image_stops, other.image_stops),
            (&mut self.image_silences, other.image_silences),
            (&mut self.stolen, other.stolen),
            (&mut self.completed, other.completed),
            (&mut self.terminated, other.terminated),
        ];
        pairs.into_iter().for_each(|(one, other)| *one += other);
        for (state, count) in &other.deaths_in {
            *self.deaths_in.entry(*state).or_default() += count;
        }
        for (name, count) in &other.events {
            *self.events.entry(name).or_default() += count;
        }
        for (name, count) in &other.followed {
            *self.followed.entry(name).or_default() += count;
        }
        for (name, count) in &other.changes {
            *self.changes.entry(name).or_default() += count;
        }
    }

    /// What never happened, of what must.
    pub fn missing(&self) -> Vec<String> {
        let all = [
            ("writes", self.writes),
            ("refused writes", self.refused_writes),
            ("kills", self.kills),
            ("power failures", self.power_failures),
            ("torn writes", self.torn_writes),
            ("failures", self.failures),
            ("failed flushes", self.failed_flushes),
            ("full disks", self.full_disks),
            ("slow operations", self.slow),
            ("deaths of images", self.image_deaths),
            ("stopped images", self.image_stops),
            ("silent images", self.image_silences),
            ("stolen targets", self.stolen),
            ("completed migrations", self.completed),
            ("terminated migrations", self.terminated),
        ];
        let never = all.into_iter().filter(|(_, count)| *count == 0);
        let mut missing: Vec<String> = never.map(|(name, _)| name.to_string()).collect();
        let states = State::ALL.iter().filter(|state| !state.is_ended());
        let never = states.filter(|state| !self.deaths_in.contains_key(state));
        missing.extend(never.map(|state| format!("deaths while {state}")));
        let events = [
            "accommodated",
            "backed-out",
            "looked",
            "postponed",
            "released",
            "scratched",
            "kept",
            "target-released",
            "target-renamed",
        ];
        let never = events.into_iter().filter(|name| !self.events.contains_key(name));
        missing.extend(never.map(|name| format!("the event {name}")));
        let fates = ["deleted", "extended", "made anew", "new", "released", "renamed"];
        let never = fates.into_iter().filter(|fate| !self.followed.contains_key(fate));
        missing.extend(never.map(|fate| format!("following one that was {fate}")));
        let changes = [
            "created",
            "deleted",
            "extended",
            "extended elsewhere",
            "recreated",
            "released",
            "renamed",
            "touched",
        ];
        let never = changes.into_iter().filter(|kind| !self.changes.contains_key(kind));
        missing.extend(never.map(|kind| format!("data sets that were {kind}")));
        missing
    }
}
