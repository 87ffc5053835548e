//! The state of a run: what was recorded of it, and how one more event changes it.
//!
//! Does: fold events, and refuse those that the contract forbids. Does not: react; a blocked tail is folded because it was
//! committed, never because it should have been.
//!
//! Invariants:
//! - What [`rules`](super::rules) refuses of a command, folding refuses of an event: history holds nothing else.
//! - After a fatal outcome the next events are its blocked tail, and after a reconciliation the outcomes that follow from its
//!   findings: of the same commit, and nothing else.

use super::definition::{Definition, OrderKey, built_in, is_substage};
use super::outcome::{FailMode, Outcome, RunStatus, StageStatus};
use super::payload::{
    Artifact, Artifacts, Created, Input, InputsRecorded, LimitExceeded, LockForced, OutcomeRecorded, Payload,
    TakenOver, ValidationReported,
};
use super::reconcile;
use super::rules::{self, Recording};
use evlog_format::Seq;
use evlog_projection::{Fact, FoldError, canonical};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run's state.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) pinned: Arc<Pinned>,
    /// By index of the stage.
    pub(super) progress: Vec<Progress>,
    pub(super) outcomes: BTreeMap<OrderKey, Entry>,
    pub(super) artifacts: Arc<BTreeMap<String, Held>>,
    pub(super) captured: Arc<BTreeMap<String, Held>>,
    pub(super) reports: Arc<BTreeMap<String, Reported>>,
    pub(super) forced_locks: Arc<Vec<LockForced>>,
    /// With the time of each, Unix nanoseconds.
    pub(super) limits_exceeded: Arc<Vec<(LimitExceeded, i128)>>,
    pub(super) owed: Option<Owed>,
    pub(super) end: Option<End>,
}

/// What the run's first event fixed.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    pub run: String,
    pub definition: Arc<Definition>,
    /// By index of the stage.
    pub stages: Vec<Setting>,
    pub manifest: Map<String, Value>,
    pub emit_health: bool,
    pub seq: Seq,
    pub time_ns: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub enabled: bool,
    pub fail_mode: FailMode,
}

/// How far a stage without an outcome has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// How often it began.
    pub attempts: u64,
    /// When it began last.
    pub begun_ns: Option<i128>,
    /// What it was about to read when it began last, or is about to read now.
    pub inputs: Option<Arc<Vec<Input>>>,
    /// What the gate let through, since it began last.
    pub intended: Option<Arc<Vec<Artifact>>>,
    /// Whether all of that was promoted.
    pub published: bool,
    /// What its process came to, since it began last.
    pub judged: Option<Outcome>,
    /// Where it was taken over from instead of being run, since it began last.
    pub taken: Option<TakenOver>,
}

/// A recorded outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub outcome: Outcome,
    pub seq: Seq,
    pub time_ns: i128,
    /// Whether it follows from what was found of an interrupted run.
    pub reconciled: bool,
}

/// A file of the bundle, and the stage that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub stage: String,
    pub artifact: Artifact,
}

/// A recorded validation report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    pub report: Value,
    pub time_ns: i128,
}

/// Outcomes that the events so far must be followed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    /// The outcome that caused it.
    pub cause: Seq,
    /// First seq of the commit that it must be in.
    pub commit: Seq,
    /// Those still to come; never empty.
    pub outcomes: Vec<Outcome>,
    /// Whether they follow from findings; else from a fatal outcome.
    pub reconciled: bool,
}

impl Owed {
    /// Why they must come, for messages.
    pub(super) fn why(&self) -> &'static str {
        if self.reconciled { "for so it was found" } else { "for the stage is blocked" }
    }
}

/// How the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub status: RunStatus,
    pub time_ns: i128,
}

impl State {
    /// The pipeline's definition.
    pub fn definition(&self) -> &Definition {
        &self.pinned.definition
    }

    /// The recorded outcomes, in their total order.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.values().map(|entry| &entry.outcome)
    }

    /// What the run ended as; none while it goes on.
    pub fn ended_as(&self) -> Option<RunStatus> {
        self.end.map(|end| end.status)
    }

    /// The outcome of a stage or substage.
    pub fn outcome(&self, stage: &str) -> Option<&Outcome> {
        let key = self.definition().order_key(stage)?;
        self.outcomes.get(&key).map(|entry| &entry.outcome)
    }

    pub(super) fn stage_id(&self, index: usize) -> &str {
        &self.pinned.definition.stages()[index].id
    }

    /// The outcome of the top-level stage at an index.
    pub(super) fn top(&self, index: usize) -> Option<&Outcome> {
        self.outcome(self.stage_id(index))
    }

    /// Whether the outcome of the stage at an index follows from what was found of an interrupted run.
    pub(super) fn was_reconciled(&self, index: usize) -> bool {
        let key = self.definition().order_key(self.stage_id(index));
        key.and_then(|key| self.outcomes.get(&key)).is_some_and(|entry| entry.reconciled)
    }

    /// Indexes of the enabled stages, in canonical order.
    pub(super) fn enabled(&self) -> impl Iterator<Item = usize> {
        self.pinned.stages.iter().enumerate().filter(|(_, setting)| setting.enabled).map(|(index, _)| index)
    }

    pub(super) fn has_begun(&self, index: usize) -> bool {
        self.progress[index].attempts > 0
    }

    /// Whether a stage is enabled, has no outcome and has not begun.
    pub(super) fn is_pending(&self, index: usize) -> bool {
        self.pinned.stages[index].enabled && self.top(index).is_none() && !self.has_begun(index)
    }

    /// The substage outcomes of the stage at an index.
    pub(super) fn substages(&self, index: usize) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(move |(key, _)| key.index() == index && is_substage(key.stage()))
            .map(|(_, entry)| &entry.outcome)
    }

    /// The outcome that a stage of the blocked tail is recorded with (rules P-31 and P-14).
    pub(super) fn blocked(&self, index: usize) -> Outcome {
        Outcome::skipped(self.stage_id(index), self.pinned.stages[index].fail_mode, super::outcome::BLOCKED)
    }
}

/// The state after a run's first event.
pub(super) fn start(fact: &Fact<'_>) -> Result<State, FoldError> {
    let wrong = |message: String| FoldError::new(fact, message);
    let Payload::Created(created) = Payload::decode(&fact.event).map_err(wrong)? else {
        return Err(wrong(format!("expected `pipeline.created`, found `{}`", fact.event.kind)));
    };
    let definition = pinned_definition(&created).map_err(wrong)?;
    let found: Vec<&String> = created.stages.iter().map(|stage| &stage.id).collect();
    let expected: Vec<&String> = definition.stages().iter().map(|stage| &stage.id).collect();
    if found != expected {
        return Err(wrong(format!("expected the stages {expected:?}, found {found:?}")));
    }
    let manifest = match evlog_projection::parse(created.manifest.as_bytes()) {
        Ok(Value::Object(members)) => members,
        Ok(other) => return Err(wrong(format!("manifest members: expected an object, found {other}"))),
        Err(error) => return Err(wrong(format!("manifest members: {error}"))),
    };
    rules::manifest(&manifest).map_err(|refusal| wrong(refusal.message))?;
    let stages: Vec<Setting> =
        created.stages.iter().map(|s| Setting { enabled: s.enabled, fail_mode: s.fail_mode }).collect();
    Ok(State {
        progress: vec![Progress::default(); stages.len()],
        pinned: Arc::new(Pinned {
            run: fact.event.stream.to_owned(),
            definition,
            stages,
            manifest,
            emit_health: created.emit_health,
            seq: fact.seq,
            time_ns: fact.head.time_ns(),
        }),
        outcomes: BTreeMap::new(),
        artifacts: Arc::default(),
        captured: Arc::default(),
        reports: Arc::default(),
        forced_locks: Arc::default(),
        limits_exceeded: Arc::default(),
        owed: None,
        end: None,
    })
}

fn hex(digest: [u8; 32]) -> String {
    blake3::Hash::from_bytes(digest).to_hex().to_string()
}

/// The definition that the run was created with, found again or read again (rule P-80).
fn pinned_definition(created: &Created) -> Result<Arc<Definition>, String> {
    let name = &created.pipeline;
    let definition = match &created.definition_text {
        None => built_in(name).ok_or_else(|| format!("expected the name of a built-in pipeline, found `{name}`"))?,
        Some(text) => {
            let value = evlog_projection::parse(text.as_bytes()).map_err(|error| format!("definition: {error}"))?;
            let read = Definition::parse(&value).map_err(|error| format!("definition: {error}"))?;
            if read.text() != text || read.name() != name {
                return Err(format!("definition: expected the canonical text of `{name}`, found another"));
            }
            Arc::new(read)
        }
    };
    if definition.digest() != created.definition {
        let (expected, found) = (hex(created.definition), hex(definition.digest()));
        return Err(format!("pipeline `{name}`: expected the definition with BLAKE3 {expected}, found {found}"));
    }
    Ok(definition)
}

/// The state after one more event.
pub(super) fn evolve(state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
    let payload = Payload::decode(&fact.event).map_err(|message| FoldError::new(fact, message))?;
    if let Some(owed) = state.owed.clone() {
        return tail(state, fact, payload, owed).map_err(|message| FoldError::new(fact, message));
    }
    apply(state, fact, payload).map_err(|message| FoldError::new(fact, message))
}

/// Folds the next event that is owed.
fn tail(state: &mut State, fact: &Fact<'_>, payload: Payload, mut owed: Owed) -> Result<(), String> {
    let (why, expected) = (owed.why(), owed.outcomes.remove(0));
    let found = match payload {
        Payload::Outcome(record) => Outcome::from(record),
        _ => return Err(format!("expected `{expected}`, {why}, found `{}`", fact.event.kind)),
    };
    if found != expected {
        return Err(format!("expected `{expected}`, {why}, found `{found}`"));
    }
    if fact.head.first_seq != owed.commit || fact.event.causation != Some(owed.cause) {
        let Owed { cause, commit, .. } = owed;
        let causation = fact.event.causation.map_or_else(|| "none".to_owned(), |seq| seq.to_string());
        return Err(format!(
            "`{found}`: expected it in the commit that begins at {commit}, caused by {cause}; found the commit that \
             begins at {}, caused by {causation}",
            fact.head.first_seq
        ));
    }
    if owed.reconciled && found.status != StageStatus::Skipped && !found.is_fatal() {
        state.publish_intended(&found.stage);
    }
    state.put(found, fact, owed.reconciled)?;
    state.owed = Some(owed).filter(|owed| !owed.outcomes.is_empty());
    Ok(())
}

fn apply(state: &mut State, fact: &Fact<'_>, payload: Payload) -> Result<(), String> {
    let told = |refusal: rules::Refusal| refusal.message;
    match payload {
        Payload::Created(_) => Err("expected an event of a run that exists, found `pipeline.created`".to_owned()),
        // A refusal is on record, and changes nothing.
        Payload::Refused(_) => Ok(()),
        Payload::Inputs(recorded) => inputs(state, recorded),
        Payload::Begun(begun) => {
            let index = rules::begin(state, &begun.stage).map_err(told)?;
            begin(&mut state.progress[index], fact.head.time_ns());
            Ok(())
        }
        Payload::TakenOver(taken) => {
            let index = rules::take_over(state, &taken).map_err(told)?;
            state.progress[index].taken = Some(taken);
            Ok(())
        }
        Payload::Intended(Artifacts { stage, artifacts }) => {
            let index = rules::intend(state, &stage, &artifacts).map_err(told)?;
            state.progress[index].intended = Some(Arc::new(artifacts));
            state.progress[index].published = false;
            Ok(())
        }
        Payload::Published(Artifacts { stage, artifacts }) => {
            let index = rules::publish(state, &stage, &artifacts).map_err(told)?;
            state.progress[index].published = true;
            let held = artifacts.into_iter().map(|a| (a.path.clone(), Held { stage: stage.clone(), artifact: a }));
            Arc::make_mut(&mut state.artifacts).extend(held);
            Ok(())
        }
        Payload::Reported(ValidationReported { stage, report }) => {
            let value = evlog_projection::parse(report.as_bytes()).map_err(|error| format!("report: {error}"))?;
            if canonical(&value) != report.as_bytes() {
                return Err("report: expected canonical JSON, found other text".to_owned());
            }
            rules::report(state, &stage, &value).map_err(told)?;
            Arc::make_mut(&mut state.reports).insert(stage, Reported { report: value, time_ns: fact.head.time_ns() });
            Ok(())
        }
        Payload::Captured(captured) => {
            let artifact =
                Artifact { path: captured.path, bytes: captured.bytes, blake3: captured.blake3, contract: None };
            rules::captured(state, &captured.stage, &artifact).map_err(told)?;
            let held = Held { stage: captured.stage, artifact };
            Arc::make_mut(&mut state.captured).insert(held.artifact.path.clone(), held);
            Ok(())
        }
        Payload::Judged(record) => judged(state, record.into()),
        Payload::Outcome(record) => outcome(state, fact, record),
        Payload::Reconciled(found) => {
            let outcomes = reconcile::outcomes(state, &found.found).map_err(told)?;
            if outcomes.is_empty() {
                return Err("expected findings that lead to an outcome, found others".to_owned());
            }
            state.owed = Some(Owed { cause: fact.seq, commit: fact.head.first_seq, outcomes, reconciled: true });
            Ok(())
        }
        Payload::LockForced(forced) => {
            rules::lock_forced(state, &forced).map_err(told)?;
            Arc::make_mut(&mut state.forced_locks).push(forced);
            Ok(())
        }
        Payload::LimitExceeded(exceeded) => {
            rules::limit_exceeded(state, &exceeded).map_err(told)?;
            Arc::make_mut(&mut state.limits_exceeded).push((exceeded, fact.head.time_ns()));
            Ok(())
        }
        Payload::Finalized(end) => finalized(state, fact, end.status, end.exit_code),
    }
}

/// Another attempt: nothing of an earlier one counts but the inputs that were recorded for this one.
fn begin(progress: &mut Progress, time_ns: i128) {
    let (attempts, inputs) = (progress.attempts + 1, progress.inputs.take());
    *progress = Progress { attempts, begun_ns: Some(time_ns), inputs, ..Progress::default() };
}

fn judged(state: &mut State, outcome: Outcome) -> Result<(), String> {
    match rules::judge(state, &outcome).map_err(|refusal| refusal.message)? {
        Recording::Same => Err(format!("expected one judgement of `{}`, found a second one", outcome.stage)),
        Recording::New { .. } => {
            let index = state.definition().index_of(&outcome.stage);
            let index = index.ok_or_else(|| format!("`{}` has no place in the order", outcome.stage))?;
            state.progress[index].judged = Some(outcome);
            Ok(())
        }
    }
}

fn inputs(state: &mut State, recorded: InputsRecorded) -> Result<(), String> {
    let InputsRecorded { stage, inputs } = recorded;
    let index = rules::inputs(state, &stage, &inputs).map_err(|refusal| refusal.message)?;
    state.progress[index].inputs = Some(Arc::new(inputs));
    Ok(())
}

fn outcome(state: &mut State, fact: &Fact<'_>, record: OutcomeRecorded) -> Result<(), String> {
    let outcome = Outcome::from(record);
    match rules::outcome(state, &outcome).map_err(|refusal| refusal.message)? {
        Recording::Same => Err(format!("expected one outcome of `{}`, found a second one", outcome.stage)),
        Recording::New { tail } => {
            state.put(outcome, fact, false)?;
            if !tail.is_empty() {
                let outcomes = tail.into_iter().map(|index| state.blocked(index)).collect();
                state.owed = Some(Owed { cause: fact.seq, commit: fact.head.first_seq, outcomes, reconciled: false });
            }
            Ok(())
        }
    }
}

fn finalized(state: &mut State, fact: &Fact<'_>, status: RunStatus, exit_code: u8) -> Result<(), String> {
    let expected = rules::finalize(state).map_err(|refusal| refusal.message)?;
    if state.end.is_some() {
        return Err("expected one `pipeline.finalized`, found a second one".to_owned());
    }
    if (status, exit_code) != (expected, expected.exit_code()) {
        let (want, code) = (expected.word(), expected.exit_code());
        return Err(format!("expected {want} with exit code {code}, found {} with {exit_code}", status.word()));
    }
    state.end = Some(End { status, time_ns: fact.head.time_ns() });
    Ok(())
}

impl State {
    /// The files that were to be promoted when the run was interrupted: they were found, all of them.
    fn publish_intended(&mut self, stage: &str) {
        let Some(index) = self.definition().index_of(stage) else { return };
        let Some(intended) = self.progress[index].intended.clone() else { return };
        self.progress[index].published = true;
        let held = intended.iter().map(|a| (a.path.clone(), Held { stage: stage.to_owned(), artifact: a.clone() }));
        Arc::make_mut(&mut self.artifacts).extend(held);
    }

    fn put(&mut self, outcome: Outcome, fact: &Fact<'_>, reconciled: bool) -> Result<(), String> {
        let place = self.definition().order_key(&outcome.stage);
        let key = place.ok_or_else(|| format!("`{}` has no place in the order", outcome.stage))?;
        self.outcomes.insert(key, Entry { outcome, seq: fact.seq, time_ns: fact.head.time_ns(), reconciled });
        Ok(())
    }
}
