//! What a monitor costs a writer and a copier, and what finding the next work costs a migration.
//!
//! ```text
//! cargo bench --bench monitor
//! ```

#[path = "../tests/support/unflushed.rs"]
mod unflushed;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trackmirror::copy::{self, Copier, CopyOptions};
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::monitor::{Area, Identity, Image, Kind, MonitoredVolume, Subscription};
use trackmirror::translate::TranslateTable;
use trackmirror::volume::{Volume, VolumeExt, ckd::CkdVolume};
use trackmirror::{Result, track};
use unflushed::Unflushed;

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

    from_c::compare();

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

    let volumes = Volumes::make(&folder)?;
    let (plain, monitored) = volumes.writers()?;
    println!(
        "a writer at full speed, monitored: {:+.1} percent (limit: 5)",
        slower(plain, monitored)
    );
    let (alone, watched) = volumes.copiers();
    println!("a copy with monitors on: {:+.1} percent (limit: 5)", slower(alone, watched));
    std::fs::remove_dir_all(&folder).expect("the folder is removed");
    Ok(())
}

/// By how many percent the second is slower, as the median of rounds in turn.
fn slower(mut one: impl FnMut() -> Duration, mut other: impl FnMut() -> Duration) -> f64 {
    let mut ratios: Vec<f64> = (0..41)
        .map(|_| {
            let one = one().as_secs_f64();
            other().as_secs_f64() / one
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    (ratios[ratios.len() / 2] - 1.0) * 100.0
}

/// Two volumes of 3390 tracks in files, the first with records on every track.
struct Volumes {
    source: Arc<dyn Volume>,
    target: Arc<dyn Volume>,
    area: Area,
}

const CYLINDERS: u32 = 100;

impl Volumes {
    fn make(folder: &Path) -> Result<Volumes> {
        let device = Device::named("3390")?;
        let geometry = Geometry { device, cylinders: CYLINDERS, slot_size: device.slot_size() };
        let make = |serial: &str| -> Result<Arc<dyn Volume>> {
            let volume = CkdVolume::create(&folder.join(serial), geometry, serial.parse()?)?;
            let mut slot = vec![0; volume.slot_size()];
            for track in (1..geometry.track_count()).map(Track) {
                let record: (&[u8], &[u8]) = (b"", &[0x55; 27_998]);
                track::build(&mut slot, volume.place(track), &[record; 2])?;
                volume.write(track, &slot)?;
            }
            volume.flush()?;
            Ok(Arc::new(volume))
        };
        let (source, target) = (make("OLD001")?, make("NEW001")?);
        let area = Area::open_in(folder, Identity::of(&*source)?)?;
        Ok(Volumes { source, target, area })
    }

    /// The same tracks written again and again, without a monitor, and with one while a migration wants the changes.
    fn writers(&self) -> Result<(impl FnMut() -> Duration, impl FnMut() -> Duration)> {
        let subscription = Subscription::open(&self.area, [1, 2])?;
        subscription.fill(&[])?;
        let mut slots = vec![vec![0; self.source.slot_size()]; 64];
        for (slot, track) in slots.iter_mut().zip(20..) {
            self.source.read(Track(track), slot)?;
        }
        let write = move |volume: &dyn Volume| {
            let begun = Instant::now();
            for _ in 0..30 {
                for (slot, track) in slots.iter().zip(20..) {
                    volume.write(Track(track), slot).expect("a track is written");
                }
            }
            begun.elapsed()
        };
        let again = write.clone();
        let plain = self.source.clone();
        let monitored = MonitoredVolume::attach_in(plain.clone(), &self.area, "WRITER")?;
        let keep = subscription;
        Ok((
            move || write(&*plain),
            move || {
                assert!(keep.is_filled());
                again(&monitored)
            },
        ))
    }

    /// All tracks copied, for nobody else, and from an area in which an image is registered.
    fn copiers(&self) -> (impl FnMut() -> Duration, impl FnMut() -> Duration) {
        let (from, to) = (self.source.volser(), self.target.volser());
        let all = Extent::new(Track(1), self.source.geometry().track_count() - 1);
        let table = move || {
            let entries = TranslateTable::map(&[(from, all)], &[(to, all)]).expect("a table");
            TranslateTable::new(entries).expect("a table")
        };
        let sources = copy::Volumes::from([(from, self.source.clone())]);
        let targets = copy::Volumes::from([(
            to,
            Arc::new(Unflushed(self.target.clone())) as Arc<dyn Volume>,
        )]);
        let run = |mut copier: Copier| {
            let begun = Instant::now();
            while !copier.step(u32::MAX).expect("a step").done {}
            begun.elapsed()
        };
        let alone = {
            let (sources, targets) = (sources.clone(), targets.clone());
            move || {
                let options = CopyOptions::default();
                run(Copier::new(table(), &sources, &targets, options).expect("a copier"))
            }
        };
        let area = self.area.clone();
        let image = Image::register(&area, "OTHER", Kind::Brackets).expect("a free name");
        let watched = move || {
            let subscription = Subscription::open(&area, [1, 3]).expect("a free subscription");
            subscription.fill(&[all]).expect("nothing is in flight");
            assert_eq!(image.name(), "OTHER");
            let subscriptions = BTreeMap::from([(from, subscription.clone())]);
            let options = CopyOptions::default();
            let copier = Copier::monitored(table(), &sources, &targets, &subscriptions, options);
            let time = run(copier.expect("a copier"));
            subscription.close();
            time
        };
        (alone, watched)
    }
}

/// The same calls from Rust and from C, in turn: what the C ABI adds to a write.
#[allow(unsafe_code)]
mod from_c {
    use std::hint::black_box;
    use std::ptr::{null_mut, without_provenance};
    use std::time::Instant;
    use trackmirror::ffi::*;
    use trackmirror::geometry::{Extent, Track};
    use trackmirror::monitor::{Area, Identity, Image, Kind, Subscription};

    const CYLINDERS: u32 = 10_000;
    const ROUNDS: usize = 1001;

    type Begin =
        unsafe extern "C" fn(*const tmr_image, u32, u32, *mut tmr_write, *mut tmr_error) -> i32;
    type End = unsafe extern "C" fn(*const tmr_image, *mut tmr_write, *mut tmr_error) -> i32;
    type Note = unsafe extern "C" fn(*const tmr_image, u32, u32, *mut tmr_error) -> i32;

    /// Functions at addresses that the compiler does not know, as they are for a program that is linked with the library.
    struct Calls {
        begin: Begin,
        end: End,
        note: Note,
    }

    pub fn compare() {
        let calls =
            black_box(Calls { begin: tmr_image_begin, end: tmr_image_end, note: tmr_image_note });
        let mut world = World::new();
        let (brackets, notes) = (world.brackets, world.notes);
        let rust = world.rust_images();
        // SAFETY: any bytes are an error block; it says how long it is.
        let mut error = unsafe { std::mem::zeroed::<tmr_error>() };
        error.size = size_of::<tmr_error>() as u32;
        let error = &raw mut error;
        let bracket_c = || {
            let mut write = tmr_write::default();
            let write = &raw mut write;
            // SAFETY: the pointers are right.
            let codes = unsafe {
                let begun = (calls.begin)(brackets, black_box(1000), 1, write, error);
                (begun, (calls.end)(brackets, write, error))
            };
            assert_eq!(codes, (0, 0));
        };
        let bracket_rust = || {
            let extent = Extent::new(Track(black_box(1000)), 1);
            rust.0.end(rust.0.begin(extent).expect("on the volume"));
        };
        let note_c = || {
            // SAFETY: the pointers are right.
            assert_eq!(unsafe { (calls.note)(notes, black_box(1000), 1, error) }, 0);
        };
        let note_rust =
            || rust.1.note(Extent::new(Track(black_box(1000)), 1)).expect("on the volume");
        print("begin + end", bracket_rust, bracket_c);
        print("note", note_rust, note_c);
        drop(rust);
        world.close();
    }

    fn print(what: &str, mut rust: impl FnMut(), mut c: impl FnMut()) {
        // Others use the machine too: of many short rounds, each beside the other, that in the middle.
        let mut rounds: Vec<_> =
            (0..ROUNDS).map(|_| (nanoseconds(&mut rust), nanoseconds(&mut c))).collect();
        rounds.sort_by(|one, other| (one.1 - one.0).total_cmp(&(other.1 - other.0)));
        let (rust, c) = rounds[ROUNDS / 2];
        println!(
            "{what} from C: {:+.1} ns ({c:.1}; from Rust {rust:.1}; limit: +5 a call)",
            c - rust
        );
    }

    fn nanoseconds(call: &mut impl FnMut()) -> f64 {
        const COUNT: u32 = 20_000;
        let begin = Instant::now();
        (0..COUNT).for_each(|_| call());
        begin.elapsed().as_nanos() as f64 / f64::from(COUNT)
    }

    /// An area of C's, and one of Rust's, each with two images and a subscription.
    struct World {
        area: *mut tmr_area,
        brackets: *mut tmr_image,
        notes: *mut tmr_image,
        subscription: *mut tmr_subscription,
        _own: Subscription,
        own: Area,
        _memory: Vec<u64>,
    }

    impl World {
        fn new() -> World {
            let identity = Identity { track_count: CYLINDERS * 15, ..Identity::unknown() };
            let own = Area::in_process(identity).expect("an area");
            let subscribed = Subscription::open(&own, [1, 1]).expect("a subscription");
            subscribed.fill(&[]).expect("nothing is in flight");
            // SAFETY: any bytes are a description; it says how long it is.
            let mut info = unsafe { std::mem::zeroed::<tmr_volume_info>() };
            info.size = size_of::<tmr_volume_info>() as u32;
            info.cylinders = CYLINDERS;
            for (to, from) in info.volser.iter_mut().zip(b"OLD001") {
                *to = *from as _;
            }
            for (to, from) in info.device.iter_mut().zip(b"3390") {
                *to = *from as _;
            }
            let (mut length, mut area, mut subscription) = (0, null_mut(), null_mut());
            let (mut brackets, mut notes) = (null_mut(), null_mut());
            let none = null_mut();
            // SAFETY: the pointers are right.
            let memory = unsafe {
                assert_eq!(tmr_area_size(CYLINDERS * 15, &raw mut length, none), 0);
                let mut memory = vec![0u64; (length / 8) as usize];
                let start = memory.as_mut_ptr().cast();
                let code = tmr_area_in_memory(start, length, &raw const info, &raw mut area, none);
                assert_eq!(code, 0);
                for (image, name, kind) in [
                    (&raw mut brackets, c"BENCH", TMR_IMAGE_BRACKETS),
                    (&raw mut notes, c"NOTES", TMR_IMAGE_COMPLETIONS),
                ] {
                    assert_eq!(tmr_image_register(area, name.as_ptr(), kind, image, none), 0);
                }
                let id = [1u64, 1];
                assert_eq!(
                    tmr_subscription_open(area, id.as_ptr(), &raw mut subscription, none),
                    0
                );
                let nothing = without_provenance(8);
                assert_eq!(tmr_subscription_fill(subscription, nothing, 0, none), 0);
                memory
            };
            World { area, brackets, notes, subscription, _own: subscribed, own, _memory: memory }
        }

        fn rust_images(&self) -> (Image, Image) {
            let register =
                |name, kind| Image::register(&self.own, name, kind).expect("a free name");
            (register("BENCH", Kind::Brackets), register("NOTES", Kind::Completions))
        }

        fn close(&mut self) {
            // SAFETY: the pointers are right.
            unsafe {
                assert_eq!(tmr_image_close(&raw mut self.brackets), 0);
                assert_eq!(tmr_image_close(&raw mut self.notes), 0);
                assert_eq!(tmr_subscription_close(&raw mut self.subscription), 0);
                assert_eq!(tmr_area_close(&raw mut self.area), 0);
            }
        }
    }
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
