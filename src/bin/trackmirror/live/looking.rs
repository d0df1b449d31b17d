//! The same for those who only look: nothing is made, marked, asked or removed.

use super::{Commands, LiveOptions, closing, volser_of};
use crate::selection::{Opened, Roles};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::Arc;
use trackmirror::enqueue::{AllOf, Enqueue, Opener};
use trackmirror::host::{Host, Live};
use trackmirror::monitor::Area;
use trackmirror::operator::{CommandEnqueue, OperatorCommand};
use trackmirror::registry::openers::Openers;
use trackmirror::volume::{Access, open_all};
use trackmirror::{DsName, Result, Volser};

/// Whoever has data sets open by the registry of openers, as it is now.
#[derive(Debug)]
struct Seen(Openers);

impl Enqueue for Seen {
    fn ask_to_close(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        Ok(())
    }
    fn is_closed(&self, data_sets: &[DsName], _: &[Volser]) -> Result<Vec<Opener>> {
        self.0.openers_seen(data_sets)
    }
    fn hold(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        Ok(())
    }
    fn release(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        Ok(())
    }
}

/// One of the operator's commands, and whether there is such a program; `None` if only its shell could tell.
pub struct Known {
    /// What it is for.
    pub role: String,
    /// The command.
    pub command: String,
    /// Whether it was found.
    pub is_found: Option<bool>,
}

impl LiveOptions {
    /// Opens everything to be looked at. A source volume that no program with a monitor has written yet has no area.
    pub fn open_to_look(&self, roles: &Roles) -> Result<Opened> {
        let files = roles.files();
        let volsers = self.volsers(roles, &files)?;
        let mut host = Host::of_volumes(open_all(&files, Access::Read)?)?;
        self.delegate(&mut host)?;
        let (mut areas, mut images) = (BTreeMap::new(), BTreeMap::new());
        for path in &roles.sources {
            let volser = volser_of(&files, &volsers, path);
            if let Some(area) = Area::existing(&*host.volumes[&volser])? {
                areas.insert(volser, area);
            }
            let mut names: BTreeSet<String> = self.images.iter().cloned().collect();
            names.extend(super::expected_images(path)?);
            images.insert(volser, names.into_iter().collect());
        }
        let enqueue = self.look_only(&host, &areas)?;
        let host = host.monitored_by(Live { areas, images, enqueue, machines: Vec::new() });
        let of = |paths: &[std::path::PathBuf]| -> Vec<Volser> {
            paths.iter().map(|path| volser_of(&files, &volsers, path)).collect()
        };
        let (sources, targets) = (of(&roles.sources), of(&roles.targets));
        Ok(Opened { host, sources, targets, files, volsers })
    }

    /// Everybody who can tell what is open: they are asked nothing else.
    fn look_only(&self, host: &Host, areas: &BTreeMap<Volser, Area>) -> Result<Arc<dyn Enqueue>> {
        let mut all: Vec<Arc<dyn Enqueue>> = Vec::new();
        all.extend(Openers::existing()?.map(|openers| Arc::new(Seen(openers)) as Arc<dyn Enqueue>));
        for (volser, command) in &self.guests {
            let command = OperatorCommand::new(command);
            all.push(Arc::new(CommandEnqueue::of_system(&command, &[*volser])));
        }
        let Commands { is_closed, .. } = &self.commands;
        match is_closed {
            Some(command) => all.push(Arc::new(CommandEnqueue {
                volumes: Vec::new(),
                ask_to_close: None,
                is_closed: Some(OperatorCommand::new(command)),
                hold: None,
                release: None,
            })),
            None => {
                let silent = areas.iter().filter(|(on, _)| !self.guests.contains_key(on));
                let path = |volser| Some(host.volumes.get(volser)?.path()?.to_path_buf());
                let volumes =
                    silent.filter_map(|(on, area)| Some((path(on)?, area.clone()))).collect();
                all.push(Arc::new(trackmirror::untold::UntoldPrograms {
                    volumes,
                    advice: closing::ADVICE,
                }));
            }
        }
        Ok(Arc::new(AllOf(all)))
    }

    /// The operator's commands, and whether there are such programs.
    pub fn known_commands(&self) -> Vec<Known> {
        let Commands { ask_close, is_closed, hold, release } = &self.commands;
        let roles = [
            ("--ask-close", ask_close),
            ("--is-closed", is_closed),
            ("--hold", hold),
            ("--release", release),
        ];
        let named = roles
            .into_iter()
            .filter_map(|(role, command)| Some((role.to_string(), command.as_ref()?)));
        let guests =
            self.guests.iter().map(|(volser, command)| (format!("--guest {volser}"), command));
        let known = |(role, command): (String, &String)| Known {
            role,
            command: command.clone(),
            is_found: is_found(command),
        };
        named.chain(guests).map(known).collect()
    }
}

/// Whether the shell knows the first word of a command; `None` if that is no plain word.
fn is_found(command: &str) -> Option<bool> {
    let word = command.split_whitespace().next()?;
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    if !is_plain {
        return None;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "command -v -- \"$1\"", "sh", word]);
    let status = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.ok().map(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_their_first_word() {
        assert_eq!(is_found("true and more"), Some(true));
        assert_eq!(is_found("/no/such/program x"), Some(false));
        assert_eq!(is_found("A=b true"), None);
        assert_eq!(is_found("(true)"), None);
    }
}
