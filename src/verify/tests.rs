use super::*;
use crate::geometry::{Device, Geometry};
use crate::volume::memory::MemoryVolume;

fn geometry() -> Geometry {
    let device = Device::named("3330").unwrap();
    Geometry { device, cylinders: 3, slot_size: device.slot_size() }
}

fn volser(name: &str) -> Volser {
    Volser::parse(name).unwrap()
}

/// Two volumes, where tracks 3 to 42 of one stand on tracks 10 to 49 of the other.
struct World {
    table: TranslateTable,
    source: Arc<MemoryVolume>,
    target: Arc<MemoryVolume>,
}

impl World {
    fn new() -> World {
        let volume = |name| Arc::new(MemoryVolume::new(volser(name), geometry()));
        let (source, target) = (volume("SRC001"), volume("TGT001"));
        let runs = [
            (source.volser(), Extent::new(Track(3), 25)),
            (source.volser(), Extent::new(Track(28), 15)),
        ];
        let table = TranslateTable::map(&runs, &[(target.volser(), Extent::new(Track(10), 40))]);
        let table = TranslateTable::new(table.unwrap()).unwrap();
        for number in 0..40u8 {
            for (volume, track) in [(&source, 3), (&target, 10)] {
                let track = Track(track + u32::from(number));
                let data = [number; 100];
                write(volume, track, &[(b"K", &data), (b"", &[number, 1]), (b"", b"")]);
            }
        }
        World { table, source, target }
    }

    fn verify(&self, threads: usize) -> Verification {
        let volumes = |volume: &Arc<MemoryVolume>| {
            BTreeMap::from([(volume.volser(), volume.clone() as Arc<dyn Volume>)])
        };
        verify(&self.table, &volumes(&self.source), &volumes(&self.target), threads).unwrap()
    }

    /// The one difference, which must be that of source track 23.
    fn what(&self) -> String {
        let found = self.verify(2);
        assert_eq!((found.difference_count, found.track_count), (1, 40));
        let difference = &found.differences[0];
        assert_eq!(difference.source, (volser("SRC001"), Track(23)));
        assert_eq!(difference.target, (volser("TGT001"), Track(30)));
        difference.what.clone()
    }
}

fn write(volume: &MemoryVolume, track: Track, records: &[(&[u8], &[u8])]) {
    let mut slot = vec![0; volume.slot_size()];
    track::build(&mut slot, volume.place(track), records).unwrap();
    volume.write(track, &slot).unwrap();
}

fn patch(volume: &MemoryVolume, track: Track, offset: usize, byte: u8) {
    let mut slot = vec![0; volume.slot_size()];
    volume.read(track, &mut slot).unwrap();
    slot[offset] = byte;
    volume.write(track, &slot).unwrap();
}

#[test]
fn equal_copies_are_equal_whatever_lies_behind_the_end_marker() {
    let world = World::new();
    patch(&world.source, Track(23), 9000, 0xAA);
    patch(&world.target, Track(31), 9000, 0xBB);
    let found = world.verify(1);
    assert!(found.is_equal() && found.differences.is_empty());
    assert_eq!(found.track_count, 40);
    for (digest, tracks) in found.digests.iter().zip([3..28, 28..43]) {
        let slot = |track| world.source.read_track(Track(track)).unwrap();
        let digests =
            tracks.map(|t| track::digest(&slot(t), world.source.place(Track(t))).unwrap());
        assert_eq!(*digest, Some(track::digest_of_run(digests)));
    }
    assert_eq!(world.verify(4), found);
}

#[test]
fn the_first_record_that_differs_is_named() {
    let (number, other) = ([20; 100], [21; 100]);
    type Records<'a> = &'a [(&'a [u8], &'a [u8])];
    let cases: [(Records<'_>, &str); 6] = [
        (
            &[(b"K", &other), (b"", &[20, 1]), (b"", b"")],
            "record 1 of the track (R1) differs: data",
        ),
        (&[(b"X", &number), (b"", &[20, 1]), (b"", b"")], "differs: key from byte 0"),
        (
            &[(b"K", &number), (b"", &[20]), (b"", b"")],
            "(R2) differs: data length 2 on the source, 1",
        ),
        (&[(b"K", &number), (b"", &[20, 1]), (b"Y", b"")], "(R3) differs: key length 0"),
        (&[(b"K", &number), (b"", &[20, 1])], "the target lacks record 3"),
        (&[(b"K", &number), (b"", &[20, 1]), (b"", b""), (b"", b"")], "one more record"),
    ];
    for (records, expected) in cases {
        let world = World::new();
        write(&world.target, Track(30), records);
        let what = world.what();
        assert!(what.contains(expected), "{what:?} where {expected:?} is expected");
    }
    for (offset, byte, expected) in [
        (25, 9, "R1 on the source, R9 on the target"),
        (24, 9, "the address in the count from byte 3"),
        (15, 9, "record 0 of the track (R0) differs: data from byte 2"),
    ] {
        let world = World::new();
        patch(&world.target, Track(30), offset, byte);
        let what = world.what();
        assert!(what.contains(expected), "{what:?} where {expected:?} is expected");
    }
}

#[test]
fn damaged_tracks_are_differences_that_name_the_side() {
    let world = World::new();
    patch(&world.source, Track(23), 4, 99);
    assert!(world.what().starts_with("the source: the home address"));
    assert_eq!(world.verify(3).digests[0], None);
    assert!(world.verify(3).digests[1].is_some());
    let world = World::new();
    patch(&world.target, Track(30), 12, 99);
    assert!(world.what().starts_with("the target: the track image does not check"));
    assert!(world.verify(3).digests[0].is_some());
}

#[test]
fn the_list_is_bounded_and_holds_the_first_ones() {
    let world = World::new();
    let mut work = Work::new(&world.table);
    let count = DIFFERENCES_MAX as u32 + 500;
    for number in (0..count).rev() {
        let (source, target) = (Extent::new(Track(number), 1), Track(number));
        let run = Run {
            source_volser: volser("SRC001"),
            source,
            target_volser: volser("TGT001"),
            target,
        };
        work.note(&run, 0, Compared { digest: None, difference: Some("not equal".into()) });
    }
    let found = work.finish().unwrap();
    assert_eq!(found.difference_count, u64::from(count));
    assert_eq!(found.differences.len(), DIFFERENCES_MAX);
    assert!(found.differences.iter().zip(0..).all(|(d, n)| d.source.1 == Track(n)));
    assert!(!found.is_equal());
}

/// A volume that fails to read one track.
#[derive(Debug)]
struct Unreadable(Arc<MemoryVolume>, Track);

impl Volume for Unreadable {
    fn volser(&self) -> Volser {
        self.0.volser()
    }
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }
    fn location(&self) -> String {
        self.0.location()
    }
    fn is_writable(&self) -> bool {
        false
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        let count = (buffer.len() / self.slot_size()) as u32;
        if Extent::new(first, count).contains(self.1) {
            return Err(Error::new(Reason::Io, "cannot be read"));
        }
        self.0.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        self.0.write(first, buffer)
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn is_past_caches(&self) -> bool {
        self.0.is_past_caches()
    }
    fn lock(&self, lock: crate::volume::Lock) -> Result<crate::volume::Held<'_>> {
        self.0.lock(lock)
    }
}

#[test]
fn a_track_that_cannot_be_read_is_one_difference_and_its_neighbours_are_none() {
    let world = World::new();
    let volumes = |volume: Arc<dyn Volume>| BTreeMap::from([(volume.volser(), volume)]);
    let bad_source = volumes(Arc::new(Unreadable(world.source.clone(), Track(23))));
    let bad_target = volumes(Arc::new(Unreadable(world.target.clone(), Track(30))));
    let (source, target) = (volumes(world.source.clone()), volumes(world.target.clone()));
    for (sources, targets, what) in [
        (&bad_source, &target, "the source: cannot be read"),
        (&source, &bad_target, "the target: cannot be read"),
    ] {
        let found = verify(&world.table, sources, targets, 2).unwrap();
        assert_eq!((found.difference_count, &*found.differences[0].what), (1, what));
        assert_eq!(found.differences[0].source.1, Track(23));
    }
    let error = verify(&world.table, &source, &source, 1).unwrap_err();
    assert_eq!(error.reason(), Reason::NoSuchVolume);
}
