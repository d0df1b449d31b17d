//! The host's own catalogs.
//!
//! What a host says that it has changed is not believed: the entry is located again, and must lead where it was to lead. If
//! it does although the function failed, the change was made. A change of the host is whole or not made by itself,
//! so nothing is written to the journal.

use super::boundary::{
    Structure, alone, check_options, check_reserved, data_set, guarded, input, text_in, to_array,
    volser,
};
use super::tables::{Table, check_table, given, item, lied, printable, tmr_release, tmr_sink};
use super::{TMR_DONE, TMR_MORE, tmr_error, tmr_host};
use crate::catalog::cvol::CvolCatalog;
use crate::catalog::delegated::{Present, is_as_wanted, says};
use crate::catalog::{Catalog, CatalogEntry, CatalogVolume};
use crate::error::{Error, Reason, Result};
use crate::name::{DsMask, DsName, Volser};
use crate::volume::intent::Journal;
use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// More entries than anybody selects.
const ENTRIES_MAX: usize = 1_000_000;
/// The volumes that an entry can name.
const VOLUMES_MAX: usize = 59;

/// A change of an entry takes two steps, and between them the name leads nowhere.
pub const TMR_CATALOG_TWO_STEPS: u32 = 1;
/// Another system makes the changes: nothing is written through the catalog's volume, which need not be open for writing.
pub const TMR_CATALOG_DELEGATED: u32 = 2;
/// The entry holds the place of the format 1 DSCB.
pub const TMR_ENTRY_HAS_DSCB: u32 = 0x0100_0000;

/// One volume of a catalog entry.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_catalog_volume {
    /// The unit type.
    pub unit_type: [u8; 4],
    /// The file sequence number, at most 65,535; 0 on DASD.
    pub file_sequence: u32,
    /// The serial.
    pub volser: [c_char; 16],
}

const _: () = assert!(size_of::<tmr_catalog_volume>() == 24);

/// What a catalog says of a data set.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_catalog_entry {
    /// sizeof (tmr_catalog_entry).
    pub size: u32,
    /// How many volumes it names, 1 to 59.
    pub volume_count: u32,
    /// TMR_ENTRY_HAS_DSCB with the track (16 bits) and the record (8 bits) of the format 1 DSCB on the first volume; or 0.
    pub dscb: u32,
    /// Zero.
    pub reserved: u32,
    /// The data set.
    pub name: [c_char; 96],
    /// Its volumes, in order.
    pub volumes: [tmr_catalog_volume; 59],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_catalog_entry {
    const NAME: &'static str = "tmr_catalog_entry";
    const SIZE_MIN: usize = 1528;

    fn check(&self) -> Result<()> {
        check_reserved(Self::NAME, &[self.reserved])
    }
}

const _: () = assert!(size_of::<tmr_catalog_entry>() == 1528);

impl tmr_catalog_entry {
    fn empty() -> tmr_catalog_entry {
        let volume = tmr_catalog_volume { unit_type: [0; 4], file_sequence: 0, volser: [0; 16] };
        tmr_catalog_entry {
            size: size_of::<tmr_catalog_entry>() as u32,
            volume_count: 0,
            dscb: 0,
            reserved: 0,
            name: [0; 96],
            volumes: [volume; VOLUMES_MAX],
        }
    }

    /// An entry for a host.
    fn of(entry: &CatalogEntry) -> Result<tmr_catalog_entry> {
        if entry.volumes.len() > VOLUMES_MAX {
            let why = format!(
                "an entry of {} volumes; a catalog of the host holds {VOLUMES_MAX}",
                entry.volumes.len()
            );
            return Err(Error::new(Reason::BadValue, why).of_data_set(entry.name));
        }
        let mut of = tmr_catalog_entry {
            volume_count: entry.volumes.len() as u32,
            name: to_array(&entry.name.to_string()),
            ..tmr_catalog_entry::empty()
        };
        if let Some([high, low, record]) = entry.dscb {
            of.dscb = TMR_ENTRY_HAS_DSCB | u32::from_be_bytes([0, high, low, record]);
        }
        for (place, volume) in of.volumes.iter_mut().zip(&entry.volumes) {
            *place = tmr_catalog_volume {
                unit_type: volume.unit_type,
                file_sequence: volume.file_sequence.into(),
                volser: to_array(&volume.volser.to_string()),
            };
        }
        Ok(of)
    }

    /// What a host says.
    fn told(&self) -> Result<CatalogEntry> {
        let name = data_set(text_in(&self.name, "tmr_catalog_entry.name")?)?;
        let told = || {
            let count = self.volume_count as usize;
            let volumes = self.volumes.get(..count).filter(|volumes| !volumes.is_empty());
            let volumes = volumes.ok_or_else(|| {
                Error::new(Reason::BadValue, format!("an entry cannot have {count} volumes"))
            })?;
            let [flags, ttr @ ..] = self.dscb.to_be_bytes();
            let dscb = match (flags, ttr) {
                (0, [0, 0, 0]) => None,
                (1, ttr) => Some(ttr),
                _ => {
                    let why = format!("tmr_catalog_entry.dscb is {:#010X}", self.dscb);
                    return Err(Error::new(Reason::BadValue, why));
                }
            };
            let volumes = volumes.iter().map(tmr_catalog_volume::told).collect::<Result<_>>()?;
            Ok(CatalogEntry { name, volumes, dscb })
        };
        told().map_err(|error| error.of_data_set(name))
    }
}

impl tmr_catalog_volume {
    fn told(&self) -> Result<CatalogVolume> {
        let volser = volser(text_in(&self.volser, "tmr_catalog_volume.volser")?)?;
        let file_sequence = u16::try_from(self.file_sequence).map_err(|_| {
            let why = format!("{} is no file sequence number", self.file_sequence);
            Error::new(Reason::BadValue, why)
        })?;
        Ok(CatalogVolume { unit_type: self.unit_type, volser, file_sequence })
    }
}

/// The functions of a host's own catalog. Each change is made whole or not at all, is durable when its function returns 0, and is
/// seen by `locate` from then on. A change whose function is NULL cannot be made. Each gives back a return code, and fills the
/// error block in if that is 8 or 12. They are called by any thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_catalog_functions {
    /// sizeof (tmr_catalog_functions).
    pub size: u32,
    /// TMR_TABLE_VERSION.
    pub version: u32,
    /// Handed to each function.
    pub user: *mut c_void,
    /// Called once with `user`, when the library needs the table no more. May be NULL.
    pub release: tmr_release,
    /// TMR_CATALOG_...
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// What it is called, in messages and in what a migration keeps: another one than any other catalog of the host has, and the same
    /// in every run.
    pub name: [c_char; 64],
    /// The volume that it lies on; empty if it lies on none.
    pub volser: [c_char; 16],
    /// Says whether its entries can be changed as far as its own form is concerned. May be NULL.
    pub check_sound: Option<unsafe extern "C" fn(user: *mut c_void, error: *mut tmr_error) -> i32>,
    /// Fills the entry of a data set in. 4: there is none. NULL, with `list`: the library reads the SYSCTLG on the volume `volser`,
    /// which was added before, and the host's functions are for its changes alone.
    pub locate: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            name: *const c_char,
            entry: *mut tmr_catalog_entry,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Puts a tmr_catalog_entry for each data set that the mask selects, in any order.
    pub list: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            mask: *const c_char,
            sink: *mut tmr_sink,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Makes an entry.
    pub add: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            entry: *const tmr_catalog_entry,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Makes an entry lead to other volumes. `from` is what it says now; NULL if the first of two steps is done already, and there is
    /// no entry. It must not change an entry that says something else.
    pub recatalog: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            from: *const tmr_catalog_entry,
            to: *const tmr_catalog_entry,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Gives an entry another name.
    pub rename: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            from: *const c_char,
            to: *const c_char,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Removes an entry. (`delete` is a word of C++.)
    pub remove: Option<
        unsafe extern "C" fn(user: *mut c_void, name: *const c_char, error: *mut tmr_error) -> i32,
    >,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value but for functions, which are nothing until they are
// called, and its fields leave no bytes between them.
unsafe impl Structure for tmr_catalog_functions {
    const NAME: &'static str = "tmr_catalog_functions";
    const SIZE_MIN: usize = 168;

    fn check(&self) -> Result<()> {
        check_table(Self::NAME, self.version, &[])?;
        if self.locate.is_some() != self.list.is_some() {
            let why = "of tmr_catalog_functions.locate and list one is NULL; give both, or none";
            return Err(Error::new(Reason::NoSuchFunction, why));
        }
        let known = TMR_CATALOG_TWO_STEPS | TMR_CATALOG_DELEGATED;
        check_options(self.flags, known, "tmr_catalog_functions.flags")?;
        check_reserved(Self::NAME, &[self.reserved])?;
        let name = text_in(&self.name, "tmr_catalog_functions.name")?;
        if name.is_empty() || printable(name) != name {
            let why = format!("'{name}' is no name for a catalog", name = printable(name));
            return Err(Error::new(Reason::BadText, why));
        }
        if self.place()?.is_none() && self.locate.is_none() {
            let why = "tmr_catalog_functions.locate is NULL; give it, or the volume that the catalog lies on";
            return Err(Error::new(Reason::NoSuchFunction, why));
        }
        Ok(())
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<tmr_catalog_functions>() == 168);

// SAFETY: functions, and a pointer that only they use.
unsafe impl Send for tmr_catalog_functions {}
// SAFETY: as above.
unsafe impl Sync for tmr_catalog_functions {}

impl tmr_catalog_functions {
    fn place(&self) -> Result<Option<Volser>> {
        let text = text_in(&self.volser, "tmr_catalog_functions.volser")?;
        if text.is_empty() { Ok(None) } else { volser(text).map(Some) }
    }
}

/// A catalog of the host.
#[derive(Debug)]
struct HostCatalog {
    table: Table<tmr_catalog_functions>,
    name: String,
    volser: Option<Volser>,
    /// What is read in the place of what the host would say.
    read: Option<CvolCatalog>,
}

/// A name as the host's functions want it.
fn named(name: &DsName) -> [c_char; 96] {
    to_array(&name.to_string())
}

impl HostCatalog {
    fn functions(&self) -> &tmr_catalog_functions {
        &self.table.functions
    }

    /// An error, with the place where it happened.
    fn placed(&self, error: Error) -> Error {
        match self.volser {
            Some(volser) => error.on_volume(volser),
            None => error,
        }
    }

    fn of<T>(&self, name: &DsName, act: impl FnOnce() -> Result<T>) -> Result<T> {
        act().map_err(|error| self.placed(error.of_data_set(*name)))
    }

    fn refused<T>(&self, reason: Reason, what: &str) -> Result<T> {
        Err(Error::new(reason, format!("{what} in {}", self.name)))
    }

    /// A function, or that a change cannot be made.
    fn function<F>(&self, function: Option<F>, what: &str) -> Result<F> {
        function.ok_or_else(|| {
            let why = format!("the host gave no function {what} for {}", self.name);
            Error::new(Reason::NotDelegated, why)
        })
    }

    /// Has a change made, and looks whether each of these names leads where it shall, whatever was said of it.
    fn change(
        &self,
        what: &str,
        wanted: &[(&DsName, Option<&CatalogEntry>)],
        function: impl FnOnce(*mut c_void, *mut tmr_error) -> i32,
    ) -> Result<()> {
        let said = self.table.carry_out(what, function);
        let look = || {
            for (name, wanted) in wanted {
                let now = self.locate(name)?;
                if !is_as_wanted(now.as_ref(), *wanted) {
                    return Ok(Some(says(name, now.as_ref())));
                }
            }
            Ok(None)
        };
        match (look(), said) {
            (Ok(None), Ok(())) => Ok(()),
            (Ok(None), Err(error)) => {
                log::warn!("{what} was made in {}, although: {error}", self.name);
                Ok(())
            }
            (_, Err(error)) | (Err(error), Ok(())) => Err(error),
            (Ok(Some(seen)), Ok(())) => {
                let why = format!("the host's function {what} said that it is done, but {seen}");
                Err(Error::new(Reason::ChangeNotSeen, why))
            }
        }
    }
}

impl Catalog for HostCatalog {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn volser(&self) -> Option<Volser> {
        self.volser
    }

    fn check_sound(&self) -> Result<()> {
        if let Some(read) = &self.read {
            read.check_sound()?;
        }
        let Some(check) = self.functions().check_sound else { return Ok(()) };
        let checked = self.table.carry_out("check_sound", |user, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe { check(user, error) }
        });
        checked.map_err(|error| self.placed(error))
    }

    fn locate(&self, name: &DsName) -> Result<Option<CatalogEntry>> {
        if let Some(read) = &self.read {
            return read.locate(name);
        }
        self.of(name, || {
            let locate = given(self.functions().locate, "locate of a catalog")?;
            let (asked, mut entry) = (named(name), tmr_catalog_entry::empty());
            let code = self.table.call("locate", |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { locate(user, asked.as_ptr(), &raw mut entry, error) }
            })?;
            if code == TMR_MORE {
                return Ok(None);
            }
            let told = entry.check().and_then(|()| entry.told());
            let told = told.map_err(|error| lied("locate", error.sentence()))?;
            if told.name == *name {
                return Ok(Some(told));
            }
            Err(lied("locate", format!("gave the entry of {}", told.name)))
        })
    }

    fn locate_all(&self, names: &[DsName]) -> Vec<Result<Option<CatalogEntry>>> {
        match &self.read {
            Some(read) => read.locate_all(names),
            None => names.iter().map(|name| self.locate(name)).collect(),
        }
    }

    fn list(&self, mask: &DsMask) -> Result<Vec<CatalogEntry>> {
        if let Some(read) = &self.read {
            return read.list(mask);
        }
        let list = || {
            let list = given(self.functions().list, "list of a catalog")?;
            let asked = to_array::<256>(&mask.to_string());
            let mut entries = BTreeMap::new();
            let take = |bytes: &[u8]| {
                let entry = item::<tmr_catalog_entry>(bytes)?.told()?;
                let name = entry.name;
                let bad = |what: String| Err(lied("list", what).of_data_set(name));
                if !mask.matches(&name) {
                    return bad(format!("an entry that {mask} does not select"));
                }
                if entries.len() == ENTRIES_MAX {
                    return bad(format!("more than {ENTRIES_MAX} entries"));
                }
                match entries.insert(name, entry) {
                    Some(_) => bad("two entries of one name".into()),
                    None => Ok(()),
                }
            };
            let code = self.table.gather("list", take, |user, sink, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { list(user, asked.as_ptr(), sink, error) }
            })?;
            match code {
                TMR_DONE => Ok(entries.into_values().collect()),
                code => Err(lied("list", format!("gave back {code} for a list"))),
            }
        };
        list().map_err(|error| self.placed(error))
    }

    fn add(&self, entry: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        self.of(&entry.name, || {
            let add = self.function(self.functions().add, "add")?;
            if self.locate(&entry.name)?.is_some() {
                return self.refused(Reason::EntryExists, "the name is cataloged already");
            }
            let new = tmr_catalog_entry::of(entry)?;
            self.change("add", &[(&entry.name, Some(entry))], |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { add(user, &raw const new, error) }
            })
        })
    }

    fn recatalog(&self, from: &CatalogEntry, to: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        self.of(&to.name, || {
            let now = self.locate(&to.name)?;
            let in_catalog = (self.name.as_str(), self.recatalog_is_two_steps());
            let old = match Present::of(now.as_ref(), from, to, in_catalog)? {
                Present::Wanted => return Ok(()),
                Present::Expected => now.as_ref().map(tmr_catalog_entry::of).transpose()?,
                Present::HalfDone => None,
            };
            let recatalog = self.function(self.functions().recatalog, "recatalog")?;
            let new = tmr_catalog_entry::of(to)?;
            let old = old.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            self.change("recatalog", &[(&to.name, Some(to))], |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { recatalog(user, old, &raw const new, error) }
            })
        })
    }

    fn recatalog_is_two_steps(&self) -> bool {
        self.functions().flags & TMR_CATALOG_TWO_STEPS != 0
    }

    fn is_delegated(&self) -> bool {
        self.functions().flags & TMR_CATALOG_DELEGATED != 0
    }

    fn rename(&self, from: &DsName, to: &DsName, _: &dyn Journal) -> Result<()> {
        self.of(from, || {
            let rename = self.function(self.functions().rename, "rename")?;
            let Some(old) = self.locate(from)? else {
                return self.refused(Reason::EntryNotFound, "the name is not");
            };
            let new = CatalogEntry { name: *to, ..old };
            let is_half_done =
                |now: &CatalogEntry| self.recatalog_is_two_steps() && now.leads_as(&new);
            if self.locate(to)?.is_some_and(|now| !is_half_done(&now)) {
                return self.refused(Reason::EntryExists, &format!("{to} is cataloged already"));
            }
            let names = (named(from), named(to));
            self.change("rename", &[(to, Some(&new)), (from, None)], |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { rename(user, names.0.as_ptr(), names.1.as_ptr(), error) }
            })
        })
    }

    fn delete(&self, name: &DsName, _: &dyn Journal) -> Result<()> {
        self.of(name, || {
            let remove = self.function(self.functions().remove, "remove")?;
            if self.locate(name)?.is_none() {
                return self.refused(Reason::EntryNotFound, "the name is not");
            }
            let gone = named(name);
            self.change("remove", &[(name, None)], |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { remove(user, gone.as_ptr(), error) }
            })
        })
    }
}

/// Does: adds a catalog of the host. Those that are added stand in the place of those that the library finds on volumes.
/// Gives back: 0; the table was taken, and its `release` will be called. 8: it was not taken; a catalog of this name may be there, or
///   its volume was not added, or has no SYSCTLG.
/// Threads: one at a time.
/// When: before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_add_catalog(
    host: *mut tmr_host,
    functions: *const tmr_catalog_functions,
    error: *mut tmr_error,
) -> i32 {
    let add = || {
        // SAFETY: as the caller promised.
        let (mut given, functions) = unsafe { (alone(host.cast_const())?, input(functions)?) };
        let name = text_in(&functions.name, "tmr_catalog_functions.name")?.to_string();
        let volser = functions.place()?;
        let read = match volser.filter(|_| functions.locate.is_none()) {
            None => None,
            Some(volser) => {
                let found = CvolCatalog::of_volume(&given.volume(volser)?);
                let none = || Error::new(Reason::NoCatalog, "the volume has no SYSCTLG");
                Some(found.ok_or_else(|| none().on_volume(volser))?)
            }
        };
        let catalogs = given.catalogs.get_or_insert_default();
        if catalogs.iter().any(|catalog| catalog.name() == name) {
            let why = format!("the host has a catalog {name} already; give each a name of its own");
            return Err(Error::new(Reason::BadValue, why));
        }
        let table = Table::new(functions, functions.user, functions.release);
        catalogs.push(Arc::new(HostCatalog { table, name, volser, read }));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, add) }
}

/// Does: adds the catalogs (SYSCTLG) that lie on the volumes that were added so far, beside those that were given. Without this call
///   and without catalogs that were given, the library does so by itself.
/// Gives back: 0, also if there are none.
/// Threads: one at a time.
/// When: after the volumes were added, and before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_find_catalogs(host: *mut tmr_host, error: *mut tmr_error) -> i32 {
    let find = || {
        // SAFETY: as the caller promised.
        let mut given = unsafe { alone::<tmr_host, super::host::Given>(host.cast_const()) }?;
        let volumes = given.volumes.clone();
        let catalogs = given.catalogs.get_or_insert_default();
        for volume in volumes {
            if let Some(catalog) = CvolCatalog::of_volume(&volume)
                && !catalogs.iter().any(|known| known.name() == catalog.name())
            {
                catalogs.push(Arc::new(catalog));
            }
        }
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, find) }
}

#[cfg(test)]
mod tests;
