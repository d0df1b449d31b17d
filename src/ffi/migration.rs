//! The whole migration.

use super::boundary::{
    Alone, Filled, Handle, OneAtATime, Out, Structure, alone, bytes_of_text, check_options, close,
    guarded, guarded_as, input, input_if_any, shared, text,
};
use super::checkpoint::{HostStore, store, tmr_checkpoint_functions};
use super::copy::copying;
use super::host::{tmr_host, with_ports};
use super::plan::tmr_plan;
use super::tables::Taken;
use super::told::{tmr_estimate, tmr_status};
use super::{TMR_DONE, TMR_MORE, tmr_error};
use crate::checkpoint::{CheckpointStore, FileStore};
use crate::copy::CopyOptions;
use crate::error::{Error, Reason, Result};
use crate::event::Progress;
use crate::host::Host;
use crate::migrate::{Migration, MoveOptions};
use crate::registry::openers::Opener;
use crate::state::{State, Verb};
use parking_lot::Mutex;
use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A migration. One call uses it at a time; tmr_migration_status and tmr_migration_estimate may be called beside it.
pub struct tmr_migration {
    _opaque: [u8; 0],
}

/// A migration, and what is told of it beside the calls that change it.
pub(super) struct Run {
    driven: Mutex<Driven>,
    pub(super) told: Mutex<(tmr_status, tmr_estimate)>,
}

/// A migration, and who had its data sets open when it was asked last.
pub(super) struct Driven {
    pub(super) migration: Migration,
    pub(super) openers: Vec<Opener>,
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
/// Keep the sources under other names (tmr_migrated_data_set.kept_as): OLDCOPY behind their own, or OLDCOPY2 and so on where
/// that is taken; a long name is cut, and told from others by a number. Not together with TMR_ERASE.
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
    /// How many threads copy inside a step, the caller's included: at most 256; 0 is 1.
    pub threads: u32,
    /// The most tracks of one read and one write, at most 1024; 0 leaves it to the library.
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
    fn copying(&self) -> Result<CopyOptions> {
        copying(Self::NAME, (self.threads, self.batch_tracks), self.options)
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
    copying: CopyOptions,
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
        let (copying, folder) = (options.copying()?, unsafe { options.folder() }?);
        Ok(Start { host, options, copying, functions, folder })
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
        let moving = start.options.moving();
        let mut new = Migration::new(start.host, plan, moving, store, start.folder)?;
        new.set_copy_options(start.copying);
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
        let resumed = Migration::resume(start.host, store, start.folder, start.copying)?;
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
        let mut opened = Migration::open(start.host, store, start.folder)?;
        opened.set_copy_options(start.copying);
        Ok(give(out, opened, taken))
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, open) }
}

/// Does a verb, and keeps what is told beside it. The state in which it ends is in the error block.
///
/// # Safety
/// As of the functions that call it.
pub(super) unsafe fn drive(
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
pub(super) unsafe fn drive_to<T>(
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
