//! Translate tables: where each track goes.

use super::assess::{no_more, numbered};
use super::boundary::{
    Filled, Handle, Out, Structure, check_options, check_reserved, close, guarded, list, shared,
    text, text_in, to_array, volser,
};
use super::migration::TMR_USED_ONLY;
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

/// A run of tracks that goes to another one of the same length. It stands in lists, one behind the other,
/// and so has no size.
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

/// Does: makes a table of `count` entries, each of which says where a run of tracks goes. No track may be
///   in two of them, nor be source and target.
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

/// Does: makes a table by laying two lists of extents beside each other: the tracks of the sources go, in
///   order, to the tracks of the targets. Targets that are left over stay unused. Each source extent is one
///   entry.
/// Gives back: 0 and the table, to be closed with tmr_table_close; 8 if the targets have fewer tracks than
///   the sources, or a track is in two extents.
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

/// Does: makes the table of a plan: one entry for each source extent of each data set, in their order.
///   `options` is TMR_USED_ONLY to leave out what holds nothing, or 0.
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
        check_options(options, TMR_USED_ONLY, "options")?;
        let mut entries = Vec::new();
        for data_set in &planned.plan.data_sets {
            entries.extend(data_set.copied_entries(options & TMR_USED_ONLY != 0)?);
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

/// Does: says where a run of tracks goes that is in one piece on source and target, and in one entry. The
///   runs are numbered from 0 on, in ascending order of the source.
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

/// Does: says which source extent an entry is. Entries are numbered from 0 on, in the order in which they
///   were given.
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
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no table, or in use.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::ptr::{null, null_mut};

    struct Table(*mut tmr_table);

    impl Drop for Table {
        fn drop(&mut self) {
            // SAFETY: it is open, and used no more.
            assert_eq!(unsafe { tmr_table_close(&raw mut self.0) }, TMR_DONE);
        }
    }

    fn entry(source: u32, target: u32, track_count: u32) -> tmr_entry {
        tmr_entry {
            source_volser: to_array("OLD001"),
            target_volser: to_array("NEW001"),
            source_first: source,
            target_first: target,
            track_count,
            reserved: 0,
        }
    }

    /// A table, or the reason why there is none.
    fn table(entries: &[tmr_entry]) -> std::result::Result<Table, u32> {
        let (mut table, mut error) = (null_mut(), tmr_error::empty());
        let count = entries.len() as u32;
        // SAFETY: every pointer is one to what the function wants.
        let code =
            unsafe { tmr_table_new(entries.as_ptr(), count, &raw mut table, &raw mut error) };
        assert_eq!(code == TMR_DONE, !table.is_null());
        if code == TMR_DONE { Ok(Table(table)) } else { Err(error.reason) }
    }

    fn location() -> tmr_location {
        tmr_location {
            size: 32,
            ..tmr_location::of((Volser::from_bytes([0x40; 6]), Track(0)), (0, 0))
        }
    }

    type Translate = unsafe extern "C" fn(
        *const tmr_table,
        *const c_char,
        u32,
        *mut tmr_location,
        *mut tmr_error,
    ) -> i32;

    fn translated(table: &Table, way: Translate, volser: &str, track: u32) -> (i32, u32, u32, u32) {
        let (volser, mut found) = (CString::new(volser).unwrap(), location());
        // SAFETY: every pointer is one to what the function wants.
        let code = unsafe { way(table.0, volser.as_ptr(), track, &raw mut found, null_mut()) };
        (code, found.track, found.entry, found.place)
    }

    #[test]
    fn tracks_are_translated_both_ways() {
        let table = table(&[entry(100, 7, 10), entry(20, 30, 5)]).ok().unwrap();
        let target = |track| translated(&table, tmr_table_to_target, "OLD001", track);
        let source = |track| translated(&table, tmr_table_to_source, "NEW001", track);
        assert_eq!(target(109), (0, 16, 0, 9));
        assert_eq!(target(20), (0, 30, 1, 0));
        assert_eq!(source(16), (0, 109, 0, 9));
        assert_eq!(source(34), (0, 24, 1, 4));
        for track in [0, 19, 25, 110, u32::MAX] {
            assert_eq!(target(track), (8, 0, 0, 0));
        }
        for track in [0, 6, 17, 35, u32::MAX] {
            assert_eq!(source(track), (8, 0, 0, 0));
        }
        assert_eq!(translated(&table, tmr_table_to_target, "NEW001", 100).0, 8);
        assert_eq!(translated(&table, tmr_table_to_target, "", 100).0, 8);
    }

    #[test]
    fn runs_come_in_the_order_of_the_source_and_entries_as_they_were_given() {
        let table = table(&[entry(100, 7, 10), entry(20, 30, 5)]).ok().unwrap();
        let (mut run, mut source) = (tmr_entry::default(), tmr_extent::default());
        // SAFETY: every pointer is one to what the function wants.
        unsafe {
            assert_eq!(tmr_table_run(table.0, 0, &raw mut run, null_mut()), TMR_DONE);
            assert_eq!((run.source_first, run.target_first, run.track_count), (20, 30, 5));
            assert_eq!(tmr_table_entry(table.0, 0, &raw mut source, null_mut()), TMR_DONE);
            assert_eq!((source.first, source.track_count), (100, 10));
            for number in [2, u32::MAX] {
                assert_eq!(tmr_table_run(table.0, number, &raw mut run, null_mut()), 8);
                assert_eq!(tmr_table_entry(table.0, number, &raw mut source, null_mut()), 8);
            }
        }
        assert_eq!((run.track_count, source.track_count), (0, 0));
    }

    #[test]
    fn tables_that_cannot_be_are_refused() {
        let most = u32::MAX;
        let refused = |entries: &[tmr_entry]| table(entries).err().unwrap();
        let overlap = [entry(10, 10, 5), entry(14, 20, 5)];
        assert_eq!(refused(&overlap), Reason::TableOverlap as u32);
        assert_eq!(refused(&[entry(1, 1, 0)]), Reason::TableMismatch as u32);
        assert_eq!(refused(&[entry(most, 1, 1)]), Reason::OutsideVolume as u32);
        assert_eq!(refused(&[entry(1, 2, most - 1)]), Reason::OutsideVolume as u32);
        let itself = tmr_entry { target_volser: to_array("OLD001"), ..entry(10, 10, 1) };
        assert_eq!(refused(&[itself]), Reason::TableOverlap as u32);
        let reserved = tmr_entry { reserved: 1, ..entry(1, 1, 1) };
        assert_eq!(refused(&[reserved]), Reason::BadStructure as u32);
        let endless = tmr_entry { source_volser: [1; 16], ..entry(1, 1, 1) };
        assert_eq!(refused(&[endless]), Reason::BadText as u32);
    }

    #[test]
    fn lists_of_extents_are_laid_beside_each_other() {
        let run = |text, first, track_count| tmr_extent {
            volser: to_array(text),
            first,
            track_count,
            ..Default::default()
        };
        let map = |sources: &[tmr_extent], targets: &[tmr_extent]| {
            let (mut table, mut error) = (null_mut(), tmr_error::empty());
            let (from, to) = (sources.len() as u32, targets.len() as u32);
            // SAFETY: every pointer is one to what the function wants.
            let code = unsafe {
                let (sources, targets) = (sources.as_ptr(), targets.as_ptr());
                tmr_table_map(sources, from, targets, to, &raw mut table, &raw mut error)
            };
            if code == TMR_DONE { Ok(Table(table)) } else { Err(error.reason) }
        };
        let sources = [run("OLD001", 300, 30), run("OLD001", 75, 20)];
        let table = map(&sources, &[run("NEW001", 15, 60)]).ok().unwrap();
        assert_eq!(translated(&table, tmr_table_to_target, "OLD001", 75), (0, 45, 1, 0));
        let refused = |targets: &[tmr_extent]| map(&sources, targets).err().unwrap();
        assert_eq!(refused(&[run("NEW001", 15, 49)]), Reason::TableMismatch as u32);
        assert_eq!(refused(&[run("NEW001", 15, 0)]), Reason::BadValue as u32);
        assert_eq!(refused(&[run("NEW001", 15, u32::MAX)]), Reason::BadValue as u32);
        // No sources are no work, and a table all the same.
        let (mut table, targets) = (null_mut(), [run("NEW001", 1, 1)]);
        // SAFETY: as above.
        let code =
            unsafe { tmr_table_map(null(), 0, targets.as_ptr(), 1, &raw mut table, null_mut()) };
        assert_eq!(code, TMR_DONE);
        drop(Table(table));
    }
}
