//! One move of one data set from proposal to release, and who judges whether it is still what it was: its tracks, read
//! here apart from the library's own way of reading them, and what the emulator's tools unload.

#![allow(dead_code)] // Each test uses its own part.

use crate::support::unflushed::Unflushed;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use trackmirror::checkpoint::MemoryStore;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::host::Host;
use trackmirror::migrate::{Migration, MoveOptions, Selection, propose};
use trackmirror::plan::{Mode, PlannedDataSet, Refusal};
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::{DsMask, DsName, Volser};

/// Moves one data set by the images given, which have sources, targets and catalogs. It need not be cataloged.
pub fn migrate(
    images: &[&Path],
    name: DsName,
    sources: &[Volser],
    targets: &[Volser],
    mode: Mode,
    options: MoveOptions,
) -> Result<PlannedDataSet, Refusal> {
    let volumes = volume::open_all(images, Access::Exclusive).unwrap().into_iter();
    let volumes = volumes.map(|volume| Arc::new(Unflushed(volume)) as Arc<dyn Volume>).collect();
    let host = Host::of_volumes(volumes).unwrap();
    let masks = [DsMask::parse(&name.to_string()).unwrap()];
    let selection =
        Selection { masks: &masks, sources, targets, mode, uncataloged: true, slack: 0 };
    let (plan, mut refusals) = propose(&host, &selection).unwrap();
    if let Some(refusal) = refusals.pop() {
        assert!(plan.data_sets.is_empty() && refusals.is_empty());
        return Err(refusal);
    }
    let [planned] = &plan.data_sets[..] else { panic!("{name}: {plan:?}") };
    let planned = planned.clone();
    let mut migration = Migration::new(host, plan, options, MemoryStore::default(), None).unwrap();
    while let Some(verb) = migration.next_verb() {
        migration.perform(verb, 500).unwrap_or_else(|error| panic!("{name}, {verb}: {error}"));
    }
    Ok(planned)
}

/// What the tracks of these extents hold, their own addresses aside, in order.
pub fn contents(volume: &dyn Volume, extents: &[Extent]) -> Vec<Vec<u8>> {
    let tracks = extents
        .iter()
        .flat_map(|extent| (0..extent.track_count).map(|number| Track(extent.first.0 + number)));
    tracks.map(|track| content(volume, track)).collect()
}

/// The bytes of a track up to its end marker, with a mark wherever its own address stands: in the home address, in
/// each count (perhaps with the bit of track overflow), and in the data of R0, where BDAM writes it (FORMATS 7.1, 7.2).
fn content(volume: &dyn Volume, track: Track) -> Vec<u8> {
    const COUNT: usize = 8;
    let heads = u32::from(volume.geometry().heads());
    let (cylinder, head) = ((track.0 / heads) as u16, (track.0 % heads) as u16);
    let own = [cylinder.to_be_bytes(), head.to_be_bytes()].concat();
    let mut bytes = vec![0; volume.slot_size()];
    volume.read(track, &mut bytes).unwrap();
    let mark = |address: &mut [u8]| {
        if address == own {
            address.copy_from_slice(b"HERE");
        } else if address[0] ^ 0x80 == own[0] && address[1..] == own[1..] {
            address.copy_from_slice(b"OVER");
        }
    };
    mark(&mut bytes[1..5]);
    assert_eq!(bytes[1..5], *b"HERE", "the home address of track {}", track.0);
    let mut at = 5;
    while bytes[at..at + COUNT] != [0xFF; COUNT] {
        let (key, data) = (bytes[at + 5], u16::from_be_bytes([bytes[at + 6], bytes[at + 7]]));
        mark(&mut bytes[at..at + 4]);
        if at == 5 && bytes[at + COUNT..at + COUNT + 8] != [0; 8] {
            mark(&mut bytes[at + COUNT..at + COUNT + 4]);
        }
        at += COUNT + usize::from(key) + usize::from(data);
    }
    bytes.truncate(at + COUNT);
    bytes
}

/// Files that a tool unloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unloaded {
    /// The tool.
    pub tool: &'static str,
    files: BTreeMap<OsString, Vec<u8>>,
}

impl Unloaded {
    /// The same data set with what was unloaded from its next volume.
    pub fn followed_by(mut self, next: Unloaded) -> Unloaded {
        for (name, bytes) in next.files {
            self.files.entry(name).or_default().extend(bytes);
        }
        self
    }

    /// All bytes together.
    pub fn byte_count(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }
}

/// What the emulator's tool unloads of a data set; `None` if it cannot read such a data set.
pub fn unload(image: &Path, format1: &Format1, name: DsName) -> Option<Unloaded> {
    let tool = match format1.dsorg() {
        Format1::DSORG_PO => "dasdpdsu",
        // It never ends where the record length is not said.
        Format1::DSORG_PS if format1.lrecl() != 0 => "dasdseq",
        _ => return None,
    };
    let folder = crate::support::folder();
    let output = Command::new(tool)
        .arg(image)
        .arg(name.to_string())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("the emulator's tools are installed (package hercules)");
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_owned(), fs::read(&path).unwrap())
    });
    output.status.success().then(|| Unloaded { tool, files: files.collect() })
}

/// The names that `dasdls` finds on an image.
pub fn listed(image: &Path) -> BTreeSet<String> {
    let text = crate::support::tool("dasdls", [image]);
    text.lines().map(|line| line.trim().to_string()).collect()
}
