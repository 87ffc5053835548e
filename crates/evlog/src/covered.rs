//! A judged log against a checkpoint that was kept elsewhere.

use crate::check::Check;
use crate::error::LogError;
use evlog_format::Position;
use evlog_store::fs::Fs;
use evlog_store::{OpenError, RawLog};
use evlog_verify::audit::Report;
use evlog_verify::{Covered, Tree, Verdict};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Compares, and adds what differs to what was found. The bytes are hashed again from the start; where all was well with
/// them, from the segment in which the checkpoint ends. `older` gives other checkpoints of the log whose signatures hold:
/// they are asked for, and hashed up to, where this one does not match, to say where the first difference is.
pub fn compare(
    fs: Arc<dyn Fs>,
    dir: &Path,
    found: &mut Check,
    covered: &Covered,
    older: &mut dyn FnMut() -> Vec<Covered>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), LogError> {
    let raw = RawLog::open(fs, dir).map_err(OpenError::Io)?;
    compare_report(&raw, &mut found.report, covered, older, progress)
}

/// The same with a report on bytes.
pub(crate) fn compare_report(
    raw: &RawLog,
    report: &mut Report,
    covered: &Covered,
    older: &mut dyn FnMut() -> Vec<Covered>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), LogError> {
    let bytes: u64 = raw.segments().iter().map(|segment| segment.len).sum();
    let Position(size) = covered.size;
    let mut tree = start(raw, report, size);
    let mut told = |tree: &Tree| progress(tree.size(), size);
    read_to(raw, &mut tree, size, &mut told)?;
    let root = (tree.size() == size).then(|| tree.root());
    let within = match root {
        Some(root) if root != covered.root => narrowed(raw, covered, older(), &mut told)?,
        _ => 0..size,
    };
    covered.judge(report, bytes, root, &within);
    Ok(())
}

/// Goes on until the tree is over so many bytes, or all that there are.
fn read_to(raw: &RawLog, tree: &mut Tree, size: u64, told: &mut dyn FnMut(&Tree)) -> Result<(), LogError> {
    // Positions are those of the bytes as they lie one after another, whatever the names of their files say.
    let (mut left, mut start) = (size - tree.size().min(size), 0);
    for segment in raw.segments() {
        let skipped = (tree.size() - start).min(segment.len);
        start += segment.len;
        if left == 0 || skipped == segment.len {
            continue;
        }
        let take = left.min(segment.len - skipped);
        let read = raw.read_in(segment, skipped..skipped + take, &mut |chunk| {
            tree.update(chunk);
            told(tree);
        });
        read.map_err(OpenError::Io)?;
        left -= take;
    }
    Ok(())
}

/// Where the first byte stands that is not as it was signed: after the last checkpoint that matches, and before the end of
/// the first that does not.
fn narrowed(
    raw: &RawLog,
    covered: &Covered,
    mut older: Vec<Covered>,
    told: &mut dyn FnMut(&Tree),
) -> Result<Range<u64>, LogError> {
    older.retain(|other| other.log_id == covered.log_id && other.size < covered.size);
    older.sort_by_key(|other| other.size);
    let (mut tree, mut same) = (Tree::new(), 0);
    for Covered { size: Position(size), root, .. } in older {
        read_to(raw, &mut tree, size, told)?;
        if tree.root() != root {
            return Ok(same..size);
        }
        same = size;
    }
    Ok(same..covered.size.0)
}

/// A tree over bytes that need not be read again: those before the segment in which the checkpoint ends, if the audit has
/// found that all headers state true roots.
fn start(raw: &RawLog, report: &Report, size: u64) -> Tree {
    if report.verdict() != Verdict::Clean {
        return Tree::new();
    }
    let holding = raw.segments().iter().rfind(|segment| segment.position.0 <= size);
    holding.and_then(|segment| raw.tree_before(segment)).unwrap_or_default()
}
