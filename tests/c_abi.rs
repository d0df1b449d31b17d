//! The promise of the boundary: whatever a program in C passes (nothing, garbage, structures of other releases, handles of
//! other kinds or closed ones, at the wrong time, twice, from inside its own functions), and whatever its own functions
//! do (fail, lie, dawdle), it gets a return code, its data is not lost, and nothing of the library leaks. The
//! programs run as they are, under AddressSanitizer and UndefinedBehaviorSanitizer, and under valgrind.
//!
//! The sanitizers see what the programs do, and every use of memory by the C library's functions; the library itself is
//! compiled without them (that needs a nightly compiler), but valgrind sees all that it does.

#![cfg(target_os = "linux")]

#[path = "header/declarations.rs"]
mod declarations;
#[allow(dead_code)] // It is there for others, too.
#[path = "header/generate.rs"]
mod generate;
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
    Program::new("matrix").run_as(&[How::Gcc, How::ClangSanitized], &[]);
}

#[test]
fn valgrind_finds_nothing_in_what_is_refused() {
    Program::new("matrix").run_as(&[How::Valgrind], &[]);
}
