//! What a change comes to that somebody else makes: the catalog's own system, or a program's function. What they say they
//! did is not believed; the entry is located again.

use super::CatalogEntry;
use crate::error::{Error, Reason, Result};
use crate::name::DsName;

/// Where an entry leads before it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Present {
    /// Where it shall lead: there is nothing to do.
    Wanted,
    /// Where it was expected to lead.
    Expected,
    /// Nowhere: the first of two steps is done.
    HalfDone,
}

impl Present {
    /// What an entry says now, between what is expected and what is wanted. One that is not there is half changed if that
    /// takes two steps in this catalog: it was as expected when the change was planned, and openers are held.
    ///
    /// Error: [`Reason::EntryChanged`].
    pub(crate) fn of(
        now: Option<&CatalogEntry>,
        from: &CatalogEntry,
        to: &CatalogEntry,
        (catalog, is_two_steps): (&str, bool),
    ) -> Result<Present> {
        match now {
            Some(now) if now.leads_as(to) => Ok(Present::Wanted),
            Some(now) if now.leads_as(from) => Ok(Present::Expected),
            None if is_two_steps => {
                log::warn!("{} is in no catalog: it is taken for half recataloged", to.name);
                Ok(Present::HalfDone)
            }
            now => {
                let what = says(&to.name, now);
                Err(Error::new(
                    Reason::EntryChanged,
                    format!(
                        "{what}, where it is neither expected nor wanted; correct the entry in {catalog}"
                    ),
                )
                .of_data_set(to.name))
            }
        }
    }
}

/// Whether a name leads where it shall, or nowhere if it shall not lead anywhere.
pub(crate) fn is_as_wanted(now: Option<&CatalogEntry>, wanted: Option<&CatalogEntry>) -> bool {
    match (now, wanted) {
        (Some(now), Some(wanted)) => now.leads_as(wanted),
        (now, wanted) => now.is_none() && wanted.is_none(),
    }
}

/// What a catalog says of a name, for a sentence.
pub(crate) fn says(name: &DsName, entry: Option<&CatalogEntry>) -> String {
    match entry {
        None => format!("{name} is uncataloged"),
        Some(entry) => {
            let volumes: Vec<_> = entry.volumes.iter().map(|v| v.volser.to_string()).collect();
            format!("{name} is cataloged on {}", volumes.join(", "))
        }
    }
}
