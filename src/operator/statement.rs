//! Control statements as cards: IEHPROGM for CVOLs and volumes, IDCAMS for catalogs of its kind.
//!
//! An IEHPROGM statement begins in column 2 and ends before column 72. One that is longer is broken behind a comma,
//! with a mark in column 72, and goes on in column 16 of the next card. No operand is so long that it fits on no card: the
//! longest is a name of 44 characters behind its keyword, which ends in column 67. An IDCAMS command goes on where a
//! line ends in a hyphen.

use super::task::{name_text, volser_text};
use crate::catalog::{CatalogEntry, CatalogVolume};
use crate::error::{Error, Reason, Result};
use crate::geometry::{DEVICES, Device};
use crate::name::{DsName, Volser};

/// The last column of a statement.
const LAST_COLUMN: usize = 71;
/// The column where a statement goes on.
const CONTINUED_COLUMN: usize = 16;

/// A statement as cards, without their trailing blanks.
fn cards(operation: &str, operands: &[String]) -> Vec<String> {
    let (mut cards, mut card) = (Vec::new(), format!(" {operation} "));
    let text = operands.join(",");
    for piece in text.split_inclusive(',') {
        if card.len() + piece.len() > LAST_COLUMN {
            cards.push(format!("{card:LAST_COLUMN$}X"));
            card = " ".repeat(CONTINUED_COLUMN - 1);
        }
        card.push_str(piece);
    }
    cards.push(card);
    cards
}

/// The unit by which a system of its time knows a device.
pub fn unit_name(device: &Device) -> &'static str {
    match device.name {
        "3330-11" => "3330-1",
        "2305-1" | "2305-2" => device.name,
        _ => device.type_name(),
    }
}

/// The unit of a volume in a catalog entry.
///
/// Error: [`Reason::NotDelegated`] if it is no DASD of the device table.
pub fn unit_of(volume: &CatalogVolume) -> Result<&'static str> {
    let known = DEVICES.iter().find(|device| {
        device.unit_type()[2..] == volume.unit_type[2..] && volume.file_sequence == 0
    });
    known.map(unit_name).ok_or_else(|| {
        let unit: String = volume.unit_type.iter().map(|byte| format!("{byte:02X}")).collect();
        Error::new(
            Reason::NotDelegated,
            format!(
                "the unit type {unit} has no name in a control statement; recatalog it by hand"
            ),
        )
        .on_volume(volume.volser)
    })
}

/// Where a CVOL lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CvolPlace {
    /// Its unit.
    pub unit: &'static str,
    /// Its volume.
    pub volser: Volser,
}

impl CvolPlace {
    fn operand(&self) -> Result<String> {
        Ok(format!("CVOL={}={}", self.unit, volser_text(self.volser)?))
    }
}

/// `CATLG`.
///
/// Error: [`Reason::NotDelegated`] if the volumes are not all on devices of one kind.
pub fn catlg(entry: &CatalogEntry, cvol: CvolPlace) -> Result<Vec<String>> {
    let name = name_text(&entry.name)?;
    let volsers =
        entry.volumes.iter().map(|v| volser_text(v.volser)).collect::<Result<Vec<_>>>()?;
    let units = entry.volumes.iter().map(unit_of).collect::<Result<Vec<_>>>()?;
    let unit = units.first().filter(|first| units.iter().all(|unit| unit == *first));
    let unit = unit.ok_or_else(|| {
        Error::new(
            Reason::NotDelegated,
            "one CATLG statement names volumes on devices of one kind; catalog it by hand",
        )
        .of_data_set(entry.name)
    })?;
    let list = match volsers.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join(",")),
    };
    let operands = [format!("DSNAME={name}"), format!("VOL={unit}={list}"), cvol.operand()?];
    Ok(cards("CATLG", &operands))
}

/// `UNCATLG`.
pub fn uncatlg(name: &DsName, cvol: CvolPlace) -> Result<Vec<String>> {
    Ok(cards("UNCATLG", &[format!("DSNAME={}", name_text(name)?), cvol.operand()?]))
}

/// `SCRATCH`; with `purge` whatever the expiration date.
pub fn scratch(name: &DsName, unit: &str, volser: Volser, purge: bool) -> Result<Vec<String>> {
    let mut operands = vec![
        format!("DSNAME={}", name_text(name)?),
        format!("VOL={unit}={}", volser_text(volser)?),
    ];
    operands.extend(purge.then(|| "PURGE".into()));
    Ok(cards("SCRATCH", &operands))
}

/// `RENAME`.
pub fn rename(from: &DsName, to: &DsName, unit: &str, volser: Volser) -> Result<Vec<String>> {
    let operands = [
        format!("DSNAME={}", name_text(from)?),
        format!("VOL={unit}={}", volser_text(volser)?),
        format!("NEWNAME={}", name_text(to)?),
    ];
    Ok(cards("RENAME", &operands))
}

/// An IDCAMS command, one parameter on each line.
fn command(parameters: &[String], catalog: Option<&DsName>) -> Result<Vec<String>> {
    let mut lines = parameters.to_vec();
    if let Some(catalog) = catalog {
        lines.push(format!("CATALOG({})", name_text(catalog)?));
    }
    let last = lines.len() - 1;
    let line = |(place, text): (usize, &String)| {
        let indent = if place == 0 { " " } else { "   " };
        format!("{indent}{text}{}", if place == last { "" } else { " -" })
    };
    Ok(lines.iter().enumerate().map(line).collect())
}

/// `DEFINE NONVSAM`.
pub fn define_nonvsam(entry: &CatalogEntry, catalog: Option<&DsName>) -> Result<Vec<String>> {
    let one_on_each_line = |items: Vec<String>| items.join(" -\n      ");
    let volsers =
        entry.volumes.iter().map(|v| volser_text(v.volser)).collect::<Result<Vec<_>>>()?;
    let mut units = Vec::new();
    for volume in &entry.volumes {
        units.push(unit_of(volume)?.to_string());
    }
    if units.is_empty() {
        let sentence = "the entry has no volumes; catalog it by hand";
        return Err(Error::new(Reason::NotDelegated, sentence).of_data_set(entry.name));
    }
    // One device type stands for all volumes.
    if units.iter().all(|unit| *unit == units[0]) {
        units.truncate(1);
    }
    let parameters = [
        "DEFINE NONVSAM".into(),
        format!("(NAME({})", name_text(&entry.name)?),
        format!("DEVICETYPES({})", one_on_each_line(units)),
        format!("VOLUMES({}))", one_on_each_line(volsers)),
    ];
    let lines = command(&parameters, catalog)?;
    Ok(lines.iter().flat_map(|line| line.split('\n').map(String::from)).collect())
}

/// `DELETE NOSCRATCH`.
pub fn delete_noscratch(name: &DsName, catalog: Option<&DsName>) -> Result<Vec<String>> {
    let parameters = [format!("DELETE {}", name_text(name)?), "NONVSAM NOSCRATCH".into()];
    command(&parameters, catalog)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH";

    fn name(text: &str) -> DsName {
        text.parse().unwrap()
    }

    fn entry(text: &str, device: &str, volsers: &[&str]) -> CatalogEntry {
        let unit_type = Device::named(device).unwrap().unit_type();
        let volume = |volser: &&str| CatalogVolume {
            unit_type,
            volser: volser.parse().unwrap(),
            file_sequence: 0,
        };
        CatalogEntry { name: name(text), volumes: volsers.iter().map(volume).collect(), dscb: None }
    }

    fn cvol() -> CvolPlace {
        CvolPlace { unit: "3330", volser: "DLIBA1".parse().unwrap() }
    }

    #[test]
    fn statements_of_one_card() {
        let short = entry("A.B", "3330", &["CLNA02"]);
        assert_eq!(
            catlg(&short, cvol()).unwrap(),
            [" CATLG DSNAME=A.B,VOL=3330=CLNA02,CVOL=3330=DLIBA1"]
        );
        assert_eq!(
            uncatlg(&name("A.B"), cvol()).unwrap(),
            [" UNCATLG DSNAME=A.B,CVOL=3330=DLIBA1"]
        );
        let volser = "V1".parse().unwrap();
        assert_eq!(
            scratch(&name("A.B"), "2314", volser, true).unwrap(),
            [" SCRATCH DSNAME=A.B,VOL=2314=V1,PURGE"]
        );
        assert_eq!(
            scratch(&name("A.B"), "2314", volser, false).unwrap(),
            [" SCRATCH DSNAME=A.B,VOL=2314=V1"]
        );
        assert_eq!(
            rename(&name("A.B"), &name("A.C"), "3350", volser).unwrap(),
            [" RENAME DSNAME=A.B,VOL=3350=V1,NEWNAME=A.C"]
        );
    }

    #[test]
    fn long_statements_go_on_in_column_16() {
        let volser = "VOL001".parse().unwrap();
        let mark = |card: &str| format!("{card:71}X");
        assert_eq!(
            rename(&name(LONG), &name(LONG), "3330-1", volser).unwrap(),
            [
                mark(&format!(" RENAME DSNAME={LONG},")),
                mark("               VOL=3330-1=VOL001,"),
                format!("               NEWNAME={LONG}"),
            ]
        );
        let wide = entry(
            LONG,
            "3330-11",
            &["VOL001", "VOL002", "VOL003", "VOL004", "VOL005", "VOL006", "VOL007"],
        );
        assert_eq!(
            catlg(&wide, cvol()).unwrap(),
            [
                mark(&format!(" CATLG DSNAME={LONG},")),
                mark("               VOL=3330-1=(VOL001,VOL002,VOL003,VOL004,VOL005,VOL006,"),
                "               VOL007),CVOL=3330=DLIBA1".into(),
            ]
        );
        for card in catlg(&wide, cvol()).unwrap() {
            assert!(card.len() <= 72);
        }
    }

    #[test]
    fn a_statement_may_fill_its_card_to_the_last_column() {
        let operand = |length: usize| vec!["A".repeat(length)];
        assert_eq!(cards("CATLG", &operand(64)), [format!(" CATLG {}", "A".repeat(64))]);
        let two = [format!("B={}", "A".repeat(30)), "C".repeat(31)];
        assert_eq!(cards("CATLG", &two)[0].len(), LAST_COLUMN);
        let two = [format!("B={}", "A".repeat(30)), "C".repeat(32)];
        assert_eq!(cards("CATLG", &two)[0].len(), 72);
        assert_eq!(cards("CATLG", &two)[0].as_bytes()[71], b'X');
    }

    #[test]
    fn idcams_commands() {
        let catalog = name("UCAT.ONE");
        assert_eq!(
            delete_noscratch(&name("A.B"), Some(&catalog)).unwrap(),
            [" DELETE A.B -", "   NONVSAM NOSCRATCH -", "   CATALOG(UCAT.ONE)"]
        );
        let two = entry("A.B", "3350", &["V1", "V2"]);
        assert_eq!(
            define_nonvsam(&two, None).unwrap(),
            [
                " DEFINE NONVSAM -",
                "   (NAME(A.B) -",
                "   DEVICETYPES(3350) -",
                "   VOLUMES(V1 -",
                "      V2))",
            ]
        );
    }

    #[test]
    fn what_no_statement_can_say_is_refused() {
        let mut mixed = entry("A.B", "3350", &["V1", "V2"]);
        mixed.volumes[1].unit_type = Device::named("3330").unwrap().unit_type();
        assert_eq!(catlg(&mixed, cvol()).unwrap_err().reason(), Reason::NotDelegated);
        assert!(define_nonvsam(&mixed, None).unwrap().concat().contains("3350 -      3330"));
        mixed.volumes[1].unit_type = [0x30, 0x00, 0x80, 0x03];
        assert_eq!(catlg(&mixed, cvol()).unwrap_err().reason(), Reason::NotDelegated);
        assert_eq!(define_nonvsam(&mixed, None).unwrap_err().reason(), Reason::NotDelegated);
        mixed.volumes.clear();
        assert_eq!(catlg(&mixed, cvol()).unwrap_err().reason(), Reason::NotDelegated);
        assert_eq!(define_nonvsam(&mixed, None).unwrap_err().reason(), Reason::NotDelegated);
    }
}
