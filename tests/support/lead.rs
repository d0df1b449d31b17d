//! A migration that a test leads, verb by verb, without waiting for anything.

use trackmirror::migrate::Migration;
use trackmirror::state::State;

/// Leads a migration to a state.
#[track_caller]
pub fn to(migration: &mut Migration, state: State) {
    for _ in 0..5000 {
        if migration.state() == state {
            return;
        }
        let verb = migration.next_verb().expect("it goes on");
        migration.perform(verb, 20).unwrap();
    }
    panic!("{state} is not reached, but {}", migration.state());
}
