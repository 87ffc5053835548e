//! The primitives of the codec, by hand and against the library.

use evlog_format::Flaw;
use evlog_format::cursor::{Cursor, has_control};
use evlog_format::limits::TIME_MAX_NS;
use proptest::prelude::*;

fn library<T: bincode::Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, bincode::config::standard()).unwrap()
}

#[test]
fn unsigned_integers_take_one_three_five_or_nine_bytes() {
    // F-40.
    let cases: &[(u64, &[u8])] = &[
        (0, &[0]),
        (250, &[250]),
        (251, &[251, 251, 0]),
        (65_535, &[251, 255, 255]),
        (65_536, &[252, 0, 0, 1, 0]),
        (u64::from(u32::MAX), &[252, 255, 255, 255, 255]),
        (1 << 32, &[253, 0, 0, 0, 0, 1, 0, 0, 0]),
        (u64::MAX, &[253, 255, 255, 255, 255, 255, 255, 255, 255]),
    ];
    for (value, bytes) in cases {
        assert_eq!(library(value), *bytes, "{value}");
        assert_eq!(Cursor::new(bytes, 0).varint("n"), Ok(*value));
        for len in 0..bytes.len() {
            assert!(Cursor::new(&bytes[..len], 0).varint("n").is_err(), "{value} in {len} bytes");
        }
    }
}

#[test]
fn an_integer_in_more_bytes_than_it_needs_is_refused() {
    // F-41: at the lower edge of each width, where the library accepts the number.
    for bytes in [
        &[251, 0, 0][..],
        &[251, 250, 0],
        &[252, 255, 255, 0, 0],
        &[252, 1, 0, 0, 0],
        &[253, 255, 255, 255, 255, 0, 0, 0, 0],
        &[253, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let error = Cursor::new(bytes, 40).varint("n").unwrap_err();
        assert_eq!((error.position, error.flaw, error.flaw.rule()), (40, Flaw::Overlong, "F-41"), "{bytes:?}");
        assert!(bincode::decode_from_slice::<u64, _>(bytes, bincode::config::standard()).is_ok(), "the library is lax");
    }
}

#[test]
fn the_two_widest_announcements_are_refused() {
    // F-40: 254 announces 128 bits, 255 nothing.
    for tag in [254, 255] {
        let mut bytes = [0; 17];
        bytes[0] = tag;
        let flaw = Cursor::new(&bytes, 0).varint("n").unwrap_err().flaw;
        assert_eq!((flaw, flaw.rule()), (Flaw::Width { of: "n", found: tag }, "F-40"));
    }
}

#[test]
fn signed_integers_are_zigzag() {
    // F-42.
    for (value, bytes) in [(0i64, &[0][..]), (-1, &[1]), (1, &[2]), (-2, &[3]), (125, &[250]), (-126, &[251, 251, 0])] {
        assert_eq!(library(&value), bytes);
        assert_eq!(Cursor::new(bytes, 0).varint_signed("n"), Ok(value));
    }
    for value in [i64::MIN, i64::MAX] {
        assert_eq!(Cursor::new(&library(&value), 0).varint_signed("n"), Ok(value));
    }
}

#[test]
fn a_time_is_a_signed_integer_of_up_to_sixteen_bytes_each_in_its_fewest() {
    // F-50, F-41.
    for time_ns in [0, 125, 126, i128::from(i64::MAX), i128::from(i64::MAX) + 1, TIME_MAX_NS] {
        assert_eq!(Cursor::new(&library(&time_ns), 0).time("t"), Ok(time_ns));
    }
    assert_eq!(library(&TIME_MAX_NS).len(), 17, "254 announces sixteen bytes");
    for time_ns in [-1, TIME_MAX_NS + 1] {
        let flaw = Cursor::new(&library(&time_ns), 0).time("t").unwrap_err().flaw;
        assert_eq!((flaw, flaw.rule()), (Flaw::Time { of: "t", found: time_ns }, "F-50"));
    }
    for (narrow, expected) in [(u64::MAX, Flaw::Overlong), (0, Flaw::Overlong)] {
        let wide = [&[254][..], &u128::from(narrow).to_le_bytes()].concat();
        assert_eq!(Cursor::new(&wide, 0).time("t").unwrap_err().flaw, expected);
        assert!(matches!(Cursor::new(&wide[..9], 0).time("t").unwrap_err().flaw, Flaw::Truncated { .. }));
    }
    assert_eq!(Cursor::new(&[255], 0).time("t").unwrap_err().flaw, Flaw::Width { of: "t", found: 255 });
}

#[test]
fn an_option_is_zero_or_one() {
    // F-43.
    assert_eq!(library(&None::<u64>), [0]);
    assert_eq!(library(&Some(9u64)), [1, 9]);
    assert_eq!((Cursor::new(&[0], 0).option("o"), Cursor::new(&[1], 0).option("o")), (Ok(false), Ok(true)));
    for tag in 2..=255 {
        let flaw = Cursor::new(&[tag], 0).option("o").unwrap_err().flaw;
        assert_eq!((flaw, flaw.rule()), (Flaw::Tag { of: "o", found: u64::from(tag) }, "F-43"));
    }
}

#[test]
fn a_string_is_its_length_and_its_bytes() {
    // F-44, F-04: the length is compared before anything is taken.
    assert_eq!(library(&"grün"), [5, b'g', b'r', 0xc3, 0xbc, b'n']);
    assert_eq!(Cursor::new(&[2, 7, 8, 9], 0).byte_string(2, "b"), Ok(&[7, 8][..]));
    let flaw = Cursor::new(&[3, 7, 8, 9], 0).byte_string(2, "b").unwrap_err().flaw;
    assert_eq!((flaw, flaw.rule()), (Flaw::Length { of: "b", max: 2, found: 3 }, "F-04"));
    let huge = library(&u64::MAX);
    assert!(matches!(Cursor::new(&huge, 0).byte_string(u64::MAX, "b").unwrap_err().flaw, Flaw::Truncated { .. }));
}

#[test]
fn text_is_utf8_without_control_characters() {
    // F-44.
    for good in ["", "a b", "ü€🚢", "\u{80}\u{2028}"] {
        assert_eq!(Cursor::new(&library(&good), 0).text(99, "t"), Ok(good));
    }
    for bad in [&b"\x01\x00"[..], b"\x01\x1f", b"\x01\x7f", b"\x02\xc3\x28", b"\x01\xff", b"\x03\xed\xa0\x80"] {
        let flaw = Cursor::new(bad, 0).text(99, "t").unwrap_err().flaw;
        assert_eq!((flaw, flaw.rule()), (Flaw::Text { of: "t" }, "F-44"), "{bad:?}");
    }
}

#[test]
fn tuples_arrays_and_single_bytes_have_nothing_around_them() {
    // F-45.
    assert_eq!(library(&(1u64, 2u8, [3u8, 4], "x")), [1, 2, 3, 4, 1, b'x']);
    assert_eq!(library(&255u8), [255], "a byte is a byte, not an integer of F-40");
    assert_eq!(library(&true), [1]);
    assert_eq!(library(&vec![(1u64, 2u64), (3, 4)]), [2, 1, 2, 3, 4]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn integers_are_read_as_the_library_writes_them(unsigned in any::<u64>(), signed in any::<i64>(), shift in 0u32..64) {
        let (unsigned, signed) = (unsigned >> shift, signed >> shift);
        prop_assert_eq!(Cursor::new(&library(&unsigned), 0).varint("n"), Ok(unsigned));
        prop_assert_eq!(Cursor::new(&library(&signed), 0).varint_signed("n"), Ok(signed));
    }

    #[test]
    fn what_is_read_is_what_would_be_written(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        let mut cursor = Cursor::new(&bytes, 0);
        if let Ok(value) = cursor.varint("n") {
            prop_assert_eq!(&library(&value)[..], &bytes[..bytes.len() - cursor.remaining()]);
        }
    }
}

#[test]
fn a_control_character_is_found_wherever_it_stands_in_text_of_any_length() {
    // F-44.
    for len in 1..=20 {
        for at in 0..len {
            for byte in 0..=127u8 {
                let mut text = vec![b' '; len];
                text[at] = byte;
                let text = String::from_utf8(text).unwrap();
                assert_eq!(has_control(&text), byte.is_ascii_control(), "{byte} at {at} of {len}");
            }
        }
        let beyond: String = "\u{80}\u{a0}\u{1f600}\u{ff}".chars().cycle().take(len).collect();
        assert!(!has_control(&beyond), "{len} characters beyond ASCII");
    }
    assert!(!has_control(""));
}
