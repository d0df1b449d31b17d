//! An image of this process: a plain CKD file that it can write, recognised and registered in its volume's area.
//!
//! The file may also be a block device. It is told by its number, whatever node it was opened by, has no length among
//! its attributes, and cannot be made shorter or written behind its end.
//!
//! An image stays registered as long as the process lives, also while it has the file not open: a system that has
//! detached a volume is covered, and may attach it again. Only when another volume was put under the same inode meanwhile
//! does the process take its leave, and registers anew.

use crate::bracket::{Sought, Turn, Uncancelled};
use crate::c::{self, c_int};
use crate::monitor::areas;
use crate::monitor::file::{Opened, Trouble};
use crate::monitor::flow::Kind;
use crate::monitor::layout::Identity;
use crate::monitor::seat::{Newcomer, Seat};
use crate::next;
use crate::start;
use crate::table::{self, IMAGES_MAX};
use std::fs::{File, Metadata};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

/// Bytes before the first track.
const HEADER_SIZE: u64 = 512;
/// How often a registration is tried that met another one.
const ATTEMPTS: u32 = 20;

/// Where the tracks of a plain CKD file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    slot_size: u32,
    identity: Identity,
}

impl Format {
    /// The offset behind the last track.
    pub fn end(&self) -> u64 {
        HEADER_SIZE + u64::from(self.identity.track_count) * u64::from(self.slot_size)
    }

    /// The tracks of a range of bytes that is not empty; the header counts as track 0. `None` if it reaches beyond
    /// the last track.
    #[inline]
    pub fn tracks(&self, offset: u64, length: u64) -> Option<(u32, u32)> {
        let end = offset.checked_add(length).filter(|&end| end <= self.end())?;
        let track = |offset: u64| offset.saturating_sub(HEADER_SIZE) / u64::from(self.slot_size);
        let (first, last) = (track(offset), track(end.saturating_sub(1)));
        Some((first as u32, (last - first) as u32 + 1))
    }

    /// All tracks from an offset on, at least the last one.
    pub fn tracks_from(&self, offset: u64) -> (u32, u32) {
        let offset = offset.min(self.end() - 1);
        self.tracks(offset, self.end() - offset).unwrap_or((0, self.identity.track_count))
    }
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// Nothing that concerns us.
    Other,
    /// A CKD file that no migration can move: why.
    Unmovable(&'static str),
    /// A plain CKD image.
    Image(Format),
}

/// Looks what a file is. It is read through a descriptor of our own, so the one looked at need not be readable.
pub fn recognise(descriptor: c_int) -> std::io::Result<Recognised> {
    // SAFETY: the descriptor is open while this is called, and not closed by this.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    let metadata = file.metadata()?;
    if !may_hold_one(&metadata) {
        return Ok(Recognised::Other);
    }
    let size = size_of(descriptor, &metadata)?;
    if size < HEADER_SIZE {
        return Ok(Recognised::Other);
    }
    let file_key = areas::key_of(&metadata);
    let mut header = [0; 20];
    if file.read_exact_at(&mut header, 0).is_ok() {
        return Ok(of_header(&header, &file, size, file_key));
    }
    // It was opened for writing only, or past the caches, where only whole sectors are read.
    let path = format!("/proc/self/fd/{descriptor}");
    let readable = File::options().read(true).custom_flags(c::O_NONBLOCK).open(path)?;
    readable.read_exact_at(&mut header, 0)?;
    Ok(of_header(&header, &readable, size, file_key))
}

/// What can hold an image: a regular file, a block device.
fn may_hold_one(metadata: &Metadata) -> bool {
    metadata.is_file() || metadata.file_type().is_block_device()
}

/// How many bytes a file or a block device has.
pub fn size_of(descriptor: c_int, metadata: &Metadata) -> std::io::Result<u64> {
    if !metadata.file_type().is_block_device() {
        return Ok(metadata.len());
    }
    let mut size = 0u64;
    // Not by seeking: others may have the same open file, and its offset is the program's.
    // SAFETY: the call writes the word.
    match unsafe { next::ioctl(descriptor, c::BLKGETSIZE64, &raw mut size as c::c_long) } {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(size),
    }
}

/// Whether a descriptor leads to the file, or to the block device, with this key.
pub fn is_file(descriptor: c_int, device: u64, inode: u64) -> bool {
    // SAFETY: it is only asked for its metadata, and not closed.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    file.metadata().is_ok_and(|file| areas::key_of(&file) == (device, inode))
}

/// Whether a descriptor leads to something that can hold an image.
pub fn may_be_one(descriptor: c_int) -> bool {
    // SAFETY: it is only asked for its metadata, and not closed.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    file.metadata().is_ok_and(|metadata| may_hold_one(&metadata))
}

/// Whether a file or a block device has a monitor area.
pub fn has_area(descriptor: c_int) -> bool {
    // SAFETY: it is only asked for its metadata, and not closed.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    match (start::named_registry(), file.metadata()) {
        (Some(folder), Ok(file)) if may_hold_one(&file) => {
            let (device, inode) = areas::key_of(&file);
            areas::area_file(folder, device, inode).exists()
        }
        _ => false,
    }
}

fn of_header(header: &[u8; 20], file: &File, size: u64, file_key: (u64, u64)) -> Recognised {
    let id = &header[..8];
    if id != b"CKD_P370" && id != b"CKD_P064" {
        return Recognised::Other;
    }
    let le32 = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
    let (heads, slot_size) = (le32(8), le32(12));
    let (file_number, last) = (header[17], u32::from(header[18]) | u32::from(header[19]) << 8);
    if !(1..=0xFFFF).contains(&heads) || !(512..=131_072).contains(&slot_size) {
        return Recognised::Unmovable("its header is damaged");
    }
    let cylinder_size = u64::from(heads) * u64::from(slot_size);
    let size = size - HEADER_SIZE;
    let cylinders = size / cylinder_size;
    let track_count = u32::try_from(cylinders * u64::from(heads)).unwrap_or(0);
    if !size.is_multiple_of(cylinder_size) || !(1..=1 << 30).contains(&track_count) {
        return Recognised::Unmovable("its size does not fit its header");
    }
    let is_only = last == 0 || file_number == 1 && u64::from(last) == cylinders;
    if !is_only || file_number > 1 && file_number != 0xFF {
        return Recognised::Unmovable("it is one of several files of a volume");
    }
    let identity = Identity {
        track_count,
        heads: heads as u16,
        device_code: header[16],
        volser: volser(file, slot_size as usize).unwrap_or([0; 6]),
        device: file_key.0,
        inode: file_key.1,
    };
    Recognised::Image(Format { slot_size, identity })
}

/// The serial in record 3 of track 0.
fn volser(file: &File, slot_size: usize) -> Option<[u8; 6]> {
    let mut track = vec![0; slot_size];
    file.read_exact_at(&mut track, HEADER_SIZE).ok()?;
    let mut rest = track.get(5..)?;
    while let Some((count, behind)) = rest.split_first_chunk::<8>() {
        if *count == [0xFF; 8] {
            break;
        }
        let (key_length, length) =
            (usize::from(count[5]), u16::from_be_bytes([count[6], count[7]]));
        let data = behind.get(key_length..key_length + usize::from(length))?;
        if count[4] == 3 && data.len() >= 80 && data.starts_with(&[0xE5, 0xD6, 0xD3, 0xF1]) {
            return data[4..10].try_into().ok();
        }
        rest = &behind[key_length + usize::from(length)..];
    }
    None
}

/// An image of this process.
pub struct Image {
    /// Where its tracks are.
    pub format: Format,
    /// Its name in messages.
    pub name: String,
    /// Whether another process may have an open file of it with the same offset.
    pub is_shared: AtomicBool,
    /// Whether it was ever opened for appending.
    pub appends: AtomicBool,
    /// The lock of its offsets.
    pub position: Turn,
    /// What was sought last.
    pub sought: Sought,
    /// What was said of it on the terminal.
    told: AtomicU32,
    seated: AtomicPtr<Seated>,
}

/// A seat, and the area's file once more, for the lock of offsets that processes share.
pub struct Seated {
    pub seat: Seat,
    pub file: File,
}

static IMAGES: [AtomicPtr<Image>; IMAGES_MAX] = [const { AtomicPtr::new(null_mut()) }; IMAGES_MAX];

/// Things that are said only once of an image.
#[derive(Clone, Copy)]
pub enum Once {
    Sealed = 1,
    Retired = 2,
    Outside = 4,
    Mapping = 8,
    Asynchronous = 16,
    Handed = 32,
    Cloned = 64,
    Stream = 128,
    Nested = 256,
    Forked = 512,
    Command = 1024,
}

impl Image {
    /// The image with an entry of the table; `None` if the entry leads to none.
    #[inline]
    pub fn of(entry: u16) -> Option<&'static Image> {
        let place = IMAGES.get(usize::from(entry.wrapping_sub(1)))?.load(Ordering::Acquire);
        // SAFETY: what was put in lives for ever.
        unsafe { place.as_ref() }
    }

    /// The seat. It may be the parent's, which refuses in a child.
    #[inline]
    pub fn seated(&self) -> &'static Seated {
        // SAFETY: an image is made with a seat, and seats live for ever.
        unsafe { &*self.seated.load(Ordering::Acquire) }
    }

    /// Whether this has not been said yet.
    pub fn tell_once(&self, what: Once) -> bool {
        self.told.fetch_or(what as u32, Ordering::Relaxed) & what as u32 == 0
    }

    /// Whether it lies on a block device, which has its length for good.
    pub fn is_on_device(&self) -> bool {
        self.format.identity.device == areas::BLOCK_DEVICES
    }

    /// Whether a descriptor leads to this image's file.
    pub fn is_behind(&self, descriptor: c_int) -> bool {
        let Identity { device, inode, .. } = self.format.identity;
        is_file(descriptor, device, inode)
    }

    /// Registers this process, a child of the one that was registered. Threads that come at the same moment may do it
    /// one after the other; all but the last give their seats up for nothing but their names.
    pub fn sit_anew(&self) -> Result<(), String> {
        let _uncancelled = Uncancelled::always();
        let _registering = start::REGISTERING.take().ok_or("a signal handler came in between")?;
        let _busy = start::Busy::begin();
        if self.seated().seat.is_here() {
            return Ok(());
        }
        let seated = seat(&self.format)?;
        self.seated.store(Box::into_raw(Box::new(seated)), Ordering::Release);
        self.is_shared.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Remembers that another process may have the same open files from now on.
pub fn share_all() {
    for image in all() {
        image.is_shared.store(true, Ordering::Relaxed);
    }
}

/// Every image.
pub fn all() -> impl Iterator<Item = &'static Image> {
    (1..=IMAGES_MAX as u16).map_while(Image::of)
}

/// The table's entry for a file that does not look like an image any more, but is one that this process has open: it was
/// made shorter, or its header overwritten.
pub fn known(descriptor: c_int) -> Option<u16> {
    let mut images = (1..).zip(all());
    let (entry, _) = images.find(|(_, image)| image.is_behind(descriptor))?;
    // If it is not open, another file may have got the inode.
    table::leads_to(entry).then_some(entry)
}

/// The table's entry of an image.
pub fn entry_of(image: &Image) -> u16 {
    let is_it = |other: &Image| std::ptr::eq(image, other);
    (1..).zip(all()).find(|(_, other)| is_it(other)).map_or(table::FORBIDDEN, |(entry, _)| entry)
}

/// The table's entry for a file of this format, which is registered if it is not yet.
pub fn enter(format: Format) -> Result<u16, String> {
    let _uncancelled = Uncancelled::always();
    let _registering = start::REGISTERING.take().ok_or("a signal handler came in between")?;
    let _busy = start::Busy::begin();
    let (own, file) = (format.identity, (format.identity.device, format.identity.inode));
    for (entry, image) in (1..).zip(all()) {
        let known = image.format.identity;
        if (known.device, known.inode) != file || !image.seated().seat.is_attached() {
            continue;
        }
        if image.format.slot_size == format.slot_size && known.fits(&own) {
            return Ok(entry);
        }
        if table::leads_to(entry) || !image.seated().seat.farewell() {
            return Err("it has become another volume while it was open; close it first".into());
        }
    }
    let entry = all().count() + 1;
    if entry > IMAGES_MAX {
        return Err(format!("a process can have {IMAGES_MAX} images, no more"));
    }
    let seated = Box::into_raw(Box::new(seat(&format)?));
    let image = Image {
        format,
        name: c_text(&own),
        is_shared: AtomicBool::new(false),
        appends: AtomicBool::new(false),
        position: Turn::new(),
        sought: Sought::new(),
        told: AtomicU32::new(0),
        seated: AtomicPtr::new(seated),
    };
    IMAGES[entry - 1].store(Box::into_raw(Box::new(image)), Ordering::Release);
    Ok(entry as u16)
}

/// Takes a place in the area of a volume.
fn seat(format: &Format) -> Result<Seated, String> {
    let io = |error: std::io::Error| error.to_string();
    let (folder, mode) = start::registry().map_err(io)?;
    let identity = format.identity;
    start::will_write(identity.device, identity.inode)?;
    let path = areas::area_file(&folder, identity.device, identity.inode);
    let mut name = start::name().to_string();
    for _ in 0..ATTEMPTS {
        let area = Arc::new(Opened::in_file(&path, mode, identity).map_err(sentence)?);
        let newcomer = Newcomer { name: &name, kind: Kind::Brackets, now_ms: start::now_ms() };
        match Seat::register(area.clone(), &newcomer) {
            Ok(seat) => {
                let flags = c::O_NOFOLLOW | c::O_NONBLOCK;
                let file = File::options().read(true).write(true).custom_flags(flags).open(&path);
                return Ok(Seated { seat, file: file.map_err(io)? });
            }
            Err(Trouble::NameInUse(_)) if name == start::name() => {
                let number = format!("-{}", std::process::id());
                name.truncate(crate::monitor::layout::NAME_BYTES - number.len());
                name += &number;
            }
            Err(Trouble::Busy) => {}
            Err(trouble) => return Err(sentence(trouble)),
        }
    }
    Err("its monitor area is always being changed".into())
}

fn sentence(trouble: Trouble) -> String {
    match trouble {
        Trouble::Io(what, error) => format!("{what}: {error}"),
        Trouble::Damaged(why) | Trouble::ByteOrder(why) | Trouble::Foreign(why) => why,
        Trouble::Busy => "its monitor area is always being changed".into(),
        Trouble::NameInUse(process) => {
            format!("an image of this name is alive, process {process}")
        }
        Trouble::BadName => "the image's name is none: 1 to 32 printable characters".into(),
        Trouble::Full => {
            "its monitor area has no room for another image; end some, or retire silent ones".into()
        }
    }
}

/// A volume in messages: its serial, or its file's inode, or its device's number.
fn c_text(identity: &Identity) -> String {
    let letter = |&byte: &u8| match byte {
        0xC1..=0xC9 => Some(b'A' + (byte - 0xC1)),
        0xD1..=0xD9 => Some(b'J' + (byte - 0xD1)),
        0xE2..=0xE9 => Some(b'S' + (byte - 0xE2)),
        0xF0..=0xF9 => Some(b'0' + (byte - 0xF0)),
        0x5B => Some(b'$'),
        0x7B => Some(b'#'),
        0x7C => Some(b'@'),
        0x60 => Some(b'-'),
        0x40 => Some(b' '),
        _ => None,
    };
    let letters: Option<Vec<u8>> = identity.volser.iter().map(letter).collect();
    match letters.and_then(|letters| String::from_utf8(letters).ok()) {
        Some(text) => format!("volume {}", text.trim_end()),
        None if identity.device == areas::BLOCK_DEVICES => {
            format!("the volume on the block device with number {:#x}", identity.inode)
        }
        None => format!("the volume in file {}", identity.inode),
    }
}

/// The descriptor of the area's file, for locks.
pub fn area_descriptor(seated: &Seated) -> c_int {
    seated.file.as_raw_fd()
}
