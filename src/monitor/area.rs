//! A volume's monitor area: opened, its images looked at, buried, retired.

use super::file::{self, Opened, Trouble};
use super::flow::{Kind, Reaped, Standing};
use super::layout::{Identity, Shape, header, image, slot, subscription};
use super::map::{self, Locks, Memory};
use super::program::{self, LivingProgram};
use super::seat;
use super::sync::{Ordering, fence};
use crate::clock::{Clock, SystemClock};
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::geometry::Track;
use crate::registry::areas;
use crate::volume::Volume;
use crate::volume::locks::{Holder, strangers};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A volume's monitor area: see the [module](super). Clones are the same area.
#[derive(Clone, Debug)]
pub struct Area {
    pub(super) opened: Arc<Opened>,
}

/// What is known of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReport {
    /// Its name.
    pub name: String,
    /// What it can tell.
    pub kind: Kind,
    /// Its state; one that died is [`Standing::Dead`] here also before it was buried, one that ended by itself
    /// [`Standing::Farewell`].
    pub standing: Standing,
    /// The number of its registration.
    pub incarnation: u64,
    /// Its process, for messages only.
    pub process: u64,
    /// Whether that number is one in the table of processes that this program sees, and not in that of a container.
    pub is_process_known: bool,
    /// When it last said that it lives, since 1970.
    pub last_sign_of_life: Duration,
    /// Writes in flight in slots.
    pub slots_in_use: u32,
    /// Writes in flight that found no slot.
    pub writes_without_slot: u64,
    /// Writes that have ended, were refused or were noted, in all.
    pub write_count: u64,
    /// Writes that were refused because a track was sealed.
    pub refused_count: u64,
    /// The track refused last.
    pub last_refused: Option<Track>,
}

/// What is known of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionReport {
    /// Its migration.
    pub migration: [u64; 2],
    /// The process that owns (or owned) it, for messages only.
    pub process: u64,
    /// When it began, since 1970.
    pub since: Duration,
    /// Whether a living process owns it.
    pub is_owned: bool,
}

impl Identity {
    /// An identity of which nothing is known but, to be filled in, the number of tracks.
    pub const fn unknown() -> Identity {
        Identity { track_count: 0, heads: 0, device_code: 0, volser: [0; 6], device: 0, inode: 0 }
    }

    /// The identity of a volume; with the image's (first) file, if it is one.
    pub fn of(volume: &dyn Volume) -> Result<Identity> {
        let geometry = volume.geometry();
        let mut identity = Identity {
            track_count: geometry.track_count(),
            heads: geometry.heads(),
            device_code: geometry.device.code,
            volser: volume.volser().into(),
            ..Identity::unknown()
        };
        if let Some(path) = volume.path() {
            let io = |e| Error::io(path.display(), &e).on_volume(volume.volser());
            let metadata = std::fs::metadata(path).map_err(io)?;
            (identity.device, identity.inode) = areas::key_of(&metadata);
        }
        Ok(identity)
    }
}

impl Area {
    /// Opens (or makes) the area of a volume in the [registry's folder](areas).
    ///
    /// Errors: [`Reason::AreaDamaged`], [`Reason::AreaByteOrder`], [`Reason::AreaForeign`], [`Reason::AreaBusy`],
    /// [`Reason::Io`].
    pub fn open(volume: &dyn Volume) -> Result<Area> {
        let folder = areas::area_folder().map_err(|e| Error::io("the registry", &e))?;
        Area::open_in(&folder, Identity::of(volume)?)
    }

    /// The area of a volume, if there is one: for those who only look, and leave nothing behind.
    ///
    /// Errors: as of [`open`](Area::open).
    pub fn existing(volume: &dyn Volume) -> Result<Option<Area>> {
        let io = |e| Error::io("the registry", &e);
        let Some(folder) = areas::existing_folder().map_err(io)? else { return Ok(None) };
        let identity = Identity::of(volume)?;
        let path = areas::area_file(&folder, identity.device, identity.inode);
        let opened = Opened::existing(&path, &identity).map_err(|t| error_of(t, &identity))?;
        Ok(opened.map(|opened| Area { opened: Arc::new(opened) }))
    }

    /// Opens (or makes) the area of a volume in a folder.
    pub fn open_in(folder: &Path, identity: Identity) -> Result<Area> {
        let io = |e| Error::io(folder.display(), &e);
        let folder = areas::checked(folder.into()).map_err(io)?;
        let mode = areas::file_mode(&folder).map_err(io)?;
        let path = areas::area_file(&folder, identity.device, identity.inode);
        let opened = Opened::in_file(&path, mode, identity);
        Ok(Area { opened: Arc::new(opened.map_err(|t| error_of(t, &identity))?) })
    }

    /// A new area in the memory of this process, for writers that are all in it.
    pub fn in_process(identity: Identity) -> Result<Area> {
        let shape = file::new_shape(&identity).map_err(|t| error_of(t, &identity))?;
        Area::in_memory(Memory::heap(shape.word_count()), Locks::local(), identity)
    }

    /// An area in memory that the host gives; it is made there if the memory is all zero. Needs [`Area::byte_count`].
    pub fn in_memory(memory: Memory, locks: Locks, identity: Identity) -> Result<Area> {
        let opened = Opened::in_memory(memory, locks, identity);
        Ok(Area { opened: Arc::new(opened.map_err(|t| error_of(t, &identity))?) })
    }

    /// How many bytes the area of a volume with so many tracks has; `None` if no volume has so many.
    pub fn byte_count(track_count: u32) -> Option<usize> {
        Shape::new(track_count).map(|shape| shape.word_count() * 8)
    }

    /// The area's id. A migration that finds another one than before must take all tracks for changed.
    pub fn id(&self) -> [u64; 2] {
        self.opened.id()
    }

    /// The boot of the machine in which the area was made.
    pub fn boot(&self) -> [u64; 2] {
        self.opened.boot()
    }

    /// What the area belongs to.
    pub fn identity(&self) -> &Identity {
        self.opened.identity()
    }

    /// Its file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        self.opened.path.as_deref()
    }

    /// Every image that ever registered and whose record was not needed for another one.
    pub fn images(&self) -> Vec<ImageReport> {
        let indexes = 0..self.opened.shape.image_capacity();
        indexes.filter_map(|index| self.image_report(index)).collect()
    }

    fn image_report(&self, index: usize) -> Option<ImageReport> {
        let flow = self.opened.flow();
        let get = |word| flow.image(index, word).load(Ordering::Acquire);
        let state = get(image::STATE);
        let mut standing = Standing::of(state);
        if standing == Standing::Free {
            return None;
        }
        let kind = Kind::of(get(image::KIND));
        let held = self.opened.locks.is_held(file::image_byte(index)).unwrap_or(true);
        if standing.may_write() && !held {
            standing = match kind {
                Kind::Remote => Standing::Silent,
                _ if standing == Standing::Attached
                    && seat::has_ended(&self.opened, index, kind) =>
                {
                    Standing::Farewell
                }
                _ => Standing::Dead,
            };
        }
        let (mut slots_in_use, mut write_count) = (0, get(image::NOTED));
        for number in 0..self.opened.shape.slot_capacity() {
            let get = |word| flow.slot(index, number, word).load(Ordering::Acquire);
            slots_in_use += u32::from(get(slot::RANGE) != 0);
            write_count = write_count.wrapping_add(get(slot::ENDED));
        }
        let refused_track = get(image::REFUSED_TRACK).checked_sub(1);
        Some(ImageReport {
            name: seat::name_text(seat::name_at(&self.opened, index)),
            kind,
            standing,
            incarnation: state >> 8,
            process: get(image::PROCESS),
            is_process_known: get(image::PID_NAMESPACE) == map::pid_namespace(),
            last_sign_of_life: Duration::from_millis(get(image::SIGN_OF_LIFE)),
            slots_in_use,
            writes_without_slot: get(image::WITHOUT_SLOT),
            write_count,
            refused_count: get(image::REFUSED),
            last_refused: refused_track.and_then(|track| u32::try_from(track).ok()).map(Track),
        })
    }

    /// That every one of these images is registered and alive, and no image has fallen silent.
    ///
    /// Error: [`Reason::NotCovered`], naming the first that is not.
    pub fn check_coverage<S: AsRef<str>>(&self, names: &[S]) -> Result<()> {
        self.check_images(names, |image| image.standing == Standing::Attached)
    }

    /// That none of these images can write without being noticed: each was registered, alive or ended since, and no image
    /// has fallen silent.
    ///
    /// Error: [`Reason::NotCovered`], naming the first that is not.
    pub fn check_known<S: AsRef<str>>(&self, names: &[S]) -> Result<()> {
        self.check_images(names, |_| true)
    }

    fn check_images<S: AsRef<str>>(
        &self,
        names: &[S],
        is_well: impl Fn(&ImageReport) -> bool,
    ) -> Result<()> {
        let images = self.images();
        let silent = images.iter().find(|image| image.standing == Standing::Silent);
        let silent = silent.filter(|_| !defect(Defect::SilenceIsIgnored));
        let missing = names
            .iter()
            .map(AsRef::as_ref)
            .find(|name| !images.iter().any(|image| image.name == *name && is_well(image)));
        let why = match (silent, missing) {
            (Some(image), _) => format!(
                "image {} fell silent; let it come back, or retire it when it cannot write any more",
                image.name
            ),
            (None, Some(name)) => {
                let states: Vec<_> = images.iter().filter(|image| image.name == name).collect();
                let state = states.last().map_or_else(
                    || "is not registered".into(),
                    |image| match image.standing {
                        Standing::Farewell => "has ended".into(),
                        Standing::Dead => "has died".into(),
                        standing => format!("is {standing:?}").to_lowercase(),
                    },
                );
                let may_write = images.iter().filter(|image| image.standing.may_write());
                let others: Vec<&str> = may_write.map(|image| image.name.as_str()).collect();
                let others = match (states.is_empty(), others.is_empty()) {
                    (true, false) => format!("; registered are: {}", others.join(", ")),
                    _ => String::new(),
                };
                format!("image {name} {state}; start it with its monitor{others}")
            }
            (None, None) => return Ok(()),
        };
        Err(self.error(Reason::NotCovered, why))
    }

    /// The processes that have the volume's image open for writing and are no registered image, though they were given
    /// the time to register. One that was registered when it had the image open, and has ended by now, is none of them.
    pub fn unregistered_writers(&self, image: &Path) -> Result<Vec<Holder>> {
        let last = self.opened.flow().header(header::INCARNATION).load(Ordering::SeqCst);
        let at_first: BTreeSet<u64> = self.living_processes().collect();
        strangers(image, &|writer| {
            let process = u64::from(writer.process);
            // Short-lived programs are gone before one has looked twice.
            let came_since = |image: ImageReport| {
                image.is_process_known && image.process == process && image.incarnation > last
            };
            at_first.contains(&process) || self.images().into_iter().any(came_since)
        })
    }

    fn living_processes(&self) -> impl Iterator<Item = u64> {
        let may_write = |image: &ImageReport| image.standing.may_write() && image.is_process_known;
        self.images().into_iter().filter(may_write).map(|image| image.process)
    }

    /// Whether a process that has the volume's image open for writing is a registered image, by its process id.
    pub fn is_registered(&self, writer: &Holder) -> bool {
        self.living_processes().any(|process| process == u64::from(writer.process))
    }

    /// The programs that were started by `trackmirror monitored`, have written this volume, and live: itself, or anything
    /// that they started. None if the area is in memory.
    pub fn living_programs(&self) -> Result<Vec<LivingProgram>> {
        let Some(folder) = self.path().and_then(Path::parent) else { return Ok(Vec::new()) };
        let io = |e| Error::io("who lives of the programs with monitors", &e);
        let mut programs = program::living(folder).map_err(io)?;
        let Identity { device, inode, .. } = *self.identity();
        programs.retain(|program| program.may_write(device, inode));
        Ok(programs)
    }

    /// Whether programs that come now come to this area, and not to one that has taken its place.
    pub(crate) fn is_current(&self) -> bool {
        self.opened.is_current().unwrap_or(false)
    }

    /// Buries every image that has died, and frees every slot whose thread has ended: what they had in flight becomes
    /// changed tracks. Gives back the names of those that died, with what they had in flight.
    pub fn reap(&self) -> Result<Vec<(String, Reaped)>> {
        let mut buried = Vec::new();
        for index in 0..self.opened.shape.image_capacity() {
            let name = seat::name_text(seat::name_at(&self.opened, index));
            self.reap_wrongly(index);
            let reaped = seat::bury_if_dead(&self.opened, index);
            buried.extend(reaped.map_err(|t| self.trouble(t))?.map(|reaped| (name, reaped)));
        }
        self.reap_threads()?;
        Ok(buried)
    }

    /// What some mistakes would do.
    fn reap_wrongly(&self, index: usize) {
        let flow = self.opened.flow();
        let tells = Kind::of(flow.image(index, image::KIND).load(Ordering::Relaxed));
        if defect(Defect::StoppedIsTakenForDead) && tells == Kind::Brackets {
            flow.reap(index);
        }
        let is_held = self.opened.locks.is_held(file::image_byte(index)).unwrap_or(true);
        if is_held {
            return;
        }
        if defect(Defect::DeathForgetsSlots) {
            (0..self.opened.shape.slot_capacity()).for_each(|number| {
                flow.slot(index, number, slot::RANGE).store(0, Ordering::SeqCst);
            });
        }
        if defect(Defect::DeathOfATellerForgetsItsWrites) {
            flow.image(index, image::KIND).store(Kind::Brackets as u64, Ordering::SeqCst);
        }
    }

    fn reap_threads(&self) -> Result<()> {
        let (flow, shape) = (self.opened.flow(), &self.opened.shape);
        let held_by_threads = |index: usize| {
            (0..shape.slot_capacity()).filter_map(move |number| {
                let get = |word| flow.slot(index, number, word).load(Ordering::Acquire);
                let (range, holder) = (get(slot::RANGE), get(slot::HOLDER));
                (range != 0 && holder != 0).then_some((number, range, holder))
            })
        };
        let namespace = map::pid_namespace();
        for index in 0..shape.image_capacity() {
            let get = |word| flow.image(index, word).load(Ordering::Acquire);
            if get(image::PID_NAMESPACE) != namespace || namespace == 0 {
                continue;
            }
            let process = get(image::PROCESS);
            for (number, range, holder) in held_by_threads(index) {
                if !map::thread_has_ended(process, holder) {
                    continue;
                }
                // Two at a time could free a slot that a new write has taken in between.
                let io = |e| Error::io("cannot lock the monitor area", &e);
                let lock = self.opened.locks.try_hold(file::THREADS_BYTE, true).map_err(io)?;
                if lock.is_some() && map::thread_has_ended(process, holder) {
                    flow.reap_slot(index, number, range, holder);
                }
            }
        }
        Ok(())
    }

    /// The operator's word that an image cannot write any more: what it had in flight becomes changed tracks, and every
    /// write that it begins from now on is refused.
    ///
    /// Error: [`Reason::NoSuchImage`].
    pub fn retire(&self, name: &str) -> Result<Reaped> {
        let (index, state) = self.find(name)?;
        let flow = self.opened.flow();
        let retired = Standing::Retired.word(state >> 8);
        flow.image(index, image::STATE).store(retired, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut reaped = flow.reap(index);
        if Standing::of(state) == Standing::Silent && !reaped.all_changed {
            flow.mark_all();
            reaped.all_changed = true;
        }
        Ok(reaped)
    }

    /// Tells that an image fell silent: all is changed, and there is no window until it is back or retired.
    ///
    /// Error: [`Reason::NoSuchImage`].
    pub fn set_silent(&self, name: &str) -> Result<()> {
        self.set_standing(name, Standing::Silent)
    }

    /// Tells that an image that fell silent is back. What it wrote meanwhile nobody knows: all is changed once more.
    ///
    /// Error: [`Reason::NoSuchImage`].
    pub fn set_back(&self, name: &str) -> Result<()> {
        self.set_standing(name, Standing::Attached)
    }

    fn set_standing(&self, name: &str, standing: Standing) -> Result<()> {
        let (index, state) = self.find(name)?;
        let flow = self.opened.flow();
        let new = standing.word(state >> 8);
        // Silence is told before the marks, its end behind them: a look in between finds one of the two.
        let word = flow.image(index, image::STATE);
        if standing == Standing::Silent {
            let _ = word.compare_exchange(state, new, Ordering::SeqCst, Ordering::Relaxed);
        }
        flow.mark_all();
        if standing == Standing::Attached {
            let _ = word.compare_exchange(state, new, Ordering::SeqCst, Ordering::Relaxed);
            let now = SystemClock.now().as_millis() as u64;
            flow.image(index, image::SIGN_OF_LIFE).store(now, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The record of an image that is (or may be) alive, and its first word.
    fn find(&self, name: &str) -> Result<(usize, u64)> {
        let flow = self.opened.flow();
        let words = seat::name_words(name);
        let mut indexes = 0..self.opened.shape.image_capacity();
        let found = indexes.find_map(|index| {
            let state = flow.image(index, image::STATE).load(Ordering::Acquire);
            let same = words == Some(seat::name_at(&self.opened, index));
            (same && Standing::of(state).may_write()).then_some((index, state))
        });
        found.ok_or_else(|| {
            let why = format!("no image {name} is registered; `trackmirror image list` shows all");
            self.error(Reason::NoSuchImage, why)
        })
    }

    /// Marks every track of the volume as changed, for every subscription.
    pub fn mark_all(&self) {
        self.opened.flow().mark_all();
    }

    /// Every subscription.
    pub fn subscriptions(&self) -> Vec<SubscriptionReport> {
        let flow = self.opened.flow();
        let report = |index| {
            let get = |word| flow.subscription(index, word).load(Ordering::Acquire);
            let held = self.opened.locks.is_held(file::subscription_byte(index));
            (get(subscription::STATE) != subscription::FREE).then(|| SubscriptionReport {
                migration: [get(subscription::MIGRATION), get(subscription::MIGRATION + 1)],
                process: get(subscription::PROCESS),
                since: Duration::from_millis(get(subscription::SINCE)),
                is_owned: held.unwrap_or(true),
            })
        };
        (0..self.opened.shape.subscription_capacity()).filter_map(report).collect()
    }

    /// How many migrations want changes now.
    pub fn active_subscriptions(&self) -> u32 {
        self.opened.flow().header(header::ACTIVE).load(Ordering::Acquire).count_ones()
    }

    pub(super) fn error(&self, reason: Reason, why: impl Into<String>) -> Error {
        on_volume(Error::new(reason, why), self.identity())
    }

    pub(super) fn trouble(&self, trouble: Trouble) -> Error {
        error_of(trouble, self.identity())
    }
}

pub(super) fn on_volume(error: Error, identity: &Identity) -> Error {
    if identity.volser == [0; 6] { error } else { error.on_volume(identity.volser) }
}

fn error_of(trouble: Trouble, identity: &Identity) -> Error {
    let error = match trouble {
        Trouble::Io(what, error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let advice = format!(
                "{what}: its owner must make the registry's folder for a group that you are in (mode 2770), or name \
                 another folder by {}",
                areas::VARIABLE
            );
            Error::io(advice, &error)
        }
        Trouble::Io(what, error) => Error::io(what, &error),
        Trouble::Damaged(why) => Error::new(Reason::AreaDamaged, why),
        Trouble::ByteOrder(why) => Error::new(Reason::AreaByteOrder, why),
        Trouble::Foreign(why) => Error::new(Reason::AreaForeign, why),
        Trouble::Busy => Error::new(
            Reason::AreaBusy,
            "the monitor area is just being changed by another process; open it again",
        ),
        Trouble::NameInUse(process) => Error::new(
            Reason::ImageExists,
            format!(
                "an image of this name is alive, process {process}; end it, or take another name"
            ),
        ),
        Trouble::BadName => Error::new(
            Reason::BadImageName,
            "an image's name has 1 to 32 printable ASCII characters and no blanks",
        ),
        Trouble::Full => Error::new(
            Reason::TooManyImages,
            "the monitor area has no room for another image; end some, or retire silent ones",
        ),
    };
    on_volume(error, identity)
}
