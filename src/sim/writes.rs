//! Writes of applications: announced, half done, done, told, each step by itself, so that everything may come between.

use super::cast::{Cast, Place};
use super::content::{self, Stamp};
use super::disk::{SimVolume, Who};
use super::world::World;
use crate::error::Result;
use crate::geometry::{Extent, Geometry, Track};
use crate::monitor::{Begun, Image, Kind};
use crate::name::Volser;
use crate::state::State;
use crate::volume::{Held, Lock, Volume, VolumeExt};
use std::sync::Arc;

/// A write that is under way.
pub(super) struct Flight {
    pub image: usize,
    pub id: u32,
    pub index: usize,
    place: Place,
    begun: Option<Begun>,
    number: u32,
    pub step: usize,
    left: u8,
    steps: [u8; 3],
}

/// A volume whose writes this image tells.
pub(super) struct Telling {
    pub inner: SimVolume,
    pub image: Option<Arc<Image>>,
    pub kind: Kind,
}

impl std::fmt::Debug for Telling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Volume for Telling {
    fn volser(&self) -> Volser {
        self.inner.volser()
    }
    fn geometry(&self) -> Geometry {
        self.inner.geometry()
    }
    fn location(&self) -> String {
        self.inner.location()
    }
    fn is_writable(&self) -> bool {
        true
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        self.inner.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let Some(image) = &self.image else { return self.inner.write(first, buffer) };
        let extent = Extent::new(first, (buffer.len() / self.slot_size()) as u32);
        if self.kind == Kind::Brackets {
            return image.write(extent, || self.inner.write(first, buffer))?;
        }
        self.inner.write(first, buffer)?;
        image.note(extent)
    }
    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }
    fn is_past_caches(&self) -> bool {
        self.inner.is_past_caches()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.inner.lock(lock)
    }
}

impl Cast {
    pub fn begin_write(
        &mut self,
        number: usize,
        (data_set, track): (u8, u8),
        steps: [u8; 3],
        is_late: bool,
        world: &World,
    ) {
        if let Some(id) = self.meant(data_set) {
            self.begin_write_of(number, (id, track), steps, is_late, world);
        }
    }

    pub fn begin_write_of(
        &mut self,
        number: usize,
        (id, track): (u32, u8),
        steps: [u8; 3],
        is_late: bool,
        world: &World,
    ) {
        let image = &self.images[number];
        let is_late = is_late && !image.open.contains_key(&id);
        // Who only tells what he wrote must have told it before anybody looks for the last time.
        let may_be_late = (State::Closing..=State::Switching).contains(&world.state())
            && (image.kind == Kind::Brackets || !self.order.has_cataloged)
            && (world.state() < State::Switching || !self.setup.uncataloged);
        let places = match is_late {
            true if may_be_late => image.before.get(&id),
            true => None,
            false => image.open.get(&id),
        };
        let Some(places) = places.filter(|_| self.runs(number)) else { return };
        let index = usize::from(track) % places.len();
        let place = places[index];
        // Who writes late still thinks that the data set is where it was: as long as it is.
        if is_late && self.data_set(id).home.get(index) != Some(&place) {
            return;
        }
        let extent = Extent::new(place.1, 1);
        let (by, name) = (image.name.clone(), self.data_set(id).name);
        // Of an image that is silent nobody learns anything.
        let is_silent = image.silent > 0;
        let begun = match (image.kind, image.seats.get(&place.0)) {
            (Kind::Brackets, Some(seat)) if !is_silent => match seat.begin_unbound(extent) {
                Ok(begun) => Some(begun),
                Err(error) => {
                    world.count(|counts| counts.refused_writes += 1);
                    world.note(|| format!("{by} may not write {name}: {error}"));
                    // Who renamed it behind everybody's back cannot be asked to close it.
                    if !is_late && !self.setup.rude {
                        world.wrong(format!("{by} has {name} open, but: {error}"));
                    }
                    return;
                }
            },
            _ => None,
        };
        self.last_number += 1;
        let number_of_write = self.last_number;
        let late = if is_late { " (late)" } else { "" };
        world
            .note(|| format!("{by} begins write {number_of_write} of {name}, track {index}{late}"));
        let left = steps[0];
        let flight = Flight {
            image: number,
            id,
            index,
            place,
            begun,
            number: number_of_write,
            step: 0,
            left,
            steps,
        };
        if is_late && self.images[number].kind != Kind::Brackets {
            self.put(&flight, false, world);
            return self.end(flight, world);
        }
        self.flights.push(flight);
    }

    /// Writes go on, each at its pace, unless their image is stopped.
    pub fn fly(&mut self, world: &World) {
        for mut flight in std::mem::take(&mut self.flights) {
            if self.images[flight.image].stopped > 0 {
                self.flights.push(flight);
                continue;
            }
            if flight.left > 0 {
                flight.left -= 1;
                self.flights.push(flight);
                continue;
            }
            match flight.step {
                0 => self.put(&flight, true, world),
                1 => self.put(&flight, false, world),
                _ => {
                    self.end(flight, world);
                    continue;
                }
            }
            flight.step += 1;
            flight.left = flight.steps[flight.step];
            self.flights.push(flight);
        }
    }

    fn stamp_of(flight: &Flight) -> Stamp {
        (flight.id, flight.index as u32, flight.number)
    }

    /// The track gets the first half of what is written, or all of it.
    pub fn put(&mut self, flight: &Flight, is_half: bool, world: &World) {
        let (volser, track) = flight.place;
        let who = if is_half { Who::Passing } else { Who::Others };
        let volume = world.volume_of(volser, who);
        let written = content::image(&volume.geometry(), track, Cast::stamp_of(flight)).and_then(
            |mut slot| {
                if is_half {
                    let mut before = vec![0; slot.len()];
                    volume.read(track, &mut before)?;
                    // In the middle of the first record.
                    slot[40..].copy_from_slice(&before[40..]);
                }
                volume.write(track, &slot)
            },
        );
        if let Err(error) = written {
            world.wrong(format!("a write of others failed: {error}"));
        }
        if !is_half {
            let (number, name) = (flight.number, self.data_set(flight.id).name);
            world.note(|| format!("write {number} of {name}, track {} is there", flight.index));
            let data_set = &mut self.data_sets[flight.id as usize];
            if flight.index < data_set.truth.len() {
                data_set.truth[flight.index] = Some(flight.number);
                data_set.written_at[flight.index] = Some(flight.place);
            }
        }
    }

    pub fn end(&mut self, flight: Flight, world: &World) {
        let image = &self.images[flight.image];
        let (volser, track) = flight.place;
        let noted = match (flight.begun, image.seats.get(&volser)) {
            (Some(begun), Some(seat)) => {
                seat.end(begun);
                Ok(())
            }
            (None, Some(seat)) if image.kind != Kind::Brackets && image.silent == 0 => {
                seat.note(Extent::new(track, 1))
            }
            _ => Ok(()),
        };
        if let Err(error) = noted {
            world.wrong(format!("an image may not note its write: {error}"));
        }
        world.note(|| format!("write {} is done", flight.number));
        world.count(|counts| counts.writes += 1);
    }
}
