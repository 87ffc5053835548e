//! The lines of `inspect`. Member `what` names the shape of each line; paths are within the log's directory.

use super::{EventLine, HeadMembers};
use serde::Serialize;

/// The log as a whole.
#[derive(Serialize)]
pub(crate) struct LogLine {
    pub(crate) what: &'static str,
    pub(crate) log_id: Option<String>,
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
}

/// The verdict if no segment is left.
#[derive(Serialize)]
pub(crate) struct VerdictLine {
    pub(crate) what: &'static str,
    pub(crate) verdict: &'static str,
    pub(crate) path: String,
    pub(crate) position: u64,
    pub(crate) wrong: String,
}

/// A segment file. The members of its header are `null` if the header cannot be read.
#[derive(Serialize)]
pub(crate) struct SegmentLine<'a> {
    pub(crate) what: &'static str,
    pub(crate) path: String,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
    pub(crate) sealed: bool,
    pub(crate) format_version: Option<u32>,
    pub(crate) log_id: Option<String>,
    pub(crate) segment_limit: Option<u64>,
    pub(crate) header_position: Option<u64>,
    pub(crate) first_seq: Option<u64>,
    pub(crate) root_before: Option<String>,
    pub(crate) wrong: &'a [String],
}

/// What `HEAD` says.
#[derive(Serialize)]
pub(crate) struct HeadLine {
    pub(crate) what: &'static str,
    pub(crate) readable: bool,
    pub(crate) log_id: Option<String>,
    pub(crate) durable: Option<u64>,
    pub(crate) committed: Option<u64>,
    pub(crate) next_seq: Option<u64>,
    pub(crate) closed: Option<bool>,
    pub(crate) sync_failed: Option<bool>,
}

/// The writer's lock.
#[derive(Serialize)]
pub(crate) struct LockLine<'a> {
    pub(crate) what: &'static str,
    pub(crate) held: Option<bool>,
    pub(crate) pid: Option<u32>,
    pub(crate) program: Option<&'a str>,
}

/// Bytes that were cut and kept.
#[derive(Serialize)]
pub(crate) struct QuarantineLine<'a> {
    pub(crate) what: &'static str,
    pub(crate) path: &'a str,
    pub(crate) bytes: Option<u64>,
}

/// A file in `segments/` that is not ours.
#[derive(Serialize)]
pub(crate) struct StrangerLine {
    pub(crate) what: &'static str,
    pub(crate) path: String,
}

/// A derived file, compared with the log.
#[derive(Serialize)]
pub(crate) struct SidecarLine<'a> {
    pub(crate) what: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) path: String,
    pub(crate) segment: u64,
    pub(crate) standing: &'static str,
    pub(crate) says: Option<&'a str>,
    pub(crate) wrong: Option<&'a str>,
}

/// A frame whose checksum matches. The members of its commit are `null` if the commit does not decode.
#[derive(Serialize)]
pub(crate) struct FrameLine<'a> {
    pub(crate) what: &'static str,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
    pub(crate) durable_before: u64,
    pub(crate) first_seq: Option<u64>,
    pub(crate) events: Option<u64>,
    pub(crate) class: Option<&'static str>,
    #[serde(flatten)]
    pub(crate) head: HeadMembers<'a>,
    pub(crate) wrong: Option<String>,
}

/// Bytes that are not a frame.
#[derive(Serialize)]
pub(crate) struct BytesLine<'a> {
    pub(crate) what: &'static str,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
    pub(crate) wrong: &'a str,
}

/// One position: the fields of a frame header as stored there, the commit if it is one, and the bytes.
#[derive(Serialize)]
pub(crate) struct PlaceLine<'a> {
    pub(crate) what: &'static str,
    pub(crate) path: String,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
    pub(crate) body_len: Option<u32>,
    pub(crate) checksum: Option<String>,
    pub(crate) durable_before: Option<u64>,
    pub(crate) within: Option<u64>,
    pub(crate) wrong: Option<&'a str>,
    pub(crate) contents: Vec<EventLine<'a>>,
    pub(crate) hex: String,
}
