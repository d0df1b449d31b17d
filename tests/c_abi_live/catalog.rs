//! The host's own catalog, which the library's CVOL serves.

use super::desk::{Desk, array, put_structure, release, serve, size_of_it, text_at, text_of};
use super::journal::Changes;
use super::lies::Lie;
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{CatalogEntry, CatalogVolume};
use trackmirror::ffi::*;
use trackmirror::{Catalog, DsMask, DsName, Error, Reason, Result, Volser};

/// A catalog on a volume.
pub struct Entries {
    catalog: CvolCatalog,
    changes: Arc<Changes>,
    lies: bool,
}

impl Entries {
    fn change(&self, change: impl FnOnce(&CvolCatalog, &Changes) -> Result<()>) -> Result<i32> {
        if !self.lies {
            change(&self.catalog, &self.changes)?;
        }
        Ok(TMR_DONE)
    }
}

/// The table of the catalog on a volume.
pub fn table(
    desk: &Desk,
    changes: &Arc<Changes>,
    lie: Option<Lie>,
) -> Result<tmr_catalog_functions> {
    let volume = changes.volume().clone();
    let volser = volume.volser();
    let catalog = CvolCatalog::find_on(volume)?
        .ok_or_else(|| Error::new(Reason::NotCataloged, "there is no catalog").on_volume(volser))?;
    let serves =
        Entries { catalog, changes: changes.clone(), lies: lie == Some(Lie::UnmadeEntries) };
    Ok(tmr_catalog_functions {
        size: size_of_it::<tmr_catalog_functions>(),
        version: TMR_TABLE_VERSION,
        user: desk.user("catalog", serves),
        release: Some(release::<Entries>),
        flags: 0,
        reserved: 0,
        name: array("the host's catalog"),
        volser: array(&volser.to_string()),
        check_sound: Some(check_sound),
        locate: Some(locate),
        list: Some(list),
        add: Some(add),
        recatalog: Some(recatalog),
        rename: Some(rename),
        remove: Some(remove),
    })
}

fn entry_of(entry: &CatalogEntry) -> tmr_catalog_entry {
    let volume = |volume: Option<&CatalogVolume>| tmr_catalog_volume {
        unit_type: volume.map_or([0; 4], |volume| volume.unit_type),
        file_sequence: volume.map_or(0, |volume| volume.file_sequence.into()),
        volser: volume.map_or([0; 16], |volume| array(&volume.volser.to_string())),
    };
    let dscb = entry.dscb.map_or(0, |[high, low, record]| {
        TMR_ENTRY_HAS_DSCB | u32::from_be_bytes([0, high, low, record])
    });
    tmr_catalog_entry {
        size: size_of_it::<tmr_catalog_entry>(),
        volume_count: entry.volumes.len() as u32,
        dscb,
        reserved: 0,
        name: array(&entry.name.to_string()),
        volumes: std::array::from_fn(|index| volume(entry.volumes.get(index))),
    }
}

unsafe fn entry_at(entry: *const tmr_catalog_entry) -> CatalogEntry {
    // SAFETY: it is the library's.
    let entry = unsafe { &*entry };
    let volume = |volume: &tmr_catalog_volume| CatalogVolume {
        unit_type: volume.unit_type,
        volser: Volser::parse(&text_of(&volume.volser)).expect("the library gives serials"),
        file_sequence: volume.file_sequence as u16,
    };
    let [_, ttr @ ..] = entry.dscb.to_be_bytes();
    CatalogEntry {
        name: DsName::parse(&text_of(&entry.name)).expect("the library gives names"),
        volumes: entry.volumes[..entry.volume_count as usize].iter().map(volume).collect(),
        dscb: (entry.dscb & TMR_ENTRY_HAS_DSCB != 0).then_some(ttr),
    }
}

unsafe extern "C" fn check_sound(user: *mut c_void, error: *mut tmr_error) -> i32 {
    // SAFETY: as the library promises.
    unsafe { serve(user, error, |of: &Entries| of.catalog.check_sound().map(|()| TMR_DONE)) }
}

unsafe extern "C" fn locate(
    user: *mut c_void,
    name: *const c_char,
    entry: *mut tmr_catalog_entry,
    error: *mut tmr_error,
) -> i32 {
    let locate = |of: &Entries| {
        // SAFETY: as the library promises.
        let name = DsName::parse(&unsafe { text_at(name) })?;
        Ok(match of.catalog.locate(&name)? {
            None => TMR_MORE,
            Some(found) => {
                // SAFETY: as the library promises.
                unsafe { *entry = entry_of(&found) };
                TMR_DONE
            }
        })
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, locate) }
}

unsafe extern "C" fn list(
    user: *mut c_void,
    mask: *const c_char,
    sink: *mut tmr_sink,
    error: *mut tmr_error,
) -> i32 {
    let list = |of: &Entries| {
        // SAFETY: as the library promises.
        let mask = DsMask::parse(&unsafe { text_at(mask) })?;
        for entry in of.catalog.list(&mask)? {
            // SAFETY: this is the call that the sink is for.
            unsafe { put_structure(sink, &entry_of(&entry)) }?;
        }
        Ok(TMR_DONE)
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, list) }
}

unsafe extern "C" fn add(
    user: *mut c_void,
    entry: *const tmr_catalog_entry,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    let entry = unsafe { entry_at(entry) };
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |of: &Entries| {
            of.change(|catalog, journal| catalog.add(&entry, journal))
        })
    }
}

unsafe extern "C" fn recatalog(
    user: *mut c_void,
    from: *const tmr_catalog_entry,
    to: *const tmr_catalog_entry,
    error: *mut tmr_error,
) -> i32 {
    assert!(!from.is_null(), "this catalog makes a change in one step");
    // SAFETY: as the library promises.
    let (from, to) = unsafe { (entry_at(from), entry_at(to)) };
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |of: &Entries| {
            of.change(|catalog, journal| catalog.recatalog(&from, &to, journal))
        })
    }
}

unsafe extern "C" fn rename(
    user: *mut c_void,
    from: *const c_char,
    to: *const c_char,
    error: *mut tmr_error,
) -> i32 {
    let rename = |of: &Entries| {
        // SAFETY: as the library promises.
        let (from, to) = unsafe { (DsName::parse(&text_at(from))?, DsName::parse(&text_at(to))?) };
        of.change(|catalog, journal| catalog.rename(&from, &to, journal))
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, rename) }
}

unsafe extern "C" fn remove(user: *mut c_void, name: *const c_char, error: *mut tmr_error) -> i32 {
    let remove = |of: &Entries| {
        // SAFETY: as the library promises.
        let name = DsName::parse(&unsafe { text_at(name) })?;
        of.change(|catalog, journal| catalog.delete(&name, journal))
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, remove) }
}
