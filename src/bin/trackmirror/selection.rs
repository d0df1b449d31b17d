//! Which data sets, on which volumes, to which volumes: the arguments that several verbs share, and the opened volumes.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::{Path, PathBuf};
use trackmirror::host::Host;
use trackmirror::plan::Mode;
use trackmirror::volume::{Access, open_all};
use trackmirror::{DsMask, Error, Reason, Result, Volser};

/// What is selected.
#[derive(clap::Args)]
pub struct Sources {
    /// Names or masks, before --volume (* is a qualifier or a part of one, ** any number of them, % a character)
    #[arg(required = true, value_name = "MASK")]
    pub masks: Vec<DsMask>,
    /// The images of the volumes that the data sets are on
    #[arg(long = "volume", required = true, num_args = 1.., value_name = "FILE")]
    pub volumes: Vec<PathBuf>,
    /// Images of further volumes with catalogs (those of sources and targets are used anyway)
    #[arg(long = "catalog", num_args = 1.., value_name = "FILE")]
    pub catalogs: Vec<PathBuf>,
    /// Allow data sets that no catalog names
    #[arg(long)]
    pub uncataloged: bool,
}

/// Where it goes.
#[derive(clap::Args)]
pub struct Targets {
    /// The images of the volumes that the data sets may go to
    #[arg(long = "target", required = true, num_args = 1.., value_name = "FILE")]
    pub targets: Vec<PathBuf>,
    /// How the target's space is chosen: one-primary (default), extent-for-extent or best-fit
    #[arg(long, default_value_t = Mode::OnePrimary, value_parser = mode_parser())]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub mode: Mode,
    /// How much more space than its source each target gets, for one that grows meanwhile
    #[arg(long, value_name = "PERCENT", default_value_t = 0, hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub slack: u32,
    /// Move the others if some data sets are refused
    #[arg(long)]
    pub skip_refused: bool,
}

fn mode_parser() -> impl TypedValueParser<Value = Mode> {
    let names = Mode::ALL.map(|(_, name)| name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Mode>())
}

/// The opened volumes, and which of them are what.
pub struct Opened {
    /// All of them, with their space managers and catalogs.
    pub host: Host,
    /// Those that the data sets are on.
    pub sources: Vec<Volser>,
    /// Those that they may go to.
    pub targets: Vec<Volser>,
    /// The images, each once, by the names that lead to them from everywhere.
    pub files: Vec<PathBuf>,
}

/// Which images are what, each by the name that leads to it from everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Those that the data sets are on.
    pub sources: Vec<PathBuf>,
    /// Those that they may go to.
    pub targets: Vec<PathBuf>,
    /// Further ones with catalogs.
    pub catalogs: Vec<PathBuf>,
}

impl Roles {
    /// What was given. One image may have several roles, but none of them twice.
    pub fn new(sources: &Sources, targets: Option<&Targets>) -> Result<Roles> {
        Ok(Roles {
            sources: real_paths(&sources.volumes)?,
            targets: real_paths(targets.map_or(&[], |targets| &targets.targets))?,
            catalogs: real_paths(&sources.catalogs)?,
        })
    }

    /// All images, each once.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        for path in self.sources.iter().chain(&self.targets).chain(&self.catalogs) {
            if !files.contains(path) {
                files.push(path.clone());
            }
        }
        files
    }
}

/// The names of images that lead to them from everywhere; none may be given twice.
fn real_paths(files: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for file in files {
        let path =
            std::fs::canonicalize(file).map_err(|error| Error::io(file.display(), &error))?;
        if paths.contains(&path) {
            return Err(Error::new(
                Reason::SameFileTwice,
                format!("{} is given twice", file.display()),
            ));
        }
        paths.push(path);
    }
    Ok(paths)
}

/// Opens sources, targets and catalogs. One image may have several of these roles.
pub fn open(sources: &Sources, targets: Option<&Targets>, access: Access) -> Result<Opened> {
    open_roles(&Roles::new(sources, targets)?, access)
}

/// Opens images in their roles.
pub fn open_roles(roles: &Roles, access: Access) -> Result<Opened> {
    let files = roles.files();
    let volumes = open_all(&files, access)?;
    let volser = |path: &PathBuf| {
        files.iter().position(|file| file == path).map(|index| volumes[index].volser())
    };
    let (source_volsers, target_volsers) = (
        roles.sources.iter().filter_map(volser).collect(),
        roles.targets.iter().filter_map(volser).collect(),
    );
    Ok(Opened {
        host: Host::of_volumes(volumes)?,
        sources: source_volsers,
        targets: target_volsers,
        files,
    })
}

/// Opens images again that were opened before.
pub fn reopen<P: AsRef<Path>>(files: &[P], access: Access) -> Result<Host> {
    Host::of_volumes(open_all(files, access)?)
}
