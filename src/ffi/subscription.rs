//! Subscriptions: what a migration wants to know of the writes to one volume.

use super::boundary::{
    Handle, Out, check_reserved, guarded, list, shared, text_in, to_array, volser,
};
use super::{TMR_DONE, TMR_MORE, TMR_NO_TRACK, tmr_area, tmr_error, tmr_extent};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::monitor::{Area, NotQuiet, Subscription};

/// A migration's subscription to the changes of one volume. Several threads may use it at a time.
pub struct tmr_subscription {
    _opaque: [u8; 0],
}

impl Handle for tmr_subscription {
    type Value = Subscription;
    const NAME: &'static str = "tmr_subscription";
}

/// The tracks of a list, all of them on this area's volume.
///
/// # Safety
/// `extents` is NULL, or points to so many of them.
pub(super) unsafe fn extents_on(
    area: &Area,
    extents: *const tmr_extent,
    count: u32,
) -> Result<Vec<Extent>> {
    let own = area.identity().volser;
    let extent_of = |extent: &tmr_extent| {
        check_reserved("tmr_extent", &extent.reserved)?;
        let named = text_in(&extent.volser, "tmr_extent.volser")?;
        let (first, track_count) = (extent.first, extent.track_count);
        if !named.is_empty() && own != [0; 6] && <[u8; 6]>::from(volser(named)?) != own {
            let why = format!(
                "an extent of {track_count} tracks from track {first} on is on volume {named}, not on this one"
            );
            return Err(Error::new(Reason::NoSuchVolume, why).on_volume(own));
        }
        Ok(Extent::new(Track(first), track_count))
    };
    // SAFETY: as the caller promised.
    unsafe { list(extents, count, "the list of extents") }?.iter().map(extent_of).collect()
}

/// The two numbers that a migration is known by.
///
/// # Safety
/// `id` is NULL, or points to two of them.
pub(super) unsafe fn migration_of(id: *const u64) -> Result<[u64; 2]> {
    // SAFETY: as the caller promised.
    match unsafe { list(id, 2u32, "the migration's id") }? {
        [0, 0] => {
            let why = "the migration's id is zero; take one that no other migration has";
            Err(Error::new(Reason::BadValue, why))
        }
        [high, low] => Ok([*high, *low]),
        _ => Err(Error::new(Reason::BadValue, "the migration's id has two numbers")),
    }
}

/// Gives back 4, and fills the caller's block in with what was found.
///
/// # Safety
/// `error` is NULL or can be read and written.
pub(super) unsafe fn not_quiet(error: *mut tmr_error, found: &NotQuiet, area: &Area) -> i32 {
    let identity = area.identity();
    let why = found.to_string();
    let volume = match identity.volser {
        [0, 0, 0, 0, 0, 0] => String::new(),
        known => crate::bytes::ebcdic_text(&known),
    };
    let remark = tmr_error {
        track: found.track().map_or(TMR_NO_TRACK, |track| track.0),
        volser: to_array(&volume),
        sentence: to_array(&match volume.as_str() {
            "" => why,
            volume => format!("volume {volume}: {why}"),
        }),
        ..tmr_error::empty()
    };
    // SAFETY: as the caller promised.
    unsafe { tmr_error::remark(error, remark) };
    TMR_MORE
}

/// Does: subscribes a migration to the changes of a volume: every write that begins from now on is marked for it. Or takes up
///   again what the same migration subscribed before, also in a process that has died since. `id` are two numbers that no
///   other migration has; not both zero.
/// Gives back: 0 and the subscription, to be closed with tmr_subscription_close; 8 if another process owns it, or the volume has as
///   many as it can.
/// Threads: any.
/// When: while the area is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_subscription_open(
    area: *const tmr_area,
    id: *const u64,
    subscription: *mut *mut tmr_subscription,
    error: *mut tmr_error,
) -> i32 {
    let open = || {
        // SAFETY: as the caller promised.
        let (out, area) = unsafe { (Out::handle(subscription)?, shared(area)?) };
        // SAFETY: as the caller promised.
        out.give_handle(Subscription::open(&area, unsafe { migration_of(id) }?)?);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, open) }
}

/// Does: makes all these tracks work, and everything that is written from now on. The volume in an extent may be empty.
/// Gives back: 0; 8 if a track is outside the volume, or as long as a write that began before the subscription has not ended
///   (TMR_R_NOT_FILLED): then call it again after a while.
/// Threads: several may at a time.
/// When: before copying; later for tracks that are added.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_subscription_fill(
    subscription: *const tmr_subscription,
    extents: *const tmr_extent,
    extent_count: u32,
    error: *mut tmr_error,
) -> i32 {
    let fill = || {
        // SAFETY: as the caller promised.
        let subscription = unsafe { shared(subscription) }?;
        // SAFETY: as the caller promised.
        let extents = unsafe { extents_on(subscription.area(), extents, extent_count) }?;
        // A refused list makes no part of itself work.
        extents.iter().try_for_each(|extent| subscription.left_count(*extent).map(drop))?;
        subscription.fill(&extents)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, fill) }
}

/// Does: counts the work that is left in these tracks: written, or not copied yet, or just being copied.
/// Gives back: 0 and the number of tracks; 8 if a track is outside the volume.
/// Threads: several may at a time.
/// When: while the subscription is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_subscription_left(
    subscription: *const tmr_subscription,
    extents: *const tmr_extent,
    extent_count: u32,
    left: *mut u64,
    error: *mut tmr_error,
) -> i32 {
    let count = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::take(left, "the place for the number") }?;
        // SAFETY: as the caller promised.
        let subscription = unsafe { shared(subscription) }?;
        // SAFETY: as the caller promised.
        let extents = unsafe { extents_on(subscription.area(), extents, extent_count) }?;
        let mut sum = 0;
        for extent in extents {
            sum += u64::from(subscription.left_count(extent)?);
        }
        out.give(sum);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, count) }
}

/// Does: looks whether anything of these tracks is in flight, written and not copied, or not known to be durable at the target.
///   Images that died are found out first.
/// Gives back: 0 if there is nothing: with the tracks sealed, and no copier at work, the target holds everything, and nothing more
///   comes. 4 if there is something; the error block says what was found first, without a reason. 8 if a track is outside the
///   volume.
/// Threads: several may at a time.
/// When: while the subscription is open and filled.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_subscription_look(
    subscription: *const tmr_subscription,
    extents: *const tmr_extent,
    extent_count: u32,
    error: *mut tmr_error,
) -> i32 {
    let look = || {
        // SAFETY: as the caller promised.
        let subscription = unsafe { shared(subscription) }?;
        let area = subscription.area();
        // SAFETY: as the caller promised.
        let extents = unsafe { extents_on(area, extents, extent_count) }?;
        if !subscription.is_filled() {
            let why = "the subscription was not filled (tmr_subscription_fill), so nobody knows what is work";
            return Err(Error::new(Reason::NotFilled, why).on_volume(area.identity().volser));
        }
        Ok(match subscription.look(&extents)? {
            None => TMR_DONE,
            // SAFETY: as the caller promised.
            Some(found) => unsafe { not_quiet(error, &found, area) },
        })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, look) }
}

/// Does: seals tracks: every write of them that begins from now on is refused, by whatever program. Those that have begun go on;
///   tmr_subscription_look finds them.
/// Gives back: 0; 8 if a track is outside the volume, and then nothing is sealed.
/// Threads: several may at a time.
/// When: when little is left, before the last of it is copied.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_subscription_seal(
    subscription: *const tmr_subscription,
    extents: *const tmr_extent,
    extent_count: u32,
    error: *mut tmr_error,
) -> i32 {
    let seal = || {
        // SAFETY: as the caller promised.
        let subscription = unsafe { shared(subscription) }?;
        // SAFETY: as the caller promised.
        let extents = unsafe { extents_on(subscription.area(), extents, extent_count) }?;
        subscription.seal(&extents)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, seal) }
}

/// Does: opens everything that this migration sealed.
/// Gives back: 0.
/// Threads: several may at a time.
/// When: when the tracks may be written again.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_subscription_unseal(
    subscription: *const tmr_subscription,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the caller promised.
    unsafe {
        guarded(error, || {
            shared(subscription)?.unseal();
            Ok(TMR_DONE)
        })
    }
}

/// Does: ends a subscription: what it sealed is opened, nothing is marked for it any more, and it cannot be taken up again.
///   Clears the pointer.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no subscription, or a copier or a receiver still
///   works with it.
/// Threads: the last one that uses it.
/// When: once, when the migration has ended.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_subscription_close(subscription: *mut *mut tmr_subscription) -> i32 {
    let end = || {
        // SAFETY: as the caller promised.
        if let Some(open) = unsafe { last_of(subscription) }? {
            open.close();
        }
        // SAFETY: as the caller promised.
        unsafe { super::boundary::end(subscription) }
    };
    // SAFETY: there is no error block.
    unsafe { guarded(std::ptr::null_mut(), end) }
}

/// Does: lets go of a subscription without ending it: writes are marked on, what is sealed stays so, and the same migration may
///   open it again. It is the same when the process dies. Clears the pointer.
/// Gives back: as tmr_subscription_close.
/// Threads: the last one that uses it.
/// When: once, in place of tmr_subscription_close.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_subscription_leave(
    subscription: *mut *mut tmr_subscription,
    error: *mut tmr_error,
) -> i32 {
    let leave = || {
        // SAFETY: as the caller promised.
        unsafe { last_of(subscription) }?;
        // SAFETY: as the caller promised.
        unsafe { super::boundary::end(subscription) }
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, leave) }
}

/// What is behind a subscription that is about to go, if there is one; nobody else may work with it.
///
/// # Safety
/// As of [`close`].
unsafe fn last_of(subscription: *mut *mut tmr_subscription) -> Result<Option<Subscription>> {
    if subscription.is_null() || !subscription.is_aligned() {
        return Ok(None);
    }
    // SAFETY: as the caller promised.
    let handle = unsafe { *subscription };
    if handle.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller promised.
    let open = unsafe { shared(handle.cast_const()) }?;
    if open.is_shared() {
        // It would go on, and hear of no change any more.
        let why = "a copier or a receiver works with this subscription; close it first";
        return Err(Error::new(Reason::HandleInUse, why).on_volume(open.area().identity().volser));
    }
    Ok(Some(open.clone()))
}
