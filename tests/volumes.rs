//! The promise: every image that real systems and their emulator write is read as they read it, and what is written is
//! read back the same, here and there.

#![cfg(feature = "compression")]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{assert_refused, geometry, made, refusal, volser};
use trackmirror::Reason;
use trackmirror::geometry::{Geometry, Track};
use trackmirror::track::{self, NullFormat};
use trackmirror::volume::cckd::CckdVolume;
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Access, Lock, Volume, VolumeExt, open};

/// Reads a volume by cylinders, checks each track, and gives its image up to the end marker to `each`.
fn for_each_track(volume: &dyn Volume, mut each: impl FnMut(Track, &[u8])) {
    let heads = u32::from(volume.geometry().heads());
    let mut buffer = vec![0xA5; volume.slot_size() * heads as usize];
    for cylinder in 0..volume.geometry().cylinders {
        let first = Track(cylinder * heads);
        volume.read(first, &mut buffer).unwrap();
        for (head, slot) in (0..).zip(buffer.chunks(volume.slot_size())) {
            let track = first.plus(head);
            let summary = track::check(slot, volume.place(track)).unwrap_or_else(|error| {
                panic!("{}: {}", volume.location(), volume.locate(error, track))
            });
            assert_eq!(summary.foreign_count, 0, "{}, track {}", volume.location(), track.0);
            each(track, &slot[..summary.length]);
        }
    }
}

/// That two volumes have the same tracks, end markers included.
fn assert_same_tracks(one: &dyn Volume, two: &dyn Volume) {
    assert_eq!(one.geometry(), two.geometry());
    assert_eq!(one.volser(), two.volser());
    let mut slot = vec![0; two.slot_size()];
    for_each_track(one, |track, image| {
        two.read(track, &mut slot).unwrap();
        assert!(slot.starts_with(image), "track {} of {}", track.0, one.location());
    });
}

// Real volumes, and images that the emulator's tools make.

#[test]
fn every_track_of_every_real_volume_checks() {
    for real in support::real_volumes() {
        let path = if real.is_compressed_image() { real.file.clone() } else { real.plain() };
        let volume = open(&path, Access::Read).unwrap();
        assert!(volume.geometry().device.name.starts_with(&real.device), "{}", real.name);
        let (mut tracks, mut bytes) = (0, 0);
        for_each_track(&*volume, |_, image| {
            tracks += 1;
            bytes += image.len();
        });
        assert_eq!(tracks, volume.geometry().track_count());
        assert!(bytes > 29 * tracks as usize, "{} holds more than empty tracks", real.name);
    }
}

#[test]
fn real_compressed_images_read_as_the_tool_makes_them_plain() {
    for real in support::real_volumes().iter().filter(|real| real.is_compressed_image()) {
        let compressed = CckdVolume::open(&real.file, Access::Read).unwrap();
        let plain = CkdVolume::open(&real.plain(), Access::Read).unwrap();
        assert_same_tracks(&compressed, &plain);
    }
}

#[test]
fn images_of_each_compression_are_read_as_the_tool_reads_them() {
    let folder = support::folder();
    let path = |name: &str| folder.path().join(name);
    for (name, options, device) in [
        ("zlib", &["-z"][..], "3350"),
        ("bzip2", &["-bz2"], "3390"),
        ("none", &["-0"], "2314"),
        ("linux", &["-z", "-linux"], "3390"),
        ("linux-bzip2", &["-bz2", "-linux"], "3390-2"),
    ] {
        let (image, plain) = (path(name), path(&format!("{name}.ckd")));
        let image_name = image.to_str().unwrap();
        let arguments = options.iter().copied().chain([image_name, device, "TOOL01", "60"]);
        support::tool("dasdinit", arguments);
        support::dasdcopy_plain(&image, &plain);
        let compressed = open(&image, Access::Read).unwrap();
        assert_eq!(compressed.volser(), volser("TOOL01"));
        assert_eq!(compressed.geometry().cylinders, 60);
        assert_same_tracks(&*compressed, &*open(&plain, Access::Read).unwrap());
    }
}

#[test]
fn forms_of_tracks_without_data_are_told_apart() {
    // As `dasdinit` leaves them: form 0 where the L2 says 0, form 1 where there is no L2, form 2 on Linux volumes.
    let folder = support::folder();
    for (options, track, form) in [
        (&["-z"][..], 2, NullFormat::EndOfFile),
        (&["-z"], 300, NullFormat::Empty),
        (&["-z", "-linux"], 2, NullFormat::Linux),
        (&["-z", "-linux"], 300, NullFormat::Linux),
    ] {
        let image = folder.path().join(format!("{form:?}{track}.cckd"));
        let arguments = [image.to_str().unwrap(), "3390", "TOOL01", "30"];
        support::tool("dasdinit", options.iter().copied().chain(arguments));
        let volume = open(&image, Access::Read).unwrap();
        let mut expected = vec![0; volume.slot_size()];
        form.write(&mut expected, volume.place(Track(track)));
        assert!(volume.read_track(Track(track)).unwrap() == expected, "{form:?}, {track}");
    }
}

#[test]
fn a_real_volume_compressed_by_the_tool_reads_the_same() {
    let Some((folder, images)) = support::copies(&["vs1-clnc01"]) else { return };
    let plain = open(&images[0], Access::Read).unwrap();
    for compression in ["-z", "-bz2", "-0"] {
        let target = folder.path().join(format!("copy{compression}.cckd"));
        let copy = folder.path().join("copy.ckd");
        support::copy_sparse(&images[0], &copy);
        support::dasdcopy_compressed(compression, &copy, &target);
        assert_same_tracks(&CckdVolume::open(&target, Access::Read).unwrap(), &*plain);
    }
}

#[test]
fn what_is_written_is_read_back_here_and_by_the_tool() {
    let folder = support::folder();
    let path = made(folder.path(), "image.ckd", "3350", 4);
    let volume = open(&path, Access::Exclusive).unwrap();
    let slot_size = volume.slot_size();
    let mut run = vec![0; 40 * slot_size];
    for (slot, number) in run.chunks_mut(slot_size).zip(25u32..) {
        let data = number.to_be_bytes().repeat(900);
        let place = volume.place(Track(number));
        track::build(slot, place, &[(b"KEY", &data[..80]), (b"", &data), (b"", b"")]).unwrap();
    }
    volume.write(Track(25), &run).unwrap();
    volume.flush().unwrap();
    let mut read = vec![0xFF; run.len()];
    volume.read(Track(25), &mut read).unwrap();
    assert!(read == run);
    let again = MemoryVolume::copy_of(&*volume).unwrap();
    drop(volume);
    let compressed = folder.path().join("image.cckd");
    support::dasdcopy_compressed("-z", &path, &compressed);
    assert_same_tracks(&*open(&compressed, Access::Read).unwrap(), &again);
}

// New images.

#[test]
fn a_new_image_is_private_sparse_and_whole() {
    let folder = support::folder();
    for (device, cylinders) in [("2314", 203), ("3330-11", 100), ("3390-3", 300), ("9345", 1)] {
        let path = folder.path().join(device);
        let volume =
            CkdVolume::create(&path, geometry(device, cylinders), volser("NEW-01")).unwrap();
        assert!(volume.is_writable());
        let mut empty = vec![0; volume.slot_size()];
        for_each_track(&volume, |track, image| match track.0 {
            0 => assert!(image.len() > 300),
            _ => {
                NullFormat::Empty.write(&mut empty, volume.place(track));
                assert_eq!(image, &empty[..29]);
            }
        });
        drop(volume);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o600);
        let slots = u64::from(geometry(device, cylinders).track_count());
        assert_eq!(metadata.len(), 512 + slots * u64::from(geometry(device, 1).slot_size));
        assert!(metadata.blocks() * 512 <= 70_000 + slots * 8192, "it is sparse");
        assert_eq!(open(&path, Access::Read).unwrap().volser(), volser("NEW-01"));
        let listing = support::dasdcopy_compressed("-z", &path, &path.with_extension("cckd"));
        assert!(listing.contains("successfully"), "{listing}");
    }
}

#[test]
fn a_new_image_replaces_nothing_and_a_failure_leaves_nothing() {
    let folder = support::folder();
    let path = made(folder.path(), "there", "2311", 2);
    let before = fs::read(&path).unwrap();
    let create = |path: &Path, geometry| CkdVolume::create(path, geometry, volser("NEW-01"));
    assert_refused(create(&path, geometry("2311", 3)), Reason::FileExists, &["there"]);
    assert!(fs::read(&path).unwrap() == before);

    let link = folder.path().join("link");
    symlink(folder.path().join("nowhere"), &link).unwrap();
    assert_refused(create(&link, geometry("2311", 3)), Reason::FileExists, &["link"]);
    assert!(!folder.path().join("nowhere").exists(), "a link is not followed");

    let fresh = folder.path().join("fresh");
    for bad in [
        geometry("3390", 0),
        geometry("3390", 65_536),
        Geometry { slot_size: 512, ..geometry("3390", 2) },
        Geometry { slot_size: u32::MAX, ..geometry("3390", 2) },
    ] {
        assert_refused(create(&fresh, bad), Reason::BadRequest, &[]);
        assert!(!fresh.exists());
    }
    let nowhere = folder.path().join("no").join("folder");
    assert_refused(create(&nowhere, geometry("2311", 2)), Reason::NoSuchFile, &["folder"]);
}

#[test]
fn a_full_disk_is_told_with_the_track_and_leaves_no_half_made_image() {
    // This test runs itself again as a process that may not make a file longer than 100 KiB.
    const FOLDER: &str = "TRACKMIRROR_TEST_SHORT_FILES";
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        let new = folder.join("new");
        let created = CkdVolume::create(&new, geometry("2314", 3), volser("NEW-01"));
        assert_refused(created, Reason::Io, &["new"]);
        assert!(!new.exists());
        let volume = open(&folder.join("image"), Access::Exclusive).unwrap();
        let mut run = vec![0; 10 * 7680];
        volume.read(Track(10), &mut run).unwrap();
        let words = ["MADE01", "track 13 (0/13)", "writing", "image", "offset 102400"];
        assert_refused(volume.write(Track(10), &run), Reason::Io, &words);
        return;
    }
    let folder = support::folder();
    made(folder.path(), "image", "2314", 3);
    let itself = support::itself();
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""])
        .arg(itself.get_program())
        .args(itself.get_args())
        .arg("--exact")
        .arg("a_full_disk_is_told_with_the_track_and_leaves_no_half_made_image")
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

// Runs, and images of several files.

/// Splits an image into files of so many cylinders each, named `vol1.part`, `vol2.part` and so on.
fn split(image: &Path, folder: &Path, cylinders: &[u16]) -> Vec<PathBuf> {
    let bytes = fs::read(image).unwrap();
    let geometry = open(image, Access::Read).unwrap().geometry();
    let cylinder_size = geometry.slot_size as usize * usize::from(geometry.heads());
    let (mut before, mut paths) = (0, Vec::new());
    for (number, &count) in (1u8..).zip(cylinders) {
        let mut header = bytes[..512].to_vec();
        let end = before + count;
        let is_last = u32::from(end) == geometry.cylinders;
        header[17] = number;
        header[18..20].copy_from_slice(&if is_last { 0 } else { end - 1 }.to_le_bytes());
        let slots =
            &bytes[512..][usize::from(before) * cylinder_size..usize::from(end) * cylinder_size];
        let path = folder.join(format!("vol{number}.part"));
        fs::write(&path, [&header, slots].concat()).unwrap();
        paths.push(path);
        before = end;
    }
    paths
}

#[test]
fn an_image_of_several_files_is_read_as_one() {
    let folder = support::folder();
    let whole = made(folder.path(), "whole", "2311", 9);
    let parts = split(&whole, folder.path(), &[4, 2, 3]);
    let (whole, volume) =
        (open(&whole, Access::Read).unwrap(), open(&parts[0], Access::Read).unwrap());
    assert_same_tracks(&*volume, &*whole);
    for (first, count) in [(0, 90), (39, 2), (30, 40), (59, 1), (60, 30), (41, 18)] {
        let mut buffers = [vec![1; count * 4096], vec![2; count * 4096]];
        volume.read(Track(first), &mut buffers[0]).unwrap();
        whole.read(Track(first), &mut buffers[1]).unwrap();
        assert!(buffers[0] == buffers[1], "{count} tracks from {first}");
    }
    drop(volume);
    for access in [Access::MonitoredWrite, Access::Exclusive] {
        assert_refused(
            open(&parts[0], access),
            Reason::UnsupportedImage,
            &["vol1.part", "3 files"],
        );
    }
    assert_refused(
        open(&parts[1], Access::Read),
        Reason::BadHeader,
        &["vol2.part, offset 17", "2"],
    );
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let folder = support::folder();
    let whole = made(folder.path(), "whole", "2311", 9);
    let fresh = || split(&whole, folder.path(), &[4, 2, 3]);
    let of = |file: usize, offset: u64, bytes: &[u8], reason, words: &[&str]| {
        let parts = fresh();
        support::patch(&parts[file], offset, bytes);
        assert_refused(open(&parts[0], Access::Read), reason, words);
    };
    of(1, 17, &[3], Reason::BadHeader, &["vol2.part, offset 17", "file 3", "file 2"]);
    of(1, 16, &[0x14], Reason::BadHeader, &["vol2.part, offset 8"]);
    of(1, 12, &[0, 2, 0, 0], Reason::BadHeader, &["vol2.part, offset 12", "first file"]);
    of(2, 0, b"CKD_C370", Reason::BadHeader, &["vol3.part, offset 0", "first file"]);
    of(1, 18, &[6], Reason::BadSize, &["vol2.part, offset 82432", "cylinders 4 to 6", "123392"]);
    of(0, 18, &[2], Reason::BadSize, &["vol1.part", "cylinders 0 to 2"]);
    of(2, 18, &[8], Reason::NoSuchFile, &["file 4", "vol4.part"]);
    let parts = fresh();
    fs::remove_file(&parts[2]).unwrap();
    assert_refused(open(&parts[0], Access::Read), Reason::NoSuchFile, &["file 3", "vol3.part"]);
    let parts = fresh();
    File::options().write(true).open(&parts[2]).unwrap().set_len(512 + 40 * 4096 - 1).unwrap();
    assert_refused(
        open(&parts[0], Access::Read),
        Reason::BadSize,
        &["vol3.part", "123392", "164352 for 4"],
    );
    let error = refusal(open(&parts[0], Access::Read));
    assert_eq!(error.track(), Some(60 + 39), "the track in which the file ends is named");
}

#[test]
fn an_only_file_may_be_marked_in_several_ways() {
    let folder = support::folder();
    for (id, number, last) in [
        (b"CKD_P370", 0u8, 0u8),
        (b"CKD_P064", 0, 0),
        (b"CKD_P370", 1, 0),
        (b"CKD_P370", 1, 3),
        (b"CKD_P370", 0xFF, 0),
    ] {
        let image = made(folder.path(), &format!("{number}-{last}-{}", id[5]), "2314", 3);
        support::patch(&image, 0, id);
        support::patch(&image, 17, &[number, last]);
        assert_eq!(open(&image, Access::Exclusive).unwrap().geometry().cylinders, 3);
    }
}

#[test]
fn runs_that_are_no_whole_slots_or_leave_the_volume_are_refused() {
    let folder = support::folder();
    let path = made(folder.path(), "image", "2314", 2);
    let plain = open(&path, Access::Exclusive).unwrap();
    let memory = MemoryVolume::copy_of(&*plain).unwrap();
    for volume in [&*plain, &memory as &dyn Volume] {
        for length in [1, 7679, 7681] {
            assert_refused(
                volume.read(Track(3), &mut vec![0; length]),
                Reason::BadRequest,
                &["track 3"],
            );
            assert_refused(
                volume.write(Track(3), &vec![0; length]),
                Reason::BadRequest,
                &["track 3"],
            );
        }
        for (first, count) in [(40, 1), (39, 2), (u32::MAX, 1), (0, 41)] {
            let mut buffer = vec![0; count * 7680];
            assert_refused(
                volume.read(Track(first), &mut buffer),
                Reason::OutsideVolume,
                &["MADE01"],
            );
            assert_refused(volume.write(Track(first), &buffer), Reason::OutsideVolume, &["MADE01"]);
        }
        volume.read(Track(40), &mut []).unwrap();
        assert!(volume.lock(Lock::Vtoc).is_ok() && volume.lock(Lock::Catalog).is_ok());
    }
    drop(plain);
    let read_only = open(&path, Access::Read).unwrap();
    assert!(!read_only.is_writable());
    assert_refused(
        read_only.write(Track(1), &[0; 7680]),
        Reason::ReadOnlyVolume,
        &["MADE01", "image"],
    );
}

#[test]
fn a_file_that_becomes_shorter_is_told_with_file_offset_and_track() {
    let folder = support::folder();
    let path = made(folder.path(), "image", "2314", 2);
    let volume = open(&path, Access::Read).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(512 + 7680 * 25 + 100).unwrap();
    let mut buffer = vec![0; 7680 * 10];
    assert_refused(
        volume.read(Track(20), &mut buffer),
        Reason::Io,
        &["MADE01", "track 25 (1/5)", "image", "offset 192612", "ends"],
    );
    volume.read(Track(20), &mut buffer[..7680 * 5]).unwrap();
}
