//! A catalog that its own system changes, by IEHPROGM or IDCAMS.

use super::anew;
use super::command::{OperatorCommand, Seen};
use super::statement::{self, CvolPlace};
use super::task::Task;
use crate::catalog::cvol::CvolCatalog;
use crate::catalog::delegated::{Present, is_as_wanted, says};
use crate::catalog::{Catalog, CatalogEntry};
use crate::error::{Error, Reason, Result};
use crate::name::{DsMask, DsName, Volser};
use crate::volume::Volume;
use crate::volume::intent::Journal;
use std::fmt;
use std::sync::Arc;

/// The control statements that a catalog's system understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Language {
    /// IEHPROGM, for a CVOL.
    Iehprogm(CvolPlace),
    /// IDCAMS, for the catalog of this name, or for the one that the system chooses.
    Idcams(Option<DsName>),
}

impl Language {
    fn add(&self, entry: &CatalogEntry) -> Result<Vec<String>> {
        match self {
            Language::Iehprogm(cvol) => statement::catlg(entry, *cvol),
            Language::Idcams(catalog) => statement::define_nonvsam(entry, catalog.as_ref()),
        }
    }

    fn delete(&self, name: &DsName) -> Result<Vec<String>> {
        match self {
            Language::Iehprogm(cvol) => statement::uncatlg(name, *cvol),
            Language::Idcams(catalog) => statement::delete_noscratch(name, catalog.as_ref()),
        }
    }
}

/// Reads the catalog as it is now, past every cache.
pub type ReadAnew = Box<dyn Fn() -> Result<Arc<dyn Catalog>> + Send + Sync>;

/// A catalog that is read here, and changed by its own system: see the [module above](super).
///
/// ```no_run
/// use trackmirror::operator::{CommandCatalog, OperatorCommand};
/// use trackmirror::volume::{self, Access};
/// let volume = volume::open("dliba1.150".as_ref(), Access::Read)?;
/// let command = OperatorCommand::new("submit-to-guest");
/// let catalog = CommandCatalog::cvol_on(volume, command)?.expect("the volume has a SYSCTLG");
/// # Ok::<(), trackmirror::Error>(())
/// ```
pub struct CommandCatalog {
    name: String,
    volser: Option<Volser>,
    read: ReadAnew,
    language: Language,
    command: OperatorCommand,
}

impl fmt::Debug for CommandCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandCatalog({}, {:?}, {:?})", self.name, self.language, self.command)
    }
}

impl CommandCatalog {
    /// The CVOL of an attached volume, if the volume has one.
    pub fn cvol_on(
        volume: Arc<dyn Volume>,
        command: OperatorCommand,
    ) -> Result<Option<CommandCatalog>> {
        if CvolCatalog::find_on(volume.clone())?.is_none() {
            return Ok(None);
        }
        let unit = statement::unit_name(volume.geometry().device);
        let place = CvolPlace { unit, volser: volume.volser() };
        let read = move || -> Result<Arc<dyn Catalog>> {
            let found = CvolCatalog::find_on(anew(&volume)?)?;
            let found = found.ok_or_else(|| {
                Error::new(Reason::NoCatalog, "the volume has no SYSCTLG any more")
                    .on_volume(volume.volser())
            })?;
            Ok(Arc::new(found))
        };
        CommandCatalog::new(Box::new(read), Language::Iehprogm(place), command).map(Some)
    }

    /// Any catalog that can be read here. Its name is that of what is read.
    pub fn new(
        read: ReadAnew,
        language: Language,
        command: OperatorCommand,
    ) -> Result<CommandCatalog> {
        let now = read()?;
        Ok(CommandCatalog { name: now.name(), volser: now.volser(), read, language, command })
    }

    fn task(&self, verb: &'static str, name: &DsName) -> Result<Task> {
        let task = Task::new(verb).text("catalog", &self.name);
        match self.volser {
            Some(volser) => task.volume(volser)?,
            None => task,
        }
        .data_set(name)
    }

    /// An error, with the place where it happened.
    fn placed(&self, error: Error, name: &DsName) -> Error {
        let error = error.of_data_set(*name);
        match self.volser {
            Some(volser) => error.on_volume(volser),
            None => error,
        }
    }

    fn refused(&self, reason: Reason, what: &str, name: &DsName) -> Error {
        self.placed(Error::new(reason, format!("{what} in {}", self.name)), name)
    }

    /// Hands the task over; then the name must lead where `to` says, or nowhere.
    fn change(&self, task: &Task, name: &DsName, to: Option<&CatalogEntry>) -> Result<()> {
        let look = || {
            let now = (self.read)()?.locate(name)?;
            let is_seen = is_as_wanted(now.as_ref(), to);
            Ok(if is_seen { Seen::Done(()) } else { Seen::Not(says(name, now.as_ref())) })
        };
        self.command.carry_out(task, look).map_err(|error| self.placed(error, name))
    }
}

impl Catalog for CommandCatalog {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn volser(&self) -> Option<Volser> {
        self.volser
    }

    fn check_sound(&self) -> Result<()> {
        (self.read)()?.check_sound()
    }

    fn locate(&self, name: &DsName) -> Result<Option<CatalogEntry>> {
        (self.read)()?.locate(name)
    }

    fn locate_all(&self, names: &[DsName]) -> Vec<Result<Option<CatalogEntry>>> {
        match (self.read)() {
            Ok(catalog) => catalog.locate_all(names),
            Err(error) => names.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn list(&self, mask: &DsMask) -> Result<Vec<CatalogEntry>> {
        (self.read)()?.list(mask)
    }

    fn add(&self, entry: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        if self.locate(&entry.name)?.is_some() {
            let what = "the name is cataloged already";
            return Err(self.refused(Reason::EntryExists, what, &entry.name));
        }
        let task = self.task("catalog", &entry.name)?.entry("to", &entry.volumes)?;
        self.change(&task.cards(self.language.add(entry)?), &entry.name, Some(entry))
    }

    fn recatalog(&self, from: &CatalogEntry, to: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        let now = self.locate(&to.name)?;
        let present = Present::of(now.as_ref(), from, to, (&self.name, true));
        let mut cards = match present.map_err(|error| self.placed(error, &to.name))? {
            Present::Wanted => return Ok(()),
            Present::Expected => self.language.delete(&to.name)?,
            Present::HalfDone => Vec::new(),
        };
        cards.extend(self.language.add(to)?);
        let present = now.map_or_else(Vec::new, |now| now.volumes);
        let task = self
            .task("recatalog", &to.name)?
            .entry("from", &present)?
            .entry("to", &to.volumes)?
            .flag("two_steps", true);
        self.change(&task.cards(cards), &to.name, Some(to))
    }

    fn recatalog_is_two_steps(&self) -> bool {
        true
    }

    fn is_delegated(&self) -> bool {
        true
    }

    /// The new name first, then the old one: in between both are right, and the same change again does the rest.
    fn rename(&self, from: &DsName, to: &DsName, _: &dyn Journal) -> Result<()> {
        let Some(old) = self.locate(from)? else {
            return Err(self.refused(Reason::EntryNotFound, "the name is not", from));
        };
        let new = CatalogEntry { name: *to, ..old.clone() };
        let mut cards = match self.locate(to)? {
            None => self.language.add(&new)?,
            Some(now) if now.leads_as(&new) => Vec::new(),
            Some(_) => {
                let what = "the name is cataloged already";
                return Err(self.refused(Reason::EntryExists, what, to));
            }
        };
        cards.extend(self.language.delete(from)?);
        let task = self
            .task("rename-entry", from)?
            .name("new_name", to)?
            .entry("from", &old.volumes)?
            .flag("two_steps", true);
        self.change(&task.cards(cards), from, None)?;
        match self.locate(to)? {
            Some(now) if now.leads_as(&new) => Ok(()),
            now => {
                let sentence = format!("{from} is uncataloged, but {}", says(to, now.as_ref()));
                Err(self.placed(Error::new(Reason::ChangeNotSeen, sentence), to))
            }
        }
    }

    fn delete(&self, name: &DsName, _: &dyn Journal) -> Result<()> {
        let Some(old) = self.locate(name)? else {
            return Err(self.refused(Reason::EntryNotFound, "the name is not", name));
        };
        let task = self.task("uncatalog", name)?.entry("from", &old.volumes)?;
        self.change(&task.cards(self.language.delete(name)?), name, None)
    }
}
