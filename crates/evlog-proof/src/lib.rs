//! Evidence for others: signed checkpoints, cosignatures, and proofs that can be checked without the log and without
//! trusting us.
//!
//! Does:
//! - keys ([`key`]), and envelopes for statements ([`dsse`]);
//! - signed notes ([`note`]), checkpoints and their cosignatures ([`checkpoint`]);
//! - the decision what a witness may cosign ([`witness`]), and which witnesses are enough ([`policy`]);
//! - proof files ([`file`](mod@file)).
//!
//! If C2SP has a form for something, that form is used, so that other people's tools can read it. `docs/checkpoint.md` and
//! `docs/proofs.md` specify every byte. Does not: open files, read the clock, draw random numbers, read a log. A program that
//! links this crate links no writer.
//!
//! Invariants:
//! - Each text has only one spelling: a text that parses prints as the same bytes.
//! - Nothing in a note is trusted before a signature over it by a known key was verified.
//! - No input makes a parser panic, or allocate more than the length of the input.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod checkpoint;
pub mod dsse;
pub mod file;
pub mod key;
pub mod note;
pub mod policy;
pub mod witness;

pub use checkpoint::{Checkpoint, CheckpointError, Signed};
pub use file::{FileError, ProofFile, ProvenCommit};
pub use key::{Algorithm, KeyError, SignerKey, VerifierKey};
pub use note::{Note, NoteError, SignatureError};
pub use policy::{Policy, PolicyError};
