//! Where data sets lie: found as a program finds them, through the catalogs, else through the VTOCs.

use super::stamp::Shape;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trackmirror::catalog::Catalog;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::MonitoredVolume;
use trackmirror::volume::{self, Access, Volume};
use trackmirror::vtoc::{DataSetDscbs, Vtoc};
use trackmirror::{DsName, Error, Reason, Result, Volser};

/// The images that data sets may lie on, and those of further volumes with catalogs.
#[derive(clap::Args, Clone, Debug)]
pub struct Files {
    /// The images of the volumes that the data sets may lie on, before and after a move
    #[arg(long = "volume", required = true, num_args = 1.., value_name = "FILE")]
    pub volumes: Vec<PathBuf>,
    /// Images of further volumes with catalogs; where no catalog names a data set the VTOCs are searched
    #[arg(long = "catalog", num_args = 1.., value_name = "FILE")]
    pub catalogs: Vec<PathBuf>,
    /// Read and write them past every cache of this machine (O_DIRECT), since other machines write them too
    #[arg(long)]
    pub direct: bool,
}

/// A data set, and where it lies.
#[derive(Clone, Debug)]
pub struct Located {
    pub name: DsName,
    pub shape: Shape,
    /// Its extents in order, with their volumes' images.
    pub extents: Vec<(PathBuf, Volser, Extent)>,
}

impl Located {
    /// How many tracks it has.
    pub fn track_count(&self) -> u32 {
        self.extents.iter().map(|(_, _, extent)| extent.track_count).sum()
    }

    /// Where the tracks from `track` on lie, at most `count` of them, as far as they are neighbours.
    pub fn run(&self, track: u32, count: u32) -> Option<(usize, Extent)> {
        let mut first = 0;
        for (index, (_, _, extent)) in self.extents.iter().enumerate() {
            let within = track - first;
            if within < extent.track_count {
                let count = count.min(extent.track_count - within);
                return Some((index, Extent::new(extent.first.plus(within), count)));
            }
            first += extent.track_count;
        }
        None
    }

    /// Volume and address of a track.
    pub fn track(&self, track: u32) -> Option<(Volser, Track)> {
        let (index, run) = self.run(track, 1)?;
        Some((self.extents[index].1, run.first))
    }

    /// The place as text: `OLD001:15+20 OLD001:60+7`.
    pub fn place(&self) -> String {
        let extents = self.extents.iter().map(|(_, volser, extent)| {
            format!("{volser}:{}+{}", extent.first.0, extent.track_count)
        });
        extents.collect::<Vec<_>>().join(" ")
    }
}

/// The extents of a place that was written as text.
pub fn read_place(text: &str) -> Option<Vec<(Volser, Extent)>> {
    let extents = text.split_whitespace().map(|extent| {
        let (volser, run) = extent.split_once(':')?;
        let (first, count) = run.split_once('+')?;
        let extent = Extent::new(Track(first.parse().ok()?), count.parse().ok()?);
        Some((volser.parse().ok()?, extent))
    });
    extents.collect()
}

/// The volumes that could be read just now.
struct Readable {
    volumes: BTreeMap<Volser, (PathBuf, Arc<dyn Volume>)>,
    catalogs: Vec<CvolCatalog>,
    /// Why the others could not.
    failure: Option<Error>,
}

impl Files {
    /// Finds data sets.
    ///
    /// Errors: [`Reason::NameNotFound`], [`Reason::VolumeInUse`] if a volume that may hold one cannot be read now, and
    /// those of reading.
    pub fn locate(&self, names: &[DsName]) -> Result<Vec<Located>> {
        let readable = self.open()?;
        names.iter().map(|name| readable.locate(name)).collect()
    }

    /// The volumes that a catalog names for a data set, in words, if one does.
    pub fn locate_cataloged(&self, name: &DsName) -> Result<Option<String>> {
        let volsers = self.open()?.cataloged(name)?;
        let text = |volser: Volser| volser.to_string();
        Ok(volsers.map(|on| on.into_iter().map(text).collect::<Vec<_>>().join(", ")))
    }

    /// The volumes that can be read now.
    pub fn readable(&self) -> Result<BTreeMap<Volser, Arc<dyn Volume>>> {
        let volumes = self.open()?.volumes.into_iter();
        Ok(volumes.map(|(volser, (_, volume))| (volser, volume)).collect())
    }

    /// Opens one volume as it is to be read and written.
    pub fn open_volume(&self, path: &Path, access: Access) -> Result<Arc<dyn Volume>> {
        if self.direct {
            return volume::open_past_caches(path, access);
        }
        volume::open(path, access)
    }

    /// Becomes an image on a volume.
    pub fn become_image(&self, path: &Path, image: &str) -> Result<MonitoredVolume> {
        if self.direct {
            return MonitoredVolume::open_past_caches(path, image);
        }
        MonitoredVolume::open(path, image)
    }

    fn open(&self) -> Result<Readable> {
        let mut readable =
            Readable { volumes: BTreeMap::new(), catalogs: Vec::new(), failure: None };
        for path in self.volumes.iter().chain(&self.catalogs) {
            let volume = match self.open_volume(path, Access::Read) {
                Ok(volume) => volume,
                Err(error) if error.reason() == Reason::VolumeInUse => {
                    readable.failure = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            readable.catalogs.extend(CvolCatalog::find_on(volume.clone())?);
            readable.volumes.insert(volume.volser(), (path.clone(), volume));
        }
        Ok(readable)
    }
}

impl Readable {
    fn locate(&self, name: &DsName) -> Result<Located> {
        let mut parts = Vec::new();
        if let Some(volsers) = self.cataloged(name)? {
            for volser in volsers {
                let missing = || self.missing(name, &format!("the catalog says {volser}"));
                let (path, volume) = self.volumes.get(&volser).ok_or_else(missing)?;
                let part = Vtoc::read(&**volume)?.find(name)?.ok_or_else(missing)?;
                parts.push((path.clone(), volume, part));
            }
        } else {
            for (path, volume) in self.volumes.values() {
                let part = Vtoc::read(&**volume)?.find(name)?;
                parts.extend(part.map(|part| (path.clone(), volume, part)));
            }
            parts.sort_by_key(|(_, _, part)| part.format1.volume_sequence());
            let sequence = |part: &DataSetDscbs| part.format1.volume_sequence();
            if parts.windows(2).any(|pair| sequence(&pair[0].2) == sequence(&pair[1].2)) {
                let why = "several volumes have it, and no catalog says which one counts";
                return Err(Error::new(Reason::CatalogMismatch, why).of_data_set(*name));
            }
        }
        let Some((_, volume, part)) = parts.first() else {
            return Err(self.missing(name, "no catalog has it"));
        };
        let shape = Shape::of(&part.format1, volume.geometry().device)?;
        let extents = parts.iter().flat_map(|(path, volume, part)| {
            part.extents.iter().map(|&extent| (path.clone(), volume.volser(), extent))
        });
        Ok(Located { name: *name, shape, extents: extents.collect() })
    }

    /// The volumes that a catalog names.
    fn cataloged(&self, name: &DsName) -> Result<Option<Vec<Volser>>> {
        for catalog in &self.catalogs {
            if let Some(entry) = catalog.locate(name)? {
                return Ok(Some(entry.volumes.iter().map(|volume| volume.volser).collect()));
            }
        }
        Ok(None)
    }

    fn missing(&self, name: &DsName, why: &str) -> Error {
        let error = match &self.failure {
            Some(failure) => Error::new(failure.reason(), failure.sentence()),
            None => {
                let why = format!("{why}, and it is not there; give its volume and its catalog");
                Error::new(Reason::NameNotFound, why)
            }
        };
        error.of_data_set(*name)
    }
}
