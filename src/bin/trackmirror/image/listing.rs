//! What is shown of a volume's images.

use super::Registered;
use crate::output::{Table, count};
use serde_json::{Value, json};
use std::time::Duration;
use trackmirror::clock::{Clock, SystemClock};
use trackmirror::geometry::Geometry;
use trackmirror::monitor::program::LivingProgram;
use trackmirror::monitor::{ImageReport, Kind, Standing, SubscriptionReport};
use trackmirror::volume::Holder;
use trackmirror::volume::locks::other_writers;
use trackmirror::{Result, Volser};

/// The table's columns.
const HEAD: &[&str] = &[
    "IMAGE",
    "STATE",
    "NAMED",
    "KIND",
    ">INCARNATION",
    ">PROCESS",
    "PROGRAM",
    ">LAST SIGN",
    ">SLOTS",
    ">UNSLOTTED",
    ">WRITES",
    ">REFUSED",
    ">LAST REFUSED",
];

/// What is shown of one volume.
pub struct Listing {
    volser: Volser,
    location: String,
    geometry: Geometry,
    area: Option<String>,
    images: Vec<ImageReport>,
    named: Vec<String>,
    subscriptions: Vec<SubscriptionReport>,
    strangers: Vec<Holder>,
    programs: Vec<LivingProgram>,
    now: Duration,
}

impl Listing {
    /// Looks.
    pub fn of(registered: &Registered) -> Result<Listing> {
        let (volume, area) = (&registered.volume, &registered.area);
        let strangers = match (volume.path(), area) {
            (None, _) => Vec::new(),
            (Some(path), Some(area)) => area.unregistered_writers(path)?,
            (Some(path), None) => other_writers(path)?,
        };
        let area_file = area.as_ref().and_then(|area| area.path());
        Ok(Listing {
            volser: volume.volser(),
            location: volume.location(),
            geometry: volume.geometry(),
            area: area_file.map(|path| path.display().to_string()),
            images: registered.images(),
            named: registered.expected()?,
            subscriptions: area.as_ref().map(|area| area.subscriptions()).unwrap_or_default(),
            strangers,
            programs: area
                .as_ref()
                .map_or_else(|| Ok(Vec::new()), |area| area.living_programs())?,
            now: SystemClock.now(),
        })
    }

    /// The names of those that must be monitored, and are not.
    fn missing(&self) -> impl Iterator<Item = &String> {
        let is_there = |name: &String| {
            let of_name = |image: &&ImageReport| image.name == *name;
            self.images.iter().filter(of_name).any(|image| image.standing == Standing::Attached)
        };
        self.named.iter().filter(move |name| !is_there(name))
    }

    /// Whether something keeps a migration from starting.
    pub fn has_remarks(&self) -> bool {
        !self.strangers.is_empty()
            || self.missing().next().is_some()
            || self.images.iter().any(|image| image.standing == Standing::Silent)
    }

    fn is_named(&self, name: &str) -> bool {
        self.named.iter().any(|other| other == name)
    }

    fn is_registered(&self, name: &str) -> bool {
        self.images.iter().any(|image| image.name == name)
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("Volume {}, in {}\n", self.volser, self.location);
        let mut table = Table::new(HEAD);
        self.images.iter().for_each(|image| table.row(self.cells(image)));
        for name in self.named.iter().filter(|name| !self.is_registered(name)) {
            table.row(vec![name.clone(), "missing".into(), "yes".into()]);
        }
        text += &if table.is_empty() { "no images\n".into() } else { table.to_string() };
        for one in &self.subscriptions {
            let owner = if one.is_owned { "runs as" } else { "is interrupted, and was" };
            let since = ago(self.now, one.since);
            text += &format!(
                "a migration has watched for {since}; it {owner} process {}\n",
                one.process
            );
        }
        for program in &self.programs {
            let process = program.process.map(|process| format!(", begun as process {process}"));
            text += &format!(
                "has written the volume, and could again until all of it has ended: program {}{}\n",
                program.image,
                process.unwrap_or_default()
            );
        }
        for name in self.missing() {
            text += &format!(
                "not monitored: image {name}; start it by `trackmirror monitored --image {name} -- COMMAND...`, or \
                 retire it if it cannot write any more\n"
            );
        }
        for image in self.images.iter().filter(|image| image.standing == Standing::Silent) {
            text += &format!(
                "silent: image {}; let it come back, or retire it when it cannot write any more\n",
                image.name
            );
        }
        for stranger in &self.strangers {
            text += &format!(
                "not monitored: {stranger}, has the volume open for writing; start it by `trackmirror monitored -- \
                 COMMAND...`, or end it\n"
            );
        }
        text
    }

    fn cells(&self, image: &ImageReport) -> Vec<String> {
        let refused = image.last_refused.map(|track| self.geometry.cchh(track).to_string());
        vec![
            image.name.clone(),
            state(image).into(),
            if self.is_named(&image.name) { "yes".into() } else { "no".into() },
            kind(image.kind).into(),
            image.incarnation.to_string(),
            image.process.to_string(),
            program(image).unwrap_or_else(|| "-".into()),
            ago(self.now, last_sign(image, self.now)),
            image.slots_in_use.to_string(),
            image.writes_without_slot.to_string(),
            image.write_count.to_string(),
            image.refused_count.to_string(),
            refused.unwrap_or_else(|| "-".into()),
        ]
    }

    /// For programs.
    pub fn value(&self) -> Value {
        let named_only = self.named.iter().filter(|name| !self.is_registered(name));
        let missing =
            named_only.map(|name| json!({ "name": name, "state": "missing", "named": true }));
        let images = self.images.iter().map(|image| self.image_value(image)).chain(missing);
        let subscriptions = self.subscriptions.iter().map(|one| {
            let [high, low] = one.migration;
            json!({
                "migration": format!("{high:016x}{low:016x}"),
                "process": one.process,
                "owned": one.is_owned,
                "since_ms": millis(one.since),
            })
        });
        let strangers = self
            .strangers
            .iter()
            .map(|stranger| json!({ "program": stranger.program, "process": stranger.process }));
        let programs = self
            .programs
            .iter()
            .map(|program| json!({ "image": program.image, "begun_as": program.process }));
        json!({
            "volser": self.volser.to_string(),
            "location": self.location,
            "area": self.area,
            "images": images.collect::<Vec<Value>>(),
            "named": self.named,
            "not_monitored": self.missing().collect::<Vec<_>>(),
            "subscriptions": subscriptions.collect::<Vec<Value>>(),
            "unregistered_writers": strangers.collect::<Vec<Value>>(),
            "programs": programs.collect::<Vec<Value>>(),
        })
    }

    fn image_value(&self, image: &ImageReport) -> Value {
        let refused = image.last_refused;
        json!({
            "name": image.name,
            "state": state(image),
            "named": self.is_named(&image.name),
            "kind": kind(image.kind),
            "incarnation": image.incarnation,
            "process": image.process,
            "program": program(image),
            "last_sign_of_life_ms": millis(last_sign(image, self.now)),
            "slots_in_use": image.slots_in_use,
            "writes_without_slot": image.writes_without_slot,
            "write_count": image.write_count,
            "refused_count": image.refused_count,
            "last_refused_track": refused.map(|track| track.0),
            "last_refused": refused.map(|track| self.geometry.cchh(track).to_string()),
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An image's state, in one word.
pub fn state(image: &ImageReport) -> &'static str {
    match image.standing {
        Standing::Registering => "starting",
        Standing::Attached => "alive",
        Standing::Farewell => "ended",
        Standing::Dead => "dead",
        Standing::Silent => "silent",
        Standing::Retired => "retired",
        Standing::Free | Standing::Damaged => "damaged",
    }
}

/// Whether something of an image is left that can be retired: it may write, or has died and still has writes in flight.
pub fn may_come_back(image: &ImageReport) -> bool {
    image.standing.may_write() || image.slots_in_use != 0 || image.writes_without_slot != 0
}

/// The state with the process, if there is one.
pub fn described(image: &ImageReport) -> String {
    match program(image) {
        Some(program) => format!("{}: program {program}, process {}", state(image), image.process),
        None => state(image).into(),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Brackets => "brackets",
        Kind::Completions => "completions",
        Kind::Remote => "remote",
    }
}

/// The program of an image that lives, as far as it can be seen. Somebody else may have the process id of a dead one.
fn program(image: &ImageReport) -> Option<String> {
    if !image.standing.may_write() || !image.is_process_known {
        return None;
    }
    let name = std::fs::read_to_string(format!("/proc/{}/comm", image.process)).ok()?;
    Some(name.trim().to_string())
}

/// When an image was last known to live. One that is here, and holds its lock, gives a sign by that.
fn last_sign(image: &ImageReport, now: Duration) -> Duration {
    let is_seen = image.standing == Standing::Attached && image.kind != Kind::Remote;
    if is_seen { now } else { image.last_sign_of_life }
}

/// How long ago something was.
fn ago(now: Duration, then: Duration) -> String {
    let seconds = now.saturating_sub(then).as_secs();
    match seconds {
        0..120 => count(seconds, "second"),
        120..7200 => count(seconds / 60, "minute"),
        7200..172_800 => count(seconds / 3600, "hour"),
        _ => count(seconds / 86_400, "day"),
    }
}
