//! A time range from the command line.

use clap::{ArgGroup, Args};
use evlog::Moment;
use evlog::clock::{Clock, SystemClock};
use evlog_format::CommitHead;
use evlog_projection::time::{from_rfc3339, from_span};

/// Options that select events by their time.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("bound").multiple(true)))]
pub(crate) struct Span {
    /// Only events recorded at this time or later: a UTC time, or a time before now such as -2h or -1d
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true, group = "bound")]
    since: Option<i128>,
    /// Only events recorded before this time; same form as --since
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true, group = "bound")]
    until: Option<i128>,
    /// Apply --since and --until to the time when an event occurred, where its command gave one (`at`)
    #[arg(long, requires = "bound")]
    occurred: bool,
}

/// A time, or a duration before now.
fn time(text: &str) -> Result<i128, String> {
    let Some(ago) = text.strip_prefix('-') else { return from_rfc3339(text) };
    let ago_ns = from_span(ago)?;
    Ok(i128::from(SystemClock.now_ns()) - i128::from(ago_ns))
}

impl Span {
    /// Whether any time is left out.
    pub(crate) fn is_given(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    /// Which time of a commit counts.
    pub(crate) fn moment(&self) -> Moment {
        if self.occurred { Moment::Happened } else { Moment::Recorded }
    }

    /// Its first time, and the time behind its last one, Unix nanoseconds.
    pub(crate) fn ends(&self) -> (i128, i128) {
        (self.since.unwrap_or(i128::MIN), self.until.unwrap_or(i128::MAX))
    }

    pub(crate) fn holds(&self, head: &CommitHead<'_>) -> bool {
        let (since, until) = self.ends();
        (since..until).contains(&self.moment().of(head))
    }
}
