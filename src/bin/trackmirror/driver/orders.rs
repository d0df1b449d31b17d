//! What is ordered at other terminals.

use super::{Driver, End, Flow};
use crate::steering::{Order, Reply};
use trackmirror::state::{State, Verb};
use trackmirror::{Error, Reason};

impl Driver {
    /// Does what was ordered at other terminals.
    pub(super) fn take_orders(&mut self) -> Flow {
        for received in self.inbox.look() {
            let reply = match received.order.clone() {
                None => Reply::failed(
                    self.state(),
                    &Error::new(Reason::BadRequest, "that is no order which this release knows"),
                ),
                Some(Order::Pace(pace)) => {
                    self.migration.set_pace(pace);
                    self.request.pace = pace;
                    self.kept(format!("the pace is {pace} from now on"))
                }
                Some(Order::Postpone) => self.postpone(),
                Some(Order::BackOut) => {
                    let reply = self.back_out();
                    if reply.reason.is_none() && self.migration.must_be_opened_again() {
                        self.inbox.answer(&received, &reply);
                        return Ok(Some(End::BackedOut));
                    }
                    reply
                }
                Some(Order::CloseNow) => self.close_now(),
                Some(Order::Retire(image)) => self.retire(&image),
                Some(Order::Terminate) => match self.migration.terminate() {
                    Ok(()) => {
                        let reply = Reply::done(self.state(), "the migration was given up");
                        self.inbox.answer(&received, &reply);
                        return Ok(Some(End::GivenUp));
                    }
                    Err(error) => Reply::failed(self.state(), &error),
                },
            };
            self.inbox.answer(&received, &reply);
            if !reply.is_final && received.is_waited_for {
                self.close.waiting.push(received);
            }
        }
        Ok(None)
    }

    /// What was changed is kept for `resume`, too.
    fn kept(&self, text: String) -> Reply {
        match self.request.save(&self.folder) {
            Ok(()) => {
                self.teller.tell(&text);
                Reply::done(self.state(), text)
            }
            Err(error) => Reply::failed(self.state(), &error),
        }
    }

    fn retire(&mut self, image: &str) -> Reply {
        match self.migration.retire_image(image) {
            Ok(()) => Reply::done(
                self.state(),
                format!(
                    "image {image} was retired: all is copied again, and nothing of it is heard any more"
                ),
            ),
            Err(error) => Reply::failed(self.state(), &error),
        }
    }

    fn close_now(&mut self) -> Reply {
        let state = self.state();
        if self.live().is_none() {
            return Reply::done(state, "nobody else writes: it closes as soon as all is copied");
        }
        let text = match state {
            State::Planned | State::Copying => "it closes as soon as it is mirrored".into(),
            State::Mirrored => "everybody is asked to close now".into(),
            State::Closing | State::Quiesced | State::Switching => format!("it is {state} already"),
            State::Switched | State::Complete | State::Terminated => {
                let error = Error::new(
                    Reason::WrongState,
                    format!("the migration is {state}: there is nothing to close any more"),
                );
                return Reply::failed(state, &error);
            }
        };
        self.teller.tell(&format!("close-now was ordered: {text}"));
        (self.close.is_ordered, self.close.given_up) = (true, 0);
        Reply { is_final: false, ..Reply::done(state, text) }
    }

    fn postpone(&mut self) -> Reply {
        let state = self.state();
        let is_begun = matches!(state, State::Closing | State::Quiesced);
        let is_early = matches!(state, State::Planned | State::Copying | State::Mirrored);
        if !is_early && let Err(error) = state.check(Verb::Postpone) {
            return Reply::failed(state, &error);
        }
        let Some(live) = &mut self.request.live else {
            return Reply::done(state, "nobody else writes: there is nobody to be let in");
        };
        live.close_when_mirrored = false;
        if is_begun && let Err(error) = self.migration.postpone() {
            return Reply::failed(self.state(), &error);
        }
        self.is_verified = false;
        (self.close.is_ordered, self.close.asked_at) = (false, None);
        self.close.openers.clear();
        let error = Error::new(Reason::NotClosed, "it was postponed");
        self.answer_waiting(&Reply::failed(self.state(), &error));
        self.kept("postponed: mirroring goes on until `trackmirror close-now`".into())
    }

    /// Undoes the switch; what was asked for by then does not count any more.
    fn back_out(&mut self) -> Reply {
        if let Err(error) = self.state().check(Verb::BackOut) {
            return Reply::failed(self.state(), &error);
        }
        if let Err(error) = self.migration.back_out() {
            return Reply::failed(self.state(), &error);
        }
        if let Some(live) = &mut self.request.live {
            live.close_when_mirrored = false;
        }
        self.request.switched_ms = None;
        self.is_verified = false;
        (self.close.is_ordered, self.close.asked_at) = (false, None);
        self.close.openers.clear();
        let error = Error::new(Reason::NotClosed, "it was backed out");
        self.answer_waiting(&Reply::failed(self.state(), &error));
        self.kept("backed out: the sources are the data sets again".into())
    }

    pub(super) fn answer_waiting(&mut self, reply: &Reply) {
        for received in std::mem::take(&mut self.close.waiting) {
            self.inbox.answer(&received, reply);
        }
    }
}
