//! The programs: compiled against the header and the library that cargo has just built, and run.
//!
//! Where the library is built for another machine (see `tests/big_endian`), `CC` names the compiler, and programs run by
//! what `TRACKMIRROR_RUNNER` names; sanitizers and valgrind judge programs of this machine alone.

use crate::declarations::Declarations;
use crate::{support, tables, templates};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// How a program is compiled and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Gcc,
    GccSanitized,
    ClangSanitized,
    Valgrind,
}

/// A program, and the folder that it runs in.
pub struct Program {
    name: &'static str,
    folder: TempDir,
}

/// Which part of the shared library's name changes when programs must be compiled again; see `tests/packaging.rs`.
const SONAME: &str = "libtrackmirror.so.0.1";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workshop() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_abi")
}

/// What the programs are compiled with: the tables, and the library under both of its names.
fn prepared() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = workshop();
        let volumes = folder.join("volumes");
        let _ = std::fs::remove_dir_all(&volumes);
        std::fs::create_dir_all(&volumes).unwrap();
        templates::write_to(&volumes);
        let header = crate::generate::header();
        std::fs::write(folder.join("trackmirror.h"), &header).unwrap();
        let header = Declarations::of(&header);
        std::fs::write(folder.join("tables.h"), tables::tables(&header)).unwrap();
        std::fs::write(folder.join("verbs.h"), tables::verbs()).unwrap();
        let built = std::env::current_exe().unwrap().parent().unwrap().join("libtrackmirror.so");
        for name in ["libtrackmirror.so", SONAME] {
            let link = folder.join(name);
            if std::fs::read_link(&link).ok().as_deref() != Some(&built) {
                let _ = std::fs::remove_file(&link);
                std::os::unix::fs::symlink(&built, &link).unwrap();
            }
        }
        folder
    })
}

/// What a command prints; it must succeed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let end = said.len().saturating_sub(6000);
    let said: String = said.chars().skip(end).collect();
    assert!(output.status.success(), "{command:?}: {}\n{printed}{said}", output.status);
    printed
}

impl How {
    fn is_sanitized(self) -> bool {
        matches!(self, How::GccSanitized | How::ClangSanitized)
    }

    fn compiler(self) -> String {
        match self {
            How::ClangSanitized => "clang".into(),
            _ => std::env::var("CC").unwrap_or_else(|_| "gcc".into()),
        }
    }

    /// Whether it can be done with programs of the library's machine.
    fn is_possible(self) -> bool {
        self == How::Gcc || std::env::var_os("TRACKMIRROR_RUNNER").is_none()
    }
}

impl Program {
    pub fn new(name: &'static str) -> Program {
        let folder = support::folder();
        for file in std::fs::read_dir(prepared().join("volumes")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        Program { name, folder }
    }

    fn compiled(&self, how: How) -> PathBuf {
        let libraries = prepared();
        let program = libraries.join(format!("{}-{how:?}", self.name));
        let mut command = Command::new(how.compiler());
        command
            .args([
                "-std=c11",
                "-D_DEFAULT_SOURCE",
                "-O1",
                "-g",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-o",
            ])
            .arg(&program);
        if how.is_sanitized() {
            command.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
            command.arg("-fno-omit-frame-pointer");
        }
        for file in [self.name, "world"] {
            command.arg(root().join(format!("tests/c_abi/{file}.c")));
        }
        command.arg("-I").arg(libraries);
        command.arg("-L").arg(libraries).args(["-ltrackmirror", "-lpthread"]);
        command.arg(format!("-Wl,-rpath,{}", libraries.display()));
        run(&mut command);
        program
    }

    /// Compiles and runs it in each of these ways; it must find nothing wrong.
    pub fn run_as(&self, ways: &[How], words: &[&str]) {
        let possible: Vec<&How> = ways.iter().filter(|how| how.is_possible()).collect();
        assert!(!possible.is_empty(), "{ways:?} need programs of this machine");
        for how in possible {
            let program = self.compiled(*how);
            let mut command = if *how == How::Valgrind {
                let mut command = Command::new("valgrind");
                command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
                command.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
                command.args(["--num-callers=30", "--fair-sched=try"]).arg(&program);
                command
            } else {
                support::program(&program)
            };
            command.arg(self.folder.path()).args(words);
            command.env("TRACKMIRROR_REGISTRY", self.folder.path().join("registry"));
            command.env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1");
            let begun = std::time::Instant::now();
            let printed = run(&mut command);
            print!("{} {how:?}, {} ms: {printed}", self.name, begun.elapsed().as_millis());
        }
    }
}
