//! Runs staged pipelines: processes, staging, publish gate, promotion, outcomes.
//!
//! Does:
//! - read a plan ([`Plan`]);
//! - run its stages one after the other as processes;
//! - compare what each stage leaves with what the plan promises, and move it into the run's bundle;
//! - report every step to the contract `pipeline` in the log.
//!
//! Does not: decide what a run's outcomes mean (the contract does), print, or parse arguments.
//!
//! Invariants:
//! - The log is the truth. What the bundle shows of a run is a projection of committed events. It is replaced only by renames.
//! - Nothing that a stage made reaches the bundle unless the publish gate has passed everything that the stage made.
//! - When a stage has ended, none of its processes is left, in any process group or session.
//! - A run that was interrupted at any step can be resumed. It then ends as it could have ended without the interruption.
#![forbid(unsafe_code)]

mod artifact;
pub mod bundles;
mod capture;
mod copy;
mod custody;
mod descriptors;
mod error;
mod file_error;
mod files;
mod gate;
pub mod glob;
mod inputs;
mod interrupt;
mod limits;
mod lock;
mod meter;
mod names;
mod orphans;
mod outcomes;
mod output;
mod paths;
pub mod plan;
mod process;
#[cfg(target_os = "linux")]
mod processes;
pub mod progress;
pub mod run;
mod schema;
mod secrets;
pub mod step;
pub mod supervisor;
mod terminal;
mod tree;
mod walk;
mod yaml;

pub use descriptors::{FewDescriptors, check as check_descriptors};
pub use error::RunError;
pub use file_error::{FileError, in_words};
pub use files::{measure_file, write_atomically};
pub use interrupt::Interrupts;
pub use limits::memory_of_json;
pub use lock::{Claim, LockState, lock_state, noted_plan};
pub use names::time_in;
pub use paths::captured as captured_path;
pub use plan::{Plan, PlanError};
pub use progress::Progress;
pub use run::{Options, Retry, RunReport, Session, is_in_progress, may_retry, resume, run, stale_locks};
pub use schema::{Loaded, Schema, check_schema};
pub use secrets::{Secrets, SecretsError};
pub use step::{Step, Steps};
pub use tree::open_regular;
pub use walk::{Entry, walk};
