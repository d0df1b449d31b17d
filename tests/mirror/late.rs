//! Late writers: who writes after the data sets were closed is refused, or found and named; then the switch is backed out,
//! nobody is held, the write is copied, and the next attempt goes through.

use crate::stage::{Stage, set, write};
use crate::world::*;
use std::sync::Arc;
use trackmirror::catalog::Catalog;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{Image, Kind};
use trackmirror::state::State;
use trackmirror::{Reason, Result};

const ONE: &[(&str, &[(u32, u32)])] = &[("TEST.LEDGER", &[(15, 20), (60, 7)])];

/// That the switch was backed out for this, nobody is held and nothing is sealed; then that the second attempt succeeds
/// with the late write.
#[track_caller]
fn backed_out_then_done(
    mut stage: Stage,
    switched: Result<()>,
    words: &[&str],
    writes: &[(u32, u64)],
) {
    let error = switched.unwrap_err();
    for word in words {
        assert!(error.to_string().contains(word), "'{word}' is missing: {error}");
    }
    assert!(stage.events().contains(&"backed-out"));
    assert!(stage.migration.state() < State::Closing);
    let entry = stage.catalog.locate(&name("TEST.LEDGER")).unwrap().unwrap();
    assert_eq!(entry.volumes[0].volser, volser("OLD001"));
    stage.assert_let_in();
    stage.finish();
    stage.assert_moved(writes);
}

#[test]
fn a_write_that_is_only_noted_afterwards_is_found_named_and_copied() {
    let setting = set(ONE, &["GUEST"]);
    let teller = Image::register(&setting.world.area(), "GUEST", Kind::Completions).unwrap();
    let teller = Arc::new(teller);
    let mut stage = setting.begin();
    stage.reach_switch();
    stage.write_raw(61, 7);
    let late = teller.clone();
    stage.catalog.then(move || late.note(Extent::new(Track(61), 1)).unwrap());
    let switched = stage.migration.switch();
    backed_out_then_done(stage, switched, &["GUEST", "OLD001", "track 61", "[1005]"], &[(61, 7)]);
}

#[test]
fn a_write_that_begins_behind_the_seal_is_refused_and_counted() {
    let mut stage = set(ONE, &["SYSA"]).begin();
    let writer = stage.writer("SYSA");
    stage.reach_switch();
    let late = writer.clone();
    stage.catalog.then(move || {
        let error = write(&*late, 20, 9).unwrap_err();
        assert_eq!(error.reason(), Reason::VolumeSealed, "{error}");
        assert_eq!(error.track(), Some(20));
    });
    stage.migration.switch().unwrap();
    let images = stage.world.area().images();
    let refused = images.iter().find(|image| image.name == "SYSA").unwrap();
    assert_eq!((refused.refused_count, refused.last_refused), (1, Some(Track(20))));
    stage.finish();
    stage.assert_moved(&[]);
}

#[test]
fn a_write_that_began_before_the_seal_keeps_the_window_open_until_it_ends() {
    let mut stage = set(ONE, &["SYSA"]).begin();
    let writer = stage.writer("SYSA");
    stage.to(State::Mirrored);
    let begun = writer.image().begin_unbound(Extent::new(Track(61), 1)).unwrap();
    assert!(stage.migration.quiesce().unwrap().is_empty());
    for _ in 0..5 {
        stage.migration.step(100).unwrap();
        let error = stage.migration.switch().unwrap_err();
        assert_eq!(error.reason(), Reason::WrongState, "{error}");
        assert!(error.to_string().contains("SYSA"), "{error}");
        assert_eq!(stage.migration.state(), State::Quiesced);
    }
    stage.write_raw(61, 5);
    writer.image().end(begun);
    stage.finish();
    stage.assert_moved(&[(61, 5)]);
}

#[test]
fn an_image_that_falls_silent_during_the_switch_backs_it_out() {
    let mut stage = set(ONE, &["SYSA"]).begin();
    let _writer = stage.writer("SYSA");
    stage.reach_switch();
    let area = stage.world.area();
    let back = area.clone();
    stage.write_raw(16, 3);
    stage.catalog.then(move || area.set_silent("SYSA").unwrap());
    let switched = stage.migration.switch();
    // While it is silent there is no window.
    assert_eq!(stage.migration.state(), State::Mirrored);
    let error = stage.migration.quiesce().unwrap_err();
    assert_eq!(error.reason(), Reason::NotCovered, "{error}");
    stage.assert_let_in();
    back.set_back("SYSA").unwrap();
    backed_out_then_done(stage, switched, &["SYSA", "silent"], &[(16, 3)]);
}

#[test]
fn a_program_without_monitor_during_the_switch_backs_it_out_and_all_is_copied_again() {
    let mut stage = set(ONE, &["SYSA"]).begin();
    let _writer = stage.writer("SYSA");
    stage.reach_switch();
    let stranger = stage.stranger.clone();
    stage.catalog.then(move || stranger.open());
    let switched = stage.migration.switch();
    assert_eq!(switched.as_ref().unwrap_err().reason(), Reason::NotCovered);
    stage.write_raw(30, 4);
    stage.stranger.end();
    backed_out_then_done(stage, switched, &["sleep", "OLD001"], &[(30, 4)]);
}
