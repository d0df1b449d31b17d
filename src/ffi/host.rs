//! The host: the ports bundled, as a program in C puts them together.

use super::boundary::{Handle, OneAtATime, Out, alone, close, guarded, shared};
use super::events::{EventQueue, Told};
use super::{TMR_DONE, tmr_area, tmr_error, tmr_volume};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::enqueue::{AllOf, Enqueue};
use crate::error::{Error, Reason, Result};
use crate::event::EventSink;
use crate::host::{Host, Live};
use crate::monitor::Area;
use crate::name::Volser;
use crate::remote::Machine;
use crate::untold::UntoldPrograms;
use crate::volume::Volume;
use crate::vtoc::SpaceManager;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a migration works on: volumes, and whatever the program replaces of the other ports. One call uses it at a time.
pub struct tmr_host {
    _opaque: [u8; 0],
}

/// The ports as they were given.
#[derive(Default)]
pub(super) struct Given {
    pub volumes: Vec<Arc<dyn Volume>>,
    /// In the place of the library's own.
    pub space: BTreeMap<Volser, Arc<dyn SpaceManager>>,
    /// In the place of those that the library finds on the volumes.
    pub catalogs: Option<Vec<Arc<dyn Catalog>>>,
    pub clock: Option<Arc<dyn Clock>>,
    pub events: Option<Arc<dyn EventSink>>,
    /// Where events are kept for those who ask.
    pub queue: Arc<EventQueue>,
    /// What a migration needs while others write: all of it, or nothing. Of those who close data sets all must agree.
    pub enqueue: Vec<Arc<dyn Enqueue>>,
    /// The registry of openers, if it is to be used.
    pub registry: Option<Arc<dyn Enqueue>>,
    pub areas: BTreeMap<Volser, Area>,
    pub images: BTreeMap<Volser, Vec<String>>,
    pub machines: Vec<Machine>,
}

/// What is behind the handle.
pub(super) struct GivenHost {
    given: Mutex<Given>,
    /// The same as in there: it is asked while another call uses the host.
    pub(super) queue: Arc<EventQueue>,
}

impl OneAtATime for GivenHost {
    type Inner = Given;
    fn mutex(&self) -> &Mutex<Given> {
        &self.given
    }
}

impl Handle for tmr_host {
    type Value = GivenHost;
    const NAME: &'static str = "tmr_host";
}

impl Given {
    /// A volume that was added.
    pub(super) fn volume(&self, volser: Volser) -> Result<Arc<dyn Volume>> {
        let found = self.volumes.iter().find(|volume| volume.volser() == volser);
        found.cloned().ok_or_else(|| {
            let why = "the host has no volume of this serial; add it first";
            Error::new(Reason::NoSuchVolume, why).on_volume(volser)
        })
    }

    /// The ports, with the library's own where none were given.
    pub(super) fn ports(&self) -> Result<Host> {
        let mut host = Host::of_volumes(self.volumes.clone())?;
        host.space.extend(self.space.iter().map(|(volser, space)| (*volser, space.clone())));
        if let Some(catalogs) = &self.catalogs {
            host.catalogs = catalogs.clone();
        }
        if let Some(clock) = &self.clock {
            host.clock = clock.clone();
        }
        host.events = Arc::new(Told { queue: self.queue.clone(), also: self.events.clone() });
        if self.is_live() {
            let enqueue = self.all_who_close()?;
            let (areas, images) = (self.areas.clone(), self.images.clone());
            host.live = Some(Live { areas, images, machines: self.machines.clone(), enqueue });
        }
        Ok(host)
    }

    /// Who closes data sets. The registry knows only those who use it: where the host has nobody who tells, a program that writes
    /// a volume under a monitor has all of it open as long as it lives.
    fn all_who_close(&self) -> Result<Arc<dyn Enqueue>> {
        let mut all = self.enqueue.clone();
        all.extend(self.registry.clone());
        if self.registry.is_some() && !self.enqueue.iter().any(|one| one.can_confirm()) {
            let path = |volser| Some(self.volume(volser).ok()?.path()?.to_path_buf());
            let volumes =
                self.areas.iter().filter_map(|(on, area)| Some((path(*on)?, area.clone())));
            let advice = "let the host tell who has data sets open (tmr_host_add_enqueue)";
            all.push(Arc::new(UntoldPrograms { volumes: volumes.collect(), advice }));
        }
        if all.is_empty() {
            let why = "monitor areas, images or machines are given, but nobody who closes data sets; see \
                       tmr_host_add_enqueue";
            return Err(Error::new(Reason::NotMonitored, why));
        }
        Ok(Arc::new(AllOf(all)))
    }

    fn is_live(&self) -> bool {
        // Whoever says that others have data sets open says that others write.
        !(self.areas.is_empty()
            && self.images.is_empty()
            && self.machines.is_empty()
            && self.enqueue.is_empty()
            && self.registry.is_none())
    }
}

/// Does something with the ports of a host, which is in use meanwhile.
///
/// # Safety
/// `host` is NULL, or one that was given back and not closed.
pub(super) unsafe fn with_ports<T>(
    host: *const tmr_host,
    body: impl FnOnce(&Host) -> Result<T>,
) -> Result<T> {
    // SAFETY: as the caller promised.
    let given = unsafe { alone(host) }?;
    body(&given.ports()?)
}

/// Does: makes a host without volumes.
/// Gives back: 0 and the host, to be closed with tmr_host_close.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_new(host: *mut *mut tmr_host, error: *mut tmr_error) -> i32 {
    let new = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(host) }?;
        let queue = Arc::new(EventQueue::default());
        let given = Mutex::new(Given { queue: queue.clone(), ..Given::default() });
        out.give_handle(GivenHost { given, queue });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, new) }
}

/// Does: adds a volume: a source, a target, or one with a catalog. The library's own space manager serves it, and a CVOL on it is
///   a catalog, unless others are given.
/// Gives back: 0; 8 if a volume of this serial was added before. The volume may be closed then.
/// Threads: one at a time.
/// When: before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_add_volume(
    host: *mut tmr_host,
    volume: *const tmr_volume,
    error: *mut tmr_error,
) -> i32 {
    let add = || {
        // SAFETY: as the caller promised.
        let (mut given, volume) = unsafe { (alone(host.cast_const())?, shared(volume)?) };
        let volser = volume.volser();
        if let Some(other) = given.volumes.iter().find(|other| other.volser() == volser) {
            let why =
                format!("{} and {} have the same serial", other.location(), volume.location());
            return Err(Error::new(Reason::DuplicateVolser, why).on_volume(volser));
        }
        given.volumes.push(volume.clone());
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, add) }
}

/// Does: adds the monitor area of a source volume that others write while it is copied. It may be closed then.
/// Gives back: 0; 8 if it is not known of which volume it is, or that volume has one already.
/// Threads: one at a time.
/// When: before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_add_area(
    host: *mut tmr_host,
    area: *const tmr_area,
    error: *mut tmr_error,
) -> i32 {
    let add = || {
        // SAFETY: as the caller promised.
        let (mut given, area) = unsafe { (alone(host.cast_const())?, shared(area)?) };
        let volser = area.identity().volser;
        if volser == [0; 6] {
            let why = "the monitor area does not say of which volume it is";
            return Err(Error::new(Reason::BadVolser, why));
        }
        let volser = Volser::from_bytes(volser);
        if given.areas.contains_key(&volser) {
            let why = "the volume has a monitor area already";
            return Err(Error::new(Reason::DuplicateVolser, why).on_volume(volser));
        }
        given.areas.insert(volser, area.clone());
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, add) }
}

/// Does: ends a host, and clears the pointer. What was made with it keeps what it needs.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no host, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_close(host: *mut *mut tmr_host) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(host) }
}
