//! A source that is deleted and made anew under its name while it is mirrored: it is another data set, and copied whole.

use crate::moving::{Copies, When};
use crate::world::{Extents, World, name};
use trackmirror::event::Event;

/// Makes a data set anew in this space, created on this day, and sees how many tracks are copied for it, and whether it
/// was taken for another one.
fn made_anew(extents: Extents<'_>, day: u8, when: When) -> (u32, bool) {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, &[("OLD001", &[(100, 12), (130, 9)])]);
    let copies = Copies::default();
    let mut migration = world.mirrored(&copies);
    let free = world.free("NEW001") + 21;
    world.during(&mut migration, when, || {
        world.delete(ledger);
        world.day.set(day);
        world.make(ledger, &[("OLD001", extents)]);
    });
    let track_count = extents.iter().map(|(_, count)| count).sum();
    assert_eq!(world.listed_one("NEW001", ledger), Some((track_count, 1)));
    assert_eq!(world.free("NEW001"), free - track_count);
    let copied = copies.count();
    let is_anew = world.log.events().iter().any(says_anew);
    world.complete(migration, &[ledger]);
    (copied, is_anew)
}

fn says_anew(event: &Event) -> bool {
    matches!(event, Event::Accommodated { what, .. } if what.contains("TEST.LEDGER: deleted and made anew"))
}

#[test]
fn elsewhere_and_larger() {
    assert_eq!(made_anew(&[(200, 25), (300, 5)], 2, When::Mirrored), (30, true));
}

#[test]
fn in_the_same_place_on_another_day() {
    assert_eq!(made_anew(&[(100, 12), (130, 9)], 2, When::Mirrored), (21, true));
}

#[test]
fn in_the_same_place_on_the_same_day_which_nobody_can_tell_from_the_old_one() {
    assert_eq!(made_anew(&[(100, 12), (130, 9)], 1, When::Mirrored), (21, false));
}

#[test]
fn smaller_while_the_close_is_waited_for_and_in_the_window() {
    for when in [When::Closing, When::Window] {
        assert_eq!(made_anew(&[(200, 5)], 2, when), (5, true), "{when:?}");
    }
}

#[test]
fn by_another_one_that_gets_its_name_and_was_written_before() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let (ledger, other) = (name("TEST.LEDGER"), name("OTHER.LEDGER"));
    world.make(ledger, &[("OLD001", &[(100, 12), (130, 9)])]);
    world.make(other, &[("OLD001", &[(200, 12), (230, 9)])]);
    let copies = Copies::default();
    let mut migration = world.mirrored(&copies);
    // As many tracks in as many extents, and no monitor has ever noted one of them.
    world.delete(ledger);
    world.rename(other, ledger);
    world.catch_up(&mut migration);
    assert_eq!(copies.count(), 21);
    assert!(world.log.events().iter().any(says_anew));
    world.complete(migration, &[ledger]);
}
