//! Requests to stop, caught while commands are recorded: the end of the machine or of the session, and Ctrl-C. The first one
//! ends the input, so that what is in flight is acknowledged, the last checkpoint signed and the log closed cleanly.
//!
//! Invariants:
//! - A signal that is ignored, as HUP is under `nohup`, stays ignored.
//! - While the session ends after the first one, further signals do nothing: service managers often send two. After
//!   [`PATIENCE`] they end the process as usual; once all is recorded, with the exit code of the session.

use super::input::Input;
use crate::signals::{end_with, ignored};
use crate::ui::LetGo;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::signal_name;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long a session may take to end in order.
const PATIENCE: Duration = Duration::from_secs(10);

/// Catches signals until it is dropped.
pub(super) struct Stop {
    signals: Vec<i32>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
    /// Ends the wait of the thread when it is dropped.
    ended: Option<Sender<()>>,
}

impl Stop {
    /// At the first signal to stop, ends the input and any wait for the reader of the answers.
    pub(super) fn ending(input: SyncSender<Input>, answers: LetGo) -> io::Result<Stop> {
        let (is_over, ignored) = (Arc::new(AtomicBool::new(false)), ignored());
        let mut caught = vec![SIGHUP, SIGINT, SIGTERM];
        caught.retain(|signal| ignored & (1 << (signal - 1)) == 0);
        for signal in &caught {
            // Handlers stay registered. After this is dropped, they do what the default action does.
            register_conditional_default(*signal, Arc::clone(&is_over))?;
        }
        let mut signals = Signals::new(&caught)?;
        let (handle, over) = (signals.handle(), Arc::clone(&is_over));
        let (ended, waits) = channel();
        let thread = Builder::new().name("evlog-signals".into()).spawn(move || {
            if let Some(signal) = signals.forever().next() {
                // This comes first, because no input is read while the answers wait for their reader.
                answers.now();
                // If the input has ended, the session is ending already.
                let _ended = input.send(Input::Stopped(signal_name(signal).unwrap_or("a signal")));
                if waits.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                    over.store(true, Ordering::SeqCst);
                }
            }
        })?;
        Ok(Stop { signals: caught, handle, thread: Some(thread), is_over, ended: Some(ended) })
    }
}

impl Stop {
    /// All is recorded, and the process only waits for the reader of the answers: from now on a signal ends the process
    /// with this exit code.
    pub(super) fn end_with(mut self, code: u8) {
        if end_with(&self.signals, code) {
            // Disables the default action, so that only the exit code below counts.
            self.is_over = Arc::default();
        }
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.ended = None;
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It does not panic. Even if it did, the session has ended.
            let _ended = thread.join();
        }
    }
}
