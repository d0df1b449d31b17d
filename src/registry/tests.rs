use super::*;
use proptest::prelude::*;
use std::os::unix::fs::{MetadataExt, symlink};

#[test]
fn notes_of_several_migrations_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("VOL001.ckd");
    std::fs::write(&image, "").unwrap();
    let link = folder.path().join("link");
    symlink(&image, &link).unwrap();
    let (first, second) = (folder.path().join("a\nb %"), folder.path().join("second"));
    assert!(read_notes(&image).unwrap().is_empty());
    check_unfinished(&image, &first).unwrap();

    note_unfinished(&image, &first, "moves A to VOL002").unwrap();
    note_unfinished(&image, &first, "moves A to VOL002").unwrap();
    check_unfinished(&image, &first).unwrap();
    note_unfinished(&link, &second, "moves B to VOL002").unwrap();
    let notes = read_notes(&image).unwrap();
    let mut folders: Vec<_> = notes.iter().flat_map(|note| note.state_folder.clone()).collect();
    folders.sort();
    assert_eq!(folders, [first.clone(), second.clone()]);
    assert_eq!(std::fs::metadata(&notes[0].file).unwrap().mode() & 0o777, 0o600);

    let error = check_unfinished(&image, &first).unwrap_err();
    assert_eq!(error.reason(), Reason::UnfinishedMigration);
    assert!(error.sentence().contains(&second.display().to_string()), "{error}");
    remove_note(&image, &second).unwrap();
    check_unfinished(&image, &first).unwrap();
    remove_note(&image, &first).unwrap();
    remove_note(&image, &first).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
}

#[test]
fn a_note_that_cannot_be_read_counts() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("VOL001.ckd");
    std::fs::write(&image, "").unwrap();
    let note = folder.path().join("VOL001.ckd.unfinished-0badcafe");
    for text in ["", "trackmirror note 1\nstate=/a", "trackmirror note 1\nstate=%4\nwhat=\n"] {
        std::fs::write(&note, text).unwrap();
        let error = check_unfinished(&image, Path::new("/a")).unwrap_err();
        assert_eq!(error.reason(), Reason::UnfinishedMigration);
        assert!(error.sentence().contains("0badcafe"), "{error}");
    }
    std::fs::remove_file(&note).unwrap();
    symlink("/etc/hostname", &note).unwrap();
    assert!(check_unfinished(&image, Path::new("/a")).is_err());
}

#[test]
fn other_files_beside_an_image_are_no_notes() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("VOL001.ckd");
    std::fs::write(&image, "").unwrap();
    for name in ["VOL001.ckd.unfinished-", "VOL001.ckd.bak", "XVOL001.ckd.unfinished-01234567"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    assert!(read_notes(&image).unwrap().is_empty());
}

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

/// A folder with an image, and the state folders of two migrations.
fn world() -> (tempfile::TempDir, PathBuf, [PathBuf; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("VOL001.ckd");
    std::fs::write(&image, "").unwrap();
    let states = ["first", "second"].map(|name| folder.path().join(name));
    states.iter().for_each(|state| std::fs::create_dir(state).unwrap());
    (folder, image, states)
}

/// The note of the first migration.
fn first_note(image: &Path) -> Note {
    read_notes(image).unwrap().into_iter().next().expect("there is one")
}

#[track_caller]
fn assert_refused(result: Result<()>, words: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.reason(), Reason::UnfinishedMigration, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "'{word}' is missing: {error}");
    }
}

#[test]
fn migrations_of_different_data_sets_share_a_volume() {
    let (_folder, image, [first, second]) = world();
    let (pay, stock) = (name("PAY.MASTER"), name("STOCK.MASTER"));
    claim_shared(&[&image], &first, "moves PAY", &[pay]).unwrap();
    claim_shared(&[&image], &second, "moves STOCK", &[stock]).unwrap();
    let mut claims: Vec<_> = read_notes(&image).unwrap().into_iter().map(|n| n.claims).collect();
    claims.sort();
    assert_eq!(claims, [Some(vec![pay]), Some(vec![stock])]);

    // Each may say it again, and one that wants the volume for itself finds both.
    claim_shared(&[&image], &first, "moves PAY", &[pay]).unwrap();
    check_shared(&image, &second, &[stock]).unwrap();
    let third = image.with_file_name("third");
    assert_refused(check_unfinished(&image, &third), &["VOL001.ckd", "resume --state"]);
    assert_refused(check_unfinished(&image, &first), &[second.to_str().unwrap()]);

    // One more name that is another one's is refused by name, and what was claimed before stays.
    let refused = claim_shared(&[&image], &second, "moves both", &[stock, pay]);
    assert_eq!(refused.as_ref().unwrap_err().data_set(), Some(pay.into()));
    let folder = format!("resume --state {}", first.display());
    assert_refused(refused, &["data set PAY.MASTER", &folder, "moves PAY", "terminate"]);
    check_shared(&image, &third, &[name("OTHER")]).unwrap();
    assert_refused(check_shared(&image, &third, &[name("OTHER"), stock]), &["STOCK.MASTER"]);
    remove_note(&image, &first).unwrap();
    claim_shared(&[&image], &second, "moves both", &[stock, pay, pay]).unwrap();
    assert_eq!(first_note(&image).claims, Some(vec![pay, stock]));
    assert_eq!(read_notes(&image).unwrap().len(), 1);
}

#[test]
fn who_wants_the_volume_alone_keeps_those_out_who_would_share_it() {
    let (_folder, image, [first, second]) = world();
    let pay = name("PAY.MASTER");
    note_unfinished(&image, &first, "moves everything").unwrap();
    assert_eq!(first_note(&image).claims, None);
    assert_refused(check_shared(&image, &second, &[pay]), &["moves everything"]);
    assert_refused(claim_shared(&[&image], &second, "moves PAY", &[pay]), &["moves everything"]);
    assert_eq!(read_notes(&image).unwrap().len(), 1, "who was refused left nothing");
    // Its own note is in nobody's way, and becomes what was said last.
    claim_shared(&[&image], &first, "moves PAY", &[pay]).unwrap();
    claim_shared(&[&image], &second, "moves STOCK", &[name("STOCK")]).unwrap();
}

#[test]
fn a_note_whose_state_is_gone_counts_only_for_newcomers() {
    let (_folder, image, [first, second]) = world();
    let pay = [name("PAY.MASTER")];
    claim_shared(&[&image], &first, "moves PAY", &pay).unwrap();
    std::fs::remove_dir(&first).unwrap();
    assert_refused(
        claim_shared(&[&image], &second, "moves PAY", &pay),
        &["remove ", ".unfinished-"],
    );
    claim_taken(&[&image], &second, "moves PAY", &pay).unwrap();
    assert_refused(check_shared(&image, &first, &pay), &["resume --state"]);
}

#[test]
fn all_volumes_are_claimed_or_none() {
    let (folder, image, [first, second]) = world();
    let other = folder.path().join("VOL002.ckd");
    std::fs::write(&other, "").unwrap();
    let (pay, stock) = (name("PAY.MASTER"), name("STOCK.MASTER"));
    claim_shared(&[&other], &first, "moves PAY", &[pay]).unwrap();
    let both = [&image, &other];
    assert_refused(claim_shared(&both, &second, "moves PAY", &[pay]), &["VOL002.ckd"]);
    assert!(read_notes(&image).unwrap().is_empty());
    // The second note cannot be written: the first one goes too.
    let blocked = with_suffix(&note_file(&other, &second), NEW);
    std::fs::create_dir(&blocked).unwrap();
    let failed = claim_shared(&both, &second, "moves STOCK", &[stock]);
    assert_eq!(failed.unwrap_err().reason(), Reason::Io);
    assert!(read_notes(&image).unwrap().is_empty());
    std::fs::remove_dir(&blocked).unwrap();
    claim_shared(&both, &second, "moves STOCK", &[stock]).unwrap();
    assert_eq!(read_notes(&other).unwrap().len(), 2);
}

#[test]
fn of_many_that_want_one_data_set_exactly_one_gets_it() {
    let (folder, image, _) = world();
    let other = folder.path().join("VOL002.ckd");
    std::fs::write(&other, "").unwrap();
    let pay = name("PAY.MASTER");
    for round in 0..20 {
        let winners = std::thread::scope(|scope| {
            let claimants: Vec<_> = (0..8)
                .map(|number| {
                    let (folder, image, other) = (folder.path(), &image, &other);
                    scope.spawn(move || {
                        let state = folder.join(format!("state {round} {number}"));
                        // Half of them name the volumes the other way round, and all have a name of their own besides.
                        let mut images = [image, other];
                        images.rotate_left(number % 2);
                        let own = name(&format!("OWN.N{number}"));
                        let claimed = claim_shared(&images, &state, "moves", &[own, pay]);
                        claimed.is_ok().then_some(state)
                    })
                })
                .collect();
            let ended = claimants.into_iter().map(|claimant| claimant.join().unwrap());
            ended.flatten().collect::<Vec<_>>()
        });
        assert_eq!(winners.len(), 1, "{winners:?}");
        for image in [&image, &other] {
            assert_eq!(first_note(image).state_folder.as_ref(), Some(&winners[0]));
            assert_eq!(read_notes(image).unwrap().len(), 1);
            remove_note(image, &winners[0]).unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left over");
}

#[test]
fn a_note_has_room_for_many_names_and_none_is_cut_off() {
    let (_folder, image, [first, second]) = world();
    let names = |count: usize| -> Vec<DsName> {
        let long = |n| name(&format!("A{n:07}.ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH"));
        (0..count).map(long).collect()
    };
    let many = names(2000);
    claim_shared(&[&image], &first, "moves many", &many).unwrap();
    assert_eq!(first_note(&image).claims.as_ref(), Some(&many));
    assert_refused(check_shared(&image, &second, &many[1999..]), &["A0001999"]);
    let error = claim_shared(&[&image], &second, "moves too many", &names(30_000)[2000..]);
    assert_eq!(error.unwrap_err().reason(), Reason::BadRequest);
    assert_eq!(read_notes(&image).unwrap().len(), 1);
    // One that is too long is none, and so claims the volume.
    let mut file = OpenOptions::new().append(true).open(first_note(&image).file).unwrap();
    file.write_all(&vec![b'\n'; NOTE_LENGTH_MAX]).unwrap();
    assert_refused(check_shared(&image, &second, &[name("A")]), &["too long"]);
}

#[test]
fn a_note_of_the_same_file_name_is_not_overwritten() {
    let (_folder, image, [first, second]) = world();
    claim_shared(&[&image], &first, "moves A", &[name("A")]).unwrap();
    // As if the names of both folders had the same CRC.
    std::fs::rename(first_note(&image).file, note_file(&image, &second)).unwrap();
    let refused = claim_shared(&[&image], &second, "moves B", &[name("B")]);
    assert_refused(refused, &["another migration", first.to_str().unwrap()]);
    assert_refused(note_unfinished(&image, &second, "moves B"), &["another migration"]);
    assert_eq!(first_note(&image).what, "moves A");
}

/// The form of a note, by its letters: it is read by later releases, and by earlier ones up to the third line.
#[test]
fn a_note_has_its_form() {
    let (_folder, image, [first, _]) = world();
    let odd = DsName::from_bytes(std::array::from_fn(|n| [0xC1, 0x6B, 0x40][n.min(2)]));
    claim_shared(&[&image], &first, "moves 2", &[name("B.C"), odd]).unwrap();
    let note = first_note(&image);
    let head = format!("trackmirror note 1\nstate={}\nwhat=moves 2\n", first.display());
    let text = std::fs::read_to_string(&note.file).unwrap();
    assert_eq!(text, format!("{head}shares=yes\nclaims=A%6B,B.C\n"));
    assert_eq!(note.claims, Some(vec![odd, name("B.C")]));
    for (rest, claims) in [
        ("", Some(None)),
        ("later=words\n", Some(None)),
        ("shares=no\nclaims=A\n", Some(None)),
        ("shares=yes\nclaims=A\nlater=words\n", Some(Some(vec![name("A")]))),
        ("shares=yes\nclaims=\n", Some(Some(vec![]))),
        ("shares=yes\n", None),
        ("shares=yes\nclaims=A,,B\n", None),
        ("shares=yes\nclaims=A,a\n", None),
        ("shares=yes\nclaims=A,%4\n", None),
    ] {
        let parsed = parse(&note.file, format!("{head}{rest}").as_bytes());
        assert_eq!(parsed.map(|note| note.claims), claims, "{rest}");
    }
}

proptest! {
    #[test]
    fn names_come_back(bytes in any::<Vec<u8>>()) {
        prop_assert_eq!(unescaped(&escaped(&bytes)).unwrap(), bytes);
    }

    #[test]
    fn arbitrary_notes_never_panic(text in any::<Vec<u8>>(), lines in "trackmirror note 1\nstate=.*\nwhat=.*(\nshares=yes\nclaims=.*)?") {
        let _ = parse(Path::new("/note"), &text);
        let _ = parse(Path::new("/note"), lines.as_bytes());
    }
}
