//! The attacker: changes what a commit says and makes its checksum right again.

use evlog_format::checksum::crc32;
use evlog_format::frame::Decoded;
use evlog_format::{Frame, FrameCodec, SEGMENT_HEADER_LEN, SegmentHeader};
use std::fs;
use std::path::Path;

/// Changes the body of the segment's `n`th frame; its length stays.
pub(crate) fn rewrite(segment: &Path, n: usize, change: impl FnOnce(&mut [u8])) {
    reframe(segment, n, |frame| {
        let mut body = frame.body.to_vec();
        change(&mut body);
        (frame.durable_before, body)
    });
}

/// Gives the segment's `n`th frame another durable-before and another body, of the same length.
pub(crate) fn reframe(segment: &Path, n: usize, change: impl FnOnce(&Frame<'_>) -> (u64, Vec<u8>)) {
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
    let ((durable_before, body), len) = (change(&frame), frame.len());
    let mut forged = Vec::new();
    let write = |out: &mut Vec<u8>| {
        out.extend_from_slice(&body);
        Ok::<(), ()>(())
    };
    codec.encode(position, durable_before, &mut forged, write).unwrap().unwrap();
    assert_eq!(forged.len(), len, "the frames behind it stay where they are");
    bytes[at..at + len].copy_from_slice(&forged);
    fs::write(segment, &bytes).unwrap();
}

/// Changes a field of the segment's header.
pub(crate) fn head_field(segment: &Path, at: usize, field: &[u8]) {
    let mut bytes = fs::read(segment).unwrap();
    bytes[at..at + field.len()].copy_from_slice(field);
    let checksum = crc32(&bytes[..SEGMENT_HEADER_LEN - 4]).to_le_bytes();
    bytes[SEGMENT_HEADER_LEN - 4..SEGMENT_HEADER_LEN].copy_from_slice(&checksum);
    fs::write(segment, bytes).unwrap();
}

/// Changes the last digit that the body holds: a payload that says another number, and nothing else.
pub(crate) fn other_number(body: &mut [u8]) {
    let digit = body.iter_mut().rev().find(|byte| byte.is_ascii_digit()).unwrap();
    *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
}
