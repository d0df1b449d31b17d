//! The program in the manual: it is compiled as it stands there, and moves a data set.

use crate::compilers::{build, dialects, run, workshop};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::host::Host;
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager, init};
use trackmirror::{DsName, Volser, track};

const NAME: &str = "TEST.DATA";
const EXTENT: Extent = Extent::new(Track(40), 30);

/// The program, as it stands in the header.
fn program(header: &str) -> String {
    let (_, program) = header.split_once("\n * A COMPLETE PROGRAM\n").expect("its title is there");
    let lines = program.lines().skip(1);
    let lines = lines.take_while(|line| line.starts_with(" *     ") || *line == " *");
    let lines = lines.map(|line| line.strip_prefix(" *     ").unwrap_or(""));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_program_in_the_manual_is_taken_by_every_compiler() {
    let source = workshop("worked-check.c");
    fs::write(&source, program(crate::made())).unwrap();
    for dialect in dialects() {
        let mut command = dialect.command();
        if dialect.is_cpp {
            // NULL of the C library is no nullptr.
            command.arg("-Wno-zero-as-null-pointer-constant");
        }
        run(command.arg("-fsyntax-only").arg(&source));
    }
}

fn image(folder: &Path, serial: &str) -> PathBuf {
    let device = Device::named("2314").unwrap();
    let geometry = Geometry { device, cylinders: 12, slot_size: device.slot_size() };
    let (path, volser) = (folder.join(serial), serial.parse().unwrap());
    let volume = CkdVolume::create(&path, geometry, volser).unwrap();
    init::initialize(&volume, volser, Some(Extent::new(Track(1), 3)), "").unwrap();
    path
}

/// Puts a data set and a catalog on the volume.
fn fill(path: &Path) {
    let volume = volume::open(path, Access::Exclusive).unwrap();
    let space = VtocSpaceManager::new(volume.clone());
    let mut format1 = Format1::new("SYSCTLG".parse().unwrap());
    format1.set_volume_sequence(1);
    let extents = vec![Extent::new(Track(10), 2)];
    space.allocate(&NewDataSet { format1, extents: extents.clone() }, &NoJournal).unwrap();
    let catalog = CvolCatalog::format(volume.clone(), extents).unwrap();

    let mut format1 = Format1::new(NAME.parse().unwrap());
    format1.set_first_volser(volume.volser());
    format1.set_volume_sequence(1);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_scal1(0x80);
    format1.set_last_used(Some((EXTENT.track_count - 1, 1)));
    let new = NewDataSet { format1, extents: vec![EXTENT] };
    let made = space.allocate(&new, &NoJournal).unwrap();
    let mut slot = vec![0; volume.slot_size()];
    for track in (0..EXTENT.track_count).map(|track| EXTENT.first.plus(track)) {
        track::build(&mut slot, volume.place(track), &[(&[], &[track.0 as u8; 99])]).unwrap();
        volume.write(track, &slot).unwrap();
    }
    let volser = volume.volser();
    let of = CatalogVolume { unit_type: [0x30, 0xC0, 0x20, 0x08], volser, file_sequence: 0 };
    let dscb = Some(made.address.to_ttr());
    let entry = CatalogEntry { name: NAME.parse().unwrap(), volumes: vec![of], dscb };
    catalog.add(&entry, &NoJournal).unwrap();
    volume.flush().unwrap();
}

/// The volumes that have the data set, and those that the catalog names.
fn where_it_is(images: &[PathBuf]) -> (Vec<String>, Vec<String>) {
    let volumes: Vec<Arc<dyn Volume>> = volume::open_all(images, Access::Read).unwrap();
    let name: DsName = NAME.parse().unwrap();
    let has = |volume: &&Arc<dyn Volume>| {
        VtocSpaceManager::new((*volume).clone()).find(&name).unwrap().is_some()
    };
    let text = |volser: Volser| volser.to_string();
    let holders = volumes.iter().filter(has).map(|volume| text(volume.volser())).collect();
    let entry = Host::of_volumes(volumes).unwrap().catalogs[0].locate(&name).unwrap().unwrap();
    (holders, entry.volumes.iter().map(|volume| text(volume.volser)).collect())
}

#[test]
fn the_program_in_the_manual_moves_a_data_set() {
    let program = build("worked", &program(crate::made()), true);
    let folder = tempfile::tempdir().unwrap();
    let images = ["OLD001", "NEW001"].map(|serial| image(folder.path(), serial));
    fill(&images[0]);
    let start = |names: &str, target: &str| -> Output {
        let mut command: Command = program();
        command.args([names, "OLD001", target]).arg(folder.path().join("state")).args(&images);
        command.output().unwrap()
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();

    let refused = start("TEST.**", "NEW009");
    assert_eq!(refused.status.code(), Some(8), "{}", said(&refused));
    assert!(said(&refused).contains("NEW009"), "{}", said(&refused));
    let refused = start("SYSCTLG", "NEW001");
    assert_eq!(refused.status.code(), Some(8), "{}", said(&refused));
    let refused = start("TEST.**,NO.SUCH.**", "NEW001");
    assert_eq!(refused.status.code(), Some(8), "{}", said(&refused));
    assert!(said(&refused).contains("NO.SUCH.**"), "{}", said(&refused));
    assert_eq!(where_it_is(&images), (vec!["OLD001".into()], vec!["OLD001".into()]));

    let moved = start("TEST.**", "NEW001");
    assert_eq!((moved.status.code(), said(&moved).as_str()), (Some(0), ""));
    assert_eq!(where_it_is(&images), (vec!["NEW001".into()], vec!["NEW001".into()]));
    let again = start("TEST.**", "NEW001");
    assert_eq!(again.status.code(), Some(4), "{}", said(&again));
    assert!(said(&again).contains("has ended"), "{}", said(&again));
}
