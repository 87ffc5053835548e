//! Audits one segment alone. A sample of a log consists of such segments.
//!
//! Does: check the bytes of one segment, including the header, and the root before it if the tree there is known; report
//! findings. Does not: compare it with other segments. The first number of each stream is accepted as it is.

use super::order::Order;
use super::{Audit, Identity, Segment};
use crate::tree::Tree;
use evlog_format::{Position, SegmentHeader, Seq};

/// What the caller knows about a segment before it is read alone.
#[derive(Clone, Debug)]
pub struct Alone {
    /// The position that its name states.
    pub position: Position,
    /// The seq in its header; `None` if the header cannot be read, which becomes a finding.
    pub first_seq: Option<Seq>,
    /// Length of the file before it.
    pub previous_len: Option<u64>,
    /// The tree over all bytes before it. Without it, the root in the header is not compared, and the report has no root.
    pub tree: Option<Tree>,
    /// The header that fixes the log's id and segment limit.
    pub first_header: Option<SegmentHeader>,
    /// Whether no segment file follows it.
    pub last: bool,
}

impl Audit {
    /// Begins an audit of one segment alone. `durable_claim` is as in [`new`](Self::new). Then call `bytes` as often as
    /// needed, `end_segment` and `finish`.
    pub fn alone(segment: Alone, durable_claim: Option<Position>) -> Audit {
        let Alone { position: Position(position), first_seq, previous_len, tree, first_header, last } = segment;
        let mut audit = Audit::new(durable_claim);
        audit.identity = first_header.map(|header| Identity::new(header.identity()));
        audit.roots_known = tree.is_some();
        audit.tree = tree.unwrap_or_default();
        audit.order = Order::of_part(first_seq.unwrap_or_default());
        audit.position = position;
        audit.previous_len = previous_len;
        audit.segments = 1;
        audit.segment = Segment::new(position, position, last);
        audit
    }
}
