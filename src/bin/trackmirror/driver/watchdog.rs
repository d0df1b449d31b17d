//! A line now and then, also while something is waited for that cannot be interrupted, such as an operator's command.

use crate::progress::Teller;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// Knows what is waited for, and says it when nothing else was said for long.
pub struct Watchdog {
    what: Arc<Mutex<String>>,
    /// Its end ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn text(what: &Mutex<String>) -> MutexGuard<'_, String> {
    what.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Watchdog {
    /// Watches that it is never silent for so long.
    pub fn new(teller: &Arc<Teller>, silence_max: Duration) -> Watchdog {
        let (end, ended) = channel();
        let what = Arc::<Mutex<String>>::default();
        let (teller, shared) = (teller.clone(), what.clone());
        let thread = std::thread::spawn(move || {
            let look = (silence_max / 20).min(Duration::from_secs(1));
            while ended.recv_timeout(look) == Err(RecvTimeoutError::Timeout) {
                if teller.silence() >= silence_max {
                    teller.tell(&format!("it still waits for {}", *text(&shared)));
                }
            }
        });
        Watchdog { what, end: Some(end), thread: Some(thread) }
    }

    /// From now on this is waited for.
    pub fn set(&self, what: impl Into<String>) {
        *text(&self.what) = what.into();
    }

    /// What is waited for.
    pub fn what(&self) -> String {
        text(&self.what).clone()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It only tells; if it panicked, nothing is lost.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Style;
    use std::time::Instant;

    #[test]
    fn silence_is_broken_and_the_thread_ends() {
        let folder = tempfile::tempdir().unwrap();
        let teller = Teller::new(folder.path(), Style { live: true, json: false }).unwrap();
        let watchdog = Watchdog::new(&teller, Duration::from_millis(200));
        watchdog.set("a test");
        assert_eq!(watchdog.what(), "a test");
        // It counts from the last line on.
        let begun = Instant::now();
        while teller.silence() >= begun.elapsed() {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing is said");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(watchdog);
        assert_eq!(Arc::strong_count(&teller), 1);
    }
}
