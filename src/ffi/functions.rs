//! The list of all functions: each with its number, its name, its alias of at most eight characters, and the types of
//! what it takes. From it come the aliases that the library exports, the call by a list of addresses, what
//! the header says of both (the z/OS compiler's `#pragma map` among it), the assembler macro, and what the tests call.

use super::boundary::{guarded, list};
use super::*;
use crate::error::{Error, Reason, Result};
use std::ffi::{c_char, c_void};

/// A function of the C ABI.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its number in calls by a list of addresses; it never changes, and is never used again.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// The same function under a name that fits every binder.
    pub alias: &'static str,
    /// Its parameters: name, and type as Rust has it.
    pub parameters: &'static [(&'static str, &'static str)],
    call: unsafe fn(&[*const c_void]) -> Result<i32>,
}

/// A parameter, behind its address. Calls by list have them where the caller has them, aligned or not.
///
/// # Safety
/// The address is that of such a value.
unsafe fn behind<T: Copy>(address: *const c_void) -> Result<T> {
    if address.is_null() {
        let why =
            "the address of a parameter is NULL; a parameter that is NULL has an address, too";
        return Err(Error::new(Reason::NullPointer, why));
    }
    // SAFETY: as the caller promised.
    Ok(unsafe { address.cast::<T>().read_unaligned() })
}

macro_rules! functions {
    ($( $number:literal $name:ident $alias:ident ( $( $parameter:ident: $type:ty ),* $(,)? ); )*) => {
        /// Every function, in the order of their numbers.
        pub const FUNCTIONS: &[Function] = &[ $( Function {
            number: $number,
            name: stringify!($name),
            alias: stringify!($alias),
            parameters: &[ $( (stringify!($parameter), stringify!($type)), )* ],
            call: {
                #[allow(unused_mut, unused_variables, unused_assignments)]
                unsafe fn call(addresses: &[*const c_void]) -> Result<i32> {
                    let mut next = 0;
                    $(
                        // SAFETY: the caller of `tmr_call` promised that the list has what the function takes.
                        let $parameter: $type = unsafe { behind(addresses[next]) }?;
                        next += 1;
                    )*
                    // SAFETY: as for the function itself.
                    Ok(unsafe { $name($($parameter),*) })
                }
                call
            },
        }, )* ];

        mod aliases {
            use super::*;
            $(
                #[unsafe(no_mangle)]
                #[allow(non_snake_case, clippy::too_many_arguments)]
                pub unsafe extern "C" fn $alias($( $parameter: $type ),*) -> i32 {
                    // SAFETY: it is the same function.
                    unsafe { $name($($parameter),*) }
                }
            )*
        }
    };
}

functions! {
    1 tmr_version TMRVERS (major: *mut u32, minor: *mut u32, patch: *mut u32);
    2 tmr_call TMRCALL (function: u32, addresses: *const *const c_void);
    3 tmr_reason_text TMRRSNT (reason: u32, text: *mut c_char, length: u64, error: *mut tmr_error);
    4 tmr_sink_put TMRSINK (sink: *mut tmr_sink, item: *const c_void, length: u64, error: *mut tmr_error);

    10 tmr_volume_open TMRVOPN (path: *const c_char, access: u32, volume: *mut *mut tmr_volume, error: *mut tmr_error);
    11 tmr_volume_in_memory TMRVMEM (info: *const tmr_volume_info, volume: *mut *mut tmr_volume, error: *mut tmr_error);
    12 tmr_volume_of_host TMRVHST (info: *const tmr_volume_info, functions: *const tmr_volume_functions, volume: *mut *mut tmr_volume, error: *mut tmr_error);
    13 tmr_volume_describe TMRVDSC (volume: *const tmr_volume, info: *mut tmr_volume_info, error: *mut tmr_error);
    14 tmr_volume_read TMRVRED (volume: *const tmr_volume, first: u32, track_count: u32, buffer: *mut c_void, length: u64, error: *mut tmr_error);
    15 tmr_volume_write TMRVWRT (volume: *const tmr_volume, first: u32, track_count: u32, buffer: *const c_void, length: u64, error: *mut tmr_error);
    16 tmr_volume_flush TMRVFLS (volume: *const tmr_volume, error: *mut tmr_error);
    17 tmr_volume_initialize TMRVINI (volume: *const tmr_volume, volser: *const c_char, owner: *const c_char, error: *mut tmr_error);
    18 tmr_volume_close TMRVCLS (volume: *mut *mut tmr_volume);

    30 tmr_host_new TMRHNEW (host: *mut *mut tmr_host, error: *mut tmr_error);
    31 tmr_host_add_volume TMRHVOL (host: *mut tmr_host, volume: *const tmr_volume, error: *mut tmr_error);
    32 tmr_host_set_space_manager TMRHSPC (host: *mut tmr_host, volser: *const c_char, functions: *const tmr_space_functions, error: *mut tmr_error);
    33 tmr_host_add_catalog TMRHCAT (host: *mut tmr_host, functions: *const tmr_catalog_functions, error: *mut tmr_error);
    34 tmr_host_find_catalogs TMRHFCT (host: *mut tmr_host, error: *mut tmr_error);
    35 tmr_host_set_clock TMRHCLK (host: *mut tmr_host, functions: *const tmr_clock_functions, error: *mut tmr_error);
    36 tmr_host_set_events TMRHEVT (host: *mut tmr_host, functions: *const tmr_event_functions, error: *mut tmr_error);
    37 tmr_host_keep_events TMRHKEV (host: *const tmr_host, count_max: u32, error: *mut tmr_error);
    38 tmr_host_next_event TMRHNEV (host: *const tmr_host, event: *mut tmr_event, error: *mut tmr_error);
    39 tmr_host_add_enqueue TMRHENQ (host: *mut tmr_host, functions: *const tmr_enqueue_functions, error: *mut tmr_error);
    40 tmr_host_use_registry TMRHREG (host: *mut tmr_host, owner: *const c_char, error: *mut tmr_error);
    41 tmr_host_add_area TMRHARE (host: *mut tmr_host, area: *const tmr_area, error: *mut tmr_error);
    42 tmr_host_add_image TMRHIMG (host: *mut tmr_host, volser: *const c_char, image: *const c_char, error: *mut tmr_error);
    43 tmr_host_add_machine TMRHMAC (host: *mut tmr_host, image: *const c_char, functions: *const tmr_channel_functions, patience_ms: u32, silence_ms: u32, error: *mut tmr_error);
    45 tmr_host_close TMRHCLS (host: *mut *mut tmr_host);

    60 tmr_assess TMRASES (host: *const tmr_host, masks: *const c_char, volsers: *const c_char, options: u32, assessment: *mut *mut tmr_assessment, error: *mut tmr_error);
    61 tmr_assessment_describe TMRADSC (assessment: *const tmr_assessment, info: *mut tmr_assessment_info, error: *mut tmr_error);
    62 tmr_assessment_data_set TMRADST (assessment: *const tmr_assessment, index: u32, data_set: *mut tmr_data_set, error: *mut tmr_error);
    63 tmr_assessment_extent TMRAEXT (assessment: *const tmr_assessment, index: u32, extent: u32, tracks: *mut tmr_extent, error: *mut tmr_error);
    64 tmr_assessment_refusal TMRAREF (assessment: *const tmr_assessment, index: u32, which: u32, refusal: *mut tmr_error, error: *mut tmr_error);
    65 tmr_assessment_compare TMRACMP (stored: *const tmr_assessment, present: *const tmr_assessment, metadata: u32, changes: *mut *mut tmr_changes, error: *mut tmr_error);
    66 tmr_changes_get TMRCHGG (changes: *const tmr_changes, index: u32, change: *mut tmr_allocation_change, error: *mut tmr_error);
    67 tmr_changes_close TMRCHGC (changes: *mut *mut tmr_changes);
    68 tmr_assessment_close TMRACLS (assessment: *mut *mut tmr_assessment);
    69 tmr_changes_run TMRCHGR (changes: *const tmr_changes, index: u32, run: u32, tracks: *mut tmr_changed_run, error: *mut tmr_error);

    70 tmr_plan_propose TMRPPRO (host: *const tmr_host, selection: *const tmr_selection, plan: *mut *mut tmr_plan, error: *mut tmr_error);
    71 tmr_plan_describe TMRPDSC (plan: *const tmr_plan, info: *mut tmr_plan_info, error: *mut tmr_error);
    72 tmr_plan_data_set TMRPDST (plan: *const tmr_plan, index: u32, data_set: *mut tmr_planned_data_set, error: *mut tmr_error);
    73 tmr_plan_extent TMRPEXT (plan: *const tmr_plan, index: u32, extent: u32, target: *mut tmr_extent, error: *mut tmr_error);
    74 tmr_plan_refusal TMRPREF (plan: *const tmr_plan, index: u32, which: u32, refusal: *mut tmr_error, error: *mut tmr_error);
    75 tmr_plan_close TMRPCLS (plan: *mut *mut tmr_plan);
    76 tmr_changes_describe TMRCHGD (changes: *const tmr_changes, info: *mut tmr_changes_info, error: *mut tmr_error);

    80 tmr_table_new TMRTNEW (entries: *const tmr_entry, count: u32, table: *mut *mut tmr_table, error: *mut tmr_error);
    81 tmr_table_map TMRTMAP (sources: *const tmr_extent, source_count: u32, targets: *const tmr_extent, target_count: u32, table: *mut *mut tmr_table, error: *mut tmr_error);
    82 tmr_table_of_plan TMRTPLN (plan: *const tmr_plan, options: u32, table: *mut *mut tmr_table, error: *mut tmr_error);
    83 tmr_table_describe TMRTDSC (table: *const tmr_table, info: *mut tmr_table_info, error: *mut tmr_error);
    84 tmr_table_run TMRTRUN (table: *const tmr_table, index: u32, run: *mut tmr_entry, error: *mut tmr_error);
    85 tmr_table_to_target TMRTTGT (table: *const tmr_table, volser: *const c_char, track: u32, target: *mut tmr_location, error: *mut tmr_error);
    86 tmr_table_to_source TMRTSRC (table: *const tmr_table, volser: *const c_char, track: u32, source: *mut tmr_location, error: *mut tmr_error);
    87 tmr_table_close TMRTCLS (table: *mut *mut tmr_table);
    88 tmr_table_entry TMRTENT (table: *const tmr_table, index: u32, source: *mut tmr_extent, error: *mut tmr_error);

    90 tmr_changed_new TMRGNEW (track_count: u32, changed: *mut *mut tmr_changed, error: *mut tmr_error);
    91 tmr_changed_set TMRGSET (changed: *const tmr_changed, first: u32, track_count: u32, error: *mut tmr_error);
    92 tmr_changed_clear TMRGCLR (changed: *const tmr_changed, first: u32, track_count: u32, error: *mut tmr_error);
    93 tmr_changed_count TMRGCNT (changed: *const tmr_changed, first: u32, track_count: u32, count: *mut u32, error: *mut tmr_error);
    94 tmr_changed_next TMRGNXT (changed: *const tmr_changed, from: u32, track_count_max: u32, first: *mut u32, track_count: *mut u32, error: *mut tmr_error);
    95 tmr_changed_take TMRGTAK (changed: *const tmr_changed, taken: *mut *mut tmr_changed, error: *mut tmr_error);
    96 tmr_changed_close TMRGCLS (changed: *mut *mut tmr_changed);

    100 tmr_copier_new TMRKNEW (table: *const tmr_table, host: *const tmr_host, options: *const tmr_copier_options, copier: *mut *mut tmr_copier, error: *mut tmr_error);
    101 tmr_copier_step TMRKSTP (copier: *mut tmr_copier, track_count_max: u32, progress: *mut tmr_progress, error: *mut tmr_error);
    102 tmr_copier_retake TMRKRTK (copier: *mut tmr_copier, volser: *const c_char, first: u32, track_count: u32, error: *mut tmr_error);
    103 tmr_copier_leave_out TMRKLVO (copier: *mut tmr_copier, volser: *const c_char, first: u32, track_count: u32, error: *mut tmr_error);
    104 tmr_copier_digest TMRKDIG (copier: *mut tmr_copier, entry: u32, digest: *mut u32, error: *mut tmr_error);
    105 tmr_copier_close TMRKCLS (copier: *mut *mut tmr_copier);
    106 tmr_verify TMRVRFY (table: *const tmr_table, host: *const tmr_host, threads: u32, verification: *mut *mut tmr_verification, error: *mut tmr_error);
    107 tmr_verification_describe TMRVRDS (verification: *const tmr_verification, info: *mut tmr_verification_info, error: *mut tmr_error);
    108 tmr_verification_difference TMRVRDF (verification: *const tmr_verification, index: u32, difference: *mut tmr_difference, error: *mut tmr_error);
    109 tmr_verification_digest TMRVRDG (verification: *const tmr_verification, entry: u32, digest: *mut u32, error: *mut tmr_error);
    110 tmr_verification_close TMRVRCL (verification: *mut *mut tmr_verification);

    120 tmr_migration_new TMRMNEW (host: *const tmr_host, plan: *const tmr_plan, options: *const tmr_migration_options, checkpoint: *const tmr_checkpoint_functions, migration: *mut *mut tmr_migration, error: *mut tmr_error);
    121 tmr_migration_resume TMRMRSM (host: *const tmr_host, options: *const tmr_migration_options, checkpoint: *const tmr_checkpoint_functions, migration: *mut *mut tmr_migration, error: *mut tmr_error);
    122 tmr_migration_open TMRMOPN (host: *const tmr_host, options: *const tmr_migration_options, checkpoint: *const tmr_checkpoint_functions, migration: *mut *mut tmr_migration, error: *mut tmr_error);
    123 tmr_migration_take_up TMRMTKU (migration: *mut tmr_migration, error: *mut tmr_error);
    124 tmr_migration_reserve TMRMRSV (migration: *mut tmr_migration, error: *mut tmr_error);
    125 tmr_migration_step TMRMSTP (migration: *mut tmr_migration, track_count_max: u32, progress: *mut tmr_migration_progress, error: *mut tmr_error);
    126 tmr_migration_verify TMRMVFY (migration: *mut tmr_migration, track_count: *mut u64, error: *mut tmr_error);
    127 tmr_migration_quiesce TMRMQSC (migration: *mut tmr_migration, error: *mut tmr_error);
    128 tmr_migration_postpone TMRMPPN (migration: *mut tmr_migration, error: *mut tmr_error);
    129 tmr_migration_accommodate TMRMACC (migration: *mut tmr_migration, error: *mut tmr_error);
    130 tmr_migration_switch TMRMSWT (migration: *mut tmr_migration, error: *mut tmr_error);
    131 tmr_migration_back_out TMRMBKO (migration: *mut tmr_migration, error: *mut tmr_error);
    132 tmr_migration_complete TMRMCPL (migration: *mut tmr_migration, error: *mut tmr_error);
    133 tmr_migration_terminate TMRMTRM (migration: *mut tmr_migration, error: *mut tmr_error);
    134 tmr_migration_advance TMRMADV (migration: *mut tmr_migration, track_count_max: u32, error: *mut tmr_error);
    135 tmr_migration_status TMRMSTA (migration: *const tmr_migration, status: *mut tmr_status, error: *mut tmr_error);
    136 tmr_migration_estimate TMRMEST (migration: *const tmr_migration, estimate: *mut tmr_estimate, error: *mut tmr_error);
    137 tmr_migration_tune TMRMTUN (migration: *mut tmr_migration, tuning: *const tmr_tuning, error: *mut tmr_error);
    138 tmr_migration_opener TMRMOPR (migration: *const tmr_migration, index: u32, opener: *mut tmr_opener, error: *mut tmr_error);
    139 tmr_migration_add_image TMRMADI (migration: *mut tmr_migration, volser: *const c_char, image: *const c_char, error: *mut tmr_error);
    140 tmr_migration_retire_image TMRMRTI (migration: *mut tmr_migration, image: *const c_char, error: *mut tmr_error);
    141 tmr_migration_data_set TMRMDST (migration: *const tmr_migration, index: u32, data_set: *mut tmr_migrated_data_set, error: *mut tmr_error);
    145 tmr_migration_close TMRMCLS (migration: *mut *mut tmr_migration);

    160 tmr_area_size TMRASIZ (track_count: u32, length: *mut u64, error: *mut tmr_error);
    161 tmr_area_open TMRAOPN (folder: *const c_char, volume: *const tmr_volume, area: *mut *mut tmr_area, error: *mut tmr_error);
    162 tmr_area_in_memory TMRAMEM (memory: *mut c_void, length: u64, info: *const tmr_volume_info, area: *mut *mut tmr_area, error: *mut tmr_error);
    163 tmr_area_image TMRAIMG (area: *const tmr_area, index: u32, info: *mut tmr_image_info, error: *mut tmr_error);
    164 tmr_area_retire TMRARET (area: *const tmr_area, image: *const c_char, error: *mut tmr_error);
    165 tmr_area_close TMRARCL (area: *mut *mut tmr_area);

    170 tmr_image_register TMRIREG (area: *const tmr_area, name: *const c_char, kind: u32, image: *mut *mut tmr_image, error: *mut tmr_error);
    171 tmr_image_begin TMRIBEG (image: *const tmr_image, first: u32, track_count: u32, write: *mut tmr_write, error: *mut tmr_error);
    172 tmr_image_end TMRIEND (image: *const tmr_image, write: *mut tmr_write, error: *mut tmr_error);
    173 tmr_image_note TMRINOT (image: *const tmr_image, first: u32, track_count: u32, error: *mut tmr_error);
    174 tmr_image_sign_of_life TMRILIF (image: *const tmr_image, error: *mut tmr_error);
    175 tmr_image_close TMRICLS (image: *mut *mut tmr_image);

    180 tmr_subscription_open TMRSOPN (area: *const tmr_area, id: *const u64, subscription: *mut *mut tmr_subscription, error: *mut tmr_error);
    181 tmr_subscription_fill TMRSFIL (subscription: *const tmr_subscription, extents: *const tmr_extent, extent_count: u32, error: *mut tmr_error);
    182 tmr_subscription_left TMRSLFT (subscription: *const tmr_subscription, extents: *const tmr_extent, extent_count: u32, left: *mut u64, error: *mut tmr_error);
    183 tmr_subscription_look TMRSLOK (subscription: *const tmr_subscription, extents: *const tmr_extent, extent_count: u32, error: *mut tmr_error);
    184 tmr_subscription_seal TMRSSEA (subscription: *const tmr_subscription, extents: *const tmr_extent, extent_count: u32, error: *mut tmr_error);
    185 tmr_subscription_unseal TMRSUNS (subscription: *const tmr_subscription, error: *mut tmr_error);
    186 tmr_subscription_close TMRSCLS (subscription: *mut *mut tmr_subscription);
    187 tmr_subscription_leave TMRSLEV (subscription: *mut *mut tmr_subscription, error: *mut tmr_error);

    200 tmr_reporter_open TMRROPN (area: *const tmr_area, id: *const u64, image: *const c_char, reporter: *mut *mut tmr_reporter, error: *mut tmr_error);
    201 tmr_reporter_report TMRRREP (reporter: *mut tmr_reporter, to_flush: *const tmr_volume, report: *mut tmr_buffer, error: *mut tmr_error);
    202 tmr_reporter_acknowledge TMRRACK (reporter: *mut tmr_reporter, acknowledgement: *const tmr_buffer, error: *mut tmr_error);
    203 tmr_reporter_answer TMRRANS (reporter: *mut tmr_reporter, question: *const tmr_buffer, to_flush: *const tmr_volume, uncovered: *const c_char, answer: *mut tmr_buffer, error: *mut tmr_error);
    204 tmr_reporter_close TMRRCLS (reporter: *mut *mut tmr_reporter);
    205 tmr_reporter_resend TMRRRSN (reporter: *mut tmr_reporter, error: *mut tmr_error);
    206 tmr_reporter_farewell TMRRFAR (reporter: *mut tmr_reporter, error: *mut tmr_error);
    207 tmr_reporter_end TMRREND (reporter: *mut *mut tmr_reporter, error: *mut tmr_error);

    210 tmr_receiver_open TMRQOPN (subscription: *const tmr_subscription, options: *const tmr_receiver_options, receiver: *mut *mut tmr_receiver, error: *mut tmr_error);
    211 tmr_receiver_absorb TMRQABS (receiver: *mut tmr_receiver, message: *const tmr_buffer, absorbed: *mut u32, acknowledgement: *mut tmr_buffer, error: *mut tmr_error);
    212 tmr_receiver_barrier TMRQBAR (receiver: *mut tmr_receiver, extents: *const tmr_extent, extent_count: u32, seal: u32, question: *mut tmr_buffer, error: *mut tmr_error);
    213 tmr_receiver_look TMRQLOK (receiver: *const tmr_receiver, error: *mut tmr_error);
    214 tmr_receiver_retire TMRQRET (receiver: *mut tmr_receiver, error: *mut tmr_error);
    215 tmr_receiver_close TMRQCLS (receiver: *mut *mut tmr_receiver);
    216 tmr_receiver_describe TMRQDSC (receiver: *const tmr_receiver, info: *mut tmr_receiver_info, error: *mut tmr_error);

    220 tmr_agent_new TMRNNEW (image: *const c_char, channel: *const tmr_channel_functions, enqueue: *const tmr_enqueue_functions, agent: *mut *mut tmr_agent, error: *mut tmr_error);
    221 tmr_agent_add_volume TMRNVOL (agent: *mut tmr_agent, volume: *const tmr_volume, area: *const tmr_area, images: *const c_char, error: *mut tmr_error);
    222 tmr_agent_serve TMRNSRV (agent: *mut tmr_agent, error: *mut tmr_error);
    223 tmr_agent_close TMRNCLS (agent: *mut *mut tmr_agent);
    224 tmr_agent_farewell TMRNFAR (agent: *mut tmr_agent, error: *mut tmr_error);
}

/// Does: says which release of the library this is.
/// Gives back: 0; its version in `major`, `minor` and `patch`, each of which may be NULL.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_version(major: *mut u32, minor: *mut u32, patch: *mut u32) -> i32 {
    let version = || {
        let parts = [
            (major, env!("CARGO_PKG_VERSION_MAJOR")),
            (minor, env!("CARGO_PKG_VERSION_MINOR")),
            (patch, env!("CARGO_PKG_VERSION_PATCH")),
        ];
        for (place, part) in parts {
            // SAFETY: as the caller promised.
            if let Some(out) =
                unsafe { boundary::Out::take_if_any(place, "a part of the version") }?
            {
                out.give(part.parse().unwrap_or_default());
            }
        }
        Ok(TMR_DONE)
    };
    // SAFETY: there is no error block.
    unsafe { guarded(std::ptr::null_mut(), version) }
}

/// Does: calls another function by its number (TMR_F_...), with the addresses of its parameters in a list, as assembler
///   programs pass them. Each address leads to the parameter as the function takes it: a pointer, or an integer of 32 or 64 bits.
/// Gives back: what that function gives back; 8 if there is none of this number, or it is this one, or an address is NULL.
/// Threads: as that function.
/// When: as that function.
///
/// # Safety
/// The list has as many addresses as the function has parameters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_call(function: u32, addresses: *const *const c_void) -> i32 {
    let call = || {
        let found = FUNCTIONS.iter().find(|known| known.number == function);
        // Itself it does not call: a list that names itself would never end.
        let found = found.filter(|found| found.name != "tmr_call").ok_or_else(|| {
            Error::new(
                Reason::BadValue,
                format!("{function} is the number of no function that can be called by a list"),
            )
        })?;
        // SAFETY: as the caller promised.
        let addresses =
            unsafe { list(addresses, found.parameters.len() as u64, "the list of addresses") }?;
        // SAFETY: as the caller promised.
        unsafe { (found.call)(addresses) }
    };
    // SAFETY: there is no error block.
    unsafe { guarded(std::ptr::null_mut(), call) }
}

/// Does: says in a few words what a reason code means.
/// Gives back: 0, the words in `text`, cut if they are longer than `length` bytes with the zero at their end; 8 if there is no
///   such reason.
/// Threads: any.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_reason_text(
    reason: u32,
    text: *mut c_char,
    length: u64,
    error: *mut tmr_error,
) -> i32 {
    let say = || {
        // SAFETY: as the caller promised.
        let to = unsafe { boundary::list_to_fill(text, length, "the place for the text") }?;
        let Some(first) = to.first_mut() else {
            return Err(Error::new(Reason::ShortBuffer, "the place for the text has no byte"));
        };
        *first = 0;
        let found = Reason::ALL.iter().find(|known| **known as u32 == reason);
        let found = found.ok_or_else(|| {
            Error::new(Reason::BadValue, format!("{reason} is no reason of this release"))
        })?;
        let words = found.text().as_bytes();
        let end = words.len().min(to.len() - 1);
        for (place, byte) in to.iter_mut().zip(&words[..end]) {
            *place = *byte as c_char;
        }
        to[end] = 0;
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, say) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_aliases_fit() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].number < pair[1].number));
        let mut aliases: Vec<&str> = FUNCTIONS.iter().map(|function| function.alias).collect();
        for alias in &aliases {
            let is_right = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
            assert!(alias.len() <= 8 && alias.starts_with("TMR") && alias.chars().all(is_right));
        }
        aliases.sort_unstable();
        assert!(aliases.windows(2).all(|pair| pair[0] != pair[1]));
        for function in FUNCTIONS {
            assert!(function.parameters.len() <= 6, "{}", function.name);
        }
    }
}
