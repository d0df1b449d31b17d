//! The DSCBs of one data set: its format 1 (or 8), the chain behind it, and its extents.
//!
//! | behind | may stand |
//! |---|---|
//! | F1 | F2, F3 |
//! | F2 | F3 |
//! | F8 | F9 |
//! | F9 | F9, F3 |
//! | F3 | F3 |

use super::{DataSetDscbs, Vtoc};
use crate::bytes::array;
use crate::dscb::{Dscb, DscbAddress, DscbExtent, ExtentKind, Format1};
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::name::DsName;

/// Ten F3s hold the 123 extents that a data set may have on a volume; the rest is room for F9s.
const CHAIN_LENGTH_MAX: usize = 32;

/// The format identifier of a DSCB, at its place in all of them.
pub(super) fn format(dscb: &Dscb) -> u8 {
    dscb.to_bytes()[44]
}

impl Vtoc {
    /// The data sets, in the order of their F1s. One whose DSCBs do not check is an error of that data set alone.
    pub fn data_sets(&self) -> impl Iterator<Item = (DsName, Result<DataSetDscbs>)> + '_ {
        self.format1s().map(|(address, format1)| (format1.name(), self.data_set(address, format1)))
    }

    /// The F1s and F8s with their addresses.
    pub(super) fn format1s(&self) -> impl Iterator<Item = (DscbAddress, &Format1)> + '_ {
        self.dscbs.iter().filter_map(|(address, dscb)| match dscb {
            Dscb::Format1(format1) => Some((*address, format1)),
            _ => None,
        })
    }

    /// The data set of this name.
    ///
    /// Errors: [`Reason::DamagedDscb`] if its DSCBs do not check; [`Reason::DamagedVtoc`] if the name is there twice.
    pub fn find(&self, name: &DsName) -> Result<Option<DataSetDscbs>> {
        let mut found = self.format1s().filter(|(_, format1)| format1.name() == *name);
        let Some((address, format1)) = found.next() else {
            return Ok(None);
        };
        if found.next().is_some() {
            let sentence = "the VTOC has two data sets of this name; rename or scratch one of them";
            return Err(Error::new(Reason::DamagedVtoc, sentence)
                .on_volume(self.volser)
                .of_data_set(*name));
        }
        self.data_set(address, format1).map(Some)
    }

    pub(super) fn data_set(&self, address: DscbAddress, format1: &Format1) -> Result<DataSetDscbs> {
        let collect = || {
            let (chain, checked) = self.chain(address, format1);
            checked?;
            let (extents, user_label) = self.extents(format1, &chain)?;
            Ok(DataSetDscbs { address, format1: *format1, chain, extents, user_label })
        };
        collect().map_err(|error: Error| {
            error
                .on_volume(self.volser)
                .at_track(address.track.0, self.geometry.heads())
                .of_data_set(format1.name())
        })
    }

    /// The DSCBs behind an F1 as far as the pointers lead, and what was wrong with the next one.
    pub(super) fn chain(
        &self,
        first: DscbAddress,
        format1: &Format1,
    ) -> (Vec<(DscbAddress, Dscb)>, Result<()>) {
        let mut chain: Vec<(DscbAddress, Dscb)> = Vec::new();
        let mut last = (first, if format1.is_format8() { 0xF8 } else { 0xF1 });
        let mut pointer = format1.pointer();
        while pointer != [0; 5] {
            match self.next_in_chain(&chain, last, pointer) {
                Ok((address, dscb)) => {
                    chain.push((address, dscb));
                    last = (address, format(&dscb));
                    pointer = array(&dscb.to_bytes(), 135);
                }
                Err(error) => return (chain, Err(error)),
            }
        }
        let checked = if chain.is_empty() && format1.is_format8() {
            Err(damaged("its format 8 DSCB has no format 9 behind it".into()))
        } else {
            Ok(())
        };
        (chain, checked)
    }

    fn next_in_chain(
        &self,
        chain: &[(DscbAddress, Dscb)],
        last: (DscbAddress, u8),
        pointer: [u8; 5],
    ) -> Result<(DscbAddress, Dscb)> {
        let next = DscbAddress::from_bytes(pointer, &self.geometry).ok().flatten();
        let Some((address, dscb)) = next.and_then(|address| Some((address, *self.dscb(address)?)))
        else {
            return Err(damaged(format!(
                "the pointer X'{}' in its {} leads to no DSCB",
                hexadecimal(&pointer),
                self.describe(last)
            )));
        };
        let here = (address, format(&dscb));
        let allowed: &[u8] = match last.1 {
            0xF1 => &[0xF2, 0xF3],
            0xF8 => &[0xF9],
            0xF9 => &[0xF9, 0xF3],
            _ => &[0xF3],
        };
        if !allowed.contains(&here.1) {
            return Err(damaged(format!(
                "the pointer in its {} leads to the {}",
                self.describe(last),
                self.describe(here)
            )));
        }
        if chain.len() == CHAIN_LENGTH_MAX || chain.iter().any(|(known, _)| *known == address) {
            return Err(damaged(format!(
                "the chain of its DSCBs has no end, or more than {CHAIN_LENGTH_MAX}"
            )));
        }
        Ok((address, dscb))
    }

    /// The data extents in their order, and the track of user labels.
    fn extents(
        &self,
        format1: &Format1,
        chain: &[(DscbAddress, Dscb)],
    ) -> Result<(Vec<Extent>, Option<Extent>)> {
        let (mut numbered, mut user_label) = (Vec::new(), None);
        for descriptor in descriptors(format1, chain) {
            let extent = descriptor.extent(&self.geometry);
            let extent = extent.map_err(|error| damaged(error.sentence().to_string()))?;
            if descriptor.kind() != ExtentKind::USER_LABEL {
                numbered.push((descriptor.sequence(), extent));
            } else if user_label.replace(extent).is_some() {
                return Err(damaged("it has two extents for user labels".into()));
            }
        }
        if numbered.len() != usize::from(format1.extent_count()) {
            return Err(damaged(format!(
                "DS1NOEPV says {} extents, but there are {}",
                format1.extent_count(),
                numbered.len()
            )));
        }
        // Sorting keeps the order of equal numbers, which the check behind it refuses.
        numbered.sort_by_key(|(sequence, _)| *sequence);
        let lowest = numbered.first().map_or(0, |(sequence, _)| *sequence);
        let consecutive = numbered
            .iter()
            .zip(usize::from(lowest)..)
            .all(|((n, _), place)| usize::from(*n) == place);
        if lowest > u8::from(user_label.is_some()) || !consecutive {
            let numbers: Vec<String> = numbered.iter().map(|(n, _)| n.to_string()).collect();
            return Err(damaged(format!(
                "the sequence numbers of its extents are {}, not 0, 1, 2 and so on",
                numbers.join(", ")
            )));
        }
        Ok((numbered.into_iter().map(|(_, extent)| extent).collect(), user_label))
    }

    /// A DSCB in a sentence.
    pub(super) fn describe(&self, (address, format): (DscbAddress, u8)) -> String {
        let place = self.geometry.cchh(address.track);
        let digit = char::from(b'0' + (format & 0x0F).min(9));
        match format {
            0 => format!("free DSCB at {place} R{}", address.record),
            0xF1..=0xF9 => format!("format {digit} DSCB at {place} R{}", address.record),
            _ => format!("DSCB of unknown format at {place} R{}", address.record),
        }
    }
}

/// The descriptors that are used in an F1 and the F3s behind it.
pub(super) fn descriptors(
    format1: &Format1,
    chain: &[(DscbAddress, Dscb)],
) -> impl Iterator<Item = DscbExtent> {
    let behind = chain.iter().flat_map(|(_, dscb)| match dscb {
        Dscb::Format3(format3) => format3.extents().to_vec(),
        _ => Vec::new(),
    });
    format1.extents().into_iter().chain(behind).filter(|descriptor| !descriptor.is_none())
}

fn damaged(what: String) -> Error {
    let advice = "repair it with the volume's own system, or restore the volume";
    Error::new(Reason::DamagedDscb, format!("{what}; {advice}"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
