//! The commands of all built-in contracts, described: what `docs/submit.md` is made from.
//!
//! The tests compare each description with the code that reads the command.

use crate::{custom, lifecycle, pipeline, status, story};
use evlog_projection::described::CommandForm;

/// Each contract by its name, and its commands.
pub fn all() -> [(&'static str, Vec<CommandForm>); 5] {
    [
        ("status", status::commands()),
        ("story", story::commands()),
        ("pipeline", pipeline::commands()),
        ("machine", lifecycle::commands()),
        ("custom", custom::commands()),
    ]
}

#[cfg(test)]
mod tests;
