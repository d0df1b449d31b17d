//! A migration of a volume that a program of the other machine writes to: an owner and an agent of two byte orders.
//!
//! Both machines would write one disk. Here it is one file, and a process of this machine that has it open for writing
//! without being in the owner's area is one that writes unnoticed. So what the agent's program writes, the owner's process
//! writes for it, behind every monitor, between the brackets of the agent's monitor.
//!
//! | line | of whom | |
//! |---|---|---|
//! | `message HEX` | both | a message of the channel |
//! | `write TRACK NUMBER` | agent | its program writes, and waits |
//! | `written` | owner | |
//! | `end` | owner | the migration is complete |
//! | `wrote TRACK NUMBER` | agent | what was written last on each track, behind `end` |

use crate::other::{LONG, Lines};
use crate::world::{World, assert_all_there, fill, nobody, volser};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use trackmirror::enqueue::{CallbackEnqueue, Enqueue, Opener};
use trackmirror::event::EventLog;
use trackmirror::geometry::{Extent, Geometry, Track};
use trackmirror::migrate::{Goal, MoveOptions};
use trackmirror::monitor::{Area, Identity, Image, Kind, MonitoredVolume};
use trackmirror::remote::{Agent, Channel, Machine};
use trackmirror::state::State;
use trackmirror::volume::{self, Access, Held, Lock, Volume};
use trackmirror::{Result, Volser};

const DATA_SETS: &[(&str, &[(u32, u32)])] = &[("TEST.LEDGER", &[(15, 20), (60, 40)])];

/// The image of the volume that both machines write, in their folder.
fn image_in(folder: &Path) -> PathBuf {
    folder.join("OLD001")
}

/// One end of the channel between the machines.
struct End {
    lines: Arc<Lines>,
    received: Mutex<Vec<Vec<u8>>>,
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("End")
    }
}

impl Channel for End {
    fn send(&self, message: &[u8]) -> Result<()> {
        let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
        self.lines.say(format_args!("message {hex}"));
        Ok(())
    }
    fn receive(&self) -> Result<Vec<Vec<u8>>> {
        Ok(std::mem::take(&mut *self.received.lock()))
    }
}

impl End {
    fn new(lines: &Arc<Lines>) -> Arc<End> {
        Arc::new(End { lines: lines.clone(), received: Mutex::default() })
    }

    /// Takes everything that is said, until this is said or the other process ends; what is no message is for `other`.
    fn listen(&self, last: &str, mut other: impl FnMut(&str, &[u64])) {
        while let Some(line) = self.lines.hear() {
            let mut words = line.split(' ');
            match words.next().unwrap() {
                "message" => {
                    let hex = words.next().unwrap().as_bytes().chunks(2);
                    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
                    self.received.lock().push(hex.map(|pair| byte(pair).unwrap()).collect());
                }
                word if word == last => return,
                word => {
                    let numbers: Vec<u64> = words.map(|number| number.parse().unwrap()).collect();
                    other(word, &numbers);
                }
            }
        }
    }
}

/// The owner's side: moves everything while the other machine writes, and sees that every write is in the target. The volumes
/// are made here.
pub fn own(lines: &Arc<Lines>, folder: &Path) {
    let world = World::new(DATA_SETS);
    std::fs::hard_link(world.image("OLD001"), image_in(folder)).unwrap();
    lines.say("ready");
    let (end, raw) = (End::new(lines), open(&world.image("OLD001"), Access::MonitoredWrite));
    let (wrote, is_over) = (Mutex::new(BTreeMap::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut slot = vec![0; raw.geometry().slot_size as usize];
            end.listen("bye", |word, numbers| {
                let (track, number) = (Track(numbers[0] as u32), numbers[1]);
                if word == "wrote" {
                    wrote.lock().insert(track, number);
                    return;
                }
                assert_eq!(word, "write");
                fill(&mut slot, &*raw, track, number);
                raw.write(track, &slot).unwrap();
                end.lines.say("written");
            });
            is_over.store(true, Ordering::SeqCst);
        });
        // Also if it fails: the other process, and the thread that hears it, are to end.
        let _last = Last(lines);
        lead(&world, &end, &is_over);
    });
    let wrote = wrote.into_inner();
    assert!(wrote.len() > 10, "the other machine wrote");
    assert_all_there(&world, "NEW001", &wrote);
}

/// What the owner says last.
struct Last<'a>(&'a Lines);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        self.0.say("end");
    }
}

fn open(image: &Path, access: Access) -> Arc<dyn Volume> {
    volume::open(image, access).unwrap()
}

/// The volume that both machines write. It need not be read past the caches, which are one here; and the emulator cannot say
/// how a file is to be read so.
#[derive(Debug)]
struct Shared(Arc<dyn Volume>);

impl Volume for Shared {
    fn volser(&self) -> Volser {
        self.0.volser()
    }
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }
    fn location(&self) -> String {
        self.0.location()
    }
    fn path(&self) -> Option<&Path> {
        self.0.path()
    }
    fn is_writable(&self) -> bool {
        self.0.is_writable()
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        self.0.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        self.0.write(first, buffer)
    }
    fn flush(&self) -> Result<()> {
        self.0.flush()
    }
    fn is_past_caches(&self) -> bool {
        true
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.0.lock(lock)
    }
}

fn lead(world: &World, end: &Arc<End>, is_over: &AtomicBool) {
    let mut host = world.host(&[], nobody(), &Arc::new(EventLog::default()));
    let shared = Arc::new(Shared(open(&world.image("OLD001"), Access::MonitoredWrite)));
    let shared = MonitoredVolume::attach_in(shared, &world.area(), "SHARED").unwrap();
    host.volumes.insert(volser("OLD001"), Arc::new(shared));
    host.live.as_mut().unwrap().machines = vec![Machine::new("THERE", end.clone()).unwrap()];
    let mut migration = world.migration(host, MoveOptions::default());
    migration.set_goal(Goal::Tracks(30));
    let late = Instant::now() + LONG;
    let mut applied = 0;
    while let Some(verb) = migration.next_verb() {
        let done = migration.perform(verb, 20);
        let (state, machines) = (migration.state(), migration.machines());
        let is_waiting = Instant::now() < late && !is_over.load(Ordering::SeqCst);
        assert!(is_waiting, "{state}, {done:?}, {machines:?}");
        applied =
            machines.iter().flat_map(|one| &one.applied).map(|(_, n)| *n).fold(applied, u64::max);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(migration.state(), State::Complete);
    assert!(applied > 0, "reports were applied");
}

/// The other side: a program that writes until it is asked to close, its monitor, and the agent that reports it.
pub fn serve(lines: &Arc<Lines>, folder: &Path) {
    assert_eq!(lines.hear().as_deref(), Some("ready"));
    let volume = open(&image_in(folder), Access::Read);
    let registry = folder.join("areas");
    std::fs::DirBuilder::new().mode(0o700).create(&registry).unwrap();
    let area = Area::open_in(&registry, Identity::of(&*volume).unwrap()).unwrap();
    let (end, program) = (End::new(lines), Arc::new(Program::default()));
    let enqueue = program.enqueue();
    let enqueue_of = move |_: &str| -> Result<Arc<dyn Enqueue>> { Ok(enqueue.clone()) };
    let mut agent = Agent::new("THERE", end.clone(), Box::new(enqueue_of)).unwrap();
    agent.add(volume, area.clone(), Vec::new()).unwrap();
    let (told, written) = channel();
    let is_over = AtomicBool::new(false);
    let wrote = std::thread::scope(|scope| {
        let (program, area) = (&program, &area);
        let writer = scope.spawn(move || program.write(area, lines, &written));
        scope.spawn(|| {
            // The end of the other process is the writer's, too.
            let told = told;
            end.listen("end", |word, _| {
                assert_eq!(word, "written");
                let _ = told.send(());
            });
            is_over.store(true, Ordering::SeqCst);
        });
        while !is_over.load(Ordering::SeqCst) {
            if !agent.serve().unwrap_or(false) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        writer.join().unwrap()
    });
    wrote.iter().for_each(|(track, number)| lines.say(format_args!("wrote {} {number}", track.0)));
    lines.say("bye");
}

/// A program that writes on the agent's machine, and closes when it is asked to.
#[derive(Default)]
struct Program {
    is_asked: AtomicBool,
    has_closed: AtomicBool,
}

impl Program {
    /// Writes one track after the other, and gives back what was written last on each.
    fn write(&self, area: &Area, lines: &Lines, written: &Receiver<()>) -> BTreeMap<Track, u64> {
        let image = Image::register(area, "WRITER", Kind::Brackets).unwrap();
        let tracks = DATA_SETS.iter().flat_map(|(_, extents)| *extents);
        let tracks = tracks.flat_map(|&(first, count)| first..first + count).map(Track);
        let mut wrote = BTreeMap::new();
        for (track, number) in tracks.cycle().step_by(7).zip(1..) {
            if self.is_asked.load(Ordering::SeqCst) {
                break;
            }
            let write = || {
                lines.say(format_args!("write {} {number}", track.0));
                written.recv_timeout(LONG)
            };
            if image.write(Extent::new(track, 1), write).unwrap().is_err() {
                break;
            }
            wrote.insert(track, number);
            std::thread::sleep(Duration::from_millis(3));
        }
        self.has_closed.store(true, Ordering::SeqCst);
        wrote
    }

    fn enqueue(self: &Arc<Program>) -> Arc<dyn Enqueue> {
        let (asked, closed) = (self.clone(), self.clone());
        Arc::new(CallbackEnqueue {
            ask_to_close: Box::new(move |_, _| {
                asked.is_asked.store(true, Ordering::SeqCst);
                Ok(())
            }),
            is_closed: Box::new(move |_, _| {
                let opener = Opener {
                    image: "WRITER".into(),
                    program: "writer".into(),
                    process: None,
                    data_set: None,
                };
                let has_closed = closed.has_closed.load(Ordering::SeqCst);
                Ok(if has_closed { Vec::new() } else { vec![opener] })
            }),
            hold: Box::new(|_, _| Ok(())),
            release: Box::new(|_, _| Ok(())),
        })
    }
}
