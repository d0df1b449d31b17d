//! The house keeps its layers: every file has its place, and uses only what lies below it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The table: layer, and the modules in it. A folder is one module; the files in it may use each other.
const LAYERS: &[(u32, &[&str])] = &[
    (0, &["error", "bytes", "defect"]),
    (1, &["name", "geometry", "clock", "state"]),
    (2, &["track", "dscb", "translate", "changed", "event"]),
    (3, &["volume"]),
    (4, &["vtoc", "registry"]),
    (5, &["catalog", "enqueue", "monitor"]),
    (6, &["assess", "operator", "remote", "untold"]),
    (7, &["plan"]),
    (8, &["copy", "verify", "checkpoint", "pace"]),
    (9, &["estimate", "switch"]),
    (10, &["host"]),
    (11, &["migrate"]),
    (12, &["ffi", "sim"]),
];

/// What every build needs; all else is optional.
const DEPENDENCIES: &[&str] = &["bitvec", "libc", "log", "parking_lot", "thiserror"];

/// What is no part of the library: its list, the command, the monitor that is loaded into programs, how that is built.
const OUTSIDE: &[&str] = &["lib", "bin", "preload", "build"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn layer_of(module: &str) -> Option<u32> {
    LAYERS.iter().find(|(_, modules)| modules.contains(&module)).map(|(layer, _)| *layer)
}

/// Every Rust file below `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The module of a library file: `volume` for `src/volume/ckd.rs`.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_string()
}

/// The code of a file: without line comments, and without the tests at its end.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let tests = text.find("\nmod tests {").unwrap_or(text.len());
    let lines = text[..tests].lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Every name that stands directly behind `crate::`, those in braces included.
fn names_behind_crate(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (place, _) in code.match_indices("crate::") {
        let before = code[..place].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[place + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => names.push(identifier(rest)),
            Some(list) => names.extend(items_of_braces(list)),
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first identifier of each item up to the closing brace.
fn items_of_braces(list: &str) -> Vec<String> {
    let (mut depth, mut item, mut items) = (1, String::new(), Vec::new());
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || depth == 1 && character == ',' {
            items.push(identifier(&item));
            item.clear();
        } else {
            item.push(character);
        }
        if depth == 0 {
            break;
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// The names that lib.rs lifts to the crate's root, with the modules where they are.
fn lifted() -> BTreeMap<String, String> {
    let mut lifted = BTreeMap::new();
    for statement in code(&root().join("src/lib.rs")).split(';') {
        let Some((_, used)) = statement.split_once("pub use ") else { continue };
        let (module, names) = used.split_once("::").unwrap();
        for name in names.trim_matches(['{', '}']).split(',') {
            lifted.insert(name.trim().to_string(), module.trim().to_string());
        }
    }
    lifted
}

#[test]
fn every_file_has_its_place() {
    for file in rust_files(&root().join("src")) {
        let module = module_of(&file);
        assert!(
            layer_of(&module).is_some() || OUTSIDE.contains(&module.as_str()),
            "{}: the table of layers has no place for it",
            file.display()
        );
    }
}

#[test]
fn a_file_uses_only_lower_layers() {
    let lifted = lifted();
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let module = module_of(&file);
        let Some(layer) = layer_of(&module) else { continue };
        if file.file_name().unwrap() == "tests.rs" {
            continue;
        }
        for name in names_behind_crate(&code(&file)) {
            let used = lifted.get(&name).unwrap_or(&name);
            let used_layer = layer_of(used);
            // The two files of the ground floor stand on each other.
            let below = used_layer.is_some_and(|used_layer| used_layer < layer || used_layer == 0);
            if !below && *used != module {
                wrong.push(format!("{} (layer {layer}) uses {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_test_sees_imports_in_every_form() {
    let code = "use crate::a::{b, c}; use crate::{d, e::{f, g}, h}; fn x() { crate::i::j(); othercrate::k() }";
    assert_eq!(names_behind_crate(code), ["a", "d", "e", "h", "i"]);
    assert_eq!(lifted()["DsName"], "name");
}

#[test]
fn lib_is_a_table_of_contents() {
    for statement in code(&root().join("src/lib.rs")).split(';') {
        let words = statement.lines().filter(|line| !line.trim().starts_with("#["));
        let statement = words.collect::<Vec<_>>().join(" ");
        let statement = statement.trim();
        assert!(
            statement.is_empty()
                || ["pub mod ", "mod ", "pub use "].iter().any(|word| statement.starts_with(word)),
            "lib.rs holds more than modules and names: {statement}"
        );
    }
}

#[test]
fn dependencies_are_few() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, section) = manifest.split_once("\n[dependencies]\n").unwrap();
    let section = section.split("\n[").next().unwrap();
    let (mut needed, mut optional) = (Vec::new(), Vec::new());
    for line in section.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let list = if value.contains("optional = true") { &mut optional } else { &mut needed };
        list.push(name.trim());
    }
    assert_eq!(needed, DEPENDENCIES);
    for name in optional {
        assert!(manifest.contains(&format!("\"dep:{name}\"")), "{name} belongs to no feature");
    }
}
