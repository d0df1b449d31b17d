//! What the owner of a migration wants of this machine's programs, told as it happens: whoever wonders why a data set cannot be
//! opened looks here first.

use super::say;
use std::sync::Mutex;
use trackmirror::enqueue::{Enqueue, Opener};
use trackmirror::{DsName, Result, Volser};

/// Tells what is asked, held and released, and passes it on.
#[derive(Debug)]
pub struct Telling<E> {
    inner: E,
    owner: String,
    told: Mutex<String>,
}

impl<E> Telling<E> {
    /// In the name of this owner.
    pub fn new(inner: E, owner: &str) -> Telling<E> {
        Telling { inner, owner: owner.into(), told: Mutex::default() }
    }

    /// Orders are repeated; the same is told once.
    fn tell(&self, what: &str, data_sets: &[DsName]) {
        let names: Vec<String> = data_sets.iter().map(DsName::to_string).collect();
        let text = format!("{what} {} (for {})", names.join(", "), self.owner);
        let mut told = self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *told != text {
            say(&text);
            *told = text;
        }
    }
}

impl<E: Enqueue> Enqueue for Telling<E> {
    fn ask_to_close(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.inner.ask_to_close(data_sets, volumes)?;
        self.tell("programs are asked to close", data_sets);
        Ok(())
    }

    fn is_closed(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<Vec<Opener>> {
        self.inner.is_closed(data_sets, volumes)
    }

    fn hold(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.inner.hold(data_sets, volumes)?;
        self.tell("nobody may open", data_sets);
        Ok(())
    }

    fn release(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.inner.release(data_sets, volumes)?;
        self.tell("programs may open again", data_sets);
        Ok(())
    }

    fn can_confirm(&self) -> bool {
        self.inner.can_confirm()
    }
}
