use super::*;
use crate::assess::Part;
use crate::assess::compare::{Metadata, compare};
use crate::dscb::{DscbAddress, Format1};
use crate::geometry::{Device, Geometry, Track};
use crate::name::DsMask;
use crate::plan::{EXTENTS_MAX, plan};
use crate::vtoc::{DataSetDscbs, FreeSpace};
use proptest::prelude::*;
use std::collections::BTreeSet;

const PS: u16 = Format1::DSORG_PS;
const PO: u16 = Format1::DSORG_PO;

fn name(text: &str) -> DsName {
    DsName::parse(text).unwrap()
}

fn volser(text: &str) -> Volser {
    Volser::parse(text).unwrap()
}

fn extents(runs: &[(u32, u32)]) -> Vec<Extent> {
    runs.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect()
}

fn target(text: &str, free: &[(u32, u32)]) -> Target {
    let device = Device::named("3330").unwrap();
    let mut space = FreeSpace::new(device.heads);
    extents(free).into_iter().for_each(|extent| space.give(extent).unwrap());
    Target {
        volser: volser(text),
        geometry: Geometry { device, cylinders: 411, slot_size: device.slot_size() },
        free: space,
        names: BTreeSet::new(),
        free_dscb_count: 10,
        refusal: None,
    }
}

/// A part: its volume, the record of its F1, its extents.
type PartOf<'a> = (&'a str, u8, &'a [(u32, u32)]);

fn data_set(text: &str, dsorg: u16, parts: &[PartOf<'_>]) -> Assessment {
    let parts = parts.iter().zip(1..).map(|(&(on, record, runs), sequence)| {
        let mut format1 = Format1::new(name(text));
        format1.set_dsorg(dsorg);
        format1.set_scal1(0x80);
        format1.set_volume_sequence(sequence);
        let address = DscbAddress { track: Track(1), record };
        let extents = extents(runs);
        let dscbs = DataSetDscbs { address, format1, chain: vec![], extents, user_label: None };
        Part { volser: volser(on), device: Device::named("3330").unwrap(), dscbs }
    });
    Assessment { name: name(text), parts: parts.collect(), cataloged: vec![], refusals: vec![] }
}

/// What was planned, and the targets as they are once it is allocated.
struct Case {
    plan: Plan,
    targets: Vec<Target>,
}

impl Case {
    fn new(sources: &[Assessment], targets: Vec<Target>, mode: Mode) -> Case {
        Case::with_slack(sources, targets, mode, 0)
    }

    fn with_slack(
        sources: &[Assessment],
        mut targets: Vec<Target>,
        mode: Mode,
        slack: u32,
    ) -> Case {
        let (plan, refusals) = plan(sources.to_vec(), targets.clone(), mode, slack);
        assert!(refusals.is_empty(), "{refusals:?}");
        for part in plan.data_sets.iter().flat_map(|data_set| &data_set.parts) {
            let target = target_of(part.volser, &mut targets).unwrap();
            target.take(part.new.format1.name(), &part.new.extents).unwrap();
        }
        Case { plan, targets }
    }

    /// What is followed, with the targets as they are afterwards.
    fn follow(&self, present: &[Assessment]) -> (Vec<Result<Followed>>, Vec<Target>) {
        let stored = self.plan.data_sets.iter().map(|data_set| &data_set.assessment);
        let changes = compare(stored, present, &[DsMask::parse("A.**").unwrap()], Metadata::Both);
        let mut targets = self.targets.clone();
        let followed = follow(&self.plan, &changes, &mut targets);
        assert_eq!(followed.len(), changes.len());
        self.assert_right(&changes, &followed, &targets);
        (followed, targets)
    }

    /// That space is conserved to the track, and that exactly the right tracks are copied.
    fn assert_right(
        &self,
        changes: &[AllocationChange<'_>],
        followed: &[Result<Followed>],
        targets: &[Target],
    ) {
        let mut free = tracks_of(self.targets.iter().flat_map(free_runs));
        for (change, followed) in changes.iter().zip(followed) {
            let Ok(followed) = followed else { continue };
            let was = change.stored.and_then(|stored| {
                self.plan.data_sets.iter().find(|planned| planned.assessment.name == stored.name)
            });
            let runs = |planned: Option<&PlannedDataSet>| {
                tracks_of(planned.into_iter().flat_map(PlannedDataSet::target_extents))
            };
            let (old, new) = (runs(was), runs(followed.data_set.as_ref()));
            let released = tracks_of(followed.released.iter().copied());
            let allocated = tracks_of(followed.allocated.iter().copied());
            let between: BTreeSet<_> = old.difference(&released).copied().collect();
            assert!(released.is_subset(&old) && between.is_disjoint(&allocated));
            assert_eq!(&between | &allocated, new);
            free = &free | &released;
            assert_copied(change, was, followed);
        }
        for followed in followed.iter().flatten() {
            let allocated = tracks_of(followed.allocated.iter().copied());
            assert!(allocated.is_subset(&free), "given to two");
            free = &free - &allocated;
        }
        assert_eq!(free, tracks_of(targets.iter().flat_map(free_runs)));
    }
}

/// That tracks are copied again exactly if they came, or go elsewhere than before.
fn assert_copied(change: &AllocationChange<'_>, was: Option<&PlannedDataSet>, now: &Followed) {
    let table = |planned: Option<&PlannedDataSet>| {
        TranslateTable::new(planned.map_or_else(Vec::new, |p| p.entries().unwrap())).unwrap()
    };
    let (before, after) = (table(was), table(now.data_set.as_ref()));
    let source = |planned: Option<&PlannedDataSet>| {
        tracks_of(planned.into_iter().flat_map(|planned| planned.assessment.extents()))
    };
    let new = tracks_of(change.new.iter().map(|run| (run.volser, run.extent)));
    let present = source(now.data_set.as_ref());
    let is_joining = |(volser, track): &(Volser, u32)| {
        let place = |table: &TranslateTable| table.to_target(*volser, Track(*track));
        new.contains(&(*volser, *track)) || place(&before) != place(&after)
    };
    let expected: BTreeSet<_> = present.iter().copied().filter(is_joining).collect();
    assert_eq!(tracks_of(now.joining.iter().copied()), expected);
    assert_eq!(tracks_of(now.leaving.iter().copied()), &source(was) - &present);
    if let Some(planned) = &now.data_set {
        assert_eq!(planned.assessment, *change.present.unwrap());
        let extent_max = planned.parts.iter().map(|part| part.new.extents.len()).max();
        assert!(extent_max <= Some(EXTENTS_MAX));
    }
}

fn free_runs(target: &Target) -> impl Iterator<Item = (Volser, Extent)> + '_ {
    target.free.runs().iter().map(|run| (target.volser, *run))
}

fn tracks_of(runs: impl Iterator<Item = (Volser, Extent)>) -> BTreeSet<(Volser, u32)> {
    runs.flat_map(|(on, run)| (run.first.0..run.end().0).map(move |track| (on, track))).collect()
}

fn texts(runs: &Runs) -> Vec<String> {
    let text = |(on, run): &(Volser, Extent)| format!("{on} {}+{}", run.first.0, run.track_count);
    runs.iter().map(text).collect()
}

/// The one data set's target, and what is released, allocated, and copied again.
fn told(followed: &[Result<Followed>]) -> [Vec<String>; 4] {
    let followed = followed[0].as_ref().unwrap();
    let target = followed.data_set.iter().flat_map(PlannedDataSet::target_extents).collect();
    [&target, &followed.released, &followed.allocated, &followed.joining].map(texts)
}

#[test]
fn one_data_set_is_followed_in_every_way() {
    type Row<'a> = (
        &'a str,
        &'a [PartOf<'a>],
        &'a [(&'a str, &'a [(u32, u32)])],
        &'a [PartOf<'a>],
        [&'a [&'a str]; 4],
    );
    let one: &[PartOf<'_>] = &[("S1", 3, &[(40, 10)])];
    let two: &[PartOf<'_>] = &[("S1", 3, &[(40, 10)]), ("S2", 3, &[(70, 5)])];
    let rows: &[Row<'_>] = &[
        ("nothing", one, &[("T1", &[(20, 30)])], one, [&["T1 20+10"], &[], &[], &[]]),
        (
            "extended, and the target grows in place",
            one,
            &[("T1", &[(20, 30)])],
            &[("S1", 3, &[(40, 13)])],
            [&["T1 20+13"], &[], &["T1 30+3"], &["S1 50+3"]],
        ),
        (
            "extended by an extent, and the target grows elsewhere on its volume",
            one,
            &[("T1", &[(20, 10), (90, 4)])],
            &[("S1", 3, &[(40, 10), (70, 3)])],
            [&["T1 20+10", "T1 90+3"], &[], &["T1 90+3"], &["S1 70+3"]],
        ),
        (
            "extended, and the target goes on on another volume",
            one,
            &[("T1", &[(20, 10), (90, 2)]), ("T2", &[(5, 3)])],
            &[("S1", 3, &[(40, 13)])],
            [&["T1 20+10", "T2 5+3"], &[], &["T2 5+3"], &["S1 50+3"]],
        ),
        (
            "extended, and no volume alone has enough",
            one,
            &[("T1", &[(20, 10), (90, 2)]), ("T2", &[(5, 1)]), ("T3", &[(5, 2)])],
            &[("S1", 3, &[(40, 15)])],
            [
                &["T1 20+10", "T1 90+2", "T3 5+2", "T2 5+1"],
                &[],
                &["T1 90+2", "T3 5+2", "T2 5+1"],
                &["S1 50+5"],
            ],
        ),
        (
            "extended onto another volume",
            one,
            &[("T1", &[(20, 30)])],
            two,
            [&["T1 20+15"], &[], &["T1 30+5"], &["S2 70+5"]],
        ),
        (
            "extended before its last part, whose tracks all move",
            two,
            &[("T1", &[(20, 30)])],
            &[("S1", 3, &[(40, 12)]), ("S2", 3, &[(70, 5)])],
            [&["T1 20+17"], &[], &["T1 35+2"], &["S1 50+2", "S2 70+5"]],
        ),
        (
            "released",
            one,
            &[("T1", &[(20, 30)])],
            &[("S1", 3, &[(40, 6)])],
            [&["T1 20+6"], &["T1 26+4"], &[], &[]],
        ),
        (
            "released on the first volume: the rest moves up",
            two,
            &[("T1", &[(20, 30)])],
            &[("S1", 3, &[(40, 8)]), ("S2", 3, &[(70, 5)])],
            [&["T1 20+13"], &["T1 33+2"], &[], &["S2 70+5"]],
        ),
        (
            "a part is gone",
            two,
            &[("T1", &[(20, 30)])],
            one,
            [&["T1 20+10"], &["T1 30+5"], &[], &[]],
        ),
        (
            "released and extended by as much",
            one,
            &[("T1", &[(20, 30)])],
            &[("S1", 3, &[(40, 6), (90, 4)])],
            [&["T1 20+10"], &[], &[], &["S1 90+4"]],
        ),
        (
            "made anew",
            one,
            &[("T1", &[(20, 30)])],
            &[("S1", 4, &[(40, 12)])],
            [&["T1 20+12"], &["T1 20+10"], &["T1 20+12"], &["S1 40+12"]],
        ),
        ("deleted", one, &[("T1", &[(20, 30)])], &[], [&[], &["T1 20+10"], &[], &[]]),
    ];
    for (what, was, targets, now, expected) in rows {
        let targets = targets.iter().map(|(on, free)| target(on, free)).collect();
        let case = Case::new(&[data_set("A.B", PS, was)], targets, Mode::OnePrimary);
        for to in ["A.B", "X.Y"] {
            let (followed, after) = case.follow(&[data_set(to, PS, now)]);
            if to == "X.Y" && *what == "made anew" {
                continue; // Under another name it is another data set.
            }
            assert_eq!(
                told(&followed).each_ref().map(Vec::as_slice),
                expected
                    .map(|e| e.iter().map(|t| t.to_string()).collect::<Vec<_>>())
                    .each_ref()
                    .map(Vec::as_slice),
                "{what}"
            );
            let Some(planned) = &followed[0].as_ref().unwrap().data_set else { continue };
            for part in &planned.parts {
                assert_eq!(part.new.format1.name(), name(to), "{what}");
                let on = after.iter().find(|target| target.volser == part.volser).unwrap();
                assert_eq!(on.names, [name(to)].into());
            }
        }
    }
}

#[test]
fn slack_serves_before_the_target_grows() {
    let source = |count| data_set("A.B", PS, &[("S1", 3, &[(40, count)])]);
    let mut case = Case::new(&[source(10)], vec![target("T1", &[(20, 30)])], Mode::OnePrimary);
    case.targets[0].free.take(Extent::new(Track(30), 5)).unwrap();
    case.plan.data_sets[0].parts[0].new.extents = extents(&[(20, 15)]);
    let strings = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    let expected: &[(u32, [&[&str]; 4])] = &[
        (10, [&["T1 20+15"], &[], &[], &[]]),
        (13, [&["T1 20+15"], &[], &[], &["S1 50+3"]]),
        (15, [&["T1 20+15"], &[], &[], &["S1 50+5"]]),
        (16, [&["T1 20+16"], &[], &["T1 35+1"], &["S1 50+6"]]),
        (8, [&["T1 20+8"], &["T1 28+7"], &[], &[]]),
    ];
    for (count, expected) in expected {
        let (followed, _) = case.follow(&[source(*count)]);
        assert_eq!(told(&followed), expected.map(strings), "{count}");
    }
}

#[test]
fn a_target_grows_in_place_and_never_over_sixteen_extents() {
    let source = |count| data_set("A.B", PS, &[("S1", 3, &[(40, count)])]);
    // Both runs would do; the one behind the target makes no extent more.
    let case = Case::new(&[source(10)], vec![target("T1", &[(20, 13), (90, 3)])], Mode::OnePrimary);
    assert_eq!(told(&case.follow(&[source(13)]).0)[0], ["T1 20+13"]);
    // Fifteen extents: one more is possible, two are not, and then another volume has to do.
    let single: Vec<(u32, u32)> = (0..15).map(|number| (20 + 2 * number, 1)).collect();
    let grown = |others: &[(u32, u32)]| {
        let targets = vec![target("T1", &single), target("T2", others)];
        let mut case = Case::new(&[source(15)], targets, Mode::BestFit);
        for first in [200, 202] {
            case.targets[0].free.give(Extent::new(Track(first), 1)).unwrap();
        }
        move |count| case.follow(&[source(count)]).0
    };
    let followed = grown(&[(5, 2)]);
    assert_eq!(told(&followed(16))[2], ["T1 202+1"]);
    assert_eq!(told(&followed(17))[2], ["T2 5+2"]);
    assert_eq!(told(&followed(18))[2], ["T1 202+1", "T2 5+2"]);
    assert_eq!(followed(19)[0].clone().unwrap_err().reason(), Reason::NoSpace);
}

#[test]
fn what_was_asked_to_be_contiguous_grows_only_in_place() {
    let source = |count| {
        let mut source = data_set("A.B", PS, &[("S1", 3, &[(40, count)])]);
        source.parts[0].dscbs.format1.set_scal1(0x88);
        source
    };
    let targets = vec![target("T1", &[(20, 12), (90, 9)]), target("T2", &[(5, 9)])];
    let case = Case::new(&[source(10)], targets, Mode::OnePrimary);
    assert_eq!(told(&case.follow(&[source(12)]).0)[0], ["T1 20+12"]);
    let error = case.follow(&[source(13)]).0[0].clone().unwrap_err();
    assert_eq!(error.reason(), Reason::NoSpace);
}

#[test]
fn part_for_part_stays_so() {
    let source = |first: &[(u32, u32)], second: &[(u32, u32)]| {
        data_set("A.B", PS, &[("S1", 3, first), ("S2", 3, second)])
    };
    let targets =
        vec![target("T1", &[(20, 12)]), target("T2", &[(30, 5)]), target("T3", &[(7, 90)])];
    let stored = source(&[(40, 10)], &[(70, 5)]);
    let case = Case::new(&[stored], targets, Mode::ExtentForExtent);
    let strings = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    // The first part grows on its volume, and no track of the second one moves.
    let (followed, _) = case.follow(&[source(&[(40, 12)], &[(70, 5)])]);
    let expected: [&[&str]; 4] = [&["T1 20+12", "T2 30+5"], &[], &["T1 30+2"], &["S1 50+2"]];
    assert_eq!(told(&followed), expected.map(strings));
    // The second one has no room there, and goes to another volume.
    let (followed, _) = case.follow(&[source(&[(40, 9)], &[(70, 6)])]);
    let expected: [&[&str]; 4] =
        [&["T1 20+9", "T3 7+6"], &["T1 29+1", "T2 30+5"], &["T3 7+6"], &["S2 70+6"]];
    assert_eq!(told(&followed), expected.map(strings));
    // A third part.
    let (mut third, all) =
        (source(&[(40, 10)], &[(70, 5)]), data_set("A.B", PS, &[("S3", 3, &[(4, 2)])]));
    third.parts.extend(all.parts);
    let (followed, _) = case.follow(&[third]);
    let expected: [&[&str]; 4] =
        [&["T1 20+10", "T2 30+5", "T3 7+2"], &[], &["T3 7+2"], &["S3 4+2"]];
    assert_eq!(told(&followed), expected.map(strings));
}

#[test]
fn what_the_target_cannot_take_is_refused_with_what_is_missing() {
    let source = |dsorg, runs: &[(u32, u32)]| data_set("A.B", dsorg, &[("S1", 3, runs)]);
    let error = |dsorg, free: &[(u32, u32)], dscb_count: usize, now: &[(u32, u32)]| {
        let targets = vec![target("T1", free), target("T2", &[(5, 2)])];
        let mut case = Case::new(&[source(dsorg, &[(40, 10)])], targets, Mode::OnePrimary);
        case.targets.iter_mut().for_each(|target| target.free_dscb_count = dscb_count);
        let (followed, after) = case.follow(&[source(dsorg, now)]);
        assert_eq!(after[0].free, case.targets[0].free);
        assert_eq!(after[0].names, [name("A.B")].into());
        followed[0].clone().unwrap_err()
    };
    let grown: &[(u32, u32)] = &[(40, 19)];
    let full = error(PS, &[(20, 10), (90, 4)], 5, grown);
    assert_eq!(full.reason(), Reason::NoSpace);
    assert!(full.sentence().contains("needs 9 tracks"), "{full}");
    assert!(
        full.sentence().contains("T1: 4 tracks free in pieces, the largest of 4; T2: 2"),
        "{full}"
    );
    assert_eq!(full.data_set(), Some(*name("A.B").as_bytes()));
    // What lies on one volume must stay there.
    let single = error(PO, &[(20, 10), (90, 1)], 5, &[(40, 12)]);
    assert_eq!(
        (single.reason(), single.volser()),
        (Reason::NoSpace, Some(*volser("T1").as_bytes()))
    );
    // An F3, or an F1 on another volume, has no place.
    let f3: &[(u32, u32)] = &[(20, 10), (90, 1), (92, 1), (94, 1)];
    assert_eq!(error(PO, f3, 0, &[(40, 13)]).reason(), Reason::VtocFull);
    assert_eq!(error(PS, &[(20, 10)], 0, &[(40, 12)]).reason(), Reason::VtocFull);
    // What is refused at the source is refused here.
    let case =
        Case::new(&[source(PS, &[(40, 10)])], vec![target("T1", &[(20, 30)])], Mode::OnePrimary);
    let mut present = source(PS, &[(40, 10)]);
    present.refusals.push(Error::new(Reason::Unmovable, "it is marked so now"));
    assert_eq!(case.follow(&[present]).0[0].clone().unwrap_err().reason(), Reason::Unmovable);
    // The source is on a device of another type too, or must not be split any more.
    let mut present = source(PS, &[(40, 10)]);
    present.parts.extend(data_set("A.B", PS, &[("S2", 3, &[(7, 2)])]).parts);
    present.parts[1].device = Device::named("3350").unwrap();
    assert_eq!(case.follow(&[present]).0[0].clone().unwrap_err().reason(), Reason::UnlikeDevices);
    let targets = vec![target("T1", &[(20, 6)]), target("T2", &[(20, 4)])];
    let split = Case::new(&[source(PS, &[(40, 10)])], targets, Mode::BestFit);
    let present = source(PO, &[(40, 10)]);
    assert_eq!(split.follow(&[present]).0[0].clone().unwrap_err().reason(), Reason::CannotSplit);
    // Everything was released.
    let nothing = case.follow(&[source(PS, &[])]).0[0].clone().unwrap_err();
    assert_eq!(nothing.reason(), Reason::NoExtents);
}

#[test]
fn names_go_around_and_space_is_passed_on() {
    let one = |text, record, first, count| data_set(text, PS, &[("S1", record, &[(first, count)])]);
    let stored = [one("A.A", 3, 40, 10), one("A.B", 4, 60, 10)];
    let case = Case::new(&stored, vec![target("T1", &[(20, 20)])], Mode::OnePrimary);
    // They exchanged their names; nothing is copied for that.
    let (followed, after) = case.follow(&[one("A.B", 3, 40, 10), one("A.A", 4, 60, 10)]);
    let names: Vec<DsName> = followed
        .iter()
        .map(|followed| {
            followed.as_ref().unwrap().data_set.as_ref().unwrap().parts[0].new.format1.name()
        })
        .collect();
    assert_eq!(names, [name("A.B"), name("A.A")]);
    assert_eq!(after[0].names, [name("A.A"), name("A.B")].into());
    assert!(followed.iter().flatten().all(|followed| followed.joining.is_empty()));
    // The first one grows, into what the second one released; a third one gets the rest.
    let present = [one("A.A", 3, 40, 14), one("A.B", 4, 60, 4), one("A.C", 5, 90, 2)];
    let (followed, after) = case.follow(&present);
    assert!(followed.iter().all(Result::is_ok), "{followed:?}");
    assert_eq!(after[0].free.track_count(), 0);
    // A name that a stranger has on the target is no name for it.
    let mut case = case;
    case.targets[0].names.insert(name("A.Z"));
    let (followed, after) = case.follow(&[one("A.Z", 3, 40, 10), stored[1].clone()]);
    assert_eq!(followed[0].clone().unwrap_err().reason(), Reason::NameExists);
    assert_eq!(after[0].names, case.targets[0].names);
}

#[test]
fn a_comparison_with_something_else_is_refused() {
    let one = |count| data_set("A.A", PS, &[("S1", 3, &[(40, count)])]);
    let case = Case::new(&[one(10)], vec![target("T1", &[(20, 20)])], Mode::OnePrimary);
    let (stored, present) = ([one(9)], [one(12)]);
    let changes = compare(&stored, &present, &[], Metadata::Both);
    let followed = follow(&case.plan, &changes, &mut case.targets.clone());
    assert_eq!(followed[0].clone().unwrap_err().reason(), Reason::SourceChanged);
}

#[test]
fn extents_that_are_combined_stay_on_their_volume_under_the_temporary_name() {
    let source = |text, runs: &[(u32, u32)]| data_set(text, PS, &[("S1", 3, runs)]);
    let targets = || vec![target("S1", &[(100, 20)])];
    let case = Case::new(&[source("A.A", &[(40, 5), (60, 5)])], targets(), Mode::OnePrimary);
    assert!(case.plan.data_sets[0].combines);
    let placeholder = case.plan.data_sets[0].parts[0].new.format1.name();
    let (followed, _) = case.follow(&[source("A.Z", &[(40, 5), (60, 7)])]);
    let planned = followed[0].as_ref().unwrap().data_set.as_ref().unwrap();
    assert!(planned.combines);
    assert_eq!(planned.parts[0].new.format1.name(), placeholder);
    assert_eq!(planned.parts[0].new.extents, extents(&[(100, 12)]));
    // It cannot be in two parts.
    let mut present = source("A.A", &[(40, 5), (60, 5)]);
    present.parts.extend(data_set("A.A", PS, &[("S2", 3, &[(7, 2)])]).parts);
    assert_eq!(case.follow(&[present]).0[0].clone().unwrap_err().reason(), Reason::TargetIsSource);
}

/// Runs that follow each other on a volume, with gaps.
fn some_runs(max: usize) -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((0..4u32, 1..9u32), 1..=max).prop_map(|steps| {
        let mut next = 40;
        let run = |(gap, count): (u32, u32)| {
            next += gap + count;
            (next - count, count)
        };
        steps.into_iter().map(run).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_changes_space_is_conserved_and_the_right_tracks_are_copied(
        was in prop::collection::vec(some_runs(4), 1..3),
        now in prop::collection::vec(some_runs(6), 1..4),
        other in some_runs(3),
        free in prop::collection::vec(some_runs(5), 1..4),
        records in prop::collection::vec(3..5u8, 3),
        mode in prop::sample::select(vec![Mode::OnePrimary, Mode::ExtentForExtent, Mode::BestFit]),
        slack in prop::sample::select(vec![0u32, 10, 60]),
        keeps in any::<bool>(),
    ) {
        let volumes = ["S1", "S2", "S3"];
        let make = |text, runs: &[Vec<(u32, u32)>], records: &[u8]| {
            let parts: Vec<PartOf<'_>> = runs.iter().zip(volumes).zip(records)
                .map(|((runs, on), record)| (on, *record, runs.as_slice())).collect();
            data_set(text, PS, &parts)
        };
        let second = |text, runs: &[(u32, u32)]| data_set(text, PS, &[("S4", 3, runs)]);
        let targets: Vec<Target> = free.iter().zip(["T1", "T2", "T3"])
            .map(|(free, on)| {
                let merged = free.iter().fold(FreeSpace::new(19), |mut space, &(first, count)| {
                    space.give(Extent::new(Track(first), count)).unwrap();
                    space
                });
                let mut volume = target(on, &[(300, 12)]);
                merged.runs().iter().for_each(|run| volume.free.give(*run).unwrap());
                volume
            })
            .collect();
        let stored = [make("A.A", &was, &[3, 3, 3]), second("A.B", &[(40, 6)])];
        let (planned, _) = plan(stored.to_vec(), targets.clone(), mode, slack);
        let sources: Vec<Assessment> =
            planned.data_sets.iter().map(|planned| planned.assessment.clone()).collect();
        let case = Case::with_slack(&sources, targets, mode, slack);
        let mut now = now;
        if keeps {
            // What was there is there, and something behind it.
            for (now, was) in now.iter_mut().zip(&was) {
                let end = was.last().map_or(40, |(first, count)| first + count);
                let behind: Vec<(u32, u32)> =
                    now.iter().map(|(first, count)| (first - 40 + end, *count)).collect();
                *now = [was.clone(), behind].concat();
            }
        }
        case.follow(&[make("A.A", &now, &records), second("A.B", &other), second("A.C", &[(7, 2)])]);
    }
}
