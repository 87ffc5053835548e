//! Operations on runs: one pass over a run in the state that a case gives.

use super::Found;
use super::rig::{NOW_NS, Played, Rig, instant};
use super::values::{list, texts};
use evlog_lifecycle::story::Phase;
use evlog_lifecycle::story::definition::{Definition, Group};
use evlog_lifecycle::story::derive::Stage;
use evlog_lifecycle::story::duration;
use evlog_lifecycle::story::payload::{Mode, StepCause};
use serde_json::{Map, Value, json};

const SECOND: i64 = 1_000_000_000;

/// The story of a case: its lists of steps, its policy, its schemas.
fn story(given: &Value) -> Map<String, Value> {
    const TAKEN: [&str; 8] =
        ["pattern", "steps", "compensations", "finally", "policy", "inputsSchema", "outputsSchema", "output"];
    let given = given.as_object();
    let taken = given.into_iter().flatten().filter(|(name, value)| TAKEN.contains(&name.as_str()) && !value.is_null());
    taken.map(|(name, value)| (name.clone(), list_of(value))).collect()
}

/// A member of a story; of a list of steps, each as stories spell it: cases write branches and flags beside the name.
fn list_of(value: &Value) -> Value {
    let Value::Array(steps) = value else { return value.clone() };
    steps.iter().map(spelled).collect()
}

fn spelled(step: &Value) -> Value {
    let mut step = step.clone();
    let Some(members) = step.as_object_mut() else { return step };
    let branches = members.remove("branches").map(|branches| ("steps", list_of(&branches)));
    let waits = members.remove("waitForCompletion").map(|waits| ("waitForCompletion", waits));
    for (name, value) in branches.into_iter().chain(waits) {
        step["with"][name] = value;
    }
    step
}

fn rig(mode: Mode, story: Map<String, Value>, given: &Value) -> Result<Rig, String> {
    Rig::new(mode, &Value::Object(story), &given["inputs"])
}

/// `now` of a case.
fn now(when: &Value) -> i128 {
    instant(&when["now"]).unwrap_or(NOW_NS)
}

/// Members that `status.json` leaves out when they have no value.
const OPTIONAL: [&str; 13] = [
    "active",
    "allowedFailures",
    "cancelRequested",
    "completed",
    "conditions",
    "duration",
    "error",
    "finishedAt",
    "gates",
    "output",
    "startedAt",
    "stepStates",
    "triggerTokens",
];

/// What the run is like afterwards, and what the pass has changed.
fn found(rig: &Rig, changed: bool, more: Value) -> Found {
    let mut found = rig.status()?;
    for name in OPTIONAL.into_iter().filter(|name| found.get(name).is_none()).collect::<Vec<_>>() {
        found[name] = Value::Null;
    }
    found["changed"] = changed.into();
    if let (Some(found), Value::Object(more)) = (found.as_object_mut(), more) {
        found.extend(more);
    }
    Ok(found)
}

/// Steps under way in other runs of the story. They count against its limit, and are in no list of the case.
const OTHERS: &str = "other-run-";

/// Lets what is ready begin. `skipOnFailedDependency` is the policy to go on after a failure.
pub(super) fn schedule(given: &Value, when: &Value) -> Found {
    let mut story = story(given);
    let mut policy = story.remove("policy").unwrap_or_else(|| json!({}));
    if when["skipOnFailedDependency"] == true {
        policy["retries"]["continueOnStepFailure"] = true.into();
    }
    let others = given["otherRunningStepsOfStory"].as_u64().unwrap_or_default();
    let names: Vec<String> = (0..others).map(|number| format!("{OTHERS}{number}")).collect();
    let mut steps = list(&story.remove("steps").unwrap_or_default()).to_vec();
    steps.extend(names.iter().map(|name| json!({"name": name})));
    story.extend([("policy".to_owned(), policy), ("steps".to_owned(), steps.into())]);
    let mut rig = rig(Mode::Decided, story, given)?;
    for name in &names {
        rig.put_step(NOW_NS, name, &"Running".into(), |_| ())?;
    }
    rig.put_states(&given["stepStates"])?;
    let played = rig.play(NOW_NS, "start", Value::Null)?;
    let by = |holds: &dyn Fn(Phase, StepCause) -> bool| -> Vec<&str> {
        let moved = played.moved.iter().filter(|(_, phase, cause)| holds(*phase, *cause));
        moved.map(|(name, _, _)| name.as_str()).collect()
    };
    let queued = by(&|_, cause| cause == StepCause::Queued).len();
    let ready = by(&|phase, cause| !phase.is_terminal() && cause != StepCause::Queued);
    let skipped = by(&|phase, _| phase == Phase::Skipped);
    let status = rig.status()?;
    let reason = |name: &&str| ((*name).to_owned(), status["stepStates"][name]["message"].clone());
    let reasons: Map<String, Value> = skipped.iter().map(reason).collect();
    let more = json!({"ready": ready, "skipped": skipped, "queued": queued, "skipReason": reasons});
    found(&rig, !played.moved.is_empty(), more)
}

/// A whole pass: mirrors what workers report, and lets everything follow.
pub(super) fn evaluate_run(given: &Value, when: &Value) -> Found {
    let mut rig = rig(Mode::Decided, story(given), given)?;
    rig.put_states(&given["stepStates"])?;
    if given["phase"].as_str().is_some_and(|phase| !phase.is_empty()) {
        rig.put_run(instant(&given["startedAt"]).unwrap_or(NOW_NS), &given["phase"], &given["message"])?;
        for run in list(&given["stepRuns"]) {
            rig.play(now(when), "step", json!({"step": run["stepId"], "to": run["phase"]}))?;
        }
        rig.play(now(when), "tick", Value::Null)?;
    } else {
        rig.play(now(when), "start", Value::Null)?;
    }
    found(&rig, true, Value::Null)
}

/// A run whose steps have all ended, some of them badly.
pub(super) fn finalize_run(given: &Value, when: &Value) -> Found {
    let mut story = story(given);
    if let Some(template) = given.get("outputTemplate") {
        story.insert("output".to_owned(), template.clone());
    }
    let groups = [("steps", "mainFailed"), ("compensations", "compensationFailed"), ("finally", "finallyFailed")];
    for (group, failed) in groups {
        let declared = list(story.get(group).unwrap_or(&Value::Null)).to_vec();
        let is_new = |name: &&str| !declared.iter().any(|step| step["name"] == **name);
        let named = texts(&given[failed]).into_iter().filter(is_new).map(|name| json!({"name": name}));
        let all: Vec<Value> = declared.iter().cloned().chain(named).collect();
        story.insert(group.to_owned(), all.into());
    }
    let mut rig = rig(Mode::Decided, story.clone(), given)?;
    let undone = texts(&given["mainFailed"]).is_empty();
    for (group, failed) in groups {
        let failed = texts(&given[failed]);
        for name in list(&story[group]).iter().filter_map(|step| step["name"].as_str()) {
            let state = &given["stepStates"][name];
            let usual = if failed.contains(&name) { "Failed" } else { "Succeeded" };
            let phase = state["phase"].as_str().filter(|_| failed.contains(&name)).unwrap_or(usual);
            let message = state["message"].as_str().map(str::to_owned);
            if !(group == "compensations" && undone) {
                rig.put_step(NOW_NS, name, &phase.into(), |moved| moved.message = message)?;
            }
        }
    }
    rig.play(now(when), "start", Value::Null)?;
    found(&rig, true, Value::Null)
}

pub(super) fn check_story_timeout(given: &Value, when: &Value) -> Found {
    let mut story = story(given);
    story.entry("steps").or_insert(json!([{"name": "work"}]));
    let mut rig = rig(Mode::Decided, story, given)?;
    rig.put_run(instant(&given["startedAt"]).unwrap_or(NOW_NS), &given["phase"], &given["message"])?;
    let played = rig.play(now(when), "tick", Value::Null)?;
    let timed_out = rig.state.phase() == Some(Phase::Timeout);
    found(&rig, !played.decision.events.is_empty(), json!({"timedOut": timed_out}))
}

/// A pass over steps that hold: gates with their decisions, waits and sleeps with the time.
pub(super) fn sync(given: &Value, when: &Value) -> Found {
    let mut rig = rig(Mode::Decided, story(given), given)?;
    for (name, state) in given["stepStates"].as_object().into_iter().flatten() {
        // A step that holds and has not said since when has just come to its turn.
        let Some(started_ns) = instant(&state["startedAt"]) else { continue };
        let mut timers = given["timers"][name].as_object().into_iter().flatten();
        let stored = timers.find_map(|(_, value)| instant(value));
        let deadline_ns = stored.or_else(|| own_deadline(rig.state.story(), name, started_ns));
        rig.put_step(started_ns, name, &state["phase"], |moved| moved.deadline_ns = deadline_ns)?;
    }
    let mut changed = !rig.play(now(when), "start", Value::Null)?.moved.is_empty();
    let gates = given["gates"].as_object().into_iter().flatten();
    for (name, gate) in gates {
        let decided = json!({"step": name, "state": gate["state"], "message": gate["message"]});
        changed |= !rig.play(now(when), "gate", decided)?.moved.is_empty();
    }
    changed |= !rig.play(now(when), "tick", Value::Null)?.moved.is_empty();
    found(&rig, changed, Value::Null)
}

/// A pass over parallel steps, with the progress of the branches that their workers report.
pub(super) fn sync_parallel(given: &Value, when: &Value) -> Found {
    let mut rig = rig(Mode::Decided, story(given), given)?;
    rig.play(now(when), "start", Value::Null)?;
    let names: Vec<String> = rig.state.story().steps.iter().map(|step| step.name.clone()).collect();
    let mut changed = false;
    for run in list(&given["stepRuns"]) {
        let called = run["stepId"].as_str().or(run["name"].as_str()).unwrap_or_default();
        let is_called = |name: &&String| called == **name || called.ends_with(&format!("-{name}"));
        let name = names.iter().find(is_called).ok_or_else(|| format!("there is no branch `{called}`"))?;
        for to in ["Running", run["phase"].as_str().unwrap_or("Running")] {
            changed |= !rig.play(now(when), "step", json!({"step": name, "to": to}))?.moved.is_empty();
        }
    }
    found(&rig, changed, Value::Null)
}

/// A pass over steps that execute a story, with the runs that are there.
pub(super) fn sync_sub_stories(given: &Value, when: &Value) -> Found {
    let mut rig = rig(Mode::Decided, story(given), given)?;
    rig.put_states(&given["stepStates"])?;
    rig.put_run(NOW_NS, &"Running".into(), &Value::Null)?;
    let mut changed = !rig.play(now(when), "tick", Value::Null)?.moved.is_empty();
    for (name, state) in given["stepStates"].as_object().into_iter().flatten() {
        let Some(child) = state["subStoryRunName"].as_str() else { continue };
        let known = &given["childRuns"][child];
        rig.related = if known.is_object() && given["childLookupError"].is_null() {
            let mut other = Rig::new(Mode::Observed, &json!({"steps": []}), &Value::Null)?;
            other.put_run(NOW_NS, &known["phase"], &known["message"])?;
            Some(other.state)
        } else {
            None
        };
        changed |= !rig.play(now(when), "child", json!({"step": name, "child": child}))?.moved.is_empty();
    }
    found(&rig, changed, Value::Null)
}

/// When a step that holds since then is over, by its own arguments.
fn own_deadline(story: &Definition, name: &str, started_ns: i128) -> Option<i128> {
    let step = &story.steps[story.number(name)?];
    let lasts = ["timeout", "duration"].into_iter().find_map(|argument| step.argument(argument))?;
    Some(duration::after(started_ns, duration::parse_positive(lasts)?))
}

/// The stage of a realtime run, also after its stream has ended.
pub(super) fn derive_execution_stage(given: &Value, when: &Value) -> Found {
    let mut rig = rig(Mode::Decided, story(given), given)?;
    rig.put_states(&given["stepStates"])?;
    rig.put_run(NOW_NS, &given["phase"], &Value::Null)?;
    let ended = |condition: &Value| condition["reason"] == "TopologyTerminated" && condition["status"] == "True";
    if list(&given["conditions"]).iter().any(ended) {
        rig.play(now(when), "terminate", Value::Null)?;
    }
    let state = &rig.state;
    let main = state.story().group(Group::Main).len();
    let failed: Vec<String> = state.failed(Group::Main).into_iter().map(|step| step.name).collect();
    let more = json!({
        "mainDone": state.tally(Group::Main).done as usize == main,
        "mainFailed": failed,
        "stage": Stage::word(state.stage()),
    });
    found(&rig, true, more)
}

/// A run that begins again: `token`, or `value` as `<step>:<token>`.
pub(super) fn redrive(given: &Value, when: &Value) -> Found {
    let value = when["value"].as_str();
    let (from, token) = match value.map(|value| value.split_once(':').ok_or("expected `<step>:<token>`")) {
        Some(split) => split.map(|(from, token)| (Some(from), Some(token)))?,
        None => (None, when["token"].as_str()),
    };
    let mut rig = rig(Mode::Observed, redriven_story(given, from), given)?;
    rig.put_states(&given["stepStates"])?;
    for run in list(&given["stepRuns"]) {
        let name = run["stepId"].as_str().unwrap_or_default();
        rig.put_step(NOW_NS, name, run.get("phase").unwrap_or(&"Running".into()), |_| ())?;
    }
    // As many attempts as the case has: each is an entry to `Running`.
    for _ in 1..given["attempts"].as_u64().unwrap_or(1).min(100) {
        rig.put_run(NOW_NS, &"Running".into(), &Value::Null)?;
        rig.put_run(NOW_NS, &"Paused".into(), &Value::Null)?;
    }
    rig.put_running_with(NOW_NS, given)?;
    rig.put_run(NOW_NS, given.get("phase").unwrap_or(&"Running".into()), &given["message"])?;
    let played = rig.play(NOW_NS, "redrive", json!({"from": from, "token": token}))?;
    let observed = played.is_accepted().then(|| value.or(token)).flatten();
    let more = json!({
        "accepted": played.is_accepted(),
        "error": if played.is_accepted() { Value::Null } else { json!(played.decision.error.map(|error| error.message)) },
        "stepRuns": rig.names()?,
        "childRuns": rig.names()?,
        "redriveObserved": observed,
        "redriveFromStepObserved": observed,
        "gracefulCancelObserved": rig.state.run().cancel.as_ref().map(|cancel| cancel.at_ns),
        "primitiveChildren": Value::Null,
        "childrenCleanedAt": Value::Null,
    });
    found(&rig, true, more)
}

/// The steps of a case. The children of a step are done again with it.
fn redriven_story(given: &Value, from: Option<&str>) -> Map<String, Value> {
    let mut names: Vec<String> = from.into_iter().map(str::to_owned).collect();
    let states = given["stepStates"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let runs = list(&given["stepRuns"]).iter().filter_map(|run| run["stepId"].as_str());
    let declared = list(&given["steps"]).iter().filter_map(|step| step["name"].as_str());
    for name in declared.chain(states).chain(runs) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let children: Vec<&str> =
        given["primitiveChildren"].as_object().into_iter().flatten().flat_map(|(_, names)| texts(names)).collect();
    let is_child = |name: &str| {
        list(&given["stepRuns"])
            .iter()
            .any(|run| run["stepId"] == name && run["name"].as_str().is_some_and(|own| children.contains(&own)))
    };
    let step = |name: &String| {
        let needs: Vec<&str> = from.filter(|_| is_child(name)).into_iter().collect();
        json!({"name": name, "needs": needs})
    };
    let mut story = story(given);
    story.insert("steps".to_owned(), names.iter().map(step).collect());
    story
}

/// A run that is asked to cancel, or was, with the workers that it has.
pub(super) fn cancel_requested(given: &Value, when: &Value) -> Found {
    let runs = list(&given["stepRuns"]);
    let mut story = story(given);
    story.insert("steps".to_owned(), runs.iter().map(|run| json!({"name": run["stepId"]})).collect());
    let mut rig = rig(Mode::Decided, story, given)?;
    for run in runs {
        rig.put_step(NOW_NS, run["stepId"].as_str().unwrap_or_default(), &run["phase"], |_| ())?;
    }
    rig.put_run(NOW_NS, &given["phase"], &Value::Null)?;
    let played = match instant(&given["cancelObservedAt"]) {
        Some(at_ns) => {
            rig.put_cancel(at_ns, given["drainTimeoutSeconds"].as_i64().unwrap_or(30).saturating_mul(SECOND))?;
            rig.play(now(when), "tick", Value::Null)?
        }
        None => rig.play(now(when), "cancel", Value::Null)?,
    };
    let signalled = |run: &Value| {
        let name = run["stepId"].as_str().unwrap_or_default();
        let live = rig.state.story().number(name).is_some_and(|number| rig.state.steps().get(number).is_live());
        (name.to_owned(), json!({"cancelSignal": live}))
    };
    let ended = |played: &Played| -> Vec<String> {
        let aborted = played.moved.iter().filter(|(_, phase, _)| *phase == Phase::Aborted);
        aborted.map(|(name, _, _)| name.clone()).collect()
    };
    let more = json!({
        "accepted": played.is_accepted(),
        "stepRuns": runs.iter().map(signalled).collect::<Map<String, Value>>(),
        "stepRunsDeleted": ended(&played),
        "cancelObservedAt": rig.state.run().cancel.as_ref().map(|cancel| cancel.at_ns),
        "requeueAfter": i64::from(!rig.state.is_terminal()),
    });
    found(&rig, true, more)
}

/// A request to stop gracefully. A step of the run is running, unless the run has ended.
pub(super) fn stop_request(given: &Value, when: &Value) -> Found {
    if given["exists"] == false {
        return Ok(json!({"error": "ErrNotFound"}));
    }
    let mut rig = Rig::new(Mode::Decided, &json!({"steps": [{"name": "work"}]}), &Value::Null)?;
    let times = [&given["startedAt"], &given["finishedAt"]].map(instant);
    let terminal = super::values::phase(&given["phase"])?.is_some_and(Phase::is_terminal);
    let work = if terminal { "Succeeded" } else { "Running" };
    rig.put_step(NOW_NS - i128::from(3600 * SECOND), "work", &work.into(), |_| ())?;
    let begun_ns = times[0].unwrap_or(NOW_NS - i128::from(1800 * SECOND));
    rig.put_run(begun_ns, &"Running".into(), &Value::Null)?;
    rig.put_run(times[1].unwrap_or(NOW_NS), &given["phase"], &given["message"])?;
    let played = rig.play(now(when), "cancel", Value::Null)?;
    let found = found(&rig, played.is_accepted(), json!({"error": if terminal { None } else { played.error() }}))?;
    Ok(found)
}
