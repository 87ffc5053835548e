//! Verifies a log: the tree over the log's bytes, the audit of everything in it, and the verdict.
//!
//! Does: keep the root of a byte string while it grows, make and check proofs against it, derive again everything that a log
//! states about itself, and report differences. Does not: open files, write, sign, know contracts or payloads, trust a sidecar.
//!
//! Read [`tree`] first, because the other guarantees depend on the root.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod audit;
pub mod covered;
pub mod proof;
pub mod tree;
pub mod verdict;

pub use audit::{Audit, OtherVersion, Report};
pub use covered::Covered;
pub use tree::{Frontier, FrontierError, Tree};
pub use verdict::{Finding, Findings, Verdict};
