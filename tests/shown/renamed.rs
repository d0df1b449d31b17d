//! A source that gets another name while it is mirrored: the target gets it too, and not a track is copied for that.

use crate::moving::{Copies, Request, When};
use crate::support::lead::to;
use crate::support::library::write_members;
use crate::world::{SYSA, World, name};
use std::process::Command;
use trackmirror::DsName;
use trackmirror::event::Event;
use trackmirror::state::State;

#[test]
fn the_target_is_renamed_and_cataloged_under_the_new_name() {
    for when in When::ALL {
        let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
        let (ledger, journal) = (name("TEST.LEDGER"), name("TEST.JOURNAL"));
        world.make(ledger, &[("OLD001", &[(100, 12)]), ("OLD002", &[(90, 9)])]);
        let copies = Copies::default();
        let mut migration = world.mirrored(&copies);
        let (target, free) = (world.extents("NEW001", ledger), world.free("NEW001"));
        world.during(&mut migration, when, || world.rename(ledger, journal));
        if when == When::Mirrored {
            assert_eq!(world.looked_up(journal), ["OLD001", "OLD002"], "not yet");
        }
        assert_eq!(copies.take(), [], "nothing is copied for a name");
        let renamed = |event: &Event| match event {
            Event::TargetRenamed { data_set, to, .. } => (*data_set, *to) == (ledger, journal),
            _ => false,
        };
        assert!(world.log.events().iter().any(renamed), "it is told");
        assert_eq!(world.listed_one("NEW001", ledger), None);
        assert_eq!(world.listed_one("NEW001", journal), Some((21, 1)));
        assert_eq!(world.extents("NEW001", journal), target, "the same space");
        assert_eq!(world.free("NEW001"), free);
        to(&mut migration, State::Complete);
        drop(migration);
        assert_eq!(world.looked_up(ledger), [] as [&str; 0]);
        world.assert_moved(journal, &["NEW001"]);
        world.assert_clean();
    }
}

#[test]
fn names_that_are_exchanged() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let (one, two, third) = (name("TEST.ONE"), name("TEST.TWO"), name("TEST.THIRD"));
    world.make(one, &[("OLD001", &[(100, 12)])]);
    world.make(two, &[("OLD001", &[(130, 9)])]);
    let copies = Copies::default();
    let mut migration = world.mirrored(&copies);
    [(one, third), (two, one), (third, two)].iter().for_each(|(from, to)| world.rename(*from, *to));
    world.catch_up(&mut migration);
    assert_eq!(copies.take(), []);
    assert_eq!(world.listed_one("NEW001", one), Some((9, 1)));
    assert_eq!(world.listed_one("NEW001", two), Some((12, 1)));
    world.complete(migration, &[one, two]);
}

/// The directory of a library, as the emulator's tool reads it.
fn directory(world: &World, name: DsName, on: &str) -> Vec<String> {
    let image = world.image(on);
    let all = format!("{name}/?");
    // It ends with 1 whenever it lists.
    let mut listed = Command::new("dasdcat");
    listed.args(["-i".as_ref(), image.as_os_str(), all.as_ref()]);
    let text = String::from_utf8(listed.output().unwrap().stdout).unwrap();
    text.split_whitespace().map(String::from).collect()
}

#[test]
fn a_library_whose_members_are_read_under_its_new_name() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let (library, renamed) = (name("TEST.LIBRARY"), name("TEST.RENAMED"));
    world.make_library(library, "OLD001", (100, 10), [0xC1, 0xC2, 0xC3]);
    let mut migration = world.begin(&Request::default());
    to(&mut migration, State::Mirrored);
    world.rename(library, renamed);
    write_members(&world.volume(SYSA, "OLD001"), &renamed, [0xD1, 0xD2, 0xD3]);
    let members = world.unloaded(renamed, "OLD001");
    assert_eq!(directory(&world, renamed, "OLD001"), ["alpha", "beta", "gamma"]);
    to(&mut migration, State::Complete);
    drop(migration);
    assert_eq!(world.looked_up(library), [] as [&str; 0]);
    assert_eq!(world.looked_up(renamed), ["NEW001"]);
    assert_eq!(world.listed_one("OLD001", renamed), None);
    assert_eq!(world.listed_one("NEW001", renamed), Some((10, 1)));
    assert_eq!(world.unloaded(renamed, "NEW001"), members);
    assert_eq!(directory(&world, renamed, "NEW001"), ["alpha", "beta", "gamma"]);
    world.assert_clean();
}
