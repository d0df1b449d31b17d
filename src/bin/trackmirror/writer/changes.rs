//! The allocator's own record of what it changed, and what follows from it.
//!
//! One line of text for each step of a change: `12 begun create LIVE.NEW OLD001 5`, later `12 done create LIVE.NEW OLD001 5`;
//! `failed` where nothing was changed. What the data sets hold follows from the lines alone: an allocator fills each track
//! that it adds once, with a stamp that tells the number of the change, the place of the track, and the name that the
//! data set had.

use super::broken;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use trackmirror::{DsName, Error, Result, Volser};

/// Something that is done to the allocation of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Allocates and catalogs it, and fills its tracks.
    Create { name: DsName, volser: Volser, track_count: u32 },
    /// Scratches it, and makes another one under its name.
    Again { name: DsName, volser: Volser, track_count: u32 },
    /// Adds tracks behind the `behind` ones that it has, and fills them: on the volume of its last part, or on one that
    /// has no part of it yet.
    Extend { name: DsName, volser: Volser, track_count: u32, behind: u32 },
    /// Gives back what lies behind so many tracks, which is within the last part.
    Release { name: DsName, track_count: u32 },
    /// Uncatalogs and scratches it.
    Delete { name: DsName },
    /// Gives it another name, in the VTOCs and in the catalog.
    Rename { name: DsName, to: DsName },
    /// Changes an attribute.
    Touch { name: DsName },
}

impl Change {
    /// Every name that it is about.
    pub fn names(&self) -> Vec<DsName> {
        match *self {
            Change::Rename { name, to } => vec![name, to],
            Change::Create { name, .. }
            | Change::Again { name, .. }
            | Change::Extend { name, .. }
            | Change::Release { name, .. }
            | Change::Delete { name }
            | Change::Touch { name } => vec![name],
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Create { name, volser, track_count } => {
                write!(f, "create {name} {volser} {track_count}")
            }
            Change::Again { name, volser, track_count } => {
                write!(f, "again {name} {volser} {track_count}")
            }
            Change::Extend { name, volser, track_count, behind } => {
                write!(f, "extend {name} {volser} {track_count} {behind}")
            }
            Change::Release { name, track_count } => write!(f, "release {name} {track_count}"),
            Change::Delete { name } => write!(f, "delete {name}"),
            Change::Rename { name, to } => write!(f, "rename {name} {to}"),
            Change::Touch { name } => write!(f, "touch {name}"),
        }
    }
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Change, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let name = |at: usize| words[at].parse::<DsName>().map_err(|error| error.to_string());
        let volser = |at: usize| words[at].parse::<Volser>().map_err(|error| error.to_string());
        let number = |at: usize| words[at].parse::<u32>().map_err(|error| error.to_string());
        Ok(match (words.first().copied().unwrap_or_default(), words.len()) {
            ("create", 4) => {
                Change::Create { name: name(1)?, volser: volser(2)?, track_count: number(3)? }
            }
            ("again", 4) => {
                Change::Again { name: name(1)?, volser: volser(2)?, track_count: number(3)? }
            }
            ("extend", 5) => Change::Extend {
                name: name(1)?,
                volser: volser(2)?,
                track_count: number(3)?,
                behind: number(4)?,
            },
            ("release", 3) => Change::Release { name: name(1)?, track_count: number(2)? },
            ("delete", 2) => Change::Delete { name: name(1)? },
            ("rename", 3) => Change::Rename { name: name(1)?, to: name(2)? },
            ("touch", 2) => Change::Touch { name: name(1)? },
            _ => return Err(format!("'{text}' is no change of an allocation")),
        })
    }
}

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Begun,
    Done,
    /// It was refused before anything was changed.
    Failed,
}

impl Stage {
    const WORDS: [(Stage, &str); 3] =
        [(Stage::Begun, "begun"), (Stage::Done, "done"), (Stage::Failed, "failed")];
}

/// The record, as far as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub lines: Vec<(u64, Stage, Change)>,
}

/// What a track that the allocator has filled holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The number of the change that added it.
    pub write: u64,
    /// The name that the data set had then.
    pub name: DsName,
}

/// A data set, as the record tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its tracks by their number in the data set; those that are not there are somebody else's.
    pub tracks: BTreeMap<u32, Filled>,
    /// How many it has in all.
    pub track_count: u32,
    /// The allocator made it.
    pub is_own: bool,
}

impl Record {
    /// Reads it. A line that was just being written is left out.
    pub fn read(path: &Path) -> Result<Record> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|error| Error::io(path.display(), &error))?,
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(|line| {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_default();
            let (number, stage, change) = (word(), word(), word());
            let stage = Stage::WORDS.iter().find(|(_, name)| *name == stage);
            let parsed = number.parse().ok().zip(stage).zip(change.parse().ok());
            let damaged = || broken(&format!("'{line}' is no line of an allocator's record"));
            parsed
                .map(|((number, (stage, _)), change)| (number, *stage, change))
                .ok_or_else(damaged)
        });
        Ok(Record { lines: lines.collect::<Result<_>>()? })
    }

    /// The number of the last change that was begun; 0 if there is none.
    pub fn last(&self) -> u64 {
        self.lines.last().map_or(0, |(number, _, _)| *number)
    }

    /// The change that was begun and did not end.
    pub fn unfinished(&self) -> Option<&Change> {
        self.lines
            .last()
            .filter(|(_, stage, _)| *stage == Stage::Begun)
            .map(|(_, _, change)| change)
    }

    /// The changes that were done, with their numbers.
    pub fn done(&self) -> impl Iterator<Item = (u64, &Change)> {
        self.lines
            .iter()
            .filter(|(_, stage, _)| *stage == Stage::Done)
            .map(|(number, _, change)| (*number, change))
    }

    /// The data sets that follow, and the names that are gone.
    pub fn outcome(&self) -> (BTreeMap<DsName, Known>, Vec<DsName>) {
        let (mut known, mut gone) = (BTreeMap::<DsName, Known>::new(), Vec::new());
        for (write, change) in self.done() {
            let fill = |name: DsName, of: &mut Known, behind: u32, count: u32| {
                let filled = Filled { write, name };
                of.tracks.extend((behind..behind + count).map(|track| (track, filled)));
                of.track_count = behind + count;
            };
            match *change {
                Change::Create { name, track_count, .. }
                | Change::Again { name, track_count, .. } => {
                    let mut new = Known { is_own: true, ..Known::default() };
                    fill(name, &mut new, 0, track_count);
                    known.insert(name, new);
                }
                Change::Extend { name, track_count, behind, .. } => {
                    fill(name, known.entry(name).or_default(), behind, track_count);
                }
                Change::Release { name, track_count } => {
                    let of = known.entry(name).or_default();
                    of.tracks.retain(|track, _| *track < track_count);
                    of.track_count = track_count;
                }
                Change::Delete { name } => {
                    known.remove(&name);
                }
                Change::Rename { name, to } => {
                    if let Some(of) = known.remove(&name) {
                        known.insert(to, of);
                    }
                }
                Change::Touch { .. } => {}
            }
            gone.extend(change.names());
        }
        gone.sort();
        gone.dedup();
        gone.retain(|name| !known.contains_key(name));
        (known, gone)
    }
}

/// A record that is written; nobody else writes it meanwhile.
#[derive(Debug)]
pub struct Recorder {
    file: File,
}

impl Recorder {
    /// Goes on with a record, or begins it: with what is in it already. Whoever has it is waited for.
    pub fn open(path: &Path) -> Result<(Recorder, Record)> {
        let io = |error: std::io::Error| Error::io(path.display(), &error);
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path).map_err(io)?;
        file.lock().map_err(io)?;
        Ok((Recorder { file }, Record::read(path)?))
    }

    pub fn put(&self, number: u64, stage: Stage, change: &Change) -> Result<()> {
        let word = Stage::WORDS.iter().find(|(of, _)| *of == stage).map_or("", |(_, word)| word);
        let line = format!("{number} {word} {change}\n");
        let written = (&self.file).write_all(line.as_bytes());
        written.map_err(|error| Error::io("the allocator's record", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str) -> Change {
        let change: Change = text.parse().unwrap();
        assert_eq!(change.to_string(), text);
        change
    }

    #[test]
    fn what_was_recorded_comes_back_and_tells_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let (recorder, before) = Recorder::open(&path).unwrap();
        assert_eq!(before, Record::default());
        let changes = [
            "create A.ONE OLD001 3",
            "extend A.ONE OLD002 2 3",
            "rename A.ONE A.TWO",
            "release A.TWO 4",
            "create A.GONE OLD001 1",
            "delete A.GONE",
            "extend A.OTHERS OLD001 2 10",
            "touch A.TWO",
            "create A.THREE OLD001 2",
            "again A.THREE OLD002 1",
        ];
        for (text, number) in changes.iter().zip(1..) {
            recorder.put(number, Stage::Begun, &change(text)).unwrap();
            recorder.put(number, Stage::Done, &change(text)).unwrap();
        }
        recorder.put(11, Stage::Begun, &change("delete A.TWO")).unwrap();
        (&recorder.file).write_all(b"11 do").unwrap();
        let record = Record::read(&path).unwrap();
        assert_eq!((record.last(), record.unfinished()), (11, Some(&change("delete A.TWO"))));
        let (known, gone) = record.outcome();
        let name = |text: &str| text.parse::<DsName>().unwrap();
        assert_eq!(gone, [name("A.GONE"), name("A.ONE")]);
        let writes = |text: &str| -> Vec<(u32, u64)> {
            let tracks = &known[&name(text)].tracks;
            tracks.iter().map(|(track, filled)| (*track, filled.write)).collect()
        };
        assert_eq!(writes("A.TWO"), [(0, 1), (1, 1), (2, 1), (3, 2)]);
        assert_eq!(known[&name("A.TWO")].tracks[&3].name, name("A.ONE"));
        assert_eq!((known[&name("A.TWO")].track_count, known[&name("A.TWO")].is_own), (4, true));
        assert_eq!(writes("A.OTHERS"), [(10, 7), (11, 7)]);
        assert!(!known[&name("A.OTHERS")].is_own);
        assert_eq!(writes("A.THREE"), [(0, 10)]);
        assert_eq!(known.len(), 3);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "create A.B", "create A.B OLD001 x", "delete", "eat A.B"] {
            assert!(text.parse::<Change>().is_err(), "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        std::fs::write(&path, "1 done delete A.B\n1 eaten delete A.B\n").unwrap();
        assert!(Record::read(&path).is_err());
        assert_eq!(Record::read(&folder.path().join("none")).unwrap(), Record::default());
    }
}
