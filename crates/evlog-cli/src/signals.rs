//! Requests to stop, caught while a run works: Ctrl-C, and the end of the session or the machine.
//!
//! Does not: end anything itself. It raises the request, and the run ends in its own order.
//!
//! Invariant: signals are handled as usual again when this is dropped.

use crate::ui;
use evlog_pipeline::Interrupts;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::io;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};

/// Catches signals until it is dropped.
pub(crate) struct Caught {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Caught {
    /// Raises `interrupts` for each signal that asks to stop.
    pub(crate) fn raising(interrupts: Arc<Interrupts>) -> io::Result<Caught> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let thread = spawn(move || {
            for signal in signals.forever() {
                // Ctrl-C is a person, who may ask again; the others will not.
                let first = interrupts.raise();
                let asked = if signal == SIGINT { first } else { interrupts.raise() };
                ui::alert(if asked == 1 {
                    "interrupted: the running stage goes on to its end, none begins after it; once more ends it"
                } else {
                    "interrupted: ending the running stage"
                });
            }
        });
        Ok(Caught { handle, thread: Some(thread) })
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It panics at nothing; were it to, the run is over all the same.
            let _ended = thread.join();
        }
    }
}
