//! A source that is deleted and made anew under its name while it is mirrored: it is another data set, and copied whole.

use crate::moving::{Copies, Request};
use crate::support::lead::to;
use crate::world::{Extents, World, name};
use trackmirror::state::State;

/// Makes a data set anew in this space, created on this day, and sees how many tracks are copied for it.
fn made_anew(extents: Extents<'_>, day: u8, in_closing: bool) -> u32 {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, &[("OLD001", &[(100, 12), (130, 9)])]);
    let copies = Copies::default();
    let wrap = |volume| copies.watch(volume);
    let mut migration = world.begin(&Request { wrap: &wrap, ..Request::default() });
    to(&mut migration, State::Mirrored);
    let free = world.free("NEW001") + 21;
    copies.take();
    if in_closing {
        world.desk.open("SYSA");
        assert_eq!(migration.quiesce().unwrap().len(), 1);
    }
    world.delete(ledger);
    world.day.set(day);
    world.make(ledger, &[("OLD001", extents)]);
    if in_closing {
        world.desk.close("SYSA");
        to(&mut migration, State::Switched);
    } else {
        while migration.step(100).unwrap().left_tracks > 0 {}
    }
    let track_count = extents.iter().map(|(_, count)| count).sum();
    assert_eq!(world.listed_one("NEW001", ledger), Some((track_count, 1)));
    assert_eq!(world.free("NEW001"), free - track_count);
    let copied = copies.count();
    to(&mut migration, State::Complete);
    drop(migration);
    world.assert_moved(ledger, &["NEW001"]);
    world.assert_clean();
    copied
}

#[test]
fn elsewhere_and_larger() {
    assert_eq!(made_anew(&[(200, 25), (300, 5)], 2, false), 30);
}

#[test]
fn in_the_same_place_on_another_day() {
    assert_eq!(made_anew(&[(100, 12), (130, 9)], 2, false), 21);
}

#[test]
fn in_the_same_place_on_the_same_day_which_nobody_can_tell_from_the_old_one() {
    assert_eq!(made_anew(&[(100, 12), (130, 9)], 1, false), 21);
}

#[test]
fn smaller_while_the_close_is_waited_for() {
    assert_eq!(made_anew(&[(200, 5)], 2, true), 5);
}
