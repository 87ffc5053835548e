//! Proof files: text that holds a proof of `evlog_verify::proof` and states what it proves. `docs/proofs.md` specifies every
//! byte.
//!
//! Does: read and write the file, and check it against signed checkpoints. Does not: make proofs, or check that a frame of the
//! log begins at the position. A proof only shows that these bytes are there.
//!
//! Invariant: each line that the file states is checked against the checkpoint or against the proven bytes. So a file that was
//! changed in any bit is refused.

use crate::checkpoint::{Checkpoint, number, parse_log_id};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::ops::Range;
use evlog_format::commit::Commit;
use evlog_format::frame::Decoded;
use evlog_format::{Corruption, FORMAT_VERSION, FRAME_HEADER_LEN, FrameCodec, LogId, Position, Seq};
use evlog_verify::proof::{ProofError, check_consistency, check_slice};

const HEAD: &str = "evlog-proof/v1 ";
const INCLUSION: &str = "inclusion";
const CONSISTENCY: &str = "consistency";
/// The longest proof file that is read, in bytes: enough for the longest frame in base64, and for the values on the way to the
/// root.
pub const FILE_LEN_MAX: usize = 24 * 1024 * 1024;

/// A proof, and what it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofFile {
    /// A proof that a commit's frame is in the log.
    Inclusion {
        /// The log.
        log_id: LogId,
        /// Size of the log that the proof leads to.
        size: u64,
        /// The frame's position and end.
        frame: Range<u64>,
        /// Seq of its first event.
        first_seq: Seq,
        /// The number of events that it holds.
        events: u64,
        /// The slice.
        slice: Vec<u8>,
    },
    /// A proof that an older log is the beginning of a newer one.
    Consistency {
        /// The log.
        log_id: LogId,
        /// Size of the older log.
        old: u64,
        /// Size of the newer log.
        new: u64,
        /// The values of the nodes beside the way to the root.
        proof: Vec<u8>,
    },
}

/// The reason why a file is not a proof, or proves nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileError {
    /// A line does not have the required content, so the file is not a proof.
    Line {
        /// Its number, from 1.
        number: usize,
        /// The required content.
        expected: &'static str,
        /// What is there, or its beginning.
        found: String,
    },
    /// The file is longer than [`FILE_LEN_MAX`].
    Length {
        /// The length that was found.
        found: usize,
    },
    /// The proof is of the other kind.
    Kind {
        /// The kind that was asked for.
        expected: &'static str,
        /// The kind of the file.
        found: &'static str,
    },
    /// The proof belongs to another log than the checkpoint.
    Log {
        /// The checkpoint's log.
        expected: LogId,
        /// The proof's log.
        found: LogId,
    },
    /// The proof leads to a log of another size than the checkpoint's.
    Size {
        /// The checkpoint's size.
        expected: u64,
        /// The proof's size.
        found: u64,
    },
    /// The proof does not lead to the root.
    Proof(ProofError),
    /// The proven bytes are not the commit that the file describes.
    Commit {
        /// What the file states.
        expected: String,
        /// What the bytes are.
        found: String,
    },
}

impl FileError {
    /// Whether the file is not a proof at all, rather than a proof that fails.
    pub fn is_malformed(&self) -> bool {
        matches!(self, FileError::Line { .. } | FileError::Length { .. } | FileError::Kind { .. })
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Line { number, expected, found } => {
                write!(f, "line {number} of the proof: expected {expected}, found {found:?}")
            }
            FileError::Length { found } => {
                write!(f, "expected a proof of at most {FILE_LEN_MAX} bytes, found {found}")
            }
            FileError::Kind { expected, found } => write!(f, "expected a proof of {expected}, found one of {found}"),
            FileError::Log { expected, found } => {
                write!(
                    f,
                    "the proof is of another log: expected log id {expected}, as the checkpoint says, found {found}"
                )
            }
            FileError::Size { expected, found } => write!(
                f,
                "the proof is for another checkpoint: expected one for {expected} bytes, found one for {found}"
            ),
            FileError::Proof(error) => error.fmt(f),
            FileError::Commit { expected, found } => {
                write!(f, "the proven bytes are not the commit: expected {expected}, found {found}")
            }
        }
    }
}

impl core::error::Error for FileError {}

impl From<ProofError> for FileError {
    fn from(error: ProofError) -> FileError {
        FileError::Proof(error)
    }
}

/// A commit that a proof showed to be in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenCommit {
    position: u64,
    frame: Vec<u8>,
}

impl ProvenCommit {
    /// Position of its frame.
    pub fn position(&self) -> Position {
        Position(self.position)
    }

    /// The frame's bytes.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// The commit.
    pub fn commit(&self) -> Result<Commit<'_>, Corruption> {
        let body = self.frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
        Commit::decode(body, self.position + FRAME_HEADER_LEN as u64)
    }
}

impl ProofFile {
    /// The kind in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            ProofFile::Inclusion { .. } => INCLUSION,
            ProofFile::Consistency { .. } => CONSISTENCY,
        }
    }

    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<ProofFile, FileError> {
        if bytes.len() > FILE_LEN_MAX {
            return Err(FileError::Length { found: bytes.len() });
        }
        let mut lines = Lines { bytes, number: 0 };
        let head = lines.next("`evlog-proof/v1` and `inclusion` or `consistency`", |line| {
            line.strip_prefix(HEAD).filter(|kind| [INCLUSION, CONSISTENCY].contains(kind))
        })?;
        let log_id =
            lines.next("`log` and the log's id in hexadecimal", |line| parse_log_id(line.strip_prefix("log ")?))?;
        if head == CONSISTENCY {
            let old = lines.number("`old` and a size in bytes", "old ")?;
            let new = lines.number("`new` and a size in bytes", "new ")?;
            return Ok(ProofFile::Consistency { log_id, old, new, proof: lines.rest()? });
        }
        let size = lines.number("`size` and a size in bytes", "size ")?;
        let position = lines.number("`position` and a number", "position ")?;
        let length = lines.number("`length` and a number of bytes", "length ")?;
        let first_seq = Seq(lines.number("`first-seq` and a number", "first-seq ")?);
        let events = lines.number("`events` and a number", "events ")?;
        let frame = position..position.saturating_add(length);
        Ok(ProofFile::Inclusion { log_id, size, frame, first_seq, events, slice: lines.rest()? })
    }

    /// Checks that the commit is in the log of the checkpoint, and returns the commit.
    pub fn check_inclusion(&self, checkpoint: &Checkpoint) -> Result<ProvenCommit, FileError> {
        let ProofFile::Inclusion { log_id, size, frame, first_seq, events, slice } = self else {
            return Err(FileError::Kind { expected: INCLUSION, found: self.kind() });
        };
        same_log(*log_id, checkpoint)?;
        same_size(*size, checkpoint)?;
        let bytes = check_slice(slice, *size, &checkpoint.root, frame)?;
        let proven = ProvenCommit { position: frame.start, frame: bytes };
        let expected = || format!("{events} events from seq {first_seq} in a frame of {} bytes", proven.frame.len());
        let found = match found(*log_id, &proven) {
            Ok(found) if found == (*first_seq, *events) => {
                return within(checkpoint, *first_seq, *events).map(|()| proven);
            }
            Ok((first_seq, events)) => format!("{events} events from seq {first_seq}"),
            Err(found) => found,
        };
        Err(FileError::Commit { expected: expected(), found })
    }

    /// Checks that the log of the older checkpoint is the beginning of the log of the newer one.
    pub fn check_consistency(&self, older: &Checkpoint, newer: &Checkpoint) -> Result<(), FileError> {
        let ProofFile::Consistency { log_id, old, new, proof } = self else {
            return Err(FileError::Kind { expected: CONSISTENCY, found: self.kind() });
        };
        same_log(*log_id, older)?;
        same_log(*log_id, newer)?;
        same_size(*old, older)?;
        same_size(*new, newer)?;
        Ok(check_consistency(proof, (*old, &older.root), (*new, &newer.root))?)
    }
}

/// Checks that the checkpoint's other statements agree with what is proven.
fn within(checkpoint: &Checkpoint, first_seq: Seq, events: u64) -> Result<(), FileError> {
    let after = first_seq.0.saturating_add(events);
    let (version, next) = (checkpoint.format_version, checkpoint.next_seq.0);
    if version == FORMAT_VERSION && after <= next {
        return Ok(());
    }
    let expected =
        format!("a log of format version {version} whose events have seqs below {next}, as the checkpoint states");
    let found =
        format!("a commit of format version {FORMAT_VERSION}, and events up to seq {}", after.saturating_sub(1));
    Err(FileError::Commit { expected, found })
}

fn same_log(found: LogId, checkpoint: &Checkpoint) -> Result<(), FileError> {
    let expected = checkpoint.log_id;
    if found == expected { Ok(()) } else { Err(FileError::Log { expected, found }) }
}

fn same_size(found: u64, checkpoint: &Checkpoint) -> Result<(), FileError> {
    let expected = checkpoint.size.0;
    if found == expected { Ok(()) } else { Err(FileError::Size { expected, found }) }
}

/// First seq and number of events of the frame in the proven bytes.
fn found(log_id: LogId, proven: &ProvenCommit) -> Result<(Seq, u64), String> {
    match FrameCodec::new(log_id).decode(proven.position, &proven.frame) {
        Decoded::Frame(frame) if frame.len() == proven.frame.len() => {
            let commit = proven.commit().map_err(|corruption| format!("{corruption}"))?;
            Ok((commit.head.first_seq, commit.events.len() as u64))
        }
        Decoded::Frame(frame) => Err(format!("a frame of {} bytes", frame.len())),
        Decoded::Corrupt(corruption) => Err(format!("{corruption}")),
        Decoded::Empty | Decoded::Incomplete { .. } => Err("no frame".into()),
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}{}", self.kind())?;
        let proof = match self {
            ProofFile::Inclusion { log_id, size, frame, first_seq, events, slice } => {
                let length = frame.end - frame.start;
                writeln!(f, "log {log_id}\nsize {size}\nposition {}\nlength {length}", frame.start)?;
                writeln!(f, "first-seq {first_seq}\nevents {events}")?;
                slice
            }
            ProofFile::Consistency { log_id, old, new, proof } => {
                writeln!(f, "log {log_id}\nold {old}\nnew {new}")?;
                proof
            }
        };
        write!(f, "\n{}\n", STANDARD.encode(proof))
    }
}

/// The lines of a file, in their order.
struct Lines<'b> {
    bytes: &'b [u8],
    number: usize,
}

impl<'b> Lines<'b> {
    /// How much of a wrong line is shown, in bytes.
    const SHOWN: usize = 60;

    fn line(&mut self) -> Option<&'b [u8]> {
        self.number += 1;
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let line = &self.bytes[..end];
        self.bytes = &self.bytes[end + 1..];
        Some(line)
    }

    fn next<T>(&mut self, expected: &'static str, read: impl FnOnce(&'b str) -> Option<T>) -> Result<T, FileError> {
        let rest = self.bytes;
        let line = self.line();
        let text = line.and_then(|line| core::str::from_utf8(line).ok());
        text.and_then(read).ok_or_else(|| self.wrong(expected, line.unwrap_or(rest)))
    }

    fn number(&mut self, expected: &'static str, name: &str) -> Result<u64, FileError> {
        self.next(expected, |line| number(line.strip_prefix(name)?))
    }

    /// Reads the blank line, and the proof in the last line.
    fn rest(mut self) -> Result<Vec<u8>, FileError> {
        self.next("a blank line", |line| line.is_empty().then_some(()))?;
        let proof = self.next("the proof in base64, in one line", |line| STANDARD.decode(line).ok())?;
        if self.bytes.is_empty() {
            return Ok(proof);
        }
        self.number += 1;
        Err(self.wrong("the end of the file", self.bytes))
    }

    fn wrong(&self, expected: &'static str, found: &[u8]) -> FileError {
        let shown = &found[..found.len().min(Self::SHOWN)];
        FileError::Line { number: self.number, expected, found: String::from_utf8_lossy(shown).into_owned() }
    }
}
