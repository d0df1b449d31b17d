//! The ports bundled: everything outside that a migration works on.

use crate::catalog::{Catalog, cvol::CvolCatalog};
use crate::clock::{Clock, SystemClock};
use crate::copy::Volumes;
use crate::enqueue::Enqueue;
use crate::error::{Error, Reason, Result};
use crate::event::{Event, EventSink, NoEvents};
use crate::monitor::Area;
use crate::name::Volser;
use crate::remote::Machine;
use crate::switch::{Ports, Space};
use crate::volume::Volume;
use crate::volume::intent::Journal;
use crate::vtoc::manager::VtocSpaceManager;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ports of a migration. Each may be replaced singly, for each volume.
///
/// ```no_run
/// use trackmirror::{host::Host, volume::{self, Access}};
/// let host = Host::of_volumes(volume::open_all(&["vol001.3390", "vol002.3390"], Access::Exclusive)?)?;
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone)]
pub struct Host {
    /// The volumes: sources, targets, and those of the catalogs.
    pub volumes: Volumes,
    /// Their space managers.
    pub space: Space,
    /// The catalogs.
    pub catalogs: Vec<Arc<dyn Catalog>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who is told what happens.
    pub events: Arc<dyn EventSink>,
    /// The monitors, if others write to the source volumes meanwhile; `None` if this process has them for itself.
    pub live: Option<Live>,
}

/// What a migration needs while others write to its sources.
#[derive(Clone, Debug)]
pub struct Live {
    /// The monitor area of each source volume.
    pub areas: BTreeMap<Volser, Area>,
    /// The images that can write to a volume. Each must be registered in its area before copying starts.
    pub images: BTreeMap<Volser, Vec<String>>,
    /// The images on other machines. Each can write to every source volume.
    pub machines: Vec<Machine>,
    /// Who has the data sets open, and sees that nobody opens them.
    pub enqueue: Arc<dyn Enqueue>,
}

impl Host {
    /// The default implementations for these volumes: the VTOC manages the space, every SYSCTLG is a catalog, the
    /// system's clock is the clock, and nobody is told.
    ///
    /// A volume whose VTOC cannot be read is taken, and counts as one with a catalog: an interrupted write may have torn
    /// the VTOC, and to take the migration up repairs it. Until then every use of its space or catalog is an error.
    ///
    /// Error: [`Reason::DuplicateVolser`].
    pub fn of_volumes(volumes: Vec<Arc<dyn Volume>>) -> Result<Host> {
        let mut host = Host {
            volumes: Volumes::new(),
            space: Space::new(),
            catalogs: Vec::new(),
            clock: Arc::new(SystemClock),
            events: Arc::new(NoEvents),
            live: None,
        };
        for volume in volumes {
            let volser = volume.volser();
            if let Some(catalog) = CvolCatalog::of_volume(&volume) {
                host.catalogs.push(Arc::new(catalog));
            }
            host.space.insert(volser, Arc::new(VtocSpaceManager::new(volume.clone())));
            if let Some(other) = host.volumes.insert(volser, volume.clone()) {
                return Err(Error::new(
                    Reason::DuplicateVolser,
                    format!("{} and {} have the same serial", other.location(), volume.location()),
                )
                .on_volume(volser));
            }
        }
        Ok(host)
    }

    /// The same ports with another listener.
    #[must_use]
    pub fn told_to(mut self, events: impl EventSink + 'static) -> Host {
        self.events = Arc::new(events);
        self
    }

    /// The same ports for a migration while others write to the sources.
    #[must_use]
    pub fn monitored_by(mut self, live: Live) -> Host {
        self.live = Some(live);
        self
    }

    /// The space managers of some of the volumes.
    ///
    /// Error: [`Reason::NoSuchVolume`].
    pub fn space_of(&self, volsers: &[Volser]) -> Result<Vec<Arc<dyn crate::SpaceManager>>> {
        volsers
            .iter()
            .map(|volser| {
                self.space.get(volser).cloned().ok_or_else(|| {
                    Error::new(Reason::NoSuchVolume, "the volume is not given").on_volume(*volser)
                })
            })
            .collect()
    }

    /// Tells that something happened now.
    pub fn tell(&self, event: &Event) {
        self.events.event(self.clock.now(), event);
    }

    /// What the switch works on.
    pub fn ports<'a>(&'a self, journal: &'a dyn Journal) -> Ports<'a> {
        let (volumes, space, catalogs) = (&self.volumes, &self.space, &self.catalogs);
        Ports { volumes, space, catalogs, journal, glance: None }
    }
}
