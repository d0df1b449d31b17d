//! The close and the window: the data sets are taken away from their users, as shortly as can be.
//!
//! The problem: the last changes can be copied only when nobody makes new ones, and nobody can be made to stop; people and
//! programs can only be asked. Whoever has a data set allocated knows where it lies and would go on writing there.
//!
//! The rule: what may have to be undone is durable before it is done. *Closing* is durable before anybody is asked; from
//! then on, until the openers are released, the checkpoint says that somebody may be held. Openers are held first, then
//! seen to be gone: in this order nobody slips in between. When nobody has the data sets open, their tracks are
//! *sealed*, so that a write which nobody should make is refused rather than lost; and what cannot be refused (it began
//! before, or its monitor only tells of completions) is found by the look, later.
//!
//! *Giving up* is always possible before the switch: the state goes back to mirrored first, durably; then the seals are
//! opened, then the openers let in. So nobody who is let in meets a seal.

use super::Migration;
use super::monitors::Images;
use crate::defect::{Defect, defect};
use crate::enqueue::{Enqueue, NobodyElse, Opener};
use crate::error::{Code, Error, Reason, Result};
use crate::estimate::Work;
use crate::event::Event;
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::state::{State, Verb};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a caller may wait before it is asked again whether all is closed.
const ASKED_PAUSE: Duration = Duration::from_millis(10);

/// How long things may take before they are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the request to close until everybody has closed.
    pub wait: Duration,
    /// The window up to the switch.
    pub window: Duration,
}

impl Default for Limits {
    /// Ten minutes for the wait, and one for the window.
    fn default() -> Limits {
        Limits { wait: Duration::from_secs(600), window: Duration::from_secs(60) }
    }
}

impl Migration {
    /// How long things may take before they are given up.
    pub fn set_limits(&mut self, limits: Limits) {
        self.course.limits = limits;
    }

    /// Who has data sets open.
    pub(super) fn enqueue(&self) -> Arc<dyn Enqueue> {
        match &self.monitors {
            Some(monitors) => monitors.live().enqueue.clone(),
            None => Arc::new(NobodyElse),
        }
    }

    /// The data sets, and the volumes that they lie on.
    fn taken_away(&self) -> (Vec<DsName>, Vec<Volser>) {
        let data_sets = &self.plan.data_sets;
        let names = data_sets.iter().map(|data_set| data_set.assessment.name).collect();
        let volsers = data_sets.iter().flat_map(|data_set| &data_set.assessment.parts);
        let volsers: BTreeSet<Volser> = volsers.map(|part| part.volser).collect();
        (names, volsers.into_iter().collect())
    }

    /// The same with what joined or left while openers were held.
    pub(super) fn ever_taken_away(&self) -> (Vec<DsName>, Vec<Volser>) {
        let durable = self.durable.lock();
        let also = durable.stored.watched.iter().flat_map(|watched| &watched.held_also);
        let next = durable.stored.next.iter().flat_map(|next| super::names(&next.plan));
        let (names, volsers) = self.taken_away();
        let names: BTreeSet<DsName> = names.into_iter().chain(also.copied()).chain(next).collect();
        let mut on: BTreeSet<Volser> = volsers.into_iter().collect();
        on.extend(self.plan.scope.sources.iter().copied());
        (names.into_iter().collect(), on.into_iter().collect())
    }

    /// The tracks of all sources.
    pub(super) fn source_extents(&self) -> Vec<(Volser, Extent)> {
        self.plan.data_sets.iter().flat_map(|data_set| data_set.assessment.extents()).collect()
    }

    /// Asks for the close, and opens the window when nobody has the data sets open. Those who still have are given back;
    /// then it is to be called again after a while, with steps in between. None: the window is open.
    ///
    /// Without monitors the volumes are this process's own, and there is nobody to ask.
    ///
    /// Errors: [`Reason::NotClosed`] if that took too long, and the window was given up; [`Reason::NotCovered`]; those of
    /// [`Enqueue`].
    pub fn quiesce(&mut self) -> Result<Vec<Opener>> {
        self.begin(Verb::Quiesce)?;
        if self.monitors.is_none() {
            self.check_copied(Verb::Quiesce)?;
        }
        if self.state() == State::Mirrored {
            self.begin_closing()?;
        }
        self.keep_out()?;
        let quiesced = self.open_window();
        if let Err(error) = &quiesced
            && matches!(self.state(), State::Closing | State::Quiesced)
            && (error.code() == Code::Refused || self.is_wait_over())
        {
            self.give_up(error.sentence())?;
        }
        quiesced
    }

    fn begin_closing(&mut self) -> Result<()> {
        self.check_covered(Images::Known)?;
        self.check_machines()?;
        self.set_held(true);
        self.move_to(State::Closing)?;
        self.host.tell(&Event::ClosingBegun);
        self.course.closing_begun = Some(self.host.clock.monotonic());
        self.course.told_openers.clear();
        Ok(())
    }

    /// Asks everybody to close, and holds new openers, unless that is done. Without it no window is opened, also if giving
    /// it up failed the first time.
    fn keep_out(&mut self) -> Result<()> {
        if self.course.are_kept_out {
            return Ok(());
        }
        let (names, volsers) = self.taken_away();
        let enqueue = self.enqueue();
        let hold = || match defect(Defect::NobodyIsHeld) {
            true => Ok(()),
            false => enqueue.hold(&names, &volsers),
        };
        let asked = enqueue.ask_to_close(&names, &volsers).and_then(|()| hold());
        if let Err(error) = asked {
            self.give_up(error.sentence())?;
            return Err(error);
        }
        self.course.are_kept_out = true;
        Ok(())
    }

    /// It becomes durable with the next state.
    pub(super) fn set_held(&self, is_held: bool) {
        if let Some(watched) = &mut self.durable.lock().stored.watched {
            watched.is_held = is_held;
            if !is_held {
                watched.held_also.clear();
            }
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.durable.lock().stored.watched.as_ref().is_some_and(|watched| watched.is_held)
    }

    fn waited(&self) -> Duration {
        let now = self.host.clock.monotonic();
        self.course.closing_begun.map_or(Duration::ZERO, |begun| now.saturating_sub(begun))
    }

    fn is_wait_over(&self) -> bool {
        self.waited() > self.course.limits.wait
    }

    /// Who has the data sets open. If nobody has, what became of them before they could be held has been followed: what
    /// was deleted is not sealed, because its tracks may be somebody else's by now; and what joined is closed, too.
    fn openers(&mut self) -> Result<Vec<Opener>> {
        loop {
            let (names, volsers) = self.taken_away();
            let openers = self.enqueue().is_closed(&names, &volsers)?;
            if !openers.is_empty() || !self.catch_up()? || self.state().is_ended() {
                return Ok(openers);
            }
        }
    }

    /// Opens the window if nobody has the data sets open.
    fn open_window(&mut self) -> Result<Vec<Opener>> {
        let mut openers = self.openers()?;
        if self.state().is_ended() {
            return Ok(Vec::new());
        }
        if defect(Defect::OpenersAreIgnored) {
            openers.clear();
        }
        if !openers.is_empty() {
            let told: Vec<String> = openers.iter().map(Opener::to_string).collect();
            if self.is_wait_over() {
                let waited = self.waited().as_secs();
                return Err(Error::new(
                    Reason::NotClosed,
                    format!(
                        "after {waited} s it is still open: {}; let them close and unallocate it, then close again",
                        told.join("; ")
                    ),
                ));
            }
            if told != self.course.told_openers {
                self.host.tell(&Event::StillOpen { openers: told.clone() });
                self.course.told_openers = told;
            }
            self.course.pause = ASKED_PAUSE;
            return Ok(openers);
        }
        self.course.pause = Duration::ZERO;
        let waited = self.waited();
        if self.monitors.is_some() {
            self.check_covered(Images::Known)?;
            self.course.estimator.did(Work::Answer, waited);
            let waited_ms = waited.as_millis() as u64;
            self.course.receipt.waited_ms = Some(waited_ms);
            self.host.tell(&Event::Closed { waited_ms });
        }
        let window = self.estimate().window;
        self.course.receipt.predicted_ms = window.map(|window| window.likely.as_millis() as u64);
        self.course.receipt.window_tracks = 0;
        self.course.window_begun = Some(self.host.clock.monotonic());
        // Nothing is worth waiting for any more.
        self.course.pause = Duration::ZERO;
        self.seal()?;
        if let Err(error) = self.move_to(State::Quiesced) {
            self.unseal();
            return Err(error);
        }
        self.host.tell(&Event::WindowOpened);
        self.accommodate_in_window()?;
        Ok(Vec::new())
    }

    /// Refuses every write to the tracks of the plan that begins from now on.
    pub(super) fn seal(&self) -> Result<()> {
        match &self.monitors {
            Some(monitors) => monitors.seal(&self.source_extents()),
            None => Ok(()),
        }
    }

    fn unseal(&self) {
        if let Some(monitors) = &self.monitors {
            monitors.unseal();
        }
    }

    /// Whether the window, if it is open, takes longer than it may.
    pub(super) fn is_window_too_long(&self) -> bool {
        let now = self.host.clock.monotonic();
        let limit = self.course.limits.window;
        self.course.window_begun.is_some_and(|begun| now.saturating_sub(begun) > limit)
    }

    /// That the window is not longer than it may be; else it is given up.
    pub(super) fn check_window_limit(&mut self) -> Result<()> {
        let Some(begun) = self.course.window_begun.filter(|_| self.monitors.is_some()) else {
            return Ok(());
        };
        if self.state() != State::Quiesced || !self.is_window_too_long() {
            return Ok(());
        }
        let taken = self.host.clock.monotonic().saturating_sub(begun);
        let found = self.look()?.map(|found| format!("; {}", found.sentence())).unwrap_or_default();
        let error = Error::new(
            Reason::WindowTooLong,
            format!(
                "the window was given up after {} ms, with {} tracks to be copied{found}",
                taken.as_millis(),
                self.left()
            ),
        );
        self.give_up(error.sentence())?;
        Err(error)
    }

    /// The first thing of the sources that is not at the target, as an error that names it.
    pub(super) fn look(&self) -> Result<Option<Error>> {
        let Some(monitors) = &self.monitors else { return Ok(None) };
        let found = monitors.look(&self.source_extents())?;
        Ok(found.map(|(volser, found)| monitors.late_writer(&self.host.volumes, volser, &found)))
    }

    /// Whether the target holds everything, and nothing more can come.
    pub fn is_quiet(&self) -> Result<bool> {
        if defect(Defect::CatalogedBeforeTheFinalResynchronization) {
            return Ok(true);
        }
        Ok(self.left() == 0 && self.look()?.is_none())
    }

    /// Gives the window up.
    pub fn postpone(&mut self) -> Result<()> {
        self.begin(Verb::Postpone)?;
        self.give_up("on request")
    }

    /// Back to mirroring: the data sets are given back where they are.
    pub(super) fn give_up(&mut self, why: &str) -> Result<()> {
        self.move_to(State::Mirrored)?;
        self.host.tell(&Event::Postponed { why: why.to_string() });
        self.let_in()
    }

    /// Opens the seals, then lets the openers in.
    pub(super) fn let_in(&mut self) -> Result<()> {
        (self.course.closing_begun, self.course.window_begun) = (None, None);
        self.course.are_kept_out = false;
        if defect(Defect::LetInBeforeUnsealing) {
            self.release_openers()?;
        }
        self.unseal();
        self.release_openers()
    }

    /// Lets the openers in, if they may be held.
    pub(super) fn release_openers(&self) -> Result<()> {
        if !self.is_held() {
            return Ok(());
        }
        let (names, volsers) = self.ever_taken_away();
        match self.enqueue().release(&names, &volsers) {
            // It was never ours.
            Err(error) if error.reason() == Reason::DataSetHeld => {
                self.host.tell(&Event::Remark { text: error.to_string() });
            }
            released => released?,
        }
        // Who may not have heard it is told again, also in the next life.
        if self.is_order_out() {
            return Ok(());
        }
        self.set_held(false);
        self.durable.lock().save()
    }
}
