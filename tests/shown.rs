//! The table of the README, *What is promised, and how it is shown*: one test for each row, named after it, on volume
//! images that the emulator's tools can read. They judge what comes out: `dasdls` lists the volumes, with the tracks and
//! extents of each data set, and `dasdseq`, `dasdpdsu` and `dasdcat` read what the catalog leads to.
//!
//! Applications and systems are in this process and write through monitors; migrations are led verb by verb, and
//! nothing waits for anything.

#[path = "shown/catalog_name.rs"]
mod catalog_name;
#[path = "shown/consolidation.rs"]
mod consolidation;
#[path = "shown/deleted.rs"]
mod deleted;
#[path = "shown/extended.rs"]
mod extended;
#[path = "shown/judge.rs"]
mod judge;
#[path = "shown/metadata.rs"]
mod metadata;
mod moves;
#[path = "shown/moving.rs"]
mod moving;
#[path = "shown/new.rs"]
mod new;
#[path = "shown/persistent.rs"]
mod persistent;
#[path = "shown/recreated.rs"]
mod recreated;
#[path = "shown/released.rs"]
mod released;
#[path = "shown/renamed.rs"]
mod renamed;
#[path = "shown/same_name.rs"]
mod same_name;
mod support;
#[path = "shown/table.rs"]
mod table;
#[path = "shown/world.rs"]
mod world;
