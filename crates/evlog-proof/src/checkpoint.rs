//! Checkpoints: a signed note whose text states origin, size and root. evlog adds format version, log id and next seq.
//! `docs/checkpoint.md` specifies every byte.
//!
//! Does not: decide whether a log may sign a checkpoint, because that needs the log.

use crate::key::{Algorithm, KeyError, SignerKey, VerifierKey, check_name};
use crate::note::{NUMBER_END, Note, NoteError, SignatureError};
use alloc::format;
use alloc::string::{String, ToString};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use evlog_format::{LogId, Position, Root, Seq};

const FORMAT: &str = "evlog-format";
const LOG_ID: &str = "log-id";
const NEXT_SEQ: &str = "next-seq";

/// What a checkpoint states about a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, which is the name of the key that signs.
    pub origin: String,
    /// The number of bytes that it covers.
    pub size: Position,
    /// Root of these bytes.
    pub root: Root,
    /// Format version of the log.
    pub format_version: u32,
    /// The log's identity.
    pub log_id: LogId,
    /// Seq that follows the last event in these bytes.
    pub next_seq: Seq,
}

/// The reason why a note is not a checkpoint of a known log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is not a signed note.
    Note(NoteError),
    /// The key has not signed it.
    Signature(SignatureError),
    /// The key is a witness's. Its signature does not show that the log's owner signed the checkpoint.
    WitnessKey {
        /// The key's name.
        name: String,
    },
    /// A line of the text does not have the required content.
    Line {
        /// Its number, from 1.
        number: usize,
        /// The required content.
        expected: &'static str,
        /// The found value.
        found: String,
    },
    /// The key signs for another log.
    Origin {
        /// The key's name.
        expected: String,
        /// The origin in the text.
        found: String,
    },
    /// The origin cannot name a log.
    Name(KeyError),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointError::Note(error) => error.fmt(f),
            CheckpointError::Signature(error) => error.fmt(f),
            CheckpointError::WitnessKey { name } => {
                write!(f, "expected the key of a log, found that of the witness {name}")
            }
            CheckpointError::Line { number, expected, found } => {
                write!(f, "line {number} of the checkpoint: expected {expected}, found {found:?}")
            }
            CheckpointError::Origin { expected, found } => {
                write!(f, "expected a checkpoint of {expected}, as the key says, found one of {found}")
            }
            CheckpointError::Name(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CheckpointError {}

impl Checkpoint {
    /// The text that is signed.
    pub fn to_text(&self) -> String {
        let Checkpoint { origin, size, root, format_version, log_id, next_seq } = self;
        let root = STANDARD.encode(root.0);
        format!("{origin}\n{size}\n{root}\n{FORMAT} {format_version}\n{LOG_ID} {log_id}\n{NEXT_SEQ} {next_seq}\n")
    }

    /// Reads the text. Further lines are for later versions; the signature covers them too.
    pub fn parse(text: &str) -> Result<Checkpoint, CheckpointError> {
        let mut lines = (1..).zip(text.lines());
        let mut line = |expected: &'static str| {
            let (number, found) = lines.next().unwrap_or((0, ""));
            let wrong = move || CheckpointError::Line { number, expected, found: found.into() };
            (found, wrong)
        };
        let (origin, _) = line("the origin");
        check_name(origin).map_err(CheckpointError::Name)?;
        // A checkpoint over nothing would hold for every log, and would count as compared.
        let (found, wrong) = line("the size in bytes, more than 0");
        let size = number(found).filter(|size| *size > 0).ok_or_else(wrong)?;
        let (found, wrong) = line("the root, 32 bytes in base64");
        let root = STANDARD.decode(found).ok().and_then(|root| root.try_into().ok()).ok_or_else(wrong)?;
        let (found, wrong) = line("`evlog-format` and the format version");
        let format_version =
            value(found, FORMAT).and_then(number).and_then(|number| number.try_into().ok()).ok_or_else(wrong)?;
        let (found, wrong) = line("`log-id` and the log's id in hexadecimal");
        let log_id = value(found, LOG_ID).and_then(parse_log_id).ok_or_else(wrong)?;
        let (found, wrong) = line("`next-seq` and a number");
        let next_seq = value(found, NEXT_SEQ).and_then(number).ok_or_else(wrong)?;
        let (size, root, next_seq) = (Position(size), Root(root), Seq(next_seq));
        Ok(Checkpoint { origin: origin.to_string(), size, root, format_version, log_id, next_seq })
    }

    /// Signs it. The key's name becomes the origin.
    pub fn sign(mut self, key: &SignerKey) -> Signed {
        self.origin = key.verifier().name().to_string();
        let mut note = Note::new(self.to_text());
        note.sign(key);
        Signed { checkpoint: self, note }
    }
}

fn value<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    line.strip_prefix(name)?.strip_prefix(' ')
}

/// A decimal number in its only spelling.
pub(crate) fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number < NUMBER_END && number.to_string() == text).then_some(number)
}

/// A log id in lowercase hexadecimal.
pub(crate) fn parse_log_id(text: &str) -> Option<LogId> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let parsed = u128::from_str_radix(text, 16).ok().filter(|_| digits && text.len() == 32)?;
    let mut id = [0; 16];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = (parsed >> (120 - 8 * at) & 0xff).to_le_bytes()[0];
    }
    Some(LogId(id))
}

/// A checkpoint with its note, which has a valid signature by the log's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    checkpoint: Checkpoint,
    note: Note,
}

impl Signed {
    /// Reads a note that must be a checkpoint of the log that the key signs for.
    pub fn open(bytes: &[u8], key: &VerifierKey) -> Result<Signed, CheckpointError> {
        let note = Note::parse(bytes).map_err(CheckpointError::Note)?;
        if key.algorithm() != Algorithm::Note {
            return Err(CheckpointError::WitnessKey { name: key.name().into() });
        }
        note.verify(key).map_err(CheckpointError::Signature)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != key.name() {
            let (expected, found) = (key.name().into(), checkpoint.origin);
            return Err(CheckpointError::Origin { expected, found });
        }
        Ok(Signed { checkpoint, note })
    }

    /// The checkpoint in the note.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Adds a witness's cosignature, as of a time in seconds since 1970.
    pub fn cosign(&mut self, key: &SignerKey, time: u64) {
        self.note.cosign(key, time);
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}
