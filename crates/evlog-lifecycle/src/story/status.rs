//! `status.json`: the status object of a story run, with the names of the source document (story.md 5.1 to 5.4).
//!
//! Times and durations are whole seconds. Members without a value are absent. Lists that have no order of their own are sorted
//! by name.

use super::conditions::{Conditions, TYPES};
use super::definition::{Group, Kind, Step};
use super::derive::Stage;
use super::duration::elapsed;
use super::payload::Mode;
use super::phases::Phase;
use super::reasons;
use super::state::State;
use super::steps::StepState;
use crate::members::cut;
use evlog_projection::parse;
use evlog_projection::time::to_rfc3339;
use serde_json::{Map, Value, json};

/// A time in whole seconds: `2026-02-23T18:00:00Z`.
pub(super) fn seconds(time_ns: i128) -> String {
    let text = to_rfc3339(time_ns);
    format!("{}Z", text.split('.').next().unwrap_or(&text))
}

/// An object without the members that have no value.
fn present<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn text(text: Option<&str>) -> Option<Value> {
    text.filter(|text| !text.is_empty()).map(Value::from)
}

fn time(time_ns: Option<i128>) -> Option<Value> {
    time_ns.map(|time| seconds(time).into())
}

fn names(names: Vec<&str>) -> Option<Value> {
    if names.is_empty() { None } else { Some(names.into_iter().map(Value::from).collect()) }
}

/// JSON that an event carried as text.
pub(super) fn carried(text: Option<&str>) -> Option<Value> {
    parse(text?.as_bytes()).ok()
}

/// The conditions of a run or step, in the order of the record.
fn conditions(
    known: Option<Conditions>,
    reason: &str,
    message: Option<&str>,
    epoch: u32,
    dropped: bool,
) -> Option<Value> {
    let known = known?;
    let condition = |index: usize| {
        let lost = dropped && index == 2;
        let reason = if lost { reasons::OUTPUT_RESOLUTION_FAILED } else { reason };
        json!({
            "type": TYPES[index],
            "status": if known[index].status { "True" } else { "False" },
            "reason": reason,
            "message": cut(message.unwrap_or_default(), 2048),
            "observedGeneration": epoch,
            "lastTransitionTime": seconds(known[index].since_ns),
        })
    };
    Some((0..TYPES.len()).map(condition).collect())
}

fn duration(started_ns: Option<i128>, finished_ns: Option<i128>) -> Option<Value> {
    Some(elapsed(started_ns?, finished_ns?).into())
}

/// The status object.
pub(super) fn status(state: &State) -> Value {
    let run = state.run();
    let mut status = present([
        ("attempts", Some(run.attempts.into())),
        ("conditions", conditions(run.conditions, &run.reason, run.message.as_deref(), run.epoch, run.output_dropped)),
        ("duration", duration(run.started_ns, run.finished_ns)),
        ("epoch", Some(run.epoch.into())),
        ("error", run.error.as_ref().map(|error| error.to_json())),
        ("finishedAt", time(run.finished_ns)),
        ("message", Some(run.message.as_deref().unwrap_or_default().into())),
        ("observedGeneration", Some(if run.conditions.is_some() { run.epoch } else { 0 }.into())),
        ("output", carried(run.output.as_deref())),
        ("phase", Some(run.phase.map_or("", Phase::word).into())),
        ("startedAt", time(run.started_ns)),
        ("triggerTokens", names(run.tokens.to_vec())),
    ]);
    status.extend(cancel(state));
    status.extend(schemas(state));
    status.extend(of_steps(state));
    Value::Object(status)
}

fn cancel(state: &State) -> Map<String, Value> {
    let cancel = state.run().cancel.as_ref();
    present([
        ("cancelRequested", cancel.map(|_| true.into())),
        ("cancelObservedAt", time(cancel.map(|cancel| cancel.at_ns))),
        ("cancelDeadline", time(cancel.map(|cancel| cancel.deadline_ns))),
    ])
}

/// The schemas that the inputs and the output were checked against.
fn schemas(state: &State) -> Map<String, Value> {
    let story = state.story();
    let name = story.name.as_deref().unwrap_or("story");
    let reference = |what: &str| {
        let reference = Value::from(format!("bubu://story/default/{name}/{what}"));
        let members = [("ref", Some(reference)), ("version", story.version.as_deref().map(Value::from))];
        Value::Object(present(members))
    };
    present([
        ("inputSchemaRef", story.inputs_schema.as_ref().map(|_| reference("inputs"))),
        ("outputSchemaRef", story.outputs_schema.as_ref().map(|_| reference("output"))),
    ])
}

/// Everything that is counted or listed by step.
fn of_steps(state: &State) -> Map<String, Value> {
    let steps = || state.story().steps.iter().zip(state.steps().iter());
    let of = |holds: &dyn Fn(Phase) -> bool| {
        let held = steps().filter(|(_, step)| step.phase.is_some_and(holds));
        let mut names: Vec<&str> = held.map(|(step, _)| step.name.as_str()).collect();
        names.sort_unstable();
        names
    };
    let completed = of(&|phase| phase == Phase::Succeeded);
    let (complete, failed) = (completed.len(), of(&Phase::is_failure).len());
    let skipped = of(&|phase| phase == Phase::Skipped).len();
    let states: Map<String, Value> = steps()
        .filter(|(_, step)| step.phase.is_some())
        .map(|(definition, step)| (definition.name.clone(), Value::Object(step_state(step))))
        .collect();
    let runs: Map<String, Value> = steps()
        .filter(|(definition, step)| definition.kind.is_work() && step.phase.is_some())
        .map(|(definition, step)| (definition.name.clone(), step_run(state, definition, step)))
        .collect();
    let gates: Map<String, Value> =
        steps().filter_map(|(definition, step)| Some((definition.name.clone(), gate(step)?))).collect();
    let story = state.story();
    let named = |number: usize| story.branches(number).map(|branch| Value::from(story.steps[branch].name.as_str()));
    let parallel = steps().enumerate().filter(|(_, (step, at))| step.kind == Kind::Parallel && at.phase.is_some());
    let children: Map<String, Value> =
        parallel.map(|(number, (step, _))| (step.name.clone(), named(number).collect())).collect();
    let filled = |map: Map<String, Value>| if map.is_empty() { None } else { Some(Value::Object(map)) };
    present([
        ("active", names(of(&|phase| matches!(phase, Phase::Running | Phase::Paused)))),
        ("allowedFailures", names(state.allowed_failures())),
        ("completed", names(completed)),
        ("gates", filled(gates)),
        ("primitiveChildren", filled(children)),
        ("stepRuns", filled(runs)),
        ("stepStates", filled(states)),
        ("stepsComplete", Some(complete.into())),
        ("stepsFailed", Some(failed.into())),
        ("stepsSkipped", Some(skipped.into())),
        ("stepsTotal", Some(state.steps().len().into())),
    ])
}

/// A step's state, as the run's status shows it.
fn step_state(step: &StepState) -> Map<String, Value> {
    present([
        ("phase", step.phase.map(|phase| phase.word().into())),
        ("message", text(step.message.as_deref())),
        ("startedAt", time(step.started_ns)),
        ("finishedAt", time(step.finished_ns)),
        ("subStoryRunName", text(step.child.as_deref())),
        ("deadline", time(step.deadline_ns)),
        ("because", text(step.because.as_deref())),
    ])
}

fn gate(step: &StepState) -> Option<Value> {
    let gate = step.gate.as_ref()?;
    Some(Value::Object(present([
        ("state", Some(gate.state.word().into())),
        ("message", text(gate.message.as_deref())),
        ("updatedAt", time(Some(gate.at_ns))),
        ("updatedBy", text(Some(&gate.by))),
    ])))
}

/// A step's own record.
fn step_run(state: &State, definition: &Step, step: &StepState) -> Value {
    let epoch = state.run().epoch;
    let mut run = present([
        ("phase", step.phase.map(|phase| phase.word().into())),
        ("conditions", conditions(step.conditions, &step.reason, step.message.as_deref(), epoch, false)),
        ("observedGeneration", Some(epoch.into())),
        ("startedAt", time(step.started_ns)),
        ("finishedAt", time(step.finished_ns)),
        ("duration", duration(step.started_ns, step.finished_ns)),
        ("lastOutputAt", time(step.last_output_ns)),
        ("retries", Some(step.retries.into())),
        ("nextRetryAt", time(step.next_retry_ns)),
        ("exitCode", step.exit_code.map(Value::from)),
        ("exitClass", step.exit_class.map(|class| class.word().into())),
        ("lastFailureMsg", text(step.last_failure.as_deref())),
        ("output", carried(step.output.as_deref())),
        ("error", step.error.as_ref().map(|error| error.to_json())),
        ("podName", text(step.worker.as_deref())),
    ]);
    if !definition.needs.is_empty() {
        run.insert("needs".into(), definition.needs.iter().map(|need| Value::from(need.as_str())).collect());
    }
    Value::Object(run)
}

/// The progress of the run, for `run.json` and the health file.
pub(super) fn standing(state: &State) -> Map<String, Value> {
    let run = state.run();
    let goes_on = !state.is_terminal() && state.mode() == Mode::Decided;
    let executed = Some(state.stage()).filter(|at| goes_on && *at != Stage::Done);
    let of = |group: Group| state.tally(group);
    let failed = Group::ALL.map(|group| of(group).failed);
    crate::members::object(json!({
        "status": run.phase.unwrap_or(Phase::Pending).word(),
        "reason": run.reason,
        "message": run.message.as_deref().unwrap_or_default(),
        "terminal": state.is_terminal(),
        "stage": executed.map(Stage::word),
        "epoch": run.epoch,
        "attempts": run.attempts,
        "steps_total": state.steps().len(),
        "steps_done": Group::ALL.iter().map(|group| of(*group).done).sum::<u32>() + state.branches_done,
        "failed_main": failed[0],
        "failed_compensations": failed[1],
        "failed_finally": failed[2],
        "cancel_requested": run.cancel.is_some(),
        "next_due_utc": state.due_ns().map(to_rfc3339),
    }))
}
