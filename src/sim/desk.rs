//! The desk: where data sets are asked for and held, and who has them open. Requests and holds outlive process and
//! machine.

use super::world::World;
use crate::enqueue::{Enqueue, Opener};
use crate::error::Result;
use crate::name::{DsName, Volser};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Requests and holds.
#[derive(Debug, Default)]
pub(super) struct Desk {
    asked: BTreeSet<DsName>,
    held: BTreeSet<DsName>,
}

impl Desk {
    pub fn is_asked(&self, name: &DsName) -> bool {
        self.asked.contains(name)
    }

    pub fn is_held(&self, name: &DsName) -> bool {
        self.held.contains(name)
    }

    /// What was not taken back.
    pub fn left(&self) -> Option<DsName> {
        self.asked.iter().chain(&self.held).next().copied()
    }
}

/// The port.
pub(super) struct SimEnqueue(pub Arc<World>);

impl std::fmt::Debug for SimEnqueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimEnqueue")
    }
}

impl Enqueue for SimEnqueue {
    fn ask_to_close(&self, data_sets: &[DsName], _: &[Volser]) -> Result<()> {
        self.0.tells(|| self.0.cast().desk.asked.extend(data_sets))
    }

    fn is_closed(&self, data_sets: &[DsName], _: &[Volser]) -> Result<Vec<Opener>> {
        let openers = self.0.tells(|| self.0.cast().openers(data_sets))?;
        let opener = |(image, data_set): (String, DsName)| Opener {
            image,
            program: "a program".into(),
            process: None,
            data_set: Some(data_set),
        };
        Ok(openers.into_iter().map(opener).collect())
    }

    fn hold(&self, data_sets: &[DsName], _: &[Volser]) -> Result<()> {
        self.0.tells(|| self.0.cast().desk.held.extend(data_sets))
    }

    fn release(&self, data_sets: &[DsName], _: &[Volser]) -> Result<()> {
        self.0.tells(|| {
            {
                let desk = &mut self.0.cast().desk;
                desk.asked.retain(|name| !data_sets.contains(name));
                desk.held.retain(|name| !data_sets.contains(name));
            }
            self.0.check_open("they were let in");
        })
    }
}
