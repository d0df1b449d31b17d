//! The states of a migration, and which verb is allowed in which state (DESIGN: the migration).
//!
//! ```text
//! planned -> copying <-> mirrored -> closing -> quiesced -> switching -> switched -> complete
//! before switching: terminated
//! closing, quiesced -> mirrored (the window is given up)
//! switching -> mirrored (backed out)
//! switched -> switching (to be backed out, while there is a way back)
//! ```
//!
//! The state is one value of [`State`] and nothing shadows it. Two tables say everything: which verb is allowed in
//! which state ([`State::allows`]), and which state may follow which ([`State::may_become`]). A verb that is not
//! allowed is refused with both names, and changes nothing.

use crate::bytes::{Decoder, Encode, Encoder};
use crate::error::{Error, Reason, Result};
use std::fmt;

macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $( #[doc = $text:literal] $name:ident = $number:literal, $word:literal; )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $kind { $( #[doc = $text] $name = $number, )* }

        impl $kind {
            /// All of them, in their order.
            pub const ALL: &'static [$kind] = &[ $( $kind::$name, )* ];

            /// The name, as in messages and documentation.
            pub const fn name(self) -> &'static str { match self { $( $kind::$name => $word, )* } }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.name()) }
        }
    };
}

named! {
    /// The state of a migration. The numbers stand in checkpoints and never change.
    State {
        #[doc = "What goes where is decided; nothing is allocated."]
        Planned = 1, "planned";
        #[doc = "The target is allocated, and tracks are copied to it."]
        Copying = 2, "copying";
        #[doc = "The target holds every track, apart from what changes go on to come."]
        Mirrored = 3, "mirrored";
        #[doc = "Everybody is asked to close the data sets; new openers are held."]
        Closing = 4, "closing";
        #[doc = "The window: nobody has the data sets open."]
        Quiesced = 5, "quiesced";
        #[doc = "The intent to switch the catalog is durable."]
        Switching = 6, "switching";
        #[doc = "The target is cataloged, and was looked at once more: no interruption leads back."]
        Switched = 7, "switched";
        #[doc = "The source is scratched or kept under another name; nothing is left to do."]
        Complete = 8, "complete";
        #[doc = "Given up: the target is released, the source is as it was."]
        Terminated = 9, "terminated";
    }
}

named! {
    /// What a migration can be told to do.
    Verb {
        #[doc = "Allocate the target."]
        Reserve = 1, "reserve";
        #[doc = "Copy some tracks."]
        Step = 2, "step";
        #[doc = "Compare source and target."]
        Verify = 3, "verify";
        #[doc = "Ask everybody to close, and open the window when it is confirmed."]
        Quiesce = 4, "quiesce";
        #[doc = "Give the window up, and go on mirroring."]
        Postpone = 5, "postpone";
        #[doc = "Make the catalog point to the target."]
        Switch = 6, "switch";
        #[doc = "Give the window up, or undo the switch as long as there is a way back."]
        BackOut = 7, "back-out";
        #[doc = "Scratch or keep the source."]
        Complete = 8, "complete";
        #[doc = "Give the migration up, and release the target."]
        Terminate = 9, "terminate";
        #[doc = "Do at the target what became of the source's allocation."]
        Accommodate = 10, "accommodate";
    }
}

impl State {
    /// The verbs that are allowed in this state.
    pub const fn verbs(self) -> &'static [Verb] {
        use Verb::{
            Accommodate, BackOut, Complete, Postpone, Quiesce, Reserve, Step, Switch, Terminate,
            Verify,
        };
        match self {
            State::Planned => &[Reserve, Terminate],
            State::Copying => &[Step, Terminate, Accommodate],
            State::Mirrored => &[Step, Verify, Quiesce, Terminate, Accommodate],
            State::Closing => &[Step, Quiesce, Postpone, Terminate, Accommodate],
            State::Quiesced => &[Step, Verify, Postpone, Switch, BackOut, Terminate, Accommodate],
            State::Switching => &[Switch, BackOut],
            State::Switched => &[BackOut, Complete],
            State::Complete | State::Terminated => &[],
        }
    }

    /// The states that may follow this one.
    pub const fn followers(self) -> &'static [State] {
        match self {
            State::Planned => &[State::Copying, State::Terminated],
            State::Copying => &[State::Mirrored, State::Terminated],
            State::Mirrored => &[State::Copying, State::Closing, State::Terminated],
            State::Closing => &[State::Mirrored, State::Quiesced, State::Terminated],
            State::Quiesced => &[State::Mirrored, State::Switching, State::Terminated],
            State::Switching => &[State::Mirrored, State::Switched],
            State::Switched => &[State::Switching, State::Complete],
            State::Complete | State::Terminated => &[],
        }
    }

    /// Whether the verb is allowed.
    pub fn allows(self, verb: Verb) -> bool {
        self.verbs().contains(&verb)
    }

    /// That the verb is allowed.
    ///
    /// Error: [`Reason::WrongState`], which names verb and state.
    ///
    /// ```
    /// use trackmirror::state::{State, Verb};
    /// assert!(State::Mirrored.check(Verb::Quiesce).is_ok());
    /// let error = State::Planned.check(Verb::Switch).unwrap_err();
    /// assert!(error.sentence().contains("switch") && error.sentence().contains("planned"));
    /// ```
    pub fn check(self, verb: Verb) -> Result<()> {
        if self.allows(verb) {
            return Ok(());
        }
        let allowed: Vec<&str> = self.verbs().iter().map(|verb| verb.name()).collect();
        let allowed = if allowed.is_empty() { "nothing".into() } else { allowed.join(", ") };
        Err(Error::new(
            Reason::WrongState,
            format!("{verb} is not allowed while the migration is {self}; allowed is {allowed}"),
        ))
    }

    /// Whether `next` may follow this state.
    pub fn may_become(self, next: State) -> bool {
        self.followers().contains(&next)
    }

    /// The next state, if it may follow this one.
    ///
    /// Error: [`Reason::Broken`]: the caller checks the verb first, so that only a mistake in this library comes here.
    pub fn moved_to(self, next: State) -> Result<State> {
        if self.may_become(next) {
            return Ok(next);
        }
        Err(Error::new(Reason::Broken, format!("a migration that is {self} cannot become {next}")))
    }

    /// Whether nothing is left to do.
    pub const fn is_ended(self) -> bool {
        self.verbs().is_empty()
    }

    /// Whether the source, and not the target, is what users open: the switch has not begun.
    pub fn is_before_switch(self) -> bool {
        self < State::Switching
    }
}

impl Encode for State {
    fn encode(&self, to: &mut Encoder) {
        to.put(&(*self as u8));
    }
    fn decode(from: &mut Decoder<'_>) -> Result<State> {
        let number: u8 = from.get()?;
        State::ALL.iter().copied().find(|&state| state as u8 == number).ok_or_else(|| {
            Error::new(Reason::EndOfData, format!("{number} is no state of a migration"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::encoded;

    /// The table of the documentation, one column for each verb in their order.
    const MATRIX: &str = "\
state       reserve step verify quiesce postpone switch back-out complete terminate accommodate
planned     yes     -    -      -       -        -      -        -        yes       -
copying     -       yes  -      -       -        -      -        -        yes       yes
mirrored    -       yes  yes    yes     -        -      -        -        yes       yes
closing     -       yes  -      yes     yes      -      -        -        yes       yes
quiesced    -       yes  yes    -       yes      yes    yes      -        yes       yes
switching   -       -    -      -       -        yes    yes      -        -         -
switched    -       -    -      -       -        -      yes      yes      -         -
complete    -       -    -      -       -        -      -        -        -         -
terminated  -       -    -      -       -        -      -        -        -         -
";

    #[test]
    fn the_matrix_of_verbs_is_the_documented_one() {
        let mut table = String::from("state      ");
        Verb::ALL.iter().for_each(|verb| table += &format!(" {verb}"));
        for state in State::ALL {
            table += &format!("\n{state:11}");
            for verb in Verb::ALL {
                let cell = if state.allows(*verb) { "yes" } else { "-" };
                table += &format!(" {cell:width$}", width = verb.name().len());
            }
        }
        let lines = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.trim_end().to_string()).collect()
        };
        assert_eq!(lines(&table), lines(MATRIX), "the table is\n{table}");
    }

    #[test]
    fn a_refusal_names_verb_and_state() {
        for &state in State::ALL {
            for &verb in Verb::ALL {
                match state.check(verb) {
                    Ok(()) => assert!(state.allows(verb)),
                    Err(error) => {
                        assert_eq!(error.reason(), Reason::WrongState);
                        assert!(error.sentence().contains(verb.name()), "{error}");
                        assert!(error.sentence().contains(state.name()), "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_state_is_reached_and_only_two_are_ends() {
        let mut reached = vec![State::Planned];
        let mut next = 0;
        while let Some(&state) = reached.get(next) {
            let new = state.followers().iter().filter(|follower| !reached.contains(follower));
            let new: Vec<State> = new.copied().collect();
            reached.extend(new);
            next += 1;
        }
        reached.sort();
        assert_eq!(reached, State::ALL);
        let ends: Vec<State> =
            State::ALL.iter().copied().filter(|state| state.is_ended()).collect();
        assert_eq!(ends, [State::Complete, State::Terminated]);
        assert!(State::ALL.iter().all(|state| state.followers().is_empty() == state.is_ended()));
    }

    #[test]
    fn after_the_intent_to_switch_nothing_terminates() {
        for &state in State::ALL {
            let may = state.may_become(State::Terminated);
            assert_eq!(may, state.allows(Verb::Terminate), "{state}");
            assert!(!may || state.is_before_switch(), "{state}");
        }
        assert_eq!(State::Switched.moved_to(State::Mirrored).unwrap_err().reason(), Reason::Broken);
        assert_eq!(State::Switching.moved_to(State::Mirrored).unwrap(), State::Mirrored);
    }

    #[test]
    fn states_are_encoded_by_numbers_that_never_change() {
        let numbers: Vec<u8> = State::ALL.iter().flat_map(encoded).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        for state in State::ALL {
            assert_eq!(Decoder::new(&encoded(state)).get::<State>().unwrap(), *state);
        }
        assert!(Decoder::new(&[0]).get::<State>().is_err());
        assert!(Decoder::new(&[10]).get::<State>().is_err());
    }
}
