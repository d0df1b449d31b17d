//! Builds the monitor for programs that cannot be changed, a shared object that the command carries with it: see
//! `src/preload/lib.rs`.
//!
//! It must not be a part of this crate, because what it exports are the C library's own functions; and as a package of
//! its own users would not get it with `cargo install`. So it is compiled here, by the compiler that compiles the crate, from
//! the crate's own files, without any other crate.
//!
//! It needs the command (feature "cli") and Linux with glibc. Where those are not given the file is empty, and the command
//! says so.
//!
//! And it names the shared library of the crate, so that a program asks for the version that it was linked with.

use std::env;
use std::path::Path;
use std::process::Command;

/// The machines for which the monitor's declarations of the C library are right.
const MACHINES: &[&str] = &["x86_64", "aarch64", "riscv64", "s390x"];

/// The systems whose shared libraries bear a name of their own; those for which cargo-c gives the same one.
const NAMING_SYSTEMS: &[&str] =
    &["linux", "freebsd", "dragonfly", "netbsd", "haiku", "illumos", "openbsd", "hurd"];

fn main() {
    name_the_library();
    for file in ["build.rs", "preload", "monitor", "changed/shared.rs", "registry/areas.rs"] {
        println!("cargo::rerun-if-changed=src/{file}");
    }
    for variable in ["RUSTC_LINKER", "CARGO_ENCODED_RUSTFLAGS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let folder = variable("OUT_DIR");
    let object = Path::new(&folder).join("monitor.so");
    if let Err(why) = build(&object) {
        println!("cargo::rustc-env=TRACKMIRROR_NO_MONITOR={why}");
        std::fs::write(&object, b"").expect("the output folder can be written");
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Gives the shared library its soname, the one that cargo-c gives too: behind `.so` stands the part of the version that
/// changes when programs must be compiled again, 0.1 for 0.1.2, and 1 for 1.2.3.
fn name_the_library() {
    if !NAMING_SYSTEMS.contains(&variable("CARGO_CFG_TARGET_OS").as_str()) {
        return;
    }
    let [major, minor, patch] =
        ["MAJOR", "MINOR", "PATCH"].map(|part| variable(&format!("CARGO_PKG_VERSION_{part}")));
    let version = match (major.as_str(), minor.as_str()) {
        ("0", "0") => format!("0.0.{patch}"),
        ("0", _) => format!("0.{minor}"),
        _ => major,
    };
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libtrackmirror.so.{version}");
}

/// Compiles the object, or says why there is none.
fn build(object: &Path) -> Result<(), String> {
    if env::var_os("CARGO_FEATURE_CLI").is_none() {
        return Err("the command is not built".into());
    }
    let (system, library) = (variable("CARGO_CFG_TARGET_OS"), variable("CARGO_CFG_TARGET_ENV"));
    let machine = variable("CARGO_CFG_TARGET_ARCH");
    if (system.as_str(), library.as_str()) != ("linux", "gnu")
        || !MACHINES.contains(&machine.as_str())
        || variable("CARGO_CFG_TARGET_POINTER_WIDTH") != "64"
    {
        return Err(format!(
            "it was built for {}, not for 64-bit Linux with glibc",
            variable("TARGET")
        ));
    }
    let mut compiler = Command::new(variable("RUSTC"));
    compiler
        .args(["--crate-name", "trackmirror_monitor", "--crate-type", "cdylib"])
        .args(["--edition", "2024", "--target", &variable("TARGET")])
        .args(["-C", "opt-level=3", "-C", "codegen-units=1", "-C", "panic=abort"])
        .args(["-C", "force-unwind-tables=yes"])
        .args([
            "-C",
            "strip=symbols",
            "-C",
            "link-arg=-Wl,-z,now",
            "-C",
            "link-arg=-Wl,-z,nodelete",
        ])
        .args(linking_flags())
        .arg("-o")
        .arg(object)
        .arg("src/preload/lib.rs");
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut argument = std::ffi::OsString::from("linker=");
        argument.push(linker);
        compiler.arg("-C").arg(argument);
    }
    let output = compiler.output().map_err(|error| format!("{compiler:?}: {error}"));
    let failure = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error,
    };
    // For this machine the crate itself could not be linked either; for another one a linker may be missing.
    assert!(variable("HOST") != variable("TARGET"), "the monitor cannot be built: {failure}");
    println!("cargo::warning=the command will have no monitor for unchanged programs:");
    for line in failure.lines().take(5) {
        println!("cargo::warning={line}");
    }
    Err(format!("the compiler could not build it for {}", variable("TARGET")))
}

/// Those of the user's flags that say how to find and link libraries; others (warnings, coverage) are for his crate.
fn linking_flags() -> Vec<String> {
    const OPTIONS: [&str; 5] =
        ["linker=", "link-arg", "link-self-contained", "linker-flavor", "target-cpu="];
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let mut flags = flags.split('\x1f').filter(|flag| !flag.is_empty());
    let mut kept = Vec::new();
    while let Some(flag) = flags.next() {
        let (option, value) = match flag {
            "-C" | "--codegen" | "-L" | "--sysroot" => (flag, flags.next().unwrap_or_default()),
            _ => ("", flag.strip_prefix("-C").unwrap_or(flag)),
        };
        if ["-L", "--sysroot"].contains(&option) {
            kept.extend([option.to_string(), value.to_string()]);
        } else if flag.starts_with("-L") || flag.starts_with("--sysroot=") {
            kept.push(flag.to_string());
        } else if OPTIONS.iter().any(|known| value.starts_with(known)) {
            kept.extend(["-C".to_string(), value.to_string()]);
        }
    }
    kept
}
