//! The compilers for C and C++ on this machine, and what of the library C programs are linked with.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A compiler, a release of its language, and every warning that it has, as an error.
pub struct Dialect {
    pub compiler: &'static str,
    pub standard: &'static str,
    pub is_cpp: bool,
}

const C: [&str; 3] = ["c99", "c11", "c17"];
const CPP: [&str; 1] = ["c++17"];

pub fn dialects() -> Vec<Dialect> {
    let of = |compiler: &'static str, is_cpp: bool| {
        let standards: &[&str] = if is_cpp { &CPP } else { &C };
        standards.iter().map(move |standard| Dialect { compiler, standard, is_cpp })
    };
    of("gcc", false)
        .chain(of("clang", false))
        .chain(of("g++", true))
        .chain(of("clang++", true))
        .collect()
}

impl Dialect {
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.compiler);
        command.arg(format!("-std={}", self.standard)).args(["-Wall", "-Wextra", "-Wpedantic"]);
        command.args(["-Werror", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wundef"]);
        command.args(["-Wcast-align", "-Wcast-qual", "-Wwrite-strings", "-Wformat=2"]);
        if self.is_cpp {
            command.args(["-x", "c++", "-Wold-style-cast", "-Wzero-as-null-pointer-constant"]);
        } else {
            command.args(["-x", "c", "-Wstrict-prototypes", "-Wmissing-prototypes"]);
        }
        if self.compiler.starts_with("clang") {
            // But for what other compilers could not do, and for macros that not every program uses.
            command.args(["-Weverything", "-Wno-unused-macros", "-Wno-c++98-compat"]);
            command.args(["-Wno-c++98-compat-pedantic", "-Wno-declaration-after-statement"]);
            command.arg("-Wno-unknown-warning-option").arg("-Wno-unsafe-buffer-usage");
        }
        command.arg("-I").arg(include());
        command
    }
}

pub fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// A file of these tests.
pub fn workshop(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("header");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// What a command prints; it must succeed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error} (compilers: packages gcc, g++, clang)")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{printed}{said}", output.status);
    printed
}

/// The shared library, which cargo puts beside the tests.
fn library() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().join("libtrackmirror.so")
}

/// Compiles a program; what is given back makes the command that runs it.
pub fn build(name: &str, text: &str, with_library: bool) -> impl Fn() -> Command + use<> {
    let (source, program) = (workshop(&format!("{name}.c")), workshop(name));
    std::fs::write(&source, text).unwrap();
    let mut command = Command::new("gcc");
    command.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command.arg("-I").arg(include()).arg(source).arg("-o").arg(&program);
    if with_library {
        command.arg(library());
    }
    run(&mut command);
    move || {
        let mut command = Command::new(&program);
        if with_library {
            // It is looked for by its own name, which is not that of the file.
            command.env("LD_PRELOAD", library());
        }
        command
    }
}

/// Compiles a program, runs it, and says what it printed.
pub fn run_program(name: &str, text: &str, with_library: bool) -> String {
    run(&mut build(name, text, with_library)())
}
