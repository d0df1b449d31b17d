//! Many at once: several migrations of one volume, and many data sets in one migration.

use crate::desk::Desk;
use crate::memory::{Memory, numbered, to};
use crate::stage::write;
use crate::world::volser;
use std::sync::Arc;
use trackmirror::clock::SystemClock;
use trackmirror::migrate::{Migration, MoveOptions};
use trackmirror::monitor::MonitoredVolume;
use trackmirror::plan::Mode;
use trackmirror::state::{State, Verb};
use trackmirror::{DsName, Reason};

/// The next verb of one of them, and a write of each data set that is let in.
fn go_on(migration: &mut Migration, writer: &MonitoredVolume, writes: &mut [Written], turn: u64) {
    let Some(verb) = migration.next_verb() else { return };
    for written in writes.iter_mut() {
        let place = (turn * 7 % 20) as u32;
        match write(writer, written.first + place, 1000 + turn) {
            Ok(()) if !written.is_gone => written.changes.push((place as usize, 1000 + turn)),
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.reason(), Reason::VolumeSealed, "{error}");
                assert!(written.desk.is_held() || written.is_gone);
            }
        }
    }
    migration.perform(verb, 5).unwrap();
}

/// A data set, where it lay, and what was written to it there.
struct Written {
    name: DsName,
    first: u32,
    desk: Arc<Desk>,
    changes: Vec<(usize, u64)>,
    is_gone: bool,
}

#[test]
fn two_migrations_of_one_volume_do_not_disturb_each_other() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let more = Memory::new(&[], &["NEW002"], 10);
    // An image that is there long before.
    let writer = memory.writer("OLD001", "SYSA");
    let one = memory.data_set("TEST.ONE", &[("OLD001", &[(20, 20)])], |_, _| {});
    let two = memory.data_set("TEST.TWO", &[("OLD001", &[(50, 20)])], |_, _| {});
    let mut other = Memory {
        desk: Desk::new(),
        store: Arc::default(),
        targets: vec![volser("NEW002")],
        ..memory.clone()
    };
    other.volumes.remove(&volser("NEW001"));
    other.volumes.insert(volser("NEW002"), more.volumes[&volser("NEW002")].clone());
    let mut first = memory.begin(&["TEST.ONE"], Mode::OnePrimary, MoveOptions::default());
    let mut second = other.begin(&["TEST.TWO"], Mode::OnePrimary, MoveOptions::default());
    let written = |name, first, memory: &Memory| Written {
        name,
        first,
        desk: memory.desk.clone(),
        changes: Vec::new(),
        is_gone: false,
    };
    let mut writes = [written(one, 20, &memory), written(two, 50, &other)];
    let mut turn = 0;
    while first.next_verb().is_some() || second.next_verb().is_some() {
        turn += 1;
        assert!(turn < 500, "{} and {}", first.state(), second.state());
        // The second one is slower, so that the first one's window falls into its copying.
        go_on(&mut first, &writer, &mut writes, turn);
        writes[0].is_gone = first.state() >= State::Switched;
        if turn % 3 == 0 {
            go_on(&mut second, &writer, &mut writes, turn);
            writes[1].is_gone = second.state() >= State::Switched;
        }
    }
    for (written, memory, target) in
        [(&writes[0], &memory, "NEW001"), (&writes[1], &other, "NEW002")]
    {
        let (on, numbers) = memory.numbers(written.name);
        assert_eq!(on, [volser(target)]);
        assert_eq!(numbers, numbered(20, &written.changes), "{}", written.name);
        assert!(written.changes.len() > 3);
        memory.assert_nothing_left();
    }
}

#[test]
fn hundreds_of_data_sets_share_one_window() {
    // A build that is not optimized is some ten times slower.
    const COUNT: u32 = if cfg!(debug_assertions) { 100 } else { 500 };
    let memory = Memory::new(&["OLD001"], &["NEW001"], 90);
    let mut names = Vec::new();
    for number in 0..COUNT {
        let extents = [(30 + 2 * number, 2)];
        let name = format!("TEST.N{number}");
        names.push(memory.data_set(&name, &[("OLD001", &extents)], |format1, _| {
            format1.set_last_used(Some((1, 5)));
        }));
    }
    let writer = memory.writer("OLD001", "SYSA");
    let mut host = memory.host(|volume| volume);
    host.clock = Arc::new(SystemClock);
    let mut migration =
        memory.begin_on(host, &["TEST.**"], Mode::OnePrimary, MoveOptions::default());
    while migration.state() != State::Mirrored {
        let verb = migration.next_verb().unwrap();
        migration.perform(verb, 300).unwrap();
    }
    for number in (0..COUNT).step_by(50) {
        write(&writer, 30 + 2 * number, 9000).unwrap();
        memory.note(names[number as usize], "OLD001", |format1| format1.set_balance(77));
    }
    let mut switched = false;
    while let Some(verb) = migration.next_verb() {
        migration.perform(verb, 300).unwrap();
        switched |= verb == Verb::Switch;
    }
    assert!(switched);
    let receipt = migration.receipt();
    eprintln!("{COUNT} data sets: {receipt:?}");
    assert!(receipt.window_ms.is_some());
    let written = u64::from(COUNT / 50);
    assert_eq!((receipt.track_count, receipt.again_tracks), (u64::from(2 * COUNT), written));
    drop(migration);
    for (number, name) in names.iter().enumerate() {
        let (on, numbers) = memory.numbers(*name);
        assert_eq!(on, [volser("NEW001")]);
        let changes: &[(usize, u64)] = if number % 50 == 0 { &[(0, 9000)] } else { &[] };
        assert_eq!(numbers, numbered(2, changes), "{name}");
    }
    let balance = memory.find(names[50], "NEW001").unwrap().format1.balance();
    assert_eq!(balance, 77);
    memory.assert_nothing_left();
}

#[test]
fn the_window_of_one_is_no_window_of_the_other() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let one = memory.data_set("TEST.ONE", &[("OLD001", &[(20, 20)])], |_, _| {});
    memory.data_set("TEST.TWO", &[("OLD001", &[(50, 20)])], |_, _| {});
    let writer = memory.writer("OLD001", "SYSA");
    let other = Memory { desk: Desk::new(), store: Arc::default(), ..memory.clone() };
    let mut first = memory.begin(&["TEST.ONE"], Mode::OnePrimary, MoveOptions::default());
    to(&mut first, State::Copying);
    let mut second = other.begin(&["TEST.TWO"], Mode::OnePrimary, MoveOptions::default());
    to(&mut first, State::Quiesced);
    to(&mut second, State::Quiesced);
    second.terminate().unwrap();
    other.desk.told();
    assert_eq!(write(&writer, 21, 5).unwrap_err().reason(), Reason::VolumeSealed);
    write(&writer, 51, 5).unwrap();
    to(&mut first, State::Complete);
    assert_eq!(memory.numbers(one), (vec![volser("NEW001")], numbered(20, &[])));
    memory.assert_nothing_left();
}
