//! Who has data sets open: as the host knows it, or by the registry of openers.

use super::boundary::{Structure, alone, data_set, guarded, input, text, text_in, to_array};
use super::tables::{Table, check_table, given, item, lied, printable, tmr_release, tmr_sink};
use super::{TMR_DONE, TMR_MORE, tmr_error, tmr_host};
use crate::enqueue::{Enqueue, Opener, RegistryEnqueue, nobody_confirms};
use crate::error::{Error, Reason, Result};
use crate::name::{DsName, Volser};
use crate::registry::openers::Openers;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// More openers than anybody reads.
const OPENERS_MAX: usize = 10_000;

/// Data sets, and the volumes that they lie on.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_names {
    /// sizeof (tmr_names).
    pub size: u32,
    /// How many data sets.
    pub data_set_count: u32,
    /// How many volumes.
    pub volume_count: u32,
    /// Zero.
    pub reserved: u32,
    /// Their names.
    pub data_sets: *const [c_char; 96],
    /// Their serials.
    pub volsers: *const [c_char; 16],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<tmr_names>() == 32);

/// Somebody who has a data set open or allocated.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_opener {
    /// sizeof (tmr_opener).
    pub size: u32,
    /// The number of his process, for messages; or 0.
    pub process: u32,
    /// The image that he runs on, or empty.
    pub image: [c_char; 64],
    /// His program or job, or empty.
    pub program: [c_char; 64],
    /// What he has open; empty if only he himself knows.
    pub data_set: [c_char; 96],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_opener {
    const NAME: &'static str = "tmr_opener";
    const SIZE_MIN: usize = 232;
}

const _: () = assert!(size_of::<tmr_opener>() == 232);

impl tmr_opener {
    /// What the library says of one.
    pub(super) fn of(opener: &Opener) -> tmr_opener {
        let data_set = opener.data_set.map(|name| name.to_string()).unwrap_or_default();
        tmr_opener {
            size: size_of::<tmr_opener>() as u32,
            process: opener.process.unwrap_or(0),
            image: to_array(&opener.image),
            program: to_array(&opener.program),
            data_set: to_array(&data_set),
        }
    }

    /// What a host says of one.
    fn told(&self) -> Result<Opener> {
        let word = |array, what| {
            let word = printable(text_in(array, what)?);
            Ok(if word.is_empty() { "?".into() } else { word })
        };
        let name = text_in(&self.data_set, "tmr_opener.data_set")?;
        Ok(Opener {
            image: word(&self.image, "tmr_opener.image")?,
            program: word(&self.program, "tmr_opener.program")?,
            process: Some(self.process).filter(|process| *process != 0),
            data_set: if name.is_empty() { None } else { Some(data_set(name)?) },
        })
    }
}

/// The functions of a host that knows who has data sets open, and can keep others from opening them. Each may be called again at
/// any time, does nothing that is done already, gives back a return code, and fills the error block in if that is 8 or 12. They
/// are called by any thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_enqueue_functions {
    /// sizeof (tmr_enqueue_functions).
    pub size: u32,
    /// TMR_TABLE_VERSION.
    pub version: u32,
    /// Handed to each function.
    pub user: *mut c_void,
    /// Called once with `user`, when the library needs the table no more. May be NULL.
    pub release: tmr_release,
    /// Asks application and operator to close and unallocate these data sets. It does not wait for them. The request stands until
    /// `let_open`.
    pub ask_to_close: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            names: *const tmr_names,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Puts a tmr_opener into the sink for each who still has one of these data sets open or allocated, on whatever image. 0 and no
    /// opener: they are closed. 4: somebody has one open, also if nobody can be named. Who cannot be asked is an opener, never nobody.
    /// NULL if the host cannot tell; then the registry of openers must be used as well.
    pub is_closed: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            names: *const tmr_names,
            sink: *mut tmr_sink,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Lets nobody open these data sets any more. Durable when it returns 0.
    pub hold: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            names: *const tmr_names,
            error: *mut tmr_error,
        ) -> i32,
    >,
    /// Takes back requests and holds of these data sets. What is not held is passed over.
    pub let_open: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            names: *const tmr_names,
            error: *mut tmr_error,
        ) -> i32,
    >,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value but for functions, which are nothing until they are
// called, and its fields leave no bytes between them.
unsafe impl Structure for tmr_enqueue_functions {
    const NAME: &'static str = "tmr_enqueue_functions";
    const SIZE_MIN: usize = 56;

    fn check(&self) -> Result<()> {
        let needed = [
            ("ask_to_close", self.ask_to_close.is_some()),
            ("hold", self.hold.is_some()),
            ("let_open", self.let_open.is_some()),
        ];
        check_table(Self::NAME, self.version, &needed)
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<tmr_enqueue_functions>() == 56);

// SAFETY: functions, and a pointer that only they use.
unsafe impl Send for tmr_enqueue_functions {}
// SAFETY: as above.
unsafe impl Sync for tmr_enqueue_functions {}

type Function = Option<unsafe extern "C" fn(*mut c_void, *const tmr_names, *mut tmr_error) -> i32>;

/// What a host knows of openers.
#[derive(Debug)]
pub(super) struct HostEnqueue(Table<tmr_enqueue_functions>);

impl HostEnqueue {
    /// Takes the table.
    pub(super) fn new(functions: tmr_enqueue_functions) -> HostEnqueue {
        HostEnqueue(Table::new(functions, functions.user, functions.release))
    }

    fn carry_out(
        &self,
        (what, function): (&str, Function),
        data_sets: &[DsName],
        volumes: &[Volser],
    ) -> Result<()> {
        let function = given(function, what)?;
        let done = with_names(data_sets, volumes, |names| {
            // SAFETY: the host's function, with what it wants.
            self.0.carry_out(what, |user, error| unsafe { function(user, names, error) })
        });
        done.map_err(|error| placed(error, data_sets, volumes))
    }
}

/// Names as the host's functions want them.
fn with_names<T>(
    data_sets: &[DsName],
    volumes: &[Volser],
    act: impl FnOnce(*const tmr_names) -> T,
) -> T {
    let data_sets: Vec<[c_char; 96]> =
        data_sets.iter().map(|name| to_array(&name.to_string())).collect();
    let volsers: Vec<[c_char; 16]> =
        volumes.iter().map(|volser| to_array(&volser.to_string())).collect();
    let names = tmr_names {
        size: size_of::<tmr_names>() as u32,
        data_set_count: data_sets.len() as u32,
        volume_count: volsers.len() as u32,
        reserved: 0,
        data_sets: data_sets.as_ptr(),
        volsers: volsers.as_ptr(),
    };
    act(&raw const names)
}

/// An error about one data set, or one volume, names it.
fn placed(mut error: Error, data_sets: &[DsName], volumes: &[Volser]) -> Error {
    if let [one] = data_sets {
        error = error.of_data_set(*one);
    }
    match volumes {
        [one] => error.on_volume(*one),
        _ => error,
    }
}

impl Enqueue for HostEnqueue {
    fn ask_to_close(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        let function = ("ask_to_close", self.0.functions.ask_to_close);
        self.carry_out(function, data_sets, volumes)
    }

    fn is_closed(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<Vec<Opener>> {
        let is_closed = self.0.functions.is_closed.ok_or_else(nobody_confirms)?;
        let mut openers = Vec::new();
        let take = |bytes: &[u8]| {
            let opener = item::<tmr_opener>(bytes)?.told()?;
            if let Some(name) = opener.data_set.filter(|name| !data_sets.contains(name)) {
                let what = "an opener of a data set that was not asked for";
                return Err(lied("is_closed", what).of_data_set(name));
            }
            if openers.len() == OPENERS_MAX {
                return Err(lied("is_closed", format!("more than {OPENERS_MAX} openers")));
            }
            openers.push(opener);
            Ok(())
        };
        let told = with_names(data_sets, volumes, |names| {
            self.0.gather("is_closed", take, |user, sink, error| {
                // SAFETY: the host's function, with what it wants.
                unsafe { is_closed(user, names, sink, error) }
            })
        });
        let code = told.map_err(|error| placed(error, data_sets, volumes))?;
        if code == TMR_MORE && openers.is_empty() {
            openers.push(Opener {
                image: "?".into(),
                program: "somebody whom the host does not name".into(),
                process: None,
                data_set: None,
            });
        }
        Ok(openers)
    }

    fn hold(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.carry_out(("hold", self.0.functions.hold), data_sets, volumes)
    }

    fn release(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.carry_out(("let_open", self.0.functions.let_open), data_sets, volumes)
    }

    fn can_confirm(&self) -> bool {
        self.0.functions.is_closed.is_some()
    }
}

/// Does: adds somebody who knows who has data sets open. All who were added are asked, and all must agree that they are closed.
/// Gives back: 0; the table was taken, and its `release` will be called. 8: the table was not taken.
/// Threads: one at a time.
/// When: before the host is used. A migration with areas, images or machines needs one, or the registry of openers.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_add_enqueue(
    host: *mut tmr_host,
    functions: *const tmr_enqueue_functions,
    error: *mut tmr_error,
) -> i32 {
    let set = || {
        // SAFETY: as the caller promised.
        let (mut given, functions) = unsafe { (alone(host.cast_const())?, input(functions)?) };
        given.enqueue.push(Arc::new(HostEnqueue::new(functions)));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, set) }
}

/// Does: adds the machine's registry of openers to those who know who has data sets open. It knows only the programs that use it:
///   unless a table with is_closed is given too, a program that writes a volume under a monitor has all of it open as long
///   as it lives. Holds are made in the name of `owner`,
///   which must be the same in every run of a migration, and another one for every other migration.
/// Gives back: 0; 8 if `owner` is empty; 12 if the registry cannot be used.
/// Threads: one at a time.
/// When: before the host is used.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_host_use_registry(
    host: *mut tmr_host,
    owner: *const c_char,
    error: *mut tmr_error,
) -> i32 {
    let add = || {
        // SAFETY: as the caller promised.
        let (mut given, owner) = unsafe { (alone(host.cast_const())?, text(owner, "owner")?) };
        if owner.is_empty() || owner.len() > 4096 || owner.chars().any(char::is_control) {
            let why = "owner is empty, too long, or has control characters; give the path of what keeps the migration's state";
            return Err(Error::new(Reason::BadText, why));
        }
        given.registry = Some(Arc::new(RegistryEnqueue::new(Openers::system()?, owner)));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, add) }
}

#[cfg(test)]
mod tests {
    use super::super::tables::{TMR_TABLE_VERSION, tmr_sink_put};
    use super::*;

    /// What a host puts, what it gives back, and what it was asked.
    struct Says {
        openers: Vec<tmr_opener>,
        puts: usize,
        code: i32,
        asked: Vec<String>,
    }

    unsafe fn names(user: *mut c_void, what: &str, names: *const tmr_names) -> i32 {
        let (says, names) = unsafe { (&mut *user.cast::<Says>(), &*names) };
        assert_eq!((names.size, names.reserved), (32, 0));
        let mut asked = what.to_string();
        for place in 0..names.data_set_count as usize {
            let name = unsafe { &*names.data_sets.add(place) };
            asked += &format!(" {}", text_in(name, "a name").unwrap());
        }
        for place in 0..names.volume_count as usize {
            let volser = unsafe { &*names.volsers.add(place) };
            asked += &format!(" {}", text_in(volser, "a serial").unwrap());
        }
        says.asked.push(asked);
        says.code
    }

    unsafe extern "C" fn ask(user: *mut c_void, of: *const tmr_names, _: *mut tmr_error) -> i32 {
        unsafe { names(user, "ask", of) }
    }
    unsafe extern "C" fn hold(user: *mut c_void, of: *const tmr_names, _: *mut tmr_error) -> i32 {
        unsafe { names(user, "hold", of) }
    }
    unsafe extern "C" fn open(user: *mut c_void, of: *const tmr_names, _: *mut tmr_error) -> i32 {
        unsafe { names(user, "open", of) }
    }
    unsafe extern "C" fn is_closed(
        user: *mut c_void,
        of: *const tmr_names,
        sink: *mut tmr_sink,
        error: *mut tmr_error,
    ) -> i32 {
        let says = unsafe { &*user.cast::<Says>() };
        for opener in says.openers.iter().cycle().take(says.puts) {
            let length = size_of::<tmr_opener>() as u64;
            unsafe { tmr_sink_put(sink, std::ptr::from_ref(opener).cast(), length, error) };
        }
        unsafe { names(user, "closed", of) }
    }

    fn enqueue(says: &mut Says) -> HostEnqueue {
        let functions = tmr_enqueue_functions {
            size: size_of::<tmr_enqueue_functions>() as u32,
            version: TMR_TABLE_VERSION,
            user: std::ptr::from_mut(says).cast(),
            release: None,
            ask_to_close: Some(ask),
            is_closed: Some(is_closed),
            hold: Some(hold),
            let_open: Some(open),
        };
        assert!(functions.check().is_ok());
        HostEnqueue::new(functions)
    }

    fn opener(program: &str, data_set: &str) -> tmr_opener {
        tmr_opener {
            size: size_of::<tmr_opener>() as u32,
            process: 0,
            image: [0; 64],
            program: to_array(program),
            data_set: to_array(data_set),
        }
    }

    fn asked_of(says: Says) -> (Result<Vec<Opener>>, Vec<String>) {
        let mut says = Box::new(says);
        let names = ["TEST.A".parse().unwrap(), "TEST.B".parse().unwrap()];
        let answer = enqueue(&mut says).is_closed(&names, &["VOL001".parse().unwrap()]);
        (answer, says.asked)
    }

    fn says(openers: Vec<tmr_opener>, code: i32) -> Says {
        Says { puts: openers.len(), openers, code, asked: Vec::new() }
    }

    #[test]
    fn names_reach_the_host_and_openers_come_back() {
        let (openers, asked) = asked_of(says(vec![opener("PAY\nROLL", "TEST.B")], 0));
        assert_eq!(asked, ["closed TEST.A TEST.B VOL001"]);
        let openers = openers.unwrap();
        assert_eq!(openers.len(), 1);
        assert_eq!(openers[0].to_string(), "PAY ROLL on image ? has TEST.B open");
        assert_eq!(tmr_opener::of(&openers[0]).told().unwrap(), openers[0]);
        assert!(asked_of(says(Vec::new(), 0)).0.unwrap().is_empty());
        let mut says = says(Vec::new(), 0);
        let host = enqueue(&mut says);
        let name = ["TEST.A".parse().unwrap()];
        host.ask_to_close(&name, &[]).unwrap();
        host.hold(&name, &[]).unwrap();
        host.release(&name, &[]).unwrap();
        drop(host);
        assert_eq!(says.asked, ["ask TEST.A", "hold TEST.A", "open TEST.A"]);
    }

    #[test]
    fn somebody_without_a_name_is_somebody() {
        let openers = asked_of(says(Vec::new(), 4)).0.unwrap();
        assert_eq!(openers.len(), 1);
    }

    #[test]
    fn what_cannot_be_is_never_nobody() {
        let reason = |says| asked_of(says).0.unwrap_err().reason();
        assert_eq!(reason(says(vec![opener("A", "OTHER.C")], 0)), Reason::HostLied);
        assert_eq!(reason(says(vec![opener("A", "a;b\u{e9}")], 0)), Reason::HostLied);
        assert_eq!(
            reason(says(vec![tmr_opener { size: 4, ..opener("A", "") }], 0)),
            Reason::HostLied
        );
        let endless = tmr_opener { program: [0x41; 64], ..opener("A", "") };
        assert_eq!(reason(says(vec![endless], 0)), Reason::HostLied);
        let many = Says { puts: OPENERS_MAX + 5, ..says(vec![opener("A", "")], 0) };
        assert_eq!(reason(many), Reason::HostLied);
        for (code, expected) in
            [(8, Reason::HostRefused), (12, Reason::HostFailed), (-5, Reason::HostFailed)]
        {
            assert_eq!(reason(says(Vec::new(), code)), expected);
        }
    }

    #[test]
    fn a_hold_with_remarks_is_none() {
        let mut says = says(Vec::new(), 4);
        let name: DsName = "TEST.A".parse().unwrap();
        let error = enqueue(&mut says).hold(&[name], &[]).unwrap_err();
        assert_eq!(error.reason(), Reason::HostLied);
        assert_eq!(error.data_set(), Some(*name.as_bytes()));
    }
}
