//! The agent: a machine's whole answer to the migrations that other machines own.

use super::boundary::{
    Handle, Out, alone, close, guarded, input, input_if_any, shared, text, text_if_any, words,
};
use super::channel::HostChannel;
use super::enqueue::HostEnqueue;
use super::{
    TMR_DONE, TMR_MORE, tmr_area, tmr_channel_functions, tmr_enqueue_functions, tmr_error,
    tmr_volume,
};
use crate::enqueue::{Enqueue, RegistryEnqueue};
use crate::monitor::remote::check_name;
use crate::registry::openers::Openers;
use crate::remote::{Agent, EnqueueOf};
use parking_lot::Mutex;
use std::ffi::c_char;
use std::sync::Arc;

/// Serves the migrations that other machines own: reports what is written here, answers, closes data sets here. One call uses it at
/// a time.
pub struct tmr_agent {
    _opaque: [u8; 0],
}

impl Handle for tmr_agent {
    type Value = Mutex<Agent>;
    const NAME: &'static str = "tmr_agent";
}

/// Does: makes an agent for this machine, under the name that the owners of migrations know it by; no two machines have the same.
///   `channel` carries messages to them and back. `enqueue` knows who has data sets open here; NULL: the registry of openers.
/// Gives back: 0 and the agent, to be closed with tmr_agent_close; the tables were taken, and their `release` will be called. 8: no
///   table was taken.
/// Threads: any.
/// When: at any time. What must not be lost lies in the areas: a new agent goes on where the last one ended, or died.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_agent_new(
    image: *const c_char,
    channel: *const tmr_channel_functions,
    enqueue: *const tmr_enqueue_functions,
    agent: *mut *mut tmr_agent,
    error: *mut tmr_error,
) -> i32 {
    let new = || {
        // SAFETY: as the caller promised.
        let (out, image) = unsafe { (Out::handle(agent)?, text(image, "the image's name")?) };
        // SAFETY: as the caller promised.
        let (channel, enqueue) = unsafe { (input(channel)?, input_if_any(enqueue)?) };
        // Nothing fails behind this, so the tables are taken.
        check_name(image)?;
        let enqueue_of: EnqueueOf = match enqueue {
            Some(functions) => {
                let enqueue: Arc<dyn Enqueue> = Arc::new(HostEnqueue::new(functions));
                Box::new(move |_| Ok(enqueue.clone()))
            }
            None => Box::new(|owner| {
                Ok(Arc::new(RegistryEnqueue::new(Openers::system()?, owner)) as Arc<dyn Enqueue>)
            }),
        };
        let agent = Agent::new(image, Arc::new(HostChannel::new(channel)), enqueue_of)?;
        out.give_handle(Mutex::new(agent));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, new) }
}

/// Does: lets an agent serve a volume, too, by its monitor area on this machine. What programs here wrote to their cache is written
///   out through `volume` before it is reported. `images` names those, with blanks between, that must be registered in the area, alive
///   or ended since; it may be NULL.
/// Gives back: 0; volume and area may be closed then. 8 if the area is of another volume, or this serial was added before.
/// Threads: one at a time.
/// When: before the agent serves.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_agent_add_volume(
    agent: *mut tmr_agent,
    volume: *const tmr_volume,
    area: *const tmr_area,
    images: *const c_char,
    error: *mut tmr_error,
) -> i32 {
    let add = || {
        // SAFETY: as the caller promised.
        let (mut agent, volume) = unsafe { (alone(agent.cast_const())?, shared(volume)?) };
        // SAFETY: as the caller promised.
        let (area, images) = unsafe { (shared(area)?, text_if_any(images, "images")?) };
        let expected: Vec<String> = words(images.unwrap_or_default()).map(String::from).collect();
        expected.iter().try_for_each(|image| check_name(image))?;
        agent.add(volume.clone(), area.clone(), expected)?;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, add) }
}

/// Does: one round: takes what has come, answers, and reports what was written.
/// Gives back: 4 if anything came or went: call it again at once; 0 if not: wait a little before the next round. 8 or 12 if
///   something could not be done; the next round goes on.
/// Threads: one at a time.
/// When: again and again.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_agent_serve(agent: *mut tmr_agent, error: *mut tmr_error) -> i32 {
    let serve = || {
        // SAFETY: as the caller promised.
        let mut agent = unsafe { alone(agent.cast_const()) }?;
        Ok(if agent.serve()? { TMR_MORE } else { TMR_DONE })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, serve) }
}

/// Does: lets go of an agent, and clears the pointer. What is sealed or held for a migration stays so: another agent goes on.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no agent, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_agent_close(agent: *mut *mut tmr_agent) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(agent) }
}

/// Does: takes leave of every migration: the program promises that nothing on this machine writes the volumes until those have ended.
/// Gives back: 0 when all owners have heard it; 4 as long as not: go on serving, and call it again; 8 (TMR_R_NOT_COVERED) as long as
///   an image lives in an area.
/// Threads: one at a time.
/// When: before the machine goes down for good.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_agent_farewell(agent: *mut tmr_agent, error: *mut tmr_error) -> i32 {
    let farewell = || {
        // SAFETY: as the caller promised.
        let mut agent = unsafe { alone(agent.cast_const()) }?;
        Ok(if agent.farewell()? { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, farewell) }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;
    use crate::error::Reason;
    use crate::geometry::{Extent, Track};
    use crate::monitor::remote::{Absorbed, Receiver};
    use crate::monitor::{Area, Identity, Image, Kind, Subscription};
    use std::collections::VecDeque;
    use std::ffi::c_void;
    use std::ptr::{null, null_mut};

    /// A channel in memory, from the host's side: what was sent, and what is to be received.
    #[derive(Default)]
    struct Wire {
        sent: VecDeque<Vec<u8>>,
        come: VecDeque<Vec<u8>>,
        release_count: u32,
    }

    unsafe extern "C" fn send(
        user: *mut c_void,
        message: *const c_void,
        length: u64,
        _: *mut tmr_error,
    ) -> i32 {
        // SAFETY: the library hands over what it was given, and a message of this length.
        unsafe {
            let message = std::slice::from_raw_parts(message.cast::<u8>(), length as usize);
            (*user.cast::<Mutex<Wire>>()).lock().sent.push_back(message.to_vec());
        }
        TMR_DONE
    }

    unsafe extern "C" fn receive(
        user: *mut c_void,
        sink: *mut tmr_sink,
        error: *mut tmr_error,
    ) -> i32 {
        // SAFETY: the library hands over what it was given.
        let come = std::mem::take(&mut unsafe { &*user.cast::<Mutex<Wire>>() }.lock().come);
        for message in come {
            let (bytes, length) = (message.as_ptr().cast(), message.len() as u64);
            // SAFETY: the sink is the library's.
            let code = unsafe { tmr_sink_put(sink, bytes, length, error) };
            if code != TMR_DONE {
                return code;
            }
        }
        TMR_DONE
    }

    unsafe extern "C" fn release(user: *mut c_void) {
        // SAFETY: the library hands over what it was given.
        unsafe { &*user.cast::<Mutex<Wire>>() }.lock().release_count += 1;
    }

    fn info() -> tmr_volume_info {
        tmr_volume_info {
            size: size_of::<tmr_volume_info>() as u32,
            cylinders: 4,
            heads: 0,
            track_count: 0,
            slot_size: 0,
            flags: 0,
            volser: boundary::to_array("OLD001"),
            device: boundary::to_array("3390"),
            location: [0; 256],
        }
    }

    #[test]
    fn an_agent_reports_and_answers_over_a_channel_of_the_host() {
        let (mut area, mut volume, mut agent) = (null_mut(), null_mut(), null_mut());
        let mut error = tmr_error::empty();
        let at = &raw mut error;
        let wire = Mutex::new(Wire::default());
        let channel = tmr_channel_functions {
            size: size_of::<tmr_channel_functions>() as u32,
            version: TMR_TABLE_VERSION,
            user: (&raw const wire).cast_mut().cast(),
            release: Some(release),
            send: Some(send),
            receive: Some(receive),
        };
        let mut length = 0;
        // SAFETY: the pointers are right.
        let _memory = unsafe {
            assert_eq!(tmr_area_size(60, &raw mut length, at), 0);
            let mut memory = vec![0u64; (length / 8) as usize];
            let start = memory.as_mut_ptr().cast();
            assert_eq!(tmr_area_in_memory(start, length, &info(), &raw mut area, at), 0);
            assert_eq!(tmr_volume_in_memory(&info(), &raw mut volume, at), 0);
            let (channel, agent) = (&raw const channel, &raw mut agent);
            let name = c"no name".as_ptr();
            assert_eq!(tmr_agent_new(name, channel, null(), agent, at), TMR_REFUSED);
            assert_eq!((*at).reason, Reason::BadImageName as u32);
            assert_eq!(wire.lock().release_count, 0, "it was not taken");
            let name = c"SYSB".as_ptr();
            assert_eq!(tmr_agent_new(name, channel, null(), agent, at), TMR_DONE);
            let images = c"PAYROLL".as_ptr();
            assert_eq!(tmr_agent_add_volume(*agent, volume, area, images, at), TMR_DONE);
            assert_eq!(tmr_agent_add_volume(*agent, volume, area, null(), at), TMR_REFUSED);
            assert_eq!((*at).reason, Reason::DuplicateVolser as u32);
            memory
        };
        // SAFETY: the pointers are right.
        let serve = || unsafe { tmr_agent_serve(agent, at) };
        assert_eq!(serve(), TMR_DONE);

        // The owner, elsewhere.
        // SAFETY: it is open.
        let there = unsafe { shared(area.cast_const()) }.unwrap().clone();
        let identity = Identity { ..*there.identity() };
        let own = Subscription::open(&Area::in_process(identity).unwrap(), [5, 6]).unwrap();
        own.fill(&[]).unwrap();
        let mut receiver = Receiver::new(&own, [5, 6], "SYSB", None, 1).unwrap();
        let hear = |receiver: &mut Receiver| {
            let sent = std::mem::take(&mut wire.lock().sent);
            let heard: Vec<_> =
                sent.iter().map(|message| receiver.absorb(message).unwrap()).collect();
            heard
        };
        wire.lock().come.push_back(receiver.question(&[], false).unwrap());
        assert_eq!(serve(), TMR_MORE);
        assert_eq!(hear(&mut receiver), [Absorbed::Answer]);
        assert!(receiver.unready().unwrap().contains("PAYROLL is not registered"));

        let image = Image::register(&there, "PAYROLL", Kind::Brackets).unwrap();
        wire.lock().come.push_back(receiver.question(&[], false).unwrap());
        assert_eq!(serve(), TMR_MORE);
        assert_eq!(hear(&mut receiver), [Absorbed::NewIncarnation]);
        own.clear_marks(Extent::new(Track(0), 60)).unwrap();
        image.write(Extent::new(Track(7), 2), || ()).unwrap();
        assert_eq!(serve(), TMR_MORE);
        let [Absorbed::Report { acknowledgement, track_count: 2 }] = &hear(&mut receiver)[..]
        else {
            unreachable!("it is reported")
        };
        wire.lock().come.push_back(acknowledgement.clone());
        assert_eq!((serve(), serve()), (TMR_MORE, TMR_DONE));

        // SAFETY: the pointers are right.
        let farewell = || unsafe { tmr_agent_farewell(agent, at) };
        assert_eq!(farewell(), TMR_REFUSED);
        // SAFETY: the block is the test's.
        assert_eq!(unsafe { (*at).reason }, Reason::NotCovered as u32);
        drop(image);
        assert_eq!(farewell(), TMR_MORE);
        wire.lock().come.push_back(receiver.question(&[], false).unwrap());
        assert_eq!(serve(), TMR_MORE);
        let [Absorbed::Farewell { acknowledgement }] = &hear(&mut receiver)[..] else {
            unreachable!("it takes leave")
        };
        wire.lock().come.push_back(acknowledgement.clone());
        assert_eq!((serve(), farewell()), (TMR_MORE, TMR_DONE));
        // SAFETY: the pointers are right.
        unsafe {
            assert_eq!(tmr_agent_close(&raw mut agent), TMR_DONE);
            assert_eq!(wire.lock().release_count, 1);
            assert_eq!(tmr_area_close(&raw mut area), TMR_DONE);
            assert_eq!(tmr_volume_close(&raw mut volume), TMR_DONE);
        }
    }
}
