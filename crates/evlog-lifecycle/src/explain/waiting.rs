//! What a run that has not ended waits for, since when, and what is due.
//!
//! Does not: read the clock, so a due time may have passed. It does not show what the log does not record, such as the time
//! limit of a stage.

use super::{Documents, RUN, text};
use crate::status::RunStatus;
use crate::story::Phase;
use serde_json::Value;
use std::collections::BTreeMap;

/// One thing that a run waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The stage or step that waits; `run` for the run itself.
    pub subject: String,
    /// The event that it waits for.
    pub text: String,
    /// The event since which it waits.
    pub since: u64,
    /// When something happens even if nothing arrives, RFC 3339; `None` if the log records no such time.
    pub due: Option<String>,
}

/// What a run waits for. What is due first comes first. Empty if the run has ended.
pub(super) fn waiting(documents: &Documents<'_>) -> Vec<Waiting> {
    let Documents { run, audit, .. } = *documents;
    let contract = text(&run["contract"]);
    if run["terminal"] == true || (contract == "pipeline" && run["ended_at_utc"].is_string()) {
        return Vec::new();
    }
    let mut found = match contract.as_str() {
        "pipeline" => stages(run, audit),
        "story" => steps(run, audit),
        _ => Vec::new(),
    };
    if found.is_empty() {
        found.extend(of_run(&contract, documents));
    }
    // All times have the same form, so they can be sorted as text.
    found.sort_by(|a, b| (a.due.is_none(), &a.due).cmp(&(b.due.is_none(), &b.due)));
    found
}

fn last_seq(audit: &[Value], is_meant: impl Fn(&Value) -> bool) -> Option<u64> {
    audit.iter().rev().find(|line| is_meant(line)).and_then(|line| line["sequence"].as_u64())
}

/// Stages that have begun wait for their outcome. If no stage has begun, the next stage waits to begin, or the run waits for
/// its end.
fn stages(run: &Value, audit: &[Value]) -> Vec<Waiting> {
    let stages = run["stages"].as_array().map_or(&[][..], Vec::as_slice);
    let of = |state: &'static str| stages.iter().filter(move |stage| stage["state"] == state);
    let since = |kind: &str, stage: &Value| {
        last_seq(audit, |line| line["kind"] == kind && line["event"]["stage"] == stage["stage"])
    };
    let begun = of("running").map(|stage| Waiting {
        subject: text(&stage["stage"]),
        text: format!("its outcome: attempt {} has begun", stage["attempts"].as_u64().unwrap_or(1)),
        since: since("pipeline.stage_begun", stage).unwrap_or_default(),
        due: None,
    });
    let begun: Vec<Waiting> = begun.collect();
    if !begun.is_empty() {
        return begun;
    }
    let is_progress = |line: &Value| line["kind"] == "pipeline.outcome_recorded" || line["kind"] == "pipeline.created";
    let since = last_seq(audit, is_progress).unwrap_or_default();
    let next = of("pending").next().map(|stage| (text(&stage["stage"]), "to begin".to_owned()));
    let (subject, text) = next.unwrap_or_else(|| (RUN.to_owned(), "to be finalized".to_owned()));
    vec![Waiting { subject, text, since, due: None }]
}

/// Steps that have not ended, according to their last move in this epoch. Also the run, if its own time is up first.
fn steps(run: &Value, audit: &[Value]) -> Vec<Waiting> {
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    for line in audit.iter().filter(|line| line["epoch"] == run["epoch"]) {
        if let (Some(step), true) = (line["event"]["step"].as_str(), line["event"]["to"].is_string()) {
            last.insert(step, line);
        }
    }
    let one = |(step, line): (&&str, &&Value)| {
        let event = &line["event"];
        let phase = Phase::from_word(event["to"].as_str()?).filter(|phase| !phase.is_terminal())?;
        let retry = event["next_retry_utc"].as_str();
        let what = match (phase, retry) {
            (_, Some(_)) => "its next attempt",
            (Phase::Running, _) => "its result",
            (Phase::Paused, _) => "a decision, or the end of its pause",
            (Phase::Blocked, _) => "what it refers to, which is missing",
            _ => "to be started",
        };
        let message = event["message"].as_str().map(|message| format!(" ({message})")).unwrap_or_default();
        Some(Waiting {
            subject: (*step).to_owned(),
            text: format!("{what}{message}"),
            since: line["sequence"].as_u64().unwrap_or_default(),
            due: retry.or(event["deadline_utc"].as_str()).map(str::to_owned),
        })
    };
    let mut found: Vec<Waiting> = last.iter().filter_map(one).collect();
    // The times of steps are in their moves. Any other time belongs to the run.
    let due = run["next_due_utc"].as_str().filter(|due| found.iter().all(|step| step.due.as_deref() != Some(*due)));
    let since = last_seq(audit, |line| line["event"]["step"].is_null() && line["event"]["to"].is_string());
    found.extend(due.map(|due| Waiting {
        subject: RUN.to_owned(),
        text: "its steps, until its own time is up".to_owned(),
        since: since.unwrap_or_default(),
        due: Some(due.to_owned()),
    }));
    found
}

/// A run as a whole waits for its next move.
fn of_run(contract: &str, documents: &Documents<'_>) -> Option<Waiting> {
    let Documents { run, manifest, audit, .. } = *documents;
    let moved = last_seq(audit, |line| line["event"]["to"].is_string());
    let since = moved.or_else(|| last_seq(audit, |_| true))?;
    let status = text(&run["status"]);
    let next: Vec<String> = if contract == "status" {
        let from = RunStatus::from_word(&status)?;
        RunStatus::ALL.iter().filter(|to| from.may_become(**to)).map(|to| format!("`{to}`")).collect()
    } else {
        let listed = manifest["definition"]["transitions"][&status].as_array();
        listed.into_iter().flatten().map(|to| format!("`{}`", text(to))).collect()
    };
    let text = match (contract, next.as_slice()) {
        ("custom", _) => "another event; runs of this contract do not end".to_owned(),
        (_, []) => format!("a command that moves it from `{status}`"),
        (_, next) => format!("a transition from `{status}` to {}", next.join(", ")),
    };
    Some(Waiting { subject: RUN.to_owned(), text, since, due: None })
}
