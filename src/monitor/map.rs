//! The memory of a monitor area, the kernel's locks on its file, and what else only the system can tell: the one file
//! of the monitor with `unsafe` in it.
//!
//! An area is shared by processes that need not trust each other. So nothing here believes what the memory holds: a
//! mapping is as long as the file was when it was made, and only ever seen as atomic words, for which every content is
//! valid. What remains is that a process of the same user shortens the file: touching the part that is gone ends the
//! process with a signal. The files are therefore in a folder that only their user (or group) can write.
//!
//! A lock is a byte far behind the end of the file, locked for an *open file description* of its own, so it ends with
//! its process whatever happens, and also excludes other holders in the same process. A fork shares the description: the
//! lock then lasts until both have ended, and the child must neither release nor use it.
//!
//! This file uses nothing but the standard library, `libc` and its sibling `sync`.

#![allow(unsafe_code)]

use super::sync::{AtomicU64, Ordering};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

/// The words of an area.
pub struct Memory(Place);

enum Place {
    /// Memory of this process alone.
    Heap(Box<[AtomicU64]>),
    /// A shared mapping, or memory that a host gave.
    Shared { start: NonNull<AtomicU64>, word_count: usize, end: End },
}

/// What becomes of shared words in the end.
enum End {
    /// They are the host's.
    Stay,
    /// They are removed.
    Unmap,
    /// They are the host's, and this process had them for itself.
    GiveBack { claim: NonNull<AtomicU64>, process: u32 },
}

/// How many words of memory that a host gives to one process lie before those of the area.
pub const CLAIM_WORDS: usize = 8;

// SAFETY: the words are atomics, and where they lie does not depend on the thread.
unsafe impl Send for Memory {}
// SAFETY: as above; a shared `Memory` gives nothing but shared atomics.
unsafe impl Sync for Memory {}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({} words)", self.words().len())
    }
}

impl Memory {
    /// Zeroed memory of this process, for monitors whose writers are all in it.
    pub fn heap(word_count: usize) -> Memory {
        Memory(Place::Heap((0..word_count).map(|_| AtomicU64::new(0)).collect()))
    }

    /// Maps a whole file. Its length must be a number of words other than zero.
    pub fn map(file: &File) -> io::Result<Memory> {
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if length == 0 || !length.is_multiple_of(8) || length > isize::MAX as usize {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a number of words"));
        }
        let start = system::map_shared(file, length)?;
        let start = NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Memory(Place::Shared { start, word_count: length / 8, end: End::Unmap }))
    }

    /// Takes memory that a host gives, which several processes may share.
    ///
    /// # Safety
    /// From `start`, which is aligned to eight bytes, `word_count` words can be read and written as long as the value
    /// lives, and are read and written by nobody but as atomic words.
    pub unsafe fn of_host(start: NonNull<u64>, word_count: usize) -> Memory {
        Memory(Place::Shared { start: start.cast(), word_count, end: End::Stay })
    }

    /// The same for memory that this process has for itself, [`CLAIM_WORDS`] longer. In the first of these it is noted as
    /// long as the value lives: whoever opened it a second time would not see the locks of the first, and would take its
    /// images for dead. If it is noted already: the process by which.
    ///
    /// # Safety
    /// As of [`Memory::of_host`], for the words together.
    pub unsafe fn of_host_alone(start: NonNull<u64>, word_count: usize) -> Result<Memory, u64> {
        let (claim, process) = (start.cast::<AtomicU64>(), std::process::id());
        // SAFETY: the first of the words, as the caller promised.
        let noted = unsafe { claim.as_ref() };
        noted.compare_exchange(0, process.into(), Ordering::SeqCst, Ordering::SeqCst)?;
        // SAFETY: so many words lie before those of the area, as the caller promised.
        let start = unsafe { claim.add(CLAIM_WORDS) };
        Ok(Memory(Place::Shared { start, word_count, end: End::GiveBack { claim, process } }))
    }

    /// The words.
    #[inline]
    pub fn words(&self) -> &[AtomicU64] {
        match &self.0 {
            Place::Heap(words) => words,
            // SAFETY: the mapping (or what the host promised) is valid for so many words as long as `self` lives; the
            // kernel aligns mappings to pages; atomics may be shared, also with other processes.
            Place::Shared { start, word_count, .. } => unsafe {
                std::slice::from_raw_parts(start.as_ptr(), *word_count)
            },
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        match self.0 {
            Place::Shared { start, word_count, end: End::Unmap } => {
                system::unmap(start.as_ptr().cast(), word_count * 8);
            }
            // In a fork it is the parent's.
            Place::Shared { end: End::GiveBack { claim, process }, .. }
                if process == std::process::id() =>
            {
                // SAFETY: the first of the words that the host promised for as long as `self` lives.
                unsafe { claim.as_ref() }.store(0, Ordering::SeqCst);
            }
            Place::Shared { .. } | Place::Heap(_) => {}
        }
    }
}

/// Where the locks of an area are.
#[derive(Debug)]
pub enum Locks {
    /// On its file; every process that has it sees them.
    File(File),
    /// In this process alone.
    Local(Arc<Mutex<BTreeSet<u64>>>),
}

/// A lock that is held as long as this lives, at most as long as the process does.
#[derive(Debug)]
pub struct HeldByte {
    byte: u64,
    process: u32,
    place: Locks,
}

impl Locks {
    /// Locks for an area whose users are all in this process.
    pub fn local() -> Locks {
        Locks::Local(Arc::default())
    }

    /// Takes a lock, unless somebody has it.
    pub fn try_hold(&self, byte: u64, exclusive: bool) -> io::Result<Option<HeldByte>> {
        let place = match self {
            Locks::File(file) => {
                // A description of its own for each lock: those of one description do not exclude each other.
                let own = system::open_again(file)?;
                if !system::try_lock(&own, byte, exclusive)? {
                    return Ok(None);
                }
                Locks::File(own)
            }
            Locks::Local(held) => {
                // Shared locks are only held for a moment, so here they may as well be exclusive.
                if !held.lock().unwrap_or_else(PoisonError::into_inner).insert(byte) {
                    return Ok(None);
                }
                Locks::Local(held.clone())
            }
        };
        Ok(Some(HeldByte { byte, process: std::process::id(), place }))
    }

    /// Whether somebody has this lock.
    pub fn is_held(&self, byte: u64) -> io::Result<bool> {
        match self {
            Locks::File(file) => system::is_locked(file, byte),
            Locks::Local(held) => {
                Ok(held.lock().unwrap_or_else(PoisonError::into_inner).contains(&byte))
            }
        }
    }
}

impl HeldByte {
    /// Lets go of the lock before the value is dropped.
    pub fn release(&self) {
        match &self.place {
            // Closing would do, but a copy of the description in a process that is just being started would keep the
            // lock for a moment. In a fork, though, the lock is the parent's.
            Locks::File(file) if self.process == std::process::id() => {
                system::unlock(file, self.byte);
            }
            Locks::File(_) => {}
            Locks::Local(held) => {
                held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.byte);
            }
        }
    }

    /// Makes the lock last until the last process has ended that descends from this one, whatever programs they become:
    /// they inherit an open file that holds it, under a number where none looks for one.
    pub fn leave_to_children(&self) -> io::Result<()> {
        match &self.place {
            Locks::File(file) => system::copy_for_children(file),
            Locks::Local(_) => Ok(()),
        }
    }

    /// In a fork: puts another file in the place of the description that is shared with the parent, so that the lock is
    /// the parent's alone.
    pub fn part_in_fork(&self) {
        if let Locks::File(file) = &self.place
            && self.process != std::process::id()
            && let Ok(other) = File::open("/dev/null")
        {
            system::put_in_place(&other, file);
        }
    }
}

impl Drop for HeldByte {
    fn drop(&mut self) {
        self.release();
    }
}

/// Tells a process from its forks without asking the system: a page that the kernel empties in each child.
pub struct ForkMark {
    page: Option<Memory>,
    process: u32,
}

impl ForkMark {
    /// A mark that is true in this process.
    pub fn new() -> ForkMark {
        let page = system::page_wiped_on_fork().map(|start| {
            // One page of at least 4096 bytes.
            Memory(Place::Shared { start, word_count: 512, end: End::Unmap })
        });
        if let Some(page) = &page {
            page.words()[0].store(1, Ordering::Relaxed);
        }
        ForkMark { page, process: std::process::id() }
    }

    /// Whether this is still the process that made the mark.
    #[inline]
    pub fn is_here(&self) -> bool {
        match &self.page {
            Some(page) => page.words()[0].load(Ordering::Relaxed) == 1,
            // A kernel that cannot do it is asked each time.
            None => self.process == std::process::id(),
        }
    }
}

impl Default for ForkMark {
    fn default() -> ForkMark {
        ForkMark::new()
    }
}

impl std::fmt::Debug for ForkMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ForkMark({})", self.process)
    }
}

/// The number by which the kernel knows this thread; 0 where it cannot be known.
pub fn thread_id() -> u32 {
    system::thread_id()
}

/// The namespace in which process ids of this process mean something; 0 where it cannot be known.
pub fn pid_namespace() -> u64 {
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// Whether a thread of a process of our own namespace has certainly ended.
pub fn thread_has_ended(process: u64, thread: u64) -> bool {
    let tasks = format!("/proc/{process}/task");
    // Where even the process cannot be seen, nothing is certain.
    std::fs::metadata(&tasks).is_ok()
        && matches!(std::fs::metadata(format!("{tasks}/{thread}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// The boot of this machine; zeros where it cannot be known.
pub fn boot_id() -> [u64; 2] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let half = |range| {
        digits.get(range).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
    };
    [half(0..16), half(16..32)]
}

/// A number that no other area has.
pub fn random_id() -> io::Result<[u64; 2]> {
    let mut bytes = [0; 16];
    io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    let number = u128::from_ne_bytes(bytes);
    Ok([(number >> 64) as u64, number as u64])
}

#[cfg(target_os = "linux")]
mod system {
    use super::{AtomicU64, NonNull};
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::fd::AsRawFd;
    use std::ptr::null_mut;

    pub fn map_shared(file: &File, length: usize) -> io::Result<*mut libc::c_void> {
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(null_mut(), length, access, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(start) }
    }

    pub fn unmap(start: *mut libc::c_void, length: usize) {
        // SAFETY: the caller mapped it with this length, and nothing borrows from it any more.
        unsafe { libc::munmap(start, length) };
    }

    pub fn page_wiped_on_fork() -> Option<NonNull<AtomicU64>> {
        if cfg!(miri) {
            // The interpreter has neither this call nor forks.
            return None;
        }
        // SAFETY: as above; the page is private, and has no file.
        unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(null_mut(), 4096, access, kind, -1, 0);
            if start == libc::MAP_FAILED {
                return None;
            }
            if libc::madvise(start, 4096, libc::MADV_WIPEONFORK) != 0 {
                libc::munmap(start, 4096);
                return None;
            }
            NonNull::new(start.cast())
        }
    }

    pub fn open_again(file: &File) -> io::Result<File> {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn lock_of(byte: u64, kind: libc::c_int) -> libc::flock64 {
        libc::flock64 {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            // Far behind the end of every file, and below the end of what can be locked.
            l_start: (1 << 62) + byte as i64,
            l_len: 1,
            l_pid: 0,
        }
    }

    fn set(file: &File, byte: u64, kind: libc::c_int) -> io::Result<()> {
        let lock = lock_of(byte, kind);
        // SAFETY: the descriptor is open as long as `file` is borrowed, and F_OFD_SETLK only reads the struct that the
        // pointer leads to, which lives until the call returns.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    pub fn try_lock(file: &File, byte: u64, exclusive: bool) -> io::Result<bool> {
        match set(file, byte, if exclusive { libc::F_WRLCK } else { libc::F_RDLCK }) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    pub fn unlock(file: &File, byte: u64) {
        // It cannot fail for a lock of an open file; if it did, closing the file would release it.
        let _ = set(file, byte, libc::F_UNLCK);
    }

    pub fn put_in_place(other: &File, file: &File) {
        // SAFETY: both descriptors are open as long as they are borrowed; what the second leads to is nobody's memory.
        unsafe { libc::dup3(other.as_raw_fd(), file.as_raw_fd(), libc::O_CLOEXEC) };
    }

    pub fn copy_for_children(file: &File) -> io::Result<()> {
        // A low limit of open files leaves only lower numbers.
        let mut result = Err(io::Error::last_os_error());
        for lowest in [800, 200, 50, 10] {
            let lowest = std::ptr::without_provenance::<u8>(lowest);
            // SAFETY: the descriptor is open as long as `file` is borrowed; the new one is never closed, and nothing is
            // read through the number.
            if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, lowest) } != -1 {
                return Ok(());
            }
            result = Err(io::Error::last_os_error());
        }
        result
    }

    pub fn is_locked(file: &File, byte: u64) -> io::Result<bool> {
        let mut lock = lock_of(byte, libc::F_WRLCK);
        // SAFETY: as in `set`; F_OFD_GETLK writes only the struct.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(libc::c_int::from(lock.l_type) != libc::F_UNLCK)
    }

    pub fn thread_id() -> u32 {
        // SAFETY: it takes nothing and cannot fail.
        unsafe { libc::gettid() as u32 }
    }
}

/// Elsewhere there are no locks that end with their process and exclude threads, so areas are memory that a host gives.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{AtomicU64, NonNull};
    use std::fs::File;
    use std::io;

    fn unsupported() -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, "monitor areas in files need Linux")
    }

    pub fn map_shared(_: &File, _: usize) -> io::Result<*mut std::ffi::c_void> {
        Err(unsupported())
    }
    pub fn unmap(_: *mut std::ffi::c_void, _: usize) {}
    pub fn page_wiped_on_fork() -> Option<NonNull<AtomicU64>> {
        None
    }
    pub fn open_again(_: &File) -> io::Result<File> {
        Err(unsupported())
    }
    pub fn try_lock(_: &File, _: u64, _: bool) -> io::Result<bool> {
        Err(unsupported())
    }
    pub fn unlock(_: &File, _: u64) {}
    pub fn put_in_place(_: &File, _: &File) {}
    pub fn copy_for_children(_: &File) -> io::Result<()> {
        Err(unsupported())
    }
    pub fn is_locked(_: &File, _: u64) -> io::Result<bool> {
        Err(unsupported())
    }
    pub fn thread_id() -> u32 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_host_is_seen_by_all_who_have_it() {
        let words: Vec<AtomicU64> = (0..100).map(|_| AtomicU64::new(7)).collect();
        let start = NonNull::new(words.as_ptr().cast_mut().cast()).unwrap();
        // SAFETY: the words outlive both, and are only used as atomics.
        let (one, two) = unsafe { (Memory::of_host(start, 100), Memory::of_host(start, 100)) };
        one.words()[99].store(8, Ordering::Relaxed);
        assert_eq!(two.words().len(), 100);
        assert_eq!(two.words()[99].load(Ordering::Relaxed), 8);
        drop((one, two));
        assert_eq!(words[99].load(Ordering::Relaxed), 8, "it is the host's, and stays");
    }

    #[test]
    fn memory_for_one_process_is_opened_once_at_a_time() {
        let words: Vec<AtomicU64> = (0..100).map(|_| AtomicU64::new(0)).collect();
        let start = NonNull::new(words.as_ptr().cast_mut().cast()).unwrap();
        // SAFETY: the words outlive both, and are only used as atomics.
        let open = || unsafe { Memory::of_host_alone(start, 100 - CLAIM_WORDS) };
        let one = open().unwrap();
        one.words()[91].store(8, Ordering::Relaxed);
        assert_eq!(words[99].load(Ordering::Relaxed), 8);
        assert_eq!(open().unwrap_err(), u64::from(std::process::id()));
        drop(one);
        assert_eq!(open().unwrap().words().len(), 92);
        words[0].store(7, Ordering::Relaxed);
        assert_eq!(open().unwrap_err(), 7, "another process has it");
    }

    #[test]
    fn local_locks_exclude_each_other_until_they_are_dropped() {
        let locks = Locks::local();
        let held = locks.try_hold(5, true).unwrap().unwrap();
        assert!(locks.try_hold(5, true).unwrap().is_none() && locks.is_held(5).unwrap());
        assert!(locks.try_hold(6, true).unwrap().is_some());
        drop(held);
        assert!(!locks.is_held(5).unwrap());
    }

    #[test]
    fn the_boot_and_this_thread_are_known() {
        assert_eq!(boot_id(), boot_id());
        assert_ne!(random_id().unwrap(), random_id().unwrap());
        #[cfg(target_os = "linux")]
        {
            assert_ne!(boot_id(), [0, 0]);
            let (process, thread) = (u64::from(std::process::id()), u64::from(thread_id()));
            assert!(!thread_has_ended(process, thread));
            assert!(thread_has_ended(process, u64::from(u32::MAX)));
            assert!(!thread_has_ended(u64::from(u32::MAX), 1), "nothing is certain");
        }
    }
}
