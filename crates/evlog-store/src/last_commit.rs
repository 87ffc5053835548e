//! The last commit of a sealed segment, found from the segment's end.
//!
//! Does: say which seq comes next, so that the header of the next segment can be compared with it (rule F-16) without
//! reading the whole segment. Does not: judge the segment. Where no frame ends at its end, nothing is known.
//!
//! Only a place whose length leads exactly to the end is tried, and the checksum covers the frame's position. So what a
//! caller wrote into a payload is not taken for a frame (rule F-51).

use crate::fs::File;
use evlog_format::frame::Decoded;
use evlog_format::{CommitReader, FRAME_HEADER_LEN, FrameCodec, SEGMENT_HEADER_LEN, SegmentHeader, Seq};
use std::io;

/// How much is read first, in bytes. It holds most commits.
const WINDOW: u64 = 16 * 1024;

/// The seq after a segment of this length; none where no frame ends at its end.
pub(crate) fn seq_after(file: &dyn File, header: &SegmentHeader, len: u64) -> io::Result<Option<Seq>> {
    let first = SEGMENT_HEADER_LEN as u64;
    if len <= first {
        return Ok((len == first).then_some(header.first_seq));
    }
    let codec = FrameCodec::new(header.log_id);
    let (mut window, mut tried) = (WINDOW.min(len - first), 0);
    loop {
        let start = len - window;
        let mut bytes = vec![0; usize::try_from(window).unwrap_or(usize::MAX)];
        if file.read_full_at(&mut bytes, start)? < bytes.len() {
            return Ok(None);
        }
        let places = (0..bytes.len().saturating_sub(FRAME_HEADER_LEN)).rev().skip(tried);
        for at in places {
            if let Some(seq) = seq_after_frame(&codec, header.position.0 + start + at as u64, &bytes[at..]) {
                return Ok(Some(seq));
            }
        }
        if start == first {
            return Ok(None);
        }
        tried = bytes.len().saturating_sub(FRAME_HEADER_LEN);
        window = (window * 16).min(len - first);
    }
}

/// The seq after the commit of a frame that begins here and fills `bytes`.
fn seq_after_frame(codec: &FrameCodec, position: u64, bytes: &[u8]) -> Option<Seq> {
    let len = u32::from_le_bytes(*bytes.first_chunk()?);
    if len as usize != bytes.len() - FRAME_HEADER_LEN {
        return None;
    }
    let Decoded::Frame(frame) = codec.decode(position, bytes) else { return None };
    let commit = CommitReader::new(frame.body, position + FRAME_HEADER_LEN as u64).ok()?;
    Some(Seq(commit.head.first_seq.0.saturating_add(commit.left())))
}
