//! What happens, told while it happens: to the terminal, and to the log in the state folder.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;
use trackmirror::clock::Day;
use trackmirror::event::{Event, EventSink, Progress};

/// Tells the terminal and the log.
pub struct Teller {
    log: Mutex<File>,
    state: Mutex<State>,
    is_terminal: bool,
}

#[derive(Default)]
struct State {
    /// When copying began.
    begun: Option<Duration>,
    /// Whether the last line on the terminal is one of progress, to be written over.
    in_progress: bool,
}

impl Teller {
    /// Tells the standard error, and this log.
    pub fn new(log: File) -> Teller {
        let is_terminal = std::io::stderr().is_terminal();
        Teller { log: Mutex::new(log), state: Mutex::default(), is_terminal }
    }

    fn tell_terminal(&self, time: Duration, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut error = std::io::stderr();
        // A terminal that is gone stops nothing.
        let _ = match event {
            Event::CopyBegun { .. } => {
                state.begun = Some(time);
                Ok(())
            }
            Event::Moved { .. } | Event::Assessed { .. } | Event::Refused { .. } => Ok(()),
            Event::Copied(progress) if self.is_terminal => {
                state.in_progress = true;
                let taken = time.saturating_sub(state.begun.unwrap_or(time));
                write!(error, "\r\x1b[K{}", line(progress, taken)).and_then(|()| error.flush())
            }
            Event::Copied(_) => Ok(()),
            other => {
                let before = if std::mem::take(&mut state.in_progress) { "\n" } else { "" };
                writeln!(error, "{before}{other}")
            }
        };
    }
}

impl Drop for Teller {
    /// Whatever is told next does not go on in a line of progress.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        if state.in_progress {
            let _ = writeln!(std::io::stderr());
        }
    }
}

impl EventSink for Teller {
    fn event(&self, time: Duration, event: &Event) {
        self.tell_terminal(time, event);
        let mut log = self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Err(error) = writeln!(log, "{} {event}", timestamp(time)) {
            log::warn!("the log of events cannot be written: {error}");
        }
    }
}

/// A time in UTC, as the VTOC has days: `2026.324 10:45:12.123`.
fn timestamp(time: Duration) -> String {
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

    #[test]
    fn progress_tells_rate_and_time_left() {
        let progress = Progress {
            copied_tracks: 100,
            left_tracks: 300,
            total_tracks: 400,
            byte_count: 50_000_000,
        };
        let text = line(&progress, Duration::from_secs(10));
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
}
