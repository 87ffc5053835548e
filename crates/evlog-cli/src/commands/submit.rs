//! `evlog submit`: reads commands as JSON Lines, prints one result line for each.
//!
//! Three threads: one reads and parses lines ([`input`]), this one decides them and hands them to the store
//! ([`offer`]), one waits for them in order and writes results ([`answers`]). The queues between them are bounded, so
//! memory does not grow with the input. Each thread waits only if the next one is behind, so everything that waits is
//! committed with one sync.

mod answers;
mod input;
mod offer;
mod stop;
#[cfg(test)]
mod tests;

use crate::args::Writing;
use crate::commands::contract::load;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::metrics::{self, Metrics, Target};
use crate::outputs;
use crate::signing::{self, SigningArgs};
use crate::streams;
use crate::ui::{Ui, Unit};
use answers::{Answers, Tally};
use clap::Args;
use evlog::{AppendError, Log, LogError};
use evlog_lifecycle::form::Definition;
use evlog_projection::described::Need;
use evlog_projection::request::shared_members;
use offer::{Offering, offer_all};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;
use std::time::Duration;
use stop::Stop;

/// How many batches may wait between two threads.
const QUEUE_LEN: usize = 4;
/// How long to wait for the reader of the results after a signal.
const PATIENCE: Duration = Duration::from_secs(2);

const EXAMPLES: &str = r#"Examples:
  evlog submit commands.jsonl > results.jsonl
  echo '{"contract":"status","run":"R-1","do":"create"}' | evlog submit
  echo '{"contract":"status","run":"R-1","do":"transition","to":"running"}' \
      | evlog submit
  evlog submit --contract order.toml orders.jsonl
  echo '{"contract":"custom","run":"o1","do":"record","kind":"custom/paid"}' \
      | evlog submit
  EVLOG_CORRELATION=req-7 evlog submit commands.jsonl
      give all of them one correlation
"#;

const MORE: &str = "
docs/submit.md has every member that each contract takes, with an example of each command.

EVLOG_CORRELATION must be text of at most 256 bytes, else it is an error. TRACEPARENT is set for other programs, too: it is ignored if it does not have the form of W3C Trace Context.

If there is no log yet, the first command creates it, even if that command is refused. The log then has no events. --no-create creates none.

Exit codes:
  0   every line is accepted or a duplicate
  1   a line is rejected or refused
  2   one of these:
      - a line is malformed (the other lines are processed);
      - TERM, HUP or Ctrl-C ended the input: every command read so far is
        recorded and answered, the last checkpoint is signed, and the log is
        closed. Until then, for at most 10 seconds, further signals are
        ignored;
      - a checkpoint could not be signed: every answered command is recorded;
      - memory ran out: every answered command is recorded. Commands without
        an answer may or may not be recorded; those with an `id` can safely be
        sent again";

/// The columns of the list of members, and of the help.
const NAME_COLUMNS: usize = 13;
const HELP_COLUMNS: usize = 78;

/// The text below the options.
fn after_help() -> String {
    let mut help = format!("{EXAMPLES}\nOptional members of every command:\n");
    let optional = shared_members().into_iter().filter(|member| member.need == Need::Optional);
    for member in optional {
        let mut line = format!("  {:NAME_COLUMNS$}", member.name);
        let indent = line.len();
        for word in member.meaning.split(' ') {
            if line.len() + word.len() > HELP_COLUMNS {
                help.extend([line.trim_end(), "\n"]);
                line = " ".repeat(indent);
            }
            line.extend([word, " "]);
        }
        help.extend([line.trim_end(), "\n"]);
    }
    help + MORE
}

/// Record commands from JSON Lines, and print one result line for each
///
/// Each input line is a command. Results go to stdout, in the order of the commands: accepted, rejected, refused,
/// duplicate or malformed. A result is printed only after its events are committed. Blank lines are counted and
/// skipped. A slow reader of the results does not delay recording: unread results wait in memory, and beyond 16 MiB in
/// a temporary file (below TMPDIR). If that file cannot be written, recording waits for the reader.
#[derive(Args, Debug)]
#[command(after_help = after_help())]
pub(crate) struct SubmitArgs {
    /// The file with the commands; `-` for stdin
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// A contract file. Commands use it by its name. Can be given more than once
    #[arg(long = "contract", value_name = "FILE")]
    contracts: Vec<PathBuf>,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    signing: SigningArgs,
    /// Show figures about this command, for Prometheus: in FILE, written anew every 15 seconds and at the end; or at
    /// `http://ADDR/metrics`. ADDR is `:9464`, which is this machine only, or an IP address with a port
    #[arg(long, value_name = "FILE|ADDR", value_parser = Target::parse)]
    metrics: Option<Target>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &SubmitArgs) -> Result<Verdict, CommandError> {
    let checkpoints = args.signing.checkpoint_out.as_deref();
    outputs::check_apart(&[
        ("--checkpoint-out", checkpoints),
        ("--metrics", args.metrics.as_ref().and_then(Target::file)),
    ])?;
    let signer = args.signing.signer(&context.log)?;
    let brought = brought(&args.contracts)?;
    let (source, len) = open(&args.file)?;
    let metered = metrics::begin(ui, "submit", context, args.metrics.as_ref(), args.signing.key.as_deref())?;
    let metrics = &metered.metrics();
    metrics.count(|figures| figures.will_answer(&Tally::WORDS));
    let log = OnceLock::new();
    // An existing or required log is opened before the first line, so that a refusal does not wait for input.
    if args.writing.no_create || context.has_log().map_err(|error| error.hint("nothing was recorded"))? {
        open_log(context, args, &brought, &log, metrics)?;
    }
    if let (Some(signer), Some(opened)) = (&signer, log.get())
        && let Err(refused) = signer.check(opened)
    {
        let closed = log.into_inner().map_or(Ok(()), Log::close).map_err(CommandError::from);
        return CommandError::followed_by(Err(refused), closed);
    }
    let let_go = ui.spool().map_err(|error| no_thread("writes answers", &error))?;
    let progress = ui.progress_beside_answer("submit", len, Unit::Bytes);
    let (send, receive) = sync_channel(QUEUE_LEN);
    let stop = Stop::ending(send.clone(), let_go.clone()).map_err(|error| no_thread("waits for signals", &error))?;
    input::start(source, send.clone()).map_err(|error| no_thread("reads the input", &error))?;
    let (worked, checkpoints) = signing::during(signer, metrics, &|| log.get(), || {
        std::thread::scope(|scope| {
            let (offered, waiting) = sync_channel(QUEUE_LEN);
            let (log, brought) = (&log, brought.as_slice());
            let ui = &mut *ui;
            let answering = move || Answers::new(ui, log, metrics).write_all(waiting, &send);
            let answers = Builder::new().name("evlog-answers".into()).spawn_scoped(scope, answering)?;
            let offering =
                offer_all(&|| open_log(context, args, brought, log, metrics), log, receive, &offered, &progress);
            drop(offered);
            Ok::<_, io::Error>((offering, answers.join()))
        })
    });
    drop(progress);
    let (offering, answered) = worked.map_err(|error| no_thread("waits for commits", &error))?;
    // Also if the whole input was read before the signal arrived, because the answers were still waiting.
    if offering.signal.is_some() || let_go.was_said() {
        ui.hurry(PATIENCE);
    }
    let Ok(answers) = answered else { unreachable!("the thread that writes answers does not panic") };
    // Close in any case: what was committed stays, and the next session finds a cleanly closed log.
    let closed = log.into_inner().map_or(Ok(()), Log::close).map_err(CommandError::from);
    let concluded = conclude(answers, offering, &closed);
    let checkpoints = if concluded.is_ok() {
        checkpoints.map_err(|error| error.during("all lines are answered, but"))
    } else {
        checkpoints
    };
    let concluded = CommandError::followed_by(CommandError::followed_by(concluded, closed), checkpoints);
    stop.end_with(concluded.as_ref().map_or_else(|error| error.code, |verdict| verdict.code()));
    concluded
}

/// The verdict on the input, or why it was not read to its end. Whether the log was `closed` decides on advice only.
fn conclude(
    answers: answers::Written,
    offering: Offering,
    closed: &Result<(), CommandError>,
) -> Result<Verdict, CommandError> {
    let last = offering.last_line;
    if let Some((line, error)) = answers.failed {
        let hint = if matches!(*error, LogError::Append(AppendError::NotAppended { .. })) {
            format!("lines from {line} on were not recorded, and can be submitted again")
        } else {
            format!(
                "lines {line} to {last} may have been recorded, later lines were not: check with `evlog tail` before you \
                 submit them again (a line with an `id` is never recorded twice)"
            )
        };
        return Err(CommandError::from(*error).during(format_args!("line {line}")).hint(hint));
    }
    if let Some(signal) = offering.signal {
        let message =
            format!("stopped by {signal}: lines up to {last} are processed and answered, later lines are not recorded");
        let hint = match closed {
            Ok(()) => "the log was closed; the rest of the input can be submitted again",
            Err(_) => "the rest of the input can be submitted again",
        };
        return Err(CommandError::user(message).hint(hint));
    }
    match offering.stopped {
        Some(error) => {
            Err(error.hint(format!("lines up to {last} are processed and answered, later lines are not recorded")))
        }
        None => Ok(answers.tally.verdict()),
    }
}

fn no_thread(which: &str, error: &io::Error) -> CommandError {
    CommandError::user(format!("could not start the thread that {which}: {error}"))
        .hint("no line was recorded; end other programs, or raise the limit of threads or of memory (`ulimit -u`, `ulimit -v`)")
}

fn open_log(
    context: &Context,
    args: &SubmitArgs,
    brought: &[Definition],
    log: &OnceLock<Log>,
    metrics: &Metrics,
) -> Result<(), CommandError> {
    if log.get().is_none() {
        let opened = args
            .writing
            .turn
            .take(|| context.writer_with(brought, "submit", &args.writing, true, metrics.observer()))?;
        assert!(log.set(opened).is_ok(), "only one thread opens the log");
    }
    Ok(())
}

/// The contracts of the files. Two with the same name are refused, because the name would be ambiguous.
fn brought(files: &[PathBuf]) -> Result<Vec<Definition>, CommandError> {
    let mut brought: Vec<Definition> = Vec::new();
    for file in files {
        let definition = load(file).map_err(|error| error.during("--contract").hint("nothing was recorded"))?;
        let name = definition.name();
        if brought.iter().any(|earlier| earlier.name() == name) {
            let message = format!("`{}`: expected one contract of each name, found `{name}` again", file.display());
            return Err(CommandError::user(message));
        }
        brought.push(definition);
    }
    Ok(brought)
}

/// The input, and its length in bytes when that is known.
fn open(path: &Path) -> Result<(Box<dyn Read + Send>, u64), CommandError> {
    if path == Path::new("-") {
        return Ok((Box::new(streams::stdin()), 0));
    }
    let refused = |error: io::Error| {
        CommandError::file("read", path.display(), &error)
            .during("submit")
            .hint("nothing was recorded; give a file with one command a line, or `-` for stdin")
    };
    let file = File::open(path).map_err(refused)?;
    let found = file.metadata().map_err(refused)?;
    if found.is_dir() {
        return Err(refused(io::ErrorKind::IsADirectory.into()));
    }
    Ok((Box::new(file), if found.is_file() { found.len() } else { 0 }))
}
