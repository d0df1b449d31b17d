//! The network between the machines: a switch of IP packets that can cut a machine off, and lose, delay, double and
//! reorder what it sends and receives. (A kernel can do that too, if it has `netem`; many have not.)

use super::kernel;
use super::world::Random;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest packet.
const PACKET_MAX: usize = 65_535;
/// How long it may take until it notices that it is to end.
const IDLE: Duration = Duration::from_millis(20);

/// What happens to the packets of one machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    pub cut: Cut,
    /// Of a thousand packets, in each direction.
    pub lost_permille: u32,
    pub doubled_permille: u32,
    /// Of a thousand, so many do not wait for those that were sent before them.
    pub reordered_permille: u32,
    /// Each is delayed by something between these, in milliseconds.
    pub delay_ms: (u32, u32),
}

/// Which of a machine's packets do not arrive at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    #[default]
    None,
    /// Those that it sends: it hears, but is not heard.
    Outward,
    /// Those that are sent to it.
    Inward,
    Both,
}

impl Cut {
    fn outward(self) -> bool {
        matches!(self, Cut::Outward | Cut::Both)
    }

    fn inward(self) -> bool {
        matches!(self, Cut::Inward | Cut::Both)
    }
}

/// How many packets had which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    pub delivered: u64,
    pub cut: u64,
    pub lost: u64,
    pub doubled: u64,
    pub reordered: u64,
}

impl Fates {
    pub fn add(&mut self, other: &Fates) {
        self.delivered += other.delivered;
        self.cut += other.cut;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
    }
}

/// A running switch.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    weather: Mutex<BTreeMap<Ipv4Addr, Weather>>,
    fates: Mutex<Fates>,
    is_over: AtomicBool,
}

impl Relay {
    /// Connects the devices of these machines.
    pub fn start(machines: Vec<(Ipv4Addr, File)>, seed: u64) -> Relay {
        let shared = Arc::new(Shared::default());
        let switch = Switch {
            shared: shared.clone(),
            machines,
            random: Random(seed),
            under_way: BinaryHeap::new(),
            sequence: 0,
            last: BTreeMap::new(),
            fates: Fates::default(),
        };
        let thread = Some(std::thread::spawn(move || switch.run()));
        Relay { shared, thread }
    }

    /// From now on this happens to the packets of a machine.
    pub fn set(&self, machine: Ipv4Addr, weather: Weather) {
        self.shared.weather.lock().unwrap().insert(machine, weather);
    }

    pub fn fates(&self) -> Fates {
        *self.shared.fates.lock().unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the relay between the machines panicked");
        }
    }
}

/// One packet on its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due: Instant,
    sequence: u64,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

struct Switch {
    shared: Arc<Shared>,
    machines: Vec<(Ipv4Addr, File)>,
    random: Random,
    under_way: BinaryHeap<Reverse<Packet>>,
    sequence: u64,
    /// When the last packet from one machine to another arrives.
    last: BTreeMap<(usize, usize), Instant>,
    fates: Fates,
}

impl Switch {
    fn run(mut self) {
        let mut buffer = vec![0; PACKET_MAX];
        while !self.shared.is_over.load(Ordering::Relaxed) {
            let next = self.under_way.peek().map(|Reverse(packet)| packet.due);
            let limit = next.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
            let files: Vec<&File> = self.machines.iter().map(|(_, file)| file).collect();
            kernel::wait_readable(&files, limit.min(IDLE));
            for from in 0..self.machines.len() {
                // Not for ever: others want their turn.
                for _ in 0..64 {
                    let Ok(length) = (&self.machines[from].1).read(&mut buffer) else { break };
                    self.accept(from, &buffer[..length]);
                }
            }
            self.deliver();
            *self.shared.fates.lock().unwrap() = self.fates;
        }
    }

    /// Decides what becomes of a packet.
    fn accept(&mut self, from: usize, bytes: &[u8]) {
        // Nobody here speaks IPv6, but kernels try.
        if bytes.len() < 20 || bytes[0] >> 4 != 4 {
            return;
        }
        let address = Ipv4Addr::new(bytes[16], bytes[17], bytes[18], bytes[19]);
        let Some(to) = self.machines.iter().position(|(machine, _)| *machine == address) else {
            return;
        };
        let (sender, receiver) = (self.weather(from), self.weather(to));
        if sender.cut.outward() || receiver.cut.inward() {
            self.fates.cut += 1;
            return;
        }
        let both = [sender, receiver];
        if both.iter().any(|weather| self.random.below(1000) < weather.lost_permille) {
            self.fates.lost += 1;
            return;
        }
        self.send(from, to, &both, bytes);
        if both.iter().any(|weather| self.random.below(1000) < weather.doubled_permille) {
            self.fates.doubled += 1;
            self.send(from, to, &both, bytes);
        }
    }

    fn send(&mut self, from: usize, to: usize, both: &[Weather; 2], bytes: &[u8]) {
        let mut delay_us = 0;
        for weather in both {
            let (low, high) = weather.delay_ms;
            delay_us += self.random.between(low * 1000, high * 1000);
        }
        let mut due = Instant::now() + Duration::from_micros(delay_us.into());
        let last = self.last.entry((from, to)).or_insert(due);
        if both.iter().any(|weather| self.random.below(1000) < weather.reordered_permille) {
            self.fates.reordered += u64::from(due < *last);
        } else {
            due = due.max(*last);
        }
        *last = due.max(*last);
        self.sequence += 1;
        let (sequence, bytes) = (self.sequence, bytes.to_vec());
        self.under_way.push(Reverse(Packet { due, sequence, from, to, bytes }));
    }

    /// Hands over what has arrived; what was on its way when the wire was cut has not.
    fn deliver(&mut self) {
        while self.under_way.peek().is_some_and(|Reverse(packet)| packet.due <= Instant::now()) {
            let Some(Reverse(packet)) = self.under_way.pop() else { break };
            if self.weather(packet.from).cut.outward() || self.weather(packet.to).cut.inward() {
                self.fates.cut += 1;
            } else if (&self.machines[packet.to].1).write(&packet.bytes).is_ok() {
                self.fates.delivered += 1;
            } else {
                // Its queue is full, as it happens.
                self.fates.lost += 1;
            }
        }
    }

    fn weather(&self, machine: usize) -> Weather {
        let weather = self.shared.weather.lock().unwrap();
        weather.get(&self.machines[machine].0).copied().unwrap_or_default()
    }
}
