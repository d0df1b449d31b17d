//! The calls around every write ask for no memory, whatever they give back: they may be made in a signal handler.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{null_mut, without_provenance_mut};
use trackmirror::Reason;
use trackmirror::ffi::*;

/// Counts what each thread asks for.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: it is the system's, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(act: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    act();
    COUNT.get() - before
}

fn info() -> tmr_volume_info {
    // SAFETY: any bytes are a description; it says how long it is.
    let mut info = unsafe { std::mem::zeroed::<tmr_volume_info>() };
    info.size = size_of::<tmr_volume_info>() as u32;
    info.cylinders = 10;
    info.volser.iter_mut().zip(b"OLD001").for_each(|(to, from)| *to = *from as _);
    info.device.iter_mut().zip(b"3390").for_each(|(to, from)| *to = *from as _);
    info
}

#[test]
fn begin_end_and_note_ask_for_no_memory_also_when_they_refuse() {
    let (mut length, mut area, mut image, mut teller) = (0, null_mut(), null_mut(), null_mut());
    let mut subscription = null_mut();
    // SAFETY: any bytes are an error block; it says how long it is.
    let mut error = unsafe { std::mem::zeroed::<tmr_error>() };
    error.size = size_of::<tmr_error>() as u32;
    let at = &raw mut error;
    // SAFETY: the pointers are right.
    unsafe {
        assert_eq!(tmr_area_size(150, &raw mut length, at), 0);
        let mut memory = vec![0u64; (length / 8) as usize];
        let start = memory.as_mut_ptr().cast();
        assert_eq!(tmr_area_in_memory(start, length, &info(), &raw mut area, at), 0);
        let names = [(c"ONE", TMR_IMAGE_BRACKETS), (c"TWO", TMR_IMAGE_COMPLETIONS)];
        for ((name, kind), image) in names.into_iter().zip([&raw mut image, &raw mut teller]) {
            assert_eq!(tmr_image_register(area, name.as_ptr(), kind, image, at), 0);
        }
        assert_eq!(tmr_subscription_open(area, [1u64, 2].as_ptr(), &raw mut subscription, at), 0);
        // SAFETY: any bytes are an extent.
        let sealed = tmr_extent { first: 30, track_count: 10, ..std::mem::zeroed() };
        assert_eq!(tmr_subscription_seal(subscription, &raw const sealed, 1, at), 0);

        let mut writes = [tmr_write::default(); 70];
        let refused = |code: i32, reason: Reason| {
            assert_eq!((code, (*at).reason), (8, reason as u32));
            assert_ne!((*at).sentence[0], 0);
        };
        let no_image: *mut tmr_image = null_mut();
        let crooked = without_provenance_mut::<tmr_image>(4);
        let count = allocations(|| {
            for write in &mut writes {
                assert_eq!(tmr_image_begin(image, 7, 3, write, at), 0);
            }
            for write in &mut writes {
                let mut copy = *write;
                assert_eq!(tmr_image_end(image, write, at), 0);
                refused(tmr_image_end(image, write, at), Reason::BadValue);
                copy.place ^= 1 << 33;
                refused(tmr_image_end(image, &raw mut copy, at), Reason::BadValue);
            }
            assert_eq!(tmr_image_note(teller, 9, 1, at), 0);
            assert_eq!(tmr_image_sign_of_life(teller, at), 0);
            let write = &raw mut writes[0];
            refused(tmr_image_begin(image, 29, 2, write, at), Reason::VolumeSealed);
            refused(tmr_image_begin(image, 149, 2, write, at), Reason::OutsideVolume);
            refused(tmr_image_note(image, 1, 1, at), Reason::BadRequest);
            refused(tmr_image_note(teller, u32::MAX, 1, at), Reason::OutsideVolume);
            refused(tmr_image_begin(no_image, 1, 1, write, at), Reason::NullPointer);
            refused(tmr_image_end(crooked, write, at), Reason::NullPointer);
            refused(tmr_image_note(area.cast(), 1, 1, at), Reason::BadHandle);
            refused(tmr_image_begin(image, 1, 1, null_mut(), at), Reason::NullPointer);
        });
        assert_eq!(count, 0);
        assert_ne!(allocations(|| drop(std::hint::black_box(Box::new(count)))), 0, "it counts");
        let name = c"ONE".as_ptr();
        assert_eq!(tmr_area_retire(area, name, at), 0);
        let write = &raw mut writes[0];
        let retired = || refused(tmr_image_begin(image, 1, 1, write, at), Reason::ImageDetached);
        assert_eq!(allocations(retired), 0);

        assert_eq!(tmr_subscription_close(&raw mut subscription), 0);
        assert_eq!(tmr_image_close(&raw mut image), 0);
        assert_eq!(tmr_image_close(&raw mut teller), 0);
        assert_eq!(tmr_area_close(&raw mut area), 0);
        drop(memory);
    }
}
