//! What the programs know of the interface: every function, with a call of it, and every structure with its fields. Made of
//! the library's list of functions and of the header, so that what is new is attacked, too.

use crate::declarations::{Declarations, Kind, Structure};
use std::fmt::Write;
use trackmirror::ffi::{FUNCTIONS, Function};
use trackmirror::state::{State, Verb};

fn words(kind: &str) -> String {
    kind.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The type behind a pointer as C has it, and behind a pointer to a pointer.
fn in_c(kind: &str) -> String {
    match kind {
        "u32" => "uint32_t".into(),
        "u64" => "uint64_t".into(),
        "c_void" => "void".into(),
        "c_char" => "char".into(),
        other => match other.strip_prefix("*const ").or_else(|| other.strip_prefix("*mut ")) {
            Some(of) => format!("{} *", in_c(of)),
            None => other.into(),
        },
    }
}

/// What a parameter is for the programs (`enum kind` in matrix.c), the type's name, its size and its alignment.
fn parameter(header: &Declarations, function: &Function, name: &str, kind: &str) -> String {
    let kind = words(kind);
    let has_size = |of: &str| {
        let structure = header.structures.iter().find(|structure| structure.name == of)?;
        let first = &structure.fields[0];
        Some(first.name == "size" && first.kind == Kind::Number(4))
    };
    let sized = |what: &str, of: &str| {
        format!("{{\"{name}\", {what}, \"{of}\", sizeof({of}), _Alignof({of})}}")
    };
    let plain = |what: &str| format!("{{\"{name}\", {what}, \"\", 1, 1}}");
    let Some((pointer, of)) = kind.split_once(' ') else {
        return plain(if kind == "u32" { "NUMBER32" } else { "NUMBER64" });
    };
    let is_const = pointer == "*const";
    if let Some((_, of)) = of.split_once(' ') {
        let handle = header.handles.iter().any(|handle| handle.name == of);
        if !handle {
            return sized("ADDRESSES", "uintptr_t");
        }
        let ends = ["_close", "_leave", "_end"].iter().any(|end| function.name.ends_with(end));
        let what = if ends { "HANDLE_TO_CLOSE" } else { "HANDLE_PLACE" };
        return format!("{{\"{name}\", {what}, \"{of}\", sizeof(void *), _Alignof(void *)}}");
    }
    match (of, is_const) {
        ("tmr_error", false) if name == "error" => sized("ERROR_BLOCK", of),
        ("c_char", true) => plain("TEXT"),
        ("c_char", false) => plain("TEXT_PLACE"),
        ("c_void", true) => plain("BYTES"),
        ("c_void", false) => plain("BYTES_PLACE"),
        ("u32", false) => sized("NUMBER_PLACE", "uint32_t"),
        ("u64", false) => sized("NUMBER_PLACE", "uint64_t"),
        ("u64", true) => sized("LIST", "uint64_t"),
        _ if header.handles.iter().any(|handle| handle.name == of) => {
            format!("{{\"{name}\", HANDLE, \"{of}\", 8, 8}}")
        }
        ("tmr_buffer", _) => sized(if is_const { "STRUCTURE" } else { "BUFFER_PLACE" }, of),
        _ => match (has_size(of), is_const) {
            (Some(true), true) => sized("STRUCTURE", of),
            (Some(true), false) => sized("STRUCTURE_PLACE", of),
            (Some(false), true) => sized("LIST", of),
            (Some(false), false) => sized("ITEM_PLACE", of),
            (None, _) => panic!("{}: nobody knows what {kind} is", function.name),
        },
    }
}

fn call(function: &Function) -> String {
    let arguments = function.parameters.iter().enumerate().map(|(place, (_, kind))| {
        let kind = words(kind);
        match kind.split_once(' ') {
            None if kind == "u32" => format!("a[{place}].number32"),
            None => format!("a[{place}].number64"),
            Some((pointer, of)) => {
                let of = in_c(of);
                let is_const =
                    if pointer == "*const" && !of.ends_with('*') { "const " } else { "" };
                let of = if of.ends_with('*') && pointer == "*const" {
                    format!("const {of}const")
                } else {
                    of
                };
                format!("({is_const}{of} *)a[{place}].pointer")
            }
        }
    });
    let arguments = arguments.collect::<Vec<_>>().join(", ");
    format!("    case {}: return {}({arguments});\n", function.number, function.name)
}

fn field_class(header: &Declarations, structure: &Structure, place: usize) -> &'static str {
    let field = &structure.fields[place];
    let _ = header;
    match (&field.kind, field.name.as_str()) {
        (_, "size") => "SIZE",
        (_, name) if name.starts_with("reserved") => "RESERVED",
        (_, "version") => "VERSION",
        (_, "flags" | "options" | "set") => "OPTIONS",
        (Kind::Character, _) => "CHARACTERS",
        (Kind::Function, _) => "FUNCTION",
        _ => "OTHER",
    }
}

/// The C text of all of that.
pub fn tables(header: &Declarations) -> String {
    let mut text = String::from("/* Made by tests/c_abi.rs. */\n");
    text += "static const struct structure structures[] = {\n";
    for structure in &header.structures {
        let (mut fields, mut offset) = (String::new(), 0);
        for (place, field) in structure.fields.iter().enumerate() {
            let size = header.size_of(field);
            let class = field_class(header, structure, place);
            write!(fields, "{{\"{}\", {class}, {offset}, {size}}}, ", field.name).unwrap();
            offset += size;
        }
        let (name, count) = (&structure.name, structure.fields.len());
        writeln!(text, "    {{\"{name}\", {offset}, {count}, {{{fields}}}}},").unwrap();
    }
    text += "};\n\nstatic const char *const kinds_of_handle[] = {\n";
    for handle in header.handles.iter() {
        writeln!(text, "    \"{}\",", handle.name).unwrap();
    }
    text += "};\n\nstatic const struct function functions[] = {\n";
    for function in FUNCTIONS {
        let (number, name, count) = (function.number, function.name, function.parameters.len());
        let parameters: Vec<String> = function
            .parameters
            .iter()
            .map(|(name, kind)| parameter(header, function, name, kind))
            .collect();
        let parameters = parameters.join(",\n        ");
        writeln!(text, "    {{{number}, \"{name}\", {count}, {{\n        {parameters}}}}},")
            .unwrap();
    }
    text +=
        "};\n\nstatic int32_t call(uint32_t number, union argument *a)\n{\n    switch (number) {\n";
    FUNCTIONS.iter().for_each(|function| text += &call(function));
    text +=
        "    default: EXPECT(0, \"%u is no function\", (unsigned)number); return 16;\n    }\n}\n";
    text
}

/// Which verb may be called in which state, as the library says.
pub fn verbs() -> String {
    let mut text = String::from(
        "/* Made by tests/c_abi.rs. */\nstatic const unsigned char allowed[10][11] = {\n    {0},\n",
    );
    for state in State::ALL {
        let cells: Vec<&str> = std::iter::once("0")
            .chain(Verb::ALL.iter().map(|verb| if state.allows(*verb) { "1" } else { "0" }))
            .collect();
        writeln!(text, "    {{{}}}, /* {state} */", cells.join(", ")).unwrap();
    }
    text += "};\n";
    assert!(State::ALL.iter().zip(1..).all(|(state, number)| *state as u32 == number));
    assert!(Verb::ALL.iter().zip(1..).all(|(verb, number)| *verb as u32 == number));
    text
}
