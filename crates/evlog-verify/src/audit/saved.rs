//! Saves an audit between two segments as bytes, so that an audit that was interrupted can continue.
//!
//! Does: write and read the state of an audit without findings: the values that the headers fix, the tree, and the tables of
//! streams and idempotency keys. Does not: keep findings, or protect the bytes. The caller that keeps the bytes adds a digest,
//! and the caller that continues compares the tree with the log. The state is trusted, because the beginning of the log is not
//! read again.
//!
//! Invariant: an audit that was continued gives the same report as an audit that was not interrupted.

use super::left::Left;
use super::order::Order;
use super::{Audit, Identity, Segment, State};
use crate::tree::{Frontier, Tree};
use alloc::vec::Vec;
use core::fmt;
use evlog_format::{LogId, LogIdentity, Position, Seq};

const VERSION: u32 = 1;

/// The bytes are not a saved audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSaved;

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a saved audit of version {VERSION}, found other bytes")
    }
}

impl core::error::Error for NotSaved {}

impl Audit {
    /// The bytes that are needed to continue after the last segment that was ended. `None` if there are findings so far,
    /// because a saved audit has no findings.
    pub fn save(&self) -> Option<Vec<u8>> {
        let log = self.identity.as_ref()?.log;
        let is_well = self.findings.count() == 0 && self.prefix.is_none() && self.roots_known && self.apart.is_none();
        let previous_len = self.previous_len.filter(|_| is_well && self.rest.is_empty())?;
        let mut out = Vec::new();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&log.log_id.0);
        for number in [log.segment_limit, self.segments, previous_len] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let tree = self.tree.frontier().encode();
        out.extend_from_slice(&(tree.len() as u64).to_le_bytes());
        out.extend_from_slice(&tree);
        self.order.save(&mut out);
        Some(out)
    }

    /// Continues from saved bytes, with the segment that follows. `durable_claim` is as in [`new`](Self::new).
    pub fn restore(bytes: &[u8], durable_claim: Option<Position>) -> Result<Audit, NotSaved> {
        read(bytes, durable_claim).ok_or(NotSaved)
    }

    /// The log's identity; `None` until a header could be read.
    pub fn log_id(&self) -> Option<LogId> {
        self.identity.as_ref().map(|identity| identity.log.log_id)
    }

    /// The seq that comes next.
    pub fn next_seq(&self) -> Seq {
        Seq(self.order.next_seq)
    }

    /// The tree over the bytes that were read.
    pub fn frontier(&self) -> Frontier {
        self.tree.frontier()
    }
}

fn read(bytes: &[u8], durable_claim: Option<Position>) -> Option<Audit> {
    let mut saved = Left::new(bytes);
    if saved.array()? != VERSION.to_le_bytes() {
        return None;
    }
    let log_id = LogId(saved.array()?);
    let (segment_limit, segments, previous_len) = (saved.number()?, saved.number()?, saved.number()?);
    let len = saved.number()?;
    let tree = Tree::resume(Frontier::decode(saved.bytes(len)?).ok()?);
    let order = Order::resume(&mut saved)?;
    let position = tree.size();
    saved.is_empty().then(|| Audit {
        identity: Some(Identity::new(LogIdentity { log_id, segment_limit })),
        order,
        segments,
        size: position,
        position,
        tree,
        previous_len: Some(previous_len),
        segment: Segment::new(position, position, false),
        state: State::Frames,
        ..Audit::new(durable_claim)
    })
}
