//! Images on other machines: what they write is moved, no window opens without their answer, and one that is cut off for
//! ever is retired by the operator alone.

use crate::world::*;
use crate::{TWO, support};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use trackmirror::checkpoint::FileStore;
use trackmirror::copy::CopyOptions;
use trackmirror::enqueue::{Enqueue, RegistryEnqueue};
use trackmirror::event::{Event, EventLog, EventSink};
use trackmirror::geometry::Track;
use trackmirror::host::Host;
use trackmirror::migrate::{Goal, Migration, MoveOptions};
use trackmirror::monitor::{Area, Identity, MonitoredVolume};
use trackmirror::registry::openers::Openers;
use trackmirror::remote::{Agent, Channel, Machine, Presence};
use trackmirror::state::State;
use trackmirror::volume::{self, Access, Volume, VolumeExt};
use trackmirror::{Error, Reason, Result};

/// Both ways of a channel in this process. Every so many-th message is lost, and every so many-th comes twice.
#[derive(Debug, Default)]
struct Wire {
    to_agent: Mutex<VecDeque<Vec<u8>>>,
    to_owner: Mutex<VecDeque<Vec<u8>>>,
    is_cut: AtomicBool,
    loses_one_in: AtomicU32,
    count: AtomicU32,
    /// Everything that was on its way to the agent.
    sent: Mutex<Vec<Vec<u8>>>,
}

/// One end of it.
#[derive(Debug)]
struct End {
    wire: Arc<Wire>,
    is_owner: bool,
}

impl Channel for End {
    fn send(&self, message: &[u8]) -> Result<()> {
        let Wire { to_agent, to_owner, is_cut, loses_one_in, count, sent } = &*self.wire;
        if is_cut.load(Ordering::SeqCst) {
            return Err(Error::new(Reason::Io, "the other machine cannot be reached"));
        }
        if self.is_owner {
            sent.lock().push(message.to_vec());
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        let loses = loses_one_in.load(Ordering::SeqCst);
        if loses != 0 && number % loses == 1 {
            return Ok(());
        }
        let mut queue = if self.is_owner { to_agent.lock() } else { to_owner.lock() };
        if loses != 0 && number % loses == 3 {
            queue.push_front(message.to_vec());
        }
        queue.push_back(message.to_vec());
        Ok(())
    }

    fn receive(&self) -> Result<Vec<Vec<u8>>> {
        if self.wire.is_cut.load(Ordering::SeqCst) {
            return Err(Error::new(Reason::Io, "the other machine cannot be reached"));
        }
        let queue = if self.is_owner { &self.wire.to_owner } else { &self.wire.to_agent };
        Ok(queue.lock().drain(..).collect())
    }
}

/// Another machine: an area and a registry of openers of its own for the same volume, and an agent in a thread.
struct Other {
    folder: TempDir,
    image: PathBuf,
    wire: Arc<Wire>,
    stop: Arc<AtomicBool>,
    agent: Option<std::thread::JoinHandle<()>>,
}

impl Other {
    fn new(world: &World) -> Other {
        let other = Other {
            folder: support::folder(),
            image: world.image("OLD001"),
            wire: Arc::default(),
            stop: Arc::default(),
            agent: None,
        };
        std::fs::create_dir(other.folder.path().join("areas")).unwrap();
        other
    }

    fn area(&self) -> Area {
        let volume = volume::open(&self.image, Access::Read).unwrap();
        let folder = self.folder.path().join("areas");
        Area::open_in(&folder, Identity::of(&*volume).unwrap()).unwrap()
    }

    fn openers(&self) -> Openers {
        Openers::at(&self.folder.path().join("openers")).unwrap()
    }

    /// The volume for a writer there.
    fn monitored(&self, image: &str) -> Arc<MonitoredVolume> {
        let volume = volume::open(&self.image, Access::MonitoredWrite).unwrap();
        Arc::new(MonitoredVolume::attach_in(volume, &self.area(), image).unwrap())
    }

    fn start_agent(&mut self) {
        let channel = Arc::new(End { wire: self.wire.clone(), is_owner: false });
        let openers = self.openers();
        let enqueue_of = move |owner: &str| -> Result<Arc<dyn Enqueue>> {
            Ok(Arc::new(RegistryEnqueue::new(openers.clone(), owner)))
        };
        let mut agent = Agent::new("SYSB", channel, Box::new(enqueue_of)).unwrap();
        let volume = volume::open(&self.image, Access::Read).unwrap();
        agent.add(volume, self.area(), Vec::new()).unwrap();
        self.stop = Arc::default();
        let stop = self.stop.clone();
        self.agent = Some(std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                if !agent.serve().unwrap_or(false) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }));
    }

    fn stop_agent(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(agent) = self.agent.take() {
            agent.join().unwrap();
        }
    }

    fn cut(&self, is_cut: bool) {
        self.wire.is_cut.store(is_cut, Ordering::SeqCst);
    }

    fn machine(&self) -> Machine {
        let channel = Arc::new(End { wire: self.wire.clone(), is_owner: true });
        let limits = (Duration::from_millis(300), Duration::from_millis(600));
        Machine::new("SYSB", channel).unwrap().with_limits(limits.0, limits.1)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.stop_agent();
    }
}

/// Everything outside for a migration with another machine.
fn host(world: &World, other: &Other, enqueue: Arc<dyn Enqueue>, log: &Arc<EventLog>) -> Host {
    let mut host = world.host(&[], enqueue, log);
    let volume = volume::open_past_caches(&world.image("OLD001"), Access::MonitoredWrite).unwrap();
    let volume = MonitoredVolume::attach_in(volume, &world.area(), "DIRECT").unwrap();
    host.volumes.insert(volser("OLD001"), Arc::new(volume));
    host.live.as_mut().unwrap().machines = vec![other.machine()];
    host
}

fn begin(world: &World, other: &Other, enqueue: Arc<dyn Enqueue>) -> (Migration, Arc<EventLog>) {
    let log = Arc::new(EventLog::default());
    let host = host(world, other, enqueue, &log);
    let mut migration = world.migration(host, MoveOptions::default());
    migration.set_goal(Goal::Tracks(30));
    (migration, log)
}

/// Writes this number on a track of the first data set.
fn write(writer: &MonitoredVolume, number: u64) -> Result<()> {
    let mut slot = vec![0; writer.slot_size()];
    fill(&mut slot, writer, Track(16), number);
    writer.write(Track(16), &slot)
}

/// Steps until it is so.
#[track_caller]
fn until(migration: &mut Migration, what: impl Fn(&Migration) -> bool) {
    let late = Instant::now() + Duration::from_secs(30);
    while !what(migration) {
        assert!(Instant::now() < late, "{:?}, {:?}", migration.state(), migration.machines());
        let _ = match migration.state() {
            State::Planned => migration.reserve(),
            _ => migration.step(50).map(drop),
        };
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Leads it to its end; errors for which it may go on are waited out.
fn lead_on(migration: &mut Migration) {
    let late = Instant::now() + Duration::from_secs(60);
    while let Some(verb) = migration.next_verb() {
        let done = migration.perform(verb, 100);
        assert!(
            Instant::now() < late,
            "{:?}, {done:?}, {:?}",
            migration.state(),
            migration.machines()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_write_of_another_machine_is_in_the_target() {
    for loses_one_in in [0, 7] {
        let world = World::new(TWO);
        let mut other = Other::new(&world);
        other.wire.loses_one_in.store(loses_one_in, Ordering::SeqCst);
        let volumes = vec![world.monitored("HERE"), other.monitored("THERE")];
        let writers = Writers::through(volumes, &world.tracks(), Duration::from_millis(3));
        other.start_agent();
        let (mut migration, log) = begin(&world, &other, writers.enqueue());
        until(&mut migration, |migration| migration.state() == State::Mirrored);
        // An agent that is started anew goes on, and so does a reader of its own.
        other.stop_agent();
        std::thread::sleep(Duration::from_millis(50));
        other.start_agent();
        lead_on(&mut migration);
        assert_eq!(migration.state(), State::Complete, "{:#?}", log.events());
        drop(migration);
        assert_all_there(&world, "NEW001", &writers.end());
        assert!(
            other.area().subscriptions().is_empty(),
            "it was told that the migration has ended"
        );
    }
}

#[test]
fn nothing_is_copied_before_every_machine_has_answered() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    let (mut migration, _) = begin(&world, &other, nobody());
    migration.reserve().unwrap();
    for _ in 0..20 {
        let error = migration.step(50).unwrap_err();
        assert_eq!(error.reason(), Reason::NotCovered);
        assert!(error.to_string().contains("image SYSB has not answered yet"), "{error}");
    }
    assert_eq!(migration.machines()[0].presence, Presence::Expected);
    other.start_agent();
    lead_on(&mut migration);
    assert_eq!(migration.state(), State::Complete);
}

#[test]
fn a_machine_that_is_cut_off_shuts_the_window_until_it_is_retired() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    let writers =
        Writers::through(vec![other.monitored("THERE")], &world.tracks(), Duration::from_millis(2));
    other.start_agent();
    let (mut migration, log) = begin(&world, &other, nobody());
    until(&mut migration, |migration| migration.state() == State::Mirrored);
    other.cut(true);
    let acknowledged = writers.end();
    for _ in 0..10 {
        let error = loop {
            match migration.quiesce() {
                Err(error) => break error,
                Ok(openers) => {
                    assert!(!openers.is_empty(), "the window is open");
                    assert!(openers[0].to_string().contains("SYSB"), "{openers:?}");
                }
            }
            let _ = migration.step(10);
        };
        assert_eq!(error.reason(), Reason::NotCovered);
        assert!(error.to_string().contains("SYSB"), "{error}");
        until(&mut migration, |migration| migration.state() == State::Mirrored);
        std::thread::sleep(Duration::from_millis(100));
    }
    let report = &migration.machines()[0];
    assert_eq!(report.presence, Presence::Silent);
    assert!(report.trouble.as_ref().unwrap().contains("cannot be reached"), "{report:?}");
    assert_eq!(migration.retire_image("SYSC").unwrap_err().reason(), Reason::NoSuchImage);
    migration.retire_image("SYSB").unwrap();
    // What was written there and never reported is copied. Its late reports are refused.
    other.cut(false);
    until(&mut migration, |migration| migration.machines()[0].refused_count > 0);
    lead_on(&mut migration);
    assert_eq!(migration.state(), State::Complete, "{:#?}", log.events());
    assert_eq!(migration.machines()[0].presence, Presence::Retired);
    let told = format!("{:?}", log.events());
    for presence in ["heard", "silent", "retired"] {
        assert!(told.contains(&format!("image SYSB on another machine is {presence}")), "{told}");
    }
    drop(migration);
    assert_all_there(&world, "NEW001", &acknowledged);
}

#[test]
fn a_retired_machine_stays_retired_in_the_next_life() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    other.start_agent();
    let (mut migration, log) = begin(&world, &other, nobody());
    until(&mut migration, |migration| migration.state() == State::Mirrored);
    migration.retire_image("SYSB").unwrap();
    drop(migration);
    other.stop_agent();
    let store = FileStore::open(&world.state()).unwrap();
    // It need not be given any more; if it is, it is not heard.
    let host = host(&world, &other, nobody(), &log);
    let mut migration =
        Migration::resume(host, store, Some(world.state()), CopyOptions::default()).unwrap();
    assert_eq!(migration.machines()[0].presence, Presence::Retired);
    lead_on(&mut migration);
    assert_eq!(migration.state(), State::Complete);
}

#[test]
fn a_resumed_migration_goes_on_where_it_was_with_the_same_machines() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    let writer = other.monitored("THERE");
    other.start_agent();
    let (mut migration, log) = begin(&world, &other, nobody());
    until(&mut migration, |migration| migration.state() == State::Mirrored);
    until(&mut migration, |migration| migration.estimate().left_tracks == 0);
    drop(migration);
    write(&writer, 77).unwrap();

    let store = || FileStore::open(&world.state()).unwrap();
    let without = world.host(&[], nobody(), &log);
    let refused = Migration::open(without, store(), Some(world.state())).err().unwrap();
    assert!(refused.to_string().contains("SYSB"), "{refused}");

    let host = host(&world, &other, nobody(), &log);
    let mut migration =
        Migration::resume(host, store(), Some(world.state()), CopyOptions::default()).unwrap();
    until(&mut migration, |migration| migration.machines()[0].applied[0].1 > 0);
    assert!(
        migration.estimate().left_tracks <= 1,
        "{} tracks are copied again",
        migration.estimate().left_tracks
    );
    lead_on(&mut migration);
    drop(migration);
    let acknowledged = [(Track(16), 77)].into();
    assert_all_there(&world, "NEW001", &acknowledged);
}

#[test]
fn a_machine_that_was_booted_makes_everything_changed() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    other.start_agent();
    let (mut migration, _) = begin(&world, &other, nobody());
    until(&mut migration, |migration| migration.state() == State::Mirrored);
    until(&mut migration, |migration| migration.estimate().left_tracks == 0);
    other.stop_agent();
    // The area is gone, and what somebody wrote before a new one was subscribed was never told.
    std::fs::remove_dir_all(other.folder.path().join("areas")).unwrap();
    std::fs::create_dir(other.folder.path().join("areas")).unwrap();
    let writer = other.monitored("THERE");
    write(&writer, 78).unwrap();
    other.start_agent();
    lead_on(&mut migration);
    assert_eq!(migration.state(), State::Complete);
    drop(migration);
    assert_all_there(&world, "NEW001", &[(Track(16), 78)].into());
}

#[test]
fn who_has_a_data_set_open_on_another_machine_is_waited_for() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    other.start_agent();
    let (mut migration, _) = begin(&world, &other, nobody());
    until(&mut migration, |migration| migration.state() == State::Mirrored);
    let openers = other.openers();
    let ledger = name("TEST.LEDGER");
    let opened = openers.open(&ledger, "THERE").unwrap();
    let named = migration.quiesce().unwrap();
    assert!(named[0].to_string().contains("THERE of SYSB"), "{named:?}");
    assert!(opened.close_requested().unwrap().is_some(), "it is asked to close there");
    // Nobody opens it now.
    assert_eq!(openers.open(&ledger, "THERE").unwrap_err().reason(), Reason::DataSetHeld);
    migration.postpone().unwrap();
    assert!(openers.open(&ledger, "THERE").is_ok(), "it is let in again");
    drop(opened);
    lead_on(&mut migration);
    assert_eq!(migration.state(), State::Complete);
    assert!(openers.open(&ledger, "THERE").is_ok());
}

#[test]
fn volumes_that_are_read_through_caches_are_refused() {
    let world = World::new(TWO);
    let other = Other::new(&world);
    let mut host = world.host(&[], nobody(), &Arc::new(EventLog::default()));
    host.live.as_mut().unwrap().machines = vec![other.machine()];
    let plan = world.plan(&host);
    let store = FileStore::open(&world.state()).unwrap();
    let refused = Migration::new(host, plan, MoveOptions::default(), store, Some(world.state()))
        .err()
        .unwrap();
    assert_eq!(refused.reason(), Reason::NotDirect);
    assert!(refused.to_string().contains("OLD001"), "{refused}");
}

#[test]
fn what_is_sealed_is_sealed_on_the_other_machine_too() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    other.start_agent();
    let (mut migration, _) = begin(&world, &other, nobody());
    until(&mut migration, |migration| migration.state() == State::Mirrored);
    while !migration.quiesce().unwrap().is_empty() {}
    while !migration.is_quiet().unwrap() {
        migration.step(50).unwrap();
    }
    let writer = other.monitored("THERE");
    let write = || write(&writer, 79);
    assert_eq!(write().unwrap_err().reason(), Reason::VolumeSealed);
    migration.postpone().unwrap();
    until(&mut migration, |_| write().is_ok());
    lead_on(&mut migration);
    drop(migration);
    assert_all_there(&world, "NEW001", &[(Track(16), 79)].into());
}

#[test]
fn no_answer_in_the_look_backs_the_switch_out() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    other.start_agent();
    let log = Arc::new(EventLog::default());
    let (told, wire) = (log.clone(), other.wire.clone());
    // The machine is cut off the first time a catalog leads to a target.
    let cuts = AtomicBool::new(true);
    let sink = move |time: Duration, event: &Event| {
        told.event(time, event);
        if event.name() == "cataloged" && cuts.swap(false, Ordering::SeqCst) {
            wire.is_cut.store(true, Ordering::SeqCst);
        }
    };
    let host = host(&world, &other, nobody(), &log).told_to(sink);
    let mut migration = world.migration(host, MoveOptions::default());
    migration.set_goal(Goal::Tracks(30));
    until(&mut migration, |migration| migration.state() == State::Mirrored);
    while !migration.quiesce().unwrap().is_empty() {}
    while !migration.is_quiet().unwrap() {
        migration.step(50).unwrap();
    }
    let error = migration.switch().unwrap_err();
    assert!(error.to_string().contains("image SYSB"), "{error}");
    assert_eq!(migration.state(), State::Mirrored);
    let names: Vec<_> = log.events().iter().map(Event::name).collect();
    assert!(names.contains(&"backed-out"), "{names:?}");
    other.cut(false);
    lead_on(&mut migration);
    assert_eq!(migration.state(), State::Complete);
    drop(migration);
    assert_all_there(&world, "NEW001", &[].into());
}

/// Opens the window, with everything copied.
fn open_the_window(migration: &mut Migration) {
    until(migration, |migration| migration.state() == State::Mirrored);
    while !migration.quiesce().unwrap().is_empty() {}
    while !migration.is_quiet().unwrap() {
        migration.step(50).unwrap();
    }
}

fn taken_up(host: Host, world: &World) -> Migration {
    let store = FileStore::open(&world.state()).unwrap();
    Migration::resume(host, store, Some(world.state()), CopyOptions::default()).unwrap()
}

/// Waits until it is so.
#[track_caller]
fn wait_for(what: impl Fn() -> bool) {
    let late = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < late);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_order_that_comes_after_the_end_keeps_nobody_out() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    other.start_agent();
    let (mut migration, _) = begin(&world, &other, nobody());
    lead_on(&mut migration);
    assert_eq!(migration.state(), State::Complete);
    for is_restarted in [false, true] {
        if is_restarted {
            other.stop_agent();
            other.start_agent();
        }
        let sent: Vec<_> = other.wire.sent.lock().clone();
        let orders = sent.into_iter().filter(|message| {
            let kind = trackmirror::monitor::remote::Envelope::of(message).unwrap().kind;
            kind == trackmirror::monitor::remote::MessageKind::Order
        });
        other.wire.to_agent.lock().extend(orders.take(3));
        wait_for(|| other.wire.to_agent.lock().is_empty());
        std::thread::sleep(Duration::from_millis(50));
        assert!(other.openers().open(&name("TEST.LEDGER"), "THERE").is_ok());
    }
}

#[test]
fn whoever_could_not_be_told_is_let_in_by_the_next_life() {
    for is_terminated in [false, true] {
        let world = World::new(TWO);
        let mut other = Other::new(&world);
        other.start_agent();
        let (mut migration, log) = begin(&world, &other, nobody());
        open_the_window(&mut migration);
        other.cut(true);
        migration.postpone().unwrap();
        drop(migration);
        other.cut(false);
        let open = || other.openers().open(&name("TEST.LEDGER"), "THERE");
        assert_eq!(open().unwrap_err().reason(), Reason::DataSetHeld);
        let host = host(&world, &other, nobody(), &log);
        if is_terminated {
            let store = FileStore::open(&world.state()).unwrap();
            Migration::open(host, store, Some(world.state())).unwrap().terminate().unwrap();
        } else {
            taken_up(host, &world);
        }
        wait_for(|| open().is_ok());
    }
}

#[test]
fn a_resumed_migration_opens_what_was_sealed_there_before_it_lets_anybody_in() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    other.start_agent();
    let (mut migration, log) = begin(&world, &other, nobody());
    open_the_window(&mut migration);
    drop(migration);
    let writer = other.monitored("THERE");
    let write = || write(&writer, 79);
    assert_eq!(write().unwrap_err().reason(), Reason::VolumeSealed);
    let migration = taken_up(host(&world, &other, nobody(), &log), &world);
    // Nothing was stepped yet.
    write().unwrap();
    drop(migration);
}

#[test]
fn an_end_is_told_also_if_the_owners_areas_are_gone() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    other.start_agent();
    let (mut migration, log) = begin(&world, &other, nobody());
    open_the_window(&mut migration);
    let id = world.area().subscriptions()[0].migration;
    drop(migration);
    world.area().drop_subscription(id).unwrap();
    let host = host(&world, &other, nobody(), &log);
    let store = FileStore::open(&world.state()).unwrap();
    let mut migration = Migration::open(host, store, Some(world.state())).unwrap();
    migration.terminate().unwrap();
    wait_for(|| other.area().subscriptions().is_empty());
    assert!(other.openers().open(&name("TEST.LEDGER"), "THERE").is_ok());
}

#[test]
fn what_a_retired_machine_wrote_is_copied_also_if_the_migration_was_only_opened() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    let writer = other.monitored("THERE");
    other.start_agent();
    let (mut migration, log) = begin(&world, &other, nobody());
    until(&mut migration, |migration| migration.state() == State::Mirrored);
    until(&mut migration, |migration| migration.estimate().left_tracks == 0);
    drop(migration);
    other.stop_agent();
    write(&writer, 81).unwrap();
    drop(writer);
    let store = FileStore::open(&world.state()).unwrap();
    let mut migration =
        Migration::open(host(&world, &other, nobody(), &log), store, Some(world.state())).unwrap();
    migration.retire_image("SYSB").unwrap();
    drop(migration);
    let mut migration = taken_up(host(&world, &other, nobody(), &log), &world);
    lead_on(&mut migration);
    assert_eq!(migration.state(), State::Complete);
    drop(migration);
    assert_all_there(&world, "NEW001", &[(Track(16), 81)].into());
}

#[test]
fn a_resumed_migration_refuses_caches_too_and_takes_the_same_machine_again() {
    let world = World::new(TWO);
    let mut other = Other::new(&world);
    other.start_agent();
    let log = Arc::new(EventLog::default());
    let first = host(&world, &other, nobody(), &log);
    let machine = first.live.as_ref().unwrap().machines[0].clone();
    let mut migration = world.migration(first, MoveOptions::default());
    migration.set_goal(Goal::Tracks(30));
    until(&mut migration, |migration| migration.state() == State::Mirrored);
    drop(migration);
    let mut cached = world.host(&[], nobody(), &log);
    cached.live.as_mut().unwrap().machines = vec![machine.clone()];
    let store = FileStore::open(&world.state()).unwrap();
    let refused = Migration::open(cached, store, Some(world.state())).err().unwrap();
    assert_eq!(refused.reason(), Reason::NotDirect);
    let mut again = host(&world, &other, nobody(), &log);
    again.live.as_mut().unwrap().machines = vec![machine];
    let mut migration = taken_up(again, &world);
    lead_on(&mut migration);
    assert_eq!(migration.state(), State::Complete);
}
