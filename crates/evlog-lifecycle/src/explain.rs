//! Explains why a run is as it is. Lists its outcomes, those to blame first, each with the events that led to it (pipeline.md,
//! section 7).
//!
//! Does: read the projections of a run: `run.json`, the audit and the validation reports. So it explains runs of every
//! contract in the words of their files, and pipelines by their rules. For a run that has not ended, it says what the run
//! waits for. Does not: judge. It shows what was recorded, and infers nothing from what is absent.
//!
//! Invariant: equal bundles give equal explanations. Every reason names at least one event.

mod waiting;

use crate::pipeline::STORAGE;
use crate::pipeline::report::STORAGE_CODES;
use crate::status::RunStatus;
use crate::story::{self, ignored::Ignored};
use crate::words::ways_on;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
pub use waiting::Waiting;

/// How a reason relates to the run's status. Those to blame come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The reason why the run has the status that it has.
    Cause,
    /// It also failed.
    Failure,
    /// It followed from a cause, and is not a cause itself.
    Consequence,
    /// Skipped on purpose.
    Skipped,
    /// An attempt that was refused.
    Refused,
    /// It has not ended yet.
    Open,
    /// It happened to the run, and did not change its status.
    Note,
    /// It is as it should be.
    Fine,
    /// It took no part in the run, which is not a failure.
    Disabled,
}

/// One thing that a person should know about the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// How the reason relates to the run's status.
    pub role: Role,
    /// The stage, substage or step; `run` for the run itself.
    pub subject: String,
    /// Its state in one word.
    pub state: String,
    /// A sentence.
    pub text: String,
    /// The events that show it, in order.
    pub seqs: Vec<u64>,
}

/// The reason why a run is as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The run's contract.
    pub contract: String,
    /// Its status in one word.
    pub status: String,
    /// One sentence.
    pub summary: String,
    /// The reasons: those to blame first, then in order.
    pub reasons: Vec<Reason>,
    /// What the run waits for, if it has not ended. What is due first comes first.
    pub waiting: Vec<Waiting>,
}

impl Role {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Role::Cause => "cause",
            Role::Failure => "failure",
            Role::Consequence => "consequence",
            Role::Skipped => "skipped",
            Role::Refused => "refused",
            Role::Open => "open",
            Role::Note => "note",
            Role::Fine => "fine",
            Role::Disabled => "disabled",
        }
    }
}

/// A run, and the seq of an event of it: of the outcome of a stage, or the first one.
pub type Origin = (String, u64);

/// The projections of a run, from which its explanation is made.
#[derive(Clone, Copy, Debug)]
pub struct Documents<'a> {
    /// Its `run.json`.
    pub run: &'a Value,
    /// Its `manifest.json`; null if the contract has none.
    pub manifest: &'a Value,
    /// The lines of its audit.
    pub audit: &'a [Value],
    /// Its validation reports, by stage.
    pub reports: &'a BTreeMap<String, Value>,
    /// For each reused stage: from which run the baseline had reused it, from which run that one had, and so on.
    pub earlier: &'a BTreeMap<String, Vec<Origin>>,
    /// The chain of retried runs: the run that this run retries, the run which that run retries, and so on.
    pub retries: &'a [String],
    /// The runs that retry it, each with the seq of its first event, in order.
    pub retried_by: &'a [Origin],
}

/// Explains a run.
pub fn explain(documents: &Documents<'_>) -> Explanation {
    let Documents { run, audit, .. } = *documents;
    let contract = text(&run["contract"]);
    let mut reasons = if contract == "pipeline" { stages(documents) } else { moves(audit) };
    reasons.extend(retried(documents));
    reasons.extend(documents.retried_by.iter().map(retried_by));
    reasons.extend(ignored(documents));
    reasons.extend(audit.iter().filter_map(|line| refused(line, documents.manifest)));
    reasons.extend(audit.iter().filter_map(noted));
    // A stable sort: within a role the order of stages, or of events, is kept.
    reasons.sort_by_key(|reason| reason.role);
    let status = text(&run["status"]);
    let summary = summary(&status, &reasons);
    let waiting = waiting::waiting(documents);
    Explanation { contract, status, summary, reasons, waiting }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn summary(status: &str, reasons: &[Reason]) -> String {
    let causes: Vec<&Reason> = reasons.iter().filter(|reason| reason.role == Role::Cause).collect();
    let consequences =
        reasons.iter().filter(|reason| reason.role == Role::Consequence && reason.subject != RUN).count();
    let because: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.subject, cause.text)).collect();
    let failed = reasons.iter().find(|reason| reason.role == Role::Failure);
    let open = reasons.iter().find(|reason| reason.role == Role::Open);
    match (because.is_empty(), open) {
        (false, _) if consequences > 0 => {
            format!("{status}, because of {}; {consequences} more never ran", because.join("; "))
        }
        (false, _) => format!("{status}, because of {}", because.join("; ")),
        (true, Some(open)) => format!("{status}: {} {}", open.subject, open.text),
        (true, None) => match failed {
            Some(failed) => format!("{status}, though {}: {}", failed.subject, failed.text),
            None => format!("{status}: nothing failed"),
        },
    }
}

/// The run and outcome that a stage was reused from, as `run.json` says.
pub fn taken_from(stage: &Value) -> Option<Origin> {
    let taken = &stage["taken_from"];
    Some((taken["run"].as_str()?.to_owned(), taken["seq"].as_u64()?))
}

/// The run that a run retries, as its projections say.
pub fn retry_of<'v>(run: &'v Value, manifest: &'v Value) -> Option<&'v str> {
    let of_pipeline = manifest["extensions"]["orchestrator"]["retry"]["of"].as_str();
    of_pipeline.or_else(|| run["retry_of_run_id"].as_str())
}

fn retried_by((run, seq): &Origin) -> Reason {
    let (subject, state) = (RUN.to_owned(), "retried".to_owned());
    Reason { role: Role::Note, subject, state, text: format!("run `{run}` retries it"), seqs: vec![*seq] }
}

/// A reason that says that a run retries another one, and what it has reused from it.
fn retried(documents: &Documents<'_>) -> Option<Reason> {
    let of = retry_of(documents.run, documents.manifest)?;
    let seqs = documents.audit.iter().take(1).filter_map(|line| line["sequence"].as_u64()).collect();
    let chain = match documents.retries {
        [] | [_] => String::new(),
        all => format!("; it is attempt {}, after `{}`", all.len() + 1, all.join("`, `")),
    };
    let text = format!("it retries run `{of}`{}{chain}", taken_over(documents, of));
    Some(Reason { role: Role::Note, subject: RUN.to_owned(), state: "retry".to_owned(), text, seqs })
}

/// Why a run of contract `status` was retried, or what a pipeline has reused from the run that it retries.
fn taken_over(documents: &Documents<'_>, of: &str) -> String {
    if let Some(reason) = documents.run["retry_reason"].as_str() {
        return format!(", because of `{reason}`");
    }
    let stages = documents.run["stages"].as_array().map_or(&[][..], Vec::as_slice);
    let taken = stages.iter().filter(|stage| taken_from(stage).is_some_and(|(from, _)| from == of));
    let taken: Vec<String> = taken.map(|stage| format!("`{}`", text(&stage["stage"]))).collect();
    let what = match taken.as_slice() {
        [] => "no stage is taken over from it".to_owned(),
        _ => format!("taken over from it: {}", taken.join(", ")),
    };
    format!("; {what}")
}

/// What a story states although evlog decides its run by other rules.
fn ignored(documents: &Documents<'_>) -> Vec<Reason> {
    let manifest = documents.manifest;
    if manifest["mode"] != "decided" {
        return Vec::new();
    }
    let seqs: Vec<u64> = documents.audit.iter().take(1).filter_map(|line| line["sequence"].as_u64()).collect();
    let reason = |(step, text): Ignored| {
        let subject = step.unwrap_or_else(|| RUN.to_owned());
        Reason { role: Role::Note, subject, state: "ignored".to_owned(), text, seqs: seqs.clone() }
    };
    story::ignored::ignored(&manifest["story"]).into_iter().map(reason).collect()
}

/// The seqs of audit lines of a kind that are about a stage.
fn seqs_of(audit: &[Value], kind: &str, stage: &str) -> Vec<u64> {
    let about = |line: &&Value| line["kind"] == kind && line["event"]["stage"] == stage;
    audit.iter().filter(about).filter_map(|line| line["sequence"].as_u64()).collect()
}

/// Stages and substages of a pipeline, each parent before its substages, in canonical order.
fn stages(documents: &Documents<'_>) -> Vec<Reason> {
    let Documents { run, audit, reports, earlier, .. } = *documents;
    let items = |name: &str| run[name].as_array().map_or(&[][..], Vec::as_slice);
    let mut ordered: Vec<&Value> = Vec::new();
    let is_disabled = |stage: &&Value| stage["state"] == "disabled";
    for stage in items("stages").iter().filter(|stage| !is_disabled(stage)) {
        ordered.push(stage);
        let own = format!("{}.", text(&stage["stage"]));
        ordered.extend(items("substages").iter().filter(|sub| text(&sub["stage"]).starts_with(&own)));
    }
    let is_fatal = |stage: &Value| stage["state"] == "failed" && stage["fail_mode"] == "fail_closed";
    let first_fatal = ordered.iter().position(|stage| is_fatal(stage)).map(|at| {
        // A substage that failed before its stage did has determined the stage's outcome.
        let own = format!("{}.", text(&ordered[at]["stage"]));
        let earlier = |sub: &&Value| {
            is_fatal(sub) && text(&sub["stage"]).starts_with(&own) && sub["seq"].as_u64() < ordered[at]["seq"].as_u64()
        };
        ordered.iter().position(earlier).unwrap_or(at)
    });
    let created: Vec<u64> = audit.iter().take(1).filter_map(|line| line["sequence"].as_u64()).collect();
    let reason = |(index, stage): (usize, &&Value)| {
        let name = text(&stage["stage"]);
        let seq = stage["seq"].as_u64();
        let kinds = ["stage_begun", "inputs_recorded", "taken_over", "process_ended", "validation_reported"];
        let of_kind = |kind: &&str| seqs_of(audit, &format!("pipeline.{kind}"), &name);
        let mut seqs: Vec<u64> = kinds.iter().flat_map(of_kind).collect();
        let caused = seq.and_then(|seq| audit.iter().find(|line| line["sequence"] == seq));
        seqs.extend(caused.and_then(|line| line["caused_by"].as_u64()));
        seqs.extend(seq);
        if seqs.is_empty() {
            seqs.clone_from(&created);
        }
        seqs.sort_unstable();
        seqs.dedup();
        let role = match text(&stage["state"]).as_str() {
            "failed" if first_fatal == Some(index) || first_fatal.is_none() => Role::Cause,
            "failed" => Role::Failure,
            "skipped" if stage["reason_code"] == crate::pipeline::BLOCKED => Role::Consequence,
            "skipped" => Role::Skipped,
            "success" => Role::Fine,
            _ => Role::Open,
        };
        let printed = items("captured").iter().find(|captured| captured["stage"] == stage["stage"]);
        let ended = ended_text(audit, &name).filter(|_| stage["state"] == "failed" || stage["state"] == "running");
        let why = stage_text(stage, reports.get(&name), ended, printed, &missing(run, stage));
        let why = with_origin(why, stage, earlier.get(&name).map_or(&[], Vec::as_slice));
        Reason { role, text: why, state: text(&stage["state"]), subject: name, seqs }
    };
    let disabled = |stage: &Value| Reason {
        role: Role::Disabled,
        subject: text(&stage["stage"]),
        state: text(&stage["state"]),
        text: "not enabled for this run, which is no failure".to_owned(),
        seqs: created.clone(),
    };
    let left_out = items("stages").iter().filter(is_disabled).map(disabled);
    ordered.iter().enumerate().map(reason).chain(left_out).collect()
}

/// The missing inputs because of which a stage never began.
fn missing(run: &Value, stage: &Value) -> Vec<String> {
    let inputs = run["inputs"].as_array().map_or(&[][..], Vec::as_slice);
    let needed = |input: &&Value| {
        stage["state"] == "failed"
            && stage["attempts"].is_null()
            && input["stage"] == stage["stage"]
            && input["required"] == true
            && input["bytes"].is_null()
    };
    inputs.iter().filter(needed).map(|input| format!("`{}`", text(&input["path"]))).collect()
}

/// The text for a process that never ran.
const NOT_STARTED: &str = "its process could not be started";

/// How the process of a stage's last attempt ended, if that is recorded.
fn ended_text(audit: &[Value], stage: &str) -> Option<String> {
    let about = audit.iter().rev().filter(|line| line["event"]["stage"] == stage);
    let mut of_attempt = about.take_while(|line| line["kind"] != "pipeline.stage_begun");
    let ended = &of_attempt.find(|line| line["kind"] == "pipeline.process_ended")?["event"];
    Some(match text(&ended["how"]).as_str() {
        "exited" => format!("its process ended with exit code {}", ended["exit_code"]),
        "signalled" => format!("its process was ended by signal {}", ended["signal"]),
        "timed_out" => {
            let limit = ended["time_limit_ns"].as_u64().map(Duration::from_nanos).unwrap_or_default();
            format!("its process was ended, because the time limit of {limit:?} had passed")
        }
        "interrupted" => "its process was ended, because the run was interrupted".to_owned(),
        "traced" => "its process was ended, because it traced evlog".to_owned(),
        "not_started" => NOT_STARTED.to_owned(),
        _ => "it is not known how its process ended".to_owned(),
    })
}

fn stage_text(
    stage: &Value,
    report: Option<&Value>,
    ended: Option<String>,
    printed: Option<&Value>,
    missing: &[String],
) -> String {
    let code = text(&stage["reason_code"]);
    let what = match text(&stage["state"]).as_str() {
        "failed" if stage["fail_mode"] == "fail_closed" => format!("failed with `{code}`, which stops the run"),
        "failed" => format!("failed with `{code}` (the run went on)"),
        "skipped" if code == crate::pipeline::BLOCKED => "never ran, because of a failure before it".to_owned(),
        "skipped" => format!("skipped on purpose: `{code}`"),
        "success" => "succeeded".to_owned(),
        "running" => "has begun, and has no outcome".to_owned(),
        _ => "has not begun".to_owned(),
    };
    // A stage begins again where its run was interrupted.
    let what = match stage["attempts"].as_u64() {
        Some(attempts) if attempts > 1 => format!("{what} (attempt {attempts})"),
        _ => what,
    };
    let what = match missing {
        [] => what,
        _ => format!("{what}: it never began, because an input is missing: {}", missing.join(", ")),
    };
    let found = report.and_then(|report| gate_text(report, &code));
    let is_started = ended.as_deref() != Some(NOT_STARTED);
    let what = match ended.filter(|_| found.is_none()) {
        Some(ended) => format!("{what}: {ended}"),
        None => what,
    };
    match (found, printed) {
        (Some(found), _) => format!("{what}: {found}"),
        (None, Some(printed)) if stage["state"] == "failed" && printed["bytes"] != 0 => {
            let in_it = if is_started { "what it printed" } else { "why" };
            format!("{what}; {in_it} is in `{}`", text(&printed["path"]))
        }
        (None, _) => what,
    }
}

/// The sentence about a stage. If the stage was reused, adds where it comes from.
fn with_origin(why: String, stage: &Value, earlier: &[Origin]) -> String {
    let Some((from, seq)) = taken_from(stage) else { return why };
    let failed = stage["state"] == "failed";
    let what = if failed { "what failed was taken over" } else { "taken over" };
    let earlier = earlier.iter().map(|(from, seq)| format!(", which has it from `{from}` (seq {seq} there)"));
    format!("{why}; {what} from run `{from}` (seq {seq} there){}", earlier.collect::<String>())
}

/// What a publish gate found, by the first diagnostic that could determine the stage's reason code. A failure of storage
/// counts separately from a failure of contents, in whatever order the report lists them.
fn gate_text(report: &Value, code: &str) -> Option<String> {
    let is_storage = |found: &&Value| STORAGE_CODES.contains(&text(&found["reason_code"]).as_str());
    let mut all = report["diagnostics"].as_array()?.iter();
    let first = if code == STORAGE { all.find(is_storage) } else { all.next() }?;
    let line = first["location"]["span"]["start_line"].as_u64().map(|line| format!(", line {line}"));
    let pointer = text(&first["evidence"]["details"]["instance_path"]);
    let at = if pointer.is_empty() { String::new() } else { format!(", at `{pointer}`") };
    let place = format!("`{}`{}{at}", text(&first["location"]["file_path"]), line.unwrap_or_default());
    let more = match report["diagnostics"].as_array().map_or(0, Vec::len) {
        0 | 1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    Some(format!("its publish gate found in {place}: {}{more}", text(&first["message"])))
}

/// The name of the run itself, among the names of steps.
const RUN: &str = "run";

/// The reason why a step never ran, if the reason is not the step itself.
const AFTER_FAILURE: [&str; 2] = ["fail_fast", "failed_dependency"];

/// Words for the states of a run or a step that count as bad.
const BAD: [&str; 5] = ["failed", "error", "timeout", "denied", "canceled"];

/// Words for the states of a run that succeeded.
const GOOD: [&str; 2] = ["succeeded", "success"];

/// For runs that move from state to state: the last move of the run, and of each of its steps.
fn moves(audit: &[Value]) -> Vec<Reason> {
    let mut last: BTreeMap<String, (usize, &Value)> = BTreeMap::new();
    for (index, line) in audit.iter().enumerate() {
        let step = line["event"]["step"].as_str().unwrap_or(RUN);
        if line["event"]["to"].is_string() || line.get("data").is_some() {
            last.insert(step.to_owned(), (index, line));
        }
    }
    let mut ordered: Vec<(&String, &(usize, &Value))> = last.iter().collect();
    ordered.sort_by_key(|(_, (index, _))| *index);
    let bad = |line: &Value| BAD.contains(&text(&line["event"]["to"]).to_lowercase().as_str());
    let blamed = ordered.iter().any(|(step, (_, line))| *step != RUN && bad(line));
    // In a run that succeeded, a failed step was allowed to fail.
    let succeeded =
        last.get(RUN).is_some_and(|(_, line)| GOOD.contains(&text(&line["event"]["to"]).to_lowercase().as_str()));
    let reason = |(step, (_, line)): &(&String, &(usize, &Value))| {
        let role = match (step.as_str(), bad(line)) {
            (RUN, true) if !blamed => Role::Cause,
            (RUN, true) => Role::Consequence,
            (_, true) if succeeded => Role::Failure,
            (_, true) => Role::Cause,
            (RUN, false) if line["event"]["to"].is_null() => Role::Open,
            // The run continues after an answer. The text says what is asked.
            (_, false) if line["event"]["cause"] == "held" => Role::Open,
            _ if AFTER_FAILURE.contains(&text(&line["event"]["cause"]).as_str()) => Role::Consequence,
            _ => Role::Fine,
        };
        let state = line["event"]["to"].as_str().or(line["kind"].as_str()).unwrap_or_default();
        let seqs = line["caused_by"].as_u64().into_iter().chain(line["sequence"].as_u64()).collect();
        Reason { role, subject: (*step).clone(), state: state.to_owned(), text: move_text(line), seqs }
    };
    ordered.iter().map(reason).collect()
}

fn move_text(line: &Value) -> String {
    let event = &line["event"];
    let from = event["from"].as_str().map(|from| format!(" from `{from}`")).unwrap_or_default();
    let what = match event["to"].as_str() {
        Some(to) => format!("became `{to}`{from}"),
        None => format!("recorded `{}`", text(&line["kind"])),
    };
    let places =
        [&event["diagnostic"]["message"], &event["error"]["message"], &line["error"]["message"], &event["message"]];
    let why = places.into_iter().find_map(Value::as_str).or(line["outcome_reason"].as_str());
    why.map_or(what.clone(), |why| format!("{what}: {why}"))
}

/// What happened to a run apart from its stages: its lock was taken by force, it was resumed.
fn noted(line: &Value) -> Option<Reason> {
    let event = &line["event"];
    let (state, what) = match line["kind"].as_str()? {
        "pipeline.lock_forced" => {
            let kept = text(&event["stale_lock_filename"]);
            ("lock_forced", format!("its lock was taken by force; the lock that was there is kept as `{kept}`"))
        }
        "pipeline.reconciled" => {
            ("reconciled", "it was interrupted, and resumed; its bundle was compared with the log first".to_owned())
        }
        _ => return None,
    };
    let seqs = line["sequence"].as_u64().into_iter().collect();
    Some(Reason { role: Role::Note, subject: RUN.to_owned(), state: state.to_owned(), text: what, seqs })
}

/// An attempt that was refused, and that is recorded; of a status that was asked for, also what would have been allowed.
fn refused(line: &Value, manifest: &Value) -> Option<Reason> {
    let kind = line["kind"].as_str()?;
    let state = kind.rsplit('.').next().filter(|word| ["refused", "rejected"].contains(word))?;
    let event = &line["event"];
    let places = [&event["error"]["message"], &line["error"]["message"], &event["message"]];
    let why = places.into_iter().find_map(Value::as_str).unwrap_or("not allowed");
    let subject = event["stage"].as_str().or(event["step"].as_str()).unwrap_or(RUN).to_owned();
    let seqs = line["sequence"].as_u64().into_iter().collect();
    let allowed = allowed(line, manifest).map(|allowed| format!("; {allowed}")).unwrap_or_default();
    Some(Reason { role: Role::Refused, subject, state: state.to_owned(), text: format!("{why}{allowed}"), seqs })
}

/// What would have been allowed in the place of a rejected status, as a clause.
fn allowed(line: &Value, manifest: &Value) -> Option<String> {
    let from = line["event"]["from"].as_str()?;
    match line["kind"].as_str()? {
        "status.rejected" => Some(RunStatus::from_word(from)?.ways_on()),
        "machine.rejected" => {
            let listed = manifest["definition"]["transitions"][from].as_array();
            let next: Vec<&str> = listed.into_iter().flatten().filter_map(Value::as_str).collect();
            Some(ways_on(from, &next))
        }
        _ => None,
    }
}
