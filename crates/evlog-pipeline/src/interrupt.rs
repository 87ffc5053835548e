//! Requests from outside to stop a run: a person's Ctrl-C, a machine that shuts down.
//!
//! Does not: handle signals. The code that catches them calls [`Interrupts::raise`].

use std::sync::atomic::{AtomicU8, Ordering};

/// How urgently a run was asked to stop. Shared between the run and the code that catches signals.
#[derive(Debug, Default)]
pub struct Interrupts(AtomicU8);

impl Interrupts {
    /// Adds a request, and returns how many there are now. After one, the running stage goes on to its own end, and no stage
    /// begins after it. After two, the running stage's process group is ended.
    pub fn raise(&self) -> u8 {
        let before = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| Some(count.saturating_add(1)));
        before.unwrap_or_default().saturating_add(1)
    }

    /// Whether no further stage should begin.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// Whether the running stage should be ended.
    pub(crate) fn is_urgent(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }
}
