//! Programs that know nothing of this product are monitored: whatever changes an image is noted, track by track.
//!
//! A program in C writes to an image in every way that there is (`tests/preload/writer.c`), run by `trackmirror monitored`;
//! then unmodified tools do; then OS/VS1 under Hercules. Each time the image is compared with what it was before, and every
//! track that differs must have been noted in a migration's subscription; where the way says so, no other track may.

#![cfg(all(feature = "cli", target_os = "linux", target_env = "gnu"))]

#[path = "preload/devices.rs"]
mod devices;
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{Area, Identity, Kind, Standing, Subscription};
use trackmirror::volume::{self, Access};

/// The program, compiled once.
fn writer() -> &'static Path {
    static WRITER: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, writer) = WRITER.get_or_init(|| {
        let folder = support::folder();
        let writer = folder.path().join("writer");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preload/writer.c");
        let output = Command::new("cc")
            .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
            .args([writer.as_path(), &source])
            .output()
            .expect("cc is installed (package gcc)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (folder, writer)
    });
    writer
}

/// An image of 380 tracks with a subscription to its changes.
struct World {
    folder: TempDir,
    image: PathBuf,
    area: Area,
    subscription: Subscription,
    before: Vec<u8>,
}

fn all_of(area: &Area) -> Extent {
    Extent::new(Track(0), area.identity().track_count)
}

impl World {
    fn new() -> World {
        let folder = support::folder();
        let image = support::made(folder.path(), "volume.ckd", "3330", 20);
        World::of(folder, image)
    }

    /// The first look at a volume, before anybody writes.
    fn of(folder: TempDir, image: PathBuf) -> World {
        let identity = Identity::of(&*volume::open(&image, Access::Read).unwrap()).unwrap();
        let area = Area::open_in(&folder.path().join("registry"), identity).unwrap();
        let subscription = Subscription::open(&area, [7, 7]).unwrap();
        assert_eq!(subscription.pending_write().unwrap(), None);
        subscription.fill(&[]).unwrap();
        let before = std::fs::read(&image).unwrap();
        World { folder, image, area, subscription, before }
    }

    /// `trackmirror monitored`, with a registry and a cache of this test's own.
    fn monitored(&self) -> Command {
        let mut command = support::trackmirror();
        command
            .env("TRACKMIRROR_REGISTRY", self.folder.path().join("registry"))
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .env_remove("LD_PRELOAD")
            .current_dir(self.folder.path())
            .args(["monitored", "--"]);
        command
    }

    fn writer(&self, way: &str) -> Command {
        let mut command = self.monitored();
        command.arg(writer()).arg(&self.image).arg(way);
        command
    }

    /// Runs a way to its good end, and gives back what it said on standard error.
    fn write(&self, way: &str) -> String {
        let output = ended(&mut self.writer(way));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{way}: {}: {said}", output.status);
        said
    }

    /// The tracks that differ from what was before.
    fn changed(&self) -> BTreeSet<u32> {
        let after = std::fs::read(&self.image).unwrap();
        let slot_size = 13_312;
        assert_eq!(after.len(), self.before.len(), "the image has its length");
        let tracks = self.before[512..].chunks(slot_size).zip(after[512..].chunks(slot_size));
        (0..).zip(tracks).filter(|(_, (old, new))| old != new).map(|(track, _)| track).collect()
    }

    /// The tracks that were noted since the start.
    fn noted(&self) -> BTreeSet<u32> {
        self.area.reap().unwrap();
        let mut noted = BTreeSet::new();
        let mut rest = all_of(&self.area);
        while let Some(run) = self.subscription.next_work(rest, u32::MAX).unwrap() {
            noted.extend(run.first.0..run.end().0);
            rest = Extent::new(run.end(), rest.end().since(run.end()));
        }
        noted
    }

    /// That what changed was noted.
    #[track_caller]
    fn assert_covered(&self, what: &str) {
        let (changed, noted) = (self.changed(), self.noted());
        let missed: Vec<_> = changed.difference(&noted).collect();
        assert!(missed.is_empty(), "{what}: changed, but not noted: {missed:?}");
        assert!(!changed.is_empty(), "{what} changed something");
    }
}

/// Runs a command that must not hang.
fn ended(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let until = Instant::now() + Duration::from_secs(120);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("{command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn tracks(ranges: &[std::ops::RangeInclusive<u32>]) -> BTreeSet<u32> {
    ranges.iter().cloned().flatten().collect()
}

#[test]
fn exactly_what_is_written_is_noted() {
    for (way, expected) in [
        ("write", tracks(&[10..=11, 21..=21, 30..=30, 32..=32, 379..=379])),
        ("writev", tracks(&[50..=51])),
        ("pwrite", tracks(&[60..=62, 70..=71])),
        ("pwritev", tracks(&[80..=81, 85..=85, 90..=91])),
        ("stdio", tracks(&[100..=102, 106..=106, 110..=110, 112..=112, 114..=114, 116..=116])),
        ("stdout", tracks(&[120..=120])),
        ("copies", tracks(&[130..=130, 132..=133, 136..=136, 138..=138, 140..=140, 142..=142])),
        ("dup", (200..=216).step_by(2).filter(|track| *track != 210).collect()),
        ("fork", tracks(&[220..=220, 222..=222, 224..=225, 228..=228])),
        ("inherit", tracks(&[300..=304, 306..=306])),
        ("threads", tracks(&[310..=341, 345..=360])),
        ("syscall", tracks(&[15..=15, 17..=17, 19..=19])),
        ("refused", tracks(&[25..=25])),
    ] {
        let world = World::new();
        world.write(way);
        let (changed, noted) = (world.changed(), world.noted());
        assert_eq!(noted, expected, "{way}");
        // A track may have got what it had before.
        assert!(changed.is_subset(&expected), "{way}: {changed:?}");
        assert!(changed.len() * 2 > expected.len(), "{way}: {changed:?}");
    }
}

#[test]
fn a_piece_of_every_writer_of_a_shared_offset_is_there_and_noted() {
    let world = World::new();
    world.write("fork_together");
    world.assert_covered("fork_together");
    assert_eq!(world.noted(), tracks(&[230..=297]));
    let names: BTreeSet<String> = world.area.images().into_iter().map(|i| i.name).collect();
    assert_eq!(names.len(), 4, "parent and children are images of their own: {names:?}");
    assert!(names.contains("writer"), "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("writer")), "{names:?}");
}

#[test]
fn what_shortens_or_lengthens_a_file_is_noted() {
    let world = World::new();
    let said = world.write("length");
    assert_eq!(world.noted(), tracks(&[150..=189, 376..=379]));
    world.assert_covered("length");
    assert!(said.contains("beyond the end of volume MADE01"), "{said}");

    let world = World::new();
    world.write("append");
    assert_eq!(world.noted(), tracks(&[379..=379]));

    let world = World::new();
    // By then all tracks have something in them, so that all of them change.
    std::fs::write(&world.image, {
        let mut bytes = world.before.clone();
        bytes[512..].fill(7);
        bytes
    })
    .unwrap();
    let world = World { before: std::fs::read(&world.image).unwrap(), ..world };
    world.write("o_trunc");
    assert_eq!(world.changed().len(), 380);
    assert_eq!(world.noted().len(), 380);
}

#[test]
fn a_write_that_fails_or_is_short_is_noted_whole() {
    let world = World::new();
    world.write("short");
    assert_eq!(world.changed(), tracks(&[370..=370]));
    assert_eq!(world.noted(), tracks(&[370..=372, 374..=374]));
}

#[test]
fn threads_may_be_cancelled_anywhere() {
    let world = World::new();
    world.write("cancel");
    world.assert_covered("cancel");
    assert_eq!(world.noted(), tracks(&[0..=0, 362..=362, 364..=364]));
}

#[test]
fn what_cannot_be_monitored_is_refused_and_said_once() {
    let world = World::new();
    let said = world.write("refused");
    for what in ["a mapping for writing", "an asynchronous write", "cloning", "handing on"] {
        assert_eq!(said.matches(what).count(), 1, "{what}: {said}");
    }
    assert_eq!(world.write("others"), "", "other files are nobody's business");
}

#[test]
fn a_sealed_track_is_not_written() {
    let world = World::new();
    world.subscription.seal(&[Extent::new(Track(90), 1)]).unwrap();
    let said = world.write("sealed");
    assert_eq!(said.matches("trackmirror: ").count(), 1, "{said}");
    assert!(said.contains("a write to track 90 of volume MADE01 was refused"), "{said}");
    assert_eq!(world.changed(), tracks(&[91..=91]));
    let [image] = &world.area.images()[..] else { panic!("one image") };
    assert_eq!((image.refused_count, image.last_refused), (8, Some(Track(90))));
    world.subscription.unseal();
    world.write("pwritev");
    assert!(world.changed().contains(&90));
    world.assert_covered("pwritev");
}

/// Starts a writer that ends only when it is killed, and waits until it writes.
fn endless(world: &World) -> Child {
    let mut child = world.writer("endless").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    child
}

#[test]
fn a_writer_that_is_killed_leaves_nothing_unnoted() {
    let mut in_flight = 0;
    for round in 0..30 {
        let world = World::new();
        let mut child = endless(&world);
        std::thread::sleep(Duration::from_micros(300 * round));
        // What was noted so far is taken away: only the write in flight is left to be found.
        let batch = world.subscription.take(Extent::new(Track(0), 40)).unwrap();
        batch.done();
        let before = std::fs::read(&world.image).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let buried = world.area.reap().unwrap();
        assert_eq!(buried.len(), 1, "{buried:?}");
        assert_eq!(buried[0].0, "writer");
        in_flight += buried[0].1.write_count;
        let world = World { before, ..world };
        let missed: Vec<_> = world.changed().difference(&world.noted()).copied().collect();
        assert!(missed.is_empty(), "round {round}: {missed:?}");
        assert_eq!(world.area.images()[0].standing, Standing::Dead);
    }
    assert!(in_flight > 0, "some writer was killed inside a write");
}

/// Every image by its name, and whether it said farewell.
fn farewells(world: &World) -> Vec<(String, Standing)> {
    world.area.images().into_iter().map(|image| (image.name, image.standing)).collect()
}

#[test]
fn a_program_that_ends_by_itself_says_farewell_and_one_that_is_killed_does_not() {
    for way in ["write", "stdio", "stdout", "dup", "fork", "threads", "append"] {
        let world = World::new();
        world.write(way);
        for (name, standing) in farewells(&world) {
            assert_eq!(standing, Standing::Farewell, "{way}: {name}");
        }
        assert_eq!(world.area.reap().unwrap(), [], "{way}: nobody died");
        assert!(world.area.images().iter().all(|image| image.standing == Standing::Farewell));
        // The fourteenth word of the first image's record.
        let area = std::fs::read(world.area.path().unwrap()).unwrap();
        assert_eq!(area[(64 + 14) * 8..][..8], 1u64.to_ne_bytes(), "{way}");
        world.assert_covered(way);
    }
    // Each writes behind the first 4096 bytes: a tool moves the offset that it shares.
    let begin = "exec 3<>\"$0\"; dd bs=4096 count=1 status=none <&3 >/dev/null; echo begun >&3";
    let run = |shell: &str, line: &str| {
        let world = World::new();
        let line = line.replace("BEGIN", begin);
        let output = ended(world.monitored().args([shell, "-c", &line]).arg(&world.image));
        println!("{line}: {output:?}");
        let found = (farewells(&world), world.area.reap().unwrap().len());
        world.assert_covered(&line);
        found
    };
    let farewell = |name: &str| (name.to_string(), Standing::Farewell);
    for (shell, line, expected) in [
        // It ends without destructors, and has the volume open until then.
        ("sh", "BEGIN", vec![farewell("sh"), farewell("dd")]),
        (
            "python3",
            "import os, sys; os.pwrite(os.open(sys.argv[1], os.O_RDWR), b'begun', 4096); os._exit(3)",
            vec![farewell("python3")],
        ),
        // Another program takes its place, and its open file.
        ("bash", "BEGIN; exec true", vec![farewell("bash"), farewell("dd"), farewell("true")]),
    ] {
        let (images, died) = run(shell, line);
        assert_eq!((images, died), (expected, 0), "{line}");
    }
    for line in ["BEGIN; kill -9 $$", "shopt -s execfail; BEGIN; exec /nothing; kill -9 $$"] {
        let (images, died) = run("bash", line);
        let dead = ("bash".to_string(), Standing::Dead);
        assert_eq!((images, died), (vec![dead, farewell("dd")], 1), "{line}");
    }
}

#[test]
fn a_writer_is_an_image_as_long_as_it_lives() {
    let world = World::new();
    let (mut one, mut two) = (endless(&world), endless(&world));
    world.area.check_coverage(&["writer"]).unwrap();
    let images = world.area.images();
    let second = format!("writer-{}", two.id());
    assert_eq!(images.iter().map(|i| &i.name[..]).collect::<Vec<_>>(), ["writer", &second]);
    for (image, child) in images.iter().zip([&one, &two]) {
        assert_eq!((image.kind, image.standing), (Kind::Brackets, Standing::Attached));
        assert_eq!(image.process, u64::from(child.id()));
        assert!(image.write_count > 0);
    }
    assert_eq!(world.area.unregistered_writers(&world.image).unwrap(), []);
    for child in [&mut one, &mut two] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(world.area.check_coverage(&["writer"]).is_err());
    // The same name again.
    world.write("pwrite");
    let written = world.area.images().into_iter().find(|image| image.name == "writer").unwrap();
    assert!(written.incarnation > images[1].incarnation);
}

#[test]
fn the_image_is_called_as_the_operator_says_and_every_monitor_is_kept() {
    let world = World::new();
    let mut command = support::trackmirror();
    command
        .env("TRACKMIRROR_REGISTRY", world.folder.path().join("registry"))
        .env("XDG_CACHE_HOME", world.folder.path().join("cache"))
        .env("LD_PRELOAD", "libc.so.6")
        .args(["monitored", "--image", "PROD1", "--", "sh", "-c"])
        .arg("echo $LD_PRELOAD; exec \"$0\" \"$1\" pwrite")
        .args([writer(), &world.image]);
    let output = ended(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let preload = String::from_utf8(output.stdout).unwrap();
    let (first, rest) = preload.trim().split_once(':').unwrap();
    assert_eq!(rest, "libc.so.6");
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(Path::new(first)), 0o600);
    assert_eq!(mode(Path::new(first).parent().unwrap()), 0o700);
    assert_eq!(world.area.images()[0].name, "PROD1");
    world.assert_covered("pwrite");
    // Somebody has put something else in its place.
    std::fs::write(first, "no monitor").unwrap();
    let world = World { before: std::fs::read(&world.image).unwrap(), ..world };
    world.write("writev");
    world.assert_covered("writev");
    assert_eq!(world.folder.path().join("cache/trackmirror").read_dir().unwrap().count(), 1);
}

#[test]
fn the_monitor_makes_the_area_that_a_migration_finds() {
    let world = World::new();
    world.subscription.close();
    let path = world.area.path().unwrap().to_path_buf();
    drop(world.area);
    std::fs::remove_file(&path).unwrap();
    let mut command = support::trackmirror();
    command
        .env("TRACKMIRROR_REGISTRY", world.folder.path().join("registry"))
        .env("XDG_CACHE_HOME", world.folder.path().join("cache"))
        .args(["monitored", "--"])
        .args([writer(), &world.image])
        .arg("pwrite");
    assert!(ended(&mut command).status.success());
    let identity = Identity::of(&*volume::open(&world.image, Access::Read).unwrap()).unwrap();
    let area = Area::open_in(path.parent().unwrap(), identity).unwrap();
    assert_eq!(*area.identity(), identity, "volume, geometry and serial are the same");
    assert_eq!(area.images()[0].name, "writer");
}

#[test]
fn programs_that_would_not_load_the_monitor_are_refused() {
    let world = World::new();
    let folder = world.folder.path();
    let source = folder.join("static.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut build = Command::new("cc");
    build.args(["-static", "-o"]).arg(folder.join("static")).arg(&source);
    assert!(build.status().unwrap().success(), "a static program can be linked");
    std::fs::copy(writer(), folder.join("privileged")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    let privileged = std::fs::Permissions::from_mode(0o4755);
    std::fs::set_permissions(folder.join("privileged"), privileged).unwrap();
    let script = format!("#!{}\n", folder.join("static").display());
    std::fs::write(folder.join("script"), script).unwrap();
    std::fs::set_permissions(folder.join("script"), PermissionsExt::from_mode(0o755)).unwrap();
    for (program, why) in [
        ("static", "static program"),
        ("script", "static program"),
        ("privileged", "privileges"),
        ("not-there", "cannot"),
    ] {
        let output = ended(world.monitored().arg(folder.join(program)));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(said.contains(why) || program == "not-there", "{program}: {said}");
    }
    let output = ended(world.monitored().arg("no-such-program-anywhere"));
    assert_eq!(output.status.code(), Some(8));
}

#[test]
fn an_area_that_cannot_be_had_keeps_the_image_from_being_opened() {
    let world = World::new();
    world.subscription.close();
    let path = world.area.path().unwrap().to_path_buf();
    drop(world.area);
    std::fs::write(&path, [0x55; 4096]).unwrap();
    let mut command = support::trackmirror();
    command
        .env("TRACKMIRROR_REGISTRY", world.folder.path().join("registry"))
        .env("XDG_CACHE_HOME", world.folder.path().join("cache"))
        .args(["monitored", "--", "sh", "-c", "echo x 1<>\"$0\" || exit 3"])
        .arg(&world.image);
    let output = ended(&mut command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("cannot be monitored, so it is not opened for writing"), "{said}");
    assert_eq!(std::fs::read(&world.image).unwrap(), world.before);
}

#[test]
fn unmodified_tools_are_monitored() {
    let world = World::new();
    let pattern = world.folder.path().join("pattern");
    std::fs::write(&pattern, vec![0xAB; 13_312 * 5]).unwrap();
    let (image, pattern) = (world.image.display(), pattern.display());
    for (line, first, count) in [
        (format!("dd if={pattern} of={image} bs=512 seek=261 count=26 conv=notrunc"), 10, 1),
        (format!("dd if={pattern} of={image} bs=13312 seek=20 count=5 conv=notrunc"), 19, 6),
        (format!("dd if={pattern} bs=512 seek=1041 count=1 conv=notrunc 1<>{image}"), 40, 1),
        (format!("(dd bs=512 seek=1561 count=1; cat) <{pattern} 1<>{image}"), 60, 5),
        (
            format!("exec 5<>{image}; dd bs=1331712 count=1 <&5 >/dev/null; printf %s ten >&5"),
            100,
            1,
        ),
    ] {
        let output = ended(world.monitored().args(["sh", "-c", &line]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
        world.assert_covered(&line);
        let noted = world.noted();
        assert!((first..first + count).all(|track| noted.contains(&track)), "{line}: {noted:?}");
    }
    assert!(world.noted().len() <= 20, "{:?}", world.noted());

    // A whole volume copied over another one, in whatever way the tool likes best.
    let world = World::new();
    let other = support::made(world.folder.path(), "other.ckd", "3330", 20);
    let mut bytes = std::fs::read(&other).unwrap();
    bytes[512 + 13_312..].fill(3);
    std::fs::write(&other, &bytes).unwrap();
    let output = ended(world.monitored().arg("cp").arg(&other).arg(&world.image));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(&world.image).unwrap(), bytes);
    world.assert_covered("cp");
}

#[test]
fn os_vs1_under_hercules_is_monitored() {
    let Some(shared) = support::shared() else { return };
    let (folder, images) = support::copies(&["vs1-clna01"]).unwrap();
    // The kit unpacks the volume into this very file.
    let image = folder.path().join("clna01.151");
    std::fs::rename(&images[0], &image).unwrap();
    let world = World::of(folder, image);
    let output = ended(world.monitored().args(["sh", "-c", "echo $LD_PRELOAD"]));
    let object = String::from_utf8(output.stdout).unwrap();

    let output = Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TRACKMIRROR_REGISTRY", world.folder.path().join("registry"))
        .env("PRELOAD", object.trim())
        .arg(shared.join("live/run.py"))
        .args([world.folder.path(), &shared.join("volumes")])
        .arg("200")
        .output()
        .expect("python3 can be run");
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    assert!(printed.contains("['0000']"), "the guest's job ended well");

    let (changed, noted) = (world.changed(), world.noted());
    let missed: Vec<_> = changed.difference(&noted).collect();
    assert!(missed.is_empty(), "changed, but not noted: {missed:?}");
    // The data set has 800 blocks; every one was rewritten, again and again, and little else.
    assert!(changed.len() >= 20, "{changed:?}");
    assert!(noted.len() < changed.len() + 20, "{noted:?} for {changed:?}");
    let images = world.area.images();
    let hercules = images.iter().find(|image| image.name == "hercules").expect("an image");
    assert!(hercules.write_count > 100_000, "{hercules:?}");
    println!("{} writes, {} tracks changed", hercules.write_count, changed.len());
}
