//! A running system that has the catalog and the source volumes: it changes them itself, the catalog in two steps, and
//! its operator answers when he answers.

use super::disk::Who;
use super::scene::SYSCTLG;
use super::world::World;
use crate::catalog::cvol::CvolCatalog;
use crate::catalog::{Catalog, CatalogEntry};
use crate::dscb::Format1;
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::host::Host;
use crate::name::{DsMask, DsName, Volser};
use crate::volume::Volume;
use crate::volume::intent::{Journal, NoJournal};
use crate::vtoc::manager::VtocSpaceManager;
use crate::vtoc::{DataSetDscbs, Expiration, Identity, NewDataSet, SpaceManager, Vtoc};
use std::sync::Arc;

/// Puts the guest in the place of the catalog and of the sources' space managers.
pub(super) fn takes_over(world: &Arc<World>, host: &mut Host) {
    let (on_catalog, sources) = {
        let cast = world.cast();
        (cast.catalog, cast.sources.clone())
    };
    for catalog in &mut host.catalogs {
        if catalog.volser() == Some(on_catalog) {
            let world = world.clone();
            *catalog = Arc::new(GuestCatalog { world, reads: catalog.clone() });
        }
    }
    for volser in sources {
        if let Some(volume) = host.volumes.get(&volser) {
            let space = GuestSpace { world: world.clone(), volume: volume.clone() };
            host.space.insert(volser, Arc::new(space));
        }
    }
}

/// The catalog as the guest changes it.
struct GuestCatalog {
    world: Arc<World>,
    reads: Arc<dyn Catalog>,
}

impl std::fmt::Debug for GuestCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GuestCatalog")
    }
}

impl GuestCatalog {
    /// A command: the guest does it as a whole or not at all; the answer may be lost.
    fn command(&self, act: impl FnOnce(&CvolCatalog) -> Result<()>) -> Result<()> {
        let volume = Arc::new(self.world.volume_of(self.world.cast().catalog, Who::Others));
        let cvol = CvolCatalog::open(volume, vec![SYSCTLG])?;
        self.world.tells(|| act(&cvol))?
    }
}

impl Catalog for GuestCatalog {
    fn name(&self) -> String {
        self.reads.name()
    }
    fn volser(&self) -> Option<Volser> {
        self.reads.volser()
    }
    fn locate(&self, name: &DsName) -> Result<Option<CatalogEntry>> {
        self.reads.locate(name)
    }
    fn list(&self, mask: &DsMask) -> Result<Vec<CatalogEntry>> {
        self.reads.list(mask)
    }
    fn add(&self, entry: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        self.command(|cvol| cvol.add(entry, &NoJournal))
    }

    fn recatalog(&self, from: &CatalogEntry, to: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        let present = self.locate(&from.name)?;
        if present.as_ref().is_some_and(|now| now.leads_as(to)) {
            return Ok(());
        }
        if let Some(now) = &present {
            if !now.leads_as(from) {
                let why = "the entry leads elsewhere; see who changed it";
                return Err(Error::new(Reason::EntryChanged, why).of_data_set(from.name));
            }
            self.command(|cvol| cvol.delete(&from.name, &NoJournal))?;
        }
        self.command(|cvol| cvol.add(to, &NoJournal))
    }

    fn recatalog_is_two_steps(&self) -> bool {
        true
    }
    fn is_delegated(&self) -> bool {
        true
    }
    fn rename(&self, from: &DsName, to: &DsName, _: &dyn Journal) -> Result<()> {
        self.command(|cvol| cvol.rename(from, to, &NoJournal))
    }
    fn delete(&self, name: &DsName, _: &dyn Journal) -> Result<()> {
        self.command(|cvol| cvol.delete(name, &NoJournal))
    }
}

/// A source volume's space as the guest changes it.
struct GuestSpace {
    world: Arc<World>,
    volume: Arc<dyn Volume>,
}

impl std::fmt::Debug for GuestSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GuestSpace({})", self.volume.volser())
    }
}

impl GuestSpace {
    fn command<T>(&self, act: impl FnOnce(&VtocSpaceManager) -> Result<T>) -> Result<T> {
        let volser = self.volume.volser();
        let world = &self.world;
        world.tells(|| {
            let as_image = world.cast().as_image(world, volser);
            let volume = as_image.unwrap_or_else(|| Arc::new(world.volume_of(volser, Who::Others)));
            act(&VtocSpaceManager::new(volume))
        })?
    }

    fn refused<T>(&self, what: &str) -> Result<T> {
        let why = format!("{what} cannot be handed to the guest");
        Err(Error::new(Reason::NotDelegated, why).on_volume(self.volume.volser()))
    }
}

impl SpaceManager for GuestSpace {
    fn volser(&self) -> Volser {
        self.volume.volser()
    }
    fn read(&self) -> Result<Vtoc> {
        Vtoc::read(&*self.volume)
    }
    fn check_writable(&self) -> Result<()> {
        self.read().map(drop)
    }
    fn is_delegated(&self) -> bool {
        true
    }
    fn allocate(&self, _: &NewDataSet, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.refused("allocating")
    }
    fn extend(&self, _: &Identity, _: &[Extent], _: &dyn Journal) -> Result<DataSetDscbs> {
        self.refused("extending")
    }
    fn release(&self, _: &Identity, _: u32, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.refused("releasing")
    }
    fn scratch(&self, of: &Identity, expiration: Expiration, _: &dyn Journal) -> Result<()> {
        self.command(|space| space.scratch(of, expiration, &NoJournal))
    }
    fn rename(&self, of: &Identity, to: &DsName, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.command(|space| space.rename(of, to, &NoJournal))
    }
    fn update(&self, _: &Identity, _: &Format1, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.refused("changing attributes")
    }
    fn replace_space(&self, _: &Identity, _: &Identity, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.refused("combining extents")
    }
}
