//! Habits that a machine can hold: what stands in no file of the library, and what stands in one place only.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
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

/// A file by its name below the project's root, its lines with their numbers, and where its tests begin.
struct Source {
    name: String,
    text: String,
    tests_from: usize,
}

fn sources() -> Vec<Source> {
    let files = rust_files(&root().join("src"));
    let read = |file: PathBuf| {
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let tests = lines.windows(2).position(|pair| {
            pair[0].starts_with("#[cfg(") && pair[0].contains("test") && pair[1] == "mod tests {"
        });
        let tests_from = if name.ends_with("/tests.rs") { 0 } else { tests.unwrap_or(usize::MAX) };
        Source { name, text, tests_from }
    };
    files.into_iter().map(read).collect()
}

/// Every place where `is_wrong` finds something in the code, comments left out; tests only if `tests` says so.
fn places(tests: bool, is_wrong: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            let line = line.split("//").next().unwrap();
            if (tests || number < source.tests_from) && is_wrong(&source, line) {
                places.push(format!("{}:{}: {}", source.name, number + 1, line.trim()));
            }
        }
    }
    places
}

fn assert_nowhere(what: &str, places: &[String]) {
    assert!(places.is_empty(), "{what}:\n{}", places.join("\n"));
}

fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn in_command(source: &Source) -> bool {
    source.name.starts_with("src/bin/")
}

#[test]
fn source_and_target_are_called_so() {
    let places = places(true, |_, line| {
        // A path such as "src/lib.rs" is no identifier.
        let line = line.replace("src/", "");
        identifiers(&line)
            .flat_map(|word| word.split('_'))
            .any(|part| ["src", "dst", "dest"].contains(&part.to_ascii_lowercase().as_str()))
    });
    assert_nowhere("short forms", &places);
}

#[test]
fn nothing_is_unfinished() {
    let marks = ["todo!", "unimplemented!", "dbg!", "#[ignore"];
    let places = places(true, |_, line| marks.iter().any(|mark| line.contains(mark)));
    assert_nowhere("unfinished work", &places);
    for source in sources() {
        let marks = ["TODO", "FIXME", "XXX"];
        let found = identifiers(&source.text).find(|word| marks.contains(word));
        assert_eq!(found, None, "{}", source.name);
    }
}

#[test]
fn the_library_is_silent_and_keeps_no_time() {
    let places = places(false, |source, line| {
        // The clock tells the time; the kernel's file locks, the operator's commands and the answers of other machines
        // are waited for, up to a limit.
        let clock = [
            "src/clock.rs",
            "src/volume/locks.rs",
            "src/operator/command.rs",
            "src/remote/machine.rs",
            "src/remote/machine/orders.rs",
            "src/remote/redis.rs",
        ]
        .contains(&source.name.as_str());
        // What builds the monitor talks to cargo.
        let building = source.name == "src/build.rs";
        !in_command(source)
            && !building
            && (["println!", "print!(", "process::exit", "thread::spawn"]
                .iter()
                .any(|call| line.contains(call))
                || !clock
                    && identifiers(line)
                        .any(|word| ["Instant", "SystemTime", "sleep"].contains(&word)))
    });
    assert_nowhere("output, sleeping, or a clock of its own", &places);
}

#[test]
fn nothing_from_outside_is_unwrapped() {
    let places = places(false, |_, line| line.contains(".unwrap()") || line.contains("panic!("));
    assert_nowhere("a panic without a reason", &places);
}

#[test]
fn memory_is_not_reinterpreted() {
    let places = places(true, |source, line| {
        let word = |word: &str| identifiers(line).any(|other| other == word);
        line.contains("repr(packed)")
            || word("transmute") && source.name != "src/preload/next.rs"
            || word("unsafe")
                && ![
                    "src/ffi/",
                    "src/volume/direct.rs",
                    "src/volume/locks.rs",
                    "src/monitor/map.rs",
                    "src/preload/",
                ]
                .iter()
                .any(|place| source.name.starts_with(place))
    });
    assert_nowhere("memory", &places);
}

#[test]
fn addresses_are_unpacked_in_one_place() {
    let places = places(false, |source, line| {
        source.name != "src/geometry.rs" && line.to_ascii_uppercase().contains("& 0XFFF0")
    });
    assert_nowhere("a cylinder unpacked by hand", &places);
}

#[test]
fn files_are_read_in_one_sitting() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= 900, "{} has {lines} lines", source.name);
        let name = Path::new(&source.name).file_stem().unwrap().to_str().unwrap();
        assert!(!["utils", "util", "common", "helpers", "misc"].contains(&name), "{}", source.name);
        assert!(
            source.text.starts_with("//!") || name == "tests",
            "{} says not what it is",
            source.name
        );
    }
}

#[test]
fn files_are_ascii() {
    for source in sources() {
        let line = source.text.lines().find(|line| !line.is_ascii());
        assert_eq!(line, None, "{}", source.name);
    }
}
