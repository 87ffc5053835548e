//! What must be true of every decoder for any bytes: functions that panic if it is not.
//!
//! Two harnesses call them: `tests/it/decoders.rs` in every test run, over the corpus and changed copies of it, and cargo-fuzz
//! in `tests/fuzz`, as long as you like. Both read the corpus in `tests/fuzz/corpus`, whose seeds are made here from the
//! golden logs.
//!
//! Invariant: a target reads nothing but its input and the golden logs, so that an input gives the same result
//! everywhere.

mod bytes;
mod log;
pub mod seeds;

use evlog_format::{Decoded, FrameCodec, LogId};
use std::path::{Path, PathBuf};

/// The log that the golden frames are of.
const LOG: LogId = LogId(*b"evlog-golden-log");

/// A decoder, and the check that must pass for any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its directory in the corpus.
    pub name: &'static str,
    /// Panics if the decoder does something wrong with the input.
    pub check: fn(&[u8]),
    /// The most bytes that it may have allocated at once for an input of this length.
    pub memory: fn(usize) -> usize,
    /// How many changed inputs an ordinary test run tries.
    pub cases: u64,
}

/// A constant factor of the input, for decoders that hold it once or twice.
fn near(len: usize) -> usize {
    64 * 1024 + 32 * len
}

/// What a small log takes, with the buffers that files are read through.
fn of_a_log(len: usize) -> usize {
    16 * 1024 * 1024 + 32 * len
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    Target { name: "segment_header", check: bytes::segment_header, memory: near, cases: 20_000 },
    Target { name: "frame", check: bytes::frame, memory: near, cases: 20_000 },
    Target { name: "commit", check: bytes::commit, memory: near, cases: 20_000 },
    Target { name: "payload", check: bytes::payload, memory: of_payload, cases: 10_000 },
    Target { name: "head", check: evlog_store::fuzz::head, memory: near, cases: 20_000 },
    Target { name: "tree", check: bytes::tree, memory: near, cases: 5_000 },
    Target { name: "end", check: evlog_store::fuzz::closed_end, memory: near, cases: 5_000 },
    Target { name: "index", check: evlog_store::fuzz::index, memory: near, cases: 10_000 },
    Target { name: "log", check: log::log, memory: of_a_log, cases: 1_000 },
];

/// Before its first element is read, a list of a payload takes 1 MiB at most, whatever length it claims, and a list in a
/// list as much. Contracts turn a payload into values, JSON and files.
fn of_payload(len: usize) -> usize {
    4 * 1024 * 1024 + 256 * len
}

/// The target of this name.
///
/// # Panics
///
/// When there is none.
pub fn target(name: &str) -> Target {
    match TARGETS.into_iter().find(|target| target.name == name) {
        Some(target) => target,
        None => panic!("no target is named `{name}`"),
    }
}

/// Checks that a decoder's answer about the bytes at a position is allowed.
pub fn check_decoded(position: u64, bytes: &[u8], decoded: Decoded<'_>) {
    bytes::check_decoded(&FrameCodec::new(LOG), position, bytes, decoded);
}

/// The place where the inputs of a target lie.
pub fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}
