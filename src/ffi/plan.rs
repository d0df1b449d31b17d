//! Plans: which data sets go where.

#[cfg(test)]
mod tests;

use super::assess::{TMR_UNCATALOGED, masks_of, no_more, numbered, refusal_block, volsers_of};
use super::boundary::{
    Filled, Handle, Out, Structure, check_options, choice, close, guarded, input, shared, text,
    to_array,
};
use super::host::with_ports;
use super::{TMR_DONE, TMR_MORE, tmr_error, tmr_extent, tmr_host};
use crate::error::{Error, Reason, Result};
use crate::migrate::{Selection, propose};
use crate::name::DsMask;
use crate::plan::{Mode, Plan, PlannedDataSet, Refusal};
use std::ffi::c_char;

/// One request of the total space on one volume: the fewest extents.
pub const TMR_MODE_ONE_PRIMARY: u32 = 1;
/// Each part on a volume of its own, each extent as it was.
pub const TMR_MODE_EXTENT_FOR_EXTENT: u32 = 2;
/// As few extents as possible, over as many volumes as are needed.
pub const TMR_MODE_BEST_FIT: u32 = 3;

const MODES: [(u32, Mode); 3] = [
    (TMR_MODE_ONE_PRIMARY, Mode::OnePrimary),
    (TMR_MODE_EXTENT_FOR_EXTENT, Mode::ExtentForExtent),
    (TMR_MODE_BEST_FIT, Mode::BestFit),
];

/// What is to be moved. The lists are words with blanks or commas between; they are needed until the call
/// returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_selection {
    /// sizeof (tmr_selection).
    pub size: u32,
    /// How the target's space is chosen: one of TMR_MODE_...; 0 is TMR_MODE_ONE_PRIMARY.
    pub mode: u32,
    /// TMR_UNCATALOGED, or 0.
    pub options: u32,
    /// How much more space a target gets than its source has, in percent: for sources that grow meanwhile.
    pub slack: u32,
    /// Which data sets: names and masks, such as "TEST.** PROD.A".
    pub masks: *const c_char,
    /// The serials of the volumes that they are on.
    pub sources: *const c_char,
    /// The serials of the volumes that they may go to; those named first are preferred.
    pub targets: *const c_char,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_selection {
    const NAME: &'static str = "tmr_selection";
    const SIZE_MIN: usize = 40;

    fn check(&self) -> Result<()> {
        check_options(self.options, TMR_UNCATALOGED, "tmr_selection.options")
    }
}

const _: () = assert!(size_of::<tmr_selection>() == 40);

/// Which data sets go where. Several threads may use it at a time.
pub struct tmr_plan {
    _opaque: [u8; 0],
}

/// What is behind a plan.
pub(super) struct Planned {
    pub plan: Plan,
    pub refusals: Vec<Refusal>,
}

impl Handle for tmr_plan {
    type Value = Planned;
    const NAME: &'static str = "tmr_plan";
}

/// What a plan has.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_plan_info {
    /// sizeof (tmr_plan_info).
    pub size: u32,
    /// TMR_MODE_...
    pub mode: u32,
    /// TMR_UNCATALOGED, or 0.
    pub options: u32,
    /// How much more space a target gets, in percent.
    pub slack: u32,
    /// How many data sets it moves.
    pub data_set_count: u32,
    /// How many data sets were selected and cannot be moved.
    pub refused_count: u32,
    /// How many volumes the data sets lie on.
    pub source_volume_count: u32,
    /// How many volumes they go to.
    pub target_volume_count: u32,
    /// How many tracks they have together.
    pub track_count: u64,
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_plan_info {
    const NAME: &'static str = "tmr_plan_info";
    const SIZE_MIN: usize = 40;
}

const _: () = assert!(size_of::<tmr_plan_info>() == 40);

/// The extents are combined on the data set's own volume.
pub const TMR_PLANNED_COMBINES: u32 = 1;

/// A data set of a plan.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tmr_planned_data_set {
    /// sizeof (tmr_planned_data_set).
    pub size: u32,
    /// TMR_PLANNED_COMBINES, or 0.
    pub flags: u32,
    /// How many volumes it lies on.
    pub source_volume_count: u32,
    /// How many volumes it goes to.
    pub target_volume_count: u32,
    /// How many extents it has.
    pub source_extent_count: u32,
    /// How many extents it gets.
    pub target_extent_count: u32,
    /// How many tracks it has.
    pub track_count: u32,
    /// How many of them, from its start on, hold something; all of them where nobody knows.
    pub used_track_count: u32,
    /// How many tracks it gets, slack included.
    pub target_track_count: u64,
    /// Its name.
    pub data_set: [c_char; 96],
}

// SAFETY: `repr(C)`, begins with its size, any bytes are a value, and its fields leave no bytes between them.
unsafe impl Structure for tmr_planned_data_set {
    const NAME: &'static str = "tmr_planned_data_set";
    const SIZE_MIN: usize = 136;
}

const _: () = assert!(size_of::<tmr_planned_data_set>() == 136);

impl tmr_planned_data_set {
    fn of(data_set: &PlannedDataSet) -> tmr_planned_data_set {
        let assessment = &data_set.assessment;
        let tracks = data_set.target_extents().map(|(_, extent)| u64::from(extent.track_count));
        tmr_planned_data_set {
            size: size_of::<tmr_planned_data_set>() as u32,
            flags: if data_set.combines { TMR_PLANNED_COMBINES } else { 0 },
            source_volume_count: assessment.parts.len() as u32,
            target_volume_count: data_set.parts.len() as u32,
            source_extent_count: assessment.extents().count() as u32,
            target_extent_count: data_set.target_extents().count() as u32,
            track_count: assessment.track_count(),
            used_track_count: data_set.used_track_count(),
            target_track_count: tracks.sum(),
            data_set: to_array(&assessment.name.to_string()),
        }
    }
}

/// Does: finds out which of the selected data sets can be moved, and where to. Nothing is changed.
/// Gives back: 0 and the plan, to be closed with tmr_plan_close; 4 and the plan if some data sets, or all,
///   are refused (tmr_plan_refusal), or if a mask selects nothing: then the error block has the reason
///   TMR_R_NOTHING_SELECTED, and names it; 8 if nothing is selected, or a volume is not the host's; 12 if one
///   cannot be read.
/// Threads: one at a time with this host.
/// When: at any time.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_plan_propose(
    host: *const tmr_host,
    selection: *const tmr_selection,
    plan: *mut *mut tmr_plan,
    error: *mut tmr_error,
) -> i32 {
    let propose = || {
        // SAFETY: as the caller promised.
        let out = unsafe { Out::handle(plan) }?;
        // SAFETY: as the caller promised.
        let selection = unsafe { input(selection) }?;
        // SAFETY: as the caller promised.
        let (masks, sources, targets) = unsafe {
            (
                masks_of(text(selection.masks, "tmr_selection.masks")?)?,
                volsers_of(text(selection.sources, "tmr_selection.sources")?)?,
                volsers_of(text(selection.targets, "tmr_selection.targets")?)?,
            )
        };
        let selection = Selection {
            masks: &masks,
            sources: &sources,
            targets: &targets,
            mode: mode_of(selection.mode)?,
            uncataloged: selection.options & TMR_UNCATALOGED != 0,
            slack: selection.slack,
        };
        // SAFETY: as the caller promised.
        let (plan, refusals) = unsafe { with_ports(host, |host| propose(host, &selection)) }?;
        let idle_masks: Vec<String> = plan.idle_masks().map(DsMask::to_string).collect();
        let is_all = refusals.is_empty() && idle_masks.is_empty();
        if !idle_masks.is_empty() {
            let why = format!("no data set on the source volumes: {}", idle_masks.join(", "));
            let nothing = Error::new(Reason::NothingSelected, why);
            // SAFETY: as the caller promised.
            unsafe { tmr_error::remark(error, tmr_error::of(&nothing)) };
        }
        out.give_handle(Planned { plan, refusals });
        Ok(if is_all { TMR_DONE } else { TMR_MORE })
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, propose) }
}

fn mode_of(mode: u32) -> Result<Mode> {
    if mode == 0 { Ok(Mode::default()) } else { choice(mode, &MODES, "mode of a plan") }
}

/// Does: says what a plan has.
/// Gives back: 0.
/// Threads: several may at a time.
/// When: while the plan is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_plan_describe(
    plan: *const tmr_plan,
    info: *mut tmr_plan_info,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, planned) = unsafe { (Filled::take(info)?, shared(plan)?) };
        let Planned { plan, refusals } = &*planned;
        let mode = MODES.iter().find(|(_, mode)| *mode == plan.scope.mode);
        out.give(&tmr_plan_info {
            size: size_of::<tmr_plan_info>() as u32,
            mode: mode.map_or(0, |(number, _)| *number),
            options: if plan.scope.uncataloged { TMR_UNCATALOGED } else { 0 },
            slack: plan.scope.slack,
            data_set_count: plan.data_sets.len() as u32,
            refused_count: refusals.len() as u32,
            source_volume_count: plan.source_volsers().len() as u32,
            target_volume_count: plan.target_volsers().len() as u32,
            track_count: plan.track_count(),
        });
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// Does: says what a data set of a plan is. They are numbered from 0 on, in the order of their names.
/// Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
/// Threads: several may at a time.
/// When: while the plan is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_plan_data_set(
    plan: *const tmr_plan,
    index: u32,
    data_set: *mut tmr_planned_data_set,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, planned) = unsafe { (Filled::take(data_set)?, shared(plan)?) };
        out.give(&tmr_planned_data_set::of(numbered(
            &planned.plan.data_sets,
            index,
            "data sets in the plan",
        )?));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// Does: says where a data set of a plan goes: its target extents, numbered from 0 on, in their order.
/// Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
/// Threads: several may at a time.
/// When: while the plan is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_plan_extent(
    plan: *const tmr_plan,
    index: u32,
    extent: u32,
    target: *mut tmr_extent,
    error: *mut tmr_error,
) -> i32 {
    let describe = || {
        // SAFETY: as the caller promised.
        let (out, planned) =
            unsafe { (Out::take(target, "the place for the extent")?, shared(plan)?) };
        let data_set = numbered(&planned.plan.data_sets, index, "data sets in the plan")?;
        let found = data_set.target_extents().nth(extent as usize);
        let count = data_set.target_extents().count();
        let (volser, tracks) = found.ok_or_else(|| {
            no_more(extent, count, "target extents").of_data_set(data_set.assessment.name)
        })?;
        out.give(tmr_extent::of(volser, tracks));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, describe) }
}

/// Does: says why a data set that was selected is not in the plan. The refused data sets are numbered from
///   0 on, in the order of their names, and so are the reasons (`which`) of each; there is at least one.
/// Gives back: 0, and the reason in `refusal`, with the data set; 8 with the reason TMR_R_NO_MORE if there
///   is none of this number.
/// Threads: several may at a time.
/// When: while the plan is open.
///
/// # Safety
/// The pointers are as the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_plan_refusal(
    plan: *const tmr_plan,
    index: u32,
    which: u32,
    refusal: *mut tmr_error,
    error: *mut tmr_error,
) -> i32 {
    let tell = || {
        // SAFETY: as the caller promised.
        let (out, planned) = unsafe { (refusal_block(refusal)?, shared(plan)?) };
        let Refusal { name, reasons } = numbered(&planned.refusals, index, "data sets refused")?;
        let reason =
            numbered(reasons, which, "reasons").map_err(|error| error.of_data_set(*name))?;
        out.give(&tmr_error::of(&reason.clone().of_data_set(*name)));
        Ok(TMR_DONE)
    };
    // SAFETY: as the caller promised.
    unsafe { guarded(error, tell) }
}

/// Does: ends a plan, and clears the pointer. What was made of it keeps what it needs.
/// Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no plan, or in use.
/// Threads: the last one that uses it.
/// When: once.
///
/// # Safety
/// As the text says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tmr_plan_close(plan: *mut *mut tmr_plan) -> i32 {
    // SAFETY: as the caller promised.
    unsafe { close(plan) }
}
