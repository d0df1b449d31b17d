//! Every mode of a plan, on real data sets of many extents: one primary request, extent for extent, best fit; extents
//! combined on the data set's own volume; a data set split over volumes none of which could hold it; only the used
//! tracks copied.
//!
//! OS/VS1 wrote them: TEST.SEQ.VB (12 extents), TEST.SEQ.EXT14 (14), TEST.MULTIVOL (16 on one volume and 7 on the next),
//! TEST.K2314.FB (5, in cylinders) and TEST.K3350.FB (1, half of it used). The catalog is on the system's own volume, and
//! follows.

mod moves;
mod support;

use moves::{Unloaded, contents, unload};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::volser;
use tempfile::TempDir;
use trackmirror::catalog::{Catalog, CatalogEntry, cvol::CvolCatalog};
use trackmirror::copy::write_empty;
use trackmirror::dscb::{Dscb, Format1};
use trackmirror::geometry::{Extent, Geometry, Track};
use trackmirror::migrate::MoveOptions;
use trackmirror::plan::{Mode, PlannedDataSet, Refusal};
use trackmirror::track::{self, NullFormat};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::check::{Severity, Tracks, check};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{DataSetDscbs, FreeSpace, NewDataSet, SpaceManager, Vtoc, init};
use trackmirror::{DsName, Reason};

const CATALOG: &str = "vs1-dliba1-ready";
const MULTIVOL: (&str, &[&str]) = ("TEST.MULTIVOL", &["vs1-clna01", "vs1-clna02"]);
const VB: (&str, &[&str]) = ("TEST.SEQ.VB", &["vs1-clna01"]);
const EXT14: (&str, &[&str]) = ("TEST.SEQ.EXT14", &["vs1-clna01"]);
const K2314: (&str, &[&str]) = ("TEST.K2314.FB", &["vs1-clnc01"]);
const K3350: (&str, &[&str]) = ("TEST.K3350.FB", &["vs1-clnb01"]);

/// The F1 fields that follow the last used track: DS1VOLSQ, DS1LSTAR, whether DS1TRBAL is what it was at the end of the
/// data set (else it is zero), and whether the part is marked as the last.
type Place = (u16, Option<(u32, u8)>, bool, bool);

/// Copies of the volumes of one data set and of the catalog, and targets.
struct World {
    folder: TempDir,
    name: DsName,
    sources: Vec<PathBuf>,
    catalog: PathBuf,
    targets: Vec<PathBuf>,
    before: Before,
}

/// A data set as the system left it.
struct Before {
    parts: Vec<DataSetDscbs>,
    contents: Vec<Vec<u8>>,
    unloaded: Option<Unloaded>,
}

impl World {
    fn new((name, volumes): (&str, &[&str])) -> Option<World> {
        let (folder, mut images) = support::copies(&[volumes, &[CATALOG]].concat())?;
        let catalog = images.pop().unwrap();
        let name = DsName::parse(name).unwrap();
        let parts: Vec<DataSetDscbs> =
            images.iter().map(|image| find(image, name).expect("it is there")).collect();
        let contents = images.iter().zip(&parts).flat_map(|(image, part)| {
            contents(&*volume::open(image, Access::Read).unwrap(), &part.extents)
        });
        let before = Before {
            contents: contents.collect(),
            unloaded: unload_all(&images, &parts, name),
            parts: parts.clone(),
        };
        Some(World { folder, name, sources: images, catalog, targets: Vec::new(), before })
    }

    /// Adds a target of so many cylinders like the source, on which only these runs of tracks are free, if any are said.
    fn with_target(mut self, serial: &str, cylinders: u32, free: &[(u32, u32)]) -> World {
        let path = self.folder.path().join(serial);
        let like = volume::open(&self.sources[0], Access::Read).unwrap().geometry();
        let target =
            CkdVolume::create(&path, Geometry { cylinders, ..like }, volser(serial)).unwrap();
        init::initialize(&target, volser(serial), None, "").unwrap();
        if !free.is_empty() {
            leave_free(Arc::new(target), free);
        }
        self.targets.push(path);
        self
    }

    fn migrate(&self, mode: Mode, options: MoveOptions) -> Result<PlannedDataSet, Refusal> {
        let targets = if self.targets.is_empty() { &self.sources } else { &self.targets };
        let serials = |images: &[PathBuf]| -> Vec<_> {
            let serial = |image: &PathBuf| volume::open(image, Access::Read).unwrap().volser();
            images.iter().map(serial).collect()
        };
        let images = self.sources.iter().chain([&self.catalog]).chain(&self.targets);
        let images: Vec<&Path> = images.map(PathBuf::as_path).collect();
        moves::migrate(
            &images,
            self.name,
            &serials(&self.sources),
            &serials(targets),
            mode,
            options,
        )
    }

    /// Moves it, and sees that it arrived whole and that every volume is sound; gives back its parts.
    fn moved(&self, mode: Mode) -> Vec<DataSetDscbs> {
        let planned = self.migrate(mode, MoveOptions::default()).unwrap();
        let (images, parts) = self.arrived(&planned);
        let now = images.iter().zip(&parts).flat_map(|(image, part)| {
            contents(&*volume::open(image, Access::Read).unwrap(), &part.extents)
        });
        assert!(now.eq(self.before.contents.iter().cloned()), "{}: a track differs", self.name);
        assert!(unload_all(&images, &parts, self.name) == self.before.unloaded, "{}", self.name);
        // The tool reads F and FB.
        let is_fixed = self.before.parts[0].format1.recfm() & 0xC0 == 0x80;
        assert_eq!(self.before.unloaded.is_some(), is_fixed, "{}", self.name);
        parts
    }

    /// Where it is now, which is where the plan and the catalog say, and nowhere else.
    fn arrived(&self, planned: &PlannedDataSet) -> (Vec<PathBuf>, Vec<DataSetDscbs>) {
        let all = || self.sources.iter().chain(&self.targets);
        for image in all() {
            let volume = volume::open(image, Access::Read).unwrap();
            let findings = check(&*volume, Tracks::Used).unwrap();
            assert!(findings.iter().all(|one| one.severity != Severity::Error), "{findings:?}");
        }
        let image_of = |serial| {
            let is =
                |image: &&PathBuf| volume::open(image, Access::Read).unwrap().volser() == serial;
            all().find(is).expect("it is given").clone()
        };
        let images: Vec<PathBuf> = planned.parts.iter().map(|part| image_of(part.volser)).collect();
        assert_eq!(all().filter(|image| find(image, self.name).is_some()).count(), images.len());
        let parts: Vec<DataSetDscbs> =
            images.iter().map(|image| find(image, self.name).expect("it is there")).collect();
        for (part, planned) in parts.iter().zip(&planned.parts) {
            assert_eq!(part.extents, planned.new.extents);
            let first = planned.new.format1.first_volser();
            assert_eq!(part.format1.first_volser(), first);
        }
        let serials: Vec<_> = planned.parts.iter().map(|part| part.volser).collect();
        let entry = self.entry();
        assert!(entry.volumes.iter().map(|volume| volume.volser).eq(serials));
        if let Some(dscb) = entry.dscb {
            assert_eq!(dscb, parts[0].address.to_ttr());
        }
        (images, parts)
    }

    fn entry(&self) -> CatalogEntry {
        let volume = volume::open(&self.catalog, Access::Read).unwrap();
        let catalog = CvolCatalog::find_on(volume).unwrap().expect("it has a catalog");
        catalog.locate(&self.name).unwrap().expect("it is cataloged")
    }

    /// What each part says of the last used track.
    fn places(&self, parts: &[DataSetDscbs]) -> Vec<Place> {
        let end = self.before.parts.last().unwrap().format1.balance();
        let place = |part: &DataSetDscbs| {
            let f1 = &part.format1;
            assert!([0, end].contains(&f1.balance()));
            let is_last = f1.indicators() & Format1::DSIND_LAST_VOLUME != 0;
            (f1.volume_sequence(), f1.last_used(), end != 0 && f1.balance() == end, is_last)
        };
        parts.iter().map(place).collect()
    }
}

fn find(image: &Path, name: DsName) -> Option<DataSetDscbs> {
    Vtoc::read(&*volume::open(image, Access::Read).unwrap()).unwrap().find(&name).unwrap()
}

fn free_track_count(image: &Path) -> u32 {
    let vtoc = Vtoc::read(&*volume::open(image, Access::Read).unwrap()).unwrap();
    FreeSpace::of(&vtoc).unwrap().track_count()
}

fn unload_all(images: &[PathBuf], parts: &[DataSetDscbs], name: DsName) -> Option<Unloaded> {
    let unloads = images.iter().zip(parts).map(|(image, part)| unload(image, &part.format1, name));
    unloads.reduce(|all, next| Some(all?.followed_by(next?))).flatten()
}

/// Takes every free track but these.
fn leave_free(volume: Arc<dyn Volume>, free: &[(u32, u32)]) {
    let space = VtocSpaceManager::new(volume);
    let mut taken = FreeSpace::of(&space.read().unwrap()).unwrap();
    for &(first, track_count) in free {
        taken.take(Extent::new(Track(first), track_count)).unwrap();
    }
    for (run, number) in taken.runs().iter().zip(1..) {
        let mut format1 = Format1::new(DsName::parse(&format!("FILLER.F{number}")).unwrap());
        format1.set_first_volser(space.volser());
        format1.set_volume_sequence(1);
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_scal1(0x80);
        space.allocate(&NewDataSet { format1, extents: vec![*run] }, &NoJournal).unwrap();
    }
}

fn track_counts(part: &DataSetDscbs) -> Vec<u32> {
    part.extents.iter().map(|extent| extent.track_count).collect()
}

/// The DSCBs of a part: one F1, and one F3 if the extents do not fit into it.
#[track_caller]
fn assert_dscbs(part: &DataSetDscbs) {
    assert_eq!(usize::from(part.format1.extent_count()), part.extents.len());
    let format3s = part.chain.iter().filter(|(_, dscb)| matches!(dscb, Dscb::Format3(_))).count();
    assert_eq!((part.chain.len(), format3s), (format3s, usize::from(part.extents.len() > 3)));
}

#[test]
fn one_primary_request_combines_all_extents_to_one() {
    for (data_set, place) in [
        (VB, (1, Some((24, 3)), true, true)),
        (EXT14, (1, Some((68, 4)), true, true)),
        (K2314, (1, Some((221, 2)), true, true)),
        // The last used track of the second volume was 18, behind 48 tracks of the first one.
        (MULTIVOL, (1, Some((48 + 18, 4)), true, true)),
    ] {
        let Some(world) = World::new(data_set) else { return };
        let world = world.with_target("TGT001", 60, &[]);
        let parts = world.moved(Mode::OnePrimary);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].extents.len(), 1, "{}", world.name);
        assert_dscbs(&parts[0]);
        assert_eq!(world.places(&parts), [place], "{}", world.name);
    }
}

#[test]
fn extent_for_extent_keeps_extents_and_what_each_part_says() {
    for (data_set, extent_counts) in
        [(VB, &[12][..]), (EXT14, &[14]), (K2314, &[5]), (MULTIVOL, &[16, 7])]
    {
        let Some(mut world) = World::new(data_set) else { return };
        for serial in ["TGT001", "TGT002"].iter().take(extent_counts.len()) {
            world = world.with_target(serial, 60, &[]);
        }
        let parts = world.moved(Mode::ExtentForExtent);
        let counts: Vec<usize> = parts.iter().map(|part| part.extents.len()).collect();
        assert_eq!(counts, extent_counts);
        let was = &world.before.parts;
        for (part, before) in parts.iter().zip(was) {
            assert_eq!(track_counts(part), track_counts(before));
            assert_dscbs(part);
        }
        assert_eq!(world.places(&parts), world.places(was));
    }
    let Some(world) = World::new(K2314) else { return };
    let heads = 20;
    let parts = world.with_target("TGT001", 60, &[]).moved(Mode::ExtentForExtent);
    assert!(parts[0].extents.iter().all(|extent| extent.is_cylinder_aligned(heads)));
}

#[test]
fn best_fit_takes_more_extents_than_one_primary_request_may() {
    // 70 tracks in areas of 11: one primary request of five extents cannot have them, best fit takes seven.
    let areas: Vec<(u32, u32)> = (0..8).map(|number| (40 + 20 * number, 11)).collect();
    let Some(world) = World::new(EXT14) else { return };
    let world = world.with_target("TGT001", 20, &areas);
    let refusal = world.migrate(Mode::OnePrimary, MoveOptions::default()).unwrap_err();
    assert_eq!(refusal.reasons[0].reason(), Reason::NoSpace);
    let parts = world.moved(Mode::BestFit);
    assert_eq!(track_counts(&parts[0]), [11, 11, 11, 11, 11, 11, 4]);
    assert_dscbs(&parts[0]);
    assert_eq!(world.places(&parts), world.places(&world.before.parts));
}

#[test]
fn a_data_set_that_no_volume_holds_is_split_where_one_ends() {
    // 70 tracks, the last used one 68.
    let Some(world) = World::new(EXT14) else { return };
    let world =
        world.with_target("TGT001", 20, &[(100, 40)]).with_target("TGT002", 20, &[(60, 45)]);
    let parts = world.moved(Mode::BestFit);
    // The volume with the most space comes first.
    assert_eq!(parts.iter().map(track_counts).collect::<Vec<_>>(), [[45], [25]]);
    assert_eq!(
        world.places(&parts),
        [(1, None, false, false), (2, Some((68 - 45, 4)), true, true)]
    );
    assert_eq!(world.entry().volumes[0].volser, volser("TGT002"));

    // 23 extents on two volumes become three parts, cut otherwise; the last used track is 66 of 69.
    let world = World::new(MULTIVOL).unwrap();
    let world = world
        .with_target("TGT001", 20, &[(100, 30)])
        .with_target("TGT002", 20, &[(60, 25)])
        .with_target("TGT003", 20, &[(60, 10), (90, 10)]);
    let parts = world.moved(Mode::BestFit);
    assert_eq!(
        parts.iter().map(track_counts).collect::<Vec<_>>(),
        [vec![30], vec![25], vec![10, 4]]
    );
    assert_eq!(
        world.places(&parts),
        [(1, None, false, false), (2, None, false, false), (3, Some((66 - 55, 4)), true, true)]
    );
}

#[test]
fn cylinders_are_split_in_whole_cylinders() {
    // 240 tracks are 12 cylinders of 20; the last used track is 221.
    let Some(world) = World::new(K2314) else { return };
    let world =
        world.with_target("TGT001", 40, &[(105, 160)]).with_target("TGT002", 40, &[(60, 120)]);
    let parts = world.moved(Mode::BestFit);
    assert_eq!(parts.iter().map(track_counts).collect::<Vec<_>>(), [[140], [100]]);
    assert!(parts.iter().all(|part| part.extents[0].is_cylinder_aligned(20)));
    assert_eq!(
        world.places(&parts),
        [(1, None, false, false), (2, Some((221 - 140, 2)), true, true)]
    );
    // Half of the 90 tracks of three cylinders are used: the second part holds nothing yet.
    let world = World::new(K3350).unwrap();
    let world = world.with_target("TGT001", 20, &[(60, 60)]).with_target("TGT002", 20, &[(90, 30)]);
    let parts = world.moved(Mode::BestFit);
    assert_eq!(world.places(&parts), [(1, Some((43, 1)), true, true), (2, None, false, false)]);
}

#[test]
fn extents_are_combined_on_the_volume_where_they_are() {
    for (data_set, extent_count) in [(VB, 12), (EXT14, 14), (K2314, 5)] {
        let Some(world) = World::new(data_set) else { return };
        let before = &world.before.parts[0];
        assert_eq!(before.extents.len(), extent_count);
        let (free, entry) = (free_track_count(&world.sources[0]), world.entry());
        let parts = world.moved(Mode::OnePrimary);
        assert_eq!((parts.len(), parts[0].extents.len()), (1, 1), "{}", world.name);
        assert_dscbs(&parts[0]);
        assert_eq!(parts[0].address, before.address, "catalogs may hold it");
        assert_eq!(world.entry(), entry);
        assert_eq!(world.places(&parts), world.places(&world.before.parts));
        assert_eq!(free_track_count(&world.sources[0]), free);
        let vtoc = Vtoc::read(&*volume::open(&world.sources[0], Access::Read).unwrap()).unwrap();
        assert!(vtoc.data_sets().all(|(name, _)| !name.starts_with("TRKMIRR")));
        // There is nothing left to combine.
        let refusal = world.migrate(Mode::OnePrimary, MoveOptions::default()).unwrap_err();
        assert_eq!(refusal.reasons[0].reason(), Reason::TargetIsSource);
    }
}

#[test]
fn half_of_a_data_set_is_refused() {
    // No catalog is given, and nothing but its own end tells that it goes on on CLNA02.
    let Some((folder, images)) = support::copies(&["vs1-clna01"]) else { return };
    let target = support::made(folder.path(), "target", "3330", 20);
    let serial = volser("MADE01");
    init::initialize(&*volume::open(&target, Access::Exclusive).unwrap(), serial, None, "")
        .unwrap();
    let name = DsName::parse("TEST.MULTIVOL").unwrap();
    let before = std::fs::read(&images[0]).unwrap();
    let moved = moves::migrate(
        &[&images[0], &target],
        name,
        &[volser("CLNA01")],
        &[serial],
        Mode::OnePrimary,
        MoveOptions::default(),
    );
    assert_eq!(moved.unwrap_err().reasons[0].reason(), Reason::PartMissing);
    assert!(std::fs::read(&images[0]).unwrap() == before);
}

#[test]
fn an_end_of_file_is_not_put_into_the_middle() {
    let Some(world) = World::new(MULTIVOL) else { return };
    let world = world.with_target("TGT001", 20, &[]).with_target("TGT002", 20, &[]);
    let last = *world.before.parts[0].extents.last().unwrap();
    let source = volume::open(&world.sources[0], Access::Exclusive).unwrap();
    let last = Extent::new(last.first.plus(last.track_count - 1), 1);
    write_empty(&*source, last, NullFormat::EndOfFile).unwrap();
    drop(source);
    let refusal = world.migrate(Mode::OnePrimary, MoveOptions::default()).unwrap_err();
    assert_eq!(refusal.reasons[0].reason(), Reason::HiddenEnd);
    let planned = world.migrate(Mode::ExtentForExtent, MoveOptions::default()).unwrap();
    assert_eq!(world.arrived(&planned).1.len(), 2);
}

#[test]
fn an_extent_is_not_cut_inside_a_record_that_overflows() {
    let folder = support::folder();
    let make = |serial: &str| {
        let path = folder.path().join(serial);
        let geometry = support::geometry("3330", 20);
        let volume = CkdVolume::create(&path, geometry, volser(serial)).unwrap();
        init::initialize(&volume, volser(serial), None, "").unwrap();
        (path, Arc::new(volume))
    };
    let name = DsName::parse("TEST.OVERFLOW").unwrap();
    let (source, volume) = make("SRC001");
    let mut format1 = Format1::new(name);
    format1.set_first_volser(volser("SRC001"));
    format1.set_volume_sequence(1);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_recfm(0xA0);
    format1.set_scal1(0x80);
    format1.set_indicators(Format1::DSIND_LAST_VOLUME);
    let extent = Extent::new(Track(40), 4);
    let space = VtocSpaceManager::new(volume.clone());
    space.allocate(&NewDataSet { format1, extents: vec![extent] }, &NoJournal).unwrap();
    const FIRST_COUNT: usize = 21;
    for number in 0..4 {
        let track = extent.first.plus(number);
        let mut slot = vec![0; volume.slot_size()];
        track::build(&mut slot, volume.place(track), &[(&[], &[number as u8 + 1; 3000])]).unwrap();
        if number == 1 {
            slot[FIRST_COUNT] |= 0x80;
        }
        volume.write(track, &slot).unwrap();
    }
    let before = contents(&*volume, &[extent]);
    drop((space, volume));
    let (target, volume) = make("TGT001");
    leave_free(volume, &[(60, 2), (80, 2)]);
    let moved = |target: &Path, serial| {
        let (images, options) = ([&*source, target], MoveOptions::default());
        moves::migrate(&images, name, &[volser("SRC001")], &[serial], Mode::OnePrimary, options)
    };
    let refusal = moved(&target, volser("TGT001")).unwrap_err();
    assert_eq!(refusal.reasons[0].reason(), Reason::TrackOverflow);
    assert_eq!(refusal.reasons[0].track(), Some(41));
    let (target, volume) = make("TGT002");
    leave_free(volume, &[(60, 3), (80, 1)]);
    assert_eq!(moved(&target, volser("TGT002")).unwrap().parts[0].new.extents.len(), 2);
    let arrived = find(&target, name).unwrap();
    let volume = volume::open(&target, Access::Read).unwrap();
    assert!(contents(&*volume, &arrived.extents) == before);
    assert!(before[1].windows(4).any(|bytes| bytes == b"OVER"));
}

#[test]
fn only_used_tracks_are_copied_and_nothing_old_shows_behind_them() {
    for (data_set, used, mode) in [
        (K3350, 43 + 2, Mode::OnePrimary),
        (EXT14, 68 + 2, Mode::OnePrimary),
        (MULTIVOL, 66 + 2, Mode::OnePrimary),
        (MULTIVOL, 66 + 2, Mode::BestFit),
    ] {
        let Some(world) = World::new(data_set) else { return };
        let world = match mode {
            Mode::OnePrimary => world.with_target("TGT001", 20, &[]),
            _ => {
                world.with_target("TGT001", 20, &[(60, 40)]).with_target("TGT002", 20, &[(60, 40)])
            }
        };
        world.targets.iter().for_each(|target| write_old_records(target));
        let options = MoveOptions { used_only: true, ..MoveOptions::default() };
        let planned = world.migrate(mode, options).unwrap();
        let (images, parts) = world.arrived(&planned);
        let now: Vec<Vec<u8>> = images
            .iter()
            .zip(&parts)
            .flat_map(|(image, part)| {
                contents(&*volume::open(image, Access::Read).unwrap(), &part.extents)
            })
            .collect();
        assert_eq!(now.len(), world.before.contents.len());
        assert!(now[..used] == world.before.contents[..used], "{}", world.name);
        for track in &now[used..] {
            let records: Vec<_> = track::records(track).map(Result::unwrap).collect();
            assert!(records.iter().skip(1).all(|record| record.is_end_of_file()));
        }
        assert!(world.before.unloaded.as_ref().is_some_and(|all| all.byte_count() > 0));
        assert!(unload_all(&images, &parts, world.name) == world.before.unloaded);
    }
}

/// Writes a record that nobody wants to see onto every free track.
fn write_old_records(image: &Path) {
    let volume = volume::open(image, Access::Exclusive).unwrap();
    let free = FreeSpace::of(&Vtoc::read(&*volume).unwrap()).unwrap();
    let mut slot = vec![0; volume.slot_size()];
    for extent in free.runs() {
        for number in 0..extent.track_count {
            let track = extent.first.plus(number);
            track::build(&mut slot, volume.place(track), &[(&[], &[0xC5; 100])]).unwrap();
            volume.write(track, &slot).unwrap();
        }
    }
}
