//! VTOCs of real volumes are read as their systems meant them, and stay right when data sets come and go.

mod support;
mod support_vtoc {
    //! The tools of Hercules.

    use std::path::Path;
    use std::process::{Command, Stdio};

    fn quiet(program: &str) -> Command {
        let mut command = Command::new(program);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// A new image without a VTOC, as Hercules makes it: with so many cylinders, or all with the alternates.
    pub fn dasdinit(image: &Path, device: &str, cylinders: Option<u32>) {
        let mut command = quiet("dasdinit");
        if cylinders.is_none() {
            command.arg("-a");
        }
        command.arg(image).args([device, "AAAAAA"]);
        let made = command.args(cylinders.map(|count| count.to_string())).status();
        assert!(made.unwrap().success(), "{device}");
    }

    /// What `dasdls` says of an image: one line for each data set.
    pub fn dasdls(image: &Path) -> Vec<String> {
        let output = Command::new("dasdls").arg("-info").arg(image).output().unwrap();
        assert!(output.status.success(), "{}", image.display());
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, list) = text.split_once("VOLSER=").unwrap();
        list.lines().skip(1).map(String::from).collect()
    }

    /// Whether the tools are installed.
    pub fn has_hercules() -> bool {
        let found = quiet("dasdls").status();
        if found.is_err() {
            eprintln!("the tools of Hercules are not installed: nothing is tested");
        }
        found.is_ok()
    }
}

use std::path::Path;
use support_vtoc::{dasdinit, dasdls, has_hercules};
use trackmirror::dscb::{Dscb, Format1};
use trackmirror::geometry::{DEVICES, Extent};
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Access, open};
use trackmirror::vtoc::check::{Severity, Tracks, check};
use trackmirror::vtoc::init::{default_vtoc, initialize};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::space::{Expiration, Identity};
use trackmirror::vtoc::{FreeSpace, NewDataSet, SpaceManager, Vtoc};

/// Each real volume, unpacked for a moment.
fn with_volumes(mut test: impl FnMut(&Path)) {
    if !has_hercules() {
        return;
    }
    for volume in support::real_volumes() {
        let folder = support::folder();
        test(&volume.copy_to(folder.path()));
    }
}

#[test]
fn real_volumes_are_sound_and_listed_as_hercules_does() {
    let mut extents_seen = 0;
    with_volumes(|image| {
        let volume = open(image, Access::Read).unwrap();
        let vtoc = Vtoc::read(&*volume).unwrap();
        // Free space as MVS and OS/VS1 recorded it is what no extent claims.
        let complement = FreeSpace::complement(&vtoc);
        assert_eq!(FreeSpace::recorded(&vtoc).unwrap().as_ref(), Some(&complement));
        assert_eq!(FreeSpace::of(&vtoc).unwrap(), complement);
        let used: u32 = vtoc.data_sets().map(|(_, found)| found.unwrap().track_count()).sum();
        let fixed = 1 + vtoc.extent.track_count;
        assert_eq!(complement.track_count() + used + fixed, vtoc.usable_track_count());
        // The one remark on them all: the data sets of a volume that was relabelled.
        for finding in check(&*volume, Tracks::All).unwrap() {
            assert_eq!(finding.severity, Severity::Remark, "{finding}");
            assert!(finding.sentence.starts_with("DS1DSSN is "), "{finding}");
            assert_eq!(finding.volser.to_string(), "DLIBA1");
        }
        // The number of extents stands before the kind of space request in each line.
        let lines = dasdls(image);
        let data_sets: Vec<_> = vtoc.data_sets().map(|(_, found)| found.unwrap()).collect();
        assert_eq!(lines.len(), data_sets.len());
        for (line, data_set) in lines.iter().zip(data_sets) {
            let (name, rest) = line.split_at(44);
            assert_eq!(name.trim_end(), data_set.format1.name().to_string());
            let words: Vec<&str> = rest.split_whitespace().collect();
            let kinds = ["CYL", "TRK", "BLK", "ABSTR"];
            let request =
                words.iter().rposition(|word| kinds.iter().any(|kind| word.starts_with(kind)));
            let extents: usize = words[request.expect(line) - 1].parse().expect(line);
            assert_eq!(extents, data_set.extents.len(), "{line}");
            extents_seen += extents;
            let found = vtoc.find(&data_set.format1.name()).unwrap();
            assert_eq!(found, Some(data_set));
        }
    });
    assert!(extents_seen == 0 || extents_seen > 100);
}

#[test]
fn changes_keep_real_volumes_right() {
    let (mut changed, mut full) = (0, 0);
    with_volumes(|image| {
        let volume = open(image, Access::Exclusive).unwrap();
        let space = VtocSpaceManager::new(volume.clone());
        space.check_writable().unwrap();
        let before = space.read().unwrap();
        if FreeSpace::of(&before).unwrap().track_count() < 100 {
            full += 1;
            return;
        }
        changed += 1;
        let names = dasdls(image);
        let mut format1 = Format1::new("TRACK.MIRROR.TEST".parse().unwrap());
        format1.set_first_volser(before.volser);
        format1.set_volume_sequence(1);
        let mut free = FreeSpace::of(&before).unwrap();
        let mut pieces = |count: u32| -> Vec<Extent> {
            let pick = |_| {
                let run = free.largest().unwrap();
                // From the middle, so that pieces are not neighbours.
                let piece = Extent::new(run.first.plus(run.track_count / 2), 2);
                free.take(piece).unwrap();
                piece
            };
            (0..count).map(pick).collect()
        };
        let (first, second) = (pieces(5), pieces(3));
        let new = NewDataSet { format1, extents: first.clone() };
        let made = space.allocate(&new, &NoJournal).unwrap();
        assert_eq!(made.chain.len(), 1);
        let made = space.extend(&Identity::of(&made), &second, &NoJournal).unwrap();
        assert_eq!(made.extents, [first.clone(), second].concat());
        let made = space.release(&Identity::of(&made), 9, &NoJournal).unwrap();
        assert_eq!(made.track_count(), 9);
        let made =
            space.rename(&Identity::of(&made), &"TM.RENAMED".parse().unwrap(), &NoJournal).unwrap();
        let listed = dasdls(image);
        assert_eq!(listed.len(), names.len() + 1);
        assert!(listed.iter().any(|line| line.starts_with("TM.RENAMED ")));
        let sound = || {
            let findings = check(&*volume, Tracks::None).unwrap();
            assert!(findings.iter().all(|f| f.severity == Severity::Remark), "{findings:?}");
        };
        sound();
        // Another one gets its space.
        let format1 = Format1::new("TM.OTHER".parse().unwrap());
        let other = space.allocate(&NewDataSet { format1, extents: vec![] }, &NoJournal).unwrap();
        let (of, by) = (Identity::of(&other), Identity::of(&made));
        let other = space.replace_space(&of, &by, &NoJournal).unwrap();
        assert_eq!((other.extents.clone(), other.address), (made.extents, of.address));
        sound();
        space.scratch(&Identity::of(&other), Expiration::Ignore, &NoJournal).unwrap();
        sound();
        assert_eq!(dasdls(image), names);
        // All DSCBs are as they were, but for the high-water mark of the F1s.
        let after = space.read().unwrap();
        for ((_, old), (address, new)) in before.dscbs.iter().zip(&after.dscbs).skip(1) {
            assert_eq!(old, new, "{address:?}");
        }
        let (mut old, new) = (*before.format4(), *after.format4());
        old.set_highest_f1(new.highest_f1());
        assert_eq!(old, new);
    });
    assert!(full <= 2 && (changed == 0 || changed >= 17), "{changed} changed, {full} full");
}

#[test]
fn every_device_can_be_initialised() {
    if !has_hercules() {
        return;
    }
    for device in DEVICES {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        // Large images would take long to make, and are like the others.
        let name = if device.name == "3390-A" { "3390" } else { device.name };
        dasdinit(&image, name, (device.cylinders > 1000).then_some(300));
        let volume = open(&image, Access::Exclusive).unwrap();
        initialize(&*volume, "NEW001".parse().unwrap(), None, "OWNER").unwrap();
        let findings = check(&*volume, Tracks::Used).unwrap();
        assert!(findings.is_empty(), "{}: {findings:?}", device.name);
        assert!(dasdls(&image).is_empty(), "{}", device.name);
        let vtoc = Vtoc::read(&*volume).unwrap();
        assert_eq!(vtoc.volser.to_string(), "NEW001");
        assert_eq!(vtoc.extent, default_vtoc(&volume.geometry()));
        let free = FreeSpace::recorded(&vtoc).unwrap().unwrap();
        assert_eq!(free.runs().len(), 1);
        let dscbs = vtoc.dscbs.iter().filter(|(_, dscb)| matches!(dscb, Dscb::Free)).count();
        assert_eq!(dscbs, usize::from(vtoc.format4().free_dscbs()));
        let space = VtocSpaceManager::new(volume);
        let extents = vec![free.largest_aligned().unwrap()];
        let format1 = Format1::new("TEST.WHOLE".parse().unwrap());
        space.allocate(&NewDataSet { format1, extents }, &NoJournal).unwrap();
        assert!(dasdls(&image)[0].starts_with("TEST.WHOLE "));
    }
}

#[test]
fn constants_of_new_volumes_are_those_of_real_ones() {
    with_volumes(|image| {
        let volume = open(image, Access::Exclusive).unwrap();
        let real = Vtoc::read(&*volume).unwrap();
        initialize(&*volume, real.volser, Some(real.extent), "").unwrap();
        let new = Vtoc::read(&*volume).unwrap();
        let (real, new) = (real.format4().as_bytes(), new.format4().as_bytes());
        assert_eq!(real[62..76], new[62..76], "DS4DEVCT of {}", image.display());
        assert_eq!(real[56..58], new[56..58], "DS4NOATK of {}", image.display());
        assert_eq!(real[59..61], new[59..61]);
        if new[56..58] != [0, 0] {
            assert_eq!(real[52..56], new[52..56], "DS4HCCHH of {}", image.display());
        }
    });
}

#[test]
fn a_volume_of_dasdload_gets_its_record_of_free_space() {
    if !has_hercules() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (control, image) = (folder.path().join("control"), folder.path().join("image"));
    let text = "LOAD01 3350 100\nSYSVTOC vtoc trk 10\n\
                TEST.EMPTY empty trk 5 0 0 po fb 80 3120 80\nTEST.TWO empty cyl 2 0 0 ps fb 80 3120 80\n";
    std::fs::write(&control, text).unwrap();
    let made = std::process::Command::new("dasdload").arg(control).arg(&image).output().unwrap();
    assert!(made.status.success());
    let volume = open(&image, Access::Exclusive).unwrap();
    let found = check(&*volume, Tracks::All).unwrap();
    assert!(found.len() == 1 && found[0].sentence.starts_with("the DOS bit is on"), "{found:?}");
    let space = VtocSpaceManager::new(volume.clone());
    let before = space.read().unwrap();
    assert_eq!(FreeSpace::recorded(&before).unwrap(), None);
    let extents = vec![FreeSpace::of(&before).unwrap().fit(30, true).unwrap()];
    let format1 = Format1::new("TEST.NEW".parse().unwrap());
    space.allocate(&NewDataSet { format1, extents }, &NoJournal).unwrap();
    let after = space.read().unwrap();
    assert_eq!(after.format4().indicators(), 0x08);
    assert_eq!(FreeSpace::recorded(&after).unwrap(), Some(FreeSpace::complement(&after)));
    assert!(check(&*volume, Tracks::All).unwrap().is_empty());
    assert_eq!(dasdls(&image).len(), 3);
}
