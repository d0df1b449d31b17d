//! `trackmirror verify`: whether two copies of data sets are equal, track by track, addresses aside.

use crate::attributes::{dsorg, recfm};
use crate::output::{Answer, count};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use trackmirror::copy::Volumes;
use trackmirror::geometry::Extent;
use trackmirror::translate::TranslateTable;
use trackmirror::verify::verify;
use trackmirror::volume::{Access, Volume, open_all};
use trackmirror::vtoc::{DataSetDscbs, Vtoc};
use trackmirror::{Code, DsMask, DsName, Error, Reason, Result, Volser};

const EXAMPLES: &str = "\
Examples:
  trackmirror verify 'TEST.**' --volume OLD001.ckd --target NEW001.ckd
  trackmirror verify PROD.MASTER --volume A.ckd B.ckd --target C.ckd --threads 4

Every data set of the source volumes that the mask selects is compared with the one of the same name on the target
volumes: attributes, and each track with its records, wherever it lies. A source that was kept is found by its new name,
TEST.DATA.OLDCOPY, and compared with TEST.DATA. Nothing is changed. Code 8: they differ.";

/// Compare two copies of data sets track by track, addresses aside
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trackmirror verify [OPTIONS] <MASK> --volume <FILE>... --target <FILE>...")]
pub struct Arguments {
    /// Which data sets
    #[arg(value_name = "MASK")]
    mask: DsMask,
    /// The images of the source volumes
    #[arg(long = "volume", required = true, num_args = 1.., value_name = "FILE")]
    volumes: Vec<PathBuf>,
    /// The images of the target volumes
    #[arg(long = "target", required = true, num_args = 1.., value_name = "FILE")]
    targets: Vec<PathBuf>,
    /// How many threads compare
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
}

/// Volumes and what their VTOCs say.
struct Side {
    volumes: Volumes,
    vtocs: Vec<Vtoc>,
}

/// One part of a data set for each of its volumes, in order.
type Parts = Vec<(Volser, DataSetDscbs)>;

impl Side {
    fn read(volumes: &[Arc<dyn Volume>]) -> Result<Side> {
        let vtocs = volumes.iter().map(|volume| Vtoc::read(volume.as_ref()));
        Ok(Side {
            vtocs: vtocs.collect::<Result<_>>()?,
            volumes: volumes.iter().map(|volume| (volume.volser(), volume.clone())).collect(),
        })
    }

    fn names(&self, mask: &DsMask) -> BTreeSet<DsName> {
        let names = self.vtocs.iter().flat_map(|vtoc| vtoc.data_sets().map(|(name, _)| name));
        names.filter(|name| mask.matches(name)).collect()
    }

    fn parts(&self, name: &DsName) -> Result<Parts> {
        let mut parts = Parts::new();
        for vtoc in &self.vtocs {
            parts.extend(vtoc.find(name)?.map(|data_set| (vtoc.volser, data_set)));
        }
        parts.sort_by_key(|(_, data_set)| data_set.format1.volume_sequence());
        let sequence = |part: &(Volser, DataSetDscbs)| part.1.format1.volume_sequence();
        if parts.windows(2).any(|pair| sequence(&pair[0]) == sequence(&pair[1])) {
            return Err(Error::new(
                Reason::PartsInconsistent,
                "two of the volumes say that they hold the same part; give only those of one copy",
            )
            .of_data_set(*name));
        }
        Ok(parts)
    }
}

/// The name of the data set that this one was before it was kept beside its copy, unless that name was cut.
fn name_before_kept(name: &DsName) -> Option<DsName> {
    let name = name.to_string();
    let (before, last) = name.rsplit_once('.')?;
    let number = last.strip_prefix("OLDCOPY")?;
    let is_kept = number.bytes().all(|byte| byte.is_ascii_digit());
    if is_kept { before.parse().ok() } else { None }
}

fn extents(parts: &Parts) -> Vec<(Volser, Extent)> {
    let of_part = |(volser, data_set): &(Volser, DataSetDscbs)| {
        let volser = *volser;
        data_set.extents.iter().map(move |&extent| (volser, extent)).collect::<Vec<_>>()
    };
    parts.iter().flat_map(of_part).collect()
}

/// What a data set is, as far as a copy of it must be the same.
fn attributes(parts: &Parts) -> Option<String> {
    parts.first().map(|(_, data_set)| {
        let f1 = &data_set.format1;
        format!(
            "DSORG={} RECFM={} LRECL={} BLKSIZE={} KEYLEN={}",
            dsorg(f1.dsorg()),
            recfm(f1.recfm()),
            f1.lrecl(),
            f1.blksize(),
            f1.keyl()
        )
    })
}

/// The result for one data set.
struct Compared {
    name: DsName,
    /// Its name on the target volumes.
    with: DsName,
    track_count: u64,
    differing_tracks: u64,
    differences: Vec<String>,
}

impl Compared {
    fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }

    fn text(&self) -> String {
        let tracks = count(self.track_count, "track");
        let names = match self.with == self.name {
            true => self.name.to_string(),
            false => format!("{} and {}", self.name, self.with),
        };
        if self.is_equal() {
            return format!("equal    {names}: {tracks}\n");
        }
        let mut text = format!("UNEQUAL  {names}: {tracks} compared\n");
        self.differences.iter().for_each(|what| text += &format!("         {what}\n"));
        text
    }

    fn value(&self) -> Value {
        json!({
            "name": self.name.to_string(),
            "target_name": self.with.to_string(),
            "equal": self.is_equal(),
            "track_count": self.track_count,
            "differing_track_count": self.differing_tracks,
            "differences": self.differences,
        })
    }
}

fn compare(name: DsName, source: &Side, target: &Side, threads: usize) -> Result<Compared> {
    let (source_parts, mut target_parts) = (source.parts(&name)?, target.parts(&name)?);
    let mut compared =
        Compared { name, with: name, track_count: 0, differing_tracks: 0, differences: Vec::new() };
    if target_parts.is_empty()
        && let Some(before) = name_before_kept(&name)
    {
        (compared.with, target_parts) = (before, target.parts(&before)?);
    }
    if target_parts.is_empty() {
        compared.differences.push("it is not on the target volumes".into());
        return Ok(compared);
    }
    let (here, there) = (attributes(&source_parts), attributes(&target_parts));
    if here != there {
        let texts = (here.unwrap_or_default(), there.unwrap_or_default());
        compared.differences.push(format!("source: {}; target: {}", texts.0, texts.1));
    }
    let (source_extents, target_extents) = (extents(&source_parts), extents(&target_parts));
    let tracks = |extents: &[(Volser, Extent)]| -> u64 {
        extents.iter().map(|(_, extent)| u64::from(extent.track_count)).sum()
    };
    let (source_tracks, target_tracks) = (tracks(&source_extents), tracks(&target_extents));
    if source_tracks > target_tracks {
        compared.differences.push(format!(
            "the source has {}, the target only {target_tracks}",
            count(source_tracks, "track")
        ));
        return Ok(compared);
    }
    let table = TranslateTable::new(TranslateTable::map(&source_extents, &target_extents)?)?;
    let found = verify(&table, &source.volumes, &target.volumes, threads)?;
    compared.track_count = found.track_count;
    compared.differing_tracks = found.difference_count;
    for difference in &found.differences {
        let place = |volser: Volser, track, side: &Side| {
            let address = side.volumes.get(&volser).map(|volume| volume.geometry().cchh(track));
            format!("{volser} {}", address.map_or(String::new(), |cchh| cchh.to_string()))
        };
        compared.differences.push(format!(
            "{} and {}: {}",
            place(difference.source.0, difference.source.1, source),
            place(difference.target.0, difference.target.1, target),
            difference.what
        ));
    }
    let left_out = found.difference_count.saturating_sub(found.differences.len() as u64);
    if left_out > 0 {
        compared.differences.push(format!("and {} more", count(left_out, "track")));
    }
    Ok(compared)
}

/// Compares the data sets.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let files: Vec<PathBuf> = [&arguments.volumes[..], &arguments.targets[..]].concat();
    let opened = open_all(&files, Access::Read)?;
    let (sources, targets) = opened.split_at(arguments.volumes.len());
    let (source, target) = (Side::read(sources)?, Side::read(targets)?);
    let names = source.names(&arguments.mask);
    if names.is_empty() {
        return Err(Error::new(
            Reason::NothingSelected,
            format!(
                "the source volumes have no data set {}; one that was kept is named NAME.OLDCOPY",
                arguments.mask
            ),
        ));
    }
    let compared: Vec<Compared> = names
        .into_iter()
        .map(|name| compare(name, &source, &target, arguments.threads.into()))
        .collect::<Result<_>>()?;
    let unequal = compared.iter().filter(|one| !one.is_equal()).count();
    let mut text: String = compared.iter().map(Compared::text).collect();
    text += &format!("{} equal, {unequal} unequal\n", compared.len() - unequal);
    let json = json!({
        "equal": unequal == 0,
        "data_sets": compared.iter().map(Compared::value).collect::<Vec<_>>(),
    });
    let code = if unequal == 0 { Code::Done } else { Code::Refused };
    Ok(Answer { code, text, json })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_source_is_known_by_its_name() {
        let before = |name: &str| {
            let name = name.parse().unwrap();
            name_before_kept(&name).map(|name| name.to_string())
        };
        assert_eq!(before("A.B.OLDCOPY").as_deref(), Some("A.B"));
        assert_eq!(before("A.B.OLDCOPY2").as_deref(), Some("A.B"));
        for other in ["A.B", "OLDCOPY", "A.OLDCOPYX", "A.OLDCOPY.B"] {
            assert_eq!(before(other), None);
        }
    }
}
