//! The window is about as long as it was predicted to be: on disks that exist only in a clock, with noise and sudden long
//! flushes as real ones have them, so that each run is the same whenever and wherever it is made.

use crate::memory::{Between, Memory};
use crate::stage::write;
use crate::world::volser;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use trackmirror::Result;
use trackmirror::checkpoint::{CheckpointStore, MemoryStore};
use trackmirror::clock::Clock;
use trackmirror::migrate::{Goal, Migration, MoveOptions, Receipt, Selection, propose};
use trackmirror::monitor::MonitoredVolume;
use trackmirror::plan::Mode;
use trackmirror::state::State;
use trackmirror::volume::Volume;

const TRACKS: u32 = 8000;
const FIRST: u32 = 30;
/// The writer changes so many tracks a second, of so many that it changes again and again.
const RATE: f64 = 500.0;
const HOT: u32 = 400;
/// What the disks take: for a track, for a flush, for a checkpoint.
const TRACK_US: f64 = 60.0;
const FLUSH_US: f64 = 4000.0;
const CHECKPOINT_US: f64 = 2500.0;

/// A clock that goes on only when somebody lets time pass.
#[derive(Default)]
struct Time(Mutex<Duration>);

impl Clock for Time {
    fn now(&self) -> Duration {
        *self.0.lock()
    }
}

impl Time {
    fn pass(&self, time: Duration) {
        *self.0.lock() += time;
    }
}

/// Time passes here, and the application writes meanwhile.
struct World {
    time: Arc<Time>,
    writer: MonitoredVolume,
    state: Mutex<Going>,
}

struct Going {
    random: u64,
    /// Until the application is asked to close.
    writes: bool,
    count: u64,
}

impl World {
    fn chance(going: &mut Going) -> f64 {
        let random = &mut going.random;
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        (*random >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Lets so many microseconds pass, more or less; a flush in fifty takes ten times as long.
    fn take(&self, microseconds: f64, spikes: bool) -> Result<()> {
        let mut going = self.state.lock();
        let mut factor = 0.6 + 0.8 * World::chance(&mut going);
        if spikes && World::chance(&mut going) < 0.02 {
            factor *= 10.0;
        }
        self.time.pass(Duration::from_secs_f64(microseconds * factor / 1e6));
        if going.writes {
            let passed = self.time.now().as_secs_f64();
            while (going.count as f64) < passed * RATE {
                going.count += 1;
                let track = (World::chance(&mut going) * f64::from(HOT)) as u32;
                write(&self.writer, FIRST + track * (TRACKS / HOT), 10_000 + going.count)?;
            }
        }
        Ok(())
    }
}

/// A checkpoint that takes its time.
struct Slow(MemoryStore, Arc<World>);

impl CheckpointStore for Slow {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        self.0.read(slot)
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.1.take(CHECKPOINT_US, true)?;
        self.0.write(slot, bytes)
    }
    fn location(&self) -> String {
        self.0.location()
    }
}

fn run(seed: u64) -> Receipt {
    let memory = Memory::of_device("2311", &["OLD001"], &["NEW001"], 820);
    memory.data_set("TEST.DATA", &[("OLD001", &[(FIRST, TRACKS)])], |_, _| {});
    let writer = memory.writer("OLD001", "SYSA");
    let time = Arc::new(Time::default());
    let going = Going { random: seed * 0x9E37_79B9 + 1, writes: true, count: 0 };
    let world = Arc::new(World { time: time.clone(), writer, state: Mutex::new(going) });
    let mut host = memory.host(|inner| {
        let [one, two, three] = [(); 3].map(|()| world.clone());
        Arc::new(Between {
            inner,
            read: Box::new(move |_, count| one.take(TRACK_US / 3.0 * f64::from(count), false)),
            write: Box::new(move |_, count| two.take(TRACK_US * f64::from(count), false)),
            flush: Box::new(move |_, _| three.take(FLUSH_US, true)),
        }) as Arc<dyn Volume>
    });
    host.clock = time.clone();
    let selection = Selection {
        masks: &["TEST.**".parse().unwrap()],
        sources: &[volser("OLD001")],
        targets: &[volser("NEW001")],
        mode: Mode::OnePrimary,
        uncataloged: false,
        slack: 0,
    };
    let (plan, _) = propose(&host, &selection).unwrap();
    let store = Slow(MemoryStore::default(), world.clone());
    let mut migration = Migration::new(host, plan, MoveOptions::default(), store, None).unwrap();
    migration.set_goal(Goal::Tracks(HOT.into()));
    while let Some(verb) = migration.next_verb() {
        if migration.state() == State::Mirrored {
            // So it stays for some seconds, before the close is asked for.
            let until = time.now() + Duration::from_secs(3);
            while time.now() < until {
                migration.step(500).unwrap();
                time.pass(migration.pause());
            }
            world.state.lock().writes = false;
        }
        migration.perform(verb, 500).unwrap();
        time.pass(migration.pause().min(Duration::from_millis(50)));
    }
    migration.receipt()
}

#[test]
fn the_window_is_about_as_long_as_predicted() {
    let mut near = 0;
    for seed in 1..=10 {
        let receipt = run(seed);
        let (predicted, taken) = (receipt.predicted_ms.unwrap(), receipt.window_ms.unwrap());
        eprintln!("predicted {predicted} ms, taken {taken} ms, {} tracks", receipt.window_tracks);
        assert!(receipt.window_tracks <= u64::from(HOT), "only the last changes: {receipt:?}");
        near += u32::from(predicted <= 2 * taken && taken <= 2 * predicted);
    }
    assert!(near >= 9, "{near} of 10 windows are within a factor of two of what was predicted");
}
