//! A copy of the VTOC's tracks on which a change is worked out, step by step, before anything is written.

use super::Vtoc;
use crate::dscb::{DSCB_LENGTH, Dscb, DscbAddress};
use crate::error::{Error, Reason, Result};
use crate::geometry::Track;
use crate::volume::Volume;
use crate::volume::intent::{Intent, TrackImage};
use std::collections::{BTreeMap, BTreeSet};

/// Home address and R0, which [`Vtoc::read`] found in their usual form.
const FIRST_RECORD: usize = 21;
const COUNT_LENGTH: usize = 8;

/// The VTOC as it will be, and the steps that lead there.
pub(super) struct Edit {
    /// The VTOC with all changes so far.
    pub vtoc: Vtoc,
    images: BTreeMap<Track, Vec<u8>>,
    /// Each track that was changed, as it was.
    before: BTreeMap<Track, Vec<u8>>,
    /// The tracks of the present step.
    changed: BTreeSet<Track>,
    steps: Vec<Vec<TrackImage>>,
}

impl Edit {
    /// Reads the VTOC. Values and images come from one reading, so that they cannot differ.
    pub fn read(volume: &dyn Volume) -> Result<Edit> {
        let mut images = BTreeMap::new();
        let vtoc = Vtoc::read_tracks(volume, |track, image| {
            images.insert(track, image.to_vec());
        })?;
        let (before, changed) = Default::default();
        Ok(Edit { vtoc, images, before, changed, steps: Vec::new() })
    }

    /// Replaces a DSCB, in the present step.
    pub fn set(&mut self, address: DscbAddress, dscb: Dscb) -> Result<()> {
        let place = self.vtoc.index(address);
        let image = self.images.get_mut(&address.track);
        let (Some(place), Some(image)) = (place, image) else {
            return Err(broken("a DSCB would be written outside the VTOC"));
        };
        if self.vtoc.dscbs[place].1 == dscb {
            return Ok(());
        }
        self.vtoc.dscbs[place].1 = dscb;
        let record = usize::from(address.record) - 1;
        let start = FIRST_RECORD + record * (COUNT_LENGTH + DSCB_LENGTH) + COUNT_LENGTH;
        self.before.entry(address.track).or_insert_with(|| image.clone());
        self.changed.insert(address.track);
        image[start..start + DSCB_LENGTH].copy_from_slice(&dscb.to_bytes());
        Ok(())
    }

    /// Ends the present step; one that changes nothing is none.
    pub fn end_step(&mut self) {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let step: Vec<TrackImage> =
            changed.map(|track| TrackImage { track, image: self.images[&track].clone() }).collect();
        if !step.is_empty() {
            self.steps.push(step);
        }
    }

    /// The first free DSCBs.
    ///
    /// Error: [`Reason::VtocFull`].
    pub fn free_dscbs(&self, count: usize) -> Result<Vec<DscbAddress>> {
        let free = self.vtoc.dscbs.iter().filter(|(_, dscb)| dscb.is_free());
        let found: Vec<DscbAddress> = free.map(|(address, _)| *address).take(count).collect();
        if found.len() == count {
            return Ok(found);
        }
        Err(Error::new(
            Reason::VtocFull,
            format!(
                "{count} free DSCBs are needed, and the VTOC has {}; scratch data sets, or choose another volume",
                found.len()
            ),
        )
        .on_volume(self.vtoc.volser))
    }

    /// The change as a whole.
    pub fn into_intent(mut self, what: String) -> Intent {
        self.end_step();
        let before = self.before.into_iter().map(|(track, image)| TrackImage { track, image });
        Intent { volser: self.vtoc.volser, what, before: before.collect(), steps: self.steps }
    }
}

/// A rule of this library does not hold; nothing was written.
pub(super) fn broken(what: &str) -> Error {
    Error::new(Reason::Broken, format!("{what}; nothing was written, please report this"))
}
