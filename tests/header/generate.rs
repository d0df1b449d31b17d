//! Makes the header: cbindgen writes what `src/ffi` declares, and the lists of the library give the constants that stand
//! nowhere in the source, because they would stand there twice.

use crate::declarations::{Declarations, Prototype};
use std::fmt::Write;
use std::fs;
use trackmirror::Reason;
use trackmirror::event::Event;
use trackmirror::ffi::FUNCTIONS;
use trackmirror::state::{State, Verb};

/// What the functions are about, by the number of the first one.
const SECTIONS: [(u32, &str); 9] = [
    (1, "The library"),
    (10, "Volumes"),
    (30, "The host: volumes and the other ports, bundled"),
    (60, "What a data set is, what forbids moving it, and where it would go"),
    (80, "Translate tables: where a track goes; and sets of tracks"),
    (100, "Copying, and comparing"),
    (120, "Migrations"),
    (160, "Monitors: which tracks a program writes, and who asks for it"),
    (200, "Between machines"),
];

/// The whole header.
pub fn header() -> String {
    let made = Declarations::of(&by_cbindgen());
    let mut text = String::from(
        "/* Made by `BLESS=1 cargo test --test header` from the library's source: edit that, not this. */\n\
         #ifndef TRACKMIRROR_H\n\
         #define TRACKMIRROR_H\n\n",
    );
    text += &manual();
    text += "\n#include <stdint.h>\n#include <string.h>\n\n";
    text += &version();
    text += CLEAR;
    text += &constants(&made);
    text += &numbers();
    text += "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
    text += &title("Handles");
    for handle in &made.handles {
        text += &format!("{}{}\n\n", doc(&handle.doc), handle.code);
    }
    text += &title("Structures, and the host's tables of functions");
    for named in &made.function_types {
        text += &format!("{}{}\n\n", doc(&named.doc), named.code);
    }
    for structure in &made.structures {
        text += &format!("{}{}\n\n", doc(&structure.doc), shortened(&structure.code));
    }
    text += &functions(&made.functions);
    text += &pragmas();
    text += "#ifdef __cplusplus\n}\n#endif\n\n#endif /* TRACKMIRROR_H */\n";
    text
}

/// Clears a structure, and says how long it is. In C++ without casts that C alone has.
const CLEAR: &str = "\
/* Clears a structure of this header, and sets its size: do so before each is used. */
#ifdef __cplusplus
#define TMR_CLEAR(s) \\
    (static_cast<void>(memset(static_cast<void *>(&(s)), 0, sizeof(s))), (s).size = static_cast<uint32_t>(sizeof(s)))
#else
#define TMR_CLEAR(s) ((void)memset((void *)&(s), 0, sizeof(s)), (s).size = (uint32_t)sizeof(s))
#endif

";

/// What cbindgen makes of `src/ffi/mod.rs` and the files that it names.
fn by_cbindgen() -> String {
    let config = cbindgen::Config::from_file("cbindgen.toml").expect("cbindgen.toml is right");
    let builder = cbindgen::Builder::new().with_config(config).with_src("src/ffi/mod.rs");
    let mut bytes = Vec::new();
    builder.generate().expect("cbindgen reads src/ffi").write(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// The words on top: the module's own documentation.
fn manual() -> String {
    let manual = fs::read_to_string("src/ffi/manual.md").unwrap();
    assert!(!manual.contains("*/") && !manual.contains("/*"), "a comment in the manual");
    let mut text = String::from("/*\n");
    let mut is_code = false;
    for line in manual.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
            continue;
        }
        let line = match line.strip_prefix("## ") {
            Some(title) => title.replace("z/OS", "z/os").to_uppercase().replace("Z/OS", "z/OS"),
            None if is_code => format!("    {line}"),
            None => line.replace('`', ""),
        };
        text += format!(" * {line}").trim_end();
        text += "\n";
    }
    text + " */\n"
}

fn title(words: &str) -> String {
    format!("/* {:-<110} */\n\n", format!("{words} "))
}

/// A comment, without the part that only Rust's own tools ask for.
fn doc(text: &str) -> String {
    let text = text.split("# Safety").next().unwrap().trim_end();
    assert!(!text.is_empty(), "something has no comment");
    assert!(!text.contains("*/") && !text.contains("/*"), "{text}");
    if !text.contains('\n') {
        return format!("/** {text} */\n");
    }
    let lines = text.lines().map(|line| format!(" * {line}").trim_end().to_string() + "\n");
    format!("/**\n{} */\n", lines.collect::<String>())
}

/// The same with comments of one line on one line.
fn shortened(code: &str) -> String {
    let lines: Vec<&str> = code.lines().collect();
    let (mut text, mut next) = (String::new(), 0);
    while next < lines.len() {
        let is_short = lines[next].trim() == "/**"
            && lines.get(next + 2).is_some_and(|line| line.trim() == "*/");
        if is_short {
            let words = lines[next + 1].trim().trim_start_matches("* ");
            text += &format!("    /** {words} */\n");
            next += 3;
        } else {
            text += &format!("{}\n", lines[next]);
            next += 1;
        }
    }
    text.trim_end().to_string()
}

fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    let [major, minor, patch] = parts[..] else { panic!("{version} has not three parts") };
    let number = major * 1_000_000 + minor * 1_000 + patch;
    format!(
        "{}/* The release that this header is of; tmr_version tells that of the library. */\n\
         #define TMR_VERSION_MAJOR {major}u\n\
         #define TMR_VERSION_MINOR {minor}u\n\
         #define TMR_VERSION_PATCH {patch}u\n\
         /* All three: TMR_VERSION_MAJOR * 1000000 + TMR_VERSION_MINOR * 1000 + TMR_VERSION_PATCH. */\n\
         #define TMR_VERSION {number}u\n\n",
        title("The release")
    )
}

/// A name of Rust as C constants are written: BadName is BAD_NAME, back-out is BACK_OUT.
pub fn constant_name(name: &str) -> String {
    let mut upper = String::new();
    for (place, character) in name.chars().enumerate() {
        if place > 0 && character.is_ascii_uppercase() {
            upper.push('_');
        }
        upper.push(if character == '-' { '_' } else { character.to_ascii_uppercase() });
    }
    upper
}

/// What each state and verb means stands in the source as the documentation of its name.
fn meaning(kind: &str, name: &str, number: u32) -> String {
    let source = fs::read_to_string("src/state.rs").unwrap();
    let (_, source) = source.split_once(&format!("    {kind} {{\n")).unwrap();
    let definition = format!(" = {number}, \"{name}\";");
    let mut lines = source.lines().map(str::trim);
    let mut doc = "";
    let found = lines.find_map(|line| {
        let text = line.strip_prefix("#[doc = \"").and_then(|text| text.strip_suffix("\"]"));
        doc = text.unwrap_or(doc);
        line.ends_with(&definition).then_some(doc)
    });
    found.unwrap_or_else(|| panic!("src/state.rs does not define {name} = {number}")).to_string()
}

/// What an event means: the documentation of the variant that has this number.
fn happening(number: usize) -> String {
    let source = fs::read_to_string("src/event.rs").unwrap();
    let end = format!(" => {number},");
    let arm =
        source.lines().find_map(|line| line.trim().strip_prefix("Event::")?.strip_suffix(&end));
    let arm = arm.unwrap_or_else(|| panic!("src/event.rs has no number {number}"));
    let variant = arm.split([' ', '(', '{']).next().unwrap();
    let (_, source) = source.split_once("pub enum Event {").unwrap();
    let mut doc = Vec::new();
    for line in source.lines() {
        match line.strip_prefix("    /// ") {
            Some(text) => doc.push(text),
            None if line
                .strip_prefix("    ")
                .is_some_and(|line| line.split(['(', '{', ',', ' ']).next() == Some(variant)) =>
            {
                return doc.join(" ");
            }
            None => doc.clear(),
        }
    }
    panic!("src/event.rs does not say what {variant} is")
}

/// The names that stand for numbers in lists of the library.
fn numbers() -> String {
    let mut text = title("Why something was refused, or failed");
    text += "/* Reason codes. The numbers are never used for anything else; later releases have more of them. */\n\n";
    for reason in Reason::ALL {
        let (name, number) = (constant_name(reason.name()), *reason as u32);
        let code = reason.code() as i32;
        let _ = writeln!(text, "/** Return code {code}: {}. */", reason.text());
        let _ = writeln!(text, "#define TMR_R_{name} {number}u");
    }
    text += "\n";
    text += &title("The states of a migration");
    for state in State::ALL {
        let (name, number) = (constant_name(state.name()), *state as u32);
        let _ = writeln!(text, "/** {} */", meaning("State", state.name(), number));
        let _ = writeln!(text, "#define TMR_STATE_{name} {number}u");
    }
    text += "\n";
    text += &title("What a migration can be told to do");
    for verb in Verb::ALL {
        let (name, number) = (constant_name(verb.name()), *verb as u32);
        let _ = writeln!(text, "/** {} */", meaning("Verb", verb.name(), number));
        let _ = writeln!(text, "#define TMR_VERB_{name} {number}u");
    }
    text += "\n";
    text += &title("What is told while a migration runs");
    for (place, word) in Event::NAMES.iter().enumerate() {
        let (name, number) = (constant_name(word), place + 1);
        let _ = writeln!(text, "/** {} */", happening(number));
        let _ = writeln!(text, "#define TMR_EVENT_{name} {number}u");
    }
    text += "\n";
    text += &title("The numbers of the functions, for tmr_call");
    for function in FUNCTIONS {
        let name = function.name.trim_start_matches("tmr_").to_ascii_uppercase();
        let _ = writeln!(text, "/** {} */", function.name);
        let _ = writeln!(text, "#define TMR_F_{name} {}u", function.number);
    }
    text + "\n"
}

/// A constant of the source.
struct Written {
    /// The file that it is in, by its place among them.
    file: usize,
    name: String,
    kind: String,
    value: String,
}

/// The constants of the source, in the order in which a reader meets them there.
fn written() -> Vec<Written> {
    let folder = std::path::Path::new("src/ffi");
    let module = fs::read_to_string(folder.join("mod.rs")).unwrap();
    let files = module.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let files = files.map(|name| fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap());
    let texts = [module.clone()].into_iter().chain(files);
    let constants = texts.enumerate().flat_map(|(file, text)| {
        let constant = |line: &str| {
            let (name, rest) = line.strip_prefix("pub const TMR_")?.split_once(": ")?;
            let (kind, value) = rest.split_once(" = ")?;
            let (name, kind) = (format!("TMR_{name}"), kind.to_string());
            Some(Written { file, name, kind, value: value.trim_end_matches(';').to_string() })
        };
        text.lines().filter_map(constant).collect::<Vec<_>>()
    });
    constants.collect()
}

/// The constants that cbindgen found, each with the type that it has in the source.
fn constants(made: &Declarations) -> String {
    let mut text = title("Return codes, and the values of parameters and fields");
    let written = written();
    for constant in &made.constants {
        let is_there = written.iter().any(|written| written.name == constant.name);
        assert!(is_there, "{} is on more than one line", constant.name);
    }
    let mut last = 0;
    for Written { file, name, kind, value } in written {
        if std::mem::replace(&mut last, file) != file {
            text += "\n";
        }
        let found = made.constants.iter().find(|constant| constant.name == name);
        let found = found.unwrap_or_else(|| panic!("cbindgen does not see {name}"));
        // Hexadecimal stays so; and what is computed is taken as it was found.
        let digits = value.replace('_', "");
        let number = if digits.starts_with("0x") { digits } else { found.value.clone() };
        let is_number = number.starts_with(|c: char| c.is_ascii_digit());
        let suffix = match (kind.as_str(), is_number) {
            ("i32", _) | (_, false) => "",
            ("u32", true) => "u",
            ("u64", true) => "ull",
            _ => panic!("{name} is {kind}, not i32, u32 or u64"),
        };
        text += &format!("{}#define {name} {number}{suffix}\n", doc(&found.doc));
    }
    text + "\n"
}

fn functions(made: &[Prototype]) -> String {
    let mut text = String::new();
    let mut section = "";
    for function in FUNCTIONS {
        let found = made.iter().find(|prototype| prototype.name == function.name);
        let found = found.unwrap_or_else(|| panic!("cbindgen does not see {}", function.name));
        let of = SECTIONS.iter().rev().find(|(first, _)| *first <= function.number).unwrap().1;
        if of != section {
            section = of;
            text += &title(section);
        }
        let mut words = doc(&found.doc);
        words.truncate(words.len() - " */\n".len());
        let (name, parameters) = (function.name, wrapped(function.name, &found.parameters));
        let number = constant_name(name.trim_start_matches("tmr_"));
        text += &format!(
            "{words} * Alias: {}, TMR_F_{number}.\n */\nint32_t {name}({parameters});\n\n",
            function.alias
        );
    }
    text
}

/// Parameters on as few lines as they need.
fn wrapped(name: &str, parameters: &[String]) -> String {
    let indent = "int32_t ".len() + name.len() + 1;
    let (mut text, mut length) = (String::new(), indent);
    for (place, parameter) in parameters.iter().enumerate() {
        let is_last = place + 1 == parameters.len();
        if place > 0 && length + parameter.len() + 2 > 110 {
            text = text.trim_end().to_string() + "\n" + &" ".repeat(indent);
            length = indent;
        }
        text += parameter;
        text += if is_last { "" } else { ", " };
        length += parameter.len() + 2;
    }
    text
}

/// On z/OS the linker is told the names that fit it.
fn pragmas() -> String {
    let mut text = title("The aliases: each function has a second name that fits every binder");
    text += "#ifdef __MVS__\n";
    for function in FUNCTIONS {
        let _ = writeln!(text, "#pragma map({}, \"{}\")", function.name, function.alias);
    }
    text + "#endif\n\n"
}
