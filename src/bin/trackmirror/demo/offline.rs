//! A move of data sets to which nobody writes.

use super::{Story, volumes};
use crate::output::Outcome;
use crate::{catalog, check, migrate, verify, vtoc};
use serde_json::{Value, json};
use std::path::Path;
use trackmirror::Error;

const DATA_SETS: &[volumes::DataSet] = &[
    ("DEMO.LEDGER", &[&[(15, 20), (60, 7), (75, 13), (110, 5), (150, 25)]]),
    ("DEMO.PAYROLL", &[&[(40, 10), (90, 15), (130, 12)]]),
];

/// Makes the volumes, moves the data sets, and compares them with a copy from before.
pub fn show(folder: &Path, story: &mut Story) -> Outcome<Value> {
    let file = |name: &str| folder.join(name).display().to_string();
    let (system, old, new) = (file("sys001.ckd"), file("old001.ckd"), file("new001.ckd"));
    let before = file("before.ckd");
    volumes::make(system.as_ref(), &[old.as_ref()], new.as_ref(), DATA_SETS)?;
    std::fs::copy(&old, &before).map_err(|error| Error::io(&before, &error))?;

    story.tell("Three volumes were made. OLD001 has two data sets in eight extents:");
    story.act(vtoc::run, &["vtoc", "--extents", &old])?;
    story.tell("The catalog on SYS001 says where they are:");
    story.act(catalog::run, &["catalog", &system, "DEMO.**"])?;
    story.tell(
        "They are moved to NEW001, each into one extent, and compared before the catalog is switched and the source is \
         scratched:",
    );
    let state = file("state");
    let words = ["migrate", "DEMO.**", "--volume", &old, "--target", &new, "--catalog", &system];
    story.act(migrate::run, &[&words[..], &["--verify", "--yes", "--state", &state]].concat())?;
    story.tell(
        "NEW001 has them now, the catalog says so, OLD001 has its space back, and all is sound:",
    );
    story.act(vtoc::run, &["vtoc", "--extents", &new])?;
    story.act(catalog::run, &["catalog", &system, "DEMO.**"])?;
    story.act(check::run, &["check", "--tracks", "all", &system, &old, &new])?;
    story.tell("A copy of OLD001 from before the move proves that every track arrived:");
    story.act(verify::run, &["verify", "DEMO.**", "--volume", &before, "--target", &new])?;
    story.tell(&format!(
        "Look at the result with the commands above, or with the emulator's tools: dasdls {new}\n\
         What happened, with times, is in {state}/events.log. Remove {} when you are done.",
        folder.display()
    ));
    Ok(json!({}))
}
