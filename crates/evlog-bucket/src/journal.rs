//! The groups that are known: finds new ones, checks each against the bytes before it, and gives out the log's bytes.
//!
//! Invariants:
//! - A group counts as known only after it was checked: name, number, log id, position, seq, root before, whole frames.
//! - Known groups never change: one that is fetched again must have the same try id and position.
//! - Memory is bounded: some numbers for each group, and the bytes of the groups that were used last.

use crate::group::{Group, GroupError, OBJECT_LEN_MAX, flaw, name};
use crate::store::{Fault, Store};
use evlog_format::{
    CommitReader, Decoded, FRAME_HEADER_LEN, FrameCodec, LogId, Position, SEGMENT_HEADER_LEN, SegmentHeader, Seq,
};
use evlog_store::Head;
use evlog_verify::Tree;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

/// The most groups that are asked for at once.
const AT_ONCE: usize = 8;

/// What is known of a group whose bytes need not be in memory.
#[derive(Clone, Copy, Debug)]
struct Known {
    position: Position,
    /// A group that is fetched again must have the same one.
    try_id: [u8; 16],
}

/// The groups of one log that are known, in order.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    known: Vec<Known>,
    log_id: Option<LogId>,
    /// Where they end.
    pub(crate) end: Position,
    pub(crate) next_seq: Seq,
    pub(crate) tree: Tree,
    /// Where segments begin.
    pub(crate) segments: Vec<Position>,
    /// The byte tree before each segment, encoded as its sidecar is.
    pub(crate) trees: BTreeMap<Position, Vec<u8>>,
    cache: Cache,
}

/// Bytes of groups, those that were used last.
#[derive(Debug, Default)]
struct Cache {
    groups: BTreeMap<u64, Arc<Vec<u8>>>,
    order: VecDeque<u64>,
    len: u64,
}

impl Cache {
    fn put(&mut self, number: u64, bytes: Arc<Vec<u8>>, len_max: u64) {
        self.len += bytes.len() as u64;
        match self.groups.insert(number, bytes) {
            Some(old) => self.len -= old.len() as u64,
            None => self.order.push_back(number),
        }
        // One group stays, however long it is.
        while self.len > len_max && self.groups.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { break };
            self.len -= self.groups.remove(&oldest).map_or(0, |old| old.len() as u64);
        }
    }
}

/// What a walk over a group's bytes found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    pub(crate) log_id: LogId,
    pub(crate) next_seq: Seq,
}

/// Walks over the segment headers and frames of a group, which must be whole and continue the seqs.
pub(crate) fn walk(group: &Group, log_id: Option<LogId>) -> Result<Walked, GroupError> {
    let (mut at, mut starts, mut next_seq) = (0, group.starts.iter().peekable(), group.first_seq);
    let mut codec = log_id.map(FrameCodec::new);
    let mut id = log_id;
    while at < group.bytes.len() {
        let position = group.position.0 + at as u64;
        if starts.next_if(|start| **start as usize == at).is_some() {
            let header = SegmentHeader::decode(&group.bytes[at..group.bytes.len().min(at + SEGMENT_HEADER_LEN)]);
            let header = header.map_err(|error| flaw("a segment header", format!("{error:?}")))?;
            if header.position.0 != position || header.first_seq != next_seq || id.is_some_and(|id| id != header.log_id)
            {
                let expected = format!("a segment of this log at position {position} with first seq {next_seq}");
                return Err(flaw(expected, format!("one at {} with {}", header.position, header.first_seq)));
            }
            (id, codec) = (Some(header.log_id), Some(FrameCodec::new(header.log_id)));
            at += SEGMENT_HEADER_LEN;
            continue;
        }
        let frame = match codec.as_ref().map(|codec| codec.decode(position, &group.bytes[at..])) {
            Some(Decoded::Frame(frame)) => frame,
            other => return Err(flaw(format!("a whole frame at position {position}"), format!("{other:?}"))),
        };
        let commit = CommitReader::new(frame.body, position + FRAME_HEADER_LEN as u64);
        let commit = commit.map_err(|error| flaw(format!("a commit at position {position}"), format!("{error:?}")))?;
        if commit.head.first_seq != next_seq {
            let expected = format!("first seq {next_seq} at position {position}");
            return Err(flaw(expected, format!("{}", commit.head.first_seq)));
        }
        next_seq = Seq(next_seq.0 + commit.left());
        at += frame.len();
    }
    if let Some(start) = starts.next() {
        return Err(flaw("each segment to begin between two frames", format!("one at offset {start}")));
    }
    let log_id = id.ok_or_else(|| flaw("a segment header at the log's start", "none"))?;
    Ok(Walked { log_id, next_seq })
}

/// An error about an object, which names it.
pub(crate) fn wrong(object: &str, flaw: &GroupError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("object `{object}`: {flaw}"))
}

pub(crate) fn failed(object: &str, fault: &Fault) -> io::Error {
    let kind = match fault {
        Fault::Absent => io::ErrorKind::NotFound,
        Fault::Condition => io::ErrorKind::AlreadyExists,
        Fault::Refused(_) => io::ErrorKind::PermissionDenied,
        Fault::Unsupported(_) => io::ErrorKind::Unsupported,
        Fault::Unclear(_) => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("object `{object}`: {fault}"))
}

impl Journal {
    /// The number that the next group gets.
    pub(crate) fn next(&self) -> u64 {
        self.known.len() as u64
    }

    pub(crate) fn log_id(&self) -> Option<LogId> {
        self.log_id
    }

    /// `HEAD` as a writer would have written it after the last group.
    pub(crate) fn head(&self) -> Option<Head> {
        let (durable, committed, next_seq) = (self.end, self.end, self.next_seq);
        self.log_id.map(|log_id| Head { log_id, durable, committed, next_seq, closed: false, sync_failed: false })
    }

    /// Where the segment that begins at `position` ends, as far as it is known; `None` if there is no such segment.
    pub(crate) fn segment_end(&self, position: Position) -> Option<Position> {
        let at = self.segments.binary_search(&position).ok()?;
        Some(self.segments.get(at + 1).copied().unwrap_or(self.end))
    }

    /// Takes a group as the next one, if it is.
    pub(crate) fn add(&mut self, group: Group, cache_len: u64) -> Result<(), GroupError> {
        let number = self.next();
        let checks = [
            ("number", number, group.number),
            ("first position", self.end.0, group.position.0),
            ("first seq", self.next_seq.0, group.first_seq.0),
        ];
        for (of, expected, found) in checks {
            if expected != found {
                return Err(flaw(format!("{of} {expected}"), found.to_string()));
            }
        }
        if let Some(log_id) = self.log_id.filter(|log_id| *log_id != group.log_id) {
            return Err(flaw(format!("log id {log_id}"), group.log_id.to_string()));
        }
        let root = self.tree.root();
        if root != group.root_before {
            return Err(flaw(
                format!("root {root} over the {} bytes before it", self.end),
                group.root_before.to_string(),
            ));
        }
        let walked = walk(&group, self.log_id)?;
        if walked.log_id != group.log_id {
            return Err(flaw(format!("log id {} in its segment header", group.log_id), walked.log_id.to_string()));
        }
        let mut from = 0;
        for start in group.starts.iter().map(|start| *start as usize) {
            self.tree.update(&group.bytes[from..start]);
            from = start;
            let position = Position(group.position.0 + start as u64);
            self.trees.insert(position, self.tree.frontier().encode());
            self.segments.push(position);
        }
        self.tree.update(&group.bytes[from..]);
        self.known.push(Known { position: group.position, try_id: group.try_id });
        (self.log_id, self.end, self.next_seq) = (Some(group.log_id), group.end(), walked.next_seq);
        self.cache.put(number, Arc::new(group.bytes), cache_len);
        Ok(())
    }

    /// The number of the group that holds a position before the end.
    fn holding(&self, position: Position) -> u64 {
        self.known.partition_point(|known| known.position <= position).saturating_sub(1) as u64
    }

    /// The bytes of a group that are in memory.
    fn cached(&self, number: u64) -> Option<Arc<Vec<u8>>> {
        self.cache.groups.get(&number).cloned()
    }

    /// The group that holds a position: number, first position, try id, and its bytes if they are in memory.
    pub(crate) fn at(&self, position: Position) -> Option<Place> {
        if position >= self.end {
            return None;
        }
        let number = self.holding(position);
        let known = self.known.get(usize::try_from(number).ok()?)?;
        Some(Place { number, position: known.position, try_id: known.try_id, bytes: self.cached(number) })
    }

    pub(crate) fn keep(&mut self, number: u64, bytes: Arc<Vec<u8>>, cache_len: u64) {
        self.cache.put(number, bytes, cache_len);
    }
}

/// A known group.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) position: Position,
    try_id: [u8; 16],
    pub(crate) bytes: Option<Arc<Vec<u8>>>,
}

impl Place {
    /// Fetches the bytes again.
    pub(crate) fn fetch(&self, store: &dyn Store) -> io::Result<Arc<Vec<u8>>> {
        let object = name(self.number);
        let found = store.get(&object, OBJECT_LEN_MAX).map_err(|fault| failed(&object, &fault))?;
        let group = Group::decode(&found).map_err(|error| wrong(&object, &error))?;
        if group.try_id != self.try_id || group.position != self.position {
            return Err(wrong(&object, &flaw("the group that was read before", "another one: it was replaced")));
        }
        Ok(Arc::new(group.bytes))
    }
}

/// The groups from a number on that the store has now, as far as one request for each of `at_once` names shows it.
pub(crate) fn ahead(store: &dyn Store, from: u64, at_once: usize) -> io::Result<Vec<Group>> {
    let names: Vec<String> = (from..from + at_once as u64).map(name).collect();
    let mut groups = Vec::new();
    let mut answers = store.get_all(&names, OBJECT_LEN_MAX).into_iter().zip(&names);
    while let Some((answer, object)) = answers.next() {
        let bytes = match answer {
            Ok(bytes) => bytes,
            Err(Fault::Absent) if answers.any(|(later, _)| later.is_ok()) => {
                // It may have been created after we asked for it and before we asked for the later one.
                match store.get(object, OBJECT_LEN_MAX) {
                    Ok(_) => break,
                    Err(Fault::Absent) => {
                        let gap = flaw("a group, because a later one is there", "no such object: groups were removed");
                        return Err(wrong(object, &gap));
                    }
                    Err(fault) => return Err(failed(object, &fault)),
                }
            }
            Err(Fault::Absent) => break,
            Err(fault) => return Err(failed(object, &fault)),
        };
        groups.push(Group::decode(&bytes).map_err(|error| wrong(object, &error))?);
    }
    Ok(groups)
}

/// How many groups to ask for after so many were found at once.
pub(crate) fn more(found: usize) -> usize {
    (found * 4).clamp(1, AT_ONCE)
}
