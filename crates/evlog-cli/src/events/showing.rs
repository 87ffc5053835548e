//! The options that change the lines of events, the same in `cat` and `tail`.

use super::template::{Items, Template};
use super::times::TimeForm;
use clap::Args;

/// Options for lines.
#[derive(Args, Debug)]
#[command(next_help_heading = "Lines")]
pub(crate) struct Showing {
    /// Print the whole payload of each event, and cut nothing on a terminal
    #[arg(long, conflicts_with_all = ["json", "fields", "format"])]
    pub(crate) full: bool,
    /// On a terminal, break a long line at its words instead of cutting it; it goes on below its fields
    #[arg(long, conflicts_with_all = ["json", "format"])]
    pub(crate) wrap: bool,
    /// How to show times [default: utc]
    #[arg(long, value_name = "FORM", conflicts_with = "json")]
    pub(crate) time: Option<TimeForm>,
    /// Print these fields in columns, with commas between: names as in --json and --where, and `run` and `status`
    #[arg(long, value_name = "LIST", value_parser = Items::parse, conflicts_with_all = ["json", "format"])]
    pub(crate) fields: Option<Items>,
    /// Print a line of your own, with fields in braces such as `{seq} {kind} {payload.to}`; `{{` is a brace, `\t` a tab
    #[arg(long, value_name = "TEMPLATE", value_parser = Template::parse, conflicts_with = "json")]
    pub(crate) format: Option<Template>,
}
