//! The owner's side of images on other machines: what they write becomes changed tracks here.

use super::boundary::{
    Filled, Handle, Out, Structure, alone, check_options, close, guarded, input, shared, text_in,
    to_array,
};
use super::remote::{Room, message as bytes_of};
use super::subscription::{extents_on, not_quiet};
use super::{
    TMR_ACKNOWLEDGEMENT_LENGTH, TMR_DONE, TMR_MORE, TMR_QUESTION_EXTENT_LENGTH, tmr_buffer,
    tmr_error, tmr_extent, tmr_subscription,
};
use crate::error::{Error, Reason};
use crate::monitor::remote::{Absorbed, Receiver};
use parking_lot::Mutex;
use std::ffi::c_char;

/// What one image on another machine writes to one volume, as its owner hears it. One call uses it at a time.
pub struct tmr_receiver {
    _opaque: [u8; 0],
}

impl Handle for tmr_receiver {
    type Value = Mutex<Receiver>;
    const NAME: &'static str = "tmr_receiver";
}

/// Whose messages a receiver takes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_receiver_options {
    /// sizeof (tmr_receiver_options).
    pub size: u32,
    /// Higher than that of every receiver that this migration had for this image and volume before. 1 for the first.
    pub life: u32,
    /// What tmr_receiver_describe said last in `known`, if the area is still the same; else zero.
    pub known: [u64; 2],
    /// The name that the image reports under.
    pub image: [c_char; 64],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_receiver_options {
    const NAME: &'static str = "tmr_receiver_options";
    const SIZE_MIN: usize = 88;
}

const _: () = assert!(size_of::<tmr_receiver_options>() == 88);

/// The question asked last was answered.
pub const TMR_RECEIVER_ANSWERED: u32 = 1;
/// What the question asked last wants sealed is sealed there, and nothing else.
pub const TMR_RECEIVER_OBEYED: u32 = 2;
/// The image took leave.
pub const TMR_RECEIVER_LEFT: u32 = 4;
/// The image was retired.
pub const TMR_RECEIVER_RETIRED: u32 = 8;

/// What a receiver knows.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_receiver_info {
    /// sizeof (tmr_receiver_info).
    pub size: u32,
    /// TMR_RECEIVER_...
    pub flags: u32,
    /// The incarnation whose reports are applied, to be kept for the next receiver; zero if none is known.
    pub known: [u64; 2],
    /// Every report up to this number was applied.
    pub applied: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_receiver_info {
    const NAME: &'static str = "tmr_receiver_info";
    const SIZE_MIN: usize = 32;
}

const _: () = assert!(size_of::<tmr_receiver_info>() == 32);

/// The message was passed over; the error block says why.
pub const TMR_ABSORBED_NOTHING: u32 = 0;
/// A report was applied: the acknowledgement is to be sent back.
pub const TMR_ABSORBED_REPORT: u32 = 1;
/// The question asked last was answered.
pub const TMR_ABSORBED_ANSWER: u32 = 2;
/// The same, by an incarnation that was not known: every track counts as changed.
pub const TMR_ABSORBED_NEW_INCARNATION: u32 = 3;
/// The image took leave: the acknowledgement is to be sent back when it is durable that nothing more is expected of it.
pub const TMR_ABSORBED_FAREWELL: u32 = 4;

/// Does: begins to hear what an image on another machine writes to the subscription's volume.
/// Gives back: 0 and the receiver, to be closed with tmr_receiver_close; 8 if the name is none.
/// Threads: any.
/// When: while the subscription is open, which cannot be closed before the receiver.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_receiver_open(
    subscription: *const tmr_subscription,
    options: *const tmr_receiver_options,
    receiver: *mut *mut tmr_receiver,
    error: *mut tmr_error,
) -> i32 {
    let open = || {
        // SAFETY: as the caller promised.
        let (out, subscription) = unsafe { (Out::handle(receiver)?, shared(subscription)?) };
        // SAFETY: as the caller promised.
        let options = unsafe { input(options) }?;
        if options.life == 0 {
            let why = "tmr_receiver_options.life is 0; it is 1 for the first, and higher for each that follows";
            return Err(Error::new(Reason::BadValue, why));
        }
        let image = text_in(&options.image, "tmr_receiver_options.image")?;
        let known = Some((options.known[0], options.known[1])).filter(|known| *known != (0, 0));
        let migration = subscription.migration();
        let receiver = Receiver::new(&subscription, migration, image, known, options.life)?;
        out.give_handle(Mutex::new(receiver));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, open) }
}

/// Does: takes a message of the other machine. `absorbed` says what became of it (TMR_ABSORBED_...).
/// Gives back: 0, and perhaps an acknowledgement, to be sent back; 4 if the message was passed over; the error block says why,
///   without a reason. 8 if it is no message, or the buffer has room for less than TMR_ACKNOWLEDGEMENT_LENGTH bytes; nothing was
///   changed then.
/// Threads: one at a time.
/// When: whenever one has come.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_receiver_absorb(
    receiver: *mut tmr_receiver,
    message: *const tmr_buffer,
    absorbed: *mut u32,
    acknowledgement: *mut tmr_buffer,
    error: *mut tmr_error,
) -> i32 {
    let absorb = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::take(absorbed, "the place for what became of it") }?;
        // SAFETY: as the caller promised.
        let (mut room, bytes) = unsafe { (Room::take(acknowledgement)?, bytes_of(message)?) };
        room.check(TMR_ACKNOWLEDGEMENT_LENGTH.into())?;
        // SAFETY: as the caller promised.
        let mut receiver = unsafe { alone(receiver.cast_const()) }?;
        let (what, reply) = match receiver.absorb(bytes)? {
            Absorbed::Report { acknowledgement, .. } => {
                (TMR_ABSORBED_REPORT, Some(acknowledgement))
            }
            Absorbed::Farewell { acknowledgement } => {
                (TMR_ABSORBED_FAREWELL, Some(acknowledgement))
            }
            Absorbed::Answer => (TMR_ABSORBED_ANSWER, None),
            Absorbed::NewIncarnation => (TMR_ABSORBED_NEW_INCARNATION, None),
            Absorbed::PassedOver(why) => {
                // SAFETY: as the caller promised.
                unsafe {
                    let sentence = to_array(&format!("the message was passed over: {why}"));
                    tmr_error::remark(error, tmr_error { sentence, ..tmr_error::empty() });
                }
                return Ok(TMR_MORE);
            }
        };
        if let Some(reply) = reply {
            room.give(&reply)?;
        }
        out.give(what);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, absorb) }
}

/// Does: makes a question: whether anything of these tracks is in flight or unreported there. With `seal` 1 they are to be sealed there,
///   and no others; with 0 nothing is. Only the answer to the question asked last counts. Without extents it asks only whether
///   the image is there; the first answer makes it known.
/// Gives back: 0 and the question, to be sent to the other machine, also more than once; 8 if a track is outside the volume, or the
///   buffer has room for less than TMR_ACKNOWLEDGEMENT_LENGTH bytes and TMR_QUESTION_EXTENT_LENGTH for each extent.
/// Threads: one at a time.
/// When: first of all; now and then; in the window, until tmr_receiver_look gives back 0; and after it, to let them write again.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_receiver_barrier(
    receiver: *mut tmr_receiver,
    extents: *const tmr_extent,
    extent_count: u32,
    seal: u32,
    question: *mut tmr_buffer,
    error: *mut tmr_error,
) -> i32 {
    let ask = || {
        // SAFETY: as the caller promised.
        let (mut room, mut receiver) =
            unsafe { (Room::take(question)?, alone(receiver.cast_const())?) };
        check_options(seal, 1, "seal")?;
        let subscription = receiver.subscription();
        // SAFETY: as the caller promised.
        let extents = unsafe { extents_on(subscription.area(), extents, extent_count) }?;
        extents.iter().try_for_each(|extent| subscription.left_count(*extent).map(drop))?;
        let needed = u64::from(TMR_QUESTION_EXTENT_LENGTH) * u64::from(extent_count);
        room.check(u64::from(TMR_ACKNOWLEDGEMENT_LENGTH) + needed)?;
        room.give(&receiver.question(&extents, seal == 1)?)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, ask) }
}

/// Does: looks what the answer to the question asked last leaves open.
/// Gives back: 0 if nothing of the tracks that were asked for was in flight or unreported when it was answered, or the image has
///   left or was retired; then this machine's own area is to be looked at (tmr_subscription_look). 4 if not; the error block says why,
///   without a reason.
/// Threads: one at a time.
/// When: in the window, after the question was asked that seals.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_receiver_look(
    receiver: *const tmr_receiver,
    error: *mut tmr_error,
) -> i32 {
    let look = || {
        // SAFETY: as the caller promised.
        let receiver = unsafe { alone(receiver) }?;
        Ok(match receiver.not_quiet() {
            None => TMR_DONE,
            // SAFETY: as the caller promised.
            Some(found) => unsafe { not_quiet(error, &found, receiver.subscription().area()) },
        })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, look) }
}

/// Does: takes the operator's word that the image cannot write any more. What it did not report nobody knows: every track counts as
///   changed. Whatever comes from it is passed over from then on.
/// Gives back: 0.
/// Threads: one at a time.
/// When: when it does not answer any more, and somebody has seen to it that it cannot write.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_receiver_retire(
    receiver: *mut tmr_receiver,
    error: *mut tmr_error,
) -> i32 {
    let retire = || {
        // SAFETY: as the caller promised.
        unsafe { alone(receiver.cast_const()) }?.retire();
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, retire) }
}

/// Does: ends a receiver, and clears the pointer. The subscription stays open.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no receiver, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_receiver_close(receiver: *mut *mut tmr_receiver) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(receiver) }
}

/// Does: says what a receiver knows.
/// Gives back: 0.
/// Threads: one at a time.
/// When: while the receiver is open; after TMR_ABSORBED_NEW_INCARNATION, to keep what is known.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_receiver_describe(
    receiver: *const tmr_receiver,
    info: *mut tmr_receiver_info,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, receiver) = unsafe { (Filled::take(info)?, alone(receiver)?) };
        let flag = |is_so, flag| if is_so { flag } else { 0 };
        let known = receiver.known().unwrap_or_default();
        out.give(&tmr_receiver_info {
            size: size_of::<tmr_receiver_info>() as u32,
            flags: flag(receiver.is_answered(), TMR_RECEIVER_ANSWERED)
                | flag(receiver.is_obeyed(), TMR_RECEIVER_OBEYED)
                | flag(receiver.has_left(), TMR_RECEIVER_LEFT)
                | flag(receiver.is_retired(), TMR_RECEIVER_RETIRED),
            known: [known.0, known.1],
            applied: receiver.applied().unwrap_or(0),
        });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}
