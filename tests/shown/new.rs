//! A data set that appears while others of the selection are mirrored: it moves with them.

use crate::moving::{Copies, Request, When};
use crate::support::lead::to;
use crate::world::{SYSA, World, name};
use trackmirror::event::Event;
use trackmirror::state::State;

#[test]
fn what_is_new_in_the_selection_is_allocated_copied_and_cataloged() {
    let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
    let (ledger, other) = (name("TEST.LEDGER"), name("OTHER.FRESH"));
    let (fresh, wide) = (name("TEST.FRESH"), name("TEST.WIDE"));
    world.make(ledger, &[("OLD001", &[(100, 12)])]);
    let empty = world.free("NEW001");
    let mut migration = world.begin(&Request::default());
    to(&mut migration, State::Mirrored);

    // One on the same volume, one on two volumes, and one that nobody asked for.
    world.make(fresh, &[("OLD001", &[(130, 9), (150, 3)])]);
    world.make(wide, &[("OLD002", &[(90, 6)]), ("OLD001", &[(200, 5)])]);
    world.make(other, &[("OLD001", &[(300, 7)])]);
    world.catch_up(&mut migration);
    for (name, tracks) in [(ledger, 12), (fresh, 12), (wide, 11)] {
        assert_eq!(world.listed_one("NEW001", name), Some((tracks, 1)), "{name} is allocated");
    }
    assert_eq!(world.free("NEW001"), empty - 12 - 12 - 11);
    // They are mirrored like the first one, and found where they were.
    assert_eq!(world.looked_up(fresh), ["OLD001"]);
    assert_eq!(world.looked_up(wide), ["OLD002", "OLD001"]);
    assert!(world.read_by_tool(fresh, &["NEW001"]) == world.written(fresh), "it is copied");
    world.write(SYSA, fresh, 10);
    world.write(SYSA, wide, 3);
    assert_eq!(migration.plan().data_sets.len(), 3);

    to(&mut migration, State::Complete);
    drop(migration);
    let cataloged: Vec<_> = world.log.events().into_iter().filter_map(cataloged).collect();
    assert_eq!(cataloged.len(), 3, "{cataloged:?}");
    [ledger, fresh, wide].iter().for_each(|name| world.assert_moved(*name, &["NEW001"]));
    assert_eq!(world.looked_up(other), ["OLD001"]);
    assert_eq!(world.listed_one("OLD001", other), Some((7, 1)));
    assert!(world.read_by_tool(other, &["OLD001"]) == world.written(other));
    assert_eq!(world.listed_one("NEW001", other), None);
    world.assert_clean();
}

fn cataloged(event: Event) -> Option<trackmirror::DsName> {
    match event {
        Event::Cataloged { data_set, .. } => Some(data_set),
        _ => None,
    }
}

#[test]
fn what_comes_while_the_close_is_waited_for_or_in_the_window_moves_too() {
    for when in [When::Closing, When::Window] {
        let world = World::new(&["OLD001"], &["NEW001"]);
        let (ledger, fresh) = (name("TEST.LEDGER"), name("TEST.FRESH"));
        world.make(ledger, &[("OLD001", &[(100, 12)])]);
        let mut migration = world.mirrored(&Copies::default());
        world.during(&mut migration, when, || world.make(fresh, &[("OLD001", &[(130, 9)])]));
        world.complete(migration, &[ledger, fresh]);
    }
}

#[test]
fn what_was_written_before_and_gets_a_name_of_the_selection_is_copied_whole() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let (ledger, outside, inside) = (name("TEST.LEDGER"), name("OTHER.OLD"), name("TEST.OLD"));
    world.make(ledger, &[("OLD001", &[(100, 12)])]);
    world.make(outside, &[("OLD001", &[(130, 9), (150, 3)])]);
    let copies = Copies::default();
    let mut migration = world.mirrored(&copies);
    // No monitor has ever noted one of its tracks.
    world.rename(outside, inside);
    world.catch_up(&mut migration);
    assert_eq!(copies.count(), 12);
    world.complete(migration, &[ledger, inside]);
}
