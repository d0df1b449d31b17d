//! The promise of the live migration, in one process: what is written to a data set while it moves is in the target, and
//! whatever is given up, backed out or interrupted on the way, nothing is lost and nobody stays held.

#[path = "mirror/amount.rs"]
mod amount;
#[path = "mirror/attributes.rs"]
mod attributes;
#[path = "mirror/claimed.rs"]
mod claimed;
#[path = "mirror/coverage.rs"]
mod coverage;
#[path = "mirror/following.rs"]
mod following;
#[path = "mirror/giving_up.rs"]
mod giving_up;
#[path = "mirror/guest.rs"]
mod guest;
#[path = "mirror/late.rs"]
mod late;
#[path = "mirror/machines.rs"]
mod machines;
#[path = "mirror/many.rs"]
mod many;
#[path = "mirror/memory.rs"]
mod memory;
#[path = "mirror/prediction.rs"]
mod prediction;
#[path = "mirror/stage.rs"]
mod stage;
#[path = "mirror/strangers.rs"]
mod strangers;
mod support;
#[path = "mirror/taken_out.rs"]
mod taken_out;
#[path = "mirror/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;
use support::desk;
use trackmirror::event::{Event, EventLog};
use trackmirror::migrate::{Goal, MoveOptions};
use trackmirror::state::State;
use world::*;

const TWO: &[(&str, &[(u32, u32)])] =
    &[("TEST.LEDGER", &[(15, 20), (60, 7), (75, 13)]), ("TEST.PAYROLL", &[(90, 15), (130, 12)])];

#[test]
fn every_acknowledged_write_is_in_the_target() {
    let world = World::new(TWO);
    let writers =
        Writers::begin(&world, &["SYSA", "SYSB"], &world.tracks(), Duration::from_millis(20));
    let log = Arc::new(EventLog::default());
    let host = world.host(&["SYSA", "SYSB"], writers.enqueue(), &log);
    let mut migration = world.migration(host, MoveOptions::default());
    migration.set_goal(Goal::Tracks(60));
    lead(&mut migration).unwrap();
    assert_eq!(migration.state(), State::Complete);
    let receipt = migration.receipt();
    drop(migration);
    assert_all_there(&world, "NEW001", &writers.end());
    for (data_set, _) in &world.data_sets {
        world.assert_cataloged_on(*data_set, "NEW001");
    }
    assert!(world.present("OLD001").is_empty(), "the sources are scratched");
    assert!(world.area().subscriptions().is_empty());
    assert!(!has_file(world.folder.path(), "unfinished"));
    assert!(receipt.window_ms.is_some() && receipt.pass_count > 0, "{receipt:?}");
    let words: Vec<&str> = log.events().iter().map(Event::name).collect();
    let order = [
        "assessed",
        "allocated",
        "monitors-started",
        "copy-begun",
        "pass",
        "resynchronized",
        "close-requested",
        "closed",
        "window-opened",
        "finally-resynchronized",
        "cataloged",
        "looked",
        "released",
        "scratched",
        "completed",
    ];
    let mut words_left = words.iter();
    for word in order {
        assert!(words_left.any(|other| *other == word), "{word} is not in its place: {words:?}");
    }
}
