//! Data set control blocks as values (FORMATS 4): 140 bytes each, of which 44 are the key.
//!
//! A DSCB keeps its bytes as they are; methods read and set the fields that the library knows, so that nothing unknown
//! is lost when a block is written back. Field names are IBM's, without their prefix.

use crate::bytes::{Decoder, Encode, Encoder, array, be16, be32, put16, put32};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Cchh, Extent, Geometry, Track};
use crate::name::{DsName, Volser};
use std::fmt;

/// Bytes of a DSCB: key and data.
pub const DSCB_LENGTH: usize = 140;
/// Bytes of its key.
pub const KEY_LENGTH: usize = 44;

/// Where a DSCB stands: its track, and its record number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DscbAddress {
    /// The track.
    pub track: Track,
    /// The record number, from 1 on.
    pub record: u8,
}

impl DscbAddress {
    /// From CCHHR; `None` if all bytes are zero.
    pub fn from_bytes(bytes: [u8; 5], geometry: &Geometry) -> Result<Option<DscbAddress>> {
        if bytes == [0; 5] {
            return Ok(None);
        }
        let track = geometry.track_of_bytes(array(&bytes, 0))?;
        Ok(Some(DscbAddress { track, record: bytes[4] }))
    }

    /// CCHHR.
    pub fn to_bytes(self, geometry: &Geometry) -> [u8; 5] {
        let [c, d, h, i] = geometry.cchh_bytes(self.track);
        [c, d, h, i, self.record]
    }

    /// Absolute track number and record, as catalogs hold it; zeros if the track number needs more than 16 bits.
    pub fn to_ttr(self) -> [u8; 3] {
        match u16::try_from(self.track.0) {
            Ok(track) => [track.to_be_bytes()[0], track.to_be_bytes()[1], self.record],
            Err(_) => [0; 3],
        }
    }
}

impl Encode for DscbAddress {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.track.0);
        to.put(&self.record);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<DscbAddress> {
        Ok(DscbAddress { track: Track(from.get()?), record: from.get()? })
    }
}

/// The first byte of an extent descriptor (FORMATS 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtentKind(pub u8);

impl ExtentKind {
    /// No extent.
    pub const NONE: ExtentKind = ExtentKind(0x00);
    /// Data.
    pub const DATA: ExtentKind = ExtentKind(0x01);
    /// The track of user labels; not counted in DS1NOEPV.
    pub const USER_LABEL: ExtentKind = ExtentKind(0x40);
    /// A shared cylinder.
    pub const SPLIT_CYLINDER: ExtentKind = ExtentKind(0x80);
    /// Data that begins and ends on a cylinder boundary.
    pub const CYLINDERS: ExtentKind = ExtentKind(0x81);
}

/// An extent descriptor: ten bytes of a DSCB.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DscbExtent([u8; 10]);

impl DscbExtent {
    /// A descriptor from its bytes.
    pub const fn from_bytes(bytes: [u8; 10]) -> DscbExtent {
        DscbExtent(bytes)
    }

    /// The descriptor of a run of data tracks; its kind tells whether it is aligned to cylinders.
    pub fn new(extent: Extent, sequence: u8, geometry: &Geometry) -> DscbExtent {
        let aligned = extent.is_cylinder_aligned(geometry.heads());
        let mut bytes = [0; 10];
        bytes[0] = if aligned { ExtentKind::CYLINDERS.0 } else { ExtentKind::DATA.0 };
        bytes[1] = sequence;
        bytes[2..6].copy_from_slice(&geometry.cchh_bytes(extent.first));
        bytes[6..].copy_from_slice(&geometry.cchh_bytes(extent.first.plus(extent.track_count - 1)));
        DscbExtent(bytes)
    }

    /// The bytes.
    pub const fn to_bytes(self) -> [u8; 10] {
        self.0
    }

    /// Its kind.
    pub const fn kind(self) -> ExtentKind {
        ExtentKind(self.0[0])
    }

    /// Its sequence number.
    pub const fn sequence(self) -> u8 {
        self.0[1]
    }

    /// Whether it is not used.
    pub fn is_none(self) -> bool {
        self.kind() == ExtentKind::NONE
    }

    /// First and last address as they are written.
    pub fn limits(self, heads: u16) -> (Cchh, Cchh) {
        let limit = |offset| Cchh::from_bytes(array(&self.0, offset), heads);
        (limit(2), limit(6))
    }

    /// The tracks, if both limits lie on the volume and in order.
    pub fn extent(self, geometry: &Geometry) -> Result<Extent> {
        let (low, high) = self.limits(geometry.heads());
        let (first, last) = (geometry.track(low), geometry.track(high));
        match (first, last) {
            (Ok(first), Ok(last)) if first <= last => Ok(Extent::new(first, last.since(first) + 1)),
            _ => Err(Error::new(
                Reason::DamagedDscb,
                format!(
                    "extent {} from {low} to {high} is no run of tracks on this volume",
                    self.sequence()
                ),
            )),
        }
    }
}

impl fmt::Debug for DscbExtent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DscbExtent({:02X?})", self.0)
    }
}

/// The bytes of one DSCB, with what all formats have.
macro_rules! dscb {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name([u8; DSCB_LENGTH]);

        impl $name {
            /// The block from its bytes, unchecked.
            pub const fn from_bytes(bytes: [u8; DSCB_LENGTH]) -> $name { $name(bytes) }
            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; DSCB_LENGTH] { &self.0 }
            /// The bytes, to change what no method does.
            pub const fn as_bytes_mut(&mut self) -> &mut [u8; DSCB_LENGTH] { &mut self.0 }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(", stringify!($name))?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
                write!(f, ")")
            }
        }

        impl Encode for $name {
            fn encode(&self, to: &mut Encoder) { to.put(&self.0); }
            fn decode(from: &mut Decoder<'_>) -> Result<$name> { Ok($name(from.get()?)) }
        }
    };
}

/// Defines readers, and setters where a second name is given, of fields at fixed offsets.
macro_rules! fields {
    ($( $(#[$doc:meta])* $get:ident $(/ $set:ident)? : $kind:ident @ $offset:literal; )*) => { $(
        $(#[$doc])*
        pub fn $get(&self) -> fields!(@type $kind) { fields!(@get $kind, self.0, $offset) }
        $(
            #[doc = concat!("Sets [`", stringify!($get), "`](Self::", stringify!($get), ").")]
            pub fn $set(&mut self, value: fields!(@type $kind)) { fields!(@set $kind, self.0, $offset, value) }
        )?
    )* };
    (@type u8) => { u8 };
    (@type u16) => { u16 };
    (@type u32) => { u32 };
    (@type b3) => { [u8; 3] };
    (@type b5) => { [u8; 5] };
    (@get u8, $b:expr, $o:literal) => { $b[$o] };
    (@get u16, $b:expr, $o:literal) => { be16(&$b, $o) };
    (@get u32, $b:expr, $o:literal) => { be32(&$b, $o) };
    (@get b3, $b:expr, $o:literal) => { array(&$b, $o) };
    (@get b5, $b:expr, $o:literal) => { array(&$b, $o) };
    (@set u8, $b:expr, $o:literal, $v:ident) => { $b[$o] = $v };
    (@set u16, $b:expr, $o:literal, $v:ident) => { put16(&mut $b, $o, $v) };
    (@set u32, $b:expr, $o:literal, $v:ident) => { put32(&mut $b, $o, $v) };
    (@set b3, $b:expr, $o:literal, $v:ident) => { $b[$o..$o + 3].copy_from_slice(&$v) };
    (@set b5, $b:expr, $o:literal, $v:ident) => { $b[$o..$o + 5].copy_from_slice(&$v) };
}

dscb! {
    /// Format 1 (and 8, on extended address volumes): one for each data set on each of its volumes.
    Format1
}

impl Format1 {
    /// DS1FLAG1: more than 65,535 tracks.
    pub const FLAG1_LARGE: u8 = 0x08;
    /// DS1SMSFG: managed by SMS.
    pub const SMSFG_MANAGED: u8 = 0x80;
    /// DS1SMSFG: a PDSE.
    pub const SMSFG_PDSE: u8 = 0x08;
    /// DS1SMSFG: extended format or striped.
    pub const SMSFG_EXTENDED: u8 = 0x04;
    /// DS1SMSFG: an HFS data set.
    pub const SMSFG_HFS: u8 = 0x02;
    /// DS1DSORG: indexed sequential.
    pub const DSORG_IS: u16 = 0x8000;
    /// DS1DSORG: sequential.
    pub const DSORG_PS: u16 = 0x4000;
    /// DS1DSORG: direct.
    pub const DSORG_DA: u16 = 0x2000;
    /// DS1DSORG: partitioned.
    pub const DSORG_PO: u16 = 0x0200;
    /// DS1DSORG: unmovable.
    pub const DSORG_UNMOVABLE: u16 = 0x0100;
    /// DS1DSORG: VSAM.
    pub const DSORG_AM: u16 = 0x0008;
    /// DS1DSIND: the last volume of the data set.
    pub const DSIND_LAST_VOLUME: u8 = 0x80;
    /// DS1DSIND: a checkpoint data set.
    pub const DSIND_CHECKPOINT: u8 = 0x01;

    /// An F1 of this name, empty otherwise.
    pub fn new(name: DsName) -> Format1 {
        let mut bytes = [0; DSCB_LENGTH];
        bytes[..KEY_LENGTH].copy_from_slice(name.as_bytes());
        bytes[44] = 0xF1;
        bytes[62..75].fill(0x40);
        Format1(bytes)
    }

    /// DS1DSNAM: the name.
    pub fn name(&self) -> DsName {
        DsName::from_bytes(array(&self.0, 0))
    }

    /// Sets the name.
    pub fn set_name(&mut self, name: DsName) {
        self.0[..KEY_LENGTH].copy_from_slice(name.as_bytes());
    }

    /// Whether it is a format 8, with a format 9 behind it.
    pub fn is_format8(&self) -> bool {
        self.0[44] == 0xF8
    }

    /// DS1DSSN: the serial of the data set's first volume.
    pub fn first_volser(&self) -> Volser {
        Volser::from_bytes(array(&self.0, 45))
    }

    /// Sets DS1DSSN.
    pub fn set_first_volser(&mut self, volser: Volser) {
        self.0[45..51].copy_from_slice(volser.as_bytes());
    }

    fields! {
        /// DS1VOLSQ: which of the data set's volumes this is, from 1 on.
        volume_sequence / set_volume_sequence: u16 @ 51;
        /// DS1CREDT: creation date, YDD.
        creation_date / set_creation_date: b3 @ 53;
        /// DS1EXPDT: expiration date, YDD.
        expiration_date / set_expiration_date: b3 @ 56;
        /// DS1NOEPV: extents on this volume, the user label's not counted.
        extent_count / set_extent_count: u8 @ 59;
        /// DS1NOBDB: bytes used in the last directory block.
        directory_bytes: u8 @ 60;
        /// DS1FLAG1.
        flag1: u8 @ 61;
        /// DS1REFD: date of the last reference, YDD.
        reference_date: b3 @ 75;
        /// DS1SMSFG.
        smsfg: u8 @ 78;
        /// DS1DSORG: the organization.
        dsorg / set_dsorg: u16 @ 82;
        /// DS1RECFM: the record format.
        recfm / set_recfm: u8 @ 84;
        /// DS1OPTCD.
        optcd: u8 @ 85;
        /// DS1BLKL: block size.
        blksize / set_blksize: u16 @ 86;
        /// DS1LRECL: record length.
        lrecl / set_lrecl: u16 @ 88;
        /// DS1KEYL: key length.
        keyl: u8 @ 90;
        /// DS1RKP: relative key position.
        rkp: u16 @ 91;
        /// DS1DSIND: indicators.
        indicators / set_indicators: u8 @ 93;
        /// DS1SCAL1: how space was requested.
        scal1 / set_scal1: u8 @ 94;
        /// DS1SCAL3: secondary quantity.
        secondary / set_secondary: b3 @ 95;
        /// DS1TRBAL: bytes left on the last used track.
        balance / set_balance: u16 @ 101;
        /// DS1PTRDS: the address of the next DSCB of the data set, CCHHR.
        pointer / set_pointer: b5 @ 135;
    }

    /// DS1SYSCD: the system code.
    pub fn system_code(&self) -> &[u8] {
        &self.0[62..75]
    }

    /// DS1LSTAR and DS1TTTHI: the last used track, relative to the data set's start on this volume, and the last
    /// record on it; `None` if nothing was ever written (all zero).
    pub fn last_used(&self) -> Option<(u32, u8)> {
        let relative = u32::from(self.0[104]) << 16 | u32::from(be16(&self.0, 98));
        (relative != 0 || self.0[100] != 0).then_some((relative, self.0[100]))
    }

    /// Sets DS1LSTAR and DS1TTTHI; the balance is set apart.
    pub fn set_last_used(&mut self, last_used: Option<(u32, u8)>) {
        let (relative, record) = last_used.unwrap_or((0, 0));
        put16(&mut self.0, 98, relative as u16);
        self.0[100] = record;
        self.0[104] = (relative >> 16) as u8;
    }

    /// DS1EXT1 to DS1EXT3, used or not.
    pub fn extents(&self) -> [DscbExtent; 3] {
        [105, 115, 125].map(|offset| DscbExtent(array(&self.0, offset)))
    }

    /// Sets the extents; at most 3, the others become unused.
    pub fn set_extents(&mut self, extents: &[DscbExtent]) {
        self.0[105..135].fill(0);
        for (place, extent) in self.0[105..135].as_chunks_mut::<10>().0.iter_mut().zip(extents) {
            *place = extent.0;
        }
    }

    /// These attributes and statistics, at the place of another F1: its name and format, DS1NOEPV, extents and pointer.
    #[must_use]
    pub fn at_place_of(mut self, other: &Format1) -> Format1 {
        for range in [0..45, 59..60, 105..140] {
            self.as_bytes_mut()[range.clone()].copy_from_slice(&other.as_bytes()[range]);
        }
        self
    }

    /// Whether space was requested in cylinders.
    pub fn is_cylinder_allocated(&self) -> bool {
        self.scal1() & 0xC0 == 0xC0
    }
}

dscb! {
    /// Format 3: thirteen more extents of a data set.
    Format3
}

/// Where the extents of a format 3 stand.
const FORMAT3_EXTENTS: [usize; 13] = [4, 14, 24, 34, 45, 55, 65, 75, 85, 95, 105, 115, 125];

impl Format3 {
    /// An F3 with these extents; at most 13.
    pub fn new(extents: &[DscbExtent]) -> Format3 {
        let mut bytes = [0; DSCB_LENGTH];
        bytes[..4].fill(3);
        bytes[44] = 0xF3;
        for (offset, extent) in FORMAT3_EXTENTS.into_iter().zip(extents) {
            bytes[offset..offset + 10].copy_from_slice(&extent.0);
        }
        Format3(bytes)
    }

    /// The extents, used or not.
    pub fn extents(&self) -> [DscbExtent; 13] {
        FORMAT3_EXTENTS.map(|offset| DscbExtent(array(&self.0, offset)))
    }

    fields! {
        /// DS3PTRDS: the address of the next F3, CCHHR.
        pointer / set_pointer: b5 @ 135;
    }
}

dscb! {
    /// Format 4: the VTOC describes itself.
    Format4
}

impl Format4 {
    /// DS4VTOCI: the DOS bit: F5 DSCBs are not valid, or the VTOC has an index.
    pub const VTOCI_DOS: u8 = 0x80;
    /// DS4VTOCI: the index was disabled.
    pub const VTOCI_INDEX_DISABLED: u8 = 0x40;
    /// DS4VTOCI: F7 DSCBs are valid.
    pub const VTOCI_EXTENDED_FREE: u8 = 0x20;
    /// DS4VTOCI: a stacked pack of VSE.
    pub const VTOCI_STACKED: u8 = 0x10;
    /// DS4VTOCI: a change was begun and not ended.
    pub const VTOCI_DIRF: u8 = 0x04;
    /// DS4VTOCI: the VTOC has an index.
    pub const VTOCI_INDEXED: u8 = 0x01;

    /// DS4HPCHR: the highest address that an F1 ever had, CCHHR bytes.
    pub fn highest_f1(&self) -> [u8; 5] {
        array(&self.0, 45)
    }

    /// DS4VTOCE: the VTOC's own extent.
    pub fn vtoc_extent(&self) -> DscbExtent {
        DscbExtent(array(&self.0, 105))
    }

    /// Sets DS4VTOCE.
    pub fn set_vtoc_extent(&mut self, extent: DscbExtent) {
        self.0[105..115].copy_from_slice(&extent.0);
    }

    /// DS4DEVCT: the device constants (14 bytes).
    pub fn device_constants(&self) -> [u8; 14] {
        array(&self.0, 62)
    }

    /// Sets DS4DEVCT.
    pub fn set_device_constants(&mut self, constants: [u8; 14]) {
        self.0[62..76].copy_from_slice(&constants);
    }

    fields! {
        /// Sets [`highest_f1`](Self::highest_f1) as it is on the volume.
        highest_f1_bytes / set_highest_f1: b5 @ 45;
        /// DS4DSREC: free DSCBs.
        free_dscbs / set_free_dscbs: u16 @ 50;
        /// DS4NOATK: alternate tracks left.
        alternate_tracks / set_alternate_tracks: u16 @ 56;
        /// DS4VTOCI: indicators.
        indicators / set_indicators: u8 @ 58;
        /// DS4NOEXT: extents of the VTOC.
        vtoc_extent_count / set_vtoc_extent_count: u8 @ 59;
        /// DS4SMSFG.
        smsfg: u8 @ 60;
        /// DS4DEVAC: alternate cylinders, if DS4DEVFG says so.
        alternate_cylinders: u8 @ 61;
        /// DS4DSCYL: cylinders, alternates included; X'FFFE' on an extended address volume.
        cylinders: u16 @ 62;
        /// DS4DSTRK: tracks of a cylinder.
        heads: u16 @ 64;
        /// DS4DEVTK: track length.
        track_length: u16 @ 66;
        /// DS4DEVFG: which constants are valid.
        device_flags: u8 @ 71;
        /// DS4DEVDT: DSCBs on a track.
        dscbs_per_track: u8 @ 74;
        /// DS4F6PTR: the first F6, CCHHR.
        f6_pointer: b5 @ 100;
        /// DS4EFLVL: level of extended free space.
        extended_free_level / set_extended_free_level: u8 @ 125;
        /// DS4EFPTR: the first F7, CCHHR.
        f7_pointer / set_f7_pointer: b5 @ 126;
        /// DS4DCYL: cylinders of an extended address volume.
        extended_cylinders: u32 @ 132;
        /// DS4DEVF2.
        device_flags2: u8 @ 138;
    }
}

dscb! {
    /// Format 5: free space, 26 entries of a volume with at most 65,535 tracks.
    Format5
}

impl Format5 {
    /// An F5 without entries.
    pub fn new() -> Format5 {
        let mut bytes = [0; DSCB_LENGTH];
        bytes[..4].fill(5);
        bytes[44] = 0xF5;
        Format5(bytes)
    }

    fn offset(entry: usize) -> usize {
        if entry < 8 { 4 + 5 * entry } else { 45 + 5 * (entry - 8) }
    }

    /// The entries that are used: runs of free tracks. Only the sum of cylinders and tracks tells the length.
    pub fn free(&self, heads: u16) -> Vec<Extent> {
        (0..26)
            .map(Format5::offset)
            .map(|at| {
                let cylinders = u32::from(be16(&self.0, at + 2));
                let count = cylinders * u32::from(heads) + u32::from(self.0[at + 4]);
                Extent::new(Track(be16(&self.0, at).into()), count)
            })
            .filter(|extent| extent.track_count > 0)
            .collect()
    }

    /// Sets entry `entry` (0 to 25) in the form of MVS: whole aligned cylinders, and the other tracks.
    pub fn set_free(&mut self, entry: usize, extent: Extent, heads: u16) {
        let (at, heads) = (Format5::offset(entry), u32::from(heads));
        let cylinders = (extent.end().0 / heads).saturating_sub(extent.first.0.div_ceil(heads));
        put16(&mut self.0, at, extent.first.0 as u16);
        put16(&mut self.0, at + 2, cylinders as u16);
        self.0[at + 4] = (extent.track_count - cylinders * heads) as u8;
    }

    fields! {
        /// DS5PTRDS: the next F5, CCHHR.
        pointer / set_pointer: b5 @ 135;
    }
}

impl Default for Format5 {
    fn default() -> Format5 {
        Format5::new()
    }
}

dscb! {
    /// Format 7: free space of a volume with more than 65,535 tracks, 16 entries.
    Format7
}

impl Format7 {
    /// An F7 without entries.
    pub fn new() -> Format7 {
        let mut bytes = [0; DSCB_LENGTH];
        bytes[..4].fill(7);
        bytes[44] = 0xF7;
        Format7(bytes)
    }

    fn offset(entry: usize) -> usize {
        if entry < 5 { 4 + 8 * entry } else { 45 + 8 * (entry - 5) }
    }

    /// The entries that are used: runs of free tracks.
    pub fn free(&self) -> Vec<Extent> {
        (0..16)
            .map(Format7::offset)
            .map(|at| (be32(&self.0, at), be32(&self.0, at + 4)))
            .filter(|(first, end)| first < end)
            .map(|(first, end)| Extent::new(Track(first), end - first))
            .collect()
    }

    /// Sets entry `entry` (0 to 15): the first free track, and the one behind the last.
    pub fn set_free(&mut self, entry: usize, extent: Extent) {
        let at = Format7::offset(entry);
        put32(&mut self.0, at, extent.first.0);
        put32(&mut self.0, at + 4, extent.end().0);
    }

    fields! {
        /// DS7PTRDS: the next F7, CCHHR.
        pointer / set_pointer: b5 @ 135;
    }
}

impl Default for Format7 {
    fn default() -> Format7 {
        Format7::new()
    }
}

dscb! {
    /// Format 9: attributes of a data set on an extended address volume, behind its format 8.
    Format9
}

impl Format9 {
    fields! {
        /// DS9SUBTY: the subtype.
        subtype: u8 @ 1;
        /// DS9NUMF9: how many F9s the data set has.
        count: u8 @ 2;
        /// DS9PTRDS: the next F9, or the first F3, CCHHR.
        pointer: b5 @ 135;
    }
}

dscb! {
    /// A DSCB of another format: 2 (ISAM), 6 (shared cylinders), or unknown.
    OtherFormat
}

/// One DSCB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dscb {
    /// Format 0: not used.
    Free,
    /// Format 1 or 8.
    Format1(Format1),
    /// Format 3.
    Format3(Format3),
    /// Format 4.
    Format4(Format4),
    /// Format 5.
    Format5(Format5),
    /// Format 7.
    Format7(Format7),
    /// Format 9.
    Format9(Format9),
    /// Any other.
    Other(OtherFormat),
}

impl Dscb {
    /// What these bytes are, by the format identifier; only a block of zeros is free.
    pub fn from_bytes(bytes: [u8; DSCB_LENGTH]) -> Dscb {
        match bytes[44] {
            0xF1 | 0xF8 => Dscb::Format1(Format1(bytes)),
            0xF3 => Dscb::Format3(Format3(bytes)),
            0xF4 => Dscb::Format4(Format4(bytes)),
            0xF5 => Dscb::Format5(Format5(bytes)),
            0xF7 => Dscb::Format7(Format7(bytes)),
            0xF9 => Dscb::Format9(Format9(bytes)),
            _ if bytes == [0; DSCB_LENGTH] => Dscb::Free,
            _ => Dscb::Other(OtherFormat(bytes)),
        }
    }

    /// The bytes.
    pub fn to_bytes(&self) -> [u8; DSCB_LENGTH] {
        match self {
            Dscb::Free => [0; DSCB_LENGTH],
            Dscb::Format1(dscb) => dscb.0,
            Dscb::Format3(dscb) => dscb.0,
            Dscb::Format4(dscb) => dscb.0,
            Dscb::Format5(dscb) => dscb.0,
            Dscb::Format7(dscb) => dscb.0,
            Dscb::Format9(dscb) => dscb.0,
            Dscb::Other(dscb) => dscb.0,
        }
    }

    /// Whether it is not used.
    pub fn is_free(&self) -> bool {
        matches!(self, Dscb::Free)
    }
}

impl Encode for Dscb {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.to_bytes());
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Dscb> {
        Ok(Dscb::from_bytes(from.get()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Device;

    #[test]
    fn free_space_entries_are_those_of_mvs() {
        // FORMATS 4.6: tracks 47 to 104 of a device with 15 heads, and 201 to 16649 of one with 30.
        let mut f5 = Format5::new();
        f5.set_free(0, Extent::new(Track(47), 58), 15);
        assert_eq!(f5.as_bytes()[4..9], [0x00, 0x2F, 0x00, 0x03, 0x0D]);
        f5.set_free(8, Extent::new(Track(201), 16449), 30);
        assert_eq!(f5.as_bytes()[45..50], [0x00, 0xC9, 0x02, 0x24, 0x09]);
        assert_eq!(f5.free(15)[0], Extent::new(Track(47), 58));
        f5.set_free(1, Extent::new(Track(5), 3), 15);
        assert_eq!(f5.as_bytes()[9..14], [0x00, 0x05, 0x00, 0x00, 0x03]);
    }

    #[test]
    fn extents_know_whether_they_are_aligned() {
        let device = Device::named("3390").unwrap();
        let geometry = Geometry { device, cylinders: 1113, slot_size: device.slot_size() };
        let aligned = DscbExtent::new(Extent::new(Track(360), 15), 0, &geometry);
        assert_eq!(aligned.to_bytes(), [0x81, 0, 0, 0x18, 0, 0, 0, 0x18, 0, 0x0E]);
        let unaligned = DscbExtent::new(Extent::new(Track(361), 15), 2, &geometry);
        assert_eq!((unaligned.kind(), unaligned.sequence()), (ExtentKind::DATA, 2));
        assert_eq!(unaligned.extent(&geometry).unwrap(), Extent::new(Track(361), 15));
        assert!(DscbExtent::from_bytes([1, 0, 0, 2, 0, 0, 0, 1, 0, 0]).extent(&geometry).is_err());
    }

    #[test]
    fn every_byte_of_every_format_is_kept() {
        for format in 0..=255u8 {
            let mut bytes = [format; DSCB_LENGTH];
            bytes[0] = 1;
            assert_eq!(Dscb::from_bytes(bytes).to_bytes(), bytes);
        }
        assert!(Dscb::from_bytes([0; DSCB_LENGTH]).is_free());
    }
}
