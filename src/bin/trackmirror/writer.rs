//! `trackmirror demo-writer`: a program that writes data sets as fast as it can, as an image of its own, and keeps a
//! record of every write. The demonstration and the tests start it; who wants to watch a move can, too.
//!
//! It behaves as an application does: it opens its data sets in the registry of openers, finds them through the catalog,
//! and writes through [`MonitoredVolume`]s. It looks whether it is asked to close; then it finishes its writes, closes and
//! ends, or waits until it may open them again, finds them anew, and goes on wherever they are now. Several writers share
//! the tracks among them, so that each track has one writer, as applications do who serialise.
//!
//! | file | has |
//! |---|---|
//! | `stamp` | what it puts on a track |
//! | `ledger` | its record: what it began, what was acknowledged |
//! | `place` | where data sets lie |
//! | `slow` | a volume that writes in halves |
//! | `work` | the threads that write |
//! | `proof` | `demo-check`: that every acknowledged write is where it belongs |
//! | `allocator` | `demo-allocator`: another program, which changes what is allocated |
//! | `changes` | the allocator's record |
//! | `court` | that what it did is as its record says |

pub mod allocator;
mod changes;
mod court;
mod ledger;
mod place;
pub mod proof;
mod slow;
mod stamp;
mod work;

use crate::output::{Answer, count};
use crate::terminal::tell;
use ledger::{Head, Kind, Ledger, Pen};
use place::{Files, Located};
use serde_json::json;
use slow::SlowVolume;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trackmirror::bytes::crc32c;
use trackmirror::monitor::MonitoredVolume;
use trackmirror::registry::openers::{Opened, Openers};
use trackmirror::volume::Access;
use trackmirror::{DsName, Error, Reason, Result};
use work::{History, Session};

/// How often a writer looks whether it is asked to close.
const LOOK: Duration = Duration::from_millis(5);
/// How long a volume that somebody else has for himself is waited for.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Write data sets as fast as possible, and keep a record of every write
#[derive(clap::Args)]
pub struct Arguments {
    /// The image that it is
    #[arg(long, value_name = "NAME")]
    image: String,
    /// The data sets to write
    #[arg(long = "data-set", required = true, num_args = 1.., value_name = "NAME")]
    data_sets: Vec<DsName>,
    #[command(flatten)]
    files: Files,
    /// The file for its record; an earlier life's is gone on with
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
    /// Its number among so many writers of these data sets, from 0: N/OF
    #[arg(long, value_name = "N/OF", default_value = "0/1", value_parser = share)]
    share: (u32, u32),
    /// Where the random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many threads write
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Writes in a second; 0: as many as can be
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Nine of ten writes go to so many groups of tracks of each thread; 0: all to all
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    hot: u32,
    /// The most neighbouring tracks of one write
    #[arg(long, value_name = "TRACKS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=work::GROUP as i64))]
    run: u32,
    /// Write every track of its share once before anything else
    #[arg(long)]
    fill: bool,
    /// After it was asked to close: wait, open again, and go on
    #[arg(long)]
    reopen: bool,
    /// Do not tell the registry of openers: nobody knows that it has them open
    #[arg(long, conflicts_with = "reopen")]
    unlisted: bool,
    /// Write each track in two halves, with a pause of so many microseconds between them
    #[arg(long, value_name = "MICROSECONDS")]
    slow: Option<u64>,
    /// Write tracks of different numbers of blocks
    #[arg(long)]
    vary: bool,
    /// End after so many seconds, not when the standard input ends
    #[arg(long)]
    seconds: Option<u64>,
}

fn share(text: &str) -> std::result::Result<(u32, u32), String> {
    let parsed = text.split_once('/').and_then(|(n, of)| Some((n.parse().ok()?, of.parse().ok()?)));
    parsed.filter(|(number, of)| number < of).ok_or_else(|| "give it as 0/2".into())
}

/// Why a session of writing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// Somebody asked to close.
    Asked(String),
    /// A write was refused by a seal.
    Sealed(String),
    /// The time is over, or the standard input ended.
    Over,
}

/// Writes until it is asked to close, or until it is enough.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let mut writer = Writer::new(arguments);
    let mut lives = Vec::new();
    while let Some(opened) = writer.open()? {
        let session = writer.attach()?;
        let place: Vec<String> = session.data_sets.iter().map(Located::place).collect();
        let end = writer.write(&session, &opened)?;
        drop(opened);
        writer.tell(&match &end {
            End::Asked(by) => format!("asked to close by {by}; closed after {}", writer.said()),
            End::Sealed(why) => format!("refused: {why}; closed after {}", writer.said()),
            End::Over => format!("ended after {}", writer.said()),
        });
        lives.push(json!({ "places": place, "end": format!("{end:?}") }));
        if end == End::Over || !arguments.reopen {
            break;
        }
    }
    let totals = writer.totals();
    let text = format!("{}: {}\n", arguments.image, writer.said());
    let json = json!({
        "image": arguments.image, "incarnation": writer.incarnation(), "done_count": totals.done,
        "refused_count": totals.refused, "lives": lives,
    });
    Ok(Answer::done(text, json))
}

/// A writer, over all its sessions.
struct Writer<'a> {
    arguments: &'a Arguments,
    is_over: Over,
    /// The volumes that it is an image on. They stay so while it waits to open again, as a system's volumes do.
    attached: BTreeMap<PathBuf, Arc<MonitoredVolume>>,
    record: Option<(Pen, History)>,
    /// When it closed, until it has opened again.
    closed_at: Option<Instant>,
}

/// When it is enough.
struct Over {
    input_ended: Arc<AtomicBool>,
    until: Option<Instant>,
}

impl Over {
    /// After these seconds, or when the standard input ends: so it does not outlive whoever started it.
    fn new(seconds: Option<u64>) -> Over {
        let input_ended = Arc::new(AtomicBool::new(false));
        let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        if until.is_none() {
            let flag = input_ended.clone();
            std::thread::spawn(move || {
                let mut input = std::io::stdin().lock();
                while matches!(input.read(&mut [0; 64]), Ok(1..)) {}
                flag.store(true, Ordering::Relaxed);
            });
        }
        Over { input_ended, until }
    }

    fn is_over(&self) -> bool {
        self.input_ended.load(Ordering::Relaxed)
            || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

impl<'a> Writer<'a> {
    fn new(arguments: &'a Arguments) -> Writer<'a> {
        let is_over = Over::new(arguments.seconds);
        Writer { arguments, is_over, attached: BTreeMap::new(), record: None, closed_at: None }
    }

    /// Opens the data sets; waits while they are held, or somebody still wants them to be closed. `None`: it is enough.
    fn open(&self) -> Result<Option<Vec<Opened>>> {
        if self.arguments.unlisted {
            return Ok(Some(Vec::new()));
        }
        let openers = Openers::system()?;
        let names = &self.arguments.data_sets;
        loop {
            let mut wanted = names.iter().map(|name| openers.requested(name));
            if wanted.try_fold(true, |none, claim| claim.map(|claim| none && claim.is_none()))? {
                let opened: Result<Vec<Opened>> =
                    names.iter().map(|name| openers.open(name, &self.arguments.image)).collect();
                match opened {
                    Ok(opened) => return Ok(Some(opened)),
                    Err(error) if error.reason() == Reason::DataSetHeld => {}
                    Err(error) => return Err(error),
                }
            }
            if self.is_over.is_over() {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Finds the data sets and becomes an image on their volumes.
    fn attach(&mut self) -> Result<Session> {
        let until = Instant::now() + WAIT_MAX;
        loop {
            match self.try_attach() {
                // Somebody has a volume for himself, or an earlier life of ours is just being taken apart.
                Err(error)
                    if [Reason::VolumeInUse, Reason::ImageExists].contains(&error.reason())
                        && Instant::now() < until =>
                {
                    std::thread::sleep(LOOK);
                }
                result => return result,
            }
        }
    }

    fn try_attach(&mut self) -> Result<Session> {
        let data_sets = self.arguments.files.locate(&self.arguments.data_sets)?;
        let mut volumes = BTreeMap::new();
        for (path, _, _) in data_sets.iter().flat_map(|data_set| &data_set.extents) {
            if volumes.contains_key(path) {
                continue;
            }
            let volume = match self.attached.get(path) {
                Some(volume) => volume.clone(),
                None => Arc::new(self.become_image(path)?),
            };
            self.attached.insert(path.clone(), volume.clone());
            volumes.insert(path.clone(), volume);
        }
        self.attached.retain(|path, _| volumes.contains_key(path));
        Ok(Session { data_sets, volumes })
    }

    fn become_image(&self, path: &Path) -> Result<MonitoredVolume> {
        let Arguments { image, files, .. } = self.arguments;
        match self.arguments.slow {
            None => files.become_image(path, image),
            Some(pause) => {
                let volume = files.open_volume(path, Access::MonitoredWrite)?;
                let slow = SlowVolume::new(volume, Duration::from_micros(pause));
                MonitoredVolume::attach(Arc::new(slow), image)
            }
        }
    }

    /// Goes on with the ledger, or begins it.
    fn begin_record(&mut self, session: &Session) -> Result<()> {
        let arguments = self.arguments;
        if let Some((_, history)) = &mut self.record {
            *history = History::new(&Ledger::read(&arguments.ledger)?.entries);
            return Ok(());
        }
        let place = |data_set: &Located| (data_set.name, data_set.place());
        let head = Head {
            image: arguments.image.clone(),
            share: arguments.share,
            varies: arguments.vary,
            data_sets: session.data_sets.iter().map(place).collect(),
        };
        let (pen, before) = Pen::open(&arguments.ledger, &head)?;
        self.record = Some((pen, History::new(&before)));
        Ok(())
    }

    /// Writes until it is asked to close, refused, or enough.
    fn write(&mut self, session: &Session, opened: &[Opened]) -> Result<End> {
        let is_first = self.record.is_none();
        self.begin_record(session)?;
        let (pen, history) = self.record.as_ref().expect("it was just begun");
        pen.put(history.event(Kind::Opened, session.place_digest()))?;
        let again = match self.closed_at.take() {
            Some(closed_at) => format!(" again after {} ms", closed_at.elapsed().as_millis()),
            None if pen.incarnation() > 1 => " again".into(),
            None => String::new(),
        };
        let (arguments, is_over) = (self.arguments, &self.is_over);
        tell(&format!("{}: opened{again}, writing on {}\n", arguments.image, session.volsers()));
        let crew = work::Crew { arguments, session, pen, history, is_first };
        let end = crew.work(|| {
            if is_over.is_over() {
                return Ok(Some(End::Over));
            }
            for opened in opened {
                if let Some(claim) = opened.close_requested()? {
                    return Ok(Some(End::Asked(claim.owner)));
                }
            }
            std::thread::sleep(LOOK);
            Ok(None)
        })?;
        pen.put(history.event(Kind::Closed, 0))?;
        self.closed_at = Some(Instant::now());
        Ok(end)
    }

    fn totals(&self) -> work::Totals {
        self.record.as_ref().map(|(_, history)| history.totals()).unwrap_or_default()
    }

    fn incarnation(&self) -> u32 {
        self.record.as_ref().map_or(0, |(pen, _)| pen.incarnation())
    }

    fn said(&self) -> String {
        let totals = self.totals();
        let mut text = count(totals.done, "write");
        if totals.refused > 0 {
            text += &format!(", {} refused", totals.refused);
        }
        text
    }

    fn tell(&self, what: &str) {
        tell(&format!("{}: {what}\n", self.arguments.image));
    }
}

impl Session {
    /// A digest of where the data sets lie.
    fn place_digest(&self) -> u32 {
        self.data_sets.iter().fold(0, |crc, data_set| crc32c(crc, data_set.place().as_bytes()))
    }

    /// The volumes that they lie on, each once.
    fn volsers(&self) -> String {
        let mut volsers: Vec<String> = self
            .data_sets
            .iter()
            .flat_map(|data_set| &data_set.extents)
            .map(|(_, volser, _)| volser.to_string())
            .collect();
        volsers.sort();
        volsers.dedup();
        volsers.join(", ")
    }
}

/// Something is wrong with what a thread was asked.
fn broken(why: &str) -> Error {
    Error::new(Reason::Broken, why)
}
