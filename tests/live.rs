//! A real operating system judges what was moved.
//!
//! The data sets of real OS/VS1 and MVS volumes are moved by the command, offline; the private catalog of one of the
//! volumes is changed by the library; then OS/VS1 is booted under Hercules from the system volume whose catalog the
//! command has changed. Its own utilities compare old and new, list VTOCs, directories and catalogs, find the data sets
//! through the catalogs, allocate beside them and go on changing the catalog; programs from a moved library update
//! moved data sets. Every condition code must be 0000, except where copies differ on purpose. See `tests/live/*.py`.
//!
//! The volumes and the kit that drives the guest are not part of the project: `TRACKMIRROR_SHARED` names their folder.

mod support;

use std::path::Path;
use std::process::Command;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::geometry::Device;
use trackmirror::name::{DsMask, DsName, Volser};
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access};

/// Runs one half of the judge, prints what it says, and demands that it is content.
fn python(script: &str, arguments: &[&Path]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live").join(script);
    let output = Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(&script)
        .args(arguments)
        .output()
        .expect("python3 can be run");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}\n{complaint}", script.display(), output.status);
}

/// Runs a verb of the command on one image, and returns what it printed; remarks are no reason to worry.
fn trackmirror(verb: &str, image: &Path) -> String {
    let output = support::trackmirror().arg(verb).arg(image).output();
    let output = output.expect("the command can be run");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    let image = image.display();
    assert!(
        matches!(output.status.code(), Some(0 | 4)),
        "{verb} {image}: {}:\n{printed}{complaint}",
        output.status
    );
    printed
}

/// That the command finds no error on a volume.
fn check(image: &Path) {
    let printed = trackmirror("check", image);
    assert!(printed.contains(": nothing found") || printed.contains(": 0 errors,"), "{printed}");
}

fn name(text: &str) -> DsName {
    DsName::parse(text).unwrap()
}

fn on_3330(volser: &str) -> CatalogVolume {
    let unit_type = Device::named("3330").unwrap().unit_type();
    CatalogVolume { unit_type, volser: Volser::parse(volser).unwrap(), file_sequence: 0 }
}

fn entry(text: &str, volsers: &[&str]) -> CatalogEntry {
    let volumes = volsers.iter().map(|volser| on_3330(volser)).collect();
    CatalogEntry { name: name(text), volumes, dscb: None }
}

fn catalog(image: &Path, access: Access) -> CvolCatalog {
    let volume = volume::open(image, access).unwrap();
    CvolCatalog::find_on(volume).unwrap().expect("the volume has a SYSCTLG")
}

/// Every kind of change, and so many new names that blocks of the index are split.
fn change_private_catalog(image: &Path) {
    let catalog = catalog(image, Access::Exclusive);
    let journal = &NoJournal;
    for number in 1..=40 {
        catalog.add(&entry(&format!("PRIV.MANY{number:03}"), &["TGTA01"]), journal).unwrap();
    }
    catalog.add(&entry("PRIV.NEW.INDEX.LEVELS", &["CLNA01"]), journal).unwrap();
    for number in (1..=40).step_by(3) {
        catalog.delete(&name(&format!("PRIV.MANY{number:03}")), journal).unwrap();
    }
    let from = catalog.locate(&name("PRIV.MV")).unwrap().expect("PRIV.MV is cataloged");
    catalog.recatalog(&from, &entry("PRIV.MV", &["TGTA01", "CLNA02"]), journal).unwrap();
    catalog.rename(&name("PRIV.A.B.C.D.E"), &name("PRIV.A.B.OTHER"), journal).unwrap();
}

/// What the library reads from a catalog, in the form in which the judge saves what the guest lists.
fn listed_by_library(image: &Path) -> Vec<String> {
    let entries = catalog(image, Access::Read).list(&DsMask::parse("**").unwrap()).unwrap();
    let line = |entry: &CatalogEntry| {
        let volume = |volume: &CatalogVolume| {
            format!(" {}:{:08X}", volume.volser, u32::from_be_bytes(volume.unit_type))
        };
        format!("{}{}", entry.name, entry.volumes.iter().map(volume).collect::<String>())
    };
    let mut lines: Vec<String> = entries.iter().map(line).collect();
    lines.sort();
    lines
}

/// What the guest listed.
fn listed_by_guest(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn os_vs1_finds_and_reads_what_was_moved() {
    let Some(shared) = support::shared() else { return };
    let folder = support::folder();
    let scratch = folder.path();
    python("move.py", &[Path::new(env!("CARGO_BIN_EXE_trackmirror")), scratch, &shared]);

    let (system, private) = (scratch.join("dliba1.150"), scratch.join("clna01.151"));
    change_private_catalog(&private);
    check(&private);
    let (system_before, private_before) = (listed_by_library(&system), listed_by_library(&private));

    python("judge.py", &[scratch, &shared]);

    assert_eq!(listed_by_guest(&scratch.join("catalog-DLIBA1.txt")), system_before);
    assert_eq!(listed_by_guest(&scratch.join("catalog-CLNA01.txt")), private_before);
    // What the guest itself added afterwards is read by the library.
    let private_after = listed_by_library(&private);
    assert_eq!(listed_by_guest(&scratch.join("catalog-CLNA01-after.txt")), private_after);
    assert_eq!(private_after.len(), private_before.len() + 1);
    assert!(private_after.contains(&"PRIV.GUEST.NEW TGTA01:30502009".to_owned()));
    assert!(private_after.contains(&"PRIV.A.B.OTHER CLNA01:30502009".to_owned()));
    assert!(private_after.contains(&"PRIV.MV TGTA01:30502009 CLNA02:30502009".to_owned()));
    assert!(!private_after.iter().any(|line| line.starts_with("PRIV.A.B.C.D.E ")));

    for (image, data_set, volser) in [
        (&system, "TEST.SEQ.FB", "TGTA01"),
        (&system, "TEST.K2314.FB", "TGTC01"),
        (&private, "PRIV.GUEST.NEW", "TGTA01"),
    ] {
        let printed = trackmirror("catalog", image);
        let line = printed.lines().find(|line| line.contains(data_set));
        assert!(line.is_some_and(|line| line.contains(volser)), "{data_set}:\n{printed}");
    }
    // After all that the guest did to them, catalogs and volumes are sound.
    for image in [&system, &private] {
        assert_eq!(catalog(image, Access::Read).check().unwrap().damage, []);
    }
    for image in [
        "dliba1.150",
        "clna01.151",
        "tgta01.152",
        "clna02.153",
        "clnc01.130",
        "tgtc01.131",
        "smp004.148",
        "tgtb01.149",
    ] {
        check(&scratch.join(image));
    }
}
