//! Finds where frames continue after bytes that are not a frame.
//!
//! Does: find the next place where a whole frame begins. Does not: say what the bytes before it mean, or trust the frame's
//! commit.

use crate::fs::File;
use crate::walk::{SEARCH_BUDGET, Walk, candidate};
use evlog_format::frame::Decoded;
use evlog_format::limits::FRAME_BODY_LEN_MAX;
use evlog_format::{FRAME_HEADER_LEN, FrameCodec};
use std::io;
use std::sync::Arc;

/// A segment file in which frames are searched.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) file: Arc<dyn File>,
    pub(crate) codec: FrameCodec,
    /// Position of the file's first byte.
    pub(crate) base: u64,
    /// How many of its bytes count.
    pub(crate) limit: u64,
}

impl Ground {
    /// Frames from `offset` on.
    pub(crate) fn walk(&self, offset: u64) -> Walk {
        Walk::new(Arc::clone(&self.file), self.codec.clone(), self.base, offset, self.limit)
    }

    /// Offset of the first whole frame at or after `from`; `None` if there is none, or none within the search's budget.
    pub(crate) fn next_frame(&self, from: u64) -> io::Result<Option<u64>> {
        let (mut walk, mut at, mut budget) = (self.walk(from), from, SEARCH_BUDGET);
        while let Some(head) = walk.bytes(at, FRAME_HEADER_LEN)?.first_chunk::<FRAME_HEADER_LEN>() {
            let (len, durable) = candidate(head);
            let plausible =
                len > 0 && len <= FRAME_BODY_LEN_MAX && u64::from(len) <= budget && durable <= self.base + at;
            if plausible {
                budget -= u64::from(len);
                let bytes = walk.bytes(at, FRAME_HEADER_LEN + len as usize)?;
                if let Decoded::Frame(_) = self.codec.decode(self.base + at, bytes) {
                    return Ok(Some(at));
                }
            }
            at += 1;
        }
        Ok(None)
    }
}
