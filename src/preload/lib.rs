//! The monitor for programs that cannot be changed: a shared object that `LD_PRELOAD` puts between a program and the C
//! library. `trackmirror monitored -- COMMAND` carries it with it, and runs a command with it.
//!
//! The problem: a program such as Hercules writes volume images by the C library's functions and knows nothing of
//! migrations. Not one of its writes may happen unannounced. The rules:
//!
//! * *Recognition.* Whenever a descriptor comes into being through which a plain CKD image can be written (opened,
//!   duplicated, inherited at the start), the file is looked at, and known from then on by device and inode, or a block
//!   device by its number. The process becomes an image on the volume's area, which is made if there is none. If that fails, opening fails: what
//!   cannot be monitored must not be written.
//! * *Brackets.* A table says for each descriptor which image it leads to; one look at it is all that a write to any
//!   other file costs. A write to an image is announced (`Seat::begin`), done, and told (`Seat::end`), for the whole range
//!   that was asked for, whatever was written of it. A sealed track makes the write fail with EIO.
//! * *Positions.* `write` writes where the file's offset is, and others may move that. So whatever uses or moves the
//!   offset of an image takes the image's turn, and asks the system for the offset under it, unless the very last thing
//!   was to seek it. If another process may have the same open file (after a fork, after a program was started, for
//!   descriptors that were inherited), the system is always asked, and the lock of a byte of the area's file taken too.
//! * *Forks.* A child has the parent's descriptors, but not its seat: it is registered anew, under a name of its own, when
//!   it first writes. A child that shares the memory (`vfork`) writes through the parent's seat, and what it does to its
//!   own descriptors is not put into the parent's table.
//! * *Programs.* What `trackmirror monitored` has started, with everything that it starts in turn, is one program: each
//!   process inherits a lock of it, and before it opens a volume for writing it tells that the program writes it. So a
//!   migration knows also of one that has the volume just not open, but lives. See `monitor/program.rs`.
//! * *Ends.* When the program ends by itself, or becomes another one, its images say so, and are taken for ended, not for
//!   dead. They go on as before until the process is gone.
//! * *Stdio.* The C library's streams write by calls inside of it that nothing can come between. A stream on an image is
//!   therefore made by `fopencookie`, over the functions here; `fileno` still knows its descriptor.
//! * *What cannot be bracketed is refused*: shared mappings for writing, asynchronous writes, io_uring, cloning of extents,
//!   handing a descriptor of an image on; on devices also discarding and zeroing of ranges, and commands to the disk. What cannot be refused either (system calls that do not go through the C library,
//!   static programs) is for the owner's look, which finds processes that write and are no image.
//!
//! A write allocates nothing, waits for nobody but another write to the same image by the same offset, and leaves `errno`
//! as the system's call left it. The exception is the first write in a child.
//!
//! | file | has |
//! |---|---|
//! | `c` | what the C library has, declared |
//! | `next` | its functions as the program would have got them |
//! | `monitor` | areas, seats, begin and end: the files of the library itself |
//! | `image` | what an image is: recognised, registered |
//! | `table` | which descriptor leads to which image |
//! | `bracket` | a write to an image |
//! | `start` | what is done at the start, around a fork, and at the end |
//! | `writes`, `opens`, `streams`, `processes`, `others` | the functions that are replaced |
//!
//! It is compiled by `build.rs`, without any other crate. The library's files find what they use of the crate `libc`
//! here.

#![allow(clippy::missing_safety_doc)] // The functions are the C library's, and so are their rules.

extern crate self as libc;

mod bracket;
mod c;
mod image;
mod monitor;
mod next;
mod opens;
mod others;
mod processes;
mod start;
mod streams;
mod table;
mod writes;

pub use c::*;
