//! Source and target have the same name all the time, and only one of them is found by it.

use crate::moving::Request;
use crate::support::volser;
use crate::world::{SYSA, World, name};
use trackmirror::catalog::Catalog;
use trackmirror::state::{State, Verb};

#[test]
fn both_copies_exist_and_the_uncataloged_one_is_not_found_until_the_switch() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, &[("OLD001", &[(100, 12), (130, 9)])]);
    let mut migration = world.begin(&Request::default());
    assert_eq!(world.listed_one("NEW001", ledger), None);
    migration.reserve().unwrap();
    let mut seen = Vec::new();
    while migration.state() != State::Switched {
        // Both have the name, for the emulator's tool too, and the catalog knows one of them.
        let state = migration.state();
        assert_eq!(world.listed_one("OLD001", ledger), Some((21, 2)), "{state}");
        assert_eq!(world.listed_one("NEW001", ledger), Some((21, 1)), "{state}");
        let mask = "TEST.**".parse().unwrap();
        let entries = world.catalog().list(&mask).unwrap();
        let [entry] = &entries[..] else { panic!("{state}: {entries:?}") };
        assert_eq!(*entry, world.entry(ledger, &[volser("OLD001")]), "{state}");
        // Who looks it up, and writes, writes to the source.
        if [State::Copying, State::Mirrored].contains(&state) {
            let target = world.tracks("NEW001");
            world.write(SYSA, ledger, 3);
            assert!(world.tracks("NEW001") == target, "{state}");
        }
        if seen.last() != Some(&state) {
            seen.push(state);
        }
        let verb = match migration.next_verb().expect("it goes on") {
            // One look at the state before the next pass is enough.
            Verb::Quiesce if seen.ends_with(&[State::Copying, State::Mirrored]) => {
                while migration.step(20).unwrap().left_tracks > 0 {}
                Verb::Quiesce
            }
            verb => verb,
        };
        migration.perform(verb, 20).unwrap();
    }
    assert_eq!(seen, [State::Copying, State::Mirrored, State::Quiesced]);
    // Both are there still, and the other one is found.
    assert_eq!(world.listed_one("OLD001", ledger), Some((21, 2)));
    assert_eq!(world.listed_one("NEW001", ledger), Some((21, 1)));
    assert_eq!(world.looked_up(ledger), ["NEW001"]);
    assert!(world.read_by_tool(ledger, &["NEW001"]) == world.written(ledger));
    migration.complete().unwrap();
    drop(migration);
    world.assert_moved(ledger, &["NEW001"]);
    world.assert_clean();
}
