use super::super::boundary::to_array;
use super::super::*;
use super::*;
use crate::geometry::{Extent, Track};
use std::ptr::{null, null_mut};

const CYLINDERS: u32 = 10;
const TRACKS: u32 = CYLINDERS * 15;
const MIGRATION: [u64; 2] = [5, 6];

fn info(volser: &str) -> tmr_volume_info {
    tmr_volume_info {
        size: size_of::<tmr_volume_info>() as u32,
        cylinders: CYLINDERS,
        heads: 0,
        track_count: 0,
        slot_size: 0,
        flags: 0,
        volser: to_array(volser),
        device: to_array("3390"),
        location: [0; 256],
    }
}

fn sentence(error: &tmr_error) -> String {
    boundary::text_so_far(&error.sentence).into()
}

/// A message, with as much room as wanted.
struct Message {
    bytes: Vec<u8>,
    buffer: tmr_buffer,
}

impl Message {
    fn with_room(capacity: usize) -> Message {
        let mut bytes = vec![0u8; capacity];
        let buffer = tmr_buffer {
            size: size_of::<tmr_buffer>() as u32,
            reserved: 0,
            data: bytes.as_mut_ptr().cast(),
            capacity: capacity as u64,
            length: 0,
        };
        Message { bytes, buffer }
    }

    fn new() -> Message {
        Message::with_room(4096)
    }

    fn is_empty(&self) -> bool {
        self.buffer.length == 0
    }
}

/// What the tests call, each with this error block and a code that must come.
struct Machines {
    there: *mut tmr_area,
    here: *mut tmr_area,
    image: *mut tmr_image,
    subscription: *mut tmr_subscription,
    reporter: *mut tmr_reporter,
    receiver: *mut tmr_receiver,
    error: tmr_error,
    _memory: [Vec<u64>; 2],
}

fn area(error: &mut tmr_error) -> (Vec<u64>, *mut tmr_area) {
    let (mut length, mut area) = (0, null_mut());
    // SAFETY: the pointers are right.
    unsafe {
        assert_eq!(tmr_area_size(TRACKS, &raw mut length, error), TMR_DONE);
        let mut memory = vec![0u64; (length / 8) as usize];
        let start = memory.as_mut_ptr().cast();
        let code = tmr_area_in_memory(start, length, &info("OLD001"), &raw mut area, error);
        assert_eq!(code, TMR_DONE, "{}", sentence(error));
        (memory, area)
    }
}

impl Machines {
    fn new() -> Machines {
        let mut error = tmr_error::empty();
        let ((first, there), (second, here)) = (area(&mut error), area(&mut error));
        let mut machines = Machines {
            there,
            here,
            image: null_mut(),
            subscription: null_mut(),
            reporter: null_mut(),
            receiver: null_mut(),
            error,
            _memory: [first, second],
        };
        let Machines { image, subscription, error, .. } = &mut machines;
        // SAFETY: the pointers are right.
        unsafe {
            let kind = TMR_IMAGE_BRACKETS;
            assert_eq!(tmr_image_register(there, c"PAYROLL".as_ptr(), kind, image, error), 0);
            assert_eq!(tmr_subscription_open(here, MIGRATION.as_ptr(), subscription, error), 0);
            assert_eq!(tmr_subscription_fill(*subscription, null(), 0, error), 0);
        }
        machines.open_reporter();
        assert_eq!(machines.open_receiver(1, [0; 2]), TMR_DONE);
        machines
    }

    fn open_reporter(&mut self) {
        let Machines { there, reporter, error, .. } = self;
        // SAFETY: the pointers are right.
        let code = unsafe {
            tmr_reporter_open(*there, MIGRATION.as_ptr(), c"SYSB".as_ptr(), reporter, error)
        };
        assert_eq!(code, TMR_DONE, "{}", sentence(&self.error));
    }

    fn open_receiver(&mut self, life: u32, known: [u64; 2]) -> i32 {
        let options = tmr_receiver_options { size: 88, life, known, image: to_array("SYSB") };
        // SAFETY: the pointers are right.
        unsafe {
            let Machines { subscription, receiver, error, .. } = self;
            tmr_receiver_open(*subscription, &raw const options, receiver, error)
        }
    }

    fn write(&mut self, first: u32, track_count: u32) -> i32 {
        let mut write = tmr_write::default();
        let error = &raw mut self.error;
        // SAFETY: the pointers are right.
        unsafe {
            match tmr_image_begin(self.image, first, track_count, &raw mut write, error) {
                TMR_DONE => tmr_image_end(self.image, &raw mut write, error),
                code => code,
            }
        }
    }

    fn report(&mut self, message: &mut Message) -> i32 {
        let error = &raw mut self.error;
        // SAFETY: the pointers are right.
        unsafe { tmr_reporter_report(self.reporter, null(), &raw mut message.buffer, error) }
    }

    fn acknowledge(&mut self, message: &Message) -> i32 {
        let error = &raw mut self.error;
        // SAFETY: the pointers are right.
        unsafe { tmr_reporter_acknowledge(self.reporter, &raw const message.buffer, error) }
    }

    fn absorb(&mut self, message: &Message) -> (i32, u32, Message) {
        let (mut what, mut reply) = (99, Message::with_room(128));
        // SAFETY: the pointers are right.
        let code = unsafe {
            let (message, reply) = (&raw const message.buffer, &raw mut reply.buffer);
            let error = &raw mut self.error;
            tmr_receiver_absorb(self.receiver, message, &raw mut what, reply, error)
        };
        (code, what, reply)
    }

    fn barrier(&mut self, extents: &[tmr_extent], seal: u32) -> Message {
        let mut question = Message::new();
        // SAFETY: the pointers are right.
        let code = unsafe {
            let (count, question) = (extents.len() as u32, &raw mut question.buffer);
            let error = &raw mut self.error;
            tmr_receiver_barrier(self.receiver, extents.as_ptr(), count, seal, question, error)
        };
        assert_eq!(code, TMR_DONE, "{}", sentence(&self.error));
        question
    }

    fn answer(&mut self, question: &Message) -> (i32, Message) {
        let mut answer = Message::new();
        // SAFETY: the pointers are right.
        let code = unsafe {
            let (question, to) = (&raw const question.buffer, &raw mut answer.buffer);
            tmr_reporter_answer(self.reporter, question, null(), null(), to, &raw mut self.error)
        };
        (code, answer)
    }

    /// A question and its answer.
    fn ask(&mut self, extents: &[tmr_extent], seal: u32) -> u32 {
        let question = self.barrier(extents, seal);
        let (code, answer) = self.answer(&question);
        assert_eq!(code, TMR_DONE, "{}", sentence(&self.error));
        let (code, what, _) = self.absorb(&answer);
        assert_eq!(code, TMR_DONE, "{}", sentence(&self.error));
        what
    }

    /// Reports until there is nothing, and brings the acknowledgements back: how many reports there were.
    fn carry(&mut self) -> u32 {
        for count in 0.. {
            let mut report = Message::new();
            match self.report(&mut report) {
                TMR_DONE => return count,
                code => assert_eq!(code, TMR_MORE, "{}", sentence(&self.error)),
            }
            let (code, what, reply) = self.absorb(&report);
            assert_eq!((code, what), (TMR_DONE, TMR_ABSORBED_REPORT));
            assert_eq!(self.acknowledge(&reply), TMR_DONE);
        }
        unreachable!()
    }

    fn look_there(&mut self) -> i32 {
        // SAFETY: the pointers are right.
        unsafe { tmr_receiver_look(self.receiver, &raw mut self.error) }
    }

    fn look_here(&mut self, extents: &[tmr_extent]) -> i32 {
        let (count, error) = (extents.len() as u32, &raw mut self.error);
        // SAFETY: the pointers are right.
        unsafe { tmr_subscription_look(self.subscription, extents.as_ptr(), count, error) }
    }

    fn left(&mut self, first: u32, track_count: u32) -> u64 {
        let (mut left, extents) = (0, [extent(first, track_count)]);
        let error = &raw mut self.error;
        // SAFETY: the pointers are right.
        let code = unsafe {
            let extents = extents.as_ptr();
            tmr_subscription_left(self.subscription, extents, 1, &raw mut left, error)
        };
        assert_eq!(code, TMR_DONE);
        left
    }

    fn described(&mut self) -> tmr_receiver_info {
        let mut info = tmr_receiver_info { size: 32, flags: 0, known: [0; 2], applied: 0 };
        // SAFETY: the pointers are right.
        let code =
            unsafe { tmr_receiver_describe(self.receiver, &raw mut info, &raw mut self.error) };
        assert_eq!(code, TMR_DONE);
        info
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        // SAFETY: the pointers are right.
        unsafe {
            assert_eq!(tmr_receiver_close(&raw mut self.receiver), TMR_DONE);
            assert_eq!(tmr_reporter_close(&raw mut self.reporter), TMR_DONE);
            assert_eq!(tmr_subscription_close(&raw mut self.subscription), TMR_DONE);
            assert_eq!(tmr_image_close(&raw mut self.image), TMR_DONE);
            assert_eq!(tmr_area_close(&raw mut self.there), TMR_DONE);
            assert_eq!(tmr_area_close(&raw mut self.here), TMR_DONE);
        }
    }
}

fn extent(first: u32, track_count: u32) -> tmr_extent {
    tmr_extent { volser: [0; 16], first, track_count, reserved: [0; 2] }
}

/// Volumes, a host, a table and a copier that works from the owner's subscription.
struct Copying {
    volumes: [*mut tmr_volume; 2],
    copier: *mut tmr_copier,
}

impl Copying {
    fn new(machines: &mut Machines, tracks: tmr_extent) -> Copying {
        let (mut host, mut table, mut copier) = (null_mut(), null_mut(), null_mut());
        let mut volumes = [null_mut(), null_mut()];
        let error = &raw mut machines.error;
        let source = tmr_extent { volser: to_array("OLD001"), ..tracks };
        let target = tmr_extent { volser: to_array("NEW001"), ..tracks };
        let subscriptions = [machines.subscription.cast_const()];
        let options = tmr_copier_options {
            size: size_of::<tmr_copier_options>() as u32,
            threads: 0,
            batch_tracks: 0,
            options: 0,
            subscription_count: 1,
            reserved: 0,
            subscriptions: subscriptions.as_ptr(),
        };
        // SAFETY: the pointers are right.
        unsafe {
            assert_eq!(tmr_host_new(&raw mut host, error), 0);
            for (volume, volser) in volumes.iter_mut().zip(["OLD001", "NEW001"]) {
                assert_eq!(tmr_volume_in_memory(&info(volser), volume, error), 0);
                assert_eq!(tmr_host_add_volume(host, *volume, error), 0);
            }
            let (source, target) = (&raw const source, &raw const target);
            assert_eq!(tmr_table_map(source, 1, target, 1, &raw mut table, error), 0);
            let code = tmr_copier_new(table, host, &raw const options, &raw mut copier, error);
            assert_eq!(code, TMR_DONE, "{}", sentence(&*error));
            assert_eq!(tmr_table_close(&raw mut table), 0);
            assert_eq!(tmr_host_close(&raw mut host), 0);
        }
        Copying { volumes, copier }
    }

    /// Copies what there is: how many tracks.
    fn copy(&mut self, machines: &mut Machines) -> u32 {
        let mut count = 0;
        // SAFETY: the pointers are right; of the progress any bytes are a value.
        unsafe {
            let mut progress = std::mem::zeroed::<tmr_progress>();
            progress.size = size_of::<tmr_progress>() as u32;
            loop {
                let (to, error) = (&raw mut progress, &raw mut machines.error);
                let code = tmr_copier_step(self.copier, 7, to, error);
                count += progress.copied;
                match code {
                    TMR_DONE => return count,
                    code => assert_eq!(code, TMR_MORE, "{}", sentence(&machines.error)),
                }
            }
        }
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        // SAFETY: the pointers are right.
        unsafe {
            assert_eq!(tmr_copier_close(&raw mut self.copier), 0);
            for volume in &mut self.volumes {
                assert_eq!(tmr_volume_close(volume), 0);
            }
        }
    }
}

#[test]
fn a_whole_exchange_between_two_machines() {
    let mut machines = Machines::new();
    // Nothing is reported before somebody asked; what was written before, nobody knows.
    assert_eq!(machines.write(50, 1), TMR_DONE);
    assert_eq!(machines.carry(), 0);
    assert_eq!(machines.look_there(), TMR_MORE);
    assert!(sentence(&machines.error).contains("image SYSB on another machine has not answered"));
    assert_eq!(machines.ask(&[], 0), TMR_ABSORBED_NEW_INCARNATION);
    assert_eq!(machines.left(0, TRACKS), u64::from(TRACKS));
    assert_ne!(machines.described().known, [0; 2]);
    machines.carry();

    let plan = [extent(30, 10)];
    let mut copying = Copying::new(&mut machines, plan[0]);
    assert_eq!(copying.copy(&mut machines), 10);
    assert_eq!((machines.left(30, 10), machines.look_here(&plan)), (0, TMR_DONE));

    // A write there is work here.
    assert_eq!(machines.write(33, 2), TMR_DONE);
    assert_eq!(machines.carry(), 1);
    assert_eq!((machines.left(30, 10), machines.described().applied), (2, 2));
    assert_eq!(machines.look_here(&plan), TMR_MORE);

    // The window: a write that has begun there keeps it open, a later one is refused.
    let (mut write, error) = (tmr_write::default(), &raw mut machines.error);
    // SAFETY: the pointers are right.
    unsafe { assert_eq!(tmr_image_begin(machines.image, 31, 1, &raw mut write, error), 0) };
    assert_eq!(machines.ask(&plan, 1), TMR_ABSORBED_ANSWER);
    assert_eq!(machines.described().flags, TMR_RECEIVER_ANSWERED | TMR_RECEIVER_OBEYED);
    assert_eq!(machines.look_there(), TMR_MORE);
    assert!(
        sentence(&machines.error).contains("PAYROLL is writing"),
        "{}",
        sentence(&machines.error)
    );
    assert_eq!(machines.write(39, 1), TMR_REFUSED);
    assert_eq!(machines.error.reason, Reason::VolumeSealed as u32);
    assert_eq!(machines.write(40, 1), TMR_DONE, "another track");
    let error = &raw mut machines.error;
    // SAFETY: the pointers are right.
    unsafe { assert_eq!(tmr_image_end(machines.image, &raw mut write, error), 0) };
    assert_eq!(machines.ask(&plan, 1), TMR_ABSORBED_ANSWER);
    assert_eq!(machines.look_there(), TMR_MORE, "it is not reported");
    assert_eq!(machines.carry(), 1);
    assert_eq!(machines.ask(&plan, 1), TMR_ABSORBED_ANSWER);
    assert_eq!(machines.look_there(), TMR_DONE, "{}", sentence(&machines.error));
    assert_eq!(machines.look_here(&plan), TMR_MORE, "what came last is not copied");
    assert_eq!(copying.copy(&mut machines), 3);
    assert_eq!((machines.look_there(), machines.look_here(&plan)), (TMR_DONE, TMR_DONE));

    // It is over: they may write again.
    assert_eq!(machines.ask(&[], 0), TMR_ABSORBED_ANSWER);
    assert_eq!(machines.write(39, 1), TMR_DONE);
    drop(copying);
    // SAFETY: the pointers are right.
    assert_eq!(unsafe { tmr_subscription_close(&raw mut machines.subscription) }, TMR_REFUSED);
}

#[test]
fn a_short_buffer_loses_nothing() {
    let mut machines = Machines::new();
    let plan = [extent(30, 10)];
    let question = machines.barrier(&[], 0);
    let (code, _) = machines.answer(&question);
    assert_eq!(code, TMR_DONE);
    let mut short = Message::with_room(20);
    // SAFETY: the pointers are right.
    let code = unsafe {
        let (reporter, question) = (machines.reporter, &raw const question.buffer);
        let (to, error) = (&raw mut short.buffer, &raw mut machines.error);
        tmr_reporter_answer(reporter, question, null(), null(), to, error)
    };
    assert_eq!((code, machines.error.reason), (TMR_REFUSED, Reason::ShortBuffer as u32));
    let mut exact = Message::with_room(short.buffer.length as usize);
    // SAFETY: the pointers are right.
    let code = unsafe {
        let (reporter, question) = (machines.reporter, &raw const question.buffer);
        let (to, error) = (&raw mut exact.buffer, &raw mut machines.error);
        tmr_reporter_answer(reporter, question, null(), null(), to, error)
    };
    assert_eq!((code, exact.buffer.length), (TMR_DONE, short.buffer.length));
    assert_eq!(machines.absorb(&exact).1, TMR_ABSORBED_NEW_INCARNATION);

    assert_eq!(machines.write(3, 1), TMR_DONE);
    assert_eq!(machines.report(&mut short), TMR_REFUSED);
    assert_eq!(machines.error.reason, Reason::ShortBuffer as u32);
    // What is written meanwhile comes in the next one, as it is far enough from what is on its way.
    assert_eq!(machines.write(100, 1), TMR_DONE);
    let mut report = Message::with_room(short.buffer.length as usize);
    assert_eq!(machines.report(&mut report), TMR_MORE);
    assert_eq!(machines.report(&mut Message::with_room(0)), TMR_REFUSED);
    let mut next = Message::new();
    assert_eq!(machines.report(&mut next), TMR_MORE);
    assert_eq!(machines.report(&mut short), TMR_DONE);
    assert!(short.is_empty());

    // No room for the acknowledgement: nothing has happened.
    let (mut what, before) = (99, machines.described().applied);
    let mut small = Message::with_room(127);
    // SAFETY: the pointers are right.
    let code = unsafe {
        let (receiver, report) = (machines.receiver, &raw const report.buffer);
        let (to, error) = (&raw mut small.buffer, &raw mut machines.error);
        tmr_receiver_absorb(receiver, report, &raw mut what, to, error)
    };
    assert_eq!((code, what, small.buffer.length), (TMR_REFUSED, 0, 128));
    assert_eq!(machines.described().applied, before);
    // SAFETY: the pointers are right.
    let code = unsafe {
        let (receiver, extents) = (machines.receiver, plan.as_ptr());
        let (to, error) = (&raw mut small.buffer, &raw mut machines.error);
        tmr_receiver_barrier(receiver, extents, 1, 1, to, error)
    };
    assert_eq!((code, small.buffer.length), (TMR_REFUSED, 138));
    assert_eq!(machines.described().flags & TMR_RECEIVER_ANSWERED, TMR_RECEIVER_ANSWERED);

    // They come in the wrong order, and twice.
    for (message, applied) in [(&next, 0), (&report, 2), (&next, 2)] {
        let (code, what, reply) = machines.absorb(message);
        assert_eq!((code, what), (TMR_DONE, TMR_ABSORBED_REPORT));
        assert_eq!(machines.described().applied, applied);
        assert_eq!(machines.acknowledge(&reply), TMR_DONE);
    }
    // SAFETY: the pointers are right.
    let resent = unsafe { tmr_reporter_resend(machines.reporter, &raw mut machines.error) };
    assert_eq!((resent, machines.carry()), (TMR_DONE, 0), "everything was acknowledged");
}

#[test]
fn what_was_lost_is_reported_once_more() {
    let mut machines = Machines::new();
    assert_eq!(machines.ask(&[], 0), TMR_ABSORBED_NEW_INCARNATION);
    let all = Extent::new(Track(0), TRACKS);
    // SAFETY: it is open.
    let subscription = unsafe { shared(machines.subscription.cast_const()) }.unwrap().clone();
    subscription.clear_marks(all).unwrap();
    assert_eq!(machines.write(3, 1), TMR_DONE);
    let mut lost = Message::new();
    assert_eq!(machines.report(&mut lost), TMR_MORE);
    // SAFETY: the pointers are right.
    unsafe {
        let error = &raw mut machines.error;
        assert_eq!(tmr_reporter_resend(machines.reporter, error), TMR_MORE);
    }
    assert_eq!((machines.carry(), machines.left(0, TRACKS)), (1, 1));

    // Both sides begin anew.
    let known = machines.described().known;
    assert_eq!(machines.write(7, 2), TMR_DONE);
    assert_eq!(machines.report(&mut lost), TMR_MORE);
    // SAFETY: the pointers are right.
    unsafe {
        assert_eq!(tmr_reporter_close(&raw mut machines.reporter), TMR_DONE);
        assert_eq!(tmr_receiver_close(&raw mut machines.receiver), TMR_DONE);
    }
    machines.open_reporter();
    assert_eq!(machines.open_receiver(0, known), TMR_REFUSED);
    assert_eq!(machines.open_receiver(2, known), TMR_DONE);
    assert_eq!(machines.ask(&[], 0), TMR_ABSORBED_ANSWER, "it is known");
    assert_eq!((machines.carry(), machines.left(0, TRACKS)), (1, 3));
    drop(subscription);
}

#[test]
fn leave_is_taken_and_the_end_opens_what_was_sealed() {
    let mut machines = Machines::new();
    assert_eq!(machines.ask(&[], 0), TMR_ABSORBED_NEW_INCARNATION);
    machines.carry();
    // SAFETY: the pointers are right.
    let farewell = |machines: &mut Machines| unsafe {
        tmr_reporter_farewell(machines.reporter, &raw mut machines.error)
    };
    assert_eq!(farewell(&mut machines), TMR_REFUSED);
    assert_eq!(machines.error.reason, Reason::NotCovered as u32);
    // SAFETY: the pointers are right.
    assert_eq!(unsafe { tmr_image_close(&raw mut machines.image) }, TMR_DONE);
    assert_eq!(farewell(&mut machines), TMR_MORE);
    let question = machines.barrier(&[], 0);
    let (_, answer) = machines.answer(&question);
    let (code, what, reply) = machines.absorb(&answer);
    assert_eq!((code, what), (TMR_DONE, TMR_ABSORBED_FAREWELL));
    assert_eq!(machines.acknowledge(&reply), TMR_DONE);
    assert_eq!(farewell(&mut machines), TMR_DONE);
    assert_eq!(machines.described().flags & TMR_RECEIVER_LEFT, TMR_RECEIVER_LEFT);
    assert_eq!(machines.look_there(), TMR_DONE);
    // Whoever comes before the end finds everything sealed.
    // SAFETY: the pointers are right.
    unsafe {
        let Machines { there, image, error, .. } = &mut machines;
        let kind = TMR_IMAGE_BRACKETS;
        assert_eq!(tmr_image_register(*there, c"LATE".as_ptr(), kind, image, error), 0);
    }
    assert_eq!(machines.write(0, 1), TMR_REFUSED);
    // SAFETY: the pointers are right.
    assert_eq!(unsafe { tmr_reporter_end(&raw mut machines.reporter, null_mut()) }, TMR_DONE);
    assert_eq!(machines.write(0, 1), TMR_DONE);
    // SAFETY: it is open.
    let there = unsafe { shared(machines.there.cast_const()) }.unwrap();
    assert!(there.subscriptions().is_empty());
}

#[test]
fn what_is_no_message_for_it_changes_nothing() {
    let mut machines = Machines::new();
    assert_eq!(machines.ask(&[], 0), TMR_ABSORBED_NEW_INCARNATION);
    let mut garbage = Message::new();
    garbage.bytes[..4].copy_from_slice(b"TMRM");
    garbage.buffer.length = 100;
    assert_eq!(machines.absorb(&garbage).0, TMR_REFUSED);
    assert_eq!(machines.error.reason, Reason::BadMessage as u32);
    assert_eq!(machines.acknowledge(&garbage), TMR_REFUSED);
    assert_eq!(machines.answer(&garbage).0, TMR_REFUSED);
    garbage.buffer.length = u64::MAX;
    assert_eq!(machines.absorb(&garbage).0, TMR_REFUSED);
    garbage.buffer.reserved = 1;
    assert_eq!(machines.acknowledge(&garbage), TMR_REFUSED);
    assert_eq!(machines.error.reason, Reason::BadStructure as u32);
    // One that is right, and comes to the wrong one.
    let question = machines.barrier(&[], 0);
    let (code, what, _) = machines.absorb(&question);
    assert_eq!((code, what), (TMR_MORE, TMR_ABSORBED_NOTHING));
    assert!(sentence(&machines.error).starts_with("the message was passed over: "));
    assert_eq!((machines.error.code, machines.error.reason), (TMR_MORE, 0));
    assert_eq!(machines.acknowledge(&question), TMR_MORE);
    // A volume of another serial is not the one to be flushed.
    let mut volume = null_mut();
    // SAFETY: the pointers are right.
    unsafe {
        let error = &raw mut machines.error;
        assert_eq!(tmr_volume_in_memory(&info("NEW001"), &raw mut volume, error), 0);
        let mut message = Message::new();
        let to = &raw mut message.buffer;
        assert_eq!(tmr_reporter_report(machines.reporter, volume, to, error), TMR_REFUSED);
        assert_eq!((*error).reason, Reason::NoSuchVolume as u32);
        assert_eq!(tmr_volume_close(&raw mut volume), 0);
        // Nobody knows what a retired one wrote.
        assert_eq!(tmr_receiver_retire(machines.receiver, error), TMR_DONE);
    }
    assert_eq!(machines.left(0, TRACKS), u64::from(TRACKS));
    assert_eq!(machines.look_there(), TMR_DONE);
    let outside = [extent(TRACKS, 1)];
    let mut question = Message::new();
    // SAFETY: the pointers are right.
    unsafe {
        let (receiver, to) = (machines.receiver, &raw mut question.buffer);
        let error = &raw mut machines.error;
        assert_eq!(tmr_receiver_barrier(receiver, outside.as_ptr(), 1, 0, to, error), 8);
        assert_eq!((*error).reason, Reason::OutsideVolume as u32);
        assert_eq!(tmr_receiver_barrier(receiver, null(), 0, 2, to, error), 8);
        assert_eq!((*error).reason, Reason::BadValue as u32);
    }
}
