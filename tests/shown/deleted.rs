//! A source that loses an extent, a volume, or everything while it is mirrored: the target loses as much.

use crate::moving::{Request, When};
use crate::support::lead::to;
use crate::world::{World, name};
use trackmirror::state::State;

#[test]
fn one_extent() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, &[("OLD001", &[(100, 12), (130, 9)])]);
    let mut migration = world.begin(&Request::default());
    to(&mut migration, State::Mirrored);
    let free = world.free("NEW001");
    world.release(ledger, 12);
    assert_eq!(world.listed_one("OLD001", ledger), Some((12, 1)));
    world.catch_up(&mut migration);
    assert_eq!(world.listed_one("NEW001", ledger), Some((12, 1)));
    assert_eq!(world.free("NEW001"), free + 9);
    assert_eq!(migration.plan().table().unwrap().entries().len(), 1);
    world.complete(migration, &[ledger]);
}

#[test]
fn the_extents_of_one_volume() {
    let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, &[("OLD001", &[(100, 12)]), ("OLD002", &[(90, 5), (130, 4)])]);
    let mut migration = world.begin(&Request::default());
    to(&mut migration, State::Mirrored);
    let free = world.free("NEW001");
    world.drop_last_part(ledger);
    assert_eq!(world.looked_up(ledger), ["OLD001"]);
    world.catch_up(&mut migration);
    assert_eq!(world.listed_one("NEW001", ledger), Some((12, 1)));
    assert_eq!(world.free("NEW001"), free + 9);
    world.complete(migration, &[ledger]);
}

#[test]
fn the_whole_data_set() {
    for when in When::ALL {
        let world = World::new(&["OLD001"], &["NEW001"]);
        let (ledger, gone) = (name("TEST.LEDGER"), name("TEST.GONE"));
        world.make(ledger, &[("OLD001", &[(100, 12)])]);
        world.make(gone, &[("OLD001", &[(130, 9), (150, 8)])]);
        let empty = world.free("NEW001");
        let mut migration = world.begin(&Request::default());
        to(&mut migration, State::Mirrored);
        assert_eq!(world.free("NEW001"), empty - 29);
        assert_eq!(world.listed_one("NEW001", gone), Some((17, 1)));
        world.during(&mut migration, when, || world.delete(gone));
        // All of its target is released, and nothing is cataloged for it.
        assert_eq!(world.listed_one("NEW001", gone), None);
        assert_eq!(world.free("NEW001"), empty - 12);
        assert_eq!(world.looked_up(gone), [] as [&str; 0]);
        to(&mut migration, State::Complete);
        drop(migration);
        assert_eq!(world.looked_up(gone), [] as [&str; 0]);
        assert_eq!(world.listed("NEW001").len(), 1, "nothing but what is left");
        world.assert_moved(ledger, &["NEW001"]);
        world.assert_clean();
    }
}

#[test]
fn the_only_data_set_which_ends_the_migration() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let gone = name("TEST.GONE");
    world.make(gone, &[("OLD001", &[(130, 9), (150, 8)])]);
    let empty = world.free("NEW001");
    let mut migration = world.begin(&Request::default());
    to(&mut migration, State::Mirrored);
    world.delete(gone);
    world.catch_up(&mut migration);
    assert_eq!(migration.next_verb(), None, "{}", migration.state());
    drop(migration);
    assert_eq!(world.listed("NEW001").len(), 0);
    assert_eq!(world.free("NEW001"), empty);
    assert_eq!(world.looked_up(gone), [] as [&str; 0]);
    world.assert_clean();
}
