//! The whole migration.

use super::boundary::{
    Alone, Filled, Handle, OneAtATime, Out, Structure, alone, bytes_of_text, check_options,
    check_reserved, close, guarded, guarded_as, input, input_if_any, shared, text, to_array,
};
use super::checkpoint::{HostStore, store, tmr_checkpoint_functions};
use super::enqueue::tmr_opener;
use super::host::{tmr_host, with_ports};
use super::plan::tmr_plan;
use super::tables::Taken;
use super::{TMR_DONE, TMR_MORE, tmr_error};
use crate::checkpoint::{CheckpointStore, FileStore};
use crate::copy::CopyOptions;
use crate::error::{Error, Reason, Result};
use crate::estimate::{Estimate, Verdict};
use crate::event::Progress;
use crate::host::Host;
use crate::migrate::{Goal, Limits, Migration, MoveOptions, OnUnreadable};
use crate::pace::Pace;
use crate::registry::openers::Opener;
use crate::state::{State, Verb};
use parking_lot::Mutex;
use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A migration. One call uses it at a time; tmr_migration_status and tmr_migration_estimate may be called beside it.
pub struct tmr_migration {
    _opaque: [u8; 0],
}

/// A migration, and what is told of it beside the calls that change it.
pub(super) struct Run {
    driven: Mutex<Driven>,
    told: Mutex<(tmr_status, tmr_estimate)>,
}

/// A migration, and who had its data sets open when it was asked last.
pub(super) struct Driven {
    migration: Migration,
    openers: Vec<Opener>,
}

impl OneAtATime for Run {
    type Inner = Driven;
    fn mutex(&self) -> &Mutex<Driven> {
        &self.driven
    }
}

impl Handle for tmr_migration {
    type Value = Run;
    const NAME: &'static str = "tmr_migration";
}

/// Copy each data set only up to its last used track; the rest of the target becomes empty tracks.
pub const TMR_USED_ONLY: u32 = 1;
/// Overwrite every track of a source before it is scratched.
pub const TMR_ERASE: u32 = 2;
/// Keep the sources under other names (tmr_migrated_data_set.kept_as): OLDCOPY behind their own. Not together with TMR_ERASE.
pub const TMR_KEEP: u32 = 4;
/// Keep a digest of each data set's tracks.
pub const TMR_DIGESTS: u32 = 8;

/// How a migration is done.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_migration_options {
    /// sizeof (tmr_migration_options).
    pub size: u32,
    /// TMR_USED_ONLY, TMR_ERASE, TMR_KEEP, TMR_DIGESTS, added. To resume, only TMR_DIGESTS has a meaning.
    pub options: u32,
    /// How many threads copy inside a step, the caller's included; 0 is taken for 1.
    pub threads: u32,
    /// The most tracks of one read and one write; 0: what is fast.
    pub batch_tracks: u32,
    /// The folder of this migration's state, which is made; notes beside the volumes' images name it. NULL only together
    /// with a checkpoint store of the host; then there are no such notes.
    pub state_folder: *const c_char,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_migration_options {
    const NAME: &'static str = "tmr_migration_options";
    const SIZE_MIN: usize = 24;

    fn check(&self) -> Result<()> {
        let known = TMR_USED_ONLY | TMR_ERASE | TMR_KEEP | TMR_DIGESTS;
        check_options(self.options, known, "tmr_migration_options.options")?;
        if self.options & TMR_KEEP != 0 && self.options & TMR_ERASE != 0 {
            let why = "tmr_migration_options.options has TMR_KEEP and TMR_ERASE; a source that is kept is not erased";
            return Err(Error::new(Reason::BadValue, why));
        }
        Ok(())
    }
}

const _: () = assert!(size_of::<tmr_migration_options>() == 24);

impl tmr_migration_options {
    fn copying(&self) -> CopyOptions {
        CopyOptions {
            threads: self.threads.min(1024) as usize,
            batch_tracks: (self.batch_tracks > 0).then_some(self.batch_tracks),
            digests: self.options & TMR_DIGESTS != 0,
        }
    }

    fn moving(&self) -> MoveOptions {
        let has = |option| self.options & option != 0;
        MoveOptions { used_only: has(TMR_USED_ONLY), erase: has(TMR_ERASE), keep: has(TMR_KEEP) }
    }

    /// The folder, if one is given.
    ///
    /// # Safety
    /// It is a text, or NULL.
    unsafe fn folder(&self) -> Result<Option<PathBuf>> {
        if self.state_folder.is_null() {
            return Ok(None);
        }
        // SAFETY: as the caller promised.
        let bytes =
            unsafe { bytes_of_text(self.state_folder, "tmr_migration_options.state_folder") }?;
        if bytes.is_empty() {
            let why = "tmr_migration_options.state_folder is empty; name a folder";
            return Err(Error::new(Reason::BadText, why));
        }
        Ok(Some(Path::new(OsStr::from_bytes(bytes)).to_path_buf()))
    }
}

/// What is not known.
pub const TMR_UNKNOWN: u64 = 0xFFFF_FFFF_FFFF_FFFF;

/// The target is as near to the source as was asked for.
pub const TMR_STATUS_AT_GOAL: u32 = 1;
/// It can go on only when it is closed and resumed: its switch was undone after the targets were given to their users.
pub const TMR_STATUS_RESUME: u32 = 2;

/// How far a migration is, as of the end of the last call that changed it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_status {
    /// sizeof (tmr_status).
    pub size: u32,
    /// TMR_STATE_...
    pub state: u32,
    /// The verb that leads towards the end, TMR_VERB_..., or 0 at the end.
    pub next_verb: u32,
    /// TMR_STATUS_..., added.
    pub flags: u32,
    /// How many data sets are moved.
    pub data_set_count: u32,
    /// How many openers tmr_migration_opener can tell of.
    pub opener_count: u32,
    /// How long the caller may wait before the next verb, in microseconds, because of the pace, or because nothing is to do.
    pub pause_us: u64,
    /// Tracks of the data sets.
    pub track_count: u64,
    /// Tracks that the target does not hold yet in their present state; TMR_UNKNOWN before the first step of a process.
    pub left_tracks: u64,
    /// Tracks copied in this process, those copied again included.
    pub copied_tracks: u64,
    /// Tracks copied a second time or more.
    pub again_tracks: u64,
    /// Tracks copied in the window.
    pub window_tracks: u64,
    /// How often all work was gone through.
    pub pass_count: u64,
    /// What the window was predicted to take when it began, in milliseconds, or TMR_UNKNOWN.
    pub predicted_ms: u64,
    /// What it took, or TMR_UNKNOWN.
    pub window_ms: u64,
    /// How long it took until everybody had closed, in milliseconds, or TMR_UNKNOWN.
    pub waited_ms: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_status {
    const NAME: &'static str = "tmr_status";
    const SIZE_MIN: usize = 104;
}

const _: () = assert!(size_of::<tmr_status>() == 104);

/// Too little was measured yet.
pub const TMR_VERDICT_UNKNOWN: u32 = 0;
/// What is left gets less.
pub const TMR_VERDICT_CONVERGING: u32 = 1;
/// What is left is as little as it gets.
pub const TMR_VERDICT_FOLLOWING: u32 = 2;
/// Changes come about as fast as copies, or faster: it does not converge.
pub const TMR_VERDICT_AT_DISTANCE: u32 = 3;

/// How copying goes, and how long a window would be, as of the end of the last call that changed the migration.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_estimate {
    /// sizeof (tmr_estimate).
    pub size: u32,
    /// TMR_VERDICT_...
    pub verdict: u32,
    /// 1 if the pace is what limits the copying, else 0.
    pub is_paced: u32,
    /// Zero.
    pub reserved: u32,
    /// Thousandths of a track that can be copied in a second, or TMR_UNKNOWN.
    pub copy_rate: u64,
    /// Thousandths of a track that become work again in a second, or TMR_UNKNOWN.
    pub change_rate: u64,
    /// Tracks left.
    pub left_tracks: u64,
    /// Nine of ten windows would take longer, in microseconds, or TMR_UNKNOWN.
    pub window_low_us: u64,
    /// As many would take longer as shorter, or TMR_UNKNOWN.
    pub window_likely_us: u64,
    /// Nine of ten would be shorter, or TMR_UNKNOWN.
    pub window_high_us: u64,
    /// How long it takes until closed is confirmed, in microseconds, or TMR_UNKNOWN.
    pub answer_us: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_estimate {
    const NAME: &'static str = "tmr_estimate";
    const SIZE_MIN: usize = 72;
}

const _: () = assert!(size_of::<tmr_estimate>() == 72);

fn known(value: Option<u64>) -> u64 {
    value.unwrap_or(TMR_UNKNOWN)
}

fn micros(time: Option<Duration>) -> u64 {
    known(time.map(|time| u64::try_from(time.as_micros()).unwrap_or(TMR_UNKNOWN)))
}

impl tmr_estimate {
    fn of(estimate: &Estimate) -> tmr_estimate {
        let verdict = match estimate.verdict {
            Verdict::Unknown => TMR_VERDICT_UNKNOWN,
            Verdict::Converging => TMR_VERDICT_CONVERGING,
            Verdict::Following => TMR_VERDICT_FOLLOWING,
            Verdict::AtDistance => TMR_VERDICT_AT_DISTANCE,
        };
        // A cast of a number that is too large, or none, is the largest or zero.
        let thousandths = |rate: Option<f64>| known(rate.map(|rate| (rate * 1000.0) as u64));
        tmr_estimate {
            size: size_of::<tmr_estimate>() as u32,
            verdict,
            is_paced: estimate.is_paced.into(),
            reserved: 0,
            copy_rate: thousandths(estimate.copy_rate),
            change_rate: thousandths(estimate.change_rate),
            left_tracks: estimate.left_tracks,
            window_low_us: micros(estimate.window.map(|window| window.low)),
            window_likely_us: micros(estimate.window.map(|window| window.likely)),
            window_high_us: micros(estimate.window.map(|window| window.high)),
            answer_us: micros(estimate.answer),
        }
    }
}

impl Driven {
    fn status(&self) -> tmr_status {
        let (migration, receipt) = (&self.migration, self.migration.counts());
        let flag = |is_so, flag| if is_so { flag } else { 0 };
        tmr_status {
            size: size_of::<tmr_status>() as u32,
            state: migration.state() as u32,
            next_verb: migration.next_verb().map_or(0, |verb| verb as u32),
            flags: flag(migration.is_at_goal(), TMR_STATUS_AT_GOAL)
                | flag(migration.must_be_opened_again(), TMR_STATUS_RESUME),
            data_set_count: migration.plan().data_sets.len() as u32,
            opener_count: self.openers.len() as u32,
            pause_us: micros(Some(migration.pause())),
            track_count: receipt.track_count,
            left_tracks: known(migration.left_tracks()),
            copied_tracks: receipt.copied_tracks,
            again_tracks: receipt.again_tracks,
            window_tracks: receipt.window_tracks,
            pass_count: receipt.pass_count,
            predicted_ms: known(receipt.predicted_ms),
            window_ms: known(receipt.window_ms),
            waited_ms: known(receipt.waited_ms),
        }
    }

    fn told(&self) -> (tmr_status, tmr_estimate) {
        (self.status(), tmr_estimate::of(&self.migration.estimate()))
    }
}

/// The store of a checkpoint: a folder's, or the host's.
#[allow(clippy::large_enum_variant)] // There is one.
enum Store {
    Files(FileStore),
    Host(HostStore),
}

impl Store {
    /// What the caller chose. A folder is made only if it is wanted.
    fn of(
        functions: Option<tmr_checkpoint_functions>,
        folder: Option<&Path>,
        is_new: bool,
    ) -> Result<(Store, Option<Taken>)> {
        match (functions, folder) {
            (Some(functions), _) => {
                let (store, taken) = store(functions);
                Ok((Store::Host(store), Some(taken)))
            }
            (None, Some(folder)) if is_new || FileStore::exists(folder) => {
                Ok((Store::Files(FileStore::open(folder)?), None))
            }
            (None, Some(folder)) => {
                let why = format!("{} holds no migration", folder.display());
                Err(Error::new(Reason::NoCheckpoint, why))
            }
            (None, None) => Err(Error::new(
                Reason::NullPointer,
                "there is neither a checkpoint store nor tmr_migration_options.state_folder; give one of them",
            )),
        }
    }
}

impl CheckpointStore for Store {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        match self {
            Store::Files(store) => store.read(slot),
            Store::Host(store) => store.read(slot),
        }
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        match self {
            Store::Files(store) => store.write(slot, bytes),
            Store::Host(store) => store.write(slot, bytes),
        }
    }
    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        match self {
            Store::Files(store) => store.write_head(slot, bytes),
            Store::Host(store) => store.write_head(slot, bytes),
        }
    }
    fn location(&self) -> String {
        match self {
            Store::Files(store) => store.location(),
            Store::Host(store) => store.location(),
        }
    }
}

/// What new, resumed and opened migrations have in common: the ports, the options, where the state is.
struct Start {
    host: Host,
    options: tmr_migration_options,
    functions: Option<tmr_checkpoint_functions>,
    folder: Option<PathBuf>,
}

impl Start {
    /// # Safety
    /// The pointers are as those functions say.
    unsafe fn read(
        host: *const tmr_host,
        options: *const tmr_migration_options,
        checkpoint: *const tmr_checkpoint_functions,
    ) -> Result<Start> {
        // SAFETY: as the caller promised.
        let host = unsafe { with_ports(host, |host| Ok(host.clone())) }?;
        // SAFETY: as the caller promised.
        let (options, functions) = unsafe { (input(options)?, input_if_any(checkpoint)?) };
        // SAFETY: as the caller promised.
        let folder = unsafe { options.folder() }?;
        Ok(Start { host, options, functions, folder })
    }

    fn store(&self, is_new: bool) -> Result<(Store, Option<Taken>)> {
        Store::of(self.functions, self.folder.as_deref(), is_new)
    }
}

/// Gives a migration whose store is taken for good now.
/// 4 if it has ended, so that nothing is left to do.
fn give(out: Out<*mut tmr_migration>, migration: Migration, taken: Option<Taken>) -> i32 {
    if let Some(taken) = taken {
        taken.now();
    }
    let driven = Driven { migration, openers: Vec::new() };
    let told = Mutex::new(driven.told());
    let code = if driven.migration.state().is_ended() { TMR_MORE } else { TMR_DONE };
    out.give_handle(Run { driven: Mutex::new(driven), told });
    code
}

/// Does: makes a migration of a plan. Its state is made durable: in the state folder, or by the host's checkpoint store, which
///   may be NULL. Nothing is allocated yet.
/// Gives back: 0 and the migration, to be closed with tmr_migration_close; the table of the store was taken. 8 if the plan is
///   empty, a volume can only be read or has another unfinished migration, or the state is one of another migration; 12. If it
///   is not 0, the table was not taken.
/// Threads: one.
/// When: the plan was made with the same host. Host and plan may be closed then.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_new(
    host: *const tmr_host,
    plan: *const tmr_plan,
    options: *const tmr_migration_options,
    checkpoint: *const tmr_checkpoint_functions,
    migration: *mut *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    let new = || {
        // SAFETY: as the caller promised.
        let (out, plan) = unsafe { (Out::handle(migration)?, shared(plan)?) };
        // SAFETY: as the caller promised.
        let start = unsafe { Start::read(host, options, checkpoint) }?;
        let plan = plan.plan.clone();
        Migration::check_volumes(&start.host, &plan, start.folder.as_deref())?;
        let (store, taken) = start.store(true)?;
        let (options, folder) = (start.options, start.folder);
        let mut new = Migration::new(start.host, plan, options.moving(), store, folder)?;
        new.set_copy_options(options.copying());
        Ok(give(out, new, taken))
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, new) }
}

/// Does: goes on with a migration that was interrupted, wherever that was: the change inside which it was interrupted is done,
///   and it goes back to where it can go on from.
/// Gives back: 0 and the migration, to be closed with tmr_migration_close; 4, and the migration too, if it has ended: nothing is
///   left to do, and another one needs another state; 8 if there is none (TMR_R_NO_CHECKPOINT), or its state is older than what was
///   done since; 12 if it could not be taken up now. The table of the store is as of tmr_migration_new.
/// Threads: one.
/// When: the host has the same volumes as before; no other process owns the migration.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_resume(
    host: *const tmr_host,
    options: *const tmr_migration_options,
    checkpoint: *const tmr_checkpoint_functions,
    migration: *mut *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    let resume = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(migration) }?;
        // SAFETY: as the caller promised.
        let start = unsafe { Start::read(host, options, checkpoint) }?;
        let (store, taken) = start.store(false)?;
        let copying = start.options.copying();
        let resumed = Migration::resume(start.host, store, start.folder, copying)?;
        Ok(give(out, resumed, taken))
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, resume) }
}

/// Does: opens a migration that was interrupted without taking it up: only the change inside which it was interrupted is done. For
///   those who want to look at it, or to terminate it.
/// Gives back: as tmr_migration_resume.
/// Threads: one.
/// When: as tmr_migration_resume. tmr_migration_take_up does the rest.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_open(
    host: *const tmr_host,
    options: *const tmr_migration_options,
    checkpoint: *const tmr_checkpoint_functions,
    migration: *mut *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    let open = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(migration) }?;
        // SAFETY: as the caller promised.
        let start = unsafe { Start::read(host, options, checkpoint) }?;
        let (store, taken) = start.store(false)?;
        let copying = start.options.copying();
        let mut opened = Migration::open(start.host, store, start.folder)?;
        opened.set_copy_options(copying);
        Ok(give(out, opened, taken))
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, open) }
}

/// Does a verb, and keeps what is told beside it. The state in which it ends is in the error block.
///
/// # Safety
/// As of the functions that call it.
unsafe fn drive(
    migration: *const tmr_migration,
    error: *mut tmr_error,
    verb: impl FnOnce(&mut Driven) -> Result<i32>,
) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { drive_to(migration, error, || Ok(()), |driven, ()| verb(driven)) }
}

/// The same for a verb that has an output, which is taken first.
///
/// # Safety
/// As of the functions that call it.
unsafe fn drive_to<T>(
    migration: *const tmr_migration,
    error: *mut tmr_error,
    take: impl FnOnce() -> Result<T>,
    verb: impl FnOnce(&mut Driven, T) -> Result<i32>,
) -> i32 {
    let drive = |state: &mut u32| {
        let out = take()?;
        // SAFETY: as the caller promised.
        let run = unsafe { shared(migration) }?;
        // SAFETY: as the caller promised.
        let mut driven: Alone<'_, Driven> = unsafe { alone(migration) }?;
        let result = verb(&mut driven, out);
        *state = driven.migration.state() as u32;
        *run.told.lock() = driven.told();
        result
    };
    // SAFETY: as the caller promised.
    unsafe { guarded_as(error, drive) }
}

/// Does: takes up a migration that was opened by tmr_migration_open.
/// Gives back: 0; 8 if somebody else changed what it relies on; 12 if it could not be taken up now.
/// Threads: one at a time.
/// When: after tmr_migration_open. Doing it twice changes nothing.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_take_up(
    migration: *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, |driven| driven.migration.take_up().map(|()| TMR_DONE)) }
}

/// Does: allocates the targets, uncataloged, exactly as they are planned.
/// Gives back: 0; 8 if one is refused: then what was allocated is released again; 12.
/// Threads: one at a time.
/// When: TMR_STATE_PLANNED.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_reserve(
    migration: *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, |driven| driven.migration.reserve().map(|()| TMR_DONE)) }
}

/// How far copying is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_migration_progress {
    /// sizeof (tmr_migration_progress).
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Tracks written and durable at the target, those copied again included.
    pub copied_tracks: u64,
    /// Tracks that the target does not hold yet in their present state.
    pub left_tracks: u64,
    /// Tracks of the data sets.
    pub total_tracks: u64,
    /// Bytes of track images read.
    pub byte_count: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_migration_progress {
    const NAME: &'static str = "tmr_migration_progress";
    const SIZE_MIN: usize = 40;
}

const _: () = assert!(size_of::<tmr_migration_progress>() == 40);

impl tmr_migration_progress {
    fn of(progress: &Progress) -> tmr_migration_progress {
        tmr_migration_progress {
            size: size_of::<tmr_migration_progress>() as u32,
            reserved: 0,
            copied_tracks: progress.copied_tracks,
            left_tracks: progress.left_tracks,
            total_tracks: progress.total_tracks,
            byte_count: progress.byte_count,
        }
    }
}

/// That a step may do something.
fn check_track_count(track_count_max: u32) -> Result<()> {
    if track_count_max == 0 {
        let why = "a step of no tracks would never come to an end; say how many it may copy, such as 1500";
        return Err(Error::new(Reason::BadValue, why));
    }
    Ok(())
}

/// Does: copies at most `track_count_max` tracks of what is left. `progress` may be NULL.
/// Gives back: 0 if nothing is left; 4 if something is: call again, after tmr_status.pause_us if you like; 12 if something failed,
///   and it may be called again.
/// Threads: one at a time.
/// When: TMR_STATE_COPYING, _MIRRORED, _CLOSING, _QUIESCED.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_step(
    migration: *mut tmr_migration,
    track_count_max: u32,
    progress: *mut tmr_migration_progress,
    error: *mut tmr_error,
) -> i32 {
    let take = || {
        // SAFETY: as the caller promised.
        if progress.is_null() { Ok(None) } else { unsafe { Filled::take(progress) }.map(Some) }
    };
    let step = |driven: &mut Driven, out: Option<Filled<_>>| {
        check_track_count(track_count_max)?;
        let found = driven.migration.step(track_count_max)?;
        if let Some(out) = out {
            out.give(&tmr_migration_progress::of(&found));
        }
        Ok(if found.left_tracks == 0 { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { drive_to(migration, error, take, step) }
}

/// Does: compares source and target, track by track, addresses aside. `track_count` gets how many, and may be NULL.
/// Gives back: 0; 8 with the first track that differs (TMR_R_UNEQUAL): then terminate the migration.
/// Threads: one at a time.
/// When: TMR_STATE_MIRRORED of a migration to whose sources nobody else writes; TMR_STATE_QUIESCED.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_verify(
    migration: *mut tmr_migration,
    track_count: *mut u64,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the caller promised.
    let take = || unsafe { Out::take_if_any(track_count, "the place for the count of tracks") };
    let verify = |driven: &mut Driven, out: Option<Out<u64>>| {
        let found = driven.migration.verify()?;
        if let Some(out) = out {
            out.give(found.track_count);
        }
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { drive_to(migration, error, take, verify) }
}

/// Does: asks everybody to close the data sets, keeps new openers out, and opens the window when nobody has them open.
/// Gives back: 0 when the window is open; 4 if somebody still has one open (tmr_migration_opener tells who): go on with steps, and
///   call again; 12 if it took too long, and the window was given up.
/// Threads: one at a time.
/// When: TMR_STATE_MIRRORED, _CLOSING.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_quiesce(
    migration: *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    let quiesce = |driven: &mut Driven| {
        driven.openers.clear();
        driven.openers = driven.migration.quiesce()?;
        Ok(if driven.openers.is_empty() { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, quiesce) }
}

/// Does: gives the window up: the data sets are given back where they are, and mirroring goes on.
/// Gives back: 0, or 12.
/// Threads: one at a time.
/// When: TMR_STATE_CLOSING, _QUIESCED.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_postpone(
    migration: *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, |driven| driven.migration.postpone().map(|()| TMR_DONE)) }
}

/// Does: follows what became of the sources' allocation: extended, released, deleted, new, renamed. Steps and the switch do so by
///   themselves when a monitor noted something; this is for hosts that know of a change otherwise.
/// Gives back: 0 if nothing differs now; 4 if something is still to be followed, which the next steps, or the window, try again;
///   in the window 8 for what cannot be followed: then postpone.
/// Threads: one at a time.
/// When: TMR_STATE_COPYING, _MIRRORED, _CLOSING, _QUIESCED.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_accommodate(
    migration: *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    let accommodate = |driven: &mut Driven| {
        let is_up_to_date = driven.migration.accommodate()?;
        Ok(if is_up_to_date { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, accommodate) }
}

/// Does: makes the catalog point to the targets, looks once more, and lets the users in.
/// Gives back: 0; 8 if something was found that forbids it: the catalog is as it was, and mirroring goes on; 12: call again.
/// Threads: one at a time.
/// When: TMR_STATE_QUIESCED, with everything copied; TMR_STATE_SWITCHING after 12.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_switch(
    migration: *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, |driven| driven.migration.switch().map(|()| TMR_DONE)) }
}

/// Does: gives the window up, or undoes the switch as long as there is a way back.
/// Gives back: 0; 8 if there is no way back; 12: call again. After users were let in at the targets, the migration is to be closed
///   and resumed before it goes on (TMR_STATUS_RESUME).
/// Threads: one at a time.
/// When: TMR_STATE_QUIESCED, _SWITCHING, _SWITCHED.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_back_out(
    migration: *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, |driven| driven.migration.back_out().map(|()| TMR_DONE)) }
}

/// Does: scratches the sources, erased if that was asked for, or keeps them under other names.
/// Gives back: 0; 8 if a source was changed since; 12: call again.
/// Threads: one at a time.
/// When: TMR_STATE_SWITCHED.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_complete(
    migration: *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, |driven| driven.migration.complete().map(|()| TMR_DONE)) }
}

/// Does: gives the migration up: the targets are scratched, the sources stay as they are.
/// Gives back: 0; 8 if somebody cataloged a target; 12: call again.
/// Threads: one at a time.
/// When: every state before TMR_STATE_SWITCHING.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_terminate(
    migration: *mut tmr_migration,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, |driven| driven.migration.terminate().map(|()| TMR_DONE)) }
}

/// Does: the verb that leads towards the end, whichever that is now. A step copies at most `track_count_max` tracks. While
///   somebody has a data set open still, it copies what changed, and asks again. It never compares (tmr_migration_verify), and it goes
///   through the window by itself: who wants to choose its time calls the verbs.
/// Gives back: 0 at the end, and only there; 4 if there is more to do: call again, after tmr_status.pause_us if you like; else what
///   the verb gives back.
/// Threads: one at a time.
/// When: in every state.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_advance(
    migration: *mut tmr_migration,
    track_count_max: u32,
    error: *mut tmr_error,
) -> i32 {
    let advance = |driven: &mut Driven| {
        check_track_count(track_count_max)?;
        driven.openers.clear();
        match driven.migration.next_verb() {
            None => {}
            Some(Verb::Quiesce) => {
                // So little is left for the window then.
                if driven.migration.state() == State::Closing {
                    driven.migration.step(track_count_max)?;
                }
                // The step may have found that nothing is left to be moved, or that the window must wait.
                if driven.migration.next_verb() == Some(Verb::Quiesce) {
                    driven.openers = driven.migration.quiesce()?;
                }
            }
            Some(verb) => driven.migration.perform(verb, track_count_max)?,
        }
        Ok(if driven.migration.next_verb().is_none() { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, advance) }
}

/// Does: says how far the migration is.
/// Gives back: 0.
/// Threads: several may at a time, also beside a call that changes it, and inside the host's functions.
/// When: in every state.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_status(
    migration: *const tmr_migration,
    status: *mut tmr_status,
    error: *mut tmr_error,
) -> i32 {
    let say = || {
        // SAFETY: as the caller promised.
        let (out, run) = unsafe { (Filled::take(status)?, shared(migration)?) };
        out.give(&run.told.lock().0);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, say) }
}

/// Does: says how copying goes, and how long a window would be.
/// Gives back: 0.
/// Threads: several may at a time, also beside a call that changes it, and inside the host's functions.
/// When: in every state.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_estimate(
    migration: *const tmr_migration,
    estimate: *mut tmr_estimate,
    error: *mut tmr_error,
) -> i32 {
    let say = || {
        // SAFETY: as the caller promised.
        let (out, run) = unsafe { (Filled::take(estimate)?, shared(migration)?) };
        out.give(&run.told.lock().1);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, say) }
}

/// tmr_tuning.goal_tracks is set.
pub const TMR_TUNE_GOAL_TRACKS: u32 = 1;
/// tmr_tuning.goal_ms is set.
pub const TMR_TUNE_GOAL_MS: u32 = 2;
/// tmr_tuning.wait_ms and window_ms are set.
pub const TMR_TUNE_LIMITS: u32 = 4;
/// tmr_tuning.pace_tracks is set.
pub const TMR_TUNE_PACE_TRACKS: u32 = 8;
/// tmr_tuning.pace_bytes is set.
pub const TMR_TUNE_PACE_BYTES: u32 = 16;
/// tmr_tuning.attempts is set.
pub const TMR_TUNE_ATTEMPTS: u32 = 32;

/// What may be changed while a migration runs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_tuning {
    /// sizeof (tmr_tuning).
    pub size: u32,
    /// Which of the following are set: TMR_TUNE_..., added. The others stay as they are.
    pub set: u32,
    /// The target is called mirrored when at most so many tracks are left. As long as no goal is set, it is one of 1000 ms.
    pub goal_tracks: u64,
    /// The target is called mirrored when a window would take at most so many milliseconds.
    pub goal_ms: u64,
    /// How long everybody may take to close, in milliseconds, before the window is given up. As long as it is not set: ten minutes.
    pub wait_ms: u64,
    /// How long the window may take up to the switch, in milliseconds, before it is given up. As long as it is not set: one minute.
    pub window_ms: u64,
    /// How many tracks may be copied in a second; 0: no limit.
    pub pace_tracks: u64,
    /// How many bytes of track images may be copied in a second; 0: no limit.
    pub pace_bytes: u64,
    /// How often a track that cannot be copied is tried before its data set is left where it is and the others go on; 0: a step
    /// with such a track fails, and can be called again.
    pub attempts: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_tuning {
    const NAME: &'static str = "tmr_tuning";
    const SIZE_MIN: usize = 64;

    fn check(&self) -> Result<()> {
        check_options(self.set, 63, "tmr_tuning.set")?;
        check_reserved(Self::NAME, &[self.reserved])?;
        for (one, other) in
            [(TMR_TUNE_GOAL_TRACKS, TMR_TUNE_GOAL_MS), (TMR_TUNE_PACE_TRACKS, TMR_TUNE_PACE_BYTES)]
        {
            if self.set & one != 0 && self.set & other != 0 {
                let why = "tmr_tuning sets two goals, or two paces; set one of them";
                return Err(Error::new(Reason::BadValue, why));
            }
        }
        Ok(())
    }
}

const _: () = assert!(size_of::<tmr_tuning>() == 64);

impl tmr_tuning {
    fn tune(&self, migration: &mut Migration) {
        let has = |field| self.set & field != 0;
        if has(TMR_TUNE_GOAL_TRACKS) {
            migration.set_goal(Goal::Tracks(self.goal_tracks));
        }
        if has(TMR_TUNE_GOAL_MS) {
            migration.set_goal(Goal::Millis(self.goal_ms));
        }
        if has(TMR_TUNE_LIMITS) {
            let (wait, window) = (self.wait_ms, self.window_ms);
            let (wait, window) = (Duration::from_millis(wait), Duration::from_millis(window));
            migration.set_limits(Limits { wait, window });
        }
        if has(TMR_TUNE_PACE_TRACKS) {
            migration.set_pace(match u32::try_from(self.pace_tracks).unwrap_or(u32::MAX) {
                0 => Pace::Unlimited,
                per_second => Pace::Tracks { per_second },
            });
        }
        if has(TMR_TUNE_PACE_BYTES) {
            migration.set_pace(match self.pace_bytes {
                0 => Pace::Unlimited,
                per_second => Pace::Bytes { per_second },
            });
        }
        if has(TMR_TUNE_ATTEMPTS) {
            migration.set_on_unreadable(match self.attempts {
                0 => OnUnreadable::Stop,
                attempts => OnUnreadable::TakeOut { attempts },
            });
        }
    }
}

/// Does: changes goal, limits, pace, and what becomes of tracks that cannot be copied. They last as long as the handle.
/// Gives back: 0, or 8.
/// Threads: one at a time.
/// When: in every state.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_tune(
    migration: *mut tmr_migration,
    tuning: *const tmr_tuning,
    error: *mut tmr_error,
) -> i32 {
    let tune = |driven: &mut Driven| {
        // SAFETY: as the caller promised.
        unsafe { input(tuning) }?.tune(&mut driven.migration);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, tune) }
}

/// Does: tells who had a data set open when tmr_migration_quiesce or tmr_migration_advance asked last.
/// Gives back: 0; 8 if there are not more than `index` (tmr_status.opener_count).
/// Threads: one at a time.
/// When: after they gave back 4.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_opener(
    migration: *const tmr_migration,
    index: u32,
    opener: *mut tmr_opener,
    error: *mut tmr_error,
) -> i32 {
    let tell = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Filled::take(opener) }?;
        // SAFETY: as the caller promised.
        let driven = unsafe { alone(migration) }?;
        let found = driven.openers.get(index as usize).ok_or_else(|| {
            let why = format!("there are {} openers, counted from 0", driven.openers.len());
            Error::new(Reason::NoMore, why)
        })?;
        out.give(&tmr_opener::of(found));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, tell) }
}

/// tmr_migrated_data_set.digest is known.
pub const TMR_MIGRATED_DIGEST: u32 = 1;

/// What a migration moves.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_migrated_data_set {
    /// sizeof (tmr_migrated_data_set).
    pub size: u32,
    /// TMR_MIGRATED_DIGEST, or 0.
    pub flags: u32,
    /// A digest of its tracks, addresses aside, if TMR_DIGESTS was asked for and all of them were copied in this process.
    pub digest: u32,
    /// Zero.
    pub reserved: u32,
    /// Its tracks.
    pub track_count: u64,
    /// Its name.
    pub name: [c_char; 96],
    /// The name under which its source is kept; empty if it is scratched.
    pub kept_as: [c_char; 96],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_migrated_data_set {
    const NAME: &'static str = "tmr_migrated_data_set";
    const SIZE_MIN: usize = 216;
}

const _: () = assert!(size_of::<tmr_migrated_data_set>() == 216);

/// Does: tells of one of the data sets that are moved, as the plan has it now: what was deleted meanwhile is gone, what is new is
///   there.
/// Gives back: 0; 8 if there are not more than `index` (tmr_status.data_set_count).
/// Threads: one at a time.
/// When: in every state.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_data_set(
    migration: *const tmr_migration,
    index: u32,
    data_set: *mut tmr_migrated_data_set,
    error: *mut tmr_error,
) -> i32 {
    let tell = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Filled::take(data_set) }?;
        // SAFETY: as the caller promised.
        let driven = unsafe { alone(migration) }?;
        let (plan, kept_as) = (driven.migration.plan(), driven.migration.kept_as());
        let found = super::assess::numbered(&plan.data_sets, index, "data sets")?;
        let name = found.assessment.name;
        let digests = driven.migration.receipt().digests;
        let digest = digests.iter().find(|(of, _)| *of == name).map(|(_, digest)| *digest);
        let kept_as = kept_as.get(index as usize).copied().flatten();
        out.give(&tmr_migrated_data_set {
            size: size_of::<tmr_migrated_data_set>() as u32,
            flags: if digest.is_some() { TMR_MIGRATED_DIGEST } else { 0 },
            digest: digest.unwrap_or(0),
            reserved: 0,
            track_count: found.assessment.track_count().into(),
            name: to_array(&name.to_string()),
            kept_as: to_array(&kept_as.map(|name| name.to_string()).unwrap_or_default()),
        });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, tell) }
}

/// Does: tells of one more image of this machine that can write to a source volume; it must be covered from now on.
/// Gives back: 0; 8 if it is not registered in the volume's area, or the volume has none.
/// Threads: one at a time.
/// When: before TMR_STATE_SWITCHING.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_add_image(
    migration: *mut tmr_migration,
    volser: *const c_char,
    image: *const c_char,
    error: *mut tmr_error,
) -> i32 {
    let add = |driven: &mut Driven| {
        // SAFETY: as the caller promised.
        let (on, image) = unsafe { (text(volser, "volser")?, text(image, "image")?) };
        driven.migration.add_image(super::boundary::volser(on)?, image).map(|()| TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, add) }
}

/// Does: retires an image, of this machine or another one: you confirm that it cannot write any more. What it may have written
///   without telling is copied again.
/// Gives back: 0; 8 if there is no image of this name.
/// Threads: one at a time.
/// When: in every state.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_retire_image(
    migration: *mut tmr_migration,
    image: *const c_char,
    error: *mut tmr_error,
) -> i32 {
    let retire = |driven: &mut Driven| {
        // SAFETY: as the caller promised.
        let image = unsafe { text(image, "image") }?;
        driven.migration.retire_image(image).map(|()| TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { drive(migration, error, retire) }
}

/// Does: ends the use of a migration, and clears the pointer. Its state stays: it can be resumed, unless it has ended.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no migration, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_migration_close(migration: *mut *mut tmr_migration) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(migration) }
}
