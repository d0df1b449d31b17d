use super::*;
use crate::assess::Part;
use crate::dscb::DscbAddress;
use crate::geometry::{Device, Track};
use crate::vtoc::DataSetDscbs;

fn name(text: &str) -> DsName {
    DsName::parse(text).unwrap()
}

fn volser(text: &str) -> Volser {
    Volser::parse(text).unwrap()
}

fn geometry() -> Geometry {
    let device = Device::named("3330").unwrap();
    Geometry { device, cylinders: 411, slot_size: device.slot_size() }
}

/// A target volume with these free runs of tracks.
fn target(text: &str, free: &[(u32, u32)]) -> Target {
    let mut space = FreeSpace::new(19);
    for &(first, track_count) in free {
        space.give(Extent::new(Track(first), track_count)).unwrap();
    }
    Target {
        volser: volser(text),
        geometry: geometry(),
        free: space,
        names: BTreeSet::new(),
        free_dscb_count: 10,
        refusal: None,
    }
}

/// One part: its volume, its extents, its last used track.
type PartOf<'a> = (&'a str, &'a [(u32, u32)], Option<(u32, u8)>);

fn data_set(dsorg: u16, scal1: u8, parts: &[PartOf<'_>]) -> Assessment {
    let parts = parts
        .iter()
        .zip(1..)
        .map(|((on, extents, last_used), sequence)| {
            let mut format1 = Format1::new(name("A.B"));
            format1.set_dsorg(dsorg);
            format1.set_scal1(scal1);
            format1.set_volume_sequence(sequence);
            format1.set_first_volser(volser("SRC001"));
            format1.set_last_used(*last_used);
            format1.set_balance(if last_used.is_some() { 77 } else { 0 });
            format1.set_indicators(if usize::from(sequence) == parts.len() { 0x80 } else { 0 });
            let extents =
                extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
            let address = DscbAddress { track: Track(1), record: 3 };
            Part {
                volser: volser(on),
                device: geometry().device,
                dscbs: DataSetDscbs { address, format1, chain: vec![], extents, user_label: None },
            }
        })
        .collect();
    Assessment { name: name("A.B"), parts, cataloged: vec![], refusals: vec![] }
}

const PS: u16 = Format1::DSORG_PS;
const PO: u16 = Format1::DSORG_PO;
const TRACKS: u8 = 0x80;
const CYLINDERS: u8 = 0xC0;

fn planned(
    data_set: Assessment,
    targets: Vec<Target>,
    mode: Mode,
) -> Vec<(String, Vec<(u32, u32)>)> {
    let (plan, refusals) = plan(vec![data_set], targets, mode, 0);
    assert!(refusals.is_empty(), "{refusals:?}");
    let extents = |part: &PlannedPart| -> Vec<(u32, u32)> {
        part.new.extents.iter().map(|extent| (extent.first.0, extent.track_count)).collect()
    };
    plan.data_sets[0].parts.iter().map(|part| (part.volser.to_string(), extents(part))).collect()
}

fn refused(data_set: Assessment, targets: Vec<Target>, mode: Mode) -> Error {
    let (plan, refusals) = plan(vec![data_set], targets, mode, 0);
    assert!(plan.data_sets.is_empty());
    let error = refusals[0].reasons[0].clone();
    assert_eq!(error.data_set(), Some(*name("A.B").as_bytes()));
    error
}

#[test]
fn one_primary_takes_the_shortest_run_that_holds_all() {
    let source = || data_set(PO, TRACKS, &[("SRC001", &[(40, 5), (60, 7)], Some((3, 1)))]);
    let targets = vec![target("T1", &[(20, 30), (100, 12), (200, 13)])];
    assert_eq!(planned(source(), targets, Mode::OnePrimary), [("T1".into(), vec![(100, 12)])]);
    // Fewest extents over all volumes; then the first volume that has them.
    let targets = vec![
        target("T1", &[(20, 6), (100, 6)]),
        target("T2", &[(50, 12)]),
        target("T3", &[(50, 12)]),
    ];
    assert_eq!(planned(source(), targets, Mode::OnePrimary), [("T2".into(), vec![(50, 12)])]);
}

#[test]
fn one_primary_has_at_most_five_extents() {
    let source = || data_set(PS, TRACKS, &[("SRC001", &[(40, 12)], None)]);
    let five = vec![target("T1", &[(20, 3), (30, 3), (40, 3), (50, 2), (60, 1)])];
    assert_eq!(planned(source(), five, Mode::OnePrimary)[0].1.len(), 5);
    let six = || vec![target("T1", &[(20, 2), (30, 2), (40, 2), (50, 2), (60, 2), (70, 2)])];
    assert_eq!(refused(source(), six(), Mode::OnePrimary).reason(), Reason::NoSpace);
    assert_eq!(planned(source(), six(), Mode::BestFit)[0].1.len(), 6);
}

#[test]
fn cylinders_stay_cylinders() {
    let source = data_set(PO, CYLINDERS, &[("SRC001", &[(38, 38)], None)]);
    let targets = vec![target("T1", &[(20, 50), (100, 60)])];
    // 20 to 69 holds cylinder 2 only; 100 to 159 holds cylinders 6 and 7.
    assert_eq!(planned(source, targets, Mode::OnePrimary), [("T1".into(), vec![(114, 38)])]);
}

#[test]
fn extent_for_extent_keeps_parts_apart() {
    let source = data_set(
        PS,
        TRACKS,
        &[("SRC001", &[(40, 5), (60, 7)], None), ("SRC002", &[(10, 4)], Some((2, 1)))],
    );
    let targets = || vec![target("T1", &[(20, 7), (100, 5)]), target("T2", &[(30, 100)])];
    assert_eq!(
        planned(source.clone(), targets(), Mode::ExtentForExtent),
        [("T1".into(), vec![(100, 5), (20, 7)]), ("T2".into(), vec![(30, 4)])]
    );
    let error = refused(source, vec![target("T1", &[(20, 700)])], Mode::ExtentForExtent);
    assert_eq!(error.reason(), Reason::NoSpace);
}

#[test]
fn best_fit_splits_only_what_can_be_split() {
    let targets = || vec![target("T1", &[(20, 5)]), target("T2", &[(20, 9)])];
    let source = data_set(PS, TRACKS, &[("SRC001", &[(40, 12)], Some((10, 4)))]);
    let (planned, _) = plan(vec![source], targets(), Mode::BestFit, 0);
    let parts = &planned.data_sets[0].parts;
    assert_eq!(parts[0].volser, volser("T2"));
    // The last used track, 10, goes to the second part, as its track 1; the first one is full.
    let f1 = |part: usize| parts[part].new.format1;
    assert_eq!((f1(0).last_used(), f1(0).balance(), f1(0).indicators()), (None, 0, 0));
    assert_eq!((f1(1).last_used(), f1(1).balance(), f1(1).indicators()), (Some((1, 4)), 77, 0x80));
    assert_eq!((f1(0).volume_sequence(), f1(1).volume_sequence()), (1, 2));
    assert_eq!((f1(0).first_volser(), f1(1).first_volser()), (volser("T2"), volser("T2")));
    let source = data_set(PO, TRACKS, &[("SRC001", &[(40, 12)], None)]);
    assert_eq!(refused(source, targets(), Mode::BestFit).reason(), Reason::CannotSplit);
}

#[test]
fn parts_that_are_put_together_have_the_statistics_of_the_last() {
    let source = data_set(
        PS,
        TRACKS,
        &[("SRC001", &[(40, 5)], None), ("SRC002", &[(10, 4), (20, 3)], Some((6, 9)))],
    );
    let (planned, _) = plan(vec![source], vec![target("T1", &[(100, 12)])], Mode::OnePrimary, 0);
    let data_set = &planned.data_sets[0];
    let f1 = data_set.parts[0].new.format1;
    assert_eq!((f1.last_used(), f1.balance(), f1.indicators()), (Some((11, 9)), 77, 0x80));
    assert_eq!((f1.volume_sequence(), f1.first_volser()), (1, volser("T1")));
    assert_eq!(data_set.used_track_count(), 12);
}

#[test]
fn statistics_that_lie_behind_the_data_set_cannot_be_placed() {
    let source = data_set(PS, TRACKS, &[("SRC001", &[(40, 12)], Some((12, 4)))]);
    let targets = vec![target("T1", &[(20, 5)]), target("T2", &[(20, 9)])];
    assert_eq!(refused(source, targets, Mode::BestFit).reason(), Reason::PartsInconsistent);
}

#[test]
fn only_used_tracks_are_told_from_the_others() {
    let source = data_set(PS, TRACKS, &[("SRC001", &[(40, 5), (60, 7)], Some((3, 1)))]);
    let (planned, _) = plan(vec![source], vec![target("T1", &[(100, 12)])], Mode::OnePrimary, 0);
    let data_set = &planned.data_sets[0];
    // Tracks 0 to 3, and the one behind, where the end-of-file record may stand.
    assert_eq!(data_set.used_track_count(), 5);
    assert_eq!(data_set.unused_source(), [(volser("SRC001"), Extent::new(Track(60), 7))]);
    assert_eq!(data_set.unused_target(true), [(volser("T1"), Extent::new(Track(105), 7))]);
    assert_eq!(data_set.copied_entries(true).unwrap().len(), 1);
    // Where the DSCBs do not say, and for direct data sets, everything counts.
    let never = self::data_set(PS, TRACKS, &[("SRC001", &[(40, 5)], None)]);
    let direct = self::data_set(Format1::DSORG_DA, TRACKS, &[("SRC001", &[(40, 5)], Some((1, 1)))]);
    for source in [never, direct] {
        let (planned, _) =
            plan(vec![source], vec![target("T1", &[(100, 12)])], Mode::OnePrimary, 0);
        assert_eq!(planned.data_sets[0].used_track_count(), 5);
    }
}

#[test]
fn extents_are_combined_on_the_own_volume_if_that_makes_them_fewer() {
    let source = || data_set(PO, TRACKS, &[("SRC001", &[(40, 5), (60, 7)], Some((3, 1)))]);
    let (planned, _) =
        plan(vec![source()], vec![target("SRC001", &[(100, 12)])], Mode::OnePrimary, 0);
    let data_set = &planned.data_sets[0];
    assert!(data_set.combines);
    assert!(data_set.parts[0].new.format1.name().starts_with("TRKMIRR.NEWSPACE.X"));
    let error = refused(source(), vec![target("SRC001", &[(100, 8), (120, 8)])], Mode::OnePrimary);
    assert_eq!(error.reason(), Reason::TargetIsSource);
    // Another volume is preferred.
    let targets = vec![target("SRC001", &[(100, 12)]), target("T1", &[(100, 12)])];
    let (planned, _) = plan(vec![source()], targets, Mode::OnePrimary, 0);
    assert!(!planned.data_sets[0].combines);
}

#[test]
fn what_a_target_cannot_take_is_refused_with_the_reason() {
    let source = || data_set(PO, TRACKS, &[("SRC001", &[(40, 5)], None)]);
    let reason = |change: &dyn Fn(&mut Target)| {
        let mut volume = target("T1", &[(100, 12)]);
        change(&mut volume);
        refused(source(), vec![volume], Mode::OnePrimary).reason()
    };
    assert_eq!(reason(&|t| t.names = [name("A.B")].into()), Reason::NameExists);
    assert_eq!(reason(&|t| t.free_dscb_count = 0), Reason::VtocFull);
    assert_eq!(reason(&|t| t.free = FreeSpace::new(19)), Reason::NoSpace);
    let other = Device::named("3350").unwrap();
    assert_eq!(reason(&|t| t.geometry.device = other), Reason::UnlikeDevices);
    let sms = Error::new(Reason::SmsVolume, "managed");
    assert_eq!(reason(&move |t| t.refusal = Some(sms.clone())), Reason::SmsVolume);
    assert_eq!(refused(source(), vec![], Mode::OnePrimary).reason(), Reason::NoSpace);
}

#[test]
fn the_nucleus_stays_in_one_extent() {
    let mut source = data_set(PO, TRACKS, &[("SRC001", &[(40, 12)], None)]);
    source.name = name("SYS1.NUCLEUS");
    let targets = vec![target("T1", &[(20, 8), (40, 8)])];
    let (planned, refusals) = plan(vec![source], targets, Mode::OnePrimary, 0);
    assert!(planned.data_sets.is_empty());
    assert_eq!(refusals[0].reasons[0].reason(), Reason::NoSpace);
}

#[test]
fn data_sets_of_one_plan_do_not_get_the_same_space() {
    let mut second = data_set(PO, TRACKS, &[("SRC001", &[(60, 5)], None)]);
    second.name = name("A.C");
    let first = data_set(PO, TRACKS, &[("SRC001", &[(40, 5)], None)]);
    let (planned, refusals) =
        plan(vec![first, second], vec![target("T1", &[(100, 9)])], Mode::OnePrimary, 0);
    assert_eq!((planned.data_sets.len(), refusals.len()), (1, 1));
    assert_eq!(refusals[0].name, name("A.C"));
}

#[test]
fn plans_are_stored_and_read_back() {
    let source = data_set(PS, TRACKS, &[("SRC001", &[(40, 5), (60, 7)], Some((3, 1)))]);
    let (planned, _) = plan(vec![source], vec![target("T1", &[(100, 12)])], Mode::OnePrimary, 0);
    let bytes = crate::bytes::encoded(&planned);
    assert_eq!(Decoder::new(&bytes).get::<Plan>().unwrap(), planned);
    for length in 0..bytes.len() {
        assert!(Decoder::new(&bytes[..length]).get::<Plan>().is_err());
    }
}

#[test]
fn what_is_contiguous_stays_so() {
    const CONTIGUOUS: u8 = 0x88;
    let source = |scal1| data_set(PS, scal1, &[("SRC001", &[(40, 12)], None)]);
    let two = || vec![target("T1", &[(20, 6), (100, 6)])];
    for mode in [Mode::OnePrimary, Mode::BestFit] {
        assert_eq!(planned(source(TRACKS), two(), mode)[0].1.len(), 2);
        assert_eq!(refused(source(CONTIGUOUS), two(), mode).reason(), Reason::NoSpace);
        let one = vec![target("T1", &[(20, 6), (100, 12)])];
        assert_eq!(planned(source(CONTIGUOUS), one, mode)[0].1, [(100, 12)]);
    }
    // What has grown since is in several extents already.
    let grown = data_set(PS, CONTIGUOUS, &[("SRC001", &[(40, 6), (60, 6)], None)]);
    assert_eq!(planned(grown, two(), Mode::OnePrimary)[0].1.len(), 2);
}

#[test]
fn several_volumes_of_a_data_set_are_no_targets_for_it() {
    let parts: &[PartOf<'_>] =
        &[("SRC001", &[(40, 5)], None), ("SRC002", &[(60, 7)], Some((3, 1)))];
    let free: &[(u32, u32)] = &[(100, 30)];
    for serials in [&["SRC001", "SRC002"][..], &["SRC002"]] {
        for mode in [Mode::OnePrimary, Mode::ExtentForExtent, Mode::BestFit] {
            let targets = serials.iter().map(|serial| target(serial, free)).collect();
            let error = refused(data_set(PS, TRACKS, parts), targets, mode);
            assert_eq!(error.reason(), Reason::TargetIsSource);
        }
    }
}
