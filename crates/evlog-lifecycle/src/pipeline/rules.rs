//! The rules by which commands and events are both judged (pipeline.md 1.4 to 2.5, 3.1, 4.2, 5.6.2).
//!
//! Does: say whether something may be recorded, and which stages a recorded outcome blocks. Does not: change anything, or make
//! events.
//!
//! Invariant: each function is a pure question about a state. `decide` and `evolve` ask the same questions.

mod taken;

pub(super) use taken::{retry, succeeded, take_over};

use super::definition::{Coupling, ORCHESTRATOR, OrderRule, Severity, is_substage, is_word};
use super::outcome::{Outcome, RunStatus, StageStatus, derive_status};
use super::own::{PROJECTED, REPORTS, STAGING};
use super::payload::{Artifact, How, Input, LimitExceeded, LockForced, Origin, ProcessEnded};
use super::relpath;
use super::report::Report;
use super::state::State;
use crate::members::quoted;
use serde_json::{Map, Value};

/// The longest name of a limit, in characters.
const LIMIT_LEN_MAX: usize = 64;

/// Why something may not be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One of the codes that `docs/lifecycle/pipeline.md` lists.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// A run cannot be created, because a run with this id exists.
pub fn run_exists(run: &str) -> Refusal {
    Refusal { code: "RUN_EXISTS", message: format!("run `{run}` exists already") }
}

/// The result of recording an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recording {
    /// It is recorded already, with every field equal (rule P-13).
    Same,
    /// It is new, and blocks these stages.
    New { tail: Vec<usize> },
}

pub(super) type Judged<T> = Result<T, Refusal>;

pub(super) fn refuse<T>(code: &'static str, message: impl Into<String>) -> Judged<T> {
    Err(Refusal { code, message: message.into() })
}

/// Members of `manifest.json` that belong to the engine (rule P-51).
pub(super) const ENGINE_MEMBERS: [&str; 6] =
    ["contract_version", "run_id", "status", "started_at_utc", "ended_at_utc", "stage_outcomes"];

/// Whether these members may be in `manifest.json` beside the engine's own.
pub(super) fn manifest(members: &Map<String, Value>) -> Judged<()> {
    if let Some(name) = ENGINE_MEMBERS.iter().find(|name| members.contains_key(**name)) {
        return refuse("MANIFEST_RESERVED", format!("manifest member `{name}` is the engine's; leave it out"));
    }
    match members.get("extensions") {
        Some(extensions) if !extensions.is_object() => {
            refuse("MANIFEST_RESERVED", "manifest member `extensions`: expected an object")
        }
        Some(extensions)
            if extensions
                .get("orchestrator")
                .is_some_and(|given| !given.is_object() || given.get("run_lock").is_some()) =>
        {
            let message = "manifest member `extensions.orchestrator`: expected an object without `run_lock`, which is the engine's";
            refuse("MANIFEST_RESERVED", message)
        }
        Some(extensions) if extensions.get("evlog").is_some() => {
            refuse("MANIFEST_RESERVED", "manifest member `extensions.evlog` is the engine's; leave it out")
        }
        _ => Ok(()),
    }
}

/// Whether these members leave `extensions.operability` to the engine if it belongs to the engine (rule P-91). Checked for
/// commands only, because earlier versions accepted anything there.
pub(super) fn operability(members: &Map<String, Value>) -> Judged<()> {
    let given = members.get("extensions").and_then(|extensions| extensions.get("operability"));
    if given.is_none_or(|given| given.is_object() && given.get("limits_exceeded").is_none()) {
        return Ok(());
    }
    let message =
        "manifest member `extensions.operability`: expected an object without `limits_exceeded`, which is the engine's";
    refuse("MANIFEST_RESERVED", message)
}

pub(super) fn open(state: &State) -> Judged<()> {
    match state.end {
        None => Ok(()),
        Some(end) => refuse("RUN_FINALIZED", format!("the run is finalized as `{}`", end.status.word())),
    }
}

/// Index of an enabled top-level stage, in a run that has not ended.
fn stage(state: &State, name: &str) -> Judged<usize> {
    open(state)?;
    let index = place(state, name)?;
    if is_substage(name) {
        return refuse("NOT_A_TOP_LEVEL_STAGE", format!("expected a top-level stage, found the substage `{name}`"));
    }
    enabled(state, index, name)
}

fn place(state: &State, name: &str) -> Judged<usize> {
    if let Some(index) = state.definition().index_of(name) {
        return Ok(index);
    }
    let ids: Vec<&str> = state.definition().stages().iter().map(|stage| stage.id.as_str()).collect();
    refuse(
        "UNKNOWN_STAGE",
        format!("expected one of {}, or a substage of one, found `{}`", ids.join(", "), quoted(name)),
    )
}

fn enabled(state: &State, index: usize, name: &str) -> Judged<usize> {
    if state.pinned.stages[index].enabled {
        return Ok(index);
    }
    let id = state.stage_id(index);
    refuse("STAGE_DISABLED", format!("stage `{id}` is disabled in this run; nothing is recorded of `{name}`"))
}

fn unsettled(state: &State, index: usize) -> Judged<()> {
    match state.top(index) {
        None => Ok(()),
        Some(outcome) => refuse("STAGE_TERMINAL", format!("the stage has its outcome already: `{outcome}`")),
    }
}

/// A substage outcome of this stage after which the stage can only fail closed or never run.
fn own_stop(state: &State, index: usize) -> Option<&Outcome> {
    state.substages(index).find(|outcome| state.definition().stops_parent(outcome))
}

/// An outcome of an earlier stage that stops all stages that have not begun.
fn earlier_stop(state: &State, index: usize) -> Option<&Outcome> {
    let earlier = state.outcomes.iter().take_while(|(key, _)| key.index() < index).map(|(_, entry)| &entry.outcome);
    // A top-level stage has no coupling, so for such a stage this asks whether the outcome is fatal.
    earlier.into_iter().find(|outcome| state.definition().stops_parent(outcome))
}

/// Whether a stage may begin (rules P-30, P-34 and P-67), or begin again after a crash.
pub(super) fn begin(state: &State, name: &str) -> Judged<usize> {
    let index = may_begin(state, name)?;
    let inputs = state.progress[index].inputs.iter().flat_map(|inputs| inputs.iter());
    match inputs.into_iter().find(|input| input.required && input.content.is_none()) {
        None => Ok(index),
        Some(missing) => {
            let path = quoted(&missing.path);
            refuse("INPUT_MISSING", format!("stage `{name}` needs `{path}`, which was not there"))
        }
    }
}

/// Whether a stage may record these inputs before it begins (rules P-66 and P-68).
pub(super) fn inputs(state: &State, name: &str, inputs: &[Input]) -> Judged<usize> {
    let index = may_begin(state, name)?;
    for (input, next) in inputs.iter().zip(inputs.iter().skip(1)) {
        if (&input.path, input.from) >= (&next.path, next.from) {
            let (a, b) = (quoted(&input.path), quoted(&next.path));
            return refuse("PATH_TWICE", format!("expected each input once, by path; found `{b}` after `{a}`"));
        }
    }
    inputs.iter().try_for_each(|input| self::input(state, input))?;
    Ok(index)
}

fn input(state: &State, input: &Input) -> Judged<()> {
    // An input beside the plan may be above the plan's directory.
    let mut path = input.path.as_str();
    while let Some(rest) = path.strip_prefix("../").filter(|_| input.from == Origin::Plan) {
        path = rest;
    }
    relpath::parse(path).or_else(|error| refuse("PATH_INVALID", format!("`{}`: {error}", quoted(&input.path))))?;
    let published = state.artifacts.get(path).filter(|_| input.from == Origin::Run).map(|held| &held.artifact);
    match (published, input.content) {
        (Some(artifact), Some(found)) if (artifact.bytes, artifact.blake3) != (found.bytes, found.blake3) => {
            refuse("INPUT_CHANGED", format!("`{}` is not what was published under this path", quoted(path)))
        }
        _ => Ok(()),
    }
}

/// Whether the stage may begin now.
fn may_begin(state: &State, name: &str) -> Judged<usize> {
    let index = stage(state, name)?;
    unsettled(state, index)?;
    if let Some(earlier) = state.enabled().take_while(|earlier| *earlier < index).find(|i| state.top(*i).is_none()) {
        let earlier = state.stage_id(earlier);
        return refuse("STAGE_ORDER", format!("stage `{earlier}` comes before `{name}` and has no outcome yet"));
    }
    match own_stop(state, index).or_else(|| earlier_stop(state, index)) {
        Some(stop) => refuse("BLOCKED_UPSTREAM", format!("stage `{name}` is stopped by `{stop}`")),
        None => Ok(index),
    }
}

/// Index of a stage that has begun and has no outcome.
fn running(state: &State, name: &str) -> Judged<usize> {
    let index = stage(state, name)?;
    unsettled(state, index)?;
    if !state.has_begun(index) {
        return refuse("STAGE_NOT_BEGUN", format!("stage `{name}` has not begun"));
    }
    Ok(index)
}

/// Whether these files may be promoted (rules P-60 to P-62).
pub(super) fn intend(state: &State, name: &str, artifacts: &[Artifact]) -> Judged<usize> {
    let index = running(state, name)?;
    for (artifact, next) in artifacts.iter().zip(artifacts.iter().skip(1)) {
        if artifact.path >= next.path {
            let (a, b) = (quoted(&artifact.path), quoted(&next.path));
            return refuse("PATH_TWICE", format!("expected each path once, by path; found `{b}` after `{a}`"));
        }
    }
    artifacts.iter().try_for_each(|artifact| path(state, name, &artifact.path, Use::Artifact))?;
    Ok(index)
}

/// Whether these are the files that the stage intended to promote (rule P-60).
pub(super) fn publish(state: &State, name: &str, artifacts: &[Artifact]) -> Judged<usize> {
    let index = running(state, name)?;
    match &state.progress[index].intended {
        Some(intended) if intended.as_slice() == artifacts => Ok(index),
        Some(_) => {
            refuse("PROMOTION_NOT_INTENDED", "expected the artifacts of the stage's last `intend`, found others")
        }
        None => {
            refuse("PROMOTION_NOT_INTENDED", format!("expected an `intend` of stage `{name}` before its `publish`"))
        }
    }
}

/// Whether this outcome may be recorded as a stage's judgement (rule P-65): the stage runs, none of its files is promoted yet,
/// and the outcome would publish its outputs.
pub(super) fn judge(state: &State, outcome: &Outcome) -> Judged<Recording> {
    let index = running(state, &outcome.stage)?;
    tuple(state, index, outcome)?;
    if outcome.status == StageStatus::Skipped || outcome.is_fatal() {
        return refuse("NOTHING_TO_PROMOTE", format!("`{outcome}` promotes nothing; record it as the outcome"));
    }
    taken::as_taken(state, index, outcome)?;
    let progress = &state.progress[index];
    match &progress.judged {
        Some(judged) if judged == outcome => return Ok(Recording::Same),
        Some(judged) => return refuse("JUDGED_OTHERWISE", format!("`{judged}` was judged already; found `{outcome}`")),
        None => {}
    }
    if progress.intended.is_some() {
        let message = format!("stage `{}` is to be judged before its artifacts are intended", outcome.stage);
        return refuse("PROMOTION_OPEN", message);
    }
    Ok(Recording::New { tail: Vec::new() })
}

/// Whether a captured output may be recorded: for any enabled stage, as long as the run has not ended.
pub(super) fn captured(state: &State, name: &str, artifact: &Artifact) -> Judged<()> {
    stage(state, name)?;
    path(state, name, &artifact.path, Use::Captured)
}

/// Whether a report may be recorded: well-formed, and before the stage's outcome (rule P-78).
pub(super) fn report(state: &State, name: &str, value: &Value) -> Judged<()> {
    if name == ORCHESTRATOR {
        open(state)?;
    } else {
        let index = stage(state, name)?;
        unsettled(state, index)?;
    }
    let report = Report::from_value(value).or_else(|message| refuse("REPORT_INVALID", format!("report: {message}")))?;
    if report.run_id() != state.pinned.run || report.stage_id() != name {
        let (run, owner) = (quoted(report.run_id()), quoted(report.stage_id()));
        let message =
            format!("report: expected run `{}` and stage `{name}`, found `{run}` and `{owner}`", state.pinned.run);
        return refuse("REPORT_INVALID", message);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Artifact,
    Captured,
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn path(state: &State, owner: &str, path: &str, usage: Use) -> Judged<()> {
    relpath::parse(path).or_else(|error| refuse("PATH_INVALID", format!("`{}`: {error}", quoted(path))))?;
    let log = path.strip_prefix("logs/").and_then(|rest| rest.strip_suffix(".log"));
    let log = usage == Use::Artifact
        && log.is_some_and(|name| state.definition().stages().iter().any(|stage| stage.id == name));
    // A file cannot be where a directory of projected files must be, or below a projected file.
    let projected = PROJECTED.iter().any(|file| is_below(path, file) || is_below(file, path));
    let below = [STAGING, REPORTS].iter().any(|directory| is_below(path, directory));
    if projected || below || log {
        return refuse("PATH_RESERVED", format!("`{}` is the engine's own place in the bundle", quoted(path)));
    }
    let holder = match usage {
        Use::Artifact => state.artifacts.get(path).filter(|held| held.stage != owner).or(state.captured.get(path)),
        Use::Captured => state.captured.get(path).filter(|held| held.stage != owner).or(state.artifacts.get(path)),
    };
    match holder {
        None => Ok(()),
        Some(held) => refuse("PATH_TAKEN", format!("`{}` is a file of stage `{}`", quoted(path), held.stage)),
    }
}

/// Whether an outcome may be recorded, and which stages it blocks.
pub(super) fn outcome(state: &State, outcome: &Outcome) -> Judged<Recording> {
    open(state)?;
    let index = place(state, &outcome.stage)?;
    let about_the_run = state.definition().coupling(&outcome.stage) == Some(Coupling::StopsRun);
    if !about_the_run {
        enabled(state, index, &outcome.stage)?;
    }
    tuple(state, index, outcome)?;
    if let Some(recorded) = state.outcome(&outcome.stage) {
        if recorded == outcome {
            return Ok(Recording::Same);
        }
        return refuse("STAGE_TERMINAL", format!("`{recorded}` is recorded already; found `{outcome}`"));
    }
    ordered(state, outcome)?;
    if is_substage(&outcome.stage) {
        if !about_the_run {
            substage(state, index, outcome)?;
        }
    } else {
        top_level(state, index, outcome)?;
    }
    Ok(Recording::New { tail: tail(state, index, outcome) })
}

/// Checks the tuple's own form, and the catalogue (rules P-11, P-12, P-14, P-22 to P-26).
fn tuple(state: &State, index: usize, outcome: &Outcome) -> Judged<()> {
    let Outcome { stage, status, fail_mode, .. } = outcome;
    let code = match (status, &outcome.reason_code) {
        (StageStatus::Success, None) => return Ok(()),
        (StageStatus::Success, Some(code)) => {
            return refuse("REASON_CODE_FORBIDDEN", format!("a success has no reason code, found `{}`", quoted(code)));
        }
        (_, None) => {
            let message = format!("expected a reason code, because `{stage}` is {}, found none", status.word());
            return refuse("REASON_CODE_REQUIRED", message);
        }
        (_, Some(code)) => code,
    };
    let Some(row) = state.definition().code(stage, code) else {
        let message = format!(
            "`{}` is not a reason code of `{stage}` in the catalogue of `{}`",
            quoted(code),
            state.definition().name()
        );
        return refuse("REASON_CODE_NOT_CATALOGUED", message);
    };
    if (row.severity == Severity::Skipped) != (*status == StageStatus::Skipped) {
        let severity = row.severity.word();
        let message = format!("`{code}` is {severity} in the catalogue: not a code of what is {}", status.word());
        return refuse("REASON_CODE_NOT_CATALOGUED", message);
    }
    let configured = state.pinned.stages[index].fail_mode;
    let must = row.must.filter(|_| *status == StageStatus::Failed).map(|must| must.mode(configured));
    if let Some(must) = must.filter(|must| must != fail_mode) {
        let message =
            format!("expected `{}`, for `{code}` never fails otherwise, found `{}`", must.word(), fail_mode.word());
        return refuse("FAIL_MODE_FIXED", message);
    }
    if *status == StageStatus::Skipped && *fail_mode != configured && row.fail_mode != Some(*fail_mode) {
        let message =
            format!("expected the configured `{}` on a skip, found `{}`", configured.word(), fail_mode.word());
        return refuse("FAIL_MODE_NOT_CONFIGURED", message);
    }
    Ok(())
}

/// Whether the order rules of the definition allow an outcome now (rule P-27). A blocked stage did not happen, so it need not
/// wait, and nothing waits for it. A substage need not be reported at all.
fn ordered(state: &State, outcome: &Outcome) -> Judged<()> {
    if outcome.is_blocked() {
        return Ok(());
    }
    for OrderRule { before, after } in state.definition().order() {
        let owed = |stage: &str| {
            let index = state.definition().index_of(stage).filter(|_| !is_substage(stage));
            index.is_some_and(|index| state.pinned.stages[index].enabled && state.top(index).is_none())
        };
        if *after == outcome.stage && owed(before) {
            return refuse("OUTCOME_ORDER", format!("`{before}` comes before `{after}` and has no outcome yet"));
        }
        if let Some(later) = state.outcome(after).filter(|_| *before == outcome.stage) {
            return refuse("OUTCOME_ORDER", format!("`{before}` comes before `{after}`, and `{later}` is recorded"));
        }
    }
    Ok(())
}

fn top_level(state: &State, index: usize, outcome: &Outcome) -> Judged<()> {
    let name = &outcome.stage;
    if outcome.status == StageStatus::Skipped && state.has_begun(index) {
        return refuse("STAGE_BEGUN", format!("stage `{name}` has begun, so it cannot be skipped"));
    }
    if outcome.is_blocked() {
        if !has_cause(state, index) {
            let message =
                format!("`{outcome}`: expected a fatal failure of an earlier stage or of its own substage, found none");
            return refuse("BLOCKED_WITHOUT_CAUSE", message);
        }
    } else if let Some(stop) = earlier_stop(state, index).filter(|_| !state.has_begun(index)) {
        return refuse("BLOCKED_UPSTREAM", format!("stage `{name}` is stopped by `{stop}`"));
    }
    for sub in state.substages(index) {
        if !stands_beside(state, sub, outcome) {
            return refuse("PARENT_COUPLING", format!("`{outcome}` cannot stand beside `{sub}`"));
        }
    }
    let progress = &state.progress[index];
    if progress.intended.is_some() && !progress.published && !outcome.is_fatal() {
        return refuse("PROMOTION_OPEN", format!("the artifacts that stage `{name}` intended are not published yet"));
    }
    if outcome.is_fatal() {
        return nothing_later_ran(state, index, outcome);
    }
    taken::as_taken(state, index, outcome)?;
    match progress.judged.as_ref().filter(|judged| *judged != outcome) {
        Some(judged) => refuse("JUDGED_OTHERWISE", format!("`{judged}` was judged; found `{outcome}`")),
        None => Ok(()),
    }
}

fn substage(state: &State, index: usize, outcome: &Outcome) -> Judged<()> {
    let name = &outcome.stage;
    if outcome.is_blocked() {
        return refuse("NOT_A_TOP_LEVEL_STAGE", format!("only top-level stages are blocked; leave `{name}` out"));
    }
    let Some(parent) = state.top(index) else {
        let stop = earlier_stop(state, index).filter(|_| !state.has_begun(index));
        if let Some(stop) = stop {
            return refuse("BLOCKED_UPSTREAM", format!("`{name}` is stopped by `{stop}`"));
        }
        let stops = state.definition().stops_parent(outcome);
        return if stops { nothing_later_ran(state, index, outcome) } else { Ok(()) };
    };
    if parent.is_blocked() {
        return refuse("BLOCKED_UPSTREAM", format!("`{parent}` never ran; leave `{name}` out"));
    }
    if !state.definition().couples(outcome, parent) {
        return refuse("PARENT_COUPLING", format!("`{outcome}` cannot stand beside `{parent}`"));
    }
    Ok(())
}

/// Whether a parent's outcome can be recorded after its substage's outcome (rules P-34 and P-35).
pub(super) fn stands_beside(state: &State, substage: &Outcome, parent: &Outcome) -> bool {
    let stopped = state.definition().stops_parent(substage) && !parent.is_fatal() && !parent.is_blocked();
    !stopped && state.definition().couples(substage, parent)
}

/// Whether the end of a process may be recorded (rule P-95): once in each attempt, for a stage that ran a process.
pub(super) fn process_ended(state: &State, ended: &ProcessEnded) -> Judged<usize> {
    let ProcessEnded { stage: name, how, exit_code, signal, time_limit_ns } = ended;
    let index = running(state, name)?;
    let progress = &state.progress[index];
    if progress.has_ended {
        return refuse(
            "PROCESS_ENDED",
            format!("it is recorded already how the process of stage `{name}` ended since the stage last began"),
        );
    }
    if progress.taken.is_some() {
        return refuse("STAGE_TAKEN_OVER", format!("stage `{name}` was taken over, so it has no process"));
    }
    if progress.judged.is_some() || progress.intended.is_some() {
        return refuse("PROCESS_ENDED", format!("stage `{name}` was judged, so its process has ended"));
    }
    let is_whole = exit_code.is_some() == (*how == How::Exited)
        && signal.is_some() == (*how == How::Signalled)
        && *signal != Some(0)
        && (time_limit_ns.is_some() || *how != How::TimedOut);
    if is_whole {
        return Ok(index);
    }
    let message = "expected `exit_code` with `exited` alone, `signal` with `signalled` alone, and `time_limit_ns` with `timed_out`";
    refuse("PROCESS_END_INVALID", message)
}

/// Whether an exceeded limit may be recorded (rule P-91): as long as the run has not ended, for a stage that takes part in it.
pub(super) fn limit_exceeded(state: &State, exceeded: &LimitExceeded) -> Judged<()> {
    stage(state, &exceeded.stage)?;
    if is_word(&exceeded.limit) && exceeded.limit.len() <= LIMIT_LEN_MAX {
        return Ok(());
    }
    let found = quoted(&exceeded.limit);
    let message = format!(
        "expected a limit such as `max_disk_gb`, [a-z][a-z0-9_]*, at most {LIMIT_LEN_MAX} long, found `{found}`"
    );
    refuse("LIMIT_NAME_INVALID", message)
}

/// Whether a forced lock may be recorded (rule P-90): the lock that was in the way was renamed with this run's name, and this
/// name was not recorded before.
pub(super) fn lock_forced(state: &State, forced: &LockForced) -> Judged<()> {
    open(state)?;
    let name = &forced.stale_lock_filename;
    let number = name.strip_prefix(&state.pinned.run).and_then(|rest| rest.strip_prefix(".lock.stale."));
    let numbered = number.is_some_and(|n| n.len() == 4 && n.bytes().all(|b| b.is_ascii_digit()) && n != "0000");
    if !numbered {
        let (run, found) = (&state.pinned.run, quoted(name));
        return refuse(
            "LOCK_NAME_INVALID",
            format!("expected `{run}.lock.stale.` and four digits from 0001, found `{found}`"),
        );
    }
    if state.forced_locks.iter().any(|earlier| earlier.stale_lock_filename == *name) {
        return refuse("LOCK_NAME_TAKEN", format!("`{name}` is recorded already"));
    }
    Ok(())
}

/// Checks that no later stage has run after a fatal failure (rule P-33). An outcome from a reconciliation does not count as a
/// run: an earlier stage that was pending, and runs now, can still fail.
fn nothing_later_ran(state: &State, index: usize, outcome: &Outcome) -> Judged<()> {
    let later = state.outcomes.iter().filter(|(key, _)| key.index() > index && !is_substage(key.stage()));
    let later = later.filter(|(_, entry)| !entry.reconciled);
    match later.map(|(_, entry)| &entry.outcome).find(|later| !later.is_blocked()) {
        None => Ok(()),
        Some(later) => {
            refuse("LATER_STAGE_RAN", format!("`{outcome}` cannot be followed by `{later}`, recorded already"))
        }
    }
}

/// Whether something explains that a stage is blocked (rule P-32).
fn has_cause(state: &State, index: usize) -> bool {
    // A substage that stopped the run has already blocked every stage for which this could be asked (rule P-36).
    let explains = |outcome: &Outcome, of: usize| {
        (of < index && outcome.is_fatal()) || (of == index && state.definition().stops_parent(outcome))
    };
    state.outcomes.iter().any(|(key, entry)| explains(&entry.outcome, key.index()))
}

/// The stages that an outcome blocks once it is recorded (rules P-31, P-34, P-36), in canonical order.
fn tail(state: &State, index: usize, outcome: &Outcome) -> Vec<usize> {
    let definition = state.definition();
    let stops_later = if is_substage(&outcome.stage) {
        state.top(index).is_some() && definition.stops_parent(outcome)
    } else {
        outcome.is_fatal() || outcome.is_blocked()
    };
    let from = match (definition.stops_run(outcome), stops_later) {
        (true, _) => 0,
        (false, true) => index + 1,
        (false, false) => return Vec::new(),
    };
    state.enabled().filter(|later| *later >= from && state.is_pending(*later)).collect()
}

/// The status that the run ends with, if it can end (rules P-40 to P-46).
pub(super) fn finalize(state: &State) -> Judged<RunStatus> {
    let missing: Vec<&str> =
        state.enabled().filter(|index| state.top(*index).is_none()).map(|index| state.stage_id(index)).collect();
    if !missing.is_empty() {
        let message = format!("expected an outcome of every enabled stage, found none of {}", missing.join(", "));
        return refuse("STAGES_MISSING", message);
    }
    Ok(derive_status(state.outcomes()))
}
