//! The attacker: changes what a commit says and makes its checksum right again.

use evlog_format::frame::Decoded;
use evlog_format::{FrameCodec, SEGMENT_HEADER_LEN, SegmentHeader};
use std::fs;
use std::path::Path;

/// Changes the body of the segment's `n`th frame; its length stays.
pub(crate) fn rewrite(segment: &Path, n: usize, change: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(segment).unwrap();
    let header = SegmentHeader::decode(&bytes).unwrap();
    let codec = FrameCodec::new(header.log_id);
    let mut at = SEGMENT_HEADER_LEN;
    for _ in 0..n {
        let Decoded::Frame(frame) = codec.decode(header.position.0 + at as u64, &bytes[at..]) else {
            panic!("a frame")
        };
        at += frame.len();
    }
    let position = header.position.0 + at as u64;
    let Decoded::Frame(frame) = codec.decode(position, &bytes[at..]) else { panic!("a frame") };
    let mut body = frame.body.to_vec();
    change(&mut body);
    let mut forged = Vec::new();
    let write = |out: &mut Vec<u8>| {
        out.extend_from_slice(&body);
        Ok::<(), ()>(())
    };
    codec.encode(position, frame.durable_before, &mut forged, write).unwrap().unwrap();
    bytes[at..at + forged.len()].copy_from_slice(&forged);
    fs::write(segment, &bytes).unwrap();
}

/// Changes the last digit that the body holds: a payload that says another number, and nothing else.
pub(crate) fn other_number(body: &mut [u8]) {
    let digit = body.iter_mut().rev().find(|byte| byte.is_ascii_digit()).unwrap();
    *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
}
