//! Points in time and in the history of a log, as people type them.
//!
//! Does: read RFC 3339, dates and times of day in a time zone, words such as `yesterday`, and lengths of time before now.
//! Does not: show the log; it only finds where.

use crate::error::CommandError;
use crate::ui::alert;
use evlog::View;
use evlog::clock::{Clock, SystemClock};
use evlog_format::Seq;
use evlog_projection::time::{from_rfc3339, from_span};
use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan};
use std::sync::{Mutex, PoisonError};

/// The forms, for messages.
const FORMS: &str = "expected a time such as 2026-02-23T18:00:00Z, 2026-02-23, `yesterday`, or 2h (before now)";

/// The words among them.
const WORDS: [&str; 3] = ["now", "today", "yesterday"];

/// The furthest distance from UTC of a time zone: no zone was ever further than 16 hours, and other programs take no more.
const DISTANCE_MAX_HOURS: i32 = 18;

/// Reads the name of a time zone (`Europe/Zurich`), or a distance from UTC (`+02:00`).
pub(crate) fn zone(text: &str) -> Result<TimeZone, String> {
    let refuse = || format!("expected a time zone such as Europe/Zurich, UTC or +02:00, found `{text}`");
    if text.starts_with(['+', '-']) {
        let offset = fixed(text).ok_or_else(refuse)?;
        if offset.seconds().abs() > DISTANCE_MAX_HOURS * 3600 {
            return Err(format!("expected at most {DISTANCE_MAX_HOURS} hours from UTC, found `{text}`"));
        }
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(text).map_err(|_| refuse())
}

/// `+02:00` or `-0330`.
fn fixed(text: &str) -> Option<Offset> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text[1..].split_at_checked(2)?;
    let number = |digits: &str| {
        let is_shaped = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_shaped.then(|| digits.parse::<i32>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes.strip_prefix(':').unwrap_or(minutes))?);
    (minutes < 60).then(|| Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok())?
}

/// Reads a point in time, Unix nanoseconds. A date is its first moment in the time zone.
pub(crate) fn moment(text: &str, zone: &TimeZone, now_ns: i64) -> Result<i128, String> {
    if let Ok(ago_ns) = from_span(text.strip_prefix('-').unwrap_or(text)) {
        return Ok(i128::from(now_ns) - i128::from(ago_ns));
    }
    // The log's own times reach to the end of the year 9999, which is a few hours beyond those of the library.
    if let Ok(time_ns) = from_rfc3339(text) {
        return Ok(time_ns);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        // RFC 3339 has less than a day between a time and UTC, and the library has more.
        let offset = Pieces::parse(text).ok().and_then(|pieces| pieces.to_numeric_offset());
        let is_near = offset.is_none_or(|offset| offset.seconds().abs() < 24 * 3600);
        return if is_near { Ok(time.as_nanosecond()) } else { Err(format!("{FORMS}, found `{text}`")) };
    }
    let days: Option<Span> = match text {
        "today" => Some(0.days()),
        "yesterday" => Some(1.day()),
        "now" => return Ok(now_ns.into()),
        _ => None,
    };
    if let Some(days) = days {
        let now = Timestamp::from_nanosecond(now_ns.into()).map_err(|_| FORMS.to_owned())?;
        let today = now.to_zoned(zone.clone()).date();
        return first_of(today.checked_sub(days).map_err(|_| FORMS.to_owned())?, zone);
    }
    match date(text) {
        Some(date) => first_of(date, zone),
        None => in_zone(text, local(text)?, zone),
    }
}

/// Reads a point in time that was given as an option.
pub(crate) fn given(option: &str, text: &str, zone: &TimeZone) -> Result<i128, CommandError> {
    let refused = |message| CommandError::user(format!("{option}: {message}")).meant(text, WORDS);
    moment(text, zone, SystemClock.now_ns()).map_err(refused)
}

/// Where a time is allowed, and a seq, too.
fn or_seq(error: CommandError) -> CommandError {
    if !error.message.contains(FORMS) {
        return error;
    }
    error.hint("a whole number is a seq: `41` is the moment right after event 41")
}

/// A point in the history of a log.
#[derive(Clone, Debug)]
pub(crate) enum Point {
    /// Right after this event.
    Seq(u64),
    /// At this time, as it was typed: its time zone is another option.
    Time(String),
}

impl Point {
    /// Whole numbers are seqs, everything else is a time.
    pub(crate) fn parse(text: &str) -> Result<Point, String> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Point::Time(text.to_owned()));
        }
        text.parse().map(Point::Seq).map_err(|_| format!("expected a seq or a time, found the number {text}"))
    }

    /// The log as it was at this point. `option` is where it was given.
    pub(crate) fn of(&self, option: &str, view: View, zone: &TimeZone) -> Result<View, CommandError> {
        match self {
            Point::Seq(at) => {
                check_committed(option, &view, *at)?;
                let ends = view.commit_of(Seq(*at))?;
                if let Some((first, last)) = ends.filter(|(_, last)| last.0 != *at) {
                    warn_within_a_commit(option, *at, first, last);
                }
                Ok(view.as_of(Some(Seq(*at)))?)
            }
            Point::Time(text) => {
                let time_ns = given(option, text, zone).map_err(or_seq)?;
                view.as_of_time(time_ns).map_err(|error| CommandError::from(error).during(format!("{option} {text}")))
            }
        }
    }
}

/// Refuses the seq of an event that is not committed.
pub(crate) fn check_committed(option: &str, view: &View, at: u64) -> Result<(), CommandError> {
    let next = view.next_seq().0;
    if at < next {
        return Ok(());
    }
    view.check_whole()?;
    Err(uncommitted(option, view, at))
}

/// No such event is committed.
pub(crate) fn uncommitted(option: &str, view: &View, at: u64) -> CommandError {
    let last = view.next_seq().0.checked_sub(1);
    let found = match last {
        Some(last) => format!("a later one: the last event is seq {last}"),
        None => "no event in the log".to_owned(),
    };
    let failed = CommandError::unlike(format!("{option} {at}"), "the seq of a committed event", found);
    match last {
        Some(last) => failed.hint(format!("give a seq from 0 to {last}")),
        None => failed,
    }
}

/// The last warning. A command that looks at the log a second time says it once.
static SAID: Mutex<Option<String>> = Mutex::new(None);

/// A commit happened whole or not at all, so the log never was as right after an event within one: what is shown instead is said.
fn warn_within_a_commit(option: &str, at: u64, first: Seq, last: Seq) {
    let shown = first
        .0
        .checked_sub(1)
        .map_or("before its first event".to_owned(), |before| format!("right after seq {before}"));
    let warning = format!(
        "warning: {option} {at} is within the commit of events {first} to {last}, which is left out: this is the log {shown}; \
         {last} is the end of the commit"
    );
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.as_ref() != Some(&warning) {
        alert(&warning);
        *said = Some(warning);
    }
}

/// A date alone.
fn date(text: &str) -> Option<Date> {
    if is_shaped_as_a_date(text) { text.parse().ok() } else { None }
}

/// Whether text has the form of a date, as 2026-02-30 has, too.
fn is_shaped_as_a_date(text: &str) -> bool {
    let is_at_its_place =
        |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(is_at_its_place)
}

/// The first moment of a day: where the clocks go forward at midnight, it is not 00:00.
fn first_of(date: Date, zone: &TimeZone) -> Result<i128, String> {
    let first = date.to_zoned(zone.clone()).map_err(|_| format!("{FORMS}, found `{date}`"))?;
    Ok(first.timestamp().as_nanosecond())
}

/// A date and a time of day.
fn local(text: &str) -> Result<DateTime, String> {
    let has_date = text.split_at_checked(10).is_some_and(|(day, _)| date(day).is_some());
    // The library ignores a time zone in brackets.
    let parsed = if has_date && !text.contains('[') { text.parse::<DateTime>().ok() } else { None };
    parsed.ok_or_else(|| match text.get(..10).filter(|day| is_shaped_as_a_date(day) && date(day).is_none()) {
        Some(day) => format!("there is no day {day} in the calendar"),
        None => format!("{FORMS}, found `{text}`"),
    })
}

/// A local time, if it occurs once in the time zone.
fn in_zone(text: &str, local: DateTime, zone: &TimeZone) -> Result<i128, String> {
    let found = zone.to_ambiguous_timestamp(local);
    let why = match found.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Gap { .. } => Some("is left out when the clocks go forward"),
        AmbiguousOffset::Fold { .. } => Some("occurs twice when the clocks go back"),
    };
    if let Some(why) = why {
        return Err(format!(
            "`{text}` {why} in this time zone; write it with its distance from UTC, such as {local}+01:00"
        ));
    }
    let time = found.unambiguous().map_err(|_| format!("{FORMS}, found `{text}`"))?;
    Ok(time.as_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_projection::time::to_rfc3339;

    /// 2026-11-30 at 10:00 UTC.
    const NOW_NS: i64 = 1_796_032_800_000_000_000;

    fn read(text: &str, name: &str) -> Result<String, String> {
        moment(text, &zone(name).expect("a time zone"), NOW_NS).map(to_rfc3339)
    }

    #[test]
    fn a_time_is_read_in_each_of_its_forms() {
        for (text, zone, time) in [
            ("2026-02-23T18:00:00Z", "UTC", "2026-02-23T18:00:00.000Z"),
            ("2026-02-23T18:00:00+02:00", "UTC", "2026-02-23T16:00:00.000Z"),
            ("2026-02-23", "UTC", "2026-02-23T00:00:00.000Z"),
            ("2026-07-01", "Europe/Zurich", "2026-06-30T22:00:00.000Z"),
            ("2026-07-01 12:30", "+02:00", "2026-07-01T10:30:00.000Z"),
            ("2h", "UTC", "2026-11-30T08:00:00.000Z"),
            ("-2h", "UTC", "2026-11-30T08:00:00.000Z"),
            ("yesterday", "UTC", "2026-11-29T00:00:00.000Z"),
            ("today", "America/New_York", "2026-11-30T05:00:00.000Z"),
            ("now", "UTC", "2026-11-30T10:00:00.000Z"),
            // The clocks go forward at midnight: the day begins at 01:00.
            ("2026-04-24", "Africa/Cairo", "2026-04-23T22:00:00.000Z"),
        ] {
            assert_eq!(read(text, zone).as_deref(), Ok(time), "{text} {zone}");
        }
    }

    #[test]
    fn a_local_time_that_occurs_twice_or_never_is_refused() {
        let twice = read("2026-10-25T02:30", "Europe/Zurich").expect_err("ambiguous");
        assert!(twice.contains("occurs twice"), "{twice}");
        let never = read("2026-03-29T02:30", "Europe/Zurich").expect_err("a gap");
        assert!(never.contains("left out"), "{never}");
        assert_eq!(read("2026-10-25T02:30+01:00", "Europe/Zurich").as_deref(), Ok("2026-10-25T01:30:00.000Z"));
    }

    #[test]
    fn other_text_is_no_time_and_no_time_zone() {
        for text in [
            "",
            "tomorrow",
            "2026",
            "12:30",
            "2026-13-01",
            "2026-02-30",
            "1234567890",
            "2h ago",
            "2026-07-01T10:00[America/New_York]",
            "2026-07-01[America/New_York]",
            "2026-02-23T18:00:00+25:00",
            "2026-02-23T18:00-24:00",
        ] {
            assert!(read(text, "UTC").is_err(), "{text}");
        }
        for text in ["", "Europe/Nowhere", "+2", "+02:60", "+aa:bb", "+0:2:00", "+02::00", "+02:0", "+é"] {
            assert!(zone(text).is_err(), "{text}");
        }
        for (text, is_zone) in [
            ("+14:00", true),
            ("-1800", true),
            ("+18:01", false),
            ("-19:00", false),
            ("+25:00", false),
            ("-99:59", false),
        ] {
            assert_eq!(zone(text).is_ok(), is_zone, "{text}");
        }
        assert_eq!(zone("+25:00").unwrap_err(), "expected at most 18 hours from UTC, found `+25:00`");
    }
}
