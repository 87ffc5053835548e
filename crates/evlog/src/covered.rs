//! A judged log against a checkpoint that was kept elsewhere.

use crate::check::Check;
use crate::error::LogError;
use evlog_store::fs::Fs;
use evlog_store::{OpenError, RawLog};
use evlog_verify::{Covered, Tree, Verdict};
use std::path::Path;
use std::sync::Arc;

/// Compares, and adds what differs to what was found. The bytes are hashed again from the start; where all was well with
/// them, from the segment in which the checkpoint ends.
pub fn compare(
    fs: Arc<dyn Fs>,
    dir: &Path,
    found: &mut Check,
    covered: &Covered,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), LogError> {
    let raw = RawLog::open(fs, dir).map_err(OpenError::Io)?;
    let bytes: u64 = raw.segments().iter().map(|segment| segment.len).sum();
    let size = covered.size.0;
    let mut tree = start(&raw, found, size);
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
            progress(tree.size(), size);
        });
        read.map_err(OpenError::Io)?;
        left -= take;
    }
    let root = (tree.size() == size).then(|| tree.root());
    covered.judge(&mut found.report, bytes, root);
    Ok(())
}

/// A tree over bytes that need not be read again: those before the segment in which the checkpoint ends, if the audit has
/// found that all headers state true roots.
fn start(raw: &RawLog, found: &Check, size: u64) -> Tree {
    if found.report.verdict() != Verdict::Clean {
        return Tree::new();
    }
    let holding = raw.segments().iter().rfind(|segment| segment.position.0 <= size);
    holding.and_then(|segment| raw.tree_before(segment)).unwrap_or_default()
}
