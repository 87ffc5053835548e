//! The options that change the lines of events, the same in `cat` and `tail`.

use clap::Args;

/// Options for lines.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Lines")]
pub(crate) struct Showing {
    /// Print the whole payload of each event, and cut nothing on a terminal
    #[arg(long, conflicts_with = "json")]
    pub(crate) full: bool,
    /// On a terminal, break a long line at its words instead of cutting it; it goes on below its fields
    #[arg(long, conflicts_with = "json")]
    pub(crate) wrap: bool,
}
