//! What a monitor costs a writer, and what finding the next work costs a migration.
//!
//! ```text
//! cargo bench --bench monitor
//! ```

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trackmirror::Result;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{Area, Identity, Image, Kind, Subscription};

/// A volume of 1 TB.
const TRACK_COUNT: u32 = 17_700_000;

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("trackmirror-bench-{}", std::process::id()));
    let identity = Identity { track_count: TRACK_COUNT, inode: 1, ..Identity::unknown() };
    let area = Area::open_in(&folder, identity)?;
    let subscription = Subscription::open(&area, [1, 1])?;
    subscription.fill(&[])?;

    let image = Image::register(&area, "BENCH", Kind::Brackets)?;
    let alone = best(|| nanoseconds(&image, 1000));
    println!("begin + end on a hot track: {alone:.1} ns (limit: 100)");
    let stop = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                (0..1000).for_each(|_| write(&image, 1001));
            }
        });
        let beside = best(|| nanoseconds(&image, 1000));
        stop.store(true, Ordering::Relaxed);
        beside
    });
    println!("with a second thread on the next track: {beside:.1} ns (limit: twice as much)");

    let whole = Extent::new(Track(0), TRACK_COUNT);
    subscription.clear_marks(whole)?;
    for track in (0..TRACK_COUNT).step_by(1000) {
        subscription.add(&[Extent::new(Track(track), 1)])?;
    }
    let scan = best(|| {
        let begin = Instant::now();
        let (mut from, mut found) = (whole, 0);
        while let Some(run) = subscription.next_work(from, 15).expect("on the volume") {
            found += 1;
            let end = run.end();
            from = Extent::new(end, TRACK_COUNT - end.0);
        }
        assert_eq!(found, TRACK_COUNT.div_ceil(1000));
        begin.elapsed().as_secs_f64() * 1e3
    });
    println!("all work in {TRACK_COUNT} tracks, one in a thousand set: {scan:.2} ms (limit: 2)");
    let look = best(|| {
        let begin = Instant::now();
        black_box(subscription.look(&[Extent::new(Track(1), 900)]).expect("on the volume"));
        begin.elapsed().as_secs_f64() * 1e3
    });
    println!("a look at the window: {look:.3} ms");
    std::fs::remove_dir_all(&folder).expect("the folder is removed");
    Ok(())
}

fn write(image: &Image, track: u32) {
    let begun = image.begin(Extent::new(Track(black_box(track)), 1)).expect("on the volume");
    image.end(begun);
}

fn nanoseconds(image: &Image, track: u32) -> f64 {
    let (begin, mut count) = (Instant::now(), 0u32);
    while begin.elapsed() < Duration::from_millis(40) {
        (0..1000).for_each(|_| write(image, track));
        count += 1000;
    }
    begin.elapsed().as_nanos() as f64 / f64::from(count)
}

/// The best of several runs: others use the machine too.
fn best(mut run: impl FnMut() -> f64) -> f64 {
    (0..25).map(|_| run()).fold(f64::INFINITY, f64::min)
}
