//! The promise: nobody else writes a volume while we do, and no volume is given twice; whoever is in the way is named.

#![cfg(feature = "compression")]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{assert_refused, compressed, geometry, made, volser};
use trackmirror::Reason;
use trackmirror::geometry::Track;
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::locks::other_writers;
use trackmirror::volume::{Access, Lock, Volume, VolumeExt, open, open_all};

/// One test at a time: a process that another test just forked has, for a moment, this one's files open too.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(|failed| failed.into_inner())
}

#[test]
fn a_compressed_image_that_is_written_while_it_is_read_is_told() {
    let _alone = alone();
    let folder = support::folder();
    let (image, ..) = compressed(folder.path());
    let volume = open(&image, Access::Read).unwrap();
    volume.read_track(Track(1)).unwrap();
    support::patch(&image, 515, &[0xC1]);
    assert_refused(volume.read_track(Track(1)), Reason::ImageOpen, &["TOOL01", "original.cckd"]);
    drop(volume);
    support::patch(&image, 515, &[0x41]);
    let writer = Writer::of(&image);
    assert_refused(open(&image, Access::Read), Reason::VolumeInUse, &["sleep", &writer.process()]);
}

/// Another process that has a file open for writing, or holds it by our own rules.
struct Writer(std::process::Child);

impl Writer {
    fn of(image: &Path) -> Writer {
        let mut child = Command::new("bash")
            .args(["-c", "exec 3<>\"$1\" && echo && exec sleep 60 >&-", "-"])
            .arg(image)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("bash is installed");
        // It has the file open when it has said so, and is `sleep` when its output is closed.
        let mut output = child.stdout.take().expect("it was piped");
        std::io::copy(&mut output, &mut std::io::sink()).expect("the output can be read");
        let comm = format!("/proc/{}/comm", child.id());
        while fs::read_to_string(&comm).expect("it runs").trim() != "sleep" {
            std::thread::yield_now();
        }
        Writer(child)
    }

    fn process(&self) -> String {
        format!("process {}", self.0.id())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it can be ended");
    }
}

#[test]
fn an_image_that_a_program_without_locks_may_write_is_refused_for_writing() {
    let _alone = alone();
    let folder = support::folder();
    let path = made(folder.path(), "image", "2311", 1);
    let link = folder.path().join("other name");
    fs::hard_link(&path, &link).unwrap();
    let writer = Writer::of(&link);
    for access in [Access::MonitoredWrite, Access::Exclusive] {
        let words = ["image", "program sleep", &writer.process()];
        assert_refused(open(&path, access), Reason::VolumeInUse, &words);
    }
    let writers = other_writers(&path).unwrap();
    assert_eq!(writers.len(), 1);
    assert_eq!((writers[0].program.as_str(), writers[0].process), ("sleep", writer.0.id()));
    assert!(open(&path, Access::Read).is_ok(), "a volume attached to a running system can be read");
    drop(writer);
    assert!(open(&path, Access::Exclusive).is_ok());
}

#[test]
fn openers_in_other_processes_exclude_each_other_too() {
    let _alone = alone();
    // This test runs itself again, as the other process.
    const IMAGE: &str = "TRACKMIRROR_TEST_HELD_IMAGE";
    if let Some(image) = std::env::var_os(IMAGE) {
        let volume = open(Path::new(&image), Access::MonitoredWrite).unwrap();
        let _held = volume.lock(Lock::Vtoc).unwrap();
        fs::write(Path::new(&image).with_extension("ready"), "").unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let folder = support::folder();
    let path = made(folder.path(), "image", "2311", 1);
    let mut other = support::itself()
        .args(["--exact", "openers_in_other_processes_exclude_each_other_too"])
        .env(IMAGE, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !path.with_extension("ready").exists() {
        assert!(other.try_wait().unwrap().is_none(), "the other process holds the image");
        std::thread::yield_now();
    }
    let process = format!("process {}", other.id());
    assert_refused(open(&path, Access::Exclusive), Reason::VolumeInUse, &["image", &process]);
    assert!(open(&path, Access::Read).is_ok());
    assert_eq!(other_writers(&path).unwrap(), []);
    // The other one has the file open for writing, but keeps the rules: both may write.
    let beside = open(&path, Access::MonitoredWrite).unwrap();
    assert!(beside.lock(Lock::Catalog).is_ok());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| beside.lock(Lock::Vtoc).map(drop));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!waiting.is_finished(), "the VTOC lock is waited for");
        other.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(waiting.join().unwrap().is_ok(), "and comes when its holder ends");
    });
    assert!(other.wait().unwrap().success());
    drop(beside);
    assert!(open(&path, Access::Exclusive).is_ok());
}

#[test]
fn a_second_exclusive_opening_in_one_process_is_refused() {
    let _alone = alone();
    let folder = support::folder();
    let path = made(folder.path(), "image", "2311", 1);
    let first = open(&path, Access::Exclusive).unwrap();
    for access in [Access::Read, Access::MonitoredWrite, Access::Exclusive] {
        assert_refused(open(&path, access), Reason::VolumeInUse, &["image", "this one"]);
    }
    drop(first);
    let readers = [open(&path, Access::Read).unwrap(), open(&path, Access::Read).unwrap()];
    assert_refused(open(&path, Access::Exclusive), Reason::VolumeInUse, &["image"]);
    drop(readers);
    assert!(open(&path, Access::Exclusive).is_ok());
}

#[test]
fn no_volume_is_given_twice() {
    let _alone = alone();
    let folder = support::folder();
    let one = made(folder.path(), "one", "2311", 1);
    let [soft, hard, copy, other] =
        ["soft", "hard", "copy", "other"].map(|name| folder.path().join(name));
    symlink(&one, &soft).unwrap();
    fs::hard_link(&one, &hard).unwrap();
    support::copy_sparse(&one, &copy);
    CkdVolume::create(&other, geometry("2311", 1), volser("MADE02")).unwrap();
    for access in [Access::Read, Access::Exclusive] {
        for twice in [&one, &soft, &hard] {
            let words = ["one", twice.file_name().unwrap().to_str().unwrap()];
            assert_refused(open_all(&[&other, &one, twice], access), Reason::SameFileTwice, &words);
        }
        assert_refused(
            open_all(&[&one, &other, &copy], access),
            Reason::DuplicateVolser,
            &["/one", "/copy", "MADE01"],
        );
        let volumes = open_all(&[&one, &other], access).unwrap();
        assert_eq!(
            volumes.iter().map(|v| v.volser()).collect::<Vec<_>>(),
            [volser("MADE01"), volser("MADE02")]
        );
    }
    assert_refused(
        open_all(&[folder.path().join("none")], Access::Read),
        Reason::NoSuchFile,
        &["none"],
    );
}

#[test]
fn who_begins_to_write_afterwards_is_found_when_it_is_asked() {
    let _alone = alone();
    let folder = support::folder();
    let path = made(folder.path(), "VOL001", "2314", 2);
    let volume = CkdVolume::open(&path, Access::Exclusive).unwrap();
    volume.check_alone().unwrap();
    let writer = Writer::of(&path);
    assert_refused(
        volume.check_alone(),
        Reason::VolumeInUse,
        &["MADE01", "sleep", &writer.process()],
    );
    drop(writer);
    volume.check_alone().unwrap();
}

#[test]
fn a_volume_that_is_given_back_is_written_by_others() {
    let _alone = alone();
    let folder = support::folder();
    let image = made(folder.path(), "image", "3330", 5);
    let volume = open(&image, Access::Exclusive).unwrap();
    let slot = volume.read_track(Track(7)).unwrap();
    volume.write(Track(7), &slot).unwrap();
    assert_refused(open(&image, Access::MonitoredWrite), Reason::VolumeInUse, &["image"]);
    volume.share().unwrap();
    volume.share().unwrap();
    let other = open(&image, Access::MonitoredWrite).unwrap();
    other.write(Track(7), &slot).unwrap();
    assert!(!volume.is_writable());
    assert_refused(volume.write(Track(7), &slot), Reason::ReadOnlyVolume, &["given back"]);
    volume.check_alone().unwrap();
    drop(other);
    assert_refused(open(&image, Access::Exclusive), Reason::VolumeInUse, &["image"]);
    drop(volume);
    // What was never for this process alone stays what it is.
    let volume = open(&image, Access::MonitoredWrite).unwrap();
    volume.share().unwrap();
    volume.write(Track(7), &slot).unwrap();
}
