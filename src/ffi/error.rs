//! The error block: what failed, where, and a sentence.

use super::boundary::{Structure, text_in, to_array};
use super::{TMR_DONE, TMR_ENVIRONMENT, TMR_MORE};
use crate::error::{Code, Error, Reason, Result};
use std::ffi::c_char;

/// No track: the error is not about one.
pub const TMR_NO_TRACK: u32 = 0xFFFF_FFFF;

/// What failed. It belongs to the caller, who sets `size` (TMR_CLEAR does); every function that gets it clears it first, and
/// fills it in if it gives back 8, 12 or 16.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_error {
    /// sizeof (tmr_error).
    pub size: u32,
    /// The return code.
    pub code: i32,
    /// Why: one of TMR_R_..., or 0.
    pub reason: u32,
    /// The state of the migration that it is about: one of TMR_STATE_..., or 0.
    pub state: u32,
    /// The absolute track number that it is about, or TMR_NO_TRACK.
    pub track: u32,
    /// Zero.
    pub reserved: u32,
    /// The serial of the volume that it is about, or empty.
    pub volser: [c_char; 16],
    /// The data set that it is about, or empty.
    pub data_set: [c_char; 96],
    /// What was seen and what to do, with the place in front and the reason behind; no newline.
    pub sentence: [c_char; 512],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_error {
    const NAME: &'static str = "tmr_error";
    const SIZE_MIN: usize = 648;
}

const _: () = assert!(size_of::<tmr_error>() == 648);

impl tmr_error {
    /// One that says nothing.
    pub(super) fn empty() -> tmr_error {
        tmr_error {
            size: size_of::<tmr_error>() as u32,
            code: TMR_DONE,
            reason: 0,
            state: 0,
            track: TMR_NO_TRACK,
            reserved: 0,
            volser: [0; 16],
            data_set: [0; 96],
            sentence: [0; 512],
        }
    }

    /// Clears the caller's block, if there is one.
    ///
    /// # Safety
    /// `pointer` is NULL, or points to as many bytes as the block there says.
    pub(super) unsafe fn clear(pointer: *mut tmr_error) -> Result<()> {
        if pointer.is_null() {
            return Ok(());
        }
        // SAFETY: as the caller promised.
        unsafe { super::boundary::Filled::take(pointer) }?.give(&tmr_error::empty());
        Ok(())
    }

    /// Fills the caller's block in, if there is one; it was cleared before.
    ///
    /// # Safety
    /// As of [`clear`](tmr_error::clear).
    pub(super) unsafe fn fill(pointer: *mut tmr_error, error: &Error, state: u32) {
        if pointer.is_null() {
            return;
        }
        // SAFETY: as the caller promised.
        if let Ok(block) = unsafe { super::boundary::Filled::take(pointer) } {
            block.give(&tmr_error { state, ..tmr_error::of(error) });
        }
    }

    /// What an error says.
    pub(super) fn of(error: &Error) -> tmr_error {
        let ebcdic = crate::bytes::ebcdic_text;
        tmr_error {
            code: error.code() as i32,
            reason: error.reason() as u32,
            track: error.track().unwrap_or(TMR_NO_TRACK),
            volser: to_array(&error.volser().map(|bytes| ebcdic(&bytes)).unwrap_or_default()),
            data_set: to_array(&error.data_set().map(|bytes| ebcdic(&bytes)).unwrap_or_default()),
            sentence: to_array(&error.to_string()),
            ..tmr_error::empty()
        }
    }

    /// What a function of the host gave back: 0 and 4 as they are, and everything else as an error. A reason of the library
    /// is believed as far as it goes with the code.
    pub(super) fn result(&self, code: i32, what: &str) -> Result<i32> {
        if code == TMR_DONE || code == TMR_MORE {
            return Ok(code);
        }
        let wanted = if code == super::TMR_REFUSED { Code::Refused } else { Code::Environment };
        let said = text_in(&self.sentence, "the sentence").unwrap_or_default();
        let known = Reason::ALL.iter().copied().find(|reason| *reason as u32 == self.reason);
        let known = known.filter(|reason| reason.code() == wanted);
        let (reason, code_text) = match (known, code) {
            (Some(reason), _) => (reason, String::new()),
            (None, super::TMR_REFUSED) => (Reason::HostRefused, String::new()),
            (None, TMR_ENVIRONMENT) => (Reason::HostFailed, String::new()),
            (None, other) => (Reason::HostFailed, format!(" (code {other})")),
        };
        let said = super::tables::printable(said);
        let said = if said.is_empty() { "it did not say why" } else { &said };
        let mut error =
            Error::new(reason, format!("the host's function {what}{code_text}: {said}"));
        let volser =
            text_in(&self.volser, "").ok().and_then(|text| super::boundary::volser(text).ok());
        if let Some(volser) = volser {
            error = error.on_volume(volser);
        }
        let name = text_in(&self.data_set, "").ok();
        if let Some(name) = name.and_then(|text| super::boundary::data_set(text).ok()) {
            error = error.of_data_set(name);
        }
        Err(error)
    }
}
