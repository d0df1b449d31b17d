//! Data sets on a volume that `dasdload` made are found through its catalog, moved by the command, and found through
//! the catalog again: data sets of 1, 3, 4 and 16 extents and on 1, 2 and 6 volumes, combined to one extent, moved
//! extent for extent, and split over several targets.
//!
//! What `dasdload` cannot make (it gives every data set one extent) the library adds: it allocates the extents, writes
//! tracks whose content follows from a seed, and catalogs them. The tools of the emulator judge what they can read:
//! `dasdseq`, `dasdpdsu` and `dasdls` know nothing of this library. The rest is compared track by track.

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use trackmirror::Reason;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::name::{DsName, Volser};
use trackmirror::track;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{DataSetDscbs, NewDataSet, SpaceManager, Vtoc};

const LRECL: usize = 80;
const BLKSIZE: usize = 3120;
/// Blocks of that size on a track of a 3350.
const BLOCKS_PER_TRACK: usize = 5;
/// Blocks on the last track of a data set that a test makes; an end-of-file record follows them.
const BLOCKS_ON_LAST_TRACK: usize = 2;
/// The volume that `dasdload` loads, with the catalog.
const LOADED: &str = "LOAD01";

/// A folder with volume images, each named after its volume.
struct World {
    folder: TempDir,
}

impl World {
    /// A folder with LOAD01: `dasdload` makes it, with a CVOL and with these data sets (control lines).
    fn load(data_sets: &[&str]) -> World {
        let world = World { folder: support::folder() };
        world.dasdload(LOADED, &[&["sysctlg cvol trk 4 0 0"], data_sets].concat());
        world
    }

    /// A volume of 40 cylinders that `dasdload` makes.
    fn dasdload(&self, volser: &str, data_sets: &[&str]) {
        let control = self.path(&format!("{volser}.txt"));
        let data_sets = data_sets.join("\n");
        fs::write(&control, format!("{volser} 3350 40\n{data_sets}\nsysvtoc vtoc trk 3\n"))
            .unwrap();
        support::tool("dasdload", [control.as_os_str(), self.image(volser).as_os_str()]);
    }

    /// An empty volume that the command initialises.
    fn init(&self, volser: &str, cylinders: u32) {
        let arguments = ["--device", "3350", "--cylinders", &cylinders.to_string()];
        let image = self.image(volser);
        let arguments = [OsStr::new("init"), image.as_os_str()]
            .into_iter()
            .chain(arguments.map(OsStr::new))
            .chain(["--volser", volser].map(OsStr::new));
        assert_eq!(self.trackmirror(arguments).0, 0);
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn image(&self, volser: &str) -> PathBuf {
        self.path(&format!("{volser}.ckd"))
    }

    fn open(&self, volser: &str, access: Access) -> Arc<dyn Volume> {
        volume::open(&self.image(volser), access).unwrap()
    }

    fn catalog(&self, access: Access) -> CvolCatalog {
        CvolCatalog::find_on(self.open(LOADED, access)).unwrap().expect("dasdload made a SYSCTLG")
    }

    /// The volumes that the catalog has for a name.
    fn cataloged(&self, name: &str) -> Vec<String> {
        let entry = self.catalog(Access::Read).locate(&ds_name(name)).unwrap();
        let entry = entry.unwrap_or_else(|| panic!("{name} is cataloged"));
        entry.volumes.iter().map(|volume| volume.volser.to_string()).collect()
    }

    fn find(&self, volser: &str, name: &str) -> Option<DataSetDscbs> {
        let volume = self.open(volser, Access::Read);
        Vtoc::read(&*volume).unwrap().find(&ds_name(name)).unwrap()
    }

    /// What each track of a data set holds, wherever it lies: digests, over these volumes in order.
    fn digests(&self, volsers: &[String], name: &str) -> Vec<u32> {
        let mut digests = Vec::new();
        for volser in volsers {
            let volume = self.open(volser, Access::Read);
            let found = self.find(volser, name).unwrap_or_else(|| panic!("{name} on {volser}"));
            for track in tracks(&found.extents) {
                let slot = volume.read_track(track).unwrap();
                digests.push(track::digest(&slot, volume.place(track)).unwrap());
            }
        }
        digests
    }

    /// Runs the command; its code and what it printed.
    fn trackmirror(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> (i32, String) {
        let output = support::trackmirror().args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        println!("{text}");
        (output.status.code().expect("it ended by itself"), text)
    }

    /// Migrates by the catalog of LOAD01.
    fn migrate(
        &self,
        mask: &str,
        sources: &[&str],
        targets: &[&str],
        options: &[&str],
    ) -> (i32, String) {
        let mut arguments: Vec<OsString> = ["migrate", mask].map(OsString::from).into();
        let mut give = |option: &str, volser: &str| {
            arguments.extend([option.into(), self.image(volser).into_os_string()]);
        };
        sources.iter().for_each(|volser| give("--volume", volser));
        targets.iter().for_each(|volser| give("--target", volser));
        give("--catalog", LOADED);
        arguments.extend(["--state".into(), self.path("state").into_os_string(), "--yes".into()]);
        arguments.extend(options.iter().map(OsString::from));
        self.trackmirror(arguments)
    }

    /// Migrates, and sees that everything is sound afterwards: the volumes, and the catalog.
    fn migrate_well(&self, mask: &str, sources: &[&str], targets: &[&str], options: &[&str]) {
        assert_eq!(self.migrate(mask, sources, targets, options).0, 0);
        for volser in sources.iter().chain(targets) {
            let (_, text) = self.trackmirror([OsStr::new("check"), self.image(volser).as_os_str()]);
            assert!(text.contains(": nothing found") || text.contains(": 0 errors,"), "{text}");
        }
        assert_eq!(self.catalog(Access::Read).check().unwrap().damage, []);
    }

    /// The records of a sequential data set as `dasdseq` reads them.
    fn dasdseq(&self, volser: &str, name: &str) -> Vec<u8> {
        let mut files = self.unload("dasdseq", volser, name);
        assert_eq!(files.len(), 1, "{name} on {volser}");
        files.remove(0).1
    }

    /// The members of a library as `dasdpdsu` reads them: names and contents.
    fn dasdpdsu(&self, volser: &str, name: &str) -> Vec<(String, Vec<u8>)> {
        self.unload("dasdpdsu", volser, name)
    }

    /// The files that one of the emulator's tools makes of a data set, in the folder where it runs.
    fn unload(&self, tool: &str, volser: &str, name: &str) -> Vec<(String, Vec<u8>)> {
        let folder = support::folder();
        let output = Command::new(tool)
            .args([self.image(volser).as_os_str(), OsStr::new(name)])
            .current_dir(folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{tool} cannot be run, is it installed? {error}"));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{tool} {volser} {name}: {text}");
        let mut files = Vec::new();
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().to_string_lossy().into_owned();
            files.push((name, fs::read(file.path()).unwrap()));
        }
        files.sort();
        files
    }

    /// The data sets of a volume as `dasdls` lists them.
    fn dasdls(&self, volser: &str) -> Vec<String> {
        let listed = support::tool("dasdls", [self.image(volser)]);
        listed.split_whitespace().map(str::to_owned).collect()
    }

    /// Makes a sequential data set with the parts given, seeded by its name, catalogs it, and returns its records.
    fn make(&self, name: &str, parts: &[(&str, Vec<Extent>)]) -> Vec<u8> {
        let track_count: u32 = parts.iter().flat_map(|(_, part)| part).map(|e| e.track_count).sum();
        let mut blocks = Blocks::new(name, track_count as usize);
        for (number, (volser, extents)) in parts.iter().enumerate() {
            let volume = self.open(volser, Access::Exclusive);
            let is_last = number + 1 == parts.len();
            let part_tracks: u32 = extents.iter().map(|extent| extent.track_count).sum();
            let mut format1 = sequential(name, parts[0].0, number as u16 + 1);
            if is_last {
                format1.set_indicators(Format1::DSIND_LAST_VOLUME);
                format1.set_last_used(Some((part_tracks - 1, BLOCKS_ON_LAST_TRACK as u8)));
                let last = [(0, BLKSIZE as u16)].repeat(BLOCKS_ON_LAST_TRACK);
                format1.set_balance(volume.geometry().device.balance(last) as u16);
            }
            let new = NewDataSet { format1, extents: extents.clone() };
            let space = VtocSpaceManager::new(volume.clone());
            let made = space.allocate(&new, &NoJournal).unwrap();
            for track in tracks(&made.extents) {
                blocks.write_track(&*volume, track);
            }
            volume.flush().unwrap();
        }
        let volsers: Vec<&str> = parts.iter().map(|(volser, _)| *volser).collect();
        self.catalog(Access::Exclusive).add(&entry(name, &volsers), &NoJournal).unwrap();
        blocks.records
    }
}

/// The blocks of a sequential data set that fills its tracks, the last one but partly.
struct Blocks {
    records: Vec<u8>,
    track_count: usize,
    tracks_written: usize,
}

impl Blocks {
    fn new(seed: &str, track_count: usize) -> Blocks {
        let mut state = seed.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |state, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        let block_count = (track_count - 1) * BLOCKS_PER_TRACK + BLOCKS_ON_LAST_TRACK;
        let mut records = Vec::with_capacity(block_count * BLKSIZE);
        while records.len() < block_count * BLKSIZE {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            records.extend(state.to_be_bytes());
        }
        Blocks { records, track_count, tracks_written: 0 }
    }

    fn write_track(&mut self, volume: &dyn Volume, track: Track) {
        let first = self.tracks_written * BLOCKS_PER_TRACK;
        let mut blocks: Vec<(&[u8], &[u8])> = self
            .records
            .chunks(BLKSIZE)
            .skip(first)
            .take(BLOCKS_PER_TRACK)
            .map(|block| (&[][..], block))
            .collect();
        self.tracks_written += 1;
        if self.tracks_written == self.track_count {
            assert_eq!(blocks.len(), BLOCKS_ON_LAST_TRACK);
            blocks.push((&[], &[]));
        }
        let mut slot = vec![0; volume.slot_size()];
        track::build(&mut slot, volume.place(track), &blocks).unwrap();
        volume.write(track, &slot).unwrap();
    }
}

fn ds_name(name: &str) -> DsName {
    DsName::parse(name).unwrap()
}

fn tracks(extents: &[Extent]) -> impl Iterator<Item = Track> + '_ {
    extents.iter().flat_map(|extent| (0..extent.track_count).map(|n| extent.first.plus(n)))
}

fn entry(name: &str, volsers: &[&str]) -> CatalogEntry {
    let volume = |volser: &&str| CatalogVolume {
        unit_type: [0x30, 0x50, 0x20, 0x0B],
        volser: Volser::parse(volser).unwrap(),
        file_sequence: 0,
    };
    CatalogEntry { name: ds_name(name), volumes: volsers.iter().map(volume).collect(), dscb: None }
}

fn sequential(name: &str, first_volser: &str, volume_sequence: u16) -> Format1 {
    let mut format1 = Format1::new(ds_name(name));
    format1.set_first_volser(Volser::parse(first_volser).unwrap());
    format1.set_volume_sequence(volume_sequence);
    format1.set_creation_date([123, 0, 200]);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_recfm(0x90);
    format1.set_blksize(BLKSIZE as u16);
    format1.set_lrecl(LRECL as u16);
    format1.set_scal1(0x80);
    format1.set_secondary([0, 0, 5]);
    format1
}

/// So many extents of three tracks each, one track apart, from this track on.
fn apart(first: u32, count: u32) -> Vec<Extent> {
    (0..count).map(|number| Extent::new(Track(first + 4 * number), 3)).collect()
}

fn volsers(volsers: &[&str]) -> Vec<String> {
    volsers.iter().map(|&volser| volser.to_owned()).collect()
}

#[test]
fn what_dasdload_cataloged_is_found_moved_and_found_again() {
    // dasdload catalogs a fixed list of names, SYS1.DUMP among them, and no others.
    let folder = support::folder();
    let file = folder.path().join("records");
    let records = Blocks::new("SYS1.DUMP", 11).records;
    fs::write(&file, &records).unwrap();
    let line = format!("sys1.dump seq {} trk 12 1 0 ps fb 80 3120 0", file.display());
    let world = World::load(&[&line]);
    world.init("TGT001", 40);
    assert_eq!(world.cataloged("SYS1.DUMP"), [LOADED]);
    assert_eq!(world.dasdseq(LOADED, "SYS1.DUMP"), records);
    let before = world.digests(&volsers(&[LOADED]), "SYS1.DUMP");

    world.migrate_well("SYS1.DUMP", &[LOADED], &["TGT001"], &["--verify"]);

    assert_eq!(world.cataloged("SYS1.DUMP"), ["TGT001"]);
    assert_eq!(world.dasdseq("TGT001", "SYS1.DUMP"), records);
    assert_eq!(world.digests(&volsers(&["TGT001"]), "SYS1.DUMP"), before);
    assert!(world.dasdls("TGT001").contains(&"SYS1.DUMP".to_owned()));
    assert!(!world.dasdls(LOADED).contains(&"SYS1.DUMP".to_owned()));
    // The other names that dasdload cataloged stay as they were.
    assert_eq!(world.cataloged("SYS1.LINKLIB"), [LOADED]);
}

#[test]
fn members_of_a_library_are_the_same_for_dasdpdsu() {
    let world = World::load(&["sys1.samplib empty trk 10 1 5 po fb 80 3120 0"]);
    world.init("TGT001", 40);
    let volume = world.open(LOADED, Access::Exclusive);
    let characters = [0xC1, 0xC2, 0xC7];
    support::library::write_members(&volume, &ds_name("SYS1.SAMPLIB"), characters);
    drop(volume);
    let before = world.dasdpdsu(LOADED, "SYS1.SAMPLIB");
    assert_eq!(before.len(), 3);

    world.migrate_well("SYS1.SAMPLIB", &[LOADED], &["TGT001"], &["--verify"]);

    assert_eq!(world.cataloged("SYS1.SAMPLIB"), ["TGT001"]);
    assert_eq!(world.dasdpdsu("TGT001", "SYS1.SAMPLIB"), before);
}

/// LOAD01 with four data sets of 1, 3, 4 and 16 extents, and an empty TGT001: names, extents, records.
fn world_of_extents() -> (World, Vec<(String, u8, Vec<u8>)>) {
    let world = World::load(&[]);
    world.init("TGT001", 40);
    let mut made = Vec::new();
    for (place, count) in [1u32, 3, 4, 16].into_iter().enumerate() {
        let name = format!("TEST.EXTENTS.N{count}");
        let extents = apart(60 + 90 * place as u32, count);
        let records = world.make(&name, &[(LOADED, extents)]);
        assert_eq!(world.dasdseq(LOADED, &name), records);
        made.push((name, count as u8, records));
    }
    (world, made)
}

fn assert_extents(
    world: &World,
    made: &[(String, u8, Vec<u8>)],
    before: &[Vec<u32>],
    combined: bool,
) {
    for ((name, count, records), before) in made.iter().zip(before) {
        assert_eq!(world.cataloged(name), ["TGT001"]);
        assert_eq!(world.find(LOADED, name), None);
        let found = world.find("TGT001", name).expect("it is on the target");
        assert_eq!(found.format1.extent_count(), if combined { 1 } else { *count }, "{name}");
        assert_eq!(&world.digests(&volsers(&["TGT001"]), name), before, "{name}");
        assert_eq!(&world.dasdseq("TGT001", name), records, "{name}");
    }
}

#[test]
fn one_to_sixteen_extents_become_one() {
    let (world, made) = world_of_extents();
    let digests = |(name, ..): &(String, u8, Vec<u8>)| world.digests(&volsers(&[LOADED]), name);
    let before: Vec<_> = made.iter().map(digests).collect();
    world.migrate_well("TEST.EXTENTS.*", &[LOADED], &["TGT001"], &["--mode", "one-primary"]);
    assert_extents(&world, &made, &before, true);
}

#[test]
fn one_to_sixteen_extents_stay_as_many() {
    let (world, made) = world_of_extents();
    let digests = |(name, ..): &(String, u8, Vec<u8>)| world.digests(&volsers(&[LOADED]), name);
    let before: Vec<_> = made.iter().map(digests).collect();
    world.migrate_well("TEST.EXTENTS.*", &[LOADED], &["TGT001"], &["--mode", "extent-for-extent"]);
    assert_extents(&world, &made, &before, false);
}

/// A data set of so many volumes becomes one extent on one volume.
fn assert_combined(volume_count: usize) {
    let name = "TEST.MANY.VOLUMES";
    let world = World::load(&[]);
    world.init("TGT001", 40);
    let sources = [LOADED, "SRC002", "SRC003", "SRC004", "SRC005", "SRC006"];
    let sources = &sources[..volume_count];
    sources[1..].iter().for_each(|volser| world.dasdload(volser, &[]));
    let parts: Vec<(&str, Vec<Extent>)> = sources
        .iter()
        .enumerate()
        .map(|(number, &volser)| (volser, apart(90 + 7 * number as u32, 2 + number as u32)))
        .collect();
    let records = world.make(name, &parts);
    assert_eq!(world.cataloged(name), sources);
    let before = world.digests(&volsers(sources), name);

    world.migrate_well(name, sources, &["TGT001"], &["--mode", "one-primary", "--verify"]);

    assert_eq!(world.cataloged(name), ["TGT001"]);
    let found = world.find("TGT001", name).expect("it is on the target");
    assert_eq!(found.extents.len(), 1);
    assert_eq!(found.format1.volume_sequence(), 1);
    assert_eq!(found.format1.first_volser().to_string(), "TGT001");
    assert_eq!(world.digests(&volsers(&["TGT001"]), name), before);
    assert_eq!(world.dasdseq("TGT001", name), records);
    for volser in sources {
        assert_eq!(world.find(volser, name), None, "{volser}");
    }
}

#[test]
fn one_volume_becomes_one() {
    assert_combined(1);
}

#[test]
fn two_volumes_become_one() {
    assert_combined(2);
}

#[test]
fn six_volumes_become_one() {
    // More than five volumes stand in a volume control block of the catalog.
    assert_combined(6);
}

/// A data set of 60 tracks, and three targets with 25 free tracks in one run each.
fn world_of_small_targets() -> (World, &'static str) {
    let name = "TEST.WIDE";
    let world = World::load(&[]);
    world.make(
        name,
        &[(LOADED, apart(90, 15).into_iter().chain([Extent::new(Track(200), 15)]).collect())],
    );
    for volser in ["TGT001", "TGT002", "TGT003"] {
        world.init(volser, 20);
        support::space::leave_free(
            world.open(volser, Access::Exclusive),
            &[Extent::new(Track(95), 25)],
        );
    }
    (world, name)
}

#[test]
fn a_data_set_is_split_where_no_single_space_is_large_enough() {
    let (world, name) = world_of_small_targets();
    let before = world.digests(&volsers(&[LOADED]), name);
    let targets = ["TGT001", "TGT002", "TGT003"];

    world.migrate_well(name, &[LOADED], &targets, &["--mode", "best-fit", "--verify"]);

    let now = world.cataloged(name);
    assert_eq!(now.len(), 3, "{now:?}");
    assert_eq!(world.find(LOADED, name), None);
    assert_eq!(world.digests(&now, name), before);
    for (number, volser) in now.iter().enumerate() {
        let part = world.find(volser, name).expect("each volume of the entry has its part");
        assert_eq!(usize::from(part.format1.volume_sequence()), number + 1, "{volser}");
        assert_eq!(part.format1.first_volser().to_string(), now[0], "{volser}");
        let is_last = part.format1.indicators() & Format1::DSIND_LAST_VOLUME != 0;
        assert_eq!(is_last, number == 2, "{volser}");
    }
    // The last part ends where the data end.
    let last = world.find(&now[2], name).unwrap();
    let last_tracks: u32 = last.extents.iter().map(|extent| extent.track_count).sum();
    assert_eq!(last.format1.last_used(), Some((last_tracks - 1, BLOCKS_ON_LAST_TRACK as u8)));
}

#[test]
fn one_primary_space_that_nobody_has_is_refused_and_nothing_changes() {
    let (world, name) = world_of_small_targets();
    let images = [LOADED, "TGT001", "TGT002", "TGT003"].map(|volser| world.image(volser));
    let before = images.each_ref().map(|image| fs::read(image).unwrap());
    let targets = ["TGT001", "TGT002", "TGT003"];
    let (code, text) = world.migrate(name, &[LOADED], &targets, &["--mode", "one-primary"]);
    assert_eq!(code, 8);
    assert!(text.contains(name) && text.contains(&format!("[{}]", Reason::NoSpace as u32)));
    for (image, before) in images.iter().zip(&before) {
        assert!(fs::read(image).unwrap() == *before, "{} was changed", image.display());
    }
}

#[test]
fn parts_on_two_volumes_are_split_over_two_others() {
    let name = "TEST.TWO.TO.TWO";
    let world = World::load(&[]);
    world.dasdload("SRC002", &[]);
    world.make(name, &[(LOADED, apart(100, 4)), ("SRC002", apart(90, 5))]);
    for volser in ["TGT001", "TGT002"] {
        world.init(volser, 20);
        support::space::leave_free(
            world.open(volser, Access::Exclusive),
            &[Extent::new(Track(100), 7), Extent::new(Track(150), 8)],
        );
    }
    let before = world.digests(&volsers(&[LOADED, "SRC002"]), name);

    let sources = [LOADED, "SRC002"];
    world.migrate_well(name, &sources, &["TGT001", "TGT002"], &["--mode", "best-fit"]);

    let now = world.cataloged(name);
    assert_eq!(now.len(), 2, "{now:?}");
    assert_eq!(world.digests(&now, name), before);
    // 27 tracks in runs of seven and eight: two extents on each volume.
    for volser in &now {
        let part = world.find(volser, name).unwrap();
        assert_eq!(part.format1.extent_count(), 2, "{volser}");
    }
}
