//! What a verb answers: a text for people, a value for programs, and the code of return.

use serde_json::{Value, json};
use std::fmt::Write;
use trackmirror::bytes::ebcdic_text;
use trackmirror::geometry::{Extent, Geometry};
use trackmirror::{Code, Error};

/// The version of what `--json` prints. It grows when something is removed or changes its meaning, not when something
/// is added.
pub const SCHEMA: u32 = 1;

/// What a verb answers.
pub struct Answer {
    /// The code of return.
    pub code: Code,
    /// For people; ends with a newline unless it is empty.
    pub text: String,
    /// For programs.
    pub json: Value,
}

impl Answer {
    /// Done.
    pub fn done(text: String, json: Value) -> Answer {
        Answer { code: Code::Done, text, json }
    }

    /// Done with remarks if there are any.
    pub fn with_remarks(remarks: bool, text: String, json: Value) -> Answer {
        Answer { code: if remarks { Code::More } else { Code::Done }, text, json }
    }
}

/// Why there is no answer.
pub struct Failure {
    /// What failed.
    pub error: Error,
    /// What can be done now, for people.
    pub advice: String,
}

/// What a verb gives back.
pub type Outcome<T> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, advice: String::new() }
    }
}

/// The whole answer as JSON.
pub fn json(verb: &str, answer: &Answer) -> String {
    format!(
        "{:#}\n",
        json!({ "schema": SCHEMA, "verb": verb, "code": answer.code as i32, "result": answer.json })
    )
}

/// A failure as JSON.
pub fn json_failure(verb: &str, Failure { error, advice }: &Failure) -> String {
    format!(
        "{:#}\n",
        json!({
            "schema": SCHEMA, "verb": verb, "code": error.code() as i32, "error": error_value(error), "advice": advice,
        })
    )
}

/// One error.
pub fn error_value(error: &Error) -> Value {
    json!({
        "reason": error.reason() as u32,
        "name": error.reason().name(),
        "volser": error.volser().map(|volser| ebcdic_text(&volser)),
        "track": error.track(),
        "data_set": error.data_set().map(|name| ebcdic_text(&name)),
        "sentence": error.sentence(),
    })
}

/// A count with its noun.
pub fn count(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Tracks as whole cylinders and tracks: `3 cylinders and 7 tracks`.
pub fn size(track_count: u32, heads: u16) -> String {
    let heads = u32::from(heads).max(1);
    let (cylinders, tracks) = (track_count / heads, track_count % heads);
    match (cylinders, tracks) {
        (0, tracks) => count(tracks, "track"),
        (cylinders, 0) => count(cylinders, "cylinder"),
        _ => format!("{} and {}", count(cylinders, "cylinder"), count(tracks, "track")),
    }
}

/// An extent as first and last address: `12/0-14/14`.
pub fn limits(extent: Extent, geometry: &Geometry) -> String {
    let last = extent.first.plus(extent.track_count.saturating_sub(1));
    format!("{}-{}", geometry.cchh(extent.first), geometry.cchh(last))
}

/// An extent for programs.
pub fn extent_value(extent: Extent, geometry: &Geometry) -> Value {
    let last = extent.first.plus(extent.track_count.saturating_sub(1));
    json!({
        "first_track": extent.first.0,
        "track_count": extent.track_count,
        "low": geometry.cchh(extent.first).to_string(),
        "high": geometry.cchh(last).to_string(),
    })
}

/// A table with a head; columns are as wide as they must be.
pub struct Table {
    /// The head of each column; one that begins with `>` is aligned to the right.
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(head: &'static [&'static str]) -> Table {
        Table { head, rows: Vec::new() }
    }

    /// Adds a row; it may have fewer cells than the head.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let titles: Vec<String> =
            self.head.iter().map(|title| title.trim_start_matches('>').to_string()).collect();
        let lines = || std::iter::once(&titles).chain(&self.rows);
        let width = |column: usize| {
            lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> =
            (0..titles.len()).map(|column| width(column).unwrap_or(0)).collect();
        for line in lines() {
            let mut text = String::new();
            for (column, cell) in line.iter().enumerate() {
                let width = widths.get(column).copied().unwrap_or(0);
                if self.head.get(column).is_some_and(|title| title.starts_with('>')) {
                    write!(text, "{cell:>width$}  ")?;
                } else {
                    write!(text, "{cell:<width$}  ")?;
                }
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_have_no_blanks_at_their_ends() {
        let mut table = Table::new(&["NAME", ">TRACKS", "NOTE"]);
        table.row(vec!["A.B".into(), "5".into(), String::new()]);
        table.row(vec!["LONG.NAME".into(), "12345678".into(), "x".into()]);
        let expected = "\
NAME         TRACKS  NOTE
A.B               5
LONG.NAME  12345678  x
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn sizes_are_as_in_jcl() {
        assert_eq!(size(0, 15), "0 tracks");
        assert_eq!(size(15, 15), "1 cylinder");
        assert_eq!(size(47, 15), "3 cylinders and 2 tracks");
    }
}
