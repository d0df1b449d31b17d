//! Volumes that cannot be read past the caches: refused, saying which file, why, and what to do.

use super::support::loops::{Loop, Mounted};
use super::support::{self, assert_refused, made};
use std::fs;
use std::path::{Path, PathBuf};
use trackmirror::Reason;
use trackmirror::monitor::MonitoredVolume;
use trackmirror::volume::{Access, open, open_past_caches};

/// That an image is refused in every way of opening it, with these words and its name.
fn assert_not_direct(path: &Path, words: &[&str]) {
    let mut words = words.to_vec();
    words.push(path.to_str().unwrap());
    words.push("other machines");
    assert_refused(open_past_caches(path, Access::Read), Reason::NotDirect, &words);
    assert_refused(MonitoredVolume::open_past_caches(path, "ONE"), Reason::NotDirect, &words);
}

#[test]
fn a_device_with_larger_sectors() {
    let folder = support::folder();
    let image = made(folder.path(), "image.ckd", "3390", 16);
    let device = Loop::attach(&image, 4096);
    let words = ["sectors of 4096 bytes", "multiples of 512", "put the image on a device"];
    assert_not_direct(device.device(), &words);
}

#[test]
fn a_compressed_image() {
    let folder = support::folder();
    let (image, ..) = support::compressed(folder.path());
    drop(open(&image, Access::Read).unwrap());
    assert_not_direct(&image, &["a compressed image", "make a plain one"]);
}

#[test]
fn an_image_of_several_files() {
    let folder = support::folder();
    let bytes = fs::read(made(folder.path(), "whole.ckd", "3350", 4)).unwrap();
    let half = (bytes.len() - 512) / 2;
    let mut paths: Vec<PathBuf> = Vec::new();
    for (number, last_cylinder, slots) in
        [(1, 1, &bytes[512..][..half]), (2, 0, &bytes[512 + half..])]
    {
        let mut header = bytes[..512].to_vec();
        header[17..19].copy_from_slice(&[number, last_cylinder]);
        paths.push(folder.path().join(format!("vol{number}.part")));
        fs::write(&paths[usize::from(number) - 1], [&header, slots].concat()).unwrap();
    }
    assert_eq!(open(&paths[0], Access::Read).unwrap().geometry().cylinders, 4);
    assert_not_direct(&paths[0], &["files of one image", "make one file"]);
}

#[test]
fn an_image_whose_tracks_share_sectors() {
    let folder = support::folder();
    let mut bytes = fs::read(made(folder.path(), "whole.ckd", "3350", 1)).unwrap();
    bytes[12..16].copy_from_slice(&1000u32.to_le_bytes());
    bytes.truncate(512 + 30 * 1000);
    let path = folder.path().join("odd.ckd");
    fs::write(&path, &bytes).unwrap();
    assert_not_direct(&path, &["tracks of 1000 bytes share sectors", "dasdcopy"]);
}

#[test]
fn a_file_system_that_has_no_way_past_its_caches() {
    let folder = support::folder();
    let mounted = folder.path().join("memory");
    let _mounted = Mounted::mount(["-t", "ramfs", "ramfs"], mounted.clone());
    let image = made(&mounted, "image.ckd", "3350", 1);
    drop(open(&image, Access::Read).unwrap());
    assert_not_direct(&image, &["no reading past", "O_DIRECT", "put the image on a block device"]);
}

#[test]
fn a_file_system_that_lets_it_be_opened_so_and_uses_its_caches_nevertheless() {
    let folder = support::folder();
    let disk = folder.path().join("disk");
    fs::File::create(&disk).unwrap().set_len(16 << 20).unwrap();
    support::tool("mkfs.ext4", ["-q", "-F", disk.to_str().unwrap()]);
    let mounted = folder.path().join("journal");
    let arguments = ["-o", "loop,data=journal", disk.to_str().unwrap()];
    let _mounted = Mounted::mount(arguments, mounted.clone());
    let image = made(&mounted, "image.ckd", "3350", 1);
    assert_not_direct(&image, &["no reading past", "O_DIRECT"]);
}

#[test]
fn what_is_no_file_and_no_block_device() {
    let folder = support::folder();
    for (path, reason, word) in [
        (folder.path(), Reason::NotAnImage, "a folder"),
        (Path::new("/dev/null"), Reason::UnsupportedImage, "a device that is read as a stream"),
        (Path::new("/no/such/file"), Reason::NoSuchFile, "/no/such/file"),
    ] {
        assert_refused(open_past_caches(path, Access::Read), reason, &[word]);
    }
}
