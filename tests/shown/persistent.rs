//! A data set whose identity did not change is not copied again, whatever else happens on its volume.

use crate::moving::{Copies, Request};
use crate::support::lead::to;
use crate::world::{SYSA, World, name};
use trackmirror::event::Event;
use trackmirror::state::State;

#[test]
fn what_has_the_same_identity_is_not_copied_again() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let (ledger, neighbour) = (name("TEST.LEDGER"), name("OTHER.NEXTDOOR"));
    world.make(ledger, &[("OLD001", &[(100, 12), (130, 9)])]);
    world.make(neighbour, &[("OLD001", &[(200, 10)])]);
    let copies = Copies::default();
    let wrap = |volume| copies.watch(volume);
    let mut migration = world.begin(&Request { wrap: &wrap, ..Request::default() });
    to(&mut migration, State::Mirrored);
    assert_eq!(copies.count(), 21, "each track once");

    // The VTOC changes in many places, and what it says of the data set itself.
    world.extend(neighbour, "OLD001", (230, 5));
    world.make(name("OTHER.NEW"), &[("OLD001", &[(300, 4)])]);
    world.delete(neighbour);
    world.note(ledger, "OLD001", |format1| {
        format1.as_bytes_mut()[75..78].copy_from_slice(&[126, 1, 68]);
        format1.set_expiration_date([199, 1, 109]);
    });
    for _ in 0..3 {
        migration.step(20).unwrap();
    }
    assert_eq!(copies.take(), [], "nothing of it was written, and nothing is copied");

    // One track that was written is one track that is copied.
    world.write(SYSA, ledger, 15);
    to(&mut migration, State::Complete);
    drop(migration);
    let [(first, 21)] = world.extents("NEW001", ledger)[..] else { panic!("one extent") };
    assert_eq!(copies.take(), [("NEW001".to_string(), first + 15, 1)]);
    let noted = world.find("NEW001", ledger).unwrap().format1;
    assert_eq!(noted.expiration_date(), [199, 1, 109], "what is not tracks followed");
    let followed = |event: &Event| matches!(event, Event::Accommodated { .. });
    assert_eq!(world.log.events().into_iter().filter(followed).count(), 1);
    world.assert_moved(ledger, &["NEW001"]);
    world.assert_clean();
}

#[test]
fn nor_by_the_next_process() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let (ledger, neighbour) = (name("TEST.LEDGER"), name("OTHER.NEXTDOOR"));
    world.make(ledger, &[("OLD001", &[(100, 12), (130, 9)])]);
    world.make(neighbour, &[("OLD001", &[(200, 10)])]);
    let copies = Copies::default();
    let wrap = |volume| copies.watch(volume);
    let request = Request { wrap: &wrap, ..Request::default() };
    let mut migration = world.begin(&request);
    to(&mut migration, State::Mirrored);
    drop(migration);
    copies.take();
    world.delete(neighbour);
    world.write(SYSA, ledger, 2);
    let mut migration = world.resume(&request);
    to(&mut migration, State::Complete);
    drop(migration);
    let [(first, 21)] = world.extents("NEW001", ledger)[..] else { panic!("one extent") };
    assert_eq!(copies.take(), [("NEW001".to_string(), first + 2, 1)]);
    world.assert_moved(ledger, &["NEW001"]);
    world.assert_clean();
}
