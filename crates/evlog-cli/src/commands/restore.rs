//! `evlog restore`: a log from a copy, judged before it gets its name.

use super::backup::{copied, findings, judge};
use super::verify::Kept;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::json::RestoreObject;
use crate::outputs;
use crate::shell::quoted;
use crate::table::facts;
use crate::ui::{Tone, Ui};
use clap::Args;
use evlog::LogError;
use evlog::check::Check;
use evlog_store::backup::Copied;
use evlog_store::{Fs, OpenError, StdFs};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Exit codes:
  0   the log was made, and is clean
  1   the copy has findings, or does not match the checkpoint; there is no log
  2   could not: no copy, a log exists already, input or output error

Examples:
  mv evlog evlog.damaged
  evlog restore /backup/builds
      make ./evlog from the copy
  evlog restore /backup/builds --checkpoint last.note --key builds.pub
      only if the copy has all that the checkpoint covers
  evlog --log /srv/evlog restore /backup/builds
      make the log in another place

One history must have one writer. If the old log still exists, do not write to both: their histories would differ from the \
last restored event on (a fork), and every checkpoint of one would contradict the other. Events that are not in the copy \
are not in the new log. If checkpoints over them were given to others, sign the new log under a new name: \
docs/copying.md explains how.";

/// Make a log from a copy, and verify it
///
/// SRC is a copy that `evlog backup` made, or any other complete copy of a log. It is copied to a temporary directory beside
/// the log's place, synced, and verified as `evlog verify` does. The log gets its name only if it is clean. SRC is not changed.
///
/// The new log has the same bytes as SRC: the restore itself is not recorded. The first session that writes records
/// `log.recovered`, because the copy was not closed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The directory of the copy
    #[arg(value_name = "SRC")]
    from: PathBuf,
    /// Compare the copy with a checkpoint that was kept elsewhere: it must have all that the checkpoint covers
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The public key of the log, which must have signed the checkpoint
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    key: Option<PathBuf>,
    /// A witness policy: which witnesses must have cosigned the checkpoint
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    policy: Option<PathBuf>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &RestoreArgs) -> Result<Verdict, CommandError> {
    context.check_on_disk("restore")?;
    let to = &context.log;
    check_free(to)?;
    outputs::check("--log", to, &args.from, None)?;
    let kept = args.checkpoint.as_deref().map(|path| Kept::load(path, args.key.as_deref(), args.policy.as_deref()));
    let (kept, any): (_, Arc<dyn Fs>) = (kept.transpose()?, Arc::new(StdFs));
    // An unfinished log is removed when this is dropped. If that fails, its temporary name blocks nothing.
    let draft = files::draft_dir(to)?;
    let made = draft.path().join("log");
    let copied = match copied(ui, &any, &args.from, &made) {
        Ok(copied) => copied,
        // What cannot be copied to its end gets the verdict of `verify`.
        Err(error @ OpenError::Refused(_)) => {
            let (found, _) = judge(ui, &args.from, &any, &args.from)?;
            if found.is_good() {
                return Err(LogError::from(error).into());
            }
            return Ok(refuse(ui, context, args, None, &found));
        }
        Err(OpenError::NoLog { .. }) => return Err(no_copy(to, &args.from)),
        Err(error) => return Err(LogError::from(error).into()),
    };
    let (mut found, _) = judge(ui, &args.from, &any, &made)?;
    let is_whole = found.report.end == copied.committed.position;
    if let Some(kept) = &kept {
        kept.compare(ui, &Context::of(made.clone(), context.json), &mut found.report)?;
    }
    if !found.is_good() || !is_whole || kept.is_some_and(|kept| !kept.is_witnessed()) {
        return Ok(refuse(ui, context, args, Some(&copied), &found));
    }
    name(&any, &made, to)?;
    print(ui, context, args, &copied, &found);
    Ok(Verdict::Yes)
}

/// An empty directory is free. It may be what a service expects to find.
fn check_free(to: &Path) -> Result<(), CommandError> {
    let is_empty = || fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_none());
    match fs::symlink_metadata(to) {
        Ok(found) if !(found.is_dir() && is_empty()) => Err(taken(to)),
        _ => Ok(()),
    }
}

fn taken(to: &Path) -> CommandError {
    let place = format!("`{}`", to.display());
    let message = format!("{place} exists already, and a restore replaces nothing; nothing was restored");
    CommandError::unlike(place, "nothing, or an empty directory", "something else")
        .worded(message)
        .hint("move away what is there, or name another place with `--log PATH`")
}

/// The place to copy from has no log. `--log` names the other place.
fn no_copy(to: &Path, from: &Path) -> CommandError {
    let (to, place) = (quoted(&to.display().to_string()), format!("no copy of a log at `{}`", from.display()));
    let (expected, found) =
        if from.is_dir() { ("segments in it", "none") } else { ("a directory", "no such directory") };
    let message = format!("{place}: expected {expected}, found {found}; nothing was restored");
    CommandError::unlike(place, expected, found)
        .worded(message)
        .hint("give the directory that `evlog backup DIR` wrote, or another complete copy of the log")
        .hint(format!("`--log {to}` names the place where the log will be made, not the copy"))
}

fn name(any: &Arc<dyn Fs>, made: &Path, to: &Path) -> Result<(), CommandError> {
    match fs::remove_dir(to) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Err(taken(to)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(CommandError::file("replace", to.display(), &error));
        }
        _ => {}
    }
    any.name(made, to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(to),
        _ => CommandError::file("make", to.display(), &error),
    })?;
    files::sync_above(to)
}

fn refuse(ui: &mut Ui, context: &Context, args: &RestoreArgs, copied: Option<&Copied>, found: &Check) -> Verdict {
    findings(ui, found);
    let (verdict, from) = (found.report.verdict(), args.from.display());
    let why = if found.is_good() {
        "the checkpoint is not cosigned by enough witnesses".to_owned()
    } else {
        format!("the copy in `{from}` is {verdict}")
    };
    ui.finding(format_args!("{why}, so no log was made"));
    ui.advise("restore from another copy; docs/copying.md explains how to bring back one segment");
    if context.json {
        ui.json(&RestoreObject { made: false, ..object(context, args, copied, found) });
    }
    Verdict::No
}

fn object(context: &Context, args: &RestoreArgs, copied: Option<&Copied>, found: &Check) -> RestoreObject {
    let evlog_verify::audit::Report { log_id, end, next_seq, ref root, .. } = found.report;
    RestoreObject {
        log: context.log.display().to_string(),
        from: args.from.display().to_string(),
        log_id: copied.map(|copied| copied.log_id).or(log_id).map(|log_id| log_id.to_string()),
        size: end.0,
        next_seq: next_seq.0,
        root: root.to_string(),
        checkpoints: copied.map_or(0, |copied| copied.checkpoints),
        verdict: found.report.verdict().word(),
        made: true,
    }
}

fn print(ui: &mut Ui, context: &Context, args: &RestoreArgs, copied: &Copied, found: &Check) {
    if context.json {
        return ui.json(&object(context, args, Some(copied), found));
    }
    let Copied { log_id, committed, checkpoints, .. } = copied;
    let holds =
        format!("{} bytes, the events before seq {}; no later event is in it", committed.position, committed.next_seq);
    let verdict = found.report.verdict().word();
    facts(
        ui,
        &[
            ("restored", format!("{} (log {log_id})", context.log.display()), Tone::Strong),
            ("from", args.from.display().to_string(), Tone::Plain),
            ("holds", holds, Tone::Plain),
            ("checkpoints", checkpoints.to_string(), Tone::Plain),
            ("root", found.report.root.to_string(), Tone::Plain),
            ("verdict", verdict.to_owned(), Tone::of(verdict)),
        ],
    );
    ui.advise("if the old log still exists, do not write to it any more: two writers make two histories of one log");
}
