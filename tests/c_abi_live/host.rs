//! The host as the library sees it, put together and used by C functions alone.

use super::desk::{Desk, size_of_it, text_of};
use super::journal::Changes;
use super::program::{Done, Failure, Job, Manner, call};
use super::{catalog, ports, space, volumes};
use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use trackmirror::ffi::*;

/// A host with its volumes and tables.
pub struct Host<'a> {
    job: &'a Job,
    manner: Manner,
    desk: &'a Desk,
    host: *mut tmr_host,
    /// What the function of the host was told.
    heard: ports::Heard,
}

// SAFETY: what other threads call is what the manual allows there.
unsafe impl Sync for Host<'_> {}

/// A migration that is open.
pub struct Life {
    pub migration: *mut tmr_migration,
}

// SAFETY: as above.
unsafe impl Sync for Life {}

/// So many events are kept for those who ask.
const EVENTS_KEPT: u32 = 1_000_000;

fn text(text: &str) -> CString {
    CString::new(text).expect("no zero")
}

fn own<T>(done: trackmirror::Result<T>) -> Done<T> {
    done.map_err(|error| Failure::own(&error))
}

impl<'a> Host<'a> {
    /// Puts everything together.
    pub fn open(job: &'a Job, manner: Manner, desk: &'a Desk) -> Done<Host<'a>> {
        let mut handle = null_mut();
        // SAFETY: the place is ours.
        call(|error| unsafe { tmr_host_new(&raw mut handle, error) })?;
        let mut host = Host { job, manner, desk, host: handle, heard: Arc::default() };
        match host.fill() {
            Ok(()) => Ok(host),
            Err(failure) => {
                host.close();
                Err(failure)
            }
        }
    }

    fn fill(&mut self) -> Done<()> {
        let (job, desk, host) = (self.job, self.desk, self.host);
        std::fs::create_dir_all(job.state()).expect("a folder can be made");
        let files = job.sources.iter().chain(&job.targets).chain([&job.system]);
        for path in files {
            let volume = own(volumes::open(path))?;
            let journal = job.folder.join(format!("changes-{}", volume.volser()));
            let changes = Arc::new(own(Changes::open(&journal, volume.clone()))?);
            let (info, functions) = own(volumes::table(desk, path, &volume, job.lie))?;
            self.add_volume(&info, &functions, job.sources.contains(path))?;
            let functions = space::table(desk, &changes, self.manner.reads_vtocs, job.lie);
            let volser = text(&volume.volser().to_string());
            // SAFETY: the host is open, and the table is one.
            let taken = call(|error| unsafe {
                tmr_host_set_space_manager(host, volser.as_ptr(), &raw const functions, error)
            });
            desk.hand_over(functions.user, taken)?;
            if *path == job.system {
                let functions = own(catalog::table(desk, &changes, job.lie))?;
                // SAFETY: as above.
                let taken = call(|error| unsafe {
                    tmr_host_add_catalog(host, &raw const functions, error)
                });
                desk.hand_over(functions.user, taken)?;
            }
        }
        let functions = own(ports::court(desk, &job.state().to_string_lossy(), job.lie))?;
        // SAFETY: as above.
        let taken =
            call(|error| unsafe { tmr_host_add_enqueue(host, &raw const functions, error) });
        desk.hand_over(functions.user, taken)?;
        let functions = ports::clock(desk, self.manner.has_monotonic);
        // SAFETY: as above.
        let taken = call(|error| unsafe { tmr_host_set_clock(host, &raw const functions, error) });
        desk.hand_over(functions.user, taken)?;
        let (functions, heard) = own(ports::log(desk, &job.state()))?;
        self.heard = heard;
        // SAFETY: as above.
        let taken = call(|error| unsafe { tmr_host_set_events(host, &raw const functions, error) });
        desk.hand_over(functions.user, taken)?;
        // SAFETY: as above.
        call(|error| unsafe { tmr_host_keep_events(host, EVENTS_KEPT, error) })?;
        Ok(())
    }

    /// Adds a volume, and, if it is a source, its area and who can write to it.
    fn add_volume(
        &self,
        info: &tmr_volume_info,
        functions: &tmr_volume_functions,
        is_source: bool,
    ) -> Done<()> {
        let host = self.host;
        let mut volume = null_mut();
        // SAFETY: the structures are ours, and so is the place.
        let taken =
            call(|error| unsafe { tmr_volume_of_host(info, functions, &raw mut volume, error) });
        self.desk.hand_over(functions.user, taken)?;
        let mut area = null_mut();
        let mut add = || -> Done<()> {
            // SAFETY: both are open.
            call(|error| unsafe { tmr_host_add_volume(host, volume, error) })?;
            if !is_source {
                return Ok(());
            }
            // SAFETY: the volume is open, and the place is ours.
            call(|error| unsafe { tmr_area_open(null(), volume, &raw mut area, error) })?;
            // SAFETY: both are open.
            call(|error| unsafe { tmr_host_add_area(host, area, error) })?;
            for image in &self.job.images {
                let image = text(image);
                // SAFETY: the host is open, and the texts are texts.
                call(|error| unsafe {
                    tmr_host_add_image(host, info.volser.as_ptr(), image.as_ptr(), error)
                })?;
            }
            Ok(())
        };
        let added = add();
        // The host keeps what it needs.
        // SAFETY: they were given to us, or are NULL.
        unsafe {
            assert_eq!(tmr_area_close(&raw mut area), TMR_DONE);
            assert_eq!(tmr_volume_close(&raw mut volume), TMR_DONE);
        }
        added
    }

    /// Plans, and makes a migration of the plan.
    pub fn begin(&self, options: &tmr_migration_options) -> Done<Life> {
        let serials = |kind: &str, count: usize| {
            let all: Vec<String> = (1..=count).map(|number| format!("{kind}00{number}")).collect();
            text(&all.join(" "))
        };
        let (masks, sources) = (text("LIVE.**"), serials("OLD", self.job.sources.len()));
        let targets = serials("NEW", self.job.targets.len());
        let is_best_fit = self.job.options.iter().any(|option| option == "best-fit");
        let selection = tmr_selection {
            size: size_of_it::<tmr_selection>(),
            mode: if is_best_fit { TMR_MODE_BEST_FIT } else { 0 },
            options: 0,
            slack: 0,
            masks: masks.as_ptr(),
            sources: sources.as_ptr(),
            targets: targets.as_ptr(),
        };
        let mut plan = null_mut();
        // SAFETY: the host is open, the rest is ours.
        let code = call(|error| unsafe {
            tmr_plan_propose(self.host, &raw const selection, &raw mut plan, error)
        })?;
        let begun = match code {
            TMR_DONE => self.make(plan, options),
            _ => Err(self.refusal(plan)),
        };
        // SAFETY: it was given to us.
        unsafe { assert_eq!(tmr_plan_close(&raw mut plan), TMR_DONE) };
        begun
    }

    fn make(&self, plan: *const tmr_plan, options: &tmr_migration_options) -> Done<Life> {
        let store = self.store()?;
        let mut migration = null_mut();
        // SAFETY: host and plan are open, the rest is ours.
        let taken = call(|error| unsafe {
            tmr_migration_new(self.host, plan, options, &raw const store, &raw mut migration, error)
        });
        self.desk.hand_over(store.user, taken)?;
        Ok(Life { migration })
    }

    fn store(&self) -> Done<tmr_checkpoint_functions> {
        own(ports::state(self.desk, &self.job.state(), self.manner.replaces_heads, self.job.lie))
    }

    /// Why the first data set cannot be moved.
    fn refusal(&self, plan: *const tmr_plan) -> Failure {
        let mut why = super::desk::empty_block();
        // SAFETY: the plan is open, and the block is ours.
        match call(|error| unsafe { tmr_plan_refusal(plan, 0, 0, &raw mut why, error) }) {
            Ok(_) => Failure {
                code: TMR_REFUSED,
                reason: why.reason,
                state: 0,
                sentence: text_of(&why.sentence),
            },
            Err(failure) => failure,
        }
    }

    /// Goes on with the migration whose state there is.
    pub fn resume(&self, options: &tmr_migration_options) -> Done<Life> {
        let store = self.store()?;
        let mut migration = null_mut();
        // SAFETY: the host is open, the rest is ours.
        let taken = call(|error| unsafe {
            tmr_migration_resume(self.host, options, &raw const store, &raw mut migration, error)
        });
        self.desk.hand_over(store.user, taken)?;
        Ok(Life { migration })
    }

    /// Asks for events, status and estimate, as long as it lives, beside the calls that change it; in the end it was told of
    /// everything of which the function was told.
    pub fn poll(&self, life: &Life, is_over: &AtomicBool) {
        let mut polled = Vec::new();
        loop {
            let is_last = is_over.load(Ordering::SeqCst);
            while let Some(event) = self.next_event() {
                polled.push(event);
            }
            life.status().expect("it tells how far it is");
            life.estimate().expect("it tells how it goes");
            if is_last {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let heard = self.heard.lock().unwrap();
        assert_eq!(polled.len(), heard.len());
        // Several threads may tell at a time, and the times are told once each.
        let sorted = |all: &[(u32, u64)]| {
            let mut all = all.to_vec();
            all.sort_unstable();
            all
        };
        assert_eq!(sorted(&polled), sorted(&heard));
    }

    fn next_event(&self) -> Option<(u32, u64)> {
        // SAFETY: it is a structure of C, of which zeros are a value.
        let mut event: tmr_event = unsafe { std::mem::zeroed() };
        event.size = size_of_it::<tmr_event>();
        // SAFETY: the host is open, and the event is ours.
        let code = call(|error| unsafe { tmr_host_next_event(self.host, &raw mut event, error) });
        match code.expect("events can be asked for") {
            TMR_MORE => {
                assert_eq!(event.lost_count, 0);
                Some((event.kind, event.time_us))
            }
            _ => None,
        }
    }

    /// Ends it: its tables are given back, unless a migration has them.
    pub fn close(mut self) {
        // SAFETY: it is ours.
        unsafe { assert_eq!(tmr_host_close(&raw mut self.host), TMR_DONE) };
        assert!(self.host.is_null());
    }
}

impl Life {
    /// How far it is.
    pub fn status(&self) -> Done<tmr_status> {
        // SAFETY: it is a structure of C, of which zeros are a value.
        let mut status: tmr_status = unsafe { std::mem::zeroed() };
        status.size = size_of_it::<tmr_status>();
        // SAFETY: the migration is open, and the structure is ours.
        call(|error| unsafe { tmr_migration_status(self.migration, &raw mut status, error) })?;
        Ok(status)
    }

    /// How it goes.
    pub fn estimate(&self) -> Done<tmr_estimate> {
        // SAFETY: as above.
        let mut estimate: tmr_estimate = unsafe { std::mem::zeroed() };
        estimate.size = size_of_it::<tmr_estimate>();
        // SAFETY: as above.
        call(|error| unsafe { tmr_migration_estimate(self.migration, &raw mut estimate, error) })?;
        Ok(estimate)
    }

    /// Who has a data set open.
    pub fn opener(&self, index: u32) -> Done<String> {
        // SAFETY: as above.
        let mut opener: tmr_opener = unsafe { std::mem::zeroed() };
        opener.size = size_of_it::<tmr_opener>();
        // SAFETY: as above.
        call(|error| unsafe {
            tmr_migration_opener(self.migration, index, &raw mut opener, error)
        })?;
        Ok(text_of(&opener.image))
    }

    /// Says how it is led.
    pub fn tune(&self, job: &Job) -> Done<()> {
        let pace = if job.pace.is_some() { TMR_TUNE_PACE_TRACKS } else { 0 };
        let tuning = tmr_tuning {
            size: size_of_it::<tmr_tuning>(),
            set: TMR_TUNE_GOAL_TRACKS | TMR_TUNE_LIMITS | TMR_TUNE_ATTEMPTS | pace,
            goal_tracks: job.goal_tracks,
            goal_ms: 0,
            wait_ms: 50_000,
            window_ms: 5_000,
            pace_tracks: job.pace.unwrap_or(0),
            pace_bytes: 0,
            attempts: 3,
            reserved: 0,
        };
        // SAFETY: the migration is open, and the structure is ours.
        call(|error| unsafe { tmr_migration_tune(self.migration, &raw const tuning, error) })?;
        Ok(())
    }

    /// Ends the use of it.
    pub fn close(mut self) {
        // SAFETY: it is ours.
        unsafe { assert_eq!(tmr_migration_close(&raw mut self.migration), TMR_DONE) };
    }
}
