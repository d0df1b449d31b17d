//! Devices, addresses and track capacity (FORMATS 1.2 and 3).
//!
//! A track has two addresses: its absolute number ([`Track`]), and cylinder and head ([`Cchh`]), as it is written on
//! the volume in four bytes. This is the one place where the second form is packed and unpacked. A volume with at most
//! 15 heads uses the 28-bit form, which for cylinders below 65,536 is the classic form.

use crate::bytes::{Decoder, Encode, Encoder};
use crate::error::{Error, Reason, Result};
use std::fmt;

/// The absolute number of a track: cylinder times heads plus head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Track(pub u32);

impl Track {
    /// The track `count` tracks behind this one.
    #[must_use]
    pub const fn plus(self, count: u32) -> Track {
        Track(self.0 + count)
    }

    /// How many tracks this one lies behind `first`.
    pub const fn since(self, first: Track) -> u32 {
        self.0 - first.0
    }
}

impl From<Track> for u32 {
    fn from(track: Track) -> u32 {
        track.0
    }
}

/// Cylinder and head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cchh {
    /// The cylinder, below 2^28.
    pub cylinder: u32,
    /// The head.
    pub head: u16,
}

impl Cchh {
    /// From the four bytes on a volume with this many heads.
    pub const fn from_bytes(bytes: [u8; 4], heads: u16) -> Cchh {
        let cc = u16::from_be_bytes([bytes[0], bytes[1]]) as u32;
        let hh = u16::from_be_bytes([bytes[2], bytes[3]]);
        if heads > 15 {
            Cchh { cylinder: cc, head: hh }
        } else {
            Cchh { cylinder: ((hh >> 4) as u32) << 16 | cc, head: hh & 0xF }
        }
    }

    /// The four bytes.
    pub const fn to_bytes(self) -> [u8; 4] {
        let cc = (self.cylinder as u16).to_be_bytes();
        let hh = ((self.cylinder >> 16 << 4) as u16 | self.head).to_be_bytes();
        [cc[0], cc[1], hh[0], hh[1]]
    }
}

impl fmt::Display for Cchh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.cylinder, self.head))
    }
}

/// A run of tracks of one data set on one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// The first track.
    pub first: Track,
    /// How many tracks.
    pub track_count: u32,
}

impl Extent {
    /// The run of `track_count` tracks from `first` on.
    pub const fn new(first: Track, track_count: u32) -> Extent {
        Extent { first, track_count }
    }

    /// The track behind the last one.
    pub const fn end(self) -> Track {
        self.first.plus(self.track_count)
    }

    /// Whether the track is in it.
    pub fn contains(self, track: Track) -> bool {
        self.first <= track && track < self.end()
    }

    /// Whether the two have a track in common.
    pub fn overlaps(self, other: Extent) -> bool {
        self.first < other.end() && other.first < self.end()
    }

    /// The first tracks of extents, and what lies behind them: nothing if there are no more tracks than that.
    ///
    /// ```
    /// use trackmirror::geometry::{Extent, Track};
    /// let extents = [Extent::new(Track(10), 3), Extent::new(Track(20), 4)];
    /// let (kept, behind) = Extent::cut(&extents, 5);
    /// assert_eq!(kept, [Extent::new(Track(10), 3), Extent::new(Track(20), 2)]);
    /// assert_eq!(behind, [Extent::new(Track(22), 2)]);
    /// ```
    pub fn cut(extents: &[Extent], track_count: u32) -> (Vec<Extent>, Vec<Extent>) {
        let (mut kept, mut behind, mut left) = (Vec::new(), Vec::new(), track_count);
        for extent in extents {
            let count = extent.track_count.min(left);
            left -= count;
            if count > 0 {
                kept.push(Extent::new(extent.first, count));
            }
            if count < extent.track_count {
                behind.push(Extent::new(extent.first.plus(count), extent.track_count - count));
            }
        }
        (kept, behind)
    }

    /// Extents with more behind them, as they stand in a VTOC: one that goes on where the last one ends is merged into
    /// it.
    ///
    /// ```
    /// use trackmirror::geometry::{Extent, Track};
    /// let more = [Extent::new(Track(13), 2), Extent::new(Track(20), 4)];
    /// let joined = Extent::joined(&[Extent::new(Track(10), 3)], &more);
    /// assert_eq!(joined, [Extent::new(Track(10), 5), Extent::new(Track(20), 4)]);
    /// ```
    pub fn joined(extents: &[Extent], more: &[Extent]) -> Vec<Extent> {
        let mut joined = extents.to_vec();
        for &extent in more {
            match joined.last_mut().filter(|last| last.end() == extent.first) {
                Some(last) => last.track_count += extent.track_count,
                None => joined.push(extent),
            }
        }
        joined
    }

    /// Whether it begins and ends on a cylinder boundary.
    pub fn is_cylinder_aligned(self, heads: u16) -> bool {
        self.first.0.is_multiple_of(u32::from(heads))
            && self.end().0.is_multiple_of(u32::from(heads))
    }
}

impl Encode for Extent {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.first.0);
        to.put(&self.track_count);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Extent> {
        let extent = Extent { first: Track(from.get()?), track_count: from.get()? };
        match extent.first.0.checked_add(extent.track_count) {
            Some(_) => Ok(extent),
            None => Err(Error::new(Reason::EndOfData, "an extent ends behind every volume")),
        }
    }
}

/// How many bytes of a track a record takes (FORMATS 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    /// 2311, 2314.
    Tolerance { keyed: u32, gap: u32, factor: u32 },
    /// 2305, 3330, 3340, 3350.
    Fixed { keyed: u32, overhead: u32 },
    /// 3375, 3380.
    Cells { cell: u32, data: u32, key: u32 },
    /// 3390, 9345.
    Modulo { f1: u32, f2: u32, f3: u32, f4: u32, f5: u32, f6: u32 },
}

/// One model of the device table (FORMATS 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, as users write it.
    pub name: &'static str,
    /// The device type's code in an image's header.
    pub code: u8,
    /// The last byte of the unit type in catalogs.
    pub unit_code: u8,
    /// Primary cylinders.
    pub cylinders: u32,
    /// Alternate cylinders behind them.
    pub alternate_cylinders: u32,
    /// Tracks of a cylinder.
    pub heads: u16,
    /// The track length that the capacity formula uses.
    pub track_length: u32,
    /// The largest record without key.
    pub record_length_max: u32,
    /// The device constants of a format-4 DSCB behind the track length: DS4DEVI to DS4DEVTL.
    pub overheads: [u8; 6],
    /// The capacity formula.
    pub(crate) capacity: Capacity,
    /// The unit type's first three bytes in catalogs.
    pub unit_class: [u8; 3],
}

const fn modulo(f: [u32; 6]) -> Capacity {
    Capacity::Modulo { f1: f[0], f2: f[1], f3: f[2], f4: f[3], f5: f[4], f6: f[5] }
}

macro_rules! devices {
    ($($name:literal $code:literal $unit:literal $class:literal $cyls:literal + $alt:literal x $heads:literal
        len $len:literal max $max:literal over $over:expr, $cap:expr;)*) => {
        /// The device table. A name without a model is the first one that begins with it.
        pub const DEVICES: &[Device] = &[ $( Device {
            name: $name, code: $code, unit_code: $unit, cylinders: $cyls, alternate_cylinders: $alt, heads: $heads,
            track_length: $len, record_length_max: $max, overheads: $over, capacity: $cap,
            unit_class: [0x30, $class, 0x20],
        }, )* ];
    };
}

// The unit class is 30C020 for a 2314, 300020 for a 2311, and 305020 for the others (FORMATS 3.3).
devices! {
    "2305-1" 0x05 0x06 0x50 48 + 6 x 8 len 14568 max 14136 over [0x02, 0x7A, 0xCA, 0x08 | 0x01, 0x02, 0x00], Capacity::Fixed { keyed: 202, overhead: 432 };
    "2305-2" 0x05 0x07 0x50 96 + 12 x 8 len 14858 max 14660 over [0x01, 0x21, 0x5B, 0x08 | 0x01, 0x02, 0x00], Capacity::Fixed { keyed: 91, overhead: 198 };
    "2311-1" 0x11 0x01 0x00 200 + 3 x 10 len 3625 max 3625 over [0x51, 0x14, 0x14, 0x01, 0x02, 0x19], Capacity::Tolerance { keyed: 20, gap: 61, factor: 537 };
    "2314-1" 0x14 0x08 0xC0 200 + 3 x 20 len 7294 max 7294 over [0x92, 0x2D, 0x2D, 0x01, 0x02, 0x16], Capacity::Tolerance { keyed: 45, gap: 101, factor: 2137 };
    "3330-1" 0x30 0x09 0x50 404 + 7 x 19 len 13165 max 13030 over [0xBF, 0xBF, 0x38, 0x01, 0x02, 0x00], Capacity::Fixed { keyed: 56, overhead: 135 };
    "3330-11" 0x30 0x0D 0x50 808 + 7 x 19 len 13165 max 13030 over [0xBF, 0xBF, 0x38, 0x01, 0x02, 0x00], Capacity::Fixed { keyed: 56, overhead: 135 };
    "3340-35" 0x40 0x0A 0x50 348 + 1 x 12 len 8535 max 8368 over [0xF2, 0xF2, 0x4B, 0x01, 0x02, 0x00], Capacity::Fixed { keyed: 75, overhead: 167 };
    "3340-70" 0x40 0x0A 0x50 696 + 2 x 12 len 8535 max 8368 over [0xF2, 0xF2, 0x4B, 0x01, 0x02, 0x00], Capacity::Fixed { keyed: 75, overhead: 167 };
    "3350-1" 0x50 0x0B 0x50 555 + 5 x 30 len 19254 max 19069 over [0x01, 0x0B, 0x52, 0x09, 0x02, 0x00], Capacity::Fixed { keyed: 82, overhead: 185 };
    "3375-1" 0x75 0x0C 0x50 959 + 3 x 12 len 36000 max 35616 over [0, 0, 0, 0x20, 0, 0], Capacity::Cells { cell: 32, data: 384, key: 160 };
    "3380-A" 0x80 0x0E 0x50 885 + 1 x 15 len 47968 max 47476 over [0, 0, 0, 0x20, 0, 0], Capacity::Cells { cell: 32, data: 492, key: 236 };
    "3380-E" 0x80 0x0E 0x50 1770 + 2 x 15 len 47968 max 47476 over [0, 0, 0, 0x20, 0, 0], Capacity::Cells { cell: 32, data: 492, key: 236 };
    "3380-K" 0x80 0x0E 0x50 2655 + 3 x 15 len 47968 max 47476 over [0, 0, 0, 0x20, 0, 0], Capacity::Cells { cell: 32, data: 492, key: 236 };
    "3390-1" 0x90 0x0F 0x50 1113 + 1 x 15 len 58786 max 56664 over [0, 0, 0, 0x30, 0, 0], modulo([34, 19, 9, 6, 116, 6]);
    "3390-2" 0x90 0x0F 0x50 2226 + 1 x 15 len 58786 max 56664 over [0, 0, 0, 0x30, 0, 0], modulo([34, 19, 9, 6, 116, 6]);
    "3390-3" 0x90 0x0F 0x50 3339 + 1 x 15 len 58786 max 56664 over [0, 0, 0, 0x30, 0, 0], modulo([34, 19, 9, 6, 116, 6]);
    "3390-9" 0x90 0x0F 0x50 10017 + 3 x 15 len 58786 max 56664 over [0, 0, 0, 0x30, 0, 0], modulo([34, 19, 9, 6, 116, 6]);
    "3390-27" 0x90 0x0F 0x50 32760 + 3 x 15 len 58786 max 56664 over [0, 0, 0, 0x30, 0, 0], modulo([34, 19, 9, 6, 116, 6]);
    "3390-54" 0x90 0x0F 0x50 65520 + 3 x 15 len 58786 max 56664 over [0, 0, 0, 0x30, 0, 0], modulo([34, 19, 9, 6, 116, 6]);
    "3390-A" 0x90 0x0F 0x50 262668 + 0 x 15 len 58786 max 56664 over [0, 0, 0, 0x30, 0, 0], modulo([34, 19, 9, 6, 116, 6]);
    "9345-1" 0x45 0x04 0x50 1440 + 0 x 15 len 48280 max 46456 over [0, 0, 0, 0x30, 0, 0], modulo([34, 18, 7, 6, 116, 6]);
    "9345-2" 0x45 0x04 0x50 2156 + 0 x 15 len 48280 max 46456 over [0, 0, 0, 0x30, 0, 0], modulo([34, 18, 7, 6, 116, 6]);
}

impl Device {
    /// The device that a user names: a model (`3390-3`), or a type for its first model (`3390`).
    ///
    /// ```
    /// use trackmirror::geometry::Device;
    /// assert_eq!(Device::named("3390")?.name, "3390-1");
    /// assert_eq!(Device::named("3330-2")?.cylinders, 808);
    /// # Ok::<(), trackmirror::Error>(())
    /// ```
    pub fn named(name: &str) -> Result<&'static Device> {
        let name = name.to_ascii_uppercase();
        let name = match name.as_str() {
            "3330-2" => "3330-11",
            "3340-1" => "3340-35",
            "3340-2" => "3340-70",
            "3390-J" => "3390-27",
            "3390-JJ" => "3390-54",
            "3380-B" | "3380-D" | "3380-J" => "3380-A",
            other => other,
        };
        let exact = DEVICES.iter().find(|device| device.name == name);
        exact.or_else(|| DEVICES.iter().find(|device| device.type_name() == name)).ok_or_else(
            || {
                let names: Vec<&str> = DEVICES.iter().map(|device| device.name).collect();
                Error::new(
                    Reason::UnknownDevice,
                    format!("'{name}' is not a device; known are {}", names.join(", ")),
                )
            },
        )
    }

    /// The model that an image with this code and so many cylinders is: the smallest one of its type that is large
    /// enough, or the largest.
    pub fn of_image(code: u8, heads: u16, cylinders: u32) -> Option<&'static Device> {
        let models = || DEVICES.iter().filter(move |d| d.code == code && d.heads == heads);
        models()
            .find(|device| device.cylinders + device.alternate_cylinders >= cylinders)
            .or_else(|| models().next_back())
    }

    /// The type without the model: `3390`.
    pub fn type_name(&self) -> &'static str {
        self.name.split('-').next().unwrap_or(self.name)
    }

    /// The unit type in catalogs.
    pub const fn unit_type(&self) -> [u8; 4] {
        [self.unit_class[0], self.unit_class[1], self.unit_class[2], self.unit_code]
    }

    /// The bytes that a record with this key and data takes, unless it is the last one of the track, and if it is.
    fn record_bytes(&self, key: u32, data: u32) -> (u32, u32) {
        let keyed = |bytes: u32| if key == 0 { 0 } else { bytes };
        match self.capacity {
            Capacity::Tolerance { keyed: key_gap, gap, factor } => (
                (key + data) * factor / if factor == 537 { 512 } else { 2048 }
                    + keyed(key_gap)
                    + gap,
                key + data + keyed(key_gap),
            ),
            Capacity::Fixed { keyed: key_gap, overhead } => {
                let bytes = key + data + keyed(key_gap) + overhead;
                (bytes, bytes)
            }
            Capacity::Cells { cell, data: data_gap, key: key_gap } => {
                let bytes = (data + data_gap).next_multiple_of(cell)
                    + keyed((key + key_gap).next_multiple_of(cell));
                (bytes, bytes)
            }
            Capacity::Modulo { f1, f2, f3, f4, f5, f6 } => {
                let field = |length: u32, factor: u32| {
                    let cells = (length + f6).div_ceil(2 * f5);
                    (f1 * factor + length + f6 + f4 * cells).next_multiple_of(f1)
                };
                let bytes = field(data, f2) + keyed(field(key, f3));
                (bytes, bytes)
            }
        }
    }

    /// How many records with this key and data length fit on a track.
    ///
    /// ```
    /// use trackmirror::geometry::Device;
    /// assert_eq!(Device::named("3390")?.records_per_track(44, 96), 50);
    /// assert_eq!(Device::named("3350")?.records_per_track(44, 96), 47);
    /// # Ok::<(), trackmirror::Error>(())
    /// ```
    pub fn records_per_track(&self, key: u8, data: u16) -> u32 {
        let (inner, last) = self.record_bytes(key.into(), data.into());
        if last > self.track_length { 0 } else { (self.track_length - last) / inner + 1 }
    }

    /// The bytes left on a track that holds records of these key and data lengths (TRKCALC's balance), or 0.
    pub fn balance(&self, records: impl IntoIterator<Item = (u8, u16)>) -> u32 {
        let used: u32 = records
            .into_iter()
            .map(|(key, data)| self.record_bytes(key.into(), data.into()).0)
            .sum();
        self.track_length.saturating_sub(used)
    }

    /// DSCBs (key 44, data 96) on a track.
    pub fn dscbs_per_track(&self) -> u8 {
        self.records_per_track(44, 96) as u8
    }

    /// Directory blocks (key 8, data 256) on a track.
    pub fn directory_blocks_per_track(&self) -> u8 {
        self.records_per_track(8, 256) as u8
    }

    /// The bytes of a track's slot in an image: home address, R0, the largest record and the end marker, in whole
    /// sectors of 512 bytes.
    pub const fn slot_size(&self) -> u32 {
        (5 + 8 + 8 + 8 + self.record_length_max + 8).next_multiple_of(512)
    }
}

/// What a volume is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The model.
    pub device: &'static Device,
    /// The cylinders that the volume really has, alternates included.
    pub cylinders: u32,
    /// The bytes of a track's slot.
    pub slot_size: u32,
}

impl Geometry {
    /// Tracks of a cylinder.
    pub const fn heads(&self) -> u16 {
        self.device.heads
    }

    /// Tracks of the volume.
    pub const fn track_count(&self) -> u32 {
        self.cylinders * self.device.heads as u32
    }

    /// Cylinder and head of a track.
    pub const fn cchh(&self, track: Track) -> Cchh {
        let heads = self.device.heads as u32;
        Cchh { cylinder: track.0 / heads, head: (track.0 % heads) as u16 }
    }

    /// The four bytes of a track's cylinder and head.
    pub const fn cchh_bytes(&self, track: Track) -> [u8; 4] {
        self.cchh(track).to_bytes()
    }

    /// The track with this cylinder and head.
    pub fn track(&self, cchh: Cchh) -> Result<Track> {
        if cchh.cylinder >= self.cylinders || cchh.head >= self.heads() {
            return Err(Error::new(
                Reason::OutsideVolume,
                format!(
                    "{cchh} is no track of a volume of {} cylinders with {} tracks each",
                    self.cylinders,
                    self.heads()
                ),
            ));
        }
        Ok(Track(cchh.cylinder * u32::from(self.heads()) + u32::from(cchh.head)))
    }

    /// The track with this cylinder and head in four bytes.
    pub fn track_of_bytes(&self, bytes: [u8; 4]) -> Result<Track> {
        self.track(Cchh::from_bytes(bytes, self.heads()))
    }

    /// That the run of tracks lies on the volume.
    pub fn check(&self, extent: Extent) -> Result<()> {
        let end = u64::from(extent.first.0) + u64::from(extent.track_count);
        if end <= u64::from(self.track_count()) {
            return Ok(());
        }
        Err(Error::new(
            Reason::OutsideVolume,
            format!(
                "tracks {} to {} reach beyond the volume's {} tracks",
                extent.first.0,
                end.saturating_sub(1),
                self.track_count()
            ),
        ))
    }

    /// Whether bit 0 of a count's cylinder marks a track overflow segment, and is no cylinder number (FORMATS 1.3).
    pub const fn has_overflow_bit(&self) -> bool {
        self.cylinders < 32768
    }

    /// Whether tracks of the two have the same form, so that they can be copied from one to the other.
    pub fn is_like(&self, other: &Geometry) -> bool {
        self.device.code == other.device.code
            && self.heads() == other.heads()
            && self.device.track_length == other.device.track_length
            && self.slot_size == other.slot_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn extents(pairs: &[(u32, u32)]) -> Vec<Extent> {
        pairs.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect()
    }

    fn tracks(extents: &[Extent]) -> Vec<u32> {
        extents.iter().flat_map(|extent| extent.first.0..extent.end().0).collect()
    }

    #[test]
    fn extents_are_cut_within_and_between() {
        let whole = extents(&[(10, 3), (5, 2), (20, 4)]);
        let check = |track_count, kept: &[(u32, u32)], behind: &[(u32, u32)]| {
            let expected = (extents(kept), extents(behind));
            assert_eq!(Extent::cut(&whole, track_count), expected, "{track_count}");
        };
        check(0, &[], &[(10, 3), (5, 2), (20, 4)]);
        check(2, &[(10, 2)], &[(12, 1), (5, 2), (20, 4)]);
        check(3, &[(10, 3)], &[(5, 2), (20, 4)]);
        check(5, &[(10, 3), (5, 2)], &[(20, 4)]);
        check(8, &[(10, 3), (5, 2), (20, 3)], &[(23, 1)]);
        check(9, &[(10, 3), (5, 2), (20, 4)], &[]);
        check(u32::MAX, &[(10, 3), (5, 2), (20, 4)], &[]);
        assert_eq!(Extent::cut(&[], 7), (vec![], vec![]));
        // An extent without tracks is on neither side.
        assert_eq!(Extent::cut(&extents(&[(3, 0), (4, 1)]), 0).1, extents(&[(4, 1)]));
        assert_eq!(Extent::cut(&extents(&[(4, 1), (3, 0)]), 1), (extents(&[(4, 1)]), vec![]));
    }

    #[test]
    fn only_neighbours_are_joined() {
        let joined = |these: &[(u32, u32)], more: &[(u32, u32)]| {
            Extent::joined(&extents(these), &extents(more))
        };
        assert_eq!(joined(&[(10, 3)], &[(13, 2), (15, 1)]), extents(&[(10, 6)]));
        // Behind another one, before the last one, or apart.
        assert_eq!(joined(&[(10, 3), (30, 1)], &[(13, 2)]), extents(&[(10, 3), (30, 1), (13, 2)]));
        assert_eq!(joined(&[(10, 3)], &[(8, 2)]), extents(&[(10, 3), (8, 2)]));
        assert_eq!(joined(&[(10, 3)], &[(14, 2)]), extents(&[(10, 3), (14, 2)]));
        // What was apart already stays so: a VTOC is not tidied up.
        assert_eq!(joined(&[(10, 3), (13, 1)], &[]), extents(&[(10, 3), (13, 1)]));
        assert_eq!(joined(&[], &[(10, 3), (13, 1)]), extents(&[(10, 4)]));
        assert!(joined(&[], &[]).is_empty());
    }

    fn any_extents() -> impl Strategy<Value = Vec<Extent>> {
        // Few tracks, so that neighbours are met.
        vec((0..12u32, 1..5u32), 0..6).prop_map(|pairs| extents(&pairs))
    }

    proptest! {
        #[test]
        fn a_cut_loses_no_track_and_can_be_joined_again(
            whole in any_extents(),
            track_count in 0..30u32,
        ) {
            let (kept, behind) = Extent::cut(&whole, track_count);
            let all = tracks(&whole);
            prop_assert_eq!(tracks(&kept).len(), all.len().min(track_count as usize));
            prop_assert_eq!([tracks(&kept), tracks(&behind)].concat(), all);
            prop_assert!(kept.iter().chain(&behind).all(|extent| extent.track_count > 0));
            let merged = Extent::joined(&[], &whole);
            prop_assert_eq!(Extent::joined(&Extent::joined(&[], &kept), &behind), merged);
        }

        #[test]
        fn what_is_joined_has_the_tracks_of_both_in_their_order(
            these in any_extents(),
            more in any_extents(),
        ) {
            let joined = Extent::joined(&these, &more);
            prop_assert_eq!(tracks(&joined), [tracks(&these), tracks(&more)].concat());
            prop_assert!(joined.len() <= these.len() + more.len());
            prop_assert!(joined.len() >= these.len());
            let new = &joined[these.len().saturating_sub(1)..];
            prop_assert!(new.windows(2).all(|pair| pair[0].end() != pair[1].first));
        }
    }

    #[test]
    fn addresses_go_there_and_back_at_every_corner_of_28_bits() {
        for cylinder in (0..28).flat_map(|bit| [(1u32 << bit) - 1, 1 << bit]).chain([(1 << 28) - 1])
        {
            for head in 0..15 {
                let cchh = Cchh { cylinder, head };
                assert_eq!(Cchh::from_bytes(cchh.to_bytes(), 15), cchh);
            }
        }
        for head in 0..30 {
            let cchh = Cchh { cylinder: 65_535, head };
            assert_eq!(Cchh::from_bytes(cchh.to_bytes(), 30), cchh);
        }
        // The examples of FORMATS 1.2.
        let bytes = |cylinder, head| Cchh { cylinder, head }.to_bytes();
        assert_eq!(bytes(70_000, 5), [0x11, 0x70, 0x00, 0x15]);
        assert_eq!(bytes(65_520, 0), [0xFF, 0xF0, 0, 0]);
        assert_eq!(bytes(262_667, 14), [0x02, 0x0B, 0x00, 0x4E]);
    }

    #[test]
    fn capacities_are_those_of_real_devices() {
        let device = |name| Device::named(name).unwrap();
        for (name, dscbs, directory_blocks, slot_size) in [
            ("2314", 25, 17, 7680),
            ("3330", 39, 28, 13312),
            ("3340", 22, 16, 8704),
            ("3350", 47, 36, 19456),
            ("3375", 51, 43, 35840),
            ("3380", 53, 46, 47616),
            ("3390", 50, 45, 56832),
            ("2311", 16, 10, 4096),
            ("2305-1", 18, 16, 14336),
            ("2305-2", 34, 26, 14848),
            ("9345", 45, 40, 46592),
        ] {
            let device = device(name);
            assert_eq!(device.dscbs_per_track(), dscbs, "{name}");
            assert_eq!(device.directory_blocks_per_track(), directory_blocks, "{name}");
            assert_eq!(device.slot_size(), slot_size, "{name}");
        }
        for (name, data, records) in [
            ("2314", 4096, 1),
            ("3330", 4096, 3),
            ("3350", 4096, 4),
            ("3375", 4096, 8),
            ("3380", 4096, 10),
            ("3390", 4096, 12),
            ("9345", 4096, 10),
            ("3350", 512, 27),
            ("3380", 512, 46),
            ("3390", 512, 49),
            ("3390", 1024, 33),
            ("3390", 2048, 21),
            ("3390", 27998, 2),
            ("3350", 9442, 2),
        ] {
            assert_eq!(device(name).records_per_track(0, data), records, "{name} {data}");
        }
    }
}
