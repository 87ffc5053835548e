//! Payloads of built-in kinds: read whole, in their one encoding, without trusting a length.

use evlog_format::limits::PAYLOAD_LEN_MAX;
use evlog_format::payload::{decode, encode};
use std::collections::BTreeMap;

type Table = (u64, Option<String>, Vec<u32>, BTreeMap<String, bool>, [u8; 4], i64);

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
