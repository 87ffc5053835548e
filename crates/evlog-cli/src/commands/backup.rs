//! `evlog backup`: a copy of a log, judged before it gets its name.

use crate::commands::verify::report::{Subject, empty};
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::formats::{Answered, Format};
use crate::json::BackupObject;
use crate::notes;
use crate::outputs;
use crate::reports::{self, Answer, Finding, Kind, Report, Rule};
use crate::table::facts;
use crate::ui::{Tone, Ui, Unit};
use clap::Args;
use evlog::LogError;
use evlog::check::{Check, check};
use evlog::own_notes::{Judged, OwnNotes};
use evlog_store::backup::{Copied, copy};
use evlog_store::{Fs, OpenError, StdFs};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TOOL: &str = "evlog backup";

const EXAMPLES: &str = "\
Exit codes:
  0   the copy was made, and is clean
  1   the log has findings; there is no copy
  2   could not: no log, a file of it that cannot be read, the directory
      exists, input or output error

Examples:
  evlog backup /backup/builds-2026-11-29
      copy ./evlog, even while it is written
  evlog --log /backup/builds-2026-11-29 verify
      verify the copy again";

/// Copy a log, even while it is written, and verify the copy
///
/// The copy has every commit that the log had when the backup began, the checkpoints over them, and the quarantine. It is
/// verified as `evlog verify` does, and gets the name DIR only when it is clean and synced. The copy is a complete log
/// that can be opened for writing. docs/copying.md explains how to restore a copy, and what to sign after that.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    /// The directory of the copy; it must not exist
    #[arg(value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    answered: Answered<Kind>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &BackupArgs) -> Result<Verdict, CommandError> {
    let format = args.answered.format(context);
    let done = made(ui, context, args, format);
    reports::settled(ui, format, || empty(TOOL, &context.log), done)
}

fn made(ui: &mut Ui, context: &Context, args: &BackupArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    let fs: Arc<dyn Fs> = Arc::new(StdFs);
    if args.to.symlink_metadata().is_ok() {
        return Err(taken(&args.to));
    }
    outputs::check("backup", &args.to, &context.log, None)?;
    // An unfinished copy is removed when this is dropped. If that fails, its temporary name blocks nothing.
    let draft = files::draft_dir(&args.to)?;
    let made = draft.path().join("log");
    let copied = {
        let (bar, talk) = (OnceCell::new(), &*ui);
        copy(&fs, &context.log, &made, &mut |done, total| {
            bar.get_or_init(|| talk.progress("copy", total, Unit::Bytes)).at(done);
        })
    };
    let copied = match copied {
        Ok(copied) => copied,
        Err(error @ OpenError::Refused(_)) => {
            // What cannot be copied to its end gets the verdict of `verify`.
            let judged = judge(ui, context, &fs, &context.log)?;
            if judged.0.is_good() {
                return Err(LogError::from(error).into());
            }
            return Ok(refuse(ui, context, args, format, None, &judged));
        }
        Err(error) => return Err(LogError::from(error).into()),
    };
    let judged = judge(ui, context, &fs, &made)?;
    let found = &judged.0;
    if !found.is_good() || cut(Some(&copied), found).is_some() {
        return Ok(refuse(ui, context, args, format, Some(&copied), &judged));
    }
    fs.name(&made, &args.to).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => taken(&args.to),
        _ => CommandError::file("make", args.to.display(), &error),
    })?;
    files::sync_above(&args.to)?;
    match format {
        Format::Text => print(ui, &args.to, &copied, found),
        Format::Json => ui.json(&object(&args.to.display().to_string(), Some(&copied), found)),
        Format::Own(kind) => report(context, Some(&copied), &judged).print(ui, kind),
    }
    Ok(Verdict::Yes)
}

fn taken(to: &Path) -> CommandError {
    CommandError::user(format!(
        "expected no file or directory at `{}`, found one: a backup never replaces anything",
        to.display()
    ))
}

/// Judges a log with the checkpoints of the one that is copied: a copy has none that covers more than it holds.
fn judge(ui: &Ui, context: &Context, fs: &Arc<dyn Fs>, dir: &Path) -> Result<(Check, Judged), CommandError> {
    let bar = OnceCell::new();
    let threads = std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
    let mut found = check(Arc::clone(fs), dir, &contracts(), threads, &mut |done, total| {
        bar.get_or_init(|| ui.progress("verify", total, Unit::Bytes)).at_of(done, total);
    })?;
    let parse = |bytes: &[u8], recorded: &[String]| notes::claim(bytes, recorded, None);
    let own = OwnNotes::new(fs, &context.log).judge(&mut found.report, None, &parse)?;
    Ok((found, own))
}

/// What was copied, and is kept.
fn object<'a>(to: &'a str, copied: Option<&Copied>, found: &Check) -> BackupObject<'a> {
    let evlog_verify::audit::Report { log_id, end, next_seq, ref root, .. } = found.report;
    let (size, next_seq) =
        copied.map_or((end, next_seq), |Copied { committed, .. }| (committed.position, committed.next_seq));
    BackupObject {
        copy: to,
        log_id: copied.map(|copied| copied.log_id).or(log_id).map(|log_id| log_id.to_string()),
        size: size.0,
        next_seq: next_seq.0,
        root: root.to_string(),
        checkpoints: copied.map_or(0, |copied| copied.checkpoints),
        verdict: found.report.verdict().word(),
        kept: true,
    }
}

/// A copy of a log that is not clean is not clean either: reports its verdict.
fn refuse(
    ui: &mut Ui,
    context: &Context,
    args: &BackupArgs,
    format: Format<Kind>,
    copied: Option<&Copied>,
    judged: &(Check, Judged),
) -> Verdict {
    let found = &judged.0;
    if let Format::Own(kind) = format {
        report(context, copied, judged).print(ui, kind);
        return Verdict::No;
    }
    for finding in found.report.findings.kept() {
        ui.finding(finding);
    }
    for finding in &found.contract_findings {
        ui.finding(finding);
    }
    let verdict = found.report.verdict();
    match (copied, cut(copied, found)) {
        (Some(_), Some(cut)) => ui.finding(format_args!("{}, so it was removed", cut.sentence)),
        (Some(_), None) => ui.finding(format_args!("the copy is {verdict}, so it was removed")),
        (None, _) => ui.finding(format_args!("the log is {verdict}, so no copy was made")),
    }
    ui.advise("run `evlog verify` on the log itself; docs/repair.md explains what to do");
    if format == Format::Json {
        ui.json(&BackupObject { kept: false, ..object(&args.to.display().to_string(), copied, found) });
    }
    Verdict::No
}

/// A copy that ends elsewhere than what the log had committed.
fn cut(copied: Option<&Copied>, found: &Check) -> Option<Finding> {
    let (expected, found) = (copied?.committed.position, found.report.end);
    (found != expected).then(|| Finding {
        expected: expected.to_string(),
        found: found.to_string(),
        sentence: format!("the end of the copy: expected position {expected}, found {found}"),
        ..Finding::default()
    })
}

/// The report of `verify` on the copy, and whether the copy is complete. Findings name the files of the log.
fn report(context: &Context, copied: Option<&Copied>, (found, own): &(Check, Judged)) -> Report {
    let runs = Some(found.contract_findings.as_slice());
    let mut report = Subject { tool: TOOL, ..Subject::new(&context.log, &found.report, runs, own) }.report();
    let title = "the copy holds what the log had committed";
    let answer = match copied {
        Some(_) => Answer::found(cut(copied, found)),
        None => Answer::NotRun("the log cannot be copied to its end".to_owned()),
    };
    report.asked(Rule::new("copy", title, "docs/copying.md explains copies."), answer);
    report
}

fn print(ui: &mut Ui, to: &Path, copied: &Copied, found: &Check) {
    let shown = to.display().to_string();
    let Copied { log_id, committed, checkpoints } = copied;
    let covers = format!("{} bytes, the events before seq {}", committed.position, committed.next_seq);
    let verdict = found.report.verdict().word();
    facts(
        ui,
        &[
            ("copy", format!("{shown} (log {log_id})"), Tone::Strong),
            ("holds", covers, Tone::Plain),
            ("checkpoints", checkpoints.to_string(), Tone::Plain),
            ("root", found.report.root.to_string(), Tone::Plain),
            ("verdict", verdict.to_owned(), Tone::of(verdict)),
        ],
    );
}
