//! Every data set with extents on every real volume is moved to a fresh volume of its device type and back, in a run of
//! its own, or is refused with its reason. One table shows them all: it is printed, and stands in
//! `target/tmp/real-data-sets.txt`.
//!
//! After each way it is judged:
//!
//! * Each track of the data set is equal to what it was on the volume as its system left it.
//! * What the emulator's tools can unload from the volume as its system left it, they unload byte for byte equal from
//!   where the data set lies now. (`dasdpdsu` reads no load modules, `dasdseq` only F and FB; the column *judges* says
//!   who spoke.) `dasdls` lists it there, and no longer where it was.
//! * Both volumes check; their free space grew and shrank by exactly the tracks of the data set.
//! * No other byte of any image changed: only tracks of the VTOC, of the catalog that leads to the data set, and of its
//!   new extents may differ.
//! * Its F1 says what it said, places aside; the catalogs lead to it, and their other entries are what they were.
//!
//! What is refused leaves every byte of every image as it was.

mod moves;
mod support;

use moves::{Unloaded, contents, listed, unload};
use rustix::fs::{SeekFrom, seek};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use support::RealVolume;
use tempfile::TempDir;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume, cvol::CvolCatalog};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Geometry, Track};
use trackmirror::migrate::MoveOptions;
use trackmirror::plan::{Mode, PlannedDataSet, Refusal};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::{self, Access, Volume};
use trackmirror::vtoc::check::{Severity, Tracks, check};
use trackmirror::vtoc::{DataSetDscbs, FreeSpace, Vtoc, init};
use trackmirror::{DsMask, DsName, Reason, Volser};

const TARGET: &str = "FRESH1";
/// Plain images of Hercules begin with a header of this size.
const HEADER_SIZE: u64 = 512;

/// What must be refused (FORMATS 7.2), and why. Everything else that has extents must be moved.
const REFUSED: &[(&str, &str, &[Reason])] = &[
    ("mvs37-spool0", "SYS1.HASPACE", &[Reason::Spool, Reason::UnknownOrganization]),
    ("mvs37-spool0", "SYS1.HASPCKPT", &[Reason::Spool, Reason::UnknownOrganization]),
    ("mvs37-spool0", "VSAMDSET.TC8F6950.DFD76143.T8906443.TC8F6950", &[Reason::Vsam]),
    ("mvs38-hasp00", "SYS1.HASPACE", &[Reason::Spool, Reason::UnknownOrganization]),
    ("mvs38-pub000-ucat", "Z9999994.VSAMDSPC.TDEBB54E.TEA1F910", &[Reason::Vsam]),
    ("mvs38-tso001-ucat", "Z9999994.VSAMDSPC.TDD9AB37.TEDC8940", &[Reason::Vsam]),
    ("mvs38-tso003-vsam", "NJE38.NETSPOOL.DATA", &[Reason::Vsam]),
    ("mvs38-tso003-vsam", "RPFPROF.CLUSTER.DATA", &[Reason::Vsam]),
    ("mvs38-tso003-vsam", "RPFPROF.CLUSTER.INDEX", &[Reason::Vsam]),
    ("vs1-clna01", "TEST.ABSTR", &[Reason::AbsoluteAllocation, Reason::UnknownOrganization]),
    // It was never opened: no program has said yet what it is.
    ("vs1-clna01", "TEST.EMPTY.NEVER.OPENED", &[Reason::UnknownOrganization]),
    // The second volume of a data set, alone; it moves with the first.
    ("vs1-clna02", "TEST.MULTIVOL", &[Reason::PartMissing]),
    ("vs1-dliba1-ready", "SYS1.LOGREC", &[Reason::Logrec]),
    ("vs1-dliba1-ready", "SYS1.PAGE", &[Reason::PageDataSet]),
    ("vs1-dliba1-ready", "SYS1.SVCLIB", &[Reason::Unmovable]),
    ("vs1-dliba1-ready", "SYS1.SYSJOBQE", &[Reason::Spool, Reason::UnknownOrganization]),
    ("vs1-dliba1-ready", "SYS1.SYSPOOL", &[Reason::Spool, Reason::UnknownOrganization]),
];

/// How many data sets with extents there are on the real volumes, those of [`REFUSED`] among them.
const DATA_SET_COUNT: usize = 99;
/// How many of them a catalog names that is given, and so follows them.
const CATALOGED_COUNT: usize = 22;

/// The volumes with the catalogs of OS/VS1, and the second one of a data set.
const COMPANIONS: &[(&str, &[&str])] = &[
    ("vs1-clna01", &["vs1-clna02", "vs1-dliba1-ready"]),
    ("vs1-clna02", &["vs1-dliba1-ready"]),
    ("vs1-clnb01", &["vs1-dliba1-ready", "vs1-clna01"]),
    ("vs1-clnc01", &["vs1-dliba1-ready", "vs1-clna01"]),
    ("vs1-dliba1-ready", &["vs1-clna01"]),
];

#[test]
fn every_real_data_set_is_moved_and_comes_back_or_is_refused_with_its_reason() {
    let mut jobs = support::real_volumes();
    if jobs.is_empty() {
        return;
    }
    let volume_count = jobs.len();
    // The large ones first, so that no thread ends long after the others.
    jobs.sort_by_key(|volume| fs::metadata(volume.plain()).unwrap().len());
    let (jobs, rows) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                while let Some(volume) = { jobs.lock().unwrap().pop() } {
                    let found = Bench::new(&volume).try_all();
                    rows.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|row| (row.volume.clone(), row.name));
    let table = table(&rows, volume_count);
    println!("{table}");
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-data-sets.txt"), table).unwrap();

    assert_eq!(rows.len(), DATA_SET_COUNT);
    let refused: Vec<(&str, String, &[Reason])> = rows
        .iter()
        .filter(|row| !row.refusals.is_empty())
        .map(|row| (&*row.volume, row.name.to_string(), &*row.refusals))
        .collect();
    let expected: Vec<(&str, String, &[Reason])> =
        REFUSED.iter().map(|(volume, name, why)| (*volume, name.to_string(), *why)).collect();
    assert_eq!(refused, expected);
    let followed = rows.iter().filter(|row| !row.catalogs.is_empty()).count();
    assert_eq!(followed, CATALOGED_COUNT, "catalogs follow what they name");
}

/// One line of the table.
struct Row {
    volume: String,
    name: DsName,
    attributes: String,
    extent_count: usize,
    track_count: u32,
    /// Empty if it was moved.
    refusals: Vec<Reason>,
    /// Its extents at the target, and back on its own volumes.
    extents_then: (usize, usize),
    catalogs: String,
    judges: String,
}

fn table(rows: &[Row], volume_count: usize) -> String {
    let mut text = String::new();
    let mut line = |cells: [&str; 8]| {
        let [volume, name, attributes, extents, tracks, result, catalogs, judges] = cells;
        let line = format!(
            "{volume:<18}{name:<46}{attributes:<9}{extents:>7}{tracks:>7}  {result:<36}{catalogs:<20}{judges}"
        );
        writeln!(text, "{}", line.trim_end()).unwrap();
    };
    line(["volume", "data set", "is", "extents", "tracks", "result", "catalog", "judges"]);
    let mut per_result = BTreeMap::new();
    for row in rows {
        let result = match row.refusals.first() {
            None => {
                format!("moved and back ({}, {} extents)", row.extents_then.0, row.extents_then.1)
            }
            Some(_) => {
                let names: Vec<&str> = row.refusals.iter().map(|reason| reason.name()).collect();
                format!("refused: {}", names.join(", "))
            }
        };
        let kind = row.refusals.first().map_or("moved and back", |reason| reason.name());
        *per_result.entry(kind).or_insert(0) += 1;
        line([
            &row.volume,
            &row.name.to_string(),
            &row.attributes,
            &row.extent_count.to_string(),
            &row.track_count.to_string(),
            &result,
            &row.catalogs,
            &row.judges,
        ]);
    }
    writeln!(text, "\n{} data sets with extents on {volume_count} volumes", rows.len()).unwrap();
    for (kind, count) in per_result {
        writeln!(text, "{count:>5}  {kind}").unwrap();
    }
    text
}

/// The image of a real volume that is worked on, and one as the system left it.
struct Image {
    volser: Volser,
    geometry: Geometry,
    path: PathBuf,
    pristine: PathBuf,
    vtoc: Vtoc,
    findings: Vec<String>,
}

impl Image {
    fn new(volume: &RealVolume, folder: &Path) -> Image {
        let path = volume.copy_to(folder);
        let pristine = folder.join(format!("{}.pristine", volume.name));
        support::copy_sparse(&path, &pristine);
        let opened = volume::open(&pristine, Access::Read).unwrap();
        Image {
            volser: opened.volser(),
            geometry: opened.geometry(),
            vtoc: Vtoc::read(&*opened).unwrap(),
            findings: errors(&*opened, Tracks::All),
            path,
            pristine,
        }
    }

    /// The tracks whose bytes are not what they were; the header must be. Where neither file has data, both are zero.
    fn changed_tracks(&self) -> BTreeSet<Track> {
        const PIECE: u64 = 1 << 20;
        let (now, before) = (File::open(&self.path).unwrap(), File::open(&self.pristine).unwrap());
        let size = now.metadata().unwrap().len();
        assert_eq!(size, before.metadata().unwrap().len(), "{}", self.volser);
        let slot = u64::from(self.geometry.slot_size);
        let (mut ours, mut theirs) = (vec![0; PIECE as usize], vec![0; PIECE as usize]);
        let mut changed = BTreeSet::new();
        let mut ranges = [data_ranges(&now), data_ranges(&before)].concat();
        ranges.sort_by_key(|range| range.start);
        let mut compared = 0;
        for range in ranges {
            let mut at = range.start.max(compared);
            while at < range.end {
                let length = PIECE.min(range.end - at) as usize;
                now.read_exact_at(&mut ours[..length], at).unwrap();
                before.read_exact_at(&mut theirs[..length], at).unwrap();
                if ours[..length] != theirs[..length] {
                    let bytes = ours[..length].iter().zip(&theirs[..length]).zip(at..);
                    for (_, place) in bytes.filter(|((now, before), _)| now != before) {
                        assert!(place >= HEADER_SIZE, "the header of {}", self.volser);
                        changed.insert(Track(((place - HEADER_SIZE) / slot) as u32));
                    }
                }
                at += length as u64;
            }
            compared = compared.max(range.end);
        }
        changed
    }

    /// Makes the tracks that are changed what they were.
    fn restore(&self) {
        let now = File::options().write(true).open(&self.path).unwrap();
        let before = File::open(&self.pristine).unwrap();
        let mut slot = vec![0; self.geometry.slot_size as usize];
        for track in self.changed_tracks() {
            let offset = HEADER_SIZE + u64::from(track.0) * slot.len() as u64;
            before.read_exact_at(&mut slot, offset).unwrap();
            now.write_all_at(&slot, offset).unwrap();
        }
    }

    fn free_track_count(&self) -> i64 {
        FreeSpace::of(&self.vtoc).unwrap().track_count().into()
    }
}

/// The parts of a file that are no holes.
fn data_ranges(file: &File) -> Vec<Range<u64>> {
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Ok(start) = seek(file, SeekFrom::Data(at)) {
        let end = seek(file, SeekFrom::Hole(start)).unwrap();
        ranges.push(start..end);
        at = end;
    }
    ranges
}

/// What is wrong with a volume.
fn errors(volume: &dyn Volume, tracks: Tracks) -> Vec<String> {
    let findings = check(volume, tracks).unwrap();
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

/// A real volume, and those that have parts of its data sets or name them.
struct Bench {
    name: String,
    folder: TempDir,
    images: Vec<Image>,
}

impl Bench {
    fn new(volume: &RealVolume) -> Bench {
        let folder = support::folder();
        let companions = COMPANIONS.iter().find(|(name, _)| *name == volume.name);
        let companions = companions.map_or(&[][..], |(_, companions)| *companions);
        let images = std::iter::once(volume.clone())
            .chain(companions.iter().map(|name| support::find_volume(name).unwrap()))
            .map(|volume| Image::new(&volume, folder.path()))
            .collect();
        Bench { name: volume.name.clone(), folder, images }
    }

    fn try_all(&self) -> Vec<Row> {
        let data_sets = self.images[0].vtoc.data_sets();
        data_sets
            .map(|(name, dscbs)| (name, dscbs.unwrap()))
            .filter(|(_, dscbs)| !dscbs.extents.is_empty())
            .map(|(name, dscbs)| self.try_one(name, &dscbs))
            .collect()
    }

    /// The images that have a part of this data set, the bench's own first, and the parts.
    fn parts(&self, name: DsName) -> Vec<(&Image, DataSetDscbs)> {
        let part = |image: &Image| image.vtoc.find(&name).unwrap();
        let mut parts: Vec<(&Image, DataSetDscbs)> =
            self.images.iter().filter_map(|image| Some((image, part(image)?))).collect();
        // A name is not a data set: another volume may have one of the same name.
        if !parts.iter().map(|(_, part)| part.format1.volume_sequence()).eq(1..=parts.len() as u16)
        {
            parts.truncate(1);
        }
        parts
    }

    fn try_one(&self, name: DsName, dscbs: &DataSetDscbs) -> Row {
        let parts = self.parts(name);
        let sources: Vec<Volser> = parts.iter().map(|(image, _)| image.volser).collect();
        let track_count = parts.iter().map(|(_, part)| part.track_count()).sum();
        let target = self.fresh_target(track_count);
        let mut row = Row {
            volume: self.name.clone(),
            name,
            attributes: attributes(&dscbs.format1),
            extent_count: parts.iter().map(|(_, part)| part.extents.len()).sum(),
            track_count,
            refusals: Vec::new(),
            extents_then: (0, 0),
            catalogs: String::new(),
            judges: String::new(),
        };
        let before = self.unload_parts(&parts, name);
        let catalogs = self.catalog_entries();
        match self.migrate(&target, name, &sources, &[support::volser(TARGET)], Mode::OnePrimary) {
            Err(refusal) => {
                row.refusals = refusal.reasons.iter().map(|error| error.reason()).collect();
                assert!(refusal.reasons.iter().all(|error| !error.sentence().is_empty()));
                for image in &self.images {
                    assert_eq!(image.changed_tracks(), BTreeSet::new(), "{name}: {}", image.volser);
                }
            }
            Ok(planned) => {
                let out = Arrival { bench: self, name, parts: &parts, planned: &planned, before };
                row.extents_then.0 = out.judge_out(&target, &catalogs);
                let way_back = self
                    .migrate(&target, name, &[support::volser(TARGET)], &sources, Mode::BestFit)
                    .unwrap_or_else(|refusal| panic!("{name} comes back: {refusal:?}"));
                let back = Arrival { planned: &way_back, ..out };
                row.extents_then.1 = back.judge_back(&target, &catalogs);
                let named = planned.assessment.cataloged.iter().map(|entry| entry.catalog.clone());
                row.catalogs = named.collect::<Vec<_>>().join(", ");
                row.judges = match &back.before {
                    Some(unloaded) => format!("tracks, {}, dasdls", unloaded.tool),
                    None => "tracks, dasdls".into(),
                };
                self.images.iter().for_each(Image::restore);
            }
        }
        fs::remove_file(target).unwrap();
        row
    }

    /// An empty volume of the source's device and slot size, with room for so many tracks and a little more.
    fn fresh_target(&self, track_count: u32) -> PathBuf {
        let path = self.folder.path().join("target.ckd");
        let like = self.images[0].geometry;
        let cylinders = (track_count.div_ceil(like.heads().into()) + 3).max(20);
        let volume =
            CkdVolume::create(&path, Geometry { cylinders, ..like }, support::volser(TARGET))
                .unwrap();
        init::initialize(&volume, support::volser(TARGET), None, "").unwrap();
        path
    }

    /// Moves one data set, from the proposal to the release of the source.
    fn migrate(
        &self,
        target: &Path,
        name: DsName,
        sources: &[Volser],
        targets: &[Volser],
        mode: Mode,
    ) -> Result<PlannedDataSet, Refusal> {
        let paths = self.images.iter().map(|image| &*image.path).chain([target]);
        let options = MoveOptions::default();
        moves::migrate(&paths.collect::<Vec<_>>(), name, sources, targets, mode, options)
    }

    /// Every entry of every catalog on the images.
    fn catalog_entries(&self) -> Vec<(Volser, Vec<CatalogEntry>)> {
        let mut entries = Vec::new();
        for image in &self.images {
            let volume = volume::open(&image.path, Access::Read).unwrap();
            if let Some(catalog) = CvolCatalog::find_on(volume).unwrap() {
                entries.push((image.volser, catalog.list(&DsMask::parse("**").unwrap()).unwrap()));
            }
        }
        entries
    }

    /// What the emulator's tool unloads from all parts; `None` if it cannot.
    fn unload_parts(&self, parts: &[(&Image, DataSetDscbs)], name: DsName) -> Option<Unloaded> {
        let unloads = parts.iter().map(|(image, part)| unload(&image.path, &part.format1, name));
        unloads.reduce(|all, next| Some(all?.followed_by(next?))).flatten()
    }
}

/// A data set that was moved, to be judged.
struct Arrival<'a> {
    bench: &'a Bench,
    name: DsName,
    /// Where it lay when its system left it.
    parts: &'a [(&'a Image, DataSetDscbs)],
    planned: &'a PlannedDataSet,
    /// What was unloaded there.
    before: Option<Unloaded>,
}

impl Arrival<'_> {
    fn track_count(&self) -> u32 {
        self.parts.iter().map(|(_, part)| part.track_count()).sum()
    }

    /// Judges it on the fresh target; gives back how many extents it has there.
    fn judge_out(&self, target: &Path, catalogs: &[(Volser, Vec<CatalogEntry>)]) -> usize {
        let name = self.name;
        let opened = volume::open(target, Access::Read).unwrap();
        assert_eq!(errors(&*opened, Tracks::All), Vec::<String>::new(), "{name}");
        let vtoc = Vtoc::read(&*opened).unwrap();
        let arrived = vtoc.find(&name).unwrap().expect("it is there");
        let all = free_when_empty(&vtoc);
        assert_eq!(FreeSpace::of(&vtoc).unwrap().track_count(), all - self.track_count(), "{name}");
        self.judge_tracks(&[(opened, arrived.clone())]);
        self.judge_format1(&[&arrived]);
        self.judge_catalogs(catalogs, &[vtoc.volser], &arrived);
        if name.starts_with("SYSCTLG ") {
            let moved = CvolCatalog::find_on(volume::open(target, Access::Read).unwrap()).unwrap();
            let entries = moved.expect("it is a catalog").list(&DsMask::parse("**").unwrap());
            assert!(catalogs.contains(&(self.parts[0].0.volser, entries.unwrap())), "{name}");
        }
        for image in &self.bench.images {
            let grown = self.parts.iter().find(|(own, _)| own.volser == image.volser);
            self.judge_image(image, grown.map_or(0, |(_, part)| part.track_count().into()), &[]);
            assert!(grown.is_none() || !listed(&image.path).contains(&name.to_string()), "{name}");
        }
        assert!(listed(target).contains(&name.to_string()), "{name} is listed by dasdls");
        let now = unload(target, &arrived.format1, name);
        self.judge_unloaded(now);
        arrived.extents.len()
    }

    /// Judges it on its own volumes again; gives back how many extents it has there.
    fn judge_back(&self, target: &Path, catalogs: &[(Volser, Vec<CatalogEntry>)]) -> usize {
        let name = self.name;
        let opened = volume::open(target, Access::Read).unwrap();
        assert_eq!(errors(&*opened, Tracks::All), Vec::<String>::new(), "{name}");
        let vtoc = Vtoc::read(&*opened).unwrap();
        assert_eq!(vtoc.data_sets().count(), 0, "{name} left nothing behind");
        assert_eq!(FreeSpace::of(&vtoc).unwrap().track_count(), free_when_empty(&vtoc), "{name}");
        assert!(!listed(target).contains(&name.to_string()), "{name}");
        drop(opened);

        let mut arrived = Vec::new();
        for part in &self.planned.parts {
            let image = self.image(part.volser);
            let opened = volume::open(&image.path, Access::Read).unwrap();
            let dscbs = Vtoc::read(&*opened).unwrap().find(&name).unwrap().expect("it is there");
            assert!(listed(&image.path).contains(&name.to_string()), "{name} is listed by dasdls");
            arrived.push((opened, dscbs));
        }
        self.judge_tracks(&arrived);
        let dscbs: Vec<&DataSetDscbs> = arrived.iter().map(|(_, dscbs)| dscbs).collect();
        self.judge_format1(&dscbs);
        let volsers: Vec<Volser> = self.planned.parts.iter().map(|part| part.volser).collect();
        self.judge_catalogs(catalogs, &volsers, dscbs[0]);
        for image in &self.bench.images {
            let had = self.parts.iter().find(|(own, _)| own.volser == image.volser);
            let had = had.map_or(0, |(_, part)| i64::from(part.track_count()));
            let now = self.planned.parts.iter().find(|part| part.volser == image.volser);
            let extents = now.map_or(&[][..], |part| &part.new.extents);
            let has: i64 = extents.iter().map(|extent| i64::from(extent.track_count)).sum();
            self.judge_image(image, had - has, extents);
        }
        let unloads = self
            .planned
            .parts
            .iter()
            .map(|part| unload(&self.image(part.volser).path, &part.new.format1, name));
        self.judge_unloaded(unloads.reduce(|all, next| Some(all?.followed_by(next?))).flatten());
        dscbs.iter().map(|dscbs| dscbs.extents.len()).sum()
    }

    fn image(&self, volser: Volser) -> &Image {
        self.bench.images.iter().find(|image| image.volser == volser).expect("it is given")
    }

    /// Each track is what it was when the system left it.
    fn judge_tracks(&self, arrived: &[(Arc<dyn Volume>, DataSetDscbs)]) {
        let before: Vec<Vec<u8>> = self
            .parts
            .iter()
            .flat_map(|(image, part)| {
                let pristine = volume::open(&image.pristine, Access::Read).unwrap();
                contents(&*pristine, &part.extents)
            })
            .collect();
        let now: Vec<Vec<u8>> =
            arrived.iter().flat_map(|(volume, part)| contents(&**volume, &part.extents)).collect();
        assert_eq!(before.len() as u32, self.track_count());
        let differ = before.iter().zip(&now).position(|(before, now)| before != now);
        assert_eq!((differ, now.len()), (None, before.len()), "{}: a track differs", self.name);
    }

    /// The F1 says what it said; only what tells the place differs. On one volume that is everything about the last
    /// used track too.
    fn judge_format1(&self, arrived: &[&DataSetDscbs]) {
        if arrived.len() > 1 || self.parts.len() > 1 {
            return;
        }
        let bare = |format1: &Format1| {
            let mut bytes = *format1.as_bytes();
            bytes[45..51].fill(0); // DS1DSSN
            bytes[59] = 0; // DS1NOEPV
            bytes[105..140].fill(0); // the extents, and DS1PTRDS
            bytes
        };
        let (was, is) = (&self.parts[0].1.format1, &arrived[0].format1);
        assert_eq!(bare(is), bare(was), "{}", self.name);
    }

    /// The entries of this data set lead to these volumes and to this F1; all others are what they were.
    fn judge_catalogs(
        &self,
        before: &[(Volser, Vec<CatalogEntry>)],
        volsers: &[Volser],
        first: &DataSetDscbs,
    ) {
        let mut expected = before.to_vec();
        for entry in expected.iter_mut().flat_map(|(_, entries)| entries) {
            let own = entry.volumes.iter().any(|old| old.volser == self.parts[0].0.volser);
            if entry.name == self.name && own {
                let CatalogVolume { unit_type, file_sequence, .. } = entry.volumes[0];
                // What is not a device type (FORMATS 14.9) means the residence of the system.
                let is_device = unit_type[0] == 0x30;
                let device = self.bench.images[0].geometry.device.unit_type();
                let unit_type = if is_device { unit_type } else { device };
                let volume = |&volser| CatalogVolume { unit_type, volser, file_sequence };
                entry.volumes = volsers.iter().map(volume).collect();
                entry.dscb = entry.dscb.map(|_| first.address.to_ttr());
            }
        }
        // A catalog that is itself away is judged where it is.
        let now = self.bench.catalog_entries();
        expected.retain(|(volser, _)| now.iter().any(|(on, _)| on == volser));
        assert!(self.name.starts_with("SYSCTLG ") || expected.len() == before.len());
        assert_eq!(now, expected, "{}", self.name);
    }

    /// An image has so many free tracks more than its system left, and no other byte of it changed.
    fn judge_image(&self, image: &Image, more_free: i64, new_extents: &[Extent]) {
        let name = self.name;
        let opened = volume::open(&image.path, Access::Read).unwrap();
        assert_eq!(errors(&*opened, Tracks::Used), image.findings, "{name}: {}", image.volser);
        let vtoc = Vtoc::read(&*opened).unwrap();
        let free = i64::from(FreeSpace::of(&vtoc).unwrap().track_count());
        assert_eq!(free, image.free_track_count() + more_free, "{name}: {}", image.volser);

        let mut may_change = new_extents.to_vec();
        if self.parts.iter().any(|(own, _)| own.volser == image.volser) {
            may_change.push(vtoc.extent);
        }
        let catalogs = &self.planned.assessment.cataloged;
        if catalogs.iter().any(|cataloged| cataloged.volser == Some(image.volser)) {
            let catalog = vtoc.find(&DsName::parse("SYSCTLG").unwrap()).unwrap().unwrap();
            may_change.extend(catalog.extents);
        }
        for track in image.changed_tracks() {
            let may = may_change.iter().any(|extent| extent.contains(track));
            assert!(may, "{name}: track {} of {} changed", track.0, image.volser);
        }
    }

    fn judge_unloaded(&self, now: Option<Unloaded>) {
        assert!(now == self.before, "{} is unloaded otherwise", self.name);
    }
}

/// The tracks that are free on a volume with nothing but its VTOC.
fn free_when_empty(vtoc: &Vtoc) -> u32 {
    vtoc.geometry.track_count() - 1 - vtoc.extent.track_count
}

/// Organization and record format as in JCL.
fn attributes(format1: &Format1) -> String {
    let organization = match format1.dsorg() & !Format1::DSORG_UNMOVABLE {
        Format1::DSORG_PS => "PS",
        Format1::DSORG_PO => "PO",
        Format1::DSORG_DA => "DA",
        Format1::DSORG_AM => "VSAM",
        0 => "-",
        _ => "?",
    };
    let unmovable = if format1.dsorg() & Format1::DSORG_UNMOVABLE != 0 { "U" } else { "" };
    let recfm = format1.recfm();
    let letter = match recfm & 0xC0 {
        0xC0 => "U",
        0x80 => "F",
        0x40 => "V",
        _ => "",
    };
    let blocked = if recfm & 0x10 != 0 { "B" } else { "" };
    let spanned = if recfm & 0x08 != 0 { "S" } else { "" };
    format!("{organization}{unmovable} {letter}{blocked}{spanned}")
}
