//! The error block: what failed, where, and a sentence.

use super::boundary::{Structure, text_in, to_array};
use super::{TMR_DONE, TMR_ENVIRONMENT, TMR_MORE};
use crate::error::{Code, Error, Reason, Result};
use std::ffi::c_char;

/// No track: the error is not about one.
pub const TMR_NO_TRACK: u32 = 0xFFFF_FFFF;

/// It makes sense to try the same again later: the environment may be mended, and of what is refused somebody may make room, end
/// what he is doing, or start his monitor.
pub const TMR_ERROR_CAN_PASS: u32 = 1;

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
    /// TMR_ERROR_CAN_PASS, or 0.
    pub flags: u32,
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
            flags: 0,
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

    /// Clears the caller's block, if there is one, for a call that must not take long: codes and place, and the first byte
    /// of each text, so that it is empty.
    ///
    /// # Safety
    /// As of [`clear`](tmr_error::clear).
    #[inline]
    pub(super) unsafe fn clear_soon(pointer: *mut tmr_error) -> std::result::Result<(), ()> {
        if pointer.is_null() {
            return Ok(());
        }
        if !pointer.is_aligned() {
            return Err(());
        }
        // SAFETY: as the caller promised; each field lies within the size that is looked at first.
        unsafe {
            if ((*pointer).size as usize) < Self::SIZE_MIN {
                return Err(());
            }
            (*pointer).code = TMR_DONE;
            (*pointer).reason = 0;
            (*pointer).state = 0;
            (*pointer).track = TMR_NO_TRACK;
            (*pointer).flags = 0;
            (*pointer).volser[0] = 0;
            (*pointer).data_set[0] = 0;
            (*pointer).sentence[0] = 0;
        }
        Ok(())
    }

    /// Fills the caller's block in, if there is one, without asking for memory, so that it can be done in a signal handler:
    /// the track and the volume's serial, if there are some, and a sentence.
    ///
    /// # Safety
    /// As of [`clear`](tmr_error::clear); [`clear_soon`](tmr_error::clear_soon) has found it right.
    pub(super) unsafe fn say(
        pointer: *mut tmr_error,
        reason: Reason,
        (volser, track): (&[c_char; 16], Option<u32>),
        sentence: std::fmt::Arguments<'_>,
    ) {
        if pointer.is_null() {
            return;
        }
        let mut text = Text { bytes: [0; 512], length: 0 };
        // What does not fit is cut.
        let _ = std::fmt::write(&mut text, sentence);
        // SAFETY: as the caller promised.
        unsafe {
            (*pointer).code = reason.code() as i32;
            (*pointer).reason = reason as u32;
            (*pointer).track = track.unwrap_or(TMR_NO_TRACK);
            (*pointer).volser = *volser;
            (*pointer).sentence = text.bytes;
        }
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

    /// Says something in the caller's block, if there is one, beside the return code 4; it was cleared before.
    ///
    /// # Safety
    /// As of [`clear`](tmr_error::clear).
    pub(super) unsafe fn remark(pointer: *mut tmr_error, remark: tmr_error) {
        if pointer.is_null() {
            return;
        }
        // SAFETY: as the caller promised.
        if let Ok(block) = unsafe { super::boundary::Filled::take(pointer) } {
            block.give(&tmr_error { code: TMR_MORE, ..remark });
        }
    }

    /// What an error says.
    pub(super) fn of(error: &Error) -> tmr_error {
        let ebcdic = crate::bytes::ebcdic_text;
        tmr_error {
            code: error.code() as i32,
            reason: error.reason() as u32,
            track: error.track().unwrap_or(TMR_NO_TRACK),
            flags: if error.can_pass() { TMR_ERROR_CAN_PASS } else { 0 },
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

/// A sentence in the making, which ends with a zero.
struct Text {
    bytes: [c_char; 512],
    length: usize,
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut end = text.len().min(self.bytes.len() - 1 - self.length);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        for (place, byte) in self.bytes[self.length..].iter_mut().zip(text[..end].bytes()) {
            *place = byte as c_char;
        }
        self.length += end;
        if end < text.len() { Err(std::fmt::Error) } else { Ok(()) }
    }
}
