//! The host's own place for what a migration must know after a crash.

use super::boundary::{Structure, text_in};
use super::tables::{Table, Taken, check_table, given, lied, printable, tmr_release, tmr_sink};
use super::tmr_error;
use crate::checkpoint::{CheckpointStore, SLOT_LENGTH_MAX};
use crate::error::Result;
use std::ffi::{c_char, c_void};

/// The functions of a host that keeps a migration's state: two slots of bytes, numbered 0 and 1. What is written must outlive
/// process and machine. Each function gives back a return code, and fills the error block in if that is 8 or 12. One is called at
/// a time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_checkpoint_functions {
    /// sizeof (tmr_checkpoint_functions).
    pub size: u32,
    /// TMR_TABLE_VERSION.
    pub version: u32,
    /// Handed to each function.
    pub user: *mut c_void,
    /// Called once with `user`, when the library needs the table no more. May be NULL.
    pub release: tmr_release,
    /// Puts the bytes of a slot into the sink, as one item or as several that follow each other; none if it was never written. Bytes
    /// may follow that were written earlier.
    pub read: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            slot: u32,
            sink: *mut tmr_sink,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Replaces a slot. It is durable when this returns 0. If it fails, the other slot is as it was.
    pub write: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            slot: u32,
            data: *const c_void,
            length: u64,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Replaces the first bytes of a slot that was written, leaves those behind them as they are, and is else as `write`. NULL: the
    /// library reads the slot and writes the whole.
    pub write_head: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            slot: u32,
            data: *const c_void,
            length: u64,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Where it is, for messages. May be empty.
    pub location: [c_char; 256],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value but for functions, which are nothing until they are
// called, and its fields leave no bytes between them.
unsafe impl Structure for tmr_checkpoint_functions {
    const NAME: &'static str = "tmr_checkpoint_functions";
    const SIZE_MIN: usize = 304;

    fn check(&self) -> Result<()> {
        let needed = [("read", self.read.is_some()), ("write", self.write.is_some())];
        check_table(Self::NAME, self.version, &needed)?;
        text_in(&self.location, "tmr_checkpoint_functions.location").map(drop)
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<tmr_checkpoint_functions>() == 304);

// SAFETY: functions, and a pointer that only they use.
unsafe impl Send for tmr_checkpoint_functions {}
// SAFETY: as above.
unsafe impl Sync for tmr_checkpoint_functions {}

/// The store of a host.
#[derive(Debug)]
pub(super) struct HostStore {
    table: Table<tmr_checkpoint_functions>,
    location: String,
}

/// The store that these functions are. The call that takes them says so when it has succeeded.
pub(super) fn store(functions: tmr_checkpoint_functions) -> (HostStore, Taken) {
    let location = printable(text_in(&functions.location, "the location").unwrap_or_default());
    let location = if location.is_empty() { "the host's store".into() } else { location };
    let (table, taken) = Table::for_now(functions, functions.user, functions.release);
    (HostStore { table, location }, taken)
}

impl CheckpointStore for HostStore {
    fn read(&self, slot: usize) -> Result<Option<Vec<u8>>> {
        let read = given(self.table.functions.read, "read of a checkpoint")?;
        let mut bytes: Option<Vec<u8>> = None;
        let take = |item: &[u8]| {
            let bytes = bytes.get_or_insert_default();
            if item.len() > SLOT_LENGTH_MAX - bytes.len() {
                return Err(lied("read", format!("a slot of more than {SLOT_LENGTH_MAX} bytes")));
            }
            bytes.extend_from_slice(item);
            Ok(())
        };
        let code = self.table.gather("read", take, |user, sink, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe { read(user, slot as u32, sink, error) }
        })?;
        if code != super::TMR_DONE {
            return Err(lied("read", format!("gave back {code} for slot {slot} of a checkpoint")));
        }
        Ok(bytes)
    }

    fn write(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let write = given(self.table.functions.write, "write of a checkpoint")?;
        self.table.carry_out("write", |user, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe { write(user, slot as u32, bytes.as_ptr().cast(), bytes.len() as u64, error) }
        })
    }

    fn write_head(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let Some(write_head) = self.table.functions.write_head else {
            let mut whole = self.read(slot)?.unwrap_or_default();
            whole.resize(whole.len().max(bytes.len()), 0);
            whole[..bytes.len()].copy_from_slice(bytes);
            return self.write(slot, &whole);
        };
        self.table.carry_out("write_head", |user, error| {
            // SAFETY: the host's function, with what it wants.
            unsafe {
                write_head(user, slot as u32, bytes.as_ptr().cast(), bytes.len() as u64, error)
            }
        })
    }

    fn location(&self) -> String {
        self.location.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::boundary::to_array;
    use super::super::tables::{TMR_TABLE_VERSION, tmr_sink_put};
    use super::*;
    use crate::checkpoint::{Checkpoint, Sections};
    use crate::error::Reason;
    use std::slice::from_raw_parts;

    /// What a host keeps, and how it behaves.
    #[derive(Default)]
    struct Kept {
        slots: [Option<Vec<u8>>; 2],
        code: i32,
        puts_for_ever: bool,
        released: u32,
    }

    unsafe fn kept<'a>(user: *mut c_void) -> &'a mut Kept {
        unsafe { &mut *user.cast::<Kept>() }
    }

    unsafe extern "C" fn read(
        user: *mut c_void,
        slot: u32,
        sink: *mut tmr_sink,
        error: *mut tmr_error,
    ) -> i32 {
        let kept = unsafe { kept(user) };
        if kept.puts_for_ever {
            let block = vec![7u8; 1 << 24];
            let put = || unsafe { tmr_sink_put(sink, block.as_ptr().cast(), 1 << 24, error) };
            while put() == 0 {}
            // It says that all is well.
            return kept.code;
        }
        for part in kept.slots[slot as usize].iter().flat_map(|bytes| bytes.chunks(100)) {
            unsafe { tmr_sink_put(sink, part.as_ptr().cast(), part.len() as u64, error) };
        }
        kept.code
    }

    unsafe extern "C" fn write(
        user: *mut c_void,
        slot: u32,
        data: *const c_void,
        length: u64,
        _: *mut tmr_error,
    ) -> i32 {
        let kept = unsafe { kept(user) };
        let bytes = unsafe { from_raw_parts(data.cast::<u8>(), length as usize) };
        kept.slots[slot as usize] = Some(bytes.to_vec());
        kept.code
    }

    unsafe extern "C" fn release(user: *mut c_void) {
        unsafe { kept(user) }.released += 1;
    }

    fn functions(kept: &mut Kept) -> tmr_checkpoint_functions {
        tmr_checkpoint_functions {
            size: size_of::<tmr_checkpoint_functions>() as u32,
            version: TMR_TABLE_VERSION,
            user: std::ptr::from_mut(kept).cast(),
            release: Some(release),
            read: Some(read),
            write: Some(write),
            write_head: None,
            location: to_array("a\nplace"),
        }
    }

    #[test]
    fn a_checkpoint_is_kept_by_the_host() {
        let kept = &mut Kept::default();
        let (store, taken) = store(functions(kept));
        taken.now();
        assert_eq!(store.location(), "a place");
        let (mut checkpoint, nothing) = Checkpoint::open(store).unwrap();
        assert!(nothing.is_none());
        let mut sections = Sections::default();
        sections.put_lasting(*b"PLAN", &vec![7u8; 5000]);
        for step in 0..3u32 {
            sections.put(*b"STEP", &step);
            checkpoint.save(&sections).unwrap();
        }
        drop(checkpoint);
        let kept = unsafe { &mut *std::ptr::from_mut(kept) };
        assert_eq!(kept.released, 1);
        let (store, taken) = super::store(functions(kept));
        taken.now();
        assert_eq!(Checkpoint::open(store).unwrap().1, Some(sections));
    }

    #[test]
    fn a_table_of_a_call_that_fails_is_not_released() {
        let kept = &mut Kept::default();
        drop(store(functions(kept)).0);
        assert_eq!(kept.released, 0);
    }

    #[test]
    fn what_a_host_says_of_its_slots_is_not_believed() {
        let kept = &mut Kept { puts_for_ever: true, ..Kept::default() };
        let store = store(functions(kept)).0;
        let error = store.read(0).unwrap_err();
        assert_eq!(error.reason(), Reason::HostLied);
        assert!(error.sentence().contains("more than"), "{error}");
        let kept = unsafe { &mut *store.table.user().cast::<Kept>() };
        kept.puts_for_ever = false;
        for (code, reason) in [
            (4, Reason::HostLied),
            (8, Reason::HostRefused),
            (12, Reason::HostFailed),
            (-1, Reason::HostFailed),
            (99, Reason::HostFailed),
        ] {
            kept.code = code;
            assert_eq!(store.read(1).unwrap_err().reason(), reason);
            assert_eq!(store.write(1, b"x").unwrap_err().reason(), reason);
            assert_eq!(store.write_head(1, b"x").unwrap_err().reason(), reason);
        }
    }

    #[test]
    fn a_table_is_checked_before_it_is_taken() {
        let kept = &mut Kept::default();
        let right = functions(kept);
        assert!(right.check().is_ok());
        let refused = |table: tmr_checkpoint_functions| table.check().unwrap_err().reason();
        assert_eq!(
            refused(tmr_checkpoint_functions { read: None, ..right }),
            Reason::NoSuchFunction
        );
        assert_eq!(refused(tmr_checkpoint_functions { version: 2, ..right }), Reason::BadStructure);
        let endless = tmr_checkpoint_functions { location: [0x41; 256], ..right };
        assert_eq!(refused(endless), Reason::BadText);
    }
}
