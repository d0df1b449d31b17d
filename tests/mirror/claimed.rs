//! The notes beside the images follow, too: what joins is claimed, and what somebody else moves is not taken from him.

use crate::stage::{Stage, set};
use crate::world::{PAYLOAD, name, volser};
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::registry;
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{Expiration, Identity, NewDataSet, SpaceManager};
use trackmirror::{DsName, Reason};

const DATA_SETS: &[(&str, &[(u32, u32)])] =
    &[("TEST.LEDGER", &[(15, 20)]), ("TEST.PAYROLL", &[(90, 15)])];

/// The space of OLD001, changed through a monitor.
fn space(stage: &Stage) -> VtocSpaceManager {
    VtocSpaceManager::new(stage.writer("SYSA"))
}

fn claimed(stage: &Stage) -> Vec<DsName> {
    let notes = registry::read_notes(&stage.world.image("OLD001")).unwrap();
    notes.into_iter().flat_map(|note| note.claims.unwrap_or_default()).collect()
}

fn allocate(space: &VtocSpaceManager, catalog: &dyn Catalog, text: &str) {
    let mut format1 = Format1::new(name(text));
    format1.set_dsorg(Format1::DSORG_DA);
    format1.set_recfm(0x80);
    format1.set_blksize(PAYLOAD as u16);
    format1.set_lrecl(PAYLOAD as u16);
    format1.set_volume_sequence(1);
    format1.set_scal1(0x80);
    let new = NewDataSet { format1, extents: vec![Extent::new(Track(200), 3)] };
    space.allocate(&new, &NoJournal).unwrap();
    let unit_type = trackmirror::geometry::Device::named("3390").unwrap().unit_type();
    let volumes = vec![CatalogVolume { unit_type, volser: volser("OLD001"), file_sequence: 0 }];
    let entry = CatalogEntry { name: name(text), volumes, dscb: None };
    catalog.add(&entry, &NoJournal).unwrap();
}

#[test]
fn what_joins_is_claimed_and_what_leaves_is_not() {
    let mut stage = set(DATA_SETS, &[]).begin();
    stage.to(State::Mirrored);
    let space = space(&stage);
    allocate(&space, &stage.catalog, "TEST.NEW");
    let ledger = space.find(&name("TEST.LEDGER")).unwrap().unwrap();
    space.scratch(&Identity::of(&ledger), Expiration::Ignore, &NoJournal).unwrap();
    for _ in 0..60 {
        stage.migration.step(20).unwrap();
    }
    assert_eq!(claimed(&stage), [name("TEST.NEW"), name("TEST.PAYROLL")]);
    stage.finish();
    let stage = stage.stop();
    stage.world.assert_cataloged_on(name("TEST.NEW"), "NEW001");
    assert!(!crate::world::has_file(stage.world.folder.path(), "unfinished"), "a note is left");
}

#[test]
fn what_another_migration_claims_is_not_taken_from_it() {
    let mut stage = set(DATA_SETS, &[]).begin();
    stage.to(State::Mirrored);
    let other = stage.world.folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let image = stage.world.image("OLD001");
    registry::claim_shared(&[&image], &other, "moves TEST.NEW", &[name("TEST.NEW")]).unwrap();
    let space = space(&stage);
    allocate(&space, &stage.catalog, "TEST.NEW");
    let error = stage.migration.quiesce().unwrap_err();
    assert_eq!(error.reason(), Reason::UnfinishedMigration, "{error}");
    assert_eq!(stage.migration.state(), State::Mirrored);
    assert!(stage.desk.is_free());
    registry::remove_note(&image, &other).unwrap();
    stage.finish();
    let stage = stage.stop();
    stage.world.assert_cataloged_on(name("TEST.NEW"), "NEW001");
}
