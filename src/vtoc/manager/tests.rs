use super::super::check::{Finding, Severity, Tracks, check};
use super::super::init::initialize;
use super::*;
use crate::geometry::{Device, Geometry, Track};
use crate::track::{self, NullFormat, Place};
use crate::volume::VolumeExt;
use crate::volume::intent::{Intent, NoJournal, Settled};
use parking_lot::Mutex;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A volume that keeps only the tracks that were written, and can stop at a write, leaving that track as it was or
/// torn: a prefix of the new image, then garbage.
#[derive(Debug)]
struct TestVolume {
    geometry: Geometry,
    tracks: Mutex<BTreeMap<u32, Vec<u8>>>,
    write_count: AtomicUsize,
    stop_at: AtomicUsize,
    torn_at: AtomicUsize,
    vtoc_lock: Mutex<()>,
}

type Image = BTreeMap<u32, Vec<u8>>;

fn volser() -> Volser {
    "VOL001".parse().unwrap()
}

impl TestVolume {
    fn new(device: &str, cylinders: u32) -> Arc<TestVolume> {
        let device = Device::named(device).unwrap();
        let geometry = Geometry { device, cylinders, slot_size: device.slot_size() };
        let volume = TestVolume {
            geometry,
            tracks: Default::default(),
            write_count: Default::default(),
            stop_at: AtomicUsize::new(usize::MAX),
            torn_at: AtomicUsize::new(0),
            vtoc_lock: Default::default(),
        };
        initialize(&volume, volser(), None, "TEST").unwrap();
        Arc::new(volume)
    }

    fn image(&self) -> Image {
        self.tracks.lock().clone()
    }

    /// The same, without what stands behind end markers. Every track checks.
    fn contents(&self, image: &Image) -> Image {
        let contents = image.iter().map(|(&number, slot)| {
            let place = Place::new(&self.geometry, Track(number));
            (number, slot[..track::check(slot, place).unwrap().length].to_vec())
        });
        contents.collect()
    }

    /// Goes back to an image, and stops at the write with this number.
    fn restore(&self, image: &Image, stop_at: usize, torn_at: usize) {
        *self.tracks.lock() = image.clone();
        self.write_count.store(0, Ordering::Relaxed);
        self.stop_at.store(stop_at, Ordering::Relaxed);
        self.torn_at.store(torn_at, Ordering::Relaxed);
    }

    fn change_format4(&self, change: impl FnOnce(&mut Format4)) {
        let mut edit = Edit::read(self).unwrap();
        let mut format4 = *edit.vtoc.format4();
        change(&mut format4);
        edit.set(edit.vtoc.dscbs[0].0, Dscb::Format4(format4)).unwrap();
        edit.into_intent("test".into()).perform(self, &NoJournal).unwrap();
    }
}

impl Volume for TestVolume {
    fn volser(&self) -> Volser {
        volser()
    }
    fn geometry(&self) -> Geometry {
        self.geometry
    }
    fn location(&self) -> String {
        "test".into()
    }
    fn is_writable(&self) -> bool {
        true
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        let tracks = self.tracks.lock();
        for (slot, number) in buffer.chunks_exact_mut(self.slot_size()).zip(first.0..) {
            match tracks.get(&number) {
                Some(track) => slot.copy_from_slice(track),
                None => NullFormat::Empty.write(slot, Place::new(&self.geometry, Track(number))),
            }
        }
        Ok(())
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let mut tracks = self.tracks.lock();
        for (slot, number) in buffer.chunks_exact(self.slot_size()).zip(first.0..) {
            let stop_at = self.stop_at.load(Ordering::Relaxed);
            match self.write_count.fetch_add(1, Ordering::Relaxed).cmp(&stop_at) {
                std::cmp::Ordering::Less => {
                    tracks.insert(number, slot.to_vec());
                    continue;
                }
                std::cmp::Ordering::Equal => {
                    let torn_at = self.torn_at.load(Ordering::Relaxed);
                    if torn_at > 0 {
                        let mut torn = slot.to_vec();
                        torn[torn_at..].fill(0xA5);
                        tracks.insert(number, torn);
                    }
                }
                std::cmp::Ordering::Greater => {}
            }
            return Err(Error::new(Reason::Io, "the power failed"));
        }
        Ok(())
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn lock(&self, _: Lock) -> Result<Held<'_>> {
        Ok(Box::new(self.vtoc_lock.lock()))
    }
}

#[derive(Default)]
struct TestJournal(Mutex<Option<Intent>>);

impl Journal for TestJournal {
    fn intend(&self, intent: &Intent) -> Result<()> {
        *self.0.lock() = Some(intent.clone());
        Ok(())
    }
    fn done(&self, _: &Intent) -> Result<()> {
        *self.0.lock() = None;
        Ok(())
    }
}

fn small() -> (Arc<TestVolume>, VtocSpaceManager) {
    let volume = TestVolume::new("2314", 30);
    (volume.clone(), VtocSpaceManager::new(volume))
}

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

fn new(text: &str, extents: &[(u32, u32)]) -> NewDataSet {
    let extents = extents.iter().map(|&(first, count)| Extent::new(Track(first), count));
    let mut format1 = Format1::new(name(text));
    format1.set_first_volser(volser());
    format1.set_volume_sequence(1);
    format1.set_creation_date([126, 0, 1]);
    NewDataSet { format1, extents: extents.collect() }
}

fn allocate(space: &VtocSpaceManager, text: &str, extents: &[(u32, u32)]) -> Identity {
    Identity::of(&space.allocate(&new(text, extents), &NoJournal).unwrap())
}

fn identity(space: &VtocSpaceManager, text: &str) -> Identity {
    Identity::of(&space.find(&name(text)).unwrap().unwrap())
}

fn extents(list: &[(u32, u32)]) -> Vec<Extent> {
    list.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect()
}

fn reason<T: std::fmt::Debug>(result: Result<T>) -> Reason {
    result.unwrap_err().reason()
}

/// The rules that hold after every change.
fn assert_sound(volume: &TestVolume) {
    let findings = check(volume, Tracks::Used).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    let vtoc = Vtoc::read(volume).unwrap();
    let complement = FreeSpace::complement(&vtoc);
    assert_eq!(FreeSpace::recorded(&vtoc).unwrap().as_ref(), Some(&complement));
    let used: u32 = vtoc.data_sets().map(|(_, found)| found.unwrap().track_count()).sum();
    assert_eq!(
        complement.track_count() + used + 1 + vtoc.extent.track_count,
        vtoc.usable_track_count()
    );
}

fn errors(volume: &TestVolume) -> Vec<Finding> {
    let mut findings = check(volume, Tracks::None).unwrap();
    findings.retain(|finding| finding.severity == Severity::Error);
    findings
}

#[test]
fn a_data_set_lives_from_allocation_to_scratch() {
    let (volume, space) = small();
    let empty = volume.image();
    let made = space.allocate(&new("TEST.A", &[(40, 20), (100, 5)]), &NoJournal).unwrap();
    assert_eq!(made.address, DscbAddress { track: Track(1), record: 3 });
    assert_eq!(made.extents, extents(&[(40, 20), (100, 5)]));
    assert_eq!(made.format1.extents().map(|e| e.kind().0), [0x81, 0x01, 0]);
    assert_sound(&volume);
    let of = Identity::of(&made);
    // The first run is merged, the second one is not; then the F1 is full.
    let made = space.extend(&of, &extents(&[(105, 3), (110, 2)]), &NoJournal).unwrap();
    assert_eq!(made.extents, extents(&[(40, 20), (100, 8), (110, 2)]));
    assert!(made.chain.is_empty());
    let made = space.extend(&of, &extents(&[(120, 1), (122, 1)]), &NoJournal).unwrap();
    assert_eq!((made.extents.len(), made.chain.len()), (5, 1));
    assert_sound(&volume);
    let made = space.release(&of, 27, &NoJournal).unwrap();
    assert_eq!((made.extents, made.chain), (extents(&[(40, 20), (100, 7)]), vec![]));
    assert_sound(&volume);
    let made = space.rename(&of, &name("TEST.B"), &NoJournal).unwrap();
    assert_eq!(reason(space.release(&of, 1, &NoJournal)), Reason::NameNotFound);
    let mut format1 = made.format1;
    format1.set_lrecl(80);
    format1.set_name(name("IGNORED"));
    format1.set_extents(&[]);
    let made = space.update(&Identity::of(&made), &format1, &NoJournal).unwrap();
    assert_eq!((made.format1.lrecl(), made.format1.name()), (80, name("TEST.B")));
    assert_sound(&volume);
    space.scratch(&Identity::of(&made), Expiration::Ignore, &NoJournal).unwrap();
    assert_sound(&volume);
    // Only the high-water mark of the F1s tells that there was something.
    volume.change_format4(|format4| format4.set_highest_f1([0; 5]));
    let cut = |image: &Image| -> Vec<u8> {
        let place = Place::new(&volume.geometry, Track(1));
        image[&1][..track::check(&image[&1], place).unwrap().length].to_vec()
    };
    assert_eq!(cut(&volume.image()), cut(&empty));
}

#[test]
fn what_cannot_be_kept_right_is_refused_and_nothing_is_written() {
    let (volume, space) = small();
    let of = allocate(&space, "TEST.A", &[(40, 20)]);
    allocate(&space, "TEST.B", &[(60, 1)]);
    let before = volume.image();
    let many: Vec<(u32, u32)> = (0..17).map(|n| (100 + 2 * n, 1)).collect();
    let journal = &NoJournal;
    for (request, expected) in [
        (new("TEST.A", &[(100, 1)]), Reason::NameExists),
        (new("TEST.C", &[(59, 2)]), Reason::ExtentNotFree),
        (new("TEST.C", &[(0, 1)]), Reason::ExtentNotFree),
        (new("TEST.C", &[(5, 1)]), Reason::ExtentNotFree),
        (new("TEST.C", &[(100, 2), (101, 1)]), Reason::ExtentNotFree),
        (new("TEST.C", &[(100, 0)]), Reason::BadRequest),
        (new("TEST.C", &[(599, 2)]), Reason::OutsideVolume),
        (new("TEST.C", &[(u32::MAX, u32::MAX)]), Reason::OutsideVolume),
        (new("TEST.C", &many), Reason::TooManyExtents),
    ] {
        assert_eq!(reason(space.allocate(&request, journal)), expected, "{request:?}");
    }
    assert_eq!(reason(space.extend(&of, &extents(&[(60, 1)]), journal)), Reason::ExtentNotFree);
    assert_eq!(reason(space.release(&of, 21, journal)), Reason::BadRequest);
    assert_eq!(reason(space.rename(&of, &name("TEST.B"), journal)), Reason::NameExists);
    assert_eq!(reason(space.replace_space(&of, &of, journal)), Reason::BadRequest);
    let other = Identity { creation_date: [1, 0, 1], ..of };
    assert_eq!(reason(space.scratch(&other, Expiration::Ignore, journal)), Reason::IdentityChanged);
    let mut used = space.find(&of.name).unwrap().unwrap().format1;
    assert!(volume.image() == before);
    used.set_last_used(Some((9, 1)));
    space.update(&of, &used, journal).unwrap();
    assert_eq!(reason(space.release(&of, 9, journal)), Reason::BadRequest);
    space.release(&of, 10, journal).unwrap();
    assert_sound(&volume);
}

#[test]
fn volumes_of_other_kinds_are_refused() {
    type Case = (fn(&mut Format4), Reason);
    let cases: [Case; 7] = [
        (|f| f.set_indicators(0x81), Reason::IndexedVtoc),
        (|f| f.set_indicators(0x10), Reason::StackedVolume),
        (|f| f.as_bytes_mut()[60] = 0xC0, Reason::SmsVolume),
        (|f| f.as_bytes_mut()[138] = 0x80, Reason::EavVolume),
        (|f| f.as_bytes_mut()[62..64].fill(0xFE), Reason::DamagedVtoc),
        (
            |f| f.as_bytes_mut()[100..105].copy_from_slice(&[0, 0, 0, 1, 9]),
            Reason::SplitCylinderVolume,
        ),
        (|f| f.as_bytes_mut()[66] = 0, Reason::DamagedVtoc),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let (volume, space) = small();
        volume.change_format4(change);
        match number {
            // More cylinders than the volume has: only as many as there are count.
            4 => space.check_writable().unwrap(),
            _ => assert_eq!(reason(space.check_writable()), expected),
        }
    }
}

#[test]
fn expiration_dates_are_respected() {
    let today = [126, 0, 100];
    for (date, is_kept) in [
        ([0, 0, 0], false),
        ([126, 0, 100], false),
        ([126, 0, 101], true),
        ([127, 0, 1], true),
        ([99, 1, 0x6D], true),
        ([99, 1, 0x6E], true),
        ([99, 0, 1], false),
        ([26, 0, 99], false),
        ([26, 0, 101], true),
    ] {
        let (_, space) = small();
        let mut request = new("TEST.A", &[(40, 1)]);
        request.format1.set_expiration_date(date);
        let of = Identity::of(&space.allocate(&request, &NoJournal).unwrap());
        let result = space.scratch(&of, Expiration::Respect { today }, &NoJournal);
        assert_eq!(
            result.map_err(|e| e.reason()),
            if is_kept { Err(Reason::NotExpired) } else { Ok(()) },
            "{date:?}"
        );
        if is_kept {
            space.scratch(&of, Expiration::Ignore, &NoJournal).unwrap();
        }
    }
}

#[test]
fn the_chain_of_free_space_grows_and_shrinks() {
    let (volume, space) = small();
    let format5s = || {
        let vtoc = space.read().unwrap();
        vtoc.dscbs.iter().filter(|(_, dscb)| matches!(dscb, Dscb::Format5(_))).count()
    };
    let made: Vec<Identity> =
        (0..60).map(|n| allocate(&space, &format!("TEST.N{n}"), &[(40 + 2 * n, 1)])).collect();
    assert_eq!(format5s(), 3);
    assert_sound(&volume);
    for of in &made {
        space.scratch(of, Expiration::Ignore, &NoJournal).unwrap();
        assert_sound(&volume);
    }
    assert_eq!(format5s(), 1);
}

#[test]
fn a_full_vtoc_is_refused() {
    let (volume, space) = small();
    let error =
        (0..).find_map(|n| space.allocate(&new(&format!("TEST.N{n}"), &[]), &NoJournal).err());
    assert_eq!(error.unwrap().reason(), Reason::VtocFull);
    assert_sound(&volume);
}

#[test]
fn void_free_space_is_made_anew_by_the_next_change() {
    for (before, after) in [(0x80, 0x08), (0x04, 0x02), (0x84, 0x0A), (0x08, 0x08)] {
        let (volume, space) = small();
        volume.change_format4(|format4| format4.set_indicators(before));
        if before != 0x08 {
            let mut edit = Edit::read(&*volume).unwrap();
            let first = edit.vtoc.dscbs[1].0;
            edit.set(first, Dscb::Format5(Format5::new())).unwrap();
            edit.into_intent("test".into()).perform(&*volume, &NoJournal).unwrap();
        }
        allocate(&space, "TEST.A", &[(40, 3)]);
        assert_eq!(space.read().unwrap().format4().indicators(), after, "{before:02X}");
        assert_sound(&volume);
    }
}

#[test]
fn withheld_tracks_stay_withheld_and_false_free_space_is_refused() {
    let (volume, space) = small();
    allocate(&space, "TEST.A", &[(40, 3)]);
    let set_first = |extent: Extent| {
        let mut edit = Edit::read(&*volume).unwrap();
        let (first, dscb) = edit.vtoc.dscbs[1];
        let Dscb::Format5(mut format5) = dscb else { panic!("no F5") };
        format5.set_free(0, extent, 20);
        edit.set(first, Dscb::Format5(format5)).unwrap();
        edit.into_intent("test".into()).perform(&*volume, &NoJournal).unwrap();
    };
    let first = FreeSpace::of(&space.read().unwrap()).unwrap().runs()[0];
    set_first(Extent::new(first.first.plus(2), first.track_count - 2));
    let withheld = new("TEST.B", &[(first.first.0, 1)]);
    assert_eq!(reason(space.allocate(&withheld, &NoJournal)), Reason::ExtentNotFree);
    let of = allocate(&space, "TEST.B", &[(first.first.0 + 2, 1)]);
    space.scratch(&of, Expiration::Ignore, &NoJournal).unwrap();
    assert_eq!(FreeSpace::of(&space.read().unwrap()).unwrap().runs()[0].first, first.first.plus(2));
    set_first(Extent::new(first.first, first.track_count + 1));
    assert_eq!(reason(space.check_writable()), Reason::DamagedVtoc);
}

#[test]
fn volumes_with_more_than_65535_tracks_have_f7s() {
    let volume = TestVolume::new("3390-9", 10_017);
    let space = VtocSpaceManager::new(volume.clone());
    assert_eq!(space.read().unwrap().format4().indicators(), 0xA0);
    assert_sound(&volume);
    let far = Extent::new(Track(149_000), 1_000);
    let of = allocate(&space, "TEST.A", &[(149_000, 1_000), (70_005, 15)]);
    assert_eq!(of.first_extent, Some(far));
    assert_sound(&volume);
    for n in 0..40 {
        allocate(&space, &format!("TEST.N{n}"), &[(80_000 + 2 * n, 1)]);
    }
    assert_sound(&volume);
    for n in 0..40 {
        let of = identity(&space, &format!("TEST.N{n}"));
        space.scratch(&of, Expiration::Ignore, &NoJournal).unwrap();
    }
    assert_sound(&volume);
    assert_eq!(space.read().unwrap().format4().indicators(), 0xA0);
    // A tool that knows only the DOS bit made the volume: F7s are made.
    volume.change_format4(|format4| format4.set_indicators(0x80));
    allocate(&space, "TEST.B", &[(0xFFFF, 2)]);
    assert_sound(&volume);
}

/// Sets a volume up, and changes it.
type Setup = fn(&VtocSpaceManager);
type Operation = fn(&VtocSpaceManager, &dyn Journal) -> Result<()>;

fn fill(space: &VtocSpaceManager, count: u32) {
    for n in 0..count {
        allocate(space, &format!("FILL.N{n}"), &[]);
    }
}

const OPERATIONS: &[(&str, Setup, Operation)] = &[
    (
        "allocate",
        |_| {},
        |space, journal| space.allocate(&new("TEST.A", &[(40, 20)]), journal).map(drop),
    ),
    (
        "allocate with F3 on another track",
        |space| {
            for n in 0..22 {
                allocate(space, &format!("FILL.N{n}"), &[]);
            }
        },
        |space, journal| {
            let many: Vec<(u32, u32)> = (0..16).map(|n| (100 + 2 * n, 1)).collect();
            space.allocate(&new("TEST.A", &many), journal).map(drop)
        },
    ),
    (
        "extend into a new F3",
        |space| {
            allocate(space, "TEST.A", &[(40, 1), (50, 1), (60, 1)]);
            fill(space, 23);
        },
        |space, journal| {
            let by = extents(&[(80, 1), (90, 1)]);
            space.extend(&identity(space, "TEST.A"), &by, journal).map(drop)
        },
    ),
    (
        "extend an F3 beside its F1",
        |space| {
            allocate(space, "TEST.A", &[(40, 1), (50, 1), (60, 1), (70, 1)]);
        },
        |space, journal| {
            let by = extents(&[(71, 1), (90, 1)]);
            space.extend(&identity(space, "TEST.A"), &by, journal).map(drop)
        },
    ),
    (
        "extend an F3 on another track, in place",
        |space| {
            fill(space, 22);
            allocate(space, "TEST.A", &[(40, 1), (50, 1), (60, 1), (70, 1)]);
        },
        |space, journal| {
            let by = extents(&[(71, 1), (90, 1)]);
            space.extend(&identity(space, "TEST.A"), &by, journal).map(drop)
        },
    ),
    (
        "release within an F3 on another track, in place",
        |space| {
            fill(space, 22);
            allocate(space, "TEST.A", &[(40, 1), (50, 1), (60, 1), (70, 2), (80, 1)]);
        },
        |space, journal| space.release(&identity(space, "TEST.A"), 4, journal).map(drop),
    ),
    (
        "release the F3",
        |space| {
            allocate(space, "TEST.A", &[(40, 5), (50, 1), (60, 1), (70, 1)]);
        },
        |space, journal| space.release(&identity(space, "TEST.A"), 2, journal).map(drop),
    ),
    (
        "scratch",
        |space| {
            fill(space, 23);
            allocate(space, "TEST.A", &[(40, 5), (50, 1), (60, 1), (70, 1)]);
        },
        |space, journal| space.scratch(&identity(space, "TEST.A"), Expiration::Ignore, journal),
    ),
    (
        "rename",
        |space| {
            allocate(space, "TEST.A", &[(40, 5)]);
        },
        |space, journal| {
            space.rename(&identity(space, "TEST.A"), &name("TEST.B"), journal).map(drop)
        },
    ),
    (
        "update",
        |space| {
            allocate(space, "TEST.A", &[(40, 5)]);
        },
        |space, journal| {
            let mut format1 = new("TEST.A", &[]).format1;
            format1.set_lrecl(99);
            space.update(&identity(space, "TEST.A"), &format1, journal).map(drop)
        },
    ),
    (
        "replace space on one track",
        |space| {
            allocate(space, "TEST.A", &[(40, 5), (50, 1), (60, 1), (70, 1)]);
            allocate(space, "TEST.P", &[(100, 8)]);
        },
        |space, journal| {
            let (of, by) = (identity(space, "TEST.A"), identity(space, "TEST.P"));
            space.replace_space(&of, &by, journal).map(drop)
        },
    ),
    (
        "replace space on two tracks",
        |space| {
            allocate(space, "TEST.A", &[(40, 5), (50, 1), (60, 1), (70, 1)]);
            fill(space, 23);
            allocate(space, "TEST.P", &[(100, 4), (110, 4), (120, 4), (130, 4)]);
        },
        |space, journal| {
            let (of, by) = (identity(space, "TEST.A"), identity(space, "TEST.P"));
            space.replace_space(&of, &by, journal).map(drop)
        },
    ),
    (
        "grow the record of free space",
        |space| {
            for n in 0..26 {
                allocate(space, &format!("TEST.N{n}"), &[(100 + 2 * n, 1)]);
            }
        },
        |space, journal| space.allocate(&new("TEST.A", &[(200, 1)]), journal).map(drop),
    ),
    (
        "allocate when DIRF is on",
        |_| {},
        |space, journal| space.allocate(&new("TEST.A", &[(40, 20)]), journal).map(drop),
    ),
];

#[test]
fn a_crash_at_any_write_is_settled_by_the_journal() {
    for (what, setup, operation) in OPERATIONS {
        let (volume, space) = small();
        setup(&space);
        if what.contains("DIRF") {
            volume.change_format4(|format4| format4.set_indicators(Format4::VTOCI_DIRF));
        }
        let before = volume.image();
        volume.restore(&before, usize::MAX, 0);
        operation(&space, &NoJournal).unwrap();
        let after = volume.contents(&volume.image());
        let write_count = volume.write_count.load(Ordering::Relaxed);
        assert_sound(&volume);
        for stop_at in 0..write_count {
            for torn_at in [0, 1, 20, 21, 29, 300, 1000, 4000] {
                volume.restore(&before, stop_at, torn_at);
                let journal = TestJournal::default();
                assert_eq!(reason(operation(&space, &journal)), Reason::Io);
                let torn = volume.image();
                let intent = journal.0.lock().take().unwrap();
                if torn == before {
                    assert_eq!(intent.settle(&*volume).unwrap(), Settled::Dropped, "{what}");
                    continue;
                }
                for again in [usize::MAX, 0, write_count / 2] {
                    // Settling may be interrupted too.
                    volume.restore(&torn, again, torn_at);
                    let settled = intent.settle(&*volume);
                    volume.restore(&volume.image(), usize::MAX, 0);
                    assert!(settled.is_err() || settled.unwrap() == Settled::Done, "{what}");
                    assert_eq!(intent.settle(&*volume).unwrap(), Settled::Done, "{what}");
                    let settled = volume.contents(&volume.image());
                    assert!(settled == after, "{what}, write {stop_at}, torn at {torn_at}");
                }
            }
        }
    }
}

#[test]
fn without_a_journal_a_crash_between_writes_leaves_what_dirf_protects() {
    let mut doubtful = 0;
    for (what, setup, operation) in OPERATIONS {
        let (volume, space) = small();
        setup(&space);
        let before = volume.image();
        volume.restore(&before, usize::MAX, 0);
        operation(&space, &NoJournal).unwrap();
        let (after, write_count) = (volume.image(), volume.write_count.load(Ordering::Relaxed));
        for stop_at in 0..write_count {
            volume.restore(&before, stop_at, 0);
            operation(&space, &NoJournal).unwrap_err();
            volume.restore(&volume.image(), usize::MAX, 0);
            let vtoc = space.read().unwrap();
            let dirf = vtoc.format4().indicators() & Format4::VTOCI_DIRF != 0;
            assert!(
                dirf || volume.image() == before || volume.image() == after,
                "{what} {stop_at}"
            );
            let found = errors(&volume);
            if what.contains("in place") && found.len() == 1 {
                // Only this data set is in doubt: see the story of the module.
                assert!(found[0].sentence.contains("DS1NOEPV says"), "{what}: {}", found[0]);
                assert_eq!(found[0].data_set, Some(name("TEST.A")));
                assert_eq!(reason(space.check_writable()), Reason::DamagedVtoc);
                doubtful += 1;
                continue;
            }
            for finding in found {
                assert!(
                    finding.sentence.contains("no data set leads to the format 3"),
                    "{what}: {finding}"
                );
            }
            // The next change goes well, and makes the record of free space true.
            let orphans = errors(&volume).len();
            allocate(&space, "NEXT.ONE", &[(550, 1)]);
            assert_eq!(errors(&volume).len(), orphans, "{what} {stop_at}");
            let vtoc = space.read().unwrap();
            assert_eq!(FreeSpace::recorded(&vtoc).unwrap(), Some(FreeSpace::complement(&vtoc)));
        }
    }
    assert_eq!(doubtful, 2);
}

/// Random numbers that a seed gives.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as u32) % limit.max(1)
    }

    fn pick_free(&mut self, free: &mut FreeSpace, count: u32) -> Vec<Extent> {
        let mut picked = Vec::new();
        for _ in 0..count {
            let Some(&run) = free.runs().get(self.below(free.runs().len() as u32) as usize) else {
                break;
            };
            let skip = self.below(run.track_count);
            let track_count = 1 + self.below((run.track_count - skip).min(12));
            let extent = Extent::new(run.first.plus(skip), track_count);
            free.take(extent).unwrap();
            picked.push(extent);
        }
        picked
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_changes_keep_the_rules(seed in any::<u64>()) {
        let (volume, space) = small();
        let mut random = Random(seed);
        let mut names: BTreeMap<DsName, Vec<Extent>> = BTreeMap::new();
        for number in 0..60 {
            let mut free = FreeSpace::of(&space.read().unwrap()).unwrap();
            let some = names.keys().nth(random.below(names.len() as u32) as usize).copied();
            let chosen = some.map(|name| (name, identity(&space, &name.to_string())));
            let made = match (random.below(6), chosen) {
                (2, Some((_, of))) => {
                    let count = 1 + random.below(4);
                    let by = random.pick_free(&mut free, count);
                    space.extend(&of, &by, &NoJournal)
                }
                (3, Some((name, of))) => {
                    let has: u32 = names[&name].iter().map(|extent| extent.track_count).sum();
                    space.release(&of, random.below(has + 1), &NoJournal)
                }
                (4, Some((name, of))) => {
                    names.remove(&name);
                    space.scratch(&of, Expiration::Ignore, &NoJournal).unwrap();
                    assert_sound(&volume);
                    continue;
                }
                (5, Some((name, of))) => {
                    let to: DsName = format!("RENAMED.N{number}").parse().unwrap();
                    let extents = names.remove(&name).unwrap();
                    names.insert(to, extents);
                    space.rename(&of, &to, &NoJournal)
                }
                _ => {
                    let count = random.below(9);
                    let mut request = new(&format!("TEST.N{number}"), &[]);
                    request.extents = random.pick_free(&mut free, count);
                    space.allocate(&request, &NoJournal)
                }
            };
            match made {
                Ok(made) => { names.insert(made.format1.name(), made.extents); }
                Err(error) => prop_assert_eq!(error.reason(), Reason::TooManyExtents),
            }
            assert_sound(&volume);
            for (name, extents) in &names {
                prop_assert_eq!(&space.find(name).unwrap().unwrap().extents, extents);
            }
        }
    }

    #[test]
    fn arbitrary_dscbs_never_panic(
        dscbs in prop::collection::vec((0usize..100, 0usize..140, any::<u8>(), prop::sample::select(vec![0u8, 1, 0xF1, 0xF2, 0xF3, 0xF5, 0xF7, 0xF8, 0xF9, 0x81, 0x40, 0x80])), 1..200),
        flags in any::<u8>(),
    ) {
        let (volume, space) = small();
        for n in 0..5 {
            allocate(&space, &format!("TEST.N{n}"), &[(100 + 20 * n, 2), (103 + 20 * n, 1), (105 + 20 * n, 1), (107 + 20 * n, 1)]);
        }
        let mut edit = Edit::read(&*volume).unwrap();
        for (place, offset, value, format) in dscbs {
            let (address, dscb) = edit.vtoc.dscbs[place % 14];
            let mut bytes = dscb.to_bytes();
            bytes[offset] = value;
            if offset % 7 == 0 {
                bytes[44] = format;
            }
            edit.set(address, Dscb::from_bytes(bytes)).unwrap();
        }
        edit.into_intent("test".into()).perform(&*volume, &NoJournal).unwrap();
        if let Ok(vtoc) = Vtoc::read(&*volume) {
            let _ = (vtoc.data_sets().count(), FreeSpace::of(&vtoc), FreeSpace::complement(&vtoc), vtoc.find(&name("TEST.N1")));
            volume.change_format4(|format4| format4.set_indicators(flags));
        }
        for finding in check(&*volume, Tracks::Used).unwrap() {
            prop_assert!(!finding.to_string().is_empty());
        }
        // Whatever is allowed keeps a sound VTOC sound.
        if space.allocate(&new("TEST.Z", &[(300, 1)]), &NoJournal).is_ok() {
            prop_assert!(space.check_writable().is_ok());
        }
    }

    #[test]
    fn arbitrary_bytes_as_vtoc_tracks_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        track in 0u32..3,
        start in 0usize..400,
    ) {
        let (volume, space) = small();
        let mut slot = vec![0; volume.slot_size()];
        volume.read(Track(track), &mut slot).unwrap();
        slot[start..start + bytes.len()].copy_from_slice(&bytes);
        volume.write(Track(track), &slot).unwrap();
        if let Ok(vtoc) = space.read() {
            let _ = (vtoc.data_sets().count(), FreeSpace::of(&vtoc));
        }
        check(&*volume, Tracks::All).unwrap();
        let _ = space.allocate(&new("TEST.Z", &[(300, 1)]), &NoJournal);
    }
}
