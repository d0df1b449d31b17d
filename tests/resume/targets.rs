//! Targets whose DSCBs somebody changed: the data set stops, and the others go on. And targets that were somebody else's
//! before anything was allocated here: they stay his.

use crate::refused;
use crate::stage::{Setting, Stage, set, write};
use crate::world::name;
use trackmirror::event::Event;
use trackmirror::geometry::{Extent, Track};
use trackmirror::plan::Plan;
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{Expiration, Identity, SpaceManager};
use trackmirror::{DsName, Reason};

const TWO: &[(&str, &[(u32, u32)])] =
    &[("TEST.LEDGER", &[(15, 20), (60, 7)]), ("TEST.PAYROLL", &[(90, 15), (130, 12)])];

fn new001(setting: &Setting) -> VtocSpaceManager {
    // Beside the lock of whoever leads the migration: somebody who takes none.
    let bytes = setting.world.image("NEW001");
    VtocSpaceManager::new(volume::open(&bytes, Access::Exclusive).unwrap())
}

/// Somebody scratches or extends a target.
fn change(setting: &Setting, data_set: DsName, scratch: bool) {
    let space = new001(setting);
    let identity = Identity::of(&space.find(&data_set).unwrap().unwrap());
    match scratch {
        true => space.scratch(&identity, Expiration::Ignore, &NoJournal).unwrap(),
        false => {
            let behind = Extent::new(Track(500), 2);
            space.extend(&identity, &[behind], &NoJournal).unwrap();
        }
    }
}

fn interrupted(state: State) -> (Setting, std::sync::Arc<trackmirror::monitor::MonitoredVolume>) {
    let setting = set(TWO, &["SYSA"]);
    let writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(state);
    (stage.stop(), writer)
}

fn taken_out(stage: &Stage) -> Vec<String> {
    let events = stage.log.events();
    let name = |event: &Event| match event {
        Event::TakenOut { data_set, .. } => Some(data_set.to_string()),
        _ => None,
    };
    events.iter().filter_map(name).collect()
}

#[test]
fn a_data_set_whose_target_others_changed_stops_and_the_others_are_moved() {
    for state in [State::Copying, State::Mirrored, State::Quiesced] {
        for scratch in [true, false] {
            let (setting, writer) = interrupted(state);
            let [ledger, payroll] = [name("TEST.LEDGER"), name("TEST.PAYROLL")];
            change(&setting, payroll, scratch);
            let mut stage = setting.resume().unwrap();
            assert_eq!(taken_out(&stage), ["TEST.PAYROLL"], "{state}");
            stage.assert_let_in();
            write(&*writer, 62, 5).unwrap();
            write(&*writer, 91, 6).unwrap();
            stage.finish();
            let setting = stage.stop();
            let world = &setting.world;
            world.assert_cataloged_on(ledger, "NEW001");
            world.assert_cataloged_on(payroll, "OLD001");
            assert_eq!(world.present("NEW001")[&ledger][22], Some(5));
            let at_source = world.present("OLD001");
            assert_eq!((at_source.len(), at_source[&payroll][1]), (1, Some(6)));
            // What somebody made of the target is his.
            assert_eq!(world.present("NEW001").contains_key(&payroll), !scratch);
            assert!(!crate::world::has_file(world.folder.path(), "unfinished"));
        }
    }
}

#[test]
fn if_all_targets_were_changed_it_is_refused_and_can_be_terminated() {
    let (setting, _writer) = interrupted(State::Mirrored);
    change(&setting, name("TEST.LEDGER"), true);
    change(&setting, name("TEST.PAYROLL"), false);
    let folder = setting.world.state();
    let (store, host) =
        (trackmirror::checkpoint::FileStore::open(&folder).unwrap(), setting.host().0);
    let mut migration = trackmirror::migrate::Migration::open(host, store, Some(folder)).unwrap();
    refused(migration.take_up(), Reason::TargetChanged, &["TEST."]);
    refused(migration.take_up(), Reason::TargetChanged, &["TEST."]);
    migration.terminate().unwrap();
    drop(migration);
    let world = &setting.world;
    for (data_set, _) in &world.data_sets {
        world.assert_cataloged_on(*data_set, "OLD001");
    }
    assert_eq!(world.present("OLD001").len(), 2);
}

#[test]
fn while_it_runs_a_data_set_whose_target_was_changed_stops_too() {
    for state in [State::Mirrored, State::Quiesced] {
        let setting = set(TWO, &["SYSA"]);
        let _writer = setting.writer("SYSA");
        let mut stage = setting.begin();
        stage.to(state);
        let payroll = name("TEST.PAYROLL");
        let space = VtocSpaceManager::new(stage.new001());
        let identity = Identity::of(&space.find(&payroll).unwrap().unwrap());
        space.scratch(&identity, Expiration::Ignore, &NoJournal).unwrap();
        stage.watch.wait(std::time::Duration::from_secs(5));
        if state == State::Quiesced {
            refused(stage.migration.step(20), Reason::TargetChanged, &["TEST.PAYROLL"]);
            assert_eq!(stage.migration.state(), State::Mirrored, "the window is given up");
            stage.watch.wait(std::time::Duration::from_secs(5));
        }
        stage.migration.step(20).unwrap();
        assert_eq!(taken_out(&stage), ["TEST.PAYROLL"]);
        stage.assert_let_in();
        stage.finish();
        drop(space);
        let setting = stage.stop();
        setting.world.assert_cataloged_on(name("TEST.LEDGER"), "NEW001");
        setting.world.assert_cataloged_on(payroll, "OLD001");
    }
}

impl Stage {
    /// The target as the migration has it: another system writes behind its back.
    fn new001(&self) -> std::sync::Arc<dyn Volume> {
        self.volumes[&crate::world::volser("NEW001")].clone()
    }
}

/// What is planned on NEW001 for these data sets, allocated by somebody else.
fn allocate_as_planned(setting: &Setting, plan: &Plan, data_sets: &[&str]) {
    let space = new001(setting);
    for part in plan.data_sets.iter().flat_map(|data_set| &data_set.parts) {
        if data_sets.contains(&part.new.format1.name().to_string().as_str()) {
            space.allocate(&part.new, &NoJournal).unwrap();
        }
    }
}

#[test]
fn an_equal_allocation_of_somebody_else_is_not_taken_by_a_migration_that_was_planned_before() {
    let stage = set(TWO, &["SYSA"]).begin();
    let plan = stage.migration.plan();
    let setting = stage.stop();
    allocate_as_planned(&setting, &plan, &["TEST.LEDGER"]);
    let mut stage = setting.resume().unwrap();
    refused(stage.migration.reserve(), Reason::NameExists, &["NEW001", "TEST.LEDGER", "plan anew"]);
    stage.migration.terminate().unwrap();
    let setting = stage.stop();
    assert!(setting.world.present("NEW001").keys().eq([&name("TEST.LEDGER")]), "it is his");
}

#[test]
fn nor_by_one_that_was_refused_its_targets_and_released_them() {
    let mut stage = set(TWO, &["SYSA"]).begin();
    let plan = stage.migration.plan();
    // Where the last of the targets should be is something else, so that the first one is allocated, and released.
    let mut other = plan.data_sets[1].parts[0].new.clone();
    other.format1.set_name(name("HIS.OWN"));
    VtocSpaceManager::new(stage.new001()).allocate(&other, &NoJournal).unwrap();
    refused(stage.migration.reserve(), Reason::ExtentNotFree, &["NEW001", "TEST.PAYROLL"]);
    let setting = stage.stop();
    assert!(setting.world.present("NEW001").is_empty());
    allocate_as_planned(&setting, &plan, &["TEST.LEDGER"]);
    let mut stage = setting.resume().unwrap();
    refused(stage.migration.reserve(), Reason::NameExists, &["NEW001", "TEST.LEDGER"]);
    stage.migration.terminate().unwrap();
    assert!(stage.stop().world.present("NEW001").keys().eq([&name("TEST.LEDGER")]));
}
