//! What a log records about its own checkpoints: which keys sign for it, what they signed, and which losses were accepted.

use crate::history::{CheckpointSigned, KeyAdded, LOG_STREAM, LossAccepted, is_readable};
use evlog_format::{Event, Position, kind, payload};
use evlog_store::fs::Fs;
use evlog_store::{ReadError, Reader};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// The log's own records about checkpoints that can be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded {
    /// The keys, in their text form.
    pub(super) keys: Vec<String>,
    /// The checkpoints, in order.
    pub(super) signed: Vec<CheckpointSigned>,
    /// Where each accepted loss begins, and how many checkpoints were recorded before it.
    losses: Vec<(Position, usize)>,
    /// Whether all of these records could be read.
    pub(super) is_whole: bool,
}

impl Recorded {
    pub(super) fn read(fs: &Arc<dyn Fs>, dir: &Path) -> Recorded {
        let mut recorded = Recorded::default();
        let Ok(reader) = Reader::open_up_to_damage(Arc::clone(fs), dir) else { return recorded };
        let read = reader.stream::<ReadError>(LOG_STREAM, &mut |_, _, event| {
            recorded.take(event);
            Ok(ControlFlow::Continue(()))
        });
        recorded.is_whole = read.is_ok() && reader.check_whole().is_ok();
        recorded
    }

    /// An event whose payload cannot be read is ignored here: the audit reads it too, and reports it.
    fn take(&mut self, event: &Event<'_>) {
        if !is_readable(event) {
            return;
        }
        if event.kind == kind::LOG_KEY_ADDED {
            self.keys.extend(payload::decode::<KeyAdded>(event.payload).map(|added| added.key));
        } else if event.kind == kind::LOG_CHECKPOINT_SIGNED {
            self.signed.extend(payload::decode::<CheckpointSigned>(event.payload));
        } else if event.kind == kind::LOG_LOSS_ACCEPTED {
            let loss = payload::decode::<LossAccepted>(event.payload);
            self.losses.extend(loss.map(|loss| (Position(loss.position), self.signed.len())));
        }
    }

    /// The sizes of the checkpoints.
    pub(super) fn sizes(&self) -> BTreeSet<Position> {
        self.signed.iter().map(|signed| Position(signed.size)).collect()
    }

    /// Whether the log gave up bytes that a note of this size covers, and has recorded no checkpoint of this size since.
    /// Such a note no longer shows anything about the log.
    pub(super) fn gave_up(&self, size: Position) -> bool {
        let is_signed_since = |before: usize| self.signed[before..].iter().any(|signed| signed.size == size.0);
        let mut losses = self.losses.iter();
        self.is_whole && losses.any(|(position, before)| *position < size && !is_signed_since(*before))
    }
}
