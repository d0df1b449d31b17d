//! `trackmirror vtoc`: what an administrator knows from a listing of the VTOC.

use crate::attributes::{date, dsorg, recfm, secondary, space_unit, used_track_count};
use crate::check::note_value;
use crate::output::{Answer, Table, count, error_value, extent_value, limits, size};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use trackmirror::registry::{Note, read_notes};
use trackmirror::volume::{Access, Volume, open_all};
use trackmirror::vtoc::{DataSetDscbs, FreeSpace, Vtoc};
use trackmirror::{DsMask, DsName, Error, Result};

const EXAMPLES: &str = "\
Examples:
  trackmirror vtoc VOL001.ckd
  trackmirror vtoc --extents --mask 'TEST.**' VOL001.ckd VOL002.cckd
  trackmirror vtoc --json VOL001.ckd | jq '.result.volumes[0].free'

UNIT and SECONDARY are how space was requested: in cylinders, tracks, blocks or at absolute tracks, and with which
secondary quantity.
USED% is what the last-used pointer says, for sequential and partitioned data sets. SEQ is the number of the volume
among the volumes of the data set. Code 4: a data set's DSCBs do not check, see `trackmirror check`.";

/// List the data sets of volumes, their attributes and extents, and the free space
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The volume images
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// List only the data sets that this mask selects
    #[arg(long)]
    mask: Option<DsMask>,
    /// Show first and last address of each extent
    #[arg(long)]
    extents: bool,
}

/// The table's columns; the last one only on request.
const HEAD: &[&str] = &[
    "DATA SET",
    ">SEQ",
    "DSORG",
    "RECFM",
    ">LRECL",
    ">BLKSIZE",
    ">KEYLEN",
    "CREATED",
    "EXPIRES",
    ">EXTENTS",
    ">TRACKS",
    ">USED%",
    "UNIT",
    ">SECONDARY",
    "ADDRESSES",
];

/// Lists the volumes.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let (mut text, mut values, mut damaged) = (String::new(), Vec::new(), false);
    for volume in open_all(&arguments.files, Access::Read)? {
        let listing = Listing::read(volume.as_ref(), arguments.mask.as_ref())?;
        if !text.is_empty() {
            text.push('\n');
        }
        text += &listing.text(arguments.extents);
        values.push(listing.value());
        damaged |= listing.is_damaged();
    }
    Ok(Answer::with_remarks(damaged, text, json!({ "volumes": values })))
}

/// What is listed of one volume.
struct Listing {
    location: String,
    vtoc: Vtoc,
    data_sets: Vec<(DsName, Result<DataSetDscbs>)>,
    free: Result<FreeSpace>,
    /// Migrations of it that are not finished.
    notes: Vec<Note>,
}

impl Listing {
    fn read(volume: &dyn Volume, mask: Option<&DsMask>) -> Result<Listing> {
        let vtoc = Vtoc::read(volume)?;
        let selected = |name: &DsName| mask.is_none_or(|mask| mask.matches(name));
        let mut data_sets: Vec<_> = vtoc.data_sets().filter(|(name, _)| selected(name)).collect();
        data_sets.sort_by_key(|(name, _)| *name);
        let free = FreeSpace::of(&vtoc);
        let notes = volume.path().map(read_notes).transpose()?.unwrap_or_default();
        Ok(Listing { location: volume.location(), vtoc, data_sets, free, notes })
    }

    fn is_damaged(&self) -> bool {
        self.free.is_err() || self.data_sets.iter().any(|(_, data_set)| data_set.is_err())
    }

    fn free_dscb_count(&self) -> usize {
        self.vtoc.dscbs.iter().filter(|(_, dscb)| dscb.is_free()).count()
    }

    /// Free space as IEHLIST has it: cylinders that are free as a whole, and the tracks besides.
    fn empty(&self, free: &FreeSpace) -> (u32, u32) {
        let whole: u32 = free.aligned_runs().map(|run| run.track_count).sum();
        (whole / u32::from(self.vtoc.geometry.heads()), free.track_count() - whole)
    }

    fn text(&self, extents: bool) -> String {
        let geometry = &self.vtoc.geometry;
        let mut text = format!(
            "Volume {}, {}, {} of {}, in {}\nVTOC at {}, {}, {}\n",
            self.vtoc.volser,
            geometry.device.name,
            count(geometry.cylinders, "cylinder"),
            count(geometry.heads(), "track"),
            self.location,
            limits(self.vtoc.extent, geometry),
            count(self.vtoc.extent.track_count, "track"),
            count(self.vtoc.dscbs.len() as u64, "DSCB"),
        );
        for note in &self.notes {
            writeln!(text, "unfinished migration: {note}").expect("a string takes everything");
        }
        if self.data_sets.is_empty() {
            text.push_str("\nno data sets\n");
        } else {
            write!(text, "\n{}", self.table(extents)).expect("a string takes everything");
        }
        for (name, data_set) in &self.data_sets {
            if let Err(error) = data_set {
                writeln!(text, "{name}: {error}").expect("a string takes everything");
            }
        }
        text.push('\n');
        text + &self.free_text()
    }

    fn table(&self, extents: bool) -> Table {
        let mut table = Table::new(if extents { HEAD } else { &HEAD[..HEAD.len() - 1] });
        for (name, data_set) in &self.data_sets {
            let Ok(data_set) = data_set else { continue };
            let (f1, tracks) = (&data_set.format1, data_set.track_count());
            let used = used_track_count(f1).map_or("-".into(), |used| percent(used, tracks));
            let mut addresses = data_set.extents.iter().map(|&e| limits(e, &self.vtoc.geometry));
            let mut cells = vec![
                name.to_string(),
                f1.volume_sequence().to_string(),
                dsorg(f1.dsorg()),
                recfm(f1.recfm()),
                f1.lrecl().to_string(),
                f1.blksize().to_string(),
                f1.keyl().to_string(),
                date(f1.creation_date()),
                date(f1.expiration_date()),
                data_set.extents.len().to_string(),
                tracks.to_string(),
                used,
                space_unit(f1.scal1()).to_string(),
                secondary(f1).to_string(),
            ];
            if extents {
                cells.extend(addresses.next());
            }
            table.row(cells);
            if extents {
                // Further extents stand below the first one, in a line of their own.
                addresses.for_each(|address| {
                    let mut cells = vec![String::new(); HEAD.len() - 1];
                    cells.push(address);
                    table.row(cells);
                });
            }
        }
        table
    }

    fn free_text(&self) -> String {
        let heads = self.vtoc.geometry.heads();
        let space = match &self.free {
            Err(error) => format!("Free space: {error}\n"),
            Ok(free) => {
                let (cylinders, tracks) = self.empty(free);
                let largest = free.largest().map_or(String::new(), |run| {
                    let place = self.vtoc.geometry.cchh(run.first);
                    format!("; the largest area is {} at {place}", size(run.track_count, heads))
                });
                format!(
                    "Free space: {} and {} in {}{largest}\n",
                    count(cylinders, "cylinder"),
                    count(tracks, "track"),
                    count(free.runs().len() as u64, "area"),
                )
            }
        };
        format!("{space}Free DSCBs: {}\n", self.free_dscb_count())
    }

    fn value(&self) -> Value {
        let geometry = &self.vtoc.geometry;
        let free = match &self.free {
            Err(error) => json!({ "error": error_value(error) }),
            Ok(free) => {
                let (cylinders, tracks) = self.empty(free);
                let areas: Vec<Value> =
                    free.runs().iter().map(|&run| extent_value(run, geometry)).collect();
                json!({
                    "track_count": free.track_count(), "cylinders": cylinders, "tracks": tracks,
                    "areas": areas,
                })
            }
        };
        json!({
            "volser": self.vtoc.volser.to_string(),
            "location": self.location,
            "device": geometry.device.name,
            "cylinders": geometry.cylinders,
            "heads": geometry.heads(),
            "vtoc": extent_value(self.vtoc.extent, geometry),
            "dscb_count": self.vtoc.dscbs.len(),
            "free_dscb_count": self.free_dscb_count(),
            "data_sets": self.data_sets.iter().map(|(name, data_set)| match data_set {
                Ok(data_set) => self.data_set_value(name, data_set),
                Err(error) => error_of(name, error),
            }).collect::<Vec<Value>>(),
            "free": free,
            "unfinished_migrations": self.notes.iter().map(note_value).collect::<Vec<Value>>(),
        })
    }

    fn data_set_value(&self, name: &DsName, data_set: &DataSetDscbs) -> Value {
        let f1 = &data_set.format1;
        let extents = data_set.extents.iter();
        let day = |bytes: [u8; 3]| (bytes != [0; 3]).then(|| date(bytes));
        json!({
            "name": name.to_string(),
            "volume_sequence": f1.volume_sequence(),
            "first_volser": f1.first_volser().to_string(),
            "dsorg": dsorg(f1.dsorg()),
            "recfm": recfm(f1.recfm()),
            "lrecl": f1.lrecl(),
            "blksize": f1.blksize(),
            "key_length": f1.keyl(),
            "created": day(f1.creation_date()),
            "expires": day(f1.expiration_date()),
            "space_unit": space_unit(f1.scal1()),
            "secondary_quantity": secondary(f1),
            "track_count": data_set.track_count(),
            "used_track_count": used_track_count(f1),
            "extents": extents.map(|&e| extent_value(e, &self.vtoc.geometry)).collect::<Vec<_>>(),
        })
    }
}

fn error_of(name: &DsName, error: &Error) -> Value {
    json!({ "name": name.to_string(), "error": error_value(error) })
}

/// Used tracks of allocated ones; a data set that uses anything uses at least one percent.
fn percent(used: u32, allocated: u32) -> String {
    match (used, allocated) {
        (_, 0) => "-".into(),
        (0, _) => "0".into(),
        _ => (u64::from(used) * 100 / u64::from(allocated)).clamp(1, 100).to_string(),
    }
}
