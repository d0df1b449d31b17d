//! A source that gives space back while it is mirrored: the target gives back as much.

use crate::moving::{Request, When};
use crate::support::lead::to;
use crate::world::{Extents, SYSA, World, name};
use trackmirror::event::Event;
use trackmirror::state::State;

/// Leads a data set from one space to another by releases, and sees what is free on its target.
fn released(parts: &[(&str, Extents<'_>)], to_count: u32, slack: u32, when: When) {
    let sources: Vec<&str> = parts.iter().map(|(on, _)| *on).collect();
    let world = World::new(&sources, &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, parts);
    let count: u32 = parts.iter().flat_map(|(_, extents)| *extents).map(|(_, count)| count).sum();
    let mut migration = world.begin(&Request { slack, ..Request::default() });
    to(&mut migration, State::Mirrored);
    let allocated = count + count * slack / 100;
    let [(first, got)] = world.extents("NEW001", ledger)[..] else { panic!("one extent") };
    assert_eq!(got, allocated);
    assert_eq!(world.listed_one("NEW001", ledger), Some((allocated, 1)));
    let free = world.free("NEW001");
    assert_eq!(free, world.free_by_tool("NEW001"));
    let last_count = world.listed_one(sources[sources.len() - 1], ledger).unwrap().0;
    let left = count - (last_count - to_count);
    world.during(&mut migration, when, || {
        world.release(ledger, to_count);
        world.write(SYSA, ledger, 1);
    });
    // Given back to the track, slack included, and what stays lies where it was.
    assert_eq!(world.extents("NEW001", ledger), [(first, left)]);
    assert_eq!(world.listed_one("NEW001", ledger), Some((left, 1)));
    assert_eq!(world.free("NEW001"), free + allocated - left);
    assert_eq!(world.free("NEW001"), world.free_by_tool("NEW001"));
    let told: u32 = world.log.events().iter().map(given_back).sum();
    assert_eq!(told, allocated - left, "it is told");
    to(&mut migration, State::Complete);
    drop(migration);
    assert_eq!(world.free("NEW001"), free + allocated - left);
    world.assert_moved(ledger, &["NEW001"]);
    world.assert_clean();
}

/// How many tracks a target gave back.
fn given_back(event: &Event) -> u32 {
    match event {
        Event::TargetReleased { extents, .. } => extents.iter().map(|run| run.track_count).sum(),
        _ => 0,
    }
}

#[test]
fn the_target_is_released_and_its_volume_has_exactly_that_more() {
    released(&[("OLD001", &[(100, 20)])], 13, 0, When::Mirrored);
}

#[test]
fn slack_is_released_too() {
    released(&[("OLD001", &[(100, 20)])], 13, 25, When::Mirrored);
}

#[test]
fn of_many_extents_the_last_ones() {
    released(&[("OLD001", &[(100, 8), (120, 7), (140, 5)])], 10, 0, When::Mirrored);
}

#[test]
fn of_two_volumes_on_the_last_one() {
    released(&[("OLD001", &[(100, 8)]), ("OLD002", &[(90, 9), (120, 4)])], 2, 0, When::Mirrored);
}

#[test]
fn while_the_close_is_waited_for() {
    released(&[("OLD001", &[(100, 8), (120, 12)])], 5, 0, When::Closing);
}
