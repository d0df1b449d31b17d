//! Changed tracks: bitmaps that several threads mark at once.
//!
//! Who marks a track has written it; who takes the marks reads the tracks that are marked. Both sides have
//! a full fence between the two things that they do: so the taker sees the write, or finds the mark the
//! next time.

use super::boundary::{Handle, Out, close, guarded, shared};
use super::{TMR_DONE, TMR_MORE, tmr_error};
use crate::changed::shared::{first_run, word_count};
use crate::changed::{SharedBits, outside};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// As many tracks as a monitor's area may have.
const TRACK_COUNT_MAX: u32 = 1 << 30;

/// A set of tracks of one volume. Several threads may use it at a time.
pub struct tmr_changed {
    _opaque: [u8; 0],
}

/// What is behind it.
pub(super) struct Changed {
    words: Vec<AtomicU64>,
    track_count: u32,
}

impl Handle for tmr_changed {
    type Value = Changed;
    const NAME: &'static str = "tmr_changed";
}

impl Changed {
    fn new(track_count: u32) -> Changed {
        let words = (0..word_count(track_count)).map(|_| AtomicU64::new(0)).collect();
        Changed { words, track_count }
    }

    fn bits(&self) -> Result<SharedBits<'_>> {
        SharedBits::new(&self.words, self.track_count)
            .ok_or_else(|| Error::new(Reason::Broken, "a set of tracks has too few words"))
    }

    /// Moves what is marked into another set, word by word, so that no mark is lost and none is moved twice.
    fn take(&self) -> Changed {
        let take = |word: &AtomicU64| match word.load(Ordering::Relaxed) {
            0 => 0,
            _ => word.swap(0, Ordering::SeqCst),
        };
        let words = self.words.iter().map(|word| AtomicU64::new(take(word))).collect();
        fence(Ordering::SeqCst);
        Changed { words, track_count: self.track_count }
    }
}

/// Does: makes an empty set, for a volume of so many tracks.
/// Gives back: 0 and the set, to be closed with tmr_changed_close; 8 if no volume has so many.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changed_new(
    track_count: u32,
    changed: *mut *mut tmr_changed,
    error: *mut tmr_error,
) -> i32 {
    let make = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(changed) }?;
        if track_count == 0 || track_count > TRACK_COUNT_MAX {
            let why = format!("a volume has 1 to {TRACK_COUNT_MAX} tracks, not {track_count}");
            return Err(Error::new(Reason::BadValue, why));
        }
        out.give_handle(Changed::new(track_count));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, make) }
}

/// Does: adds a run of tracks. Whoever marks what was written does it behind the write.
/// Gives back: 0; 8 if a track is outside the volume, and then none is added.
/// Threads: several may at a time, on one set.
/// When: while the set is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changed_set(
    changed: *const tmr_changed,
    first: u32,
    track_count: u32,
    error: *mut tmr_error,
) -> i32 {
    let set = || {
        // SAFETY: as the caller promised.
        unsafe { shared(changed) }?.bits()?.set(Extent::new(Track(first), track_count))?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, set) }
}

/// Does: takes a run of tracks away.
/// Gives back: 0; 8 if a track is outside the volume, and then none is taken away.
/// Threads: several may at a time, on one set.
/// When: while the set is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changed_clear(
    changed: *const tmr_changed,
    first: u32,
    track_count: u32,
    error: *mut tmr_error,
) -> i32 {
    let clear = || {
        // SAFETY: as the caller promised.
        unsafe { shared(changed) }?.bits()?.clear(Extent::new(Track(first), track_count))?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, clear) }
}

/// Does: counts the tracks of a run that are in the set.
/// Gives back: 0; 8 if a track is outside the volume.
/// Threads: several may at a time, on one set.
/// When: while the set is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changed_count(
    changed: *const tmr_changed,
    first: u32,
    track_count: u32,
    count: *mut u32,
    error: *mut tmr_error,
) -> i32 {
    let tell = || {
        // SAFETY: as the caller promised.
        let (out, changed) =
            unsafe { (Out::take(count, "the place for the count")?, shared(changed)?) };
        out.give(changed.bits()?.count_in(Extent::new(Track(first), track_count))?);
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, tell) }
}

/// Does: finds the first run of tracks in the set that begins at track `from` or behind it, or its first
///   `track_count_max` tracks.
/// Gives back: 4 and the run; 0 if there is none; 8 if `from` lies behind the volume's end.
/// Threads: several may at a time, on one set.
/// When: while the set is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changed_next(
    changed: *const tmr_changed,
    from: u32,
    track_count_max: u32,
    first: *mut u32,
    track_count: *mut u32,
    error: *mut tmr_error,
) -> i32 {
    let next = || {
        // SAFETY: as the caller promised.
        let first = unsafe { Out::take(first, "the place for the first track") }?;
        // SAFETY: as the caller promised.
        let count = unsafe { Out::take(track_count, "the place for the number of tracks") }?;
        // SAFETY: as the caller promised.
        let changed = unsafe { shared(changed) }?;
        if track_count_max == 0 {
            return Err(Error::new(Reason::BadValue, "track_count_max is 0"));
        }
        if from > changed.track_count {
            return Err(outside(Extent::new(Track(from), 0), changed.track_count));
        }
        let bits = changed.bits()?;
        match first_run(|index| bits.word(index), from, changed.track_count, track_count_max) {
            None => Ok(TMR_DONE),
            Some((run, track_count)) => {
                first.give(run);
                count.give(track_count);
                Ok(TMR_MORE)
            }
        }
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, next) }
}

/// Does: moves what is in the set now into a set of its own. A track that is added meanwhile is in one of
///   the two at least. Read the tracks behind this call, and add them again if that fails.
/// Gives back: 0 and the other set, to be closed with tmr_changed_close.
/// Threads: several may at a time, on one set.
/// When: while the set is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changed_take(
    changed: *const tmr_changed,
    taken: *mut *mut tmr_changed,
    error: *mut tmr_error,
) -> i32 {
    let take = || {
        // SAFETY: as the caller promised.
        let (out, changed) = unsafe { (Out::handle(taken)?, shared(changed)?) };
        out.give_handle(changed.take());
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, take) }
}

/// Does: ends a set, and clears the pointer.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no set, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_changed_close(changed: *mut *mut tmr_changed) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(changed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;
    use std::ptr::null_mut;

    struct Set(*mut tmr_changed);

    // SAFETY: several threads may use it at a time.
    unsafe impl Sync for Set {}

    impl Drop for Set {
        fn drop(&mut self) {
            // SAFETY: it is open, and used no more.
            assert_eq!(unsafe { tmr_changed_close(&raw mut self.0) }, TMR_DONE);
        }
    }

    impl Set {
        fn new(track_count: u32) -> Set {
            let mut changed = null_mut();
            // SAFETY: the place is there.
            let code = unsafe { tmr_changed_new(track_count, &raw mut changed, null_mut()) };
            assert_eq!(code, TMR_DONE);
            Set(changed)
        }

        fn set(&self, first: u32, track_count: u32) -> i32 {
            // SAFETY: it is open.
            unsafe { tmr_changed_set(self.0, first, track_count, null_mut()) }
        }

        fn clear(&self, first: u32, track_count: u32) -> i32 {
            // SAFETY: it is open.
            unsafe { tmr_changed_clear(self.0, first, track_count, null_mut()) }
        }

        fn count(&self, first: u32, track_count: u32) -> u32 {
            let mut count = u32::MAX;
            // SAFETY: it is open, and the place is there.
            let code = unsafe {
                tmr_changed_count(self.0, first, track_count, &raw mut count, null_mut())
            };
            assert_eq!(code, TMR_DONE);
            count
        }

        fn next(&self, from: u32, most: u32) -> (i32, u32, u32) {
            let (mut first, mut count) = (u32::MAX, u32::MAX);
            // SAFETY: it is open, and the places are there.
            let code = unsafe {
                tmr_changed_next(self.0, from, most, &raw mut first, &raw mut count, null_mut())
            };
            (code, first, count)
        }

        fn take(&self) -> Set {
            let mut taken = null_mut();
            // SAFETY: it is open, and the place is there.
            assert_eq!(unsafe { tmr_changed_take(self.0, &raw mut taken, null_mut()) }, TMR_DONE);
            Set(taken)
        }
    }

    #[test]
    fn runs_are_set_cleared_counted_and_found() {
        let set = Set::new(1000);
        assert_eq!((set.set(60, 10), set.set(128, 1), set.clear(64, 2)), (0, 0, 0));
        assert_eq!((set.count(0, 1000), set.count(63, 4), set.count(1000, 0)), (9, 2, 0));
        assert_eq!(set.next(0, u32::MAX), (TMR_MORE, 60, 4));
        assert_eq!(set.next(61, 2), (TMR_MORE, 61, 2));
        assert_eq!(set.next(64, 100), (TMR_MORE, 66, 4));
        assert_eq!(set.next(70, 100), (TMR_MORE, 128, 1));
        assert_eq!(set.next(129, 100), (TMR_DONE, 0, 0));
        assert_eq!(set.next(1000, 100), (TMR_DONE, 0, 0));
        assert_eq!(set.next(1001, 100), (8, 0, 0));
        assert_eq!(set.next(u32::MAX, u32::MAX), (8, 0, 0));
        assert_eq!(set.next(0, 0), (8, 0, 0));
    }

    #[test]
    fn tracks_that_the_volume_does_not_have_are_refused() {
        let set = Set::new(1000);
        for (first, count) in
            [(999, 2), (1001, 0), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)]
        {
            assert_eq!((set.set(first, count), set.clear(first, count)), (8, 8), "{first} {count}");
        }
        assert_eq!(set.count(0, 1000), 0);
        for track_count in [0, TRACK_COUNT_MAX + 1, u32::MAX] {
            let mut changed = std::ptr::dangling_mut();
            let mut error = tmr_error::empty();
            // SAFETY: the places are there.
            let code = unsafe { tmr_changed_new(track_count, &raw mut changed, &raw mut error) };
            assert_eq!((code, error.reason), (8, Reason::BadValue as u32));
            assert!(changed.is_null());
        }
    }

    #[test]
    fn what_is_taken_is_gone_and_stands_for_itself() {
        let set = Set::new(70);
        assert_eq!(set.set(62, 8), TMR_DONE);
        let taken = set.take();
        assert_eq!((set.count(0, 70), taken.count(0, 70)), (0, 8));
        assert_eq!(set.set(3, 1), TMR_DONE);
        drop(set);
        assert_eq!(taken.next(0, 100), (TMR_MORE, 62, 8));
        assert_eq!(taken.take().take().count(62, 8), 8);
    }

    /// Each of some threads marks tracks of its own, once, while another one takes: each mark is found once.
    #[test]
    fn no_mark_is_lost_or_found_twice_while_sets_are_taken() {
        const THREADS: u32 = 4;
        const TRACKS: u32 = 20_000;
        let set = Set::new(THREADS * TRACKS);
        let mut found = 0;
        std::thread::scope(|scope| {
            let set = &set;
            let mark = |thread: u32| {
                for track in 0..TRACKS {
                    assert_eq!(set.set(track * THREADS + thread, 1), TMR_DONE);
                }
            };
            let threads: Vec<_> =
                (0..THREADS).map(|thread| scope.spawn(move || mark(thread))).collect();
            while !threads.iter().all(|thread| thread.is_finished()) {
                found += set.take().count(0, THREADS * TRACKS);
            }
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        found += set.take().count(0, THREADS * TRACKS);
        assert_eq!(found, THREADS * TRACKS);
        assert_eq!(set.count(0, THREADS * TRACKS), 0);
    }
}
