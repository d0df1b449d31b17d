//! A site: machines that share the disks of one world, and a redis-server between them. The first machine owns the
//! migrations, on the others are agents.

use super::disks::{self, DISK, Disk, MEMORY};
use super::migrator::Orders;
use super::network::Network;
use super::redis::{PORT, Redis};
use super::world::{Random, World};
use super::writer::Process;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The machines that volumes are attached to; the first is the owner's.
pub const HOSTS: [&str; 3] = ["A", "B", "C"];
/// The machine of the redis-server.
pub const REDIS: &str = "redis";

/// One machine, and the world as it has it: the disks under names of its own, its own registry, its own files.
#[derive(Debug)]
pub struct Host {
    pub name: &'static str,
    pub world: World,
    _disks: Vec<Disk>,
    _nodes: TempDir,
}

/// All of it. What runs on the machines is to be ended before.
#[derive(Debug)]
pub struct Site {
    pub redis: Redis,
    pub hosts: Vec<Host>,
    pub network: Network,
    /// The files of the volumes' images, which no machine of the site has open: what is there is on the disks.
    pub disks: World,
}

impl Site {
    /// So many machines that share the disks of a world.
    pub fn new(random: &mut Random, host_count: usize) -> Site {
        let names: Vec<&str> = [REDIS].iter().chain(&HOSTS[..host_count]).copied().collect();
        let network = Network::start(&names, random.next());
        let mut disks = World::new(random);
        // Into a folder that is removed even if this process is killed.
        let folder = disks::folder(MEMORY);
        let files = disks.sources.iter_mut().chain(&mut disks.targets);
        for file in files.chain([&mut disks.system]) {
            let moved = folder.path().join(file.file_name().unwrap());
            fs::rename(&*file, &moved).unwrap();
            *file = moved;
        }
        disks.folder = folder;
        let redis = Redis::start(network.machine(REDIS), disks.path("redis"));
        let host = |name: &&'static str| Host::new(name, &network, &disks);
        let hosts = HOSTS[..host_count].iter().map(host).collect();
        Site { redis, hosts, network, disks }
    }

    pub fn owner(&self) -> &Host {
        &self.hosts[0]
    }

    /// Where the redis-server is.
    pub fn url(&self) -> String {
        format!("redis://{}:{PORT}", self.network.machine(REDIS).address)
    }

    /// Starts the agent of a machine; again, if it died.
    pub fn agent(&self, host: usize) -> Process {
        let Host { name, world, .. } = &self.hosts[host];
        let mut command = world.command("monitor-agent");
        command.args(["--image", name, "--redis", &self.url()]).args(&world.sources);
        Process::start(&mut command)
    }

    /// Orders to move the data sets, with these images on the owner's machine and the agents of these others.
    pub fn orders(&self, orders: &Orders, others: &[usize]) -> Orders {
        let mut orders = orders.clone();
        let url = self.url();
        orders.images.extend(others.iter().map(|&host| format!("{}@{url}", HOSTS[host])));
        orders
    }

    pub fn restart_redis(&mut self, keeps_data: bool) {
        self.redis.restart(self.network.machine(REDIS), keeps_data);
    }

    /// The judge, who reads the disks themselves.
    pub fn judge(&self) -> Command {
        self.disks.command("demo-check")
    }

    /// All ledgers that there are.
    pub fn ledgers(&self) -> Vec<PathBuf> {
        let folders = self.hosts.iter().map(|host| fs::read_dir(host.world.folder.path()).unwrap());
        let files = folders.flatten().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|kind| kind == "ledger")).collect()
    }
}

impl Host {
    fn new(name: &'static str, network: &Network, disks: &World) -> Host {
        let nodes = disks::folder(DISK);
        let mut attached = Vec::new();
        let mut attach = |file: &PathBuf| {
            let node = nodes.path().join(file.file_name().unwrap());
            attached.push(Disk::attach(file, &node));
            node
        };
        let world = World {
            folder: disks::folder(MEMORY),
            data_sets: disks.data_sets.clone(),
            sources: disks.sources.iter().map(&mut attach).collect(),
            targets: disks.targets.iter().map(&mut attach).collect(),
            system: attach(&disks.system),
            blksize: disks.blksize,
            machine: Some(network.machine(name).namespace.clone()),
        };
        Host { name, world, _disks: attached, _nodes: nodes }
    }
}
