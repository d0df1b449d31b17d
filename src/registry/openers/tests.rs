use super::*;
use proptest::prelude::*;

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

fn registry() -> (tempfile::TempDir, Openers) {
    let folder = tempfile::tempdir().unwrap();
    let openers = Openers::at(&folder.path().join("openers")).unwrap();
    (folder, openers)
}

fn file_count(openers: &Openers) -> usize {
    std::fs::read_dir(openers.folder()).unwrap().count()
}

#[test]
fn an_opener_is_seen_until_he_closes() {
    let (_folder, openers) = registry();
    let (a, other) = (name("A.B-C"), name("A.B"));
    let first = openers.open(&a, "SYSA").unwrap();
    let second = openers.open(&a, "SYSB").unwrap();
    let seen = openers.openers_of(&[other, a]).unwrap();
    let images: Vec<_> = seen.iter().map(|opener| opener.image.as_str()).collect();
    assert_eq!(images, ["SYSA", "SYSB"]);
    assert_eq!(seen[0].process, Some(std::process::id()));
    assert!(seen[0].to_string().ends_with("has A.B-C open"), "{}", seen[0]);
    assert!(openers.openers_of(&[other]).unwrap().is_empty());
    drop(first);
    assert_eq!(openers.openers_of(&[a]).unwrap().len(), 1);
    drop(second);
    assert!(openers.openers_of(&[a]).unwrap().is_empty());
    assert_eq!(file_count(&openers), 0);
}

#[test]
fn what_is_held_cannot_be_opened_and_only_its_owner_releases_it() {
    let (_folder, openers) = registry();
    let (a, b) = (name("A"), name("B"));
    let early = openers.open(&a, "SYSA").unwrap();
    openers.hold(&[a], "/one").unwrap();
    openers.hold(&[a], "/one").unwrap();
    let error = openers.open(&a, "SYSB").unwrap_err();
    assert_eq!(error.reason(), Reason::DataSetHeld);
    assert!(error.sentence().contains("by /one since 2"), "{error}");
    assert_eq!(openers.openers_of(&[a]).unwrap().len(), 1, "who was refused left nothing");
    drop(early);

    let error = openers.hold(&[b, a], "/two").unwrap_err();
    assert_eq!(error.reason(), Reason::DataSetHeld);
    assert!(openers.held(&b).unwrap().is_none(), "all or none");
    let error = openers.release(&[a], "/two").unwrap_err();
    assert_eq!(error.reason(), Reason::DataSetHeld);
    assert_eq!(openers.holds().unwrap()[0].owner, "/one");
    openers.release(&[b, a], "/one").unwrap();
    openers.release(&[b, a], "/one").unwrap();
    openers.open(&a, "SYSB").unwrap();
    openers.hold(&[a], "/one").unwrap();
    openers.release_by_force(&[a]).unwrap();
    assert_eq!(file_count(&openers), 0);
}

#[test]
fn a_hold_that_cannot_be_read_counts_and_goes_by_force() {
    let (_folder, openers) = registry();
    let a = name("A");
    for text in ["", "trackmirror hold 1\nowner=x\n", "trackmirror hold 1\nowner=%4\nsince=1\n"] {
        std::fs::write(openers.hold_file(&a), text).unwrap();
        assert_eq!(openers.open(&a, "S").unwrap_err().reason(), Reason::DataSetHeld);
        assert_eq!(openers.hold(&[a], "/one").unwrap_err().reason(), Reason::DataSetHeld);
        assert!(openers.release(&[a], "/one").is_err());
    }
    std::fs::remove_file(openers.hold_file(&a)).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", openers.hold_file(&a)).unwrap();
    assert!(openers.open(&a, "S").is_err() && openers.release(&[a], "/one").is_err());
    openers.release_by_force(&[a]).unwrap();
    openers.open(&a, "S").unwrap();
}

#[test]
fn requests_are_seen_by_those_who_have_the_data_set() {
    let (_folder, openers) = registry();
    let (a, b) = (name("A"), name("A-B"));
    let (opened_a, opened_b) = (openers.open(&a, "S").unwrap(), openers.open(&b, "S").unwrap());
    assert_eq!(opened_a.close_requested().unwrap(), None);
    openers.request(&[b], "/one").unwrap();
    openers.request(&[b], "/one").unwrap();
    assert_eq!(opened_a.close_requested().unwrap(), None);
    assert_eq!(opened_b.close_requested().unwrap().unwrap().owner, "/one");
    openers.request(&[b], "/two").unwrap();
    openers.withdraw(&[a, b], "/one").unwrap();
    assert_eq!(opened_b.close_requested().unwrap().unwrap().owner, "/two");
    openers.withdraw(&[b], "/two").unwrap();
    assert_eq!(opened_b.close_requested().unwrap(), None);
    drop((opened_a, opened_b));
    assert_eq!(file_count(&openers), 0);
}

#[test]
fn whoever_comes_second_sees_the_other() {
    let (_folder, openers) = registry();
    let a = name("A");
    for round in 0..200 {
        let owner = format!("/{round}");
        std::thread::scope(|scope| {
            let opener = scope.spawn(|| openers.open(&a, "S"));
            openers.hold(&[a], &owner).unwrap();
            let seen = openers.openers_of(&[a]).unwrap();
            // Who is seen and then refused is a harmless opener too many; never one too few.
            let opened = opener.join().unwrap();
            assert!(opened.is_err() || !seen.is_empty(), "round {round}");
        });
        openers.release(&[a], &owner).unwrap();
    }
}

proptest! {
    #[test]
    fn names_come_back(bytes in any::<[u8; 32]>()) {
        let mut whole = [0x40; 44];
        whole[..32].copy_from_slice(&bytes);
        let name = DsName::from_bytes(whole);
        let text = name_text(&name);
        prop_assert!(!text.contains('/') && text.is_ascii());
        prop_assert_eq!(name_of(&text), Some(name));
    }

    #[test]
    fn arbitrary_files_never_panic(text in any::<Vec<u8>>(), lines in ".*=.*\n.*") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hold-A");
        for text in [text, format!("{HOLD}\n{lines}").into_bytes()] {
            std::fs::write(&path, text).unwrap();
            prop_assert!(read_claim(&path, HOLD, &name("A")).unwrap().is_some());
        }
    }
}
