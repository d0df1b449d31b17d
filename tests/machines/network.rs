//! Machines: network namespaces, each with one device, and the relay between them.

use super::kernel;
use super::relay::{Fates, Relay, Weather};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the names of all namespaces and folders of these tests begin with; the process's id follows.
pub const PREFIX: &str = "trackmirror-machines-";
/// The device in each machine.
const DEVICE: &str = "wire";

/// A machine on a network.
#[derive(Debug)]
pub struct Machine {
    pub name: String,
    pub address: Ipv4Addr,
    pub namespace: String,
}

impl Machine {
    /// A command that runs on this machine. Its process is the command's own: `ip` becomes it.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program.as_ref());
        command
    }

    /// Does something there.
    pub fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        kernel::inside(&self.namespace, action).expect("the machine can be entered")
    }

    fn start(name: &str, number: u8) -> (Machine, File) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{PREFIX}{}-{count}-{name}", std::process::id());
        let address = Ipv4Addr::new(10, 0, 0, number);
        let machine = Machine { name: name.into(), address, namespace };
        let namespace = &machine.namespace;
        ip(&["netns", "add", namespace]);
        let device = machine.inside(|| {
            // One that is cut off for a while is not to wait much longer than that.
            for (setting, value) in [("tcp_rto_min_us", "20000"), ("tcp_syn_retries", "2")] {
                let _ = fs::write(Path::new("/proc/sys/net/ipv4").join(setting), value);
            }
            kernel::tun(DEVICE)
        });
        let device = device.expect("a TUN device can be made (/dev/net/tun, root)");
        ip(&["-n", namespace, "link", "set", "lo", "up"]);
        ip(&["-n", namespace, "address", "add", &format!("{address}/24"), "dev", DEVICE]);
        ip(&["-n", namespace, "link", "set", DEVICE, "up"]);
        (machine, device)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        remove(&self.namespace);
    }
}

/// Some machines, and what connects them. All of it is gone with this.
#[derive(Debug)]
pub struct Network {
    pub machines: Vec<Machine>,
    relay: Relay,
}

impl Network {
    /// Machines of these names.
    pub fn start(names: &[&str], seed: u64) -> Network {
        remove_stale();
        let mut machines = Vec::new();
        let mut devices = Vec::new();
        for (name, number) in names.iter().zip(1..) {
            let (machine, device) = Machine::start(name, number);
            devices.push((machine.address, device));
            machines.push(machine);
        }
        Network { machines, relay: Relay::start(devices, seed) }
    }

    pub fn machine(&self, name: &str) -> &Machine {
        self.machines.iter().find(|machine| machine.name == name).expect("there is this machine")
    }

    /// From now on this happens to the packets of a machine.
    pub fn set(&self, machine: &str, weather: Weather) {
        self.relay.set(self.machine(machine).address, weather);
    }

    pub fn fates(&self) -> Fates {
        self.relay.fates()
    }
}

/// Runs `ip`.
#[track_caller]
fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("`ip` (package iproute2): {error}"));
    assert!(
        output.status.success(),
        "ip {}: {} (these tests make network namespaces and loop devices, and so need root)",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
}

/// Removes a namespace, and ends what still runs in it: nothing but what was started there by these tests.
fn remove(namespace: &str) {
    let pids = Command::new("ip").args(["netns", "pids", namespace]).output();
    let pids = pids.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    for pid in pids.unwrap_or_default().split_whitespace() {
        let _ = Command::new("kill").args(["-s", "KILL", pid]).status();
    }
    let removed = Command::new("ip").args(["netns", "delete", namespace]).status();
    if !removed.is_ok_and(|status| status.success()) {
        eprintln!("the namespace {namespace} could not be removed");
    }
}

/// Whether something of this name is left of a process of these tests that is no more.
pub fn is_stale(name: &str) -> bool {
    let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    process
        .and_then(|process| process.parse::<u32>().ok())
        .is_some_and(|process| !PathBuf::from(format!("/proc/{process}")).exists())
}

/// Removes, once, what a killed run left.
fn remove_stale() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let names = fs::read_dir("/run/netns").into_iter().flatten().flatten();
        for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
            if is_stale(&name) {
                remove(&name);
            }
        }
        super::disks::remove_stale();
    });
}
