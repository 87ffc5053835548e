//! Claims about times as text.

use super::*;

#[test]
fn a_time_has_always_three_digits_and_a_z() {
    let cases = [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_771_869_600_000_000_000, "2026-02-23T18:00:00.000Z"),
        (1_771_869_600_123_999_999, "2026-02-23T18:00:00.123Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (i128::from(i64::MAX), "2262-04-11T23:47:16.854Z"),
        (i128::from(i64::MIN), "1677-09-21T00:12:43.145Z"),
        (253_402_300_799_999_999_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000_000_000, "9999-12-31T23:59:59.999Z"),
        (i128::MAX, "9999-12-31T23:59:59.999Z"),
    ];
    for (time_ns, text) in cases {
        assert_eq!(to_rfc3339(time_ns), text);
    }
}

#[test]
fn utc_times_are_read_to_the_nanosecond() {
    let cases = [
        ("2026-02-23T18:00:00Z", 1_771_869_600_000_000_000),
        ("2026-02-23T18:00:00.5Z", 1_771_869_600_500_000_000),
        ("2026-02-23T18:00:00.123456789Z", 1_771_869_600_123_456_789),
        ("1969-12-31T23:59:59.999Z", -1_000_000),
        ("2262-04-11T23:47:16.854775808Z", i128::from(i64::MAX) + 1),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799_999_999_999),
    ];
    for (text, time_ns) in cases {
        assert_eq!(from_rfc3339(text), Ok(time_ns), "{text}");
    }
}

#[test]
fn what_is_not_a_utc_time_is_refused() {
    let cases = [
        "",
        "yesterday",
        "2026-02-23",
        "2026-02-23T18:00:00",
        "2026-02-23T18:00:00+00:00",
        "2026-02-23T18:00:00+00:00Z",
        "2026-02-23 18:00:00Z",
        "2026-02-30T18:00:00Z",
        "2026-02-23T24:00:00Z",
        "2026-02-23T18:00:60Z",
        "2026-02-23T18:00:00z",
        "2026-02-23T18:00Z",
        "20260223T180000Z",
        "10000-02-23T18:00:00Z",
        "+10000-02-23T18:00:00Z",
        "2026-02-23T18:00:00Z ",
        "2026-02-23T18:00:00[UTC]Z",
        "2026-02-23T18:00:00,5Z",
        "2026-02-23T18:00:00.Z",
        "2026-02-23T18:00:00.1234567890Z",
        "2026-02-23T18:60:00Z",
        "-026-02-23T18:00:00Z",
        "\u{661}026-02-23T18:00:00Z",
    ];
    for text in cases {
        assert!(from_rfc3339(text).is_err(), "{text}");
    }
}

#[test]
fn a_fraction_may_end_as_a_leap_second_does_and_a_leap_second_is_refused() {
    for (text, nanoseconds) in
        [("2026-11-29T22:58:35.459174860Z", 459_174_860), ("2026-11-29T22:58:35.60Z", 600_000_000)]
    {
        assert_eq!(from_rfc3339(text).map(|time| time.rem_euclid(1_000_000_000)), Ok(nanoseconds), "{text}");
    }
    for text in ["2026-12-31T23:59:60Z", "2026-12-31T23:59:60.5Z"] {
        assert!(from_rfc3339(text).is_err(), "{text}");
    }
}

#[test]
fn a_length_of_time_is_whole_numbers_with_units() {
    let second = 1_000_000_000;
    let cases = [
        ("0s", 0),
        ("90s", 90 * second),
        ("5m", 300 * second),
        ("1h30m", 5400 * second),
        ("2d", 172_800 * second),
        ("1d1h1m1s", 90_061 * second),
        ("106751d", 106_751 * 86_400 * second),
    ];
    for (text, expected) in cases {
        assert_eq!(from_span(text), Ok(expected), "{text}");
    }
    for text in ["", "1", "s", "1 h", "-1s", "+1s", "1.5h", "1ms", "1w", "1h30", "106752d", "99999999999999999999s"] {
        let refused = from_span(text).unwrap_err();
        assert!(refused.ends_with(&format!("found `{text}`")), "{refused}");
    }
}

#[test]
fn a_length_of_time_is_written_as_it_is_read() {
    for text in ["0s", "1s", "90s", "1m", "61m", "1h", "1d", "25h", "30d"] {
        assert_eq!(to_span(from_span(text).unwrap()), text);
    }
}
