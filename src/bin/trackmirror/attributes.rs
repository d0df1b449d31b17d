//! The attributes of a data set as an administrator writes them.

use trackmirror::clock::Day;
use trackmirror::dscb::Format1;

/// The organization: `PS`, `PO`, `PSU`; bits without a name in hexadecimal.
pub fn dsorg(dsorg: u16) -> String {
    const NAMES: &[(u16, &str)] = &[
        (Format1::DSORG_IS, "IS"),
        (Format1::DSORG_PS, "PS"),
        (Format1::DSORG_DA, "DA"),
        (0x1000, "CX"),
        (0x0800, "CQ"),
        (0x0400, "MQ"),
        (Format1::DSORG_PO, "PO"),
        (0x0080, "GS"),
        (0x0040, "TX"),
        (0x0020, "TQ"),
        (Format1::DSORG_AM, "VS"),
        (0x0004, "TR"),
    ];
    if dsorg == 0 {
        return "-".into();
    }
    let kind = dsorg & !Format1::DSORG_UNMOVABLE;
    let name = match NAMES.iter().find(|(bit, _)| *bit == kind) {
        Some((_, name)) => (*name).to_string(),
        None => format!("{kind:04X}"),
    };
    name + if kind == dsorg { "" } else { "U" }
}

/// The record format: `FB`, `VBS`, `U`.
pub fn recfm(recfm: u8) -> String {
    let mut text = match recfm & 0xC0 {
        0x80 => "F",
        0x40 => "V",
        0xC0 => "U",
        _ => "",
    }
    .to_string();
    for (bit, letter) in [(0x20, 'T'), (0x10, 'B'), (0x08, 'S'), (0x04, 'A'), (0x02, 'M')] {
        if recfm & bit != 0 {
            text.push(letter);
        }
    }
    if text.is_empty() { "-".into() } else { text }
}

/// A date of a DSCB: `1974.100`, or `-`.
pub fn date(bytes: [u8; 3]) -> String {
    Day::from_bytes(bytes).map_or("-".into(), |day| day.to_string())
}

/// The secondary quantity, in the unit of the request.
pub fn secondary(f1: &Format1) -> u32 {
    let [high, middle, low] = f1.secondary();
    u32::from_be_bytes([0, high, middle, low])
}

/// In what space was requested: `CYL`, `TRK`, `BLK`, `ABSTR`.
pub fn space_unit(scal1: u8) -> &'static str {
    match scal1 & 0xC0 {
        0xC0 => "CYL",
        0x80 => "TRK",
        0x40 => "BLK",
        _ => "ABSTR",
    }
}

/// How many tracks hold data; `None` where the VTOC does not say it.
pub fn used_track_count(format1: &Format1) -> Option<u32> {
    let kind = format1.dsorg() & !Format1::DSORG_UNMOVABLE;
    let says = kind == Format1::DSORG_PS || kind == Format1::DSORG_PO;
    match format1.last_used() {
        Some((track, _)) => says.then(|| track.saturating_add(1)),
        // On all volumes of a data set but the last one the pointer may be zero though all tracks are used.
        None => (says && format1.indicators() & Format1::DSIND_LAST_VOLUME != 0).then_some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trackmirror::DsName;

    #[test]
    fn attributes_are_written_as_in_jcl() {
        for (bits, text) in [(0x4000, "PS"), (0x0200, "PO"), (0x4100, "PSU"), (0x0008, "VS")] {
            assert_eq!(dsorg(bits), text);
        }
        assert_eq!((dsorg(0).as_str(), dsorg(0x6000).as_str()), ("-", "6000"));
        for (bits, text) in
            [(0x90, "FB"), (0x58, "VBS"), (0xC0, "U"), (0x94, "FBA"), (0x00, "-"), (0xA0, "FT")]
        {
            assert_eq!(recfm(bits), text);
        }
        assert_eq!((date([0; 3]).as_str(), date([74, 0, 100]).as_str()), ("-", "1974.100"));
    }

    #[test]
    fn only_sequential_and_partitioned_data_sets_say_what_is_used() {
        let mut format1 = Format1::new(DsName::parse("A").unwrap());
        assert_eq!(used_track_count(&format1), None);
        format1.set_dsorg(Format1::DSORG_PO);
        assert_eq!(used_track_count(&format1), None);
        format1.set_indicators(Format1::DSIND_LAST_VOLUME);
        assert_eq!(used_track_count(&format1), Some(0));
        format1.set_last_used(Some((0, 3)));
        assert_eq!(used_track_count(&format1), Some(1));
    }
}
