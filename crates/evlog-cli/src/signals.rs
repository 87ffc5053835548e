//! Requests to stop, caught while a run works: Ctrl-C, and the end of the session or the machine.
//!
//! Does not: end anything itself. It raises the request, and the run stops in order.
//!
//! Invariants:
//! - Signals that were ignored when this process started stay ignored: `nohup` ignores HUP, and a shell QUIT of what it runs
//!   in the background.
//! - Signals that were blocked when this process started are unblocked: some parents block signals by mistake and
//!   forget to undo it.
//! - After the run has ended, a signal ends the process with the exit code of the run. By then the process only waits
//!   for the reader of its output, and the parent gets the same exit code as with a fast reader. If the run has no end,
//!   signals end the process as usual.

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
            // Handlers stay registered. After this is dropped, they do what the default action does.
            register_conditional_default(*signal, Arc::clone(&is_over))?;
        }
        let mut signals = Signals::new(&caught)?;
        unblock(&caught)?;
        let handle = signals.handle();
        let thread = Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                // Ctrl-C comes from a person, who can press it again; the other signals come once.
                let first = interrupts.raise();
                let asked = if signal == SIGINT { first } else { interrupts.raise() };
                ui::alert(if asked == 1 {
                    "interrupted: the running stage finishes, and no other starts; interrupt again to end it"
                } else {
                    "interrupted: ending the running stage"
                });
            }
        })?;
        Ok(Caught { signals: caught, handle, thread: Some(thread), is_over })
    }

    /// Only output is left: from now on a signal ends the process with this exit code.
    pub(crate) fn end_with(mut self, code: u8) {
        if end_with(&self.signals, code) {
            // Disables the default action, so that only the exit code below counts.
            self.is_over = Arc::default();
        }
    }
}

/// Lets these signals end the process with this exit code from now on. Returns false if that is not possible: then a
/// signal has its default action.
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
            // It does not panic. Even if it did, the run has ended.
            let _ended = thread.join();
        }
    }
}

/// Turns a write beyond the file size limit of this process into an error of that write. Without this, the system ends
/// the process. Child processes get the default action again.
pub(crate) fn outlive_size_limit() -> io::Result<()> {
    if ignored() & (1 << (SIGXFSZ - 1)) == 0 {
        signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Makes the process exit with code 2 when it runs out of memory, as for other missing resources. Rust's library prints
/// one line on standard error and raises this signal; without this handler, the signal ends the process. Child
/// processes get the default action again.
pub(crate) fn end_where_memory_ends() -> io::Result<()> {
    let code = Verdict::CouldNot.code();
    register_conditional_shutdown(SIGABRT, code.into(), Arc::new(AtomicBool::new(true)))?;
    Ok(())
}

/// Unblocks signals that the parent process has blocked, for this thread and everything that it starts. Otherwise they would
/// never arrive.
fn unblock(signals: &[i32]) -> io::Result<()> {
    let mut set = SigSet::empty();
    for signal in signals {
        set.add(Signal::try_from(*signal)?);
    }
    Ok(set.thread_unblock()?)
}

/// The signals that this process ignores, one bit each; `None` if the system does not report them.
pub(crate) fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}
