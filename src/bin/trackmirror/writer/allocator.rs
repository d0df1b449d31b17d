//! `trackmirror demo-allocator`: a program that changes what is allocated, as jobs of a system do, and keeps a record of
//! every change. The tests start it beside writers and a migration.
//!
//! It is an image of its own on every volume that it changes, opens the data sets in the registry of openers for the time
//! of one change, and does each change as a system does it: VTOC and catalog one after the other, then the tracks. It
//! either makes up its changes, or does those that it is told, each once, however often it is called.

use super::changes::{Change, Known, Record, Recorder, Stage};
use super::place::Files;
use super::stamp::{Shape, Stamp, mixed};
use super::{LOOK, Over, WAIT_MAX, broken};
use crate::output::{Answer, count};
use crate::terminal::tell;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::registry::openers::{Opened, Openers};
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Access, Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{DataSetDscbs, Expiration, FreeSpace, Identity, NewDataSet, SpaceManager};
use trackmirror::{DsName, Error, Reason, Result, Volser};

/// The number that stands for it on the tracks that it writes.
pub const WRITER: u32 = 900;
/// So many data sets of its own it has at most.
const OWN_MAX: usize = 4;
/// So often it extends those of others at most.
const FOREIGN_MAX: usize = 4;
/// The tracks that it adds at a time.
const TRACKS_MAX: u64 = 6;
/// The extents that a part of a data set may have.
const EXTENTS_MAX: usize = 16;

/// Change what is allocated, and keep a record of every change
#[derive(clap::Args)]
pub struct Arguments {
    /// The image that it is
    #[arg(long, value_name = "NAME")]
    image: String,
    #[command(flatten)]
    files: Files,
    /// The file for its record; an earlier life's is gone on with
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
    /// Its own data sets are called so, with a further qualifier
    #[arg(long, value_name = "NAME", default_value = "OWN")]
    own: DsName,
    /// Data sets of others, which it extends only
    #[arg(long, num_args = 1.., value_name = "NAME")]
    extend: Vec<DsName>,
    /// Its new data sets go to these volumes
    #[arg(long, num_args = 1.., value_name = "VOLSER")]
    on: Vec<Volser>,
    /// The block size of its data sets
    #[arg(long, default_value_t = 500)]
    blksize: u16,
    /// The changes to be done, each once: 'create NAME VOLSER TRACKS', 'again NAME VOLSER TRACKS', 'extend NAME VOLSER
    /// TRACKS BEHIND', 'release NAME TRACKS', 'delete NAME', 'rename NAME NAME', 'touch NAME'
    #[arg(long = "do", num_args = 1.., value_name = "CHANGE", value_parser = |text: &str| text.parse::<Change>())]
    told: Vec<Change>,
    /// Do not look at the registry of openers: nobody knows that it has them open
    #[arg(long)]
    unlisted: bool,
    /// Where the random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// At most so many milliseconds between two changes
    #[arg(long, default_value_t = 30)]
    pause: u64,
    /// End after so many seconds, not when the standard input ends
    #[arg(long)]
    seconds: Option<u64>,
}

/// Changes what it is told, or makes up changes until it is enough.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let mut allocator = Allocator::new(arguments)?;
    if arguments.told.is_empty() {
        allocator.make_up()?;
    } else {
        // Numbers of changes are their places in what it is told.
        let done = allocator.record.last() as usize;
        arguments.told.iter().skip(done).try_for_each(|change| allocator.perform(change))?;
    }
    let number = allocator.record.done().count() as u64;
    let text = format!("{}: {}\n", arguments.image, count(number, "change"));
    tell(&text);
    Ok(Answer::done(text, json!({ "image": arguments.image, "change_count": number })))
}

struct Allocator<'a> {
    arguments: &'a Arguments,
    recorder: Recorder,
    record: Record,
    /// The volumes that it is an image on.
    attached: BTreeMap<PathBuf, Arc<dyn Volume>>,
    random: u64,
}

/// One part of a data set, where it is now.
struct Part {
    space: VtocSpaceManager,
    volume: Arc<dyn Volume>,
    found: DataSetDscbs,
}

/// Why a change cannot be made now; nothing was changed.
enum NotNow {
    Because(&'static str),
    Failed(Error),
}

impl From<Error> for NotNow {
    fn from(error: Error) -> NotNow {
        match error.reason() {
            Reason::DataSetHeld => NotNow::Because("it is held"),
            Reason::VolumeInUse => NotNow::Because("somebody has a volume for himself"),
            Reason::NameNotFound => NotNow::Because("it cannot be found now"),
            _ => NotNow::Failed(error),
        }
    }
}

/// What is needed for a change, and is there.
struct Ready {
    catalog: CvolCatalog,
    parts: Vec<Part>,
    /// Where tracks are added.
    volume: Option<Arc<dyn Volume>>,
    extents: Vec<Extent>,
    /// Kept until the change is done.
    _opened: Vec<Opened>,
}

impl<'a> Allocator<'a> {
    fn new(arguments: &'a Arguments) -> Result<Allocator<'a>> {
        let (recorder, record) = Recorder::open(&arguments.record)?;
        if let Some(change) = record.unfinished() {
            return Err(broken(&format!("an earlier life died within '{change}'")));
        }
        let random = mixed(arguments.seed ^ record.last() << 32);
        Ok(Allocator { arguments, recorder, record, attached: BTreeMap::new(), random })
    }

    /// A random number below a limit.
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(1);
        mixed(self.random) % limit.max(1)
    }

    /// One of several.
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn make_up(&mut self) -> Result<()> {
        let over = Over::new(self.arguments.seconds);
        // It is an image from the start, so that nobody waits for it.
        let until = Instant::now() + WAIT_MAX;
        for volser in self.arguments.on.clone() {
            loop {
                match self.volume(volser) {
                    Ok(_) => break,
                    Err(NotNow::Because(_)) if Instant::now() < until => std::thread::sleep(LOOK),
                    Err(NotNow::Because(why)) => return Err(broken(&format!("{volser}: {why}"))),
                    Err(NotNow::Failed(error)) => return Err(error),
                }
            }
        }
        tell(&format!("{}: ready\n", self.arguments.image));
        while !over.is_over() {
            let change = self.choose();
            match self.ready(&change) {
                Ok(ready) => self.do_it(&change, ready)?,
                Err(NotNow::Because(why)) => log::debug!("{change}: {why}"),
                Err(NotNow::Failed(error)) => return Err(error),
            }
            let pause = self.below(self.arguments.pause);
            let until = Instant::now() + Duration::from_millis(pause);
            while !over.is_over() && Instant::now() < until {
                std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
            }
        }
        Ok(())
    }

    /// A change that makes sense.
    fn choose(&mut self) -> Change {
        let (known, _) = self.record.outcome();
        let own: Vec<(DsName, Known)> =
            known.into_iter().filter(|(_, known)| known.is_own).collect();
        let volser = self.pick(&self.arguments.on.clone());
        let track_count = 1 + self.below(TRACKS_MAX) as u32;
        let number = self.record.lines.len();
        let fresh: DsName = format!("{}.D{number}", self.arguments.own).parse().expect("a name");
        let foreign = self.record.done().filter(|(_, change)| {
            matches!(change, Change::Extend { name, .. } if self.arguments.extend.contains(name))
        });
        let may_extend = foreign.count() < FOREIGN_MAX && !self.arguments.extend.is_empty();
        if may_extend && self.below(5) == 0 {
            let name = self.pick(&self.arguments.extend.clone());
            // How many it has is seen when it is done.
            return Change::Extend { name, volser, track_count, behind: u32::MAX };
        }
        if own.is_empty() || own.len() < OWN_MAX && self.below(4) == 0 {
            return Change::Create { name: fresh, volser, track_count };
        }
        let at = self.below(own.len() as u64) as usize;
        let (name, known) = &own[at];
        let (name, has) = (*name, known.track_count);
        match self.below(7) {
            0 | 1 => Change::Extend { name, volser, track_count, behind: has },
            2 => Change::Release { name, track_count: has.saturating_sub(track_count).max(1) },
            3 => Change::Delete { name },
            4 => Change::Rename { name, to: fresh },
            5 => Change::Again { name, volser, track_count },
            _ => Change::Touch { name },
        }
    }

    /// Does what it was told; who is in the way is waited for.
    fn perform(&mut self, change: &Change) -> Result<()> {
        let until = Instant::now() + WAIT_MAX;
        loop {
            match self.ready(change) {
                Ok(ready) => return self.do_it(change, ready),
                Err(NotNow::Failed(error)) => return Err(error),
                Err(NotNow::Because(why)) if Instant::now() >= until => {
                    return Err(broken(&format!("'{change}' cannot be done: {why}")));
                }
                Err(NotNow::Because(_)) => std::thread::sleep(LOOK),
            }
        }
    }

    /// Opens what a change needs, and sees that it can be done.
    fn ready(&mut self, change: &Change) -> std::result::Result<Ready, NotNow> {
        let opened = self.open(change)?;
        let catalog = self.catalog()?;
        let name = change.names()[0];
        let parts = match change {
            Change::Create { .. } => Vec::new(),
            _ => self.parts(&name)?,
        };
        let mut ready =
            Ready { catalog, parts, volume: None, extents: Vec::new(), _opened: opened };
        match *change {
            Change::Create { volser, track_count, .. }
            | Change::Again { volser, track_count, .. } => {
                let volume = self.volume(volser)?;
                ready.extents = self.free(&volume, track_count)?;
                ready.volume = Some(volume);
            }
            Change::Extend { volser, track_count, .. } => {
                let on = |part: &Part| part.volume.volser();
                let last = ready.parts.last().ok_or(NotNow::Because("it has no parts"))?;
                let has_part = ready.parts.iter().any(|part| on(part) == volser);
                // Not inside: the tracks behind it would get other numbers.
                let to = if has_part { on(last) } else { volser };
                let volume = self.volume(to)?;
                ready.extents = self.free(&volume, track_count)?;
                if on(last) == to && last.found.extents.len() >= EXTENTS_MAX {
                    return Err(NotNow::Because("it has as many extents as it can have"));
                }
                ready.volume = Some(volume);
            }
            Change::Release { track_count, .. } => {
                let before: u32 =
                    ready.parts.iter().rev().skip(1).map(|part| part.found.track_count()).sum();
                if track_count <= before {
                    return Err(NotNow::Because("its last part would be empty"));
                }
            }
            Change::Delete { .. } | Change::Rename { .. } | Change::Touch { .. } => {}
        }
        if let Some(volume) = &ready.volume {
            let has_part = ready.parts.iter().any(|part| part.volume.volser() == volume.volser());
            let space = VtocSpaceManager::new(volume.clone());
            if !has_part && space.find(&name)?.is_some() {
                return Err(NotNow::Because("a copy that nobody has scratched yet is there"));
            }
        }
        Ok(ready)
    }

    /// Has the data sets for itself, as far as anybody can tell, unless somebody wants them to be closed.
    fn open(&self, change: &Change) -> Result<Vec<Opened>> {
        if self.arguments.unlisted {
            return Ok(Vec::new());
        }
        let openers = Openers::system()?;
        let mut opened = Vec::new();
        for name in change.names() {
            if openers.requested(&name)?.is_some() {
                return Err(Error::new(Reason::DataSetHeld, "it is to be closed"));
            }
            opened.push(openers.open(&name, &self.arguments.image)?);
        }
        Ok(opened)
    }

    /// A volume that it writes; it is an image on it.
    fn volume(&mut self, volser: Volser) -> std::result::Result<Arc<dyn Volume>, NotNow> {
        let has = |volume: &&Arc<dyn Volume>| volume.volser() == volser;
        if let Some(volume) = self.attached.values().find(has) {
            return Ok(volume.clone());
        }
        let files = &self.arguments.files;
        for path in files.volumes.iter().chain(&files.catalogs) {
            if !self.attached.contains_key(path)
                && files.open_volume(path, Access::Read)?.volser() == volser
            {
                let volume: Arc<dyn Volume> =
                    Arc::new(files.become_image(path, &self.arguments.image)?);
                self.attached.insert(path.clone(), volume.clone());
                return Ok(volume);
            }
        }
        Err(NotNow::Failed(broken(&format!("no image of {volser} is given"))))
    }

    fn catalog(&mut self) -> std::result::Result<CvolCatalog, NotNow> {
        for path in self.arguments.files.catalogs.clone() {
            let volser = match self.attached.get(&path) {
                Some(volume) => volume.volser(),
                None => self.arguments.files.open_volume(&path, Access::Read)?.volser(),
            };
            if let Some(catalog) = CvolCatalog::find_on(self.volume(volser)?)? {
                return Ok(catalog);
            }
        }
        Err(NotNow::Failed(broken("none of the volumes has a catalog")))
    }

    /// The parts of a data set, in order.
    fn parts(&mut self, name: &DsName) -> std::result::Result<Vec<Part>, NotNow> {
        let catalog = self.catalog()?;
        let missing = || NotNow::Because("it cannot be found now");
        let entry = catalog.locate(name)?.ok_or_else(missing)?;
        let mut parts = Vec::new();
        for on in entry.volumes {
            let volume = self.volume(on.volser)?;
            let space = VtocSpaceManager::new(volume.clone());
            let found = space.find(name)?.ok_or_else(missing)?;
            parts.push(Part { space, volume, found });
        }
        Ok(parts)
    }

    /// Free tracks in one piece.
    fn free(
        &self,
        volume: &Arc<dyn Volume>,
        track_count: u32,
    ) -> std::result::Result<Vec<Extent>, NotNow> {
        let vtoc = VtocSpaceManager::new(volume.clone()).read()?;
        let fit = FreeSpace::of(&vtoc)?.fit(track_count, false);
        fit.map(|extent| vec![extent]).ok_or(NotNow::Because("the volume is full"))
    }

    /// Does a change that is ready.
    fn do_it(&mut self, change: &Change, ready: Ready) -> Result<()> {
        let change = match change {
            Change::Extend { name, track_count, .. } => Change::Extend {
                name: *name,
                volser: ready.volume.as_ref().expect("it was chosen").volser(),
                track_count: *track_count,
                behind: ready.parts.iter().map(|part| part.found.track_count()).sum(),
            },
            other => other.clone(),
        };
        let number = self.record.last() + 1;
        self.note(number, Stage::Begun, &change)?;
        match self.act(number, &change, ready) {
            Ok(()) => self.note(number, Stage::Done, &change),
            // Somebody else took the space in between: the first thing that is done fails.
            Err(error) if error.reason() == Reason::NoSpace => {
                self.note(number, Stage::Failed, &change)
            }
            Err(error) => Err(error),
        }
    }

    fn note(&mut self, number: u64, stage: Stage, change: &Change) -> Result<()> {
        self.recorder.put(number, stage, change)?;
        self.record.lines.push((number, stage, change.clone()));
        Ok(())
    }

    fn act(&self, number: u64, change: &Change, ready: Ready) -> Result<()> {
        let Ready { catalog, parts, volume, extents, _opened } = &ready;
        match *change {
            Change::Create { name, .. } => {
                let volume = volume.as_ref().expect("it was chosen");
                self.make(number, name, volume, extents, catalog)
            }
            Change::Again { name, .. } => {
                let volume = volume.as_ref().expect("it was chosen");
                catalog.delete(&name, &NoJournal)?;
                parts.iter().try_for_each(scratch)?;
                self.make(number, name, volume, extents, catalog)
            }
            Change::Extend { name, behind, .. } => {
                let volume = volume.as_ref().expect("it was chosen");
                match parts.last().filter(|part| part.volume.volser() == volume.volser()) {
                    Some(part) => part.extend(extents)?,
                    None => self.add_part(name, parts, volume, extents, catalog)?,
                }
                self.fill(number, name, volume, extents, behind)
            }
            Change::Release { name, track_count } => {
                let part = parts.last().expect("it was seen");
                let before: u32 =
                    parts[..parts.len() - 1].iter().map(|part| part.found.track_count()).sum();
                let keep = track_count - before;
                let mut format1 = part.found.format1;
                let record = format1.last_used().map_or(0, |(_, record)| record);
                format1.set_last_used(Some((keep - 1, record)));
                let id = Identity::of(&part.found);
                part.space.update(&id, &format1, &NoJournal)?;
                part.space.release(&id, keep, &NoJournal)?;
                log::debug!("{name} has {track_count} tracks");
                Ok(())
            }
            Change::Delete { name } => {
                catalog.delete(&name, &NoJournal)?;
                parts.iter().try_for_each(scratch)
            }
            Change::Rename { name, to } => {
                for part in parts {
                    part.space.rename(&Identity::of(&part.found), &to, &NoJournal)?;
                }
                catalog.rename(&name, &to, &NoJournal)
            }
            Change::Touch { .. } => parts.iter().try_for_each(|part| {
                let mut format1 = part.found.format1;
                let [high, middle, low] = format1.secondary();
                format1.set_secondary([high, middle, low.wrapping_add(1)]);
                let id = Identity::of(&part.found);
                part.space.update(&id, &format1, &NoJournal).map(drop)
            }),
        }
    }

    fn new_format1(&self, name: DsName, first: Volser, sequence: u16) -> Format1 {
        let mut format1 = Format1::new(name);
        format1.set_first_volser(first);
        format1.set_volume_sequence(sequence);
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_recfm(0x80);
        format1.set_lrecl(self.arguments.blksize);
        format1.set_blksize(self.arguments.blksize);
        format1.set_indicators(Format1::DSIND_LAST_VOLUME);
        format1.set_scal1(0x80);
        format1
    }

    /// Allocates, catalogs, and fills.
    fn make(
        &self,
        number: u64,
        name: DsName,
        volume: &Arc<dyn Volume>,
        extents: &[Extent],
        catalog: &CvolCatalog,
    ) -> Result<()> {
        let space = VtocSpaceManager::new(volume.clone());
        let format1 = self.new_format1(name, volume.volser(), 1);
        space.allocate(&NewDataSet { format1, extents: extents.to_vec() }, &NoJournal)?;
        let entry = CatalogEntry { name, volumes: vec![cataloged(&**volume)], dscb: None };
        catalog.add(&entry, &NoJournal)?;
        self.fill(number, name, volume, extents, 0)
    }

    /// A part on a volume that has none: the one before is no longer the last.
    fn add_part(
        &self,
        name: DsName,
        parts: &[Part],
        volume: &Arc<dyn Volume>,
        extents: &[Extent],
        catalog: &CvolCatalog,
    ) -> Result<()> {
        let (first, last) = (&parts[0], &parts[parts.len() - 1]);
        let sequence = parts.len() as u16 + 1;
        let mut format1 = self.new_format1(name, first.volume.volser(), sequence);
        let model = &first.found.format1;
        format1.set_recfm(model.recfm());
        format1.set_lrecl(model.lrecl());
        format1.set_blksize(model.blksize());
        let space = VtocSpaceManager::new(volume.clone());
        space.allocate(&NewDataSet { format1, extents: extents.to_vec() }, &NoJournal)?;
        let mut before = last.found.format1;
        before.set_indicators(before.indicators() & !Format1::DSIND_LAST_VOLUME);
        last.space.update(&Identity::of(&last.found), &before, &NoJournal)?;
        let from = catalog.locate(&name)?.ok_or_else(|| broken("its entry has gone"))?;
        let mut to = from.clone();
        to.volumes.push(cataloged(&**volume));
        catalog.recatalog(&from, &to, &NoJournal)
    }

    /// Fills tracks of a data set that are behind so many others; then all of its last part is used.
    fn fill(
        &self,
        number: u64,
        name: DsName,
        volume: &Arc<dyn Volume>,
        extents: &[Extent],
        behind: u32,
    ) -> Result<()> {
        let space = VtocSpaceManager::new(volume.clone());
        let found = space.find(&name)?.ok_or_else(|| broken("what was just made has gone"))?;
        let device = volume.geometry().device;
        let shape = Shape::of(&found.format1, device)?;
        let mut slot = vec![0; volume.slot_size()];
        let tracks = extents.iter().flat_map(|extent| (extent.first.0..extent.end().0).map(Track));
        for (at, track) in tracks.zip(behind..) {
            let stamp = Stamp { writer: WRITER, write: number, track };
            stamp.put(&mut slot, volume.place(at), shape, &name)?;
            volume.write(at, &slot)?;
        }
        let mut format1 = found.format1;
        let blocks = device.records_per_track(0, format1.blksize());
        format1.set_last_used(Some((found.track_count() - 1, blocks as u8)));
        let balance = device.balance((0..blocks).map(|_| (0, format1.blksize())));
        format1.set_balance(u16::try_from(balance).unwrap_or(u16::MAX));
        space.update(&Identity::of(&found), &format1, &NoJournal).map(drop)
    }
}

impl Part {
    fn extend(&self, by: &[Extent]) -> Result<()> {
        self.space.extend(&Identity::of(&self.found), by, &NoJournal).map(drop)
    }
}

fn scratch(part: &Part) -> Result<()> {
    part.space.scratch(&Identity::of(&part.found), Expiration::Ignore, &NoJournal)
}

fn cataloged(volume: &dyn Volume) -> CatalogVolume {
    let unit_type = volume.geometry().device.unit_type();
    CatalogVolume { unit_type, volser: volume.volser(), file_sequence: 0 }
}
