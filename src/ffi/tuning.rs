//! What may be changed while a migration runs: goal, limits, pace.

use super::boundary::{Structure, check_options, check_reserved, input};
use super::migration::{Driven, drive, tmr_migration};
use super::{TMR_DONE, tmr_error};
use crate::error::{Error, Reason, Result};
use crate::migrate::{Goal, Limits, Migration, OnUnreadable};
use crate::pace::Pace;
use std::time::Duration;

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
