//! The host's own openers, state, clock, and what it hears of events.

use super::desk::{Desk, array, put, put_structure, release, serve, size_of_it, text_of};
use super::lies::Lie;
use std::collections::HashMap;
use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use trackmirror::checkpoint::FileStore;
use trackmirror::clock::SystemClock;
use trackmirror::enqueue::{Opener, RegistryEnqueue};
use trackmirror::event::Event;
use trackmirror::ffi::*;
use trackmirror::registry::openers::Openers;
use trackmirror::{CheckpointStore, Clock, DsName, Enqueue, Error, Result};

/// Who knows who has data sets open.
pub struct Court {
    registry: RegistryEnqueue,
    lies: bool,
}

impl Court {
    /// # Safety
    /// The names are the library's.
    unsafe fn carry_out(
        &self,
        names: *const tmr_names,
        act: impl FnOnce(&RegistryEnqueue, &[DsName]) -> Result<()>,
    ) -> Result<i32> {
        // SAFETY: as the caller promised.
        let names = unsafe { data_sets_of(names) };
        if !self.lies {
            act(&self.registry, &names)?;
        }
        Ok(TMR_DONE)
    }
}

unsafe fn data_sets_of(names: *const tmr_names) -> Vec<DsName> {
    // SAFETY: they are the library's.
    let names = unsafe { &*names };
    assert!(names.data_set_count > 0 && names.volume_count > 0);
    // SAFETY: as above.
    let all = unsafe { std::slice::from_raw_parts(names.data_sets, names.data_set_count as usize) };
    all.iter().map(|name| DsName::parse(&text_of(name)).expect("the library gives names")).collect()
}

/// The table of those who have data sets open.
pub fn court(desk: &Desk, owner: &str, lie: Option<Lie>) -> Result<tmr_enqueue_functions> {
    let registry = RegistryEnqueue::new(Openers::system()?, owner);
    let serves = Court { registry, lies: lie == Some(Lie::NobodyOpens) };
    Ok(tmr_enqueue_functions {
        size: size_of_it::<tmr_enqueue_functions>(),
        version: TMR_TABLE_VERSION,
        user: desk.user("openers", serves),
        release: Some(release::<Court>),
        ask_to_close: Some(ask_to_close),
        is_closed: Some(is_closed),
        hold: Some(hold),
        let_open: Some(let_open),
    })
}

unsafe extern "C" fn ask_to_close(
    user: *mut c_void,
    names: *const tmr_names,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |court: &Court| {
            court.carry_out(names, |registry, names| registry.ask_to_close(names, &[]))
        })
    }
}

unsafe extern "C" fn is_closed(
    user: *mut c_void,
    names: *const tmr_names,
    sink: *mut tmr_sink,
    error: *mut tmr_error,
) -> i32 {
    let tell = |court: &Court| {
        if court.lies {
            return Ok(TMR_DONE);
        }
        // SAFETY: as the library promises.
        let names = unsafe { data_sets_of(names) };
        let openers = court.registry.is_closed(&names, &[])?;
        for opener in &openers {
            // SAFETY: this is the call that the sink is for.
            unsafe { put_structure(sink, &opener_of(opener)) }?;
        }
        Ok(if openers.is_empty() { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, tell) }
}

fn opener_of(opener: &Opener) -> tmr_opener {
    let data_set = opener.data_set.map(|name| name.to_string()).unwrap_or_default();
    tmr_opener {
        size: size_of_it::<tmr_opener>(),
        process: opener.process.unwrap_or(0),
        image: array(&opener.image),
        program: array(&opener.program),
        data_set: array(&data_set),
    }
}

unsafe extern "C" fn hold(
    user: *mut c_void,
    names: *const tmr_names,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |court: &Court| {
            court.carry_out(names, |registry, names| registry.hold(names, &[]))
        })
    }
}

unsafe extern "C" fn let_open(
    user: *mut c_void,
    names: *const tmr_names,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |court: &Court| {
            court.carry_out(names, |registry, names| registry.release(names, &[]))
        })
    }
}

/// Where the migration's state is.
pub struct State {
    store: FileStore,
    /// What it forgets, if it does.
    forgotten: Option<Mutex<Forgotten>>,
}

/// How often it was written, and the slots that are in memory only.
type Forgotten = (u32, HashMap<u32, Vec<u8>>);

/// So many saves are kept by one that forgets: it is reserved then, and copying has begun.
const SAVES_KEPT: u32 = 5;

impl State {
    fn read(&self, slot: u32) -> Result<Option<Vec<u8>>> {
        let forgotten = self.forgotten.as_ref();
        let forgotten = forgotten.and_then(|all| all.lock().unwrap().1.get(&slot).cloned());
        if forgotten.is_some() { Ok(forgotten) } else { self.store.read(slot as usize) }
    }

    /// Keeps a whole slot, or what a slot begins with.
    fn write(&self, slot: u32, bytes: &[u8], is_whole: bool) -> Result<()> {
        if let Some(forgotten) = &self.forgotten {
            let is_over = {
                let mut all = forgotten.lock().unwrap();
                all.0 += 1;
                all.0 > SAVES_KEPT
            };
            if is_over {
                let mut whole = self.read(slot)?.filter(|_| !is_whole).unwrap_or_default();
                whole.resize(whole.len().max(bytes.len()), 0);
                whole[..bytes.len()].copy_from_slice(bytes);
                forgotten.lock().unwrap().1.insert(slot, whole);
                return Ok(());
            }
        }
        match is_whole {
            true => self.store.write(slot as usize, bytes),
            false => self.store.write_head(slot as usize, bytes),
        }
    }
}

/// The table of the migration's state. Some hosts can replace the beginning of a slot alone.
pub fn state(
    desk: &Desk,
    folder: &Path,
    replaces_heads: bool,
    lie: Option<Lie>,
) -> Result<tmr_checkpoint_functions> {
    let forgotten = (lie == Some(Lie::ForgottenState)).then(Mutex::default);
    let serves = State { store: FileStore::open(folder)?, forgotten };
    Ok(tmr_checkpoint_functions {
        size: size_of_it::<tmr_checkpoint_functions>(),
        version: TMR_TABLE_VERSION,
        user: desk.user("state", serves),
        release: Some(release::<State>),
        read: Some(read),
        write: Some(write),
        write_head: if replaces_heads { Some(write_head) } else { None },
        location: array(&folder.to_string_lossy()),
    })
}

unsafe extern "C" fn read(
    user: *mut c_void,
    slot: u32,
    sink: *mut tmr_sink,
    error: *mut tmr_error,
) -> i32 {
    let read = |state: &State| {
        // In pieces, as a host with records of some length has it.
        for piece in state.read(slot)?.iter().flat_map(|bytes| bytes.chunks(4096)) {
            // SAFETY: this is the call that the sink is for.
            unsafe { put(sink, piece) }?;
        }
        Ok(TMR_DONE)
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, read) }
}

unsafe extern "C" fn write(
    user: *mut c_void,
    slot: u32,
    data: *const c_void,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: the library's bytes are so many.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length as usize) };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, |state: &State| state.write(slot, bytes, true).map(|()| TMR_DONE)) }
}

unsafe extern "C" fn write_head(
    user: *mut c_void,
    slot: u32,
    data: *const c_void,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    // SAFETY: the library's bytes are so many.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length as usize) };
    // SAFETY: as the library promises.
    unsafe {
        serve(user, error, |state: &State| state.write(slot, bytes, false).map(|()| TMR_DONE))
    }
}

/// The table of the clock. Some hosts have only one.
pub fn clock(desk: &Desk, has_monotonic: bool) -> tmr_clock_functions {
    tmr_clock_functions {
        size: size_of_it::<tmr_clock_functions>(),
        version: TMR_TABLE_VERSION,
        user: desk.user("clock", SystemClock),
        release: Some(release::<SystemClock>),
        now: Some(now),
        monotonic: if has_monotonic { Some(monotonic) } else { None },
    }
}

unsafe extern "C" fn now(user: *mut c_void, time_us: *mut u64, error: *mut tmr_error) -> i32 {
    let tell = |clock: &SystemClock| {
        // SAFETY: it is the library's.
        unsafe { *time_us = clock.now().as_micros() as u64 };
        Ok(TMR_DONE)
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, tell) }
}

unsafe extern "C" fn monotonic(user: *mut c_void, time_us: *mut u64, error: *mut tmr_error) -> i32 {
    let tell = |clock: &SystemClock| {
        // SAFETY: it is the library's.
        unsafe { *time_us = clock.monotonic().as_micros() as u64 };
        Ok(TMR_DONE)
    };
    // SAFETY: as the library promises.
    unsafe { serve(user, error, tell) }
}

/// What was heard: kinds and times.
pub type Heard = Arc<Mutex<Vec<(u32, u64)>>>;

/// What is heard of events: a line of each in a file, as the command writes them, and its kind and time.
pub struct Log {
    file: Mutex<File>,
    pub heard: Heard,
}

/// The table that hears of events, and what it has heard.
pub fn log(desk: &Desk, folder: &Path) -> Result<(tmr_event_functions, Heard)> {
    let path = folder.join("events.jsonl");
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = Mutex::new(file.map_err(|error| Error::io(path.display(), &error))?);
    let heard: Heard = Arc::default();
    let serves = Log { file, heard: heard.clone() };
    let functions = tmr_event_functions {
        size: size_of_it::<tmr_event_functions>(),
        version: TMR_TABLE_VERSION,
        user: desk.undisturbed("events", serves),
        release: Some(release::<Log>),
        event: Some(event),
    };
    Ok((functions, heard))
}

unsafe extern "C" fn event(user: *mut c_void, event: *const tmr_event) {
    let hear = |log: &Log| {
        // SAFETY: it is the library's.
        let event = unsafe { &*event };
        let name = Event::NAMES[event.kind as usize - 1];
        let line = format!("{{\"event\":\"{name}\"}}\n");
        log.file.lock().unwrap().write_all(line.as_bytes()).expect("the log can be written");
        log.heard.lock().unwrap().push((event.kind, event.time_us));
        if std::env::var_os(super::program::TOLD).is_some() {
            eprintln!("{name}: {}", text_of(&event.sentence));
        }
        Ok(TMR_DONE)
    };
    let mut error = super::desk::empty_block();
    // SAFETY: as the library promises.
    unsafe { serve(user, &raw mut error, hear) };
}
