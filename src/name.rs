//! Names: data sets, volumes, and masks that select data sets (FORMATS 8).
//!
//! The identity of a name is its EBCDIC bytes: the national characters are code points, whatever glyph a terminal
//! shows for them, and a volume may hold names that break the rules. So reading accepts any bytes, and the rules are
//! enforced where a new name is made ([`DsName::parse`], [`Volser::parse`]).

use crate::bytes::{Decoder, Encode, Encoder, ebcdic_text, to_ebcdic};
use crate::error::{Error, Reason, Result};
use std::fmt;
use std::str::FromStr;

const BLANK: u8 = 0x40;
const PERIOD: u8 = 0x4B;
const ASTERISK: u8 = 0x5C;
const PERCENT: u8 = 0x6C;
const HYPHEN: u8 = 0x60;

fn is_letter_or_national(byte: u8) -> bool {
    matches!(byte, 0xC1..=0xC9 | 0xD1..=0xD9 | 0xE2..=0xE9 | 0x5B | 0x7B | 0x7C)
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, 0xF0..=0xF9)
}

/// Upper-cases, translates and pads with blanks; `None` if it is too long or has a character that EBCDIC has not.
fn padded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [BLANK; N];
    if text.chars().count() > N {
        return None;
    }
    for (place, character) in bytes.iter_mut().zip(text.chars()) {
        *place = to_ebcdic(character.to_ascii_uppercase())?;
    }
    Some(bytes)
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != BLANK && byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// A data set name: 44 EBCDIC bytes, padded with blanks.
///
/// ```
/// use trackmirror::DsName;
/// let name: DsName = "TEST.SEQ.FB".parse()?;
/// assert_eq!(name.to_string(), "TEST.SEQ.FB");
/// assert!("A..B".parse::<DsName>().is_err());
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DsName([u8; 44]);

impl DsName {
    /// The name that these 44 bytes are, whatever they are.
    pub const fn from_bytes(bytes: [u8; 44]) -> DsName {
        DsName(bytes)
    }

    /// A name by the rules of FORMATS 8.2, as for a new data set: 1 to 44 characters, qualifiers of 1 to 8 characters
    /// that begin with a letter or a national character.
    pub fn parse(text: &str) -> Result<DsName> {
        let name = padded(text).map(DsName);
        name.filter(DsName::is_regular).ok_or_else(|| {
            Error::new(
                Reason::BadName,
                format!(
                    "'{text}' is not a data set name: at most 44 characters, in qualifiers of 1 to 8 \
                     characters that begin with A-Z, #, @ or $"
                ),
            )
        })
    }

    /// The 44 bytes.
    pub const fn as_bytes(&self) -> &[u8; 44] {
        &self.0
    }

    /// The bytes without the padding.
    pub fn trimmed(&self) -> &[u8] {
        trimmed(&self.0)
    }

    /// The qualifiers, as EBCDIC bytes.
    pub fn qualifiers(&self) -> impl Iterator<Item = &[u8]> {
        self.trimmed().split(|&byte| byte == PERIOD)
    }

    /// Whether the name keeps the rules for new names.
    pub fn is_regular(&self) -> bool {
        self.qualifiers().all(|qualifier| {
            (1..=8).contains(&qualifier.len())
                && is_letter_or_national(qualifier[0])
                && qualifier.iter().all(|&b| is_letter_or_national(b) || is_digit(b) || b == HYPHEN)
        })
    }

    /// Whether the name begins with these characters.
    pub fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(place, c)| self.0.get(place).copied() == to_ebcdic(c))
    }
}

impl FromStr for DsName {
    type Err = Error;
    fn from_str(text: &str) -> Result<DsName> {
        DsName::parse(text)
    }
}

impl fmt::Display for DsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&ebcdic_text(&self.0))
    }
}

impl fmt::Debug for DsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DsName({self})")
    }
}

impl From<DsName> for [u8; 44] {
    fn from(name: DsName) -> [u8; 44] {
        name.0
    }
}

impl Encode for DsName {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.0);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<DsName> {
        Ok(DsName(from.get()?))
    }
}

/// A volume serial: 6 EBCDIC bytes, padded with blanks.
///
/// ```
/// let volser: trackmirror::Volser = "VOL001".parse()?;
/// assert_eq!(volser.to_string(), "VOL001");
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Volser([u8; 6]);

impl Volser {
    /// The serial that these bytes are, whatever they are.
    pub const fn from_bytes(bytes: [u8; 6]) -> Volser {
        Volser(bytes)
    }

    /// A serial by the rules of FORMATS 8.4, as for a new volume: 1 to 6 of A-Z, 0-9, #, @, $ and hyphen.
    pub fn parse(text: &str) -> Result<Volser> {
        let volser = padded(text).map(Volser);
        volser.filter(Volser::is_regular).ok_or_else(|| {
            Error::new(
                Reason::BadVolser,
                format!("'{text}' is not a volume serial: 1 to 6 of A-Z, 0-9, #, @, $ and hyphen"),
            )
        })
    }

    /// The 6 bytes.
    pub const fn as_bytes(&self) -> &[u8; 6] {
        &self.0
    }

    /// Whether the serial keeps the rules for new serials.
    pub fn is_regular(&self) -> bool {
        let used = trimmed(&self.0);
        !used.is_empty()
            && used.iter().all(|&b| is_letter_or_national(b) || is_digit(b) || b == HYPHEN)
    }
}

impl FromStr for Volser {
    type Err = Error;
    fn from_str(text: &str) -> Result<Volser> {
        Volser::parse(text)
    }
}

impl fmt::Display for Volser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&ebcdic_text(&self.0))
    }
}

impl fmt::Debug for Volser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Volser({self})")
    }
}

impl From<Volser> for [u8; 6] {
    fn from(volser: Volser) -> [u8; 6] {
        volser.0
    }
}

impl Encode for Volser {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.0);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Volser> {
        Ok(Volser(from.get()?))
    }
}

/// A mask that selects data sets by name (FORMATS 8.3): `*` as a qualifier is any one qualifier, inside a qualifier any
/// run of characters; `**` is any number of qualifiers; `%` is one character.
///
/// ```
/// use trackmirror::{DsMask, DsName};
/// let mask: DsMask = "TEST.**.F%".parse()?;
/// assert!(mask.matches(&DsName::parse("TEST.FB")?));
/// assert!(mask.matches(&DsName::parse("TEST.SEQ.OLD.FB")?));
/// assert!(!mask.matches(&DsName::parse("TEST.SEQ.FBS")?));
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DsMask(Vec<Vec<u8>>);

impl DsMask {
    /// A mask from its text; letters are made upper case.
    pub fn parse(text: &str) -> Result<DsMask> {
        let bad = |why: &str| {
            Error::new(Reason::BadMask, format!("'{text}' is not a data set name mask: {why}"))
        };
        let bytes = padded::<128>(text).ok_or_else(|| bad("a character that no name has"))?;
        let qualifiers: Vec<Vec<u8>> =
            trimmed(&bytes).split(|&byte| byte == PERIOD).map(<[u8]>::to_vec).collect();
        for qualifier in &qualifiers {
            if qualifier.is_empty() {
                return Err(bad("an empty qualifier"));
            }
            let double = qualifier.windows(2).any(|pair| pair == [ASTERISK, ASTERISK]);
            if double && qualifier.len() != 2 {
                return Err(bad("** must stand as a qualifier of its own"));
            }
            if let Some(&byte) = qualifier.iter().find(|&&byte| {
                !(is_letter_or_national(byte)
                    || is_digit(byte)
                    || matches!(byte, HYPHEN | ASTERISK | PERCENT))
            }) {
                return Err(bad(&format!("'{}' stands in no name", ebcdic_text(&[byte]))));
            }
        }
        Ok(DsMask(qualifiers))
    }

    /// Whether the name is selected.
    pub fn matches(&self, name: &DsName) -> bool {
        let names: Vec<&[u8]> = name.qualifiers().collect();
        // reachable[n]: the patterns so far match exactly the first n qualifiers.
        let mut reachable = vec![false; names.len() + 1];
        reachable[0] = true;
        for pattern in &self.0 {
            if pattern.as_slice() == [ASTERISK, ASTERISK] {
                let first = reachable.iter().position(|&yes| yes).unwrap_or(reachable.len());
                reachable[first..].fill(true);
            } else {
                for place in (1..=names.len()).rev() {
                    reachable[place] = reachable[place - 1] && glob(pattern, names[place - 1]);
                }
                reachable[0] = false;
            }
        }
        reachable[names.len()]
    }

    /// The one name that the mask selects, if it has no `*` and no `%`.
    pub fn as_name(&self) -> Option<DsName> {
        let bytes = self.0.join(&PERIOD);
        if bytes.len() > 44 || bytes.iter().any(|&byte| matches!(byte, ASTERISK | PERCENT)) {
            return None;
        }
        let mut name = [BLANK; 44];
        name[..bytes.len()].copy_from_slice(&bytes);
        Some(DsName(name))
    }
}

/// Whether `*` (any run) and `%` (one byte) in `pattern` can stand for `text`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for &byte in pattern {
        if byte == ASTERISK {
            let first = reachable.iter().position(|&yes| yes).unwrap_or(reachable.len());
            reachable[first..].fill(true);
        } else {
            for place in (1..=text.len()).rev() {
                reachable[place] =
                    reachable[place - 1] && (byte == PERCENT || byte == text[place - 1]);
            }
            reachable[0] = false;
        }
    }
    reachable[text.len()]
}

impl FromStr for DsMask {
    type Err = Error;
    fn from_str(text: &str) -> Result<DsMask> {
        DsMask::parse(text)
    }
}

impl fmt::Display for DsMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&ebcdic_text(&self.0.join(&PERIOD)))
    }
}

impl fmt::Debug for DsMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DsMask({self})")
    }
}

impl Encode for DsMask {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.to_string());
    }
    fn decode(from: &mut Decoder<'_>) -> Result<DsMask> {
        DsMask::parse(&from.get::<String>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(mask: &str, name: &str) -> bool {
        DsMask::parse(mask).unwrap().matches(&DsName::parse(name).unwrap())
    }

    #[test]
    fn masks_select_as_documented() {
        for (mask, yes, no) in [
            ("**", &["A", "A.B.C"][..], &[][..]),
            ("A.**", &["A", "A.B", "A.B.C"], &["B", "AB"]),
            ("A.*", &["A.B"], &["A", "A.B.C"]),
            ("A*.**", &["A", "AB.C"], &["B.A"]),
            ("SYS%.**", &["SYS1.X", "SYSA"], &["SYS.X", "SYS12"]),
            ("**.LOAD", &["LOAD", "A.B.LOAD"], &["LOAD.A", "A.LOADS"]),
            ("A.*B*.%%C", &["A.B.XYC", "A.XBY.ABC"], &["A.X.ABC", "A.B.C"]),
            ("A.**.B.**.C", &["A.B.C", "A.X.B.Y.C", "A.B.B.C"], &["A.C", "A.B"]),
        ] {
            yes.iter().for_each(|name| assert!(matches(mask, name), "{mask} selects {name}"));
            no.iter().for_each(|name| assert!(!matches(mask, name), "{mask} leaves {name}"));
        }
    }

    #[test]
    fn new_names_keep_the_rules() {
        for good in ["A", "SYS1.@X.#1.$", "ABCDEFGH.I-J", "a.b"] {
            assert!(DsName::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", ".A", "A.", "A..B", "1A", "ABCDEFGHI", "A.-B", "A B", "A*", &"A.".repeat(23)]
        {
            assert!(DsName::parse(bad).is_err(), "{bad}");
        }
        assert!(Volser::parse("").is_err() && Volser::parse("ABCDEFG").is_err());
        assert!(Volser::parse("A B").is_err() && Volser::parse("A-1").is_ok());
    }

    #[test]
    fn masks_that_cannot_be_meant_are_refused() {
        for bad in ["", "A..B", "A**", "A.***", "A B", "A/B"] {
            assert!(DsMask::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(DsMask::parse("a.b").unwrap().as_name(), DsName::parse("A.B").ok());
        assert_eq!(DsMask::parse("a.%").unwrap().as_name(), None);
    }
}
