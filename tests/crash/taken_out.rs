//! A track that cannot be read takes only its data set out of the migration, also if that is interrupted anywhere.

use crate::known::{Checked, Known, OPTIONS, View, assert_none_failed, propose_all, told};
use crate::scenario::{Builder, Scenario, volser};
use crate::world::{At, Fate, Fault, Kind, Random, Slots, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use trackmirror::checkpoint::Checkpoint;
use trackmirror::enqueue::NobodyElse;
use trackmirror::geometry::Track;
use trackmirror::host::{Host, Live};
use trackmirror::migrate::{Goal, Migration, OnUnreadable};
use trackmirror::monitor::{Area, Identity};
use trackmirror::volume::Volume;
use trackmirror::vtoc::check::{Severity, Tracks, check};
use trackmirror::{Result, Volser};

/// Three data sets; a track of the second one, which alone lies on SRC002, cannot be read.
fn scenario() -> Scenario {
    let mut builder = Builder::new(&["SRC001", "SRC002", "TGT001"], &[]);
    let one = builder.data_set("GROUP.A", &[("SRC001", &[(45, 3)])], true);
    let bad = builder.data_set("GROUP.B", &[("SRC002", &[(45, 3)])], true);
    let two = builder.data_set("GROUP.C", &[("SRC001", &[(52, 3)])], true);
    builder.scenario("taken out", &[one, bad, two], &["SRC001", "SRC002"], &["TGT001"])
}

type Areas = BTreeMap<Volser, Area>;

fn areas(known: &Known, world: &Arc<World>) -> Areas {
    let volumes = world.foreign_volumes().into_iter();
    let sources = volumes.filter(|volume| known.scenario.sources.contains(&volume.volser()));
    let area = |volume: Arc<dyn Volume>| {
        let identity = Identity::of(&*volume).unwrap();
        (volume.volser(), Area::in_process(identity).unwrap())
    };
    sources.map(area).collect()
}

/// A process, which tells a verb again that failed so many times.
fn process(
    known: &Known,
    world: &Arc<World>,
    areas: Option<&Areas>,
    mut patience: usize,
) -> Result<()> {
    let mut host = Host::of_volumes(world.volumes())?;
    if let Some(areas) = areas {
        let (areas, enqueue) = (areas.clone(), Arc::new(NobodyElse));
        host = host.monitored_by(Live {
            areas,
            images: BTreeMap::new(),
            enqueue,
            machines: Vec::new(),
        });
    }
    let store = Slots(world.clone());
    let mut migration = if Checkpoint::open(Slots(world.clone()))?.1.is_some() {
        Migration::resume(host, store, None, OPTIONS)?
    } else {
        let plan = propose_all(known, &host)?;
        Migration::new(host, plan, known.scenario.options.clone(), store, None)?
    };
    migration.set_copy_options(OPTIONS);
    migration.set_goal(Goal::Tracks(0));
    migration.set_on_unreadable(OnUnreadable::TakeOut { attempts: 2 });
    let mut verb_count = 0;
    while let Some(verb) = migration.next_verb() {
        verb_count += 1;
        assert!(verb_count < 300, "it comes to no end");
        match migration.perform(verb, 3) {
            Err(_) if patience > 0 => patience -= 1,
            done => done?,
        }
    }
    Ok(())
}

fn check_end(known: &Known, world: &Arc<World>, areas: Option<&Areas>) -> Checked {
    let (source, target) = (volser("SRC002"), volser("TGT001"));
    let view = View::of(world);
    for (name, _, content) in &known.moved {
        let is_bad = name.to_string() == "GROUP.B";
        let on = if is_bad { source } else { target };
        if view.locate(*name).map_err(told)? != [on] {
            return Err(format!("{name} is not cataloged on {on}"));
        }
        let other = if is_bad { target } else { volser("SRC001") };
        if view.vtoc(other).and_then(|vtoc| vtoc.find(name)).map_err(told)?.is_some() {
            return Err(format!("{name} is on {other} too"));
        }
        if view.content(*name, &[on]).map_err(told)? != *content {
            return Err(format!("{name} has another content"));
        }
    }
    let free = view.free(target).map_err(told)?;
    let before = known.free.iter().find(|(on, _)| *on == target).unwrap().1;
    if free + 6 != before {
        return Err(format!("{free} tracks are free on the target, and were {before}"));
    }
    for volume in world.foreign_volumes() {
        let findings = check(&*volume, Tracks::All).map_err(told)?;
        if let Some(error) = findings.iter().find(|f| f.severity == Severity::Error) {
            return Err(error.to_string());
        }
    }
    for (volser, area) in areas.into_iter().flatten() {
        if !area.subscriptions().is_empty() {
            return Err(format!("a subscription is left on {volser}"));
        }
    }
    Ok(())
}

fn everywhere(is_live: bool) {
    let known = Known::of(scenario());
    let begin = |at: Option<At>| {
        let world = known.scenario.world.after(at);
        world.make_unreadable(volser("SRC002"), Track(46));
        let areas = is_live.then(|| areas(&known, &world));
        (world, areas)
    };
    let (world, here) = begin(None);
    process(&known, &world, here.as_ref(), 0).unwrap();
    check_end(&known, &world, here.as_ref()).unwrap();
    let operations: Vec<Kind> = world.operations();
    let mut failures = Vec::new();
    for (index, kind) in crate::share(operations.iter().enumerate()) {
        let mut random = Random::new(index as u64);
        let kill = [Fault::Kill(Fate::Done), Fault::Kill(Fate::TornOld)][index % 2];
        for fault in [kill, Fault::Power(Fate::Done)] {
            let at = At { operation: index + 1, fault, seed: random.below(1 << 30) as u64 };
            let (world, mut here) = begin(Some(at));
            process(&known, &world, here.as_ref(), 0).unwrap_err();
            let world = world.after(None);
            if is_live && matches!(fault, Fault::Power(_)) {
                here = Some(areas(&known, &world));
            }
            let ended = process(&known, &world, here.as_ref(), 0).map_err(told);
            let ended = ended.and_then(|()| check_end(&known, &world, here.as_ref()));
            failures.extend(ended.err().map(|what| format!("{kind:?}, {at:?}: {what}")));
        }
        // An operation that fails, once: what is left undone is done later.
        {
            let fate = [Fate::Dropped, Fate::Done][index % 2];
            let at = At { operation: index + 1, fault: Fault::Fail(fate), seed: 1 };
            let (mut world, here) = begin(Some(at));
            let mut ended = process(&known, &world, here.as_ref(), 3);
            if ended.is_err() {
                world = world.after(None);
                ended = process(&known, &world, here.as_ref(), 0);
            }
            let ended = ended.map_err(told);
            let ended = ended.and_then(|()| check_end(&known, &world, here.as_ref()));
            failures.extend(ended.err().map(|what| format!("{kind:?}, {at:?}: {what}")));
        }
    }
    eprintln!("{} operations", operations.len());
    assert_none_failed("taken out", 3 * operations.len(), &failures);
}

#[test]
fn while_others_write() {
    everywhere(true);
}

#[test]
fn offline() {
    everywhere(false);
}
