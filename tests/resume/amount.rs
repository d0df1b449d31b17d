//! How much is written to say how far a large migration is.

use crate::many::{Counted, Many, to};
use std::sync::Arc;
use trackmirror::checkpoint::{Checkpoint, MemoryStore};
use trackmirror::migrate::{Migration, MoveOptions, status};
use trackmirror::state::State;

#[test]
fn the_checkpoint_of_500_data_sets_with_5000_extents_is_under_1_mb() {
    let many = Many::new(500, 10);
    let (host, store) = (many.host(), Arc::new(Counted::new(MemoryStore::default())));
    let plan = many.plan(&host);
    let extents = plan.data_sets.iter().map(|set| set.assessment.extents().count());
    assert_eq!((plan.data_sets.len(), extents.sum::<usize>()), (500, 5000));
    let (options, stored) = (MoveOptions::default(), plan.clone());
    Migration::new(host, plan, options, store.clone(), None).unwrap();
    assert!(store.largest() < 1 << 20, "{} bytes", store.largest());
    let sections = Checkpoint::open(store).unwrap().1.unwrap();
    assert_eq!(status(&sections).unwrap(), (State::Planned, stored));
}

#[test]
fn an_intent_is_saved_without_the_plan() {
    let many = Many::new(60, 10);
    let (host, store) = (many.host(), Arc::new(Counted::new(MemoryStore::default())));
    let plan = many.plan(&host);
    let mut migration =
        Migration::new(host, plan, MoveOptions::default(), store.clone(), None).unwrap();
    let before = store.counts();
    to(&mut migration, State::Copying);
    let (writes, bytes) = (store.counts().0 - before.0, store.counts().1 - before.1);
    assert!(store.largest() > 100_000, "{}", store.largest());
    assert!(writes > 120 && bytes / writes < 40_000, "{writes} writes of {bytes} bytes");
}
