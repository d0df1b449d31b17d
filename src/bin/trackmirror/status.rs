//! `trackmirror status`: what is known of a migration, without touching it.
//!
//! Whoever leads a migration while others write tells how it goes in `status.json`. Where nobody leads it, the checkpoint
//! and the request tell what they know, and the monitor areas who is alive.

use crate::driver::OPENERS;
use crate::driver::board::volumes_value;
use crate::elsewhere::unled_value;
use crate::migrate::look;
use crate::output::{Answer, Table};
use crate::plan::{table, values};
use crate::progress::{duration, timestamp};
use crate::state_folder::{Request, STATUS, read};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trackmirror::checkpoint::FileStore;
use trackmirror::clock::{Clock, SystemClock};
use trackmirror::copy::Volumes;
use trackmirror::monitor::Area;
use trackmirror::pace::Pace;
use trackmirror::volume::{self, Access};
use trackmirror::{Error, Reason, Result};

const EXAMPLES: &str = "\
Examples:
  trackmirror status --state ~/.local/state/trackmirror/TEST-0badcafe
  trackmirror --json status --state STATE

While others write it tells what is left, what a window now would take, every image on the source volumes with its
last sign of life, and what it waits for; of every image on another machine, up to which number its reports were
applied, how long its last answer took, and how long it has been silent. The file events.log in that folder tells
everything that happened, events.jsonl the same for programs. Code 4: the migration is not finished.";

/// More than any status needs.
const LENGTH_MAX: u64 = 1 << 24;
/// A status that is older is told with its age.
const OLD: Duration = Duration::from_secs(5);

/// Show the state of a migration, also of one that runs
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The folder with the state
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

/// Shows the state.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    of(&arguments.state)
}

/// Shows the state in a folder.
pub fn of(folder: &Path) -> Result<Answer> {
    let Some((state, plan)) = look(folder)? else {
        return Err(Error::new(
            Reason::NoCheckpoint,
            format!("there is no migration in {}; name the folder of one", folder.display()),
        ));
    };
    let request = Request::load(folder)?;
    let owner = FileStore::owner(folder);
    let running = match &owner {
        Some(owner) => format!("owned by {owner}"),
        None if state.is_ended() => "ended".into(),
        None => format!(
            "interrupted; `trackmirror resume --state {}` goes on with it",
            folder.display()
        ),
    };
    let now = match (&owner, &request.live) {
        (Some(_), _) => running_status(folder),
        (None, Some(live)) if !state.is_ended() => json!({
            "volumes": known_images(&request), "machines": unled_value(&live.elsewhere),
        }),
        _ => Value::Null,
    };
    let volumes = Volumes::new();
    let mut text = format!("state: {state}, {running}\n");
    for file in &request.files {
        text += &format!("image: {}\n", file.display());
    }
    text += &status_text(&now);
    for (name, why) in &request.left_out {
        text += &format!("left where it is: {name}: {why}\n");
    }
    text += &format!("\n{}", table(&plan, &volumes));
    let left_out = request.left_out.iter().map(|(name, why)| json!({ "name": name, "why": why }));
    let json = json!({
        "state": state.name(),
        "ended": state.is_ended(),
        "owner": owner,
        "files": request.files,
        "data_sets": values(&plan, &volumes),
        "left_out": left_out.collect::<Vec<_>>(),
        "now": now,
    });
    Ok(Answer::with_remarks(!state.is_ended(), text, json))
}

/// The images on other machines of the migration in a folder, as they are known.
pub fn machines_of(folder: &Path) -> Result<Value> {
    let request = Request::load(folder)?;
    if FileStore::owner(folder).is_some() {
        let machines = running_status(folder)["machines"].take();
        if machines.is_array() {
            return Ok(machines);
        }
    }
    Ok(unled_value(request.live.as_ref().map_or(&[], |live| &live.elsewhere)))
}

/// What the process that leads it told last; null if it has told nothing.
fn running_status(folder: &Path) -> Value {
    let text = read(folder, STATUS, LENGTH_MAX).ok().flatten();
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// The images on the source volumes of a migration that nobody leads, as far as they can be seen.
fn known_images(request: &Request) -> Value {
    let mut areas = BTreeMap::new();
    for path in &request.roles.sources {
        let Ok(volume) = volume::open(path, Access::Read) else { continue };
        if let Ok(area) = Area::open(&*volume) {
            areas.insert(volume.volser(), area);
        }
    }
    let needed = request.live.iter().flat_map(|live| live.images.clone()).collect::<Vec<_>>();
    let needed = areas.keys().map(|volser| (*volser, needed.clone())).collect();
    volumes_value(&areas, &needed)
}

/// A pace as people say it: `500 tracks/s`, `20MB/s`, `unlimited`.
fn pace_words(pace: &str) -> String {
    match (pace.parse(), pace.strip_suffix('t')) {
        (Ok(Pace::Unlimited) | Err(_), _) => pace.into(),
        (Ok(_), Some(tracks)) => format!("{tracks} tracks/s"),
        (Ok(_), None) => format!("{pace}/s"),
    }
}

/// `1.5`, or a question mark.
fn number(value: &Value) -> String {
    match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(number)) => format!("{number:.1}"),
        _ => "?".into(),
    }
}

fn since(ms: u64) -> String {
    let passed = SystemClock.now().saturating_sub(Duration::from_millis(ms));
    if passed < Duration::from_secs(1) { "now".into() } else { duration(passed.as_secs_f64()) }
}

/// The status for people.
fn status_text(now: &Value) -> String {
    let mut text = String::new();
    if let Some(written) = now["written_ms"].as_u64() {
        if SystemClock.now().saturating_sub(Duration::from_millis(written)) > OLD {
            text += &format!("the process last told something {} ago\n", since(written));
        }
        text += &copying_text(now);
    }
    let openers = now["closing"]["openers"].as_array().map_or(&[][..], |openers| openers);
    if let Some(waits_for) = now["waits_for"].as_str().filter(|text| !text.is_empty()) {
        // Those whom it waits for follow, each in a line of his own.
        let is_of_openers = !openers.is_empty() && waits_for.starts_with(OPENERS);
        text += &format!("waits for: {}\n", if is_of_openers { OPENERS } else { waits_for });
    }
    for opener in openers {
        text += &format!("open: {}\n", opener.as_str().unwrap_or_default());
    }
    if let Some(until) = now["retained_until_ms"].as_u64() {
        text += &format!(
            "the sources are kept until {} UTC\n",
            timestamp(Duration::from_millis(until))
        );
    }
    text + &images_text(&now["volumes"]) + &machines_text(&now["machines"])
}

fn copying_text(now: &Value) -> String {
    let copying = &now["copying"];
    let mut text = format!(
        "copied: {} tracks, {} of them again, passes: {}; {} left of {}; pace {}\n",
        number(&copying["copied_tracks"]),
        number(&copying["again_tracks"]),
        number(&copying["pass_count"]),
        number(&copying["left_tracks"]),
        number(&copying["total_tracks"]),
        now["pace"].as_str().map_or_else(|| "?".into(), pace_words),
    );
    let estimate = &now["estimate"];
    if estimate.is_object() {
        text += &format!(
            "rates: {} tracks/s copied, {} tracks/s changed; {}\n",
            number(&estimate["copied_tracks_per_second"]),
            number(&estimate["changed_tracks_per_second"]),
            estimate["verdict"].as_str().unwrap_or("?"),
        );
        let window = &estimate["window"];
        text += &match window.is_object() {
            false => "a window now: not known yet\n".into(),
            true => format!(
                "a window now: likely {} ms ({} to {} ms)\n",
                number(&window["likely_ms"]),
                number(&window["low_ms"]),
                number(&window["high_ms"])
            ),
        };
    }
    let goal = &now["goal"];
    if goal.is_object() {
        let (what, unit) = match goal["tracks"].as_u64() {
            Some(tracks) => (format!("{tracks} tracks left"), "tracks"),
            None => (format!("a window of {} ms", number(&goal["ms"])), "ms"),
        };
        let how = match goal["reached"].as_bool() {
            Some(true) => "reached".into(),
            // A window is short, or little is left, as long as nothing was copied that could change.
            _ if goal["distance"].as_u64() == Some(0) => {
                "not reached before every track was copied once".into()
            }
            _ => format!("{} {unit} away", number(&goal["distance"])),
        };
        text += &format!("goal: {what}: {how}\n");
    }
    text
}

/// Every image of every source volume in a line.
fn images_text(volumes: &Value) -> String {
    let mut table = Table::new(&[
        "VOLUME",
        "MONITORED",
        "STANDING",
        ">LAST SIGN OF LIFE",
        ">SLOTS",
        ">WITHOUT",
        ">WRITES",
        ">REFUSED",
        "NEEDED",
    ]);
    for volume in volumes.as_array().into_iter().flatten() {
        // Who said farewell, or was retired, matters only if somebody needs it.
        let is_past = |image: &&Value| {
            let standing = image["standing"].as_str().unwrap_or_default();
            image["needed"] != true && ["farewell", "retired"].contains(&standing)
        };
        let images = volume["images"].as_array().into_iter().flatten();
        for image in images.filter(|image| !is_past(image)) {
            let text = |value: &Value| value.as_str().unwrap_or("?").to_string();
            let sign = image["last_sign_of_life_ms"].as_u64().filter(|ms| *ms > 0);
            let count = |name: &str| image[name].as_u64().map_or("-".into(), |n| n.to_string());
            table.row(vec![
                text(&volume["volser"]),
                text(&image["name"]),
                text(&image["standing"]),
                sign.map_or_else(|| "-".into(), since),
                count("slots_in_use"),
                count("writes_without_slot"),
                count("write_count"),
                count("refused_count"),
                if image["needed"] == true { "yes".into() } else { String::new() },
            ]);
        }
    }
    if table.is_empty() { String::new() } else { format!("\n{table}") }
}

/// Every image on another machine in a line, and what troubles it in one more.
pub fn machines_text(machines: &Value) -> String {
    let mut table = Table::new(&[
        "ELSEWHERE",
        "STANDING",
        ">ANSWERED IN",
        ">SILENT FOR",
        ">REFUSED",
        "LAST REPORTS",
        "SERVER",
    ]);
    let mut troubles = String::new();
    for machine in machines.as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_string();
        let ms = |name: &str| machine[name].as_u64();
        let report = |one: &Value| format!("{}: {}", text(&one["volser"]), number(&one["number"]));
        let applied = machine["applied"].as_array().into_iter().flatten().map(report);
        table.row(vec![
            text(&machine["name"]),
            text(&machine["standing"]),
            ms("delay_ms").map_or_else(|| "-".into(), |ms| format!("{ms} ms")),
            ms("silence_ms").map_or_else(|| "-".into(), |ms| duration(ms as f64 / 1000.0)),
            ms("refused_count").map_or_else(|| "-".into(), |count| count.to_string()),
            applied.collect::<Vec<_>>().join(", "),
            text(&machine["server"]),
        ]);
        if let Some(trouble) = machine["trouble"].as_str() {
            troubles += &format!("{}: {trouble}\n", text(&machine["name"]));
        }
    }
    if table.is_empty() { String::new() } else { format!("\n{table}{troubles}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_in_lines() {
        let now = SystemClock.now().as_millis() as u64;
        let status = json!({
            "written_ms": now - 59_500, "waits_for": "the close", "pace": "500t",
            "copying": { "copied_tracks": 120, "again_tracks": 20, "left_tracks": 7, "total_tracks": 100,
                         "pass_count": 3 },
            "estimate": { "copied_tracks_per_second": 512.34, "changed_tracks_per_second": null,
                          "window": { "low_ms": 10, "likely_ms": 20, "high_ms": 30 }, "verdict": "converging" },
            "goal": { "ms": 5, "reached": false, "distance": 15 },
            "closing": { "openers": ["job on image SYSA"] },
            "volumes": [{ "volser": "VOL001", "images": [
                { "name": "SYSA", "standing": "alive", "needed": true, "last_sign_of_life_ms": now,
                  "slots_in_use": 1, "writes_without_slot": 0, "write_count": 55, "refused_count": 2 },
                { "name": "SYSB", "standing": "missing", "needed": true },
                { "name": "GONE", "standing": "farewell", "needed": false },
            ]}],
        });
        let text = status_text(&status);
        for line in [
            "the process last told something 1 min 0 s ago",
            "copied: 120 tracks, 20 of them again, passes: 3; 7 left of 100; pace 500 tracks/s",
            "rates: 512.3 tracks/s copied, ? tracks/s changed; converging",
            "a window now: likely 20 ms (10 to 30 ms)",
            "goal: a window of 5 ms: 15 ms away",
            "waits for: the close",
            "open: job on image SYSA",
        ] {
            assert!(text.lines().any(|told| told.starts_with(line)), "{line} in\n{text}");
        }
        let rows: Vec<Vec<&str>> =
            text.lines().rev().take(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["VOL001", "SYSA", "alive", "now", "1", "0", "55", "2", "yes"]);
        assert_eq!(rows[0], ["VOL001", "SYSB", "missing", "-", "-", "-", "-", "-", "yes"]);
        assert_eq!(status_text(&Value::Null), "");
    }

    #[test]
    fn what_is_waited_for_is_told_once() {
        let status = json!({
            "waits_for": format!("{OPENERS}: job on image SYSA"),
            "closing": { "openers": ["job on image SYSA"] },
        });
        let told = format!("waits for: {OPENERS}\nopen: job on image SYSA\n");
        assert_eq!(status_text(&status), told);
    }

    #[test]
    fn a_goal_before_the_first_pass_is_no_distance_of_zero() {
        let status = json!({ "goal": { "ms": 1000, "reached": false, "distance": 0 } });
        assert!(copying_text(&status).contains("not reached before every track was copied once"));
    }

    #[test]
    fn a_pace_is_told_with_its_unit() {
        for (pace, told) in
            [("500t", "500 tracks/s"), ("20MB", "20MB/s"), ("unlimited", "unlimited")]
        {
            assert_eq!(pace_words(pace), told);
        }
    }
}
