//! A sender and an owner over a channel that does everything wrong, with restarts of both, and an oracle that knows what
//! was written.

use super::*;
use crate::geometry::{Extent, Track};
use crate::monitor::{Area, Identity, Image, Kind, Subscription};

const TRACKS: u32 = 300;
const PLAN: Extent = Extent { first: Track(20), track_count: 200 };
const MIGRATION: [u64; 2] = [7, 8];

/// Numbers that follow from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
    fn below(&mut self, limit: u32) -> u32 {
        (self.next() % u64::from(limit)) as u32
    }
    fn one_in(&mut self, count: u32) -> bool {
        self.below(count) == 0
    }
}

fn area() -> Area {
    Area::in_process(Identity { track_count: TRACKS, ..Identity::unknown() }).unwrap()
}

/// Messages on their way: any of them may come next, twice, or never.
#[derive(Default)]
struct Wire(Vec<Vec<u8>>);

impl Wire {
    fn send(&mut self, message: Vec<u8>, random: &mut Random) {
        for _ in 0..[1, 1, 1, 0, 2][random.below(5) as usize] {
            self.0.push(message.clone());
        }
    }
    fn next(&mut self, random: &mut Random) -> Option<Vec<u8>> {
        let count = self.0.len() as u32;
        (count > 0 && !random.one_in(3)).then(|| {
            // Mostly the oldest.
            let place = if random.one_in(4) { random.below(count) } else { 0 };
            self.0.remove(place as usize)
        })
    }
}

/// One volume, written by one other machine, and copied by the owner.
struct World {
    random: Random,
    /// How often each track was written, and with which of these states it was copied.
    written: Vec<u32>,
    copied: Vec<u32>,
    remote: Area,
    writer: Option<Image>,
    reporter: Option<Reporter>,
    subscription: Subscription,
    receiver: Receiver,
    there: Wire,
    back: Wire,
    windows: u32,
    /// Lives of the owner.
    life: u32,
}

impl World {
    fn new(seed: u64) -> World {
        let (remote, owner) = (area(), area());
        let subscription = Subscription::open(&owner, MIGRATION).unwrap();
        subscription.fill(&[PLAN]).unwrap();
        World {
            random: Random(seed),
            written: vec![0; TRACKS as usize],
            copied: vec![u32::MAX; TRACKS as usize],
            writer: Some(Image::register(&remote, "W", Kind::Brackets).unwrap()),
            remote,
            reporter: None,
            receiver: Receiver::new(&subscription, MIGRATION, "SYSB", None, 1).unwrap(),
            subscription,
            there: Wire::default(),
            back: Wire::default(),
            windows: 0,
            life: 1,
        }
    }

    fn write(&mut self) {
        let Some(writer) = &self.writer else { return };
        let first = self.random.below(TRACKS - 3);
        let count = 1 + self.random.below(3);
        let begun = writer.begin(Extent::new(Track(first), count));
        // A sealed track is not written.
        let Ok(begun) = begun else { return };
        if self.random.one_in(40) {
            // It dies inside its write.
            self.written[first as usize] += 1;
            let _ = begun;
            self.writer = None;
            return;
        }
        (first..first + count).for_each(|track| self.written[track as usize] += 1);
        writer.end(begun);
    }

    /// One round of the other machine.
    fn serve(&mut self) {
        if self.writer.is_none() {
            self.remote.reap().unwrap();
            self.writer = Image::register(&self.remote, "W", Kind::Brackets).ok();
        }
        let random = &mut self.random;
        while let Some(message) = self.there.next(random) {
            let reporter = self
                .reporter
                .get_or_insert_with(|| Reporter::open(&self.remote, MIGRATION, "SYSB").unwrap());
            reporter.acknowledge(&message).unwrap();
            if let Some(answer) = reporter.answer(&message, None, || Ok(())).unwrap() {
                self.back.send(answer, random);
            }
        }
        let Some(reporter) = &mut self.reporter else { return };
        if random.one_in(6) {
            reporter.resend();
        }
        while let Some(report) = reporter.report(1 + random.below(60) as usize, || Ok(())).unwrap()
        {
            self.back.send(report, random);
        }
    }

    /// One round of the owner: he hears, then copies.
    fn own(&mut self) {
        while let Some(message) = self.back.next(&mut self.random) {
            let absorbed = self.receiver.absorb(&message).unwrap();
            if let Absorbed::Report { acknowledgement, .. } = absorbed {
                self.there.send(acknowledgement, &mut self.random);
            }
        }
        self.copy();
    }

    fn copy(&mut self) {
        for _ in 0..self.random.below(6) {
            let most = 1 + self.random.below(50);
            let Some(work) = self.subscription.next_work(PLAN, most).unwrap() else { return };
            let batch = self.subscription.take(work).unwrap();
            for track in batch.runs().flat_map(|run| run.first.0..run.end().0) {
                self.copied[track as usize] = self.written[track as usize];
            }
            batch.done();
        }
    }

    fn ask(&mut self, seal: bool) {
        let question = self.receiver.question(&[PLAN], seal).unwrap();
        self.there.send(question, &mut self.random);
    }

    /// The window: whether it could be closed. If so, the target holds everything.
    fn window(&mut self) -> bool {
        for _ in 0..30 {
            self.ask(true);
            for _ in 0..4 {
                // Somebody did not close, and is refused from the seal on.
                if self.random.one_in(3) {
                    self.write();
                }
                self.serve();
                self.own();
                if self.receiver.unready().is_none()
                    && self.receiver.not_quiet().is_none()
                    && self.subscription.look(&[PLAN]).unwrap().is_none()
                {
                    for track in PLAN.first.0..PLAN.end().0 {
                        let (written, copied) =
                            (self.written[track as usize], self.copied[track as usize]);
                        assert_eq!(written, copied, "track {track} was lost");
                    }
                    self.windows += 1;
                    return true;
                }
            }
        }
        false
    }

    fn restart_owner(&mut self, known: Option<Incarnation>) {
        self.life += 1;
        let receiver = Receiver::new(&self.subscription, MIGRATION, "SYSB", known, self.life);
        self.receiver = receiver.unwrap();
    }

    /// What may happen to both sides.
    fn happen(&mut self) {
        match self.random.below(60) {
            // The agent is killed: what it sent and heard is gone with it, what is in the area stays.
            0 => self.reporter = None,
            // The other machine is booted.
            1 => {
                (self.reporter, self.writer) = (None, None);
                self.remote = area();
                self.writer = Image::register(&self.remote, "W", Kind::Brackets).ok();
            }
            // The owner is killed, and knows what the checkpoint says.
            2 => {
                self.restart_owner(self.receiver.known());
            }
            // The same, but the last incarnation was not yet durable.
            3 => self.restart_owner(None),
            // The server of the channel loses everything.
            4 => (self.there, self.back) = (Wire::default(), Wire::default()),
            _ => {}
        }
    }
}

#[test]
fn no_write_of_another_machine_is_lost() {
    let mut windows = 0;
    for seed in 0..600 {
        let mut world = World::new(seed);
        for _ in 0..150 {
            world.write();
            if world.random.one_in(3) {
                world.serve();
            }
            if world.random.one_in(3) {
                world.own();
            }
            if world.random.one_in(10) {
                world.ask(false);
            }
            world.happen();
            if world.random.one_in(40) {
                world.window();
                world.ask(false);
            }
        }
        assert!(
            world.window(),
            "seed {seed}: the window could not be closed: {:?}",
            world.receiver
        );
        windows += world.windows;
    }
    assert!(windows > 1000, "{windows} windows");
}

/// A world in which a first question was answered.
fn answered() -> World {
    let mut world = World::new(1);
    let question = world.receiver.question(&[PLAN], false).unwrap();
    let mut reporter = Reporter::open(&world.remote, MIGRATION, "SYSB").unwrap();
    let answer = reporter.answer(&question, None, || Ok(())).unwrap().unwrap();
    assert_eq!(world.receiver.absorb(&answer).unwrap(), Absorbed::NewIncarnation);
    world.reporter = Some(reporter);
    world.subscription.clear_marks(PLAN).unwrap();
    world
}

impl World {
    /// One write of a track, and its report.
    fn reported(&mut self, track: u32) -> Vec<u8> {
        let writer = self.writer.as_ref().unwrap();
        writer.write(Extent::new(Track(track), 1), || ()).unwrap();
        self.reporter.as_mut().unwrap().report(1000, || Ok(())).unwrap().unwrap()
    }

    fn applied(&mut self, message: &[u8]) -> Vec<u8> {
        match self.receiver.absorb(message).unwrap() {
            Absorbed::Report { acknowledgement, .. } => acknowledgement,
            other => panic!("{other:?}"),
        }
    }

    fn changed(&self) -> u32 {
        self.subscription.changed_count(PLAN).unwrap()
    }
}

#[test]
fn reports_that_come_twice_late_or_out_of_order_are_harmless() {
    let mut world = answered();
    let reports = [30, 100, 180].map(|track| world.reported(track));
    world.applied(&reports[2]);
    assert_eq!((world.receiver.applied(), world.changed()), (Some(0), 1), "a gap");
    world.applied(&reports[0]);
    assert_eq!(world.receiver.applied(), Some(1));
    world.applied(&reports[1]);
    assert_eq!((world.receiver.applied(), world.changed()), (Some(3), 3));
    let acknowledgement = world.applied(&reports[1]);
    assert_eq!((world.receiver.applied(), world.changed()), (Some(3), 3));
    let reporter = world.reporter.as_mut().unwrap();
    assert_eq!(reporter.unacknowledged(), 3);
    assert!(reporter.acknowledge(&acknowledgement).unwrap());
    assert_eq!(reporter.unacknowledged(), 0);
    assert!(reporter.subscription().look(&[PLAN]).unwrap().is_none());
}

#[test]
fn what_is_lost_on_the_way_is_reported_again() {
    let mut world = answered();
    let lost = world.reported(50);
    let second = world.reported(151);
    let acknowledgement = world.applied(&second);
    let reporter = world.reporter.as_mut().unwrap();
    reporter.acknowledge(&acknowledgement).unwrap();
    assert_eq!(reporter.unacknowledged(), 2, "nothing behind a gap is acknowledged");
    reporter.resend();
    let again = reporter.report(1000, || Ok(())).unwrap().unwrap();
    let acknowledgement = world.applied(&again);
    assert_eq!((world.receiver.applied(), world.changed()), (Some(3), 2));
    world.reporter.as_mut().unwrap().acknowledge(&acknowledgement).unwrap();
    assert_eq!(world.reporter.as_ref().unwrap().unacknowledged(), 0);
    // It comes in the end.
    world.applied(&lost);
    assert_eq!(world.receiver.applied(), Some(3));
}

#[test]
fn a_write_behind_its_report_is_reported_after_the_acknowledgement() {
    let mut world = answered();
    let first = world.reported(50);
    world.writer.as_ref().unwrap().write(Extent::new(Track(50), 1), || ()).unwrap();
    let reporter = world.reporter.as_mut().unwrap();
    assert_eq!(reporter.report(1000, || Ok(())).unwrap(), None, "the track is out");
    let acknowledgement = world.applied(&first);
    let reporter = world.reporter.as_mut().unwrap();
    reporter.acknowledge(&acknowledgement).unwrap();
    assert!(reporter.report(1000, || Ok(())).unwrap().is_some());
}

#[test]
fn a_report_whose_flush_fails_was_not_made() {
    let mut world = answered();
    world.writer.as_ref().unwrap().write(Extent::new(Track(50), 1), || ()).unwrap();
    let reporter = world.reporter.as_mut().unwrap();
    let failed = || Err(crate::Error::new(crate::Reason::Io, "no flush"));
    assert!(reporter.report(1000, failed).is_err());
    assert_eq!((reporter.number(), reporter.unacknowledged()), (0, 0));
    assert!(reporter.report(1000, || Ok(())).unwrap().is_some());
}

#[test]
fn an_agent_that_was_killed_reports_again_what_was_not_acknowledged() {
    let mut world = answered();
    world.reported(50);
    world.reporter = None;
    let mut reporter = Reporter::open(&world.remote, MIGRATION, "SYSB").unwrap();
    assert_eq!(reporter.report(1000, || Ok(())).unwrap(), None, "nobody has asked yet");
    let question = world.receiver.question(&[PLAN], false).unwrap();
    let answer = reporter.answer(&question, None, || Ok(())).unwrap().unwrap();
    assert_eq!(world.receiver.absorb(&answer).unwrap(), Absorbed::Answer);
    let report = reporter.report(1000, || Ok(())).unwrap().unwrap();
    assert_eq!(reporter.number(), 2, "no number is given twice");
    world.applied(&report);
    assert_eq!((world.receiver.applied(), world.changed()), (Some(2), 1));
}

#[test]
fn another_incarnation_means_that_all_is_changed() {
    let mut world = answered();
    let old = world.reported(50);
    let question = world.receiver.question(&[PLAN], false).unwrap();
    let old_answer =
        world.reporter.as_mut().unwrap().answer(&question, None, || Ok(())).unwrap().unwrap();
    world.reporter = None;
    let booted = area();
    let mut reporter = Reporter::open(&booted, MIGRATION, "SYSB").unwrap();
    let answer = reporter.answer(&question, Some("a program has no monitor"), || Ok(())).unwrap();
    world.receiver.absorb(&answer.unwrap()).unwrap();
    assert!(world.receiver.unready().unwrap().contains("no monitor"));
    assert_eq!(world.changed(), 0, "as long as it is not ready, it is not known");
    let question = world.receiver.question(&[PLAN], false).unwrap();
    let answer = reporter.answer(&question, None, || Ok(())).unwrap().unwrap();
    assert_eq!(world.receiver.absorb(&answer).unwrap(), Absorbed::NewIncarnation);
    assert_eq!(world.changed(), PLAN.track_count);
    // What comes late of the old one changes nothing.
    for message in [old, old_answer] {
        assert!(matches!(world.receiver.absorb(&message).unwrap(), Absorbed::PassedOver(_)));
    }
    assert_eq!(world.receiver.unready(), None);
}

#[test]
fn two_machines_of_one_name_are_found() {
    let mut world = answered();
    let other = area();
    let mut second = Reporter::open(&other, MIGRATION, "SYSB").unwrap();
    for _ in 0..2 {
        let question = world.receiver.question(&[PLAN], false).unwrap();
        let answer = second.answer(&question, None, || Ok(())).unwrap().unwrap();
        world.receiver.absorb(&answer).unwrap();
        let question = world.receiver.question(&[PLAN], false).unwrap();
        let first =
            world.reporter.as_mut().unwrap().answer(&question, None, || Ok(())).unwrap().unwrap();
        world.receiver.absorb(&first).unwrap();
    }
    assert!(world.receiver.unready().unwrap().contains("two machines"));
    assert!(world.receiver.not_quiet().is_some());
}

#[test]
fn what_the_owner_wants_sealed_is_refused_there_until_a_later_question() {
    let mut world = answered();
    let ask = |world: &mut World, seal| {
        let question = world.receiver.question(&[PLAN], seal).unwrap();
        let answer =
            world.reporter.as_mut().unwrap().answer(&question, None, || Ok(())).unwrap().unwrap();
        world.receiver.absorb(&answer).unwrap();
        (question, world.receiver.not_quiet())
    };
    let write = |world: &World, track| {
        let writer = world.writer.as_ref().unwrap();
        writer.write(Extent::new(Track(track), 1), || ()).map_err(|error| error.reason())
    };
    let (open, found) = ask(&mut world, false);
    assert_eq!((found, write(&world, 10)), (None, Ok(())));
    assert_eq!(ask(&mut world, true).1, None);
    assert_eq!(write(&world, 30), Err(crate::Reason::VolumeSealed));
    assert_eq!(write(&world, 10), Ok(()), "it is not of the plan");
    world.reporter.as_mut().unwrap().answer(&open, None, || Ok(())).unwrap();
    assert!(write(&world, 30).is_err(), "an older question opens nothing");
    // Neither restart forgets which was the later one.
    world.reporter = None;
    assert!(write(&world, 30).is_err(), "an agent that was killed opens nothing");
    world.reporter = Some(Reporter::open(&world.remote, MIGRATION, "SYSB").unwrap());
    world.reporter.as_mut().unwrap().answer(&open, None, || Ok(())).unwrap();
    assert!(write(&world, 30).is_err());
    world.restart_owner(world.receiver.known());
    ask(&mut world, false);
    assert_eq!(write(&world, 30), Ok(()));
}

#[test]
fn a_retired_image_is_not_heard_any_more() {
    let mut world = answered();
    let late = world.reported(50);
    world.receiver.question(&[PLAN], false).unwrap();
    assert!(world.receiver.not_quiet().is_some());
    world.receiver.retire();
    assert_eq!(world.changed(), PLAN.track_count, "what it did not report, nobody knows");
    world.subscription.clear_marks(PLAN).unwrap();
    assert!(matches!(world.receiver.absorb(&late).unwrap(), Absorbed::PassedOver(_)));
    assert_eq!(world.changed(), 0);
    assert!(world.receiver.not_quiet().is_none());
}

#[test]
fn who_takes_leave_has_nothing_left_to_tell() {
    let mut world = answered();
    let report = world.reported(50);
    let refused = world.reporter.as_mut().unwrap().leave().unwrap_err();
    assert!(refused.sentence().contains("image W"), "{refused}");
    world.writer = None;
    world.reporter.as_mut().unwrap().leave().unwrap();
    let ask = |world: &mut World| {
        let question = world.receiver.question(&[PLAN], false).unwrap();
        let reporter = world.reporter.as_mut().unwrap();
        let answer = reporter.answer(&question, None, || Ok(())).unwrap().unwrap();
        (answer.clone(), world.receiver.absorb(&answer).unwrap())
    };
    assert_eq!(ask(&mut world).1, Absorbed::Answer, "something is not acknowledged");
    let acknowledgement = world.applied(&report);
    world.reporter.as_mut().unwrap().acknowledge(&acknowledgement).unwrap();
    let (answer, absorbed) = ask(&mut world);
    let Absorbed::Farewell { acknowledgement } = absorbed else { panic!("{absorbed:?}") };
    assert!(world.receiver.has_left() && world.receiver.not_quiet().is_none());
    // Everything is sealed there until it has heard that.
    let writer = Image::register(&world.remote, "LATE", Kind::Brackets).unwrap();
    assert!(writer.write(Extent::new(Track(5), 1), || ()).is_err());
    let reporter = world.reporter.as_mut().unwrap();
    assert!(!reporter.has_left());
    reporter.acknowledge(&acknowledgement).unwrap();
    assert!(reporter.has_left());
    // What comes late changes nothing, but is answered; nor does it come back.
    world.reporter.take().unwrap().end();
    for late in [report, answer] {
        let absorbed = world.receiver.absorb(&late).unwrap();
        assert!(matches!(absorbed, Absorbed::Farewell { .. }), "{absorbed:?}");
    }
    world.reporter = Some(Reporter::open(&world.remote, MIGRATION, "SYSB").unwrap());
    assert!(matches!(ask(&mut world).1, Absorbed::Farewell { .. }));
    assert_eq!(world.changed(), 1, "the report's track");
}

#[test]
fn a_farewell_counts_only_as_the_answer_to_the_last_question() {
    let mut world = answered();
    world.writer = None;
    world.reporter.as_mut().unwrap().leave().unwrap();
    let question = world.receiver.question(&[PLAN], false).unwrap();
    let answer = world.reporter.as_mut().unwrap().answer(&question, None, || Ok(())).unwrap();
    world.receiver.question(&[PLAN], false).unwrap();
    let absorbed = world.receiver.absorb(&answer.unwrap()).unwrap();
    assert!(matches!(absorbed, Absorbed::PassedOver(_)));
    assert!(!world.receiver.has_left());
}

#[test]
fn what_was_written_before_is_flushed_before_it_is_ready() {
    let mut world = World::new(1);
    let mut reporter = Reporter::open(&world.remote, MIGRATION, "SYSB").unwrap();
    let question = world.receiver.question(&[PLAN], false).unwrap();
    let failed = || Err(crate::Error::new(crate::Reason::Io, "no flush"));
    let answer = reporter.answer(&question, None, failed).unwrap().unwrap();
    world.receiver.absorb(&answer).unwrap();
    assert!(world.receiver.unready().unwrap().contains("no flush"));
    assert_eq!(world.receiver.known(), None);
}

#[test]
fn whoever_wrote_unnoticed_makes_another_incarnation() {
    let mut world = answered();
    let known = world.receiver.known();
    for (uncovered, is_known) in [(Some("a stranger"), false), (None, true)] {
        let question = world.receiver.question(&[PLAN], false).unwrap();
        let reporter = world.reporter.as_mut().unwrap();
        let answer = reporter.answer(&question, uncovered, || Ok(())).unwrap().unwrap();
        world.receiver.absorb(&answer).unwrap();
        assert_eq!(world.receiver.unready().is_none(), is_known);
        assert_eq!(world.receiver.not_quiet().is_none(), is_known);
    }
    assert_ne!(world.receiver.known(), known);
    assert_eq!(world.changed(), PLAN.track_count);
}

#[test]
fn messages_that_are_not_meant_here_are_passed_over() {
    let mut world = answered();
    let report = world.reported(50);
    for (migration, image) in [([7, 9], "SYSB"), (MIGRATION, "SYSC")] {
        let mut other = Receiver::new(&world.subscription, migration, image, None, 1).unwrap();
        assert!(matches!(other.absorb(&report).unwrap(), Absorbed::PassedOver(_)));
    }
    let mut damaged = report;
    damaged[40] ^= 1;
    assert!(world.receiver.absorb(&damaged).is_err());
    assert_eq!(world.changed(), 0);
    assert!(Receiver::new(&world.subscription, MIGRATION, "A B", None, 1).is_err());
}
