//! Who has nothing to do with what is moved is not disturbed: tracks that were given up can be written by whoever has them
//! now. And what changes before the targets are there is followed, too.

use crate::guest::{Guest, from};
use crate::memory::{Memory, numbered, to};
use crate::world::name;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use trackmirror::event::{Event, EventSink};
use trackmirror::geometry::{Extent, Track};
use trackmirror::migrate::{Migration, MoveOptions};
use trackmirror::plan::Mode;
use trackmirror::state::State;

/// A migration; whenever it tells of an event of this name somebody writes these tracks. It is counted.
fn begin(
    memory: &Memory,
    guest: &Arc<Guest>,
    word: &'static str,
    extent: Extent,
) -> (Migration, Arc<AtomicU32>) {
    let (told, writer, count) = (memory.clone(), guest.clone(), Arc::new(AtomicU32::new(0)));
    let counted = count.clone();
    let sink = move |time: Duration, event: &Event| {
        told.log.event(time, event);
        if event.name() == word {
            writer.fill("OLD001", extent, 500);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    let host = memory.host(|volume| volume).told_to(sink);
    (memory.begin_on(host, &["TEST.**"], Mode::OnePrimary, MoveOptions::default()), count)
}

#[test]
fn space_of_what_was_deleted_before_the_hold_can_be_written_in_the_window() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    memory.data_set("TEST.STAYS", &[("OLD001", &[(20, 10)])], |_, _| {});
    let goes = memory.data_set("TEST.GOES", &[("OLD001", &[(40, 5)])], |_, _| {});
    let guest = Arc::new(Guest::new(&memory));
    let extent = Extent::new(Track(41), 4);
    let (mut migration, count) = begin(&memory, &guest, "window-opened", extent);
    to(&mut migration, State::Mirrored);
    guest.delete(goes, "OLD001");
    let other = guest.create("OTHER.DATA", "OLD001", &[(41, 4)], 300);
    to(&mut migration, State::Complete);
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert_eq!(memory.numbers(other).1, from(500, 4));
    memory.assert_nothing_left();
}

#[test]
fn space_of_a_scratched_source_can_be_written_at_once() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let one = memory.data_set("TEST.ONE", &[("OLD001", &[(20, 10)])], |_, _| {});
    let two = memory.data_set("TEST.TWO", &[("OLD001", &[(40, 5)])], |_, _| {});
    let guest = Arc::new(Guest::new(&memory));
    let (mut migration, count) = begin(&memory, &guest, "scratched", Extent::new(Track(20), 10));
    to(&mut migration, State::Complete);
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert_eq!(memory.numbers(one).1, numbered(10, &[]));
    assert_eq!(memory.numbers(two).1, numbered(5, &[]));
    memory.assert_nothing_left();
}

#[test]
fn what_changes_before_the_targets_are_allocated_is_followed() {
    let memory = Memory::new(&["OLD001"], &["NEW001"], 10);
    let grows = memory.data_set("TEST.GROWS", &[("OLD001", &[(20, 10)])], |_, _| {});
    let goes = memory.data_set("TEST.GOES", &[("OLD001", &[(40, 5)])], |_, _| {});
    let guest = Guest::new(&memory);
    let mut migration = memory.begin(&["TEST.**"], Mode::OnePrimary, MoveOptions::default());
    assert_eq!(migration.state(), State::Planned);
    guest.extend(grows, "OLD001", (50, 5), 100);
    guest.delete(goes, "OLD001");
    let comes = guest.create("TEST.COMES", "OLD001", &[(60, 2)], 200);
    to(&mut migration, State::Complete);
    assert_eq!(memory.numbers(grows).1, [numbered(10, &[]), from(100, 5)].concat());
    assert_eq!(memory.numbers(comes).1, from(200, 2));
    for gone in [grows, goes, comes] {
        assert!(memory.find(gone, "OLD001").is_none(), "{gone}");
    }
    assert!(memory.find(name("TEST.GOES"), "NEW001").is_none());
    memory.assert_nothing_left();
}
