//! The port `Volume`: one DASD volume, read and written in runs of whole track images.
//!
//! A buffer for n tracks has n times the volume's slot size; each slot begins with a track image (see
//! [`track`]), and what lies behind its end marker belongs to nobody. A volume may be used from several
//! threads at once.
//!
//! | kind | module | |
//! |---|---|---|
//! | plain CKD images, in files or on block devices | [`ckd`] | read and written; those of several files are read |
//! | compressed CCKD images | `cckd` (feature "compression") | read |
//! | memory | [`memory`] | read and written |

#[cfg(feature = "compression")]
pub mod cckd;
pub mod ckd;
mod direct;
mod header;
pub mod intent;
pub mod label;
pub mod locks;
mod medium;
pub mod memory;
mod open;

pub use locks::Holder;
pub use open::{open, open_all, open_beside, open_past_caches, open_past_caches_beside};

use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Geometry, Track};
use crate::name::Volser;
use crate::track::{self, Place};
use std::fmt;
use std::path::Path;

/// What a volume is opened for: its *use* lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Reading, beside other readers and monitored writers.
    Read,
    /// Writing beside others, each of which tells a monitor what it writes.
    MonitoredWrite,
    /// Writing, with nobody else reading or writing.
    Exclusive,
}

/// The locks of a volume that are held only inside one call of a space manager or a catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Held while the VTOC is changed.
    Vtoc,
    /// Held while a catalog on the volume is changed.
    Catalog,
}

/// A lock that is held as long as this value lives.
pub type Held<'a> = Box<dyn Hold + 'a>;

/// What can stand for a held lock: anything that releases it when it is dropped.
pub trait Hold {}
impl<T> Hold for T {}

/// One volume.
pub trait Volume: Send + Sync + fmt::Debug {
    /// The serial in its label.
    fn volser(&self) -> Volser;

    /// What it is made of.
    fn geometry(&self) -> Geometry;

    /// Where it lies, for messages: a file's name, or what a host calls it.
    fn location(&self) -> String;

    /// The (first) file of its image, if it is one.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// Whether it can be written.
    fn is_writable(&self) -> bool;

    /// Reads a run of tracks, as many as the buffer has slots. The images are not checked.
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()>;

    /// Writes a run of tracks, as many as the buffer has slots. It is durable after [`flush`](Volume::flush).
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()>;

    /// Makes everything that was written durable: also what other programs of this machine wrote to it, and also if it
    /// was opened only for reading. Other machines can read it then.
    fn flush(&self) -> Result<()>;

    /// Whether every read comes from the medium, past all caches of this machine (`O_DIRECT`, or what is like it): only
    /// so is seen what other machines wrote. A volume that is not read so cannot have images on other machines.
    ///
    /// What is put around a volume says what that one says.
    fn is_past_caches(&self) -> bool {
        false
    }

    /// That nobody writes to it who knows nothing of locks, if it was opened for this process alone: an emulator may have
    /// been started meanwhile.
    fn check_alone(&self) -> Result<()> {
        Ok(())
    }

    /// Lets others read and write it from now on, if it was opened for this process alone: they may be told where their
    /// data lies. This process writes it no more.
    fn share(&self) -> Result<()> {
        Ok(())
    }

    /// Waits for a lock, and holds it until the value is dropped.
    fn lock(&self, lock: Lock) -> Result<Held<'_>>;
}

/// What every volume can do, by what the port can.
pub trait VolumeExt: Volume {
    /// Bytes of a slot.
    fn slot_size(&self) -> usize {
        self.geometry().slot_size as usize
    }

    /// The address of a track as its image has it.
    fn place(&self, track: Track) -> Place {
        Place::new(&self.geometry(), track)
    }

    /// Reads one track into a slot of its own, and checks it.
    fn read_track(&self, track: Track) -> Result<Vec<u8>> {
        let mut slot = vec![0; self.slot_size()];
        self.read(track, &mut slot)?;
        track::check(&slot, self.place(track)).map_err(|error| self.locate(error, track))?;
        Ok(slot)
    }

    /// Adds this volume and the track to an error.
    fn locate(&self, error: Error, track: Track) -> Error {
        error.at_track(track.0, self.geometry().heads()).on_volume(self.volser())
    }
}

impl<V: Volume + ?Sized> VolumeExt for V {}

/// The run of tracks that a buffer of this length is, from `first` on: whole slots, all on the volume.
///
/// Errors: [`Reason::BadRequest`], [`Reason::OutsideVolume`].
fn run(volume: &dyn Volume, first: Track, length: usize) -> Result<Extent> {
    let geometry = volume.geometry();
    let slot_size = geometry.slot_size as usize;
    let whole = length.checked_div(slot_size).filter(|count| count * slot_size == length);
    let extent = match whole.map(u32::try_from) {
        Some(Ok(track_count)) => Extent::new(first, track_count),
        _ => {
            let why = format!("a buffer of {length} bytes is no number of slots of {slot_size}");
            return Err(volume.locate(Error::new(Reason::BadRequest, why), first));
        }
    };
    geometry.check(extent).map_err(|error| volume.locate(error, first))?;
    Ok(extent)
}
