//! Compares a judged log with a checkpoint that was kept elsewhere.

use crate::error::LogError;
use crate::extent::end;
use evlog_format::frame::Decoded;
use evlog_format::{
    CommitReader, FORMAT_VERSION, FRAME_HEADER_LEN, FrameCodec, Position, SEGMENT_HEADER_LEN, SegmentHeader, Seq,
};
use evlog_store::fs::Fs;
use evlog_store::{OpenError, RawLog};
use evlog_verify::audit::Report;
use evlog_verify::{Covered, Finding, Tree, Verdict};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Compares the log with a checkpoint, and adds differences to the report. The bytes are hashed again from the start. If the
/// report has no finding about them, they are hashed only from the segment in which the checkpoint ends. `older` returns other
/// checkpoints of the log with valid signatures. They are used only if this one does not match, to find where the first
/// difference is.
pub fn compare(
    fs: Arc<dyn Fs>,
    dir: &Path,
    report: &mut Report,
    covered: &Covered,
    older: &mut dyn FnMut() -> Vec<Covered>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), LogError> {
    let end = end(&fs, dir)?;
    let raw = RawLog::open(fs, dir).map_err(OpenError::Io)?;
    compare_with(&raw, end, report, covered, older, progress)
}

/// What a checkpoint states about a log besides its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The number of bytes that it covers.
    pub size: Position,
    /// The log's format version.
    pub format_version: u32,
    /// The seq that follows the last event in these bytes.
    pub next_seq: Seq,
}

/// Compares what a checkpoint states besides its root, and adds the differences (rule C-54). If the report has findings
/// already, nothing is added, because then the bytes themselves are not those that were signed.
pub fn compare_stated(fs: Arc<dyn Fs>, dir: &Path, report: &mut Report, stated: &Stated) -> Result<(), LogError> {
    if report.verdict() != Verdict::Clean {
        return Ok(());
    }
    for (what, expected, found) in stated_otherwise(fs, dir, stated)? {
        let (verdict, position, rule) = (Verdict::Tampered, stated.size, "C-54");
        let message = format!("{what} in the checkpoint");
        report.findings.add(Finding { verdict, position, seq: None, stream: None, rule, expected, found, message });
    }
    Ok(())
}

/// The statements of a checkpoint that contradict the log. Each is in words: which member, what is stated, what the log has.
/// Empty if the checkpoint covers more bytes than the log has.
pub fn stated_otherwise(
    fs: Arc<dyn Fs>,
    dir: &Path,
    stated: &Stated,
) -> Result<Vec<(&'static str, String, String)>, LogError> {
    if end(&fs, dir)? < stated.size {
        return Ok(Vec::new());
    }
    let raw = RawLog::open(fs, dir).map_err(OpenError::Io)?;
    let next_seq = next_seq_at(&raw, stated.size)?.map_or("no end of a commit there".to_owned(), |seq| seq.to_string());
    let mut sides = vec![
        ("format version", stated.format_version.to_string(), FORMAT_VERSION.to_string()),
        ("next seq", stated.next_seq.to_string(), next_seq),
    ];
    sides.retain(|(_, expected, found)| expected != found);
    Ok(sides)
}

/// The seq after the commit that ends at a position; `None` if no commit ends there.
fn next_seq_at(raw: &RawLog, position: Position) -> Result<Option<Seq>, LogError> {
    let Some(segment) = raw.segments().iter().rfind(|segment| segment.position <= position) else { return Ok(None) };
    let (mut rest, mut at, mut next) = (Vec::new(), segment.position.0, None);
    let mut codec = None;
    let part = 0..position.0 - segment.position.0;
    // If a segment begins there, its header states the seq.
    let part = part.start..part.end.max(SEGMENT_HEADER_LEN as u64).min(segment.len);
    let read = raw.read_in(segment, part, &mut |chunk| {
        rest.extend_from_slice(chunk);
        let mut done = 0;
        if codec.is_none()
            && let Ok(header) = SegmentHeader::decode(&rest)
        {
            codec = Some(FrameCodec::new(header.log_id));
            next = Some(header.first_seq);
            done = SEGMENT_HEADER_LEN;
        }
        let Some(codec) = &codec else { return };
        while let Decoded::Frame(frame) = codec.decode(at + done as u64, &rest[done..]) {
            let commit = CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64);
            next = commit.ok().map(|commit| Seq(commit.head.first_seq.0.saturating_add(commit.left())));
            done += frame.len();
        }
        at += done as u64;
        rest.drain(..done);
    });
    read.map_err(OpenError::Io)?;
    // A header is not a commit: no commit ends right after it.
    let is_behind_header = position.0 == segment.position.0 + SEGMENT_HEADER_LEN as u64;
    let is_end = at == position.0 && !is_behind_header || position == segment.position;
    Ok(next.filter(|_| is_end && rest.is_empty()))
}

/// Compares an open log, whose commits end at `end`, with a checkpoint.
pub(crate) fn compare_with(
    raw: &RawLog,
    end: Position,
    report: &mut Report,
    covered: &Covered,
    older: &mut dyn FnMut() -> Vec<Covered>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), LogError> {
    let (Position(bytes), Position(size)) = (end, covered.size);
    let mut tree = start(raw, report, size);
    let mut seen = |tree: &Tree| progress(tree.size(), size);
    if bytes >= size {
        read_to(raw, &mut tree, size, &mut seen)?;
    }
    let root = (bytes >= size && tree.size() == size).then(|| tree.root());
    let within = match root {
        Some(root) if root != covered.root => narrowed(raw, covered, older(), &mut seen)?,
        _ => 0..size,
    };
    covered.judge(report, bytes, root, &within);
    Ok(())
}

/// Reads until the tree covers `size` bytes, or all bytes of the log.
fn read_to(raw: &RawLog, tree: &mut Tree, size: u64, seen: &mut dyn FnMut(&Tree)) -> Result<(), LogError> {
    // Positions count the bytes in the order of the files, even if the files' names state other positions.
    let (mut left, mut start) = (size - tree.size().min(size), 0);
    for segment in raw.segments() {
        let skipped = tree.size().saturating_sub(start).min(segment.len);
        start += segment.len;
        if left == 0 || skipped == segment.len {
            continue;
        }
        let take = left.min(segment.len - skipped);
        let read = raw.read_in(segment, skipped..skipped + take, &mut |chunk| {
            tree.update(chunk);
            seen(tree);
        });
        read.map_err(OpenError::Io)?;
        left -= take;
    }
    Ok(())
}

/// The range that holds the first byte that differs from what was signed. It begins after the last checkpoint that matches,
/// and ends with the first checkpoint that does not.
fn narrowed(
    raw: &RawLog,
    covered: &Covered,
    mut older: Vec<Covered>,
    seen: &mut dyn FnMut(&Tree),
) -> Result<Range<u64>, LogError> {
    older.retain(|other| other.log_id == covered.log_id && other.size < covered.size);
    older.sort_by_key(|other| other.size);
    let (mut tree, mut same) = (Tree::new(), 0);
    for Covered { size: Position(size), root, .. } in older {
        read_to(raw, &mut tree, size, seen)?;
        if tree.root() != root {
            return Ok(same..size);
        }
        same = size;
    }
    Ok(same..covered.size.0)
}

/// A tree over bytes that need not be read again. These are the bytes before the segment in which the checkpoint ends, if the
/// audit has found that all headers state true roots.
fn start(raw: &RawLog, report: &Report, size: u64) -> Tree {
    if report.verdict() != Verdict::Clean {
        return Tree::new();
    }
    let holding = raw.segments().iter().rfind(|segment| segment.position.0 <= size);
    holding.and_then(|segment| raw.tree_before(segment)).unwrap_or_default()
}
