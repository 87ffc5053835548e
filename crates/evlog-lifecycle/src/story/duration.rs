//! Durations as the source document writes them: a sequence of numbers with units, such as `1h30m`, `1500ms` or `1.5s`.

use evlog_format::limits::TIME_MAX_NS;

/// Units and their nanoseconds, the longer spelling of a common beginning first.
const UNITS: [(&str, i64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// Nanoseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// Reads a duration as nanoseconds; it may be negative. `None` if it is not a duration, or is beyond 292 years.
pub fn parse(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let (part, after) = component(rest)?;
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(sign * total)
}

/// One number with its unit, and what follows it.
fn component(text: &str) -> Option<(i64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let letters = rest.bytes().take_while(|byte| !byte.is_ascii_digit() && *byte != b'.').count();
    let (unit, rest) = rest.split_at(letters);
    let (_, scale) = UNITS.iter().find(|(known, _)| *known == unit)?;
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut sum = whole.checked_mul(*scale)?;
    let mut place = *scale;
    for digit in fraction.bytes() {
        place /= 10;
        sum = sum.checked_add(place.checked_mul(i64::from(digit - b'0'))?)?;
    }
    Some((sum, rest))
}

/// A duration, if it is longer than zero.
pub fn parse_positive(text: &str) -> Option<i64> {
    parse(text).filter(|duration| *duration > 0)
}

/// The time that is a duration after another, clamped to the times that a log can hold.
pub fn after(time_ns: i128, duration_ns: i64) -> i128 {
    time_ns.saturating_add(i128::from(duration_ns)).clamp(0, TIME_MAX_NS)
}

/// The time from start to end in whole seconds, with halves rounded away from zero, as `1m35s`. `0s` if the clock went
/// backwards.
pub(crate) fn elapsed(start_ns: i128, end_ns: i128) -> String {
    let elapsed = end_ns.saturating_sub(start_ns);
    let seconds = (elapsed.max(0) + i128::from(SECOND) / 2) / i128::from(SECOND);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}
