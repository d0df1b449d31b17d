//! The story of a run: the world it begins with, and everything that happens in it beside the migration itself.
//!
//! A run depends on its story and on nothing else. A story comes from a seed; it can be told in words, and made shorter.

use super::random::Random;
use crate::assess::compare::Metadata;
use crate::plan::Mode;
use crate::state::{State, Verb};

/// What becomes of an operation that is interrupted, or fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It happened all the same.
    Done,
    /// Nothing of it happened.
    Dropped,
    /// A part of it happened; the rest is as it was.
    Torn,
    /// A part of it happened; the rest is garbage.
    Garbage,
}

impl Fate {
    pub(super) const ALL: [Fate; 4] = [Fate::Done, Fate::Dropped, Fate::Torn, Fate::Garbage];

    pub(super) fn is_torn(self) -> bool {
        matches!(self, Fate::Torn | Fate::Garbage)
    }
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this operation of the migrating processes while the migration is in this state, counted from 0 on over the
    /// whole run.
    In(State, u32),
    /// At this moment while no process migrates.
    Down(u32),
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// An application opens a data set.
    Open {
        /// The image it runs on.
        image: u8,
        /// Which data set.
        data_set: u8,
    },
    /// It closes it.
    Close {
        /// The image it runs on.
        image: u8,
        /// Which data set.
        data_set: u8,
    },
    /// It writes a track: announces it, writes one half, the other, and tells the end, after so many operations each.
    Write {
        /// The image it runs on.
        image: u8,
        /// Which data set.
        data_set: u8,
        /// Which of its tracks.
        track: u8,
        /// How long each step takes.
        steps: [u8; 3],
    },
    /// A program that has not closed properly writes once more where the data set was when it had it open.
    WriteLate {
        /// The image it runs on.
        image: u8,
        /// Which data set.
        data_set: u8,
        /// Which of its tracks.
        track: u8,
        /// How long each step takes.
        steps: [u8; 3],
    },
    /// A volume is flushed by somebody else.
    Flush {
        /// Which volume.
        volume: u8,
    },
    /// An image is killed, and comes again after so many operations.
    Die {
        /// The image.
        image: u8,
        /// How long it is away.
        away: u8,
    },
    /// An image is stopped for so many operations: it does nothing, but its program lives.
    Stop {
        /// The image.
        image: u8,
        /// How long it is stopped.
        stopped: u8,
    },
    /// An image falls silent, and is back (or retired) after so many operations.
    Silence {
        /// The image.
        image: u8,
        /// How long it is silent.
        silent: u8,
    },
    /// A data set gets more tracks, on its last volume or on another one.
    Extend {
        /// Which data set.
        data_set: u8,
        /// How many tracks.
        tracks: u8,
        /// On another volume.
        elsewhere: bool,
    },
    /// A data set gives tracks back.
    Release {
        /// Which data set.
        data_set: u8,
        /// How many tracks.
        tracks: u8,
    },
    /// A data set is deleted.
    Delete {
        /// Which data set.
        data_set: u8,
        /// Operations between the two steps.
        between: u8,
    },
    /// A new data set appears in the selection.
    Create {
        /// How many tracks.
        tracks: u8,
        /// Operations between the two steps.
        between: u8,
    },
    /// A data set gets another name.
    Rename {
        /// Which data set.
        data_set: u8,
        /// Operations between the two steps.
        between: u8,
    },
    /// A data set is deleted, and made anew under its name.
    Recreate {
        /// Which data set.
        data_set: u8,
        /// How many tracks it has then.
        tracks: u8,
        /// Operations between the steps.
        between: u8,
    },
    /// While nobody migrates, somebody takes the target of a data set for rubbish, scratches it, and puts a data set of
    /// his own there.
    Steal {
        /// Which data set.
        data_set: u8,
    },
    /// A system changes attributes and statistics.
    Touch {
        /// Which data set.
        data_set: u8,
    },
    /// The next operation of the migrating process fails, once.
    Fail(Fate),
    /// The next flush reports failure.
    FailFlush,
    /// So many saves of the checkpoint fail.
    FillDisk(u8),
    /// The next operation takes so many milliseconds.
    Slow(u16),
    /// The migrating process is killed; the next one comes after so many moments.
    Kill {
        /// What becomes of the operation.
        fate: Fate,
        /// How long no process migrates.
        down: u8,
    },
    /// The machine loses power.
    Power {
        /// What becomes of the operation.
        fate: Fate,
        /// How long no process migrates.
        down: u8,
    },
    /// The operator tells the migration a verb of his own.
    Tell(Verb),
}

/// The world as it is at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The data sets: how many tracks their extents have on each of their volumes.
    pub data_sets: Vec<Vec<(u8, Vec<u8>)>>,
    /// Source volumes.
    pub sources: u8,
    /// Target volumes.
    pub targets: u8,
    /// Images that write.
    pub images: u8,
    /// Images from this number on tell only what they wrote.
    pub tellers_from: u8,
    /// How the target's space is chosen.
    pub mode: Mode,
    /// The catalog and the sources are changed by a running system, the catalog in two steps.
    pub guest: bool,
    /// A data set is in no catalog.
    pub uncataloged: bool,
    /// The sources are kept, or erased.
    pub keep: bool,
    /// The sources are erased.
    pub erase: bool,
    /// Only used tracks are copied.
    pub used_only: bool,
    /// The most tracks of a step.
    pub step: u8,
    /// How near the target must come, in tracks.
    pub goal: u8,
    /// Operations that an application takes to close when it is asked.
    pub patience: u16,
    /// Applications close without waiting for the writes that they have begun.
    pub sloppy: bool,
    /// An application that never closes.
    pub never_closes: bool,
    /// The last data set is not of the selection, until it gets a name that is.
    pub outsider: bool,
    /// Which records tell that something changed.
    pub metadata: Metadata,
    /// Writes of an image that are announced at once in the areas; others go without a slot.
    pub slots: u8,
    /// Applications that were asked to close open again, and write, as soon as they may.
    pub eager: bool,
    /// Owners change their data sets without asking whether anybody holds them.
    pub rude: bool,
    /// Microseconds that an operation takes.
    pub tick_us: u32,
    /// Extra target space in percent.
    pub slack: u8,
}

/// What happens in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Where it came from.
    pub seed: u64,
    /// The world at first.
    pub setup: Setup,
    /// What happens, and when.
    pub acts: Vec<(When, Act)>,
}

/// States in which something happens, those that are short oftener than their length would have it.
const STAGES: &[State] = &[
    State::Planned,
    State::Copying,
    State::Copying,
    State::Mirrored,
    State::Mirrored,
    State::Closing,
    State::Closing,
    State::Quiesced,
    State::Quiesced,
    State::Quiesced,
    State::Switching,
    State::Switching,
    State::Switched,
];

impl Setup {
    fn draw(random: &mut Random) -> Setup {
        let sources = random.between(1, 2) as u8;
        let data_sets = (0..random.between(1, 3)).map(|_| {
            let first = random.below(sources.into()) as u8;
            let mut parts = vec![(first, extents(random))];
            if sources == 2 && random.once_in(4) {
                parts.push((1 - first, extents(random)));
            }
            parts
        });
        let data_sets: Vec<Vec<(u8, Vec<u8>)>> = data_sets.collect();
        let mode = random.one_of(&[Mode::OnePrimary, Mode::OnePrimary, Mode::ExtentForExtent]);
        // Extent for extent each part needs a volume of its own.
        let part_count = data_sets.iter().map(Vec::len).max().unwrap_or(1) as u8;
        let targets_min = if mode == Mode::ExtentForExtent { part_count } else { 1 };
        let images = random.between(1, 3) as u8;
        let keep = random.once_in(6);
        Setup {
            data_sets,
            sources,
            targets: targets_min.max(random.between(1, 2) as u8),
            images,
            tellers_from: if random.once_in(5) { random.below(images.into()) as u8 } else { 9 },
            mode,
            guest: random.once_in(4),
            uncataloged: random.once_in(8),
            keep,
            erase: !keep && random.once_in(6),
            used_only: random.once_in(6),
            step: random.between(1, 6) as u8,
            goal: random.between(0, 3) as u8,
            patience: if random.once_in(3) { random.small(20) } else { random.small(4) } as u16,
            sloppy: random.once_in(3),
            never_closes: random.once_in(12),
            outsider: false,
            metadata: random.one_of(&[
                Metadata::Both,
                Metadata::Both,
                Metadata::Vtoc,
                Metadata::Catalog,
            ]),
            slots: random.one_of(&[1, 3]),
            eager: random.once_in(2),
            rude: random.once_in(4),
            tick_us: random.one_of(&[10, 100, 1000]),
            slack: random.one_of(&[0, 0, 20, 60]),
        }
    }
}

fn extents(random: &mut Random) -> Vec<u8> {
    (0..random.between(1, 3)).map(|_| random.between(1, 3) as u8).collect()
}

impl Story {
    /// The story of a seed.
    pub fn of(seed: u64) -> Story {
        let mut random = Random::new(seed);
        let mut setup = Setup::draw(&mut random);
        setup.outsider = setup.data_sets.len() > 1 && Random::new(seed ^ 0x0DD).once_in(3);
        let mut acts = vec![];
        for image in 0..setup.images {
            for data_set in 0..setup.data_sets.len() as u8 {
                if random.below(3) > 0 {
                    acts.push((When::In(State::Planned, 0), Act::Open { image, data_set }));
                }
            }
        }
        // Each seed has its own mixture: not everything happens in each.
        let has_changes = random.below(3) > 0;
        let (writes, others) = (random.between(5, 60), random.small(6));
        let (changes, faults) = (
            if has_changes { random.between(1, 5) } else { 0 },
            if random.once_in(5) { 0 } else { random.small(3) },
        );
        if setup.outsider {
            let last = setup.data_sets.len() as u8 - 1;
            let act = Act::Rename { data_set: last, between: 1 };
            acts.push((When::In(State::Copying, Random::new(seed).below(90)), act));
        }
        let crashes = if random.once_in(6) { 0 } else { random.between(1, 3) };
        for _ in 0..writes {
            let act = Story::draw_work(&mut random);
            acts.push((when(&mut random), act));
        }
        for _ in 0..others {
            let act = Story::draw_life(&mut random);
            acts.push((when(&mut random), act));
        }
        for _ in 0..changes {
            let act = Story::draw_change(&mut random);
            let when = match act {
                Act::Steal { .. } => When::Down(random.small(6)),
                _ => when(&mut random),
            };
            acts.push((when, act));
        }
        for _ in 0..faults {
            let act = Story::draw_fault(&mut random);
            acts.push((when(&mut random), act));
        }
        for _ in 0..crashes {
            let (fate, down) = (random.one_of(&Fate::ALL), random.small(5) as u8);
            let power = random.once_in(3);
            let act = if power { Act::Power { fate, down } } else { Act::Kill { fate, down } };
            acts.push((when(&mut random), act));
        }
        Story { seed, setup, acts }
    }

    fn draw_work(random: &mut Random) -> Act {
        let (image, data_set) = (random.below(3) as u8, random.below(4) as u8);
        let track = random.below(12) as u8;
        let mean = if random.once_in(6) { 40 } else { 2 };
        let mut step = || random.small(mean).min(250) as u8;
        let steps = [step(), step(), step()];
        match random.below(12) {
            0 => Act::WriteLate { image, data_set, track, steps },
            1 => Act::Open { image, data_set },
            2 => Act::Close { image, data_set },
            3 => Act::Flush { volume: data_set },
            _ => Act::Write { image, data_set, track, steps },
        }
    }

    fn draw_life(random: &mut Random) -> Act {
        let mean = random.one_of(&[12, 12, 80]);
        let (image, long) = (random.below(3) as u8, random.small(mean).min(250) as u8);
        match random.below(4) {
            0 | 1 => Act::Die { image, away: long },
            2 => Act::Stop { image, stopped: long },
            _ => Act::Silence { image, silent: long },
        }
    }

    fn draw_change(random: &mut Random) -> Act {
        let (data_set, between) = (random.below(4) as u8, random.small(4) as u8);
        let tracks = random.between(1, 4) as u8;
        match random.below(10) {
            0 | 1 => Act::Extend { data_set, tracks, elsewhere: random.once_in(3) },
            2 | 3 => Act::Release { data_set, tracks },
            4 => Act::Delete { data_set, between },
            5 => Act::Create { tracks, between },
            6 | 7 => Act::Rename { data_set, between },
            8 => Act::Recreate { data_set, tracks, between },
            9 if random.once_in(2) => Act::Steal { data_set },
            _ => Act::Touch { data_set },
        }
    }

    fn draw_fault(random: &mut Random) -> Act {
        match random.below(8) {
            0..=2 => Act::Fail(random.one_of(&Fate::ALL)),
            3 | 4 => Act::FailFlush,
            5 => Act::FillDisk(random.between(1, 5) as u8),
            6 => Act::Slow(random.one_of(&[20, 200, 2000])),
            _ => Act::Tell(random.one_of(&[
                Verb::Postpone,
                Verb::Postpone,
                Verb::Verify,
                Verb::BackOut,
                Verb::BackOut,
                Verb::Terminate,
            ])),
        }
    }
}

fn when(random: &mut Random) -> When {
    if random.once_in(12) {
        return When::Down(random.small(6));
    }
    let state = random.one_of(STAGES);
    let mean = match state {
        State::Copying | State::Mirrored => 40,
        State::Planned | State::Switched => 20,
        _ => 12,
    };
    When::In(state, random.small(mean))
}
