//! A writer's own record of what it began and what was acknowledged.
//!
//! One file for each writer, which all its incarnations go on with: a page of text, then entries of 32 bytes, each written
//! by one call. So an entry lies within one page of the file, and is there whole or not at all, whenever the process is
//! killed. It is not flushed: the machine is supposed to live.
//!
//! | bytes | of an entry (numbers big-endian) |
//! |---|---|
//! | 1 | what happened |
//! | 1 | which data set |
//! | 2 | how many tracks |
//! | 4 | the first track, from the data set's first one; when it was opened: where the data sets lay, as a digest |
//! | 8 | the number of the write |
//! | 4 | the incarnation |
//! | 8 | when, in microseconds since 1970 |
//! | 4 | CRC-32C of the bytes before |

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use trackmirror::bytes::{array, be16, crc32c};
use trackmirror::clock::{Clock, SystemClock};
use trackmirror::{DsName, Error, Reason, Result};

const MAGIC: &str = "trackmirror writer's ledger 1";
const HEAD: usize = 4096;
const ENTRY: usize = 32;

/// What an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The data sets were opened.
    Opened = b'O',
    /// A write is about to begin.
    Begun = b'B',
    /// It was acknowledged.
    Done = b'D',
    /// It was refused, because the tracks are sealed: it did not happen.
    Refused = b'R',
    /// It failed; what became of it is not known.
    Failed = b'F',
    /// The data sets were closed.
    Closed = b'C',
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    pub data_set: u8,
    pub first: u32,
    pub count: u16,
    pub write: u64,
    pub incarnation: u32,
    pub time_us: u64,
}

impl Entry {
    fn to_bytes(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        (bytes[0], bytes[1]) = (self.kind as u8, self.data_set);
        bytes[2..4].copy_from_slice(&self.count.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.first.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.write.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.incarnation.to_be_bytes());
        bytes[20..28].copy_from_slice(&self.time_us.to_be_bytes());
        let crc = crc32c(0, &bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Entry> {
        let kinds =
            [Kind::Opened, Kind::Begun, Kind::Done, Kind::Refused, Kind::Failed, Kind::Closed];
        let kind = kinds.into_iter().find(|&kind| kind as u8 == bytes[0])?;
        let is_whole = crc32c(0, &bytes[..28]).to_be_bytes() == bytes[28..];
        is_whole.then(|| Entry {
            kind,
            data_set: bytes[1],
            count: be16(bytes, 2),
            first: u32::from_be_bytes(array(bytes, 4)),
            write: u64::from_be_bytes(array(bytes, 8)),
            incarnation: u32::from_be_bytes(array(bytes, 16)),
            time_us: u64::from_be_bytes(array(bytes, 20)),
        })
    }
}

/// What is the same in all incarnations of a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The image that it is.
    pub image: String,
    /// Its number, from 0, and how many writers there are.
    pub share: (u32, u32),
    /// Whether its tracks have different numbers of blocks.
    pub varies: bool,
    /// Its data sets, and where each lay when the first incarnation opened it.
    pub data_sets: Vec<(DsName, String)>,
}

impl Head {
    fn to_page(&self) -> Option<[u8; HEAD]> {
        let (number, of) = self.share;
        let (image, varies) = (&self.image, self.varies);
        let mut text = format!("{MAGIC}\nimage={image}\nshare={number}/{of}\nvaries={varies}\n");
        for (name, place) in &self.data_sets {
            text += &format!("data_set={name} {place}\n");
        }
        let mut page = [b'\n'; HEAD];
        page.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(page)
    }

    fn from_page(page: &[u8]) -> Option<Head> {
        let text = std::str::from_utf8(page).ok()?;
        let mut lines = text.trim_end().lines();
        (lines.next()? == MAGIC).then_some(())?;
        let image = lines.next()?.strip_prefix("image=")?.to_string();
        let (number, of) = lines.next()?.strip_prefix("share=")?.split_once('/')?;
        let share = (number.parse().ok()?, of.parse().ok()?);
        let varies = lines.next()?.strip_prefix("varies=")?.parse().ok()?;
        let data_sets = lines.map(|line| {
            let (name, place) = line.strip_prefix("data_set=")?.split_once(' ')?;
            Some((name.parse().ok()?, place.to_string()))
        });
        Some(Head { image, share, varies, data_sets: data_sets.collect::<Option<_>>()? })
    }
}

/// A whole ledger, as it was read.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub head: Head,
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// Reads it. An entry that its writer was just writing is left out.
    pub fn read(path: &Path) -> Result<Ledger> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| Error::io(path.display(), &error))?;
        let damaged = |at: usize| {
            let why = format!("{} is no ledger of a writer at byte {at}", path.display());
            Error::new(Reason::EndOfData, why)
        };
        let head = bytes.get(..HEAD).and_then(Head::from_page).ok_or_else(|| damaged(0))?;
        let entries = bytes[HEAD..].chunks_exact(ENTRY).enumerate().map(|(number, bytes)| {
            Entry::from_bytes(bytes).ok_or_else(|| damaged(HEAD + number * ENTRY))
        });
        Ok(Ledger { head, entries: entries.collect::<Result<_>>()? })
    }
}

/// A ledger that is written.
#[derive(Debug)]
pub struct Pen {
    file: File,
    incarnation: u32,
}

impl Pen {
    /// Goes on with a ledger, or begins it: with what is in it already.
    ///
    /// Error: [`Reason::BadRequest`] if it is that of another writer.
    pub fn open(path: &Path, head: &Head) -> Result<(Pen, Vec<Entry>)> {
        let io = |error: std::io::Error| Error::io(path.display(), &error);
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length < HEAD as u64 {
            let page = head.to_page().ok_or_else(|| {
                Error::new(Reason::BadRequest, "too many data sets for one writer's ledger")
            })?;
            file.set_len(0).and_then(|()| file.write_all(&page)).map_err(io)?;
            return Ok((Pen { file, incarnation: 1 }, Vec::new()));
        }
        let before = Ledger::read(path)?;
        let names = |head: &Head| head.data_sets.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let key = |head: &Head| (head.image.clone(), head.share, head.varies);
        let same = key(&before.head) == key(head);
        if !same || names(&before.head) != names(head) {
            let why = format!(
                "{} is the ledger of {} as writer {:?}; give another one",
                path.display(),
                before.head.image,
                before.head.share
            );
            return Err(Error::new(Reason::BadRequest, why));
        }
        file.set_len((HEAD + before.entries.len() * ENTRY) as u64).map_err(io)?;
        let last = before.entries.iter().map(|entry| entry.incarnation).max().unwrap_or(0);
        Ok((Pen { file, incarnation: last + 1 }, before.entries))
    }

    /// Which life of the writer this is.
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Writes an entry; incarnation and time are filled in.
    pub fn put(&self, entry: Entry) -> Result<()> {
        let time_us = SystemClock.now().as_micros() as u64;
        let entry = Entry { incarnation: self.incarnation, time_us, ..entry };
        let written = (&self.file).write_all(&entry.to_bytes());
        written.map_err(|error| Error::io("the writer's ledger", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let data_sets = vec![("A.B".parse().unwrap(), "OLD001:5+3".to_string())];
        Head { image: "W1".into(), share: (1, 2), varies: true, data_sets }
    }

    fn entry(kind: Kind, write: u64) -> Entry {
        Entry { kind, data_set: 0, first: 7, count: 2, write, incarnation: 0, time_us: 0 }
    }

    #[test]
    fn what_was_written_comes_back_in_the_next_life() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (pen, before) = Pen::open(&path, &head()).unwrap();
        assert!(before.is_empty());
        pen.put(entry(Kind::Begun, 1)).unwrap();
        pen.put(entry(Kind::Done, 1)).unwrap();
        // It was killed within an entry.
        (&pen.file).write_all(&[b'B'; 9]).unwrap();
        assert_eq!(Ledger::read(&path).unwrap().entries.len(), 2);
        drop(pen);
        let (pen, before) = Pen::open(&path, &head()).unwrap();
        assert_eq!(
            before.iter().map(|entry| entry.kind).collect::<Vec<_>>(),
            [Kind::Begun, Kind::Done]
        );
        assert_eq!((before[0].incarnation, pen.incarnation()), (1, 2));
        pen.put(entry(Kind::Refused, u64::MAX)).unwrap();
        let ledger = Ledger::read(&path).unwrap();
        assert_eq!(ledger.head, head());
        let last = ledger.entries[2];
        assert_eq!(
            (last.kind, last.first, last.count, last.write),
            (Kind::Refused, 7, 2, u64::MAX)
        );
        assert_eq!(last.incarnation, 2);
    }

    #[test]
    fn anything_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (pen, _) = Pen::open(&path, &head()).unwrap();
        pen.put(entry(Kind::Begun, 1)).unwrap();
        let other = Head { share: (0, 2), ..head() };
        assert_eq!(Pen::open(&path, &other).unwrap_err().reason(), Reason::BadRequest);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEAD + 8] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Ledger::read(&path).unwrap_err().reason(), Reason::EndOfData);
        std::fs::write(&path, [b'x'; HEAD]).unwrap();
        assert_eq!(Ledger::read(&path).unwrap_err().reason(), Reason::EndOfData);
    }
}
