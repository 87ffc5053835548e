//! The options that several commands share. The doc comments are the help texts, and `docs/cli.md` is made from it.

use crate::caller::Actor;
use crate::error::CommandError;
use crate::turn::Turn;
use crate::ui::Colour;
use crate::when::{self, Point};
use clap::Args;
use evlog::View;
use jiff::tz::TimeZone;
use std::path::PathBuf;

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The log's directory, or the URL of a bucket
    #[arg(
        long,
        global = true,
        env = "EVLOG_LOG",
        default_value = "./evlog",
        value_name = "PATH",
        hide_env_values = true
    )]
    pub(crate) log: PathBuf,
    /// Print the answer as JSON; VERSION selects the version of its shapes [default: 1]
    #[arg(
        long,
        global = true,
        value_name = "VERSION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        value_parser = ["1"],
        hide_possible_values = true
    )]
    pub(crate) json: Option<String>,
    /// When to use colours: always, never, or auto, which is on a terminal unless `NO_COLOR`, `CLICOLOR_FORCE` or `CLICOLOR=0`
    /// says otherwise
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub(crate) color: Colour,
    /// Print only errors on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// Options of commands that read.
#[derive(Args, Debug, Default)]
pub(crate) struct At {
    /// Show the log as it was right after this event, or at this time: a seq, RFC 3339, a date, `yesterday`, or a time before
    /// now such as 2h. A commit whose last event comes later is left out
    #[arg(long, value_name = "SEQ|TIME", allow_hyphen_values = true, value_parser = Point::parse)]
    at: Option<Point>,
    /// The time zone of dates and times without one: a name such as Europe/Zurich, or +02:00 [default: UTC]
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true, value_parser = when::zone)]
    tz: Option<TimeZone>,
}

impl At {
    /// Whether an earlier state of the log is selected.
    pub(crate) fn is_given(&self) -> bool {
        self.at.is_some()
    }

    /// The time zone that was named.
    pub(crate) fn named_zone(&self) -> Option<&TimeZone> {
        self.tz.as_ref()
    }

    /// The time zone of dates and times without one.
    pub(crate) fn zone(&self) -> TimeZone {
        self.tz.clone().unwrap_or(TimeZone::UTC)
    }

    /// The log as it was then.
    pub(crate) fn of(&self, view: View) -> Result<View, CommandError> {
        match &self.at {
            Some(point) => point.of("--at", view, &self.zone()),
            None => Ok(view.as_of(None)?),
        }
    }
}

/// Options of commands that write.
#[derive(Args, Debug)]
pub(crate) struct Writing {
    /// Fail if there is no log, instead of creating one
    #[arg(long)]
    pub(crate) no_create: bool,
    /// Create the log without trying its object store first, or although the store did not pass
    #[arg(long, conflicts_with = "no_create")]
    pub(crate) untested_store: bool,
    /// The actor for commands that do not name one [env: `EVLOG_ACTOR`] [default: the user, `os:NAME`]
    #[arg(long, value_name = "NAME", value_parser = Actor::parse)]
    pub(crate) actor: Option<Actor>,
    #[command(flatten)]
    pub(crate) turn: Turn,
}
