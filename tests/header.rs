//! The header is what the source says: it is made anew and compared, and every C compiler takes it without a word.
//!
//! `BLESS=1 cargo test --test header` rewrites `include/trackmirror.h` and `include/trackmirror.mac`.

#[path = "header/assembler.rs"]
mod assembler;
#[path = "header/compilers.rs"]
mod compilers;
#[path = "header/declarations.rs"]
mod declarations;
#[path = "header/generate.rs"]
mod generate;
#[path = "header/worked.rs"]
mod worked;

use assembler::{LAST_COLUMN, NAME_LENGTH_MAX};
use compilers::{dialects, run, run_program, workshop};
use declarations::{Declarations, Kind};
use generate::{constant_name, header};
use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;
use trackmirror::Reason;
use trackmirror::ffi::FUNCTIONS;

const HEADER: &str = "include/trackmirror.h";
const MACROS: &str = "include/trackmirror.mac";

/// Structures that do not begin with their size: they stand in lists, or in memory that both sides know.
const WITHOUT_SIZE: &[&str] = &["tmr_extent", "tmr_entry", "tmr_catalog_volume", "tmr_write"];

/// What verbs the functions' names end with, and what they are about.
const OBJECTS: &[&str] = &[
    "agent",
    "area",
    "assessment",
    "changed",
    "changes",
    "copier",
    "host",
    "image",
    "migration",
    "plan",
    "reason",
    "receiver",
    "reporter",
    "sink",
    "subscription",
    "table",
    "verification",
    "volume",
];
/// Functions that are about no object: their name is the verb.
const VERBS_ALONE: &[&str] = &["tmr_version", "tmr_call", "tmr_assess", "tmr_verify"];

/// What the source makes; files are written once, before any test reads them, if that is asked for.
fn made() -> &'static str {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = header();
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all("include").unwrap();
            fs::write(HEADER, &made).unwrap();
            fs::write(MACROS, assembler::macros(&Declarations::of(&made))).unwrap();
        }
        made
    })
}

/// The header as it is given to programs.
fn committed() -> Declarations {
    made();
    Declarations::of(&fs::read_to_string(HEADER).expect("the header is there"))
}

/// Compares a file with what is made.
fn compare(path: &str, made: &str) {
    let committed = fs::read_to_string(path).unwrap_or_default();
    let difference = committed.lines().zip(made.lines()).position(|(one, other)| one != other);
    let line = difference.unwrap_or(committed.lines().count().min(made.lines().count()));
    assert!(
        committed == made,
        "{path} is not what the source says from line {} on:\nis:        {}\nshould be: {}\n\
         BLESS=1 cargo test --test header rewrites it",
        line + 1,
        committed.lines().nth(line).unwrap_or("the end"),
        made.lines().nth(line).unwrap_or("the end"),
    );
}

#[test]
fn the_header_is_what_the_source_says() {
    compare(HEADER, made());
}

#[test]
fn every_compiler_takes_it_twice_without_a_word() {
    let constants: String = committed()
        .constants
        .iter()
        .map(|constant| format!("    sum += (uint64_t){};\n", constant.name))
        .collect();
    // C++ has another form of cast.
    let text = |is_cpp: bool| {
        let constants = match is_cpp {
            true => {
                constants.replace("(uint64_t)", "static_cast<uint64_t>(").replace(";\n", ");\n")
            }
            false => constants.clone(),
        };
        format!(
            "#include \"trackmirror.h\"\n#include \"trackmirror.h\"\n\
             int main(void)\n{{\n    tmr_error error;\n    struct tmr_error other;\n    uint64_t sum = 0;\n\
             \x20   TMR_CLEAR(error);\n    TMR_CLEAR(other);\n\
             #if TMR_VERSION != TMR_VERSION_MAJOR * 1000000 + TMR_VERSION_MINOR * 1000 + TMR_VERSION_PATCH\n\
             #error the version\n#endif\n{constants}\
             \x20   return error.size == sizeof(tmr_error) && other.size == error.size && sum != 0 ? 0 : 1;\n}}\n"
        )
    };
    for dialect in dialects() {
        let source = workshop(&format!("twice-{}-{}.c", dialect.compiler, dialect.standard));
        fs::write(&source, text(dialect.is_cpp)).unwrap();
        run(dialect.command().args(["-fsyntax-only"]).arg(&source));
        // What only the z/OS compiler reads is at least of the right form.
        run(dialect
            .command()
            .args(["-fsyntax-only", "-D__MVS__", "-Wno-unknown-pragmas"])
            .arg(source));
    }
}

/// The type of a parameter as the source has it, with its name, as C has them.
fn in_c(kind: &str, name: &str) -> String {
    let kind = kind.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = |kind: &str| match kind {
        "u32" => "uint32_t".to_string(),
        "u64" => "uint64_t".to_string(),
        "u8" => "uint8_t".to_string(),
        "c_void" => "void".to_string(),
        "c_char" => "char".to_string(),
        other if other.starts_with("tmr_") => format!("struct {other}"),
        other => panic!("{other} is no type of a parameter"),
    };
    let Some((pointer, of)) = kind.split_once(' ').filter(|(pointer, _)| pointer.starts_with('*'))
    else {
        return format!("{} {name}", plain(&kind));
    };
    let is_const = if pointer == "*const" { "const " } else { "" };
    if of.starts_with('*') {
        let inner = in_c(of, "");
        let inner = inner.trim_end().trim_end_matches('*').trim_end();
        return format!("{inner} *{is_const}*{name}");
    }
    if let Some((of, count)) =
        of.strip_prefix('[').and_then(|of| of.strip_suffix(']')?.split_once("; "))
    {
        return format!("{is_const}{} (*{name})[{count}]", plain(of));
    }
    format!("{is_const}{} *{name}", plain(of))
}

#[test]
fn the_header_has_the_functions_of_the_list_and_no_other() {
    let made = committed();
    let names: Vec<&str> = made.functions.iter().map(|function| function.name.as_str()).collect();
    let listed: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
    assert_eq!(names, listed);
    for (prototype, function) in made.functions.iter().zip(FUNCTIONS) {
        let parameters = function.parameters.iter().map(|(name, kind)| in_c(kind, name));
        assert_eq!(prototype.parameters, parameters.collect::<Vec<_>>(), "{}", function.name);
    }
    // And cbindgen sees no exported function that the list does not have.
    let text = self::made();
    for function in FUNCTIONS {
        assert!(
            text.contains(&format!("#pragma map({}, \"{}\")\n", function.name, function.alias))
        );
    }
}

#[test]
fn each_function_says_what_it_does_gives_back_and_when_it_may_be_called() {
    const LINES: [&str; 5] = ["Does: ", "Gives back: ", "Threads: ", "When: ", "Alias: "];
    for function in committed().functions {
        let mut starts = Vec::new();
        for line in function.doc.lines() {
            match line.strip_prefix("  ") {
                Some(rest) => assert!(
                    !rest.starts_with(' ') && !starts.is_empty(),
                    "{}: {line}",
                    function.name
                ),
                None => starts.push(line),
            }
        }
        let are_right = starts.iter().zip(LINES).all(|(line, start)| line.starts_with(start));
        assert!(starts.len() == LINES.len() && are_right, "{}:\n{}", function.name, function.doc);
    }
}

#[test]
fn names_and_parameters_are_what_assembler_programs_can_use() {
    for function in committed().functions {
        let name = &function.name;
        let words: Vec<&str> = name.split('_').collect();
        let has_object = words.len() >= 3 && OBJECTS.contains(&words[1]);
        assert!(
            words[0] == "tmr" && (has_object || VERBS_ALONE.contains(&name.as_str())),
            "{name}"
        );
        assert!(
            function.parameters.len() <= 6,
            "{name} has {} parameters",
            function.parameters.len()
        );
        for parameter in &function.parameters {
            let is_number =
                parameter.starts_with("uint32_t ") || parameter.starts_with("uint64_t ");
            assert!(is_number || parameter.contains('*'), "{name}: {parameter}");
        }
        // What every function reports by comes last.
        // What ends a handle has nothing else.
        let is_end = function.parameters.len() == 1 && function.parameters[0].contains("**");
        let is_silent = ["tmr_version", "tmr_call"].contains(&name.as_str()) || is_end;
        let last = function.parameters.last().map(String::as_str);
        assert!(is_silent || last == Some("struct tmr_error *error"), "{name}: {last:?}");
    }
}

#[test]
fn structures_begin_with_their_size_and_have_no_gaps() {
    let made = committed();
    let mut lines = String::new();
    for structure in &made.structures {
        let (name, first) = (&structure.name, &structure.fields[0]);
        let has_size = first.name == "size" && first.kind == Kind::Number(4);
        assert!(has_size != WITHOUT_SIZE.contains(&name.as_str()), "{name}");
        let fields = structure.fields.iter();
        assert!(
            fields.clone().all(|field| !field.doc.is_empty()),
            "{name} has a field without a comment"
        );
        if has_size {
            assert_eq!(first.doc, format!("sizeof ({name})."), "{name}");
        }
        let mut offset = 0;
        for field in fields {
            lines += &format!("    AT({name}, {}, {offset});\n", field.name);
            offset += made.size_of(field);
        }
        lines += &format!("    LONG({name}, {offset});\n");
        if name.ends_with("_functions") {
            let names: Vec<&str> =
                structure.fields.iter().take(4).map(|field| field.name.as_str()).collect();
            assert_eq!(names, ["size", "version", "user", "release"], "{name}");
        }
    }
    let program = format!(
        "#include \"trackmirror.h\"\n#include <stddef.h>\n#include <stdio.h>\n\
         #define AT(s, f, o) if (offsetof(s, f) != o) printf(#s \".\" #f \" is at %zu\\n\", offsetof(s, f))\n\
         #define LONG(s, o) if (sizeof(s) != o) printf(#s \" has %zu bytes\\n\", sizeof(s))\n\
         int main(void)\n{{\n{lines}    return 0;\n}}\n"
    );
    assert_eq!(run_program("gaps", &program, false), "");
}

#[test]
fn the_version_is_the_same_everywhere() {
    let program = "#include \"trackmirror.h\"\n#include <stdio.h>\n\
        int main(void)\n{\n    uint32_t major, minor, patch;\n\
        \x20   if (tmr_version(&major, &minor, &patch) != TMR_DONE) return 1;\n\
        \x20   printf(\"%u.%u.%u\\n\", major, minor, patch);\n\
        \x20   printf(\"%u.%u.%u\\n\", TMR_VERSION_MAJOR, TMR_VERSION_MINOR, TMR_VERSION_PATCH);\n\
        \x20   printf(\"%u.%u.%u\\n\", TMR_VERSION / 1000000u, TMR_VERSION / 1000u % 1000u, TMR_VERSION % 1000u);\n\
        \x20   return 0;\n}\n";
    made();
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap();
    let version = version.trim_matches('"');
    assert_eq!(run_program("version", program, true), format!("{version}\n").repeat(3));
}

#[test]
fn constants_have_one_name_each_and_reasons_their_numbers() {
    let made = committed();
    let names: BTreeSet<&str> =
        made.constants.iter().map(|constant| constant.name.as_str()).collect();
    assert_eq!(names.len(), made.constants.len());
    for reason in Reason::ALL {
        let name = format!("TMR_R_{}", constant_name(reason.name()));
        let found = made.constants.iter().find(|constant| constant.name == name).unwrap();
        assert_eq!(found.value, format!("{}u", *reason as u32), "{name}");
        assert!(found.doc.contains(reason.text()), "{name}");
    }
    for constant in &made.constants {
        assert!(
            !constant.doc.is_empty() || constant.name.starts_with("TMR_VERSION"),
            "{}",
            constant.name
        );
    }
}

#[test]
fn the_assembler_macros_are_what_the_header_says() {
    compare(MACROS, &assembler::macros(&Declarations::of(made())));
}

#[test]
fn assembler_statements_are_of_their_form() {
    let text = assembler::macros(&Declarations::of(made()));
    let mut open = 0;
    for line in text.lines() {
        assert!(line.len() <= LAST_COLUMN && line.is_ascii() && !line.contains('\t'), "{line}");
        assert!(!line.trim().is_empty(), "an empty line is a statement");
        open += i32::from(line.trim() == "MACRO") - i32::from(line.trim() == "MEND");
        assert!([0, 1].contains(&open), "{line}");
        let name = line.split(' ').next().unwrap();
        if !name.is_empty() && !name.starts_with(['*', '.', '&']) {
            let mut characters = name.chars();
            let first = characters.next().unwrap();
            let is_right = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            assert!(first.is_ascii_uppercase() && characters.all(is_right), "{line}");
            assert!(name.len() <= NAME_LENGTH_MAX, "{line}");
        }
    }
    assert_eq!(open, 0);
}

#[test]
fn the_assembler_has_the_offsets_and_values_that_c_has() {
    let declarations = committed();
    let mut assembled = assembler::assemble(&fs::read_to_string(MACROS).unwrap());
    let mut lines = String::new();
    let mut expect = |what: &str, in_c: &str, value: u64| {
        lines += &format!("    IS({what}, {in_c}, {value}ull);\n");
    };
    for structure in &declarations.structures {
        let name = &structure.name;
        assert_eq!(assembled.values.remove(&name.to_ascii_uppercase()), Some(0), "{name}");
        for field in &structure.fields {
            let label = assembler::field_name(name, &field.name);
            let offset = assembled.fields.remove(&label);
            expect(&label, &format!("offsetof({name}, {})", field.name), offset.expect(&label));
        }
        let label = assembler::length_name(name);
        let length = assembled.values.remove(&label).expect(&label);
        expect(&label, &format!("sizeof({name})"), length.into());
    }
    for constant in &declarations.constants {
        let name = &constant.name;
        let value = assembled.values.remove(name).expect(name);
        // What has 64 bits in C is a number of 32 bits here, its sign extended.
        let is_long = constant.value.ends_with("ull");
        let value = if is_long { i64::from(value as i32) as u64 } else { value.into() };
        expect(&format!("value of {name}"), name, value);
    }
    // Nothing else is in the file.
    assert!(assembled.fields.is_empty() && assembled.values.is_empty(), "{assembled:?}");
    for function in FUNCTIONS {
        let name = function.name.trim_start_matches("tmr_").to_ascii_uppercase();
        let length = assembled.lengths[&format!("TMR_F_{name}")];
        assert_eq!(length, function.parameters.len() as u64, "{name}");
    }
    let program = format!(
        "#include \"trackmirror.h\"\n#include <stddef.h>\n#include <stdio.h>\n\
         #define IS(what, is, value) \\\n\
         \x20   if ((uint64_t)(is) != (value)) printf(#what \" is %lu in C\\n\", (unsigned long)(is))\n\
         int main(void)\n{{\n{lines}    return 0;\n}}\n"
    );
    assert_eq!(run_program("offsets", &program, false), "");
}
