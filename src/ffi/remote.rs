//! Messages of images on other machines, over any channel of the program's; and who makes them on the machine that writes.
//!
//! The messages are bytes, in buffers that belong to the caller. A reporter, on the machine that writes, makes reports and
//! answers; a [receiver](super::receiver), on the machine that owns the migration, makes questions and acknowledgements. A message that may be
//! lost, doubled or late does no harm: see `monitor::remote`.

use super::boundary::{
    Handle, Out, Structure, alone, check_reserved, close, guarded, input, list, list_to_fill,
    shared, text, text_if_any,
};
use super::subscription::migration_of;
use super::{TMR_DONE, TMR_MORE, tmr_area, tmr_error, tmr_volume};
use crate::error::{Error, Reason, Result};
use crate::monitor::Area;
use crate::monitor::remote::{MESSAGE_LENGTH_MAX, Reporter};
use crate::volume::Volume;
use parking_lot::Mutex;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// An acknowledgement has at most so many bytes, and so has a question beside its extents.
pub const TMR_ACKNOWLEDGEMENT_LENGTH: u32 = 128;
/// A question has at most so many bytes more for each extent.
pub const TMR_QUESTION_EXTENT_LENGTH: u32 = 10;
/// No message is longer.
pub const TMR_MESSAGE_LENGTH: u32 = 1_048_576;

const _: () = assert!(TMR_MESSAGE_LENGTH as usize == MESSAGE_LENGTH_MAX);

/// About how long a report is at most, whatever fits into the buffer: while it is not acknowledged, what changes again waits.
const REPORT_LENGTH: u64 = 32 << 10;

/// A message. Whoever gives one sets `data` and `length`; whoever wants one sets `data` and `capacity`, and gets `length`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_buffer {
    /// sizeof (tmr_buffer).
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Its bytes.
    pub data: *mut c_void,
    /// How many bytes there is room for.
    pub capacity: u64,
    /// How many bytes it has; if there is no room for them, how many it would need.
    pub length: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_buffer {
    const NAME: &'static str = "tmr_buffer";
    const SIZE_MIN: usize = size_of::<tmr_buffer>();

    fn check(&self) -> Result<()> {
        check_reserved("tmr_buffer", &[self.reserved])
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<tmr_buffer>() == 32);

/// The caller's message.
///
/// # Safety
/// `pointer` is NULL, or points to one, whose bytes nobody changes meanwhile.
pub(super) unsafe fn message<'a>(pointer: *const tmr_buffer) -> Result<&'a [u8]> {
    // SAFETY: as the caller promised.
    let buffer = unsafe { input(pointer) }?;
    if buffer.length > MESSAGE_LENGTH_MAX as u64 {
        let why = format!("{} bytes are no message; it is too long", buffer.length);
        return Err(Error::new(Reason::BadMessage, why));
    }
    // SAFETY: as the caller promised.
    unsafe { list(buffer.data.cast_const().cast::<u8>(), buffer.length, "tmr_buffer.data") }
}

/// Where a message goes.
pub(super) struct Room<'a> {
    buffer: *mut tmr_buffer,
    bytes: &'a mut [u8],
}

impl<'a> Room<'a> {
    /// Takes the caller's buffer, which has no message then.
    ///
    /// # Safety
    /// `pointer` is NULL, or points to one, whose bytes nobody uses meanwhile.
    pub(super) unsafe fn take(pointer: *mut tmr_buffer) -> Result<Room<'a>> {
        // SAFETY: as the caller promised.
        let buffer = unsafe { input(pointer.cast_const()) }?;
        // SAFETY: as the caller promised; it was seen to be right.
        unsafe { (*pointer).length = 0 };
        let start = buffer.data.cast::<u8>();
        // SAFETY: as the caller promised.
        let bytes = unsafe { list_to_fill(start, buffer.capacity, "tmr_buffer.data") }?;
        Ok(Room { buffer: pointer, bytes })
    }

    /// That there is room for so many bytes.
    pub(super) fn check(&mut self, length: u64) -> Result<()> {
        if length <= self.bytes.len() as u64 {
            return Ok(());
        }
        // SAFETY: as was promised when it was taken.
        unsafe { (*self.buffer).length = length };
        let why = format!(
            "the buffer has room for {} bytes, and the message needs {length}",
            self.bytes.len()
        );
        Err(Error::new(Reason::ShortBuffer, why))
    }

    /// Gives a message, if there is room for it.
    pub(super) fn give(mut self, message: &[u8]) -> Result<()> {
        self.check(message.len() as u64)?;
        self.bytes[..message.len()].copy_from_slice(message);
        // SAFETY: as was promised when it was taken.
        unsafe { (*self.buffer).length = message.len() as u64 };
        Ok(())
    }
}

/// Makes what was written here visible to other machines.
///
/// # Safety
/// `volume` is NULL, or one that was given back and not closed.
unsafe fn flush_of(volume: *const tmr_volume, area: &Area) -> Result<Option<Arc<dyn Volume>>> {
    if volume.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller promised.
    let volume = unsafe { shared(volume) }?;
    let (own, other) = (area.identity().volser, volume.volser());
    if own != [0; 6] && <[u8; 6]>::from(other) != own {
        let why = format!("volume {other} was given to be flushed, and the area is of another one");
        return Err(Error::new(Reason::NoSuchVolume, why).on_volume(own));
    }
    Ok(Some(volume.clone()))
}

fn flush(volume: Option<&Arc<dyn Volume>>) -> Result<()> {
    volume.map_or(Ok(()), |volume| volume.flush())
}

/// Reports what is written to a volume on this machine to the one that owns a migration. One call uses it at a time.
pub struct tmr_reporter {
    _opaque: [u8; 0],
}

/// A reporter, and the report for which there was no room.
pub(super) struct Desk {
    reporter: Reporter,
    kept: Option<Vec<u8>>,
}

impl Handle for tmr_reporter {
    type Value = Mutex<Desk>;
    const NAME: &'static str = "tmr_reporter";
}

/// Does: begins to report to the owner of a migration what is written in this area, or goes on after a restart, with what is sealed
///   still sealed. `id` is the migration's; `image` is the name that the owner knows this machine by.
/// Gives back: 0 and the reporter, to be closed with tmr_reporter_close; 8 if another process has it, or the name is none.
/// Threads: any.
/// When: while the area is open, which may be closed then.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reporter_open(
    area: *const tmr_area,
    id: *const u64,
    image: *const c_char,
    reporter: *mut *mut tmr_reporter,
    error: *mut tmr_error,
) -> i32 {
    let open = || {
        // SAFETY: as the caller promised.
        let (out, area) = unsafe { (Out::handle(reporter)?, shared(area)?) };
        // SAFETY: as the caller promised.
        let (id, image) = unsafe { (migration_of(id)?, text(image, "the image's name")?) };
        let reporter = Reporter::open(&area, id, image)?;
        out.give_handle(Mutex::new(Desk { reporter, kept: None }));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, open) }
}

/// Does: reports tracks that were written and not reported yet. `to_flush` is the volume whose cache on this machine is written out
///   first, so that the owner reads what is reported; it may be NULL if there is none.
/// Gives back: 4 and the report, to be sent to the owner: there may be more; 0 if there is nothing, or nothing was asked yet. 8 if the
///   buffer is too short (TMR_R_SHORT_BUFFER): `length` says what it needs, and the next call gives this report. 12 if the volume
///   cannot be flushed; then nothing was reported.
/// Threads: one at a time.
/// When: again and again, while not too many reports are on their way.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reporter_report(
    reporter: *mut tmr_reporter,
    to_flush: *const tmr_volume,
    report: *mut tmr_buffer,
    error: *mut tmr_error,
) -> i32 {
    let report = || {
        // SAFETY: as the caller promised.
        let (room, mut desk) = unsafe { (Room::take(report)?, alone(reporter.cast_const())?) };
        // SAFETY: as the caller promised.
        let volume = unsafe { flush_of(to_flush, desk.reporter.area()) }?;
        if desk.kept.is_none() {
            // Its head and its last run come on top.
            let length = (room.bytes.len() as u64).saturating_sub(512).clamp(64, REPORT_LENGTH);
            desk.kept = desk.reporter.report(length as usize, || flush(volume.as_ref()))?;
        }
        let Some(kept) = desk.kept.as_deref() else { return Ok(TMR_DONE) };
        room.give(kept)?;
        desk.kept = None;
        Ok(TMR_MORE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, report) }
}

/// Does: takes an acknowledgement of the owner: what it names needs not be reported again.
/// Gives back: 0; 4 if it is none for this reporter, or comes too late to mean anything; 8 if it is no message.
/// Threads: one at a time.
/// When: whenever one has come.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reporter_acknowledge(
    reporter: *mut tmr_reporter,
    acknowledgement: *const tmr_buffer,
    error: *mut tmr_error,
) -> i32 {
    let acknowledge = || {
        // SAFETY: as the caller promised.
        let (message, mut desk) =
            unsafe { (message(acknowledgement)?, alone(reporter.cast_const())?) };
        Ok(if desk.reporter.acknowledge(message)? { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, acknowledge) }
}

/// Does: answers a question of the owner, and seals what it wants sealed. `to_flush` as in tmr_reporter_report. `uncovered` is NULL, or
///   says why it is not certain that every write on this machine is told to the area; then nothing is reported until it is, and the
///   owner copies everything once more.
/// Gives back: 0 and the answer, to be sent to the owner; 4 if the question is none for this reporter; 8 if it is no message, or the
///   buffer is too short (TMR_R_SHORT_BUFFER): then the same question is to be answered once more, with as much room as `length` says.
/// Threads: one at a time.
/// When: whenever a question has come.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reporter_answer(
    reporter: *mut tmr_reporter,
    question: *const tmr_buffer,
    to_flush: *const tmr_volume,
    uncovered: *const c_char,
    answer: *mut tmr_buffer,
    error: *mut tmr_error,
) -> i32 {
    let answer = || {
        // SAFETY: as the caller promised.
        let (room, question) = unsafe { (Room::take(answer)?, message(question)?) };
        // SAFETY: as the caller promised.
        let mut desk = unsafe { alone(reporter.cast_const()) }?;
        // SAFETY: as the caller promised.
        let (volume, uncovered) = unsafe {
            (flush_of(to_flush, desk.reporter.area())?, text_if_any(uncovered, "uncovered")?)
        };
        if uncovered.is_some() {
            // It is reported again, by another incarnation.
            desk.kept = None;
        }
        let answer = desk.reporter.answer(question, uncovered, || flush(volume.as_ref()))?;
        let Some(answer) = answer else { return Ok(TMR_MORE) };
        room.give(&answer)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, answer) }
}

/// Does: lets go of a reporter, and clears the pointer. What was written and not acknowledged is kept in the area, and what is
///   sealed for the owner stays so: the next one to open it goes on.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no reporter, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reporter_close(reporter: *mut *mut tmr_reporter) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(reporter) }
}

/// Does: makes what was reported and is not acknowledged be reported once more, under new numbers.
/// Gives back: 0 if everything was acknowledged; 4 if something will be reported again.
/// Threads: one at a time.
/// When: when an acknowledgement is overdue: a message was lost, perhaps.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reporter_resend(
    reporter: *mut tmr_reporter,
    error: *mut tmr_error,
) -> i32 {
    let resend = || {
        // SAFETY: as the caller promised.
        let mut desk = unsafe { alone(reporter.cast_const()) }?;
        if desk.reporter.unacknowledged() == 0 {
            return Ok(TMR_DONE);
        }
        desk.kept = None;
        desk.reporter.resend();
        Ok(TMR_MORE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, resend) }
}

/// Does: takes leave of the migration: the program promises that nothing on this machine writes the volume until the migration has
///   ended. Everything is sealed here, and the next answers say so.
/// Gives back: 0 when the owner has heard it; 4 as long as it has not: go on reporting and answering; 8 (TMR_R_NOT_COVERED) as long as
///   an image lives in the area.
/// Threads: one at a time.
/// When: again and again until it gives back 0, if this machine is to be spared the rest.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reporter_farewell(
    reporter: *mut tmr_reporter,
    error: *mut tmr_error,
) -> i32 {
    let leave = || {
        // SAFETY: as the caller promised.
        let mut desk = unsafe { alone(reporter.cast_const()) }?;
        if desk.reporter.has_left() {
            return Ok(TMR_DONE);
        }
        desk.reporter.leave()?;
        Ok(TMR_MORE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, leave) }
}

/// Does: ends a reporter for good: what it sealed is opened, and nothing is marked for the migration any more. Clears the pointer.
/// Gives back: as tmr_reporter_close.
/// Threads: the last one that uses it.
/// When: once, in place of tmr_reporter_close, when the owner has said that the migration has ended, and never before: what is
///   sealed here may not be written.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reporter_end(
    reporter: *mut *mut tmr_reporter,
    error: *mut tmr_error,
) -> i32 {
    let end = || {
        // SAFETY: as the caller promised.
        if !reporter.is_null() && reporter.is_aligned() && unsafe { !(*reporter).is_null() } {
            // SAFETY: as the caller promised.
            let desk = unsafe { alone((*reporter).cast_const()) }?;
            desk.reporter.subscription().clone().close();
        }
        // SAFETY: as the caller promised.
        unsafe { super::boundary::end(reporter) }
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, end) }
}

#[cfg(test)]
mod tests;
