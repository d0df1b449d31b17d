//! Targets that are full, too small, of another kind or in use; and who else has a volume.

use crate::world::{self, CYLINDERS, Kind, World, allocate, kind, make, sequential};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use trackmirror::Reason;
use trackmirror::geometry::{Extent, Track};
use trackmirror::volume::{Access, Volume, open};
use trackmirror::vtoc::Vtoc;

pub const KINDS: &[Kind] = &[
    kind("a full VTOC", Reason::VtocFull, &["TGT001", "DAMAGE.", "larger VTOC"], |w| {
        fill_vtoc(w, 2);
    }),
    kind("a full volume", Reason::NoSpace, &["TGT001", "DAMAGE.MANY", "another target"], |w| {
        let volume = w.open(&w.target());
        allocate(&volume, sequential("OTHER.FULL", "TGT001"), &[Extent::new(Track(4), 236)]);
    }),
    kind("free space in many pieces", Reason::NoSpace, &["TGT001", "the largest of 1)"], |w| {
        let volume = w.open(&w.target());
        let odd: Vec<Extent> = (4..240).step_by(2).map(|n| Extent::new(Track(n), 1)).collect();
        for (extents, number) in odd.chunks(15).zip(0..) {
            allocate(&volume, sequential(&format!("OTHER.ODD{number}"), "TGT001"), extents);
        }
    }),
    kind("a name that exists", Reason::NameExists, &["TGT001", "DAMAGE.ONE", "scratch"], |w| {
        let volume = w.open(&w.target());
        allocate(&volume, sequential("DAMAGE.ONE", "TGT001"), &[Extent::new(Track(50), 2)]);
    }),
    kind("a target that is too small", Reason::NoSpace, &["TGT002", "DAMAGE.MANY"], |w| {
        w.targets = vec![another(w, "TGT002", 1)];
        let volume = w.open(&w.targets[0]);
        allocate(&volume, sequential("OTHER.FULL", "TGT002"), &[Extent::new(Track(4), 14)]);
    }),
    kind("unlike devices", Reason::UnlikeDevices, &["SRC001", "2311", "same type"], |w| {
        let path = w.folder.path().join("TGT002.ckd");
        drop(make(&path, "2311", 20, "TGT002"));
        w.targets = vec![path];
    }),
    kind("the target is the source", Reason::TargetIsSource, &["SRC001", "another target"], |w| {
        w.targets = w.volumes.clone();
        w.add_option("--mode", "extent-for-extent");
    }),
    kind("more extents than a volume may hold", Reason::TooManyExtents, &["SRC001", "17"], |w| {
        // Ten more in the F3, and one in a second one; free space is void, because they are recorded as free.
        w.dscb(1, 58, &[0x04]);
        let descriptor = |number: u8, track: u8| [1, number, 0, track / 20, 0, track % 20];
        let whole =
            |number, track| [&descriptor(number, track)[..], &descriptor(0, track)[2..]].concat();
        for (number, place) in (6u8..).zip([34, 45, 55, 65, 75, 85, 95, 105, 115, 125]) {
            w.dscb(6, place, &whole(number, 120 + 2 * number));
        }
        w.dscb(6, 135, &[0, 0, 0, 1, 9]);
        w.dscb(9, 0, &[3; 4]);
        w.dscb(9, 4, &whole(16, 160));
        w.dscb(9, 44, &[0xF3]);
        w.dscb(5, 59, &[17]);
        w.add_option("--mode", "extent-for-extent");
    }),
    kind("another process writes the source", Reason::VolumeInUse, &["SRC001.ckd", "sleep"], |w| {
        let writer = Beside::writer(&w.source());
        w.beside.push(Box::new(writer));
    }),
    kind("another process writes the target", Reason::VolumeInUse, &["TGT001.ckd", "sleep"], |w| {
        let writer = Beside::writer(&w.target());
        w.beside.push(Box::new(writer));
    }),
    kind("an emulator has the source", Reason::VolumeInUse, &["SRC001.ckd", "hercules"], |w| {
        let emulator = Beside::hercules(w.folder.path(), &w.source());
        w.beside.push(Box::new(emulator));
    }),
    kind("we have it open ourselves", Reason::VolumeInUse, &["SRC001.ckd", "process"], |w| {
        w.beside.push(Box::new(open(&w.source(), Access::Exclusive).unwrap()));
    }),
    kind("we read it ourselves", Reason::VolumeInUse, &["TGT001.ckd", "process"], |w| {
        w.beside.push(Box::new(open(&w.target(), Access::Read).unwrap()));
    }),
];

/// Allocates data sets of one track until so many DSCBs are free.
fn fill_vtoc(world: &World, left: usize) {
    let volume = world.open(&world.target());
    let free = |volume: &dyn Volume| {
        Vtoc::read(volume).unwrap().dscbs.iter().filter(|(_, dscb)| dscb.is_free()).count()
    };
    for number in 0u32.. {
        if free(&*volume) <= left {
            break;
        }
        let name = format!("OTHER.N{number}");
        allocate(&volume, sequential(&name, "TGT001"), &[Extent::new(Track(4 + number), 1)]);
    }
}

/// Another empty target.
pub fn another(world: &World, volser: &str, cylinders: u32) -> PathBuf {
    let path = world.folder.path().join(format!("{volser}.ckd"));
    drop(make(&path, world::DEVICE, cylinders, volser));
    assert!(cylinders <= CYLINDERS);
    path
}

/// Another process that lives as long as this.
struct Beside(Child);

impl Beside {
    fn writer(image: &Path) -> Beside {
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
        Beside(child)
    }

    /// An emulator that has this image attached. It needs no console.
    fn hercules(folder: &Path, image: &Path) -> Beside {
        let configuration = folder.join("hercules.cnf");
        let text = format!("ARCHMODE S/370\nMAINSIZE 2\nNUMCPU 1\n0150 2314 {}\n", image.display());
        std::fs::write(&configuration, text).unwrap();
        let child = Command::new("hercules")
            .arg("-f")
            .arg(&configuration)
            .current_dir(folder)
            // It ends when this does.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("hercules is installed");
        let mut beside = Beside(child);
        for _ in 0..600 {
            if !trackmirror::volume::locks::other_writers(image).unwrap().is_empty() {
                return beside;
            }
            assert!(beside.0.try_wait().unwrap().is_none(), "the emulator runs");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the emulator attaches the volume");
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
