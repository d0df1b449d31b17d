//! The judge: the command's `demo-check`, which knows nothing of monitors.

use super::world::World;
use super::writer::Habits;
use std::path::PathBuf;

/// What the judge says: the code, and all in words; in JSON, if he goes by the catalog.
pub fn judge(
    world: &World,
    habits: &[Habits],
    volumes: &[PathBuf],
    sources: &[PathBuf],
    by_catalog: bool,
) -> (i32, String) {
    let mut command = world.command("demo-check");
    command.arg("--ledger").args(habits.iter().map(|habits| world.ledger(&habits.image)));
    command.arg("--volume").args(volumes);
    if !sources.is_empty() {
        command.arg("--source").args(sources);
    }
    if world.record().exists() {
        command.arg("--allocations").arg(world.record());
    }
    if by_catalog {
        command.arg("--json").arg("--catalog").arg(&world.system);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}
