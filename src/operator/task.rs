//! What is handed to an operator's command: verb, statements, and a description in JSON.
//!
//! The JSON is one object in one line. `version` is 1; fields may be added, none changes its meaning.
//!
//! ```
//! use trackmirror::operator::task::Task;
//! let task = Task::new("hold").names("data_sets", &["TEST.SEQ.FB".parse()?])?;
//! assert_eq!(task.input(), "\n{\"version\":1,\"verb\":\"hold\",\"data_sets\":[\"TEST.SEQ.FB\"]}\n");
//! # Ok::<(), trackmirror::Error>(())
//! ```

use super::statement;
use crate::catalog::CatalogVolume;
use crate::error::{Error, Reason, Result};
use crate::name::{DsName, Volser};

/// One thing to be done.
#[derive(Clone, Debug)]
pub struct Task {
    pub(super) verb: &'static str,
    pub(super) volume: Option<String>,
    pub(super) data_set: Option<String>,
    cards: Vec<String>,
    json: String,
}

/// A text as JSON has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    quoted.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

impl Task {
    /// Nothing but its verb.
    pub fn new(verb: &'static str) -> Task {
        let json = format!("{{\"version\":1,\"verb\":{}", quoted(verb));
        Task { verb, volume: None, data_set: None, cards: Vec::new(), json }
    }

    fn field(mut self, name: &str, value: &str) -> Task {
        self.json.push_str(&format!(",{}:{value}", quoted(name)));
        self
    }

    /// With a text.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Task {
        self.field(name, &quoted(text))
    }

    /// With yes or no.
    #[must_use]
    pub fn flag(self, name: &str, flag: bool) -> Task {
        self.field(name, if flag { "true" } else { "false" })
    }

    /// About this volume.
    pub fn volume(mut self, volser: Volser) -> Result<Task> {
        let text = volser_text(volser)?;
        self.volume = Some(text.clone());
        Ok(self.text("volume", &text))
    }

    /// About this data set.
    pub fn data_set(mut self, name: &DsName) -> Result<Task> {
        let text = name_text(name)?;
        self.data_set = Some(text.clone());
        Ok(self.text("data_set", &text))
    }

    /// With a name.
    pub fn name(self, field: &str, name: &DsName) -> Result<Task> {
        Ok(self.text(field, &name_text(name)?))
    }

    /// With names; if it is one, the task is about it.
    pub fn names(mut self, field: &str, names: &[DsName]) -> Result<Task> {
        let texts = names.iter().map(name_text).collect::<Result<Vec<_>>>()?;
        if let [one] = texts.as_slice() {
            self.data_set = Some(one.clone());
        }
        Ok(self.field(field, &list(texts.iter().map(|text| quoted(text)))))
    }

    /// With volumes; if it is one, the task is about it.
    pub fn volsers(mut self, field: &str, volsers: &[Volser]) -> Result<Task> {
        let texts =
            volsers.iter().map(|&volser| volser_text(volser)).collect::<Result<Vec<_>>>()?;
        if let [one] = texts.as_slice() {
            self.volume = Some(one.clone());
        }
        Ok(self.field(field, &list(texts.iter().map(|text| quoted(text)))))
    }

    /// With the volumes of a catalog entry, and their units.
    pub fn entry(self, field: &str, volumes: &[CatalogVolume]) -> Result<Task> {
        let one = |volume: &CatalogVolume| -> Result<String> {
            let volser = quoted(&volser_text(volume.volser)?);
            Ok(format!("{{\"volume\":{volser},\"unit\":{}}}", quoted(statement::unit_of(volume)?)))
        };
        let volumes = volumes.iter().map(one).collect::<Result<Vec<_>>>()?;
        Ok(self.field(field, &list(volumes)))
    }

    /// With these cards.
    #[must_use]
    pub fn cards(mut self, cards: Vec<String>) -> Task {
        self.cards = cards;
        self
    }

    /// What the command reads: the cards, an empty line, the JSON.
    pub fn input(&self) -> String {
        let cards: String = self.cards.iter().map(|card| format!("{card}\n")).collect();
        format!("{cards}\n{}}}\n", self.json)
    }
}

/// A name that may stand in a statement.
///
/// Error: [`Reason::BadName`] for one that keeps not the rules.
pub fn name_text(name: &DsName) -> Result<String> {
    if name.is_regular() {
        return Ok(name.to_string());
    }
    Err(Error::new(
        Reason::BadName,
        format!("{name} cannot stand in a control statement; let its own system rename it first"),
    )
    .of_data_set(*name))
}

/// A serial that may stand in a statement.
///
/// Error: [`Reason::BadVolser`] for one that keeps not the rules.
pub fn volser_text(volser: Volser) -> Result<String> {
    if volser.is_regular() {
        return Ok(volser.to_string());
    }
    Err(Error::new(
        Reason::BadVolser,
        format!("{volser} cannot stand in a control statement; give the volume another serial"),
    )
    .on_volume(volser))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(quoted("a\"b\\c\n\u{e9}\u{1F600}"), r#""a\"b\\c\u000a\u00e9\ud83d\ude00""#);
    }

    #[test]
    fn a_task_reads_as_documented() {
        let name: DsName = "A.B#@$".parse().unwrap();
        let task = Task::new("scratch")
            .volume("VOL001".parse().unwrap())
            .and_then(|task| task.data_set(&name))
            .unwrap()
            .flag("purge", true)
            .cards(vec![" ONE".into(), " TWO".into()]);
        assert_eq!(
            task.input(),
            " ONE\n TWO\n\n{\"version\":1,\"verb\":\"scratch\",\"volume\":\"VOL001\",\"data_set\":\"A.B#@$\",\
             \"purge\":true}\n"
        );
        assert_eq!(
            (task.volume.as_deref(), task.data_set.as_deref()),
            (Some("VOL001"), Some("A.B#@$"))
        );
    }

    #[test]
    fn names_that_break_the_rules_reach_no_command() {
        let shell = DsName::from_bytes({
            let mut bytes = [0x40; 44];
            bytes[..6].copy_from_slice(&[0xC1, 0x5E, 0x99, 0x94, 0x40, 0x61]); // A;rm /
            bytes
        });
        for bad in [shell, DsName::from_bytes([0x40; 44]), DsName::from_bytes([0x00; 44])] {
            assert_eq!(Task::new("x").data_set(&bad).unwrap_err().reason(), Reason::BadName);
            assert_eq!(Task::new("x").names("n", &[bad]).unwrap_err().reason(), Reason::BadName);
        }
        let volser = Volser::from_bytes([0x7D; 6]);
        assert_eq!(Task::new("x").volume(volser).unwrap_err().reason(), Reason::BadVolser);
        assert_eq!(Task::new("x").volsers("v", &[volser]).unwrap_err().reason(), Reason::BadVolser);
    }
}
