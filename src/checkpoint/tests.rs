use super::slot::{HEADER_LENGTH, MAGIC, TAIL_UNIT, head_crc};
use super::*;
use crate::bytes::{crc32c, put32};
use proptest::prelude::*;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::Arc;

fn sections(number: u32) -> Sections {
    let mut sections = Sections::default();
    sections.put(*b"NUMB", &number);
    sections.put(*b"FILL", &vec![number as u8; 40 + number as usize]);
    sections
}

/// A store with these slots.
fn store(slots: [Option<Vec<u8>>; 2]) -> MemoryStore {
    MemoryStore { slots: Mutex::new(slots) }
}

/// The bytes of a slot with these sections.
fn slot_bytes(sequence: u64, sections: &Sections) -> Vec<u8> {
    let mut tail = Tail::default();
    let head = tail.head(sequence, sections, &mut [false; 2]).unwrap();
    tail.whole(&head)
}

/// Makes the checksum of a slot's head right.
fn correct(slot: &mut [u8]) {
    let length = crate::bytes::be32(slot, 20) as usize;
    let crc = head_crc(&slot[..HEADER_LENGTH + length]);
    put32(slot, 24, crc);
}

fn found(slots: [Option<Vec<u8>>; 2]) -> Result<Option<Sections>> {
    Checkpoint::open(store(slots)).map(|(_, sections)| sections)
}

#[test]
fn saves_alternate_and_the_newest_wins() {
    let store = Arc::new(MemoryStore::default());
    let (mut checkpoint, nothing) = Checkpoint::open(store.clone()).unwrap();
    assert!(nothing.is_none() && checkpoint.is_saved());
    let mut before = [None, None];
    for number in 1..10 {
        checkpoint.save(&sections(number)).unwrap();
        let after = store.slots.lock().clone();
        let changed = [0, 1].iter().filter(|&&slot| after[slot] != before[slot]).count();
        assert_eq!(changed, if number == 1 { 2 } else { 1 });
        assert_eq!(found(after.clone()).unwrap(), Some(sections(number)));
        before = after;
    }
    // Whoever opens it later writes over the older slot too.
    let (mut checkpoint, _) = Checkpoint::open(store.clone()).unwrap();
    checkpoint.save(&sections(10)).unwrap();
    let [first, second] = store.slots.lock().clone();
    assert_eq!(found([first, None]).unwrap(), Some(sections(10)));
    assert_eq!(found([None, second]).unwrap(), Some(sections(9)));
}

/// A torn write of `new` over `old` that ends at byte `at`: behind it the old bytes, nothing, or garbage.
fn torn(old: Option<&[u8]>, new: &[u8], at: usize) -> Vec<Vec<u8>> {
    let mut results = vec![new[..at].to_vec(), [&new[..at], &vec![0xA5; new.len() - at]].concat()];
    if let Some(old) = old {
        let mut bytes = new[..at].to_vec();
        bytes.extend(old.get(at..).unwrap_or_default());
        results.push(bytes);
    }
    results
}

#[test]
fn a_write_torn_at_any_byte_loses_nothing_that_was_saved() {
    let store = Arc::new(MemoryStore::default());
    let (mut checkpoint, _) = Checkpoint::open(store.clone()).unwrap();
    let mut before = [None, None];
    // The numbers fall, so that later slots are shorter than what they are written over.
    for number in [9, 8, 7, 30, 2] {
        checkpoint.save(&sections(number)).unwrap();
        let after = store.slots.lock().clone();
        for slot in [0, 1] {
            let (old, new) = (before[slot].as_deref(), after[slot].as_deref().unwrap());
            if old == Some(new) {
                continue;
            }
            // Where both are written, the first one is torn while the second does not exist yet.
            let other = if old.is_none() && slot == 1 { &after[0] } else { &before[1 - slot] };
            let last = found([before[0].clone(), before[1].clone()]).unwrap();
            let last = if old.is_none() && slot == 1 { Some(sections(number)) } else { last };
            for at in 0..new.len() {
                for bytes in torn(old, new, at) {
                    let mut slots = [Some(bytes), other.clone()];
                    slots.rotate_right(slot);
                    assert_eq!(found(slots).unwrap(), last, "slot {slot} torn at {at}");
                }
            }
        }
        before = after;
    }
}

#[test]
fn what_no_crash_can_leave_is_refused() {
    let good = slot_bytes(7, &sections(1));
    let mut bad = good.clone();
    bad[45] ^= 1;
    let reason = |slots| found(slots).unwrap_err().reason();
    assert_eq!(reason([Some(bad.clone()), Some(bad.clone())]), Reason::CheckpointDamaged);
    assert_eq!(reason([None, Some(bad.clone())]), Reason::CheckpointDamaged);
    assert_eq!(reason([Some(Vec::new()), Some(Vec::new())]), Reason::CheckpointDamaged);
    assert_eq!(found([Some(bad.clone()), None]).unwrap(), None);
    // A newer release is not passed over in favour of the past.
    let mut newer = good.clone();
    put32(&mut newer, 8, VERSION + 1);
    correct(&mut newer);
    assert_eq!(reason([Some(good.clone()), Some(newer.clone())]), Reason::CheckpointNewer);
    assert_eq!(reason([Some(newer), Some(bad)]), Reason::CheckpointNewer);
}

#[test]
fn every_bit_of_a_slot_counts() {
    let good = slot_bytes(7, &sections(1));
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(read_slot(Some(bytes)), Slot::Valid(..)), "bit {bit}");
    }
    let mut lasting = sections(1);
    lasting.put_lasting(*b"LAST", &vec![7u8; 99]);
    let good = slot_bytes(7, &lasting);
    let head = HEADER_LENGTH + crate::bytes::be32(&good, 20) as usize;
    for byte in (0..head).chain(good.len() - 107..good.len()) {
        let mut bytes = good.clone();
        bytes[byte] ^= 1;
        assert!(!matches!(read_slot(Some(bytes)), Slot::Valid(..)), "byte {byte}");
    }
    for length in [0, head, good.len() - 1] {
        let cut = Some(good[..length].to_vec());
        assert!(!matches!(read_slot(cut), Slot::Valid(..)), "cut at {length}");
    }
}

/// A store that knows what was written how.
#[derive(Default)]
struct Told {
    store: MemoryStore,
    /// Slot, bytes, and whether it was the head alone.
    writes: Mutex<Vec<(usize, usize, bool)>>,
    fails: Mutex<bool>,
}

impl Told {
    fn took(&self) -> Vec<(usize, usize, bool)> {
        std::mem::take(&mut self.writes.lock())
    }

    fn tell(&self, slot: usize, bytes: &[u8], is_head: bool) -> Result<()> {
        self.writes.lock().push((slot, bytes.len(), is_head));
        match std::mem::take(&mut *self.fails.lock()) {
            true => Err(Error::new(Reason::Io, "the disk failed")),
            false => Ok(()),
        }
    }
}

impl CheckpointStore for Told {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        self.store.read(slot)
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.tell(slot, bytes, false)?;
        self.store.write(slot, bytes)
    }
    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        self.tell(slot, bytes, true)?;
        self.store.write_head(slot, bytes)
    }
    fn location(&self) -> String {
        "memory".into()
    }
}

#[test]
fn what_lasts_is_written_when_it_changes_and_where_nobody_knows_what_is_there() {
    let store = Arc::new(Told::default());
    let (mut checkpoint, _) = Checkpoint::open(store.clone()).unwrap();
    let mut all = sections(1);
    all.put_lasting(*b"LAST", &vec![7u8; 50_000]);
    let mut save = |all: &Sections, expected: &[(usize, bool)]| {
        let saved = checkpoint.save(all);
        let writes = store.took();
        let hows: Vec<_> = writes.iter().map(|(slot, _, is_head)| (*slot, *is_head)).collect();
        assert_eq!(hows, expected, "{saved:?}");
        assert!(writes.iter().all(|(_, length, is_head)| *is_head == (*length < 50_000)));
        let slots = store.store.slots.lock().clone();
        if saved.is_ok() {
            assert_eq!(found(slots).unwrap().as_ref(), Some(all));
        }
    };
    save(&all, &[(0, false), (1, false)]);
    for (number, slot) in [(2u32, 0), (3, 1), (4, 0)] {
        all.put(*b"NUMB", &number);
        // To put what it is already changes nothing.
        all.put_lasting(*b"LAST", &vec![7u8; 50_000]);
        save(&all, &[(slot, true)]);
    }
    all.put_lasting(*b"LAST", &vec![8u8; 50_000]);
    save(&all, &[(1, false)]);
    save(&all, &[(0, false)]);
    save(&all, &[(1, true)]);
    // After a write that failed the slot may hold anything.
    *store.fails.lock() = true;
    save(&all, &[(0, true)]);
    save(&all, &[(0, false)]);
    save(&all, &[(1, true)]);
    // A head that needs more room.
    all.put(*b"FILL", &vec![1u8; 49_000]);
    save(&all, &[(0, true)]);
    all.put(*b"FILL", &vec![1u8; TAIL_UNIT * 20]);
    let before = store.store.slots.lock().clone();
    assert!(checkpoint.save(&all).is_ok());
    assert_eq!(store.took().iter().map(|w| (w.0, w.2)).collect::<Vec<_>>(), [(1, false)]);
    assert_eq!(found(before).unwrap().unwrap().get::<u32>(*b"NUMB").unwrap(), Some(4));
    assert_eq!(found(store.store.slots.lock().clone()).unwrap(), Some(all.clone()));
    // Another process knows nothing of what is there.
    let (mut checkpoint, again) = Checkpoint::open(store.clone()).unwrap();
    assert_eq!(again, Some(all.clone()));
    for is_head in [false, false, true] {
        checkpoint.save(&again.clone().unwrap()).unwrap();
        assert_eq!(store.took()[0].2, is_head);
    }
}

#[test]
fn a_head_torn_at_any_byte_loses_nothing_that_was_saved() {
    let store = Arc::new(MemoryStore::default());
    let (mut checkpoint, _) = Checkpoint::open(store.clone()).unwrap();
    let mut all = sections(1);
    all.put_lasting(*b"LAST", &vec![7u8; 300]);
    checkpoint.save(&all).unwrap();
    for number in [9u32, 8, 30, 2] {
        let before = store.slots.lock().clone();
        let last = found(before.clone()).unwrap();
        all.put(*b"FILL", &vec![number as u8; number as usize]);
        checkpoint.save(&all).unwrap();
        let after = store.slots.lock().clone();
        let slot = usize::from(after[0] == before[0]);
        let (old, new) = (before[slot].as_deref().unwrap(), after[slot].as_deref().unwrap());
        let head = HEADER_LENGTH + crate::bytes::be32(new, 20) as usize;
        assert_eq!(old[head.max(200)..], new[head.max(200)..], "only the head was written");
        for at in 0..head {
            // The rest of what was to be written is as it was, or garbage.
            let kept = [&new[..at], &old[at..]].concat();
            let garbage = [&new[..at], &vec![0xA5; head - at], &old[head..]].concat();
            for bytes in [kept, garbage] {
                let is_done = bytes[..head] == new[..head];
                let mut slots = before.clone();
                slots[slot] = Some(bytes);
                let expected = if is_done { Some(all.clone()) } else { last.clone() };
                assert_eq!(found(slots).unwrap(), expected, "torn at {at}");
            }
        }
    }
}

#[test]
fn a_slot_has_the_documented_bytes() {
    let mut sections = Sections::default();
    sections.put(*b"NUMB", &7u32);
    let bytes = slot_bytes(3, &sections);
    let mut expected = b"TMRCHKPT\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x0C".to_vec();
    let content = b"NUMB\0\0\0\x04\0\0\0\x07";
    let no_tail = [0; 12];
    expected.extend(crc32c(0, &[&expected[..], &no_tail, content].concat()).to_be_bytes());
    expected.extend(no_tail);
    expected.extend(content);
    assert_eq!(bytes, expected);

    // What lasts stands behind, on a page of its own.
    sections.put_lasting(*b"LAST", &9u16);
    let bytes = slot_bytes(3, &sections);
    let tail = b"LAST\0\0\0\x02\0\x09";
    let mut expected = b"TMRCHKPT\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x0C".to_vec();
    let mut place = 65_536u32.to_be_bytes().to_vec();
    place.extend((tail.len() as u32).to_be_bytes());
    place.extend(crc32c(0, tail).to_be_bytes());
    expected.extend(crc32c(0, &[&expected[..], &place, content].concat()).to_be_bytes());
    expected.extend(place);
    expected.extend(content);
    assert_eq!(bytes[..expected.len()], expected);
    assert!(bytes[expected.len()..65_536].iter().all(|byte| *byte == 0));
    assert_eq!(&bytes[65_536..], tail);
}

#[test]
fn sections_that_do_not_check_are_errors() {
    let mut all = sections(1);
    assert_eq!(all.get::<u8>(*b"NUMB").unwrap_err().reason(), Reason::CheckpointDamaged);
    assert_eq!(all.get::<u64>(*b"NUMB").unwrap_err().reason(), Reason::CheckpointDamaged);
    assert_eq!(all.require::<u8>(*b"NONE").unwrap_err().reason(), Reason::CheckpointDamaged);
    assert_eq!(all.tags().collect::<Vec<_>>(), [*b"FILL", *b"NUMB"]);
    all.remove(*b"NUMB");
    assert_eq!(all.get::<u32>(*b"NUMB").unwrap(), None);
    let twice = b"NUMB\0\0\0\0NUMB\0\0\0\0";
    assert!(Decoder::new(twice).get::<Sections>().is_err());
}

#[test]
fn a_section_that_must_be_understood_is_refused_and_another_is_passed_over() {
    let mut all = sections(1);
    let known = [*b"FILL", *b"NUMB"];
    all.check_known(&known).unwrap();
    all.put(*b"note", &1u8);
    all.put_lasting(*b"aLSO", &1u8);
    all.check_known(&known).unwrap();
    for lasting in [false, true] {
        let mut newer = all.clone();
        match lasting {
            true => newer.put_lasting(*b"MUST", &1u8),
            false => newer.put(*b"MUST", &1u8),
        }
        let error = newer.check_known(&known).unwrap_err();
        assert_eq!(error.reason(), Reason::CheckpointNewer);
        assert!(error.sentence().contains("MUST"), "{error}");
    }
}

/// Fails its k-th write, after a prefix of the bytes was written.
struct FailingStore {
    store: MemoryStore,
    left: Mutex<u32>,
}

impl CheckpointStore for FailingStore {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        self.store.read(slot)
    }
    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let mut left = self.left.lock();
        *left = left.wrapping_sub(1);
        if *left == 0 {
            self.store.write(slot, &bytes[..bytes.len() / 2])?;
            return Err(Error::new(Reason::Io, "the disk failed"));
        }
        self.store.write(slot, bytes)
    }
    fn location(&self) -> String {
        "a failing disk".into()
    }
}

#[test]
fn after_a_failed_write_the_good_slot_is_never_touched() {
    for failing in 1..=6 {
        let store =
            Arc::new(FailingStore { store: MemoryStore::default(), left: Mutex::new(failing) });
        let (mut checkpoint, _) = Checkpoint::open(store.clone()).unwrap();
        let mut saved = None;
        for number in 1..=5 {
            while checkpoint.save(&sections(number)).is_err() {
                assert!(!checkpoint.is_saved());
                let slots = store.store.slots.lock().clone();
                // The first save may have come as far as its first slot.
                let present = found(slots).unwrap();
                assert!(present == saved || number == 1 && failing == 2, "write {failing}");
            }
            assert!(checkpoint.is_saved());
            saved = Some(sections(number));
            assert_eq!(found(store.store.slots.lock().clone()).unwrap(), saved);
        }
    }
}

#[test]
fn a_folder_has_one_owner_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("above/state");
    {
        let (mut checkpoint, nothing) =
            Checkpoint::open(FileStore::open(&folder).unwrap()).unwrap();
        assert!(nothing.is_none() && !FileStore::exists(&folder));
        for number in 1..=3 {
            checkpoint.save(&sections(number)).unwrap();
        }
        let error = FileStore::open(&folder).unwrap_err();
        assert_eq!(error.reason(), Reason::CheckpointInUse);
        assert!(error.sentence().contains(&std::process::id().to_string()), "{error}");
        assert!(error.sentence().contains(&folder.display().to_string()), "{error}");
        let owner = FileStore::owner(&folder).unwrap();
        assert!(owner.contains(&std::process::id().to_string()), "{owner}");
    }
    assert_eq!(FileStore::owner(&folder), None);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for name in ["checkpoint.0", "checkpoint.1", "owner"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    assert!(FileStore::exists(&folder));
    let (_, saved) = Checkpoint::open(FileStore::open(&folder).unwrap()).unwrap();
    assert_eq!(saved, Some(sections(3)));
    assert_eq!(FileStore::peek(&folder).unwrap(), sections(3));
    assert_eq!(
        FileStore::peek(folder.parent().unwrap()).unwrap_err().reason(),
        Reason::NoCheckpoint
    );
    FileStore::open(&folder).unwrap().clear().unwrap();
    let (_, nothing) = Checkpoint::open(FileStore::open(&folder).unwrap()).unwrap();
    assert_eq!(nothing, None);
}

#[test]
fn symbolic_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    for name in ["owner", "checkpoint.0"] {
        let state = folder.path().join(format!("state-of-{name}"));
        std::fs::create_dir(&state).unwrap();
        symlink(&victim, state.join(name)).unwrap();
        let opened = FileStore::open(&state).and_then(|store| {
            store.read(0)?;
            store.write(0, b"damage")
        });
        assert!(opened.is_err(), "{name}");
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }
}

#[test]
fn a_folder_that_everybody_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(FileStore::open(folder.path()).unwrap_err().reason(), Reason::BadRequest);
}

proptest! {
    #[test]
    fn arbitrary_slots_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>(), length in 0..220u32,
    ) {
        if header && bytes.len() >= HEADER_LENGTH {
            bytes[..8].copy_from_slice(&MAGIC);
            put32(&mut bytes, 8, VERSION);
            put32(&mut bytes, 20, length);
            let end = (HEADER_LENGTH + length as usize).min(bytes.len());
            let crc = head_crc(&bytes[..end]);
            put32(&mut bytes, 24, crc);
        }
        let _ = found([Some(bytes.clone()), None]);
        let _ = found([Some(bytes.clone()), Some(bytes)]);
    }

    #[test]
    fn sections_come_back(entries in prop::collection::btree_map(any::<[u8; 4]>(), any::<Vec<u8>>(), 0..9)) {
        let mut sections = Sections::default();
        for (tag, bytes) in &entries {
            sections.put(*tag, bytes);
        }
        let again: Sections = Decoder::new(&encoded(&sections)).get().unwrap();
        prop_assert_eq!(again, sections);
    }
}
