//! Who has data sets open on other machines.

use super::machine::Machine;
use super::order::Stage;
use crate::enqueue::{Enqueue, Opener};
use crate::error::{Error, Reason, Result};
use crate::name::{DsName, Volser};
use parking_lot::Mutex;
use std::time::Duration;

/// How long an answer is waited for before copying goes on meanwhile.
const PATIENCE: Duration = Duration::from_millis(200);

/// The close on other machines: each [`Agent`](super::Agent) asks, holds and tells by the means of its own machine.
///
/// Who does not answer counts as an opener. What is to be let in again, and could not be told, is told as soon as the
/// machine is heard.
#[derive(Debug)]
pub struct MachineEnqueue {
    machines: Vec<Machine>,
    owner: String,
    stage: Mutex<Stage>,
}

impl MachineEnqueue {
    /// For these machines, in the name of this owner, the same in every run.
    pub fn new(machines: &[Machine], owner: impl Into<String>) -> MachineEnqueue {
        let stage = Mutex::new(Stage::Told);
        MachineEnqueue { machines: machines.to_vec(), owner: owner.into(), stage }
    }

    fn order(&self, stage: Stage, data_sets: &[DsName], volumes: &[Volser]) {
        *self.stage.lock() = stage;
        for machine in &self.machines {
            machine.order(stage, &self.owner, data_sets, volumes);
        }
    }
}

impl Enqueue for MachineEnqueue {
    fn ask_to_close(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.order(Stage::Asked, data_sets, volumes);
        Ok(())
    }

    fn is_closed(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<Vec<Opener>> {
        // Asked anew: an answer from before says nothing. But what was closed after the hold stays so, and an answer to that
        // may take longer than it is waited for here.
        let stage = *self.stage.lock();
        for machine in &self.machines {
            if stage != Stage::Held || !machine.is_ordered(stage) {
                machine.order(stage, &self.owner, data_sets, volumes);
            }
        }
        let mut openers = Vec::new();
        for machine in &self.machines {
            openers.extend(machine.wait_for_openers(Some(PATIENCE))?.unwrap_or_else(|| {
                let program = "nobody knows who, because the machine has not answered,".into();
                vec![Opener {
                    image: machine.name().into(),
                    program,
                    process: None,
                    data_set: None,
                }]
            }));
        }
        Ok(openers)
    }

    fn hold(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.order(Stage::Held, data_sets, volumes);
        for machine in &self.machines {
            if machine.wait_for_openers(None)?.is_none() {
                return Err(Error::new(
                    Reason::NotCovered,
                    format!(
                        "image {name} on another machine did not answer that it keeps the data sets from being opened; \
                         let it answer, or retire it when it cannot write any more (`trackmirror image retire --state DIR {name}`)",
                        name = machine.name()
                    ),
                ));
            }
        }
        Ok(())
    }

    fn release(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.order(Stage::Open, data_sets, volumes);
        *self.stage.lock() = Stage::Told;
        for machine in &self.machines {
            machine.wait_for_openers(Some(PATIENCE))?;
        }
        Ok(())
    }
}
