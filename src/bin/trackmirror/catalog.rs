//! `trackmirror catalog`: what the catalog on a volume says.

use crate::output::{Answer, Table, count};
use serde_json::{Value, json};
use std::path::PathBuf;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::geometry::DEVICES;
use trackmirror::volume::{Access, open};
use trackmirror::{DsMask, Error, Reason, Result};

const EXAMPLES: &str = "\
Examples:
  trackmirror catalog VOL001.ckd
  trackmirror catalog VOL001.ckd 'TEST.**'

The catalog is SYSCTLG (a CVOL). In a mask, * is one qualifier or a part of one, ** any number of qualifiers, % one
character.";

/// List the catalog on a volume
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The image of the volume with the catalog
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// List only the names that this mask selects
    #[arg(default_value = "**")]
    mask: DsMask,
}

/// Lists the catalog.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let volume = open(&arguments.file, Access::Read)?;
    let volser = volume.volser();
    let catalog = CvolCatalog::find_on(volume)?.ok_or_else(|| {
        Error::new(Reason::NoCatalog, "the volume has no SYSCTLG; name the one that has it")
            .on_volume(volser)
    })?;
    let entries = catalog.list(&arguments.mask)?;
    let mut table = Table::new(&["DATA SET", "VOLUMES", "UNIT"]);
    for entry in &entries {
        let volsers = entry.volumes.iter().map(|volume| volume.volser.to_string());
        let unit = entry.volumes.first().map(unit_name).unwrap_or_default();
        table.row(vec![entry.name.to_string(), volsers.collect::<Vec<_>>().join(","), unit]);
    }
    let entry_count = count(entries.len() as u64, "data set");
    let listed = if table.is_empty() { String::new() } else { table.to_string() };
    let text = format!("{listed}{entry_count} in {}\n", catalog.name());
    let values: Vec<Value> = entries.iter().map(entry_value).collect();
    Ok(Answer::done(text, json!({ "catalog": catalog.name(), "data_sets": values })))
}

/// The device type, or the unit type's bytes where the table does not know them.
fn unit_name(volume: &CatalogVolume) -> String {
    let device = DEVICES.iter().find(|device| device.unit_type() == volume.unit_type);
    device.map_or_else(
        || format!("X'{:08X}'", u32::from_be_bytes(volume.unit_type)),
        |device| device.type_name().to_string(),
    )
}

fn entry_value(entry: &CatalogEntry) -> Value {
    let volumes = entry
        .volumes
        .iter()
        .map(|volume| json!({ "volser": volume.volser.to_string(), "unit": unit_name(volume) }));
    json!({ "name": entry.name.to_string(), "volumes": volumes.collect::<Vec<_>>() })
}
