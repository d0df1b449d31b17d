//! The host's own space managers, which the library's VTOC manager serves, with a journal of their own: a system that
//! manages space keeps its changes whole.

use super::desk::{Desk, put_structure, release, serve, size_of_it, text_at, text_of};
use super::journal::Changes;
use super::lies::Lie;
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use trackmirror::dscb::{DscbAddress, Format1};
use trackmirror::ffi::*;
use trackmirror::geometry::{Extent, Track};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{Expiration, Identity, NewDataSet};
use trackmirror::{DsName, Result, SpaceManager};

/// The space of a volume.
pub struct Space {
    manager: VtocSpaceManager,
    changes: Arc<Changes>,
    lies: bool,
}

impl Space {
    fn change<T>(
        &self,
        change: impl FnOnce(&VtocSpaceManager, &Changes) -> Result<T>,
    ) -> Result<i32> {
        if !self.lies {
            change(&self.manager, &self.changes)?;
        }
        Ok(TMR_DONE)
    }
}

/// The table of a volume's space. Some hosts let the library read the VTOC.
pub fn table(
    desk: &Desk,
    changes: &Arc<Changes>,
    reads: bool,
    lie: Option<Lie>,
) -> tmr_space_functions {
    let volume = changes.volume();
    let name = format!("space {}", volume.volser());
    let serves = Space {
        manager: VtocSpaceManager::new(volume.clone()),
        changes: changes.clone(),
        lies: lie == Some(Lie::UnmadeSpace),
    };
    tmr_space_functions {
        size: size_of_it::<tmr_space_functions>(),
        version: TMR_TABLE_VERSION,
        user: desk.user(&name, serves),
        release: Some(release::<Space>),
        flags: 0,
        reserved: 0,
        read: if reads { Some(read) } else { None },
        check_writable: if reads { Some(check_writable) } else { None },
        allocate: Some(allocate),
        extend: Some(extend),
        release_space: Some(release_space),
        scratch: Some(scratch),
        rename: Some(rename),
        update: Some(update),
        replace_space: Some(replace_space),
    }
}

unsafe fn extents_at(extents: *const tmr_extent, count: u32) -> Vec<Extent> {
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the library's list is so long.
    let all = unsafe { std::slice::from_raw_parts(extents, count as usize) };
    all.iter().map(|extent| Extent::new(Track(extent.first), extent.track_count)).collect()
}

unsafe fn identity_at(identity: *const tmr_identity) -> Identity {
    // SAFETY: it is the library's.
    let of = unsafe { &*identity };
    let [year, high, low, _] = of.creation_date;
    let extent = Extent::new(Track(of.first_track), of.first_track_count);
    Identity {
        name: DsName::parse(&text_of(&of.name)).expect("the library gives names"),
        address: DscbAddress { track: Track(of.track), record: of.record as u8 },
        creation_date: [year, high, low],
        first_extent: (of.first_track_count > 0).then_some(extent),
    }
}

unsafe fn format1_at(format1: *const tmr_dscb) -> Format1 {
    // SAFETY: it is the library's.
    Format1::from_bytes(unsafe { &*format1 }.bytes)
}

unsafe extern "C" fn read(user: *mut c_void, sink: *mut tmr_sink, error: *mut tmr_error) -> i32 {
    let read = |space: &Space| {
        for (address, dscb) in space.manager.read()?.dscbs {
            let item = tmr_dscb {
                size: size_of_it::<tmr_dscb>(),
                track: address.track.0,
                record: address.record.into(),
                reserved: 0,
                bytes: dscb.to_bytes(),
            };
            // SAFETY: this is the call that the sink is for.
            unsafe { put_structure(sink, &item) }?;
        }
        Ok(TMR_DONE)
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, read) }
}

unsafe extern "C" fn check_writable(user: *mut c_void, error: *mut tmr_error) -> i32 {
    // SAFETY: as the library promises.
    unsafe { serve(user, error, |space: &Space| space.manager.check_writable().map(|()| TMR_DONE)) }
}

unsafe extern "C" fn allocate(
    user: *mut c_void,
    format1: *const tmr_dscb,
    extents: *const tmr_extent,
    extent_count: u32,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    let (format1, extents) = unsafe { (format1_at(format1), extents_at(extents, extent_count)) };
    let new = NewDataSet { format1, extents };
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |space: &Space| {
            space.change(|manager, journal| manager.allocate(&new, journal))
        })
    }
}

unsafe extern "C" fn extend(
    user: *mut c_void,
    identity: *const tmr_identity,
    extents: *const tmr_extent,
    extent_count: u32,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    let (of, by) = unsafe { (identity_at(identity), extents_at(extents, extent_count)) };
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |space: &Space| {
            space.change(|manager, journal| manager.extend(&of, &by, journal))
        })
    }
}

unsafe extern "C" fn release_space(
    user: *mut c_void,
    identity: *const tmr_identity,
    track_count: u32,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    let of = unsafe { identity_at(identity) };
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |space: &Space| {
            space.change(|manager, journal| manager.release(&of, track_count, journal))
        })
    }
}

unsafe extern "C" fn scratch(
    user: *mut c_void,
    identity: *const tmr_identity,
    today: u32,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    let of = unsafe { identity_at(identity) };
    let [high, low] = ((today % 1000) as u16).to_be_bytes();
    let expiration = match today {
        0 => Expiration::Ignore,
        _ => Expiration::Respect { today: [(today / 1000) as u8, high, low] },
    };
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |space: &Space| {
            space.change(|manager, journal| manager.scratch(&of, expiration, journal))
        })
    }
}

unsafe extern "C" fn rename(
    user: *mut c_void,
    identity: *const tmr_identity,
    name: *const c_char,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    let (of, to) = unsafe { (identity_at(identity), text_at(name)) };
    let rename = |space: &Space| {
        let to = DsName::parse(&to)?;
        space.change(|manager, journal| manager.rename(&of, &to, journal))
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, rename) }
}

unsafe extern "C" fn update(
    user: *mut c_void,
    identity: *const tmr_identity,
    format1: *const tmr_dscb,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    let (of, format1) = unsafe { (identity_at(identity), format1_at(format1)) };
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |space: &Space| {
            space.change(|manager, journal| manager.update(&of, &format1, journal))
        })
    }
}

unsafe extern "C" fn replace_space(
    user: *mut c_void,
    identity: *const tmr_identity,
    placeholder: *const tmr_identity,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    let (of, other) = unsafe { (identity_at(identity), identity_at(placeholder)) };
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |space: &Space| {
            space.change(|manager, journal| manager.replace_space(&of, &other, journal))
        })
    }
}
