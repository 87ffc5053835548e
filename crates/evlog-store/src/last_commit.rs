//! Finds the last commit of a sealed segment, from the segment's end.
//!
//! Does: say which seq comes next, so that the header of the next segment can be compared with it (rule F-16) without reading
//! the whole segment. Does not: judge the segment. If no frame ends at the segment's end, there is no answer.
//!
//! Invariants:
//! - Only bytes are read that are no further from the end than the longest frame is long.
//! - A place is tried as a frame only if it passes the test of rule F-51: its length leads exactly to the end, and its body
//!   begins like a commit. So a payload is not taken for a frame, and its text cannot make the search long.

use crate::fs::File;
use evlog_format::frame::Decoded;
use evlog_format::limits::FRAME_BODY_LEN_MAX;
use evlog_format::{CommitReader, FRAME_HEADER_LEN, FrameCodec, SEGMENT_HEADER_LEN, SegmentHeader, Seq};
use std::io;

/// How much is read first, in bytes: enough for most commits.
const WINDOW: u64 = 16 * 1024;

/// The longest frame, in bytes.
const FRAME_LEN_MAX: u64 = FRAME_HEADER_LEN as u64 + FRAME_BODY_LEN_MAX as u64;

/// The seq after a segment of this length; `None` if no frame ends at its end.
pub(crate) fn seq_after(file: &dyn File, header: &SegmentHeader, len: u64) -> io::Result<Option<Seq>> {
    let first = SEGMENT_HEADER_LEN as u64;
    if len <= first {
        return Ok((len == first).then_some(header.first_seq));
    }
    let (codec, most) = (FrameCodec::new(header.log_id), FRAME_LEN_MAX.min(len - first));
    let (mut window, mut tried) = (WINDOW.min(most), 0);
    loop {
        let start = len - window;
        let mut bytes = vec![0; usize::try_from(window).unwrap_or(usize::MAX)];
        if file.read_full_at(&mut bytes, start)? < bytes.len() {
            return Ok(None);
        }
        let places = bytes.len().saturating_sub(FRAME_HEADER_LEN);
        let found = (0..places).rev().skip(tried).find_map(|at| {
            let position = header.position.0 + start + at as u64;
            seq_after_frame(&codec, position, &bytes[at..])
        });
        if found.is_some() || window == most {
            return Ok(found);
        }
        (tried, window) = (places, (window * 16).min(most));
    }
}

/// The seq after the commit of a frame that begins here and fills `bytes`.
fn seq_after_frame(codec: &FrameCodec, position: u64, bytes: &[u8]) -> Option<Seq> {
    let (head, body) = bytes.split_first_chunk::<FRAME_HEADER_LEN>()?;
    let len = u32::from_le_bytes(*head.first_chunk()?);
    if len as usize != body.len() {
        return None;
    }
    let commit = CommitReader::new(body, position + FRAME_HEADER_LEN as u64).ok()?;
    let Decoded::Frame(_) = codec.decode(position, bytes) else { return None };
    Some(Seq(commit.head.first_seq.0.saturating_add(commit.left())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sim::{Act, SimFs};
    use crate::fs::{Fs, StdFs};
    use crate::segment::Files;
    use evlog_format::{CommitHead, Durability, Event, Kind, LogId, PLAIN, Position, Root, encode_commit};
    use std::path::Path;
    use std::sync::Arc;

    const HEADER: SegmentHeader = SegmentHeader {
        log_id: LogId([5; 16]),
        segment_limit: 1 << 20,
        position: Position(7000),
        first_seq: Seq(40),
        root_before: Root([1; 32]),
    };

    /// A segment of commits with one event each, whose payloads have these lengths.
    fn segment(lens: &[usize]) -> Vec<u8> {
        let codec = FrameCodec::new(HEADER.log_id);
        let mut bytes = HEADER.encode().to_vec();
        for (number, len) in (0u64..).zip(lens) {
            let payload = vec![b'0'; *len];
            let (kind, head) = (Kind::Custom("custom/n"), CommitHead::new(Seq(40 + number), 1, Durability::Sync, "a"));
            let event = Event {
                stream: "r",
                number,
                kind,
                kind_version: 1,
                causation: None,
                protection: PLAIN,
                payload: &payload,
            };
            let position = HEADER.position.0 + bytes.len() as u64;
            codec.encode(position, 0, &mut bytes, |out| encode_commit(&head, &[event], out)).unwrap().unwrap();
        }
        bytes
    }

    fn after(bytes: &[u8]) -> Option<Seq> {
        let fs = SimFs::new();
        fs.put(Path::new("/segment"), bytes.to_vec());
        let file = fs.open_read(Path::new("/segment")).unwrap();
        seq_after(file.as_ref(), &HEADER, bytes.len() as u64).unwrap()
    }

    #[test]
    fn the_last_commit_is_found_whatever_its_length() {
        // F-16.
        assert_eq!(after(&segment(&[])), Some(Seq(40)));
        for last in [0, 1, 5000, 16_300, 16_400, 200_000, 262_000, 263_000, 5_000_000] {
            assert_eq!(after(&segment(&[10, 300_000, last])), Some(Seq(43)), "{last}");
            assert_eq!(after(&segment(&[last])), Some(Seq(41)), "{last}");
        }
    }

    #[test]
    fn a_segment_whose_end_is_damaged_gives_no_seq_and_is_searched_no_further_than_the_longest_frame() {
        let whole = segment(&[10, 300, 20]);
        for (name, bytes) in [
            ("a bit", [&whole[..whole.len() - 1], &[whole[whole.len() - 1] ^ 1]].concat()),
            ("one byte less", whole[..whole.len() - 1].to_vec()),
            ("zeros after it", [&whole[..], &[0; 40]].concat()),
        ] {
            assert_eq!(after(&bytes), None, "{name}");
        }
        // 64 GiB. All except the beginning is a hole that reads as zeros, so no frame ends at the end.
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("sparse");
        std::fs::write(&path, &whole).unwrap();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(64 << 30).unwrap();
        let file = StdFs.open_read(&path).unwrap();
        assert_eq!(seq_after(file.as_ref(), &HEADER, 64 << 30).unwrap(), None);
    }

    #[test]
    fn a_segment_that_cannot_be_read_refuses_no_other() {
        // F-16: the reader that gets there reports it.
        let (fs, bytes) = (SimFs::new(), segment(&[10, 20]));
        let files = Files::new(Arc::new(fs.clone()), Path::new("/log"));
        fs.put(&files.layout.segment(HEADER.position), bytes.clone());
        let next = |first_seq| {
            let position = Position(HEADER.position.0 + bytes.len() as u64);
            files.check_first_seq(&[HEADER.position, position], &SegmentHeader { position, first_seq, ..HEADER })
        };
        assert!(next(Seq(42)).is_ok());
        assert!(next(Seq(41)).is_err());
        // The header can be read, and the bytes after it cannot.
        fs.fail(Act::Read, 1, io::ErrorKind::Other);
        assert!(next(Seq(41)).is_ok());
    }
}
