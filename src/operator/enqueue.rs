//! Asking, holding and releasing by the operator's commands.

use super::command::{Ending, OperatorCommand};
use super::task::Task;
use crate::enqueue::{Enqueue, Opener, nobody_confirms};
use crate::error::Result;
use crate::name::{DsName, Volser};

/// By one command for each verb; what has none is left to others ([`AllOf`](crate::enqueue::AllOf)).
///
/// `is-closed` ends with 0 if nobody has one of the data sets open or allocated, and with 4 if somebody has. Then each
/// line that it prints names one: `IMAGE PROGRAM [DATA.SET]`. `ask-to-close` may end with 4 as well: it was told.
#[derive(Clone, Debug, Default)]
pub struct CommandEnqueue {
    /// Only data sets on these volumes are its business; all, if none is named.
    pub volumes: Vec<Volser>,
    /// Asks application and operator to close and unallocate.
    pub ask_to_close: Option<OperatorCommand>,
    /// Tells who still has them.
    pub is_closed: Option<OperatorCommand>,
    /// Lets nobody open them, durably.
    pub hold: Option<OperatorCommand>,
    /// Takes requests and holds back.
    pub release: Option<OperatorCommand>,
}

impl CommandEnqueue {
    /// One command for all verbs, and for the data sets on these volumes.
    pub fn of_system(command: &OperatorCommand, volumes: &[Volser]) -> CommandEnqueue {
        let command = Some(command.clone());
        CommandEnqueue {
            volumes: volumes.to_vec(),
            ask_to_close: command.clone(),
            is_closed: command.clone(),
            hold: command.clone(),
            release: command,
        }
    }

    fn concerns(&self, volumes: &[Volser]) -> bool {
        self.volumes.is_empty() || self.volumes.iter().any(|volser| volumes.contains(volser))
    }

    fn task(&self, verb: &'static str, data_sets: &[DsName], volumes: &[Volser]) -> Result<Task> {
        Task::new(verb).names("data_sets", data_sets)?.volsers("volumes", volumes)
    }
}

/// What one line of output names.
fn opener(line: &str) -> Opener {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (image, program, data_set) = match words.as_slice() {
        [image, program] => (*image, *program, None),
        [image, program, name] if DsName::parse(name).is_ok() => {
            (*image, *program, DsName::parse(name).ok())
        }
        _ => ("?", line.trim(), None),
    };
    Opener { image: image.into(), program: program.into(), process: None, data_set }
}

impl Enqueue for CommandEnqueue {
    fn ask_to_close(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        let Some(command) = self.ask_to_close.as_ref().filter(|_| self.concerns(volumes)) else {
            return Ok(());
        };
        let task = self.task("ask-to-close", data_sets, volumes)?;
        let answer = command.run(&task)?;
        if answer.ending == Ending::NotYet {
            return Ok(());
        }
        answer.check(&task, command)
    }

    fn is_closed(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<Vec<Opener>> {
        let command = self.is_closed.as_ref().ok_or_else(nobody_confirms)?;
        if !self.concerns(volumes) {
            return Ok(Vec::new());
        }
        let task = self.task("is-closed", data_sets, volumes)?;
        let answer = command.run(&task)?;
        if answer.ending != Ending::NotYet {
            answer.check(&task, command)?;
            return Ok(Vec::new());
        }
        let lines = answer.output.lines().filter(|line| !line.trim().is_empty());
        let mut openers: Vec<Opener> = lines.map(opener).collect();
        if openers.is_empty() {
            openers.push(opener("somebody whom the operator's command does not name"));
        }
        Ok(openers)
    }

    fn hold(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        let Some(command) = self.hold.as_ref().filter(|_| self.concerns(volumes)) else {
            return Ok(());
        };
        let task = self.task("hold", data_sets, volumes)?;
        command.run_until_done(&task)?.check(&task, command)
    }

    fn release(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        let Some(command) = self.release.as_ref().filter(|_| self.concerns(volumes)) else {
            return Ok(());
        };
        let task = self.task("release", data_sets, volumes)?;
        command.run_until_done(&task)?.check(&task, command)
    }

    fn can_confirm(&self) -> bool {
        self.is_closed.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_an_opener() {
        let full = opener(" SYSA  PAYROLL A.B ");
        assert_eq!((full.image.as_str(), full.program.as_str()), ("SYSA", "PAYROLL"));
        assert_eq!(full.data_set, DsName::parse("A.B").ok());
        assert_eq!(opener("SYSA PAYROLL").data_set, None);
        let other = opener("job 17 waits for it");
        assert_eq!((other.image.as_str(), other.program.as_str()), ("?", "job 17 waits for it"));
    }
}
