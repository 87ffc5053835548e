//! Which run `evlog run` may write to, and with which plan: a new run, or one to resume.
//!
//! Does: find the plan of a run that is resumed, take the run's lock before the log is opened, and add advice to
//! errors. Does not: run anything.

use super::RunArgs;
use crate::context::Context;
use crate::error::CommandError;
use crate::shell::quoted;
use evlog::{LogError, View};
use evlog_lifecycle::pipeline::RunStatus;
use evlog_pipeline::{Claim, RunError, RunReport, Steps, is_in_progress, noted_plan, stale_locks};
use std::path::{Path, PathBuf};

/// The given plan, or the plan noted for the run to resume. An invalid run is refused here, before anything is locked.
pub(super) fn plan(context: &Context, args: &RunArgs) -> Result<PathBuf, CommandError> {
    let Some(run) = &args.resume else {
        let Some(plan) = &args.plan else {
            unreachable!("the parser asks for a plan, and `--init` does not come here")
        };
        return Ok(plan.clone());
    };
    let standing = is_in_progress(&mut context.view(None)?, run);
    let plan = args.plan.clone().or_else(|| noted_plan(&args.out, run));
    match (standing, plan) {
        // It may have ended with an incomplete bundle; the holder of its lock checks that.
        (Ok(()) | Err(RunError::Ended { .. }), Some(plan)) => Ok(plan),
        (Err(error), _) => Err(failed(context, args, error)),
        (Ok(()), None) => {
            let dir = args.out.display();
            let message = format!("`{dir}` does not record which plan run `{run}` has: expected PLAN.toml");
            let command = resuming(None, run, &args.out, &context.log);
            Err(CommandError::user(message)
                .hint(format!("run `{command}` with the plan that the run was started with"))
                .hint("`--out DIR` names the directory that the run was started with"))
        }
    }
}

/// The lock of the run. `None` if a lock exists that may be set aside once the log is open: a live owner of that lock
/// would hold the log, too.
pub(super) fn take(context: &Context, args: &RunArgs) -> Result<Option<Claim>, CommandError> {
    match Claim::take(&args.out, id(args), &Steps::default()) {
        Err(RunError::Locked { .. }) if args.force_run_lock => Ok(None),
        taken => taken.map(Some).map_err(|error| failed(context, args, error)),
    }
}

/// The same, with the log open; an existing lock is set aside.
pub(super) fn force<'c>(
    claim: &'c mut Option<Claim>,
    view: &mut View,
    args: &RunArgs,
) -> Result<&'c mut Claim, RunError> {
    match (claim, id(args)) {
        (Some(claim), _) => Ok(claim),
        (claim, Some(run)) => {
            let recorded = stale_locks(view, run)?;
            Ok(claim.insert(Claim::force(&args.out, run, &recorded, &Steps::default())?))
        }
        (None, None) => unreachable!("a random id cannot be locked by another run"),
    }
}

/// The log cannot be opened, and the lock of the run was not taken either.
pub(super) fn not_taken(error: CommandError, claim: Option<&Claim>) -> CommandError {
    match claim {
        Some(_) => error,
        None => error.during("the run is locked, and its lock is not set aside").with_code(20),
    }
}

/// The run has ended, but later records in the log may be missing.
pub(super) fn not_closed(error: LogError, report: &RunReport) -> CommandError {
    let (run, status) = (&report.run_id, report.status.word());
    let ended = format!("run `{run}` has ended as {status}, but the log could not be closed");
    CommandError::from(error).during(ended).hint(format!("`evlog show {run}` shows what the log holds of the run"))
}

/// The run's id, if the command line has it.
pub(super) fn id(args: &RunArgs) -> Option<&str> {
    args.resume.as_deref().or(args.run_id.as_deref())
}

/// The error with its exit code and with advice.
pub(super) fn failed(context: &Context, args: &RunArgs, error: RunError) -> CommandError {
    let take_up = |run: &str| resuming(args.plan.as_deref(), run, &args.out, &context.log);
    let hints = match &error {
        RunError::Locked { .. } => vec![
            "another process runs it, or a crash left the lock; after a crash, `--force-run-lock` sets the lock aside and records that".to_owned(),
        ],
        RunError::BundleExists { run, .. } => vec![format!("if that run is still in progress, continue it: `{}`", take_up(run))],
        RunError::Refused { code, .. } if code == "RUN_EXISTS" => {
            id(args).map(|run| format!("if that run is still in progress, continue it: `{}`", take_up(run))).into_iter().collect()
        }
        RunError::Refused { code, .. } if code == "POLICY_CHECKPOINT" => {
            vec!["`evlog checkpoint --key FILE` signs one; or give `--key FILE` to `evlog run`, which then signs first".to_owned()]
        }
        RunError::Refused { code, .. } if code.starts_with("POLICY_") => {
            vec!["`evlog policy show` shows what the log demands".to_owned()]
        }
        RunError::Interrupted { run, .. } | RunError::InProgress(run) => {
            vec![format!("`{}` continues it", take_up(run))]
        }
        RunError::Left { run, .. } => vec![format!("after the fix, `{}` continues it", take_up(run))],
        RunError::Incomplete { run, .. } => {
            vec![format!("after the fix, `{}` completes the bundle; nothing runs again", take_up(run))]
        }
        RunError::Descriptors(_) => vec!["`ulimit -n 1024` raises the limit, as far as the hard limit goes".to_owned()],
        RunError::UnknownRun(_) => vec!["`evlog runs` lists the runs; `--log PATH` names another log".to_owned()],
        RunError::OtherContract { .. } => {
            vec!["only runs that `evlog run` started can be resumed or retried".to_owned()]
        }
        RunError::Ended { status: RunStatus::Success, .. } => {
            vec!["a run that has ended does not change; `evlog run PLAN.toml` starts a new run".to_owned()]
        }
        RunError::Ended { run, .. } => {
            let retry = retrying(args.plan.as_deref(), run, &args.out, &context.log);
            vec![format!("a run that has ended does not change; `{retry}` starts a new run that reuses what succeeded")]
        }
        RunError::NothingToRetry(_) => {
            vec!["`--from STAGE` runs a stage and all after it; without `--retry` everything runs".to_owned()]
        }
        RunError::OtherPlan { .. } => {
            vec!["resume it with the unchanged plan, or start a new run: `evlog run PLAN.toml`".to_owned()]
        }
        RunError::Log(_) | RunError::File(_) | RunError::Projection(_) => {
            let known = id(args).map_or("`evlog runs` shows whether it exists".to_owned(), |run| {
                format!("`evlog explain {run}` shows how far it got; if it is in progress, `{}` continues it", take_up(run))
            });
            vec![format!("the state of the run is what the log holds: {known}")]
        }
        RunError::NoBundle { run, .. } => vec![
            "`--out DIR` names the directory that the run was started with".to_owned(),
            format!(
                "if it is gone: `evlog project --run {run} --out DIR` writes the projected files, and the run can be \
                 resumed; files that its stages published must be restored from a copy"
            ),
        ],
        _ => Vec::new(),
    };
    let code = error.exit_code();
    hints.into_iter().fold(CommandError::from(error), CommandError::hint).with_code(code)
}

/// The advice after a run that has ended without success.
pub(super) fn way_on(context: &Context, args: &RunArgs, run: &str) -> String {
    let retry = retrying(args.plan.as_deref(), run, &args.out, &context.log);
    format!("after the fix, `{retry}` reuses what succeeded, and runs the rest")
}

/// The command that resumes a run. It includes the plan if the plan is not noted yet, as before a run has begun.
pub(in crate::commands) fn resuming(plan: Option<&Path>, run: &str, out: &Path, log: &Path) -> String {
    let plan = if noted_plan(out, run).is_some() { String::new() } else { format!(" {}", named(plan)) };
    format!("evlog run{plan} --resume {}{}", quoted(run), placed(out, log))
}

/// The command that retries a run.
fn retrying(plan: Option<&Path>, run: &str, out: &Path, log: &Path) -> String {
    format!("evlog run {} --retry {}{}", named(plan), quoted(run), placed(out, log))
}

/// A plan as an argument; a placeholder if it is unknown.
fn named(plan: Option<&Path>) -> String {
    plan.map_or_else(|| "PLAN.toml".to_owned(), |plan| quoted(&plan.display().to_string()))
}

/// The options for directories other than the defaults.
fn placed(out: &Path, log: &Path) -> String {
    let named = |option: &str, path: &Path, default: &str| {
        if path == Path::new(default) {
            String::new()
        } else {
            format!(" {option} {}", quoted(&path.display().to_string()))
        }
    };
    format!("{}{}", named("--out", out, "."), named("--log", log, "./evlog"))
}
