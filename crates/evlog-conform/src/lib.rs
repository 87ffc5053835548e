//! Checks bundles of pipeline runs, whoever made them: the numbered conformance checks of `docs/conform.md`.
//!
//! Does: read a bundle's files ([`Bundle`]), hold them against a pipeline ([`Yardstick`]) and, where there is one, the plan
//! that the run followed, and say for each check what it found, or why it could not be asked ([`Conformance`]).
//! Does not: know a log, write anything, run anything, or print.
//!
//! Invariants:
//! - A bundle is hostile until it was read: no link is followed, no path that a document names is opened, and every
//!   length is compared with its limit first.
//! - The checks are functions of what was read: same files, same findings, in the same order.
//! - What one check found does not silence another. A check that cannot be asked says so, and does not pass.
#![forbid(unsafe_code)]

mod bundle;
mod check;
mod yardstick;

pub use bundle::Bundle;
pub use check::{CHECKS, Check, Checked, Conformance, FINDINGS_MAX, Finding, Needs, NotRun};
pub use yardstick::{Yardstick, YardstickError};

use evlog_pipeline::{FileError, Plan};

/// What is known of a run beside its bundle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The plan that it followed: enabled stages, configured fail modes, outputs.
    pub plan: Option<&'a Plan>,
    /// The exit code that was captured of whoever ran it.
    pub exit_code: Option<u8>,
    /// The bundle of another execution of the same.
    pub against: Option<&'a Bundle>,
}

/// Asks every check. An error means that a file is there and cannot be read.
pub fn conform(bundle: &Bundle, yardstick: &Yardstick, known: &Known<'_>) -> Result<Conformance, FileError> {
    check::ask_all(bundle, yardstick, known)
}
