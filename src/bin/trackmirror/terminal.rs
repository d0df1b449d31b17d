//! The person at the terminal: questions, and the signal to stop.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trackmirror::{Error, Reason, Result};

/// Whether somebody is there to be asked.
fn is_attended() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows what will be done and asks whether to do it. Where nobody is at a terminal, or `yes` was said in advance,
/// nobody is asked.
pub fn confirm(what: &str, yes: bool) -> Result<bool> {
    if yes || !is_attended() {
        return Ok(true);
    }
    let io = |error: std::io::Error| Error::io("the terminal", &error);
    let mut terminal = std::io::stderr();
    write!(terminal, "{what}Go on? (yes or no) ").and_then(|()| terminal.flush()).map_err(io)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(io)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Tells something on the standard error. Where that is gone, nothing stops.
pub fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Whether somebody asked to stop.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on the first SIGINT, SIGTERM or SIGHUP asks to stop; a second one ends the process.
    pub fn listen() -> Result<Interrupt> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in
            [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            // The order counts: the second signal finds the flag set by the first one.
            let code = trackmirror::Code::Environment as i32;
            signal_hook::flag::register_conditional_shutdown(signal, code, flag.clone())
                .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
                .map_err(|error| Error::io("listening for signals", &error))?;
        }
        Ok(Interrupt(flag))
    }

    /// An error once somebody asked to stop.
    pub fn check(&self) -> Result<()> {
        if !self.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Error::new(Reason::Interrupted, "stopped on request; what was done is kept"))
    }
}
