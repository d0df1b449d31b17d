//! What a migration did, told at its end.

use crate::driver::Driver;
use crate::output::{Answer, count};
use crate::plan::{table, values};
use crate::progress::{duration, rate};
use serde_json::{Value, json};
use std::path::Path;
use trackmirror::copy::Volumes;
use trackmirror::migrate::Receipt;

/// What moved from where to where.
pub fn summary(driver: &Driver, volumes: &Volumes, folder: &Path) -> Answer {
    let (migration, work, request) = (&driver.migration, &driver.work, &driver.request);
    let plan = migration.plan();
    let mut text = table(&plan, volumes).to_string();
    for (data_set, kept) in plan.data_sets.iter().zip(migration.kept_as()) {
        if let Some(kept) = kept {
            text += &format!("{} is kept as {kept}\n", data_set.assessment.name);
        }
    }
    for (name, why) in &request.left_out {
        text += &format!("{name} was left where it is: {why}\n");
    }
    text += &format!(
        "\nmoved {}, {}, in {}; copied at {:.0} MB/s; the log is in {}\n",
        count(plan.data_sets.len() as u64, "data set"),
        count(plan.track_count(), "track"),
        duration(work.whole.as_secs_f64()),
        rate(work.progress.byte_count, work.copying),
        folder.display(),
    );
    let receipt = migration.receipt();
    if request.live.is_some() {
        text += &receipt_text(&receipt, driver.is_resumed());
    }
    for (name, digest) in &receipt.digests {
        text += &format!("the digest of {name} is {digest:08x}\n");
    }
    let kept: Vec<Option<String>> =
        migration.kept_as().iter().map(|kept| kept.map(|name| name.to_string())).collect();
    let left_out = request.left_out.iter().map(|(name, why)| json!({ "name": name, "why": why }));
    let json = json!({
        "state": migration.state().name(),
        "state_folder": folder.to_string_lossy(),
        "data_sets": values(&plan, volumes),
        "kept_as": kept,
        "left_out": left_out.collect::<Vec<_>>(),
        "copied_track_count": work.progress.copied_tracks,
        "copied_byte_count": work.progress.byte_count,
        "copying_ms": work.copying.as_millis() as u64,
        "whole_ms": work.whole.as_millis() as u64,
        "receipt": receipt_value(&receipt, driver.is_resumed()),
    });
    Answer::with_remarks(!request.left_out.is_empty(), text, json)
}

/// How it was moved while others wrote.
fn receipt_text(receipt: &Receipt, is_resumed: bool) -> String {
    let since = if is_resumed { " since it was resumed" } else { "" };
    let mut text = format!(
        "{} copied in {}{since}, {} of them again\n",
        count(receipt.copied_tracks, "track"),
        count(receipt.pass_count, "pass").replace("passs", "passes"),
        receipt.again_tracks,
    );
    if let Some(window_ms) = receipt.window_ms {
        let predicted = match receipt.predicted_ms {
            Some(ms) => format!(", {ms} ms were predicted"),
            None => String::new(),
        };
        text += &format!(
            "the window was {window_ms} ms{predicted}; {} copied in it; closed after {} ms\n",
            count(receipt.window_tracks, "track"),
            receipt.waited_ms.unwrap_or_default(),
        );
    }
    text
}

fn receipt_value(receipt: &Receipt, is_resumed: bool) -> Value {
    let digests = receipt.digests.iter();
    let digests = digests.map(
        |(name, digest)| json!({ "name": name.to_string(), "digest": format!("{digest:08x}") }),
    );
    json!({
        "resumed": is_resumed,
        "track_count": receipt.track_count,
        "pass_count": receipt.pass_count,
        "copied_tracks": receipt.copied_tracks,
        "again_tracks": receipt.again_tracks,
        "window_tracks": receipt.window_tracks,
        "predicted_ms": receipt.predicted_ms,
        "window_ms": receipt.window_ms,
        "waited_ms": receipt.waited_ms,
        "digests": digests.collect::<Vec<_>>(),
    })
}
