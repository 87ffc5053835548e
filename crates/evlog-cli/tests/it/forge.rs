//! The attacker: changes what a commit says and makes its checksum right again.

use evlog_format::checksum::crc32;
use evlog_format::frame::Decoded;
use evlog_format::{Frame, FrameCodec, SEGMENT_HEADER_LEN, SegmentHeader};
use evlog_proof::Checkpoint;
use std::fs;
use std::path::{Path, PathBuf};

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
    assert_eq!(forged.len(), len, "the frames after it stay where they are");
    bytes[at..at + len].copy_from_slice(&forged);
    fs::write(segment, &bytes).unwrap();
}

/// Makes the event that records a checkpoint state the root that the bytes have now.
pub(crate) fn mend_record(segments: &[PathBuf], signed: &Checkpoint) {
    let log: Vec<u8> = segments.iter().flat_map(|segment| fs::read(segment).unwrap()).collect();
    let now = *blake3::hash(&log[..usize::try_from(signed.size.0).unwrap()]).as_bytes();
    let place = |bytes: &[u8]| bytes.windows(32).position(|found| found == signed.root.0);
    let segment = segments.iter().find(|segment| place(&fs::read(segment).unwrap()).is_some()).unwrap();
    let is_there = |n: &usize| {
        let mut found = false;
        let was = fs::read(segment).unwrap();
        rewrite(segment, *n, |body| found = place(body).is_some());
        assert!(fs::read(segment).unwrap() == was);
        found
    };
    let nth = (0..10_000).find(is_there).unwrap();
    rewrite(segment, nth, |body| {
        let at = place(body).unwrap();
        body[at..at + 32].copy_from_slice(&now);
    });
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
