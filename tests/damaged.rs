//! The promise: a volume, a catalog or a state that is damaged, of a kind that is not kept right, or in use is refused
//! with an error of its own, which names volume, track or data set; nothing is changed, and nothing panics.
//!
//! Each kind of damage is a row of a table: how a small world is damaged, and what must be said. Everything is tried by
//! the command and by the library.

#![cfg(all(feature = "compression", feature = "cli"))]

#[path = "damaged/catalogs.rs"]
mod catalogs;
#[path = "damaged/images.rs"]
mod images;
#[path = "damaged/states.rs"]
mod states;
mod support;
#[path = "damaged/targets.rs"]
mod targets;
#[path = "damaged/tracks.rs"]
mod tracks;
#[path = "damaged/vtocs.rs"]
mod vtocs;
#[path = "damaged/world.rs"]
mod world;

#[test]
fn damaged_images_are_refused() {
    world::assert_each_is_refused(images::KINDS);
}

#[test]
fn damaged_vtocs_are_refused() {
    world::assert_each_is_refused(vtocs::KINDS);
}

#[test]
fn damaged_catalogs_are_refused() {
    world::assert_each_is_refused(catalogs::KINDS);
}

#[test]
fn targets_that_cannot_be_used_are_refused() {
    world::assert_each_is_refused(targets::KINDS);
}

#[test]
fn damaged_states_are_refused() {
    world::assert_each_is_refused_by_the_command(states::KINDS);
}
