use super::*;
use crate::error::Reason;
use crate::geometry::{Extent, Track};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const TRACKS: u32 = 130;

fn area() -> Area {
    Area::in_process(Identity { track_count: TRACKS, ..Identity::unknown() }).unwrap()
}

fn extent(first: u32, count: u32) -> Extent {
    Extent::new(Track(first), count)
}

/// Threads write tracks while one copies them; in the end the copy is equal. Small enough for an interpreter.
#[test]
fn threads_that_write_beside_a_copy_lose_nothing() {
    let area = area();
    let subscription = Subscription::open(&area, [1, 2]).unwrap();
    let plan = [extent(0, TRACKS)];
    subscription.fill(&plan).unwrap();
    let image = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
    let tracks: Vec<_> = (0..TRACKS).map(|_| AtomicU64::new(0)).collect();
    let rounds = if cfg!(miri) { 8 } else { 20_000 };
    let stop = AtomicBool::new(false);
    let mut target = vec![0; TRACKS as usize];
    std::thread::scope(|scope| {
        let write = |seed: u64| {
            for round in 0..rounds {
                let track = ((round * 37 + seed * 11) % 7 * 20) as u32;
                let write = || {
                    for track in track..track + 2 {
                        tracks[track as usize].store(seed << 32 | round, Ordering::Relaxed);
                    }
                };
                image.write(extent(track, 2), write).unwrap();
            }
        };
        let writers = [1, 2].map(|seed| scope.spawn(move || write(seed)));
        let (stop, tracks, target) = (&stop, &tracks, &mut target);
        let (subscription, plan) = (&subscription, &plan);
        scope.spawn(move || {
            loop {
                let last = stop.load(Ordering::Acquire);
                while let Some(run) = subscription.next_work(plan[0], 3).unwrap() {
                    let batch = subscription.take(run).unwrap();
                    for track in batch.runs().flat_map(|run| run.first.0..run.end().0) {
                        target[track as usize] = tracks[track as usize].load(Ordering::Relaxed);
                    }
                    batch.done();
                }
                if last {
                    break;
                }
                std::thread::yield_now();
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stop.store(true, Ordering::Release);
    });
    assert_eq!(subscription.look(&plan).unwrap(), None);
    let now: Vec<_> = tracks.iter().map(|track| track.load(Ordering::Relaxed)).collect();
    assert_eq!(target, now);
    assert_eq!(area.images()[0].write_count, 2 * rounds);
}

#[test]
fn a_write_that_panics_has_ended() {
    let area = area();
    let subscription = Subscription::open(&area, [1, 2]).unwrap();
    let image = Image::register(&area, "WRITER", Kind::Brackets).unwrap();
    let write = || image.write(extent(3, 1), || -> () { std::panic::resume_unwind(Box::new(())) });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(write)).is_err());
    assert_eq!(area.images()[0].slots_in_use, 0);
    assert_eq!(subscription.changed_count(extent(3, 1)).unwrap(), 1);
}

#[test]
fn names_and_records_have_their_limits() {
    let area = area();
    for wrong in ["", "A B", "IMAG\u{c9}", &"A".repeat(33)] {
        let error = Image::register(&area, wrong, Kind::Brackets).unwrap_err();
        assert_eq!(error.reason(), Reason::BadImageName);
    }
    let images: Vec<_> = (0..32)
        .map(|number| Image::register(&area, &format!("I{number}"), Kind::Brackets).unwrap())
        .collect();
    let error = Image::register(&area, "MORE", Kind::Brackets).unwrap_err();
    assert_eq!(error.reason(), Reason::TooManyImages);
    drop(images);
    // One that said farewell gives its record away, the longest gone first.
    let long = "L".repeat(32);
    let image = Image::register(&area, &long, Kind::Brackets).unwrap();
    assert_eq!((image.incarnation(), area.images()[0].name.as_str()), (33, long.as_str()));
    assert_eq!(area.images()[0].standing, Standing::Attached);
    assert_eq!(area.images()[1].standing, Standing::Farewell);
}

#[test]
fn an_image_that_brackets_its_writes_cannot_note_any() {
    let area = area();
    let subscription = Subscription::open(&area, [1, 2]).unwrap();
    let brackets = Image::register(&area, "ONE", Kind::Brackets).unwrap();
    assert_eq!(brackets.note(extent(1, 1)).unwrap_err().reason(), Reason::BadRequest);
    let completions = Image::register(&area, "TWO", Kind::Completions).unwrap();
    completions.note(extent(2, 1)).unwrap();
    assert_eq!(subscription.changed_count(extent(0, TRACKS)).unwrap(), 1);
    area.retire("TWO").unwrap();
    assert_eq!(subscription.changed_count(extent(0, TRACKS)).unwrap(), TRACKS);
    assert_eq!(completions.begin(extent(2, 1)).unwrap_err().reason(), Reason::ImageDetached);
}
