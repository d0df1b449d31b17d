//! Headers and sizes of images, and what is given as an image.

use crate::support::patch;
use crate::world::{Kind, World, kind};
use std::fs::{self, File};
use trackmirror::Reason;

fn cut(world: &World, size: u64) {
    File::options().write(true).open(world.source()).unwrap().set_len(size).unwrap();
}

const FILE: &[&str] = &["SRC001.ckd", "offset"];

pub const KINDS: &[Kind] = &[
    kind("an unknown id", Reason::NotAnImage, FILE, |w| patch(&w.source(), 0, b"CKD_X370")),
    kind("a shadow file", Reason::UnsupportedImage, &["SRC001.ckd", "base"], |w| {
        patch(&w.source(), 0, b"CKD_S370");
    }),
    kind("a compressed image of 64 bits", Reason::UnsupportedImage, &["dasdcopy64"], |w| {
        patch(&w.source(), 0, b"CKD_C064");
    }),
    kind("a fixed-block image", Reason::UnsupportedImage, &["SRC001.ckd", "FBA"], |w| {
        patch(&w.source(), 0, b"FBA_P370");
    }),
    kind("wrong heads", Reason::BadHeader, &["SRC001.ckd", "offset 8", "2314 has 20"], |w| {
        patch(&w.source(), 8, &[19]);
    }),
    kind("a slot of nothing", Reason::BadHeader, &["SRC001.ckd", "offset 12"], |w| {
        patch(&w.source(), 12, &[0; 4]);
    }),
    kind("a slot that is too large", Reason::BadHeader, &["SRC001.ckd", "offset 12"], |w| {
        patch(&w.source(), 12, &[0xFF; 4]);
    }),
    kind("a slot that does not fit", Reason::BadSize, &["SRC001.ckd", "copy the image"], |w| {
        patch(&w.source(), 12, &[0, 0x20, 0, 0]);
    }),
    kind("an unknown device", Reason::UnknownDevice, &["SRC001.ckd", "offset 16"], |w| {
        patch(&w.source(), 16, &[0x99]);
    }),
    kind("another device", Reason::BadHeader, &["SRC001.ckd", "3350 has 30"], |w| {
        patch(&w.source(), 16, &[0x50]);
    }),
    kind("a second file alone", Reason::BadHeader, &["SRC001.ckd", "offset 17"], |w| {
        patch(&w.source(), 17, &[2]);
    }),
    kind("a last cylinder in an only file", Reason::BadHeader, &["offset 18"], |w| {
        patch(&w.source(), 18, &[5]);
    }),
    kind("a first file alone", Reason::NoSuchFile, &["file 2", "SRC002.ckd"], |w| {
        patch(&w.source(), 17, &[1, 11]);
    }),
    kind("a byte is missing", Reason::BadSize, &["SRC001.ckd", "copy the image"], |w| {
        cut(w, 512 + 240 * 7680 - 1);
    }),
    kind("a byte too many", Reason::BadSize, FILE, |w| cut(w, 512 + 240 * 7680 + 1)),
    kind("half of a cylinder", Reason::BadSize, FILE, |w| cut(w, 512 + 10 * 7680)),
    kind("the header alone", Reason::BadSize, FILE, |w| cut(w, 512)),
    kind("half of a header", Reason::NotAnImage, FILE, |w| cut(w, 100)),
    kind("an empty file", Reason::NotAnImage, FILE, |w| cut(w, 0)),
    kind("no file", Reason::NoSuchFile, &["SRC001.ckd"], |w| fs::remove_file(w.source()).unwrap()),
    kind("a folder", Reason::NotAnImage, &["SRC001.ckd", "folder"], |w| {
        fs::remove_file(w.source()).unwrap();
        fs::create_dir(w.source()).unwrap();
    }),
    kind("a device of the host", Reason::UnsupportedImage, &["/dev/null", "device"], |w| {
        w.volumes = vec!["/dev/null".into()];
    }),
    kind("a pipe", Reason::NotAnImage, &["SRC001.ckd", "pipe"], |w| {
        fs::remove_file(w.source()).unwrap();
        crate::support::tool("mkfifo", [w.source()]);
    }),
    kind("the target is no image", Reason::NotAnImage, &["TGT001.ckd", "offset 0"], |w| {
        patch(&w.target(), 0, &[0; 8]);
    }),
    kind("one image twice", Reason::SameFileTwice, &["SRC001.ckd", "twice"], |w| {
        w.volumes = vec![w.source(), w.source()];
    }),
    kind("one image under two names", Reason::SameFileTwice, &["SRC001.ckd", "again"], |w| {
        let again = w.folder.path().join("again");
        fs::hard_link(w.source(), &again).unwrap();
        w.volumes.push(again);
    }),
    kind("two images of one serial", Reason::DuplicateVolser, &["SRC001", "again"], |w| {
        let again = w.folder.path().join("again");
        fs::copy(w.source(), &again).unwrap();
        w.volumes.push(again);
    }),
    kind("a compressed source", Reason::ReadOnlyVolume, &["SRC001.cckd", "dasdcopy"], |w| {
        w.volumes = vec![compressed(w)];
    }),
    kind("a compressed target", Reason::ReadOnlyVolume, &["SRC001.cckd", "dasdcopy"], |w| {
        w.targets = vec![compressed(w)];
    }),
];

/// A compressed image of SRC001.
fn compressed(world: &World) -> std::path::PathBuf {
    let folder = crate::support::folder();
    let (plain, packed) = (folder.path().join("plain"), world.folder.path().join("SRC001.cckd"));
    fs::copy(world.source(), &plain).unwrap();
    crate::support::dasdcopy_compressed("-z", &plain, &packed);
    packed
}
