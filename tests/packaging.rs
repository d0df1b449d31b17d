//! What C programs get: the libraries, the header, the assembler's macros and the file for pkg-config that cargo-c installs.
//! A program that knows nothing else is compiled and runs, and the shared library exports the names on record alone.
//!
//! `tests/run` installs cargo-c and names it by `TRACKMIRROR_CARGO_C`. Without that variable it is looked for where
//! `tests/run` puts it, and in the path; where there is none, the tests of what is installed say so and pass. What plain
//! cargo builds is tested always.
//!
//! `BLESS=1 cargo test --test packaging` renews `tests/golden/exports.txt`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use trackmirror::ffi::FUNCTIONS;

/// The name by which programs ask for the shared library. Another one means that they must be compiled again: a decision.
const SONAME: &str = "libtrackmirror.so.0.1";

/// What a library for C programs is built with: without the command, which it has no use for.
const FEATURES: [&str; 3] = ["--no-default-features", "--features", "compression,redis"];

/// By how much the shared library may grow or shrink, in percent, before somebody has to look.
const SIZE_TOLERANCE: u64 = 10;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of these tests. It stays, so that nothing is compiled twice.
fn workshop() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packaging")
}

/// What the command prints; it must succeed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (printed, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{printed}{said}", output.status);
    printed.into_owned()
}

fn cargo_c() -> Option<PathBuf> {
    if let Some(named) = env::var_os("TRACKMIRROR_CARGO_C") {
        return Some(named.into());
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let places = [target.join("tools/bin/cargo-cinstall"), "cargo-cinstall".into()];
    let works = |place: &PathBuf| {
        Command::new(place).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    places.into_iter().find(works)
}

/// The folder into which cargo-c has installed the library, once for all tests; none where there is no cargo-c.
fn prefix() -> Option<&'static Path> {
    static PREFIX: OnceLock<Option<PathBuf>> = OnceLock::new();
    PREFIX.get_or_init(install).as_deref()
}

fn install() -> Option<PathBuf> {
    let Some(cargo_c) = cargo_c() else {
        println!("left out: there is no cargo-c");
        return None;
    };
    let prefix = workshop().join("prefix");
    if prefix.exists() {
        fs::remove_dir_all(&prefix).unwrap();
    }
    let mut command = Command::new(cargo_c);
    command.args(["cinstall", "--locked", "--libdir=lib"]).args(FEATURES);
    command.arg("--manifest-path").arg(root().join("Cargo.toml"));
    command.arg("--target-dir").arg(workshop().join("build"));
    command.arg("--prefix").arg(&prefix);
    run(&mut command);
    Some(prefix)
}

/// The shared library that cargo has built beside this test.
fn plain_library() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().join("libtrackmirror.so")
}

/// The names of all files below the folder, links too.
fn files_below(folder: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = files_below(&entry.path());
            files.extend(below.iter().map(|file| format!("{name}/{file}")));
        } else {
            files.insert(name);
        }
    }
    files
}

fn soname(library: &Path) -> String {
    let table = run(Command::new("readelf").args(["--dynamic", "--wide"]).arg(library));
    let line = table.lines().find(|line| line.contains("(SONAME)")).unwrap_or_default();
    line.split(['[', ']']).nth(1).unwrap_or_default().to_string()
}

fn needed(program: &Path) -> Vec<String> {
    let table = run(Command::new("readelf").args(["--dynamic", "--wide"]).arg(program));
    let lines = table.lines().filter(|line| line.contains("(NEEDED)"));
    lines.map(|line| line.split(['[', ']']).nth(1).unwrap().to_string()).collect()
}

fn exports(library: &Path) -> BTreeSet<String> {
    let arguments = ["--dynamic", "--defined-only", "--format=posix"];
    let table = run(Command::new("nm").args(arguments).arg(library));
    table.lines().map(|line| line.split(' ').next().unwrap().to_string()).collect()
}

fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    command.args(arguments).arg("trackmirror");
    run(&mut command).split_whitespace().map(String::from).collect()
}

/// What is on record: the names that are exported, and the size of the stripped library in KiB.
struct Record {
    exports: BTreeSet<String>,
    size_kib: Option<u64>,
}

const RECORD: &str = "tests/golden/exports.txt";
const SIZE: &str = "# stripped, x86_64: ";

impl Record {
    fn read() -> Self {
        let text = fs::read_to_string(root().join(RECORD)).unwrap_or_default();
        let size = text.lines().find_map(|line| line.strip_prefix(SIZE)?.strip_suffix(" KiB"));
        let names = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self {
            exports: names.map(String::from).collect(),
            size_kib: size.map(|number| number.parse().unwrap()),
        }
    }

    fn write(&self) {
        let mut text = String::from(
            "# What the shared library exports, and its size. To renew: BLESS=1 cargo test --test packaging\n",
        );
        if let Some(size) = self.size_kib {
            text += &format!("{SIZE}{size} KiB\n");
        }
        for name in &self.exports {
            text += &format!("{name}\n");
        }
        fs::write(root().join(RECORD), text).unwrap();
    }
}

#[test]
fn the_exports_and_the_size_are_those_on_record() {
    let exports = exports(&plain_library());
    let size_kib = prefix().filter(|_| cfg!(target_arch = "x86_64")).map(stripped_size_kib);
    let record = Record::read();
    if env::var_os("BLESS").is_some() {
        return Record { exports, size_kib: size_kib.or(record.size_kib) }.write();
    }
    assert_eq!(exports, record.exports, "{RECORD} has other names; a name that was released stays");
    if let Some(size) = size_kib {
        let recorded = record.size_kib.expect("no size on record; BLESS=1 writes one");
        assert!(
            size.abs_diff(recorded) * 100 <= recorded * SIZE_TOLERANCE,
            "the stripped library has {size} KiB, and {recorded} are on record in {RECORD}"
        );
    }
}

fn stripped_size_kib(prefix: &Path) -> u64 {
    let stripped = workshop().join("stripped.so");
    let library = prefix.join("lib/libtrackmirror.so");
    run(Command::new("strip").arg("-o").arg(&stripped).arg(library));
    fs::metadata(stripped).unwrap().len().div_ceil(1024)
}

#[test]
fn the_functions_and_their_aliases_are_exported_and_nothing_else() {
    let ours = FUNCTIONS.iter().flat_map(|function| [function.name, function.alias]);
    let ours: BTreeSet<String> = ours.map(String::from).collect();
    assert_eq!(exports(&plain_library()), ours);
    if let Some(prefix) = prefix() {
        assert_eq!(exports(&prefix.join("lib/libtrackmirror.so")), ours);
    }
}

/// An archive cannot hide names. Those of Rust are mangled with the compiler's and the crate's hashes; the one that is not
/// is why a program can hold only one Rust archive.
#[test]
fn the_archive_shows_no_other_names_of_c() {
    let Some(prefix) = prefix() else { return };
    let archive = prefix.join("lib/libtrackmirror.a");
    let table = run(Command::new("readelf").args(["--symbols", "--wide"]).arg(archive));
    let mut names = BTreeSet::new();
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, _, "GLOBAL" | "WEAK", "DEFAULT", section, name, ..] = fields[..] else {
            continue;
        };
        let of_rust = ["_ZN", "_R", "anon."].iter().any(|start| name.starts_with(start));
        if section != "UND" && !of_rust {
            names.insert(name.to_string());
        }
    }
    assert!(names.remove("rust_eh_personality"));
    assert_eq!(names, exports(&plain_library()));
}

#[test]
fn the_shared_library_bears_its_name_however_it_is_built() {
    assert_eq!(soname(&plain_library()), SONAME);
    let Some(prefix) = prefix() else { return };
    let full = concat!("libtrackmirror.so.", env!("CARGO_PKG_VERSION"));
    let library = prefix.join("lib");
    assert_eq!(soname(&library.join(full)), SONAME);
    for link in [SONAME, "libtrackmirror.so"] {
        assert_eq!(fs::read_link(library.join(link)).unwrap(), Path::new(full), "{link}");
    }
}

#[test]
fn all_that_c_programs_need_is_installed() {
    let Some(prefix) = prefix() else { return };
    let full = concat!("lib/libtrackmirror.so.", env!("CARGO_PKG_VERSION")).to_string();
    let mut expected = BTreeSet::from([full, format!("lib/{SONAME}")]);
    expected.extend(
        ["libtrackmirror.a", "libtrackmirror.so", "pkgconfig/trackmirror.pc"]
            .map(|file| format!("lib/{file}")),
    );
    let ours = files_below(&root().join("include"));
    assert!(ours.contains("trackmirror.h"), "{ours:?}");
    for file in ours {
        // Macros are for another machine's assembler, where the C compiler's folder is unknown.
        let place = if file.ends_with(".h") { "include" } else { "share/trackmirror" };
        let installed = format!("{place}/{file}");
        assert!(
            fs::read(prefix.join(&installed))
                .unwrap_or_else(|error| panic!("{installed}: {error}"))
                == fs::read(root().join("include").join(&file)).unwrap(),
            "{installed} is not the file in include/"
        );
        expected.insert(installed);
    }
    assert_eq!(files_below(prefix), expected);
}

#[test]
fn pkg_config_says_how_to_compile_and_link() {
    let Some(prefix) = prefix() else { return };
    let folder = |flag: &str, name: &str| format!("{flag}{}", prefix.join(name).display());
    assert_eq!(pkg_config(prefix, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    assert_eq!(pkg_config(prefix, &["--cflags"]), [folder("-I", "include")]);
    let shared = [folder("-L", "lib"), "-ltrackmirror".into()];
    assert_eq!(pkg_config(prefix, &["--libs"]), shared);
    let all = pkg_config(prefix, &["--libs", "--static"]);
    assert_eq!(all[..2], shared);
    assert!(all.len() > 2, "the archive needs the system's libraries, and {all:?} has none");
}

/// A program that refers to every function by the header and prints the library's version, which it asks
/// for by name and by alias.
fn program(name: &str) -> PathBuf {
    let entries = FUNCTIONS.iter().map(|function| format!("    (entry)&{},\n", function.name));
    let text = format!(
        "#include <stdio.h>
#include <trackmirror.h>
extern int32_t TMRVERS(uint32_t *, uint32_t *, uint32_t *);
typedef void (*entry)(void);
static entry const entries[] = {{
{}}};
int main(void)
{{
    uint32_t version[3] = {{ 0, 0, 0 }}, alias[3] = {{ 0, 0, 0 }};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (!entries[i])
            return 1;
    if (tmr_version(&version[0], &version[1], &version[2]) != 0)
        return 2;
    if (TMRVERS(&alias[0], &alias[1], &alias[2]) != 0)
        return 3;
    for (int i = 0; i < 3; i++)
        if (version[i] != alias[i])
            return 4;
    if (TMR_VERSION != version[0] * 1000000 + version[1] * 1000 + version[2])
        return 5;
    printf(\"%u.%u.%u\\n\", (unsigned)version[0], (unsigned)version[1], (unsigned)version[2]);
    return 0;
}}
",
        entries.collect::<String>()
    );
    fs::create_dir_all(workshop()).unwrap();
    let file = workshop().join(format!("{name}.c"));
    fs::write(&file, text).unwrap();
    file
}

/// Compiles and runs the program. Gives back what libraries it asks for when it starts.
fn compile_and_run(prefix: &Path, name: &str, flags: &[String]) -> Vec<String> {
    let (text, program) = (program(name), workshop().join(name));
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(text);
    run(compiler.args(flags));
    let printed = run(Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib")));
    assert_eq!(printed.trim(), env!("CARGO_PKG_VERSION"));
    needed(&program)
}

#[test]
fn a_program_runs_with_the_shared_library() {
    let Some(prefix) = prefix() else { return };
    let flags = pkg_config(prefix, &["--cflags", "--libs"]);
    let needed = compile_and_run(prefix, "shared", &flags);
    assert!(needed.iter().any(|library| library == SONAME), "{needed:?}");
}

#[test]
fn a_program_runs_with_the_archive() {
    let Some(prefix) = prefix() else { return };
    let mut flags = pkg_config(prefix, &["--cflags", "--libs", "--static"]);
    let library = flags.iter_mut().find(|flag| *flag == "-ltrackmirror").unwrap();
    *library = "-l:libtrackmirror.a".into();
    let needed = compile_and_run(prefix, "static", &flags);
    assert!(!needed.iter().any(|library| library.contains("trackmirror")), "{needed:?}");
}
