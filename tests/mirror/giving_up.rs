//! Giving up: at every place where something is refused, fails or takes too long, the data sets are given back to their
//! users where they are, mirroring goes on, and the next attempt goes through.

use crate::memory::{Between, Memory, numbered, to};
use crate::stage::{Stage, set, write};
use crate::world::{name, volser};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use trackmirror::enqueue::RegistryEnqueue;
use trackmirror::geometry::Extent;
use trackmirror::geometry::Track;
use trackmirror::migrate::{Limits, MoveOptions};
use trackmirror::monitor::MonitoredVolume;
use trackmirror::plan::Mode;
use trackmirror::registry::openers::Openers;
use trackmirror::state::State;
use trackmirror::{Error, Reason};

const ONE: &[(&str, &[(u32, u32)])] = &[("TEST.LEDGER", &[(15, 20), (60, 7)])];
const LIMITS: Limits = Limits { wait: Duration::from_secs(30), window: Duration::from_secs(5) };

fn begun() -> (Stage, Arc<MonitoredVolume>) {
    let setting = set(ONE, &["SYSA"]);
    let writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.migration.set_limits(LIMITS);
    stage.to(State::Mirrored);
    (stage, writer)
}

/// That it was given up: writes go on at once, and the next attempt succeeds with them.
#[track_caller]
fn given_up_then_done(mut stage: Stage, writer: &MonitoredVolume) {
    assert_eq!(stage.migration.state(), State::Mirrored);
    assert!(stage.events().contains(&"postponed"));
    stage.assert_let_in();
    write(writer, 17, 3).unwrap();
    write(writer, 66, 4).unwrap();
    stage.finish();
    stage.assert_moved(&[(17, 3), (66, 4)]);
}

#[test]
fn who_does_not_close_in_time_keeps_the_data_set() {
    let (mut stage, writer) = begun();
    stage.desk.open("SYSA");
    for _ in 0..3 {
        let openers = stage.migration.quiesce().unwrap();
        assert_eq!(openers.len(), 1);
        assert_eq!(stage.migration.state(), State::Closing);
        assert!(stage.desk.is_held());
        stage.migration.step(20).unwrap();
    }
    stage.watch.wait(LIMITS.wait);
    let error = stage.migration.quiesce().unwrap_err();
    assert_eq!(error.reason(), Reason::NotClosed, "{error}");
    assert!(error.to_string().contains("SYSA"), "{error}");
    stage.desk.close("SYSA");
    given_up_then_done(stage, &writer);
}

#[test]
fn a_write_that_does_not_end_ends_the_window() {
    let (mut stage, writer) = begun();
    let write = writer.image().begin_unbound(Extent::new(Track(61), 2)).unwrap();
    stage.to(State::Quiesced);
    let mut step_count = 0;
    let error = loop {
        stage.watch.wait(Duration::from_millis(500));
        step_count += 1;
        assert!(step_count < 50, "the window has no end");
        match stage.migration.step(20) {
            Ok(_) => assert!(stage.migration.pause() > Duration::ZERO),
            Err(error) => break error,
        }
    };
    assert_eq!(error.reason(), Reason::WindowTooLong, "{error}");
    for word in ["SYSA", "track 61"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    writer.image().end(write);
    given_up_then_done(stage, &writer);
}

#[test]
fn the_limit_of_the_window_is_seen_by_the_switch_too() {
    let (mut stage, writer) = begun();
    stage.reach_switch();
    stage.watch.wait(LIMITS.window * 2);
    let error = stage.migration.switch().unwrap_err();
    assert_eq!(error.reason(), Reason::WindowTooLong, "{error}");
    given_up_then_done(stage, &writer);
}

#[test]
fn it_is_postponed_on_request_while_closing_and_in_the_window() {
    let (mut stage, writer) = begun();
    stage.desk.open("SYSA");
    stage.migration.quiesce().unwrap();
    assert_eq!(stage.migration.state(), State::Closing);
    stage.migration.postpone().unwrap();
    assert_eq!(stage.migration.state(), State::Mirrored);
    stage.assert_let_in();
    stage.desk.close("SYSA");
    stage.to(State::Quiesced);
    assert_eq!(write(&*writer, 17, 3).unwrap_err().reason(), Reason::VolumeSealed);
    stage.migration.postpone().unwrap();
    given_up_then_done(stage, &writer);
}

#[test]
fn each_verb_of_the_port_may_be_refused() {
    for verb in ["ask", "hold", "is closed"] {
        let (mut stage, writer) = begun();
        stage.desk.fail(verb, Reason::CommandRefused, 1);
        let error = stage.migration.quiesce().unwrap_err();
        assert_eq!(error.reason(), Reason::CommandRefused, "{verb}: {error}");
        given_up_then_done(stage, &writer);
    }
}

#[test]
fn each_verb_of_the_port_may_fail() {
    for verb in ["ask", "hold"] {
        let (mut stage, writer) = begun();
        stage.desk.fail(verb, Reason::Io, 1);
        assert_eq!(stage.migration.quiesce().unwrap_err().reason(), Reason::Io, "{verb}");
        given_up_then_done(stage, &writer);
    }
    // Whether it is closed is asked again, up to the limit.
    let (mut stage, writer) = begun();
    stage.desk.fail("is closed", Reason::CommandLate, 1000);
    for _ in 0..3 {
        assert_eq!(stage.migration.quiesce().unwrap_err().reason(), Reason::CommandLate);
        assert_eq!(stage.migration.state(), State::Closing);
        assert!(stage.desk.is_held());
        stage.migration.step(20).unwrap();
    }
    stage.watch.wait(LIMITS.wait);
    assert_eq!(stage.migration.quiesce().unwrap_err().reason(), Reason::CommandLate);
    stage.desk.fail("is closed", Reason::CommandLate, 0);
    given_up_then_done(stage, &writer);
}

#[test]
fn no_window_is_opened_without_a_hold() {
    let (mut stage, _writer) = begun();
    stage.desk.fail("hold", Reason::Io, 1);
    stage.migration.quiesce().unwrap_err();
    stage.desk.told();
    stage.to(State::Quiesced);
    assert!(stage.desk.is_held());
    assert_eq!(stage.desk.told(), ["ask", "hold", "is closed"]);
    stage.finish();
    stage.assert_moved(&[]);
}

#[test]
fn a_release_that_fails_is_done_again() {
    // When it is given up.
    let (mut stage, _writer) = begun();
    stage.to(State::Quiesced);
    stage.desk.fail("release", Reason::Io, 2);
    assert_eq!(stage.migration.postpone().unwrap_err().reason(), Reason::Io);
    assert_eq!(stage.migration.state(), State::Mirrored);
    assert_eq!(stage.migration.step(20).unwrap_err().reason(), Reason::Io);
    stage.migration.step(20).unwrap();
    stage.assert_let_in();
    // Behind the switch: the users do not wait until the sources are scratched.
    stage.reach_switch();
    stage.desk.fail("release", Reason::Io, 2);
    assert_eq!(stage.migration.switch().unwrap_err().reason(), Reason::Io);
    assert_eq!(stage.migration.state(), State::Switched);
    assert_eq!(stage.migration.take_up().unwrap_err().reason(), Reason::Io);
    assert!(stage.desk.is_held());
    stage.migration.take_up().unwrap();
    assert!(stage.desk.is_free());
    stage.finish();
    stage.assert_moved(&[]);
    // When it is terminated.
    let (mut stage, _writer) = begun();
    stage.to(State::Quiesced);
    stage.desk.fail("release", Reason::Io, 1);
    assert_eq!(stage.migration.terminate().unwrap_err().reason(), Reason::Io);
    stage.migration.terminate().unwrap();
    assert_eq!(stage.migration.state(), State::Terminated);
    stage.assert_let_in();
    assert!(stage.world.area().subscriptions().is_empty());
}

#[test]
fn a_step_that_fails_in_the_window_leaves_the_window_as_it_is() {
    let (mut stage, writer) = begun();
    // The image is only seen to be silent by who looks.
    stage.to(State::Quiesced);
    stage.world.area().set_silent("SYSA").unwrap();
    stage.watch.wait(Duration::from_secs(2));
    assert_eq!(stage.migration.step(20).unwrap_err().reason(), Reason::NotCovered);
    assert_eq!(stage.migration.state(), State::Quiesced);
    stage.watch.wait(LIMITS.window);
    let error = stage.migration.step(20).unwrap_err();
    assert_eq!(error.reason(), Reason::WindowTooLong, "{error}");
    stage.world.area().set_back("SYSA").unwrap();
    given_up_then_done(stage, &writer);
}

#[test]
fn what_somebody_else_holds_does_not_keep_it_from_going_on() {
    let mut setting = set(ONE, &["SYSA"]);
    let openers = Openers::at(&setting.world.folder.path().join("openers")).unwrap();
    setting.enqueue = Some(Arc::new(RegistryEnqueue::new(openers.clone(), "ours")));
    let writer = setting.writer("SYSA");
    let mut stage = setting.begin();
    stage.to(State::Mirrored);
    let ledger = [name("TEST.LEDGER")];
    openers.hold(&ledger, "theirs").unwrap();
    for _ in 0..2 {
        let error = stage.migration.quiesce().unwrap_err();
        assert_eq!(error.reason(), Reason::DataSetHeld, "{error}");
        assert_eq!(stage.migration.state(), State::Mirrored);
        stage.migration.step(20).unwrap();
        assert!(openers.requested(&ledger[0]).unwrap().is_none());
    }
    openers.release(&ledger, "theirs").unwrap();
    given_up_then_done(stage, &writer);
}

#[test]
fn a_termination_that_fails_half_way_leaves_no_window_open() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let ledger = memory.data_set("TEST.LEDGER", &[("OLD001", &[(20, 20)])], |_, _| {});
    for state in [State::Closing, State::Quiesced] {
        let is_failing = Arc::new(AtomicBool::new(false));
        let host = memory.host(|inner| match inner.volser() == volser("NEW001") {
            true => {
                let is_failing = is_failing.clone();
                Between::writes(inner, move |_, _| match is_failing.load(Ordering::SeqCst) {
                    true => Err(Error::new(Reason::Io, "the disk says no; see the disk")),
                    false => Ok(()),
                })
            }
            false => inner,
        });
        let memory = Memory { store: Arc::default(), ..memory.clone() };
        let mode = (Mode::OnePrimary, MoveOptions::default());
        let mut migration = memory.begin_on(host, &["TEST.**"], mode.0, mode.1);
        memory.desk.open("SYSA");
        to(&mut migration, State::Closing);
        memory.desk.close("SYSA");
        to(&mut migration, state);
        is_failing.store(true, Ordering::SeqCst);
        assert_eq!(migration.terminate().unwrap_err().reason(), Reason::Io);
        // Its users are in: so there is no window any more in which it could be switched.
        assert!(memory.desk.is_free());
        assert_eq!(migration.state(), State::Mirrored);
        let writer = memory.writer("OLD001", "SYSA");
        write(&writer, 25, 7).unwrap();
        is_failing.store(false, Ordering::SeqCst);
        migration.terminate().unwrap();
        assert_eq!(memory.numbers(ledger), (vec![volser("OLD001")], numbered(20, &[(5, 7)])));
        memory.assert_nothing_left();
    }
}
