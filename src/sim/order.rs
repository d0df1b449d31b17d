//! The order of events, as the method asks for it: what may be told only after what.

use crate::event::Event;
use crate::state::State;

/// What was heard so far.
#[derive(Debug)]
pub(super) struct Order {
    state: State,
    /// Since the process began.
    has_closing: bool,
    has_closed: bool,
    has_window: bool,
    has_final: bool,
    has_looked: bool,
    /// An entry was changed, since the switch began or was taken up.
    pub has_cataloged: bool,
    is_resumed_switching: bool,
    was_monitored: bool,
    was_resynchronized: bool,
}

impl Default for Order {
    fn default() -> Order {
        Order {
            state: State::Planned,
            has_closing: false,
            has_closed: false,
            has_window: false,
            has_final: false,
            has_looked: false,
            has_cataloged: false,
            is_resumed_switching: false,
            was_monitored: false,
            was_resynchronized: false,
        }
    }
}

impl Order {
    /// Whether the window is open.
    pub fn is_in_window(&self) -> bool {
        self.has_window && self.state == State::Quiesced
    }

    /// Hears an event; an error says what had to come before it, or must not come any more.
    pub fn hear(&mut self, event: &Event) -> Result<(), String> {
        let needs = |is_so: bool, what: &str| match is_so {
            true => Ok(()),
            false => Err(format!("'{event}' was told, though {what}")),
        };
        let state = self.state;
        match event {
            Event::Resumed { state: resumed } => {
                // What was told last may have become durable without being told.
                let is_near = *resumed == state || state.may_become(*resumed);
                let was_telling = is_near || *resumed == State::Planned;
                *self = Order {
                    state: *resumed,
                    was_monitored: self.was_monitored,
                    was_resynchronized: self.was_resynchronized,
                    is_resumed_switching: *resumed == State::Switching,
                    has_cataloged: *resumed == State::Switching,
                    ..Order::default()
                };
                needs(was_telling, &format!("the migration was {state}"))
            }
            Event::Moved { from, to } => {
                self.state = *to;
                needs(*from == state, &format!("it was {state}"))?;
                needs(state.may_become(*to), "this may not follow")?;
                match to {
                    State::Mirrored => {
                        (self.has_closing, self.has_closed) = (false, false);
                        (self.has_window, self.has_final, self.has_looked) = (false, false, false);
                        (self.is_resumed_switching, self.has_cataloged) = (false, false);
                    }
                    State::Switching => {
                        needs(self.has_final, "the target did not hold everything")?
                    }
                    State::Switched => needs(self.has_looked, "nobody had looked")?,
                    _ => {}
                }
                Ok(())
            }
            Event::MonitorsStarted { .. } => {
                self.was_monitored = true;
                needs(state == State::Copying, "nothing was being copied")
            }
            Event::CopyBegun { .. } => needs(self.was_monitored, "nobody watched the sources"),
            Event::Resynchronized { .. } => {
                self.was_resynchronized = true;
                Ok(())
            }
            Event::ClosingBegun => {
                self.has_closing = true;
                needs(state == State::Closing, "the state is another")
            }
            Event::Closed { .. } => {
                self.has_closed = true;
                needs(self.has_closing, "nobody was asked to close")
            }
            Event::WindowOpened => {
                self.has_window = true;
                needs(self.has_closed && state == State::Quiesced, "it is not closed")
            }
            Event::FinallyResynchronized { .. } => {
                self.has_final = true;
                needs(self.has_window, "there was no window")
            }
            Event::Cataloged { .. } => {
                self.has_cataloged = true;
                needs(
                    state == State::Switching && (self.has_final || self.is_resumed_switching),
                    "the switch had not begun",
                )
            }
            Event::Looked => {
                self.has_looked = true;
                needs(state == State::Switching, "the switch had not begun")
            }
            Event::Scratched { .. } | Event::Kept { .. } => {
                needs(state == State::Switched, "the switch does not stand")
            }
            Event::Released { .. } => needs(state == State::Switched, "the switch does not stand"),
            Event::BackedOut { .. } => needs(state == State::Switching, "there was no switch"),
            Event::Completed => needs(state == State::Complete, "it is not complete"),
            Event::Terminated => needs(state == State::Terminated, "it is not terminated"),
            Event::Postponed { .. } => needs(state == State::Mirrored, "the window still stands"),
            _ => Ok(()),
        }
    }
}
