//! What is known while a migration runs, for `status` at another terminal: `status.json` in the state folder, replaced as
//! a whole, a few times a second.

use super::Work;
use crate::elsewhere::machines_value;
use crate::state_folder::{Request, STATUS, replace};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trackmirror::clock::{Clock, SystemClock};
use trackmirror::enqueue::Opener;
use trackmirror::estimate::{Estimate, Verdict, Window};
use trackmirror::host::{Host, Live};
use trackmirror::migrate::{Goal, Migration};
use trackmirror::monitor::{Area, ImageReport, Kind, Standing};
use trackmirror::registry::openers::Openers;
use trackmirror::state::State;
use trackmirror::{DsName, Volser};

/// At most so often.
const INTERVAL: Duration = Duration::from_millis(250);

/// Writes `status.json`.
pub struct Board {
    folder: PathBuf,
    live: Option<Live>,
    /// Who has data sets open at any time; those whom only commands know are asked for in the close.
    registry: Option<Openers>,
    written_at: Option<Instant>,
    last_state: Option<State>,
}

/// How the close goes.
pub struct Closing<'a> {
    /// `close-now` was typed.
    pub is_ordered: bool,
    /// Who has data sets open, as far as they were asked.
    pub openers: &'a [Opener],
    /// What it waits for, in words.
    pub waits_for: &'a str,
}

impl Board {
    /// The board of a folder that this process owns; only while others write is there anything to be told.
    pub fn new(folder: &Path, host: &Host, is_live: bool) -> Board {
        // What a process that was killed told last is not so any more.
        let _ = std::fs::remove_file(folder.join(STATUS));
        let live = host.live.clone().filter(|_| is_live);
        let registry = live.as_ref().and_then(|_| Openers::system().ok());
        Board { folder: folder.into(), live, registry, written_at: None, last_state: None }
    }

    /// Writes it, if it is time, or if the state changed.
    pub fn publish(
        &mut self,
        migration: &Migration,
        request: &Request,
        work: &Work,
        closing: &Closing<'_>,
        at_once: bool,
    ) {
        let Some(live) = &self.live else { return };
        let state = migration.state();
        let is_fresh = self.written_at.is_some_and(|at| at.elapsed() < INTERVAL);
        if is_fresh && !at_once && self.last_state == Some(state) {
            return;
        }
        let mut value = value(live, migration, request, work, closing);
        let names: Vec<DsName> =
            migration.plan().data_sets.iter().map(|data_set| data_set.assessment.name).collect();
        if closing.openers.is_empty()
            && state.is_before_switch()
            && let Some(Ok(openers)) = self.registry.as_ref().map(|all| all.openers_of(&names))
        {
            value["closing"]["openers"] = openers.iter().map(Opener::to_string).collect();
        }
        if let Err(error) = replace(&self.folder, STATUS, &format!("{value:#}\n"), false) {
            log::warn!("the status could not be written: {error}");
        }
        (self.written_at, self.last_state) = (Some(Instant::now()), Some(state));
    }
}

impl Drop for Board {
    /// A process that has ended has no status.
    fn drop(&mut self) {
        if self.written_at.is_some() {
            let _ = std::fs::remove_file(self.folder.join(STATUS));
        }
    }
}

fn value(
    live: &Live,
    migration: &Migration,
    request: &Request,
    work: &Work,
    closing: &Closing<'_>,
) -> Value {
    let options = request.live.as_ref();
    let receipt = migration.receipt();
    let is_before_switch = migration.state().is_before_switch();
    let estimate = migration.estimate();
    let goal = options.map(|options| options.goal).unwrap_or_default();
    let retained_until = request
        .switched_ms
        .zip(options.map(|options| options.retain.as_millis() as u64))
        .map(|(switched, retain)| switched.saturating_add(retain));
    json!({
        "version": 1,
        "written_ms": SystemClock.now().as_millis() as u64,
        "process": std::process::id(),
        "state": migration.state().name(),
        "waits_for": closing.waits_for,
        "pace": request.pace.to_string(),
        "copying": {
            "copied_tracks": receipt.copied_tracks, "again_tracks": receipt.again_tracks,
            "left_tracks": work.progress.left_tracks, "total_tracks": receipt.track_count,
            "pass_count": receipt.pass_count, "byte_count": work.progress.byte_count,
        },
        "estimate": is_before_switch.then(|| estimate_value(&estimate)),
        "goal": is_before_switch.then(|| goal_value(goal, &estimate, migration.is_at_goal())),
        "closing": {
            "ordered": closing.is_ordered,
            "when_mirrored": options.is_some_and(|options| options.close_when_mirrored),
            "openers": closing.openers.iter().map(Opener::to_string).collect::<Vec<_>>(),
        },
        "volumes": volumes_value(&live.areas, &live.images),
        "machines": machines_value(
            &migration.machines(),
            options.map_or(&[], |options| &options.elsewhere),
        ),
        "retained_until_ms": retained_until,
    })
}

/// How long a window would be, for programs.
pub fn window_value(window: Window) -> Value {
    json!({
        "low_ms": window.low.as_millis() as u64, "likely_ms": window.likely.as_millis() as u64,
        "high_ms": window.high.as_millis() as u64,
    })
}

fn estimate_value(estimate: &Estimate) -> Value {
    let window = estimate.window.map(window_value);
    json!({
        "copied_tracks_per_second": estimate.copy_rate,
        "changed_tracks_per_second": estimate.change_rate,
        "left_tracks": estimate.left_tracks,
        "window": window,
        "answer_ms": estimate.answer.map(|answer| answer.as_millis() as u64),
        "verdict": verdict(estimate.verdict),
        "text": estimate.to_string(),
    })
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Converging => "converging",
        Verdict::Following => "following",
        Verdict::AtDistance => "at-distance",
        Verdict::Unknown => "unknown",
    }
}

/// The goal, and how far it is: tracks or milliseconds above it, below it zero.
fn goal_value(goal: Goal, estimate: &Estimate, is_reached: bool) -> Value {
    match goal {
        Goal::Tracks(tracks) => json!({
            "tracks": tracks, "reached": is_reached,
            "distance": estimate.left_tracks.saturating_sub(tracks),
        }),
        Goal::Millis(ms) => json!({
            "ms": ms, "reached": is_reached,
            "distance": estimate
                .window
                .map(|window| (window.likely.as_millis() as u64).saturating_sub(ms)),
        }),
    }
}

/// Every image on every source volume, with those that are missing.
pub fn volumes_value(
    areas: &BTreeMap<Volser, Area>,
    expected: &BTreeMap<Volser, Vec<String>>,
) -> Value {
    let volume = |(volser, area): (&Volser, &Area)| {
        let images = area.images();
        let needed = expected.get(volser).map_or(&[][..], |names| names);
        let missing = needed.iter().filter(|name| !images.iter().any(|image| image.name == **name));
        let missing: Vec<Value> = missing
            .map(|name| json!({ "name": name, "standing": "missing", "needed": true }))
            .collect();
        let known = images.iter().map(|image| image_value(image, needed.contains(&image.name)));
        json!({
            "volser": volser.to_string(),
            "images": known.chain(missing).collect::<Vec<_>>(),
        })
    };
    Value::Array(areas.iter().map(volume).collect())
}

fn image_value(image: &ImageReport, needed: bool) -> Value {
    let standing = match image.standing {
        Standing::Attached => "alive",
        Standing::Silent => "silent",
        other => return other_value(image, other, needed),
    };
    image_fields(image, standing, needed)
}

fn other_value(image: &ImageReport, standing: Standing, needed: bool) -> Value {
    image_fields(image, &format!("{standing:?}").to_lowercase(), needed)
}

fn image_fields(image: &ImageReport, standing: &str, needed: bool) -> Value {
    let kind = match image.kind {
        Kind::Brackets => "brackets",
        Kind::Completions => "completions",
        Kind::Remote => "remote",
    };
    // Whoever is here and holds his lock gives a sign of life by it.
    let is_seen = image.standing == Standing::Attached && image.kind != Kind::Remote;
    let sign_of_life = if is_seen { SystemClock.now() } else { image.last_sign_of_life };
    json!({
        "name": image.name,
        "standing": standing,
        "needed": needed,
        "kind": kind,
        "incarnation": image.incarnation,
        "process": image.process,
        "last_sign_of_life_ms": sign_of_life.as_millis() as u64,
        "slots_in_use": image.slots_in_use,
        "writes_without_slot": image.writes_without_slot,
        "write_count": image.write_count,
        "refused_count": image.refused_count,
        "last_refused_track": image.last_refused.map(|track| track.0),
    })
}
