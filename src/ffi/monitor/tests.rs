use super::super::*;
use super::*;
use crate::geometry::{Extent, Track};
use crate::monitor::{Image, Subscription};
use std::ptr::{null, null_mut};

const CYLINDERS: u32 = 10;
const TRACKS: u32 = CYLINDERS * 15;

/// Memory that is aligned as it has to be.
fn memory() -> Vec<u64> {
    let mut length = 0;
    // SAFETY: the pointers are right.
    assert_eq!(unsafe { tmr_area_size(TRACKS, &raw mut length, null_mut()) }, TMR_DONE);
    vec![0; (length / 8) as usize]
}

fn info() -> tmr_volume_info {
    tmr_volume_info {
        size: size_of::<tmr_volume_info>() as u32,
        cylinders: CYLINDERS,
        heads: 0,
        track_count: 0,
        slot_size: 0,
        flags: 0,
        volser: to_array("OLD001"),
        device: to_array("3390"),
        location: [0; 256],
    }
}

fn open(memory: &mut [u64], error: &mut tmr_error) -> (i32, *mut tmr_area) {
    let (mut area, length) = (null_mut(), memory.len() as u64 * 8);
    let start = memory.as_mut_ptr().cast();
    // SAFETY: the pointers are right.
    let code = unsafe { tmr_area_in_memory(start, length, &info(), &raw mut area, error) };
    (code, area)
}

fn sentence(error: &tmr_error) -> String {
    boundary::text_so_far(&error.sentence).into()
}

/// An area with an image in it, both closed in the end.
struct World {
    area: *mut tmr_area,
    image: *mut tmr_image,
    error: tmr_error,
    _memory: Vec<u64>,
}

impl World {
    fn new(kind: u32) -> World {
        let mut memory = memory();
        let mut error = tmr_error::empty();
        let (code, area) = open(&mut memory, &mut error);
        assert_eq!(code, TMR_DONE, "{}", sentence(&error));
        let mut image = null_mut();
        let name = c"WRITER".as_ptr();
        // SAFETY: the pointers are right.
        let code = unsafe { tmr_image_register(area, name, kind, &raw mut image, &raw mut error) };
        assert_eq!(code, TMR_DONE, "{}", sentence(&error));
        World { area, image, error, _memory: memory }
    }

    fn begin(&mut self, first: u32, count: u32) -> (i32, tmr_write) {
        let mut write = tmr_write { range: 1, place: 1 };
        // SAFETY: the pointers are right.
        let code = unsafe {
            tmr_image_begin(self.image, first, count, &raw mut write, &raw mut self.error)
        };
        (code, write)
    }

    fn end(&mut self, write: &mut tmr_write) -> i32 {
        // SAFETY: the pointers are right.
        unsafe { tmr_image_end(self.image, write, &raw mut self.error) }
    }

    fn image(&mut self) -> tmr_image_info {
        let mut info = tmr_image_info { size: 136, ..ZERO };
        // SAFETY: the pointers are right.
        let code = unsafe { tmr_area_image(self.area, 0, &raw mut info, &raw mut self.error) };
        assert_eq!(code, TMR_DONE);
        info
    }

    fn area(&self) -> Area {
        // SAFETY: it is open.
        unsafe { shared(self.area.cast_const()) }.unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // SAFETY: the pointers are right.
        unsafe {
            assert_eq!(tmr_image_close(&raw mut self.image), TMR_DONE);
            assert_eq!(tmr_area_close(&raw mut self.area), TMR_DONE);
        }
        assert!(self.image.is_null() && self.area.is_null());
    }
}

const ZERO: tmr_image_info = tmr_image_info {
    size: 0,
    kind: 0,
    standing: 0,
    flags: 0,
    slots_in_use: 0,
    last_refused: 0,
    incarnation: 0,
    process: 0,
    sign_of_life_ms: 0,
    writes_without_slot: 0,
    write_count: 0,
    refused_count: 0,
    name: [0; 64],
};

fn extents(first: u32, track_count: u32) -> [tmr_extent; 1] {
    [tmr_extent { volser: [0; 16], first, track_count, reserved: [0; 2] }]
}

#[test]
fn memory_is_an_area_once_at_a_time_and_again_when_it_was_closed() {
    let (mut memory, mut error) = (memory(), tmr_error::empty());
    let (code, mut area) = open(&mut memory, &mut error);
    assert_eq!(code, TMR_DONE);
    let (code, none) = open(&mut memory, &mut error);
    assert_eq!((code, error.reason), (TMR_ENVIRONMENT, Reason::AreaBusy as u32));
    assert!(none.is_null());
    let id = [1u64, 2];
    let (mut first, mut image, mut subscription) = (null_mut(), null_mut(), null_mut());
    // SAFETY: the pointers are right.
    unsafe {
        let name = c"ONE".as_ptr();
        let kind = TMR_IMAGE_BRACKETS;
        assert_eq!(tmr_image_register(area, name, kind, &raw mut first, null_mut()), 0);
        assert_eq!(tmr_image_register(area, name, kind, &raw mut image, &raw mut error), 8);
        assert_eq!(error.reason, Reason::ImageExists as u32);
        assert!(image.is_null());
        let name = c"TWO".as_ptr();
        assert_eq!(tmr_image_register(area, name, kind, &raw mut image, null_mut()), 0);
        let id = id.as_ptr();
        assert_eq!(tmr_subscription_open(area, id, &raw mut subscription, null_mut()), 0);
        assert_eq!(tmr_subscription_fill(subscription, null(), 0, null_mut()), 0);
        assert_eq!(tmr_area_close(&raw mut area), 0);
        let mut write = tmr_write::default();
        assert_eq!(tmr_image_begin(image, 7, 1, &raw mut write, null_mut()), 0);
        assert_eq!(open(&mut memory, &mut error).0, TMR_ENVIRONMENT, "the image keeps it open");
        assert_eq!(tmr_image_close(&raw mut image), 0);
        assert_eq!(tmr_subscription_leave(&raw mut subscription, null_mut()), 0);
        assert_eq!(open(&mut memory, &mut error).0, TMR_ENVIRONMENT, "so does the other");
        assert_eq!(tmr_image_close(&raw mut first), 0);
    }
    let (code, mut area) = open(&mut memory, &mut error);
    assert_eq!(code, TMR_DONE);
    // SAFETY: the pointer is right.
    assert_eq!(unsafe { tmr_area_close(&raw mut area) }, TMR_DONE);
}

#[test]
fn a_subscription_that_was_left_is_taken_up_again_with_what_was_in_flight() {
    let (mut memory, mut error) = (memory(), tmr_error::empty());
    let id = [1u64, 2];
    for round in 0..2 {
        let (code, mut area) = open(&mut memory, &mut error);
        assert_eq!(code, TMR_DONE, "{}", sentence(&error));
        let (mut image, mut subscription, mut left) = (null_mut(), null_mut(), 0);
        // SAFETY: the pointers are right.
        unsafe {
            let id = id.as_ptr();
            assert_eq!(tmr_subscription_open(area, id, &raw mut subscription, null_mut()), 0);
            let all = extents(0, TRACKS);
            let all = all.as_ptr();
            if round == 0 {
                assert_eq!(tmr_subscription_look(subscription, all, 1, &raw mut error), 8);
                assert_eq!(error.reason, Reason::NotFilled as u32);
                assert_eq!(tmr_subscription_fill(subscription, null(), 0, null_mut()), 0);
            }
            assert_eq!(tmr_subscription_left(subscription, all, 1, &raw mut left, null_mut()), 0);
            assert_eq!(left, [0, 3][round]);
            let (name, kind) = (c"ONE".as_ptr(), TMR_IMAGE_BRACKETS);
            assert_eq!(tmr_image_register(area, name, kind, &raw mut image, null_mut()), 0);
            let mut write = tmr_write::default();
            assert_eq!(tmr_image_begin(image, 7, 3, &raw mut write, null_mut()), 0);
            assert_eq!(tmr_image_close(&raw mut image), 0);
            assert_eq!(tmr_subscription_leave(&raw mut subscription, null_mut()), 0);
            assert_eq!(tmr_area_close(&raw mut area), 0);
        }
    }
}

#[test]
fn only_memory_that_fits_and_is_empty_becomes_an_area() {
    let (mut memory, mut error) = (memory(), tmr_error::empty());
    let length = memory.len() as u64 * 8;
    let (start, mut area) = (memory.as_mut_ptr(), null_mut());
    let mut attempt = |start: *mut u64, length| {
        let at = &raw mut area;
        // SAFETY: what is wrong is seen before the memory is touched.
        let code = unsafe { tmr_area_in_memory(start.cast(), length, &info(), at, &raw mut error) };
        (code, error.reason)
    };
    assert_eq!(attempt(start, length - 8), (8, Reason::ShortBuffer as u32));
    assert_eq!(attempt(start, length + 8), (8, Reason::ShortBuffer as u32));
    assert_eq!(attempt(null_mut(), length), (8, Reason::NullPointer as u32));
    let crooked = start.wrapping_byte_add(4);
    assert_eq!(attempt(crooked, length), (8, Reason::NullPointer as u32));
    for (place, value, reason) in [
        (CLAIM_WORDS, 1u64, Reason::AreaDamaged),
        (CLAIM_WORDS + 5000, 1, Reason::AreaDamaged),
        (0, u64::MAX, Reason::AreaBusy),
    ] {
        memory[place] = value;
        let (_, none) = open(&mut memory, &mut error);
        assert!(none.is_null());
        assert_eq!(error.reason, reason as u32, "word {place}: {}", sentence(&error));
        memory[place] = 0;
    }
    let (code, mut area) = open(&mut memory, &mut error);
    assert_eq!(code, TMR_DONE, "{}", sentence(&error));
    // SAFETY: the pointer is right.
    assert_eq!(unsafe { tmr_area_close(&raw mut area) }, TMR_DONE);
    let mut size = 1;
    for track_count in [0, u32::MAX] {
        // SAFETY: the pointers are right.
        assert_eq!(unsafe { tmr_area_size(track_count, &raw mut size, null_mut()) }, TMR_REFUSED);
        assert_eq!(size, 0);
    }
}

#[test]
fn a_write_is_ended_once_and_garbage_ends_nothing() {
    let mut world = World::new(TMR_IMAGE_BRACKETS);
    let (code, mut write) = world.begin(7, 3);
    assert_eq!((code, world.image().slots_in_use), (TMR_DONE, 1));
    let kept = write;
    let mut garbage = 88_172_645_463_325_252u64;
    let mut next = || {
        garbage ^= garbage << 13;
        garbage ^= garbage >> 7;
        garbage ^= garbage << 17;
        garbage
    };
    for round in 0..40_000 {
        // The more the words are like the right ones, the farther they get.
        let mut wrong = tmr_write { range: next(), place: next() };
        match round % 4 {
            0 => wrong.range = kept.range,
            1 => wrong.place = kept.place,
            2 => wrong = tmr_write { place: kept.place ^ 1 << (next() % 64), ..kept },
            _ => {}
        }
        assert_eq!(world.end(&mut wrong), TMR_REFUSED, "{wrong:?}");
    }
    assert_eq!(world.image().slots_in_use, 1);
    assert_eq!(world.end(&mut write), TMR_DONE);
    assert_eq!((write, world.image().slots_in_use), (tmr_write::default(), 0));
    assert_eq!(world.end(&mut write), TMR_REFUSED);
    assert_eq!(world.error.reason, Reason::BadValue as u32);

    // A copy of an ended write does not end the next one in the same slot.
    let (_, mut second) = world.begin(7, 3);
    assert_eq!((second.range, second.place >> 48), (kept.range, kept.place >> 48));
    assert_eq!(world.end(&mut { kept }), TMR_REFUSED);
    assert!(sentence(&world.error).contains("has ended already"), "{}", sentence(&world.error));
    assert_eq!(world.image().slots_in_use, 1);
    assert_eq!(world.end(&mut second), TMR_DONE);
    assert_eq!(world.image().write_count, 2);
}

#[test]
fn writes_that_find_no_slot_are_counted_and_not_below_zero() {
    let mut world = World::new(TMR_IMAGE_BRACKETS);
    let mut writes: Vec<_> = (0..66).map(|track| world.begin(track, 1).1).collect();
    assert_eq!(world.image().writes_without_slot, 2);
    let mut last = writes.pop().unwrap();
    assert_eq!(world.end(&mut tmr_write { place: last.place ^ 1 << 40, ..last }), TMR_REFUSED);
    let copy = last;
    assert_eq!(world.end(&mut last), TMR_DONE);
    writes.iter_mut().for_each(|write| assert_eq!(world.end(write), TMR_DONE));
    assert_eq!((world.image().writes_without_slot, world.image().slots_in_use), (0, 0));
    assert_eq!(world.end(&mut { copy }), TMR_REFUSED, "none is left to be ended");
    assert_eq!(world.image().writes_without_slot, 0);
}

#[test]
fn another_image_does_not_end_it() {
    let mut world = World::new(TMR_IMAGE_BRACKETS);
    let (_, mut write) = world.begin(7, 3);
    // The same track, slot and count in another area.
    let mut other = World::new(TMR_IMAGE_BRACKETS);
    let (_, mut same) = other.begin(7, 3);
    assert_eq!(other.end(&mut write), TMR_REFUSED);
    assert_eq!(world.end(&mut same), TMR_REFUSED);
    assert_ne!(write, tmr_write::default(), "what is refused is not cleared");
    assert_eq!((world.end(&mut write), other.end(&mut same)), (TMR_DONE, TMR_DONE));
}

#[test]
fn a_refusal_says_what_the_library_says() {
    let mut world = World::new(TMR_IMAGE_BRACKETS);
    let area = world.area();
    let other = Image::register(&area, "OTHER", Kind::Brackets).unwrap();
    let subscription = Subscription::open(&area, [1, 2]).unwrap();
    let as_from_rust = |world: &World, first, count, said: &crate::Error| {
        let said = tmr_error::of(said);
        let error = &world.error;
        assert_eq!(sentence(error), sentence(&said).replace("OTHER", "WRITER"));
        assert_eq!(error.volser, said.volser, "{first} {count}");
        let codes = |error: &tmr_error| (error.code, error.reason, error.track);
        assert_eq!(codes(error), codes(&said));
    };
    for (first, count) in [(TRACKS, 1), (0, TRACKS + 1), (u32::MAX, u32::MAX)] {
        assert_eq!(world.begin(first, count), (TMR_REFUSED, tmr_write::default()));
        let said = other.begin(Extent::new(Track(first), count)).unwrap_err();
        as_from_rust(&world, first, count, &said);
    }
    subscription.seal(&[Extent::new(Track(33), 2)]).unwrap();
    assert_eq!(world.begin(30, 10), (TMR_REFUSED, tmr_write::default()));
    as_from_rust(&world, 30, 10, &other.begin(Extent::new(Track(30), 10)).unwrap_err());
    assert_eq!((world.error.reason, world.error.track), (Reason::VolumeSealed as u32, 33));
    assert_eq!((world.image().refused_count, world.image().last_refused), (1, 33));
    let (code, mut write) = world.begin(0, 1);
    assert_eq!((code, world.error.reason, world.error.track), (0, 0, TMR_NO_TRACK));
    assert_eq!((world.error.volser[0], world.error.sentence[0]), (0, 0), "it is cleared");

    // SAFETY: the pointers are right.
    let retire = |world: &mut World, name: &std::ffi::CStr| unsafe {
        tmr_area_retire(world.area, name.as_ptr(), &raw mut world.error)
    };
    assert_eq!(retire(&mut world, c"NOBODY"), TMR_REFUSED);
    assert_eq!(world.error.reason, Reason::NoSuchImage as u32);
    assert_eq!(retire(&mut world, c"WRITER"), TMR_DONE);
    area.retire("OTHER").unwrap();
    assert_eq!(world.begin(0, 1), (TMR_REFUSED, tmr_write::default()));
    as_from_rust(&world, 0, 1, &other.begin(Extent::new(Track(0), 1)).unwrap_err());
    // It has written in spite of that: its track counts as changed.
    let track = Extent::new(Track(0), 1);
    subscription.clear_marks(track).unwrap();
    assert_eq!(world.end(&mut write), TMR_REFUSED);
    assert_eq!(subscription.changed_count(track).unwrap(), 1);
}

#[test]
fn notes_are_for_those_who_do_not_bracket() {
    for (kind, code) in [
        (TMR_IMAGE_BRACKETS, TMR_REFUSED),
        (TMR_IMAGE_COMPLETIONS | TMR_IMAGE_ANY_THREAD, TMR_DONE),
        (TMR_IMAGE_REMOTE, TMR_DONE),
    ] {
        let mut world = World::new(kind);
        let subscription = Subscription::open(&world.area(), [1, 2]).unwrap();
        // SAFETY: the pointers are right.
        let note = |world: &mut World, first| unsafe {
            tmr_image_note(world.image, first, 2, &raw mut world.error)
        };
        assert_eq!(note(&mut world, 9), code);
        let all = Extent::new(Track(0), TRACKS);
        assert_eq!(subscription.changed_count(all).unwrap(), if code == 0 { 2 } else { 0 });
        assert_eq!(note(&mut world, TRACKS - 1), TMR_REFUSED);
        assert_eq!(world.image().kind, kind & 0xFF);
        // SAFETY: the pointers are right.
        assert_eq!(unsafe { tmr_image_sign_of_life(world.image, null_mut()) }, TMR_DONE);
        assert!(world.image().sign_of_life_ms > 1 << 40);
    }
    let mut world = World::new(TMR_IMAGE_BRACKETS);
    let mut image = null_mut();
    for kind in [0, 4, 0x200, TMR_IMAGE_ANY_THREAD] {
        // SAFETY: the pointers are right.
        let code = unsafe {
            let (at, error) = (&raw mut image, &raw mut world.error);
            tmr_image_register(world.area, c"X".as_ptr(), kind, at, error)
        };
        assert_eq!((code, world.error.reason), (TMR_REFUSED, Reason::BadValue as u32));
    }
}

#[test]
fn what_is_no_handle_is_refused_without_an_error_of_the_library() {
    let mut world = World::new(TMR_IMAGE_BRACKETS);
    let (error, mut write) = (&raw mut world.error, tmr_write::default());
    let no_image = world.area.cast::<tmr_image>();
    // SAFETY: NULL is allowed, and so is a handle of another kind.
    unsafe {
        for (image, reason) in [(null_mut(), Reason::NullPointer), (no_image, Reason::BadHandle)] {
            for code in [
                tmr_image_begin(image, 0, 1, &raw mut write, error),
                tmr_image_end(image, &raw mut write, error),
                tmr_image_note(image, 0, 1, error),
                tmr_image_sign_of_life(image, error),
            ] {
                assert_eq!((code, (*error).reason), (TMR_REFUSED, reason as u32));
                assert_ne!((*error).sentence[0], 0);
            }
        }
        assert_eq!(tmr_image_begin(world.image, 0, 1, null_mut(), error), TMR_REFUSED);
        assert_eq!((*error).reason, Reason::NullPointer as u32);
        assert_eq!(tmr_image_end(world.image, null_mut(), error), TMR_REFUSED);
        (*error).size = 4;
        assert_eq!(tmr_image_begin(world.image, 0, 1, &raw mut write, error), TMR_REFUSED);
        (*error).size = 648;
        assert_eq!(world.image().slots_in_use, 0);
    }
}

#[test]
fn a_subscription_sees_what_flows_and_seals() {
    let mut world = World::new(TMR_IMAGE_BRACKETS);
    let (mut subscription, id) = (null_mut(), [3u64, 4]);
    let error = &raw mut world.error;
    let (_, mut early) = {
        let mut write = tmr_write::default();
        // SAFETY: the pointers are right.
        (unsafe { tmr_image_begin(world.image, 0, 1, &raw mut write, error) }, write)
    };
    let plan = extents(30, 10);
    let plan = plan.as_ptr();
    let outside = extents(TRACKS - 1, 2);
    let mut left = 0;
    // SAFETY: the pointers are right.
    unsafe {
        assert_eq!(
            tmr_subscription_open(world.area, [0u64; 2].as_ptr(), &raw mut subscription, error),
            8
        );
        assert_eq!(tmr_subscription_open(world.area, id.as_ptr(), &raw mut subscription, error), 0);
        assert_eq!(tmr_subscription_fill(subscription, plan, 1, error), 8);
        assert_eq!((*error).reason, Reason::NotFilled as u32);
        assert_eq!(tmr_image_end(world.image, &raw mut early, error), 0);
        assert_eq!(tmr_subscription_fill(subscription, plan, 1, error), 0);
        assert_eq!(tmr_subscription_left(subscription, plan, 1, &raw mut left, error), 0);
        assert_eq!(left, 10);
        let foreign = [tmr_extent { volser: to_array("NEW001"), ..extents(30, 10)[0] }];
        assert_eq!(
            tmr_subscription_left(subscription, foreign.as_ptr(), 1, &raw mut left, error),
            8
        );
        assert_eq!(((*error).reason, left), (Reason::NoSuchVolume as u32, 0));
        let own = [tmr_extent { volser: to_array("OLD001"), ..extents(30, 10)[0] }];
        assert_eq!(tmr_subscription_left(subscription, own.as_ptr(), 1, &raw mut left, error), 0);
        for code in [
            tmr_subscription_fill(subscription, outside.as_ptr(), 1, error),
            tmr_subscription_left(subscription, outside.as_ptr(), 1, &raw mut left, error),
            tmr_subscription_look(subscription, outside.as_ptr(), 1, error),
            tmr_subscription_seal(subscription, outside.as_ptr(), 1, error),
        ] {
            assert_eq!((code, (*error).reason), (8, Reason::OutsideVolume as u32));
        }

        assert_eq!(tmr_subscription_look(subscription, plan, 1, error), TMR_MORE);
        assert_eq!(((*error).code, (*error).reason, (*error).track), (TMR_MORE, 0, 30));
        assert!(sentence(&*error).contains("track 30 is not copied"), "{}", sentence(&*error));
    }
    let copy = |world: &World| {
        // SAFETY: it is open.
        let subscription = unsafe { shared(subscription.cast_const()) }.unwrap();
        assert_eq!(subscription.area().id(), world.area().id());
        subscription.take(Extent::new(Track(30), 10)).unwrap().done();
    };
    copy(&world);
    let (_, mut write) = world.begin(32, 1);
    let error = &raw mut world.error;
    // SAFETY: the pointers are right.
    unsafe {
        assert_eq!(tmr_subscription_seal(subscription, plan, 1, error), 0);
        assert_eq!(tmr_subscription_look(subscription, plan, 1, error), TMR_MORE);
        assert!(sentence(&*error).contains("image WRITER is writing 1 tracks"));
    }
    assert_eq!((world.begin(39, 1).0, world.error.track), (TMR_REFUSED, 39));
    assert_eq!(world.end(&mut write), TMR_DONE);
    let error = &raw mut world.error;
    // SAFETY: the pointers are right.
    unsafe {
        assert_eq!(tmr_subscription_look(subscription, plan, 1, error), TMR_MORE);
        assert!(sentence(&*error).contains("track 32 was written by image WRITER"));
        copy(&world);
        assert_eq!(tmr_subscription_look(subscription, plan, 1, error), TMR_DONE);
        assert_eq!((*error).sentence[0], 0);
        let batch = shared(subscription.cast_const()).unwrap().take(Extent::new(Track(0), 1));
        assert_eq!(tmr_subscription_close(&raw mut subscription), TMR_REFUSED, "somebody copies");
        assert_eq!(tmr_subscription_unseal(subscription, error), TMR_DONE);
        drop(batch);
        assert_eq!(tmr_subscription_seal(subscription, plan, 1, error), 0);
        assert_eq!(tmr_subscription_close(&raw mut subscription), TMR_DONE);
        assert_eq!(tmr_subscription_close(&raw mut subscription), TMR_DONE);
        assert_eq!(tmr_subscription_leave(null_mut(), null_mut()), TMR_DONE);
    }
    assert!(world.area().subscriptions().is_empty());
    let (code, mut write) = world.begin(39, 1);
    assert_eq!((code, world.end(&mut write)), (TMR_DONE, TMR_DONE), "the seals went with it");
}

#[test]
fn only_files_have_an_area_in_a_folder() {
    let (mut volume, mut area, mut error) = (null_mut(), null_mut(), tmr_error::empty());
    // SAFETY: the pointers are right.
    unsafe {
        assert_eq!(tmr_volume_in_memory(&info(), &raw mut volume, &raw mut error), TMR_DONE);
        assert_eq!(tmr_area_open(null(), volume, &raw mut area, &raw mut error), TMR_REFUSED);
        assert!(sentence(&error).contains("tmr_area_in_memory"), "{}", sentence(&error));
        assert_eq!(tmr_volume_close(&raw mut volume), TMR_DONE);
    }
}

#[test]
fn a_file_has_its_area_in_a_folder_and_a_host_takes_it_once() {
    use crate::geometry::{Device, Geometry};
    use crate::volume::ckd::CkdVolume;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old001.ckd");
    let device = Device::named("3390").unwrap();
    let geometry = Geometry { device, cylinders: 2, slot_size: device.slot_size() };
    drop(CkdVolume::create(&path, geometry, "OLD001".parse().unwrap()).unwrap());
    let c_text = |path: &Path| std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    let (path, folder) = (c_text(&path), c_text(&folder.path().join("areas")));
    let (mut volume, mut area, mut host) = (null_mut(), null_mut(), null_mut());
    let mut error = tmr_error::empty();
    let mut info = tmr_image_info { size: 136, ..ZERO };
    // SAFETY: the pointers are right.
    unsafe {
        let at = &raw mut error;
        assert_eq!(tmr_volume_open(path.as_ptr(), TMR_READ, &raw mut volume, at), 0);
        assert_eq!(
            tmr_area_open(folder.as_ptr(), volume, &raw mut area, at),
            0,
            "{}",
            sentence(&error)
        );
        assert_eq!(tmr_area_image(area, 0, &raw mut info, at), TMR_REFUSED);
        assert_eq!((error.reason, info.size), (Reason::NoMore as u32, 136));
        assert_eq!(tmr_host_new(&raw mut host, at), 0);
        assert_eq!(tmr_host_add_area(host, area, at), 0);
        assert_eq!(tmr_host_add_area(host, area, at), TMR_REFUSED);
        assert_eq!(error.reason, Reason::DuplicateVolser as u32);
        assert_eq!(tmr_host_close(&raw mut host), 0);
        assert_eq!(tmr_area_close(&raw mut area), 0);
        assert_eq!(tmr_volume_close(&raw mut volume), 0);
    }
}
