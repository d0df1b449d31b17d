//! The promise: an image that is damaged, incomplete or hostile is told with file, offset and what is wrong, and never
//! makes the reader panic; what is not damaged in it stays readable.

#![cfg(feature = "compression")]

mod support;

use proptest::prelude::*;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use support::{assert_refused, compressed, made, refusal};
use trackmirror::Reason;
use trackmirror::geometry::Track;
use trackmirror::track;
use trackmirror::volume::{Access, VolumeExt, open};

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
    of(l2 + 4, &[0x3A, 1, 0x3A, 1], Reason::DamagedImage, &["track 0", "314 bytes", "after 313"]);
    of(l2 + 4, &[0x38, 1], Reason::DamagedImage, &["track 0", "end marker"]);
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
        assert_refused(open(&original, access), Reason::ReadOnlyVolume, &["dasdcopy -lfs -o CKD"]);
    }
}

/// Appends a stored track to a compressed image, and makes the L2 at this offset have it for this track.
fn append(image: &Path, l2: u64, track: u8, stored: &[u8]) {
    let offset = fs::metadata(image).unwrap().len();
    support::patch(image, offset, stored);
    let le32 = |number: u64| u32::try_from(number).unwrap().to_le_bytes();
    support::patch(image, 524, &le32(offset + stored.len() as u64));
    let length = u16::try_from(stored.len()).unwrap().to_le_bytes();
    let entry = [&le32(offset)[..], &length, &length].concat();
    support::patch(image, l2 + u64::from(track) * 8, &entry);
}

#[test]
fn a_stored_track_is_unpacked_no_further_than_its_slot() {
    let folder = support::folder();
    let (image, l2, _) = compressed(folder.path());
    let zlib = |bytes: &[u8]| {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    };
    let bzip2 = |bytes: &[u8]| {
        let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    };
    let geometry = support::geometry("3350", 10);
    let whole = |track: u32| {
        let mut slot = vec![0; geometry.slot_size as usize];
        let place = track::Place::new(&geometry, Track(track));
        track::build(&mut slot, place, &[(b"KEY", &[7; 15_000])]).unwrap();
        slot.truncate(5 + 16 + 8 + 3 + 15_000 + 8);
        slot
    };
    let home_address = |method: u8, track: u8| [method, 0, 0, 0, track];
    for (track, method, packed) in [
        (4, 0, whole(4)[5..].to_vec()),
        (5, 1, zlib(&whole(5)[5..])),
        (6, 2, bzip2(&whole(6)[5..])),
        (7, 1, zlib(&vec![0; 5_000_000])),
        (8, 2, bzip2(&vec![0; 50_000_000])),
        (9, 0, vec![0; 19_452]),
        (10, 1, zlib(&whole(10)[5..])[..40].to_vec()),
        (11, 2, bzip2(&whole(11)[5..])[..40].to_vec()),
        (12, 1, zlib(&[&whole(12)[5..], &[0; 3]].concat())),
    ] {
        append(&image, l2, track, &[&home_address(method, track)[..], &packed].concat());
    }
    let volume = open(&image, Access::Read).unwrap();
    for track in [4, 5, 6] {
        let slot = volume.read_track(Track(track)).unwrap();
        let (image, rest) = slot.split_at(whole(track).len());
        assert!(image == whole(track) && rest.iter().all(|&byte| byte == 0));
    }
    for (track, why) in [
        (7, "longer than its slot"),
        (8, "longer than its slot"),
        (9, "longer than its slot"),
        (10, "ends early"),
        (11, "ends early"),
        (12, "15043 bytes, but its image ends after 15040"),
    ] {
        let place = format!("track {track} (0/{track})");
        let words = ["volume TOOL01", &place, "original.cckd, offset", why];
        assert_refused(volume.read_track(Track(track)), Reason::DamagedImage, &words);
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
