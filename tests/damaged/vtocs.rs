//! Labels, VTOCs and DSCBs.

use crate::world::{CYLINDERS, Kind, World, dscb_offset, kind, make};
use trackmirror::Reason;

/// CCHHR of a track of a 2314.
fn cchhr(track: u32, record: u8) -> [u8; 5] {
    let (cylinder, head) = ((track / 20) as u16, (track % 20) as u16);
    let [[c, d], [h, i]] = [cylinder.to_be_bytes(), head.to_be_bytes()];
    [c, d, h, i, record]
}

/// An extent descriptor, as it is told: type, number, limits.
fn descriptor(kind: u8, number: u8, first: [u16; 2], last: [u16; 2]) -> Vec<u8> {
    let halfwords = [first, last].concat().into_iter().flat_map(u16::to_be_bytes);
    [kind, number].into_iter().chain(halfwords).collect()
}

/// DS1EXT1.
const EXT1: usize = 105;
/// DS1PTRDS and the like.
const POINTER: usize = 135;
/// DS1NOEPV.
const NOEPV: usize = 59;
/// DS4VTOCI.
const VTOCI: usize = 58;

const ONE: &[&str] = &["SRC001", "DAMAGE.ONE"];
const MANY: &[&str] = &["SRC001", "DAMAGE.MANY"];
const F4: &[&str] = &["SRC001", "track 1 (0/1)"];

pub const KINDS: &[Kind] = &[
    kind("no VOL1 label", Reason::NoLabel, &["SRC001.ckd", "track 0", "VOL1"], |w| {
        let label = w.image(0).windows(4).rposition(|b| b == [0xE5, 0xD6, 0xD3, 0xF1]).unwrap();
        w.track(0, label, &[0; 4]);
    }),
    kind("the label points outside the volume", Reason::NoVtoc, &["SRC001"], |w| {
        set_vtoc_pointer(w, cchhr(20 * CYLINDERS, 1));
    }),
    kind("the label points nowhere", Reason::NoVtoc, &["SRC001", "restore"], |w| {
        set_vtoc_pointer(w, [0; 5]);
    }),
    kind("the label points to data", Reason::NoVtoc, &["SRC001", "track 20 (1/0)"], |w| {
        set_vtoc_pointer(w, cchhr(20, 1));
    }),
    kind("the label points behind the format 4", Reason::NoVtoc, F4, |w| {
        set_vtoc_pointer(w, cchhr(1, 2));
    }),
    kind("track 0 is another track", Reason::ForeignTrack, &["SRC001", "track 0"], |w| {
        w.track(0, 4, &[1]);
    }),
    kind("a VTOC track is another track", Reason::DamagedVtoc, &["SRC001", "track 2"], |w| {
        w.track(2, 4, &[9]);
    }),
    kind("the first VTOC track is another track", Reason::ForeignTrack, F4, |w| {
        w.track(1, 4, &[9]);
    }),
    kind("a VTOC track has no end", Reason::DamagedVtoc, &["SRC001", "track 3", "end"], |w| {
        w.track(3, 21 + 25 * 148, &[0; 8]);
        w.track(3, 21 + 25 * 148 + 6, &[0xFF, 0xFF]);
    }),
    kind("a VTOC count runs past the slot", Reason::DamagedVtoc, &["SRC001", "track 2"], |w| {
        w.track(2, 21 + 6, &[0xFF, 0]);
    }),
    kind("R0 of a VTOC track has no form", Reason::DamagedVtoc, &["track 2", "R0"], |w| {
        w.track(2, 12, &[9]);
    }),
    kind("a DSCB with a short key", Reason::DamagedVtoc, &["SRC001", "track 2", "R1"], |w| {
        w.track(2, 21 + 5, &[43, 0, 97]);
    }),
    kind("a DSCB with short data", Reason::DamagedVtoc, &["track 2", "data length 95"], |w| {
        w.track(2, 21 + 5, &[45, 0, 95]);
    }),
    kind("a DSCB with a wrong number", Reason::DamagedVtoc, &["track 3", "R77"], |w| {
        w.track(3, 21 + 148 + 4, &[77]);
    }),
    kind("a VTOC track without DSCBs", Reason::DamagedVtoc, &["track 3", "no DSCB"], |w| {
        w.track(3, 21, &[0xFF; 8]);
    }),
    kind("the format 4 is a format 5", Reason::NoVtoc, F4, |w| w.dscb(1, 44, &[0xF5])),
    kind("the format 4 has another key", Reason::NoVtoc, F4, |w| w.dscb(1, 3, &[5])),
    kind("DS4VTOCE lies outside", Reason::DamagedVtoc, F4, |w| {
        w.dscb(1, EXT1, &descriptor(1, 0, [0, 1], [CYLINDERS as u16, 0]));
    }),
    kind("DS4VTOCE runs backwards", Reason::DamagedVtoc, F4, |w| {
        w.dscb(1, EXT1, &descriptor(1, 0, [0, 3], [0, 1]));
    }),
    kind("DS4VTOCE begins elsewhere", Reason::DamagedVtoc, F4, |w| {
        w.dscb(1, EXT1, &descriptor(1, 0, [0, 2], [0, 3]));
    }),
    kind("DS4VTOCE is too long", Reason::DamagedVtoc, &["SRC001", "track 4"], |w| {
        w.dscb(1, EXT1, &descriptor(1, 0, [0, 1], [0, 4]));
    }),
    kind("DS4DSTRK is wrong", Reason::DamagedVtoc, F4, |w| w.dscb(1, 64, &[0, 30])),
    kind("DS4DSTRK is zero", Reason::DamagedVtoc, F4, |w| w.dscb(1, 64, &[0, 0])),
    kind("DS4DEVTK is wrong", Reason::DamagedVtoc, F4, |w| w.dscb(1, 66, &[0x33, 0x6D])),
    kind("DS4DSCYL is too small", Reason::DamagedVtoc, &["SRC001", "usable"], |w| {
        w.dscb(1, 62, &[0, 2]);
    }),
    kind("the format 5 is missing", Reason::DamagedVtoc, F4, |w| w.dscb(2, 0, &[0; 140])),
    kind("the format 5 points to itself", Reason::DamagedVtoc, F4, |w| {
        w.dscb(2, POINTER, &cchhr(1, 2));
    }),
    kind("two format 5s point to each other", Reason::DamagedVtoc, F4, |w| {
        let first = w.dscb_bytes(2);
        w.dscb(9, 0, &first);
        w.dscb(2, POINTER, &cchhr(1, 9));
        w.dscb(9, 4, &[0; 40]);
        w.dscb(9, 45, &[0; 90]);
        w.dscb(9, POINTER, &cchhr(1, 2));
    }),
    kind("the format 5 points outside the VTOC", Reason::DamagedVtoc, F4, |w| {
        w.dscb(2, POINTER, &cchhr(100, 1));
    }),
    kind("free space beyond the volume", Reason::DamagedVtoc, F4, |w| {
        w.dscb(2, 4, &[0xFF, 0xFF, 0, 1, 5]);
    }),
    kind("entries of free space overlap", Reason::DamagedVtoc, F4, |w| {
        let first = w.dscb_bytes(2)[4..9].to_vec();
        w.dscb(2, 45, &first);
    }),
    kind("used tracks are recorded as free", Reason::DamagedVtoc, F4, |w| {
        w.dscb(2, 45 + 5 * 17, &[0, 21, 0, 0, 2]);
    }),
    kind("an F3 points to itself", Reason::DamagedDscb, MANY, |w| {
        w.dscb(6, POINTER, &cchhr(1, 6));
    }),
    kind("an F1 points to itself", Reason::DamagedDscb, ONE, |w| {
        w.dscb(4, POINTER, &cchhr(1, 4));
    }),
    kind("an F1 points to another F1", Reason::DamagedDscb, ONE, |w| {
        w.dscb(4, POINTER, &cchhr(1, 7));
    }),
    kind("two F1s share an F3", Reason::DamagedVtoc, &["SRC001", "DAMAGE.MORE", "shares"], |w| {
        w.dscb(7, NOEPV, &[6]);
        w.dscb(7, POINTER, &cchhr(1, 6));
    }),
    kind("an F1 points outside the volume", Reason::DamagedDscb, MANY, |w| {
        w.dscb(5, POINTER, &[0xFF, 0xFF, 0, 1, 1]);
    }),
    kind("an F1 points outside the VTOC", Reason::DamagedDscb, MANY, |w| {
        w.dscb(5, POINTER, &cchhr(30, 1));
    }),
    kind("an F1 points to record 0", Reason::DamagedDscb, MANY, |w| {
        w.dscb(5, POINTER, &cchhr(1, 0));
    }),
    kind("an F1 points to a free DSCB", Reason::DamagedDscb, MANY, |w| {
        w.dscb(5, POINTER, &cchhr(2, 5));
    }),
    kind("an F1 points to the F5", Reason::DamagedDscb, MANY, |w| {
        w.dscb(5, POINTER, &cchhr(1, 2));
    }),
    kind("an F3 has the id of another format", Reason::DamagedDscb, MANY, |w| {
        w.dscb(6, 44, &[0xF9]);
    }),
    kind("an F8 without an F9", Reason::DamagedDscb, ONE, |w| w.dscb(4, 44, &[0xF8])),
    kind(
        "two data sets have the same tracks",
        Reason::DamagedVtoc,
        &["DAMAGE.ONE", "overlap"],
        |w| {
            w.dscb(5, EXT1, &descriptor(1, 0, [1, 2], [1, 3]));
        },
    ),
    kind("an extent overlaps the VTOC", Reason::DamagedVtoc, &["the VTOC", "overlap"], |w| {
        w.dscb(4, EXT1, &descriptor(1, 0, [0, 3], [0, 7]));
    }),
    kind("an extent overlaps the label", Reason::DamagedVtoc, &["the label", "DAMAGE.ONE"], |w| {
        w.dscb(4, EXT1, &descriptor(1, 0, [0, 0], [0, 0]));
    }),
    kind("an extent runs backwards", Reason::DamagedDscb, ONE, |w| {
        w.dscb(4, EXT1, &descriptor(1, 0, [1, 4], [1, 0]));
    }),
    kind("an extent lies beyond the volume", Reason::DamagedDscb, ONE, |w| {
        w.dscb(4, EXT1, &descriptor(1, 0, [1, 0], [CYLINDERS as u16, 4]));
    }),
    kind("an extent has a head that is none", Reason::DamagedDscb, ONE, |w| {
        w.dscb(4, EXT1, &descriptor(1, 0, [1, 0], [1, 20]));
    }),
    kind("DS1NOEPV is too large", Reason::DamagedDscb, ONE, |w| w.dscb(4, NOEPV, &[3])),
    kind("DS1NOEPV is too small", Reason::DamagedDscb, ONE, |w| w.dscb(4, NOEPV, &[1])),
    kind("DS1NOEPV is 255", Reason::DamagedDscb, MANY, |w| w.dscb(5, NOEPV, &[255])),
    kind("an extent has a wrong number", Reason::DamagedDscb, ONE, |w| w.dscb(4, 116, &[2])),
    kind("two extents have one number", Reason::DamagedDscb, MANY, |w| w.dscb(6, 5, &[0])),
    kind("the extents of an F3 are gone", Reason::DamagedDscb, MANY, |w| {
        w.dscb(6, 4, &[0; 40]);
    }),
    kind("the F3 is gone", Reason::DamagedDscb, MANY, |w| w.dscb(6, 0, &[0; 140])),
    kind("two extents of user labels", Reason::DamagedDscb, ONE, |w| {
        w.dscb(4, EXT1, &[0x40]);
        w.dscb(4, 115, &[0x40]);
    }),
    kind("a name is there twice", Reason::DamagedVtoc, &["SRC001", "DAMAGE.MORE"], |w| {
        let key = w.dscb_bytes(7)[..44].to_vec();
        w.dscb(5, 0, &key);
    }),
    kind("a stacked pack", Reason::StackedVolume, &["SRC001", "VSE"], |w| {
        w.dscb(1, VTOCI, &[0x10]);
    }),
    kind("an index of the VTOC", Reason::IndexedVtoc, &["SRC001", "index"], |w| {
        w.dscb(1, VTOCI, &[0x81]);
    }),
    kind("a volume of SMS", Reason::SmsVolume, &["SRC001", "SMS"], |w| w.dscb(1, 60, &[0x80])),
    kind("an extended address volume", Reason::EavVolume, &["SRC001", "extended"], |w| {
        w.dscb(1, 138, &[0x80]);
    }),
    kind("extended cylinders", Reason::EavVolume, &["SRC001", "extended"], |w| {
        w.dscb(1, 62, &[0xFF, 0xFE]);
        w.dscb(1, 132, &[0, 0, 0, CYLINDERS as u8]);
    }),
    kind(
        "a chain of split cylinders",
        Reason::SplitCylinderVolume,
        &["SRC001", "cylinders"],
        |w| {
            w.dscb(1, 100, &cchhr(1, 9));
        },
    ),
    kind("a split cylinder", Reason::SplitCylinderVolume, &["SRC001", "cylinders"], |w| {
        w.dscb(4, EXT1, &[0x80]);
    }),
    kind("the target's VTOC is damaged", Reason::DamagedVtoc, &["TGT001", "track 2"], |w| {
        on_target(w, 512 + 2 * 7680 + 4, &[9]);
    }),
    kind("the target's format 4 is wrong", Reason::DamagedVtoc, &["TGT001", "track 1"], |w| {
        on_target(w, 512 + 7680 + dscb_offset(1) as u64 + 64, &[0, 7]);
    }),
    kind("the target has an index", Reason::IndexedVtoc, &["TGT001", "index"], |w| {
        on_target(w, 512 + 7680 + dscb_offset(1) as u64 + VTOCI as u64, &[0x81]);
    }),
    kind("a target without a VTOC", Reason::NoVtoc, &["TGT002", "restore"], |w| {
        let path = w.folder.path().join("TGT002.ckd");
        drop(make(&path, "2314", CYLINDERS, "TGT002"));
        crate::support::patch(&path, 512 + 7680 + 4, &[1]);
        crate::support::patch(&path, 512 + 7680 + 21, &[0xFF; 8]);
        w.targets = vec![path];
    }),
];

fn on_target(world: &World, offset: u64, bytes: &[u8]) {
    crate::support::patch(&world.target(), offset, bytes);
}

fn set_vtoc_pointer(world: &World, pointer: [u8; 5]) {
    let label = world.image(0).windows(4).rposition(|b| b == [0xE5, 0xD6, 0xD3, 0xF1]).unwrap();
    world.track(0, label + 11, &pointer);
}
