//! How fast the copier is, beside the programs that copy whole images: `cp`, `dd` and Hercules' `dasdcopy`.
//!
//! One image of a 3390 volume of 1 GB, without holes and in the page cache, is copied in turn by each of them, several
//! times over, into a file without allocated blocks: theirs does not exist, ours is a sparse image of the right size.
//! Ours relocates every track but the first cylinder to other addresses, into another order of extents. One table is
//! without waiting for the disk, one with. Run it on a quiet machine:
//!
//! ```text
//! cargo bench --bench copy            five rounds
//! cargo bench --bench copy -- 9       nine rounds
//! STEP_TRACKS=3000 cargo bench --bench copy
//! ```

#[path = "../tests/support/unflushed.rs"]
mod unflushed;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use trackmirror::copy::{Copier, CopyOptions, Volumes};
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::track::{self, Place};
use trackmirror::translate::TranslateTable;
use trackmirror::verify::verify;
use trackmirror::volume::label::Label;
use trackmirror::volume::{Access, Volume, ckd::CkdVolume};
use trackmirror::{Result, Volser};
use unflushed::Unflushed;

/// 1 GB of slots of 56,832 bytes.
const CYLINDERS: u32 = 1260;
fn main() -> Result<()> {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-copy");
    fs::create_dir_all(&folder).expect("a folder for the images");
    let source = folder.join("source.3390");
    let size = 512 + u64::from(geometry().track_count()) * u64::from(geometry().slot_size);
    if fs::metadata(&source).map_or(0, |metadata| metadata.len()) != size {
        make_image(&source, volser("SRC001"), true);
    }
    warm(&source);
    println!("{} MB, {rounds} rounds, medians\n", size / 1_000_000);
    for flush in [false, true] {
        compare(&folder, &source, size, rounds, flush)?;
    }
    Ok(())
}

fn compare(folder: &Path, source: &Path, size: u64, rounds: usize, flush: bool) -> Result<()> {
    let target = folder.join("target.3390");
    let theirs: Vec<&str> =
        ["cp", "dd", "dasdcopy"].into_iter().filter(|program| is_installed(program)).collect();
    let mut times: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for _ in 0..rounds {
        for threads in [1, 2] {
            let time = copy_ours(source, &target, threads, flush)?;
            times.entry(format!("{threads}")).or_default().push(time);
        }
        for program in &theirs {
            let time = copy_theirs(program, source, &target, flush);
            times.entry(program.to_string()).or_default().push(time);
        }
    }
    let _ = fs::remove_file(&target);
    let median = |name: &str| {
        let mut times = times[name].clone();
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };
    let speed = |name: &str| size as f64 / 1e6 / median(name);
    println!("{}\n", if flush { "durable at the end" } else { "without flush" });
    println!("| | MB/s | 1 thread of ours | 2 threads of ours |\n|---|---|---|---|");
    println!("| trackmirror, 1 thread | {:.0} | | |", speed("1"));
    println!("| trackmirror, 2 threads | {:.0} | {:.2} | |", speed("2"), speed("1") / speed("2"));
    for program in theirs {
        let ratio = |threads| speed(threads) / speed(program);
        println!("| {program} | {:.0} | {:.2} | {:.2} |", speed(program), ratio("1"), ratio("2"));
    }
    println!();
    Ok(())
}

/// Copies all but track 0 to other addresses: the volume's two halves change places.
fn copy_ours(source: &Path, target: &Path, threads: usize, flush: bool) -> Result<Duration> {
    make_image(target, volser("TGT001"), false);
    let (from, to) = (volser("SRC001"), volser("TGT001"));
    let (half, all) = (geometry().track_count() / 2, geometry().track_count());
    let extent = |first, end| Extent::new(Track(first), end - first);
    let table = TranslateTable::new(TranslateTable::map(
        &[(from, extent(1, all))],
        &[(to, extent(half, all)), (to, extent(1, half))],
    )?)?;
    let start = Instant::now();
    let source: Arc<dyn Volume> = Arc::new(CkdVolume::open(source, Access::Read)?);
    let target = CkdVolume::open(target, Access::Exclusive)?;
    let target: Arc<dyn Volume> =
        if flush { Arc::new(target) } else { Arc::new(Unflushed(Arc::new(target))) };
    let batch_tracks = number_from("BATCH_TRACKS");
    let step_tracks = number_from("STEP_TRACKS").unwrap_or(u32::MAX);
    let options = CopyOptions { threads, batch_tracks, digests: false };
    let volumes = |volser, volume| Volumes::from([(volser, volume)]);
    let (sources, targets) = (volumes(from, source), volumes(to, target));
    let mut copier = Copier::new(table, &sources, &targets, options)?;
    while !copier.step(step_tracks)?.done {}
    let time = start.elapsed();
    let found = verify(copier.table(), &sources, &targets, 2)?;
    assert!(found.is_equal(), "{:?}", found.differences.first());
    Ok(time)
}

/// To try other batches than a cylinder, and other steps than one for all.
fn number_from(variable: &str) -> Option<u32> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn copy_theirs(program: &str, source: &Path, target: &Path, flush: bool) -> Duration {
    let _ = fs::remove_file(target);
    let (from, to) = (source.display(), target.display());
    let mut lines = match program {
        "cp" => vec![format!("cp --reflink=never {from} {to}")],
        "dd" => {
            vec![format!("dd bs=1M if={from} of={to}{}", if flush { " conv=fsync" } else { "" })]
        }
        _ => vec![format!("dasdcopy -q -r -lfs -o ckd {from} {to}")],
    };
    if flush && program != "dd" {
        lines.push(format!("sync {to}"));
    }
    let start = Instant::now();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().is_ok_and(|status| status.success()), "{line}");
    }
    let time = start.elapsed();
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    assert_eq!(size(target), size(source), "{program} did not copy all");
    time
}

fn is_installed(program: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).exists())
    });
    if !found {
        println!("{program} is not installed\n");
    }
    found
}

fn geometry() -> Geometry {
    let device = Device::named("3390").expect("a device of the table");
    Geometry { device, cylinders: CYLINDERS, slot_size: device.slot_size() }
}

fn volser(name: &str) -> Volser {
    Volser::parse(name).expect("a serial")
}

/// Writes an image: with records on every track, or sparse, with track 0 only.
fn make_image(path: &Path, volser: Volser, full: bool) {
    let _ = fs::remove_file(path);
    let geometry = geometry();
    let mut header = [0; 512];
    header[..8].copy_from_slice(b"CKD_P370");
    header[8] = geometry.heads() as u8;
    header[12..16].copy_from_slice(&geometry.slot_size.to_le_bytes());
    header[16] = geometry.device.code;
    let mut slot = vec![0; geometry.slot_size as usize];
    let file = File::create(path).expect("a new image");
    let size = 512 + u64::from(geometry.track_count()) * u64::from(geometry.slot_size);
    file.set_len(size).expect("the image's size");
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let label = Label::new(volser, [0, 0, 0, 1, 1]);
    let place = Place::new(&geometry, Track(0));
    let records: [(&[u8], &[u8]); 3] =
        [(b"IPL1", &[0; 24]), (b"IPL2", &[0; 144]), (b"VOL1", label.as_bytes())];
    track::build(&mut slot, place, &records).expect("track 0");
    file.write_all(&header).and_then(|()| file.write_all(&slot)).expect("the label");
    for track in (1..geometry.track_count()).take_while(|_| full) {
        fill(&mut slot, &geometry, track);
        file.write_all(&slot).expect("a track");
    }
    file.into_inner().expect("the last track").sync_all().expect("a durable image");
}

/// A track full of records, as many kinds of data sets have them: 2 of 27,998 bytes, 12 of 4,096, or 86 of 400.
fn fill(slot: &mut [u8], geometry: &Geometry, track: u32) {
    let lengths = [27_998, 4_096, 4_096, 400];
    let length = lengths[track as usize / 150 % lengths.len()];
    let count = geometry.device.records_per_track(0, length);
    let data: Vec<Vec<u8>> = (0..count)
        .map(|record| {
            let byte = |n: u32| (n.wrapping_mul(2_654_435_761) ^ track << 3 ^ record) as u8;
            (0..u32::from(length)).map(byte).collect()
        })
        .collect();
    let records: Vec<(&[u8], &[u8])> = data.iter().map(|data| (&b""[..], &data[..])).collect();
    track::build(slot, Place::new(geometry, Track(track)), &records).expect("a full track");
}

/// Reads the whole file, so that it is in the page cache.
fn warm(path: &Path) {
    let mut file = File::open(path).expect("the source");
    std::io::copy(&mut file, &mut std::io::sink()).expect("the source in the page cache");
}
