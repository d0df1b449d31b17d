//! A program that was started with a monitor, together with everything that it starts: which volumes it has written, and
//! whether any of it lives.
//!
//! The problem: a script that opens a volume anew for each write has nothing open between two of them, and none of its
//! processes need live from one write to the next. Nevertheless it will write again, where it wrote before. So what
//! counts is not who has the volume open just now, but whether anything is left that could open it again.
//!
//! The rule: a program has a file in the registry's folder, `program-` and sixteen hexadecimal digits, and an open file of
//! it on which it holds a lock together with others. Whoever is forked off or executed inherits the open file, and so holds
//! the lock too; the kernel drops it with the last of them, however they end, in whatever namespace and under whatever user
//! they ran. (No process id is compared, and no process's environment looked through: a program may overwrite that.) A process
//! whose parent closed all files for it finds the file by an environment variable, and takes the lock itself before it
//! does anything else. Before a process opens a volume for writing, it adds the volume's file to the program's. It is
//! never taken out: what a program has written, it may write again.
//!
//! So whoever looks for the programs whose lock is held, and reads their volumes, misses none that wrote before he looked.
//! A file whose lock can be had belongs to nobody any more, and is removed under it. It is text:
//!
//! ```text
//! trackmirror program 1
//! process=1234 4026531836
//! image=PROD1
//! volume=fe01-4d
//! ```
//!
//! The second line is the process that began it, with its pid namespace, the third its image's name; both are for messages
//! only. Each further line is a volume's file, by file system and inode, or its block device, by all ones and the number.
//! A line that cannot be understood stands for every volume.
//!
//! This file uses nothing but the standard library and its siblings.

use super::map::{self, HeldByte, Locks};
use std::fs::{OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The environment variable that says to which program a process belongs.
pub const VARIABLE: &str = "TRACKMIRROR_PROGRAM";
const PREFIX: &str = "program-";
const FIRST_LINE: &str = "trackmirror program 1";
/// The byte whose lock says that something of the program lives.
const LIFE_BYTE: u64 = 904;
/// More than any program's file has.
const LENGTH_MAX: u64 = 1 << 20;
/// The longest name of an image.
const NAME_MAX: usize = 32;
/// How often to try again when somebody just removes the file.
const ATTEMPTS: u32 = 1000;

/// A program that this process belongs to.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    id: String,
    _life: Option<HeldByte>,
}

/// A program of which something lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivingProgram {
    /// Its file: whoever has it open is a part of the program.
    pub path: PathBuf,
    /// The name of its image.
    pub image: String,
    /// The process that began it, for messages only; `None` if that is in another pid namespace, or not known.
    pub process: Option<u32>,
    /// The files of the volumes that it has written, by file system and inode; `None` if that cannot be known.
    pub volumes: Option<Vec<(u64, u64)>>,
}

impl Program {
    /// Begins one, of which this process is the first. Files of those that have ended are removed.
    pub fn begin(folder: &Path, mode: u32, image: &str) -> io::Result<Program> {
        // Whoever cannot look through the folder cannot do what follows either.
        let _ = living(folder);
        let id = format!("{:016x}", map::random_id()?[0]);
        let program = Program::open(folder, mode, &id)?;
        let (process, namespace) = (std::process::id(), map::pid_namespace());
        let graphic = |c: char| if c.is_ascii_graphic() { c } else { '_' };
        let image: String = image.chars().map(graphic).take(NAME_MAX).collect();
        let text = format!("{FIRST_LINE}\nprocess={process} {namespace}\nimage={image}\n");
        program.append(&text)?;
        // Whatever the mask for new files says: those of a group look at each other's.
        std::fs::set_permissions(&program.path, Permissions::from_mode(mode))?;
        Ok(program)
    }

    /// Takes part in the one with this id. If this process has inherited an open file of it, which `has_inherited` is
    /// asked for by file system and inode, nothing more is needed.
    pub fn join(
        folder: &Path,
        mode: u32,
        id: &str,
        has_inherited: impl FnOnce(u64, u64) -> bool,
    ) -> io::Result<Program> {
        if id.len() != 16 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(io::Error::new(ErrorKind::InvalidInput, format!("{VARIABLE} is no id")));
        }
        let path = folder.join(format!("{PREFIX}{id}"));
        match std::fs::symlink_metadata(&path) {
            Ok(file) if has_inherited(file.dev(), file.ino()) => {
                Ok(Program { path, id: id.into(), _life: None })
            }
            _ => Program::open(folder, mode, id),
        }
    }

    /// Takes the lock on the file, which is made if it is not there.
    fn open(folder: &Path, mode: u32, id: &str) -> io::Result<Program> {
        let path = folder.join(format!("{PREFIX}{id}"));
        for _ in 0..ATTEMPTS {
            let file = options().create(true).mode(mode).open(&path)?;
            let own = file.metadata()?;
            if let Some(life) = Locks::File(file).try_hold(LIFE_BYTE, false)?
                && is_at(&path, &own)
            {
                life.leave_to_children()?;
                return Ok(Program { path, id: id.into(), _life: Some(life) });
            }
            std::thread::yield_now();
        }
        Err(io::Error::new(ErrorKind::WouldBlock, "the program's file is always being removed"))
    }

    /// What the environment variable has to be for those who belong to it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Tells that it is about to open a volume for writing, in this file.
    pub fn will_write(&self, device: u64, inode: u64) -> io::Result<()> {
        let line = format!("volume={device:x}-{inode:x}\n");
        let text = read(&self.path)?;
        if text.lines().any(|known| known == line.trim_end()) {
            return Ok(());
        }
        self.append(&line)
    }

    /// In one piece, so that lines of several processes do not mix.
    fn append(&self, text: &str) -> io::Result<()> {
        options().append(true).open(&self.path)?.write_all(text.as_bytes())
    }

    /// Takes it back, when nothing was started.
    pub fn remove(self) {
        // If it stays, whoever looks next removes it.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl LivingProgram {
    /// Whether it has written, or may have written, the volume in this file.
    pub fn may_write(&self, device: u64, inode: u64) -> bool {
        self.volumes.as_ref().is_none_or(|volumes| volumes.contains(&(device, inode)))
    }
}

/// Every program of which something lives. Files of those that have ended are removed.
pub fn living(folder: &Path) -> io::Result<Vec<LivingProgram>> {
    let mut programs = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_one = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_one && let Some(program) = look_at(&entry.path())? {
            programs.push(program);
        }
    }
    programs.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(programs)
}

fn look_at(path: &Path) -> io::Result<Option<LivingProgram>> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    let file = match options().open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(named)?,
    };
    let own = file.metadata().map_err(named)?;
    if let Some(_alone) = Locks::File(file).try_hold(LIFE_BYTE, true).map_err(named)? {
        if is_at(path, &own) {
            std::fs::remove_file(path).map_err(named)?;
        }
        return Ok(None);
    }
    let mut program = LivingProgram {
        path: path.into(),
        image: "?".into(),
        process: None,
        volumes: Some(Vec::new()),
    };
    match read(path) {
        Ok(text) => text.lines().for_each(|line| program.take_in(line)),
        // It ended just now.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(_) => program.volumes = None,
    }
    Ok(Some(program))
}

impl LivingProgram {
    fn take_in(&mut self, line: &str) {
        let volume = |text: &str| {
            let (device, inode) = text.split_once('-')?;
            let number = |digits| u64::from_str_radix(digits, 16).ok();
            Some((number(device)?, number(inode)?))
        };
        match line.split_once('=') {
            _ if line == FIRST_LINE => {}
            Some(("process", text)) => {
                let own = map::pid_namespace().to_string();
                let here = text.split_once(' ').filter(|(_, namespace)| *namespace == own);
                self.process = here.and_then(|(process, _)| process.parse().ok());
            }
            Some(("image", name)) => {
                let shown = |c: char| if c.is_ascii_graphic() { c } else { '?' };
                self.image = name.chars().take(NAME_MAX).map(shown).collect();
            }
            Some(("volume", text)) if volume(text).is_some() => {
                if let (Some(volumes), Some(volume)) = (&mut self.volumes, volume(text)) {
                    volumes.push(volume);
                }
            }
            _ => self.volumes = None,
        }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

fn is_at(path: &Path, own: &std::fs::Metadata) -> bool {
    let named = std::fs::symlink_metadata(path);
    named.is_ok_and(|named| (named.dev(), named.ino()) == (own.dev(), own.ino()))
}

/// Its text; one that is too long, or is none, is an error.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    options().open(path)?.take(LENGTH_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LENGTH_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is too long"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_lives_as_long_as_one_of_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::begin(folder.path(), 0o600, "PROD1").unwrap();
        program.will_write(0xFE01, 0x4D).unwrap();
        program.will_write(0xFE01, 0x4D).unwrap();
        program.will_write(7, 8).unwrap();
        let [found] = &living(folder.path()).unwrap()[..] else { panic!("one lives") };
        assert_eq!((found.image.as_str(), found.process), ("PROD1", Some(std::process::id())));
        assert_eq!(found.volumes, Some(vec![(0xFE01, 0x4D), (7, 8)]));
        assert!(found.may_write(7, 8) && !found.may_write(8, 7));
        // Another one takes part in it, who has not inherited anything.
        let id = program.id().to_string();
        let other = Program::join(folder.path(), 0o600, &id, |_, _| false).unwrap();
        other.will_write(9, 9).unwrap();
        assert_eq!(living(folder.path()).unwrap()[0].volumes.as_ref().unwrap().len(), 3);
        assert!(Program::join(folder.path(), 0o600, "../../etc/passwd", |_, _| false).is_err());
    }

    #[test]
    fn what_nobody_holds_is_removed_and_what_is_not_understood_is_taken_for_the_worse() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(format!("{PREFIX}0123456789abcdef"));
        std::fs::write(&left, FIRST_LINE).unwrap();
        std::fs::write(folder.path().join("area-1-2"), "").unwrap();
        assert_eq!(living(folder.path()).unwrap(), []);
        assert!(!left.exists() && folder.path().join("area-1-2").exists());
        for (text, volumes) in [
            ("", Some(vec![])),
            ("trackmirror program 1\nvolume=1-2\nvolume=zz\n", None),
            ("trackmirror program 2\n", None),
            ("volume=1-2\nvolume=3-", None),
            ("volume=1-2\n", Some(vec![(1, 2)])),
        ] {
            std::fs::write(&left, text).unwrap();
            let file = options().open(&left).unwrap();
            let life = Locks::File(file).try_hold(LIFE_BYTE, false).unwrap();
            assert_eq!(living(folder.path()).unwrap()[0].volumes, volumes, "{text:?}");
            drop(life);
            assert_eq!(living(folder.path()).unwrap(), []);
        }
        std::fs::write(&left, vec![b'\n'; LENGTH_MAX as usize + 1]).unwrap();
        let file = options().open(&left).unwrap();
        let _life = Locks::File(file).try_hold(LIFE_BYTE, false).unwrap();
        assert!(living(folder.path()).unwrap()[0].may_write(1, 1));
    }
}
