//! `trackmirror monitored`: runs a program that cannot be changed with a monitor loaded into it.
//!
//! The monitor is a shared object that the command carries with it. The program, and all that it starts, load it by its
//! path, also long after the command has become the program. So it is kept in a private folder of the user, under a name
//! that is its contents' own: written once, compared each time, never removed while somebody may need it.

mod elf;

use crate::output::Answer;
use clap::builder::NonEmptyStringValueParser;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use trackmirror::bytes::crc32c;
use trackmirror::monitor::program::{self, Program};
use trackmirror::registry::areas;
use trackmirror::{Error, Reason, Result};

/// The shared object; empty if this build has none.
const MONITOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/monitor.so"));

const EXAMPLES: &str = "\
Examples:
  trackmirror monitored -- hercules -f system.cnf
  trackmirror monitored --image PROD1 -- hercules -f prod1.cnf

The program becomes an image on every plain CKD volume that it opens for writing, under its own name or the one that is
given (with the process id behind it, if another living image has the name). Each of its writes is noted for the
migrations of the volume; while one takes its data sets over, writes to them fail. A migration may begin long after.

With everything that it starts, it counts as one that has the data sets of each volume open that it has ever written,
until the last of its processes has ended: a script that opens the volume anew for each write, as well as an emulator
that has detached it. A command that knows better speaks for it: give --is-closed, or --guest for a running system.

What cannot be noted is refused: shared mappings for writing, asynchronous input and output (aio, io_uring), cloning,
handing a descriptor on. Programs that do not load the monitor are refused: static ones, those with privileges of their
own (set-user-id), those of another machine. All programs that write a volume, and the migration, must use the same
registry folder: TRACKMIRROR_REGISTRY, by default /run/trackmirror, else trackmirror in XDG_RUNTIME_DIR.";

/// Run a program with a monitor, so that data sets can be moved while it writes to their volumes
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The image's name: 1 to 26 printable characters without blanks [default: the program's]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    image: Option<String>,
    /// The program, and its arguments
    #[arg(required = true, last = true, num_args = 1.., value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Becomes the program; comes back only if that fails.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let (program, others) = arguments.command.split_first().expect("one at least is required");
    if let Some(name) = &arguments.image {
        check_name(name)?;
    }
    if MONITOR.is_empty() {
        let why = option_env!("TRACKMIRROR_NO_MONITOR").unwrap_or("it was built without one");
        return Err(refusal(format!("this command has no monitor for programs: {why}")));
    }
    elf::check(program)?;
    let registry = areas::area_folder().map_err(|error| Error::io("the registry", &error))?;
    let registry = std::path::absolute(&registry).map_err(|e| Error::io("the registry", &e))?;
    let mut preload = OsString::from(installed()?);
    if let Some(before) = std::env::var_os("LD_PRELOAD").filter(|before| !before.is_empty()) {
        preload.push(":");
        preload.push(before);
    }
    let own = begin(&registry, arguments.image.as_deref(), program)?;
    let mut command = Command::new(program);
    command.args(others).env("LD_PRELOAD", preload).env(areas::VARIABLE, registry);
    command.env(program::VARIABLE, own.id());
    match &arguments.image {
        Some(name) => command.env("TRACKMIRROR_IMAGE", name),
        None => command.env_remove("TRACKMIRROR_IMAGE"),
    };
    let error = command.exec();
    own.remove();
    Err(Error::io(format!("cannot run {}", Path::new(program).display()), &error))
}

/// The program, of which this process is the first, and everything that it starts is a part.
fn begin(registry: &Path, image: Option<&str>, program: &OsStr) -> Result<Program> {
    let file_name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    let mode = areas::file_mode(registry).map_err(|error| Error::io("the registry", &error))?;
    Program::begin(registry, mode, image.unwrap_or(&file_name))
        .map_err(|error| Error::io("the registry", &error))
}

fn refusal(why: impl Into<String>) -> Error {
    Error::new(Reason::BadRequest, why.into())
}

/// Six characters are left for what tells images of one name apart.
fn check_name(name: &str) -> Result<()> {
    if name.len() <= 26 && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let why = "an image's name has 1 to 26 printable ASCII characters and no blanks";
    Err(Error::new(Reason::BadImageName, why))
}

/// The path of the shared object, put there if it is not there yet.
fn installed() -> Result<PathBuf> {
    let name = format!("monitor-{}-{:08x}.so", env!("CARGO_PKG_VERSION"), crc32c(0, MONITOR));
    let mut refusals = Vec::new();
    for folder in folders() {
        match install(&folder, &name) {
            Ok(path) => return Ok(path),
            Err(why) => refusals.push(format!("{}: {why}", folder.display())),
        }
    }
    let why = "there is no place for the monitor, which must lie in a folder from which programs may load it; set \
               XDG_CACHE_HOME to one";
    Err(refusal(format!("{why} ({})", refusals.join("; "))))
}

/// Where it may lie: the user's cache, or a folder of his own among the temporary files.
fn folders() -> Vec<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = rustix::process::getuid().as_raw();
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let temporary = std::env::temp_dir().join(format!("trackmirror-{user}"));
    cache.map(|cache| cache.join("trackmirror")).into_iter().chain([temporary]).collect()
}

fn install(folder: &Path, name: &str) -> std::result::Result<PathBuf, String> {
    let io = |error: std::io::Error| error.to_string();
    if let Some(parent) = folder.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(io)?;
    }
    let folder = areas::checked(folder.into()).map_err(io)?;
    let folder = std::fs::canonicalize(folder).map_err(io)?;
    let own = rustix::process::geteuid().as_raw();
    let metadata = std::fs::metadata(&folder).map_err(io)?;
    if metadata.uid() != own || metadata.mode() & 0o022 != 0 {
        return Err("others can write to it".into());
    }
    let path = folder.join(name);
    if path.as_os_str().as_bytes().iter().any(|byte| b" \t\n:;".contains(byte)) {
        return Err("its name has a character that separates names in LD_PRELOAD".into());
    }
    let system = rustix::fs::statvfs(&folder).map_err(|error| error.to_string())?;
    if system.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC) {
        return Err("programs on that file system may not be run (noexec)".into());
    }
    if !holds_monitor(&path) {
        put(&folder, &path).map_err(io)?;
    }
    Ok(path)
}

/// Whether a file is the shared object, and nobody else can change it.
fn holds_monitor(path: &Path) -> bool {
    let Ok(mut file) = open_own(OpenOptions::new().read(true), path) else { return false };
    let own = rustix::process::geteuid().as_raw();
    let is_own = file.metadata().is_ok_and(|metadata| {
        metadata.is_file() && metadata.uid() == own && metadata.mode() & 0o022 == 0
    });
    let mut contents = Vec::new();
    let limit = MONITOR.len() as u64 + 1;
    is_own && (&mut file).take(limit).read_to_end(&mut contents).is_ok() && contents == MONITOR
}

/// Writes the shared object under another name and gives it its own, so that nobody loads half of it.
fn put(folder: &Path, path: &Path) -> std::io::Result<()> {
    let temporary = folder.join(format!("monitor-new-{}", std::process::id()));
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let write = || {
        let mut new =
            open_own(OpenOptions::new().write(true).create_new(true).mode(0o600), &temporary)?;
        new.write_all(MONITOR)?;
        std::fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // What cannot be removed is only a few bytes in a cache.
        let _ = std::fs::remove_file(&temporary);
    })
}

fn open_own(options: &mut OpenOptions, path: &Path) -> std::io::Result<File> {
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32).open(path)
}

/// The file that a program's name leads to.
fn found(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let is_program = |file: &PathBuf| {
        std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0)
    };
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(is_program)
}
