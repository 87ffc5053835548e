//! Operations on steps and their attempts: a run with one step, in the state that a case gives.

use super::Found;
use super::rig::{NOW_NS, Rig, instant};
use evlog_lifecycle::story::payload::Mode;
use evlog_lifecycle::story::retry::ExitClass;
use serde_json::{Map, Value, json};

/// A run that goes, with one step that has a policy and, where a case gives them, schemas.
fn rig(mode: Mode, given: &Value, retry: &Value) -> Result<Rig, String> {
    let mut step = Map::from_iter([("name".to_owned(), "x".into()), ("execution".to_owned(), json!({"retry": retry}))]);
    for (member, name) in [("inputSchema", "inputSchema"), ("outputSchema", "outputSchema"), ("input", "with")] {
        if let Some(value) = given.get(member) {
            step.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(timeout) = given.get("stepTimeout") {
        step["execution"]["timeout"] = timeout.clone();
    }
    Rig::new(mode, &json!({"steps": [step, {"name": "goes-on"}]}), &Value::Null)
}

/// The step as it is: its own record, and what the source's platform would do about it.
fn found(rig: &Rig, more: Value) -> Found {
    let status = rig.status()?;
    let mut found = status["stepRuns"]["x"].clone();
    if !found.is_object() {
        found = json!({});
    }
    let state = rig.state.steps().get(0);
    found["retryScheduled"] = state.next_retry_ns.is_some().into();
    found["requeueAfter"] = i64::from(state.is_live()).into();
    found["attemptResourceDeleted"] = state.attempt_ns.is_none().into();
    found["newAttemptStarted"] = state.attempt_ns.is_some().into();
    for name in ["nextRetryAt", "lastFailureMsg", "exitCode", "exitClass", "error", "output", "lastOutputAt"] {
        if found.get(name).is_none() {
            found[name] = Value::Null;
        }
    }
    if let (Some(found), Value::Object(more)) = (found.as_object_mut(), more) {
        found.extend(more);
    }
    Ok(found)
}

/// The step as a case gives it, in a run that goes.
fn put(rig: &mut Rig, given: &Value) -> Result<(), String> {
    let class = given["exitClass"].as_str().and_then(ExitClass::from_word);
    let retries = given["retries"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
    let message = given["lastFailureMsg"].as_str().map(str::to_owned);
    let usual = Value::from("Running");
    rig.put_step(NOW_NS, "x", given.get("phase").unwrap_or(&usual), |moved| {
        moved.exit_class = class.or(message.is_some().then_some(ExitClass::Terminal));
        (moved.retries, moved.message) = (retries, message);
        moved.next_retry_ns = instant(&given["nextRetryAt"]);
        moved.worker = given["podName"].as_str().map(str::to_owned);
    })?;
    rig.put_run(NOW_NS, &"Running".into(), &Value::Null)
}

/// A phase that is reported, under the strict profile.
pub(super) fn transition(given: &Value, when: &Value) -> Found {
    let mut rig = rig(Mode::Observed, given, &Value::Null)?;
    let mut given = given.clone();
    if given["podName"].is_null() && given.get("phase").is_none() {
        given["phase"] = "".into();
    }
    put(&mut rig, &given)?;
    let report = json!({"step": "x", "to": when["to"], "worker": given["reporter"]});
    let played = rig.play(NOW_NS, "step", report)?;
    let message = played.decision.error.as_ref().map(|error| error.message.clone());
    let error = if when["to"].is_null() { None } else { played.error() };
    let seen = match error {
        Some("ErrStaleWorker") => json!(message),
        other => json!(other),
    };
    found(&rig, json!({"accepted": played.is_accepted(), "error": seen, "retried": false}))
}

pub(super) fn attempt_failed(given: &Value, when: &Value) -> Found {
    let mut rig = rig(Mode::Decided, given, &given["retry"])?;
    put(&mut rig, given)?;
    let class = when.get("exitClass").unwrap_or(&given["exitClass"]);
    let report = json!({"step": "x", "exit_code": when["exitCode"], "exit_class": class, "message": when["message"]});
    let before = rig.state.steps().get(0).retries;
    rig.play(NOW_NS, "step", report)?;
    let scheduled = rig.state.steps().get(0).retries > before;
    found(&rig, json!({"retryScheduled": scheduled}))
}

pub(super) fn attempt_succeeded(given: &Value, _: &Value) -> Found {
    let mut rig = rig(Mode::Decided, given, &Value::Null)?;
    put(&mut rig, given)?;
    rig.play(NOW_NS, "step", json!({"step": "x", "exit_code": 0, "output": given["output"]}))?;
    found(&rig, Value::Null)
}

/// An attempt that waits for its time, and the time.
pub(super) fn retry_due(given: &Value, when: &Value) -> Found {
    let mut rig = rig(Mode::Decided, given, &Value::Null)?;
    let mut given = given.clone();
    given["phase"] = "Pending".into();
    put(&mut rig, &given)?;
    rig.play(instant(&when["now"]).unwrap_or(NOW_NS), "tick", Value::Null)?;
    found(&rig, Value::Null)
}

/// Whether a result is on record already, so that the platform's own view of the attempt changes nothing.
pub(super) fn result_already_reported(given: &Value) -> Found {
    let mut rig = rig(Mode::Decided, given, &json!({"maxRetries": 0}))?;
    put(&mut rig, given)?;
    let played = rig.play(NOW_NS, "step", json!({"step": "x", "exit_code": 1, "message": "the platform's view"}))?;
    Ok(json!({"reported": !played.is_accepted()}))
}

/// What a worker reports of its attempt: that it failed, took too long, or went well.
pub(super) fn report_attempt(given: &Value) -> Found {
    let mut rig = rig(Mode::Decided, given, &json!({"maxRetries": 0}))?;
    rig.play(NOW_NS, "start", Value::Null)?;
    let mut process_exit_code = 0;
    if rig.state.steps().get(0).is_live() {
        rig.play(NOW_NS, "step", json!({"step": "x", "to": "Running"}))?;
        if given["workIgnoresDeadline"] == true || given.get("workReturns").is_some() {
            rig.play(NOW_NS + 3_600_000_000_000, "tick", Value::Null)?;
            // Any result of the work after its time limit comes too late.
            rig.play(NOW_NS + 3_600_000_000_000, "step", json!({"step": "x", "exit_code": 0}))?;
            process_exit_code = 124;
        } else {
            rig.play(NOW_NS, "step", report(given))?;
        }
    }
    let seen = found(&rig, json!({"processExitCode": process_exit_code}))?;
    if given.get("processError").is_some() {
        let failed = seen["phase"] == "Failed";
        return Ok(json!({"error": failed, "declaredPhase": seen["phase"]}));
    }
    Ok(seen)
}

/// The report of a worker, by what happened to it.
fn report(given: &Value) -> Value {
    if let Some(why) = given["schemaLookupError"].as_str() {
        let error = json!({
            "version": "v1", "type": "execution_error", "message": why, "retryable": true, "exitClass": "retry",
        });
        return json!({"step": "x", "to": "Failed", "error": error});
    }
    let failure = given["failure"].as_str().or((given["processError"] == true).then_some("the process failed"));
    match failure {
        Some(failure) if failure.contains("panic") => {
            json!({"step": "x", "exit_code": 1, "message": format!("the work panicked: {failure}")})
        }
        Some(failure) => json!({"step": "x", "exit_code": 1, "message": failure}),
        None => json!({"step": "x", "exit_code": 0, "output": given["output"]}),
    }
}
