//! Ways to write that cannot be bracketed: refused, if the descriptor leads to an image.
//!
//! A refusal is given in the way that programs know, so that they take another way: `cp` copies what it cannot clone.

use crate::bracket::{fail, say};
use crate::c::{self, aiocb, c_char, c_int, c_long, c_uint, c_ulong, c_void, msghdr};
use crate::image::{Image, Once};
use crate::start::is_busy;
use crate::table::{self, NONE};
use crate::writes::also;
use crate::{next, opens, writes};
use std::mem::size_of;

/// Says once that something is refused.
#[cold]
fn refuse(descriptor: c_int, once: Once, what: &str) {
    match Image::of(table::get(descriptor)) {
        Some(image) if image.tell_once(once) => say(&[what, " ", &image.name, " was refused"]),
        _ => {}
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64(
    start: *mut c_void,
    length: usize,
    access: c_int,
    kind: c_int,
    descriptor: c_int,
    offset: i64,
) -> *mut c_void {
    // SAFETY: as for the C library's function; so everywhere in this file.
    let act = |descriptor| unsafe { next::mmap64(start, length, access, kind, descriptor, offset) };
    let is_private = kind & c::MAP_TYPE == c::MAP_PRIVATE || kind & c::MAP_ANONYMOUS != 0;
    if is_private || table::get(descriptor) == NONE || is_busy() {
        return act(descriptor);
    }
    if access & c::PROT_WRITE != 0 {
        refuse(descriptor, Once::Mapping, "a mapping for writing of");
        c::set_errno(c::EACCES);
        return c::MAP_FAILED;
    }
    // It could be made writable later, so it is a mapping of a file that is open for reading only.
    let mut path = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0";
    put_decimal(&mut path[14..], descriptor);
    unsafe {
        let flags = c::O_RDONLY | c::O_CLOEXEC;
        let readable = next::open64(path.as_ptr().cast::<c_char>(), flags, 0);
        if readable == -1 {
            return c::MAP_FAILED;
        }
        let mapped = act(readable);
        let error = c::errno();
        next::close(readable);
        c::set_errno(error);
        mapped
    }
}

fn put_decimal(place: &mut [u8], descriptor: c_int) {
    let mut divisor = 1;
    while descriptor / divisor >= 10 {
        divisor *= 10;
    }
    for byte in place {
        if divisor == 0 {
            break;
        }
        *byte = b'0' + (descriptor / divisor % 10) as u8;
        divisor /= 10;
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(descriptor: c_int, request: c_ulong, argument: c_long) -> c_int {
    // Cloning of files and ranges; older ways to allocate, punch and zero ranges; exchange of extents.
    const REFUSED: [c_ulong; 13] = [
        0x4004_9409,
        0x4020_940D,
        0x4030_580A,
        0x4030_580B,
        0x4030_5824,
        0x4030_5825,
        0x4030_5828,
        0x4030_5829,
        0x4030_582A,
        0x4030_582B,
        0x4030_5839,
        0xC0C0_586D,
        0xC028_660F,
    ];
    // Of block devices: discarding and zeroing of ranges; commands to SCSI disks and to NVMe, whatever they do.
    const DEVICE_REFUSED: [c_ulong; 11] = [
        0x1277,
        0x127D,
        0x127F,
        0x0001,
        0x2285,
        0x4030_4E42,
        0xC048_4E41,
        0xC048_4E43,
        0xC050_4E47,
        0xC050_4E48,
        0xC050_4E49,
    ];
    let entry = table::get(descriptor);
    if entry == NONE || is_busy() {
        return unsafe { next::ioctl(descriptor, request, argument) };
    }
    let number = request & 0xFFFF_FFFF;
    if REFUSED.contains(&number) {
        refuse(descriptor, Once::Cloned, "cloning into");
        return fail(c::EOPNOTSUPP);
    }
    // On a file these numbers mean nothing; what is forbidden may be a device too.
    if DEVICE_REFUSED.contains(&number) && Image::of(entry).is_none_or(Image::is_on_device) {
        refuse(descriptor, Once::Command, "discarding, zeroing, or a command to the disk of");
        return fail(c::EOPNOTSUPP);
    }
    unsafe { next::ioctl(descriptor, request, argument) }
}

/// Whether a message hands an image's descriptor on.
unsafe fn hands_on(message: *const msghdr) -> Option<c_int> {
    const SOCKET: c_int = 1;
    const RIGHTS: c_int = 1;
    const HEAD: usize = size_of::<c::cmsghdr>();
    unsafe {
        let message = message.as_ref()?;
        let mut at = 0;
        while !message.msg_control.is_null() && at + HEAD <= message.msg_controllen {
            let part = message.msg_control.cast::<u8>().add(at);
            let head = part.cast::<c::cmsghdr>().read_unaligned();
            if head.cmsg_len < HEAD || head.cmsg_len > message.msg_controllen - at {
                break;
            }
            if head.cmsg_level == SOCKET && head.cmsg_type == RIGHTS {
                let first = part.add(HEAD).cast::<c_int>();
                let count = (head.cmsg_len - HEAD) / size_of::<c_int>();
                let mut descriptors = (0..count).map(|number| first.add(number).read_unaligned());
                let found = descriptors.find(|&descriptor| table::get(descriptor) != NONE);
                if found.is_some() {
                    return found;
                }
            }
            at += head.cmsg_len.next_multiple_of(size_of::<usize>());
        }
        None
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmsg(socket: c_int, message: *const msghdr, flags: c_int) -> isize {
    unsafe {
        if let Some(descriptor) = hands_on(message) {
            refuse(descriptor, Once::Handed, "handing on a descriptor of");
            return fail(c::EPERM);
        }
        next::sendmsg(socket, message, flags)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmmsg(
    socket: c_int,
    messages: *mut c::mmsghdr,
    count: c_uint,
    flags: c_int,
) -> c_int {
    unsafe {
        let handed = (0..count as usize)
            .take_while(|_| !messages.is_null())
            .find_map(|number| hands_on(&raw const (*messages.add(number)).msg_hdr));
        if let Some(descriptor) = handed {
            refuse(descriptor, Once::Handed, "handing on a descriptor of");
            return fail(c::EPERM);
        }
        next::sendmmsg(socket, messages, count, flags)
    }
}

// Asynchronous writes.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aio_write64(operation: *mut aiocb) -> c_int {
    unsafe {
        if !operation.is_null() && table::get((*operation).aio_fildes) != NONE {
            refuse((*operation).aio_fildes, Once::Asynchronous, "an asynchronous write to");
            return fail(c::ENOSYS);
        }
        next::aio_write64(operation)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lio_listio64(
    mode: c_int,
    operations: *const *mut aiocb,
    count: c_int,
    event: *mut c_void,
) -> c_int {
    const WRITE: c_int = 1;
    unsafe {
        for number in 0..count.max(0) as usize {
            let Some(operation) = (*operations.add(number)).as_ref() else { continue };
            if operation.aio_lio_opcode == WRITE && table::get(operation.aio_fildes) != NONE {
                refuse(operation.aio_fildes, Once::Asynchronous, "an asynchronous write to");
                return fail(c::ENOSYS);
            }
        }
        next::lio_listio64(mode, operations, count, event)
    }
}

/// Whether one of Linux's asynchronous operations writes to an image.
unsafe fn submits(count: c_long, operations: *mut *mut c::iocb) -> bool {
    const READS: [u16; 5] = [0, 2, 3, 5, 7];
    unsafe {
        for number in 0..count.clamp(0, 65_536) as usize {
            let Some(operation) = (*operations.add(number)).as_ref() else { continue };
            let descriptor = operation.aio_fildes as c_int;
            if !READS.contains(&operation.aio_lio_opcode) && table::get(descriptor) != NONE {
                refuse(descriptor, Once::Asynchronous, "an asynchronous write to");
                return true;
            }
        }
        false
    }
}

/// The library of Linux's asynchronous operations gives errors back as negative numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn io_submit(
    context: *mut c_void,
    count: c_long,
    operations: *mut *mut c::iocb,
) -> c_int {
    unsafe {
        if submits(count, operations) {
            -c::EINVAL
        } else {
            next::io_submit(context, count, operations)
        }
    }
}

/// Rings are refused to every monitored program: what goes through one is seen by nobody.
macro_rules! no_rings {
    ($($name:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            pub extern "C" fn $name() -> c_int {
                -c::ENOSYS
            }
        )*
    };
}

no_rings! { io_uring_setup io_uring_queue_init io_uring_queue_init_params io_uring_queue_init_mem }

// System calls by number, through the C library's function for that.

#[cfg(target_arch = "x86_64")]
mod number {
    use crate::c::c_long;
    pub const READ: c_long = 0;
    pub const WRITE: c_long = 1;
    pub const OPEN: c_long = 2;
    pub const CLOSE: c_long = 3;
    pub const LSEEK: c_long = 8;
    pub const MMAP: c_long = 9;
    pub const IOCTL: c_long = 16;
    pub const PWRITE64: c_long = 18;
    pub const WRITEV: c_long = 20;
    pub const DUP: c_long = 32;
    pub const DUP2: c_long = 33;
    pub const SENDFILE: c_long = 40;
    pub const SENDMSG: c_long = 46;
    pub const FCNTL: c_long = 72;
    pub const TRUNCATE: c_long = 76;
    pub const FTRUNCATE: c_long = 77;
    pub const CREAT: c_long = 85;
    pub const IO_SUBMIT: c_long = 209;
    pub const OPENAT: c_long = 257;
    pub const SPLICE: c_long = 275;
    pub const FALLOCATE: c_long = 285;
    pub const DUP3: c_long = 292;
    pub const PWRITEV: c_long = 296;
    pub const COPY_FILE_RANGE: c_long = 326;
    pub const PWRITEV2: c_long = 328;
}

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod number {
    use crate::c::c_long;
    pub const IO_SUBMIT: c_long = 2;
    pub const DUP: c_long = 23;
    pub const DUP3: c_long = 24;
    pub const FCNTL: c_long = 25;
    pub const IOCTL: c_long = 29;
    pub const TRUNCATE: c_long = 45;
    pub const FTRUNCATE: c_long = 46;
    pub const FALLOCATE: c_long = 47;
    pub const OPENAT: c_long = 56;
    pub const CLOSE: c_long = 57;
    pub const LSEEK: c_long = 62;
    pub const READ: c_long = 63;
    pub const WRITE: c_long = 64;
    pub const WRITEV: c_long = 66;
    pub const PWRITE64: c_long = 68;
    pub const PWRITEV: c_long = 70;
    pub const SENDFILE: c_long = 71;
    pub const SPLICE: c_long = 76;
    pub const SENDMSG: c_long = 211;
    pub const MMAP: c_long = 222;
    pub const COPY_FILE_RANGE: c_long = 285;
    pub const PWRITEV2: c_long = 287;
    // What this machine does not have.
    pub const OPEN: c_long = -1;
    pub const DUP2: c_long = -2;
    pub const CREAT: c_long = -3;
}

/// The numbers that are the same on every machine.
const IO_URING_SETUP: c_long = 425;
const CLOSE_RANGE: c_long = 436;
const OPENAT2: c_long = 437;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    unsafe {
        match number {
            IO_URING_SETUP => i64::from(fail::<c_int>(c::ENOSYS)),
            CLOSE_RANGE => i64::from(opens::close_range(a as c_uint, b as c_uint, c as c_int)),
            OPENAT2 => {
                // The first word of its struct are the flags.
                let how = c as *const u64;
                if !how.is_null() && *how & c::O_TRUNC as u64 != 0 {
                    return i64::from(fail::<c_int>(c::ENOSYS));
                }
                let descriptor = next::syscall(number, a, b, c, d, e, f);
                if descriptor < 0 {
                    descriptor
                } else {
                    i64::from(opens::admit(descriptor as c_int))
                }
            }
            _ => match routed(number, [a, b, c, d, e, f]) {
                Some(result) => result,
                None => next::syscall(number, a, b, c, d, e, f),
            },
        }
    }
}

/// The machines whose numbers are not known here have only the calls above routed.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
unsafe fn routed(_: c_long, _: [c_long; 6]) -> Option<c_long> {
    None
}

/// Does a system call by the function here that stands for it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
unsafe fn routed(call: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> Option<c_long> {
    use number as n;
    let descriptor = a as c_int;
    Some(unsafe {
        match call {
            n::READ => writes::read(descriptor, b as *mut _, c as usize) as c_long,
            n::WRITE => writes::write(descriptor, b as *const _, c as usize) as c_long,
            n::WRITEV => writes::writev(descriptor, b as *const _, c as c_int) as c_long,
            n::PWRITE64 => writes::pwrite64(descriptor, b as *const _, c as usize, d) as c_long,
            n::PWRITEV => writes::pwritev64(descriptor, b as *const _, c as c_int, d) as c_long,
            n::PWRITEV2 => {
                writes::pwritev64v2(descriptor, b as *const _, c as c_int, d, f as c_int) as c_long
            }
            n::LSEEK => writes::lseek64(descriptor, b, c as c_int),
            n::COPY_FILE_RANGE => writes::copy_file_range(
                descriptor,
                b as *mut _,
                c as c_int,
                d as *mut _,
                e as usize,
                f as c_uint,
            ) as c_long,
            n::SENDFILE => {
                writes::sendfile64(descriptor, b as c_int, c as *mut _, d as usize) as c_long
            }
            n::SPLICE => writes::splice(
                descriptor,
                b as *mut _,
                c as c_int,
                d as *mut _,
                e as usize,
                f as c_uint,
            ) as c_long,
            n::FALLOCATE => c_long::from(writes::fallocate64(descriptor, b as c_int, c, d)),
            n::FTRUNCATE => c_long::from(writes::ftruncate64(descriptor, b)),
            n::TRUNCATE => c_long::from(writes::truncate64(a as *const _, b)),
            n::OPEN => c_long::from(opens::open64(a as *const _, b as c_int, c as c_uint)),
            n::CREAT => c_long::from(opens::creat64(a as *const _, b as c_uint)),
            n::OPENAT => {
                let opened = opens::openat64(descriptor, b as *const _, c as c_int, d as c_uint);
                c_long::from(opened)
            }
            n::CLOSE => c_long::from(opens::close(descriptor)),
            n::DUP => c_long::from(opens::dup(descriptor)),
            n::DUP2 => c_long::from(opens::dup2(descriptor, b as c_int)),
            n::DUP3 => c_long::from(opens::dup3(descriptor, b as c_int, c as c_int)),
            n::FCNTL => c_long::from(opens::fcntl(descriptor, b as c_int, c)),
            n::IOCTL => c_long::from(ioctl(descriptor, b as c_ulong, c)),
            n::SENDMSG => sendmsg(descriptor, b as *const _, c as c_int) as c_long,
            n::MMAP => {
                mmap64(a as *mut _, b as usize, c as c_int, d as c_int, e as c_int, f) as c_long
            }
            n::IO_SUBMIT if submits(b, c as *mut _) => c_long::from(fail::<c_int>(c::EINVAL)),
            _ => return None,
        }
    })
}

also! {
    fn mmap = mmap64(
        start: *mut c_void, length: usize, access: c_int, kind: c_int, descriptor: c_int,
        offset: i64
    ) -> *mut c_void;
    fn aio_write = aio_write64(operation: *mut aiocb) -> c_int;
    fn lio_listio = lio_listio64(
        mode: c_int, operations: *const *mut aiocb, count: c_int, event: *mut c_void
    ) -> c_int;
}
