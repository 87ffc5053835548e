//! Checkpoints in files: read and verified, or read without verification if the caller checks their claims itself.

use crate::error::{CommandError, Verdict};
use crate::keys;
use crate::streams;
use crate::ui::Tone;
use evlog::LogError;
use evlog::covered::Stated;
use evlog::own_notes::Claim;
use evlog_format::Position;
use evlog_proof::{Checkpoint, CheckpointError, Note, Policy, Signed, VerifierKey};
use evlog_store::{Checkpoints, OpenError};
use evlog_verify::Covered;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// The parser refuses longer notes, so no more bytes are read.
pub(crate) const LEN_MAX: u64 = 65 * 1024;

/// The bytes of a file, or of stdin for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let refused = |error: io::Error| CommandError::file("read", path.display(), &error).during("checkpoint");
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(streams::stdin())
    } else {
        Box::new(fs::File::open(path).map_err(refused)?)
    };
    source.take(LEN_MAX).read_to_end(&mut bytes).map_err(refused)?;
    keys::refuse_private("checkpoint", "a checkpoint", path, &bytes)?;
    Ok(bytes)
}

/// The bytes of a checkpoint that a log keeps. Nothing but a regular file is read.
pub(crate) fn read_kept(kept: &Checkpoints, size: Position) -> Result<Vec<u8>, CommandError> {
    kept.read(size).map_err(|failure| LogError::from(OpenError::Io(failure)).into())
}

/// A checkpoint that a log keeps, with unverified claims.
pub(crate) fn claimed_kept(kept: &Checkpoints, size: Position) -> Result<Checkpoint, CommandError> {
    parse_claimed(&kept.path(size), &read_kept(kept, size)?)
}

/// What a note claims, and whether it is signed by a key that the log records or that `trust` knows from elsewhere. The
/// error says why it is not a checkpoint.
pub(crate) fn claim(bytes: &[u8], recorded: &[String], trust: Option<&Trust>) -> Result<Claim, String> {
    let note = Note::parse(bytes).map_err(|error| CheckpointError::Note(error).to_string())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
    let from_outside = trust.map(|trust| trust.opened(bytes));
    let by_recorded =
        recorded.iter().filter_map(|key| VerifierKey::parse(key).ok()).map(|key| Signed::open(bytes, &key));
    let mut signed = Err("the log records no key (`log.key_added`)".to_owned());
    for opened in from_outside.into_iter().chain(by_recorded) {
        signed = opened.map(|_| ()).map_err(|error| error.to_string());
        if signed.is_ok() {
            break;
        }
    }
    Ok(Claim { covered: covered_by(&checkpoint), stated: stated_by(&checkpoint), signed })
}

/// What a checkpoint covers.
pub(crate) fn covered_by(checkpoint: &Checkpoint) -> Covered {
    Covered { log_id: checkpoint.log_id, size: checkpoint.size, root: checkpoint.root }
}

/// What a checkpoint states besides its root.
pub(crate) fn stated_by(checkpoint: &Checkpoint) -> Stated {
    let Checkpoint { size, format_version, next_seq, .. } = *checkpoint;
    Stated { size, format_version, next_seq }
}

/// A checkpoint whose signature by the key holds.
pub(crate) fn open(path: &Path, key: &VerifierKey) -> Result<Signed, CommandError> {
    Signed::open(&read(path)?, key).map_err(|error| refused(path, &error))
}

/// A checkpoint with unverified claims, for a caller that compares it with the log.
pub(crate) fn claimed(path: &Path) -> Result<Checkpoint, CommandError> {
    parse_claimed(path, &read(path)?)
}

/// Like [`claimed`], from the bytes of the file.
pub(crate) fn parse_claimed(path: &Path, bytes: &[u8]) -> Result<Checkpoint, CommandError> {
    let note = Note::parse(bytes).map_err(|error| refused(path, &CheckpointError::Note(error)))?;
    Checkpoint::parse(note.text()).map_err(|error| refused(path, &error))
}

/// Exit code 1 if a checkpoint's signature does not hold; 2 if the text is not a checkpoint.
pub(crate) fn refused(path: &Path, error: &CheckpointError) -> CommandError {
    let refused = CommandError::user(format!("checkpoint `{}`: {error}", path.display()));
    match error {
        CheckpointError::Signature(_) | CheckpointError::Origin { .. } => refused
            .with_code(Verdict::No.code())
            .hint("if this is the wrong key, give the public key that you have from the owner of the log")
            .hint("if it is the right key, do not trust this checkpoint"),
        CheckpointError::WitnessKey { .. } => {
            refused.hint("--key takes the log's key; keys of witnesses belong in a witness policy")
        }
        CheckpointError::Note(_) => refused.hint("give the file that `evlog checkpoint --out FILE` wrote"),
        _ => refused,
    }
}

/// What verifies checkpoints: a log's key, or a witness policy, or both.
pub(crate) struct Trust {
    key: Option<VerifierKey>,
    policy: Option<Policy>,
}

impl Trust {
    /// From files; at least one.
    pub(crate) fn load(key: Option<&Path>, policy: Option<&Path>) -> Result<Trust, CommandError> {
        let (key, policy) = (key.map(keys::verifier).transpose()?, policy.map(keys::policy).transpose()?);
        let has_log = key.is_some() || policy.as_ref().is_some_and(|policy| !policy.logs().is_empty());
        if !has_log {
            let message = "expected the log's public key, by --key FILE or by a witness policy with a `log` line";
            return Err(CommandError::user(message));
        }
        if let (Some(key), Some(policy)) = (&key, &policy)
            && let Some(why) = policy.contradicts(key)
        {
            let message = format!("--key and --policy contradict each other: {why}");
            return Err(CommandError::user(message)
                .hint("a witness policy names the keys of its logs, so --key is not needed with it"));
        }
        Ok(Trust { key, policy })
    }

    /// A checkpoint that the log's key has signed.
    pub(crate) fn open(&self, path: &Path) -> Result<Signed, CommandError> {
        self.open_bytes(path, &read(path)?)
    }

    /// Like [`open`](Self::open), from the bytes of the file.
    pub(crate) fn open_bytes(&self, path: &Path, bytes: &[u8]) -> Result<Signed, CommandError> {
        self.opened(bytes).map_err(|error| refused(path, &error))
    }

    fn opened(&self, bytes: &[u8]) -> Result<Signed, CheckpointError> {
        match (&self.key, &self.policy) {
            (Some(key), _) => Signed::open(bytes, key),
            (None, Some(policy)) => policy.open(bytes),
            (None, None) => unreachable!("one of them was asked for"),
        }
    }

    /// The witnesses by the witness policy, if there is one: a row for people, and whether they are enough.
    pub(crate) fn witnesses(&self, path: &Path, signed: &Signed) -> Result<Option<Witnesses>, CommandError> {
        let Some(policy) = &self.policy else { return Ok(None) };
        let judged = policy.judge(signed.note());
        let witnessed = judged.map_err(|error| refused(path, &CheckpointError::Signature(error)))?;
        Ok(Some(Witnesses {
            enough: witnessed.enough,
            by: witnessed.by,
            missing: witnessed.missing,
            quorum: witnessed.quorum,
        }))
    }
}

/// Who cosigned a checkpoint.
pub(crate) struct Witnesses {
    pub(crate) enough: bool,
    pub(crate) by: Vec<(String, u64)>,
    pub(crate) missing: Vec<String>,
    pub(crate) quorum: String,
}

impl Witnesses {
    /// In one line.
    pub(crate) fn row(&self) -> (&'static str, String, Tone) {
        let names: Vec<&str> = self.by.iter().map(|(name, _)| name.as_str()).collect();
        let by = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        let word = if self.enough { "enough" } else { "not enough" };
        (
            "witnesses",
            format!("{by}: {word} (quorum {})", self.quorum),
            if self.enough { Tone::Plain } else { Tone::Bad },
        )
    }
}
