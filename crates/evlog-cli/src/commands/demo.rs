//! `evlog demo`: what evlog is for, in one command: a run is recorded, shown and verified, in a directory that is removed.
//!
//! It runs the commands that people type, and answers with what they print.

use super::arguments::Arguments;
use super::bench::{INTERRUPTED, catch_signals};
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::ui::{Text, Tone, Ui};
use clap::{Args, Parser};
use evlog::LogError;
use evlog_format::Position;
use evlog_lifecycle::status::{RunStatus, Status};
use evlog_store::layout::Layout;
use serde_json::{Map, json};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The run, and the text in it whose first byte is forged.
const RUN: &str = "demo";
const HONEST: &str = "3 parcels";

const EXAMPLES: &str = "\
Exit codes:
  0   the log was verified
  1   with --tamper: the forgery was found

Examples:
  evlog demo
  evlog demo --tamper";

/// Record a run in a temporary log and verify it; with --tamper, forge a byte first
///
/// The log is in a directory below TMPDIR, which is removed at the end. Nothing else is read or written.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Change one byte of the log before it is verified
    #[arg(long)]
    tamper: bool,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &DemoArgs) -> Result<Verdict, CommandError> {
    let asked = Arc::new(AtomicBool::new(false));
    catch_signals(&asked).map_err(|error| CommandError::user(format!("could not catch signals: {error}")))?;
    let dir = tempfile::Builder::new().prefix("evlog-demo-").tempdir();
    let dir = dir.map_err(|error| CommandError::file("make", "a temporary directory", &error))?;
    let shown = show(ui, context, args, &dir.path().join("evlog"));
    let place = dir.path().display().to_string();
    let removed = dir.close().map_err(|error| CommandError::file("remove", place, &error));
    let verdict = CommandError::followed_by(shown, removed)?;
    if asked.load(Ordering::Relaxed) {
        return Err(CommandError::user("interrupted; the log was removed").with_code(INTERRUPTED));
    }
    Ok(verdict)
}

fn show(ui: &mut Ui, context: &Context, args: &DemoArgs, log: &Path) -> Result<Verdict, CommandError> {
    say(ui, context, "a run is recorded, in three synced commits");
    record(log)?;
    typed(ui, context, log, &["cat", "--run", RUN])?;
    if args.tamper {
        forge(log)?;
        say(ui, context, "one byte of the log is changed: 3 parcels are 9 now");
    }
    typed(ui, context, log, &["verify"])
}

fn record(log: &Path) -> Result<(), CommandError> {
    let writer = Context::options("demo", true)?.open(log, contracts())?;
    let mut data = Map::new();
    data.insert("run_name".to_owned(), json!(HONEST));
    let commands = [
        Status::create(RUN, data),
        Status::transition(RUN, RunStatus::Running),
        Status::transition(RUN, RunStatus::Success),
    ];
    let recorded = commands.into_iter().try_for_each(|command| {
        let answer = writer.submit(&command.build().map_err(LogError::Malformed)?)?;
        answer.into_accepted().map(|_| ()).map_err(|refused| CommandError::user(refused.to_string()))
    });
    CommandError::followed_by(recorded, writer.close().map_err(CommandError::from))
}

/// Changes one byte of the first segment, as anybody can who has permission to write to the file.
fn forge(log: &Path) -> Result<(), CommandError> {
    let segment = Layout::new(log).segment(Position(0));
    let failed = |error: io::Error| CommandError::file("forge", segment.display(), &error);
    let bytes = std::fs::read(&segment).map_err(failed)?;
    let found = bytes.windows(HONEST.len()).position(|text| text == HONEST.as_bytes());
    let at = found.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
    let file = File::options().write(true).open(&segment).map_err(failed)?;
    file.write_all_at(b"9", at as u64).map_err(failed)
}

/// Runs a command as if it had been typed.
fn typed(ui: &mut Ui, context: &Context, log: &Path, words: &[&str]) -> Result<Verdict, CommandError> {
    if !context.json {
        ui.line(Text::default().toned(Tone::Strong, "$ evlog ").toned(Tone::Strong, words.join(" ")));
        // What the command says of its own comes below, also where both outputs are one.
        ui.flush();
    }
    let arguments = Arguments::try_parse_from(["evlog"].iter().chain(words));
    let arguments = arguments.map_err(|error| CommandError::user(error.to_string()))?;
    arguments.command.run(ui, &Context::of(log.to_path_buf(), context.json))
}

fn say(ui: &mut Ui, context: &Context, sentence: &str) {
    if !context.json {
        ui.line(Text::default().toned(Tone::Faint, "# ").toned(Tone::Faint, sentence));
    }
}
