//! The locks of a volume whose image is a file (the *use* lock, the VTOC lock, the catalog lock), and who else writes.
//!
//! The problem: two programs that change one VTOC at a time destroy it, and so do two processes, two threads, and an
//! emulator that knows nothing of any lock. The rules:
//!
//! * Each lock is one byte of the image's own file, far behind its end, locked by the kernel for the *open file
//!   description*. So it ends with its process whatever happens, needs no file of its own that could be left behind,
//!   and also excludes a second opening by the same process.
//! * The use lock is taken when the volume is opened and held until it is dropped: shared for reading and for
//!   monitored writing, exclusive for exclusive access.
//! * The VTOC lock and the catalog lock are held only inside one call. They are waited for, but not for ever: a holder
//!   that does not let go is named. Locks of an open file description do not exclude threads that share it; a mutex
//!   does that. A volume opened only for reading takes them shared, which keeps writers out as well.
//! * Emulators take no locks. An opening for writing therefore also looks through the system's table of open files
//!   for other processes that have this file open for writing. One that holds our use lock keeps our rules and is no
//!   stranger. Neither is, for monitored writing, one of which the caller knows that it tells a monitor what it writes:
//!   he is asked anew at each look, since a program opens the file a moment before it registers. What other users'
//!   processes have open can be seen only by the superuser.
//! * A block device may have several names, and locks taken by one of them do not exclude those taken by another. So who
//!   has it open by another name is a stranger, whatever he locks.
//!
//! Beside these, a folder can be locked for the time of one call, by those who put files beside images.
//!
//! A process that is just being started holds copies of all our open files for a moment, so a refusal is given only
//! when its cause still stands a little later.
//!
//! Where the kernel has no locks of open file descriptions, the whole file is locked instead, and writing of any kind
//! excludes everybody else.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

use super::{Access, Lock};
use crate::error::{Error, Reason, Result};
use parking_lot::{Mutex, MutexGuard};
use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a VTOC or catalog lock is waited for.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long the cause of a refusal must last.
const SETTLE: Duration = Duration::from_millis(400);
/// How long to wait between two attempts.
const PAUSE: Duration = Duration::from_millis(10);
/// What to do about somebody who writes, for one who wants to write alone, and for one who wants to write too.
const DETACH_IT: &str = "detach the volume there, or end that program";
const MONITOR_IT: &str = "detach the volume there, or end that program and start it with a monitor, by \
                          `trackmirror monitored -- COMMAND...`";

/// A process that holds a lock of an image, or has it open for writing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Its program.
    pub program: String,
    /// Its process id.
    pub process: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program {}, process {}", self.program, self.process)?;
        if self.process == std::process::id() {
            write!(f, " (this one)")?;
        }
        Ok(())
    }
}

/// Says of a process that has an image open for writing whether it tells a monitor what it writes.
pub(super) type IsRegistered<'a> = &'a dyn Fn(&Holder) -> bool;

/// For those who know of no monitor.
pub(super) const NOBODY: IsRegistered<'static> = &|_| false;

/// The locks of one opened image. The use lock is held as long as this lives.
#[derive(Debug)]
pub(super) struct Locks {
    path: PathBuf,
    file: File,
    access: Access,
    vtoc: Mutex<()>,
    catalog: Mutex<()>,
}

/// A VTOC or catalog lock that is held.
pub(super) struct HeldLock<'a> {
    locks: &'a Locks,
    byte: Byte,
    _within_process: MutexGuard<'a, ()>,
}

impl Drop for HeldLock<'_> {
    fn drop(&mut self) {
        system::unlock(&self.locks.file, self.byte);
    }
}

impl Drop for Locks {
    /// Closing the file would do, but a copy of the description in a process that is just being started would keep it.
    fn drop(&mut self) {
        system::unlock(&self.file, Byte::Use);
    }
}

/// Which byte of the file stands for which lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Byte {
    Use,
    Vtoc,
    Catalog,
}

impl fmt::Display for Byte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Byte::Use => "the volume",
            Byte::Vtoc => "the VTOC lock",
            Byte::Catalog => "the catalog lock",
        })
    }
}

impl Locks {
    /// Takes the use lock; for writing, also makes sure that nobody writes who takes no locks. Beside monitored writing
    /// those who are registered may; exclusive access stands beside nobody.
    ///
    /// Error: [`Reason::VolumeInUse`], naming the holder.
    pub fn take(
        file: &File,
        path: &Path,
        access: Access,
        is_registered: IsRegistered,
    ) -> Result<Locks> {
        let io = |e: std::io::Error| Error::io(path.display(), &e);
        let locks = Locks {
            path: path.into(),
            file: file.try_clone().map_err(io)?,
            access,
            vtoc: Mutex::new(()),
            catalog: Mutex::new(()),
        };
        locks.acquire(Byte::Use, access == Access::Exclusive, Instant::now() + SETTLE)?;
        match access {
            Access::Read => {}
            Access::MonitoredWrite => locks.refuse_strangers(MONITOR_IT, is_registered)?,
            Access::Exclusive => locks.refuse_other_writers(DETACH_IT)?,
        }
        Ok(locks)
    }

    /// Refuses if another process that does not hold our use lock has the file open for writing.
    pub fn refuse_other_writers(&self, advice: &str) -> Result<()> {
        self.refuse_strangers(advice, NOBODY)
    }

    fn refuse_strangers(&self, advice: &str, is_registered: IsRegistered) -> Result<()> {
        let until = Instant::now() + SETTLE;
        let io = |e: std::io::Error| Error::io(self.path.display(), &e);
        loop {
            let metadata = self.file.metadata().map_err(io)?;
            let strangers = system::other_writers(&metadata, is_registered).map_err(io)?;
            let Some(first) = strangers.first() else { return Ok(()) };
            if Instant::now() >= until {
                return Err(Error::new(
                    Reason::VolumeInUse,
                    format!("{} is open for writing by {first}; {advice}", self.path.display()),
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Turns an exclusive use lock into a shared one; in between nobody else gets it.
    pub fn share(&self) -> Result<()> {
        self.acquire(Byte::Use, false, Instant::now() + SETTLE)
    }

    /// Waits for the VTOC or the catalog lock.
    pub fn wait(&self, lock: Lock) -> Result<HeldLock<'_>> {
        self.wait_until(lock, Instant::now() + WAIT_MAX)
    }

    fn wait_until(&self, lock: Lock, until: Instant) -> Result<HeldLock<'_>> {
        let (byte, mutex) = match lock {
            Lock::Vtoc => (Byte::Vtoc, &self.vtoc),
            Lock::Catalog => (Byte::Catalog, &self.catalog),
        };
        let guard = mutex.try_lock_until(until).ok_or_else(|| {
            Error::new(
                Reason::VolumeInUse,
                format!(
                    "{byte} of {} is held by another thread of this process; try again",
                    self.path.display()
                ),
            )
        })?;
        self.acquire(byte, self.access != Access::Read, until)?;
        Ok(HeldLock { locks: self, byte, _within_process: guard })
    }

    fn acquire(&self, byte: Byte, exclusive: bool, until: Instant) -> Result<()> {
        loop {
            let got = system::try_lock(&self.file, byte, exclusive).map_err(|error| {
                Error::io(format!("cannot lock {byte} of {}", self.path.display()), &error)
            })?;
            if got {
                return Ok(());
            }
            if Instant::now() >= until {
                let holder = system::holder(&self.file, byte)
                    .map_or_else(|| "a process that cannot be seen".into(), |h| h.to_string());
                return Err(Error::new(
                    Reason::VolumeInUse,
                    match byte {
                        Byte::Use => format!(
                            "{} is in use by {holder}; let that end first",
                            self.path.display()
                        ),
                        _ => format!(
                            "{byte} of {} is held by {holder}; try again when it has ended",
                            self.path.display()
                        ),
                    },
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// A folder that is locked as long as this lives.
#[derive(Debug)]
pub struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            log::warn!("the lock of a folder was not released: {error}");
        }
    }
}

/// Waits for the lock of a folder, which is held only for the time of one call: by whoever looks at the files beside
/// volume images and then makes one, so that nobody else does it in between. It ends with its process, and leaves nothing
/// behind.
///
/// Error: [`Reason::VolumeInUse`] if it does not come.
pub fn lock_folder(folder: &Path) -> Result<FolderLock> {
    lock_folder_until(folder, Instant::now() + WAIT_MAX)
}

fn lock_folder_until(folder: &Path, until: Instant) -> Result<FolderLock> {
    let io = |e: std::io::Error| Error::io(format!("cannot lock {}", folder.display()), &e);
    let file = File::open(folder).map_err(io)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(FolderLock(file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        if Instant::now() >= until {
            return Err(Error::new(
                Reason::VolumeInUse,
                format!(
                    "the folder {} is locked by another process; try again when that has ended",
                    folder.display()
                ),
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The other processes that have a file open for writing, except those that opened it as a volume and so hold its use
/// lock: emulators above all. Empty where the system has no table of open files.
pub fn other_writers(path: &Path) -> Result<Vec<Holder>> {
    let io = |e: std::io::Error| Error::io(path.display(), &e);
    system::other_writers(&std::fs::metadata(path).map_err(io)?, NOBODY).map_err(io)
}

/// The other processes that have a file open, in whatever way, as far as they can be seen. Empty where the system has no
/// table of open files.
pub fn who_has_open(path: &Path) -> Result<Vec<Holder>> {
    let io = |e: std::io::Error| Error::io(path.display(), &e);
    system::others(&std::fs::metadata(path).map_err(io)?).map_err(io)
}

/// The same without those that are registered images. One that is just registering is given the time for it; one that is
/// gone by then was a stranger nevertheless.
pub fn strangers(path: &Path, is_registered: IsRegistered) -> Result<Vec<Holder>> {
    let io = |e: std::io::Error| Error::io(path.display(), &e);
    let file = std::fs::metadata(path).map_err(io)?;
    let mut strangers = system::other_writers(&file, is_registered).map_err(io)?;
    let until = Instant::now() + SETTLE;
    while !strangers.is_empty() && Instant::now() < until {
        std::thread::sleep(PAUSE);
        strangers.retain(|writer| !is_registered(writer));
    }
    Ok(strangers)
}

#[cfg(target_os = "linux")]
mod system {
    use super::super::medium::is_same;
    use super::{Byte, Holder, IsRegistered};
    use std::fs::{self, File, Metadata};
    use std::io::{self, ErrorKind};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    /// Far behind the end of every file, and below the end of what can be locked.
    fn offset(byte: Byte) -> i64 {
        (1 << 62) + byte as i64
    }

    /// Takes a lock if nobody else has it.
    pub fn try_lock(file: &File, byte: Byte, exclusive: bool) -> io::Result<bool> {
        let kind = if exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
        match set(file, byte, kind) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Releases a lock. It cannot fail for a lock of an open file; if it did, closing the file would release it.
    pub fn unlock(file: &File, byte: Byte) {
        if let Err(error) = set(file, byte, libc::F_UNLCK) {
            log::warn!("a lock was not released: {error}");
        }
    }

    fn set(file: &File, byte: Byte, kind: libc::c_int) -> io::Result<()> {
        let lock = libc::flock64 {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: offset(byte),
            l_len: 1,
            l_pid: 0,
        };
        // SAFETY: the descriptor is open as long as `file` is borrowed, and F_OFD_SETLK only reads the struct that the
        // pointer leads to, which lives until the call returns.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// A process that holds this lock.
    pub fn holder(file: &File, byte: Byte) -> Option<Holder> {
        let mut found = None;
        open_files(&file.metadata().ok()?, |process, info| {
            if found.is_none() && info.holds(byte) {
                found = Some(named(process));
            }
        })
        .ok()?;
        found
    }

    /// Whether one is registered is asked at once: looking at all processes takes longer than some of them live.
    pub fn other_writers(file: &Metadata, is_registered: IsRegistered) -> io::Result<Vec<Holder>> {
        let is_stranger = |writer: &Holder, info: &Info| {
            info.is_writable() && !info.holds(Byte::Use) && !is_registered(writer)
        };
        others_who(file, is_stranger)
    }

    pub fn others(file: &Metadata) -> io::Result<Vec<Holder>> {
        others_who(file, |_, _| true)
    }

    fn others_who(
        file: &Metadata,
        is_one: impl Fn(&Holder, &Info) -> bool,
    ) -> io::Result<Vec<Holder>> {
        let mut found = Vec::new();
        open_files(file, |process, info| {
            if process != std::process::id() {
                let holder = named(process);
                if is_one(&holder, info) {
                    found.push(holder);
                }
            }
        })?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn named(process: u32) -> Holder {
        let program = fs::read_to_string(format!("/proc/{process}/comm"));
        Holder { program: program.map_or_else(|_| "?".into(), |name| name.trim().into()), process }
    }

    /// What the system tells about one descriptor.
    struct Info {
        text: String,
        /// Whether it was opened by the same name, and not by another one of the same device, where our locks do not reach.
        is_same_file: bool,
    }

    impl Info {
        fn is_writable(&self) -> bool {
            let flags = self.text.lines().find_map(|line| line.strip_prefix("flags:"));
            let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
            // Flags that cannot be understood are taken for the worse.
            flags.is_none_or(|flags| flags & libc::O_ACCMODE != libc::O_RDONLY)
        }

        /// Whether this descriptor's open file holds the lock, as in
        /// `lock: 1: OFDLCK ADVISORY WRITE -1 fe:00:10010974 4611686018427387904 4611686018427387904`.
        fn holds(&self, byte: Byte) -> bool {
            let start = offset(byte).to_string();
            let mut locks = self.text.lines().filter_map(|line| line.strip_prefix("lock:"));
            self.is_same_file
                && locks.any(|line| {
                    line.contains("OFDLCK")
                        && line.split_whitespace().rev().nth(1) == Some(start.as_str())
                })
        }
    }

    /// Calls `each` for every descriptor of every process that is open on this file. Processes and descriptors that
    /// vanish meanwhile, or belong to somebody else, are passed over.
    fn open_files(file: &Metadata, mut each: impl FnMut(u32, &Info)) -> io::Result<()> {
        for process in fs::read_dir("/proc")?.flatten() {
            let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            match look_at(&process.path(), file, |info| each(id, info)) {
                Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                    log::debug!("cannot see what process {id} has open");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn look_at(process: &Path, file: &Metadata, mut each: impl FnMut(&Info)) -> io::Result<()> {
        for descriptor in fs::read_dir(process.join("fd"))?.flatten() {
            let Ok(metadata) = fs::metadata(descriptor.path()) else { continue };
            if is_same(&metadata, file) {
                let info = process.join("fdinfo").join(descriptor.file_name());
                let is_same_file = (metadata.dev(), metadata.ino()) == (file.dev(), file.ino());
                if let Ok(text) = fs::read_to_string(info) {
                    each(&Info { text, is_same_file });
                }
            }
        }
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Byte, Holder, IsRegistered};
    use std::fs::{File, Metadata, TryLockError};
    use std::io;

    /// The whole file is locked: shared for reading, exclusive for each kind of writing, which then holds every lock.
    pub fn try_lock(file: &File, byte: Byte, exclusive: bool) -> io::Result<bool> {
        use std::os::unix::fs::FileExt;
        if byte != Byte::Use {
            return Ok(true);
        }
        // A file that was opened for writing accepts an empty write.
        let writable = file.write_at(&[], 0).is_ok();
        let result = if exclusive || writable { file.try_lock() } else { file.try_lock_shared() };
        match result {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub fn unlock(file: &File, byte: Byte) {
        if byte == Byte::Use
            && let Err(error) = file.unlock()
        {
            log::warn!("a lock was not released: {error}");
        }
    }

    pub fn holder(_: &File, _: Byte) -> Option<Holder> {
        None
    }

    /// There is no table of open files to look through.
    pub fn other_writers(_: &Metadata, _: IsRegistered) -> io::Result<Vec<Holder>> {
        Ok(Vec::new())
    }

    pub fn others(_: &Metadata) -> io::Result<Vec<Holder>> {
        Ok(Vec::new())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    fn open(path: &Path) -> File {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
    }

    fn take(path: &Path, access: Access) -> Result<Locks> {
        let file = match access {
            Access::Read => File::open(path).unwrap(),
            _ => open(path),
        };
        Locks::take(&file, path, access, NOBODY)
    }

    #[test]
    fn use_locks_exclude_each_other_by_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        drop(open(&path));
        use Access::{Exclusive, MonitoredWrite, Read};
        for (held, wanted, granted) in [
            (Read, Read, true),
            (Read, MonitoredWrite, true),
            (Read, Exclusive, false),
            (MonitoredWrite, Read, true),
            (MonitoredWrite, MonitoredWrite, true),
            (MonitoredWrite, Exclusive, false),
            (Exclusive, Read, false),
            (Exclusive, MonitoredWrite, false),
            (Exclusive, Exclusive, false),
        ] {
            let first = take(&path, held).unwrap();
            let second = take(&path, wanted);
            assert_eq!(second.is_ok(), granted, "{held:?}, then {wanted:?}");
            match second {
                Ok(second) => drop(second),
                Err(error) => {
                    assert_eq!(error.reason(), Reason::VolumeInUse);
                    let process = std::process::id().to_string();
                    assert!(error.to_string().contains(&process), "{error}");
                }
            }
            drop(first);
            assert!(take(&path, Exclusive).is_ok(), "released after {held:?}, then {wanted:?}");
        }
    }

    #[test]
    fn the_vtoc_lock_excludes_threads_and_other_openings_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        drop(open(&path));
        let (one, two) = (
            take(&path, Access::MonitoredWrite).unwrap(),
            take(&path, Access::MonitoredWrite).unwrap(),
        );
        let reader = take(&path, Access::Read).unwrap();
        let soon = || Instant::now() + Duration::from_millis(30);
        let held = one.wait(Lock::Vtoc).unwrap();
        for (locks, by) in [(&one, "another thread"), (&two, "process"), (&reader, "process")] {
            let error = locks.wait_until(Lock::Vtoc, soon()).err().expect("it is held");
            assert_eq!(error.reason(), Reason::VolumeInUse);
            assert!(error.to_string().contains(by), "{error}");
        }
        assert!(two.wait(Lock::Catalog).is_ok(), "another lock is free");
        drop(held);
        drop(two.wait_until(Lock::Vtoc, soon()).unwrap());
        let shared = reader.wait_until(Lock::Vtoc, soon()).unwrap();
        assert!(one.wait_until(Lock::Vtoc, soon()).is_err(), "a reader keeps writers out");
        drop(shared);
        assert!(one.wait_until(Lock::Vtoc, soon()).is_ok());
    }

    #[test]
    fn the_lock_of_a_folder_is_waited_for_but_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock_folder(folder.path()).unwrap();
        let soon = Instant::now() + Duration::from_millis(30);
        let error = lock_folder_until(folder.path(), soon).unwrap_err();
        assert_eq!(error.reason(), Reason::VolumeInUse);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| lock_folder(folder.path()).map(drop));
            std::thread::sleep(Duration::from_millis(30));
            assert!(!waiting.is_finished());
            drop(held);
            waiting.join().unwrap().unwrap();
        });
        assert!(lock_folder(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_waiting_thread_gets_the_lock_when_it_is_released() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        drop(open(&path));
        let locks = take(&path, Access::Exclusive).unwrap();
        let counter = Mutex::new((0, 0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _held = locks.wait(Lock::Catalog).unwrap();
                        counter.lock().0 += 1;
                        std::thread::yield_now();
                        let mut counter = counter.lock();
                        counter.1 += 1;
                        assert_eq!(counter.0, counter.1, "two threads were inside");
                    }
                });
            }
        });
        assert_eq!(*counter.lock(), (200, 200));
    }
}
