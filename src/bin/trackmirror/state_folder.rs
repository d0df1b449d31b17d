//! The folder with the state of a migration, and what the command keeps there beside the checkpoint.
//!
//! | file | what |
//! |---|---|
//! | `checkpoint.0`, `checkpoint.1`, `owner` | see the library's checkpoint |
//! | `request.json` | the images, and how the command was asked to move them, so that `resume` needs no arguments |
//! | `events.log` | everything that happened, with times |

use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use trackmirror::bytes::crc32c;
use trackmirror::{DsMask, Error, Reason, Result};

const REQUEST: &str = "request.json";
const EVENTS: &str = "events.log";
const VERSION: u32 = 1;
/// More than any request needs.
const REQUEST_LENGTH_MAX: u64 = 1 << 24;

/// How the command was asked to move something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What makes two commands the same: masks, images and options.
    pub identity: String,
    /// All images.
    pub files: Vec<PathBuf>,
    /// Whether the copies are compared before the switch.
    pub verify: bool,
    /// How many threads copy.
    pub threads: u16,
}

impl Request {
    /// Makes it durable in the folder, whole or not at all.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let files: Vec<&str> = self.files.iter().map(|file| text(file)).collect::<Result<_>>()?;
        let value = json!({
            "version": VERSION, "identity": self.identity, "files": files, "verify": self.verify,
            "threads": self.threads,
        });
        let (file, temporary) = (folder.join(REQUEST), folder.join("request.new"));
        let write = || -> std::io::Result<()> {
            let mut new =
                open_own(OpenOptions::new().write(true).create(true).truncate(true), &temporary)?;
            new.write_all(format!("{value:#}\n").as_bytes())?;
            new.sync_all()?;
            std::fs::rename(&temporary, &file)?;
            std::fs::File::open(folder)?.sync_all()
        };
        write().map_err(|error| Error::io(file.display(), &error))
    }

    /// Reads it again.
    ///
    /// Errors: [`Reason::NoCheckpoint`], [`Reason::CheckpointDamaged`].
    pub fn load(folder: &Path) -> Result<Request> {
        use std::io::Read;
        let file = folder.join(REQUEST);
        let mut text = String::new();
        open_own(OpenOptions::new().read(true), &file)
            .and_then(|opened| opened.take(REQUEST_LENGTH_MAX).read_to_string(&mut text))
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Error::new(
                    Reason::NoCheckpoint,
                    format!(
                        "there is no migration in {}; name the folder of one",
                        folder.display()
                    ),
                ),
                _ => Error::io(file.display(), &error),
            })?;
        Request::parse(&text).ok_or_else(|| {
            Error::new(
                Reason::CheckpointDamaged,
                format!("{} has not the form of a request; restore it", file.display()),
            )
        })
    }

    fn parse(text: &str) -> Option<Request> {
        let value: Value = serde_json::from_str(text).ok()?;
        if value["version"] != VERSION {
            return None;
        }
        let files = value["files"].as_array()?.iter();
        Some(Request {
            identity: value["identity"].as_str()?.into(),
            files: files.map(|file| file.as_str().map(PathBuf::from)).collect::<Option<_>>()?,
            verify: value["verify"].as_bool()?,
            threads: u16::try_from(value["threads"].as_u64()?)
                .ok()
                .filter(|&threads| threads > 0)?,
        })
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

/// Opens a file of the folder, for its owner only, never through a symbolic link.
fn open_own(options: &mut OpenOptions, file: &Path) -> std::io::Result<std::fs::File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    options.mode(0o600).custom_flags(no_follow).open(file)
}

/// The log of events, to be appended to.
pub fn open_log(folder: &Path) -> Result<std::fs::File> {
    let file = folder.join(EVENTS);
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

    #[test]
    fn requests_come_back_and_damaged_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let request = Request {
            identity: "A".into(),
            files: vec!["/a b".into(), "/c".into()],
            verify: true,
            threads: 3,
        };
        assert_eq!(Request::load(folder.path()).unwrap_err().reason(), Reason::NoCheckpoint);
        request.save(folder.path()).unwrap();
        request.save(folder.path()).unwrap();
        assert_eq!(Request::load(folder.path()).unwrap(), request);
        for text in ["", "[]", r#"{"version":2}"#, r#"{"version":1,"files":[1]}"#] {
            std::fs::write(folder.path().join(REQUEST), text).unwrap();
            let error = Request::load(folder.path()).unwrap_err();
            assert_eq!(error.reason(), Reason::CheckpointDamaged, "{text}");
        }
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
