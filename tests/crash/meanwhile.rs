//! Somebody else writes between the end of a process and the next one.

use crate::known::{Known, OPTIONS, View, catalog, host, process};
use crate::scenario::{self, volser};
use crate::world::{At, Fate, Fault, Kind, Slots, World};
use std::sync::Arc;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::migrate::Migration;
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager, Vtoc};
use trackmirror::{Reason, Volser, catalog::Catalog, track};

/// The worlds that each operation leaves when the process ends right behind it, and what it was.
fn ends(known: &Known) -> Vec<(Kind, Arc<World>)> {
    let clean = known.scenario.world.after(None);
    process(known, &clean).unwrap();
    let operations = clean.operations();
    let end = |(index, kind): (usize, &Kind)| {
        let at = At { operation: index + 1, fault: Fault::Kill(Fate::Done), seed: 1 };
        let world = known.scenario.world.after(Some(at));
        assert!(process(known, &world).is_err());
        (*kind, world.after(None))
    };
    operations.iter().enumerate().map(end).collect()
}

/// Changes the last record of a track.
fn scribble(volume: &dyn Volume, track: Track) {
    let mut slot = volume.read_track(track).unwrap();
    let last = track::records(&slot).flatten().last().unwrap().data_range();
    slot[last.start] ^= 0xFF;
    volume.write(track, &slot).unwrap();
}

/// The first track of the moved data set on a volume.
fn first_track(world: &Arc<World>, on: Volser, known: &Known) -> Track {
    let vtoc = Vtoc::read(&*world.foreign_volume(on)).unwrap();
    vtoc.find(&known.scenario.moved[0]).unwrap().unwrap().extents[0].first
}

fn is_switched(world: &Arc<World>, known: &Known) -> bool {
    let entry = catalog(world).unwrap().locate(&known.scenario.moved[0]).unwrap().unwrap();
    entry.volumes[0].volser == known.scenario.targets[0]
}

#[test]
fn a_source_that_was_written_to_is_copied_again_until_the_catalog_leads_to_the_target() {
    let mut known = Known::of(scenario::single("single"));
    let source = volser("SRC001");
    let before = known.moved[0].2.clone();
    let (mut again, mut refused) = (0, 0);
    for (kind, world) in ends(&known) {
        known.moved[0].2.clone_from(&before);
        let state = known.state(&world);
        if state.is_none_or(|state| state > State::Switching) {
            continue;
        }
        let volume = world.foreign_volume(source);
        scribble(&*volume, first_track(&world, source, &known));
        let written = View::of(&world).content(known.scenario.moved[0], &[source]).unwrap();
        assert_ne!(written, before);
        known.moved[0].2 = written;
        if is_switched(&world, &known) {
            let error = process(&known, &world).unwrap_err();
            assert_eq!(error.reason(), Reason::SourceChanged, "{kind:?}");
            assert_eq!(known.state(&world), Some(State::Switching));
            refused += 1;
        } else {
            process(&known, &world).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
            known.check_end(&world).unwrap_or_else(|what| panic!("{kind:?}: {what}"));
            again += 1;
        }
    }
    assert!(again > 10 && refused > 1, "{again} copied again, {refused} refused");
}

#[test]
fn a_target_that_was_written_to_after_the_switch_began_is_not_touched() {
    let known = Known::of(scenario::single("single"));
    let target = volser("TGT001");
    let mut refused = 0;
    for (kind, world) in ends(&known) {
        if known.state(&world) != Some(State::Switching) || !is_switched(&world, &known) {
            continue;
        }
        scribble(&*world.foreign_volume(target), first_track(&world, target, &known));
        let view = View::of(&world);
        let contents = || {
            [volser("SRC001"), target]
                .map(|on| view.content(known.scenario.moved[0], &[on]).unwrap())
        };
        let before = contents();
        let error = process(&known, &world).unwrap_err();
        assert_eq!(error.reason(), Reason::SourceChanged, "{kind:?}");
        let view = View::of(&world);
        let after = [volser("SRC001"), target]
            .map(|on| view.content(known.scenario.moved[0], &[on]).unwrap());
        assert_eq!(before, after, "{kind:?}");
        assert!(is_switched(&world, &known) && known.state(&world) == Some(State::Switching));
        refused += 1;
    }
    assert!(refused > 1);
}

/// Somebody else allocates a data set on the target, as its own system would: with whatever free space it finds.
fn allocate(world: &Arc<World>) -> bool {
    let space = VtocSpaceManager::new(world.foreign_volume(volser("TGT001")));
    let mut format1 = Format1::new(scenario::name("SOMEBODY.ELSE"));
    format1.set_volume_sequence(1);
    let new = NewDataSet { format1, extents: vec![Extent::new(Track(55), 2)] };
    space.allocate(&new, &NoJournal).is_ok()
}

#[test]
fn a_vtoc_that_was_changed_meanwhile_is_never_overwritten() {
    let mut known = Known::of(scenario::two_volumes());
    // Room for somebody else: the last bystander of the target gives up its end.
    {
        let world = known.scenario.world.after(None);
        let space = VtocSpaceManager::new(world.foreign_volume(volser("TGT001")));
        let last = known.scenario.others.iter().rfind(|(_, on)| *on == volser("TGT001")).unwrap().0;
        let found = space.find(&last).unwrap().unwrap();
        let mut format1 = found.format1;
        format1.set_last_used(Some((0, 3)));
        let identity = trackmirror::vtoc::Identity::of(&found);
        space.update(&identity, &format1, &NoJournal).unwrap();
        space.release(&identity, 1, &NoJournal).unwrap();
        let scenario = scenario::two_volumes();
        known = Known::of(scenario::Scenario { world, ..scenario });
    }
    let (mut finished, mut conflicts, mut refused) = (0, 0, 0);
    for (kind, world) in ends(&known) {
        if known.state(&world).is_none_or(State::is_ended) || !allocate(&world) {
            continue;
        }
        let ended = process(&known, &world);
        let vtoc = Vtoc::read(&*world.foreign_volume(volser("TGT001"))).unwrap();
        let theirs = vtoc.find(&scenario::name("SOMEBODY.ELSE")).unwrap();
        assert!(
            theirs.is_some_and(|found| found.extents == [Extent::new(Track(55), 2)]),
            "{kind:?}"
        );
        known.check_names(&world).unwrap_or_else(|what| panic!("{kind:?}: {what}"));
        match ended {
            Ok(()) => finished += 1,
            Err(error) if error.reason() == Reason::IntentConflict => conflicts += 1,
            Err(error) => {
                refused += 1;
                eprintln!("{kind:?}: {error}");
            }
        }
    }
    eprintln!("{finished} finished, {conflicts} conflicts, {refused} refused otherwise");
    assert!(finished > 10);
}

#[test]
fn a_target_that_somebody_cataloged_is_not_scratched() {
    let known = Known::of(scenario::terminated("given up", State::Quiesced));
    for (_, world) in ends(&known) {
        if known.state(&world) != Some(State::Quiesced) {
            continue;
        }
        let catalog = catalog(&world).unwrap();
        let name = known.scenario.moved[0];
        let entry = catalog.locate(&name).unwrap().unwrap();
        let mut to = entry.clone();
        to.volumes[0].volser = volser("TGT001");
        catalog.recatalog(&entry, &to, &NoJournal).unwrap();
        let open = || Migration::open(host(&known, &world).unwrap(), Slots(world.clone()), None);
        let Ok(mut migration) = open() else { continue };
        let intact = View::of(&world).content(name, &[volser("TGT001")]);
        if intact.is_err() {
            continue;
        }
        assert_eq!(migration.terminate().unwrap_err().reason(), Reason::EntryChanged);
        assert_eq!(View::of(&world).content(name, &[volser("TGT001")]).ok(), intact.ok());
        let resumed =
            Migration::resume(host(&known, &world).unwrap(), Slots(world.clone()), None, OPTIONS);
        assert!(resumed.is_err());
    }
}

#[test]
fn what_was_interrupted_is_taken_up_before_it_goes_on() {
    let known = Known::of(scenario::single("single"));
    for (_, world) in ends(&known) {
        let Some(state) = known.state(&world) else { continue };
        let host = host(&known, &world).unwrap();
        let mut migration = Migration::open(host, Slots(world.clone()), None).unwrap();
        if let Some(verb) = migration.next_verb() {
            let error = migration.perform(verb, 1).unwrap_err();
            assert_eq!(error.reason(), Reason::WrongState, "{state}");
            migration.take_up().unwrap();
        }
        while let Some(verb) = migration.next_verb() {
            migration.perform(verb, 100).unwrap();
        }
        known.check_end(&world).unwrap();
    }
}
