//! A segment audited apart from what precedes it, and joined: so that a log is audited by many threads.
//!
//! Does: audit one segment that ends with a frame, taking its header at its word, and hold that word against the segments before it when it
//! is joined. Does not: tell what is wrong. A part is whole or it is none, and joins or does not; who wants to know why
//! reads the log again in order, which is the one way to findings.
//!
//! Invariant: an audit that joined parts says what it would have said had it read them.

use super::order::Order;
use super::{Audit, OtherVersion, Segment, State};
use crate::tree::Span;
use crate::verdict::Verdict;
use evlog_format::{Position, SegmentHeader};

/// A segment in which nothing is wrong by itself, and whose last byte is a frame's.
#[derive(Clone, Debug)]
pub struct Part {
    header: SegmentHeader,
    /// Length of the segment before, as its caller said.
    previous_len: Option<u64>,
    len: u64,
    order: Order,
    span: Span,
}

/// What an audit of one segment knows besides.
#[derive(Clone, Debug)]
pub(super) struct Apart {
    pub(super) header: Option<SegmentHeader>,
    pub(super) span: Span,
    previous_len: Option<u64>,
}

impl Audit {
    /// Begins with a segment whose name states `position`: one that another one follows, or the last one, which is a part
    /// only where it ends as if it were sealed. `previous_len` is the length of the file before it. Of its commits only those of the log's own are handed out. Then `bytes` as often as needed, and [`end_part`](Self::end_part).
    pub fn part(position: Position, previous_len: Option<u64>) -> Audit {
        let mut audit = Audit::new(None);
        audit.position = position.0;
        audit.apart = Some(Apart { header: None, span: Span::new(position.0), previous_len });
        audit.roots_known = false;
        audit.previous_len = previous_len;
        audit.segments = 1;
        audit.segment = Segment::new(position.0, position.0, false);
        audit
    }

    /// The segment file ends. Nothing when anything is wrong in it.
    pub fn end_part(mut self) -> Result<Option<Part>, OtherVersion> {
        self.end_segment()?;
        let Some(Apart { header: Some(header), span, previous_len }) = self.apart else { return Ok(None) };
        self.order.settle();
        let is_whole = self.findings.count() == 0 && self.prefix.is_none() && matches!(self.state, State::Frames);
        let part = Part { header, previous_len, len: self.size, order: self.order, span };
        Ok(is_whole.then_some(part))
    }

    /// Takes the part that follows; false when it does not continue what is before it, or something was found before.
    /// After that nothing can be told from this audit any more.
    #[must_use]
    pub fn join(&mut self, part: Part) -> bool {
        let previous_len = self.previous_len;
        let follows = self.segments == 0 || previous_len.is_some();
        self.begin_segment(part.header.position, false);
        self.good_header(&part.header);
        let agrees = follows && previous_len == part.previous_len && self.findings.verdict() == Verdict::Clean;
        if !agrees || self.prefix.is_some() || !self.tree.join(&part.span) || !self.order.join(part.order) {
            return false;
        }
        self.size += part.len;
        self.position += part.len;
        self.previous_len = Some(part.len);
        self.state = State::Frames;
        true
    }
}
