//! A channel whose input and output is done by a thread: whoever uses it is never kept waiting.
//!
//! What is to be sent waits in a queue. When the channel fails, the queue is thrown away: what was asked a while ago must not
//! arrive after what was asked since, and whatever matters is sent again. What has come waits until it is fetched; no more
//! is received before, so that neither queue grows.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use trackmirror::remote::Channel;
use trackmirror::{Error, Reason, Result};

/// How many messages may wait; the oldest gives way.
const QUEUE_MAX: usize = 256;
/// How often it is looked whether something has come, while something is going on.
const QUICK: Duration = Duration::from_millis(2);
/// So long after the last message something is going on.
const BUSY: Duration = Duration::from_millis(300);
/// How often it is looked otherwise.
const SLOW: Duration = Duration::from_millis(20);

/// A channel, and the thread that serves it as long as this lives.
#[derive(Debug)]
pub struct Background {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    to_send: VecDeque<Vec<u8>>,
    received: Vec<Vec<u8>>,
    /// Why sending fails, and why receiving does.
    failures: [Option<Error>; 2],
    is_ending: bool,
}

impl State {
    fn failure(&self) -> Option<&Error> {
        self.failures.iter().flatten().next()
    }
}

impl Background {
    /// Serves this channel.
    pub fn begin(channel: impl Channel + 'static) -> Result<Background> {
        let desk = Arc::new(Desk::default());
        let served = desk.clone();
        let thread = std::thread::Builder::new()
            .name("channel".into())
            .spawn(move || served.serve(&channel))
            .map_err(|error| Error::io("a thread cannot be started", &error))?;
        Ok(Background { desk, thread: Some(thread) })
    }
}

impl Channel for Background {
    fn send(&self, message: &[u8]) -> Result<()> {
        let mut state = self.desk.state.lock();
        if state.to_send.len() >= QUEUE_MAX {
            state.to_send.pop_front();
        }
        state.to_send.push_back(message.to_vec());
        self.desk.wake.notify_one();
        state.failure().map_or(Ok(()), |error| Err(error.clone()))
    }

    fn receive(&self) -> Result<Vec<Vec<u8>>> {
        let mut state = self.desk.state.lock();
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let why = "the thread that serves the channel has ended; start the command again";
            return Err(Error::new(Reason::Broken, why));
        }
        let messages = std::mem::take(&mut state.received);
        // That sending fails is told to him who sends: if he waited here for its end, he would never try again.
        match &state.failures[1] {
            Some(error) if messages.is_empty() => Err(error.clone()),
            _ => Ok(messages),
        }
    }
}

impl Drop for Background {
    /// What waits is sent, if that is possible; then the channel ends.
    fn drop(&mut self) {
        self.desk.state.lock().is_ending = true;
        self.desk.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // One that panicked has told so.
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn serve(&self, channel: &dyn Channel) {
        let mut busy_until = Instant::now();
        let mut state = self.state.lock();
        loop {
            let is_ending = state.is_ending;
            let is_sending = !state.to_send.is_empty();
            self.send_all(&mut state, channel);
            if is_ending {
                return;
            }
            let has_come = self.receive_more(&mut state, channel);
            if is_sending || has_come {
                busy_until = Instant::now() + BUSY;
            }
            if state.to_send.is_empty() && !state.is_ending {
                let is_quick = Instant::now() < busy_until && state.failure().is_none();
                self.wake.wait_for(&mut state, if is_quick { QUICK } else { SLOW });
            }
        }
    }

    fn send_all(&self, state: &mut MutexGuard<'_, State>, channel: &dyn Channel) {
        while let Some(message) = state.to_send.pop_front() {
            let sent = MutexGuard::unlocked(state, || channel.send(&message));
            if sent.is_err() {
                state.to_send.clear();
            }
            state.failures[0] = sent.err();
        }
    }

    /// Whether something has come.
    fn receive_more(&self, state: &mut MutexGuard<'_, State>, channel: &dyn Channel) -> bool {
        if !state.received.is_empty() {
            return false;
        }
        match MutexGuard::unlocked(state, || channel.receive()) {
            Ok(messages) => {
                state.failures[1] = None;
                state.received = messages;
                !state.received.is_empty()
            }
            Err(error) => {
                state.failures[1] = Some(error);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel that can be stopped, and gives back what is sent.
    #[derive(Clone, Debug, Default)]
    struct Echo(Arc<Mutex<Inner>>);

    #[derive(Debug, Default)]
    struct Inner {
        messages: Vec<Vec<u8>>,
        is_stopped: bool,
        slow: Duration,
    }

    impl Echo {
        fn check(&self) -> Result<MutexGuard<'_, Inner>> {
            let slow = self.0.lock().slow;
            std::thread::sleep(slow);
            let inner = self.0.lock();
            match inner.is_stopped {
                true => Err(Error::new(Reason::ChannelFailed, "stopped")),
                false => Ok(inner),
            }
        }
    }

    impl Channel for Echo {
        fn send(&self, message: &[u8]) -> Result<()> {
            self.check()?.messages.push(message.to_vec());
            Ok(())
        }
        fn receive(&self) -> Result<Vec<Vec<u8>>> {
            Ok(std::mem::take(&mut self.check()?.messages))
        }
    }

    fn wait_for(what: impl Fn() -> bool) {
        let from = Instant::now();
        while !what() {
            assert!(from.elapsed() < Duration::from_secs(20), "it does not come");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn fetch(channel: &Background, count: usize) -> Vec<Vec<u8>> {
        let all = std::cell::RefCell::new(Vec::new());
        wait_for(|| {
            all.borrow_mut().extend(channel.receive().unwrap());
            all.borrow().len() >= count
        });
        all.into_inner()
    }

    #[test]
    fn messages_pass_in_their_order() {
        let channel = Background::begin(Echo::default()).unwrap();
        let sent: Vec<Vec<u8>> = (0..100).map(|number| vec![number]).collect();
        sent.iter().for_each(|message| channel.send(message).unwrap());
        assert_eq!(fetch(&channel, 100), sent);
    }

    #[test]
    fn nobody_waits_for_a_slow_channel() {
        let echo = Echo::default();
        echo.0.lock().slow = Duration::from_millis(500);
        let channel = Background::begin(echo).unwrap();
        let from = Instant::now();
        (0..20).for_each(|_| channel.send(b"x").unwrap());
        (0..20).for_each(|_| drop(channel.receive().unwrap()));
        assert!(from.elapsed() < Duration::from_millis(300), "{:?}", from.elapsed());
        channel.desk.state.lock().to_send.clear();
    }

    #[test]
    fn a_failure_is_told_forgets_what_waits_and_passes() {
        let echo = Echo::default();
        echo.0.lock().is_stopped = true;
        let channel = Background::begin(echo.clone()).unwrap();
        wait_for(|| channel.receive().is_err());
        assert!(channel.send(b"old").unwrap_err().sentence().contains("stopped"));
        wait_for(|| channel.desk.state.lock().to_send.is_empty());
        wait_for(|| channel.desk.state.lock().failures[0].is_some());
        echo.0.lock().is_stopped = false;
        wait_for(|| channel.desk.state.lock().failures[1].is_none());
        // Sending has failed last, so that is still said; it is tried all the same.
        channel.send(b"new").unwrap_err();
        wait_for(|| channel.desk.state.lock().failure().is_none());
        assert_eq!(fetch(&channel, 1), [b"new"]);
        assert!(channel.receive().unwrap().is_empty());
    }

    #[test]
    fn a_queue_that_is_full_forgets_the_oldest() {
        let echo = Echo::default();
        echo.0.lock().slow = Duration::from_millis(300);
        let channel = Background::begin(echo).unwrap();
        for number in 0..QUEUE_MAX + 10 {
            channel.send(&[number as u8]).unwrap();
        }
        let mut state = channel.desk.state.lock();
        assert!(state.to_send.len() <= QUEUE_MAX);
        assert_eq!(state.to_send.back(), Some(&vec![(QUEUE_MAX + 9) as u8]));
        state.to_send.clear();
    }

    #[test]
    fn what_waits_at_the_end_is_sent() {
        #[derive(Clone, Debug, Default)]
        struct Sink(Arc<Mutex<Vec<Vec<u8>>>>);
        impl Channel for Sink {
            fn send(&self, message: &[u8]) -> Result<()> {
                self.0.lock().push(message.to_vec());
                Ok(())
            }
            fn receive(&self) -> Result<Vec<Vec<u8>>> {
                Ok(Vec::new())
            }
        }
        let sink = Sink::default();
        let channel = Background::begin(sink.clone()).unwrap();
        channel.send(b"last").unwrap();
        drop(channel);
        assert_eq!(*sink.0.lock(), [b"last"]);
    }
}
