//! From a name to its tracks: the catalog tells the volumes, and each volume's VTOC the extents there.

use crate::moving::Request;
use crate::support::volser;
use crate::world::{Extents, World, name};
use trackmirror::assess::{Assessment, Options, assess};
use trackmirror::catalog::Catalog;
use trackmirror::volume::intent::NoJournal;
use trackmirror::{DsName, Reason};

fn assessed(world: &World, name: DsName) -> Vec<Assessment> {
    let host = world.host(&Request::default());
    let space = host.space_of(&world.sources).unwrap();
    let masks = [name.to_string().parse().unwrap()];
    assess(&masks, &space, &host.catalogs, &Options::default()).unwrap()
}

/// Volume by volume, the extents of an assessment.
fn parts(assessment: &Assessment) -> Vec<(String, Vec<(u32, u32)>)> {
    let part = |part: &trackmirror::assess::Part| {
        let extents = part.dscbs.extents.iter();
        let extents = extents.map(|extent| (extent.first.0, extent.track_count)).collect();
        (part.volser.to_string(), extents)
    };
    assessment.parts.iter().map(part).collect()
}

#[test]
fn volumes_come_from_the_catalog_and_extents_from_each_vtoc() {
    let world = World::new(&["OLD001", "OLD002", "OLD003"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    // Neither in the order of the serials, nor of the addresses.
    let first: Extents<'_> = &[(200, 6), (100, 8)];
    let second: Extents<'_> = &[(90, 4), (300, 3), (120, 7)];
    world.make(ledger, &[("OLD003", first), ("OLD001", second)]);
    assert_eq!(world.looked_up(ledger), ["OLD003", "OLD001"]);
    let assessments = assessed(&world, ledger);
    let [assessment] = &assessments[..] else { panic!("{assessments:?}") };
    assert!(assessment.is_movable(), "{:?}", assessment.refusals);
    let expected =
        [("OLD003".to_string(), first.to_vec()), ("OLD001".to_string(), second.to_vec())];
    assert_eq!(parts(assessment), expected);
    // The emulator's tool sees the same tracks and extents there.
    assert_eq!(world.listed_one("OLD003", ledger), Some((14, 2)));
    assert_eq!(world.listed_one("OLD001", ledger), Some((14, 3)));
    assert_eq!(world.listed_one("OLD002", ledger), None);
    let [cataloged] = &assessment.cataloged[..] else { panic!("{:?}", assessment.cataloged) };
    assert_eq!(cataloged.catalog, "SYSCTLG on SYS001");

    // What has the name without the catalog's knowledge is not taken for a part.
    let elsewhere = world.entry(ledger, &[volser("OLD003"), volser("OLD001")]);
    world.make_stray(ledger, "OLD002", (50, 5));
    let again = assessed(&world, ledger);
    let found = again.iter().find(|found| !found.cataloged.is_empty()).expect("it is cataloged");
    assert_eq!(parts(found), expected);

    // And where the catalog leads elsewhere, there the extents are taken from.
    let there = world.entry(ledger, &[volser("OLD002")]);
    world.catalog().recatalog(&elsewhere, &there, &NoJournal).unwrap();
    let now = assessed(&world, ledger);
    let found = now.iter().find(|found| !found.cataloged.is_empty()).expect("it is cataloged");
    assert_eq!(parts(found), [("OLD002".to_string(), vec![(50, 5)])]);
}

#[test]
fn a_name_that_leads_to_a_volume_without_it_is_refused() {
    let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, &[("OLD001", &[(100, 8)])]);
    let (from, to) = (
        world.entry(ledger, &[volser("OLD001")]),
        world.entry(ledger, &[volser("OLD001"), volser("OLD002")]),
    );
    world.catalog().recatalog(&from, &to, &NoJournal).unwrap();
    let assessments = assessed(&world, ledger);
    let reasons: Vec<Reason> =
        assessments.iter().flat_map(|found| &found.refusals).map(|why| why.reason()).collect();
    assert!(reasons.contains(&Reason::CatalogMismatch), "{assessments:?}");
}
