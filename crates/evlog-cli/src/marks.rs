//! Times for people, and the marks for commits that occurred at another time than they were recorded.

use evlog::policy::Policies;
use evlog::{Mark, View};
use evlog_projection::time::to_rfc3339;

/// The policies of a log that can be read: they define how far apart times may be without a mark. An error that ends
/// this list also ends the command's own reading, which reports it. `verify` reports policies that cannot be read.
pub(crate) fn policies(view: &View) -> Policies {
    view.policies().0
}

/// Units, and their seconds.
const UNITS: [(&str, u128); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];

/// A time to the second.
pub(crate) fn to_second(time_ns: impl Into<i128>) -> String {
    let text = to_rfc3339(time_ns);
    format!("{}Z", text.split('.').next().unwrap_or_default())
}

/// `2026-11-29T10:00:00Z occurred, backdated 2 h 3 min`.
pub(crate) fn text(mark: Mark) -> String {
    format!("{} occurred, {} {}", to_second(mark.occurred_ns), mark.word, distance(mark.distance_ns))
}

/// The two largest units of a time difference: `2 h 3 min`.
pub(crate) fn distance(distance_ns: u128) -> String {
    let mut seconds = distance_ns / 1_000_000_000;
    let mut parts = Vec::new();
    for (unit, len) in UNITS {
        let count = seconds / len;
        seconds %= len;
        match (count, parts.len()) {
            (0, 0) => {}
            (0, _) | (_, 2) => break,
            _ => parts.push(format!("{count} {unit}")),
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn a_distance_has_its_two_largest_units_and_none_that_is_zero() {
        let cases = [(0, "0 s"), (61, "1 min 1 s"), (60, "1 min"), (7380, "2 h 3 min"), (7201, "2 h"), (86_400, "1 d")];
        for (seconds, words) in cases {
            assert_eq!(distance(seconds * 1_000_000_000), words);
        }
        assert_eq!(distance(90_061_000_000_000), "1 d 1 h");
    }
}
