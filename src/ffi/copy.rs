//! The copier: copies the tracks of a translate table, in steps.

use super::boundary::{
    Alone, Filled, Handle, Out, Structure, alone, check_options, check_reserved, close, guarded,
    input_if_any, list, shared,
};
use super::host::with_ports;
use super::migration::TMR_DIGESTS;
use super::translate::volser_of;
use super::{TMR_DONE, TMR_MORE, tmr_error, tmr_extent, tmr_host, tmr_subscription, tmr_table};
use crate::copy::{Copier, CopyOptions, Progress};
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::host::Host;
use crate::monitor::Subscription;
use crate::name::Volser;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ffi::c_char;

/// More threads would have nothing to do.
const THREADS_MAX: u32 = 256;
/// Larger batches cost memory, and save nothing.
const BATCH_TRACKS_MAX: u32 = 1024;

/// How a copier works. NULL stands for all zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_copier_options {
    /// sizeof (tmr_copier_options).
    pub size: u32,
    /// How many threads copy inside a step, the caller's included: at most 256; 0 is 1.
    pub threads: u32,
    /// The most tracks of one read and one write, at most 1024; 0 leaves it to the library.
    pub batch_tracks: u32,
    /// TMR_DIGESTS, or 0.
    pub options: u32,
    /// How many subscriptions there are: none if nobody writes to the sources, else one for each volume of
    /// sources.
    pub subscription_count: u32,
    /// Zero.
    pub reserved: u32,
    /// The subscriptions. They say which tracks are to be copied: those that were filled in, and those that
    /// are changed while they are copied. They must stay open as long as the copier.
    pub subscriptions: *const *const tmr_subscription,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_copier_options {
    const NAME: &'static str = "tmr_copier_options";
    const SIZE_MIN: usize = 32;

    fn check(&self) -> Result<()> {
        check_reserved("tmr_copier_options", &[self.reserved])?;
        check_options(self.options, TMR_DIGESTS, "tmr_copier_options.options")
    }
}

const _: () = assert!(size_of::<tmr_copier_options>() == 32);

/// What a step did, what is left, and what was done since the copier was made. A track that was copied
/// twice counts twice.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_progress {
    /// sizeof (tmr_progress).
    pub size: u32,
    /// How many tracks the step copied and made durable.
    pub copied: u32,
    /// How many tracks the step left because they were being written when they were read.
    pub torn: u32,
    /// Zero.
    pub reserved: u32,
    /// How many tracks are still to be copied.
    pub left: u64,
    /// How often all tracks had their turn.
    pub pass_count: u64,
    /// Tracks written by all steps.
    pub total_track_count: u64,
    /// Bytes of their images.
    pub total_byte_count: u64,
    /// Their records behind R0.
    pub total_record_count: u64,
    /// Counts that carried another address than their track's, and were kept as they are.
    pub total_foreign_count: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_progress {
    const NAME: &'static str = "tmr_progress";
    const SIZE_MIN: usize = 64;
}

const _: () = assert!(size_of::<tmr_progress>() == 64);

impl tmr_progress {
    fn of(step: &Progress, copier: &Copier) -> tmr_progress {
        let totals = copier.totals();
        tmr_progress {
            size: size_of::<tmr_progress>() as u32,
            copied: step.copied,
            torn: step.torn,
            reserved: 0,
            left: step.left,
            pass_count: copier.pass_count(),
            total_track_count: totals.track_count,
            total_byte_count: totals.byte_count,
            total_record_count: totals.record_count,
            total_foreign_count: totals.foreign_count,
        }
    }
}

/// Copies the tracks of a table. One call uses it at a time.
pub struct tmr_copier {
    _opaque: [u8; 0],
}

impl Handle for tmr_copier {
    type Value = Mutex<Copier>;
    const NAME: &'static str = "tmr_copier";
}

/// A number of threads that can be meant.
pub(super) fn threads_of(threads: u32, what: &str) -> Result<usize> {
    if threads > THREADS_MAX {
        let why = format!("{what} is {threads}; give at most {THREADS_MAX}, or 0 for one");
        return Err(Error::new(Reason::BadValue, why));
    }
    Ok(threads.max(1) as usize)
}

/// How it is copied, as a structure says it.
pub(super) fn copying(
    structure: &str,
    (threads, batch_tracks): (u32, u32),
    options: u32,
) -> Result<CopyOptions> {
    if batch_tracks > BATCH_TRACKS_MAX {
        let why = format!(
            "{structure}.batch_tracks is {batch_tracks}; give at most {BATCH_TRACKS_MAX}, or 0"
        );
        return Err(Error::new(Reason::BadValue, why));
    }
    Ok(CopyOptions {
        threads: threads_of(threads, &format!("{structure}.threads"))?,
        batch_tracks: (batch_tracks != 0).then_some(batch_tracks),
        digests: options & TMR_DIGESTS != 0,
    })
}

fn options_of(options: Option<&tmr_copier_options>) -> Result<CopyOptions> {
    let Some(options) = options else { return Ok(CopyOptions::default()) };
    let how = (options.threads, options.batch_tracks);
    copying(tmr_copier_options::NAME, how, options.options)
}

/// The subscriptions of a list, each under its volume.
///
/// # Safety
/// The list is as its description says.
unsafe fn subscriptions_of(
    options: Option<&tmr_copier_options>,
) -> Result<BTreeMap<Volser, Subscription>> {
    let mut found = BTreeMap::new();
    let Some(options) = options else { return Ok(found) };
    // SAFETY: as the caller promised.
    let given = unsafe {
        list(options.subscriptions, options.subscription_count, "tmr_copier_options.subscriptions")
    }?;
    for subscription in given {
        // SAFETY: as the caller promised.
        let subscription = unsafe { shared(*subscription) }?;
        let volser = subscription.area().identity().volser;
        if volser == [0; 6] {
            let why = "the subscription's area does not know its volume, so nobody can say whose tracks they are";
            return Err(Error::new(Reason::AreaForeign, why));
        }
        if found.insert(Volser::from_bytes(volser), subscription.clone()).is_some() {
            let why = "there are two subscriptions for this volume; give one";
            return Err(Error::new(Reason::BadValue, why).on_volume(volser));
        }
    }
    Ok(found)
}

/// Does: makes a copier for a table, whose volumes are the host's. `options` may be NULL. Without
///   subscriptions nobody may write to the sources while it copies, and all tracks are to be copied.
///   Nothing is copied yet.
/// Gives back: 0 and the copier, to be closed with tmr_copier_close; 8 if a volume is not the host's, or
///   too small, or of another device, or a target can only be read, or a volume has no subscription that
///   was filled in.
/// Threads: one at a time with this host; several may at a time with this table.
/// When: at any time; host and table may be closed then.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_copier_new(
    table: *const tmr_table,
    host: *const tmr_host,
    options: *const tmr_copier_options,
    copier: *mut *mut tmr_copier,
    error: *mut tmr_error,
) -> i32 {
    let make = || {
        // SAFETY: as the caller promised.
        let (out, table) = unsafe { (Out::handle(copier)?, shared(table)?) };
        // SAFETY: as the caller promised.
        let options = unsafe { input_if_any(options) }?;
        // SAFETY: as the caller promised.
        let subscriptions = unsafe { subscriptions_of(options.as_ref()) }?;
        let options = options_of(options.as_ref())?;
        let make = |host: &Host| {
            let (table, volumes) = (table.clone(), &host.volumes);
            if subscriptions.is_empty() {
                Copier::new(table, volumes, volumes, options)
            } else {
                Copier::monitored(table, volumes, volumes, &subscriptions, options)
            }
        };
        // SAFETY: as the caller promised.
        let copier = unsafe { with_ports(host, make) };
        out.give_handle(Mutex::new(copier?));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, make) }
}

/// Does: copies at most `track_count_max` tracks, and makes them durable. What failed is still to be
///   copied, what did not is not, and the step may be called again.
/// Gives back: 0 if nothing is left; 4 if there is more to do; 8 or 12 if a track could not be copied.
/// Threads: one at a time.
/// When: while the copier is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_copier_step(
    copier: *mut tmr_copier,
    track_count_max: u32,
    progress: *mut tmr_progress,
    error: *mut tmr_error,
) -> i32 {
    let step = || {
        // SAFETY: as the caller promised.
        let (out, mut copier) = unsafe { (Filled::take(progress)?, alone(copier.cast_const())?) };
        if track_count_max == 0 {
            return Err(Error::new(
                Reason::BadValue,
                "track_count_max is 0: nothing would be done",
            ));
        }
        let step = copier.step(track_count_max)?;
        out.give(&tmr_progress::of(&step, &copier));
        Ok(if step.done { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, step) }
}

/// A copier, and source tracks that its caller names.
///
/// # Safety
/// The pointers are as the text of the function says.
unsafe fn copier_and_tracks<'a>(
    copier: *mut tmr_copier,
    volser: *const c_char,
    first: u32,
    track_count: u32,
) -> Result<(Alone<'a, Copier>, Volser, Extent)> {
    // SAFETY: as the caller promised.
    let (copier, volser) = unsafe { (alone(copier.cast_const())?, volser_of(volser)?) };
    let tracks = tmr_extent { first, track_count, ..Default::default() }.tracks();
    Ok((copier, volser, tracks.map_err(|error| error.on_volume(volser))?))
}

/// Does: puts source tracks back to what is still to be copied.
/// Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if one of them is in no source of the table, and
///   then none is put back.
/// Threads: one at a time.
/// When: while the copier is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_copier_retake(
    copier: *mut tmr_copier,
    volser: *const c_char,
    first: u32,
    track_count: u32,
    error: *mut tmr_error,
) -> i32 {
    let retake = || {
        // SAFETY: as the caller promised.
        let (mut copier, volser, tracks) =
            unsafe { copier_and_tracks(copier, volser, first, track_count) }?;
        copier.retake(volser, tracks)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, retake) }
}

/// Does: takes source tracks from what is still to be copied, without copying them: they were copied
///   before, or hold nothing.
/// Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if one of them is in no source of the table, and
///   then none is left out.
/// Threads: one at a time.
/// When: while the copier is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_copier_leave_out(
    copier: *mut tmr_copier,
    volser: *const c_char,
    first: u32,
    track_count: u32,
    error: *mut tmr_error,
) -> i32 {
    let leave_out = || {
        // SAFETY: as the caller promised.
        let (mut copier, volser, tracks) =
            unsafe { copier_and_tracks(copier, volser, first, track_count) }?;
        copier.leave_out(volser, tracks)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, leave_out) }
}

/// Does: says the digest of the tracks of an entry of the table, addresses aside.
/// Gives back: 0 and the digest; 4 and no digest if not all of its tracks were copied by this copier, or no
///   digests are kept (TMR_DIGESTS); 8 with the reason TMR_R_NO_MORE if there is no entry of this
///   number.
/// Threads: one at a time.
/// When: while the copier is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_copier_digest(
    copier: *mut tmr_copier,
    entry: u32,
    digest: *mut u32,
    error: *mut tmr_error,
) -> i32 {
    let tell = || {
        // SAFETY: as the caller promised.
        let (out, copier) = unsafe {
            (Out::take(digest, "the place for the digest")?, alone(copier.cast_const())?)
        };
        super::assess::numbered(copier.table().entries(), entry, "entries in the table")?;
        match copier.digest(entry as usize) {
            None => Ok(TMR_MORE),
            Some(digest) => {
                out.give(digest);
                Ok(TMR_DONE)
            }
        }
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, tell) }
}

/// Does: ends a copier, and clears the pointer. What it copied stays where it is.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no copier, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_copier_close(copier: *mut *mut tmr_copier) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(copier) }
}
