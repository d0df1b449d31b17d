//! The examples as programs: compiled against the header and the shared library that cargo has just built.
//!
//! `CC` names one compiler in the place of gcc and clang. Where the library is built for another machine, programs run as
//! `support::program` has them.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// Which part of the shared library's name changes when programs must be compiled again; see `tests/packaging.rs`.
const SONAME: &str = "libtrackmirror.so.0.1";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What C is compiled with.
pub fn compilers() -> Vec<String> {
    if let Ok(named) = env::var("CC") {
        return vec![named];
    }
    let is_there = |compiler: &&str| Command::new(compiler).arg("--version").output().is_ok();
    let found: Vec<&str> = ["gcc", "clang"].into_iter().filter(is_there).collect();
    assert!(found.contains(&"gcc"), "gcc is installed");
    if found.len() < 2 {
        println!("left out: there is no clang");
    }
    found.into_iter().map(String::from).collect()
}

/// Whether the programs run by themselves, and not under the emulator of another machine.
pub fn is_native() -> bool {
    env::var_os("TRACKMIRROR_RUNNER").is_none()
}

/// A folder with what programs link with: the library that cargo has built beside this test, under both of its names.
fn libraries() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let built = env::current_exe().unwrap().parent().unwrap().join("libtrackmirror.so");
        assert!(built.exists(), "{} was built", built.display());
        let folder = workshop().join("lib");
        std::fs::create_dir_all(&folder).unwrap();
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

fn workshop() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_examples")
}

/// Compiles an example, as C99 and without a warning, once for each compiler.
pub fn compiled(compiler: &str, example: &str) -> PathBuf {
    static DONE: Mutex<BTreeMap<PathBuf, ()>> = Mutex::new(BTreeMap::new());
    let program = workshop().join(compiler.replace('/', "-")).join(example);
    let mut done = DONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if done.contains_key(&program) {
        return program;
    }
    std::fs::create_dir_all(program.parent().unwrap()).unwrap();
    let mut command = Command::new(compiler);
    command.args(["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o"]);
    command.arg(&program).args(sources(example));
    command.arg("-I").arg(root().join("include")).arg("-L").arg(libraries());
    command.args(["-ltrackmirror", "-lpthread"]);
    command.arg(format!("-Wl,-rpath,{}", libraries().display()));
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    assert!(said.is_empty(), "{command:?}: {said}");
    done.insert(program.clone(), ());
    program
}

/// `migrate` is migrate.c and the files whose names begin with `migrate_`; `translate` is translate.s.
fn sources(example: &str) -> Vec<PathBuf> {
    let is_part = |path: &PathBuf| {
        let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let rest = stem.strip_prefix(example);
        ["c", "s"].map(|kind| Some(OsStr::new(kind))).contains(&path.extension())
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    let entries = std::fs::read_dir(root().join("examples")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(is_part).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there is an example {example}");
    paths
}
