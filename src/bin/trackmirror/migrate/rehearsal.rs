//! `trackmirror migrate --rehearse`: what would happen, what would stop it, and how long the data sets would be away;
//! nothing is changed, and nobody is asked to close.

use super::{Arguments, look, other_migration};
use crate::driver::board::{volumes_value, window_value};
use crate::live::LiveOptions;
use crate::live::looking::Known;
use crate::output::{Answer, Outcome, count, error_value};
use crate::plan::Proposal;
use crate::progress::duration;
use crate::selection::{Opened, Roles, open_roles};
use crate::state_folder::Request;
use crate::status;
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trackmirror::estimate::Window;
use trackmirror::migrate::{
    Limits, MoveOptions, Obstacle, Rehearsal, RehearsalOptions, Stage, rehearse,
};
use trackmirror::plan::Plan;
use trackmirror::state::State;
use trackmirror::volume::{self, Access};
use trackmirror::{Code, Error, Reason};

/// Rehearses what the arguments ask for.
pub fn run(
    arguments: &Arguments,
    roles: &Roles,
    identity: &str,
    live: Option<&LiveOptions>,
    folder: &Path,
) -> Outcome<Answer> {
    if let Some((state, plan)) = look(folder)?
        && !state.is_ended()
    {
        return known_already(identity, folder, state, &plan);
    }
    let mut also = images_wanted_alone(roles, live);
    let opened = match live {
        Some(live) => live.open_to_look(roles)?,
        None => open_roles(roles, Access::Read)?,
    };
    let proposal = Proposal::make(&opened, &arguments.sources, &arguments.targets)?;
    let code = proposal.code(arguments.targets.skip_refused);
    let text = proposal.text(&opened.host.volumes);
    let mut json = proposal.value(&opened.host.volumes);
    if proposal.plan.data_sets.is_empty() {
        return Ok(Answer { code, text: text + NOTHING, json });
    }
    let options = MoveOptions {
        used_only: arguments.used_only,
        erase: arguments.erase,
        keep: arguments.keep,
    };
    let wanted = RehearsalOptions {
        goal: live.map(|live| live.goal).unwrap_or_default(),
        limits: live.map_or_else(Limits::default, |live| live.limits),
        state_folder: Some(folder.into()),
        ..RehearsalOptions::default()
    };
    let mut rehearsal = rehearse(&opened.host, &proposal.plan, &options, &wanted)?;
    also.extend(live.iter().flat_map(|live| images_written_beside(&opened, roles, live)));
    also.extend(live.iter().flat_map(|live| &live.elsewhere).filter_map(|one| one.check().err()));
    also.extend(super::check_host_space(&opened, &proposal.plan).err());
    let obstacle = |error| Obstacle { stage: Stage::Begin, error };
    rehearsal.assumed.extend(live.iter().flat_map(|live| &live.elsewhere).map(|one| {
        format!("image {} on another machine answers: in a rehearsal it is not asked", one.image)
    }));
    rehearsal.obstacles.splice(..0, also.into_iter().map(obstacle));
    let commands = live.map(LiveOptions::known_commands).unwrap_or_default();
    json["rehearsal"] = value(&rehearsal, &commands, &opened);
    let text = text + &report(&rehearsal, &commands, live.is_some()) + NOTHING;
    Ok(Answer { code: code.max(code_of(&rehearsal, &commands)), text, json })
}

const NOTHING: &str = "nothing was moved, and nobody was asked to close\n";

/// A migration that has begun rehearses its window by itself, again and again.
fn known_already(identity: &str, folder: &Path, state: State, plan: &Plan) -> Outcome<Answer> {
    if Request::load(folder)?.identity != identity {
        return Err(other_migration(folder, plan).into());
    }
    let answer = status::of(folder)?;
    let text = format!(
        "the migration has begun and is {state}; a process that leads it rehearses the window all the time:\n\n{}{NOTHING}",
        answer.text
    );
    Ok(Answer { text, ..answer })
}

/// What is in the way of opening the images that a migration wants alone. Each is opened so for a moment, before it is
/// opened to be read.
fn images_wanted_alone(roles: &Roles, live: Option<&LiveOptions>) -> Vec<Error> {
    let is_alone = |path: &PathBuf| live.is_none() || roles.is_target_only(path);
    let alone = |path: &PathBuf| match volume::open(path, Access::Exclusive) {
        Err(error) => Some(error),
        Ok(volume) if !volume.is_writable() => {
            let why = format!("{} can only be read; make a plain image of it", path.display());
            Some(Error::new(Reason::ReadOnlyVolume, why).on_volume(volume.volser()))
        }
        Ok(_) => None,
    };
    roles.files().iter().filter(|path| is_alone(path)).filter_map(alone).collect()
}

/// The same for those that it writes beside others.
fn images_written_beside(opened: &Opened, roles: &Roles, live: &LiveOptions) -> Vec<Error> {
    let all = opened.files.iter().zip(&opened.volsers);
    let own = all.filter(|(path, on)| !roles.is_target_only(path) && !live.guests.contains_key(on));
    own.filter_map(|(path, volser)| match File::options().write(true).open(path) {
        Err(error) => Some(Error::io(path.display(), &error).on_volume(*volser)),
        Ok(_) if live.elsewhere.is_empty() => None,
        Ok(_) => volume::open_past_caches(path, Access::Read).err(),
    })
    .collect()
}

fn code_of(rehearsal: &Rehearsal, commands: &[Known]) -> Code {
    let stops = |obstacle: &Obstacle| !obstacle.is_waited_for();
    if rehearsal.obstacles.iter().any(stops) {
        Code::Refused
    } else if !rehearsal.obstacles.is_empty()
        || !rehearsal.openers.is_empty()
        || commands.iter().any(|known| known.is_found == Some(false))
    {
        Code::More
    } else {
        Code::Done
    }
}

/// For people.
fn report(rehearsal: &Rehearsal, commands: &[Known], is_live: bool) -> String {
    let mut text = String::new();
    for Obstacle { stage, error } in &rehearsal.obstacles {
        let when = match stage {
            Stage::Begin => "it would not begin",
            Stage::Copying => "it would stop while it copies",
            Stage::Window => "it would stop in the window",
        };
        text += &format!("{when}: {error}\n");
    }
    for opener in &rehearsal.openers {
        text += &format!("open now: {opener}\n");
    }
    for Known { role, command, is_found } in commands {
        let found = match is_found {
            Some(true) => "found",
            Some(false) => "not found: see that it is there before the window",
            None => "known to its shell only",
        };
        text += &format!("{role} '{command}': {found}\n");
    }
    if rehearsal.obstacles.is_empty() {
        text += "nothing was found that would stop it\n";
    }
    let measured = &rehearsal.measured;
    text += &format!("measured: {} read", count(measured.read_tracks, "track"));
    for (what, taken) in [
        ("to read a track", measured.read_track),
        ("to write one", measured.write_track),
        ("to save the state", measured.checkpoint),
        ("to look at everything", measured.look),
    ] {
        text += &taken.map_or(String::new(), |taken| format!(", {} {what}", short(taken)));
    }
    text += "\n";
    for sentence in &rehearsal.assumed {
        text += &format!("assumed: {sentence}\n");
    }
    text += &window_text("copying everything", rehearsal.copying);
    let away = if is_live { "the window" } else { "the data sets would be away, which" };
    text + &window_text(away, rehearsal.window)
}

fn window_text(what: &str, window: Option<Window>) -> String {
    let seconds = |time: Duration| short(time);
    match window {
        None => format!("{what}: too little could be measured\n"),
        Some(Window { low, likely, high }) => format!(
            "{what} would take {} ({} to {})\n",
            seconds(likely),
            seconds(low),
            seconds(high)
        ),
    }
}

/// A time that may be very short.
fn short(time: Duration) -> String {
    match time.as_secs_f64() * 1e3 {
        ms if ms < 10.0 => format!("{ms:.3} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        _ => duration(time.as_secs_f64()),
    }
}

/// For programs.
fn value(rehearsal: &Rehearsal, commands: &[Known], opened: &Opened) -> Value {
    let obstacles = rehearsal.obstacles.iter().map(|obstacle| {
        json!({
            "stage": obstacle.stage.name(),
            "waited_for": obstacle.is_waited_for(),
            "error": error_value(&obstacle.error),
        })
    });
    let openers = rehearsal.openers.iter().map(|opener| {
        json!({
            "image": opener.image, "program": opener.program, "process": opener.process,
            "data_set": opener.data_set.map(|name| name.to_string()),
        })
    });
    let commands = commands.iter().map(
        |known| json!({ "option": known.role, "command": known.command, "found": known.is_found }),
    );
    let us = |time: Option<Duration>| time.map(|time| time.as_micros() as u64);
    let measured = &rehearsal.measured;
    let volumes = opened.host.live.as_ref().map(|live| volumes_value(&live.areas, &live.images));
    json!({
        "obstacles": obstacles.collect::<Vec<_>>(),
        "openers": openers.collect::<Vec<_>>(),
        "commands": commands.collect::<Vec<_>>(),
        "volumes": volumes,
        "measured": {
            "read_tracks": measured.read_tracks, "read_track_us": us(measured.read_track),
            "write_track_us": us(measured.write_track), "small_write_us": us(measured.small_write),
            "checkpoint_us": us(measured.checkpoint), "look_us": us(measured.look),
        },
        "assumed": rehearsal.assumed,
        "left_tracks": rehearsal.left_tracks,
        "copying": rehearsal.copying.map(window_value),
        "window": rehearsal.window.map(window_value),
    })
}
