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
use evlog_store::backup::{Conflict, Copied, ExtendError, copy, update};
use evlog_store::{Fs, OpenError, Owner, StdFs};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TOOL: &str = "evlog backup";

const EXAMPLES: &str = "\
Exit codes:
  0   the copy was made or brought up to date, and is clean
  1   the log or the copy has findings; no new copy was made
  2   could not: no log, a file of it that cannot be read, the directory
      holds something else than an older copy, input or output error

Examples:
  evlog backup /backup/builds
      copy ./evlog, even while it is written
  evlog backup /backup/builds
      the next day: copy only what is new
  evlog --log /backup/builds verify
      verify the copy again
  evlog restore /backup/builds
      make ./evlog from the copy";

/// Copy a log, even while it is written, and verify the copy
///
/// The copy has every commit that the log had when the backup began, the checkpoints over them, and the quarantine. It is
/// verified as `evlog verify` does. A new copy gets the name DIR only when it is clean and synced.
///
/// If DIR is an older copy of the log, only what is new is copied, and then all of the copy is verified. If the backup is
/// interrupted, the copy holds a beginning of the log, at least as much as before, and the next backup completes it. DIR is
/// refused and not changed if it holds another log, or events that the log does not have.
///
/// The copy is a complete log. `evlog restore` makes a log from it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    /// The directory of the copy: a new one, or an older copy of the log
    #[arg(value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    answered: Answered<Kind>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &BackupArgs) -> Result<Verdict, CommandError> {
    context.check_on_disk("backup")?;
    let format = args.answered.format(context);
    let done = made(ui, context, args, format);
    reports::settled(ui, format, || empty(TOOL, &context.log), done)
}

fn made(ui: &mut Ui, context: &Context, args: &BackupArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    outputs::check("backup", &args.to, &context.log, None)?;
    if args.to.symlink_metadata().is_ok() {
        return updated(ui, context, args, format);
    }
    let fs: Arc<dyn Fs> = Arc::new(StdFs);
    // An unfinished copy is removed when this is dropped. If that fails, its temporary name blocks nothing.
    let draft = files::draft_dir(&args.to)?;
    let made = draft.path().join("log");
    let copied = copied(ui, &fs, &context.log, &made);
    let Some(copied) = unless_refused(ui, context, args, format, copied)? else { return Ok(Verdict::No) };
    let judged = judge(ui, &context.log, &fs, &made)?;
    let found = &judged.0;
    if !found.is_good() || cut(Some(&copied), found).is_some() {
        return Ok(refuse(ui, context, args, format, Outcome::Removed(&copied), &judged));
    }
    fs.name(&made, &args.to).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => CommandError::user(format!(
            "expected no file or directory at `{}`, found one that was made meanwhile",
            args.to.display()
        )),
        _ => CommandError::file("make", args.to.display(), &error),
    })?;
    files::sync_above(&args.to)?;
    done(ui, context, args, format, &copied, &judged);
    Ok(Verdict::Yes)
}

/// Copies a whole log, and shows the progress.
pub(super) fn copied(ui: &Ui, fs: &Arc<dyn Fs>, from: &Path, to: &Path) -> Result<Copied, OpenError> {
    let bar = OnceCell::new();
    copy(fs, from, to, &mut |done, total| bar.get_or_init(|| ui.progress("copy", total, Unit::Bytes)).at(done))
}

/// Brings an older copy up to date, and verifies all of it: its older part may have changed on its disk.
fn updated(ui: &mut Ui, context: &Context, args: &BackupArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    let fs: Arc<dyn Fs> = Arc::new(StdFs);
    let owner = Owner { program: format!("evlog backup {}", env!("CARGO_PKG_VERSION")) };
    let copied = {
        let (bar, talk) = (OnceCell::new(), &*ui);
        update(&fs, &context.log, &args.to, &owner, &mut |done, total| {
            bar.get_or_init(|| talk.progress("copy", total, Unit::Bytes)).at(done);
        })
    };
    let copied = match copied {
        Ok(copied) => Ok(copied),
        Err(ExtendError::Open(error)) => Err(error),
        Err(ExtendError::Conflict(conflict)) => return Err(refused(&args.to, &conflict)),
    };
    let Some(copied) = unless_refused(ui, context, args, format, copied)? else { return Ok(Verdict::No) };
    let judged = judge(ui, &context.log, &fs, &args.to)?;
    if !judged.0.is_good() || cut(Some(&copied), &judged.0).is_some() {
        return Ok(refuse(ui, context, args, format, Outcome::Kept(&copied), &judged));
    }
    done(ui, context, args, format, &copied, &judged);
    Ok(Verdict::Yes)
}

/// A directory that the backup leaves as it is.
fn refused(to: &Path, conflict: &Conflict) -> CommandError {
    let place = format!("`{}`", to.display());
    let (unlike, hint) = match conflict {
        Conflict::NoCopy => (
            CommandError::unlike(&place, "a copy of this log, or nothing", "no log")
                .worded(format!("{place} exists, and is no copy of this log")),
            "nothing was done; name a directory that does not exist yet, or an older copy of this log",
        ),
        Conflict::Longer { log, copy } => {
            let expected = format!("a copy that ends at position {log} or before, as the log does");
            let hint = "nothing was done; a log that is shorter than its copy was cut, or is an older log that was \
                        restored: keep the copy, and run `evlog verify` on both";
            (CommandError::unlike(&place, expected, format!("one that ends at position {copy} or later")), hint)
        }
        Conflict::Different { path, expected, found } => {
            let hint = "nothing was done; the copy is of another log, was written to, or one of the two was changed: \
                        keep the copy, and name another directory";
            (CommandError::unlike(format!("`{}`", path.display()), expected, found), hint)
        }
    };
    unlike.during(format_args!("no backup into {place}")).hint(hint)
}

/// What cannot be copied to its end gets the verdict of `verify`.
fn unless_refused(
    ui: &mut Ui,
    context: &Context,
    args: &BackupArgs,
    format: Format<Kind>,
    copied: Result<Copied, OpenError>,
) -> Result<Option<Copied>, CommandError> {
    let error = match copied {
        Ok(copied) => return Ok(Some(copied)),
        Err(error @ OpenError::Refused(_)) => error,
        Err(error) => return Err(LogError::from(error).into()),
    };
    let fs: Arc<dyn Fs> = Arc::new(StdFs);
    let judged = judge(ui, &context.log, &fs, &context.log)?;
    if judged.0.is_good() {
        return Err(LogError::from(error).into());
    }
    refuse(ui, context, args, format, Outcome::NotCopied, &judged);
    Ok(None)
}

fn done(
    ui: &mut Ui,
    context: &Context,
    args: &BackupArgs,
    format: Format<Kind>,
    copied: &Copied,
    judged: &(Check, Judged),
) {
    match format {
        Format::Text => print(ui, &args.to, copied, &judged.0),
        Format::Json => ui.json(&object(&args.to.display().to_string(), Some(copied), &judged.0)),
        Format::Own(kind) => report(context, Some(copied), judged).print(ui, kind),
    }
}

/// What became of a backup that is not clean.
#[derive(Clone, Copy)]
enum Outcome<'c> {
    /// The log cannot be copied to its end.
    NotCopied,
    /// The new copy was removed.
    Removed(&'c Copied),
    /// The older copy was extended, and stays: it may be the only copy of what is not damaged in it.
    Kept(&'c Copied),
}

impl<'c> Outcome<'c> {
    fn copied(self) -> Option<&'c Copied> {
        match self {
            Outcome::NotCopied => None,
            Outcome::Removed(copied) | Outcome::Kept(copied) => Some(copied),
        }
    }
}

/// Judges a log with the checkpoints of the one that is copied: a copy has none that covers more than it holds.
pub(super) fn judge(ui: &Ui, log: &Path, fs: &Arc<dyn Fs>, dir: &Path) -> Result<(Check, Judged), CommandError> {
    let bar = OnceCell::new();
    let threads = std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
    let mut found = check(Arc::clone(fs), dir, &contracts(), threads, &mut |done, total| {
        bar.get_or_init(|| ui.progress("verify", total, Unit::Bytes)).at_of(done, total);
    })?;
    let parse = |bytes: &[u8], recorded: &[String]| notes::claim(bytes, recorded, None);
    let own = OwnNotes::new(fs, log).judge(&mut found.report, None, &parse)?;
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
        copied: copied.map_or(0, |copied| copied.copied),
        held: copied.map_or(0, |copied| copied.held),
    }
}

/// A copy of a log that is not clean is not clean either: reports its verdict.
fn refuse(
    ui: &mut Ui,
    context: &Context,
    args: &BackupArgs,
    format: Format<Kind>,
    outcome: Outcome<'_>,
    judged: &(Check, Judged),
) -> Verdict {
    let (found, copied) = (&judged.0, outcome.copied());
    if let Format::Own(kind) = format {
        report(context, copied, judged).print(ui, kind);
        return Verdict::No;
    }
    findings(ui, found);
    let (verdict, place) = (found.report.verdict(), args.to.display());
    let cut = cut(copied, found).filter(|_| found.is_good() || matches!(outcome, Outcome::Removed(_)));
    let what = cut.map_or_else(|| format!("the copy is {verdict}"), |cut| cut.sentence);
    let kept = matches!(outcome, Outcome::Kept(_));
    match outcome {
        Outcome::NotCopied => ui.finding(format_args!("the log is {verdict}, so no copy was made")),
        Outcome::Removed(_) => ui.finding(format_args!("{what}, so it was removed")),
        Outcome::Kept(_) => ui.finding(format_args!("{what}; it stays in `{place}`")),
    }
    ui.advise(if kept {
        "run `evlog verify` on the log itself; if it is clean, make a new copy in another directory"
    } else {
        "run `evlog verify` on the log itself; docs/repair.md explains what to do"
    });
    if format == Format::Json {
        ui.json(&BackupObject { kept, ..object(&place.to_string(), copied, found) });
    }
    Verdict::No
}

/// What is wrong with the bytes and with the runs of a copy.
pub(super) fn findings(ui: &Ui, found: &Check) {
    for finding in found.report.findings.kept() {
        ui.finding(finding);
    }
    for finding in &found.contract_findings {
        ui.finding(finding);
    }
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
    let Copied { log_id, committed, checkpoints, copied, held } = copied;
    let covers = format!("{} bytes, the events before seq {}", committed.position, committed.next_seq);
    let verdict = found.report.verdict().word();
    facts(
        ui,
        &[
            ("copy", format!("{shown} (log {log_id})"), Tone::Strong),
            ("holds", covers, Tone::Plain),
            ("copied", format!("{copied} bytes; {held} bytes were there already"), Tone::Plain),
            ("checkpoints", checkpoints.to_string(), Tone::Plain),
            ("root", found.report.root.to_string(), Tone::Plain),
            ("verdict", verdict.to_owned(), Tone::of(verdict)),
        ],
    );
}
