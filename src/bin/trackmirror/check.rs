//! `trackmirror check`: whether volumes are sound, and whether a migration of them is not finished.

use crate::output::{Answer, count};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use trackmirror::Result;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::registry::{Note, read_notes};
use trackmirror::volume::{Access, Volume, open_all};
use trackmirror::vtoc::check::{Finding, Severity, Tracks, check};

const EXAMPLES: &str = "\
Examples:
  trackmirror check VOL001.ckd VOL002.ckd
  trackmirror check --tracks all VOL001.ckd
  trackmirror check --tracks none --json *.ckd

Nothing is changed. Code 4: something was found, or a volume has an unfinished migration.";

/// Check label, VTOC, extents, free space, tracks and catalog of volumes
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The volume images
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which tracks are read, besides those of the VTOC
    #[arg(long, value_enum, default_value = "used")]
    tracks: Which,
}

/// Which tracks are read.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Which {
    /// Every track of the volume
    All,
    /// Those that belong to somebody
    Used,
    /// None: only what label and VTOC say
    None,
}

/// Checks the volumes.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let tracks = match arguments.tracks {
        Which::All => Tracks::All,
        Which::Used => Tracks::Used,
        Which::None => Tracks::None,
    };
    let (mut text, mut values, mut remarks) = (String::new(), Vec::new(), false);
    for volume in open_all(&arguments.files, Access::Read)? {
        let findings = check(volume.as_ref(), tracks)?;
        let catalog = check_catalog(&volume);
        let notes = volume.path().map(read_notes).transpose()?.unwrap_or_default();
        remarks |= !findings.is_empty() || !notes.is_empty() || !catalog.is_empty();
        text += &volume_text(&volume.volser().to_string(), &findings, &catalog, &notes);
        values.push(json!({
            "volser": volume.volser().to_string(),
            "location": volume.location(),
            "findings": findings.iter().map(finding_value).collect::<Vec<Value>>(),
            "catalog_findings": catalog,
            "unfinished_migrations": notes.iter().map(note_value).collect::<Vec<Value>>(),
        }));
    }
    Ok(Answer::with_remarks(remarks, text, json!({ "volumes": values })))
}

/// What is wrong or odd with the catalog on a volume, if it has one.
fn check_catalog(volume: &Arc<dyn Volume>) -> Vec<String> {
    let check = || match CvolCatalog::find_on(volume.clone())? {
        Some(catalog) => catalog.check().map(Some),
        None => Ok(None),
    };
    match check() {
        Ok(None) => Vec::new(),
        Ok(Some(found)) => {
            let damage = found.damage.iter().map(|error| format!("error: catalog: {error}"));
            let remarks = found.remarks.iter().map(|remark| format!("remark: catalog: {remark}"));
            damage.chain(remarks).collect()
        }
        Err(error) => vec![format!("error: catalog: {error}")],
    }
}

fn volume_text(volser: &str, findings: &[Finding], catalog: &[String], notes: &[Note]) -> String {
    let mut text = String::new();
    for note in notes {
        writeln!(text, "unfinished migration: volume {volser}: {note}")
            .expect("a string takes everything");
    }
    for finding in findings {
        writeln!(text, "{finding}").expect("a string takes everything");
    }
    for finding in catalog {
        text += &format!("{finding}\n");
    }
    let in_catalog = |kind: &str| catalog.iter().filter(|text| text.starts_with(kind)).count();
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let remarks = findings.len() - errors + in_catalog("remark");
    let errors = errors + in_catalog("error");
    let result = match (errors, remarks) {
        (0, 0) => "nothing found".into(),
        _ => format!("{}, {}", count(errors as u64, "error"), count(remarks as u64, "remark")),
    };
    text + &format!("volume {volser}: {result}\n")
}

fn finding_value(finding: &Finding) -> Value {
    json!({
        "severity": match finding.severity {
            Severity::Error => "error",
            Severity::Remark => "remark",
        },
        "track": finding.track.map(|track| track.0),
        "dscb_record": finding.dscb.map(|address| address.record),
        "data_set": finding.data_set.map(|name| name.to_string()),
        "sentence": finding.sentence,
    })
}

/// An unfinished migration for programs.
pub fn note_value(note: &Note) -> Value {
    json!({ "note": note.file, "state": note.state_folder, "what": note.what })
}
