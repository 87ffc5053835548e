//! The end-to-end works by which the store is measured. Each is compared with the same work on the bare file system.
//!
//! Does: make events, let contenders run the same workload in turns, time them, describe the machine and its disk. Does not:
//! print, judge a figure, know other stores (`benches/compare` brings its own contenders).
//!
//! Invariants:
//! - All contenders of a work get the same events, in the same process, one after the other, each in an empty directory.
//! - The files that a work made are removed when it ends, even if it ends early.
//! - A work that could not be completed is an error, never a figure.
//!
//! Read [`contender`], then [`works`].
#![forbid(unsafe_code)]

pub mod busy;
pub mod contender;
pub mod events;
pub mod floor;
pub mod machine;
pub mod ours;
pub mod programs;
pub mod series;
pub mod watch;
pub mod works;

/// The result of a measurement, or why it could not be taken.
pub type Done<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Adds what could not be done before the cause.
pub(crate) fn during(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> std::io::Error {
    move |error| std::io::Error::new(error.kind(), format!("could not {what}: {error}"))
}
