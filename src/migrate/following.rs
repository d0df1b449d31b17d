//! Following what becomes of the sources while they are mirrored.
//!
//! # The problem
//! While a data set is mirrored it may be extended, shortened, deleted, renamed, or deleted and made again, and others may
//! appear that the same question would select. The target must become what the source is then, to the track, in VTOCs that
//! hold other data sets too; whoever dies, whenever. And no data set may be lost because somebody took it for another.
//!
//! # The rule
//! *What changed* is found by comparing what was stored with what is there now ([`compare`]): in the window until nothing
//! differs, and outside it whenever a monitor noted a write to a track of a VTOC, so that most is done before. In each round
//! the marks of the VTOCs are cleared first, and the VTOCs read then: a change that comes later leaves its mark.
//!
//! *What to do* is decided on a snapshot of the targets ([`follow`]), before anything is touched: if a change cannot be
//! followed (the target is full, a volume is not covered, another migration claims the name), the window is given up with
//! the reason, and nothing is half done. Outside the window that is told, and tried again later.
//!
//! *It is done* in an order in which a crash at any point leaves one way, forward:
//!
//! 1. The [`Next`] plan and all deeds on the way there become durable beside the present plan.
//! 2. The deeds, each with an intent of its own: everything that is given back, then names, then what is allocated. How
//!    many are done becomes durable with the intents; where a system manages its space itself and keeps its intents to
//!    itself, behind each deed.
//! 3. Target tracks to which nothing is copied become empty tracks, durably.
//! 4. Source tracks that came, or whose target location changed, become work.
//! 5. The next plan becomes *the* plan, in one write of the checkpoint. Only now the copier gets the new table.
//!
//! Where the targets need no deed (only attributes differ), 1 to 3 are left out.
//!
//! # The crash argument
//! Before 1 nothing was done. After it, whoever takes the migration up goes on with the deeds before anything else. Each one
//! is an intent that was settled, and is counted; and each knows what must stand before it and what after it, so that one
//! which is done already is passed over, and one that finds neither touches nothing. 3 and 4 may be done twice. Nothing is
//! copied between 1 and 5, so no track is written to a place that another one has by then. After 5 the work has every
//! track that the new table puts elsewhere.
//!
//! # Why nothing is lost
//! A target is scratched because its source is gone. If the target were the only copy (the checkpoint is older than what
//! was done: somebody restored it), that would be the end of the data. So it is believed that a source is gone only if no
//! catalog leads to the target, and something is there that ends with a migration: the monitors' subscription, or the notes
//! beside the targets; or if the catalogs still lead to where the source was ([`Migration::check_spare`]).
//!
//! [`compare`]: crate::assess::compare::compare
//! [`follow`]: crate::plan::follow::follow

mod carry;
mod decide;
mod deeds;
mod next;

pub(super) use next::Next;

use super::Migration;
use crate::assess::compare::Metadata;
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::geometry::Extent;
use crate::name::Volser;
use crate::state::{State, Verb};
use crate::switch::{self, Glance, Ports};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often it is compared in the window until nothing differs.
const ROUNDS_MAX: usize = 16;
/// After how long a change that could not be followed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Comparing takes at most one part in so many of the time before the window.
const SHARE: u32 = 10;

/// How far this process has followed the sources.
#[derive(Debug, Default)]
pub(super) struct Pursuit {
    metadata: Metadata,
    /// Nothing differed when it was compared last, in this process.
    is_up_to_date: bool,
    /// When it was compared last, and how long that took.
    compared: Option<(Duration, Duration)>,
    /// What could not be followed, and when.
    trouble: Option<(Duration, String)>,
    /// Where the VTOCs of the subscribed volumes are.
    vtocs: BTreeMap<Volser, Extent>,
}

impl Pursuit {
    /// It is to be compared, whether or not something was noted.
    pub fn begin_anew(&mut self) {
        (self.is_up_to_date, self.compared) = (false, None);
    }

    /// Nothing differed when it was compared last.
    pub fn is_up_to_date(&self) -> bool {
        self.is_up_to_date
    }
}

impl Migration {
    /// Which records tell that something changed, before the window. In the window everything is looked at. The default are
    /// both.
    pub fn set_metadata(&mut self, metadata: Metadata) {
        self.course.pursuit.metadata = metadata;
    }

    /// Does at the targets what became of the sources' allocation: in the window until nothing differs; before it what can be
    /// done now, and what cannot is told. Steps and the switch do so by themselves, when a monitor noted something; this is for
    /// hosts that know of a change otherwise. Whether nothing differs now.
    ///
    /// Errors: in the window what cannot be followed, as of [`follow`](crate::plan::follow::follow), and
    /// [`Reason::SourceChanged`] if changes go on and on; before it those of the environment.
    pub fn accommodate(&mut self) -> Result<bool> {
        self.begin(Verb::Accommodate)?;
        if self.state() == State::Quiesced {
            self.accommodate_in_window()?;
        } else if self.copier.is_some() {
            self.course.pursuit.begin_anew();
            self.keep_up()?;
        }
        // Without a copier the next step compares everything before it copies anything.
        Ok(self.monitors.is_none() || self.course.pursuit.is_up_to_date)
    }

    /// In the window: makes the targets what the sources are, until nothing differs.
    ///
    /// Errors: what cannot be followed, as of [`follow`](crate::plan::follow::follow); [`Reason::SourceChanged`] if changes
    /// go on and on.
    pub(super) fn accommodate_in_window(&mut self) -> Result<()> {
        if self.monitors.is_none() {
            return Ok(());
        }
        // The marks are cleared before anything is compared.
        self.course.pursuit.is_up_to_date = false;
        for round in 1.. {
            let decided = self.decide(Metadata::Both);
            let is_last = round == ROUNDS_MAX;
            let decision = match decided {
                // It may have been read while it was changed.
                Err(_) if !is_last && self.is_noted()? => continue,
                decided => decided?,
            };
            if let Some(trouble) = decision.troubles.into_iter().next() {
                if !is_last && self.is_noted()? {
                    continue;
                }
                return Err(trouble);
            }
            match decision.next {
                Some(_) if is_last => {
                    let what = "its allocation changes again and again; let whoever changes it come to an end";
                    return Err(Error::new(Reason::SourceChanged, what));
                }
                Some(next) => self.pursue(next)?,
                None if is_last || !self.is_noted()? => break,
                None => {}
            }
            if self.state().is_ended() {
                return Ok(());
            }
        }
        self.course.pursuit.is_up_to_date = true;
        self.update_targets()
    }

    /// Before the window, when nobody has the data sets open: the same, if something was noted. Whether data sets joined,
    /// which somebody may have open.
    ///
    /// Errors: as those of [`accommodate_in_window`](Migration::accommodate_in_window).
    pub(super) fn catch_up(&mut self) -> Result<bool> {
        if defect(Defect::NamesAreNotComparedBeforeTheWindow) {
            return Ok(false);
        }
        // Where not everything was compared, nobody has looked at all that was noted.
        let pursuit = &self.course.pursuit;
        let was_compared = pursuit.is_up_to_date && pursuit.metadata == Metadata::Both;
        if self.monitors.is_none() || was_compared && !self.is_noted()? {
            return Ok(false);
        }
        let before = super::names(&self.plan);
        self.accommodate_in_window()?;
        Ok(super::names(&self.plan).iter().any(|name| !before.contains(name)))
    }

    /// Outside the window: follows what changed, if something was noted. What cannot be followed is told, and tried again
    /// later.
    ///
    /// Errors: those of the environment, while the targets are changed.
    pub(super) fn keep_up(&mut self) -> Result<()> {
        if self.monitors.is_none() || self.state() == State::Quiesced {
            return Ok(());
        }
        let now = self.host.clock.monotonic();
        let pursuit = &self.course.pursuit;
        let is_due = |(at, took): (Duration, Duration)| now.saturating_sub(at) > took * SHARE;
        if !pursuit.compared.is_none_or(is_due) || pursuit.is_up_to_date && !self.is_noted()? {
            return Ok(());
        }
        let waits = |(at, _): &(Duration, String)| now.saturating_sub(*at) < RETRY_INTERVAL;
        if self.course.pursuit.trouble.as_ref().is_some_and(waits) && !self.is_noted()? {
            return Ok(());
        }
        let decided = self.decide(self.course.pursuit.metadata);
        let ended = self.host.clock.monotonic();
        self.course.pursuit.compared = Some((ended, ended.saturating_sub(now)));
        let decision = match decided {
            Ok(decision) => decision,
            // It was read while somebody wrote it.
            Err(_) if self.is_noted()? => {
                self.course.pursuit.is_up_to_date = false;
                return Ok(());
            }
            Err(error) => return self.tell_trouble(&error, ended),
        };
        self.course.pursuit.is_up_to_date = decision.next.is_none() && decision.troubles.is_empty();
        match decision.troubles.first() {
            None => self.course.pursuit.trouble = None,
            Some(error) => self.tell_trouble(error, ended)?,
        }
        match decision.next {
            None => Ok(()),
            Some(next) => match self.pursue(next) {
                // It was refused before anything was done.
                Err(error) if self.durable.lock().stored.next.is_none() => {
                    self.tell_trouble(&error, ended)
                }
                pursued => pursued.and_then(|()| self.update_targets()),
            },
        }
    }

    /// Before copying begins in this process: follows what became of the sources. Unless it is certain that the migration
    /// was not completed, nothing is copied from a source that is not seen to be there.
    pub(super) fn see_sources(&mut self) -> Result<()> {
        self.course.pursuit.begin_anew();
        if self.course.is_surely_unfinished {
            return self.keep_up();
        }
        self.check_all_spare()?;
        self.keep_up()?;
        self.course.is_surely_unfinished = true;
        Ok(())
    }

    /// Tells what cannot be followed now, once.
    fn tell_trouble(&mut self, error: &Error, now: Duration) -> Result<()> {
        let pursuit = &mut self.course.pursuit;
        pursuit.is_up_to_date = false;
        let text = error.to_string();
        let is_known = pursuit.trouble.as_ref().is_some_and(|(_, known)| *known == text);
        pursuit.trouble = Some((now, text));
        if !is_known {
            let text = format!("a window now would be given up: {error}");
            self.host.tell(&Event::Remark { text });
        }
        Ok(())
    }

    /// Gives the targets the attributes and statistics that are planned, where they have others.
    fn update_targets(&self) -> Result<()> {
        let glance = Glance::default();
        let ports = Ports { glance: Some(&glance), ..self.ports() };
        let plan = self.plan();
        plan.data_sets.iter().try_for_each(|data_set| switch::update_targets(data_set, &ports))
    }

    /// Whether a VTOC was written to since its marks were cleared.
    fn is_noted(&self) -> Result<bool> {
        match &self.monitors {
            Some(monitors) => monitors.are_marked(&self.course.pursuit.vtocs),
            None => Ok(false),
        }
    }

    /// Clears the marks of the VTOCs, which are about to be read.
    fn clear_marks(&mut self) -> Result<()> {
        let Some(monitors) = &self.monitors else { return Ok(()) };
        let mut vtocs = std::mem::take(&mut self.course.pursuit.vtocs);
        let sources = self.plan.source_volsers();
        for volser in monitors.subscriptions().keys() {
            if !vtocs.contains_key(volser)
                && let Some(space) = self.host.space.get(volser)
            {
                match space.read() {
                    Ok(vtoc) => drop(vtocs.insert(*volser, vtoc.extent)),
                    // Of a source it must be known, or nothing of it would ever be noted.
                    Err(error) if sources.contains(volser) => {
                        self.course.pursuit.vtocs = vtocs;
                        return Err(error);
                    }
                    Err(_) => {}
                }
            }
        }
        let cleared = monitors.clear_marks(&vtocs);
        self.course.pursuit.vtocs = vtocs;
        cleared
    }
}
