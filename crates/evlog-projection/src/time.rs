//! Times as text: RFC 3339 in UTC, spelled `Z`. No time zone, no locale, no clock.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// Nanoseconds of a millisecond.
const MILLISECOND: i64 = 1_000_000;

/// Unix nanoseconds as `2026-02-23T18:00:00.000Z`: always three digits, later ones cut off, so that equal times have
/// equal text. The log keeps the nanoseconds.
pub fn to_rfc3339(time_ns: i64) -> String {
    let whole = time_ns.div_euclid(MILLISECOND);
    let time = Timestamp::from_millisecond(whole)
        .unwrap_or_else(|error| unreachable!("64-bit nanoseconds are within the calendar: {error}"));
    DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&time)
}

/// Reads `YYYY-MM-DDTHH:MM:SS[.fraction]Z` as Unix nanoseconds. Offsets other than `Z` are refused.
pub fn from_rfc3339(text: &str) -> Result<i64, String> {
    let refuse = || format!("expected a UTC time such as 2026-02-23T18:00:00Z, found `{text}`");
    let shape = text.len() >= 20 && text.is_ascii() && text.as_bytes()[10] == b'T' && text.ends_with('Z');
    if !shape || text.contains("60Z") || text.contains(":60.") {
        return Err(refuse());
    }
    let time: Timestamp = text.parse().map_err(|_| refuse())?;
    i64::try_from(time.as_nanosecond()).map_err(|_| refuse())
}

#[cfg(test)]
mod tests;
