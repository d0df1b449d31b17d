//! The migrating process: the command, as a user types it.

use super::world::World;
use super::writer::Process;
use std::path::PathBuf;
use trackmirror::checkpoint::FileStore;
use trackmirror::migrate::status;
use trackmirror::state::State;

/// How a migration is to be led.
#[derive(Clone, Debug)]
pub struct Orders {
    pub images: Vec<String>,
    pub goal_tracks: u32,
    pub threads: u32,
    /// Tracks in a second.
    pub pace: Option<u32>,
    /// Further options.
    pub options: Vec<&'static str>,
}

impl World {
    /// The state of the migration.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Whether there is something to be resumed.
    pub fn has_state(&self) -> bool {
        FileStore::peek(&self.state()).is_ok()
    }

    /// Starts the migrating process; again, if it died: `resume`, as soon as there is something to be resumed.
    pub fn migrator(&self, orders: &Orders) -> Process {
        if self.has_state() {
            return Process::start(self.command("resume").arg("--state").arg(self.state()));
        }
        let mut command = self.command("migrate");
        command.args(["LIVE.**", "--yes", "--close-when-mirrored"]);
        command.args(["--wait-limit", "50s", "--window-limit", "5s", "--attempts", "5"]);
        command.arg("--volume").args(&self.sources);
        command.arg("--target").args(&self.targets);
        command.arg("--catalog").arg(&self.system);
        command.arg("--image").args(&orders.images);
        command.arg("--goal-tracks").arg(orders.goal_tracks.to_string());
        command.arg("--threads").arg(orders.threads.to_string());
        if let Some(pace) = orders.pace {
            command.arg("--pace").arg(pace.to_string());
        }
        command.args(&orders.options).arg("--state").arg(self.state());
        Process::start(&mut command)
    }

    /// How far it is, as its state's folder says.
    pub fn migration_state(&self) -> State {
        status(&FileStore::peek(&self.state()).unwrap()).unwrap().0
    }

    /// Whether the migration has told of an event.
    pub fn has_happened(&self, event: &str) -> bool {
        self.events(event) > 0
    }

    /// How often it has.
    pub fn events(&self, event: &str) -> u64 {
        let told = std::fs::read_to_string(self.state().join("events.jsonl")).unwrap_or_default();
        told.matches(&format!("\"event\":\"{event}\"")).count() as u64
    }
}
