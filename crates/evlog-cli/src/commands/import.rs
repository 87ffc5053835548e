//! `evlog import`: a new log with the events of an export.
//!
//! Invariant: what the new log says is true. Recording times, principals and seqs are facts about the new log. It does not
//! repeat the values of the old log.

mod line;

use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::json::ImportObject;
use crate::streams;
use crate::table::{counted, facts};
use crate::ui::{Progress, Tone, Ui, Unit};
use clap::{Args, ValueEnum};
use evlog::history::LOG_STREAM;
use evlog::{Answer, AnswerOutcome, Log, LogError, Offered, Options, View};
use evlog_format::Seq;
use evlog_store::{Fs, StdFs};
use line::Line;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The longest line, in bytes: more than any event has.
const LINE_LEN_MAX: u64 = 64 << 20;

/// How many events may wait for the disk at the same time.
const WAITING_MAX: usize = 4096;

const EXAMPLES: &str = "\
Examples:
  evlog export --format jsonl --contract custom --out events.jsonl
  evlog --log ./copy import jsonl events.jsonl       a new log in ./copy
  evlog --log ./copy import jsonl - < events.jsonl

The file is one export of one log: seqs of two exports in one file say nothing about each other. Kept are run, \
number, kind, payload, actor, correlation, id, and the time when an event occurred, where its command gave one. \
Causes are kept, with the seqs of the new log. Not kept are seqs, the time of recording and the principal: the \
new log has its own, because it was recorded now, and by you. Events of `$log` are left out: they are about the \
old log. `evlog backup` copies a log with everything.";

/// Make a new log with the events of an export
///
/// Only events of contract `custom` can be imported, because their runs have no rules: events of other contracts are decided
/// by commands, and are not taken from a file. The log gets its name when every event is recorded; after an error there is none.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// Format of the file
    #[arg(value_enum, value_name = "FORMAT")]
    format: Importable,
    /// The file; `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The formats that can be imported.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Importable {
    /// As `evlog export --format jsonl` and `evlog cat --json` write it
    Jsonl,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ImportArgs) -> Result<Verdict, CommandError> {
    context.check_on_disk("import")?;
    let Importable::Jsonl = args.format;
    if context.log.symlink_metadata().is_ok() {
        return Err(taken(context));
    }
    let (mut source, len) = args.open()?;
    // An unfinished log is removed when this is dropped.
    let draft = files::draft_dir(&context.log)?;
    let made = draft.path().join("log");
    // Events without a correlation get none: the correlation of this command's caller does not belong to them.
    let options = Options { correlation: None, ..Context::options("import", true)? };
    let log = options.open(&made, contracts())?;
    let mut import = Import::new(&log);
    let progress = ui.progress("import", len, Unit::Bytes);
    import.take_all(&args.file, &mut *source, &progress).map_err(|error| error.hint("no log was made"))?;
    drop(progress);
    let (runs, events, left_out) = (import.runs.len(), import.seqs.len() as u64, import.left_out);
    log.close()?;
    let made_log = View::open(&made, contracts())?;
    let (log_id, next_seq) = (made_log.log_id().to_string(), made_log.next_seq().0);
    StdFs.name(&made, &context.log).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(context),
        _ => CommandError::file("make", context.log.display(), &error),
    })?;
    files::sync_above(&context.log)?;
    let log = context.log.display().to_string();
    if context.json {
        ui.json(&ImportObject { log: &log, log_id: &log_id, runs, events, left_out, next_seq });
        return Ok(Verdict::Yes);
    }
    let left_out = format!("{} of the old log about itself", counted(left_out, "event"));
    facts(
        ui,
        &[
            ("made", format!("log {log_id} in {log}"), Tone::Good),
            ("imported", format!("{} of {}", counted(events, "event"), counted(runs as u64, "run")), Tone::Plain),
            ("left out", left_out, Tone::Plain),
        ],
    );
    Ok(Verdict::Yes)
}

fn taken(context: &Context) -> CommandError {
    let place = format!("`{}`", context.log.display());
    CommandError::unlike(&place, "nothing", "a file or directory")
        .worded(format!("{place} exists already, and an import makes a new log; nothing was changed"))
        .hint("`--log PATH` names another place")
}

impl ImportArgs {
    /// The file, and its length in bytes where that is known.
    fn open(&self) -> Result<(Box<dyn BufRead>, u64), CommandError> {
        if self.file.as_os_str() == "-" {
            return Ok((Box::new(BufReader::new(streams::stdin())), 0));
        }
        let refused = |error: io::Error| {
            CommandError::file("read", self.file.display(), &error)
                .during("import")
                .hint("no log was made; give a file that `evlog export --format jsonl --out FILE` wrote")
        };
        let file = File::open(&self.file).map_err(refused)?;
        let len = file.metadata().map_err(refused)?.len();
        Ok((Box::new(BufReader::with_capacity(1 << 20, file)), len))
    }
}

/// An import under way.
struct Import<'l> {
    log: &'l Log,
    /// Events that are not synced yet.
    waiting: VecDeque<Offered>,
    /// The number of events of each run.
    runs: BTreeMap<String, u64>,
    /// The seq of the last line.
    last: Option<u64>,
    /// The old and the new seq of each event that is recorded. Both rise.
    seqs: Vec<(u64, Seq)>,
    left_out: u64,
}

impl<'l> Import<'l> {
    fn new(log: &'l Log) -> Import<'l> {
        let (waiting, runs) = (VecDeque::new(), BTreeMap::new());
        Import { log, waiting, runs, last: None, seqs: Vec::new(), left_out: 0 }
    }

    /// Takes every line of the file with this name.
    fn take_all(&mut self, file: &Path, source: &mut dyn BufRead, progress: &Progress) -> Result<(), CommandError> {
        let (mut line, mut bytes, mut done) = (0, Vec::new(), 0);
        loop {
            bytes.clear();
            let read = io::Read::take(&mut *source, LINE_LEN_MAX + 1).read_until(b'\n', &mut bytes);
            let len = read.map_err(|error| CommandError::file("read", file.display(), &error))?;
            if len == 0 {
                break;
            }
            line += 1;
            done += len as u64;
            self.take(&bytes).map_err(|error| error.during(format_args!("line {line}")))?;
            if self.waiting.len() >= WAITING_MAX {
                self.wait_until(WAITING_MAX / 2)?;
            }
            progress.at(done);
        }
        self.wait_until(0)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        if bytes.len() as u64 > LINE_LEN_MAX {
            return Err(CommandError::user(format!("expected at most {LINE_LEN_MAX} bytes, found more")));
        }
        if bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        let event = Line::parse(bytes).map_err(CommandError::user)?;
        self.follow(event.seq)?;
        if event.stream == LOG_STREAM {
            self.left_out += 1;
            return Ok(());
        }
        let expected = self.runs.entry(event.stream.clone()).or_default();
        if event.number != *expected {
            let message =
                format!("run `{}`: expected event {expected} of the run, found event {}", event.stream, event.number);
            return Err(CommandError::user(message).hint("export whole runs, from their first event on"));
        }
        *expected += 1;
        let causation = event.causation.map(|cause| self.new_seq(cause)).transpose()?;
        let (old_seq, request) = (event.seq, event.request(causation).map_err(CommandError::user)?);
        let offered = self.log.offer(&request).map_err(|error| match error {
            LogError::Malformed(error) => CommandError::user(line::shown(error)),
            error => error.into(),
        })?;
        self.seqs.push((old_seq, recorded(offered.answer())?));
        self.waiting.push_back(offered);
        Ok(())
    }

    /// The events of a log have rising seqs. If they do not rise, another export begins. Its causes do not refer to the
    /// events of the first export.
    fn follow(&mut self, seq: u64) -> Result<(), CommandError> {
        match self.last.replace(seq) {
            Some(last) if seq <= last => {
                let message = format!("expected a seq above {last}, as in one export of one log, found {seq}");
                Err(CommandError::user(message).hint("import each export as a log of its own"))
            }
            _ => Ok(()),
        }
    }

    /// The new seq of the event that caused this one.
    fn new_seq(&self, cause: u64) -> Result<Seq, CommandError> {
        let found = self.seqs.binary_search_by_key(&cause, |(old, _)| *old);
        found.map(|at| self.seqs[at].1).map_err(|_| {
            let message = format!("expected an earlier line with seq {cause}, which caused this event, found none");
            CommandError::user(message).hint("an import keeps causes: export the events that are causes, too")
        })
    }

    /// Waits for the disk until at most `left` events wait for it.
    fn wait_until(&mut self, left: usize) -> Result<(), CommandError> {
        while self.waiting.len() > left
            && let Some(offered) = self.waiting.pop_front()
        {
            let _accepted = self.log.wait(offered)?;
        }
        Ok(())
    }
}

/// The seq of an event that was offered: it is fixed before the disk has it.
fn recorded(answer: &Answer) -> Result<Seq, CommandError> {
    let seq = answer.events.first().filter(|_| answer.outcome == AnswerOutcome::Accepted).map(|(seq, _)| *seq);
    seq.ok_or_else(|| {
        let why = answer.error.as_ref().map_or("its `id` is there already", |error| &error.message);
        CommandError::user(format!("the event cannot be recorded: {why}"))
    })
}
