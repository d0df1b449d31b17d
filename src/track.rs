//! Track images: walk, check, relocate, compare.
//!
//! A track image is what stands in a track's slot (FORMATS 1.1):
//!
//! | bytes | what |
//! |---|---|
//! | 5 | home address: a zero, CCHH |
//! | 8 + 8 | R0: count, and eight bytes that are zero or a capacity record |
//! | 8 + KL + DL each | records: count (CCHH, R, KL, DL), key, data |
//! | 8 | the end marker, eight times X'FF' |
//! | the rest | belongs to nobody |
//!
//! The problem of a move is that every count field repeats the track's own address, and access methods compare it. So
//! a track that moves is *relocated*: home address, each count that carries the old address, and the address in a
//! capacity record become the new one; nothing else changes. Three things are not so simple:
//!
//! * Bit 0 of a count marks a track overflow segment on volumes with less than 32,768 cylinders. It is no part of the
//!   address, and is kept.
//! * A count may carry another address than its track's. It is kept as it is, and counted.
//! * If such a foreign address is by chance that of the target, relocating back could not tell it from the track's
//!   own. Then the relocation is refused: there and back must be the identity.

use crate::bytes::{array, be16, crc32c};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Geometry, Track};

/// Bytes of the home address.
const HOME_ADDRESS: usize = 5;
/// Where the first record behind R0 stands.
const FIRST_RECORD: usize = HOME_ADDRESS + 16;
/// The end marker.
pub const END_MARKER: [u8; 8] = [0xFF; 8];

/// A track's address as it is written in its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    cchh: [u8; 4],
    overflow_bit: bool,
}

impl Place {
    /// The address of a track on a volume of this geometry.
    pub const fn new(geometry: &Geometry, track: Track) -> Place {
        Place { cchh: geometry.cchh_bytes(track), overflow_bit: geometry.has_overflow_bit() }
    }

    /// The four bytes.
    pub const fn cchh(self) -> [u8; 4] {
        self.cchh
    }

    /// Whether a count carries this address, its overflow bit aside.
    fn is_in(self, count: &[u8]) -> bool {
        count[..4] == self.cchh
            || self.has_overflow(count) && {
                let mut without = array::<4>(count, 0);
                without[0] &= 0x7F;
                without == self.cchh
            }
    }

    fn has_overflow(self, count: &[u8]) -> bool {
        self.overflow_bit && count[0] & 0x80 != 0 && count[0] != 0xFF
    }
}

/// What a walk over a whole track image found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The image's length, end marker included.
    pub length: usize,
    /// Records behind R0.
    pub record_count: u32,
    /// Counts (R0's included) that do not carry the track's own address.
    pub foreign_count: u32,
}

/// One record of a track image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where its count stands in the image.
    pub offset: usize,
    /// The address in its count, as it is.
    pub cchh: [u8; 4],
    /// Its number.
    pub number: u8,
    /// Its key.
    pub key: &'a [u8],
    /// Its data; empty for an end-of-file record.
    pub data: &'a [u8],
}

impl Record<'_> {
    /// Whether it marks the end of a file: no data.
    pub fn is_end_of_file(&self) -> bool {
        self.data.is_empty()
    }

    /// The place of its data in the image.
    pub fn data_range(&self) -> std::ops::Range<usize> {
        let start = self.offset + 8 + self.key.len();
        start..start + self.data.len()
    }
}

/// Walks the records of an image, R0 first, to the end marker. After an error nothing follows.
pub fn records(image: &[u8]) -> Records<'_> {
    Records { image, offset: HOME_ADDRESS }
}

/// The records of a track image; see [`records`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    image: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    fn next(&mut self) -> Option<Result<Record<'a>>> {
        if self.offset > self.image.len() {
            return None;
        }
        let offset = self.offset;
        match next_record(self.image, offset) {
            Ok(Some(length)) => {
                self.offset = offset + length;
                let count = &self.image[offset..];
                let (key, data) = (count[5] as usize, be16(count, 6) as usize);
                Some(Ok(Record {
                    offset,
                    cchh: array(count, 0),
                    number: count[4],
                    key: &count[8..8 + key],
                    data: &count[8 + key..8 + key + data],
                }))
            }
            Ok(None) => {
                self.offset = usize::MAX;
                None
            }
            Err(error) => {
                self.offset = usize::MAX;
                Some(Err(error))
            }
        }
    }
}

/// The length of the record at `offset`, or `None` at the end marker.
#[inline]
fn next_record(image: &[u8], offset: usize) -> Result<Option<usize>> {
    let Some(count) = image.get(offset..offset + 8) else {
        return Err(damaged(format!(
            "there is no end marker before byte {offset}, where the slot ends"
        )));
    };
    if count == END_MARKER {
        return Ok(None);
    }
    let length = 8 + count[5] as usize + be16(count, 6) as usize;
    if offset + length > image.len() {
        return Err(damaged(format!(
            "the record at byte {offset} (R{}, key length {}, data length {}) ends behind the slot",
            count[4],
            count[5],
            be16(count, 6)
        )));
    }
    Ok(Some(length))
}

fn damaged(what: String) -> Error {
    Error::new(
        Reason::DamagedTrack,
        format!("the track image does not check: {what}; restore the track or the volume"),
    )
}

/// Checks the home address and R0, and returns the address that the track says it has.
fn check_head(image: &[u8], place: Place) -> Result<()> {
    let Some(head) = image.get(..FIRST_RECORD) else {
        return Err(damaged(format!("{} bytes hold no home address and R0", image.len())));
    };
    if head[0] != 0 || head[1..5] != place.cchh {
        return Err(Error::new(
            Reason::ForeignTrack,
            format!(
                "the home address is X'{:02X}{:08X}' where X'00{:08X}' is expected; restore the track or the volume",
                head[0],
                u32::from_be_bytes(array(head, 1)),
                u32::from_be_bytes(place.cchh),
            ),
        ));
    }
    if head[9..13] != [0, 0, 0, 8] {
        return Err(damaged(format!(
            "R0 has number {}, key length {} and data length {} instead of 0, 0 and 8",
            head[9],
            head[10],
            be16(head, 11)
        )));
    }
    Ok(())
}

/// Checks a whole image: the home address is `place`, R0 has its form, and the records end with the end marker inside
/// the slot.
///
/// Errors: [`Reason::ForeignTrack`], [`Reason::DamagedTrack`]; neither names volume or track, which the caller knows.
pub fn check(image: &[u8], place: Place) -> Result<Summary> {
    check_head(image, place)?;
    let mut summary = Summary::default();
    let mut offset = HOME_ADDRESS;
    while let Some(length) = next_record(image, offset)? {
        summary.foreign_count += u32::from(!place.is_in(&image[offset..]));
        summary.record_count += 1;
        offset += length;
    }
    summary.record_count -= 1;
    summary.length = offset + END_MARKER.len();
    Ok(summary)
}

/// Moves an image in its slot from one address to another: see the [module](self). What lies behind the end marker
/// becomes zero. On an error the image may be changed in part, and must not be written.
///
/// ```
/// use trackmirror::geometry::{Device, Geometry, Track};
/// use trackmirror::track::{self, NullFormat, Place};
/// let device = Device::named("3390")?;
/// let geometry = Geometry { device, cylinders: 10, slot_size: device.slot_size() };
/// let (here, there) = (Place::new(&geometry, Track(7)), Place::new(&geometry, Track(99)));
/// let mut slot = vec![0; device.slot_size() as usize];
/// NullFormat::EndOfFile.write(&mut slot, here);
/// let summary = track::relocate(&mut slot, here, there)?;
/// assert_eq!((summary.length, summary.record_count), (37, 1));
/// assert!(track::check(&slot, there).is_ok());
/// # Ok::<(), trackmirror::Error>(())
/// ```
pub fn relocate(slot: &mut [u8], from: Place, to: Place) -> Result<Summary> {
    check_head(slot, from)?;
    let mut summary = Summary::default();
    // The capacity record of R0 begins with the address of the track's last record, which is on this track.
    let capacity: [u8; 8] = array(slot, HOME_ADDRESS + 8);
    if capacity != [0; 8] && from != to {
        if capacity[..4] == from.cchh {
            slot[HOME_ADDRESS + 8..HOME_ADDRESS + 12].copy_from_slice(&to.cchh);
        } else if capacity[..4] == to.cchh {
            return Err(foreign("the capacity record of R0", to));
        }
    }
    slot[1..5].copy_from_slice(&to.cchh);
    let mut offset = HOME_ADDRESS;
    while let Some(length) = next_record(slot, offset)? {
        let count = &mut slot[offset..offset + 8];
        if from.is_in(count) {
            let overflow = from.has_overflow(count) && count[..4] != from.cchh;
            count[..4].copy_from_slice(&to.cchh);
            if overflow {
                if !to.overflow_bit {
                    return Err(Error::new(
                        Reason::ForeignCount,
                        format!(
                            "R{} is a track overflow segment, which a volume of 32,768 cylinders or more cannot hold; \
                             choose a smaller target volume",
                            count[4]
                        ),
                    ));
                }
                count[0] |= 0x80;
            }
        } else {
            if to.is_in(count) {
                return Err(foreign(&format!("the count of R{}", count[4]), to));
            }
            summary.foreign_count += 1;
        }
        summary.record_count += 1;
        offset += length;
    }
    summary.record_count -= 1;
    summary.length = offset + END_MARKER.len();
    slot[summary.length..].fill(0);
    Ok(summary)
}

fn foreign(what: &str, to: Place) -> Error {
    Error::new(
        Reason::ForeignCount,
        format!(
            "{what} carries X'{:08X}', which is not this track's address but that of the target track; choose another \
             target",
            u32::from_be_bytes(to.cchh)
        ),
    )
}

/// CRC-32C of what a track holds, wherever it lies: its own address in counts and in a capacity record is left out,
/// foreign ones are not. Two tracks with the same digest read the same.
pub fn digest(image: &[u8], place: Place) -> Result<u32> {
    check_head(image, place)?;
    let mut crc = 0;
    let mut offset = HOME_ADDRESS;
    while let Some(length) = next_record(image, offset)? {
        let record = &image[offset..offset + length];
        let own = place.is_in(record);
        let overflow = place.has_overflow(record) && own && record[..4] != place.cchh;
        crc = crc32c(crc, &[u8::from(own) | u8::from(overflow) << 1]);
        if !own {
            crc = crc32c(crc, &record[..4]);
        }
        if offset == HOME_ADDRESS && record[8..] != [0; 8] && record[8..12] == place.cchh {
            crc = crc32c(crc, &record[4..8]);
            crc = crc32c(crc, &record[12..]);
        } else {
            crc = crc32c(crc, &record[4..]);
        }
        offset += length;
    }
    Ok(crc)
}

/// The digest of a run of tracks, from the [`digest`]s of its tracks in order.
pub fn digest_of_run(digests: impl IntoIterator<Item = u32>) -> u32 {
    digests.into_iter().fold(0, |crc, digest| crc32c(crc, &digest.to_be_bytes()))
}

/// The forms of a track without data (FORMATS 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullFormat {
    /// R0 and an end-of-file record: reads as an empty file.
    EndOfFile = 0,
    /// R0 only: reads as no record found.
    Empty = 1,
    /// R0 and twelve records of 4,096 zeros, on volumes of Linux.
    Linux = 2,
}

impl NullFormat {
    /// The number in compressed images.
    pub const fn from_number(number: u8) -> Option<NullFormat> {
        match number {
            0 => Some(NullFormat::EndOfFile),
            1 => Some(NullFormat::Empty),
            2 => Some(NullFormat::Linux),
            _ => None,
        }
    }

    /// The length of the image.
    pub const fn length(self) -> usize {
        match self {
            NullFormat::EndOfFile => 37,
            NullFormat::Empty => 29,
            NullFormat::Linux => 29 + 12 * 4104,
        }
    }

    /// Writes such a track into a slot, with zeros behind it. The slot must be large enough.
    pub fn write(self, slot: &mut [u8], place: Place) {
        slot.fill(0);
        slot[1..5].copy_from_slice(&place.cchh);
        let mut offset = HOME_ADDRESS;
        let mut count = |number: u8, length: u16| {
            slot[offset..offset + 4].copy_from_slice(&place.cchh);
            slot[offset + 4] = number;
            slot[offset + 6..offset + 8].copy_from_slice(&length.to_be_bytes());
            offset += 8 + length as usize;
        };
        count(0, 8);
        match self {
            NullFormat::EndOfFile => count(1, 0),
            NullFormat::Empty => {}
            NullFormat::Linux => (1..=12).for_each(|number| count(number, 4096)),
        }
        slot[offset..offset + 8].copy_from_slice(&END_MARKER);
    }
}

/// Builds a track image: R0 and then records of key and data, numbered from 1.
///
/// Error: [`Reason::BadRequest`] if they do not fit into the slot.
pub fn build(slot: &mut [u8], place: Place, records: &[(&[u8], &[u8])]) -> Result<()> {
    NullFormat::Empty.write(slot, place);
    let mut offset = FIRST_RECORD;
    for (number, (key, data)) in records.iter().enumerate() {
        let end = offset + 8 + key.len() + data.len();
        if number >= 255 || key.len() > 255 || data.len() > 65_535 || end + 8 > slot.len() {
            return Err(Error::new(
                Reason::BadRequest,
                format!("record {} does not fit on a track", number + 1),
            ));
        }
        slot[offset..offset + 4].copy_from_slice(&place.cchh);
        slot[offset + 4] = number as u8 + 1;
        slot[offset + 5] = key.len() as u8;
        slot[offset + 6..offset + 8].copy_from_slice(&(data.len() as u16).to_be_bytes());
        slot[offset + 8..offset + 8 + key.len()].copy_from_slice(key);
        slot[offset + 8 + key.len()..end].copy_from_slice(data);
        offset = end;
    }
    slot[offset..offset + 8].copy_from_slice(&END_MARKER);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Device;
    use proptest::prelude::*;

    fn geometry(cylinders: u32) -> Geometry {
        let device = Device::named("3350").unwrap();
        Geometry { device, cylinders, slot_size: device.slot_size() }
    }

    fn place(track: u32) -> Place {
        Place::new(&geometry(555), Track(track))
    }

    fn slot(records: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut slot = vec![0xEE; 19456];
        build(&mut slot, place(137), records).unwrap();
        slot
    }

    #[test]
    fn only_addresses_change_and_they_change_back() {
        let mut image = slot(&[(b"KEY", b"DATA"), (b"", b""), (b"", &[0xFF; 500])]);
        image[FIRST_RECORD] |= 0x80; // a track overflow segment
        image[13..21].copy_from_slice(&[0, 4, 0, 17, 3, 1, 2, 0]); // a capacity record: 4/17 is track 137
        let before = image.clone();
        let digest_before = digest(&image, place(137)).unwrap();
        let summary = relocate(&mut image, place(137), place(6000)).unwrap();
        assert_eq!((summary.record_count, summary.foreign_count), (3, 0));
        assert_eq!(image[FIRST_RECORD], 0x80);
        assert_eq!(image[13..17], [0, 200, 0, 0]);
        assert_eq!(digest(&image, place(6000)).unwrap(), digest_before);
        let differing = before.iter().zip(&image).filter(|(a, b)| a != b).count();
        assert!(differing <= 4 * 6, "{differing} bytes differ");
        relocate(&mut image, place(6000), place(137)).unwrap();
        assert!(image == before);
    }

    #[test]
    fn foreign_counts_are_kept_and_counted() {
        let mut image = slot(&[(b"", b"A"), (b"", b"B")]);
        image[FIRST_RECORD + 3] = 5;
        let summary = relocate(&mut image, place(137), place(138)).unwrap();
        assert_eq!(summary.foreign_count, 1);
        assert_eq!(image[FIRST_RECORD..FIRST_RECORD + 4], [0, 4, 0, 5]);
        // 4/5 is track 125: going there could not be undone.
        let error = relocate(&mut image, place(138), place(125)).unwrap_err();
        assert_eq!(error.reason(), Reason::ForeignCount);
    }

    #[test]
    fn what_lies_behind_the_end_marker_is_not_carried_along() {
        let mut image = slot(&[(b"", b"A")]);
        let length = check(&image, place(137)).unwrap().length;
        image[length..].fill(0xAB);
        relocate(&mut image, place(137), place(1)).unwrap();
        assert!(image[length..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn each_kind_of_damage_is_found() {
        let good = slot(&[(b"", b"A")]);
        let reason = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut image = good.clone();
            change(&mut image);
            check(&image, place(137)).unwrap_err().reason()
        };
        assert_eq!(reason(&|image| image[0] = 1), Reason::ForeignTrack);
        assert_eq!(reason(&|image| image[4] = 16), Reason::ForeignTrack);
        assert_eq!(reason(&|image| image[9] = 1), Reason::DamagedTrack);
        assert_eq!(reason(&|image| image[12] = 9), Reason::DamagedTrack);
        assert_eq!(reason(&|image| image[30] = 0), Reason::DamagedTrack);
        assert_eq!(reason(&|image| image.truncate(20)), Reason::DamagedTrack);
        assert_eq!(reason(&|image| image.truncate(0)), Reason::DamagedTrack);
    }

    #[test]
    fn overflow_segments_do_not_go_to_volumes_that_cannot_hold_them() {
        let mut image = slot(&[(b"", b"A")]);
        image[FIRST_RECORD] |= 0x80;
        let large = Place::new(&geometry(40_000), Track(1));
        assert_eq!(
            relocate(&mut image, place(137), large).unwrap_err().reason(),
            Reason::ForeignCount
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..600), head in any::<bool>()) {
            if head && bytes.len() >= FIRST_RECORD {
                bytes[..5].copy_from_slice(&[0, 0, 4, 0, 17]);
                bytes[9..13].copy_from_slice(&[0, 0, 0, 8]);
            }
            let checked = check(&bytes, place(137));
            let _ = digest(&bytes, place(137));
            prop_assert_eq!(records(&bytes).all(|r| r.is_ok()), records(&bytes).count() == records(&bytes).flatten().count());
            let before = bytes.clone();
            if let Ok(summary) = relocate(&mut bytes, place(137), place(200)) {
                prop_assert_eq!(checked.unwrap().length, summary.length);
                relocate(&mut bytes, place(200), place(137)).unwrap();
                prop_assert_eq!(&bytes[..summary.length], &before[..summary.length]);
            }
        }
    }
}
