//! Orders to another machine: to close data sets, hold them, let them be opened, and that the migration has ended.
//!
//! An order stands until it is answered: it is sent again and again, each time the same. Orders have an order of their own,
//! which outlives the processes of both sides, so that one that comes late holds or opens nothing.

use super::{AGAIN, Machine, PAUSE, Presence, State, now};
use crate::enqueue::Opener;
use crate::error::{Error, Reason, Result};
use crate::monitor::new_migration;
use crate::monitor::remote::{Envelope, MessageKind};
use crate::name::{DsName, Volser};
use crate::remote::order::{Openers, Order, Stage};
use parking_lot::MutexGuard;
use std::time::Duration;

impl Machine {
    /// Gives an order, and does not wait for the answer.
    pub(in crate::remote) fn order(
        &self,
        stage: Stage,
        owner: &str,
        data_sets: &[DsName],
        volumes: &[Volser],
    ) {
        let mut state = self.state();
        if !Machine::is_gone(&state) {
            self.give_order(&mut state, stage, owner, data_sets, volumes);
        }
    }

    pub(super) fn give_order(
        &self,
        state: &mut State,
        stage: Stage,
        owner: &str,
        data_sets: &[DsName],
        volumes: &[Volser],
    ) {
        let Ok([high, low]) = new_migration() else { return };
        state.highest_order = state.highest_order.saturating_add(1);
        state.order = Some(Order {
            nonce: (high, low),
            order: state.highest_order,
            stage,
            owner: owner.into(),
            data_sets: data_sets.to_vec(),
            volumes: volumes.to_vec(),
        });
        state.openers = None;
        self.send_order(state);
    }

    pub(super) fn send_order(&self, state: &mut State) {
        let Some(order) = &state.order else { return };
        let head = (state.migration, self.inner.name.as_str(), Volser::from_bytes([0; 6]));
        let message = Envelope::seal(head, MessageKind::Order, order);
        state.last_ordered = Some(now());
        self.send(state, &message);
    }

    /// Whether the last order was not answered, or could not be carried out.
    pub(crate) fn is_order_out(&self) -> bool {
        let state = self.state();
        let is_done = state.openers.as_ref().is_some_and(|openers| openers.trouble.is_none());
        state.order.is_some() && !is_done && !Machine::is_gone(&state)
    }

    /// Whether the last order is of this stage, and not known to be carried out.
    pub(in crate::remote) fn is_ordered(&self, stage: Stage) -> bool {
        let state = self.state();
        state.openers.is_none() && state.order.as_ref().is_some_and(|order| order.stage == stage)
    }

    /// Waits until the last order was carried out: who has the data sets open there. `None` if it was not answered in time.
    ///
    /// Error: [`Reason::NotCovered`], if the other machine could not carry it out.
    pub(in crate::remote) fn wait_for_openers(
        &self,
        patience: Option<Duration>,
    ) -> Result<Option<Vec<Opener>>> {
        let until = now() + patience.unwrap_or(self.inner.patience);
        let mut state = self.state();
        loop {
            if Machine::is_gone(&state) {
                return Ok(Some(Vec::new()));
            }
            self.hear(&mut state);
            if let Some(openers) = &state.openers {
                return match &openers.trouble {
                    None => Ok(Some(openers.openers.clone())),
                    Some(why) => Err(Error::new(
                        Reason::NotCovered,
                        format!("image {} could not do it: {why}", self.inner.name),
                    )),
                };
            }
            let time = now();
            if time >= until {
                return Ok(None);
            }
            if state.last_ordered.is_none_or(|last| time >= last + AGAIN) {
                self.send_order(&mut state);
            }
            MutexGuard::unlocked(&mut state, || std::thread::sleep(PAUSE));
        }
    }

    /// Tells that the migration has ended, and waits a while until that was heard, if the image is heard at all: whether it
    /// was. An order to let everybody in again may not have arrived, so this is one, too.
    pub(crate) fn end(&self, owner: &str, data_sets: &[DsName], volumes: &[Volser]) -> bool {
        {
            let mut state = self.state();
            if state.is_retired || state.receivers.is_empty() && !state.is_later_life {
                return true;
            }
            // Also to one that took leave: it may not have heard that it was heard.
            self.give_order(&mut state, Stage::Ended, owner, data_sets, volumes);
        }
        let is_silent = self.report().presence == Presence::Silent;
        let patience = is_silent.then_some(Duration::ZERO);
        let heard = matches!(self.wait_for_openers(patience), Ok(Some(_)));
        self.state().receivers.clear();
        heard
    }

    pub(super) fn absorb_openers(&self, state: &mut State, openers: Openers) {
        state.last_heard = Some(now());
        state.highest_order = state.highest_order.max(openers.order);
        let Some(order) = &state.order else { return };
        if order.nonce != openers.nonce {
            return;
        }
        if openers.order > order.order {
            // An earlier life of the migration gave more orders than this one; so this one was not done.
            let (stage, owner) = (order.stage, order.owner.clone());
            let (data_sets, volumes) = (order.data_sets.clone(), order.volumes.clone());
            self.give_order(state, stage, &owner, &data_sets, &volumes);
            return;
        }
        state.openers = Some(openers);
    }
}
