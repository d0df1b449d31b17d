//! What only calls of the kernel can do: to be in another network namespace for a moment, to make a TUN device there, and
//! to wait for packets of several of them.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// Does something in a namespace, in a thread of its own, since a thread cannot forget where it is. A socket or a device
/// that was made there stays there, whoever uses it.
pub fn inside<T: Send>(namespace: &str, action: impl FnOnce() -> T + Send) -> Result<T> {
    let file = File::open(format!("/run/netns/{namespace}"))?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            // SAFETY: the descriptor is open as long as `file` lives, and only this thread changes its namespace.
            let result = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
            if result == -1 { Err(Error::last_os_error()) } else { Ok(action()) }
        });
        thread.join().expect("what is done in a namespace does not panic")
    })
}

/// A TUN device of this name in the namespace where this thread is; it lives as long as the file. A read gives one IP
/// packet that the machine sends, a write is one that it receives; none of them waits.
pub fn tun(name: &str) -> Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    // SAFETY: every bit pattern is an `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    assert!(name.len() < request.ifr_name.len());
    for (field, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *field = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the descriptor is open, and the call only reads and writes the struct, which is of the type that it wants.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if result == -1 { Err(Error::last_os_error()) } else { Ok(file) }
}

/// Waits until one of these files can be read, at most so long.
pub fn wait_readable(files: &[&File], limit: Duration) {
    let of = |file: &&File| libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut descriptors: Vec<libc::pollfd> = files.iter().map(of).collect();
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: limit.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the array has as many elements as the call is told, and like the time it lives until the call returns. What
    // it says is not needed: whoever cannot be read then says so itself.
    unsafe {
        libc::ppoll(
            descriptors.as_mut_ptr(),
            descriptors.len() as libc::nfds_t,
            &raw const limit,
            std::ptr::null(),
        );
    }
}
