//! The host's own space manager of a volume.
//!
//! What a host says of its VTOC is looked at as a VTOC that lies on a volume is: it may be damaged, but not be no VTOC. What it
//! says it has changed is not believed; the VTOC is read again, and must show exactly what was asked for. If it does although
//! the function failed, the change was made. A change of the host is whole or not made by itself, so nothing is
//! written to the journal.

use super::boundary::{
    self, Structure, alone, check_options, check_reserved, guarded, input, text, to_array,
};
use super::tables::{Table, check_table, item, lied, tmr_release, tmr_sink};
use super::{TMR_DONE, tmr_error, tmr_extent, tmr_host};
use crate::dscb::{DSCB_LENGTH, Dscb, DscbAddress, Format1};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Geometry, Track};
use crate::name::{DsName, Volser};
use crate::volume::Volume;
use crate::volume::intent::Journal;
use crate::vtoc::{DataSetDscbs, Expiration, FreeSpace, Identity, NewDataSet, SpaceManager, Vtoc};
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// More DSCBs than any VTOC that can be changed has.
const DSCBS_MAX: usize = 1 << 20;

/// Another system makes the changes: nothing is written through the volume, which need not be open for writing.
pub const TMR_SPACE_DELEGATED: u32 = 1;

/// A DSCB, and where it stands.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_dscb {
    /// sizeof (tmr_dscb).
    pub size: u32,
    /// The absolute number of its track.
    pub track: u32,
    /// Its record number there, from 1 on. 0 for one that has no place yet.
    pub record: u32,
    /// Zero.
    pub reserved: u32,
    /// Its key and its data, as on the volume; all zero for one that is free.
    pub bytes: [u8; 140],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_dscb {
    const NAME: &'static str = "tmr_dscb";
    const SIZE_MIN: usize = 156;

    fn check(&self) -> Result<()> {
        check_reserved(Self::NAME, &[self.reserved])
    }
}

const _: () = assert!(size_of::<tmr_dscb>() == 156);

impl tmr_dscb {
    /// An F1 that has no place: what a data set shall be.
    fn of(format1: &Format1) -> tmr_dscb {
        let size = size_of::<tmr_dscb>() as u32;
        tmr_dscb { size, track: 0, record: 0, reserved: 0, bytes: *format1.as_bytes() }
    }

    /// What a host put, on a volume of this geometry.
    fn told(&self, geometry: &Geometry) -> Result<(DscbAddress, Dscb)> {
        let track = Track(self.track);
        let record = u8::try_from(self.record).ok().filter(|record| *record > 0);
        match record.filter(|_| track.0 < geometry.track_count()) {
            Some(record) => Ok((DscbAddress { track, record }, Dscb::from_bytes(self.bytes))),
            None => Err(Error::new(
                Reason::BadValue,
                format!("track {}, record {} is no place on the volume", self.track, self.record),
            )),
        }
    }
}

const _: () = assert!(DSCB_LENGTH == 140);

/// What tells a data set from every other one that ever had its name.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_identity {
    /// sizeof (tmr_identity).
    pub size: u32,
    /// The absolute number of the track on which its format 1 DSCB stands.
    pub track: u32,
    /// That DSCB's record number.
    pub record: u32,
    /// Zero.
    pub reserved: u32,
    /// DS1CREDT, and a zero.
    pub creation_date: [u8; 4],
    /// Its name.
    pub name: [c_char; 96],
    /// The first track of its first extent, if it has one.
    pub first_track: u32,
    /// How many tracks that extent has; 0 if it has none.
    pub first_track_count: u32,
}

const _: () = assert!(size_of::<tmr_identity>() == 124);

impl tmr_identity {
    fn of(identity: &Identity) -> tmr_identity {
        let [year, high, low] = identity.creation_date;
        let extent = identity.first_extent.unwrap_or(Extent::new(Track(0), 0));
        tmr_identity {
            size: size_of::<tmr_identity>() as u32,
            track: identity.address.track.0,
            record: identity.address.record.into(),
            reserved: 0,
            creation_date: [year, high, low, 0],
            name: to_array(&identity.name.to_string()),
            first_track: extent.first.0,
            first_track_count: extent.track_count,
        }
    }
}

/// The functions of a host that manages the space of a volume. Each change is made whole or not at all, is durable when its function
/// returns 0, and is seen by `read` from then on. A function that is NULL is a change that cannot be made. Each gives back a
/// return code, and fills the error block in if that is 8 or 12. They are called by any thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_space_functions {
    /// sizeof (tmr_space_functions).
    pub size: u32,
    /// TMR_TABLE_VERSION.
    pub version: u32,
    /// Handed to each function.
    pub user: *mut c_void,
    /// Called once with `user`, when the library needs the table no more. May be NULL.
    pub release: tmr_release,
    /// TMR_SPACE_DELEGATED, or 0.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// Puts a tmr_dscb for each DSCB of each track of the VTOC, free ones included. NULL: the VTOC is read through the volume.
    pub read: Option<
        unsafe extern "C" fn(user: *mut c_void, sink: *mut tmr_sink, error: *mut tmr_error) -> i32,
    >,
    /// Says whether data sets can be allocated and scratched. NULL: they can, as long as the VTOC can be read.
    pub check_writable:
        Option<unsafe extern "C" fn(user: *mut c_void, error: *mut tmr_error) -> i32>,
    /// Allocates a data set with the attributes of this F1, at exactly these extents, of which each is free. In the F1 the
    /// extents, their number and the pointer are the host's to set.
    pub allocate: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            format1: *const tmr_dscb,
            extents: *const tmr_extent,
            extent_count: u32,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Appends exactly these extents to a data set; one that begins where the last one ends is merged into it.
    pub extend: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            identity: *const tmr_identity,
            extents: *const tmr_extent,
            extent_count: u32,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Gives back the tracks behind the first `track_count` of a data set.
    pub release_space: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            identity: *const tmr_identity,
            track_count: u32,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Removes a data set and frees its space. `today` is (year - 1900) * 1000 + day of the year, and refuses a data set whose expiration
    /// date has not passed; 0: the date does not matter.
    pub scratch: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            identity: *const tmr_identity,
            today: u32,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Gives a data set another name, which no data set has.
    pub rename: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            identity: *const tmr_identity,
            name: *const c_char,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Gives a data set the attributes of this F1: bytes 45 to 58 and 60 to 104 of it. Its name, extents and pointer stay.
    pub update: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            identity: *const tmr_identity,
            format1: *const tmr_dscb,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Lets a data set have the space of another one, which disappears; its own old space becomes free, and its F1 stays where it is.
    pub replace_space: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            identity: *const tmr_identity,
            placeholder: *const tmr_identity,
            error: *mut tmr_error,
        ) -> i32,
    >,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value but for functions, which are nothing until they are
// called, and its fields leave no bytes between them.
unsafe impl Structure for tmr_space_functions {
    const NAME: &'static str = "tmr_space_functions";
    const SIZE_MIN: usize = 104;

    fn check(&self) -> Result<()> {
        check_table(Self::NAME, self.version, &[])?;
        check_options(self.flags, TMR_SPACE_DELEGATED, "tmr_space_functions.flags")?;
        check_reserved(Self::NAME, &[self.reserved])
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<tmr_space_functions>() == 104);

// SAFETY: functions, and a pointer that only they use.
unsafe impl Send for tmr_space_functions {}
// SAFETY: as above.
unsafe impl Sync for tmr_space_functions {}

/// The space of a volume, managed by the host.
#[derive(Debug)]
struct HostSpace {
    table: Table<tmr_space_functions>,
    volume: Arc<dyn Volume>,
}

/// What is seen of a change.
enum Seen<T> {
    Done(T),
    /// What is as before, or otherwise than it was asked for.
    Not(String),
}

impl HostSpace {
    fn placed<T>(&self, name: &DsName, act: impl FnOnce() -> Result<T>) -> Result<T> {
        act().map_err(|error| error.on_volume(self.volser()).of_data_set(*name))
    }

    /// A function, or that a change cannot be made.
    fn function<F>(&self, function: Option<F>, what: &str) -> Result<F> {
        function.ok_or_else(|| {
            let why = format!(
                "the host gave no function {what} for this volume; give one, or choose another volume"
            );
            Error::new(Reason::NotDelegated, why)
        })
    }

    /// All DSCBs, as the host reads them, in the order of their addresses; `None` if it leaves that to the library.
    fn dscbs(&self) -> Result<Option<Vec<(DscbAddress, Dscb)>>> {
        let Some(read) = self.table.functions.read else { return Ok(None) };
        let geometry = self.volume.geometry();
        let possible = u64::from(geometry.track_count()) * 255;
        let limit = usize::try_from(possible).unwrap_or(DSCBS_MAX).min(DSCBS_MAX);
        let mut dscbs = Vec::new();
        let take = |bytes: &[u8]| {
            let dscb = item::<tmr_dscb>(bytes)?.told(&geometry)?;
            if dscbs.len() == limit {
                return Err(lied("read", format!("more than {limit} DSCBs")));
            }
            dscbs.push(dscb);
            Ok(())
        };
        let code = self.table.gather("read", take, |user, sink, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe { read(user, sink, error) }
        })?;
        if code != TMR_DONE {
            return Err(lied("read", format!("gave back {code} for a VTOC")));
        }
        dscbs.sort_by_key(|(address, _)| *address);
        Ok(Some(dscbs))
    }

    /// Has a change made, and looks whether it is there, whatever was said of it.
    fn change<T>(
        &self,
        what: &str,
        function: impl FnOnce(*mut c_void, *mut tmr_error) -> i32,
        look: impl FnOnce(Vtoc) -> Result<Seen<T>>,
    ) -> Result<T> {
        let said = self.table.carry_out(what, function);
        match (self.read().and_then(look), said) {
            (Ok(Seen::Done(done)), said) => {
                if let Err(error) = said {
                    log::warn!("{what} was made on {}, although: {error}", self.volser());
                }
                Ok(done)
            }
            (_, Err(error)) => Err(error),
            (Ok(Seen::Not(seen)), Ok(())) => {
                let why = format!("the host's function {what} said that it is done, but {seen}");
                Err(Error::new(Reason::ChangeNotSeen, why))
            }
            (Err(error), Ok(())) => Err(error),
        }
    }

    /// A change after which a data set must be so.
    fn change_to(
        &self,
        what: &str,
        wanted: &Wanted<'_>,
        function: impl FnOnce(*mut c_void, *mut tmr_error) -> i32,
    ) -> Result<DataSetDscbs> {
        self.change(what, function, |vtoc| wanted.look(&vtoc))
    }

    /// That all of these tracks belong to nobody.
    fn check_free(&self, vtoc: &Vtoc, extents: &[Extent]) -> Result<()> {
        let mut free = FreeSpace::complement(vtoc);
        let heads = vtoc.geometry.heads();
        extents.iter().try_for_each(|&extent| {
            let checked = match extent.track_count {
                0 => Err(Error::new(Reason::BadRequest, "an extent has no tracks")),
                _ => vtoc.geometry.check(extent),
            };
            let taken = checked.and_then(|()| free.take(extent));
            taken.map_err(|error| error.at_track(extent.first.0, heads))
        })
    }

    fn list(&self, extents: &[Extent]) -> Vec<tmr_extent> {
        extents.iter().map(|extent| tmr_extent::of(self.volser(), *extent)).collect()
    }
}

/// What a data set shall be after a change.
struct Wanted<'a> {
    name: DsName,
    /// Where its F1 must stand, if it has a place.
    address: Option<DscbAddress>,
    /// Its attributes.
    format1: &'a Format1,
    extents: Vec<Extent>,
    /// Who must be gone.
    gone: Option<DsName>,
}

impl Wanted<'_> {
    fn look(&self, vtoc: &Vtoc) -> Result<Seen<DataSetDscbs>> {
        let (name, volser) = (self.name, vtoc.volser);
        let Some(found) = vtoc.find(&name)? else {
            return Ok(Seen::Not(format!("{volser} has no data set {name}")));
        };
        let seen = if self.address.is_some_and(|address| address != found.address) {
            "its format 1 DSCB stands elsewhere"
        } else if found.extents != self.extents {
            "it has other extents than were asked for"
        } else if self.format1.at_place_of(&found.format1) != found.format1 {
            "it has other attributes than were asked for"
        } else if let Some(gone) = self.gone
            && vtoc.find(&gone)?.is_some()
        {
            return Ok(Seen::Not(format!("{gone} is still there")));
        } else if let Some(extent) = vtoc.claimed_by_others(&found) {
            let why =
                format!("others have tracks of what {name} has from track {} on", extent.first.0);
            return Err(
                lied("of the space manager", why).at_track(extent.first.0, vtoc.geometry.heads())
            );
        } else {
            return Ok(Seen::Done(found));
        };
        Ok(Seen::Not(format!("{name} is not so: {seen}")))
    }
}

impl SpaceManager for HostSpace {
    fn volser(&self) -> Volser {
        self.volume.volser()
    }

    fn read(&self) -> Result<Vtoc> {
        let read = || {
            let Some(dscbs) = self.dscbs()? else { return Vtoc::read(&*self.volume) };
            let vtoc = Vtoc::of_dscbs(&*self.volume, dscbs)?;
            if vtoc.volser == self.volser() {
                return Ok(vtoc);
            }
            let why = format!("the label says that this is volume {}", vtoc.volser);
            Err(Error::new(Reason::IdentityChanged, why))
        };
        read().map_err(|error| error.on_volume(self.volser()))
    }

    fn check_writable(&self) -> Result<()> {
        let Some(check) = self.table.functions.check_writable else {
            return self.read().map(drop);
        };
        let checked = self.table.carry_out("check_writable", |user, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe { check(user, error) }
        });
        checked.map_err(|error| error.on_volume(self.volser()))
    }

    fn is_delegated(&self) -> bool {
        self.table.functions.flags & TMR_SPACE_DELEGATED != 0
    }

    fn allocate(&self, new: &NewDataSet, _: &dyn Journal) -> Result<DataSetDscbs> {
        let name = new.format1.name();
        self.placed(&name, || {
            let allocate = self.function(self.table.functions.allocate, "allocate")?;
            let vtoc = self.read()?;
            vtoc.check_new_name(&name)?;
            self.check_free(&vtoc, &new.extents)?;
            let (format1, extents) = (tmr_dscb::of(&new.format1), self.list(&new.extents));
            let count = extents.len() as u32;
            let wanted = Wanted {
                name,
                address: None,
                format1: &new.format1,
                extents: new.extents.clone(),
                gone: None,
            };
            self.change_to("allocate", &wanted, |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { allocate(user, &raw const format1, extents.as_ptr(), count, error) }
            })
        })
    }

    fn extend(&self, of: &Identity, by: &[Extent], _: &dyn Journal) -> Result<DataSetDscbs> {
        self.placed(&of.name, || {
            let extend = self.function(self.table.functions.extend, "extend")?;
            let vtoc = self.read()?;
            let found = of.recognise(vtoc.find(&of.name)?)?;
            if by.is_empty() {
                return Ok(found);
            }
            self.check_free(&vtoc, by)?;
            let (identity, extents) = (tmr_identity::of(of), self.list(by));
            let count = extents.len() as u32;
            let wanted = Wanted::of(&found, Extent::joined(&found.extents, by));
            self.change_to("extend", &wanted, |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { extend(user, &raw const identity, extents.as_ptr(), count, error) }
            })
        })
    }

    fn release(&self, of: &Identity, track_count: u32, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.placed(&of.name, || {
            let release = self.function(self.table.functions.release_space, "release_space")?;
            let found = of.recognise(self.find(&of.name)?)?;
            found.check_cut(track_count)?;
            if track_count == found.track_count() {
                return Ok(found);
            }
            let identity = tmr_identity::of(of);
            let wanted = Wanted::of(&found, Extent::cut(&found.extents, track_count).0);
            self.change_to("release_space", &wanted, |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { release(user, &raw const identity, track_count, error) }
            })
        })
    }

    /// A data set with an expiration date that counts is left to the host, which refuses if it has not passed.
    fn scratch(&self, of: &Identity, expiration: Expiration, _: &dyn Journal) -> Result<()> {
        self.placed(&of.name, || {
            let scratch = self.function(self.table.functions.scratch, "scratch")?;
            of.recognise(self.find(&of.name)?)?;
            let identity = tmr_identity::of(of);
            let today = match expiration {
                Expiration::Ignore => 0,
                // A day that is none must not pass for one that does not matter.
                Expiration::Respect { today: [year, high, low] } => {
                    let day = u32::from(u16::from_be_bytes([high, low]));
                    (u32::from(year) * 1000 + day).max(1)
                }
            };
            let call = |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { scratch(user, &raw const identity, today, error) }
            };
            self.change("scratch", call, |vtoc| {
                // Another data set under the old name is somebody's new one.
                let is_there = vtoc.find(&of.name)?.is_some_and(|now| Identity::of(&now) == *of);
                let still = || Seen::Not(format!("{} is still there", of.name));
                Ok(if is_there { still() } else { Seen::Done(()) })
            })
        })
    }

    fn rename(&self, of: &Identity, to: &DsName, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.placed(&of.name, || {
            let rename = self.function(self.table.functions.rename, "rename")?;
            let vtoc = self.read()?;
            let found = of.recognise(vtoc.find(&of.name)?)?;
            vtoc.check_new_name(to)?;
            let (identity, name) = (tmr_identity::of(of), to_array::<96>(&to.to_string()));
            let wanted = Wanted {
                name: *to,
                // Its own system may write another DSCB.
                address: None,
                gone: Some(of.name),
                ..Wanted::of(&found, found.extents.clone())
            };
            self.change_to("rename", &wanted, |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { rename(user, &raw const identity, name.as_ptr(), error) }
            })
        })
    }

    fn update(&self, of: &Identity, format1: &Format1, _: &dyn Journal) -> Result<DataSetDscbs> {
        self.placed(&of.name, || {
            let update = self.function(self.table.functions.update, "update")?;
            let found = of.recognise(self.find(&of.name)?)?;
            let updated = format1.at_place_of(&found.format1);
            let (identity, dscb) = (tmr_identity::of(of), tmr_dscb::of(&updated));
            let wanted = Wanted { format1: &updated, ..Wanted::of(&found, found.extents.clone()) };
            self.change_to("update", &wanted, |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { update(user, &raw const identity, &raw const dscb, error) }
            })
        })
    }

    fn replace_space(
        &self,
        of: &Identity,
        placeholder: &Identity,
        _: &dyn Journal,
    ) -> Result<DataSetDscbs> {
        self.placed(&of.name, || {
            let replace = self.function(self.table.functions.replace_space, "replace_space")?;
            let vtoc = self.read()?;
            let found = of.recognise(vtoc.find(&of.name)?)?;
            let other = placeholder.recognise(vtoc.find(&placeholder.name)?)?;
            found.check_replacement(&other)?;
            let identities = (tmr_identity::of(of), tmr_identity::of(placeholder));
            let wanted =
                Wanted { gone: Some(placeholder.name), ..Wanted::of(&found, other.extents) };
            self.change_to("replace_space", &wanted, |user, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { replace(user, &raw const identities.0, &raw const identities.1, error) }
            })
        })
    }
}

impl<'a> Wanted<'a> {
    /// A data set as it was found, with other extents.
    fn of(found: &'a DataSetDscbs, extents: Vec<Extent>) -> Wanted<'a> {
        Wanted {
            name: found.format1.name(),
            address: Some(found.address),
            format1: &found.format1,
            extents,
            gone: None,
        }
    }
}

/// Does: gives the host a space manager of its own for a volume, in the place of the library's, or of one that was given before.
/// Gives back: 0; the table was taken, and its `release` will be called. 8: the volume was not added; the table was not taken.
/// Threads: one at a time.
/// When: after the volume was added, and before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_set_space_manager(
    host: *mut tmr_host,
    volser: *const c_char,
    functions: *const tmr_space_functions,
    error: *mut tmr_error,
) -> i32 {
    let set = || {
        // SAFETY: as the caller promised.
        let (mut given, serial) = unsafe { (alone(host.cast_const())?, text(volser, "volser")?) };
        // SAFETY: as the caller promised.
        let functions = unsafe { input(functions) }?;
        let volume = given.volume(boundary::volser(serial)?)?;
        let table = Table::new(functions, functions.user, functions.release);
        given.space.insert(volume.volser(), Arc::new(HostSpace { table, volume }));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, set) }
}

#[cfg(test)]
mod tests;
