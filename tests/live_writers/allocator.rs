//! Who changes what is allocated while others write.

use super::world::World;
use super::writer::Process;

impl World {
    /// Starts a program that changes what is allocated, with these random numbers and pauses.
    pub fn allocator(&self, image: &str, seed: u64, pause_ms: u32) -> Process {
        let mut command = self.command("demo-allocator");
        command.args(["--image", image, "--own", "LIVE.OWN", "--extend"]);
        command.args(self.data_sets.iter().map(ToString::to_string));
        command.arg("--on").args((1..=self.sources.len()).map(|number| format!("OLD00{number}")));
        command.arg("--blksize").arg(self.blksize.to_string());
        command.arg("--volume").args(&self.sources).args(&self.targets);
        command.arg("--catalog").arg(&self.system);
        command.arg("--record").arg(self.record());
        command.arg("--seed").arg(seed.to_string());
        command.arg("--pause").arg(pause_ms.to_string());
        Process::start(&mut command)
    }
}
