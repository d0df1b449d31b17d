//! Verification: whether source and target hold the same.

use super::assess::numbered;
use super::boundary::{Filled, Handle, Out, Structure, close, guarded, shared, to_array};
use super::copy::threads_of;
use super::host::with_ports;
use super::{TMR_DONE, TMR_MORE, tmr_error, tmr_host, tmr_table};
use crate::verify::{Difference, Verification, verify};
use std::ffi::c_char;

/// What a comparison of sources and targets found. Several threads may use it at a time.
pub struct tmr_verification {
    _opaque: [u8; 0],
}

impl Handle for tmr_verification {
    type Value = Verification;
    const NAME: &'static str = "tmr_verification";
}

/// What a comparison found, in numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_verification_info {
    /// sizeof (tmr_verification_info).
    pub size: u32,
    /// How many differences can be asked for: the first 1000 of them.
    pub listed_count: u32,
    /// How many tracks were compared.
    pub track_count: u64,
    /// How many of them differ.
    pub difference_count: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_verification_info {
    const NAME: &'static str = "tmr_verification_info";
    const SIZE_MIN: usize = 24;
}

const _: () = assert!(size_of::<tmr_verification_info>() == 24);

/// A track that is not the same on source and target.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_difference {
    /// sizeof (tmr_difference).
    pub size: u32,
    /// The absolute number of the track of the source.
    pub source_track: u32,
    /// The absolute number of the track where it should be.
    pub target_track: u32,
    /// Zero.
    pub reserved: u32,
    /// The serial of the volume of the source.
    pub source_volser: [c_char; 16],
    /// The serial of the volume of the target.
    pub target_volser: [c_char; 16],
    /// What differs; no newline. It says where records differ, never what is in them.
    pub sentence: [c_char; 512],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_difference {
    const NAME: &'static str = "tmr_difference";
    const SIZE_MIN: usize = 560;
}

const _: () = assert!(size_of::<tmr_difference>() == 560);

impl tmr_difference {
    fn of(difference: &Difference) -> tmr_difference {
        let (source, target) = (difference.source, difference.target);
        tmr_difference {
            size: size_of::<tmr_difference>() as u32,
            source_track: source.1.0,
            target_track: target.1.0,
            reserved: 0,
            source_volser: to_array(&source.0.to_string()),
            target_volser: to_array(&target.0.to_string()),
            sentence: to_array(&difference.what),
        }
    }
}

/// Does: compares the sources of a table with its targets, record by record, by so many threads (0 is 1).
///   Nothing is written.
/// Gives back: 0 and what was found if they are equal, 4 and what was found if they are not; to be closed
///   with tmr_verification_close. A track that cannot be read is a difference. 8 if a volume is not the
///   host's, or does not fit the table.
/// Threads: one at a time with this host; several may at a time with this table.
/// When: at any time. Tracks that are written meanwhile may differ.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_verify(
    table: *const tmr_table,
    host: *const tmr_host,
    threads: u32,
    verification: *mut *mut tmr_verification,
    error: *mut tmr_error,
) -> i32 {
    let compare = || {
        // SAFETY: as the caller promised.
        let (out, table) = unsafe { (Out::handle(verification)?, shared(table)?) };
        let threads = threads_of(threads, "threads")?;
        // SAFETY: as the caller promised.
        let found = unsafe {
            with_ports(host, |host| verify(&table, &host.volumes, &host.volumes, threads))
        }?;
        let code = if found.is_equal() { TMR_DONE } else { TMR_MORE };
        out.give_handle(found);
        Ok(code)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, compare) }
}

/// Does: says in numbers what a comparison found.
/// Gives back: 0.
/// Threads: several may at a time.
/// When: while the verification is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_verification_describe(
    verification: *const tmr_verification,
    info: *mut tmr_verification_info,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, found) = unsafe { (Filled::take(info)?, shared(verification)?) };
        out.give(&tmr_verification_info {
            size: size_of::<tmr_verification_info>() as u32,
            listed_count: found.differences.len() as u32,
            track_count: found.track_count,
            difference_count: found.difference_count,
        });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// Does: says what differs. The differences are numbered from 0 on, in ascending order of the source.
/// Gives back: 0; 8 with the reason TMR_R_NO_MORE if none of this number is listed.
/// Threads: several may at a time.
/// When: while the verification is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_verification_difference(
    verification: *const tmr_verification,
    index: u32,
    difference: *mut tmr_difference,
    error: *mut tmr_error,
) -> i32 {
    let get = || {
        // SAFETY: as the caller promised.
        let (out, found) = unsafe { (Filled::take(difference)?, shared(verification)?) };
        let difference = numbered(&found.differences, index, "differences listed")?;
        out.give(&tmr_difference::of(difference));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, get) }
}

/// Does: says the digest of the source tracks of an entry of the table, addresses aside: the same as
///   tmr_copier_digest.
/// Gives back: 0 and the digest; 4 and no digest if one of its tracks cannot be read or does not check; 8
///   with the reason TMR_R_NO_MORE if there is no entry of this number.
/// Threads: several may at a time.
/// When: while the verification is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_verification_digest(
    verification: *const tmr_verification,
    entry: u32,
    digest: *mut u32,
    error: *mut tmr_error,
) -> i32 {
    let get = || {
        // SAFETY: as the caller promised.
        let (out, found) =
            unsafe { (Out::take(digest, "the place for the digest")?, shared(verification)?) };
        match numbered(&found.digests, entry, "entries in the table")? {
            None => Ok(TMR_MORE),
            Some(digest) => {
                out.give(*digest);
                Ok(TMR_DONE)
            }
        }
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, get) }
}

/// Does: ends the use of what a comparison found, and clears the pointer.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is none, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_verification_close(verification: *mut *mut tmr_verification) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(verification) }
}
