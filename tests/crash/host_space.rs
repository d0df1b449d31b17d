//! A system that manages the space of its volumes itself: it makes each change whole, whoever ends meanwhile, and keeps
//! nothing of it in anybody else's journal.

use crate::world::World;
use std::fmt;
use std::sync::Arc;
use trackmirror::dscb::Format1;
use trackmirror::geometry::Extent;
use trackmirror::volume::intent::{Journal, NoJournal};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{DataSetDscbs, Expiration, Identity, NewDataSet, Vtoc};
use trackmirror::{DsName, Error, Reason, Result, SpaceManager, Volser};

/// The space of a volume.
pub struct HostSpace {
    pub world: Arc<World>,
    pub volser: Volser,
}

impl fmt::Debug for HostSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the space of {}", self.volser)
    }
}

impl HostSpace {
    /// Whoever has ended asks for nothing any more.
    fn manager(&self) -> Result<VtocSpaceManager> {
        match self.world.is_dead() {
            false => Ok(VtocSpaceManager::new(self.world.foreign_volume(self.volser))),
            true => Err(Error::new(Reason::HostFailed, "it has ended")),
        }
    }
}

impl SpaceManager for HostSpace {
    fn volser(&self) -> Volser {
        self.volser
    }
    fn read(&self) -> Result<Vtoc> {
        self.manager()?.read()
    }
    fn check_writable(&self) -> Result<()> {
        self.manager()?.check_writable()
    }
    fn allocate(&self, new: &NewDataSet, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.manager()?.allocate(new, &NoJournal)
    }
    fn extend(&self, of: &Identity, by: &[Extent], _: &dyn Journal) -> Result<DataSetDscbs> {
        self.manager()?.extend(of, by, &NoJournal)
    }
    fn release(&self, of: &Identity, track_count: u32, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.manager()?.release(of, track_count, &NoJournal)
    }
    fn scratch(&self, of: &Identity, expiration: Expiration, _: &dyn Journal) -> Result<()> {
        self.manager()?.scratch(of, expiration, &NoJournal)
    }
    fn rename(&self, of: &Identity, to: &DsName, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.manager()?.rename(of, to, &NoJournal)
    }
    fn update(&self, of: &Identity, format1: &Format1, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.manager()?.update(of, format1, &NoJournal)
    }
    fn replace_space(
        &self,
        of: &Identity,
        placeholder: &Identity,
        _: &dyn Journal,
    ) -> Result<DataSetDscbs> {
        self.manager()?.replace_space(of, placeholder, &NoJournal)
    }
}
