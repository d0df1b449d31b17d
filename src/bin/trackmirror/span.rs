//! Lengths of time, as operators type them.

use std::str::FromStr;
use std::time::Duration;
use trackmirror::{Error, Reason};

/// What stands behind the number, and its milliseconds.
const UNITS: [(&str, u64); 6] =
    [("", 1000), ("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// More than anybody waits.
const MAX_MS: u64 = 10 * 366 * 86_400_000;

/// A length of time: a whole number of seconds, or with a unit behind it (`ms`, `s`, `min`, `h`, `d`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Span, Error> {
        let typed = text.trim();
        let end = typed.find(|c: char| !c.is_ascii_digit()).unwrap_or(typed.len());
        let unit = typed[end..].trim_start();
        let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let number: Option<u64> = typed[..end].parse().ok();
        let ms = number.zip(factor).and_then(|(number, (_, factor))| number.checked_mul(*factor));
        ms.filter(|ms| *ms <= MAX_MS).map(|ms| Span(Duration::from_millis(ms))).ok_or_else(|| {
            let why = format!(
                "{text:?} is no length of time: say seconds, as 90, or a whole number with a unit, as 500ms, 10min, 2h \
                 or 7d"
            );
            Error::new(Reason::BadRequest, why)
        })
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let even = |(name, size): &&(&str, u64)| !name.is_empty() && ms.is_multiple_of(*size);
        match UNITS.iter().rev().find(even) {
            Some((name, size)) if ms > 0 => f.pad(&format!("{}{name}", ms / size)),
            _ => f.pad("0s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_type_seconds_or_a_unit() {
        for (text, ms, shown) in [
            ("90", 90_000, "90s"),
            ("0", 0, "0s"),
            (" 500ms ", 500, "500ms"),
            ("1500 ms", 1500, "1500ms"),
            ("120s", 120_000, "2min"),
            ("10min", 600_000, "10min"),
            ("2H", 7_200_000, "2h"),
            ("7d", 604_800_000, "7d"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0.as_millis(), ms, "{text}");
            assert_eq!(span.to_string(), shown);
            assert_eq!(shown.parse::<Span>().unwrap(), span);
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_to_type() {
        for text in ["", "soon", "-1", "1.5h", "10 weeks", "99999999999999999999", "4000d", "s"] {
            let error = text.parse::<Span>().unwrap_err();
            assert!(error.sentence().contains("10min"), "{text}: {error}");
        }
    }
}
