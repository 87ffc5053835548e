//! Frames: whole, cut, flipped, moved, and of another log.

use crate::support::{LOG_ID, any_commit, body, full, head, hex, plain};
use evlog_format::frame::Decoded;
use evlog_format::limits::FRAME_BODY_LEN_MAX;
use evlog_format::{FRAME_HEADER_LEN, Flaw, FrameCodec, LogId};
use proptest::prelude::*;
use std::convert::Infallible;

fn framed(position: u64, durable_before: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let put = |out: &mut Vec<u8>| {
        out.extend_from_slice(content);
        Ok::<(), Infallible>(())
    };
    FrameCodec::new(LOG_ID).encode(position, durable_before, &mut out, put).unwrap().unwrap();
    out
}

fn sample() -> Vec<u8> {
    framed(96, 96, &body(&head(), &[plain(), full()]))
}

fn decode(position: u64, bytes: &[u8]) -> Decoded<'_> {
    FrameCodec::new(LOG_ID).decode(position, bytes)
}

#[test]
fn a_frame_has_these_bytes() {
    // F-20, F-22: golden; the checksum was computed by hand with another implementation of CRC-32.
    let expected = "0300000042ce92335e00000000000000616263";
    let bytes = framed(96, 94, b"abc");
    assert_eq!(hex(&bytes), expected);
    let Decoded::Frame(frame) = decode(96, &bytes) else { panic!("a frame") };
    assert_eq!((frame.position, frame.durable_before, frame.body), (96, 94, &b"abc"[..]));
    assert_eq!((frame.len(), frame.end(), frame.is_empty()), (FRAME_HEADER_LEN + 3, 96 + 19, false));
}

#[test]
fn a_frame_cut_anywhere_is_incomplete_and_says_how_much_it_needs() {
    // F-21.
    let bytes = sample();
    for len in 0..bytes.len() {
        let need = if len < 4 { FRAME_HEADER_LEN } else { bytes.len() };
        assert_eq!(decode(96, &bytes[..len]), Decoded::Incomplete { need }, "{len} bytes");
    }
}

#[test]
fn every_flipped_bit_of_a_frame_is_noticed() {
    // F-22.
    let bytes = sample();
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let decoded = decode(96, &other);
        assert!(matches!(decoded, Decoded::Corrupt(_) | Decoded::Incomplete { .. }), "bit {bit}: {decoded:?}");
    }
}

#[test]
fn a_frame_counts_only_in_its_log_and_at_its_position() {
    // F-22.
    let bytes = sample();
    for position in [0, 95, 97, 96 + (1 << 32)] {
        assert!(matches!(decode(position, &bytes), Decoded::Corrupt(c) if c.flaw.rule() == "F-22"), "{position}");
    }
    let mut other = LOG_ID.0;
    other[15] ^= 1;
    let decoded = FrameCodec::new(LogId(other)).decode(96, &bytes);
    assert!(matches!(decoded, Decoded::Corrupt(c) if c.flaw.rule() == "F-22"));
}

#[test]
fn a_length_of_zero_is_no_frame_whatever_follows() {
    // F-21, F-25.
    for bytes in [&[0; 4][..], &[0; 16], &[0, 0, 0, 0, 9, 9, 9, 9]] {
        assert_eq!(decode(96, bytes), Decoded::Empty);
    }
    assert_eq!(decode(96, &[0; 3]), Decoded::Incomplete { need: FRAME_HEADER_LEN });
}

#[test]
fn a_length_beyond_the_limit_is_refused_by_its_four_bytes() {
    // F-21, F-04.
    let at_limit = FRAME_BODY_LEN_MAX.to_le_bytes();
    let need = FRAME_HEADER_LEN + usize::try_from(FRAME_BODY_LEN_MAX).unwrap();
    assert_eq!(decode(0, &at_limit), Decoded::Incomplete { need });
    for len in [FRAME_BODY_LEN_MAX + 1, u32::MAX] {
        let Decoded::Corrupt(found) = decode(7, &len.to_le_bytes()) else { panic!("refused") };
        assert_eq!((found.position, found.flaw.rule()), (7, "F-21"));
    }
}

#[test]
fn durable_before_is_not_beyond_the_frame() {
    // F-23.
    assert!(matches!(decode(96, &framed(96, 96, b"x")), Decoded::Frame(_)));
    let bytes = framed(96, 97, b"x");
    let Decoded::Corrupt(found) = decode(96, &bytes) else { panic!("refused") };
    assert_eq!(found.flaw, Flaw::Order { of: "durable-before", expected: 96, found: 97 });
    assert_eq!(found.flaw.rule(), "F-23");
}

#[test]
fn a_body_that_is_empty_or_too_long_is_not_written() {
    // F-21.
    let codec = FrameCodec::new(LOG_ID);
    let mut out = b"before".to_vec();
    assert_eq!(codec.encode(0, 0, &mut out, |_| Ok::<(), ()>(())), Err(0));
    let long = usize::try_from(FRAME_BODY_LEN_MAX).unwrap() + 1;
    let put = |out: &mut Vec<u8>| {
        out.resize(out.len() + long, 1);
        Ok::<(), ()>(())
    };
    assert_eq!(codec.encode(0, 0, &mut out, put), Err(long as u64));
    let refuse = |out: &mut Vec<u8>| {
        out.push(1);
        Err("no")
    };
    assert_eq!(codec.encode(0, 0, &mut out, refuse), Ok(Err("no")));
    assert_eq!(out, b"before");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_is_read_as_it_was_written(any in any_commit(), position in 0..=1u64 << 40, behind in 0usize..40) {
        let content = body(&any.head(), &any.events());
        let mut bytes = framed(position, position / 2, &content);
        let len = bytes.len();
        bytes.resize(len + behind, 0xa5);
        let Decoded::Frame(frame) = decode(position, &bytes) else { panic!("a frame") };
        prop_assert_eq!((frame.durable_before, frame.len(), frame.body), (position / 2, len, &content[..]));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(position in any::<u64>(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let decoded = decode(position, &bytes);
        prop_assert!(!matches!(decoded, Decoded::Frame(_)), "four billion to one");
    }
}

#[test]
fn a_frame_within_a_body_is_found_wherever_it_stands_and_nothing_else_is() {
    // F-51.
    let codec = FrameCodec::new(LOG_ID);
    let inner = body(&head(), &[plain()]);
    for (before, behind) in [(0, 0), (1, 0), (7, 30), (500, 2)] {
        let at = 1000 + before as u64;
        let outer = [vec![b'x'; before], framed(at, 96, &inner), vec![b'y'; behind]].concat();
        assert_eq!(codec.frame_within(1000, &outer), Some(before), "{before} {behind}");
        // Of another place, of another log, cut, or after its own durable floor: no frame of this log.
        assert_eq!(codec.frame_within(1001, &outer), None);
        assert_eq!(FrameCodec::new(LogId([9; 16])).frame_within(1000, &outer), None);
        assert_eq!(codec.frame_within(1000, &outer[..outer.len() - behind - 1]), None);
        let late = [vec![b'x'; before], framed(at, at + 1, &inner)].concat();
        assert_eq!(codec.frame_within(1000, &late), None);
    }
    let no_commit = framed(1000, 96, &[0xff; 40]);
    assert_eq!(codec.frame_within(1000, &no_commit), None);
    assert_eq!(codec.frame_within(1000, &body(&head(), &[plain(), full()])), None);
}

#[test]
fn bytes_that_look_like_very_many_frames_are_given_up_as_one() {
    // F-51: the work is bounded for any bytes.
    let inner = body(&head(), &[plain()]);
    let start = [&[0x00, 0x00, 0x08, 0x00], &[1; 4][..], &[0; 8], &inner].concat();
    let many: Vec<u8> = start.iter().copied().cycle().take(4 * 1024 * 1024).collect();
    assert!(FrameCodec::new(LOG_ID).frame_within(1000, &many).is_some());
}
