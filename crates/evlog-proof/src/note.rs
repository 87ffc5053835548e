//! Signed notes, as C2SP specifies them: a text, a blank line, and a line for each signature.
//!
//! Does: read and write notes, sign and cosign, verify a signature of a known key. Does not: read the text.

use crate::key::{Algorithm, SignerKey, VerifierKey};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use evlog_format::ids::hex;

/// The longest note that is read, in bytes: a checkpoint with hundreds of signatures has no more.
pub const NOTE_LEN_MAX: usize = 64 * 1024;
/// Numbers in notes and proofs are smaller than this, because other programs may hold them as doubles, which round
/// larger numbers.
pub(crate) const NUMBER_END: u64 = 1 << 53;
const DASH: &str = "\u{2014} ";
const ID_LEN: usize = 4;
const TIME_LEN: usize = 8;
/// An Ed25519 signature, in bytes.
const SIGNATURE_LEN: usize = 64;

/// A signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: [u8; ID_LEN],
    bytes: Vec<u8>,
}

impl Signature {
    /// The name of the key that it claims.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time that a cosignature states, in Unix seconds; none for a signature of another kind. It is not verified.
    pub fn stated_time(&self) -> Option<u64> {
        let (time, signature) = self.bytes.split_first_chunk::<TIME_LEN>()?;
        Some(time_of(*time)).filter(|time| signature.len() == SIGNATURE_LEN && *time < NUMBER_END)
    }

    /// The key that the signature names, by name and id.
    fn key(&self) -> String {
        shown(&self.name, self.id)
    }

    fn is_by(&self, key: &VerifierKey) -> bool {
        self.name == key.name() && self.id == key.id_bytes()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{DASH}{} {}", self.name, STANDARD.encode([&self.id[..], &self.bytes].concat()))
    }
}

/// A text and the signatures under it. None of them is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// The reason why bytes are not a signed note.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than [`NOTE_LEN_MAX`].
    Length {
        /// The length that was found.
        found: usize,
    },
    /// Not UTF-8, or with a control character other than the line feed.
    Text,
    /// No blank line with signatures after it.
    Unsigned,
    /// A line after the text is not a signature.
    Line {
        /// The line.
        found: String,
    },
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoteError::Length { found } => write!(f, "expected a note of at most {NOTE_LEN_MAX} bytes, found {found}"),
            NoteError::Text => write!(f, "expected lines of text, found other bytes"),
            NoteError::Unsigned => write!(f, "expected a signed checkpoint, found a text without signatures"),
            NoteError::Line { found } => write!(f, "expected a signature line `\u{2014} NAME BASE64`, found {found:?}"),
        }
    }
}

impl core::error::Error for NoteError {}

/// The reason why a note is not signed by a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// It has no signature that names the key.
    Missing {
        /// The key, by name and id.
        key: String,
        /// The keys that signed instead, by name and id.
        found: Vec<String>,
    },
    /// It has a signature that names the key, but is not over this text or not by this key.
    Invalid {
        /// The key, by name and id.
        key: String,
    },
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignatureError::Missing { key, found } => {
                write!(f, "expected a signature by the key {key}, found signatures by {}", found.join(", "))
            }
            SignatureError::Invalid { key } => {
                write!(f, "the signature by the key {key} does not hold: the text was changed, or another key signed")
            }
        }
    }
}

impl core::error::Error for SignatureError {}

impl Note {
    /// A text that has no signatures yet. It ends with a line feed.
    pub fn new(text: String) -> Note {
        Note { text, signatures: Vec::new() }
    }

    /// Reads a note.
    pub fn parse(bytes: &[u8]) -> Result<Note, NoteError> {
        if bytes.len() > NOTE_LEN_MAX {
            return Err(NoteError::Length { found: bytes.len() });
        }
        let all = core::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        if all.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Text);
        }
        let (before, lines) = all.rsplit_once("\n\n").ok_or(NoteError::Unsigned)?;
        let mut signatures = Vec::new();
        for line in lines.split_inclusive('\n') {
            signatures.push(signature(line).ok_or_else(|| NoteError::Line { found: line.into() })?);
        }
        if signatures.is_empty() || before.is_empty() {
            return Err(NoteError::Unsigned);
        }
        Ok(Note { text: format!("{before}\n"), signatures })
    }

    /// The text that was signed, including its last line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order. None of them is verified.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds the signature of a log's key.
    pub fn sign(&mut self, key: &SignerKey) {
        let bytes = key.sign(self.text.as_bytes()).to_vec();
        self.push(key, bytes);
    }

    /// Adds the cosignature of a witness's key, as of a time in seconds since 1970.
    pub fn cosign(&mut self, key: &SignerKey, time: u64) {
        let signature = key.sign(cosigned(&self.text, time).as_bytes());
        let bytes = [&bytes_of(time)[..], &signature].concat();
        self.push(key, bytes);
    }

    /// Adds a signature. Each key has only one signature, so a new signature replaces the key's old one.
    fn push(&mut self, key: &SignerKey, bytes: Vec<u8>) {
        let key = key.verifier();
        self.signatures.retain(|other| !other.is_by(key));
        self.signatures.push(Signature { name: key.name().into(), id: key.id_bytes(), bytes });
    }

    /// Verifies that the key signed the note. For a cosignature, returns the time that it states. If any signature that names
    /// the key is not valid, the note is refused.
    pub fn verify(&self, key: &VerifierKey) -> Result<Option<u64>, SignatureError> {
        let shown = || shown(key.name(), key.id_bytes());
        let mut verified = None;
        for signature in self.signatures.iter().filter(|signature| signature.is_by(key)) {
            verified =
                Some(self.verify_one(signature, key).map_err(|Unverified| SignatureError::Invalid { key: shown() })?);
        }
        verified.ok_or_else(|| SignatureError::Missing {
            key: shown(),
            found: self.signatures.iter().map(Signature::key).collect(),
        })
    }

    fn verify_one(&self, signature: &Signature, key: &VerifierKey) -> Result<Option<u64>, Unverified> {
        let bytes = signature.bytes.as_slice();
        let exact = |bytes: &[u8]| bytes.try_into().map_err(|_| Unverified);
        let holds = |holds: bool| if holds { Ok(()) } else { Err(Unverified) };
        match key.algorithm() {
            Algorithm::Note => {
                holds(key.verifies(self.text.as_bytes(), &exact(bytes)?))?;
                Ok(None)
            }
            Algorithm::Cosignature => {
                let (time, bytes) = bytes.split_first_chunk::<TIME_LEN>().ok_or(Unverified)?;
                let time = time_of(*time);
                holds(time < NUMBER_END)?;
                holds(key.verifies(cosigned(&self.text, time).as_bytes(), &exact(bytes)?))?;
                Ok(Some(time))
            }
        }
    }
}

/// A key as messages name it.
fn shown(name: &str, id: [u8; ID_LEN]) -> String {
    format!("{name}+{}", hex(&id))
}

/// A signature is not valid.
struct Unverified;

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}

/// The text that a cosignature covers.
fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// C2SP defines the form of a cosignature, so its time is big-endian.
fn bytes_of(time: u64) -> [u8; TIME_LEN] {
    let mut bytes = time.to_le_bytes();
    bytes.reverse();
    bytes
}

fn time_of(mut bytes: [u8; TIME_LEN]) -> u64 {
    bytes.reverse();
    u64::from_le_bytes(bytes)
}

fn signature(line: &str) -> Option<Signature> {
    let (name, base64) = line.strip_prefix(DASH)?.strip_suffix('\n')?.split_once(' ')?;
    crate::key::check_name(name).ok()?;
    let bytes = STANDARD.decode(base64).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<ID_LEN>()?;
    let (id, bytes) = (*id, bytes.to_vec());
    (!bytes.is_empty()).then(|| Signature { name: name.to_string(), id, bytes })
}
