//! The durable state of a migration: what stands in the sections of its checkpoint.
//!
//! | tag | content |
//! |---|---|
//! | `IDEN` | the migration's own number, by which its notes are known |
//! | `PLAN` | the [`Plan`]: assessments, intended target extents (the translate table is made from them) |
//! | `OPTS` | the [`MoveOptions`], and the name under which each source is kept |
//! | `STAT` | the [`State`] |
//! | `FREE` | there as long as nothing was allocated: what stands in the planned extents is somebody else's |
//! | `PROG` | for each data set how many of its source's parts are released; which one is being released |
//! | `INTN` | the [`Intent`] that is being carried out, if one is |
//! | `MONI` | what is [`Watched`], if others write to the sources meanwhile |
//! | `REMO` | the [`Elsewhere`] of each image on another machine |
//! | `NEXT` | the [`Next`] plan while the targets are made what it wants; the one in `PLAN` is what they were |
//! | `DEED` | how many deeds of the [`Next`] plan are begun, and whether the last of them is not known to be done |
//! | `BACK` | the [`WayBack`] from the targets, if there is one |
//! | `GONE` | data sets that were taken out, as long as their targets are not released |
//!
//! `IDEN`, `PLAN`, `OPTS` and `NEXT` are lasting. The form of each is frozen: see [how later releases read
//! it](crate::checkpoint#how-later-releases-read-it).

use super::backing_out::WayBack;
use super::following::Next;
use crate::bytes::{Decoder, Encode, Encoder};
use crate::checkpoint::{Checkpoint, Sections};
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::monitor::remote::Incarnation;
use crate::name::{DsName, Volser};
use crate::plan::{Plan, PlannedDataSet};
use crate::state::State;
use crate::volume::intent::{Intent, Journal};
use parking_lot::Mutex;

const IDEN: [u8; 4] = *b"IDEN";
const PLAN: [u8; 4] = *b"PLAN";
const OPTS: [u8; 4] = *b"OPTS";
const STAT: [u8; 4] = *b"STAT";
const FREE: [u8; 4] = *b"FREE";
const PROG: [u8; 4] = *b"PROG";
const INTN: [u8; 4] = *b"INTN";
const MONI: [u8; 4] = *b"MONI";
const REMO: [u8; 4] = *b"REMO";
const GONE: [u8; 4] = *b"GONE";
const NEXT: [u8; 4] = *b"NEXT";
const DEED: [u8; 4] = *b"DEED";
const BACK: [u8; 4] = *b"BACK";

/// Every section that this release knows.
const KNOWN: [[u8; 4]; 13] =
    [IDEN, PLAN, OPTS, STAT, FREE, PROG, INTN, MONI, REMO, GONE, NEXT, DEED, BACK];

/// How the data sets of a plan are moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoveOptions {
    /// Copy only up to the last used track; the rest of the target becomes empty tracks.
    pub used_only: bool,
    /// Overwrite every track of a source before it is scratched.
    pub erase: bool,
    /// Keep the sources under other names.
    pub keep: bool,
}

impl Encode for MoveOptions {
    fn encode(&self, to: &mut Encoder) {
        [self.used_only, self.erase, self.keep].iter().for_each(|option| to.put(option));
    }
    fn decode(from: &mut Decoder<'_>) -> Result<MoveOptions> {
        Ok(MoveOptions { used_only: from.get()?, erase: from.get()?, keep: from.get()? })
    }
}

/// How far the release of the sources has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Released {
    /// For each data set, the parts that are released.
    pub parts: Vec<u16>,
    /// The data set a part of which is being released.
    pub current: Option<u32>,
}

impl Encode for Released {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.parts);
        to.put(&self.current);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Released> {
        Ok(Released { parts: from.get()?, current: from.get()? })
    }
}

/// An area in which the work was filled in: its volume, its id, and the boot of the machine.
pub(super) type WatchedArea = (Volser, ((u64, u64), (u64, u64)));

/// Stands for the area of a volume to which somebody may have written unnoticed, so that it must be filled in anew. No area
/// has this id.
pub(super) const NO_AREA: ((u64, u64), (u64, u64)) = ((0, 0), (0, 0));

/// What a migration relies on while others write to its sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Watched {
    /// The migration's name in the areas.
    pub migration: (u64, u64),
    /// The areas, if the work was filled in.
    pub areas: Vec<WatchedArea>,
    /// Somebody may have been asked to close, or be kept from opening.
    pub is_held: bool,
    /// Names that may be held besides those of the plan: others had them, or will have them.
    pub held_also: Vec<DsName>,
}

impl Encode for Watched {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.migration);
        to.put(&self.areas);
        to.put(&self.is_held);
        to.put(&self.held_also);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Watched> {
        Ok(Watched {
            migration: from.get()?,
            areas: from.get()?,
            is_held: from.get()?,
            held_also: from.get()?,
        })
    }
}

/// An image on another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// Its name.
    pub image: String,
    /// It cannot write any more, and is not heard.
    pub is_retired: bool,
    /// The incarnation whose reports are applied, on each volume.
    pub known: Vec<(Volser, Incarnation)>,
    /// The volumes of which it took leave.
    pub left: Vec<Volser>,
    /// How many lives of the migration asked it anything: durable before the first question.
    pub lives: u32,
}

impl Encode for Elsewhere {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.image);
        to.put(&self.is_retired);
        to.put(&self.known);
        to.put(&self.left);
        to.put(&self.lives);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Elsewhere> {
        Ok(Elsewhere {
            image: from.get()?,
            is_retired: from.get()?,
            known: from.get()?,
            left: from.get()?,
            lives: from.get()?,
        })
    }
}

/// What a migration is, apart from the work that it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// The migration's own number.
    pub id: (u64, u64),
    pub plan: Plan,
    pub options: MoveOptions,
    pub kept_as: Vec<Option<DsName>>,
    pub state: State,
    /// What stands in the planned extents may be this migration's: an allocation was begun, and not taken back.
    pub may_have_reserved: bool,
    pub released: Released,
    pub intent: Option<Intent>,
    /// `None` if nobody else writes.
    pub watched: Option<Watched>,
    /// The images on other machines.
    pub elsewhere: Vec<Elsewhere>,
    /// Data sets that were taken out of the plan, and whose targets are still to be released.
    pub leaving: Vec<PlannedDataSet>,
    /// What the plan becomes, while the targets are changed accordingly.
    pub next: Option<Next>,
    /// From the targets to the sources, behind the switch.
    pub way_back: WayBack,
}

/// What a checkpoint says of its migration, for those who only want to know.
///
/// Error: [`Reason::CheckpointDamaged`].
pub fn status(sections: &Sections) -> Result<(State, Plan)> {
    sections.check_known(&KNOWN)?;
    Ok((sections.require(STAT)?, sections.require(PLAN)?))
}

/// Whether the targets are their users' own, so that whoever opens the migration does not have them alone.
///
/// Error: [`Reason::CheckpointDamaged`].
pub fn are_targets_shared(sections: &Sections) -> Result<bool> {
    let way_back: WayBack = sections.get(BACK)?.unwrap_or_default();
    let state: State = sections.require(STAT)?;
    Ok(state >= State::Switched || way_back.is_under_way)
}

/// The stored state together with the checkpoint that it is saved in.
pub(super) struct Durable {
    pub stored: Stored,
    checkpoint: Checkpoint,
    sections: Sections,
    /// How often the plan was changed by this process.
    plan_count: u64,
}

impl Durable {
    /// A new migration; it is saved at once.
    pub fn new(stored: Stored, checkpoint: Checkpoint) -> Result<Durable> {
        let mut durable =
            Durable { stored, checkpoint, sections: Sections::default(), plan_count: 0 };
        durable.sections.put_lasting(IDEN, &durable.stored.id);
        durable.put_plan();
        durable.save()?;
        Ok(durable)
    }

    /// What seldom changes.
    fn put_plan(&mut self) {
        self.sections.put_lasting(PLAN, &self.stored.plan);
        let mut options = Encoder::new();
        options.put(&self.stored.options);
        options.put(&self.stored.kept_as);
        self.sections.put_lasting(OPTS, &Raw(options.into_bytes()));
        match &self.stored.next {
            Some(_) if defect(Defect::NextPlanIsNotDurable) => self.sections.remove(NEXT),
            Some(next) => self.sections.put_lasting(NEXT, next),
            None => self.sections.remove(NEXT),
        }
    }

    /// Changes anything, durably. If it cannot be saved, it stays what it was.
    pub fn change(&mut self, change: impl FnOnce(&mut Stored)) -> Result<()> {
        let before = self.stored.clone();
        change(&mut self.stored);
        self.put_plan();
        self.plan_count += 1;
        self.save().inspect_err(|_| {
            self.stored = before;
            self.put_plan();
        })
    }

    /// The sequence number of the checkpoint.
    pub fn sequence(&self) -> u64 {
        self.checkpoint.sequence()
    }

    /// Whether the last state is durable.
    pub fn is_saved(&self) -> bool {
        self.checkpoint.is_saved()
    }

    /// How often the plan was changed by this process.
    pub fn plan_count(&self) -> u64 {
        self.plan_count
    }

    /// The migration that a checkpoint holds.
    ///
    /// Error: [`Reason::CheckpointDamaged`].
    pub fn load(checkpoint: Checkpoint, sections: Sections) -> Result<Durable> {
        sections.check_known(&KNOWN)?;
        let plan: Plan = sections.require(PLAN)?;
        let Raw(options) = sections.require(OPTS)?;
        let mut from = Decoder::new(&options);
        let mut next: Option<Next> = sections.get(NEXT)?;
        if let Some(next) = &mut next {
            (next.begun, next.is_inside) = sections.require(DEED)?;
        }
        let stored = Stored {
            id: sections.require(IDEN)?,
            options: from.get()?,
            kept_as: from.get()?,
            state: sections.require(STAT)?,
            may_have_reserved: !sections.get(FREE)?.unwrap_or(false),
            released: sections.require(PROG)?,
            intent: sections.get(INTN)?,
            watched: sections.get(MONI)?,
            elsewhere: sections.get(REMO)?.unwrap_or_default(),
            leaving: sections.get(GONE)?.unwrap_or_default(),
            next,
            way_back: sections.get(BACK)?.unwrap_or_default(),
            plan,
        };
        let count = stored.plan.data_sets.len();
        if stored.kept_as.len() != count
            || stored.released.parts.len() != count
            || stored.next.as_ref().is_some_and(|next| !next.is_sound())
        {
            return Err(Error::new(
                Reason::CheckpointDamaged,
                format!("the checkpoint in {} does not fit its own plan", checkpoint.location()),
            ));
        }
        Ok(Durable { stored, checkpoint, sections, plan_count: 0 })
    }

    /// Makes the present state durable.
    pub fn save(&mut self) -> Result<()> {
        self.sections.put(STAT, &self.stored.state);
        match self.stored.may_have_reserved {
            false => self.sections.put(FREE, &true),
            true => self.sections.remove(FREE),
        }
        self.sections.put(PROG, &self.stored.released);
        match &self.stored.intent {
            Some(intent) => self.sections.put(INTN, intent),
            None => self.sections.remove(INTN),
        }
        match &self.stored.watched {
            Some(watched) => self.sections.put(MONI, watched),
            None => self.sections.remove(MONI),
        }
        match self.stored.elsewhere.is_empty() {
            false => self.sections.put(REMO, &self.stored.elsewhere),
            true => self.sections.remove(REMO),
        }
        match self.stored.leaving.is_empty() {
            false => self.sections.put(GONE, &self.stored.leaving),
            true => self.sections.remove(GONE),
        }
        match &self.stored.next {
            Some(next) => self.sections.put(DEED, &next.progress()),
            None => self.sections.remove(DEED),
        }
        match self.stored.way_back == WayBack::default() {
            false => self.sections.put(BACK, &self.stored.way_back),
            true => self.sections.remove(BACK),
        }
        self.checkpoint.save(&self.sections)
    }

    /// Says, durably, whether what stands in the planned extents may be this migration's. If it cannot be saved, it has to be
    /// said again before anything is allocated: what is kept may be the one or the other.
    pub fn set_may_have_reserved(&mut self, may: bool) -> Result<()> {
        let before = std::mem::replace(&mut self.stored.may_have_reserved, may);
        if before == may {
            return Ok(());
        }
        self.save().inspect_err(|_| self.stored.may_have_reserved = false)
    }

    /// Moves to the next state, durably. If it cannot be saved, the state stays what it was.
    pub fn become_(&mut self, next: State) -> Result<()> {
        let before = self.stored.state;
        self.stored.state = before.moved_to(next)?;
        if defect(Defect::SwitchingIsNotDurable) && next == State::Switching {
            return Ok(());
        }
        self.save().inspect_err(|_| self.stored.state = before)
    }
}

/// Bytes of a section that its owner encodes himself.
struct Raw(Vec<u8>);

impl Encode for Raw {
    fn encode(&self, to: &mut Encoder) {
        to.bytes(&self.0);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Raw> {
        Ok(Raw(from.bytes()?.to_vec()))
    }
}

/// The journal of a migration is its checkpoint. If it cannot be saved, the intent is what it was: one that is not
/// durable must not be carried out, and one that is must be settled before it is forgotten.
impl Journal for Mutex<Durable> {
    fn intend(&self, intent: &Intent) -> Result<()> {
        let mut durable = self.lock();
        let before = durable.stored.intent.replace(intent.clone());
        if defect(Defect::IntentIsNotDurable) {
            return Ok(());
        }
        let saved = durable.save();
        if saved.is_err() {
            durable.stored.intent = before;
        }
        saved
    }

    fn done(&self, _: &Intent) -> Result<()> {
        let mut durable = self.lock();
        let before = (durable.stored.intent.take(), durable.stored.released.current.take());
        let deed = durable.stored.next.as_mut().is_some_and(Next::end_deed);
        let saved = durable.save();
        if saved.is_err() {
            (durable.stored.intent, durable.stored.released.current) = before;
            if let Some(next) = &mut durable.stored.next {
                next.is_inside = deed;
            }
        }
        saved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::encoded;

    #[test]
    fn the_form_of_what_is_known_of_other_machines_stays() {
        let elsewhere = Elsewhere {
            image: "SYSB".into(),
            is_retired: true,
            known: vec![(Volser::from_bytes([0xF1; 6]), (2, 3))],
            left: vec![Volser::from_bytes([0xF2; 6])],
            lives: 4,
        };
        let bytes = encoded(&elsewhere);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "0000000453595342\
             01\
             00000001f1f1f1f1f1f100000000000000020000000000000003\
             00000001f2f2f2f2f2f2\
             00000004";
        assert_eq!(hex, expected);
        assert_eq!(Decoder::new(&bytes).get::<Elsewhere>().unwrap(), elsewhere);
    }
}
