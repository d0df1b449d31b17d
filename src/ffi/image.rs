//! Images: the programs that write a volume, and tell of each write when it begins and when it has ended.
//!
//! *The problem.* Begin and end stand around every write of the program's, so they may cost almost nothing, and are called
//! anywhere: in any thread, in a signal handler. They never wait, and never ask for memory, also when they refuse.
//!
//! *The rule.* They do not go by way of [`guarded`](super::boundary::guarded), whose errors are made in memory, but of
//! [`at_once`], which fills the caller's block in as it is. What has begun is kept by the caller as two words; what comes
//! back is believed only as far as the slot says the same: so a write cannot be ended twice, nor at another image, and
//! garbage ends nothing.

use super::boundary::{Handle, Out, choice, close, found, guarded, shared, text, to_array};
use super::{TMR_DONE, tmr_area, tmr_error};
use crate::bytes::ebcdic_text;
use crate::error::Reason;
use crate::geometry::{Extent, Track};
use crate::monitor::{Image, Kind, Refusal, Stray};
use std::ffi::c_char;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A program that is registered as one that writes a volume. Several threads may use it at a time.
pub struct tmr_image {
    _opaque: [u8; 0],
}

/// What the calls need that stand around every write.
pub(super) struct Registered {
    image: Image,
    /// Whether a write is ended by the thread that began it.
    is_bound: bool,
    volser: [c_char; 16],
    heads: u32,
}

impl Handle for tmr_image {
    type Value = Registered;
    const NAME: &'static str = "tmr_image";
}

/// The program tells of each write when it begins, and when it has ended.
pub const TMR_IMAGE_BRACKETS: u32 = 1;
/// The program tells only what was written (tmr_image_note). When it dies, every track counts as changed.
pub const TMR_IMAGE_COMPLETIONS: u32 = 2;
/// The program tells what another machine writes. When it dies, that has fallen silent: nothing is switched before it is back,
/// or was retired.
pub const TMR_IMAGE_REMOTE: u32 = 3;
/// Added to one of those: a write may be ended by another thread than the one that began it. If a thread is lost inside a
/// write, its tracks stay in flight until the program ends; else the library finds out.
pub const TMR_IMAGE_ANY_THREAD: u32 = 0x100;

/// A write that has begun and not ended. Its content is the library's; all zero, it is none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct tmr_write {
    /// Which tracks.
    pub range: u64,
    /// Where it is kept.
    pub place: u64,
}

const _: () = assert!(size_of::<tmr_write>() == 16);

/// Why one of these calls refuses.
enum Refused<'a> {
    Pointer(&'static str),
    Handle(Reason),
    Write(&'a Registered, Refusal, Extent),
    End(&'a Registered, Stray),
}

impl Refused<'_> {
    fn reason(&self) -> Reason {
        match self {
            Refused::Pointer(_) => Reason::NullPointer,
            Refused::Handle(reason) => *reason,
            Refused::Write(image, refusal, extent) => image.image.why(*refusal, *extent).reason(),
            Refused::End(_, Stray::Forked) => Reason::ImageDetached,
            Refused::End(_, Stray::Unknown | Stray::Ended) => Reason::BadValue,
        }
    }

    fn track(&self) -> Option<u32> {
        match self {
            Refused::Write(image, refusal, extent) => {
                image.image.why(*refusal, *extent).track().map(|track| track.0)
            }
            _ => None,
        }
    }

    fn image(&self) -> Option<&Registered> {
        match self {
            Refused::Write(image, ..) | Refused::End(image, _) => Some(image),
            Refused::Pointer(_) | Refused::Handle(_) => None,
        }
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Pointer(what) => write!(f, "{what} is NULL, or not aligned"),
            Refused::Handle(Reason::NullPointer) => {
                write!(f, "{} is NULL, or not aligned", tmr_image::NAME)
            }
            Refused::Handle(_) => write!(f, "this is no {}, or it was closed", tmr_image::NAME),
            Refused::Write(image, refusal, extent) => image.image.why(*refusal, *extent).fmt(f),
            Refused::End(image, stray) => {
                let name = image.image.name();
                match stray {
                    Stray::Forked => write!(
                        f,
                        "this process was forked from image {name}; what has begun there ends there"
                    ),
                    Stray::Unknown => write!(
                        f,
                        "this is no write that image {name} has begun; give back what tmr_image_begin gave, once"
                    ),
                    Stray::Ended => write!(
                        f,
                        "this write of image {name} has ended already, or the operator retired the image"
                    ),
                }
            }
        }
    }
}

/// What each of these calls does first and last: [`guarded`] for those that must neither wait nor ask for memory.
///
/// # Safety
/// `error` is NULL or can be read and written.
#[inline(always)]
unsafe fn at_once<'a>(
    error: *mut tmr_error,
    body: impl FnOnce() -> std::result::Result<(), Refused<'a>>,
) -> i32 {
    // SAFETY: as the caller promised.
    if unsafe { tmr_error::clear_soon(error) }.is_err() {
        return super::TMR_REFUSED;
    }
    let whole = || match body() {
        Ok(()) => TMR_DONE,
        // SAFETY: as the caller promised; it was seen to be right above.
        Err(refused) => unsafe { refuse(error, &refused) },
    };
    match catch_unwind(AssertUnwindSafe(whole)) {
        Ok(code) => code,
        Err(payload) => {
            // What a panic carries may panic when it is dropped.
            std::mem::forget(payload);
            // SAFETY: as above.
            unsafe { panicked(error) }
        }
    }
}

#[cold]
unsafe fn refuse(error: *mut tmr_error, refused: &Refused<'_>) -> i32 {
    let (reason, track) = (refused.reason(), refused.track());
    let image = refused.image();
    let volser = image.map_or([0; 16], |image| image.volser);
    // As every error says where it was: volume, track, cylinder and head.
    let place = Place { volser: &volser, track: track.zip(image.map(|image| image.heads)) };
    // SAFETY: as the caller promised.
    unsafe {
        let number = reason as u32;
        tmr_error::say(
            error,
            reason,
            (&volser, track),
            format_args!("{place}{refused} [{number}]"),
        );
    }
    reason.code() as i32
}

/// Where it was that a call refused, in front of the sentence that says why.
struct Place<'a> {
    volser: &'a [c_char; 16],
    track: Option<(u32, u32)>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let volser = super::boundary::text_so_far(self.volser);
        match (volser, self.track) {
            ("", None) => Ok(()),
            (volser, None) => write!(f, "volume {volser}: "),
            (volser, Some((track, heads))) => {
                if !volser.is_empty() {
                    write!(f, "volume {volser}, ")?;
                }
                let heads = heads.max(1);
                write!(f, "track {track} ({}/{}): ", track / heads, track % heads)
            }
        }
    }
}

#[cold]
unsafe fn panicked(error: *mut tmr_error) -> i32 {
    let reason = Reason::Panicked;
    let why = format_args!("the library failed; close the handle, and report this [1602]");
    // SAFETY: as the caller promised.
    unsafe { tmr_error::say(error, reason, (&[0; 16], None), why) };
    reason.code() as i32
}

/// Does: registers this program as one that writes a volume, under a name that no living one has in the area: 1 to 32
///   printable characters, no blanks. A program that comes again under its name takes over what was left of it. `kind` is
///   TMR_IMAGE_...
/// Gives back: 0 and the image, to be closed with tmr_image_close; 8 if the name is in use, or there are as many as can be.
/// Threads: any.
/// When: while the area is open, before the first write. After a fork the child registers under a name of its own.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_image_register(
    area: *const tmr_area,
    name: *const c_char,
    kind: u32,
    image: *mut *mut tmr_image,
    error: *mut tmr_error,
) -> i32 {
    let register = || {
        // SAFETY: as the caller promised.
        let (out, area) = unsafe { (Out::handle(image)?, shared(area)?) };
        // SAFETY: as the caller promised.
        let name = unsafe { text(name, "the image's name") }?;
        let kinds = [
            (TMR_IMAGE_BRACKETS, Kind::Brackets),
            (TMR_IMAGE_COMPLETIONS, Kind::Completions),
            (TMR_IMAGE_REMOTE, Kind::Remote),
        ];
        let told = choice(kind & !TMR_IMAGE_ANY_THREAD, &kinds, "kind of image")?;
        let identity = area.identity();
        let volser = match identity.volser {
            [0, 0, 0, 0, 0, 0] => [0; 16],
            known => to_array(&ebcdic_text(&known)),
        };
        out.give_handle(Registered {
            image: Image::register(&area, name, told)?,
            is_bound: kind & TMR_IMAGE_ANY_THREAD == 0,
            volser,
            heads: identity.heads.into(),
        });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, register) }
}

/// Does: says that these tracks are about to be written. It never waits, and asks for no memory.
/// Gives back: 0 and the write, which must be ended with tmr_image_end, whatever becomes of it; 8 if it must not happen: a track
///   is outside the volume, or there is none, or the image was retired; or one is sealed (TMR_R_VOLUME_SEALED), because its data
///   set is just being moved. Such a write must not be tried again at this place, which may belong to nobody soon: the program closes
///   the data set, and opens it again by its name, through the catalog.
/// Threads: any, several at a time; also in a signal handler, if the thread has called it before.
/// When: directly before each write.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_image_begin(
    image: *const tmr_image,
    first: u32,
    track_count: u32,
    write: *mut tmr_write,
    error: *mut tmr_error,
) -> i32 {
    let begin = || {
        check(write, "the place for the write")?;
        // SAFETY: as the caller promised.
        unsafe { write.write(tmr_write::default()) };
        // SAFETY: as the caller promised.
        let image = unsafe { found(image) }.map_err(Refused::Handle)?;
        let extent = Extent::new(Track(first), track_count);
        if track_count == 0 {
            return Err(Refused::Write(image, Refusal::OutsideVolume, extent));
        }
        let [range, place] = image
            .image
            .begin_kept(extent, image.is_bound)
            .map_err(|refusal| Refused::Write(image, refusal, extent))?;
        // SAFETY: as the caller promised.
        unsafe { write.write(tmr_write { range, place }) };
        Ok(())
    };
    // SAFETY: as the caller promised.
    unsafe { at_once(error, begin) }
}

/// Does: says that a write has ended, whatever its result, and clears it. It never waits, and asks for no memory.
/// Gives back: 0; 8 if it is no write that this image has begun and not ended; then it is not cleared.
/// Threads: the one that began it; any, if the image was registered with TMR_IMAGE_ANY_THREAD. Several at a time, each its own.
/// When: directly after each write that was begun, and before anybody is told that it is done.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_image_end(
    image: *const tmr_image,
    write: *mut tmr_write,
    error: *mut tmr_error,
) -> i32 {
    let end = || {
        check(write, "the write")?;
        // SAFETY: as the caller promised.
        let (image, kept) = (unsafe { found(image) }.map_err(Refused::Handle)?, unsafe { *write });
        image
            .image
            .end_kept([kept.range, kept.place])
            .map_err(|stray| Refused::End(image, stray))?;
        // SAFETY: as the caller promised.
        unsafe { write.write(tmr_write::default()) };
        Ok(())
    };
    // SAFETY: as the caller promised.
    unsafe { at_once(error, end) }
}

#[inline]
fn check<T>(pointer: *const T, what: &'static str) -> std::result::Result<(), Refused<'static>> {
    if pointer.is_null() || !pointer.is_aligned() { Err(Refused::Pointer(what)) } else { Ok(()) }
}

/// Does: says that these tracks were written, for an image of the kind TMR_IMAGE_COMPLETIONS or TMR_IMAGE_REMOTE. It never waits,
///   and asks for no memory.
/// Gives back: 0; 8 if a track is outside the volume, or the image was registered as one that brackets its writes.
/// Threads: any, several at a time; also in a signal handler.
/// When: directly after each write, and before anybody is told that it is done.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_image_note(
    image: *const tmr_image,
    first: u32,
    track_count: u32,
    error: *mut tmr_error,
) -> i32 {
    let note = || {
        // SAFETY: as the caller promised.
        let image = unsafe { found(image) }.map_err(Refused::Handle)?;
        let extent = Extent::new(Track(first), track_count);
        image.image.try_note(extent).map_err(|refusal| Refused::Write(image, refusal, extent))
    };
    // SAFETY: as the caller promised.
    unsafe { at_once(error, note) }
}

/// Does: says that the image lives. It is shown with the image (tmr_area_image), and changes nothing else.
/// Gives back: 0.
/// Threads: any, several at a time; also in a signal handler.
/// When: now and then, if somebody is to see it.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_image_sign_of_life(
    image: *const tmr_image,
    error: *mut tmr_error,
) -> i32 {
    let sign = || {
        // SAFETY: as the caller promised.
        unsafe { found(image) }.map_err(Refused::Handle)?.image.sign_of_life();
        Ok(())
    };
    // SAFETY: as the caller promised.
    unsafe { at_once(error, sign) }
}

/// Does: ends an image: this program writes the volume no more. Clears the pointer. Writes that were begun and not ended count as
///   changed.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no image, or in use.
/// Threads: the last one that uses it.
/// When: once, after the last write.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_image_close(image: *mut *mut tmr_image) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(image) }
}
