//! `evlog export`: events in the formats of other programs.

mod target;

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::{ExportObject, event_line, payload_json};
use crate::listener;
use crate::marks;
use crate::outputs;
use crate::selecting::{Read, Selecting, Selector};
use crate::table::{counted, facts};
use crate::ui::{Progress, Tone, Ui, Unit};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use evlog::View;
use evlog_audit::Kinds;
use evlog_export::flat::COLUMNS_MAX;
use evlog_export::{Flat, Format};
use evlog_format::Seq;
use evlog_projection::Fact;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use target::{Target, Written};

const EXAMPLES: &str = "\
Examples:
  evlog export --format jsonl --out events.jsonl
      every event, as `evlog cat --json` prints it
  evlog export --format csv --out - --since 2026-03-01
      to stdout, for another program
  evlog export --format parquet --out events.parquet
      a table for DuckDB, pandas, Spark
  evlog export --format parquet --flatten custom/paid --out paid.parquet \\
      --kind custom/paid
  evlog export --format parquet --by-day --out events
      a directory, with files for each day
  evlog export --format xes --out runs.xes
      a trace for each run, for process mining
  evlog export --format jsonl --out more.jsonl --from 1200
      continue where the answer's next_seq said

docs/export.md describes each format, and what to do with it.";

/// Export events to a file in the format of other programs
///
/// The file gets its name when it is complete. A file that exists is never replaced, and nothing is left after an error. The
/// answer has the number of events, the BLAKE3 hash of the file, and the seq to continue from.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// Format of the file
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    format: Format,
    /// The file, which must not exist; `-` for stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Parquet: give each member of the payloads of this kind a column of its own; patterns as for --kind. Can be given again
    #[arg(long = "flatten", value_name = "KIND", value_parser = Kinds::parse)]
    flattened: Vec<Kinds>,
    /// Make --out a directory, with files for each day on which events were recorded (UTC): `day=2026-03-02/…`
    #[arg(long)]
    by_day: bool,
    /// Start at this event; to continue, the `next_seq` of the last answer
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    selecting: Selecting,
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).map(|name| {
        let found = Format::ALL.into_iter().find(|format| format.name() == name);
        found.unwrap_or_else(|| unreachable!("the parser knows no other"))
    })
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ExportArgs) -> Result<Verdict, CommandError> {
    args.check(context)?;
    let view = context.view(&args.at)?;
    args.check_from(&view)?;
    let flat = args.flat(ui, &view)?;
    match args.export(ui, &view, flat) {
        // For other commands, it is no error if the program that reads stdout stops early. An export is incomplete then.
        Err(_) if ui.has_lost_its_reader() => {
            Err(CommandError::user("--out -: the reader of stdout left before the end, so the export is not complete"))
        }
        // `main` reports at its end why the answer could not be written.
        Err(_) if !ui.is_read() => Ok(Verdict::Yes),
        Err(error) => Err(error),
        Ok(written) => {
            args.print(ui, context, &view, &written);
            Ok(Verdict::Yes)
        }
    }
}

impl ExportArgs {
    fn is_stdout(&self) -> bool {
        self.out == Path::new("-")
    }

    /// Refuses what cannot be done, before anything is read.
    fn check(&self, context: &Context) -> Result<(), CommandError> {
        let (name, out) = (self.format.name(), self.out.display());
        if !self.format.is_built_in() {
            return Err(CommandError::user(format!("--format {name}: this evlog was built without it"))
                .hint("build it with `cargo build --release -p evlog-cli --features parquet`"));
        }
        if !self.flattened.is_empty() && self.format != Format::Parquet {
            return Err(CommandError::unlike("--flatten", "--format parquet", name));
        }
        if self.by_day && (self.is_stdout() || self.format.is_by_run()) {
            let message =
                format!("--by-day: expected a directory and a format without traces, found {name} to `{out}`");
            return Err(CommandError::user(message));
        }
        if !self.is_stdout() {
            return self.check_target(context);
        }
        if context.json {
            return Err(CommandError::unlike("--json", "a file in --out", "stdout, which gets the events")
                .hint("`evlog cat --json` prints the events as JSON"));
        }
        if listener::was_closed() {
            return Err(CommandError::unlike("--out -", "a file or a pipe as stdout", "it closed"));
        }
        if io::stdout().is_terminal() {
            return Err(CommandError::unlike("--out -", "a file or a pipe as stdout", "a terminal")
                .hint("`evlog cat` shows events to people"));
        }
        Ok(())
    }

    /// Refuses a log that ends before the seq to start from: it is not the log that was exported before.
    fn check_from(&self, view: &View) -> Result<(), CommandError> {
        let (from, next_seq) = (self.from, view.next_seq().0);
        if from <= next_seq {
            return Ok(());
        }
        let message = format!("--from {from}: expected at most {next_seq}, the seq of the next event");
        Err(CommandError::user(message).hint("a log that was restored from an older copy is shorter: docs/copying.md"))
    }

    fn check_target(&self, context: &Context) -> Result<(), CommandError> {
        if self.out.symlink_metadata().is_ok() {
            return Err(target::taken(&self.out));
        }
        outputs::check_or_stdout("--out", &self.out, &context.log, None)
    }

    /// The columns of payloads. They need their own pass over the log, because the file has them before the first event.
    fn flat(&self, ui: &Ui, view: &View) -> Result<Flat, CommandError> {
        let (mut flat, mut learnt) = (Flat::default(), 0_u64);
        if self.flattened.is_empty() {
            return Ok(flat);
        }
        let progress = ui.progress("columns", view.next_seq().0, Unit::Events);
        self.each(view, &progress, &mut |fact| {
            if self.flattened.iter().any(|kinds| kinds.holds(fact.event.kind)) {
                learnt += 1;
                if !flat.learn(&fact.event.kind.to_string(), &payload_json(&fact.event)) {
                    return Err(CommandError::user(format!(
                        "--flatten: expected payloads with at most {COLUMNS_MAX} members in all, found more at seq {}",
                        fact.seq.0
                    )));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if learnt == 0 {
            return Err(CommandError::user("--flatten: none of the events that are selected is of this kind"));
        }
        Ok(flat)
    }

    fn export(&self, ui: &mut Ui, view: &View, flat: Flat) -> Result<Vec<Written>, CommandError> {
        let policies = marks::policies(view);
        let progress = ui.progress("export", view.next_seq().0, Unit::Events);
        let mut target = if self.is_stdout() {
            Target::answer(self.format, view, flat, ui.bytes())?
        } else if self.by_day {
            Target::days(self.format, view, flat, &self.out)?
        } else {
            Target::file(self.format, view, flat, &self.out)?
        };
        self.each(view, &progress, &mut |fact| {
            target.event(&event_line(fact, policies.apart_ns(fact.seq)))?;
            Ok(ControlFlow::Continue(()))
        })?;
        target.finish()
    }

    /// Visits the selected events, in the order of the format.
    fn each(
        &self,
        view: &View,
        progress: &Progress,
        visit: &mut dyn FnMut(&Fact<'_>) -> Result<ControlFlow<()>, CommandError>,
    ) -> Result<(), CommandError> {
        let (from, mut selector) = (Seq(self.from), Selector::new(self.selecting.selection(&self.at.zone())?));
        let mut visit = |read: Read<'_>| {
            progress.step();
            if let Read::Meant(fact) = read { visit(fact) } else { Ok(ControlFlow::Continue(())) }
        };
        if self.format.is_by_run() {
            selector.each_by_run(view, from, &mut visit)
        } else {
            selector.each(view, from, &mut visit)
        }
    }

    fn print(&self, ui: &mut Ui, context: &Context, view: &View, written: &[Written]) {
        let next_seq = view.next_seq().0;
        let (events, bytes) =
            (written.iter().map(|file| file.events).sum(), written.iter().map(|file| file.bytes).sum());
        let events_shown = counted(events, "event");
        if self.is_stdout() {
            ui.talk(format_args!("exported {events_shown}; --from {next_seq} continues"));
            return;
        }
        let (out, format) = (self.out.display().to_string(), self.format.name());
        let blake3 = written.first().filter(|_| !self.by_day).map(|file| file.blake3.as_str());
        if context.json {
            let files = if self.by_day { written } else { &[] };
            ui.json(&ExportObject { format, out: &out, events, bytes, next_seq, blake3, files });
            return;
        }
        let mut lines = vec![
            ("exported", format!("{events_shown} as {format}"), Tone::Good),
            ("file", format!("{out} ({})", counted(bytes, "byte")), Tone::Strong),
            ("next seq", format!("{next_seq}; --from {next_seq} continues"), Tone::Plain),
        ];
        match blake3 {
            Some(blake3) => lines.push(("blake3", blake3.to_owned(), Tone::Plain)),
            None => lines.push(("files", written.len().to_string(), Tone::Plain)),
        }
        facts(ui, &lines);
    }
}
