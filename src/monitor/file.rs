//! The file of a volume's monitor area: found, made, or made anew, whoever else does the same at the same time.
//!
//! A file appears whole, under its name: it is made under another one, every byte of it written (so that its space is
//! there before anybody marks a track), its ready word last, and then linked to its name, which fails if somebody was
//! faster. So nobody ever opens half an area.
//!
//! An area of another boot of this machine, or of a volume that is not there any more under this inode, is replaced by
//! a new one, with another id: to a migration that had a subscription in the old one, all is changed. It is replaced by
//! whoever holds its *table* lock alone, and who sees that no image and no subscription of this boot is in it. Images
//! and subscriptions hold the table lock together with others while they come into being, and see under it that the
//! file is still the one that its name leads to. So nobody is left behind in a file without a name.
//!
//! This file uses nothing but the standard library and its siblings.

use super::flow::Flow;
use super::layout::{self, Identity, Shape, header, subscription};
use super::map::{self, HeldByte, Locks, Memory};
use super::sync::Ordering;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The lock of the table of images and subscriptions.
const TABLE_BYTE: u64 = 900;
/// The lock of whoever frees slots of threads that ended.
pub const THREADS_BYTE: u64 = 901;
/// The lock of image 0; those of the others follow.
const IMAGE_BYTE: u64 = 1000;
/// The lock of the owner of subscription 0.
const SUBSCRIPTION_BYTE: u64 = 3000;
/// How often to look again when another process is just replacing a file.
const ATTEMPTS: u32 = 10_000;

/// Why there is no area, or no place in it.
#[derive(Debug)]
pub enum Trouble {
    /// The system failed: what it was doing, and how.
    Io(String, io::Error),
    /// The area cannot be one, or is damaged: which, and why.
    Damaged(String),
    /// The area is of a machine of the other byte order: what to do.
    ByteOrder(String),
    /// The area is of another volume, and in use.
    Foreign(String),
    /// Somebody is just changing it; try again.
    Busy,
    /// An image of this name is alive: its process.
    NameInUse(u64),
    /// The name is no name for an image.
    BadName,
    /// There is no place left for an image.
    Full,
}

/// An opened area: memory, checked sizes, locks.
#[derive(Debug)]
pub struct Opened {
    /// Its words.
    pub memory: Memory,
    /// Its sizes, checked once; the header is not asked again.
    pub shape: Shape,
    /// Its locks.
    pub locks: Locks,
    /// Its file.
    pub path: Option<PathBuf>,
    id: [u64; 2],
    boot: [u64; 2],
    identity: Identity,
}

impl Opened {
    /// An area in memory that all its users share (in this process alone, if the locks are local): a new one if the
    /// memory is all zero.
    pub fn in_memory(memory: Memory, locks: Locks, identity: Identity) -> Result<Opened, Trouble> {
        let io = |e| Trouble::Io("cannot make an id".into(), e);
        let words = memory.words();
        if words.iter().take(layout::HEADER_WORDS).all(|word| word.load(Ordering::Relaxed) == 0) {
            let shape = new_shape(&identity)?;
            if words.len() != shape.word_count() {
                let needed = shape.word_count();
                return Err(Trouble::Damaged(format!(
                    "{} words of memory for a monitor area that needs {needed}",
                    words.len()
                )));
            }
            // Whatever lay here before would be taken for images and their writes. The bitmaps are emptied before they are used.
            let before = &words[..shape.bitmap_at(0, layout::Map::Changed)];
            if before.iter().any(|word| word.load(Ordering::Relaxed) != 0) {
                let why = "the memory for a monitor area is not empty; clear it before it is given";
                return Err(Trouble::Damaged(why.into()));
            }
            shape.write(words, &identity, map::random_id().map_err(io)?, map::boot_id());
        }
        let opened = Opened::read(memory, locks, None)?;
        match opened.fault(&identity) {
            None => Ok(opened),
            Some(why) => Err(Trouble::Foreign(why)),
        }
    }

    /// Opens the area of this volume in the file, or makes it.
    pub fn in_file(path: &Path, mode: u32, identity: Identity) -> Result<Opened, Trouble> {
        let io = |e| Trouble::Io(format!("the monitor area {}", path.display()), e);
        let shape = new_shape(&identity)?;
        for _ in 0..ATTEMPTS {
            match open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let made = Made::new(path, mode, &shape, &identity).map_err(io)?;
                    match std::fs::hard_link(&made.path, path) {
                        Ok(()) => return made.opened(path),
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        Err(error) => return Err(io(error)),
                    }
                }
                Err(error) => return Err(io(error)),
                Ok(file) => {
                    let memory = map_checked(&file, path)?;
                    let opened = Opened::read(memory, Locks::File(file), Some(path.into()))?;
                    let Some(why) = opened.fault(&identity) else { return Ok(opened) };
                    if let Some(new) = opened.replace(path, mode, &identity, &why)? {
                        return Ok(new);
                    }
                }
            }
            std::thread::yield_now();
        }
        Err(Trouble::Busy)
    }

    /// The area of this volume in the file, if it is there and serves; nothing is made or replaced.
    pub fn existing(path: &Path, identity: &Identity) -> Result<Option<Opened>, Trouble> {
        let file = match open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Trouble::Io(format!("the monitor area {}", path.display()), error));
            }
            Ok(file) => file,
        };
        let opened = Opened::read(map_checked(&file, path)?, Locks::File(file), Some(path.into()))?;
        Ok(opened.fault(identity).is_none().then_some(opened))
    }

    fn read(memory: Memory, locks: Locks, path: Option<PathBuf>) -> Result<Opened, Trouble> {
        let words = memory.words();
        let named = path.as_ref().map_or_else(
            || "the monitor area in memory".into(),
            |path| format!("the monitor area {}", path.display()),
        );
        if layout::is_of_other_byte_order(words) {
            return Err(Trouble::ByteOrder(format!(
                "{named} is of a machine of the other byte order; if that one still writes the volume, let each have a \
                 registry's folder of its own, and that one report to this one; if not, remove it"
            )));
        }
        let shape = Shape::read(words).map_err(|why| {
            Trouble::Damaged(format!("{named}: {why}; end the programs that use it, and remove it"))
        })?;
        let pair = |word: usize| {
            [words[word].load(Ordering::Relaxed), words[word + 1].load(Ordering::Relaxed)]
        };
        let (id, boot) = (pair(header::AREA_ID), pair(header::BOOT));
        let identity = layout::read_identity(words, &shape);
        Ok(Opened { shape, id, boot, identity, memory, locks, path })
    }

    /// Why this area cannot serve for that volume now.
    fn fault(&self, identity: &Identity) -> Option<String> {
        if self.boot != map::boot_id() {
            Some("it is of another boot of this machine".into())
        } else if !self.identity.fits(identity) {
            Some(format!("it is of another volume: {:?}, not {identity:?}", self.identity))
        } else {
            None
        }
    }

    /// Puts a new area in this one's place; `None` if somebody else did so, or is just about to.
    fn replace(
        &self,
        path: &Path,
        mode: u32,
        identity: &Identity,
        why: &str,
    ) -> Result<Option<Opened>, Trouble> {
        let io = |e| Trouble::Io(format!("the monitor area {}", path.display()), e);
        let Some(_table) = self.locks.try_hold(TABLE_BYTE, true).map_err(io)? else {
            return Ok(None);
        };
        if !self.is_current().map_err(io)? {
            return Ok(None);
        }
        if self.is_used().map_err(io)? {
            return Err(Trouble::Foreign(format!(
                "the monitor area {} is in use, and {why}",
                path.display()
            )));
        }
        let made = Made::new(path, mode, &new_shape(identity)?, identity).map_err(io)?;
        std::fs::rename(&made.path, path).map_err(io)?;
        made.opened(path).map(Some)
    }

    /// Whether an image lives in it, or a subscription of this boot.
    fn is_used(&self) -> io::Result<bool> {
        for index in 0..self.shape.image_capacity() {
            if self.locks.is_held(image_byte(index))? {
                return Ok(true);
            }
        }
        let flow = self.flow();
        let is_free = |index| {
            flow.subscription(index, subscription::STATE).load(Ordering::Acquire)
                == subscription::FREE
        };
        Ok(self.boot == map::boot_id() && !(0..self.shape.subscription_capacity()).all(is_free))
    }

    /// Whether its name still leads to it.
    pub fn is_current(&self) -> io::Result<bool> {
        let (Locks::File(file), Some(path)) = (&self.locks, &self.path) else { return Ok(true) };
        let own = file.metadata()?;
        Ok(std::fs::symlink_metadata(path)
            .is_ok_and(|named| (named.dev(), named.ino()) == (own.dev(), own.ino())))
    }

    /// Keeps the area from being replaced while something comes into being in it.
    pub fn hold_table(&self) -> Result<HeldByte, Trouble> {
        let io = |e| Trouble::Io("cannot lock the monitor area".into(), e);
        for _ in 0..ATTEMPTS {
            if let Some(held) = self.locks.try_hold(TABLE_BYTE, false).map_err(io)? {
                return if self.is_current().map_err(io)? { Ok(held) } else { Err(Trouble::Busy) };
            }
            std::thread::yield_now();
        }
        Err(Trouble::Busy)
    }

    /// Its words and what can be done with them.
    #[inline]
    pub fn flow(&self) -> Flow<'_> {
        Flow::new(self.memory.words(), &self.shape).expect("the shape was checked")
    }

    /// The area's id, which no other has.
    pub fn id(&self) -> [u64; 2] {
        self.id
    }

    /// The boot of the machine in which it was made.
    pub fn boot(&self) -> [u64; 2] {
        self.boot
    }

    /// What it belongs to.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// The shape of a new area.
pub fn new_shape(identity: &Identity) -> Result<Shape, Trouble> {
    let count = identity.track_count;
    Shape::new(count).ok_or_else(|| Trouble::Damaged(format!("no volume has {count} tracks")))
}

/// The lock of an image.
pub fn image_byte(index: usize) -> u64 {
    IMAGE_BYTE + index as u64
}

/// The lock of the owner of a subscription.
pub fn subscription_byte(index: usize) -> u64 {
    SUBSCRIPTION_BYTE + index as u64
}

fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

fn map_checked(file: &File, path: &Path) -> Result<Memory, Trouble> {
    let io = |e| Trouble::Io(format!("the monitor area {}", path.display()), e);
    let metadata = file.metadata().map_err(io)?;
    let (tracks, capacity) = (layout::TRACK_COUNT_MAX, layout::CAPACITY_MAX);
    let largest = Shape::with(tracks, capacity, capacity, 8);
    let length_max = largest.map_or(0, |largest| largest.word_count() as u64 * 8);
    if !metadata.is_file() || metadata.len() == 0 || !metadata.len().is_multiple_of(8) {
        return Err(Trouble::Damaged(format!("{} is no monitor area", path.display())));
    }
    if metadata.len() > length_max {
        return Err(Trouble::Damaged(format!("{} is too long for an area", path.display())));
    }
    Memory::map(file).map_err(io)
}

/// A new area under a name of its own, which is removed in the end.
struct Made {
    path: PathBuf,
    file: File,
    memory: Memory,
}

impl Made {
    fn new(path: &Path, mode: u32, shape: &Shape, identity: &Identity) -> io::Result<Made> {
        let id = map::random_id()?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!("-new-{:016x}", id[1]));
        let made_path = PathBuf::from(name);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&made_path)?;
        let filled = fill(&mut file, shape, identity, id)
            .and_then(|memory| file.set_permissions(Permissions::from_mode(mode)).map(|()| memory));
        match filled {
            Ok(memory) => Ok(Made { path: made_path, file, memory }),
            Err(error) => {
                let _ = std::fs::remove_file(&made_path);
                Err(error)
            }
        }
    }

    fn opened(self, path: &Path) -> Result<Opened, Trouble> {
        let io = |e| Trouble::Io(format!("the monitor area {}", path.display()), e);
        let file = self.file.try_clone().map_err(io)?;
        Opened::read(Memory::map(&self.file).map_err(io)?, Locks::File(file), Some(path.into()))
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        debug_assert!(!self.memory.words().is_empty());
        // Its other name, if it got one, stays.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Writes every byte of a new area, then its header.
fn fill(file: &mut File, shape: &Shape, identity: &Identity, id: [u64; 2]) -> io::Result<Memory> {
    // Zeros that are written, not a length that is set: a file with holes could fail for lack of space when a track is
    // marked, and that would be a signal, not an error.
    let zeros = [0u8; 65_536];
    let mut left = shape.word_count() * 8;
    while left > 0 {
        let length = left.min(zeros.len());
        io::Write::write_all(file, &zeros[..length])?;
        left -= length;
    }
    let memory = Memory::map(file)?;
    shape.write(memory.words(), identity, id, map::boot_id());
    Ok(memory)
}
