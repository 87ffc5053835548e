//! Which events a command leads to.
//!
//! Does: turn a command that the rules accept into events, including the blocked tail, and any other command into a recorded
//! refusal. Does not: judge; [`rules`] does that.
//!
//! Invariant: a decision's events are one commit. The blocked tail is caused by the outcome before it (rule P-31).

use super::command::{Chosen, Command, Create, Do, ReportedOutcome};
use super::definition::{Definition, NAMES, built_in};
use super::outcome::{FailMode, Outcome};
use super::payload::{
    Artifacts, Created, Finalized, Found, InputsRecorded, OutcomeRecorded, OutputCaptured, Payload, Reconciled,
    Refused, StageBegun, StageSetting, TakenOver, ValidationReported,
};
use super::reconcile;
use super::rules::{self, Judged, Recording, refuse};
use super::state::State;
use crate::members::{cut, quoted};
use evlog_projection::{Asked, Cause, Decision, NewEvent, Target, canonical};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest message of a refusal, in bytes. It quotes callers' text, which may have any length.
const MESSAGE_LEN_MAX: usize = 2000;
/// The longest stage that a refusal repeats, in bytes.
const STAGE_LEN_MAX: usize = 200;

/// The events of an accepted command, each with the index of the event that caused it.
type Taken = Vec<(Payload, Cause)>;

fn one(payload: Payload) -> Taken {
    vec![(payload, Cause::Command)]
}

/// Pipelines from contract files (`--contract`), by name.
type Known = BTreeMap<String, Arc<Definition>>;

/// Decides a command.
pub(super) fn decide(brought: &Known, asked: &Asked<'_, State>, command: &Command) -> Decision {
    let taken = match (&command.0, asked.state) {
        (Do::Create(create), None) => created(brought, asked.run, create),
        (Do::Create(_), Some(_)) => Err(rules::run_exists(asked.run)),
        (_, None) => refuse("UNKNOWN_RUN", format!("there is no run `{}`; create it first", asked.run)),
        (Do::TakeOver(taken), Some(state)) => taken_over(state, asked.related, taken),
        (command, Some(state)) => recorded(state, command),
    };
    match taken.and_then(|taken| events(&taken)) {
        Ok(events) => Decision::accepted(events),
        Err(refusal) => refused(asked, &command.0, &refusal),
    }
}

fn events(taken: &[(Payload, Cause)]) -> Judged<Vec<NewEvent>> {
    let event = |(payload, cause): &(Payload, Cause)| match payload.encode() {
        Ok(bytes) => Ok(NewEvent { cause: *cause, ..NewEvent::new(payload.kind(), bytes) }),
        Err(error) => refuse("TOO_LARGE", error.to_string()),
    };
    taken.iter().map(event).collect()
}

/// A refusal is an event of the run, or of `$log` if there is no such run.
fn refused(asked: &Asked<'_, State>, command: &Do, refusal: &rules::Refusal) -> Decision {
    let message = cut(&refusal.message, MESSAGE_LEN_MAX).to_owned();
    let record = Payload::Refused(Refused {
        action: command.action().to_owned(),
        stage: command.stage().map(|stage| cut(stage, STAGE_LEN_MAX).to_owned()),
        code: refusal.code.to_owned(),
        message: message.clone(),
    });
    let target = if asked.state.is_some() { Target::Run } else { Target::Log };
    let bytes = record.encode().unwrap_or_else(|error| unreachable!("its texts are short: {error}"));
    Decision::refused(vec![NewEvent { target, ..NewEvent::new(record.kind(), bytes) }], refusal.code, message)
}

fn created(brought: &Known, run: &str, create: &Create) -> Judged<Taken> {
    let (definition, text) = match &create.pipeline {
        Chosen::Brought(definition) => (Arc::clone(definition), Some(definition.text().to_owned())),
        Chosen::Named(name) => match brought.get(name) {
            Some(definition) => (Arc::clone(definition), Some(definition.text().to_owned())),
            None => (known(brought, name)?, None),
        },
    };
    rules::manifest(&create.manifest)?;
    rules::operability(&create.manifest)?;
    rules::retry(run, &create.manifest)?;
    let stages = settings(&definition, create)?;
    let manifest = canonical(&Value::Object(create.manifest.clone()));
    Ok(one(Payload::Created(Created {
        pipeline: definition.name().to_owned(),
        definition: definition.digest(),
        definition_text: text,
        stages,
        manifest: String::from_utf8(manifest).unwrap_or_else(|_| unreachable!("JSON is UTF-8")),
        emit_health: create.emit_health,
    })))
}

fn known(brought: &Known, name: &str) -> Judged<Arc<Definition>> {
    let known: Vec<&str> = NAMES.into_iter().chain(brought.keys().map(String::as_str)).collect();
    let message = || {
        let (known, found) = (known.join(", "), quoted(name));
        format!("expected a definition, or the name of one that is known ({known}), found `{found}`")
    };
    built_in(name).map_or_else(|| refuse("UNKNOWN_PIPELINE", message()), Ok)
}

fn settings(definition: &Definition, create: &Create) -> Judged<Vec<StageSetting>> {
    let mut settings: Vec<StageSetting> = definition
        .stages()
        .iter()
        .map(|stage| StageSetting { id: stage.id.clone(), enabled: stage.enabled, fail_mode: stage.fail_mode })
        .collect();
    for (id, given) in &create.stages {
        let Some(setting) = settings.iter_mut().find(|setting| setting.id == *id) else {
            return refuse(
                "UNKNOWN_STAGE",
                format!("`{}` is not a stage of pipeline `{}`", quoted(id), definition.name()),
            );
        };
        setting.enabled = given.enabled.unwrap_or(setting.enabled);
        setting.fail_mode = given.fail_mode.unwrap_or(setting.fail_mode);
    }
    Ok(settings)
}

fn recorded(state: &State, command: &Do) -> Judged<Taken> {
    Ok(match command {
        Do::Create(_) => unreachable!("a run is created where there is none"),
        Do::Inputs { stage, inputs } => {
            rules::inputs(state, stage, inputs)?;
            one(Payload::Inputs(InputsRecorded { stage: stage.clone(), inputs: inputs.clone() }))
        }
        Do::Begin { stage } => {
            rules::begin(state, stage)?;
            one(Payload::Begun(StageBegun { stage: stage.clone() }))
        }
        Do::TakeOver(_) => unreachable!("it is decided with the state of another run"),
        Do::Intend { stage, artifacts } => {
            rules::intend(state, stage, artifacts)?;
            one(Payload::Intended(Artifacts { stage: stage.clone(), artifacts: artifacts.clone() }))
        }
        Do::Publish { stage, artifacts } => {
            rules::publish(state, stage, artifacts)?;
            one(Payload::Published(Artifacts { stage: stage.clone(), artifacts: artifacts.clone() }))
        }
        Do::Report { stage, report } => {
            rules::report(state, stage, report)?;
            let text = String::from_utf8(canonical(report)).unwrap_or_else(|_| unreachable!("JSON is UTF-8"));
            one(Payload::Reported(ValidationReported { stage: stage.clone(), report: text }))
        }
        Do::Captured { stage, artifact } => {
            rules::captured(state, stage, artifact)?;
            let (path, bytes, blake3) = (artifact.path.clone(), artifact.bytes, artifact.blake3);
            one(Payload::Captured(OutputCaptured { stage: stage.clone(), path, bytes, blake3 }))
        }
        Do::Judge(reported) => judge(state, reported)?,
        Do::Outcome(reported) => outcome(state, reported)?,
        Do::Reconcile { found } => reconcile(state, found)?,
        Do::LockForced(forced) => {
            rules::lock_forced(state, forced)?;
            one(Payload::LockForced(forced.clone()))
        }
        Do::LimitExceeded(exceeded) => {
            rules::limit_exceeded(state, exceeded)?;
            one(Payload::LimitExceeded(exceeded.clone()))
        }
        Do::ProcessEnded(ended) => {
            rules::process_ended(state, ended)?;
            one(Payload::ProcessEnded(ended.clone()))
        }
        Do::Finalize => finalize(state)?,
    })
}

/// A new command is judged with the state of the baseline. Replay judges the event by the run alone.
fn taken_over(state: &State, baseline: Option<&State>, taken: &TakenOver) -> Judged<Taken> {
    rules::take_over(state, taken)?;
    rules::succeeded(baseline, taken)?;
    Ok(one(Payload::TakenOver(taken.clone())))
}

/// The reported outcome. If it has no fail mode, it gets the usual one (rule P-14).
fn whole(state: &State, reported: &ReportedOutcome) -> Outcome {
    let ReportedOutcome { stage, status, fail_mode, reason_code } = reported.clone();
    let definition = state.definition();
    // If the pipeline does not have the stage, the command is refused later, so any fail mode will do.
    let configured = definition.index_of(&stage).map(|index| state.pinned.stages[index].fail_mode);
    let configured = configured.unwrap_or(FailMode::FailClosed);
    let usual = || definition.usual_fail_mode(&stage, status, reason_code.as_deref(), configured);
    let fail_mode = fail_mode.unwrap_or_else(usual);
    Outcome { stage, status, fail_mode, reason_code }
}

fn judge(state: &State, reported: &ReportedOutcome) -> Judged<Taken> {
    let outcome = whole(state, reported);
    match rules::judge(state, &outcome)? {
        Recording::Same => Ok(Vec::new()),
        Recording::New { .. } => Ok(one(Payload::Judged(OutcomeRecorded::from(outcome)))),
    }
}

fn outcome(state: &State, reported: &ReportedOutcome) -> Judged<Taken> {
    let outcome = whole(state, reported);
    let Recording::New { tail } = rules::outcome(state, &outcome)? else {
        return Ok(Vec::new());
    };
    let mut taken = one(Payload::Outcome(OutcomeRecorded::from(outcome)));
    taken.extend(tail.into_iter().map(|index| (Payload::Outcome(state.blocked(index).into()), Cause::Decided(0))));
    Ok(taken)
}

/// The findings, and the outcomes that follow from them. Empty if no outcome follows.
fn reconcile(state: &State, found: &[Found]) -> Judged<Taken> {
    let mut found = found.to_vec();
    found.sort_by_key(|found| state.definition().index_of(&found.stage));
    let outcomes = reconcile::outcomes(state, &found)?;
    if outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let mut taken = one(Payload::Reconciled(Reconciled { found }));
    taken.extend(outcomes.into_iter().map(|outcome| (Payload::Outcome(outcome.into()), Cause::Decided(0))));
    Ok(taken)
}

fn finalize(state: &State) -> Judged<Taken> {
    let status = rules::finalize(state)?;
    if state.end.is_some() {
        return Ok(Vec::new());
    }
    Ok(one(Payload::Finalized(Finalized { status, exit_code: status.exit_code() })))
}
