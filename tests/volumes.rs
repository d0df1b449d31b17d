//! The promise: every image that real systems and their emulator write is read as they read it, what is damaged is told
//! with file and offset, and nobody else writes while we do.

mod support;

use proptest::prelude::*;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use trackmirror::geometry::{Device, Geometry, Track};
use trackmirror::track::{self, NullFormat};
use trackmirror::volume::cckd::CckdVolume;
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Access, Lock, Volume, VolumeExt, open, open_all};
use trackmirror::{Error, Reason, Result, Volser};

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

fn geometry(device: &str, cylinders: u32) -> Geometry {
    let device = Device::named(device).unwrap();
    Geometry { device, cylinders, slot_size: device.slot_size() }
}

fn volser(text: &str) -> Volser {
    text.parse().unwrap()
}

/// A new image of ours in the folder; what was opened for making it is closed again.
fn made(folder: &Path, name: &str, device: &str, cylinders: u32) -> PathBuf {
    let path = folder.join(name);
    CkdVolume::create(&path, geometry(device, cylinders), volser("MADE01")).unwrap();
    path
}

#[track_caller]
fn refusal<T>(result: Result<T>) -> Error {
    result.err().expect("it is refused")
}

#[track_caller]
fn assert_refused<T>(result: Result<T>, reason: Reason, words: &[&str]) {
    let error = refusal(result);
    assert_eq!(error.reason(), reason, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "'{word}' is missing: {error}");
    }
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
        let (copy, image) = (copy.to_str().unwrap(), target.to_str().unwrap());
        support::tool("dasdcopy", [compression, "-o", "CCKD", copy, image]);
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
    let (from, to) = (path.to_str().unwrap(), compressed.to_str().unwrap());
    support::tool("dasdcopy", ["-z", "-o", "CCKD", from, to]);
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
        let listing = support::tool(
            "dasdcopy",
            ["-z", "-o", "CCKD", path.to_str().unwrap(), &format!("{}.cckd", path.display())],
        );
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
    // Larger than any file may be on this file system or, where it may be, than this test should write.
    let nowhere = folder.path().join("no").join("folder");
    assert_refused(create(&nowhere, geometry("2311", 2)), Reason::NoSuchFile, &["folder"]);
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

// Damaged images.

#[test]
fn each_damaged_field_of_a_plain_header_has_its_own_error() {
    let folder = support::folder();
    let original = made(folder.path(), "original", "3350", 2);
    let image = folder.path().join("image");
    let of = |offset: u64, bytes: &[u8], reason, words: &[&str]| {
        support::copy_sparse(&original, &image);
        support::patch(&image, offset, bytes);
        assert_refused(open(&image, Access::Read), reason, &[words, &["image"]].concat());
    };
    of(0, b"CKD_S370", Reason::UnsupportedImage, &["offset 0", "shadow"]);
    of(0, b"CKD_S064", Reason::UnsupportedImage, &["offset 0", "shadow"]);
    of(0, b"CKD_C064", Reason::UnsupportedImage, &["offset 0", "dasdcopy64"]);
    of(0, b"FBA_P370", Reason::UnsupportedImage, &["offset 0", "FBA"]);
    of(0, b"CKD_X370", Reason::NotAnImage, &["offset 0", "X'434B445F58333730'"]);
    of(0, &[0; 8], Reason::NotAnImage, &["offset 0"]);
    of(8, &[0; 4], Reason::BadHeader, &["offset 8", "0 heads", "3350 has 30"]);
    of(8, &[31, 0, 0, 0], Reason::BadHeader, &["offset 8", "31 heads"]);
    of(8, &[0xFF; 4], Reason::BadHeader, &["offset 8", "4294967295 heads"]);
    of(12, &[0; 4], Reason::BadHeader, &["offset 12", "track size of 0"]);
    of(12, &[0xFF; 4], Reason::BadHeader, &["offset 12", "4294967295"]);
    of(
        12,
        &[0, 0x50, 0, 0],
        Reason::BadSize,
        &["offset 1167872", "614912 is expected for 1 ", "1229312 for 2"],
    );
    of(16, &[0x99], Reason::UnknownDevice, &["offset 16", "X'99'"]);
    of(16, &[0x90], Reason::BadHeader, &["offset 8", "30 heads", "3390 has 15"]);
    of(17, &[2], Reason::BadHeader, &["offset 17", "file 2", "first one"]);
    of(17, &[0, 1], Reason::BadHeader, &["offset 18", "cylinder 1"]);
    of(17, &[1, 1], Reason::NoSuchFile, &["file 2"]);
    of(
        17,
        &[1, 7],
        Reason::BadSize,
        &["offset 1167872", "cylinders 0 to 7", "4669952 is expected"],
    );
    // The label: another key is no matter, another id is.
    of(512 + 5 + 16 + 36 + 156 + 12, &[0xE6], Reason::NoLabel, &["track 0", "VOL1"]);
    of(512, &[0xFF; 64], Reason::NoLabel, &["VOL1"]);
}

#[test]
fn a_plain_image_of_the_wrong_size_is_refused_with_what_is_expected() {
    let folder = support::folder();
    let image = made(folder.path(), "image", "2314", 3);
    let whole = 512 + 60 * 7680;
    let file = File::options().write(true).open(&image).unwrap();
    for (size, words, track) in [
        (whole - 1, &["offset 461311", "307712", "461312"][..], 59),
        (whole + 1, &["offset 461313", "461312", "614912"], 60),
        (512 + 20 * 7680 + 7680, &["offset 161792", "154112", "307712"], 21),
        (512 + 7680, &["offset 8192", "154112 is expected for one cylinder"], 1),
        (512, &["offset 512", "one cylinder"], 0),
    ] {
        file.set_len(size).unwrap();
        let error = refusal(open(&image, Access::Read));
        assert_eq!((error.reason(), error.track()), (Reason::BadSize, Some(track)), "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{word}: {error}"));
    }
    for size in [511, 8, 0] {
        file.set_len(size).unwrap();
        assert_refused(open(&image, Access::Read), Reason::NotAnImage, &["image", "512"]);
    }
    // More cylinders than addresses can tell: a hole of 2 TB costs nothing where files may be so large.
    support::patch(&image, 0, b"CKD_P370");
    support::patch(&image, 8, &[20, 0, 0, 0, 0, 0x1E, 0, 0, 0x14, 0, 0, 0]);
    if file.set_len(512 + 65_537 * 20 * 7680).is_ok() {
        assert_refused(open(&image, Access::Read), Reason::BadSize, &["65537", "65536"]);
    }
}

#[test]
fn what_is_no_regular_file_is_refused_before_it_is_opened() {
    let folder = support::folder();
    let pipe = folder.path().join("pipe");
    support::tool("mkfifo", [&pipe]);
    let link = folder.path().join("link");
    symlink("link", &link).unwrap();
    for (path, reason, word) in [
        (folder.path(), Reason::NotAnImage, "folder"),
        (Path::new("/dev/null"), Reason::UnsupportedImage, "device"),
        (&pipe, Reason::NotAnImage, "pipe"),
        (Path::new("/no/such/file"), Reason::NoSuchFile, "/no/such/file"),
        (&link, Reason::Io, "link"),
    ] {
        for access in [Access::Read, Access::Exclusive] {
            assert_refused(open(path, access), reason, &[word]);
        }
    }
    let path = made(folder.path(), "image", "2311", 1);
    let link = folder.path().join("good link");
    symlink(&path, &link).unwrap();
    assert!(open(&link, Access::Exclusive).is_ok(), "an image may be reached through a link");
}

#[test]
fn a_file_that_cannot_be_written_is_refused_for_writing_only() {
    let folder = support::folder();
    let path = made(folder.path(), "image", "2311", 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let change =
        |flag: &str| Command::new("chattr").arg(flag).arg(&path).stderr(Stdio::null()).status();
    // The superuser may write in spite of the mode, but not what is immutable.
    let immutable = change("+i").is_ok_and(|status| status.success());
    if File::options().append(true).open(&path).is_ok() {
        eprintln!("this user may write everything here: nothing to be tested");
    } else {
        assert_refused(open(&path, Access::Exclusive), Reason::ReadOnlyVolume, &["image"]);
        assert!(open(&path, Access::Read).is_ok());
    }
    if immutable {
        change("-i").unwrap();
    }
}

/// A compressed image of two cylinders, and the offsets of its L2 and of its track 0.
fn compressed(folder: &Path) -> (PathBuf, u64, u64) {
    let image = folder.join("original.cckd");
    support::tool("dasdinit", ["-z", image.to_str().unwrap(), "3350", "TOOL01", "10"]);
    let file = File::open(&image).unwrap();
    let at = |offset| {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, offset).unwrap();
        u64::from(u32::from_le_bytes(bytes))
    };
    let l2 = at(1024);
    (image, l2, at(l2))
}

#[test]
fn each_damaged_field_of_a_compressed_header_has_its_own_error() {
    let folder = support::folder();
    let (original, l2, track_0) = compressed(folder.path());
    let image = folder.path().join("image");
    let of = |offset: u64, bytes: &[u8], reason, words: &[&str]| {
        support::copy_sparse(&original, &image);
        support::patch(&image, offset, bytes);
        assert_refused(open(&image, Access::Read), reason, &[words, &["image"]].concat());
    };
    of(17, &[1], Reason::BadHeader, &["offset 17", "1"]);
    of(18, &[1], Reason::BadHeader, &["offset 18", "1"]);
    of(515, &[0x43], Reason::UnsupportedImage, &["offset 515", "big-endian", "X'43'"]);
    of(515, &[0xC1], Reason::ImageOpen, &["offset 515", "X'C1'"]);
    of(516, &[9], Reason::BadHeader, &["offset 516", "9 entries", "need 2"]);
    of(520, &[0, 2], Reason::BadHeader, &["offset 520", "512"]);
    of(524, &[0xFF; 4], Reason::BadSize, &["offset 524", "4294967295"]);
    of(524, &[0, 1, 0, 0], Reason::BadSize, &["offset 524", "256"]);
    of(552, &[0; 4], Reason::BadHeader, &["offset 552", "0 cylinders"]);
    of(552, &[0xFF; 4], Reason::BadHeader, &["offset 552", "4294967295"]);
    of(552, &[40], Reason::BadHeader, &["offset 516", "40 cylinders need 5"]);
    of(556, &[3], Reason::BadHeader, &["offset 556", "3"]);
    of(557, &[3], Reason::BadHeader, &["offset 557", "3"]);
    // Track 0 is read at opening, for the label.
    of(1024, &[1, 0, 0, 0], Reason::DamagedImage, &["offset 1024", "track 0"]);
    of(1024, &[0xFF; 4], Reason::DamagedImage, &["offset 1024", "track 0"]);
    of(1024, &[0; 4], Reason::NoLabel, &["track 0"]);
    of(l2, &[1, 0, 0, 0], Reason::DamagedImage, &["L2", "track 0"]);
    of(l2, &[0xFF; 4], Reason::DamagedImage, &["L2", "track 0"]);
    of(l2 + 4, &[4, 0], Reason::DamagedImage, &["L2", "track 0", "length 4"]);
    of(l2 + 4, &[0xFF, 0xFF], Reason::DamagedImage, &["L2", "track 0", "length 65535"]);
    of(track_0, &[3], Reason::DamagedImage, &["track 0", "X'03'"]);
    of(track_0, &[1], Reason::DamagedImage, &["track 0", "zlib"]);
    of(track_0, &[2], Reason::DamagedImage, &["track 0", "bzip2"]);
    of(track_0 + 4, &[1], Reason::DamagedImage, &["track 0", "X'00000001'"]);
    of(track_0 + 11, &[1], Reason::DamagedImage, &["track 0", "R0"]);
    for size in [1023, 600, 512] {
        support::copy_sparse(&original, &image);
        File::options().write(true).open(&image).unwrap().set_len(size).unwrap();
        assert_refused(open(&image, Access::Read), Reason::BadSize, &["image"]);
    }
    for access in [Access::MonitoredWrite, Access::Exclusive] {
        assert_refused(open(&original, access), Reason::ReadOnlyVolume, &["dasdcopy -o CKD"]);
    }
}

#[test]
fn a_damaged_compressed_track_leaves_the_others_readable() {
    let folder = support::folder();
    let (image, l2, _) = compressed(folder.path());
    // Track 5 becomes a null track of a form that no slot of this device holds; track 6 lies behind the end.
    support::patch(&image, l2 + 5 * 8 + 4, &[2, 0, 2, 0]);
    support::patch(&image, l2 + 6 * 8, &[0xFF, 0xFF, 0xFF, 0x7F, 29, 0, 29, 0]);
    let volume = open(&image, Access::Read).unwrap();
    assert_refused(
        volume.read_track(Track(5)),
        Reason::DamagedImage,
        &["volume TOOL01, track 5 (0/5)", "original.cckd"],
    );
    let place = format!("offset {}", l2 + 6 * 8);
    assert_refused(
        volume.read_track(Track(6)),
        Reason::DamagedImage,
        &["TOOL01", "track 6", &place],
    );
    for track in (0..300).filter(|track| ![5, 6].contains(track)) {
        volume.read_track(Track(track)).unwrap();
    }
    assert_refused(volume.write(Track(1), &[]), Reason::ReadOnlyVolume, &["TOOL01", "dasdcopy"]);
}

#[test]
fn a_compressed_image_that_is_written_while_it_is_read_is_told() {
    let folder = support::folder();
    let (image, ..) = compressed(folder.path());
    let volume = open(&image, Access::Read).unwrap();
    volume.read_track(Track(1)).unwrap();
    support::patch(&image, 515, &[0xC1]);
    assert_refused(volume.read_track(Track(1)), Reason::ImageOpen, &["TOOL01", "original.cckd"]);
    drop(volume);
    support::patch(&image, 515, &[0x41]);
    let writer = Writer::of(&image);
    assert_refused(open(&image, Access::Read), Reason::VolumeInUse, &["sleep", &writer.process()]);
}

/// Opens and reads whatever it is: it may fail, but what it gives checks.
fn read_what_can_be_read(path: &Path) {
    let Ok(volume) = open(path, Access::Read) else { return };
    let geometry = volume.geometry();
    let mut slot = vec![0; volume.slot_size()];
    for track in (0..geometry.track_count().min(600)).map(Track) {
        let is_compressed = path.extension().is_some();
        if volume.read(track, &mut slot).is_ok() && is_compressed {
            track::check(&slot, volume.place(track)).unwrap();
        }
    }
}

fn mutations(size: usize) -> impl Strategy<Value = Vec<(usize, Vec<u8>)>> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..9),
        Just(vec![0xFF; 4]),
        Just(vec![0; 8]),
        any::<u32>().prop_map(|number| (number % 4096).to_le_bytes().to_vec()),
    ];
    prop::collection::vec((0..size, bytes), 1..6)
}

fn mutate(bytes: &mut [u8], mutations: &[(usize, Vec<u8>)]) {
    for (offset, new) in mutations {
        let end = (offset + new.len()).min(bytes.len());
        bytes[*offset..end].copy_from_slice(&new[..end - offset]);
    }
}

#[test]
fn no_header_and_no_compressed_image_makes_the_reader_panic() {
    let folder = support::folder();
    let plain = fs::read(made(folder.path(), "plain", "2311", 1)).unwrap();
    let bzip2 = folder.path().join("bzip2.cckd");
    support::tool("dasdinit", ["-bz2", "-linux", bzip2.to_str().unwrap(), "3390", "TOOL01", "20"]);
    let (zlib, ..) = compressed(folder.path());
    let stored: Vec<Vec<u8>> = match support::find_volume("mvs38-work01") {
        Some(real) => vec![fs::read(real.file).unwrap()],
        None => Vec::new(),
    };
    let images: Vec<Vec<u8>> =
        [fs::read(bzip2).unwrap(), fs::read(zlib).unwrap()].into_iter().chain(stored).collect();
    let (plain_path, compressed_path) = (folder.path().join("x"), folder.path().join("x.cckd"));
    proptest!(ProptestConfig::with_cases(400), |(
        header in mutations(64),
        ids in prop::sample::select(vec![&b"CKD_P370"[..], b"CKD_P064", b"CKD_C370", b""]),
        image in 0..images.len(),
        head in mutations(1100),
        anywhere in mutations(1 << 16),
        cut in prop::option::of(0usize..20_000),
    )| {
        let mut bytes = plain.clone();
        mutate(&mut bytes, &header);
        bytes[..ids.len()].copy_from_slice(ids);
        fs::write(&plain_path, &bytes).unwrap();
        read_what_can_be_read(&plain_path);

        let mut bytes = images[image].clone();
        // Half of the cases keep the headers, so that what lies behind them is reached.
        if head[0].0 % 2 == 0 {
            mutate(&mut bytes, &head);
        }
        let size = bytes.len();
        let anywhere: Vec<_> =
            anywhere.into_iter().map(|(at, new)| (1024 + at % (size - 1024), new)).collect();
        mutate(&mut bytes, &anywhere);
        bytes.truncate(cut.unwrap_or(size));
        fs::write(&compressed_path, &bytes).unwrap();
        read_what_can_be_read(&compressed_path);
    });
}

// Who else uses an image.

/// Another process that has a file open for writing, or holds it by our own rules.
struct Writer(std::process::Child);

impl Writer {
    fn of(image: &Path) -> Writer {
        let mut child = Command::new("bash")
            .args(["-c", "exec 3<>\"$1\" && echo && exec sleep 60 >&-", "-"])
            .arg(image)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("bash is installed");
        // It has the file open when it has said so, and is `sleep` when its output is closed.
        let mut output = child.stdout.take().expect("it was piped");
        std::io::copy(&mut output, &mut std::io::sink()).expect("the output can be read");
        let comm = format!("/proc/{}/comm", child.id());
        while fs::read_to_string(&comm).expect("it runs").trim() != "sleep" {
            std::thread::yield_now();
        }
        Writer(child)
    }

    fn process(&self) -> String {
        format!("process {}", self.0.id())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it can be ended");
    }
}

#[test]
fn an_image_that_a_program_without_locks_may_write_is_refused_for_writing() {
    let folder = support::folder();
    let path = made(folder.path(), "image", "2311", 1);
    let link = folder.path().join("other name");
    fs::hard_link(&path, &link).unwrap();
    let writer = Writer::of(&link);
    for access in [Access::MonitoredWrite, Access::Exclusive] {
        let words = ["image", "program sleep", &writer.process()];
        assert_refused(open(&path, access), Reason::VolumeInUse, &words);
    }
    assert!(open(&path, Access::Read).is_ok(), "a volume attached to a running system can be read");
    drop(writer);
    assert!(open(&path, Access::Exclusive).is_ok());
}

#[test]
fn openers_in_other_processes_exclude_each_other_too() {
    // This test runs itself again, as the other process.
    const IMAGE: &str = "TRACKMIRROR_TEST_HELD_IMAGE";
    if let Some(image) = std::env::var_os(IMAGE) {
        let volume = open(Path::new(&image), Access::MonitoredWrite).unwrap();
        let _held = volume.lock(Lock::Vtoc).unwrap();
        fs::write(Path::new(&image).with_extension("ready"), "").unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let folder = support::folder();
    let path = made(folder.path(), "image", "2311", 1);
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "openers_in_other_processes_exclude_each_other_too"])
        .env(IMAGE, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !path.with_extension("ready").exists() {
        assert!(other.try_wait().unwrap().is_none(), "the other process holds the image");
        std::thread::yield_now();
    }
    let process = format!("process {}", other.id());
    assert_refused(open(&path, Access::Exclusive), Reason::VolumeInUse, &["image", &process]);
    assert!(open(&path, Access::Read).is_ok());
    // The other one has the file open for writing, but keeps the rules: both may write.
    let beside = open(&path, Access::MonitoredWrite).unwrap();
    assert!(beside.lock(Lock::Catalog).is_ok());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| beside.lock(Lock::Vtoc).map(drop));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!waiting.is_finished(), "the VTOC lock is waited for");
        other.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(waiting.join().unwrap().is_ok(), "and comes when its holder ends");
    });
    assert!(other.wait().unwrap().success());
    drop(beside);
    assert!(open(&path, Access::Exclusive).is_ok());
}

#[test]
fn a_second_exclusive_opening_in_one_process_is_refused() {
    let folder = support::folder();
    let path = made(folder.path(), "image", "2311", 1);
    let first = open(&path, Access::Exclusive).unwrap();
    for access in [Access::Read, Access::MonitoredWrite, Access::Exclusive] {
        assert_refused(open(&path, access), Reason::VolumeInUse, &["image", "this one"]);
    }
    drop(first);
    let readers = [open(&path, Access::Read).unwrap(), open(&path, Access::Read).unwrap()];
    assert_refused(open(&path, Access::Exclusive), Reason::VolumeInUse, &["image"]);
    drop(readers);
    assert!(open(&path, Access::Exclusive).is_ok());
}

#[test]
fn no_volume_is_given_twice() {
    let folder = support::folder();
    let one = made(folder.path(), "one", "2311", 1);
    let [soft, hard, copy, other] =
        ["soft", "hard", "copy", "other"].map(|name| folder.path().join(name));
    symlink(&one, &soft).unwrap();
    fs::hard_link(&one, &hard).unwrap();
    support::copy_sparse(&one, &copy);
    CkdVolume::create(&other, geometry("2311", 1), volser("MADE02")).unwrap();
    for access in [Access::Read, Access::Exclusive] {
        for twice in [&one, &soft, &hard] {
            let words = ["one", twice.file_name().unwrap().to_str().unwrap()];
            assert_refused(open_all(&[&other, &one, twice], access), Reason::SameFileTwice, &words);
        }
        assert_refused(
            open_all(&[&one, &other, &copy], access),
            Reason::DuplicateVolser,
            &["/one", "/copy", "MADE01"],
        );
        let volumes = open_all(&[&one, &other], access).unwrap();
        assert_eq!(
            volumes.iter().map(|v| v.volser()).collect::<Vec<_>>(),
            [volser("MADE01"), volser("MADE02")]
        );
    }
    assert_refused(
        open_all(&[folder.path().join("none")], Access::Read),
        Reason::NoSuchFile,
        &["none"],
    );
}
