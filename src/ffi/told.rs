//! What a migration tells: how far it is, how copying goes, who has data sets open, what is moved.

use super::boundary::{Filled, Structure, alone, guarded, shared, to_array};
use super::enqueue::tmr_opener;
use super::migration::{Driven, tmr_migration};
use super::{TMR_DONE, tmr_error};
use crate::error::{Error, Reason};
use crate::estimate::{Estimate, Verdict};
use std::ffi::c_char;
use std::time::Duration;

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

    pub(super) fn told(&self) -> (tmr_status, tmr_estimate) {
        (self.status(), tmr_estimate::of(&self.migration.estimate()))
    }
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
