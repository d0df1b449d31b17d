//! Programs that nobody speaks for: they write a volume under a monitor, and tell nobody which data sets they have open.

use crate::enqueue::{Enqueue, Opener};
use crate::error::Result;
use crate::monitor::program::LivingProgram;
use crate::monitor::{Area, ImageReport};
use crate::name::{DsName, Volser};
use crate::volume::Holder;
use crate::volume::locks::{other_writers, who_has_open};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Programs that write a volume under a monitor and tell nobody what they have open.
///
/// One that was started by `trackmirror monitored` counts as an opener of every volume that it has ever written, as long as
/// it lives, or anything that it has started: a script that opens the volume anew for each write has it closed most of
/// the time, and writes to the old place when it opens it next. Any other counts as long as it has the volume open for
/// writing.
#[derive(Debug)]
pub struct UntoldPrograms {
    /// The volumes, by their image's (first) file, and their monitor areas.
    pub volumes: Vec<(PathBuf, Area)>,
    /// What else can be done than to end such a program, for messages: who could tell instead.
    pub advice: &'static str,
}

impl Enqueue for UntoldPrograms {
    fn ask_to_close(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        Ok(())
    }

    fn is_closed(&self, _: &[DsName], _: &[Volser]) -> Result<Vec<Opener>> {
        let mut openers = Vec::new();
        for (path, area) in &self.volumes {
            let mut known = BTreeSet::new();
            for program in area.living_programs()? {
                let parts = who_has_open(&program.path)?;
                openers.push(self.opener_of(&program, &parts, path));
                known.extend(parts.iter().map(|part| part.process));
            }
            // Who is not registered is refused elsewhere.
            let writers = other_writers(path)?.into_iter();
            for writer in writers.filter(|one| !known.contains(&one.process)) {
                if area.is_registered(&writer) {
                    openers.push(self.opener_by_itself(&writer, area, path));
                }
            }
        }
        openers.dedup();
        Ok(openers)
    }

    fn hold(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        Ok(())
    }

    fn release(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        Ok(())
    }
}

impl UntoldPrograms {
    /// Names the process that began it, or, if that has ended, one that it has left behind.
    fn opener_of(&self, program: &LivingProgram, parts: &[Holder], path: &Path) -> Opener {
        let began = parts.iter().find(|part| program.process == Some(part.process));
        let (name, process) = match (began, parts) {
            (Some(part), _) | (None, [part, ..]) => (part.program.as_str(), Some(part.process)),
            (None, []) => ("a program that cannot be seen from here", None),
        };
        Opener {
            image: program.image.clone(),
            program: format!(
                "{name} (it has written to {}, and could again as long as it lives: end it, with whatever it has started, \
             or {})",
                path.display(),
                self.advice
            ),
            process,
            data_set: None,
        }
    }

    fn opener_by_itself(&self, writer: &Holder, area: &Area, path: &Path) -> Opener {
        let of_process = |image: &ImageReport| image.process == u64::from(writer.process);
        let image = area.images().into_iter().find(of_process);
        Opener {
            image: image.map_or_else(|| "?".into(), |image| image.name),
            program: format!(
                "{} (it has {} open for writing, and nobody tells which data sets: detach it there, end the program, or {})",
                writer.program,
                path.display(),
                self.advice
            ),
            process: Some(writer.process),
            data_set: None,
        }
    }
}
