//! Intents: a change of a few tracks that a crash cannot leave half done.
//!
//! A VTOC or a catalog is changed by writing tracks in an order that its own system can live with. But a write of a
//! track may be torn: a prefix is new, the rest is old or garbage, and a VTOC track holds the DSCBs of dozens of other
//! data sets. So before the first write, everything that will be written is made durable as an [`Intent`]: for each
//! track its image before, and each image that will be written, in order. The [`Journal`] is where it is kept: a
//! migration's checkpoint, or nowhere ([`NoJournal`]) for those who accept what DIRF protects.
//!
//! After a crash the intent is *settled* ([`Intent::settle`]). If its tracks are as they were before, it is dropped, and
//! whoever wanted the change sees whether he still wants it: an entry that leads to a source which was written to
//! meanwhile must not be turned to the target. If they hold any mixture of the images (byte by byte: a write is torn
//! anywhere, also inside a record, and the disk keeps the sectors of a write in no order), or do not check at all
//! (torn), the rest of the steps is written, and the change is done. The last step that seems to be done is written
//! again too: it may be there only because its flush failed, after which the system reads back what it will never
//! write, and calls the next flush good. If a track checks and has a byte that is in none
//! of the images at its place, somebody else changed it. Then
//! either nothing of the change was written, and the intent is dropped; or both happened, and nothing is touched: the
//! error says where. Settling twice is the same as settling once.

use super::{Volume, VolumeExt};
use crate::bytes::{Decoder, Encode, Encoder};
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use crate::name::Volser;
use crate::track;
use std::collections::BTreeMap;

/// The image of one track, up to its end marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackImage {
    /// The track.
    pub track: Track,
    /// Home address to end marker.
    pub image: Vec<u8>,
}

impl Encode for TrackImage {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.track.0);
        to.bytes(&self.image);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<TrackImage> {
        Ok(TrackImage { track: Track(from.get()?), image: from.bytes()?.to_vec() })
    }
}

/// A change of some tracks of one volume: see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The volume.
    pub volser: Volser,
    /// What is done, in a few words.
    pub what: String,
    /// Each track that will be written, as it is before.
    pub before: Vec<TrackImage>,
    /// What will be written, in steps; the volume is flushed after each step.
    pub steps: Vec<Vec<TrackImage>>,
}

/// How an intent was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The change is done.
    Done,
    /// Nothing of it was written, and nothing of it will be.
    Dropped,
}

impl Intent {
    /// Makes the intent durable, does it, and tells the journal that it is done.
    pub fn perform(&self, volume: &dyn Volume, journal: &dyn Journal) -> Result<()> {
        if self.steps.iter().all(Vec::is_empty) {
            return Ok(());
        }
        journal.intend(self)?;
        self.write(volume, &self.steps)?;
        journal.done(self)
    }

    fn write(&self, volume: &dyn Volume, steps: &[Vec<TrackImage>]) -> Result<()> {
        let mut slot = vec![0; volume.slot_size()];
        for step in steps {
            for TrackImage { track, image } in step {
                slot.fill(0);
                slot.get_mut(..image.len())
                    .ok_or_else(|| {
                        let error = Error::new(
                            Reason::DamagedTrack,
                            format!("{}: an image is longer than the volume's slots", self.what),
                        );
                        volume.locate(error, *track)
                    })?
                    .copy_from_slice(image);
                track::check(&slot, volume.place(*track)).map_err(|e| volume.locate(e, *track))?;
                volume.write(*track, &slot)?;
            }
            if !defect(Defect::NoFlushAfterAChange) {
                volume.flush()?;
            }
        }
        Ok(())
    }

    /// After a crash: does the rest of the change, or finds that nothing of it was done. The caller then forgets the
    /// intent.
    ///
    /// Errors: [`Reason::IntentConflict`] if it was begun, and somebody else changed the same tracks too;
    /// [`Reason::CheckpointDamaged`] if it would write a track that it does not know.
    pub fn settle(&self, volume: &dyn Volume) -> Result<Settled> {
        // An intent comes from durable state, which may be damaged: it is not to lead to any other track.
        let is_known =
            |step: &TrackImage| self.before.iter().any(|before| before.track == step.track);
        if let Some(step) = self.steps.iter().flatten().find(|step| !is_known(step)) {
            let error = Error::new(
                Reason::CheckpointDamaged,
                format!(
                    "{}: the track as it was before is not known; restore the checkpoint",
                    self.what
                ),
            );
            return Err(volume.locate(error, step.track));
        }
        if defect(Defect::SettleDropsEverything) {
            return Ok(Settled::Dropped);
        }
        let (mut begun, mut foreign) = (false, None);
        // Each track's image; none where it does not check.
        let mut present: BTreeMap<Track, Vec<u8>> = BTreeMap::new();
        for before in &self.before {
            let track = Extent::new(before.track, 1);
            volume.geometry().check(track).map_err(|error| volume.locate(error, before.track))?;
            let mut slot = vec![0; volume.slot_size()];
            volume.read(before.track, &mut slot)?;
            let Ok(summary) = track::check(&slot, volume.place(before.track)) else {
                begun = true;
                continue;
            };
            slot.truncate(summary.length);
            if slot != before.image {
                let written: Vec<&[u8]> = self
                    .steps
                    .iter()
                    .flatten()
                    .filter(|step| step.track == before.track)
                    .map(|step| step.image.as_slice())
                    .collect();
                if is_mixture(&slot, &before.image, &written) {
                    begun = true;
                } else {
                    foreign = Some(before.track);
                }
            }
            present.insert(before.track, slot);
        }
        match foreign {
            None if !begun => Ok(Settled::Dropped),
            None => {
                // A flush that failed ended the change, so that the steps before the last one are durable.
                let first = self.steps_done(&present).saturating_sub(1);
                self.write(volume, &self.steps[first..]).map(|()| Settled::Done)
            }
            Some(_) if !begun => Ok(Settled::Dropped),
            Some(track) => Err(volume.locate(
                Error::new(
                    Reason::IntentConflict,
                    format!(
                        "{} was interrupted here, and somebody else has changed the track since; let the volume's own \
                         system rebuild its free space, run `check`, and restore what it names",
                        self.what
                    ),
                ),
                track,
            )),
        }
    }

    /// How many steps are done for certain: as many as possible, such that each track which the next step does not
    /// write is as they left it. To go back to an earlier step would be wrong: an F1 of an earlier step may lead to an F3
    /// that a later one has cleared.
    fn steps_done(&self, present: &BTreeMap<Track, Vec<u8>>) -> usize {
        let is_done = |done: &usize| {
            self.before.iter().all(|before| {
                let next = self.steps.get(*done).into_iter().flatten();
                let is_of = |image: &&TrackImage| image.track == before.track;
                if next.into_iter().any(|image| is_of(&image)) {
                    return true;
                }
                let left = self.steps[..*done].iter().flatten().rfind(is_of).unwrap_or(before);
                present.get(&before.track) == Some(&left.image)
            })
        };
        (0..=self.steps.len()).rev().find(is_done).unwrap_or(0)
    }
}

/// Whether each byte of `present` is that of `before` or of an image that was to be written.
///
/// Images of one track have the same records, so that a torn write of one over another checks, wherever it ends.
fn is_mixture(present: &[u8], before: &[u8], written: &[&[u8]]) -> bool {
    let images = || std::iter::once(before).chain(written.iter().copied());
    images().any(|image| image.len() == present.len())
        && present
            .iter()
            .enumerate()
            .all(|(place, byte)| images().any(|image| image.get(place) == Some(byte)))
}

impl Encode for Intent {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.volser);
        to.put(&self.what);
        to.put(&self.before);
        to.put(&self.steps);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Intent> {
        Ok(Intent {
            volser: from.get()?,
            what: from.get()?,
            before: from.get()?,
            steps: from.get()?,
        })
    }
}

/// Where intents are kept until they are done.
pub trait Journal {
    /// Makes the intent durable. Nothing of it is written before this returns.
    fn intend(&self, intent: &Intent) -> Result<()>;
    /// The intent was carried out and flushed; it may be forgotten at any later time.
    fn done(&self, intent: &Intent) -> Result<()>;
}

/// Keeps nothing. A crash inside a change then leaves what the order of writes and DIRF protect: everything, unless a
/// write of a track was torn.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJournal;

impl Journal for NoJournal {
    fn intend(&self, _: &Intent) -> Result<()> {
        Ok(())
    }
    fn done(&self, _: &Intent) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Device, Geometry};
    use crate::volume::memory::MemoryVolume;
    use crate::volume::{Held, Lock};
    use parking_lot::Mutex;
    use std::collections::BTreeSet;

    /// A volume as the system's cache makes it: a flush that fails forgets what was to be written, and the next one
    /// succeeds.
    #[derive(Debug)]
    struct Forgetful {
        cache: MemoryVolume,
        disk: MemoryVolume,
        dirty: Mutex<BTreeSet<Track>>,
        /// How many flushes succeed before one fails.
        good: Mutex<Option<u32>>,
    }

    impl Volume for Forgetful {
        fn volser(&self) -> Volser {
            self.cache.volser()
        }
        fn geometry(&self) -> Geometry {
            self.cache.geometry()
        }
        fn location(&self) -> String {
            self.cache.location()
        }
        fn is_writable(&self) -> bool {
            true
        }
        fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
            self.cache.read(first, buffer)
        }
        fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
            self.dirty.lock().insert(first);
            self.cache.write(first, buffer)
        }
        fn flush(&self) -> Result<()> {
            let dirty = std::mem::take(&mut *self.dirty.lock());
            let mut good = self.good.lock();
            if *good == Some(0) {
                *good = None;
                return Err(Error::new(Reason::NotFlushed, "the disk refused it"));
            }
            *good = good.map(|left| left - 1);
            for track in dirty {
                let mut slot = vec![0; self.slot_size()];
                self.cache.read(track, &mut slot)?;
                self.disk.write(track, &slot)?;
            }
            Ok(())
        }
        fn lock(&self, lock: Lock) -> Result<Held<'_>> {
            self.cache.lock(lock)
        }
    }

    #[test]
    fn what_a_failed_flush_forgot_is_written_again() {
        let device = Device::named("2314").unwrap();
        let geometry = Geometry { device, cylinders: 1, slot_size: device.slot_size() };
        let volser: Volser = "VOL001".parse().unwrap();
        let image = |volume: &dyn Volume, track, data: u8| {
            let mut slot = vec![0; volume.slot_size()];
            track::build(&mut slot, volume.place(track), &[(&[], &[data; 40])]).unwrap();
            let length = track::check(&slot, volume.place(track)).unwrap().length;
            slot.truncate(length);
            TrackImage { track, image: slot }
        };
        let (a, b) = (Track(3), Track(7));
        for good in 0..3 {
            let volume = Forgetful {
                cache: MemoryVolume::new(volser, geometry),
                disk: MemoryVolume::new(volser, geometry),
                dirty: Mutex::default(),
                good: Mutex::new(None),
            };
            let image = |track, data| image(&volume, track, data);
            let before = vec![image(a, 1), image(b, 1)];
            let write = Intent { volser, what: "before".into(), before, steps: Vec::new() };
            write.write(&volume, std::slice::from_ref(&write.before)).unwrap();
            let steps = vec![vec![image(a, 2)], vec![image(b, 2)], vec![image(a, 3)]];
            let intent = Intent { volser, what: "a change".into(), steps, ..write };
            *volume.good.lock() = Some(good);
            intent.perform(&volume, &NoJournal).unwrap_err();
            assert_eq!(intent.settle(&volume).unwrap(), Settled::Done);
            for wanted in [image(a, 3), image(b, 2)] {
                let slot = volume.disk.read_track(wanted.track).unwrap();
                assert_eq!(slot[..wanted.image.len()], wanted.image, "flush {good} failed");
            }
        }
    }
}
