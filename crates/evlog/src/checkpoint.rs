//! What a log may sign: its size, root and next seq. Before that, the bytes are read back from the files and hashed again.
//!
//! Does: read back what was added since the last checkpoint, compare, keep the signed note, record it in `$log`. Does not:
//! sign. The caller has keys and makes notes: the engine links no code for signatures.
//!
//! Invariants:
//! - What is stated was read from the files after they were synced. Its root is equal to the root that was computed while
//!   writing.
//! - A statement extends the statement before it, because the tree that is kept between them only grows.

use crate::error::LogError;
use crate::history::{
    Audited, CheckpointSigned, ClockCorrected, KeyAdded, LOG_STREAM, LossAccepted, NameChanged, Verified, is_readable,
};
use crate::log::{Log, payload_of};
use evlog_format::{Event, LogId, Position, Root, Seq, kind, payload};
use evlog_store::{Checkpoints, OpenError, RawLog, Settled};
use evlog_verify::Tree;
use std::ops::ControlFlow;

/// A checkpoint that may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The log.
    pub log_id: LogId,
    /// The number of covered bytes.
    pub size: Position,
    /// Root over these bytes.
    pub root: Root,
    /// Seq after the last event in these bytes.
    pub next_seq: Seq,
}

/// The records of signatures in `$log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningHistory {
    /// Keys that signed, in their text form, in order.
    pub keys: Vec<String>,
    /// The last checkpoint.
    pub last: Option<CheckpointSigned>,
    /// When it was recorded, Unix nanoseconds. If that time was later recorded as wrong, the time of that record.
    pub last_time_ns: i64,
    /// Former names of the log: nothing is signed under them any more.
    pub former_names: Vec<String>,
    /// The number of events after the covered events that concern only sessions and signatures.
    pub only_sessions: u64,
    /// The last accepted loss.
    pub loss: Option<AfterLoss>,
}

/// An accepted loss, and which checkpoints came after it. Other checkpoints over bytes after the loss cover what was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfterLoss {
    /// Seq of the event that records it.
    pub seq: Seq,
    /// What it records.
    pub accepted: LossAccepted,
    /// Sizes of the checkpoints that were signed since.
    pub signed: Vec<Position>,
}

/// Reads a log back, from one checkpoint to the next.
pub struct ReadBack<'l> {
    log: &'l Log,
    kept: Checkpoints,
    /// The tree over all bytes that were read back.
    tree: Tree,
}

impl<'l> ReadBack<'l> {
    /// Begins where the last checkpoint ended. The tree at that place is taken from its sidecar, if its root is the signed
    /// one. Otherwise all bytes before that place are read again.
    pub fn begin(
        log: &'l Log,
        last: Option<(Position, Root)>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<ReadBack<'l>, LogError> {
        let mut read = ReadBack { log, kept: log.checkpoints(), tree: Tree::new() };
        let Some((size, root)) = last else { return Ok(read) };
        match read.kept.tree().filter(|frontier| (Position(frontier.size()), frontier.root()) == (size, root)) {
            Some(frontier) => read.tree = Tree::resume(frontier),
            None => read.read_to(size, &root, "the last checkpoint", progress)?,
        }
        Ok(read)
    }

    /// Waits until everything appended is synced, reads it back, and returns what may be signed.
    pub fn statement(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<Statement, LogError> {
        let Settled { end, next_seq, root } = self.log.settle()?;
        self.read_to(end, &root, "the writer", progress)?;
        Ok(Statement { log_id: self.log.log_id(), size: end, root, next_seq })
    }

    /// Keeps the signed note of a statement, and records it. The note is safe from a crash before the event is recorded.
    pub fn record(&self, statement: &Statement, origin: &str, note: &[u8]) -> Result<(), LogError> {
        self.kept.keep(statement.size, note).map_err(OpenError::Io)?;
        // A sidecar that cannot be written can be made again by reading.
        self.kept.keep_tree(&self.tree.frontier()).ok();
        let signed = CheckpointSigned {
            origin: origin.to_owned(),
            size: statement.size.0,
            next_seq: statement.next_seq.0,
            root: statement.root.0,
        };
        self.log.record_one(kind::LOG_CHECKPOINT_SIGNED, &payload_of(&signed)?)
    }

    fn read_to(
        &mut self,
        end: Position,
        root: &Root,
        who: &'static str,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), LogError> {
        let raw = RawLog::open(self.log.fs(), self.log.dir()).map_err(OpenError::Io)?;
        let from = self.tree.size();
        let (tree, total) = (&mut self.tree, end.0.saturating_sub(from));
        let read = raw.read_range(&(from..end.0), &mut |chunk| {
            tree.update(chunk);
            progress(tree.size() - from, total);
        });
        read.map_err(OpenError::Io)?;
        let found = (Position(tree.size()), tree.root());
        if found == (end, *root) {
            return Ok(());
        }
        Err(LogError::ReadBack { who, from: Position(from), expected: (end, *root), found })
    }
}

impl SigningHistory {
    fn take(&mut self, seq: Seq, time_ns: i64, event: &Event<'_>) -> Result<(), LogError> {
        let wrong = |error: payload::PayloadError| LogError::Payload { seq: Some(seq), message: error.to_string() };
        if !is_readable(event) {
            return Ok(());
        }
        if event.kind == kind::LOG_KEY_ADDED {
            self.keys.push(payload::decode::<KeyAdded>(event.payload).map_err(wrong)?.key);
        } else if event.kind == kind::LOG_CHECKPOINT_SIGNED {
            let signed = payload::decode::<CheckpointSigned>(event.payload).map_err(wrong)?;
            if let Some(loss) = &mut self.loss {
                loss.signed.push(Position(signed.size));
            }
            (self.last, self.last_time_ns) = (Some(signed), time_ns);
        } else if event.kind == kind::LOG_CLOCK_CORRECTED {
            self.last_time_ns = time_ns;
        } else if event.kind == kind::LOG_NAME_CHANGED {
            self.former_names.push(payload::decode::<NameChanged>(event.payload).map_err(wrong)?.from);
        } else if event.kind == kind::LOG_LOSS_ACCEPTED {
            let accepted = payload::decode::<LossAccepted>(event.payload).map_err(wrong)?;
            self.loss = Some(AfterLoss { seq, accepted, signed: Vec::new() });
        }
        Ok(())
    }
}

impl Log {
    /// Whether the first `size` bytes of the log have this root. All these bytes are read again.
    pub fn begins_with(
        &self,
        size: Position,
        root: &Root,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<bool, LogError> {
        let mut read = ReadBack { log: self, kept: self.checkpoints(), tree: Tree::new() };
        match read.read_to(size, root, "a checkpoint", progress) {
            Ok(()) => Ok(true),
            Err(LogError::ReadBack { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the first `size` bytes of the log have this root. If the last segment that begins at or before `size` has a
    /// `.tree` sidecar that agrees with its header, the bytes before that segment are not read, and the root in the header
    /// is used. This suffices for a caller that has read those bytes before and asks whether this is still the same log.
    pub fn is_still(&self, size: Position, root: &Root) -> Result<bool, LogError> {
        let raw = RawLog::open(self.fs(), self.dir()).map_err(OpenError::Io)?;
        let holding = raw.segments().iter().rfind(|segment| segment.position <= size);
        let mut tree = holding.and_then(|segment| raw.tree_before(segment)).unwrap_or_default();
        let read = raw.read_range(&(tree.size()..size.0), &mut |chunk| tree.update(chunk));
        read.map_err(OpenError::Io)?;
        Ok((Position(tree.size()), tree.root()) == (size, *root))
    }

    /// The records of signatures in `$log`.
    pub fn signing_history(&self) -> Result<SigningHistory, LogError> {
        let (mut history, sessions) = self.at_head(&mut self.session(), &mut |_| self.read_signing_history())?;
        let covered = history.last.as_ref().map_or(u64::MAX, |last| last.next_seq);
        history.only_sessions = sessions.iter().filter(|seq| seq.0 >= covered).count() as u64;
        Ok(history)
    }

    /// What `$log` says about signatures, and the events that concern only sessions and signatures.
    fn read_signing_history(&self) -> Result<(SigningHistory, Vec<Seq>), LogError> {
        let (mut history, mut sessions) = (SigningHistory::default(), Vec::new());
        self.writer().read_stream::<LogError>(LOG_STREAM, 0, &mut |head, seq, event| {
            if [kind::LOG_OPENED, kind::LOG_CLOSED, kind::LOG_CHECKPOINT_SIGNED].contains(&event.kind) {
                sessions.push(seq);
            }
            history.take(seq, head.recorded_ns, event)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((history, sessions))
    }

    /// Records that a key signs for this log from here on.
    pub fn record_key(&self, key: &str) -> Result<(), LogError> {
        self.record_one(kind::LOG_KEY_ADDED, &payload_of(&KeyAdded { key: key.to_owned() })?)
    }

    /// Records that the clock was wrong when the last checkpoint was signed.
    pub fn record_clock_corrected(&self, corrected: &ClockCorrected) -> Result<(), LogError> {
        self.record_one(kind::LOG_CLOCK_CORRECTED, &payload_of(corrected)?)
    }

    /// Records that the log signs under another name from here on.
    pub fn record_name_changed(&self, changed: &NameChanged) -> Result<(), LogError> {
        self.record_one(kind::LOG_NAME_CHANGED, &payload_of(changed)?)
    }

    /// Records a verification.
    pub fn record_verified(&self, verified: &Verified) -> Result<(), LogError> {
        self.record_one(kind::LOG_VERIFIED, &payload_of(verified)?)
    }

    /// Records an audit of the order of events.
    pub fn record_audited(&self, audited: &Audited) -> Result<(), LogError> {
        self.record_one(kind::LOG_AUDITED, &payload_of(audited)?)
    }
}

#[cfg(test)]
mod tests;
