//! Audits a segment apart from those before it, and joins the result, so that many threads can audit a log.
//!
//! Does: audit one segment that ends with a frame. Its header is accepted as it is, and is compared with the segments before it
//! when the part is joined. Does not: report findings. If anything is wrong, there is no part, or it does not join. To find the
//! reason, the caller reads the log again in order.
//!
//! Invariant: an audit that joined parts gives the same report as an audit that read the same segments in order.

use super::order::Order;
use super::{Audit, OtherVersion, Segment, State};
use crate::tree::Span;
use crate::verdict::Verdict;
use evlog_format::{Position, SegmentHeader};

/// A segment that has no flaw by itself, and ends with a frame.
#[derive(Clone, Debug)]
pub struct Part {
    header: SegmentHeader,
    /// Length of the previous segment, as the caller stated it.
    previous_len: Option<u64>,
    len: u64,
    order: Order,
    span: Span,
}

/// The additional state of an audit of one segment.
#[derive(Clone, Debug)]
pub(super) struct Apart {
    pub(super) header: Option<SegmentHeader>,
    pub(super) span: Span,
    previous_len: Option<u64>,
}

impl Audit {
    /// Begins an audit of one segment, whose name states `position`. The last segment is a part only if it ends with a
    /// frame, like a sealed one. `previous_len` is the length of the previous segment's file. Then call `bytes` as often as
    /// needed, and [`end_part`](Self::end_part). `bytes` passes only those commits to its visitor that
    /// have an event of the log itself.
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

    /// Ends the segment file. Returns `None` if anything is wrong in it.
    pub fn end_part(mut self) -> Result<Option<Part>, OtherVersion> {
        self.end_segment()?;
        let Some(Apart { header: Some(header), span, previous_len }) = self.apart else { return Ok(None) };
        self.order.settle();
        let is_whole = self.findings.count() == 0 && self.prefix.is_none() && matches!(self.state, State::Frames);
        let part = Part { header, previous_len, len: self.size, order: self.order, span };
        Ok(is_whole.then_some(part))
    }

    /// Joins the next part. Returns false if the part does not continue the segments before it, or if there were findings
    /// before. After `false`, this audit must not be used.
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
