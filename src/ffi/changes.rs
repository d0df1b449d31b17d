//! Assessments compared: what became of data sets.

use super::assess::numbered;
use super::boundary::{Filled, Handle, Out, Structure, choice, close, guarded, shared, to_array};
use super::{TMR_DONE, TMR_MORE, tmr_assessment, tmr_error, tmr_extent};
use crate::assess::compare::{
    AllocationChange, ChangedRun, Fate, Field, Gain, Loss, Metadata, compare,
};
use std::ffi::c_char;

/// Catalog entries and DSCBs tell that something changed.
pub const TMR_METADATA_BOTH: u32 = 0;
/// Catalog entries alone tell it: a data set whose entries are as they were counts as persistent.
pub const TMR_METADATA_CATALOG: u32 = 1;
/// DSCBs alone tell it: catalog entries are not looked at.
pub const TMR_METADATA_VTOC: u32 = 2;

const METADATA: [(u32, Metadata); 3] = [
    (TMR_METADATA_BOTH, Metadata::Both),
    (TMR_METADATA_CATALOG, Metadata::Catalog),
    (TMR_METADATA_VTOC, Metadata::Vtoc),
];

/// The data set is there, under its name.
pub const TMR_FATE_PERSISTENT: u32 = 1;
/// It is there, under another name.
pub const TMR_FATE_RENAMED: u32 = 2;
/// Its name is there, but it is another data set.
pub const TMR_FATE_RECREATED: u32 = 3;
/// It is gone.
pub const TMR_FATE_DELETED: u32 = 4;
/// It was not there, and is selected.
pub const TMR_FATE_NEW: u32 = 5;
/// It, or a part of it, is not found, but not all DSCBs of its volumes could be read.
pub const TMR_FATE_UNCLEAR: u32 = 6;

/// A part of the data set came, left, was made again, or has another place among the parts.
pub const TMR_FIELD_PART: u32 = 0x1;
/// DS1LSTAR, DS1TTTHI.
pub const TMR_FIELD_LAST_USED: u32 = 0x2;
/// DS1TRBAL.
pub const TMR_FIELD_BALANCE: u32 = 0x4;
/// DS1REFD.
pub const TMR_FIELD_REFERENCE_DATE: u32 = 0x8;
/// DS1EXPDT.
pub const TMR_FIELD_EXPIRATION_DATE: u32 = 0x10;
/// DS1DSIND.
pub const TMR_FIELD_INDICATORS: u32 = 0x20;
/// DS1DSORG, DS1RECFM, DS1OPTCD, DS1BLKL, DS1LRECL, DS1KEYL, DS1RKP.
pub const TMR_FIELD_ATTRIBUTES: u32 = 0x40;
/// DS1SCALO, DS1SCXTF, DS1SCXTV.
pub const TMR_FIELD_SPACE_REQUEST: u32 = 0x80;
/// DS1DSSN, DS1VOLSQ.
pub const TMR_FIELD_VOLUMES: u32 = 0x100;
/// The format, DS1FLAG1, DS1SMSFG.
pub const TMR_FIELD_FLAGS: u32 = 0x200;
/// DS1NOBDB, DS1SYSCD, and what is reserved.
pub const TMR_FIELD_OTHER: u32 = 0x400;
/// The descriptors of the extents, or the DSCBs behind the F1, whether or not the tracks are the same.
pub const TMR_FIELD_EXTENTS: u32 = 0x800;
/// The track of user labels.
pub const TMR_FIELD_USER_LABEL: u32 = 0x1000;

/// An extent that was there became longer.
pub const TMR_GAIN_MERGED: u32 = 1;
/// An extent was added to a part that was there.
pub const TMR_GAIN_EXTENT: u32 = 2;
/// A part was added.
pub const TMR_GAIN_PART: u32 = 3;
/// Tracks were released from the end of a part.
pub const TMR_LOSS_RELEASED: u32 = 4;
/// Tracks are gone from inside a part, or come in another order now.
pub const TMR_LOSS_INSIDE: u32 = 5;
/// A part is gone.
pub const TMR_LOSS_PART: u32 = 6;

/// What became of data sets. Several threads may use it at a time.
pub struct tmr_changes {
    _opaque: [u8; 0],
}

/// What is behind it: for each data set what it says, and its runs.
pub(super) struct Changes {
    changes: Vec<(tmr_allocation_change, Vec<tmr_changed_run>)>,
    differing_count: u32,
}

impl Handle for tmr_changes {
    type Value = Changes;
    const NAME: &'static str = "tmr_changes";
}

/// What became of data sets, in numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_changes_info {
    /// sizeof (tmr_changes_info).
    pub size: u32,
    /// How many data sets there are: all that were there, and those that are new.
    pub data_set_count: u32,
    /// Of how many of them something differs.
    pub differing_count: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_changes_info {
    const NAME: &'static str = "tmr_changes_info";
    const SIZE_MIN: usize = 16;
}

const _: () = assert!(size_of::<tmr_changes_info>() == 16);

/// What became of one data set.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_allocation_change {
    /// sizeof (tmr_allocation_change).
    pub size: u32,
    /// What became of it as a whole: TMR_FATE_...
    pub fate: u32,
    /// 1 if anything differs, else 0.
    pub differs: u32,
    /// What differs in its DSCBs, if it is persistent or renamed: TMR_FIELD_... added up.
    pub fields: u32,
    /// In how many catalogs its entry differs.
    pub entry_count: u32,
    /// How many of those lead elsewhere: to other volumes, to another F1, or to or from nowhere.
    pub leading_elsewhere_count: u32,
    /// How many runs of tracks came to it; they are the first ones of tmr_changes_run.
    pub gained_run_count: u32,
    /// How many runs of tracks left it; they are the others of tmr_changes_run.
    pub lost_run_count: u32,
    /// How many tracks came.
    pub gained_track_count: u64,
    /// How many tracks left.
    pub lost_track_count: u64,
    /// Its name as it was, or that of a new data set.
    pub data_set: [c_char; 96],
    /// Its name as it is; empty if it is gone.
    pub present_name: [c_char; 96],
    /// All of that in words; no newline.
    pub sentence: [c_char; 512],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_allocation_change {
    const NAME: &'static str = "tmr_allocation_change";
    const SIZE_MIN: usize = 752;
}

const _: () = assert!(size_of::<tmr_allocation_change>() == 752);

/// A run of tracks that came to a data set or left it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_changed_run {
    /// sizeof (tmr_changed_run).
    pub size: u32,
    /// How they came or left: TMR_GAIN_... or TMR_LOSS_...
    pub how: u32,
    /// The place of the first one, counted from the start of the data set as it is, or as it was if they
    /// left.
    pub place: u32,
    /// Zero.
    pub reserved: u32,
    /// The tracks.
    pub tracks: tmr_extent,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_changed_run {
    const NAME: &'static str = "tmr_changed_run";
    const SIZE_MIN: usize = 48;
}

const _: () = assert!(size_of::<tmr_changed_run>() == 48);

impl tmr_changed_run {
    fn of<How>(run: &ChangedRun<How>, how: u32) -> tmr_changed_run {
        tmr_changed_run {
            size: size_of::<tmr_changed_run>() as u32,
            how,
            place: run.place,
            reserved: 0,
            tracks: tmr_extent::of(run.volser, run.extent),
        }
    }
}

impl tmr_allocation_change {
    fn of(change: &AllocationChange<'_>) -> tmr_allocation_change {
        let tracks = |count: u32| u64::from(count);
        let fields = change.fields.iter().fold(0, |bits, (_, field)| bits | bit_of(*field));
        let elsewhere = change.entries.iter().filter(|entry| entry.leads_elsewhere());
        let present = change.present.map(|data_set| data_set.name.to_string());
        tmr_allocation_change {
            size: size_of::<tmr_allocation_change>() as u32,
            fate: match change.fate {
                Fate::Persistent => TMR_FATE_PERSISTENT,
                Fate::Renamed => TMR_FATE_RENAMED,
                Fate::Recreated => TMR_FATE_RECREATED,
                Fate::Deleted => TMR_FATE_DELETED,
                Fate::New => TMR_FATE_NEW,
                Fate::Unclear => TMR_FATE_UNCLEAR,
            },
            differs: u32::from(!change.is_nothing()),
            fields,
            entry_count: change.entries.len() as u32,
            leading_elsewhere_count: elsewhere.count() as u32,
            gained_run_count: change.new.len() as u32,
            lost_run_count: change.gone.len() as u32,
            gained_track_count: change.new.iter().map(|run| tracks(run.extent.track_count)).sum(),
            lost_track_count: change.gone.iter().map(|run| tracks(run.extent.track_count)).sum(),
            data_set: to_array(&change.name().to_string()),
            present_name: to_array(&present.unwrap_or_default()),
            sentence: to_array(&change.to_string()),
        }
    }
}

fn bit_of(field: Field) -> u32 {
    match field {
        Field::Part => TMR_FIELD_PART,
        Field::LastUsed => TMR_FIELD_LAST_USED,
        Field::Balance => TMR_FIELD_BALANCE,
        Field::ReferenceDate => TMR_FIELD_REFERENCE_DATE,
        Field::ExpirationDate => TMR_FIELD_EXPIRATION_DATE,
        Field::Indicators => TMR_FIELD_INDICATORS,
        Field::Attributes => TMR_FIELD_ATTRIBUTES,
        Field::SpaceRequest => TMR_FIELD_SPACE_REQUEST,
        Field::Volumes => TMR_FIELD_VOLUMES,
        Field::Flags => TMR_FIELD_FLAGS,
        Field::Other => TMR_FIELD_OTHER,
        Field::Extents => TMR_FIELD_EXTENTS,
        Field::UserLabel => TMR_FIELD_USER_LABEL,
    }
}

fn runs_of(change: &AllocationChange<'_>) -> Vec<tmr_changed_run> {
    let gained = change.new.iter().map(|run| {
        let how = match run.how {
            Gain::Merged => TMR_GAIN_MERGED,
            Gain::Extent => TMR_GAIN_EXTENT,
            Gain::Part => TMR_GAIN_PART,
        };
        tmr_changed_run::of(run, how)
    });
    let lost = change.gone.iter().map(|run| {
        let how = match run.how {
            Loss::Released => TMR_LOSS_RELEASED,
            Loss::Inside => TMR_LOSS_INSIDE,
            Loss::Part => TMR_LOSS_PART,
        };
        tmr_changed_run::of(run, how)
    });
    gained.chain(lost).collect()
}

/// Does: compares two assessments: what became of each data set of the first, and which data sets are new.
///   New is what has a name that the masks of the first select. The second should have been made with the
///   mask **, or data sets that were renamed are called deleted. `metadata` is one of TMR_METADATA_...
/// Gives back: 0 and the changes, to be closed with tmr_changes_close, if nothing differs; 4 and the
///   changes if something does.
/// Threads: several may at a time.
/// When: while both assessments are open; they may be closed then.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_assessment_compare(
    stored: *const tmr_assessment,
    present: *const tmr_assessment,
    metadata: u32,
    changes: *mut *mut tmr_changes,
    error: *mut tmr_error,
) -> i32 {
    let compare = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(changes) }?;
        // SAFETY: as the caller promised.
        let (stored, present) = unsafe { (shared(stored)?, shared(present)?) };
        let metadata = choice(metadata, &METADATA, "kind of metadata")?;
        let found = compare(&stored.data_sets, &present.data_sets, &stored.masks, metadata);
        let differing_count = found.iter().filter(|change| !change.is_nothing()).count() as u32;
        let changes =
            found.iter().map(|change| (tmr_allocation_change::of(change), runs_of(change)));
        out.give_handle(Changes { changes: changes.collect(), differing_count });
        Ok(if differing_count == 0 { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, compare) }
}

/// Does: says of how many data sets the changes tell.
/// Gives back: 0.
/// Threads: several may at a time.
/// When: while the changes are open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changes_describe(
    changes: *const tmr_changes,
    info: *mut tmr_changes_info,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, found) = unsafe { (Filled::take(info)?, shared(changes)?) };
        out.give(&tmr_changes_info {
            size: size_of::<tmr_changes_info>() as u32,
            data_set_count: found.changes.len() as u32,
            differing_count: found.differing_count,
            reserved: 0,
        });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// Does: says what became of a data set. They are numbered from 0 on: those of the first assessment in
///   their order, and behind them what is new.
/// Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
/// Threads: several may at a time.
/// When: while the changes are open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changes_get(
    changes: *const tmr_changes,
    index: u32,
    change: *mut tmr_allocation_change,
    error: *mut tmr_error,
) -> i32 {
    let get = || {
        // SAFETY: as the caller promised.
        let (out, changes) = unsafe { (Filled::take(change)?, shared(changes)?) };
        out.give(&numbered(&changes.changes, index, "data sets")?.0);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, get) }
}

/// Does: says which tracks came to a data set, in the order in which it has them, and behind those which
///   left it, in the order in which it had them. The runs are numbered from 0 on.
/// Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
/// Threads: several may at a time.
/// When: while the changes are open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changes_run(
    changes: *const tmr_changes,
    index: u32,
    run: u32,
    tracks: *mut tmr_changed_run,
    error: *mut tmr_error,
) -> i32 {
    let get = || {
        // SAFETY: as the caller promised.
        let (out, changes) = unsafe { (Filled::take(tracks)?, shared(changes)?) };
        let (_, runs) = numbered(&changes.changes, index, "data sets")?;
        out.give(numbered(runs, run, "runs of tracks")?);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, get) }
}

/// Does: ends the use of changes, and clears the pointer.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is none, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changes_close(changes: *mut *mut tmr_changes) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(changes) }
}
