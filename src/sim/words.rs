//! A story in words.

use super::story::{Act, Fate, Setup, Story, When};
use std::fmt;

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::In(state, number) => write!(f, "{state}, operation {number}"),
            When::Down(number) => write!(f, "while no process migrates, moment {number}"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::Done => "and is done",
            Fate::Dropped => "and nothing of it is done",
            Fate::Torn => "and is torn",
            Fate::Garbage => "and is torn, with garbage behind the tear",
        })
    }
}

/// The name of an image with this number.
fn image(number: &u8) -> String {
    format!("image {}", number + 1)
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Open { image: by, data_set } => {
                write!(f, "{} opens data set {data_set}", image(by))
            }
            Act::Close { image: by, data_set } => {
                write!(f, "{} closes data set {data_set}", image(by))
            }
            Act::Write { image: by, data_set, track, steps } => write!(
                f,
                "{} writes track {track} of data set {data_set}: half of it after {} operations, all after {} more, told \
                 after {} more",
                image(by),
                steps[0],
                steps[1],
                steps[2]
            ),
            Act::WriteLate { image: by, data_set, track, steps } => write!(
                f,
                "{} closed data set {data_set}, and writes its track {track} all the same, in {steps:?} operations",
                image(by)
            ),
            Act::Flush { volume } => write!(f, "volume {volume} is flushed by others"),
            Act::Die { image: by, away } => {
                write!(f, "{} is killed, for {away} operations", image(by))
            }
            Act::Stop { image: by, stopped } => {
                write!(f, "{} is stopped, for {stopped} operations", image(by))
            }
            Act::Silence { image: by, silent } => {
                write!(f, "{} falls silent, for {silent} operations", image(by))
            }
            Act::Extend { data_set, tracks, elsewhere } => {
                let on = if *elsewhere { "another volume" } else { "its last volume" };
                write!(f, "data set {data_set} is extended by {tracks} tracks on {on}")
            }
            Act::Release { data_set, tracks } => {
                write!(f, "data set {data_set} gives {tracks} tracks back")
            }
            Act::Delete { data_set, between } => {
                write!(f, "data set {data_set} is deleted, {between} operations between the steps")
            }
            Act::Create { tracks, between } => write!(
                f,
                "a data set of {tracks} tracks is made, {between} operations between the steps"
            ),
            Act::Rename { data_set, between } => {
                write!(f, "data set {data_set} is renamed, {between} operations between the steps")
            }
            Act::Recreate { data_set, tracks, between } => write!(
                f,
                "data set {data_set} is deleted and made anew with {tracks} tracks, {between} operations between the \
                 steps"
            ),
            Act::Steal { data_set } => {
                write!(f, "somebody takes the place of the target of data set {data_set}")
            }
            Act::Touch { data_set } => write!(f, "the attributes of data set {data_set} change"),
            Act::Fail(fate) => write!(f, "the next operation fails, {fate}"),
            Act::FailFlush => f.write_str("the next flush fails"),
            Act::FillDisk(saves) => write!(f, "{saves} saves of the checkpoint find no room"),
            Act::Slow(milliseconds) => write!(f, "{milliseconds} ms go by"),
            Act::Kill { fate, down } => write!(
                f,
                "the process is killed in the next operation, {fate}; the next one comes after {down} moments"
            ),
            Act::Power { fate, down } => write!(
                f,
                "the power fails in the next operation, {fate}; the next process comes after {down} moments"
            ),
            Act::Tell(verb) => write!(f, "the operator says {verb}"),
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, parts) in self.data_sets.iter().enumerate() {
            write!(f, "  data set {number}:")?;
            for (on, extents) in parts {
                write!(f, " {extents:?} tracks on source {on};")?;
            }
            writeln!(f)?;
        }
        let flags = [
            (self.guest, "a guest changes catalog and sources"),
            (self.uncataloged, "data set 0 is in no catalog"),
            (self.outsider, "the last data set is not of the selection"),
            (self.keep, "sources are kept"),
            (self.erase, "sources are erased"),
            (self.used_only, "only used tracks are copied"),
            (self.sloppy, "applications close while they write"),
            (self.never_closes, "image 1 does not close"),
            (self.eager, "applications come back at once"),
            (self.rude, "owners ask nobody"),
        ];
        for (_, what) in flags.iter().filter(|(is_so, _)| *is_so) {
            writeln!(f, "  {what}")?;
        }
        writeln!(
            f,
            "  {} targets, {} images (those from {} on only tell what they wrote), {:?}, by {:?}, slack {} %, {} slots, steps of {} \
             tracks, goal {} tracks, {} operations to close, {} us for an operation",
            self.targets,
            self.images,
            self.tellers_from + 1,
            self.mode,
            self.metadata,
            self.slack,
            self.slots,
            self.step,
            self.goal,
            self.patience,
            self.tick_us
        )
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}:\n{}", self.seed, self.setup)?;
        for (when, act) in &self.acts {
            writeln!(f, "  {when}: {act}")?;
        }
        Ok(())
    }
}
