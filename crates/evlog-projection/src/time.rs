//! Times as text (RFC 3339 in UTC, spelled `Z`) and durations. No time zone, no locale, no clock.

use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::{SignedDuration, civil};

/// How many nanoseconds are a millisecond.
const MILLISECOND: i128 = 1_000_000;

/// How many nanoseconds are a second.
const SECOND: i64 = 1_000_000_000;

/// Units of durations, and their seconds, the longest first.
const UNITS: [(&str, i64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// Where Unix time begins. The calendar is used without a time zone: with one, it would end before the year 9999 does.
const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// The form of a time: each `0` stands for a digit, other characters for themselves.
const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";

/// Unix nanoseconds as `2026-02-23T18:00:00.000Z`: always three digits, later ones cut off, so that equal times have
/// equal text. The log keeps the nanoseconds. A time beyond the calendar, which no log has, is shown as the end of the
/// calendar.
pub fn to_rfc3339(time_ns: impl Into<i128>) -> String {
    let whole = i64::try_from(time_ns.into().div_euclid(MILLISECOND)).unwrap_or(i64::MAX);
    let time = EPOCH.saturating_add(SignedDuration::from_millis(whole));
    DateTimePrinter::new().precision(Some(3)).datetime_to_string(&time) + "Z"
}

/// Reads `YYYY-MM-DDTHH:MM:SS[.fraction]Z` as Unix nanoseconds, to the end of the year 9999. Offsets other than `Z` are
/// refused.
pub fn from_rfc3339(text: &str) -> Result<i128, String> {
    let refuse = || format!("expected a UTC time such as 2026-02-23T18:00:00Z, found `{text}`");
    let local = text.strip_suffix('Z').filter(|local| is_shaped(local.as_bytes())).ok_or_else(refuse)?;
    let time: DateTime = local.parse().map_err(|_| refuse())?;
    Ok(time.duration_since(EPOCH).as_nanos())
}

/// Whether it is a date and a time of day without a leap second, and nothing else.
fn is_shaped(text: &[u8]) -> bool {
    let Some((whole, fraction)) = text.split_first_chunk::<19>() else { return false };
    let fits = |(found, shape): (&u8, &u8)| if *shape == b'0' { found.is_ascii_digit() } else { found == shape };
    let is_fraction = match fraction {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_fraction && whole.iter().zip(SHAPE).all(fits) && !whole.ends_with(b"60")
}

/// Reads a duration in nanoseconds: whole numbers, each with `d`, `h`, `m` or `s`, such as `90s` or `1h30m`.
pub fn from_span(text: &str) -> Result<i64, String> {
    summed(text).ok_or_else(|| {
        format!(
            "expected whole numbers with d, h, m or s, such as `90s`, `2d` or `1h30m`, at most 106751d, found `{text}`"
        )
    })
}

fn summed(text: &str) -> Option<i64> {
    let (mut sum, mut rest) = (0_i64, text);
    loop {
        let (number, from_unit) = rest.split_at(rest.find(|digit: char| !digit.is_ascii_digit())?);
        let (name, seconds) = UNITS.iter().find(|(name, _)| from_unit.starts_with(name))?;
        let ns = number.parse::<i64>().ok()?.checked_mul(*seconds)?.checked_mul(SECOND)?;
        sum = sum.checked_add(ns)?;
        rest = &from_unit[name.len()..];
        if rest.is_empty() {
            return Some(sum);
        }
    }
}

/// Writes a duration of whole seconds in the largest unit that gives a whole number. [`from_span`] reads it.
pub fn to_span(ns: i64) -> String {
    let seconds = ns / SECOND;
    let unit = UNITS.iter().find(|(_, unit)| seconds % unit == 0 && seconds >= *unit);
    unit.map_or_else(|| format!("{seconds}s"), |(name, unit)| format!("{}{name}", seconds / unit))
}

#[cfg(test)]
mod tests;
