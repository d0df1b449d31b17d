//! Assessments: what data sets are and occupy, and what forbids moving them.

use super::boundary::{
    Filled, Handle, Out, Structure, check_options, close, guarded, shared, text, text_if_any,
    to_array, volser, words,
};
use super::host::with_ports;
use super::{TMR_DONE, TMR_MORE, TMR_NO_TRACK, tmr_error, tmr_extent, tmr_host};
use crate::assess::{Assessment, Options, assess};
use crate::error::{Error, Reason, Result};
use crate::host::Host;
use crate::name::{DsMask, Volser};
use std::collections::BTreeSet;
use std::ffi::c_char;

/// A data set that no catalog names may be moved.
pub const TMR_UNCATALOGED: u32 = 0x10;

/// What data sets are and occupy. Several threads may use it at a time.
pub struct tmr_assessment {
    _opaque: [u8; 0],
}

/// What is behind an assessment.
pub(super) struct Assessed {
    pub masks: Vec<DsMask>,
    pub data_sets: Vec<Assessment>,
}

impl Handle for tmr_assessment {
    type Value = Assessed;
    const NAME: &'static str = "tmr_assessment";
}

/// What an assessment has.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_assessment_info {
    /// sizeof (tmr_assessment_info).
    pub size: u32,
    /// How many data sets it has.
    pub data_set_count: u32,
    /// How many of them can be moved, as far as they alone are concerned.
    pub movable_count: u32,
    /// On how many volumes they lie.
    pub volume_count: u32,
    /// How many extents they have together.
    pub extent_count: u64,
    /// How many tracks they have together.
    pub track_count: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_assessment_info {
    const NAME: &'static str = "tmr_assessment_info";
    const SIZE_MIN: usize = 32;
}

const _: () = assert!(size_of::<tmr_assessment_info>() == 32);

/// It can be moved, as far as it alone is concerned.
pub const TMR_DATA_SET_MOVABLE: u32 = 1;
/// A catalog has an entry that leads to it.
pub const TMR_DATA_SET_CATALOGED: u32 = 2;

/// What a data set is. Of one that was not found as a whole there are no more than the name and the refusals.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_data_set {
    /// sizeof (tmr_data_set).
    pub size: u32,
    /// TMR_DATA_SET_...
    pub flags: u32,
    /// On how many volumes it lies.
    pub volume_count: u32,
    /// How many extents it has.
    pub extent_count: u32,
    /// How many tracks they have together.
    pub track_count: u32,
    /// How many reasons there are not to move it.
    pub refusal_count: u32,
    /// How many catalogs have an entry that leads to it.
    pub entry_count: u32,
    /// Its last used track, counted from its start, over all its volumes; TMR_NO_TRACK if the DSCBs do not
    /// say.
    pub last_used: u32,
    /// DS1DSORG, its organization.
    pub dsorg: u32,
    /// DS1RECFM, its record format.
    pub recfm: u32,
    /// DS1BLKL, its block size.
    pub blksize: u32,
    /// DS1LRECL, its record length.
    pub lrecl: u32,
    /// Its name.
    pub data_set: [c_char; 96],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_data_set {
    const NAME: &'static str = "tmr_data_set";
    const SIZE_MIN: usize = 144;
}

const _: () = assert!(size_of::<tmr_data_set>() == 144);

impl tmr_data_set {
    fn of(data_set: &Assessment) -> tmr_data_set {
        let flag = |is_so, flag| if is_so { flag } else { 0 };
        let format1 = data_set.parts.first().map(|part| part.dscbs.format1);
        let last_used = data_set.last_used().map(|(part, track)| {
            let before = &data_set.parts[..part];
            before.iter().fold(track, |sum, part| sum.saturating_add(part.track_count()))
        });
        tmr_data_set {
            size: size_of::<tmr_data_set>() as u32,
            flags: flag(data_set.is_movable(), TMR_DATA_SET_MOVABLE)
                | flag(!data_set.cataloged.is_empty(), TMR_DATA_SET_CATALOGED),
            volume_count: data_set.parts.len() as u32,
            extent_count: data_set.extents().count() as u32,
            track_count: data_set.track_count(),
            refusal_count: data_set.refusals.len() as u32,
            entry_count: data_set.cataloged.len() as u32,
            last_used: last_used.unwrap_or(TMR_NO_TRACK),
            dsorg: format1.map_or(0, |format1| format1.dsorg().into()),
            recfm: format1.map_or(0, |format1| format1.recfm().into()),
            blksize: format1.map_or(0, |format1| format1.blksize().into()),
            lrecl: format1.map_or(0, |format1| format1.lrecl().into()),
            data_set: to_array(&data_set.name.to_string()),
        }
    }
}

/// What a list has at a place that the caller names.
pub(super) fn numbered<'a, T>(of: &'a [T], index: u32, what: &str) -> Result<&'a T> {
    of.get(index as usize).ok_or_else(|| no_more(index, of.len(), what))
}

/// That a list ends before the place that the caller names.
pub(super) fn no_more(index: u32, count: usize, what: &str) -> Error {
    Error::new(Reason::NoMore, format!("there are {count} {what}, and no number {index}"))
}

/// The masks of a list.
pub(super) fn masks_of(text: &str) -> Result<Vec<DsMask>> {
    words(text).map(str::parse).collect()
}

/// The volumes of a list, each once, in the order in which they are named first.
pub(super) fn volsers_of(text: &str) -> Result<Vec<Volser>> {
    let mut volsers = Vec::new();
    for word in words(text) {
        let volser = volser(word)?;
        if !volsers.contains(&volser) {
            volsers.push(volser);
        }
    }
    Ok(volsers)
}

/// Takes the place for a refusal: an error block, cleared.
///
/// # Safety
/// `refusal` is NULL, or points to as many bytes as the block there says.
pub(super) unsafe fn refusal_block(refusal: *mut tmr_error) -> Result<Filled<tmr_error>> {
    // SAFETY: as the caller promised.
    unsafe {
        let block = Filled::take(refusal)?;
        tmr_error::clear(refusal)?;
        Ok(block)
    }
}

/// Does: finds out what data sets are and occupy, and what forbids moving them. `masks` is a list of names
///   and masks with blanks or commas between, such as "TEST.** PROD.A"; `volsers` a list of volumes of the
///   host, or NULL for all. `options` is TMR_UNCATALOGED, or 0. Nothing is changed.
/// Gives back: 0 and the assessment, to be closed with tmr_assessment_close; 4 and the assessment if some
///   data sets cannot be moved; 8 if a volume is not the host's, or a mask is none; 12 if a volume or a
///   catalog cannot be read.
/// Threads: one at a time with this host.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_assess(
    host: *const tmr_host,
    masks: *const c_char,
    volsers: *const c_char,
    options: u32,
    assessment: *mut *mut tmr_assessment,
    error: *mut tmr_error,
) -> i32 {
    let assess = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(assessment) }?;
        // SAFETY: as the caller promised.
        let masks = masks_of(unsafe { text(masks, "masks") }?)?;
        // SAFETY: as the caller promised.
        let volsers = unsafe { text_if_any(volsers, "volsers") }?.map(volsers_of).transpose()?;
        check_options(options, TMR_UNCATALOGED, "options")?;
        let options = Options { uncataloged: options & TMR_UNCATALOGED != 0 };
        let assess = |host: &Host| {
            let volsers = volsers.unwrap_or_else(|| host.space.keys().copied().collect());
            assess(&masks, &host.space_of(&volsers)?, &host.catalogs, &options)
        };
        // SAFETY: as the caller promised.
        let data_sets = unsafe { with_ports(host, assess) }?;
        let are_movable = data_sets.iter().all(Assessment::is_movable);
        out.give_handle(Assessed { masks, data_sets });
        Ok(if are_movable { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, assess) }
}

/// Does: says what an assessment has.
/// Gives back: 0.
/// Threads: several may at a time.
/// When: while the assessment is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_assessment_describe(
    assessment: *const tmr_assessment,
    info: *mut tmr_assessment_info,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, assessed) = unsafe { (Filled::take(info)?, shared(assessment)?) };
        let data_sets = &assessed.data_sets;
        let volsers: BTreeSet<Volser> =
            data_sets.iter().flat_map(|data_set| &data_set.parts).map(|part| part.volser).collect();
        out.give(&tmr_assessment_info {
            size: size_of::<tmr_assessment_info>() as u32,
            data_set_count: data_sets.len() as u32,
            movable_count: data_sets.iter().filter(|data_set| data_set.is_movable()).count() as u32,
            volume_count: volsers.len() as u32,
            extent_count: data_sets.iter().map(|data_set| data_set.extents().count() as u64).sum(),
            track_count: data_sets.iter().map(|data_set| u64::from(data_set.track_count())).sum(),
        });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// Does: says what a data set of an assessment is. They are numbered from 0 on, in the order of their names.
/// Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
/// Threads: several may at a time.
/// When: while the assessment is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_assessment_data_set(
    assessment: *const tmr_assessment,
    index: u32,
    data_set: *mut tmr_data_set,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, assessed) = unsafe { (Filled::take(data_set)?, shared(assessment)?) };
        out.give(&tmr_data_set::of(numbered(&assessed.data_sets, index, "data sets")?));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// Does: says where a data set of an assessment lies: its extents, numbered from 0 on, in their order, over
///   all its volumes.
/// Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
/// Threads: several may at a time.
/// When: while the assessment is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_assessment_extent(
    assessment: *const tmr_assessment,
    index: u32,
    extent: u32,
    tracks: *mut tmr_extent,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, assessed) =
            unsafe { (Out::take(tracks, "the place for the extent")?, shared(assessment)?) };
        let data_set = numbered(&assessed.data_sets, index, "data sets")?;
        let (volser, tracks) = data_set.extents().nth(extent as usize).ok_or_else(|| {
            no_more(extent, data_set.extents().count(), "extents").of_data_set(data_set.name)
        })?;
        out.give(tmr_extent::of(volser, tracks));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// Does: says why a data set of an assessment cannot be moved. Its reasons (`which`) are numbered from 0 on.
/// Gives back: 0, and the reason in `refusal`, with the data set; 8 with the reason TMR_R_NO_MORE if there
///   is none of this number.
/// Threads: several may at a time.
/// When: while the assessment is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_assessment_refusal(
    assessment: *const tmr_assessment,
    index: u32,
    which: u32,
    refusal: *mut tmr_error,
    error: *mut tmr_error,
) -> i32 {
    let tell = || {
        // SAFETY: as the caller promised.
        let (out, assessed) = unsafe { (refusal_block(refusal)?, shared(assessment)?) };
        let data_set = numbered(&assessed.data_sets, index, "data sets")?;
        let reason = numbered(&data_set.refusals, which, "reasons")
            .map_err(|error| error.of_data_set(data_set.name))?;
        out.give(&tmr_error::of(&reason.clone().of_data_set(data_set.name)));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, tell) }
}

/// Does: ends an assessment, and clears the pointer. What was made of it keeps what it needs.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no assessment, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_assessment_close(assessment: *mut *mut tmr_assessment) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(assessment) }
}
