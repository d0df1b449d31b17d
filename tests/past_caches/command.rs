//! The command's writer and its proof, past the caches.

use super::support::loops::Loop;
use super::support::{self, trackmirror};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Extent, Track};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Access, Volume, open};
use trackmirror::vtoc::init::initialize;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager};

const DATA_SET: &str = "LIVE.DATA";

/// A volume with one data set, in two extents.
pub fn made_with_data_set(folder: &Path) -> PathBuf {
    let path = folder.join("image.ckd");
    let volser = support::volser("WORK01");
    let volume = CkdVolume::create(&path, support::geometry("3390", 5), volser).unwrap();
    initialize(&volume, volser, None, "TEST").unwrap();
    let mut format1 = Format1::new(DATA_SET.parse().unwrap());
    format1.set_first_volser(volser);
    format1.set_volume_sequence(1);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_recfm(0x80);
    format1.set_lrecl(8000);
    format1.set_blksize(8000);
    format1.set_indicators(Format1::DSIND_LAST_VOLUME);
    format1.set_scal1(0x80);
    format1.set_last_used(Some((29, 1)));
    let extents = vec![Extent::new(Track(31), 20), Extent::new(Track(55), 10)];
    let volume: Arc<dyn Volume> = Arc::new(volume);
    VtocSpaceManager::new(volume).allocate(&NewDataSet { format1, extents }, &NoJournal).unwrap();
    path
}

/// A writer of the command, which ends when it is dropped.
pub struct Writer {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Writer {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says something with this word.
    pub fn hear(&mut self, word: &str) {
        let mut text = String::new();
        while !text.contains(word) {
            let before = text.len();
            self.said.read_line(&mut text).unwrap();
            assert!(text.len() > before, "it ended and never said '{word}': {text}");
        }
    }

    /// Lets it end.
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command on a machine, which has a registry of its own.
fn command(verb: &str, folder: &Path, machine: &str) -> Command {
    let mut command = trackmirror();
    command.arg(verb).env("TRACKMIRROR_REGISTRY", folder.join(format!("registry-{machine}")));
    command.env_remove("TRACKMIRROR_OPENERS");
    command
}

fn ledger(folder: &Path, machine: &str) -> PathBuf {
    folder.join(format!("{machine}.ledger"))
}

/// Starts a writer on a machine, which writes its share of the data set.
pub fn start_writer(
    volume: &Path,
    folder: &Path,
    machine: &str,
    share: &str,
    is_direct: bool,
) -> Writer {
    let mut command = command("demo-writer", folder, machine);
    command.args(["--image", machine, "--data-set", DATA_SET, "--share", share, "--fill"]);
    command.arg("--volume").arg(volume).arg("--ledger").arg(ledger(folder, machine));
    if is_direct {
        command.arg("--direct");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    Writer { child, said }
}

/// Whether each descriptor of a process that is open on a device goes past the caches; none if it has none.
fn is_direct(process: u32, device: &Path) -> Option<bool> {
    let wanted = fs::metadata(device).unwrap().rdev();
    let folder = PathBuf::from(format!("/proc/{process}"));
    let is_open = |name: &std::ffi::OsStr| {
        fs::metadata(folder.join("fd").join(name)).is_ok_and(|file| file.rdev() == wanted)
    };
    let descriptors = fs::read_dir(folder.join("fd")).unwrap().flatten();
    let ways: Vec<bool> = descriptors
        .filter(|descriptor| is_open(&descriptor.file_name()))
        .filter_map(|descriptor| {
            let info = fs::read_to_string(folder.join("fdinfo").join(descriptor.file_name()));
            let info = info.ok()?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim();
            Some(i32::from_str_radix(flags, 8).unwrap() & libc::O_DIRECT != 0)
        })
        .collect();
    (!ways.is_empty()).then(|| ways.iter().all(|is_direct| *is_direct))
}

#[test]
fn writers_of_two_machines_lose_nothing_past_their_caches() {
    let folder = support::folder();
    let image = made_with_data_set(folder.path());
    let (a, b) = Loop::two_machines(&image);
    let machines = [("A", "0/2", &a), ("B", "1/2", &b)];
    let mut writers = machines.map(|(machine, share, device)| {
        start_writer(device.device(), folder.path(), machine, share, true)
    });
    for (writer, (_, _, device)) in writers.iter_mut().zip(machines) {
        writer.hear("writing on WORK01");
        assert_eq!(is_direct(writer.id(), device.device()), Some(true));
    }
    std::thread::sleep(std::time::Duration::from_millis(1500));
    writers.into_iter().for_each(Writer::end);
    let mut check = command("demo-check", folder.path(), "A");
    check.args(["--direct", "--volume"]).arg(a.device()).arg("--ledger");
    check.args([ledger(folder.path(), "A"), ledger(folder.path(), "B")]);
    let output = check.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("nothing is lost"), "{text}");
}

#[test]
fn a_writer_without_the_option_writes_through_the_cache() {
    let folder = support::folder();
    let image = made_with_data_set(folder.path());
    let device = Loop::attach(&image, 512);
    let mut writer = start_writer(device.device(), folder.path(), "A", "0/1", false);
    writer.hear("writing on WORK01");
    assert_eq!(is_direct(writer.id(), device.device()), Some(false));
    assert!(open(device.device(), Access::Read).is_ok());
}

#[test]
fn the_writer_tells_why_a_volume_cannot_be_written_so() {
    let folder = support::folder();
    let image = made_with_data_set(folder.path());
    let device = Loop::attach(&image, 4096);
    let mut writer = start_writer(device.device(), folder.path(), "A", "0/1", true);
    writer.hear("sectors of 4096 bytes");
    assert_eq!(writer.child.wait().unwrap().code(), Some(8));
}
