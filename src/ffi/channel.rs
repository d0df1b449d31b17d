//! Images that write the volumes: those on this machine by name, those on other machines over channels of the host.

use super::boundary::{self, Structure, alone, guarded, input, text};
use super::tables::{Sink, Table, check_table, given, tmr_release, tmr_sink};
use super::{TMR_DONE, tmr_error, tmr_host};
use crate::error::{Error, Reason, Result};
use crate::monitor::remote::{MESSAGE_LENGTH_MAX, check_name};
use crate::remote::{Channel, Machine};
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

/// So much is taken in one call; the rest comes with the next one.
const MESSAGES_MAX: usize = 4096;
const BYTES_MAX: usize = 64 << 20;
/// What counts if the host does not say.
const PATIENCE_MS: u32 = 5_000;
const SILENCE_MS: u32 = 10_000;

/// The functions of a host that carries messages to another machine and back. It may lose, delay, double and reorder them. Both
/// are called between the steps of a migration and in its window, by any thread: what takes long belongs into a thread of the
/// host's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_channel_functions {
    /// sizeof (tmr_channel_functions).
    pub size: u32,
    /// TMR_TABLE_VERSION.
    pub version: u32,
    /// Handed to each function.
    pub user: *mut c_void,
    /// Called once with `user`, when the library needs the table no more. May be NULL.
    pub release: tmr_release,
    /// Hands one message over. It does not wait for its arrival; if it fails, what matters is sent again.
    pub send: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            message: *const c_void,
            length: u64,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Puts each message that has come since the last call into the sink, as its bytes. It does not wait. If tmr_sink_put
    /// gives back 8, enough was put for now: that message can be put again in the next call.
    pub receive: Option<
        unsafe extern "C" fn(user: *mut c_void, sink: *mut tmr_sink, error: *mut tmr_error) -> i32,
    >,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value but for functions, which are nothing until they are
// called, and its fields leave no bytes between them.
unsafe impl Structure for tmr_channel_functions {
    const NAME: &'static str = "tmr_channel_functions";
    const SIZE_MIN: usize = 40;

    fn check(&self) -> Result<()> {
        let needed = [("send", self.send.is_some()), ("receive", self.receive.is_some())];
        check_table(Self::NAME, self.version, &needed)
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<tmr_channel_functions>() == 40);

// SAFETY: functions, and a pointer that only they use.
unsafe impl Send for tmr_channel_functions {}
// SAFETY: as above.
unsafe impl Sync for tmr_channel_functions {}

/// A channel of the host.
#[derive(Debug)]
pub(super) struct HostChannel(Table<tmr_channel_functions>);

impl HostChannel {
    /// Takes the table.
    pub(super) fn new(functions: tmr_channel_functions) -> HostChannel {
        HostChannel(Table::new(functions, functions.user, functions.release))
    }
}

impl Channel for HostChannel {
    fn send(&self, message: &[u8]) -> Result<()> {
        let send = given(self.0.functions.send, "send of a channel")?;
        self.0.carry_out("send", |user, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe { send(user, message.as_ptr().cast(), message.len() as u64, error) }
        })
    }

    /// What was put before a failure is kept: it has come.
    fn receive(&self) -> Result<Vec<Vec<u8>>> {
        let receive = given(self.0.functions.receive, "receive of a channel")?;
        let (mut messages, mut byte_count) = (Vec::new(), 0);
        let mut put = |message: &[u8]| {
            if message.is_empty() || message.len() > MESSAGE_LENGTH_MAX {
                // Whoever carries it cannot better it, and need not keep it.
                log::warn!("{} bytes have come that are no message", message.len());
                return Ok(());
            }
            if messages.len() == MESSAGES_MAX || message.len() > BYTES_MAX - byte_count {
                let why = "these are enough messages for one call; put this one again in the next";
                return Err(Error::new(Reason::ShortBuffer, why));
            }
            byte_count += message.len();
            messages.push(message.to_vec());
            Ok(())
        };
        let sink = Sink::new(&mut put);
        let code = self.0.call("receive", |user, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe { receive(user, sink.pointer(), error) }
        });
        drop(sink);
        match code {
            Err(error) if messages.is_empty() => Err(error),
            _ => Ok(messages),
        }
    }
}

/// Does: names an image on this machine that can write a volume. A migration starts copying only when it is attached to the volume's
///   monitor area.
/// Gives back: 0; 8 if the volume was not added, or the image was named before.
/// Threads: one at a time.
/// When: after the volume was added, and before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_add_image(
    host: *mut tmr_host,
    volser: *const c_char,
    image: *const c_char,
    error: *mut tmr_error,
) -> i32 {
    let add = || {
        // SAFETY: as the caller promised.
        let mut given = unsafe { alone::<tmr_host, super::host::Given>(host.cast_const()) }?;
        // SAFETY: as the caller promised.
        let (serial, image) = unsafe { (text(volser, "volser")?, text(image, "image")?) };
        let volser = given.volume(boundary::volser(serial)?)?.volser();
        check_name(image).map_err(|error| error.on_volume(volser))?;
        let images = given.images.entry(volser).or_default();
        if images.iter().any(|known| known == image) {
            let why = format!("image {image} was named before for this volume");
            return Err(Error::new(Reason::BadValue, why).on_volume(volser));
        }
        images.push(image.into());
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, add) }
}

/// Does: adds an image on another machine, which can write every source volume. An answer is waited for as long as `patience_ms`
///   (0: 5 seconds) before a window is given up; who was not heard for `silence_ms` (0: 10 seconds) is called silent.
/// Gives back: 0; the table was taken, and its `release` will be called. 8: it was not taken; the image may have been added before.
/// Threads: one at a time.
/// When: before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_add_machine(
    host: *mut tmr_host,
    image: *const c_char,
    functions: *const tmr_channel_functions,
    patience_ms: u32,
    silence_ms: u32,
    error: *mut tmr_error,
) -> i32 {
    let add = || {
        // SAFETY: as the caller promised.
        let mut given = unsafe { alone::<tmr_host, super::host::Given>(host.cast_const()) }?;
        // SAFETY: as the caller promised.
        let (image, functions) = unsafe { (text(image, "image")?, input(functions)?) };
        check_name(image)?;
        if given.machines.iter().any(|known| known.name() == image) {
            let why = format!("image {image} on another machine was added before");
            return Err(Error::new(Reason::BadValue, why));
        }
        let limit = |ms: u32, otherwise: u32| {
            Duration::from_millis(if ms == 0 { otherwise } else { ms }.into())
        };
        let channel = Arc::new(HostChannel::new(functions));
        let machine = Machine::new(image, channel)?;
        let (patience, silence) = (limit(patience_ms, PATIENCE_MS), limit(silence_ms, SILENCE_MS));
        given.machines.push(machine.with_limits(patience, silence));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, add) }
}

#[cfg(test)]
mod tests;
