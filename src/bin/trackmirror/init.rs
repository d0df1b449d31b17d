//! `trackmirror init`: a new, empty volume.

use crate::host_space;
use crate::output::{Answer, count, limits};
use serde_json::json;
use std::path::PathBuf;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::vtoc::init::{default_vtoc, initialize};
use trackmirror::{Error, Reason, Result, Volser};

const EXAMPLES: &str = "\
Examples:
  trackmirror init VOL001.ckd --device 3390-3 --volser VOL001
  trackmirror init SMALL1.ckd --device 3330 --cylinders 50 --volser SMALL1 --vtoc-tracks 5

A type without a model (3390) is its first model (3390-1). The image is sparse, readable by Hercules, and for its owner
only. A file that exists is never overwritten.";

/// Make a new image with label and VTOC, and nothing on it
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The image to be made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The device type, with or without its model
    #[arg(long, value_parser = Device::named)]
    device: &'static Device,
    /// Cylinders, if not those of the model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cylinders: Option<u32>,
    /// The volume serial
    #[arg(long, value_parser = Volser::parse)]
    volser: Volser,
    /// Tracks of the VTOC, which begins at track 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    vtoc_tracks: Option<u32>,
    /// The owner's name in the label
    #[arg(long, default_value = "")]
    owner: String,
    /// Say what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
}

/// Makes the volume.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let device = arguments.device;
    let cylinders = arguments.cylinders.unwrap_or(device.cylinders);
    if cylinders > u32::MAX / u32::from(device.heads) {
        return Err(Error::new(
            Reason::BadRequest,
            format!("{cylinders} cylinders are more than any volume has"),
        ));
    }
    let geometry = Geometry { device, cylinders, slot_size: device.slot_size() };
    let vtoc = arguments
        .vtoc_tracks
        .map_or_else(|| default_vtoc(&geometry), |tracks| Extent::new(Track(1), tracks));
    host_space::check_new_image(&arguments.file, geometry.track_count())?;
    if !arguments.dry_run {
        make(arguments, geometry, vtoc)?;
    } else if arguments.file.exists() {
        return Err(Error::new(
            Reason::FileExists,
            format!("{} exists; give another name", arguments.file.display()),
        ));
    }
    let text = format!(
        "{}volume {} in {}: {}, {} of {}, VTOC at {}\n",
        if arguments.dry_run { "would make " } else { "made " },
        arguments.volser,
        arguments.file.display(),
        device.name,
        count(cylinders, "cylinder"),
        count(device.heads, "track"),
        limits(vtoc, &geometry),
    );
    let value = json!({
        "volser": arguments.volser.to_string(),
        "location": arguments.file,
        "device": device.name,
        "cylinders": cylinders,
        "heads": device.heads,
        "made": !arguments.dry_run,
    });
    Ok(Answer::done(text, value))
}

/// Makes the image, or leaves no file behind.
fn make(arguments: &Arguments, geometry: Geometry, vtoc: Extent) -> Result<()> {
    let volume = CkdVolume::create(&arguments.file, geometry, arguments.volser)?;
    let made = initialize(&volume, arguments.volser, Some(vtoc), &arguments.owner);
    if made.is_err() {
        std::fs::remove_file(&arguments.file)
            .map_err(|error| Error::io(arguments.file.display(), &error))?;
    }
    made
}
