//! What happens, told while it happens: to the terminal, and to the logs in the state folder.
//!
//! A migration that mirrors for days tells of every step. The logs keep all else, and of the steps and passes one in ten
//! seconds, and always the last before something else happens, so that every figure at a turn is on record. Where nobody
//! looks at a terminal, a pass is a line on the standard error as rarely.

use crate::event_json;
use crate::state_folder::{EVENTS, open_log};
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use trackmirror::Result;
use trackmirror::clock::Day;
use trackmirror::event::{Event, EventSink, Progress};

/// How often steps and passes are logged.
const LOGGED: Duration = Duration::from_secs(10);

/// How events are told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Others write meanwhile: it may take long, and every turn is worth a line.
    pub live: bool,
    /// JSON lines on the standard error, instead of text.
    pub json: bool,
}

/// Tells the terminal and the logs.
pub struct Teller {
    style: Style,
    is_terminal: bool,
    state: Mutex<State>,
}

struct State {
    text_log: File,
    json_log: File,
    /// When copying began.
    begun: Option<Duration>,
    /// Whether the last line on the terminal is one of progress, to be written over.
    in_progress: bool,
    /// When a pass was told on the standard error.
    pass_told: Option<Duration>,
    /// When something was told there.
    told_at: Instant,
    /// Steps and passes, each with what was logged last and what was not logged yet.
    steps: Thinned,
    passes: Thinned,
    facts: Facts,
}

#[derive(Default)]
struct Thinned {
    logged_at: Option<Duration>,
    pending: Option<(Duration, Event)>,
}

/// What the events told so far, for who leads the migration.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Tracks were copied, or could have been.
    pub has_begun: bool,
    /// Data sets that were left where they are, and why.
    pub left_out: Vec<(String, String)>,
}

impl Thinned {
    /// Takes an event; gives back what is to be logged now.
    fn take(&mut self, time: Duration, event: &Event) -> Option<(Duration, Event)> {
        let is_due = self.logged_at.is_none_or(|at| time.saturating_sub(at) >= LOGGED);
        self.pending = Some((time, event.clone()));
        if is_due { self.flush() } else { None }
    }

    fn flush(&mut self) -> Option<(Duration, Event)> {
        let pending = self.pending.take()?;
        self.logged_at = Some(pending.0);
        Some(pending)
    }
}

impl Teller {
    /// Tells the standard error, and the logs in this folder.
    pub fn new(folder: &Path, style: Style) -> Result<Arc<Teller>> {
        let [text_log, json_log] = EVENTS.map(|name| open_log(folder, name));
        let state = State {
            text_log: text_log?,
            json_log: json_log?,
            begun: None,
            in_progress: false,
            pass_told: None,
            told_at: Instant::now(),
            steps: Thinned::default(),
            passes: Thinned::default(),
            facts: Facts::default(),
        };
        let is_terminal = std::io::stderr().is_terminal() && !style.json;
        Ok(Arc::new(Teller { style, is_terminal, state: Mutex::new(state) }))
    }

    /// Who is told by the library.
    pub fn sink(self: &Arc<Teller>) -> impl EventSink + 'static {
        let teller = self.clone();
        move |time: Duration, event: &Event| teller.event(time, event)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What is known from the events.
    pub fn facts(&self) -> Facts {
        self.state().facts.clone()
    }

    /// How long nothing was told on the standard error.
    pub fn silence(&self) -> Duration {
        self.state().told_at.elapsed()
    }

    /// Tells a line of the command's own, which is no event.
    pub fn tell(&self, text: &str) {
        if !self.style.json {
            self.state().put(text);
        }
    }

    fn event(&self, time: Duration, event: &Event) {
        let mut state = self.state();
        match event {
            Event::CopyBegun { .. } => {
                (state.begun, state.facts.has_begun) = (Some(time), true);
            }
            Event::TakenOut { data_set, sentence } => {
                state.facts.left_out.push((data_set.to_string(), sentence.clone()));
            }
            _ => {}
        }
        self.tell_terminal(&mut state, time, event);
        let due = match event {
            Event::Copied(_) => state.steps.take(time, event),
            Event::Passed { .. } => state.passes.take(time, event),
            other => {
                self.log_pending(&mut state);
                Some((time, other.clone()))
            }
        };
        if let Some((time, event)) = due {
            self.log(&mut state, time, &event);
        }
    }

    /// Logs what was held back.
    fn log_pending(&self, state: &mut State) {
        let mut pending: Vec<_> =
            [state.steps.flush(), state.passes.flush()].into_iter().flatten().collect();
        pending.sort_by_key(|(time, _)| *time);
        pending.iter().for_each(|(time, event)| self.log(state, *time, event));
    }

    fn log(&self, state: &mut State, time: Duration, event: &Event) {
        let line = event_json::line(time, event);
        let logged = writeln!(state.text_log, "{} {event}", timestamp(time))
            .and_then(|()| state.json_log.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = logged {
            log::warn!("the logs of events cannot be written: {error}");
        }
        if self.style.json {
            state.put(&line);
        }
    }

    fn tell_terminal(&self, state: &mut State, time: Duration, event: &Event) {
        if self.style.json {
            return;
        }
        match event {
            Event::CopyBegun { .. } if !self.style.live => {}
            Event::Assessed { .. } | Event::Refused { .. } => {}
            Event::Moved { .. } if !self.style.live => {}
            Event::Copied(progress) if self.is_terminal => {
                let taken = time.saturating_sub(state.begun.unwrap_or(time));
                let text = if self.style.live { event.to_string() } else { line(progress, taken) };
                state.in_progress = true;
                state.told_at = Instant::now();
                let mut error = std::io::stderr();
                // A terminal that is gone stops nothing.
                let _ = write!(error, "\r\x1b[K{text}").and_then(|()| error.flush());
            }
            Event::Copied(_) => {}
            Event::Passed { .. } => {
                let is_due = |at| time.saturating_sub(at) >= LOGGED;
                if !self.is_terminal && state.pass_told.is_none_or(is_due) {
                    state.pass_told = Some(time);
                    state.put(&event.to_string());
                }
            }
            other => state.put(&other.to_string()),
        }
    }
}

impl State {
    /// A line on the standard error.
    fn put(&mut self, text: &str) {
        let before = if std::mem::take(&mut self.in_progress) { "\n" } else { "" };
        // Where it is gone, nothing stops.
        let _ = std::io::stderr().write_all(format!("{before}{text}\n").as_bytes());
        self.told_at = Instant::now();
    }
}

impl Drop for Teller {
    /// What was held back is logged, and whatever is told next does not go on in a line of progress.
    fn drop(&mut self) {
        self.log_pending(&mut self.state());
        let mut state = self.state();
        if std::mem::take(&mut state.in_progress) {
            let _ = writeln!(std::io::stderr());
        }
    }
}

/// A time in UTC, as the VTOC has days: `2026.324 10:45:12.123`.
pub fn timestamp(time: Duration) -> String {
    let seconds = time.as_secs() % 86_400;
    format!(
        "{} {:02}:{:02}:{:02}.{:03}",
        Day::at(time),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        time.subsec_millis()
    )
}

/// Megabytes in a second.
pub fn rate(byte_count: u64, taken: Duration) -> f64 {
    byte_count as f64 / 1e6 / taken.as_secs_f64().max(1e-3)
}

/// `1234 of 5000 tracks, 812 MB/s, 5 s left`.
fn line(progress: &Progress, taken: Duration) -> String {
    let done = progress.total_tracks.saturating_sub(progress.left_tracks);
    let mut line = format!(
        "{done} of {} tracks, {:.0} MB/s",
        progress.total_tracks,
        rate(progress.byte_count, taken)
    );
    if progress.copied_tracks > 0 && progress.left_tracks > 0 {
        let seconds =
            taken.as_secs_f64() * progress.left_tracks as f64 / progress.copied_tracks as f64;
        line += &format!(", {} left", duration(seconds));
    }
    line
}

/// A duration as people say it.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.ceil() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(copied_tracks: u64, left_tracks: u64) -> Progress {
        Progress { copied_tracks, left_tracks, total_tracks: 400, byte_count: 50_000_000 }
    }

    #[test]
    fn progress_tells_rate_and_time_left() {
        let text = line(&progress(100, 300), Duration::from_secs(10));
        assert_eq!(text, "100 of 400 tracks, 5 MB/s, 30 s left");
        assert_eq!(duration(3725.0), "1 h 2 min");
        assert_eq!(duration(61.5), "1 min 2 s");
    }

    #[test]
    fn times_have_the_day_of_the_year() {
        assert_eq!(
            timestamp(Duration::from_millis(951_782_400_000 + 3_723_004)),
            "2000.060 01:02:03.004"
        );
    }

    #[test]
    fn steps_are_logged_rarely_and_always_before_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let teller = Teller::new(folder.path(), Style { live: true, json: false }).unwrap();
        let sink = teller.sink();
        for second in 0..25 {
            sink.event(Duration::from_secs(second), &Event::Copied(progress(second, 400 - second)));
        }
        sink.event(Duration::from_secs(25), &Event::Looked);
        sink.event(Duration::from_secs(26), &Event::Copied(progress(99, 0)));
        drop((sink, teller));
        let log = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let copied: Vec<_> = lines.iter().map(|line| line["copied_tracks"].as_u64()).collect();
        assert_eq!(copied, [Some(0), Some(10), Some(20), Some(24), None, Some(99)]);
        let text = std::fs::read_to_string(folder.path().join("events.log")).unwrap();
        assert_eq!(text.lines().count(), lines.len());
    }
}
