//! Decides what a witness may cosign, given the last checkpoint that it saw of a log, the new checkpoint, and a proof between
//! them.
//!
//! Does: decide. Does not: keep what was seen, read the clock, sign. `docs/checkpoint.md` has the rules (C-31 to C-33).

use crate::checkpoint::Checkpoint;
use crate::file::{FileError, ProofFile};
use alloc::boxed::Box;
use core::fmt;
use evlog_format::{LogId, Position, Root};

/// The last checkpoint of a log that a witness saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// When it cosigned it, in seconds since 1970.
    pub time: u64,
}

/// The reason why a checkpoint is not cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WitnessRefusal {
    /// The name is the same, but the log is another one.
    OtherLog {
        /// The log's id in the checkpoint that was seen.
        expected: LogId,
        /// The id in the new checkpoint.
        found: LogId,
    },
    /// The log has lost bytes that it had signed.
    Shorter {
        /// Its size in the checkpoint that was seen.
        expected: Position,
        /// The size in the new checkpoint.
        found: Position,
    },
    /// The log has signed two different texts over the same bytes.
    Fork {
        /// The size of both.
        size: Position,
        /// The root in the checkpoint that was seen.
        expected: Root,
        /// The root in the new checkpoint.
        found: Root,
    },
    /// The proof does not show that the old log is the beginning of the new one.
    Unproven(Box<FileError>),
    /// A proof is needed, and there is none, or the proof is for other checkpoints.
    ProofNeeded {
        /// Size that the proof must start from.
        old: Position,
        /// Size that the proof must lead to.
        new: Position,
        /// The reason why the proof that was given cannot be used.
        given: Option<Box<FileError>>,
    },
    /// The clock is before the last cosignature.
    Clock {
        /// Time of the last cosignature, in seconds since 1970.
        last: u64,
        /// The time by the clock.
        now: u64,
    },
}

impl WitnessRefusal {
    /// Whether the refusal shows that the log's key signed something that contradicts an earlier checkpoint. Otherwise only
    /// something is missing here.
    pub fn is_alarm(&self) -> bool {
        !matches!(self, WitnessRefusal::ProofNeeded { .. } | WitnessRefusal::Clock { .. })
    }
}

impl fmt::Display for WitnessRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WitnessRefusal::OtherLog { expected, found } => {
                write!(f, "another log signs under the same name: expected log id {expected}, found {found}")
            }
            WitnessRefusal::Shorter { expected, found } => {
                write!(f, "the log is shorter than it was: expected at least {expected} bytes, found {found}")
            }
            WitnessRefusal::Fork { size, expected, found } => write!(
                f,
                "the log forked: of its first {size} bytes it signed one root before and another one now: expected \
                 {expected}, found {found}"
            ),
            WitnessRefusal::Unproven(error) => {
                write!(f, "the log that was seen before is not shown to be the beginning of this one: {error}")
            }
            WitnessRefusal::ProofNeeded { old, new, given } => {
                write!(f, "expected a proof that the first {old} bytes are the beginning of {new}, found ")?;
                match given {
                    Some(error) => write!(f, "another: {error}"),
                    None => write!(f, "none"),
                }
            }
            WitnessRefusal::Clock { last, now } => write!(
                f,
                "expected a time after the last cosignature, {last} seconds since 1970, found that the clock says {now}"
            ),
        }
    }
}

impl core::error::Error for WitnessRefusal {}

/// Decides whether the new checkpoint may be cosigned at this time, in seconds since 1970. Both checkpoints have the
/// signature of the log's key, and the same origin.
pub fn judge(seen: Option<&Seen>, new: &Checkpoint, proof: Option<&ProofFile>, now: u64) -> Result<(), WitnessRefusal> {
    let Some(Seen { checkpoint: old, time }) = seen else { return Ok(()) };
    if old.log_id != new.log_id {
        return Err(WitnessRefusal::OtherLog { expected: old.log_id, found: new.log_id });
    }
    if new.size < old.size {
        return Err(WitnessRefusal::Shorter { expected: old.size, found: new.size });
    }
    if new.size == old.size && new != old {
        return Err(WitnessRefusal::Fork { size: old.size, expected: old.root, found: new.root });
    }
    if now < *time {
        return Err(WitnessRefusal::Clock { last: *time, now });
    }
    if new.size == old.size {
        return Ok(());
    }
    let needed = |given| WitnessRefusal::ProofNeeded { old: old.size, new: new.size, given };
    let proof = proof.ok_or_else(|| needed(None))?;
    proof.check_consistency(old, new).map_err(|error| match error {
        FileError::Proof(_) => WitnessRefusal::Unproven(Box::new(error)),
        other => needed(Some(Box::new(other))),
    })
}
