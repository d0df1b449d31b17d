//! `trackmirror demo-check`: that data sets hold every write that was acknowledged to its writer, whole, and none that is
//! older. It knows nothing of monitors and migrations: only the writers' ledgers, and what is on the volumes now.
//!
//! For each track there is a last acknowledged write. The track must hold that one, or one that was begun after it and
//! never came to an end since its writer died or its volume failed. Only what such a write left half done may be half there,
//! and then, if the source is given, exactly as it is on the source. A write that was refused must not be there at all.

use super::changes::Record;
use super::court::Court;
use super::ledger::{Entry, Kind, Ledger};
use super::place::{Files, Located, read_place};
use super::stamp::Stamp;
use crate::output::{Answer, count};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trackmirror::bytes::crc32c;
use trackmirror::geometry::Track;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::{Code, DsName, Error, Reason, Result, Volser, track};

/// How many violations are told in words.
const WORDS_MAX: usize = 10;

/// Check that data sets hold every write that was acknowledged to writers
#[derive(clap::Args)]
pub struct Arguments {
    /// The records of all writers
    #[arg(long = "ledger", required_unless_present = "allocations", num_args = 1.., value_name = "FILE")]
    ledgers: Vec<PathBuf>,
    /// The record of an allocator: what it made is there, once, and what it removed is not
    #[arg(long, value_name = "FILE")]
    allocations: Option<PathBuf>,
    /// Copies that are not cataloged may be there too
    #[arg(long, requires = "allocations")]
    others_too: bool,
    #[command(flatten)]
    files: Files,
    /// The images of the volumes where the data sets were: what a killed writer left half done must be as it is there
    #[arg(long = "source", num_args = 1.., value_name = "FILE")]
    sources: Vec<PathBuf>,
}

/// Checks, and tells what was found.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let mut proof = prove(&arguments.ledgers, &arguments.files, &arguments.sources)?;
    if let Some(path) = &arguments.allocations {
        let record = Record::read(path)?;
        proof.change_count = record.done().count() as u64;
        let court = Court {
            files: &arguments.files,
            others_too: arguments.others_too,
            overwritten: overwritten(&arguments.ledgers)?,
        };
        proof.violations.extend(court.violations(&record)?);
    }
    let code = if proof.violations.is_empty() { Code::Done } else { Code::Refused };
    Ok(Answer { code, text: proof.text(), json: proof.value() })
}

/// The tracks that writers wrote, or may have written.
fn overwritten(ledgers: &[PathBuf]) -> Result<BTreeSet<(DsName, u32)>> {
    let mut tracks = BTreeSet::new();
    for path in ledgers {
        let ledger = Ledger::read(path)?;
        let is_refused = |entry: &&Entry| entry.kind == Kind::Refused;
        let refused: BTreeSet<u64> =
            ledger.entries.iter().filter(is_refused).map(|entry| entry.write).collect();
        for entry in ledger.entries.iter().filter(|entry| !refused.contains(&entry.write)) {
            let (name, _) = ledger.head.data_sets[usize::from(entry.data_set)];
            tracks.extend((0..u32::from(entry.count)).map(|n| (name, entry.first + n)));
        }
    }
    Ok(tracks)
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Proof {
    /// Tracks of the data sets, and those of them to which a write was acknowledged.
    pub track_count: u64,
    pub written_track_count: u64,
    /// Acknowledged writes, and those of them whose every track holds them or a later one.
    pub done_count: u64,
    pub present_count: u64,
    /// Writes that never came to an end, and tracks that hold one, or a part of one.
    pub unfinished_count: u64,
    pub unfinished_track_count: u64,
    pub half_written_count: u64,
    /// Writes that were refused by a seal.
    pub refused_count: u64,
    /// Changes of allocations.
    pub change_count: u64,
    /// What is wrong, in words.
    pub violations: Vec<String>,
}

impl Proof {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}, {} of {} acknowledged writes are there, whole, or were overwritten by a later one\n",
            count(self.track_count, "track"),
            self.present_count,
            self.done_count
        );
        if self.unfinished_count > 0 {
            text += &format!(
                "{} never ended, because the writer died; {} such a one, {} a part\n",
                count(self.unfinished_count, "write"),
                holds(self.unfinished_track_count),
                holds(self.half_written_count)
            );
        }
        if self.refused_count > 0 {
            text += &format!(
                "{} refused while the volume was sealed; none of them is there\n",
                count(self.refused_count, "write")
            );
        }
        if self.change_count > 0 {
            text += &format!("{} of what is allocated\n", count(self.change_count, "change"));
        }
        for words in self.violations.iter().take(WORDS_MAX) {
            text += &format!("LOST: {words}\n");
        }
        if self.violations.is_empty() {
            text += "nothing is lost, torn or older than it must be\n";
        }
        if self.violations.len() > WORDS_MAX {
            text += &format!("LOST: and {} more\n", self.violations.len() - WORDS_MAX);
        }
        text
    }

    fn value(&self) -> serde_json::Value {
        json!({
            "track_count": self.track_count,
            "written_track_count": self.written_track_count,
            "done_count": self.done_count,
            "present_count": self.present_count,
            "unfinished_count": self.unfinished_count,
            "unfinished_track_count": self.unfinished_track_count,
            "half_written_count": self.half_written_count,
            "refused_count": self.refused_count,
            "change_count": self.change_count,
            "violation_count": self.violations.len(),
            "violations": self.violations.iter().take(WORDS_MAX).collect::<Vec<_>>(),
        })
    }
}

fn holds(number: u64) -> String {
    format!("{} {}", count(number, "track"), if number == 1 { "holds" } else { "hold" })
}

/// What may and must be on one track.
#[derive(Clone, Debug, Default)]
struct Expected {
    /// The last acknowledged write.
    done: Option<u64>,
    /// Writes that were begun after it and did not end.
    unfinished: Vec<u64>,
    refused: BTreeSet<u64>,
    /// What it holds, if that is right.
    found: Option<u64>,
}

/// What one writer says.
struct Testimony {
    name: String,
    number: u32,
    data_sets: Vec<(DsName, String)>,
    varies: bool,
    tracks: BTreeMap<(u8, u32), Expected>,
    /// Acknowledged writes: number, data set, first track, tracks.
    done: Vec<(u64, u8, u32, u32)>,
    unfinished_count: u64,
    refused_count: u64,
    /// Whether it wrote in one place only, all its lives.
    stayed: bool,
}

impl Testimony {
    fn of(ledger: Ledger) -> Testimony {
        let head = ledger.head;
        let digest = |crc, (_, place): &(DsName, String)| crc32c(crc, place.as_bytes());
        let first_place = head.data_sets.iter().fold(0, digest);
        let mut testimony = Testimony {
            name: head.image,
            number: head.share.0,
            data_sets: head.data_sets,
            varies: head.varies,
            tracks: BTreeMap::new(),
            done: Vec::new(),
            unfinished_count: 0,
            refused_count: 0,
            stayed: true,
        };
        let mut open = BTreeSet::new();
        for entry in &ledger.entries {
            let write = entry.write;
            match entry.kind {
                Kind::Opened => testimony.stayed &= entry.first == first_place,
                Kind::Begun => {
                    open.insert(write);
                }
                Kind::Done => {
                    open.remove(&write);
                    let (first, count) = (entry.first, u32::from(entry.count));
                    testimony.done.push((write, entry.data_set, first, count));
                }
                Kind::Refused => {
                    open.remove(&write);
                    testimony.refused_count += 1;
                }
                Kind::Failed | Kind::Closed => {}
            }
            for n in 0..u32::from(entry.count) {
                let key = (entry.data_set, entry.first + n);
                let expected = testimony.tracks.entry(key).or_default();
                match entry.kind {
                    Kind::Begun => expected.unfinished.push(write),
                    Kind::Done => {
                        expected.done = expected.done.max(Some(write));
                        expected.unfinished.retain(|&other| Some(other) > expected.done);
                    }
                    Kind::Refused => {
                        expected.unfinished.retain(|&other| other != write);
                        expected.refused.insert(write);
                    }
                    Kind::Failed | Kind::Opened | Kind::Closed => {}
                }
            }
        }
        testimony.unfinished_count = open.len() as u64;
        testimony
    }
}

/// Checks the data sets of these ledgers where they are now.
pub fn prove(ledgers: &[PathBuf], files: &Files, sources: &[PathBuf]) -> Result<Proof> {
    let mut proof = Proof::default();
    let sources = open_all(files, sources)?;
    let mut seen: BTreeSet<DsName> = BTreeSet::new();
    for path in ledgers {
        let mut testimony = Testimony::of(Ledger::read(path)?);
        let names: Vec<DsName> = testimony.data_sets.iter().map(|(name, _)| *name).collect();
        let located = files.locate(&names)?;
        let paths: BTreeSet<&Path> = located
            .iter()
            .flat_map(|data_set| data_set.extents.iter().map(|(path, _, _)| path.as_path()))
            .collect();
        let volumes = open_all(files, &paths.into_iter().map(PathBuf::from).collect::<Vec<_>>())?;
        for data_set in located.iter().filter(|data_set| seen.insert(data_set.name)) {
            proof.track_count += u64::from(data_set.track_count());
        }
        let mut judge = Judge { proof: &mut proof, volumes: &volumes, sources: &sources };
        judge.hear(&mut testimony, &located)?;
    }
    Ok(proof)
}

fn open_all(files: &Files, paths: &[PathBuf]) -> Result<BTreeMap<Volser, Arc<dyn Volume>>> {
    let volumes = if files.direct {
        paths
            .iter()
            .map(|path| files.open_volume(path, Access::Read))
            .collect::<Result<Vec<_>>>()?
    } else {
        volume::open_all(paths, Access::Read)?
    };
    Ok(volumes.into_iter().map(|volume| (volume.volser(), volume)).collect())
}

struct Judge<'a> {
    proof: &'a mut Proof,
    volumes: &'a BTreeMap<Volser, Arc<dyn Volume>>,
    sources: &'a BTreeMap<Volser, Arc<dyn Volume>>,
}

/// One track where it is now.
struct Seen<'a> {
    data_set: &'a Located,
    number: u32,
    varies: bool,
    at: Track,
    volume: &'a dyn Volume,
    image: Vec<u8>,
}

impl Seen<'_> {
    /// The image of the track after a write of a writer.
    fn image_of(&self, writer: u32, write: u64) -> Result<Vec<u8>> {
        let mut slot = vec![0; self.volume.slot_size()];
        let stamp = Stamp { writer, write, track: self.number };
        let place = self.volume.place(self.at);
        let shape = self.data_set.shape.of_write(write, self.varies);
        stamp.put(&mut slot, place, shape, &self.data_set.name)?;
        Ok(slot)
    }

    /// The stamps that are in its blocks, each once.
    fn stamps(&self) -> Vec<Option<Stamp>> {
        let records = track::records(&self.image).skip(1).flatten();
        let mut stamps: Vec<Option<Stamp>> = Vec::new();
        for stamp in records.map(|record| Stamp::read(record.data)) {
            if !stamps.contains(&stamp) {
                stamps.push(stamp);
            }
        }
        stamps
    }
}

/// What is to be said of a track.
enum Verdict {
    /// It holds this write, whole.
    Holds(u64),
    /// It holds a part of an unfinished write, and else what it should.
    Half,
    Wrong(String),
}

impl Judge<'_> {
    fn hear(&mut self, testimony: &mut Testimony, located: &[Located]) -> Result<()> {
        let (writer, name) = (testimony.number, testimony.name.clone());
        let (stayed, varies) = (testimony.stayed, testimony.varies);
        for (&(data_set, number), expected) in &mut testimony.tracks {
            let data_set = &located[usize::from(data_set)];
            // Nothing was promised of it.
            let Some(done) = expected.done else { continue };
            self.proof.written_track_count += 1;
            let Some((volser, at)) = data_set.track(number) else {
                let words = format!("{} has no track {number} any more", data_set.name);
                self.proof.violations.push(words);
                continue;
            };
            let volume = &*self.volumes[&volser];
            let mut image = vec![0; volume.slot_size()];
            volume.read(at, &mut image)?;
            let seen = Seen { data_set, number, varies, at, volume, image };
            let mut verdict = self.judge(&seen, writer, expected)?;
            if stayed && !expected.unfinished.is_empty() && !self.sources.is_empty() {
                let place = testimony.data_sets.iter().find(|(name, _)| *name == data_set.name);
                let place = place.map_or("", |(_, place)| place);
                if let Some(words) = self.differs_from_source(&seen, place)? {
                    verdict = Verdict::Wrong(words);
                }
            }
            match verdict {
                Verdict::Holds(write) => {
                    expected.found = Some(write);
                    self.proof.unfinished_track_count += u64::from(write > done);
                }
                Verdict::Half => {
                    expected.found = Some(done);
                    self.proof.half_written_count += 1;
                }
                Verdict::Wrong(words) => self.proof.violations.push(format!(
                    "{} track {number} ({volser} track {}): the last acknowledged write of {name} is {done}, but {words}",
                    data_set.name, at.0
                )),
            }
        }
        self.proof.done_count += testimony.done.len() as u64;
        self.proof.unfinished_count += testimony.unfinished_count;
        self.proof.refused_count += testimony.refused_count;
        let is_present = |&&(write, data_set, first, count): &&(u64, u8, u32, u32)| {
            (first..first + count).all(|track| {
                let expected = testimony.tracks.get(&(data_set, track));
                expected.is_some_and(|expected| expected.found >= Some(write))
            })
        };
        self.proof.present_count += testimony.done.iter().filter(is_present).count() as u64;
        Ok(())
    }

    fn judge(&self, seen: &Seen<'_>, writer: u32, expected: &Expected) -> Result<Verdict> {
        let stamps = seen.stamps();
        if let [Some(stamp)] = stamps[..] {
            let is_own = stamp.writer == writer && stamp.track == seen.number;
            if is_own && same(&seen.image, &seen.image_of(writer, stamp.write)?) {
                return Ok(whole(stamp.write, expected));
            }
        }
        // What was there before an unfinished write, and the writes themselves: each byte must be of one of them.
        let mut possible = Vec::new();
        for &write in expected.done.iter().chain(&expected.unfinished) {
            possible.push(seen.image_of(writer, write)?);
        }
        let length = length(&possible[0]);
        let is_mixed = !expected.unfinished.is_empty()
            && (0..length).all(|at| possible.iter().any(|image| image[at] == seen.image[at]));
        if is_mixed {
            return Ok(Verdict::Half);
        }
        let described: Vec<String> = stamps
            .iter()
            .map(|stamp| match stamp {
                Some(stamp) if stamp.track == seen.number => format!("write {}", stamp.write),
                Some(stamp) => format!("write {} of track {}", stamp.write, stamp.track),
                None => "what nobody wrote".into(),
            })
            .collect();
        Ok(Verdict::Wrong(match &described[..] {
            [] => "it holds nothing".into(),
            [one] => format!("it holds {one}, torn or damaged"),
            several => format!("it is torn: it holds parts of {}", several.join(", ")),
        }))
    }

    /// How a track differs from what is on the source, if it does.
    fn differs_from_source(&self, seen: &Seen<'_>, place: &str) -> Result<Option<String>> {
        let damaged = || Error::new(Reason::EndOfData, format!("'{place}' is no place"));
        let mut first = 0;
        for (volser, extent) in read_place(place).ok_or_else(damaged)? {
            let within = seen.number - first;
            if within >= extent.track_count {
                first += extent.track_count;
                continue;
            }
            let Some(source) = self.sources.get(&volser) else { return Ok(None) };
            let at = extent.first.plus(within);
            let mut image = vec![0; source.slot_size()];
            source.read(at, &mut image)?;
            let digests = (
                track::digest(&image, source.place(at)),
                track::digest(&seen.image, seen.volume.place(seen.at)),
            );
            let is_same = matches!(&digests, (Ok(source), Ok(target)) if source == target);
            return Ok((!is_same).then(|| {
                format!(
                    "it is not as on the source, {volser} track {}, after a write that never ended",
                    at.0
                )
            }));
        }
        Ok(None)
    }
}

/// What is to be said of a track that holds one write, whole.
fn whole(write: u64, expected: &Expected) -> Verdict {
    if expected.done == Some(write) || expected.unfinished.contains(&write) {
        return Verdict::Holds(write);
    }
    Verdict::Wrong(if expected.refused.contains(&write) {
        format!("it holds write {write}, which was refused")
    } else if Some(write) < expected.done {
        format!("it holds the older write {write}")
    } else {
        format!("it holds write {write}, which was never begun")
    })
}

/// The length of an image, with its end marker.
pub fn length(image: &[u8]) -> usize {
    let last = track::records(image).flatten().last();
    last.map_or(0, |record| record.data_range().end + track::END_MARKER.len())
}

/// Whether two images are the same; what lies behind the end marker belongs to nobody.
pub fn same(image: &[u8], other: &[u8]) -> bool {
    let length = length(other);
    image.get(..length) == other.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::ledger::Head;

    fn testimony(entries: &[(Kind, u64)]) -> Testimony {
        let head = Head { image: "W1".into(), share: (0, 1), varies: false, data_sets: vec![] };
        let entry = |&(kind, write)| Entry {
            kind,
            data_set: 0,
            first: 7,
            count: 2,
            write,
            incarnation: 1,
            time_us: 0,
        };
        Testimony::of(Ledger { head, entries: entries.iter().map(entry).collect() })
    }

    fn said(verdict: Verdict) -> String {
        match verdict {
            Verdict::Holds(write) => format!("holds {write}"),
            Verdict::Half => "half".into(),
            Verdict::Wrong(words) => words,
        }
    }

    #[test]
    fn what_a_track_may_hold_follows_from_the_ledger() {
        use Kind::{Begun, Done, Failed, Refused};
        let testimony = testimony(&[
            (Begun, 1),
            (Done, 1),
            // It died here, and began again.
            (Begun, 2),
            (Begun, 3),
            (Done, 3),
            (Begun, 4),
            (Failed, 4),
            (Begun, 5),
            (Refused, 5),
            (Begun, 6),
        ]);
        assert_eq!(testimony.tracks.len(), 2);
        let expected = &testimony.tracks[&(0, 8)];
        assert_eq!((expected.done, &expected.unfinished[..]), (Some(3), &[4, 6][..]));
        assert_eq!((testimony.done.len(), testimony.refused_count), (2, 1));
        assert_eq!(testimony.unfinished_count, 3);
        for (write, verdict) in [
            (1, "it holds the older write 1"),
            (2, "it holds the older write 2"),
            (3, "holds 3"),
            (4, "holds 4"),
            (5, "it holds write 5, which was refused"),
            (6, "holds 6"),
            (7, "it holds write 7, which was never begun"),
        ] {
            assert_eq!(said(whole(write, expected)), verdict);
        }
    }
}
