//! How one more event changes the state of a run.
//!
//! Does: fold events, and refuse those that the contract forbids. Does not: react. A blocked tail is folded if it was
//! committed, and is never added here.
//!
//! Invariants:
//! - If [`rules`](super::rules) refuses something in a command, the fold refuses it in an event. So history holds nothing
//!   else.
//! - The events right after a fatal outcome are its blocked tail. The events right after a reconciliation are the outcomes
//!   that follow from its findings. They are in the same commit, and no other event comes between.

use super::definition::{Definition, built_in};
use super::outcome::{Outcome, RunStatus, StageStatus};
use super::payload::{
    Artifact, Artifacts, Created, InputsRecorded, OutcomeRecorded, OutputCaptured, Payload, ValidationReported,
};
use super::reconcile;
use super::rules::{self, Recording};
use super::state::{End, Held, Owed, Pinned, Progress, Reported, Setting, State};
use evlog_format::ids::hex;
use evlog_projection::{Fact, FoldError, canonical};
use evlog_rules::rules::Enforced;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    let enforced = crate::enforce(&Enforced::default(), definition.rules(), fact)?;
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
        enforced,
    })
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
        let (expected, found) = (hex(&created.definition), hex(&definition.digest()));
        return Err(format!("pipeline `{name}`: expected the definition with BLAKE3 {expected}, found {found}"));
    }
    Ok(definition)
}

/// The state after one more event.
pub(super) fn evolve(state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
    let payload = Payload::decode(&fact.event).map_err(|message| FoldError::new(fact, message))?;
    let enforced = crate::enforce(&state.enforced, state.definition().rules(), fact)?;
    let applied = match state.owed.clone() {
        Some(owed) => tail(state, fact, payload, owed),
        None => apply(state, fact, payload),
    };
    applied.map_err(|message| FoldError::new(fact, message))?;
    state.enforced = enforced;
    Ok(())
}

/// Folds the next one of the events that must follow.
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
    let message = |refusal: rules::Refusal| refusal.message;
    match payload {
        Payload::Created(_) => Err("expected an event of a run that exists, found `pipeline.created`".to_owned()),
        // A recorded refusal changes nothing.
        Payload::Refused(_) => Ok(()),
        Payload::Inputs(recorded) => inputs(state, recorded),
        Payload::Begun(begun) => {
            let index = rules::begin(state, &begun.stage).map_err(message)?;
            begin(&mut state.progress[index], fact.head.time_ns());
            Ok(())
        }
        Payload::TakenOver(taken) => {
            let index = rules::take_over(state, &taken).map_err(message)?;
            state.progress[index].taken = Some(taken);
            Ok(())
        }
        Payload::ProcessEnded(ended) => {
            let index = rules::process_ended(state, &ended).map_err(message)?;
            state.progress[index].has_ended = true;
            Ok(())
        }
        Payload::Intended(Artifacts { stage, artifacts }) => {
            let index = rules::intend(state, &stage, &artifacts).map_err(message)?;
            state.progress[index].intended = Some(Arc::new(artifacts));
            state.progress[index].published = false;
            Ok(())
        }
        Payload::Published(Artifacts { stage, artifacts }) => {
            let index = rules::publish(state, &stage, &artifacts).map_err(message)?;
            state.progress[index].published = true;
            let held = artifacts.into_iter().map(|a| (a.path.clone(), Held { stage: stage.clone(), artifact: a }));
            Arc::make_mut(&mut state.artifacts).extend(held);
            Ok(())
        }
        Payload::Reported(ValidationReported { stage, report }) => {
            let value = evlog_projection::parse(report.as_bytes()).map_err(|error| format!("report: {error}"))?;
            if canonical(&value) != report.as_bytes() {
                return Err("report: expected canonical JSON, found something else".to_owned());
            }
            rules::report(state, &stage, &value).map_err(message)?;
            Arc::make_mut(&mut state.reports).insert(stage, Reported { report: value, time_ns: fact.head.time_ns() });
            Ok(())
        }
        Payload::Captured(recorded) => captured(state, recorded),
        Payload::Judged(record) => judged(state, record.into()),
        Payload::Outcome(record) => outcome(state, fact, record),
        Payload::Reconciled(found) => {
            let outcomes = reconcile::outcomes(state, &found.found).map_err(message)?;
            if outcomes.is_empty() {
                return Err("expected findings that lead to an outcome, found others".to_owned());
            }
            state.owed = Some(Owed { cause: fact.seq, commit: fact.head.first_seq, outcomes, reconciled: true });
            Ok(())
        }
        Payload::LockForced(forced) => {
            rules::lock_forced(state, &forced).map_err(message)?;
            Arc::make_mut(&mut state.forced_locks).push(forced);
            Ok(())
        }
        Payload::LimitExceeded(exceeded) => {
            rules::limit_exceeded(state, &exceeded).map_err(message)?;
            Arc::make_mut(&mut state.limits_exceeded).push((exceeded, fact.head.time_ns()));
            Ok(())
        }
        Payload::Finalized(end) => finalized(state, fact, end.status, end.exit_code),
    }
}

/// Begins another attempt. Of what was recorded before, only the inputs for this attempt count.
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

fn captured(state: &mut State, recorded: OutputCaptured) -> Result<(), String> {
    let OutputCaptured { stage, path, bytes, blake3 } = recorded;
    let artifact = Artifact { path, bytes, blake3, contract: None };
    rules::captured(state, &stage, &artifact).map_err(|refusal| refusal.message)?;
    Arc::make_mut(&mut state.captured).insert(artifact.path.clone(), Held { stage, artifact });
    Ok(())
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
