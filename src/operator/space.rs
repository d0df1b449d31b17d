//! The space of a volume that a running system has attached: what IEHPROGM can change of it.

use super::anew;
use super::command::{OperatorCommand, Seen};
use super::statement;
use super::task::Task;
use crate::dscb::Format1;
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::volume::Volume;
use crate::volume::intent::Journal;
use crate::vtoc::{DataSetDscbs, Expiration, Identity, NewDataSet, SpaceManager, Vtoc};
use std::sync::Arc;

/// Reads the VTOC of an attached volume, and lets its system scratch and rename: see the [module above](super). All
/// else is refused with [`Reason::NotDelegated`].
#[derive(Clone, Debug)]
pub struct CommandSpaceManager {
    volume: Arc<dyn Volume>,
    command: OperatorCommand,
}

impl CommandSpaceManager {
    /// The space of this volume, changed by this command.
    pub fn new(volume: Arc<dyn Volume>, command: OperatorCommand) -> CommandSpaceManager {
        CommandSpaceManager { volume, command }
    }

    fn unit(&self) -> &'static str {
        statement::unit_name(self.volume.geometry().device)
    }

    /// The data set that is meant, and not another one under its name.
    fn identify(&self, of: &Identity) -> Result<()> {
        of.recognise(self.find(&of.name)?).map(drop)
    }

    fn task(&self, verb: &'static str, name: &DsName) -> Result<Task> {
        Task::new(verb).volume(self.volser())?.data_set(name)
    }

    fn of<T>(&self, name: &DsName, act: impl FnOnce() -> Result<T>) -> Result<T> {
        act().map_err(|error| error.on_volume(self.volser()).of_data_set(*name))
    }

    fn not_delegated<T>(&self, what: &str, name: &DsName) -> Result<T> {
        let sentence = format!(
            "a running system has the volume attached, and {what} cannot be handed to it; detach the volume there, or \
             choose another one"
        );
        self.of(name, || Err(Error::new(Reason::NotDelegated, sentence)))
    }
}

impl SpaceManager for CommandSpaceManager {
    fn volser(&self) -> Volser {
        self.volume.volser()
    }

    fn read(&self) -> Result<Vtoc> {
        Vtoc::read(&*anew(&self.volume)?)
    }

    /// It can be read. What its own system can do with it is that system's matter.
    fn check_writable(&self) -> Result<()> {
        self.read().map(drop)
    }

    fn is_delegated(&self) -> bool {
        true
    }

    fn allocate(&self, new: &NewDataSet, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.not_delegated("allocating at chosen tracks", &new.format1.name())
    }

    fn extend(&self, of: &Identity, _: &[Extent], _: &dyn Journal) -> Result<DataSetDscbs> {
        self.not_delegated("extending a data set", &of.name)
    }

    fn release(&self, of: &Identity, _: u32, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.not_delegated("releasing space", &of.name)
    }

    /// A data set with an expiration date that counts is left to its system, which refuses if it has not passed.
    fn scratch(&self, of: &Identity, expiration: Expiration, _: &dyn Journal) -> Result<()> {
        self.of(&of.name, || {
            self.identify(of)?;
            let purge = expiration == Expiration::Ignore;
            let cards = statement::scratch(&of.name, self.unit(), self.volser(), purge)?;
            let task = self.task("scratch", &of.name)?.flag("purge", purge).cards(cards);
            self.command.carry_out(&task, || {
                let found = self.find(&of.name)?;
                // Another data set under the old name is somebody's new one.
                let is_there = found.is_some_and(|found| Identity::of(&found) == *of);
                let still = || Seen::Not(format!("{} is still on {}", of.name, self.volser()));
                Ok(if is_there { still() } else { Seen::Done(()) })
            })
        })
    }

    fn rename(&self, of: &Identity, to: &DsName, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.of(&of.name, || {
            self.identify(of)?;
            if self.find(to)?.is_some() {
                return Err(Error::new(
                    Reason::NameExists,
                    format!("{to} exists on the volume; choose another name"),
                ));
            }
            let cards = statement::rename(&of.name, to, self.unit(), self.volser())?;
            let task = self.task("rename", &of.name)?.name("new_name", to)?.cards(cards);
            self.command.carry_out(&task, || {
                let renamed = self.find(to)?.filter(|found| of.is_renamed(found));
                Ok(match renamed {
                    Some(found) if self.find(&of.name)?.is_none() => Seen::Done(found),
                    _ => Seen::Not(format!("{} has not the name {to}", of.name)),
                })
            })
        })
    }

    fn update(&self, of: &Identity, _: &Format1, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.not_delegated("changing attributes", &of.name)
    }

    fn replace_space(&self, of: &Identity, _: &Identity, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.not_delegated("combining extents in place", &of.name)
    }
}
