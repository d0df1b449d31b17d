//! The promise that not one write is lost where several machines write the same volumes: network namespaces are the
//! machines, loop devices over one file are the disk that they share, a real redis-server carries what they tell each
//! other, and a network that loses, delays, doubles and reorders packets is between them.
//!
//! The writers are the command's `demo-writer`, the judge is its `demo-check`, which knows nothing of monitors.
//!
//! `TRACKMIRROR_SEEDS=N` tries N seeds (by default 50, and those that once failed), `TRACKMIRROR_SEED=K` the one that a failure names (both: N from
//! K on).
//!
//! It needs root, `ip` (iproute2), `losetup` (mount) and `redis-server`.

#![cfg(all(feature = "cli", feature = "redis", target_os = "linux"))]

#[path = "machines/disks.rs"]
mod disks;
#[path = "machines/exile.rs"]
mod exile;
#[path = "machines/kernel.rs"]
mod kernel;
#[path = "live_writers/migrator.rs"]
mod migrator;
#[path = "machines/network.rs"]
mod network;
#[path = "machines/play.rs"]
mod play;
#[path = "machines/redis.rs"]
mod redis;
#[path = "machines/relay.rs"]
mod relay;
#[path = "machines/site.rs"]
mod site;
#[path = "machines/story.rs"]
mod story;
mod support;
#[path = "live_writers/world.rs"]
#[allow(dead_code)] // It is shared with other tests.
mod world;
#[path = "live_writers/writer.rs"]
mod writer;

use disks::Disk;
use network::Network;
use redis::{PORT, Redis};
use relay::{Cut, Fates, Weather};
use site::Site;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::time::Duration;
use story::Story;
use world::Random;
use writer::Process;

/// Sends a megabyte from one machine to the other, through this weather at both.
fn transfer(weather: Weather, seed: u64) -> Fates {
    let network = Network::start(&["a", "b"], seed);
    network.set("a", weather);
    network.set("b", weather);
    let (from, to) = (network.machine("a"), network.machine("b"));
    let listener = to.inside(|| TcpListener::bind((to.address, PORT))).unwrap();
    let mut random = Random(seed);
    let sent: Vec<u8> = (0..1 << 17).flat_map(|_| random.next().to_be_bytes()).collect();
    let received = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let mut received = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
            received
        });
        let mut stream = from.inside(|| TcpStream::connect((to.address, PORT))).unwrap();
        stream.write_all(&sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        receiver.join().unwrap()
    });
    assert!(
        received == sent,
        "{} of {} bytes arrived as they were sent",
        received.len(),
        sent.len()
    );
    network.fates()
}

#[test]
fn what_one_machine_sends_another_receives() {
    let fates = transfer(Weather::default(), 1);
    assert!(fates.delivered > 0);
    assert_eq!((fates.lost, fates.doubled, fates.reordered, fates.cut), (0, 0, 0, 0));
}

#[test]
fn what_is_lost_delayed_doubled_and_reordered_arrives_all_the_same() {
    let weather = Weather {
        lost_permille: 50,
        doubled_permille: 50,
        reordered_permille: 100,
        delay_ms: (0, 10),
        ..Weather::default()
    };
    let fates = transfer(weather, 2);
    assert!(fates.lost > 0 && fates.doubled > 0 && fates.reordered > 0, "{fates:?}");
}

#[test]
fn a_machine_that_is_cut_off_gets_nothing_and_is_not_heard() {
    let network = Network::start(&["a", "b"], 3);
    let (a, b) = (network.machine("a"), network.machine("b"));
    let bind = |machine: &network::Machine| {
        let address = machine.address;
        machine.inside(move || UdpSocket::bind((address, PORT))).unwrap()
    };
    let sockets = [bind(a), bind(b)];
    let addresses = [a, b].map(|machine| SocketAddr::from((machine.address, PORT)));
    // Whether what each sends to the other arrives.
    let arrives = |text: &[u8]| {
        [(0, 1), (1, 0)].map(|(from, to): (usize, usize)| {
            sockets[from].send_to(text, addresses[to]).unwrap();
            sockets[to].set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let mut buffer = [0; 16];
            loop {
                match sockets[to].recv(&mut buffer) {
                    Ok(length) => break &buffer[..length] == text,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break false,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
                }
            }
        })
    };
    let cut = |cut: Cut| network.set("b", Weather { cut, ..Weather::default() });
    assert_eq!(arrives(b"before"), [true, true]);
    cut(Cut::Both);
    assert_eq!(arrives(b"cut off"), [false, false]);
    cut(Cut::Inward);
    assert_eq!(arrives(b"deaf"), [false, true]);
    cut(Cut::Outward);
    assert_eq!(arrives(b"dumb"), [true, false]);
    cut(Cut::None);
    assert_eq!(arrives(b"healed"), [true, true]);
}

#[test]
fn each_machine_has_a_cache_of_its_own_over_one_disk() {
    let folder = disks::folder(disks::DISK);
    let file = folder.path().join("disk");
    std::fs::write(&file, [1; 8192]).unwrap();
    let disks = ["a", "b"].map(|name| Disk::attach(&file, &folder.path().join(name)));
    let [a, b] = &disks;
    let open = |disk: &Disk| File::options().read(true).write(true).open(&disk.path).unwrap();
    let (a, b) = (open(a), open(b));
    let first = |disk: &File| {
        let mut byte = [0];
        disk.read_exact_at(&mut byte, 0).unwrap();
        byte[0]
    };
    assert_eq!((first(&a), first(&b)), (1, 1));
    a.write_all_at(&[2; 4096], 0).unwrap();
    a.sync_all().unwrap();
    // On the disk it is, but whoever reads through a cache does not see it.
    assert_eq!(std::fs::read(&file).unwrap()[0], 2);
    assert_eq!((first(&a), first(&b)), (2, 1));
}

#[test]
fn redis_can_be_killed_emptied_filled_and_started_again() {
    let network = Network::start(&["redis", "a"], 4);
    let folder = disks::folder(disks::MEMORY);
    let (machine, other) = (network.machine("redis"), network.machine("a"));
    let mut redis = Redis::start(machine, folder.path().join("redis"));
    let ask = |words: &str| {
        let mut stream = other.inside(|| TcpStream::connect((machine.address, PORT))).ok()?;
        stream.write_all(format!("{words}\r\n").as_bytes()).unwrap();
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).unwrap();
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    };
    let value = |text: &str| Some(text.to_owned());
    assert_eq!(ask("SET key value"), value("+OK\r\n"));
    redis.kill();
    assert_eq!(ask("GET key"), None);
    redis.restart(machine, true);
    assert_eq!(ask("GET key"), value("$5\r\nvalue\r\n"));
    redis.restart(machine, false);
    assert_eq!(ask("GET key"), value("$-1\r\n"));
    redis.set_full(true);
    assert!(ask("SET key value").unwrap().starts_with("-OOM"));
    redis.set_full(false);
    assert_eq!(ask("SET key value"), value("+OK\r\n"));
    redis.empty();
    assert_eq!(ask("GET key"), value("$-1\r\n"));
}

#[test]
fn writers_of_several_machines_write_one_disk() {
    let mut random = Random(5);
    let site = Site::new(&mut random, 3);
    let story = Story::new(&mut random, 3);
    let start = |(host, habits): &(usize, _)| site.hosts[*host].world.writer(habits);
    let mut writers: Vec<Process> = story.writers.iter().map(start).collect();
    writers.iter_mut().for_each(|writer| writer.hear("filled"));
    std::thread::sleep(Duration::from_millis(200));
    for writer in &mut writers {
        writer.end_input();
        assert_eq!(writer.wait(), 0, "{:#?}", writer.said());
    }
    let mut judge = site.judge();
    judge.arg("--ledger").args(site.ledgers()).arg("--volume").args(&site.disks.sources);
    let output = judge.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("are there, whole"), "{said}");
    assert_eq!(site.ledgers().len(), writers.len());
}

#[test]
fn a_machine_that_the_migration_is_not_told_of_loses_what_it_writes() {
    for seed in 100..103 {
        let (code, said) = play::naming(seed, &[1]);
        assert_eq!(code, 0, "seed {seed}: {said}");
        let (code, said) = play::naming(seed, &[]);
        assert!(code == 8 && said.contains("holds the older write"), "seed {seed}: {code} {said}");
    }
}

#[test]
fn a_machine_that_is_cut_off_for_ever_shuts_the_window_until_it_is_retired() {
    exile::run(200);
}

/// A number from the environment.
fn from_environment(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// Seeds behind the first fifty that once failed: whoever was to close was not asked, since the order was lost on the way.
const KNOWN_SEEDS: [u64; 7] = [55, 64, 70, 71, 75, 79, 106];
/// How many seeds are played at a time. They mostly wait for each other's answers.
const AT_A_TIME: usize = 2;

#[test]
fn nothing_is_lost_whoever_is_cut_off_or_killed_and_when() {
    let (first, count) =
        (from_environment("TRACKMIRROR_SEED"), from_environment("TRACKMIRROR_SEEDS"));
    let mut seeds: Vec<u64> = match (first, count) {
        (Some(first), count) => (first..first + count.unwrap_or(1)).collect(),
        (None, Some(count)) => (0..count).collect(),
        (None, None) => (0..50).chain(KNOWN_SEEDS).collect(),
    };
    let total = seeds.len();
    let begun = std::time::Instant::now();
    seeds.reverse();
    let next = Mutex::new(seeds);
    let (seen, failed) = (Mutex::new(play::Seen::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(seed) = next.lock().unwrap().pop() else { break };
                    match std::panic::catch_unwind(|| play::run(seed)) {
                        Ok(told) => seen.lock().unwrap().add(&told),
                        Err(_) => failed.lock().unwrap().push(seed),
                    }
                }
            });
        }
    });
    let (seen, failed) = (seen.into_inner().unwrap(), failed.into_inner().unwrap());
    println!("{total} seeds in {:.1} s: {seen}", begun.elapsed().as_secs_f64());
    assert!(
        failed.is_empty(),
        "seeds {failed:?} failed; to repeat one: TRACKMIRROR_SEED={} cargo test --test machines nothing_is_lost",
        failed[0]
    );
}
