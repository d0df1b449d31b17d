//! An image: a program that writes a volume and tells of each write.

use super::area::Area;
use super::flow::{Begun, Kind, Refusal};
use super::seat::{Newcomer, Seat};
use crate::changed::outside;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};

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

    #[cold]
    fn refusal(&self, refusal: Refusal, extent: Extent) -> Error {
        let (identity, name) = (self.area.identity(), &self.name);
        let at = |error: Error, track: u32| {
            error.at_track(Track(track), identity.heads).on_volume(identity.volser)
        };
        match refusal {
            Refusal::OutsideVolume => {
                at(outside(extent, self.area.identity().track_count), extent.first.0)
            }
            Refusal::Sealed(track) => at(
                Error::new(
                    Reason::VolumeSealed,
                    format!(
                        "image {name} must not write here now: a data set that is just being moved lies here; \
                         close and unallocate it, then open it again by its name"
                    ),
                ),
                track,
            ),
            Refusal::NotAttached => self.area.error(
                Reason::ImageDetached,
                format!("image {name} was retired by the operator; register it anew"),
            ),
            Refusal::Forked => self.area.error(
                Reason::ImageDetached,
                format!(
                    "this process was forked from image {name}; register it under a name of its own"
                ),
            ),
            Refusal::WrongKind => self.area.error(
                Reason::BadRequest,
                format!("image {name} was registered as one that tells when its writes begin"),
            ),
        }
    }
}
