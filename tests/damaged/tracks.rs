//! Damage that is seen only when a data set's own tracks are read; and what is odd, but no reason to refuse.

use crate::support;
use crate::world::{World, data_sets};
use std::fs;
use trackmirror::Reason;

/// A track of DAMAGE.ONE.
const TRACK: u32 = 22;
/// Where its one record begins.
const RECORD: usize = 21;

/// Gives the migration up, and sees that nothing of it is left.
fn terminate(world: &World) {
    let state = world.state();
    let arguments = ["terminate".as_ref(), "--yes".as_ref(), "--state".as_ref(), state.as_os_str()];
    let (code, text) = world.command(arguments);
    assert_eq!(code, 0, "{text}");
}

fn assert_nothing_is_left(world: &World, source: &[u8]) {
    assert!(fs::read(world.source()).unwrap() == source, "the source was changed");
    assert_eq!(data_sets(&world.target()), []);
    let (code, text) = world.command(["check".as_ref(), world.target().as_os_str()]);
    assert_eq!(code, 0, "{text}");
    let notes =
        world.files().into_keys().filter(|file| file.to_string_lossy().contains("unfinished"));
    assert_eq!(notes.count(), 0);
}

#[test]
fn a_damaged_track_is_told_and_the_source_stays_as_it_is() {
    type Damage = fn(&World);
    let kinds: [(&str, Reason, Damage); 6] = [
        ("another home address", Reason::ForeignTrack, |w| w.track(TRACK, 4, &[9])),
        ("a flag in the home address", Reason::ForeignTrack, |w| w.track(TRACK, 0, &[1])),
        ("no end", Reason::DamagedTrack, |w| w.track(TRACK, RECORD + 808, &[0; 6000])),
        ("a count runs past the slot", Reason::DamagedTrack, |w| {
            w.track(TRACK, RECORD + 6, &[0x77])
        }),
        ("R0 has a key", Reason::DamagedTrack, |w| w.track(TRACK, 10, &[1])),
        ("nothing but zeros", Reason::DamagedTrack, |w| w.track(TRACK, 5, &[0; 7000])),
    ];
    for (name, reason, damage) in kinds {
        let world = World::new();
        damage(&world);
        let source = fs::read(world.source()).unwrap();
        let (code, text) = world.migrate();
        assert_eq!(code, 12, "{name}: {text}");
        let number = format!("[{}]", reason as u32);
        for word in ["SRC001", "track 22 (1/2)", "DAMAGE.ONE", "restore", "resume", &number] {
            assert!(text.contains(word), "{name}: '{word}' is missing in {text}");
        }
        assert!(fs::read(world.source()).unwrap() == source, "{name}: the source was changed");
        terminate(&world);
        assert_nothing_is_left(&world, &source);
    }
}

#[test]
fn a_track_that_is_whole_again_lets_the_same_command_go_on() {
    let world = World::new();
    let whole = world.image(TRACK);
    world.track(TRACK, 4, &[9]);
    assert_eq!(world.migrate().0, 12);
    world.track(TRACK, 0, &whole);
    let (code, text) = world.migrate();
    assert_eq!(code, 0, "{text}");
    assert_eq!(data_sets(&world.target()).len(), 3);
}

#[test]
fn a_count_with_the_address_of_the_target_is_refused_and_the_target_released() {
    let world = World::new();
    // Every track of the target, so that it is the right one wherever the data set goes: the record of the n-th track
    // carries the address of the n-th track behind the planned start.
    let (code, text) = world.command(
        ["plan", "DAMAGE.**", "--json", "--volume", "SRC001.ckd", "--target", "TGT001.ckd"]
            .as_slice(),
    );
    assert_eq!(code, 0, "{text}");
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sets = find_array(&plan, "data_sets").expect("the plan has data sets");
    let one = sets.iter().find(|set| set["name"] == "DAMAGE.ONE").unwrap();
    let first = one["target"][0]["first_track"].as_u64().unwrap() as u32;
    let there = first + 2;
    world.track(TRACK, RECORD, &[0, (there / 20) as u8, 0, (there % 20) as u8]);
    let source = fs::read(world.source()).unwrap();
    let (code, text) = world.migrate();
    assert_eq!(code, 8, "{text}");
    for word in ["SRC001", "track 22 (1/2)", "DAMAGE.ONE", "another target", "[206]"] {
        assert!(text.contains(word), "'{word}' is missing in {text}");
    }
    assert_nothing_is_left(&world, &source);
}

fn find_array<'a>(value: &'a serde_json::Value, key: &str) -> Option<&'a Vec<serde_json::Value>> {
    match value {
        serde_json::Value::Object(map) => map
            .get(key)
            .and_then(|value| value.as_array())
            .or_else(|| map.values().find_map(|value| find_array(value, key))),
        _ => None,
    }
}

#[test]
fn what_is_odd_but_harms_nobody_is_moved() {
    type Oddity = fn(&World);
    let kinds: [(&str, Oddity); 7] = [
        ("DIRF is on", |w| w.dscb(1, 58, &[0x04])),
        ("the DOS bit is on", |w| w.dscb(1, 58, &[0x80])),
        ("DS4DEVDT is wrong", |w| w.dscb(1, 74, &[7])),
        ("DS4DSREC is wrong", |w| w.dscb(1, 50, &[0xFF, 0xFF])),
        ("DS4HPCHR leads nowhere", |w| w.dscb(1, 45, &[0xFF; 5])),
        ("a foreign count", |w| w.track(TRACK, RECORD, &[0, 11, 0, 19])),
        ("bytes behind the end", |w| w.track(TRACK, RECORD + 808 + 8, &[0xAB; 100])),
    ];
    for (name, make) in kinds {
        let world = World::new();
        make(&world);
        let (code, text) = world.migrate();
        assert!(code == 0 || code == 4, "{name}: {code}: {text}");
        assert_eq!(text.contains("do not carry"), name == "a foreign count", "{text}");
        assert_eq!(data_sets(&world.target()).len(), 3, "{name}");
        assert_eq!(data_sets(&world.source()).len(), 1, "{name}: SYSCTLG stays");
        for image in [world.source(), world.target()] {
            let (code, text) = world.command(["check".as_ref(), image.as_os_str()]);
            assert!(code == 0 || code == 4 && text.contains("0 errors"), "{name}: {text}");
        }
    }
}

#[test]
fn a_full_disk_of_the_host_is_told_before_anything_is_copied() {
    let world = World::new();
    let disk = world.folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |command: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(command);
        command.args(arguments).arg(&disk).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=1200k", "tmpfs"]) {
        eprintln!("this user may mount nothing: a full disk is not tested here");
        return;
    }
    let tried = std::panic::catch_unwind(|| {
        let mut world = World::new();
        let target = disk.join("TGT001.ckd");
        support::copy_sparse(&world.target(), &target);
        fs::write(disk.join("filler"), vec![1; 100 << 10]).unwrap();
        let mut filler = vec![0x55; 4096];
        let full = fs::OpenOptions::new().append(true).open(disk.join("filler")).unwrap();
        while std::io::Write::write_all(&mut &full, &filler).is_ok() {}
        filler.clear();
        world.targets = vec![target.clone()];
        let before = (fs::read(world.source()).unwrap(), fs::read(&target).unwrap());
        let (code, text) = world.migrate();
        assert_eq!(code, 12, "{text}");
        assert!(text.contains("[314]") && text.contains("disk"), "{text}");
        assert!((fs::read(world.source()).unwrap(), fs::read(&target).unwrap()) == before);
        assert!(!world.state().exists());
    });
    assert!(mount("umount", &["-l"]), "it can be unmounted");
    if let Err(panic) = tried {
        std::panic::resume_unwind(panic);
    }
}
