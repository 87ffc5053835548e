//! Checks bundles of pipeline runs, whichever program made them: the numbered conformance checks of `docs/conform.md`.
//!
//! Does:
//! - read a bundle's files ([`Bundle`]);
//! - compare them with a pipeline ([`Yardstick`]) and, if the run's plan is given, with the plan;
//! - return for each check its findings, or why it could not be run ([`Conformance`]).
//!
//! Does not: know a log, write anything, run anything, or print.
//!
//! Invariants:
//! - A bundle is not trusted. No link is followed. A path that a document names is opened only if the walk has seen a regular
//!   file there. Every length is compared with its limit first.
//! - The checks are functions of the files: the same files give the same findings, in the same order.
//! - A finding of one check does not suppress another check. A check that cannot be run is reported as such, and does not pass.
#![forbid(unsafe_code)]

mod bundle;
mod check;
mod yardstick;

pub use bundle::{Bundle, NamedPipeline};
pub use check::{CHECKS, Check, Checked, Conformance, FINDINGS_MAX, Finding, Needs, NotRun};
pub use yardstick::{Yardstick, YardstickError};

use evlog_pipeline::{FileError, Plan};

/// What the caller knows about a run in addition to its bundle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The plan that it followed: enabled stages, configured fail modes, outputs.
    pub plan: Option<&'a Plan>,
    /// The captured exit code of the program that ran it.
    pub exit_code: Option<u8>,
    /// The bundle of another execution of the same plan.
    pub against: Option<&'a Bundle>,
}

/// Runs every check. An error means that an existing file cannot be read.
pub fn conform(bundle: &Bundle, yardstick: &Yardstick, known: &Known<'_>) -> Result<Conformance, FileError> {
    check::ask_all(bundle, yardstick, known)
}
