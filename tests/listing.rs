//! What `trackmirror vtoc` says of real volumes agrees with what the emulator's `dasdls -info` says, column by column.

#![cfg(feature = "cli")]

mod support;

use std::path::Path;

/// One data set as both programs tell of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    name: String,
    /// Year of two digits, and day.
    created: String,
    dsorg: String,
    recfm: String,
    lrecl: String,
    blksize: u32,
    key_length: u32,
    track_count: u32,
    extent_count: usize,
    unit: String,
    secondary: u32,
}

/// The columns of `dasdls -info`, but for the used percentage: it counts tracks and records of the last-used pointer
/// together, and so differs by design.
fn dasdls(image: &Path) -> Vec<Line> {
    let text = support::tool("dasdls", ["-info", image.to_str().unwrap()]);
    // Before the list stands the path of the image, which may be as long as its lines are.
    let (_, list) = text.split_once(": VOLSER=").unwrap();
    let lines = list.lines().filter(|line| line.len() > 90);
    let mut lines: Vec<Line> = lines
        .map(|line| {
            let column = |from: usize, to: usize| line[from..to].trim().to_string();
            let number = |from, to| column(from, to).parse().unwrap_or(0);
            Line {
                name: column(0, 44),
                created: column(44, 50),
                dsorg: column(50, 54),
                recfm: column(55, 60),
                lrecl: column(60, 66),
                blksize: number(66, 72),
                key_length: number(72, 76),
                track_count: number(76, 82),
                extent_count: number(86, 90) as usize,
                unit: column(90, 96),
                secondary: number(96, line.len()),
            }
        })
        .collect();
    lines.sort();
    lines
}

/// The same from `trackmirror vtoc --json`, in the other program's manner of speaking.
fn ours(image: &Path) -> Vec<Line> {
    let output = support::trackmirror().arg("vtoc").arg("--json").arg(image).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let data_sets = answer["result"]["volumes"][0]["data_sets"].as_array().unwrap();
    let mut lines: Vec<Line> = data_sets
        .iter()
        .map(|data_set| {
            let text = |key: &str| data_set[key].as_str().unwrap_or("").to_string();
            let number = |key: &str| data_set[key].as_u64().unwrap() as u32;
            let created = text("created");
            let unit = text("space_unit");
            Line {
                name: text("name"),
                created: created.get(2..).map_or("00000".into(), |day| day.replace('.', "")),
                dsorg: text("dsorg").replace('-', ""),
                // Where there is no record format it says U.
                recfm: text("recfm").replace('-', "U"),
                lrecl: match number("lrecl") {
                    0 => String::new(),
                    lrecl => lrecl.to_string(),
                },
                blksize: number("blksize"),
                key_length: number("key_length"),
                track_count: number("track_count"),
                extent_count: data_set["extents"].as_array().unwrap().len(),
                secondary: if unit == "ABSTR" { 0 } else { number("secondary_quantity") },
                unit,
            }
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn every_column_agrees_on_every_real_volume() {
    let volumes = support::real_volumes();
    let mut seen = 0;
    for volume in &volumes {
        let plain = volume.plain();
        let (theirs, ours) = (dasdls(&plain), ours(&plain));
        assert_eq!(ours.len(), theirs.len(), "{}", volume.name);
        for (our, their) in ours.iter().zip(&theirs) {
            println!("{our:?}\n{their:?}");
            assert_eq!(our, their, "{}", volume.name);
        }
        seen += ours.len();
    }
    assert!(volumes.is_empty() || seen >= 99, "{seen} data sets");
}
