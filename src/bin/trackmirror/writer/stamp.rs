//! What a writer puts on a track: every byte of it tells who wrote it, in which write, and for which track.
//!
//! A track is full of blocks of one length. A block begins with a line that people can read, in EBCDIC: `WRITER 001 WRITE
//! 0000001234 TRACK 0000012 BLOCK 003 `. Behind it stand words of eight bytes that follow from the line and from the
//! data set's name. So of two writes of one track no eight bytes are the same, and the whole track can be made again by
//! whoever knows the number of the write: that is how it is compared.

use trackmirror::bytes::{crc32c, to_ebcdic};
use trackmirror::dscb::Format1;
use trackmirror::geometry::Device;
use trackmirror::track::{self, Place};
use trackmirror::{DsName, Error, Reason, Result};

/// The line's length.
const LINE: usize = 52;
/// After so many bytes of a block the words come again.
const PERIOD: usize = 256;
/// Where the numbers stand in the line, and their digits.
const WRITER: (usize, usize) = (7, 3);
const WRITE: (usize, usize) = (17, 10);
const TRACK: (usize, usize) = (34, 7);

/// The form of every track of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    block_count: u32,
    block_length: u16,
}

impl Shape {
    /// As many blocks as fit on a track, of the data set's own block size.
    ///
    /// Error: [`Reason::BadRequest`] if the line does not fit into a block.
    pub fn of(format1: &Format1, device: &Device) -> Result<Shape> {
        let block_length = format1.blksize();
        let block_count = device.records_per_track(0, block_length);
        if usize::from(block_length) < LINE || block_count == 0 {
            let why = format!(
                "a block size of {block_length}; a writer needs blocks of {LINE} bytes or more that fit on a track"
            );
            return Err(Error::new(Reason::BadRequest, why).of_data_set(format1.name()));
        }
        Ok(Shape { block_count, block_length })
    }

    /// The form of a track after one write: if the form varies, a part of the blocks.
    #[must_use]
    pub fn of_write(self, write: u64, varies: bool) -> Shape {
        if !varies {
            return self;
        }
        let block_count = 1 + (mixed(write) % u64::from(self.block_count)) as u32;
        Shape { block_count, ..self }
    }
}

/// Who wrote a track, in which of his writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The writer's number.
    pub writer: u32,
    /// The number of the write, which only grows.
    pub write: u64,
    /// The track, counted from the data set's first one.
    pub track: u32,
}

impl Stamp {
    /// Makes the image of a track that was written so.
    pub fn put(self, slot: &mut [u8], place: Place, shape: Shape, data_set: &DsName) -> Result<()> {
        let length = usize::from(shape.block_length);
        let mut data = vec![0; length * shape.block_count as usize];
        let name = u64::from(crc32c(0, data_set.as_bytes()));
        for (number, block) in data.chunks_exact_mut(length).enumerate() {
            let (line, words) = block.split_at_mut(LINE);
            line.copy_from_slice(&self.line(number));
            let mut word = mixed(self.write ^ mixed(name << 32 | u64::from(self.writer)));
            word = mixed(word ^ (u64::from(self.track) << 16 | number as u64));
            let period = words.len().min(PERIOD);
            for bytes in words[..period].chunks_mut(8) {
                bytes.copy_from_slice(&word.to_be_bytes()[..bytes.len()]);
                word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
            }
            let mut done = period;
            while done < words.len() {
                let count = done.min(words.len() - done);
                words.copy_within(..count, done);
                done += count;
            }
        }
        let records: Vec<(&[u8], &[u8])> =
            data.chunks_exact(length).map(|block| (&[][..], block)).collect();
        track::build(slot, place, &records)
    }

    fn line(self, block: usize) -> [u8; LINE] {
        let text = format!(
            "WRITER {:03} WRITE {:010} TRACK {:07} BLOCK {:03} ",
            self.writer, self.write, self.track, block
        );
        let mut line = [0x40; LINE];
        for (byte, character) in line.iter_mut().zip(text.chars()) {
            *byte = to_ebcdic(character).unwrap_or(0x40);
        }
        line
    }

    /// What the line of a block says; `None` if it is no such line.
    pub fn read(block: &[u8]) -> Option<Stamp> {
        let number = |(at, digits): (usize, usize)| {
            block.get(at..at + digits)?.iter().try_fold(0u64, |number, &byte| {
                let digit = byte.checked_sub(0xF0).filter(|&digit| digit < 10)?;
                Some(number * 10 + u64::from(digit))
            })
        };
        let (writer, track) = (number(WRITER)?, number(TRACK)?);
        Some(Stamp { writer: writer as u32, write: number(WRITE)?, track: track as u32 })
    }
}

/// A number in which every bit depends on every bit of another (SplitMix64).
pub fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trackmirror::geometry::{Geometry, Track};

    fn image(write: u64, track: u32) -> Vec<u8> {
        let device = Device::named("3330").unwrap();
        let geometry = Geometry { device, cylinders: 4, slot_size: device.slot_size() };
        let mut format1 = Format1::new("A.B".parse().unwrap());
        format1.set_blksize(3120);
        let shape = Shape::of(&format1, device).unwrap();
        let mut slot = vec![0; device.slot_size() as usize];
        let stamp = Stamp { writer: 2, write, track };
        let place = Place::new(&geometry, Track(30));
        stamp.put(&mut slot, place, shape, &format1.name()).unwrap();
        track::check(&slot, place).unwrap();
        slot
    }

    #[test]
    fn a_line_tells_who_wrote_and_no_two_writes_share_eight_bytes() {
        let (one, two) = (image(1234, 7), image(1235, 7));
        let blocks = |image: &[u8]| -> Vec<Vec<u8>> {
            track::records(image).skip(1).map(|record| record.unwrap().data.to_vec()).collect()
        };
        assert_eq!(blocks(&one).len(), 4);
        for (one, two) in blocks(&one).iter().zip(blocks(&two)) {
            assert_eq!(Stamp::read(one), Some(Stamp { writer: 2, write: 1234, track: 7 }));
            let words = |block: &[u8]| block[LINE..].windows(8).map(<[u8]>::to_vec).collect();
            let (one, two): (Vec<_>, Vec<_>) = (words(one), words(&two));
            assert!(one.iter().zip(&two).all(|(one, two)| one != two));
        }
        assert_ne!(image(1234, 7), image(1234, 8));
        assert_eq!(Stamp::read(&[0x40; 80]), None);
    }

    #[test]
    fn blocks_must_have_room_for_the_line() {
        let mut format1 = Format1::new("A.B".parse().unwrap());
        let device = Device::named("3330").unwrap();
        for (blksize, fits) in [(0, false), (51, false), (52, true), (13030, true), (13031, false)]
        {
            format1.set_blksize(blksize);
            assert_eq!(Shape::of(&format1, device).is_ok(), fits, "{blksize}");
        }
    }
}
