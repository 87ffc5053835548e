//! Payloads of built-in kinds: read whole, in their one encoding, without trusting a length.

use evlog_format::limits::{PAYLOAD_LEN_MAX, TIME_MAX_NS};
use evlog_format::payload::{decode, encode};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

type Table = (u64, Option<String>, Vec<u32>, BTreeMap<String, bool>, [u8; 4], i64);

/// A struct with all types that tables have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Mixed {
    flag: bool,
    narrow: u16,
    signed: i32,
    choice: Choice,
    listed: Vec<(u8, String)>,
    digest: [u8; 32],
    nested: Option<Box<Mixed>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Choice {
    Unit,
    One(u64),
    Both(i64, String),
    Named { text: Option<String> },
}

/// How the library alone reads: it takes integers that are too long, so what it read is written again and compared.
fn by_the_library<T: Serialize + for<'de> Deserialize<'de>>(bytes: &[u8]) -> Option<T> {
    // Without a limit it allocates whatever a length claims.
    let config = bincode::config::standard().with_limit::<100_000>();
    let (value, used) = bincode::serde::decode_from_slice::<T, _>(bytes, config).ok()?;
    let again = bincode::serde::encode_to_vec(&value, config).ok()?;
    (used == bytes.len() && again == bytes).then_some(value)
}

fn choices() -> impl Strategy<Value = Choice> {
    prop_oneof![
        Just(Choice::Unit),
        any::<u64>().prop_map(Choice::One),
        (any::<i64>(), ".{0,9}").prop_map(|(number, text)| Choice::Both(number, text)),
        proptest::option::of(".{0,9}").prop_map(|text| Choice::Named { text }),
    ]
}

fn mixed() -> impl Strategy<Value = Mixed> {
    let flat = (
        any::<bool>(),
        any::<u16>(),
        any::<i32>(),
        choices(),
        proptest::collection::vec((any::<u8>(), ".{0,4}"), 0..4),
        any::<[u8; 32]>(),
    );
    let leaf = flat
        .prop_map(|(flag, narrow, signed, choice, listed, digest)| Mixed {
            flag,
            narrow,
            signed,
            choice,
            listed,
            digest,
            nested: None,
        })
        .boxed();
    (leaf.clone(), proptest::option::of(leaf)).prop_map(|(outer, inner)| Mixed { nested: inner.map(Box::new), ..outer })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again_by_the_library_and_by_us(value in mixed()) {
        // F-39 to F-45.
        let bytes = encode(&value).unwrap();
        prop_assert_eq!(decode::<Mixed>(&bytes), Ok(value.clone()));
        prop_assert_eq!(by_the_library::<Mixed>(&bytes), Some(value));
    }

    #[test]
    fn bytes_that_were_changed_are_read_exactly_when_the_library_would_write_them(
        value in mixed(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), 250u8..=255, 0u8..=2]), 1..4),
        cut in any::<prop::sample::Index>(),
        insert in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        // F-39 to F-45.
        let mut bytes = encode(&value).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        prop_assert_eq!(decode::<Mixed>(&bytes).ok(), by_the_library(&bytes));
        let at = cut.index(bytes.len());
        bytes.splice(at..at, insert);
        prop_assert_eq!(decode::<Mixed>(&bytes).ok(), by_the_library(&bytes));
        prop_assert_eq!(decode::<Table>(&bytes).ok(), by_the_library(&bytes));
    }

    #[test]
    fn any_bytes_are_read_exactly_when_the_library_would_write_them(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..4, 250u8..=255], 0..24),
    ) {
        // F-39 to F-45.
        prop_assert_eq!(decode::<Table>(&bytes).ok(), by_the_library(&bytes));
        prop_assert_eq!(decode::<(u16, i32, bool)>(&bytes).ok(), by_the_library(&bytes));
        prop_assert_eq!(decode::<Choice>(&bytes).ok(), by_the_library(&bytes));
        prop_assert_eq!(decode::<Vec<Option<i64>>>(&bytes).ok(), by_the_library(&bytes));
    }
}

#[test]
fn a_reader_that_accepts_what_the_library_accepts_is_detected() {
    // The comparisons above, broken on purpose: if the value is not encoded again, an overlong integer passes.
    let lax = |bytes: &[u8]| bincode::serde::decode_from_slice::<u64, _>(bytes, bincode::config::standard()).is_ok();
    let overlong = [251, 7, 0];
    assert!(lax(&overlong) && by_the_library::<u64>(&overlong).is_none() && decode::<u64>(&overlong).is_err());
}

#[test]
fn text_is_borrowed_from_the_payload() {
    let bytes = encode(&("a name", 7u64)).unwrap();
    let (text, number) = decode::<(&str, u64)>(&bytes).unwrap();
    assert_eq!((text, number), ("a name", 7));
    assert!(bytes.as_ptr_range().contains(&text.as_ptr()));
}

fn sample() -> Table {
    (300, Some("a".into()), vec![1, 251], BTreeMap::from([("k".into(), true)]), [9; 4], -1)
}

#[test]
fn a_payload_has_these_bytes_and_is_read_again() {
    // F-39, F-40 to F-45.
    let bytes = encode(&sample()).unwrap();
    let expected = [251, 44, 1, 1, 1, b'a', 2, 1, 251, 251, 0, 1, 1, b'k', 1, 9, 9, 9, 9, 1];
    assert_eq!(bytes, expected);
    assert_eq!(decode::<Table>(&bytes), Ok(sample()));
}

#[test]
fn a_payload_that_is_cut_or_has_something_behind_it_is_refused() {
    // F-39.
    let mut bytes = encode(&sample()).unwrap();
    for len in 0..bytes.len() {
        assert!(decode::<Table>(&bytes[..len]).is_err(), "{len} bytes");
    }
    bytes.push(0);
    assert!(decode::<Table>(&bytes).unwrap_err().to_string().contains("found 21"));
}

#[test]
fn a_payload_with_an_overlong_integer_is_refused() {
    // F-41.
    assert!(decode::<u64>(&[7]).is_ok());
    for bytes in [&[251, 7, 0][..], &[252, 7, 0, 0, 0], &[253, 7, 0, 0, 0, 0, 0, 0, 0]] {
        assert!(decode::<u64>(bytes).unwrap_err().to_string().contains("one encoding"), "{bytes:?}");
    }
    assert!(decode::<Vec<u8>>(&[251, 1, 0, 9]).is_err(), "nor a length");
}

#[test]
fn a_map_out_of_order_or_with_a_key_twice_is_refused() {
    // F-45.
    type Map = BTreeMap<u64, u64>;
    assert!(decode::<Map>(&[2, 1, 0, 2, 0]).is_ok());
    assert!(decode::<Map>(&[2, 2, 0, 1, 0]).is_err());
    assert!(decode::<Map>(&[2, 1, 0, 1, 0]).is_err());
}

#[test]
fn a_length_that_claims_more_than_a_payload_has_is_refused_at_once() {
    // F-04, F-39.
    let claim = |len: u64| bincode::encode_to_vec(len, bincode::config::standard()).unwrap();
    for len in [PAYLOAD_LEN_MAX, PAYLOAD_LEN_MAX + 1, 1 << 40, u64::MAX] {
        assert!(decode::<Vec<u8>>(&claim(len)).is_err(), "{len}");
        assert!(decode::<Vec<u64>>(&claim(len)).is_err(), "{len}");
        assert!(decode::<String>(&claim(len)).is_err(), "{len}");
    }
}

#[test]
fn a_payload_beyond_its_limit_is_not_written() {
    // F-39.
    let text = |len: u64| "x".repeat(usize::try_from(len).unwrap());
    assert!(encode(&text(PAYLOAD_LEN_MAX - 5)).is_ok());
    let error = encode(&text(PAYLOAD_LEN_MAX)).unwrap_err();
    assert!(error.to_string().contains("expected at most 8388608"), "{error}");
}

#[test]
fn an_integer_of_128_bits_is_a_time_and_none_before_1970_or_after_9999() {
    // F-50.
    for time_ns in [0, i128::from(i64::MAX) + 1, TIME_MAX_NS] {
        assert_eq!(decode::<i128>(&encode(&time_ns).unwrap()).unwrap(), time_ns);
    }
    for time_ns in [-1, TIME_MAX_NS + 1, i128::MIN, i128::MAX] {
        let bytes = bincode::serde::encode_to_vec(time_ns, bincode::config::standard()).unwrap();
        assert!(by_the_library::<i128>(&bytes).is_some(), "the library is lax");
        assert!(decode::<i128>(&bytes).is_err(), "{time_ns}");
    }
}
