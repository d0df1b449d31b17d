//! What is rare on real volumes: user labels, F2, F8 and F9, split cylinders, and each kind of damage.

use super::check::{Severity, Tracks, check};
use super::edit::Edit;
use super::init::initialize;
use super::*;
use crate::dscb::{DSCB_LENGTH, DscbExtent, Format3};
use crate::error::Reason;
use crate::geometry::{Device, Track};
use crate::name::DsName;
use crate::track::{Place, build};
use crate::volume::memory::MemoryVolume;
use crate::volume::{Volume, VolumeExt, intent::NoJournal};

fn volume() -> MemoryVolume {
    let device = Device::named("2314").unwrap();
    let geometry = Geometry { device, cylinders: 10, slot_size: device.slot_size() };
    let volser = "VOL001".parse().unwrap();
    let volume = MemoryVolume::new(volser, geometry);
    initialize(&volume, volser, Some(Extent::new(Track(1), 2)), "").unwrap();
    volume
}

fn address(record: u8) -> DscbAddress {
    DscbAddress { track: Track(1), record }
}

fn pointer(record: u8) -> [u8; 5] {
    [0, 0, 0, 1, record]
}

fn write(volume: &dyn Volume, dscbs: &[(u8, Dscb)]) {
    let mut edit = Edit::read(volume).unwrap();
    dscbs.iter().for_each(|(record, dscb)| edit.set(address(*record), *dscb).unwrap());
    edit.into_intent("test".into()).perform(volume, &NoJournal).unwrap();
}

/// A descriptor: kind, sequence number, and first and last track on cylinder 5.
fn descriptor(kind: u8, sequence: u8, first: u8, last: u8) -> DscbExtent {
    DscbExtent::from_bytes([kind, sequence, 0, 5, 0, first, 0, 5, 0, last])
}

fn format1(count: u8, extents: &[DscbExtent], behind: [u8; 5]) -> Format1 {
    let mut format1 = Format1::new(name());
    format1.set_first_volser("VOL001".parse().unwrap());
    format1.set_volume_sequence(1);
    format1.set_extent_count(count);
    format1.set_extents(extents);
    format1.set_pointer(behind);
    format1
}

fn name() -> DsName {
    "TEST.DATA".parse().unwrap()
}

fn other(format: u8, behind: [u8; 5]) -> Dscb {
    let mut bytes = [0; DSCB_LENGTH];
    bytes[0] = format & 0x0F;
    bytes[44] = format;
    bytes[135..].copy_from_slice(&behind);
    Dscb::from_bytes(bytes)
}

fn find(volume: &dyn Volume) -> crate::Result<DataSetDscbs> {
    Vtoc::read(volume).unwrap().find(&name()).map(|found| found.expect("the F1 is there"))
}

fn sentences(volume: &dyn Volume, severity: Severity) -> Vec<String> {
    let findings = check(volume, Tracks::All).unwrap();
    let chosen = findings.into_iter().filter(|finding| finding.severity == severity);
    chosen.map(|finding| finding.to_string()).collect()
}

#[test]
fn user_labels_are_apart_and_extents_go_by_their_numbers() {
    for first in [0, 1] {
        let volume = volume();
        let extents =
            [descriptor(0x40, 0, 0, 0), descriptor(1, first + 1, 4, 5), descriptor(1, first, 1, 2)];
        write(&volume, &[(3, Dscb::Format1(format1(2, &extents, [0; 5])))]);
        let found = find(&volume).unwrap();
        assert_eq!(found.user_label, Some(Extent::new(Track(100), 1)));
        let expected = [Extent::new(Track(101), 2), Extent::new(Track(104), 2)];
        assert_eq!(found.extents, expected);
        let free = FreeSpace::complement(&Vtoc::read(&volume).unwrap());
        assert!(!free.is_free(Extent::new(Track(100), 1)));
        assert!(free.is_free(Extent::new(Track(103), 1)));
    }
}

#[test]
fn every_chain_that_is_allowed_is_followed() {
    let extents: Vec<DscbExtent> = (0..16).map(|n| descriptor(1, n, n, n)).collect();
    let (first, behind) = extents.split_at(3);
    let format3 = Dscb::Format3(Format3::new(behind));
    let volume = volume();
    write(
        &volume,
        &[
            (3, Dscb::Format1(format1(16, first, pointer(4)))),
            (4, other(0xF2, pointer(5))),
            (5, format3),
        ],
    );
    assert_eq!(find(&volume).unwrap().chain.len(), 2);
    let mut format8 = format1(16, first, pointer(4));
    format8.as_bytes_mut()[44] = 0xF8;
    write(
        &volume,
        &[(3, Dscb::Format1(format8)), (4, other(0xF9, pointer(6))), (6, other(0xF9, pointer(5)))],
    );
    let found = find(&volume).unwrap();
    assert_eq!((found.chain.len(), found.extents.len()), (3, 16));
    assert_eq!(found.track_count(), 16);
}

#[test]
fn each_damage_of_a_data_set_is_its_own_error() {
    let one = [descriptor(1, 0, 1, 2)];
    let format3 = |sequence, behind| {
        let mut format3 = Format3::new(&[descriptor(1, sequence, 9, 9)]);
        format3.set_pointer(behind);
        Dscb::Format3(format3)
    };
    let mut format8 = format1(1, &one, [0; 5]);
    format8.as_bytes_mut()[44] = 0xF8;
    let cases: Vec<(&str, Format1, Dscb)> = vec![
        ("DS1NOEPV says 2", format1(2, &one, [0; 5]), Dscb::Free),
        ("no run of tracks", format1(1, &[descriptor(1, 0, 2, 1)], [0; 5]), Dscb::Free),
        ("no run of tracks", format1(1, &[descriptor(1, 0, 2, 20)], [0; 5]), Dscb::Free),
        ("sequence numbers", format1(1, &[descriptor(1, 1, 1, 2)], [0; 5]), Dscb::Free),
        ("sequence numbers", format1(2, &one, pointer(4)), format3(0, [0; 5])),
        ("two extents for user", format1(0, &[descriptor(0x40, 0, 1, 1); 2], [0; 5]), Dscb::Free),
        ("leads to the free", format1(1, &one, pointer(4)), Dscb::Free),
        ("leads to the format 5", format1(1, &one, pointer(2)), Dscb::Free),
        ("leads to no DSCB", format1(1, &one, [0, 9, 0, 1, 1]), Dscb::Free),
        ("leads to no DSCB", format1(1, &one, [9, 9, 9, 9, 9]), Dscb::Free),
        ("has no end", format1(2, &one, pointer(4)), format3(1, pointer(4))),
        ("no format 9", format8, Dscb::Free),
    ];
    for (expected, format1, behind) in cases {
        let volume = volume();
        write(&volume, &[(3, Dscb::Format1(format1)), (4, behind)]);
        let error = find(&volume).unwrap_err();
        assert_eq!(error.reason(), Reason::DamagedDscb);
        assert!(error.sentence().contains(expected), "{expected}: {error}");
        assert_eq!((error.track(), error.data_set()), (Some(1), Some(*name().as_bytes())));
        let found = sentences(&volume, Severity::Error);
        assert!(found.iter().any(|sentence| sentence.contains(expected)), "{found:?}");
    }
}

#[test]
fn what_contradicts_itself_is_an_error_and_what_is_odd_a_remark() {
    let one = Dscb::Format1(format1(1, &[descriptor(1, 0, 1, 2)], [0; 5]));
    let mut second = format1(1, &[descriptor(1, 0, 2, 3)], [0; 5]);
    second.set_name("TEST.SECOND".parse().unwrap());
    let expect = |dscbs: &[(u8, Dscb)], severity, expected: &str| {
        let volume = volume();
        write(&volume, dscbs);
        let found = sentences(&volume, severity);
        assert!(found.iter().any(|text| text.contains(expected)), "{expected}: {found:?}");
    };
    let (error, remark) = (Severity::Error, Severity::Remark);
    expect(&[(3, one), (4, Dscb::Format1(second))], error, "TEST.SECOND overlap tracks 101 to 102");
    expect(&[(3, one), (4, one)], error, "another data set of this name");
    expect(&[(3, one)], error, "2 tracks are recorded as free that are not: tracks 101 to 102");
    expect(&[(3, other(0xF3, [0; 5]))], error, "no data set leads to the format 3");
    expect(&[(3, other(0xF9, [0; 5]))], error, "nothing leads to the format 9");
    expect(&[(3, other(0xF5, [0; 5]))], remark, "no chain leads to the format 5");
    expect(&[(3, one)], remark, "DS4DSREC says");
    expect(&[(3, one)], remark, "DS4HPCHR");
    let whole = Dscb::Format1(format1(1, &[descriptor(1, 0, 0, 19)], [0; 5]));
    expect(&[(3, whole)], remark, "extent 0 has type X'01' with cylinder boundaries");
    let mut foreign = format1(1, &[descriptor(1, 0, 1, 2)], [0; 5]);
    foreign.set_first_volser("OTHER".parse().unwrap());
    expect(&[(3, Dscb::Format1(foreign))], remark, "DS1DSSN is OTHER");
}

#[test]
fn damaged_tracks_are_found_wherever_they_are() {
    let volume = volume();
    let mut slot = volume.read_track(Track(150)).unwrap();
    slot[4] = 1;
    volume.write(Track(150), &slot).unwrap();
    let found = sentences(&volume, Severity::Error);
    assert!(
        found.len() == 1 && found[0].contains("track 150 (7/10): the home address"),
        "{found:?}"
    );
    assert!(check(&volume, Tracks::Used).unwrap().is_empty());
    let mut slot = volume.read_track(Track(151)).unwrap();
    build(&mut slot, volume.place(Track(151)), &[(b"", b"A")]).unwrap();
    slot[21 + 3] = 0;
    volume.write(Track(151), &slot).unwrap();
    let found = sentences(&volume, Severity::Remark);
    assert!(found[0].contains("1 records carry the address of another track"), "{found:?}");
}

#[test]
fn volumes_without_label_or_vtoc_are_told_apart_from_damaged_ones() {
    let reason = |volume: &MemoryVolume| Vtoc::read(volume).unwrap_err().reason();
    let device = Device::named("2314").unwrap();
    let geometry = Geometry { device, cylinders: 10, slot_size: device.slot_size() };
    let empty = MemoryVolume::new("VOL001".parse().unwrap(), geometry);
    assert_eq!(reason(&empty), Reason::NoLabel);
    let volume = volume();
    let first = volume.read_track(Track(1)).unwrap();
    let mut slot = vec![0; volume.slot_size()];
    build(&mut slot, volume.place(Track(2)), &[]).unwrap();
    volume.write(Track(2), &slot).unwrap();
    assert_eq!(reason(&volume), Reason::DamagedVtoc);
    build(&mut slot, volume.place(Track(2)), &[(&[0; 44], &[0; 95])]).unwrap();
    volume.write(Track(2), &slot).unwrap();
    assert_eq!(reason(&volume), Reason::DamagedVtoc);
    // Fewer DSCBs than the device could hold are right: Linux writes twelve on a track.
    build(&mut slot, volume.place(Track(2)), &[(&[0; 44], &[0; 96])]).unwrap();
    volume.write(Track(2), &slot).unwrap();
    assert_eq!(Vtoc::read(&volume).unwrap().dscbs.len(), 26);
    build(&mut slot, volume.place(Track(1)), &[]).unwrap();
    volume.write(Track(1), &slot).unwrap();
    assert_eq!(reason(&volume), Reason::NoVtoc);
    assert_eq!(check(&volume, Tracks::All).unwrap().len(), 1);
    let mut torn = first;
    torn[100..].fill(0xA5);
    volume.write(Track(1), &torn).unwrap();
    assert_eq!(reason(&volume), Reason::DamagedTrack);
}

#[test]
fn requests_for_new_volumes_that_cannot_be_meant_are_refused() {
    let volume = volume();
    let before = volume.to_bytes();
    let volser = "VOL002".parse().unwrap();
    let reason = |vtoc, owner| initialize(&volume, volser, vtoc, owner).unwrap_err().reason();
    for (first, count) in [(0, 5), (5, 0), (199, 2), (u32::MAX, u32::MAX)] {
        assert_eq!(reason(Some(Extent::new(Track(first), count)), ""), Reason::BadRequest);
    }
    assert_eq!(reason(None, "123456789012345"), Reason::BadRequest);
    assert_eq!(reason(None, "\u{e9}"), Reason::BadRequest);
    assert!(volume.to_bytes() == before);
    initialize(&volume, volser, Some(Extent::new(Track(198), 2)), "12345678901234").unwrap();
    assert!(check(&volume, Tracks::All).unwrap().iter().all(|f| f.severity == Severity::Remark));
    assert_eq!(Vtoc::read(&volume).unwrap().extent, Extent::new(Track(198), 2));
}

#[test]
fn an_ipl_program_keeps_track_1() {
    let device = Device::named("2314").unwrap();
    let geometry = Geometry { device, cylinders: 10, slot_size: device.slot_size() };
    let volser = "VOL001".parse().unwrap();
    let volume = MemoryVolume::new(volser, geometry);
    initialize(&volume, volser, Some(Extent::new(Track(20), 2)), "").unwrap();
    let vtoc = Vtoc::read(&volume).unwrap();
    assert!(!vtoc.has_ipl_text && FreeSpace::complement(&vtoc).is_free(Extent::new(Track(1), 1)));
    let mut slot = vec![0; volume.slot_size()];
    let place = Place::new(&geometry, Track(0));
    let label: (&[u8], &[u8]) = (&[0xE5, 0xD6, 0xD3, 0xF1], vtoc.label.as_bytes());
    build(&mut slot, place, &[(b"IPL1", &[1; 24]), (b"IPL2", &[1; 144]), label]).unwrap();
    volume.write(Track(0), &slot).unwrap();
    let vtoc = Vtoc::read(&volume).unwrap();
    assert!(vtoc.has_ipl_text && !FreeSpace::complement(&vtoc).is_free(Extent::new(Track(1), 1)));
}
