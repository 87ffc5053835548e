//! Which run `evlog run` may write to, and with which plan: a new run, or one to resume.
//!
//! Does: find the plan of a run that is resumed, take the run's lock before the log is opened, and add advice to
//! errors. Does not: run anything.

use super::RunArgs;
use crate::args::At;
use crate::context::Context;
use crate::error::CommandError;
use crate::shell::{of_log, option, quoted};
use evlog::{LogError, View};
use evlog_lifecycle::pipeline::RunStatus;
use evlog_pipeline::{
    Claim, LockState, RunError, RunReport, Steps, is_in_progress, lock_state, noted_plan, stale_locks,
};
use evlog_projection::nearest::meant;
use std::path::{Path, PathBuf};

/// What a person does whose name for a new run is taken.
const ANOTHER_NAME: &str = "choose another name, or leave out `--run-id`";

/// The differences between two plans that people see besides the first one.
const DIFFERENCES_SHOWN: usize = 3;

/// The given plan, or the plan noted for the run to resume. An invalid run is refused here, before anything is locked.
pub(super) fn plan(context: &Context, args: &RunArgs) -> Result<PathBuf, CommandError> {
    let Some(run) = &args.resume else {
        let Some(plan) = &args.plan else {
            unreachable!("the parser asks for a plan, and `--init` does not come here")
        };
        return Ok(plan.clone());
    };
    let standing = is_in_progress(&mut context.view(&At::default())?, run);
    let plan = args.plan.clone().or_else(|| noted_plan(&args.out, run));
    match (standing, plan) {
        // It may have ended with an incomplete bundle; the holder of its lock checks that.
        (Ok(()) | Err(RunError::Ended { .. }), Some(plan)) => Ok(plan),
        (Err(error), _) => Err(failed(context, args, error)),
        (Ok(()), None) => {
            let runs = args.out.join("runs");
            let message = format!(
                "the place of the plan of run `{run}` is not known: `{}` has no note of it; nothing was started",
                runs.display()
            );
            Err(CommandError::user(message)
                .hint("give the plan that it was started with, besides `--resume`")
                .hint("if it was started with `--out DIR`, add the same `--out DIR`"))
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

/// Like [`take`], but with the log open, so that an existing lock can be set aside.
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
pub(super) fn not_closed(context: &Context, error: LogError, report: &RunReport) -> CommandError {
    let (run, status) = (&report.run_id, report.status.word());
    let ended = format!("run `{run}` has ended as {status}, but the log could not be closed");
    let show = format!("evlog show {}{}", quoted(run), of_log(&context.log));
    CommandError::from(error).during(ended).hint(format!("`{show}` shows what the log holds of the run"))
}

/// The run's id, if the command line has it.
pub(super) fn id(args: &RunArgs) -> Option<&str> {
    args.resume.as_deref().or(args.run_id.as_deref())
}

/// The error with its exit code and with advice.
pub(super) fn failed(context: &Context, args: &RunArgs, error: RunError) -> CommandError {
    let hints = hints(context, args, &error);
    let code = error.exit_code();
    let failed = match error {
        RunError::UnknownRun(run) => match context.view(&At::default()) {
            Ok(view) => CommandError::no_run(&view, &run),
            Err(unread) => unread,
        },
        RunError::OtherPlan { run, differences } => other_plan(context, &run, differences),
        RunError::Refused { code, .. } if code == "RUN_EXISTS" => exists(context, args),
        error @ RunError::UnknownStage { .. } => CommandError::from(error).during("--from"),
        error => error.into(),
    };
    hints.into_iter().fold(failed, CommandError::hint).with_code(code)
}

/// The log has a run of the name that a new run was given.
fn exists(context: &Context, args: &RunArgs) -> CommandError {
    let (run, log) = (id(args).unwrap_or_default(), context.log.display());
    let show = format!("evlog show {}{}", quoted(run), of_log(&context.log));
    CommandError::user(format!("--run-id `{run}`: log `{log}` has a run of this name already; nothing was started"))
        .hint(format!("{ANOTHER_NAME}; `{show}` shows that run"))
}

/// The first difference is the cause; a few more help to find it. A program gets all.
fn other_plan(context: &Context, run: &str, differences: Vec<String>) -> CommandError {
    let mut rest = differences.into_iter();
    let first = rest.next().unwrap_or_default();
    let message =
        format!("the plan is not the one that run `{run}` was created with: {first}; the run was not touched");
    let shown = if context.json { usize::MAX } else { DIFFERENCES_SHOWN };
    let mut details: Vec<String> = rest.by_ref().take(shown).collect();
    let more = rest.count();
    if more > 0 {
        details.push(format!(
            "{more} more {}; `--json` lists them all",
            if more == 1 { "difference" } else { "differences" }
        ));
    }
    CommandError { details, ..CommandError::user(message) }
}

/// What can be done about an error. The commands that resume, retry or start a run are complete; where the plan is not known, or
/// the log does not have the run, there is none.
fn hints(context: &Context, args: &RunArgs, error: &RunError) -> Vec<String> {
    let take_up = |run: &str| resuming(args.plan.as_deref(), run, &args.out, &context.log);
    let continued = |run: &str, before: &str, after: &str| -> Vec<String> {
        take_up(run).map(|command| format!("{before}`{command}` {after}")).into_iter().collect()
    };
    match error {
        RunError::Locked { run, holder, .. } => locked(context, args, run, holder),
        RunError::BundleExists { run, .. } => {
            [ANOTHER_NAME.to_owned()].into_iter().chain(in_progress(context, args, run)).collect()
        }
        RunError::Refused { code, .. } if code == "RUN_EXISTS" => {
            id(args).map_or_else(Vec::new, |run| in_progress(context, args, run))
        }
        RunError::Refused { code, .. } if code == "POLICY_CHECKPOINT" => {
            let checkpoint = format!("evlog checkpoint --key FILE{}", of_log(&context.log));
            vec![format!("`{checkpoint}` signs one; or give `--key FILE` to `evlog run`, which then signs first")]
        }
        RunError::Refused { code, .. } if code.starts_with("POLICY_") => {
            vec![format!("`evlog policy show{}` shows what the log demands", of_log(&context.log))]
        }
        RunError::Interrupted { run, .. } | RunError::InProgress(run) => continued(run, "", "continues it"),
        RunError::Left { run, .. } => continued(run, "after the fix, ", "continues it"),
        RunError::Incomplete { run, .. } => {
            continued(run, "after the fix, ", "completes the bundle; nothing runs again")
        }
        RunError::Descriptors(_) => vec!["`ulimit -n 1024` raises the limit, as far as the hard limit goes".to_owned()],
        RunError::UnknownStage { stage, known } => meant(stage, known.iter().map(String::as_str)).into_iter().collect(),
        RunError::OtherContract { .. } => {
            vec!["only runs that `evlog run` started can be resumed or retried".to_owned()]
        }
        RunError::Ended { run, status } => vec![ended(context, args, run, *status)],
        RunError::NothingToRetry(_) => {
            vec!["`--from STAGE` runs a stage and all after it; without `--retry` everything runs".to_owned()]
        }
        RunError::OtherPlan { run, .. } => {
            let start = known_plan(args, run).map(|plan| starting(&plan, &args.out, &context.log));
            let start = start.map_or_else(String::new, |start| format!(", or start a new run: `{start}`"));
            let noted = noted_plan(&args.out, run).map(|_| {
                let resume = format!("evlog run --resume {}{}", quoted(run), placed(&args.out, &context.log));
                format!("`{resume}` uses the plan that the run was started with, if its file is unchanged")
            });
            let with = noted.unwrap_or_else(|| "resume it with the unchanged plan".to_owned());
            vec![format!("{with}{start}")]
        }
        RunError::Log(_) | RunError::File(_) | RunError::Projection(_) => {
            id(args).map_or_else(Vec::new, |run| as_recorded(context, args, run))
        }
        RunError::NoBundle { run, .. } => {
            let run = quoted(run);
            let out = quoted(&args.out.display().to_string());
            let log = of_log(&context.log);
            vec![
                "`--out DIR` names the directory that the run was started with".to_owned(),
                format!(
                    "if it is gone: `evlog project --run {run} --out {out}{log}` writes the projected files, and the run can be \
                     resumed; files that its stages published must be restored from a copy"
                ),
            ]
        }
        _ => Vec::new(),
    }
}

/// What can be done about the lock of a run. A run that the log has goes on by `--resume`.
fn locked(context: &Context, args: &RunArgs, run: &str, holder: &str) -> Vec<String> {
    let command = match recorded(context, run) {
        Some(Ok(())) => resuming(args.plan.as_deref(), run, &args.out, &context.log),
        _ => None,
    };
    let forced = match command {
        Some(command) => format!("`{command} --force-run-lock` sets it aside, records that, and continues the run"),
        None => "the same command with `--force-run-lock` sets it aside, and records that".to_owned(),
    };
    match lock_state(&args.out, run) {
        LockState::Left => vec![format!("the process that held the lock has ended; {forced}")],
        LockState::Free | LockState::Held => vec![
            format!("{}if it is `evlog run` of this run, wait until it ends", how_to_look(holder)),
            format!("if it is another program, a crash left the lock: {forced}"),
        ],
    }
}

/// How a person sees what the process is that a lock names.
fn how_to_look(holder: &str) -> String {
    let number = holder.strip_prefix("pid=").and_then(|rest| rest.split(',').next());
    let number = number.and_then(|number| number.parse::<u32>().ok());
    number.map(|number| format!("`ps -o args= -p {number}` shows what that process is: ")).unwrap_or_default()
}

/// What a run needs that is in progress, and that no process seems to work on: the next command. `None` if it is in progress
/// elsewhere, or its plan is not known.
pub(in crate::commands) fn next_step(context: &Context, run: &str) -> Option<String> {
    let here = Path::new(".");
    let command = resuming(None, run, here, &context.log)?;
    match lock_state(here, run) {
        LockState::Free => {
            Some(format!("the run is still in progress, and no process holds its lock: `{command}` continues it"))
        }
        LockState::Left => Some(format!(
            "the run is still in progress, and the process that held its lock has ended: `{command} --force-run-lock` sets the lock \
             aside, and continues it"
        )),
        LockState::Held => None,
    }
}

/// What can be done after a run that has ended.
fn ended(context: &Context, args: &RunArgs, run: &str, status: RunStatus) -> String {
    let plan = known_plan(args, run);
    let way = match (plan, status) {
        (Some(plan), RunStatus::Success) => format!("`{}` starts a new run", starting(&plan, &args.out, &context.log)),
        (None, RunStatus::Success) => "running its plan again starts a new run".to_owned(),
        (Some(plan), _) => {
            let retry = retrying(&plan, run, &args.out, &context.log);
            format!("`{retry}` starts a new run that reuses what succeeded")
        }
        (None, _) => format!("{} starts a new run that reuses what succeeded", retried_by_hand(run)),
    };
    format!("a run that has ended does not change; {way}")
}

/// How a run goes on that the log has in progress; nothing for any other.
fn in_progress(context: &Context, args: &RunArgs, run: &str) -> Vec<String> {
    if matches!(recorded(context, run), Some(Ok(()))) { continuing(context, args, run) } else { Vec::new() }
}

fn continuing(context: &Context, args: &RunArgs, run: &str) -> Vec<String> {
    let command = resuming(args.plan.as_deref(), run, &args.out, &context.log);
    command.map(|command| format!("that run is still in progress: `{command}` continues it")).into_iter().collect()
}

/// What the log holds of a run that could not be recorded further; nothing if it has no such run, or cannot be read.
fn as_recorded(context: &Context, args: &RunArgs, run: &str) -> Vec<String> {
    let more = match recorded(context, run) {
        Some(Ok(())) => continuing(context, args, run),
        Some(Err(RunError::Ended { .. })) => Vec::new(),
        _ => return Vec::new(),
    };
    let explain = format!("evlog explain {}{}", quoted(run), of_log(&context.log));
    let explained = format!("the state of the run is what the log holds: `{explain}` shows how far it got");
    [explained].into_iter().chain(more).collect()
}

/// Whether the log has the run in progress; the error says why not. `None` if the log cannot be read.
fn recorded(context: &Context, run: &str) -> Option<Result<(), RunError>> {
    Some(is_in_progress(&mut context.quiet_view().ok()?, run))
}

/// How to retry a run whose plan is not known.
pub(in crate::commands) fn retried_by_hand(run: &str) -> String {
    format!("running its plan with `--retry {}`", quoted(run))
}

/// The advice after a run of this plan that has ended without success.
pub(super) fn way_on(context: &Context, args: &RunArgs, plan: &Path, run: &str) -> String {
    let retry = retrying(plan, run, &args.out, &context.log);
    format!("after the fix, `{retry}` reuses what succeeded, and runs the rest")
}

/// The command that resumes a run; `None` if the plan is not known. It includes the plan if that is not noted yet, as before a run
/// has begun.
pub(in crate::commands) fn resuming(plan: Option<&Path>, run: &str, out: &Path, log: &Path) -> Option<String> {
    let plan = match noted_plan(out, run) {
        Some(_) => String::new(),
        None => format!(" {}", named(plan?)),
    };
    Some(format!("evlog run{plan} --resume {}{}", quoted(run), placed(out, log)))
}

/// The plan of a run: the given plan, or the plan in the note beside the lock.
fn known_plan(args: &RunArgs, run: &str) -> Option<PathBuf> {
    args.plan.clone().or_else(|| noted_plan(&args.out, run))
}

/// The command that retries a run.
fn retrying(plan: &Path, run: &str, out: &Path, log: &Path) -> String {
    format!("evlog run {} --retry {}{}", named(plan), quoted(run), placed(out, log))
}

/// The command that starts a new run.
fn starting(plan: &Path, out: &Path, log: &Path) -> String {
    format!("evlog run {}{}", named(plan), placed(out, log))
}

/// A plan as an argument.
fn named(plan: &Path) -> String {
    quoted(&plan.display().to_string())
}

/// The options for directories other than the defaults.
fn placed(out: &Path, log: &Path) -> String {
    format!("{}{}", option("--out", out, "."), of_log(log))
}
