//! The promise of the boundary: whatever a program in C passes (nothing, garbage, structures of other releases, handles of
//! other kinds or closed ones, at the wrong time, twice, from inside its own functions), and whatever its own functions
//! do (fail, lie, dawdle), it gets a return code, its data is not lost, and nothing of the library leaks. The
//! programs run as they are, under AddressSanitizer and UndefinedBehaviorSanitizer, and under valgrind.
//!
//! The sanitizers see what the programs do, and every use of memory by the C library's functions; the library itself is
//! compiled without them (that needs a nightly compiler), but valgrind sees all that it does.

#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // A panic is forced from here.

#[allow(dead_code)] // They are there for others, too.
#[path = "header/declarations.rs"]
mod declarations;
#[allow(dead_code)]
#[path = "header/generate.rs"]
mod generate;
#[cfg(feature = "sim-defects")]
#[path = "c_abi/panics.rs"]
mod panics;
#[path = "c_abi/programs.rs"]
mod programs;
mod support;
#[path = "c_abi/tables.rs"]
mod tables;
#[path = "c_abi/templates.rs"]
mod templates;

use programs::{How, Program};

#[test]
fn every_function_refuses_what_is_not_right() {
    Program::new("matrix").run_as(&[How::Gcc, How::ClangSanitized, How::Valgrind], &[]);
}

#[test]
fn the_wrong_time_is_refused() {
    Program::new("wrong").run_as(&[How::Gcc, How::GccSanitized, How::Valgrind], &[]);
}

#[test]
fn hosts_that_fail_lose_nothing() {
    Program::new("hosts").run_as(&[How::Gcc], &["1"]);
}

#[test]
fn hosts_that_fail_leave_no_trace_in_memory() {
    Program::new("hosts").run_as(&[How::ClangSanitized], &["8"]);
    Program::new("hosts").run_as(&[How::Valgrind], &["8", "1"]);
}
