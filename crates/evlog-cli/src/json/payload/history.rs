//! Payloads of the log's own history.

use super::{Digest, Time, table, tables};
use evlog_format::{Event, kind};
use serde_json::Value;

tables! {
    Created { format_version: u32, segment_limit: u64, program: String }
    Opened { program: String, policy: Option<u64> }
    Closed { program: String }
    PolicySet { text: String, blake3: Digest, previous: Option<u64>, set_by: String }
    Recovered { end: u64 }
    TailCut { position: u64, len: u64, kept_as: String, reason: String }
    CheckpointSigned { origin: String, size: u64, next_seq: u64, root: Digest }
    Verified { program: String, verdict: String, size: u64, next_seq: u64, root: Digest, findings: u64, checkpoint: Option<u64> }
    KeyAdded { key: String }
    LossAccepted {
        verdict: String, position: u64, len: u64, floor: u64, next_seq: Option<u64>, kept_as: Option<String>,
        reason: String, accepted_by: String
    }
    ClockCorrected { last_time: Time<i64>, accepted_by: String }
    ClockStepped { from: Time<i64>, to: Time<i64> }
    NameChanged { from: String, to: String, accepted_by: String }
    ProjectionPublished { run: String, seq: u64, events: u64, files: Vec<PublishedFile> }
    PublishedFile { path: String, projection: String, version: u16, bytes: u64, blake3: Digest }
}

pub(super) fn read(event: &Event<'_>) -> Option<Value> {
    match event.kind {
        kind::LOG_CREATED => table::<Created>(event),
        kind::LOG_OPENED => table::<Opened>(event),
        kind::LOG_CLOSED => table::<Closed>(event),
        kind::LOG_POLICY_SET => table::<PolicySet>(event),
        kind::LOG_RECOVERED => table::<Recovered>(event),
        kind::LOG_TAIL_CUT => table::<TailCut>(event),
        kind::LOG_CHECKPOINT_SIGNED => table::<CheckpointSigned>(event),
        kind::LOG_VERIFIED => table::<Verified>(event),
        kind::LOG_KEY_ADDED => table::<KeyAdded>(event),
        kind::LOG_LOSS_ACCEPTED => table::<LossAccepted>(event),
        kind::LOG_CLOCK_CORRECTED => table::<ClockCorrected>(event),
        kind::LOG_CLOCK_STEPPED => table::<ClockStepped>(event),
        kind::LOG_NAME_CHANGED => table::<NameChanged>(event),
        kind::LOG_PROJECTION_PUBLISHED => table::<ProjectionPublished>(event),
        _ => None,
    }
}
