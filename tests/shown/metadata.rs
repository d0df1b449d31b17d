//! Allocation changes are detected from the catalog alone, from the VTOC alone, and from both.

use crate::moving::Request;
use crate::support::lead::to;
use crate::world::{SYSA, World, name};
use std::collections::BTreeMap;
use trackmirror::DsName;
use trackmirror::assess::compare::{Fate, Metadata, compare};
use trackmirror::assess::{Assessment, Options, assess};
use trackmirror::state::State;

/// Every data set as the catalogs and VTOCs say, or the VTOCs alone.
fn assessed(world: &World, with_catalog: bool) -> Vec<Assessment> {
    let host = world.host(&Request::default());
    let space = host.space_of(&world.sources).unwrap();
    let catalogs = if with_catalog { &host.catalogs[..] } else { &[] };
    let options = Options { uncataloged: !with_catalog };
    assess(&["**".parse().unwrap()], &space, catalogs, &options).unwrap()
}

const KEPT: &str = "TEST.KEPT";
const GROWN: &str = "TEST.GROWN";
const WIDER: &str = "TEST.WIDER";
const CUT: &str = "TEST.CUT";
const GONE: &str = "TEST.GONE";
const RENAMED: &str = "TEST.RENAMED";
const OTHER: &str = "TEST.OTHER";
const ANEW: &str = "TEST.ANEW";
const FRESH: &str = "TEST.FRESH";

/// What there is after the changes, with its tracks.
const PRESENT: [(&str, u32); 7] =
    [(KEPT, 8), (GROWN, 11), (WIDER, 13), (CUT, 6), (OTHER, 8), (ANEW, 8), (FRESH, 4)];

/// A data set for each kind of change, on OLD001.
fn make_all(world: &World, are_cataloged: bool) {
    for (number, text) in [KEPT, GROWN, WIDER, CUT, GONE, RENAMED, ANEW].iter().enumerate() {
        world.make_as(are_cataloged, name(text), &[("OLD001", &[(60 + 20 * number as u32, 8)])]);
    }
}

/// To each its change, and a new one.
fn change_all(world: &World, are_cataloged: bool) {
    world.extend(name(GROWN), "OLD001", (400, 3));
    world.extend(name(WIDER), "OLD002", (90, 5));
    world.release(name(CUT), 6);
    world.delete(name(GONE));
    world.rename(name(RENAMED), name(OTHER));
    world.delete(name(ANEW));
    world.make_as(are_cataloged, name(ANEW), &[("OLD002", &[(200, 8)])]);
    world.make_as(are_cataloged, name(FRESH), &[("OLD001", &[(500, 4)])]);
    world.write(SYSA, name(KEPT), 3);
}

/// A world in which one data set has each kind of change.
struct Changed {
    world: World,
    before: [Vec<Assessment>; 2],
}

impl Changed {
    fn new() -> Changed {
        let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
        make_all(&world, true);
        let before = [false, true].map(|with_catalog| assessed(&world, with_catalog));
        change_all(&world, true);
        Changed { world, before }
    }

    /// What became of each, by its first name, with the tracks that came and left.
    fn seen(&self, metadata: Metadata) -> BTreeMap<DsName, (Fate, u32, u32)> {
        let with_catalog = metadata != Metadata::Vtoc;
        let (before, after) =
            (&self.before[usize::from(with_catalog)], assessed(&self.world, with_catalog));
        let masks = ["TEST.**".parse().unwrap()];
        let changes = compare(before, &after, &masks, metadata);
        let counts = changes.iter().map(|change| {
            let more = change.new.iter().map(|run| run.extent.track_count).sum();
            let fewer = change.gone.iter().map(|run| run.extent.track_count).sum();
            (change.name(), (change.fate, more, fewer))
        });
        counts.collect()
    }
}

#[test]
fn catalog_alone() {
    let seen = Changed::new().seen(Metadata::Catalog);
    let of = |text| seen[&name(text)];
    // What leads elsewhere, nowhere, or from nowhere is seen.
    assert_eq!(of(WIDER), (Fate::Persistent, 5, 0));
    assert_eq!(of(GONE), (Fate::Deleted, 0, 8));
    assert_eq!(of(RENAMED), (Fate::Renamed, 0, 0));
    assert_eq!(of(ANEW), (Fate::Recreated, 8, 8));
    assert_eq!(of(FRESH), (Fate::New, 4, 0));
    // What changed inside a volume is not said there.
    for text in [KEPT, GROWN, CUT] {
        assert_eq!(of(text), (Fate::Persistent, 0, 0), "{text}");
    }
}

/// What the VTOC tells, which is everything.
fn assert_all_seen(seen: &BTreeMap<DsName, (Fate, u32, u32)>) {
    let of = |text| seen[&name(text)];
    assert_eq!(of(KEPT), (Fate::Persistent, 0, 0));
    assert_eq!(of(GROWN), (Fate::Persistent, 3, 0));
    assert_eq!(of(WIDER), (Fate::Persistent, 5, 0));
    assert_eq!(of(CUT), (Fate::Persistent, 0, 2));
    assert_eq!(of(GONE), (Fate::Deleted, 0, 8));
    assert_eq!(of(RENAMED), (Fate::Renamed, 0, 0));
    assert_eq!(of(ANEW), (Fate::Recreated, 8, 8));
    assert_eq!(of(FRESH), (Fate::New, 4, 0));
}

#[test]
fn vtoc_alone() {
    assert_all_seen(&Changed::new().seen(Metadata::Vtoc));
}

#[test]
fn both() {
    assert_all_seen(&Changed::new().seen(Metadata::Both));
}

/// A migration during which each kind of change happens; what is followed before the window is seen by `mirrored`.
fn migrated(are_cataloged: bool, metadata: Metadata, mirrored: &[(&str, u32)]) {
    let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
    make_all(&world, are_cataloged);
    let request = Request { uncataloged: !are_cataloged, metadata, ..Request::default() };
    let mut migration = world.begin(&request);
    to(&mut migration, State::Mirrored);
    change_all(&world, are_cataloged);
    world.catch_up(&mut migration);
    let tracks = |expected: &[(&str, u32)]| -> BTreeMap<String, u32> {
        expected.iter().map(|(text, tracks)| (text.to_string(), *tracks)).collect()
    };
    let listed = || -> BTreeMap<String, u32> {
        world.listed("NEW001").into_iter().map(|(text, (tracks, _))| (text, tracks)).collect()
    };
    assert_eq!(listed(), tracks(mirrored));
    to(&mut migration, State::Complete);
    drop(migration);
    assert_eq!(listed(), tracks(&PRESENT));
    for (text, _) in PRESENT {
        world.assert_moved(name(text), &["NEW001"]);
    }
    for text in [GONE, RENAMED] {
        assert_eq!(world.looked_up(name(text)), [] as [&str; 0], "{text}");
    }
    world.assert_clean();
}

#[test]
fn catalog_alone_in_a_migration_until_the_window() {
    // What grew or was cut inside its volume is seen by the last comparison, which looks at the VTOC in any case.
    let [kept, grown, wider, cut, others @ ..] = PRESENT;
    let (grown, cut) = ((grown.0, 8), (cut.0, 8));
    migrated(true, Metadata::Catalog, &[&[kept, grown, wider, cut], &others[..]].concat());
}

#[test]
fn vtoc_alone_in_a_migration_of_what_no_catalog_names() {
    migrated(false, Metadata::Both, &PRESENT);
}

#[test]
fn vtoc_alone_in_a_migration() {
    migrated(true, Metadata::Vtoc, &PRESENT);
}

#[test]
fn both_in_a_migration() {
    migrated(true, Metadata::Both, &PRESENT);
}
