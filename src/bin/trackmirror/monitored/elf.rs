//! Whether a program will load what `LD_PRELOAD` names: told by its file, before it runs.
//!
//! A program that is static, that gets privileges of its own when it is run, or that is of another machine than this
//! command runs without the monitor, and the system at most prints a line. That is found out here, and refused.

use super::{found, refusal};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use trackmirror::{Error, Result};

/// How many interpreters may lead to each other.
const INTERPRETERS_MAX: u32 = 4;
/// The segment that names the dynamic loader.
const PT_INTERP: u32 = 3;

/// Refuses a program that would not load the monitor.
pub fn check(program: &OsStr) -> Result<()> {
    let mut program = program.to_os_string();
    for _ in 0..=INTERPRETERS_MAX {
        let Some(path) = found(&program) else {
            let name = program.display();
            return Err(refusal(format!("there is no program {name} in PATH; give its path")));
        };
        match look_at(&path)? {
            Some(interpreter) => program = interpreter,
            None => return Ok(()),
        }
    }
    Err(refusal(format!("{}: too many interpreters run each other", program.display())))
}

/// The interpreter of a script; `None` for a program that will load the monitor.
fn look_at(path: &Path) -> Result<Option<OsString>> {
    let io = |error: std::io::Error| Error::io(path.display(), &error);
    let refuse = |why: &str| Err(refusal(format!("{} {why}", path.display())));
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return refuse("is no program");
    }
    if metadata.mode() & 0o6000 != 0 || has_capabilities(path) {
        return refuse(
            "gets privileges of its own when it is run (set-user-id or capabilities), and then loads no monitor; \
             remove them, and run it as a user who has them",
        );
    }
    let file = match File::open(path) {
        Ok(file) => file,
        // It may be run by those who may not read it; nothing is known of it then.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return refuse("cannot be read, so it cannot be known whether it loads the monitor");
        }
        Err(error) => return Err(io(error)),
    };
    let mut head = Vec::new();
    (&file).take(256).read_to_end(&mut head).map_err(io)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let mut words = line.split(|byte| b" \t".contains(byte)).filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        // `env` finds the program itself, and does nothing but become it.
        let is_env = first.ends_with(b"/env");
        let word = if is_env { words.find(|word| !word.starts_with(b"-")) } else { Some(first) };
        return Ok(Some(OsString::from_vec(word.unwrap_or(first).to_vec())));
    }
    if !head.starts_with(b"\x7FELF") {
        // The shell runs it, if anything does.
        return Ok(Some("/bin/sh".into()));
    }
    if !is_like_this_command(&head) {
        return refuse(
            "is a program for another kind of machine than this command, and loads no monitor",
        );
    }
    if !has_loader(&file, &head).map_err(io)? {
        return refuse(
            "is a static program, which loads no monitor; use one that is linked dynamically",
        );
    }
    Ok(None)
}

fn has_capabilities(path: &Path) -> bool {
    let mut value = [0u8; 64];
    rustix::fs::getxattr(path, "security.capability", &mut value).is_ok()
}

/// Whether class, byte order and machine are those of this command.
fn is_like_this_command(head: &[u8]) -> bool {
    let mut own = [0; 20];
    let read = File::open("/proc/self/exe").and_then(|file| file.read_exact_at(&mut own, 0));
    read.is_ok() && head.len() > 20 && head[4..6] == own[4..6] && head[18..20] == own[18..20]
}

/// Whether the program's segments name a dynamic loader. Class and byte order are this command's: 64 bits.
fn has_loader(file: &File, head: &[u8]) -> std::io::Result<bool> {
    let (Some(offset), Some(size), Some(count)) =
        (head.get(32..40), head.get(54..56), head.get(56..58))
    else {
        return Ok(false);
    };
    let offset = offset.try_into().map_or(0, u64::from_ne_bytes);
    let size = size.try_into().map_or(0, u16::from_ne_bytes);
    let count = count.try_into().map_or(0, u16::from_ne_bytes);
    for number in 0..u64::from(count) {
        let mut kind = [0; 4];
        let Some(place) = offset.checked_add(number * u64::from(size)) else { return Ok(false) };
        if file.read_exact_at(&mut kind, place).is_err() {
            return Ok(false);
        }
        if u32::from_ne_bytes(kind) == PT_INTERP {
            return Ok(true);
        }
    }
    Ok(false)
}
