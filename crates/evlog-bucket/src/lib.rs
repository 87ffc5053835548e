//! A log in a bucket of an object store, reached as a file system of the store ([`evlog_store::Fs`]).
//!
//! Does:
//! - keep each group of commits as one object that is created if absent ([`group`]): who creates the next number commits;
//! - check each group that is read against all bytes before it;
//! - reach S3, Google Cloud Storage, Azure and a directory through `object_store` ([`open`]).
//!
//! Does not: know what a commit means, decide for a caller what to do after a lost race, delete a group.
//!
//! Invariants:
//! - A group is never created while another create of this process is in flight for the same log.
//! - After an attempt whose outcome is unknown, only the same bytes are offered under the same name.
//! - What a writer was told is committed was created under its try id, or read back with it.
//!
//! `docs/bucket.md` defines the objects. Async stays in the module `cloud`.
#![deny(unsafe_code)]

mod bucket;
mod bucket_fs;
mod cloud;
mod create;
mod files;
pub mod group;
mod journal;
mod memory;
pub mod probe;
pub mod profile;
#[cfg(test)]
pub mod sim;
pub mod store;

pub use bucket_fs::BucketFs;
pub use cloud::{OpenUrlError, open, open_store};
pub use create::Options;
pub use memory::Memory;
pub use store::{Fault, Store};

#[cfg(test)]
mod tests;
