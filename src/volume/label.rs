//! The volume label: record 3 of track 0 (FORMATS 4.1).
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | `VOL1` |
//! | 4 | 6 | volume serial |
//! | 10 | 1 | security byte |
//! | 11 | 5 | CCHHR of the VTOC's first DSCB |
//! | 37 | 14 | owner |

use crate::bytes::array;
use crate::error::{Error, Reason, Result};
use crate::name::Volser;
use crate::track;

const VOL1: [u8; 4] = [0xE5, 0xD6, 0xD3, 0xF1];

/// The 80 bytes of a VOL1 label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label([u8; 80]);

impl Label {
    /// A label as initialisation writes it.
    pub fn new(volser: Volser, vtoc: [u8; 5]) -> Label {
        let mut bytes = [0x40; 80];
        bytes[..4].copy_from_slice(&VOL1);
        bytes[4..10].copy_from_slice(volser.as_bytes());
        bytes[11..16].copy_from_slice(&vtoc);
        Label(bytes)
    }

    /// Finds the label on the image of track 0.
    ///
    /// Error: [`Reason::NoLabel`].
    pub fn find(track_0: &[u8]) -> Result<Label> {
        let label = track::records(track_0).map_while(Result::ok).find(|record| {
            record.number == 3 && record.data.len() >= 80 && record.data[..4] == VOL1
        });
        label.map(|record| Label(array(record.data, 0))).ok_or_else(|| {
            Error::new(
                Reason::NoLabel,
                "record 3 of track 0 is no VOL1 label; restore the track, or, if the volume is a new one, initialise it",
            )
        })
    }

    /// The serial.
    pub fn volser(&self) -> Volser {
        Volser::from_bytes(array(&self.0, 4))
    }

    /// The address of the VTOC's first DSCB, CCHHR.
    pub fn vtoc(&self) -> [u8; 5] {
        array(&self.0, 11)
    }

    /// The owner's name, as EBCDIC bytes.
    pub fn owner(&self) -> &[u8] {
        &self.0[37..51]
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 80] {
        &self.0
    }
}
