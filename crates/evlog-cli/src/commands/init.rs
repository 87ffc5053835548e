//! `evlog init`: makes a log.

use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::json::InitObject;
use crate::ui::{Text, Tone, Ui};
use clap::Args;
use evlog::Options;
use evlog_format::limits::{SEGMENT_LIMIT_DEFAULT, SEGMENT_LIMIT_MAX, SEGMENT_LIMIT_MIN};

const EXAMPLES: &str = "\
Examples:
  evlog init                               create a log in ./evlog
  evlog --log /var/log/builds init         create it in another directory
  evlog init --segment-limit 1048576       limit its segments to 1 MiB";

/// Create a log
///
/// `submit` and `run` create the log when they first append. Use this command to choose another segment size, or if the
/// writers run with --no-create. It refuses to touch an existing log.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InitArgs {
    /// Size limit of a segment, in bytes; it cannot change later
    #[arg(long, value_name = "BYTES", default_value_t = SEGMENT_LIMIT_DEFAULT,
        value_parser = clap::value_parser!(u64).range(SEGMENT_LIMIT_MIN..=SEGMENT_LIMIT_MAX))]
    segment_limit: u64,
    /// Create the log without trying its object store first, or although the store did not pass
    #[arg(long)]
    untested_store: bool,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &InitArgs) -> Result<Verdict, CommandError> {
    let shown = context.log.display();
    if context.has_log()? {
        return Err(CommandError::unlike(format!("`{shown}`"), "no log", "one")
            .worded(format!("there is a log in `{shown}` already; nothing was changed"))
            .hint("that log can be used; `--log PATH` names another place"));
    }
    let store_tried = context.try_store(args.untested_store)?;
    let (segment_limit, fs) = (args.segment_limit, context.fs()?);
    let options = Options { segment_limit, fs, store_tried, ..Context::options("init", true)? };
    let log = options.open(&context.log, contracts())?;
    log.begin()?;
    let log_id = log.log_id().to_string();
    log.close()?;
    if context.json {
        ui.json(&InitObject { log: &shown.to_string(), log_id: &log_id, segment_limit: args.segment_limit });
    } else {
        ui.line(Text::default().toned(Tone::Good, "made").plain(format_args!(" log {log_id} in `{shown}`")));
    }
    Ok(Verdict::Yes)
}
