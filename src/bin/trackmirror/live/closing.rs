//! Whether the data sets are closed: commands that take their time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use trackmirror::enqueue::{Enqueue, Opener};
use trackmirror::{DsName, Result, Volser};

/// What can be done about a program that nobody speaks for.
pub const ADVICE: &str = "give --is-closed or --guest";
/// How long an answer is waited for before copying goes on meanwhile.
const PATIENCE: Duration = Duration::from_millis(200);

/// Somebody whose answer may take long. While he is being asked, copying goes on: whoever he named last counts as an
/// opener, or he himself.
///
/// The rule: an answer counts only if it was asked for after the last request, hold or release. So whoever opened
/// between two closes is not overlooked because of what was said in the first one.
#[derive(Debug)]
pub struct Patient {
    inner: Arc<dyn Enqueue>,
    asked: Arc<(Mutex<Asked>, Condvar)>,
}

#[derive(Debug, Default)]
struct Asked {
    /// How often the question changed.
    round: u64,
    is_running: bool,
    /// The answer, and the round that it is of.
    answer: Option<(u64, Result<Vec<Opener>>)>,
    /// Whom he named last.
    named: Vec<Opener>,
}

impl Patient {
    pub fn new(inner: Arc<dyn Enqueue>) -> Patient {
        Patient { inner, asked: Arc::default() }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn next_round(&self) {
        self.asked().round += 1;
    }

    /// Asks in the background.
    fn begin(&self, round: u64, data_sets: &[DsName], volumes: &[Volser]) {
        let (inner, shared) = (self.inner.clone(), self.asked.clone());
        let (data_sets, volumes) = (data_sets.to_vec(), volumes.to_vec());
        std::thread::spawn(move || {
            let answer = inner.is_closed(&data_sets, &volumes);
            let mut asked = shared.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            asked.is_running = false;
            asked.answer = Some((round, answer));
            shared.1.notify_all();
        });
    }
}

impl Enqueue for Patient {
    fn ask_to_close(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.next_round();
        self.inner.ask_to_close(data_sets, volumes)
    }

    fn is_closed(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<Vec<Opener>> {
        let until = Instant::now() + PATIENCE;
        let mut asked = self.asked();
        loop {
            let round = asked.round;
            if let Some((_, answer)) = asked.answer.take().filter(|(of, _)| *of == round) {
                asked.named = answer.as_ref().cloned().unwrap_or_default();
                return answer;
            }
            if !asked.is_running {
                asked.is_running = true;
                self.begin(round, data_sets, volumes);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(match asked.named.as_slice() {
                    [] => vec![unknown("which the operator's command is still being asked for")],
                    named => named.to_vec(),
                });
            }
            let waited = self.asked.1.wait_timeout(asked, left);
            asked = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    fn hold(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        let held = self.inner.hold(data_sets, volumes);
        self.next_round();
        held
    }

    fn release(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.next_round();
        self.inner.release(data_sets, volumes)
    }

    fn can_confirm(&self) -> bool {
        self.inner.can_confirm()
    }
}

fn unknown(what: &str) -> Opener {
    let program = format!("somebody, {what},");
    Opener { image: "?".into(), program, process: None, data_set: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use trackmirror::enqueue::{Callback, CallbackEnqueue};

    fn nothing() -> Callback<()> {
        Box::new(|_, _| Ok(()))
    }

    /// Somebody who takes so long for his answer, which is nobody from the second time on.
    fn slow(taken: Duration) -> (Patient, Arc<AtomicU32>) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = count.clone();
        let inner = CallbackEnqueue {
            ask_to_close: nothing(),
            is_closed: Box::new(move |_, _| {
                std::thread::sleep(taken);
                let times = counted.fetch_add(1, Ordering::SeqCst);
                Ok(if times == 0 { vec![unknown("first")] } else { Vec::new() })
            }),
            hold: nothing(),
            release: nothing(),
        };
        (Patient::new(Arc::new(inner)), count)
    }

    #[test]
    fn who_answers_at_once_is_heard_at_once() {
        let (patient, _) = slow(Duration::ZERO);
        assert_eq!(patient.is_closed(&[], &[]).unwrap()[0], unknown("first"));
        assert!(patient.is_closed(&[], &[]).unwrap().is_empty());
    }

    #[test]
    fn who_has_not_answered_is_an_opener_and_is_asked_once() {
        let (patient, count) = slow(PATIENCE * 3);
        let mut answers = Vec::new();
        while answers.len() < 20 {
            let openers = patient.is_closed(&[], &[]).unwrap();
            if openers.is_empty() {
                break;
            }
            answers.push(openers[0].program.clone());
        }
        let (before, behind): (Vec<&String>, Vec<&String>) =
            answers.iter().partition(|program| program.contains("still being asked"));
        assert!(answers[0].contains("still being asked"), "{before:?}");
        assert!(!behind.is_empty() && behind.iter().all(|program| program.contains("first")));
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn an_answer_from_before_the_hold_does_not_count() {
        let (patient, count) = slow(PATIENCE * 2);
        assert!(!patient.is_closed(&[], &[]).unwrap().is_empty());
        patient.hold(&[], &[]).unwrap();
        while count.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        // The answer that is there was asked for before: it is asked again.
        while !patient.is_closed(&[], &[]).unwrap().is_empty() {}
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
