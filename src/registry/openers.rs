//! Who has which data sets open, who is asked to close them, and which ones nobody may open.
//!
//! A program opens a data set by [`Openers::open`] and has it until the [`Opened`] is dropped, or the program ends,
//! however it ends. It polls [`Opened::close_requested`], and closes and unallocates when it can. While a data set is
//! *held*, nobody gets it.
//!
//! # The folder
//! All is files in one folder: the one that the environment variable `TRACKMIRROR_OPENERS` names; else `openers` in the
//! folder that `TRACKMIRROR_REGISTRY` names; else `/var/lib/trackmirror` if it is there, or can be made; else
//! `trackmirror/openers` in the user's state folder (`XDG_STATE_HOME`, `~/.local/state`). All programs that open a data
//! set, and the one that moves it, must come to the same folder. The rules for its owner and access are those of
//! [`areas`]. It must outlive the machine, because holds must: not in `/run`.
//!
//! | file | what |
//! |---|---|
//! | `open-NAME-RANDOM` | an opener; locked by the kernel as long as he has the data set |
//! | `ask-NAME-CRC` | a request to close; the CRC-32C is that of its owner |
//! | `hold-NAME` | a hold |
//! | `new-RANDOM` | one of them that is just being made |
//!
//! In names every byte that is no letter, digit, national character, hyphen or period is written as `%` and two digits.
//! Each file is text: a first line, and `key=value` lines, escaped in the same way.
//!
//! # Why nobody slips by
//! An opener first becomes visible (a file that is locked before it gets its name), then looks for a hold, and gives
//! the data set back if there is one. Who holds first makes the hold, then looks for openers. Whichever comes second
//! sees the other. A file whose lock is free is that of an opener who died: he counts as closed, and it is removed.
//!
//! A hold is durable when [`Openers::hold`] returns, and stays until its owner (the migration, named by its state folder)
//! releases it, or somebody does so by force.

use super::{areas, escaped, unescaped};
use crate::bytes::{crc32c, ebcdic_text, to_ebcdic};
use crate::clock::{Clock, Day, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::name::DsName;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment variable that names the folder.
pub const VARIABLE: &str = "TRACKMIRROR_OPENERS";
/// The system's own folder.
const SYSTEM_FOLDER: &str = "/var/lib/trackmirror";
const OPENER: &str = "trackmirror opener 1";
const REQUEST: &str = "trackmirror request to close 1";
const HOLD: &str = "trackmirror hold 1";
/// More than any of the files needs.
const LENGTH_MAX: u64 = 65_536;

/// Somebody who has a data set open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opener {
    /// The image that he runs on.
    pub image: String,
    /// His program or job.
    pub program: String,
    /// His process, for messages only.
    pub process: Option<u32>,
    /// What he has open; `None` if only he himself knows.
    pub data_set: Option<DsName>,
}

impl fmt::Display for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on image {}", self.program, self.image)?;
        if let Some(process) = self.process {
            write!(f, " (process {process})")?;
        }
        match &self.data_set {
            Some(data_set) => write!(f, " has {data_set} open"),
            None => Ok(()),
        }
    }
}

/// A request to close a data set, or a hold of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The data set.
    pub data_set: DsName,
    /// Whose it is: the state folder of a migration; why it cannot be read, if it cannot.
    pub owner: String,
    /// Since when, as the time since 1970; zero if that cannot be read.
    pub since: Duration,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.since.as_secs() % 86_400;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let day = Day::at(self.since);
        write!(f, "{} by {} ", self.data_set, self.owner)?;
        write!(f, "since {day} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// The registry of openers: one folder.
///
/// ```
/// use trackmirror::registry::openers::Openers;
/// # let temporary = tempfile::tempdir().unwrap();
/// # let folder = temporary.path().join("openers");
/// let openers = Openers::at(&folder)?; // programs use `Openers::system`
/// let name = "TEST.SEQ.FB".parse()?;
/// let opened = openers.open(&name, "SYSA")?;
/// openers.hold(&[name], "/var/lib/moves/test")?;
/// assert!(openers.open(&name, "SYSB").is_err());
/// drop(opened);
/// assert!(openers.openers_of(&[name])?.is_empty());
/// openers.release(&[name], "/var/lib/moves/test")?;
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Openers {
    folder: PathBuf,
}

impl Openers {
    /// The registry that all programs of this system use.
    pub fn system() -> Result<Openers> {
        let folder = system_folder();
        folder
            .map(|folder| Openers { folder })
            .map_err(|error| Error::io("the registry of openers", &error))
    }

    /// The registry that all programs of this system use, if it is there: for those who only look, and leave nothing
    /// behind.
    pub fn existing() -> Result<Option<Openers>> {
        let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
        let state = named("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| named("HOME").map(|home| Path::new(&home).join(".local/state")));
        let candidates = match (named(VARIABLE), named(areas::VARIABLE)) {
            (Some(folder), _) => vec![PathBuf::from(folder)],
            (None, Some(registry)) => vec![Path::new(&registry).join("openers")],
            (None, None) => std::iter::once(PathBuf::from(SYSTEM_FOLDER))
                .chain(state.map(|state| state.join("trackmirror/openers")))
                .collect(),
        };
        let folder = candidates.into_iter().find(|folder| folder.exists());
        folder.map(|folder| Openers::at(&folder)).transpose()
    }

    /// The registry in this folder, which is made unless it is there.
    pub fn at(folder: &Path) -> Result<Openers> {
        let checked = areas::checked(folder.into());
        checked
            .map(|folder| Openers { folder })
            .map_err(|error| Error::io("the registry of openers", &error))
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the folder lies in memory, so that holds are lost when the machine stops.
    pub fn is_volatile(&self) -> bool {
        let Ok(metadata) = std::fs::metadata(&self.folder) else { return false };
        let device = format!("{}:{}", libc::major(metadata.dev()), libc::minor(metadata.dev()));
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        mounts.lines().any(|line| {
            let mut words = line.split(' ');
            words.nth(2) == Some(&device)
                && words
                    .skip_while(|word| *word != "-")
                    .nth(1)
                    .is_some_and(|kind| ["tmpfs", "ramfs"].contains(&kind))
        })
    }

    /// Opens a data set for a program on this image.
    ///
    /// Error: [`Reason::DataSetHeld`], which names who holds it and since when.
    pub fn open(&self, data_set: &DsName, image: &str) -> Result<Opened> {
        let program = std::fs::read_to_string("/proc/self/comm").unwrap_or_else(|_| "?".into());
        let process = std::process::id();
        let lines = [
            ("data_set", name_text(data_set)),
            ("image", image.into()),
            ("program", program.trim().into()),
            ("process", process.to_string()),
        ];
        let new = New::make(&self.folder, OPENER, &lines, false)?;
        let name = format!("open-{}-{}", name_text(data_set), new.random);
        let path = self.folder.join(name);
        let io = |error| Error::io(path.display(), &error);
        std::fs::rename(&new.path, &path).map_err(io)?;
        let opened = Opened {
            openers: self.clone(),
            data_set: *data_set,
            path,
            file: new.into_file(),
            process,
        };
        match self.held(data_set)? {
            None => Ok(opened),
            Some(hold) => Err(Error::new(
                Reason::DataSetHeld,
                format!("the data set is being moved and cannot be opened now: held {hold}"),
            )
            .of_data_set(*data_set)),
        }
    }

    /// Everybody who has one of these data sets open. What openers left behind that have died is removed.
    pub fn openers_of(&self, data_sets: &[DsName]) -> Result<Vec<Opener>> {
        self.openers(data_sets, true)
    }

    /// The same, and nothing is removed.
    pub fn openers_seen(&self, data_sets: &[DsName]) -> Result<Vec<Opener>> {
        self.openers(data_sets, false)
    }

    fn openers(&self, data_sets: &[DsName], removes_dead: bool) -> Result<Vec<Opener>> {
        let wanted: BTreeSet<String> = data_sets.iter().map(name_text).collect();
        let mut openers = Vec::new();
        for file_name in self.names("open-")? {
            let Some((name, _)) = file_name["open-".len()..].rsplit_once('-') else { continue };
            if wanted.contains(name)
                && let Some(opener) = alive(&self.folder.join(&file_name), name, removes_dead)?
            {
                openers.push(opener);
            }
        }
        openers.sort();
        Ok(openers)
    }

    /// Asks everybody who has these data sets open to close them, in the name of an owner.
    pub fn request(&self, data_sets: &[DsName], owner: &str) -> Result<()> {
        for data_set in data_sets {
            let path = self.request_file(data_set, owner);
            if path.exists() {
                continue;
            }
            let new = New::make(&self.folder, REQUEST, &claim_lines(data_set, owner), false)?;
            std::fs::rename(&new.path, &path).map_err(|e| Error::io(path.display(), &e))?;
        }
        Ok(())
    }

    /// Takes the owner's requests back.
    pub fn withdraw(&self, data_sets: &[DsName], owner: &str) -> Result<()> {
        data_sets.iter().try_for_each(|name| remove(&self.request_file(name, owner)).map(drop))
    }

    /// The first request to close this data set, if there is one.
    pub fn requested(&self, data_set: &DsName) -> Result<Option<Claim>> {
        let prefix = format!("ask-{}-", name_text(data_set));
        for file_name in self.names(&prefix)? {
            // Hyphens are part of names: what follows must be the CRC alone.
            let crc = &file_name[prefix.len()..];
            if crc.len() == 8
                && let Some(claim) = read_claim(&self.folder.join(&file_name), REQUEST, data_set)?
            {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// Lets nobody open these data sets any more, durably. Who has one already keeps it. Doing it again changes
    /// nothing. If one of them cannot be held, none is that was not before.
    ///
    /// Error: [`Reason::DataSetHeld`] if another owner holds one of them.
    pub fn hold(&self, data_sets: &[DsName], owner: &str) -> Result<()> {
        if self.is_volatile() {
            log::warn!(
                "{} lies in memory: a hold ends when the machine stops; name another folder by {VARIABLE}",
                self.folder.display()
            );
        }
        let mut made = Vec::new();
        let mut all = || -> Result<()> {
            for data_set in data_sets {
                if self.hold_one(data_set, owner)? {
                    made.push(*data_set);
                }
            }
            self.sync()
        };
        let held = all();
        if held.is_err() {
            for data_set in &made {
                if let Err(error) = remove(&self.hold_file(data_set)) {
                    log::warn!("a hold stays: {error}");
                }
            }
        }
        held
    }

    /// Whether a hold was made that was not there.
    fn hold_one(&self, data_set: &DsName, owner: &str) -> Result<bool> {
        let path = self.hold_file(data_set);
        if read_claim(&path, HOLD, data_set)?.is_none() {
            let new = New::make(&self.folder, HOLD, &claim_lines(data_set, owner), true)?;
            match std::fs::hard_link(&new.path, &path) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(path.display(), &error)),
            }
        }
        match read_claim(&path, HOLD, data_set)? {
            Some(hold) if hold.owner != owner => Err(held_by(&hold)),
            Some(_) => Ok(false),
            None => Err(Error::new(
                Reason::Io,
                format!("{}: it was just released by somebody else; try again", path.display()),
            )
            .of_data_set(*data_set)),
        }
    }

    /// The hold of this data set, if it is held.
    pub fn held(&self, data_set: &DsName) -> Result<Option<Claim>> {
        read_claim(&self.hold_file(data_set), HOLD, data_set)
    }

    /// All holds, by the names of the data sets.
    pub fn holds(&self) -> Result<Vec<Claim>> {
        let mut holds = Vec::new();
        for file_name in self.names("hold-")? {
            let Some(data_set) = name_of(&file_name["hold-".len()..]) else { continue };
            holds.extend(self.held(&data_set)?);
        }
        Ok(holds)
    }

    /// Removes the owner's holds of these data sets. What is not held is passed over.
    ///
    /// Error: [`Reason::DataSetHeld`] if another owner holds one; those of the owner are released nevertheless.
    pub fn release(&self, data_sets: &[DsName], owner: &str) -> Result<()> {
        self.remove_holds(data_sets, Some(owner))
    }

    /// Removes the holds of these data sets, whoever owns them: for the operator, when he is sure that no migration
    /// needs them any more.
    pub fn release_by_force(&self, data_sets: &[DsName]) -> Result<()> {
        self.remove_holds(data_sets, None)
    }

    fn remove_holds(&self, data_sets: &[DsName], owner: Option<&str>) -> Result<()> {
        let mut result = Ok(());
        for data_set in data_sets {
            let released = match self.held(data_set) {
                Ok(Some(hold)) if owner.is_some_and(|owner| owner != hold.owner) => {
                    Err(held_by(&hold))
                }
                Ok(None) => Ok(false),
                Err(error) if owner.is_some() => Err(error),
                _ => remove(&self.hold_file(data_set)),
            };
            result = result.and(released.map(drop));
        }
        result.and(self.sync())
    }

    fn hold_file(&self, data_set: &DsName) -> PathBuf {
        self.folder.join(format!("hold-{}", name_text(data_set)))
    }

    fn request_file(&self, data_set: &DsName, owner: &str) -> PathBuf {
        let crc = crc32c(0, owner.as_bytes());
        self.folder.join(format!("ask-{}-{crc:08x}", name_text(data_set)))
    }

    /// The files whose names begin so, in order.
    fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let io = |error: io::Error| Error::io(self.folder.display(), &error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            names.extend(name.to_str().filter(|name| name.starts_with(prefix)).map(String::from));
        }
        names.sort();
        Ok(names)
    }

    fn sync(&self) -> Result<()> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Error::io(self.folder.display(), &error))
    }
}

/// A data set that a program has open, as long as this lives, at most as long as the process does.
///
/// A fork has it too: then it is open until both have ended, or the one that opened it drops this.
#[derive(Debug)]
pub struct Opened {
    openers: Openers,
    data_set: DsName,
    path: PathBuf,
    file: File,
    process: u32,
}

impl Opened {
    /// Opens a data set in the registry of this system: see [`Openers::open`].
    pub fn open(data_set: &DsName, image: &str) -> Result<Opened> {
        Openers::system()?.open(data_set, image)
    }

    /// The data set.
    pub fn data_set(&self) -> &DsName {
        &self.data_set
    }

    /// Whether somebody wants it to be closed and unallocated, who, and since when. To be polled, once a second or so.
    pub fn close_requested(&self) -> Result<Option<Claim>> {
        self.openers.requested(&self.data_set)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        // Closing the file would do, but a process that is just being started has a copy of it for a moment.
        let closed = std::fs::remove_file(&self.path).and_then(|()| self.file.unlock());
        if let Err(error) = closed {
            log::warn!("{}: {error}", self.path.display());
        }
    }
}

fn held_by(hold: &Claim) -> Error {
    Error::new(
        Reason::DataSetHeld,
        format!(
            "held {hold}; end that migration, or release it by force if you are sure that there is none any more"
        ),
    )
    .of_data_set(hold.data_set)
}

fn system_folder() -> io::Result<PathBuf> {
    let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
    if let Some(folder) = named(VARIABLE) {
        return areas::checked(folder.into());
    }
    if named(areas::VARIABLE).is_some() {
        return areas::checked(areas::area_folder()?.join("openers"));
    }
    let system = areas::checked(SYSTEM_FOLDER.into());
    if system.is_ok() {
        return system;
    }
    let state = named("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| named("HOME").map(|home| Path::new(&home).join(".local/state")));
    let Some(state) = state else {
        return system.map_err(|error| {
            io::Error::new(error.kind(), format!("{error}; name a folder by {VARIABLE}"))
        });
    };
    std::fs::create_dir_all(&state)?;
    areas::checked(areas::checked(state.join("trackmirror"))?.join("openers"))
}

/// A data set name as it stands in file names, and in notes.
pub(super) fn name_text(name: &DsName) -> String {
    let bytes = name.as_bytes();
    let end = bytes.iter().rposition(|&byte| byte != 0x40).map_or(0, |last| last + 1);
    let one = |&byte: &u8| {
        let legal = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || b"#@$.-".contains(&c);
        let shown = ebcdic_text(&[byte]);
        if matches!(shown.as_bytes(), [c] if legal(*c)) { shown } else { format!("%{byte:02X}") }
    };
    bytes[..end].iter().map(one).collect()
}

pub(super) fn name_of(text: &str) -> Option<DsName> {
    let (mut name, mut length) = ([0x40; 44], 0);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let byte = if character == '%' {
            let digits = [characters.next()?, characters.next()?];
            u8::from_str_radix(&String::from_iter(digits), 16).ok()?
        } else {
            to_ebcdic(character)?
        };
        *name.get_mut(length)? = byte;
        length += 1;
    }
    let name = DsName::from_bytes(name);
    (name_text(&name) == text).then_some(name)
}

fn claim_lines(data_set: &DsName, owner: &str) -> [(&'static str, String); 3] {
    let since = SystemClock.now().as_secs();
    [("data_set", name_text(data_set)), ("owner", owner.into()), ("since", since.to_string())]
}

/// A file that has no name yet by which anybody finds it; it is removed unless it gets one.
struct New {
    path: PathBuf,
    random: String,
    file: Option<File>,
}

impl New {
    /// Makes it, locked.
    fn make(
        folder: &Path,
        first_line: &str,
        lines: &[(&str, String)],
        durable: bool,
    ) -> Result<New> {
        let io = |error: io::Error| Error::io(folder.display(), &error);
        let random = random().map_err(io)?;
        let path = folder.join(format!("new-{random}"));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(io)?;
        let new = New { path, random, file: Some(file.try_clone().map_err(io)?) };
        let text: String = lines
            .iter()
            .map(|(key, value)| format!("{key}={}\n", escaped(value.as_bytes())))
            .collect();
        file.lock()
            .and_then(|()| file.write_all(format!("{first_line}\n{text}").as_bytes()))
            .and_then(|()| file.set_permissions(Permissions::from_mode(areas::file_mode(folder)?)))
            .and_then(|()| if durable { file.sync_all() } else { Ok(()) })
            .map_err(io)?;
        Ok(new)
    }

    /// The file, which keeps the lock.
    fn into_file(mut self) -> File {
        self.file.take().expect("it is taken once")
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // Its other name, if it got one, stays.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// Removes a file; false if it was not there.
fn remove(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(path.display(), &error)),
        Ok(()) => Ok(true),
    }
}

fn open_to_read(path: &Path) -> io::Result<Option<File>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// The values of a file that begins with this line; `None` if it has not that form.
fn read_lines(file: &File, first_line: &str) -> Option<Vec<(String, String)>> {
    let mut text = String::new();
    file.take(LENGTH_MAX).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    (lines.next()? == first_line).then_some(())?;
    lines
        .map(|line| {
            let (key, value) = line.split_once('=')?;
            let value = String::from_utf8_lossy(&unescaped(value)?).into_owned();
            Some((key.to_string(), value))
        })
        .collect()
}

fn value<'a>(lines: &'a [(String, String)], key: &str) -> Option<&'a str> {
    lines.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str())
}

/// The opener whose file this is; `None` if he died, or has just closed.
fn alive(path: &Path, name: &str, removes_dead: bool) -> Result<Option<Opener>> {
    let io = |error: io::Error| Error::io(path.display(), &error);
    let unknown = |why: String| Opener {
        image: "?".into(),
        program: why,
        process: None,
        data_set: name_of(name),
    };
    let file = match open_to_read(path) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(None),
        // Who cannot be asked may be alive.
        Err(error) => return Ok(Some(unknown(format!("{}: {error}", path.display())))),
    };
    match file.try_lock_shared() {
        Ok(()) => {
            if removes_dead {
                remove(path)?;
            }
            return Ok(None);
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    let Some(lines) = read_lines(&file, OPENER) else {
        return Ok(Some(unknown(format!("whoever has {} locked", path.display()))));
    };
    let text = |key| value(&lines, key).unwrap_or("?").to_string();
    Ok(Some(Opener {
        image: text("image"),
        program: text("program"),
        process: value(&lines, "process").and_then(|process| process.parse().ok()),
        data_set: name_of(name),
    }))
}

/// A request or a hold; one that cannot be read counts.
fn read_claim(path: &Path, first_line: &str, data_set: &DsName) -> Result<Option<Claim>> {
    let file = open_to_read(path).map_err(|error| Error::io(path.display(), &error))?;
    let Some(file) = file else { return Ok(None) };
    let lines = read_lines(&file, first_line);
    let read = lines.as_ref().and_then(|lines| {
        let owner = value(lines, "owner")?.to_string();
        Some((owner, Duration::from_secs(value(lines, "since")?.parse().ok()?)))
    });
    let (owner, since) = read.unwrap_or_else(|| {
        (format!("whoever made {}, which cannot be read", path.display()), Duration::ZERO)
    });
    Ok(Some(Claim { data_set: *data_set, owner, since }))
}

#[cfg(test)]
mod tests;
