//! A panic inside the library, as a program in C meets it.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::ptr::{null, null_mut};
use trackmirror::Reason;
use trackmirror::ffi::*;

fn block() -> tmr_error {
    // SAFETY: all of its bytes may be zero.
    let error: tmr_error = unsafe { std::mem::zeroed() };
    tmr_error { size: size_of::<tmr_error>() as u32, ..error }
}

fn sentence(error: &tmr_error) -> String {
    error.sentence.iter().take_while(|c| **c != 0).map(|c| *c as u8 as char).collect()
}

fn info() -> tmr_volume_info {
    // SAFETY: all of its bytes may be zero.
    let mut info: tmr_volume_info = unsafe { std::mem::zeroed() };
    (info.size, info.cylinders) = (size_of::<tmr_volume_info>() as u32, 2);
    for (field, text) in [(&mut info.volser, "OLD001"), (&mut info.device, "2311")] {
        field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from as c_char);
    }
    info
}

#[test]
fn a_panic_gives_16_breaks_the_handle_and_nothing_else() {
    let mut error = block();
    let at = &raw mut error;
    let (mut host, mut other, mut volume, mut reader) =
        (null_mut(), null_mut(), null_mut(), null_mut());
    // SAFETY: the pointers are right.
    unsafe {
        assert_eq!(tmr_host_new(&raw mut host, at), TMR_DONE);
        assert_eq!(tmr_host_new(&raw mut other, at), TMR_DONE);
        assert_eq!(tmr_volume_in_memory(&info(), &raw mut volume, at), TMR_DONE);
        assert_eq!(tmr_volume_in_memory(&info(), &raw mut reader, at), TMR_DONE);
        assert_eq!(tmr_host_add_volume(host, reader, at), TMR_DONE);

        // One call at a time, and several at a time.
        assert_eq!(while_calls_panic(|| tmr_host_find_catalogs(host, at)), TMR_INTERNAL);
        assert_eq!((error.code, error.reason), (16, Reason::Panicked as u32));
        assert!(sentence(&error).contains("a mistake that was asked for"), "{}", sentence(&error));
        assert_eq!(while_calls_panic(|| tmr_volume_flush(volume, at)), TMR_INTERNAL);
        assert_eq!(while_calls_panic(|| tmr_volume_flush(volume, null_mut())), TMR_INTERNAL);

        // Those handles are broken, others are not; the process lives.
        let mut assessment = null_mut();
        assert_eq!(tmr_host_find_catalogs(host, at), TMR_INTERNAL);
        assert_eq!(error.reason, Reason::Panicked as u32);
        assert!(sentence(&error).contains("close it"), "{}", sentence(&error));
        let masks = c"**".as_ptr();
        assert_eq!(tmr_assess(host, masks, null(), 0, &raw mut assessment, at), TMR_INTERNAL);
        assert!(assessment.is_null());
        assert_eq!(tmr_volume_flush(volume, at), TMR_INTERNAL);
        assert_eq!(tmr_host_add_volume(other, volume, at), TMR_INTERNAL);
        assert_eq!(tmr_host_add_volume(other, reader, at), TMR_DONE);
        assert_eq!(tmr_volume_flush(reader, at), TMR_DONE);

        // What is broken can be closed, once.
        let copy = volume;
        assert_eq!(tmr_volume_close(&raw mut volume), TMR_DONE);
        assert!(volume.is_null());
        assert_eq!(tmr_volume_flush(copy, at), TMR_REFUSED);
        assert_eq!(error.reason, Reason::BadHandle as u32);
        assert_eq!(tmr_host_close(&raw mut host), TMR_DONE);
        assert_eq!(tmr_host_close(&raw mut other), TMR_DONE);
        assert_eq!(tmr_volume_close(&raw mut reader), TMR_DONE);
    }
}

#[test]
fn a_panic_in_a_call_from_inside_a_host_breaks_that_handle_alone() {
    // The outer call goes on: what the host asked for inside failed, and it said so.
    unsafe extern "C" fn read(
        user: *mut std::ffi::c_void,
        _: u32,
        _: u32,
        buffer: *mut std::ffi::c_void,
        length: u64,
        error: *mut tmr_error,
    ) -> i32 {
        // SAFETY: the library hands over what it was given.
        unsafe {
            buffer.cast::<u8>().write_bytes(0, length as usize);
            while_calls_panic(|| tmr_volume_flush(user.cast(), error))
        }
    }
    unsafe extern "C" fn flush(_: *mut std::ffi::c_void, _: *mut tmr_error) -> i32 {
        0
    }
    let mut error = block();
    let at = &raw mut error;
    let (mut inner, mut outer) = (null_mut(), null_mut());
    // SAFETY: the pointers are right.
    unsafe {
        assert_eq!(tmr_volume_in_memory(&info(), &raw mut inner, at), TMR_DONE);
        let functions = tmr_volume_functions {
            size: size_of::<tmr_volume_functions>() as u32,
            version: TMR_TABLE_VERSION,
            user: inner.cast(),
            release: None,
            read: Some(read),
            write: None,
            flush: Some(flush),
            lock: None,
            unlock: None,
        };
        assert_eq!(tmr_volume_of_host(&info(), &functions, &raw mut outer, at), TMR_DONE);
        let mut slot = vec![0u8; 4096];
        let code = tmr_volume_read(outer, 3, 1, slot.as_mut_ptr().cast(), 4096, at);
        assert_eq!((code, error.reason), (TMR_ENVIRONMENT, Reason::HostFailed as u32));
        assert_eq!(tmr_volume_flush(inner, at), TMR_INTERNAL);
        assert_eq!(tmr_volume_flush(outer, at), TMR_DONE);
        assert_eq!(tmr_volume_close(&raw mut inner), TMR_DONE);
        assert_eq!(tmr_volume_close(&raw mut outer), TMR_DONE);
    }
}
