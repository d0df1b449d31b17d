//! What images on other machines cost: how late a write is known to the owner, how many bytes its reports have, and what a
//! writer pays for it.
//!
//! ```text
//! cargo bench --bench remote
//! ```
//!
//! It starts a `redis-server` of its own on this machine, without which the delay is not measured.

use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trackmirror::Result;
use trackmirror::enqueue::NobodyElse;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::monitor::remote::{Absorbed, Receiver, Reporter};
use trackmirror::monitor::{Area, Identity, Image, Kind, Subscription};
use trackmirror::remote::{Agent, Channel, RedisChannel, RedisServer};
use trackmirror::volume::memory::MemoryVolume;

/// A volume of 1 TB.
const TRACK_COUNT: u32 = 17_700_000;
const MIGRATION: [u64; 2] = [1, 1];
const NAME: &str = "SYSB";

/// A Redis server that ends with this value, and its folder.
struct Server {
    process: Child,
    folder: std::path::PathBuf,
}

impl Server {
    fn start() -> Option<Server> {
        let folder = std::env::temp_dir().join(format!("trackmirror-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).ok()?;
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(folder.join("socket"))
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let server = Server { process, folder };
        let until = Instant::now() + Duration::from_secs(5);
        while !server.folder.join("socket").exists() {
            assert!(Instant::now() < until, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(server)
    }

    fn address(&self) -> RedisServer {
        let url = format!("redis+unix://{}", self.folder.join("socket").display());
        url.parse().expect("an address")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn area() -> Result<Area> {
    Area::in_process(Identity { track_count: TRACK_COUNT, ..Identity::unknown() })
}

/// A reporter and a receiver that know each other.
fn pair(there: &Area, here: &Area) -> Result<(Reporter, Receiver, Subscription)> {
    let subscription = Subscription::open(here, MIGRATION)?;
    subscription.fill(&[])?;
    let mut reporter = Reporter::open(there, MIGRATION, NAME)?;
    let mut receiver = Receiver::new(&subscription, MIGRATION, NAME, None, 1)?;
    let question = receiver.question(&[], false)?;
    let answer = reporter.answer(&question, None, || Ok(()))?.expect("it is for us");
    receiver.absorb(&answer)?;
    subscription.clear_marks(Extent::new(Track(0), TRACK_COUNT))?;
    Ok((reporter, receiver, subscription))
}

fn main() -> Result<()> {
    million_changes("scattered", |n| Extent::new(Track((n * 17) % TRACK_COUNT), 1))?;
    million_changes("in runs of 15", |n| {
        Extent::new(Track((n / 15 * 255 + n % 15) % TRACK_COUNT), 1)
    })?;
    writer()?;
    match Server::start() {
        Some(server) => delay(&server)?,
        None => println!("delay: not measured, because redis-server could not be started"),
    }
    Ok(())
}

/// Reports of a million changes, applied and acknowledged.
fn million_changes(what: &str, track: impl Fn(u32) -> Extent) -> Result<()> {
    let (there, here) = (area()?, area()?);
    let (mut reporter, mut receiver, subscription) = pair(&there, &here)?;
    let image = Image::register(&there, "W", Kind::Brackets)?;
    for n in 0..1_000_000 {
        image.write(track(n), || ())?;
    }
    let (mut reports, mut bytes, begin) = (0u64, 0u64, Instant::now());
    while let Some(report) = reporter.report(32 << 10, || Ok(()))? {
        (reports, bytes) = (reports + 1, bytes + report.len() as u64);
        if let Absorbed::Report { acknowledgement, .. } = receiver.absorb(&report)? {
            reporter.acknowledge(&acknowledgement)?;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let changed = subscription.changed_count(Extent::new(Track(0), TRACK_COUNT))?;
    println!(
        "a million changes, {what}: {changed} tracks in {reports} reports of {bytes} bytes, {:.0} reports/s, {:.1} \
         million tracks/s",
        reports as f64 / seconds,
        f64::from(changed) / seconds / 1e6
    );
    Ok(())
}

/// Begin and end while another thread reports, and while nobody does.
fn writer() -> Result<()> {
    let (there, here) = (area()?, area()?);
    let image = Image::register(&there, "W", Kind::Brackets)?;
    let subscription = Subscription::open(&there, [2, 2])?;
    subscription.fill(&[])?;
    let measure = || {
        let mut best = f64::MAX;
        for _ in 0..20 {
            let begin = Instant::now();
            for n in 0..100_000u32 {
                let _ = image.write(Extent::new(Track(1000 + n % 64), 1), || black_box(n));
            }
            best = best.min(begin.elapsed().as_secs_f64() * 1e4);
        }
        best
    };
    let alone = measure();
    subscription.close();
    let (mut reporter, mut receiver, _) = pair(&there, &here)?;
    let stop = AtomicBool::new(false);
    let reported = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let report = reporter.report(32 << 10, || Ok(())).expect("nothing to flush");
                if let Some(report) = report
                    && let Ok(Absorbed::Report { acknowledgement, .. }) = receiver.absorb(&report)
                {
                    reporter.acknowledge(&acknowledgement).expect("it is one");
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let reported = measure();
        stop.store(true, Ordering::Relaxed);
        reported
    });
    println!(
        "begin + end: {alone:.1} ns for a migration of this machine, {reported:.1} ns for one of another machine, reported \
         each millisecond"
    );
    Ok(())
}

/// From the end of a write on one machine to its bit on the other, over a real server.
fn delay(server: &Server) -> Result<()> {
    const WRITES: u32 = 2000;
    let device = Device::named("3390")?;
    let geometry = Geometry { device, cylinders: 100, slot_size: device.slot_size() };
    let volume = Arc::new(MemoryVolume::new("VOL001".parse()?, geometry));
    let identity = Identity::of(&*volume)?;
    let (there, here) = (Area::in_process(identity)?, Area::in_process(identity)?);
    let address = server.address();
    let agents = Arc::new(RedisChannel::agent(&address, NAME));
    let mut agent = Agent::new(NAME, agents, Box::new(|_| Ok(Arc::new(NobodyElse))))?;
    agent.add(volume, there.clone(), Vec::new())?;
    let owner = RedisChannel::owner(&address, NAME);
    let subscription = Subscription::open(&here, MIGRATION)?;
    subscription.fill(&[])?;
    let mut receiver = Receiver::new(&subscription, MIGRATION, NAME, None, 1)?;
    let stop = AtomicBool::new(false);
    let mut delays = std::thread::scope(|scope| -> Result<Vec<Duration>> {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if !agent.serve().unwrap_or(false) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let hear = |receiver: &mut Receiver| -> Result<()> {
            for message in owner.receive()? {
                if let Absorbed::Report { acknowledgement, .. } = receiver.absorb(&message)? {
                    owner.send(&acknowledgement)?;
                }
            }
            Ok(())
        };
        let begin = Instant::now();
        while receiver.known().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(10), "the agent does not answer");
            owner.send(&receiver.question(&[], false)?)?;
            std::thread::sleep(Duration::from_millis(20));
            hear(&mut receiver)?;
        }
        let image = Image::register(&there, "W", Kind::Brackets)?;
        let mut delays = Vec::new();
        for n in 0..WRITES {
            let extent = Extent::new(Track(100 + n % 1000), 1);
            subscription.clear_marks(extent)?;
            image.write(extent, || ())?;
            let begin = Instant::now();
            while subscription.changed_count(extent)? == 0 {
                hear(&mut receiver)?;
            }
            delays.push(begin.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        Ok(delays)
    })?;
    delays.sort_unstable();
    let ms = |part: usize| delays[delays.len() * part / 100].as_secs_f64() * 1e3;
    println!(
        "from a write's end to its bit at the owner, over redis-server: median {:.2} ms, 99th percentile {:.2} ms",
        ms(50),
        ms(99)
    );
    Ok(())
}
