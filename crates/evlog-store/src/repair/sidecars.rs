//! Compares derived files with the log, and recreates them.

use super::{Act, Step};
use crate::closed::closed_end;
use crate::error::{Failure, OpenError};
use crate::head::{HEAD_LEN, Head};
use crate::index::{Of, SealedIndex};
use crate::layout::SegmentEntry;
use crate::sealed::{Keep, Sealed};
use crate::segment::{Access, Files, OpenSegment};
use crate::streams::{Before, Streams};
use evlog_format::{LogId, LogIdentity, Position, SegmentHeader};
use evlog_verify::Frontier;
use std::io;
use std::path::PathBuf;

/// How a derived file compares with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It says what the log says.
    Holds,
    /// It is missing, and need not be there.
    NotNeeded,
    /// It is missing, and should be there.
    Missing,
    /// It is not whole, or contradicts the log.
    Spoilt(String),
    /// It was left by an earlier close. The log has grown since then, so it is not read.
    Outdated,
    /// The part of the log that it is derived from could not be read.
    Unknown,
}

impl Standing {
    /// The word for it, as it is printed and as it is in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Standing::Holds => "holds",
            Standing::NotNeeded => "not_needed",
            Standing::Missing => "missing",
            Standing::Spoilt(_) => "spoilt",
            Standing::Outdated => "outdated",
            Standing::Unknown => "unknown",
        }
    }
}

/// A derived file, and what a survey found about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// The file.
    pub path: PathBuf,
    /// What it is: `tree`, `idx`, `end` or `head`.
    pub kind: &'static str,
    /// Position of the segment that it belongs to.
    pub segment: Position,
    /// Its content, in words; empty if it cannot be read.
    pub says: String,
    /// The result of the comparison with the log.
    pub standing: Standing,
    pub(super) entry: Option<SegmentEntry>,
}

impl Sidecar {
    pub(super) fn is_head(&self) -> bool {
        self.entry.is_none()
    }

    pub(super) fn step(&self) -> Option<Step> {
        let reason = match &self.standing {
            Standing::Missing => "there is none".to_string(),
            Standing::Spoilt(reason) => reason.clone(),
            Standing::Holds | Standing::NotNeeded | Standing::Outdated | Standing::Unknown => return None,
        };
        let (file, position) = (self.path.clone(), self.segment);
        Some(Step { act: Act::Remake, file, position, len: 0, row: None, reason, kept_as: None })
    }
}

fn sidecar(files: &Files, entry: SegmentEntry, says: String, standing: Standing) -> Sidecar {
    let kind = match entry {
        SegmentEntry::Tree(_) => "tree",
        SegmentEntry::Index(_) => "idx",
        SegmentEntry::End(_) => "end",
        _ => "segment",
    };
    let segment = entry.position();
    Sidecar { path: files.layout.entry(entry), kind, segment, says, standing, entry: Some(entry) }
}

/// Compares the tree before a segment with the segment's header.
pub(super) fn tree(files: &Files, header: &SegmentHeader, entries: &[SegmentEntry]) -> Sidecar {
    let entry = SegmentEntry::Tree(header.position);
    let of = |says, standing| sidecar(files, entry, says, standing);
    if entries.binary_search(&entry).is_err() {
        return of(String::new(), Standing::Missing);
    }
    let Some(bytes) = files.sidecar(entry, Frontier::ENCODED_LEN_MAX as u64) else {
        return of(String::new(), Standing::Spoilt("it cannot be read, or is longer than any tree".into()));
    };
    match Frontier::decode(&bytes) {
        Err(error) => of(String::new(), Standing::Spoilt(error.to_string())),
        Ok(frontier) => {
            let says = format!("root {} over {} bytes", frontier.root(), frontier.size());
            let holds = frontier.size() == header.position.0 && frontier.root() == header.root_before;
            let expected = || format!("expected root {} over {} bytes", header.root_before, header.position);
            of(says, if holds { Standing::Holds } else { Standing::Spoilt(expected()) })
        }
    }
}

/// Compares the index of a segment with the streams that a scan of the segment found.
pub(super) fn index(files: &Files, of: Of, streams: &mut Streams, entries: &[SegmentEntry]) -> Sidecar {
    let entry = SegmentEntry::Index(of.position);
    let made = streams.seal(of, &Before::NOTHING);
    if entries.binary_search(&entry).is_err() {
        return sidecar(files, entry, String::new(), Standing::Missing);
    }
    let all = SealedIndex::open(&files.fs, files.layout.entry(entry), of).and_then(|index| index.all().ok());
    let (says, standing) = match all {
        None => {
            let reason = format!("it is not a whole index of {} bytes of this segment", of.len);
            (String::new(), Standing::Spoilt(reason))
        }
        Some(all) => {
            let says = format!("{} streams in {} bytes", all.len(), of.len);
            let holds = made.all().is_ok_and(|made| made == all);
            let differs = || "its streams or their frames are not those of the segment".to_string();
            (says, if holds { Standing::Holds } else { Standing::Spoilt(differs()) })
        }
    };
    sidecar(files, entry, says, standing)
}

/// Compares the sidecar `.end` of the last segment with what a scan found.
pub(super) fn end(
    files: &Files,
    segment: &OpenSegment,
    len: u64,
    head: Option<Head>,
    entries: &[SegmentEntry],
) -> Sidecar {
    let entry = SegmentEntry::End(segment.header.position);
    if entries.binary_search(&entry).is_err() {
        return sidecar(files, entry, String::new(), Standing::Missing);
    }
    let Some(closed) = closed_end(files, segment, len, head, entries) else {
        let reason = "it does not lead to the end of the log, or another sidecar that belongs to it does not hold";
        return sidecar(files, entry, String::new(), Standing::Spoilt(reason.into()));
    };
    let says = format!("end {}, next seq {}, last commit {}", closed.end(), closed.next_seq, closed.last_commit);
    sidecar(files, entry, says, Standing::Holds)
}

/// A sidecar of the last segment that only a clean close leaves, if the log was not closed cleanly.
pub(super) fn left_over(files: &Files, entry: SegmentEntry, entries: &[SegmentEntry]) -> Sidecar {
    let is_there = entries.binary_search(&entry).is_ok();
    let standing = if is_there { Standing::Outdated } else { Standing::NotNeeded };
    sidecar(files, entry, String::new(), standing)
}

/// A sidecar of a part of the log that could not be read.
pub(super) fn unknown(files: &Files, entry: SegmentEntry) -> Sidecar {
    sidecar(files, entry, String::new(), Standing::Unknown)
}

/// Compares `HEAD` with the log's id. The recovery table judges its claim of how much was synced.
pub(super) fn head(
    files: &Files,
    log_id: Option<LogId>,
    segment: Position,
) -> Result<(Sidecar, Option<Head>), Failure> {
    let path = files.layout.head();
    let of = |says, standing| Sidecar { path: path.clone(), kind: "head", segment, says, standing, entry: None };
    let Some(head) = files.any_head()? else {
        let standing = match files.fs.id(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Standing::Missing,
            _ => Standing::Spoilt(format!("it is not {HEAD_LEN} bytes with a checksum that matches")),
        };
        return Ok((of(String::new(), standing), None));
    };
    let closed = match (head.closed, head.sync_failed) {
        (true, _) => ", closed cleanly",
        (false, true) => ", after a sync that failed",
        (false, false) => "",
    };
    let says =
        format!("durable to {}, committed to {}, next seq {}{closed}", head.durable, head.committed, head.next_seq);
    if log_id.is_some_and(|log_id| log_id != head.log_id) {
        return Ok((of(says, Standing::Spoilt(format!("it is of log {}", head.log_id))), None));
    }
    Ok((of(says, Standing::Holds), Some(head)))
}

/// Makes trees and indexes again that are missing or wrong, in order of position, because each tree needs the one before it.
/// The caller holds the lock.
pub(super) fn make_again(
    files: &Files,
    log: LogIdentity,
    segments: &[Position],
    wanted: &[SegmentEntry],
) -> Result<(), OpenError> {
    for entry in wanted {
        files.fs.remove(&files.layout.entry(*entry)).ok();
    }
    for entry in wanted {
        if let SegmentEntry::Tree(position) = entry {
            let header = files.open(*position, Access::Read)?.header;
            let (tree, _) = files.tree_before(&header, segments)?;
            files.keep_sidecar(*entry, &tree.frontier().encode())?;
        }
    }
    Sealed::new(log, Keep::Sidecar, segments).complete(files, &files.entries()?)?;
    Ok(())
}
