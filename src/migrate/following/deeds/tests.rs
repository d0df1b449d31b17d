use super::*;
use crate::assess::{Assessment, Part};
use crate::bytes::encoded;
use crate::copy::Volumes;
use crate::dscb::DscbAddress;
use crate::geometry::{Device, Geometry, Track};
use crate::migrate::following::Next;
use crate::plan::Plan;
use crate::switch::Space;
use crate::volume::intent::NoJournal;
use crate::volume::memory::MemoryVolume;
use crate::vtoc::FreeSpace;
use crate::vtoc::init::initialize;
use crate::vtoc::manager::VtocSpaceManager;
use std::sync::Arc;

fn runs(extents: &[(u32, u32)]) -> Vec<Extent> {
    extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect()
}

fn volser(text: &str) -> Volser {
    text.parse().unwrap()
}

/// A data set with a target of these parts.
fn planned(text: &str, parts: &[(&str, &[(u32, u32)])]) -> PlannedDataSet {
    let name: DsName = text.parse().unwrap();
    let device = Device::named("2314").unwrap();
    let parts: Vec<PlannedPart> = parts
        .iter()
        .zip(1..)
        .map(|((on, extents), sequence)| {
            let mut format1 = Format1::new(name);
            format1.set_volume_sequence(sequence);
            let new = NewDataSet { format1, extents: runs(extents) };
            PlannedPart { volser: volser(on), new }
        })
        .collect();
    let track_count =
        parts.iter().flat_map(|part| &part.new.extents).map(|extent| extent.track_count).sum();
    let dscbs = DataSetDscbs {
        address: DscbAddress { track: Track(1), record: 3 },
        format1: parts[0].new.format1,
        chain: vec![],
        extents: vec![Extent::new(Track(200), track_count)],
        user_label: None,
    };
    let source = Part { volser: volser("SRC001"), device, dscbs };
    let (cataloged, refusals) = (vec![], vec![]);
    let assessment = Assessment { name, parts: vec![source], cataloged, refusals };
    PlannedDataSet { assessment, parts, combines: false }
}

/// Two target volumes.
struct World {
    volumes: Volumes,
    space: Space,
}

impl World {
    /// With these targets allocated.
    fn new(targets: &[&PlannedDataSet]) -> World {
        let device = Device::named("2314").unwrap();
        let geometry = Geometry { device, cylinders: 20, slot_size: device.slot_size() };
        let (mut volumes, mut space) = (Volumes::new(), Space::new());
        for text in ["T1", "T2"] {
            let volume = Arc::new(MemoryVolume::new(volser(text), geometry));
            initialize(&*volume, volser(text), None, "").unwrap();
            volumes.insert(volser(text), volume.clone());
            space.insert(volser(text), Arc::new(VtocSpaceManager::new(volume)));
        }
        let world = World { volumes, space };
        for part in targets.iter().flat_map(|data_set| &data_set.parts) {
            world.space[&part.volser].allocate(&part.new, &NoJournal).unwrap();
        }
        world
    }

    fn ports(&self) -> Ports<'_> {
        let (volumes, space) = (&self.volumes, &self.space);
        Ports { volumes, space, catalogs: &[], journal: &NoJournal, glance: None }
    }

    fn free(&self) -> u32 {
        let free = |space: &Arc<dyn crate::SpaceManager>| {
            FreeSpace::of(&space.read().unwrap()).unwrap().track_count()
        };
        self.space.values().map(free).sum()
    }

    /// The names on all volumes, with their extents.
    fn standing(&self) -> Vec<(Volser, String, Vec<Extent>)> {
        let mut all = Vec::new();
        for space in self.space.values() {
            for (name, found) in space.read().unwrap().data_sets() {
                all.push((space.volser(), name.to_string(), found.unwrap().extents));
            }
        }
        all.sort();
        all
    }
}

fn turn<'a>(was: &'a PlannedDataSet, now: &'a PlannedDataSet) -> Turn<'a> {
    Turn { was: Some(was), now: Some(now), is_made_anew: false }
}

/// Does the deeds, each of them twice, from the first one on again whenever one is done; and that what stands is among
/// what is said to stand.
#[track_caller]
fn perform(world: &World, turns: &[Turn<'_>]) {
    let was = turns.iter().filter_map(|turn| turn.was.cloned()).collect();
    let now: Vec<&PlannedDataSet> = turns.iter().filter_map(|turn| turn.now).collect();
    let free = world.free();
    let before = Plan { data_sets: was, ..Plan::default() };
    let mut next = Next { deeds: deeds(turns).unwrap(), ..Next::default() };
    next = Decoder::new(&encoded(&next)).get().unwrap();
    let count = |data_sets: &[&PlannedDataSet]| -> u32 {
        let extents = data_sets.iter().flat_map(|data_set| data_set.target_extents());
        extents.map(|(_, extent)| extent.track_count).sum()
    };
    for number in 0..next.deeds.len() {
        let seen = |next: &Next| {
            let said = next.standing(&before);
            let found = said.iter().filter(|one| one.find(&world.ports()).unwrap().is_some());
            let mut found: Vec<_> =
                found.map(|one| (one.volser, one.name.to_string(), one.extents.clone())).collect();
            found.sort();
            found.dedup();
            assert_eq!(found, world.standing(), "before or after deed {number}");
        };
        seen(&next);
        next.deeds[number].perform(&world.ports()).unwrap();
        // It is not certain yet that it is done.
        seen(&next);
        next.deeds[number].perform(&world.ports()).unwrap();
        next.begun = number as u32 + 1;
        seen(&next);
    }
    let before: Vec<&PlannedDataSet> = before.data_sets.iter().collect();
    assert_eq!(world.free() + count(&now), free + count(&before), "space is conserved");
    let parts = now.iter().flat_map(|data_set| &data_set.parts);
    let mut wanted: Vec<_> = parts
        .map(|part| (part.volser, part.new.format1.name().to_string(), part.new.extents.clone()))
        .collect();
    wanted.sort();
    assert_eq!(world.standing(), wanted);
}

#[test]
fn a_target_grows_and_shrinks_where_it_stands() {
    let was = planned("A.A", &[("T1", &[(40, 10), (60, 5)])]);
    for now in [
        planned("A.A", &[("T1", &[(40, 10), (60, 9)])]),
        planned("A.A", &[("T1", &[(40, 10), (60, 5), (80, 3), (90, 2)])]),
        planned("A.A", &[("T1", &[(40, 10), (60, 2)])]),
        planned("A.A", &[("T1", &[(40, 4)])]),
        planned("A.A", &[("T1", &[(40, 10), (60, 5)]), ("T2", &[(40, 7)])]),
        planned("A.A", &[("T2", &[(40, 15)])]),
        planned("A.B", &[("T1", &[(40, 7)]), ("T2", &[(40, 7)])]),
    ] {
        perform(&World::new(&[&was]), &[turn(&was, &now)]);
    }
}

#[test]
fn names_go_round_in_a_circle() {
    let one = planned("A.A", &[("T1", &[(40, 10)]), ("T2", &[(40, 1)])]);
    let two = planned("A.B", &[("T1", &[(60, 10)]), ("T2", &[(60, 1)])]);
    let three = planned("A.C", &[("T1", &[(80, 10)])]);
    let renamed = |of: &PlannedDataSet, to: &str| {
        let mut now = of.clone();
        now.parts.iter_mut().for_each(|part| part.new.format1.set_name(to.parse().unwrap()));
        now
    };
    let all = [renamed(&one, "A.B"), renamed(&two, "A.C"), renamed(&three, "A.A")];
    let turns = [turn(&one, &all[0]), turn(&two, &all[1]), turn(&three, &all[2])];
    perform(&World::new(&[&one, &two, &three]), &turns);
    // A chain needs no name between.
    let all = [renamed(&one, "A.X"), renamed(&two, "A.A"), renamed(&three, "A.B")];
    let turns = [turn(&one, &all[0]), turn(&two, &all[1]), turn(&three, &all[2])];
    let names: Vec<Deed> = deeds(&turns).unwrap();
    assert_eq!(names.len(), 5);
    perform(&World::new(&[&one, &two, &three]), &turns);
}

#[test]
fn what_one_gives_back_another_one_takes() {
    let shrinks = planned("A.A", &[("T1", &[(40, 20)])]);
    let grows = planned("A.B", &[("T1", &[(60, 5)])]);
    let goes = planned("A.C", &[("T1", &[(80, 5)])]);
    let (less, more) =
        (planned("A.A", &[("T1", &[(40, 8)])]), planned("A.B", &[("T1", &[(60, 5), (50, 10)])]));
    let new = planned("A.C", &[("T1", &[(80, 3), (48, 2)])]);
    let turns = [
        turn(&grows, &more),
        Turn { was: Some(&goes), now: Some(&new), is_made_anew: true },
        turn(&shrinks, &less),
    ];
    perform(&World::new(&[&shrinks, &grows, &goes]), &turns);
}

#[test]
fn one_that_stands_otherwise_is_not_touched() {
    let was = planned("A.A", &[("T1", &[(40, 10)])]);
    let now = planned("A.A", &[("T1", &[(40, 6)])]);
    let other = planned("A.A", &[("T1", &[(40, 9)])]);
    let world = World::new(&[&other]);
    for deed in deeds(&[turn(&was, &now)]).unwrap() {
        let Err(error) = deed.perform(&world.ports()) else { panic!("{deed:?} was done") };
        assert_eq!(error.reason(), Reason::TargetChanged, "{error}");
    }
    // Scratched by somebody, and somebody else has the name.
    let gone = Turn { was: Some(&was), now: None, is_made_anew: false };
    deeds(&[gone]).unwrap()[0].perform(&world.ports()).unwrap();
    assert_eq!(world.standing(), [(volser("T1"), "A.A".to_string(), runs(&[(40, 9)]))]);
}

#[test]
fn what_is_used_is_not_given_back() {
    let was = planned("A.A", &[("T1", &[(40, 10)])]);
    let mut now = planned("A.A", &[("T1", &[(40, 6)])]);
    now.parts[0].new.format1.set_last_used(Some((6, 1)));
    let error = deeds(&[turn(&was, &now)]).unwrap_err();
    assert_eq!(error.reason(), Reason::PartsInconsistent, "{error}");
}
