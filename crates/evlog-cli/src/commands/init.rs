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
  evlog init                               make a log in ./evlog
  evlog --log /var/log/builds init         make it elsewhere
  evlog init --segment-limit 1048576       cut its segments at 1 MiB";

/// Make a log
///
/// `submit` and `run` make the log on their first append, so this is for a log with other than the default segments, or
/// for writers that run with --no-create. A log that is there already is refused, and left as it is.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InitArgs {
    /// Where segments are cut, in bytes; fixed for the log's life
    #[arg(long, value_name = "BYTES", default_value_t = SEGMENT_LIMIT_DEFAULT,
        value_parser = clap::value_parser!(u64).range(SEGMENT_LIMIT_MIN..=SEGMENT_LIMIT_MAX))]
    segment_limit: u64,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &InitArgs) -> Result<Verdict, CommandError> {
    let options = Options { segment_limit: args.segment_limit, ..Context::options("init", true)? };
    let shown = context.log.display();
    if context.has_log()? {
        return Err(CommandError::user(format!("expected no log in `{shown}`, found one")));
    }
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
