//! The log's own history: what the events of stream `$log` hold. Their tables are in `docs/format.md`. Fields are never moved;
//! a new need gets a new kind or a new kind version.

use crate::error::LogError;
use evlog_format::{Event, PLAIN, Seq, kind, payload};
use evlog_projection::readable;
use evlog_projection::serde_json::Value;
use serde::{Deserialize, Serialize};

/// Name of the log's own stream.
pub use evlog_format::ids::LOG_STREAM;

/// `log.created`, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Format version of the log.
    pub format_version: u32,
    /// Where segments are cut, in bytes.
    pub segment_limit: u64,
    /// The program that made it, with its version.
    pub program: String,
}

/// `log.opened`, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The program that opened it, with its version.
    pub program: String,
    /// Number in `$log` of the event that set the policy in force; none if no policy was set.
    pub policy: Option<u64>,
}

/// `log.closed`, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The program that closed it, with its version.
    pub program: String,
}

/// `log.recovered`, version 1: the session before did not close the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// Where the log ended when it was opened, as a position, after any cut.
    pub end: u64,
}

/// `log.tail_cut`, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailCut {
    /// Position of the first byte that was cut.
    pub position: u64,
    /// How many bytes.
    pub len: u64,
    /// Where they are kept, as a path within the log's directory.
    pub kept_as: String,
    /// Why reading stopped there.
    pub reason: String,
}

/// `log.checkpoint_signed`, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointSigned {
    /// The log's name, which is the name of the key.
    pub origin: String,
    /// How many bytes are covered.
    pub size: u64,
    /// Seq after the last event in them.
    pub next_seq: u64,
    /// Root over them.
    #[serde(serialize_with = "readable::digest")]
    pub root: [u8; 32],
}

/// `log.verified`, version 1: what a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The program that verified, with its version.
    pub program: String,
    /// The verdict, as a word.
    pub verdict: String,
    /// How many bytes were read and matched.
    pub size: u64,
    /// Seq after the last event in them.
    pub next_seq: u64,
    /// Root over them.
    #[serde(serialize_with = "readable::digest")]
    pub root: [u8; 32],
    /// How many findings there were, on bytes and on contracts.
    pub findings: u64,
    /// Size of the checkpoint that the log was compared with.
    pub checkpoint: Option<u64>,
}

/// `log.audited`, version 1: what an audit of the order of events found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// The program that audited, with its version.
    pub program: String,
    /// The verdict: `kept`, `broken`, or `not_judged` if a rule could not judge some events.
    pub verdict: String,
    /// How many bytes were read.
    pub size: u64,
    /// Seq after the last event in them.
    pub next_seq: u64,
    /// Root over them.
    #[serde(serialize_with = "readable::digest")]
    pub root: [u8; 32],
    /// The files of rules that it judged by besides the built-in rules, in the order in which they were given.
    pub rules: Vec<AuditedRules>,
    /// The longest time that the log was allowed to go without a checkpoint, in nanoseconds; none if that was not judged.
    pub max_unsigned_ns: Option<i64>,
    /// Whether runs that had not ended were judged as if they had.
    pub as_ended: bool,
    /// The least severity that made the verdict `broken`.
    pub fail_on: String,
    /// How many findings of severity `error` there were.
    pub errors: u64,
    /// How many of severity `warning`.
    pub warnings: u64,
    /// How many of severity `note`.
    pub notes: u64,
    /// How many events a rule could not judge, because too many waited.
    pub not_judged: u64,
}

/// A file of rules on order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedRules {
    /// Its name, without its directory.
    pub file: String,
    /// BLAKE3 of its text.
    #[serde(serialize_with = "readable::digest")]
    pub blake3: [u8; 32],
}

/// `log.key_added`, version 1: a key signs for this log from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAdded {
    /// The public part, as `docs/checkpoint.md` writes it.
    pub key: String,
}

/// `log.loss_accepted`, version 1: a person decided to continue without bytes that had been synced. This event has the seq
/// of the first event that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossAccepted {
    /// What the log was: `damaged` or `truncated`.
    pub verdict: String,
    /// Position of the first byte that was given up.
    pub position: u64,
    /// How many bytes were there and were cut.
    pub len: u64,
    /// Every byte before this position had been synced.
    pub floor: u64,
    /// Seq after the last event that is known to have been given up; none if this is unknown.
    pub next_seq: Option<u64>,
    /// Where the bytes are kept, as a path within the log's directory.
    pub kept_as: Option<String>,
    /// Why reading stopped there.
    pub reason: String,
    /// Who accepted the loss.
    pub accepted_by: String,
}

/// `log.clock_corrected`, version 1: the clock was wrong when the last checkpoint was signed, so the next one may be signed
/// at an earlier time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockCorrected {
    /// When the last checkpoint was recorded, Unix nanoseconds, by the clock that was wrong.
    #[serde(rename = "last_time", serialize_with = "readable::time")]
    pub last_time_ns: i64,
    /// Who says so.
    pub accepted_by: String,
}

/// `log.name_changed`, version 1: the log signs under another name from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameChanged {
    /// The name that nothing is signed under any more.
    pub from: String,
    /// The new name, which is the name of the key.
    pub to: String,
    /// Who changed it.
    pub accepted_by: String,
}

/// `log.clock_stepped`, version 1: the clock was set. Times recorded before and after cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStepped {
    /// The time that the monotonic clock implies, or the time of the last commit before the session, in Unix nanoseconds.
    #[serde(rename = "from", serialize_with = "readable::time")]
    pub from_ns: i64,
    /// The time that the clock gave, Unix nanoseconds.
    #[serde(rename = "to", serialize_with = "readable::time")]
    pub to_ns: i64,
}

/// `log.policy_set`, version 1: what the log demands of every command from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// The whole text, as `docs/policy.md` says.
    pub text: String,
    /// BLAKE3 of the text.
    #[serde(serialize_with = "readable::digest")]
    pub blake3: [u8; 32],
    /// Number in `$log` of the event that set the previous policy; none if there was no policy.
    pub previous: Option<u64>,
    /// Who set it.
    pub set_by: String,
}

/// `log.store_tried`, version 1: before the log was made, the object store that it is in was tried, and passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreTried {
    /// The place, as a URL.
    pub store: String,
    /// How many names writers raced for.
    pub rounds: u32,
    /// How many writers raced for each.
    pub writers: u32,
    /// Names of the trials that showed something to know about the store, but nothing that can lose a commit.
    pub noted: Vec<String>,
}

/// `log.projection_published`, version 1: files of one run were written out for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionPublished {
    /// The run.
    pub run: String,
    /// Seq of the run's last event that the files cover.
    pub seq: u64,
    /// How many of the run's events they cover.
    pub events: u64,
    /// The files, by path in byte order.
    pub files: Vec<PublishedFile>,
}

/// One file of [`ProjectionPublished`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFile {
    /// Path within the bundle.
    pub path: String,
    /// Name of the projection.
    pub projection: String,
    /// Version of the projection.
    pub version: u16,
    /// Length in bytes.
    #[serde(rename = "bytes")]
    pub len: u64,
    /// BLAKE3 of the bytes.
    #[serde(serialize_with = "readable::digest")]
    pub blake3: [u8; 32],
}

/// Whether this program can read an event's payload: it is not protected, and has the version that these tables have.
pub(crate) fn is_readable(event: &Event<'_>) -> bool {
    event.protection == PLAIN && event.kind_version == 1
}

/// The payload of an event of the log's own kinds as JSON. `None` for other events, and for a payload that is protected, has
/// a later version, or does not match its kind's table.
pub fn payload_json(event: &Event<'_>) -> Option<Value> {
    let of_kind = match event.kind {
        kind::LOG_CREATED => readable::payload_json::<Created>,
        kind::LOG_OPENED => readable::payload_json::<Opened>,
        kind::LOG_CLOSED => readable::payload_json::<Closed>,
        kind::LOG_RECOVERED => readable::payload_json::<Recovered>,
        kind::LOG_TAIL_CUT => readable::payload_json::<TailCut>,
        kind::LOG_CHECKPOINT_SIGNED => readable::payload_json::<CheckpointSigned>,
        kind::LOG_PROJECTION_PUBLISHED => readable::payload_json::<ProjectionPublished>,
        kind::LOG_VERIFIED => readable::payload_json::<Verified>,
        kind::LOG_KEY_ADDED => readable::payload_json::<KeyAdded>,
        kind::LOG_LOSS_ACCEPTED => readable::payload_json::<LossAccepted>,
        kind::LOG_CLOCK_CORRECTED => readable::payload_json::<ClockCorrected>,
        kind::LOG_NAME_CHANGED => readable::payload_json::<NameChanged>,
        kind::LOG_CLOCK_STEPPED => readable::payload_json::<ClockStepped>,
        kind::LOG_POLICY_SET => readable::payload_json::<PolicySet>,
        kind::LOG_AUDITED => readable::payload_json::<Audited>,
        kind::LOG_STORE_TRIED => readable::payload_json::<StoreTried>,
        _ => return None,
    };
    of_kind(event)
}

/// The files that an event of `$log` records as published; none for events of other kinds.
pub(crate) fn published(seq: Seq, event: &Event<'_>) -> Result<Option<ProjectionPublished>, LogError> {
    if event.kind != kind::LOG_PROJECTION_PUBLISHED || !is_readable(event) {
        return Ok(None);
    }
    let read = payload::decode(event.payload);
    read.map(Some).map_err(|error| LogError::Payload { seq: Some(seq), message: error.to_string() })
}
