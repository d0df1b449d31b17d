//! Makes the macros for the assembler of z/OS (HLASM) from what the header declares: an equate for each constant, a DSECT for
//! each structure, and macros that clear structures and call functions. And it reads such a file again, statement by
//! statement, and lays its fields out as the assembler does, so that a test can compare them with what a C compiler says.

use crate::declarations::{Declarations, Field, Kind, Structure};
use std::collections::BTreeMap;
use std::fmt::Write;
use trackmirror::ffi::FUNCTIONS;

/// Statements end here; a character in the next column would continue them.
pub const LAST_COLUMN: usize = 71;
/// Names may be so long.
pub const NAME_LENGTH_MAX: usize = 63;
/// Where operations, operands and remarks begin, if what is before them leaves room.
const COLUMNS: [usize; 3] = [36, 42, 50];

/// What stands at the top: how the file is used.
const HEAD: &str = include_str!("head.mac");
/// The macros.
const MACROS: &str = include_str!("macros.mac");

/// The name that a structure's length has.
pub fn length_name(structure: &str) -> String {
    format!("TMR_SIZEOF_{}", structure.trim_start_matches("tmr_").to_ascii_uppercase())
}

/// The name that a field has.
pub fn field_name(structure: &str, field: &str) -> String {
    format!("{structure}_{field}").to_ascii_uppercase()
}

/// The whole file.
pub fn macros(declarations: &Declarations) -> String {
    let mut text = HEAD.to_string() + MACROS;
    text += &title("Equates: every constant of the header");
    for constant in &declarations.constants {
        let parameters = FUNCTIONS.iter().find(|function| {
            let name = function.name.trim_start_matches("tmr_").to_ascii_uppercase();
            constant.name == format!("TMR_F_{name}")
        });
        // The length attribute of a function's number says how many parameters it has.
        let count =
            parameters.map_or(String::new(), |function| format!(",{}", function.parameters.len()));
        if !constant.doc.is_empty() && parameters.is_none() {
            text += &remark(&constant.doc);
        }
        let remark = parameters.map_or("", |function| function.name);
        text += &statement(
            &constant.name,
            "EQU",
            &format!("{}{count}", operand(&constant.value)),
            remark,
        );
    }
    text += "*\n";
    text += &title("Structures, and the host's tables of functions");
    for structure in &declarations.structures {
        text += &section(declarations, structure);
    }
    text
}

/// A value as the assembler writes it. It computes in 32 bits; one of 64 bits must be one of those with the sign extended,
/// as instructions with immediate operands do.
fn operand(value: &str) -> String {
    let digits = value.trim_end_matches(['u', 'l']);
    if value.ends_with("ull") && digits == "0xFFFFFFFFFFFFFFFF" {
        return "-1".into();
    }
    match digits.strip_prefix("0x") {
        Some(hexadecimal) => {
            assert!(hexadecimal.len() <= 8, "{value} is no value of 32 bits");
            format!("X'{hexadecimal}'")
        }
        None => digits.parse::<i32>().unwrap_or_else(|_| panic!("{value}")).to_string(),
    }
}

fn section(declarations: &Declarations, structure: &Structure) -> String {
    let name = structure.name.to_ascii_uppercase();
    let mut text = remark(&structure.doc);
    text += &statement(&name, "DSECT", "", &format!("struct {}", structure.name));
    for field in &structure.fields {
        let of = declaration(field);
        text += &statement(
            &field_name(&structure.name, &field.name),
            "DS",
            &storage(declarations, field),
            &of,
        );
    }
    text += &statement(&length_name(&structure.name), "EQU", &format!("*-{name}"), "");
    text + "*\n"
}

/// A field as C has it, in short.
fn declaration(field: &Field) -> String {
    let bound = if field.is_array { format!("[{}]", field.count) } else { String::new() };
    format!("{} {}{bound}", field.word, field.name)
}

/// The storage of a field.
fn storage(declarations: &Declarations, field: &Field) -> String {
    let factor = if field.is_array { field.count.to_string() } else { String::new() };
    match &field.kind {
        Kind::Number(1) => format!("XL{}", field.count),
        Kind::Number(2) => format!("{factor}H"),
        Kind::Number(4) => format!("{factor}F"),
        Kind::Number(_) => format!("{factor}FD"),
        Kind::Character => format!("CL{}", field.count),
        Kind::Pointer | Kind::Function => format!("{factor}AD"),
        Kind::Structure(name) => {
            format!("{factor}XL{}", declarations.size(declarations.structure(name)))
        }
    }
}

fn title(words: &str) -> String {
    format!("*{}\n* {words}\n*{}\n", "-".repeat(70), "-".repeat(70))
}

/// Comment statements, as many as the text needs.
fn remark(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("*");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > LAST_COLUMN {
            let _ = writeln!(lines, "{line}");
            line = "*".into();
        }
        line += " ";
        line += word;
    }
    lines + &line + "\n"
}

/// One statement. A remark that has no room goes before it.
fn statement(name: &str, operation: &str, operand: &str, remark: &str) -> String {
    let mut line = String::from(name);
    for (column, part) in COLUMNS.iter().zip([operation, operand, remark]) {
        if part.is_empty() {
            continue;
        }
        line += &" ".repeat(column.saturating_sub(line.len() + 1).max(1));
        line += part;
    }
    if line.len() > LAST_COLUMN {
        assert!(!remark.is_empty(), "{line} is too long");
        return self::remark(remark) + &statement(name, operation, operand, "");
    }
    line + "\n"
}

/// What an assembler would make of the file: the value of each name, and the offset of each field within its DSECT.
#[derive(Debug, Default)]
pub struct Assembled {
    pub values: BTreeMap<String, u32>,
    pub fields: BTreeMap<String, u64>,
    /// The length attribute of each function's number.
    pub lengths: BTreeMap<String, u64>,
}

/// Assembles the part of a file that is no macro.
pub fn assemble(text: &str) -> Assembled {
    let mut assembled = Assembled::default();
    let (mut in_macro, mut location, mut section) = (false, 0, String::new());
    for line in text.lines().filter(|line| !line.starts_with('*') && !line.starts_with(".*")) {
        let mut words = line.split_whitespace();
        match line.trim() {
            "MACRO" => in_macro = true,
            "MEND" => in_macro = false,
            _ if in_macro => {}
            _ => {
                assert!(!line.starts_with(' '), "a statement without a name: {line}");
                let name = words.next().unwrap().to_string();
                let (operation, operand) = (words.next().unwrap(), words.next().unwrap_or(""));
                match operation {
                    "DSECT" => {
                        (location, section) = (0, name.clone());
                        assembled.define(name, 0);
                    }
                    "DS" => {
                        let (alignment, length) = duplicated(operand);
                        location = u64::next_multiple_of(location, alignment);
                        assert!(assembled.fields.insert(name, location).is_none(), "{line}");
                        location += length;
                    }
                    "EQU" if operand == format!("*-{section}") => {
                        assembled.define(name, location as u32);
                    }
                    "EQU" => {
                        let (value, length) = operand.split_once(',').unwrap_or((operand, "1"));
                        assembled.lengths.insert(name.clone(), length.parse().unwrap());
                        assembled.define(name, number(value));
                    }
                    other => panic!("{other} in {line}"),
                }
            }
        }
    }
    assert!(!in_macro);
    assembled
}

impl Assembled {
    fn define(&mut self, name: String, value: u32) {
        let before = self.values.insert(name.clone(), value);
        assert!(before.is_none() && !self.fields.contains_key(&name), "{name} is defined twice");
    }
}

fn number(text: &str) -> u32 {
    match text.strip_prefix("X'").and_then(|text| text.strip_suffix('\'')) {
        Some(digits) => u32::from_str_radix(digits, 16).unwrap(),
        None => text.parse::<i32>().unwrap() as u32,
    }
}

/// To how many bytes the operand of a DS statement is aligned, and how many it takes: `3F`, `FD`, `CL16`, `59XL24`.
fn duplicated(operand: &str) -> (u64, u64) {
    let digits = operand.find(|c: char| !c.is_ascii_digit()).unwrap();
    let factor: u64 = if digits == 0 { 1 } else { operand[..digits].parse().unwrap() };
    let kind = &operand[digits..];
    let (kind, explicit) = kind
        .split_once('L')
        .map_or((kind, None), |(kind, length)| (kind, Some(length.parse::<u64>().unwrap())));
    let implicit = match kind {
        "C" | "X" => 1,
        "H" => 2,
        "F" | "A" => 4,
        "FD" | "AD" => 8,
        other => panic!("{other} is no type"),
    };
    // A length modifier takes the alignment away.
    match explicit {
        Some(length) => (1, factor * length),
        None => (implicit, factor * implicit),
    }
}
