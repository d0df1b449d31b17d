//! `trackmirror demo`: the main job, shown on volumes that it makes itself.

use crate::output::{Answer, Failure, Outcome};
use crate::{catalog, check, migrate, verify, vtoc};
use clap::Parser;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trackmirror::bytes::to_ebcdic;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog as _, CatalogEntry, CatalogVolume};
use trackmirror::clock::{Clock, Day, SystemClock};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager};
use trackmirror::{Code, DsName, Error, Reason, Result, Volser, track};

const EXAMPLES: &str = "\
Examples:
  trackmirror demo
  trackmirror demo --dir /tmp/demo

It makes small 3390 volumes with a catalog and data sets in many extents, moves them, and compares the copies. Nothing
outside its folder is touched; remove the folder when you are done.";

/// Show the main job on volumes of its own
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The folder for the volumes; it must not exist
    #[arg(long, value_name = "DIR", default_value = "trackmirror-demo")]
    dir: PathBuf,
}

const CYLINDERS: u32 = 40;
const LRECL: usize = 80;
const RECORDS_PER_BLOCK: usize = 100;

/// A data set of the demonstration: its name, and its extents as first track and number of tracks.
const DATA_SETS: &[(&str, &[(u32, u32)])] = &[
    ("DEMO.LEDGER", &[(15, 20), (60, 7), (75, 13), (110, 5), (150, 25)]),
    ("DEMO.PAYROLL", &[(40, 10), (90, 15), (130, 12)]),
];

/// Makes the volumes, moves the data sets, and tells how to look at the result.
pub fn run(arguments: &Arguments) -> Outcome<Answer> {
    let folder = &arguments.dir;
    std::fs::create_dir(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::new(
            Reason::FileExists,
            format!("{} exists; name another folder with --dir", folder.display()),
        ),
        _ => Error::io(folder.display(), &error),
    })?;
    let file = |name: &str| folder.join(name).display().to_string();
    let (system, old, new) = (file("sys001.ckd"), file("old001.ckd"), file("new001.ckd"));
    let before = file("before.ckd");
    make_volumes(Path::new(&system), Path::new(&old), Path::new(&new))?;
    std::fs::copy(&old, &before).map_err(|error| Error::io(&before, &error))?;

    let mut story = Story { code: Code::Done, text: String::new(), commands: Vec::new() };
    story.tell("Three volumes were made. OLD001 has two data sets in eight extents:");
    story.act(vtoc::run, &["vtoc", "--extents", &old])?;
    story.tell("The catalog on SYS001 says where they are:");
    story.act(catalog::run, &["catalog", &system, "DEMO.**"])?;
    story.tell(
        "They are moved to NEW001, each into one extent, and compared before the catalog is switched and the source is \
         scratched:",
    );
    let state = file("state");
    story.act(migrate::run, &move_words(&old, &new, &system, &state))?;
    story.tell(
        "NEW001 has them now, the catalog says so, OLD001 has its space back, and all is sound:",
    );
    story.act(vtoc::run, &["vtoc", "--extents", &new])?;
    story.act(catalog::run, &["catalog", &system, "DEMO.**"])?;
    story.act(check::run, &["check", "--tracks", "all", &system, &old, &new])?;
    story.tell("A copy of OLD001 from before the move proves that every track arrived:");
    story.act(verify::run, &["verify", "DEMO.**", "--volume", &before, "--target", &new])?;
    story.tell(&format!(
        "Look at the result with the commands above, or with the emulator's tools: dasdls {new}\n\
         What happened, with times, is in {state}/events.log. Remove {} when you are done.",
        folder.display()
    ));
    let json = json!({ "folder": folder, "commands": story.commands });
    Ok(Answer { code: story.code, text: story.text, json })
}

/// The main job.
fn move_words<'a>(old: &'a str, new: &'a str, system: &'a str, state: &'a str) -> Vec<&'a str> {
    let mut words = vec!["migrate", "DEMO.**", "--volume", old, "--target", new];
    words.extend(["--catalog", system, "--verify", "--yes", "--state", state]);
    words
}

/// What is shown: commands, and what they answer.
struct Story {
    code: Code,
    text: String,
    commands: Vec<String>,
}

/// Parses the arguments of one verb.
#[derive(Parser)]
struct Words<A: clap::Args> {
    #[command(flatten)]
    arguments: A,
}

impl Story {
    fn tell(&mut self, text: &str) {
        self.text += &format!("{}{text}\n", if self.text.is_empty() { "" } else { "\n" });
    }

    /// Runs a verb as if it had been typed.
    fn act<A: clap::Args, E: Into<Failure>>(
        &mut self,
        verb: impl Fn(&A) -> std::result::Result<Answer, E>,
        words: &[&str],
    ) -> Outcome<()> {
        let parsed = Words::<A>::try_parse_from(words).map_err(|error| {
            Error::new(Reason::Broken, format!("the demonstration is not up to date: {error}"))
        })?;
        let quote = |word: &&str| match word.contains('*') {
            true => format!("'{word}'"),
            false => (*word).to_string(),
        };
        let quoted: Vec<String> = words.iter().map(quote).collect();
        let command = format!("trackmirror {}", quoted.join(" "));
        let answer = verb(&parsed.arguments).map_err(Into::into)?;
        self.text += &format!("\n$ {command}\n{}", answer.text);
        self.commands.push(command);
        self.code = self.code.max(answer.code);
        Ok(())
    }
}

fn make_volumes(system: &Path, old: &Path, new: &Path) -> Result<()> {
    let system = make_volume(system, "SYS001")?;
    let old = make_volume(old, "OLD001")?;
    make_volume(new, "NEW001")?;
    let catalog = make_catalog(system)?;
    for (name, extents) in DATA_SETS {
        fill(&old, name, extents)?;
        let unit_type = old.geometry().device.unit_type();
        let volumes = vec![CatalogVolume { unit_type, volser: old.volser(), file_sequence: 0 }];
        let entry = CatalogEntry { name: DsName::parse(name)?, volumes, dscb: None };
        catalog.add(&entry, &NoJournal)?;
    }
    Ok(())
}

/// An empty volume.
fn make_volume(path: &Path, volser: &str) -> Result<Arc<dyn Volume>> {
    let device = Device::named("3390")?;
    let geometry = Geometry { device, cylinders: CYLINDERS, slot_size: device.slot_size() };
    let volser = Volser::parse(volser)?;
    let volume: Arc<dyn Volume> = Arc::new(CkdVolume::create(path, geometry, volser)?);
    initialize(volume.as_ref(), volser, None, "DEMO")?;
    Ok(volume)
}

/// An empty catalog of two tracks.
fn make_catalog(volume: Arc<dyn Volume>) -> Result<CvolCatalog> {
    let extents = vec![Extent::new(Track(15), 2)];
    let mut format1 = Format1::new(DsName::parse("SYSCTLG")?);
    format1.set_first_volser(volume.volser());
    format1.set_volume_sequence(1);
    format1.set_creation_date(Day::at(SystemClock.now()).to_bytes());
    format1.set_scal1(0x80);
    let new = NewDataSet { format1, extents: extents.clone() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal)?;
    CvolCatalog::format(volume, extents)
}

/// The attributes of a data set that fills so many tracks.
fn attributes(volume: &dyn Volume, name: &str, track_count: u32) -> Result<Format1> {
    let device = volume.geometry().device;
    let blocks_per_track = device.records_per_track(0, BLKSIZE);
    let written = (0..blocks_per_track).map(|_| (0, BLKSIZE));
    let mut format1 = Format1::new(DsName::parse(name)?);
    format1.set_first_volser(volume.volser());
    format1.set_volume_sequence(1);
    format1.set_creation_date(Day::at(SystemClock.now()).to_bytes());
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_recfm(0x90);
    format1.set_lrecl(LRECL as u16);
    format1.set_blksize(BLKSIZE);
    format1.set_indicators(Format1::DSIND_LAST_VOLUME);
    format1.set_scal1(0x80);
    format1.set_last_used(Some((track_count - 1, blocks_per_track as u8)));
    format1.set_balance(u16::try_from(device.balance(written)).unwrap_or(u16::MAX));
    Ok(format1)
}

const BLKSIZE: u16 = (LRECL * RECORDS_PER_BLOCK) as u16;

/// Allocates a data set and writes all its tracks.
fn fill(volume: &Arc<dyn Volume>, name: &str, extents: &[(u32, u32)]) -> Result<()> {
    let extents: Vec<Extent> =
        extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
    let track_count: u32 = extents.iter().map(|extent| extent.track_count).sum();
    let format1 = attributes(volume.as_ref(), name, track_count)?;
    let new = NewDataSet { format1, extents: extents.clone() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal)?;
    let blocks_per_track = volume.geometry().device.records_per_track(0, BLKSIZE);
    let mut record = 0;
    let mut slot = vec![0; volume.slot_size()];
    for place in extents.iter().flat_map(|extent| extent.first.0..extent.end().0).map(Track) {
        let blocks: Vec<Vec<u8>> =
            (0..blocks_per_track).map(|_| block(name, &mut record)).collect();
        let records: Vec<(&[u8], &[u8])> =
            blocks.iter().map(|block| (&[][..], block.as_slice())).collect();
        track::build(&mut slot, volume.place(place), &records)?;
        volume.write(place, &slot)?;
    }
    volume.flush()
}

/// A block of numbered records in EBCDIC.
fn block(name: &str, record: &mut u32) -> Vec<u8> {
    let mut block = Vec::with_capacity(LRECL * RECORDS_PER_BLOCK);
    for _ in 0..RECORDS_PER_BLOCK {
        *record += 1;
        let text = format!("RECORD {record:08} OF {name}");
        block.extend(format!("{text:<LRECL$}").chars().map(|c| to_ebcdic(c).unwrap_or(0x40)));
    }
    block
}
