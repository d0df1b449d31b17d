//! The folder with the state of a migration, and what the command keeps there beside the checkpoint.
//!
//! | file | what |
//! |---|---|
//! | `checkpoint.0`, `checkpoint.1`, `owner` | see the library's checkpoint |
//! | `request.json` | the images, and how the command was asked to move them, so that `resume` needs no arguments |
//! | `events.log` | everything that happened, with times |
//! | `events.jsonl` | the same for programs: one JSON object in each line |
//! | `status.json` | how far it is, replaced by the process that leads it, while others write |
//! | `order-*`, `answer-*` | what was typed at another terminal, and what became of it |

use crate::live::LiveOptions;
use crate::selection::Roles;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use trackmirror::bytes::crc32c;
use trackmirror::checkpoint::FileStore;
use trackmirror::pace::Pace;
use trackmirror::{DsMask, Error, Reason, Result, Volser};

const REQUEST: &str = "request.json";
/// How far it is, written by the process that leads it.
pub const STATUS: &str = "status.json";
/// The log of events for people, and the one for programs.
pub const EVENTS: [&str; 2] = ["events.log", "events.jsonl"];
const VERSION: u64 = 2;
/// More than any request needs.
const REQUEST_LENGTH_MAX: u64 = 1 << 24;

/// How the command was asked to move something, and what must outlive its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What makes two commands the same: masks, images and options.
    pub identity: String,
    /// All images.
    pub files: Vec<PathBuf>,
    /// Their serials, by which they are found again if they were moved; none in the requests of older releases.
    pub volsers: Vec<Volser>,
    /// Which of them are what.
    pub roles: Roles,
    /// Whether the copies are compared before the switch.
    pub verify: bool,
    /// Whether digests of what is moved are told in the end.
    pub digests: bool,
    /// How many threads copy.
    pub threads: u16,
    /// How fast it is copied.
    pub pace: Pace,
    /// How others are dealt with who write meanwhile; `None` if nobody does.
    pub live: Option<LiveOptions>,
    /// When the switch was done, in milliseconds since 1970.
    pub switched_ms: Option<u64>,
    /// Data sets that were left where they are, and why.
    pub left_out: Vec<(String, String)>,
}

impl Request {
    /// Makes it durable in the folder, whole or not at all.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let texts = |files: &[PathBuf]| -> Result<Vec<String>> {
            files.iter().map(|file| text(file).map(String::from)).collect()
        };
        let value = json!({
            "version": VERSION, "identity": self.identity, "files": texts(&self.files)?,
            "volsers": self.volsers.iter().map(Volser::to_string).collect::<Vec<_>>(), "sources": texts(&self.roles.sources)?, "targets": texts(&self.roles.targets)?,
            "catalogs": texts(&self.roles.catalogs)?, "verify": self.verify, "digests": self.digests,
            "threads": self.threads, "pace": self.pace.to_string(),
            "live": self.live.as_ref().map(LiveOptions::value), "switched_ms": self.switched_ms,
            "left_out": self.left_out,
        });
        replace(folder, REQUEST, &format!("{value:#}\n"), true)
    }

    /// Reads it again.
    ///
    /// Errors: [`Reason::NoCheckpoint`], [`Reason::CheckpointDamaged`], [`Reason::CheckpointNewer`].
    pub fn load(folder: &Path) -> Result<Request> {
        let Some(text) = read(folder, REQUEST, REQUEST_LENGTH_MAX)? else {
            let folder_name = folder.display();
            let why = match FileStore::peek(folder) {
                Ok(_) => format!(
                    "the migration in {folder_name} was begun by a program that has this library in it; let that \
                     program go on with it, or give it up"
                ),
                Err(_) => format!("there is no migration in {folder_name}; name the folder of one"),
            };
            return Err(Error::new(Reason::NoCheckpoint, why));
        };
        let file = folder.join(REQUEST);
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if value["version"].as_u64().is_some_and(|version| version > VERSION) {
            return Err(Error::new(
                Reason::CheckpointNewer,
                format!("{} is of a newer release; resume with that one", file.display()),
            ));
        }
        Request::parse(&value).ok_or_else(|| {
            Error::new(
                Reason::CheckpointDamaged,
                format!("{} has not the form of a request; restore it", file.display()),
            )
        })
    }

    fn parse(value: &Value) -> Option<Request> {
        let paths = |value: &Value| -> Option<Vec<PathBuf>> {
            value.as_array()?.iter().map(|file| file.as_str().map(PathBuf::from)).collect()
        };
        let before = Request {
            identity: value["identity"].as_str()?.into(),
            files: paths(&value["files"])?,
            volsers: Vec::new(),
            roles: Roles::default(),
            verify: value["verify"].as_bool()?,
            digests: false,
            threads: u16::try_from(value["threads"].as_u64()?)
                .ok()
                .filter(|&threads| threads > 0)?,
            pace: Pace::Unlimited,
            live: None,
            switched_ms: None,
            left_out: Vec::new(),
        };
        match value["version"].as_u64()? {
            // Nobody else wrote in those days.
            1 => return Some(before),
            VERSION => {}
            _ => return None,
        }
        let live = &value["live"];
        let volser = |value: &Value| value.as_str()?.parse::<Volser>().ok();
        let volsers = value["volsers"].as_array();
        let volsers: Option<Vec<_>> = volsers.and_then(|all| all.iter().map(volser).collect());
        let volsers = volsers.filter(|all| all.len() == before.files.len()).unwrap_or_default();
        let pair = |value: &Value| Some((value[0].as_str()?.into(), value[1].as_str()?.into()));
        Some(Request {
            volsers,
            roles: Roles {
                sources: paths(&value["sources"])?,
                targets: paths(&value["targets"])?,
                catalogs: paths(&value["catalogs"])?,
            },
            digests: value["digests"].as_bool()?,
            pace: value["pace"].as_str()?.parse().ok()?,
            live: if live.is_null() { None } else { Some(LiveOptions::parse(live)?) },
            switched_ms: value["switched_ms"].as_u64(),
            left_out: value["left_out"].as_array()?.iter().map(pair).collect::<Option<_>>()?,
            ..before
        })
    }
}

/// Puts a text into a file of the folder, whole or not at all; durably on request.
pub fn replace(folder: &Path, name: &str, text: &str, durably: bool) -> Result<()> {
    let file = folder.join(name);
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let temporary = folder.join(format!("{stem}.new"));
    let write = || -> std::io::Result<()> {
        let mut new =
            open_own(OpenOptions::new().write(true).create(true).truncate(true), &temporary)?;
        new.write_all(text.as_bytes())?;
        if durably {
            new.sync_all()?;
        }
        std::fs::rename(&temporary, &file)?;
        if durably { std::fs::File::open(folder)?.sync_all() } else { Ok(()) }
    };
    write().map_err(|error| Error::io(file.display(), &error))
}

/// The text of a file of the folder, at most so long; `None` if there is none.
pub fn read(folder: &Path, name: &str, length_max: u64) -> Result<Option<String>> {
    use std::io::Read;
    let file = folder.join(name);
    let mut text = String::new();
    let read = open_own(OpenOptions::new().read(true), &file)
        .and_then(|opened| opened.take(length_max).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(file.display(), &error)),
    }
}

fn text(file: &Path) -> Result<&str> {
    file.to_str().ok_or_else(|| {
        Error::new(
            Reason::BadRequest,
            format!("the name of {} is not UTF-8; give the image such a name", file.display()),
        )
    })
}

/// Opens a file of the folder, for its owner only, never through a symbolic link. What is no file blocks nobody.
pub fn open_own(options: &mut OpenOptions, file: &Path) -> std::io::Result<std::fs::File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.mode(0o600).custom_flags(flags.bits() as i32).open(file)
}

/// A log of events, to be appended to.
pub fn open_log(folder: &Path, name: &str) -> Result<std::fs::File> {
    let file = folder.join(name);
    open_own(OpenOptions::new().append(true).create(true), &file)
        .map_err(|error| Error::io(file.display(), &error))
}

/// The folder for what is moved, if none is named: below the user's state folder, the same one for the same request.
pub fn default_folder(masks: &[DsMask], identity: &str) -> Result<PathBuf> {
    let variable =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let above = variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .ok_or_else(|| {
            Error::new(
                Reason::BadRequest,
                "neither XDG_STATE_HOME nor HOME says where the state can be kept; name a folder with --state",
            )
        })?;
    let what = masks.first().map(DsMask::to_string).unwrap_or_default();
    let plain: String = what
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-#@$".contains(c) { c } else { '_' })
        .collect();
    let digest = crc32c(0, identity.as_bytes());
    Ok(above.join("trackmirror").join(format!("{plain}-{digest:08x}")))
}

/// The name by which a migration holds data sets: its folder, the same before and after it is made.
pub fn owner_name(folder: &Path) -> Result<PathBuf> {
    let io = |error| Error::io(folder.display(), &error);
    let absolute = std::path::absolute(folder).map_err(io)?;
    let mut rest = Vec::new();
    for above in absolute.ancestors() {
        if let Ok(real) = std::fs::canonicalize(above) {
            return Ok(rest.iter().rev().fold(real, |path, name| path.join(name)));
        }
        rest.extend(above.file_name());
    }
    Ok(absolute)
}

/// What makes two requests the same: the parts, each with its length before it.
pub fn identity(parts: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for part in parts {
        text += &format!("{}:{};", part.len(), String::from_utf8_lossy(part));
    }
    text
}

/// The bytes of a path, for an identity.
pub fn path_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            identity: "A".into(),
            files: vec!["/a b".into(), "/c".into()],
            volsers: vec!["VOL001".parse().unwrap(), "@$#".parse().unwrap()],
            roles: Roles {
                sources: vec!["/a b".into()],
                targets: vec!["/c".into(), "/a b".into()],
                catalogs: vec!["/c".into()],
            },
            verify: true,
            digests: true,
            threads: 3,
            pace: "20MB".parse().unwrap(),
            live: Some(crate::live::unlike_the_defaults()),
            switched_ms: Some(77),
            left_out: vec![("A.B".into(), "why".into())],
        }
    }

    #[test]
    fn requests_come_back_and_damaged_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let request = request();
        assert_eq!(Request::load(folder.path()).unwrap_err().reason(), Reason::NoCheckpoint);
        request.save(folder.path()).unwrap();
        request.save(folder.path()).unwrap();
        assert_eq!(Request::load(folder.path()).unwrap(), request);
        let offline = Request { live: None, switched_ms: None, left_out: Vec::new(), ..request };
        offline.save(folder.path()).unwrap();
        assert_eq!(Request::load(folder.path()).unwrap(), offline);
        for text in ["", "[]", r#"{"version":2}"#, r#"{"version":1,"files":[1]}"#] {
            std::fs::write(folder.path().join(REQUEST), text).unwrap();
            let error = Request::load(folder.path()).unwrap_err();
            assert_eq!(error.reason(), Reason::CheckpointDamaged, "{text}");
        }
        std::fs::write(folder.path().join(REQUEST), r#"{"version":3}"#).unwrap();
        let error = Request::load(folder.path()).unwrap_err();
        assert_eq!(error.reason(), Reason::CheckpointNewer);
    }

    #[test]
    fn requests_of_the_first_release_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"version":1,"identity":"A","files":["/a","/b"],"verify":true,"threads":2}"#;
        std::fs::write(folder.path().join(REQUEST), text).unwrap();
        let old = Request::load(folder.path()).unwrap();
        assert_eq!((old.files.len(), old.threads, old.verify), (2, 2, true));
        assert_eq!((old.live, old.pace, old.roles), (None, Pace::Unlimited, Roles::default()));
    }

    #[test]
    fn the_owner_is_the_same_before_and_after_the_folder_is_made() {
        let temporary = tempfile::tempdir().unwrap();
        let link = temporary.path().join("link");
        std::os::unix::fs::symlink(temporary.path(), &link).unwrap();
        let folder = link.join("a/b");
        let before = owner_name(&folder).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(owner_name(&folder).unwrap(), before);
        assert_eq!(before, std::fs::canonicalize(&folder).unwrap());
    }

    #[test]
    fn identities_do_not_run_into_each_other() {
        let parts = |texts: &[&str]| {
            identity(&texts.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>())
        };
        assert_ne!(parts(&["A", "B"]), parts(&["AB"]));
        assert_ne!(parts(&["A", "B"]), parts(&["B", "A"]));
    }
}
