//! A source that gets more space while it is mirrored: the target gets more only if it needs it.

use crate::moving::{Copies, Request};
use crate::support::assert_refused;
use crate::support::lead::to;
use crate::world::{Extents, SYSA, World, name};
use trackmirror::event::Event;
use trackmirror::migrate::Migration;
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::vtoc::{Identity, SpaceManager};
use trackmirror::{DsName, Reason};

/// A world with a data set of twenty tracks that is mirrored; the extent of its target, and how much is free there.
struct Mirrored {
    world: World,
    ledger: DsName,
    copies: Copies,
    migration: Migration,
    target: (u32, u32),
    free: u32,
}

impl Mirrored {
    fn new(sources: &[&str], slack: u32) -> Mirrored {
        let world = World::new(sources, &["NEW001"]);
        let ledger = name("TEST.LEDGER");
        world.make(ledger, &[("OLD001", &[(100, 20)])]);
        let copies = Copies::default();
        let migration = world.mirrored_with(&copies, slack);
        let [target] = world.extents("NEW001", ledger)[..] else { panic!("one extent") };
        let free = world.free("NEW001");
        Mirrored { world, ledger, copies, migration, target, free }
    }

    /// The target as it is, by the library and by the emulator's tool.
    #[track_caller]
    fn assert_target(&self, extents: Extents<'_>) {
        assert_eq!(self.world.extents("NEW001", self.ledger), extents);
        let tracks = extents.iter().map(|(_, count)| count).sum();
        let listed = self.world.listed_one("NEW001", self.ledger);
        assert_eq!(listed, Some((tracks, extents.len() as u32)));
        let before = self.free + self.target.1;
        assert_eq!(self.world.free("NEW001") + tracks, before, "free on NEW001");
    }

    /// Steps until nothing is left.
    fn catch_up(&mut self) {
        self.world.catch_up(&mut self.migration);
    }

    /// That the translate table leads each place of the source to the same place of the target, in one extent.
    #[track_caller]
    fn assert_table(&self) {
        let table = self.migration.plan().table().unwrap();
        for (place, (on, track)) in self.world.places(self.ledger).into_iter().enumerate() {
            let (target, to) = table.to_target(on.parse().unwrap(), track).expect("it is copied");
            assert_eq!(
                (target.to_string().as_str(), to.0),
                ("NEW001", self.target.0 + place as u32)
            );
        }
    }

    /// That everything of it is where its name leads, and that it was said what was followed.
    #[track_caller]
    fn finish(mut self) {
        to(&mut self.migration, State::Complete);
        drop(self.migration);
        let events = self.world.log.events();
        let tells = |event: &Event| match event {
            Event::Accommodated { data_set, what } => {
                *data_set == self.ledger && what.contains("more on OLD00")
            }
            _ => false,
        };
        assert!(events.iter().any(tells), "{events:?}");
        self.world.assert_moved(self.ledger, &["NEW001"]);
        self.world.assert_clean();
    }
}

#[test]
fn with_slack_that_suffices() {
    let mut mirrored = Mirrored::new(&["OLD001"], 20);
    assert_eq!(mirrored.target.1, 24, "twenty percent more");
    let before = mirrored.world.log.events();
    mirrored.world.extend(mirrored.ledger, "OLD001", (150, 4));
    mirrored.catch_up();
    // It is followed while it is mirrored: what came is copied, and the track that was the last one, and no other.
    mirrored.assert_target(&[mirrored.target]);
    mirrored.assert_table();
    let first = mirrored.target.0;
    let [(_, from, count)] = &mirrored.copies.take()[..] else { panic!("one run is copied") };
    assert_eq!((*from, *count), (first + 19, 5));
    let allocations = |events: &[Event]| {
        events.iter().filter(|event| matches!(event, Event::Allocated { .. })).count()
    };
    assert_eq!(allocations(&mirrored.world.log.events()), allocations(&before));
    // What is written there from now on is followed as everything else.
    mirrored.world.write(SYSA, mirrored.ledger, 22);
    mirrored.catch_up();
    assert_eq!(mirrored.copies.take(), [("NEW001".to_string(), first + 22, 1)]);
    mirrored.finish();
}

#[test]
fn with_slack_that_does_not_suffice() {
    let mut mirrored = Mirrored::new(&["OLD001"], 20);
    mirrored.world.extend(mirrored.ledger, "OLD001", (150, 6));
    mirrored.catch_up();
    mirrored.assert_target(&[(mirrored.target.0, 26)]);
    mirrored.assert_table();
    mirrored.finish();
}

#[test]
fn without_slack() {
    let mut mirrored = Mirrored::new(&["OLD001"], 0);
    assert_eq!(mirrored.target.1, 20);
    // An extent behind the first, which becomes longer, and one elsewhere.
    mirrored.world.extend(mirrored.ledger, "OLD001", (120, 3));
    mirrored.catch_up();
    mirrored.assert_target(&[(mirrored.target.0, 23)]);
    mirrored.world.extend(mirrored.ledger, "OLD001", (150, 4));
    assert_eq!(mirrored.world.extents("OLD001", mirrored.ledger), [(100, 23), (150, 4)]);
    mirrored.catch_up();
    mirrored.assert_target(&[(mirrored.target.0, 27)]);
    mirrored.assert_table();
    let copied: Vec<(u32, u32)> =
        mirrored.copies.take().into_iter().map(|(_, from, count)| (from, count)).collect();
    let first = mirrored.target.0;
    assert_eq!(copied, [(first + 19, 4), (first + 22, 5)]);
    mirrored.finish();
}

#[test]
fn where_the_space_behind_the_target_is_taken() {
    let mut mirrored = Mirrored::new(&["OLD001"], 0);
    let taken = (mirrored.target.0 + 20, 7);
    mirrored.world.take_space("NEW001", "OTHER.TAKEN", taken);
    mirrored.free -= 7;
    mirrored.world.extend(mirrored.ledger, "OLD001", (150, 4));
    mirrored.catch_up();
    mirrored.assert_target(&[mirrored.target, (taken.0 + taken.1, 4)]);
    mirrored.finish();
}

#[test]
fn onto_a_new_volume() {
    let mut mirrored = Mirrored::new(&["OLD001", "OLD002"], 0);
    let (world, ledger) = (&mirrored.world, mirrored.ledger);
    world.extend(ledger, "OLD002", (90, 6));
    assert_eq!(world.looked_up(ledger), ["OLD001", "OLD002"]);
    mirrored.catch_up();
    mirrored.assert_target(&[(mirrored.target.0, 26)]);
    mirrored.assert_table();
    let [(_, from, count)] = &mirrored.copies.take()[..] else { panic!("one run is copied") };
    assert_eq!((*from, *count), (mirrored.target.0 + 19, 7));
    // The new volume is monitored like the others.
    mirrored.world.write(SYSA, ledger, 23);
    mirrored.catch_up();
    assert_eq!(mirrored.copies.take(), [("NEW001".to_string(), mirrored.target.0 + 23, 1)]);
    mirrored.finish();
}

#[test]
fn onto_a_new_volume_with_slack() {
    let mut mirrored = Mirrored::new(&["OLD001", "OLD002"], 30);
    assert_eq!(mirrored.target.1, 26);
    mirrored.world.extend(mirrored.ledger, "OLD002", (90, 6));
    mirrored.catch_up();
    mirrored.assert_target(&[mirrored.target]);
    mirrored.assert_table();
    mirrored.finish();
}

#[test]
fn before_its_last_volume_whose_tracks_get_other_places() {
    let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, &[("OLD001", &[(100, 8)]), ("OLD002", &[(90, 7)])]);
    let copies = Copies::default();
    let mut migration = world.mirrored(&copies);
    let [(first, 15)] = world.extents("NEW001", ledger)[..] else { panic!("one extent") };
    world.extend_inside(ledger, "OLD001", (120, 3));
    world.catch_up(&mut migration);
    assert_eq!(world.listed_one("NEW001", ledger), Some((18, 1)));
    // Those of the second volume, which nobody wrote to, lie three tracks further now.
    assert_eq!(copies.take(), [("NEW001".to_string(), first + 8, 10)]);
    world.complete(migration, &[ledger]);
}

#[test]
fn while_the_close_is_waited_for() {
    for on in ["OLD001", "OLD002"] {
        let mut mirrored = Mirrored::new(&["OLD001", "OLD002"], 0);
        mirrored.world.desk.open("SYSA");
        assert_eq!(mirrored.migration.quiesce().unwrap().len(), 1);
        mirrored.world.extend(mirrored.ledger, on, (150, 6));
        mirrored.world.write(SYSA, mirrored.ledger, 24);
        mirrored.world.desk.close("SYSA");
        assert_eq!(mirrored.migration.quiesce().unwrap(), [], "{on}");
        // What came is taken away from its users like the rest.
        let late = mirrored.world.try_write(SYSA, mirrored.ledger, 24);
        assert_refused(late, Reason::VolumeSealed, &[on]);
        to(&mut mirrored.migration, State::Switched);
        mirrored.assert_target(&[(mirrored.target.0, 26)]);
        mirrored.finish();
    }
}

#[test]
fn inside_the_window() {
    let mut mirrored = Mirrored::new(&["OLD001"], 0);
    to(&mut mirrored.migration, State::Quiesced);
    // Nobody has it open, but its space can be changed: six tracks that nobody wrote yet.
    let space = mirrored.world.space("OLD001");
    let found = space.find(&mirrored.ledger).unwrap().unwrap();
    let by = [crate::world::extent((150, 6))];
    space.extend(&Identity::of(&found), &by, &NoJournal).unwrap();
    to(&mut mirrored.migration, State::Switched);
    mirrored.assert_target(&[(mirrored.target.0, 26)]);
    mirrored.finish();
}

#[test]
fn where_the_target_is_full_the_window_is_given_up_until_there_is_room() {
    let world = World::new(&["OLD001"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(ledger, &[("OLD001", &[(100, 20)])]);
    world.leave_free("NEW001", (300, 23));
    let mut migration = world.begin(&Request::default());
    to(&mut migration, State::Mirrored);
    world.extend(ledger, "OLD001", (150, 6));
    world.catch_up(&mut migration);
    let told = |event: &Event| match event {
        Event::Remark { text } => text.contains("given up") && text.contains("TEST.LEDGER"),
        _ => false,
    };
    assert!(world.log.events().iter().any(told), "it is told before the window");
    assert_refused(migration.quiesce(), Reason::NoSpace, &["TEST.LEDGER", "NEW001"]);
    assert_eq!(migration.state(), State::Mirrored);
    assert!(world.desk.is_free(), "the users are let in again");
    assert_eq!(world.extents("NEW001", ledger), [(300, 20)], "and nothing is half done");
    world.write(SYSA, ledger, 24);
    world.release(ledger, 23);
    to(&mut migration, State::Complete);
    drop(migration);
    assert_eq!(world.extents("NEW001", ledger), [(300, 23)]);
    world.assert_moved(ledger, &["NEW001"]);
    world.assert_clean();
}
