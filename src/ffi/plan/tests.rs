//! From the question what could be moved to the copy that was verified, as a program in C goes through it.

use crate::dscb::Format1;
use crate::error::Reason;
use crate::ffi::boundary::{Structure, alone, shared, text_in};
use crate::ffi::functions::tmr_call;
use crate::ffi::*;
use crate::geometry::{Extent, Track};
use crate::name::DsName;
use crate::track;
use crate::volume::intent::NoJournal;
use crate::volume::{Volume, VolumeExt};
use crate::vtoc::manager::VtocSpaceManager;
use crate::vtoc::{Expiration, Identity, NewDataSet, SpaceManager};
use std::ffi::{CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// A structure as a caller passes it: all zero but its size.
fn cleared<T: Structure>() -> T {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: it begins with its size, and any bytes are a value.
    unsafe {
        value.as_mut_ptr().cast::<u32>().write(size_of::<T>() as u32);
        value.assume_init()
    }
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn words(array: &[c_char]) -> &str {
    text_in(array, "a text").unwrap()
}

/// What a call says that is refused with this reason; it must have the code that goes with it.
#[track_caller]
fn assert_refused(reason: Reason, call: impl FnOnce(*mut tmr_error) -> i32) -> tmr_error {
    let mut error = cleared::<tmr_error>();
    let code = call(&raw mut error);
    let sentence = words(&error.sentence).to_string();
    assert_eq!((code, error.reason), (reason.code() as i32, reason as u32), "{sentence}");
    assert_eq!(error.code, code);
    assert!(!sentence.is_empty() && !sentence.ends_with('\n'));
    error
}

/// A call that must give back this code.
#[track_caller]
fn assert_done(expected: i32, call: impl FnOnce(*mut tmr_error) -> i32) {
    let mut error = cleared::<tmr_error>();
    let code = call(&raw mut error);
    assert_eq!(code, expected, "{}", words(&error.sentence));
}

/// A host with some volumes in memory.
struct Scene {
    host: *mut tmr_host,
    volumes: Vec<*mut tmr_volume>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        for volume in &mut self.volumes {
            // SAFETY: it was opened, and is used no more.
            assert_eq!(unsafe { tmr_volume_close(volume) }, TMR_DONE);
        }
        // SAFETY: as above.
        assert_eq!(unsafe { tmr_host_close(&raw mut self.host) }, TMR_DONE);
    }
}

impl Scene {
    fn new(volsers: &[&str]) -> Scene {
        let mut scene = Scene { host: null_mut(), volumes: Vec::new() };
        // SAFETY: every pointer is one to what the function wants.
        unsafe {
            assert_done(TMR_DONE, |error| tmr_host_new(&raw mut scene.host, error));
            for text in volsers {
                let mut info = cleared::<tmr_volume_info>();
                info.cylinders = 10;
                info.volser = boundary::to_array(text);
                info.device = boundary::to_array("3330");
                let (mut volume, name) = (null_mut(), c(text));
                assert_done(TMR_DONE, |error| tmr_volume_in_memory(&info, &raw mut volume, error));
                assert_done(TMR_DONE, |error| {
                    tmr_volume_initialize(volume, name.as_ptr(), null(), error)
                });
                assert_done(TMR_DONE, |error| tmr_host_add_volume(scene.host, volume, error));
                scene.volumes.push(volume);
            }
        }
        scene
    }

    fn volume(&self, number: usize) -> Arc<dyn Volume> {
        // SAFETY: it is open.
        unsafe { shared(self.volumes[number].cast_const()) }.unwrap().clone()
    }

    fn space(&self, number: usize) -> VtocSpaceManager {
        VtocSpaceManager::new(self.volume(number))
    }

    /// Makes a data set whose tracks hold what no other track does.
    fn make(&self, number: usize, name: &str, dsorg: u16, extents: &[(u32, u32)]) -> Identity {
        let volume = self.volume(number);
        let mut format1 = Format1::new(name.parse().unwrap());
        format1.set_dsorg(dsorg);
        format1.set_recfm(0x90);
        format1.set_blksize(800);
        format1.set_lrecl(80);
        format1.set_scal1(0x80);
        format1.set_first_volser(volume.volser());
        format1.set_volume_sequence(1);
        let tracks: u32 = extents.iter().map(|(_, count)| count).sum();
        format1.set_last_used(Some((tracks - 2, 1)));
        let extents: Vec<Extent> =
            extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
        for extent in &extents {
            for track in extent.first.0..extent.end().0 {
                let mut slot = vec![0; volume.slot_size()];
                let data = format!("{name} track {track} of volume {number}");
                track::build(&mut slot, volume.place(Track(track)), &[(b"", data.as_bytes())])
                    .unwrap();
                volume.write(Track(track), &slot).unwrap();
            }
        }
        let new = NewDataSet { format1, extents };
        Identity::of(&self.space(number).allocate(&new, &NoJournal).unwrap())
    }

    /// Assesses, and gives back the code too.
    fn assess(&self, masks: &str, volsers: Option<&str>) -> (i32, Assessed) {
        let (masks, volsers) = (c(masks), volsers.map(c));
        let volsers = volsers.as_ref().map_or(null(), |text| text.as_ptr());
        let mut assessment = null_mut();
        let mut error = cleared::<tmr_error>();
        // SAFETY: every pointer is one to what the function wants.
        let code = unsafe {
            let out = &raw mut assessment;
            tmr_assess(self.host, masks.as_ptr(), volsers, TMR_UNCATALOGED, out, &raw mut error)
        };
        assert!(code == TMR_DONE || code == TMR_MORE, "{}", words(&error.sentence));
        (code, Assessed(assessment))
    }

    fn propose(&self, targets: &str, change: impl FnOnce(&mut tmr_selection)) -> (i32, Planned) {
        let (masks, sources, targets) = (c("TEST.**"), c("OLD001 OLD001"), c(targets));
        let mut selection = cleared::<tmr_selection>();
        (selection.masks, selection.sources) = (masks.as_ptr(), sources.as_ptr());
        (selection.targets, selection.options) = (targets.as_ptr(), TMR_UNCATALOGED);
        change(&mut selection);
        let mut plan = null_mut();
        let mut error = cleared::<tmr_error>();
        // SAFETY: every pointer is one to what the function wants.
        let code =
            unsafe { tmr_plan_propose(self.host, &selection, &raw mut plan, &raw mut error) };
        assert!(code == TMR_DONE || code == TMR_MORE, "{}", words(&error.sentence));
        (code, Planned(plan))
    }
}

macro_rules! owned {
    ($name:ident $of:ident $close:ident) => {
        struct $name(*mut $of);
        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: it was given back, and is used no more.
                assert_eq!(unsafe { $close(&raw mut self.0) }, TMR_DONE);
                assert!(self.0.is_null());
            }
        }
    };
}

owned!(Assessed tmr_assessment tmr_assessment_close);
owned!(Changed tmr_changes tmr_changes_close);
owned!(Planned tmr_plan tmr_plan_close);
owned!(Tabled tmr_table tmr_table_close);
owned!(Copying tmr_copier tmr_copier_close);
owned!(Verified tmr_verification tmr_verification_close);

/// Two data sets that can be moved, one that cannot, and a volume for them.
fn scene() -> Scene {
    let scene = Scene::new(&["OLD001", "NEW001"]);
    scene.make(0, "TEST.A", Format1::DSORG_PS, &[(40, 5), (60, 3)]);
    scene.make(0, "TEST.B", Format1::DSORG_PS | Format1::DSORG_UNMOVABLE, &[(70, 2)]);
    scene.make(0, "TEST.C", Format1::DSORG_PO, &[(80, 4)]);
    scene
}

#[test]
fn assessments_tell_where_data_sets_lie_and_what_forbids_to_move_them() {
    let scene = scene();
    let (code, assessed) = scene.assess("TEST.**, OTHER.*", None);
    assert_eq!(code, TMR_MORE);
    // SAFETY: every pointer is one to what the function wants.
    unsafe {
        let mut info = cleared::<tmr_assessment_info>();
        assert_done(0, |error| tmr_assessment_describe(assessed.0, &raw mut info, error));
        assert_eq!((info.data_set_count, info.movable_count, info.volume_count), (3, 2, 1));
        assert_eq!((info.extent_count, info.track_count), (4, 14));

        let mut found = cleared::<tmr_data_set>();
        assert_done(0, |error| tmr_assessment_data_set(assessed.0, 0, &raw mut found, error));
        assert_eq!(words(&found.data_set), "TEST.A");
        assert_eq!((found.flags, found.track_count), (TMR_DATA_SET_MOVABLE, 8));
        assert_eq!((found.volume_count, found.extent_count, found.last_used), (1, 2, 6));
        assert_eq!((found.dsorg, found.recfm, found.blksize, found.lrecl), (0x4000, 0x90, 800, 80));

        let mut extent = tmr_extent::default();
        assert_done(0, |error| tmr_assessment_extent(assessed.0, 0, 1, &raw mut extent, error));
        assert_eq!((words(&extent.volser), extent.first, extent.track_count), ("OLD001", 60, 3));
        assert_refused(Reason::NoMore, |error| {
            tmr_assessment_extent(assessed.0, 0, 2, &raw mut extent, error)
        });
        assert_eq!((words(&extent.volser), extent.track_count), ("", 0), "it was not cleared");

        let mut refusal = cleared::<tmr_error>();
        assert_done(0, |error| tmr_assessment_refusal(assessed.0, 1, 0, &raw mut refusal, error));
        assert_eq!((refusal.reason, refusal.code), (Reason::Unmovable as u32, TMR_REFUSED));
        assert_eq!(words(&refusal.data_set), "TEST.B");
        assert_refused(Reason::NoMore, |error| {
            tmr_assessment_refusal(assessed.0, 1, 1, &raw mut refusal, error)
        });
        assert_eq!((refusal.reason, refusal.track), (0, TMR_NO_TRACK));
        assert_refused(Reason::NoMore, |error| {
            tmr_assessment_data_set(assessed.0, u32::MAX, &raw mut found, error)
        });
    }
}

#[test]
fn a_name_that_nobody_knows_is_a_data_set_without_parts() {
    let scene = scene();
    let (code, assessed) = scene.assess("NOT.THERE", Some("OLD001,NEW001"));
    assert_eq!(code, TMR_MORE);
    let mut found = cleared::<tmr_data_set>();
    // SAFETY: every pointer is one to what the function wants.
    assert_done(0, |error| unsafe {
        tmr_assessment_data_set(assessed.0, 0, &raw mut found, error)
    });
    assert_eq!((found.extent_count, found.refusal_count, found.last_used), (0, 1, TMR_NO_TRACK));
    let (code, assessed) = scene.assess("NOT.*", None);
    let mut info = cleared::<tmr_assessment_info>();
    // SAFETY: as above.
    assert_done(0, |error| unsafe { tmr_assessment_describe(assessed.0, &raw mut info, error) });
    assert_eq!((code, info.data_set_count), (TMR_DONE, 0));
}

#[test]
fn what_is_asked_wrongly_is_refused_and_gives_no_handle() {
    let scene = scene();
    let (all, none) = (c("**"), c("NEW999"));
    let mut assessment = null_mut::<tmr_assessment>().wrapping_byte_add(8);
    let mut assess = |masks: &CString, volsers: *const c_char, options, reason| {
        let out = &raw mut assessment;
        assert_refused(reason, |error| {
            // SAFETY: every pointer is one to what the function wants.
            unsafe { tmr_assess(scene.host, masks.as_ptr(), volsers, options, out, error) }
        });
        assert!(assessment.is_null());
    };
    let error = Reason::NoSuchVolume;
    assess(&all, none.as_ptr(), 0, error);
    assess(&c("A..B"), null(), 0, Reason::BadMask);
    assess(&all, c("TOOLONG").as_ptr(), 0, Reason::BadVolser);
    assess(&all, null(), 2, Reason::BadValue);
}

#[test]
fn changes_of_data_sets_are_told_with_their_tracks() {
    let scene = scene();
    let (_, stored) = scene.assess("TEST.**", None);
    let space = scene.space(0);
    let identity =
        |name: &str| Identity::of(&space.find(&DsName::parse(name).unwrap()).unwrap().unwrap());
    let longer = [Extent::new(Track(63), 2), Extent::new(Track(100), 1)];
    space.extend(&identity("TEST.A"), &longer, &NoJournal).unwrap();
    space.rename(&identity("TEST.C"), &"OTHER.C".parse().unwrap(), &NoJournal).unwrap();
    space.scratch(&identity("TEST.B"), Expiration::Ignore, &NoJournal).unwrap();
    scene.make(0, "TEST.NEW", Format1::DSORG_PS, &[(110, 3)]);
    let (_, present) = scene.assess("**", Some("OLD001"));

    let mut handle = null_mut();
    let compare = |of: &Assessed, with: &Assessed, out, error| {
        // SAFETY: every pointer is one to what the function wants.
        unsafe { tmr_assessment_compare(of.0, with.0, TMR_METADATA_BOTH, out, error) }
    };
    assert_done(TMR_MORE, |error| compare(&stored, &present, &raw mut handle, error));
    let changes = Changed(handle);
    // They stand for themselves.
    drop((stored, present));
    let get = |index| {
        let mut change = cleared::<tmr_allocation_change>();
        // SAFETY: as above.
        assert_done(0, |error| unsafe {
            tmr_changes_get(changes.0, index, &raw mut change, error)
        });
        change
    };
    let run = |index, run| {
        let mut tracks = cleared::<tmr_changed_run>();
        // SAFETY: as above.
        assert_done(0, |error| unsafe {
            tmr_changes_run(changes.0, index, run, &raw mut tracks, error)
        });
        (tracks.how, tracks.place, tracks.tracks.first, tracks.tracks.track_count)
    };
    let mut info = cleared::<tmr_changes_info>();
    // SAFETY: as above.
    assert_done(0, |error| unsafe { tmr_changes_describe(changes.0, &raw mut info, error) });
    assert_eq!((info.data_set_count, info.differing_count), (4, 4));

    let a = get(0);
    assert_eq!((a.fate, a.differs), (TMR_FATE_PERSISTENT, 1));
    assert_eq!((a.gained_run_count, a.gained_track_count, a.lost_run_count), (2, 3, 0));
    assert_eq!(run(0, 0), (TMR_GAIN_MERGED, 8, 63, 2));
    assert_eq!(run(0, 1), (TMR_GAIN_EXTENT, 10, 100, 1));
    assert!(a.fields & TMR_FIELD_EXTENTS != 0);
    assert_eq!(words(&a.sentence), "TEST.A: persistent; 3 tracks more on OLD001");
    let b = get(1);
    assert_eq!((b.fate, words(&b.present_name), b.lost_track_count), (TMR_FATE_DELETED, "", 2));
    assert_eq!(run(1, 0), (TMR_LOSS_PART, 0, 70, 2));
    let renamed = get(2);
    assert_eq!((renamed.fate, words(&renamed.present_name)), (TMR_FATE_RENAMED, "OTHER.C"));
    assert_eq!(words(&renamed.data_set), "TEST.C");
    let new = get(3);
    assert_eq!((new.fate, words(&new.data_set)), (TMR_FATE_NEW, "TEST.NEW"));
    let mut change = cleared::<tmr_allocation_change>();
    // SAFETY: as above.
    assert_refused(Reason::NoMore, |error| unsafe {
        tmr_changes_get(changes.0, 4, &raw mut change, error)
    });

    let (_, same) = scene.assess("TEST.**", None);
    let mut handle = null_mut();
    assert_done(TMR_DONE, |error| compare(&same, &same, &raw mut handle, error));
    drop(Changed(handle));
    // SAFETY: as above.
    assert_refused(Reason::BadValue, |error| unsafe {
        tmr_assessment_compare(same.0, same.0, 9, &raw mut handle, error)
    });
}

#[test]
fn a_plan_tells_its_data_sets_their_targets_and_its_refusals() {
    let scene = scene();
    let (code, plan) = scene.propose("NEW001 NEW001", |_| {});
    assert_eq!(code, TMR_MORE);
    // SAFETY: every pointer is one to what the function wants.
    unsafe {
        let mut info = cleared::<tmr_plan_info>();
        assert_done(0, |error| tmr_plan_describe(plan.0, &raw mut info, error));
        assert_eq!((info.data_set_count, info.refused_count, info.track_count), (2, 1, 12));
        assert_eq!((info.mode, info.options), (TMR_MODE_ONE_PRIMARY, TMR_UNCATALOGED));
        assert_eq!((info.source_volume_count, info.target_volume_count), (1, 1));

        let mut found = cleared::<tmr_planned_data_set>();
        assert_done(0, |error| tmr_plan_data_set(plan.0, 0, &raw mut found, error));
        assert_eq!(words(&found.data_set), "TEST.A");
        assert_eq!((found.source_extent_count, found.target_extent_count), (2, 1));
        assert_eq!((found.track_count, found.used_track_count), (8, 8));
        assert_eq!(found.target_track_count, 8);
        let mut extents = Vec::new();
        for index in 0..2 {
            let mut extent = tmr_extent::default();
            assert_done(0, |error| tmr_plan_extent(plan.0, index, 0, &raw mut extent, error));
            assert_eq!(words(&extent.volser), "NEW001");
            extents.push(Extent::new(Track(extent.first), extent.track_count));
            assert_refused(Reason::NoMore, |error| {
                tmr_plan_extent(plan.0, index, 1, &raw mut extent, error)
            });
        }
        assert!(!extents[0].overlaps(extents[1]), "a volume named twice has its space twice");

        let mut refusal = cleared::<tmr_error>();
        assert_done(0, |error| tmr_plan_refusal(plan.0, 0, 0, &raw mut refusal, error));
        assert_eq!(refusal.reason, Reason::Unmovable as u32);
        assert_eq!(words(&refusal.data_set), "TEST.B");
        for (index, which) in [(0, 1), (1, 0), (u32::MAX, u32::MAX)] {
            assert_refused(Reason::NoMore, |error| {
                tmr_plan_refusal(plan.0, index, which, &raw mut refusal, error)
            });
        }
    }
}

#[test]
fn slack_that_no_volume_has_is_a_refusal_of_each_data_set() {
    let scene = scene();
    for mode in [TMR_MODE_ONE_PRIMARY, TMR_MODE_EXTENT_FOR_EXTENT, TMR_MODE_BEST_FIT] {
        let (code, plan) = scene.propose("NEW001", |selection| {
            (selection.slack, selection.mode) = (u32::MAX, mode);
        });
        let mut info = cleared::<tmr_plan_info>();
        // SAFETY: every pointer is one to what the function wants.
        assert_done(0, |error| unsafe { tmr_plan_describe(plan.0, &raw mut info, error) });
        assert_eq!((code, info.data_set_count, info.refused_count), (TMR_MORE, 0, 3));
    }
    let (_, plan) = scene.propose("NEW001", |selection| selection.slack = 50);
    let mut found = cleared::<tmr_planned_data_set>();
    // SAFETY: as above.
    assert_done(0, |error| unsafe { tmr_plan_data_set(plan.0, 0, &raw mut found, error) });
    assert_eq!((found.track_count, found.target_track_count), (8, 12));
}

#[test]
fn selections_that_cannot_be_meant_are_refused() {
    let scene = scene();
    let (masks, sources, nothing) = (c("TEST.**"), c("OLD001"), c(" "));
    let refused = |reason, change: &dyn Fn(&mut tmr_selection)| {
        let mut selection = cleared::<tmr_selection>();
        (selection.masks, selection.sources) = (masks.as_ptr(), sources.as_ptr());
        selection.targets = nothing.as_ptr();
        change(&mut selection);
        let mut plan = null_mut();
        assert_refused(reason, |error| {
            // SAFETY: every pointer is one to what the function wants.
            unsafe { tmr_plan_propose(scene.host, &selection, &raw mut plan, error) }
        });
        assert!(plan.is_null());
    };
    refused(Reason::BadValue, &|selection| selection.mode = 4);
    refused(Reason::BadValue, &|selection| selection.options = 2);
    refused(Reason::BadStructure, &|selection| selection.size = 39);
    refused(Reason::BadStructure, &|selection| selection.size = 48);
    refused(Reason::NullPointer, &|selection| selection.targets = null());
    refused(Reason::NothingSelected, &|selection| selection.masks = nothing.as_ptr());
    refused(Reason::NothingSelected, &|selection| selection.sources = nothing.as_ptr());
    let (code, _plan) = scene.propose("", |_| {});
    assert_eq!(code, TMR_MORE, "without a target everything is refused");
}

#[test]
fn what_a_plan_says_is_copied_and_verified() {
    let scene = scene();
    let (_, plan) = scene.propose("NEW001", |_| {});
    let (mut table, mut copier, mut digest) = (null_mut(), null_mut(), 0);
    // SAFETY: every pointer is one to what the function wants.
    unsafe {
        assert_done(0, |error| tmr_table_of_plan(plan.0, 0, &raw mut table, error));
        let table = Tabled(table);
        drop(plan);
        let mut info = cleared::<tmr_table_info>();
        assert_done(0, |error| tmr_table_describe(table.0, &raw mut info, error));
        assert_eq!((info.entry_count, info.run_count, info.track_count), (3, 3, 12));

        let mut options = cleared::<tmr_copier_options>();
        (options.threads, options.batch_tracks) = (2, 2);
        options.options = TMR_DIGESTS;
        assert_done(0, |error| {
            tmr_copier_new(table.0, scene.host, &options, &raw mut copier, error)
        });
        let copier = Copying(copier);
        assert_done(TMR_MORE, |error| tmr_copier_digest(copier.0, 0, &raw mut digest, error));
        let mut progress = cleared::<tmr_progress>();
        let step = |max, progress: &mut tmr_progress, error| {
            tmr_copier_step(copier.0, max, progress, error)
        };
        assert_refused(Reason::BadValue, |error| step(0, &mut progress, error));
        assert_done(TMR_MORE, |error| step(7, &mut progress, error));
        assert_eq!((progress.copied, progress.left, progress.total_track_count), (7, 5, 7));
        assert_done(TMR_DONE, |error| step(u32::MAX, &mut progress, error));
        assert_eq!((progress.copied, progress.left, progress.total_record_count), (5, 0, 12));
        assert!(progress.total_byte_count > 0);
        assert_refused(Reason::NoMore, |error| {
            tmr_copier_digest(copier.0, 3, &raw mut digest, error)
        });
        assert_done(TMR_DONE, |error| tmr_copier_digest(copier.0, 0, &raw mut digest, error));

        let volser = c("OLD001");
        let retake =
            |first, count, error| tmr_copier_retake(copier.0, volser.as_ptr(), first, count, error);
        assert_done(TMR_DONE, |error| retake(41, 3, error));
        assert_done(TMR_DONE, |error| {
            tmr_copier_leave_out(copier.0, volser.as_ptr(), 42, 1, error)
        });
        let outside = assert_refused(Reason::NotInTable, |error| retake(44, 2, error));
        assert_eq!(words(&outside.volser), "OLD001");
        assert_refused(Reason::BadValue, |error| retake(41, 0, error));
        assert_refused(Reason::BadValue, |error| retake(41, u32::MAX, error));
        assert_refused(Reason::NotInTable, |error| retake(u32::MAX - 1, 1, error));
        assert_done(TMR_DONE, |error| step(100, &mut progress, error));
        assert_eq!((progress.copied, progress.total_track_count), (2, 14));

        verify_what_is_equal_and_what_is_not(&scene, &table, digest);
    }
}

/// # Safety
/// The table is open.
unsafe fn verify_what_is_equal_and_what_is_not(scene: &Scene, table: &Tabled, expected: u32) {
    let (mut verification, mut digest) = (null_mut(), 0);
    let mut found = cleared::<tmr_verification_info>();
    // SAFETY: every pointer is one to what the function wants.
    unsafe {
        assert_done(TMR_DONE, |error| {
            tmr_verify(table.0, scene.host, 2, &raw mut verification, error)
        });
        let verified = Verified(verification);
        assert_done(0, |error| tmr_verification_describe(verified.0, &raw mut found, error));
        assert_eq!((found.track_count, found.difference_count, found.listed_count), (12, 0, 0));
        assert_done(0, |error| tmr_verification_digest(verified.0, 0, &raw mut digest, error));
        assert_eq!(digest, expected);
        drop(verified);

        let (volser, mut target) = (c("OLD001"), cleared::<tmr_location>());
        assert_done(0, |error| {
            tmr_table_to_target(table.0, volser.as_ptr(), 61, &raw mut target, error)
        });
        assert_eq!((target.entry, target.place), (1, 1));
        let (volume, track) = (scene.volume(1), Track(target.track));
        let mut slot = vec![0; volume.slot_size()];
        track::build(&mut slot, volume.place(track), &[(b"", b"something else")]).unwrap();
        volume.write(track, &slot).unwrap();
        assert_done(TMR_MORE, |error| {
            tmr_verify(table.0, scene.host, 0, &raw mut verification, error)
        });
        let verified = Verified(verification);
        let mut difference = cleared::<tmr_difference>();
        assert_done(0, |error| {
            tmr_verification_difference(verified.0, 0, &raw mut difference, error)
        });
        assert_eq!((difference.source_track, difference.target_track), (61, track.0));
        assert_eq!(words(&difference.target_volser), "NEW001");
        assert!(!words(&difference.sentence).is_empty());
        assert_refused(Reason::NoMore, |error| {
            tmr_verification_difference(verified.0, 1, &raw mut difference, error)
        });
        let mut none = null_mut();
        assert_refused(Reason::BadValue, |error| {
            tmr_verify(table.0, scene.host, u32::MAX, &raw mut none, error)
        });
    }
}

#[test]
fn copiers_that_cannot_be_meant_are_refused() {
    let scene = scene();
    let runs = |sources: &[(&str, u32, u32)]| -> Vec<tmr_extent> {
        let run = |&(text, first, track_count): &(&str, u32, u32)| tmr_extent {
            volser: boundary::to_array(text),
            first,
            track_count,
            ..Default::default()
        };
        sources.iter().map(run).collect()
    };
    let copier_of = |source, target, options: Option<tmr_copier_options>, reason| {
        let (source, target) = (runs(&[source]), runs(&[target]));
        let (mut table, mut copier) = (null_mut(), null_mut());
        // SAFETY: every pointer is one to what the function wants.
        unsafe {
            assert_done(0, |error| {
                tmr_table_map(source.as_ptr(), 1, target.as_ptr(), 1, &raw mut table, error)
            });
            let table = Tabled(table);
            let options = options.as_ref().map_or(null(), std::ptr::from_ref);
            assert_refused(reason, |error| {
                tmr_copier_new(table.0, scene.host, options, &raw mut copier, error)
            });
            let mut verification = null_mut();
            if options.is_null() {
                assert_refused(reason, |error| {
                    tmr_verify(table.0, scene.host, 1, &raw mut verification, error)
                });
            }
        }
        assert!(copier.is_null());
    };
    let (source, target) = (("OLD001", 40, 5), ("NEW001", 40, 5));
    copier_of(("OLD002", 40, 5), target, None, Reason::NoSuchVolume);
    copier_of(source, ("NEW002", 40, 5), None, Reason::NoSuchVolume);
    copier_of(source, ("NEW001", 188, 5), None, Reason::OutsideVolume);
    let all = u32::MAX;
    copier_of(("OLD001", 0, all), ("NEW001", 0, all), None, Reason::OutsideVolume);
    let options = cleared::<tmr_copier_options>();
    let many = tmr_copier_options { threads: 257, ..options };
    copier_of(source, target, Some(many), Reason::BadValue);
    let large = tmr_copier_options { batch_tracks: u32::MAX, ..options };
    copier_of(source, target, Some(large), Reason::BadValue);
    let endless = tmr_copier_options { subscription_count: u32::MAX, ..options };
    copier_of(source, target, Some(endless), Reason::NullPointer);
}

/// A subscription to what is written to OLD001 tells the copier what is to be copied, first and afterwards.
#[test]
fn a_copier_copies_what_a_monitor_marks() {
    let scene = scene();
    let (_, plan) = scene.propose("NEW001", |_| {});
    let mut table = null_mut();
    let (mut area, mut image, mut copier) = (null_mut(), null_mut(), null_mut());
    let mut subscriptions = [null_mut(); 2];
    let mut info = cleared::<tmr_volume_info>();
    let (mut length, name) = (0, c("WRITER"));
    // SAFETY: every pointer is one to what the function wants, and the memory stays to the end.
    unsafe {
        assert_done(0, |error| tmr_table_of_plan(plan.0, 0, &raw mut table, error));
        let table = Tabled(table);
        assert_done(0, |error| tmr_volume_describe(scene.volumes[0], &raw mut info, error));
        assert_done(0, |error| tmr_area_size(info.track_count, &raw mut length, error));
        let mut memory = vec![0_u64; length.div_ceil(8) as usize];
        assert_done(0, |error| {
            let memory = memory.as_mut_ptr().cast();
            tmr_area_in_memory(memory, length, &info, &raw mut area, error)
        });
        assert_done(0, |error| {
            tmr_image_register(area, name.as_ptr(), TMR_IMAGE_BRACKETS, &raw mut image, error)
        });
        for (number, subscription) in subscriptions.iter_mut().enumerate() {
            let id = [1, number as u64];
            assert_done(0, |error| tmr_subscription_open(area, id.as_ptr(), subscription, error));
        }

        let mut options = cleared::<tmr_copier_options>();
        options.subscriptions = subscriptions.as_ptr().cast();
        let mut copier_of = |count, error| {
            options.subscription_count = count;
            tmr_copier_new(table.0, scene.host, &options, &raw mut copier, error)
        };
        assert_refused(Reason::NotFilled, |error| copier_of(1, error));
        let runs: Vec<tmr_extent> = (0..3)
            .map(|entry| {
                let mut run = tmr_extent::default();
                assert_done(0, |error| tmr_table_entry(table.0, entry, &raw mut run, error));
                run
            })
            .collect();
        assert_done(0, |error| tmr_subscription_fill(subscriptions[0], runs.as_ptr(), 3, error));
        assert_refused(Reason::BadValue, |error| copier_of(2, error));
        assert_done(0, |error| copier_of(1, error));
        let copier = Copying(copier);
        let mut progress = cleared::<tmr_progress>();
        let mut step = |expected| {
            assert_done(TMR_DONE, |error| tmr_copier_step(copier.0, 100, &raw mut progress, error));
            assert_eq!((progress.copied, progress.left), (expected, 0));
        };
        step(12);
        step(0);
        let mut write = tmr_write { range: 0, place: 0 };
        assert_done(0, |error| tmr_image_begin(image, 41, 2, &raw mut write, error));
        assert_done(0, |error| tmr_image_end(image, &raw mut write, error));
        step(2);
        drop(copier);
        subscriptions.iter_mut().for_each(|one| assert_eq!(tmr_subscription_close(one), 0));
        assert_eq!((tmr_image_close(&raw mut image), tmr_area_close(&raw mut area)), (0, 0));
    }
}

#[test]
fn one_call_at_a_time_has_a_host_or_a_copier() {
    let scene = scene();
    let (_, plan) = scene.propose("NEW001", |_| {});
    let (mut table, mut copier) = (null_mut(), null_mut());
    // SAFETY: every pointer is one to what the function wants.
    unsafe {
        assert_done(0, |error| tmr_table_of_plan(plan.0, 1, &raw mut table, error));
        let table = Tabled(table);
        assert_done(0, |error| tmr_copier_new(table.0, scene.host, null(), &raw mut copier, error));
        let mut copier = Copying(copier);
        let held = alone(copier.0.cast_const()).unwrap();
        let mut progress = cleared::<tmr_progress>();
        assert_refused(Reason::HandleInUse, |error| {
            tmr_copier_step(copier.0, 1, &raw mut progress, error)
        });
        assert_eq!(tmr_copier_close(&raw mut copier.0), TMR_REFUSED);
        drop(held);
        assert_done(TMR_DONE, |error| tmr_copier_step(copier.0, 100, &raw mut progress, error));
    }
}

/// Everything zero: NULL for every handle, structure and text.
#[test]
fn null_is_refused_everywhere_and_closed_without_complaint() {
    let mut called = 0;
    for function in FUNCTIONS.iter().filter(|function| (60..120).contains(&function.number)) {
        let zero = 0_u64;
        let addresses: Vec<*const c_void> =
            function.parameters.iter().map(|_| (&raw const zero).cast()).collect();
        // SAFETY: there is an address for each parameter, of as many bytes as the largest one has.
        let code = unsafe { tmr_call(function.number, addresses.as_ptr()) };
        let expected = if function.name.ends_with("_close") { TMR_DONE } else { TMR_REFUSED };
        assert_eq!(code, expected, "{}", function.name);
        called += 1;
    }
    assert_eq!(called, 44);
}
