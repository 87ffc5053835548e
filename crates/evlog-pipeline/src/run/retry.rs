//! A run that retries another run, which has ended: decides for each stage whether it can be reused.
//!
//! Does: decide whether a run can be retried, and for each stage whether the files that it published in that run can replace
//! running the stage, or why not. Does not: copy or record anything; that is `taken.rs`.
//!
//! Invariants:
//! - The run that is retried is only read: its events in the log, and its bundle.
//! - The reused stages are the first ones without a gap, because a stage may read anything in the bundle.
//! - A resumed run retries the run that its manifest names.

use super::resume::left;
use super::{Retry, RunError, same};
use crate::inputs::Found;
use crate::outcomes::ReportedOutcome;
use crate::plan::{Plan, Stage};
use crate::secrets::Secrets;
use evlog::View;
use evlog_lifecycle::pipeline::{Artifact, Outcome, RunStatus, StageStatus, State, is_substage, root_of};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Checks that a run can be retried with a plan; the error says why not. The run's id is recorded, so it must hold no secret
/// of the plan.
pub fn may_retry(view: &mut View, plan: &Plan, retry: &Retry) -> Result<(), RunError> {
    Secrets::of(plan, Some(&retry.of)).map_err(RunError::Secrets)?;
    let Some(status) = left(view, &retry.of)?.ended_as() else {
        return Err(RunError::InProgress(retry.of.clone()));
    };
    let Some(from) = &retry.from else {
        let nothing = status == RunStatus::Success;
        return if nothing { Err(RunError::NothingToRetry(retry.of.clone())) } else { Ok(()) };
    };
    let known: Vec<String> = plan.enabled().map(|stage| stage.id.clone()).collect();
    if known.contains(from) { Ok(()) } else { Err(RunError::UnknownStage { stage: from.clone(), known }) }
}

/// The run that is retried.
pub(super) struct Baseline {
    pub(super) run: String,
    pub(super) bundle: PathBuf,
    state: State,
    from: Option<String>,
}

/// What can be reused of a stage.
pub(super) struct Offer {
    /// Seq of the stage's outcome.
    pub(super) seq: u64,
    /// What it published.
    pub(super) artifacts: Vec<Artifact>,
    /// The outcomes of its substages, in the order in which it reported them.
    pub(super) substages: Vec<ReportedOutcome>,
}

impl Baseline {
    /// Finds the run that is to be retried. Its bundle is beside the others.
    pub(super) fn find(view: &mut View, runs: &Path, retry: &Retry) -> Result<Baseline, RunError> {
        let state = left(view, &retry.of)?;
        let (run, from) = (retry.of.clone(), retry.from.clone());
        Ok(Baseline { bundle: runs.join(&run), run, state, from })
    }

    /// What can be reused of a stage if all earlier ones were reused. If nothing can be, a message that says what was expected
    /// and found.
    pub(super) fn offer(
        &self,
        plan: &Plan,
        stage: &Stage,
        inputs: &[Found],
        secrets: &Secrets,
        recorded: &[Outcome],
    ) -> Result<Offer, String> {
        if self.from.as_ref() == Some(&stage.id) {
            return Err(format!("`--from` names it (retry of run `{}`)", self.run));
        }
        let seq = self.success(&stage.id)?;
        self.same_before(plan, stage)?;
        self.same_start(plan, stage, secrets)?;
        self.same_inputs(stage, inputs, secrets)?;
        let substages = self.substages(&stage.id);
        self.same_substages(&stage.id, &substages, recorded)?;
        let artifacts = self.state.intended(&stage.id).unwrap_or_default().to_vec();
        Ok(Offer { seq, artifacts, substages: substages.into_iter().map(reported_outcome).collect() })
    }

    fn success(&self, stage: &str) -> Result<u64, String> {
        let found = self.state.outcome(stage).zip(self.state.outcome_seq(stage));
        match found {
            Some((outcome, seq)) if outcome.status == StageStatus::Success => Ok(seq.0),
            found => {
                let found = found.map_or("none".to_owned(), |(outcome, _)| format!("`{outcome}`"));
                Err(format!("expected a success of it in run `{}`, found {found}", self.run))
            }
        }
    }

    /// Checks that the same stages came before it, because it may have read what they left.
    fn same_before(&self, plan: &Plan, stage: &Stage) -> Result<(), String> {
        let before = |ids: Vec<&str>| -> Vec<String> {
            ids.into_iter().take_while(|id| *id != stage.id).map(|id| format!("`{id}`")).collect()
        };
        let there = self.state.configured().filter(|(_, enabled, _)| *enabled).map(|(id, ..)| id);
        let (expected, found) =
            (before(there.collect()), before(plan.enabled().map(|stage| stage.id.as_str()).collect()));
        if expected == found {
            return Ok(());
        }
        let list = |ids: &[String]| if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
        let (expected, found) = (list(&expected), list(&found));
        Err(format!("expected the stages before it that run `{}` had: {expected}; found {found}", self.run))
    }

    /// Checks that the stage would be started in the same way.
    fn same_start(&self, plan: &Plan, stage: &Stage, secrets: &Secrets) -> Result<(), String> {
        let pinned = same::pinned(&self.state);
        let digests = pinned.and_then(|pinned| pinned.get("stages"));
        // Runs that were created before stages had digests have the digest of the whole plan instead.
        let (what, expected, found) = match digests {
            Some(digests) => {
                let what = "command, environment and inputs, by digest";
                (what, digests.get(&stage.id), same::start_digest(stage, secrets))
            }
            None => {
                ("plan, by digest", pinned.and_then(|pinned| pinned.get("blake3")), same::plan_digest(plan, secrets))
            }
        };
        match expected.and_then(Value::as_str) {
            Some(expected) if expected == found => Ok(()),
            expected => {
                let expected = expected.unwrap_or("none");
                Err(format!("expected the {what}, that run `{}` had: {expected}; found {found}", self.run))
            }
        }
    }

    /// Checks that its inputs have the recorded content.
    fn same_inputs(&self, stage: &Stage, inputs: &[Found], secrets: &Secrets) -> Result<(), String> {
        let mut expected = self.state.inputs(&stage.id);
        let mut found: Vec<Value> = inputs.iter().map(|input| input.to_value(&secrets.mask(&input.path))).collect();
        for list in [&mut expected, &mut found] {
            list.sort_by_key(|input| (text(&input["path"]), text(&input["from"])));
        }
        let is_in = |list: &[Value], input: &Value| list.contains(input);
        let gone = expected.iter().find(|input| !is_in(&found, input));
        let new = found.iter().find(|input| !is_in(&expected, input));
        let Some(differs) = gone.or(new) else { return Ok(()) };
        let of = |list: &[Value]| {
            let same = |input: &&Value| input["path"] == differs["path"] && input["from"] == differs["from"];
            list.iter().find(same).map_or("no such input".to_owned(), content)
        };
        let (path, expected, found) = (text(&differs["path"]), of(&expected), of(&found));
        Err(format!("input `{path}`: expected what run `{}` read, {expected}; found {found}", self.run))
    }

    /// What the retried run has recorded of the stage's substages, in the order of the log.
    fn substages(&self, stage: &str) -> Vec<&Outcome> {
        let own =
            self.state.outcomes().filter(|reported| is_substage(&reported.stage) && root_of(&reported.stage) == stage);
        let mut own: Vec<&Outcome> = own.collect();
        own.sort_by_key(|reported| self.state.outcome_seq(&reported.stage));
        own
    }

    /// Checks that all of its substages succeeded, and that no interrupted attempt of this run has recorded another outcome
    /// for them.
    fn same_substages(&self, stage: &str, substages: &[&Outcome], recorded: &[Outcome]) -> Result<(), String> {
        let own = |reported: &&Outcome| is_substage(&reported.stage) && root_of(&reported.stage) == stage;
        let failed = substages.iter().copied().find(|reported| reported.status != StageStatus::Success);
        let other = recorded.iter().filter(own).find(|reported| !substages.contains(reported));
        match failed.or(other) {
            None => Ok(()),
            Some(found) => {
                Err(format!("expected only the successes of its substages in run `{}`, found `{found}`", self.run))
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An input's recorded content, for messages.
fn content(input: &Value) -> String {
    match input["blake3"].as_str() {
        Some(digest) => format!("{} bytes with BLAKE3 {digest}", input["bytes"]),
        None => "no file".to_owned(),
    }
}

/// The outcome as the stage would report it if it ran.
fn reported_outcome(outcome: &Outcome) -> ReportedOutcome {
    let Outcome { stage, status, fail_mode, reason_code } = outcome.clone();
    ReportedOutcome { line: 0, stage, status, fail_mode: Some(fail_mode), reason_code }
}
