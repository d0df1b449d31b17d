//! Translate tables: where each track goes.

use super::assess::{no_more, numbered};
use super::boundary::{
    Filled, Handle, Out, Structure, check_options, check_reserved, close, guarded, list, shared,
    text, text_in, to_array, volser,
};
use super::{TMR_DONE, tmr_error, tmr_extent, tmr_plan};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::name::Volser;
use crate::translate::{Entry, Run, TranslateTable};
use std::ffi::c_char;

/// Where each track goes. It never changes, and several threads may use it at a time.
pub struct tmr_table {
    _opaque: [u8; 0],
}

impl Handle for tmr_table {
    type Value = TranslateTable;
    const NAME: &'static str = "tmr_table";
}

/// A run of tracks that goes to another one of the same length. It stands in lists, one behind the other, and so has no size.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct tmr_entry {
    /// The serial of the volume of the source.
    pub source_volser: [c_char; 16],
    /// The serial of the volume of the target.
    pub target_volser: [c_char; 16],
    /// The absolute number of the source's first track.
    pub source_first: u32,
    /// The absolute number of the target's first track.
    pub target_first: u32,
    /// How many tracks.
    pub track_count: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<tmr_entry>() == 48);

impl tmr_entry {
    fn of(run: &Run) -> tmr_entry {
        tmr_entry {
            source_volser: to_array(&run.source_volser.to_string()),
            target_volser: to_array(&run.target_volser.to_string()),
            source_first: run.source.first.0,
            target_first: run.target.0,
            track_count: run.source.track_count,
            reserved: 0,
        }
    }

    /// What it says; whether that can be is seen by the table.
    fn entry(&self) -> Result<Entry> {
        check_reserved("tmr_entry", &[self.reserved])?;
        let tracks = |first| Extent::new(Track(first), self.track_count);
        let target = volser(text_in(&self.target_volser, "tmr_entry.target_volser")?)?;
        Ok(Entry {
            source_volser: volser(text_in(&self.source_volser, "tmr_entry.source_volser")?)?,
            source: tracks(self.source_first),
            targets: vec![(target, tracks(self.target_first))],
        })
    }
}

/// What a table has.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_table_info {
    /// sizeof (tmr_table_info).
    pub size: u32,
    /// How many entries it has: source extents. They keep the order in which they were given.
    pub entry_count: u32,
    /// How many runs it has: pieces of entries that are in one piece on source and target.
    pub run_count: u32,
    /// Zero.
    pub reserved: u32,
    /// On how many volumes its sources lie.
    pub source_volume_count: u32,
    /// On how many volumes its targets lie.
    pub target_volume_count: u32,
    /// How many tracks its sources have together.
    pub track_count: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_table_info {
    const NAME: &'static str = "tmr_table_info";
    const SIZE_MIN: usize = 32;
}

const _: () = assert!(size_of::<tmr_table_info>() == 32);

/// The place of a track.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_location {
    /// sizeof (tmr_location).
    pub size: u32,
    /// The absolute number of the track.
    pub track: u32,
    /// The number of the entry that has it, from 0 on.
    pub entry: u32,
    /// Its place in that entry, from 0 on.
    pub place: u32,
    /// The serial of the volume.
    pub volser: [c_char; 16],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_location {
    const NAME: &'static str = "tmr_location";
    const SIZE_MIN: usize = 32;
}

const _: () = assert!(size_of::<tmr_location>() == 32);

impl tmr_location {
    fn of((volser, track): (Volser, Track), (entry, place): (usize, u32)) -> tmr_location {
        tmr_location {
            size: size_of::<tmr_location>() as u32,
            track: track.0,
            entry: entry as u32,
            place,
            volser: to_array(&volser.to_string()),
        }
    }
}

/// The runs of a list.
///
/// # Safety
/// `pointer` is NULL, or points to so many of them.
unsafe fn runs(
    pointer: *const tmr_extent,
    count: u32,
    what: &str,
) -> Result<Vec<(Volser, Extent)>> {
    // SAFETY: as the caller promised.
    unsafe { list(pointer, count, what) }?.iter().map(tmr_extent::on_volume).collect()
}

fn not_in_table(volser: Volser, track: u32, side: &str) -> Error {
    let why = format!("track {track} is in no {side} extent of the translate table");
    Error::new(Reason::NotInTable, why).on_volume(volser)
}

/// Does: makes a table of `count` entries, each of which says where a run of tracks goes. No track may be in two of them, nor be
///   source and target.
/// Gives back: 0 and the table, to be closed with tmr_table_close; 8 if that cannot be.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_table_new(
    entries: *const tmr_entry,
    count: u32,
    table: *mut *mut tmr_table,
    error: *mut tmr_error,
) -> i32 {
    let make = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(table) }?;
        // SAFETY: as the caller promised.
        let entries = unsafe { list(entries, count, "the list of entries") }?;
        let entries = entries.iter().map(tmr_entry::entry).collect::<Result<_>>()?;
        out.give_handle(TranslateTable::new(entries)?);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, make) }
}

/// Does: makes a table by laying two lists of extents beside each other: the tracks of the sources go, in order, to the tracks of
///   the targets. Targets that are left over stay unused. Each source extent is one entry.
/// Gives back: 0 and the table, to be closed with tmr_table_close; 8 if the targets have fewer tracks than the sources, or a track
///   is in two extents.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_table_map(
    sources: *const tmr_extent,
    source_count: u32,
    targets: *const tmr_extent,
    target_count: u32,
    table: *mut *mut tmr_table,
    error: *mut tmr_error,
) -> i32 {
    let make = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(table) }?;
        // SAFETY: as the caller promised.
        let (sources, targets) = unsafe {
            (
                runs(sources, source_count, "the list of sources")?,
                runs(targets, target_count, "the list of targets")?,
            )
        };
        out.give_handle(TranslateTable::new(TranslateTable::map(&sources, &targets)?)?);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, make) }
}

/// Only tracks that hold something, as far as that is known.
pub const TMR_USED_TRACKS: u32 = 1;

/// Does: makes the table of a plan: one entry for each source extent of each data set, in their order. `options` is
///   TMR_USED_TRACKS to leave out what holds nothing, or 0.
/// Gives back: 0 and the table, to be closed with tmr_table_close.
/// Threads: several may at a time.
/// When: while the plan is open; it may be closed then.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_table_of_plan(
    plan: *const tmr_plan,
    options: u32,
    table: *mut *mut tmr_table,
    error: *mut tmr_error,
) -> i32 {
    let make = || {
        // SAFETY: as the caller promised.
        let (out, planned) = unsafe { (Out::handle(table)?, shared(plan)?) };
        check_options(options, TMR_USED_TRACKS, "options")?;
        let mut entries = Vec::new();
        for data_set in &planned.plan.data_sets {
            entries.extend(data_set.copied_entries(options & TMR_USED_TRACKS != 0)?);
        }
        out.give_handle(TranslateTable::new(entries)?);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, make) }
}

/// Does: says what a table has.
/// Gives back: 0.
/// Threads: several may at a time.
/// When: while the table is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_table_describe(
    table: *const tmr_table,
    info: *mut tmr_table_info,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, table) = unsafe { (Filled::take(info)?, shared(table)?) };
        out.give(&tmr_table_info {
            size: size_of::<tmr_table_info>() as u32,
            entry_count: table.entries().len() as u32,
            run_count: table.run_count() as u32,
            reserved: 0,
            source_volume_count: table.source_volsers().len() as u32,
            target_volume_count: table.target_volsers().len() as u32,
            track_count: table.track_count(),
        });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// Does: says where a run of tracks goes that is in one piece on source and target, and in one entry. The runs are numbered from 0
///   on, in ascending order of the source.
/// Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
/// Threads: several may at a time.
/// When: while the table is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_table_run(
    table: *const tmr_table,
    index: u32,
    run: *mut tmr_entry,
    error: *mut tmr_error,
) -> i32 {
    let get = || {
        // SAFETY: as the caller promised.
        let (out, table) = unsafe { (Out::take(run, "the place for the run")?, shared(table)?) };
        let run = table.run_at(index as usize);
        out.give(tmr_entry::of(run.ok_or_else(|| no_more(index, table.run_count(), "runs"))?));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, get) }
}

/// Does: says which source extent an entry is. Entries are numbered from 0 on, in the order in which they were given.
/// Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
/// Threads: several may at a time.
/// When: while the table is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_table_entry(
    table: *const tmr_table,
    index: u32,
    source: *mut tmr_extent,
    error: *mut tmr_error,
) -> i32 {
    let get = || {
        // SAFETY: as the caller promised.
        let (out, table) =
            unsafe { (Out::take(source, "the place for the extent")?, shared(table)?) };
        let entry = numbered(table.entries(), index, "entries in the table")?;
        out.give(tmr_extent::of(entry.source_volser, entry.source));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, get) }
}

/// Does: says where a source track goes.
/// Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if it is in no source.
/// Threads: several may at a time.
/// When: while the table is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_table_to_target(
    table: *const tmr_table,
    volser: *const c_char,
    track: u32,
    target: *mut tmr_location,
    error: *mut tmr_error,
) -> i32 {
    let translate = || {
        // SAFETY: as the caller promised.
        let (out, table, volser) =
            unsafe { (Filled::take(target)?, shared(table)?, volser_of(volser)?) };
        let found = table.to_target(volser, Track(track)).zip(table.position(volser, Track(track)));
        let (target, position) = found.ok_or_else(|| not_in_table(volser, track, "source"))?;
        out.give(&tmr_location::of(target, position));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, translate) }
}

/// Does: says where what belongs on a target track comes from.
/// Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if it is in no target.
/// Threads: several may at a time.
/// When: while the table is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_table_to_source(
    table: *const tmr_table,
    volser: *const c_char,
    track: u32,
    source: *mut tmr_location,
    error: *mut tmr_error,
) -> i32 {
    let translate = || {
        // SAFETY: as the caller promised.
        let (out, table, volser) =
            unsafe { (Filled::take(source)?, shared(table)?, volser_of(volser)?) };
        let found = table.to_source(volser, Track(track));
        let found = found.and_then(|source| Some((source, table.position(source.0, source.1)?)));
        let (source, position) = found.ok_or_else(|| not_in_table(volser, track, "target"))?;
        out.give(&tmr_location::of(source, position));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, translate) }
}

/// The volume that the caller names.
///
/// # Safety
/// `pointer` is NULL, or points to bytes that end with a zero.
pub(super) unsafe fn volser_of(pointer: *const c_char) -> Result<Volser> {
    // SAFETY: as the caller promised.
    volser(unsafe { text(pointer, "volser") }?)
}

/// Does: ends a table, and clears the pointer. What was made with it keeps what it needs.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no table.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_table_close(table: *mut *mut tmr_table) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(table) }
}
