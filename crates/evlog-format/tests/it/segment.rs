//! Segment headers: the golden one, every flipped bit, every field out of range.

use crate::support::{LOG_ID, hex};
use evlog_format::checksum::crc32;
use evlog_format::limits::{POSITION_MAX, SEGMENT_LIMIT_MAX, SEGMENT_LIMIT_MIN};
use evlog_format::{HeaderError, LogId, Position, Root, SEGMENT_HEADER_LEN, SegmentHeader, Seq};
use proptest::prelude::*;

fn sample() -> SegmentHeader {
    SegmentHeader {
        log_id: LOG_ID,
        segment_limit: 0x0001_0203,
        position: Position(0x0405_0607),
        first_seq: Seq(0x0809),
        root_before: Root([0xab; 32]),
    }
}

/// The header's bytes with a part replaced and the checksum made to match.
fn with(at: usize, bytes: &[u8]) -> [u8; SEGMENT_HEADER_LEN] {
    let mut out = sample().encode();
    out[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32(&out[..92]);
    out[92..].copy_from_slice(&crc.to_le_bytes());
    out
}

#[test]
fn a_header_has_these_bytes() {
    // F-03, F-10 to F-13, F-16: golden; the checksum was computed with another implementation of CRC-32.
    let expected = [
        "65766c6f67736567", // magic
        "02000000",         // format version
        "01000000",         // codec
        "30313233343536373839616263646566",
        "0302010000000000", // segment size limit
        "0706050400000000", // position
        "0908000000000000", // first seq
        "abababababababababababababababababababababababababababababababab",
        "00000000", // reserved
        "40517595", // checksum
    ];
    assert_eq!(hex(&sample().encode()), expected.concat());
    assert_eq!(SegmentHeader::decode(&sample().encode()), Ok(sample()));
}

#[test]
fn every_flipped_bit_of_a_header_is_noticed() {
    // F-13.
    for bit in 0..SEGMENT_HEADER_LEN * 8 {
        let mut bytes = sample().encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
    }
}

#[test]
fn a_header_cut_anywhere_is_incomplete() {
    // F-10.
    for len in 0..SEGMENT_HEADER_LEN {
        assert_eq!(SegmentHeader::decode(&sample().encode()[..len]), Err(HeaderError::Incomplete { found: len }));
    }
}

#[test]
fn another_magic_or_a_newer_version_is_named_before_the_checksum_is_checked() {
    // F-10, F-11.
    let mut bytes = sample().encode();
    bytes[0] = b'E';
    assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Magic));
    let mut bytes = sample().encode();
    bytes[8] = 3;
    let error = SegmentHeader::decode(&bytes).unwrap_err();
    assert_eq!(error, HeaderError::Version { found: 3 });
    assert!(error.to_string().contains("newer than this program reads"), "{error}");
}

#[test]
fn the_version_of_pre_releases_is_named_where_the_checksum_matches() {
    // F-11: its header has the same layout.
    let error = SegmentHeader::decode(&with(8, &1u32.to_le_bytes())).unwrap_err();
    assert_eq!(error, HeaderError::Version { found: 1 });
    assert!(error.to_string().contains("written by a pre-release of evlog"), "{error}");
    let mut bytes = sample().encode();
    bytes[8] = 1;
    assert!(matches!(SegmentHeader::decode(&bytes), Err(HeaderError::Checksum { .. })));
}

#[test]
fn fields_out_of_range_are_refused_though_the_checksum_matches() {
    // F-11, F-12, F-16.
    let field = |name, found| Err(HeaderError::Field { name, found });
    let cases = [
        (with(8, &0u32.to_le_bytes()), field("format version", 0)),
        (with(12, &2u32.to_le_bytes()), Err(HeaderError::Codec { found: 2 })),
        (with(32, &(SEGMENT_LIMIT_MIN - 1).to_le_bytes()), field("segment size limit", SEGMENT_LIMIT_MIN - 1)),
        (with(32, &(SEGMENT_LIMIT_MAX + 1).to_le_bytes()), field("segment size limit", SEGMENT_LIMIT_MAX + 1)),
        (with(40, &(POSITION_MAX + 1).to_le_bytes()), field("position", POSITION_MAX + 1)),
        (with(48, &u64::MAX.to_le_bytes()), field("first seq", u64::MAX)),
        (with(88, &[0, 0, 0, 1]), field("reserved field", 1 << 24)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(SegmentHeader::decode(&bytes), expected);
    }
    for limit in [SEGMENT_LIMIT_MIN, SEGMENT_LIMIT_MAX] {
        assert!(SegmentHeader::decode(&with(32, &limit.to_le_bytes())).is_ok());
    }
}

#[test]
fn a_segment_takes_a_frame_up_to_its_limit_and_its_first_at_any_length() {
    // F-15.
    let takes = |segment_len, frame_len| SegmentHeader::takes(1024, segment_len, frame_len);
    assert!(takes(96, 1024 - 96) && takes(96, 1024 - 95) && takes(96, u64::MAX));
    assert!(takes(97, 1024 - 97) && !takes(97, 1024 - 96) && !takes(97, u64::MAX));
}

#[test]
fn the_root_of_no_bytes_is_the_published_one() {
    // F-14: the value that BLAKE3's own test vectors give for an input of length 0.
    let published = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(Root::EMPTY.to_string(), published);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_header_is_read_as_it_was_written(
        log_id in any::<[u8; 16]>(),
        segment_limit in SEGMENT_LIMIT_MIN..=SEGMENT_LIMIT_MAX,
        position in 0..=POSITION_MAX,
        first_seq in 0..=POSITION_MAX,
        root in any::<[u8; 32]>(),
    ) {
        let header = SegmentHeader {
            log_id: LogId(log_id),
            segment_limit,
            position: Position(position),
            first_seq: Seq(first_seq),
            root_before: Root(root),
        };
        prop_assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
    }
}
