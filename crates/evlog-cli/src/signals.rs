//! Requests to stop, caught while a run works: Ctrl-C, and the end of the session or the machine.
//!
//! Does not: end anything itself. It raises the request, and the run ends in its own order.
//!
//! Invariants:
//! - Signals that were ignored when this process started stay ignored: `nohup` ignores HUP, and a shell QUIT of what it runs
//!   in the background.
//! - Signals that were blocked when this process started are taken all the same, for a blocked signal is no wish: it is what
//!   some parents forget. They stay unblocked.
//! - Once a run has its end, a signal ends the process with the exit code of the run: only the reader of what is left to say
//!   is waited for, and the parent learns the same as from a reader who reads. Where the run has none, signals end the
//!   process as they usually do.

use crate::error::Verdict;
use crate::ui;
use evlog_pipeline::Interrupts;
use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::flag::{register_conditional_default, register_conditional_shutdown};
use signal_hook::iterator::{Handle, Signals};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

/// Catches signals until it is dropped.
pub(crate) struct Caught {
    signals: Vec<i32>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl Caught {
    /// Raises `interrupts` for each signal that asks to stop.
    pub(crate) fn raising(interrupts: Arc<Interrupts>) -> io::Result<Caught> {
        let ignored = ignored();
        let stays = |signal: &&i32| matches!(**signal, SIGHUP | SIGQUIT) && ignored & (1 << (**signal - 1)) != 0;
        let caught: Vec<i32> =
            [SIGHUP, SIGINT, SIGQUIT, SIGTERM].iter().filter(|signal| !stays(signal)).copied().collect();
        let is_over = Arc::new(AtomicBool::new(false));
        for signal in &caught {
            // A handler is never taken back; from its end on it does what happens without one.
            register_conditional_default(*signal, Arc::clone(&is_over))?;
        }
        let mut signals = Signals::new(&caught)?;
        unblock(&caught)?;
        let handle = signals.handle();
        let thread = Builder::new().name("signals".to_owned()).spawn(move || {
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
        })?;
        Ok(Caught { signals: caught, handle, thread: Some(thread), is_over })
    }

    /// Nothing is left to do but to say how it went: from now on a signal ends the process, with this exit code.
    pub(crate) fn end_with(mut self, code: u8) {
        if end_with(&self.signals, code) {
            // What happens without a handler happens no more.
            self.is_over = Arc::default();
        }
    }
}

/// Lets these signals end the process with this exit code from now on. False where that cannot be had: then a signal ends it
/// as it usually does.
pub(crate) fn end_with(signals: &[i32], code: u8) -> bool {
    let is_said = Arc::new(AtomicBool::new(false));
    let end = |signal: &i32| register_conditional_shutdown(*signal, code.into(), Arc::clone(&is_said)).is_ok();
    let is_had = signals.iter().all(end);
    is_said.store(is_had, Ordering::SeqCst);
    is_had
}

impl Drop for Caught {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It panics at nothing; were it to, the run is over all the same.
            let _ended = thread.join();
        }
    }
}

/// Makes a file that reaches the limit of this process for a file's size an error of the write, which says so. Without this the
/// system ends the process. What it starts has the system's way again.
pub(crate) fn outlive_size_limit() -> io::Result<()> {
    if ignored() & (1 << (SIGXFSZ - 1)) == 0 {
        signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Makes the end of memory an end with exit code 2, as that of everything else that could not be had. The library that
/// finds no memory says so on standard error, in one line, and raises this signal; without this a signal ends the process.
/// What it starts has the system's way again.
pub(crate) fn end_where_memory_ends() -> io::Result<()> {
    let code = Verdict::CouldNot.code();
    register_conditional_shutdown(SIGABRT, code.into(), Arc::new(AtomicBool::new(true)))?;
    Ok(())
}

/// Lets this thread take signals that the process it was started by has blocked, and that would else never arrive; what
/// is started from it can take them too.
fn unblock(signals: &[i32]) -> io::Result<()> {
    let mut set = SigSet::empty();
    for signal in signals {
        set.add(Signal::try_from(*signal)?);
    }
    Ok(set.thread_unblock()?)
}

/// The signals that this process ignores, a bit each; none where the system does not say.
pub(crate) fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}
