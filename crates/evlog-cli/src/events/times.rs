//! How the time of an event is shown: in UTC, in a time zone, or as the distance from now.

use crate::error::CommandError;
use crate::marks::distance;
use clap::ValueEnum;
use evlog::clock::{Clock, SystemClock};
use evlog_projection::time::to_rfc3339;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The forms of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeForm {
    /// As the distance from now: `2 min 5 s ago`
    Relative,
    /// In the time zone of --tz, or else of this computer
    Local,
    /// In UTC
    #[default]
    Utc,
}

/// Shows times.
#[derive(Debug)]
pub(super) enum Shown {
    Relative,
    Local(TimeZone),
    Utc,
}

impl Shown {
    /// `given` is the time zone that the user named.
    pub(super) fn new(form: TimeForm, given: Option<&TimeZone>) -> Result<Shown, CommandError> {
        Ok(match (form, given) {
            (TimeForm::Relative, _) => Shown::Relative,
            (TimeForm::Utc, _) => Shown::Utc,
            (TimeForm::Local, Some(zone)) => Shown::Local(zone.clone()),
            (TimeForm::Local, None) => Shown::Local(TimeZone::try_system().map_err(|error| {
                CommandError::user(format!("--time local: the time zone of this computer is not known: {error}"))
                    .hint("name it: `--tz Europe/Zurich`")
            })?),
        })
    }

    /// A time with its day.
    pub(super) fn whole(&self, time_ns: i128) -> String {
        match self {
            Shown::Relative => from_now(time_ns, SystemClock.now_ns().into()),
            Shown::Local(zone) => in_zone(time_ns, zone, "%Y-%m-%dT%H:%M:%S%.3f%:z"),
            Shown::Utc => to_rfc3339(time_ns),
        }
    }

    /// A day, if the form has one, and the time of the day.
    pub(super) fn parted(&self, time_ns: i128) -> (Option<String>, String) {
        match self {
            Shown::Relative => (None, self.whole(time_ns)),
            Shown::Local(zone) => (Some(in_zone(time_ns, zone, "%Y-%m-%d %:z")), in_zone(time_ns, zone, "%H:%M:%S")),
            Shown::Utc => {
                let text = to_rfc3339(time_ns);
                let (day, time) = text.split_once('T').unwrap_or_default();
                (Some(format!("{day} UTC")), time.split('.').next().unwrap_or_default().to_owned())
            }
        }
    }
}

/// The last hours of the year 9999 are beyond the library's times; they are shown in UTC.
fn in_zone(time_ns: i128, zone: &TimeZone, form: &str) -> String {
    let time = Timestamp::from_nanosecond(time_ns);
    time.map_or_else(|_| to_rfc3339(time_ns), |time| time.to_zoned(zone.clone()).strftime(form).to_string())
}

fn from_now(time_ns: i128, now_ns: i128) -> String {
    let apart = distance(time_ns.abs_diff(now_ns));
    if time_ns > now_ns { format!("in {apart}") } else { format!("{apart} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_zone_or_from_now() {
        let zone = TimeZone::get("Europe/Zurich").unwrap();
        let local = Shown::new(TimeForm::Local, Some(&zone)).unwrap();
        let time_ns = 1_796_032_800_123_000_000;
        assert_eq!(local.whole(time_ns), "2026-11-30T11:00:00.123+01:00");
        assert_eq!(local.parted(time_ns), (Some("2026-11-30 +01:00".to_owned()), "11:00:00".to_owned()));
        assert_eq!(Shown::Utc.parted(time_ns), (Some("2026-11-30 UTC".to_owned()), "10:00:00".to_owned()));
        assert_eq!(from_now(time_ns, time_ns + 125_000_000_000), "2 min 5 s ago");
        assert_eq!(from_now(time_ns, time_ns - 1_000_000_000), "in 1 s");
    }
}
