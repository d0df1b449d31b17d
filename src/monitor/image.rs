//! An image: a program that writes a volume and tells of each write.

use super::area::{Area, on_volume};
use super::flow::{Begun, Kind, Refusal};
use super::seat::{Newcomer, Seat, Stray};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use std::fmt;

/// An image that is registered as long as this lives. It may be used from several threads at once.
#[derive(Debug)]
pub struct Image {
    seat: Seat,
    area: Area,
    name: String,
}

impl Image {
    /// Registers an image. The same name again is refused while the image lives; a restart takes over what was left.
    ///
    /// Errors: [`Reason::ImageExists`], [`Reason::BadImageName`], [`Reason::TooManyImages`], [`Reason::AreaBusy`].
    pub fn register(area: &Area, name: &str, kind: Kind) -> Result<Image> {
        let now_ms = SystemClock.now().as_millis() as u64;
        let seat = Seat::register(area.opened.clone(), &Newcomer { name, kind, now_ms });
        let seat = seat.map_err(|trouble| area.trouble(trouble))?;
        Ok(Image { seat, area: area.clone(), name: name.into() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of this registration.
    pub fn incarnation(&self) -> u64 {
        self.seat.incarnation()
    }

    /// The area.
    pub fn area(&self) -> &Area {
        &self.area
    }

    /// Announces a write of these tracks. It must be [ended](Image::end) by the same thread, whatever becomes of it.
    ///
    /// Errors: [`Reason::VolumeSealed`], [`Reason::OutsideVolume`], [`Reason::ImageDetached`]: it must not happen.
    #[inline]
    pub fn begin(&self, extent: Extent) -> Result<Begun> {
        self.seat
            .begin(extent.first.0, extent.track_count)
            .map_err(|refusal| self.refusal(refusal, extent))
    }

    /// The same for a write that another thread may end. If that thread is lost, the tracks stay in flight.
    pub fn begin_unbound(&self, extent: Extent) -> Result<Begun> {
        self.seat
            .begin_unbound(extent.first.0, extent.track_count)
            .map_err(|refusal| self.refusal(refusal, extent))
    }

    /// Tells that a write has ended, whatever its result.
    #[inline]
    pub fn end(&self, begun: Begun) {
        self.seat.end(begun);
    }

    /// Does a write between its begin and its end; the end is told also if it panics.
    pub fn write<T>(&self, extent: Extent, write: impl FnOnce() -> T) -> Result<T> {
        struct Ended<'a>(&'a Image, Option<Begun>);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                if let Some(begun) = self.1.take() {
                    self.0.end(begun);
                }
            }
        }
        let _ended = Ended(self, Some(self.begin(extent)?));
        Ok(write())
    }

    /// Tells that tracks were written; only for images of the kind [`Kind::Completions`] or [`Kind::Remote`].
    ///
    /// Errors: [`Reason::OutsideVolume`], [`Reason::BadRequest`], [`Reason::ImageDetached`].
    pub fn note(&self, extent: Extent) -> Result<()> {
        self.seat
            .note(extent.first.0, extent.track_count)
            .map_err(|refusal| self.refusal(refusal, extent))
    }

    /// Says that the image lives.
    pub fn sign_of_life(&self) {
        self.seat.sign_of_life(SystemClock.now().as_millis() as u64);
    }

    /// [`begin`](Image::begin) for callers outside this language, who keep the write as plain words; if `bound`, this thread
    /// will end it. It allocates nothing, also when it refuses.
    #[inline]
    pub(crate) fn begin_kept(
        &self,
        extent: Extent,
        bound: bool,
    ) -> std::result::Result<[u64; 2], Refusal> {
        let (first, count) = (extent.first.0, extent.track_count);
        let begun = match bound {
            true => self.seat.begin(first, count),
            false => self.seat.begin_unbound(first, count),
        };
        begun.map(|begun| self.seat.kept(&begun))
    }

    /// Ends what [`begin_kept`](Image::begin_kept) began, and refuses everything else.
    #[inline]
    pub(crate) fn end_kept(&self, words: [u64; 2]) -> std::result::Result<(), Stray> {
        self.seat.end_kept(words)
    }

    /// [`note`](Image::note), which allocates nothing, also when it refuses.
    #[inline]
    pub(crate) fn try_note(&self, extent: Extent) -> std::result::Result<(), Refusal> {
        self.seat.note(extent.first.0, extent.track_count)
    }

    /// What a refusal says.
    pub(crate) fn why(&self, refusal: Refusal, extent: Extent) -> Why<'_> {
        Why { image: self, refusal, extent }
    }

    #[cold]
    fn refusal(&self, refusal: Refusal, extent: Extent) -> Error {
        let (identity, why) = (self.area.identity(), self.why(refusal, extent));
        let error = Error::new(why.reason(), why.to_string());
        let error = match why.track() {
            Some(track) => error.at_track(track, identity.heads),
            None => error,
        };
        on_volume(error, identity)
    }
}

/// Why a write must not happen: its display needs no memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Why<'a> {
    image: &'a Image,
    refusal: Refusal,
    extent: Extent,
}

impl Why<'_> {
    /// The reason.
    pub(crate) fn reason(&self) -> Reason {
        match self.refusal {
            Refusal::OutsideVolume => Reason::OutsideVolume,
            Refusal::Sealed(_) => Reason::VolumeSealed,
            Refusal::NotAttached | Refusal::Forked => Reason::ImageDetached,
            Refusal::WrongKind => Reason::BadRequest,
        }
    }

    /// The track that it is about.
    pub(crate) fn track(&self) -> Option<Track> {
        match self.refusal {
            Refusal::OutsideVolume => Some(self.extent.first),
            Refusal::Sealed(track) => Some(Track(track)),
            Refusal::NotAttached | Refusal::Forked | Refusal::WrongKind => None,
        }
    }
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, extent) = (&self.image.name, self.extent);
        match self.refusal {
            Refusal::OutsideVolume => write!(
                f,
                "{} tracks from track {} on reach beyond the volume's {} tracks",
                extent.track_count,
                extent.first.0,
                self.image.area.identity().track_count
            ),
            Refusal::Sealed(_) => write!(
                f,
                "image {name} must not write here now: a data set that is just being moved lies here; close and \
                 unallocate it, then open it again by its name"
            ),
            Refusal::NotAttached => {
                write!(f, "image {name} was retired by the operator; register it anew")
            }
            Refusal::Forked => write!(
                f,
                "this process was forked from image {name}; register it under a name of its own"
            ),
            Refusal::WrongKind => {
                write!(f, "image {name} was registered as one that tells when its writes begin")
            }
        }
    }
}
