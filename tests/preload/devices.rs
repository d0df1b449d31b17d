//! The same for volumes on block devices: by whichever node of a device a program writes, past the caches or through
//! them, a migration that knows it by another one has every change noted.

use super::support::loops::Loop;
use super::{BTreeSet, Extent, Path, PathBuf, Track, World, ended, support, tracks};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Output, Stdio};
use trackmirror::monitor::Standing;
use trackmirror::volume::{self, Access};

/// A volume on a loop device.
struct Device {
    world: World,
    /// The node by which the migration knows it.
    first: PathBuf,
    /// Another node of it.
    second: PathBuf,
    _attached: Loop,
}

impl Device {
    /// Its writers write by the second node.
    fn new() -> Device {
        let folder = support::folder();
        let attached = Loop::attach(&support::made(folder.path(), "volume.ckd", "3330", 20), 512);
        let (first, second) = (attached.device().to_path_buf(), folder.path().join("node"));
        let number = std::fs::metadata(&first).unwrap().rdev();
        let parts = [libc::major(number), libc::minor(number)].map(|part| part.to_string());
        support::tool("mknod", [second.to_str().unwrap(), "b", &parts[0], &parts[1]]);
        let world = World::of(folder, first.clone());
        let world = World { image: second.clone(), ..world };
        Device { world, first, second, _attached: attached }
    }

    /// Runs a line of the shell with a node as `$0`.
    fn shell(&self, line: &str, node: &Path) -> Output {
        ended(self.world.monitored().args(["sh", "-c", line]).arg(node))
    }

    fn python(&self, program: &str, node: &Path) -> Output {
        ended(self.world.monitored().args(["python3", "-c", program]).arg(node))
    }
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn exactly_what_is_written_to_a_device_is_noted() {
    for (way, expected) in [
        ("write", tracks(&[10..=11, 21..=21, 30..=30, 32..=32, 379..=379])),
        ("writev", tracks(&[50..=51])),
        ("pwrite", tracks(&[60..=62, 70..=71])),
        ("stdio", tracks(&[100..=102, 106..=106, 110..=110, 112..=112, 114..=114, 116..=116])),
        ("stdout", tracks(&[120..=120])),
        ("dup", (200..=216).step_by(2).filter(|track| *track != 210).collect()),
        ("fork", tracks(&[220..=220, 222..=222, 224..=225, 228..=228])),
        ("inherit", tracks(&[300..=304, 306..=306])),
        ("threads", tracks(&[310..=341, 345..=360])),
        ("refused", tracks(&[25..=25])),
        ("device", (150..=166).step_by(2).chain([157]).collect()),
    ] {
        let Device { world, _attached, .. } = Device::new();
        world.write(way);
        let (changed, noted) = (world.changed(), world.noted());
        assert_eq!(noted, expected, "{way}");
        assert!(changed.is_subset(&expected), "{way}: {changed:?}");
        assert!(changed.len() * 2 > expected.len(), "{way}: {changed:?}");
        let standings: BTreeSet<_> = world
            .area
            .images()
            .into_iter()
            .map(|image| image.standing == Standing::Farewell)
            .collect();
        assert_eq!(standings, [true].into(), "{way}");
    }
}

#[test]
fn unmodified_tools_are_monitored_by_every_node_past_the_caches_or_not() {
    let direct = "import os, mmap, sys\n\
                  data = mmap.mmap(-1, 13312); data.write(b'p' * 13312)\n\
                  fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)\n\
                  os.pwritev(fd, [data], 512 + 13312 * 60)";
    let buffered = "import os, sys\n\
                    fd = os.open(sys.argv[1], os.O_RDWR)\n\
                    os.pwrite(fd, b'p' * 5, 512 + 13312 * 70 - 1)";
    let stream = "import sys\n\
                  with open(sys.argv[1], 'wb') as file:\n  \
                  file.seek(512 + 13312 * 80); file.write(b'p' * 5)";
    let fill = |at: u32, how: &str| {
        format!(
            "head -c 26624 /dev/zero | tr '\\0' y | \
             dd of=\"$0\" iflag=fullblock bs=512 seek={} count=30 conv=notrunc {how}",
            1 + 26 * at
        )
    };
    for by_first in [true, false] {
        let device = Device::new();
        let node = if by_first { &device.first } else { &device.second };
        for (what, output, expected) in [
            ("dd direct", device.shell(&fill(40, "oflag=direct"), node), tracks(&[40..=41])),
            ("dd", device.shell(&fill(50, ""), node), tracks(&[40..=41, 50..=51])),
            ("python direct", device.python(direct, node), tracks(&[40..=41, 50..=51, 60..=60])),
            (
                "python",
                device.python(buffered, node),
                tracks(&[40..=41, 50..=51, 60..=60, 69..=70]),
            ),
            (
                "python stream",
                device.python(stream, node),
                tracks(&[40..=41, 50..=51, 60..=60, 69..=70, 80..=80]),
            ),
        ] {
            assert_done(&output);
            assert!(device.world.changed().is_superset(&expected), "{what}");
        }
        let expected = tracks(&[40..=41, 50..=51, 60..=60, 69..=70, 80..=80]);
        assert_eq!(device.world.changed(), expected);
        assert_eq!(device.world.noted(), expected);
    }
}

#[test]
fn a_sealed_track_of_a_device_is_not_written() {
    let device = Device::new();
    let world = &device.world;
    world.subscription.seal(&[Extent::new(Track(90), 1)]).unwrap();
    let line = "head -c 13312 /dev/zero | tr '\\0' y | \
                dd of=\"$0\" iflag=fullblock bs=13312 seek=1198592 oflag=seek_bytes,HOW conv=notrunc";
    for how in ["direct", "append"] {
        for node in [&device.first, &device.second] {
            let output = device.shell(&line.replace("HOW", how), node);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{how}");
            assert!(said.contains("a write to track 90 of volume MADE01 was refused"), "{said}");
        }
    }
    assert_eq!(world.changed(), tracks(&[]));
    world.subscription.unseal();
    assert_done(&device.shell(&line.replace("HOW", "direct"), &device.second));
    assert_eq!(world.changed(), tracks(&[90..=90]));
    world.assert_covered("when it was unsealed");
}

#[test]
fn who_writes_by_another_node_is_known_and_may_stay() {
    let device = Device::new();
    let world = &device.world;
    let python = "import os, sys\n\
                  fd = os.open(sys.argv[1], os.O_RDWR)\n\
                  os.pwrite(fd, b'p', 512 + 13312 * 30)\n\
                  print('written', flush=True)\n\
                  sys.stdin.readline()\n\
                  os.close(fd)\n\
                  print('closed', flush=True)\n\
                  sys.stdin.readline()";
    let mut program = world.monitored();
    program.args(["python3", "-c", python]).arg(&device.second);
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Without it the program comes to its end, also when this test fails.
    let mut tells = program.stdin.take().unwrap();
    let mut said = BufReader::new(program.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "written");
    assert_eq!(volume::locks::other_writers(&device.first).unwrap().len(), 1);
    for node in [&device.first, &device.second] {
        assert_eq!(world.area.unregistered_writers(node).unwrap(), []);
        let beside = |holder: &_| world.area.is_registered(holder);
        volume::open_beside(node, Access::MonitoredWrite, &beside).unwrap();
    }
    // It has the device not open any more, but lives, and may open it again.
    writeln!(tells).unwrap();
    assert_eq!(said.next().unwrap().unwrap(), "closed");
    assert_eq!(world.area.living_programs().unwrap().len(), 1);
    drop(tells);
    assert!(program.wait().unwrap().success());
    assert_eq!(world.area.living_programs().unwrap(), []);
    world.assert_covered("a write by another node");
}

#[test]
fn a_device_with_another_length_or_another_content_is_nobodys_business() {
    let device = Device::new();
    let world = &device.world;
    // What no migration can move: the device goes on behind the image.
    let file = world.folder.path().join("longer");
    std::fs::write(&file, [&world.before[..], &[0; 4096]].concat()).unwrap();
    let longer = Loop::attach(&file, 512);
    assert!(volume::open(longer.device(), Access::Read).is_err());
    let output = device.shell("echo x 1<>\"$0\"", longer.device());
    assert_done(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a CKD file is not monitored"), "{said}");
    std::fs::write(world.folder.path().join("other"), [7; 65_536]).unwrap();
    let other = Loop::attach(&world.folder.path().join("other"), 512);
    let output = device.shell("echo x 1<>\"$0\"", other.device());
    assert_done(&output);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(world.noted(), tracks(&[]));
}
